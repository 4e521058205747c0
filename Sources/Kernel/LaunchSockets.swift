// How the supervisor and the first processes of a sandbox speak: over one pair of sockets, a message for each step.

import CLinux
public import LinuxABI

/// Where a child is, or has failed: `enum vd_stage`.
public enum LaunchStage: Int32, Sendable {
  case ready, clone, privateMounts, store, root, trampoline, pivot, loopback, fork, plan, directory, limit
  case noNewPrivileges, landlock, capabilities, descriptors, filter
  /// init: a layer's read-only tree follows, or why there is none.
  case tree
  /// init: it has given up what it will not need.
  case confined
}

/// What a child says: `struct vd_report`.
public struct LaunchReport: ~Copyable {
  public let stage: LaunchStage
  /// What its step has failed with.
  public let error: Errno?
  /// The descriptors that came with it: init's store and its devpts; a tree; the guest's listener.
  public var first: OwnedDescriptor?
  public var second: OwnedDescriptor?
  /// init: device and inodes of the two trampolines.
  public let device: UInt64
  public let inodes: (plain: UInt64, executableStack: UInt64)
  /// init: why the machine's name could not be set.
  public let hostNameError: Errno?
  /// Its number in our pid namespace, if the kernel says so.
  public let sender: Int32?
}

/// Both ends of the pair, until the child has its own.
public struct LaunchSockets: ~Copyable, Sendable {
  private let ours: OwnedDescriptor
  /// The child's; nil once it has been started.
  private var theirs: OwnedDescriptor?

  /// `socketpair(2)` of SOCK_SEQPACKET; of each message ours is told the sender (SO_PASSCRED of `unix(7)`).
  public init() throws(Errno) {
    var ends: (CInt, CInt) = (-1, -1)
    _ = try withUnsafeMutablePointer(to: &ends) { ends throws(Errno) in
      try Host.call(
        .socketpair, Int(AF_UNIX), Int(SOCK_SEQPACKET.rawValue) | Int(SOCK_CLOEXEC.rawValue), 0, Int(bitPattern: ends))
    }
    let ours = OwnedDescriptor(ends.0)
    let theirs = OwnedDescriptor(ends.1)
    var on: CInt = 1
    _ = try withUnsafeMutablePointer(to: &on) { on throws(Errno) in
      try Host.call(
        .setsockopt, Int(ours.rawValue), Int(SOL_SOCKET), Int(SO_PASSCRED), Int(bitPattern: on), MemoryLayout<CInt>.size
      )
    }
    self.ours = ours
    self.theirs = consume theirs
  }

  /// `vd_launch_init`: starts process one of the plan's namespaces. Its number.
  public mutating func startInit(_ plan: LaunchPlan) throws(Errno) -> Int32 {
    try start(plan) { vd_launch_init($0) }
  }

  /// `vd_launch_guest`: starts the guest without namespaces. Its number.
  public mutating func startGuest(_ plan: LaunchPlan) throws(Errno) -> Int32 {
    try start(plan) { vd_launch_guest($0) }
  }

  private mutating func start(_ plan: LaunchPlan, _ body: (UnsafePointer<vd_plan>) -> Int32) throws(Errno) -> Int32 {
    // Closed when this returns: the child has its own.
    guard let end = theirs.take() else { throw .invalidArgument }
    return Int32(
      try Errno.check(Int(plan.withPlan(control: end.rawValue, supervisorControl: ours.rawValue, body))))
  }

  /// `vd_send`: the child may take its next step.
  public borrowing func sendGo() throws(Errno) {
    var byte: UInt8 = 0
    _ = try Errno.check(Int(vd_send(ours.rawValue, &byte, 1, nil, 0)))
  }

  /// `vd_send`: the child gets the command (`LaunchCommand`).
  public borrowing func send(_ command: borrowing OwnedDescriptor) throws(Errno) {
    var byte: UInt8 = 0
    var descriptor = command.rawValue
    _ = try Errno.check(Int(vd_send(ours.rawValue, &byte, 1, &descriptor, 1)))
  }

  /// `vd_receive`: waits for what a child says next; nil if it has ended.
  public borrowing func receive() -> LaunchReport? {
    var report = vd_report()
    var numbers: [CInt] = [-1, -1, -1]
    var count: CInt = 0
    var sender: pid_t = 0
    let size = MemoryLayout<vd_report>.size
    let received = vd_receive(ours.rawValue, &report, size, &numbers, &count, &sender)
    var descriptors = numbers.prefix(Int(max(count, 0))).map { Optional($0) } + [nil, nil]
    defer { for case let number? in descriptors { Host.close(number) } }
    guard received == size, let stage = LaunchStage(rawValue: report.stage) else { return nil }
    let (first, second) = (descriptors[0], descriptors[1])
    descriptors.removeFirst(2)
    return LaunchReport(
      stage: stage, error: report.error == 0 ? nil : Errno(rawValue: report.error),
      first: first.map { OwnedDescriptor($0) }, second: second.map { OwnedDescriptor($0) }, device: report.device,
      inodes: (report.inode.0, report.inode.1),
      hostNameError: report.host_name_error == 0 ? nil : Errno(rawValue: report.host_name_error),
      sender: sender == 0 ? nil : sender)
  }
}
