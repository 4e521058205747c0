// Landlock (`man 7 landlock`): a process gives up the file system but for what its rules allow, for good.

import CLinux
public import LinuxABI

/// The rules of a domain before it is entered.
public struct LandlockRules: ~Copyable {
  private let descriptor: OwnedDescriptor
  /// What the rules are about: all else is left as it is.
  public let handled: LandlockAccess

  /// `landlock_create_ruleset(2)` with LANDLOCK_CREATE_RULESET_VERSION: the kernel's ABI version; 0 if there is no Landlock, or
  /// none for us.
  public static var version: Int { Int(vd_landlock_abi()) }

  /// `landlock_create_ruleset(2)` of all that this kernel knows of files, of abstract sockets and of signals.
  ///
  /// - Precondition: `version` is 2 at the least.
  public init() throws(Errno) {
    let version = Self.version
    var handled = LandlockAccess.first
    if version >= 3 { handled.insert(.truncate) }
    if version >= 5 { handled.insert(.deviceControl) }
    var attributes = LandlockAttributes(handling: handled)
    if version >= 6 { attributes.scope() }
    let size = version >= 6 ? 24 : version >= 4 ? 16 : 8
    descriptor = OwnedDescriptor(
      CInt(
        truncatingIfNeeded: try withUnsafeMutablePointer(to: &attributes) { attributes throws(Errno) in
          try Host.call(.landlock_create_ruleset, Int(bitPattern: attributes), size, 0)
        }))
    self.handled = handled
  }

  /// `landlock_add_rule(2)` with LANDLOCK_RULE_PATH_BENEATH.
  ///
  /// - Parameter access: of it, what is handled and what `place` can have.
  /// - Throws: `.descriptorInBadState` of a pipe or a socket, which needs no rule.
  public borrowing func allow(_ access: LandlockAccess, below place: CInt) throws(Errno) {
    let isDirectory = try Host.stat(place).type == .directory
    let allowed = access.intersection(handled).intersection(isDirectory ? handled : .ofFiles)
    // struct landlock_path_beneath_attr, packed: access, descriptor.
    var rule = (UInt32(truncatingIfNeeded: allowed.rawValue), UInt32(truncatingIfNeeded: allowed.rawValue >> 32), place)
    _ = try withUnsafeMutablePointer(to: &rule) { rule throws(Errno) in
      try Host.call(.landlock_add_rule, Int(descriptor.rawValue), 1, Int(bitPattern: rule), 0)
    }
  }

  /// `landlock_restrict_self(2)`: the calling thread and all that it makes from now on.
  ///
  /// - Precondition: it has no_new_privs.
  public borrowing func restrictThread() throws(Errno) {
    try Host.call(.landlock_restrict_self, Int(descriptor.rawValue), 0)
  }
}
