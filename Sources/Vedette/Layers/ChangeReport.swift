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
    /// Absolute, from the root inside.
    public var path: [UInt8]
    var type: FileType
  }

  public private(set) var lines: [Line] = []
  /// What could not be compared: a path, and why.
  public private(set) var unreadable: [(path: [UInt8], errno: Errno)] = []

  /// - Throws: `SandboxError` for a directory that is no upper, is busy, or whose lowers cannot be read.
  public init(_ upper: UpperDirectory) throws(SandboxError) {
    let overlay = try upper.overlay()
    defer { overlay.close() }
    do throws(Errno) {
      try self.init(overlay)
    } catch {
      throw SandboxError("'\(upper.path)': cannot compare: \(error)")
    }
  }

  init(_ overlay: OverlayFilesystem) throws(Errno) {
    let found = try OverlayChanges(of: overlay, .list)
    for change in found.changes {
      let kind: Line.Change
      switch change.kind {
      case .added: kind = .added
      case .modified: kind = .modified
      case .deleted: kind = .deleted
      case .linked: continue
      }
      lines.append(
        Line(change: kind, path: [0x2f] + change.path, type: (change.inode ?? change.before)?.type ?? .regular))
    }
    unreadable = found.unreadable.map { ([0x2f] + $0.path, $0.errno) }
  }

  /// A line for each change: letter, space, path. A directory ends in a slash.
  public var text: [UInt8] {
    var result: [UInt8] = []
    for line in lines {
      result += [line.change.letter, 0x20]
      PathText.append(line.path, to: &result)
      if line.type == .directory && line.path.count > 1 { result.append(0x2f) }
      result.append(0x0a)
    }
    return result
  }

  /// One JSON array of objects with `change`, `path` and `type`; bytes that are not UTF-8 as `JSONLine` writes them.
  public var json: [UInt8] {
    var result = JSONLine()
    result.append("[")
    for (place, line) in lines.enumerated() {
      result.append(place == 0 ? "\n" : ",\n")
      result.append("{\"change\":")
      result.append(bytes: Array(line.change.rawValue.utf8))
      result.append(",\"path\":")
      result.append(bytes: line.path)
      result.append(",\"type\":")
      result.append(bytes: Array(Self.word(line.type).utf8))
      result.append("}")
    }
    result.append(lines.isEmpty ? "]\n" : "\n]\n")
    return result.text
  }

  /// One line for people if something could not be compared.
  public var complaint: String? {
    guard let first = unreadable.first else { return nil }
    return "\(unreadable.count) path\(unreadable.count == 1 ? "" : "s") could not be compared, first "
      + "'\(PathText.string(first.path))': \(first.errno)"
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
