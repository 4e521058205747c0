// Which kernel address stands for the path that a guest has bound a Unix socket to. An entry is of use as long as the
// socket lives, and the kernel sends no word of its end: from time to time its list of Unix sockets (`man 5 proc`,
// /proc/PID/net/unix) says which are left. A name whose socket has gone refuses connections, as on any file system.

import CLinux
import KernFS
import LinuxABI
import VFS

/// The sockets that guests have bound to paths.
final class SocketPlaces {
  struct Place {
    /// Held, so that the identity stays unique.
    let inode: Inode
    /// The kernel's address without its family: an abstract name, or a path of ours with its NUL.
    let address: [UInt8]
    /// What the guest bound, as `getsockname` shows it.
    let guestPath: [UInt8]
    /// SOCK_STREAM, SOCK_DGRAM or SOCK_SEQPACKET.
    let type: CInt
    /// The place in the store, if the address is one.
    let number: UInt64?
  }
  private var byInode: [ObjectIdentifier: Place] = [:]
  private var byAddress: [[UInt8]: Place] = [:]
  private var charge: MemoryCharge
  private var sweepAt = 64

  init(_ budget: MemoryBudget) { charge = MemoryCharge(budget) }

  var count: Int { byAddress.count }
  var isSweepDue: Bool { byAddress.count >= sweepAt }
  var hasRoom: Bool { charge.hasRoom(for: MemoryCost.socket) }

  func enter(_ place: Place) {
    charge.add(MemoryCost.socket)
    byInode[ObjectIdentifier(place.inode)] = place
    byAddress[place.address] = place
  }

  func place(of inode: Inode) -> Place? { byInode[ObjectIdentifier(inode)] }
  func place(at address: [UInt8]) -> Place? { byAddress[address] }

  /// Forgets the sockets that are not in the kernel's list. `remove` is given the places in the store that are free now.
  func sweep(_ list: [UInt8], remove: (UInt64) -> Void) {
    let living = Self.addresses(list)
    for place in byAddress.values where !living.contains(Self.shown(place.address)) {
      byAddress[place.address] = nil
      byInode[ObjectIdentifier(place.inode)] = nil
      charge.add(-MemoryCost.socket)
      if let number = place.number { remove(number) }
    }
    sweepAt = max(64, byAddress.count * 2)
  }

  /// The last column of each line, which unbound sockets lack.
  static func addresses(_ list: [UInt8]) -> Set<[UInt8]> {
    var result: Set<[UInt8]> = []
    for line in list.split(separator: 0x0a) {
      let columns = line.split(separator: 0x20, maxSplits: 7)
      if columns.count == 8 { result.insert([UInt8](columns[7])) }
    }
    return result
  }

  /// An address as the list has it: a path without its NUL, an abstract name with `@` for its first byte.
  static func shown(_ address: [UInt8]) -> [UInt8] {
    address.first == 0 ? [0x40] + address.dropFirst() : [UInt8](address.prefix { $0 != 0 })
  }
}

extension SentryState {
  /// Forgets bound sockets that exist no more. What cannot be asked is no reason to forget any.
  func sweepSocketPlaces(_ task: Task) {
    do throws(Errno) {
      let list = try Host.readFile("/proc/\(task.thread)/net/unix")
      socketPlaces.sweep(list) { store.remove($0) }
    } catch {}
  }
}
