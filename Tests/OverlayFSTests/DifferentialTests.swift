import HostFS
import LinuxABI
import OverlayFS
import TestSupport
import Testing
import VFS

/// Random operations on an overlay and on a plain host directory with the same beginning: after each the two trees are
/// the same, and the overlay's listings agree with its inodes.
@Suite struct DifferentialTests {
  struct Random {
    var state: UInt64
    mutating func next(_ bound: Int) -> Int {
      state ^= state << 13
      state ^= state >> 7
      state ^= state << 17
      return Int(state % UInt64(bound))
    }
  }

  static let start = """
    mkdir -p a/b/c a/d b/a b/b c && echo 1 > a/b/f && echo 2 > a/f && ln a/f b/g && ln a/f c/h && echo 33 > b/a/f &&
    ln -s f a/s && mkfifo a/p && chmod 4755 b/a/f && echo 4 > c/f && ln c/f c/g && chmod 751 a/d && mkdir -p d/e/f/g && echo 5 > d/e/f/g/h
    """
  static let topStart = "mkdir -p a/b b/c d && echo 1 > a/b/f && echo 7 > b/c/f && echo 8 > d/f"
  static let lowStart = """
    mkdir -p a/b/c a/d b/a b/b c && echo 0 > a/b/f && echo 2 > a/f && ln a/f b/g && ln a/f c/h && echo 33 > b/a/f &&
    ln -s f a/s && mkfifo a/p && chmod 4755 b/a/f && echo 4 > c/f && ln c/f c/g && chmod 751 a/d && mkdir -p d/e/f/g && echo 5 > d/e/f/g/h
    """

  /// Everything a guest can see of a tree; hard links are seen by equal letters.
  static func picture(_ client: Client, _ checkNumbers: Bool) throws -> [String] {
    var result: [String] = []
    var groups: [UInt64: Int] = [:]
    func walk(_ path: String) throws {
      let inode = try client.at(path)
      let facts = try inode.attributes()
      var line = "\(path) \(facts.type) \(String(facts.permissions.rawValue, radix: 8)) \(facts.linkCount)"
      switch facts.type {
      case .regular:
        line += " \(facts.size) '\(try Client.read(inode))'"
        if facts.linkCount > 1 {
          if groups[facts.number] == nil { groups[facts.number] = groups.count }
          line += " #\(groups[facts.number] ?? 0)"
        }
      case .symlink: line += " -> \(String(decoding: try inode.readlink(), as: UTF8.self))"
      default: break
      }
      result.append(line)
      guard facts.type == .directory else { return }
      let entries = try client.entries(path).sorted { $0.name < $1.name }
      for entry in entries {
        let child = path.isEmpty ? entry.name : "\(path)/\(entry.name)"
        if checkNumbers {
          let found = try client.stat(child)
          if found.number != entry.number { result.append("\(child): d_ino \(entry.number) st_ino \(found.number)") }
          if found.type != entry.type { result.append("\(child): d_type \(entry.type) but \(found.type)") }
        }
        try walk(child)
      }
    }
    try walk("")
    return result
  }

  /// One operation; what it answers is compared too. The rules that the VFS checks are checked here.
  static func operate(_ client: Client, _ random: inout Random) -> String {
    let names = ["a", "b", "c", "d", "f", "g", "h"]
    func path() -> String {
      (0...random.next(4)).map { _ in names[random.next(names.count)] }.joined(separator: "/")
    }
    let operation = random.next(13)
    let (one, two) = (path(), path())
    let number = random.next(1000)
    do throws(Errno) {
      switch operation {
      case 0, 1:
        if let found = try client.find(one), found.type != .regular { throw .isDirectory }
        try client.write(one, "\(number)")
        return "write \(one)"
      case 2:
        guard try client.at(one).type == .regular else { throw .isDirectory }
        try client.append(one, "\(number)")
        return "append \(one)"
      case 3:
        try client.mkdir(one)
        return "mkdir \(one)"
      case 4, 5:
        if try client.at(one).isDirectory { throw .isDirectory }
        try client.unlink(one)
        return "unlink \(one)"
      case 6:
        guard try client.at(one).isDirectory else { throw .notDirectory }
        try client.rmdir(one)
        return "rmdir \(one)"
      case 7, 8, 9:
        let flags: RenameFlags = operation == 9 ? .exchange : []
        let source = try client.at(one)
        let target = try client.find(two)
        if flags == .exchange && target == nil { throw .noSuchFileOrDirectory }
        if (two + "/").hasPrefix(one + "/") || (one + "/").hasPrefix(two + "/") {
          if one != two { throw .invalidArgument }
        }
        if let target {
          if target === source { return "rename \(one) \(two): same" }
          if flags.isEmpty && target.isDirectory != source.isDirectory { throw .isDirectory }
        }
        try client.rename(one, two, flags)
        return "rename \(one) \(two) \(flags.rawValue)"
      case 10:
        if try client.at(one).isDirectory { throw .notPermitted }
        if try client.find(two) != nil { throw .fileExists }
        try client.link(one, two)
        return "link \(one) \(two)"
      case 11:
        if try client.at(one).type == .symlink { throw .notSupportedOnSocket }
        try client.chmod(one, UInt16(0o600 + number % 0o200))
        return "chmod \(one)"
      default:
        guard try client.at(one).type == .regular else { throw .isDirectory }
        try client.at(one).truncate(to: Int64(number % 5))
        return "truncate \(one)"
      }
    } catch {
      return "\(operation) \(one) \(two): \(error)"
    }
  }

  static func run(_ kind: UpperKind, layers: Int, caching: Bool, seed: UInt64, steps: Int) throws {
    let stage =
      layers == 1
      ? try Stage(kind, caching: caching, start)
      : try Stage(kind, caching: caching, topStart, "mkdir -p b/b && echo 6 > b/b/x", lowStart)
    let plainTree = TemporaryTree(inMemory: true)
    // The plain tree begins as the layers show together.
    plainTree(layers == 1 ? start : "(\(lowStart)); mkdir -p b/b && echo 6 > b/b/x; \(topStart)")
    let plain = Client(try HostFilesystem.store(plainTree), caching: caching)
    let before = stage.manifest()
    var random = Random(state: seed &* 0x9e37_79b9_7f4a_7c15 | 1)
    var log: [String] = []
    #expect(try picture(stage.client, true) == picture(plain, false))
    for step in 0..<steps {
      var same = random
      let expected = operate(plain, &same)
      let got = operate(stage.client, &random)
      log.append("\(step): \(expected)")
      let (want, have) = (try picture(plain, false), try picture(stage.client, true))
      if expected != got || want != have {
        let different = have.filter { !want.contains($0) } + ["--- wanted"] + want.filter { !have.contains($0) }
        Issue.record(
          "seed \(seed) step \(step): \(expected) | \(got)\n\(different.joined(separator: "\n"))\n\(log.suffix(12))")
        return
      }
      if kind == .store && step % 40 == 39 {
        try stage.restart()
        let after = try picture(stage.client, true)
        if after != want {
          let different = after.filter { !want.contains($0) } + ["--- wanted"] + want.filter { !after.contains($0) }
          Issue.record("seed \(seed) restart after \(step)\n\(different.joined(separator: "\n"))\n\(log.suffix(50))")
          return
        }
      }
    }
    #expect(stage.manifest() == before)
  }

  @Test(arguments: UpperKind.allCases, [true, false]) func oneLower(_ kind: UpperKind, _ caching: Bool) throws {
    for seed in 1...3 { try Self.run(kind, layers: 1, caching: caching, seed: UInt64(seed), steps: 120) }
  }

  @Test(arguments: UpperKind.allCases, [true, false]) func threeLowers(_ kind: UpperKind, _ caching: Bool) throws {
    for seed in 11...13 { try Self.run(kind, layers: 3, caching: caching, seed: UInt64(seed), steps: 120) }
  }
}
