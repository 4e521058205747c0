// Places of bound Unix sockets end with their sockets, as the kernel's list tells.

import LinuxABI
import TestSupport
import Testing
import VFS

@testable import Sentry

struct SocketPlacesTests {
  private final class Node: Inode {}
  private final class Nowhere: Filesystem {}

  @Test func whatIsNotListedIsForgotten() {
    let budget = MemoryBudget(limit: 1 << 20)
    let places = SocketPlaces(budget)
    let filesystem = Nowhere(typeName: "nowhere")
    func node(_ number: UInt64) -> Inode {
      Node(filesystem: filesystem, type: .socket, number: number, permissions: [], owner: 0, group: 0)
    }
    let (kept, gone, stored) = (node(1), node(2), node(3))
    for (inode, address, number) in [
      (kept, [0] + Array("vedette-a".utf8), nil), (gone, [0] + Array("vedette-b".utf8), nil),
      (stored, Array("/proc/self/fd/5/1/2".utf8) + [0], 0x21),
    ] as [(Inode, [UInt8], UInt64?)] {
      places.enter(.init(inode: inode, address: address, guestPath: [0x2f], type: 1, number: number))
    }
    #expect(budget.used == 3 * MemoryCost.socket)
    let list = """
      Num       RefCount Protocol Flags    Type St Inode Path
      0000000000000000: 00000002 00000000 00010000 0001 01 1234 @vedette-a
      0000000000000000: 00000003 00000000 00000000 0001 03 1235

      """
    var removed: [UInt64] = []
    places.sweep(Array(list.utf8)) { removed.append($0) }
    #expect(places.place(of: kept) != nil && places.place(of: gone) == nil && places.place(of: stored) == nil)
    #expect(removed == [0x21])
    #expect(budget.used == MemoryCost.socket)
  }
}
