// What a copy-up makes due, and for whom.

import CLinux
import Gate
import LinuxABI
import Testing
import VFS

@testable import Coherence

/// Guests that are nothing but records.
private final class Guests: CoherentGuests {
  var tasks: [(thread: ThreadID, table: DescriptorTable, files: MappedFiles)] = []
  var opened: Set<FileIdentity> = []
  var isExecuting = false
  var isServedByNotify = false
  var restartableThread: ThreadID?
  var control: (any GuestControl)?
  var watchesFollowed = 0
  var remapped: [FileIdentity] = []

  func forEachTask(_ body: (ThreadID, DescriptorTable, MappedFiles) -> Void) {
    for task in tasks { body(task.thread, task.table, task.files) }
  }
  func mappedFiles(of thread: ThreadID) -> MappedFiles? { tasks.first { $0.thread == thread }?.files }
  func filter(of thread: ThreadID) -> GuestFilter? { nil }
  func hasBeenOpened(_ hostFile: FileIdentity) -> Bool { opened.contains(hostFile) }
  func backingChanged(of file: Inode, to upper: Inode) { watchesFollowed += 1 }
  func willRemap(from lower: FileIdentity, to upperFile: CInt) throws(Errno) { remapped.append(lower) }
}

@Suite struct CoherenceTests {
  private let filesystem = HostFiles()
  private let source = Source()
  private let guests = Guests()
  private let coherence: Coherence
  private let (file, lower, upper): (HostFile, HostFile, HostFile)

  init() throws {
    coherence = Coherence(source)
    coherence.bind(to: guests)
    file = try HostFile(filesystem)
    lower = try HostFile(filesystem, pages: 1, of: "l")
    upper = try HostFile(filesystem, pages: 1, of: "u")
  }

  private func copyUp() { source.copyUpObserver?.contentCopiedUp(of: file, from: lower, to: upper) }

  @Test func nothingIsDueForAFileThatNoGuestHolds() {
    guests.tasks = [(1, DescriptorTable(thread: getpid()), MappedFiles(.unlimited))]
    copyUp()
    #expect(!coherence.hasPendingRemaps && guests.remapped.isEmpty)
    // The watches of the host file follow all the same.
    #expect(guests.watchesFollowed == 1)
  }

  @Test func aFileThatMayBeMappedIsRemappedInEverySpaceThatMayMapIt() throws {
    let (shared, other) = (MappedFiles(.unlimited), MappedFiles(.unlimited))
    let table = DescriptorTable(thread: getpid())
    // Two threads that share table and space, one with a table of its own, and one that has nothing of the file.
    guests.tasks = [(1, table, shared), (2, table, shared), (3, DescriptorTable(thread: getpid()), shared)]
    try coherence.willMap(file, shared, hostDevice: 0)
    let lonely = DescriptorTable(thread: 0x3fff_ffff)
    guests.tasks.append((4, lonely, other))
    guests.isServedByNotify = true
    copyUp()
    let identity = try lower.hostIdentity
    #expect(coherence.hasPendingRemaps && guests.remapped == [identity])
    let due = coherence.takePending()
    #expect(due.count == 1 && !coherence.hasPendingRemaps)
    let holders = due.first?.1 ?? []
    #expect(holders.filter(\.mayMap).map { $0.threads.sorted() }.sorted { $0.count > $1.count } == [[1, 2], [3]])
    // A table that cannot be read may hold the file.
    #expect(holders.filter { !$0.mayMap }.map(\.threads) == [[4]])
  }

  @Test func aFileThatWasOpenedIsLookedForInTheTables() throws {
    guests.tasks = [(1, DescriptorTable(thread: getpid()), MappedFiles(.unlimited))]
    guests.opened = [try lower.hostIdentity]
    guests.isServedByNotify = true
    // This process has it open.
    copyUp()
    #expect(coherence.takePending().first?.1.map(\.threads) == [[1]])
  }

  @Test func anExecutionInProgressMakesARemapDue() {
    guests.isExecuting = true
    copyUp()
    #expect(coherence.hasPendingRemaps)
  }

  @Test func recordsOfPendingRemapsStay() throws {
    let files = MappedFiles(.unlimited)
    guests.tasks = [(1, DescriptorTable(thread: getpid()), files)]
    try coherence.willMap(file, files, hostDevice: 0)
    file.isFinal = true
    copyUp()
    coherence.removeFinal()
    #expect(files.mayMap(file.identity))
    // A mapping made now may still be of the lower file.
    let late = try HostFile(filesystem)
    late.isFinal = true
    try coherence.willMap(late, files, hostDevice: 0)
    #expect(files.mayMap(late.identity))
    _ = coherence.takePending()
    coherence.removeFinal()
    #expect(files.isEmpty)
    try coherence.willMap(late, files, hostDevice: 0)
    #expect(files.isEmpty)
  }

  @Test func onlyACallThatMayBeMadeAgainWaits() throws {
    let copyUp = BackgroundCopyUp(try DataCopy(from: try HostFile(filesystem, megabytes: 2), to: upper))
    guests.control = Background()
    #expect(!coherence.mayWait(for: copyUp))
    guests.restartableThread = getpid()
    #expect(coherence.mayWait(for: copyUp))
    guests.control = Background(hasThreads: false)
    let other = BackgroundCopyUp(try DataCopy(from: try HostFile(filesystem, megabytes: 2), to: upper))
    #expect(Coherence(nil).copyUps.begin(other, Background(hasThreads: false)) == false)
  }
}
