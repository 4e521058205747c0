// An archive file as it comes: plain, or compressed, in which case the system's own program takes it apart for us.

import Kernel
import LinuxABI

/// Opens archives by what their first bytes say.
enum LayerArchive {
  /// The size of the archive at `path` as it lies there, compressed or not; 0 for what is no regular file.
  static func size(_ path: ByteString) -> Int64 {
    do throws(Errno) {
      let file = try path.open([.path])
      let status = try Host.stat(file.rawValue)
      return status.type == .regular ? status.size : 0
    } catch {
      return 0
    }
  }

  /// Calls `body` with a reader of the archive at `path`, and a descriptor whose offset shows how far the archive has been
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
      guard try Host.stat(file).type != .directory else { throw .isDirectory }
      // What cannot be read twice, a pipe, has to be plain.
      magic = try Host.stat(file).type == .regular ? Host.read(6, from: file, at: 0) : []
      // O_NONBLOCK was for the opening of a FIFO only.
      try Host.setOpenFlags(of: file, to: [])
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
    let status = (try? Host.waitForEnd(of: pid)) ?? .exited(0)
    let isBad =
      switch status {
      case .exited(let code): code != 0
      // By SIGPIPE, where we have read no further ourselves.
      default: failure == nil
      }
    if isBad { throw ReportedError("import: '\(path)': \(program) cannot decompress it") }
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
    -> (Int32, CInt)
  {
    let ends: (reading: CInt, writing: CInt)
    do throws(Errno) { ends = try Host.makePipe() } catch { throw ReportedError("import: pipe: \(error)") }
    let reading = OwnedDescriptor(ends.reading)
    let writing = OwnedDescriptor(ends.writing)
    do throws(Errno) {
      // What it has to say we say, in one line.
      let process = try Host.spawn(program, ["-dc"], input: archive, output: writing.rawValue)
      return (process, reading.release())
    } catch {
      throw ReportedError("import: '\(path)' needs the program '\(program)': \(error)")
    }
  }
}
