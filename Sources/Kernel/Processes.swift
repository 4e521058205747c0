// Other processes and threads by number and by descriptor.

public import LinuxABI

extension Host {
  /// `pidfd_open(2)` of a thread; before Linux 6.9, which has PIDFD_THREAD, of a thread group's leader only.
  public static func openProcess(_ thread: Int32) throws(Errno) -> OwnedDescriptor {
    var result = raw(.pidfd_open, Int(thread))
    // No leader: EINVAL, or ENOENT.
    if result == Errno.invalidArgument.result || result == Errno.noSuchFileOrDirectory.result {
      result = raw(.pidfd_open, Int(thread), 0o200)
    }
    return OwnedDescriptor(CInt(truncatingIfNeeded: try check(.pidfd_open, result)))
  }

  /// Whether the kernel, and the filters above us, let us take a duplicate from another process. A container engine's
  /// default profile refuses that to who has no CAP_SYS_PTRACE; a descriptor that does not exist is EBADF.
  public static let takesDescriptors = raw(.pidfd_getfd, -1) == Errno.badFileDescriptor.result

  /// `pidfd_getfd(2)`: a duplicate of descriptor `number` of the process that `process` stands for (`openProcess`).
  public static func duplicate(_ number: CInt, from process: CInt) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(CInt(truncatingIfNeeded: try callForGuest(.pidfd_getfd, Int(process), Int(number))))
  }
}

extension Host {
  /// `getpgid(2)`: a process's group.
  ///
  /// - Throws: `.noSuchProcess` for one that is gone.
  public static func processGroup(of process: Int32) throws(Errno) -> Int32 {
    Int32(truncatingIfNeeded: try call(.getpgid, Int(process)))
  }

  /// `getpgid(2)`: the process is in this group; one that is gone is in none, and no group has a number below 1.
  public static func isProcess(_ process: Int32, in group: Int32) -> Bool {
    group > 0 && raw(.getpgid, Int(process)) == Int(group)
  }

  /// `getpriority(2)` with PRIO_PROCESS as the kernel answers it: 20 less the nice value.
  public static func priority(of process: Int32) throws(Errno) -> Int {
    try call(.getpriority, 0, Int(process))
  }

  /// `prlimit(2)`: a limit of another process.
  ///
  /// - Throws: `.notPermitted` for a process of another user namespace, `.noSuchProcess`.
  public static func limit(_ resource: Resource, of process: Int32) throws(Errno) -> ResourceLimit {
    var limit = ResourceLimit(soft: 0, hard: 0)
    _ = try withUnsafeMutablePointer(to: &limit) { limit throws(Errno) in
      try call(.prlimit64, Int(process), Int(resource.rawValue), 0, Int(bitPattern: limit))
    }
    return limit
  }

  /// Whether `number` is a descriptor of a process, by `kcmp(2)`: whether it equals itself.
  ///
  /// - Throws: `.noSuchProcess`; another error where the kernel does not say (kcmp is not built in, or refused).
  public static func isOpen(_ number: CInt, in process: Int32) throws(Errno) -> Bool {
    do throws(Errno) {
      try callForGuest(.kcmp, Int(process), Int(process), 0 /* KCMP_FILE */, Int(number), Int(number))
      return true
    } catch {
      if error == .badFileDescriptor { return false }
      throw error
    }
  }
}

extension Host {
  // MARK: - Signals

  /// `kill(2)` of a process; 0 asks whether there is one.
  @discardableResult
  public static func signalProcess(_ process: Int32, _ signal: Int32) -> Bool {
    raw(.kill, Int(process), Int(signal)) == 0
  }

  /// `tkill(2)` of a thread.
  @discardableResult
  public static func signalThread(_ thread: Int32, _ signal: Int32) -> Bool {
    raw(.tkill, Int(thread), Int(signal)) == 0
  }

  /// `tgkill(2)` of a thread in a thread group.
  @discardableResult
  public static func signalThread(_ thread: Int32, of group: Int32, _ signal: Int32) -> Bool {
    raw(.tgkill, Int(group), Int(thread), Int(signal)) == 0
  }

  /// `pidfd_send_signal(2)`: to the process that `process` stands for (`openProcess`), with a value.
  public static func send(_ information: SignalInformation, to process: CInt) throws(Errno) {
    var information = information
    _ = try withUnsafeMutablePointer(to: &information) { start throws(Errno) in
      try call(.pidfd_send_signal, Int(process), Int(start.pointee.signal.rawValue), Int(bitPattern: start), 0)
    }
  }

  /// `tkill(2)` with no signal: whether there is no such thread (ESRCH); one that may not be signalled is there.
  public static func isGone(_ thread: Int32) -> Bool { raw(.tkill, Int(thread), 0) == Errno.noSuchProcess.result }
}
