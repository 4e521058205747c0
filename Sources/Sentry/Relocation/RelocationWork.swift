// The move itself, one stopped process at a time: its descriptors and its mappings. What is there is asked of the kernel at
// that moment, so the same work done twice, or in a process that holds nothing, does nothing. There are no file locks to
// move: a lower file is copied up before it is locked (Handlers/Locks.swift).
//
// What a dying process, a full table or a guest's own filter refuses is left where it is: the process then goes on with
// the lower file as it was, and the guest is never stopped for it.

import CLinux
import Gate
import LinuxABI
import MemoryMap

extension Relocation {
  /// A descriptor of the lower file.
  private struct Holding {
    var number: CInt
    var information: DescriptorInformation
  }

  /// Moves everything that the process of `guest` has of the lower file. The tree lock is not held.
  ///
  /// - Parameters:
  ///   - mapped: the space may map the file.
  ///   - sentry: has the record of mappings.
  func perform(in guest: any StoppedThread, mapped: Bool, for sentry: Sentry) {
    do throws(Errno) {
      let status = try ProcessStatus(of: guest.thread)
      var guest = guest
      var filtered: FilteredThread?
      let added = status.number("Seccomp_filters:").subtractingClamped(filters)
      if added > 0 {
        // A filter of the guest's own might kill it for a call that it did not make: all of them must be known.
        guard let filter = sentry.filter(of: guest.thread), filter.count == added else { return }
        let asked = FilteredThread(guest, filter)
        filtered = asked
        guest = asked
      }
      let table = DescriptorTable(thread: guest.thread)
      let numbers = try table.numbers()
      let mappings = mapped ? try mappings(of: guest.thread, for: sentry) : []
      var holdings: [Holding] = []
      for number in numbers {
        guard let status = try? table.stat(number), holds(status) else { continue }
        let information = try DescriptorInformation(number, of: guest.thread)
        // No guest gets a lower file for writing: the caller has handed it in, and it stays what it is.
        if information.flags.isWriting { continue }
        holdings.append(Holding(number: number, information: information))
      }
      if holdings.isEmpty && mappings.isEmpty { return }
      let locked =
        !mappings.isEmpty && status.number("VmLck:") > 0 ? Self.lockedRanges(of: guest.thread) : []
      if let filtered, !Self.isAllowed(mappings, isLocked: !locked.isEmpty, in: filtered) {
        return
      }
      for holding in holdings { try move(holding, of: table, in: guest) }
      try move(mappings, or: holdings.last?.number, free: numbers, locked: locked, in: guest)
      if !mappings.isEmpty { sentry.checkMove(of: file, in: guest.thread, try listedFiles()) }
    } catch {
      // The guest is gone, or has no room: it keeps what it has.
    }
  }

  /// Whether the guest's own filters let all through that a move needs. They are asked again at each call, so that none is made
  /// that kills; asked before, nothing is done by halves.
  private static func isAllowed(
    _ mappings: [Mapping], isLocked: Bool, in guest: FilteredThread
  ) -> Bool {
    var numbers = mappings.isEmpty ? [] : [SYS_close]
    if isLocked { numbers.append(SYS_mlock) }
    // Pages that cannot be read are opened for a moment.
    if mappings.contains(where: { !$0.access.contains(.read) }) { numbers.append(SYS_mprotect) }
    return guest.allows(.descriptorCarrier)
      && numbers.allSatisfy { guest.allows(SystemCall(number: Int($0), arguments: (0, 0, 0, 0, 0, 0))) }
      && mappings.allSatisfy {
        guest.allows(Self.mappingCall($0.addresses, of: $0, access: $0.access, 3))
      }
  }

  private func holds(_ status: stat) -> Bool {
    BackingIdentity(status) == lower
  }

  private func move(_ holding: Holding, of table: DescriptorTable, in guest: any StoppedThread) throws(Errno) {
    let description = try successor(of: holding.number, in: table, of: guest.thread)
    try guest.replaceDescriptor(
      holding.number, by: description.new.rawValue, closeOnExec: holding.information.flags.contains(.closeOnExec))
  }

  // MARK: - Mappings

  /// What the process has mapped of the file: the kernel's list, which takes the record's place. Empty if nothing of the lower
  /// file is left. Neighbours that the kernel keeps apart stay apart: one may be under mseal, and the other not.
  private func mappings(of thread: ThreadID, for sentry: Sentry) throws(Errno) -> [Mapping] {
    let files = try listedFiles()
    let list = try KernelMapping.list(of: thread).filter { $0.file == files.lower || $0.file == files.upper }
    // Done already, by another thread of the space.
    guard list.contains(where: { $0.file == files.lower }) else { return [] }
    sentry.reconcile(file, of: thread, with: list)
    return list.filter { $0.file == files.lower }.map { $0.mapping(in: 0) }
  }

  /// Maps the upper file over what is mapped of the lower one.
  ///
  /// - Parameters:
  ///   - own: a descriptor of the upper file that the guest has, for one with no room for another: to map through it moves
  ///     the access time.
  ///   - numbers: the numbers in use.
  ///   - locked: the locked memory of the space (`man 2 mlock`).
  private func move(
    _ mappings: [Mapping], or own: CInt?, free numbers: [CInt], locked: [Range<UInt64>],
    in guest: any StoppedThread
  ) throws(Errno) {
    if mappings.isEmpty { return }
    let used = Set(numbers)
    var lent = (0..<CInt.max).first { !used.contains($0) }
    do throws(Errno) {
      if let lent { try guest.replaceDescriptor(lent, by: upperDescriptor, closeOnExec: true) }
    } catch {
      if own == nil { throw error }
      lent = nil
    }
    guard let source = lent ?? own else { return }
    let size = UInt64(clamping: try Host.stat(upperDescriptor).st_size)
    for mapping in mappings {
      do throws(Errno) {
        if mapping.isShared {
          try map(mapping.addresses, of: mapping, access: mapping.access, source, in: guest)
        } else {
          try movePrivate(mapping, source, size: size, in: guest)
        }
      } catch {
        // One mapping that cannot be moved (mseal, a guest's own filter, no memory) does not keep the others.
      }
      for range in locked {
        let part = range.clamped(to: mapping.addresses)
        if part.isEmpty { continue }
        _ = try? guest.call(
          SystemCall(
            number: Int(SYS_mlock),
            arguments: (part.lowerBound, part.upperBound - part.lowerBound, 0, 0, 0, 0)))
      }
    }
    if let lent {
      _ = try guest.call(SystemCall(number: Int(SYS_close), arguments: (UInt64(lent), 0, 0, 0, 0, 0)))
    }
  }

  /// Maps the upper file over `addresses`, which are part of `mapping`.
  private func map(
    _ addresses: Range<UInt64>, of mapping: Mapping, access: MappingAccess, _ source: CInt,
    in guest: any StoppedThread
  ) throws(Errno) {
    if addresses.isEmpty { return }
    _ = try guest.call(Self.mappingCall(addresses, of: mapping, access: access, source))
  }

  private static func mappingCall(
    _ addresses: Range<UInt64>, of mapping: Mapping, access: MappingAccess, _ source: CInt
  ) -> SystemCall {
    let flags = (mapping.isShared ? MAP_SHARED : MAP_PRIVATE) | MAP_FIXED
    let offset = mapping.range.lowerBound + (addresses.lowerBound - mapping.address)
    let length = addresses.upperBound - addresses.lowerBound
    return SystemCall(
      number: Int(SYS_mmap),
      arguments: (addresses.lowerBound, length, access.protection, UInt64(flags), UInt64(source), offset))
  }

  // MARK: - Private mappings

  /// How much of a process's own pages is held here at a time.
  private static let pieceSize: UInt64 = 4 << 20

  /// A private mapping's own pages are written back over the new file's: so the whole of it stays one mapping, and what
  /// becomes of a page that is given up (`man 2 madvise`, MADV_DONTNEED) is the new file's.
  private func movePrivate(_ mapping: Mapping, _ source: CInt, size: UInt64, in guest: any StoppedThread) throws(Errno)
  {
    // Behind the file's end there are no pages, not even one's own: truncation has taken them (`man 2 mmap`, SIGBUS).
    let end =
      mapping.address &+ min(max(size.nextPage, mapping.range.lowerBound), mapping.range.upperBound)
      &- mapping.range.lowerBound
    let own = try KernelMapping.ownRanges(of: mapping.address..<max(end, mapping.address), in: guest.thread)
    var next = mapping.address
    for piece in Self.pieces(of: own) {
      guard let first = piece.first, let last = piece.last else { continue }
      try map(next..<first.lowerBound, of: mapping, access: mapping.access, source, in: guest)
      try moveOwn(piece, in: first.lowerBound..<last.upperBound, of: mapping, source, guest)
      next = last.upperBound
    }
    try map(next..<mapping.addresses.upperBound, of: mapping, access: mapping.access, source, in: guest)
  }

  /// Neighbouring ranges together, as long as they span no more than `pieceSize`; longer ones cut.
  private static func pieces(of own: [Range<UInt64>]) -> [[Range<UInt64>]] {
    var pieces: [[Range<UInt64>]] = []
    for range in own {
      for start in stride(from: range.lowerBound, to: range.upperBound, by: Int(pieceSize)) {
        let part = start..<min(start + pieceSize, range.upperBound)
        if let first = pieces.last?.first, part.upperBound - first.lowerBound <= pieceSize {
          pieces[pieces.count - 1].append(part)
        } else {
          pieces.append([part])
        }
      }
    }
    return pieces
  }

  private func moveOwn(
    _ own: [Range<UInt64>], in addresses: Range<UInt64>, of mapping: Mapping, _ source: CInt,
    _ guest: any StoppedThread
  ) throws(Errno) {
    let memory = GuestMemory(thread: guest.thread)
    let readable = mapping.access.contains(.read)
    if !readable { try protect(addresses, .read, guest) }
    let contents: [[UInt8]]
    do throws(Errno) {
      contents = try own.map { range throws(Errno) in
        try memory.bytes(Int(range.upperBound - range.lowerBound), at: range.lowerBound)
      }
      try map(addresses, of: mapping, access: mapping.access, source, in: guest)
    } catch {
      if !readable { try protect(addresses, mapping.access, guest) }
      throw error
    }
    do throws(Errno) {
      for (range, bytes) in zip(own, contents) { try write(bytes, to: range, of: mapping, guest) }
    } catch {
      // Its own pages are gone and could not be put back (no memory): it must not go on without them.
      _ = vd_syscall(Int(SYS_tkill), Int(guest.thread), Int(SIGKILL), 0, 0, 0, 0)
      throw error
    }
  }

  /// Writes own pages, protected ones as a debugger does: a process that has given up writable code for good (`man 2 prctl`,
  /// PR_SET_MDWE) could not have them protected again. Where the kernel forbids that, they are unprotected for a
  /// moment after all.
  private func write(
    _ bytes: [UInt8], to range: Range<UInt64>, of mapping: Mapping, _ guest: any StoppedThread
  ) throws(Errno) {
    let memory = GuestMemory(thread: guest.thread)
    if mapping.access.contains(.write) { return try memory.write(bytes, at: range.lowerBound) }
    do throws(Errno) {
      let result: Result<Void, Errno> = bytes.withUnsafeBytes { bytes in
        do throws(Errno) { return .success(try memory.poke(bytes, at: range.lowerBound)) } catch {
          return .failure(error)
        }
      }
      try result.get()
    } catch {
      try protect(range, [.read, .write], guest)
      try memory.write(bytes, at: range.lowerBound)
      try protect(range, mapping.access, guest)
    }
  }

  private func protect(_ addresses: Range<UInt64>, _ access: MappingAccess, _ guest: any StoppedThread) throws(Errno) {
    _ = try guest.call(
      SystemCall(
        number: Int(SYS_mprotect),
        arguments: (
          addresses.lowerBound, addresses.upperBound - addresses.lowerBound, access.protection, 0, 0, 0
        )))
  }

  /// The mappings with `lo` among their VmFlags in /proc/PID/smaps.
  private static func lockedRanges(of thread: ThreadID) -> [Range<UInt64>] {
    guard let text = try? Host.readFile("/proc/\(thread)/smaps") else { return [] }
    var ranges: [Range<UInt64>] = []
    var current: Range<UInt64>?
    for line in text.split(separator: 0x0a) {
      if line.starts(with: "VmFlags:".utf8) {
        let isLocked = line.split(separator: 0x20).contains { $0.elementsEqual("lo".utf8) }
        if isLocked, let current { ranges.append(current) }
      } else if let range = KernelMapping.range(line: line) {
        current = range
      }
    }
    return ranges
  }
}

extension UInt64 {
  /// The first page boundary at or behind it.
  fileprivate var nextPage: UInt64 { (self + 4095) & ~4095 }
}

extension GuestMemory {
  /// `count` bytes from `address` on.
  fileprivate func bytes(_ count: Int, at address: UInt64) throws(Errno) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let outcome: Result<Void, Errno> = bytes.withUnsafeMutableBytes { buffer in
      do throws(Errno) { return .success(try read(into: buffer, at: address)) } catch { return .failure(error) }
    }
    try outcome.get()
    return bytes
  }
}

/// /proc/PID/status of a guest.
struct ProcessStatus {
  private let text: [UInt8]

  init(of thread: ThreadID) throws(Errno) { text = try Host.readFile("/proc/\(thread)/status") }

  /// The number on the line that begins with `name`; 0 if there is none.
  func number(_ name: StaticString) -> Int {
    text.withUnsafeBytes { text in
      let length = name.utf8CodeUnitCount
      var line = text[...]
      while line.count > length, let base = line.base.baseAddress {
        if memcmp(base + line.startIndex, name.utf8Start, length) == 0 {
          var value = 0
          for byte in line.dropFirst(length).prefix(while: { $0 != 0x0a }) where byte >= 0x30 && byte <= 0x39 {
            value = value &* 10 &+ Int(byte - 0x30)
          }
          return value
        }
        line = line.firstIndex(of: 0x0a).map { line[($0 + 1)...] } ?? text[text.endIndex...]
      }
      return 0
    }
  }
}
