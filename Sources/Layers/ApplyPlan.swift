// `vedette apply`: what of an upper's changes goes to a host tree, in which order, and how it is said to people. Made
// before anything is touched; ApplyTransaction.swift does it.

import LinuxABI
import OverlayFS
import VFS

/// Changes of one tree, in the order in which they are made.
struct TreeChanges {
  enum Step {
    /// A new name, or another file under an old one: built beside it and put in its node. A directory comes with all below.
    case put(node: Int, inode: Inode)
    /// Other metadata for a directory that stays.
    case metadata(node: Int, inode: Inode)
    case remove(node: Int)

    /// In `TreeChanges.paths`.
    var node: Int {
      switch self {
      case .put(let node, _), .metadata(let node, _), .remove(let node): node
      }
    }
  }

  /// The command that makes them, for messages.
  let word: String
  let target: ByteString
  /// Whose names beside the files these are: the same after a kill, so that the next one finds what that has left.
  var owner: UInt64 = 0
  var steps: [Step] = []
  var paths: PathTree
  /// Owners inside are the run's own idea; on the host they mean the caller.
  var isOfFakeOwners = false
  /// Content that a step puts in place of its inode's.
  var merged: [Int: [UInt8]] = [:]
  /// A tree whose directories have the times that the changed ones shall get; nil to leave them.
  var timesRoot: Inode?

  /// The name under which what goes to a path is built, and what was there put aside.
  func beside(_ path: [UInt8]) -> [UInt8] {
    var sum = FNV()
    sum.add(path)
    return Array(".vedette-\(word)-\(String(owner, radix: 16))-\(String(sum.value, radix: 16))".utf8)
  }
}

/// The steps of one apply.
public struct ApplyPlan {
  typealias Step = TreeChanges.Step

  /// The exit status of `apply` and `undo` where the target was changed, so that nothing was done.
  public static let conflictStatus: Int32 = 2

  private let upper: UpperDirectory
  let overlay: OverlayFilesystem
  private(set) var changes: TreeChanges
  private let policy: ConflictPolicy
  /// What the lowers alone show, by node.
  private let before: [Int: Inode?]
  /// All steps, also those that a policy leaves out.
  private var planned: [Step] = []
  /// What the target has changed too, and what keeps this plan from being applied.
  public private(set) var conflicts: [ApplyConflict] = []
  /// The changes as `vedette diff` shows them.
  public private(set) var text: [UInt8] = []
  /// Files that the root of the target would run as somebody else.
  public private(set) var setIDs = 0
  public var isEmpty: Bool { changes.steps.isEmpty }
  /// One line for people if conflicts cannot be seen.
  public private(set) var note: String?

  /// Compares the upper with its lowers.
  ///
  /// - Throws: `ReportedError` if there is a path that cannot be compared: half of the changes would be worse than none.
  ///
  /// - Parameter patterns: which paths are applied.
  public init(
    _ upper: UpperDirectory, to target: ByteString, _ policy: ConflictPolicy = .refuse,
    _ patterns: PathPatterns = PathPatterns()
  ) throws(ReportedError) {
    do throws(Errno) {
      _ = try target.open([.path, .directory])
    } catch {
      throw ReportedError("apply: '\(target)': \(error)")
    }
    let layers = try upper.layers()
    overlay = try upper.overlay()
    self.upper = upper
    let found: OverlayChanges
    do throws(Errno) {
      found = try OverlayChanges(of: overlay, .list)
    } catch {
      throw ReportedError("apply: cannot compare: \(error)")
    }
    let report = ChangeReport(found)
    changes = TreeChanges(word: "apply", target: target, paths: found.paths)
    if let complaint = report.complaint { throw ReportedError("apply: \(complaint)") }
    changes.isOfFakeOwners = layers.caller != layers.inside && layers.caller.uid != 0
    changes.timesRoot = overlay.root
    changes.owner = try upper.owner()
    text = report.filtered(patterns).text
    self.policy = policy
    before = Dictionary(found.changes.map { ($0.node, $0.before) }, uniquingKeysWith: { first, _ in first })
    try enter(found, patterns)
    do throws(Errno) {
      try findConflicts()
    } catch {
      throw ReportedError("apply: '\(target)' cannot be compared: \(error) (nothing was changed)")
    }
  }

  private mutating func enter(_ found: OverlayChanges, _ patterns: PathPatterns) throws(ReportedError) {
    // A directory that is put brings what is below it; a list sorted by bytes has a parent before its children.
    // With it, whether it is wanted.
    var whole: [Int: Bool] = [:]
    for change in found.changes {
      let isWanted = patterns.isEmpty || patterns.wants(changes.paths.path(of: change.node))
      if change.node != 0, let isAboveWanted = whole[changes.paths.parent(of: change.node)] {
        if isWanted != isAboveWanted {
          throw ReportedError(
            "apply: '/\(PathText.string(changes.paths.shownPath(of: change.node)))' comes or stays with the new directory "
              + "that it is in (say that one)")
        }
        if change.inode?.isDirectory == true { whole[change.node] = isWanted }
        if isWanted { countSetID(change.inode) }
        continue
      }
      if !isWanted {
        let isKept = change.kind == .modified && change.before?.isDirectory == true
        if change.inode?.isDirectory == true, !isKept { whole[change.node] = false }
        continue
      }
      guard let inode = change.inode else {
        changes.steps.append(.remove(node: change.node))
        continue
      }
      countSetID(inode)
      if inode.isDirectory, change.kind == .modified, change.before?.isDirectory == true {
        changes.steps.append(.metadata(node: change.node, inode: inode))
      } else {
        changes.steps.append(.put(node: change.node, inode: inode))
        if inode.isDirectory { whole[change.node] = true }
      }
    }
  }

  private mutating func countSetID(_ inode: Inode?) {
    guard let inode, inode.type == .regular else { return }
    if inode.permissions.contains(.setUserID) || inode.permissions.isSuperset(of: [.setGroupID, .groupExecute]) {
      setIDs += 1
    }
  }

  /// The question to a person, without its mark.
  public var question: String {
    let count = changes.steps.count
    let special = setIDs > 0 ? ", \(setIDs) of them set-user-ID or set-group-ID" : ""
    return "Carry \(count) change\(count == 1 ? "" : "s")\(special) to '\(changes.target)'?"
  }

  /// Compares once more: a person who is asked has time, and so has the target.
  private func requireUnchanged() throws(ReportedError) {
    var again = self
    again.changes.steps = planned
    again.changes.merged = [:]
    again.conflicts = []
    do throws(Errno) {
      try again.findConflicts()
    } catch {
      throw ReportedError("apply: '\(changes.target)' cannot be compared: \(error) (nothing was changed)")
    }
    if again.conflicts.isEmpty, again.changes.merged == changes.merged,
      again.changes.steps.map(\.node) == changes.steps.map(\.node)
    {
      return
    }
    throw ReportedError(
      "apply: '\(changes.target)' was changed meanwhile: nothing was applied", status: Self.conflictStatus)
  }

  /// Applies the changes.
  ///
  /// - Parameter afterAsking: a person was asked, so the target is compared once more.
  /// - Returns: lines for people on what could not be set.
  /// - Throws: `ReportedError` that says whether the target is as it was.
  public func perform(afterAsking: Bool = false) throws(ReportedError) -> [String] {
    defer { overlay.close() }
    if afterAsking { try requireUnchanged() }
    let journal = try ApplyJournal(upper.path, for: changes)
    var transaction = try ApplyTransaction(changes, journal)
    var notes = try transaction.perform()
    if try upper.isLayer(changes.target), !transaction.noteBases(in: overlay) {
      notes.append("what was covered could not be written down: the next apply will find conflicts")
    }
    return notes
  }

  // MARK: - Conflicts

  private mutating func findConflicts() throws(Errno) {
    planned = changes.steps
    var finder = try ConflictFinder(changes.target, overlay.readBases())
    if !finder.bases.isComplete {
      note =
        "the upper is older than the record of what it covers: what '\(changes.target)' has changed is not seen everywhere"
    }
    var dropped: Set<Int> = []
    for (index, step) in changes.steps.enumerated() {
      var now: Inode?
      var onlyMetadata = false
      switch step {
      case .put(_, let inode): now = inode
      case .metadata(_, let inode): (now, onlyMetadata) = (inode, true)
      case .remove: break
      }
      let lower = before[step.node] ?? nil
      let found = try finder.conflicts(
        at: step.node, now: now, before: lower, onlyMetadata: onlyMetadata, &changes.paths)
      if found.isEmpty { continue }
      switch policy {
      case .ours: continue
      case .theirs: dropped.insert(index)
      case .merge, .refuse:
        if policy == .merge, found.count == 1, found[0].node == step.node,
          let content = try finder.merged(at: step.node, now: now, before: lower, in: changes.paths)
        {
          changes.merged[step.node] = content
        } else {
          conflicts += found.map { ApplyConflict(node: $0.node, step: index, reason: $0.reason) }
        }
      }
    }
    changes.steps = changes.steps.enumerated().filter { !dropped.contains($0.offset) }.map(\.element)
  }

  /// A line for each conflict: C, the path, why.
  public var conflictText: [UInt8] {
    var result: [UInt8] = []
    for conflict in conflicts {
      result += Array("C /".utf8)
      PathText.append(changes.paths.shownPath(of: conflict.node), to: &result)
      result += Array(" (\(conflict.reason.rawValue))\n".utf8)
    }
    return result
  }
}
