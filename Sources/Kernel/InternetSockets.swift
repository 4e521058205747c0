// Sockets of the internet families: made by the supervisor, and worked on through its duplicates of those that guests have.

public import LinuxABI

extension Host {
  /// `socket(2)` with SOCK_CLOEXEC.
  ///
  /// - Throws: `.addressFamilyNotSupported` where the kernel has no such family (IPv6).
  public static func makeSocket(_ family: AddressFamily, _ type: SocketType, isNonBlocking: Bool) throws(Errno)
    -> OwnedDescriptor
  {
    let flags = OpenFlags.closeOnExec.rawValue | (isNonBlocking ? OpenFlags.nonBlocking.rawValue : 0)
    let kind = Int(type.rawValue) | Int(flags)
    return OwnedDescriptor(CInt(truncatingIfNeeded: try call(.socket, Int(family.rawValue), kind)))
  }

  /// `listen(2)`.
  public static func listen(_ socket: CInt, backlog: CInt) throws(Errno) {
    try callForGuest(.listen, Int(socket), Int(backlog))
  }

  /// `accept4(2)` with SOCK_CLOEXEC and SOCK_NONBLOCK.
  public static func accept(_ socket: CInt) throws(Errno) -> OwnedDescriptor {
    let flags = Int((OpenFlags.closeOnExec.union(.nonBlocking)).rawValue)
    return OwnedDescriptor(CInt(truncatingIfNeeded: try callForGuest(.accept4, Int(socket), 0, 0, flags)))
  }

  // MARK: - Options

  /// An option of any level that is an `int` (`getsockopt(2)`).
  public static func option(_ option: LeveledOption, of socket: CInt) throws(Errno) -> CInt {
    var value: CInt = 0
    var length = UInt32(MemoryLayout<CInt>.size)
    _ = try withUnsafeMutablePointer(to: &value) { value throws(Errno) in
      try withUnsafeMutablePointer(to: &length) { length throws(Errno) in
        try callForGuest(
          .getsockopt, Int(socket), Int(option.level), Int(option.number), Int(bitPattern: value),
          Int(bitPattern: length))
      }
    }
    return value
  }

  /// `setsockopt(2)` of an option that is an `int`.
  public static func setOption(_ option: LeveledOption, of socket: CInt, to value: CInt) throws(Errno) {
    _ = try withUnsafePointer(to: value) { value throws(Errno) in
      try callForGuest(
        .setsockopt, Int(socket), Int(option.level), Int(option.number), Int(bitPattern: value),
        MemoryLayout<CInt>.size)
    }
  }

  /// SO_ATTACH_FILTER of `socket(7)`: a program of classic BPF that each received packet is shown to; it takes the place of
  /// the one before.
  public static func attachFilter(_ program: [FilterInstruction], to socket: CInt) throws(Errno) {
    // struct sock_fprog: the count, then the address.
    _ = try program.withUnsafeBufferPointer { instructions throws(Errno) in
      var header = (UInt64(instructions.count), UInt64(UInt(bitPattern: instructions.baseAddress)))
      return try withUnsafeMutablePointer(to: &header) { header throws(Errno) in
        try callForGuest(
          .setsockopt, Int(socket), Int(LeveledOption.attachFilter.level), Int(LeveledOption.attachFilter.number),
          Int(bitPattern: header), 16)
      }
    }
  }

  // MARK: - Messages

  /// `sendmsg(2)` of one part, with MSG_DONTWAIT and MSG_NOSIGNAL; how much of it was taken.
  ///
  /// - Parameters:
  ///   - address: a `struct sockaddr`; empty for what the socket is connected to.
  ///   - control: ancillary data, aligned as the kernel wants it (`man 3 cmsg`); may be empty.
  public static func send(
    _ bytes: UnsafeRawBufferPointer, to address: [UInt8] = [], control: [UInt64] = [], controlLength: Int = 0,
    flags: UInt32 = 0, by socket: CInt
  ) throws(Errno) -> Int {
    var part = (UInt64(UInt(bitPattern: bytes.baseAddress)), UInt64(bytes.count))
    return try address.withUnsafeBufferPointer { address throws(Errno) in
      try control.withUnsafeBufferPointer { control throws(Errno) in
        try withUnsafeMutablePointer(to: &part) { part throws(Errno) in
          // struct msghdr.
          var header: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64, UInt64) = (
            address.isEmpty ? 0 : UInt64(UInt(bitPattern: address.baseAddress)), UInt64(address.count),
            UInt64(UInt(bitPattern: part)), 1,
            controlLength == 0 ? 0 : UInt64(UInt(bitPattern: control.baseAddress)),
            UInt64(min(controlLength, control.count * 8)), 0
          )
          return try withUnsafeMutablePointer(to: &header) { header throws(Errno) in
            try callForGuest(
              .sendmsg, Int(socket), Int(bitPattern: header),
              Int(flags | MessageOption.doNotWait | MessageOption.noSignal))
          }
        }
      }
    }
  }

  /// `recvfrom(2)` with MSG_DONTWAIT: the count, and whom it is from (a `struct sockaddr`).
  public static func receive(into buffer: UnsafeMutableRawBufferPointer, from socket: CInt) throws(Errno)
    -> (count: Int, sender: [UInt8])
  {
    try withUnsafeTemporaryAllocation(byteCount: 128, alignment: 8) { name throws(Errno) in
      var length = UInt32(name.count)
      let count = try withUnsafeMutablePointer(to: &length) { length throws(Errno) in
        try callForGuest(
          .recvfrom, Int(socket), Int(bitPattern: buffer.baseAddress), buffer.count, Int(MessageOption.doNotWait),
          Int(bitPattern: name.baseAddress), Int(bitPattern: length))
      }
      return (count, [UInt8](name[..<min(Int(length), name.count)]))
    }
  }
}

/// MSG_... of `send(2)`.
public enum MessageOption {
  public static let outOfBand: UInt32 = 0x1
  public static let doNotWait: UInt32 = 0x40
  public static let noSignal: UInt32 = 0x4000
  /// MSG_ZEROCOPY: the kernel keeps the sender's pages.
  public static let zeroCopy: UInt32 = 0x400_0000
  /// MSG_FASTOPEN: connect(2) and send(2) in one (`man 7 tcp`).
  public static let fastOpen: UInt32 = 0x2000_0000
}

/// A socket option with its level.
public struct LeveledOption: Hashable, Sendable {
  public let level: CInt
  public let number: CInt

  public init(level: CInt, number: CInt) {
    self.level = level
    self.number = number
  }

  /// SO_REUSEADDR.
  public static let reuseAddress = LeveledOption(level: 1, number: 2)
  /// SO_ERROR: what has become of a connect(2), told once.
  public static let error = LeveledOption(level: 1, number: 4)
  /// SO_ATTACH_FILTER.
  public static let attachFilter = LeveledOption(level: 1, number: 26)
  /// SO_PROTOCOL.
  public static let protocolNumber = LeveledOption(level: 1, number: 38)
  /// IPV6_V6ONLY.
  public static let onlyIPv6 = LeveledOption(level: 41, number: 26)
}

extension Host {
  // MARK: - Timers

  /// `timerfd_create(2)` of CLOCK_MONOTONIC, with TFD_CLOEXEC and TFD_NONBLOCK.
  public static func makeTimer() throws(Errno) -> OwnedDescriptor {
    let flags = Int((OpenFlags.closeOnExec.union(.nonBlocking)).rawValue)
    return OwnedDescriptor(CInt(truncatingIfNeeded: try call(.timerfd_create, 1, flags)))
  }

  /// `timerfd_settime(2)` with TFD_TIMER_ABSTIME: readable from that nanosecond of CLOCK_MONOTONIC on, once.
  ///
  /// - Parameter time: nil for never.
  public static func setTimer(_ timer: CInt, at time: UInt64?) {
    // struct itimerspec: interval, then value.
    var value: (Int64, Int64, Int64, Int64) = (0, 0, 0, 0)
    if let time { (value.2, value.3) = (Int64(time / 1_000_000_000), Int64(time % 1_000_000_000)) }
    withUnsafeMutablePointer(to: &value) { _ = raw(.timerfd_settime, Int(timer), 1, Int(bitPattern: $0)) }
  }

  /// Reads what has expired.
  public static func clearTimer(_ timer: CInt) {
    var count: UInt64 = 0
    withUnsafeMutablePointer(to: &count) { _ = raw(.read, Int(timer), Int(bitPattern: $0), 8) }
  }
}
