// connect(2). Never does the sentry wait for the other side.

import Gate
import Kernel
import LinuxABI

extension CallContext {
  func connect(_ descriptor: Descriptor, _ pointer: SocketAddressPointer, _ length: CInt) throws(Errno) -> Outcome {
    let socket = try duplicate(descriptor)
    let family = try Host.addressFamily(of: socket.rawValue)
    if network != nil, family == .internet || family == .internet6 {
      return try connectFiltered(descriptor, InternetSocket(socket, family), pointer, length)
    }
    guard family == .unix else {
      // Without namespaces a native call may find another socket and another address than we saw: the host's Unix sockets
      // would be in reach. Internet sockets exist there with `--net host` only.
      if hasPidNamespace { return .native }
      guard family == .internet || family == .internet6 else { throw .notPermitted }
      return try connectInternet(descriptor, try plainAddress(pointer, length), socket.rawValue)
    }
    // AF_UNSPEC dissolves a datagram socket's association; without namespaces there are no datagram sockets, and the
    // kernel must not read the address again.
    if length >= 2, try memory.load(UInt16.self, at: pointer.address) == AddressFamily.unspecified.rawValue {
      guard hasPidNamespace else { throw .invalidArgument }
      if numbersStay { return .native }
      return try connectHere(socket.rawValue, [UInt8](repeating: 0, count: 16))
    }
    let address = try unixAddress(pointer, length)
    guard let bytes = address.path else {
      if address.isAbstract, !sockets.abstractNamesAreScoped { throw .connectionRefused }
      return numbersStay ? .native : try connectHere(socket.rawValue, [UInt8](address.bytes))
    }
    trace(bytes, at: pointer.address)
    let kernelAddress = UnixAddress.family + (try kernelAddress(of: bytes, for: socket.rawValue))
    if hasPidNamespace, numbersStay {
      return .substituteReading(
        SystemCall(.connect, descriptor, pointer, kernelAddress.count), kernelAddress, argument: 1)
    }
    // Without namespaces the kernel must not read an address that the guest can still change. Never wait for a listener
    // here: a full backlog is EAGAIN.
    return try connectHere(socket.rawValue, kernelAddress)
  }

  private func connectHere(_ socket: CInt, _ address: [UInt8]) throws(Errno) -> Outcome {
    if let failure = try connectAtOnce(socket, address).failure { throw failure }
    return .value(0)
  }

  /// Connects our duplicate of the guest's socket without waiting, whatever the guest's own would do. Returns whether it would
  /// have waited, and why the kernel has not connected it.
  private func connectAtOnce(_ socket: CInt, _ address: [UInt8]) throws(Errno) -> (isBlocking: Bool, failure: Errno?) {
    let flags = try Host.openFlags(of: socket)
    let isBlocking = !flags.contains(.nonBlocking)
    if isBlocking { try Host.setOpenFlags(of: socket, to: flags.union(.nonBlocking)) }
    var failure: Errno?
    do throws(Errno) { try Host.connect(socket, to: address) } catch { failure = error }
    if isBlocking { try? Host.setOpenFlags(of: socket, to: flags) }
    return (isBlocking, failure)
  }

  /// The connection is begun here, with our copy of the address on our duplicate of the socket. A guest that would wait for
  /// its end waits in a poll(2) of its own, and then calls again: once the handshake is over, connect(2) reports its outcome
  /// (`__inet_stream_connect`, the case SS_CONNECTING).
  func connectInternet(_ descriptor: Descriptor, _ address: [UInt8], _ socket: CInt) throws(Errno) -> Outcome {
    let (isBlocking, failure) = try connectAtOnce(socket, address)
    guard isBlocking, failure == .nowInProgress || failure == .alreadyInProcess else {
      task.connectDeadline = nil
      return .value(failure?.result ?? 0)
    }
    var timeout: CInt = -1
    if let deadline = try connectDeadline(socket, isFirst: failure == .nowInProgress) {
      guard let left = deadline.milliseconds(from: MonotonicClock.now()) else {
        task.connectDeadline = nil
        return .value(Errno.nowInProgress.result)
      }
      timeout = left
    }
    return waitToWrite(descriptor, timeout: timeout)
  }

  /// The guest waits until a socket of its own can be written to (or that many milliseconds, unless it is -1), and makes its call
  /// again.
  func waitToWrite(_ descriptor: Descriptor, timeout: CInt) -> Outcome {
    // struct pollfd: the descriptor, POLLOUT, no result. Whatever else a thread of the guest makes of it, it wakes too early.
    let number = UInt32(bitPattern: descriptor.number)
    let poll = (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } + [4, 0, 0, 0]
    return .after(SystemCall(.poll, 0, 1, timeout), poll, argument: 0)
  }

  /// SO_SNDTIMEO bounds a connect; nil without it.
  private func connectDeadline(_ socket: CInt, isFirst: Bool) throws(Errno)
    -> ConnectDeadline?
  {
    if !isFirst, let deadline = task.connectDeadline { return deadline }
    task.connectDeadline = ConnectDeadline(try Host.timeout(.sendTimeout, of: socket), from: MonotonicClock.now())
    return task.connectDeadline
  }
}
