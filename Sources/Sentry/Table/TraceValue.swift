// What a trace line shows of one argument of a call.

import LinuxABI

/// A decoded argument of a traced call.
public enum TraceValue: Sendable {
  /// A plain number: a count, a uid.
  case integer(Int)
  /// An address or a set of bits: written as the string `"0x1f"`.
  case hexadecimal(UInt64)
  /// Permission bits, written as the string `"0644"`.
  case octal(UInt32)
  /// The name of a file type and permission bits: `"S_IFREG|0644"`.
  case mode(StaticString, UInt32)
  /// A descriptor; AT_FDCWD is written as the string `"AT_FDCWD"`.
  case descriptor(CInt)
  /// A path, a name or data; see `JSONLine.append(bytes:)` for what is not UTF-8.
  case bytes([UInt8])
  /// The name of a constant: a command, a signal.
  case word(StaticString)
  /// Names of flags, and the bits that have none: `"O_WRONLY|O_CREAT|0x8"`, `"0"` without any.
  case flags([StaticString], rest: UInt64)
  /// Strings, of which there may be more: the arguments of a program.
  case strings([[UInt8]], more: Bool)
  /// The address of this many strings: an environment.
  case variables(UInt64, count: Int)
  /// What has not been read, or could not be, at this address.
  case unread(UInt64)
}
