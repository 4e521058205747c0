// The reading of host directories: getdents64(2) into a buffer of ours, entries shown with cursors of the right kind.

import CLinux
import LinuxABI
import VFS

/// The directory that was read last, kept open so that a long listing goes on where it stopped.
///
/// Of an immutable tree a cursor is the count of entries before it: the order is the host's and never changes. So a merged
/// directory can build its own list in the midst of an iteration without the reader's cursor going stale. Elsewhere
/// cursors are the host's own `d_off`.
final class HostListing {
  private var descriptor: CInt = -1
  private var key = HostKey(device: 0, number: 0)
  /// How many entries have been shown up to the descriptor's position (immutable trees).
  private var ordinal: Int64 = 0

  deinit { close() }

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
    if !isOrdinal {
      try Host.call(SYS_lseek, Int(descriptor), Int(cursor), 0)
    } else if cursor != ordinal {
      try Host.call(SYS_lseek, Int(descriptor), 0, 0)
      skip = cursor
      ordinal = 0
    }
    // While `body` runs it may read another directory through this object: the descriptor is ours until the end.
    let reading = OwnedDescriptor(descriptor)
    descriptor = -1
    var shown = ordinal
    let isAtEnd = try withUnsafeTemporaryAllocation(byteCount: 32768, alignment: 8) { buffer throws(Errno) -> Bool in
      var position: Int64 = -1
      while true {
        let count = try Host.call(
          SYS_getdents64, Int(reading.rawValue), Int(bitPattern: buffer.baseAddress), buffer.count)
        if count == 0 { return true }
        var offset = 0
        while offset + 19 <= count {
          let number = buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
          let next = buffer.loadUnaligned(fromByteOffset: offset + 8, as: Int64.self)
          let length = Int(buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self))
          let kind = buffer[offset + 18]
          let start = offset + 19
          guard length > 19, offset + length <= count else { return true }
          offset += length
          var end = start
          while end < offset && buffer[end] != 0 { end += 1 }
          let name = Name(UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(buffer)[start..<end]))
          if name.isDot || name.isDotDot || end == start {
            position = next
            continue
          }
          if skip > 0 {
            skip -= 1
          } else {
            let entry = DirectoryEntry(
              name: name, number: host.number(device: directory.hostDevice, number),
              type: FileType(directoryEntryType: kind) ?? directory.typeOfChild(name),
              next: isOrdinal ? shown + 1 : next)
            if !body(entry) {
              if isOrdinal { try Host.call(SYS_lseek, Int(reading.rawValue), Int(max(position, 0)), 0) }
              return false
            }
          }
          shown += 1
          position = next
        }
      }
    }
    // A number may be used again where directories come and go: only an immutable one is known by it.
    if isAtEnd || !isOrdinal { return }
    close()
    ordinal = shown
    key = HostKey(device: directory.hostDevice, number: directory.hostNumber)
    descriptor = reading.release()
  }

  private func open(_ directory: HostDirectory) throws(Errno) {
    let wanted = HostKey(device: directory.hostDevice, number: directory.hostNumber)
    if descriptor >= 0 && key == wanted { return }
    let opened = try directory.host.descriptors.with(directory) { parent throws(Errno) in
      try Host.open(".", in: parent, .directory)
    }
    close()
    descriptor = opened.release()
    key = wanted
    ordinal = 0
  }
}

extension HostDirectory {
  /// The type of a child whose `d_type` the host does not tell.
  fileprivate func typeOfChild(_ name: Name) -> FileType {
    do throws(Errno) {
      return try lookup(name)?.type ?? .regular
    } catch {
      return .regular
    }
  }
}
