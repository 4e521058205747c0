// What a layered file system and those who keep guests coherent with it know of each other. A file whose bytes lie in a lower
// layer gets another backing file with its first change; guests hold descriptors and mappings of the former one.

/// A file system whose regular files can be given another backing file while guests have them open or mapped.
public protocol CopyUpSource: AnyObject {
  var copyUpObserver: (any CopyUpObserver)? { get set }

  /// No call waits for this copy-up any more. If it has not been committed, its file goes from the work directory.
  func cancel(_ copyUp: BackgroundCopyUp)
}

/// Who keeps guests coherent over copy-up. Every call comes under the tree lock.
public protocol CopyUpObserver: AnyObject {
  /// The content of `file` lies in `upper` from now on, and no more in `lower`: once for each such point, behind the commit of
  /// the copy-up. Must not fail.
  func contentCopiedUp(of file: Inode, from lower: Inode, to upper: Inode)

  /// The call that is being served needs the content of `copyUp`: true if the content is going to be copied in the background,
  /// and the call made again when it has been. The operation then fails, before anything was changed: with EAGAIN, but whatever
  /// error arrives at the dispatch, the call is interrupted.
  func mayWait(for copyUp: BackgroundCopyUp) -> Bool
}
