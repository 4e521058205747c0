// What a configuration refuses, in which words, and what it makes of the caller's environment.

import Testing

@testable import Vedette

struct SandboxConfigurationTests {
  private func problem(_ change: (inout SandboxConfiguration) -> Void) -> String? {
    var configuration = SandboxConfiguration(command: ["/bin/true"])
    change(&configuration)
    do throws(ConfigurationError) {
      try configuration.validate()
      return nil
    } catch {
      return error.description
    }
  }

  @Test func defaultIsValid() { #expect(problem { _ in } == nil) }

  @Test func missingAndWrongDirectories() {
    #expect(problem { $0.rootfs = "/no/such" } == "--rootfs: '/no/such' does not exist")
    #expect(problem { $0.lowers = ["/etc/passwd"] } == "--lower: '/etc/passwd' is not a directory")
    #expect(problem { $0.rootfs = "" } == "--rootfs: the directory name is empty")
    #expect(problem { $0.upper = .directory("/no/such") } == "--upper: '/no' does not exist")
    #expect(problem { $0.upper = .directory("/") }?.contains("also a lower") == true)
  }

  @Test func commandMustBeThere() {
    #expect(problem { $0.command = [] }?.hasPrefix("run: no command") == true)
    #expect(problem { $0.command = [""] }?.contains("empty") == true)
    #expect(problem { $0.command = [ByteString([0x61, 0])] }?.contains("NUL") == true)
  }

  @Test func mountPoints() {
    #expect(problem { $0.tmpfs = ["scratch"] }?.contains("not absolute") == true)
    #expect(problem { $0.tmpfs = ["//"] }?.contains("over /") == true)
    #expect(problem { $0.tmpfs = ["/a/../b"] }?.contains("'..'") == true)
    #expect(problem { $0.binds = [.init(source: "/no/such")] }?.contains("does not exist") == true)
    #expect(problem { $0.binds = [.init(source: "/etc")] } == nil)
  }

  @Test func descriptors() {
    #expect(problem { $0.extraDescriptors = [1] }?.contains("always passed") == true)
    #expect(problem { $0.extraDescriptors = [9999] }?.contains("not open") == true)
  }

  @Test func everyMessageIsOneLine() {
    let message = problem { $0.rootfs = "/no\nsuch\u{7}" } ?? ""
    #expect(message == "--rootfs: '/no?such?' does not exist")
  }

  @Test func environmentEdits() {
    var configuration = SandboxConfiguration(command: ["x"])
    configuration.environment = [
      .init(name: "A", value: "1"), .init(name: "B", value: "="), .init(name: "A", value: "2"),
    ]
    #expect(configuration.environment(from: ["A=0", "AB=x", "C"]) == ["AB=x", "C", "B==", "A=2"])
    configuration.clearEnvironment = true
    #expect(configuration.environment(from: ["A=0", "AB=x"]) == ["B==", "A=2"])
  }
}
