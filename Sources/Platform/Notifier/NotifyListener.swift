// The three requests on a seccomp listener (`man 2 seccomp_unotify`). A held call that is not answered holds its thread for
// ever, so an answer that cannot be given ends the thread's process.

import CLinux
import Gate
import Kernel
import LinuxABI

/// The descriptor, owned by `NotifyWorker`.
struct NotifyListener: Sendable {
  let descriptor: CInt

  /// Receives a notification, which must be all zeros before. 0, or a negative errno: then nothing has been received.
  func receive(_ notification: inout seccomp_notif) -> Int { control(vd_ioctl_notify_receive, &notification) }

  /// Waits like `receive`, and no longer than until the flag is raised.
  func receive(_ notification: inout seccomp_notif, until flag: ThreadFlag) -> Int {
    withUnsafeMutablePointer(to: &notification) {
      flag.interruptibleCall(SYS_ioctl, Int(descriptor), Int(vd_ioctl_notify_receive), Int(bitPattern: $0))
    }
  }

  /// The held call returns `value`, or fails with it.
  func answer(_ id: UInt64, of thread: ThreadID, _ value: Int) {
    var response = seccomp_notif_resp()
    response.id = id
    if value < 0 && value >= -4095 { response.error = Int32(value) } else { response.val = Int64(value) }
    for _ in 0..<Self.patience {
      let result = control(vd_ioctl_notify_send, &response)
      // ENOENT: the guest has died meanwhile, or a signal has ended its call.
      if result >= 0 || result == -Int(ENOENT) { return }
    }
    if thread > 0 { Tracer.killSurely(thread) }
  }

  /// Installs a descriptor in the thread whose call is held. Its number there, or a negative errno.
  func install(
    _ file: CInt, at id: UInt64, flags: Int = 0, number: CInt = 0, closeOnExec: Bool = false
  ) -> Int {
    var request = vd_notify_addfd()
    request.id = id
    request.flags = UInt32(flags)
    request.source = UInt32(bitPattern: file)
    request.target = UInt32(bitPattern: number)
    request.target_flags = closeOnExec ? UInt32(O_CLOEXEC) : 0
    for _ in 0..<Self.patience {
      let result = control(vd_ioctl_notify_add, &request)
      if result != -Int(EINTR) { return result }
    }
    return -Int(EINTR)
  }

  /// All of them wait interruptibly, and a thread that waits for the tracer interrupts it with a signal; interrupted, they have
  /// done nothing.
  private static let patience = 1000

  private func control<T>(_ command: UInt64, _ argument: inout T) -> Int {
    withUnsafeMutablePointer(to: &argument) {
      vd_syscall(Int(SYS_ioctl), Int(descriptor), Int(command), Int(bitPattern: $0), 0, 0, 0)
    }
  }
}
