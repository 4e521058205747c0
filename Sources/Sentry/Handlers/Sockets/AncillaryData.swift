// Ancillary data of messages (`man 3 cmsg`), of which the supervisor passes on what it knows: an option of IP that came with
// a message could send it elsewhere (IP_RETOPTS with a source route, IPV6_RTHDR).

import Gate
import Kernel
import LinuxABI

/// Ancillary data that the supervisor sends.
struct AncillaryData {
  private(set) var words: [UInt64] = []
  /// In bytes: CMSG_SPACE of all, without what follows the last one's data.
  private(set) var length = 0

  /// One `struct cmsghdr` with its data.
  struct Item {
    let level: CInt
    let type: CInt
    let data: ArraySlice<UInt8>
  }

  /// SCM_RIGHTS.
  static let rights: CInt = 1

  /// - Throws: `.invalidArgument` for what is cut short, as `__scm_send` and `ip_cmsg_send`.
  static func items(in control: [UInt8]) throws(Errno) -> [Item] {
    var items: [Item] = []
    var start = 0
    while control.count - start >= 16 {
      let (size, level, type) = control.withUnsafeBytes { bytes in
        (
          bytes.loadUnaligned(fromByteOffset: start, as: UInt64.self),
          bytes.loadUnaligned(fromByteOffset: start + 8, as: CInt.self),
          bytes.loadUnaligned(fromByteOffset: start + 12, as: CInt.self)
        )
      }
      guard size >= 16, size <= UInt64(control.count - start) else { throw .invalidArgument }
      let end = start + Int(size)
      items.append(Item(level: level, type: type, data: control[(start + 16)..<end]))
      start = (end + 7) & ~7
    }
    return items
  }

  mutating func append(_ item: Item) {
    var bytes = [UInt8](repeating: 0, count: (16 + item.data.count + 7) & ~7)
    bytes.withUnsafeMutableBytes { buffer in
      buffer.storeBytes(of: UInt64(16 + item.data.count), as: UInt64.self)
      buffer.storeBytes(of: item.level, toByteOffset: 8, as: CInt.self)
      buffer.storeBytes(of: item.type, toByteOffset: 12, as: CInt.self)
      buffer[16..<(16 + item.data.count)].copyBytes(from: item.data)
    }
    length = words.count * 8 + 16 + item.data.count
    bytes.withUnsafeBytes { buffer in
      for offset in stride(from: 0, to: buffer.count, by: 8) {
        words.append(buffer.load(fromByteOffset: offset, as: UInt64.self))
      }
    }
  }

  /// What a datagram of UDP may have with it.
  ///
  /// - Throws: `.invalidArgument` for anything else.
  static func ofDatagram(_ control: [UInt8]) throws(Errno) -> AncillaryData {
    var data = AncillaryData()
    for item in try items(in: control) {
      switch (item.level, item.type) {
      // SO_TIMESTAMPING and SCM_TXTIME; UDP_SEGMENT.
      case (1, 37), (1, 61), (17, 103),
        // IP_TOS, IP_TTL; IPV6_HOPLIMIT, IPV6_DONTFRAG, IPV6_TCLASS.
        (0, 1), (0, 2), (41, 52), (41, 62), (41, 67):
        data.append(item)
      // IP_PKTINFO and IPV6_PKTINFO: from which address. That is the kernel's choice here.
      case (0, 8), (41, 50): continue
      default: throw .invalidArgument
      }
    }
    return data
  }
}

/// Duplicates of a guest's descriptors, which go with a message of the supervisor's in the guest's stead.
struct SentRights: ~Copyable {
  private var copies: [CInt] = []

  deinit { for copy in copies { Host.close(copy) } }

  var isEmpty: Bool { copies.isEmpty }

  /// - Throws: as `CallContext.duplicate`; `.invalidArgument` for more than SCM_MAX_FD.
  mutating func add(_ data: ArraySlice<UInt8>, by call: CallContext) throws(Errno) {
    for start in stride(from: data.startIndex, through: data.endIndex - 4, by: 4) {
      guard copies.count < 253 else { throw .invalidArgument }
      let number = data[start..<(start + 4)].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let copy = try call.duplicate(Descriptor(CInt(bitPattern: number)))
      copies.append(copy.release())
    }
  }

  var control: AncillaryData {
    var control = AncillaryData()
    if copies.isEmpty { return control }
    let data = copies.flatMap { copy in (0..<4).map { UInt8(truncatingIfNeeded: copy >> ($0 * 8)) } }
    control.append(AncillaryData.Item(level: SocketOption.level, type: AncillaryData.rights, data: data[...]))
    return control
  }
}
