// `vedette fsck`: the check of a persistent upper directory, as people see it.

import HostFS
import LinuxABI
import OverlayFS
import VFS

/// What a check has found.
public struct LayerCheck: Sendable {
  /// A line for each problem.
  public private(set) var text: [UInt8] = []
  /// No problem is left.
  public private(set) var isClean = true
  /// A line for people on what could not be looked at; nil if all was.
  public private(set) var note: String?
  public private(set) var summary = ""
  /// The same as an object of JSON.
  public private(set) var json: [UInt8] = []

  /// - Throws: `ReportedError` for a directory that is no upper, is in use or cannot be read.
  public init(_ upper: UpperDirectory, repair: Bool) throws(ReportedError) {
    var problems: [OverlayCheck.Problem] = []
    let layers: UpperLayers
    do throws(ReportedError) {
      layers = try upper.layers()
    } catch {
      // A damaged record is a finding, not a failure.
      var other = upper
      other.rootfs = "/"
      layers = try other.layers()
      problems.append(OverlayCheck.Problem(path: Array("work/layers".utf8), message: "does not parse"))
    }
    let store = try upper.store(inside: layers, forCheck: true)
    var lowers: [Filesystem]?
    do throws(ReportedError) {
      lowers = try upper.lowerFilesystems(layers)
    } catch {
      note = "\(error.message): redirects are not followed"
    }
    let files: Int
    do throws(Errno) {
      let check = try OverlayCheck(
        store: store, lowers: lowers, repair: repair, isRecord: { HostFilesystem.isRecord($0, of: $1) })
      problems += check.problems
      files = check.files
    } catch {
      if error == .resourceBusy { throw ReportedError("'\(upper.path)': a run is using it (wait for it to end)") }
      throw ReportedError("'\(upper.path)': \(error)")
    }
    for problem in problems {
      PathText.append(problem.path, to: &text)
      text += Array(": \(problem.message)\(problem.isRepaired ? ": repaired" : "")\n".utf8)
    }
    isClean = problems.allSatisfy(\.isRepaired)
    json = Self.json(problems, isClean: isClean, files: files, note: note)
    summary =
      problems.isEmpty
      ? "clean, \(files) files" : "\(problems.count) problem\(problems.count == 1 ? "" : "s"), \(files) files"
  }

  private static func json(_ problems: [OverlayCheck.Problem], isClean: Bool, files: Int, note: String?) -> [UInt8] {
    var result = JSONLine()
    result.append(isClean ? "{\"clean\":true,\"files\":" : "{\"clean\":false,\"files\":")
    result.append(files)
    result.append(",\"problems\":[")
    for (index, problem) in problems.enumerated() {
      result.append(index == 0 ? "\n{\"path\":" : ",\n{\"path\":")
      result.append(bytes: problem.path)
      result.append(",\"problem\":")
      result.append(bytes: Array(problem.message.utf8))
      result.append(problem.isRepaired ? ",\"repaired\":true}" : ",\"repaired\":false}")
    }
    result.append(problems.isEmpty ? "]" : "\n]")
    if let note {
      result.append(",\"note\":")
      result.append(bytes: Array(note.utf8))
    }
    result.append("}\n")
    return result.text
  }
}
