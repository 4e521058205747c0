// Running a program and reading what it prints: posix_spawn and a pipe, no Foundation.

import Glibc

/// What a command did.
struct CommandResult {
  /// The exit status; 128+N after signal N, 127 if it could not be started.
  var status: CInt
  /// Standard output and standard error together.
  var output: String
}

/// Runs the program at `arguments[0]` to its end, standard input empty, with `environment` set over our own.
func runCommand(_ arguments: [String], environment: [String: String] = [:]) -> CommandResult {
  var ends: [CInt] = [-1, -1]
  guard pipe(&ends) == 0 else { return CommandResult(status: 127, output: "pipe failed") }
  var actions = posix_spawn_file_actions_t()
  posix_spawn_file_actions_init(&actions)
  defer { posix_spawn_file_actions_destroy(&actions) }
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1)
  posix_spawn_file_actions_adddup2(&actions, ends[1], 2)
  posix_spawn_file_actions_addclose(&actions, ends[0])
  posix_spawn_file_actions_addclose(&actions, ends[1])

  // The test runner's threads block signals, and ignore some; both stay so over exec.
  var attributes = posix_spawnattr_t()
  posix_spawnattr_init(&attributes)
  defer { posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  sigemptyset(&none)
  posix_spawnattr_setsigmask(&attributes, &none)
  var all = sigset_t()
  sigfillset(&all)
  posix_spawnattr_setsigdefault(&attributes, &all)
  posix_spawnattr_setflags(&attributes, CShort(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

  // `env` sets the variables: the C global `environ` is not safe to touch under Swift 6.
  let words =
    ["/usr/bin/env"] + environment.map { "\($0.key)=\($0.value)" }.sorted() + arguments
  var pointers: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
  defer { for pointer in pointers { free(pointer) } }
  var inherited: [UnsafeMutablePointer<CChar>?] = currentEnvironment().map { strdup($0) } + [nil]
  defer { for pointer in inherited { free(pointer) } }
  var child: pid_t = 0
  let failure = posix_spawn(&child, "/usr/bin/env", &actions, &attributes, &pointers, &inherited)
  close(ends[1])
  defer { close(ends[0]) }
  guard failure == 0 else { return CommandResult(status: 127, output: "posix_spawn: error \(failure)") }

  let output = readAll(ends[0])
  var status: CInt = 0
  while waitpid(child, &status, 0) < 0 && errno == EINTR {}
  let signal = status & 0x7f
  return CommandResult(
    status: signal == 0 ? (status >> 8) & 0xff : 128 + signal, output: String(decoding: output, as: UTF8.self))
}

/// The variables that this process was started with.
func currentEnvironment() -> [String] {
  let descriptor = open("/proc/self/environ", O_RDONLY | O_CLOEXEC)
  guard descriptor >= 0 else { return [] }
  defer { close(descriptor) }
  return readAll(descriptor).split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
}

private func readAll(_ descriptor: CInt) -> [UInt8] {
  var bytes: [UInt8] = []
  var buffer = [UInt8](repeating: 0, count: 65536)
  while true {
    let count = read(descriptor, &buffer, buffer.count)
    if count > 0 { bytes.append(contentsOf: buffer[..<count]) }
    if count == 0 || (count < 0 && errno != EINTR) { return bytes }
  }
}

/// The names of the `.sh` files in a folder beside this file.
func scripts(in folder: String) -> [String] {
  guard let directory = opendir(here + folder) else { return [] }
  defer { closedir(directory) }
  var names: [String] = []
  while let entry = readdir(directory) {
    let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
      pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
    }
    if name.hasSuffix(".sh") && name != "lib.sh" { names.append(String(name.dropLast(3))) }
  }
  return names.sorted()
}

/// The folder of this file, with a slash at its end.
let here = String(#filePath.prefix(through: #filePath.lastIndex(of: "/") ?? #filePath.startIndex))

/// The modes to run in: `VEDETTE_MODES`, or all that `make test` asks for.
let modes: [String] =
  currentEnvironment().first { $0.hasPrefix("VEDETTE_MODES=") }
  .map { $0.dropFirst("VEDETTE_MODES=".count).split(separator: " ").map(String.init) }
  ?? ["root", "nobody", "no-namespaces"]

/// A line that `all.sh` counts.
func report(_ line: String) {
  print(line)
  fflush(nil)
}
