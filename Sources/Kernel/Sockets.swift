// Sockets: the supervisor's own, and its duplicates of guests', of which EBADF is an answer.

public import LinuxABI

extension Host {
  /// An option of the level SOL_SOCKET that is one value (`getsockopt(2)`); what the kernel does not write stays as it is.
  @inlinable
  static func get<Value: BitwiseCopyable>(_ option: SocketOption, of socket: CInt, into value: inout Value)
    throws(Errno)
  {
    var length = UInt32(MemoryLayout<Value>.size)
    _ = try withUnsafeMutablePointer(to: &value) { value throws(Errno) in
      try withUnsafeMutablePointer(to: &length) { length throws(Errno) in
        try callForGuest(
          .getsockopt, Int(socket), Int(SocketOption.level), Int(option.rawValue), Int(bitPattern: value),
          Int(bitPattern: length))
      }
    }
  }

  /// SO_DOMAIN of `socket(7)`.
  @inlinable
  public static func addressFamily(of socket: CInt) throws(Errno) -> AddressFamily {
    var family: Int32 = 0
    try get(.domain, of: socket, into: &family)
    return AddressFamily(rawValue: UInt16(truncatingIfNeeded: family))
  }

  /// SO_TYPE of `socket(7)`.
  public static func socketType(of socket: CInt) throws(Errno) -> SocketType {
    var type: Int32 = 0
    try get(.type, of: socket, into: &type)
    return SocketType(rawValue: type)
  }

  /// SO_RCVTIMEO or SO_SNDTIMEO of `socket(7)`; zero for none.
  public static func timeout(_ option: SocketOption, of socket: CInt) throws(Errno) -> TimeValue {
    var time = TimeValue()
    try get(option, of: socket, into: &time)
    return time
  }

  /// `socket(2)` with SOCK_CLOEXEC.
  public static func makeSocket(_ family: AddressFamily, _ type: SocketType) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(
      CInt(
        truncatingIfNeeded: try call(
          .socket, Int(family.rawValue), Int(type.rawValue) | Int(OpenFlags.closeOnExec.rawValue), 0)))
  }

  /// `sendto(2)` of one datagram, from a socket of ours. The address begins with its family.
  public static func send(_ bytes: [UInt8], from socket: CInt, to address: [UInt8], _ flags: MessageFlags) throws(Errno)
  {
    _ = try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      try address.withUnsafeBufferPointer { address throws(Errno) in
        try call(
          .sendto, Int(socket), Int(bitPattern: bytes.baseAddress), bytes.count, Int(flags.rawValue),
          Int(bitPattern: address.baseAddress), address.count)
      }
    }
  }

  /// `bind(2)`. The address begins with its family.
  public static func bind(_ socket: CInt, to address: [UInt8]) throws(Errno) {
    try withAddress(address) { start, count throws(Errno) in try callForGuest(.bind, Int(socket), start, count) }
  }

  /// `connect(2)`. The address begins with its family.
  public static func connect(_ socket: CInt, to address: [UInt8]) throws(Errno) {
    try withAddress(address) { start, count throws(Errno) in try callForGuest(.connect, Int(socket), start, count) }
  }

  private static func withAddress(_ address: [UInt8], _ body: (Int, Int) throws(Errno) -> Int) throws(Errno) {
    _ = try address.withUnsafeBufferPointer { bytes throws(Errno) in
      try body(Int(bitPattern: bytes.baseAddress), bytes.count)
    }
  }

  /// `getsockname(2)`: the address that a socket is bound to, with its family.
  public static func name(ofSocket socket: CInt) throws(Errno) -> [UInt8] {
    try name { name, length throws(Errno) in try callForGuest(.getsockname, Int(socket), name, length) }
  }

  /// `getpeername(2)`: the address that a socket is connected to, with its family.
  public static func peerName(ofSocket socket: CInt) throws(Errno) -> [UInt8] {
    try name { name, length throws(Errno) in try callForGuest(.getpeername, Int(socket), name, length) }
  }

  private static func name(_ ask: (Int, Int) throws(Errno) -> Int) throws(Errno) -> [UInt8] {
    // sizeof(struct sockaddr_storage).
    try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { name throws(Errno) in
      var length = UInt32(name.count)
      _ = try withUnsafeMutablePointer(to: &length) { length throws(Errno) in
        try ask(Int(bitPattern: name.baseAddress), Int(bitPattern: length))
      }
      return [UInt8](name[..<min(Int(length), name.count)])
    }
  }
}
