// ptrace(2): what the tracer asks of a thread that it traces.
//
// A traced thread can be gone at any instant, by SIGKILL or because another thread of its group has executed a program; and
// what is not at a stop cannot be asked. Every request says ESRCH then (`man 2 ptrace`).

public import LinuxABI

extension Host {
  /// PTRACE_POKEDATA: writes a word at a word's boundary as a debugger does: past page protection, and a stack grows to reach
  /// it.
  ///
  /// - Throws: `.noSuchProcess` if the thread is gone or runs, or is not this thread's tracee; `.ioError` or `.badAddress` if
  ///   there is no such memory and none comes.
  @inlinable
  public static func pokeData(of thread: Int32, at address: UInt64, to word: UInt64) throws(Errno) {
    try callForGuest(
      .ptrace, 5, Int(thread), Int(truncatingIfNeeded: address), Int(truncatingIfNeeded: word))
  }
}
