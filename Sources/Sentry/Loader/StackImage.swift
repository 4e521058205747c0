// The stack the program is to find: the kernel's block for the trampoline, corrected. It is built as the bytes from the
// new stack pointer up to the first string that stays where it is, and written over the kernel's block in one go.

import Gate
import LinuxABI

/// The corrected block with its strings, ready to be written at `address`.
///
/// Without a script all strings of the guest stay in place, and only the name for AT_EXECFN is added below them. With a
/// script the strings of the new head of argv are put directly in front of argv[1]'s, as the kernel does, so that
/// /proc/PID/cmdline, which shows a range of memory, is right; AT_RANDOM's and AT_PLATFORM's bytes move down with it.
struct StackImage: Sendable {
  /// The new stack pointer: 16-byte aligned, the address of argc.
  let address: UInt64
  /// From `address` on.
  let bytes: [UInt8]
  /// mm->arg_start …: the ranges of the strings.
  let arguments: Range<UInt64>
  let environment: Range<UInt64>
  /// The new auxiliary vector, AT_NULL included.
  let auxiliaryVector: Range<UInt64>
  /// Where AT_EXECFN points.
  let filename: UInt64

  /// Builds the image.
  ///
  /// - Parameters:
  ///   - block: the kernel's block, already read.
  ///   - head: what stands for argv[0], from a script; nil to keep argv.
  ///   - filename: the string for AT_EXECFN.
  ///   - replacing: the values of entries to change. Entries that the kernel did not give are not added.
  ///   - gap: bytes left unused between strings and pointers when there is a head, below 8192: `arch_align_stack`.
  /// - Throws: `.badAddress` if the block is not as the kernel makes it.
  init(
    correcting block: StackBlock, head: [[UInt8]]?, filename: [UInt8], replacing values: [StackBlock.AuxiliaryEntry],
    gap: UInt64, memory: GuestMemory
  ) throws(Errno) {
    // The kernel put them in this order, upwards, without holes: argv's strings, envp's, the trampoline's name.
    guard let oldFilename = block.value(of: .executedName), let firstArgument = block.arguments.first else {
      throw .badAddress
    }
    let environmentStart = block.environment.first ?? oldFilename
    let secondArgument = block.arguments.count > 1 ? block.arguments[1] : environmentStart
    guard block.start < block.end, block.end <= firstArgument, firstArgument <= secondArgument,
      secondArgument <= environmentStart, environmentStart <= oldFilename, oldFilename < ImageLayout.addressLimit,
      block.end - block.start <= UInt64(StackBlock.sizeLimit), secondArgument - block.end < 1 << 20
    else { throw .badAddress }

    var strings = StringArea(top: head == nil ? block.end : secondArgument)
    var pointers = block.arguments
    var argumentStart = firstArgument
    var values = values
    if let head {
      let addresses = strings.push(contentsOf: head)
      pointers = addresses + block.arguments.dropFirst()
      argumentStart = addresses.first ?? secondArgument
      // The kernel's own strings lie below argv's, where the image goes now.
      let moved = block.end..<firstArgument
      if let platform = block.value(of: .platform), moved.contains(platform) {
        values.append(.init(type: .platform, value: strings.push(try Self.string(at: platform, memory))))
      }
      if let random = block.value(of: .random), moved.contains(random) {
        values.append(.init(type: .random, value: strings.pushRaw(try Self.bytes(16, at: random, memory))))
      }
    }
    let name = strings.push(filename)
    values.append(.init(type: .executedName, value: name))

    var words: [UInt64] = [UInt64(pointers.count)]
    words.reserveCapacity(pointers.count + block.environment.count + 2 * block.auxiliary.count + 6)
    words += pointers
    words.append(0)
    words += block.environment
    words.append(0)
    let vectorIndex = words.count
    for entry in block.auxiliary {
      words.append(entry.type.rawValue)
      words.append(values.last { $0.type == entry.type }?.value ?? entry.value)
    }
    words += [0, 0]

    let space = try strings.bottom.subtracting(UInt64(words.count) * 8 + (head == nil ? 0 : gap), or: .badAddress)
    let address = space & ~15
    self.address = address
    self.filename = name
    self.arguments = argumentStart..<environmentStart
    self.environment = environmentStart..<oldFilename
    let vector = address + UInt64(vectorIndex) * 8
    self.auxiliaryVector = vector..<(address + UInt64(words.count) * 8)

    var bytes = words.withUnsafeBytes { [UInt8]($0) }
    bytes.append(contentsOf: repeatElement(0, count: Int(strings.bottom - address) - bytes.count))
    bytes.append(contentsOf: strings.bytes)
    self.bytes = bytes
  }

  private static func bytes(_ count: Int, at address: UInt64, _ memory: GuestMemory) throws(Errno) -> [UInt8] {
    try withUnsafeTemporaryAllocation(byteCount: count, alignment: 16) { buffer throws(Errno) in
      try memory.read(into: buffer, at: address)
      return [UInt8](buffer)
    }
  }

  /// A short string of the kernel's own: "x86_64".
  private static func string(at address: UInt64, _ memory: GuestMemory) throws(Errno) -> [UInt8] {
    try withUnsafeTemporaryAllocation(byteCount: 64, alignment: 16) { buffer throws(Errno) in
      let length = try memory.readString(into: buffer, at: address)
      return [UInt8](buffer[..<length])
    }
  }
}

/// Bytes stacked downwards from an address.
private struct StringArea {
  /// The address of the first byte of `bytes`.
  private(set) var bottom: UInt64
  private(set) var bytes: [UInt8] = []

  init(top: UInt64) { bottom = top }

  /// Puts `raw` below what is there and returns its address.
  mutating func pushRaw(_ raw: [UInt8]) -> UInt64 {
    bottom &-= UInt64(raw.count)
    bytes = raw + bytes
    return bottom
  }

  /// As `pushRaw`, with a NUL at the end.
  mutating func push(_ string: [UInt8]) -> UInt64 { pushRaw(string + [0]) }

  /// Puts several strings, in their order upwards, and returns their addresses.
  mutating func push(contentsOf strings: [[UInt8]]) -> [UInt64] {
    Array(strings.reversed().map { push($0) }.reversed())
  }
}
