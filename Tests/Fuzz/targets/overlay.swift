// A persistent upper that somebody else has written: marks, attribute records, overflow files, an intent and an index with
// anything in them, opened as an overlay, walked, changed, compared and checked.

import CLinux
import Glibc
import Kernel
import LinuxABI
import TestSupport
import VFS

@testable import HostFS
@testable import OverlayFS

nonisolated(unsafe) private let lowerTree = {
  let tree = TemporaryTree(inMemory: true)
  tree("mkdir -p a/b c && echo 1 > a/f && echo 2 > a/b/g && ln a/f hard && ln -s a link && echo 3 > c/h")
  return tree
}()

/// What is open before the first input stays open.
private let firstDescriptor = (try? Host.callForGuest(.dup, 2)) ?? 1000

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = Input(start, count)
  _ = (firstDescriptor, lowerTree)
  guard let path = makeDirectory() else { return 0 }
  defer {
    remove(path)
    // A file system of layers and its root hold each other for as long as the process lives, which has one: here are many.
    _ = try? Host.callForGuest(.close_range, firstDescriptor, Int(UInt32.max), 0)
  }
  fill(path, &input)
  for pass in 0..<2 {
    guard
      let lowerRoot = try? Host.openTrusted(lowerTree.path, [.path, .directory]),
      let lower = try? HostFilesystem(rootDescriptor: lowerRoot, policy: .immutable, writable: false),
      let storeRoot = try? Host.openTrusted(path, [.path, .directory]),
      let store = try? HostFilesystem(
        rootDescriptor: storeRoot, policy: .immutable, writable: true, keepsOwners: count & 1 == 0)
    else { return 0 }
    if pass == 1 {
      _ = try? OverlayCheck(store: store, lowers: [lower], repair: true) { HostFilesystem.isRecord($0, of: $1) }
      continue
    }
    guard let overlay = try? OverlayFilesystem(upper: .store(store), lowers: [lower]) else { continue }
    var budget = 200
    walk(overlay.root, &budget)
    change(overlay.root)
    _ = try? OverlayChanges(of: overlay, .layer)
    overlay.close()
  }
  return 0
}

private func makeDirectory() -> String? {
  var template = Array("/dev/shm/vedette-fuzz.XXXXXX".utf8CString)
  guard mkdtemp(&template) != nil else { return nil }
  return String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
}

private func remove(_ path: String) {
  guard let directory = opendir(path) else {
    unlink(path)
    return
  }
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name == "." || name == ".." { continue }
    let child = path + "/" + name
    if entry.pointee.d_type == 4 { remove(child) } else { unlink(child) }
  }
  closedir(directory)
  rmdir(path)
}

/// Writes what the input says: each step one entry of the upper or of the work area, or one attribute.
private func fill(_ path: String, _ input: inout Input) {
  for directory in ["upper", "work", "work/overflow", "work/index"] { mkdir("\(path)/\(directory)", 0o700) }
  let paths = ["upper", "upper/a", "upper/a/b", "upper/a/f", "upper/x", "upper/link", "work", "work/index/3"]
  let marks = [
    "trusted.overlay.redirect", "trusted.overlay.origin", "trusted.overlay.whiteout.", "trusted.overlay.links",
    "trusted.overlay.impure", "user.vedette.attributes", "trusted.overlay.guest.", "user.overlay.opaque",
    "trusted.overlay.opaque", "trusted.overlay.guest.system.posix_acl_access",
  ]
  var last = "upper"
  for _ in 0..<24 where !input.isEmpty {
    let choice = input.byte()
    switch choice & 7 {
    case 0:
      last = "\(path)/\(paths[Int(input.byte()) % paths.count])"
      if input.byte() & 1 == 0 { mkdir(last, 0o755) } else { write(last, input.string()) }
    case 1:
      last = "\(path)/\(paths[Int(input.byte()) % paths.count])"
      symlink(["a", "links=2", "links=99999999999", "links=", "/", "x"][Int(input.byte()) % 6], last)
    case 2, 3, 4:
      let name = marks[Int(input.byte()) % marks.count] + (choice & 8 == 0 ? "" : "abf"[Int(input.byte()) % 3])
      let value = input.string()
      setAttribute(name, of: last, to: value)
    case 5:
      var status = stat()
      let number = lstat(last, &status) == 0 ? UInt64(status.st_ino) : UInt64(choice)
      write("\(path)/work/overflow/\(String(number, radix: 16))", choice & 8 == 0 ? input.string() : records(&input))
    case 6: write("\(path)/work/intent", intent(&input))
    default:
      var status = stat()
      guard lstat("\(lowerTree.path)/hard", &status) == 0 else { return }
      last = "\(path)/work/index/\(String(UInt64(status.st_ino) &+ UInt64(choice >> 6), radix: 16))"
      write(last, input.string())
    }
  }
}

extension String {
  fileprivate subscript(_ index: Int) -> String { String(self[index(startIndex, offsetBy: index)]) }
}

private func write(_ path: String, _ bytes: [UInt8]) {
  let flags = O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC
  let descriptor = Glibc.open(path, flags, 0o600)
  guard descriptor >= 0 else { return }
  _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
  close(descriptor)
}

private func setAttribute(_ name: String, of path: String, to value: [UInt8]) {
  path.withCString { path in
    name.withCString { name in
      value.withUnsafeBytes {
        _ = try? Host.callForGuest(
          .lsetxattr, Int(bitPattern: path), Int(bitPattern: name), Int(bitPattern: $0.baseAddress), $0.count, 0)
      }
    }
  }
}

/// Whole records of any kind.
private func records(_ input: inout Input) -> [UInt8] {
  var bytes: [UInt8] = []
  for _ in 0..<Int(input.byte() & 7) {
    let (kind, key, value) = (input.byte() % 6, input.string(), input.string())
    withUnsafeBytes(of: UInt32(7 + key.count + value.count).littleEndian) { bytes += $0 }
    bytes.append(kind)
    withUnsafeBytes(of: UInt16(key.count).littleEndian) { bytes += $0 }
    bytes += key + value
  }
  return bytes
}

/// An intent with a right checksum.
private func intent(_ input: inout Input) -> [UInt8] {
  let proofs: [OverlayIntent.Proof] = [.taken, .isGone, .isWhiteout, .holds(input.number()), .list(input.number())]
  let path = ["a", "a/f", "x", "a/b/../f", "", "link/y", "hard"][Int(input.byte()) % 7]
  let steps: [OverlayIntent.FollowUp] = [
    .links(number: input.number(), count: UInt32(input.byte())), .forget(input.number()),
    .mode(Permissions(rawValue: UInt16(input.byte()) << 5)),
  ]
  let choice = input.byte()
  return OverlayIntent(
    proofs[Int(choice) % proofs.count], choice & 8 == 0 ? Array(path.utf8) : input.string(),
    steps.enumerated().filter { Int(choice >> 5) & (1 << $0.offset) != 0 }.map(\.element)
  ).encoded
}

private func walk(_ directory: Inode, _ budget: inout Int) {
  var names: [[UInt8]] = []
  do throws(Errno) {
    try directory.iterate(from: 0) { entry in
      names.append(entry.name.copy)
      return names.count < 100
    }
  } catch {}
  for name in names + [Array("a".utf8), Array("f".utf8), Array("hard".utf8)] {
    budget -= 1
    guard budget > 0 else { return }
    let found = Name.with(name) { name in try? directory.lookup(name) }
    guard let child = found ?? nil else { continue }
    _ = try? child.attributes()
    _ = try? child.extendedAttributeNames()
    _ = try? child.readlink()
    if child.isDirectory, !name.starts(with: [0x2e]) { walk(child, &budget) } else { _ = try? child.open([]) }
  }
}

private func change(_ root: Inode) {
  func named(_ name: String, _ body: (Name) throws(Errno) -> Void) {
    Name.with(Array(name.utf8)) { name in do throws(Errno) { try body(name) } catch {} }
  }
  named("hard") { name throws(Errno) in
    guard let inode = try root.lookup(name) else { return }
    _ = try inode.open([.writeOnly, .append])
    try root.unlink(name, inode)
  }
  named("a") { name throws(Errno) in
    guard let inode = try root.lookup(name) else { return }
    try Name.with(Array("moved".utf8)) { new throws(Errno) in
      try root.rename(name, inode, to: root, new, replacing: nil, [])
    }
  }
  named("new") { name throws(Errno) in
    _ = try root.create(name, NewInode(.directory, permissions: Permissions(rawValue: 0o755), owner: 0, group: 0))
  }
}
