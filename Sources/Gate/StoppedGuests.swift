// Work on several guests at once, while none of them runs: how descriptors and mappings become those of another file under a
// running program. Implemented by Platform; what is to be done comes as values that know nothing of ptrace.
//
// What is stopped is resumed, and what was changed in a thread for a call of ours (registers, signal mask) is put back, by the
// end of a noncopyable value: no path can leave it out.

public import Kernel
public import LinuxABI

/// Why a call made in a stopped thread has no result.
public enum RemoteCallError: Error, Sendable, Equatable {
  /// The kernel, or a filter of the guest's own, refuses it.
  case refused(Errno)
  /// The thread is dead, or its process has been killed because it did something else than the call: it makes no other one.
  case threadGone
}

/// A guest thread at a stop that makes calls for us, outside of its program.
public protocol StoppedThread: ~Copyable {
  var thread: ThreadID { get }

  /// What a filter sees of a call that is made here.
  var instructionPointer: UInt64 { get }

  /// The kernel runs this call in the thread, past the gate (a traced call runs natively; a call that the filter refuses is
  /// refused). A guest's own filter applies too.
  mutating func call(_ call: SystemCall) throws(RemoteCallError) -> Int

  /// Descriptor `number` of the thread becomes `file`, as by `dup3(2)`.
  mutating func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(RemoteCallError)

  /// A duplicate of descriptor `number` of the thread, which sends it to us over a socket made for this one message. What
  /// comes is what the guest had there, or whatever else its other threads have made of the message meanwhile: it is
  /// judged by itself, as one that `pidfd_getfd(2)` gave would be.
  mutating func sendDescriptor(_ number: CInt) throws(RemoteCallError) -> OwnedDescriptor
}

/// What is done in one stopped thread.
public protocol ThreadWork: Sendable {
  func run<Thread: StoppedThread & ~Copyable>(in thread: inout Thread)
}

/// Guests that are stopped, and resumed when the value ends. Everything happens on the tracer thread, which serves no other
/// stop meanwhile.
public protocol StoppedGuests: ~Copyable {
  /// Stops every thread of the address spaces of `threads`. Those in the kernel stay there, and none gets back to guest
  /// code before the work is over. Threads that do not exist any more are passed over.
  mutating func stop(_ threads: [ThreadID])

  /// Does `work` in one of `threads`. False if no call can be made in any: all of them are in the kernel (a held call, vfork),
  /// are stopped by job control, or are gone.
  mutating func run(_ work: any ThreadWork, inOneOf threads: [ThreadID]) -> Bool

  /// `work` is done in each of `threads` that lives, after whatever it is in the kernel for, before it runs guest code
  /// again.
  mutating func later(_ work: any ThreadWork, in threads: [ThreadID])

  /// `work` is done in every thread or process that has been made by a stopped guest, but has not been announced by
  /// `SystemCallHandler.created`; and in a thread whose held call is being answered by another thread of ours at this moment.
  mutating func laterInUnknown(_ work: any ThreadWork)
}

/// What is done while guests are stopped.
public protocol StoppedGuestsWork: Sendable {
  func run<Guests: StoppedGuests & ~Copyable>(on guests: inout Guests)
}
