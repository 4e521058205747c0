// The files about a process whose host text would show the outside, rewritten: stat, status, maps and smaps. What a line is
// not understood as stays as it is, unless it could name something of the host.

import LinuxABI
import VFS

/// Rewrites the host's text of /proc/PID files into that of the inside.
enum ProcessText {
  /// `/proc/PID/stat`: the ids of process, parent, group, session and foreground group are those of the inside.
  ///
  /// The command is in parentheses and may hold any byte but NUL, so the fields begin behind the last one (`man 5 proc_pid_stat`).
  static func stat(_ host: [UInt8], _ thread: ProcessThread, _ source: any ProcessSource) -> [UInt8] {
    guard let open = host.firstIndex(of: 0x28), let close = host.lastIndex(of: 0x29), open < close else { return [] }
    var text = TextBuilder()
    text.append(decimal: thread.thread)
    text.append(Text.space)
    text.append(host[open...close])
    // Counted from state, which is field 3.
    var field = 2
    for part in host[(close + 1)...].split(separator: Text.space, omittingEmptySubsequences: true) {
      field += 1
      text.append(Text.space)
      switch field {
      case 3: text.append(state(part.first ?? 0x3f, of: thread, source).letter)
      case 4, 5, 6:
        text.append(decimal: source.inside(part))
      case 8:
        // -1: no terminal.
        text.append(decimal: Text.parseSigned(part) == -1 ? -1 : source.inside(part))
      default: text.append(part)
      }
    }
    return text.bytes
  }

  /// What the kernel calls a tracing stop is our gate at work, and whoever reads is running.
  private enum State {
    case host(UInt8)
    case running
    case stopped

    var letter: UInt8 {
      switch self {
      case .host(let letter): letter
      case .running: 0x52
      case .stopped: 0x54
      }
    }
  }

  private static func state(_ host: UInt8, of thread: ProcessThread, _ source: any ProcessSource) -> State {
    if source.current == thread { return .running }
    if host != 0x74 { return .host(host) }
    return source.isStopped(thread) ? .stopped : .running
  }

  /// `/proc/PID/status`.
  static func status(_ host: [UInt8], _ thread: ProcessThread, _ identity: ProcessIdentity, _ source: any ProcessSource)
    -> [UInt8]
  {
    var text = TextBuilder()
    for line in host.split(separator: Text.newline, omittingEmptySubsequences: false) {
      guard let colon = line.firstIndex(of: 0x3a) else {
        if !line.isEmpty { text.append(line) }
        continue
      }
      let key = line[..<colon]
      text.append(line[...colon])
      if !appendStatus(key, to: &text, thread, identity, source, host: line[(colon + 1)...]) {
        text.append(line[(colon + 1)...])
      }
      text.append(Text.newline)
    }
    return text.bytes
  }

  /// The value of one line; false to keep the host's.
  private static func appendStatus(
    _ key: ArraySlice<UInt8>, to text: inout TextBuilder, _ thread: ProcessThread, _ identity: ProcessIdentity,
    _ source: any ProcessSource, host value: ArraySlice<UInt8>
  ) -> Bool {
    func ids(_ values: [Int64], _ separator: UInt8 = Text.tab) {
      for value in values {
        text.append(separator)
        text.append(decimal: value)
      }
    }
    func capabilities(_ set: UInt64) {
      text.append(Text.tab)
      text.append(hexadecimal: set, digits: 16)
    }
    /// Ids as the innermost of the host's namespaces that we see names them.
    func translated() {
      let first = value.split(separator: Text.tab).first ?? []
      ids([Int64(source.inside(first))])
    }
    switch String(decoding: key, as: UTF8.self) {
    case "Umask":
      text.append(Text.tab)
      text.append(octal: identity.umask.rawValue & 0o777)
    case "State":
      switch state(value.first { $0 != Text.tab } ?? 0x3f, of: thread, source) {
      case .host: return false
      case .running: text.append("\tR (running)")
      case .stopped: text.append("\tT (stopped)")
      }
    case "Tgid", "NStgid": ids([Int64(thread.process)])
    case "Pid", "NSpid": ids([Int64(thread.thread)])
    case "PPid", "NSpgid", "NSsid": translated()
    case "TracerPid", "Ngid": ids([0])
    case "Uid":
      let users = identity.users
      ids([users.real, users.effective, users.saved, users.filesystem].map(Int64.init))
    case "Gid":
      let groups = identity.groups
      ids([groups.real, groups.effective, groups.saved, groups.filesystem].map(Int64.init))
    case "Groups":
      // "Groups:\t1 2 3 ", with a space behind each.
      text.append(Text.tab)
      for group in identity.supplementaryGroups {
        text.append(decimal: group)
        text.append(Text.space)
      }
      if identity.supplementaryGroups.isEmpty { text.append(Text.space) }
    case "CapInh": capabilities(identity.inheritable)
    case "CapPrm": capabilities(identity.permitted)
    case "CapEff": capabilities(identity.effective)
    case "CapBnd": capabilities(identity.bounding)
    case "CapAmb": capabilities(identity.ambient)
    case "NoNewPrivs": ids([identity.noNewPrivileges ? 1 : 0])
    case "Seccomp": ids([Int64(identity.seccompMode)])
    case "Seccomp_filters": ids([Int64(identity.seccompFilters)])
    default: return false
    }
    return true
  }

  /// `/proc/PID/maps`, and `smaps`, whose lines between the headers stay: the names of files become those of the inside.
  ///
  /// A mapping is identified by the device and inode in its line; the host's name of a file is never shown.
  static func maps(_ host: [UInt8], _ source: any ProcessSource) -> [UInt8] {
    var text = TextBuilder()
    for line in host.split(separator: Text.newline, omittingEmptySubsequences: true) {
      appendMapping(line, to: &text, source)
      text.append(Text.newline)
    }
    return text.bytes
  }

  private static func appendMapping(_ line: ArraySlice<UInt8>, to text: inout TextBuilder, _ source: any ProcessSource)
  {
    // address perms offset dev inode, then the name at column 73 or further (`man 5 proc_pid_maps`).
    let fields = line.split(separator: Text.space, maxSplits: 5, omittingEmptySubsequences: true)
    guard fields.count >= 5, fields[0].contains(0x2d), let colon = fields[3].firstIndex(of: 0x3a),
      let major = Digits.parse(fields[3][..<colon], radix: 16),
      let minor = Digits.parse(fields[3][(colon + 1)...], radix: 16),
      let inode = Digits.parse(fields[4])
    else {
      text.append(line)
      return
    }
    // The last part still has the padding before the name.
    let name = fields.count > 5 ? fields[5].drop { $0 == Text.space } : []
    if inode == 0 || name.isEmpty || name.first == 0x5b {
      text.append(line)
      return
    }
    let device = DeviceNumber.make(major: UInt32(truncatingIfNeeded: major), minor: UInt32(truncatingIfNeeded: minor))
    guard let file = source.mappedFile(device: device, inode: inode) else {
      text.append(line[..<name.startIndex])
      if isKernelObject(name) { text.append(name) } else { text.append("/ (deleted)") }
      return
    }
    let facts =
      "\(hexadecimal(DeviceNumber.major(file.device))):\(hexadecimal(DeviceNumber.minor(file.device))) \(file.inode) "
    let head = line[..<fields[3].startIndex]
    text.append(head)
    for byte in facts.utf8 { text.append(byte) }
    for _ in 0..<max(0, nameColumn - head.count - facts.utf8.count) { text.append(Text.space) }
    // As the kernel escapes: a newline would end the line.
    for byte in file.path {
      if byte == Text.newline { text.append("\\012") } else { text.append(byte) }
    }
  }

  /// `limits` with the core file size that guests are shown, none (fs/proc/base.c, `proc_pid_limits`).
  static func limits(_ text: [UInt8]) -> [UInt8] {
    var result = TextBuilder()
    for line in text.split(separator: Text.newline) {
      if Text.has(line, prefix: "Max core file size") {
        result.append("Max core file size        0                    0                    bytes     ")
      } else {
        result.append(line)
      }
      result.append(Text.newline)
    }
    return result.bytes
  }

  /// Where names begin (fs/proc/task_mmu.c, `show_map_vma`).
  private static let nameColumn = 73

  /// At least two digits, as the kernel prints device numbers here.
  private static func hexadecimal(_ number: UInt32) -> String {
    (number < 16 ? "0" : "") + String(number, radix: 16)
  }

  /// Names of mappings that the kernel makes up and that are no files.
  private static func isKernelObject(_ name: ArraySlice<UInt8>) -> Bool {
    for prefix: StaticString in [
      "/memfd:", "/dev/zero (deleted)", "/SYSV", "/[aio]", "/anon_hugepage", "anon_inode:", "socket:",
    ]
    where Text.has(name, prefix: prefix) { return true }
    return false
  }

  /// The access mode of a descriptor, from the `flags:` line of its host's fdinfo; read and write if there is none.
  static func accessMode(_ information: [UInt8]) -> UInt64 {
    for line in information.split(separator: Text.newline) where Text.has(line, prefix: "flags:") {
      let digits = line.drop { $0 < 0x30 || $0 > 0x39 }
      return (Digits.parse(digits, radix: 8) ?? 2) & 3
    }
    return 2
  }
}

extension ProcessSource {
  /// The id inside of a host id in text; 0 for what is outside or no number.
  fileprivate func inside(_ text: ArraySlice<UInt8>) -> Int32 {
    guard let id = Text.parseSigned(text), id > 0, let small = Int32(exactly: id) else { return 0 }
    return insideID(ofHost: small)
  }
}
