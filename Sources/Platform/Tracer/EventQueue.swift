// Events of guests that wait their turn. A thread whose stop is in the queue stays stopped.

import Gate
import LinuxABI

/// What the tracer has to deal with.
enum TracerEvent {
  /// What wait4(2) has said of a thread.
  case stop(ThreadID, WaitStatus)
  /// The parent has been resumed, its child waits until it has been reported to the handler.
  case birth(ThreadID, Tracee)
  /// An observed call returned.
  case completion(SystemCall, ThreadID, Int)
  /// An exec came to nothing.
  case execFailure(ThreadID, Errno)
}

/// First in, first out.
struct EventQueue {
  private var events: [TracerEvent] = []
  private var head = 0

  var isEmpty: Bool { head == events.count }

  mutating func append(_ event: TracerEvent) { events.append(event) }

  mutating func removeFirst() -> TracerEvent? {
    guard head < events.count else { return nil }
    defer {
      head += 1
      if head == events.count {
        events.removeAll(keepingCapacity: true)
        head = 0
      }
    }
    return events[head]
  }

  func holds(_ thread: ThreadID) -> Bool {
    events[head...].contains { if case .stop(thread, _) = $0 { true } else { false } }
  }

  /// Takes out the status of one thread.
  mutating func take(_ thread: ThreadID) -> WaitStatus? {
    for index in head..<events.count {
      guard case .stop(thread, let status) = events[index] else { continue }
      events.remove(at: index)
      return status
    }
    return nil
  }
}
