// Without namespaces the store is a directory of a host file system that knows no bound for it. Guests write to its files
// natively, so a thread of ours measures it, the more often the less room is left: a look at the whole file system, which
// costs a microsecond, says whether it can have grown enough to matter; only then each file is asked.
//
// From the limit on nothing new is made in the store (ENOSPC). Guests that write on past a margin are ended.

import Kernel
import LinuxABI

/// Measures the store until it is stopped.
final class StoreWatch: Sendable {
  let usage: StoreUsage
  private let root: CInt
  private let stopping = ThreadFlag()
  private let outgrown = ThreadFlag()

  /// - Parameter root: the store's directory; must stay open until `run` has returned.
  init(_ root: CInt, limit: UInt64) {
    usage = StoreUsage(limit: limit)
    self.root = root
  }

  /// The store has gone past its limit and the margin.
  var hasOutgrown: Bool { outgrown.isRaised }

  /// An eighth: what is written between the last look and the first refusal.
  private var margin: UInt64 { usage.limit / 8 }

  /// What memory can be filled with in a millisecond.
  private static let bytesPerMillisecond: UInt64 = 8 << 20

  /// Measures until `stop`, or until the store has outgrown its limit: then `end` is called.
  func run(_ end: () -> Void) {
    // Both of the file system at the time of the last exact measure.
    var whole = used()
    var exact = usage.measure(whole: whole) { measure() }
    var sinceExact: UInt64 = 0
    while true {
      let room = usage.limit > exact ? usage.limit - exact : 0
      let pause = min(max(room / Self.bytesPerMillisecond, 2), 250)
      if stopping.wait(milliseconds: Int(truncatingIfNeeded: pause)) { return }
      let now = used()
      // Others may have made room meanwhile: what a quarter of the room would hide is looked at in any case.
      let growth = now > whole ? now - whole : 0
      sinceExact += pause
      if growth < room / 4, sinceExact < 1000, !usage.isMeasureWanted { continue }
      sinceExact = 0
      whole = now
      exact = usage.measure(whole: whole) { measure() }
      if exact > usage.limit + margin {
        outgrown.raise()
        return end()
      }
    }
  }

  func stop() { stopping.raiseForWaiters() }

  /// Bytes in use on the whole file system; 0 where the host does not say.
  private func used() -> UInt64 {
    (try? Host.fileSystem(of: root).usedBytes) ?? 0
  }

  /// Bytes that the store's files take (`st_blocks`). What cannot be read has just gone.
  private func measure() -> UInt64 {
    var sum: UInt64 = 0
    do throws(Errno) {
      let shards = try Host.openTrusted(".", in: root, .directory)
      var names: [[UInt8]] = []
      try Host.forEachName(in: shards.rawValue) { if !$0.isDot && !$0.isDotDot { names.append($0.copy) } }
      for name in names {
        do throws(Errno) {
          sum &+= try measure(name)
        } catch {}
      }
    } catch {}
    return sum
  }

  private func measure(_ shard: [UInt8]) throws(Errno) -> UInt64 {
    var sum: UInt64 = 0
    let directory = try Name.with(shard) { name throws(Errno) in
      try name.withCString { name throws(Errno) in
        try Host.openTrusted(name, in: root, [.directory, .noFollow]).release()
      }
    }
    let owned = OwnedDescriptor(directory)
    try Host.forEachName(in: owned.rawValue) { name in
      do throws(Errno) {
        let status = try name.withCString { name throws(Errno) in try Host.stat(name, in: owned.rawValue) }
        sum &+= UInt64(clamping: status.blocks) &* 512
      } catch {}
    }
    return sum
  }
}
