// ioctl and fcntl: calls that are many calls in one. What is not listed is refused by the filter.

import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addControl() {
    served(
      16, "ioctl", .fd, .deviceCommand, .word("argp"), as: .depends(Self.deviceControl),
      note: "terminals, plain descriptors and the interfaces of the network; nothing that puts input into a terminal"
    ) { (call, descriptor, command, argument) throws(Errno) in
      try call.ioctl(descriptor, command, argument)
    }
    served(
      72, "fcntl", .fd, .descriptorCommand, .word("arg"), as: .depends(Self.descriptorControl), repeated: true,
      note: "locks and F_GETFL are served; leases, notifications and hints, which reach inodes of the host, are EINVAL"
    ) { (call, descriptor, command, argument) throws(Errno) in
      try call.fcntl(descriptor, command, argument)
    }
  }

  private static let deviceControl: @Sendable (GatePolicy) -> CallPolicy = { policy in
    // TIOCSPGRP names a process group.
    let naming = ArgumentRule(policy.isolation == .full ? .native : .trace, when: .int(1, 0x5410))
    return CallPolicy(
      [
        ArgumentRule(.errno(.notPermitted), when: .oneOf(argument: 1, DeviceControls.refused)), naming,
        ArgumentRule(.native, when: .oneOf(argument: 1, DeviceControls.native)),
        ArgumentRule(Self.interfaces(policy), when: .oneOf(argument: 1, DeviceControls.interfaces)),
      ], otherwise: .errno(.inappropriateIOCTLForDevice))
  }

  /// Without a network namespace the interfaces are the host's: of a guest without a network there are none. With a network list
  /// sockets are the host's everywhere.
  static func interfaces(_ policy: GatePolicy) -> Disposition {
    switch policy.network {
    case .host: .native
    case .allow: .errno(.operationNotSupportedByDevice)
    case .none: policy.isolation == .noNamespaces ? .errno(.operationNotSupportedByDevice) : .native
    }
  }

  private static let descriptorControl: @Sendable (GatePolicy) -> CallPolicy = { policy in
    let served = ArgumentRule(.trace, when: .oneOf(argument: 1, DescriptorControls.served))
    let native = ArgumentRule(.native, when: .oneOf(argument: 1, DescriptorControls.native))
    return switch policy.isolation {
    case .full: CallPolicy([served, native], otherwise: .errno(.invalidArgument))
    case .noNamespaces:
      CallPolicy(
        [
          served, ArgumentRule(.trace, when: .int(1, 8)), ArgumentRule(.errno(.notPermitted), when: .int(1, 15)),
          native,
        ], otherwise: .errno(.invalidArgument))
    }
  }
}

/// Commands of fcntl(2).
private enum DescriptorControls {
  /// On the descriptor, on the open file description, and on pipes and memfds. Not F_SETLEASE, F_NOTIFY, F_SET_RW_HINT,
  /// F_SET_FILE_RW_HINT and what comes after them: they would reach inodes of the host.
  static let native: [UInt32] = [
    0, 1, 2, 3, 4,  // F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL
    8, 9, 10, 11, 15, 16, 17,  // F_SETOWN, F_GETOWN, F_SETSIG, F_GETSIG, F_SETOWN_EX, F_GETOWN_EX, F_GETOWNER_UIDS
    1025, 1027, 1028, 1030,  // F_GETLEASE, F_DUPFD_QUERY, F_CREATED_QUERY, F_DUPFD_CLOEXEC
    1031, 1032, 1033, 1034,  // F_SETPIPE_SZ, F_GETPIPE_SZ, F_ADD_SEALS, F_GET_SEALS
    1035, 1037,  // F_GET_RW_HINT, F_GET_FILE_RW_HINT
  ]

  /// F_GETFL, because the kernel's descriptor of what was opened with O_PATH is a placeholder; locks: F_GETLK, F_SETLK,
  /// F_SETLKW, F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW.
  static let served: [UInt32] = [3, 5, 6, 7, 36, 37, 38]
}

/// Commands of ioctl(2).
private enum DeviceControls {
  /// TIOCSTI and TIOCLINUX put input into the caller's terminal (CVE-2017-5226); TIOCEXCL and TIOCNXCL would decide who
  /// else may open it.
  static let refused: [UInt32] = [0x5412, 0x541c, 0x540c, 0x540d]

  /// Terminals and plain descriptors.
  static let native: [UInt32] = [
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
  static let interfaces: [UInt32] = [
    0x8910, 0x8912, 0x8913, 0x8915, 0x8917, 0x8919, 0x891b, 0x891d,  // SIOCGIFNAME, CONF, FLAGS, ADDR, DSTADDR, ...
    0x8921, 0x8927, 0x8933, 0x8942, 0x8970,  // SIOCGIFMTU, HWADDR, INDEX, TXQLEN, MAP
  ]
}

extension CallContext {
  /// TIOCSPGRP: a terminal's foreground group is one of guests. Anything else of ioctl(2) is the filter's to judge.
  fileprivate func ioctl(_ descriptor: Descriptor, _ command: DeviceCommand, _ argument: Word) throws(Errno) -> Outcome
  {
    guard command == .setForegroundGroup else { throw .inappropriateIOCTLForDevice }
    if hasPidNamespace { return .native }
    let group = try memory.load(argument.pointer(to: ThreadID.self))
    guard tasks.isGroup(group) else { throw .notPermitted }
    return .substituteReading(
      SystemCall(.ioctl, descriptor, command, 0), withUnsafeBytes(of: group) { [UInt8]($0) }, argument: 2)
  }

  fileprivate func fcntl(_ descriptor: Descriptor, _ command: DescriptorCommand, _ argument: Word) throws(Errno)
    -> Outcome
  {
    switch command {
    case .getFlags:
      guard let node = files.registry.node(try status(descriptor)), node.isPath else { return .native }
      return .value(Int(OpenFlags.path.rawValue))
    case .setOwner:
      // A process group, which a negative number names, may hold processes that are no guests.
      if argument.int < 0 { throw .notPermitted }
      return try nativeIfGuestOrSelf(argument.int)
    default:
      guard let command = LockCommand(command) else { throw .invalidArgument }
      return try rangeLock(descriptor, command, argument.pointer())
    }
  }
}
