// What `vedette review` shows and does beside applying: the changes by kind, a patch on a terminal or in a file, and their end.

import Kernel
import LinuxABI
import OverlayFS
import VFS

extension ChangeDetails {
  /// The changes by kind with their sizes, for people.
  public func overview() throws(ReportedError) -> [UInt8] {
    var result: [UInt8] = []
    let kinds: [(Kind, String)] = [
      (.added, "Added"), (.modified, "Modified"), (.renamed, "Renamed"), (.deleted, "Deleted"),
    ]
    for (kind, title) in kinds {
      let group = entries.filter { $0.kind == kind && !($0.isImplied && kind == .deleted) }
      if group.isEmpty { continue }
      result += Array("\(title) (\(group.count)):\n".utf8)
      for entry in group {
        result += Array("  ".utf8)
        if let from = entry.from {
          PathText.append([0x2f] + from, to: &result)
          result += Array(" -> ".utf8)
        }
        PathText.append([0x2f] + entry.path, to: &result)
        if entry.type == .directory {
          result.append(0x2f)
        } else if let subject = entry.now ?? entry.before, subject.type == .regular,
          let size = try? subject.attributes().size
        {
          result += Array("  \(size) bytes".utf8)
        }
        result.append(0x0a)
      }
    }
    return result.isEmpty ? Array("No changes.\n".utf8) : result
  }

  /// A text with what does not print as `\ooo`, line by line.
  public static func escaped(_ text: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    for line in text.split(separator: 0x0a, omittingEmptySubsequences: false) {
      let parts = line.split(separator: 0x09, omittingEmptySubsequences: false)
      for (index, part) in parts.enumerated() {
        if index > 0 { result.append(0x09) }
        PathText.append([UInt8](part), to: &result)
      }
      result.append(0x0a)
    }
    return [UInt8](result.dropLast())
  }
}

/// A patch in a file of its own.
public enum PatchFile {
  /// - Throws: `ReportedError`, also if something has the name.
  public static func write(_ patch: [UInt8], to path: ByteString) throws(ReportedError) {
    do throws(Errno) {
      let file = try path.open([.writeOnly, .create, .exclusive], mode: 0o644)
      try Host.writeAll(patch, to: file.rawValue)
    } catch {
      throw ReportedError("review: '\(path)': \(error)")
    }
  }
}

extension UpperDirectory {
  /// Throws the changes away; the directory itself stays, empty of them.
  ///
  /// - Throws: `ReportedError` if a run is using it, or something cannot be removed.
  public func discard() throws(ReportedError) {
    let overlay = try overlay()
    defer { overlay.close() }
    do throws(Errno) {
      let tree = try HostTree(try path.open([.path, .directory]))
      // Marks go with the files; the work directory last, for it has the lock.
      for name in ["upper", "work"] { try tree.remove(Array(name.utf8), from: tree.root) }
    } catch {
      throw ReportedError("review: '\(path)': \(error): not all of it is thrown away")
    }
  }
}
