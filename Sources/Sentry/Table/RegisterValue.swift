// The way back: a call that the kernel is to run in place of the guest's, made of typed values.

import Gate
import LinuxABI

/// What can be an argument of a call that the sentry makes up.
protocol RegisterValue {
  var register: UInt64 { get }
}

extension Int: RegisterValue { var register: UInt64 { UInt64(bitPattern: Int64(self)) } }
extension CInt: RegisterValue { var register: UInt64 { UInt64(bitPattern: Int64(self)) } }
extension Descriptor: RegisterValue { var register: UInt64 { number.register } }
extension Pointer: RegisterValue { var register: UInt64 { address } }
extension SocketAddressPointer: RegisterValue { var register: UInt64 { address } }
extension ByteCount: RegisterValue { var register: UInt64 { value } }
extension Signal: RegisterValue { var register: UInt64 { rawValue.register } }
extension ProcessOption: RegisterValue { var register: UInt64 { rawValue.register } }
extension DeviceCommand: RegisterValue { var register: UInt64 { rawValue.register } }
extension InputPriorityTarget: RegisterValue { var register: UInt64 { rawValue.register } }
extension MessageFlags: RegisterValue { var register: UInt64 { UInt64(rawValue) } }

extension Outcome {
  /// Answered with what a call of ours in place of the guest's returns, or fails with.
  static func answer(_ call: () throws(Errno) -> Int) -> Outcome {
    do throws(Errno) { return .value(try call()) } catch { return .value(error.result) }
  }
}

extension SystemCall {
  /// A call with these arguments, at most six; the others are 0.
  init<each Value: RegisterValue>(_ number: SystemCallNumber, _ values: repeat each Value) {
    self.init(number: number.index, arguments: (0, 0, 0, 0, 0, 0))
    var index = 0
    for value in repeat each values {
      setArgument(index, value.register)
      index += 1
    }
  }
}
