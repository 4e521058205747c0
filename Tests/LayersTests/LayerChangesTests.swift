// What changed, and the record of the lowers: over temporary directories, with no guest.

import CLinux
import HostFS
import Kernel
import LinuxABI
import OverlayFS
import Testing
import VFS

@testable import Layers

@Suite struct LayerChangesTests {
  private func write(_ text: String, to name: String, in directory: Inode) throws {
    let stored = Array(name.utf8)
    try Name.with(stored) { name in
      var file = try directory.lookup(name)
      if file == nil {
        file = try directory.create(
          name, NewInode(.regular, permissions: Permissions(rawValue: 0o644), owner: geteuid(), group: getegid()))
      }
      guard let file else { return }
      let descriptor = try file.open([.writeOnly])
      try Host.writeAll(Array(text.utf8), to: descriptor.rawValue)
    }
  }

  private func fillLower(_ scratch: LayerScratch) throws {
    let low = try HostTree(try scratch.directory("low").open([.path, .directory]))
    for name in ["keep", "change", "remove", "touch"] { try write("old", to: name, in: low.root) }
    guard let directory = try low.make(Array("d".utf8), .directory, in: low.root) else { return }
    try write("deep", to: "deep", in: directory)
  }

  private func lines(_ overlay: OverlayFilesystem) throws -> String {
    String(decoding: try ChangeReport(overlay).text, as: UTF8.self)
  }

  @Test func eachKindOfChangeIsListed() throws {
    let scratch = try LayerScratch()
    try fillLower(scratch)
    let overlay = try scratch.overlay()
    #expect(try lines(overlay) == "")
    let root = overlay.root
    try write("new", to: "change", in: root)
    try write("n", to: "added", in: root)
    try Name.with("remove") { name in
      guard let file = try root.lookup(name) else { return }
      try root.unlink(name, file)
    }
    // Opened for writing, which copies it up, and left alone.
    _ = try Name.with("touch") { name in try root.lookup(name)?.open(.writeOnly).release() }
    #expect(try lines(overlay) == "A /added\nM /change\nD /remove\n")
    overlay.close()
    #expect(try lines(try scratch.overlay()) == "A /added\nM /change\nD /remove\n")
  }

  @Test func aMovedDirectoryIsDeletedAndAdded() throws {
    let scratch = try LayerScratch()
    try fillLower(scratch)
    let overlay = try scratch.overlay()
    let root = overlay.root
    try Name.with("d") { name in
      try Name.with("e") { newName in
        guard let directory = try root.lookup(name) else { return }
        try root.rename(name, directory, to: root, newName, replacing: nil, [])
      }
    }
    #expect(try lines(overlay) == "D /d/\nA /e/\nA /e/deep\n")
    overlay.close()
    #expect(try lines(try scratch.overlay()) == "D /d/\nA /e/\nA /e/deep\n")
  }

  @Test func theRecordOfTheLowersComesBack() {
    let layers = UpperLayers(
      rootfs: "/srv/a b", lowers: [ByteString([0x2f, 0xff, 0x0a]), "/x"], caller: .init(uid: 1, gid: 2),
      inside: .init(uid: 0, gid: 0))
    #expect(UpperLayers(layers.encoded) == layers)
    #expect(UpperLayers([]) == nil)
    #expect(UpperLayers(Array(layers.encoded.dropLast())) == nil)
    #expect(UpperLayers(Array("vedette layers 1\0 0 0 0 0\0/\0".utf8)) == nil)
    #expect(UpperLayers(Array("vedette layers 2\0".utf8) + Array("0 0 0 0\0 7\0x\0y\0relative\0".utf8)) == nil)
  }

  @Test func pathsArePrintedOnOneLine() {
    #expect(PathText.string(Array("/caf\u{e9} x".utf8)) == "/caf\u{e9} x")
    #expect(PathText.string([0x2f, 0xff, 0x0a, 0x5c, 0x1b]) == "/\\377\\012\\\\\\033")
    #expect(PathText.string(Array("\u{202e}".utf8)) == "\\342\\200\\256")
    #expect(PathText.string([0xe2, 0x80]) == "\\342\\200")
  }
}
