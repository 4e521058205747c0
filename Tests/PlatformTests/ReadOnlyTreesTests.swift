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
      descriptor = OwnedDescriptor(try Kernel.open(path, O_PATH))
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

    #expect(try Kernel.status(of: tree.rawValue).st_ino == Kernel.status(of: layer.descriptor.rawValue).st_ino)
    let file = OwnedDescriptor(try Kernel.open("file", in: tree.rawValue, O_RDONLY))
    #expect(try Host.readAll(file.rawValue) == Array("content".utf8))

    let again = "/proc/self/fd/\(file.rawValue)"
    for (path, flags) in [
      ("file", O_WRONLY), ("file", O_RDWR), ("file", O_RDONLY | O_TRUNC), ("new", O_WRONLY | O_CREAT),
      (again, O_RDONLY | O_TRUNC), (again, O_RDWR), (again, O_WRONLY | O_APPEND),
      (".", 0o20_200_000 /* O_TMPFILE */ | O_RDWR),
    ] {
      #expect(
        error { _ = OwnedDescriptor(try Kernel.open(path, in: tree.rawValue, flags, mode: 0o600)) }
          == .readOnlyFileSystem, "\(path) \(flags)")
    }
    #expect(error { try Kernel.call(SYS_fchmod, Int(file.rawValue), 0o777) } == .readOnlyFileSystem)
    #expect(error { try Kernel.call(SYS_fchown, Int(file.rawValue), 0, 0) } == .readOnlyFileSystem)
    #expect(error { try Host.unlink("file", in: tree.rawValue) } == .readOnlyFileSystem)
    #expect(error { try Host.unlink("directory", in: tree.rawValue, .removeDirectory) } == .readOnlyFileSystem)
    #expect(error { try Host.rename("file", in: tree.rawValue, to: "x", in: tree.rawValue) } == .readOnlyFileSystem)
    #expect(error { try Host.link("file", in: tree.rawValue, to: "x", in: tree.rawValue) } == .readOnlyFileSystem)
    #expect(error { try Host.makeDirectory("x", in: tree.rawValue, mode: 0o700) } == .readOnlyFileSystem)
    #expect(error { try Host.symlink("a", "x", in: tree.rawValue) } == .readOnlyFileSystem)
    let now = error {
      try Kernel.call(SYS_utimensat, Int(file.rawValue), 0, 0, 0)
    }
    #expect(now == .readOnlyFileSystem)
    var attributes: CInt = 0
    let flags = error {
      try withUnsafeMutablePointer(to: &attributes) { pointer in
        // FS_IOC_GETFLAGS, FS_IOC_SETFLAGS: some file systems have none (ENOTTY, EOPNOTSUPP).
        try Kernel.call(SYS_ioctl, Int(file.rawValue), 0x8008_6601, Int(bitPattern: pointer))
        try Kernel.call(SYS_ioctl, Int(file.rawValue), 0x4008_6602, Int(bitPattern: pointer))
      }
    }
    #expect(flags != nil)
    // What is no file at all, and what leads elsewhere.
    #expect(
      error { _ = OwnedDescriptor(try Kernel.open("link", in: tree.rawValue, O_RDONLY)) } == .tooManySymbolicLinkLevels)
    if (try? Host.stat("null", in: tree.rawValue)) != nil {
      #expect(error { _ = OwnedDescriptor(try Kernel.open("null", in: tree.rawValue, O_RDONLY)) } == .permissionDenied)
    }
    #expect(try String(contentsOfFile: layer.path + "/file", encoding: .utf8) == "content")
    // The host's own way to it is as it was.
    try "changed".write(toFile: layer.path + "/file", atomically: false, encoding: .utf8)
  }

  @Test func everyMountBelowIsReadOnly() throws {
    let root = OwnedDescriptor(try Kernel.open("/", O_PATH))
    let process = try prepare([ShownDirectory(descriptor: root.rawValue, path: [0x2f])], byInit: true)
    let tree = OwnedDescriptor(try #require(process.takeTrees()?.first))
    for name in ["dev/shm", "proc", "sys", "tmp"] {
      guard let below = try? OwnedDescriptor(Kernel.open(name, in: tree.rawValue, O_PATH)) else { continue }
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
    let descriptor = OwnedDescriptor(try Kernel.open(unlinked, O_PATH))
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
    try trees.receive(nil, error: Errno(rawValue: ENOSYS), at: 0)
    try trees.receive(nil, error: .notPermitted, at: 1)
    #expect(trees.refusal?.rawValue == ENOSYS)
    #expect(trees.take() == nil)
  }
}
