// One row of the table of system calls: all that is known of one number.

import Gate
import LinuxABI

/// Answers the call that `context` holds. Throws the errno that the guest gets.
typealias Handler = @Sendable (CallContext) throws(Errno) -> Outcome

/// What becomes of a call, by what a sandbox is made of.
enum Treatment: Sendable {
  /// The same in every sandbox.
  case always(CallPolicy)
  /// It differs.
  case depends(@Sendable (GatePolicy) -> CallPolicy)

  /// The kernel's affair: on descriptors that carry no path, memory, time, and the caller itself.
  static var native: Treatment { .always(CallPolicy(otherwise: .native)) }

  /// Answered by the sentry, which may have the kernel do it.
  static var trace: Treatment { .always(CallPolicy(otherwise: .trace)) }

  /// Answered with a new descriptor, which the notify gate alone can give.
  static var descriptor: Treatment { .always(CallPolicy(otherwise: .notify)) }

  /// Answered with a value and never run by the kernel: by whichever gate `--gate` names.
  static var value: Treatment { .depends { CallPolicy(otherwise: $0.gate == .notify ? .notify : .trace) } }

  /// As `value`; but where `test` holds, of a descriptor that is not one of the tree's the kernel has to be asked, which the
  /// tracer alone can arrange.
  static func value(traceIf test: ArgumentTest) -> Treatment {
    .depends { policy in
      policy.gate == .notify
        ? CallPolicy([ArgumentRule(.trace, when: test)], otherwise: .notify) : CallPolicy(otherwise: .trace)
    }
  }

  static func refused(_ errno: Errno) -> Treatment { .always(CallPolicy(otherwise: .errno(errno))) }

  /// Success, and nothing is done.
  static var withoutEffect: Treatment { .always(CallPolicy(otherwise: .errno(0))) }

  static func when(_ rules: ArgumentRule..., otherwise: Disposition) -> Treatment {
    .always(CallPolicy(rules, otherwise: otherwise))
  }

  func policy(_ policy: GatePolicy) -> CallPolicy {
    switch self {
    case .always(let fixed): fixed
    case .depends(let made): made(policy)
    }
  }
}

/// See the head of this file.
public struct CallRow: Sendable {
  /// As `arch/x86/entry/syscalls/syscall_64.tbl` has it, like the name.
  public let number: Int
  public let name: StaticString
  let arguments: [ShownArgument]
  let treatment: Treatment
  /// Nil if no gate ever stops the call.
  let handler: Handler?
  /// The call may be interrupted and made again later: its handler has done nothing before what may have to wait
  /// (`BackgroundCopyUp`).
  let mayBeRepeated: Bool
  /// Why it is refused, or what is special.
  public let note: String
}
