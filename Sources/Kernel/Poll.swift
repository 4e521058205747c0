// Waiting for one descriptor (poll(2)).

public import LinuxABI

extension Host {
  /// `poll(2)` of one descriptor: what has come of `events`, and what is reported unasked; nothing if that takes longer.
  ///
  /// - Parameter milliseconds: -1 for as long as it takes.
  /// - Throws: `.interrupted` if a signal's handler has run.
  public static func poll(_ descriptor: CInt, for events: PollEvents, milliseconds: Int) throws(Errno) -> PollEvents {
    var poll = PollDescriptor(descriptor, events)
    _ = try withUnsafeMutablePointer(to: &poll) { poll throws(Errno) in
      try call(.poll, Int(bitPattern: poll), 1, milliseconds)
    }
    return poll.returned
  }
}

extension ThreadFlag {
  /// `Host.poll` that also says EINTR if the flag is raised, before it or meanwhile.
  public func poll(_ descriptor: CInt, for events: PollEvents, milliseconds: Int) throws(Errno) -> PollEvents {
    var poll = PollDescriptor(descriptor, events)
    let result = withUnsafeMutablePointer(to: &poll) {
      interruptibleCall(SystemCallNumber.poll, Int(bitPattern: $0), 1, milliseconds)
    }
    _ = try Host.check(.poll, result)
    return poll.returned
  }
}
