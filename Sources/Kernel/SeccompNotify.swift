// The listener of seccomp user notifications: calls that a filter holds until they are answered here
// (`man 2 seccomp_unotify`).
//
// ENOENT says that the held call is no more: its thread has died, or a signal has ended the call. All requests wait
// interruptibly, also for a thread that is stopped by its tracer; interrupted (EINTR), they have done nothing.

public import LinuxABI

extension Host {
  /// SECCOMP_IOCTL_NOTIF_RECV: waits for a call that is held, and says which.
  ///
  /// - Throws: `.interrupted`; `.noSuchFileOrDirectory` for a call that is no more, and if no task is left under the filter.
  @inlinable
  public static func receiveNotification(_ listener: CInt) throws(Errno) -> SeccompNotification {
    var notification = SeccompNotification()
    try request(.receive, listener, &notification)
    return notification
  }

  /// SECCOMP_IOCTL_NOTIF_SEND: the held call returns.
  ///
  /// - Throws: `.noSuchFileOrDirectory` for a call that is no more, `.interrupted`.
  @inlinable
  public static func answer(_ listener: CInt, _ response: SeccompResponse) throws(Errno) {
    var response = response
    try request(.send, listener, &response)
  }

  /// SECCOMP_IOCTL_NOTIF_ADDFD: the number that the thread whose call is held has now for the descriptor.
  ///
  /// - Throws: `.badFileDescriptor` for a number at or above its RLIMIT_NOFILE, `.tooManyOpenFiles`,
  ///   `.noSuchFileOrDirectory` for a call that is no more, `.interrupted`.
  @inlinable
  public static func install(_ descriptor: SeccompDescriptor, by listener: CInt) throws(Errno) -> CInt {
    var descriptor = descriptor
    return CInt(truncatingIfNeeded: try request(.addDescriptor, listener, &descriptor))
  }

  /// SECCOMP_IOCTL_NOTIF_SET_FLAGS with SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP or none: whether threads are woken on the CPU that
  /// answers them.
  ///
  /// - Throws: `.invalidArgument` before Linux 6.6.
  public static func setWakesHere(_ listener: CInt, _ wakesHere: Bool) throws(Errno) {
    _ = try Errno.check(raw(.ioctl, Int(listener), Int(SeccompRequest.setFlags.rawValue), wakesHere ? 1 : 0))
  }

  @inlinable
  @inline(__always)
  @discardableResult
  static func request<T: BitwiseCopyable>(
    _ request: SeccompRequest, _ listener: CInt, _ argument: inout T
  ) throws(Errno) -> Int {
    try Errno.check(
      withUnsafeMutablePointer(to: &argument) {
        raw(.ioctl, Int(listener), Int(request.rawValue), Int(bitPattern: $0))
      })
  }
}

extension ThreadFlag {
  /// `Host.receiveNotification` that also says EINTR if the flag is raised, before it or meanwhile.
  @inlinable
  public func receiveNotification(_ listener: CInt) throws(Errno) -> SeccompNotification {
    var notification = SeccompNotification()
    let result = withUnsafeMutablePointer(to: &notification) {
      interruptibleCall(
        SystemCallNumber.ioctl, Int(listener), Int(SeccompRequest.receive.rawValue), Int(bitPattern: $0))
    }
    _ = try Errno.check(result)
    return notification
  }
}
