// /dev through the inode interface, with the host's own devices behind it.

import DevFS
import Glibc
import Kernel
import KernFS
import LinuxABI
import Testing
import TestSupport
import VFS

private final class Terminals: TerminalSource {
  var noted: [UInt32] = []
  func openControllingTerminal(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor { throw .noSuchAddressOrDevice }
  func guestTerminals() -> [UInt32] { noted }
  func noteTerminal(_ number: UInt32) { noted.append(number) }
}

struct DevFilesystemTests {
  private let scratch: Scratch
  private let terminals = Terminals()
  private let filesystem: DevFilesystem

  init() throws {
    scratch = try Scratch()
    filesystem = DevFilesystem(store: scratch.store, terminals: terminals, devpts: nil, user: 1000, group: 5)
  }

  @Test func listsTheShortList() throws {
    let names = try filesystem.root.entries().map(\.name)
    #expect(
      Set(names) == [
        "null", "zero", "full", "random", "urandom", "tty", "console", "ptmx", "pts", "shm", "fd", "stdin", "stdout",
        "stderr",
      ])
    #expect(try filesystem.root.walk("fd").target() == "/proc/self/fd")
    #expect(try filesystem.root.walk("stdout").target() == "/proc/self/fd/1")
    #expect(try filesystem.root.walk("shm").attributes().permissions.rawValue == 0o1777)
    #expect(try filesystem.root.attributes().linkCount == 4)
    #expect(try filesystem.root.walk("pts").attributes().linkCount == 2)
  }

  /// As root a guest may remove /dev/pts: there are no slaves to be seen then, but new terminals.
  @Test func multiplexerOutlivesItsDirectory() throws {
    try Name.with("pts") { name throws(Errno) in
      guard let pts = try filesystem.root.lookup(name) else { throw .noSuchFileOrDirectory }
      try filesystem.root.removeDirectory(name, pts)
    }
    #expect(try filesystem.root.entries().map(\.name).contains("pts") == false)
    _ = try filesystem.root.walk("ptmx").open([.readWrite])
    #expect(terminals.noted.count == 1)
  }

  @Test func devicesAreTheHosts() throws {
    let null = try filesystem.root.walk("null")
    #expect(try null.attributes().device == DeviceNumber.make(major: 1, minor: 3))
    #expect(try null.attributes().permissions.rawValue == 0o666)
    #expect(try null.attributes().linkCount == 1)
    let descriptor = try null.open([.readWrite, .truncate])
    #expect(write(descriptor.rawValue, "x", 1) == 1)
    var byte: UInt8 = 7
    #expect(read(descriptor.rawValue, &byte, 1) == 0)
    let zero = try filesystem.root.walk("zero").open([])
    #expect(read(zero.rawValue, &byte, 1) == 1 && byte == 0)
    let full = try filesystem.root.walk("full").open([.writeOnly])
    #expect(write(full.rawValue, "x", 1) == -1 && Glibc.errno == ENOSPC)
    let random = try filesystem.root.walk("urandom").open([])
    #expect(read(random.rawValue, &byte, 1) == 1)
    #expect(errno { () throws(Errno) in _ = try filesystem.root.walk("tty").open([]) } == .noSuchAddressOrDevice)
    #expect(errno { () throws(Errno) in _ = try filesystem.root.walk("console").open([]) } == .noSuchAddressOrDevice)
  }

  /// A node with the numbers of a disk, or of /dev/null, reaches no device.
  @Test func nodesThatGuestsMakeAreNotOpened() throws {
    for device in [DeviceNumber.make(major: 8, minor: 0), DeviceNumber.make(major: 1, minor: 3)] {
      let new = NewInode(.node(.characterDevice, device: device), permissions: [], owner: 0, group: 0)
      let node = try Name.with(Array("node\(device)".utf8)) { name throws(Errno) in
        try filesystem.root.create(name, new)
      }
      #expect(errno { () throws(Errno) in _ = try node.open([]) } == .permissionDenied)
    }
  }

  @Test func treeIsWritable() throws {
    let new = NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: 0, group: 0)
    let file = try Name.with("file") { name throws(Errno) in try filesystem.root.create(name, new) }
    let descriptor = try file.open([.readWrite])
    #expect(write(descriptor.rawValue, "abc", 3) == 3)
    #expect(try file.attributes().size == 3)
    let null = try filesystem.root.walk("null")
    try Name.with("null") { name throws(Errno) in try filesystem.root.unlink(name, null) }
    #expect(try filesystem.root.find("null") == nil)
  }

  @Test func onlyTerminalsOfGuestsAreSeen() throws {
    let pts = try filesystem.root.walk("pts")
    #expect(try pts.entries().map(\.name) == ["ptmx"])
    guard access("/dev/ptmx", R_OK | W_OK) == 0 else { return }
    let foreign = Glibc.open("/dev/ptmx", O_RDWR | O_NOCTTY)
    defer { close(foreign) }
    #expect(try pts.entries().map(\.name) == ["ptmx"])
    let master = try filesystem.root.walk("ptmx").open([.readWrite])
    let number = try #require(terminals.noted.first)
    #expect(try pts.entries().map(\.name) == ["ptmx", "\(number)"])
    let slave = try #require(try pts.find("\(number)"))
    #expect(try pts.find("\(number)") === slave)
    #expect(try pts.entries().last?.number == slave.number)
    #expect(try slave.attributes().owner == 1000)
    #expect(try slave.attributes().device == DeviceNumber.make(major: 136, minor: number))
    var unlock: Int32 = 0
    #expect(ioctl(master.rawValue, 0x4004_5431 /* TIOCSPTLCK */, &unlock) == 0)
    let opened = try slave.open([.readWrite])
    #expect(isatty(opened.rawValue) == 1)
    var change = AttributeChange()
    change.permissions = Permissions(rawValue: 0o600)
    try slave.setAttributes(change)
    #expect(try pts.find("\(number)")?.attributes().permissions.rawValue == 0o600)
    #expect(try pts.find("0\(number)") == nil)
    terminals.noted = []
    #expect(Name.with(Array("\(number)".utf8)) { pts.isValid(child: slave, name: $0) } == false)
    #expect(errno { () throws(Errno) in _ = try slave.open([.readWrite]) } == .noSuchFileOrDirectory)
    _ = master.rawValue
  }

  /// With an instance of its own a sandbox sees all of it. Needs the right to make one.
  @Test func ownDevptsShowsAllItsTerminals() throws {
    guard let devpts = detachedDevpts() else { return }
    let own = DevFilesystem(store: scratch.store, terminals: terminals, devpts: devpts, user: 1000, group: 5)
    let pts = try own.root.walk("pts")
    #expect(try pts.entries().map(\.name) == ["ptmx"])
    let first = try own.root.walk("ptmx").open([.readWrite])
    let second = try pts.walk("ptmx").open([.readWrite])
    #expect(try pts.entries().map(\.name) == ["ptmx", "0", "1"])
    #expect(try pts.entries(from: 2).map(\.name) == ["1"])
    #expect(terminals.noted.isEmpty)
    let slave = try pts.walk("1")
    _ = consume second
    #expect(try pts.find("1") == nil)
    #expect(Name.with("1") { pts.isValid(child: slave, name: $0) } == false)
    #expect(try slave.attributes().type == .characterDevice)
    _ = first.rawValue
  }

  private func call(_ number: SystemCallNumber, _ a: Int, _ b: Int) -> Int {
    do throws(Errno) { return try Host.callForGuest(number, a, b) } catch { return -1 }
  }

  private func detachedDevpts() -> OwnedDescriptor? {
    let context = "devpts".withCString { call(.fsopen, Int(bitPattern: $0), 1) }
    guard context >= 0 else { return nil }
    defer { close(Int32(context)) }
    guard call(.fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */) == 0 else { return nil }
    let mount = call(.fsmount, context, 1)
    return mount >= 0 ? OwnedDescriptor(CInt(mount)) : nil
  }
}
