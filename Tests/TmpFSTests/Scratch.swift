// A file system over a scratch store, and calls with names as strings, for the tests of this target.

import Glibc
import KernFS
import LinuxABI
import TmpFS
import VFS

/// A directory of the host that goes away with the object, and a tmpfs whose store it is.
final class Scratch {
  let path: String
  let filesystem: TmpFilesystem
  var root: Inode { filesystem.root }

  init(inodeLimit: Int? = nil) throws {
    var template = Array("/dev/shm/vedette-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw Errno.ioError }
    path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    let store = try BackingStore(root: try Host.openTrusted(path, [.directory]))
    filesystem = TmpFilesystem(store: store, inodeLimit: inodeLimit)
  }

  deinit { Self.removeTree(path) }

  private static func removeTree(_ path: String) {
    if let directory = opendir(path) {
      while let entry = readdir(directory) {
        let name = withUnsafePointer(to: &entry.pointee.d_name) {
          $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
        }
        if name == "." || name == ".." { continue }
        if unlink(path + "/" + name) != 0 { removeTree(path + "/" + name) }
      }
      closedir(directory)
    }
    rmdir(path)
  }

  /// The number of files in the store.
  func storedFiles() -> Int {
    var count = 0
    guard let directory = opendir(path) else { return 0 }
    while let entry = readdir(directory) {
      let name = withUnsafePointer(to: &entry.pointee.d_name) {
        $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
      }
      guard name.first != ".", let shard = opendir(path + "/" + name) else { continue }
      while readdir(shard) != nil { count += 1 }
      count -= 2
      closedir(shard)
    }
    closedir(directory)
    return count
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
  func find(_ name: String) throws(Errno) -> Inode? {
    try Name.with(Array(name.utf8)) { name throws(Errno) in try lookup(name) }
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
  func names() throws(Errno) -> [String] {
    var result: [String] = []
    try iterate(from: 0) { entry in
      result.append(String(decoding: entry.name.bytes, as: UTF8.self))
      return true
    }
    return result
  }
  func write(_ text: String) throws(Errno) {
    let descriptor = try open([.writeOnly, .truncate])
    try Array(text.utf8).withUnsafeBufferPointer { bytes throws(Errno) in
      try Host.write(UnsafeRawBufferPointer(bytes), to: descriptor.rawValue)
    }
  }
  func read() throws(Errno) -> String {
    let descriptor = try open([])
    return String(decoding: try Host.readAll(descriptor.rawValue), as: UTF8.self)
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

/// The errno that `body` throws; nil if none.
func errno(of body: () throws(Errno) -> Void) -> Errno? {
  do throws(Errno) {
    try body()
    return nil
  } catch { return error }
}
