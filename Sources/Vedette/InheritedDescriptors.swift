// What the caller left open and did not ask us to pass on. A supervisor holds nothing that it does not need, so all of it is
// closed; not before the layers are open, because a path may name one of them (/proc/self/fd/7).

import Kernel
import LinuxABI

/// The descriptors that were open at the start, from 3 on.
struct InheritedDescriptors {
  private var numbers: [CInt] = []

  /// - Parameter kept: what the command is given.
  /// - Throws: what reading /proc/self/fd throws.
  init(keeping kept: [CInt]) throws(SandboxError) {
    do throws(Errno) {
      let listing = try Host.openTrusted("/proc/self/fd", [.directory])
      var found: [CInt] = []
      try Host.forEachName(in: listing.rawValue) { name in
        if let number = Digits.identifier(name).flatMap({ CInt(exactly: $0) }) { found.append(number) }
      }
      numbers = found.filter { $0 > 2 && $0 != listing.rawValue && !kept.contains($0) }
    } catch {
      throw SandboxError("/proc/self/fd: \(error) (vedette needs the host's /proc)")
    }
  }

  func close() { for number in numbers { Host.close(number) } }
}
