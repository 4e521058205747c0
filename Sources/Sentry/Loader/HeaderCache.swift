// The headers of programs and interpreters that have been executed, so that the next exec of the same file reads nothing.
// An entry holds as long as the host's file is the same by what stat(2) reports of its content.

import LinuxABI

/// A host file and the state of its content.
struct FileStamp {
  let file: BackingIdentity
  private let size: Int64
  private let modified: Timestamp
  private let changed: Timestamp

  init(_ status: FileStatus) {
    file = BackingIdentity(status)
    size = status.size
    modified = status.modificationTime
    changed = status.changeTime
  }

  static func == (one: FileStamp, other: FileStamp) -> Bool {
    one.file == other.file && one.size == other.size && one.modified == other.modified && one.changed == other.changed
  }
}

/// What `execve` reads of a program that is no script.
struct ELFProgram {
  let file: ELFFile
  let interpreterPath: [UInt8]?

  /// - Throws: see `ELFFile`.
  init(_ descriptor: CInt, start: [UInt8]) throws(Errno) {
    file = try ELFFile(program: descriptor, start: start)
    interpreterPath = try file.interpreterPath(from: descriptor)
  }
}

/// Used under the tree lock. A file without a stamp is neither kept nor found.
final class HeaderCache {
  private struct Entry {
    let stamp: FileStamp
    var program: ELFProgram?
    var interpreter: ELFFile?
  }

  private var entries: [BackingIdentity: Entry] = [:]

  /// Of a kilobyte or two.
  private static let limit = 512

  private func entry(_ stamp: FileStamp?) -> Entry? {
    guard let stamp, let entry = entries[stamp.file], entry.stamp == stamp else { return nil }
    return entry
  }

  /// The file as the program of an `execve`, if it has been one.
  func program(_ stamp: FileStamp?) -> ELFProgram? { entry(stamp)?.program }

  /// The file as the interpreter of a program, if it has been one.
  func interpreter(_ stamp: FileStamp?) -> ELFFile? { entry(stamp)?.interpreter }

  func keep(_ program: ELFProgram, _ stamp: FileStamp?) {
    guard let stamp else { return }
    keep(Entry(stamp: stamp, program: program, interpreter: interpreter(stamp)))
  }

  func keep(_ interpreter: ELFFile, _ stamp: FileStamp?) {
    guard let stamp else { return }
    keep(Entry(stamp: stamp, program: program(stamp), interpreter: interpreter))
  }

  private func keep(_ entry: Entry) {
    if entries.count >= Self.limit { entries = [:] }
    entries[entry.stamp.file] = entry
  }
}
