import CLinux
import Gate
import Kernel
import LinuxABI
import Sentry
import Testing

@testable import Platform

/// Real programs of the host, run behind the gate with `HostHandler` in the sentry's place.
@Suite(.serialized) struct LaunchTests {
  /// Runs a command and returns its status and what it wrote to descriptor 7, which the guest keeps.
  static func run(
    _ isolation: IsolationLevel, _ command: [String], gate: GateKind = .trace, check: (HostHandler) -> Void = { _ in }
  ) throws -> (status: Gate.ExitStatus, output: String) {
    var ends: [CInt] = [-1, -1]
    pipe(&ends)
    let reader = OwnedDescriptor(ends[0])
    var configuration = LaunchConfiguration()
    configuration.isolation = isolation
    configuration.forwardsSignals = false
    configuration.gate = gate
    configuration.signalMask = SignalSet()
    configuration.descriptors = [ends[1]]
    defer { close(ends[1]) }
    let process = try GuestProcess.prepare(configuration)
    let handler = HostHandler(layout: process.layout, control: process.control)
    let environment = ["PATH=/usr/bin:/bin", "OUT=\(ends[1])"].map { Array($0.utf8) }
    let status = try process.run(
      path: Array(command[0].utf8), arguments: command.map { Array($0.utf8) }, environment: environment,
      handler: handler, calls: SystemCallTable.dispositions(process.policy))
    check(handler)
    var poll = pollfd(fd: reader.rawValue, events: Int16(POLLIN), revents: 0)
    var output: [UInt8] = []
    while CLinux.poll(&poll, 1, 0) == 1 {
      var buffer = [UInt8](repeating: 0, count: 4096)
      let count = read(reader.rawValue, &buffer, 4096)
      if count <= 0 { break }
      output += buffer[..<count]
    }
    return (status, String(decoding: output, as: UTF8.self))
  }

  static func shell(_ isolation: IsolationLevel, _ script: String) throws -> (status: Gate.ExitStatus, output: String) {
    try run(isolation, ["/bin/bash", "-c", "exec 1>&$OUT; " + script])
  }

  @Test(arguments: IsolationLevel.allCases) func exitStatusIsTheGuests(_ isolation: IsolationLevel) throws {
    #expect(try Self.run(isolation, ["/bin/true"]).status == .exited(0))
    #expect(try Self.shell(isolation, "exit 7").status == .exited(7))
    #expect(try Self.shell(isolation, "kill -9 $$").status == .signalled(9))
  }

  @Test(arguments: IsolationLevel.allCases) func forkExecAndPipesWork(_ isolation: IsolationLevel) throws {
    let result = try Self.shell(isolation, "for i in 1 2 3; do /bin/echo $i | /bin/cat; done; (exit 4); echo $?")
    #expect(result.output == "1\n2\n3\n4\n")
  }

  @Test(arguments: IsolationLevel.allCases) func notifyGateServesPathCalls(_ isolation: IsolationLevel) throws {
    let result = try Self.run(
      isolation, ["/bin/bash", "-c", "test -e /etc/passwd && test ! -e /nonexistent && /bin/true"], gate: .notify)
    #expect(result.status == .exited(0))
  }

  @Test(arguments: IsolationLevel.allCases) func everyThreadIsAnnouncedAndReportedGone(_ isolation: IsolationLevel)
    throws
  {
    let script = "for i in $(seq 30); do /bin/true & done; wait; sleep 100 & exit 0"
    _ = try Self.run(isolation, ["/bin/bash", "-c", script]) { handler in
      #expect(handler.state.withLock { $0.living }.isEmpty)
    }
  }

  @Test(arguments: IsolationLevel.allCases) func whatTheCommandLeavesIsEnded(_ isolation: IsolationLevel) throws {
    let result = try Self.shell(isolation, "(trap '' TERM HUP; while :; do sleep 1; done) & echo started")
    #expect(result.status == .exited(0))
    #expect(result.output == "started\n")
  }

  @Test(arguments: IsolationLevel.allCases) func guestHasOnlyTheDescriptorsItWasGiven(_ isolation: IsolationLevel)
    throws
  {
    let script = "for i in $(seq 0 60); do { true >&$i; } 2>/dev/null && echo -n \"$i \"; done; echo $OUT"
    let words = try Self.shell(isolation, script).output.split(whereSeparator: { $0 == " " || $0 == "\n" })
    // 10 is where bash itself keeps its standard error meanwhile.
    #expect(Set(words).isSubset(of: ["0", "1", "2", "10", words.last ?? ""]))
  }

  @Test(arguments: IsolationLevel.allCases) func commandThatDoesNotExistIsAnError(_ isolation: IsolationLevel) throws {
    do {
      _ = try Self.run(isolation, ["/nonexistent"])
      Issue.record("it ran")
    } catch let error as LaunchError {
      if case .command = error.kind {} else { Issue.record("\(error)") }
      #expect(error.errno == .noSuchFileOrDirectory)
    }
  }

  @Test(arguments: IsolationLevel.allCases) func stoppedGuestGoesOnAtContinue(_ isolation: IsolationLevel) throws {
    let script = "sleep 0.3 & p=$!; kill -STOP $p; kill -CONT $p; wait $p; echo $?"
    #expect(try Self.shell(isolation, script).output == "0\n")
  }

  /// Both gates: `openat` is held for the notify worker, number 136 stops at the tracer. The parent waits for its child and
  /// is worked on at once; the child, whose call is being served, before the call returns.
  @Test(arguments: IsolationLevel.allCases, ["257, -100, $space, 0", "136, 0, 0"])
  func guestsCanBeWorkedOnFromEitherGate(_ isolation: IsolationLevel, _ call: String) throws {
    let program = """
      open(my $out, '>&=', $ENV{OUT}); my $child = fork(); my $result = 'parent:'; my $space = '/space';
      if ($child) { wait } else { $result = syscall(\(call)) }
      open(my $file, '<&=', 9); my $line = <$file>;
      print $out $result, unpack('P4', pack('Q', 0x10000000)), substr($line, 0, 5)
      """
    let result = try Self.run(isolation, ["/usr/bin/perl", "-e", program]) { handler in
      #expect(handler.state.withLock { $0.workedAtOnce } == 1)
    }
    #expect(result.output == "7kokoroot:parent:kokoroot:")
  }

  @Test(arguments: IsolationLevel.allCases) func sleepingCallEndsAtWake(_ isolation: IsolationLevel) throws {
    let program = """
      open(my $out, '>&=', $ENV{OUT}); my $child = fork();
      if (!$child) { my $path = '/wait'; syscall(257, -100, $path, 0); syswrite $out, $! + 0; exit 0 }
      select undef, undef, undef, 0.1; my $path = '/wake'; syscall(257, -100, $path, 0); wait
      """
    let output = try Self.run(isolation, ["/usr/bin/perl", "-e", program]).output
    #expect(output == "\(ENXIO)")
  }

  @Test(arguments: IsolationLevel.allCases) func sleepingCallIsInterruptedBySignal(_ isolation: IsolationLevel) throws {
    let program = """
      open(my $out, '>&=', $ENV{OUT}); my $child = fork();
      if (!$child) { $SIG{USR1} = sub {}; my $path = '/wait'; syscall(257, -100, $path, 0); syswrite $out, $! + 0; exit 0 }
      select undef, undef, undef, 0.1; kill 'USR1', $child; wait
      """
    let output = try Self.run(isolation, ["/usr/bin/perl", "-e", program]).output
    #expect(output == "\(EINTR)")
  }

  @Test func affinityIsHiddenFromGuests() throws {
    let script = "for i in $(seq 400); do test -e /etc/passwd; done; nproc"
    let native = sysconf(CInt(_SC_NPROCESSORS_ONLN))
    #expect(try Self.shell(.noNamespaces, script).output == "\(native)\n")
  }

  /// A shell whose children come one after the other shares the tracer's CPU with them: no longer when there are two.
  @Test func guestsThatRunAtOnceAreFree() throws {
    let script = """
      for i in $(seq 30); do /bin/true; done
      while :; do :; done & a=$!
      while :; do :; done &
      grep -h Cpus_allowed: /proc/$$/status /proc/$a/status /proc/$!/status
      """
    let own = String(decoding: try Host.readFile("/proc/thread-self/status"), as: UTF8.self)
      .split(separator: "\n").first { $0.hasPrefix("Cpus_allowed:") }
    let mask = try #require(own)
    #expect(try Self.shell(.noNamespaces, script).output == "\(mask)\n\(mask)\n\(mask)\n")
  }

  @Test func storeIsBoundedAndEmpty() throws {
    var configuration = LaunchConfiguration()
    configuration.isolation = .full
    configuration.forwardsSignals = false
    configuration.storeSize = 1 << 20
    let process = try GuestProcess.prepare(configuration)
    let file = try Host.openTrusted("file", in: process.store, [.readWrite, .create], mode: 0o600)
    #expect(throws: Errno.noSpace) { try Host.writeAll([UInt8](repeating: 1, count: 2 << 20), to: file.rawValue) }
  }

  @Test func doctorFindsALevel() {
    #expect(Doctor().isolation != nil)
  }
}
