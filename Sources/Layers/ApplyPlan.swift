// `vedette apply`: what of an upper's changes goes to a host tree, in which order, and how it is said to people. Made
// before anything is touched; ApplyTransaction.swift does it.

import LinuxABI
import OverlayFS
import VFS

/// The steps of one apply.
public struct ApplyPlan {
  enum Step {
    /// A new name, or another file under an old one: built beside it and put in its place. A directory comes with all below.
    case put(place: Int, inode: Inode)
    /// Other metadata for a directory that stays.
    case metadata(place: Int, inode: Inode)
    case remove(place: Int)

    /// In `ApplyPlan.paths`.
    var place: Int {
      switch self {
      case .put(let place, _), .metadata(let place, _), .remove(let place): place
      }
    }
  }

  let overlay: OverlayFilesystem
  let target: ByteString
  private(set) var steps: [Step] = []
  let paths: PathTree
  /// The changes as `vedette diff` shows them.
  public private(set) var text: [UInt8] = []
  /// Files that the root of the target would run as somebody else.
  public private(set) var setIDs = 0
  public var isEmpty: Bool { steps.isEmpty }

  /// Compares the upper with its lowers.
  ///
  /// - Throws: `ReportedError` if there is a path that cannot be compared: half of the changes would be worse than none.
  public init(_ upper: UpperDirectory, to target: ByteString) throws(ReportedError) {
    do throws(Errno) {
      _ = try target.open([.path, .directory])
    } catch {
      throw ReportedError("apply: '\(target)': \(error)")
    }
    let layers = try upper.layers()
    overlay = try upper.overlay()
    self.target = target
    let found: OverlayChanges
    do throws(Errno) {
      found = try OverlayChanges(of: overlay, .list)
    } catch {
      throw ReportedError("apply: cannot compare: \(error)")
    }
    let report = ChangeReport(found)
    paths = found.paths
    if let complaint = report.complaint { throw ReportedError("apply: \(complaint)") }
    if layers.caller != layers.inside, layers.caller.uid != 0 {
      // Owners inside are the run's own idea; on the host they mean the caller.
      isOfFakeOwners = true
    }
    text = report.text
    // A directory that is put brings what is below it; a list sorted by bytes has a parent before its children.
    var whole: Set<Int> = []
    for change in found.changes {
      if change.place != 0, whole.contains(paths.parent(of: change.place)) {
        if change.inode?.isDirectory == true { whole.insert(change.place) }
        countSetID(change.inode)
        continue
      }
      guard let inode = change.inode else {
        steps.append(.remove(place: change.place))
        continue
      }
      countSetID(inode)
      if inode.isDirectory, change.kind == .modified, change.before?.isDirectory == true {
        steps.append(.metadata(place: change.place, inode: inode))
      } else {
        steps.append(.put(place: change.place, inode: inode))
        if inode.isDirectory { whole.insert(change.place) }
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
  /// - Throws: `ReportedError` that says whether the target is as it was.
  public func perform() throws(ReportedError) -> [String] {
    defer { overlay.close() }
    var transaction = try ApplyTransaction(self)
    return try transaction.perform()
  }
}
