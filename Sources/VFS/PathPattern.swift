// Patterns of paths as rules have them. A pattern names places in the tree: names that symlinks lead through are none.

import LinuxABI

/// A pattern of absolute paths, understood.
///
/// - From `/` it is matched from the root, from `~/` from a home directory; without a slash it is one name at any depth.
/// - In a name `*`, `?`, `[a-z]`, `[!a]` stand for bytes, those of a name that begins with a dot too, and `\` takes what they
///   mean from them. A name `**` stands for any number of names, none among them; at the end for one at least.
public struct PathPattern: Sendable, Equatable {
  enum Component: Sendable, Equatable {
    /// This name.
    case name([UInt8])
    /// Each name that a `NamePattern` matches.
    case pattern([UInt8])
    /// `*`
    case anything
    /// `**`
    case anyDepth
  }

  /// None for the root.
  let components: [Component]

  /// What is wrong with a text.
  public enum Problem: Error, Sendable, Equatable {
    case empty, hasNUL, tooLong, hasDots
    /// It holds a slash and does not say where it begins.
    case notFromRoot
    /// It begins with `~/` and there is no home directory.
    case noHome
    /// It begins with `~name`.
    case otherHome
  }

  /// - Parameter home: what `~` stands for; nil for nothing.
  public init(_ text: [UInt8], home: [UInt8]?) throws(Problem) {
    if text.isEmpty { throw .empty }
    if text.contains(0) { throw .hasNUL }
    if text.count >= Name.maximumPath { throw .tooLong }
    var components: [Component] = []
    var rest = text[...]
    if rest.first == 0x7e {
      rest = rest.dropFirst()
      guard rest.isEmpty || rest.first == 0x2f else { throw .otherHome }
      guard let home, home.first == 0x2f else { throw .noHome }
      components = home.split(separator: 0x2f).map { .name([UInt8]($0)) }
    } else if rest.first != 0x2f {
      let name = rest.last == 0x2f ? rest.dropLast() : rest
      if name.contains(0x2f), !name.starts(with: "**/".utf8) { throw .notFromRoot }
      components = [.anyDepth]
    }
    for name in rest.split(separator: 0x2f) {
      if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { throw .hasDots }
      if name.count > Name.maximumLength { throw .tooLong }
      let component = Self.component(name)
      if component == .anyDepth, components.last == .anyDepth { continue }
      components.append(component)
    }
    self.components = components
  }

  /// This very path, and what is left of another pattern behind it.
  init(path: [[UInt8]], _ rest: ArraySlice<Component>) {
    components = path.map { .name($0) } + rest
  }

  private static func component(_ text: ArraySlice<UInt8>) -> Component {
    if text.elementsEqual("**".utf8) { return .anyDepth }
    if text.elementsEqual("*".utf8) { return .anything }
    var plain: [UInt8] = []
    var isEscaped = false
    for byte in text {
      if !isEscaped, byte == 0x5c {
        isEscaped = true
        continue
      }
      if !isEscaped, NamePattern.isPattern(CollectionOfOne(byte)) { return .pattern([UInt8](text)) }
      plain.append(byte)
      isEscaped = false
    }
    // A backslash at the end stands for itself.
    if isEscaped { plain.append(0x5c) }
    return .name(plain)
  }
}

extension PathPattern.Component {
  /// Whether it stands for one name and `name` is that.
  func matches(_ name: Name) -> Bool {
    switch self {
    case .name(let text): name.equals(text)
    case .pattern(let text): text.withUnsafeBytes { NamePattern.matches($0, name.bytes) }
    case .anything: true
    case .anyDepth: false
    }
  }
}
