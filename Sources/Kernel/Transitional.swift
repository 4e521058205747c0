// For the targets that still number their calls by the C header.

public import LinuxABI

extension Host {
  @inlinable
  @discardableResult
  package static func call(
    _ number: CInt, _ a: Int = 0, _ b: Int = 0, _ c: Int = 0, _ d: Int = 0, _ e: Int = 0, _ f: Int = 0
  ) throws(Errno) -> Int {
    try Errno.check(raw(SystemCallNumber(rawValue: number), a, b, c, d, e, f))
  }
}

extension ThreadFlag {
  package func interruptibleCall(_ number: CInt, _ a: Int, _ b: Int, _ c: Int, _ d: Int = 0) -> Int {
    interruptibleCall(SystemCallNumber(rawValue: number), a, b, c, d)
  }
}
