// A piece of memory as readv(2), process_vm_readv(2) and their like take it.

/// `struct iovec` (`man 3type iovec`): the memory may be another process's, so its address is a number.
public struct IOVector: BitwiseCopyable, Sendable {
  public var address: UInt64
  public var count: UInt64

  @inlinable
  public init(address: UInt64, count: Int) {
    self.address = address
    self.count = UInt64(bitPattern: Int64(count))
  }

  /// Memory of ours.
  @inlinable
  public init(_ buffer: UnsafeRawBufferPointer) {
    self.init(address: UInt64(UInt(bitPattern: buffer.baseAddress)), count: buffer.count)
  }

  /// IOV_MAX: one call takes no more of them.
  @inlinable
  public static var limit: Int { 1024 }
}
