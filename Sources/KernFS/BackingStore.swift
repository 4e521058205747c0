// The store: a private directory of the host (a detached tmpfs, or a directory in /dev/shm or TMPDIR) that holds the bytes
// of every in-memory file, so that guests get real descriptors. Its files have numbers for names and are mode 0600; what
// guests call them, and who owns them, only the inodes know.
//
// No guest ever names anything in here, so paths below the root are trusted. The store is part of the tree that the tree
// lock guards.

public import Kernel
public import LinuxABI
public import VFS

/// Where the bytes of in-memory files live.
public final class BackingStore {
  private let root: OwnedDescriptor
  /// `/proc/self/fd`, through which a descriptor is opened anew with other flags.
  private let descriptors: OwnedDescriptor
  private var cache: DescriptorCache
  private var last: UInt64 = 0
  /// Pays for what the file systems over this store keep in memory.
  public let budget: MemoryBudget
  /// Of a store whose file system does not bound it.
  public let usage: StoreUsage?

  /// Files that no name leads to any more and that an inode object still keeps, and the bytes they had when they lost
  /// their last name. The space comes back when whoever holds the objects lets go: a reason to look for those that no
  /// guest has open.
  public internal(set) var orphanCount = 0
  public internal(set) var orphanBytes: Int64 = 0

  /// Takes over the directory `root`, empty and reachable by no other process.
  ///
  /// - Parameters:
  ///   - budget: of the sandbox.
  ///   - usage: who measures the store says here how full it is.
  ///   - cachedDescriptors: how many descriptors of hot files may be kept open.
  public init(
    root: consuming OwnedDescriptor, budget: MemoryBudget = .unlimited, usage: StoreUsage? = nil,
    cachedDescriptors: Int = 256
  ) throws(Errno) {
    self.budget = budget
    self.usage = usage
    descriptors = try Host.openTrusted("/proc/self/fd", [.path, .directory])
    self.root = root
    cache = DescriptorCache(capacity: cachedDescriptors)
  }

  /// The device number of the file system that the store lies in: a descriptor with another one is of no file of the store.
  public func deviceNumber() throws(Errno) -> UInt64 { try Host.stat(root.rawValue).device }

  /// `fstatfs(2)` of the store, with the bound that is measured and not the file system's.
  public func statistics() throws(Errno) -> StatFS {
    var result = try hostStatistics()
    if let usage {
      let size = UInt64(max(result.blockSize, 1))
      let used = usage.used(whole: Self.bytesInUse(result))
      let free = usage.limit > used ? (usage.limit - used) / size : 0
      result.blocks = usage.limit / size
      result.freeBlocks = min(result.freeBlocks, free)
      result.availableBlocks = min(result.availableBlocks, free)
    }
    return result
  }

  /// Allows a guest's call to take `count` bytes more; false if the store has no room for them. A store whose file system
  /// bounds it allows all.
  public func reserve(_ count: UInt64) -> Bool {
    guard let usage else { return true }
    guard let now = try? hostStatistics() else { return false }
    return usage.reserve(count, whole: Self.bytesInUse(now))
  }

  private func hostStatistics() throws(Errno) -> StatFS { try Host.fileSystem(of: root.rawValue) }

  private static func bytesInUse(_ statistics: StatFS) -> UInt64 {
    let blocks = statistics.blocks
    return (blocks - min(blocks, statistics.freeBlocks)).multipliedClamped(by: UInt64(max(statistics.blockSize, 1)))
  }

  // MARK: - Files

  /// Makes an empty file and returns its number.
  public func createFile() throws(Errno) -> UInt64 { try createNode(.regular) }

  /// Makes a FIFO and returns its number.
  public func createFIFO() throws(Errno) -> UInt64 { try createNode(.fifo) }

  private func createNode(_ type: FileType) throws(Errno) -> UInt64 {
    if let usage, usage.isFull { throw .noSpace }
    return try createEntry { path throws(Errno) in
      try Host.makeNode(path, in: root.rawValue, mode: UInt32(type.rawValue) | 0o600)
    }
  }

  /// A number whose path is free and whose directory exists: where a socket may be bound. See `path(of:)`.
  public func reserveSocketNumber() throws(Errno) -> UInt64 {
    last += 1
    try makeShard(of: last)
    return last
  }

  /// A path by which the supervisor's own `bind(2)` and `connect(2)` reach a socket of the store: short enough for `sun_path`.
  public func path(of number: UInt64) -> [UInt8] {
    withPath(number) { path in
      Array("/proc/self/fd/\(root.rawValue)/".utf8) + [UInt8](cString: path)
    }
  }

  /// Opens a file by its number. `flags` are the guest's; O_TRUNC works here.
  public func open(_ number: UInt64, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try withPath(number) { path throws(Errno) in
      try Host.openTrusted(
        path, in: root.rawValue,
        flags.subtracting([.create, .exclusive]).union(.noControllingTerminal))
    }
  }

  /// `stat(2)` of a file; one `fstat` if it is hot.
  public func stat(_ number: UInt64) throws(Errno) -> FileStatus {
    switch cache.find(number) {
    case .hit(let descriptor): return try Host.stat(descriptor)
    case .warm:
      // Asked for twice in a row: worth a descriptor. If there is none to be had, the path will do.
      do throws(Errno) {
        let descriptor = try open(number, [.path])
        let result = try Host.stat(descriptor.rawValue)
        cache.keep(number, descriptor)
        return result
      } catch  where error == .tooManyOpenFiles || error == .tooManyOpenFilesInSystem {}
    case .cold: break
    }
    return try withPath(number) { path throws(Errno) in try Host.stat(path, in: root.rawValue) }
  }

  /// `utimensat(2)` on a file.
  public func setTimes(_ number: UInt64, access: TimeChange, modification: TimeChange) throws(Errno) {
    try withPath(number) { path throws(Errno) in
      try Host.changeTimes(path, in: root.rawValue, .symlinkNoFollow, access: access, modification: modification)
    }
  }

  /// `fchmodat(2)` on a file.
  public func setMode(_ number: UInt64, _ mode: UInt32) throws(Errno) {
    try withPath(number) { path throws(Errno) in
      try Host.changeModeFollowing(path, in: root.rawValue, to: mode)
    }
  }

  /// `truncate(2)` of a file.
  public func truncate(_ number: UInt64, to size: Int64) throws(Errno) {
    let descriptor = try open(number, [.writeOnly, .largeFile])
    try Host.truncate(descriptor.rawValue, to: size)
  }

  /// Removes a file, FIFO or socket. Descriptors that guests hold keep the bytes. A file that is gone is no error.
  public func remove(_ number: UInt64) {
    cache.forget(number)
    withPath(number) { path in ignoringErrors { () throws(Errno) in try Host.unlink(path, in: root.rawValue) } }
  }

  /// A file with no name, open for reading and writing: for generated content.
  public func temporaryFile() throws(Errno) -> OwnedDescriptor {
    do throws(Errno) {
      return try Host.openTrusted(
        ".", in: root.rawValue, [.temporaryBit, .directory, .readWrite], mode: 0o600)
    } catch  where error == .notSupportedOnSocket || error == .isDirectory {
      let number = try createFile()
      defer { remove(number) }
      return try open(number, [.readWrite])
    }
  }

  /// A descriptor with `flags` of a new nameless file that holds `bytes`.
  public func temporaryFile(containing bytes: [UInt8], _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    let file = try temporaryFile()
    try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      try Host.write(UnsafeRawBufferPointer(bytes), to: file.rawValue)
    }
    return try reopen(file.rawValue, flags.subtracting([.truncate, .create, .exclusive]))
  }

  /// Opens what a descriptor of ours stands for, anew and with other flags (`man 5 proc`, /proc/self/fd). It may be
  /// anything that a caller has handed to a guest: a FIFO, a terminal.
  public func reopen(_ descriptor: CInt, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try Digits.withDecimal(UInt64(descriptor)) { name throws(Errno) in
      try Host.withoutWaiting(flags.subtracting(.noFollow)) { flags throws(Errno) in
        try Host.openTrusted(name, in: descriptors.rawValue, flags.union(.noControllingTerminal))
      }
    }
  }

  // MARK: - Placeholders

  /// An O_PATH descriptor of a private empty directory that stands for a directory inode in guests' descriptor tables:
  /// each open of the inode opens `.` in it. It has no name by then, so nothing can ever be made in it, not even natively.
  public func makePlaceholderDirectory() throws(Errno) -> OwnedDescriptor {
    let number = try createEntry { path throws(Errno) in
      try Host.makeDirectory(path, in: root.rawValue, mode: 0o500)
    }
    defer {
      withPath(number) { path in
        ignoringErrors { () throws(Errno) in try Host.unlink(path, in: root.rawValue, .removeDirectory) }
      }
    }
    return try open(number, [.path, .directory])
  }

  /// An O_PATH descriptor of a private empty file that stands for an inode which is opened with O_PATH.
  public func makePlaceholderFile() throws(Errno) -> OwnedDescriptor {
    let file = try temporaryFile()
    return try reopen(file.rawValue, .path)
  }

  // MARK: - Numbers and paths

  private func createEntry(_ make: (UnsafePointer<CChar>) throws(Errno) -> Void) throws(Errno) -> UInt64 {
    last += 1
    let number = last
    do throws(Errno) {
      try withPath(number, make)
    } catch  where error == .noSuchFileOrDirectory {
      try makeShard(of: number)
      try withPath(number, make)
    }
    return number
  }

  private func makeShard(of number: UInt64) throws(Errno) {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 2) { name throws(Errno) in
      name[0] = Self.digit(number)
      name[1] = 0
      do throws(Errno) {
        try Host.makeDirectory(UnsafePointer(name.baseAddress.unsafelyUnwrapped), in: root.rawValue, mode: 0o700)
      } catch  where error == .fileExists {}
    }
  }

  private static func digit(_ number: UInt64) -> CChar {
    let value = CChar(truncatingIfNeeded: number & 15)
    return value < 10 ? 0x30 + value : 0x61 + value - 10
  }

  /// Calls `body` with the path of `number` below the root: its last hexadecimal digit, a slash, the others.
  @discardableResult
  private func withPath<T: ~Copyable, E: Error>(_ number: UInt64, _ body: (UnsafePointer<CChar>) throws(E) -> T)
    throws(E)
    -> T
  {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 20) { path throws(E) in
      path[19] = 0
      var index = 18
      var rest = number >> 4
      repeat {
        path[index] = Self.digit(rest)
        rest >>= 4
        index -= 1
      } while rest != 0
      path[index] = 0x2f
      path[index - 1] = Self.digit(number)
      return try body(UnsafePointer(path.baseAddress.unsafelyUnwrapped + index - 1))
    }
  }
}

/// For cleaning up, where there is no caller left to report to.
private func ignoringErrors(_ body: () throws(Errno) -> Void) {
  do throws(Errno) { try body() } catch {}
}
