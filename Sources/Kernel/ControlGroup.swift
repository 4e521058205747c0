// A control group of our own below one that we may make groups in (`man 7 cgroups`): what its members use together is bounded by
// the kernel. Both versions are known: of version 1 each controller is a hierarchy of its own, with a group in each.

public import LinuxABI

/// The group of one sandbox. A process of its own removes it when this object goes, or with the supervisor's end (`DirectoryReaper`):
/// the supervisor itself may be confined by then.
public final class ControlGroup {
  /// What is to be bounded; nil for what is not.
  public struct Limits: Equatable {
    /// Bytes.
    public var memory: UInt64?
    /// Thousandths of a CPU.
    public var processors: UInt64?

    public init(memory: UInt64? = nil, processors: UInt64? = nil) {
      self.memory = memory
      self.processors = processors
    }
  }

  /// Our directory in one hierarchy.
  private final class Place {
    let isVersion1: Bool
    let group: OwnedDescriptor
    /// `cgroup.procs`, open for writing, and what counts kills, -1 if the hierarchy has no such file: no wall that is built later is in the way.
    let members: OwnedDescriptor
    let events: CInt
    var reaper: DirectoryReaper?

    /// Makes it.
    init(in parent: [UInt8], isVersion1: Bool) throws(Errno) {
      let path = parent + Array("/vedette-\(Host.ownProcess)".utf8)
      self.isVersion1 = isVersion1
      var reaper: DirectoryReaper? = try path.withCString { path throws(Errno) in try DirectoryReaper(of: path) }
      do throws(Errno) {
        try path.withCString { path throws(Errno) in
          try Host.makeDirectory(path, in: AtFlags.currentDirectory, mode: 0o755)
        }
      } catch {
        reaper.take()?.dismiss()
        throw error
      }
      group = try path.withCString { path throws(Errno) in try Host.openTrusted(path, [.directory, .noFollow]) }
      members = try ControlGroup.open("cgroup.procs", .writeOnly, in: group.rawValue)
      var events: CInt = -1
      do throws(Errno) {
        let name: StaticString = isVersion1 ? "memory.oom_control" : "memory.events"
        events = try ControlGroup.open(name, [], in: group.rawValue).release()
      } catch { if error != .noSuchFileOrDirectory { throw error } }
      self.events = events
      self.reaper = reaper.take()
    }

    deinit { if events >= 0 { Host.close(events) } }
  }

  private let places: [Place]

  private init(_ places: [Place]) { self.places = places }

  /// Makes a group with these limits, without members.
  ///
  /// - Throws: `.notSupported` if no hierarchy has the controllers, or what the kernel refuses it with, mostly `.permissionDenied`
  ///   or `.readOnlyFileSystem`.
  public static func make(_ limits: Limits) throws(Errno) -> ControlGroup {
    let hierarchies = try Hierarchy.all()
    var places: [Place] = []
    if let memory = limits.memory {
      try setMemory(memory, try place(for: "memory", in: hierarchies, &places))
    }
    if let processors = limits.processors {
      try setProcessors(processors, try place(for: "cpu", in: hierarchies, &places))
    }
    return ControlGroup(places)
  }

  /// The process, with all of its threads, and what it will make become members.
  public func add(_ process: Int32) throws(Errno) {
    for place in places { try Host.writeAll(Self.decimal(UInt64(clamping: process)), to: place.members.rawValue) }
  }

  /// How many processes the kernel has ended because the memory of all was used up.
  public var killed: UInt64 {
    for place in places {
      guard place.events >= 0, (try? Host.seek(place.events, to: 0)) != nil, let text = try? Host.readAll(place.events)
      else { continue }
      for line in text.split(separator: 0x0a) where line.starts(with: "oom_kill ".utf8) {
        return Digits.parse(line.dropFirst(9)) ?? 0
      }
    }
    return 0
  }

  /// Removes the group and waits for that. To be called when its last member is gone.
  public func remove() { for place in places { place.reaper.take()?.remove() } }

  // MARK: - Making one

  /// Finds or makes our group in the hierarchy that has the controller.
  private static func place(
    for controller: StaticString, in hierarchies: [Hierarchy], _ places: inout [Place]
  ) throws(Errno) -> Place {
    guard let hierarchy = hierarchies.first(where: { $0.has(controller) }) else { throw .notSupported }
    var refusal = Errno.permissionDenied
    for parent in hierarchy.candidates {
      do throws(Errno) {
        if !hierarchy.isVersion1 { try enable(controller, in: parent) }
        // Version 2 has one hierarchy for all controllers.
        if !hierarchy.isVersion1, let place = places.first(where: { !$0.isVersion1 }) { return place }
        let place = try Place(in: parent, isVersion1: hierarchy.isVersion1)
        places.append(place)
        return place
      } catch { refusal = error }
    }
    throw refusal
  }

  /// Members of version 2 can be moved to a group only by one who may write to the member list of the group above both, and
  /// a controller is enabled for the groups below one that has no members itself.
  private static func enable(_ controller: StaticString, in path: [UInt8]) throws(Errno) {
    let directory = try path.withCString { path throws(Errno) in try Host.openTrusted(path, [.directory]) }
    let parent = directory.rawValue
    try ("cgroup.procs" as StaticString).withCString { name throws(Errno) in
      try Host.mayAccess(name, in: parent, .write)
    }
    let controller = controller.withUTF8Buffer { Array($0) }
    let enabled = try read("cgroup.subtree_control", in: parent)
    if enabled.split(whereSeparator: { $0 == 0x20 || $0 == 0x0a }).contains(where: { $0.elementsEqual(controller) }) {
      return
    }
    try write([0x2b] + controller, to: "cgroup.subtree_control", in: parent)
  }

  private static func setMemory(_ bytes: UInt64, _ place: Place) throws(Errno) {
    // Version 1 counts in pages and takes no more than fits.
    let bytes = min(bytes, UInt64(Int64.max))
    try write(bytes, to: place.isVersion1 ? "memory.limit_in_bytes" : "memory.max", in: place.group.rawValue)
    // Without swap accounting these files are not there.
    do throws(Errno) {
      if place.isVersion1 {
        try write(bytes, to: "memory.memsw.limit_in_bytes", in: place.group.rawValue)
      } else {
        try write(0, to: "memory.swap.max", in: place.group.rawValue)
      }
    } catch { if error != .noSuchFileOrDirectory { throw error } }
  }

  private static func setProcessors(_ thousandths: UInt64, _ place: Place) throws(Errno) {
    // Microseconds of CPU time in a period of 100 ms; the kernel's least is 1 ms.
    let quota = max(1000, min(thousandths, 1 << 32) * 100)
    if place.isVersion1 {
      try write(100_000, to: "cpu.cfs_period_us", in: place.group.rawValue)
      try write(quota, to: "cpu.cfs_quota_us", in: place.group.rawValue)
    } else {
      try write(decimal(quota) + Array(" 100000".utf8), to: "cpu.max", in: place.group.rawValue)
    }
  }

  // MARK: - Files of a group

  private static func decimal(_ value: UInt64) -> [UInt8] { Digits.withDecimal(value) { [UInt8](cString: $0) } }

  private static func open(_ name: StaticString, _ flags: OpenFlags, in group: CInt) throws(Errno) -> OwnedDescriptor {
    try name.withCString { name throws(Errno) in try Host.openTrusted(name, in: group, flags) }
  }

  private static func read(_ name: StaticString, in group: CInt) throws(Errno) -> [UInt8] {
    let file = try open(name, [], in: group)
    return try Host.readAll(file.rawValue)
  }

  private static func write(_ value: UInt64, to name: StaticString, in group: CInt) throws(Errno) {
    try write(decimal(value), to: name, in: group)
  }

  private static func write(_ value: [UInt8], to name: StaticString, in group: CInt) throws(Errno) {
    let file = try open(name, .writeOnly, in: group)
    try Host.writeAll(value, to: file.rawValue)
  }
}

/// A mounted hierarchy of control groups, and where in it we are (`/proc/self/cgroup`, `/proc/self/mountinfo`).
struct Hierarchy {
  let isVersion1: Bool
  /// Of version 1, what the hierarchy has; of version 2 the groups themselves list theirs.
  let controllers: [ArraySlice<UInt8>]
  /// Directories that a group can be made in, the best first: ours, and of version 2 those above it, because a group with
  /// members cannot hand controllers on.
  let candidates: [[UInt8]]

  /// Both versions; those that are not mounted, or not where we are, are left out.
  static func all() throws(Errno) -> [Hierarchy] {
    let mounts = try MountInfo.all()
    let text = try Host.readFile("/proc/self/cgroup")
    return text.split(separator: 0x0a).compactMap { Hierarchy($0, mounts) }
  }

  /// - Parameter line: `ID:CONTROLLERS:PATH`; version 2 has the number 0 and no controllers.
  init?(_ line: ArraySlice<UInt8>, _ mounts: [MountInfo]) {
    let fields = line.split(separator: 0x3a, maxSplits: 2, omittingEmptySubsequences: false)
    guard fields.count == 3 else { return nil }
    controllers = fields[1].split(separator: 0x2c)
    let names = controllers
    isVersion1 = !fields[0].elementsEqual("0".utf8)
    let type: [UInt8] = Array((isVersion1 ? "cgroup" : "cgroup2").utf8)
    let mount = mounts.first { mount in
      mount.type?.elementsEqual(type) == true
        && names.allSatisfy { name in mount.superOptions.contains { $0.elementsEqual(name) } }
    }
    guard let mount else { return nil }
    // What is mounted may itself be a group: paths are counted from the hierarchy's root.
    let root = mount.root.elementsEqual([0x2f]) ? [] : Array(mount.root)
    guard fields[2].starts(with: root) else { return nil }
    let top = Array(mount.mountPoint)
    var path = Array(fields[2].dropFirst(root.count))
    while path.last == 0x2f { path.removeLast() }
    var candidates = [top + path]
    if !isVersion1 {
      while let slash = path.lastIndex(of: 0x2f) {
        path.removeSubrange(slash...)
        candidates.append(top + path)
      }
    }
    self.candidates = candidates
  }

  func has(_ controller: StaticString) -> Bool {
    let name = controller.withUTF8Buffer { Array($0) }
    if isVersion1 { return controllers.contains { $0.elementsEqual(name) } }
    guard let own = candidates.last,
      let text = try? (own + Array("/cgroup.controllers".utf8)).withCString({ path throws(Errno) in
        try Host.readFile(path)
      })
    else { return false }
    return text.split(whereSeparator: { $0 == 0x20 || $0 == 0x0a }).contains { $0.elementsEqual(name) }
  }
}
