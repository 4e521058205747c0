// A whole plan: prepared from real files, its table run by the test in its own process in place of the trampoline.

import CLinux
import Gate
import Kernel
import LinuxABI
import Testing
import VFS

@testable import Sentry

private final class EmptyFilesystem: Filesystem {
  private var made: Inode?
  override var root: Inode {
    if let made { return made }
    let inode = Inode(filesystem: self, type: .directory, number: 1, permissions: [], owner: 0, group: 0)
    made = inode
    return inode
  }
}

/// A position that is named like the file and leads nowhere.
private func position(_ path: [UInt8]) -> Position {
  VirtualFileSystem(root: EmptyFilesystem(typeName: "none"), source: []).detachedPosition(
    named: Array(path.split(separator: 0x2f).last ?? []))
}

/// Opens files of the host, and those given by content, as if they were the guest's.
private struct Files {
  var contents: [String: [UInt8]] = [:]

  func open(_ path: [UInt8]) throws(Errno) -> OpenedProgram {
    let name = String(decoding: path, as: UTF8.self)
    if let bytes = contents[name] {
      return OpenedProgram(descriptor: try temporaryFile(bytes), position: position(path))
    }
    return OpenedProgram(descriptor: try Host.openTrusted(name, []), position: position(path))
  }

  func prepare(_ path: String, isPathInaccessible: Bool = false) throws(Errno) -> ExecPlan {
    var request = ExecPlan.Request(filename: Array(path.utf8))
    request.isPathInaccessible = isPathInaccessible
    return try ExecPlan.prepare(
      try open(request.filename), request: request, credentials: TaskCredentials(user: 1000, group: 100),
      HeaderCache(), open: open)
  }
}

@Suite(.serialized) struct LoaderPlanTests {
  private let layout = TrampolineLayout(flagsSecret: 0x1234_5678_9abc_def0, descriptorSecret: 0x0fed_cba9_8765_4321)

  /// Runs the table as the trampoline would, but for what would change the test's own process for good.
  private func run(_ table: UInt64, _ plan: ExecPlan, _ memory: GuestMemory) throws {
    var address = table
    var numbers: [CInt] = []
    while true {
      var call = try memory.load(TrampolineCall.self, at: address)
      let (a, b, c, d, e, f) = call.arguments
      switch CInt(call.number) {
      case SYS_execve:
        #expect(numbers.allSatisfy { vd_syscall(Int(SYS_fcntl), Int($0), 1, 0, 0, 0, 0) == -Int(EBADF) })
        return
      case SYS_openat:
        guard case .install(let program, let number, let interpreter, let other) = plan.descriptors() else {
          Issue.record("no descriptors")
          return
        }
        try Host.call(.dup3, Int(program.rawValue), Int(number), 0)
        numbers.append(number)
        if let interpreter {
          try Host.call(.dup3, Int(interpreter.rawValue), Int(other), 0)
          numbers.append(other)
        }
        // The gate answers with the number of the last one.
        call.result = Int64(numbers.last ?? -1)
      case SYS_prctl:
        #expect(a == UInt64(PR_SET_NAME) || (a == UInt64(PR_SET_MM) && b == UInt64(PR_SET_MM_MAP) && d == 104))
        call.result = -Int64(EINVAL)
      case SYS_mmap:
        #expect(d >> 32 == 0x1234_5678 && e >> 32 == 0x0fed_cba9)
        fallthrough
      default:
        call.result = Int64(
          vd_syscall(
            Int(call.number), Int(bitPattern: UInt(a)), Int(bitPattern: UInt(b)), Int(bitPattern: UInt(c)),
            Int(bitPattern: UInt(d)), Int(bitPattern: UInt(e)), Int(bitPattern: UInt(f))))
      }
      try memory.store(call, at: address)
      address += UInt64(TrampolineTable.stride)
    }
  }

  /// The test's own process, as if it had just become the trampoline with `stack`.
  private func process(_ stack: FakeStack) throws -> FreshProcess {
    let lines = try Host.readFile("/proc/self/maps").split(separator: 0x0a)
    let taken = try lines.map { line in
      let ends = String(decoding: line.prefix { $0 != 0x20 }, as: UTF8.self).split(separator: "-")
      return try #require(UInt64(ends[0], radix: 16))..<(try #require(UInt64(ends[1], radix: 16)))
    }
    return FreshProcess(
      memory: stack.memory, block: try StackBlock(from: stack.memory, at: stack.stackPointer), taken: taken,
      mapTop: nil, randomizes: true)
  }

  private func unmap(_ block: StackBlock) throws {
    // All mappings of the test's own that lie where the plan put its images are the plan's.
    for name in [AuxiliaryType.programHeaders, .base] {
      guard let address = block.value(of: name), address != 0 else { continue }
      try Host.call(.munmap, Int(Page.start(address)), 0x10000)
    }
  }

  @Test(arguments: [["prog", "one"], ["prog"]]) func loadsADynamicProgram(_ arguments: [String]) throws {
    let stack = try FakeStack(arguments: arguments, environment: ["A=1"])
    let memory = stack.memory
    let plan = try Files().prepare("/bin/true")
    #expect(plan.name == Array("true".utf8))
    let start = try plan.begin(process(stack), layout: layout)
    try run(start.table, plan, memory)
    let image = try plan.finish(memory: memory)

    let block = try StackBlock(from: memory, at: image.stackPointer)
    #expect(try block.arguments.map { try string(at: $0) } == arguments)
    #expect(try string(at: try #require(block.value(of: .executedName))) == "/bin/true")
    #expect(block.value(of: .user) == 1000)
    #expect(block.value(of: .effectiveGroup) == 100)
    let base = try #require(block.value(of: .base))
    let headers = try #require(block.value(of: .programHeaders))
    #expect(try memory.load(UInt32.self, at: base) == 0x464c_457f)
    #expect(try memory.load(UInt32.self, at: Page.start(headers)) == 0x464c_457f)
    #expect(headers >= 0x5555_5555_4000 && headers < 0x5655_5555_4000)
    let entry = try #require(block.value(of: .entry))
    #expect(entry > headers && entry < headers + 0x100000)
    #expect(image.entry > base && image.entry < base + 0x100000)
    #expect(try text(in: start.table..<image.stackPointer).allSatisfy { $0 == "|" })
    try unmap(block)
  }

  @Test func loadsAStaticProgramWithItsZeroPages() throws {
    var builder = ELFBuilder(type: ET_EXEC)
    builder.headers = []
    let base: UInt64 = 0x1234_5000_0000
    builder.add(PT_LOAD, flags: PF_R | PF_X, address: base, size: 0x1000)
    builder.add(PT_LOAD, flags: PF_R | PF_W, offset: 0x1000, address: base + 0x2000, fileSize: 0x10, size: 0x3000)
    builder.header.e_entry = base + 0x100
    builder.tail = [UInt8](repeating: 0xee, count: 0x3000)
    let stack = try FakeStack(arguments: ["s"], environment: [])
    let memory = stack.memory
    let plan = try Files(contents: ["/dir/a-program-with-a-long-name": builder.bytes]).prepare(
      "/dir/a-program-with-a-long-name")
    #expect(plan.name == Array("a-program-with-".utf8))
    let start = try plan.begin(process(stack), layout: layout)
    try run(start.table, plan, memory)
    let image = try plan.finish(memory: memory)
    #expect(image.entry == base + 0x100)
    #expect(try memory.load(UInt64.self, at: base + 0x2008) == 0xeeee_eeee_eeee_eeee)
    for offset: UInt64 in [0x2010, 0x2ff8, 0x3000, 0x4ff8] {
      #expect(try memory.load(UInt64.self, at: base + offset) == 0)
    }
    let block = try StackBlock(from: memory, at: image.stackPointer)
    #expect(block.value(of: .base) == 0)
    #expect(block.value(of: .programHeaders) == base + 64)
    try Host.call(.munmap, Int(base), 0x6000)
  }

  @Test func loadsAScript() throws {
    let stack = try FakeStack(arguments: ["zero", "one"], environment: ["A=1"])
    let plan = try Files(contents: ["/s1": Array("#!/s2 x y\n".utf8), "/s2": Array("#! /bin/true\n".utf8)]).prepare(
      "/s1")
    #expect(plan.name == Array("s1".utf8))
    #expect(plan.executable.dentry.name == Array("true".utf8))
    let start = try plan.begin(process(stack), layout: layout)
    try run(start.table, plan, stack.memory)
    let image = try plan.finish(memory: stack.memory)
    let block = try StackBlock(from: stack.memory, at: image.stackPointer)
    #expect(try block.arguments.map { try string(at: $0) } == ["/bin/true", "/s2", "x y", "/s1", "one"])
    #expect(try string(at: try #require(block.value(of: .executedName))) == "/s1")
    try unmap(block)
  }

  /// What the block on the stack says is what /proc/PID/maps and /proc/PID/personality would.
  @Test func knowsWhatTheKernelHasMapped() throws {
    let words = try Host.readFile("/proc/self/auxv").withUnsafeBytes { [UInt64]($0.bindMemory(to: UInt64.self)) }
    let entries = stride(from: 0, to: words.count, by: 2).map {
      StackBlock.AuxiliaryEntry(type: AuxiliaryType(rawValue: words[$0]), value: words[$0 + 1])
    }
    let random = try #require(entries.first { $0.type == .random }).value
    let block = StackBlock(
      start: random - 8192, arguments: [], environment: [], auxiliary: entries, end: random)
    let process = try FreshProcess(GuestMemory(thread: getpid()), block)
    var lowest: UInt64?
    for line in String(decoding: try Host.readFile("/proc/self/maps"), as: UTF8.self).split(separator: "\n") {
      let ends = try line.prefix { $0 != " " }.split(separator: "-").map { try #require(UInt64($0, radix: 16)) }
      if line.hasSuffix("[stack]") {
        #expect(process.taken.contains { $0.contains(block.start) && $0.upperBound == ends[1] })
      } else if line.contains("[v"), !line.hasSuffix("[vsyscall]") {
        #expect(process.taken.contains { $0.contains(ends[0]) && $0.contains(ends[1] - 1) && $0.count < 1 << 20 })
        lowest = min(lowest ?? .max, ends[0])
      }
    }
    #expect(process.mapTop == lowest.flatMap { $0 < block.start ? $0 : nil })
    let personality = String(decoding: try Host.readFile("/proc/self/personality").dropLast(), as: UTF8.self)
    let isFixed = try #require(UInt64(personality, radix: 16)) & 0x0040000 != 0
    let setting = try Host.readFile("/proc/sys/kernel/randomize_va_space")
    #expect(process.randomizes == (!isFixed && setting.first != 0x30))
  }

  @Test func refusesAnImageOverTheStack() throws {
    let stack = try FakeStack(arguments: ["s"], environment: [])
    var builder = ELFBuilder(type: ET_EXEC)
    builder.headers = []
    builder.add(PT_LOAD, flags: PF_R, address: stack.range.lowerBound, size: 0x1000)
    builder.header.e_entry = stack.range.lowerBound
    let plan = try Files(contents: ["/s": builder.bytes]).prepare("/s")
    #expect(throws: Errno.fileExists) {
      try plan.begin(process(stack), layout: layout)
    }
  }

  @Test func refusesAChangedTable() throws {
    let stack = try FakeStack(arguments: ["s"], environment: [])
    let plan = try Files().prepare("/bin/true")
    let start = try plan.begin(process(stack), layout: layout)
    // Nothing has run: the mmaps have not returned what was asked for.
    #expect(throws: Errno.badAddress) { try plan.finish(memory: stack.memory) }
    #expect(start.table % 16 == 0)
    #expect(throws: Errno.invalidArgument) { try plan.finish(memory: stack.memory) }
  }

  @Test func readsHeadersOfAChangedFileAgain() throws {
    let headers = HeaderCache()
    let descriptor = try Host.openTrusted("/bin/true", [])
    var status = try Host.stat(descriptor.rawValue)
    let program = try ELFProgram(descriptor.rawValue, start: ELFFile.readStart(256, from: descriptor.rawValue))
    headers.keep(program, FileStamp(status))
    headers.keep(program.file, FileStamp(status))
    #expect(headers.program(FileStamp(status))?.interpreterPath == program.interpreterPath)
    #expect(headers.interpreter(FileStamp(status))?.entry == program.file.entry)
    #expect(headers.program(nil) == nil)
    status.changeTime = Timestamp(seconds: status.changeTime.seconds, nanoseconds: status.changeTime.nanoseconds ^ 1)
    #expect(headers.program(FileStamp(status)) == nil)
    #expect(headers.interpreter(FileStamp(status)) == nil)
  }

  @Test func errorsBeforeThePointOfNoReturn() throws {
    var files = Files()
    for depth in 0...6 { files.contents["/s\(depth)"] = Array("#!/s\(depth + 1)\n".utf8) }
    files.contents["/s6"] = Array("#!/bin/true\n".utf8)
    files.contents["/empty"] = []
    files.contents["/bang"] = Array("#!".utf8)
    files.contents["/lost"] = Array("#!/no/such/file\n".utf8)
    var builder = ELFBuilder()
    builder.add(PT_INTERP, offset: 176, size: 6)
    builder.tail = Array("/text\0".utf8)
    files.contents["/badlib"] = builder.bytes
    files.contents["/text"] = Array(repeating: 0x61, count: 100)
    builder.tail = Array("/none\0".utf8)
    files.contents["/nolib"] = builder.bytes

    #expect(throws: Never.self) { try files.prepare("/s2") }
    let table: [(String, Errno)] = [
      ("/s1", .tooManySymbolicLinkLevels), ("/empty", .execFormatError), ("/bang", .permissionDenied),
      ("/lost", .noSuchFileOrDirectory), ("/badlib", Errno(rawValue: ELIBBAD)), ("/nolib", .noSuchFileOrDirectory),
    ]
    for (path, errno) in table {
      #expect(throws: errno, "\(path)") { try files.prepare(path) }
    }
    #expect(throws: Errno.noSuchFileOrDirectory) { try files.prepare("/s2", isPathInaccessible: true) }
  }
}
