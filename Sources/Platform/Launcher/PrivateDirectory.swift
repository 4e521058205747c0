// Without namespaces the store and the trampolines lie in a directory of our own, mode 0700, in the first place that can
// be written to and executed from. It is removed when the sandbox ends.

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
  let store: OwnedDescriptorBox
  let trampolineDirectory: OwnedDescriptor
  let trampolines: TrampolineFiles
  /// Nil once the directory is removed.
  private var reaper: DirectoryReaper?

  static func make() throws(LaunchError) -> PrivateDirectory {
    var places = ["/dev/shm", "/var/tmp", "/tmp"]
    if let given = Host.environmentValue("TMPDIR") { places.insert(given, at: 0) }
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
    if try Host.fileSystem(at: place).flags & StatFS.noExecution != 0 { throw .permissionDenied }
    try Host.mayAccessByRealID(place, [.write, .execute])
    let path = "\(place)/vedette-\(String(try Host.random(), radix: 36))"
    // Before the directory: whenever the supervisor dies, the reaper knows of it.
    let reaper = try DirectoryReaper(of: path)
    do throws(Errno) {
      try Host.makeDirectory(path, in: AtFlags.currentDirectory, mode: 0o700)
    } catch {
      reaper.dismiss()
      throw error
    }
    let directory = try Self.open(path, in: AtFlags.currentDirectory)
    try Host.makeDirectory("store", in: directory.rawValue, mode: 0o700)
    store = OwnedDescriptorBox(try Self.open("store", in: directory.rawValue))
    try Host.makeDirectory("trampoline", in: directory.rawValue, mode: 0o700)
    trampolineDirectory = try Self.open("trampoline", in: directory.rawValue)
    let plain = try Self.write(executableStack: false, in: trampolineDirectory.rawValue)
    let executable = try Self.write(executableStack: true, in: trampolineDirectory.rawValue)
    trampolines = TrampolineFiles(device: plain.device, plain: plain.number, executableStack: executable.number)
    try Host.changeMode(of: trampolineDirectory.rawValue, to: Permissions(rawValue: 0o500))
    self.reaper = consume reaper
  }

  private static func open(_ name: String, in parent: CInt) throws(Errno) -> OwnedDescriptor {
    try Host.openTrusted(name, in: parent, [.directory, .noFollow])
  }

  private static func write(executableStack: Bool, in directory: CInt) throws(Errno) -> FileIdentity {
    let name = Trampoline.name(executableStack: executableStack)
    let text = name.withUTF8Buffer { String(decoding: $0, as: UTF8.self) }
    let file = try Host.openTrusted(text, in: directory, [.writeOnly, .create, .exclusive], mode: 0o500)
    try Host.writeAll(Trampoline.image(executableStack: executableStack), to: file.rawValue)
    try Host.changeMode(of: file.rawValue, to: Permissions(rawValue: 0o500))
    return try Host.stat(file.rawValue).identity
  }

  /// Removes the directory with everything in it, and waits for that.
  func remove() {
    guard let reaper = reaper.take() else { return }
    try? Host.changeMode(of: trampolineDirectory.rawValue, to: Permissions(rawValue: 0o700))
    reaper.remove()
  }
}
