// The table of system calls that the trampoline runs to become the program, and what each must have returned.

import Gate
import LinuxABI

/// The calls in order, with the expected results kept on our side: the table itself lies in guest memory.
struct TrampolineTable {
  /// What a call must have returned for the image to be started.
  enum Expectation: Equatable {
    case exactly(Int64)
    /// The program can do without it.
    case anything
  }

  private(set) var calls: [TrampolineCall] = []
  private(set) var expectations: [Expectation] = []
  private let layout: TrampolineLayout?

  /// - Parameter layout: nil for mappings without the secrets: the filter sends them to the tracer then.
  init(layout: TrampolineLayout?) { self.layout = layout }

  /// Where the secrets are carried: the half of an int argument that the kernel does not look at.
  private static let upperHalf: UInt64 = 0xffff_ffff_0000_0000

  static let stride = MemoryLayout<TrampolineCall>.stride

  /// Bytes in guest memory.
  var size: Int { calls.count * Self.stride }

  mutating func add(_ call: TrampolineCall, expecting expectation: Expectation) {
    calls.append(call)
    expectations.append(expectation)
  }

  /// The call that the notify gate answers with the descriptors of the image; its value is the number of the `last` one.
  /// `path` is any string of the guest.
  mutating func addOpen(path: UInt64, last: CInt) {
    let currentDirectory = UInt64(bitPattern: Int64(AtFlags.currentDirectory))
    add(
      TrampolineCall(
        number: SystemCallNumber.openat.index, currentDirectory, path, UInt64(OpenFlags.closeOnExec.rawValue)),
      expecting: .exactly(Int64(last)))
  }

  /// The mappings of one image, whose file is `descriptor` by then.
  ///
  /// The first is refused by the kernel rather than put over something else; the others may share a page with those
  /// before them, as in `load_elf_binary`. The caller has made sure that the image hits nothing but itself.
  mutating func add(_ image: ImageLayout, from descriptor: CInt) {
    for (index, mapping) in image.mappings.enumerated() {
      var flags: MapFlags = [.isPrivate, index == 0 ? .fixedNoReplace : .fixed]
      if mapping.offset == nil { flags.insert(.anonymous) }
      let file = mapping.offset == nil ? UInt64(UInt32.max) : UInt64(UInt32(bitPattern: descriptor))
      add(
        TrampolineCall(
          number: SystemCallNumber.mmap.index, mapping.address, mapping.length, mapping.protection.rawValue,
          flags.rawValue | ((layout?.flagsSecret ?? 0) & Self.upperHalf),
          file | ((layout?.descriptorSecret ?? 0) & Self.upperHalf),
          mapping.offset ?? 0),
        expecting: .exactly(Int64(bitPattern: mapping.address)))
    }
  }

  mutating func addClose(_ descriptor: CInt) {
    add(
      TrampolineCall(number: SystemCallNumber.close.index, UInt64(UInt32(bitPattern: descriptor))),
      expecting: .exactly(0))
  }

  /// prctl(PR_SET_NAME): `address` holds a string of at most 16 bytes.
  mutating func addName(at address: UInt64) {
    add(
      TrampolineCall(number: SystemCallNumber.prctl.index, ProcessOption.setName.register, address),
      expecting: .anything)
  }

  /// prctl(PR_SET_MM, PR_SET_MM_MAP): `address` holds a `MemoryBounds`. Refused on kernels without
  /// CONFIG_CHECKPOINT_RESTORE: the heap then starts behind the trampoline, and /proc/PID/cmdline is the trampoline's.
  mutating func addBounds(at address: UInt64) {
    add(
      TrampolineCall(
        number: SystemCallNumber.prctl.index, ProcessOption.setMemory.register, ProcessOption.memoryMap, address,
        UInt64(MemoryLayout<MemoryBounds>.size)),
      expecting: .anything)
  }

  /// The end of the table: the gate stops `execve`.
  mutating func addEnd() {
    add(TrampolineCall(number: SystemCallNumber.execve.index), expecting: .anything)
  }

  /// The call is one of the table's.
  func holds(_ call: SystemCall) -> Bool {
    calls.contains { $0.number == Int64(call.number) && $0.arguments == call.arguments }
  }

  var bytes: [UInt8] { calls.withUnsafeBytes { [UInt8]($0) } }

  /// Compares what lies in guest memory with what was put there.
  ///
  /// - Throws: the errno of the first call that failed, or `.badAddress` if the table was changed or a mapping lies
  ///   elsewhere than asked for.
  func check(_ table: [UInt8]) throws(Errno) {
    guard table.count == size else { throw .badAddress }
    for (index, call) in calls.enumerated() {
      let found = table.withUnsafeBytes {
        $0.loadUnaligned(fromByteOffset: index * Self.stride, as: TrampolineCall.self)
      }
      guard found.number == call.number, found.arguments == call.arguments, found.base == call.base else {
        throw .badAddress
      }
      guard case .exactly(let result) = expectations[index] else { continue }
      if found.result != result {
        _ = try Errno.check(Int(found.result))
        throw .badAddress
      }
    }
  }
}

/// `struct prctl_mm_map` (linux/prctl.h): the bounds in the mm that /proc and `brk(2)` go by.
///
/// The kernel wants every address between mmap_min_addr and TASK_SIZE, start_code below end_code, the other pairs in
/// order, and heap plus data within RLIMIT_DATA (`validate_prctl_map_addr`).
struct MemoryBounds: BitwiseCopyable, Sendable {
  var startCode: UInt64
  var endCode: UInt64
  var startData: UInt64
  var endData: UInt64
  var startHeap: UInt64
  var heap: UInt64
  var startStack: UInt64
  var argumentStart: UInt64
  var argumentEnd: UInt64
  var environmentStart: UInt64
  var environmentEnd: UInt64
  var auxiliaryVector: UInt64
  var auxiliaryVectorSize: UInt32
  /// -1: /proc/PID/exe stays; the sentry serves it.
  var executable: UInt32 = .max

  init(_ program: ImageLayout, heap: UInt64, stack: StackImage) {
    startCode = program.code.lowerBound
    endCode = program.code.upperBound
    startData = program.data.lowerBound
    endData = program.data.upperBound
    startHeap = heap
    self.heap = heap
    startStack = stack.address
    argumentStart = stack.arguments.lowerBound
    argumentEnd = stack.arguments.upperBound
    environmentStart = stack.environment.lowerBound
    environmentEnd = stack.environment.upperBound
    auxiliaryVector = stack.auxiliaryVector.lowerBound
    auxiliaryVectorSize = UInt32(truncatingIfNeeded: stack.auxiliaryVector.count)
  }
}
