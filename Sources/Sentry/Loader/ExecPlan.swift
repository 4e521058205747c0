// One `execve` from its stop to the start of the program. The plan is prepared while the old image still runs, so every
// errno the kernel gives before its point of no return is thrown by `prepare`; what fails later ends in SIGSEGV.

import Coherence
import Gate
import Kernel
import LinuxABI
import VFS

/// A file opened for execution, all checks of `open_exec` done: regular, execute permission, no writer, not `noexec`.
struct OpenedProgram: ~Copyable {
  /// Open for reading.
  var descriptor: OwnedDescriptor
  var position: Position
  /// What identifies the content; nil if it may change.
  var stamp: FileStamp?

  init(descriptor: consuming OwnedDescriptor, position: Position, stamp: FileStamp? = nil) {
    self.descriptor = descriptor
    self.position = position
    self.stamp = stamp
  }
}

/// What `execve` is going to start, kept by the task between the stop at the call and the start.
///
/// Its life: `prepare` at the execve stop; `begin` at PTRACE_EVENT_EXEC; `descriptors` at the notified openat of the
/// table; `finish` at the table's end. A plan that is dropped earlier closes what it opened. Not Sendable: whoever holds
/// the task's lock uses it.
final class ExecPlan {
  /// How the guest called the file.
  struct Request {
    /// `bprm->filename`: the path given; `/dev/fd/N` or `/dev/fd/N/path` for execveat relative to a descriptor.
    var filename: [UInt8]
    /// execveat with an empty path: comm is the name of the file executed, not of `filename` (Linux 6.14).
    var isNamedByFile = false
    /// The path goes through a descriptor that the execve closes: no interpreter of a script could open it.
    var isPathInaccessible = false
  }

  /// The file that /proc/PID/exe shows: the ELF program, a script's interpreter.
  let executable: Position
  /// The new image needs an executable stack: which trampoline to run.
  let hasExecutableStack: Bool
  /// The new comm, at most 15 bytes.
  let name: [UInt8]
  /// The credentials after the execve; the sentry makes them the task's at the point of no return.
  let credentials: TaskCredentials

  private let program: ELFFile
  private let interpreter: ELFFile?
  private var programDescriptor: OwnedDescriptor?
  private var interpreterDescriptor: OwnedDescriptor?
  private let interpreterPosition: Position?
  private let filename: [UInt8]
  private let argumentHead: [[UInt8]]?
  private var loading: Loading?

  /// What is known once the trampoline runs.
  private struct Loading {
    var table: TrampolineTable
    var tableAddress: UInt64
    var stackPointer: UInt64
    var entry: UInt64
    var numbers: (program: CInt, interpreter: CInt)
    var zeroTails: [Range<UInt64>]
    var images: [(Position, ImageLayout)]
  }

  private init(
    executable: Position, name: [UInt8], credentials: TaskCredentials, program: ELFFile, interpreter: ELFFile?,
    programDescriptor: consuming OwnedDescriptor, interpreterDescriptor: consuming OwnedDescriptor?,
    interpreterPosition: Position?, filename: [UInt8], argumentHead: [[UInt8]]?
  ) {
    self.executable = executable
    hasExecutableStack = program.hasExecutableStack
    self.name = name
    self.credentials = credentials
    self.program = program
    self.interpreter = interpreter
    self.programDescriptor = consume programDescriptor
    self.interpreterDescriptor = consume interpreterDescriptor
    self.interpreterPosition = interpreterPosition
    self.filename = filename
    self.argumentHead = argumentHead
  }

  // MARK: - At the execve stop

  /// Follows scripts to the program, and the program to its interpreter.
  ///
  /// - Parameters:
  ///   - file: what the guest named, opened.
  ///   - credentials: those of the task; the plan's are what the execve makes of them.
  ///   - headers: those of files that have been executed before.
  ///   - open: opens a path for execution, relative to the working directory, following symlinks. Never asked for an
  ///     empty path.
  /// - Throws: what `execve(2)` gives: `.execFormatError`, `.tooManySymbolicLinkLevels` for more than five scripts,
  ///   ELIBBAD, `.ioError`, and what `open` throws.
  static func prepare(
    _ file: consuming OpenedProgram, request: Request, credentials: TaskCredentials, _ headers: HeaderCache,
    open: ([UInt8]) throws(Errno) -> OpenedProgram
  ) throws(Errno) -> ExecPlan {
    var file = file
    var path = request.filename
    var head: [[UInt8]]?
    var depth = 0
    var known = headers.program(file.stamp)
    while known == nil {
      let start = try ELFFile.readStart(Script.lineLimit, from: file.descriptor.rawValue)
      guard let script = try Script(start: start) else {
        let program = try ELFProgram(file.descriptor.rawValue, start: start)
        headers.keep(program, file.stamp)
        known = program
        break
      }
      if request.isPathInaccessible { throw .noSuchFileOrDirectory }
      head = script.argumentHead(path: path, inner: head)
      // An empty name opens the working directory, which is no regular file.
      if script.interpreter.isEmpty { throw .permissionDenied }
      file = try open(script.interpreter)
      depth += 1
      if depth > Script.nestingLimit { throw .tooManySymbolicLinkLevels }
      path = script.interpreter
      known = headers.program(file.stamp)
    }
    guard let program = known else { throw .execFormatError }

    var interpreter: ELFFile?
    var interpreterDescriptor: OwnedDescriptor?
    var interpreterPosition: Position?
    if let path = program.interpreterPath {
      if path.isEmpty { throw .permissionDenied }
      let opened = try open(path)
      if let known = headers.interpreter(opened.stamp) {
        interpreter = known
      } else {
        let read = try ELFFile(interpreter: opened.descriptor.rawValue)
        headers.keep(read, opened.stamp)
        interpreter = read
      }
      interpreterPosition = opened.position
      interpreterDescriptor = Self.descriptor(of: opened)
    }
    let position = file.position
    let name = request.isNamedByFile ? position.dentry.name : basename(request.filename)
    return ExecPlan(
      executable: position, name: Array(name.prefix(15)), credentials: credentials.afterExecve(), program: program.file,
      interpreter: interpreter, programDescriptor: Self.descriptor(of: file),
      interpreterDescriptor: interpreterDescriptor, interpreterPosition: interpreterPosition,
      filename: request.filename, argumentHead: head)
  }

  private static func descriptor(of file: consuming OpenedProgram) -> OwnedDescriptor { file.descriptor }

  /// What follows the last slash.
  private static func basename(_ path: [UInt8]) -> [UInt8] {
    guard let slash = path.lastIndex(of: 0x2f) else { return path }
    return Array(path[(slash + 1)...])
  }

  // MARK: - At PTRACE_EVENT_EXEC

  /// Writes the new stack block and the table into the trampoline's stack.
  ///
  /// - Parameters:
  ///   - process: the thread that is the trampoline now.
  ///   - layout: the secrets; nil for one whose calls a filter of the guest's own would see: each mapping stops then.
  /// - Throws: whatever; the thread group is to be killed with SIGSEGV.
  func begin(_ process: FreshProcess, layout: TrampolineLayout?) throws(Errno) -> TrampolineStart {
    let placement = try ImagePlacement(program: program, interpreter: interpreter, in: process)
    let gap = process.randomizes ? UInt64.random(in: 0..<512) * 16 : 0
    let stack = try StackImage(
      correcting: process.block, head: argumentHead, filename: filename, replacing: auxiliaryValues(placement),
      gap: gap, memory: process.memory)
    let numbers = try process.freeDescriptors()

    // Upwards: the table, the bounds, the name, the stack block. All but the last is below the program's stack pointer.
    let boundsSize = UInt64(MemoryLayout<MemoryBounds>.size)
    let nameAddress = try stack.address.subtracting(16, or: .badAddress)
    let boundsAddress = try nameAddress.subtracting(boundsSize, or: .badAddress)
    var table = TrampolineTable(layout: layout)
    table.addOpen(path: stack.filename, last: placement.interpreter == nil ? numbers.0 : numbers.1)
    table.add(placement.program, from: numbers.0)
    if let image = placement.interpreter { table.add(image, from: numbers.1) }
    table.addClose(numbers.0)
    if placement.interpreter != nil { table.addClose(numbers.1) }
    table.addName(at: nameAddress)
    table.addBounds(at: boundsAddress)
    table.addEnd()
    let tableAddress = try boundsAddress.subtracting(UInt64(table.size), or: .badAddress) & ~15

    var bytes = table.bytes
    bytes.append(contentsOf: repeatElement(0, count: Int(boundsAddress - tableAddress) - bytes.count))
    withUnsafeBytes(of: MemoryBounds(placement.program, heap: placement.heap, stack: stack)) {
      bytes.append(contentsOf: $0)
    }
    bytes.append(contentsOf: name)
    bytes.append(contentsOf: repeatElement(0, count: 16 - name.count))
    bytes.append(contentsOf: stack.bytes)
    try process.write(bytes, at: tableAddress)

    var images = [(executable, placement.program)]
    if let position = interpreterPosition, let image = placement.interpreter { images.append((position, image)) }
    loading = Loading(
      table: table, tableAddress: tableAddress, stackPointer: stack.address,
      entry: placement.interpreter?.entry ?? placement.program.entry, numbers: numbers,
      zeroTails: placement.program.zeroTails + (placement.interpreter?.zeroTails ?? []), images: images)
    return TrampolineStart(
      table: tableAddress, stackPointer: tableAddress, vdso: process.block.value(of: .vdso))
  }

  /// The entries of the auxiliary vector that are the program's, not the trampoline's.
  private func auxiliaryValues(_ placement: borrowing ImagePlacement) -> [StackBlock.AuxiliaryEntry] {
    let values: [(AuxiliaryType, UInt64)] = [
      (.programHeaders, placement.program.headerAddress),
      (.programHeaderSize, UInt64(MemoryLayout<ProgramHeader>.size)),
      (.programHeaderCount, program.headerCount),
      (.base, placement.interpreter?.bias ?? 0),
      (.flags, 0),
      (.entry, placement.program.entry),
      (.user, UInt64(credentials.user.real)),
      (.effectiveUser, UInt64(credentials.user.effective)),
      (.group, UInt64(credentials.group.real)),
      (.effectiveGroup, UInt64(credentials.group.effective)),
      (.secure, 0),
    ]
    return values.map { StackBlock.AuxiliaryEntry(type: $0.0, value: $0.1) }
  }

  /// Records in the new space what the table is going to map.
  ///
  /// - Precondition: `begin` has succeeded.
  func recordMappings(in space: MappedFiles) throws(Errno) {
    for (position, _) in loading?.images ?? [] {
      if let inode = position.dentry.inode, !inode.hasFinalBacking { try space.insert(inode) }
    }
  }

  /// A file has been copied up before the table could map it.
  func backingChanged(from lower: BackingIdentity, to upper: CInt) throws(Errno) {
    if let number = programDescriptor?.rawValue, BackingIdentity(try Host.stat(number)) == lower {
      programDescriptor = try Host.openTrusted("/proc/self/fd/\(upper)", [.largeFile])
    }
    if let number = interpreterDescriptor?.rawValue, BackingIdentity(try Host.stat(number)) == lower {
      interpreterDescriptor = try Host.openTrusted("/proc/self/fd/\(upper)", [.largeFile])
    }
  }

  // MARK: - While the table runs

  /// A mapping of the table has stopped, because it carries no secret: it runs if it is what was put there.
  func mapping(_ call: SystemCall) -> Outcome {
    guard let loading, loading.table.holds(call) else { return .kill(signal: Signal.segmentationFault.rawValue) }
    return .native
  }

  /// The answer to the table's openat: both descriptors, given away. A second call is EBADF.
  func descriptors() -> Outcome {
    guard let loading, let program = programDescriptor.take() else { return .value(Errno.badFileDescriptor.result) }
    return .install(
      program: program, number: loading.numbers.program, interpreter: interpreterDescriptor.take(),
      interpreterNumber: loading.numbers.interpreter)
  }

  /// Checks that the table has done what it was for, and removes it with its secrets from the guest.
  ///
  /// - Throws: whatever; the thread group is to be killed with SIGSEGV.
  func finish(memory: GuestMemory) throws(Errno) -> ImageStart {
    guard let loading else { throw .invalidArgument }
    self.loading = nil
    let size = loading.table.size
    let results = try withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer throws(Errno) in
      try memory.read(into: buffer, at: loading.tableAddress)
      return [UInt8](buffer)
    }
    try loading.table.check(results)
    try memory.clear(loading.zeroTails + [loading.tableAddress..<loading.stackPointer])
    return ImageStart(entry: loading.entry, stackPointer: loading.stackPointer, trampoline: TrampolineLayout.range)
  }
}

extension GuestMemory {
  /// Writes all of `bytes` at `address`.
  func write(_ bytes: [UInt8], at address: UInt64) throws(Errno) {
    let outcome: Result<Void, Errno> = bytes.withUnsafeBytes { bytes in
      do throws(Errno) { return .success(try write(bytes, at: address)) } catch { return .failure(error) }
    }
    try outcome.get()
  }
}
