import HostFS
import Kernel
import KernFS
import LinuxABI
import OverlayFS
import Synchronization
import Testing
import TestSupport
import VFS

/// Long content is copied outside the tree lock: what the operation that needs it sees, and what others may do meanwhile.
@Suite struct BackgroundCopyUpTests {
  enum Upper: CaseIterable, Sendable { case tmpfs, host, store }

  /// An overlay over one lower with a file `f` of two slices and a half, whose background copies are the test's to make.
  final class Scene {
    let lower = TemporaryTree()
    let upper: TemporaryTree
    let overlay: OverlayFilesystem
    let client: Client
    let content: String
    let observer: Observer
    /// The copy-ups that calls were interrupted for, in order.
    var copies: [BackgroundCopyUp] { observer.background }
    var canWait: Bool {
      get { observer.canWait }
      set { observer.canWait = newValue }
    }

    init(_ kind: Upper) throws {
      upper = TemporaryTree(inMemory: kind != .store)
      lower("head -c 30000000 /dev/zero | tr '\\0' x | cat - /etc/passwd > f; head -c 10M f > g")
      lower("chmod 4751 f; ln f link")
      let lowers = [try HostFilesystem.lower(lower)]
      switch kind {
      case .tmpfs:
        let store = try BackingStore(root: try Host.openTrusted(upper.path, [.directory]))
        overlay = try OverlayFilesystem(upper: .memory(TmpFilesystem(store: store)), lowers: lowers)
      case .host: overlay = try OverlayFilesystem(upper: .memory(HostFilesystem.store(upper)), lowers: lowers)
      case .store: overlay = try OverlayFilesystem(upper: .store(HostFilesystem.store(upper)), lowers: lowers)
      }
      client = Client(overlay)
      content = try client.read("f")
      observer = Observer(overlay)
      canWait = true
    }

    deinit { overlay.close() }

    func open(_ path: String) throws(Errno) { _ = try client.at(path).open(.readWrite) }

    /// What is left in the upper of copies that were not committed: bytes in kibibytes.
    var kilobytes: Int {
      Int(upper.output("du -sk . | cut -f1").split(separator: "\n").first ?? "") ?? -1
    }
  }

  @Test(arguments: Upper.allCases) func theCallMadeAgainCommitsTheCopy(_ kind: Upper) throws {
    let scene = try Scene(kind)
    let before = try scene.client.stat("f")
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    #expect(scene.copies[0].copySlice())
    // Nothing shows, and who comes meanwhile waits for the same copy.
    #expect(try scene.client.read("f") == scene.content)
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("link") }
    #expect(scene.copies.count == 2 && scene.copies[0] === scene.copies[1])
    while scene.copies[0].copySlice() {}
    #expect(scene.copies[0].hasEnded)
    try scene.open("link")
    #expect(scene.copies.count == 2)
    let after = try scene.client.stat("f")
    #expect(after.permissions == before.permissions && after.number == before.number && after.linkCount == 2)
    #expect(after.modificationTime == before.modificationTime && after.size == before.size)
    try scene.client.append("f", "end")
    #expect(try scene.client.read("link") == scene.content + "end")
    #expect(scene.kilobytes < 40_000)
  }

  @Test(arguments: Upper.allCases) func aCallThatCannotWaitMakesTheCopyItself(_ kind: Upper) throws {
    let scene = try Scene(kind)
    scene.canWait = false
    try scene.open("g")
    scene.canWait = true
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    #expect(scene.copies[0].copySlice())
    scene.canWait = false
    // It goes on where the other one stands.
    try scene.client.append("f", "end")
    #expect(!scene.copies[0].copySlice() && scene.copies.count == 1)
    #expect(try scene.client.read("f") == scene.content + "end")
    #expect(scene.kilobytes < 50_000)
  }

  @Test(arguments: Upper.allCases) func whatNoCallWaitsForIsDiscarded(_ kind: Upper) throws {
    let scene = try Scene(kind)
    let before = scene.kilobytes
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    #expect(scene.copies[0].copySlice())
    scene.overlay.cancel(scene.copies[0])
    #expect(!scene.copies[0].copySlice() && scene.copies[0].hasEnded)
    #expect(scene.kilobytes - before < 1000)
    // The next one begins anew.
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    while scene.copies[1].copySlice() {}
    scene.overlay.cancel(scene.copies[1])
    #expect(scene.kilobytes - before < 1000)
    #expect(try scene.client.read("f") == scene.content)
  }

  @Test(arguments: Upper.allCases) func truncationMeanwhileNeedsNoCopy(_ kind: Upper) throws {
    let scene = try Scene(kind)
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    #expect(scene.copies[0].copySlice())
    try scene.client.write("f", "short")
    #expect(!scene.copies[0].copySlice())
    try scene.open("link")
    #expect(try scene.client.read("link") == "short")
    #expect(scene.kilobytes < 1000)
  }

  /// In memory the attributes are copied up apart, and the copy brings the content after them.
  @Test(arguments: Upper.allCases) func attributesAndNamesMayChangeMeanwhile(_ kind: Upper) throws {
    let scene = try Scene(kind)
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    if kind == .store {
      // The whole file must be there for the next run.
      #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.client.chmod("f", 0o6755) }
      while scene.copies[0].copySlice() {}
    }
    try scene.client.chmod("f", 0o6755)
    try scene.client.rename("f", "h")
    try scene.client.unlink("link")
    #expect(try scene.client.read("h") == scene.content)
    while scene.copies[0].copySlice() {}
    try scene.open("h")
    try scene.client.append("h", "end")
    #expect(try scene.client.read("h") == scene.content + "end")
    let after = try scene.client.stat("h")
    #expect(after.permissions.rawValue & 0o777 == 0o755 && after.linkCount == 1)
    #expect(scene.kilobytes < 40_000)
  }

  @Test(arguments: Upper.allCases) func theLastNameMayGoMeanwhile(_ kind: Upper) throws {
    let scene = try Scene(kind)
    let held = try scene.client.at("f")
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("f") }
    try scene.client.unlink("f")
    try scene.client.unlink("link")
    while scene.copies[0].copySlice() {}
    #expect(throws: Errno.noSuchFileOrDirectory) { try scene.open("f") }
    // By a descriptor it can be opened all the same.
    #expect(try Client.read(held) == scene.content)
    _ = try held.open(.readWrite)
    #expect(try Client.read(held) == scene.content)
    #expect(scene.copies.count == 1)
  }

  @Test(arguments: Upper.allCases) func shortContentAndHolesAreCopiedAtOnce(_ kind: Upper) throws {
    let scene = try Scene(kind)
    scene.lower("truncate -s 2G hole; printf x >> hole; head -c 4M f | tail -c +2 > little")
    try scene.client.append("hole", "end")
    try scene.client.append("little", "end")
    #expect(scene.copies.isEmpty)
    #expect(try scene.client.stat("hole").size == (2 << 30) + 4)
    #expect(throws: Errno.resourceTemporarilyUnavailable) { try scene.open("g") }
  }
}
