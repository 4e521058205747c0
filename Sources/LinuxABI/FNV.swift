// A checksum for records on disk, and for comparisons of what was seen with what is there.

/// FNV-1a, 64 bits: against torn writes and oversight, not against malice.
package struct FNV {
  package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  package init() {}

  package init(_ bytes: some Sequence<UInt8>) { add(bytes) }

  package mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { value = (value ^ UInt64(byte)) &* 0x0000_0100_0000_01b3 }
  }

  package mutating func add(_ number: UInt64) { withUnsafeBytes(of: number.littleEndian) { add($0) } }

  package mutating func add(_ time: Timestamp) {
    add(UInt64(bitPattern: time.seconds))
    add(UInt64(time.nanoseconds))
  }
}
