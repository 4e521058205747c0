// Devices below host mount points: inode numbers of several devices in one tree differ in their upper bits, which
// must be the same in the next run over the same upper directory, whatever is met first.

import Kernel
import LinuxABI

/// The slot of each device among the 511 that the upper bits can name.
///
/// A device is known by what outlasts a reboot: its number if it is a true one, else its first mount point. Its slot is a
/// hash of that; all mounted devices get their slots at once, in a fixed order, so that those that collide do so in the same
/// way in each run.
struct OtherDevices {
  private var slots: [UInt64: UInt64] = [:]
  private var taken: Set<UInt64> = []

  init() {
    var keys: [UInt64: [UInt8]] = [:]
    // Without the list the numbers are those of the order they are met in.
    for mount in (try? MountInfo.all()) ?? [] {
      guard let device = mount.device else { continue }
      if keys[device] == nil { keys[device] = [UInt8](device >> 32 == 0 ? mount.mountPoint : mount.deviceText) }
    }
    let sorted = keys.sorted { $0.value.lexicographicallyPrecedes($1.value) }
    for (device, key) in sorted { assign(device, key) }
  }

  /// From 1 on; a device that is in no list of mounts (a subvolume of btrfs) gets its slot when it is met.
  mutating func index(of device: UInt64) -> UInt64 {
    if let slot = slots[device] { return slot }
    return assign(device, [UInt8](String(device).utf8))
  }

  @discardableResult
  private mutating func assign(_ device: UInt64, _ key: [UInt8]) -> UInt64 {
    let hash = Name.with(key) { $0.hash }
    var slot = 1 + hash % 511
    // Beyond 511 devices numbers can be the same.
    if taken.count < 511 {
      while taken.contains(slot) { slot = 1 + slot % 511 }
    }
    taken.insert(slot)
    slots[device] = slot
    return slot
  }
}
