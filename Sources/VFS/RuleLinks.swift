// Other names of what a rule names: a hard link of a layer is the same file, and a file of the host that a bind shows as well.
// A guest makes no such link (EROFS, EACCES), so all there are were there before it; they are looked for when the first file
// with several names is met that no rule names, which in most runs is never.

import LinuxABI

/// The files with several names below the places that patterns with a fixed beginning name, by what they are on the host.
final class RuleLinks {
  private let rules: PathRules
  /// The rule that holds for each.
  private var found: [FileIdentity: Int32]?
  /// Names that may be looked at for it.
  private var budget = 100_000
  /// There were more.
  private(set) var isIncomplete = false

  init(_ rules: PathRules) { self.rules = rules }

  /// What holds for a file that has other names, besides what holds for the name that it was found by.
  func state(of inode: Inode, at state: PathRules.State, in tree: VirtualFileSystem) -> PathRules.State {
    let verdict = rules.verdict(state)
    // By this name it is an exception.
    if verdict.rule >= 0, verdict.action == .allow || verdict.action >= .deny { return state }
    guard let identity = inode.hostFile else { return state }
    do throws(Errno) {
      if try inode.countLinks() < 2 { return state }
    } catch {
      return state
    }
    guard let rule = table(of: tree)[identity] else { return state }
    return rules.union(state, rules.state(ofRule: rule), isStricter: true)
  }

  private func table(of tree: VirtualFileSystem) -> [FileIdentity: Int32] {
    if let found { return found }
    found = [:]
    // A pattern at any depth would have us look at everything.
    let fixed = PathRules(rules.rules, rules.entries.filter { $0.pattern.components.first != .anyDepth })
    for mount in tree.mountList {
      guard let top = mount.root.inode, !mount.filesystem.hasFixedNames,
        let path = tree.path(of: Position(mount: mount, dentry: mount.root), from: tree.root)
      else { continue }
      var state = fixed.state(of: path.split(separator: 0x2f).map { [UInt8]($0) })
      if let path = mount.hostPath {
        state = fixed.union(state, fixed.state(of: path.split(separator: 0x2f).map { [UInt8]($0) }), isStricter: false)
      }
      look(top, state, fixed)
    }
    return found ?? [:]
  }

  /// Walks a tree as far as something of it can be named.
  private func look(_ top: Inode, _ state: PathRules.State, _ fixed: PathRules) {
    var pending = [(top, state)]
    while let (inode, state) = pending.popLast() {
      let verdict = fixed.verdict(state)
      if !inode.isDirectory {
        if verdict.action > .allow, let identity = inode.hostFile, (try? inode.countLinks()) ?? 2 > 1 {
          let known = found?[identity]
          found?[identity] = strictest(verdict.rule, known)
        }
        continue
      }
      if verdict.action == .allow, !fixed.goesOn(state) { continue }
      var names: [(name: [UInt8], state: PathRules.State)] = []
      _ = try? inode.iterate(from: 0) { entry in
        budget -= 1
        let next = fixed.next(state, entry.name)
        if entry.type == .directory || fixed.verdict(next).action > .allow { names.append((entry.name.copy, next)) }
        return budget > 0
      }
      if budget <= 0 { return isIncomplete = true }
      for (name, state) in names {
        if let child = try? inode.child(name) { pending.append((child, state)) }
      }
    }
  }

  private func strictest(_ rule: Int32, _ other: Int32?) -> Int32 {
    guard let other else { return rule }
    return rules.rules[Int(rule)].action > rules.rules[Int(other)].action ? rule : other
  }
}
