// Coherence across copy-up. A lower file's first change gives it a copy in the upper layer, and from then on the copy is the
// file; but guests' descriptors and mappings are the kernel's own, of the host file that held the bytes when they were made. So
// everything that guests hold of the lower file is replaced before the call that changed it is answered: stop the thread
// groups that hold it, remap, replace descriptors, resume.
//
//   MappedFiles        who may map what
//   Coherence          what is to be remapped, and who holds it                 (this file; under the tree lock)
//   Remap              one file whose backing has changed
//   ProcessRemap       the work in one stopped process: descriptors, MappingRemap its mappings
//   KernelMapping      the kernel's own list of an address space; CopiedPages what a private mapping has made its own
//   GuestFilter        seccomp filters of guests, which apply to the calls of that work too
//   BackgroundCopyUps  calls that wait for content that is too long to be copied under the tree lock
//   MappingCheck       for tests: compares record and kernel
//
// Locks. Everything here is used under the tree lock, but for `flushRemaps` and the work it hands to the tracer thread, which
// take it (`CoherenceOwner.withCoherence`) for the moment in which they read the record. Between two such moments guests may map
// and unmap, so the kernel's list decides.

public import Gate
import Kernel
public import LinuxABI
public import VFS

/// What coherence asks of the guests' state, under the tree lock. Implemented by the sentry.
public protocol CoherentGuests: AnyObject {
  /// The platform; nil in unit tests.
  var control: (any GuestControl)? { get }

  func forEachTask(_ body: (ThreadID, DescriptorTable, MappedFiles) -> Void)

  /// The files that the space of `thread` may map; nil for a task that has not been announced yet.
  func mappedFiles(of thread: ThreadID) -> MappedFiles?

  /// The filters that a thread has added to those of its start; nil if it has none, or is not known.
  func filter(of thread: ThreadID) -> GuestFilter?

  /// A guest has been given a descriptor of this host file since the sandbox began.
  func hasBeenOpened(_ hostFile: FileIdentity) -> Bool

  /// Some task is between its `execve` and its first instruction: the supervisor holds the program's files for it.
  var isExecuting: Bool { get }

  /// The call that is being served has come by the notify gate.
  var isServedByNotify: Bool { get }

  /// The thread whose call is being served, if that call can be interrupted here and made again later.
  var restartableThread: ThreadID? { get }

  /// inotify watches of the host file go to the upper one.
  func backingChanged(of file: Inode, to upper: Inode)

  /// Descriptors of `lower` are about to become descriptors of `upperFile`: those of the supervisor itself, and what the
  /// sentry knows a file by.
  func willRemap(from lower: FileIdentity, to upperFile: CInt) throws(Errno)
}

/// Who has the coherence of a sandbox behind the tree lock. Implemented by the sentry.
public protocol CoherenceOwner: AnyObject, Sendable {
  /// Runs `body` under the tree lock.
  func withCoherence<Result: Sendable>(_ body: (Coherence) -> Result) -> Result
}

/// What one sandbox needs to keep its guests coherent.
public final class Coherence: CopyUpObserver {
  private weak var guests: (any CoherentGuests)?
  /// In the order of the copy-ups.
  private var pending: [Remap] = []
  public let copyUps: BackgroundCopyUps
  /// Compares the record with the kernel's lists, for tests; nil otherwise.
  public var check: MappingCheck?
  /// How many seccomp filters the first guest started with; Int.max as long as it is not known.
  public private(set) var initialFilters = Int.max

  /// - Parameter source: whose copy-ups are followed; nil if there are none.
  public init(_ source: (any CopyUpSource)?) {
    copyUps = BackgroundCopyUps(source)
    source?.copyUpObserver = self
  }

  /// To be called once, before the first guest runs.
  public func bind(to guests: any CoherentGuests) { self.guests = guests }

  /// The first guest has been attached.
  public func firstGuest(_ thread: ThreadID) {
    if let status = try? ProcessStatus(of: thread) { initialFilters = max(status.number("Seccomp_filters:"), 1) }
  }

  /// Files have been copied up, and what guests hold of them has not been remapped: to be done before any call is answered.
  public var hasPendingRemaps: Bool { !pending.isEmpty }

  public var pendingRemapCount: Int { pending.count }

  /// Nothing is due unless some guest may hold the lower file: it has been opened once, some address space may map it, or some
  /// task is about to execute it.
  public func contentCopiedUp(of file: Inode, from lower: Inode, to upper: Inode) {
    guard let guests else { return }
    guests.backingChanged(of: file, to: upper)
    do throws(Errno) {
      let lowerFile = try lower.open([.largeFile])
      let lowerIdentity = FileIdentity(try Host.stat(lowerFile.rawValue))
      var isMapped = false
      guests.forEachTask { (_, _, files) in isMapped = isMapped || files.mayMap(file.identity) }
      guard isMapped || guests.isExecuting || guests.hasBeenOpened(lowerIdentity) else { return }
      // Opened once and closed again: the most frequent case, and the tracer thread need not hear of it. While the tracer
      // serves a call, the (one) notify worker may be giving a descriptor of the lower file to a guest at this moment.
      if guests.isServedByNotify, !isMapped, !guests.isExecuting, !isOpen(lowerIdentity) { return }
      let upperFile = try upper.open([.largeFile])
      try guests.willRemap(from: lowerIdentity, to: upperFile.rawValue)
      pending.append(
        Remap(
          of: file.identity, from: lowerIdentity, lowerFile: lowerFile, upperFile: upperFile,
          initialFilters: initialFilters))
    } catch {
      // A file that cannot be read again was not copied up either; without descriptors to spare nothing can be remapped.
    }
  }

  /// `thread` is about to map `file`, whose host file is on the device `hostDevice`.
  ///
  /// - Throws: `.noSpace`.
  public func willMap(_ file: Inode, _ files: MappedFiles, hostDevice: UInt64) throws(Errno) {
    // While a remap is pending, a descriptor may still be one of the lower file.
    if file.hasFinalBacking && pending.isEmpty { return }
    try files.insert(file)
    if !file.hasFinalBacking { check?.lowerDevice(hostDevice) }
  }

  /// Lets go of the records that no remap will need.
  public func removeFinal() {
    if !pending.isEmpty { return }
    var seen: Set<ObjectIdentifier> = []
    guests?.forEachTask { (_, _, files) in
      if seen.insert(ObjectIdentifier(files)).inserted { files.removeFinal() }
    }
  }

  // MARK: - Who holds what

  /// Threads that share both the descriptor table and the address space: one of them is enough to work on both.
  struct Holders: Sendable {
    var threads: [ThreadID]
    var mayMap: Bool
  }

  /// The remaps that have not been begun, each with who holds the file. They are the caller's to carry out.
  func takePending() -> [(Remap, [Holders])] {
    let remaps = pending
    pending = []
    return remaps.map { ($0, holders(of: $0)) }
  }

  private struct HolderKey: Hashable {
    var table: ObjectIdentifier
    var space: ObjectIdentifier
  }

  private struct Group {
    var table: DescriptorTable
    var files: MappedFiles
    var threads: [ThreadID] = []
  }

  private func holders(of remap: Remap) -> [Holders] {
    var groups: [HolderKey: Group] = [:]
    guests?.forEachTask { (thread, table, files) in
      let key = HolderKey(table: ObjectIdentifier(table), space: ObjectIdentifier(files))
      groups[key, default: Group(table: table, files: files)].threads.append(thread)
    }
    var opened: [ObjectIdentifier: Bool] = [:]
    return groups.compactMap { (key, group) in
      // The descriptors are looked for when it is stopped.
      if group.files.mayMap(remap.file) { return Holders(threads: group.threads, mayMap: true) }
      let isOpen = opened[key.table] ?? group.table.mayHold(remap.lower)
      opened[key.table] = isOpen
      return isOpen ? Holders(threads: group.threads, mayMap: false) : nil
    }
  }

  private func isOpen(_ hostFile: FileIdentity) -> Bool {
    var seen: Set<ObjectIdentifier> = []
    var isOpen = false
    guests?.forEachTask { (_, table, _) in
      if !isOpen, seen.insert(ObjectIdentifier(table)).inserted { isOpen = table.mayHold(hostFile) }
    }
    return isOpen
  }

  /// See `CoherentGuests`.
  func filter(of thread: ThreadID) -> GuestFilter? { guests?.filter(of: thread) }

  // MARK: - Background copy-up

  public func mayWait(for copyUp: BackgroundCopyUp) -> Bool {
    guard let guests, let thread = guests.restartableThread, let control = guests.control else { return false }
    // A filter of the guest's own may forbid it to sleep.
    guard let status = try? ProcessStatus(of: thread), status.number("Seccomp_filters:") <= initialFilters else {
      return false
    }
    return copyUps.begin(copyUp, control)
  }

  // MARK: - The check of mappings, if there is one

  /// `thread` maps something.
  public func checkMappings(of files: MappedFiles, _ thread: ThreadID) { check?.look(at: files, of: thread) }

  func checkBeforeRemap(of file: FileIdentity, in thread: ThreadID) {
    guard let check, let files = guests?.mappedFiles(of: thread), !files.mayMap(file) else { return }
    check.differ(thread, "maps a file that is remapped and was not recorded")
  }

  func checkAfterRemap(in thread: ThreadID, lower: ListedFile) { check?.lookAfterRemap(of: thread, lower: lower) }
}

extension CoherenceOwner {
  /// Remaps what copy-up has made necessary. Nothing that was handled may be answered before. To be called without the tree lock:
  /// the tracer thread may be waiting for it.
  public func flushRemaps(_ control: (any GuestControl)?) {
    guard let control else {
      // Unit tests: no guest runs.
      _ = withCoherence { $0.takePending() }
      return
    }
    control.withStoppedGuests(PendingRemaps(owner: self))
  }
}

/// The list is taken on the tracer thread, which does one thing at a time: when the work has been done, every remap that was
/// pending at the call has been done, on whichever call's behalf.
private struct PendingRemaps: StoppedGuestsWork {
  let owner: any CoherenceOwner

  func run<Guests: StoppedGuests & ~Copyable>(on guests: inout Guests) {
    for (remap, holders) in owner.withCoherence({ $0.takePending() }) {
      guests.stop(holders.flatMap { $0.threads })
      for group in holders {
        let work = ProcessRemap(remap: remap, mayMap: group.mayMap, owner: owner)
        if !guests.run(work, inOneOf: group.threads) { guests.later(work, in: group.threads) }
      }
      guests.laterInUnknown(ProcessRemap(remap: remap, mayMap: true, owner: owner))
    }
  }
}

extension DescriptorTable {
  /// True also if the table cannot be read: then its process is being born, or dies.
  fileprivate func mayHold(_ hostFile: FileIdentity) -> Bool {
    do throws(Errno) {
      for number in try numbers() {
        do throws(Errno) {
          if FileIdentity(try stat(number)) == hostFile { return true }
        } catch {
          // Closed meanwhile.
        }
      }
      return false
    } catch {
      return true
    }
  }
}
