// The kernel's clocks.

public import CLinux
public import LinuxABI

extension Host {
  /// `clock_gettime(2)` by its number (CLOCK_REALTIME is 0, CLOCK_MONOTONIC 1, CLOCK_REALTIME_COARSE 5), which glibc answers
  /// from the vdso.
  @inlinable
  static func time(of clock: CInt) -> TimeSpecification {
    var time = timespec()
    clock_gettime(clock, &time)
    return TimeSpecification(seconds: Int64(time.tv_sec), nanoseconds: Int64(time.tv_nsec))
  }
}

extension Host {
  /// CLOCK_THREAD_CPUTIME_ID of `clock_gettime(2)`: the time that the calling thread has had a CPU. The kernel brings the
  /// thread's accounts up to now for it.
  public static func ownThreadTime() -> TimeSpecification { time(of: 3) }
}

extension Timestamp {
  /// The time the kernel itself would stamp a file with: CLOCK_REALTIME_COARSE.
  public static func now() -> Timestamp { Timestamp(Host.time(of: 5)) }

  /// The time to the nanosecond, not to the last tick: CLOCK_REALTIME.
  public static func exact() -> Timestamp { Timestamp(Host.time(of: 0)) }
}

/// Time that passes, for measuring how long something took.
public enum MonotonicClock {
  /// Nanoseconds of CLOCK_MONOTONIC: from some moment on, never set back.
  public static func now() -> UInt64 {
    let time = Host.time(of: 1)
    return UInt64(bitPattern: time.seconds) &* 1_000_000_000 &+ UInt64(bitPattern: time.nanoseconds)
  }

  /// The same clock at the kernel's last tick (CLOCK_MONOTONIC_COARSE): some milliseconds old, and cheaper to read.
  @inlinable
  public static func coarse() -> UInt64 { vd_coarse_time() }
}
