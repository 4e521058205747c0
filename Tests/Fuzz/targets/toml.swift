// A configuration file with anything in it.

import CLinux
import LinuxABI

@testable import VedetteCLI

@_cdecl("LLVMFuzzerTestOneInput") public func fuzz(_ start: UnsafePointer<UInt8>, _ count: Int) -> CInt {
  guard let text = String(validating: UnsafeBufferPointer(start: start, count: count), as: UTF8.self) else { return 0 }
  do { _ = try ConfigurationFile(text: text, name: "fuzz") } catch { _ = "\(error)" }
  return 0
}
