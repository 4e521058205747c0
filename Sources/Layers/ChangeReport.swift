// What changed, for people and for programs: the lines of `vedette run --changes` and of `vedette diff`.

import LinuxABI
import OverlayFS
import VFS

/// Lists the changes of an upper layer.
public struct ChangeReport: Sendable {
  /// One changed path.
  public struct Line: Sendable, Equatable {
    public enum Change: String, Sendable {
      case added, modified, deleted

      /// `A`, `M` or `D`.
      var letter: UInt8 {
        switch self {
        case .added: 0x41
        case .modified: 0x4d
        case .deleted: 0x44
        }
      }
    }

    public var change: Change
    /// In `paths`.
    var node: Int
    var type: FileType
  }

  public private(set) var lines: [Line] = []
  private let paths: PathTree
  /// What could not be compared, and why.
  private let unreadable: [(node: Int, errno: Errno)]
  /// Names that are not listed, because no call could name them by their paths.
  private(set) var tooDeep = 0

  /// Absolute, from the root inside.
  public func path(of line: Line) -> [UInt8] { [0x2f] + paths.path(of: line.node) }

  /// - Throws: `ReportedError` for a directory that is no upper, is busy, or whose lowers cannot be read.
  public init(_ upper: UpperDirectory, _ patterns: PathPatterns = PathPatterns()) throws(ReportedError) {
    let overlay = try upper.overlay()
    defer { overlay.close() }
    do throws(Errno) {
      try self.init(overlay)
    } catch {
      throw ReportedError("'\(upper.path)': cannot compare: \(error)")
    }
    self = filtered(patterns)
  }

  package init(_ overlay: OverlayFilesystem) throws(Errno) {
    self.init(try OverlayChanges(of: overlay, .list, keepsInodes: false))
  }

  /// Only the lines of paths that are wanted.
  func filtered(_ patterns: PathPatterns) -> ChangeReport {
    if patterns.isEmpty { return self }
    var report = self
    report.lines = lines.filter { patterns.wants(paths.path(of: $0.node)) }
    return report
  }

  init(_ found: OverlayChanges) {
    paths = found.paths
    unreadable = found.unreadable
    for change in found.changes {
      let kind: Line.Change
      switch change.kind {
      case .added: kind = .added
      case .modified: kind = .modified
      case .deleted: kind = .deleted
      case .linked: continue
      }
      // The paths of a tree that is n names deep have n squared bytes.
      if paths.length(of: change.node) + 2 > PathTree.longest {
        tooDeep += 1
      } else {
        lines.append(Line(change: kind, node: change.node, type: change.type))
      }
    }
  }

  /// A line for each change: letter, space, path. A directory ends in a slash. `write` is given some lines at a time.
  public func writeText(_ write: ([UInt8]) -> Void) {
    var result: [UInt8] = []
    for line in lines {
      result += [line.change.letter, 0x20]
      let path = path(of: line)
      PathText.append(path, to: &result)
      if line.type == .directory && path.count > 1 { result.append(0x2f) }
      result.append(0x0a)
      if result.count >= 1 << 16 {
        write(result)
        result.removeAll(keepingCapacity: true)
      }
    }
    write(result)
  }

  /// An object of JSON on one line: a list of changes, each with its path and type, and what could not be told. `write` is given
  /// some of it at a time.
  public func writeJSON(_ write: ([UInt8]) -> Void) {
    var result = JSONLine()
    result.append("{\"changes\":[")
    for (index, line) in lines.enumerated() {
      result.append(index == 0 ? "{\"change\":\"" : ",{\"change\":\"")
      result.text.append(contentsOf: line.change.rawValue.utf8)
      result.append("\",\"path\":")
      result.append(bytes: path(of: line))
      result.append(",\"type\":\"")
      result.text.append(contentsOf: Self.word(line.type).utf8)
      result.append("\"}")
      if result.text.count >= 1 << 16 {
        write(result.text)
        result.text.removeAll(keepingCapacity: true)
      }
    }
    result.append("]")
    for line in [note, complaint].compactMap(\.self) {
      result.append(line == complaint ? ",\"complaint\":" : ",\"note\":")
      result.append(bytes: Array(line.utf8))
    }
    result.append("}\n")
    write(result.text)
  }

  /// All lines at once.
  public var text: [UInt8] {
    var result: [UInt8] = []
    writeText { result += $0 }
    return result
  }

  /// One line for people if something could not be compared.
  public var complaint: String? {
    guard let first = unreadable.first else { return nil }
    return "\(unreadable.count) path\(unreadable.count == 1 ? "" : "s") could not be compared, first "
      + "'\(PathText.string([0x2f] + paths.shownPath(of: first.node)))': \(first.errno)"
  }

  /// One line for people if something is not listed.
  public var note: String? {
    if tooDeep == 0 { return nil }
    return "\(tooDeep) more name\(tooDeep == 1 ? " has a path" : "s have paths") longer than PATH_MAX: not listed"
  }

  static func word(_ type: FileType) -> String {
    switch type {
    case .regular: "file"
    case .directory: "directory"
    case .symlink: "symlink"
    case .fifo: "fifo"
    case .socket: "socket"
    case .characterDevice: "character device"
    case .blockDevice: "block device"
    }
  }
}

/// Paths for people: one line each whatever they hold, and no two alike.
public enum PathText {
  /// Printable UTF-8 stays; a backslash becomes `\\`, any other byte `\ooo` in octal, as `ls -b` has it.
  static func append(_ path: [UInt8], to text: inout [UInt8]) {
    var decoder = UTF8()
    var iterator = path.makeIterator()
    var consumed = 0
    while true {
      switch decoder.decode(&iterator) {
      case .scalarValue(let scalar):
        let width = UTF8.width(scalar)
        let bytes = path[consumed..<consumed + width]
        if scalar == "\\" {
          text += [0x5c, 0x5c]
        } else if isPrintable(scalar) {
          text += bytes
        } else {
          for byte in bytes { appendOctal(byte, to: &text) }
        }
        consumed += width
      case .error:
        appendOctal(path[consumed], to: &text)
        consumed += 1
        decoder = UTF8()
        iterator = Array(path[consumed...]).makeIterator()
      case .emptyInput: return
      }
    }
  }

  public static func string(_ path: [UInt8]) -> String {
    var text: [UInt8] = []
    append(path, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  private static func appendOctal(_ byte: UInt8, to text: inout [UInt8]) {
    text += [0x5c, 0x30 + (byte >> 6), 0x30 + (byte >> 3 & 7), 0x30 + (byte & 7)]
  }

  private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse, .unassigned: false
    default: true
    }
  }
}
