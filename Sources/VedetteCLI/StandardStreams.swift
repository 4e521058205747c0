// Standard output and error as plain descriptors. A closed or broken one never ends us, and a full one is reported by
// the exit status only.

import CLinux
import Vedette

/// Descriptors 0, 1 and 2.
enum StandardStreams {
  /// Fills the numbers 0, 1 and 2 that the caller has closed, so that nothing we open lands there.
  ///
  /// An O_PATH descriptor gives EBADF to read and write, as a closed one does, and O_CLOEXEC closes it for the guest: the
  /// guest sees exactly what the caller left.
  static func reserve() {
    for number in 0..<3 where vd_syscall(Int(SYS_fcntl), number, 1 /* F_GETFD */, 0, 0, 0, 0) < 0 {
      let path: ByteString = "/"
      let opened = path.withCString { name in
        vd_syscall(Int(SYS_openat), Int(AT_FDCWD), Int(bitPattern: name), Int(O_PATH | O_CLOEXEC), 0, 0, 0)
      }
      // The lowest free number is the one we look at, as those below it are taken by now.
      if opened >= 0 && opened != number { _ = vd_syscall(Int(SYS_close), opened, 0, 0, 0, 0, 0) }
    }
  }

  /// Writes all of `text`; false if that is not possible.
  @discardableResult
  static func write(_ text: String, to descriptor: CInt) -> Bool {
    write(Array(text.utf8), to: descriptor)
  }

  @discardableResult
  static func write(_ text: [UInt8], to descriptor: CInt) -> Bool {
    text.withUnsafeBytes { bytes in
      var offset = 0
      while offset < bytes.count {
        let count = vd_syscall(
          Int(SYS_write), Int(descriptor), Int(bitPattern: bytes.baseAddress) + offset, bytes.count - offset, 0, 0, 0)
        if count == -Int(EINTR) { continue }
        if count <= 0 { return false }
        offset += count
      }
      return true
    }
  }

  /// Whether a descriptor is a terminal: only one answers TCGETS.
  static func isTerminal(_ descriptor: CInt) -> Bool {
    withUnsafeTemporaryAllocation(byteCount: 64, alignment: 8) { buffer in
      vd_syscall(Int(SYS_ioctl), Int(descriptor), 0x5401, Int(bitPattern: buffer.baseAddress), 0, 0, 0) == 0
    }
  }

  /// One line for people: `vedette: …`.
  static func complain(_ message: String) {
    write("vedette: " + message.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n", to: 2)
  }
}
