// getsockname, getpeername: the kernel's address of a Unix socket is shown as the path that it was bound to.

import CLinux
import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addSocketNames() {
    served(51, "getsockname", .fd, .bytes("addr"), Arg<Pointer<CInt>>("addrlen"), as: .trace) {
      (call, descriptor, buffer, length) throws(Errno) in
      try call.socketName(SYS_getsockname, of: descriptor, into: buffer, length)
    }
    served(52, "getpeername", .fd, .bytes("addr"), Arg<Pointer<CInt>>("addrlen"), as: .trace) {
      (call, descriptor, buffer, length) throws(Errno) in
      try call.socketName(SYS_getpeername, of: descriptor, into: buffer, length)
    }
  }
}

extension CallContext {
  /// The name of a socket as the kernel knows it, with its family.
  func kernelName(_ number: CInt, of socket: CInt) throws(Errno) -> [UInt8] {
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

  fileprivate func socketName(
    _ number: CInt, of descriptor: Descriptor, into buffer: Buffer, _ length: Pointer<CInt>
  ) throws(Errno) -> Outcome {
    guard let socket = try unixSocket(descriptor) else { return .native }
    let room = try memory.load(length)
    if room < 0 { throw .invalidArgument }
    var name = try kernelName(number, of: socket.rawValue)
    if name.count > 2, let entry = sockets.entry(at: Array(name[2...])) {
      name.removeSubrange(2...)
      name += entry.guestPath + [0]
    }
    try memory.write(Array(name.prefix(Int(room))), at: buffer)
    try memory.store(CInt(name.count), at: length)
    return .value(0)
  }
}
