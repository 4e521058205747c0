// What the sentry has under way, for `vedette inspect`. Under the tree lock, and so short: it is what the guests wait for.

import Gate
import LinuxABI
import VFS

extension SentryState {
  /// Of many waits the first ones are named.
  private static var shown: Int { 256 }

  var pendingWork: PendingWork {
    var work = PendingWork()
    files.fifoWaits.forEachWaiting { thread, position, isReader, since in
      work.waitingForFIFO += 1
      guard work.waits.count < Self.shown else { return }
      let name = vfs.path(of: position, from: vfs.root)?.prefix(256) ?? []
      let reason = (isReader ? "a writer of FIFO " : "a reader of FIFO ").utf8 + name
      work.waits.append(PendingWork.Wait(thread, Array(reason), since: since))
    }
    var copies: Set<ObjectIdentifier> = []
    coherence.copyUps.forEachWaiting { thread, copy, since in
      work.waitingForCopy += 1
      copies.insert(ObjectIdentifier(copy))
      guard work.waits.count < Self.shown else { return }
      work.waits.append(PendingWork.Wait(thread, Array("a background copy".utf8), since: since))
    }
    work.copies = copies.count
    work.remaps = coherence.pendingRemapCount
    for task in tasks.values where task.lockAttempts > 0 && work.waits.count < Self.shown {
      work.waits.append(PendingWork.Wait(task.thread, Array("a lock on a file".utf8), since: nil))
    }
    return work
  }
}
