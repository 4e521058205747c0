// The directories of the host that a sandbox is made of, opened once, before anything is started: what is opened here is
// what guests see, whatever becomes of the paths. Those that are only shown are exchanged for read-only trees.

import HostFS
import Kernel
import Layers
import LinuxABI
import Platform

/// Every layer and bind of a configuration, open.
final class HostLayers {
  /// A directory (or a file) of the host, O_PATH.
  final class OpenedPath {
    /// The option that named it, for messages.
    let option: String
    let path: ByteString
    /// How it is read, if it is an upper directory that an earlier run has left.
    fileprivate(set) var saved: SavedLayer?
    /// -1 once it is taken.
    fileprivate var descriptor: CInt

    fileprivate init(_ path: ByteString, option: String, _ flags: OpenFlags = [.path, .directory]) throws(Errno) {
      self.option = option
      self.path = path
      descriptor = try path.open(flags).release()
    }

    /// Gives the descriptor away, once.
    func take() -> OwnedDescriptor {
      defer { descriptor = -1 }
      return OwnedDescriptor(descriptor)
    }

    /// A file system of the kernel's is no layer and no bind: what it shows is the supervisor's own.
    fileprivate func refusePseudo() throws(SandboxError) {
      let type: StaticString?
      do throws(Errno) {
        type = try PseudoFilesystem.name(of: descriptor)
      } catch {
        throw SandboxError("\(option): '\(path)': \(error)")
      }
      guard let type else { return }
      throw SandboxError(
        "\(option): '\(path)' is on the kernel's own file system \(type), which is never shown inside (name a directory "
          + "of files; the sandbox has its own /proc, /sys and /dev)")
    }

    /// - Parameter rest: the options below it.
    fileprivate func findSaved(over rest: [ByteString]) throws(SandboxError) {
      do throws(ReportedError) {
        saved = try SavedLayer(path, descriptor, over: rest)
      } catch {
        throw SandboxError("\(option): \(error.message)")
      }
      if saved != nil, rest.isEmpty {
        throw SandboxError(
          "\(option): '\(path)' is an upper directory (name it with --lower, over the root it was made on)")
      }
    }

    deinit { if descriptor >= 0 { Host.close(descriptor) } }
  }

  struct Bind {
    /// The source itself, or what holds it.
    let directory: OpenedPath
    /// The name in `directory`, if the source is no directory, and the file itself, if it may be changed.
    let file: [UInt8]?
    fileprivate let opened: OpenedPath?
    let source: ByteString
    let destination: ByteString
    let readOnly: Bool
    /// The source without symlinks.
    let hostPath: [UInt8]
  }

  /// Topmost first.
  let lowers: [OpenedPath]
  /// Nil for an upper in memory.
  let upper: OpenedPath?
  let binds: [Bind]

  init(_ configuration: SandboxConfiguration) throws(SandboxError) {
    var lowers: [OpenedPath] = []
    let named = configuration.lowers + [configuration.rootfs]
    for (index, path) in named.enumerated() {
      let opened = try Self.open(path, option: index == named.count - 1 ? "--rootfs" : "--lower")
      try opened.findSaved(over: Array(named[(index + 1)...]))
      lowers.append(opened)
    }
    self.lowers = lowers
    upper = if case .directory(let path) = configuration.upper { try Self.open(path, option: "--upper") } else { nil }
    var binds: [Bind] = []
    for bind in configuration.binds { binds.append(try Self.open(bind)) }
    self.binds = binds
  }

  private static func open(_ path: ByteString, option: String) throws(SandboxError) -> OpenedPath {
    let opened: OpenedPath
    do throws(Errno) { opened = try OpenedPath(path, option: option) } catch {
      throw SandboxError("\(option): '\(path)': \(error)")
    }
    try opened.refusePseudo()
    return opened
  }

  /// A bind of a file shows one name of its directory. Symlinks in the user's own path are followed here, once.
  private static func open(_ bind: SandboxConfiguration.Bind) throws(SandboxError) -> Bind {
    let source: OpenedPath
    do throws(Errno) { source = try OpenedPath(bind.source, option: "--bind", .path) } catch {
      throw SandboxError("--bind: '\(bind.source)': \(error)")
    }
    try source.refusePseudo()
    do throws(Errno) {
      let real = try Host.readlink("/proc/self/fd/\(source.descriptor)", in: AtFlags.currentDirectory)
      if try Host.stat(source.descriptor).type == .directory {
        return Bind(
          directory: source, file: nil, opened: nil, source: bind.source, destination: bind.destination,
          readOnly: bind.readOnly, hostPath: real)
      }
      guard let slash = real.lastIndex(of: 0x2f) else { throw .noSuchFileOrDirectory }
      let directory = try OpenedPath(ByteString(slash == 0 ? [0x2f] : [UInt8](real[..<slash])), option: "--bind")
      return Bind(
        directory: directory, file: [UInt8](real[(slash + 1)...]), opened: bind.readOnly ? nil : source,
        source: bind.source,
        destination: bind.destination, readOnly: bind.readOnly, hostPath: real)
    } catch {
      throw SandboxError("--bind: '\(bind.source)': \(error)")
    }
  }

  /// A lower has marks that only a privileged supervisor sees.
  var needPrivilege: Bool { lowers.contains { $0.saved?.needsPrivilege ?? false } }

  // MARK: - What is only shown

  private var shownDirectories: [OpenedPath] { lowers + binds.filter(\.readOnly).map(\.directory) }

  /// Lowers and `:ro` binds.
  var shown: [ShownDirectory] {
    shownDirectories.map { ShownDirectory(descriptor: $0.descriptor, path: $0.path.bytes) }
  }

  /// The upper and the writable binds; of a file that is bound the file alone.
  var writable: [CInt] {
    ([upper].compactMap(\.self) + binds.filter { !$0.readOnly }.map { $0.opened ?? $0.directory }).map(\.descriptor)
  }

  /// Takes over read-only trees in the place of the directories themselves, in the order of `shown`.
  func replaceShown(by trees: [CInt]) {
    for (directory, tree) in zip(shownDirectories, trees) {
      Host.close(directory.descriptor)
      directory.descriptor = tree
    }
  }
}
