// What the supervisor has to know of a process that has just become the trampoline: what is mapped, which descriptor
// numbers are free, and whether its addresses are to be random. The kernel has reported most of it in the block that it left
// on the stack, which no thread has written to yet; reading /proc/PID would cost ten times as much, once there and once more
// when the process ends.

import Coherence
import Gate
import Kernel
import LinuxABI

/// The facts of a thread stopped at PTRACE_EVENT_EXEC. No other thread can change them: there is none.
struct FreshProcess {
  let memory: GuestMemory
  /// What the kernel left at the stack pointer.
  let block: StackBlock
  /// Where nothing may be put: vvar, vdso, the trampoline, and the stack with what it may need at once.
  let taken: [Range<UInt64>]
  /// The lowest address of vvar and vdso, if they lie below the stack, where the kernel maps from the top down.
  let mapTop: UInt64?
  /// PF_RANDOMIZE.
  let randomizes: Bool

  /// The heap's start is random too.
  var randomizesHeap: Bool { randomizes && Self.randomizeVASpace > 1 }

  /// - Throws: `.noSuchProcess` if the guest is gone, `.badAddress` if there is no block as the kernel makes it.
  init(_ thread: ThreadID, stackPointer: UInt64) throws(Errno) {
    let memory = GuestMemory(thread: thread)
    try self.init(memory, try StackBlock(from: memory, at: stackPointer))
  }

  init(_ memory: GuestMemory, _ block: StackBlock) throws(Errno) {
    // The trampoline's name was pushed first, below one null pointer at the very end of the stack.
    guard let name = block.value(of: .executedName), name < ImageLayout.addressLimit, block.start <= name,
      block.start > Self.stackReach
    else { throw .badAddress }
    let stackTop = Page.start(name) + Page.size
    let stack = Page.start(block.start - Self.stackReach)..<stackTop
    var taken = [TrampolineLayout.range, stack]
    var mapTop: UInt64?
    if let vdso = block.value(of: .vdso) {
      let pages = try KernelPages.here.moved(to: vdso)
      taken.append(pages)
      if pages.lowerBound < stack.lowerBound { mapTop = pages.lowerBound }
    }
    self.init(
      memory: memory, block: block, taken: taken, mapTop: mapTop,
      randomizes: Self.randomizeVASpace > 0 && !Self.fixedStackTops.contains(stackTop))
  }

  init(memory: GuestMemory, block: StackBlock, taken: [Range<UInt64>], mapTop: UInt64?, randomizes: Bool) {
    self.memory = memory
    self.block = block
    self.taken = taken
    self.mapTop = mapTop
    self.randomizes = randomizes
  }

  /// How far below the stack pointer nothing is put: the kernel's own stack guard gap.
  private static let stackReach: UInt64 = 1 << 20

  /// STACK_TOP, where a stack ends that is not random (ADDR_NO_RANDOMIZE, `man 2 personality`); the lower ones are those
  /// of ADDR_LIMIT_32BIT and ADDR_LIMIT_3GB. One random stack in four million ends there too, and is taken for a fixed one.
  private static let fixedStackTops: [UInt64] = [ImageLayout.addressLimit, 0xffff_e000, 0xc000_0000]

  /// RLIMIT_STACK, soft.
  var stackLimit: UInt64 { limit(.stack) ?? 8 << 20 }

  /// Two descriptor numbers that are free.
  ///
  /// High numbers would make the kernel grow the descriptor table, so the ones just below 64 (the table every process
  /// has) are tried first, then those below 256 and 1024, then all from the limit down.
  ///
  /// - Throws: `.tooManyOpenFiles` if no two are free.
  func freeDescriptors() throws(Errno) -> (CInt, CInt) {
    let limit = Int64(clamping: limit(.descriptors) ?? 1024)
    var found: CInt?
    var ceiling = Int64(0)
    for top in [64, 256, 1024, limit] {
      let top = min(top, limit, Int64(CInt.max))
      if top <= ceiling { continue }
      for number in stride(from: top - 1, through: ceiling, by: -1) {
        let candidate = CInt(truncatingIfNeeded: number)
        if try isOpen(candidate) { continue }
        if let first = found { return (first, candidate) }
        found = candidate
      }
      ceiling = top
    }
    throw .tooManyOpenFiles
  }

  /// Whether `number` is a descriptor: kcmp(2) says so ten times cheaper than /proc/PID/fd, which answers where kcmp is not
  /// built in.
  private func isOpen(_ number: CInt) throws(Errno) -> Bool {
    do throws(Errno) {
      return try Host.isOpen(number, in: memory.thread)
    } catch {
      if error == .noSuchProcess { throw error }
    }
    do throws(Errno) {
      _ = try Host.stat("/proc/\(memory.thread)/fd/\(number)", in: AtFlags.currentDirectory)
      return true
    } catch {
      if error == .noSuchFileOrDirectory { return false }
      throw error
    }
  }

  /// Writes into the stack, which grows if it does not reach down to `address`.
  ///
  /// process_vm_writev does not grow a stack (Linux 6.5 and later), a debugger's write does. The word there is not in use
  /// yet: nothing of its page is.
  ///
  /// - Throws: `.badAddress` or `.ioError` if RLIMIT_STACK is in the way.
  func write(_ bytes: [UInt8], at address: UInt64) throws(Errno) {
    do throws(Errno) {
      return try memory.write(bytes, at: address)
    } catch {
      guard error == .badAddress else { throw error }
      try withUnsafeBytesOf([UInt8](repeating: 0, count: 8)) { word throws(Errno) in
        try memory.poke(word, at: address & ~7)
      }
    }
    try memory.write(bytes, at: address)
  }

  /// The soft limit; nil if the kernel does not say (`man 2 prlimit`: another user namespace).
  private func limit(_ resource: Resource) -> UInt64? { (try? Host.limit(resource, of: memory.thread))?.soft }

  /// /proc/sys/kernel/randomize_va_space, read once; 2 where it cannot be read.
  private static let randomizeVASpace: UInt64 = {
    guard let descriptor = try? Host.openTrusted("/proc/sys/kernel/randomize_va_space", []),
      let digit = try? Host.readAll(descriptor.rawValue).first
    else { return 2 }
    return UInt64(digit &- 0x30)
  }()
}

/// vvar and vdso, which the kernel maps side by side, the same pages into every 64-bit process.
struct KernelPages {
  /// From the lowest address of any of them to the end of the highest.
  let range: Range<UInt64>
  let vdso: UInt64

  /// Those of a process whose vdso is at `address`.
  ///
  /// - Throws: `.badAddress` if they cannot be there.
  func moved(to address: UInt64) throws(Errno) -> Range<UInt64> {
    let low = try address.subtracting(vdso - range.lowerBound, or: .badAddress)
    let high = try address.adding(range.upperBound - vdso, or: .badAddress)
    if high > ImageLayout.addressLimit { throw .badAddress }
    return low..<high
  }

  /// Our own, read once: `[vvar]`, `[vvar_vclock]`, `[vdso]`, the only names in /proc/PID/maps with this start. Where they
  /// cannot be read, more room than any kernel takes.
  static let here: KernelPages = {
    var own: Range<UInt64>?
    if let text = try? Host.readFile("/proc/self/maps") {
      for line in text.split(separator: 0x0a) {
        guard let name = line.lastIndex(of: 0x5b), name + 1 < line.endIndex, line[name + 1] == 0x76,
          let range = KernelMapping.range(line: line), range.upperBound <= ImageLayout.addressLimit
        else { continue }
        own = min(own?.lowerBound ?? .max, range.lowerBound)..<max(own?.upperBound ?? 0, range.upperBound)
      }
    }
    if let own, let vdso = Host.vdso, own.contains(vdso.lowerBound) {
      return KernelPages(range: own, vdso: vdso.lowerBound)
    }
    return KernelPages(range: 0..<0x20000, vdso: 0x10000)
  }()
}
