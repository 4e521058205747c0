// Rules of a run: patterns of paths, and what is refused there. All patterns together are one automaton over names, so a
// place's state follows from the directory's and the name, and is kept with the dentry: a walk over names that are known looks at
// a bit, and a new name is compared with what can still match there.
//
// Which rule holds: of those that match the place or a directory above it the strictest, as far up as the nearest that an `allow`
// matches. Under the tree lock, like the tree.

import LinuxABI

/// One rule.
public struct PathRule: Sendable, Hashable {
  /// From the mildest on.
  public enum Action: UInt8, Sendable, CaseIterable, Comparable {
    /// An exception: rules that match directories above hold no more from here on.
    case allow
    /// What would change it is EROFS.
    case protect
    /// Every access is EACCES.
    case deny
    /// It is not there: ENOENT, and no listing shows it. It cannot be made: EACCES.
    case hide

    public static func < (a: Action, b: Action) -> Bool { a.rawValue < b.rawValue }
  }

  /// As it was written (PathPattern.swift).
  public var pattern: [UInt8]
  public var action: Action
  /// Why, for people; may be empty.
  public var reason: [UInt8]

  public init(_ action: Action, _ pattern: [UInt8], reason: [UInt8] = []) {
    self.action = action
    self.pattern = pattern
    self.reason = reason
  }
}

/// What the rules say of a place.
struct RuleVerdict: Equatable {
  /// The place of the rule among the rules; -1 for none.
  var rule: Int32 = -1
  var action: PathRule.Action = .allow
  /// An exception may be below: it can be walked through and looked at (stat), and that is all.
  var isPassable = false
  /// A pattern goes on below by a name that is not at any depth: a symlink here would lead a path of the pattern elsewhere.
  var isAbove = false
  /// A listing may hold names that are hidden.
  var hidesNames = false

  /// Nobody gets here.
  var isRefused: Bool { action >= .deny && !isPassable }
}

/// See the head of this file.
public final class PathRules {
  /// What is known of a place: which rule holds there, and where in the patterns the names below it can lead on. States are
  /// numbered as they are met.
  struct State: Equatable {
    fileprivate(set) var number: UInt16

    /// No rule holds, and none can below.
    static let free = State(number: 0)
    /// Denied, with all below: what follows where there are more states than are kept.
    static let overflow = State(number: 1)
  }

  /// A pattern and which rule it is of.
  struct Entry {
    var pattern: PathPattern
    var rule: Int
  }

  private enum Element {
    case component(PathPattern.Component)
    /// The pattern of a rule ends here.
    case end
  }

  public let rules: [PathRule]
  let entries: [Entry]
  /// All patterns, one behind the other; a place in it is a position.
  private var elements: [Element] = []
  /// The rule of each element.
  private var owners: [Int32] = []
  /// Of each state, upwards.
  private var positions: [[Int32]] = []
  private var verdicts: [RuleVerdict] = []
  /// The states that have followed each state.
  private var followers: [[State]] = []
  private var numbers: [Key: State] = [:]
  private(set) var root = State.free

  private struct Key: Hashable {
    var positions: [Int32]
    var rule: Int32
  }

  /// Names of guests can lead to as many combinations as patterns with `**` allow.
  static let stateLimit = 4096
  /// So many elements of patterns there may be.
  public static let elementLimit = 16384

  // For the step that is being made.
  private var reached: [Int32] = []
  private var stamps: [UInt32] = []
  private var stamp: UInt32 = 0
  private var isExcepted = false

  /// - Precondition: the patterns have `elementLimit` elements at the most, their ends included.
  init(_ rules: [PathRule], _ entries: [Entry]) {
    self.rules = rules
    self.entries = entries
    for entry in entries {
      for component in entry.pattern.components { elements.append(.component(component)) }
      elements.append(.end)
      owners += repeatElement(Int32(truncatingIfNeeded: entry.rule), count: entry.pattern.components.count + 1)
    }
    stamps = [UInt32](repeating: 0, count: elements.count)
    positions = [[], []]
    verdicts = [RuleVerdict(), RuleVerdict(action: .deny)]
    followers = [[], []]
    numbers[Key(positions: [], rule: -1)] = .free
    root = makeRoot()
  }

  /// Elements that patterns take.
  static func elementCount(_ entries: [Entry]) -> Int {
    entries.reduce(0) { $0 + $1.pattern.components.count + 1 }
  }

  private func makeRoot() -> State {
    begin()
    var rule: Int32 = -1
    var start = 0
    for entry in entries {
      reach(start, &rule)
      start += entry.pattern.components.count + 1
    }
    return intern(rule)
  }

  func verdict(_ state: State) -> RuleVerdict { verdicts[Int(state.number)] }

  // MARK: - Steps

  /// The state of what `name` is in a directory of a state. Allocates nothing but for a state that is met first.
  func next(_ state: State, _ name: Name) -> State {
    let active = positions[Int(state.number)]
    if active.isEmpty { return state }
    begin()
    var rule: Int32 = -1
    isExcepted = false
    for position in active {
      let place = Int(position)
      guard case .component(let component) = elements[place] else { continue }
      if case .anyDepth = component {
        reach(place, &rule)
        if case .end = elements[place + 1] { accept(owners[place], &rule) }
      } else if component.matches(name) {
        reach(place + 1, &rule)
      }
    }
    let holding = holding(rule, above: verdicts[Int(state.number)].rule)
    for follower in followers[Int(state.number)] where isReached(follower, holding) { return follower }
    let result = intern(holding)
    followers[Int(state.number)].append(result)
    return result
  }

  /// The state of a path from the root.
  func state(of path: [[UInt8]]) -> State {
    path.reduce(root) { state, name in Name.with(name) { next(state, $0) } }
  }

  /// What is both: where patterns go on from either, and the stricter rule, or that of `state` alone.
  func union(_ state: State, _ other: State, isStricter: Bool) -> State {
    if state == other { return state }
    begin()
    var rule = verdicts[Int(state.number)].rule
    if isStricter, verdicts[Int(other.number)].rule >= 0 { accept(verdicts[Int(other.number)].rule, &rule) }
    for place in positions[Int(state.number)] + positions[Int(other.number)] { reach(Int(place), &rule) }
    return intern(rule)
  }

  /// The rule holds, and no other can below.
  func state(ofRule rule: Int32) -> State {
    begin()
    return intern(rule)
  }

  /// A pattern goes on below.
  func goesOn(_ state: State) -> Bool { !positions[Int(state.number)].isEmpty }

  private func begin() {
    reached.removeAll(keepingCapacity: true)
    stamp &+= 1
    if stamp == 0 {
      for place in stamps.indices { stamps[place] = 0 }
      stamp = 1
    }
  }

  /// A pattern has been followed up to `place`.
  private func reach(_ place: Int, _ rule: inout Int32) {
    guard case .component(let component) = elements[place] else { return accept(owners[place], &rule) }
    if stamps[place] == stamp { return }
    stamps[place] = stamp
    // Nearly in order as it is.
    var slot = reached.count
    reached.append(Int32(truncatingIfNeeded: place))
    while slot > 0, reached[slot - 1] > reached[slot] {
      reached.swapAt(slot - 1, slot)
      slot -= 1
    }
    // No name at all, but at the end.
    if case .anyDepth = component, case .component = elements[place + 1] { reach(place + 1, &rule) }
  }

  /// Of what matches here, which holds below `above`.
  private func holding(_ rule: Int32, above: Int32) -> Int32 {
    guard rule >= 0, above >= 0, !isExcepted else { return rule >= 0 ? rule : above }
    return rules[Int(rule)].action > rules[Int(above)].action ? rule : above
  }

  /// A rule matches here.
  private func accept(_ candidate: Int32, _ rule: inout Int32) {
    if rules[Int(candidate)].action == .allow { isExcepted = true }
    guard rule >= 0 else { return rule = candidate }
    let (new, old) = (rules[Int(candidate)].action, rules[Int(rule)].action)
    if new > old || new == old && candidate < rule { rule = candidate }
  }

  private func isReached(_ state: State, _ rule: Int32) -> Bool {
    verdicts[Int(state.number)].rule == rule && positions[Int(state.number)] == reached
  }

  private func intern(_ rule: Int32) -> State {
    let key = Key(positions: reached, rule: rule)
    if let known = numbers[key] { return known }
    guard positions.count < Self.stateLimit else { return .overflow }
    let state = State(number: UInt16(truncatingIfNeeded: positions.count))
    positions.append(key.positions)
    verdicts.append(verdict(of: key))
    followers.append([])
    numbers[key] = state
    return state
  }

  private func verdict(of key: Key) -> RuleVerdict {
    var verdict = RuleVerdict(rule: key.rule)
    if key.rule >= 0 { verdict.action = rules[Int(key.rule)].action }
    verdict.hidesNames = verdict.action == .hide
    for position in key.positions {
      let place = Int(position)
      let action = rules[Int(owners[place])].action
      if action == .allow { verdict.isPassable = true }
      if action == .hide { verdict.hidesNames = true }
      if action != .allow, goesOnByName(place) { verdict.isAbove = true }
    }
    return verdict
  }

  /// The pattern has begun, and needs a certain name next.
  private func goesOnByName(_ place: Int) -> Bool {
    guard place > 0, case .component(let component) = elements[place], component != .anyDepth,
      case .component(let before) = elements[place - 1]
    else { return false }
    return before != .anyDepth
  }
}
