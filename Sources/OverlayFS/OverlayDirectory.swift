// A directory of an overlay: the children of its layers, each name shown once, topmost layer first.

public import LinuxABI
public import VFS

/// A directory. It keeps its lowers wherever it is moved, so a rename moves no data.
public final class OverlayDirectory: OverlayInode {
  /// Lower directories below `lower`, topmost first.
  let otherLowers: [Inode]
  /// The names of lower children that are deleted; the same as the marks on `upper`.
  private(set) var whiteouts: Set<[UInt8]> = []
  /// For the whiteouts and the listing.
  var charge: MemoryCharge
  /// Where the lowers are, if they are not those of the parent's under the same name (persistent upper).
  var redirect: [LayerPath]?
  /// The merged names, once they are needed (OverlayListing.swift).
  var listing: DirectoryIndex<ListedChild>?
  /// A task may hold a cursor into the lower's own order.
  var wasListed = false
  /// How many child directories there are, once it is known: `st_nlink` less two.
  var subdirectories: Int?

  init(overlay: OverlayFilesystem, upper: Inode?, lower: Inode?, otherLowers: [Inode], number: UInt64) throws(Errno) {
    self.otherLowers = otherLowers
    charge = MemoryCharge(overlay.budget)
    try super.init(overlay: overlay, upper: upper, lower: lower, number: number)
    if let upper, lower != nil, let marks = overlay.marks {
      whiteouts = try marks.whiteouts(of: upper)
      let cost = whiteouts.reduce(0) { $0 + MemoryCost.whiteout($1.count) }
      if !charge.grow(cost) { throw .noMemory }
    }
  }

  public override var formerPaths: [[[UInt8]]] {
    var result = redirect?.map(\.components) ?? []
    for inner in lowers.compactMap({ $0 as? OverlayDirectory }) {
      result += inner.formerPaths
      // It has been moved from below what a saved upper has moved.
      if redirect != nil { result += inner.movedPaths.map { $0.split(separator: 0x2f).map { [UInt8]($0) } } }
    }
    return result
  }

  /// The lowers, topmost first.
  var lowers: [Inode] { lower.map { [$0] + otherLowers } ?? [] }

  public override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    if upper != nil && lower != nil || !otherLowers.isEmpty {
      result.linkCount = UInt32(truncatingIfNeeded: 2 + (try countSubdirectories()))
    }
    return result
  }

  // MARK: - Lookup

  public override func lookup(_ name: Name) throws(Errno) -> Inode? {
    if let upper, let child = try upper.lookup(name) { return try find(name, upperChild: child) }
    guard let lowers = try lowerChildren(name) else { return nil }
    return try find(name, lowerChildren: lowers)
  }

  public override func checkListing() throws(Errno) {
    for layer in lowers { try layer.checkListing() }
  }

  /// What the lowers show at `name`: one inode, or the directories to merge; nil if nothing.
  func lowerChildren(_ name: Name) throws(Errno) -> [Inode]? {
    guard let lower, !isWhiteout(name) else { return nil }
    if otherLowers.isEmpty { return try lower.lookup(name).map { [$0] } }
    var found: [Inode] = []
    for layer in lowers {
      guard let child = try layer.lookup(name) else { continue }
      if found.isEmpty {
        found.append(child)
        if !child.isDirectory { break }
      } else if child.isDirectory {
        found.append(child)
      } else {
        break
      }
    }
    return found.isEmpty ? nil : found
  }

  func isWhiteout(_ name: Name) -> Bool { !whiteouts.isEmpty && whiteouts.contains(name.copy) }

  /// A name of a lower would show here if the upper had none.
  func lowerShows(_ name: Name) throws(Errno) -> Bool { try lowerChildren(name) != nil }

  private func find(_ name: Name, upperChild child: Inode) throws(Errno) -> OverlayInode {
    let marks = overlay.marks
    guard overlay.trustsOrigins else { return try findByPath(name, child) }
    let number = try marks?.origin(of: child) ?? overlay.number(ofUpper: child.number)
    if let known = try known(number, child, name) { return known }
    let (lowers, redirect) = try lowers(of: child, name)
    let inode = try make(name, upper: child, lowers: lowers, number: number)
    (inode as? OverlayDirectory)?.redirect = redirect
    if !child.isDirectory, let marks, marks.isPersistent { inode.links = try marks.links(of: child) }
    return inode
  }

  /// In a saved upper over other lowers: a directory is that of the lowers which it merges with, everything else its own.
  private func findByPath(_ name: Name, _ child: Inode) throws(Errno) -> OverlayInode {
    let (lowers, redirect) = try lowers(of: child, name)
    let number = lowers.first.map(overlay.number(ofLower:)) ?? overlay.number(ofUpper: child.number)
    if let known = try known(number, child, name) { return known }
    let inode = try make(name, upper: child, lowers: lowers, number: number)
    (inode as? OverlayDirectory)?.redirect = redirect
    // The index has one link of it.
    if !child.isDirectory, try overlay.marks?.links(of: child) != nil { inode.links = max(child.linkCount, 2) - 1 }
    return inode
  }

  /// The inode with this number, if it is that of an upper child.
  private func known(_ number: UInt64, _ child: Inode, _ name: Name) throws(Errno) -> OverlayInode? {
    guard let known = overlay.known(number), known.upper == nil || known.upper === child, known.type == child.type
    else { return nil }
    try known.checkPlace(self, name)
    if known.upper == nil { known.upper = child }
    known.isFound(in: self, name)
    return known
  }

  /// The directories of the lowers that an upper child shows too, and its redirect.
  private func lowers(of child: Inode, _ name: Name) throws(Errno) -> ([Inode], [LayerPath]?) {
    guard child.isDirectory else { return ([], nil) }
    if let redirect = try overlay.marks?.redirect(of: child) {
      return (try overlay.directories(at: redirect), redirect)
    }
    let lowers = try lowerChildren(name) ?? []
    return (lowers.first?.isDirectory == false ? [] : lowers, nil)
  }

  private func find(_ name: Name, lowerChildren lowers: [Inode]) throws(Errno) -> OverlayInode {
    let number = overlay.number(ofLower: lowers[0])
    if let known = overlay.known(number), known.type == lowers[0].type {
      try known.checkPlace(self, name)
      known.isFound(in: self, name)
      return known
    }
    var upper: Inode?
    var links: UInt32?
    if !lowers[0].isDirectory, overlay.isPersistent, overlay.trustsOrigins, lowers[0].linkCount > 1,
      let indexed = try overlay.marks?.indexed(number, lowers[0].type)
    {
      upper = indexed.upper
      links = indexed.links
    }
    let inode = try make(name, upper: upper, lowers: lowers, number: number)
    inode.links = links
    return inode
  }

  private func make(_ name: Name, upper: Inode?, lowers: [Inode], number: UInt64) throws(Errno) -> OverlayInode {
    let overlay = overlay
    let inode: OverlayInode
    switch (upper ?? lowers[0]).type {
    case .directory:
      inode = try OverlayDirectory(
        overlay: overlay, upper: upper, lower: lowers.first, otherLowers: [Inode](lowers.dropFirst()), number: number)
    case .regular:
      inode = try OverlayRegularFile(overlay: overlay, upper: upper, lower: lowers.first, number: number)
    case .symlink:
      inode = try OverlaySymlink(overlay: overlay, upper: upper, lower: lowers.first, number: number)
    case .fifo, .socket, .characterDevice, .blockDevice:
      inode = try OverlayNode(overlay: overlay, upper: upper, lower: lowers.first, number: number)
    }
    if let upper, type != .symlink { inode.accessList = overlay.marks?.accessList(of: upper) }
    overlay.register(inode)
    inode.isFound(in: self, name)
    return inode
  }

  public override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    try list(from: cursor, body)
  }

  // MARK: - New children

  public override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode {
    let upper = try copiedUp()
    willChange()
    // A store that may not make device nodes keeps them as something else: its own listing does not show their type.
    if new.type == .characterDevice || new.type == .blockDevice { try overlay.marks?.setImpure(upper) }
    let child = try overlay.makeUpperChild(name, new, in: upper)
    let inode = try make(name, upper: child, lowers: [], number: overlay.born(child.number))
    didAdd(name, inode)
    return inode
  }

  /// Needs no copy-up of this directory: the file may never get a name.
  public override func createTemporary(_ new: NewInode) throws(Errno) -> Inode {
    guard let work = overlay.work else { throw .readOnlyFileSystem }
    let upper = try work.createTemporary(new)
    let inode = try OverlayRegularFile(
      overlay: overlay, upper: upper, lower: nil, number: overlay.born(upper.number))
    overlay.register(inode)
    return inode
  }

  public override func link(_ name: Name, to inode: Inode) throws(Errno) {
    let file = try own(inode)
    let upper = try copiedUp()
    willChange()
    let linked = try file.copiedUp(.metadata)
    // Counted from the copy-up on. A store's mark may say any number: the largest one is where names end (EMLINK,
    // `man 2 link`).
    let count = try file.links.map { links throws(Errno) in try links.adding(1, or: .tooManyLinks) }
    if lower == nil && file.hasOrigin { try overlay.marks?.setImpure(upper) }
    let followUps = count.map { [OverlayIntent.FollowUp.links(number: file.number, count: $0)] } ?? []
    try overlay.commit(.holds(linked.number), name, in: self, followUps) { () throws(Errno) in
      try upper.link(name, to: linked)
    }
    file.gainedName(name, in: self)
    didAdd(name, file)
  }

  // MARK: - Removal

  /// The whiteout is written before the upper entry goes: a crash in between leaves the name as it was.
  public override func unlink(_ name: Name, _ inode: Inode) throws(Errno) {
    try remove(name, try own(inode))
  }

  public override func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) {
    guard let directory = inode as? OverlayDirectory else { throw .notDirectory }
    guard try directory.isEmpty() else { throw .directoryNotEmpty }
    try remove(name, directory)
  }

  private func remove(_ name: Name, _ inode: OverlayInode) throws(Errno) {
    let upper = try copiedUp()
    willChange()
    let entry = try upper.lookup(name)
    let followUps = overlay.followUps(ofLosing: inode, entry: entry)
    if let entry {
      try whiteOut(name)
      try overlay.commit(.isGone, name, in: self, followUps) { () throws(Errno) in
        if entry.isDirectory { try upper.removeDirectory(name, entry) } else { try upper.unlink(name, entry) }
      }
    } else {
      try overlay.cover(inode.lower, name, in: self)
      try overlay.commit(.isWhiteout, name, in: self, followUps) { () throws(Errno) in try whiteOut(name) }
      touch()
    }
    inode.lostName(name, in: self)
    didRemove(name, inode)
  }

  /// Makes sure that no lower shows at `name`.
  func whiteOut(_ name: Name) throws(Errno) {
    guard let upper, let marks = overlay.marks, try lowerShows(name) else { return }
    try overlay.budget.check(MemoryCost.whiteout(name.count))
    try marks.addWhiteout(name, to: upper)
    if whiteouts.insert(name.copy).inserted { charge.add(MemoryCost.whiteout(name.count)) }
  }

  /// The modification time of a directory whose upper entry has not changed although a name has gone.
  func touch() {
    var change = AttributeChange()
    change.modificationTime = .now
    _ = try? upper?.setAttributes(change)
  }

  public override func rename(
    _ name: Name, _ inode: Inode, to newDirectory: Inode, _ newName: Name, replacing replaced: Inode?,
    _ flags: RenameFlags
  ) throws(Errno) {
    guard let target = newDirectory as? OverlayDirectory, target.filesystem === filesystem else { throw .improperLink }
    let transaction = try RenameTransaction(
      from: self, to: target, inode: own(inode), replaced: try replaced.map { (inode) throws(Errno) in try own(inode) },
      flags)
    try transaction.commit(name, newName)
  }

  private func own(_ inode: Inode) throws(Errno) -> OverlayInode {
    guard inode.filesystem === filesystem else { throw .improperLink }
    return unsafeDowncast(inode, to: OverlayInode.self)
  }
}
