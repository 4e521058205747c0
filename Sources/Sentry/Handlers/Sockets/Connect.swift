// connect(2). Never does the sentry wait for the other side.

import CLinux
import Gate
import Kernel
import LinuxABI

extension CallContext {
  func connect(_ descriptor: Descriptor, _ pointer: SocketAddressPointer, _ length: CInt) throws(Errno) -> Outcome {
    let socket = try duplicate(descriptor)
    let domain = try domain(socket.rawValue)
    guard domain == AF_UNIX else {
      // Without namespaces a native call may find another socket and another address than we saw: the host's Unix sockets
      // would be in reach. Internet sockets exist there with `--net host` only.
      if hasPidNamespace { return .native }
      guard domain == AF_INET || domain == AF_INET6 else { throw .notPermitted }
      return try connectInternet(descriptor, pointer, length, socket.rawValue)
    }
    // AF_UNSPEC dissolves a datagram socket's association; without namespaces there are no datagram sockets, and the
    // kernel must not read the address again.
    if length >= 2, try memory.load(UInt16.self, at: pointer.address) == 0 {
      guard hasPidNamespace else { throw .invalidArgument }
      return .native
    }
    let address = try unixAddress(pointer, length)
    guard let bytes = address.path else {
      if address.isAbstract, !sockets.abstractNamesAreScoped { throw .connectionRefused }
      return .native
    }
    trace(bytes, at: pointer.address)
    let kernelAddress = [UInt8(AF_UNIX), 0] + (try kernelAddress(of: bytes, for: socket.rawValue))
    if hasPidNamespace {
      return .substituteReading(
        SystemCall(SYS_connect, descriptor, pointer, kernelAddress.count), kernelAddress, argument: 1)
    }
    // Without namespaces the kernel must not read an address that the guest can still change. Never wait for a listener
    // here: a full backlog is EAGAIN.
    let result = try connectAtOnce(socket.rawValue, kernelAddress).result
    _ = try Errno.check(result)
    return .value(0)
  }

  /// Connects our duplicate of the guest's socket without waiting, whatever the guest's own would do. Returns whether it would
  /// have waited, and what the kernel answered.
  private func connectAtOnce(_ socket: CInt, _ address: [UInt8]) throws(Errno) -> (isBlocking: Bool, result: Int) {
    let flags = try Host.call(SYS_fcntl, Int(socket), Int(F_GETFL))
    let isBlocking = flags & Int(OpenFlags.nonBlocking.rawValue) == 0
    if isBlocking {
      try Host.call(SYS_fcntl, Int(socket), Int(F_SETFL), flags | Int(OpenFlags.nonBlocking.rawValue))
    }
    let result = address.withUnsafeBytes {
      vd_syscall(Int(SYS_connect), Int(socket), Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0)
    }
    if isBlocking { _ = vd_syscall(Int(SYS_fcntl), Int(socket), Int(F_SETFL), flags, 0, 0, 0) }
    return (isBlocking, result)
  }

  /// The connection is begun here, with our copy of the address on our duplicate of the socket. A guest that would wait for
  /// its end waits in a poll(2) of its own, and then calls again: once the handshake is over, connect(2) reports its outcome
  /// (`__inet_stream_connect`, the case SS_CONNECTING).
  private func connectInternet(
    _ descriptor: Descriptor, _ pointer: SocketAddressPointer, _ length: CInt, _ socket: CInt
  ) throws(Errno) -> Outcome {
    let (isBlocking, result) = try connectAtOnce(socket, try plainAddress(pointer, length))
    guard isBlocking, result == -Int(EINPROGRESS) || result == -Int(EALREADY) else {
      task.connectDeadline = nil
      return .value(result)
    }
    var timeout: CInt = -1
    if let deadline = try connectDeadline(socket, isFirst: result == -Int(EINPROGRESS)) {
      guard let left = deadline.milliseconds(from: MonotonicClock.now()) else {
        task.connectDeadline = nil
        return .value(-Int(EINPROGRESS))
      }
      timeout = left
    }
    // struct pollfd: the descriptor, POLLOUT, no result. Whatever else a thread of the guest makes of it, it wakes too early.
    let number = UInt32(bitPattern: descriptor.number)
    let poll = (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } + [4, 0, 0, 0]
    return .after(SystemCall(SYS_poll, 0, 1, timeout), poll, argument: 0)
  }

  /// SO_SNDTIMEO bounds a connect; nil without it.
  private func connectDeadline(_ socket: CInt, isFirst: Bool) throws(Errno)
    -> ConnectDeadline?
  {
    if !isFirst, let deadline = task.connectDeadline { return deadline }
    var time = timeval()
    var length = socklen_t(MemoryLayout<timeval>.size)
    let result = withUnsafeMutablePointer(to: &time) { time in
      withUnsafeMutablePointer(to: &length) { length in
        // SOL_SOCKET, SO_SNDTIMEO.
        vd_syscall(Int(SYS_getsockopt), Int(socket), 1, 21, Int(bitPattern: time), Int(bitPattern: length), 0)
      }
    }
    _ = try Errno.check(result)
    task.connectDeadline = ConnectDeadline(time, from: MonotonicClock.now())
    return task.connectDeadline
  }
}
