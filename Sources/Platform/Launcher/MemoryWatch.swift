// Without a control group nothing in the kernel bounds what processes use together. RLIMIT_DATA bounds each of them, and a thread of
// ours bounds the sum: cheap sums of what /proc says of each guest, which count what is shared several times, tell when an exact look
// is worth its price; that one reads the lists of mappings. Over the bound the guest that holds most is killed, as the kernel's
// own killer would do it.

import Gate
import Kernel
import LinuxABI
import Synchronization

/// Bounds the memory of all guests until it is stopped.
final class MemoryWatch: Sendable {
  private let limit: UInt64
  private let tracer: ThreadID
  /// The store, where its files are memory: they count like what guests map.
  private let store: CInt?
  /// The file system of memory files and of anonymous memory that is shared; pages of others are files.
  private let sharedMemory: UInt64
  /// Bytes of shared memory in the machine when the run began.
  private let sharedBefore: UInt64
  private let stopping = ThreadFlag()
  private let victims = Atomic<UInt64>(0)

  /// - Parameters:
  ///   - limit: bytes.
  ///   - tracer: who traces the guests.
  ///   - store: must stay open until `run` has returned.
  init(limit: UInt64, tracer: ThreadID, store: CInt) throws(Errno) {
    self.limit = limit
    self.tracer = tracer
    self.store = try Host.fileSystem(of: store).magic == StatFS.tmpfs ? store : nil
    let example = try Host.makeMemoryFile("vedette")
    sharedMemory = try Host.stat(example.rawValue).device
    sharedBefore = Host.sharedMemory
  }

  /// How many guests were killed.
  var killed: UInt64 { victims.load(ordering: .relaxed) }

  func stop() { stopping.raiseForWaiters() }

  /// A look may take a fifth of the time.
  private static let shareOfTime: UInt64 = 4
  private static let shortestPause: UInt64 = 10_000_000

  func run() {
    var pause = Self.shortestPause
    while !stopping.wait(milliseconds: Int(truncatingIfNeeded: pause / 1_000_000)) {
      let start = MonotonicClock.now()
      look()
      pause = max(Self.shortestPause, (MonotonicClock.now() &- start) &* Self.shareOfTime)
    }
  }

  private func look() {
    let guests = ThreadState.processes(tracedBy: tracer)
    let files = storeBytes
    let shared = Host.sharedMemory
    var most = files.addingClamped(shared > sharedBefore ? shared - sharedBefore : 0)
    for guest in guests { most = most.addingClamped(MemoryUse.atMost(of: guest)) }
    if most <= limit { return }
    var memoryFiles: [UInt64: UInt64] = [:]
    for guest in guests { MemoryUse.forEachOpenFile(of: guest, on: sharedMemory) { memoryFiles[$0] = $1 } }
    var sum = memoryFiles.values.reduce(files) { $0.addingClamped($1) }
    var largest: (guest: ThreadID, bytes: UInt64)?
    for guest in guests {
      let bytes = MemoryUse.mapped(by: guest, sharedMemory: sharedMemory) { memoryFiles[$0] == nil }
      sum = sum.addingClamped(bytes)
      if bytes > largest?.bytes ?? 0 { largest = (guest, bytes) }
    }
    // Where all of it is in files that nobody maps there is no largest one.
    guard sum > limit, let victim = largest?.guest ?? guests.last else { return }
    if Host.signalProcess(victim, Signal.kill.rawValue) { victims.add(1, ordering: .relaxed) }
  }

  private var storeBytes: UInt64 {
    guard let store, let facts = try? Host.fileSystem(of: store) else { return 0 }
    return facts.usedBytes
  }
}
