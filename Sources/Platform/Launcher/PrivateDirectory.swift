// Without namespaces the store and the trampolines lie in a directory of our own, mode 0700, in the first place that can
// be written to and executed from. It is removed when the sandbox ends.

import CLinux
import Kernel
import LinuxABI

/// Which files may be executed, by device and inode.
struct TrampolineFiles: Sendable {
  var device: UInt64
  var plain: UInt64
  var executableStack: UInt64
}

/// The directory and what is open in it.
final class PrivateDirectory {
  let path: String
  let store: CInt
  let trampolineDirectory: CInt
  let trampolines: TrampolineFiles
  /// Closing it, by us or by our death, has the directory removed.
  private let reaper: CInt

  static func make() throws(LaunchError) -> PrivateDirectory {
    var places = ["/dev/shm", "/var/tmp", "/tmp"]
    if let given = getenv("TMPDIR") { places.insert(String(cString: given), at: 0) }
    var last = Errno.noSuchFileOrDirectory
    for place in places {
      do throws(Errno) { return try PrivateDirectory(in: place) } catch { last = error }
    }
    throw LaunchError(
      .system,
      "no place for the store: none of \(places.joined(separator: ", ")) can be written to and executed from "
        + "(set TMPDIR)", errno: last)
  }

  private init(in place: String) throws(Errno) {
    var status = statfs()
    let result = place.withCString { path in
      withUnsafeMutablePointer(to: &status) {
        vd_syscall(Int(SYS_statfs), Int(bitPattern: path), Int(bitPattern: $0), 0, 0, 0, 0)
      }
    }
    _ = try Errno.check(result)
    if status.f_flags & 8 /* ST_NOEXEC */ != 0 { throw .permissionDenied }
    let mayWrite = place.withCString {
      vd_syscall(Int(SYS_faccessat), Int(AT_FDCWD), Int(bitPattern: $0), 3 /* W_OK | X_OK */, 0, 0, 0)
    }
    _ = try Errno.check(mayWrite)
    var number: UInt64 = 0
    let got = withUnsafeMutablePointer(to: &number) {
      vd_syscall(Int(SYS_getrandom), Int(bitPattern: $0), 8, 0, 0, 0, 0)
    }
    _ = try Errno.check(got)
    path = "\(place)/vedette-\(String(number, radix: 36))"
    // Before the directory: whenever the supervisor dies, the reaper knows of it.
    reaper = CInt(try Errno.check(Int(path.withCString { vd_launch_reaper($0) })))
    do throws(Errno) { try Kernel.makeDirectory(path, mode: 0o700) } catch {
      // What is there is not ours.
      var byte: UInt8 = 0
      _ = vd_syscall(
        Int(SYS_write), Int(reaper), withUnsafeMutablePointer(to: &byte) { Int(bitPattern: $0) }, 1, 0, 0, 0)
      close(reaper)
      throw error
    }
    do throws(Errno) {
      let directory = OwnedDescriptor(try Self.open(path, in: AT_FDCWD))
      try Kernel.makeDirectory("store", in: directory.rawValue, mode: 0o700)
      store = try Self.open("store", in: directory.rawValue)
      try Kernel.makeDirectory("trampoline", in: directory.rawValue, mode: 0o700)
      trampolineDirectory = try Self.open("trampoline", in: directory.rawValue)
      let plain = try Self.write(executableStack: false, in: trampolineDirectory)
      let executable = try Self.write(executableStack: true, in: trampolineDirectory)
      trampolines = TrampolineFiles(
        device: UInt64(plain.st_dev), plain: UInt64(plain.st_ino), executableStack: UInt64(executable.st_ino))
      try Kernel.call(SYS_fchmod, Int(trampolineDirectory), 0o500)
    } catch {
      close(reaper)
      throw error
    }
  }

  private static func open(_ name: String, in parent: CInt) throws(Errno) -> CInt {
    try Kernel.open(name, in: parent, O_RDONLY | CLinux.O_DIRECTORY | O_NOFOLLOW)
  }

  private static func write(executableStack: Bool, in directory: CInt) throws(Errno) -> stat {
    let name = Trampoline.name(executableStack: executableStack)
    let text = name.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    let file = OwnedDescriptor(try Kernel.open(text, in: directory, O_WRONLY | O_CREAT | O_EXCL, mode: 0o500))
    try Kernel.write(Trampoline.image(executableStack: executableStack), to: file.rawValue)
    try Kernel.call(SYS_fchmod, Int(file.rawValue), 0o500)
    return try Kernel.status(of: file.rawValue)
  }

  /// Removes the directory with everything in it; waits for that, as long as it takes. Where that cannot be asked for, the
  /// directory goes with the end of the socket, and no caller waits.
  func remove() {
    _ = fchmod(trampolineDirectory, 0o700)
    close(trampolineDirectory)
    let isAsked = vd_syscall(Int(SYS_shutdown), Int(reaper), Int(CLinux.SHUT_WR), 0, 0, 0, 0) == 0
    var byte: UInt8 = 0
    var result = isAsked ? -Int(EINTR) : 0
    while result == -Int(EINTR) {
      result = withUnsafeMutablePointer(to: &byte) {
        vd_syscall(Int(SYS_read), Int(reaper), Int(bitPattern: $0), 1, 0, 0, 0)
      }
    }
    close(reaper)
  }
}
