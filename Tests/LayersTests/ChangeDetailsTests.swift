// Patterns, hashes and patches of `vedette diff`, each by itself.

import Testing

@testable import Layers

@Suite struct ChangeDetailsTests {
  private func covers(_ pattern: String, _ path: String) -> Bool {
    PathPatterns.covers(Array(pattern.utf8), Array(path.utf8))
  }

  @Test(arguments: [
    ("*.c", "src/a.c", true), ("*.c", "src/a.cc", false), ("src", "a/src/b", true), ("/src", "a/src/b", false),
    ("/src/", "src/b", true), ("/a/*/c", "a/b/c/d", true), ("/a/*/c", "a/b/b/c", false), ("/a/**/c", "a/b/b/c", true),
    ("/a/**/c", "a/c", true), ("/**", "a", true), ("a?c", "abc", true), ("a?c", "ac", false), ("[a-c]x", "bx", true),
    ("[!a-c]x", "bx", false), ("[]]x", "]x", true), ("[ab", "[ab", true), ("\\*", "*", true), ("\\*", "a", false),
    ("a*b*c", "axbxbc", true), ("a*b*c", "axbxb", false), ("/", "etc/x", false), ("/a/b", "a", false),
  ]) func aPatternCoversWhatItShould(_ pattern: String, _ path: String, _ isCovered: Bool) {
    #expect(covers(pattern, path) == isCovered, "\(pattern) of \(path)")
  }

  /// A star for each letter, and no match: backtracking would take years.
  @Test func aPatternOfManyStarsEnds() {
    let stars = String(repeating: "*a", count: 40)
    #expect(!covers(stars + "b", String(repeating: "a", count: 250)))
    #expect(!covers("/" + String(repeating: "**/a/", count: 40) + "b", String(repeating: "a/", count: 250) + "a"))
  }

  @Test func excludedWins() {
    let patterns = PathPatterns(include: [Array("*.c".utf8)], exclude: [Array("/old".utf8)])
    #expect(patterns.wants(Array("new/a.c".utf8)))
    #expect(!patterns.wants(Array("old/a.c".utf8)))
    #expect(!patterns.wants(Array("new/a.h".utf8)))
    #expect(PathPatterns().wants([]))
  }

  /// The vectors of FIPS 180-4, and lengths around a block's end against one byte at a time.
  @Test func hashesAreAsPublished() {
    func hash(_ bytes: [UInt8], by count: Int = .max) -> String {
      var hash = SHA256()
      var rest = bytes[...]
      while !rest.isEmpty {
        hash.add(Array(rest.prefix(count)))
        rest = rest.dropFirst(count)
      }
      var line = JSONLine()
      for byte in hash.finish() { line.append(byte, base: 16, width: 2) }
      return String(decoding: line.text, as: UTF8.self)
    }
    #expect(hash([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(hash(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      hash(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    for count in 50...130 {
      let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0) }
      #expect(hash(bytes) == hash(bytes, by: 1))
    }
  }

  private func patch(_ old: String?, _ new: String?, _ path: String = "f", mode: String = "100644") -> String {
    let bytes = Array(path.utf8)
    let patch = FilePatch(
      FilePatch.Side(path: bytes, content: old.map { Array($0.utf8) }, mode: "100644"),
      FilePatch.Side(path: bytes, content: new.map { Array($0.utf8) }, mode: mode))
    return String(decoding: patch.text, as: UTF8.self)
  }

  @Test func patchesAreAsGitWritesThem() {
    #expect(patch("a\n", "a\n") == "")
    #expect(patch("a\n", "a\n", mode: "100755") == "diff --git a/f b/f\nold mode 100644\nnew mode 100755\n")
    #expect(
      patch(nil, "x") == """
        diff --git a/f b/f
        new file mode 100644
        --- /dev/null
        +++ b/f
        @@ -0,0 +1 @@
        +x
        \\ No newline at end of file

        """)
    #expect(
      patch("1\n2\n3\n4\n5\n", "1\n2\n3\n4\n6\n", "a \n") == """
        diff --git "a/a \\n" "b/a \\n"
        --- "a/a \\n"\t
        +++ "b/a \\n"\t
        @@ -2,4 +2,4 @@
         2
         3
         4
        -5
        +6

        """)
  }
}
