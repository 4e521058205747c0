// getsockname, getpeername: the kernel's address of a Unix socket is shown as the path that it was bound to.

import Gate
import Kernel
import LinuxABI

extension SystemCallTable {
  mutating func addSocketNames() {
    served(51, "getsockname", .fd, .bytes("addr"), Arg<Pointer<CInt>>("addrlen"), as: .trace) {
      (call, descriptor, buffer, length) throws(Errno) in
      try call.socketName(of: descriptor, into: buffer, length, Host.name(ofSocket:))
    }
    served(52, "getpeername", .fd, .bytes("addr"), Arg<Pointer<CInt>>("addrlen"), as: .trace) {
      (call, descriptor, buffer, length) throws(Errno) in
      try call.socketName(of: descriptor, into: buffer, length, Host.peerName(ofSocket:))
    }
  }
}

extension CallContext {
  fileprivate func socketName(
    of descriptor: Descriptor, into buffer: Buffer, _ length: Pointer<CInt>,
    _ kernelName: (CInt) throws(Errno) -> [UInt8]
  ) throws(Errno) -> Outcome {
    guard let socket = try unixSocket(descriptor) else { return .native }
    let room = try memory.load(length)
    if room < 0 { throw .invalidArgument }
    var name = try kernelName(socket.rawValue)
    if name.count > 2, let entry = sockets.entry(at: Array(name[2...])) {
      name.removeSubrange(2...)
      name += entry.guestPath + [0]
    }
    try memory.write(Array(name.prefix(Int(room))), at: buffer)
    try memory.store(CInt(name.count), at: length)
    return .value(0)
  }
}
