// Where the configuration's mounts go. The paths are the user's, the tree may be the work of an earlier run's guests: a
// symlink that they left in an upper must not move a mount away from what it is to hide.

public import LinuxABI

extension VirtualFileSystem {
  /// The components that `path` has once its symlinks are followed; what is missing of it stays as it is.
  ///
  /// - Parameter mounted: components of paths that something else will be mounted at: this tree says nothing of what is
  ///   below them.
  /// - Throws: `.invalidArgument` for `..` below what is missing or mounted; errnos of path resolution.
  public func canonicalPath(_ path: [UInt8], mounted: [[[UInt8]]]) throws(Errno) -> [[UInt8]] {
    let caller = Caller.supervisor(of: self)
    var position = root
    var components: [[UInt8]] = []
    var isKnown = true
    for part in path.split(separator: 0x2f) {
      let component = [UInt8](part)
      if isKnown, mounted.contains(components) { isKnown = false }
      if isKnown {
        do throws(Errno) {
          position = try step(component, from: position, caller)
          components = (self.path(of: position, from: root) ?? []).split(separator: 0x2f).map { [UInt8]($0) }
          continue
        } catch  where error == .noSuchFileOrDirectory {
          isKnown = false
        }
      }
      if Name.with(component, { $0.isDot }) { continue }
      if Name.with(component, { $0.isDotDot }) { throw .invalidArgument }
      components.append(component)
    }
    return components
  }

  /// A directory, or an empty file, to mount at, reached through no symlink; what is missing of the path is made, as root.
  ///
  /// - Parameter components: as `canonicalPath` has them.
  /// - Throws: `.tooManySymbolicLinkLevels` for a symlink, `.notDirectory`, `.readOnlyFileSystem`, and what making
  ///   directories throws.
  public func makeMountPoint(_ components: [[UInt8]], isDirectory: Bool = true) throws(Errno) -> Position {
    let caller = Caller.supervisor(of: self)
    var position = root
    for (index, name) in components.enumerated() {
      do throws(Errno) {
        position = try step(name, from: position, caller, .noSymlinks)
      } catch  where error == .noSuchFileOrDirectory {
        try name.withUnsafeBufferPointer { bytes throws(Errno) in
          let path = Path(UnsafeRawBufferPointer(bytes), from: position)
          if isDirectory || index < components.count - 1 {
            try makeDirectory(path, mode: Permissions(rawValue: 0o755), caller)
          } else {
            try makeNode(path, type: .regular, mode: Permissions(rawValue: 0o644), device: 0, caller)
          }
        }
        position = try step(name, from: position, caller, .noSymlinks)
      }
    }
    return position
  }

  private func step(_ name: [UInt8], from position: Position, _ caller: Caller, _ flags: ResolveFlags = [])
    throws(Errno) -> Position
  {
    try name.withUnsafeBufferPointer { bytes throws(Errno) in
      try resolve(
        UnsafeRawBufferPointer(bytes), from: position, in: caller.context, caller.credentials, follow: true, flags)
    }
  }
}
