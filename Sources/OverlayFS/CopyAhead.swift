// Much content is copied ahead of the copy-up that needs it, outside the tree lock. Under the lock the copy is begun (a
// file in the work directory, as every copy-up has it), and the operation throws `.restart`; made again, it finds the copy
// and commits it as its own. Lower files never change, so the copy cannot be out of date; what can have happened meanwhile
// is that somebody else has given the file its upper inode, and then the copy completes that one or is of no use.

import LinuxABI
import Synchronization
public import VFS

/// The bytes on their way. Everything else about the copy is in `PreparedCopy`, under the tree lock.
final class CopyAhead: LongCopy {
  /// How much is copied at once: some milliseconds' worth.
  private static let slice: Int64 = 16 << 20

  /// Closed at its end: a file that is open for writing cannot be executed.
  private let copy: Mutex<DataCopy?>
  private let ended = Mutex<Result<Void, Errno>?>(nil)
  private let isUnwanted = Atomic<Bool>(false)

  init(_ copy: consuming DataCopy) {
    let isWhole = copy.isWhole
    self.copy = Mutex(consume copy)
    if isWhole { _ = proceed() }
  }

  /// How it has ended; nil as long as it has not.
  var result: Result<Void, Errno>? { ended.withLock { $0 } }

  var hasEnded: Bool { result != nil }

  func giveUp() { isUnwanted.store(true, ordering: .relaxed) }

  func proceed() -> Bool {
    copy.withLock { copy in
      if hasEnded { return false }
      var result: Result<Void, Errno> = .failure(.canceled)
      if !isUnwanted.load(ordering: .relaxed) {
        do throws(Errno) {
          if try copy?.step(Self.slice) == true { return true }
          result = .success(())
        } catch { result = .failure(error) }
      }
      copy = nil
      let final = result
      ended.withLock { $0 = final }
      return false
    }
  }
}

/// A copy in the work directory that is not committed.
struct PreparedCopy {
  let file: Inode
  let name: [UInt8]
  let bytes: CopyAhead
}

extension OverlayFilesystem {
  /// Content of this many bytes and more is copied ahead.
  static var long: Int64 { 4 << 20 }

  /// Nobody waits for a copy that was given to `onLongCopy`: unless it has been committed, it goes.
  public func giveUp(_ copy: any LongCopy) {
    guard let number = prepared.first(where: { $0.value.bytes === copy })?.key else { return }
    giveUpCopy(of: number)
  }

  /// The copy of the file with this number is of no use any more, if there is one.
  func giveUpCopy(of number: UInt64) {
    if !prepared.isEmpty, let copy = prepared.removeValue(forKey: number) { discard(copy) }
  }

  func discard(_ copy: PreparedCopy) {
    copy.bytes.giveUp()
    guard let work else { return }
    Name.with(copy.name) { discard($0, copy.file, in: work) }
  }
}

extension OverlayRegularFile {
  /// The content, copied already, if it is long: it is the caller's to commit or to discard. Nil for a short one, whose
  /// copying nobody will notice.
  ///
  /// - Parameter from: the attributes of `lower`.
  /// - Throws: `.restart` if it is being copied; what the copy has failed with.
  func contentCopiedAhead(_ lower: Inode, _ from: Attributes) throws(Errno) -> PreparedCopy? {
    if let known = overlay.prepared[number] {
      if !known.bytes.hasEnded, overlay.onLongCopy?(known.bytes) == true { throw .restart }
      return try take(known)
    }
    // What is mostly a hole is short.
    let long = OverlayFilesystem.long
    guard from.size >= long, from.blocks >= long / 512, let onLongCopy = overlay.onLongCopy, let work = overlay.work
    else { return nil }
    let new = NewInode(.regular, permissions: permissions, owner: owner, group: group)
    let name = overlay.temporaryName()
    let begun = try Name.with(name) { prepared throws(Errno) -> PreparedCopy in
      let file = try work.create(prepared, new)
      do throws(Errno) {
        return PreparedCopy(file: file, name: name, bytes: CopyAhead(try DataCopy(from: lower, to: file)))
      } catch {
        overlay.discard(prepared, file, in: work)
        throw error
      }
    }
    if !begun.bytes.hasEnded, onLongCopy(begun.bytes) {
      overlay.prepared[number] = begun
      throw .restart
    }
    return try take(begun)
  }

  /// A copy that has not ended is ended here: the call cannot wait.
  private func take(_ copy: PreparedCopy) throws(Errno) -> PreparedCopy {
    while copy.bytes.proceed() {}
    overlay.prepared[number] = nil
    guard case .failure(let error) = copy.bytes.result else { return copy }
    overlay.discard(copy)
    throw error
  }
}
