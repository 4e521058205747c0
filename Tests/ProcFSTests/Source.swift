// A source with made-up processes; its host text comes from the test or from this process itself.

import Glibc
import Kernel
import KernFS
import LinuxABI
import ProcFS
import VFS

final class Source: ProcessSource {
  var current: ProcessThread? = ProcessThread(process: 1)
  var tree: [Int32: [Int32]] = [1: [1, 2], 7: [7], 30: [30]]
  var networkIsHidden = false
  var files: [String: String] = [:]
  var identities: [Int32: ProcessIdentity] = [:]
  var open: [Int32: ProcessDescriptor] = [:]
  var hostIDs: [Int32: Int32] = [1000: 1, 1007: 7]
  var paths: [String: String] = [:]
  var position: Position?
  var anonymous: Inode?

  func processes() -> [Int32] { Array(tree.keys) }
  var stopped: Set<Int32> = []
  func isStopped(_ thread: ProcessThread) -> Bool { stopped.contains(thread.process) }
  func threads(of process: Int32) -> [Int32] { tree[process] ?? [] }
  func exists(_ thread: ProcessThread) -> Bool { tree[thread.process]?.contains(thread.thread) ?? false }

  func identity(of thread: ProcessThread) throws(Errno) -> ProcessIdentity {
    guard exists(thread) else { throw .noSuchProcess }
    return identities[thread.process] ?? ProcessIdentity(user: 0, group: 0, umask: Permissions(rawValue: 0o22))
  }

  func owner(of thread: ProcessThread) -> (user: UInt32, group: UInt32) {
    let identity = identities[thread.process]
    return (identity?.users.effective ?? 0, identity?.groups.effective ?? 0)
  }

  func hostFile(_ name: StaticString, of thread: ProcessThread) throws(Errno) -> [UInt8] {
    if let text = files["\(name)"] { return Array(text.utf8) }
    let file = try Host.openTrusted("/proc/self/\(name)", [])
    return try Host.readAll(file.rawValue)
  }

  func openHostFile(_ name: StaticString, of thread: ProcessThread, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor
  {
    try Host.openTrusted("/proc/self/\(name)", flags)
  }

  func insideID(ofHost id: Int32) -> Int32 { hostIDs[id] ?? 0 }

  private func somewhere() throws(Errno) -> Position {
    guard let position else { throw .noSuchFileOrDirectory }
    return position
  }
  func executable(of process: Int32) throws(Errno) -> Position { try somewhere() }
  func workingDirectory(of thread: ProcessThread) throws(Errno) -> Position { try somewhere() }
  func root(of thread: ProcessThread) throws(Errno) -> Position { try somewhere() }

  func descriptors(of thread: ProcessThread) throws(Errno) -> [Int32] { Array(open.keys) }

  func descriptor(_ number: Int32, of thread: ProcessThread) throws(Errno) -> ProcessDescriptor {
    guard let found = open[number] else { throw .badFileDescriptor }
    return found
  }

  func descriptorInformation(_ number: Int32, of thread: ProcessThread) throws(Errno) -> [UInt8] {
    Array("pos:\t0\nflags:\t0100001\nmnt_id:\t30\n".utf8)
  }

  /// What the foreign descriptors of the made-up processes are duplicates of.
  var foreign: CInt = -1

  func foreignDescriptor(_ number: Int32, of thread: ProcessThread) throws(Errno) -> ForeignDescriptor {
    try ForeignDescriptor(try Host.duplicate(foreign))
  }

  func attributes(ofForeign status: FileStatus) throws(Errno) -> Attributes {
    guard let type = status.type else { throw .noSuchFileOrDirectory }
    return Attributes(
      type: type, permissions: Permissions(rawValue: 0o600), owner: 0, group: 0, linkCount: 1,
      number: status.inode, time: .epoch)
  }

  func anonymousPosition(_ inode: Inode, named text: [UInt8]) -> Position? {
    anonymous = inode
    return position
  }

  func path(of position: Position) -> [UInt8] { Array("/somewhere".utf8) }

  func mappedFile(device: UInt64, inode: UInt64) -> MappedFile? {
    paths["\(DeviceNumber.major(device)):\(DeviceNumber.minor(device)) \(inode)"].map {
      MappedFile(path: Array($0.utf8), device: device, inode: inode)
    }
  }

  func mountInformation(of process: Int32) -> [UInt8] { Array("20 0 0:64 / / rw - overlay overlay rw\n".utf8) }
  func mounts(of process: Int32) -> [UInt8] { Array("overlay / overlay rw 0 0\n".utf8) }
  func hostName() -> [UInt8] { Array("inside".utf8) }
}
