// An archive from anybody: headers of all kinds, their content, sparse maps. Checksums are put right, so that inputs get
// behind them.

import CLinux
import Kernel
import LinuxABI

@testable import Layers

nonisolated(unsafe) private let file = MemoryFile()

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  var input = Input(start, count)
  let choice = input.byte()
  var bytes = input.remainder()
  if choice & 1 == 0 { correctChecksums(&bytes) }
  file.fill(bytes)
  guard let source = try? Host.duplicate(file.descriptor.rawValue) else { return 0 }
  var reader = TarReader(source)
  var members = 0
  do {
    while members < 1000, let entry = try reader.next() {
      members += 1
      if choice & 2 == 0 { while try !reader.read(4096).isEmpty {} }
      // What can be read can be written, and is the same when read again.
      if entry.pieces == nil, choice & 4 == 0 {
        let output = MemoryFile()
        var writer = TarWriter(to: output.descriptor.rawValue)
        try writer.begin(entry)
      }
    }
    try reader.drain()
  } catch {}
  _ = PaxRecords.parse(bytes)
  _ = PaxRecords.time(bytes).map(PaxRecords.time)
  _ = PaxRecords.attribute(ofKeyword: bytes)
  _ = TarField.number(bytes[...])
  return 0
}

private func correctChecksums(_ bytes: inout [UInt8]) {
  var offset = 0
  while offset + TarField.blockSize <= bytes.count {
    defer { offset += TarField.blockSize }
    let block = [UInt8](bytes[offset..<(offset + TarField.blockSize)])
    guard block[TarField.magic].starts(with: "ustar".utf8), let sum = TarField.octal(TarField.sum(block), 8) else {
      continue
    }
    for (index, digit) in zip(TarField.checksum, sum) { bytes[offset + index] = digit }
  }
}
