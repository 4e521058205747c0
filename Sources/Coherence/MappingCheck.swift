// A check for tests: the record of who maps what is compared with the kernel's own list, at each mmap of a file and at each
// remap. It costs a reading of the list each time, and is off unless the caller asks for it (Vedette/Sandbox.swift).

import Gate
import Kernel
import LinuxABI
import VFS

/// Compares and counts. Used under the tree lock.
public final class MappingCheck {
  public private(set) var comparisons = 0
  public private(set) var differences = 0
  /// Devices of host files that have been mapped and may be copied up: what is mapped of them must be in the record.
  private var devices: Set<UInt64> = []

  /// The host files of those with their final backing, which stay what they are.
  private var final: [FileIdentity: ListedFile] = [:]

  public init() {}

  /// A lower file on the host device `number` (`st_dev`) is mapped.
  func lowerDevice(_ number: UInt64) {
    devices.insert(UInt64(DeviceNumber.major(number)) << 32 | UInt64(DeviceNumber.minor(number)))
  }

  /// Something is wrong: one line on standard error.
  func differ(_ thread: ThreadID, _ text: String) {
    differences += 1
    try? Host.writeAll(Array("vedette: mapping check: thread \(thread) \(text)\n".utf8), to: 2)
  }

  /// Every mapping that the kernel lists of a file that may be remapped must be of a file in the record. `thread` is at a stop;
  /// others of its space may run, so what is recorded may be more than what is there.
  func look(at files: MappedFiles, of thread: ThreadID) {
    var known: Set<ListedFile> = []
    for file in files.inodes {
      let isFinal = file.hasFinalBacking
      if isFinal, let listed = final[file.identity] {
        known.insert(listed)
        continue
      }
      do throws(Errno) {
        let descriptor = try file.open([.largeFile])
        let listed = try ListedFile(of: descriptor.rawValue)
        known.insert(listed)
        if isFinal { final[file.identity] = listed }
      } catch {
        differ(thread, "maps a file that cannot be opened: \(error)")
      }
    }
    guard let list = try? KernelMapping.list(of: thread) else { return }
    comparisons += 1
    for entry in list where devices.contains(entry.file.device) && !entry.range.overlaps(TrampolineLayout.range) {
      if !known.contains(entry.file) {
        differ(thread, "maps \(entry) of a lower file that is not in the record, or has been copied up")
      }
    }
  }

  /// After a remap nothing shows the lower file. No thread of the space runs.
  func lookAfterRemap(of thread: ThreadID, lower: ListedFile) {
    guard let list = try? KernelMapping.list(of: thread) else { return }
    comparisons += 1
    if list.contains(where: { $0.file == lower }) { differ(thread, "still maps the lower file") }
  }
}
