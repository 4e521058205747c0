// The descriptors of hot store files. Direct-mapped by file number: numbers are given in sequence, so files in use at the
// same time fall into different slots. A slot keeps a descriptor only for a file that was asked for twice with no
// other between, so a walk over a million cold files opens nothing.

import Kernel
import LinuxABI

/// A bounded set of O_PATH descriptors by file number.
struct DescriptorCache: ~Copyable {
  enum Finding {
    /// A descriptor, owned by the cache.
    case hit(CInt)
    /// No descriptor, but the file was the last one asked for here.
    case warm
    case cold
  }

  private struct Slot {
    var number: UInt64 = 0
    /// -1 if none is kept.
    var descriptor: CInt = -1
  }

  private var slots: [Slot]

  init(capacity: Int) { slots = [Slot](repeating: Slot(), count: max(1, capacity)) }

  deinit {
    for slot in slots where slot.descriptor >= 0 { _ = OwnedDescriptor(slot.descriptor) }
  }

  private func index(_ number: UInt64) -> Int { Int(number % UInt64(slots.count)) }

  mutating func find(_ number: UInt64) -> Finding {
    let index = index(number)
    if slots[index].number == number {
      return slots[index].descriptor >= 0 ? .hit(slots[index].descriptor) : .warm
    }
    if slots[index].descriptor >= 0 { _ = OwnedDescriptor(slots[index].descriptor) }
    slots[index] = Slot(number: number, descriptor: -1)
    return .cold
  }

  /// - Precondition: `find` has just answered `.warm` for `number`.
  mutating func keep(_ number: UInt64, _ descriptor: consuming OwnedDescriptor) {
    let index = index(number)
    if slots[index].descriptor >= 0 { _ = OwnedDescriptor(slots[index].descriptor) }
    slots[index] = Slot(number: number, descriptor: descriptor.release())
  }

  mutating func forget(_ number: UInt64) {
    let index = index(number)
    guard slots[index].number == number else { return }
    if slots[index].descriptor >= 0 { _ = OwnedDescriptor(slots[index].descriptor) }
    slots[index] = Slot()
  }
}
