// The one path walk that serves every call: path_resolution(7) with openat2's limits.
//
// A walk borrows the guest's path (already in our memory). Only a symlink makes it build a path of its own, in a buffer
// of the walker that is reused. The order of checks is the kernel's (fs/namei.c): search permission on a directory
// comes before the name in it is looked at.

public import LinuxABI

/// The part of a thread's state that paths are resolved against; shared as CLONE_FS says.
public final class FilesystemContext {
  public var root: Position
  public var workingDirectory: Position
  public var umask: Permissions

  public init(root: Position, workingDirectory: Position, umask: Permissions) {
    self.root = root
    self.workingDirectory = workingDirectory
    self.umask = umask
  }

  /// A private copy, for a new process without CLONE_FS or `unshare(CLONE_FS)`.
  public func copy() -> FilesystemContext {
    FilesystemContext(root: root, workingDirectory: workingDirectory, umask: umask)
  }
}

/// How the last component is treated.
struct LastComponent {
  enum Kind { case root, dot, dotDot, normal }
  var kind: Kind
  /// Borrows the guest's path or the walk's buffer: valid until the next step of the walk.
  var name: Name
  /// The path goes on with slashes only, so the name must be a directory.
  var hasTrailingSlash: Bool
}

/// One resolution in progress.
struct PathWalk {
  let filesystem: VirtualFileSystem
  let credentials: Credentials
  /// Where absolute paths and `..` end.
  let root: Position
  let resolve: ResolveFlags
  private(set) var position: Position
  private let startMount: Mount
  private var remaining: UnsafeRawBufferPointer
  private var links = 0
  /// Set when a magic link was the last component: the walk has arrived.
  private var hasJumped = false

  /// - Throws: `.noSuchFileOrDirectory` for an empty path.
  init(
    _ filesystem: VirtualFileSystem, _ path: UnsafeRawBufferPointer, from start: Position, root: Position,
    _ credentials: Credentials, _ resolve: ResolveFlags
  ) throws(Errno) {
    if path.count == 0 { throw .noSuchFileOrDirectory }
    self.filesystem = filesystem
    self.credentials = credentials
    self.resolve = resolve
    let isScoped = !resolve.isDisjoint(with: [.beneath, .inRoot])
    self.root = isScoped ? start : root
    self.position = start
    self.startMount = start.mount
    self.remaining = path
    try enterRootIfAbsolute()
  }

  private mutating func enterRootIfAbsolute() throws(Errno) {
    guard remaining.first == 0x2f else { return }
    if resolve.contains(.beneath) { throw .improperLink }
    if resolve.contains(.noCrossDevice), root.mount !== position.mount { throw .improperLink }
    position = root
    skipSlashes()
  }

  @inline(__always)
  private mutating func skipSlashes() {
    var index = 0
    while index < remaining.count, remaining[index] == 0x2f { index &+= 1 }
    remaining = UnsafeRawBufferPointer(rebasing: remaining[index...])
  }

  /// Walks to the directory of the last component, which is not looked up.
  ///
  /// - Throws: `.notDirectory`, `.permissionDenied`, `.noSuchFileOrDirectory`, `.tooManySymbolicLinkLevels`,
  ///   `.fileNameTooLong`, `.improperLink` (RESOLVE_BENEATH, RESOLVE_NO_XDEV).
  mutating func walkToParent() throws(Errno) -> LastComponent {
    while true {
      if remaining.count == 0 {
        return LastComponent(kind: .root, name: Name(remaining), hasTrailingSlash: false)
      }
      guard let directory = position.dentry.inode, directory.isDirectory else { throw .notDirectory }
      try credentials.check(.execute, on: directory)
      var length = 0
      while length < remaining.count, remaining[length] != 0x2f { length &+= 1 }
      let name = Name(UnsafeRawBufferPointer(rebasing: remaining[..<length]))
      remaining = UnsafeRawBufferPointer(rebasing: remaining[length...])
      let hasSlash = remaining.count != 0
      skipSlashes()
      if remaining.count == 0 {
        let kind: LastComponent.Kind = name.isDot ? .dot : name.isDotDot ? .dotDot : .normal
        return LastComponent(kind: kind, name: name, hasTrailingSlash: hasSlash)
      }
      // The last name's length matters only when it is looked up.
      if length > Name.maximumLength { throw .fileNameTooLong }
      if name.isDot { continue }
      if name.isDotDot {
        try ascend()
        continue
      }
      let child = try filesystem.child(name, of: position)
      guard let inode = child.dentry.inode else { throw .noSuchFileOrDirectory }
      if inode.type == .symlink {
        try follow(inode, isLast: false, hasTrailingSlash: false)
      } else {
        try enter(child)
        if !inode.isDirectory { throw .notDirectory }
      }
    }
  }

  /// Takes one step down, over mount points.
  mutating func enter(_ child: Position) throws(Errno) {
    let arrived = filesystem.crossMounts(child)
    if resolve.contains(.noCrossDevice), arrived.mount !== startMount { throw .improperLink }
    position = arrived
  }

  /// `..`
  mutating func ascend() throws(Errno) {
    if position == root {
      if resolve.contains(.beneath) { throw .improperLink }
      return
    }
    let up = filesystem.parent(of: position, below: root)
    if resolve.contains(.noCrossDevice), up.mount !== startMount { throw .improperLink }
    position = up
  }

  /// Goes where a symlink in the current directory leads. With a plain link the walk goes on with `walkToParent`; after
  /// a magic link `hasArrived` is true if nothing is left to walk.
  mutating func follow(_ link: Inode, isLast: Bool, hasTrailingSlash: Bool) throws(Errno) {
    links += 1
    if links > 40 || resolve.contains(.noSymlinks) { throw .tooManySymbolicLinkLevels }
    if let target = try link.magicTarget() {
      if resolve.contains(.noMagicLinks) { throw .tooManySymbolicLinkLevels }
      if !resolve.isDisjoint(with: [.beneath, .inRoot]) { throw .improperLink }
      if resolve.contains(.noCrossDevice), target.mount !== startMount { throw .improperLink }
      position = target
      hasJumped = isLast
      if hasTrailingSlash || !isLast, target.dentry.inode?.isDirectory != true { throw .notDirectory }
      return
    }
    let target = try link.readlink()
    if target.isEmpty { throw .noSuchFileOrDirectory }
    remaining = filesystem.expand(target, before: remaining, addingSlash: hasTrailingSlash)
    try enterRootIfAbsolute()
  }

  /// A magic link was the last component.
  var hasArrived: Bool { hasJumped }
}
