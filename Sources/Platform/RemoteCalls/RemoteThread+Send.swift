// A guest's descriptor comes to us by a message of its own (SCM_RIGHTS, `man 7 unix`), for where `pidfd_getfd(2)` is refused. Three
// calls are injected: one whose answer installs an end of a new socket pair, sendmsg(2), close(2).
//
// The pair is made for this one message and our end is closed after it, so what the guest's other threads do with theirs
// meanwhile leads nowhere. They can change the message before the kernel reads it: then another one of the guest's
// descriptors comes, or none.

import Gate
import Kernel
import LinuxABI

extension RemoteThread {
  mutating func sendDescriptor(_ number: CInt) throws(RemoteCallError) -> OwnedDescriptor {
    let ends: (CInt, CInt)
    do throws(Errno) { ends = try DescriptorMessage.makePair() } catch { throw .refused(error) }
    let ours = OwnedDescriptor(ends.0)
    let guests = OwnedDescriptor(ends.1)
    let injected = try install(guests.rawValue, at: nil, closeOnExec: true)
    let sent: Result<Void, RemoteCallError>
    do throws(RemoteCallError) { sent = .success(try send(number, over: injected)) } catch { sent = .failure(error) }
    _ = try call(.close(injected))
    try sent.get()
    do throws(Errno) { return try DescriptorMessage.receive(from: ours.rawValue) } catch { throw .refused(error) }
  }

  /// Lays the message below the stack, and puts back what lies there.
  private mutating func send(_ number: CInt, over socket: CInt) throws(RemoteCallError) {
    // Below the red zone of 128 bytes that the ABI lets a leaf function use.
    let size = DescriptorMessage.size
    let address = (stackPointer &- 128 &- UInt64(size)) & ~15
    let memory = GuestMemory(thread: thread)
    var former = [UInt8](repeating: 0, count: size)
    var message = former
    message.withUnsafeMutableBytes { DescriptorMessage.write(number, into: $0, at: address) }
    let isMapped: Bool
    do throws(Errno) {
      isMapped = try Self.exchange(message, at: address, in: memory, &former)
    } catch {
      throw .refused(error)
    }
    let result = try run(.descriptorSender(socket, message: address), duringWait: {})
    do throws(Errno) {
      if isMapped { try Self.write(former, at: address, in: memory) }
      _ = try Errno.check(result)
    } catch {
      throw .refused(error)
    }
  }

  /// Writes `message`. False if there was nothing before: a stack that has not grown so far grows by a debugger's write.
  private static func exchange(
    _ message: [UInt8], at address: UInt64, in memory: GuestMemory, _ former: inout [UInt8]
  ) throws(Errno) -> Bool {
    let read: Result<Void, Errno> = former.withUnsafeMutableBytes { former in
      do throws(Errno) { return .success(try memory.read(into: former, at: address)) } catch { return .failure(error) }
    }
    if case .failure(let error) = read {
      if error != .badAddress { throw error }
      let grown: Result<Void, Errno> = message.withUnsafeBytes { bytes in
        do throws(Errno) { return .success(try memory.poke(bytes, at: address)) } catch { return .failure(error) }
      }
      try grown.get()
      return false
    }
    try write(message, at: address, in: memory)
    return true
  }

  private static func write(_ bytes: [UInt8], at address: UInt64, in memory: GuestMemory) throws(Errno) {
    let written: Result<Void, Errno> = bytes.withUnsafeBytes { bytes in
      do throws(Errno) { return .success(try memory.write(bytes, at: address)) } catch { return .failure(error) }
    }
    try written.get()
  }
}
