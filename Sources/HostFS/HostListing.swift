// The reading of host directories: getdents64(2) into a buffer of ours, entries shown with cursors of the right kind.

import Kernel
import LinuxABI
import VFS

/// The directory that was read last, kept open so that a long listing goes on where it stopped, together with what the
/// host has listed and no guest has been shown yet: a reader's buffer is full in the midst of ours as a rule.
///
/// Of an immutable tree a cursor is the count of entries before it: the order is the host's and never changes. So a merged
/// directory can build its own list in the midst of an iteration without the reader's cursor going stale. Elsewhere
/// cursors are the host's own `d_off`.
final class HostListing {
  private var descriptor: CInt = -1
  private var key = FileIdentity(device: 0, number: 0)
  /// The cursor that comes next: how many entries have been shown (immutable trees), or the host's own.
  private var next: Int64 = 0
  /// The records from `rest.lowerBound` on have been read and not been shown. Only of a tree that only we change.
  private var buffer: UnsafeMutableRawBufferPointer?
  private var rest = 0..<0
  /// How often the tree has been changed.
  private var changes: UInt = 0

  private static let bufferSize = 32768

  deinit {
    close()
    buffer?.deallocate()
  }

  /// The tree has been changed through us: what was read ahead may be wrong.
  func treeChanged() {
    changes &+= 1
    close()
  }

  func close() {
    if descriptor >= 0 { _ = OwnedDescriptor(descriptor) }
    descriptor = -1
  }

  func read(_ directory: HostDirectory, from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    guard cursor >= 0 else { return }
    let host = directory.host
    let isOrdinal = host.policy == .immutable && !host.isWritable
    try open(directory)
    var skip: Int64 = 0
    if cursor != next {
      rest = 0..<0
      try Host.seek(descriptor, to: isOrdinal ? 0 : cursor)
      if isOrdinal { skip = cursor }
    }
    // While `body` runs it may read another directory through this object: descriptor and buffer are ours until the end.
    let reading = OwnedDescriptor(descriptor)
    descriptor = -1
    let buffer = self.buffer ?? .allocate(byteCount: Self.bufferSize, alignment: 8)
    self.buffer = nil
    var records = rest
    rest = 0..<0
    var shown = cursor - skip
    var isFull = false
    let before = changes
    do throws(Errno) {
      while !isFull {
        if records.isEmpty {
          let count = try Host.readDirectory(reading.rawValue, into: buffer)
          if count == 0 { break }
          records = 0..<count
        }
        while let record = DirectoryRecord(UnsafeRawBufferPointer(buffer), in: records) {
          let following = isOrdinal ? shown + 1 : record.offset
          if record.name.isDot || record.name.isDotDot || record.name.count == 0 {
            if !isOrdinal { shown = following }
          } else {
            if skip > 0 {
              skip -= 1
            } else {
              let entry = DirectoryEntry(
                name: record.name, number: host.number(device: directory.hostDevice, record.number),
                type: FileType(directoryEntryType: record.type) ?? directory.typeOfChild(record.name), next: following)
              if !body(entry) {
                isFull = true
                break
              }
            }
            shown = following
          }
          records = record.end..<records.upperBound
        }
        if !isFull { records = 0..<0 }
      }
    } catch {
      keep(buffer)
      throw error
    }
    keep(buffer)
    // At the end nothing is kept, nor of a tree that others may change. A directory that `body` has read is of less use.
    guard isFull, host.policy == .immutable, changes == before else { return }
    close()
    descriptor = reading.release()
    key = FileIdentity(device: directory.hostDevice, number: directory.hostNumber)
    next = shown
    rest = records
  }

  private func keep(_ buffer: UnsafeMutableRawBufferPointer) {
    self.buffer?.deallocate()
    self.buffer = buffer
    rest = 0..<0
  }

  private func open(_ directory: HostDirectory) throws(Errno) {
    let wanted = FileIdentity(device: directory.hostDevice, number: directory.hostNumber)
    if descriptor >= 0 && key == wanted { return }
    let opened = try directory.host.descriptors.with(directory) { parent throws(Errno) in
      try Host.open(".", in: parent, .directory)
    }
    close()
    descriptor = opened.release()
    key = wanted
    next = 0
    rest = 0..<0
  }
}

extension HostDirectory {
  /// The type of a child whose `d_type` the host leaves unknown (DT_UNKNOWN).
  fileprivate func typeOfChild(_ name: Name) -> FileType {
    do throws(Errno) {
      return try lookup(name)?.type ?? .regular
    } catch {
      return .regular
    }
  }
}
