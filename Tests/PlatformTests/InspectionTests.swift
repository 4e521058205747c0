// The parts of an inspection that need no sandbox: what is published, what is read from /proc, and what is printed.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing

@testable import Platform

@Suite struct InspectionTests {
  @Test func publishedCallIsSeenUntilItEnds() throws {
    let progress = Progress()
    #expect(progress.servedCall == nil)
    let before = MonotonicClock.coarse()
    progress.beginCall(257, of: 42)
    progress.beginInjection(9, in: 43)
    let served = try #require(progress.servedCall)
    #expect(served.thread == 42 && served.number == 257 && served.since >= before)
    #expect(progress.injectedCall?.thread == 43)
    progress.endCall()
    #expect(progress.servedCall == nil)
    #expect(progress.injectedCall?.number == 9)
  }

  @Test func guestTextCannotForgeALine() {
    var text = ReportText()
    text.append(guest: Array("a\nb\\\u{1b}[2J\u{e9}".utf8) + [0xff])
    #expect(String(decoding: text.bytes, as: UTF8.self) == "a\\x0ab\\x5c\\x1b[2J\\xc3\\xa9\\xff")
  }

  @Test func secondsHaveOneDecimal() {
    #expect(ReportText.seconds(0) == "0.0 s")
    #expect(ReportText.seconds(12_399_999_999) == "12.3 s")
    #expect(ReportText.seconds(.max) == "18446744073.7 s")
  }

  @Test func requestRoundTrip() throws {
    let address = try InspectionAddress.random()
    #expect(InspectionAddress(address.information) == address)
    #expect(address.path.utf8.count < 100)
    // A plain SIGWINCH, and one with a number that is not ours.
    var other = address.information
    other.code = .kernel
    #expect(InspectionAddress(other) == nil)
    other = address.information
    other.value = 7
    #expect(InspectionAddress(other) == nil)
  }

  @Test func innermostNumberIsTheLastOfItsLine() {
    let text: StaticString = "Pid:\t12\nNSpid:\t12\t7\t3\nNSpgid:\t1\n"
    let kernelText = KernelText(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    #expect(kernelText.lastNumber(after: "\nNSpid:") == 3)
    #expect(kernelText.lastNumber(after: "\nNSsid:") == nil)
  }

  @Test func ownThreadIsSeenRunning() throws {
    let state = try #require(ThreadState(TracerRequests.ownThread))
    #expect(state.group == getpid() && state.letter == UInt8(ascii: "R"))
    #expect(ThreadState.own().contains { $0.thread == TracerRequests.ownThread })
    #expect(ThreadState(4_194_304) == nil)
  }

  @Test func processOutsideAnyRunIsRefused() {
    #expect(throws: InspectionFailure.self) { _ = try InspectionRequest(getpid()) }
    #expect(throws: InspectionFailure.self) { _ = try InspectionRequest(0) }
    #expect(throws: InspectionFailure.self) { _ = try InspectionRequest(-1) }
  }
}
