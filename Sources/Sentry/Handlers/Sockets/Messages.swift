// sendto, sendmsg, recvfrom: messages with a destination or a sender, and descriptors that are sent.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addMessages() {
    // A destination may be the path of a socket.
    let isConnected = ArgumentRule(.native, when: .equal(argument: 4, mask: .max, value: 0))
    served(
      44, "sendto", .fd, .buffer, .size("len"), .messageFlags, .socketAddress, .addressLength,
      as: .when(isConnected, otherwise: .trace)
    ) { (call, descriptor, bytes, count, flags, address, length) throws(Errno) in
      try call.sendTo(descriptor, bytes, count, flags, address, length)
    }
    served(
      45, "recvfrom", .fd, .buffer, .size("len"), .messageFlags, .socketAddress, Arg<Pointer<CInt>>("addrlen"),
      as: .when(isConnected, otherwise: .trace)
    ) { (call, descriptor, _, _, _, address, length) throws(Errno) in
      if let network = call.network, network.disguisesSenders {
        return call.observe(.received(.one(descriptor, address, length: length)))
      }
      guard try call.isUnixSocket(descriptor) else { return .native }
      return call.observe(.sender(address, length: length))
    }
    // So may the one in a message's header, where the kernel would look it up in an empty root. And a message may carry
    // descriptors, of files that are copied up.
    served(46, "sendmsg", .fd, Arg<Pointer<MessageHeader>>("msg"), .messageFlags, as: .trace) {
      (call, descriptor, header, flags) throws(Errno) in
      try call.sendMessage(descriptor, header, flags)
    }
  }
}

/// `struct msghdr`.
struct MessageHeader: BitwiseCopyable {
  var name: UInt64
  var nameLength: UInt32
  var padding: UInt32
  var parts: UInt64
  var partCount: UInt64
  var control: UInt64
  var controlLength: UInt64
  var flags: UInt64
}

extension CallContext {
  /// `sendto(2)` with a destination.
  fileprivate func sendTo(
    _ descriptor: Descriptor, _ bytes: Buffer, _ count: ByteCount, _ flags: MessageFlags,
    _ pointer: SocketAddressPointer, _ length: CInt
  ) throws(Errno) -> Outcome {
    let message = Message(descriptor: descriptor, bytes: bytes, count: count, flags: flags, pointer: pointer)
    if network != nil {
      let known = try knownSocket(descriptor)
      if numbersStay, let socket = known.unixDescriptor {
        return try send(message, to: try unixAddress(pointer, length), by: socket)
      }
      return try sendFiltered(descriptor, bytes, count, flags, pointer, length, by: known)
    }
    guard let socket = try unixSocket(descriptor) else { return .native }
    return try send(message, to: try unixAddress(pointer, length), by: socket.rawValue)
  }

  /// What sendto(2) is given, but for the destination.
  private struct Message {
    var descriptor: Descriptor
    var bytes: Buffer
    var count: ByteCount
    var flags: MessageFlags
    var pointer: SocketAddressPointer
  }

  /// A `sendto` to an address that has been read.
  private func send(_ message: Message, to address: UnixAddress, by socket: CInt) throws(Errno) -> Outcome {
    guard let path = address.path else {
      if address.isAbstract, !sockets.abstractNamesAreScoped { throw .connectionRefused }
      return .native
    }
    trace(path, at: message.pointer.address)
    let kernelAddress = UnixAddress.family + (try kernelAddress(of: path, for: socket))
    // Without namespaces the filter makes no datagram sockets, and a stream ignores the destination.
    guard hasPidNamespace else { throw .notSupportedOnSocket }
    return .substituteReading(
      SystemCall(
        .sendto, message.descriptor, message.bytes, message.count, message.flags, message.pointer,
        kernelAddress.count),
      kernelAddress, argument: 4)
  }

  /// `sendmsg(2)`: a header that names a path becomes a `sendto` of its one part.
  ///
  /// - Throws: `.notSupportedOnSocket` for a path together with several parts or ancillary data.
  fileprivate func sendMessage(_ descriptor: Descriptor, _ pointer: Pointer<MessageHeader>, _ flags: MessageFlags)
    throws(Errno) -> Outcome
  {
    let header = try memory.load(pointer)
    if try copiesUpBeforeSending(control: header.control, header.controlLength) { return again() }
    if network != nil, let outcome = try sendFiltered(descriptor, pointer, flags) { return outcome }
    // Without namespaces there are no Unix sockets that take a name here.
    if header.name == 0 || header.nameLength == 0 || !hasPidNamespace { return .native }
    guard let socket = try unixSocket(descriptor) else { return .native }
    let name = SocketAddressPointer(header.name)
    let address = try unixAddress(name, CInt(truncatingIfNeeded: header.nameLength))
    guard address.path != nil else { return .native }
    guard header.partCount <= 1, header.control == 0 || header.controlLength == 0 else { throw .notSupportedOnSocket }
    let part = header.partCount == 1 ? try memory.load((UInt64, UInt64).self, at: header.parts) : (0, 0)
    return try send(
      Message(descriptor: descriptor, bytes: Buffer(part.0), count: ByteCount(part.1), flags: flags, pointer: name),
      to: address, by: socket.rawValue)
  }

  /// How large a lower file may be that is copied up because its descriptor is sent.
  private static let sentFileLimit: Int64 = 64 << 20

  /// A descriptor in SCM_RIGHTS flight is in no table, so a later copy-up could not exchange it. Lower files are therefore
  /// copied up before a descriptor of theirs is sent; larger ones, and where there is no room, are sent as they are.
  ///
  /// - Returns: something has been copied up, and the sender's own descriptors move before its call comes again.
  private func copiesUpBeforeSending(control address: UInt64, _ length: UInt64) throws(Errno) -> Bool {
    // struct cmsghdr: length, level, type; then the descriptors. More than the kernel takes (SCM_MAX_FD) is not looked at.
    guard address != 0, length >= 20 else { return false }
    var control = [UInt8](repeating: 0, count: Int(min(length, 8192)))
    let result: Result<Int, Errno> = control.withUnsafeMutableBytes { buffer in
      do throws(Errno) { return .success(try memory.readPrefix(of: buffer, at: address)) } catch {
        return .failure(error)
      }
    }
    let count = try result.get()
    var hasCopied = false
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
          if copyUp(Descriptor(number)) { hasCopied = true }
        }
      }
      start += (Int(size) + 7) & ~7
    }
    return hasCopied
  }

  /// Whether the file of a descriptor was a lower one, and is not any more.
  private func copyUp(_ descriptor: Descriptor) -> Bool {
    do throws(Errno) {
      guard let node = try node(descriptor), node.inode.type == .regular, !node.isPath,
        !node.inode.hasFinalBacking, try node.inode.attributes().size <= Self.sentFileLimit
      else { return false }
      try node.inode.copyUpContent()
      return node.inode.hasFinalBacking
    } catch {
      return false
    }
  }
}

extension SentryState {
  /// A `recvfrom` of a Unix socket has returned: the sender's kernel address becomes the path it was bound to.
  func showSender(_ task: Task, _ address: SocketAddressPointer, _ lengthPointer: Pointer<CInt>) throws(Errno) {
    let length = try task.memory.load(lengthPointer)
    guard length > 2, length <= 110 else { return }
    var name = [UInt8](repeating: 0, count: Int(length))
    let outcome: Result<Void, Errno> = name.withUnsafeMutableBytes { name in
      do throws(Errno) { return .success(try task.memory.read(into: name, at: address.address)) } catch {
        return .failure(error)
      }
    }
    try outcome.get()
    guard let entry = sockets.entry(at: Array(name[2...])) else { return }
    // No longer than what the kernel wrote is known to fit; the length is the whole, as with any name cut short.
    let shown = UnixAddress.family + entry.guestPath + [0]
    try task.memory.write(Array(shown.prefix(name.count)), at: address.address)
    try task.memory.store(CInt(shown.count), at: lengthPointer)
  }
}
