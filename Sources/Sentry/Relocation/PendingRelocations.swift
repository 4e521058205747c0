// Relocations between the copy-up that causes them and the move. Everything here is under the tree lock, but `settle` and
// what it gives to the platform, which hold no lock.

import Gate
import LinuxABI
import MemoryMap
public import VFS

extension SentryState {
  /// The content of `file` has moved from `lower` to `upper`: to be called from the overlay's hook, under the tree lock.
  ///
  /// Nothing is due unless some guest may hold the lower file: it has been opened and not been swept since, or some
  /// address space is recorded to map it, or some process is about to execute it.
  public func contentMoved(of file: Inode, from lower: Inode, to upper: Inode) {
    notifier?.contentMoved(of: file, to: upper)
    do throws(Errno) {
      let lowerFile = try lower.translate(required: 0..<4096, optional: 0..<4096, access: .read).takeFile()
      let identity = BackingIdentity(try Host.stat(lowerFile.rawValue))
      let node = registry.node(identity)
      let isMapped = !file.recordedMappings.isEmpty
      let plans = tasks.values.compactMap(\.execPlan)
      guard node != nil || isMapped || !plans.isEmpty || registry.hasForgotten(identity) else { return }
      // Opened once and closed again: the most frequent case, and the tracer thread need not hear of it. While the tracer
      // serves a call, the (one) notify worker may be giving a descriptor of the lower file to a guest at this moment.
      if currentGate == .notify, !isMapped, plans.isEmpty, !isOpen(identity) { return }
      let upperFile = try upper.translate(required: 0..<4096, optional: 0..<4096, access: .read).takeFile()
      notifier?.willClose(upperFile.rawValue)
      for plan in plans {
        // One that cannot be opened anew goes on with what it has, as below.
        do throws(Errno) { try plan.contentMoved(from: identity, to: upperFile.rawValue) } catch {}
      }
      if let node { try registry.register(upperFile.rawValue, node.position, node.inode) }
      if isMapped { for task in tasks.values { task.space.invalidate(file.mappableIdentity) } }
      pendingRelocations.append(
        Relocation(
          of: file.mappableIdentity, from: identity, lowerFile: lowerFile, upperFile: upperFile,
          filters: guestFilters))
    } catch {
      // A file that cannot be read again was not copied up either; without descriptors to spare nothing can be moved.
    }
  }

  /// The kernel's list of what `thread` has mapped of a file takes the record's place. Of a task that is being born there is
  /// none yet.
  func reconcile(_ file: FileIdentity, of thread: ThreadID, with list: [KernelMapping]) {
    guard let space = tasks[thread]?.space else { return }
    let places = list.map { $0.mapping(in: space.number) }
    guard let mappable = space.mappables[file] else {
      if !places.isEmpty { mappingCheck?.differ(thread, "maps a file that is moved and was not recorded") }
      return
    }
    if let mappingCheck {
      for place in places where !mappable.recordedMappings.expects(place) {
        mappingCheck.differ(thread, "maps \(place), which was not recorded")
      }
    }
    space.reconcile(file, with: places)
  }

  /// Whoever shares both the descriptor table and the address space: one of them is enough to work on both.
  struct Holders: Sendable {
    var threads: [ThreadID]
    var mayMap: Bool
  }

  /// The relocations that have not been begun, each with who holds the file. They are the caller's to carry out.
  func beginRelocations() -> [(Relocation, [Holders])] {
    let relocations = pendingRelocations
    pendingRelocations = []
    return relocations.map { ($0, holders(of: $0.file, $0.lower)) }
  }

  private struct HolderKey: Hashable {
    var table: ObjectIdentifier
    var space: ObjectIdentifier
  }

  private func holders(of file: FileIdentity, _ lower: BackingIdentity) -> [Holders] {
    var groups: [HolderKey: [Task]] = [:]
    for task in tasks.values {
      groups[HolderKey(table: ObjectIdentifier(task.descriptors), space: ObjectIdentifier(task.space)), default: []]
        .append(task)
    }
    var opened: [ObjectIdentifier: Bool] = [:]
    return groups.compactMap { (key, tasks) in
      guard let table = tasks.first?.descriptors, let space = tasks.first?.space else { return nil }
      // The descriptors are looked for when it is stopped.
      if space.mayMap(file) { return Holders(threads: tasks.map(\.thread), mayMap: true) }
      let isOpen = opened[key.table] ?? table.mayHold(lower)
      opened[key.table] = isOpen
      return isOpen ? Holders(threads: tasks.map(\.thread), mayMap: false) : nil
    }
  }

  private func isOpen(_ file: BackingIdentity) -> Bool {
    var seen: Set<ObjectIdentifier> = []
    return tasks.values.contains { task in
      seen.insert(ObjectIdentifier(task.descriptors)).inserted && task.descriptors.mayHold(file)
    }
  }
}

extension DescriptorTable {
  /// True also if the table cannot be read: then its process is on its way out, or in.
  fileprivate func mayHold(_ file: BackingIdentity) -> Bool {
    do throws(Errno) {
      for number in try numbers() {
        do throws(Errno) {
          if BackingIdentity(try stat(number)) == file { return true }
        } catch {
          // Closed meanwhile.
        }
      }
      return false
    } catch {
      return true
    }
  }
}

extension Sentry {
  /// Carries out what copy-up has made necessary. Nothing that was handled may be answered before.
  ///
  /// The list is taken on the tracer thread, which does one thing at a time: when this returns, every relocation that was
  /// pending at the call has been done, by whomever.
  func settle() {
    guard let control else {
      // Unit tests: there is nobody to move.
      _ = beginRelocations()
      return
    }
    control.withStoppedGuests { guests in
      for (relocation, holders) in self.beginRelocations() {
        guests.stop(holders.flatMap { $0.threads })
        for group in holders {
          let mayMap = group.mayMap
          if let guest = guests.injectable(among: group.threads) {
            relocation.perform(in: guest, mapped: mayMap, for: self)
          } else {
            guests.later(group.threads) { relocation.perform(in: $0, mapped: mayMap, for: self) }
          }
        }
        guests.laterInUnknown { relocation.perform(in: $0, mapped: true, for: self) }
      }
    }
  }
}
