// An archive file as it comes: plain, or compressed, in which case the system's own program takes it apart for us.

import CLinux
import Glibc
import LinuxABI

/// Opens archives by what their first bytes say.
enum LayerArchive {
  /// The size of the archive at `path` as it lies there, compressed or not; 0 for what is no regular file.
  static func size(_ path: ByteString) -> Int64 {
    do throws(Errno) {
      let file = try path.open([.path])
      let status = try Host.stat(file.rawValue)
      return FileType(mode: UInt32(status.st_mode)) == .regular ? Int64(status.st_size) : 0
    } catch {
      return 0
    }
  }

  /// Calls `body` with a reader of the archive at `path`, and a descriptor whose offset tells how far the archive has been
  /// read; the program that decompresses it has ended well afterwards.
  static func read(
    _ path: ByteString, _ body: (inout TarReader, CInt) throws(ReportedError) -> Void
  ) throws(ReportedError) {
    let file: CInt
    let magic: [UInt8]
    do throws(Errno) {
      file = try path.open([.nonBlocking]).release()
    } catch {
      throw ReportedError("import: '\(path)': \(error)")
    }
    let archive = OwnedDescriptor(file)
    do throws(Errno) {
      guard FileType(mode: UInt32(try Host.stat(file).st_mode)) != .directory else { throw .isDirectory }
      // What cannot be read twice, a pipe, has to be plain.
      magic = try FileType(mode: UInt32(Host.stat(file).st_mode)) == .regular ? Host.read(6, from: file, at: 0) : []
      // O_NONBLOCK was for the opening of a FIFO only (F_SETFL is 4).
      try Host.call(SYS_fcntl, Int(file), 4, 0)
    } catch {
      throw ReportedError("import: '\(path)': \(error)")
    }
    guard let program = program(magic) else {
      var reader = TarReader(archive)
      try body(&reader, file)
      return
    }
    let (pid, output) = try start(program, archive.rawValue, path)
    var failure: ReportedError?
    do throws(ReportedError) {
      var reader = TarReader(OwnedDescriptor(output))
      // The program shares the open file with us.
      try body(&reader, file)
      do throws(TarError) { try reader.drain() } catch { throw ReportedError("import: '\(path)': \(error.message)") }
    } catch {
      failure = error
    }
    // The reader is closed: a program that still writes gets SIGPIPE.
    var status: CInt = 0
    while waitpid(pid, &status, 0) < 0 && errno == EINTR {}
    if status != 0 && (failure == nil || status >> 8 & 0xff != 0) {
      throw ReportedError("import: '\(path)': \(program) cannot decompress it")
    }
    if let failure { throw failure }
  }

  /// The program for a magic number: RFC 1952, RFC 8878, bzip2 and xz. nil for a plain archive.
  private static func program(_ magic: [UInt8]) -> String? {
    if magic.starts(with: [0x1f, 0x8b]) { return "gzip" }
    if magic.starts(with: [0x28, 0xb5, 0x2f, 0xfd]) { return "zstd" }
    if magic.starts(with: [0x42, 0x5a, 0x68]) { return "bzip2" }
    if magic.starts(with: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]) { return "xz" }
    return nil
  }

  /// Starts `PROGRAM -dc` between the archive and a pipe; returns the pipe's end to read.
  private static func start(_ program: String, _ archive: CInt, _ path: ByteString) throws(ReportedError)
    -> (pid_t, CInt)
  {
    var ends: [CInt] = [-1, -1]
    let made = ends.withUnsafeMutableBufferPointer { ends in
      vd_syscall(Int(SYS_pipe2), Int(bitPattern: ends.baseAddress), Int(O_CLOEXEC), 0, 0, 0, 0)
    }
    guard made == 0 else { throw ReportedError("import: pipe: \(Errno(rawValue: CInt(-made)))") }
    let write = OwnedDescriptor(ends[1])
    var actions = posix_spawn_file_actions_t()
    posix_spawn_file_actions_init(&actions)
    defer { posix_spawn_file_actions_destroy(&actions) }
    posix_spawn_file_actions_adddup2(&actions, archive, 0)
    posix_spawn_file_actions_adddup2(&actions, write.rawValue, 1)
    // What it has to say we say, in one line.
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0)
    var arguments: [UnsafeMutablePointer<CChar>?] = [strdup(program), strdup("-dc"), nil]
    defer { for argument in arguments { free(argument) } }
    var pid: pid_t = 0
    let result = posix_spawnp(&pid, program, &actions, nil, &arguments, environ)
    guard result == 0 else {
      _ = OwnedDescriptor(ends[0])
      throw ReportedError("import: '\(path)' needs the program '\(program)': \(Errno(rawValue: result))")
    }
    return (pid, ends[0])
  }
}
