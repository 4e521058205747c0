// Resource limits that are not the kernel's to answer: RLIMIT_CORE is 1 in the kernel and 0 to guests, and no guest changes
// the limits of the sandbox's init.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addLimits() {
    let core = UInt32(Resource.core.rawValue)
    let ofCore = Treatment.when(ArgumentRule(.trace, when: .int(0, core)), otherwise: .native)
    served(97, "getrlimit", .resource, .limit("rlim"), as: ofCore) { (call, _, limit) throws(Errno) in
      if limit.isNull { throw .badAddress }
      return try call.coreLimit(new: .null, old: limit)
    }
    served(160, "setrlimit", .resource, .limit("rlim"), as: ofCore) { (call, _, limit) throws(Errno) in
      if limit.isNull { throw .badAddress }
      return try call.coreLimit(new: limit, old: .null)
    }
    let coreRule = ArgumentRule(.trace, when: .int(1, core))
    served(
      302, "prlimit64", .pid, .resource, .limit("new_limit"), .limit("old_limit"),
      as: .depends { policy in
        switch policy.isolation {
        // Process one of the pid namespace.
        case .full: CallPolicy([coreRule, ArgumentRule(.trace, when: .int(0, 1))], otherwise: .native)
        case .noNamespaces: CallPolicy([coreRule, ArgumentRule(.native, when: .int(0, 0))], otherwise: .trace)
        }
      }
    ) { (call, process, resource, new, old) throws(Errno) in
      // Process one of the pid namespace: root's, as natively.
      if call.hasPidNamespace, process == 1 { throw .notPermitted }
      guard resource == .core else { return try call.nativeIfGuestOrSelf(process) }
      if process != 0, call.tasks.task(insideID: process) == nil { throw .noSuchProcess }
      return try call.coreLimit(new: new, old: old)
    }
    native(98, "getrusage", .int("who"), .bytes("usage"))
  }
}

extension Arg where Value == Pointer<ResourceLimit> {
  fileprivate static func limit(_ name: String) -> Arg { Arg(name) }
}

extension CallContext {
  /// RLIMIT_CORE of any guest (`man 2 getrlimit`): none at all, soft and hard. The kernel's is 1, which keeps a core from a
  /// program that core_pattern names too (`man 5 core`), so a guest may not set it, not even to 0.
  fileprivate func coreLimit(new: Pointer<ResourceLimit>, old: Pointer<ResourceLimit>) throws(Errno) -> Outcome {
    if !new.isNull {
      let limit = try memory.load(new)
      if limit.soft > limit.hard { throw .invalidArgument }
      if limit.hard > 0 { throw .notPermitted }
    }
    if !old.isNull { try memory.store(ResourceLimit(soft: 0, hard: 0), at: old) }
    return .value(0)
  }
}
