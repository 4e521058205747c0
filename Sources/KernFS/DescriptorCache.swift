// The descriptors of hot store files. Direct-mapped by file number: numbers are given in sequence, so files in use at the
// same time fall into different places. A place keeps a descriptor only for a file that was asked for twice with nobody
// else between, so a walk over a million cold files opens nothing.

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

  private struct Place {
    var number: UInt64 = 0
    /// -1 if none is kept.
    var descriptor: CInt = -1
  }

  private var places: [Place]

  init(capacity: Int) { places = [Place](repeating: Place(), count: max(1, capacity)) }

  deinit {
    for place in places where place.descriptor >= 0 { _ = OwnedDescriptor(place.descriptor) }
  }

  private func index(_ number: UInt64) -> Int { Int(number % UInt64(places.count)) }

  mutating func find(_ number: UInt64) -> Finding {
    let index = index(number)
    if places[index].number == number {
      return places[index].descriptor >= 0 ? .hit(places[index].descriptor) : .warm
    }
    if places[index].descriptor >= 0 { _ = OwnedDescriptor(places[index].descriptor) }
    places[index] = Place(number: number, descriptor: -1)
    return .cold
  }

  /// - Precondition: `find` has just answered `.warm` for `number`.
  mutating func keep(_ number: UInt64, _ descriptor: consuming OwnedDescriptor) {
    let index = index(number)
    if places[index].descriptor >= 0 { _ = OwnedDescriptor(places[index].descriptor) }
    places[index] = Place(number: number, descriptor: descriptor.release())
  }

  mutating func forget(_ number: UInt64) {
    let index = index(number)
    guard places[index].number == number else { return }
    if places[index].descriptor >= 0 { _ = OwnedDescriptor(places[index].descriptor) }
    places[index] = Place()
  }
}
