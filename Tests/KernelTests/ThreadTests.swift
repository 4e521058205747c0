// Threads, and what ends their waits.

import Kernel
import LinuxABI
import Synchronization
import Testing

@Suite(.serialized) struct ThreadTests {
  /// What `body` says on a thread of its own, whose signal mask and timers are nobody else's.
  private func onAThread<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
    let result = Mutex<Result<T, any Error>?>(nil)
    let thread = try JoinableThread {
      let outcome = Result { try body() }
      result.withLock { $0 = outcome }
    }
    thread.join()
    return try #require(result.withLock { $0 }).get()
  }

  private static func error(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) { try body() } catch { return error }
    return nil
  }

  @Test func timerEndsACallThatWaits() throws {
    let (error, took) = try onAThread {
      Host.allowInterruption(by: .urgent)
      let ends = try Host.makePipe()
      let (reading, writing) = (ends.reading, ends.writing)
      defer { for end in [reading, writing] { Host.close(end) } }
      let timer = try ThreadTimer(.urgent)
      let millisecond = TimeSpecification(nanoseconds: 1_000_000 as UInt64)
      let start = MonotonicClock.now()
      try timer.set(TimerSpecification(first: millisecond, interval: millisecond))
      let error = Self.error { () throws(Errno) in
        _ = try Host.poll(reading, for: .readable, milliseconds: 60_000)
      }
      return (error, MonotonicClock.now() - start)
    }
    #expect(error == .interrupted)
    #expect(took >= 1_000_000 && took < 60_000_000_000)
  }

  @Test func raisedFlagEndsACallThatHasNotBegun() throws {
    let flag = ThreadFlag()
    let ends = try Host.makePipe()
    defer { for end in [ends.reading, ends.writing] { Host.close(end) } }
    #expect(try flag.poll(ends.reading, for: .readable, milliseconds: 0) == [])
    #expect(try flag.poll(ends.writing, for: .writable, milliseconds: -1) == .writable)
    flag.raise()
    #expect(flag.isRaised)
    let error = Self.error { () throws(Errno) in
      _ = try flag.poll(ends.reading, for: .readable, milliseconds: -1)
    }
    #expect(error == .interrupted)
    #expect(flag.take() && !flag.take() && !flag.wait(milliseconds: 0))
  }

  @Test func signalThatIsBlockedIsWaitedFor() throws {
    let found = try onAThread { () -> (before: SignalSet, Signal?, Int32?, none: Bool, after: SignalSet) in
      let set = SignalSet([.user2])
      // A thread pool's threads, which run tests, block everything.
      try Host.changeSignalMask(.unblock, set)
      let before = try Host.changeSignalMask(.block, set)
      let none = Host.waitForSignal(in: set, nanoseconds: 0) == nil
      Host.signalThread(Host.ownThread, of: Host.ownProcess, Signal.user2.rawValue)
      let information = Host.waitForSignal(in: set, nanoseconds: 60_000_000_000)
      let blocked = Host.signalMask
      try Host.changeSignalMask(.set, before)
      return (before, information?.signal, information?.process, none, blocked)
    }
    #expect(found.none)
    #expect(found.1 == .user2 && found.2 == Host.ownProcess)
    #expect(!found.before.contains(.user2) && found.after.contains(.user2))
  }
}
