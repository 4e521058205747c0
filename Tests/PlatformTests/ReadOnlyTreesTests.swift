import CLinux
import Foundation
import Kernel
import LinuxABI
import Testing

@testable import Platform

/// What the kernel answers to us when we reach for a layer through the tree that we were given of it.
@Suite(.serialized) struct ReadOnlyTreesTests {
  /// A directory with a file, a device node where we may make one, a symlink and a directory in it.
  private struct Layer: ~Copyable {
    let path: String
    let descriptor: OwnedDescriptor

    init() throws {
      path = FileManager.default.temporaryDirectory.path + "/vedette-tree-\(UInt64.random(in: 0 ... .max))"
      try FileManager.default.createDirectory(atPath: path + "/directory", withIntermediateDirectories: true)
      try "content".write(toFile: path + "/file", atomically: false, encoding: .utf8)
      try FileManager.default.createSymbolicLink(atPath: path + "/link", withDestinationPath: "file")
      _ = mknod(path + "/null", 0o20666, 0x103)
      descriptor = try Host.openTrusted(path, .path)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }
  }

  private func prepare(_ shown: [ShownDirectory], byInit: Bool) throws -> GuestProcess {
    var configuration = LaunchConfiguration()
    configuration.isolation = .full
    configuration.forwardsSignals = false
    configuration.shown = shown
    configuration.makesTreesItself = !byInit
    return try GuestProcess.prepare(configuration)
  }

  private func error(_ body: () throws -> Void) -> Errno? {
    do { try body() } catch { return error as? Errno }
    return nil
  }

  @Test(arguments: [true, false]) func kernelRefusesEveryChange(_ byInit: Bool) throws {
    let layer = try Layer()
    let process = try prepare(
      [ShownDirectory(descriptor: layer.descriptor.rawValue, path: Array(layer.path.utf8))], byInit: byInit)
    let trees = try #require(process.takeTrees())
    #expect(trees.count == 1)
    let tree = OwnedDescriptor(try #require(trees.first))
    #expect(process.takeTrees() == nil)

    #expect(try Host.stat(tree.rawValue).inode == Host.stat(layer.descriptor.rawValue).inode)
    let file = try Host.openTrusted("file", in: tree.rawValue, [])
    #expect(try Host.readAll(file.rawValue) == Array("content".utf8))

    let again = "/proc/self/fd/\(file.rawValue)"
    for (path, flags) in [
      ("file", .writeOnly), ("file", .readWrite), ("file", .truncate), ("new", OpenFlags([.writeOnly, .create])),
      (again, .truncate), (again, .readWrite), (again, OpenFlags([.writeOnly, .append])),
      (".", OpenFlags([.temporaryBit, .directory, .readWrite])),
    ] as [(String, OpenFlags)] {
      #expect(
        error { _ = try Host.openTrusted(path, in: tree.rawValue, flags, mode: 0o600) } == .readOnlyFileSystem,
        "\(path) \(flags)")
    }
    #expect(error { try Host.changeMode(of: file.rawValue, to: Permissions(rawValue: 0o777)) } == .readOnlyFileSystem)
    #expect(error { try Host.call(.fchown, Int(file.rawValue), 0, 0) } == .readOnlyFileSystem)
    #expect(error { try Host.unlink("file", in: tree.rawValue) } == .readOnlyFileSystem)
    #expect(error { try Host.unlink("directory", in: tree.rawValue, .removeDirectory) } == .readOnlyFileSystem)
    #expect(error { try Host.rename("file", in: tree.rawValue, to: "x", in: tree.rawValue) } == .readOnlyFileSystem)
    #expect(error { try Host.link("file", in: tree.rawValue, to: "x", in: tree.rawValue) } == .readOnlyFileSystem)
    #expect(error { try Host.makeDirectory("x", in: tree.rawValue, mode: 0o700) } == .readOnlyFileSystem)
    #expect(error { try Host.symlink("a", "x", in: tree.rawValue) } == .readOnlyFileSystem)
    let now = error {
      try Host.call(.utimensat, Int(file.rawValue), 0, 0, 0)
    }
    #expect(now == .readOnlyFileSystem)
    var attributes: CInt = 0
    let flags = error {
      try withUnsafeMutablePointer(to: &attributes) { pointer in
        // FS_IOC_GETFLAGS, FS_IOC_SETFLAGS: some file systems have none (ENOTTY, EOPNOTSUPP).
        try Host.call(.ioctl, Int(file.rawValue), 0x8008_6601, Int(bitPattern: pointer))
        try Host.call(.ioctl, Int(file.rawValue), 0x4008_6602, Int(bitPattern: pointer))
      }
    }
    #expect(flags != nil)
    // What is no file at all, and what leads elsewhere.
    #expect(
      error { _ = try Host.openTrusted("link", in: tree.rawValue, []) } == .tooManySymbolicLinkLevels)
    if (try? Host.stat("null", in: tree.rawValue)) != nil {
      #expect(error { _ = try Host.openTrusted("null", in: tree.rawValue, []) } == .permissionDenied)
    }
    #expect(try String(contentsOfFile: layer.path + "/file", encoding: .utf8) == "content")
    // The host's own way to it is as it was.
    try "changed".write(toFile: layer.path + "/file", atomically: false, encoding: .utf8)
  }

  @Test func everyMountBelowIsReadOnly() throws {
    let root = try Host.openTrusted("/", .path)
    let process = try prepare([ShownDirectory(descriptor: root.rawValue, path: [0x2f])], byInit: true)
    let tree = OwnedDescriptor(try #require(process.takeTrees()?.first))
    for name in ["dev/shm", "proc", "sys", "tmp"] {
      guard let below = try? Host.openTrusted(name, in: tree.rawValue, .path) else { continue }
      var facts = statfs()
      #expect(fstatfs(below.rawValue, &facts) == 0)
      #expect(facts.f_flags & 0x2007 == 0x2007, "\(name)")
    }
  }

  @Test func anotherDirectoryAtThePathIsRefused() throws {
    let one = try Layer()
    let other = try Layer()
    // The second path, which /proc has for the descriptor, is right: so both must be wrong.
    let unlinked = one.path + "/directory"
    let descriptor = try Host.openTrusted(unlinked, .path)
    rmdir(unlinked)
    let shown = ShownDirectory(descriptor: descriptor.rawValue, path: Array(other.path.utf8))
    let error = #expect(throws: LaunchError.self) { _ = try prepare([shown], byInit: true) }
    #expect(error?.description.contains(other.path) == true)
  }

  @Test func anyNumberOfTrees() throws {
    let layer = try Layer()
    let shown = ShownDirectory(descriptor: layer.descriptor.rawValue, path: Array(layer.path.utf8))
    let process = try prepare(Array(repeating: shown, count: 300), byInit: true)
    let trees = try #require(process.takeTrees())
    #expect(trees.count == 300)
    for tree in trees { close(tree) }
  }

  @Test func refusedTreesAreSaidAndNotReplaced() throws {
    let layer = try Layer()
    let shown = ShownDirectory(descriptor: layer.descriptor.rawValue, path: Array(layer.path.utf8))
    var trees = ReadOnlyTrees([shown, shown], tries: false)
    #expect(trees.missing == [0, 1])
    try trees.receive(nil, error: .noFunction, at: 0)
    try trees.receive(nil, error: .notPermitted, at: 1)
    #expect(trees.refusal == .noFunction)
    #expect(trees.take() == nil)
  }
}
