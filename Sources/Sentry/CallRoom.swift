// Where calls are served: what the handlers of all calls work on, the buffers that each uses, and what has followed from the
// call that is being served. One for a sandbox.

import Coherence
import Gate
import KernFS
import LinuxABI
import VFS

/// See the head of this file. Used under the tree lock.
final class CallRoom {
  unowned let state: SentryState
  let vfs: VirtualFileSystem
  let store: BackingStore
  let tasks: TaskTable
  let files: OpenFiles
  let sockets: SocketRegistry
  let network: GuestNetwork?
  let identity: IdentityMap
  let coherence: Coherence
  let copyUps: BackgroundCopyUps

  // A path is copied here once and never read again for the same call. Two, for calls with two paths.
  let firstPath = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
  let secondPath = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 16)
  let scratch = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 17, alignment: 16)

  // MARK: - The call that is being served, or was last

  /// File systems are asked without a caller: `/proc/self` is the process of this task.
  private(set) var current: Task?
  private(set) var currentGate = GateKind.trace
  private(set) var currentNumber = -1

  /// What the call named, for `--trace`; empty unless tracing.
  var traced = TracedStrings()
  var isTracing = false
  /// Who is to be woken as soon as the tree lock is free.
  var wakes: [ThreadID] = []
  /// The descriptor of a new notifier, which the platform is to wait for.
  var newNotifier: CInt?
  /// Guests begin to ask our name server: the platform is to wait for what it is asked.
  var newResolver: Resolver?
  private var resolverIsStarted = false
  /// A descriptor that the caller must send before its call comes again (Duplicates.swift).
  var wantedDescriptor: CInt?

  init(_ state: SentryState) {
    self.state = state
    vfs = state.vfs
    store = state.store
    tasks = state.tasks
    files = state.files
    sockets = state.sockets
    network = state.network
    identity = state.identity
    coherence = state.coherence
    copyUps = state.coherence.copyUps
  }

  deinit {
    firstPath.deallocate()
    secondPath.deallocate()
    scratch.deallocate()
  }

  func begin(_ call: SystemCall, of task: Task, by gate: GateKind) {
    if current !== task { current = task }
    currentGate = gate
    currentNumber = call.number
    wantedDescriptor = nil
    if !traced.isEmpty { traced.removeAll() }
    copyUps.callBegins()
  }

  func startResolver() {
    if resolverIsStarted { return }
    resolverIsStarted = true
    newResolver = network?.resolver
  }

  func takeWakes() -> [ThreadID] {
    if wakes.isEmpty { return [] }
    defer { wakes = [] }
    return wakes
  }
}
