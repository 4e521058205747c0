// A thread sends one of its descriptors to us, where `pidfd_getfd(2)` is refused. The filters that guests have added are asked about
// the calls for it first, as for a remap.

public import Gate
public import LinuxABI

/// The work in the thread.
public struct DescriptorFetch: ThreadWork {
  private let number: CInt
  private let owner: any CoherenceOwner
  private let deliver: @Sendable (Result<CInt, Errno>, ThreadID) -> Void

  /// - Parameter deliver: gets a descriptor of ours, which it closes, or why there is none; on the tracer thread.
  public init(
    _ number: CInt, owner: any CoherenceOwner,
    deliver: @escaping @Sendable (Result<CInt, Errno>, ThreadID) -> Void
  ) {
    self.number = number
    self.owner = owner
    self.deliver = deliver
  }

  public func run<Thread: StoppedThread & ~Copyable>(in thread: inout Thread) {
    let guest = thread.thread
    do throws(RemoteCallError) {
      let status = try kernel { () throws(Errno) in try ProcessStatus(of: guest) }
      let calls = try FilteredCalls(
        in: guest, status, beyond: owner.withCoherence { $0.initialFilters }, for: owner)
      deliver(.success(try calls.sendDescriptor(number, in: &thread).release()), guest)
    } catch {
      switch error {
      case .refused(let errno): deliver(.failure(errno), guest)
      case .threadGone: deliver(.failure(.noSuchProcess), guest)
      }
    }
  }
}
