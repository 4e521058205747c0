// What a thread may do to its own capabilities: capset and the prctl options (security/commoncap.c).

import LinuxABI

extension TaskCredentials {
  /// `capset(2)`: replaces the three sets.
  ///
  /// - Throws: `.notPermitted` if a set would grow beyond what the rules of `man 7 capabilities` allow.
  mutating func setCapabilities(
    effective newEffective: CapabilitySet, permitted newPermitted: CapabilitySet,
    inheritable newInheritable: CapabilitySet
  ) throws(Errno) {
    if !effective.contains(.setCapabilities), !newInheritable.isSubset(of: inheritable.union(permitted)) {
      throw .notPermitted
    }
    guard newInheritable.isSubset(of: inheritable.union(bounding)), newPermitted.isSubset(of: permitted),
      newEffective.isSubset(of: newPermitted)
    else { throw .notPermitted }
    effective = newEffective
    permitted = newPermitted
    inheritable = newInheritable
    ambient.formIntersection(newPermitted.intersection(newInheritable))
  }

  /// prctl(PR_CAPBSET_READ). - Throws: `.invalidArgument` if there is no such capability.
  func isBounding(_ number: UInt64) throws(Errno) -> Bool {
    guard let capability = CapabilitySet(number: number) else { throw .invalidArgument }
    return bounding.isSuperset(of: capability)
  }

  /// prctl(PR_CAPBSET_DROP).
  mutating func dropBounding(_ number: UInt64) throws(Errno) {
    guard effective.contains(.setCapabilities) else { throw .notPermitted }
    guard let capability = CapabilitySet(number: number) else { throw .invalidArgument }
    bounding.subtract(capability)
  }

  /// prctl(PR_SET_KEEPCAPS). - Throws: `.invalidArgument` unless `value` is 0 or 1.
  mutating func setKeepCapabilities(_ value: UInt64) throws(Errno) {
    if value > 1 { throw .invalidArgument }
    if secureBits.contains(.keepCapabilitiesLocked) { throw .notPermitted }
    if value == 1 { secureBits.insert(.keepCapabilities) } else { secureBits.remove(.keepCapabilities) }
  }

  /// prctl(PR_SET_SECUREBITS).
  mutating func setSecureBits(_ value: UInt64) throws(Errno) {
    let new = SecureBits(rawValue: try UInt32(value, or: .notPermitted))
    let held = secureBits.intersection(.locks)
    let frozen = SecureBits(rawValue: held.rawValue >> 1)
    guard frozen.intersection(secureBits.symmetricDifference(new)).isEmpty, held.isSubset(of: new),
      new.isSubset(of: .known), effective.contains(.setCapabilities)
    else { throw .notPermitted }
    secureBits = new
  }

  /// prctl(PR_CAP_AMBIENT) with `operation` PR_CAP_AMBIENT_…; the arguments behind are `arg3` to `arg5`.
  mutating func ambient(_ operation: UInt64, _ number: UInt64, _ fourth: UInt64, _ fifth: UInt64) throws(Errno) -> Int {
    guard fourth == 0, fifth == 0 else { throw .invalidArgument }
    let operation = AmbientOperation(rawValue: operation)
    if operation == .clearAll {
      guard number == 0 else { throw .invalidArgument }
      ambient = []
      return 0
    }
    guard let capability = CapabilitySet(number: number) else { throw .invalidArgument }
    switch operation {
    case .isSet:
      return ambient.isSuperset(of: capability) ? 1 : 0
    case .raise:
      guard permitted.intersection(inheritable).isSuperset(of: capability), !secureBits.contains(.noAmbientRaise) else {
        throw .notPermitted
      }
      ambient.formUnion(capability)
      return 0
    case .lower:
      ambient.subtract(capability)
      return 0
    case .clearAll, nil:
      throw .invalidArgument
    }
  }

  /// prctl(PR_SET_DUMPABLE). - Throws: `.invalidArgument` unless `value` is 0 or 1.
  mutating func setDumpable(_ value: UInt64) throws(Errno) {
    if value > 1 { throw .invalidArgument }
    isDumpable = value == 1
  }
}
