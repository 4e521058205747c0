// What the layers remember in bytes, each decoder by itself: overflow records, intents, redirects, attribute records; and the
// access lists that guests write.

import CLinux
import LinuxABI

@testable import HostFS
@testable import OverlayFS
@testable import VFS

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = Input(start, count)
  let choice = input.byte()
  let bytes = input.remainder()
  switch choice % 6 {
  case 0:
    let whole = OverflowStore.parse(bytes) { _, _, _ in }
    _ = OverflowStore.isTorn(bytes[whole...])
  case 1:
    _ = OverlayIntent(bytes)
    // With a header that is right.
    var framed: [UInt8] = []
    withUnsafeBytes(of: UInt32(0x3149_6456).littleEndian) { framed += $0 }
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: bytes.count).littleEndian) { framed += $0 }
    withUnsafeBytes(of: OverlayIntent.checksum(bytes).littleEndian) { framed += $0 }
    if let intent = OverlayIntent(framed + bytes), OverlayIntent(intent.encoded) != intent { abort() }
  case 2: if let path = LayerPath(bytes) { _ = path.encoded }
  case 3:
    if let record = AttributeRecord(bytes) {
      _ = record.hostMode
      _ = record.fits(.regular)
    }
  case 4:
    _ = AccessControlList.isValid(bytes)
    guard let list = try? AccessControlList.parse(bytes), !list.isEmpty else { break }
    let mode = Permissions(rawValue: UInt16(choice) << 1)
    _ = AccessControlList.equivalentMode(list, keeping: mode)
    _ = AccessControlList.changingMode(list, to: mode)
    _ = AccessControlList.inherit(list, mode: mode)
    _ = AccessControlList.evaluate(
      list, for: Credentials(user: 1, group: 1, groups: [0, 2], capabilities: 0), owningGroup: 1, [.read])
  default:
    bytes.withUnsafeBytes { raw in
      var rest = 0..<raw.count
      while let record = DirectoryRecord(raw, in: rest) {
        _ = record.name.hash
        if record.end <= rest.lowerBound { abort() }
        rest = record.end..<raw.count
      }
      _ = Digits.parse(raw)
      _ = Digits.parse(raw, radix: 16)
      _ = Digits.identifier(Name(raw))
    }
  }
  return 0
}
