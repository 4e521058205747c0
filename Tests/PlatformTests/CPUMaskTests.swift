import CLinux
import LinuxABI
import Testing

@testable import Platform

@Suite struct CPUMaskTests {
  /// On a thread of its own: where it may run concerns no other thread.
  @Test func threadGoesWhereItsMaskSays() throws {
    let all = try #require(CPUMask(of: 0))
    let worker = try WorkerThread.start {
      guard let here = CPUMask.here(), let before = CPUMask(of: 0) else {
        Issue.record("no mask")
        return
      }
      here.apply(to: 0)
      #expect(CPUMask(of: 0) == here)
      #expect(before.contains(here) && here.contains(here))
      #expect((before == here) == here.contains(before))
      before.apply(to: 0)
      #expect(CPUMask(of: 0) == before)
    }
    worker.stop()
    #expect(CPUMask(of: 0) == all)
  }

  @Test func emptyMaskIsInEveryOther() throws {
    let all = try #require(CPUMask(of: 0))
    #expect(all.contains(CPUMask()) && !CPUMask().contains(all) && all != CPUMask())
    CPUMask().apply(to: 0)
    #expect(CPUMask(of: 0) == all, "the kernel refuses it")
  }

  @Test func threadThatIsGoneHasNone() {
    #expect(CPUMask(of: .max) == nil)
  }
}
