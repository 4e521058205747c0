// How rows are written. A handler is a function of the call's context and of its arguments, each of its own type; what
// takes them from the registers is generated here, one function for each number of arguments, so that the compiler
// makes plain code of it (of a parameter pack it does not).

import Gate
import LinuxABI

extension SystemCallTable {
  /// The kernel runs it.
  mutating func native<each Value: CallArgument>(
    _ number: Int, _ name: StaticString, _ arguments: repeat Arg<each Value>
  ) {
    add(number, name, Self.erased(repeat each arguments), .native)
  }

  /// It fails.
  mutating func refused<each Value: CallArgument>(
    _ number: Int, _ name: StaticString, _ errno: Errno, _ note: String, _ arguments: repeat Arg<each Value>
  ) {
    add(number, name, Self.erased(repeat each arguments), .refused(errno), note: note)
  }

  /// The kernel runs it or it fails, by its arguments or by the sandbox.
  mutating func filtered<each Value: CallArgument>(
    _ number: Int, _ name: StaticString, _ note: String, _ arguments: repeat Arg<each Value>, treatment: Treatment
  ) {
    add(number, name, Self.erased(repeat each arguments), treatment, note: note)
  }

  private static func erased<each Value: CallArgument>(_ arguments: repeat Arg<each Value>) -> [ShownArgument] {
    var result: [ShownArgument] = []
    for argument in repeat each arguments { result.append(argument.shown) }
    return result
  }

  // MARK: - Served

  mutating func served(
    _ number: Int, _ name: StaticString, as treatment: Treatment, repeated: Bool = false, note: String = "",
    _ handler: @escaping @Sendable (CallContext) throws(Errno) -> Outcome
  ) {
    add(number, name, [], treatment, repeated, note: note) { (call) throws(Errno) in
      try handler(call)
    }
  }

  mutating func served<A: CallArgument>(
    _ number: Int, _ name: StaticString, _ a: Arg<A>, as treatment: Treatment, repeated: Bool = false,
    note: String = "",
    _ handler: @escaping @Sendable (CallContext, A) throws(Errno) -> Outcome
  ) {
    add(number, name, [a.shown], treatment, repeated, note: note) { (call) throws(Errno) in
      try handler(call, A(register: call.registers.0))
    }
  }

  mutating func served<A: CallArgument, B: CallArgument>(
    _ number: Int, _ name: StaticString, _ a: Arg<A>, _ b: Arg<B>, as treatment: Treatment, repeated: Bool = false,
    note: String = "",
    _ handler: @escaping @Sendable (CallContext, A, B) throws(Errno) -> Outcome
  ) {
    add(number, name, [a.shown, b.shown], treatment, repeated, note: note) { (call) throws(Errno) in
      try handler(call, A(register: call.registers.0), B(register: call.registers.1))
    }
  }

  mutating func served<A: CallArgument, B: CallArgument, C: CallArgument>(
    _ number: Int, _ name: StaticString, _ a: Arg<A>, _ b: Arg<B>, _ c: Arg<C>, as treatment: Treatment,
    repeated: Bool = false, note: String = "",
    _ handler: @escaping @Sendable (CallContext, A, B, C) throws(Errno) -> Outcome
  ) {
    add(number, name, [a.shown, b.shown, c.shown], treatment, repeated, note: note) { (call) throws(Errno) in
      try handler(call, A(register: call.registers.0), B(register: call.registers.1), C(register: call.registers.2))
    }
  }

  mutating func served<A: CallArgument, B: CallArgument, C: CallArgument, D: CallArgument>(
    _ number: Int, _ name: StaticString, _ a: Arg<A>, _ b: Arg<B>, _ c: Arg<C>, _ d: Arg<D>, as treatment: Treatment,
    repeated: Bool = false, note: String = "",
    _ handler: @escaping @Sendable (CallContext, A, B, C, D) throws(Errno) -> Outcome
  ) {
    add(number, name, [a.shown, b.shown, c.shown, d.shown], treatment, repeated, note: note) { (call) throws(Errno) in
      try handler(
        call, A(register: call.registers.0), B(register: call.registers.1), C(register: call.registers.2),
        D(register: call.registers.3))
    }
  }

  mutating func served<A: CallArgument, B: CallArgument, C: CallArgument, D: CallArgument, E: CallArgument>(
    _ number: Int, _ name: StaticString, _ a: Arg<A>, _ b: Arg<B>, _ c: Arg<C>, _ d: Arg<D>, _ e: Arg<E>,
    as treatment: Treatment, repeated: Bool = false, note: String = "",
    _ handler: @escaping @Sendable (CallContext, A, B, C, D, E) throws(Errno) -> Outcome
  ) {
    add(number, name, [a.shown, b.shown, c.shown, d.shown, e.shown], treatment, repeated, note: note) {
      (call) throws(Errno) in
      try handler(
        call, A(register: call.registers.0), B(register: call.registers.1), C(register: call.registers.2),
        D(register: call.registers.3), E(register: call.registers.4))
    }
  }

  mutating func served<
    A: CallArgument, B: CallArgument, C: CallArgument, D: CallArgument, E: CallArgument, F: CallArgument
  >(
    _ number: Int, _ name: StaticString, _ a: Arg<A>, _ b: Arg<B>, _ c: Arg<C>, _ d: Arg<D>, _ e: Arg<E>, _ f: Arg<F>,
    as treatment: Treatment, repeated: Bool = false, note: String = "",
    _ handler: @escaping @Sendable (CallContext, A, B, C, D, E, F) throws(Errno) -> Outcome
  ) {
    add(number, name, [a.shown, b.shown, c.shown, d.shown, e.shown, f.shown], treatment, repeated, note: note) {
      (call) throws(Errno) in
      try handler(
        call, A(register: call.registers.0), B(register: call.registers.1), C(register: call.registers.2),
        D(register: call.registers.3), E(register: call.registers.4), F(register: call.registers.5))
    }
  }
}
