// What patterns name in a tree, looked at once, before the first guest: where symbolic links lead a pattern. A rule for
// ~/.aws holds for the link of that name, and for /srv/aws that it leads to.

import LinuxABI

extension VirtualFileSystem {
  /// Why rules cannot be enforced.
  public enum RuleProblem: Error, Equatable {
    /// The rule at this place has a pattern that is none.
    case pattern(Int, PathPattern.Problem)
    /// There are too many.
    case tooMany
    /// The rule at this place keeps everybody from the root, and nothing below is excepted.
    case root(Int)
  }

  /// From now on what rules say holds for everybody. To be called once the tree has its mounts.
  ///
  /// - Parameter home: what `~` stands for in patterns.
  public func enforce(_ rules: [PathRule], home: [UInt8]?) throws(RuleProblem) {
    if rules.isEmpty { return }
    var entries: [PathRules.Entry] = []
    for (place, rule) in rules.enumerated() {
      do throws(PathPattern.Problem) {
        entries.append(PathRules.Entry(pattern: try PathPattern(rule.pattern, home: home), rule: place))
      } catch {
        throw .pattern(place, error)
      }
    }
    var search = RulePlaces(self)
    for entry in entries { search.follow(entry) }
    entries += search.found
    guard rules.count <= Int(Int32.max), PathRules.elementCount(entries) <= PathRules.elementLimit else {
      throw .tooMany
    }
    let automaton = PathRules(rules, entries)
    let verdict = automaton.verdict(automaton.root)
    if verdict.isRefused { throw .root(Int(verdict.rule)) }
    enforce(automaton)
  }
}

/// A search for the symbolic links on the ways of patterns.
private struct RulePlaces {
  private let tree: VirtualFileSystem
  private let caller: VirtualFileSystem.Caller
  /// The same patterns as links have them go on.
  private(set) var found: [PathRules.Entry] = []
  /// Names that may still be looked at: a pattern like `/home/*/x` lists /home.
  private var budget = 20_000

  init(_ tree: VirtualFileSystem) {
    self.tree = tree
    caller = .supervisor(of: tree)
  }

  mutating func follow(_ entry: PathRules.Entry) {
    follow(entry.pattern.components[...], from: tree.root, [], entry.rule, links: 0)
  }

  /// - Parameter path: of `position`, without links.
  private mutating func follow(
    _ rest: ArraySlice<PathPattern.Component>, from position: Position, _ path: [[UInt8]], _ rule: Int, links: Int
  ) {
    // Such a file system makes up its names as they are asked for.
    guard let first = rest.first, let directory = position.dentry.inode, directory.isDirectory,
      !position.mount.filesystem.hasFixedNames
    else { return }
    switch first {
    case .name(let name): step(name, rest.dropFirst(), from: position, path, rule, links)
    case .anyDepth: break
    case .pattern, .anything:
      var names: [[UInt8]] = []
      _ = try? directory.iterate(from: 0) { entry in
        budget -= 1
        if first.matches(entry.name), !entry.name.isDot, !entry.name.isDotDot { names.append(entry.name.copy) }
        return budget > 0
      }
      for name in names { step(name, rest.dropFirst(), from: position, path, rule, links) }
    }
  }

  private mutating func step(
    _ name: [UInt8], _ rest: ArraySlice<PathPattern.Component>, from position: Position, _ path: [[UInt8]], _ rule: Int,
    _ links: Int
  ) {
    budget -= 1
    if budget < 0 { return }
    // What cannot be looked at is nobody's inside either.
    guard let child = try? Name.with(name, { (name) throws(Errno) in try tree.child(name, of: position) }),
      let inode = child.dentry.inode
    else { return }
    guard inode.type == .symlink else {
      return follow(rest, from: tree.crossMounts(child), path + [name], rule, links: links)
    }
    guard links < 40,
      let target = try? name.withUnsafeBytes({ (bytes) in
        try tree.resolve(bytes, from: position, in: caller.context, caller.credentials)
      }),
      let place = tree.path(of: target, from: tree.root, marksDeleted: false)
    else { return }
    let components = place.split(separator: 0x2f).map { [UInt8]($0) }
    found.append(PathRules.Entry(pattern: PathPattern(path: components, rest), rule: rule))
    follow(rest, from: target, components, rule, links: links + 1)
  }
}
