// One tree from layers: an upper that takes every change, over any number of lowers that never change.
//
// Locks: none. The tree lock (VFS/Filesystem.swift) is held around every call, so the three copy-up locks of other
// overlays (`copyUp` > `mappings` > `data`) have nothing left to order: code that reads `upper` holds the lock under which it
// is set. Long content is copied without it, before the copy-up that uses it (OverlayBackgroundCopyUps.swift).
//
// Numbers (LayerNumbers.swift): an inode that came from a lower keeps that lower's number; one that was born in the upper has
// the upper's. So st_ino is constant over copy-up and rename, and d_ino is known without looking a name up.
//
// An upper that an earlier run has left can be a layer itself: a read-only overlay of it over what lies below (SavedUpper) is
// then the last of this one's lowers. So its deletions, renames and links need no code but this.

import Kernel
public import LinuxABI
public import VFS

/// Why an overlay cannot be made of these layers.
public enum OverlayError: Error, Sendable, Equatable {
  /// Neither an upper nor a lower.
  case noLayers
  /// The upper is itself an overlay.
  case upperIsOverlay
  /// The upper refuses changes.
  case upperIsReadOnly
  /// Another run uses this upper directory.
  case upperIsBusy
  /// The last run over this saved upper was killed, and something that it has begun must be finished first.
  case upperIsUnfinished
  /// The upper directory cannot be prepared or used.
  case upper(Errno)
  /// The lower at this index (0 is the topmost) changes by itself: such a tree cannot be cached.
  case lowerIsDynamic(Int)
  /// The root of the lower at this index cannot be read.
  case lower(Int, Errno)
}

/// An overlay: see the head of this file.
public final class OverlayFilesystem: Filesystem, CopyUpSource {
  /// Where changes go.
  public enum Upper {
    /// A file system in memory that ends with this process: what the overlay knows of its inodes stays in memory too.
    case memory(Filesystem)
    /// A writable file system with the directories `upper` and `work`, which another run may use again: what must not be
    /// forgotten is written into it.
    case store(Filesystem)
    /// Such a store that an earlier run has left, read-only.
    case saved(SavedUpper)

    var filesystem: Filesystem {
      switch self {
      case .memory(let filesystem), .store(let filesystem): filesystem
      case .saved(let saved): saved.store
      }
    }
  }

  /// Topmost first.
  let layers: [Filesystem]
  let numbers: LayerNumbers
  private let upper: Upper?
  /// A directory of the upper file system, beside the visible tree, where new things are prepared.
  private(set) var work: Inode?
  private(set) var marks: OverlayMarks?
  /// What must follow a step of ours (OverlayIntent.swift); nil in memory.
  private(set) var intents: IntentLog?
  /// What the lowers showed where the upper covers them (OverlayBases.swift); nil in memory.
  private(set) var bases: BaseLog?
  private var lock: CInt = -1
  private(set) var rootDirectory: OverlayDirectory?
  private var temporaryCounter: UInt64 = 0

  /// Every live inode by its number: one object per file, however it is reached.
  private var byNumber: [UInt64: Unmanaged<OverlayInode>] = [:]
  /// Inodes that know what their layers do not show: copied up, moved, or with links counted by us.
  private var kept: [UInt64: OverlayInode] = [:]
  /// The numbers of kept inodes by the numbers of their upper inodes.
  private var numberOfUpper: [UInt64: UInt64] = [:]

  /// Every copy-up of content is reported to it, and it decides what may be copied in the background.
  public weak var copyUpObserver: (any CopyUpObserver)?
  /// Files in the work directory that background copy-ups fill, by the numbers of the overlay's inodes.
  var workFiles: [UInt64: WorkFile] = [:]

  /// - Parameters:
  ///   - upper: nil for a read-only overlay.
  ///   - lowers: topmost first; may be empty if there is an upper.
  ///   - budget: pays for what must be remembered of changed files.
  public init(upper: Upper?, lowers: [Filesystem], budget: MemoryBudget = .unlimited) throws(OverlayError) {
    guard upper != nil || !lowers.isEmpty else { throw .noLayers }
    for (index, lower) in lowers.enumerated() where lower.revalidates { throw .lowerIsDynamic(index) }
    if let store = upper?.filesystem {
      if store is OverlayFilesystem { throw .upperIsOverlay }
      if case .saved = upper {} else if store.isReadOnly { throw .upperIsReadOnly }
    }
    self.upper = upper
    layers = lowers
    numbers = LayerNumbers(lowers)
    super.init(typeName: "overlay")
    self.budget = budget
    try prepare()
  }

  deinit { releaseLock() }

  public override func candidatePaths(ofHost text: [UInt8]) -> [[UInt8]] {
    var result = layers.flatMap { $0.candidatePaths(ofHost: text) }
    if let saved { result += saved.store.candidatePaths(ofHost: text).compactMap { SavedUpper.path($0) } }
    return result
  }

  private func releaseLock() {
    guard lock >= 0 else { return }
    // Closing alone would leave the lock to a child that is between fork and exec.
    Host.unlock(lock)
    _ = OwnedDescriptor(lock)
    lock = -1
  }

  /// Lets another run have the upper. Nothing may be asked of this overlay afterwards. The end of the process does the same.
  public func close() {
    kept = [:]
    numberOfUpper = [:]
    releaseLock()
    (layers.last as? OverlayFilesystem)?.close()
  }

  /// Opens the upper, and makes it first if it is new.
  private func prepare() throws(OverlayError) {
    let lowerRoots = layers.map { $0.root }
    var upperRoot: Inode?
    if let saved {
      upperRoot = try open(saved)
    } else if let upper {
      do throws(Errno) {
        let store = upper.filesystem.root
        let work = try child("work", of: store)
        if case .store = upper {
          guard try takeLock(in: work, of: store) else { throw Errno.resourceBusy }
        }
        self.work = work
        marks = try OverlayMarks(work: work, isPersistent: isPersistent)
        // Whatever the last run was preparing when it ended was never seen.
        if isPersistent { try discardPreparations(in: work) }
        let existing = try Name.with("upper") { name throws(Errno) in try store.lookup(name) }
        if isPersistent {
          bases = BaseLog(in: work)
          if existing == nil { try bases?.open(isNew: true) }
        }
        let root: Inode
        if let existing { root = existing } else { root = try makeUpperRoot(in: store, like: lowerRoots.first) }
        upperRoot = root
        if isPersistent {
          intents = IntentLog(in: work)
          try finishPending(in: work, root: root)
        }
      } catch {
        throw error == .resourceBusy ? .upperIsBusy : .upper(error)
      }
    }
    do throws(Errno) {
      let root = try OverlayDirectory(
        overlay: self, upper: upperRoot, lower: lowerRoots.first, otherLowers: [Inode](lowerRoots.dropFirst()),
        number: lowerRoots.first.map(number(ofLower:)) ?? born(upperRoot?.number ?? 1))
      register(root)
      if upperRoot != nil { keep(root) }
      rootDirectory = root
    } catch {
      throw .upper(error)
    }
  }

  public override var root: Inode {
    guard let rootDirectory else { preconditionFailure("set by init") }
    return rootDirectory
  }

  /// The root directory of the upper layer.
  public var upperRoot: Inode? { rootDirectory?.upper }

  public override var supportsAccessLists: Bool { true }

  public override var isReadOnly: Bool { upper == nil || isSaved }

  /// What is deleted or changed here is remembered for another run, or was by an earlier one.
  var isPersistent: Bool {
    switch upper {
    case .store, .saved: true
    case .memory, nil: false
    }
  }

  /// The upper of an earlier run that this shows, read-only.
  var saved: SavedUpper? { if case .saved(let saved) = upper { saved } else { nil } }

  var isSaved: Bool { saved != nil }

  public override var orphans: Orphans { upper?.filesystem.orphans ?? Orphans() }

  public override func statistics() throws(Errno) -> FilesystemStatistics {
    guard let filesystem = upper?.filesystem ?? layers.first else { throw .noFunction }
    return try filesystem.statistics()
  }

  // MARK: - The upper's layout

  private func child(_ name: StaticString, of store: Inode) throws(Errno) -> Inode {
    try Name.with(name) { name throws(Errno) in
      if let found = try store.lookup(name) {
        guard found.isDirectory else { throw .notDirectory }
        return found
      }
      return try store.create(
        name, NewInode(.directory, permissions: Permissions(rawValue: 0o700), owner: store.owner, group: store.group))
    }
  }

  /// The root directory of a new upper looks like that of the topmost lower. Prepared aside: a half-made one would be
  /// taken for whole by the next run.
  private func makeUpperRoot(in store: Inode, like lower: Inode?) throws(Errno) -> Inode {
    guard let work else { throw .readOnlyFileSystem }
    let attributes = try lower?.attributes()
    let new = NewInode(
      .directory, permissions: attributes?.permissions ?? Permissions(rawValue: 0o755),
      owner: attributes?.owner ?? store.owner, group: attributes?.group ?? store.group)
    return try Name.with(temporaryName()) { prepared throws(Errno) in
      let root = try work.create(prepared, new)
      // A failure from here on leaves it to the next run to discard.
      if let lower, let attributes {
        for name in try lower.extendedAttributeNames() where !OverlayMarks.isReserved(name) {
          try Name.with(name) { name throws(Errno) in
            try marks?.setGuestAttribute(name, of: root, to: try lower.extendedAttribute(name), [])
          }
        }
        var times = AttributeChange()
        times.accessTime = .set(attributes.accessTime)
        times.modificationTime = .set(attributes.modificationTime)
        try root.setAttributes(times)
      }
      try Name.with("upper") { name throws(Errno) in
        try work.rename(prepared, root, to: store, name, replacing: nil, [])
      }
      return root
    }
  }

  /// `flock(2)` on `work/lock`, held as long as this object lives; false if another run has it. Those that only read a saved
  /// upper share it.
  private func takeLock(in work: Inode, of store: Inode) throws(Errno) -> Bool {
    let file = try Name.with("lock") { name throws(Errno) -> Inode in
      if let found = try work.lookup(name) { return found }
      return try work.create(
        name, NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: work.owner, group: work.group))
    }
    let descriptor = try file.open(isSaved ? [] : .readWrite)
    guard try Host.lock(descriptor.rawValue, isSaved ? .shared : .exclusive) else { return false }
    lock = descriptor.release()
    // A snapshot that was being made meanwhile has put another directory in its place, whose lock is another one.
    return try Name.with("work") { name throws(Errno) in try store.lookup(name) }?.number == work.number
  }

  /// Opens the upper of an earlier run, of which nothing is changed.
  private func open(_ saved: SavedUpper) throws(OverlayError) -> Inode {
    let store = saved.store.root
    var isUnfinished = false
    do throws(Errno) {
      let work = try Name.with("work") { name throws(Errno) in try store.lookup(name) }
      guard let work, work.isDirectory else { throw Errno.notDirectory }
      if !saved.isLocked {
        guard try takeLock(in: work, of: store) else { throw Errno.resourceBusy }
      }
      self.work = work
      let marks = try OverlayMarks(savedIn: work, saved.format)
      self.marks = marks
      let root = try Name.with("upper") { name throws(Errno) in try store.lookup(name) }
      guard let root, root.isDirectory else { throw Errno.notDirectory }
      if let intent = try IntentLog.pending(in: work) { isUnfinished = try intent.isTaken(below: root, marks) }
      if !isUnfinished { return root }
    } catch {
      throw error == .resourceBusy ? .upperIsBusy : .upper(error)
    }
    throw .upperIsUnfinished
  }

  private func discardPreparations(in work: Inode) throws(Errno) {
    var names: [[UInt8]] = []
    try work.iterate(from: 0) { entry in
      if entry.name.hasPrefix("prepared-") { names.append(entry.name.copy) }
      return true
    }
    for name in names {
      try Name.with(name) { name throws(Errno) in
        guard let found = try work.lookup(name) else { return }
        // A directory that is not empty was not made here: it stays, and `vedette fsck` reports it.
        discard(name, found, in: work)
      }
    }
  }

  /// Removes what was prepared under a name in the work directory, and its marks.
  func discard(_ prepared: Name, _ inode: Inode, in work: Inode) {
    marks?.forgetLastLink(inode)
    if inode.isDirectory {
      _ = try? work.removeDirectory(prepared, inode)
    } else {
      _ = try? work.unlink(prepared, inode)
    }
  }

  /// A name in the work directory that is not in use; no other run has used it either.
  func temporaryName() -> [UInt8] {
    if temporaryCounter == 0 {
      let now = Timestamp.now()
      temporaryCounter = UInt64(bitPattern: now.seconds) &* 1_000_000_000 &+ UInt64(now.nanoseconds)
    }
    temporaryCounter &+= 1
    return [UInt8]("prepared-\(String(temporaryCounter, radix: 16))".utf8)
  }

  // MARK: - Inodes

  /// The number here of what has `number` in the upper, as far as it is in memory.
  func number(ofUpper number: UInt64) -> UInt64 { numberOfUpper[number] ?? born(number) }

  func known(_ number: UInt64) -> OverlayInode? { byNumber[number]?.takeUnretainedValue() }

  func register(_ inode: OverlayInode) { byNumber[inode.number] = Unmanaged.passUnretained(inode) }

  func forget(_ inode: OverlayInode) {
    if byNumber[inode.number]?.toOpaque() == Unmanaged.passUnretained(inode).toOpaque() { byNumber[inode.number] = nil }
  }

  /// Holds on to an inode whose state its layers alone would not give back.
  func keep(_ inode: OverlayInode) {
    inode.chargeAsKept()
    kept[inode.number] = inode
    if let upper = inode.upper { numberOfUpper[upper.number] = inode.number }
  }

  /// The last name of `inode` is gone.
  func drop(_ inode: OverlayInode) {
    if let upper = inode.upper { numberOfUpper[upper.number] = nil }
    kept[inode.number] = nil
  }
}
