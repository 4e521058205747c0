// Where the rules of a run hold: at each name that is looked up, and at what is done with what was found.
//
// A dentry's state follows from its directory's and its name when it is made, and stays: no directory is moved to where other
// rules would hold for what is below it (EXDEV, as between two mounts, so that mv(1) copies instead). What a rule refuses is
// never given a position, so no descriptor, working directory or mapping of it comes to be.

public import LinuxABI

extension VirtualFileSystem {
  /// What is about to be done at a place.
  public enum RuledAccess {
    /// To read what it holds: content, names, attributes of the extended kind.
    case read
    /// To change or remove it.
    case change
    /// To make something of this name.
    case make
    /// To make a symbolic link of this name.
    case makeSymlink
  }

  /// Asks the rules alone: permissions, mounts and what there is are other questions.
  ///
  /// - Throws: `.readOnlyFileSystem` for what is protected; `.permissionDenied` for what is denied or hidden.
  @inline(__always)
  public func checkRules(_ access: RuledAccess, of dentry: Dentry) throws(Errno) {
    if dentry.ruleState != .free { try judge(access, dentry) }
  }

  private func judge(_ access: RuledAccess, _ dentry: Dentry) throws(Errno) {
    guard let rules else { return }
    let verdict = rules.verdict(dentry.ruleState)
    switch (verdict.action, access) {
    case (.deny, _), (.hide, .change), (.hide, .make), (.hide, .makeSymlink): throw .permissionDenied
    case (.protect, .change), (.protect, .make), (.protect, .makeSymlink): throw .readOnlyFileSystem
    case (_, .makeSymlink) where verdict.isAbove: throw .permissionDenied
    default: break
    }
  }

  /// Whether a rename keeps what the rules say. Both names have been looked up.
  ///
  /// - Throws: as `checkRules`; `.improperLink` for a directory below which other rules would hold.
  func checkMove(_ source: Dentry, _ target: Dentry, isExchange: Bool) throws(Errno) {
    if source.ruleState == .free, target.ruleState == .free { return }
    try checkRules(.change, of: source)
    try checkRules(target.inode == nil ? .make : .change, of: target)
    try checkArrival(of: source, at: target)
    if isExchange { try checkArrival(of: target, at: source) }
  }

  private func checkArrival(of moved: Dentry, at place: Dentry) throws(Errno) {
    guard let rules, let inode = moved.inode else { return }
    if inode.isDirectory, moved.ruleState != state(of: inode, at: place.ruleState, rules) { throw .improperLink }
    try checkRules(inode.type == .symlink ? .makeSymlink : .make, of: place)
  }

  // MARK: - Names

  /// A name that has just been looked up.
  @inline(__always)
  func ruled(_ dentry: Dentry) throws(Errno) -> Dentry {
    if rules == nil { return dentry }
    place(dentry)
    return dentry.isRefused ? try judged(dentry) : dentry
  }

  /// The dentry has got its place: what the rules say there.
  func place(_ dentry: Dentry) {
    guard let rules, let directory = dentry.parent else { return }
    var state = Name.with(dentry.name) { rules.next(directory.ruleState, $0) }
    if let inode = dentry.inode { state = self.state(of: inode, at: state, rules) }
    dentry.ruleState = state
    dentry.isRefused = isRefused(dentry.inode, rules.verdict(state))
  }

  /// The state of an inode at a place of a state.
  private func state(of inode: Inode, at place: PathRules.State, _ rules: PathRules) -> PathRules.State {
    if !inode.isDirectory { return ruleLinks?.state(of: inode, at: place, in: self) ?? place }
    return inode.formerPaths.reduce(place) { rules.union($0, rules.state(of: $1), isStricter: true) }
  }

  /// What is above an exception can be walked through: directories, and the links that lead there.
  private func isRefused(_ inode: Inode?, _ verdict: RuleVerdict) -> Bool {
    guard let inode, verdict.action >= .deny else { return false }
    return !verdict.isPassable || !inode.isDirectory && inode.type != .symlink
  }

  /// What is said of a name that a rule keeps everybody from.
  ///
  /// - Throws: `.permissionDenied`.
  /// - Returns: of a hidden one, that it is not there.
  func judged(_ dentry: Dentry) throws(Errno) -> Dentry {
    guard let rules else { return dentry }
    guard rules.verdict(dentry.ruleState).action == .hide else { throw .permissionDenied }
    let missing = Dentry(parent: dentry.parent, name: dentry.name, inode: nil)
    missing.ruleState = dentry.ruleState
    return missing
  }

  /// Which names a listing of the directory leaves out; nil if it has them all.
  public func hiddenNames(of directory: Dentry) -> ((Name) -> Bool)? {
    guard let rules, rules.verdict(directory.ruleState).hidesNames else { return nil }
    let state = directory.ruleState
    return { name in
      let verdict = rules.verdict(rules.next(state, name))
      return verdict.action == .hide && !verdict.isPassable
    }
  }

  /// Other names of files that rules name were looked for, and there was too much to look at.
  public var missesRuledLinks: Bool { ruleLinks?.isIncomplete ?? false }

  // MARK: - Taking effect

  /// From now on the rules hold. What has been looked up before is judged as well.
  func enforce(_ rules: PathRules) {
    self.rules = rules
    ruleLinks = RuleLinks(rules)
    for mount in mountList {
      guard let point = mount.point else {
        mount.root.ruleState = rules.root
        continue
      }
      assign(point.dentry)
      mount.root.ruleState = point.dentry.ruleState
      if let path = mount.hostPath {
        let onHost = rules.state(of: path.split(separator: 0x2f).map { [UInt8]($0) })
        // What an option names itself is shown; the rules hold for what is below.
        mount.root.ruleState = rules.union(mount.root.ruleState, onHost, isStricter: false)
      }
    }
    cache.forEach(assign)
  }

  private func assign(_ dentry: Dentry) {
    guard let parent = dentry.parent else { return }
    assign(parent)
    place(dentry)
  }
}
