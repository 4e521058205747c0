// File locks, as /proc/PID/fdinfo/N shows them, and taking them again on another file. A lock of flock(2) and an open file
// description lock belong to the description, so we take them ourselves on the new one; a POSIX lock belongs to the
// process, which must take it (`man 2 fcntl`).

import CLinux
import Gate
import LinuxABI

/// What /proc/PID/fdinfo/N says of a descriptor (`man 5 proc_pid_fdinfo`).
struct DescriptorInformation {
  /// Status flags, access mode and close-on-exec.
  var flags: OpenFlags = []
  var locks: [FileLock] = []

  init(_ number: CInt, of thread: ThreadID) throws(Errno) {
    let text = try Host.readFile("/proc/\(thread)/fdinfo/\(number)")
    for line in text.split(separator: 0x0a) {
      if line.starts(with: "flags:".utf8) {
        let digits = line.dropFirst(6).drop { $0 == 0x09 || $0 == 0x20 }
        flags = OpenFlags(rawValue: UInt32(String(decoding: digits, as: UTF8.self), radix: 8) ?? 0)
      } else if line.starts(with: "lock:".utf8), let lock = FileLock(line: line) {
        locks.append(lock)
      }
    }
  }
}

/// One lock.
struct FileLock: Equatable {
  enum Kind {
    /// flock(2).
    case file
    /// F_OFD_SETLK.
    case description
    /// F_SETLK.
    case process
  }
  var kind: Kind
  var isExclusive: Bool
  var start: Int64
  /// 0 for all that follows.
  var length: Int64

  init(kind: Kind, isExclusive: Bool, start: Int64, length: Int64) {
    self.kind = kind
    self.isExclusive = isExclusive
    self.start = start
    self.length = length
  }

  /// `lock: 1: POSIX ADVISORY READ 1234 fe:00:56 0 EOF`, as in /proc/locks. Leases are none of ours.
  init?(line: some Sequence<UInt8>) {
    let fields = Array(line).split { $0 == 0x20 || $0 == 0x09 }.map { String(decoding: $0, as: UTF8.self) }
    guard fields.count >= 9, let start = Int64(fields[7]) else { return nil }
    switch fields[2] {
    case "FLOCK": kind = .file
    case "OFDLCK": kind = .description
    case "POSIX": kind = .process
    default: return nil
    }
    isExclusive = fields[4] == "WRITE"
    self.start = start
    if fields[8] == "EOF" {
      length = 0
    } else {
      guard let length = Int64(fields[8])?.subtractingExactly(start)?.addingExactly(1) else { return nil }
      self.length = length
    }
  }

  /// Takes the lock on a description of ours. Nobody else can have one on a file that has just come to be.
  func take(on descriptor: CInt) {
    switch kind {
    case .file:
      _ = vd_syscall(Int(SYS_flock), Int(descriptor), Int(isExclusive ? LOCK_EX : LOCK_SH) | Int(LOCK_NB), 0, 0, 0, 0)
    case .description:
      var lock = structure
      withUnsafeMutablePointer(to: &lock) {
        _ = vd_syscall(Int(SYS_fcntl), Int(descriptor), 37 /* F_OFD_SETLK */, Int(bitPattern: $0), 0, 0, 0)
      }
    case .process: break
    }
  }

  /// Has the guest take the lock on its own descriptor. The structure lies below its red zone for that time; what was
  /// there is put back, because on a small signal stack it may belong to somebody.
  func take(on number: CInt, in guest: any StoppedThread) throws(Errno) {
    guard let stackPointer = guest.stackPointer else { throw .noSuchProcess }
    let memory = GuestMemory(thread: guest.thread)
    let address = (stackPointer &- 128 &- UInt64(MemoryLayout<flock>.size)) & ~15
    let former = try memory.load(FlockWords.self, at: address)
    try memory.store(structure, at: address)
    let result = try? guest.call(
      SystemCall(number: Int(SYS_fcntl), arguments: (UInt64(number), UInt64(F_SETLK), address, 0, 0, 0)))
    try memory.store(former, at: address)
    if result == nil { throw .resourceTemporarilyUnavailable }
  }

  /// As large as `struct flock`, without meaning.
  private typealias FlockWords = (UInt64, UInt64, UInt64, UInt64)

  private var structure: flock {
    var lock = flock()
    lock.l_type = Int16(isExclusive ? F_WRLCK : F_RDLCK)
    lock.l_whence = Int16(SEEK_SET)
    lock.l_start = Int(start)
    lock.l_len = Int(length)
    return lock
  }
}
