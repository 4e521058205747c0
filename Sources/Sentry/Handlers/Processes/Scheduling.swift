// The scheduler: of the caller, and of other threads by their number.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addScheduling() {
    native(24, "sched_yield")
    native(146, "sched_get_priority_max", .int("policy"))
    native(147, "sched_get_priority_min", .int("policy"))
    native(309, "getcpu", .bytes("cpu"), .bytes("node"))
    // The tracer, which binds a busy guest to its own CPU, answers these two so that no guest notices.
    let note = "the tracer answers: it may bind a busy guest to its own CPU, which no guest is to notice"
    served(203, "sched_setaffinity", .pid, .size("cpusetsize"), .bytes("mask"), as: .trace, note: note) {
      (call, thread, _, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(204, "sched_getaffinity", .pid, .size("cpusetsize"), .bytes("mask"), as: .trace, note: note) {
      (call, thread, _, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(142, "sched_setparam", .pid, .bytes("param"), as: .boundedButSelf) { (call, thread, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(143, "sched_getparam", .pid, .bytes("param"), as: .boundedButSelf) { (call, thread, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(144, "sched_setscheduler", .pid, .int("policy"), .bytes("param"), as: .boundedButSelf) {
      (call, thread, _, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(145, "sched_getscheduler", .pid, as: .boundedButSelf) { (call, thread) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(148, "sched_rr_get_interval", .pid, .bytes("tp"), as: .boundedButSelf) { (call, thread, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(314, "sched_setattr", .pid, .bytes("attr"), .int("flags"), as: .boundedButSelf) {
      (call, thread, _, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
    served(315, "sched_getattr", .pid, .bytes("attr"), .int("size"), .int("flags"), as: .boundedButSelf) {
      (call, thread, _, _, _) throws(Errno) in
      try call.nativeIfGuestOrSelf(thread)
    }
  }
}
