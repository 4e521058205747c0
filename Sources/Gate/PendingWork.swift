// What a handler has under way beside the calls it serves, as an inspection shows it.

/// A copy of it, made under the handler's own lock.
public struct PendingWork: Sendable {
  /// A guest thread that sleeps in a call until something happens.
  public struct Wait: Sendable {
    public var thread: ThreadID
    /// What it waits for, in a few words; may hold a name that a guest has chosen.
    public var reason: [UInt8]
    /// Nanoseconds of CLOCK_MONOTONIC; nil where that is not kept.
    public var since: UInt64?

    public init(_ thread: ThreadID, _ reason: [UInt8], since: UInt64?) {
      self.thread = thread
      self.reason = reason
      self.since = since
    }
  }

  public var waits: [Wait] = []
  /// Guests that still wait for a FIFO's other end, for a background copy.
  public var waitingForFIFO = 0
  public var waitingForCopy = 0
  /// Background copies.
  public var copies = 0
  /// Files that copy-up has given another backing file, not remapped yet.
  public var remaps = 0

  public init() {}
}
