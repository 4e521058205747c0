// The bits of inotify(7), with the kernel's values.

/// What a watch asks for, and what an event reports (`include/uapi/linux/inotify.h`).
public struct InotifyMask: OptionSet, Sendable, Hashable {
  public let rawValue: UInt32
  @inlinable
  public init(rawValue: UInt32) { self.rawValue = rawValue }

  // Events.
  public static let access = InotifyMask(rawValue: 0x1)
  public static let modify = InotifyMask(rawValue: 0x2)
  /// IN_ATTRIB.
  public static let attributes = InotifyMask(rawValue: 0x4)
  public static let closeWrite = InotifyMask(rawValue: 0x8)
  public static let closeNoWrite = InotifyMask(rawValue: 0x10)
  public static let open = InotifyMask(rawValue: 0x20)
  public static let movedFrom = InotifyMask(rawValue: 0x40)
  public static let movedTo = InotifyMask(rawValue: 0x80)
  public static let create = InotifyMask(rawValue: 0x100)
  public static let delete = InotifyMask(rawValue: 0x200)
  public static let deleteSelf = InotifyMask(rawValue: 0x400)
  public static let moveSelf = InotifyMask(rawValue: 0x800)
  public static let allEvents = InotifyMask(rawValue: 0xfff)

  // Only in events.
  public static let unmount = InotifyMask(rawValue: 0x2000)
  public static let queueOverflow = InotifyMask(rawValue: 0x4000)
  public static let ignored = InotifyMask(rawValue: 0x8000)
  /// The subject is a directory.
  public static let isDirectory = InotifyMask(rawValue: 0x4000_0000)

  // Only in `inotify_add_watch(2)`.
  public static let onlyDirectory = InotifyMask(rawValue: 0x0100_0000)
  public static let dontFollow = InotifyMask(rawValue: 0x0200_0000)
  /// IN_EXCL_UNLINK: what is done with a file whose name is gone is not reported.
  public static let excludeUnlinked = InotifyMask(rawValue: 0x0400_0000)
  public static let maskCreate = InotifyMask(rawValue: 0x1000_0000)
  public static let maskAdd = InotifyMask(rawValue: 0x2000_0000)
  public static let oneShot = InotifyMask(rawValue: 0x8000_0000)

  /// What `inotify_add_watch` accepts (ALL_INOTIFY_BITS).
  public static let known = InotifyMask(rawValue: 0xf700_efff)
  /// What happens to an open file without a call that is served: the kernel must be asked for it.
  public static let native: InotifyMask = [.access, .modify, .closeWrite, .closeNoWrite]
}

/// The part of `struct inotify_event` that is the same of each event; `nameLength` bytes follow it.
public struct InotifyEventHeader: BitwiseCopyable, Sendable {
  /// The watch's number, -1 of an overflow.
  public var watch: Int32
  @usableFromInline var bits: UInt32
  /// Ties the two events of a rename together.
  public var cookie: UInt32
  /// With the NULs at the name's end.
  public var nameLength: UInt32

  @inlinable
  public init(watch: Int32, mask: InotifyMask, cookie: UInt32, nameLength: UInt32) {
    self.watch = watch
    bits = mask.rawValue
    self.cookie = cookie
    self.nameLength = nameLength
  }

  @inlinable
  public var mask: InotifyMask { InotifyMask(rawValue: bits) }
}
