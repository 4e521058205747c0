// Copy-up: giving a lower file its own copy in the upper layer before its first change. A transaction: the copy is
// prepared in the work directory, and one rename makes it visible. What can fail comes before that; nothing is undone.

import Kernel
import LinuxABI
import VFS

/// How much of a file is needed in the upper.
enum CopyUpExtent {
  /// Attributes only. Where the upper is kept for another run the content comes along: it must be whole by itself.
  case metadata
  /// The content is about to be thrown away.
  case noContent
  case all
}

extension OverlayInode {
  /// The upper inode, made first if there is none.
  ///
  /// - Throws: `.readOnlyFileSystem` without an upper layer; `.noSpace` and other errnos of either layer, with nothing
  ///   changed; `.resourceTemporarilyUnavailable` (VFS/CopyUpObserver.swift).
  final func copiedUp(_ extent: CopyUpExtent = .all) throws(Errno) -> Inode {
    if let upper {
      if let file = self as? OverlayRegularFile, file.isMetadataOnly, extent != .metadata {
        try file.completeContent(extent)
      }
      return upper
    }
    // Parents first, from the top: a loop, because a tree can be deeper than a stack.
    var chain: [OverlayDirectory] = []
    var next = parent
    while let directory = next, directory.upper == nil {
      chain.append(directory)
      next = directory.parent
    }
    for directory in chain.reversed() { _ = try directory.copyUpAlone(.metadata) }
    return try copyUpAlone(extent)
  }

  /// Copy-up when the parent directory is in the upper already.
  fileprivate final func copyUpAlone(_ extent: CopyUpExtent) throws(Errno) -> Inode {
    guard let work = overlay.work, let marks = overlay.marks else { throw .readOnlyFileSystem }
    guard let lower else { throw .ioError }
    try overlay.budget.check(MemoryCost.keptInode)
    let from = try lower.attributes()
    let new = NewInode(
      try kind(of: lower, from), permissions: permissions, owner: owner, group: group)
    let isLinked = type != .directory && from.linkCount > 1
    var workFile: WorkFile?
    let needsContent = type == .regular && (extent == .all || (extent == .metadata && overlay.isPersistent))
    if needsContent, let file = self as? OverlayRegularFile {
      workFile = try file.contentCopiedInBackground(lower, from)
    }
    if let directory = self as? OverlayDirectory { directory.willChange() }

    return try Name.with(workFile?.name ?? overlay.temporaryName()) { prepared throws(Errno) in
      let copy = if let workFile { workFile.inode } else { try work.create(prepared, new) }
      do throws(Errno) {
        try copyAttributes(from: lower, to: copy, marks)
        var hasContent = false
        if type == .regular {
          if needsContent, workFile == nil { try DataCopy.copy(from: lower, to: copy, size: from.size) }
          hasContent = extent != .metadata || overlay.isPersistent
          // A content thrown away is a change of its own, and this is its only step.
          if extent != .noContent || from.size == 0 { try setTimes(of: copy, from) }
          // The mode again: writing may have cleared set-id bits.
          if !permissions.isDisjoint(with: [.setUserID, .setGroupID]) {
            var mode = AttributeChange()
            mode.permissions = permissions
            try copy.setAttributes(mode)
          }
        } else {
          try setTimes(of: copy, from)
        }
        try marks.setOrigin(number, of: copy)
        if let parent { try Name.with(name) { name throws(Errno) in try overlay.cover(lower, name, in: parent, from) } }
        if isLinked || links != nil, links != 0,
          try marks.enterIndex(self, copy, links: links ?? from.linkCount, overlay.temporaryName())
        {
          // Its names lead to the copy already: one that cannot be put beside it shows it all the same.
          do throws(Errno) { try renameIntoPlace(copy, prepared, in: work) } catch {
            _ = try? work.unlink(prepared, copy)
          }
        } else {
          try renameIntoPlace(copy, prepared, in: work)
        }
        // The commit point has passed.
        upper = copy
        if extent == .noContent { overlay.cancelCopyUp(of: number) }
        if isLinked && links == nil { links = from.linkCount }
        (self as? OverlayDirectory)?.learnSubdirectories()
        if links != 0, type != .directory || parent != nil { overlay.keep(self) }
        keepTimes(changeTime: from.changeTime, birthTime: from.birthTime)
        if let file = self as? OverlayRegularFile {
          file.isMetadataOnly = !hasContent
          if hasContent { overlay.copyUpObserver?.contentCopiedUp(of: file, from: lower, to: copy) }
        }
        return copy
      } catch {
        overlay.discard(prepared, copy, in: work)
        throw error
      }
    }
  }

  /// Renames the prepared copy to where the file is; a file without a name loses the copy's too.
  private func renameIntoPlace(_ copy: Inode, _ prepared: Name, in work: Inode) throws(Errno) {
    guard let parent, let directory = parent.upper else {
      if type == .directory { return try work.removeDirectory(prepared, copy) }
      overlay.marks?.forgetLastLink(copy)
      try work.unlink(prepared, copy)
      return
    }
    let before = try directory.attributes()
    let shown = try parent.attributes()
    try Name.with(name) { name throws(Errno) in
      try work.rename(prepared, copy, to: directory, name, replacing: nil, [])
    }
    // To the guest nothing has happened in that directory. If its times cannot be put back, so be it.
    _ = try? setTimes(of: directory, before)
    parent.keepTimes(changeTime: shown.changeTime, birthTime: shown.birthTime)
  }

  /// The upper inode's change time stands for `changeTime` until it moves on.
  private func keepTimes(changeTime: Timestamp, birthTime: Timestamp?) {
    guard let made = try? upper?.attributes().changeTime else { return }
    copied = CopiedTimes(upperChangeTime: made, changeTime: changeTime, birthTime: birthTime)
  }

  private func kind(of lower: Inode, _ from: Attributes) throws(Errno) -> NewInode.Kind {
    switch type {
    case .regular: .regular
    case .directory: .directory
    case .symlink: .symlink(target: try lower.readlink())
    case .fifo, .socket, .characterDevice, .blockDevice: .node(type, device: from.device)
    }
  }

  private func copyAttributes(from lower: Inode, to copy: Inode, _ marks: OverlayMarks) throws(Errno) {
    for name in try lower.extendedAttributeNames() where !OverlayMarks.isReserved(name) {
      try Name.with(name) { name throws(Errno) in
        let value = try lower.extendedAttribute(name)
        try marks.setGuestAttribute(name, of: copy, to: value, [])
      }
    }
  }

  fileprivate func setTimes(of copy: Inode, _ from: Attributes) throws(Errno) {
    var change = AttributeChange()
    change.accessTime = .set(from.accessTime)
    change.modificationTime = .set(from.modificationTime)
    try copy.setAttributes(change)
  }
}

extension OverlayRegularFile {
  /// Brings the content after the attributes. No guest has opened the upper inode yet, so it can be filled in place.
  fileprivate func completeContent(_ extent: CopyUpExtent) throws(Errno) {
    guard let upper, let lower else { return }
    let before = try upper.attributes()
    if extent == .all {
      let from = try lower.attributes()
      let prepared = try contentCopiedInBackground(lower, from)
      defer { if let prepared { overlay.discard(prepared) } }
      do throws(Errno) {
        if let prepared, upper.takeContent(of: prepared.inode) {
          CrashPoint.passed("content")
        } else {
          try DataCopy.copy(from: prepared?.inode ?? lower, to: upper, size: from.size)
        }
        var change = AttributeChange()
        change.permissions = before.permissions
        change.accessTime = .set(before.accessTime)
        change.modificationTime = .set(before.modificationTime)
        try upper.setAttributes(change)
      } catch {
        _ = try? upper.truncate(to: 0)
        _ = try? setTimes(of: upper, before)
        throw error
      }
      let shown = copied.map {
        !$0.isPast && $0.upperChangeTime == before.changeTime ? $0.changeTime : before.changeTime
      }
      copied = CopiedTimes(
        upperChangeTime: try upper.attributes().changeTime, changeTime: shown ?? before.changeTime,
        birthTime: from.birthTime)
    }
    overlay.cancelCopyUp(of: number)
    isMetadataOnly = false
    overlay.copyUpObserver?.contentCopiedUp(of: self, from: lower, to: upper)
  }
}
