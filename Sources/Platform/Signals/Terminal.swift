// The caller's terminal: a guest shell with job control makes other process groups the foreground; when the sandbox
// ends, the group that held the terminal before gets it back.

import Kernel
import LinuxABI

struct Terminal: Sendable {
  /// The descriptor of the controlling terminal whose foreground group was ours at the start.
  private let descriptor: CInt?

  init() {
    descriptor = [0, 1, 2].first { Host.isTerminal($0) && Self.isOurs($0) }
  }

  private static func isOurs(_ terminal: CInt) -> Bool {
    (try? Host.foregroundGroup(of: terminal)) == Host.ownGroup
  }

  /// Makes our process group the foreground again.
  func takeBack() {
    guard let descriptor, !Self.isOurs(descriptor) else { return }
    do throws(Errno) {
      // From the background this raises SIGTTOU, unless it is blocked.
      let before = try Host.changeSignalMask(.block, SignalSet([.terminalOutput]))
      try? Host.setForegroundGroup(of: descriptor, to: Host.ownGroup)
      try Host.changeSignalMask(.set, before)
    } catch {}
  }
}
