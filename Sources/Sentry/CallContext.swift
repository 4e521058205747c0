// The call that is being served: who makes it, what it asks, the room in which it is worked on, and what follows from it.
// Handlers are given it, and have nothing else. It is a value of a few words, made for each call; nothing is allocated.

import Coherence
import Gate
import Kernel
import KernFS
import LinuxABI
import VFS

/// See the head of this file. Used under the tree lock.
struct CallContext {
  /// What there is in the sandbox.
  let sandbox: CallRoom
  /// Who makes the call.
  let task: Task
  let gate: GateKind
  let number: Int
  /// The arguments, of which handlers get values of their types (Table/CallArgument.swift).
  let registers: (UInt64, UInt64, UInt64, UInt64, UInt64, UInt64)

  init(_ call: SystemCall, of task: Task, by gate: GateKind, in sandbox: CallRoom) {
    self.sandbox = sandbox
    self.task = task
    self.gate = gate
    number = call.number
    registers = call.arguments
  }

  // MARK: - The sandbox

  var state: SentryState { sandbox.state }
  var vfs: VirtualFileSystem { sandbox.vfs }
  var store: BackingStore { sandbox.store }
  var tasks: TaskTable { sandbox.tasks }
  var files: OpenFiles { sandbox.files }
  var sockets: SocketRegistry { sandbox.sockets }
  var identity: IdentityMap { sandbox.identity }
  var coherence: Coherence { sandbox.coherence }
  var copyUps: BackgroundCopyUps { sandbox.copyUps }
  /// See `TaskTable`.
  var hasPidNamespace: Bool { sandbox.tasks.hasPidNamespace }
  var notifier: Notifier? { sandbox.files.notifier }

  /// For what handlers read, or assemble before it is written to the guest.
  var scratch: UnsafeMutableRawBufferPointer { sandbox.scratch }

  // MARK: - The caller

  var memory: GuestMemory { GuestMemory(thread: task.thread) }
  var caller: VirtualFileSystem.Caller { task.caller }
  var descriptors: DescriptorTable { task.descriptors }

  /// `thread` is asleep in a call, and is to make it again.
  func wake(_ thread: ThreadID) { sandbox.wakes.append(thread) }

  /// The caller makes its call again as soon as what copy-up has left to do is done.
  func again() -> Outcome {
    wake(task.thread)
    return .sleep(isSlow: false)
  }

  // MARK: - Paths

  enum PathSlot { case first, second }

  /// Copies a path out of the guest. - Throws: `.badAddress`, `.fileNameTooLong`.
  func bytes(of path: GuestString, _ slot: PathSlot = .first) throws(Errno) -> UnsafeRawBufferPointer {
    let buffer = slot == .first ? sandbox.firstPath : sandbox.secondPath
    let count = try memory.readString(into: buffer, at: path.address)
    let bytes = UnsafeRawBufferPointer(rebasing: buffer[..<count])
    trace(bytes, at: path.address)
    return bytes
  }

  /// For `--trace`: a string that was read.
  func trace(_ bytes: UnsafeRawBufferPointer, at address: UInt64) {
    if sandbox.isTracing { sandbox.traced.append([UInt8](bytes), at: address) }
  }

  /// Where a relative path starts. - Throws: `.badFileDescriptor`, `.notDirectory`.
  func start(of path: UnsafeRawBufferPointer, at directory: DirectoryDescriptor) throws(Errno) -> Position {
    if path.first == 0x2f { return task.context.root }
    if directory.isCurrent { return task.context.workingDirectory }
    guard let node = try node(directory.descriptor) else { throw .notDirectory }
    return node.position
  }

  /// Where a path of our own making, or of a socket's address, starts.
  func start(of path: UnsafeRawBufferPointer) -> Position {
    path.first == 0x2f ? task.context.root : task.context.workingDirectory
  }

  /// A path with its start, as `*at` calls give them. - Throws: `.noSuchFileOrDirectory` for the empty one.
  func path(_ path: GuestString, at directory: DirectoryDescriptor = .current, _ slot: PathSlot = .first)
    throws(Errno) -> VirtualFileSystem.Path
  {
    let bytes = try bytes(of: path, slot)
    if bytes.isEmpty { throw .noSuchFileOrDirectory }
    return VirtualFileSystem.Path(bytes, from: try start(of: bytes, at: directory))
  }

  /// What a path names.
  func position(_ path: GuestString, at directory: DirectoryDescriptor = .current, follow: Bool = true)
    throws(Errno) -> Position
  {
    try vfs.resolve(try self.path(path, at: directory), task.caller, follow: follow)
  }

  /// What an `*at` call names: a file of the tree, or the host's status of a descriptor that stands for none
  /// (AT_EMPTY_PATH).
  enum Target {
    case position(Position)
    case foreign(Descriptor, FileStatus)
  }

  /// Resolves the path argument of an `*at` call, with AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW.
  func target(_ path: GuestString, at directory: DirectoryDescriptor, _ flags: AtFlags, follow: Bool) throws(Errno)
    -> Target
  {
    // Since Linux 6.11 a NULL path means the empty path where AT_EMPTY_PATH is given.
    let bytes =
      path.isNull && flags.contains(.emptyPath)
      ? UnsafeRawBufferPointer(start: nil, count: 0) : try bytes(of: path)
    if bytes.isEmpty {
      guard flags.contains(.emptyPath) else { throw .noSuchFileOrDirectory }
      return try target(directory)
    }
    let path = VirtualFileSystem.Path(bytes, from: try start(of: bytes, at: directory))
    return .position(try vfs.resolve(path, task.caller, follow: follow))
  }

  /// As above, of calls that take these two flags alone and follow symbolic links unless one of them says so.
  func target(_ path: GuestString, at directory: DirectoryDescriptor, checking flags: AtFlags) throws(Errno) -> Target {
    guard flags.isSubset(of: [.symlinkNoFollow, .emptyPath]) else { throw .invalidArgument }
    return try target(path, at: directory, flags, follow: !flags.contains(.symlinkNoFollow))
  }

  // MARK: - Descriptors

  /// What a descriptor stands for; AT_FDCWD is the working directory.
  func target(_ directory: DirectoryDescriptor) throws(Errno) -> Target {
    directory.isCurrent ? .position(task.context.workingDirectory) : try target(directory.descriptor)
  }

  /// What a descriptor stands for. - Throws: `.badFileDescriptor`.
  func target(_ descriptor: Descriptor) throws(Errno) -> Target {
    let status = try status(descriptor)
    if let node = files.node(status, descriptor.number, of: task.descriptors) { return .position(node.position) }
    return .foreign(descriptor, status)
  }

  /// What a descriptor that was opened for use stands for. - Throws: `.badFileDescriptor` for O_PATH's as well.
  func openTarget(_ descriptor: Descriptor) throws(Errno) -> Target {
    let status = try status(descriptor)
    guard let node = files.node(status, descriptor.number, of: task.descriptors) else {
      return .foreign(descriptor, status)
    }
    if node.isPath { throw .badFileDescriptor }
    return .position(node.position)
  }

  /// The host's status of the caller's descriptor. - Throws: `.badFileDescriptor`.
  func status(_ descriptor: Descriptor) throws(Errno) -> FileStatus { try task.descriptors.stat(descriptor.number) }

  /// The file of the tree that the caller's descriptor stands for; nil for anything else.
  func node(_ descriptor: Descriptor) throws(Errno) -> NodeRegistry.Node? {
    files.node(try status(descriptor), descriptor.number, of: task.descriptors)
  }

  // MARK: - Structures

  /// A structure whose size the guest gives (`copy_struct_from_user`), read once: of at least the size that is known here,
  /// and what lies behind that is zero.
  func structure<Value: BitwiseCopyable>(_ pointer: Pointer<Value>, size: ByteCount) throws(Errno) -> Value {
    let known = MemoryLayout<Value>.size
    if size.value < known { throw .invalidArgument }
    if size.value > 4096 { throw .argListTooLong }
    let structure = UnsafeMutableRawBufferPointer(rebasing: scratch[..<Int(size.value)])
    try memory.read(into: structure, at: pointer.address)
    for byte in structure[known...] where byte != 0 { throw .argListTooLong }
    return structure.loadUnaligned(as: Value.self)
  }
}

extension GuestMemory {
  /// Reads the structure that an argument points to.
  @inline(__always)
  func load<Value: BitwiseCopyable>(_ pointer: Pointer<Value>) throws(Errno) -> Value {
    try load(Value.self, at: pointer.address)
  }

  /// Writes the structure that an argument points to.
  @inline(__always)
  func store<Value: BitwiseCopyable>(_ value: Value, at pointer: Pointer<Value>) throws(Errno) {
    try store(value, at: pointer.address)
  }

  /// Writes bytes where an argument points to.
  func write(_ bytes: UnsafeRawBufferPointer, at buffer: Buffer) throws(Errno) { try write(bytes, at: buffer.address) }

  func write(_ bytes: [UInt8], at buffer: Buffer) throws(Errno) { try write(bytes, at: buffer.address) }
}
