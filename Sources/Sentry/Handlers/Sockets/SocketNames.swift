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
    if network != nil {
      switch try knownSocket(descriptor) {
      case .internet(let socket):
        let name = try kernelName(socket.descriptor)
        return try answer(try shownName(name, of: socket), into: buffer, length)
      case .other(let socket):
        if socket.family != .unix { return .native }
        return try answer(boundPath(try kernelName(socket.descriptor)), into: buffer, length)
      }
    }
    guard let socket = try unixSocket(descriptor) else { return .native }
    return try answer(boundPath(try kernelName(socket.rawValue)), into: buffer, length)
  }

  /// The name of a Unix socket as guests know it.
  private func boundPath(_ name: [UInt8]) -> [UInt8] {
    guard name.count > 2, let entry = sockets.entry(at: Array(name[2...])) else { return name }
    return name[..<2] + entry.guestPath + [0]
  }

  private func answer(_ name: [UInt8], into buffer: Buffer, _ length: Pointer<CInt>) throws(Errno) -> Outcome {
    let room = try memory.load(length)
    if room < 0 { throw .invalidArgument }
    try memory.write(Array(name.prefix(Int(room))), at: buffer)
    try memory.store(CInt(name.count), at: length)
    return .value(0)
  }
}
