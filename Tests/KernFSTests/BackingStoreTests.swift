// Files, placeholders and generated content in the store.

import CLinux
import Glibc
import Kernel
import KernFS
import LinuxABI
import Testing
import TestSupport

struct BackingStoreTests {
  @Test func filesHaveNumbersAndAreGoneWhenRemoved() throws {
    let scratch = try Scratch()
    var numbers: Set<UInt64> = []
    for _ in 0..<40 { numbers.insert(try scratch.store.createFile()) }
    #expect(numbers.count == 40)
    let number = try #require(numbers.first)
    let descriptor = try scratch.store.open(number, [.readWrite])
    #expect(try Host.stat(descriptor.rawValue).mode == 0o100600)
    #expect(Glibc.write(descriptor.rawValue, "abc", 3) == 3)
    #expect(try scratch.store.stat(number).size == 3)
    scratch.store.remove(number)
    #expect(errno { () throws(Errno) in _ = try scratch.store.open(number, []) } == .noSuchFileOrDirectory)
    scratch.store.remove(number)
  }

  /// The second question opens a descriptor, the third uses it; what it answers is never old.
  @Test func hotStatusIsNeverStale() throws {
    let scratch = try Scratch()
    let number = try scratch.store.createFile()
    for size in 1..<10 {
      try scratch.store.truncate(number, to: Int64(size))
      #expect(try scratch.store.stat(number).size == size)
    }
    scratch.store.remove(number)
    #expect(errno { () throws(Errno) in _ = try scratch.store.stat(number) } == .noSuchFileOrDirectory)
  }

  @Test func timesAreSetWithNanoseconds() throws {
    let scratch = try Scratch()
    let number = try scratch.store.createFile()
    try scratch.store.setTimes(
      number, access: .set(Timestamp(seconds: -5, nanoseconds: 1)),
      modification: .set(Timestamp(seconds: 7, nanoseconds: 999_999_999)))
    let status = try scratch.store.stat(number)
    #expect(status.accessTime.seconds == -5 && status.accessTime.nanoseconds == 1)
    #expect(status.modificationTime.seconds == 7 && status.modificationTime.nanoseconds == 999_999_999)
    try scratch.store.setTimes(number, access: .keep, modification: .now)
    #expect(try scratch.store.stat(number).accessTime.seconds == -5)
    #expect(try scratch.store.stat(number).modificationTime.seconds > 1_000_000)
  }

  @Test func placeholdersAreDistinctAndNothingCanBeMadeInThem() throws {
    let scratch = try Scratch()
    let one = try scratch.store.makePlaceholderDirectory()
    let two = try scratch.store.makePlaceholderDirectory()
    #expect(try Host.stat(one.rawValue).inode != Host.stat(two.rawValue).inode)
    let first = try Host.openTrusted(".", in: one.rawValue, [.directory])
    let second = try Host.openTrusted(".", in: one.rawValue, [.directory])
    #expect(try Host.stat(first.rawValue).inode == Host.stat(second.rawValue).inode)
    #expect(lseek(first.rawValue, 5, SEEK_SET) == 5)
    #expect(lseek(second.rawValue, 0, SEEK_CUR) == 0)
    var byte: UInt8 = 0
    #expect(Glibc.read(first.rawValue, &byte, 1) == -1)
    #expect(
      errno { () throws(Errno) in try Host.makeDirectory("x", in: first.rawValue, mode: 0o700) }
        == .noSuchFileOrDirectory)
    let file = try scratch.store.makePlaceholderFile()
    #expect(Glibc.read(file.rawValue, &byte, 1) == -1)
  }

  @Test func generatedContentIsReadOnlyAndNameless() throws {
    let scratch = try Scratch()
    let descriptor = try scratch.store.temporaryFile(containing: Array("text".utf8), [])
    #expect(try Host.readAll(descriptor.rawValue) == Array("text".utf8))
    #expect(try Host.stat(descriptor.rawValue).linkCount == 0)
    #expect(Glibc.write(descriptor.rawValue, "x", 1) == -1)
    let empty = try scratch.store.temporaryFile(containing: [], [])
    #expect(try Host.readAll(empty.rawValue) == [])
  }

  @Test func socketPlacesCanBeBoundAndConnected() throws {
    let scratch = try Scratch()
    let number = try scratch.store.reserveSocketNumber()
    let path = scratch.store.path(of: number)
    #expect(path.count < 108)
    func address() -> sockaddr_un {
      var address = sockaddr_un()
      address.sun_family = sa_family_t(AF_UNIX)
      withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path) }
      return address
    }
    var name = address()
    let server = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    let client = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    defer {
      close(server)
      close(client)
    }
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    withUnsafePointer(to: &name) { name in
      name.withMemoryRebound(to: sockaddr.self, capacity: 1) { name in
        #expect(bind(server, name, size) == 0)
        #expect(listen(server, 1) == 0)
        #expect(connect(client, name, size) == 0)
      }
    }
    scratch.store.remove(number)
  }
}
