// Which calls `--trace` shows: `-e trace=%file,openat`, `-e trace=!%memory`, `-e refused`.

import LinuxABI
import Sentry

/// How a trace is written.
public enum TraceFormat: String, Sendable, CaseIterable {
  /// Lines as strace(1) writes them.
  case text
  /// A JSON object a line.
  case json
}

/// A choice of calls; all unless something is said.
public struct TraceFilter: Sendable, Equatable {
  /// Nil for all.
  private var numbers: Set<Int>?
  /// Only calls that were refused.
  public private(set) var onlyRefused = false

  public init() {}

  public var isEmpty: Bool { numbers == nil && !onlyRefused }

  func includes(_ number: Int) -> Bool { numbers?.contains(number) ?? true }

  /// Whether a call that ended so is shown.
  func includes(_ number: Int, result: Int?) -> Bool {
    includes(number) && (!onlyRefused || result.map(Self.isRefusal) ?? false)
  }

  /// What says that something is not allowed or not there for this command, by rules, permissions, or the sandbox's walls.
  static func isRefusal(_ result: Int) -> Bool {
    guard result < 0, result > -4096 else { return false }
    switch Errno(rawValue: CInt(-result)) {
    case .notPermitted, .permissionDenied, .readOnlyFileSystem, .noFunction, .networkUnreachable, .connectionRefused,
      .addressFamilyNotSupported, .protocolNotSupported:
      return true
    default: return false
    }
  }

  /// Adds an expression: `refused`, or `[trace=][!]SET`, where SET is calls and classes (`%file`) with commas between them, `all`
  /// or `none`. Sets come together; a negated one is taken away.
  ///
  /// - Throws: a `ConfigurationError` without a place.
  public mutating func add(_ expression: ByteString) throws(ConfigurationError) {
    var rest = expression.bytes[...]
    if rest.elementsEqual("refused".utf8) {
      onlyRefused = true
      return
    }
    for prefix in ["trace=", "t="] where rest.starts(with: prefix.utf8) { rest = rest.dropFirst(prefix.utf8.count) }
    let isNegated = rest.first == 0x21
    if isNegated { rest = rest.dropFirst() }
    var named: Set<Int> = []
    for word in rest.split(separator: 0x2c, omittingEmptySubsequences: false) {
      named.formUnion(try Self.numbers(String(decoding: word, as: UTF8.self), isNegated: isNegated))
    }
    if isNegated {
      numbers = (numbers ?? Self.all).subtracting(named)
    } else {
      numbers = (numbers ?? []).union(named)
    }
  }

  private static var all: Set<Int> { Set(0..<1024) }

  private static func numbers(_ word: String, isNegated: Bool) throws(ConfigurationError) -> Set<Int> {
    if word == "all" { return all }
    if word == "none" { return [] }
    if word.hasPrefix("%") {
      guard let set = CallClass(rawValue: String(word.dropFirst())) else {
        let known = CallClass.allCases.map { "%\($0.rawValue)" }.joined(separator: ", ")
        throw ConfigurationError(at: "", "there is no set '\(ByteString(word))' of calls", advice: "one of: \(known)")
      }
      return set.numbers
    }
    guard let number = SystemCallTable.number(named: word) else {
      throw ConfigurationError(
        at: "", "there is no call '\(ByteString(word))'", advice: "trace=openat,%file or trace=!%memory, or refused")
    }
    if !isNegated, SystemCallTable.isAlwaysNative(number) {
      throw ConfigurationError(
        at: "", "'\(word)' is run by the kernel itself and never seen", advice: "what vedette serves or refuses is")
    }
    return [number]
  }
}
