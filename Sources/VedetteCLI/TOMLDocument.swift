// A TOML text as typed values, each with the line it stands on. The parser is toml++ behind `CTomlPlusPlus`; no pointer of
// its leaves this file.

import CTomlPlusPlus
import Vedette

/// The top-level table of a TOML document.
enum TOMLDocument {
  enum Value {
    /// With its entries where it is an element of a top-level array (`[[rules]]`).
    case table([Entry])
    case array([Value])
    case string(String)
    case integer(Int64)
    case float
    case boolean(Bool)
    case time

    /// For "…, not \(kindName)".
    var kindName: String {
      switch self {
      case .table: "a table"
      case .array: "this array"
      case .string: "a string"
      case .integer: "an integer"
      case .float: "a float"
      case .boolean: "a boolean"
      case .time: "a date or time"
      }
    }
  }

  struct Entry {
    let key: String
    /// Counted from 1.
    let line: Int
    let value: Value
  }

  /// The entries of `text` in the order in which they stand there; `name` is what errors call the document.
  static func entries(of text: String, name: String) throws(ConfigurationError) -> [Entry] {
    var failure = vd_toml_error()
    var text = text
    let document = text.withUTF8 { bytes in
      bytes.withMemoryRebound(to: CChar.self) { vd_toml_parse($0.baseAddress, $0.count, &failure) }
    }
    guard let document else {
      let description = withUnsafeBytes(of: failure.description) { bytes in
        String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
      }
      throw ConfigurationError(
        at: "\(name):\(failure.line)", description.split(whereSeparator: \.isNewline).joined(separator: " "))
    }
    defer { vd_toml_free(document) }
    return (0..<vd_toml_count(document)).map { index in
      let entry = vd_toml_entry_at(document, index)
      let value: Value =
        entry.value.kind == VD_TOML_ARRAY
        ? .array((0..<entry.count).map { element(document, index, $0) }) : Value(entry.value)
      return Entry(key: string(entry.key, entry.key_length), line: Int(entry.line), value: value)
    }
  }

  private static func element(_ document: OpaquePointer, _ index: Int, _ place: Int) -> Value {
    let value = vd_toml_element(document, index, place)
    guard value.kind == VD_TOML_TABLE else { return Value(value) }
    return .table(
      (0..<vd_toml_member_count(document, index, place)).map { member in
        let entry = vd_toml_member_at(document, index, place, member)
        let value: Value =
          entry.value.kind == VD_TOML_ARRAY
          ? .array((0..<entry.count).map { Value(vd_toml_member_element(document, index, place, member, $0)) })
          : Value(entry.value)
        return Entry(key: string(entry.key, entry.key_length), line: Int(entry.line), value: value)
      })
  }

  fileprivate static func string(_ start: UnsafePointer<CChar>?, _ length: Int) -> String {
    String(decoding: UnsafeRawBufferPointer(start: start, count: length), as: UTF8.self)
  }
}

extension TOMLDocument.Value {
  /// A value of a kind that holds no others; an array within an array is shown as empty.
  fileprivate init(_ value: vd_toml_value) {
    switch value.kind {
    case VD_TOML_TABLE: self = .table([])
    case VD_TOML_ARRAY: self = .array([])
    case VD_TOML_STRING: self = .string(TOMLDocument.string(value.text, value.length))
    case VD_TOML_INTEGER: self = .integer(value.integer)
    case VD_TOML_FLOAT: self = .float
    case VD_TOML_BOOLEAN: self = .boolean(value.boolean)
    default: self = .time
    }
  }
}
