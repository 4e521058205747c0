// `import` against a plain model of what OCI layers mean: random members, whiteouts and opaque marks over few names, so that
// they collide; deep trees; and damage anywhere in an archive.

import CLinux
import Kernel
import LinuxABI
import Testing
import TestSupport
import VFS

@testable import Layers

@Suite struct LayerImportTests {
  /// A node of the model.
  private final class Node {
    enum Content: Equatable {
      case directory
      case symlink([UInt8])
      /// Names of one file share it.
      case file(Int)
    }
    let content: Content
    var children: [UInt8: Node] = [:]
    /// The last layer that has something here.
    var layer: Int

    init(_ content: Content, _ layer: Int) { (self.content, self.layer) = (content, layer) }

    var isDirectory: Bool { content == .directory }

    /// The node at the end of `path`; nil if there is none or a component on the way is no directory.
    func node(at path: ArraySlice<UInt8>) -> Node? {
      path.reduce(self) { node, name in node?.children[name] }
    }

    /// The way to `path` is directories, as far as it exists.
    func isPassable(_ path: ArraySlice<UInt8>) -> Bool {
      var node = self
      for name in path {
        if !node.isDirectory { return false }
        guard let next = node.children[name] else { return true }
        node = next
      }
      return node.isDirectory
    }

    func directory(at path: ArraySlice<UInt8>, making layer: Int) -> Node {
      path.reduce(self) { node, name in
        let next = node.children[name] ?? Node(.directory, layer)
        next.layer = layer
        node.children[name] = next
        return next
      }
    }

    func hideBelow(_ current: Int) {
      for (name, child) in children {
        if child.layer != current { children[name] = nil } else { child.hideBelow(current) }
      }
    }
  }

  /// One random run: layers as archives, and what they must come to.
  private struct Story {
    var random: SeededRandom
    let root = Node(.directory, 0)
    var files = 0

    mutating func path() -> [UInt8] {
      (0..<Int.random(in: 1...4, using: &random)).map { _ in "abcd".utf8.randomElement(using: &random) ?? 0x61 }
    }

    static func text(_ path: some Sequence<UInt8>, last: String? = nil) -> [UInt8] {
      var parts = path.map { [$0] }
      if let last { parts.append(Array(last.utf8)) }
      return Array(parts.joined(separator: [0x2f]))
    }

    /// A member that fits what is there, made true in the model; nil if the dice give none.
    mutating func member(_ layer: Int) -> (entry: TarEntry, content: [UInt8])? {
      let path = path()
      let parents = path.dropLast()
      guard let name = path.last, root.isPassable(parents) else { return nil }
      switch Int.random(in: 0..<10, using: &random) {
      case 0...2:
        let parent = root.directory(at: parents, making: layer)
        if let old = parent.children[name], old.isDirectory {
          old.layer = layer
        } else {
          parent.children[name] = Node(.directory, layer)
        }
        return (TarEntry(path: Self.text(path), kind: .directory), [])
      case 3...5:
        files += 1
        root.directory(at: parents, making: layer).children[name] = Node(.file(files), layer)
        var entry = TarEntry(path: Self.text(path), kind: .regular)
        let content = Array("\(files)".utf8)
        entry.size = Int64(content.count)
        return (entry, content)
      case 6:
        let target = Array("nowhere\(layer)".utf8)
        root.directory(at: parents, making: layer).children[name] = Node(.symlink(target), layer)
        return (TarEntry(path: Self.text(path), kind: .symlink(target: target)), [])
      case 7:
        let target = self.path()
        guard let other = root.node(at: target[...]), !other.isDirectory, !target.starts(with: path) else { return nil }
        root.directory(at: parents, making: layer).children[name] = Node(other.content, layer)
        return (TarEntry(path: Self.text(path), kind: .link(target: Self.text(target))), [])
      case 8:
        guard root.isPassable(path[...]) else { return nil }
        root.directory(at: path[...], making: layer).hideBelow(layer)
        return (TarEntry(path: Self.text(path, last: ".wh..wh..opq"), kind: .regular), [])
      default:
        if let parent = root.node(at: parents), let old = parent.children[name] {
          if old.layer != layer { parent.children[name] = nil } else { old.hideBelow(layer) }
        }
        let mark = ".wh.\(String(decoding: [name], as: UTF8.self))"
        return (TarEntry(path: Self.text(parents, last: mark), kind: .regular), [])
      }
    }
  }

  private func write(_ bytes: [UInt8], to path: ByteString) throws {
    let file = try path.open([.create, .writeOnly, .truncate], mode: 0o600)
    try Host.writeAll(bytes, to: file.rawValue)
  }

  private func writeArchive(_ members: [(entry: TarEntry, content: [UInt8])], to path: ByteString) throws {
    let file = try path.open([.create, .writeOnly, .truncate], mode: 0o600)
    var writer = TarWriter(to: file.rawValue)
    for member in members {
      try writer.begin(member.entry)
      if !member.content.isEmpty {
        try writer.write(member.content)
        try writer.pad()
      }
    }
    try writer.finish()
  }

  /// Compares a directory with its model. `files` maps a file of the model to the inode that has it.
  private func compare(_ directory: Inode, _ node: Node, _ path: String, _ files: inout [Int: UInt64]) throws {
    let names = try directory.entries().map(\.name).filter { $0 != "." && $0 != ".." }.sorted()
    #expect(names == node.children.keys.sorted().map { String(decoding: [$0], as: UTF8.self) }, "in \(path)")
    for (name, child) in node.children {
      let name = String(decoding: [name], as: UTF8.self)
      guard let inode = try directory.find(name) else { continue }
      switch child.content {
      case .directory:
        #expect(inode.isDirectory, "\(path)/\(name)")
        if inode.isDirectory { try compare(inode, child, "\(path)/\(name)", &files) }
      case .symlink(let target): #expect(try inode.readlink() == target, "\(path)/\(name)")
      case .file(let file):
        #expect(try inode.text() == "\(file)", "\(path)/\(name)")
        #expect(files[file, default: inode.number] == inode.number, "\(path)/\(name)")
        files[file] = inode.number
      }
    }
  }

  @Test(arguments: 1...60)
  func randomLayersAreWhatTheModelSays(_ seed: UInt64) throws {
    let scratch = try LayerScratch()
    var story = Story(random: SeededRandom(seed))
    var archives: [ByteString] = []
    for layer in 1...3 {
      let members = (0..<40).compactMap { _ in story.member(layer) }
      archives.append(scratch.directory("\(layer).tar"))
      try writeArchive(members, to: archives[layer - 1])
    }
    _ = try LayerImport.make(archives, at: scratch.directory("made"))
    let tree = try HostTree(try scratch.directory("made").open([.path, .directory]))
    var files: [Int: UInt64] = [:]
    try compare(tree.root, story.root, "", &files)
  }

  @Test func aDeepTreeIsMadeAndReplaced() throws {
    let scratch = try LayerScratch()
    let deep = [[UInt8]](repeating: [0x64], count: 600)
    func directory(_ depth: Int) -> TarEntry {
      TarEntry(path: Array(deep[..<depth].joined(separator: [0x2f])), kind: .directory)
    }
    try writeArchive((1...deep.count).map { (directory($0), []) }, to: scratch.directory("1.tar"))
    var mark = TarEntry(path: Array("d/.wh.d".utf8), kind: .regular)
    mark.size = 0
    try writeArchive([(mark, [])], to: scratch.directory("2.tar"))
    _ = try LayerImport.make([scratch.directory("1.tar")], at: scratch.directory("whole"))
    _ = try LayerImport.make(
      [scratch.directory("1.tar"), scratch.directory("2.tar")], at: scratch.directory("made"))
    func depth(_ name: String) throws -> Int {
      let tree = try HostTree(try scratch.directory(name).open([.path, .directory]))
      var (inode, depth) = (tree.root, 0)
      while let next = try inode.find("d") { (inode, depth) = (next, depth + 1) }
      return depth
    }
    #expect(try depth("whole") == 600)
    #expect(try depth("made") == 1)
  }

  /// Whatever is wrong with an archive: a whole tree or one line and nothing, and nothing beside the target.
  @Test func damageLeavesNothing() throws {
    let scratch = try LayerScratch()
    var story = Story(random: SeededRandom(99))
    let archive = scratch.directory("1.tar")
    try writeArchive((0..<60).compactMap { _ in story.member(1) }, to: archive)
    let file = try archive.open([])
    let whole = try Host.readAll(file.rawValue)
    let outer = try HostTree(try scratch.path.open([.path, .directory]))
    var (made, refused) = (0, 0)
    for _ in 0..<400 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...3, using: &story.random) {
        let at = Int.random(in: 0..<bytes.count, using: &story.random)
        let block = (at / 512 * 512)..<min(at / 512 * 512 + 512, bytes.count)
        switch Int.random(in: 0..<4, using: &story.random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &story.random)
        case 1: bytes[at] = "./\0a".utf8.randomElement(using: &story.random) ?? 0
        case 2: bytes.removeSubrange(block)
        default: bytes.insert(contentsOf: bytes[block], at: block.lowerBound)
        }
        if bytes.isEmpty { bytes = [0] }
      }
      // The checksums set right again, so that the damage gets past the first door.
      for start in stride(from: 0, to: bytes.count - 511, by: 512) where bytes[start + 257] == 0x75 {
        let block = Array(bytes[start..<(start + 512)])
        bytes.replaceSubrange((start + 148)..<(start + 155), with: TarField.octal(TarField.sum(block), 7) ?? [])
      }
      try write(bytes, to: archive)
      do throws(ReportedError) {
        _ = try LayerImport.make([archive], at: scratch.directory("made"))
        made += 1
      } catch {
        #expect(error.description.split(separator: "\n").count == 1)
        refused += 1
      }
      _ = try outer.remove(Array("made".utf8), from: outer.root)
      let names = try outer.root.entries().map(\.name).filter { $0 != "." && $0 != ".." }.sorted()
      #expect(names == ["1.tar", "low", "up"])
    }
    #expect(made > 0 && refused > 0)
  }
}
