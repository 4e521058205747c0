// `vedette run --review`: the run is a child's, because a run gives up for good what an apply needs; when it has ended, its
// parent asks what becomes of the changes. The exit status stays the run's.

import Kernel
import Layers
import LinuxABI
import Vedette

/// A directory that is made for the changes of one run.
enum TemporaryUpper {
  /// Makes one that is for the caller alone, below TMPDIR or /var/tmp: it may be kept.
  static func make() throws(SandboxError) -> ByteString {
    var base = Host.environmentBytes("TMPDIR") ?? []
    if base.first != 0x2f { base = Array("/var/tmp".utf8) }
    var random = SystemRandomNumberGenerator()
    for _ in 0..<16 {
      let path = ByteString(base + Array("/vedette-review.\(String(random.next() as UInt64, radix: 36))".utf8))
      do throws(Errno) {
        try path.withCString { name throws(Errno) in
          try Host.makeDirectory(name, in: AtFlags.currentDirectory, mode: 0o700)
        }
        return path
      } catch {
        if error != .fileExists { throw SandboxError("--review: cannot make '\(path)': \(error) (say --upper DIR)") }
      }
    }
    throw SandboxError("--review: no name is free below '\(ByteString(base))' (say --upper DIR)")
  }

  /// Removes one that is empty.
  static func remove(_ path: ByteString) {
    _ = try? path.withCString { name throws(Errno) in
      try Host.unlink(name, in: AtFlags.currentDirectory, .removeDirectory)
    }
  }
}

/// See the head of this file.
struct ReviewedRun {
  private var configuration: SandboxConfiguration
  private let upper: ByteString
  private let isTemporary: Bool

  /// - Throws: if there is no place for the changes.
  init(_ configuration: SandboxConfiguration) throws(SandboxError) {
    self.configuration = configuration
    if case .directory(let path) = configuration.upper {
      (upper, isTemporary) = (path, false)
    } else {
      if configuration.size != nil {
        throw SandboxError("--size: bounds a memory upper only (leave it out with --review)")
      }
      (upper, isTemporary) = (try TemporaryUpper.make(), true)
      self.configuration.upper = .directory(upper)
    }
  }

  /// Those that are passed on to the run, which passes them on to its command.
  private static let passed: [Signal] = [.interrupt, .terminate, .hangup, .quit, .user1, .user2, .terminalStop]

  /// - Parameter run: runs a configuration in the child; its result is the exit status.
  /// - Returns: the run's exit status.
  func perform(_ run: (SandboxConfiguration) -> CInt) throws(SandboxError) -> CInt {
    let settings = Host.terminalSettings(of: 0)
    let status: CInt
    do throws(Errno) {
      status = try supervise(run)
    } catch {
      if isTemporary { TemporaryUpper.remove(upper) }
      throw SandboxError("--review: cannot start the run: \(error)")
    }
    if let settings { Host.setTerminalSettings(of: 0, settings) }
    if isTemporary, Self.notBegun.contains(status), isUnchanged {
      // The one line on why it did not begin is enough.
      try? UpperDirectory(upper).discard()
      TemporaryUpper.remove(upper)
      return status
    }
    let changes = ByteString(upper.bytes + Array("/upper".utf8))
    guard
      (try? changes.withCString({ path throws(Errno) in try Host.stat(path, in: AtFlags.currentDirectory, []) })) != nil
    else {
      if isTemporary { TemporaryUpper.remove(upper) }
      return status
    }
    do throws(SandboxError) {
      _ = try Review(
        upper: .init(upper), target: configuration.rootfs, isTemporary: isTemporary, isAfterRun: true
      ).perform()
    } catch {
      StandardStreams.complain(error.message)
      StandardStreams.complain("review: the changes are kept in '\(upper)'")
    }
    return status
  }

  /// Statuses of ours, of a run that failed, or of a command that was not found or cannot be executed.
  private static let notBegun: ClosedRange<CInt> = 125...127

  private var isUnchanged: Bool {
    do throws(SandboxError) {
      let details = try ChangeDetails(UpperDirectory(upper), PathPatterns())
      defer { details.close() }
      return details.isEmpty && details.complaint == nil
    } catch {
      return false
    }
  }

  /// The run in a child, as long as it lasts: what `kill` sends us is the child's, and so are stops; those of the terminal it
  /// gets itself.
  private func supervise(_ run: (SandboxConfiguration) -> CInt) throws(Errno) -> CInt {
    let signals = SignalSet(Self.passed + [.child, .continue])
    let before = try Host.changeSignalMask(.block, signals)
    let child = try Host.fork()
    if child == 0 {
      _ = try? Host.changeSignalMask(.set, before)
      Host.exit(run(configuration))
    }
    var status: CInt?
    while status == nil {
      let information = Host.waitForSignal(in: signals, nanoseconds: 1_000_000_000)
      if let information, information.code != .kernel, Self.passed.contains(information.signal) {
        Host.signalProcess(child, information.signal.rawValue)
      }
      if information?.signal == .continue { Host.signalProcess(child, Signal.continue.rawValue) }
      switch try Host.news(of: child) {
      case .exited(let code): status = code
      case .signalled(let signal): status = 128 + signal.rawValue
      case .stopped:
        // The shell is to see that the job has stopped.
        Host.stopSelf()
        Host.signalProcess(child, Signal.continue.rawValue)
      case .continued, nil: break
      }
    }
    _ = try Host.changeSignalMask(.set, before)
    return status ?? 0
  }
}
