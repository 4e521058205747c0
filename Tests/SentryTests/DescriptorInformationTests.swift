// What is read of /proc/PID/fdinfo/N.

import Gate
import Glibc
import Kernel
import LinuxABI
import Testing

@Suite struct DescriptorInformationTests {
  @Test func linesOfTheKernel() {
    let information = DescriptorInformation(
      Array(
        """
        pos:\t4096
        flags:\t02104000
        mnt_id:\t27
        ino:\t1234567
        lock:\t1: POSIX  ADVISORY  READ 7 fe:00:56 0 EOF

        """.utf8))
    #expect(information.position == 4096)
    #expect(information.flags == [.closeOnExec, .largeFile, .nonBlocking])
    #expect(information.mount == 27)
    #expect(information.inode == 1_234_567)
    #expect(information.hasProcessLock)
  }

  /// What comes behind the kernel's own lines is the file's, and may be worded by whoever made it.
  @Test func firstLineOfAKindCounts() {
    let information = DescriptorInformation(
      Array("pos:\t1\nflags:\t0\nmnt_id:\t2\nino:\t3\nino:\t9\nmnt_id:\t9\npos:\t9\n".utf8))
    #expect(information.position == 1)
    #expect(information.mount == 2)
    #expect(information.inode == 3)
  }

  @Test func protocolOfASocket() throws {
    let table = DescriptorTable(thread: getpid())
    for (family, kind, isInternet) in [
      (AF_INET, SOCK_STREAM, true), (AF_INET, SOCK_DGRAM, true), (AF_UNIX, SOCK_STREAM, false),
      (AF_UNIX, SOCK_DGRAM, false), (AF_NETLINK, SOCK_DGRAM, false),
    ] {
      let made = OwnedDescriptor(socket(family, CInt(kind.rawValue), 0))
      #expect(try table.protocolName(made.rawValue).isInternet == isInternet, "\(family) \(kind)")
    }
    #expect(try !table.protocolName(0).isInternet)
  }

  @Test func noNumberIsNoAnswer() {
    let information = DescriptorInformation(
      Array("pos:\t99999999999999999999\nmnt_id:\t-1\nino:\t\nflags:\tx\n".utf8))
    #expect(information.position == nil)
    #expect(information.mount == nil)
    #expect(information.inode == nil)
    #expect(information.flags == [])
  }
}
