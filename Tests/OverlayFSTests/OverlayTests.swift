import HostFS
import Kernel
import LinuxABI
import OverlayFS
import Testing
import TestSupport
import VFS

/// Creating, changing and deleting over a lower layer. Each test runs with an upper in memory and with a persistent one.
@Suite struct OverlayTests {
  static let kinds = UpperKind.allCases

  @Test(arguments: kinds) func lowerFileIsReadThrough(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p a/b && echo hello > a/b/file && ln -s b a/link")
    #expect(try stage.client.read("a/b/file") == "hello\n")
    #expect(try stage.client.at("a/link").readlink() == [UInt8]("b".utf8))
    #expect(try stage.client.list("a") == ["b", "link"])
    #expect(try stage.client.find("a/nothing") == nil)
  }

  @Test(arguments: kinds) func changesLeaveTheLowerAsItWas(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p a/b c && echo one > a/b/file && echo two > c/file && ln a/b/file c/hard")
    let before = stage.manifest()
    let client = stage.client
    try client.append("a/b/file", "more\n")
    try client.write("c/file", "new\n")
    try client.write("c/fresh", "fresh\n")
    try client.chmod("c/hard", 0o600)
    try client.rename("a", "moved")
    try client.unlink("c/hard")
    try client.mkdir("c/d")
    #expect(try client.read("moved/b/file") == "one\nmore\n")
    #expect(try client.read("c/file") == "new\n")
    #expect(try client.list("c") == ["d", "file", "fresh"])
    #expect(try client.list("") == ["c", "moved"])
    #expect(stage.manifest() == before)
  }

  @Test(arguments: kinds) func numberIsConstantOverCopyUpAndRename(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && echo x > d/f")
    let number = try stage.client.stat("d/f").number
    let directory = try stage.client.stat("d").number
    try stage.client.append("d/f", "y")
    #expect(try stage.client.stat("d/f").number == number)
    #expect(try stage.client.stat("d").number == directory)
    try stage.client.rename("d/f", "g")
    try stage.client.rename("d", "e")
    #expect(try stage.client.stat("g").number == number)
    #expect(try stage.client.stat("e").number == directory)
    for name in ["e", "g"] {
      let entry = try #require(try stage.client.entries("").first { $0.name == name })
      #expect(try entry.number == stage.client.stat(name).number)
    }
  }

  @Test(arguments: kinds) func listedNumbersAreStatNumbersEverywhere(_ kind: UpperKind) throws {
    let stage = try Stage(
      kind, "mkdir -p m/sub && touch m/a m/b && mkfifo m/p", "mkdir -p m/other && touch m/b m/c && mkdir n")
    try stage.client.write("m/new", "x")
    try stage.client.append("m/c", "x")
    try stage.client.mkdir("fresh")
    try stage.client.rename("m/a", "fresh/a")
    for directory in ["", "m", "fresh"] {
      for entry in try stage.client.entries(directory) {
        let found = try stage.client.stat(directory.isEmpty ? entry.name : "\(directory)/\(entry.name)")
        #expect(found.number == entry.number, "\(directory)/\(entry.name)")
        #expect(found.type == entry.type)
      }
    }
  }

  @Test(arguments: kinds) func hardLinksOfALowerFileStayLinks(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && echo x > d/one && ln d/one d/two && ln d/one three")
    #expect(try stage.client.stat("d/one").linkCount == 3)
    try stage.client.append("d/one", "y\n")
    #expect(try stage.client.read("d/two") == "x\ny\n")
    #expect(try stage.client.read("three") == "x\ny\n")
    #expect(try stage.client.stat("three").number == stage.client.stat("d/one").number)
    #expect(try stage.client.stat("d/two").linkCount == 3)
    try stage.client.link("d/two", "four")
    #expect(try stage.client.stat("three").linkCount == 4)
    try stage.client.unlink("d/one")
    try stage.client.append("three", "z\n")
    #expect(try stage.client.read("four") == "x\ny\nz\n")
    #expect(try stage.client.stat("d/two").linkCount == 3)
    try stage.client.rename("three", "d/five")
    try stage.client.append("d/five", "w\n")
    #expect(try stage.client.read("d/two") == "x\ny\nz\nw\n")
    #expect(try stage.client.list("d") == ["five", "two"])
  }

  @Test(arguments: kinds) func linksAreCountedBeforeCopyUpToo(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "echo x > one && ln one two && ln one three")
    try stage.client.unlink("one")
    #expect(try stage.client.stat("two").linkCount == 2)
    try stage.client.unlink("two")
    #expect(try stage.client.stat("three").linkCount == 1)
    let held = try stage.client.at("three")
    try stage.client.unlink("three")
    #expect(try held.attributes().linkCount == 0)
    #expect(try Client.read(held) == "x\n")
  }

  @Test(arguments: kinds) func unlinkedLowerFileStaysUsable(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "echo lower > f")
    let held = try stage.client.at("f")
    try stage.client.unlink("f")
    #expect(try stage.client.find("f") == nil)
    #expect(try Client.read(held) == "lower\n")
    #expect(try held.attributes().linkCount == 0)
    let writer = try held.open(.writeOnly)
    try Host.truncate(writer.rawValue, to: 2)
    #expect(try Client.read(held) == "lo")
    #expect(try stage.client.list("") == [])
  }

  @Test(arguments: kinds) func deletedNameCanBeMadeAnewAndIsOpaque(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && touch d/inside && echo old > f")
    try stage.client.unlink("d/inside")
    try stage.client.rmdir("d")
    #expect(try stage.client.find("d") == nil)
    try stage.client.mkdir("d")
    #expect(try stage.client.list("d") == [])
    #expect(try stage.client.find("d/inside") == nil)
    try stage.client.unlink("f")
    try stage.client.write("f", "new")
    #expect(try stage.client.read("f") == "new")
    try stage.client.unlink("f")
    #expect(try stage.client.find("f") == nil)
  }

  @Test(arguments: kinds) func directoryOfWhiteoutsCanBeRemovedAndReplaced(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir a b && touch a/1 a/2 b/1")
    #expect(throws: Errno.directoryNotEmpty) { try stage.client.rmdir("a") }
    try stage.client.unlink("a/1")
    try stage.client.unlink("a/2")
    try stage.client.unlink("b/1")
    try stage.client.write("b/2", "moved")
    try stage.client.rename("b", "a")
    #expect(try stage.client.list("") == ["a"])
    #expect(try stage.client.list("a") == ["2"])
    try stage.client.unlink("a/2")
    try stage.client.rmdir("a")
    #expect(try stage.client.list("") == [])
  }

  @Test(arguments: kinds) func namesBeginningWithWhDotAreOrdinary(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "touch .wh.a a .wh..wh..opq")
    #expect(try stage.client.list("") == [".wh..wh..opq", ".wh.a", "a"])
    try stage.client.unlink(".wh.a")
    try stage.client.write(".wh.b", "x")
    #expect(try stage.client.list("") == [".wh..wh..opq", ".wh.b", "a"])
  }

  @Test(arguments: kinds) func threeLowersMerge(_ kind: UpperKind) throws {
    let stage = try Stage(
      kind, "mkdir d && echo top > d/x", "mkdir d e && echo middle > d/x && echo middle > d/y && touch e/f",
      "mkdir d && echo bottom > d/z && echo file > e")
    #expect(try stage.client.list("d") == ["x", "y", "z"])
    #expect(try stage.client.read("d/x") == "top\n")
    #expect(try stage.client.read("d/z") == "bottom\n")
    #expect(try stage.client.list("e") == ["f"])
    try stage.client.unlink("d/x")
    #expect(try stage.client.find("d/x") == nil)
    try stage.client.append("d/y", "more\n")
    try stage.client.rename("d", "moved")
    #expect(try stage.client.list("moved") == ["y", "z"])
    #expect(try stage.client.read("moved/y") == "middle\nmore\n")
    try stage.client.mkdir("d")
    #expect(try stage.client.list("d") == [])
  }

  @Test(arguments: kinds) func overlayAttributesAreInvisible(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && touch d/a d/b && setfattr -n user.mine -v 1 d 2>/dev/null || true")
    try stage.client.unlink("d/a")
    try stage.client.rename("d", "e")
    try stage.client.setAttribute("e", "user.other", "2")
    #expect(try stage.client.attributeNames("e").filter { $0 != "user.mine" } == ["user.other"])
    #expect(throws: Errno.notSupportedOnSocket) { try stage.client.setAttribute("e", "trusted.overlay.opaque", "y") }
    #expect(throws: Errno.notSupportedOnSocket) { try stage.client.attribute("e", "user.overlay.origin") }
  }

  @Test(arguments: kinds) func securityAttributesOfAGuestAreKept(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "touch f")
    try stage.client.setAttribute("f", "security.thing", "abc")
    try stage.client.setAttribute("f", "trusted.thing", "def")
    #expect(try stage.client.attributeNames("f") == ["security.thing", "trusted.thing"])
    #expect(try stage.client.attribute("f", "security.thing") == "abc")
  }

  @Test(arguments: kinds) func fifoAndSocketAndDeviceAreCopiedUpAsNodes(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkfifo p && mknod n c 1 3")
    try stage.client.chmod("p", 0o600)
    try stage.client.rename("n", "null")
    let device = try stage.client.stat("null")
    #expect(device.type == .characterDevice && device.device == 0x103)
    #expect(throws: Errno.permissionDenied) { _ = try stage.client.at("null").open([]) }
    #expect(try stage.client.stat("p").type == .fifo)
    let fifo = try stage.client.at("p").open([.nonBlocking])
    #expect(fifo.rawValue >= 0)
  }

  @Test(arguments: kinds) func directoryLinkCountCountsMergedDirectories(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p d/1 d/2 d/3", "mkdir -p d/3 d/4 e/1 e/2")
    #expect(try stage.client.stat("d").linkCount == 6)
    #expect(try stage.client.stat("e").linkCount == 4)
    try stage.client.mkdir("d/5")
    try stage.client.rmdir("d/1")
    try stage.client.rename("d/2", "e/3")
    #expect(try stage.client.stat("d").linkCount == 5)
    #expect(try stage.client.stat("e").linkCount == 5)
  }

  @Test func temporaryFileCanBeLinked() throws {
    for kind in Self.kinds {
      let stage = try Stage(kind, "mkdir d")
      let inode = try stage.client.at("d").createTemporary(
        NewInode(.regular, permissions: Permissions(rawValue: 0o640), owner: 0, group: 0))
      #expect(try inode.attributes().linkCount == 0)
      let directory = try stage.client.at("d")
      try Name.with("named") { name throws(Errno) in try directory.link(name, to: inode) }
      #expect(try stage.client.at("d/named") === inode)
      #expect(try stage.client.stat("d/named").linkCount == 1)
    }
  }

  @Test func readOnlyOverlayRefusesChanges() throws {
    let tree = TemporaryTree()
    tree("mkdir d && echo x > d/f")
    let overlay = try OverlayFilesystem(upper: nil, lowers: [HostFilesystem.lower(tree)])
    #expect(overlay.isReadOnly)
    let client = Client(overlay)
    #expect(try client.read("d/f") == "x\n")
    #expect(throws: Errno.readOnlyFileSystem) { try client.write("d/f", "y") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.unlink("d/f") }
    #expect(throws: Errno.readOnlyFileSystem) { try client.mkdir("e") }
  }
}
