// A sentry in miniature for the platform's own tests: it answers from the host's file system, without any isolation, and
// has a loader that knows static and dynamic programs. It counts what is reported to it.

import CLinux
import Gate
import Kernel
import LinuxABI
import Synchronization
import Testing

/// The handler of one run.
final class HostHandler: SystemCallHandler {
  struct State {
    var images: [ThreadID: Image] = [:]
    var loading: [ThreadID: Loading] = [:]
    var living: Set<ThreadID> = []
    var sleepers: Set<ThreadID> = []
    var waitedBefore: Set<ThreadID> = []
    var completed: [Int] = []
    var workedAtOnce = 0
  }

  /// A program that is to be executed.
  struct Image {
    var file: CInt
    var header: [UInt8]
    var interpreter: CInt?
    var interpreterHeader: [UInt8]
  }

  /// A table that the trampoline runs.
  struct Loading {
    var table: UInt64
    var count: Int
    var entry: UInt64
    var stackPointer: UInt64
    var zeroed: [Range<UInt64>]
  }

  let state = Mutex(State())
  let layout: TrampolineLayout
  let control: any GuestControl

  init(layout: TrampolineLayout, control: any GuestControl) {
    self.layout = layout
    self.control = control
  }

  func handle(_ call: SystemCall, from thread: ThreadID, by gate: GateKind) -> Outcome {
    do throws(Errno) { return try answer(call, thread) } catch { return .value(error.result) }
  }

  private func answer(_ call: SystemCall, _ thread: ThreadID) throws(Errno) -> Outcome {
    let a = call.arguments
    switch CInt(call.number) {
    case SYS_open: return try open(thread, a.0, flags: a.1, mode: a.2)
    case SYS_openat: return try open(thread, a.1, flags: a.2, mode: a.3)
    case SYS_execve: return try execute(thread, a.0)
    case SYS_newfstatat: return try status(thread, a.1, into: a.2, flags: a.3)
    case SYS_stat: return try status(thread, a.0, into: a.1, flags: 0)
    case SYS_lstat: return try status(thread, a.0, into: a.1, flags: 0x100)
    case SYS_access: return .value(try host(SYS_faccessat, thread, a.0, Int(a.1)))
    case SYS_faccessat: return .value(try host(SYS_faccessat, thread, a.1, Int(a.2)))
    case SYS_umask: return .value(0o22)
    case SYS_getcwd:
      try GuestMemory(thread: thread).store((UInt8(ascii: "/"), 0 as UInt8), at: a.0)
      return .value(2)
    case SYS_connect: return .observed
    case SYS_statx, SYS_faccessat2, SYS_readlink, SYS_readlinkat: throw .noFunction
    // A call of the trace gate that stands for 'work on every process'.
    case SYS_ustat: return .value(workOnAll())
    case SYS_mkdir: return .substitute(SystemCall(number: Int(SYS_getpid), arguments: a))
    default: return .native
    }
  }

  func completed(_ call: SystemCall, from thread: ThreadID, result: Int) {
    state.withLock { $0.completed.append(result) }
  }

  func created(_ child: ThreadID, leader: ThreadID, by parent: ThreadID, sharing: Sharing) {
    state.withLock { _ = $0.living.insert(child) }
  }

  func exited(_ thread: ThreadID, status: Gate.ExitStatus) {
    state.withLock { _ = $0.living.remove(thread) }
  }

  func execFailed(_ thread: ThreadID, errno: Errno) {
    state.withLock { _ = $0.images.removeValue(forKey: thread) }
  }

  // MARK: - Calls

  private func path(_ thread: ThreadID, _ address: UInt64) throws(Errno) -> String {
    var buffer = [UInt8](repeating: 0, count: 4096)
    let memory = GuestMemory(thread: thread)
    let result: Result<Int, Errno> = buffer.withUnsafeMutableBytes { bytes in
      do throws(Errno) { return .success(try memory.readString(into: bytes, at: address)) } catch {
        return .failure(error)
      }
    }
    return String(decoding: buffer[..<(try result.get())], as: UTF8.self)
  }

  private func host(_ number: CInt, _ thread: ThreadID, _ address: UInt64, _ argument: Int) throws(Errno) -> Int {
    let name = try path(thread, address)
    return name.withCString {
      vd_syscall(Int(number), Int(AT_FDCWD), Int(bitPattern: $0), argument, 0, 0, 0)
    }
  }

  private func status(
    _ thread: ThreadID, _ name: UInt64, into buffer: UInt64, flags: UInt64
  ) throws(Errno) -> Outcome {
    let name = try path(thread, name)
    if name.isEmpty { return .native }
    var status = stat()
    let result = name.withCString { path in
      withUnsafeMutablePointer(to: &status) {
        vd_syscall(
          Int(SYS_newfstatat), Int(AT_FDCWD), Int(bitPattern: path), Int(bitPattern: $0), Int(flags), 0, 0)
      }
    }
    _ = try Errno.check(result)
    try GuestMemory(thread: thread).store(status, at: buffer)
    return .value(0)
  }

  private func open(_ thread: ThreadID, _ name: UInt64, flags: UInt64, mode: UInt64) throws(Errno) -> Outcome {
    if name == 1, let image = state.withLock({ $0.images.removeValue(forKey: thread) }) {
      return .install(
        program: OwnedDescriptor(image.file), number: 1000,
        interpreter: image.interpreter.map { OwnedDescriptor($0) }, interpreterNumber: 1001)
    }
    let name = try path(thread, name)
    switch name {
    case "/wait": return sleepOnce(thread)
    case "/wake":
      for sleeper in state.withLock({ $0.sleepers }) { control.wake(sleeper) }
      throw .noSuchFileOrDirectory
    case "/space": return .value(workOnAll())
    default:
      let file = OwnedDescriptor(CInt(try open(name, flags: Int(flags), mode: Int(mode))))
      return .descriptor(file, closeOnExec: flags & 0o2000000 != 0)
    }
  }

  private func open(_ name: String, flags: Int, mode: Int) throws(Errno) -> Int {
    let result = name.withCString {
      vd_syscall(Int(SYS_openat), Int(AT_FDCWD), Int(bitPattern: $0), flags | 0o2000000, mode, 0, 0)
    }
    return try Errno.check(result)
  }

  /// The first time the guest sleeps; when it comes again the answer is ENXIO.
  private func sleepOnce(_ thread: ThreadID) -> Outcome {
    state.withLock { state in
      if state.waitedBefore.insert(thread).inserted {
        state.sleepers.insert(thread)
        return .sleep(isSlow: true)
      }
      state.sleepers.remove(thread)
      return .value(-Int(ENXIO))
    }
  }

  /// Works on every guest process: at once where a call can be run, else before guest code runs again.
  private func workOnAll() -> Int {
    control.withStoppedGuests(WorkOnAll(handler: self, living: state.withLock { $0.living }.sorted()))
    return 7
  }

  private struct WorkOnAll: StoppedGuestsWork {
    let handler: HostHandler
    let living: [ThreadID]

    func run<Guests: StoppedGuests & ~Copyable>(on guests: inout Guests) {
      guests.stop(living)
      for thread in living {
        if guests.run(PageAndDescriptor(), inOneOf: [thread]) {
          handler.state.withLock { $0.workedAtOnce += 1 }
        } else {
          guests.later(PageAndDescriptor(), in: [thread])
        }
      }
    }
  }

  /// Maps a page at 256 MiB by a remote call, writes to it, and makes descriptor 9 the host's /etc/passwd.
  private struct PageAndDescriptor: ThreadWork {
    func run<Thread: StoppedThread & ~Copyable>(in guest: inout Thread) {
      let thread = guest.thread
      do {
        let page: UInt64 = 0x1000_0000
        _ = try guest.call(SystemCall(number: Int(SYS_mmap), arguments: (page, 4096, 3, 0x32, 0xffff_ffff, 0)))
        try GuestMemory(thread: thread).store(UInt32(0x6f6b_6f6b), at: page)
        let name: StaticString = "/etc/passwd"
        let file = OwnedDescriptor(
          CInt(
            try Errno.check(
              vd_syscall(Int(SYS_openat), Int(AT_FDCWD), Int(bitPattern: name.utf8Start), 0, 0, 0, 0))))
        try guest.replaceDescriptor(9, by: file.rawValue, closeOnExec: false)
      } catch {
        Issue.record("thread \(thread): \(error)")
      }
    }
  }

  // MARK: - exec

  private func execute(_ thread: ThreadID, _ name: UInt64) throws(Errno) -> Outcome {
    if let loading = state.withLock({ $0.loading.removeValue(forKey: thread) }) { return finish(loading, thread) }
    let file = CInt(try open(try path(thread, name), flags: 0, mode: 0))
    let header = Self.head(of: file)
    guard header.count > 64, header.starts(with: [0x7f, 0x45, 0x4c, 0x46]) else {
      close(file)
      throw .execFormatError
    }
    var image = Image(file: file, header: header, interpreter: nil, interpreterHeader: [])
    for segment in Self.segments(of: header) where segment.p_type == UInt32(PT_INTERP) {
      let bytes = header[Int(segment.p_offset)..<Int(segment.p_offset + segment.p_filesz) - 1]
      let interpreter = CInt(try open(String(decoding: bytes, as: UTF8.self), flags: 0, mode: 0))
      image.interpreter = interpreter
      image.interpreterHeader = Self.head(of: interpreter)
    }
    let made = image
    state.withLock { $0.images[thread] = made }
    return .exec(executableStack: false)
  }

  /// The trampoline has run the table: check it, clear the rest of the last pages, wipe the secrets.
  private func finish(_ loading: Loading, _ thread: ThreadID) -> Outcome {
    let memory = GuestMemory(thread: thread)
    do throws(Errno) {
      for index in 0..<loading.count {
        if try memory.load(Int64.self, at: loading.table + UInt64(72 * index + 56)) < 0 { throw .ioError }
      }
      for range in loading.zeroed { try clear(range, memory) }
      try clear(loading.table..<loading.table + UInt64(72 * (loading.count + 1)), memory)
    } catch {
      return .kill(signal: SIGSEGV)
    }
    return .start(
      ImageStart(entry: loading.entry, stackPointer: loading.stackPointer, trampoline: TrampolineLayout.range))
  }

  private func clear(_ range: Range<UInt64>, _ memory: GuestMemory) throws(Errno) {
    let zeros = [UInt8](repeating: 0, count: Int(range.upperBound - range.lowerBound))
    try Self.write(zeros, at: range.lowerBound, memory)
  }

  private static func write<T: BitwiseCopyable>(_ values: [T], at address: UInt64, _ memory: GuestMemory) throws(Errno)
  {
    let result: Result<Void, Errno> = values.withUnsafeBytes { bytes in
      do throws(Errno) { return .success(try memory.write(bytes, at: address)) } catch { return .failure(error) }
    }
    try result.get()
  }

  private static func head(of file: CInt) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: 4096)
    let count = bytes.withUnsafeMutableBytes {
      vd_syscall(Int(SYS_pread64), Int(file), Int(bitPattern: $0.baseAddress), 4096, 0, 0, 0)
    }
    return Array(bytes.prefix(max(count, 0)))
  }

  private static func header(_ bytes: [UInt8]) -> Elf64_Ehdr {
    bytes.withUnsafeBytes { $0.loadUnaligned(as: Elf64_Ehdr.self) }
  }

  private static func segments(of bytes: [UInt8]) -> [Elf64_Phdr] {
    let header = header(bytes)
    return (0..<Int(header.e_phnum)).map { index in
      bytes.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: Int(header.e_phoff) + 56 * index, as: Elf64_Phdr.self)
      }
    }
  }

  private func map(
    _ image: [UInt8], from file: UInt64, at base: UInt64, into calls: inout [TrampolineCall],
    zeroing: inout [Range<UInt64>]
  ) {
    for segment in Self.segments(of: image) where segment.p_type == UInt32(PT_LOAD) {
      let start = base + segment.p_vaddr
      let fileEnd = start + segment.p_filesz
      let end = (start + segment.p_memsz + 4095) & ~4095
      let pageEnd = (fileEnd + 4095) & ~4095
      let flags = UInt64(segment.p_flags)
      let protection = flags >> 2 & 1 | flags & 2 | (flags & 1) << 2
      calls.append(
        TrampolineCall(
          number: Int(SYS_mmap), start & ~4095, fileEnd - (start & ~4095), protection, 0x12 | layout.flagsSecret,
          file | layout.descriptorSecret, segment.p_offset & ~4095))
      if segment.p_memsz > segment.p_filesz, pageEnd > fileEnd { zeroing.append(fileEnd..<pageEnd) }
      if end > pageEnd {
        calls.append(TrampolineCall(number: Int(SYS_mmap), pageEnd, end - pageEnd, protection, 0x32, 0xffff_ffff, 0))
      }
    }
  }

  func imageReplaced(
    _ thread: ThreadID, former: ThreadID, stackPointer: UInt64
  ) throws(Errno) -> TrampolineStart {
    let memory = GuestMemory(thread: thread)
    let found = state.withLock { state in
      let image = state.images.removeValue(forKey: former)
      state.images[thread] = image
      if former != thread { state.living.remove(former) }
      return image
    }
    guard let image = found else { throw .ioError }
    let header = Self.header(image.header)
    let base: UInt64 = header.e_type == UInt16(ET_DYN) ? 0x5555_5555_0000 : 0
    let interpreterBase: UInt64 = 0x6e00_0000_0000
    var calls = [TrampolineCall(number: Int(SYS_openat), 0, 1)]
    var zeroed: [Range<UInt64>] = []
    map(image.header, from: 1000, at: base, into: &calls, zeroing: &zeroed)
    var entry = base + header.e_entry
    if image.interpreter != nil {
      map(image.interpreterHeader, from: 1001, at: interpreterBase, into: &calls, zeroing: &zeroed)
      entry = interpreterBase + Self.header(image.interpreterHeader).e_entry
      calls.append(TrampolineCall(number: Int(SYS_close), 1001))
    }
    calls.append(TrampolineCall(number: Int(SYS_close), 1000))
    calls.append(TrampolineCall(number: Int(SYS_execve)))

    let first = Self.segments(of: image.header).first { $0.p_type == UInt32(PT_LOAD) && $0.p_offset == 0 }
    let programHeaders = base + (first?.p_vaddr ?? 0) + header.e_phoff
    var position = stackPointer + 8 * (try memory.load(UInt64.self, at: stackPointer) + 2)
    while try memory.load(UInt64.self, at: position) != 0 { position += 8 }
    position += 8
    var key = try memory.load(UInt64.self, at: position)
    while key != 0 {
      switch key {
      case 3: try memory.store(programHeaders, at: position + 8)
      case 5: try memory.store(UInt64(header.e_phnum), at: position + 8)
      case 7: try memory.store(image.interpreter == nil ? 0 : interpreterBase, at: position + 8)
      case 9: try memory.store(base + header.e_entry, at: position + 8)
      default: break
      }
      position += 16
      key = try memory.load(UInt64.self, at: position)
    }
    let table = (stackPointer - 0x4000) & ~63
    try Self.write(calls, at: table, memory)
    let loading = Loading(
      table: table, count: calls.count - 1, entry: entry, stackPointer: stackPointer, zeroed: zeroed)
    state.withLock { $0.loading[thread] = loading }
    return TrampolineStart(table: table, stackPointer: stackPointer)
  }
}
