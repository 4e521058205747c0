// What the host's /proc says of a guest's memory.

import Gate
import Kernel
import LinuxABI

/// What one process holds in memory, in bytes; 0 of one that has gone.
enum MemoryUse {
  /// No less than what it holds: what it shares counts whole (`RssAnon`, `RssShmem` and `VmSwap` of /proc/PID/status).
  static func atMost(of process: ThreadID) -> UInt64 {
    ProcessFile.withText(process, "status", size: 4096) { text in
      let fields: [StaticString] = ["\nRssAnon:", "\nRssShmem:", "\nVmSwap:"]
      return fields.reduce(0) { $0.addingClamped((text.lastNumber(after: $1) ?? 0) &* 1024) }
    }
  }

  /// Calls `body` with inode number and size in memory of each file that the process has open on the file system of `device`.
  static func forEachOpenFile(of process: ThreadID, on device: UInt64, _ body: (UInt64, UInt64) -> Void) {
    do throws(Errno) {
      let directory = try Host.withProcessPath(process, "fd") { path throws(Errno) in
        try Host.openTrusted(path, [.directory])
      }
      try Host.forEachName(in: directory.rawValue) { name in
        if name.isDot || name.isDotDot { return }
        // Through the magic link: the open file itself.
        guard
          let status = try? name.withCString({ name throws(Errno) in try Host.stat(name, in: directory.rawValue, []) }),
          status.device == device
        else { return }
        body(status.inode, UInt64(clamping: status.blocks) &* 512)
      }
    } catch {}
  }

  /// Its share of what is mapped: anonymous memory and swap, and of shared memory the files that `counts` says yes to
  /// (/proc/PID/smaps; `man 5 proc_pid_smaps`). What several processes map is divided by their number.
  static func mapped(by process: ThreadID, sharedMemory device: UInt64, _ counts: (UInt64) -> Bool) -> UInt64 {
    let text = Host.withProcessPath(process, "smaps") { path in try? Host.readFile(path) }
    guard let text else { return 0 }
    var sum: UInt64 = 0
    var isShared = false
    var isCounted = true
    var share: UInt64 = 0
    for line in text.split(separator: 0x0a) {
      if let first = line.first, Digits.digit(first) != nil, first < 0x41 || first >= 0x61 {
        let fields = line.split(separator: 0x20, maxSplits: 5)
        guard fields.count >= 5 else { continue }
        let numbers = fields[3].split(separator: 0x3a).compactMap { Digits.parse($0, radix: 16) }
        let inode = Digits.parse(fields[4]) ?? 0
        isShared =
          numbers.count == 2 && inode != 0
          && DeviceNumber.make(major: UInt32(clamping: numbers[0]), minor: UInt32(clamping: numbers[1])) == device
        isCounted = !isShared || counts(inode)
      } else if let bytes = kilobytes(line, "Pss:") {
        share = bytes
        if isShared, isCounted { sum = sum.addingClamped(bytes) }
      } else if let bytes = kilobytes(line, "Anonymous:"), !isShared {
        // Of a file that is mapped privately only the copies are memory of the process.
        sum = sum.addingClamped(min(bytes, share))
      } else if let bytes = kilobytes(line, "SwapPss:"), isCounted {
        sum = sum.addingClamped(bytes)
      }
    }
    return sum
  }

  private static func kilobytes(_ line: ArraySlice<UInt8>, _ name: StaticString) -> UInt64? {
    let name = name.withUTF8Buffer { Array($0) }
    guard line.starts(with: name) else { return nil }
    let digits = line.dropFirst(name.count).drop { $0 == 0x20 }.prefix { $0 != 0x20 }
    return Digits.parse(digits).map { $0 &* 1024 }
  }
}
