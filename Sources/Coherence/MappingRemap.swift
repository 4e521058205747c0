// The mappings of a file in one stopped process: the upper file is mapped over each with MAP_FIXED, at the same offset and with the
// same protection. Private copied pages are read before and written back after.

import Gate
import Kernel
import LinuxABI

/// Maps one upper file over mappings of its lower one.
struct MappingRemap {
  /// The guest's descriptor of the upper file.
  let source: CInt
  /// Of the upper file, in bytes.
  let size: UInt64
  let calls: FilteredCalls

  /// - Parameter locked: the locked memory of the space, which is locked again.
  /// - Throws: `.threadGone` only: one mapping that cannot be replaced (mseal, a guest's own filter, no memory) does not keep
  ///   the others.
  func replace<Thread: StoppedThread & ~Copyable>(
    _ mapping: KernelMapping, locked: [Range<UInt64>], in guest: inout Thread
  ) throws(RemoteCallError) {
    do throws(RemoteCallError) {
      if mapping.isShared {
        try map(mapping.range, of: mapping, in: &guest)
      } else {
        try replacePrivate(mapping, in: &guest)
      }
    } catch {
      if error == .threadGone { throw error }
    }
    for range in locked {
      let part = range.clamped(to: mapping.range)
      if part.isEmpty { continue }
      do throws(RemoteCallError) {
        _ = try calls.call(SystemCall(.mlock, part.lowerBound, part.upperBound - part.lowerBound), in: &guest)
      } catch {
        if error == .threadGone { throw error }
      }
    }
  }

  /// Maps the upper file over `addresses`, which are part of `mapping`.
  private func map<Thread: StoppedThread & ~Copyable>(
    _ addresses: Range<UInt64>, of mapping: KernelMapping, in guest: inout Thread
  ) throws(RemoteCallError) {
    if addresses.isEmpty { return }
    _ = try calls.call(Self.mapCall(addresses, of: mapping, source), in: &guest)
  }

  static func mapCall(_ addresses: Range<UInt64>, of mapping: KernelMapping, _ source: CInt) -> SystemCall {
    let flags: MapFlags = [mapping.isShared ? .shared : .isPrivate, .fixed]
    let offset = mapping.offset &+ (addresses.lowerBound &- mapping.range.lowerBound)
    let length = addresses.upperBound - addresses.lowerBound
    return SystemCall(
      .mmap, addresses.lowerBound, length, mapping.access.protection.rawValue, flags.rawValue, UInt64(source), offset)
  }

  // MARK: - Private mappings

  /// How many bytes of a process's copied pages are held here at a time.
  private static let pieceSize: UInt64 = 4 << 20

  /// A private mapping's copied pages are written back over the new file's: so the whole of it stays one mapping, and what
  /// becomes of a page that is discarded (`man 2 madvise`, MADV_DONTNEED) is the new file's.
  private func replacePrivate<Thread: StoppedThread & ~Copyable>(
    _ mapping: KernelMapping, in guest: inout Thread
  ) throws(RemoteCallError) {
    // Behind the file's end there are no pages, not even copied ones: truncation has taken them (`man 2 mmap`, SIGBUS).
    let start = mapping.range.lowerBound
    let end = start + min(size.nextPage.subtractingClamped(mapping.offset), mapping.length)
    let thread = guest.thread
    let copied = try kernel { () throws(Errno) in try KernelMapping.copiedRanges(of: start..<end, in: thread) }
    var next = start
    for piece in Self.pieces(of: copied) {
      guard let first = piece.first, let last = piece.last else { continue }
      try map(next..<first.lowerBound, of: mapping, in: &guest)
      try replace(piece, in: first.lowerBound..<last.upperBound, of: mapping, in: &guest)
      next = last.upperBound
    }
    try map(next..<mapping.range.upperBound, of: mapping, in: &guest)
  }

  /// Neighbouring ranges together, as long as they span no more than `pieceSize`; longer ones cut.
  private static func pieces(of copied: [Range<UInt64>]) -> [[Range<UInt64>]] {
    var pieces: [[Range<UInt64>]] = []
    for range in copied {
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

  /// Maps over `addresses` and writes the pages `copied`, which lie there, back.
  private func replace<Thread: StoppedThread & ~Copyable>(
    _ copied: [Range<UInt64>], in addresses: Range<UInt64>, of mapping: KernelMapping, in guest: inout Thread
  ) throws(RemoteCallError) {
    let memory = GuestMemory(thread: guest.thread)
    let isReadable = mapping.access.contains(.read)
    if !isReadable { try protect(addresses, .read, in: &guest) }
    let contents: [[UInt8]]
    do throws(RemoteCallError) {
      contents = try kernel { () throws(Errno) in
        try copied.map { range throws(Errno) in
          try memory.bytes(Int(range.upperBound - range.lowerBound), at: range.lowerBound)
        }
      }
      try map(addresses, of: mapping, in: &guest)
    } catch {
      if !isReadable { try protect(addresses, mapping.access, in: &guest) }
      throw error
    }
    do throws(RemoteCallError) {
      for (range, bytes) in zip(copied, contents) { try write(bytes, to: range, of: mapping, in: &guest) }
    } catch {
      // Pages of the process's own are gone and could not be put back (no memory): it must not go on without them.
      Host.signalThread(guest.thread, Signal.kill.rawValue)
      throw error
    }
  }

  /// Writes copied pages, protected ones as a debugger does: a process that has given up writable code for good (`man 2 prctl`,
  /// PR_SET_MDWE) could not have them protected again. Where the kernel forbids that, they are unprotected for a
  /// moment after all.
  private func write<Thread: StoppedThread & ~Copyable>(
    _ bytes: [UInt8], to range: Range<UInt64>, of mapping: KernelMapping, in guest: inout Thread
  ) throws(RemoteCallError) {
    let memory = GuestMemory(thread: guest.thread)
    if mapping.access.contains(.write) {
      return try kernel { () throws(Errno) in try memory.write(bytes, at: range.lowerBound, asDebugger: false) }
    }
    do throws(Errno) {
      return try memory.write(bytes, at: range.lowerBound, asDebugger: true)
    } catch {}
    try protect(range, [.read, .write], in: &guest)
    try kernel { () throws(Errno) in try memory.write(bytes, at: range.lowerBound, asDebugger: false) }
    try protect(range, mapping.access, in: &guest)
  }

  private func protect<Thread: StoppedThread & ~Copyable>(
    _ addresses: Range<UInt64>, _ access: MappingAccess, in guest: inout Thread
  ) throws(RemoteCallError) {
    let length = addresses.upperBound - addresses.lowerBound
    _ = try calls.call(SystemCall(.mprotect, addresses.lowerBound, length, access.protection.rawValue), in: &guest)
  }
}

extension UInt64 {
  /// The first page boundary at or behind it.
  fileprivate var nextPage: UInt64 { addingClamped(4095) & ~4095 }
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

  /// Writes all of `bytes`; as a debugger, to pages that the guest cannot write (`poke`).
  fileprivate func write(_ bytes: [UInt8], at address: UInt64, asDebugger: Bool) throws(Errno) {
    let outcome: Result<Void, Errno> = bytes.withUnsafeBytes { bytes in
      do throws(Errno) {
        if asDebugger { try poke(bytes, at: address) } else { try write(bytes, at: address) }
        return .success(())
      } catch { return .failure(error) }
    }
    try outcome.get()
  }
}
