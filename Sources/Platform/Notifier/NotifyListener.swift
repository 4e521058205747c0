// The three requests on a seccomp listener (`man 2 seccomp_unotify`). A held call that is not answered holds its thread for
// ever, so an answer that cannot be given ends the thread's process.

import Gate
import Kernel
import LinuxABI

/// The descriptor, owned by `NotifyWorker`.
struct NotifyListener: Sendable {
  let descriptor: CInt

  /// Waits for a call that is held. If it throws nothing has been received.
  func receive() throws(Errno) -> SeccompNotification { try Host.receiveNotification(descriptor) }

  /// Waits like `receive`, and no longer than until the flag is raised.
  func receive(until flag: ThreadFlag) throws(Errno) -> SeccompNotification {
    try flag.receiveNotification(descriptor)
  }

  /// The held call returns `value`, or fails with it.
  func answer(_ id: UInt64, of thread: ThreadID, _ value: Int) {
    let response = SeccompResponse(id, value)
    for _ in 0..<Self.patience {
      do throws(Errno) { return try Host.answer(descriptor, response) } catch {
        // The guest has died meanwhile, or a signal has ended its call.
        if error == .noSuchFileOrDirectory { return }
      }
    }
    if thread > 0 { Tracer.killSurely(thread) }
  }

  /// Installs a descriptor in the thread whose call is held. Its number there, or a negative errno.
  func install(
    _ file: CInt, at id: UInt64, flags: SeccompDescriptor.Flags = [], number: CInt = 0, closeOnExec: Bool = false
  ) -> Int {
    let request = SeccompDescriptor(id, file, flags, at: number, closeOnExec: closeOnExec)
    for _ in 0..<Self.patience {
      do throws(Errno) { return Int(try Host.install(request, by: descriptor)) } catch {
        if error != .interrupted { return error.result }
      }
    }
    return Errno.interrupted.result
  }

  /// All of them wait interruptibly, and a thread that waits for the tracer interrupts it with a signal; interrupted, they have
  /// done nothing.
  private static let patience = 1000
}
