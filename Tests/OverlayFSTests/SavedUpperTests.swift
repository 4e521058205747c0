import CLinux
import HostFS
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import OverlayFS

/// Uppers of earlier runs as layers of another.
@Suite struct SavedUpperTests {
  /// The upper of `stage` as a layer over `lowers`, which are its own if nothing else is said.
  private func saved(
    _ tree: TemporaryTree, over lowers: [Filesystem], isInPlace: Bool = true, isSnapshot: Bool = false
  ) throws -> OverlayFilesystem {
    let isRoot = Host.effectiveUser == 0
    let format = OverlayFormat(
      prefix: isRoot ? OverlayMarks.trustedPrefix : OverlayMarks.userPrefix, keepsOwners: isRoot)
    #expect(OverlayFormat(format.description)?.description == format.description)
    let store = try HostFilesystem(
      rootDescriptor: try Host.openTrusted(tree.path, [.path, .directory]), policy: .immutable, writable: false,
      keepsOwners: format.keepsOwners, isSavedStore: true)
    return try OverlayFilesystem(
      upper: .saved(SavedUpper(store: store, format: format, isInPlace: isInPlace, isSnapshot: isSnapshot)),
      lowers: lowers)
  }

  private func over(_ layer: Filesystem, _ tree: TemporaryTree) throws -> OverlayFilesystem {
    try OverlayFilesystem(upper: .store(HostFilesystem.store(tree)), lowers: [layer])
  }

  private func state(_ client: Client, _ paths: [String]) throws -> [String] {
    try paths.map { path in
      guard let found = try client.find(path)?.attributes() else { return "\(path) none" }
      let listed = found.type == .directory ? try client.entries(path).map { "\($0.name)=\($0.number)" }.sorted() : []
      let content = found.type == .regular ? try client.read(path) : ""
      return
        "\(path) \(found.type) \(found.permissions) \(found.owner) \(found.number) \(found.linkCount) \(listed) \(content)"
    }
  }

  private let script = """
    mkdir -p d/sub/deep e gone/x && echo 1 > d/sub/deep/f && echo 2 > d/g && echo 3 > e/h && ln e/h hard && ln e/h e/third
    ln -s d s && touch gone/x/y
    """
  private let paths = [
    "", "d", "d/g", "e", "e/h", "e/new", "e/s", "e/sub", "e/sub/deep", "e/sub/deep/f", "e/third", "gone", "gone/x",
    "hard", "moved", "moved/g", "moved/sub",
  ]

  private func change(_ client: Client) throws {
    try client.append("d/sub/deep/f", "more\n")
    try client.rename("d", "moved")
    try client.rename("moved/sub", "e/sub")
    try client.unlink("moved/g")
    try client.append("hard", "x\n")
    try client.unlink("e/third")
    try client.write("e/new", "n")
    try client.mkdir("d")
    try client.rename("s", "e/s")
    try client.chmod("e/new", 0o4711)
    try client.unlink("gone/x/y")
    try client.rmdir("gone/x")
    try client.rmdir("gone")
    try client.mkdir("gone")
  }

  @Test func aSavedUpperShowsWhatItsRunHasLeft() throws {
    let stage = try Stage(.store, script)
    try change(stage.client)
    let before = try state(stage.client, paths)
    stage.overlay.close()
    let layer = try saved(stage.upperTree, over: [HostFilesystem.lower(stage.lowerTrees[0])])
    #expect(try state(Client(layer), paths) == before)
    let manifest = stage.upperTree.output("find . -exec stat -c '%n %i %f %h %s %y %z' {} + | sort")
    let upper = TemporaryTree()
    var overlay = try over(layer, upper)
    var client = Client(overlay)
    #expect(try state(client, paths) == before)
    // Links, and directories that were moved, are changed once more.
    try client.append("e/h", "y\n")
    #expect(try client.read("hard") == "3\nx\ny\n")
    #expect(try client.stat("hard").linkCount == 2)
    try client.rename("e/sub", "again")
    try client.rename("moved", "e/sub")
    try client.unlink("e/new")
    try client.write("born", "b")
    let paths = paths + ["again", "again/deep", "again/deep/f", "born"]
    let after = try state(client, paths)
    overlay.close()
    overlay = try over(try saved(stage.upperTree, over: [HostFilesystem.lower(stage.lowerTrees[0])]), upper)
    client = Client(overlay)
    #expect(try state(client, paths) == after)
    #expect(try client.read("again/deep/f") == "1\nmore\n")
    overlay.close()
    // And that upper as a layer too.
    let both = try saved(upper, over: [saved(stage.upperTree, over: [HostFilesystem.lower(stage.lowerTrees[0])])])
    #expect(try state(Client(both), paths) == after)
    both.close()
    #expect(stage.upperTree.output("find . -exec stat -c '%n %i %f %h %s %y %z' {} + | sort") == manifest)
  }

  @Test func nothingIsWrittenToASavedUpper() throws {
    let stage = try Stage(.store, script)
    try change(stage.client)
    stage.overlay.close()
    let client = Client(try saved(stage.upperTree, over: [HostFilesystem.lower(stage.lowerTrees[0])]))
    #expect(throws: Errno.readOnlyFileSystem) { try client.append("e/new", "x") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.append("e/h", "x") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.unlink("e/new") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.create("e/more") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.rename("moved", "back") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.chmod("moved", 0o700) }
    #expect(client.filesystem.isReadOnly)
  }

  /// Two uppers that know nothing of each other: names and paths count, and no number of one is taken for the other's.
  @Test func uppersOfTheSameLayersStack() throws {
    let lower = TemporaryTree()
    lower("mkdir -p d/sub e && echo 1 > d/sub/f && echo 2 > x && echo 3 > l1 && ln l1 l2 && echo 4 > e/g")
    let (first, second) = (TemporaryTree(), TemporaryTree())
    var overlay = try over(HostFilesystem.lower(lower), first)
    var client = Client(overlay)
    try client.rename("x", "y")
    try client.write("d/sub/first", "1")
    try client.write("z", "first")
    try client.unlink("e/g")
    overlay.close()
    overlay = try over(HostFilesystem.lower(lower), second)
    client = Client(overlay)
    try client.append("x", "second\n")
    try client.rename("d/sub", "moved")
    try client.append("l1", "second\n")
    try client.write("e/h", "second")
    try client.unlink("l2")
    overlay.close()
    let base = try HostFilesystem.lower(lower)
    let stack = try saved(second, over: [saved(first, over: [base])], isInPlace: false)
    client = Client(stack)
    #expect(try client.list("") == ["d", "e", "l1", "moved", "x", "y", "z"])
    #expect(try client.list("moved") == ["f", "first"])
    #expect(try client.list("e") == ["h"])
    #expect(try client.list("d") == [])
    // `x` is the second upper's own file, `y` the lower's: they have one origin, and are two files.
    for _ in 0..<2 {
      #expect(try client.read("y") == "2\n")
      #expect(try client.read("x") == "2\nsecond\n")
      #expect(try client.stat("x").number != client.stat("y").number)
    }
    #expect(try client.read("l1") == "3\nsecond\n")
    #expect(try client.stat("l1").linkCount == 1)
    // Every listing has the numbers that its names have.
    for directory in ["", "d", "e", "moved"] {
      for entry in try client.entries(directory) {
        #expect(try client.stat(directory + "/" + entry.name).number == entry.number)
      }
    }
    stack.close()
  }

  @Test func layersAboveAndBelowASavedUpperHaveTheirOwnNumbers() throws {
    let lowers = ["echo a > a", "echo b > b", "echo c > c"].map { script in
      let tree = TemporaryTree()
      tree(script)
      return tree
    }
    let upper = TemporaryTree()
    let both = try [1, 2].map { try HostFilesystem.lower(lowers[$0]) }
    var overlay = try OverlayFilesystem(upper: .store(HostFilesystem.store(upper)), lowers: both)
    try Client(overlay).append("c", "more")
    try Client(overlay).write("born", "x")
    let numbers = try ["b", "c", "born"].map { try Client(overlay).stat($0).number }
    overlay.close()
    let layer = try saved(upper, over: try [1, 2].map { try HostFilesystem.lower(lowers[$0]) })
    let top = TemporaryTree()
    overlay = try OverlayFilesystem(
      upper: .store(HostFilesystem.store(top)), lowers: [HostFilesystem.lower(lowers[0]), layer])
    let client = Client(overlay)
    #expect(try ["b", "c", "born"].map { try client.stat($0).number } == numbers)
    try client.write("new", "y")
    let all = try ["a", "b", "c", "born", "new"].map { try client.stat($0).number }
    #expect(Set(all).count == 5)
    #expect(Set(all.map { $0 >> 40 }).count == 5, "\(all)")
    overlay.close()
  }

  @Test func aSavedUpperIsLocked() throws {
    let stage = try Stage(.store, "touch f")
    func layer() throws -> OverlayFilesystem {
      try saved(stage.upperTree, over: [HostFilesystem.lower(stage.lowerTrees[0])])
    }
    #expect(throws: OverlayError.upperIsBusy) { try layer() }
    stage.overlay.close()
    let (one, two) = (try layer(), try layer())
    #expect(throws: OverlayError.upperIsBusy) { try stage.restart() }
    one.close()
    two.close()
    try stage.restart()
  }

  @Test func whatAKilledRunMustFinishIsRefused() throws {
    let stage = try Stage(.store, "echo x > one && ln one two")
    let number = try stage.client.stat("one").number
    try stage.client.unlink("one")
    stage.overlay.close()
    func layer(_ intent: OverlayIntent) throws -> OverlayFilesystem {
      let file = try Host.openTrusted(
        "\(stage.upperTree.path)/work/intent", [.writeOnly, .create, .truncate], mode: 0o600)
      try intent.encoded.withUnsafeBufferPointer { bytes throws(Errno) in
        try Host.write(UnsafeRawBufferPointer(bytes), to: file.rawValue)
      }
      return try saved(stage.upperTree, over: [HostFilesystem.lower(stage.lowerTrees[0])])
    }
    let steps = [OverlayIntent.FollowUp.links(number: number, count: 1)]
    #expect(throws: OverlayError.upperIsUnfinished) { try layer(OverlayIntent(.isWhiteout, Array("one".utf8), steps)) }
    // Its step was never taken.
    let open = try layer(OverlayIntent(.isWhiteout, Array("two".utf8), steps))
    #expect(try Client(open).list("") == ["two"])
    open.close()
  }

  /// A snapshot belongs to the upper above it: what is changed is counted against what lies below both.
  @Test func changesGoThroughSnapshots() throws {
    let lower = TemporaryTree()
    lower("mkdir -p d/sub e same && echo 1 > d/sub/f && echo 2 > x && echo 3 > l1 && ln l1 l2 && echo 4 > e/g")
    let (first, second) = (TemporaryTree(), TemporaryTree())
    var overlay = try over(HostFilesystem.lower(lower), first)
    var client = Client(overlay)
    try client.rename("d/sub", "moved")
    try client.unlink("x")
    try client.append("l1", "more\n")
    try client.write("e/born", "b")
    try client.write("e/gone", "b")
    overlay.close()
    overlay = try over(
      try saved(first, over: [HostFilesystem.lower(lower)], isSnapshot: true), second)
    client = Client(overlay)
    func listed() throws -> [String] {
      let found = try OverlayChanges(of: overlay, .list)
      return found.changes.map { "\($0.kind) \(String(decoding: found.paths.path(of: $0.node), as: UTF8.self))" }
    }
    let before = try listed()
    #expect(
      before == [
        "deleted d/sub", "added e/born", "added e/gone", "modified l1", "modified l2", "added moved", "added moved/f",
        "deleted x",
      ])
    try client.unlink("e/gone")
    try client.append("moved/f", "more\n")
    try client.write("x", "new")
    try client.append("e/g", "more\n")
    try client.rename("moved", "d/sub")
    #expect(
      try listed() == ["modified d/sub/f", "added e/born", "modified e/g", "modified l1", "modified l2", "modified x"])
    let bases = try overlay.readBases()
    #expect(bases.isComplete)
    #expect(bases.base(at: Array("e/g".utf8))?.size == 2)
    #expect(bases.base(at: Array("d/sub/f".utf8))?.size == 2)
    #expect(bases.base(at: Array("d/sub".utf8))?.state == .movedDirectory)
    #expect(bases.base(at: Array("x".utf8))?.size == 2)
    #expect(bases.base(at: Array("moved/f".utf8)) == nil)
    overlay.close()
  }
}
