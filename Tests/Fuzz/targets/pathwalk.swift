// Operations with names on an in-memory tree: every byte of the input is an operation, a path or a flag.

import CLinux
import KernFS
import LinuxABI
import TestSupport
import VFS

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard let scratch = try? Scratch() else { return 0 }
  var input = Input(start, count)
  let tree = VirtualFileSystem(
    root: TmpFilesystem(store: scratch.store, inodeLimit: 500), source: [0x72], cacheBound: Int(input.byte() & 15))
  tree.protectsStickyFiles = true
  tree.protectsHardLinks = true
  if let point = try? tree.makeMountPoint([Array("m".utf8)]) {
    _ = try? tree.mount(
      TmpFilesystem(store: scratch.store, inodeLimit: 100), at: point, isReadOnly: input.byte() & 1 == 1, source: [0x6d]
    )
  }
  let client = Client(tree, input.byte())
  for _ in 0..<200 where !input.isEmpty { client.step(&input) }
  return 0
}

/// One process that has the tree.
private final class Client {
  let tree: VirtualFileSystem
  var caller: VirtualFileSystem.Caller
  var held: Position

  init(_ tree: VirtualFileSystem, _ kind: UInt8) {
    self.tree = tree
    let context = FilesystemContext(
      root: tree.root, workingDirectory: tree.root, umask: Permissions(rawValue: UInt16(kind >> 2)))
    caller = VirtualFileSystem.Caller(
      context: context,
      credentials: Credentials(
        user: UInt32(kind & 1), group: UInt32(kind & 2), capabilities: kind & 1 == 0 ? Credentials.allCapabilities : 0))
    held = tree.root
  }

  /// A path from words that meet each other, or raw bytes.
  private func path(_ input: inout Input) -> [UInt8] {
    let choice = input.byte()
    if choice & 0x80 != 0 { return input.string() }
    let words = ["a", "b", "c", ".", "..", "", "m", "l"]
    var path: [UInt8] = choice & 0x40 == 0 ? [] : [0x2f]
    for index in 0...Int(choice & 3) {
      if index > 0 { path.append(0x2f) }
      path += Array(words[Int(input.byte() & 7)].utf8)
    }
    if choice & 0x20 != 0 { path.append(0x2f) }
    if choice & 0x10 != 0 { path += [UInt8](repeating: 0x6e, count: Int(input.byte()) * 20) }
    return path
  }

  private func with(_ path: [UInt8], _ body: (VirtualFileSystem.Path) throws(Errno) -> Void) {
    path.withUnsafeBytes { bytes in
      do throws(Errno) { try body(VirtualFileSystem.Path(bytes, from: caller.context.workingDirectory)) } catch {}
    }
  }

  func step(_ input: inout Input) {
    let operation = input.byte() % 20
    let one = path(&input)
    let mode = Permissions(rawValue: UInt16(truncatingIfNeeded: input.bytes(2).reduce(0) { $0 << 8 | UInt64($1) }))
    switch operation {
    case 0: with(one) { path throws(Errno) in try tree.makeDirectory(path, mode: mode, caller) }
    case 1:
      let type: [FileType] = [.regular, .fifo, .socket, .characterDevice, .directory, .symlink]
      with(one) { path throws(Errno) in
        try tree.makeNode(path, type: type[Int(mode.rawValue) % type.count], mode: mode, device: 1, caller)
      }
    case 2:
      let target = self.path(&input)
      with(one) { path throws(Errno) in try tree.makeSymlink(target, path, caller) }
    case 3:
      let held = held
      with(one) { path throws(Errno) in try tree.link(held, to: path, caller) }
    case 4: with(one) { path throws(Errno) in try tree.unlink(path, caller) }
    case 5: with(one) { path throws(Errno) in try tree.removeDirectory(path, caller) }
    case 6, 7:
      let other = self.path(&input)
      let flags = RenameFlags(rawValue: UInt32(input.byte() & 7))
      with(one) { path throws(Errno) in
        try other.withUnsafeBufferPointer { bytes throws(Errno) in
          let second = UnsafeRawBufferPointer(bytes)
          try tree.rename(
            path, to: { VirtualFileSystem.Path(second, from: caller.context.workingDirectory) }, flags, caller)
        }
      }
    case 8, 9:
      let flags = OpenFlags(rawValue: UInt32(truncatingIfNeeded: input.number()))
      let resolve = ResolveFlags(rawValue: UInt64(input.byte() & 0x3f))
      with(one) { path throws(Errno) in
        held = try tree.open(path, flags, mode: mode, caller, resolve).position
      }
    case 10:
      let follows = input.byte() & 1 == 0
      with(one) { path throws(Errno) in held = try tree.resolve(path, caller, follow: follows) }
    case 11:
      with(one) { path throws(Errno) in
        let found = try tree.resolve(path, caller)
        if found.dentry.inode?.isDirectory == true { caller.context.workingDirectory = found }
      }
    case 12:
      with(one) { path throws(Errno) in
        let found = try tree.resolve(path, caller)
        if found.dentry.inode?.isDirectory == true { caller.context.root = found }
      }
    case 13:
      _ = tree.shownPath(of: held, from: caller.context.root)
      _ = tree.isUnlinked(held)
      _ = tree.parentInode(of: held, below: caller.context.root)
    default: change(operation, one, mode, &input)
    }
  }

  private func change(_ operation: UInt8, _ one: [UInt8], _ mode: Permissions, _ input: inout Input) {
    let number = input.number()
    let held = held
    do throws(Errno) {
      switch operation {
      case 14: try tree.changeMode(held, to: mode, caller)
      case 15:
        try tree.changeOwner(
          held, user: UInt32(truncatingIfNeeded: number), group: UInt32(truncatingIfNeeded: number >> 32), caller)
      case 16:
        let time = Timestamp(seconds: Int64(bitPattern: number), nanoseconds: UInt32(input.number() % 1_000_000_000))
        try tree.changeTimes(held, access: .set(time), modification: mode.rawValue & 1 == 0 ? .now : .set(time), caller)
        _ = try held.dentry.inode?.attributes()
      case 17: try tree.truncate(held, to: Int64(bitPattern: number % (1 << 20)), caller)
      case 18:
        let value = input.string()
        let names = ["user.a", "system.posix_acl_access", "system.posix_acl_default", "trusted.b", "security.c"]
        let name = one.first.map { $0 & 0x80 == 0 ? Array(names[Int($0) % names.count].utf8) : one } ?? []
        try Name.with(name) { name throws(Errno) in
          try tree.setExtendedAttribute(name, of: held, to: value, XattrFlags(rawValue: UInt32(number & 3)), caller)
          _ = try tree.extendedAttribute(name, of: held, caller)
          if number & 4 != 0 { try tree.removeExtendedAttribute(name, of: held, caller) }
        }
        _ = try tree.extendedAttributeNames(of: held, caller)
      default:
        try held.dentry.inode?.iterate(from: Int64(bitPattern: number)) { _ in true }
        try held.dentry.inode?.iterate(from: Int64(number & 63)) { _ in true }
      }
    } catch {}
  }
}
