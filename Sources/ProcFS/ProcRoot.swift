// The root of /proc: facts about the system, `self`, and one directory for each process.

import KernFS
import LinuxABI
import VFS

/// /proc.
///
/// Cursors: the fixed names come first, by their index; a process stands behind them at its id, so that a listing meets
/// each process once whatever comes and goes.
final class ProcRoot: DynamicDirectory {
  private let fixed: StaticDirectory
  private var processes: [Int32: ProcessDirectory] = [:]
  private static let firstProcess: Int64 = 1 << 32

  init(_ filesystem: ProcFilesystem) {
    fixed = SystemFiles.tree(filesystem)
    super.init(filesystem)
    fixed.populate("self", SelfLink(filesystem, ofThread: false))
    fixed.populate("thread-self", SelfLink(filesystem, ofThread: true))
  }

  override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    result.linkCount = fixed.linkCount + UInt32(clamping: proc.source.processes().count)
    return result
  }

  override func lookup(_ name: Name) throws(Errno) -> Inode? {
    if let child = try fixed.lookup(name) { return child }
    guard let id = Digits.identifier(name) else { return nil }
    return directory(of: id) ?? directory(ofThread: id)
  }

  override func isValid(child: Inode, name: Name) -> Bool {
    guard let directory = child as? ProcessDirectory else { return true }
    return directory.refresh()
  }

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    var goesOn = true
    if cursor < Self.firstProcess {
      try fixed.iterate(from: cursor) { entry in
        goesOn = body(entry)
        return goesOn
      }
    }
    if !goesOn { return }
    for id in proc.source.processes().sorted() where Self.firstProcess + Int64(id) >= cursor {
      guard let directory = directory(of: id) else { continue }
      let next = Self.firstProcess + Int64(id) + 1
      goesOn = Name.with(Text.decimal(Int64(id))) { name in
        body(DirectoryEntry(name: name, number: directory.number, type: .directory, next: next))
      }
      if !goesOn { return }
    }
  }

  /// The directory of a process that exists. Directories of processes that have gone are forgotten now and then.
  private func directory(of id: Int32) -> ProcessDirectory? {
    if let known = processes[id] {
      if known.refresh() { return known }
      processes[id] = nil
    }
    let thread = ProcessThread(process: id)
    guard id > 0, proc.source.exists(thread) else { return nil }
    if processes.count >= 64 && processes.count >= 2 * proc.source.processes().count {
      processes = processes.filter { proc.source.exists(ProcessThread(process: $0.key)) }
    }
    let directory = ProcessDirectory(proc, thread, isTask: false)
    processes[id] = directory
    return directory
  }

  /// `/proc/TID` of a thread that is no leader: not listed, but there (`man 5 proc`).
  private func directory(ofThread id: Int32) -> ProcessDirectory? {
    for process in proc.source.processes() where proc.source.threads(of: process).contains(id) {
      return ProcessDirectory(proc, ProcessThread(process: process, thread: id), isTask: false)
    }
    return nil
  }
}

/// `self` and `thread-self`: another target for each who reads it.
private final class SelfLink: DynamicLink {
  private let isOfThread: Bool

  init(_ filesystem: ProcFilesystem, ofThread: Bool) {
    isOfThread = ofThread
    super.init(filesystem)
  }

  /// - Throws: `.noSuchFileOrDirectory` to whoever is no process here.
  override func readlink() throws(Errno) -> [UInt8] {
    guard let current = proc.source.current else { throw .noSuchFileOrDirectory }
    var text = TextBuilder()
    text.append(decimal: current.process)
    if isOfThread {
      text.append("/task/")
      text.append(decimal: current.thread)
    }
    return text.bytes
  }
}
