// What guests may make us remember: the one account of a sandbox for names, inodes, attributes, watches and whatever else
// lies in the supervisor's own memory because a guest made it. `--size` bounds the bytes of files in the store, which are
// the kernel's; a fixed share of the same size bounds this (`SandboxConfiguration.Bounds`).
//
// The costs are what the allocator takes as a rule, growth of arrays and tables included, not what the fields add up to.
// What is only a cache (dentries, what was read of a layer) is bounded by its number instead and costs nothing here, so a
// call that finds what it needs in the cache never touches the account.

import Synchronization
public import LinuxABI

/// An account of bytes. Atomic, because what it pays for can end on any thread; charged under the tree lock only.
public final class MemoryBudget: Sendable {
  /// Bytes that may be taken.
  public let limit: Int
  private let taken = Atomic<Int>(0)

  public init(limit: Int) { self.limit = max(0, limit) }

  /// Of file systems that no guest works on: layers that a subcommand looks through.
  public static let unlimited = MemoryBudget(limit: .max)

  /// Bytes taken now.
  public var used: Int { taken.load(ordering: .relaxed) }

  /// Whether `count` more bytes have room.
  public func hasRoom(for count: Int) -> Bool {
    used.addingExactly(count).map { $0 <= limit } ?? false
  }

  /// - Throws: `.noSpace` if `count` more bytes have no room: before a change that takes them.
  public func check(_ count: Int) throws(Errno) {
    if !hasRoom(for: count) { throw .noSpace }
  }

  /// Takes `count` bytes, past the limit too: for what has happened already, after a `check`.
  public func take(_ count: Int) { taken.wrappingAdd(count, ordering: .relaxed) }

  /// Gives back what was taken.
  public func giveBack(_ count: Int) { taken.wrappingSubtract(count, ordering: .relaxed) }
}

/// What one object has taken of a budget: a field of that object, so that its end gives it back.
public struct MemoryCharge: ~Copyable, Sendable {
  private let budget: MemoryBudget
  /// Bytes taken.
  public private(set) var count = 0

  public init(_ budget: MemoryBudget) { self.budget = budget }

  /// - Throws: `.noSpace`.
  public init(_ count: Int, of budget: MemoryBudget) throws(Errno) {
    self.budget = budget
    try budget.check(count)
    add(count)
  }

  deinit { budget.giveBack(count) }

  /// Takes so many more, or with a negative number gives some back; past the limit too.
  public mutating func add(_ bytes: Int) {
    budget.take(bytes)
    count += bytes
  }

  public func hasRoom(for bytes: Int) -> Bool { budget.hasRoom(for: bytes) }

  /// Takes so many more if they have room.
  public mutating func grow(_ bytes: Int) -> Bool {
    if !budget.hasRoom(for: bytes) { return false }
    add(bytes)
    return true
  }

  /// Gives everything back.
  public mutating func clear() { add(-count) }
}

/// What things cost in memory.
public enum MemoryCost {
  /// A name in a directory and in the merged listing of an overlay.
  @inlinable
  public static func name(_ length: Int) -> Int { 160 + 3 * length }
  /// An inode of an in-memory file system with the overlay's beside it.
  public static let inode = 768
  /// The same for a directory.
  public static let directory = 1280
  /// An extended attribute with its name and value.
  @inlinable
  public static func attribute(_ name: Int, _ value: Int) -> Int { 160 + 2 * name + value }
  /// A name in a set of deleted ones.
  @inlinable
  public static func whiteout(_ length: Int) -> Int { 80 + length }
  /// An inode of an overlay, with those of its layers, that must not be forgotten.
  public static let keptInode = 1024
  /// An inotify watch, and the inode that it holds.
  public static let watch = 1536
  /// A file that an address space may map.
  public static let mapping = 96
  /// A thread.
  public static let thread = 1024
  /// A bound Unix socket.
  public static let socket = 768
  /// What is known of an internet socket.
  public static let internetSocket = 256
}
