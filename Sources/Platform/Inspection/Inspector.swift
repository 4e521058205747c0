// Answers inspections of a running sandbox: SIGQUIT that was sent to the supervisor alone, and `vedette inspect`. Each report is made
// on a thread of its own, so that neither a full pipe nor a stopped reader holds up anything that serves guests or ends the run.

import Gate
import Kernel
import LinuxABI
import Synchronization

/// Makes reports of one sandbox, one at a time.
final class Inspector: Sendable {
  private let requests: TracerRequests
  private let handler: any SystemCallHandler
  /// An unbound datagram socket, made before the supervisor may make none any more; nil if there is none to be had.
  private let socket: OwnedDescriptorBox?
  private let worker = Lock<WorkerThread?>(.inspection, nil)
  private let stopping = Atomic<Bool>(false)

  /// To be made while the process may still make sockets.
  init(_ requests: TracerRequests, _ handler: any SystemCallHandler) {
    self.requests = requests
    self.handler = handler
    do throws(Errno) { socket = OwnedDescriptorBox(try Host.makeSocket(.unix, .datagram)) } catch { socket = nil }
  }

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
      do throws(Errno) {
        let count = try text[offset...].withUnsafeBufferPointer { rest throws(Errno) in
          try Host.write(once: UnsafeRawBufferPointer(rest), to: 2)
        }
        if count == 0 { return }
        offset += count
      } catch {
        if error != .interrupted || stopping.load(ordering: .acquiring) { return }
      }
    }
  }

  /// Datagrams of a byte (0: more follow, 1: the last) and a piece of the text. A reader that does not read is left alone after
  /// two seconds.
  private func send(_ text: [UInt8], to address: InspectionAddress) {
    guard let socket = socket?.rawValue else { return }
    let name = address.bytes
    var offset = 0
    var patience = 1000
    repeat {
      let end = min(offset + InspectionAddress.pieceSize, text.count)
      let piece = [end == text.count ? 1 : 0] + text[offset..<end]
      do throws(Errno) {
        try Host.send(piece, from: socket, to: name, [.doNotWait, .noSignal])
        offset = end
      } catch {
        guard error == .resourceTemporarilyUnavailable || error == .interrupted else { return }
        patience -= 1
        if patience == 0 || stopping.load(ordering: .acquiring) { return }
        Host.sleep(nanoseconds: 2_000_000)
      }
    } while offset < text.count
  }
}
