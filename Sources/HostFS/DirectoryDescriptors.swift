// Open directories of the host: a bounded cache, because a descriptor for each known directory would run into
// RLIMIT_NOFILE. What is not open is opened beneath its nearest open ancestor, in one openat2 as a rule.

import Kernel
import LinuxABI

/// O_PATH descriptors of directories, at most `capacity` of them as long as not more are in use at once.
///
/// A slot in use is pinned. The root has slot 0 and keeps it. Eviction is by CLOCK: a slot that was used since the hand
/// last passed is spared once. A directory whose name has gone has no slot: it keeps its descriptor itself (`held`), so
/// that the hand passes over nothing that cannot be freed.
final class DirectoryDescriptors {
  private struct Slot {
    var descriptor: CInt
    /// nil when free. The directory knows its slot and gives it back when it ends.
    var owner: Unmanaged<HostDirectory>?
    var isReferenced = true
    var pins = 0
  }

  private var slots: [Slot]
  private var free: [Int] = []
  private var hand = 1
  private let capacity: Int

  /// Places in the table, free ones too: what an eviction may have to look at.
  var count: Int { slots.count }

  /// Takes over the descriptor of the root.
  init(root: CInt, capacity: Int) {
    slots = [Slot(descriptor: root, owner: nil, pins: 1)]
    self.capacity = max(capacity, 4)
  }

  deinit {
    for slot in slots where slot.descriptor >= 0 { _ = OwnedDescriptor(slot.descriptor) }
  }

  /// Calls `body` with a descriptor of `directory`, valid for that call.
  func with<T: ~Copyable>(_ directory: HostDirectory, _ body: (CInt) throws(Errno) -> T) throws(Errno) -> T {
    if directory.held >= 0 { return try body(directory.held) }
    if directory.slot < 0 { try open(directory) }
    let index = directory.slot
    slots[index].isReferenced = true
    slots[index].pins += 1
    defer { slots[index].pins -= 1 }
    return try body(slots[index].descriptor)
  }

  /// The descriptor of `directory`, which is the caller's from now on: its name is about to go.
  func take(_ directory: HostDirectory) throws(Errno) -> OwnedDescriptor {
    if directory.slot < 0 { try open(directory) }
    let index = directory.slot
    // The root stays, and what is in use: those who use it have the number.
    if slots[index].pins > 0 { return try Host.duplicate(slots[index].descriptor) }
    let descriptor = slots[index].descriptor
    directory.slot = -1
    slots[index] = Slot(descriptor: -1, owner: nil)
    free.append(index)
    return OwnedDescriptor(descriptor)
  }

  /// The descriptor of `directory` if it is open.
  func descriptor(of directory: HostDirectory) -> CInt? {
    if directory.held >= 0 { return directory.held }
    return directory.slot < 0 ? nil : slots[directory.slot].descriptor
  }

  /// `directory` ends.
  func release(_ directory: HostDirectory) {
    guard directory.slot > 0 else { return }
    let index = directory.slot
    directory.slot = -1
    close(index)
  }

  private func close(_ index: Int) {
    _ = OwnedDescriptor(slots[index].descriptor)
    slots[index] = Slot(descriptor: -1, owner: nil)
    free.append(index)
  }

  /// How far apart the ancestors stand that are kept open on the way to a deep directory: the nearest ones; of those
  /// beyond, each twice as far as the one before, so that a climb from depth N begins at the root log N times.
  private static let landmarkDistance = 32

  private static func isLandmark(_ index: Int) -> Bool {
    guard index > 0, index % landmarkDistance == 0 else { return false }
    let number = index / landmarkDistance
    return number < 8 || number & (number - 1) == 0
  }

  /// The paths of a tree 2,000 deep can be longer than PATH_MAX: then it goes in several steps. A step crosses no mount, so
  /// one that has come over a directory since it was looked at is not entered; the root of a mount that is shown is opened
  /// by itself.
  ///
  /// - Throws: ESTALE if another mount is there now.
  private func open(_ directory: HostDirectory) throws(Errno) {
    var chain: [HostDirectory] = []
    var base = directory
    while self.descriptor(of: base) == nil {
      chain.append(base)
      guard let parent = base.parent else { throw .noSuchFileOrDirectory }
      base = parent
    }
    guard var current = self.descriptor(of: base) else { throw .noSuchFileOrDirectory }
    var step: OwnedDescriptor?
    var path: [UInt8] = []
    path.reserveCapacity(256)
    for (index, next) in chain.enumerated().reversed() {
      if !path.isEmpty { path.append(0x2f) }
      path += next.name
      let isLandmark = Self.isLandmark(index)
      let isBeforeMount = index > 0 && chain[index - 1].isMountRoot
      if path.count > 3500 || isLandmark || next === directory || next.isMountRoot || isBeforeMount {
        let opened = try Self.step(path, in: current, to: next)
        current = opened.rawValue
        if isLandmark {
          // Kept for whoever climbs back from here, step by step: each step up would begin at the root again.
          enter(next, opened.release())
          step = nil
        } else {
          step = consume opened
        }
        path.removeAll(keepingCapacity: true)
      }
    }
    guard let last = step.take() else { throw .noSuchFileOrDirectory }
    enter(directory, last.release())
  }

  private static func step(_ path: [UInt8], in descriptor: CInt, to directory: HostDirectory) throws(Errno)
    -> OwnedDescriptor
  {
    do throws(Errno) {
      return try path.withCString { path throws(Errno) in
        guard directory.isMountRoot else {
          return try Host.open(
            path, in: descriptor, [.path, .directory, .noFollow],
            resolve: [.beneath, .noMagicLinks, .noSymlinks, .noCrossDevice])
        }
        let opened = try Host.open(path, in: descriptor, [.path, .directory, .noFollow])
        try directory.host.verify(opened.rawValue, at: path, in: descriptor, is: directory)
        return opened
      }
    } catch {
      throw error == .improperLink ? Errno.staleNFSFileHandle : error
    }
  }

  private func enter(_ directory: HostDirectory, _ descriptor: CInt) {
    let slot = Slot(descriptor: descriptor, owner: Unmanaged.passUnretained(directory))
    if free.isEmpty && slots.count >= capacity { evict() }
    if let index = free.popLast() {
      slots[index] = slot
      directory.slot = index
    } else {
      directory.slot = slots.count
      slots.append(slot)
    }
  }

  /// Frees one slot that is not in use; none if all are in use.
  private func evict() {
    for _ in 0..<(2 * slots.count) {
      if hand >= slots.count { hand = 1 }
      let index = hand
      hand += 1
      guard index < slots.count, slots[index].pins == 0, let owner = slots[index].owner else { continue }
      if slots[index].isReferenced {
        slots[index].isReferenced = false
        continue
      }
      owner.takeUnretainedValue().slot = -1
      close(index)
      return
    }
  }
}
