// What must follow a step on a persistent upper, written down before the step. Most operations have one step that shows,
// and all others come before it and show nothing; where something must come behind it (a link count that no layer has,
// marks of an inode that is gone), a run that is killed in between leaves its intent, and the next run finishes.
//
// `work/intent` holds one intent at most: a header (magic, length, checksum) and fields that end in NUL. It is written by
// one call, before the step; a torn one has a wrong checksum, so its step was never taken. Zeros in the header: none.

import Kernel
import LinuxABI
import VFS

/// Steps to be taken once another step has been.
struct OverlayIntent: Equatable {
  /// What shows that the step has been taken.
  enum Proof: Equatable {
    /// It has.
    case taken
    /// The upper has no entry at the path.
    case isGone
    /// The directory of the path has a whiteout for its last component.
    case isWhiteout
    /// The upper entry at the path is the inode with this number.
    case holds(UInt64)
    /// The access ACL of the upper entry at the path has this checksum; that of no bytes for none.
    case list(UInt64)
  }

  enum FollowUp: Equatable {
    /// The link count of the lower file with this number is now that.
    case links(number: UInt64, count: UInt32)
    /// The upper inode with this number is gone, and so are its marks in the overflow store.
    case forget(UInt64)
    /// The upper entry at the path has this mode.
    case mode(Permissions)
  }

  var proof: Proof
  /// From the upper's root, without a slash at either end.
  var path: [UInt8]
  var followUps: [FollowUp]

  private static let magic: UInt32 = 0x3149_6456
  static let headerSize = 16

  init(_ proof: Proof, _ path: [UInt8], _ followUps: [FollowUp]) {
    self.proof = proof
    self.path = path
    self.followUps = followUps
  }

  /// Header and fields.
  var encoded: [UInt8] {
    let proof =
      switch proof {
      case .taken: "taken"
      case .isGone: "gone"
      case .isWhiteout: "whiteout"
      case .holds(let number): "holds \(number)"
      case .list(let checksum): "list \(checksum)"
      }
    let steps = followUps.map { step in
      switch step {
      case .links(let number, let count): "links \(number) \(count)"
      case .forget(let number): "forget \(number)"
      case .mode(let permissions): "mode \(permissions.rawValue)"
      }
    }
    var body: [UInt8] = []
    for field in [[UInt8](proof.utf8), path] + steps.map({ [UInt8]($0.utf8) }) { body += field + [0] }
    var result: [UInt8] = []
    withUnsafeBytes(of: Self.magic.littleEndian) { result += $0 }
    withUnsafeBytes(of: UInt32(truncatingIfNeeded: body.count).littleEndian) { result += $0 }
    withUnsafeBytes(of: Self.checksum(body).littleEndian) { result += $0 }
    return result + body
  }

  /// nil for no intent: zeros, a torn one, or what this program has not written.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= Self.headerSize, Self.word(bytes, 0) == UInt64(Self.magic) else { return nil }
    let end = Self.headerSize + Int(Self.word(bytes, 4))
    let checksum = Self.word(bytes, 8) | Self.word(bytes, 12) << 32
    guard end <= bytes.count, Self.checksum([UInt8](bytes[Self.headerSize..<end])) == checksum else { return nil }
    var fields = bytes[Self.headerSize..<end].split(separator: 0, omittingEmptySubsequences: false).map { [UInt8]($0) }
    guard fields.count >= 3, fields.popLast() == [] else { return nil }
    let words = fields.map { String(decoding: $0, as: UTF8.self).split(separator: " ") }
    switch (words[0].first, words[0].count == 2 ? UInt64(words[0][1]) : nil) {
    case ("taken", nil): proof = .taken
    case ("gone", nil): proof = .isGone
    case ("whiteout", nil): proof = .isWhiteout
    case ("holds", let number?): proof = .holds(number)
    case ("list", let checksum?): proof = .list(checksum)
    default: return nil
    }
    path = fields[1]
    followUps = []
    for step in words.dropFirst(2) {
      let numbers = step.dropFirst().compactMap { UInt64($0) }
      switch (step.first, numbers.count) {
      case ("links", 2):
        guard let count = UInt32(exactly: numbers[1]) else { return nil }
        followUps.append(.links(number: numbers[0], count: count))
      case ("forget", 1): followUps.append(.forget(numbers[0]))
      case ("mode", 1):
        guard let mode = UInt16(exactly: numbers[0]) else { return nil }
        followUps.append(.mode(Permissions(rawValue: mode)))
      default: return nil
      }
    }
  }

  private static func word(_ bytes: [UInt8], _ offset: Int) -> UInt64 {
    (0..<4).reduce(0) { $0 | UInt64(bytes[offset + $1]) << (8 * $1) }
  }

  static func checksum(_ bytes: [UInt8]) -> UInt64 { FNV(bytes).value }
}

/// The file `work/intent`.
final class IntentLog {
  private let work: Inode
  private var descriptor: OwnedDescriptorBox?
  /// An intent whose follow-ups could not be finished (a full disk): nothing new may take its place.
  private(set) var unfinished: OverlayIntent?

  init(in work: Inode) { self.work = work }

  /// The intent that an earlier run has left; nil if there is none.
  static func pending(in work: Inode) throws(Errno) -> OverlayIntent? {
    let file = try Name.with("intent") { name throws(Errno) in try work.lookup(name) }
    guard let file, file.type == .regular else { return nil }
    let descriptor = try file.open([])
    return OverlayIntent(try Host.readAll(descriptor.rawValue))
  }

  func write(_ intent: OverlayIntent) throws(Errno) {
    let file = try open()
    do throws(Errno) {
      try put(intent.encoded, file)
    } catch {
      clear()
      throw error
    }
    CrashPoint.passed("intent")
  }

  /// What was intended is done, or its step was not taken.
  func clear() {
    unfinished = nil
    guard let descriptor else { return }
    _ = try? put([UInt8](repeating: 0, count: OverlayIntent.headerSize), descriptor.rawValue)
    CrashPoint.passed("intent done")
  }

  /// The step has been taken, and what must follow could not be done: it stays written down, whatever comes of the path.
  func keep(_ intent: OverlayIntent) {
    var intent = intent
    intent.proof = .taken
    unfinished = intent
    // Room for it is there: it replaces one of its own length or more, but for a few bytes.
    _ = try? put(intent.encoded, open())
  }

  private func put(_ bytes: [UInt8], _ file: CInt) throws(Errno) {
    try bytes.withUnsafeBufferPointer { bytes throws(Errno) in
      try Host.write(UnsafeRawBufferPointer(bytes), to: file)
    }
  }

  /// - Throws: EUCLEAN if something else has the name.
  @discardableResult
  func open() throws(Errno) -> CInt {
    if let descriptor { return descriptor.rawValue }
    let file = try Name.with("intent") { name throws(Errno) -> Inode in
      if let found = try work.lookup(name) {
        guard found.type == .regular else { throw .needsCleaning }
        return found
      }
      return try work.create(
        name, NewInode(.regular, permissions: Permissions(rawValue: 0o600), owner: work.owner, group: work.group))
    }
    let box = OwnedDescriptorBox(try file.open(.readWrite))
    descriptor = box
    return box.rawValue
  }
}

extension OverlayFilesystem {
  /// Takes `step`, and then what must follow it, so that a run that is killed anywhere leaves both or, for the next run
  /// to finish, their intent.
  ///
  /// - Throws: what `step` throws, with nothing changed; errnos of writing the intent.
  func commit(
    _ proof: OverlayIntent.Proof, _ name: Name, in directory: OverlayDirectory, _ followUps: [OverlayIntent.FollowUp],
    _ step: () throws(Errno) -> Void
  ) throws(Errno) {
    guard let intents, !followUps.isEmpty else { return try step() }
    let root = rootDirectory?.upper
    if let unfinished = intents.unfinished { try finish(unfinished, root) }
    let intent = OverlayIntent(proof, directory.upperPath(name), followUps)
    try intents.write(intent)
    do throws(Errno) {
      try step()
    } catch {
      intents.clear()
      throw error
    }
    // What has been done cannot fail any more.
    _ = try? finish(intent, root)
  }

  /// Takes the steps that follow.
  ///
  /// - Throws: errnos of the store; the intent is kept then.
  private func finish(_ intent: OverlayIntent, _ root: Inode?) throws(Errno) {
    do throws(Errno) {
      for step in intent.followUps { try take(step, intent, root) }
    } catch {
      intents?.keep(intent)
      throw error
    }
    intents?.clear()
  }

  /// Taken once more, a step changes nothing.
  private func take(_ step: OverlayIntent.FollowUp, _ intent: OverlayIntent, _ root: Inode?) throws(Errno) {
    switch step {
    case .links(let number, let count): try marks?.setLinks(number, to: count)
    case .forget(let number): try marks?.forgetElsewhere(number)
    case .mode(let permissions):
      guard let root, let entry = try intent.entry(below: root)?.entry else { return }
      var change = AttributeChange()
      change.permissions = permissions
      try entry.setAttributes(change)
    }
  }

  /// Finishes what a killed run left.
  func finishPending(in work: Inode, root: Inode) throws(Errno) {
    guard let intent = try IntentLog.pending(in: work), let marks else { return }
    try intents?.open()
    if try intent.isTaken(below: root, marks) {
      // On a full disk it stays, and the next change that needs an intent tries again.
      _ = try? finish(intent, root)
    } else {
      intents?.clear()
    }
  }

  /// What must follow when `inode` loses a name; `entry` is its upper entry there, which is about to go.
  func followUps(ofLosing inode: OverlayInode, entry: Inode?) -> [OverlayIntent.FollowUp] {
    guard isPersistent, let marks else { return [] }
    var result: [OverlayIntent.FollowUp] = []
    let links = inode.isDirectory ? nil : inode.linksWithoutOneName
    if let links, inode.links != nil || links > 0 { result.append(.links(number: inode.number, count: links)) }
    if let entry, marks.areElsewhere(of: entry) {
      // The index has a link too, and gives it up with the last name.
      let others = entry.isDirectory ? 0 : Int(entry.linkCount) - 1 - (links == 0 ? 1 : 0)
      if others <= 0 { result.append(.forget(entry.number)) }
    }
    return result
  }
}

extension OverlayIntent {
  /// Whether the step was taken before the run was killed.
  func isTaken(below root: Inode, _ marks: OverlayMarks) throws(Errno) -> Bool {
    if proof == .taken { return true }
    guard let (parent, name, entry) = try entry(below: root) else { return false }
    switch proof {
    case .taken: return true
    case .isGone: return entry == nil
    case .isWhiteout:
      if entry != nil { return false }
      return try marks.whiteouts(of: parent).contains(name)
    case .holds(let number): return entry?.number == number
    case .list(let checksum):
      guard let entry else { return false }
      return try Self.checksum(marks.storedAccessList(of: entry)) == checksum
    }
  }

  /// The upper directory that the path leads to, the last component, and what is there; nil if there is no such directory.
  func entry(below root: Inode) throws(Errno) -> (parent: Inode, name: [UInt8], entry: Inode?)? {
    let components = path.split(separator: 0x2f).map { [UInt8]($0) }
    guard let last = components.last else { return nil }
    var directory = root
    for component in components.dropLast() {
      let parent = directory
      let next = try Name.with(component) { name throws(Errno) in try parent.lookup(name) }
      guard let next, next.isDirectory else { return nil }
      directory = next
    }
    let parent = directory
    return (parent, last, try Name.with(last) { name throws(Errno) in try parent.lookup(name) })
  }
}

extension OverlayDirectory {
  /// Where `name` here is in the upper: its directories are those of the merged tree.
  func upperPath(_ name: Name) -> [UInt8] {
    var names: [[UInt8]] = [name.copy]
    var directory = self
    while let parent = directory.parent {
      names.append(directory.name)
      directory = parent
    }
    return [UInt8](names.reversed().joined(separator: [0x2f]))
  }
}
