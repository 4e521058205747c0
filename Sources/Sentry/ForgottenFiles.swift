// Host files that were opened for guests and that the registry keeps no node of: a descriptor of one may be anywhere still
// (in flight in a socket, in a process that is being born) and comes back. That the file is one of a layer is never
// forgotten while the sandbox lives; where it stands in the tree is found again when it is asked for.

/// A set of identities, 11 to 22 bytes each: nothing is ever taken out.
struct ForgottenFiles {
  /// By `st_dev`: there are few devices and many files.
  private var numbers: [UInt64: Set<UInt64>] = [:]

  mutating func insert(_ file: BackingIdentity) { numbers[file.device, default: []].insert(file.number) }

  @inline(__always)
  func contains(_ file: BackingIdentity) -> Bool {
    if numbers.isEmpty { return false }
    return numbers[file.device]?.contains(file.number) ?? false
  }

  var count: Int { numbers.values.reduce(0) { $0 + $1.count } }
}
