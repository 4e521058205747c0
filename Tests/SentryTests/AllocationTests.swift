// What a call that allocates is taken to need, and whether the store has it.

import LinuxABI
import Testing

@testable import Sentry

struct AllocationTests {
  private func file(size: Int64, kilobytes: Int64) -> FileStatus {
    var status = FileStatus()
    status.size = size
    status.blocks = kilobytes * 2
    return status
  }

  @Test func growthIsWhatIsNotThereYet() {
    let full = file(size: 1 << 20, kilobytes: 1 << 10)
    #expect(CallContext.growth(of: full, allocating: 0..<(1 << 20)) == 0)
    #expect(CallContext.growth(of: full, allocating: 0..<(3 << 20)) == 2 << 20)
    #expect(CallContext.growth(of: full, allocating: (2 << 20)..<(3 << 20)) == 1 << 20)
    let holes = file(size: 1 << 20, kilobytes: 4)
    #expect(CallContext.growth(of: holes, allocating: 0..<(1 << 20)) == 1 << 20)
    let extreme = file(size: .max, kilobytes: .max / 4)
    #expect(CallContext.growth(of: extreme, allocating: 0..<Int64.max) == 0)
    #expect(CallContext.growth(of: file(size: 0, kilobytes: 0), allocating: 0..<Int64.max) == UInt64(Int64.max))
  }

  @Test func whatHasBeenAllowedIsInUseUntilTheNextMeasure() {
    let usage = StoreUsage(limit: 100)
    usage.measured(40, whole: 1000)
    #expect(usage.reserve(30, whole: 1000))
    // Made meanwhile, or not: the same 30.
    #expect(!usage.reserve(31, whole: 1000) && !usage.reserve(31, whole: 1030))
    #expect(usage.reserve(30, whole: 1030))
    #expect(!usage.reserve(1, whole: 1060) && !usage.reserve(.max, whole: 1060))
    usage.measured(40, whole: 1060)
    #expect(usage.reserve(60, whole: 1060))
  }

  @Test func aMeasureAnswersWhatWasAskedBeforeIt() {
    let usage = StoreUsage(limit: 100)
    let first = usage.requestMeasure()
    #expect(usage.isMeasureWanted && !usage.isAnswered(first))
    var second: UInt64 = 0
    let bytes = usage.measure(whole: 1000) {
      second = usage.requestMeasure()
      return 40
    }
    #expect(bytes == 40 && usage.used == 40)
    #expect(usage.isAnswered(first) && !usage.isAnswered(second) && usage.isMeasureWanted)
    _ = usage.measure(whole: 1000) { 40 }
    #expect(usage.isAnswered(second) && !usage.isMeasureWanted)
  }
}
