// The kernel's text files, as they are read from /proc: whatever the text is, the readers give a value or nothing.

import CLinux
import LinuxABI

@testable import Platform

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  let bytes = UnsafeRawBufferPointer(start: start, count: count)
  _ = SchedulerText(KernelText(bytes))
  _ = TimedSleep(KernelText(bytes))
  _ = LastProcessor.parse(KernelText(bytes))
  var text = KernelText(bytes)
  while let byte = text.next() {
    if byte == 0x20 { _ = text.number() }
    if byte == 0x78 { _ = text.number(radix: 16) }
    text.takeBlanks()
  }
  _ = text.number(after: "\nPPid:\t")
  _ = text.number(after: "\nSigIgn:\t", radix: 16)
  return 0
}
