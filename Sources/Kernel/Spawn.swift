// Programs of the host that the command runs beside itself: those that decompress an archive.

import CLinux
public import LinuxABI

extension Host {
  /// `posix_spawnp(3)` of a program that is found in PATH, with `input` as its standard input, `output` as its standard output
  /// and /dev/null as its standard error. Returns its process's number.
  public static func spawn(_ program: String, _ arguments: [String], input: CInt, output: CInt) throws(Errno) -> Int32 {
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, input, 0)
    posix_spawn_file_actions_adddup2(&actions, output, 1)
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var words: [UnsafeMutablePointer<CChar>?] = ([program] + arguments).map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var process: pid_t = 0
    let result = posix_spawnp(&process, program, &actions, nil, &words, vd_environment())
    if result != 0 { throw Errno(rawValue: result) }
    return process
  }

  /// `fork(3)`: 0 in the child, which is killed when its parent ends.
  ///
  /// - Precondition: this process has one thread.
  public static func fork() throws(Errno) -> Int32 {
    Int32(truncatingIfNeeded: try Errno.check(Int(vd_fork_bound())))
  }

  /// `wait4(2)` with WNOHANG and WUNTRACED: what has become of a child; nil if nothing has.
  public static func news(of child: Int32) throws(Errno) -> WaitStatus? {
    var word: Int32 = 0
    let result = try withUnsafeMutablePointer(to: &word) { word throws(Errno) in
      try call(.wait4, Int(child), Int(bitPattern: word), 1 | 2, 0)
    }
    return result == 0 ? nil : WaitStatus(word)
  }

  /// Stops this process, as SIGSTOP does; returns when something has it go on.
  public static func stopSelf() { raw(.kill, raw(.getpid), Int(Signal.stop.rawValue)) }

  /// `wait4(2)` for the end of a child.
  public static func waitForEnd(of child: Int32) throws(Errno) -> WaitStatus {
    while true {
      do throws(Errno) {
        if let event = try wait(for: child, []) { return event.status }
      } catch {
        if error != .interrupted { throw error }
      }
    }
  }

  /// `getenv(3)`: a variable of this process's environment.
  public static func environmentValue(_ name: String) -> String? { getenv(name).map { String(cString: $0) } }

  /// The same as the bytes that it is, for a path.
  public static func environmentBytes(_ name: String) -> [UInt8]? { getenv(name).map { [UInt8](cString: $0) } }

  /// `exit(3)`.
  public static func exit(_ status: Int32) -> Never { CLinux.exit(status) }
}
