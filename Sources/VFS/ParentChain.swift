// Objects that hold their parent: dentries, and the inodes of an overlay and of a host tree. Left to itself the release of
// the last one releases its parent from within, and so on: one stack frame for each level of a tree that a guest made.

/// Releases chains of parents with a loop and no recursion.
public enum ParentChain {
  /// To be called by the `deinit` of an object with its reference to its parent; `take` takes an object's own parent away.
  ///
  /// - Postcondition: the reference is nil. Of the chain above, what nothing else holds has ended, one object after another.
  @inlinable
  @inline(__always)
  public static func release<Object: AnyObject>(_ parent: inout Object?, _ take: (Object) -> Object?) {
    guard var current = parent.take() else { return }
    while isKnownUniquelyReferenced(&current) {
      guard let above = take(current) else { return }
      current = above
    }
  }
}
