// Copying much content takes too long for the tree lock to be held meanwhile. The operation that needs the copy has it
// begun, and throws `.restart`; the call comes again when the copy is there.

public import LinuxABI

/// A copy of content into a file that nobody can see yet.
public protocol LongCopy: AnyObject, Sendable {
  /// Copies some more. With no lock held, on one thread at a time.
  ///
  /// - Returns: false when it has ended: it is whole, it has failed, or nobody wants it any more.
  func proceed() -> Bool

  var hasEnded: Bool { get }
}

extension Errno {
  /// ERESTARTNOINTR of the kernel: the call is to be made again, from its start. Thrown before anything was changed, and
  /// never seen by a guest.
  public static var restart: Errno { Errno(rawValue: 513) }
}
