// A launch that fails leaves nothing open: `--isolation auto` tries again, and a library's process lives on.

import Gate
import Kernel
import LinuxABI
import Sentry
import Synchronization
import Testing

@testable import Platform

@Suite(.serialized) struct LaunchFailureTests {
  /// How many descriptors the calling thread has open; the one of the look itself is among them each time.
  private static func count() throws -> Int {
    let directory = try Host.openTrusted("/proc/thread-self/fd", .directory)
    var count = 0
    try Host.forEachName(in: directory.rawValue) { if !$0.isDot && !$0.isDotDot { count += 1 } }
    return count
  }

  /// Runs `body` twice, and compares what is open afterwards: a first launch may open what stays. On a thread with a descriptor
  /// table of its own (`unshare(2)`), because other tests open and close descriptors of the process meanwhile.
  ///
  /// - Returns: what the second `body` says.
  private static func expectNothingLeft<T: Sendable>(_ body: @escaping @Sendable () throws -> T) throws -> T {
    typealias Turn = (outcome: T, count: Int)
    let turns = Mutex<Result<[Turn], any Error>>(.success([]))
    let thread = try JoinableThread {
      let result = Result {
        try Host.call(.unshare, Int(CloneFlags.descriptors.rawValue))
        return try (0..<2).map { _ -> Turn in (try body(), try count()) }
      }
      turns.withLock { $0 = result }
    }
    thread.join()
    let found = try turns.withLock { $0 }.get()
    #expect(found.count == 2 && found.first?.count == found.last?.count)
    return try #require(found.last).outcome
  }

  /// What a launch fails with.
  private static func failure(_ body: () throws -> Void) throws -> LaunchError? {
    do { try body() } catch let error as LaunchError { return error }
    return nil
  }

  private static func configuration(_ isolation: IsolationLevel?) -> LaunchConfiguration {
    var configuration = LaunchConfiguration()
    configuration.isolation = isolation
    configuration.forwardsSignals = false
    return configuration
  }

  /// Init has sent a tree already when it does not find the next one.
  @Test func layerThatIsNotFound() throws {
    let error = try Self.expectNothingLeft {
      let root = try Host.openTrusted("/", .path)
      var configuration = Self.configuration(.full)
      configuration.makesTreesItself = false
      let good = ShownDirectory(descriptor: root.rawValue, path: Array("/".utf8))
      // A pipe is at no path.
      let ends = try Host.makePipe()
      let reading = OwnedDescriptor(ends.reading)
      Host.close(ends.writing)
      let bad = ShownDirectory(descriptor: reading.rawValue, path: Array("/".utf8))
      configuration.shown = [good, bad]
      return try Self.failure { _ = try GuestProcess.prepare(configuration) }
    }
    if case .layer = error?.kind {} else { Issue.record("\(String(describing: error))") }
  }

  @Test(.enabled(if: SupervisorDomain.isAvailable)) func domainThatIsRefused() throws {
    let error = try Self.expectNothingLeft {
      let ends = try Host.makePipe()
      let reading = OwnedDescriptor(ends.reading)
      Host.close(ends.writing)
      var configuration = Self.configuration(.noNamespaces)
      configuration.confinesProcess = true
      // Landlock has no rules of pipes.
      configuration.writable = [reading.rawValue]
      return try Self.failure { _ = try GuestProcess.prepare(configuration) }
    }
    #expect(error?.errno == .descriptorInBadState)
  }

  @Test(arguments: IsolationLevel.allCases) func limitThatIsRefused(_ isolation: IsolationLevel) throws {
    let error = try Self.expectNothingLeft {
      var configuration = Self.configuration(isolation)
      configuration.resourceLimits = [(.descriptors, ResourceLimit(soft: 65, hard: 64))]
      let process = try GuestProcess.prepare(configuration)
      let handler = HostHandler(layout: process.layout, control: process.control)
      return try Self.failure {
        _ = try process.run(
          path: Array("/bin/true".utf8), arguments: [Array("true".utf8)], environment: [], handler: handler,
          calls: SystemCallTable.dispositions(process.policy))
      }
    }
    #expect(error?.errno == .invalidArgument)
  }

  /// What the first attempt of `--isolation auto` had open is closed when the second one stands.
  @Test func secondAttemptHasNoMoreOpenThanAFirst() throws {
    let open: @Sendable (IsolationLevel?, UInt32) throws -> (level: IsolationLevel, count: Int) = { isolation, user in
      var configuration = Self.configuration(isolation)
      configuration.user = user
      let process = try GuestProcess.prepare(configuration)
      return (process.isolation, try Self.count())
    }
    // No user has this number, so the map of the user namespace is refused.
    let (first, second) = try Self.expectNothingLeft {
      (try open(.noNamespaces, Host.effectiveUser), try open(nil, .max))
    }
    #expect(second.level == .noNamespaces)
    #expect(first.count == second.count)
  }
}
