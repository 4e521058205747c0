// What a process without privileges is refused: the guests' root has none outside of the tree.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addPrivileged() {
    served(
      63, "uname", .buffer,
      as: .depends { policy in
        let isServed = policy.servesHostName || policy.isolation == .noNamespaces
        return CallPolicy(otherwise: !isServed ? .native : policy.gate == .notify ? .notify : .trace)
      }, note: "served where the kernel would give the host's name", Self.uname)
    native(99, "sysinfo", .bytes("info"))
    native(318, "getrandom", .buffer, .size("buflen"), .int("flags"))
    refused(103, "syslog", .notPermitted, "the host's kernel log", .int("type"), .buffer, .int("len"))
    refused(153, "vhangup", .notPermitted, "the host's terminals")
    refused(163, "acct", .notPermitted, "the host's accounting", .string("filename"))
    refused(167, "swapon", .notPermitted, "the host's swap", .path, .int("swapflags"))
    refused(168, "swapoff", .notPermitted, "the host's swap", .path)
    refused(169, "reboot", .notPermitted, "the host", .int("magic"), .int("magic2"), .int("op"), .word("arg"))
    refused(170, "sethostname", .notPermitted, "the name is fixed at the start", .string("name"), .size("len"))
    refused(171, "setdomainname", .notPermitted, "the name is fixed at the start", .string("name"), .size("len"))
    refused(172, "iopl", .notPermitted, "the host's devices", .int("level"))
    refused(173, "ioperm", .notPermitted, "the host's devices", .size("from"), .size("num"), .int("turn_on"))
    refused(175, "init_module", .notPermitted, "the host's kernel", .bytes("module_image"), .size("len"))
    refused(176, "delete_module", .notPermitted, "the host's kernel", .string("name"), .int("flags"))
    refused(313, "finit_module", .notPermitted, "the host's kernel", .fd, .string("param_values"), .int("flags"))
    refused(246, "kexec_load", .notPermitted, "the host's kernel", .word("entry"), .size("nr_segments"))
    refused(
      320, "kexec_file_load", .notPermitted, "the host's kernel", .descriptor("kernel_fd"), .descriptor("initrd_fd"))
    refused(179, "quotactl", .notPermitted, "the host's file systems", .int("op"), .string("special"), .int("id"))
    refused(443, "quotactl_fd", .noFunction, "the host's file systems", .fd, .int("op"), .int("id"))
    refused(321, "bpf", .notPermitted, "programs in the host's kernel", .int("cmd"), .bytes("attr"), .int("size"))
    refused(298, "perf_event_open", .permissionDenied, "counters that show the host", .bytes("attr"), .pid, .int("cpu"))
    refused(308, "setns", .notPermitted, "namespaces of other processes", .fd, .int("nstype"))
  }

  private static func uname(_ call: CallContext, _ buffer: Buffer) throws(Errno) -> Outcome {
    try withUnsafeBytesOf(call.state.names.fields) { fields throws(Errno) in
      try call.memory.write(fields, at: buffer.address)
    }
    return .value(0)
  }
}
