// capget, capset (kernel/capability.c), and the options of prctl(2) that concern capabilities. The rules are in
// Credentials/.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addCapabilities() {
    served(125, "capget", .header, .capabilities("datap"), as: .trace) { (call, header, data) throws(Errno) in
      try call.getCapabilities(header, into: data)
    }
    served(126, "capset", .header, .capabilities("datap"), as: .trace) { (call, header, data) throws(Errno) in
      try call.setCapabilities(header, from: data)
    }
  }
}

/// `struct __user_cap_header_struct`: the version, which says how large the data is, and the number of a thread.
struct CapabilityHeader: BitwiseCopyable {
  var version: UInt32
  var thread: Int32
}

extension Arg where Value == Pointer<CapabilityHeader> {
  fileprivate static var header: Arg { Arg("hdrp") }
}

extension Arg where Value == Pointer<UInt32> {
  fileprivate static func capabilities(_ name: String) -> Arg { Arg(name) }
}

extension CallContext {
  /// How many 32-bit triples the data has, by the header's version.
  ///
  /// - Throws: `.invalidArgument` for an unknown version, with the kernel's own written into the header.
  private func tripleCount(_ header: Pointer<CapabilityHeader>) throws(Errno) -> Int {
    switch try memory.load(header.cast(to: UInt32.self)) {
    case 0x1998_0330: return 1
    case 0x2007_1026, 0x2008_0522: return 2
    default:
      try memory.store(0x2008_0522, at: header.cast(to: UInt32.self))
      throw .invalidArgument
    }
  }

  /// The second word of the header.
  private func thread(_ header: Pointer<CapabilityHeader>) throws(Errno) -> Int32 {
    try memory.load(Pointer<Int32>(header.address &+ 4))
  }

  fileprivate func getCapabilities(_ header: Pointer<CapabilityHeader>, into data: Pointer<UInt32>) throws(Errno)
    -> Outcome
  {
    let count: Int
    do throws(Errno) { count = try tripleCount(header) } catch {
      // The way to ask for the version: a null data pointer makes it no error.
      if data.isNull, error == .invalidArgument { return .value(0) }
      throw error
    }
    if data.isNull { return .value(0) }
    let number = try thread(header)
    if number < 0 { throw .invalidArgument }
    var target = task.credentials
    if number != 0, number != tasks.insideID(of: task) {
      guard let other = tasks.task(insideID: number) else { throw .noSuchProcess }
      target = other.credentials
    }
    var words: [UInt32] = []
    for half in 0..<count {
      for set in [target.effective, target.permitted, target.inheritable] {
        words.append(UInt32(truncatingIfNeeded: set.rawValue >> UInt64(32 * half)))
      }
    }
    try memory.write(words.withUnsafeBytes { [UInt8]($0) }, at: data.address)
    return .value(0)
  }

  fileprivate func setCapabilities(_ header: Pointer<CapabilityHeader>, from data: Pointer<UInt32>) throws(Errno)
    -> Outcome
  {
    let count = try tripleCount(header)
    let number = try thread(header)
    if number != 0, number != tasks.insideID(of: task) { throw .notPermitted }
    let words = try withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 3 * count) { buffer throws(Errno) in
      try memory.read(into: UnsafeMutableRawBufferPointer(buffer), at: data.address)
      return [UInt32](buffer)
    }
    func set(_ index: Int) -> CapabilitySet {
      CapabilitySet(rawValue: UInt64(words[index]) | (count == 2 ? UInt64(words[index + 3]) << 32 : 0))
    }
    try task.credentials.setCapabilities(effective: set(0), permitted: set(1), inheritable: set(2))
    return .value(0)
  }

  /// The options of `prctl(2)` that the sentry keeps. - Throws: `.invalidArgument` for another.
  func control(_ option: ProcessOption, _ arguments: (UInt64, UInt64, UInt64, UInt64)) throws(Errno) -> Outcome {
    let (value, third, fourth, fifth) = arguments
    switch option {
    case .getDumpable: return .value(task.credentials.isDumpable ? 1 : 0)
    case .setDumpable: try task.credentials.setDumpable(value)
    case .getKeepCapabilities: return .value(task.credentials.secureBits.contains(.keepCapabilities) ? 1 : 0)
    case .setKeepCapabilities: try task.credentials.setKeepCapabilities(value)
    case .readBoundingSet: return .value(try task.credentials.isBounding(value) ? 1 : 0)
    case .dropBoundingSet: try task.credentials.dropBounding(value)
    case .getSecureBits: return .value(Int(task.credentials.secureBits.rawValue))
    case .setSecureBits: try task.credentials.setSecureBits(value)
    case .ambientSet: return .value(try task.credentials.ambient(value, third, fourth, fifth))
    default: throw .invalidArgument
    }
    return .value(0)
  }
}
