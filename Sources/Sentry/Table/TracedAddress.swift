// How a trace shows the address of an internet socket (`man 7 ip`, `man 7 ipv6`).

import LinuxABI

extension CallContext {
  /// For `--trace`: nothing is decided by what is read here. An address of a Unix socket is shown by whoever looks at it.
  func traceAddress(_ pointer: SocketAddressPointer, _ length: CInt) {
    guard sandbox.isTracing, length >= 8, length <= 128 else { return }
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(length)])
    do throws(Errno) { try memory.read(into: buffer, at: pointer.address) } catch { return }
    if let text = TracedAddress.text(of: buffer) { sandbox.traced.append(text, at: pointer.address) }
  }
}

/// An address of the internet families as text.
enum TracedAddress {
  /// `192.0.2.1:80`, `[2001:db8:0:0:0:0:0:1]:80`; nil for another family.
  static func text(of address: UnsafeMutableRawBufferPointer) -> [UInt8]? {
    guard address.count >= 2 else { return nil }
    let family = address.loadUnaligned(as: UInt16.self)
    func port() -> Int { Int(address[2]) << 8 | Int(address[3]) }
    switch family {
    case 2 where address.count >= 8:
      return Array("\(address[4]).\(address[5]).\(address[6]).\(address[7]):\(port())".utf8)
    case 10 where address.count >= 24:
      let groups = (0..<8).map { String(Int(address[8 + 2 * $0]) << 8 | Int(address[9 + 2 * $0]), radix: 16) }
      return Array("[\(groups.joined(separator: ":"))]:\(port())".utf8)
    default: return nil
    }
  }
}
