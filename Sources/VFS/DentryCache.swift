// The dentry cache: one hash table for the names of all directories of all file systems, keyed by (parent, name bytes),
// and one list from hot to cold that bounds it.
//
// A cached dentry is owned by the cache (one retain). The cold end is dropped when the bound is reached, but only what
// nothing else holds: a dentry that is a parent, a working directory, a mount point or an open file's name stays, so
// there is never a second dentry for one name. All of it is guarded by the tree lock.

import LinuxABI

final class DentryCache {
  private var buckets: UnsafeMutableBufferPointer<Unmanaged<Dentry>?>
  private var mask: UInt32
  private(set) var count = 0
  private var hottest: Unmanaged<Dentry>?
  private var coldest: Unmanaged<Dentry>?
  /// How many names are kept at the most, as far as nothing else holds them.
  var bound: Int
  /// How many there are at the most, held or not.
  private let limit: Int

  init(bound: Int) {
    self.bound = bound
    limit = bound.multipliedClamped(by: 2)
    buckets = .allocate(capacity: 1024)
    buckets.initialize(repeating: nil)
    mask = 1023
  }

  deinit {
    var next = hottest
    while let dentry = next {
      next = dentry._withUnsafeGuaranteedRef { $0.colder }
      dentry.release()
    }
    buckets.deallocate()
  }

  /// A dentry that is in no table: the root of a file system.
  func makeRoot(_ inode: Inode) -> Dentry {
    Dentry(parent: nil, name: [], inode: inode)
  }

  /// A parent is known by its address: it lives as long as its children.
  @inline(__always)
  private static func hash(_ parent: Dentry, _ name: Name) -> UInt32 {
    let address = UInt64(UInt(bitPattern: Unmanaged.passUnretained(parent).toOpaque()))
    return UInt32(truncatingIfNeeded: ((name.hash ^ address) &* 0x9e37_79b9_7f4a_7c15) >> 32)
  }

  /// The dentry cached for `name` in `parent`, which may be negative; nil if the file system must be asked.
  func find(_ name: Name, in parent: Dentry) -> Dentry? {
    let hash = Self.hash(parent, name)
    var next = buckets[Int(hash & mask)]
    while let candidate = next {
      let found: (match: Bool, next: Unmanaged<Dentry>?) = candidate._withUnsafeGuaranteedRef { dentry in
        if dentry.hash == hash, dentry.parent === parent, name.equals(dentry.name) {
          dentry.isReferenced = true
          return (true, nil)
        }
        return (false, dentry.nextInBucket)
      }
      if found.match { return candidate.takeUnretainedValue() }
      next = found.next
    }
    return nil
  }

  /// Whether one more name may be looked up. Guests that hold as many as the limit (deep working directories, open files)
  /// get ENOMEM for the next one, as from a kernel that cannot allocate a dentry.
  @inline(__always)
  func hasRoom() -> Bool { count < limit || makeRoom() }

  private func makeRoom() -> Bool {
    trim(steps: 4096)
    return count < limit
  }

  /// Enters a new dentry. - Precondition: none is cached for this name.
  @discardableResult
  func insert(_ name: Name, in parent: Dentry, _ inode: Inode?) -> Dentry {
    let dentry = Dentry(parent: parent, name: inode?.stored(name) ?? name.copy, inode: inode)
    link(dentry, Self.hash(parent, name))
    if count > bound { trim() }
    return dentry
  }

  /// Takes a dentry out; its name means something else from now on.
  func remove(_ dentry: Dentry) {
    guard dentry.isCached else { return }
    unlinkFromBucket(dentry)
    unlinkFromList(dentry)
    if dentry.inode == nil { unlinkFromNegatives(dentry) }
    dentry.isCached = false
    count -= 1
    Unmanaged.passUnretained(dentry).release()
  }

  /// Takes out the names that are known not to be in a directory which is gone: they would keep it, and whatever it keeps
  /// open, until they are the coldest.
  func removeNegatives(of directory: Dentry) {
    guard directory.inode != nil else { return }
    while let negative = directory.negatives { remove(negative.takeUnretainedValue()) }
  }

  /// Shows every dentry.
  func forEach(_ body: (Dentry) -> Void) {
    var next = hottest
    while let dentry = next {
      body(dentry.takeUnretainedValue())
      next = dentry._withUnsafeGuaranteedRef { $0.colder }
    }
  }

  /// Gives a dentry another name: `rename(2)`. - Precondition: none is cached for the new name.
  func move(_ dentry: Dentry, to parent: Dentry, _ name: Name) {
    remove(dentry)
    dentry.parent = parent
    dentry.name = name.copy
    link(dentry, Self.hash(parent, name))
  }

  // MARK: -

  private func link(_ dentry: Dentry, _ hash: UInt32) {
    if count >= buckets.count { grow() }
    dentry.hash = hash
    dentry.isCached = true
    let kept = Unmanaged.passRetained(dentry)
    let bucket = Int(hash & mask)
    dentry.nextInBucket = buckets[bucket]
    buckets[bucket] = kept
    dentry.colder = hottest
    dentry.hotter = nil
    hottest?._withUnsafeGuaranteedRef { $0.hotter = kept }
    hottest = kept
    if coldest == nil { coldest = kept }
    if dentry.inode == nil, let parent = dentry.parent {
      dentry.previousNegative = nil
      dentry.negatives = parent.negatives
      parent.negatives?._withUnsafeGuaranteedRef { $0.previousNegative = kept }
      parent.negatives = kept
    }
    count += 1
  }

  private func unlinkFromNegatives(_ dentry: Dentry) {
    if let previous = dentry.previousNegative {
      previous._withUnsafeGuaranteedRef { $0.negatives = dentry.negatives }
    } else {
      dentry.parent?.negatives = dentry.negatives
    }
    dentry.negatives?._withUnsafeGuaranteedRef { $0.previousNegative = dentry.previousNegative }
    dentry.negatives = nil
    dentry.previousNegative = nil
  }

  private func unlinkFromBucket(_ dentry: Dentry) {
    let bucket = Int(dentry.hash & mask)
    let this = Unmanaged.passUnretained(dentry).toOpaque()
    if buckets[bucket]?.toOpaque() == this {
      buckets[bucket] = dentry.nextInBucket
    } else {
      var next = buckets[bucket]
      while let candidate = next {
        next = candidate._withUnsafeGuaranteedRef { before in
          if before.nextInBucket?.toOpaque() == this {
            before.nextInBucket = dentry.nextInBucket
            return nil
          }
          return before.nextInBucket
        }
      }
    }
    dentry.nextInBucket = nil
  }

  private func unlinkFromList(_ dentry: Dentry) {
    if let hotter = dentry.hotter {
      hotter._withUnsafeGuaranteedRef { $0.colder = dentry.colder }
    } else {
      hottest = dentry.colder
    }
    if let colder = dentry.colder {
      colder._withUnsafeGuaranteedRef { $0.hotter = dentry.hotter }
    } else {
      coldest = dentry.hotter
    }
    dentry.hotter = nil
    dentry.colder = nil
  }

  private func grow() {
    let old = buckets
    let new = UnsafeMutableBufferPointer<Unmanaged<Dentry>?>.allocate(capacity: old.count * 2)
    new.initialize(repeating: nil)
    let newMask = UInt32(truncatingIfNeeded: new.count - 1)
    for head in old {
      var next = head
      while let dentry = next {
        next = dentry._withUnsafeGuaranteedRef { entry in
          let following = entry.nextInBucket
          let bucket = Int(entry.hash & newMask)
          entry.nextInBucket = new[bucket]
          new[bucket] = dentry
          return following
        }
      }
    }
    old.deallocate()
    buckets = new
    mask = newMask
  }

  /// Drops from the cold end what nothing else holds. What was used since it was last looked at goes back to the hot end (a
  /// second chance), so a hit costs one store and no list surgery.
  ///
  /// Few are looked at for each name that comes: no call waits for a long clearing, and where nearly all are held the
  /// looking costs little.
  private func trim(steps: Int = 8) {
    var steps = steps
    while count > bound, steps > 0, let candidate = coldest {
      steps -= 1
      var dentry = candidate.takeUnretainedValue()
      let wasReferenced = dentry.isReferenced
      dentry.isReferenced = false
      if !wasReferenced {
        // The cache's own reference is released for the moment, to see whether it was the only other one.
        candidate.release()
        let isAlone = isKnownUniquelyReferenced(&dentry)
        _ = candidate.retain()
        if isAlone {
          remove(dentry)
          continue
        }
      }
      unlinkFromList(dentry)
      dentry.colder = hottest
      hottest?._withUnsafeGuaranteedRef { $0.hotter = candidate }
      hottest = candidate
      if coldest == nil { coldest = candidate }
    }
  }
}
