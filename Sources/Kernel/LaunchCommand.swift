// The second half of a launch as one memory file: filter, path, arguments and environment, laid out so that the child needs no
// allocation. It maps the file and turns offsets into pointers.

import CLinux
public import LinuxABI

/// `struct vd_command`, with everything that its offsets lead to.
public enum LaunchCommand {
  /// A descriptor of the memory file (`memfd_create(2)`).
  ///
  /// - Parameters:
  ///   - flags: how the filter is loaded; with a listener, which the guest hands over.
  ///   - secret: in its upper half what the filter lets the call through by that hands the listener over.
  public static func makeFile(
    filter: [FilterInstruction], _ flags: FilterFlags, path: [UInt8], arguments: [[UInt8]], environment: [[UInt8]],
    secret: UInt64
  ) throws(Errno) -> OwnedDescriptor {
    var bytes = [UInt8](repeating: 0, count: MemoryLayout<vd_command>.size)
    var command = vd_command()
    command.filter = UInt64(bytes.count)
    command.filter_count = UInt64(filter.count)
    filter.withUnsafeBytes { bytes += $0 }
    command.path = append(path, to: &bytes)
    command.argument_count = UInt64(arguments.count)
    command.arguments = append(arguments, to: &bytes)
    command.environment_count = UInt64(environment.count)
    command.environment = append(environment, to: &bytes)
    command.listener_flags = UInt64(flags.rawValue)
    command.send_flags = secret & 0xffff_ffff_0000_0000
    withUnsafeBytes(of: command) { header in
      bytes.withUnsafeMutableBytes { $0.copyMemory(from: header) }
    }
    let file = try Host.makeMemoryFile("vedette-command")
    try Host.writeAll(bytes, to: file.rawValue)
    return file
  }

  private static func append(_ text: [UInt8], to bytes: inout [UInt8]) -> UInt64 {
    let offset = UInt64(bytes.count)
    bytes += text
    bytes.append(0)
    return offset
  }

  /// The strings, then an array of their offsets that ends with 0.
  private static func append(_ texts: [[UInt8]], to bytes: inout [UInt8]) -> UInt64 {
    let offsets = texts.map { append($0, to: &bytes) } + [0]
    while bytes.count % 8 != 0 { bytes.append(0) }
    let start = UInt64(bytes.count)
    offsets.withUnsafeBytes { bytes += $0 }
    return start
  }
}
