// What a sandbox is asked to be: one value with every choice of `vedette run`, and the checks that say in one line what
// is wrong with it. Nothing here changes anything; `validate` only looks at the host.

import Kernel
import LinuxABI
public import Sentry
public import VFS

/// A path, an argument or an environment string.
public typealias ByteString = LinuxABI.ByteString

/// What is wrong with a configuration, where it was said, and what to do about it; one line for people.
public struct ConfigurationError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The option (`--bind`), or the line of a file (`ci.toml:12: size`).
  public var place: String
  /// What is wrong.
  public var problem: String
  /// What to do about it; may be empty.
  public var advice: String

  public init(at place: String, _ problem: String, advice: String = "") {
    self.place = place
    self.problem = problem
    self.advice = advice
  }

  public var description: String { "\(place): \(problem)" + (advice.isEmpty ? "" : " (\(advice))") }
}

/// Every choice of `vedette run`. The defaults are the command's own: an overlay of the host, held in memory, no network.
///
/// ```swift
/// var configuration = SandboxConfiguration(command: ["/bin/sh", "-c", "rm -rf /etc"])
/// configuration.network = .host
/// ```
public struct SandboxConfiguration: Sendable, Equatable {
  /// Where changes go.
  public enum Upper: Sendable, Equatable {
    /// A file system in memory that is gone when the command ends.
    case memory
    /// A directory of the host that keeps the changes.
    case directory(ByteString)
  }

  /// A host file or directory that shows inside; changes made to it inside are made on the host.
  public struct Bind: Sendable, Hashable {
    public var source: ByteString
    public var destination: ByteString
    public var readOnly: Bool

    public init(source: ByteString, destination: ByteString? = nil, readOnly: Bool = false) {
      self.source = source
      self.destination = destination ?? source
      self.readOnly = readOnly
    }
  }

  /// One environment variable.
  public struct Variable: Sendable, Hashable {
    public var name: ByteString
    /// Nil for the caller's own, if there is one.
    public var value: ByteString?

    public init(name: ByteString, value: ByteString?) {
      self.name = name
      self.value = value
    }
  }

  /// What is refused at the places of a pattern.
  public typealias PathRule = VFS.PathRule

  /// Who the guest is, as it sees itself.
  public typealias User = UserAndGroup

  public enum Network: String, Sendable, CaseIterable {
    /// Loopback only.
    case none
    /// Loopback, and what `networkRules` say.
    case allow
    /// The host's network.
    case host
  }

  public enum Isolation: String, Sendable, CaseIterable {
    /// The strongest level that this kernel allows this user.
    case auto
    /// Namespaces, Landlock, seccomp; refused where the host does not allow all of them.
    case full
    /// Landlock and seccomp only: works in an unprivileged container.
    case noNamespaces = "no-namespaces"
  }

  /// The mechanism that stops calls whose answer is a value.
  public enum GateChoice: String, Sendable, CaseIterable {
    /// SECCOMP_RET_TRACE and ptrace.
    case trace
    /// SECCOMP_RET_USER_NOTIF.
    case notify
  }

  /// The program and its arguments. The program is looked up inside: by PATH if it holds no slash.
  public var command: [ByteString]
  /// The lowest layer: a directory of the host.
  public var rootfs: ByteString = "/"
  /// Directories over `rootfs`, topmost first.
  public var lowers: [ByteString] = []
  public var upper: Upper = .memory
  /// The most that a memory upper and each tmpfs may hold; nil for the host's own default (half of the memory).
  public var size: UInt64?
  public var binds: [Bind] = []
  /// Where an empty file system in memory is mounted.
  public var tmpfs: [ByteString] = []
  /// Where the command starts; nil for the caller's directory if it exists inside, else `/`.
  public var workingDirectory: ByteString?
  /// Variables that are set for the guest; of two with one name the last counts.
  public var environment: [Variable] = []
  /// The caller's environment is left out.
  public var clearEnvironment = false
  /// nil for 0:0 with `fakeRoot`, else for the caller.
  public var user: User?
  /// A user (and group) by name, as the guest's own /etc/passwd and /etc/group have them. Counts in place of `user`.
  public var userName: UserName?
  /// The guest sees itself as root over the virtual tree; it gains nothing on the host.
  public var fakeRoot = false
  /// What the machine is called inside.
  public var hostName: ByteString = "localhost"
  /// Nothing but what `binds` and `tmpfs` mount can be changed, and the sandbox's own /dev and /dev/shm.
  public var readOnly = false
  public var network: Network = .none
  /// What may be reached with `.allow`: addresses, ranges, names.
  public var networkRules: [NetworkRule] = []
  /// Ports of the host's 127.0.0.1 that lead to ports inside, with `.allow`.
  public var publishedPorts: [PublishedPort] = []
  public var isolation: Isolation = .auto
  public var gate: GateChoice = .trace
  /// Nanoseconds that the run may take: then the command is sent SIGTERM, five seconds later all is killed, and the status
  /// is 124. Nil for no limit.
  public var timeout: UInt64?
  /// Bytes of memory that all guests may use together, what their files in memory take included; nil for no bound.
  public var memoryLimit: UInt64?
  /// Thousandths of a CPU that all guests may use together; nil for no bound.
  public var processors: UInt64?
  /// Limits that the command starts with, and can only lower; of two for one resource the last counts.
  public var limits: [ResourceLimits] = []
  /// How many threads there may be inside at a time, processes counted by theirs; one more is EAGAIN. Nil for no limit.
  public var taskLimit: Int?
  /// Descriptors of the caller, besides 0, 1 and 2, that the guest gets under the same numbers.
  public var extraDescriptors: [CInt] = []
  /// Before the command runs, this whole process drops for good what a supervisor does not need: capabilities, new
  /// privileges, and most calls, `execve` and `fork` among them. For a process that does nothing else afterwards, such as
  /// the command line's.
  public var confinesProcess = false
  /// A line for each served or refused call goes to this file; `-` is standard error.
  public var traceFile: ByteString?
  /// Nil for JSON where the file's name ends in `.json` or `.jsonl`, else text.
  public var traceFormat: TraceFormat?
  /// Which calls have lines.
  public var traceFilter = TraceFilter()
  /// With `traceFile`: every call has a line when it begins as well, not only one that waits or is slow.
  public var traceBeginnings = false
  /// A table of calls and their latency is printed to standard error at the end.
  public var statistics = false
  /// Nothing is said on standard error but errors and what was asked for.
  public var quiet = false
  /// A person is to be asked at the end what becomes of the changes. `Sandbox.run` only keeps them (`upper`): it gives up what
  /// applying them needs, so that the asking is another process's, as the command line's.
  public var review = false
  /// What is refused where, besides what permissions refuse.
  public var rules: [PathRule] = []
  /// What the sandbox is made of, and how the command ended, is said on standard error.
  public var verbose = false
  /// What `statistics` and `changes` print is JSON, an object a line.
  public var json = false
  /// The added, modified and deleted paths are printed to standard error at the end.
  public var changes = false

  public init(command: [ByteString] = []) { self.command = command }

  var formatOfTrace: TraceFormat {
    if let traceFormat { return traceFormat }
    let name = traceFile?.bytes ?? []
    return [".json", ".jsonl"].contains { name.suffix($0.utf8.count).elementsEqual($0.utf8) } ? .json : .text
  }

  /// The guest's environment: the caller's (unless cleared) with `environment` over it.
  public func environment(from caller: [ByteString]) -> [ByteString] {
    var result = clearEnvironment ? [] : caller
    for variable in environment {
      let prefix = variable.name.bytes + [0x3d]
      result.removeAll { $0.bytes.starts(with: prefix) }
      if let value = variable.value {
        result.append(ByteString(prefix + value.bytes))
      } else if let own = caller.first(where: { $0.bytes.starts(with: prefix) }) {
        result.append(own)
      }
    }
    return result
  }
}

// MARK: - Validation

extension SandboxConfiguration {
  /// Checks all that can be known before anything is started: forms, and what the host has at the paths named.
  ///
  /// A path may still change afterwards: whoever opens it reports that in its own words. The checks are for clear messages,
  /// no safety rests on them.
  public func validate() throws(ConfigurationError) {
    guard let program = command.first else {
      throw ConfigurationError(at: "run", "no command given", advice: "try: vedette run -- /bin/sh")
    }
    if program.isEmpty { throw ConfigurationError(at: "run", "the command is an empty word") }
    for word in command { try Self.refuseNUL(in: word, at: "run") }

    try Self.requireDirectory(rootfs, at: "--rootfs")
    for lower in lowers { try Self.requireDirectory(lower, at: "--lower") }
    if case .directory(let upper) = upper { try validate(upper: upper) }
    if let size, size < 65536 {
      throw ConfigurationError(at: "--size", "\(size) bytes is too small", advice: "at least 64K")
    }
    try validateMounts()
    if let workingDirectory, !workingDirectory.isAbsolute {
      throw ConfigurationError(
        at: "--workdir", "'\(workingDirectory)' is not absolute", advice: "a path inside, from /")
    }
    try validateHostName()
    for variable in environment { try Self.validate(variable) }
    try validateDescriptors()
    try validateLimits()
    try validateRules()
    try validateNetwork()
    if traceFile == nil, traceFormat != nil || !traceFilter.isEmpty {
      throw ConfigurationError(
        at: traceFormat != nil ? "--trace-format" : "--trace-filter", "there is no trace",
        advice: "say --trace FILE too, --trace - for standard error")
    }
    if traceBeginnings, traceFile == nil {
      throw ConfigurationError(
        at: "--trace-begin", "there is no trace", advice: "say --trace FILE too, or leave it out")
    }
    if let traceFile, traceFile.isEmpty { throw ConfigurationError(at: "--trace", "the file name is empty") }
  }

  /// The kernel takes up to 64 bytes of any kind (`man 2 sethostname`); programs expect a name (`man 7 hostname`).
  private func validateHostName() throws(ConfigurationError) {
    let isName = hostName.bytes.allSatisfy { byte in
      (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte) || (0x61...0x7a).contains(byte)
        || byte == 0x2d || byte == 0x2e || byte == 0x5f
    }
    if !isName || hostName.isEmpty || hostName.bytes.count > 64 {
      throw ConfigurationError(
        at: "--hostname", "'\(hostName)' is not the name of a host", advice: "at most 64 letters, digits, '-' and '.'")
    }
  }

  private func validate(upper: ByteString) throws(ConfigurationError) {
    try Self.refuseNUL(in: upper, at: "--upper")
    if upper.isMissing {
      // The run makes it (`makeUpper`) once all else is right.
      try Self.requireDirectory(upper.parent, at: "--upper")
    } else {
      try Self.requireDirectory(upper, at: "--upper")
    }
    let identity = Self.status(upper)
    for lower in [rootfs] + lowers {
      guard let identity, let other = Self.status(lower) else { continue }
      if identity.identity == other.identity {
        throw ConfigurationError(
          at: "--upper", "'\(upper)' is also a lower directory", advice: "changes need a directory of their own")
      }
    }
    if size != nil {
      throw ConfigurationError(
        at: "--size", "bounds a memory upper only", advice: "leave it out with --upper DIR")
    }
  }

  private func validateMounts() throws(ConfigurationError) {
    for bind in binds {
      try Self.refuseNUL(in: bind.source, at: "--bind")
      if Self.status(bind.source) == nil {
        throw ConfigurationError(at: "--bind", "'\(bind.source)' does not exist on the host")
      }
      try Self.requireMountPoint(bind.destination, at: "--bind")
    }
    for destination in tmpfs { try Self.requireMountPoint(destination, at: "--tmpfs") }
  }

  private func validateDescriptors() throws(ConfigurationError) {
    for descriptor in extraDescriptors {
      if descriptor < 3 {
        throw ConfigurationError(at: "--fd", "\(descriptor) is always passed on", advice: "name descriptors from 3 on")
      }
      if !Host.isOpen(descriptor) {
        throw ConfigurationError(
          at: "--fd", "descriptor \(descriptor) is not open", advice: "open it in the shell: \(descriptor)<FILE")
      }
    }
  }

  private static func validate(_ variable: Variable) throws(ConfigurationError) {
    if variable.name.isEmpty || variable.name.bytes.contains(where: { $0 == 0x3d || $0 == 0x20 || $0 == 0x09 }) {
      throw ConfigurationError(
        at: "--env", "'\(variable.name)' is not a variable's name", advice: "write NAME=VALUE, without spaces around =")
    }
    try refuseNUL(in: variable.name, at: "--env")
    if let value = variable.value { try refuseNUL(in: value, at: "--env") }
  }

  private static func requireMountPoint(_ path: ByteString, at place: String) throws(ConfigurationError) {
    try refuseNUL(in: path, at: place)
    if !path.isAbsolute {
      throw ConfigurationError(at: place, "'\(path)' is not absolute", advice: "a path inside, from /")
    }
    let components = path.bytes.split(separator: 0x2f)
    if components.isEmpty {
      throw ConfigurationError(at: place, "cannot mount over /", advice: "use --rootfs for another root")
    }
    if components.contains([0x2e, 0x2e]) {
      throw ConfigurationError(at: place, "'\(path)' holds '..'", advice: "write the path without it")
    }
  }

  private static func refuseNUL(in string: ByteString, at place: String) throws(ConfigurationError) {
    if string.bytes.contains(0) { throw ConfigurationError(at: place, "'\(string)' holds a NUL byte") }
  }

  /// What a lower or upper directory must be: there, a directory, and one that we may list and search.
  private static func requireDirectory(_ path: ByteString, at place: String) throws(ConfigurationError) {
    try refuseNUL(in: path, at: place)
    if path.isEmpty { throw ConfigurationError(at: place, "the directory name is empty") }
    // O_PATH is not enough: an unreadable directory must be found out here.
    do throws(Errno) { _ = try path.open(.directory) } catch {
      switch error {
      case .noSuchFileOrDirectory: throw ConfigurationError(at: place, "'\(path)' does not exist")
      case .notDirectory: throw ConfigurationError(at: place, "'\(path)' is not a directory")
      case .permissionDenied:
        throw ConfigurationError(at: place, "'\(path)' may not be read", advice: "check its permissions")
      default: throw ConfigurationError(at: place, "'\(path)': \(error)")
      }
    }
  }

  /// `stat(2)`; nil if there is nothing that can be seen.
  private static func status(_ path: ByteString) -> FileStatus? {
    try? path.withCString { path throws(Errno) in try Host.stat(path, in: AtFlags.currentDirectory, []) }
  }
}
