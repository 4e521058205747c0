// The errno type of the whole project: swift-system's `Errno`, with the Linux names that it lacks.

@_exported public import struct SystemPackage.Errno

/// An error number of the kernel (`man 3 errno`); every operation of the project throws this type.
public typealias Errno = SystemPackage.Errno

extension Errno {
  /// Splits the result of a raw call: a value, or a thrown errno for `-4095 ... -1` (`man 2 intro`).
  @inlinable
  public static func check(_ result: Int) throws(Errno) -> Int {
    if result < 0 && result >= -4095 { throw Errno(rawValue: CInt(truncatingIfNeeded: -result)) }
    return result
  }

  /// The value a system call returns for this error: the negative errno.
  @inlinable
  public var result: Int { -Int(rawValue) }

  /// EUCLEAN, "structure needs cleaning": what a file system keeps of itself makes no sense.
  @inlinable
  public static var needsCleaning: Errno { Errno(rawValue: 117) }

  /// EBADFD, "file descriptor in bad state".
  @inlinable
  public static var descriptorInBadState: Errno { Errno(rawValue: 77) }

  /// ELIBBAD, "accessing a corrupted shared library".
  @inlinable
  public static var corruptedSharedLibrary: Errno { Errno(rawValue: 80) }
}
