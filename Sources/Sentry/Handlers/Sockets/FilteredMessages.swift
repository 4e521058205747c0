// With `--net allow`: sendto(2), sendmsg(2) and sendmmsg(2). A message that names a receiver, or carries ancillary data, is
// copied and sent by the supervisor on its duplicate of the socket: the kernel would read header, address and data again,
// and another thread of the guest could have changed them, or put another socket at the number, meanwhile. What names
// nobody is sent by the guest, in a call whose arguments are all in registers.

import Gate
import Kernel
import LinuxABI

/// A message that was read, but for its content.
struct OutgoingMessage {
  var descriptor: Descriptor
  /// `msg_name`, or the address of sendto(2); none if its length or address is 0.
  var name: SocketAddressPointer
  var nameLength: CInt
  /// Address and length of each part.
  var parts: [(address: UInt64, count: UInt64)]
  var control: UInt64
  var controlLength: UInt64
  var flags: MessageFlags

  var hasName: Bool { name.address != 0 && nameLength != 0 }
  var hasControl: Bool { control != 0 && controlLength != 0 }
}

/// What has become of a message.
enum Sending: ~Copyable {
  case sent(Int)
  /// The kernel is to run this instead.
  case outcome(Outcome)
}

extension CallContext {
  // MARK: - The calls

  /// `sendto(2)` with a destination.
  func sendFiltered(
    _ descriptor: Descriptor, _ bytes: Buffer, _ count: ByteCount, _ flags: MessageFlags,
    _ pointer: SocketAddressPointer, _ length: CInt, by socket: consuming KnownSocket
  ) throws(Errno) -> Outcome {
    let message = OutgoingMessage(
      descriptor: descriptor, name: pointer, nameLength: length, parts: [(bytes.address, count.value)], control: 0,
      controlLength: 0, flags: flags)
    return try outcome(of: message, by: socket)
  }

  /// `sendmsg(2)`; nil of a socket whose message the kernel may read again.
  func sendFiltered(_ descriptor: Descriptor, _ pointer: Pointer<MessageHeader>, _ flags: MessageFlags)
    throws(Errno) -> Outcome?
  {
    if try mayReadAgain(descriptor, flags) { return nil }
    let message = try message(try memory.load(pointer), descriptor, flags)
    return try outcome(of: message, by: try knownSocket(descriptor))
  }

  /// `sendmmsg(2)`: some messages at a time, which the guest is told, as when the rest had to wait.
  func sendManyFiltered(
    _ descriptor: Descriptor, _ pointer: Pointer<MessageHeader>, _ count: UInt32, _ flags: MessageFlags
  ) throws(Errno) -> Outcome {
    if network == nil { return .native }
    if try mayReadAgain(descriptor, flags) { return .native }
    let socket = try knownSocket(descriptor)
    var sent = 0
    // struct mmsghdr: the header, the count of what was sent, padding.
    let stride: UInt64 = 64
    for index in 0..<UInt64(min(count, 32)) {
      let start = try pointer.address.adding(index * stride, or: .badAddress)
      do throws(Errno) {
        let header = try memory.load(MessageHeader.self, at: start)
        let message = try message(header, descriptor, flags)
        switch try send(message, by: socket, isOneOfMany: true) {
        case .sent(let count):
          try memory.store(UInt32(clamping: count), at: try start.adding(56, or: .badAddress))
          sent += 1
        case .outcome(let outcome):
          if sent > 0 { return .value(sent) }
          return outcome
        }
      } catch {
        if sent == 0 { throw error }
        return .value(sent)
      }
    }
    return .value(sent)
  }

  /// Nobody else can exchange the socket, and it is one that names nobody of the internet in its messages.
  private func mayReadAgain(_ descriptor: Descriptor, _ flags: MessageFlags) throws(Errno) -> Bool {
    guard numbersStay, flags.rawValue & MessageOption.fastOpen == 0 else { return false }
    // Where a guest has to send us its descriptor, the one that it sends is for what follows.
    if !Host.takesDescriptors { return try !descriptors.protocolName(descriptor.number).isDatagram }
    switch try knownSocket(descriptor) {
    case .internet(let socket): return socket.transport == .tcp
    case .other: return true
    }
  }

  private func message(_ header: MessageHeader, _ descriptor: Descriptor, _ flags: MessageFlags) throws(Errno)
    -> OutgoingMessage
  {
    // UIO_MAXIOV.
    guard header.partCount <= 1024 else { throw .messageTooLong }
    var parts: [(address: UInt64, count: UInt64)] = []
    if header.partCount > 0 {
      let length = Int(header.partCount) * 16
      let vector = UnsafeMutableRawBufferPointer(rebasing: scratch[..<length])
      try memory.read(into: vector, at: header.parts)
      for index in 0..<Int(header.partCount) {
        parts.append(
          (
            vector.loadUnaligned(fromByteOffset: index * 16, as: UInt64.self),
            vector.loadUnaligned(fromByteOffset: index * 16 + 8, as: UInt64.self)
          ))
      }
    }
    return OutgoingMessage(
      descriptor: descriptor, name: SocketAddressPointer(header.name),
      nameLength: CInt(truncatingIfNeeded: header.nameLength), parts: parts, control: header.control,
      controlLength: header.controlLength, flags: flags)
  }

  private func outcome(of message: OutgoingMessage, by socket: consuming KnownSocket) throws(Errno) -> Outcome {
    switch try send(message, by: socket, isOneOfMany: false) {
    case .sent(let count): return .value(count)
    case .outcome(let outcome): return outcome
    }
  }

  // MARK: - One message

  private func send(_ message: OutgoingMessage, by socket: borrowing KnownSocket, isOneOfMany: Bool) throws(Errno)
    -> Sending
  {
    switch socket {
    case .other(let socket):
      guard socket.family == .unix else { throw .notSupportedOnSocket }
      return try sendUnix(message, socket.descriptor, isOneOfMany)
    case .internet(let socket):
      if socket.transport == .udp { return try sendDatagram(message, socket) }
      // The one message of a stream that names somebody: as where the system has it turned off (`man 7 tcp`).
      if message.flags.rawValue & MessageOption.fastOpen != 0 { throw .notSupportedOnSocket }
      // A stream ignores a name, and its ancillary data are not the network's.
      return try sendStream(message, socket.descriptor, isOneOfMany)
    }
  }

  private func sendDatagram(_ message: OutgoingMessage, _ socket: borrowing InternetSocket) throws(Errno) -> Sending {
    guard let network else { throw .permissionDenied }
    var address: [UInt8] = []
    if message.hasName {
      let bytes = try plainAddress(message.name, message.nameLength)
      if let destination = try Self.receiver(bytes, of: socket) {
        trace(destination, at: message.name)
        if destination.port == 0 { throw .invalidArgument }
        let host = try route(socket, to: destination, in: network)
        address = host.socketAddress(isIPv6Socket: socket.isIPv6)
      }
    }
    let control = message.hasControl ? try AncillaryData.ofDatagram(try control(of: message)) : AncillaryData()
    // UDP has 16 bits for a length.
    let content = try gather(message.parts, limit: 0xffff)
    guard let content else { throw .messageTooLong }
    return try transmit(content, to: address, control, message, by: socket.descriptor)
  }

  /// Nil for none: on an IPv6 socket an address of AF_UNSPEC is that (`udpv6_sendmsg`).
  private static func receiver(_ bytes: [UInt8], of socket: borrowing InternetSocket) throws(Errno)
    -> InternetEndpoint?
  {
    guard bytes.count >= 2, bytes[0] == 0, bytes[1] == 0 else { return try destination(bytes, of: socket) }
    if socket.isIPv6 { return nil }
    // On one of IPv4 it is taken for AF_INET (`udp_sendmsg`).
    return try destination([UInt8(InternetEndpoint.family4), 0] + bytes.dropFirst(2), of: socket)
  }

  /// A stream's bytes: by the guest itself, where one part is all, else as much as there is room for.
  private func sendStream(_ message: OutgoingMessage, _ socket: CInt, _ isOneOfMany: Bool) throws(Errno) -> Sending {
    if !isOneOfMany, message.parts.count <= 1 { return .outcome(sendItself(message)) }
    guard let content = try gather(message.parts, limit: scratch.count) else {
      return try transmit(UnsafeRawBufferPointer(scratch), to: [], AncillaryData(), message, by: socket)
    }
    return try transmit(content, to: [], AncillaryData(), message, by: socket)
  }

  /// All that the kernel looks at is in registers.
  private func sendItself(_ message: OutgoingMessage) -> Outcome {
    let part = message.parts.first ?? (0, 0)
    let flags = MessageFlags(rawValue: message.flags.rawValue & ~MessageOption.fastOpen)
    return .substitute(
      SystemCall(
        .sendto, message.descriptor, Buffer(part.address), ByteCount(part.count), flags, SocketAddressPointer(0), 0))
  }

  /// A Unix socket's message while another task can change the descriptor table.
  private func sendUnix(_ message: OutgoingMessage, _ socket: CInt, _ isOneOfMany: Bool) throws(Errno) -> Sending {
    var address: [UInt8] = []
    if message.hasName {
      let name = try unixAddress(message.name, message.nameLength)
      if let path = name.path {
        trace(path, at: message.name.address)
        address = UnixAddress.family + (try kernelAddress(of: path, for: socket))
      } else {
        if name.isAbstract, !sockets.abstractNamesAreScoped { throw .connectionRefused }
        address = [UInt8](name.bytes)
      }
    }
    var rights = SentRights()
    if message.hasControl {
      // The sender's credentials go without being asked for, to who wants them; a guest can state no others.
      for item in try AncillaryData.items(in: try control(of: message)) where item.level == SocketOption.level {
        if item.type == AncillaryData.rights { try rights.add(item.data, by: self) }
      }
    }
    if address.isEmpty, rights.isEmpty, !isOneOfMany, message.parts.count <= 1 { return .outcome(sendItself(message)) }
    let isStream = try Host.socketType(of: socket) == .stream
    if let content = try gather(message.parts, limit: scratch.count) {
      return try transmit(content, to: address, rights.control, message, by: socket)
    }
    guard isStream else { throw .messageTooLong }
    return try transmit(UnsafeRawBufferPointer(scratch), to: address, rights.control, message, by: socket)
  }

  // MARK: - Content

  /// The parts one after the other, in `scratch`, which holds as much as there is room for if nil is returned.
  private func gather(_ parts: [(address: UInt64, count: UInt64)], limit: Int) throws(Errno) -> UnsafeRawBufferPointer?
  {
    var length = 0
    for part in parts {
      let room = min(limit, scratch.count) - length
      let count = min(UInt64(room), part.count)
      try memory.read(
        into: UnsafeMutableRawBufferPointer(rebasing: scratch[length..<(length + Int(count))]), at: part.address)
      length += Int(count)
      if count < part.count { return nil }
    }
    return UnsafeRawBufferPointer(rebasing: scratch[..<length])
  }

  private func control(of message: OutgoingMessage) throws(Errno) -> [UInt8] {
    // The kernel's own limit is net.core.optmem_max.
    guard message.controlLength <= 8192 else { throw .noBufferSpace }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(message.controlLength)])
    try memory.read(into: buffer, at: message.control)
    return [UInt8](buffer)
  }

  /// Sends on our duplicate. A guest that would wait for room waits in a poll(2) of its own, and calls again.
  private func transmit(
    _ content: UnsafeRawBufferPointer, to address: [UInt8], _ control: AncillaryData, _ message: OutgoingMessage,
    by socket: CInt
  ) throws(Errno) -> Sending {
    // The kernel must not keep pages of ours.
    let flags = message.flags.rawValue & ~(MessageOption.zeroCopy | MessageOption.fastOpen)
    do throws(Errno) {
      return .sent(
        try Host.send(
          content, to: address, control: control.words, controlLength: control.length, flags: flags, by: socket))
    } catch {
      if error == .wouldBlock, flags & MessageOption.doNotWait == 0,
        try !Host.openFlags(of: socket).contains(.nonBlocking)
      {
        return .outcome(waitToWrite(message.descriptor, timeout: -1))
      }
      // The guest gets the signal too, by a call of its own.
      if error == .brokenPipe, flags & MessageOption.noSignal == 0 { return .outcome(sendItself(message)) }
      throw error
    }
  }
}
