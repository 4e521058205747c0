// Remote calls: system calls run in a stopped thread through a `syscall` instruction of its own. Registers and signal mask are
// put back when the value ends, at a signal-type stop, never at a syscall-exit stop, where a restart that was pending would
// leak to the guest.
//
// The instruction lies in memory that the guest's processes can write (another process may share the page), so two things
// are not taken for granted: that a call is entered at all, for which `StopDeadline` is, and that the call which is
// entered is ours. A thread that does anything else is lost: its process is killed, and the caller has `.threadGone`.

import Gate
import Kernel
import LinuxABI

/// A thread at an EVENT_STOP, borrowed for calls of ours.
struct RemoteThread: ~Copyable, StoppedThread {
  let tracee: Tracee
  private let tracer: Tracer
  private let instruction: UInt64
  private let saved: Registers
  private let mask: SignalSet
  /// SIGSTOP cannot be blocked; one that came meanwhile is sent again at the end.
  private var wasStopped = false
  /// No call can be run in the thread any more: it is dead, or lost.
  private var isOver = false
  private var visit: Placement.Visit?
  private var areOthersHeld = false

  /// The thread is at an EVENT_STOP, with these registers. Nil if it is gone.
  init?(_ tracer: Tracer, _ tracee: Tracee, _ registers: Registers, instruction: UInt64) {
    guard let mask = tracee.signalMask() else { return nil }
    self.tracer = tracer
    self.tracee = tracee
    self.instruction = instruction
    saved = registers
    self.mask = mask
    tracee.setSignalMask(SignalSet(bits: .max))
    visit = tracer.placement.visit(tracee.thread)
    tracer.remoteThreadCount += 1
    if tracer.remoteThreadCount == 1 { tracer.stepTimer.arm(after: Self.look, every: Self.look) }
  }

  deinit {
    var signalled = wasStopped
    if !isOver, Self.returnToEventStop(tracee, tracer, &signalled) {
      tracee.setRegisters(saved)
      tracee.setSignalMask(mask)
      if signalled { Host.signalThread(tracee.thread, Signal.stop.rawValue) }
    }
    if let visit { tracer.placement.leave(visit) }
    tracer.remoteThreadCount -= 1
    if tracer.remoteThreadCount == 0 { tracer.stepTimer.arm(after: 0, every: 0) }
  }

  /// Nanoseconds between two looks at a thread that is waited for.
  private static let look = 200_000_000

  /// Whether there is a `syscall` instruction.
  static func isInstruction(_ address: UInt64, in memory: GuestMemory) -> Bool {
    (try? memory.load(UInt16.self, at: address)) == 0x050f
  }

  var thread: ThreadID { tracee.thread }

  /// The program's own.
  var stackPointer: UInt64 { saved.rsp }

  /// Behind the `syscall` instruction.
  var instructionPointer: UInt64 { instruction &+ 2 }

  mutating func call(_ call: SystemCall) throws(RemoteCallError) -> Int {
    let result = try run(call, duringWait: {})
    do throws(Errno) { return try Errno.check(result) } catch { throw .refused(error) }
  }

  /// Descriptors are installed by answering a held call; this one exists for nothing else.
  mutating func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(RemoteCallError) {
    _ = try install(file, at: number, closeOnExec: closeOnExec)
  }

  /// At `number`, or at the lowest free one. Returns the number there.
  mutating func install(_ file: CInt, at number: CInt?, closeOnExec: Bool) throws(RemoteCallError) -> CInt {
    let jobs = tracer.jobs
    let listener = tracer.listener
    let job = jobs.begin(
      DescriptorJob(thread: tracee.thread, number: number, file: file, closeOnExec: closeOnExec))
    defer { jobs.end(job) }
    // ERESTARTSYS: a SIGSTOP, which cannot be blocked, came before the call was received.
    for _ in 0..<100 {
      let result = try run(.descriptorCarrier) { jobs.serve(job, listener: listener) }
      if result == -512 && !job.isDone.isRaised { continue }
      do throws(Errno) { return CInt(truncatingIfNeeded: try Errno.check(result)) } catch { throw .refused(error) }
    }
    throw .refused(.interrupted)
  }

  /// Runs one call and gives its raw result. `duringWait` is called once the thread has been let into the kernel.
  mutating func run(_ call: SystemCall, duringWait: () -> Void) throws(RemoteCallError) -> Int {
    if isOver { throw .threadGone }
    let progress = tracer.requests.tracerProgress
    progress.beginInjection(call.number, in: tracee.thread)
    defer { progress.endInjection() }
    var registers = saved
    registers.rip = instruction
    registers.rax = UInt64(bitPattern: Int64(call.number))
    registers.originalRax = UInt64.max
    registers.arguments = call.arguments
    tracee.setRegisters(registers)
    tracee.resumeToExitStop()
    // Entry stop, perhaps a seccomp stop, exit stop.
    var deadline = StopDeadline(tracee.thread)
    try waitForCallStop(&deadline)
    guard let entered = tracee.registers(), isOurs(entered, call) else { throw lose() }
    tracee.resumeToExitStop()
    duringWait()
    try waitForCallStop(&deadline)
    guard let result = tracee.peek(.rax) else { throw lose() }
    return Int(truncatingIfNeeded: result)
  }

  /// At the entry stop: a call from another place, or with other arguments, is one that guest code has made, and past this
  /// point no gate would look at it.
  private func isOurs(_ entered: Registers, _ call: SystemCall) -> Bool {
    entered.rip == instructionPointer && entered.originalRax == UInt64(bitPattern: Int64(call.number))
      && entered.arguments == call.arguments
  }

  /// The thread does what it was not made to do, or nothing at all.
  private mutating func lose() -> RemoteCallError {
    tracee.lose()
    isOver = true
    return .threadGone
  }

  private mutating func waitForCallStop(_ deadline: inout StopDeadline) throws(RemoteCallError) {
    var signals = 0
    var stops = 0
    while true {
      if tracee.isLost { throw lose() }
      switch Self.next(of: tracee, tracer, &deadline) {
      case .stopped(let signal, let event):
        stops += 1
        if stops % Self.stopLimit == 0 {
          if deadline.isOver() { throw lose() }
          // They stay where they are until the main loop goes on.
          if !areOthersHeld { tracer.holdOthers(than: tracee) }
          areOthersHeld = true
        }
        if event == .none {
          if signal == .systemCallStop { return }
          // All others are blocked, so this is the thread's own fault, and would come again for ever; SIGSYS is a filter's
          // answer to the call.
          if signal == .stop { wasStopped = true } else if signal != .systemCall { throw lose() }
          signals += 1
          if signals > Self.signalLimit { throw lose() }
        }
      case .gone:
        isOver = true
        throw .threadGone
      case .late: throw lose()
      }
      tracee.resumeToExitStop()
    }
  }

  /// Guests can send each other SIGSTOP and SIGCONT faster than a thread gets from one stop to its call: each SIGCONT is a stop
  /// of its own (JOBCTL_TRAP_NOTIFY), SIGSTOP cannot be blocked.
  private static let signalLimit = 1000
  /// So after this many the senders are held.
  private static let stopLimit = 16

  /// What the thread does next.
  private enum Next {
    case stopped(Signal, PtraceEvent)
    /// It is dead: its end is kept for the main loop.
    case gone
    /// It does not stop in time.
    case late
  }

  private static func next(of tracee: Tracee, _ tracer: Tracer, _ deadline: inout StopDeadline) -> Next {
    switch tracer.nextStop(of: tracee, &deadline) {
    case .status(.stopped(let signal, let event)): return .stopped(signal, event)
    case .status(let status):
      tracer.putOff(tracee.thread, status)
      return .gone
    case .gone:
      // Of a dead leader the main loop will hear; of a thread that has vanished it would not.
      if !TaskState.isZombie(tracee.thread) { tracer.putOff(tracee.thread, .signalled(.kill)) }
      return .gone
    case .none, .late: return .late
    }
  }

  /// The thread is at an EVENT_STOP again; false if it is dead, or lost.
  private static func returnToEventStop(_ tracee: Tracee, _ tracer: Tracer, _ wasStopped: inout Bool) -> Bool {
    tracee.interrupt()
    tracee.resume()
    var deadline = StopDeadline(tracee.thread)
    for _ in 0...signalLimit {
      if tracee.isLost { return false }
      switch next(of: tracee, tracer, &deadline) {
      case .stopped(let signal, let event):
        if event == .stop { return true }
        if event == .none, signal != .systemCallStop { wasStopped = true }
      case .gone: return false
      case .late:
        tracee.lose()
        return false
      }
      tracee.resume()
    }
    tracee.lose()
    return false
  }
}
