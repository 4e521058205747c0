// Patterns of rules, the automaton that they make, and what it says in a tree.

import LinuxABI
import Testing

@testable import VFS

private func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

private func components(_ path: String) -> [[UInt8]] { path.utf8.split(separator: 0x2f).map { [UInt8]($0) } }

struct PathPatternTests {
  private func pattern(_ text: String, home: String? = "/home/u") throws(PathPattern.Problem) -> PathPattern {
    try PathPattern(bytes(text), home: home.map(bytes))
  }

  @Test func patternsBeginSomewhere() throws {
    let ssh: [PathPattern.Component] = [.name(bytes("home")), .name(bytes("u")), .name(bytes(".ssh"))]
    #expect(try pattern("/home/u/.ssh").components == ssh)
    #expect(try pattern("//home//u/.ssh/").components == ssh)
    #expect(try pattern("~/.ssh").components == ssh)
    #expect(try pattern("~").components == [PathPattern.Component](ssh.dropLast()))
    #expect(try pattern("/").components.isEmpty)
    #expect(try pattern(".env").components == [.anyDepth, .name(bytes(".env"))])
    #expect(try pattern(".env/").components == [.anyDepth, .name(bytes(".env"))])
    #expect(try pattern("**/a/b").components == [.anyDepth, .name(bytes("a")), .name(bytes("b"))])
    #expect(try pattern("/**/**/a").components == [.anyDepth, .name(bytes("a"))])
    for (text, problem) in [
      ("", .empty), ("a/b", .notFromRoot), ("/a/./b", .hasDots), ("/a/..", .hasDots), ("..", .hasDots),
      ("~x", .otherHome),
      ("/a\u{0}", .hasNUL), ("/" + String(repeating: "x", count: 256), .tooLong),
      (String(repeating: "/x", count: 2048), .tooLong),
    ] as [(String, PathPattern.Problem)] {
      #expect(throws: problem) { try pattern(text) }
    }
    #expect(throws: PathPattern.Problem.noHome) { try pattern("~/x", home: nil) }
    #expect(throws: PathPattern.Problem.noHome) { try pattern("~/x", home: "x") }
  }

  @Test func bytesThatMeanSomething() throws {
    #expect(try pattern("/a*b").components == [.pattern(bytes("a*b"))])
    #expect(try pattern("/*").components == [.anything])
    #expect(try pattern("/a\\*b\\").components == [.name(bytes("a*b\\"))])
    #expect(try pattern("/[ab]").components == [.pattern(bytes("[ab]"))])
    #expect(try pattern("/a**").components == [.pattern(bytes("a**"))])
    // A home is a path, whatever bytes it has.
    #expect(try pattern("~", home: "/h*").components == [.name(bytes("h*"))])
  }
}

struct PathRulesTests {
  private func rules(_ rules: [(PathRule.Action, String)]) throws -> PathRules {
    let rules = rules.map { PathRule($0.0, bytes($0.1)) }
    return PathRules(
      rules,
      try rules.enumerated().map {
        PathRules.Entry(pattern: try PathPattern($1.pattern, home: bytes("/home/u")), rule: $0)
      })
  }

  private func action(_ rules: PathRules, _ path: String) -> PathRule.Action? {
    let verdict = rules.verdict(rules.state(of: components(path)))
    return verdict.rule < 0 ? nil : verdict.action
  }

  @Test func patternsCoverWhatTheyNameAndAllBelow() throws {
    let rules = try rules([
      (.deny, "~/.ssh"), (.hide, "*.key"), (.protect, "/srv/**/conf"), (.deny, "/opt/*/lib/**"), (.protect, "/var/l?g"),
    ])
    for path in [
      "/", "/home", "/home/u", "/home/u/.sshx", "/home/v/.ssh", "/srv/a/b", "/opt/x/lib", "/opt/lib/y", "/var/lg",
    ] {
      #expect(action(rules, path) == nil, "\(path)")
    }
    for path in ["/home/u/.ssh", "/home/u/.ssh/id", "/home/u/.ssh/a/b/c", "/opt/x/lib/y", "/opt/x/lib/y/z"] {
      #expect(action(rules, path) == .deny, "\(path)")
    }
    for path in ["/a.key", "/x/y/.key", "/home/u/.ssh/b.key"] { #expect(action(rules, path) == .hide, "\(path)") }
    for path in ["/srv/conf", "/srv/a/b/conf/c", "/var/log/x"] { #expect(action(rules, path) == .protect, "\(path)") }
  }

  @Test func theStrictestHoldsAsFarUpAsAnException() throws {
    let rules = try rules([
      (.deny, "/a"), (.allow, "/a/b"), (.protect, "/a/b"), (.hide, "/a/b/c"), (.allow, "/a/b/c/d"), (.protect, "/a/x"),
      (.deny, "/e"), (.allow, "/e"),
    ])
    #expect(action(rules, "/a") == .deny)
    #expect(action(rules, "/a/x") == .deny)
    #expect(action(rules, "/a/b/y") == .protect)
    #expect(action(rules, "/a/b/c/y") == .hide)
    #expect(action(rules, "/a/b/c/d/e") == .allow)
    #expect(action(rules, "/e") == .deny)
  }

  @Test func whatIsAboveAnExceptionIsPassed() throws {
    let rules = try rules([(.deny, "/"), (.allow, "/a/b"), (.protect, "/c/d")])
    func isRefused(_ path: String) -> Bool { rules.verdict(rules.state(of: components(path))).isRefused }
    #expect(!isRefused("/") && !isRefused("/a") && !isRefused("/a/b/c"))
    #expect(isRefused("/c") && isRefused("/a/c") && isRefused("/c/d"))
  }

  @Test func namesThatLeadOnAreKnown() throws {
    let rules = try rules([
      (.deny, "/a/b/c"), (.hide, "/d/*/e"), (.deny, ".env"), (.protect, "**/x/y"), (.allow, "/f/g"),
    ])
    func isAbove(_ path: String) -> Bool { rules.verdict(rules.state(of: components(path))).isAbove }
    for path in ["/a", "/a/b", "/d", "/d/q", "/z/x"] { #expect(isAbove(path), "\(path)") }
    for path in ["/", "/q", "/a/q", "/q/q", "/f"] { #expect(!isAbove(path), "\(path)") }
    #expect(rules.verdict(rules.state(of: components("/d/q"))).hidesNames)
    #expect(!rules.verdict(rules.state(of: components("/a"))).hidesNames)
  }

  /// Against a matcher that knows no automaton.
  @Test func agreesWithTheObviousWay() throws {
    var random = SystemRandomNumberGenerator()
    let names = ["a", "b", "ab", "ba"]
    func randomPath(_ parts: [String], upTo length: Int) -> [String] {
      (0..<Int.random(in: 1...length, using: &random)).map { _ in parts[Int.random(in: 0..<parts.count, using: &random)]
      }
    }
    func covers(_ pattern: ArraySlice<String>, _ path: ArraySlice<String>) -> Bool {
      guard let first = pattern.first else { return true }
      if first == "**" {
        let rest = pattern.dropFirst()
        if rest.isEmpty { return !path.isEmpty }
        return (path.startIndex...path.endIndex).contains { covers(rest, path[$0...]) }
      }
      guard let name = path.first, NamePattern.matches(bytes(first), bytes(name)) else { return false }
      return covers(pattern.dropFirst(), path.dropFirst())
    }
    for _ in 0..<200 {
      let patterns = (0..<3).map { _ in randomPath(names + ["*", "**", "a*", "?"], upTo: 4) }
      let actions: [PathRule.Action] = [.protect, .deny, .hide]
      let rules = try rules(zip(actions, patterns).map { ($0, "/" + $1.joined(separator: "/")) })
      for _ in 0..<20 {
        let path = randomPath(names, upTo: 5)
        let wanted = (0..<3).last { covers(patterns[$0][...], path[...]) }.map { actions[$0] }
        #expect(action(rules, path.joined(separator: "/")) == wanted, "\(path) by \(patterns)")
      }
    }
  }

  @Test func tooManyCombinationsAreDenied() throws {
    // Each name that begins with its letter is remembered for ever: 2^26 combinations.
    let letters = "abcdefghijklmnopqrstuvwxyz"
    let rules = try rules(letters.map { (.protect, "/**/\($0)*/**/end") })
    var mixed = rules.root
    for number in 0..<8192 {
      mixed = rules.root
      for (place, letter) in letters.enumerated() where number >> place & 1 == 1 {
        mixed = Name.with(bytes("\(letter)")) { rules.next(mixed, $0) }
      }
    }
    #expect(mixed == .overflow)
    #expect(rules.verdict(mixed).isRefused)
    #expect(Name.with(bytes("x")) { rules.next(.overflow, $0) } == .overflow)
  }

  @Test func unionsHoldBoth() throws {
    let rules = try rules([(.deny, "/a/x"), (.hide, "/b/y"), (.protect, "/c")])
    let (a, b, c) = (
      rules.state(of: components("/a")), rules.state(of: components("/b")), rules.state(of: components("/c"))
    )
    let both = rules.union(a, b, isStricter: true)
    #expect(rules.verdict(Name.with(bytes("x")) { rules.next(both, $0) }).action == .deny)
    #expect(rules.verdict(Name.with(bytes("y")) { rules.next(both, $0) }).action == .hide)
    #expect(rules.verdict(rules.union(a, c, isStricter: true)).action == .protect)
    #expect(rules.verdict(rules.union(a, c, isStricter: false)).rule == -1)
  }
}

/// A tree that is there: directories, files and links, of which anything may be moved.
private final class SmallFilesystem: Filesystem {
  final class Node: Inode {
    var children: [[UInt8]: Node] = [:]
    var target: [UInt8] = []
    override func lookup(_ name: Name) throws(Errno) -> Inode? { children[name.copy] }
    override func readlink() throws(Errno) -> [UInt8] { target }
    override func create(_ name: Name, _ new: NewInode) throws(Errno) -> Inode {
      let node = Node(
        filesystem: filesystem, type: new.type, number: UInt64.random(in: 10 ... .max), permissions: new.permissions,
        owner: 0, group: 0)
      children[name.copy] = node
      return node
    }
    override func rename(
      _ name: Name, _ inode: Inode, to newDirectory: Inode, _ newName: Name, replacing replaced: Inode?,
      _ flags: RenameFlags
    ) throws(Errno) {
      guard let target = newDirectory as? Node, let moved = children.removeValue(forKey: name.copy) else {
        throw .ioError
      }
      if flags.contains(.exchange) { children[name.copy] = replaced as? Node }
      target.children[newName.copy] = moved
    }
    override func removeDirectory(_ name: Name, _ inode: Inode) throws(Errno) { children[name.copy] = nil }
    override func unlink(_ name: Name, _ inode: Inode) throws(Errno) { children[name.copy] = nil }
  }

  private var top: Node?

  init() {
    super.init(typeName: "small")
    top = Node(
      filesystem: self, type: .directory, number: 1, permissions: Permissions(rawValue: 0o755), owner: 0, group: 0)
  }

  override var root: Inode { top ?? super.root }

  /// `a/`, `a`, or `a -> b`.
  func add(_ text: String) {
    let parts = text.split(separator: " -> ").map(String.init)
    var node = top
    for (place, name) in components(parts[0]).enumerated() {
      let isLast = place == components(parts[0]).count - 1
      let type: FileType = !isLast || text.hasSuffix("/") ? .directory : parts.count > 1 ? .symlink : .regular
      let child =
        node?.children[name]
        ?? Node(
          filesystem: self, type: type, number: UInt64.random(in: 10 ... .max),
          permissions: Permissions(rawValue: 0o755), owner: 0, group: 0)
      if parts.count > 1, isLast { child.target = bytes(parts[1]) }
      node?.children[name] = child
      node = child
    }
  }
}

struct RuleChecksTests {
  private let small = SmallFilesystem()
  private let tree: VirtualFileSystem

  init() {
    for path in ["a/key/id", "a/beside", "data/key/id", "data/key/x", "b/", "link -> data", "c/deep/key/", "plain"] {
      small.add(path)
    }
    tree = VirtualFileSystem(root: small, source: [])
  }

  private func enforce(_ rules: (PathRule.Action, String)...) throws {
    try tree.enforce(rules.map { PathRule($0.0, bytes($0.1)) }, home: nil)
  }

  private func with<Result>(_ text: String, _ body: (VirtualFileSystem.Path) throws(Errno) -> Result) throws(Errno)
    -> Result
  {
    try bytes(text).withUnsafeBufferPointer { bytes throws(Errno) in
      try body(.init(UnsafeRawBufferPointer(bytes), from: tree.root))
    }
  }

  private var caller: VirtualFileSystem.Caller { .supervisor(of: tree) }

  private func rename(_ old: String, _ new: String, _ flags: RenameFlags = []) throws(Errno) {
    try with(old) { old throws(Errno) in
      try with(new) { new throws(Errno) in try tree.rename(old, to: { () in new }, flags, caller) }
    }
  }

  private func resolve(_ path: String) -> Errno? {
    do throws(Errno) {
      _ = try with(path) { path throws(Errno) in try tree.resolve(path, caller) }
      return nil
    } catch { return error }
  }

  @Test func whatWasLookedUpBeforeIsJudgedToo() throws {
    #expect(resolve("/a/key/id") == nil)
    try enforce((.deny, "/a/key"), (.hide, "/data/key/x"))
    #expect(resolve("/a/key/id") == .permissionDenied)
    #expect(resolve("/a/key") == .permissionDenied)
    #expect(resolve("/data/key/x") == .noSuchFileOrDirectory)
    #expect(resolve("/data/key/id") == nil)
    #expect(resolve("/a/beside") == nil)
  }

  @Test func directoriesThatRulesLeadThroughStay() throws {
    try enforce((.deny, "/c/deep/key"), (.protect, ".git"))
    #expect(throws: Errno.improperLink) { try rename("/c", "/d") }
    #expect(throws: Errno.improperLink) { try rename("/c/deep", "/deep") }
    #expect(throws: Errno.improperLink) { try rename("/b", "/c/deep", .exchange) }
    #expect(throws: Errno.improperLink) { try rename("/c", "/b", .exchange) }
    #expect(throws: Errno.permissionDenied) { try rename("/c/deep/key", "/key") }
    #expect(throws: Errno.permissionDenied) { try rename("/plain", "/c/deep/key") }
    #expect(throws: Errno.readOnlyFileSystem) { try rename("/plain", "/b/.git") }
    // No rule leads there.
    try rename("/b", "/bb")
    try rename("/plain", "/bb/plain")
    try with("/c/deep/link") { path throws(Errno) in try tree.makeSymlink(bytes("x"), path, caller) }
  }

  @Test func namesThatRulesLeadThroughBecomeDirectoriesOnly() throws {
    try enforce((.deny, "/b/x/y"))
    #expect(throws: Errno.permissionDenied) {
      try with("/b/x") { path throws(Errno) in try tree.makeSymlink(bytes("/a"), path, caller) }
    }
    try with("/l") { path throws(Errno) in try tree.makeSymlink(bytes("/a"), path, caller) }
    #expect(throws: Errno.permissionDenied) { try rename("/l", "/b/x") }
    try with("/b/x") { path throws(Errno) in try tree.makeDirectory(path, mode: Permissions(rawValue: 0o755), caller) }
    #expect(throws: Errno.permissionDenied) {
      try with("/b/x/y") { path throws(Errno) in
        try tree.makeDirectory(path, mode: Permissions(rawValue: 0o755), caller)
      }
    }
  }

  @Test func linksLeadPatternsOn() throws {
    try enforce((.deny, "/link/key"))
    #expect(resolve("/link/key/id") == .permissionDenied)
    #expect(resolve("/data/key/id") == .permissionDenied)
    #expect(resolve("/link/key") == .permissionDenied)
    #expect(resolve("/link") == nil)
  }

  @Test func aMountHasTheRulesOfItsPoint() throws {
    let other = SmallFilesystem()
    other.add("key/id")
    let point = try with("/b") { path throws(Errno) in try tree.resolve(path, caller) }
    let mount = try tree.mount(other, at: point, isReadOnly: false, source: [])
    mount.hostPath = bytes("/host")
    try enforce((.deny, "/b/key"), (.hide, "/host/other"), (.protect, "/host"))
    #expect(resolve("/b/key/id") == .permissionDenied)
    other.add("other")
    #expect(resolve("/b/other") == .noSuchFileOrDirectory)
    // What is named itself as the source is shown.
    try with("/b/new") { path throws(Errno) in try tree.makeDirectory(path, mode: Permissions(rawValue: 0o755), caller)
    }
  }

  @Test func rulesThatLeaveNothingAreRefused() throws {
    #expect(throws: VirtualFileSystem.RuleProblem.root(0)) { try enforce((.deny, "/")) }
    try enforce((.deny, "/"), (.allow, "/a"))
    #expect(resolve("/a/key/id") == nil)
    #expect(resolve("/data") == .permissionDenied)
    #expect(resolve("/none") == .noSuchFileOrDirectory)
  }
}
