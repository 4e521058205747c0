// One address space, stopped. Runs on the tracer thread.
//
// Which stops a thread can be left in: at the EVENT_STOP that we asked for; in a group-stop; at a stop that the handler
// must hear of (put off to `Tracer.deferred`); or in state D, in the kernel, from where it cannot get back to guest code
// without coming to the EVENT_STOP first. A thread at a seccomp stop is moved on to its EVENT_STOP: the call is undone and
// comes again later.

import CLinux
import Gate
import LinuxABI

/// The space while `TracerRequests.withStoppedGuests` works on it.
final class SpaceStop {
  private let tracer: Tracer
  let space: AddressSpace
  /// Threads at an EVENT_STOP; calls can be run in those that live.
  private(set) var stopped: [Tracee] = []
  /// Threads in a group-stop.
  private var listening: [Tracee] = []

  init(_ tracer: Tracer, _ space: AddressSpace) {
    self.tracer = tracer
    self.space = space
  }

  func stopAll() {
    let members = tracer.tracees.values.filter { $0.space === space && $0 !== tracer.current && !$0.isLost }
    tracer.clocks.removeAll(keepingCapacity: true)
    for tracee in members {
      tracer.noteNap(of: tracee)
      tracee.wasInterrupted = true
      tracee.interrupt()
    }
    if members.isEmpty { return }
    let stops = StopSignal()
    for tracee in members { stop(tracee, stops) }
    stops.end()
  }

  /// Waits until the thread is in one of the states above.
  private func stop(_ tracee: Tracee, _ stops: StopSignal) {
    var rounds = 0
    var turns = 0
    var deadline = StopDeadline(tracee.thread)
    while true {
      turns += 1
      // It runs on, or one stop follows the other, and it never comes to the one that was asked for.
      if turns % 64 == 0, deadline.isOver() { return tracee.lose() }
      guard let status = tracer.deferred.take(tracee.thread) ?? tracer.nextStatus(of: tracee.thread)
      else {
        if tracee.isLost { return }
        // A thread on its way out of the kernel needs some microseconds; one in state D may stay there.
        if rounds > 0, Kinship.isOutOfGuestCode(tracee.thread), isParked(tracee.thread) || rounds > Self.patience {
          return
        }
        rounds += 1
        stops.wait(microseconds: min(rounds * 40, 1000))
        continue
      }
      guard status & 0xff == 0x7f else { return tracer.putOff(tracee.thread, status) }
      let signal = (status >> 8) & 0xff
      switch Int(status >> 16) {
      case VD_PTRACE_EVENT_STOP:
        if signal == SIGTRAP {
          if tracee.sleeping == nil { tracer.hideInterruption(of: tracee) }
          stopped.append(tracee)
        } else {
          tracer.leaveInterrupted(tracee)
          listening.append(tracee)
        }
        return
      case VD_PTRACE_EVENT_SECCOMP:
        tracer.rewind(tracee)
        // Any trap takes back a PTRACE_INTERRUPT that came before it (kernel/signal.c, ptrace_stop): asked for again.
        tracee.interrupt()
        tracee.resume()
      case VD_PTRACE_EVENT_EXEC:
        tracee.space = AddressSpace()
        return tracer.putOff(tracee.thread, status)
      default:
        // Signals, births, returns of calls: what the handler must hear of is put off by `Tracer.report`.
        tracee.interrupt()
        tracer.stopped(tracee, status)
      }
    }
  }

  /// About 20 ms: longer than any call on memory or a disk takes, unless something is wrong with the host.
  private static let patience = 40

  /// The thread, in state D, waits for us, for its vfork child, or for a page; then it leaves memory alone. Any other call may
  /// be in the middle of mapping or of filling a buffer, and is worth a moment.
  private func isParked(_ thread: ThreadID) -> Bool {
    switch Kinship.blockingCall(of: thread) {
    case .none, .some(-1), .some(Int(SYS_vfork)), .some(Int(SYS_clone)), .some(Int(SYS_clone3)): true
    case .some(let number): tracer.mayHold(number)
    }
  }

  func resumeAll() {
    for tracee in stopped {
      if !tracee.unfinished.isEmpty { tracer.finishWork(in: tracee) }
      if tracee.sleeping != nil { tracer.sleeperStopped(tracee) } else { tracer.goOn(tracee) }
    }
    for tracee in listening { tracee.listen() }
  }
}

/// SIGCHLD, which the kernel sends at every stop of a tracee: while there is one of these, the calling thread can wait for it.
struct StopSignal {
  private var mask: UInt64 = 1 << (UInt64(SIGCHLD) - 1)
  private var former: UInt64 = 0

  init() {
    withUnsafeMutablePointer(to: &mask) { mask in
      _ = withUnsafeMutablePointer(to: &former) {
        vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_BLOCK), Int(bitPattern: mask), Int(bitPattern: $0), 8, 0, 0)
      }
    }
  }

  func end() {
    var former = former
    _ = withUnsafeMutablePointer(to: &former) {
      vd_syscall(Int(SYS_rt_sigprocmask), Int(SIG_SETMASK), Int(bitPattern: $0), 0, 8, 0, 0)
    }
  }

  /// Until some tracee has stopped, or for so long. A stop that came since `init` and was not waited for counts.
  func wait(microseconds: Int) {
    var mask = mask
    var limit = timespec(tv_sec: 0, tv_nsec: microseconds * 1000)
    withUnsafeMutablePointer(to: &mask) { mask in
      _ = withUnsafeMutablePointer(to: &limit) {
        vd_syscall(Int(SYS_rt_sigtimedwait), Int(bitPattern: mask), 0, Int(bitPattern: $0), 8, 0, 0)
      }
    }
  }
}
