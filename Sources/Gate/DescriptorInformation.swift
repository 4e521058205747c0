// What the kernel says of a guest's descriptor beside its file: flags and locks, in /proc/PID/fdinfo/N.

import Kernel
public import LinuxABI

/// The text of /proc/PID/fdinfo/N (`man 5 proc_pid_fdinfo`).
public struct DescriptorInformation {
  /// Status flags, access mode and close-on-exec.
  public var flags: OpenFlags = []
  /// The process has a lock of fcntl(2), F_SETLK, that was taken by this open file description.
  public var hasProcessLock = false
  /// The file position.
  public var position: Int64?
  /// The file's inode number (Linux 5.14 and later), and its mount's as mountinfo has it.
  public var inode: UInt64?
  public var mount: UInt64?

  public init(_ number: CInt, of thread: ThreadID) throws(Errno) {
    self.init(try Host.readFile("/proc/\(thread)/fdinfo/\(number)"))
  }

  public init(_ text: [UInt8]) {
    for line in text.split(separator: 0x0a) {
      if line.starts(with: "flags:".utf8) {
        let digits = line.dropFirst(6).drop { $0 == 0x09 || $0 == 0x20 }
        flags = OpenFlags(rawValue: UInt32(String(decoding: digits, as: UTF8.self), radix: 8) ?? 0)
      } else if line.starts(with: "pos:".utf8) {
        position = position ?? Self.number(line.dropFirst(4)).flatMap { Int64(exactly: $0) }
      } else if line.starts(with: "mnt_id:".utf8) {
        mount = mount ?? Self.number(line.dropFirst(7))
      } else if line.starts(with: "ino:".utf8) {
        inode = inode ?? Self.number(line.dropFirst(4))
      } else if line.starts(with: "lock:".utf8) {
        // lock: 1: POSIX ADVISORY READ 1234 fe:00:56 0 EOF
        let fields = line.split { $0 == 0x20 || $0 == 0x09 }
        if fields.count > 2, fields[2].elementsEqual("POSIX".utf8) { hasProcessLock = true }
      }
    }
  }

  private static func number(_ text: ArraySlice<UInt8>) -> UInt64? {
    Digits.parse(text.drop { $0 == 0x09 || $0 == 0x20 })
  }
}
