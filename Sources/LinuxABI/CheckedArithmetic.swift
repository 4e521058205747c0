// Arithmetic on numbers that a guest, a file, a layer or an archive has chosen. Swift's own operators and conversions end
// the process where a result does not fit; these throw the errno that Linux answers such a number with, or stop at the
// largest value where the number only measures. They are the one way: no other file reports overflow by hand
// (Tests/LinuxABITests/SourceRulesTests.swift).

extension FixedWidthInteger {
  /// The sum, or the errno of the call whose argument makes it too large.
  @inlinable
  @inline(__always)
  public func adding(_ other: Self, or errno: Errno) throws(Errno) -> Self {
    let (result, overflow) = addingReportingOverflow(other)
    if overflow { throw errno }
    return result
  }

  /// The difference, or the errno of the call whose argument makes it too small.
  @inlinable
  @inline(__always)
  public func subtracting(_ other: Self, or errno: Errno) throws(Errno) -> Self {
    let (result, overflow) = subtractingReportingOverflow(other)
    if overflow { throw errno }
    return result
  }

  /// The product, or the errno of the call whose argument makes it too large.
  @inlinable
  @inline(__always)
  public func multiplied(by other: Self, or errno: Errno) throws(Errno) -> Self {
    let (result, overflow) = multipliedReportingOverflow(by: other)
    if overflow { throw errno }
    return result
  }

  /// The number as another type, or the errno of the call whose argument does not fit it.
  @inlinable
  @inline(__always)
  public init(_ value: some BinaryInteger, or errno: Errno) throws(Errno) {
    guard let result = Self(exactly: value) else { throw errno }
    self = result
  }

  /// The sum; nil if it does not fit.
  @inlinable
  @inline(__always)
  public func addingExactly(_ other: Self) -> Self? {
    let (result, overflow) = addingReportingOverflow(other)
    return overflow ? nil : result
  }

  /// The difference; nil if it does not fit.
  @inlinable
  @inline(__always)
  public func subtractingExactly(_ other: Self) -> Self? {
    let (result, overflow) = subtractingReportingOverflow(other)
    return overflow ? nil : result
  }

  /// The product; nil if it does not fit.
  @inlinable
  @inline(__always)
  public func multipliedExactly(by other: Self) -> Self? {
    let (result, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? nil : result
  }

  /// The sum, or the nearest value there is: for totals, limits and times that only measure.
  @inlinable
  @inline(__always)
  public func addingClamped(_ other: Self) -> Self {
    addingExactly(other) ?? (other < 0 ? .min : .max)
  }

  /// The difference, or the nearest value there is.
  @inlinable
  @inline(__always)
  public func subtractingClamped(_ other: Self) -> Self {
    subtractingExactly(other) ?? (other < 0 ? .max : .min)
  }

  /// The product, or the nearest value there is.
  @inlinable
  @inline(__always)
  public func multipliedClamped(by other: Self) -> Self {
    multipliedExactly(by: other) ?? ((self < 0) == (other < 0) ? .max : .min)
  }

  /// The number rounded up to whole pages of 4096; nil if that does not fit (`PAGE_ALIGN`, include/linux/mm.h).
  @inlinable
  @inline(__always)
  public var pageAligned: Self? {
    addingExactly(4095).map { $0 & ~4095 }
  }
}

extension Range where Bound: FixedWidthInteger {
  /// `count` from `start` on; nil if the end does not fit, or lies before the start.
  @inlinable
  @inline(__always)
  public init?(from start: Bound, count: Bound) {
    guard count >= 0, let end = start.addingExactly(count) else { return nil }
    self = start..<end
  }

  /// `count` from `start` on, or the errno of the call whose arguments name no range.
  @inlinable
  @inline(__always)
  public init(from start: Bound, count: Bound, or errno: Errno) throws(Errno) {
    guard let range = Range(from: start, count: count) else { throw errno }
    self = range
  }
}
