// A persistent upper directory between runs: `DIR/upper` holds what changed, `DIR/work` what the overlay needs beside it.
// `DIR/work/layers` says which lowers the last run had, and who was who in it, so that nobody has to say it again.

import CLinux
import HostFS
import LinuxABI
import OverlayFS
import VFS

/// Which lowers an upper directory lies over, and how its owners are to be read.
public struct UpperLayers: Sendable, Equatable {
  /// The lowest layer.
  public var rootfs: ByteString
  /// Topmost first.
  public var lowers: [ByteString]
  /// The user that ran vedette, and whom it was inside.
  var caller: SandboxConfiguration.User
  var inside: SandboxConfiguration.User

  init(
    rootfs: ByteString, lowers: [ByteString], caller: SandboxConfiguration.User, inside: SandboxConfiguration.User
  ) {
    self.rootfs = rootfs
    self.lowers = lowers
    self.caller = caller
    self.inside = inside
  }

  static let firstField: [UInt8] = Array("vedette layers 1".utf8)

  /// The content of `DIR/work/layers`: fields that end in NUL.
  var encoded: [UInt8] {
    let ids = "\(caller.uid) \(caller.gid) \(inside.uid) \(inside.gid)"
    return ([Self.firstField, Array(ids.utf8), rootfs.bytes] + lowers.map(\.bytes)).flatMap { $0 + [0] }
  }

  /// nil for what this version has not written.
  init?(_ bytes: [UInt8]) {
    guard bytes.last == 0 else { return nil }
    let fields = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { [UInt8]($0) }
    guard fields.count >= 3, fields[0] == Self.firstField, fields[2...].allSatisfy({ $0.first == 0x2f }) else {
      return nil
    }
    let ids = fields[1].split(separator: 0x20).compactMap { UInt32(String(decoding: $0, as: UTF8.self)) }
    guard ids.count == 4 else { return nil }
    self.init(
      rootfs: ByteString(fields[2]), lowers: fields[3...].map { ByteString($0) },
      caller: .init(uid: ids[0], gid: ids[1]), inside: .init(uid: ids[2], gid: ids[3]))
  }

  /// Writes down what a run is about to use. A record that cannot be written costs the user two options later, no more.
  static func remember(
    _ configuration: SandboxConfiguration, caller: SandboxConfiguration.User, inside: SandboxConfiguration.User
  ) {
    guard case .directory(let upper) = configuration.upper else { return }
    let layers = UpperLayers(
      rootfs: absolute(configuration.rootfs), lowers: configuration.lowers.map(absolute),
      caller: caller, inside: inside)
    _ = try? layers.write(to: upper)
  }

  private func write(to upper: ByteString) throws(Errno) {
    let bytes = encoded
    let directory = try ByteString(upper.bytes + Array("/work".utf8)).open([.path, .directory])
    if let old = try? Host.open("layers", in: directory.rawValue, []), let content = try? Host.readAll(old.rawValue),
      content == bytes
    {
      return
    }
    // Prepared aside, under a name that the next run discards if we are killed in between.
    _ = try? Host.unlink("prepared-layers", in: directory.rawValue)
    let file = try Host.open(
      "prepared-layers", in: directory.rawValue, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
    try DescriptorOutput.writeAll(bytes, to: file.rawValue)
    try Host.rename("prepared-layers", in: directory.rawValue, to: "layers", in: directory.rawValue)
  }

  private static func absolute(_ path: ByteString) -> ByteString {
    if path.isAbsolute { return path }
    guard let directory = try? Host.readlink("/proc/self/cwd", in: AtFlags.currentDirectory) else { return path }
    return ByteString(directory + [0x2f] + path.bytes)
  }
}

/// A persistent upper directory as `vedette diff`, `export`, `apply` and `fsck` name it.
public struct UpperDirectory: Sendable {
  public var path: ByteString
  /// What the command line says of the lowers; nil for what the last run wrote down.
  public var rootfs: ByteString?
  public var lowers: [ByteString]

  public init(_ path: ByteString, rootfs: ByteString? = nil, lowers: [ByteString] = []) {
    self.path = path
    self.rootfs = rootfs
    self.lowers = lowers
  }

  /// The layers: what the command line says, over what the last run wrote down, over the host's root.
  func layers() throws(SandboxError) -> UpperLayers {
    let recorded = try recordedLayers()
    let user = SandboxConfiguration.User(uid: geteuid(), gid: getegid())
    var layers = recorded ?? UpperLayers(rootfs: "/", lowers: [], caller: user, inside: user)
    if rootfs != nil || !lowers.isEmpty {
      layers.rootfs = rootfs ?? "/"
      layers.lowers = lowers
    }
    return layers
  }

  private func recordedLayers() throws(SandboxError) -> UpperLayers? {
    let bytes: [UInt8]
    do throws(Errno) {
      let directory = try path.open([.path, .directory])
      let file = try Host.open("work/layers", in: directory.rawValue, [.noFollow, .nonBlocking])
      guard FileType(mode: UInt32(try Host.stat(file.rawValue).st_mode)) == .regular else { throw .ioError }
      bytes = try Host.readAll(file.rawValue)
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      throw SandboxError("'\(path)': cannot read work/layers: \(error)")
    }
    guard let layers = UpperLayers(bytes) else {
      if rootfs != nil { return nil }
      throw SandboxError("'\(path)': work/layers is damaged (say --rootfs, and --lower if there were any)")
    }
    return layers
  }

  /// Owners and marks stand in places that only the user who wrote them reads in the same way: root would look for
  /// `trusted.overlay.…` where an ordinary user wrote `user.overlay.…`.
  private func requireSameUser(_ layers: UpperLayers) throws(SandboxError) {
    if layers.caller.uid != geteuid() {
      throw SandboxError("'\(path)' was written by user \(layers.caller.uid) (run this command as that user)")
    }
  }

  /// The store, once it is clear that it is one: nothing may be made in a directory that was named by mistake.
  func store(inside: UpperLayers) throws(SandboxError) -> HostFilesystem {
    try requireSameUser(inside)
    do throws(Errno) {
      let directory = try path.open([.path, .directory])
      for name in ["upper", "work"] {
        let type: FileType?
        do throws(Errno) {
          type = try ByteString(name).withCString { name throws(Errno) in
            FileType(mode: UInt32(try Host.stat(name, in: directory.rawValue).st_mode))
          }
        } catch {
          guard error == .noSuchFileOrDirectory else { throw error }
          type = nil
        }
        if type != .directory {
          throw Errno.wrongMediumType
        }
      }
      return try HostFilesystem(
        rootDescriptor: directory, policy: .immutable, writable: true, ownership: Self.ownership(inside))
    } catch {
      if error == .wrongMediumType {
        throw SandboxError("'\(path)' is no upper directory of vedette (it needs 'upper' and 'work' in it)")
      }
      throw SandboxError("'\(path)': \(error)")
    }
  }

  private static func ownership(_ layers: UpperLayers) -> HostFilesystem.Ownership? {
    if layers.caller == layers.inside { return nil }
    return HostFilesystem.Ownership(
      callerUser: layers.caller.uid, callerGroup: layers.caller.gid, user: layers.inside.uid, group: layers.inside.gid)
  }

  /// The lowers, topmost first.
  func lowerFilesystems(_ layers: UpperLayers) throws(SandboxError) -> [HostFilesystem] {
    var result: [HostFilesystem] = []
    for lower in layers.lowers + [layers.rootfs] {
      do throws(Errno) {
        let directory = try lower.open([.path, .directory])
        result.append(
          try HostFilesystem(
            rootDescriptor: directory, policy: .immutable, writable: false, ownership: Self.ownership(layers)))
      } catch {
        throw SandboxError("lower '\(lower)': \(error) (say --rootfs and --lower as the run did)")
      }
    }
    return result
  }

  /// The overlay of the upper over its lowers, as the next run would see it. Nobody else may use it meanwhile.
  func overlay() throws(SandboxError) -> OverlayFilesystem {
    let layers = try layers()
    let store = try store(inside: layers)
    let lowers = try lowerFilesystems(layers)
    do throws(OverlayError) {
      return try OverlayFilesystem(upper: .store(store), lowers: lowers)
    } catch {
      switch error {
      case .upperIsBusy: throw SandboxError("'\(path)': a run is using it (wait for it to end)")
      case .upperIsReadOnly: throw SandboxError("'\(path)' is on a read-only file system")
      case .upper(let errno): throw SandboxError("'\(path)' cannot be used: \(errno)")
      default: throw SandboxError("'\(path)': its lowers cannot be used")
      }
    }
  }
}

extension ByteString {
  /// `openat(2)` of a path that the user named.
  func open(_ flags: OpenFlags, mode: UInt32 = 0) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try withCString { path throws(Errno) in try Host.openTrusted(path, flags, mode: mode).release() })
  }
}

extension Errno {
  /// EMEDIUMTYPE, which no call here gives: our own word for a directory that is no upper.
  fileprivate static var wrongMediumType: Errno { Errno(rawValue: 124) }
}
