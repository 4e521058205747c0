// What the argument registers of a system call mean. A handler gets values of these types and never sees a register: the
// kernel's own truncation of an `int` argument, whose upper half it does not look at, is here and nowhere else.

import LinuxABI

/// One argument of a system call: how it is made of its register, and how `--trace` shows it.
protocol CallArgument: Sendable {
  /// The value in the register, as the kernel's `SYSCALL_DEFINE` casts it.
  init(register: UInt64)

  /// As a line of the trace has it. `strings` are those that the sentry has read for this call.
  func shown(_ strings: TracedStrings) -> TraceValue
}

/// The strings of a call that were read from the guest's memory, each with its address.
public struct TracedStrings: Sendable {
  private var strings: [(address: UInt64, bytes: [UInt8])] = []
  /// The arguments and the number of variables of the program that is to be executed.
  private(set) var program: ProgramWords?

  public init() {}

  var isEmpty: Bool { strings.isEmpty && program == nil }

  mutating func append(_ bytes: [UInt8], at address: UInt64) { strings.append((address, bytes)) }

  mutating func removeAll() {
    strings.removeAll(keepingCapacity: true)
    program = nil
  }

  mutating func append(_ words: ProgramWords) { program = words }

  /// What was read at this address; nil if nothing was.
  func bytes(at address: UInt64) -> [UInt8]? { strings.first { $0.address == address }?.bytes }
}

/// What a program is executed with, as far as a trace shows it.
struct ProgramWords: Sendable {
  /// What is shown of them.
  static let longest = (words: 64, variables: 4096, bytes: 128)

  var arguments: [[UInt8]] = []
  var hasMore = false
  /// -1 if they could not be read.
  var variables = -1
}

// MARK: - Descriptors

/// A descriptor: an `int`, or the `unsigned int` of older calls.
struct Descriptor: CallArgument {
  let number: CInt

  init(_ number: CInt) { self.number = number }
  init(register: UInt64) { number = CInt(truncatingIfNeeded: register) }
  func shown(_ strings: TracedStrings) -> TraceValue { .descriptor(number) }
}

/// Where a relative path begins: a descriptor, or AT_FDCWD.
struct DirectoryDescriptor: CallArgument {
  let number: CInt

  /// AT_FDCWD: of the calls without such an argument.
  static let current = DirectoryDescriptor(AtFlags.currentDirectory)

  init(_ number: CInt) { self.number = number }
  init(register: UInt64) { number = CInt(truncatingIfNeeded: register) }

  var isCurrent: Bool { number == AtFlags.currentDirectory }
  var descriptor: Descriptor { Descriptor(number) }
  func shown(_ strings: TracedStrings) -> TraceValue { .descriptor(number) }
}

// MARK: - Addresses

/// The address of a string that ends with NUL: a path, or the name of an attribute.
struct GuestString: CallArgument {
  let address: UInt64

  init(register: UInt64) { address = register }

  var isNull: Bool { address == 0 }
  func shown(_ strings: TracedStrings) -> TraceValue {
    strings.bytes(at: address).map { .bytes($0) } ?? .unread(address)
  }
}

/// The `argv` of execve(2).
struct StringList: CallArgument {
  let address: UInt64

  init(register: UInt64) { address = register }
  func shown(_ strings: TracedStrings) -> TraceValue {
    guard let program = strings.program, address != 0 else { return Buffer(address).shown(strings) }
    return .strings(program.arguments, more: program.hasMore)
  }
}

/// The `envp` of execve(2).
struct VariableList: CallArgument {
  let address: UInt64

  init(register: UInt64) { address = register }
  func shown(_ strings: TracedStrings) -> TraceValue {
    guard let program = strings.program, address != 0, program.variables >= 0 else {
      return Buffer(address).shown(strings)
    }
    return .variables(address, count: program.variables)
  }
}

/// The address of a structure, or of the first of several.
struct Pointer<Pointee>: CallArgument {
  let address: UInt64

  init(_ address: UInt64) { self.address = address }
  init(register: UInt64) { address = register }

  static var null: Pointer { Pointer(0) }
  var isNull: Bool { address == 0 }
  func shown(_ strings: TracedStrings) -> TraceValue { address == 0 ? .word("NULL") : .hexadecimal(address) }

  /// The same address, of something else.
  func cast<Other>(to type: Other.Type = Other.self) -> Pointer<Other> { Pointer<Other>(address) }
}

/// The address of bytes.
typealias Buffer = Pointer<UInt8>

/// The address of a `struct sockaddr`; the trace shows the path in it.
struct SocketAddressPointer: CallArgument {
  let address: UInt64

  init(_ address: UInt64) { self.address = address }
  init(register: UInt64) { address = register }

  var bytes: Buffer { Buffer(address) }
  func shown(_ strings: TracedStrings) -> TraceValue {
    strings.bytes(at: address).map { .bytes($0) } ?? (address == 0 ? .word("NULL") : .hexadecimal(address))
  }
}

// MARK: - Numbers

/// An `int`: a size, a limit, a process, a thread or a group by its number.
extension CInt: CallArgument {
  init(register: UInt64) { self.init(truncatingIfNeeded: register) }
  func shown(_ strings: TracedStrings) -> TraceValue { .integer(Int(self)) }
}

/// A `uid_t` or `gid_t`; -1 stands for "unchanged".
extension UInt32: CallArgument {
  init(register: UInt64) { self.init(truncatingIfNeeded: register) }
  func shown(_ strings: TracedStrings) -> TraceValue { .integer(self == .max ? -1 : Int(self)) }
}

/// An `off_t` or `loff_t`.
extension Int64: CallArgument {
  init(register: UInt64) { self.init(bitPattern: register) }
  func shown(_ strings: TracedStrings) -> TraceValue { .integer(Int(self)) }
}

/// A `size_t`.
struct ByteCount: CallArgument {
  let value: UInt64

  init(_ value: UInt64) { self.value = value }
  init(register: UInt64) { value = register }
  func shown(_ strings: TracedStrings) -> TraceValue { .integer(Int(truncatingIfNeeded: value)) }
}

/// An `unsigned long` that means something else for each command: of prctl(2), fcntl(2), ioctl(2).
struct Word: CallArgument {
  let value: UInt64

  init(register: UInt64) { value = register }

  /// As an `int`.
  var int: CInt { CInt(truncatingIfNeeded: value) }
  func pointer<Pointee>(to type: Pointee.Type = Pointee.self) -> Pointer<Pointee> { Pointer(value) }
  func shown(_ strings: TracedStrings) -> TraceValue { .hexadecimal(value) }
}

/// A `dev_t` as calls have it: an `unsigned int`.
struct Device: CallArgument {
  let number: UInt64

  init(register: UInt64) { number = UInt64(UInt32(truncatingIfNeeded: register)) }
  func shown(_ strings: TracedStrings) -> TraceValue { .hexadecimal(number) }
}

// MARK: - Modes

/// The permission bits of a `umode_t`.
extension Permissions: CallArgument {
  init(register: UInt64) { self.init(mode: register) }
  func shown(_ strings: TracedStrings) -> TraceValue { .octal(UInt32(rawValue)) }
}

/// The whole of a `umode_t`: type and permission bits, as mknod(2) has it.
struct FileMode: CallArgument {
  let rawValue: UInt32

  init(register: UInt64) { rawValue = UInt32(truncatingIfNeeded: register) }

  /// S_IFMT of it.
  var format: UInt32 { rawValue & 0o170000 }
  var permissions: Permissions { Permissions(mode: UInt64(rawValue)) }

  func shown(_ strings: TracedStrings) -> TraceValue {
    guard let type = FileType(mode: format) else { return .octal(rawValue) }
    return .mode(type.constant, rawValue & 0o7777)
  }
}

extension FileType {
  /// The name of the constant.
  fileprivate var constant: StaticString {
    switch self {
    case .fifo: "S_IFIFO"
    case .characterDevice: "S_IFCHR"
    case .directory: "S_IFDIR"
    case .blockDevice: "S_IFBLK"
    case .regular: "S_IFREG"
    case .symlink: "S_IFLNK"
    case .socket: "S_IFSOCK"
    }
  }
}

/// The mode of access(2): what is asked for, and bits that make it EINVAL.
struct AccessRequest: CallArgument {
  let rawValue: UInt32

  init(register: UInt64) { rawValue = UInt32(truncatingIfNeeded: register) }

  /// - Throws: `.invalidArgument` for any other bit.
  func mode() throws(Errno) -> AccessMode {
    if rawValue & ~7 != 0 { throw .invalidArgument }
    return AccessMode(rawValue: UInt8(rawValue))
  }

  func shown(_ strings: TracedStrings) -> TraceValue {
    if rawValue == 0 { return .word("F_OK") }
    let names: [(UInt32, StaticString)] = [(4, "R_OK"), (2, "W_OK"), (1, "X_OK")]
    return .flags(names.compactMap { rawValue & $0.0 != 0 ? $0.1 : nil }, rest: UInt64(rawValue & ~7))
  }
}
