// Waiting for several descriptors at once (epoll(7)).

public import LinuxABI

extension Host {
  /// What `epoll_ctl(2)` is to do.
  public enum EpollOperation: Int, Sendable {
    /// EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD.
    case add = 1
    case remove = 2
    case modify = 3
  }

  /// `epoll_create1(2)` with EPOLL_CLOEXEC.
  public static func makeEpoll() throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(
      CInt(truncatingIfNeeded: try call(.epoll_create1, Int(OpenFlags.closeOnExec.rawValue))))
  }

  /// `epoll_ctl(2)`.
  public static func control(
    _ epoll: CInt, _ operation: EpollOperation, _ descriptor: CInt, _ event: EpollEvent
  ) throws(Errno) {
    var event = event
    _ = try withUnsafeMutablePointer(to: &event) { event throws(Errno) in
      try call(.epoll_ctl, Int(epoll), operation.rawValue, Int(descriptor), Int(bitPattern: event))
    }
  }

  /// `epoll_wait(2)`: how many events of `events` have been filled in.
  ///
  /// - Parameter milliseconds: 0 for what is there already, -1 for as long as it takes.
  public static func wait(
    _ epoll: CInt, into events: UnsafeMutableBufferPointer<EpollEvent>, milliseconds: CInt
  ) throws(Errno) -> Int {
    try call(
      .epoll_wait, Int(epoll), Int(bitPattern: events.baseAddress), events.count, Int(milliseconds))
  }
}
