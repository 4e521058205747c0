// The names of what the host's /proc has of a thread, spelled on the stack.

public import LinuxABI

extension Host {
  /// Calls `body` with the C string "/proc/THREAD/NAME", and behind it `number` if there is one.
  @inlinable
  public static func withProcessPath<T: ~Copyable, E: Error>(
    _ thread: Int32, _ name: StaticString, _ number: Int32? = nil, _ body: (UnsafePointer<CChar>) throws(E) -> T
  ) throws(E) -> T {
    // "/proc/", two numbers of ten digits at most, a slash and a NUL.
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 28 + name.utf8CodeUnitCount) { path throws(E) in
      var end = 0
      func append(_ text: UnsafePointer<UInt8>, _ count: Int) {
        for index in 0..<count { path[end + index] = CChar(bitPattern: text[index]) }
        end += count
      }
      func append(_ number: Int32) {
        Digits.withDecimal(UInt64(max(number, 0))) { digits in
          var index = 0
          while digits[index] != 0 {
            path[end] = digits[index]
            end += 1
            index += 1
          }
        }
      }
      let root: StaticString = "/proc/"
      append(root.utf8Start, root.utf8CodeUnitCount)
      append(thread)
      path[end] = 0x2f
      end += 1
      append(name.utf8Start, name.utf8CodeUnitCount)
      if let number { append(number) }
      path[end] = 0
      return try body(UnsafePointer(path.baseAddress.unsafelyUnwrapped))
    }
  }
}
