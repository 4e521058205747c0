// What this kernel does not have, as far as a guest can see. Each has a fallback in the libraries that use it.

import LinuxABI

extension SystemCallTable {
  mutating func addAbsent() {
    let gone = "Linux itself has it no more, or never had"
    for (number, name) in [
      (134, "uselib"), (156, "_sysctl"), (174, "create_module"), (177, "get_kernel_syms"), (178, "query_module"),
      (180, "nfsservctl"), (181, "getpmsg"), (182, "putpmsg"), (183, "afs_syscall"), (184, "tuxcall"),
      (185, "security"),
      (236, "vserver"),
    ] as [(Int, StaticString)] {
      refused(number, name, .noFunction, gone)
    }
    refused(
      154, "modify_ldt", .noFunction, "segments for 32-bit programs", .int("func"), .bytes("ptr"), .size("bytecount"))
    refused(205, "set_thread_area", .noFunction, "segments for 32-bit programs", .bytes("u_info"))
    refused(211, "get_thread_area", .noFunction, "segments for 32-bit programs", .bytes("u_info"))
    refused(212, "lookup_dcookie", .noFunction, "for profilers of the host", .word("cookie"), .buffer, .size("len"))
    refused(248, "add_key", .noFunction, "keyrings reach across sandboxes", .string("type"), .string("description"))
    refused(249, "request_key", .noFunction, "keyrings reach across sandboxes", .string("type"), .string("description"))
    refused(250, "keyctl", .noFunction, "keyrings reach across sandboxes", .int("operation"), .word("arg2"))
    refused(335, "uretprobe", .noFunction, "the kernel's own trampoline")
    refused(336, "uprobe", .noFunction, "the kernel's own trampoline")
    let walls = "Landlock judges paths of the host's tree, of which guests know nothing"
    refused(444, "landlock_create_ruleset", .noFunction, walls, .bytes("attr"), .size, .int("flags"))
    refused(445, "landlock_add_rule", .noFunction, walls, .descriptor("ruleset_fd"), .int("rule_type"))
    refused(446, "landlock_restrict_self", .noFunction, walls, .descriptor("ruleset_fd"), .int("flags"))
    let modules = "the host's security modules"
    refused(459, "lsm_get_self_attr", .noFunction, modules, .int("attr"), .bytes("ctx"), .bytes("size"))
    refused(460, "lsm_set_self_attr", .noFunction, modules, .int("attr"), .bytes("ctx"), .int("size"))
    refused(461, "lsm_list_modules", .noFunction, modules, .bytes("ids"), .bytes("size"), .int("flags"))
    refused(470, "listns", .noFunction, "namespaces are not the guests' to see", .bytes("req"), .bytes("ns_ids"))
    refused(471, "rseq_slice_yield", .noFunction, "newer than the kernels that Vedette knows")
  }
}
