// The memory of another process, in one system call.
//
// A thread can be gone at any instant: ESRCH then, which is an answer and no mistake. EFAULT says that the other process has
// no such memory, or that it may not be accessed in this way.

public import LinuxABI

extension Host {
  /// `process_vm_readv(2)`: fills `buffer` from the pieces of memory of `thread`, in their order, up to the first piece that
  /// cannot be read whole; the count.
  ///
  /// - Throws: `.badAddress` if not even the first byte can be read, `.noSuchProcess` if the thread is gone;
  ///   `.notPermitted` or `.noFunction` where a filter above us refuses the call, and of a thread that is not ours to trace.
  @inlinable
  public static func readMemory(
    of thread: Int32, _ pieces: UnsafeBufferPointer<IOVector>, into buffer: UnsafeMutableRawBufferPointer
  ) throws(Errno) -> Int {
    try transfer(.process_vm_readv, thread, IOVector(UnsafeRawBufferPointer(buffer)), pieces)
  }

  /// `process_vm_writev(2)`: the same in the other direction. What is write-protected is not written.
  @inlinable
  public static func writeMemory(
    of thread: Int32, _ pieces: UnsafeBufferPointer<IOVector>, from bytes: UnsafeRawBufferPointer
  ) throws(Errno) -> Int {
    try transfer(.process_vm_writev, thread, IOVector(bytes), pieces)
  }

  @inlinable
  static func transfer(
    _ number: SystemCallNumber, _ thread: Int32, _ own: IOVector, _ pieces: UnsafeBufferPointer<IOVector>
  ) throws(Errno) -> Int {
    var own = own
    let result = withUnsafeMutablePointer(to: &own) { own in
      raw(number, Int(thread), Int(bitPattern: own), 1, Int(bitPattern: pieces.baseAddress), pieces.count, 0)
    }
    return try Errno.check(result)
  }

  /// Whether the kernel, and the filters above us, let the two calls through. containerd's default profile refuses them to who
  /// has no CAP_SYS_PTRACE.
  public static let accessesMemory = [SystemCallNumber.process_vm_readv, .process_vm_writev].allSatisfy { number in
    let result = raw(number)
    return result != Errno.notPermitted.result && result != Errno.noFunction.result
  }
}
