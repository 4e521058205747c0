// The remap of one file in one stopped process: its descriptors and its mappings. What is there is asked of the kernel at
// that moment, so the same work done twice, or in a process that holds nothing, does nothing. There are no file locks to
// carry over: a lower file is copied up before it is locked (Sentry, Locks.swift).
//
// What a dying process, a full table or a guest's own filter refuses is left as it is: the process then goes on with
// the lower file as it was, and the guest is never stopped for it.

import Gate
import Kernel
import LinuxABI

/// `remap`, in the process of a stopped thread. The tree lock is not held.
struct ProcessRemap: ThreadWork {
  let remap: Remap
  /// The address space may map the file.
  let mayMap: Bool
  let owner: any CoherenceOwner

  func run<Thread: StoppedThread & ~Copyable>(in guest: inout Thread) {
    do throws(RemoteCallError) { try replaceAll(in: &guest) } catch {
      // The thread is gone, or something is refused: the process keeps what it has.
    }
  }

  private func replaceAll<Thread: StoppedThread & ~Copyable>(in guest: inout Thread) throws(RemoteCallError) {
    let thread = guest.thread
    let status = try kernel { () throws(Errno) in try ProcessStatus(of: thread) }
    let calls = try FilteredCalls(in: thread, status, beyond: remap.initialFilters, for: owner)
    let table = DescriptorTable(thread: thread)
    let numbers = try kernel { () throws(Errno) in try table.numbers() }
    let mappings = mayMap ? try mappings(of: thread) : []
    let held = try descriptors(of: table, numbers, thread)
    if held.isEmpty && mappings.isEmpty { return }
    let locked = !mappings.isEmpty && status.number("VmLck:") > 0 ? KernelMapping.lockedRanges(of: thread) : []
    if !calls.allow(mappings, areLocked: !locked.isEmpty, at: guest.instructionPointer) { return }
    for (number, closeOnExec) in held {
      let description =
        Host.takesDescriptors
        ? try kernel { () throws(Errno) in try remap.successor(of: number, in: table, of: thread) }
        : try sentSuccessor(of: number, calls, in: &guest)
      try calls.replaceDescriptor(number, by: description.new.rawValue, closeOnExec: closeOnExec, in: &guest)
    }
    if mappings.isEmpty { return }
    try replace(mappings, or: held.last?.number, used: numbers, locked: locked, calls, in: &guest)
    let lower = try kernel { () throws(Errno) in try remap.listedFiles().lower }
    owner.withCoherence { $0.checkAfterRemap(in: thread, lower: lower) }
  }

  private func sentSuccessor<Thread: StoppedThread & ~Copyable>(
    of number: CInt, _ calls: FilteredCalls, in guest: inout Thread
  ) throws(RemoteCallError) -> Remap.Description {
    let old = try calls.sendDescriptor(number, in: &guest)
    do throws(Errno) { return try remap.successor(ofOur: old) } catch { throw .refused(error) }
  }

  /// The descriptors of the lower file.
  private func descriptors(
    of table: DescriptorTable, _ numbers: [CInt], _ thread: ThreadID
  ) throws(RemoteCallError) -> [(number: CInt, closeOnExec: Bool)] {
    var held: [(CInt, Bool)] = []
    for number in numbers {
      guard let status = try? table.stat(number), FileIdentity(status) == remap.lower else { continue }
      let flags = try kernel { () throws(Errno) in try DescriptorInformation(number, of: thread).flags }
      // No guest gets a lower file for writing: the caller has handed it in, and it stays what it is.
      if !flags.isWriting { held.append((number, flags.contains(.closeOnExec))) }
    }
    return held
  }

  /// What the process has mapped of the lower file, by the kernel's list; empty too if another thread of the space has done
  /// the work. Neighbours that the kernel keeps apart stay apart: one may be under mseal, and the other not.
  private func mappings(of thread: ThreadID) throws(RemoteCallError) -> [KernelMapping] {
    let list = try kernel { () throws(Errno) in
      let lower = try remap.listedFiles().lower
      return try KernelMapping.list(of: thread).filter { $0.file == lower }
    }
    if !list.isEmpty {
      let file = remap.file
      owner.withCoherence { $0.checkBeforeRemap(of: file, in: thread) }
    }
    return list
  }

  /// Maps the upper file over what is mapped of the lower one.
  ///
  /// - Parameters:
  ///   - own: a descriptor of the upper file that the guest has, for one with no room for another: to map through it moves
  ///     the access time.
  ///   - used: the numbers in use.
  ///   - locked: the locked memory of the space (`man 2 mlock`).
  private func replace<Thread: StoppedThread & ~Copyable>(
    _ mappings: [KernelMapping], or own: CInt?, used: [CInt], locked: [Range<UInt64>], _ calls: FilteredCalls,
    in guest: inout Thread
  ) throws(RemoteCallError) {
    let used = Set(used)
    var borrowed = (0..<CInt.max).first { !used.contains($0) }
    do throws(RemoteCallError) {
      if let borrowed {
        try calls.replaceDescriptor(borrowed, by: remap.upperDescriptor, closeOnExec: true, in: &guest)
      }
    } catch {
      if own == nil || error == .threadGone { throw error }
      borrowed = nil
    }
    guard let source = borrowed ?? own else { return }
    let size = try kernel { () throws(Errno) in
      UInt64(clamping: try Host.stat(remap.upperDescriptor).size)
    }
    let mapper = MappingRemap(source: source, size: size, calls: calls)
    for mapping in mappings { try mapper.replace(mapping, locked: locked, in: &guest) }
    if let borrowed { _ = try calls.call(.close(borrowed), in: &guest) }
  }
}

/// Calls that the guest's own filters are asked about first, so that none is made that kills.
struct FilteredCalls: Sendable {
  private let filter: GuestFilter?

  /// - Parameter beyond: how many filters a guest has that has added none.
  /// - Throws: `.notPermitted` if one that a guest has added is not known: it might kill the guest for a call that it did not
  ///   make.
  init(
    in thread: ThreadID, _ status: ProcessStatus, beyond initialFilters: Int, for owner: any CoherenceOwner
  ) throws(RemoteCallError) {
    let added = status.number("Seccomp_filters:").subtractingClamped(initialFilters)
    if added <= 0 {
      filter = nil
      return
    }
    guard let known = owner.withCoherence({ $0.filter(of: thread) }), known.count == added else {
      throw .refused(.notPermitted)
    }
    filter = known
  }

  func allow(_ call: SystemCall, at instructionPointer: UInt64) -> Bool {
    filter?.allows(call, instructionPointer: instructionPointer) ?? true
  }

  /// Whether all is allowed that a remap needs: asked before, so that nothing is done by halves.
  func allow(_ mappings: [KernelMapping], areLocked: Bool, at instructionPointer: UInt64) -> Bool {
    if filter == nil { return true }
    var calls = [SystemCall.descriptorCarrier]
    if !mappings.isEmpty { calls.append(.close(0)) }
    if areLocked { calls.append(SystemCall(.mlock)) }
    // Pages that cannot be read are opened for a moment.
    if mappings.contains(where: { !$0.access.contains(.read) }) { calls.append(SystemCall(.mprotect)) }
    calls += mappings.map { MappingRemap.mapCall($0.range, of: $0, 3) }
    return calls.allSatisfy { allow($0, at: instructionPointer) }
  }

  func call<Thread: StoppedThread & ~Copyable>(
    _ call: SystemCall, in guest: inout Thread
  ) throws(RemoteCallError) -> Int {
    guard allow(call, at: guest.instructionPointer) else { throw .refused(.notPermitted) }
    return try guest.call(call)
  }

  func replaceDescriptor<Thread: StoppedThread & ~Copyable>(
    _ number: CInt, by file: CInt, closeOnExec: Bool, in guest: inout Thread
  ) throws(RemoteCallError) {
    guard allow(.descriptorCarrier, at: guest.instructionPointer) else { throw .refused(.notPermitted) }
    try guest.replaceDescriptor(number, by: file, closeOnExec: closeOnExec)
  }

  func sendDescriptor<Thread: StoppedThread & ~Copyable>(
    _ number: CInt, in guest: inout Thread
  ) throws(RemoteCallError) -> OwnedDescriptor {
    let place = guest.instructionPointer
    guard allow(.descriptorCarrier, at: place), allow(.descriptorSender(0, message: 0), at: place),
      allow(.close(0), at: place)
    else { throw .refused(.notPermitted) }
    return try guest.sendDescriptor(number)
  }
}

/// What the kernel says of a guest, in the terms of the remap: if it says nothing, the remap of this process ends.
func kernel<Result>(_ body: () throws(Errno) -> Result) throws(RemoteCallError) -> Result {
  do throws(Errno) { return try body() } catch { throw .refused(error) }
}
