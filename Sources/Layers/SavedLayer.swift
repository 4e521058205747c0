// An upper directory that a run has left, named as a layer of another: `--lower DIR`. What it deletes, renames and links counts
// (OverlayFS/SavedUpper.swift), if what this user sees of it is all that there is; else it is refused.

import HostFS
import Kernel
import LinuxABI
import OverlayFS
import VFS

/// What must be known of an upper directory before it is read as a layer.
package struct SavedLayer {
  package let path: ByteString
  let format: OverlayFormat
  /// It lies over the layers that it was written over.
  let isInPlace: Bool

  /// Its marks show only to who has CAP_SYS_ADMIN.
  package var needsPrivilege: Bool { format.needsPrivilege }

  /// - Parameters:
  ///   - directory: of `path`; O_PATH is enough.
  ///   - rest: the options below it, topmost first, the root last.
  /// - Returns: nil for a directory that is no upper directory.
  /// - Throws: one line for people, without the option, if it cannot be read as a layer.
  package init?(_ path: ByteString, _ directory: CInt, over rest: [ByteString]) throws(ReportedError) {
    self.path = path
    guard Self.isUpperDirectory(directory) else {
      if Self.mayBeAnothersUpper(directory) {
        throw ReportedError("'\(path)' seems to be an upper directory of another user (its work cannot be looked into)")
      }
      if Self.isPart(directory) {
        throw ReportedError("'\(path)' is a part of an upper directory (name that: the directory above it)")
      }
      return nil
    }
    guard let recorded = try UpperDirectory(path).recorded(directory), !recorded.format.isEmpty else {
      throw ReportedError("'\(path)' has no record of the run that wrote it, work/layers (use it as --upper once)")
    }
    let owner = recorded.caller.uid
    if owner != Host.effectiveUser, Host.effectiveUser != 0 {
      throw ReportedError("'\(path)' was written by user \(owner) (run as that user)")
    }
    guard let format = OverlayFormat(recorded.format) else {
      throw ReportedError("'\(path)' was written in a form that this version does not know ('\(recorded.format)')")
    }
    if format.needsPrivilege, !Self.seesTrustedMarks {
      throw ReportedError("'\(path)' was written with other rights: its trusted.* marks do not show here (run as root)")
    }
    self.format = format
    isInPlace = recorded.isOver(UpperLayers.named(rest))
    try requireOriginal(recorded, directory)
  }

  /// Marks in the overflow store go by the numbers of the files that have them.
  private func requireOriginal(_ recorded: UpperLayers, _ directory: CInt) throws(ReportedError) {
    do throws(Errno) {
      let store = try filesystem(try Host.duplicate(directory), ownership: nil)
      guard let root = try store.child("upper"), let work = try store.child("work") else { throw .notDirectory }
      guard recorded.number != 0, recorded.number != root.number, try OverlayFormat.hasOverflow(work: work) else {
        return
      }
    } catch {
      throw ReportedError("'\(path)': \(error)")
    }
    throw ReportedError(
      "'\(path)' is a copy, and its work/overflow goes by inode numbers (move the directory, or export it)")
  }

  /// The store behind `directory`, read-only.
  package func filesystem(_ directory: consuming OwnedDescriptor, ownership: IdentityMap?) throws(Errno)
    -> HostFilesystem
  {
    try HostFilesystem(
      rootDescriptor: directory, policy: .immutable, writable: false, ownership: ownership,
      keepsOwners: format.keepsOwners, isSavedStore: true)
  }

  // MARK: - What a directory is

  /// A run has left its `upper` and `work` there. The kernel's overlay, whose directories many call the same, has no such lock.
  static func isUpperDirectory(_ directory: CInt) -> Bool {
    type("upper", in: directory) == .directory && type("work", in: directory) == .directory
      && type("work/lock", in: directory) == .regular
  }

  /// The `upper` or the `work` of an upper directory.
  private static func isPart(_ directory: CInt) -> Bool {
    guard let above = try? Host.openTrusted("..", in: directory, [.path, .directory]),
      isUpperDirectory(above.rawValue), let own = try? Host.stat(directory).identity
    else { return false }
    for part in ["upper", "work"] where (try? Host.stat(part, in: above.rawValue).identity) == own { return true }
    return false
  }

  /// Whether it is one cannot be seen: as a plain directory it would show what its owner has deleted.
  private static func mayBeAnothersUpper(_ directory: CInt) -> Bool {
    guard type("upper", in: directory) == .directory, type("work", in: directory) == .directory else { return false }
    do throws(Errno) {
      _ = try Host.stat("work/lock", in: directory)
      return false
    } catch {
      return error == .permissionDenied
    }
  }

  private static func type(_ name: String, in directory: CInt) -> FileType? {
    try? Host.stat(name, in: directory).type
  }

  /// Whether this process may see `trusted.*` attributes: without CAP_SYS_ADMIN of the first user namespace there seem to be none.
  private static var seesTrustedMarks: Bool {
    do throws(Errno) {
      let file = try Host.makeMemoryFile("vedette-probe")
      try Host.setExtendedAttribute("trusted.overlay.probe", at: .descriptor(file.rawValue), to: [], [])
      return true
    } catch {
      // A kernel whose memory files have none cannot be asked.
      return error == .notSupportedOnSocket && Host.effectiveUser == 0
    }
  }
}
