// What a descriptor that is no node of the tree allows.

import Glibc
import Kernel
import KernFS
import LinuxABI
import ProcFS
import Testing
import TestSupport
import VFS

struct ForeignFileTests {
  private let scratch: Scratch
  private var path: String { scratch.path + "/handed-in" }

  init() throws {
    scratch = try Scratch()
    let file = open(scratch.path + "/handed-in", O_CREAT | O_WRONLY, 0o666)
    try #require(file >= 0 && write(file, "content", 7) == 7)
    close(file)
  }

  private func descriptor(_ flags: CInt) throws -> ForeignDescriptor {
    try ForeignDescriptor(OwnedDescriptor(open(path, flags)))
  }

  private func refusal(_ file: borrowing ForeignDescriptor, _ flags: OpenFlags) -> Errno? {
    do throws(Errno) {
      _ = try file.open(flags)
      return nil
    } catch {
      return error
    }
  }

  private var size: Int {
    var status = stat()
    return stat(path, &status) == 0 ? status.st_size : -1
  }

  @Test func readOnlyFileIsOnlyRead() throws {
    let file = try descriptor(O_RDONLY)
    #expect(refusal(file, []) == nil)
    for flags: OpenFlags in [
      .truncate, .readWrite, .writeOnly, [.writeOnly, .append], [.readWrite, .create, .truncate],
    ] {
      #expect(refusal(file, flags) == .permissionDenied)
    }
    #expect(refusal(file, .noAccessTime) == .notPermitted)
    #expect(errno { () throws(Errno) in try file.truncate(to: 0) } == .permissionDenied)
    #expect(size == 7)
  }

  /// Without a duplicate: the file itself, and what the guest's descriptor allowed.
  @Test func handleAllowsWhatTheDescriptorDid() throws {
    let reading = try ForeignDescriptor(handle: OwnedDescriptor(open(path, 0o10000000)), flags: [])
    #expect(refusal(reading, []) == nil)
    #expect(refusal(reading, .writeOnly) == .permissionDenied)
    #expect(refusal(reading, .truncate) == .permissionDenied)
    #expect(errno { () throws(Errno) in try reading.truncate(to: 0) } == .permissionDenied)
    #expect(size == 7)
    let writing = try ForeignDescriptor(handle: OwnedDescriptor(open(path, 0o10000000)), flags: .writeOnly)
    #expect(refusal(writing, []) == .permissionDenied)
    try writing.truncate(to: 3)
    #expect(size == 3)
    let neither = try ForeignDescriptor(handle: OwnedDescriptor(open(path, 0o10000000)), flags: .path)
    #expect(refusal(neither, []) == .permissionDenied)
  }

  @Test func writtenFileIsNotRead() throws {
    let file = try descriptor(O_WRONLY)
    #expect(refusal(file, []) == .permissionDenied)
    #expect(refusal(file, .readWrite) == .permissionDenied)
    #expect(refusal(file, [.writeOnly, .truncate]) == nil)
    #expect(size == 0)
    try file.truncate(to: 3)
    #expect(size == 3)
  }

  /// Mode 3 is how an O_PATH descriptor looks that a guest was given.
  @Test func pathDescriptorAllowsNothing() throws {
    for flags in [CInt(OpenFlags.path.rawValue), 3] {
      let file = try descriptor(flags)
      #expect(refusal(file, []) == .permissionDenied)
      #expect(refusal(file, .writeOnly) == .permissionDenied)
    }
  }

  @Test func deviceGetsNoMoreThanItHas() throws {
    let device = try ForeignDescriptor(OwnedDescriptor(open("/dev/zero", O_RDONLY)))
    #expect(refusal(device, []) == nil)
    #expect(refusal(device, .readWrite) == .permissionDenied)
    #expect(refusal(device, .writeOnly) == .permissionDenied)
  }

  @Test func directoryIsNotOpened() throws {
    let directory = try ForeignDescriptor(OwnedDescriptor(open(scratch.path, O_RDONLY | O_DIRECTORY)))
    #expect(refusal(directory, .directory) == .permissionDenied)
  }

  @Test func onlyANamelessPipeHasBothEnds() throws {
    var ends: [CInt] = [-1, -1]
    try #require(pipe(&ends) == 0)
    defer { for end in ends { close(end) } }
    let end = try ForeignDescriptor(try Host.duplicate(ends[0]))
    #expect(end.isAnonymousPipe && refusal(end, .writeOnly) == nil)
    try #require(mkfifo(scratch.path + "/fifo", 0o600) == 0)
    let named = try ForeignDescriptor(OwnedDescriptor(open(scratch.path + "/fifo", O_RDONLY | O_NONBLOCK)))
    #expect(!named.isAnonymousPipe && refusal(named, .writeOnly) == .permissionDenied)
    // Without waiting for a writer, and as asked afterwards.
    let again = try named.open([])
    #expect(fcntl(again.rawValue, F_GETFL) & O_NONBLOCK == 0)
  }

  /// The duplicate stays what it was, whatever the number becomes.
  @Test func numberThatIsExchangedChangesNothing() throws {
    let number = open(path, O_RDONLY)
    let file = try ForeignDescriptor(try Host.duplicate(number))
    let other = open(path, O_RDWR)
    dup2(other, number)
    defer { for number in [other, number] { close(number) } }
    #expect(refusal(file, .readWrite) == .permissionDenied)
    #expect(errno { () throws(Errno) in try file.truncate(to: 0) } == .permissionDenied)
    #expect(size == 7)
  }
}
