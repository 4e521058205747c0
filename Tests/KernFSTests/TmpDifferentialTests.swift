// Seeded sequences of operations, run on a directory of the host's tmpfs and on ours; the trees must be the same in
// names, types, link counts and bytes. What the VFS checks before it calls (existence, types, loops) is decided by the
// host's answer.

import Glibc
import Kernel
import LinuxABI
import Testing
import KernFS
import TestSupport
import VFS

struct TmpDifferentialTests {
  @Test(arguments: 1...8)
  func behavesAsTheHostsTmpfs(seed: UInt64) throws {
    let stage = try Stage()
    let native = stage.scratch.path + "/native"
    #expect(mkdir(native, 0o755) == 0)
    var pair = Pair(root: stage.root, path: native, seed: seed)
    for step in 0..<1500 {
      pair.step()
      if step % 250 == 0 { try pair.compare() }
    }
    try pair.compare()
  }
}

/// Both trees and the generator that drives them.
private struct Pair {
  let root: Inode
  let path: String
  var state: UInt64
  private let names = ["a", "b", "c", "d"]

  init(root: Inode, path: String, seed: UInt64) {
    self.root = root
    self.path = path
    state = seed &* 0x9e37_79b9_7f4a_7c15
  }

  private mutating func random(_ bound: Int) -> Int {
    state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
    return Int((state >> 33) % UInt64(bound))
  }

  /// A path of one to three names.
  private mutating func components() -> [String] { (0...random(3)).map { _ in names[random(names.count)] } }

  private func find(_ components: some Collection<String>) -> Inode? {
    var inode = root
    for name in components {
      guard inode.isDirectory, let child = try? inode.find(name) else { return nil }
      inode = child
    }
    return inode
  }

  private func host(_ components: [String]) -> String { path + "/" + components.joined(separator: "/") }

  /// Runs ours where the host's succeeded, and where it says that a directory is not empty.
  private func check(_ what: String, _ result: Int32, _ ours: () throws(Errno) -> Void) {
    let native = result == 0 ? nil : Errno(rawValue: Glibc.errno)
    guard native == nil || native == .directoryNotEmpty else { return }
    let error = errno(of: ours)
    #expect(error == native, "\(what)")
  }

  mutating func step() {
    let one = components()
    let two = components()
    guard let name = one.last, let newName = two.last else { return }
    let parent = find(one.dropLast())
    let newParent = find(two.dropLast())
    let inode = find(one)
    let other = find(two)
    func missing() -> Errno { .noSuchFileOrDirectory }
    switch random(9) {
    case 0, 1:
      let descriptor = open(host(one), O_CREAT | O_EXCL | O_WRONLY, 0o644)
      if descriptor >= 0 { close(descriptor) }
      check("create \(one)", descriptor >= 0 ? 0 : -1) { () throws(Errno) in _ = try parent?.make(name) }
    case 2, 3:
      check("mkdir \(one)", mkdir(host(one), 0o755)) { () throws(Errno) in _ = try parent?.make(name, .directory) }
    case 4:
      check("link \(one) \(two)", Glibc.link(host(one), host(two))) { () throws(Errno) in
        guard let inode, let newParent else { throw missing() }
        try Name.with(Array(newName.utf8)) { name throws(Errno) in try newParent.link(name, to: inode) }
      }
    case 5:
      check("unlink \(one)", unlink(host(one))) { () throws(Errno) in try parent?.drop(name) }
    case 6:
      check("rmdir \(one)", rmdir(host(one))) { () throws(Errno) in try parent?.drop(name) }
    case 7:
      // Two names of one inode: rename does nothing, and the VFS says so.
      if let inode, inode === other { return }
      check("rename \(one) \(two)", rename(host(one), host(two))) { () throws(Errno) in
        guard let parent, let newParent else { throw missing() }
        try parent.move(name, to: newParent, newName)
      }
    default:
      if let inode, inode === other { return }
      let result = host(one).withCString { one in
        host(two).withCString { two in
          errnoCall { () throws(Errno) in try Host.rename(one, in: -100, to: two, in: -100, .exchange) }
        }
      }
      check("exchange \(one) \(two)", result) { () throws(Errno) in
        guard let parent, let newParent else { throw missing() }
        try parent.move(name, to: newParent, newName, .exchange)
      }
    }
  }

  /// A thrown errno in the form of a call of the C library.
  private func errnoCall(_ body: () throws(Errno) -> Void) -> Int32 {
    guard let error = errno(of: body) else { return 0 }
    Glibc.errno = error.rawValue
    return -1
  }

  func compare() throws { try compare(root, path) }

  private func compare(_ inode: Inode, _ path: String) throws {
    var status = stat()
    #expect(lstat(path, &status) == 0)
    let ours = try inode.attributes()
    #expect(UInt64(ours.linkCount) == UInt64(status.st_nlink), "\(path)")
    #expect(UInt32(ours.type.rawValue) == status.st_mode & 0o170000, "\(path)")
    guard inode.isDirectory else { return }
    #expect(ours.size == Int64(status.st_size), "\(path)")
    var native: Set<String> = []
    let directory = try #require(opendir(path))
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      if name != "." && name != ".." { native.insert(name) }
    }
    closedir(directory)
    let names = try inode.names()
    #expect(Set(names) == native && names.count == native.count, "\(path)")
    for name in names {
      if let child = try inode.find(name) { try compare(child, path + "/" + name) }
    }
  }
}
