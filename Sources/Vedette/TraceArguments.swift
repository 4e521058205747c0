// What the registers of a traced call mean: one line for each call that a gate stops.

import CLinux
import Gate

/// Decodes the arguments of a call for `--trace`. Strings come from the sentry, which read them once; nothing of the
/// guest's memory is read again for a trace line.
enum TraceArguments {
  /// How one argument register is shown.
  private enum Kind: Sendable { case descriptor, path, octal, hexadecimal, integer }

  private typealias Signature = [(StaticString, Kind)]

  /// The arguments of `call` by name. `strings` are those the sentry read, in the order of the call's own.
  static func decode(_ call: SystemCall, _ strings: [[UInt8]]) -> [(StaticString, TraceValue)] {
    guard let signature = signatures[CInt(truncatingIfNeeded: call.number)] else {
      let names: [StaticString] = ["a0", "a1", "a2"]
      return names.enumerated().map { ($1, .hexadecimal(call.argument($0))) } + strings.map { ("path", .bytes($0)) }
    }
    var rest = strings[...]
    return signature.enumerated().map { index, argument in
      let value = call.argument(index)
      return switch argument.1 {
      case .descriptor: (argument.0, .descriptor(CInt(truncatingIfNeeded: value)))
      case .path: (argument.0, rest.popFirst().map { .bytes($0) } ?? .unknown)
      case .octal: (argument.0, .octal(UInt32(truncatingIfNeeded: value)))
      case .hexadecimal: (argument.0, .hexadecimal(value))
      case .integer: (argument.0, .integer(Int(truncatingIfNeeded: value)))
      }
    }
  }

  private static let path: (StaticString, Kind) = ("path", .path)
  private static let directory: (StaticString, Kind) = ("dirfd", .descriptor)
  private static let descriptor: (StaticString, Kind) = ("fd", .descriptor)
  private static let buffer: (StaticString, Kind) = ("buffer", .hexadecimal)
  private static let size: (StaticString, Kind) = ("size", .integer)
  private static let flags: (StaticString, Kind) = ("flags", .hexadecimal)
  private static let mode: (StaticString, Kind) = ("mode", .octal)
  private static let owner: (StaticString, Kind) = ("owner", .integer)
  private static let group: (StaticString, Kind) = ("group", .integer)
  private static let oldDirectory: (StaticString, Kind) = ("olddirfd", .descriptor)
  private static let old: (StaticString, Kind) = ("old", .path)
  private static let newDirectory: (StaticString, Kind) = ("newdirfd", .descriptor)
  private static let new: (StaticString, Kind) = ("new", .path)
  private static let name: (StaticString, Kind) = ("name", .path)
  private static let times: (StaticString, Kind) = ("times", .hexadecimal)
  private static let pid: (StaticString, Kind) = ("pid", .integer)

  private static let signatures: [CInt: Signature] = [
    SYS_open: [path, flags, mode], SYS_creat: [path, mode], SYS_openat: [directory, path, flags, mode],
    SYS_openat2: [directory, path, ("how", .hexadecimal), size],
    SYS_stat: [path, buffer], SYS_lstat: [path, buffer], SYS_fstat: [descriptor, buffer],
    SYS_newfstatat: [directory, path, buffer, flags], SYS_statx: [directory, path, flags, ("mask", .hexadecimal)],
    SYS_access: [path, mode], SYS_faccessat: [directory, path, mode], SYS_faccessat2: [directory, path, mode, flags],
    SYS_readlink: [path, buffer, size], SYS_readlinkat: [directory, path, buffer, size],
    SYS_statfs: [path, buffer], SYS_fstatfs: [descriptor, buffer],
    SYS_mkdir: [path, mode], SYS_mkdirat: [directory, path, mode], SYS_rmdir: [path],
    SYS_mknod: [path, mode, ("device", .hexadecimal)], SYS_mknodat: [directory, path, mode, ("device", .hexadecimal)],
    SYS_unlink: [path], SYS_unlinkat: [directory, path, flags],
    SYS_symlink: [("target", .path), path], SYS_symlinkat: [("target", .path), directory, path],
    SYS_link: [old, new], SYS_linkat: [oldDirectory, old, newDirectory, new, flags],
    SYS_rename: [old, new], SYS_renameat: [oldDirectory, old, newDirectory, new],
    SYS_renameat2: [oldDirectory, old, newDirectory, new, flags],
    SYS_chmod: [path, mode], SYS_fchmod: [descriptor, mode], SYS_fchmodat: [directory, path, mode],
    SYS_chown: [path, owner, group], SYS_lchown: [path, owner, group], SYS_fchown: [descriptor, owner, group],
    SYS_fchownat: [directory, path, owner, group, flags],
    SYS_utime: [path, times], SYS_utimes: [path, times], SYS_futimesat: [directory, path, times],
    SYS_utimensat: [directory, path, times, flags], SYS_truncate: [path, size],
    SYS_chdir: [path], SYS_fchdir: [descriptor], SYS_chroot: [path], SYS_getcwd: [buffer, size], SYS_umask: [mode],
    SYS_getdents64: [descriptor, buffer, size], SYS_getdents: [descriptor, buffer, size],
    SYS_getxattr: [path, name, buffer, size], SYS_lgetxattr: [path, name, buffer, size],
    SYS_fgetxattr: [descriptor, name, buffer, size],
    // The name is fetched before the path is.
    SYS_setxattr: [name, path, buffer, size, flags], SYS_lsetxattr: [name, path, buffer, size, flags],
    SYS_fsetxattr: [descriptor, name, buffer, size, flags],
    SYS_listxattr: [path, buffer, size], SYS_llistxattr: [path, buffer, size],
    SYS_flistxattr: [descriptor, buffer, size],
    SYS_removexattr: [path, name], SYS_lremovexattr: [path, name], SYS_fremovexattr: [descriptor, name],
    463: [directory, name, flags, path], 464: [directory, path, flags, name],
    465: [directory, path, flags, buffer, size],
    466: [directory, path, flags, name], SYS_ustat: [("device", .hexadecimal), buffer],
    SYS_execve: [path, ("argv", .hexadecimal), ("envp", .hexadecimal)],
    SYS_execveat: [directory, path, ("argv", .hexadecimal), ("envp", .hexadecimal), flags],
    SYS_mmap: [
      ("address", .hexadecimal), size, ("protection", .hexadecimal), flags, descriptor, ("offset", .integer),
    ],
    SYS_bind: [descriptor, path, size], SYS_connect: [descriptor, path, size],
    SYS_kill: [pid, ("signal", .integer)], SYS_prctl: [("option", .integer), ("value", .hexadecimal)],
    SYS_fcntl: [descriptor, ("command", .integer), ("value", .hexadecimal)],
  ]
}
