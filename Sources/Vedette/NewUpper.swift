// `--upper DIR` where nothing has the name yet: the run makes it, if the directory that it is to be in is there.

import Kernel
import LinuxABI

extension SandboxConfiguration {
  /// Makes the upper directory if nothing has its name: one that is for the caller alone.
  ///
  /// - Returns: whether it is this one's.
  /// - Throws: one line for people if it cannot be made.
  func makeUpper() throws(SandboxError) -> Bool {
    guard case .directory(let path) = upper, path.isMissing else { return false }
    do throws(Errno) {
      try path.withCString { name throws(Errno) in
        try Host.makeDirectory(name, in: AtFlags.currentDirectory, mode: 0o700)
      }
      return true
    } catch {
      // Another run may have been first.
      if error != .fileExists { throw SandboxError("--upper: '\(path)' cannot be made: \(error)") }
      return false
    }
  }

  /// Removes what `makeUpper` has made, for a run that did not begin: only an empty directory goes.
  func removeUpper() {
    guard case .directory(let path) = upper else { return }
    _ = try? path.withCString { name throws(Errno) in
      try Host.unlink(name, in: AtFlags.currentDirectory, .removeDirectory)
    }
  }
}

extension ByteString {
  /// Nothing on the host has this name; false for an empty one.
  var isMissing: Bool {
    if isEmpty { return false }
    do throws(Errno) {
      _ = try open(.path)
      return false
    } catch {
      return error == .noSuchFileOrDirectory
    }
  }

  /// The directory that the last component is in.
  var parent: ByteString {
    var path = bytes[...]
    while path.count > 1, path.last == 0x2f { path = path.dropLast() }
    guard let slash = path.lastIndex(of: 0x2f) else { return "." }
    return slash == path.startIndex ? "/" : ByteString([UInt8](path[..<slash]))
  }
}
