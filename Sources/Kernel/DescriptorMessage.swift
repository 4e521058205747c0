// A descriptor that another process sends us by a message of its own (SCM_RIGHTS, `man 7 unix`).

import CLinux
public import LinuxABI

/// The message, laid out for the address that it will have in the memory of who sends it: `struct msghdr`, its one byte, and
/// `struct cmsghdr` with the number.
public enum DescriptorMessage {
  /// In bytes: whole words.
  public static var size: Int { Int(vd_rights_message_size) }

  /// Fills `buffer`, which has `size` bytes, for descriptor `number` of the sender.
  public static func write(_ number: CInt, into buffer: UnsafeMutableRawBufferPointer, at address: UInt64) {
    if buffer.count >= size { vd_rights_message(buffer.baseAddress, address, number) }
  }

  /// The sockets that such messages go through: SOCK_DGRAM, SOCK_CLOEXEC, SOCK_NONBLOCK.
  public static var socketType: UInt32 { UInt32(bitPattern: vd_pair_type) }

  /// `socketpair(2)` of AF_UNIX; the caller closes both.
  public static func makePair() throws(Errno) -> (CInt, CInt) {
    var ends: (CInt, CInt) = (-1, -1)
    _ = try withUnsafeMutablePointer(to: &ends) { ends throws(Errno) in
      try Host.call(
        .socketpair, Int(AddressFamily.unix.argument), Int(socketType), 0, Int(bitPattern: ends))
    }
    return ends
  }

  /// `recvmsg(2)`, without waiting: the descriptor that has come.
  ///
  /// - Throws: `.badFileDescriptor` if another number of them than one has come: who sent it has changed the message.
  public static func receive(from socket: CInt) throws(Errno) -> OwnedDescriptor {
    var descriptors: (CInt, CInt) = (-1, -1)
    let count = withUnsafeMutableBytes(of: &descriptors) {
      vd_receive_rights(socket, $0.assumingMemoryBound(to: CInt.self).baseAddress)
    }
    _ = try Errno.check(Int(count))
    if count > 1 { Host.close(descriptors.1) }
    if count > 0 {
      let first = OwnedDescriptor(descriptors.0)
      if count == 1 { return first }
    }
    throw .badFileDescriptor
  }
}
