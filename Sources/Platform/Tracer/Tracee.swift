// One traced thread. The ptrace(2) requests on it are in `Tracee+Requests`.

import Gate
import LinuxABI

/// A guest thread. Only the tracer thread touches it.
final class Tracee {
  /// The number in our pid namespace. Changes at an exec by a thread that is not the leader.
  var thread: ThreadID
  let group: ThreadGroup
  /// Shared with the threads it was made with CLONE_VM by; a new one after exec.
  var space: AddressSpace
  /// What its next syscall-exit stop means.
  var pending = PendingCall.none
  /// It is in a group-stop (PTRACE_LISTEN).
  var isListening = false
  /// We have sent PTRACE_INTERRUPT: the EVENT_STOP that follows is our doing, and so is an EINTR of a call that is never
  /// restarted.
  var wasInterrupted = false
  /// Set from the end of a pause (`Outcome.after`) until the guest's own call comes again.
  var repeated: RepeatedCall?
  /// It is in, or on its way into, pause(2) in place of this call (`Outcome.sleep`).
  var sleeping: SleepingCall?
  /// A wake came before the sleep.
  var wakePending = false
  /// The timed call that it slept in before it was interrupted (Tracer+Timeouts).
  var timedSleep: InterruptedSleep?
  /// A request that decides what the thread does next has failed: its process has been killed, and no request resumes it.
  var isLost = false
  /// To be done in this thread before it runs guest code again (Tracer+RemoteCalls).
  var unfinished: [any ThreadWork] = []

  init(thread: ThreadID, group: ThreadGroup, space: AddressSpace) {
    self.thread = thread
    self.group = group
    self.space = space
  }
}

/// A call that a thread makes again: its number, and the address behind its instruction.
struct RepeatedCall {
  let number: UInt64
  let end: UInt64
}

/// A call that a thread sleeps in.
struct SleepingCall {
  let number: Int
  /// The restart of a call that a signal's handler interrupts: ERESTARTSYS if SA_RESTART decides, else ERESTARTNOINTR.
  let restart: Int64

  init(_ call: SystemCall, isSlow: Bool) {
    number = call.number
    restart = isSlow ? -512 : -513
  }
}

/// What a thread group has in common.
final class ThreadGroup {
  let leader: ThreadID
  /// The number of threads known.
  var count = 1

  init(leader: ThreadID) { self.leader = leader }
}

/// What the threads of one address space have in common; compared by identity.
final class AddressSpace {
  /// Where the vdso lies; nil until asked for.
  var vdso: UInt64?

  init(vdso: UInt64? = nil) { self.vdso = vdso }
}

/// The call a thread was resumed into with PTRACE_SYSCALL.
enum PendingCall {
  case none
  /// Report the result.
  case observed(SystemCall)
  /// Put the registers back but rax.
  case substitute(Registers)
  /// Put the registers back, with this value unless the call failed.
  case answering(Registers, Int)
  /// Put the registers back, and have the guest's own call made again unless this one failed.
  case repeating(Registers)
  /// An exec that may fail: then put the registers back but rax, and say so.
  case exec(Registers)
  /// A timed call comes again; is under way; has said EINTR, and what by is not known yet (Tracer+Timeouts).
  case again(TimedWait)
  case waiting(TimedWait)
  case interrupted(TimedWait)

  /// When a socket's call that was made again is to end.
  var socketDeadline: UInt64? {
    switch self {
    case .again(let wait), .waiting(let wait): if case .option = wait.call.timeout { wait.deadline } else { nil }
    default: nil
    }
  }

  /// The next call that is entered, or the return from this one, is to be seen.
  var isTimed: Bool {
    switch self {
    case .again, .waiting, .interrupted: true
    default: false
    }
  }
}
