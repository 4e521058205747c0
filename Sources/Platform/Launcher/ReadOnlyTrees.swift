// The second wall at `full`: what a sandbox only shows is reached through detached copies of the mount tree that the
// kernel keeps read-only, for us and for every descriptor that a guest holds (`man 2 open_tree`, `man 2 mount_setattr`).

import Kernel
import LinuxABI

/// A directory of the host that the sandbox shows and never changes.
public struct ShownDirectory: Sendable {
  /// O_PATH is enough. What it is open at is what is shown; the path only helps to find it again.
  public var descriptor: CInt
  /// Where it is, for the process that finds it in a mount namespace of its own: as the user wrote it.
  public var path: [UInt8]

  public init(descriptor: CInt, path: [UInt8]) {
    self.descriptor = descriptor
    self.path = path
  }
}

/// The trees of a launch, in the order of the directories they were asked for.
///
/// Who may mount in the mount namespace it lives in makes them itself, from its own descriptors. For everybody else init
/// makes them, who may in its namespace but has to find the directories again by path: each is then compared, by device
/// and inode, with the descriptor that the configuration was checked with.
struct ReadOnlyTrees: ~Copyable {
  let directories: [ShownDirectory]
  private var made: [CInt?]
  /// What the kernel, or a filter above us, said to the first `open_tree` or `mount_setattr` that was not let through.
  private(set) var refusal: Errno?

  /// - Parameter tries: they are made here and now, as far as that is allowed.
  init(_ directories: [ShownDirectory], tries: Bool) {
    self.directories = directories
    made = Array(repeating: nil, count: directories.count)
    guard tries else { return }
    for (index, directory) in directories.enumerated() {
      do throws(Errno) { made[index] = try Host.readOnlyTree(of: directory.descriptor).release() } catch {
        // EPERM: init may. EINVAL: it lies in another mount namespace; init may find it in ours.
        if error == .notPermitted { break }
      }
    }
  }

  deinit { for case let tree? in made { Host.close(tree) } }

  /// Indices of the directories that init is to make trees of.
  var missing: [Int] { made.indices.filter { made[$0] == nil } }

  /// Takes what init sent for the directory at `index`.
  ///
  /// - Throws: a `LaunchError` that names the directory, if init does not find it.
  mutating func receive(_ tree: consuming OwnedDescriptor?, error: Errno, at index: Int) throws(LaunchError) {
    guard let tree else {
      if error == .noFunction || error == .notPermitted {
        refusal = refusal ?? error
        return
      }
      throw notFound(directories[index], error)
    }
    do throws(Errno) {
      let (found, wanted) = (try Host.stat(tree.rawValue), try Host.stat(directories[index].descriptor))
      if found.identity != wanted.identity { throw Errno.staleNFSFileHandle }
      made[index] = tree.release()
    } catch {
      throw notFound(directories[index], error)
    }
  }

  private func notFound(_ directory: ShownDirectory, _ error: Errno) -> LaunchError {
    let path = String(
      String(decoding: directory.path, as: UTF8.self).unicodeScalars.map { $0.value < 0x20 ? "?" : Character($0) })
    return LaunchError(
      .layer,
      "'\(path)' cannot be opened again inside the sandbox's mount namespace (a directory on the way that this user may "
        + "not search, or another mount namespace's path; --isolation no-namespaces works without)",
      errno: error)
  }

  /// The trees, all of them, for the caller to close; nil if they were refused.
  consuming func take() -> [CInt]? {
    guard refusal == nil else { return nil }
    let trees = made.compactMap(\.self)
    made = []
    return trees
  }
}
