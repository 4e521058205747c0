// Trace lines: valid JSON whatever the bytes are, reversible, never split, and never a reason to stop.

import CLinux
import Gate
import Glibc
import Kernel
import Layers
import LinuxABI
import Sentry
import Testing

@testable import Vedette

struct TraceWriterTests {
  /// The text that `body` makes a writer write.
  private func written(_ format: TraceFormat = .json, _ body: (TraceWriter) -> Void) throws -> String {
    var ends: [CInt] = [-1, -1]
    try #require(pipe(&ends) == 0)
    do {
      let writer = TraceWriter(OwnedDescriptor(ends[1]), format)
      body(writer)
    }
    defer { close(ends[0]) }
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 4096)
    while case let count = read(ends[0], &buffer, buffer.count), count > 0 {
      bytes.append(contentsOf: buffer[..<count])
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  @Test func lineHoldsAllParts() throws {
    let text = try written { writer in
      writer.record(
        time: Timestamp(seconds: 1_795_233_220, nanoseconds: 123_456_789), pid: 7, name: "openat",
        arguments: [
          ("directory", .descriptor(-100)), ("path", .bytes(Array("/etc/x".utf8))),
          ("flags", .flags(["O_RDONLY", "O_CLOEXEC"], rest: 0x40)), ("mode", .octal(0o644)),
        ], result: -2, duration: 31_999)
    }
    #expect(
      text == """
        {"time":1795233220.123456,"pid":7,"call":"openat","arguments":{"directory":"AT_FDCWD","path":"/etc/x",\
        "flags":"O_RDONLY|O_CLOEXEC|0x40","mode":"0644"},"result":-2,"error":"ENOENT","duration":0.000031}\n
        """)
  }

  @Test func textIsAsStraceHasIt() throws {
    let text = try written(.text) { writer in
      writer.record(
        time: Timestamp(seconds: 100, nanoseconds: 999_999_000), pid: 7, name: "openat",
        arguments: [
          ("dirfd", .descriptor(-100)), ("path", .bytes(Array("/etc/x".utf8))),
          ("flags", .flags(["O_RDONLY", "O_CLOEXEC"], rest: 0)), ("mode", .octal(0)), ("answer", .word("descriptor")),
        ], result: 3, duration: 31_999)
      writer.record(
        time: Timestamp(seconds: 101, nanoseconds: 123_000), pid: 12345, name: "openat",
        arguments: [
          ("dirfd", .descriptor(4)), ("path", .bytes([0x61, 0x22, 0x5c, 0x0a, 0x1b, 0x37, 0xff])),
          ("flags", .flags(["O_WRONLY", "O_CREAT"], rest: 0x8)), ("mode", .octal(0o644)),
        ], result: -13, duration: 1_500_000_000)
      writer.record(
        time: Timestamp(seconds: 99, nanoseconds: 0), pid: 1, name: "execve",
        arguments: [
          ("path", .unread(0)),
          ("argv", .strings([Array("a".utf8), [UInt8](repeating: 0x62, count: 200)], more: true)),
          ("envp", .variables(0x7ffe, count: 2)),
        ], result: nil)
      writer.record(
        time: Timestamp(seconds: 101, nanoseconds: 0), pid: 2, name: "mmap",
        arguments: [("addr", .hexadecimal(0)), ("x", .integer(-1)), ("y", .mode("S_IFREG", 0o600))], result: 0x7000,
        isAddress: true)
      writer.recordBeginning(
        time: Timestamp(seconds: 101, nanoseconds: 0), pid: 2, name: "flock", arguments: [("fd", .descriptor(3))])
      writer.recordEnd(time: Timestamp(seconds: 101, nanoseconds: 0), pid: 2, of: .exited(3))
      writer.recordEnd(time: Timestamp(seconds: 101, nanoseconds: 0), pid: 3, of: .signalled(9))
    }
    let long = String(repeating: "b", count: 128)
    let wanted = [
      "    7 0.000000 openat(AT_FDCWD, \"/etc/x\", O_RDONLY|O_CLOEXEC) = 3 <0.000031>",
      "12345 0.000124 openat(4, \"a\\\"\\\\\\n\\0337\\377\", O_WRONLY|O_CREAT|0x8, 0644) = -1 EACCES (Permission denied) <1.500000>",
      "    1 0.000000 execve(NULL, [\"a\", \"\(long)\"..., ...], 0x7ffe /* 2 variables */) = ? <0.000000>",
      "    2 0.000001 mmap(0, -1, S_IFREG|0600) = 0x7000 <0.000000>", "    2 0.000001 flock(3 <unfinished ...>",
      "    2 0.000001 +++ exited with 3 +++", "    3 0.000001 +++ killed by signal 9 +++",
    ]
    let seen = text.split(separator: "\n").map(String.init)
    #expect(seen.count == wanted.count)
    for (line, other) in zip(seen, wanted) { #expect(line == other) }
  }

  @Test func filtersChooseCalls() throws {
    func filter(_ expressions: ByteString...) throws -> TraceFilter {
      var filter = TraceFilter()
      for expression in expressions { try filter.add(expression) }
      return filter
    }
    let (openat, connect, mmap, read) = (257, 42, 9, 0)
    let file = try filter("trace=%file,connect")
    #expect(file.includes(openat) && file.includes(connect) && !file.includes(mmap) && !file.includes(read))
    let negated = try filter("!%file")
    #expect(!negated.includes(openat) && negated.includes(mmap) && negated.includes(read))
    #expect(try filter("trace=openat", "trace=mmap", "!openat").includes(mmap))
    #expect(try !filter("trace=openat", "trace=mmap", "!openat").includes(openat))
    #expect(try filter("trace=all").includes(500) && !filter("trace=none").includes(openat))
    let refused = try filter("refused", "%file")
    #expect(refused.includes(openat, result: -13) && refused.includes(openat, result: -30))
    for result in [0, 3, -2, -4096, Int.min] { #expect(!refused.includes(openat, result: result)) }
    #expect(!refused.includes(connect, result: -13) && !refused.includes(openat, result: nil))
    for text in ["trace=opnat", "trace=%files", "trace=", "trace=read", "openat,", "!"] as [ByteString] {
      #expect(throws: ConfigurationError.self, "\(text)") { _ = try filter(text) }
    }
  }

  @Test func setsNameCallsThatThereAre() {
    for set in CallClass.allCases {
      for name in set.names { #expect(SystemCallTable.number(named: name) != nil, "%\(set.rawValue): \(name)") }
      #expect(set.numbers.count > 8, "%\(set.rawValue)")
    }
    // What names a file is of its set.
    let file = CallClass.file.numbers
    for name in [
      "stat", "renameat2", "mkdir", "symlinkat", "getxattr", "chroot", "inotify_add_watch", "truncate", "creat",
    ] {
      #expect(SystemCallTable.number(named: name).map(file.contains) == true, "\(name)")
    }
    for name in ["sethostname", "fsetxattr", "read", "memfd_create"] {
      #expect(SystemCallTable.number(named: name).map(file.contains) == false, "\(name)")
    }
  }

  @Test func beginningHasNoResult() throws {
    let text = try written { writer in
      writer.recordBeginning(
        time: Timestamp(seconds: 1, nanoseconds: 0), pid: 7, name: "open", arguments: [("path", .unread(5))])
    }
    #expect(text == "{\"time\":1.000000,\"pid\":7,\"call\":\"open\",\"arguments\":{\"path\":null},\"begin\":true}\n")
  }

  @Test func slowCallIsShownOnceAndOnlyWhileItIsServed() {
    var calls = CallsInService()
    let call = SystemCall(number: 2, arguments: (0, 0, 0, 0, 0, 0))
    calls.begin(CallsInService.Entry(call: call, thread: 5, since: 1000, isShown: false), by: .trace)
    calls.begin(CallsInService.Entry(call: call, thread: 6, since: 1000, isShown: true), by: .notify)
    let shown = [999, 1000, 2000].map { calls.takeSlow(now: $0 + CallsInService.slow).map(\.thread) }
    #expect(shown == [[], [5], []])
    let ends = [calls.end(by: .trace), calls.end(by: .notify), calls.end(by: .trace)]
    #expect(ends == [true, true, false])
    calls.begin(CallsInService.Entry(call: call, thread: 5, since: 5000, isShown: false), by: .trace)
    let end = calls.end(by: .trace)
    let late = calls.takeSlow(now: .max)
    #expect(!end && late.isEmpty)
  }

  @Test func valuesOfEveryKind() throws {
    let text = try written { writer in
      writer.record(
        time: .epoch, pid: 1, name: "x",
        arguments: [
          ("a", .integer(.min)), ("b", .hexadecimal(.max)), ("c", .octal(0)), ("d", .descriptor(3)),
          ("e", .word("F_GETFL")), ("f", .flags([], rest: 0)), ("g", .flags([], rest: 1)), ("h", .unread(1)),
          ("i", .mode("S_IFREG", 0o644)), ("j", .strings([[0x61]], more: true)), ("k", .variables(16, count: 2)),
        ], result: 0)
    }
    #expect(
      text.contains(
        """
        {"a":-9223372036854775808,"b":"0xffffffffffffffff","c":"00","d":3,"e":"F_GETFL","f":"0","g":"0x1","h":null,"i":"S_IFREG|0644","j":["a",null],"k":"0x10"},\
        "result":0,"duration":0.000000}
        """))
    #expect(text.hasPrefix("{\"time\":0.000000,"))
  }

  @Test func bytesAreReversible() throws {
    let every = (0...255).map { UInt8($0) }
    let samples: [[UInt8]] = [
      every, Array("caf\u{e9} \u{1F600} \\ \" \n\t".utf8), [0xc3], [0xe2, 0x82], [0xed, 0xa0, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xc0, 0xaf], [0xf0, 0x8f, 0xbf, 0xbf], [0xc3, 0xa9, 0xff, 0xc3], [],
    ]
    for sample in samples {
      var line = JSONLine()
      line.append(bytes: sample)
      let text = try #require(String(validating: line.text, as: UTF8.self))
      #expect(unescape(decodeJSONString(text)) == sample)
    }
  }

  @Test func linesOfManyThreadsStayWhole() async throws {
    let path = "/tmp/vedette-trace-\(getpid())"
    defer { unlink(path) }
    let writer = try TraceWriter(path: ByteString(path))
    await withTaskGroup(of: Void.self) { group in
      for thread in 0..<8 {
        group.addTask {
          for index in 0..<500 {
            writer.record(
              time: Timestamp(seconds: Int64(index / 100), nanoseconds: 0), pid: pid_t(thread), name: "stat",
              arguments: [("path", .bytes(Array("/a/b/c".utf8)))], result: index)
          }
        }
      }
    }
    writer.flush()
    let descriptor = OwnedDescriptor(open(path, O_RDONLY))
    let lines = String(decoding: try contents(descriptor.rawValue), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 4000)
    #expect(lines.allSatisfy { $0.hasPrefix("{\"time\":") && $0.hasSuffix("}") })
  }

  @Test func fullDiskIsRememberedAndNothingMore() throws {
    let writer = try TraceWriter(path: "/dev/full")
    writer.record(time: .epoch, pid: 1, name: "stat", arguments: [], result: 0)
    writer.flush()
    #expect(writer.failure == .noSpace)
    writer.record(time: .epoch, pid: 1, name: "stat", arguments: [], result: 0)
    writer.flush()
  }

  @Test func unwritableFileThrows() {
    #expect(throws: Errno.noSuchFileOrDirectory) { _ = try TraceWriter(path: "/no/such/dir/file") }
  }

  @Test func errnoNames() {
    #expect(ErrnoNames.name(forResult: -133).map { "\($0)" } == "EHWPOISON")
    #expect(ErrnoNames.name(forResult: -95).map { "\($0)" } == "EOPNOTSUPP")
    #expect(ErrnoNames.name(forResult: -40).map { "\($0)" } == "ELOOP")
    for result in [0, 5, -41, -134, -512, Int.min] { #expect(ErrnoNames.name(forResult: result) == nil) }
  }

  private func contents(_ descriptor: CInt) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var buffer = [UInt8](repeating: 0, count: 65536)
    while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
      bytes.append(contentsOf: buffer[..<count])
    }
    return bytes
  }

  /// What a JSON parser makes of a string literal.
  private func decodeJSONString(_ literal: String) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = Array(literal.utf8).dropFirst().dropLast()
    while let byte = rest.popFirst() {
      guard byte == 0x5c, let escaped = rest.popFirst() else {
        bytes.append(byte)
        continue
      }
      switch escaped {
      case 0x6e: bytes.append(0x0a)
      case 0x74: bytes.append(0x09)
      case 0x75:
        bytes.append(UInt8(String(decoding: rest.prefix(4), as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(4)
      default: bytes.append(escaped)
      }
    }
    return bytes
  }

  /// Our own escapes inside the decoded string.
  private func unescape(_ string: [UInt8]) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = string[...]
    while let byte = rest.popFirst() {
      guard byte == 0x5c, let kind = rest.popFirst() else {
        bytes.append(byte)
        continue
      }
      if kind == 0x78 {
        bytes.append(UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16) ?? 0)
        rest = rest.dropFirst(2)
      } else {
        bytes.append(kind)
      }
    }
    return bytes
  }
}
