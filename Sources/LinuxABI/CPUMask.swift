// A set of CPUs as sched_setaffinity(2) takes it.

/// `cpu_set_t` (`man 3 CPU_SET`): a set of CPUs, of the first 1,024.
public struct CPUMask: BitwiseCopyable, Sendable {
  @usableFromInline var words = InlineArray<16, UInt64>(repeating: 0)

  /// No CPU.
  @inlinable
  public init() {}

  /// One CPU. Nil if it is none of the first 1,024.
  @inlinable
  public init?(_ number: Int) {
    guard number >= 0, words.indices.contains(number / 64) else { return nil }
    words[number / 64] = 1 << UInt64(number % 64)
  }

  /// Whether all CPUs of `other` are among these.
  @inlinable
  public func contains(_ other: CPUMask) -> Bool { words.indices.allSatisfy { other.words[$0] & ~words[$0] == 0 } }
}

extension CPUMask: Equatable {
  @inlinable
  public static func == (left: CPUMask, right: CPUMask) -> Bool { left.contains(right) && right.contains(left) }
}
