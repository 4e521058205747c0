// The names and types of arguments, as rows of the table write them: `.dirfd, .path, .openFlags`. Names are those of the
// man pages.

import LinuxABI

/// One argument of a row: its name, and by its type all that is done with it.
struct Arg<Value: CallArgument>: Sendable {
  let name: String
  private let show: @Sendable (UInt64, TracedStrings) -> TraceValue

  init(_ name: String) {
    self.name = name
    show = { Value(register: $0).shown($1) }
  }

  /// Shown in another way than its type is.
  init(_ name: String, show: @escaping @Sendable (UInt64, TracedStrings) -> TraceValue) {
    self.name = name
    self.show = show
  }

  var shown: ShownArgument {
    ShownArgument(
      name: name, isPath: Value.self == GuestString.self && isPathName,
      isDescriptor: Value.self == Descriptor.self || Value.self == DirectoryDescriptor.self, show: show)
  }

  /// Other strings are names of attributes, of machines, of modules.
  private var isPathName: Bool { ["path", "oldpath", "newpath", "target", "linkpath", "filename"].contains(name) }
}

/// An argument without its type: its name, and how a trace shows its register.
struct ShownArgument: Sendable {
  let name: String
  /// It names a file.
  let isPath: Bool
  let isDescriptor: Bool
  let show: @Sendable (UInt64, TracedStrings) -> TraceValue
}

extension Arg where Value == Descriptor {
  static var fd: Arg { Arg("fd") }
  static func descriptor(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == DirectoryDescriptor {
  static var dirfd: Arg { Arg("dirfd") }
  static func directory(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == GuestString {
  static var path: Arg { Arg("path") }
  static func string(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == StringList {
  static var argv: Arg { Arg("argv") }
}

extension Arg where Value == VariableList {
  static var envp: Arg { Arg("envp") }
}

extension Arg where Value == Buffer {
  static var buffer: Arg { Arg("buf") }
  static func bytes(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == SocketAddressPointer {
  static var socketAddress: Arg { Arg("addr") }
}

extension Arg where Value == CInt {
  static func int(_ name: String) -> Arg { Arg(name) }
  static var pid: Arg { Arg("pid") }
  static var addressLength: Arg { Arg("addrlen") }
}

extension Arg where Value == UInt32 {
  static func id(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == Int64 {
  static func offset(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == ByteCount {
  static var size: Arg { Arg("size") }
  static func size(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == Word {
  static func word(_ name: String) -> Arg { Arg(name) }
}

extension Arg where Value == Device { static var device: Arg { Arg("dev") } }
extension Arg where Value == Permissions { static var mode: Arg { Arg("mode") } }
extension Arg where Value == FileMode { static var fileMode: Arg { Arg("mode") } }
extension Arg where Value == AccessRequest { static var accessMode: Arg { Arg("mode") } }
extension Arg where Value == OpenFlags { static var openFlags: Arg { Arg("flags") } }
extension Arg where Value == RenameFlags { static var renameFlags: Arg { Arg("flags") } }
extension Arg where Value == XattrFlags { static var xattrFlags: Arg { Arg("flags") } }
extension Arg where Value == InotifyMask { static var inotifyMask: Arg { Arg("mask") } }
extension Arg where Value == InotifyFlags { static var inotifyFlags: Arg { Arg("flags") } }
extension Arg where Value == StatxMask { static var statxMask: Arg { Arg("mask") } }
extension Arg where Value == Protection { static var protection: Arg { Arg("prot") } }
extension Arg where Value == MapFlags { static var mapFlags: Arg { Arg("flags") } }
extension Arg where Value == CloseRangeFlags { static var closeRangeFlags: Arg { Arg("flags") } }
extension Arg where Value == UnshareFlags { static var unshareFlags: Arg { Arg("flags") } }
extension Arg where Value == SyncFileRangeFlags { static var syncFileRangeFlags: Arg { Arg("flags") } }
extension Arg where Value == MessageFlags { static var messageFlags: Arg { Arg("flags") } }
extension Arg where Value == SeccompFlags { static var seccompFlags: Arg { Arg("flags") } }
extension Arg where Value == SeccompOperation { static var seccompOperation: Arg { Arg("operation") } }
extension Arg where Value == SocketDomain { static var socketDomain: Arg { Arg("domain") } }
extension Arg where Value == SocketKind { static var socketKind: Arg { Arg("type") } }
extension Arg where Value == Signal { static var signal: Arg { Arg("sig") } }
extension Arg where Value == DescriptorCommand { static var descriptorCommand: Arg { Arg("cmd") } }
extension Arg where Value == ProcessOption { static var processOption: Arg { Arg("option") } }
extension Arg where Value == DeviceCommand { static var deviceCommand: Arg { Arg("request") } }
extension Arg where Value == LockOperation { static var lockOperation: Arg { Arg("operation") } }
extension Arg where Value == FileAdvice { static var fileAdvice: Arg { Arg("advice") } }
extension Arg where Value == PriorityTarget { static var priorityTarget: Arg { Arg("which") } }
extension Arg where Value == InputPriorityTarget { static var inputPriorityTarget: Arg { Arg("which") } }
extension Arg where Value == Resource { static var resource: Arg { Arg("resource") } }
extension Arg where Value == Clock { static var clock: Arg { Arg("clockid") } }

extension Arg where Value == AtFlags {
  static var atFlags: Arg { Arg("flags") }

  /// 0x200 is another flag for each of these two.
  static var unlinkFlags: Arg { with(0x200, "AT_REMOVEDIR") }
  static var accessFlags: Arg { with(0x200, "AT_EACCESS") }

  private static func with(_ bit: UInt32, _ name: StaticString) -> Arg {
    Arg("flags") { register, _ in AtFlags.shown(AtFlags(register: register).rawValue, [(bit, name)] + AtFlags.names) }
  }
}
