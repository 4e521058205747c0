import CLinux
import Gate
import Kernel
import LinuxABI
import Synchronization
import Testing
import TestSupport

@testable import Coherence
@testable import VFS

/// Which calls wait for a background copy-up, and when none does any more.
@Suite struct BackgroundCopyUpsTests {
  private let filesystem = HostFiles()
  private let source = Source()
  private let control = Background()
  private let waits: BackgroundCopyUps
  private let copyUp: BackgroundCopyUp

  init() throws {
    waits = BackgroundCopyUps(source)
    copyUp = try Self.make(2, filesystem)
  }

  private static func make(_ megabytes: Int, _ filesystem: Filesystem) throws -> BackgroundCopyUp {
    let lower = try HostFile(filesystem, megabytes: megabytes)
    return BackgroundCopyUp(try DataCopy(from: lower, to: try HostFile(filesystem, megabytes: 0)))
  }

  private static func call(_ number: CInt, _ path: UInt64) -> SystemCall {
    SystemCall(number: Int(number), arguments: (0, path, 2, 0, 0, 0))
  }
  private let open = call(SYS_openat, 0x1000)

  /// The thread's call needs the copy-up, and is interrupted.
  private func wait(_ thread: ThreadID, _ call: SystemCall, _ copyUp: BackgroundCopyUp) {
    #expect(waits.begin(copyUp, control))
    waits.wait(thread, in: call)
  }

  @Test func theCallThatWaitedEndsTheWait() {
    wait(7, open, copyUp)
    // A signal's handler has run, and the call comes again too early.
    wait(7, open, copyUp)
    wait(8, open, copyUp)
    #expect(waits.threads(waitingFor: copyUp).sorted() == [7, 8])
    waits.answered(open, of: 7)
    #expect(source.cancelled.isEmpty)
    waits.answered(open, of: 8)
    #expect(source.cancelled.first === copyUp && waits.isEmpty)
  }

  @Test func callsOfAHandlerDoNotEndTheWait() {
    wait(7, open, copyUp)
    for path in 0..<4000 { waits.answered(Self.call(SYS_openat, UInt64(path)), of: 7) }
    copyUp.finish()
    for _ in 0..<1000 { waits.answered(Self.call(SYS_stat, 1), of: 7) }
    waits.answered(Self.call(SYS_stat, 1), of: 8)
    #expect(!waits.isEmpty && source.cancelled.isEmpty)
    // No handler makes so many: the call has been left by a jump.
    waits.answered(Self.call(SYS_stat, 1), of: 7)
    #expect(waits.isEmpty && source.cancelled.first === copyUp)
  }

  /// A handler that jumps out of one wait into the next leaves all of them while the copying lasts.
  @Test func aThreadWaitsInSoManyCallsOnly() {
    wait(8, open, copyUp)
    for path in 0..<1000 { wait(7, Self.call(SYS_openat, UInt64(path)), copyUp) }
    #expect(waits.threads(waitingFor: copyUp).count == 1 + BackgroundCopyUps.limitPerThread)
    // The last of them is waited for still, and so is the other thread's.
    waits.answered(Self.call(SYS_openat, 999), of: 7)
    #expect(waits.threads(waitingFor: copyUp).count == BackgroundCopyUps.limitPerThread)
    #expect(waits.threads(waitingFor: copyUp).contains(8) && source.cancelled.isEmpty)
    waits.exited(7)
    #expect(waits.threads(waitingFor: copyUp) == [8])
  }

  @Test func theDeadDoNotWait() throws {
    let other = try Self.make(1, filesystem)
    wait(7, open, copyUp)
    wait(7, Self.call(SYS_truncate, 0x2000), other)
    wait(8, open, copyUp)
    waits.exited(7)
    #expect(source.cancelled.count == 1 && source.cancelled.first === other)
    waits.exited(8)
    #expect(source.cancelled.last === copyUp)
  }

  /// A call that needs two copies waits for one after the other.
  @Test func theSecondWaitEndsTheFirst() throws {
    let second = try Self.make(1, filesystem)
    wait(7, open, copyUp)
    wait(7, open, second)
    #expect(source.cancelled.count == 1 && source.cancelled.first === copyUp)
    #expect(waits.threads(waitingFor: second) == [7])
  }

  @Test func whatIsCopiedForNoCallIsCancelledAtItsEnd() {
    #expect(waits.begin(copyUp, control))
    #expect(waits.ended(copyUp).isEmpty && source.cancelled.first === copyUp)
  }

  @Test func aSystemWithoutThreadsCopiesInTheCall() {
    #expect(!waits.begin(copyUp, Background(hasThreads: false)))
    // The next one is begun as if there had been none.
    wait(7, open, copyUp)
    control.run()
    #expect(copyUp.hasEnded)
  }

  private final class Log: Sendable {
    let ended = Mutex<[ObjectIdentifier]>([])
    func note(_ copyUp: BackgroundCopyUp) { ended.withLock { $0.append(ObjectIdentifier(copyUp)) } }
  }

  @Test func copiesTakeTurns() throws {
    let log = Log()
    let queue = CopyQueue()
    // Two slices and a half, and one.
    let (long, short) = (try Self.make(40, filesystem), try Self.make(10, filesystem))
    #expect(queue.add(long, control, log.note))
    #expect(queue.add(short, control, log.note))
    control.run()
    #expect(log.ended.withLock { $0 } == [ObjectIdentifier(short), ObjectIdentifier(long)])
    // The thread has ended: the next copy needs another one.
    #expect(queue.add(copyUp, control, log.note))
    control.run()
    #expect(log.ended.withLock { $0.count } == 3)
    guard case .success = long.result, case .success = short.result, case .success = copyUp.result else {
      Issue.record("a copy has failed")
      return
    }
  }
}

/// One background copy-up.
@Suite struct BackgroundCopyUpTests {
  private let filesystem = HostFiles()

  private func make(_ megabytes: Int) throws -> (BackgroundCopyUp, HostFile) {
    let target = try HostFile(filesystem, megabytes: 0)
    return (
      BackgroundCopyUp(try DataCopy(from: try HostFile(filesystem, megabytes: megabytes), to: target)), target
    )
  }

  @Test func aSliceIsNotTheWhole() throws {
    let (copyUp, target) = try make(40)
    #expect(copyUp.copySlice() && !copyUp.hasEnded)
    let blocks = try Host.stat(target.file.rawValue).blocks
    #expect(blocks == 16 << 11)
    #expect(copyUp.copySlice() && !copyUp.copySlice() && copyUp.hasEnded)
  }

  @Test func aCallThatCannotWaitGoesOnWhereTheSlicesStand() throws {
    let (copyUp, target) = try make(40)
    #expect(copyUp.copySlice())
    copyUp.finish()
    #expect(copyUp.hasEnded && !copyUp.copySlice())
    #expect(try Host.stat(target.file.rawValue).blocks == 40 << 11)
  }

  /// The holder of the tree lock waits for a step, and not for the slice that the thread is in.
  @Test func aCopyThatIsTakenOverEndsTheSlice() throws {
    let (copyUp, target) = try make(40)
    copyUp.takeOver()
    #expect(copyUp.copySlice() && !copyUp.hasEnded)
    #expect(try Host.stat(target.file.rawValue).blocks <= 1 << 11)
    copyUp.finish()
    guard case .success = copyUp.result else {
      Issue.record("not copied")
      return
    }
    #expect(try Host.stat(target.file.rawValue).blocks == 40 << 11)
  }

  @Test func aCancelledCopyEndsWithoutItsContent() throws {
    let (copyUp, target) = try make(40)
    copyUp.cancel()
    #expect(!copyUp.copySlice())
    guard case .failure(.canceled) = copyUp.result else {
      Issue.record("cancelled, and yet copied")
      return
    }
    #expect(try Host.stat(target.file.rawValue).blocks == 0)
  }
}
