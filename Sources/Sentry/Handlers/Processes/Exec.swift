// execve and execveat, up to the point where the loader takes over, and the calls of the trampoline while it loads.

import Gate
import Kernel
import LinuxABI
import ProcFS
import VFS

extension SystemCallTable {
  mutating func addExec() {
    served(59, "execve", .path, .argv, .envp, as: .trace) { (call, path, arguments, variables) throws(Errno) in
      call.traceProgram(arguments, variables)
      return try call.execute(path, at: .current, [])
    }
    served(322, "execveat", .dirfd, .path, .argv, .envp, .atFlags, as: .trace) {
      (call, directory, path, arguments, variables, flags) throws(Errno) in
      call.traceProgram(arguments, variables)
      guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
      return try call.execute(path, at: directory, flags)
    }
  }
}

extension CallContext {
  /// For `--trace`: nothing is decided by what is read here, and the kernel reads it anew.
  fileprivate func traceProgram(_ arguments: StringList, _ variables: VariableList) {
    guard sandbox.isTracing else { return }
    var words = ProgramWords()
    let limits = ProgramWords.longest
    do throws(Errno) {
      let count = try countOfStrings(at: arguments.address, limit: limits.words + 1)
      words.hasMore = count > limits.words
      for index in 0..<min(count, limits.words) {
        let address = try memory.load(UInt64.self, at: arguments.address &+ UInt64(8 * index))
        words.arguments.append(try shownString(at: address, limit: limits.bytes))
      }
      words.variables = try countOfStrings(at: variables.address, limit: limits.variables)
    } catch {
      // The call itself will be EFAULT.
    }
    sandbox.traced.append(words)
  }

  /// How many addresses there are before a null one.
  private func countOfStrings(at address: UInt64, limit: Int) throws(Errno) -> Int {
    if address == 0 { return 0 }
    for index in 0..<limit where try memory.load(UInt64.self, at: address &+ UInt64(8 * index)) == 0 { return index }
    return limit
  }

  /// A string, or its beginning, which is one byte longer then than what is shown.
  private func shownString(at address: UInt64, limit: Int) throws(Errno) -> [UInt8] {
    let buffer = UnsafeMutableRawBufferPointer(rebasing: scratch[..<(limit + 1)])
    do throws(Errno) {
      return [UInt8](buffer[..<(try memory.readString(into: buffer, at: address))])
    } catch {
      if error == .fileNameTooLong { return [UInt8](buffer) }
      throw error
    }
  }

  fileprivate func execute(_ name: GuestString, at directory: DirectoryDescriptor, _ flags: AtFlags) throws(Errno)
    -> Outcome
  {
    let bytes = try bytes(of: name)
    var request = ExecPlan.Request(filename: [UInt8](bytes))
    let file: OpenedProgram
    if bytes.isEmpty {
      guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
      request.filename = Array("/dev/fd/\(directory.number)".utf8)
      request.isNamedByFile = true
      request.isPathInaccessible = try isCloseOnExec(directory.descriptor)
      file = try openProgram(directory)
    } else {
      if !directory.isCurrent && bytes.first != 0x2f {
        request.filename = Array("/dev/fd/\(directory.number)/".utf8) + bytes
        request.isPathInaccessible = try isCloseOnExec(directory.descriptor)
      }
      let path = VirtualFileSystem.Path(bytes, from: try start(of: bytes, at: directory))
      file = try openProgram(path, follow: !flags.contains(.symlinkNoFollow))
    }
    let plan = try ExecPlan.prepare(file, request: request, credentials: task.credentials, state.headers) {
      path throws(Errno) in
      try withUnsafeBytesOf(path) { bytes throws(Errno) in
        try openProgram(VirtualFileSystem.Path(bytes, from: start(of: bytes)), follow: true)
      }
    }
    task.execPlan = plan
    task.mayUnshareDescriptors()
    return .exec(executableStack: plan.hasExecutableStack)
  }

  /// The flag belongs to the guest's descriptor, not to a duplicate.
  private func isCloseOnExec(_ descriptor: Descriptor) throws(Errno) -> Bool {
    _ = try status(descriptor)
    return try DescriptorInformation(descriptor.number, of: task.thread).flags.contains(.closeOnExec)
  }

  private func openProgram(_ path: VirtualFileSystem.Path, follow: Bool) throws(Errno) -> OpenedProgram {
    try openProgram(try vfs.resolve(path, task.caller, follow: follow))
  }

  private func openProgram(_ directory: DirectoryDescriptor) throws(Errno) -> OpenedProgram {
    switch try target(directory) {
    case .position(let position): return try openProgram(position)
    case .foreign(let descriptor, _):
      // A memfd, or a file that the caller of the sandbox handed in: the kernel's own permission bits decide.
      let file = try descriptors.foreign(descriptor.number)
      guard file.type == .regular, !file.status.permissions.isDisjoint(with: .anyExecute) else {
        throw .permissionDenied
      }
      // It has no name in the tree: /proc/PID/exe shows the kernel's text.
      let text = try descriptors.kernelText(descriptor.number)
      return OpenedProgram(descriptor: try file.open([]), position: vfs.detachedPosition(named: text))
    }
  }

  /// `do_open_execat`: a regular file with execute permission that no process has open for writing.
  private func openProgram(_ position: Position) throws(Errno) -> OpenedProgram {
    guard let inode = position.dentry.inode else { throw .noSuchFileOrDirectory }
    if inode.type == .symlink { throw .tooManySymbolicLinkLevels }
    guard inode.type == .regular else { throw .permissionDenied }
    try task.credentials.fileCredentials.check(.execute, on: inode)
    let descriptor = try inode.open([.largeFile])
    let status = try Host.stat(descriptor.rawValue)
    if status.device == state.storeDevice, !inode.isBackedByLower, Self.hasWriter(descriptor.rawValue) {
      throw .textFileBusy
    }
    // /proc/PID/maps names the image by this. What has no name in the tree stays the kernel's.
    if !position.isDetached { try files.registry.register(status, position, inode) }
    files.reportOpened(descriptor.rawValue, position, inode)
    // No guest can write to what lies in a lower layer still.
    return OpenedProgram(
      descriptor: descriptor, position: position, stamp: inode.hasFinalBacking ? nil : FileStamp(status))
  }

  /// Whether anybody has the file open for writing: then the kernel refuses a read lease (`man 2 fcntl`, F_SETLEASE).
  /// Asked only of files in the store; nothing writes to a lower file.
  private static func hasWriter(_ descriptor: CInt) -> Bool {
    do throws(Errno) {
      guard try Host.setLease(descriptor, to: .read) else { return true }
      _ = try Host.setLease(descriptor, to: .unlock)
    } catch {
      // No leases on this file system, and so no answer.
    }
    return false
  }

  // MARK: - While the trampoline loads

  /// The trampoline makes two calls that reach a gate: its openat, and the execve that ends its table; under filters of the
  /// guest's own its mappings too. Anything else means that it is not the trampoline that runs.
  func serveLoading(_ call: SystemCall) -> Outcome {
    guard let plan = task.execPlan else { return .kill(signal: Signal.segmentationFault.rawValue) }
    switch SystemCallNumber(call.number) {
    case .openat: return plan.descriptors()
    case .mmap: return plan.mapping(call)
    case .execve:
      do throws(Errno) {
        let start = try plan.finish(memory: task.memory)
        task.isLoading = false
        task.execPlan = nil
        return .start(start)
      } catch {
        return .kill(signal: Signal.segmentationFault.rawValue)
      }
    default: return .kill(signal: Signal.segmentationFault.rawValue)
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
