// Entries of bound Unix sockets end with their sockets, as the kernel's list shows.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import Sentry

struct SocketRegistryTests {
  private final class Node: Inode {}
  private final class Nowhere: Filesystem {}

  @Test func whatIsNotListedIsForgotten() throws {
    let scratch = try Scratch(memory: 1 << 20)
    let budget = scratch.store.budget
    let used = budget.used
    let registry = SocketRegistry(scratch.store, abstractNamesAreScoped: true)
    let place = try registry.newAddress(isAbstract: false)
    let filesystem = Nowhere(typeName: "nowhere")
    func node(_ number: UInt64) -> Inode {
      Node(filesystem: filesystem, type: .socket, number: number, permissions: [], owner: 0, group: 0)
    }
    let (kept, gone, stored) = (node(1), node(2), node(3))
    for (inode, address, number) in [
      (kept, [0] + Array("vedette-a".utf8), nil), (gone, [0] + Array("vedette-b".utf8), nil),
      (stored, place.address, place.number),
    ] as [(Inode, [UInt8], UInt64?)] {
      registry.enter(.init(inode: inode, address: address, guestPath: [0x2f], type: .stream, number: number))
    }
    #expect(budget.used == used + 3 * MemoryCost.socket)
    let list = """
      Num       RefCount Protocol Flags    Type St Inode Path
      0000000000000000: 00000002 00000000 00010000 0001 01 1234 @vedette-a
      0000000000000000: 00000003 00000000 00000000 0001 03 1235

      """
    // The file of a socket that exists no more; bind(2) has made it.
    let path = String(decoding: place.address.dropLast(), as: UTF8.self)
    _ = try Host.openTrusted(path, [.create, .writeOnly])
    registry.sweep(Array(list.utf8))
    #expect(registry.entry(of: kept) != nil && registry.entry(of: gone) == nil && registry.entry(of: stored) == nil)
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try Host.openTrusted(path, []) }
    #expect(budget.used == used + MemoryCost.socket)
  }

  /// A guest that has used up its room can ask for a sweep with every bind.
  @Test func sweepsWithoutRoomTakeAPartOfTheTime() throws {
    let scratch = try Scratch(memory: 1 << 20)
    final class Time { var now: UInt64 = 1000 }
    let time = Time()
    // Each look at the clock finds it later: a sweep takes 10.
    let registry = SocketRegistry(scratch.store, abstractNamesAreScoped: true) {
      time.now += 10
      return time.now
    }
    let filesystem = Nowhere(typeName: "nowhere")
    func enter(_ number: UInt64) {
      let inode = Node(filesystem: filesystem, type: .socket, number: number, permissions: [], owner: 0, group: 0)
      let name = [0] + Array("vedette-gone-\(number)".utf8)
      registry.enter(.init(inode: inode, address: name, guestPath: [0x2f], type: .stream, number: nil))
    }
    let thread = ThreadID(getpid())
    let full = scratch.store.budget.limit * 2
    scratch.store.budget.take(full)
    defer { scratch.store.budget.giveBack(full) }
    enter(1)
    #expect(throws: Errno.noSpace) { try registry.makeRoom(askedThrough: thread) }
    #expect(registry.count == 0)
    enter(2)
    #expect(throws: Errno.noSpace) { try registry.makeRoom(askedThrough: thread) }
    #expect(registry.count == 1)
    time.now += 150
    #expect(throws: Errno.noSpace) { try registry.makeRoom(askedThrough: thread) }
    #expect(registry.count == 0)
  }
}
