// The capabilities of this process, by way of libcap (cap_get_proc(3)).
//
// What runs between the fork and the first exec of a guest, and as init of the namespaces, drops its own in C with the bare
// calls (`vd_drop_capabilities`): libcap allocates, and another thread of the process that forked may hold the allocator's
// lock. All it drops is everything, for which no state has to be read or composed.

import CCap
import CLinux
public import LinuxABI

extension Host {
  /// Drops all capabilities but those of `kept` (bit N for capability N) of the calling thread and those it makes: the
  /// effective, permitted and inheritable ones, the ambient ones, and the bounding set as far as that is allowed.
  public static func limitCapabilities(to kept: UInt64) throws(Errno) {
    guard let state = cap_get_proc() else { throw Errno(rawValue: vd_errno()) }
    defer { cap_free(UnsafeMutableRawPointer(state)) }
    var hasAny = false
    for value in 0..<cap_max_bits() {
      var isPermitted = CAP_CLEAR
      if cap_get_flag(state, value, CAP_PERMITTED, &isPermitted) != 0 { throw Errno(rawValue: vd_errno()) }
      if isPermitted != CAP_SET { continue }
      hasAny = true
      try set(kept & (1 << UInt64(value)) != 0, value, in: state)
    }
    if !hasAny { return }
    // The bounding set needs CAP_SETPCAP; without it the kernel says so.
    for value in 0..<cap_max_bits() where cap_drop_bound(value) != 0 { break }
    cap_reset_ambient()
    if cap_clear_flag(state, CAP_INHERITABLE) != 0 || cap_set_proc(state) != 0 { throw Errno(rawValue: vd_errno()) }
  }

  /// A permitted capability: effective as well, or neither.
  private static func set(_ isKept: Bool, _ value: cap_value_t, in state: cap_t) throws(Errno) {
    let flags = isKept ? [CAP_EFFECTIVE] : [CAP_EFFECTIVE, CAP_PERMITTED]
    for flag in flags {
      let result = withUnsafePointer(to: value) { cap_set_flag(state, flag, 1, $0, isKept ? CAP_SET : CAP_CLEAR) }
      if result != 0 { throw Errno(rawValue: vd_errno()) }
    }
  }

  /// For people: the capabilities of this process as cap_to_text(3) writes them; nil if they are unknown.
  public static var capabilityText: String? {
    guard let state = cap_get_proc() else { return nil }
    defer { cap_free(UnsafeMutableRawPointer(state)) }
    guard let text = cap_to_text(state, nil) else { return nil }
    defer { cap_free(text) }
    return String(cString: text)
  }
}
