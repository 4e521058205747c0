// The calls of the table that need no look at their arguments, by what becomes of them.

internal import CLinux

extension DispositionTable {
  /// Served: the call names a file by path and is answered with a value.
  static let pathCalls: [CInt] = [
    SYS_stat, SYS_lstat, SYS_newfstatat, SYS_statx, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_readlink,
    SYS_readlinkat, SYS_mkdir, SYS_mkdirat, SYS_rmdir, SYS_unlink, SYS_unlinkat, SYS_rename, SYS_renameat,
    SYS_renameat2, SYS_link, SYS_linkat, SYS_symlink, SYS_symlinkat, SYS_mknod, SYS_mknodat, SYS_chmod, SYS_fchmodat,
    452,  // fchmodat2
    SYS_chown, SYS_lchown, SYS_fchownat, SYS_utime, SYS_utimes, SYS_utimensat, SYS_futimesat, SYS_truncate, SYS_chdir,
    SYS_getcwd, SYS_chroot, SYS_umask, SYS_statfs, SYS_ustat, SYS_setxattr, SYS_lsetxattr, SYS_getxattr, SYS_lgetxattr,
    SYS_listxattr, SYS_llistxattr, SYS_removexattr, SYS_lremovexattr,
    463, 464, 465, 466,  // setxattrat, getxattrat, listxattrat, removexattrat
  ]

  /// Served where the descriptor is one of ours, native otherwise.
  static let descriptorCalls: [CInt] = [
    SYS_fstat, SYS_fstatfs, SYS_fchmod, SYS_fchown, SYS_fchdir, SYS_getdents, SYS_getdents64, SYS_fsetxattr,
    SYS_fgetxattr, SYS_flistxattr, SYS_fremovexattr, SYS_inotify_add_watch, SYS_inotify_rm_watch, SYS_flock, SYS_fsync,
    SYS_fdatasync,
    SYS_sync_file_range, SYS_syncfs,
  ]

  /// Served: credentials are the sentry's.
  static let identityCalls: [CInt] = [
    SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, SYS_getresuid, SYS_getresgid, SYS_setuid, SYS_setgid,
    SYS_setreuid, SYS_setregid, SYS_setresuid, SYS_setresgid, SYS_setfsuid, SYS_setfsgid, SYS_getgroups,
    SYS_setgroups, SYS_capget, SYS_capset,
  ]

  /// Checked, rewritten or watched.
  static let watchedCalls: [CInt] = [
    SYS_execve, SYS_execveat, SYS_bind, SYS_connect, SYS_getsockname, SYS_getpeername,
  ]

  /// Calls that name another process: bounded by the pid namespace, or by the sentry.
  static let processCalls: [CInt] = [
    SYS_tkill, SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_pidfd_open, SYS_pidfd_send_signal,
    SYS_setpgid, SYS_prlimit64, SYS_getpgid, SYS_getsid, SYS_sched_setparam, SYS_sched_setscheduler,
    SYS_sched_setattr,
  ]

  /// System V IPC and POSIX message queues: native in an IPC namespace of their own, absent without one.
  static let systemVCalls: [CInt] = [
    SYS_shmget, SYS_shmat, SYS_shmctl, SYS_shmdt, SYS_semget, SYS_semop, SYS_semctl, SYS_semtimedop, SYS_msgget,
    SYS_msgsnd, SYS_msgrcv, SYS_msgctl, SYS_mq_open, SYS_mq_unlink, SYS_mq_timedsend, SYS_mq_timedreceive,
    SYS_mq_notify, SYS_mq_getsetattr,
  ]

  /// On descriptors, memory, time and the caller itself.
  static let nativeCalls: [CInt] = [
    SYS_read, SYS_write, SYS_close, SYS_poll, SYS_lseek, SYS_mprotect, SYS_munmap, SYS_brk, SYS_rt_sigaction,
    SYS_rt_sigprocmask, SYS_rt_sigreturn, SYS_pread64, SYS_pwrite64, SYS_readv, SYS_writev, SYS_pipe, SYS_select,
    SYS_sched_yield, SYS_mremap, SYS_msync, SYS_mincore, SYS_madvise, SYS_dup, SYS_dup2, SYS_pause, SYS_nanosleep,
    SYS_getitimer, SYS_alarm, SYS_setitimer, SYS_getpid, SYS_sendfile, SYS_accept,
    SYS_recvmsg, SYS_shutdown, SYS_listen, SYS_setsockopt, SYS_getsockopt, SYS_fork, SYS_vfork, SYS_exit,
    SYS_wait4, SYS_uname, SYS_ftruncate, SYS_gettimeofday,
    SYS_getrusage, SYS_sysinfo, SYS_times, SYS_getppid, SYS_getpgrp, SYS_setsid, SYS_rt_sigpending,
    SYS_rt_sigtimedwait, SYS_rt_sigsuspend, SYS_sigaltstack, SYS_personality, SYS_getpriority, SYS_sched_getparam,
    SYS_sched_getscheduler, SYS_sched_get_priority_max, SYS_sched_get_priority_min, SYS_sched_rr_get_interval,
    SYS_mlock, SYS_munlock, SYS_mlockall, SYS_munlockall, SYS_arch_prctl, SYS_adjtimex, SYS_gettid,
    SYS_readahead, SYS_time, SYS_futex, SYS_io_setup, SYS_io_destroy, SYS_io_getevents,
    SYS_io_submit, SYS_io_cancel, SYS_epoll_create, SYS_remap_file_pages, SYS_set_tid_address, SYS_restart_syscall,
    SYS_timer_create, SYS_timer_settime, SYS_timer_gettime, SYS_timer_getoverrun, SYS_timer_delete,
    SYS_clock_gettime, SYS_clock_getres, SYS_clock_nanosleep, SYS_exit_group, SYS_epoll_wait, SYS_epoll_ctl, SYS_mbind,
    SYS_set_mempolicy, SYS_get_mempolicy, SYS_waitid, SYS_ioprio_get,
    SYS_pselect6, SYS_ppoll, SYS_set_robust_list, SYS_get_robust_list, SYS_splice, SYS_tee,
    SYS_vmsplice, SYS_epoll_pwait, SYS_signalfd, SYS_timerfd_create, SYS_eventfd, SYS_fallocate, SYS_timerfd_settime,
    SYS_timerfd_gettime, SYS_accept4, SYS_signalfd4, SYS_eventfd2, SYS_epoll_create1, SYS_dup3, SYS_pipe2,
    SYS_preadv, SYS_pwritev, SYS_recvmmsg, SYS_clock_adjtime, SYS_sendmmsg, SYS_getcpu,
    SYS_sched_getattr, SYS_getrandom, SYS_memfd_create, SYS_membarrier, SYS_mlock2, SYS_copy_file_range, SYS_preadv2,
    SYS_pwritev2, SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free, SYS_io_pgetevents, SYS_rseq, SYS_close_range,
    SYS_epoll_pwait2, SYS_futex_waitv, SYS_set_mempolicy_home_node,
    453, 454, 455, 456, 462,  // map_shadow_stack, futex_wake, futex_wait, futex_requeue, mseal
  ]

  /// What a process without privileges is refused.
  static let privilegedCalls: [CInt] = [
    SYS_ptrace, SYS_syslog, SYS_vhangup, SYS_pivot_root, SYS_acct, SYS_settimeofday, SYS_mount, SYS_umount2,
    SYS_swapon, SYS_swapoff, SYS_reboot, SYS_sethostname, SYS_setdomainname, SYS_iopl, SYS_ioperm, SYS_init_module,
    SYS_delete_module, SYS_quotactl, SYS_clock_settime, SYS_kexec_load, SYS_fanotify_init, SYS_open_by_handle_at,
    SYS_setns, SYS_process_vm_readv, SYS_process_vm_writev, SYS_kcmp, SYS_finit_module, SYS_kexec_file_load, SYS_bpf,
    SYS_userfaultfd, SYS_open_tree, SYS_move_mount, SYS_fsopen, SYS_fsconfig, SYS_fsmount, SYS_fspick,
    SYS_pidfd_getfd, SYS_process_madvise, SYS_mount_setattr, SYS_process_mrelease,
    467,  // open_tree_attr
  ]

  /// What this kernel does not have, as far as a guest can see. Each has a fallback in the libraries that use it.
  static let absentCalls: [CInt] = [
    SYS_uselib, SYS_sysfs, SYS_modify_ldt, SYS__sysctl, SYS_create_module, SYS_get_kernel_syms, SYS_query_module,
    SYS_nfsservctl, SYS_getpmsg, SYS_putpmsg, SYS_afs_syscall, SYS_tuxcall, SYS_security, SYS_set_thread_area,
    SYS_get_thread_area, SYS_lookup_dcookie, SYS_epoll_ctl_old, SYS_epoll_wait_old, SYS_vserver, SYS_add_key,
    SYS_request_key, SYS_keyctl, SYS_fanotify_mark, SYS_io_uring_setup, SYS_io_uring_enter, SYS_io_uring_register,
    SYS_quotactl_fd, SYS_landlock_create_ruleset, SYS_landlock_add_rule, SYS_landlock_restrict_self,
    SYS_memfd_secret,
    335, 336,  // uretprobe, uprobe: the kernel's own trampolines
    451,  // cachestat
    457, 458, 459, 460, 461,  // statmount, listmount, lsm_get_self_attr, lsm_set_self_attr, lsm_list_modules
    468, 469, 470, 471,  // file_getattr, file_setattr, listns, rseq_slice_yield
  ]
}
