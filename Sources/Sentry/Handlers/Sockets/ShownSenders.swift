// With `--net allow`: whom a message is from, as guests know it. The kernel has written the sender's address by then; nothing is
// decided by it.

import Gate
import Kernel
import LinuxABI

/// Where a call has put the addresses of those it has received from.
enum ReceivedNames {
  /// recvfrom(2).
  case one(Descriptor, SocketAddressPointer, length: Pointer<CInt>)
  /// recvmsg(2).
  case message(Descriptor, Pointer<MessageHeader>)
  /// recvmmsg(2).
  case messages(Descriptor, Pointer<MessageHeader>)
}

extension CallContext {
  /// `recvmsg(2)`, `recvmmsg(2)`: the sender is asked for.
  func receiveFiltered(_ names: ReceivedNames, _ header: Pointer<MessageHeader>) throws(Errno) -> Outcome {
    guard let network, network.disguisesSenders, try memory.load(header).name != 0 else { return .native }
    return observe(.received(names))
  }
}

extension SentryState {
  /// A call that has received something has returned `result`.
  func showSenders(_ task: Task, _ names: ReceivedNames, result: Int) throws(Errno) {
    switch names {
    case .one(let descriptor, let address, let length):
      let count = try task.memory.load(length)
      if try showSender(task, descriptor, address, length: UInt32(clamping: count)) { return }
      try showSender(task, address, length)
    case .message(let descriptor, let pointer):
      try showSender(task, descriptor, in: pointer.address)
    case .messages(let descriptor, let pointer):
      for index in 0..<UInt64(clamping: min(result, 1024)) {
        try showSender(task, descriptor, in: try pointer.address.adding(index * 64, or: .badAddress))
      }
    }
  }

  private func showSender(_ task: Task, _ descriptor: Descriptor, in header: UInt64) throws(Errno) {
    let header = try task.memory.load(MessageHeader.self, at: header)
    if header.name == 0 { return }
    _ = try showSender(task, descriptor, SocketAddressPointer(header.name), length: header.nameLength)
  }

  /// False if it is no address of the internet.
  private func showSender(
    _ task: Task, _ descriptor: Descriptor, _ pointer: SocketAddressPointer, length: UInt32
  ) throws(Errno) -> Bool {
    guard let network, length >= 16 else { return false }
    var bytes = [UInt8](repeating: 0, count: Int(min(length, 28)))
    let outcome: Result<Void, Errno> = bytes.withUnsafeMutableBytes { bytes in
      do throws(Errno) { return .success(try task.memory.read(into: bytes, at: pointer.address)) } catch {
        return .failure(error)
      }
    }
    try outcome.get()
    guard let host = InternetEndpoint(socketAddress: bytes) else { return false }
    let shown = network.shownPeer(host, .udp, inode: try task.descriptors.stat(descriptor.number).inode)
    if shown != host {
      let isIPv6 = UInt16(bytes[0]) == InternetEndpoint.family6
      if !isIPv6, !shown.address.isIPv4 { return true }
      let new = shown.socketAddress(isIPv6Socket: isIPv6)
      try task.memory.write([UInt8](new.prefix(bytes.count)), at: pointer.address)
    }
    return true
  }
}
