// What a process without privileges is refused: the guests' root has none outside of the tree.

import CLinux
import LinuxABI

extension SystemCallTable {
  mutating func addPrivileged() {
    native(63, "uname", .buffer)
    native(99, "sysinfo", .bytes("info"))
    native(318, "getrandom", .buffer, .size("buflen"), .int("flags"))
    refused(103, "syslog", EPERM, "the host's kernel log", .int("type"), .buffer, .int("len"))
    refused(153, "vhangup", EPERM, "the host's terminals")
    refused(163, "acct", EPERM, "the host's accounting", .string("filename"))
    refused(167, "swapon", EPERM, "the host's swap", .path, .int("swapflags"))
    refused(168, "swapoff", EPERM, "the host's swap", .path)
    refused(169, "reboot", EPERM, "the host", .int("magic"), .int("magic2"), .int("op"), .word("arg"))
    refused(170, "sethostname", EPERM, "the name is fixed at the start", .string("name"), .size("len"))
    refused(171, "setdomainname", EPERM, "the name is fixed at the start", .string("name"), .size("len"))
    refused(172, "iopl", EPERM, "the host's devices", .int("level"))
    refused(173, "ioperm", EPERM, "the host's devices", .size("from"), .size("num"), .int("turn_on"))
    refused(175, "init_module", EPERM, "the host's kernel", .bytes("module_image"), .size("len"))
    refused(176, "delete_module", EPERM, "the host's kernel", .string("name"), .int("flags"))
    refused(313, "finit_module", EPERM, "the host's kernel", .fd, .string("param_values"), .int("flags"))
    refused(246, "kexec_load", EPERM, "the host's kernel", .word("entry"), .size("nr_segments"))
    refused(320, "kexec_file_load", EPERM, "the host's kernel", .descriptor("kernel_fd"), .descriptor("initrd_fd"))
    refused(179, "quotactl", EPERM, "the host's file systems", .int("op"), .string("special"), .int("id"))
    refused(443, "quotactl_fd", ENOSYS, "the host's file systems", .fd, .int("op"), .int("id"))
    refused(321, "bpf", EPERM, "programs in the host's kernel", .int("cmd"), .bytes("attr"), .int("size"))
    refused(298, "perf_event_open", EACCES, "counters that show the host", .bytes("attr"), .pid, .int("cpu"))
    refused(308, "setns", EPERM, "namespaces of other processes", .fd, .int("nstype"))
  }
}
