// Background copy-ups of an overlay (VFS/BackgroundCopyUp.swift): which are under way, and the files in the work directory
// that they fill. Made again, the call that has begun one finds it here and commits it as its own copy. Meanwhile another call
// can have given the file its upper inode; then the copy completes that one or is discarded.

import LinuxABI
public import VFS

/// A file in the work directory that a background copy-up fills. Used under the tree lock.
struct WorkFile {
  let inode: Inode
  let name: [UInt8]
  let copyUp: BackgroundCopyUp
}

extension OverlayFilesystem {
  /// Content of this many bytes and more is copied in the background.
  static var longContent: Int64 { 4 << 20 }

  public func cancel(_ copyUp: BackgroundCopyUp) {
    guard let number = workFiles.first(where: { $0.value.copyUp === copyUp })?.key else { return }
    cancelCopyUp(of: number)
  }

  /// The background copy-up of the file with this number, if there is one, is of no use any more.
  func cancelCopyUp(of number: UInt64) {
    if !workFiles.isEmpty, let file = workFiles.removeValue(forKey: number) { discard(file) }
  }

  func discard(_ file: WorkFile) {
    file.copyUp.cancel()
    guard let work else { return }
    Name.with(file.name) { discard($0, file.inode, in: work) }
  }
}

extension OverlayRegularFile {
  /// The content, copied already, if it is long: the caller's to commit or to discard. Nil for short content, which is copied
  /// in less time than a call takes to come again.
  ///
  /// - Parameter from: the attributes of `lower`.
  /// - Throws: `.resourceTemporarilyUnavailable` if it is being copied and the call is going to be made again; what the copy has failed with.
  func contentCopiedInBackground(_ lower: Inode, _ from: Attributes) throws(Errno) -> WorkFile? {
    if let known = overlay.workFiles[number] {
      if !known.copyUp.hasEnded, overlay.copyUpObserver?.mayWait(for: known.copyUp) == true {
        throw .resourceTemporarilyUnavailable
      }
      return try take(known)
    }
    // What is mostly a hole is short.
    let long = OverlayFilesystem.longContent
    guard from.size >= long, from.blocks >= long / 512, let observer = overlay.copyUpObserver, let work = overlay.work
    else { return nil }
    let new = NewInode(.regular, permissions: permissions, owner: owner, group: group)
    let name = overlay.temporaryName()
    let begun = try Name.with(name) { prepared throws(Errno) -> WorkFile in
      let file = try work.create(prepared, new)
      do throws(Errno) {
        return WorkFile(inode: file, name: name, copyUp: BackgroundCopyUp(try DataCopy(from: lower, to: file)))
      } catch {
        overlay.discard(prepared, file, in: work)
        throw error
      }
    }
    if !begun.copyUp.hasEnded, observer.mayWait(for: begun.copyUp) {
      overlay.workFiles[number] = begun
      throw .resourceTemporarilyUnavailable
    }
    return try take(begun)
  }

  /// A copy that has not ended is ended here: the call cannot wait.
  private func take(_ file: WorkFile) throws(Errno) -> WorkFile {
    file.copyUp.finish()
    overlay.workFiles[number] = nil
    guard case .failure(let error) = file.copyUp.result else { return file }
    overlay.discard(file)
    throw error
  }
}
