// placeholder

import CLinux
import Gate

extension Tracer {
  func serveRequests() {}
  func holdsStopped(_ tracee: Tracee, signal: CInt) -> Bool { false }
  func released(_ tracee: Tracee) {}
}
