// The one way from Swift into the kernel. Everything that the supervisor asks of it is a function of `Host` in this target,
// named after what it does, with the C function in its comment; no other target makes a call or sees a C header.
//
// A wrong descriptor or address in a call on the supervisor's own descriptors and memory is a mistake of this program, and
// no answer to anybody: a debug build ends itself there with a line that says which call it was, so that a test finds it.
// In a release the call has failed like any other, and what it was made for is denied.

public import CLinux
public import LinuxABI

/// The supervisor's own system calls. A thrown errno is the kernel's.
public enum Host {
  /// The bare instruction (`man 2 syscall`): a value, or a negative errno.
  @inlinable
  @inline(__always)
  @discardableResult
  package static func raw(
    _ number: SystemCallNumber, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
  ) -> Int {
    vd_syscall(number.index, a, b, c, d, e, f)
  }

  /// A call on descriptors and memory of ours: EBADF and EFAULT are bugs.
  @inlinable
  @inline(__always)
  @discardableResult
  package static func call(
    _ number: SystemCallNumber, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
  ) throws(Errno) -> Int {
    try check(number, raw(number, a, b, c, d, e, f))
  }

  /// The result of a raw call on descriptors and memory of ours.
  @inlinable
  @inline(__always)
  static func check(_ number: SystemCallNumber, _ result: Int) throws(Errno) -> Int {
    if result < 0 && result >= -4095 { throw failure(number, result) }
    return result
  }

  /// A call whose descriptor or address a guest or the user may have chosen: EBADF and EFAULT are answers.
  @inlinable
  @inline(__always)
  @discardableResult
  package static func callForGuest(
    _ number: SystemCallNumber, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
  ) throws(Errno) -> Int {
    try Errno.check(raw(number, a, b, c, d, e, f))
  }

  @usableFromInline
  @inline(never)
  static func failure(_ number: SystemCallNumber, _ result: Int) -> Errno {
    let errno = Errno(rawValue: CInt(truncatingIfNeeded: -result))
    #if DEBUG
      if errno == .badFileDescriptor || errno == .badAddress { bug(number, errno) }
    #endif
    return errno
  }

  #if DEBUG
    /// Set in a test that has the kernel say so.
    nonisolated(unsafe) package static var reportBug: @Sendable (SystemCallNumber, Errno) -> Void = { number, errno in
      writeToStandardError("vedette: bug: system call ")
      _ = Digits.withDecimal(UInt64(number.index)) { text in raw(.write, 2, Int(bitPattern: text), strlen(text)) }
      writeToStandardError(
        errno == .badAddress ? " on memory of ours says EFAULT\n" : " on a descriptor of ours says EBADF\n")
      raw(.kill, raw(.getpid), Int(Signal.abort.rawValue))
    }

    private static func bug(_ number: SystemCallNumber, _ errno: Errno) { reportBug(number, errno) }
  #endif

  /// `write(2)` to descriptor 2 of a text of ours; whether it arrives does not matter.
  public static func writeToStandardError(_ text: StaticString) {
    raw(.write, 2, Int(bitPattern: text.utf8Start), text.utf8CodeUnitCount)
  }
}
