// Calls that wait for a limited time and that the kernel does not restart with what is left of it, and how long a thread
// has been asleep in one. The pure part of Tracer+Timeouts.

import Gate
import Kernel
import LinuxABI

/// A call that says EINTR when it is interrupted, whatever interrupts it (`man 7 signal`), and waits for a limited time.
struct TimedCall: Equatable {
  /// Where the time comes from.
  enum Timeout: Equatable {
    /// An argument by its index, in milliseconds; negative for ever.
    case milliseconds(Int)
    /// The timespec that an argument points to; none for ever.
    case time(Int)
    /// SO_RCVTIMEO or SO_SNDTIMEO of the socket that is the first argument (`man 7 socket`).
    case option(SocketOption)
  }

  let number: Int
  let timeout: Timeout

  /// Nil if the call is none of them.
  init?(number: Int) {
    guard let known = Int32(exactly: number) else { return nil }
    switch SystemCallNumber(rawValue: known) {
    case .epoll_wait, .epoll_pwait: timeout = .milliseconds(3)
    case .epoll_pwait2, .semtimedop: timeout = .time(3)
    case .rt_sigtimedwait: timeout = .time(2)
    case .io_getevents, .io_pgetevents: timeout = .time(4)
    case .recvfrom, .recvmsg, .read, .readv, .accept, .accept4: timeout = .option(.receiveTimeout)
    case .sendto, .sendmsg, .write, .writev: timeout = .option(.sendTimeout)
    default: return nil
    }
    self.number = number
  }

  /// The argument that says how long the call waits.
  var register: Register? {
    switch timeout {
    case .milliseconds(let index), .time(let index): Register.arguments[index]
    case .option: nil
    }
  }

  /// The argument as a count of milliseconds that is no shorter.
  static func milliseconds(_ nanoseconds: UInt64) -> UInt64 {
    min(nanoseconds.addingClamped(999_999) / 1_000_000, 0x7fff_ffff)
  }

  /// Nil if the time is no time, or so long (thirty years) that what has passed does not matter.
  static func nanoseconds(_ time: TimeSpecification) -> UInt64? {
    guard (0..<1_000_000_000).contains(time.seconds), (0..<1_000_000_000).contains(time.nanoseconds) else { return nil }
    return UInt64(time.seconds) * 1_000_000_000 + UInt64(time.nanoseconds)
  }
}

/// A timed call that was interrupted, and when it is to end.
struct TimedWait {
  let call: TimedCall
  /// The guest's own argument; 0 if there is none.
  let argument: UInt64
  /// Where the call returns to.
  let address: UInt64
  /// On CLOCK_MONOTONIC.
  let deadline: UInt64
}

/// A thread that was found asleep in a timed call.
struct InterruptedSleep: Equatable {
  let call: TimedCall
  /// Since when, on the clock of the CPU that it slept on.
  let began: UInt64
  let processor: Int
  /// How often it had gone to sleep.
  let sleeps: UInt64
}

/// What a clock of one CPU showed, and CLOCK_MONOTONIC then or a little later.
struct ProcessorClock: Equatable {
  let time: UInt64
  let monotonic: UInt64

  /// The moment of CLOCK_MONOTONIC since which something has lasted that began at `began` of this clock, or one that is
  /// later. Nil if it began after this look.
  ///
  /// A CPU's clock stands still while an interrupt is served or the hypervisor has taken the CPU, so it shows no more
  /// than the time that has passed. But adjtime(2) leaves it alone, and where the hardware has no steady counter it runs by
  /// ticks (10 ms at most): so much is given away.
  func since(_ began: UInt64) -> UInt64? {
    guard time >= began else { return nil }
    let elapsed = time - began
    let certain = elapsed - elapsed / 1024
    return monotonic - min(certain > 10_000_000 ? certain - 10_000_000 : 0, monotonic)
  }
}

/// The text of /proc/THREAD/sched.
struct SchedulerText: Equatable {
  /// When the thread last got or lost its CPU, on that CPU's clock (`rq_clock_task`).
  let time: UInt64
  /// nr_voluntary_switches.
  let sleeps: UInt64

  /// Nil if something is missing, or if the thread has been moved to another CPU in its sleep (its time is 0 then).
  init?(_ text: KernelText) {
    var text = text
    guard Self.findValue(of: "\nse.exec_start", in: &text), let milliseconds = text.number(),
      text.take(UInt8(ascii: "."))
    else { return nil }
    let digits = text.position
    guard let nanoseconds = text.number(), text.position - digits == 6,
      Self.findValue(of: "\nnr_voluntary_switches", in: &text), let sleeps = text.number()
    else { return nil }
    time = milliseconds &* 1_000_000 &+ nanoseconds
    if time == 0 { return nil }
    self.sleeps = sleeps
  }

  /// Goes to the value of a line `NAME   :   VALUE`.
  private static func findValue(of name: StaticString, in text: inout KernelText) -> Bool {
    guard text.find(name) else { return false }
    text.takeBlanks()
    guard text.take(UInt8(ascii: ":")) else { return false }
    text.takeBlanks()
    return true
  }

  init?(of thread: ThreadID) {
    guard let parsed = ProcessFile.withText(thread, "sched", size: 2048, Self.init(_:)) else { return nil }
    self = parsed
  }
}

/// The call that a thread sleeps in (`man 5 proc_pid_syscall`), as far as its timeout goes.
struct TimedSleep: Equatable {
  let call: TimedCall
  /// The first argument: for some calls the socket that has the timeout, or not.
  let descriptor: CInt

  /// Nil if the thread does not sleep, or in another call, or for ever.
  init?(_ text: KernelText) {
    var text = text
    guard let number = text.number(), let call = TimedCall(number: Int(truncatingIfNeeded: number)) else {
      return nil
    }
    var arguments: InlineArray<6, UInt64> = .init(repeating: 0)
    for index in arguments.indices {
      guard text.find(" 0x"), let value = text.number(radix: 16) else { return nil }
      arguments[index] = value
    }
    switch call.timeout {
    case .milliseconds(let index): if Int32(truncatingIfNeeded: arguments[index]) < 0 { return nil }
    case .time(let index): if arguments[index] == 0 { return nil }
    case .option: break
    }
    self.call = call
    descriptor = CInt(truncatingIfNeeded: arguments[0])
  }

  init?(of thread: ThreadID) {
    guard let parsed = ProcessFile.withText(thread, "syscall", size: 256, Self.init(_:)) else { return nil }
    self = parsed
  }
}

enum SocketTimeout {
  /// Of a guest's socket, in nanoseconds; nil if it has none, or is no socket.
  static func of(_ descriptor: CInt, in thread: ThreadID, _ option: SocketOption) -> UInt64? {
    // To close a duplicate of another kind of file may wait for its file system (flush).
    guard descriptor >= 0, ProcessFile.isSocket(descriptor, of: thread) else { return nil }
    // Elsewhere a call that is interrupted by a remap waits for its whole time again.
    guard Host.takesDescriptors else { return nil }
    guard let process = try? Host.openProcess(thread),
      let socket = try? Host.duplicate(descriptor, from: process.rawValue),
      let time = try? Host.timeout(option, of: socket.rawValue)
    else { return nil }
    let nanoseconds = TimedCall.nanoseconds(
      TimeSpecification(seconds: time.seconds, nanoseconds: time.microseconds.multipliedClamped(by: 1000)))
    return nanoseconds == 0 ? nil : nanoseconds
  }
}

/// The last CPU of a thread: field 39 of /proc/THREAD/stat (`man 5 proc_pid_stat`).
enum LastProcessor {
  static func parse(_ text: KernelText) -> Int? {
    var text = text
    guard text.findLast(UInt8(ascii: ")")) else { return nil }
    // Behind the name comes field 3.
    for _ in 3...39 { guard text.find(" ") else { return nil } }
    return text.number().map { Int(truncatingIfNeeded: $0) }
  }

  static func of(_ thread: ThreadID) -> Int? { ProcessFile.withText(thread, "stat", size: 1024, parse) }
}
