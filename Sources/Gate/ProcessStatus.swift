// Single numbers of /proc/PID/status, without a String.

import Kernel
public import LinuxABI

/// /proc/PID/status of a guest.
public struct ProcessStatus: Sendable {
  private let text: [UInt8]

  public init(of thread: ThreadID) throws(Errno) { text = try Host.readFile("/proc/\(thread)/status") }

  /// The number on the line that begins with `name`; 0 if there is none.
  public func number(_ name: StaticString) -> Int {
    text.withUnsafeBytes { text in
      let length = name.utf8CodeUnitCount
      var line = text[...]
      while line.count > length {
        if text.contains(name, at: line.startIndex) {
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
