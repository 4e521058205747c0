// What an overlay reports of copy-ups: every file whose content has another backing file, once, when it has.

import HostFS
import Kernel
import LinuxABI
import OverlayFS
import Testing
import TestSupport
import VFS

/// Stands in for the sentry's coherence.
final class Observer: CopyUpObserver {
  /// The content's copy-ups.
  private(set) var count = 0
  var onCopyUp: ((_ file: OverlayRegularFile, _ lower: Inode, _ upper: Inode) -> Void)?
  /// The copy-ups that calls were interrupted for, in order.
  private(set) var background: [BackgroundCopyUp] = []
  var canWait = false

  init(_ source: any CopyUpSource) { source.copyUpObserver = self }

  func contentCopiedUp(of file: Inode, from lower: Inode, to upper: Inode) {
    count += 1
    if let file = file as? OverlayRegularFile { onCopyUp?(file, lower, upper) }
  }

  func mayWait(for copyUp: BackgroundCopyUp) -> Bool {
    if canWait { background.append(copyUp) }
    return canWait
  }
}

@Suite struct CopyUpObserverTests {
  @Test(arguments: [UpperKind.memory, .store]) func contentIsReportedWhenItHasItsFinalBacking(_ kind: UpperKind) throws
  {
    let stage = try Stage(kind, "printf lower > f")
    let file = try #require(try stage.client.at("f") as? OverlayRegularFile)
    let identity = file.identity
    #expect(!file.hasFinalBacking)
    let observer = Observer(stage.overlay)
    observer.onCopyUp = { file, from, to in
      #expect(file.content === to && file.hasFinalBacking && from === file.lower)
      do throws(Errno) {
        let opened = try file.open([])
        let upper = try to.open([])
        let isUpper = try Host.stat(opened.rawValue).inode == Host.stat(upper.rawValue).inode
        #expect(isUpper)
      } catch {
        Issue.record("\(error)")
      }
    }
    try stage.client.chmod("f", 0o600)
    // Where attributes are copied up alone the content has stayed.
    #expect(observer.count == (kind == .memory ? 0 : 1))
    #expect(file.hasFinalBacking == (kind == .store))
    try stage.client.append("f", "!")
    #expect(observer.count == 1 && file.hasFinalBacking && file.identity == identity)
  }

  @Test func contentIsCopiedUpOnDemand() throws {
    let stage = try Stage(.memory, "printf lower > f")
    let file = try #require(try stage.client.at("f") as? OverlayRegularFile)
    let observer = Observer(stage.overlay)
    try file.copyUpContent()
    try file.copyUpContent()
    #expect(file.content === file.upper && file.hasFinalBacking && observer.count == 1)
    #expect(try stage.client.read("f") == "lower")
  }

  @Test func whereNothingCanBeWrittenTheBackingStays() throws {
    let tree = TemporaryTree()
    tree("printf lower > f")
    let overlay = try OverlayFilesystem(upper: nil, lowers: [try HostFilesystem.lower(tree)])
    let observer = Observer(overlay)
    let file = try Client(overlay).at("f")
    #expect(throws: Errno.readOnlyFileSystem) { try file.copyUpContent() }
    #expect(!file.hasFinalBacking && observer.count == 0)
    let lower = try Client(try HostFilesystem.lower(tree)).at("f")
    #expect(throws: Errno.readOnlyFileSystem) { try lower.copyUpContent() }
  }
}
