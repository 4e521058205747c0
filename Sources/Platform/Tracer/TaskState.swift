// What the kernel says of one thread: its state (/proc/THREAD/stat), the call it is blocked in (/proc/THREAD/syscall), and its
// signals (/proc/THREAD/status).

import Gate
import Kernel
import LinuxABI

/// What one thread is doing.
enum TaskState {
  /// The thread is in the kernel and cannot reach guest code without a ptrace stop that has been asked for: state D (a held
  /// call, vfork, disk), or dead.
  static func isOutOfGuestCode(_ thread: ThreadID) -> Bool {
    state(of: thread).map { $0 == UInt8(ascii: "D") || isZombie($0) } ?? isGone(thread)
  }

  /// Not asleep and not stopped: it has a CPU, or waits for one.
  static func mayRun(_ thread: ThreadID) -> Bool { state(of: thread) == UInt8(ascii: "R") }

  static func isZombie(_ thread: ThreadID) -> Bool { state(of: thread).map(isZombie) ?? false }

  static func isDead(_ thread: ThreadID) -> Bool { state(of: thread).map(isZombie) ?? isGone(thread) }

  /// Its files cannot be read: because there are none, and not for want of a descriptor.
  private static func isGone(_ thread: ThreadID) -> Bool { Host.isGone(thread) }

  /// It is at a ptrace stop, for all that can be seen: false if it runs, or is dead.
  static func mayBeStopped(_ thread: ThreadID) -> Bool {
    if let state = state(of: thread) { return state == UInt8(ascii: "t") }
    // Gone, or its file could not be opened.
    return !isGone(thread)
  }

  /// It is at a ptrace stop, or there is none.
  static func isStoppedOrDead(_ thread: ThreadID) -> Bool {
    state(of: thread).map { $0 == UInt8(ascii: "t") || isZombie($0) } ?? isGone(thread)
  }

  private static func isZombie(_ state: UInt8) -> Bool { state == UInt8(ascii: "Z") || state == UInt8(ascii: "X") }

  /// The call that a thread is blocked in; -1 if it is none (a page fault), Int.max if it is not blocked, nil if the thread is
  /// gone or the kernel does not say (`man 5 proc_pid_syscall`).
  static func blockingCall(of thread: ThreadID) -> Int? {
    ProcessFile.withText(thread, "syscall", size: 256) { text -> Int? in
      var text = text
      if text.isAtEnd { return nil }
      let isNegative = text.take(UInt8(ascii: "-"))
      guard let number = text.number() else { return .max }
      return Int(truncatingIfNeeded: isNegative ? 0 &- number : number)
    }
  }

  /// The letter of /proc/THREAD/stat; the name before it may hold anything, so it is looked for from the last ')'.
  private static func state(of thread: ThreadID) -> UInt8? {
    ProcessFile.withText(thread, "stat", size: 512) { text -> UInt8? in
      var text = text
      return text.findLast(UInt8(ascii: ")")) && text.take(UInt8(ascii: " ")) ? text.next() : nil
    }
  }

  /// The signal waits for delivery, blocked or not.
  static func isPending(_ signal: Signal, _ thread: ThreadID) -> Bool {
    withStatus(of: thread) { pendingSignals(in: $0).contains(signal) }
  }

  /// A signal that the thread neither blocks nor ignores waits for delivery.
  static func hasPendingSignal(_ thread: ThreadID) -> Bool {
    withStatus(of: thread) {
      pendingSignals(in: $0).bits & ~$0.signals("\nSigBlk:\t").bits & ~ignoredSignals(in: $0).bits != 0
    }
  }

  /// The signal does nothing to the thread's process.
  static func ignores(_ signal: Signal, _ thread: ThreadID) -> Bool {
    withStatus(of: thread) { ignoredSignals(in: $0).contains(signal) }
  }

  /// SIG_IGN, or SIG_DFL of a signal whose default is to be ignored (`man 7 signal`).
  private static func ignoredSignals(in text: KernelText) -> SignalSet {
    SignalSet(
      bits: text.signals("\nSigIgn:\t").bits | ignoredByDefault.bits & ~text.signals("\nSigCgt:\t").bits)
  }

  private static let ignoredByDefault = SignalSet([.child, .continue, .urgent, .windowChange])

  private static func pendingSignals(in text: KernelText) -> SignalSet {
    SignalSet(bits: text.signals("\nSigPnd:\t").bits | text.signals("\nShdPnd:\t").bits)
  }

  /// The text of /proc/THREAD/status.
  private static func withStatus<T>(of thread: ThreadID, _ body: (KernelText) -> T) -> T {
    ProcessFile.withText(thread, "status", size: 4096, body)
  }
}

extension KernelText {
  /// A set of signals: a line of /proc/THREAD/status. None if there is no such line.
  fileprivate func signals(_ line: StaticString) -> SignalSet { SignalSet(bits: number(after: line, radix: 16) ?? 0) }
}
