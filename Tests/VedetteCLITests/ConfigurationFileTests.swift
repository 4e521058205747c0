// `--config`: every option under its own name, the command line wins, errors name file, line and key.

import Glibc
import Testing
import Vedette

@testable import VedetteCLI

struct ConfigurationFileTests {
  private func refusal(_ text: String) -> String? {
    do throws(ConfigurationError) {
      var configuration = SandboxConfiguration()
      for setting in try ConfigurationFile(text: text, name: "f.toml").settings {
        try setting.apply(to: &configuration)
      }
      return nil
    } catch {
      return error.description
    }
  }

  private func parsed(_ text: String) throws -> SandboxConfiguration {
    var configuration = SandboxConfiguration()
    for setting in try ConfigurationFile(text: text, name: "f.toml").settings { try setting.apply(to: &configuration) }
    return configuration
  }

  @Test func everyOptionUnderItsOwnName() throws {
    let configuration = try parsed(
      """
      rootfs = "/r"
      lower = ["/a", "/b"]
      upper = "memory"
      size = 65536
      bind = "/s:/d"
      tmpfs = ["/t"]
      workdir = "/w"
      env = ["A=1"]
      clear-env = true
      user = 1000
      fake-root = true
      net = "host"
      isolation = "full"
      gate = "notify"
      fd = [3, 4]
      trace = "f"
      stats = true
      changes = true
      deny = ["/a"]
      [[rules]]
      action = "hide"
      pattern = "/b"
      reason = "a secret"
      [[rules]]
      action = "protect"
      pattern = ["/c", "/d"]
      """)
    #expect(configuration.lowers == ["/a", "/b"])
    #expect(configuration.size == 65536)
    #expect(
      configuration.rules == [
        .init(.deny, Array("/a".utf8)), .init(.hide, Array("/b".utf8), reason: Array("a secret".utf8)),
        .init(.protect, Array("/c".utf8)), .init(.protect, Array("/d".utf8)),
      ])
    #expect(configuration.binds == [.init(source: "/s", destination: "/d")])
    #expect(configuration.user == .init(uid: 1000, gid: 1000))
    #expect(configuration.extraDescriptors == [3, 4])
    #expect(
      configuration.changes && configuration.statistics && configuration.fakeRoot && configuration.clearEnvironment)
  }

  @Test func errorsNameFileLineAndKey() {
    #expect(refusal("# c\n\nbogus = 1\n")?.hasPrefix("f.toml:3: bogus: unknown key") == true)
    #expect(refusal("fake_root = true\n") == "f.toml:1: fake_root: unknown key (write fake-root)")
    #expect(refusal("\nstats = \"yes\"\n") == "f.toml:2: stats: wrong type: true or false is wanted, not a string")
    #expect(refusal("rootfs = 1\n") == "f.toml:1: rootfs: wrong type: a string is wanted, not an integer")
    #expect(refusal("size = 1.5\n")?.hasPrefix("f.toml:1: size: wrong type") == true)
    #expect(refusal("env = [\"A=1\", 2]\n")?.hasPrefix("f.toml:1: env: wrong type") == true)
    #expect(refusal("fd = [-1]\n")?.hasPrefix("f.toml:1: fd: ") == true)
    #expect(refusal("size = 1\nnet = = 2\n")?.hasPrefix("f.toml:2: ") == true)
    #expect(refusal("size = 70000\nsize = 2\n")?.hasPrefix("f.toml:2: ") == true)
    #expect(refusal("\n[run]\nstats = true\n")?.hasPrefix("f.toml:2: run: unknown key") == true)
    for broken in ["[= ", "[=1", "[[=", "[ =", "a.=1", "a = [", "a={=", "[[]]", "\"", "a = 1e"] {
      #expect(refusal("size = 70000\n" + broken)?.hasPrefix("f.toml:2: ") == true, "\(broken)")
    }
    #expect(refusal("net = \"lan\"\n")?.hasPrefix("f.toml:1: net: 'lan'") == true)
  }

  @Test func linesAreThoseOfTheKeys() throws(ConfigurationError) {
    let text = "trace = \"\"\"\nsize = 1\n\"\"\"\nsize=2\n  \"net\" = \"x\"\n"
    let entries = try TOMLDocument.entries(of: text, name: "f.toml")
    #expect(entries.map(\.key) == ["trace", "size", "net"])
    #expect(entries.map(\.line) == [1, 4, 5])
  }

  @Test func settingsKeepTheOrderOfTheFile() throws {
    let file = try ConfigurationFile(text: "size = 70000\nenv = [\"A=1\", \"B=2\"]\nbind = \"/s\"\n", name: "f.toml")
    #expect(file.settings.map(\.option) == [.size, .env, .env, .bind])
    #expect(file.settings.map(\.value) == ["70000", "A=1", "B=2", "/s"])
  }

  @Test func commandLineWins() throws {
    let path = "/tmp/vedette-config-test.toml"
    try write("size = \"1G\"\nfake-root = true\nlower = [\"/f\"]\nenv = [\"A=file\"]\nnet = \"host\"\n", to: path)
    let result = try configuration(
      "--size", "2G", "--no-fake-root", "--lower", "/l", "--env", "A=line", "--config", ByteString(path), "x")
    #expect(result.size == 2 << 30)
    #expect(!result.fakeRoot)
    #expect(result.lowers == ["/l", "/f"])
    #expect(result.environment(from: []) == ["A=line"])
    #expect(result.network == .host)
  }

  @Test(arguments: ["ci", "untrusted", "conformance", "secrets"])
  func shippedConfigurationIsValid(_ name: String) throws {
    let folder = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
    let result = try configuration("--config", ByteString("\(folder)/Configs/\(name).toml"), "true")
    try result.validate()
    #expect(result.network == .none)
  }

  @Test func environmentStandsBetweenFileAndCommandLine() throws {
    let path = "/tmp/vedette-config-defaults.toml"
    try write("size = \"1G\"\nnet = \"host\"\nlower = [\"/f\"]\nfake-root = true\nenv = [\"A=f\", \"B=f\"]\n", to: path)
    let environment: [ByteString] = [
      ByteString("VEDETTE_CONFIG=\(path)"), "VEDETTE_SIZE=2G", "VEDETTE_NET=", "VEDETTE_LOWER=/e\n/g",
      "VEDETTE_FAKE_ROOT=no",
      "VEDETTE_ENV=A=e", "VEDETTE_STATS=1", "VEDETTE_CHECK=mappings", "VEDETTE_UNHEARD_OF=1", "X=1",
    ]
    guard
      case .run(let result, let places) = try Request.parse(
        ["run", "--lower", "/l", "--size", "3G", "x"], in: environment)
    else { throw ConfigurationError(at: "", "not run") }
    #expect(result.size == 3 << 30)
    #expect(result.network == .host)
    #expect(result.lowers == ["/l", "/e", "/g", "/f"])
    #expect(!result.fakeRoot && result.statistics)
    #expect(result.environment(from: []) == ["B=f", "A=e"])
    #expect(places.named(in: "--size: x") == "--size: x")
    #expect(places.named(in: "--net: x") == "\(path):2: net: x")
    #expect(places.named(in: "--lower: '/g' does not exist") == "VEDETTE_LOWER: '/g' does not exist")
    #expect(places.named(in: "--lower: '/f' does not exist") == "\(path):3: lower: '/f' does not exist")
    #expect(places.named(in: "--upper: x") == "--upper: x")
    #expect(places.named(in: "other: x") == "other: x")
  }

  @Test(
    arguments: [
      ("VEDETTE_SIZE=q", "VEDETTE_SIZE: 'q' is not a size"),
      ("VEDETTE_STATS=si", "VEDETTE_STATS: 'si' is neither yes nor no"),
      ("VEDETTE_TIMOUT=1", "VEDETTE_TIMOUT: there is no such option (VEDETTE_TIMEOUT?)"),
    ] as [(ByteString, String)])
  func wrongDefaultsNameTheVariable(_ variable: ByteString, _ line: String) {
    var seen = ""
    do throws(ConfigurationError) { _ = try Request.parse(["run", "x"], in: [variable]) } catch {
      seen = error.description
    }
    #expect(seen.hasPrefix(line), "\(seen)")
  }

  @Test func configurationsAreFoundByName() throws {
    let home = "/tmp/vedette-config-home"
    mkdir(home, 0o755)
    mkdir(home + "/vedette", 0o755)
    try write("size = \"1G\"\n", to: home + "/vedette/mine.toml")
    let lookup = ConfigurationLookup([ByteString("XDG_CONFIG_HOME=\(home)")])
    #expect(try lookup.find("mine", saidAt: "--config") == ByteString(home + "/vedette/mine.toml"))
    #expect(try lookup.find("mine.toml", saidAt: "--config") == ByteString(home + "/vedette/mine.toml"))
    #expect(try lookup.find("./mine", saidAt: "--config") == "./mine")
    #expect(throws: ConfigurationError.self) { try lookup.find("vedette-config-of-nobody", saidAt: "--config") }
    #expect(ConfigurationLookup(["HOME=/h"]).directories.first == "/h/.config/vedette")
  }

  @Test func environmentFiles() throws {
    let text = "# c\n\nA=1\r\n  B=a b=c\nTERM\nC=\"q\"\n"
    let variables = try EnvironmentFile.variables(in: Array(text.utf8), of: "f.env")
    let wanted: [SandboxConfiguration.Variable] = [
      .init(name: "A", value: "1"), .init(name: "B", value: "a b=c"), .init(name: "TERM", value: nil),
      .init(name: "C", value: "\"q\""),
    ]
    #expect(variables == wanted)
    let wrong = [
      ("A=1\nexport B=2\n", "f.env:2: 'export B=2' is not a variable (write NAME=VALUE, without export)"),
      ("=x\n", "f.env:1: '=x' is not a variable (write NAME=VALUE or NAME)"),
    ]
    for (text, line) in wrong {
      do throws(ConfigurationError) {
        _ = try EnvironmentFile.variables(in: Array(text.utf8), of: "f.env")
        Issue.record("taken: \(text)")
      } catch {
        #expect(error.description == line)
      }
    }
  }

  private func write(_ text: String, to path: String) throws {
    let file = try #require(fopen(path, "w"))
    fputs(text, file)
    fclose(file)
  }
}
