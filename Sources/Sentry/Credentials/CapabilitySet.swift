// Capability sets and securebits as values (`man 7 capabilities`). Their bits are linux/capability.h's and
// linux/securebits.h's.

import LinuxABI
import VFS

/// A set of capabilities.
struct CapabilitySet: OptionSet, Sendable, Hashable {
  let rawValue: UInt64

  /// Bits beyond CAP_LAST_CAP are dropped.
  init(rawValue: UInt64) { self.rawValue = rawValue & Credentials.allCapabilities }

  /// The set of one capability; nil if Linux defines none of that number (`cap_valid`).
  init?(number: UInt64) {
    guard number <= 40 else { return nil }
    self.init(rawValue: 1 << number)
  }

  static let all = CapabilitySet(rawValue: Credentials.allCapabilities)
  static let setGroupID = CapabilitySet(rawValue: 1 << 6)
  static let setUserID = CapabilitySet(rawValue: 1 << 7)
  static let setCapabilities = CapabilitySet(rawValue: 1 << 8)

  /// What comes and goes with a file-system uid of 0: CAP_FS_SET.
  static let fileSystem = CapabilitySet(
    rawValue: 1 << 0 | 1 << 1 | 1 << 2 | 1 << 3 | 1 << 4 | 1 << 9 | 1 << 27 | 1 << 32)
}

/// The flags that make uid 0 less special; each has a lock one bit above it.
struct SecureBits: OptionSet, Sendable, Hashable {
  let rawValue: UInt32
  init(rawValue: UInt32) { self.rawValue = rawValue }

  /// SECBIT_NOROOT: execve gives uid 0 nothing.
  static let noRoot = SecureBits(rawValue: 1 << 0)
  /// SECBIT_NO_SETUID_FIXUP: changing uids changes no capabilities.
  static let noFixup = SecureBits(rawValue: 1 << 2)
  /// SECBIT_KEEP_CAPS, also PR_SET_KEEPCAPS.
  static let keepCapabilities = SecureBits(rawValue: 1 << 4)
  static let keepCapabilitiesLocked = SecureBits(rawValue: 1 << 5)
  /// SECBIT_NO_CAP_AMBIENT_RAISE.
  static let noAmbientRaise = SecureBits(rawValue: 1 << 6)

  static let locks = SecureBits(rawValue: 0xaa)
  static let known = SecureBits(rawValue: 0xff)
}
