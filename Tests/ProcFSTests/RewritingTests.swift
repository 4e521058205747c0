// What is rewritten in the host's text.

import KernFS
import LinuxABI
import ProcFS
import TestSupport
import Testing
import VFS

struct RewritingTests {
  private let scratch: Scratch
  private let source = Source()
  private let filesystem: ProcFilesystem

  init() throws {
    scratch = try Scratch()
    filesystem = try ProcFilesystem(source: source, store: scratch.store)
  }

  private func text(_ path: String) throws(Errno) -> String { try filesystem.root.walk(path).text() }

  @Test func statShowsIdsOfTheInside() throws {
    source.files["stat"] = "1007 (a) R 1 (b) S 1000 1007 555 34816 -1 4194560 1\n"
    #expect(try text("7/stat") == "7 (a) R 1 (b) S 1 7 0 34816 -1 4194560 1\n")
    source.files["stat"] = "1007 () R 999 1007 1000 0 1007 0\n"
    #expect(try text("7/stat") == "7 () R 0 7 1 0 7 0\n")
    source.files["stat"] = "nonsense"
    #expect(try text("7/stat") == "")
  }

  /// The reader is stopped at our gate, and so may be others.
  @Test func tracingStopIsNotShown() throws {
    source.files["stat"] = "1007 (a) t 1000 0 0 0 -1 0\n"
    source.files["status"] = "State:\tt (tracing stop)\n"
    #expect(try text("7/stat") == "7 (a) R 1 0 0 0 -1 0\n")
    #expect(try text("7/status") == "State:\tR (running)\n")
    source.stopped = [7]
    #expect(try text("7/stat") == "7 (a) T 1 0 0 0 -1 0\n")
    #expect(try text("7/status") == "State:\tT (stopped)\n")
    source.files["stat"] = "1000 (a) S 0 0 0 0 -1 0\n"
    #expect(try text("1/stat") == "1 (a) R 0 0 0 0 -1 0\n")
    #expect(try text("30/stat") == "30 (a) S 0 0 0 0 -1 0\n")
  }

  @Test func statusShowsTheGuestsIdentity() throws {
    source.files["status"] = """
      Name:\tcat
      Umask:\t0077
      State:\tR (running)
      Tgid:\t1007
      Ngid:\t0
      Pid:\t1007
      PPid:\t1000
      TracerPid:\t900
      Uid:\t65534\t65534\t65534\t65534
      Gid:\t65534\t65534\t65534\t65534
      FDSize:\t64
      Groups:\t65534 
      NStgid:\t1007\t7
      NSpid:\t1007\t7
      NSpgid:\t1007\t7
      NSsid:\t555\t0
      VmPeak:\t    1234 kB
      CapInh:\t0000000000000000
      CapPrm:\t0000000000000000
      CapEff:\t0000000000000000
      CapBnd:\t0000000000000000
      CapAmb:\t0000000000000000
      NoNewPrivs:\t1
      Seccomp:\t2
      Seccomp_filters:\t3
      Threads:\t1

      """
    var identity = ProcessIdentity(
      user: 5, group: 6, supplementaryGroups: [10, 20], umask: Permissions(rawValue: 0o22))
    identity.users.saved = 9
    identity.effective = 0xff
    source.identities[7] = identity
    #expect(
      try text("7/status") == """
        Name:\tcat
        Umask:\t0022
        State:\tR (running)
        Tgid:\t7
        Ngid:\t0
        Pid:\t7
        PPid:\t1
        TracerPid:\t0
        Uid:\t5\t5\t9\t5
        Gid:\t6\t6\t6\t6
        FDSize:\t64
        Groups:\t10 20 
        NStgid:\t7
        NSpid:\t7
        NSpgid:\t7
        NSsid:\t0
        VmPeak:\t    1234 kB
        CapInh:\t0000000000000000
        CapPrm:\t0000000000000000
        CapEff:\t00000000000000ff
        CapBnd:\t0000000000000000
        CapAmb:\t0000000000000000
        NoNewPrivs:\t0
        Seccomp:\t0
        Seccomp_filters:\t0
        Threads:\t1

        """)
  }

  /// The facts of a mapping up to the column where the kernel puts names.
  private func mapping(_ facts: String) -> String { facts + String(repeating: " ", count: 73 - facts.count) }

  @Test func mapsShowPathsOfTheInsideAndNoneOfTheHost() throws {
    let gap = String(repeating: " ", count: 20)
    source.paths["8:1 4711"] = "/bin/a b"
    source.paths["0:41 12"] = "/tmp/new\nline"
    source.files["maps"] = """
      00400000-00401000 r-xp 00000000 08:01 4711\(gap)/home/secret/rootfs/bin/a b
      7f0000000000-7f0000001000 rw-s 00001000 00:29 12\(gap)/c/1f (deleted)
      7f0000002000-7f0000003000 r--p 00000000 08:01 99\(gap)/home/secret/vedette
      7f0000004000-7f0000005000 rw-p 00000000 00:00 0
      7f0000006000-7f0000007000 rw-s 00000000 00:01 5\(gap)/memfd:x (deleted)
      7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0\(gap)[stack]

      """
    let expected = """
      \(mapping("00400000-00401000 r-xp 00000000 08:01 4711"))/bin/a b
      \(mapping("7f0000000000-7f0000001000 rw-s 00001000 00:29 12"))/tmp/new\\012line
      7f0000002000-7f0000003000 r--p 00000000 08:01 99\(gap)/ (deleted)
      7f0000004000-7f0000005000 rw-p 00000000 00:00 0
      7f0000006000-7f0000007000 rw-s 00000000 00:01 5\(gap)/memfd:x (deleted)
      7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0\(gap)[stack]

      """
    #expect(try text("1/maps") == expected)
    source.files["smaps"] =
      "00400000-00401000 r-xp 00000000 08:01 4711\(gap)/x\nSize:                  4 kB\nVmFlags: rd ex\n"
    #expect(
      try text("1/smaps")
        == "\(mapping("00400000-00401000 r-xp 00000000 08:01 4711"))/bin/a b\nSize:                  4 kB\nVmFlags: rd ex\n"
    )
  }

  /// Without a network namespace the host's text is about the host.
  @Test func hostsNetworkIsNotShownToThoseWithoutOne() throws {
    source.files["net/dev"] = "Inter-| x\n face | y\n    lo: 7 8\n  eth0: 1 2\n"
    source.files["net/unix"] = "Num Path\n0000: 00000002 /run/secret\n"
    source.files["net/if_inet6"] = "00000000000000000000000000000001 01 80 10 80 lo\n"
    source.files["net/snmp"] = "Tcp: RtoMin MaxConn\nTcp: 200 -1\n"
    source.files["net/rt6_stats"] = "0009 f006 000a\n"
    source.files["net/softnet_stat"] = "00002557 00000000\n"
    source.files["net/route"] = "no line end"
    for (name, host) in source.files where name != "net/route" { #expect(try text("1/\(name)") == host) }
    source.networkIsHidden = true
    let zeros = String(repeating: " 0", count: 16)
    #expect(try text("1/net/dev") == "Inter-| x\n face | y\n    lo:\(zeros)\n")
    #expect(try text("1/net/unix") == "Num Path\n")
    #expect(try text("1/net/if_inet6") == "")
    #expect(try text("1/net/snmp") == "Tcp: RtoMin MaxConn\nTcp: 0 0\n")
    #expect(try text("1/net/rt6_stats") == "0 0 0\n")
    #expect(try text("1/net/softnet_stat") == "00002557 00000000\n")
    #expect(try text("1/net/route") == "")
    #expect(try text("7/task/7/net/unix") == "Num Path\n")
  }

  @Test func childrenAreThoseOfTheInside() throws {
    source.files["children"] = "1007 555 1000 "
    #expect(try text("1/task/1/children") == "7 1 ")
  }
}
