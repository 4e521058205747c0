// The names of one directory, in an order that cursors can rely on. Entries stand in an array in the order of their
// sequence numbers, which are given once and never again: a cursor is a sequence number and is found by bisection.
// Beside it an open-addressing hash of slots finds a name without a key object and without an allocation.

public import LinuxABI
import CLinux

/// Ordered names with stable cursors: what an in-memory directory and a merged listing are made of.
///
/// Cursor 0 is the start. An entry that is there throughout an iteration is shown exactly once, a removed one never
/// again, a new one has a cursor behind all others. Holes are closed without changing the cursor of any entry.
/// A million entries cost about 48 bytes each and their names; eight or fewer need no hash at all.
public struct DirectoryIndex<Value> {
  @usableFromInline
  struct Entry {
    @usableFromInline var sequence: Int64
    /// Where the name begins in `names`.
    @usableFromInline var offset: Int
    @usableFromInline var hash: UInt32
    @usableFromInline var length: UInt16
    /// nil is a hole: a removed entry that compaction has not reached yet.
    @usableFromInline var value: Value?

    @inlinable
    init(sequence: Int64, offset: Int, hash: UInt32, length: UInt16, value: Value) {
      self.sequence = sequence
      self.offset = offset
      self.hash = hash
      self.length = length
      self.value = value
    }
  }

  /// Ascending by `sequence`.
  @usableFromInline var entries: [Entry] = []
  /// The bytes of all names, those of holes included until the next compaction.
  @usableFromInline var names: [UInt8] = []
  /// Slot + 1 of an entry, 0 for free, `UInt32.max` for a removed one; empty while a scan of `entries` is cheaper.
  @usableFromInline var table: [UInt32] = []
  /// Places of `table` that are not 0.
  @usableFromInline var used = 0
  @usableFromInline var nextSequence: Int64 = 0

  /// The number of names.
  public private(set) var count = 0

  @inlinable
  public var isEmpty: Bool { count == 0 }

  public init() {}

  /// The cursor behind all entries there are now: a listing that stops here never meets what is added after.
  @inlinable
  public var end: Int64 { nextSequence }

  /// The value of `name`, or nil.
  @inlinable
  public func lookup(_ name: Name) -> Value? {
    guard let slot = slot(of: name) else { return nil }
    return entries[slot].value
  }

  /// Adds `name` behind all others; a name that is there already gets the new value and keeps its place.
  ///
  /// - Precondition: `name` has at most 65,535 bytes.
  public mutating func insert(_ name: Name, _ value: Value) {
    if let slot = slot(of: name) {
      entries[slot].value = value
      return
    }
    append(name, value, sequence: nextSequence)
    nextSequence += 1
  }

  /// Removes `name` and returns its value; nil if there is no such name.
  @discardableResult
  public mutating func remove(_ name: Name) -> Value? {
    guard let slot = slot(of: name) else { return nil }
    let value = entries[slot].value
    unhash(slot)
    entries[slot].value = nil
    count -= 1
    if count == 0 {
      entries = []
      names = []
      table = []
      used = 0
    } else if entries.count > 16 && entries.count > 2 * count {
      compact()
    }
    return value
  }

  /// Gives `name` another value in the same place; false if there is no such name.
  @discardableResult
  public mutating func replace(_ name: Name, _ value: Value) -> Bool {
    guard let slot = slot(of: name) else { return false }
    entries[slot].value = value
    return true
  }

  /// Calls the entry `name` `newName`, in the same place, so that a program which renames what it reads comes to an end.
  /// What bore `newName` is removed. False if there is no `name`.
  @discardableResult
  public mutating func rename(_ name: Name, to newName: Name) -> Bool {
    if name.equals(newName) { return slot(of: name) != nil }
    guard slot(of: name) != nil else { return false }
    remove(newName)
    guard let slot = slot(of: name) else { return false }
    unhash(slot)
    entries[slot].offset = names.count
    entries[slot].length = UInt16(truncatingIfNeeded: newName.count)
    entries[slot].hash = Self.hash(newName)
    names.append(contentsOf: newName.bytes)
    if names.count > 4096 && names.count > 512 * count {
      compact()
    } else {
      enter(slot)
    }
    return true
  }

  /// Shows name, value and the cursor behind it, from `cursor` on, until `body` returns false.
  ///
  /// - Precondition: `body` does not change this index.
  @inlinable
  public func iterate(from cursor: Int64, _ body: (Name, Value, Int64) -> Bool) {
    var slot = firstSlot(from: cursor)
    names.withUnsafeBytes { bytes in
      while slot < entries.count {
        if let value = entries[slot].value {
          let name = Name(
            UnsafeRawBufferPointer(rebasing: bytes[entries[slot].offset..<entries[slot].offset + Int(entries[slot].length)]))
          if !body(name, value, entries[slot].sequence + 1) { return }
        }
        slot += 1
      }
    }
  }

  /// Removes every entry; cursors given out before stay valid and find nothing.
  public mutating func removeAll() {
    entries = []
    names = []
    table = []
    used = 0
    count = 0
  }

  // MARK: - The hash

  @inlinable
  static func hash(_ name: Name) -> UInt32 { UInt32(truncatingIfNeeded: name.hash >> 32) }

  /// The slot of the live entry called `name`.
  @inlinable
  func slot(of name: Name) -> Int? {
    let hash = Self.hash(name)
    if table.isEmpty {
      for slot in entries.indices where isEntry(slot, name, hash) { return slot }
      return nil
    }
    let mask = table.count - 1
    var place = Int(hash) & mask
    while true {
      let found = table[place]
      if found == 0 { return nil }
      if found != .max && isEntry(Int(found) - 1, name, hash) { return Int(found) - 1 }
      place = (place + 1) & mask
    }
  }

  @inlinable
  func isEntry(_ slot: Int, _ name: Name, _ hash: UInt32) -> Bool {
    guard entries[slot].hash == hash, Int(entries[slot].length) == name.count, entries[slot].value != nil else {
      return false
    }
    let offset = entries[slot].offset
    return names.withUnsafeBytes { bytes in
      name.equals(Name(UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + name.count])))
    }
  }

  private mutating func append(_ name: Name, _ value: Value, sequence: Int64) {
    entries.append(
      Entry(
        sequence: sequence, offset: names.count, hash: Self.hash(name), length: UInt16(truncatingIfNeeded: name.count),
        value: value))
    names.append(contentsOf: name.bytes)
    count += 1
    enter(entries.count - 1)
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
    var place = Int(entries[slot].hash) & mask
    while table[place] != 0 && table[place] != .max { place = (place + 1) & mask }
    if table[place] == 0 { used += 1 }
    table[place] = UInt32(truncatingIfNeeded: slot + 1)
  }

  private mutating func unhash(_ slot: Int) {
    guard !table.isEmpty else { return }
    let mask = table.count - 1
    var place = Int(entries[slot].hash) & mask
    while table[place] != UInt32(truncatingIfNeeded: slot + 1) {
      if table[place] == 0 { return }
      place = (place + 1) & mask
    }
    table[place] = .max
  }

  private mutating func rebuildTable() {
    var size = 32
    while size < entries.count * 2 { size *= 2 }
    table = [UInt32](repeating: 0, count: size)
    used = 0
    let mask = size - 1
    for slot in entries.indices where entries[slot].value != nil {
      var place = Int(entries[slot].hash) & mask
      while table[place] != 0 { place = (place + 1) & mask }
      table[place] = UInt32(truncatingIfNeeded: slot + 1)
      used += 1
    }
  }

  // MARK: - The order

  /// The first slot whose sequence number is not below `cursor`.
  @inlinable
  func firstSlot(from cursor: Int64) -> Int {
    var low = 0
    var high = entries.count
    while low < high {
      let middle = (low + high) / 2
      if entries[middle].sequence < cursor { low = middle + 1 } else { high = middle }
    }
    return low
  }

  /// Closes the holes of `entries` and of `names`. Sequence numbers stay.
  private mutating func compact() {
    var keptNames: [UInt8] = []
    keptNames.reserveCapacity(names.count / 2)
    var kept: [Entry] = []
    kept.reserveCapacity(count)
    for var entry in entries where entry.value != nil {
      let range = entry.offset..<entry.offset + Int(entry.length)
      entry.offset = keptNames.count
      keptNames.append(contentsOf: names[range])
      kept.append(entry)
    }
    entries = kept
    names = keptNames
    table = []
    used = 0
    if entries.count > 8 { rebuildTable() }
  }
}
