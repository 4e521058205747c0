// Background copy-up: content that is too long to be copied under the tree lock. The call that needs the copy-up has it
// begun and fails (`CopyUpObserver.mayWait`); a thread copies the content, a slice at a time and with no lock but the copy's own; the call
// comes again and commits the copy. A lower file never changes, so the copy cannot be out of date.

import Kernel
public import LinuxABI
import Synchronization

/// The content of one copy-up, on its way into a file that no name shows yet.
public final class BackgroundCopyUp: Sendable {
  /// How much `copySlice` copies: some milliseconds' worth.
  private static let slice: Int64 = 16 << 20
  /// How much is copied between two looks at who wants the copy: a holder of the tree lock waits for no more than this.
  private static let step: Int64 = 1 << 20

  /// Closed at its end: a file that is open for writing cannot be executed.
  private let copy: Lock<DataCopy?>
  private let ended = Lock<Result<Void, Errno>?>(.copyResult, nil)
  private let isCancelled = Atomic<Bool>(false)
  /// A call that cannot wait copies the rest itself.
  private let isTakenOver = Atomic<Bool>(false)

  public init(_ copy: consuming DataCopy) {
    let isWhole = copy.isWhole
    self.copy = Lock(.copyBytes, consume copy)
    if isWhole { finish() }
  }

  /// How it has ended; nil as long as it has not.
  public var result: Result<Void, Errno>? { ended.withLock { $0 } }

  public var hasEnded: Bool { result != nil }

  /// The content is not wanted any more.
  public func cancel() { isCancelled.store(true, ordering: .relaxed) }

  /// Copies some more. With no lock held, on one thread at a time.
  ///
  /// - Returns: false when it has ended: it is whole, it has failed, or it has been cancelled.
  public func copySlice() -> Bool {
    var left = Self.slice
    return advance {
      left -= Self.step
      return left >= 0 && !isTakenOver.load(ordering: .relaxed)
    }
  }

  /// Copies what is left, under the tree lock: the call that needs it cannot wait.
  public func finish() {
    takeOver()
    _ = advance { true }
  }

  /// Ends the slice that is being copied at its next step.
  func takeOver() { isTakenOver.store(true, ordering: .relaxed) }

  /// Copies step by step as long as `goesOn` says; false when it has ended.
  private func advance(while goesOn: () -> Bool) -> Bool {
    copy.withLock { copy in
      if hasEnded { return false }
      var result: Result<Void, Errno> = .failure(.canceled)
      while !isCancelled.load(ordering: .relaxed) {
        if !goesOn() { return true }
        do throws(Errno) {
          if try copy?.step(Self.step) == true { continue }
          result = .success(())
        } catch { result = .failure(error) }
        break
      }
      copy = nil
      let final = result
      ended.withLock { $0 = final }
      return false
    }
  }
}
