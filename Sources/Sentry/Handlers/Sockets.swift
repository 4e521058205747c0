// Unix sockets with a path: the name is a node of the virtual tree, the kernel's own address an abstract name or a place
// in the store. The sentry binds a duplicate of the guest's socket itself, so the kernel never reads a guest's path.

import CLinux
import Gate
import KernFS
import LinuxABI
import VFS

let socketHandlers: [(CInt, Handler)] = [
  (SYS_bind, { (state, task, call) throws(Errno) in try state.bind(task, call) }),
  (SYS_connect, { (state, task, call) throws(Errno) in try state.connect(task, call) }),
  (SYS_sendto, { (state, task, call) throws(Errno) in try state.sendTo(task, call) }),
  (SYS_sendmsg, { (state, task, call) throws(Errno) in try state.sendMessage(task, call) }),
  (
    SYS_recvfrom,
    { (state, task, call) throws(Errno) in
      let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
      return try state.option(39 /* SO_DOMAIN */, of: socket.rawValue) == AF_UNIX ? .observed : .native
    }
  ),
  (SYS_getsockname, { (state, task, call) throws(Errno) in try state.socketName(task, call, SYS_getsockname) }),
  (SYS_getpeername, { (state, task, call) throws(Errno) in try state.socketName(task, call, SYS_getpeername) }),
]

extension SentryState {
  private func domain(_ socket: CInt) throws(Errno) -> CInt { try option(39 /* SO_DOMAIN */, of: socket) }

  fileprivate func option(_ option: Int, of socket: CInt) throws(Errno) -> CInt {
    var value: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    // SOL_SOCKET is 1.
    _ = try Errno.check(
      withUnsafeMutablePointer(to: &value) { value in
        withUnsafeMutablePointer(to: &length) { length in
          vd_syscall(Int(SYS_getsockopt), Int(socket), 1, option, Int(bitPattern: value), Int(bitPattern: length), 0)
        }
      })
    return value
  }

  /// A Unix address argument, read once. - Throws: `.invalidArgument` for another family or an impossible length.
  private func unixAddress(_ task: Task, _ pointer: UInt64, _ size: UInt64) throws(Errno) -> UnsafeRawBufferPointer {
    let length = CInt(truncatingIfNeeded: size)
    guard length >= 2, length <= 110 else { throw .invalidArgument }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(length)])
    try task.memory.read(into: buffer, at: pointer)
    guard buffer[0] == UInt8(AF_UNIX), buffer[1] == 0 else { throw .invalidArgument }
    return UnsafeRawBufferPointer(buffer)
  }

  /// The path in a `sockaddr_un`; nil for an unnamed or abstract one.
  private func path(in address: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
    guard address.count > 2, address[2] != 0 else { return nil }
    let bytes = address[2..<min(address.count, 110)]
    return UnsafeRawBufferPointer(rebasing: bytes.prefix { $0 != 0 })
  }

  private func isAbstract(_ address: UnsafeRawBufferPointer) -> Bool { address.count > 2 && address[2] == 0 }

  /// Calls bind or connect on our duplicate with an address of ours.
  private func call(_ number: CInt, _ socket: CInt, _ address: [UInt8]) throws(Errno) {
    var bytes: [UInt8] = [UInt8(AF_UNIX), 0]
    bytes.append(contentsOf: address)
    let result = bytes.withUnsafeBytes {
      vd_syscall(Int(number), Int(socket), Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0)
    }
    _ = try Errno.check(result)
  }

  fileprivate func bind(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else {
      // As for connect: without namespaces the kernel does not read the address again.
      if hasPidNamespace { return .native }
      let address = try plainAddress(task, call)
      let result = address.withUnsafeBytes {
        vd_syscall(Int(SYS_bind), Int(socket.rawValue), Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0)
      }
      return .value(result)
    }
    let address = try unixAddress(task, call.arguments.1, call.arguments.2)
    guard let bytes = path(in: address) else {
      if isAbstract(address), !abstractSocketsAreScoped { throw .notPermitted }
      return .native
    }
    if isTracing { tracedStrings.append([UInt8](bytes)) }
    // Bound already: before anything about the path.
    if try kernelName(SYS_getsockname, of: socket.rawValue).count > 2 { throw .invalidArgument }
    let guestPath = [UInt8](bytes)
    if socketPlaces.isSweepDue { sweepSocketPlaces(task) }
    if !socketPlaces.hasRoom { throw .noSpace }
    let path = VirtualFileSystem.Path(bytes, from: start(of: bytes, task))
    // `unix_bind_bsd` applies the umask itself, in a directory with a default ACL too.
    let mode = Permissions(rawValue: 0o777).subtracting(task.context.umask)
    do throws(Errno) {
      try vfs.makeNode(path, type: .socket, mode: mode, device: 0, task.caller)
    } catch {
      throw error == .fileExists ? .addressInUse : error
    }
    do throws(Errno) {
      let (place, number) = try newPlace()
      try self.call(SYS_bind, socket.rawValue, place)
      guard let inode = try vfs.resolve(path, task.caller, follow: false).dentry.inode else { throw .ioError }
      let type = try option(3 /* SO_TYPE */, of: socket.rawValue)
      socketPlaces.enter(
        SocketPlaces.Place(inode: inode, address: place, guestPath: guestPath, type: type, number: number))
      return .value(0)
    } catch {
      // The node must not outlive a bind that failed.
      do throws(Errno) { try vfs.unlink(path, task.caller) } catch {}
      throw error
    }
  }

  /// A kernel address for a new socket: an abstract name where the network namespace, or at least Landlock, keeps it
  /// among guests, so that they connect natively and see each other's credentials; else a place in the store.
  private func newPlace() throws(Errno) -> ([UInt8], number: UInt64?) {
    guard hasPidNamespace else {
      let number = try store.createSocketPlace()
      return (store.path(of: number) + [0], number)
    }
    return ([0] + Array("vedette-\(String(UInt64.random(in: 0...UInt64.max), radix: 16))".utf8), nil)
  }

  private func start(of path: UnsafeRawBufferPointer, _ task: Task) -> Position {
    path.first == 0x2f ? task.context.root : task.context.workingDirectory
  }

  /// The kernel's address for the path in a guest's address.
  ///
  /// - Throws: `.connectionRefused` for what nobody is bound to; a socket of the host below us is never connected to.
  private func place(at bytes: UnsafeRawBufferPointer, _ task: Task, for socket: CInt) throws(Errno) -> [UInt8] {
    if isTracing { tracedStrings.append([UInt8](bytes)) }
    let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: start(of: bytes, task)), task.caller)
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    try task.credentials.fileCredentials.check(.write, on: inode)
    guard inode.type == .socket, let place = socketPlaces.place(of: inode) else { throw .connectionRefused }
    // Abstract names are told apart by type, paths are not.
    if place.type != (try option(3 /* SO_TYPE */, of: socket)) { throw .protocolWrongTypeForSocket }
    return place.address
  }

  fileprivate func connect(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    let domain = try domain(socket.rawValue)
    guard domain == AF_UNIX else {
      // Without namespaces a native call may find another socket and another address than we saw: the host's Unix sockets
      // would be in reach. Internet sockets exist there with `--net host` only.
      if hasPidNamespace { return .native }
      guard domain == AF_INET || domain == AF_INET6 else { throw .notPermitted }
      return try connectInternet(task, call, socket.rawValue)
    }
    // AF_UNSPEC dissolves a datagram socket's association; without namespaces there are no datagram sockets, and the
    // kernel must not read the address again.
    if call.arguments.2 >= 2, try task.memory.load(UInt16.self, at: call.arguments.1) == 0 {
      guard hasPidNamespace else { throw .invalidArgument }
      return .native
    }
    let address = try unixAddress(task, call.arguments.1, call.arguments.2)
    guard let bytes = path(in: address) else {
      if isAbstract(address), !abstractSocketsAreScoped { throw .connectionRefused }
      return .native
    }
    let place = try place(at: bytes, task, for: socket.rawValue)
    if hasPidNamespace {
      var substitute = call
      substitute.arguments.2 = UInt64(2 + place.count)
      return .substituteReading(substitute, [UInt8(AF_UNIX), 0] + place, argument: 1)
    }
    // Without namespaces the kernel must not read an address that the guest can still change. Never wait for a listener
    // here: a full backlog is EAGAIN.
    let result = try connectAtOnce(socket.rawValue, [UInt8(AF_UNIX), 0] + place).result
    _ = try Errno.check(result)
    return .value(0)
  }

  /// Connects our duplicate of the guest's socket without waiting, whatever the guest's own would do. Tells whether it would
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

  /// The address argument of a socket that is not a Unix one, read once.
  private func plainAddress(_ task: Task, _ call: SystemCall) throws(Errno) -> [UInt8] {
    // sizeof(struct sockaddr_storage), as in the kernel (`move_addr_to_kernel`).
    let length = CInt(truncatingIfNeeded: call.arguments.2)
    guard length >= 0, length <= 128 else { throw .invalidArgument }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(length)])
    if length > 0 { try task.memory.read(into: buffer, at: call.arguments.1) }
    return [UInt8](buffer)
  }

  /// The connection is begun here, with our copy of the address on our duplicate of the socket. A guest that would wait for
  /// its end waits in a poll(2) of its own, and then calls again: once the handshake is over, connect(2) tells its outcome
  /// (`__inet_stream_connect`, the case SS_CONNECTING).
  private func connectInternet(_ task: Task, _ call: SystemCall, _ socket: CInt) throws(Errno) -> Outcome {
    let (isBlocking, result) = try connectAtOnce(socket, try plainAddress(task, call))
    guard isBlocking, result == -Int(EINPROGRESS) || result == -Int(EALREADY) else {
      task.connectDeadline = nil
      return .value(result)
    }
    var timeout: CInt = -1
    if let deadline = try connectDeadline(task, socket, isFirst: result == -Int(EINPROGRESS)) {
      guard let left = deadline.milliseconds(from: MonotonicClock.now()) else {
        task.connectDeadline = nil
        return .value(-Int(EINPROGRESS))
      }
      timeout = left
    }
    // struct pollfd: the descriptor, POLLOUT, no result. Whatever else a thread of the guest makes of it, it wakes too early.
    let number = UInt32(truncatingIfNeeded: call.arguments.0)
    let poll = (0..<4).map { UInt8(truncatingIfNeeded: number >> ($0 * 8)) } + [4, 0, 0, 0]
    return .after(
      SystemCall(number: Int(SYS_poll), arguments: (0, 1, UInt64(bitPattern: Int64(timeout)), 0, 0, 0)), poll,
      argument: 0)
  }

  /// SO_SNDTIMEO bounds a connect; nil without it.
  private func connectDeadline(_ task: Task, _ socket: CInt, isFirst: Bool) throws(Errno)
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

  /// `sendto(2)` with a destination.
  fileprivate func sendTo(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else { return .native }
    return try send(task, call, to: try unixAddress(task, call.arguments.4, call.arguments.5), by: socket.rawValue)
  }

  /// A `sendto` to an address that has been read.
  private func send(_ task: Task, _ call: SystemCall, to address: UnsafeRawBufferPointer, by socket: CInt)
    throws(Errno) -> Outcome
  {
    guard let bytes = path(in: address) else {
      if isAbstract(address), !abstractSocketsAreScoped { throw .connectionRefused }
      return .native
    }
    let place = try place(at: bytes, task, for: socket)
    // Without namespaces the filter makes no datagram sockets, and a stream ignores the destination.
    guard hasPidNamespace else { throw .notSupportedOnSocket }
    var substitute = call
    substitute.arguments.5 = UInt64(2 + place.count)
    return .substituteReading(substitute, [UInt8(AF_UNIX), 0] + place, argument: 4)
  }

  /// `sendmsg(2)`: a header that names a path becomes a `sendto` of its one part.
  ///
  /// - Throws: `.notSupportedOnSocket` for a path together with several parts or ancillary data.
  fileprivate func sendMessage(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    // struct msghdr: name, its length, iovec, their number, control, its length, flags.
    let header = try task.memory.load(
      (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64).self, at: call.arguments.1)
    if try mustMoveBeforeSending(task, control: header.4, header.5) {
      wakes.append(task.thread)
      return .sleep(isSlow: false)
    }
    // Without namespaces there are no Unix sockets that take a name here.
    if header.0 == 0 || header.1 & 0xffff_ffff == 0 || !hasPidNamespace { return .native }
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else { return .native }
    let address = try unixAddress(task, header.0, header.1 & 0xffff_ffff)
    guard path(in: address) != nil else { return .native }
    guard header.3 <= 1, header.4 == 0 || header.5 == 0 else { throw .notSupportedOnSocket }
    let part = header.3 == 1 ? try task.memory.load((UInt64, UInt64).self, at: header.2) : (0, 0)
    var send = SystemCall(number: Int(SYS_sendto), arguments: call.arguments)
    send.arguments = (call.arguments.0, part.0, part.1, call.arguments.2, header.0, header.1 & 0xffff_ffff)
    return try self.send(task, send, to: address, by: socket.rawValue)
  }

  /// How large a lower file may be that is copied up because its descriptor is sent.
  private static let sentFileLimit: Int64 = 64 << 20

  /// A descriptor in SCM_RIGHTS flight is in no table, so a later copy-up could not exchange it. Lower files are therefore
  /// copied up before a descriptor of theirs is sent; larger ones, and where there is no room, are sent as they are.
  ///
  /// - Returns: something has been copied up, and the sender's own descriptors move before its call comes again.
  private func mustMoveBeforeSending(_ task: Task, control address: UInt64, _ length: UInt64) throws(Errno) -> Bool {
    // struct cmsghdr: length, level, type; then the descriptors. More than the kernel takes (SCM_MAX_FD) is not looked at.
    guard address != 0, length >= 20 else { return false }
    var control = [UInt8](repeating: 0, count: Int(min(length, 8192)))
    let result: Result<Int, Errno> = control.withUnsafeMutableBytes { buffer in
      do throws(Errno) { return .success(try task.memory.readPrefix(of: buffer, at: address)) } catch {
        return .failure(error)
      }
    }
    let count = try result.get()
    var hasMoved = false
    var start = 0
    while start + 20 <= count {
      let (size, level, type) = control.withUnsafeBytes { bytes in
        (
          bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self),
          bytes.loadUnaligned(fromByteOffset: start + 8, as: CInt.self),
          bytes.loadUnaligned(fromByteOffset: start + 12, as: CInt.self)
        )
      }
      guard size >= 16, size <= UInt64(count - start) else { break }
      if level == 1 /* SOL_SOCKET */, type == 1 /* SCM_RIGHTS */ {
        for offset in stride(from: start + 16, through: start + Int(size) - 4, by: 4) {
          let number = control.withUnsafeBytes { $0.loadUnaligned(fromByteOffset: offset, as: CInt.self) }
          if copyUp(number, of: task) { hasMoved = true }
        }
      }
      start += (Int(size) + 7) & ~7
    }
    return hasMoved
  }

  /// Whether the file of a descriptor was a lower one, and is not any more.
  private func copyUp(_ number: CInt, of task: Task) -> Bool {
    do throws(Errno) {
      guard let node = node(try task.descriptors.stat(number), number, of: task.descriptors),
        node.inode.type == .regular,
        !node.isPath, !node.inode.hasFinalBacking, try node.inode.attributes().size <= Self.sentFileLimit
      else { return false }
      try node.inode.copyUpContent()
      return node.inode.hasFinalBacking
    } catch {
      return false
    }
  }

  /// A `recvfrom` of a Unix socket has returned: the sender's kernel address becomes the path it was bound to.
  func showSender(_ task: Task, _ call: SystemCall) throws(Errno) {
    let length = try task.memory.load(CInt.self, at: call.arguments.5)
    guard length > 2, length <= 110 else { return }
    var name = [UInt8](repeating: 0, count: Int(length))
    let outcome: Result<Void, Errno> = name.withUnsafeMutableBytes { name in
      do throws(Errno) { return .success(try task.memory.read(into: name, at: call.arguments.4)) } catch {
        return .failure(error)
      }
    }
    try outcome.get()
    guard let place = socketPlaces.place(at: Array(name[2...])) else { return }
    // No longer than what the kernel wrote is known to fit; the length is the whole, as with any name cut short.
    let shown = [UInt8(AF_UNIX), 0] + place.guestPath + [0]
    try task.memory.write(Array(shown.prefix(name.count)), at: call.arguments.4)
    try task.memory.store(CInt(shown.count), at: call.arguments.5)
  }

  /// The name of a socket as the kernel knows it, with its family.
  private func kernelName(_ number: CInt, of socket: CInt) throws(Errno) -> [UInt8] {
    var name = [UInt8](repeating: 0, count: 128)
    var length = socklen_t(name.count)
    let result = name.withUnsafeMutableBytes { name in
      withUnsafeMutablePointer(to: &length) { length in
        vd_syscall(Int(number), Int(socket), Int(bitPattern: name.baseAddress), Int(bitPattern: length), 0, 0, 0)
      }
    }
    _ = try Errno.check(result)
    name.removeSubrange(min(Int(length), name.count)...)
    return name
  }

  fileprivate func socketName(_ task: Task, _ call: SystemCall, _ number: CInt) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else { return .native }
    let room = try task.memory.load(CInt.self, at: call.arguments.2)
    if room < 0 { throw .invalidArgument }
    var name = try kernelName(number, of: socket.rawValue)
    if name.count > 2, let place = socketPlaces.place(at: Array(name[2...])) {
      name.removeSubrange(2...)
      name += place.guestPath + [0]
    }
    try task.memory.write(Array(name.prefix(Int(room))), at: call.arguments.1)
    try task.memory.store(CInt(name.count), at: call.arguments.2)
    return .value(0)
  }
}
