// Devices below host mount points: inode numbers of several devices in one tree differ in their upper bits, which
// must be the same in the next run over the same upper directory, whatever is met first.

import Kernel
import LinuxABI

/// The place of each device among the 511 that the upper bits can name.
///
/// A device is known by what outlasts a reboot: its number if it is a true one, else its first mount point. Its place is a
/// hash of that; all mounted devices get their places at once, in a fixed order, so that those that collide do so in the same
/// way in each run.
struct OtherDevices {
  private var places: [UInt64: UInt64] = [:]
  private var taken: Set<UInt64> = []

  init() {
    var keys: [UInt64: [UInt8]] = [:]
    // Without the list the numbers are those of the order they are met in.
    for mount in (try? MountInfo.all()) ?? [] {
      guard let device = mount.device else { continue }
      if keys[device] == nil { keys[device] = [UInt8](device >> 32 == 0 ? mount.mountPoint : mount.deviceText) }
    }
    let sorted = keys.sorted { $0.value.lexicographicallyPrecedes($1.value) }
    for (device, key) in sorted { place(device, key) }
  }

  /// From 1 on; a device that is in no list of mounts (a subvolume of btrfs) gets its place when it is met.
  mutating func index(of device: UInt64) -> UInt64 {
    if let place = places[device] { return place }
    return place(device, [UInt8](String(device).utf8))
  }

  @discardableResult
  private mutating func place(_ device: UInt64, _ key: [UInt8]) -> UInt64 {
    let hash = Name.with(key) { $0.hash }
    var place = 1 + hash % 511
    // Beyond 511 devices numbers can be the same.
    if taken.count < 511 {
      while taken.contains(place) { place = 1 + place % 511 }
    }
    taken.insert(place)
    places[device] = place
    return place
  }
}
