// Calls on descriptors that carry no path: the kernel's own affair.

import Gate
import LinuxABI

extension SystemCallTable {
  mutating func addDescriptors() {
    addReadingAndWriting()
    addWaiting()
    native(3, "close", .fd)
    native(8, "lseek", .fd, .offset("offset"), .int("whence"))
    native(22, "pipe", .bytes("pipefd"))
    native(293, "pipe2", .bytes("pipefd"), .openFlags)
    native(32, "dup", .descriptor("oldfd"))
    native(33, "dup2", .descriptor("oldfd"), .descriptor("newfd"))
    native(292, "dup3", .descriptor("oldfd"), .descriptor("newfd"), .openFlags)
    native(187, "readahead", .fd, .offset("offset"), .size("count"))
    served(
      436, "close_range", .int("first"), .int("last"), .closeRangeFlags,
      as: .when(ArgumentRule(.trace, when: .anyBit(2, UInt32(CloseRangeFlags.unshare.rawValue))), otherwise: .native),
      note: "one that ends the sharing of the table is seen"
    ) { (call, _, _, _) throws(Errno) in call.observe(.unshare(.files)) }
    native(284, "eventfd", .int("initval"))
    native(290, "eventfd2", .int("initval"), .int("flags"))
  }

  private mutating func addReadingAndWriting() {
    native(0, "read", .fd, .buffer, .size("count"))
    native(1, "write", .fd, .buffer, .size("count"))
    native(17, "pread64", .fd, .buffer, .size("count"), .offset("offset"))
    native(18, "pwrite64", .fd, .buffer, .size("count"), .offset("offset"))
    native(19, "readv", .fd, .bytes("iov"), .int("iovcnt"))
    native(20, "writev", .fd, .bytes("iov"), .int("iovcnt"))
    native(295, "preadv", .fd, .bytes("iov"), .int("iovcnt"), .offset("offset"))
    native(296, "pwritev", .fd, .bytes("iov"), .int("iovcnt"), .offset("offset"))
    native(327, "preadv2", .fd, .bytes("iov"), .int("iovcnt"), .offset("offset"), .word("pos_h"), .int("flags"))
    native(328, "pwritev2", .fd, .bytes("iov"), .int("iovcnt"), .offset("offset"), .word("pos_h"), .int("flags"))
    native(40, "sendfile", .descriptor("out_fd"), .descriptor("in_fd"), .bytes("offset"), .size("count"))
    native(
      275, "splice", .descriptor("fd_in"), .bytes("off_in"), .descriptor("fd_out"), .bytes("off_out"), .size("size"))
    native(276, "tee", .descriptor("fd_in"), .descriptor("fd_out"), .size, .int("flags"))
    native(278, "vmsplice", .fd, .bytes("iov"), .size("nr_segs"), .int("flags"))
    native(
      326, "copy_file_range", .descriptor("fd_in"), .bytes("off_in"), .descriptor("fd_out"), .bytes("off_out"), .size)
    native(206, "io_setup", .int("nr_events"), .bytes("ctx_idp"))
    native(207, "io_destroy", .word("ctx_id"))
    native(208, "io_getevents", .word("ctx_id"), .size("min_nr"), .size("nr"), .bytes("events"), .bytes("timeout"))
    native(209, "io_submit", .word("ctx_id"), .size("nr"), .bytes("iocbpp"))
    native(210, "io_cancel", .word("ctx_id"), .bytes("iocb"), .bytes("result"))
    native(333, "io_pgetevents", .word("ctx_id"), .size("min_nr"), .size("nr"), .bytes("events"), .bytes("timeout"))
    let note = "its operations lie in memory that it shares with the kernel, past every filter"
    refused(425, "io_uring_setup", .noFunction, note, .int("entries"), .bytes("params"))
    refused(426, "io_uring_enter", .noFunction, note, .fd, .int("to_submit"))
    refused(427, "io_uring_register", .noFunction, note, .fd, .int("opcode"))
  }

  private mutating func addWaiting() {
    native(7, "poll", .bytes("fds"), .size("nfds"), .int("timeout"))
    native(271, "ppoll", .bytes("fds"), .size("nfds"), .bytes("tmo_p"), .bytes("sigmask"))
    native(23, "select", .int("nfds"), .bytes("readfds"), .bytes("writefds"), .bytes("exceptfds"), .bytes("timeout"))
    native(270, "pselect6", .int("nfds"), .bytes("readfds"), .bytes("writefds"), .bytes("exceptfds"), .bytes("timeout"))
    native(213, "epoll_create", .int("size"))
    native(291, "epoll_create1", .int("flags"))
    native(233, "epoll_ctl", .descriptor("epfd"), .int("op"), .fd, .bytes("event"))
    native(232, "epoll_wait", .descriptor("epfd"), .bytes("events"), .int("maxevents"), .int("timeout"))
    native(281, "epoll_pwait", .descriptor("epfd"), .bytes("events"), .int("maxevents"), .int("timeout"))
    native(441, "epoll_pwait2", .descriptor("epfd"), .bytes("events"), .int("maxevents"), .bytes("timeout"))
    refused(214, "epoll_ctl_old", .noFunction, "Linux itself has it no more")
    refused(215, "epoll_wait_old", .noFunction, "Linux itself has it no more")
  }
}
