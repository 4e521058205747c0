// Clocks, timers and sleeping.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addTime() {
    native(35, "nanosleep", .bytes("req"), .bytes("rem"))
    native(36, "getitimer", .int("which"), .bytes("curr_value"))
    native(37, "alarm", .int("seconds"))
    native(38, "setitimer", .int("which"), .bytes("new_value"), .bytes("old_value"))
    native(96, "gettimeofday", .bytes("tv"), .bytes("tz"))
    native(100, "times", .bytes("buf"))
    native(159, "adjtimex", .buffer)
    native(201, "time", .bytes("tloc"))
    native(223, "timer_settime", .int("timerid"), .int("flags"), .bytes("new_value"), .bytes("old_value"))
    native(224, "timer_gettime", .int("timerid"), .bytes("curr_value"))
    native(225, "timer_getoverrun", .int("timerid"))
    native(226, "timer_delete", .int("timerid"))
    native(283, "timerfd_create", .int("clockid"), .int("flags"))
    native(286, "timerfd_settime", .fd, .int("flags"), .bytes("new_value"), .bytes("old_value"))
    native(287, "timerfd_gettime", .fd, .bytes("curr_value"))
    native(305, "clock_adjtime", .clock, .buffer)
    served(228, "clock_gettime", .clock, .bytes("tp"), as: .clock) { (call, clock, _) throws(Errno) in
      try call.nativeIfOfGuest(clock)
    }
    served(229, "clock_getres", .clock, .bytes("res"), as: .clock) { (call, clock, _) throws(Errno) in
      try call.nativeIfOfGuest(clock)
    }
    served(230, "clock_nanosleep", .clock, .int("flags"), .bytes("request"), .bytes("remain"), as: .clock) {
      (call, clock, _, _, _) throws(Errno) in
      try call.nativeIfOfGuest(clock)
    }
    served(222, "timer_create", .clock, .bytes("sevp"), .bytes("timerid"), as: .clock) {
      (call, clock, _, _) throws(Errno) in
      try call.nativeIfOfGuest(clock)
    }
    refused(164, "settimeofday", .notPermitted, "the host's clock", .bytes("tv"), .bytes("tz"))
    refused(227, "clock_settime", .notPermitted, "the host's clock", .clock, .bytes("tp"))
  }
}

extension Treatment {
  /// A negative clock is the CPU time of a process, by its number (`man 3 clock_getcpuclockid`); -8 to -1 are one's own.
  fileprivate static var clock: Treatment {
    .depends { policy in
      policy.isolation == .full
        ? CallPolicy(otherwise: .native)
        : CallPolicy(
          [
            ArgumentRule(.native, when: .noBit(0, 0x8000_0000)),
            ArgumentRule(.native, when: .equal(argument: 0, mask: 0xffff_fff8, value: 0xffff_fff8)),
          ], otherwise: .trace)
    }
  }
}

extension CallContext {
  /// - Throws: `.invalidArgument` for the CPU time of a process that is no guest.
  fileprivate func nativeIfOfGuest(_ clock: Clock) throws(Errno) -> Outcome {
    guard let thread = clock.thread, thread != 0, !hasPidNamespace, tasks[thread] == nil else { return .native }
    throw .invalidArgument
  }
}
