// What a mount of the configuration covers is hidden in the layers themselves: a directory of a lower that something is
// mounted over shows nothing by whatever name it is reached. An upper of an earlier run may have redirects that lead into it,
// or above it (OverlayMarks.redirect).

import Kernel
import LinuxABI
import VFS

/// The names that lead from one directory to what is hidden.
final class HiddenPaths {
  private var names: [[UInt8]: HiddenPaths] = [:]
  private(set) var isHidden = false

  func below(_ name: Name) -> HiddenPaths? {
    // A handful of names, in a handful of directories.
    for (other, next) in names where name.equals(other) { return next }
    return nil
  }

  func add(_ components: ArraySlice<[UInt8]>) {
    guard let first = components.first else {
      isHidden = true
      return
    }
    let next = names[first] ?? HiddenPaths()
    names[first] = next
    next.add(components.dropFirst())
  }
}

extension HostFilesystem {
  /// Hides what `components` lead to: a directory is empty from now on, a file cannot be opened. The root cannot be hidden.
  ///
  /// - Precondition: nothing has been looked up yet.
  public func hide(_ components: [[UInt8]]) {
    if components.isEmpty { return }
    let hidden = hostRoot.hides ?? HiddenPaths()
    hostRoot.hides = hidden
    hidden.add(components[...])
  }
}

extension FoundFile {
  /// A directory keeps its attributes: it is what the mount covers. A symlink holds nothing but its target.
  mutating func hide(at name: Name, in parent: HostDirectory) {
    switch FileType(mode: UInt32(facts.mode)) {
    case .directory: break
    case .symlink: return
    default: facts.concealContent(at: name, in: parent)
    }
    isHidden = true
  }
}
