// `VEDETTE_SIZE`, `VEDETTE_NET` and the like: the caller's environment as the defaults of options. They stand between a
// configuration file, over which they win, and the command line, which wins over them.

import Vedette

/// What the environment says about options.
struct EnvironmentDefaults: Equatable {
  /// In the order of `RunOption`.
  var settings: [Setting] = []
  /// VEDETTE_CONFIG.
  var configuration: ByteString?

  /// `VEDETTE_MAX_FILE` for `max-file`.
  static func name(of option: String) -> String {
    "VEDETTE_" + String(option.map { $0 == "-" ? "_" : $0 }).uppercased()
  }

  /// Names with this prefix that are for tests (docc page Testing).
  private static let others = ["VEDETTE_CHECK", "VEDETTE_CRASH_POINT", "VEDETTE_FAULT", "VEDETTE_FAULT_LOG"]

  /// - Parameter environment: `NAME=VALUE` strings. An empty value is as none.
  /// - Throws: for a value that its option does not take, and for a name that is nearly an option's.
  init(_ environment: [ByteString]) throws(ConfigurationError) {
    let prefix = Array("VEDETTE_".utf8)
    var values: [String: ByteString] = [:]
    for string in environment where string.bytes.starts(with: prefix) {
      guard let equals = string.bytes.firstIndex(of: 0x3d) else { continue }
      let name = String(decoding: string.bytes[..<equals], as: UTF8.self)
      // getenv(3) finds the first of two.
      if values[name] == nil { values[name] = ByteString([UInt8](string.bytes[(equals + 1)...])) }
    }
    if values.isEmpty { return }
    if let value = values.removeValue(forKey: Self.name(of: "config")), !value.isEmpty { configuration = value }
    for option in RunOption.allCases {
      let name = Self.name(of: option.rawValue)
      guard let value = values.removeValue(forKey: name), !value.isEmpty else { continue }
      settings += try Self.values(of: option, in: value, at: name).map {
        Setting(option: option, value: $0, place: name)
      }
    }
    let known = (RunOption.allCases.map(\.rawValue) + ["config"]).map(Self.name)
    for name in values.keys.sorted() where !Self.others.contains(name) {
      if let meant = Spelling.nearest(to: name, among: known) {
        throw ConfigurationError(at: name, "there is no such option", advice: "\(meant)?")
      }
    }
  }

  /// A list has one value a line; a flag is a word for yes or no.
  private static func values(of option: RunOption, in value: ByteString, at name: String) throws(ConfigurationError)
    -> [ByteString]
  {
    if option.isRepeatable { return value.bytes.split(separator: 0x0a).map { ByteString([UInt8]($0)) } }
    guard option.kind == .flag else { return [value] }
    switch value.description.lowercased() {
    case "1", "true", "yes", "on": return ["true"]
    case "0", "false", "no", "off": return ["false"]
    default: throw ConfigurationError(at: name, "'\(value)' is neither yes nor no", advice: "write 1 or 0")
    }
  }
}
