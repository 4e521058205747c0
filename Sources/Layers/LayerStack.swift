// The layers below an upper, put together: plain directories, and uppers that earlier runs have left, each of which lies over
// all that is named after it.

import HostFS
import LinuxABI
import OverlayFS
import VFS

/// Makes the lowers of an overlay.
package struct LayerStack {
  /// One layer, open.
  package struct Layer {
    package var filesystem: HostFilesystem
    /// How it is read, if it is an upper directory.
    package var saved: SavedLayer?

    package init(_ filesystem: HostFilesystem, _ saved: SavedLayer?) {
      self.filesystem = filesystem
      self.saved = saved
    }
  }

  /// The lowers that an overlay is to have, topmost first.
  ///
  /// - Parameter layers: topmost first.
  /// - Throws: one line for people, without the option that named the layer.
  package static func lowers(_ layers: [Layer], budget: MemoryBudget = .unlimited) throws(ReportedError)
    -> [Filesystem]
  {
    var below: [Filesystem] = []
    let most = OverlayFilesystem.mostLayers
    if layers.count > most {
      throw ReportedError("\(layers.count) layers are too many (\(most) can lie over one another)")
    }
    for layer in layers.reversed() {
      guard let saved = layer.saved else {
        below.insert(layer.filesystem, at: 0)
        continue
      }
      do throws(OverlayError) {
        // What was written over other lowers is laid over all of them as over one.
        if !saved.isInPlace, below.count > 1 {
          below = [try OverlayFilesystem(upper: nil, lowers: below, budget: budget)]
        }
        let upper = SavedUpper(store: layer.filesystem, format: saved.format, isInPlace: saved.isInPlace)
        below = [try OverlayFilesystem(upper: .saved(upper), lowers: below, budget: budget)]
      } catch {
        throw ReportedError("'\(saved.path)' \(describe(error))")
      }
    }
    return below
  }

  private static func describe(_ error: OverlayError) -> String {
    switch error {
    case .upperIsBusy: "is in use by another run (wait for it to end)"
    case .upperIsUnfinished:
      "was not closed cleanly (vedette run --upper with it once finishes what its last run began)"
    case .upper(Errno.needsCleaning): "is damaged (see what vedette fsck says of it)"
    case .upper(let errno): "cannot be read as a layer: \(errno)"
    default: "cannot be read as a layer"
    }
  }
}
