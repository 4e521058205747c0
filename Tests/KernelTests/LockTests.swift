// A lock's holder shows while it is held, and only then.

import Kernel
import LinuxABI
import Synchronization
import Testing

@Suite(.serialized) struct LockTests {
  @Test func holderShowsWhileTheLockIsHeld() throws {
    let lock = Lock(.listedFiles, 1)
    let before = MonotonicClock.coarse()
    lock.withLock { value in
      value += 1
      let holder = LockHolder.of(.listedFiles)
      #expect(holder != nil && holder?.thread != 0 && (holder?.since ?? 0) >= before)
    }
    #expect(LockHolder.of(.listedFiles) == nil)
    #expect(lock.withLock { $0 } == 2)
  }

  @Test func holderIsGoneAfterAnError() {
    let lock = Lock(.listedFiles, 0)
    #expect(throws: Errno.self) { try lock.withLock { _ throws(Errno) in throw Errno.ioError } }
    #expect(LockHolder.of(.listedFiles) == nil)
  }

  @Test func lockThatIsHeldIsNotWaitedForLongerThanAsked() {
    let lock = Lock(.listedFiles, 0)
    lock.withLock { _ in
      #expect(LockHolder.of(.listedFiles) != nil)
      let began = MonotonicClock.now()
      let result = lock.withLock(within: 20) { $0 }
      #expect(result == nil)
      #expect(MonotonicClock.now() - began < 5_000_000_000)
    }
    #expect(lock.withLock(within: 0) { $0 } == 0)
  }

  @Test func everyKindHasAnEntryOfItsOwn() {
    #expect(LockKind.allCases.allSatisfy { $0.rawValue < 32 })
  }
}
