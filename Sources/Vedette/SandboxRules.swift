// The rules of a configuration, from their patterns to the tree that they hold in, and what can be wrong with them.

import Kernel
import LinuxABI
public import VFS

extension PathRule.Action {
  /// The option that gives such a rule, and its name in a configuration file.
  public var name: String {
    switch self {
    case .allow: "allow"
    case .protect: "protect"
    case .deny: "deny"
    case .hide: "hide"
    }
  }
}

extension PathRule {
  fileprivate var option: String { "--\(action.name)" }
}

extension PathPattern.Problem {
  /// What is wrong, and what to do about it.
  fileprivate var explanation: (problem: String, advice: String) {
    switch self {
    case .empty: ("is empty", "a pattern such as ~/.ssh or *.key")
    case .hasNUL: ("holds a NUL byte", "")
    case .tooLong: ("is longer than a path can be", "")
    case .hasDots: ("holds '.' or '..'", "write the path without it")
    case .notFromRoot: ("says not where it begins", "begin it with /, ~/ or **/")
    case .noHome: ("begins with ~, and HOME is no absolute path", "set HOME, or write the directory")
    case .otherHome: ("begins with ~ and a name", "write the directory of that user")
    }
  }
}

extension SandboxConfiguration {
  /// What `~` stands for in patterns: the caller's HOME.
  private static var home: [UInt8]? { Host.environmentBytes("HOME") }

  /// Checks each pattern by itself.
  func validateRules() throws(ConfigurationError) {
    for rule in rules { try Self.validate(rule) }
  }

  /// Checks a rule's pattern.
  public static func validate(_ rule: PathRule) throws(ConfigurationError) {
    do throws(PathPattern.Problem) { _ = try PathPattern(rule.pattern, home: home) } catch {
      let (problem, advice) = error.explanation
      throw ConfigurationError(at: rule.option, "'\(ByteString(rule.pattern))' \(problem)", advice: advice)
    }
  }

  /// From now on the rules hold in the tree, which has its mounts.
  func enforceRules(in tree: VirtualFileSystem) throws(SandboxError) {
    do throws(VirtualFileSystem.RuleProblem) {
      try tree.enforce(rules, home: Self.home)
    } catch {
      switch error {
      case .pattern(let place, let problem):
        throw SandboxError(
          "\(rules[place].option): '\(ByteString(rules[place].pattern))' \(problem.explanation.problem)")
      case .tooMany:
        throw SandboxError("rules: the patterns have too many names (at most \(PathRules.elementLimit) altogether)")
      case .root(let place):
        throw SandboxError(
          "\(rules[place].option): '\(ByteString(rules[place].pattern))' leaves nothing (except places with --allow or --protect)"
        )
      }
    }
  }
}
