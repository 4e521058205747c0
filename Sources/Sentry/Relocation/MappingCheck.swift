// A check for tests: what is recorded of mappings is compared with the kernel's own list, at each mmap of a file and after
// each move. It costs a reading of the list each time, and is off unless the caller asks for it (Vedette/Sandbox.swift).

import CLinux
import Gate
import LinuxABI
import MemoryMap

/// Compares and counts. Used under the tree lock.
public final class MappingCheck {
  public private(set) var comparisons = 0
  public private(set) var differences = 0
  /// Devices of host files that have been mapped and may be copied up: what is mapped of them must be in the record.
  private var devices: Set<UInt64> = []

  /// The host files of settled mappables, which stay what they are.
  private var settled: [FileIdentity: ListedFile] = [:]

  public init() {}

  /// A lower file on the host device `number` (`st_dev`) is mapped.
  func lowerDevice(_ number: UInt64) {
    devices.insert(UInt64(DeviceNumber.major(number)) << 32 | UInt64(DeviceNumber.minor(number)))
  }

  /// Something is wrong: one line on standard error.
  func differ(_ thread: ThreadID, _ text: String) {
    differences += 1
    let line = Array("vedette: mapping check: thread \(thread) \(text)\n".utf8)
    _ = line.withUnsafeBytes { vd_syscall(Int(SYS_write), 2, Int(bitPattern: $0.baseAddress), $0.count, 0, 0, 0) }
  }

  /// Every mapping that the kernel lists of a file that may move must be expected by that file's record. `thread` is at a
  /// stop; others of its space may run, so what it has recorded may be more than what is there.
  func look(at space: MappingSpace, of thread: ThreadID) {
    var known: [ListedFile: any Mappable] = [:]
    for mappable in space.mappables.values {
      if mappable.isSettled, let file = settled[mappable.mappableIdentity] {
        known[file] = mappable
        continue
      }
      do throws(Errno) {
        let page: Range<UInt64> = 0..<4096
        let translation = try mappable.translate(required: page, optional: page, access: .read)
        if let violation = translation.violation(required: page, optional: page, access: .read) {
          differ(thread, "has a translation that is wrong: \(violation)")
        }
        let file = try ListedFile(of: translation.file.rawValue)
        known[file] = mappable
        if mappable.isSettled { settled[mappable.mappableIdentity] = file }
      } catch {
        differ(thread, "maps a file that cannot be translated: \(error)")
      }
    }
    guard let list = try? KernelMapping.list(of: thread) else { return }
    comparisons += 1
    for entry in list where !entry.range.overlaps(TrampolineLayout.range) {
      let place = entry.mapping(in: space.number)
      if let mappable = known[entry.file] {
        if !mappable.isSettled, !mappable.recordedMappings.expects(place) {
          differ(thread, "maps \(place), which was not recorded")
        }
      } else if devices.contains(entry.file.device) {
        differ(thread, "maps \(place) of the lower file \(entry.file.number), which no record has or which has moved")
      }
    }
  }

  /// After a move nothing shows the lower file, and the record is the kernel's list. Nothing of the space runs.
  func lookAtMove(
    of file: FileIdentity, in space: MappingSpace, of thread: ThreadID, _ files: (lower: ListedFile, upper: ListedFile)
  ) {
    guard let mappable = space.mappables[file], let list = try? KernelMapping.list(of: thread) else { return }
    comparisons += 1
    if list.contains(where: { $0.file == files.lower }) { differ(thread, "still maps the lower file") }
    var now = MappingSet()
    now.reconcile(
      space.number, with: list.filter { $0.file == files.upper }.map { $0.mapping(in: space.number) })
    let recorded = mappable.recordedMappings.mappings(in: space.number)
    if now.mappings[...] != recorded {
      differ(thread, "maps \(now.mappings) after a move; recorded were \(Array(recorded))")
    }
  }
}
