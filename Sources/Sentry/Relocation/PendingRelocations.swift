// Relocations between the copy-up that causes them and the move. Everything here is under the tree lock, but `settle` and
// what it gives to the platform, which hold no lock.

import Gate
import LinuxABI
import MemoryMap
public import VFS

extension SentryState {
  /// The content of a file has moved from `lower` to `upper`: to be called from the overlay's hook, under the tree lock.
  ///
  /// Nothing is recorded unless some guest may hold the lower file: it has been opened and not been swept since, or some
  /// address space may map it.
  public func contentMoved(from lower: Inode, to upper: Inode) {
    do throws(Errno) {
      let lowerFile = try lower.open([.largeFile])
      let identity = BackingIdentity(try Host.stat(lowerFile.rawValue))
      let file = FileIdentity(device: identity.device, number: identity.number)
      let node = registry.node(identity)
      guard node != nil || tasks.values.contains(where: { $0.space.mayMap(file) }) else { return }
      // Opened once and closed again: the most frequent case, and the tracer thread need not hear of it. While the tracer
      // serves a call, the (one) notify worker may be giving a descriptor of the lower file to a guest at this moment.
      if currentGate == .notify, holders(of: file).isEmpty { return }
      let upperFile = try upper.open([.largeFile])
      if let node { try registry.register(upperFile.rawValue, node.position, node.inode) }
      pendingRelocations.append(
        Relocation(lower: file, lowerFile: lowerFile, upperFile: upperFile, filters: guestFilters))
    } catch {
      // A file that cannot be read again was not copied up either; without descriptors to spare nothing can be moved.
    }
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
    return relocations.map { ($0, holders(of: $0.lower)) }
  }

  private struct HolderKey: Hashable {
    var table: ObjectIdentifier
    var space: ObjectIdentifier
  }

  private func holders(of file: FileIdentity) -> [Holders] {
    var groups: [HolderKey: [Task]] = [:]
    for task in tasks.values {
      groups[HolderKey(table: ObjectIdentifier(task.descriptors), space: ObjectIdentifier(task.space)), default: []]
        .append(task)
    }
    var opened: [ObjectIdentifier: Bool] = [:]
    return groups.compactMap { (key, tasks) in
      guard let table = tasks.first?.descriptors, let space = tasks.first?.space else { return nil }
      let isOpen = opened[key.table] ?? table.mayHold(file)
      opened[key.table] = isOpen
      let mayMap = space.mayMap(file)
      return isOpen || mayMap ? Holders(threads: tasks.map(\.thread), mayMap: mayMap) : nil
    }
  }
}

extension DescriptorTable {
  /// True also if the table cannot be read: then its process is on its way out, or in.
  fileprivate func mayHold(_ file: FileIdentity) -> Bool {
    do throws(Errno) {
      for number in try numbers() {
        do throws(Errno) {
          let status = try stat(number)
          if UInt64(status.st_ino) == file.number, UInt64(status.st_dev) == file.device { return true }
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
            relocation.perform(in: guest, mapped: mayMap)
          } else {
            guests.later(group.threads) { relocation.perform(in: $0, mapped: mayMap) }
          }
        }
        guests.laterInUnknown { relocation.perform(in: $0, mapped: true) }
      }
    }
  }
}
