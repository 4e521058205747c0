import CLinux
import Foundation
import Kernel
import LinuxABI
import Testing

@testable import Platform

/// What the kernel lets a supervisor open once it is in its Landlock domain. A domain belongs to a thread and has no end, so
/// each test enters it on a thread of its own.
@Suite(.serialized, .enabled(if: SupervisorDomain.isAvailable)) struct SupervisorDomainTests {
  private final class Outcome: @unchecked Sendable {
    var errors: [Errno?] = []
    var failure: (any Error)?
  }

  /// A scratch directory with `shown/file`, `upper/file`, `store`, `trampolines`, `other/file`.
  private let path = FileManager.default.temporaryDirectory.path + "/vedette-domain-\(UInt64.random(in: 0 ... .max))"

  init() throws {
    for name in ["shown", "upper/a", "upper/b", "store", "trampolines", "other"] {
      try FileManager.default.createDirectory(atPath: path + "/" + name, withIntermediateDirectories: true)
    }
    for name in ["shown/file", "upper/file", "upper/a/file", "other/file", "passed"] {
      try "content".write(toFile: path + "/" + name, atomically: false, encoding: .utf8)
    }
  }

  /// Something a supervisor might try. Paths that are not absolute lie in the scratch directory.
  private enum Step: Sendable {
    case open(String, OpenFlags)
    case rename(String, String)
    case unlink(String)
    /// Opened for reading, then anew through /proc/self/fd with other flags.
    case reopen(String, OpenFlags)
    case signal(pid_t)
  }

  private static func take(_ step: Step, in scratch: String) throws(Errno) {
    func full(_ path: String) -> String { path.first == "/" ? path : scratch + "/" + path }
    switch step {
    case .open(let path, let flags): _ = try Host.openTrusted(full(path), flags, mode: 0o600)
    case .rename(let old, let new): try Host.rename(full(old), in: AT_FDCWD, to: full(new), in: AT_FDCWD)
    case .unlink(let path): try Host.unlink(full(path), in: AT_FDCWD)
    case .reopen(let path, let flags):
      let file = try Host.openTrusted(full(path), [])
      _ = try Host.openTrusted("/proc/self/fd/\(file.rawValue)", flags)
    case .signal(let process): try Host.call(.kill, Int(process), 0)
    }
  }

  private static func enter(_ scratch: String) throws {
    var places: [CInt] = []
    for name in ["shown", "upper", "store", "trampolines"] {
      places.append(try Host.openTrusted(scratch + "/" + name, .path).release())
    }
    places.append(try Host.openTrusted(scratch + "/passed", []).release())
    defer { for place in places { close(place) } }
    let domain = try SupervisorDomain(
      shown: [places[0]], writable: [places[1]], passed: [places[4]], store: places[2], trampolines: places[3])
    try domain.enter()
  }

  /// The errno of each step, nil where it went well, on a thread that is in the domain.
  private func inside(_ steps: [Step]) throws -> [Errno?] {
    let scratch = path
    let outcome = Outcome()
    let done = DispatchSemaphore(value: 0)
    Thread.detachNewThread {
      do {
        try Self.enter(scratch)
        for step in steps {
          do throws(Errno) {
            try Self.take(step, in: scratch)
            outcome.errors.append(nil)
          } catch { outcome.errors.append(error) }
        }
      } catch { outcome.failure = error }
      done.signal()
    }
    done.wait()
    try? FileManager.default.removeItem(atPath: scratch)
    if let failure = outcome.failure { throw failure }
    return outcome.errors
  }

  @Test func whatServingTakesIsAllowed() throws {
    let steps: [Step] = [
      .open("shown/file", []), .open("shown", .directory),
      .open("upper/file", [.readWrite, .truncate]), .open("upper/new", [.writeOnly, .create, .exclusive]),
      .rename("upper/a/file", "upper/b/x"), .unlink("upper/b/x"), .open("store/new", [.readWrite, .create]),
      .open("passed", []), .open("/proc/self/maps", []),
      .open("/sys/devices/system/cpu/online", []), .open("/dev/null", .readWrite), .open("/dev/urandom", []),
    ]
    #expect(try inside(steps) == Array(repeating: nil, count: steps.count))
  }

  @Test func everythingElseIsRefusedByTheKernel() throws {
    let steps: [Step] = [
      .open("shown/file", .writeOnly), .open("shown/file", .truncate), .open("shown/new", [.writeOnly, .create]),
      .unlink("shown/file"), .open("other/file", []), .open("other", .directory),
      .open("passed", .writeOnly), .open("trampolines/new", [.writeOnly, .create]), .open("/etc/passwd", []),
      .reopen("shown/file", .truncate), .reopen("shown/file", .readWrite),
    ]
    #expect(try inside(steps) == Array(repeating: .permissionDenied, count: steps.count))
  }

  @Test func settingsOfTheKernelAreOutOfReach() throws {
    let steps: [Step] = [.open("/proc/sys/kernel/core_pattern", .writeOnly), .open("/proc/sysrq-trigger", .writeOnly)]
    for error in try inside(steps) { #expect(error != nil) }
  }

  /// Scopes, from ABI 6 on: nothing outside is signalled.
  @Test(.enabled(if: LandlockRules.version >= 6)) func processesOutsideAreNotSignalled() throws {
    #expect(try inside([.signal(getppid())]) == [.notPermitted])
  }
}
