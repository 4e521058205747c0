// The `#!` line of a script: the kernel's reading of it (fs/binfmt_script.c), byte for byte.

import LinuxABI

/// What the first line of a script asks for.
struct Script: Sendable, Equatable {
  /// BINPRM_BUF_SIZE: what of a file is looked at; no line is read beyond it.
  static let lineLimit = 256
  /// How many scripts may stand before the program at the end of the chain; the sixth is ELOOP (`exec_binprm`).
  static let nestingLimit = 5

  /// The interpreter's path; can be empty, which no file answers to.
  var interpreter: [UInt8]
  /// All that follows on the line, as one argument.
  var argument: [UInt8]?

  /// Parses the line.
  ///
  /// - Parameter start: the first 256 bytes of the file, or all of a shorter one.
  /// - Returns: nil if the file does not start with `#!`.
  /// - Throws: `.execFormatError` if no interpreter is named, or if its name does not end within the 256 bytes.
  init?(start: [UInt8]) throws(Errno) {
    guard start.count >= 2, start[0] == 0x23, start[1] == 0x21 else { return nil }
    // The kernel's buffer: padded with NUL. Every scan below is bounded by an index it may look at, itself included.
    var line = [UInt8](start.prefix(Self.lineLimit))
    line.append(contentsOf: repeatElement(0, count: Self.lineLimit - line.count))
    let last = Self.lineLimit - 1

    var end: Int
    if let newline = line.firstIndex(of: 0x0a) {
      end = newline
    } else {
      // Without a newline the name must be ended by a blank or NUL, or it was cut off; a cut argument is all right.
      guard let name = Self.firstNonBlank(line, 2, last), Self.firstTerminator(line, name, last) != nil else {
        throw .execFormatError
      }
      end = last
    }
    while Self.isBlank(line[end - 1]) { end -= 1 }

    guard let name = Self.firstNonBlank(line, 2, end), name != end else { throw .execFormatError }
    let separator = Self.firstTerminator(line, name, end)
    var argumentStart: Int?
    if let separator, line[separator] != 0 { argumentStart = Self.firstNonBlank(line, separator, end) }

    line[end] = 0
    if let separator { line[separator] = 0 }
    interpreter = Self.string(line, name)
    argument = argumentStart.map { Self.string(line, $0) }
  }

  /// The head of argv for this script, called as `path`, in front of what the guest gave from argv[1] on.
  ///
  /// - Parameter inner: the head that the script it interprets made, if this one is an interpreter itself.
  func argumentHead(path: [UInt8], inner: [[UInt8]]?) -> [[UInt8]] {
    var head = [interpreter]
    if let argument { head.append(argument) }
    head.append(path)
    if let inner { head.append(contentsOf: inner.dropFirst()) }
    return head
  }

  private static func isBlank(_ byte: UInt8) -> Bool { byte == 0x20 || byte == 0x09 }

  private static func firstNonBlank(_ line: [UInt8], _ first: Int, _ last: Int) -> Int? {
    var index = first
    while index <= last {
      if !isBlank(line[index]) { return index }
      index += 1
    }
    return nil
  }

  private static func firstTerminator(_ line: [UInt8], _ first: Int, _ last: Int) -> Int? {
    var index = first
    while index <= last {
      if isBlank(line[index]) || line[index] == 0 { return index }
      index += 1
    }
    return nil
  }

  /// The C string at `start`; the line always holds a NUL behind it.
  private static func string(_ line: [UInt8], _ start: Int) -> [UInt8] { Array(line[start...].prefix { $0 != 0 }) }
}
