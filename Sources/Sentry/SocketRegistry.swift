// Which kernel address stands for the path that a guest has bound a Unix socket to. An entry is of use as long as the
// socket lives, and the kernel sends no word of its end: from time to time its list of Unix sockets (`man 5 proc`,
// /proc/PID/net/unix) says which are left. A name whose socket has gone refuses connections, as on any file system.

import Gate
import Kernel
import KernFS
import LinuxABI
import VFS

/// The sockets that guests have bound to paths.
final class SocketRegistry {
  struct Entry {
    /// Held, so that the identity stays unique.
    let inode: Inode
    /// The kernel's address without its family: an abstract name, or a path of ours with its NUL.
    let address: [UInt8]
    /// What the guest bound, as `getsockname` shows it.
    let guestPath: [UInt8]
    let type: SocketType
    /// The socket file in the store, if the address is its path.
    let number: UInt64?
  }
  private var byInode: [ObjectIdentifier: Entry] = [:]
  private var byAddress: [[UInt8]: Entry] = [:]
  private var charge: MemoryCharge
  private var sweepAt = 64
  /// When a bind that finds no room may sweep again, by `clock`.
  private var nextSweep: UInt64 = 0
  private let clock: () -> UInt64

  /// Abstract names end at the sandbox: a network namespace of its own, or Landlock's scope.
  let abstractNamesAreScoped: Bool
  private let store: BackingStore

  /// - Parameter clock: nanoseconds that pass, as `MonotonicClock.now`.
  init(_ store: BackingStore, abstractNamesAreScoped: Bool, clock: @escaping () -> UInt64 = MonotonicClock.now) {
    self.store = store
    self.clock = clock
    self.abstractNamesAreScoped = abstractNamesAreScoped
    charge = MemoryCharge(store.budget)
  }

  var count: Int { byAddress.count }

  func entry(of inode: Inode) -> Entry? { byInode[ObjectIdentifier(inode)] }
  func entry(at address: [UInt8]) -> Entry? { byAddress[address] }

  /// A kernel address for a new socket, without its family: an abstract name where the network namespace, or at least
  /// Landlock, keeps it among guests, so that they connect natively and see each other's credentials; else the path of a file
  /// in the store.
  func newAddress(isAbstract: Bool) throws(Errno) -> (address: [UInt8], number: UInt64?) {
    if isAbstract {
      return ([0] + Array("vedette-\(String(UInt64.random(in: 0...UInt64.max), radix: 16))".utf8), nil)
    }
    let number = try store.reserveSocketNumber()
    return (store.path(of: number) + [0], number)
  }

  func enter(_ entry: Entry) {
    charge.add(MemoryCost.socket)
    byInode[ObjectIdentifier(entry.inode)] = entry
    byAddress[entry.address] = entry
  }

  /// Before a socket is entered: those that exist no more are forgotten when there are many, or when there is no room. A guest
  /// whose room is taken by other things can ask for the latter with every bind: sweeping takes a sixteenth of the time at most.
  /// `thread` is in the network namespace of the guests.
  ///
  /// - Throws: `.noSpace`.
  func makeRoom(askedThrough thread: ThreadID) throws(Errno) {
    let isWorthIt = byAddress.count >= sweepAt || !charge.hasRoom(for: MemoryCost.socket) && clock() >= nextSweep
    if isWorthIt && !byAddress.isEmpty {
      let start = clock()
      sweep(askedThrough: thread)
      let end = clock()
      nextSweep = end.addingClamped((end - min(start, end)).multipliedClamped(by: 15))
    }
    if !charge.hasRoom(for: MemoryCost.socket) { throw .noSpace }
  }

  /// What cannot be asked is no reason to forget any.
  private func sweep(askedThrough thread: ThreadID) {
    do throws(Errno) { sweep(try Host.readFile("/proc/\(thread)/net/unix")) } catch {}
  }

  /// Forgets the sockets that are not in the kernel's list, and removes their files in the store.
  func sweep(_ list: [UInt8]) {
    let living = Self.addresses(list)
    for entry in byAddress.values where !living.contains(Self.shown(entry.address)) {
      byAddress[entry.address] = nil
      byInode[ObjectIdentifier(entry.inode)] = nil
      charge.add(-MemoryCost.socket)
      if let number = entry.number { store.remove(number) }
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
