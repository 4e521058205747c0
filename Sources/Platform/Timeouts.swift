// Calls that wait for a limited time and that the kernel does not restart with what is left of it, and how long a thread
// has been asleep in one. The pure part of Tracer+Timeouts.

import CLinux
import Gate
import LinuxABI

/// A call that says EINTR when it is interrupted, whatever interrupts it (`man 7 signal`), and takes a relative timeout.
struct TimedCall: Equatable {
  let number: Int
  /// The argument that holds the timeout.
  let register: Register
  /// It is the address of a timespec, else a count of milliseconds.
  let isPointer: Bool

  /// Nil if the call is none of them.
  init?(number: Int) {
    switch number {
    case Int(SYS_epoll_wait), Int(SYS_epoll_pwait): (register, isPointer) = (.r10, false)
    case Int(SYS_epoll_pwait2), Int(SYS_semtimedop): (register, isPointer) = (.r10, true)
    case Int(SYS_rt_sigtimedwait): (register, isPointer) = (.rdx, true)
    case Int(SYS_io_getevents), Int(SYS_io_pgetevents): (register, isPointer) = (.r8, true)
    default: return nil
    }
    self.number = number
  }

  /// Whether the call waits for ever; nothing is read.
  func isEndless(_ argument: UInt64) -> Bool { isPointer ? argument == 0 : Int32(truncatingIfNeeded: argument) < 0 }

  /// The argument as a count of milliseconds that is no shorter.
  static func milliseconds(_ nanoseconds: UInt64) -> UInt64 { min((nanoseconds + 999_999) / 1_000_000, 0x7fff_ffff) }

  /// Nil if the time is no time, or so long (thirty years) that what has passed does not matter.
  static func nanoseconds(_ time: timespec) -> UInt64? {
    guard (0..<1_000_000_000).contains(time.tv_sec), (0..<1_000_000_000).contains(time.tv_nsec) else { return nil }
    return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
  }
}

/// A timed call that was interrupted, and when it is to end.
struct TimedWait {
  let call: TimedCall
  /// The guest's own argument.
  let argument: UInt64
  /// Where the call returns to.
  let address: UInt64
  /// On CLOCK_MONOTONIC.
  let deadline: UInt64
}

/// A thread that was found asleep in a timed call.
struct Nap: Equatable {
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
  init?(_ text: UnsafeRawBufferPointer) {
    guard var start = Text.value(of: "\nse.exec_start", in: text), let milliseconds = Text.number(text, &start),
      start < text.count, text[start] == 0x2e
    else { return nil }
    start += 1
    let digits = start
    guard let nanoseconds = Text.number(text, &start), start - digits == 6,
      var count = Text.value(of: "\nnr_voluntary_switches", in: text), let sleeps = Text.number(text, &count)
    else { return nil }
    time = milliseconds &* 1_000_000 &+ nanoseconds
    if time == 0 { return nil }
    self.sleeps = sleeps
  }

  init?(of thread: ThreadID) {
    let parsed = withUnsafeTemporaryAllocation(byteCount: 2048, alignment: 1) { buffer in
      let count = ProcessFile.read(thread, "sched", into: buffer)
      return Self(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    guard let parsed else { return nil }
    self = parsed
  }
}

/// The call that a thread sleeps in (`man 5 proc_pid_syscall`), as far as its timeout goes.
struct TimedSleep: Equatable {
  let call: TimedCall

  /// Nil if the thread does not sleep, or in another call, or for ever.
  init?(_ text: UnsafeRawBufferPointer) {
    var at = 0
    guard let number = Text.number(text, &at), let call = TimedCall(number: Int(truncatingIfNeeded: number)) else {
      return nil
    }
    var arguments: InlineArray<6, UInt64> = .init(repeating: 0)
    for index in arguments.indices {
      guard let value = Text.hexadecimal(text, &at) else { return nil }
      arguments[index] = value
    }
    let argument =
      switch call.register {
      case .rdx: arguments[2]
      case .r8: arguments[4]
      default: arguments[3]
      }
    if call.isEndless(argument) { return nil }
    self.call = call
  }

  init?(of thread: ThreadID) {
    let parsed = withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
      let count = ProcessFile.read(thread, "syscall", into: buffer)
      return Self(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
    guard let parsed else { return nil }
    self = parsed
  }
}

/// The last CPU of a thread: field 39 of /proc/THREAD/stat (`man 5 proc_pid_stat`).
enum LastProcessor {
  static func parse(_ text: UnsafeRawBufferPointer) -> Int? {
    guard var at = text.lastIndex(of: 0x29) else { return nil }
    // Behind the name comes field 3.
    for _ in 3...39 {
      guard let blank = text[at...].firstIndex(of: 0x20) else { return nil }
      at = blank + 1
    }
    return Text.number(text, &at).map { Int(truncatingIfNeeded: $0) }
  }

  static func of(_ thread: ThreadID) -> Int? {
    withUnsafeTemporaryAllocation(byteCount: 1024, alignment: 1) { buffer in
      let count = ProcessFile.read(thread, "stat", into: buffer)
      return parse(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
    }
  }
}

private enum Text {
  /// Where the value of a line `NAME   :   VALUE` begins.
  static func value(of name: StaticString, in text: UnsafeRawBufferPointer) -> Int? {
    let length = name.utf8CodeUnitCount
    guard let base = text.baseAddress, text.count > length,
      var at = (0..<text.count - length).first(where: { memcmp(base + $0, name.utf8Start, length) == 0 })
    else { return nil }
    at += length
    while at < text.count, text[at] == 0x20 { at += 1 }
    guard at < text.count, text[at] == 0x3a else { return nil }
    at += 1
    while at < text.count, text[at] == 0x20 { at += 1 }
    return at
  }

  /// The decimal number at `at`, which is moved behind it; nil if there is none.
  static func number(_ text: UnsafeRawBufferPointer, _ at: inout Int) -> UInt64? {
    let start = at
    var number: UInt64 = 0
    while at < text.count, text[at] >= 0x30, text[at] <= 0x39 {
      number = number &* 10 &+ UInt64(text[at] - 0x30)
      at += 1
    }
    return at == start ? nil : number
  }

  /// The number ` 0x...` at `at`.
  static func hexadecimal(_ text: UnsafeRawBufferPointer, _ at: inout Int) -> UInt64? {
    guard at + 3 < text.count, text[at] == 0x20, text[at + 1] == 0x30, text[at + 2] == 0x78 else { return nil }
    at += 3
    var number: UInt64 = 0
    while at < text.count {
      switch text[at] {
      case 0x30...0x39: number = number << 4 | UInt64(text[at] - 0x30)
      case 0x61...0x66: number = number << 4 | UInt64(text[at] - 0x61 + 10)
      default: return number
      }
      at += 1
    }
    return number
  }
}
