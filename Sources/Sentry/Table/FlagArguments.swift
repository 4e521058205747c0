// Flag words as arguments, each bit with the name of the kernel's constant (uapi headers, x86-64's values).

import LinuxABI

/// A set of flags that is one argument of a call.
protocol FlagArgument: CallArgument, OptionSet where RawValue: FixedWidthInteger & UnsignedInteger {
  /// The constants' names. What has several bits comes before what it contains.
  static var names: [(RawValue, StaticString)] { get }
}

extension FlagArgument {
  init(register: UInt64) { self.init(rawValue: RawValue(truncatingIfNeeded: register)) }

  func shown(_ strings: TracedStrings) -> TraceValue { Self.shown(rawValue, Self.names) }

  static func shown(_ value: RawValue, _ names: [(RawValue, StaticString)], _ first: [StaticString] = []) -> TraceValue
  {
    var rest = value
    var found = first
    for (bits, name) in names where rest & bits == bits {
      found.append(name)
      rest &= ~bits
    }
    return .flags(found, rest: UInt64(rest))
  }
}

extension OpenFlags: FlagArgument {
  static var names: [(UInt32, StaticString)] {
    [
      (0o20200000, "O_TMPFILE"), (0o4010000, "O_SYNC"), (0o100, "O_CREAT"), (0o200, "O_EXCL"), (0o400, "O_NOCTTY"),
      (0o1000, "O_TRUNC"), (0o2000, "O_APPEND"), (0o4000, "O_NONBLOCK"), (0o10000, "O_DSYNC"), (0o20000, "O_ASYNC"),
      (0o40000, "O_DIRECT"), (0o100000, "O_LARGEFILE"), (0o200000, "O_DIRECTORY"), (0o400000, "O_NOFOLLOW"),
      (0o1000000, "O_NOATIME"), (0o2000000, "O_CLOEXEC"), (0o10000000, "O_PATH"),
    ]
  }

  func shown(_ strings: TracedStrings) -> TraceValue {
    let access: [StaticString] = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"]
    return Self.shown(rawValue & ~3, Self.names, [access[Int(rawValue & 3)]])
  }
}

extension AtFlags: FlagArgument {
  static var names: [(UInt32, StaticString)] {
    [
      (0x100, "AT_SYMLINK_NOFOLLOW"), (0x400, "AT_SYMLINK_FOLLOW"), (0x800, "AT_NO_AUTOMOUNT"),
      (0x1000, "AT_EMPTY_PATH"), (0x2000, "AT_STATX_FORCE_SYNC"), (0x4000, "AT_STATX_DONT_SYNC"),
    ]
  }
}

extension RenameFlags: FlagArgument {
  static var names: [(UInt32, StaticString)] {
    [(1, "RENAME_NOREPLACE"), (2, "RENAME_EXCHANGE"), (4, "RENAME_WHITEOUT")]
  }
}

extension XattrFlags: FlagArgument {
  static var names: [(UInt32, StaticString)] { [(1, "XATTR_CREATE"), (2, "XATTR_REPLACE")] }
}

extension InotifyMask: FlagArgument {
  static var names: [(UInt32, StaticString)] {
    [
      (0x1, "IN_ACCESS"), (0x2, "IN_MODIFY"), (0x4, "IN_ATTRIB"), (0x8, "IN_CLOSE_WRITE"), (0x10, "IN_CLOSE_NOWRITE"),
      (0x20, "IN_OPEN"), (0x40, "IN_MOVED_FROM"), (0x80, "IN_MOVED_TO"), (0x100, "IN_CREATE"), (0x200, "IN_DELETE"),
      (0x400, "IN_DELETE_SELF"), (0x800, "IN_MOVE_SELF"), (0x100_0000, "IN_ONLYDIR"), (0x200_0000, "IN_DONT_FOLLOW"),
      (0x400_0000, "IN_EXCL_UNLINK"), (0x1000_0000, "IN_MASK_CREATE"), (0x2000_0000, "IN_MASK_ADD"),
      (0x8000_0000, "IN_ONESHOT"),
    ]
  }
}

/// The flags of inotify_init1(2): they have the values of O_CLOEXEC and O_NONBLOCK.
struct InotifyFlags: FlagArgument {
  let rawValue: UInt32
  static let nonBlocking = InotifyFlags(rawValue: 0o4000)
  static let closeOnExec = InotifyFlags(rawValue: 0o2000000)
  static var names: [(UInt32, StaticString)] { [(0o4000, "IN_NONBLOCK"), (0o2000000, "IN_CLOEXEC")] }
}

/// What statx(2) is asked for. The reserved bit is refused.
struct StatxMask: FlagArgument {
  let rawValue: UInt32
  static let reserved = StatxMask(rawValue: 0x8000_0000)
  /// STATX_MNT_ID_UNIQUE: in place of STATX_MNT_ID.
  static let uniqueMountID = StatxMask(rawValue: 0x4000)
  static var names: [(UInt32, StaticString)] {
    [
      (0xfff, "STATX_ALL"), (0x7ff, "STATX_BASIC_STATS"), (1, "STATX_TYPE"), (2, "STATX_MODE"), (4, "STATX_NLINK"),
      (8, "STATX_UID"), (0x10, "STATX_GID"), (0x20, "STATX_ATIME"), (0x40, "STATX_MTIME"), (0x80, "STATX_CTIME"),
      (0x100, "STATX_INO"), (0x200, "STATX_SIZE"), (0x400, "STATX_BLOCKS"), (0x800, "STATX_BTIME"),
      (0x1000, "STATX_MNT_ID"), (0x2000, "STATX_DIOALIGN"), (0x4000, "STATX_MNT_ID_UNIQUE"), (0x8000, "STATX_SUBVOL"),
    ]
  }
}

/// PROT_... of mmap(2): an `unsigned long`.
extension Protection: FlagArgument {
  static var names: [(UInt64, StaticString)] {
    [
      (1, "PROT_READ"), (2, "PROT_WRITE"), (4, "PROT_EXEC"), (8, "PROT_SEM"), (0x100_0000, "PROT_GROWSDOWN"),
      (0x200_0000, "PROT_GROWSUP"),
    ]
  }

  func shown(_ strings: TracedStrings) -> TraceValue {
    rawValue == 0 ? .word("PROT_NONE") : Self.shown(rawValue, Self.names)
  }
}

/// MAP_... of mmap(2): an `unsigned long`.
extension MapFlags: FlagArgument {
  static var names: [(UInt64, StaticString)] {
    [
      (3, "MAP_SHARED_VALIDATE"), (1, "MAP_SHARED"), (2, "MAP_PRIVATE"), (0x10, "MAP_FIXED"), (0x20, "MAP_ANONYMOUS"),
      (0x40, "MAP_32BIT"), (0x100, "MAP_GROWSDOWN"), (0x800, "MAP_DENYWRITE"), (0x1000, "MAP_EXECUTABLE"),
      (0x2000, "MAP_LOCKED"), (0x4000, "MAP_NORESERVE"), (0x8000, "MAP_POPULATE"), (0x1_0000, "MAP_NONBLOCK"),
      (0x2_0000, "MAP_STACK"), (0x4_0000, "MAP_HUGETLB"), (0x8_0000, "MAP_SYNC"), (0x10_0000, "MAP_FIXED_NOREPLACE"),
    ]
  }
}

/// CLONE_... of unshare(2).
struct UnshareFlags: FlagArgument {
  let rawValue: UInt64
  static let fileSystem = UnshareFlags(rawValue: 0x200)
  static let files = UnshareFlags(rawValue: 0x400)
  static let semaphores = UnshareFlags(rawValue: 0x4_0000)
  static var names: [(UInt64, StaticString)] {
    [
      (0x80, "CLONE_NEWTIME"), (0x100, "CLONE_VM"), (0x200, "CLONE_FS"), (0x400, "CLONE_FILES"),
      (0x800, "CLONE_SIGHAND"), (0x1_0000, "CLONE_THREAD"), (0x2_0000, "CLONE_NEWNS"), (0x4_0000, "CLONE_SYSVSEM"),
      (0x200_0000, "CLONE_NEWCGROUP"), (0x400_0000, "CLONE_NEWUTS"), (0x800_0000, "CLONE_NEWIPC"),
      (0x1000_0000, "CLONE_NEWUSER"), (0x2000_0000, "CLONE_NEWPID"), (0x4000_0000, "CLONE_NEWNET"),
    ]
  }
}

/// CLOSE_RANGE_... of close_range(2).
struct CloseRangeFlags: FlagArgument {
  let rawValue: UInt32
  static let unshare = CloseRangeFlags(rawValue: 2)
  static var names: [(UInt32, StaticString)] { [(2, "CLOSE_RANGE_UNSHARE"), (4, "CLOSE_RANGE_CLOEXEC")] }
}

/// SYNC_FILE_RANGE_... of sync_file_range(2).
struct SyncFileRangeFlags: FlagArgument {
  let rawValue: UInt32
  static let known = SyncFileRangeFlags(rawValue: 7)
  static var names: [(UInt32, StaticString)] {
    [(1, "SYNC_FILE_RANGE_WAIT_BEFORE"), (2, "SYNC_FILE_RANGE_WRITE"), (4, "SYNC_FILE_RANGE_WAIT_AFTER")]
  }
}

/// MSG_... of sendto(2), sendmsg(2) and recvfrom(2).
extension MessageFlags: FlagArgument {
  static var names: [(UInt32, StaticString)] {
    [
      (1, "MSG_OOB"), (2, "MSG_PEEK"), (4, "MSG_DONTROUTE"), (0x20, "MSG_TRUNC"), (0x40, "MSG_DONTWAIT"),
      (0x80, "MSG_EOR"), (0x100, "MSG_WAITALL"), (0x800, "MSG_CONFIRM"), (0x2000, "MSG_ERRQUEUE"),
      (0x4000, "MSG_NOSIGNAL"), (0x8000, "MSG_MORE"), (0x2000_0000, "MSG_FASTOPEN"), (0x4000_0000, "MSG_CMSG_CLOEXEC"),
    ]
  }
}

/// SECCOMP_FILTER_FLAG_... of seccomp(2).
struct SeccompFlags: FlagArgument {
  let rawValue: UInt32
  /// SECCOMP_FILTER_FLAG_TSYNC: the filter is every thread's of the group.
  static let allThreads = SeccompFlags(rawValue: 1)
  static var names: [(UInt32, StaticString)] {
    [
      (1, "SECCOMP_FILTER_FLAG_TSYNC"), (2, "SECCOMP_FILTER_FLAG_LOG"), (4, "SECCOMP_FILTER_FLAG_SPEC_ALLOW"),
      (8, "SECCOMP_FILTER_FLAG_NEW_LISTENER"), (16, "SECCOMP_FILTER_FLAG_TSYNC_ESRCH"),
    ]
  }
}
