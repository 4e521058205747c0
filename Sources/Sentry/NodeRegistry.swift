// Which node a guest's descriptor stands for. The kernel keeps the descriptors; a backing file's device and inode lead
// back to the position it was opened by. There is no table of descriptors to keep in step and no close to trap.

import Kernel
import KernFS
import LinuxABI
import VFS

/// The identity of a host file.
typealias BackingIdentity = FileIdentity

/// Every node that a guest may have open, by the identity of what stands for it in the kernel.
final class NodeRegistry {
  /// A position that was opened.
  struct Node {
    var position: Position
    var inode: Inode
    /// What stands for it is good for naming it only: it was opened with O_PATH.
    var isPath = false
    /// What stands for it is a file of the host that guests may only read (`Inode.isBackedByLower` when it was opened).
    var isLower = false
  }

  private let store: BackingStore
  private var nodes: [BackingIdentity: Node] = [:]
  /// Lower files that a sweep has removed from `nodes`.
  private var forgotten = ForgottenFiles()

  // One placeholder a position, kept as long as its node: re-opened for every open of that directory.
  private struct PlaceholderKey: Hashable {
    var dentry: ObjectIdentifier
    var mount: Int
    var isPath: Bool
  }
  private final class Placeholder {
    let descriptor: OwnedDescriptor
    let identity: BackingIdentity

    init(_ descriptor: consuming OwnedDescriptor) throws(Errno) {
      identity = BackingIdentity(try Host.stat(descriptor.rawValue))
      self.descriptor = descriptor
    }
  }
  private var placeholders: [PlaceholderKey: Placeholder] = [:]
  // When it is worth asking which nodes are still open: at so many nodes, so many nameless files, so many of their bytes.
  private var sweepAtNodes = 4096
  private var sweepAtOrphans = 64
  private var sweepAtBytes: Int64 = 64 << 20
  /// At fewer of their bytes it is not asked how full the file system is.
  private var leastBytes: Int64 = 256 << 10

  /// Whether nodes should be forgotten: there are many of them, or what they keep is much, or much of what is left.
  /// `filesystem` is the root's, where guests' files lie, apart from those in the store.
  func isSweepDue(_ filesystem: Filesystem) -> Bool {
    if nodes.count >= sweepAtNodes { return true }
    let orphans = orphans(filesystem)
    if orphans.count >= sweepAtOrphans || orphans.bytes >= sweepAtBytes { return true }
    guard orphans.bytes >= leastBytes else { return false }
    do throws(Errno) {
      let space = try filesystem.statistics()
      return UInt64(clamping: orphans.bytes)
        >= space.availableBlocks.multipliedClamped(by: UInt64(clamping: space.blockSize)) / 4
    } catch {
      return false
    }
  }

  private func orphans(_ filesystem: Filesystem) -> Orphans {
    let others = filesystem.orphans
    return Orphans(count: store.orphanCount + others.count, bytes: store.orphanBytes.addingClamped(others.bytes))
  }

  init(store: BackingStore) { self.store = store }

  var count: Int { nodes.count }

  /// The node a descriptor with this host status stands for; nil if the descriptor is not of a node of the tree.
  func node(_ status: FileStatus) -> Node? { nodes[BackingIdentity(status)] }

  func node(_ identity: BackingIdentity) -> Node? { nodes[identity] }

  /// The file is one of a lower layer that was open once; its node has gone.
  func hasForgotten(_ identity: BackingIdentity) -> Bool { forgotten.contains(identity) }

  /// The file is one of a lower layer, known or forgotten.
  func isLower(_ identity: BackingIdentity) -> Bool { nodes[identity]?.isLower ?? forgotten.contains(identity) }

  /// The nodes of a kind, each with the identity of what stands for it.
  func nodes(where isWanted: (Node) -> Bool) -> [(BackingIdentity, Node)] {
    nodes.compactMap { isWanted($0.value) ? ($0.key, $0.value) : nil }
  }

  /// Our own descriptor of what stands for a directory; nil for anything else.
  func placeholder(_ identity: BackingIdentity) -> CInt? {
    placeholders.values.first { $0.identity == identity }?.descriptor.rawValue
  }

  /// Remembers what stands for `position` in the kernel.
  func register(_ descriptor: CInt, _ position: Position, _ inode: Inode) throws(Errno) {
    try register(try Host.stat(descriptor), position, inode)
  }

  /// The same, with the host's status of what stands for it.
  func register(_ status: FileStatus, _ position: Position, _ inode: Inode) throws(Errno) {
    // /dev/tty opens the terminal itself, which has a name of its own.
    if inode.type == .characterDevice, try inode.attributes().device != status.namedDevice { return }
    let identity = BackingIdentity(status)
    nodes[identity] = Node(position: position, inode: inode, isLower: inode.isBackedByLower)
  }

  /// A new open file for something without a backing file: a directory, or anything opened with O_PATH.
  func openPlaceholder(_ position: Position, _ inode: Inode, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    let isPath = flags.contains(.path)
    let key = PlaceholderKey(dentry: ObjectIdentifier(position.dentry), mount: position.mount.id, isPath: isPath)
    let placeholder: Placeholder
    if let kept = placeholders[key] {
      placeholder = kept
    } else {
      placeholder = try Placeholder(isPath ? store.makePlaceholderFile() : store.makePlaceholderDirectory())
      placeholders[key] = placeholder
      nodes[placeholder.identity] = Node(position: position, inode: inode, isPath: isPath)
    }
    // The kernel gives no O_PATH descriptor away by ADDFD. Access mode 3 is the nearest: neither read nor write is
    // allowed, both are EBADF (`man 2 open`, "file access mode").
    if isPath { return try store.reopen(placeholder.descriptor.rawValue, OpenFlags(rawValue: 3)) }
    return try Host.openTrusted(
      ".", in: placeholder.descriptor.rawValue, flags.intersection(.nonBlocking).union(.directory))
  }

  /// Drops the nodes that no guest has open. Of lower files the identity stays: a descriptor in flight is in no table.
  ///
  /// - Parameter cost: how many descriptors were looked at for it. A guest that has many pays for the next look with as many nodes
  ///   or nameless files, a sixteenth of them.
  func sweep(_ open: Set<BackingIdentity>, _ filesystem: Filesystem, cost: Int) {
    nodes = nodes.filter { identity, node in
      if open.contains(identity) { return true }
      if node.isLower { forgotten.insert(identity) }
      return false
    }
    placeholders = placeholders.filter { open.contains($0.value.identity) }
    sweepAtNodes = max(4096, nodes.count * 2, cost / 16)
    let left = orphans(filesystem)
    sweepAtOrphans = max(64, left.count * 2, cost / 16)
    sweepAtBytes = max(64 << 20, left.bytes.multipliedClamped(by: 2))
    leastBytes = max(256 << 10, left.bytes.multipliedClamped(by: 2))
  }
}
