// The names of one directory, in an order that cursors can rely on. Entries stand in an array in the order of their
// sequence numbers, which are given once and never again: a cursor is a sequence number and is found by bisection.
// Beside it an open-addressing hash of slots finds a name without a key object and without an allocation.

public import LinuxABI

/// Ordered names with stable cursors: what an in-memory directory and a merged listing are made of.
///
/// Cursor 0 is the start. An entry that is there throughout an iteration is shown exactly once, a removed one never
/// again, a new one has a cursor behind all others. Holes are closed without changing the cursor of any entry.
/// A million entries cost about 40 bytes each and their names; eight or fewer need no hash at all.
public struct DirectoryIndex<Value> {
  @usableFromInline var order = NameOrder()
  /// One for each slot of `order`; nil is a hole.
  @usableFromInline var values: [Value?] = []

  @inlinable
  public init() {}

  /// The number of names.
  @inlinable
  public var count: Int { order.count }

  @inlinable
  public var isEmpty: Bool { order.count == 0 }

  /// The cursor behind all entries there are now: a listing that stops here never meets what is added after.
  @inlinable
  public var end: Int64 { order.nextSequence }

  /// The value of `name`, or nil.
  @inlinable
  public func lookup(_ name: Name) -> Value? {
    let slot = order.slot(of: name)
    return slot < 0 ? nil : values[slot]
  }

  /// Adds `name` behind all others; a name that is there already gets the new value and keeps its position.
  ///
  /// - Precondition: `name` has at most 65,535 bytes.
  @inlinable
  public mutating func insert(_ name: Name, _ value: Value) {
    let slot = order.slot(of: name)
    if slot >= 0 {
      values[slot] = value
    } else {
      order.append(name)
      values.append(value)
    }
  }

  /// Removes `name` and returns its value; nil if there is no such name.
  @inlinable
  @discardableResult
  public mutating func remove(_ name: Name) -> Value? {
    let slot = order.slot(of: name)
    if slot < 0 { return nil }
    let value = values[slot]
    values[slot] = nil
    order.remove(slot)
    if order.count == 0 {
      values = []
      order.removeAll()
    } else if order.hasManyHoles {
      values = values.filter { $0 != nil }
      order.compact()
    }
    return value
  }

  /// Gives `name` another value at the same position; false if there is no such name.
  @inlinable
  @discardableResult
  public mutating func replace(_ name: Name, _ value: Value) -> Bool {
    let slot = order.slot(of: name)
    if slot < 0 { return false }
    values[slot] = value
    return true
  }

  /// Calls the entry `name` `newName`, at the same position, so that a program which renames what it reads comes to an
  /// end. What bore `newName` is removed. False if there is no `name`.
  @inlinable
  @discardableResult
  public mutating func rename(_ name: Name, to newName: Name) -> Bool {
    if order.slot(of: name) < 0 { return false }
    if name.equals(newName) { return true }
    remove(newName)
    let slot = order.slot(of: name)
    order.rename(slot, to: newName)
    if order.hasManyBytes {
      values = values.filter { $0 != nil }
      order.compact()
    }
    return true
  }

  /// Shows name, value and the cursor behind it, from `cursor` on, until `body` returns false.
  ///
  /// - Precondition: `body` does not change this index.
  @inlinable
  public func iterate(from cursor: Int64, _ body: (Name, Value, Int64) -> Bool) {
    order.withNames(from: cursor) { slot, name, next in
      guard let value = values[slot] else { return true }
      return body(name, value, next)
    }
  }

  /// Removes every entry; cursors given out before stay valid and find nothing.
  @inlinable
  public mutating func removeAll() {
    values = []
    order.removeAll()
  }
}

/// The names, their order and their hash; what they name lies beside it, slot by slot. Apart from `DirectoryIndex`
/// because it needs no generic code.
@usableFromInline
struct NameOrder {
  private struct Entry {
    var sequence: Int64
    /// Where the name begins in `bytes`.
    var offset: Int
    var hash: UInt32
    var length: UInt16
    /// False for a hole: a removed entry that compaction has not reached yet.
    var isThere = true
  }

  /// Ascending by `sequence`.
  private var entries: [Entry] = []
  /// The bytes of all names, those of holes included until the next compaction.
  private var bytes: [UInt8] = []
  /// Slot + 1 of an entry, 0 for free, `UInt32.max` for a removed one; empty while a scan of `entries` is cheaper.
  private var table: [UInt32] = []
  /// Places of `table` that are not 0.
  private var used = 0
  @usableFromInline private(set) var nextSequence: Int64 = 0
  @usableFromInline private(set) var count = 0

  @usableFromInline
  init() {}

  @usableFromInline var hasManyHoles: Bool { entries.count > 16 && entries.count > 2 * count }

  /// Renaming leaves the bytes of the old name behind.
  @usableFromInline var hasManyBytes: Bool { bytes.count > 4096 && bytes.count > 512 * count }

  // MARK: - The hash

  private static func hash(_ name: Name) -> UInt32 { UInt32(truncatingIfNeeded: name.hash >> 32) }

  /// The slot of the entry called `name`, or -1.
  @usableFromInline
  func slot(of name: Name) -> Int {
    let hash = Self.hash(name)
    if table.isEmpty {
      for slot in entries.indices where isEntry(slot, name, hash) { return slot }
      return -1
    }
    let mask = table.count - 1
    var bucket = Int(hash) & mask
    while true {
      let found = table[bucket]
      if found == 0 { return -1 }
      if found != .max && isEntry(Int(found) - 1, name, hash) { return Int(found) - 1 }
      bucket = (bucket + 1) & mask
    }
  }

  @inline(__always)
  private func isEntry(_ slot: Int, _ name: Name, _ hash: UInt32) -> Bool {
    let entry = entries[slot]
    guard entry.hash == hash, Int(entry.length) == name.count, entry.isThere else { return false }
    return bytes.withUnsafeBytes { name.equals(Self.name(entry, $0)) }
  }

  @inline(__always)
  private static func name(_ entry: Entry, _ bytes: UnsafeRawBufferPointer) -> Name {
    Name(UnsafeRawBufferPointer(rebasing: bytes[entry.offset..<entry.offset + Int(entry.length)]))
  }

  /// Makes `slot` findable by its hash; the table is made, or made larger, when it is due.
  private mutating func enter(_ slot: Int) {
    if table.isEmpty {
      if entries.count > 8 { rebuildTable() }
      return
    }
    if (used + 1) * 4 > table.count * 3 {
      rebuildTable()
      return
    }
    let mask = table.count - 1
    var bucket = Int(entries[slot].hash) & mask
    while table[bucket] != 0 && table[bucket] != .max { bucket = (bucket + 1) & mask }
    if table[bucket] == 0 { used += 1 }
    table[bucket] = UInt32(truncatingIfNeeded: slot + 1)
  }

  private mutating func leave(_ slot: Int) {
    guard !table.isEmpty else { return }
    let mask = table.count - 1
    var bucket = Int(entries[slot].hash) & mask
    while table[bucket] != UInt32(truncatingIfNeeded: slot + 1) {
      if table[bucket] == 0 { return }
      bucket = (bucket + 1) & mask
    }
    table[bucket] = .max
  }

  private mutating func rebuildTable() {
    var size = 32
    while size < entries.count * 2 { size *= 2 }
    table = [UInt32](repeating: 0, count: size)
    used = 0
    let mask = size - 1
    for slot in entries.indices where entries[slot].isThere {
      var bucket = Int(entries[slot].hash) & mask
      while table[bucket] != 0 { bucket = (bucket + 1) & mask }
      table[bucket] = UInt32(truncatingIfNeeded: slot + 1)
      used += 1
    }
  }

  // MARK: - The order

  /// Adds a name in a new slot at the end.
  @usableFromInline
  mutating func append(_ name: Name) {
    entries.append(
      Entry(
        sequence: nextSequence, offset: bytes.count, hash: Self.hash(name),
        length: UInt16(truncatingIfNeeded: name.count)))
    bytes.append(contentsOf: name.bytes)
    nextSequence += 1
    count += 1
    enter(entries.count - 1)
  }

  /// Makes `slot` a hole.
  @usableFromInline
  mutating func remove(_ slot: Int) {
    leave(slot)
    entries[slot].isThere = false
    count -= 1
  }

  @usableFromInline
  mutating func rename(_ slot: Int, to name: Name) {
    leave(slot)
    entries[slot].offset = bytes.count
    entries[slot].length = UInt16(truncatingIfNeeded: name.count)
    entries[slot].hash = Self.hash(name)
    bytes.append(contentsOf: name.bytes)
    enter(slot)
  }

  @usableFromInline
  mutating func removeAll() {
    entries = []
    bytes = []
    table = []
    used = 0
    count = 0
  }

  /// Shows slot, name and the cursor behind it until `body` returns false.
  @usableFromInline
  func withNames(from cursor: Int64, _ body: (Int, Name, Int64) -> Bool) {
    var slot = firstSlot(from: cursor)
    bytes.withUnsafeBytes { bytes in
      while slot < entries.count {
        let entry = entries[slot]
        if entry.isThere && !body(slot, Self.name(entry, bytes), entry.sequence + 1) { return }
        slot += 1
      }
    }
  }

  /// The first slot whose sequence number is not below `cursor`.
  private func firstSlot(from cursor: Int64) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].sequence < cursor { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Closes the holes of `entries` and of `bytes`. Sequence numbers stay.
  @usableFromInline
  mutating func compact() {
    var keptBytes: [UInt8] = []
    keptBytes.reserveCapacity(min(bytes.count, count * 32))
    var kept: [Entry] = []
    kept.reserveCapacity(count)
    for var entry in entries where entry.isThere {
      let range = entry.offset..<entry.offset + Int(entry.length)
      entry.offset = keptBytes.count
      keptBytes.append(contentsOf: bytes[range])
      kept.append(entry)
    }
    entries = kept
    bytes = keptBytes
    table = []
    used = 0
    if entries.count > 8 { rebuildTable() }
  }
}
