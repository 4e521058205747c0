// Work on several guests at once, while none of them runs: how descriptors and mappings move to another file under a
// program's feet. Implemented by Platform; the sentry says what is to be done.

import LinuxABI

/// Guests that stand still. Everything happens on the tracer thread, which serves no other stop meanwhile.
public protocol StoppedGuests: AnyObject {
  /// Stops every thread of the address spaces of `threads`. Those in the kernel stay there, and none gets back to guest
  /// code before the work is over. Threads that do not exist any more are passed over.
  func stop(_ threads: [ThreadID])

  /// One of `threads` that calls can be run in. Nil if there is none: all of them are in the kernel (a held call, vfork),
  /// are stopped by job control, or are gone.
  func injectable(among threads: [ThreadID]) -> (any StoppedThread)?

  /// `work` is done in each of `threads` that lives, after whatever it is in the kernel for, before it runs guest code
  /// again.
  func later(_ threads: [ThreadID], _ work: @escaping @Sendable (any StoppedThread) -> Void)

  /// `work` is done in whatever thread or process has been made by a stopped guest, but has not been announced by
  /// `SystemCallHandler.created`; and in a thread whose held call is being answered by somebody else at this moment.
  func laterInUnknown(_ work: @escaping @Sendable (any StoppedThread) -> Void)
}

/// A guest thread that runs calls for us, outside of its program.
public protocol StoppedThread: AnyObject {
  var thread: ThreadID { get }

  /// The program's own stack pointer; nil if the thread is gone.
  var stackPointer: UInt64? { get }

  /// What a filter sees of a call that is made here.
  var instructionPointer: UInt64 { get }

  /// The kernel runs this call in the thread, past the gate (a traced call runs natively; a call that the filter refuses is
  /// refused). A guest's own filter applies too.
  ///
  /// - Throws: the call's error, or `.noSuchProcess`.
  func call(_ call: SystemCall) throws(Errno) -> Int

  /// Descriptor `number` of the thread becomes `file`, as by `dup3(2)`.
  func replaceDescriptor(_ number: CInt, by file: CInt, closeOnExec: Bool) throws(Errno)
}
