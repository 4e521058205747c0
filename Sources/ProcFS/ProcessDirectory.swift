// /proc/PID and /proc/PID/task/TID: a table of names, each with the inode that answers to it. Inodes are made when they are
// first looked up; their numbers come from a block that the directory owns, so a listing makes none.

import KernFS
import LinuxABI
import VFS

/// The directory of a process or of one of its threads.
final class ProcessDirectory: DynamicDirectory {
  let thread: ProcessThread
  private let isTask: Bool
  private let entries: [ProcessEntry]
  private var children: [KernInode?]

  // Offsets in the block of inode numbers.
  private static let descriptorOffset: UInt64 = 1 << 22
  private static let informationOffset: UInt64 = 2 << 22
  private static let blockSize: UInt64 = 3 << 22

  init(_ filesystem: ProcFilesystem, _ thread: ProcessThread, isTask: Bool) {
    self.thread = thread
    self.isTask = isTask
    entries = isTask ? ProcessEntry.ofTask : ProcessEntry.ofProcess
    children = Array(repeating: nil, count: entries.count)
    let owner = filesystem.source.owner(of: thread)
    super.init(
      filesystem, number: filesystem.reserveNumbers(Self.blockSize), owner: owner.user, group: owner.group)
  }

  override var signalledProcess: Int32? { isTask ? nil : thread.process }

  /// Whether the thread is there, and whoever owns it now owns the directory.
  func refresh() -> Bool {
    guard proc.source.exists(thread) else { return false }
    (owner, group) = proc.source.owner(of: thread)
    return true
  }

  override func lookup(_ name: Name) throws(Errno) -> Inode? {
    guard refresh(), let index = entries.firstIndex(where: { name.equals($0.name) }) else { return nil }
    if let child = children[index] {
      (child.owner, child.group) = (owner, group)
      return child
    }
    let child = make(entries[index], number: number + 1 + UInt64(index))
    children[index] = child
    return child
  }

  override func isValid(child: Inode, name: Name) -> Bool {
    guard refresh() else { return false }
    (child.owner, child.group) = (owner, group)
    return true
  }

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    if !proc.source.exists(thread) { return }
    for index in entries.indices.dropFirst(Int(clamping: max(0, cursor))) {
      let goesOn = Name.with(entries[index].name) { name in
        body(
          DirectoryEntry(
            name: name, number: number + 1 + UInt64(index), type: entries[index].type, next: Int64(index) + 1))
      }
      if !goesOn { return }
    }
  }

  private func make(_ entry: ProcessEntry, number: UInt64) -> KernInode {
    switch entry.kind {
    case .file(let file): return ProcessFile(proc, thread, file, number: number, entry.permissions, owner, group)
    case .position(let link): return PositionLink(proc, thread, link, number: number, owner, group)
    case .descriptors:
      return DescriptorDirectory(
        proc, thread, .links, number: number, firstNumber: self.number + Self.descriptorOffset, entry.permissions,
        owner,
        group)
    case .descriptorInformation:
      return DescriptorDirectory(
        proc, thread, .information, number: number, firstNumber: self.number + Self.informationOffset,
        entry.permissions, owner, group)
    case .tasks: return TaskDirectory(proc, thread.process, number: number, owner, group)
    case .namespaces: return NamespaceLinks.directory(proc, number: number, owner, group)
    case .network: return NetworkFiles.directory(proc, thread, number: number)
    }
  }
}

/// One name in a process directory.
struct ProcessEntry {
  enum Kind {
    case file(ProcessFile.Content)
    case position(PositionLink.Kind)
    case descriptors
    case descriptorInformation
    case tasks
    case namespaces
    case network
  }

  let name: [UInt8]
  let kind: Kind
  let permissions: Permissions

  private init(_ name: StaticString, _ kind: Kind, _ mode: UInt16 = 0o444) {
    self.name = Text.bytes(name)
    self.kind = kind
    permissions = Permissions(rawValue: mode)
  }

  var type: FileType {
    switch kind {
    case .file: .regular
    case .position: .symlink
    default: .directory
    }
  }

  static let ofTask: [ProcessEntry] = [
    ProcessEntry("fd", .descriptors, 0o500),
    ProcessEntry("fdinfo", .descriptorInformation, 0o555),
    ProcessEntry("ns", .namespaces, 0o511),
    ProcessEntry("net", .network, 0o555),
    ProcessEntry("environ", .file(.restricted("environ")), 0o400),
    ProcessEntry("auxv", .file(.restricted("auxv")), 0o400),
    ProcessEntry("status", .file(.status)),
    ProcessEntry("personality", .file(.restricted("personality")), 0o400),
    ProcessEntry("limits", .file(.limits)),
    ProcessEntry("comm", .file(.writable("comm")), 0o644),
    ProcessEntry("cmdline", .file(.host("cmdline"))),
    ProcessEntry("stat", .file(.stat)),
    ProcessEntry("statm", .file(.host("statm"))),
    ProcessEntry("maps", .file(.maps("maps"))),
    ProcessEntry("smaps", .file(.maps("smaps"))),
    ProcessEntry("smaps_rollup", .file(.restricted("smaps_rollup"))),
    ProcessEntry("cwd", .position(.workingDirectory)),
    ProcessEntry("root", .position(.root)),
    ProcessEntry("exe", .position(.executable)),
    ProcessEntry("mounts", .file(.mounts)),
    ProcessEntry("mountinfo", .file(.mountInformation)),
    ProcessEntry("wchan", .file(.constant("0"))),
    ProcessEntry("schedstat", .file(.host("schedstat"))),
    ProcessEntry("cpuset", .file(.constant("/\n"))),
    ProcessEntry("cgroup", .file(.constant("0::/\n"))),
    ProcessEntry("oom_score", .file(.host("oom_score"))),
    ProcessEntry("oom_adj", .file(.host("oom_adj"))),
    ProcessEntry("oom_score_adj", .file(.writable("oom_score_adj")), 0o644),
    ProcessEntry("loginuid", .file(.host("loginuid"))),
    ProcessEntry("sessionid", .file(.host("sessionid"))),
    ProcessEntry("io", .file(.restricted("io")), 0o400),
    // The namespace of the sandbox is none that guests know of: ids are shown as if it were the first.
    ProcessEntry("uid_map", .file(.constant("         0          0 4294967295\n"))),
    ProcessEntry("gid_map", .file(.constant("         0          0 4294967295\n"))),
    ProcessEntry("projid_map", .file(.constant("         0          0 4294967295\n"))),
    ProcessEntry("setgroups", .file(.constant("allow\n"))),
    ProcessEntry("children", .file(.children)),
  ]

  static let ofProcess: [ProcessEntry] =
    [ProcessEntry("task", .tasks, 0o555)] + ofTask.filter { $0.name != Text.bytes("children") } + [
      ProcessEntry("mountstats", .file(.mountStatistics), 0o400),
      ProcessEntry("clear_refs", .file(.writable("clear_refs")), 0o200),
      ProcessEntry("coredump_filter", .file(.writable("coredump_filter")), 0o644),
      ProcessEntry("timerslack_ns", .file(.writable("timerslack_ns")), 0o666),
    ]
}

/// /proc/PID/task.
final class TaskDirectory: DynamicDirectory {
  private let process: Int32
  private var threads: [Int32: ProcessDirectory] = [:]

  init(_ filesystem: ProcFilesystem, _ process: Int32, number: UInt64, _ owner: UInt32, _ group: UInt32) {
    self.process = process
    super.init(filesystem, number: number, owner: owner, group: group)
  }

  /// The link count shows the number of threads; programs count on it.
  override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    result.linkCount = 2 + UInt32(clamping: proc.source.threads(of: process).count)
    return result
  }

  override func lookup(_ name: Name) throws(Errno) -> Inode? { Digits.identifier(name).flatMap(directory(of:)) }

  override func isValid(child: Inode, name: Name) -> Bool { (child as? ProcessDirectory)?.refresh() ?? false }

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    for id in proc.source.threads(of: process).sorted() where Int64(id) >= cursor {
      guard let directory = directory(of: id) else { continue }
      let goesOn = Name.with(Text.decimal(Int64(id))) { name in
        body(DirectoryEntry(name: name, number: directory.number, type: .directory, next: Int64(id) + 1))
      }
      if !goesOn { return }
    }
  }

  private func directory(of id: Int32) -> ProcessDirectory? {
    if let known = threads[id] {
      if known.refresh() { return known }
      threads[id] = nil
    }
    let thread = ProcessThread(process: process, thread: id)
    guard id > 0, proc.source.exists(thread) else { return nil }
    if threads.count >= 64 && threads.count >= 2 * proc.source.threads(of: process).count {
      threads = threads.filter { proc.source.exists(ProcessThread(process: process, thread: $0.key)) }
    }
    let directory = ProcessDirectory(proc, thread, isTask: true)
    threads[id] = directory
    return directory
  }
}
