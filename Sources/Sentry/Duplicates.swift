// Duplicates of guests' descriptors where `pidfd_getfd(2)` is refused (a container engine's default profile). A handler that
// needs one gives its call up; the caller of the call is stopped before it comes back to its program, sends the descriptor
// over a socket made for that (`StoppedThread.sendDescriptor`), and makes its call again, which finds the duplicate there.
//
// The handler judges and uses that one duplicate, whatever the guest's other threads have put at the number meanwhile.

import Coherence
import Gate
import Kernel
import LinuxABI
import ProcFS

/// The file position of a guest's descriptor.
struct DescriptorCursor: ~Copyable {
  /// A duplicate, ours; -1 if there is none.
  private let copy: CInt
  private let known: Int64

  init(duplicate: consuming OwnedDescriptor) {
    copy = duplicate.release()
    known = 0
  }

  /// Without a duplicate the position can be read, and is set by the guest's own descriptor.
  init(position: Int64) {
    copy = -1
    known = position
  }

  deinit { if copy >= 0 { _ = OwnedDescriptor(copy) } }

  func position() throws(Errno) -> Int64 {
    copy < 0 ? known : try Host.seek(copy, to: 0, from: .current)
  }

  /// False if the guest must make the lseek(2) itself.
  func move(to position: Int64) throws(Errno) -> Bool {
    if copy < 0 { return false }
    try Host.seek(copy, to: position)
    return true
  }
}

/// A descriptor that a thread has sent for the call that it makes again.
struct SentDescriptor {
  let call: SystemCall
  let number: CInt
  /// Ours, to be closed; or why there is none.
  let result: Result<CInt, Errno>

  func drop() {
    if case .success(let descriptor) = result { _ = OwnedDescriptor(descriptor) }
  }
}

extension Task {
  /// Forgets what was sent for another call: the thread has gone on to something else (a signal's handler).
  func forgetSent(unlessFor call: SystemCall) {
    guard let first = sent.first else { return }
    if first.call.number != call.number || first.call.arguments != call.arguments { dropSent() }
  }

  func dropSent() {
    for descriptor in sent { descriptor.drop() }
    sent.removeAll()
  }
}

extension CallContext {
  /// How many descriptors may be sent for one call.
  private static var sentLimit: Int { 32 }

  /// A duplicate of the caller's descriptor, which shares its open file description.
  ///
  /// - Precondition: nothing has been done for the call: it may have to come again.
  /// - Throws: `.badFileDescriptor`; anything where the guest must send it first (`wantedDescriptor`); `.tooManyReferences` if that
  ///   would be too many for the call.
  func duplicate(_ descriptor: Descriptor) throws(Errno) -> OwnedDescriptor {
    if Host.takesDescriptors { return try task.descriptors.duplicate(descriptor.number) }
    let status = try status(descriptor)
    // What it has sent stays until the call is answered: another descriptor of the same call may have to be sent first.
    if let index = task.sent.firstIndex(where: { $0.number == descriptor.number }) {
      let copy = try Host.duplicate(try task.sent[index].result.get())
      // Otherwise another file has come to the number since, by the thread's own doing in a signal's handler: once more.
      if FileIdentity(try Host.stat(copy.rawValue)) == FileIdentity(status) { return copy }
      task.sent.remove(at: index).drop()
    }
    if task.sent.count >= Self.sentLimit { throw .tooManyReferences }
    sandbox.wantedDescriptor = descriptor.number
    throw .interrupted
  }

  /// A duplicate of a Unix socket; nil for any other one, whose call is the kernel's. Where the guest would have to send it, the
  /// kernel is asked for the protocol first.
  ///
  /// - Throws: as `duplicate`.
  func unixSocket(_ descriptor: Descriptor) throws(Errno) -> OwnedDescriptor? {
    if !Host.takesDescriptors, task.sent.isEmpty, try descriptors.protocolName(descriptor.number).isInternet {
      return nil
    }
    let socket = try duplicate(descriptor)
    if try Host.addressFamily(of: socket.rawValue) != .unix { return nil }
    return socket
  }

  /// - Throws: as `duplicate`.
  func isUnixSocket(_ descriptor: Descriptor) throws(Errno) -> Bool {
    if !Host.takesDescriptors, try descriptors.protocolName(descriptor.number).isInternet { return false }
    let socket = try duplicate(descriptor)
    return try Host.addressFamily(of: socket.rawValue) == .unix
  }
}

extension DescriptorTable {
  /// What a guest has open that is no file of the tree, looked at once.
  ///
  /// - Throws: `.badFileDescriptor`.
  func foreign(_ number: CInt) throws(Errno) -> ForeignDescriptor {
    if Host.takesDescriptors { return try ForeignDescriptor(try duplicate(number)) }
    let handle = try handle(number)
    let flags = handle.flags
    return try ForeignDescriptor(handle: handle.takeFile(), flags: flags)
  }

  /// The file position of a guest's descriptor, to be read and set.
  ///
  /// - Throws: `.badFileDescriptor`.
  func cursor(_ number: CInt) throws(Errno) -> DescriptorCursor {
    Host.takesDescriptors
      ? DescriptorCursor(duplicate: try duplicate(number)) : DescriptorCursor(position: try position(number))
  }
}

extension Sentry {
  /// Has a thread send us a descriptor before it makes its call again. Called without the tree lock.
  func fetch(_ number: CInt, for call: SystemCall, of thread: ThreadID, by control: any GuestControl) {
    let fetch = DescriptorFetch(number, owner: self) { [weak self] (result, thread) in
      let sent = SentDescriptor(call: call, number: number, result: result)
      if let self { self.deliver(sent, to: thread) } else { sent.drop() }
    }
    control.withStoppedGuests(FetchOfOneThread(fetch: fetch, thread: thread))
    control.wake(thread)
  }
}

/// The thread has a call to come back to: it sends the descriptor on its way there.
private struct FetchOfOneThread: StoppedGuestsWork {
  let fetch: DescriptorFetch
  let thread: ThreadID

  func run<Guests: StoppedGuests & ~Copyable>(on guests: inout Guests) { guests.later(fetch, in: [thread]) }
}
