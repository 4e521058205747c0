// What guests see as the name of the machine: `uname(2)`, where the kernel does not answer it with the sandbox's own, and
// /proc/sys/kernel/hostname.

import Kernel
import LinuxABI

/// The names of the machine, as a sandbox has them.
public struct SystemNames: Sendable {
  /// __NEW_UTS_LEN + 1.
  private static let fieldSize = 65

  /// The name of the host inside.
  public let host: [UInt8]
  /// `struct new_utsname` (include/uapi/linux/utsname.h): sysname, nodename, release, version, machine, domainname.
  let fields: [UInt8]

  /// - Parameter host: at most 64 bytes count.
  /// - Throws: `uname(2)`'s errors.
  public init(host: [UInt8]) throws(Errno) {
    var fields = try Host.systemNames()
    self.host = Array(host.prefix(Self.fieldSize - 1))
    Self.set(1, to: self.host, in: &fields)
    Self.set(5, to: Array("(none)".utf8), in: &fields)
    self.fields = fields
  }

  private static func set(_ index: Int, to name: [UInt8], in fields: inout [UInt8]) {
    let padding = [UInt8](repeating: 0, count: fieldSize - name.count)
    fields.replaceSubrange(index * fieldSize..<(index + 1) * fieldSize, with: name + padding)
  }
}
