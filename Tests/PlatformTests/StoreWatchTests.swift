// The store of a sandbox without namespaces, measured while somebody fills it.

import CLinux
import Glibc
import Kernel
import Testing

@testable import Platform

struct StoreWatchTests {
  @Test func endsWhatOutgrowsTheLimit() throws {
    var template = Array("/dev/shm/vedette-test.XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw LaunchError(.system, "mkdtemp") }
    let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    defer { vd_remove_tree(path) }
    #expect(mkdir("\(path)/0", 0o700) == 0)
    let root = try Host.openTrusted(path, .directory)
    let file = try Host.openTrusted("\(path)/0/1", [.writeOnly, .create], mode: 0o600)
    let watch = StoreWatch(root.rawValue, limit: 1 << 20)
    // Below the limit it only measures.
    #expect(posix_fallocate(file.rawValue, 0, 512 << 10) == 0)
    let quiet = try WorkerThread.start { watch.run {} }
    usleep(300_000)
    #expect(watch.usage.used == 512 << 10 && !watch.usage.isFull && !watch.hasOutgrown)
    watch.stop()
    quiet.stop()
    // Past the limit and its margin it ends the run at once.
    #expect(posix_fallocate(file.rawValue, 0, 2 << 20) == 0)
    let other = StoreWatch(root.rawValue, limit: 1 << 20)
    var ended = false
    other.run { ended = true }
    #expect(ended && other.hasOutgrown && other.usage.isFull)
  }
}
