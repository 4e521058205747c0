// A persistent upper directory between runs: `DIR/upper` holds what changed, `DIR/work` what the overlay needs beside it.

import HostFS
import Kernel
import LinuxABI
import OverlayFS
import VFS

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
  func layers() throws(ReportedError) -> UpperLayers {
    let recorded = try recorded(orNilIf: rootfs != nil)
    let user = UserAndGroup(uid: Host.effectiveUser, gid: Host.effectiveGroup)
    var layers = recorded ?? UpperLayers(rootfs: "/", lowers: [], caller: user, inside: user)
    if rootfs != nil || !lowers.isEmpty {
      layers.rootfs = rootfs ?? "/"
      layers.lowers = lowers
    }
    return layers
  }

  /// What the last run wrote down; nil if there was none.
  func recorded(at option: String = "", orNilIf isSaid: Bool = false) throws(ReportedError) -> UpperLayers? {
    let directory: OwnedDescriptor
    do throws(Errno) {
      directory = try path.open([.path, .directory])
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      if error == .notDirectory { throw notADirectory(option) }
      throw ReportedError("\(option)'\(path)': cannot read work/layers: \(error)")
    }
    return try recorded(directory.rawValue, at: option, orNilIf: isSaid)
  }

  private func notADirectory(_ option: String) -> ReportedError {
    ReportedError("\(option)'\(path)' is not a directory (name what vedette run --upper was given)")
  }

  /// The same of the directory that is open already.
  func recorded(_ directory: CInt, at option: String = "", orNilIf isSaid: Bool = false) throws(ReportedError)
    -> UpperLayers?
  {
    let bytes: [UInt8]
    do throws(Errno) {
      let file = try Host.open("work/layers", in: directory, [.noFollow, .nonBlocking])
      guard try Host.stat(file.rawValue).type == .regular else { throw .ioError }
      bytes = try Host.readAll(file.rawValue)
    } catch {
      if error == .noSuchFileOrDirectory { return nil }
      if error == .notDirectory { throw notADirectory(option) }
      throw ReportedError("\(option)'\(path)': cannot read work/layers: \(error)")
    }
    guard let layers = UpperLayers(bytes) else {
      if let form = UpperLayers.newerForm(bytes) {
        throw ReportedError(
          "\(option)'\(path)' was written by a newer vedette (work/layers has form \(form), this one knows 2)")
      }
      if isSaid { return nil }
      throw ReportedError(
        option.isEmpty
          ? "'\(path)': work/layers is damaged (say --rootfs, and --lower if there were any)"
          : "\(option)'\(path)': work/layers is damaged (remove it if these are the layers that it lies over)")
    }
    return layers
  }

  /// Owners and marks stand in attributes that only the user who wrote them reads in the same way: root would look for
  /// `trusted.overlay.…` where an ordinary user wrote `user.overlay.…`.
  private func requireSameUser(_ layers: UpperLayers) throws(ReportedError) {
    if layers.caller.uid != Host.effectiveUser {
      throw ReportedError("'\(path)' was written by user \(layers.caller.uid) (run this command as that user)")
    }
  }

  /// The store, once it is clear that it is one: nothing may be made in a directory that was named by mistake.
  ///
  /// - Parameter forCheck: damage is looked at; a run that was killed at its very start has made `work` alone.
  func store(inside: UpperLayers, forCheck: Bool = false) throws(ReportedError) -> HostFilesystem {
    try requireSameUser(inside)
    do throws(Errno) {
      let directory = try path.open([.path, .directory])
      let upper = try Self.type("upper", in: directory.rawValue)
      guard try Self.type("work", in: directory.rawValue) == .directory, upper == .directory || upper == nil else {
        throw Errno.wrongMediumType
      }
      let store = try HostFilesystem(
        rootDescriptor: directory, policy: .immutable, writable: true, ownership: Self.ownership(inside),
        lenient: forCheck)
      if upper == nil {
        guard forCheck, try Self.isOurs(work: store) else { throw Errno.wrongMediumType }
      }
      return store
    } catch {
      if error == .wrongMediumType {
        throw ReportedError("'\(path)' is no upper directory of vedette (it needs 'upper' and 'work' in it)")
      }
      if error == .noSuchFileOrDirectory {
        throw ReportedError("'\(path)' does not exist (name what vedette run --upper was given)")
      }
      throw ReportedError("'\(path)': \(error)")
    }
  }

  private static func type(_ name: String, in directory: CInt) throws(Errno) -> FileType? {
    do throws(Errno) {
      return try ByteString(name).withCString { name throws(Errno) in
        try Host.stat(name, in: directory).type
      }
    } catch {
      guard error == .noSuchFileOrDirectory else { throw error }
      return nil
    }
  }

  /// Nothing is in `work` that a run does not make before it makes `upper`.
  private static func isOurs(work store: HostFilesystem) throws(Errno) -> Bool {
    let work = try Name.with("work") { name throws(Errno) in try store.root.lookup(name) }
    var result = true
    try work?.iterate(from: 0) { entry in
      let name = entry.name
      result =
        name.equals(Array("lock".utf8)) || name.equals(Array("overflow".utf8)) || name.equals(Array("index".utf8))
        || name.equals(Array("bases".utf8)) || name.hasPrefix("prepared-")
      return result
    }
    return result
  }

  private static func ownership(_ layers: UpperLayers) -> IdentityMap {
    IdentityMap(
      hostUser: layers.caller.uid, hostGroup: layers.caller.gid, user: layers.inside.uid, group: layers.inside.gid)
  }

  /// Whether a directory is one of the lowers, or the root of them: then what is applied to it shows through the upper.
  func isLayer(_ directory: ByteString) throws(ReportedError) -> Bool {
    let layers = try layers()
    guard let wanted = Self.identity(directory) else { return false }
    return (layers.lowers + [layers.rootfs]).contains { Self.identity($0) == wanted }
  }

  /// A number for this directory, in names on the host.
  func owner() throws(ReportedError) -> UInt64 {
    guard let identity = Self.identity(path) else { throw ReportedError("'\(path)' cannot be read") }
    var sum = FNV()
    sum.add(identity.device)
    sum.add(identity.number)
    return sum.value
  }

  private static func identity(_ path: ByteString) -> FileIdentity? {
    guard let directory = try? path.open([.path, .directory]) else { return nil }
    return try? Host.stat(directory.rawValue).identity
  }

  /// The lowers, topmost first.
  func lowerFilesystems(_ layers: UpperLayers) throws(ReportedError) -> [Filesystem] {
    var result: [LayerStack.Layer] = []
    let named = layers.lowers + [layers.rootfs]
    let ownership = Self.ownership(layers)
    for (index, lower) in named.enumerated() {
      func refusal(_ error: Errno) -> ReportedError {
        ReportedError("lower '\(lower)': \(error) (say --rootfs and --lower as the run did)")
      }
      let directory: OwnedDescriptor
      do throws(Errno) { directory = try lower.open([.path, .directory]) } catch { throw refusal(error) }
      let saved: SavedLayer?
      do throws(ReportedError) {
        saved = try SavedLayer(lower, directory.rawValue, over: Array(named[(index + 1)...]))
      } catch {
        throw ReportedError("lower \(error.message)")
      }
      do throws(Errno) {
        let filesystem =
          if let saved { try saved.filesystem(directory, ownership: ownership) } else {
            try HostFilesystem(rootDescriptor: directory, policy: .immutable, writable: false, ownership: ownership)
          }
        result.append(LayerStack.Layer(filesystem, saved))
      } catch {
        throw refusal(error)
      }
    }
    do throws(ReportedError) {
      return try LayerStack.lowers(result)
    } catch {
      throw ReportedError("lower \(error.message)")
    }
  }

  /// The overlay of the upper over its lowers, as the next run would see it. No other process may use it meanwhile.
  func overlay() throws(ReportedError) -> OverlayFilesystem {
    let layers = try layers()
    let store = try store(inside: layers)
    let lowers = try lowerFilesystems(layers)
    do throws(OverlayError) {
      return try OverlayFilesystem(upper: .store(store), lowers: lowers)
    } catch {
      switch error {
      case .upperIsBusy: throw ReportedError("'\(path)': a run is using it (wait for it to end)")
      case .upperIsReadOnly: throw ReportedError("'\(path)' is on a read-only file system")
      case .upper(let errno): throw ReportedError("'\(path)' cannot be used: \(errno)")
      default: throw ReportedError("'\(path)': its lowers cannot be used")
      }
    }
  }
}

extension ByteString {
  /// `openat(2)` of a path that the user named.
  package func open(_ flags: OpenFlags, mode: UInt32 = 0) throws(Errno) -> OwnedDescriptor {
    OwnedDescriptor(try withCString { path throws(Errno) in try Host.openTrusted(path, flags, mode: mode).release() })
  }
}

extension Errno {
  /// EMEDIUMTYPE, which no call here gives: our own word for a directory that is no upper.
  fileprivate static var wrongMediumType: Errno { Errno(rawValue: 124) }
}
