// The list of mounts, read without a String.

import LinuxABI

/// One line of /proc/self/mountinfo (`man 5 proc_pid_mountinfo`).
public struct MountInfo {
  private let fields: [ArraySlice<UInt8>]

  /// The mounts that this process sees.
  ///
  /// - Throws: what reading the list fails with. It may be long, and who looks for a mount must not take it for absent then.
  public static func all() throws(Errno) -> [MountInfo] {
    let text = try Host.readFile("/proc/self/mountinfo")
    return text.split(separator: 0x0a).compactMap { MountInfo($0) }
  }

  /// Identifier, parent, major:minor, root, mount point, options, and behind a dash type and source.
  init?(_ line: ArraySlice<UInt8>) {
    fields = line.split(separator: 0x20)
    if fields.count < 5 { return nil }
  }

  /// `MAJOR:MINOR`, as it stands there.
  public var deviceText: ArraySlice<UInt8> { fields[2] }

  /// The device's two halves as `ExtendedStatus.device` has them.
  public var device: UInt64? {
    let numbers = fields[2].split(separator: 0x3a).compactMap { Digits.parse($0) }
    guard numbers.count == 2 else { return nil }
    return numbers[0] << 32 | numbers[1] & 0xffff_ffff
  }

  /// The directory of the file system that is mounted, from its root on.
  public var root: ArraySlice<UInt8> { fields[3] }

  /// Escaped as the kernel does.
  public var mountPoint: ArraySlice<UInt8> { fields[4] }

  /// The file system's type.
  public var type: ArraySlice<UInt8>? { afterDash(0) }

  /// The options of the file system, which all its mounts share.
  public var superOptions: [ArraySlice<UInt8>] { afterDash(2)?.split(separator: 0x2c) ?? [] }

  private func afterDash(_ index: Int) -> ArraySlice<UInt8>? {
    guard let dash = fields.dropFirst(6).firstIndex(where: { $0.elementsEqual([0x2d]) }),
      dash + 1 + index < fields.endIndex
    else { return nil }
    return fields[dash + 1 + index]
  }
}
