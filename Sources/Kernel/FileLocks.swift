// Locks and leases of guests, taken on duplicates of their descriptors and without waiting. What a descriptor is open for is a
// guest's choice, so EBADF is an answer.

public import LinuxABI

extension Host {
  /// `flock(2)` with LOCK_NB: false if the lock is not to be had.
  public static func lock(_ descriptor: CInt, as operation: LockOperation) throws(Errno) -> Bool {
    try isDone(raw(.flock, Int(descriptor), Int(operation.withoutWaiting.rawValue)))
  }

  /// F_OFD_SETLK of `fcntl(2)`, a lock of the open file description: false if it is not to be had.
  public static func lock(_ descriptor: CInt, _ lock: RangeLock) throws(Errno) -> Bool {
    var lock = lock
    return try withUnsafeMutablePointer(to: &lock) { lock throws(Errno) in
      try isDone(raw(.fcntl, Int(descriptor), 37, Int(bitPattern: lock)))
    }
  }

  /// F_SETLEASE of `fcntl(2)`: false if others have the file open in a way that the lease does not allow.
  public static func setLease(_ descriptor: CInt, to kind: RangeLock.Kind) throws(Errno) -> Bool {
    try isDone(raw(.fcntl, Int(descriptor), 1024, Int(kind.rawValue)))
  }

  private static func isDone(_ result: Int) throws(Errno) -> Bool {
    if result == Errno.wouldBlock.result { return false }
    _ = try Errno.check(result)
    return true
  }
}
