// From words to a configuration: what belongs to us, what to the command, and what is refused how.

import Testing
import Vedette

@testable import VedetteCLI

/// The configuration that `words` ask for.
func configuration(_ words: ByteString...) throws -> SandboxConfiguration {
  guard case .run(let configuration, _) = try Request.parse(["run"] + words) else {
    throw ConfigurationError(at: "", "not run")
  }
  return configuration
}

/// The line that `words` are refused with.
func refusal(_ words: ByteString...) -> String? {
  do throws(ConfigurationError) {
    _ = try Request.parse(words)
    return nil
  } catch {
    return error.description
  }
}

struct CommandLineTests {
  @Test func everythingFromTheCommandOnBelongsToIt() throws {
    #expect(try configuration("--size", "1G", "ls", "--help", "--", "-x").command == ["ls", "--help", "--", "-x"])
    #expect(try configuration("--stats", "--", "--odd").command == ["--odd"])
    #expect(try configuration("--net=host", "-").command == ["-"])
    #expect(try configuration("--", "a").command == ["a"])
    #expect(try configuration().command == [])
  }

  @Test func bytesThatAreNotUTF8ReachTheCommand() throws {
    let word = ByteString([0x63, 0xff, 0xc3, 0xa9, 0xf4, 0x8f, 0xb9, 0xbf, 0xe2, 0x82])
    #expect(try configuration("--rootfs", word, word).command == [word])
    #expect(try configuration("--rootfs", word, "x").rootfs == word)
    #expect(ArgumentBytes.bytes(of: ArgumentBytes.string(of: word)) == word)
    #expect(ArgumentBytes.string(of: "plain \u{e9}") == "plain \u{e9}")
  }

  @Test func everyOptionHasItsPlace() throws {
    let all = try configuration(
      "--rootfs", "/r", "--lower", "/a", "--lower", "/b", "--upper", "/u", "--size", "64K", "--bind", "/s:/d:ro",
      "--tmpfs", "/t", "--workdir", "/w", "--env", "A=b=c", "--clear-env", "--user", "1:2", "--hostname", "h",
      "--read-only", "--verbose", "--fake-root", "--net",
      "host", "--isolation", "no-namespaces", "--gate", "notify", "--timeout", "1.5s", "-m", "64M",
      "--cpus", "1.25", "--ulimit",
      "nofile=64:128", "--max-file", "1KB", "--pids", "9", "--deny", "/k", "--hide", "*.key",
      "--protect", "~/p", "--allow", "/k/a", "--fd", "5", "--trace", "f", "--stats", "--changes", "--review",
      "x")
    var wanted = SandboxConfiguration(command: ["x"])
    wanted.rootfs = "/r"
    wanted.lowers = ["/a", "/b"]
    wanted.upper = .directory("/u")
    wanted.size = 65536
    wanted.binds = [.init(source: "/s", destination: "/d", readOnly: true)]
    wanted.tmpfs = ["/t"]
    wanted.workingDirectory = "/w"
    wanted.environment = [.init(name: "A", value: "b=c")]
    wanted.clearEnvironment = true
    wanted.user = .init(uid: 1, gid: 2)
    wanted.hostName = "h"
    wanted.readOnly = true
    wanted.verbose = true
    wanted.fakeRoot = true
    wanted.network = .host
    wanted.isolation = .noNamespaces
    wanted.gate = .notify
    wanted.timeout = 1_500_000_000
    wanted.memoryLimit = 64 << 20
    wanted.processors = 1250
    wanted.limits = [.init(.nofile, soft: 64, hard: 128), .init(.fsize, soft: 1024, hard: 1024)]
    wanted.taskLimit = 9
    wanted.rules = [
      .init(.deny, Array("/k".utf8)), .init(.hide, Array("*.key".utf8)), .init(.protect, Array("~/p".utf8)),
      .init(.allow, Array("/k/a".utf8)),
    ]
    wanted.extraDescriptors = [5]
    // The command's process is for this run alone.
    wanted.confinesProcess = true
    wanted.traceFile = "f"
    wanted.statistics = true
    wanted.changes = true
    wanted.review = true
    #expect(all == wanted)
  }

  @Test func shortFormsAreThoseOfDockerAndPodman() throws {
    let short = try configuration(
      "-v", "/s:/d", "-v/t:/u:ro", "-w", "/w", "-e", "A=1", "-eB=2", "-e=C=3", "-u", "7:8", "-o", "f", "x", "-e")
    var wanted = SandboxConfiguration(command: ["x", "-e"])
    wanted.confinesProcess = true
    wanted.binds = [.init(source: "/s", destination: "/d"), .init(source: "/t", destination: "/u", readOnly: true)]
    wanted.workingDirectory = "/w"
    wanted.environment = [.init(name: "A", value: "1"), .init(name: "B", value: "2"), .init(name: "C", value: "3")]
    wanted.user = .init(uid: 7, gid: 8)
    wanted.traceFile = "f"
    #expect(short == wanted)
    #expect(try configuration("--volume", "/s", "x").binds == [.init(source: "/s")])
  }

  @Test func laterCounts() throws {
    #expect(try configuration("--size", "1G", "--rootfs", "/r", "--size=2G", "x").size == 2 << 30)
    #expect(try !configuration("--stats", "--no-stats", "x").statistics)
    #expect(try configuration("--stats", "--stats", "x").statistics)
    #expect(
      try configuration("--ulimit", "fsize=1", "--max-file", "2", "x").limits.last == .init(.fsize, soft: 2, hard: 2))
  }

  @Test func variablesOfTheCaller() throws {
    let result = try configuration("--clear-env", "--env", "TERM", "--env", "NONE", "--env", "A=1", "x")
    #expect(result.environment(from: ["TERM=dumb", "HOME=/h"]) == ["TERM=dumb", "A=1"])
    #expect(try configuration("--env", "A=1", "--env", "A", "x").environment(from: ["A=2"]) == ["A=2"])
  }

  @Test(
    arguments: [
      (["--rm", "x"], "run: there is no option '--rm' (leave it out: nothing is kept unless --upper DIR says so)"),
      (["-it", "x"], "leave it out: the command has the caller's standard input and terminal"),
      (["--sise", "1G", "x"], "run: there is no option '--sise' (--size?)"),
      (["--xyzzy", "x"], "run: there is no option '--xyzzy' (see vedette run --help)"),
      (["--trace"], "run: --trace lacks its value (write --trace FILE)"),
      (
        ["--rootfs", "--net", "host"],
        "run: --rootfs lacks its value before '--net' (write --rootfs DIR; --rootfs=--net if"
      ),
      (["--stats=yes", "x"], "run: --stats takes no value (write --stats, or --no-stats)"),
      (["-e"], "run: -e lacks its value (write -e NAME[=VALUE])"),
      (["--no-rootfs", "x"], "there is no option '--no-rootfs'"),
    ] as [([ByteString], String)])
  func wrongOptionsAreOneLineWithAdvice(_ words: [ByteString], _ line: String) throws {
    var seen = ""
    do throws(ConfigurationError) { _ = try Request.parse(["run"] + words) } catch { seen = error.description }
    #expect(seen.hasPrefix(line) || seen.hasSuffix("(\(line))") || seen.hasPrefix("run: " + line), "\(seen)")
  }

  @Test(
    arguments: [
      (["--", "ls", "-l"], "a command of vedette's is missing before '--' (to run a program: vedette run -- ls -l)"),
      (
        ["ls", "-l"],
        "there is no command 'ls' (to run a program: vedette run -- ls -l; vedette --help lists the commands)"
      ),
      (["./a b"], "there is no command './a b' (to run a program: vedette run -- './a b')"),
      (["dif", "x"], "there is no command 'dif' (vedette diff?)"),
      (
        ["--net", "host", "ls"], "there is no option '--net' here (options come behind run: vedette run --net host ls)"
      ),
      (["version"], "there is no command 'version' (vedette --version)"),
      (["--frob"], "there is no option '--frob' here (see vedette --help)"),
    ] as [([ByteString], String)])
  func firstWordThatIsNoCommandGetsAHint(_ words: [ByteString], _ line: String) throws {
    var seen = ""
    do throws(ConfigurationError) { _ = try Request.parse(words) } catch { seen = error.description }
    #expect(seen == "command line: " + line)
  }

  @Test(
    arguments: [
      (["diff", "d", "--jsom"], "diff: there is no option '--jsom' (--json?)"),
      (["diff", "d", "--xx"], "diff: there is no option '--xx' (see vedette diff --help)"),
      (["diff"], "diff: DIR is missing (see vedette diff --help)"),
      (["apply", "d"], "apply: --to ROOT is missing (write --to ROOT)"),
      (["apply", "d", "--to"], "apply: --to lacks its value (write --to ROOT)"),
      (["fsck", "d", "e"], "fsck: 'e' is one word too many (see vedette fsck --help)"),
      (["fsck", "d", "--repair=1"], "fsck: --repair takes no value (write --repair)"),
      (["inspect", "init"], "inspect: 'init' is no PID (see vedette inspect --help)"),
      (["doctor", "now"], "doctor: 'now' is one word too many (see vedette doctor --help)"),
    ] as [([ByteString], String)])
  func otherCommandsComplainInTheSameWords(_ words: [ByteString], _ line: String) throws {
    var seen = ""
    do throws(ConfigurationError) { _ = try Request.parse(words) } catch { seen = error.description }
    #expect(seen == line)
  }

  @Test func slipsOfThePen() {
    #expect(Spelling.distance(Array("stats".utf8), Array("tsats".utf8)) == 1)
    #expect(Spelling.distance(Array("a".utf8), []) == 1)
    #expect(Spelling.nearest(to: "--roots", among: ["--rootfs", "--no"]) == "--rootfs")
    #expect(Spelling.nearest(to: "cat", among: ["bat", "rat"]) == nil)
    #expect(Spelling.nearest(to: "frob", among: ["from", "rob"]) == nil)
    #expect(Spelling.nearest(to: "", among: ["ab"]) == nil)
  }

  @Test func binds() throws {
    #expect(try configuration("--bind", "/a", "x").binds == [.init(source: "/a", destination: "/a")])
    #expect(try configuration("--bind", "/a:ro", "x").binds == [.init(source: "/a", destination: "/a", readOnly: true)])
    #expect(try configuration("--bind", #"a\:b:/c\:d:rw"#, "x").binds == [.init(source: "a:b", destination: "/c:d")])
    #expect(refusal("run", "--bind", "a:b", "x")?.contains("absolute") == true)
    #expect(refusal("run", "--bind", "/a:/b:/c", "x")?.contains("SRC[:DST][:ro]") == true)
    #expect(refusal("run", "--bind", ":/b", "x")?.contains("SRC[:DST][:ro]") == true)
  }

  @Test func times() throws {
    let times: [(ByteString, UInt64)] = [
      ("1", 1_000_000_000), ("1.5", 1_500_000_000), (".25s", 250_000_000), ("200ms", 200_000_000),
      ("2m", 120_000_000_000), ("1h", 3_600_000_000_000), ("1d", 86_400_000_000_000), ("0", 0),
      ("0.0000000019", 1), ("9223372036", 9_223_372_036_000_000_000),
    ]
    for (text, nanoseconds) in times { #expect(try configuration("--timeout", text, "x").timeout == nanoseconds) }
    for text in ["", ".", "s", "1w", "1.2.3", "-1", "9223372037", "99999999999999999999", "1e3"] as [ByteString] {
      #expect(refusal("run", "--timeout", text, "x") != nil, "\(text)")
    }
  }

  @Test func limits() throws {
    let limits: [(ByteString, ResourceLimits)] = [
      ("nofile=5", .init(.nofile, soft: 5, hard: 5)), ("AS=1G:2G", .init(.addressSpace, soft: 1 << 30, hard: 2 << 30)),
      ("cpu=unlimited", .init(.cpu, soft: .max, hard: .max)), ("nproc=7:-1", .init(.nproc, soft: 7, hard: .max)),
    ]
    for (text, limit) in limits { #expect(try configuration("--ulimit", text, "x").limits == [limit]) }
    for text in ["", "=", "nofile", "nofile=", "nofile=1:", "nofile=1:2:3", "files=1", "cpu=x"] as [ByteString] {
      #expect(refusal("run", "--ulimit", text, "x") != nil, "\(text)")
    }
  }

  @Test func sizes() throws {
    let sizes: [(ByteString, UInt64)] = [
      ("65536", 65536), ("64k", 65536), ("1MiB", 1 << 20), ("2G", 2 << 30), ("1T", 1 << 40), ("7b", 7), ("3KB", 3072),
    ]
    for (text, bytes) in sizes { #expect(try configuration("--size", text, "x").size == bytes) }
    for text in ["", "K", "1X", "1.5G", "0x10", "99999999999999999999", "9000000000G"] as [ByteString] {
      #expect(refusal("run", "--size", text, "x")?.hasPrefix("--size: ") == true)
    }
  }

  @Test func users() throws {
    #expect(try configuration("--user", "7", "x").user == .init(uid: 7, gid: 7))
    let named = try configuration("--user", "7", "--user", "ann:7", "x")
    #expect(named.user == nil && named.userName == UserName(user: "ann", group: "7"))
    #expect(try configuration("--user", "ann", "--user", "8:9", "x").userName == nil)
    for text in ["", "1:", ":1", "1:2:3", "4294967295", "a/b", "ann:"] as [ByteString] {
      #expect(refusal("run", "--user", text, "x")?.hasPrefix("--user: ") == true, "\(text)")
    }
  }

  @Test func laterOfQuietAndVerboseCounts() throws {
    let quiet = try configuration("--verbose", "--quiet", "x")
    let verbose = try configuration("--quiet", "--verbose", "x")
    #expect(quiet.quiet && !quiet.verbose && !verbose.quiet && verbose.verbose)
  }

  @Test func hostNames() throws {
    var configuration = SandboxConfiguration(command: ["x"])
    for name in ["a", "build-1.example.org", "UPPER_case"] as [ByteString] {
      configuration.hostName = name
      try configuration.validate()
    }
    for name in ["", "a b", "a/b", "caf\u{e9}", ByteString([UInt8](repeating: 0x61, count: 65))] {
      configuration.hostName = name
      #expect(throws: ConfigurationError.self) { try configuration.validate() }
    }
  }

  @Test func wrongUsageIsOneLine() {
    let lines = [
      refusal("run", "--frobnicate", "x"), refusal("run", "--rootfs"), refusal("frob"),
      refusal("run", "--net", "lan", "x"),
      refusal("run", "--stats=yes", "x"), refusal("doctor", "extra"), refusal("--rootfs", "/"),
    ]
    for line in lines { #expect(line?.isEmpty == false && line?.contains("\n") == false) }
  }

  @Test func helpIsCompleteAndVersionIsThere() throws {
    guard case .text(let help) = try Request.parse(["run", "--help"]) else {
      throw ConfigurationError(at: "", "no help")
    }
    for option in RunOption.allCases {
      let section = help.components(after: "  " + (option.letter.map { "-\($0), " } ?? "") + option.place)
      #expect(section?.contains("Example:") == true, "--\(option.rawValue) has no example")
    }
    // Every option of the help is one that is read.
    for word in help.split(whereSeparator: { " \n,/<".contains($0) }) where word.hasPrefix("--") && word.count > 2 {
      let name = word.dropFirst(2).prefix { $0.isLetter || $0 == "-" }
      let own = ["config", "help", "version", "help-hidden"].contains(name)
      let flag = name.hasPrefix("no-") ? RunOption(named: Array(name.dropFirst(3).utf8)[...]) : nil
      #expect(own || flag?.kind == .flag || RunOption(named: Array(name.utf8)[...]) != nil, "\(word)")
    }
    guard case .text(let version) = try Request.parse(["--version"]) else {
      throw ConfigurationError(at: "", "no version")
    }
    #expect(version.hasPrefix("vedette "))
    guard case .text = try Request.parse([]) else { throw ConfigurationError(at: "", "no overview") }
    guard case .text = try Request.parse(["help", "run"]) else { throw ConfigurationError(at: "", "no help") }
  }
}

extension String {
  /// The text between an option's line in the help and the next option.
  fileprivate func components(after option: String) -> Substring? {
    let lines = split(separator: "\n", omittingEmptySubsequences: false)
    guard
      let first = lines.firstIndex(where: {
        $0.hasPrefix(option) && " /,".contains($0.dropFirst(option.count).first ?? " ")
      })
    else {
      return nil
    }
    let rest = lines[(first + 1)...].prefix { !$0.hasPrefix("  -") }
    return Substring(([lines[first]] + rest).joined(separator: " "))
  }
}
