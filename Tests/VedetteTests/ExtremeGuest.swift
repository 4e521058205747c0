// A guest for the tests of extreme values: a child of this process that only sleeps, whose memory and descriptors the
// handlers read and write, over a whole tree of the file systems that a sandbox has.

import CLinux
import Coherence
import Gate
import HostFS
import Kernel
import KernFS
@testable import Layers
import LinuxABI
import OverlayFS
import Testing
import TestSupport
import VFS

@testable import Sentry
@testable import Vedette

/// The guest and the sentry's state that serves it.
final class ExtremeGuest {
  let state: SentryState
  private(set) var task: Task
  private(set) var thread: ThreadID
  let tree = TemporaryTree(inMemory: true)
  private let scratch: Scratch
  private let overlay: OverlayFilesystem
  private let credentials: TaskCredentials

  /// Shared with the guest, at the same address: strings, a structure, a buffer, and a page that is not there.
  let arena: UnsafeMutableRawBufferPointer
  private(set) var paths: [UInt64] = []
  private(set) var names: [UInt64] = []
  /// A program of the lower layer, which stays where it is.
  private(set) var program: UInt64 = 0
  var structure: UInt64 { address(4096) }
  static let structureSize = 4096
  var buffer: UInt64 { address(2 * 4096) }
  /// The last byte before the page that is not there.
  var edge: UInt64 { address(15 * 4096 - 1) }

  /// Numbers of descriptors: of anything, of directories with an offset, of sockets, of inotify, of an unmoved lower file.
  private(set) var files: [UInt64] = []
  private(set) var directories: [UInt64] = []
  private(set) var sockets: [UInt64] = []
  private(set) var watchers: [UInt64] = []
  private(set) var lowers: [UInt64] = []
  private var owned: [OwnedDescriptorBox] = []
  private var textEnd = 0

  func address(_ offset: Int) -> UInt64 { UInt64(UInt(bitPattern: arena.baseAddress)) + UInt64(offset) }

  init(hasPidNamespace: Bool) throws {
    tree("mkdir dir dir/x; echo lower > file; echo mapped > mapped; ln -s file link; cp /bin/true prog; mkfifo fifo")
    tree("mkdir lib64; cp -L /lib64/ld-linux-x86-64.so.2 lib64")
    scratch = try Scratch()
    let identity = IdentityMap(hostUser: geteuid(), hostGroup: getegid(), user: 0, group: 0)
    let root = try Host.openTrusted(tree.path, [.directory, .path])
    let lower = try HostFilesystem(rootDescriptor: root, policy: .immutable, writable: false, ownership: identity)
    let plan = try MountPlan([("--tmpfs", ByteString("/mem"))], over: [lower])
    overlay = try OverlayFilesystem(
      upper: .memory(TmpFilesystem(store: scratch.store, owner: 0, group: 0)), lowers: [lower])
    let vfs = VirtualFileSystem(root: overlay, source: Array("overlay".utf8))
    state = try SentryState(
      vfs: vfs, store: scratch.store, layout: TrampolineLayout(flagsSecret: 1 << 40, descriptorSecret: 1 << 41),
      identity: identity, hasPidNamespace: hasPidNamespace, abstractSocketsAreScoped: true,
      networkIsHidden: !hasPidNamespace, network: hasPidNamespace ? nil : try Self.network(scratch.store.budget),
      copyUps: overlay)
    let terminals = try Host.openTrusted("/dev/pts", [.directory])
    try SystemMounts(state: state, devpts: terminals.rawValue, identity: identity, plan: plan).mount()
    try vfs.mount(
      TmpFilesystem(store: scratch.store, owner: 0, group: 0), at: try plan.point(Array("/mem".utf8), in: vfs),
      isReadOnly: false, source: Array("tmpfs".utf8))
    credentials = TaskCredentials(user: 0, group: 0)

    let size = 16 * 4096
    let mapped = try Host.callForGuest(
      .mmap, 0, size, Int(PROT_READ | PROT_WRITE), Int(MAP_SHARED | MAP_ANONYMOUS), -1, 0)
    arena = UnsafeMutableRawBufferPointer(start: UnsafeMutableRawPointer(bitPattern: mapped), count: size)
    try Host.callForGuest(.mprotect, mapped + 15 * 4096, 4096, 0)
    thread = getpid()
    task = Self.makeTask(thread, state, credentials)
    try openFiles()
    try becomeChild()
  }

  /// One port of the host's own loopback, and names.
  private static func network(_ budget: MemoryBudget) throws -> GuestNetwork {
    let rules = try ["127.0.0.1:9", "dns"].map { try NetworkRule(ByteString($0)) }
    return try GuestNetwork(NetworkRules(rules), opensLowPorts: true, budget: budget)
  }

  private func text(_ string: String) -> UInt64 {
    defer { textEnd += string.utf8.count + 1 }
    for (index, byte) in (Array(string.utf8) + [0]).enumerated() { arena[textEnd + index] = byte }
    return address(textEnd)
  }

  private func serve(_ number: CInt, _ arguments: UInt64...) -> CInt? {
    let call = Self.systemCall(number, arguments)
    guard case .descriptor(let descriptor, _) = state.serve(call, from: thread, by: .trace) else { return nil }
    return keep(descriptor.release())
  }

  private func keep(_ number: CInt) -> CInt {
    owned.append(OwnedDescriptorBox(OwnedDescriptor(number)))
    return number
  }

  /// By this process itself, whose descriptors the child has too.
  private func openFiles() throws {
    enter()
    paths = [
      "/file", "/dir", "/dir/x", "/link", "/dir/../file", "/new", "/mem/file", "/mem/dir", "/mem/link", "/mem/new",
      "/fifo",
      "/proc/self", "/proc/self/fd/3", "/proc/self/maps", "/dev/null", "/dev/tty", "", "file", "..",
    ].map(text)
    names = ["user.a", "system.posix_acl_access", "system.posix_acl_default", "trusted.b", ""].map(text)
    program = text("/prog")
    _ = serve(SYS_mkdir, paths[7], 0o755)
    let memory = try #require(serve(SYS_creat, paths[6], 0o644))
    // Natively, as a guest does it: a size that we were not asked for.
    try Host.truncate(memory, to: .max)
    for path in [
      "/", "/dir", "/mem", "/mem/dir", "/proc", "/proc/self", "/proc/self/fd", "/proc/self/fdinfo", "/proc/self/task",
      "/dev", "/dev/pts", "/sys",
    ] {
      let number = serve(SYS_open, text(path), UInt64(OpenFlags.directory.rawValue))
      directories.append(UInt64(try #require(number, "\(path)")))
    }
    lowers = [UInt64(try #require(serve(SYS_open, text("/mapped"))))]
    let reference = try #require(serve(SYS_open, paths[1], UInt64(OpenFlags.path.rawValue)))
    watchers = [UInt64(try #require(serve(SYS_inotify_init1)))]
    for type in [1, 2] { sockets.append(UInt64(keep(CInt(try Host.callForGuest(.socket, Int(AF_UNIX), type, 0))))) }
    if state.network != nil {
      for family in [AF_INET, AF_INET6] {
        for type in [1, 2] {
          sockets.append(UInt64(keep(CInt(try Host.callForGuest(.socket, Int(family), type, 0)))))
        }
      }
    }
    var pipe: (CInt, CInt) = (0, 0)
    _ = try withUnsafeMutablePointer(to: &pipe) { try Host.callForGuest(.pipe2, Int(bitPattern: $0), 0) }
    var pair: (CInt, CInt) = (0, 0)
    _ = try withUnsafeMutablePointer(to: &pair) {
      try Host.callForGuest(.socketpair, Int(AF_UNIX), 1, 0, Int(bitPattern: $0))
    }
    sockets += [UInt64(keep(pair.0)), UInt64(keep(pair.1))]
    files = [memory, reference, keep(pipe.0), keep(pipe.1)].map { UInt64($0) }
    files += directories + lowers + watchers + sockets
  }

  private func becomeChild() throws {
    thread = try Self.fork()
    task = Self.makeTask(thread, state, credentials)
    enter()
  }

  private func enter() {
    for other in state.tasks.values { state.tasks.remove(other.thread) }
    // No namespace has been made for it, so the kernel has no id of the inside.
    if state.tasks.hasPidNamespace { task.insideThread = 100 }
    state.tasks.insert(task)
  }

  private static func systemCall(_ number: CInt, _ arguments: [UInt64]) -> SystemCall {
    let padded = arguments + [UInt64](repeating: 0, count: 6 - arguments.count)
    return SystemCall(
      number: Int(number), arguments: (padded[0], padded[1], padded[2], padded[3], padded[4], padded[5]))
  }

  deinit {
    if thread != getpid() {
      _ = vd_syscall(Int(SYS_kill), Int(thread), Int(SIGKILL), 0, 0, 0, 0)
      _ = vd_syscall(Int(SYS_wait4), Int(thread), 0, 0, 0, 0, 0)
    }
    _ = vd_syscall(Int(SYS_munmap), Int(bitPattern: arena.baseAddress), arena.count, 0, 0, 0, 0)
  }

  private static func makeTask(_ thread: ThreadID, _ state: SentryState, _ credentials: TaskCredentials) -> Task {
    Task(
      thread: thread, process: Process(leader: thread),
      context: state.initialContext(workingDirectory: Array("/".utf8), umask: []), credentials: credentials,
      descriptors: DescriptorTable(thread: thread), space: MappedFiles(state.store.budget))
  }

  /// A child that ends with its parent, in a process group of its own, deaf to every signal but SIGKILL.
  private static func fork() throws(Errno) -> ThreadID {
    var all = UInt64.max
    let child = try withUnsafeMutablePointer(to: &all) { (all) throws(Errno) -> Int in
      let child = try Host.callForGuest(.fork)
      if child != 0 { return child }
      _ = vd_syscall(Int(SYS_prctl), Int(PR_SET_PDEATHSIG), Int(SIGKILL), 0, 0, 0, 0)
      _ = vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_SETMASK), Int(bitPattern: all), 0, 8, 0, 0)
      _ = vd_syscall(Int(SYS_setpgid), 0, 0, 0, 0, 0, 0)
      while true { _ = vd_syscall(Int(SYS_pause), 0, 0, 0, 0, 0, 0) }
    }
    return ThreadID(child)
  }

  var isAlive: Bool { vd_syscall(Int(SYS_kill), Int(thread), 0, 0, 0, 0, 0) == 0 }

  /// All words of the structure.
  func fill(_ word: (Int) -> UInt64) {
    for index in 0..<Self.structureSize / 8 {
      arena.storeBytes(of: word(index), toByteOffset: 4096 + 8 * index, as: UInt64.self)
    }
  }

  /// What a program would have in the structure.
  func fillPlainly(for number: CInt) {
    fill { _ in 0 }
    arena.storeBytes(of: (0, 0, 0), toByteOffset: 2 * 4096, as: (UInt64, UInt64, UInt64).self)
    let words: [UInt64] =
      switch number {
      // A struct sockaddr_in of 127.0.0.1, port 9.
      case _ where state.network != nil && [SYS_connect, SYS_sendto, SYS_bind].contains(number):
        [0x0100_007f_0900_0002]
      // A version of capget(2), for no thread in particular; struct sockaddr_un; a size of the name's buffer.
      case SYS_capget, SYS_capset: [0x2008_0522]
      // struct mnt_id_req of the root mount, of all mounts.
      case 457: [24, state.vfs.root.mount.uniqueID, 3]
      case 458: [24, .max, 0]
      case SYS_bind: [UInt64(AF_UNIX) | 0x652f << 16]
      case SYS_connect, SYS_sendto: [UInt64(AF_UNIX)]
      case SYS_getsockname, SYS_getpeername: [128]
      default: []
      }
    for (index, word) in words.enumerated() {
      arena.storeBytes(of: word, toByteOffset: 4096 + 8 * index, as: UInt64.self)
    }
  }

  /// Serves a call, traces it, and puts back what it has changed of the task. The value it answers; nil for another outcome.
  @discardableResult
  func call(_ number: CInt, _ arguments: [UInt64], by gate: GateKind = .trace) -> Int? {
    let call = Self.systemCall(number, arguments)
    let context = (task.context, task.context.root, task.context.workingDirectory)
    defer {
      task.context = context.0
      task.context.root = context.1
      task.context.workingDirectory = context.2
      task.context.umask = []
      task.keepsDescriptors()
      task.credentials = credentials
      task.execPlan = nil
      task.filter = nil
      task.observed = nil
    }
    state.room.isTracing = true
    var result: Int?
    switch state.serve(call, from: thread, by: gate) {
    case .value(let value): result = value
    case .observed:
      let observed = task.observed
      for result in [0, .max, .min] {
        task.observed = observed
        state.completed(thread, result: result)
      }
    default: break
    }
    var line = JSONLine()
    for (_, value) in SystemCallTable.arguments(of: call, state.room.traced) { line.append(value) }
    return result
  }

  /// What each call is made on: the files may have been removed, renamed and changed by the calls before.
  func prepare() {
    for path in [paths[5], paths[9]] {
      call(SYS_unlink, [path])
      call(SYS_rmdir, [path])
    }
    call(SYS_creat, [paths[0], 0o644])
    call(SYS_mkdir, [paths[1], 0o755])
    call(SYS_creat, [paths[6], 0o644])
    call(SYS_mkdir, [paths[7], 0o755])
    call(SYS_symlink, [paths[17], paths[8]])
    for path in [paths[0], paths[1], paths[6]] { call(SYS_setxattr, [path, names[0], structure, 8, 0]) }
    for directory in directories[1...3] { call(SYS_fsetxattr, [directory, names[0], structure, 8, 0]) }
  }
}
