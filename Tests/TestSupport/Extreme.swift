// The numbers that tests of arithmetic use.

/// The numbers that break arithmetic: the ends of every width, of pages and of address spaces.
package enum Extreme {
  package static let values: [UInt64] = [
    0, 1, 2, 7, 4095, 4096, 65536, 0x7fff_fffe, 0x7fff_ffff, 0x8000_0000, 0x8000_0001, 0xffff_fffe, 0xffff_ffff,
    1 << 32, 1 << 40, 1 << 62, 0x7fff_ffff_f000, 0x7fff_ffff_ffff_fffe, 0x7fff_ffff_ffff_ffff, 1 << 63, (1 << 63) + 1,
    0xffff_8000_0000_0000, 0xffff_ffff_8000_0000, 0xffff_ffff_ffff_f000, 0xffff_ffff_ffff_ffff - 99, .max - 1, .max,
  ]
  /// Those for pairs of arguments.
  package static let few: [UInt64] = [
    0, 1, 4095, 4096, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 1 << 32, 0x7fff_ffff_f000, 0x7fff_ffff_ffff_ffff, 1 << 63,
    0xffff_ffff_ffff_f000, .max - 1, .max,
  ]

  /// As text, with what no 64-bit number is.
  package static let texts: [String] =
    values.map { String($0) } + values.map { String(Int64(bitPattern: $0)) } + [
      "18446744073709551616", "99999999999999999999999999", "-9223372036854775809", "-0", "+1", "", " ", "0x10", "1e9",
    ]
}
