// What the supervisor has to know of a process that has just become the trampoline: its mappings, its limits, which
// descriptor numbers are free, and whether its addresses are to be random. All of it asked of the host's kernel.

import CLinux
import Gate
import LinuxABI

/// The facts of a thread stopped at PTRACE_EVENT_EXEC. No other thread can change them: there is none.
struct FreshProcess {
  let thread: ThreadID
  /// What is mapped, in ascending order, the vsyscall page left out.
  let mappings: [Range<UInt64>]
  /// The mapping that holds the stack pointer.
  let stack: Range<UInt64>
  /// The lowest address of vvar and vdso, if they lie below the stack, where the kernel maps from the top down.
  let mapTop: UInt64?
  /// PF_RANDOMIZE, and randomize_va_space is 2 for `randomizesHeap`.
  let randomizes: Bool
  let randomizesHeap: Bool
  /// RLIMIT_STACK and RLIMIT_NOFILE, soft.
  let stackLimit: UInt64
  let fileLimit: UInt64

  private let proc: HostProc

  /// - Throws: `.noSuchProcess` or `.noSuchFileOrDirectory` if the guest is gone, `.badAddress` if `stackPointer` is not mapped.
  init(_ thread: ThreadID, stackPointer: UInt64, proc: HostProc) throws(Errno) {
    self.thread = thread
    self.proc = proc
    var mappings: [Range<UInt64>] = []
    var stack: Range<UInt64>?
    var kernelPages: UInt64?
    for line in try proc.read("maps", of: thread).split(separator: 0x0a) {
      guard let range = Self.range(line), range.upperBound <= ImageLayout.addressLimit else { continue }
      mappings.append(range)
      if range.contains(stackPointer) { stack = range }
      // "[vvar]", "[vvar_vclock]", "[vdso]": the only names with this start.
      if let name = line.lastIndex(of: 0x5b), line[name...].starts(with: Array("[v".utf8)) {
        kernelPages = min(kernelPages ?? .max, range.lowerBound)
      }
    }
    guard let stack else { throw .badAddress }
    self.mappings = mappings
    self.stack = stack
    mapTop = kernelPages.flatMap { $0 < stack.lowerBound ? $0 : nil }

    let personality = Self.hexadecimal(try proc.read("personality", of: thread)[...])
    // ADDR_NO_RANDOMIZE (`man 2 personality`).
    randomizes = Self.randomizeVASpace > 0 && personality & 0x0040000 == 0
    randomizesHeap = randomizes && Self.randomizeVASpace > 1
    stackLimit = Self.limit(3, of: thread) ?? 8 << 20
    fileLimit = Self.limit(7, of: thread) ?? 1024
  }

  /// Two descriptor numbers that are free.
  ///
  /// High numbers would make the kernel grow the descriptor table, so the ones just below 64 (the table every process
  /// has) are tried first, then those below 256 and 1024, then all from the limit down.
  ///
  /// - Throws: `.tooManyOpenFiles` if no two are free.
  func freeDescriptors() throws(Errno) -> (CInt, CInt) {
    var found: CInt?
    var ceiling = Int64(0)
    for top in [64, 256, 1024, Int64(clamping: fileLimit)] {
      let top = min(top, Int64(clamping: fileLimit), Int64(CInt.max))
      if top <= ceiling { continue }
      for number in stride(from: top - 1, through: ceiling, by: -1) {
        let candidate = CInt(truncatingIfNeeded: number)
        if try proc.isOpen(candidate, in: thread) { continue }
        if let first = found { return (first, candidate) }
        found = candidate
      }
      ceiling = top
    }
    throw .tooManyOpenFiles
  }

  /// Makes the stack reach down to `address`.
  ///
  /// process_vm_writev does not grow a stack (Linux 6.5 and later), a write through /proc/PID/mem does: it is the
  /// kernel's own way for ptrace (`__access_remote_vm`).
  ///
  /// - Throws: `.badAddress` or `.ioError` if RLIMIT_STACK is in the way.
  func growStack(to address: UInt64) throws(Errno) {
    if address >= stack.lowerBound { return }
    guard let position = Int64(exactly: address) else { throw .badAddress }
    try proc.write([0], toMemoryOf: thread, at: position)
  }

  // MARK: - Parsing

  /// `7ffcfe88f000-7ffcfe8b0000 rw-p …`
  private static func range(_ line: ArraySlice<UInt8>) -> Range<UInt64>? {
    guard let dash = line.firstIndex(of: 0x2d), let blank = line.firstIndex(of: 0x20), dash < blank else { return nil }
    let (low, high) = (hexadecimal(line[..<dash]), hexadecimal(line[(dash + 1)..<blank]))
    return low < high ? low..<high : nil
  }

  /// The number at the start of `digits`, lower case, without a prefix.
  private static func hexadecimal(_ digits: ArraySlice<UInt8>) -> UInt64 {
    var value: UInt64 = 0
    for byte in digits {
      switch byte {
      case 0x30...0x39: value = value << 4 | UInt64(byte - 0x30)
      case 0x61...0x66: value = value << 4 | UInt64(byte - 0x61 + 10)
      default: return value
      }
    }
    return value
  }

  /// The soft limit; nil if the kernel does not tell (`man 2 prlimit`: another user namespace).
  private static func limit(_ resource: Int, of thread: ThreadID) -> UInt64? {
    withUnsafeTemporaryAllocation(of: UInt64.self, capacity: 2) { pair in
      let result = vd_syscall(
        Int(SYS_prlimit64), Int(thread), resource, 0, Int(bitPattern: pair.baseAddress), 0, 0)
      return result == 0 ? pair[0] : nil
    }
  }

  /// /proc/sys/kernel/randomize_va_space, read once; 2 where it cannot be read.
  private static let randomizeVASpace: UInt64 = {
    guard let descriptor = try? Host.openTrusted("/proc/sys/kernel/randomize_va_space", []),
      let bytes = try? Host.readAll(descriptor.rawValue)
    else { return 2 }
    return hexadecimal(bytes[...])
  }()
}

/// The host's /proc, by a directory descriptor that outlives every plan, or by its path.
struct HostProc: Sendable {
  /// A descriptor of /proc that the supervisor keeps; AT_FDCWD for the path `/proc`.
  let directory: CInt

  init(directory: CInt = AtFlags.currentDirectory) { self.directory = directory }

  func read(_ file: StaticString, of thread: ThreadID) throws(Errno) -> [UInt8] {
    let descriptor = try open(thread, file.description, [])
    return try Host.readAll(descriptor.rawValue)
  }

  func write(_ bytes: [UInt8], toMemoryOf thread: ThreadID, at position: Int64) throws(Errno) {
    let descriptor = try open(thread, "mem", .readWrite)
    let outcome: Result<Void, Errno> = bytes.withUnsafeBytes { bytes in
      do throws(Errno) { return .success(try Host.write(bytes, to: descriptor.rawValue, at: position)) } catch {
        return .failure(error)
      }
    }
    try outcome.get()
  }

  /// Whether `number` is a descriptor of `thread`: whether it equals itself (`man 2 kcmp`), ten times cheaper than
  /// looking in /proc/PID/fd, which answers where kcmp is not built in.
  func isOpen(_ number: CInt, in thread: ThreadID) throws(Errno) -> Bool {
    let process = Int(thread)
    switch vd_syscall(Int(SYS_kcmp), process, process, 0 /* KCMP_FILE */, Int(number), Int(number), 0) {
    case 0: return true
    case -Int(EBADF): return false
    case -Int(ESRCH): throw .noSuchProcess
    default: break
    }
    do throws(Errno) {
      _ = try Host.stat(path(thread, "fd/\(number)"), in: directory)
      return true
    } catch {
      if error == .noSuchFileOrDirectory { return false }
      throw error
    }
  }

  private func open(_ thread: ThreadID, _ file: String, _ flags: OpenFlags) throws(Errno) -> OwnedDescriptor {
    try Host.openTrusted(path(thread, file), in: directory, flags)
  }

  private func path(_ thread: ThreadID, _ file: String) -> String {
    directory == AtFlags.currentDirectory ? "/proc/\(thread)/\(file)" : "\(thread)/\(file)"
  }
}
