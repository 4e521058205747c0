// Files that people write: a configuration, a list of variables.

import Kernel
import LinuxABI
import Vedette

/// A file that is read whole.
enum SmallFile {
  /// What is longer than this was not meant.
  private static let limit = 1 << 20

  /// - Parameter place: the option that names it, for messages.
  static func read(_ path: ByteString, saidAt place: String) throws(ConfigurationError) -> [UInt8] {
    if path.isEmpty { throw ConfigurationError(at: place, "the file name is empty") }
    let bytes: [UInt8]
    do throws(Errno) {
      // O_NONBLOCK: opening a FIFO that nobody writes to must not hold us for ever. Reading one that somebody does may.
      let descriptor = try path.withCString { path throws(Errno) in try Host.openTrusted(path, .nonBlocking) }
      try Host.setOpenFlags(of: descriptor.rawValue, to: [])
      bytes = try readAll(descriptor.rawValue)
    } catch {
      throw ConfigurationError(at: place, "cannot read '\(path)': \(error)")
    }
    if bytes.count > limit { throw ConfigurationError(at: place, "'\(path)' is larger than 1 MiB") }
    return bytes
  }

  private static func readAll(_ descriptor: CInt) throws(Errno) -> [UInt8] {
    var bytes: [UInt8] = []
    return try withUnsafeTemporaryAllocation(byteCount: 16384, alignment: 16) { buffer throws(Errno) in
      while true {
        let count = try Host.read(into: buffer, from: descriptor)
        if count == 0 || bytes.count > limit { return bytes }
        bytes.append(contentsOf: buffer[..<count])
      }
    }
  }
}
