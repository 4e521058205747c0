import CLinux
import LinuxABI
import Testing

@testable import Kernel

@Suite(.serialized) struct HostTests {
  /// What a test wants to see is noted; in any other run the process ends.
  private static let noted = Noted()
  private final class Noted: @unchecked Sendable {
    var bugs: [(SystemCallNumber, Errno)] = []
  }

  @Test func aWrongDescriptorOfOursIsABug() throws {
    let before = Host.reportBug
    defer { Host.reportBug = before }
    Host.reportBug = { number, errno in Self.noted.bugs.append((number, errno)) }
    #expect(throws: Errno.badFileDescriptor) { _ = try Host.stat(CInt.max) }
    #expect(throws: Errno.badAddress) { try Host.call(.pipe2, 8, 0) }
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try Host.stat("/no/such", in: AtFlags.currentDirectory) }
    #expect(throws: Errno.badFileDescriptor) { try Host.callForGuest(.fsync, Int(CInt.max)) }
    #expect(Self.noted.bugs.map(\.0) == [.fstat, .pipe2])
    #expect(Self.noted.bugs.map(\.1) == [.badFileDescriptor, .badAddress])
  }

  @Test func waitStatusIsReadAsTheCLibraryDoes() {
    #expect(WaitStatus(7 << 8) == .exited(7))
    #expect(WaitStatus(9) == .signalled(.kill))
    // A core was dumped.
    #expect(WaitStatus(11 | 0x80) == .signalled(.segmentationFault))
    #expect(WaitStatus(19 << 8 | 0x7f) == .stopped(signal: .stop, event: .none))
    #expect(WaitStatus(128 << 16 | 5 << 8 | 0x7f) == .stopped(signal: .trap, event: .stop))
    #expect(WaitStatus(0xffff) == .continued)
  }

  @Test func aProgramIsRunBetweenTwoDescriptors() throws {
    let ends = try Host.makePipe()
    let reading = OwnedDescriptor(ends.reading)
    let null = try Host.openTrusted("/dev/null", [])
    let child: Int32
    do {
      let writing = OwnedDescriptor(ends.writing)
      child = try Host.spawn("sh", ["-c", "echo said; exit 3"], input: null.rawValue, output: writing.rawValue)
    }
    #expect(try Host.readAll(reading.rawValue) == Array("said\n".utf8))
    #expect(try Host.waitForEnd(of: child) == .exited(3))
  }

  /// What the C library's headers know has the same number here.
  @Test func numbersAgreeWithTheHeaders() {
    #expect(SystemCallNumber.read.rawValue == SYS_read && SystemCallNumber.openat.rawValue == SYS_openat)
    #expect(
      SystemCallNumber.openat2.rawValue == SYS_openat2 && SystemCallNumber.futex_waitv.rawValue == SYS_futex_waitv)
  }

  /// Children say by C's numbers where they are.
  @Test func stagesOfALaunchAreNumberedAsInC() {
    let stages: [(LaunchStage, vd_stage)] = [
      (.ready, VD_STAGE_READY), (.pivot, VD_STAGE_PIVOT), (.limit, VD_STAGE_RLIMIT),
      (.noNewPrivileges, VD_STAGE_NO_NEW_PRIVS), (.filter, VD_STAGE_FILTER), (.tree, VD_STAGE_TREE),
      (.confined, VD_STAGE_CONFINED),
    ]
    for (ours, theirs) in stages { #expect(UInt32(bitPattern: ours.rawValue) == theirs.rawValue) }
    #expect(LaunchStage(rawValue: LaunchStage.confined.rawValue + 1) == nil)
  }

  @Test func mountsAreListed() throws {
    let root = try #require(MountInfo.all().last { $0.mountPoint.elementsEqual([0x2f]) })
    let status = try Host.statx("/", in: AtFlags.currentDirectory)
    #expect(root.device == status.device)
    #expect(root.type?.isEmpty == false)
  }
}
