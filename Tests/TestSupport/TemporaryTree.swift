// A directory of the host that the tests of layered trees fill by scripts.

import Glibc
import Kernel
import LinuxABI

/// A directory of the host that ends with the test.
package final class TemporaryTree {
  package let path: String

  /// - Parameter inMemory: on a tmpfs, where a directory holds any number of extended attributes.
  package init(inMemory: Bool = false) {
    do throws(Errno) { path = try temporaryDirectory(in: inMemory ? "/dev/shm" : "/tmp") } catch {
      preconditionFailure("no temporary directory: \(error)")
    }
  }

  deinit { shell("rm -rf '\(path)'") }

  /// Runs a script in the directory.
  package func callAsFunction(_ script: String) { shell("cd '\(path)' && \(script)") }

  /// What a script prints.
  package func output(_ script: String) -> String {
    shell("cd '\(path)' && { \(script) ; } > ../$(basename '\(path)').out 2>&1")
    defer { shell("rm '\(path).out'") }
    guard let descriptor = try? Host.openTrusted("\(path).out", []), let bytes = try? Host.readAll(descriptor.rawValue)
    else { return "" }
    return String(decoding: bytes, as: UTF8.self)
  }
}

/// Runs a script; a failing one ends the test run, for it is the test that is wrong.
package func shell(_ script: String) {
  var pid: pid_t = 0
  var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-ec"), strdup("umask 022; " + script), nil]
  defer { for argument in arguments { free(argument) } }
  precondition(posix_spawn(&pid, "/bin/sh", nil, nil, &arguments, nil) == 0, "posix_spawn")
  var status: CInt = 0
  waitpid(pid, &status, 0)
  precondition(status == 0, "script failed: \(script)")
}
