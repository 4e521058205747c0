// The options of `vedette run`, once: their names, what kind of value each takes, and what each does to a configuration.
// The command line and the configuration file are two ways to say the same things, and both end in `apply`.

import LinuxABI
import Vedette

/// An option of `vedette run`; the raw value is its name on the command line (after `--`) and in a configuration file.
enum RunOption: String, CaseIterable {
  case rootfs, lower, upper, size, bind, tmpfs, workdir, env
  case envFile = "env-file"
  case hostname
  case readOnly = "read-only"
  case timeout, memory, cpus, ulimit, pids
  case allow, protect, deny, hide
  case maxFile = "max-file"
  case clearEnv = "clear-env"
  case user
  case fakeRoot = "fake-root"
  case net, publish
  case allowNet = "allow-net"
  case isolation, gate, fd, trace
  case traceBegin = "trace-begin"
  case traceFormat = "trace-format"
  case traceFilter = "trace-filter"
  case stats, changes, json, quiet, verbose, review

  /// What a value of the option looks like in a file.
  enum Kind {
    case text, number, textOrNumber, flag
    /// Many texts (or numbers); one alone need not be put in brackets.
    case texts, numbers
  }

  var kind: Kind {
    switch self {
    case .rootfs, .upper, .workdir, .hostname, .net, .isolation, .gate, .trace, .traceFormat: .text
    case .size, .user, .timeout, .memory, .cpus, .maxFile: .textOrNumber
    case .lower, .bind, .tmpfs, .env, .envFile, .ulimit, .traceFilter, .allow, .protect, .deny, .hide, .allowNet,
      .publish:
      .texts
    case .pids: .number
    case .fd: .numbers
    case .clearEnv, .fakeRoot, .traceBegin, .stats, .changes, .json, .quiet, .verbose, .readOnly, .review: .flag
    }
  }
}

extension RunOption {
  /// Said twice, it has two values.
  var isRepeatable: Bool {
    switch kind {
    case .texts, .numbers: true
    case .text, .number, .textOrNumber, .flag: false
    }
  }
}

/// One value given to an option, and where it was said.
struct Setting: Equatable {
  var option: RunOption
  /// `true` or `false` for a flag.
  var value: ByteString
  /// `--size`, or `ci.toml:12: size`.
  var place: String
  /// Of a rule, why.
  var reason: ByteString = ""

  private func error(_ problem: String, advice: String = "") -> ConfigurationError {
    ConfigurationError(at: place, problem, advice: advice)
  }

  /// Applies the setting to `configuration`. Of two values for one thing the later wins; lists grow.
  func apply(to configuration: inout SandboxConfiguration) throws(ConfigurationError) {
    switch option {
    case .rootfs: configuration.rootfs = try nonEmpty()
    case .lower: configuration.lowers.append(try nonEmpty())
    case .upper: configuration.upper = value == "memory" ? .memory : .directory(try nonEmpty())
    case .size: configuration.size = try byteCount()
    case .bind: configuration.binds.append(try bind())
    case .tmpfs: configuration.tmpfs.append(try nonEmpty())
    case .workdir: configuration.workingDirectory = try nonEmpty()
    case .env: configuration.environment.append(try variable())
    case .envFile: configuration.environment += try EnvironmentFile.read(value, saidAt: place)
    case .clearEnv: configuration.clearEnvironment = value == "true"
    case .user: try setUser(of: &configuration)
    case .hostname: configuration.hostName = try nonEmpty()
    case .readOnly: configuration.readOnly = value == "true"
    case .fakeRoot: configuration.fakeRoot = value == "true"
    case .net: configuration.network = try choice()
    case .allowNet:
      configuration.networkRules.append(try network { (text) throws(NetworkRuleError) in try NetworkRule(text) })
    case .publish:
      configuration.publishedPorts.append(try network { (text) throws(NetworkRuleError) in try PublishedPort(text) })
    case .isolation: configuration.isolation = try choice()
    case .gate: configuration.gate = try choice()
    case .fd:
      let descriptor = CInt(truncatingIfNeeded: try number(value.bytes[...], limit: UInt64(CInt.max)))
      if !configuration.extraDescriptors.contains(descriptor) { configuration.extraDescriptors.append(descriptor) }
    case .timeout: configuration.timeout = try duration()
    case .memory: configuration.memoryLimit = try byteCount()
    case .cpus: configuration.processors = try thousandths()
    case .ulimit: configuration.limits.append(try limits())
    case .maxFile:
      let size = try byteCount()
      configuration.limits.append(ResourceLimits(.fsize, soft: size, hard: size))
    case .pids: configuration.taskLimit = Int(try number(value.bytes[...], limit: UInt64(Int32.max)))
    case .allow: configuration.rules.append(try rule(.allow))
    case .protect: configuration.rules.append(try rule(.protect))
    case .deny: configuration.rules.append(try rule(.deny))
    case .hide: configuration.rules.append(try rule(.hide))
    case .trace: configuration.traceFile = try nonEmpty()
    case .traceFormat: configuration.traceFormat = try choice() as TraceFormat
    case .traceFilter:
      do throws(ConfigurationError) { try configuration.traceFilter.add(try nonEmpty()) } catch {
        throw self.error(error.problem, advice: error.advice)
      }
    case .json: configuration.json = value == "true"
    case .traceBegin: configuration.traceBeginnings = value == "true"
    case .stats: configuration.statistics = value == "true"
    case .changes: configuration.changes = value == "true"
    // Of the two the later counts.
    case .quiet:
      configuration.quiet = value == "true"
      if configuration.quiet { configuration.verbose = false }
    case .verbose:
      configuration.verbose = value == "true"
      if configuration.verbose { configuration.quiet = false }
    case .review: configuration.review = value == "true"
    }
  }

  // MARK: - What a value may look like

  private func network<Value>(_ read: (ByteString) throws(NetworkRuleError) -> Value) throws(ConfigurationError)
    -> Value
  {
    do throws(NetworkRuleError) { return try read(value) } catch {
      throw self.error(error.problem, advice: error.advice)
    }
  }

  private func nonEmpty() throws(ConfigurationError) -> ByteString {
    if value.isEmpty { throw error("the value is empty", advice: "wanted: \(option.form)") }
    return value
  }

  private func choice<T: RawRepresentable & CaseIterable>() throws(ConfigurationError) -> T where T.RawValue == String {
    if let choice = T.allCases.first(where: { ByteString($0.rawValue) == value }) { return choice }
    let names = T.allCases.map(\.rawValue).joined(separator: ", ")
    throw error("'\(value)' is not a choice", advice: "one of: \(names)")
  }

  private func rule(_ action: SandboxConfiguration.PathRule.Action) throws(ConfigurationError)
    -> SandboxConfiguration.PathRule
  {
    let rule = SandboxConfiguration.PathRule(action, try nonEmpty().bytes, reason: reason.bytes)
    do throws(ConfigurationError) { try SandboxConfiguration.validate(rule) } catch {
      throw self.error(error.problem, advice: error.advice)
    }
    return rule
  }

  /// Decimal digits only, at most `limit`.
  private func number(_ digits: ArraySlice<UInt8>, limit: UInt64) throws(ConfigurationError) -> UInt64 {
    var result: UInt64 = 0
    for digit in digits {
      if !(0x30...0x39).contains(digit) { throw error("'\(value)' is not a number") }
      guard let next = result.multipliedExactly(by: 10)?.addingExactly(UInt64(digit - 0x30)), next <= limit else {
        throw error("'\(value)' is too large", advice: "at most \(limit)")
      }
      result = next
    }
    if digits.isEmpty { throw error("'\(value)' is not a number") }
    return result
  }

  /// `2`, `0.5`, `1.25`: in thousandths, which are as fine as it gets.
  private func thousandths() throws(ConfigurationError) -> UInt64 {
    let parts = value.bytes.split(separator: 0x2e, maxSplits: 1, omittingEmptySubsequences: false)
    guard let whole = parts.first, parts.count == 1 || (1...3).contains(parts[1].count) else {
      throw error("'\(value)' is not a number of CPUs", advice: "2, or 0.5, with at most three decimals")
    }
    var result = whole.isEmpty && parts.count == 2 ? 0 : try number(whole, limit: 1 << 20) * 1000
    if parts.count == 2 {
      var place: UInt64 = 1000
      for _ in parts[1] { place /= 10 }
      result += try number(parts[1], limit: 999) * place
    }
    return result
  }

  /// `10`, `1.5`, `90s`, `5m`, `2h`, `1d`, `200ms`, as for `timeout(1)`: in nanoseconds.
  private func duration() throws(ConfigurationError) -> UInt64 {
    let bytes = value.bytes
    let whole = bytes.prefix { (0x30...0x39).contains($0) }
    var rest = bytes[whole.endIndex...]
    var fraction: ArraySlice<UInt8> = []
    if rest.first == 0x2e {
      fraction = rest.dropFirst().prefix { (0x30...0x39).contains($0) }
      rest = rest[fraction.endIndex...]
    }
    let units: [String: UInt64] = [
      "": 1_000_000_000, "ms": 1_000_000, "s": 1_000_000_000, "m": 60_000_000_000, "h": 3_600_000_000_000,
      "d": 86_400_000_000_000,
    ]
    guard let unit = units[String(decoding: rest, as: UTF8.self)], !(whole.isEmpty && fraction.isEmpty) else {
      throw error("'\(value)' is not a time", advice: "seconds, or 90s, 5m, 2h, 1d, 200ms")
    }
    var result = whole.isEmpty ? 0 : try number(whole, limit: UInt64(Int64.max) / unit) * unit
    var place = unit
    for digit in fraction {
      place /= 10
      result = result.addingClamped(UInt64(digit - 0x30) * place)
    }
    return result
  }

  /// `NAME=SOFT[:HARD]`; HARD is SOFT if left out.
  private func limits() throws(ConfigurationError) -> ResourceLimits {
    let parts = value.bytes.split(separator: 0x3d, maxSplits: 1, omittingEmptySubsequences: false)
    let name = String(decoding: parts[0], as: UTF8.self).lowercased()
    guard let resource = LimitedResource(rawValue: name) else {
      let names = LimitedResource.allCases.map(\.rawValue).joined(separator: ", ")
      throw error(
        "'\(ByteString([UInt8](parts[0])))' is no resource", advice: "NAME=SOFT[:HARD]; NAME is one of \(names)")
    }
    let values = parts.count < 2 ? [] : parts[1].split(separator: 0x3a, omittingEmptySubsequences: false)
    guard values.count == 1 || values.count == 2 else {
      throw error("'\(value)' is not a limit", advice: "write \(name)=SOFT[:HARD]; 'unlimited' for none")
    }
    return ResourceLimits(
      resource, soft: try limit(values[0]), hard: try limit(values[values.count - 1]))
  }

  private func limit(_ text: ArraySlice<UInt8>) throws(ConfigurationError) -> UInt64 {
    if text.elementsEqual("unlimited".utf8) || text.elementsEqual("-1".utf8) { return ResourceLimits.unlimited }
    return try byteCount(text)
  }

  /// `4096`, `64K`, `512M`, `2G`, `1T`: powers of 1024; `KB`, `KiB` and the like are taken too.
  private func byteCount() throws(ConfigurationError) -> UInt64 { try byteCount(value.bytes[...]) }

  private func byteCount(_ bytes: ArraySlice<UInt8>) throws(ConfigurationError) -> UInt64 {
    let digits = bytes.prefix { (0x30...0x39).contains($0) }
    let suffix = String(decoding: bytes[digits.endIndex...], as: UTF8.self).lowercased()
    let shifts = ["": 0, "b": 0, "k": 10, "m": 20, "g": 30, "t": 40]
    // K, KB and KiB are one.
    var unit = suffix
    if unit.count > 1, unit.hasSuffix("b") { unit.removeLast() }
    if unit.count > 1, unit.hasSuffix("i") { unit.removeLast() }
    guard let shift = shifts[unit], !digits.isEmpty else {
      throw error("'\(value)' is not a size", advice: "a number of bytes, or 64K, 512M, 2G, 1T")
    }
    return try number(digits, limit: UInt64(Int64.max) >> UInt64(shift)) << UInt64(shift)
  }

  /// `SRC[:DST][:ro]`; a colon that belongs to a name is written `\:`.
  private func bind() throws(ConfigurationError) -> SandboxConfiguration.Bind {
    var parts: [[UInt8]] = [[]]
    var escaped = false
    for byte in value.bytes {
      if escaped {
        if byte != 0x3a { parts[parts.count - 1].append(0x5c) }
        parts[parts.count - 1].append(byte)
        escaped = false
      } else if byte == 0x5c {
        escaped = true
      } else if byte == 0x3a {
        parts.append([])
      } else {
        parts[parts.count - 1].append(byte)
      }
    }
    if escaped { parts[parts.count - 1].append(0x5c) }
    var readOnly = false
    if parts.count > 1, let last = parts.last, last == Array("ro".utf8) || last == Array("rw".utf8) {
      readOnly = last == Array("ro".utf8)
      parts.removeLast()
    }
    guard parts.count <= 2, parts.allSatisfy({ !$0.isEmpty }) else {
      throw error("'\(value)' is not a bind", advice: "write SRC[:DST][:ro]")
    }
    let destination = ByteString(parts[parts.count - 1])
    if !destination.isAbsolute {
      throw error("'\(destination)' is not an absolute path inside", advice: "write SRC:/DST[:ro]")
    }
    return SandboxConfiguration.Bind(source: ByteString(parts[0]), destination: destination, readOnly: readOnly)
  }

  /// `NAME=VALUE`, or `NAME` for the caller's value.
  private func variable() throws(ConfigurationError) -> SandboxConfiguration.Variable {
    if value.isEmpty || value.bytes.first == 0x3d {
      throw error("'\(value)' is not a variable", advice: "write NAME=VALUE, or NAME for the caller's value")
    }
    guard let equals = value.bytes.firstIndex(of: 0x3d) else {
      return SandboxConfiguration.Variable(name: value, value: nil)
    }
    return SandboxConfiguration.Variable(
      name: ByteString([UInt8](value.bytes[..<equals])), value: ByteString([UInt8](value.bytes[(equals + 1)...])))
  }

  /// `UID[:GID]`, the group's number being the user's if left out; or names, for which the guest's own files are asked.
  private func setUser(of configuration: inout SandboxConfiguration) throws(ConfigurationError) {
    let parts = value.bytes.split(separator: 0x3a, omittingEmptySubsequences: false)
    guard parts.count <= 2, !parts.contains([]), !parts.contains(where: { $0.contains(0x2f) || $0.contains(0) }) else {
      throw error("'\(value)' is not a user", advice: "write UID[:GID] or NAME[:GROUP]")
    }
    if parts.joined().allSatisfy({ (0x30...0x39).contains($0) }) {
      // 4294967295 is (uid_t)-1, 'no change' to chown(2): never a user.
      let uid = UInt32(truncatingIfNeeded: try number(parts[0], limit: UInt64(UInt32.max - 1)))
      let gid = UInt32(truncatingIfNeeded: try number(parts[parts.count - 1], limit: UInt64(UInt32.max - 1)))
      configuration.user = SandboxConfiguration.User(uid: uid, gid: gid)
      configuration.userName = nil
    } else {
      configuration.user = nil
      configuration.userName = UserName(
        user: ByteString([UInt8](parts[0])), group: parts.count > 1 ? ByteString([UInt8](parts[1])) : nil)
    }
  }
}
