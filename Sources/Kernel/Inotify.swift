// Watches of the supervisor's own (inotify(7)).

public import LinuxABI

extension Host {
  /// `inotify_init1(2)` with IN_CLOEXEC and IN_NONBLOCK, which have the values of the flags of open(2).
  ///
  /// - Throws: `.tooManyOpenFiles` at the user's limit of instances.
  public static func makeInotifyInstance() throws(Errno) -> OwnedDescriptor {
    let flags: OpenFlags = [.closeOnExec, .nonBlocking]
    return OwnedDescriptor(CInt(truncatingIfNeeded: try call(.inotify_init1, Int(flags.rawValue))))
  }

  /// `inotify_add_watch(2)` of the file that a descriptor of ours has open: the watch's number.
  ///
  /// - Throws: `.noSpace` at the user's limit of watches, `.permissionDenied` for what may not be read.
  public static func addWatch(_ instance: CInt, of file: CInt, _ mask: InotifyMask) throws(Errno) -> CInt {
    try withProcName(of: file) { path throws(Errno) in
      CInt(
        truncatingIfNeeded: try call(
          .inotify_add_watch, Int(instance), Int(bitPattern: path), Int(mask.rawValue)))
    }
  }

  /// `inotify_rm_watch(2)`; of a number that is none any more nothing is done.
  public static func removeWatch(_ instance: CInt, _ number: CInt) {
    raw(.inotify_rm_watch, Int(instance), Int(number))
  }
}
