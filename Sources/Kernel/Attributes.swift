// Attributes of host files: by directory descriptor and one component, or by a descriptor's name under /proc/self/fd, which
// is the only way to reach an O_PATH descriptor's extended attributes.

public import LinuxABI

private let XATTR_SIZE_MAX = 65536

extension Host {
  /// `fchmodat2(2)`; on older kernels `chmod(2)` of an O_PATH descriptor's name in /proc/self/fd, which follows no symlink
  /// either.
  public static func changeMode(
    _ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags, to permissions: Permissions
  )
    throws(Errno)
  {
    let result = raw(
      .fchmodat2, Int(directory), Int(bitPattern: name), Int(permissions.rawValue), Int(flags.rawValue))
    if result != Errno.noFunction.result {
      _ = try check(.fchmodat2, result)
      return
    }
    let descriptor =
      flags.contains(.emptyPath)
      ? try duplicate(directory) : try open(name, in: directory, [.path, .noFollow], resolve: [.noMagicLinks])
    _ = try withProcName(of: descriptor.rawValue) { path throws(Errno) in
      try changeModeFollowing(path, in: AtFlags.currentDirectory, to: UInt32(permissions.rawValue))
    }
  }

  /// `fchmod(2)`.
  public static func changeMode(of descriptor: CInt, to permissions: Permissions) throws(Errno) {
    try call(.fchmod, Int(descriptor), Int(permissions.rawValue))
  }

  /// `fchmodat(2)`, which follows a symlink in the last component.
  @inlinable
  public static func changeModeFollowing(_ path: UnsafePointer<CChar>, in directory: CInt, to mode: UInt32)
    throws(Errno)
  {
    try call(.fchmodat, Int(directory), Int(bitPattern: path), Int(mode))
  }

  /// `fchownat(2)`; nil keeps an id.
  public static func changeOwner(
    _ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags, to owner: UInt32?, _ group: UInt32?
  ) throws(Errno) {
    try call(
      .fchownat, Int(directory), Int(bitPattern: name), Int(owner ?? .max), Int(group ?? .max), Int(flags.rawValue))
  }

  /// `utimensat(2)`.
  public static func changeTimes(
    _ name: UnsafePointer<CChar>, in directory: CInt, _ flags: AtFlags, access: TimeChange, modification: TimeChange
  ) throws(Errno) {
    var times = (TimeSpecification(access), TimeSpecification(modification))
    _ = try withUnsafeMutablePointer(to: &times) { times throws(Errno) in
      try call(
        .utimensat, Int(directory), Int(bitPattern: name), Int(bitPattern: times), Int(flags.rawValue))
    }
  }

  /// `getxattr(2)`, not following a symlink in the last component.
  public static func extendedAttribute(_ name: UnsafePointer<CChar>, at path: ProcPath) throws(Errno) -> [UInt8] {
    try withCString(path) { target throws(Errno) in
      let call = path.isDescriptorItself ? SystemCallNumber.getxattr : .lgetxattr
      // Most values are short; a longer one is asked for again with room for the longest that Linux allows.
      let short = try withUnsafeTemporaryAllocation(byteCount: 512, alignment: 1) { buffer throws(Errno) -> [UInt8]? in
        let result = raw(
          call, Int(bitPattern: target), Int(bitPattern: name), Int(bitPattern: buffer.baseAddress), buffer.count)
        if result == Errno.outOfRange.result { return nil }
        return [UInt8](buffer[..<(try check(call, result))])
      }
      if let short { return short }
      return try withUnsafeTemporaryAllocation(byteCount: XATTR_SIZE_MAX, alignment: 1) { buffer throws(Errno) in
        [UInt8](
          buffer[
            ..<(try Host.call(
              call, Int(bitPattern: target), Int(bitPattern: name), Int(bitPattern: buffer.baseAddress), buffer.count))]
        )
      }
    }
  }

  /// `getxattr(2)` of a path of ours, following it: the count; ERANGE if the value has more bytes than there is room.
  public static func extendedAttribute(
    _ name: StaticString, following path: UnsafePointer<CChar>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int {
    try call(
      .getxattr, Int(bitPattern: path), Int(bitPattern: name.utf8Start), Int(bitPattern: buffer.baseAddress),
      buffer.count)
  }

  /// `setxattr(2)`.
  public static func setExtendedAttribute(
    _ name: UnsafePointer<CChar>, at path: ProcPath, to value: [UInt8], _ flags: XattrFlags
  ) throws(Errno) {
    _ = try withCString(path) { target throws(Errno) -> Int in
      try value.withUnsafeBufferPointer { bytes throws(Errno) -> Int in
        try call(
          path.isDescriptorItself ? SystemCallNumber.setxattr : .lsetxattr, Int(bitPattern: target),
          Int(bitPattern: name),
          Int(bitPattern: bytes.baseAddress), bytes.count, Int(flags.rawValue))
      }
    }
  }

  /// `removexattr(2)`.
  public static func removeExtendedAttribute(_ name: UnsafePointer<CChar>, at path: ProcPath) throws(Errno) {
    _ = try withCString(path) { target throws(Errno) in
      try call(
        path.isDescriptorItself ? SystemCallNumber.removexattr : .lremovexattr, Int(bitPattern: target),
        Int(bitPattern: name))
    }
  }

  /// `listxattr(2)`: the names, split.
  public static func extendedAttributeNames(at path: ProcPath) throws(Errno) -> [[UInt8]] {
    try withCString(path) { target throws(Errno) in
      let call = path.isDescriptorItself ? SystemCallNumber.listxattr : .llistxattr
      let size = try Host.call(call, Int(bitPattern: target), 0, 0)
      if size == 0 { return [] }
      // Room for names that come in between; the kernel's limit is 64 KiB.
      return try withUnsafeTemporaryAllocation(byteCount: min(size + 4096, XATTR_SIZE_MAX), alignment: 1) {
        buffer throws(Errno) in
        let count = try Host.call(call, Int(bitPattern: target), Int(bitPattern: buffer.baseAddress), buffer.count)
        return buffer[..<count].split(separator: 0).map { [UInt8]($0) }
      }
    }
  }

  /// Calls `body` with `/proc/self/fd/N`.
  public static func withProcName<T: ~Copyable>(of descriptor: CInt, _ body: (UnsafePointer<CChar>) throws(Errno) -> T)
    throws(Errno) -> T
  {
    try withCString(.descriptor(descriptor), body)
  }

  private static func withCString<T: ~Copyable>(
    _ path: ProcPath, _ body: (UnsafePointer<CChar>) throws(Errno) -> T
  ) throws(Errno) -> T {
    try withUnsafeTemporaryAllocation(of: CChar.self, capacity: 288) { buffer throws(Errno) in
      path.spell(into: buffer)
      guard let start = buffer.baseAddress else { throw .noMemory }
      return try body(UnsafePointer(start))
    }
  }
}

/// A file as the kernel finds it through /proc/self/fd: a descriptor itself, or one component beneath a directory's.
public enum ProcPath {
  case descriptor(CInt)
  case child(CInt, [UInt8])

  public var isDescriptorItself: Bool {
    if case .descriptor = self { true } else { false }
  }

  /// Writes the path and a NUL; a component has at most NAME_MAX bytes, so 288 are enough.
  fileprivate func spell(into buffer: UnsafeMutableBufferPointer<CChar>) {
    var end = 0
    for byte in "/proc/self/fd/".utf8 {
      buffer[end] = CChar(bitPattern: byte)
      end += 1
    }
    let (number, name): (CInt, [UInt8]?) =
      switch self {
      case .descriptor(let number): (number, nil)
      case .child(let number, let name): (number, name)
      }
    for byte in String(number).utf8 {
      buffer[end] = CChar(bitPattern: byte)
      end += 1
    }
    if let name {
      buffer[end] = 0x2f
      end += 1
      for byte in name.prefix(buffer.count - end - 1) {
        buffer[end] = CChar(bitPattern: byte)
        end += 1
      }
    }
    buffer[end] = 0
  }
}
