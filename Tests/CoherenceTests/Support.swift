// Stand-ins for what coherence works with: files of a layer, an overlay, guests, and a stopped thread.

import CLinux
import Gate
import Kernel
import LinuxABI
import Synchronization
import VFS

@testable import Coherence

/// A file system whose files are host files without a name.
final class HostFiles: Filesystem {
  init() { super.init(typeName: "test") }

  override func statistics() throws(Errno) -> FilesystemStatistics {
    FilesystemStatistics(magic: 0, freeBlocks: 1 << 30, availableBlocks: 1 << 30)
  }
}

/// Such a file. It gets its final backing when the test says so.
final class HostFile: Inode {
  let file: OwnedDescriptor
  var isFinal = false
  override var hasFinalBacking: Bool { isFinal }

  init(_ filesystem: Filesystem, megabytes: Int = 0) throws {
    let file = try Host.openTrusted("/dev/shm", [.temporaryBit, .directory, .readWrite], mode: 0o600)
    let block = [UInt8](repeating: 1, count: 1 << 20)
    for number in 0..<megabytes {
      try block.withUnsafeBytes { try Host.write($0, to: file.rawValue, at: Int64(number) << 20) }
    }
    let number = UInt64(file.rawValue)
    self.file = file
    super.init(
      filesystem: filesystem, type: .regular, number: number, permissions: [], owner: 0, group: 0)
  }

  /// A file of so many pages, each full of `byte`.
  convenience init(_ filesystem: Filesystem, pages: Int, of byte: Character) throws {
    try self.init(filesystem)
    let bytes = [UInt8](repeating: byte.asciiValue ?? 0, count: pages * 4096)
    try bytes.withUnsafeBytes { try Host.write($0, to: file.rawValue, at: 0) }
  }

  override func open(_ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try Host.openTrusted("/proc/self/fd/\(file.rawValue)", flags)
  }

  var hostIdentity: FileIdentity { get throws { FileIdentity(try Host.stat(file.rawValue)) } }
}

/// Stands in for the overlay: notes what is cancelled.
final class Source: CopyUpSource {
  weak var copyUpObserver: (any CopyUpObserver)?
  var cancelled: [BackgroundCopyUp] = []
  func cancel(_ copyUp: BackgroundCopyUp) { cancelled.append(copyUp) }
}

/// Keeps what is to run in the background, for the test to run.
final class Background: GuestControl {
  let body = Mutex<(@Sendable () -> Void)?>(nil)
  let hasThreads: Bool
  init(hasThreads: Bool = true) { self.hasThreads = hasThreads }
  func inBackground(_ body: @escaping @Sendable () -> Void) -> Bool {
    if hasThreads { self.body.withLock { $0 = body } }
    return hasThreads
  }
  func withStoppedGuests(_ work: any StoppedGuestsWork) {}
  func wake(_ thread: ThreadID) {}
  func whenReadable(_ descriptor: CInt, _ body: @escaping @Sendable () -> Void) {}

  func run() { body.withLock { $0.take() }?() }
}
