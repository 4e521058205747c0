// Unix sockets with a path: the name is a node of the virtual tree, the kernel's own address a place in the store. The
// sentry binds and connects a duplicate of the guest's socket itself, so the kernel never reads a guest's path.

import CLinux
import Gate
import KernFS
import LinuxABI
import VFS

let socketHandlers: [(CInt, Handler)] = [
  (SYS_bind, { (state, task, call) throws(Errno) in try state.bind(task, call) }),
  (SYS_connect, { (state, task, call) throws(Errno) in try state.connect(task, call) }),
  (SYS_getsockname, { (state, task, call) throws(Errno) in try state.socketName(task, call, SYS_getsockname) }),
  (SYS_getpeername, { (state, task, call) throws(Errno) in try state.socketName(task, call, SYS_getpeername) }),
]

/// The sockets that guests have bound to paths.
final class SocketPlaces {
  struct Place {
    /// Held, so that the identity stays unique.
    let inode: Inode
    /// The kernel's address: a path through our own /proc, below 108 bytes.
    let address: [UInt8]
    /// What the guest bound, as `getsockname` shows it.
    let guestPath: [UInt8]
  }
  private var byInode: [ObjectIdentifier: Place] = [:]
  private var byAddress: [[UInt8]: Place] = [:]

  func enter(_ place: Place) {
    byInode[ObjectIdentifier(place.inode)] = place
    byAddress[place.address] = place
  }

  func place(of inode: Inode) -> Place? { byInode[ObjectIdentifier(inode)] }
  func place(at address: [UInt8]) -> Place? { byAddress[address] }
}

extension SentryState {
  private func domain(_ socket: CInt) throws(Errno) -> CInt {
    var value: CInt = 0
    var length = socklen_t(MemoryLayout<CInt>.size)
    // SOL_SOCKET, SO_DOMAIN.
    _ = try Errno.check(
      withUnsafeMutablePointer(to: &value) { value in
        withUnsafeMutablePointer(to: &length) { length in
          vd_syscall(Int(SYS_getsockopt), Int(socket), 1, 39, Int(bitPattern: value), Int(bitPattern: length), 0)
        }
      })
    return value
  }

  /// The address argument, read once. - Throws: `.invalidArgument` for an impossible length.
  private func address(_ task: Task, _ call: SystemCall) throws(Errno) -> UnsafeRawBufferPointer {
    let length = CInt(truncatingIfNeeded: call.arguments.2)
    guard length >= 0, length <= 128 else { throw .invalidArgument }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(length)])
    try task.memory.read(into: buffer, at: call.arguments.1)
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
    bytes.append(0)
    let result = bytes.withUnsafeBytes {
      vd_syscall(Int(number), Int(socket), Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0)
    }
    _ = try Errno.check(result)
  }

  fileprivate func bind(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else { return .native }
    let address = try address(task, call)
    guard address.count >= 2, address[0] == UInt8(AF_UNIX), address[1] == 0 else { throw .invalidArgument }
    guard let bytes = path(in: address) else {
      if isAbstract(address), !abstractSocketsAreScoped { throw .notPermitted }
      return .native
    }
    if isTracing { tracedStrings.append([UInt8](bytes)) }
    let guestPath = [UInt8](bytes)
    let path = VirtualFileSystem.Path(bytes, from: start(of: bytes, task))
    do throws(Errno) {
      try vfs.makeNode(path, type: .socket, mode: Permissions(rawValue: 0o777), device: 0, task.caller)
    } catch {
      throw error == .fileExists ? .addressInUse : error
    }
    let place = store.path(of: try store.createSocketPlace())
    do throws(Errno) {
      try self.call(SYS_bind, socket.rawValue, place)
    } catch {
      // The node must not outlive a bind that failed (already bound, say).
      do throws(Errno) { try vfs.unlink(path, task.caller) } catch {}
      throw error
    }
    guard let inode = try vfs.resolve(path, task.caller, follow: false).dentry.inode else { throw .ioError }
    socketPlaces.enter(SocketPlaces.Place(inode: inode, address: place, guestPath: guestPath))
    return .value(0)
  }

  private func start(of path: UnsafeRawBufferPointer, _ task: Task) -> Position {
    path.first == 0x2f ? task.context.root : task.context.workingDirectory
  }

  fileprivate func connect(_ task: Task, _ call: SystemCall) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else { return .native }
    let address = try address(task, call)
    guard address.count >= 2 else { throw .invalidArgument }
    // AF_UNSPEC dissolves a datagram socket's association.
    if address[0] == 0 && address[1] == 0 { return .native }
    guard address[0] == UInt8(AF_UNIX), address[1] == 0 else { throw .invalidArgument }
    guard let bytes = path(in: address) else {
      if isAbstract(address), !abstractSocketsAreScoped { throw .connectionRefused }
      return .native
    }
    if isTracing { tracedStrings.append([UInt8](bytes)) }
    let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: start(of: bytes, task)), task.caller)
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    try task.credentials.fileCredentials.check(.write, on: inode)
    // A socket of the host below us is never connected to.
    guard inode.type == .socket, let place = socketPlaces.place(of: inode) else { throw .connectionRefused }
    // Never wait for a listener here: a full backlog is EAGAIN.
    let flags = try Host.call(SYS_fcntl, Int(socket.rawValue), Int(F_GETFL))
    let wasBlocking = flags & Int(OpenFlags.nonBlocking.rawValue) == 0
    if wasBlocking {
      try Host.call(SYS_fcntl, Int(socket.rawValue), Int(F_SETFL), flags | Int(OpenFlags.nonBlocking.rawValue))
    }
    defer {
      if wasBlocking { _ = vd_syscall(Int(SYS_fcntl), Int(socket.rawValue), Int(F_SETFL), flags, 0, 0, 0) }
    }
    try self.call(SYS_connect, socket.rawValue, place.address)
    return .value(0)
  }

  fileprivate func socketName(_ task: Task, _ call: SystemCall, _ number: CInt) throws(Errno) -> Outcome {
    let socket = try task.descriptors.duplicate(CInt(truncatingIfNeeded: call.arguments.0))
    guard try domain(socket.rawValue) == AF_UNIX else { return .native }
    let room = try task.memory.load(CInt.self, at: call.arguments.2)
    if room < 0 { throw .invalidArgument }
    var name = [UInt8](repeating: 0, count: 128)
    var length = socklen_t(name.count)
    let result = name.withUnsafeMutableBytes { name in
      withUnsafeMutablePointer(to: &length) { length in
        vd_syscall(Int(number), Int(socket.rawValue), Int(bitPattern: name.baseAddress), Int(bitPattern: length), 0, 0, 0)
      }
    }
    _ = try Errno.check(result)
    name.removeSubrange(min(Int(length), name.count)...)
    if name.count > 2, name[2] != 0 {
      let kernelPath = Array(name[2...].prefix { $0 != 0 })
      let shown = socketPlaces.place(at: kernelPath)?.guestPath ?? []
      name.removeSubrange(2...)
      name.append(contentsOf: shown)
      if !shown.isEmpty { name.append(0) }
    }
    try task.memory.write(Array(name.prefix(Int(room))), at: call.arguments.1)
    try task.memory.store(CInt(name.count), at: call.arguments.2)
    return .value(0)
  }
}
