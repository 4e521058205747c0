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

  private func write(_ text: String, to path: String) throws {
    let file = try #require(fopen(path, "w"))
    fputs(text, file)
    fclose(file)
  }
}
