// A thread that waits for one descriptor to be readable and then has something done.

import Kernel
import LinuxABI

/// See the head of this file. Without a thread to be had nothing is ever done.
final class ReadinessThread: Sendable {
  private let stopping = ThreadFlag()
  private let thread: WorkerThread?

  /// `descriptor` must stay open until `stop`. `body` sees to it that the descriptor is readable no longer.
  init(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void) {
    thread = WorkerThread { [stopping] in
      while !stopping.isRaised {
        do throws(Errno) {
          if try !stopping.poll(descriptor, for: .readable, milliseconds: -1).isEmpty { body() }
        } catch {
          if error != .interrupted { return }
        }
      }
    }
  }

  /// Waits for the end of the thread.
  func stop() {
    stopping.raise()
    thread?.stop()
  }
}
