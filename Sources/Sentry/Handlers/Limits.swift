// Resource limits that are not the kernel's to answer: RLIMIT_CORE is 1 in the kernel and 0 to guests, and no guest changes
// the limits of the sandbox's init.

import CLinux
import Gate
import LinuxABI

/// RLIMIT_CORE; the C library's is an enumeration of another type.
private let coreLimit: UInt32 = 4

let limitHandlers: [(CInt, Handler)] = [
  (
    SYS_prlimit64,
    { (state, task, call) throws(Errno) in
      let target = Int32(truncatingIfNeeded: call.arguments.0)
      // Process one of the pid namespace: root's, as natively.
      if state.hasPidNamespace, target == 1 { throw .notPermitted }
      guard UInt32(truncatingIfNeeded: call.arguments.1) == coreLimit else {
        return try state.nativeIfGuestOrSelf(call.arguments.0)
      }
      if target != 0, state.task(insideID: target) == nil { throw .noSuchProcess }
      return try state.coreLimit(task, new: call.arguments.2, old: call.arguments.3)
    }
  ),
  (
    SYS_getrlimit,
    { (state, task, call) throws(Errno) in
      if call.arguments.1 == 0 { throw .badAddress }
      return try state.coreLimit(task, new: 0, old: call.arguments.1)
    }
  ),
  (
    SYS_setrlimit,
    { (state, task, call) throws(Errno) in
      if call.arguments.1 == 0 { throw .badAddress }
      return try state.coreLimit(task, new: call.arguments.1, old: 0)
    }
  ),
]

extension SentryState {
  /// RLIMIT_CORE of any guest (`man 2 getrlimit`): none at all, soft and hard. The kernel's is 1, which keeps a core from a
  /// program that core_pattern names too (`man 5 core`), so a guest may not set it, not even to 0.
  fileprivate func coreLimit(_ task: Task, new: UInt64, old: UInt64) throws(Errno) -> Outcome {
    if new != 0 {
      let soft = try task.memory.load(UInt64.self, at: new)
      let hard = try task.memory.load(UInt64.self, at: new &+ 8)
      if soft > hard { throw .invalidArgument }
      if hard > 0 { throw .notPermitted }
    }
    if old != 0 {
      try task.memory.store(0 as UInt64, at: old)
      try task.memory.store(0 as UInt64, at: old &+ 8)
    }
    return .value(0)
  }
}
