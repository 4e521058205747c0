// The tree of /proc: names, links, revalidation, access.

import Glibc
import Kernel
import KernFS
import LinuxABI
import ProcFS
import Testing
import TestSupport
import VFS

struct ProcFilesystemTests {
  private let scratch: Scratch
  private let source = Source()
  private let filesystem: ProcFilesystem
  private let tree: VirtualFileSystem
  private var root: Inode { filesystem.root }

  init() throws {
    scratch = try Scratch()
    filesystem = try ProcFilesystem(source: source, store: scratch.store)
    tree = VirtualFileSystem(root: filesystem, source: Array("proc".utf8))
    source.position = tree.root
  }

  @Test func listsProcessesInOrderAndOnce() throws {
    let entries = try root.entries()
    #expect(entries.map(\.name).filter { Int($0) != nil } == ["1", "7", "30"])
    for entry in entries { #expect(try root.find(entry.name)?.number == entry.number) }
    let seven = try #require(entries.first { $0.name == "7" })
    source.tree[7] = nil
    source.tree[8] = [8]
    source.tree[3] = [3]
    #expect(try root.entries(from: seven.next).map(\.name) == ["8", "30"])
    #expect(
      try root.entries(from: entries[3].next).map(\.name) == entries.dropFirst(4).map(\.name).filter {
        $0 != "7" && $0 != "1" && $0 != "30"
      } + ["1", "3", "8", "30"])
  }

  @Test func processDirectoryIsRevalidated() throws {
    let directory = try root.walk("7")
    func isValid() -> Bool { Name.with("7") { root.isValid(child: directory, name: $0) } }
    #expect(isValid())
    source.tree[7] = nil
    #expect(!isValid())
    #expect(try root.find("7") == nil)
    #expect(try directory.find("stat") == nil)
    #expect(filesystem.revalidates)
    for name in ["0", "-1", "01", "99999999999", "x", "1x"] { #expect(try root.find(name) == nil) }
  }

  @Test func selfIsWhoeverAsks() throws {
    #expect(try root.walk("self").target() == "1")
    source.current = ProcessThread(process: 1, thread: 2)
    #expect(try root.walk("thread-self").target() == "1/task/2")
    source.current = nil
    #expect(errno { () throws(Errno) in _ = try root.walk("self").readlink() } == .noSuchFileOrDirectory)
    #expect(try root.walk("mounts").target() == "self/mounts")
    #expect(try root.walk("net").target() == "self/net")
  }

  @Test func everyNameOfAProcessHasItsInode() throws {
    for path in ["1", "1/task/1", "1/task/2", "1/task", "1/ns", "1/net"] {
      let directory = try root.walk(path)
      for entry in try directory.entries() { #expect(try directory.find(entry.name)?.number == entry.number) }
    }
    #expect(try root.walk("1/task").attributes().linkCount == 4)
    // A thread has a directory of its own, not listed.
    #expect(try root.walk("2").isDirectory)
  }

  /// With this process behind it, every file of a process that is read can be read, but for what the host lacks.
  @Test func filesOfAProcessCanBeRead() throws {
    let directory = try root.walk("1")
    var failed: [String] = []
    for entry in try directory.entries() {
      let inode = try directory.walk(entry.name)
      guard inode.type == .regular, inode.permissions.rawValue & 0o400 != 0 else { continue }
      if errno(of: { () throws(Errno) in _ = try inode.text() }) != nil { failed.append(entry.name) }
    }
    #expect(Set(failed).isSubset(of: ["loginuid", "sessionid", "oom_adj", "schedstat", "io"]))
    #expect(try directory.walk("cgroup").text() == "0::/\n")
    #expect(try directory.walk("mountinfo").text().hasPrefix("20 "))
    #expect(try directory.walk("net/dev").text().contains("Inter-"))
  }

  @Test func systemFilesCanBeRead() throws {
    for path in [
      "meminfo", "cpuinfo", "stat", "uptime", "version", "filesystems", "sys/kernel/ostype", "sys/kernel/osrelease",
      "sys/kernel/pid_max", "sys/kernel/random/uuid", "sys/kernel/seccomp/actions_avail", "sys/fs/pipe-max-size",
      "sys/vm/overcommit_memory", "sys/vm/mmap_min_addr", "sys/net/core/somaxconn",
    ] {
      #expect(try !root.walk(path).text().isEmpty, "\(path)")
    }
    #expect(try root.walk("sys/kernel/random/uuid").text() != root.walk("sys/kernel/random/uuid").text())
    #expect(try root.walk("sys/kernel/hostname").text() == "inside\n")
    #expect(try root.walk("loadavg").text().hasSuffix(" 30\n"))
    for path in ["kallsyms", "kcore", "keys", "kmsg", "sched_debug", "sys/kernel/yama", "sysrq-trigger", "slabinfo"] {
      #expect(errno { () throws(Errno) in _ = try root.walk(path) } == .noSuchFileOrDirectory)
    }
    #expect(
      errno { () throws(Errno) in _ = try root.walk("sys/kernel/ostype").open([.writeOnly]) } == .permissionDenied)
  }

  /// What is listed can be read, so that `grep -r` of /proc/sys goes through.
  @Test func everySettingCanBeRead() throws {
    func visit(_ directory: Inode, _ path: String) throws {
      for entry in try directory.entries() {
        let child = try directory.walk(entry.name)
        #expect(child.number == entry.number)
        if child.isDirectory {
          try visit(child, path + "/" + entry.name)
        } else {
          #expect(errno(of: { () throws(Errno) in _ = try child.text() }) == nil, "\(path)/\(entry.name)")
        }
      }
    }
    try visit(try root.walk("sys"), "sys")
  }

  @Test func positionsAreMagic() throws {
    for name in ["cwd", "root", "exe"] {
      let link = try root.walk("1/\(name)")
      #expect(try link.target() == "/somewhere")
      #expect(try #require(try link.magicTarget()) == tree.root)
    }
    source.position = nil
    #expect(errno { () throws(Errno) in _ = try root.walk("1/exe").readlink() } == .noSuchFileOrDirectory)
  }

  private func pipeEnds() throws -> (read: CInt, write: CInt) {
    var ends: [CInt] = [-1, -1]
    try #require(pipe(&ends) == 0)
    return (ends[0], ends[1])
  }

  @Test func descriptorsAreLinks() throws {
    source.open = [0: .foreign(Array("pipe:[123]".utf8)), 10: .node(tree.root), 2: .node(tree.root)]
    let ends = try pipeEnds()
    source.foreign = ends.read
    defer { for end in [ends.read, ends.write] { close(end) } }
    let directory = try root.walk("1/fd")
    #expect(try directory.entries().map(\.name) == ["0", "2", "10"])
    let entries = try directory.entries()
    for entry in entries { #expect(try directory.find(entry.name)?.number == entry.number) }
    #expect(try directory.entries(from: entries[0].next).map(\.name) == ["2", "10"])
    let pipe = try directory.walk("0")
    #expect(try pipe.target() == "pipe:[123]")
    #expect(try pipe.attributes().permissions.rawValue == 0o300)
    #expect(try pipe.attributes().size == 64)
    _ = try pipe.magicTarget()
    let foreign = try #require(source.anonymous as? ForeignFile)
    #expect(try foreign.type == .fifo && foreign.number == UInt64(Host.stat(ends.read).inode))
    _ = try foreign.open([])
    #expect(try directory.walk("10").target() == "/somewhere")
    #expect(try directory.find("3") == nil)
    func isValid() -> Bool { Name.with("0") { directory.isValid(child: pipe, name: $0) } }
    #expect(isValid())
    source.open[0] = nil
    #expect(!isValid())
    #expect(errno { () throws(Errno) in _ = try pipe.readlink() } == .noSuchFileOrDirectory)
    #expect(try root.walk("1/fdinfo/2").text().hasPrefix("pos:"))
  }

  @Test func othersMayNotLookIn() throws {
    source.identities[1] = ProcessIdentity(user: 1000, group: 1000, umask: [])
    source.identities[7] = ProcessIdentity(user: 1001, group: 1001, umask: [])
    source.identities[30] = ProcessIdentity(user: 1000, group: 1000, umask: [])
    #expect(errno { () throws(Errno) in _ = try root.walk("7/maps").text() } == .permissionDenied)
    #expect(errno { () throws(Errno) in _ = try root.walk("7/exe").readlink() } == .permissionDenied)
    #expect(errno { () throws(Errno) in _ = try root.walk("7/fd").entries() } == .permissionDenied)
    #expect(try root.walk("7").owner == 1001)
    #expect(try root.walk("7/environ").owner == 1001)
    #expect(try !root.walk("7/stat").text().isEmpty)
    #expect(try !root.walk("30/maps").text().isEmpty)
    source.identities[1]?.effective = 1 << 19
    #expect(try !root.walk("7/maps").text().isEmpty)
  }

  @Test func commandNameCanBeWritten() throws {
    let comm = try root.walk("1/comm")
    let old = try comm.text()
    let descriptor = try comm.open([.writeOnly, .truncate])
    #expect(write(descriptor.rawValue, "vedette-comm", 12) == 12)
    #expect(try comm.text() == "vedette-comm\n")
    #expect(write(descriptor.rawValue, old, old.utf8.count) == old.utf8.count)
    #expect(errno { () throws(Errno) in _ = try root.walk("1/uid_map").open([.writeOnly]) } == .permissionDenied)
  }
}
