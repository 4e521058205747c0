// What changed, in more than a line: renames, patches of text files, counts of lines, hashes. For `vedette diff`.

import Kernel
import LinuxABI
import OverlayFS
import VFS

/// The changes of an upper directory with what they change.
public struct ChangeDetails {
  enum Kind {
    case added, modified, deleted, renamed
  }

  struct Entry {
    var kind: Kind
    /// From the root, without a slash at either end.
    var path: [UInt8]
    /// Where a renamed file was.
    var from: [UInt8]?
    var now: Inode?
    var before: Inode?
    /// Said already by the line of the directory that it is in.
    var isImplied = false

    var type: FileType { (now ?? before)?.type ?? .regular }
  }

  private(set) var entries: [Entry] = []
  private let overlay: OverlayFilesystem
  /// One line for people if something could not be compared, or is not listed.
  public let complaint: String?
  public let note: String?
  /// How many changes a patch cannot hold.
  public private(set) var leftOut = 0

  /// - Throws: `ReportedError` for a directory that is no upper, is busy, or whose lowers cannot be read.
  public init(_ upper: UpperDirectory, _ patterns: PathPatterns) throws(ReportedError) {
    overlay = try upper.overlay()
    do throws(Errno) {
      let found = try OverlayChanges(of: overlay, .list)
      let report = ChangeReport(found)
      (complaint, note) = (report.complaint, report.note)
      try enter(found)
      findRenames()
    } catch {
      overlay.close()
      throw ReportedError("'\(upper.path)': cannot compare: \(error)")
    }
    entries = entries.filter { patterns.wants($0.path) || $0.from.map(patterns.wants) == true }
  }

  public var isEmpty: Bool { entries.isEmpty }

  /// Lets others have the upper.
  public func close() { overlay.close() }

  private mutating func enter(_ found: OverlayChanges) throws(Errno) {
    for change in found.changes where found.paths.length(of: change.node) + 2 <= PathTree.longest {
      let path = found.paths.path(of: change.node)
      switch change.kind {
      case .linked: continue
      case .added: entries.append(Entry(kind: .added, path: path, now: change.inode))
      case .modified: entries.append(Entry(kind: .modified, path: path, now: change.inode, before: change.before))
      case .deleted: try enterDeleted(path, change.before)
      }
    }
  }

  /// A deleted tree with everything in it; a stack and no recursion.
  private mutating func enterDeleted(_ path: [UInt8], _ before: Inode?) throws(Errno) {
    var stack = [(path: path, inode: before)]
    while let (name, inode) = stack.popLast() {
      entries.append(Entry(kind: .deleted, path: name, before: inode, isImplied: name != path))
      guard let inode, inode.isDirectory, name.count < PathTree.longest else { continue }
      for child in try inode.sortedNames().reversed() {
        stack.append((name + [0x2f] + child, try inode.child(child)))
      }
    }
  }

  /// A number stays with a file, wherever it goes: what was deleted in one place and added in another was renamed.
  private mutating func findRenames() {
    var deleted: [UInt64: Int] = [:]
    for (index, entry) in entries.enumerated() where entry.kind == .deleted {
      if let before = entry.before, before.isDirectory || (try? before.attributes().linkCount) == 1 {
        deleted[before.number] = index
      }
    }
    if deleted.isEmpty { return }
    var gone: Set<Int> = []
    var sources: [[UInt8]: [UInt8]] = [:]
    for index in entries.indices where entries[index].kind == .added {
      guard let now = entries[index].now, let source = deleted[now.number], entries[source].type == now.type,
        gone.insert(source).inserted
      else { continue }
      entries[index].kind = .renamed
      entries[index].from = entries[source].path
      entries[index].before = entries[source].before
      sources[entries[index].path] = entries[source].path
      if let slash = entries[index].path.lastIndex(of: 0x2f), let above = sources[Array(entries[index].path[..<slash])]
      {
        entries[index].isImplied = above + entries[index].path[slash...] == entries[source].path
      }
    }
    // What was deleted below a directory that went elsewhere is no more said by that one's line.
    let moved = Set(gone.map { entries[$0].path })
    for index in entries.indices where entries[index].kind == .deleted && !gone.contains(index) {
      guard let slash = entries[index].path.lastIndex(of: 0x2f) else { continue }
      if moved.contains(Array(entries[index].path[..<slash])) { entries[index].isImplied = false }
    }
    entries = entries.enumerated().filter { !gone.contains($0.offset) }.map(\.element)
  }

  // MARK: - Lines

  /// As `ChangeReport.text`, with `R OLD -> NEW` for what was renamed.
  public func text() throws(ReportedError) -> [UInt8] {
    var result: [UInt8] = []
    for entry in entries {
      var letter: UInt8
      switch entry.kind {
      case .added: letter = 0x41
      case .modified: letter = 0x4d
      case .deleted: letter = 0x44
      case .renamed: letter = 0x52
      }
      if entry.isImplied {
        guard entry.kind == .renamed, try isChanged(entry) else { continue }
        letter = 0x4d
      }
      result += [letter, 0x20]
      if letter == 0x52, let from = entry.from {
        Self.append(from, entry.type, to: &result)
        result += Array(" -> ".utf8)
      }
      Self.append(entry.path, entry.type, to: &result)
      result.append(0x0a)
    }
    return result
  }

  private static func append(_ path: [UInt8], _ type: FileType, to text: inout [UInt8]) {
    PathText.append([0x2f] + path, to: &text)
    if type == .directory, !path.isEmpty { text.append(0x2f) }
  }

  private func isChanged(_ entry: Entry) throws(ReportedError) -> Bool {
    guard let now = entry.now, let before = entry.before, !now.isDirectory else { return false }
    return try comparing(entry) { () throws(Errno) in try !TreeCompare.areAlike(now, before) }
  }

  private func comparing<Result>(_ entry: Entry, _ body: () throws(Errno) -> Result) throws(ReportedError) -> Result {
    do throws(Errno) {
      return try body()
    } catch {
      throw ReportedError("diff: '/\(PathText.string(entry.path))': \(error)")
    }
  }

  /// One JSON array of objects: `change`, `path`, `type`, for a renamed one `from`, for files `size` and `sha256` of what
  /// is there now.
  public func json() throws(ReportedError) -> [UInt8] {
    var result = JSONLine()
    result.append("[")
    var isFirst = true
    for entry in entries where !entry.isImplied || entry.kind != .deleted {
      result.append(isFirst ? "\n" : ",\n")
      isFirst = false
      result.append("{\"change\":")
      switch entry.kind {
      case .added: result.append("\"added\"")
      case .modified: result.append("\"modified\"")
      case .deleted: result.append("\"deleted\"")
      case .renamed: result.append("\"renamed\"")
      }
      result.append(",\"path\":")
      result.append(bytes: [0x2f] + entry.path)
      if let from = entry.from {
        result.append(",\"from\":")
        result.append(bytes: [0x2f] + from)
      }
      result.append(",\"type\":")
      result.append(bytes: Array(ChangeReport.word(entry.type).utf8))
      if let now = entry.now, now.type == .regular {
        let (size, hash) = try comparing(entry) { () throws(Errno) in
          (try now.attributes().size, try SHA256.hash(of: now))
        }
        result.append(",\"size\":")
        result.append(size)
        result.append(",\"sha256\":\"")
        for byte in hash { result.append(byte, base: 16, width: 2) }
        result.append("\"")
      }
      result.append("}")
    }
    result.append(isFirst ? "]\n" : "\n]\n")
    return result.text
  }

  // MARK: - Patches

  /// All text files and symlinks that changed; what else did is counted in `leftOut`.
  public mutating func patch() throws(ReportedError) -> [UInt8] {
    var result: [UInt8] = []
    leftOut = 0
    for entry in entries {
      guard let patches = try patches(entry) else {
        leftOut += 1
        continue
      }
      for patch in patches { result += patch.text }
    }
    return result
  }

  /// A line for each changed file with the lines that came and went, and a sum.
  public mutating func stat() throws(ReportedError) -> [UInt8] {
    var result: [UInt8] = []
    var (files, insertions, deletions) = (0, 0, 0)
    leftOut = 0
    for entry in entries where entry.type != .directory {
      guard let patches = try patches(entry) else {
        files += 1
        result.append(0x20)
        PathText.append([0x2f] + entry.path, to: &result)
        result += Array(" | \(try sizes(entry))\n".utf8)
        continue
      }
      if patches.isEmpty { continue }
      let more = patches.reduce(0) { $0 + $1.insertions }
      let less = patches.reduce(0) { $0 + $1.deletions }
      files += 1
      insertions += more
      deletions += less
      result.append(0x20)
      if let from = entry.from {
        PathText.append([0x2f] + from, to: &result)
        result += Array(" => ".utf8)
      }
      PathText.append([0x2f] + entry.path, to: &result)
      let scale = max(1, (more + less + 39) / 40)
      let bar =
        String(repeating: "+", count: (more + scale - 1) / scale)
        + String(repeating: "-", count: (less + scale - 1) / scale)
      result += Array(" | \(more + less)\(bar.isEmpty ? "" : " \(bar)")\n".utf8)
    }
    result += Array(
      " \(files) file\(files == 1 ? "" : "s") changed, \(insertions) lines added, \(deletions) lines deleted\n".utf8)
    return result
  }

  private func sizes(_ entry: Entry) throws(ReportedError) -> String {
    guard entry.type == .regular else { return ChangeReport.word(entry.type) }
    return try comparing(entry) { () throws(Errno) in
      let old = try entry.before.map { (inode) throws(Errno) in try inode.attributes().size } ?? 0
      let new = try entry.now.map { (inode) throws(Errno) in try inode.attributes().size } ?? 0
      return "binary, \(old) -> \(new) bytes"
    }
  }

  /// Nil for what no patch can hold. A file that becomes a symlink, or points elsewhere, goes and comes.
  private func patches(_ entry: Entry) throws(ReportedError) -> [FilePatch]? {
    if entry.type == .directory { return entry.kind == .modified ? nil : [] }
    let sides = try comparing(entry) { () throws(Errno) -> (FilePatch.Side, FilePatch.Side)? in
      guard let old = try Self.side(entry.before, entry.from ?? entry.path),
        let new = try Self.side(entry.now, entry.path)
      else { return nil }
      return (old, new)
    }
    guard let (old, new) = sides else { return nil }
    if old.content != nil, new.content != nil, old.mode != new.mode || old.mode == "120000",
      old.mode == "120000" || new.mode == "120000"
    {
      if old.mode == new.mode, old.content == new.content, old.path == new.path { return [] }
      return [
        FilePatch(old, FilePatch.Side(path: old.path, content: nil, mode: "")),
        FilePatch(FilePatch.Side(path: new.path, content: nil, mode: ""), new),
      ]
    }
    let patch = FilePatch(old, new)
    return patch.text.isEmpty ? [] : [patch]
  }

  private static func side(_ inode: Inode?, _ path: [UInt8]) throws(Errno) -> FilePatch.Side? {
    guard let inode else { return FilePatch.Side(path: path, content: nil, mode: "") }
    switch inode.type {
    case .symlink: return FilePatch.Side(path: path, content: try inode.readlink(), mode: "120000")
    case .regular:
      guard let content = try TextFile.content(inode) else { return nil }
      let isExecutable = try inode.attributes().permissions.rawValue & 0o100 != 0
      return FilePatch.Side(path: path, content: content, mode: isExecutable ? "100755" : "100644")
    default: return nil
    }
  }
}
