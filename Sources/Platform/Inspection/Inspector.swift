// Answers inspections of a running sandbox: SIGQUIT that was sent to the supervisor alone, and `vedette inspect`. Each report is made
// on a thread of its own, so that neither a full pipe nor a stopped reader holds up anything that serves guests or ends the run.

import CLinux
import Gate
import Kernel
import LinuxABI
import Synchronization

/// Makes reports of one sandbox, one at a time.
final class Inspector: Sendable {
  private let requests: TracerRequests
  private let handler: any SystemCallHandler
  /// An unbound datagram socket, made before the supervisor may make none any more; -1 if there is none to be had. Owned.
  private let socket: CInt
  private let worker = Lock<WorkerThread?>(.inspection, nil)
  private let stopping = Atomic<Bool>(false)

  /// To be made while the process may still make sockets.
  init(_ requests: TracerRequests, _ handler: any SystemCallHandler) {
    self.requests = requests
    self.handler = handler
    let made = vd_syscall(
      Int(SYS_socket), Int(AF_UNIX), Int(SOCK_DGRAM.rawValue) | Int(SOCK_CLOEXEC.rawValue), 0, 0, 0, 0)
    socket = CInt(clamping: max(made, -1))
  }

  deinit { if socket >= 0 { close(socket) } }

  /// Where a report goes.
  enum Destination: Sendable {
    case standardError
    case reply(InspectionAddress)
  }

  /// Begins a report, unless one is being made.
  func begin(_ destination: Destination) {
    worker.withLock { worker in
      if let last = worker {
        guard last.hasEnded else { return }
        last.stop()
        worker = nil
      }
      worker = WorkerThread { [self] in report(to: destination) }
    }
  }

  /// No report is being made when it returns.
  func stop() {
    stopping.store(true, ordering: .releasing)
    worker.withLock { $0.take() }?.stop()
  }

  private func report(to destination: Destination) {
    let text = InspectionReport.make(requests, handler)
    switch destination {
    case .standardError: write(text)
    case .reply(let address): send(text, to: address)
    }
  }

  private func write(_ text: [UInt8]) {
    var offset = 0
    while offset < text.count {
      let count = text.withUnsafeBytes {
        vd_syscall(Int(SYS_write), 2, Int(bitPattern: $0.baseAddress) + offset, $0.count - offset, 0, 0, 0)
      }
      if count == -Int(EINTR), !stopping.load(ordering: .acquiring) { continue }
      if count <= 0 { return }
      offset += count
    }
  }

  /// Datagrams of a byte (0: more follow, 1: the last) and a piece of the text. A reader that does not read is left alone after
  /// two seconds.
  private func send(_ text: [UInt8], to address: InspectionAddress) {
    var offset = 0
    var patience = 1000
    repeat {
      let end = min(offset + InspectionAddress.pieceSize, text.count)
      let piece = [end == text.count ? 1 : 0] + text[offset..<end]
      let sent = address.send(piece, through: socket)
      if sent == -Int(EAGAIN) || sent == -Int(EINTR) {
        patience -= 1
        if patience == 0 || stopping.load(ordering: .acquiring) { return }
        var pause = timespec(tv_sec: 0, tv_nsec: 2_000_000)
        _ = withUnsafeMutablePointer(to: &pause) {
          vd_syscall(Int(SYS_nanosleep), Int(bitPattern: $0), 0, 0, 0, 0, 0)
        }
        continue
      }
      if sent < 0 { return }
      offset = end
    } while offset < text.count
  }
}
