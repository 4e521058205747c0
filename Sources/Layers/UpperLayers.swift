// `DIR/work/layers`: what a persistent upper directory lies over, who wrote it and how, so that it need not be said again,
// and so that a run under which its marks would mean something else is refused.

import HostFS
import Kernel
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
  var caller: UserAndGroup
  var inside: UserAndGroup
  /// File system and inode number of each layer's root, topmost first: a directory may be moved, and another one may take
  /// its place.
  var identities: [String] = []
  /// Where marks and owners stand (OverlayFormat); empty if it is not known.
  var format = ""
  /// The inode number of `DIR/upper`; 0 if it is not known. A copy of the directory has another.
  var number: UInt64 = 0

  init(
    rootfs: ByteString, lowers: [ByteString], caller: UserAndGroup, inside: UserAndGroup
  ) {
    self.rootfs = rootfs
    self.lowers = lowers
    self.caller = caller
    self.inside = inside
  }

  static let firstField: [UInt8] = Array("vedette layers 2".utf8)

  /// The form that a later version has written; nil for what this one knows, and for what is none of ours.
  static func newerForm(_ bytes: [UInt8]) -> Int? {
    let words = String(decoding: bytes.prefix { $0 != 0 }.prefix(64), as: UTF8.self).split(separator: " ")
    guard words.count == 3, words[0] == "vedette", words[1] == "layers", let form = Int(words[2]), form > 2 else {
      return nil
    }
    return form
  }

  /// The content of `DIR/work/layers`: fields that end in NUL.
  var encoded: [UInt8] {
    let ids = "\(caller.uid) \(caller.gid) \(inside.uid) \(inside.gid)"
    let fields = [ids, String(number), format, identities.joined(separator: " ")].map { [UInt8]($0.utf8) }
    return ([Self.firstField] + fields + [rootfs.bytes] + lowers.map(\.bytes)).flatMap { $0 + [0] }
  }

  /// nil for what this version has not written.
  init?(_ bytes: [UInt8]) {
    guard bytes.last == 0 else { return nil }
    let fields = bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map { [UInt8]($0) }
    guard fields.count >= 6, fields[0] == Self.firstField, fields[5...].allSatisfy({ $0.first == 0x2f }) else {
      return nil
    }
    let words = fields[1...4].map { String(decoding: $0, as: UTF8.self) }
    let ids = words[0].split(separator: " ").compactMap { UInt32($0) }
    guard ids.count == 4, let number = UInt64(words[1]) else { return nil }
    self.init(
      rootfs: ByteString(fields[5]), lowers: fields[6...].map { ByteString($0) },
      caller: .init(uid: ids[0], gid: ids[1]), inside: .init(uid: ids[2], gid: ids[3]))
    self.number = number
    format = words[2]
    identities = words[3].split(separator: " ").map(String.init)
  }

  // MARK: - One run after another

  /// The layers of a run that is about to begin, once it is clear that the upper may lie over them.
  ///
  /// - Throws: one line for people if the upper was written by another user or in another format, lies over other lowers,
  ///   or was copied, and something in it would be lost or mean another thing.
  package static func verified(
    of upper: ByteString, over rootfs: ByteString, _ lowers: [ByteString], _ store: HostFilesystem,
    caller: UserAndGroup,
    inside: UserAndGroup
  ) throws(ReportedError) -> UpperLayers {
    var layers = UpperLayers(
      rootfs: absolute(rootfs), lowers: lowers.map(absolute), caller: caller, inside: inside)
    layers.identities = named(lowers + [rootfs]).map(\.identity)
    let recorded = try UpperDirectory(upper).recorded(at: "--upper: ")
    let refusal: String?
    do throws(Errno) {
      refusal = try layers.refusal(recorded, store)
    } catch {
      refusal =
        error == .notSupportedOnSocket ? "is on a file system without extended attributes" : "cannot be used: \(error)"
    }
    if let refusal { throw ReportedError("--upper: '\(upper)' \(refusal)") }
    return layers
  }

  /// Why this run may not have the upper that `recorded` describes; nil if it may. Learns the format that it would write.
  private mutating func refusal(_ recorded: UpperLayers?, _ store: HostFilesystem) throws(Errno) -> String? {
    guard let work = try store.child("work") else { return nil }
    if let recorded, recorded.caller.uid != caller.uid {
      return "was written by user \(recorded.caller.uid) (run as that user, or use another directory)"
    }
    format = try OverlayFormat(work: work, keepsOwners: !store.recordsAttributes).description
    guard let recorded, let root = try store.child("upper") else { return nil }
    if try OverlayFormat.isFresh(root: root, work: work) { return nil }
    if recorded.format != format, !recorded.format.isEmpty {
      return "was written with other rights (\(recorded.format); now: \(format))"
    }
    if !recorded.isOver(Array(zip(lowers + [rootfs], identities))) {
      let names = recorded.lowers.map { "--lower \($0) " }.joined() + "--rootfs \(recorded.rootfs)"
      return "lies over other layers: \(names) (use those, or remove its work/layers to use it over these)"
    }
    if recorded.number != 0, recorded.number != root.number, try OverlayFormat.hasOverflow(work: work) {
      return "is a copy, and its work/overflow goes by inode numbers (move the directory, or export it)"
    }
    return nil
  }

  /// A layer by its absolute path and by what it is.
  typealias NamedLayer = (path: ByteString, identity: String)

  static func named(_ layers: [ByteString]) -> [NamedLayer] { layers.map { (absolute($0), identity($0)) } }

  /// The same layers, in the same order: each is what it was, or was moved, or has moved to another device number.
  func isOver(_ other: [NamedLayer]) -> Bool {
    if identities.count != other.count { return false }
    return zip(zip(lowers + [rootfs], identities), other).allSatisfy { own, other in
      if own.1 == other.identity { return true }
      return own.0 == other.path && own.1.split(separator: ":").last == other.identity.split(separator: ":").last
        && own.1.hasPrefix(Self.upperPrefix) == other.identity.hasPrefix(Self.upperPrefix)
    }
  }

  /// f_fsid and the inode number; only the latter where the former cannot be had. An upper directory is said to be one: read as a
  /// plain one it would be another layer.
  private static let upperPrefix = "upper-"

  private static func identity(_ path: ByteString) -> String {
    do throws(Errno) {
      let directory = try path.open([.path, .directory])
      let number = try Host.stat(directory.rawValue).inode
      let identifier = try Host.fileSystem(of: directory.rawValue).identifier
      let words = (UInt32(bitPattern: identifier.0), UInt32(bitPattern: identifier.1))
      let kind = SavedLayer.isUpperDirectory(directory.rawValue) ? upperPrefix : ""
      return "\(kind)\(String(words.0, radix: 16)).\(String(words.1, radix: 16)):\(number)"
    } catch {
      return "?"
    }
  }

  /// Writes down what a run uses. A record that cannot be written costs the user two options later, no more.
  package func remember(_ upper: ByteString, _ overlay: OverlayFilesystem, _ store: HostFilesystem) {
    var layers = self
    layers.number = overlay.upperRoot?.number ?? 0
    if layers.format.isEmpty, let format = overlay.format(keepsOwners: !store.recordsAttributes) {
      layers.format = format.description
    }
    _ = try? layers.write(to: upper)
  }

  private func write(to upper: ByteString) throws(Errno) {
    let bytes = encoded
    let directory = try ByteString(upper.bytes + Array("/work".utf8)).open([.path, .directory])
    if let old = try? Host.open("layers", in: directory.rawValue, .nonBlocking),
      let content = try? Host.readAll(old.rawValue),
      content == bytes
    {
      return
    }
    // Prepared aside, under a name that the next run discards if we are killed in between.
    _ = try? Host.unlink("prepared-layers", in: directory.rawValue)
    let file = try Host.open(
      "prepared-layers", in: directory.rawValue, [.writeOnly, .create, .exclusive, .noFollow], mode: 0o600)
    try Host.writeAll(bytes, to: file.rawValue)
    CrashPoint.passed("layers")
    try Host.rename("prepared-layers", in: directory.rawValue, to: "layers", in: directory.rawValue)
    CrashPoint.passed("rename")
  }

  static func absolute(_ path: ByteString) -> ByteString {
    if path.isAbsolute { return path }
    guard let directory = try? Host.readlink("/proc/self/cwd", in: AtFlags.currentDirectory) else { return path }
    return ByteString(directory + [0x2f] + path.bytes)
  }
}

extension HostFilesystem {
  /// A directory of the store; nil if there is none.
  func child(_ name: StaticString) throws(Errno) -> Inode? {
    try Name.with(name) { name throws(Errno) in try root.lookup(name) }.flatMap { $0.isDirectory ? $0 : nil }
  }
}
