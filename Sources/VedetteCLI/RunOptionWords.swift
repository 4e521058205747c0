// How the options of `vedette run` are written on a command line: long forms, short ones, and what stands for a value in
// messages.

import Vedette

extension RunOption {
  /// The letter of its short form, as docker and podman have it.
  var letter: Character? {
    switch self {
    case .bind: "v"
    case .workdir: "w"
    case .env: "e"
    case .user: "u"
    case .memory: "m"
    case .trace: "o"
    case .publish: "p"
    default: nil
    }
  }

  /// Every long form; the first is what messages call it.
  var words: [String] { self == .bind ? ["--bind", "--volume"] : ["--" + rawValue] }

  /// What messages call it where it is said on a command line.
  var place: String { "--" + rawValue }

  /// What undoes a flag.
  var negation: String { "--no-" + rawValue }

  /// What a value looks like, for messages.
  var form: String {
    switch self {
    case .rootfs, .lower, .workdir: "DIR"
    case .upper: "memory|DIR"
    case .size, .memory, .maxFile: "BYTES"
    case .bind: "SRC[:DST][:ro]"
    case .tmpfs: "DST"
    case .env: "NAME[=VALUE]"
    case .envFile, .trace: "FILE"
    case .user: "USER[:GROUP]"
    case .hostname: "NAME"
    case .net: "none|allow|host"
    case .allowNet: "HOST[:PORT][/tcp|/udp]"
    case .publish: "PORT[:GUESTPORT]"
    case .isolation: "auto|full|no-namespaces"
    case .gate: "trace|notify"
    case .traceFormat: "text|json"
    case .traceFilter: "trace=SET|refused"
    case .timeout: "TIME"
    case .ulimit: "NAME=SOFT[:HARD]"
    case .pids, .cpus, .fd: "N"
    case .allow, .protect, .deny, .hide: "PATTERN"
    case .clearEnv, .fakeRoot, .traceBegin, .stats, .changes, .json, .quiet, .verbose, .readOnly, .review: ""
    }
  }

  /// The option with this long form, written without its dashes.
  init?(named name: ArraySlice<UInt8>) {
    guard
      let option = Self.allCases.first(where: { option in
        option.rawValue.utf8.elementsEqual(name) || (option == .bind && name.elementsEqual("volume".utf8))
      })
    else { return nil }
    self = option
  }

  /// The option with this short form.
  init?(letter: UInt8) {
    guard let option = Self.allCases.first(where: { $0.letter?.asciiValue == letter }) else { return nil }
    self = option
  }
}
