// execve and execveat, up to the point where the loader takes over, and the calls of the trampoline while it loads.

import CLinux
import Gate
import LinuxABI
import ProcFS
import VFS

let execHandlers: [(CInt, Handler)] = [
  (
    SYS_execve,
    { (state, task, call) throws(Errno) in
      try state.execute(task, at: UInt64(bitPattern: -100), call.arguments.0, [])
    }
  ),
  (
    SYS_execveat,
    { (state, task, call) throws(Errno) in
      let flags = AtFlags(rawValue: UInt32(truncatingIfNeeded: call.arguments.4))
      guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
      return try state.execute(task, at: call.arguments.0, call.arguments.1, flags)
    }
  ),
]

extension SentryState {
  fileprivate func execute(_ task: Task, at directory: UInt64, _ address: UInt64, _ flags: AtFlags) throws(Errno)
    -> Outcome
  {
    let bytes = try path(task, address)
    let number = CInt(truncatingIfNeeded: directory)
    var request = ExecPlan.Request(filename: [UInt8](bytes))
    let file: OpenedProgram
    if bytes.isEmpty {
      guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
      request.filename = Array("/dev/fd/\(number)".utf8)
      request.isNamedByFile = true
      request.isPathInaccessible = try isCloseOnExec(task, number)
      file = try openProgram(task, descriptor: directory)
    } else {
      if number != AtFlags.currentDirectory && bytes.first != 0x2f {
        request.filename = Array("/dev/fd/\(number)/".utf8) + bytes
        request.isPathInaccessible = try isCloseOnExec(task, number)
      }
      let path = VirtualFileSystem.Path(bytes, from: try start(task, directory, for: bytes))
      file = try openProgram(task, path, follow: !flags.contains(.symlinkNoFollow))
    }
    let plan = try ExecPlan.prepare(file, request: request, credentials: task.credentials, headers) {
      path throws(Errno) in
      try withUnsafeBytesOf(path) { bytes throws(Errno) in
        let start = bytes.first == 0x2f ? task.context.root : task.context.workingDirectory
        return try openProgram(task, VirtualFileSystem.Path(bytes, from: start), follow: true)
      }
    }
    task.execPlan = plan
    return .exec(executableStack: plan.hasExecutableStack)
  }

  private func isCloseOnExec(_ task: Task, _ number: CInt) throws(Errno) -> Bool {
    // The flag belongs to the guest's descriptor, not to a duplicate: /proc/TID/fdinfo/N has it.
    _ = try task.descriptors.stat(number)
    let lines = try Host.readFile("/proc/\(task.thread)/fdinfo/\(number)")
    guard let line = lines.split(separator: 0x0a).first(where: { $0.starts(with: "flags:".utf8) }) else { return false }
    let digits = line.dropFirst(6).drop { $0 == 0x09 || $0 == 0x20 }
    let flags = UInt32(String(decoding: digits, as: UTF8.self), radix: 8) ?? 0
    return OpenFlags(rawValue: flags).contains(.closeOnExec)
  }

  private func openProgram(_ task: Task, _ path: VirtualFileSystem.Path, follow: Bool) throws(Errno) -> OpenedProgram {
    let position = try vfs.resolve(path, task.caller, follow: follow)
    return try openProgram(task, position)
  }

  private func openProgram(_ task: Task, descriptor: UInt64) throws(Errno) -> OpenedProgram {
    switch try target(task, descriptor: descriptor) {
    case .position(let position): return try openProgram(task, position)
    case .foreign(let number, _):
      // A memfd, or a file that the caller handed in: the kernel's own permission bits decide.
      let file = try ForeignDescriptor(try task.descriptors.duplicate(number))
      guard file.type == .regular, file.status.st_mode & 0o111 != 0 else { throw .permissionDenied }
      return OpenedProgram(descriptor: try file.open([]), position: try foreignPosition(task, number))
    }
  }

  /// A position for an executable that has no name in the tree: /proc/PID/exe shows the kernel's text.
  private func foreignPosition(_ task: Task, _ number: CInt) throws(Errno) -> Position {
    let text = try task.descriptors.kernelText(number)
    return vfs.detachedPosition(named: text)
  }

  /// `do_open_execat`: a regular file with execute permission that nobody writes to.
  private func openProgram(_ task: Task, _ position: Position) throws(Errno) -> OpenedProgram {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if inode.type == .symlink { throw .tooManySymbolicLinkLevels }
    guard inode.type == .regular else { throw .permissionDenied }
    try task.credentials.fileCredentials.check(.execute, on: inode)
    let descriptor = try inode.open([.largeFile])
    let status = try Host.stat(descriptor.rawValue)
    if UInt64(status.st_dev) == storeDevice, !inode.isBackedByLower, hasWriter(descriptor.rawValue) {
      throw .textFileBusy
    }
    // /proc/PID/maps names the image by this. What has no name in the tree stays the kernel's.
    if !position.isDetached { try registry.register(status, position, inode) }
    tellOpened(descriptor.rawValue, position, inode)
    // No guest can write to what lies in a lower layer still.
    return OpenedProgram(
      descriptor: descriptor, position: position, stamp: inode.hasFinalBacking ? nil : FileStamp(status))
  }

  /// Whether anybody has the file open for writing: then the kernel refuses a read lease (`man 2 fcntl`, F_SETLEASE).
  /// Asked only of files in the store; nothing writes to a lower file.
  private func hasWriter(_ descriptor: CInt) -> Bool {
    let result = vd_syscall(Int(SYS_fcntl), Int(descriptor), 1024 /* F_SETLEASE */, Int(F_RDLCK), 0, 0, 0)
    if result == -Int(EAGAIN) { return true }
    if result == 0 { _ = vd_syscall(Int(SYS_fcntl), Int(descriptor), 1024, Int(F_UNLCK), 0, 0, 0) }
    return false
  }

  // MARK: - While the trampoline loads

  /// The trampoline makes two calls that reach a gate: its openat, and the execve that ends its table; under filters of the
  /// guest's own its mappings too. Anything else means that it is not the trampoline that runs.
  func serveLoading(_ task: Task, _ call: SystemCall) -> Outcome {
    guard let plan = task.execPlan else { return .kill(signal: SIGSEGV) }
    switch CInt(truncatingIfNeeded: call.number) {
    case SYS_openat: return plan.descriptors()
    case SYS_mmap: return plan.mapping(call)
    case SYS_execve:
      do throws(Errno) {
        let start = try plan.finish(memory: task.memory)
        task.isLoading = false
        task.execPlan = nil
        return .start(start)
      } catch {
        return .kill(signal: SIGSEGV)
      }
    default: return .kill(signal: SIGSEGV)
    }
  }

  // MARK: - Finding the first command

  /// `execvp(3)`: a name without a slash is looked for in `searchPath`.
  func findCommand(_ name: [UInt8], searchPath: [UInt8], workingDirectory: [UInt8]) throws(Errno) -> [UInt8] {
    if name.isEmpty { throw .noSuchFileOrDirectory }
    let task = temporaryTask(workingDirectory)
    if name.contains(0x2f) {
      try checkExecutable(task, name)
      return name
    }
    var failure = Errno.noSuchFileOrDirectory
    for directory in searchPath.split(separator: 0x3a, omittingEmptySubsequences: false) {
      let candidate = (directory.isEmpty ? [0x2e] : [UInt8](directory)) + [0x2f] + name
      do throws(Errno) {
        try checkExecutable(task, candidate)
        return candidate
      } catch {
        // A candidate that may not be executed is remembered. One that is not there is not, and neither is a directory
        // that may not be searched: shells say "not found" then.
        if error == .permissionDenied, isFound(task, candidate) { failure = error }
      }
    }
    throw failure
  }

  private func isFound(_ task: Task, _ path: [UInt8]) -> Bool {
    do throws(Errno) {
      return try withUnsafeBytesOf(path) { bytes throws(Errno) in
        let start = bytes.first == 0x2f ? task.context.root : task.context.workingDirectory
        return try vfs.resolve(VirtualFileSystem.Path(bytes, from: start), task.caller).dentry.inode != nil
      }
    } catch {
      return false
    }
  }

  private func checkExecutable(_ task: Task, _ path: [UInt8]) throws(Errno) {
    try withUnsafeBytesOf(path) { bytes throws(Errno) in
      let start = bytes.first == 0x2f ? task.context.root : task.context.workingDirectory
      let position = try vfs.resolve(VirtualFileSystem.Path(bytes, from: start), task.caller)
      guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
      guard inode.type == .regular else { throw .permissionDenied }
      try task.caller.credentials.check(.execute, on: inode)
    }
  }
}

/// `Array.withUnsafeBytes` with a typed error.
func withUnsafeBytesOf<T: ~Copyable>(_ bytes: [UInt8], _ body: (UnsafeRawBufferPointer) throws(Errno) -> T)
  throws(Errno) -> T
{
  var result: T?
  let failure: Errno? = bytes.withUnsafeBytes { buffer in
    do throws(Errno) {
      result = try body(buffer)
      return nil
    } catch { return error }
  }
  if let failure { throw failure }
  guard let value = result.take() else { throw .ioError }
  return value
}
