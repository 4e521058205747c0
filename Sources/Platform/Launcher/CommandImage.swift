// The second half of a launch as one memory file (`struct vd_command`): filter, path, arguments and environment, laid out
// so that the child needs no allocation: it maps the file and turns offsets into pointers.

import CLinux
import Kernel
import LinuxABI

enum CommandImage {
  /// A descriptor of the memory file.
  static func make(
    filter: [FilterInstruction], path: [UInt8], arguments: [[UInt8]], environment: [[UInt8]]
  ) throws(LaunchError) -> OwnedDescriptor {
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
    // Kernels before 5.16 slow a filtered task down against store bypass and branch injection within its own process,
    // where a guest has nothing to hide from itself.
    command.listener_flags = UInt64(VD_FILTER_NEW_LISTENER | VD_FILTER_WAIT_KILLABLE_RECV | VD_FILTER_SPEC_ALLOW)
    withUnsafeBytes(of: command) { header in
      bytes.withUnsafeMutableBytes { $0.copyMemory(from: header) }
    }
    do throws(Errno) {
      let name: StaticString = "vedette-command"
      let file = OwnedDescriptor(
        CInt(try Kernel.call(SYS_memfd_create, Int(bitPattern: name.utf8Start), 1 /* MFD_CLOEXEC */)))
      try Kernel.write(bytes, to: file.rawValue)
      return file
    } catch {
      throw LaunchError(.system, "the memory file for the command line", errno: error)
    }
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
