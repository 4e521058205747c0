// Where threads run.

public import LinuxABI

extension Host {
  /// `sched_getaffinity(2)`: where a thread may run; 0 is the calling one.
  ///
  /// - Throws: `.noSuchProcess` if it is gone; `.invalidArgument` if the machine can have more CPUs than `CPUMask` knows.
  public static func affinity(of thread: Int32) throws(Errno) -> CPUMask {
    var mask = CPUMask()
    _ = try withUnsafeMutablePointer(to: &mask) { mask throws(Errno) in
      try call(.sched_getaffinity, Int(thread), MemoryLayout<CPUMask>.size, Int(bitPattern: mask))
    }
    return mask
  }

  /// `sched_setaffinity(2)`: a thread, 0 for the calling one, may run on these CPUs only.
  ///
  /// - Throws: `.noSuchProcess` if it is gone, `.invalidArgument` if it may run on none of them; nothing has changed then.
  public static func setAffinity(of thread: Int32, to mask: CPUMask) throws(Errno) {
    var mask = mask
    _ = try withUnsafeMutablePointer(to: &mask) { mask throws(Errno) in
      try call(.sched_setaffinity, Int(thread), MemoryLayout<CPUMask>.size, Int(bitPattern: mask))
    }
  }

  /// `getcpu(2)`: the CPU that the calling thread runs on, or did a moment ago.
  public static var currentCPU: Int {
    var cpu: UInt32 = 0
    _ = withUnsafeMutablePointer(to: &cpu) { raw(.getcpu, Int(bitPattern: $0), 0, 0) }
    return Int(cpu)
  }
}
