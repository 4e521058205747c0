// `vedette apply`: what of an upper's changes goes to a host tree, in which order, and how it is said to people. Made
// before anything is touched; ApplyTransaction.swift does it.

import LinuxABI
import OverlayFS
import VFS

/// The steps of one apply.
public struct ApplyPlan {
  enum Step {
    /// A new name, or another file under an old one: built beside it and put in its place. A directory comes with all below.
    case put(path: [UInt8], inode: Inode)
    /// Other looks for a directory that stays.
    case dress(path: [UInt8], inode: Inode)
    case remove(path: [UInt8])

    var path: [UInt8] {
      switch self {
      case .put(let path, _), .dress(let path, _), .remove(let path): path
      }
    }
  }

  let overlay: OverlayFilesystem
  let target: ByteString
  private(set) var steps: [Step] = []
  /// The changes as `vedette diff` shows them.
  public private(set) var text: [UInt8] = []
  /// Files that the root of the target would run as somebody else.
  public private(set) var setIDs = 0
  public var isEmpty: Bool { steps.isEmpty }

  /// Compares the upper with its lowers.
  ///
  /// - Throws: `SandboxError` if there is a path that cannot be compared: half of the changes would be worse than none.
  public init(_ upper: UpperDirectory, to target: ByteString) throws(SandboxError) {
    do throws(Errno) {
      _ = try target.open([.path, .directory])
    } catch {
      throw SandboxError("apply: '\(target)': \(error)")
    }
    let layers = try upper.layers()
    overlay = try upper.overlay()
    self.target = target
    let found: OverlayChanges
    let report: ChangeReport
    do throws(Errno) {
      found = try OverlayChanges(of: overlay, .list)
      report = try ChangeReport(overlay)
    } catch {
      throw SandboxError("apply: cannot compare: \(error)")
    }
    if let complaint = report.complaint { throw SandboxError("apply: \(complaint)") }
    if layers.caller != layers.inside, layers.caller.uid != 0 {
      // Owners inside are the run's own idea; on the host they mean the caller.
      isOfFakeOwners = true
    }
    text = report.text
    // A directory that is put brings what is below it; a list sorted by bytes has a parent before its children.
    var whole: Set<[UInt8]> = []
    for change in found.changes {
      if let slash = change.path.lastIndex(of: 0x2f), whole.contains([UInt8](change.path[..<slash])) {
        if change.inode?.isDirectory == true { whole.insert(change.path) }
        countSetID(change.inode)
        continue
      }
      guard let inode = change.inode else {
        steps.append(.remove(path: change.path))
        continue
      }
      countSetID(inode)
      if inode.isDirectory, change.kind == .modified, change.before?.isDirectory == true {
        steps.append(.dress(path: change.path, inode: inode))
      } else {
        steps.append(.put(path: change.path, inode: inode))
        if inode.isDirectory { whole.insert(change.path) }
      }
    }
  }

  private(set) var isOfFakeOwners = false

  private mutating func countSetID(_ inode: Inode?) {
    guard let inode, inode.type == .regular else { return }
    if inode.permissions.contains(.setUserID) || inode.permissions.isSuperset(of: [.setGroupID, .groupExecute]) {
      setIDs += 1
    }
  }

  /// The question to a person, without its mark.
  public var question: String {
    let count = steps.count
    let special = setIDs > 0 ? ", \(setIDs) of them set-user-ID or set-group-ID" : ""
    return "Carry \(count) change\(count == 1 ? "" : "s")\(special) to '\(target)'?"
  }

  /// Carries the changes out.
  ///
  /// - Returns: lines for people on what could not be set.
  /// - Throws: `SandboxError` that says whether the target is as it was.
  public func perform() throws(SandboxError) -> [String] {
    defer { overlay.close() }
    var transaction = try ApplyTransaction(self)
    return try transaction.perform()
  }
}
