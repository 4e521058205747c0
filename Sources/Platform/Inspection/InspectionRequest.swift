// The other side of an inspection: finds the supervisor that a process belongs to, asks it, and waits for its answer.

import Gate
import Kernel
import LinuxABI

/// Why there is no report; one line for people.
public struct InspectionFailure: Error, CustomStringConvertible, Sendable {
  public enum Kind: Sendable {
    /// The process does not exist, or belongs to no run, or to another user's.
    case noRun
    /// The supervisor has not answered.
    case noAnswer
    /// We cannot ask.
    case system
  }
  public var kind: Kind
  public var description: String
}

/// Asks one supervisor.
public struct InspectionRequest {
  private let supervisor: ThreadID
  private let owner: UInt32

  /// - Parameter process: a supervisor, its init, or any process or thread inside.
  public init(_ process: Int32) throws(InspectionFailure) {
    guard process > 0, let status = SupervisorStatus(process) else {
      throw InspectionFailure(kind: .noRun, description: "there is no process \(process)")
    }
    // A guest's tracer; the parent of the init of a run's namespaces, which looks like a supervisor itself; the process itself.
    let tracer = status.tracer > 0 ? SupervisorStatus(status.tracer).map(\.group) : nil
    let found = [tracer, status.parent, status.group].compactMap(\.self).lazy.compactMap {
      candidate -> (ThreadID, SupervisorStatus)? in
      guard candidate > 0, let status = SupervisorStatus(candidate), status.isSupervisor else { return nil }
      return (candidate, status)
    }.first
    guard let (supervisor, known) = found else {
      throw InspectionFailure(kind: .noRun, description: "process \(process) belongs to no run of vedette")
    }
    if known.user != Host.effectiveUser, Host.effectiveUser != 0 {
      throw InspectionFailure(
        kind: .noRun,
        description:
          "the run of process \(process) belongs to user \(known.user): only that user and root may inspect it"
      )
    }
    self.supervisor = supervisor
    owner = known.user
  }

  /// Milliseconds between two requests, and how many there are: a signal of the same number that is pending already swallows ours.
  private static let interval = 500
  private static let attempts = 10

  /// The report.
  public func answer() throws(InspectionFailure) -> [UInt8] {
    do throws(Errno) {
      let address = try InspectionAddress.random()
      // A signal that ended us here would leave the socket's name behind.
      let mask = try Host.changeSignalMask(.block, SignalForwarder.endings)
      defer { _ = try? Host.changeSignalMask(.set, mask) }
      let socket = try Host.makeSocket(.unix, .datagram)
      try bind(socket.rawValue, to: address)
      defer {
        try? Host.unlink(address.path, in: AtFlags.currentDirectory)
      }
      let process = try Host.openProcess(supervisor)
      // The number may have become another process's.
      guard SupervisorStatus(supervisor)?.isSupervisor == true else { throw Errno.noSuchProcess }
      if let text = try receive(from: socket.rawValue, asking: process.rawValue, address) { return text }
    } catch {
      if error == .noSuchProcess {
        throw InspectionFailure(kind: .noRun, description: "the run has ended")
      }
      throw system("asking supervisor \(supervisor)", error)
    }
    throw InspectionFailure(
      kind: .noAnswer,
      description: "supervisor \(supervisor) did not answer within \(Self.interval * Self.attempts / 1000) s")
  }

  private func system(_ what: String, _ errno: Errno) -> InspectionFailure {
    InspectionFailure(kind: .system, description: "\(what): \(errno)")
  }

  private func bind(_ socket: CInt, to address: InspectionAddress) throws(Errno) {
    // Mode 0600, whatever the umask.
    do {
      let mask = Host.setFileModeMask(0o177)
      defer { Host.setFileModeMask(mask) }
      try Host.bind(socket, to: address.bytes)
    }
    guard owner != Host.effectiveUser else { return }
    // Root asks another user's supervisor, which needs the right to write to the socket.
    try Host.changeOwner(address.path, in: AtFlags.currentDirectory, .symlinkNoFollow, to: owner, nil)
  }

  /// Nil if there is no answer.
  private func receive(from socket: CInt, asking process: CInt, _ address: InspectionAddress) throws(Errno) -> [UInt8]?
  {
    var text: [UInt8] = []
    for _ in 0..<Self.attempts {
      if text.isEmpty { try Host.send(address.information, to: process) }
      while (try? Host.poll(socket, for: .readable, milliseconds: Self.interval))?.isEmpty == false {
        let piece = try withUnsafeTemporaryAllocation(byteCount: InspectionAddress.pieceSize + 1, alignment: 1) {
          buffer throws(Errno) in
          let count = try Host.read(into: buffer, from: socket)
          return [UInt8](buffer[..<count])
        }
        text += piece.dropFirst()
        if piece.first == 1 { return text }
      }
    }
    return nil
  }
}

/// What /proc/PID/status says of a process that may be a supervisor.
private struct SupervisorStatus {
  let group: ThreadID
  let parent: ThreadID
  let tracer: ThreadID
  /// The effective user.
  let user: UInt32
  /// It blocks the signals that a supervisor waits for, and has no_new_privs: hardly anything else does both.
  let isSupervisor: Bool

  init?(_ process: ThreadID) {
    let found = ProcessFile.withText(process, "status", size: 4096) { text -> SupervisorStatus? in
      guard let group = text.number(after: "\nTgid:\t"), let parent = text.number(after: "\nPPid:\t"),
        let tracer = text.number(after: "\nTracerPid:\t"), let user = text.effectiveUser,
        let blocked = text.number(after: "\nSigBlk:\t", radix: 16),
        let privileges = text.number(after: "\nNoNewPrivs:\t")
      else { return nil }
      return SupervisorStatus(
        group: ThreadID(truncatingIfNeeded: group), parent: ThreadID(truncatingIfNeeded: parent),
        tracer: ThreadID(truncatingIfNeeded: tracer), user: user,
        isSupervisor: SignalSet(bits: blocked).isSuperset(of: SignalForwarder.signals) && privileges == 1 && tracer == 0
      )
    }
    guard let found else { return nil }
    self = found
  }

  private init(group: ThreadID, parent: ThreadID, tracer: ThreadID, user: UInt32, isSupervisor: Bool) {
    self.group = group
    self.parent = parent
    self.tracer = tracer
    self.user = user
    self.isSupervisor = isSupervisor
  }
}

extension KernelText {
  /// The second number of the line `Uid:`.
  fileprivate var effectiveUser: UInt32? {
    var text = self
    guard text.find("\nUid:\t"), text.number() != nil, text.take(UInt8(ascii: "\t")), let user = text.number() else {
      return nil
    }
    return UInt32(truncatingIfNeeded: user)
  }
}
