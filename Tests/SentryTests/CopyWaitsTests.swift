import CLinux
import Gate
import LinuxABI
import Synchronization
import Testing
import VFS

@testable import Sentry

/// Who waits for a long copy, and when nobody does any more.
@Suite struct CopyWaitsTests {
  private final class Copy: LongCopy {
    let end = Atomic<Bool>(false)
    func proceed() -> Bool { false }
    var hasEnded: Bool { end.load(ordering: .relaxed) }
  }

  private static func call(_ number: CInt, _ path: UInt64) -> SystemCall {
    SystemCall(number: Int(number), arguments: (0, path, 2, 0, 0, 0))
  }
  private let open = call(SYS_openat, 0x1000)
  private let waits = CopyWaits()
  private let copy = Copy()

  @Test func theCallThatWaitedEndsTheWait() {
    #expect(waits.add(7, open, copy).isEmpty)
    // A signal's handler has run, and the call comes again too early.
    #expect(waits.add(7, open, copy).isEmpty)
    #expect(waits.add(8, open, copy).isEmpty)
    #expect(waits.threads(waitingFor: copy).sorted() == [7, 8])
    #expect(waits.answered(open, of: 7).isEmpty)
    #expect(waits.answered(open, of: 8).first === copy)
    #expect(waits.isEmpty)
  }

  @Test func callsOfAHandlerDoNotEndTheWait() {
    _ = waits.add(7, open, copy)
    for path in 0..<4000 { #expect(waits.answered(Self.call(SYS_openat, UInt64(path)), of: 7).isEmpty) }
    copy.end.store(true, ordering: .relaxed)
    for _ in 0..<1000 { #expect(waits.answered(Self.call(SYS_stat, 1), of: 7).isEmpty) }
    #expect(waits.answered(Self.call(SYS_stat, 1), of: 8).isEmpty)
    // Nobody makes so many: the call has been left by a jump.
    #expect(waits.answered(Self.call(SYS_stat, 1), of: 7).first === copy)
  }

  @Test func theDeadDoNotWait() {
    let other = Copy()
    _ = waits.add(7, open, copy)
    _ = waits.add(7, Self.call(SYS_truncate, 0x2000), other)
    _ = waits.add(8, open, copy)
    let left = waits.exited(7)
    #expect(left.count == 1 && left[0] === other)
    #expect(waits.exited(8).first === copy)
  }

  /// A call that needs two copies waits for one after the other.
  @Test func theSecondWaitEndsTheFirst() {
    let second = Copy()
    _ = waits.add(7, open, copy)
    #expect(waits.add(7, open, second).first === copy)
    #expect(waits.threads(waitingFor: second) == [7])
  }

  private final class Background: GuestControl {
    let body = Mutex<(@Sendable () -> Void)?>(nil)
    let hasThreads: Bool
    init(hasThreads: Bool) { self.hasThreads = hasThreads }
    func inBackground(_ body: @escaping @Sendable () -> Void) -> Bool {
      if hasThreads { self.body.withLock { $0 = body } }
      return hasThreads
    }
    func withStoppedGuests(_ body: @escaping @Sendable (any StoppedGuests) -> Void) {}
    func wake(_ thread: ThreadID) {}
    func whenReadable(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void) {}
  }

  private final class Counting: LongCopy {
    let left: Mutex<Int>
    let log: Log
    let name: Character
    init(_ name: Character, _ steps: Int, _ log: Log) {
      self.name = name
      left = Mutex(steps)
      self.log = log
    }
    func proceed() -> Bool {
      log.text.withLock { $0.append(name) }
      return left.withLock { left in
        left -= 1
        return left > 0
      }
    }
    var hasEnded: Bool { left.withLock { $0 <= 0 } }
  }
  private final class Log: Sendable { let text = Mutex("") }

  @Test func copiesTakeTurns() {
    let log = Log()
    let control = Background(hasThreads: true)
    let copier = Copier { copy in log.text.withLock { $0.append(copy.hasEnded ? "." : "?") } }
    #expect(copier.add(Counting("a", 3, log), control))
    #expect(copier.add(Counting("b", 2, log), control))
    control.body.withLock { $0.take() }?()
    #expect(log.text.withLock { $0 } == "abab.a.")
    // The thread has ended: the next copy needs another one.
    #expect(copier.add(Counting("c", 1, log), control))
    control.body.withLock { $0.take() }?()
    #expect(log.text.withLock { $0 } == "abab.a.c.")
    #expect(!copier.add(Counting("d", 1, log), Background(hasThreads: false)))
    #expect(copier.add(Counting("e", 1, log), control))
    control.body.withLock { $0.take() }?()
    #expect(log.text.withLock { $0 } == "abab.a.c.e.")
  }
}
