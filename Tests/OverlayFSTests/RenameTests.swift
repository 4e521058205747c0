import HostFS
import LinuxABI
import OverlayFS
import Testing
import VFS

/// Renames in an overlay: nothing is copied but attributes, nothing gives EXDEV, nothing is left behind.
@Suite struct RenameTests {
  static let kinds = UpperKind.allCases

  @Test(arguments: kinds) func renameOfAMergedDirectoryCopiesNoDescendant(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p d/sub/deep && echo 1 > d/sub/deep/f && echo 2 > d/g")
    try stage.client.write("d/new", "3")
    try stage.client.rename("d", "e")
    #expect(try stage.client.find("d") == nil)
    #expect(try stage.client.read("e/sub/deep/f") == "1\n")
    #expect(try stage.client.list("e") == ["g", "new", "sub"])
    #expect(stage.upperTree.output("find upper -type f").split(separator: "\n").count == 1)
    try stage.client.rename("e/sub", "top")
    try stage.client.rename("top/deep", "e/deep")
    try stage.client.append("e/deep/f", "x\n")
    #expect(try stage.client.read("e/deep/f") == "1\nx\n")
    #expect(try stage.client.list("top") == [])
    #expect(try stage.client.list("e") == ["deep", "g", "new"])
    try stage.client.mkdir("d")
    #expect(try stage.client.list("d") == [])
  }

  @Test(arguments: kinds) func writeTempThenRenameLeavesNoWhiteout(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir d && echo old > d/config")
    for round in 0..<20 {
      try stage.client.write("d/config.\(round)", "\(round)")
      try stage.client.rename("d/config.\(round)", "d/config")
    }
    #expect(try stage.client.read("d/config") == "19")
    #expect(try stage.client.list("d") == ["config"])
    #expect(try stage.storedNames("d").allSatisfy { !$0.contains("whiteout") })
  }

  @Test(arguments: kinds) func exchangeOfMergedDirectoryAndFile(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p a/x b && echo 1 > a/x/f && echo 2 > b/g && echo 3 > file")
    let numbers = try (stage.client.stat("a").number, stage.client.stat("b").number, stage.client.stat("file").number)
    try stage.client.rename("a", "b", .exchange)
    #expect(try stage.client.list("a") == ["g"])
    #expect(try stage.client.read("b/x/f") == "1\n")
    try stage.client.rename("file", "b", .exchange)
    #expect(try stage.client.read("b") == "3\n")
    #expect(try stage.client.read("file/x/f") == "1\n")
    #expect(
      try (stage.client.stat("file").number, stage.client.stat("a").number, stage.client.stat("b").number) == numbers)
    try stage.client.unlink("b")
    #expect(try stage.client.list("") == ["a", "file"])
  }

  @Test(arguments: kinds) func renameOverLowerFileAndLowerOnlyDirectory(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "echo 1 > a && echo 2 > b && mkdir -p d e/f && touch e/f/x")
    try stage.client.rename("a", "b")
    #expect(try stage.client.read("b") == "1\n")
    #expect(throws: Errno.directoryNotEmpty) { try stage.client.rename("d", "e") }
    try stage.client.rename("e", "d")
    #expect(try stage.client.list("d") == ["f"])
    try stage.client.mkdir("new")
    try stage.client.unlink("d/f/x")
    try stage.client.rename("new", "d/f")
    #expect(try stage.client.list("d/f") == [])
    #expect(try stage.client.list("") == ["b", "d"])
  }

  @Test(arguments: kinds) func renameWithWhiteoutLeavesTheDevice(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "echo 1 > a")
    try stage.client.rename("a", "b", .whiteout)
    let node = try stage.client.stat("a")
    #expect(node.type == .characterDevice && node.device == 0)
    #expect(try stage.client.list("") == ["a", "b"])
    #expect(try stage.client.read("b") == "1\n")
  }

  @Test(arguments: kinds) func openDirectoryFollowsItsRename(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "mkdir -p a/b && echo 1 > a/b/f")
    let open = try stage.client.at("a/b")
    try stage.client.rename("a", "c")
    let made = try Name.with("n") { name throws(Errno) in
      try open.create(name, NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: 0, group: 0))
    }
    #expect(try stage.client.at("c/b/n") === made)
    #expect(try stage.client.list("c/b") == ["f", "n"])
  }

  @Test(arguments: kinds) func replacedFileStaysUsable(_ kind: UpperKind) throws {
    let stage = try Stage(kind, "echo 1 > a && echo 2 > b")
    let held = try stage.client.at("b")
    try stage.client.rename("a", "b")
    #expect(try Client.read(held) == "2\n")
    #expect(try held.attributes().linkCount == 0)
  }
}
