// The block that the kernel leaves at the stack pointer of a fresh process: argc, argv, envp and the auxiliary vector
// (`man 3 getauxval`, the psABI's process initialisation). At PTRACE_EVENT_EXEC it was made for the trampoline.

import Gate
import LinuxABI

/// The pointers and the auxiliary vector of a fresh stack, read once. The strings stay where they are.
struct StackBlock: Sendable {
  struct AuxiliaryEntry: Sendable, Equatable {
    var type: AuxiliaryType
    var value: UInt64
  }

  /// The address of argc.
  var start: UInt64
  var arguments: [UInt64]
  var environment: [UInt64]
  /// In the kernel's order, AT_NULL left out.
  var auxiliary: [AuxiliaryEntry]
  /// Behind AT_NULL.
  var end: UInt64

  /// The most that argc, argv, envp and the vector can take: the kernel counts the pointers against the 6 MiB it allows
  /// for all of argv and envp (`bprm_stack_limits`).
  static let sizeLimit = 6 << 20 + 4096

  init(
    start: UInt64, arguments: [UInt64], environment: [UInt64], auxiliary: [AuxiliaryEntry], end: UInt64
  ) {
    self.start = start
    self.arguments = arguments
    self.environment = environment
    self.auxiliary = auxiliary
    self.end = end
  }

  /// Reads the block at `start`.
  ///
  /// - Throws: `.badAddress` if what lies there is no such block, `.noSuchProcess` if the guest is gone.
  init(from memory: GuestMemory, at start: UInt64) throws(Errno) {
    var words: [UInt64] = []
    // Most blocks are far below 4 KiB; what is longer is read on in growing steps.
    var step = 4096
    while true {
      try Self.append(step, to: &words, from: memory, at: start)
      if let block = try Self.parse(words, at: start) {
        self = block
        return
      }
      guard words.count * 8 < Self.sizeLimit else { throw .badAddress }
      step = min(step * 4, 1 << 20)
    }
  }

  /// The value of the first entry of `type`.
  func value(of type: AuxiliaryType) -> UInt64? { auxiliary.first { $0.type == type }?.value }

  /// Reads up to `count` more bytes; fewer where the stack ends.
  private static func append(_ count: Int, to words: inout [UInt64], from memory: GuestMemory, at start: UInt64)
    throws(Errno)
  {
    let address = try start.adding(UInt64(words.count) * 8, or: .badAddress)
    let more = try withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { buffer throws(Errno) in
      let length = try memory.readPrefix(of: buffer, at: address)
      return [UInt64](unsafeUninitializedCapacity: length / 8) { array, initialized in
        UnsafeMutableRawBufferPointer(array).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: buffer[..<(length & ~7)]))
        initialized = length / 8
      }
    }
    if more.isEmpty { throw .badAddress }
    words.append(contentsOf: more)
  }

  /// The block in `words`; nil if it goes on behind them.
  private static func parse(_ words: [UInt64], at start: UInt64) throws(Errno) -> StackBlock? {
    guard let count = words.first.flatMap({ Int(exactly: $0) }), count < sizeLimit / 8 else { throw .badAddress }
    var index = 1 + count
    guard index < words.count else { return nil }
    let arguments = Array(words[1..<index])
    if words[index] != 0 { throw .badAddress }
    index += 1

    let environmentStart = index
    while index < words.count, words[index] != 0 { index += 1 }
    guard index < words.count else { return nil }
    let environment = Array(words[environmentStart..<index])
    index += 1

    var auxiliary: [AuxiliaryEntry] = []
    while index + 1 < words.count {
      let entry = AuxiliaryEntry(type: AuxiliaryType(rawValue: words[index]), value: words[index + 1])
      index += 2
      if entry.type == .end {
        return StackBlock(
          start: start, arguments: arguments, environment: environment, auxiliary: auxiliary,
          end: start &+ UInt64(index) * 8)
      }
      auxiliary.append(entry)
    }
    return nil
  }
}
