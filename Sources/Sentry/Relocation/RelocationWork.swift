// The move itself, one stopped process at a time: its descriptors, its mappings, its locks. What is there is asked of the
// kernel at that moment, so the same work done twice, or in a process that holds nothing, does nothing.
//
// What a dying process, a full table or a guest's own filter refuses is left where it is: the process then goes on with
// the lower file as it was, and the guest is never stopped for it.

import CLinux
import Gate
import LinuxABI

extension Relocation {
  /// A descriptor of the lower file.
  private struct Holding {
    var number: CInt
    var information: DescriptorInformation
  }

  /// Moves everything that the process of `guest` has of the lower file.
  func perform(in guest: any StoppedThread, mapped: Bool) {
    do throws(Errno) {
      let status = try ProcessStatus(of: guest.thread)
      // A filter of the guest's own might kill it for a call that it did not make.
      if status.number("Seccomp_filters:") > filters { return }
      let table = DescriptorTable(thread: guest.thread)
      let numbers = try table.numbers()
      let mappings = mapped ? try KernelMapping.list(try listedFile(), in: guest.thread) : []
      var holdings: [Holding] = []
      for number in numbers {
        guard let status = try? table.stat(number), holds(status) else { continue }
        holdings.append(Holding(number: number, information: try DescriptorInformation(number, of: guest.thread)))
      }
      if holdings.isEmpty && mappings.isEmpty { return }
      var locks: [(CInt, FileLock)] = []
      var number: CInt?
      for holding in holdings {
        try move(holding, of: table, in: guest)
        number = holding.number
        locks += holding.information.locks.filter { $0.kind == .process }.map { (holding.number, $0) }
      }
      try move(mappings, through: number, free: numbers, isLocked: status.number("VmLck:") > 0, in: guest)
      // Last: a process loses its locks on a file with any descriptor of that file that it closes.
      for (number, lock) in locks { try lock.take(on: number, in: guest) }
    } catch {
      // The guest is gone, or has no room: it keeps what it has.
    }
  }

  private func holds(_ status: stat) -> Bool {
    UInt64(status.st_dev) == lower.device && UInt64(status.st_ino) == lower.number
  }

  private func move(_ holding: Holding, of table: DescriptorTable, in guest: any StoppedThread) throws(Errno) {
    let description = try successor(of: holding.number, in: table, of: guest.thread)
    for lock in holding.information.locks where lock.kind != .process { lock.take(on: description.new.rawValue) }
    try guest.replaceDescriptor(
      holding.number, by: description.new.rawValue, closeOnExec: holding.information.flags.contains(.closeOnExec))
  }

  // MARK: - Mappings

  /// Maps the upper file over what is mapped of the lower one.
  ///
  /// - Parameters:
  ///   - number: a descriptor of the upper file that the guest has already; nil to lend it one.
  ///   - numbers: the numbers in use.
  ///   - isLocked: the space has locked memory (`man 2 mlock`).
  private func move(
    _ mappings: [KernelMapping], through number: CInt?, free numbers: [CInt], isLocked: Bool,
    in guest: any StoppedThread
  ) throws(Errno) {
    if mappings.isEmpty { return }
    let used = Set(numbers)
    let lent = number == nil ? (0..<CInt.max).first { !used.contains($0) } : nil
    if let lent { try guest.replaceDescriptor(lent, by: upperDescriptor, closeOnExec: true) }
    guard let source = number ?? lent else { return }
    for mapping in mappings { move(mapping, through: source, isLocked: isLocked, in: guest) }
    if let lent {
      _ = try guest.call(SystemCall(number: Int(SYS_close), arguments: (UInt64(lent), 0, 0, 0, 0, 0)))
    }
  }

  private func move(_ mapping: KernelMapping, through source: CInt, isLocked: Bool, in guest: any StoppedThread) {
    do throws(Errno) {
      let ranges = mapping.isShared ? [mapping.range] : try mapping.cleanRanges(in: guest.thread)
      let isLocked = isLocked && Self.isLocked(mapping.range.lowerBound, guest.thread)
      for range in ranges {
        let flags = (mapping.isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED
        let length = range.upperBound - range.lowerBound
        _ = try guest.call(
          SystemCall(
            number: Int(SYS_mmap),
            arguments: (
              range.lowerBound, length, UInt64(mapping.protection), UInt64(flags), UInt64(source),
              mapping.offset + (range.lowerBound - mapping.range.lowerBound)
            )))
        if isLocked {
          _ = try guest.call(
            SystemCall(number: Int(SYS_mlock), arguments: (range.lowerBound, length, 0, 0, 0, 0)))
        }
      }
    } catch {
      // One mapping that cannot be moved (mseal, a guest's own filter, no memory) does not keep the others.
    }
  }

  /// Whether the mapping that begins at `address` is locked: `lo` among its VmFlags in /proc/PID/smaps.
  private static func isLocked(_ address: UInt64, _ thread: ThreadID) -> Bool {
    guard let text = try? Host.readFile("/proc/\(thread)/smaps") else { return false }
    let lines = text.split(separator: 0x0a)
    let head = Array((String(address, radix: 16) + "-").utf8)
    guard let first = lines.firstIndex(where: { $0.starts(with: head) }),
      let flags = lines[first...].first(where: { $0.starts(with: "VmFlags:".utf8) })
    else { return false }
    return flags.split(separator: 0x20).contains { $0.elementsEqual("lo".utf8) }
  }
}

/// /proc/PID/status of a guest.
struct ProcessStatus {
  private let text: [UInt8]

  init(of thread: ThreadID) throws(Errno) { text = try Host.readFile("/proc/\(thread)/status") }

  /// The number on the line that begins with `name`; 0 if there is none.
  func number(_ name: StaticString) -> Int {
    let line = text.split(separator: 0x0a).first { line in
      name.withUTF8Buffer { line.starts(with: $0) }
    }
    var value = 0
    for byte in line?.dropFirst(name.utf8CodeUnitCount) ?? [] where byte >= 0x30 && byte <= 0x39 {
      value = value &* 10 &+ Int(byte - 0x30)
    }
    return value
  }
}
