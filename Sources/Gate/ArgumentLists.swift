// The allow-lists of calls that are many calls in one. What is not listed is refused by the filter.

/// Commands of ioctl(2) and options of prctl(2).
enum ArgumentLists {
  /// TIOCSTI and TIOCLINUX put input into the caller's terminal (CVE-2017-5226); TIOCEXCL and TIOCNXCL would decide who
  /// else may open it.
  static let refusedControls: [UInt32] = [0x5412, 0x541c, 0x540c, 0x540d]

  /// Commands of fcntl(2) on the descriptor, on the open file description, and on pipes and memfds. Not F_SETLEASE, F_NOTIFY,
  /// F_SET_RW_HINT, F_SET_FILE_RW_HINT and what comes after them: they would reach inodes of the host.
  static let nativeDescriptorControls: [UInt32] = [
    0, 1, 2, 3, 4,  // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL
    8, 9, 10, 11, 15, 16, 17,  // F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_SETOWN_EX, F_GETOWN_EX, F_GETOWNER_UIDS
    1025, 1027, 1028, 1030,  // F_GETLEASE, F_DUPFD_QUERY, F_CREATED_QUERY, F_DUPFD_CLOEXEC
    1031, 1032, 1033, 1034,  // F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
    1035, 1037,  // F_GET_RW_HINT, F_GET_FILE_RW_HINT
  ]

  /// F_GETFL, because the kernel's descriptor of what was opened with O_PATH is a placeholder; locks: F_GETLK, F_SETLK,
  /// F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW.
  static let servedDescriptorControls: [UInt32] = [3, 5, 6, 7, 36, 37, 38]

  /// Terminals and plain descriptors.
  static let nativeControls: [UInt32] = [
    0x5401,  // TCGETS
    0x5402, 0x5403, 0x5404,  // TCSETS, TCSETSW, TCSETSF
    0x5405, 0x5406, 0x5407, 0x5408,  // TCGETA, TCSETA, TCSETAW, TCSETAF
    0x5409, 0x540a, 0x540b,  // TCSBRK, TCXONC, TCFLSH
    0x540e,  // TIOCSCTTY
    0x540f, 0x5410,  // TIOCGPGRP, TIOCSPGRP
    0x5411,  // TIOCOUTQ
    0x5413, 0x5414,  // TIOCGWINSZ, TIOCSWINSZ
    0x5415, 0x5416, 0x5417, 0x5418,  // TIOCMGET, TIOCMBIS, TIOCMBIC, TIOCMSET
    0x541b,  // FIONREAD
    0x5420, 0x5421, 0x5422,  // TIOCPKT, FIONBIO, TIOCNOTTY
    0x5424, 0x5425,  // TIOCGETD, TCSBRKP
    0x5427, 0x5428,  // TIOCSBRK, TIOCCBRK
    0x5429,  // TIOCGSID
    0x802c_542a, 0x402c_542b, 0x402c_542c, 0x402c_542d,  // TCGETS2, TCSETS2, TCSETSW2, TCSETSF2
    0x8004_5430, 0x4004_5431,  // TIOCGPTN, TIOCSPTLCK
    0x8004_5432, 0x4004_5436,  // TIOCGDEV, TIOCSIG
    0x8004_5438, 0x8004_5439, 0x8004_5440,  // TIOCGPKT, TIOCGPTLCK, TIOCGEXCL
    0x5441,  // TIOCGPTPEER
    0x5450, 0x5451, 0x5452, 0x5460,  // FIONCLEX, FIOCLEX, FIOASYNC, FIOQSIZE
    0x0002,  // FIGETBSZ
    0x4004_9409, 0x4020_940d,  // FICLONE, FICLONERANGE: a write to one open file, a read of another
    0x8905, 0x8904, 0x8903,  // SIOCATMARK, SIOCGPGRP, FIOGETOWN
    0x8906, 0x8907,  // SIOCGSTAMP, SIOCGSTAMPNS
  ]

  /// `man 7 netdevice`: reading the interfaces of the network namespace, on a socket of any family.
  static let interfaceControls: [UInt32] = [
    0x8910, 0x8912, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d,  // SIOCGIFNAME, CONF, FLAGS, ADDR, DSTADDR, ...
    0x8921, 0x8927, 0x8933, 0x8942, 0x8970,  // SIOCGIFMTU, HWADDR, INDEX, TXQLEN, MAP
  ]

  /// SO_BINDTODEVICE and SO_BINDTOIFINDEX of SOL_SOCKET: by a name or a number whether there is such an interface, and
  /// getsockopt(2) answers with its name.
  static let interfaceOptions: [UInt32] = [25, 62]

  /// Options of prctl that concern the caller alone.
  static let nativeProcessControls: [UInt32] = [
    1, 2,  // PR_SET_PDEATHSIG, PR_GET_PDEATHSIG
    13, 14, 15, 16,  // PR_GET_TIMING, PR_SET_TIMING, PR_SET_NAME, PR_GET_NAME
    21, 22,  // PR_GET_SECCOMP, PR_SET_SECCOMP
    25, 26,  // PR_GET_TSC, PR_SET_TSC
    29, 30, 31, 32,  // PR_SET_TIMERSLACK, PR_GET_TIMERSLACK, PR_TASK_PERF_EVENTS_DISABLE, ..._ENABLE
    33, 34,  // PR_MCE_KILL, PR_MCE_KILL_GET
    36, 37, 38, 39, 40, 41, 42,  // CHILD_SUBREAPER, NO_NEW_PRIVS, GET_TID_ADDRESS, THP_DISABLE
    52, 53,  // PR_GET_SPECULATION_CTRL, PR_SET_SPECULATION_CTRL
    65, 66,  // PR_SET_MDWE, PR_GET_MDWE
    78,  // PR_FUTEX_HASH
    0x5356_4d41, 0x4155_5856,  // PR_SET_VMA, PR_GET_AUXV
  ]

  /// Options that are part of what the sentry keeps: dumpable, keepcaps, bounding set, securebits, ambient set.
  static let servedProcessControls: [UInt32] = [3, 4, 7, 8, 23, 24, 27, 28, 47]
}
