// A thread that waits for one descriptor to be readable and then has something done.

import CLinux
import Synchronization

/// See the head of this file. Without a thread to be had nothing is ever done.
final class ReadinessThread: Sendable {
  private let stopping: Flag
  private let thread: WorkerThread?

  private final class Flag: Sendable {
    let isSet = Atomic<Bool>(false)
  }

  /// `descriptor` must stay open until `stop`. `body` sees to it that the descriptor is readable no longer.
  init(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void) {
    let flag = Flag()
    stopping = flag
    thread = WorkerThread {
      while !flag.isSet.load(ordering: .acquiring) {
        var poll = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        let ready = withUnsafeMutablePointer(to: &poll) {
          vd_syscall(Int(SYS_poll), Int(bitPattern: $0), 1, -1, 0, 0, 0)
        }
        if ready > 0 { body() } else if ready < 0, ready != -Int(EINTR) { return }
      }
    }
  }

  /// Waits for the end of the thread.
  func stop() {
    stopping.isSet.store(true, ordering: .releasing)
    thread?.stop()
  }
}
