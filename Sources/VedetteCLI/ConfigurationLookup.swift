// Which file `--config NAME` means: a path, or the name of a configuration in one of the usual places.

import Kernel
import LinuxABI
import Vedette

/// Finds configurations by their names.
struct ConfigurationLookup {
  /// Where they are looked for, in this order.
  let directories: [String]

  /// - Parameter environment: for XDG_CONFIG_HOME and HOME, by the rules of the XDG Base Directory Specification.
  init(_ environment: [ByteString]) {
    var directories: [String] = []
    if let home = Self.value("XDG_CONFIG_HOME", in: environment), home.hasPrefix("/") {
      directories.append(home + "/vedette")
    } else if let home = Self.value("HOME", in: environment), home.hasPrefix("/") {
      directories.append(home + "/.config/vedette")
    }
    directories.append("/etc/vedette")
    directories += Self.besideProgram + ["/usr/local/share/vedette", "/usr/share/vedette"]
    self.directories = directories.enumerated().filter { !directories[..<$0].contains($1) }.map(\.element)
  }

  /// Where `make install` puts them (PREFIX/bin, PREFIX/share/vedette), and where a checkout has them (.build/TRIPLE/release).
  private static var besideProgram: [String] {
    guard let program = try? Host.readlink("/proc/self/exe", in: AtFlags.currentDirectory),
      let path = String(validating: program, as: UTF8.self)
    else { return [] }
    let components = path.split(separator: "/").dropLast()
    func above(_ levels: Int, _ rest: String) -> String {
      components.dropLast(levels).map { "/" + $0 }.joined() + "/" + rest
    }
    var found = [above(1, "share/vedette")]
    if components.dropLast(2).last == ".build" { found.append(above(3, "Configs")) }
    return found
  }

  /// The path of the file that `name` means.
  ///
  /// What holds a slash is a path, and what ends in `.toml` the name of a file here before anything else. A bare name is
  /// looked for here last: a tree of unknown origin in which one stands must not decide how it is walled off.
  ///
  /// - Throws: `ConfigurationError` that names the places if there is none.
  func find(_ name: ByteString, saidAt place: String) throws(ConfigurationError) -> ByteString {
    if name.isEmpty { throw ConfigurationError(at: place, "the file name is empty") }
    if name.bytes.contains(0x2f) || name.bytes.contains(0) { return name }
    let isFileName = name.bytes.suffix(5).elementsEqual(".toml".utf8)
    let bases = directories.map { Array(($0 + "/").utf8) }
    let candidates = (isFileName ? [[]] + bases : bases + [[]]).flatMap { base in
      (isFileName ? [""] : [".toml", ""]).map { ByteString(base + name.bytes + Array($0.utf8)) }
    }
    if let found = candidates.first(where: Self.isFile) { return found }
    throw ConfigurationError(
      at: place, "there is no configuration '\(name)'",
      advice: "looked in \(directories.joined(separator: ", ")) and here; a path holds a slash")
  }

  private static func isFile(_ path: ByteString) -> Bool {
    guard
      let status = try? path.withCString({ path throws(Errno) in
        try Host.stat(path, in: AtFlags.currentDirectory, [])
      })
    else { return false }
    return status.type != .directory
  }

  private static func value(_ name: String, in environment: [ByteString]) -> String? {
    let prefix = Array((name + "=").utf8)
    guard let found = environment.first(where: { $0.bytes.starts(with: prefix) }) else { return nil }
    return String(validating: found.bytes.dropFirst(prefix.count), as: UTF8.self)
  }
}
