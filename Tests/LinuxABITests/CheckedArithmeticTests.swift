import LinuxABI
import Testing

/// What stands between a number of a guest and an operator that would end the process.
@Suite struct CheckedArithmeticTests {
  private func errno(_ body: () throws(Errno) -> Void) -> Errno? {
    do throws(Errno) {
      try body()
      return nil
    } catch {
      return error
    }
  }

  @Test func whatFitsIsComputed() throws {
    #expect(try UInt64(40).adding(2, or: .noMemory) == 42)
    #expect(try Int64.max.adding(-1, or: .noMemory) == Int64.max - 1)
    #expect(try UInt64(44).subtracting(2, or: .noMemory) == 42)
    #expect(try Int32(-6).multiplied(by: -7, or: .noMemory) == 42)
    #expect(try CInt(UInt64(42), or: .noMemory) == 42)
    #expect(try Range(from: UInt64.max - 1, count: 1, or: .noMemory) == (UInt64.max - 1)..<UInt64.max)
    #expect(UInt64(1).pageAligned == 4096 && UInt64(0).pageAligned == 0 && UInt64(4096).pageAligned == 4096)
  }

  @Test func whatDoesNotFitIsTheErrno() {
    #expect(errno { () throws(Errno) in _ = try UInt64.max.adding(1, or: .noMemory) } == .noMemory)
    #expect(errno { () throws(Errno) in _ = try Int64.min.adding(-1, or: .invalidArgument) } == .invalidArgument)
    #expect(errno { () throws(Errno) in _ = try UInt64(0).subtracting(1, or: .outOfRange) } == .outOfRange)
    #expect(errno { () throws(Errno) in _ = try Int32.min.multiplied(by: -1, or: .noMemory) } == .noMemory)
    #expect(errno { () throws(Errno) in _ = try UInt32(-1 as Int64, or: .invalidArgument) } == .invalidArgument)
    #expect(errno { () throws(Errno) in _ = try Int64(UInt64.max, or: .overflow) } == .overflow)
    #expect(
      errno { () throws(Errno) in _ = try Range(from: UInt64.max, count: 1, or: .noMemory) } == .noMemory)
    #expect(errno { () throws(Errno) in _ = try Range(from: 0 as Int64, count: -1, or: .noMemory) } == .noMemory)
    #expect(UInt64.max.pageAligned == nil && (UInt64.max - 4095).pageAligned == UInt64.max - 4095)
  }

  @Test func whatMeasuresStopsAtTheEnd() {
    #expect(UInt64.max.addingClamped(1) == .max)
    #expect(Int64.max.addingClamped(1) == .max && Int64.min.addingClamped(-1) == .min)
    #expect(UInt64(0).subtractingClamped(1) == 0)
    #expect(Int64.min.subtractingClamped(1) == .min && Int64.max.subtractingClamped(-1) == .max)
    #expect(Int64.max.multipliedClamped(by: 2) == .max && Int64.max.multipliedClamped(by: -2) == .min)
    #expect(Int64.min.multipliedClamped(by: -1) == .max && UInt64.max.multipliedClamped(by: 2) == .max)
    #expect(Int64(6).multipliedClamped(by: 7) == 42)
  }
}
