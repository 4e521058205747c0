// A file system over a scratch store, and calls with names as strings, for the tests of this target.

import Kernel
import LinuxABI
import TestSupport
import KernFS
import VFS

/// A tmpfs whose store goes away with the object.
final class Stage {
  let scratch: Scratch
  let filesystem: TmpFilesystem
  var root: Inode { filesystem.root }

  init(inodeLimit: Int? = nil, memory: Int = .max) throws {
    scratch = try Scratch(memory: memory)
    filesystem = TmpFilesystem(store: scratch.store, inodeLimit: inodeLimit)
  }
}

extension NewInode {
  static func file(_ mode: UInt16 = 0o644) -> NewInode {
    NewInode(.regular, permissions: Permissions(rawValue: mode), owner: 1, group: 2)
  }
  static var directory: NewInode { NewInode(.directory, permissions: Permissions(rawValue: 0o755), owner: 1, group: 2) }
}

extension Inode {
  func make(_ name: String, _ new: NewInode = .file()) throws(Errno) -> Inode {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try create(name, new) }
  }
  func drop(_ name: String) throws(Errno) {
    guard let inode = try find(name) else { throw .noSuchFileOrDirectory }
    try Name.with(Array(name.utf8)) { name throws(Errno) in
      if inode.isDirectory { try removeDirectory(name, inode) } else { try unlink(name, inode) }
    }
  }
  func move(_ name: String, to directory: Inode, _ newName: String, _ flags: RenameFlags = []) throws(Errno) {
    guard let inode = try find(name) else { throw .noSuchFileOrDirectory }
    let replaced = try directory.find(newName)
    try Name.with(Array(name.utf8)) { name throws(Errno) in
      try Name.with(Array(newName.utf8)) { newName throws(Errno) in
        try rename(name, inode, to: directory, newName, replacing: replaced, flags)
      }
    }
  }
  func names() throws(Errno) -> [String] { try entries().map(\.name) }
  func write(_ text: String) throws(Errno) {
    let descriptor = try open([.writeOnly, .truncate])
    try Array(text.utf8).withUnsafeBufferPointer { bytes throws(Errno) in
      try Host.write(UnsafeRawBufferPointer(bytes), to: descriptor.rawValue)
    }
  }
  func xattr(_ name: String) throws(Errno) -> [UInt8] {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try extendedAttribute(name) }
  }
  func setXattr(_ name: String, _ value: [UInt8], _ flags: XattrFlags = []) throws(Errno) {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try setExtendedAttribute(name, to: value, flags) }
  }
  func removeXattr(_ name: String) throws(Errno) {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try removeExtendedAttribute(name) }
  }
}
