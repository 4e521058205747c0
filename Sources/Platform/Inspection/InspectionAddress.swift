// How a reader and a supervisor find each other. The supervisor listens to nothing that a guest could speak to: the reader sends it a
// signal with a number, which takes the right to send it signals (the same user, or root), and waits at a socket in /tmp that is
// named by that number. SIGWINCH, because a process that is no supervisor after all ignores it.

import Kernel
import LinuxABI

/// The place of one answer.
struct InspectionAddress: Equatable, Sendable {
  static let signal = Signal.windowChange

  /// Bytes of text in one datagram.
  static let pieceSize = 16384

  /// The upper 16 bits mark a request; the others are random.
  let token: UInt64
  private static let mark: UInt64 = 0x7644 << 48

  /// A new one.
  ///
  /// - Throws: what getrandom(2) says where the kernel has no random numbers.
  static func random() throws(Errno) -> InspectionAddress { InspectionAddress(token: try Host.random()) }

  private init(token: UInt64) { self.token = token & ~(0xffff << 48) | Self.mark }

  /// Of a signal that has come; nil if it is none of a reader's.
  init?(_ information: SignalInformation) {
    guard information.signal == Self.signal, information.code == .queued,
      information.value >> 48 == Self.mark >> 48
    else { return nil }
    token = information.value
  }

  /// What is sent with the signal: the number as its value (`man 2 rt_sigqueueinfo`).
  var information: SignalInformation {
    var information = SignalInformation()
    information.signal = Self.signal
    information.code = .queued
    information.process = Host.ownProcess
    information.user = Host.effectiveUser
    information.value = token
    return information
  }

  /// The socket's name.
  var path: String { "/tmp/vedette-inspect-" + String(token, radix: 16) }

  /// `struct sockaddr_un` (`man 7 unix`).
  var bytes: [UInt8] {
    let family = AddressFamily.unix.rawValue
    return [UInt8(truncatingIfNeeded: family), UInt8(truncatingIfNeeded: family >> 8)] + path.utf8 + [0]
  }
}
