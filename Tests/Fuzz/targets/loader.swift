// The loader over a hostile file: ELF headers, where an image would go, the name of its interpreter, a script's first line;
// and over a hostile stack block.

import CLinux
import Gate
import LinuxABI

@testable import Sentry

nonisolated(unsafe) private let file = MemoryFile()

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = Input(start, count)
  let bias = input.number()
  let choice = input.byte()
  let content = input.remainder()
  if choice & 3 == 3 {
    block(content, choice)
    return 0
  }
  if let script = try? Script(start: content) {
    _ = script.argumentHead(path: [0x2f], inner: choice & 4 == 0 ? nil : [[0x61]])
  }
  file.fill(content)
  let descriptor = file.descriptor.rawValue
  if let program = try? ELFFile(program: descriptor, start: [UInt8](content.prefix(256))) {
    use(program, descriptor, bias)
  }
  if let interpreter = try? ELFFile(interpreter: descriptor) { use(interpreter, descriptor, bias) }
  return 0
}

private func use(_ file: ELFFile, _ descriptor: CInt, _ bias: UInt64) {
  _ = try? file.interpreterPath(from: descriptor)
  _ = file.maximumAlignment
  let span = try? file.span()
  let biases: [UInt64] = [0, bias, bias & ~4095, 0x5555_5555_0000 &- (span?.lowerBound ?? 0)]
  for bias in biases {
    guard let layout = try? ImageLayout(of: file, bias: bias) else { continue }
    _ = layout.mappings.map(\.range)
    var table = TrampolineTable(layout: TrampolineLayout(flagsSecret: bias, descriptorSecret: ~bias))
    table.add(layout, from: 3)
    try? table.check(table.bytes)
  }
}

private func block(_ content: [UInt8], _ choice: UInt8) {
  content.withUnsafeBytes { bytes in
    guard let base = bytes.baseAddress else { return }
    let memory = GuestMemory(thread: getpid())
    guard let block = try? StackBlock(from: memory, at: UInt64(UInt(bitPattern: base))) else { return }
    _ = try? StackImage(
      correcting: block, head: choice & 4 == 0 ? nil : [[0x61, 0x62], [0x2f]], filename: [0x2f, 0x61], replacing: [],
      gap: UInt64(choice) * 16, memory: memory)
  }
}
