// Pseudo-terminals: /dev/ptmx and /dev/pts. With a devpts instance of its own a sandbox sees all terminals of that
// instance and no other; without one it uses the host's, and sees only those whose master one of its guests holds.

import Kernel
import KernFS
import LinuxABI
import VFS

/// /dev/pts: the slaves that exist, and `ptmx`.
final class TerminalDirectory: DynamicDirectory {
  private unowned let terminals: any TerminalSource
  /// The devpts; the host's if `isHost`; nil if there is none at all.
  private let devpts: CInt?
  private let isHost: Bool
  private let user: UInt32
  private let terminalGroup: UInt32
  private var slaves: [UInt32: TerminalSlave] = [:]
  private var multiplexer: TerminalMultiplexer?

  init(
    _ filesystem: KernFilesystem, _ terminals: any TerminalSource, devpts: consuming OwnedDescriptor?, user: UInt32,
    group: UInt32
  ) {
    self.terminals = terminals
    switch consume devpts {
    case .some(let instance):
      isHost = false
      self.devpts = instance.release()
    case .none:
      isHost = true
      do throws(Errno) {
        self.devpts = try openFixed("/dev/pts", [.path, .directory]).release()
      } catch { self.devpts = nil }
    }
    self.user = user
    terminalGroup = group
    super.init(filesystem, permissions: Permissions(rawValue: 0o755))
    multiplexer = TerminalMultiplexer(filesystem, self, linkCount: 1)
  }

  deinit { if let devpts { Host.close(devpts) } }

  /// A new master.
  func openMaster(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    let wanted = flags.subtracting(.truncate).union(.noControllingTerminal)
    guard isHost else {
      guard let directory = devpts else { throw .noSuchAddressOrDevice }
      return try Host.openTrusted("ptmx", in: directory, wanted)
    }
    let master = try openFixed("/dev/ptmx", wanted)
    let status = try Host.stat(master.rawValue)
    guard status.type == .characterDevice, status.namedDevice == DeviceNumber.make(major: 5, minor: 2) else {
      throw .noSuchAddressOrDevice
    }
    terminals.noteTerminal(try Host.terminalNumber(of: master.rawValue))
    return master
  }

  /// The host's status of a slave, if guests may see it.
  func status(of number: UInt32) throws(Errno) -> FileStatus {
    if isHost && !terminals.guestTerminals().contains(number) { throw .noSuchFileOrDirectory }
    guard let directory = devpts else { throw .noSuchFileOrDirectory }
    let status = try Host.stat("\(number)", in: directory)
    guard status.type == .characterDevice else { throw .noSuchFileOrDirectory }
    return status
  }

  func openSlave(_ number: UInt32, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    _ = try status(of: number)
    guard let directory = devpts else { throw .noSuchAddressOrDevice }
    return try Host.withoutWaiting(flags.subtracting(.truncate)) { flags throws(Errno) in
      try Host.openTrusted("\(number)", in: directory, flags.union([.noControllingTerminal, .noFollow]))
    }
  }

  override func lookup(_ name: Name) throws(Errno) -> Inode? {
    if name.equals(Self.multiplexerName) { return multiplexer }
    guard let number = Digits.identifier(name).map(UInt32.init) else { return nil }
    do throws(Errno) {
      _ = try status(of: number)
    } catch {
      slaves[number] = nil
      return nil
    }
    if let slave = slaves[number] { return slave }
    let slave = TerminalSlave(kernel, self, number, user, terminalGroup)
    slaves[number] = slave
    return slave
  }

  override func isValid(child: Inode, name: Name) -> Bool {
    do throws(Errno) { return try lookup(name) === child } catch { return false }
  }

  override func iterate(from cursor: Int64, _ body: (DirectoryEntry) -> Bool) throws(Errno) {
    if cursor <= 0, let multiplexer {
      let entry = Name.with(Self.multiplexerName) { name in
        body(DirectoryEntry(name: name, number: multiplexer.number, type: .characterDevice, next: 1))
      }
      if !entry { return }
    }
    for number in try numbers() where Int64(number) + 1 >= cursor {
      let text = Array("\(number)".utf8)
      let goesOn = try Name.with(text) { name throws(Errno) -> Bool in
        guard let slave = try lookup(name) else { return true }
        return body(DirectoryEntry(name: name, number: slave.number, type: .characterDevice, next: Int64(number) + 2))
      }
      if !goesOn { return }
    }
  }

  private static let multiplexerName = Array("ptmx".utf8)

  private func numbers() throws(Errno) -> [UInt32] {
    if isHost { return terminals.guestTerminals().sorted() }
    guard let directory = devpts else { return [] }
    let listing = try Host.openTrusted(".", in: directory, [.directory])
    var found: [UInt32] = []
    try Host.forEachName(in: listing.rawValue) { name in
      if let number = Digits.identifier(name) { found.append(UInt32(number)) }
    }
    return found.sorted()
  }
}

/// /dev/ptmx and /dev/pts/ptmx: each open makes a new terminal.
final class TerminalMultiplexer: CharacterDevice {
  private unowned let directory: TerminalDirectory

  init(_ filesystem: KernFilesystem, _ directory: TerminalDirectory, linkCount: UInt32 = 0) {
    self.directory = directory
    super.init(filesystem, major: 5, minor: 2)
    self.linkCount = linkCount
  }

  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor { try directory.openMaster(flags) }
}

/// /dev/pts/N. Owner and mode are ours, so `mesg` and `grantpt` work; the times are the terminal's.
final class TerminalSlave: CharacterDevice {
  private unowned let directory: TerminalDirectory
  private let index: UInt32

  init(_ filesystem: KernFilesystem, _ directory: TerminalDirectory, _ index: UInt32, _ user: UInt32, _ group: UInt32) {
    self.directory = directory
    self.index = index
    super.init(filesystem, major: 136, minor: index, Permissions(rawValue: 0o620), user, group)
    linkCount = 1
  }

  override func attributes() throws(Errno) -> Attributes {
    var result = try super.attributes()
    // A terminal that is gone still has the inode: an open descriptor may be asked for its status.
    do throws(Errno) {
      let status = try directory.status(of: index)
      result.device = status.namedDevice
      result.accessTime = max(result.accessTime, status.accessTime)
      result.modificationTime = max(result.modificationTime, status.modificationTime)
    } catch {}
    return result
  }

  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor { try directory.openSlave(index, flags) }
}
