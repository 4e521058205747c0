// The calls that the fuzzers know by their arguments. What is not here, up to number 500 and beyond, is called too, with
// arguments that mean nothing.
#ifndef FUZZ_CALLS_H
#define FUZZ_CALLS_H

#include "inside.h"

// Kinds of arguments, one letter each:
//   d directory descriptor   f descriptor        p path of a file      q path of a new name   D path of a directory
//   b buffer                 n size of a buffer  s structure           v array of iovec       V how many
//   M msghdr                 a sockaddr          L its length          A pointer to a length  x name of an xattr
//   X xattr_args             t two times         T utimbuf             e argv or envp         h open_how
//   c clone_args             o offset            O pointer to one      k address of pages     K length of pages
//   r PROT_                  R MAP_              w flags               m mode                 i any number
//   u user or group          P process           S signal              C command              z must be 0 in a valid call
struct Call {
    int number;
    const char *name, *kinds;
    // ! changes names   ~ may block   # may take away what the caller needs, or end it
    const char *traits;
    int weight;
};

#define CALL(name, kinds, traits, weight) \
    { SYS_##name, #name, kinds, traits, weight }
#define NUMBER(number, name, kinds, traits, weight) \
    { number, name, kinds, traits, weight }

static const struct Call calls[] = {
    // Served: by path.
    CALL(open, "pwm", "~", 12),
    CALL(openat, "dpwm", "~", 14),
    CALL(openat2, "dphn", "~", 12),
    CALL(creat, "qm", "!~", 6),
    CALL(stat, "ps", "", 6),
    CALL(lstat, "ps", "", 6),
    CALL(newfstatat, "dpsw", "", 8),
    CALL(statx, "dpwws", "", 8),
    CALL(access, "pm", "", 4),
    CALL(faccessat, "dpm", "", 4),
    CALL(faccessat2, "dpmw", "", 5),
    CALL(readlink, "pbn", "", 5),
    CALL(readlinkat, "dpbn", "", 6),
    CALL(mkdir, "qm", "!", 6),
    CALL(mkdirat, "dqm", "!", 6),
    CALL(rmdir, "D", "!", 5),
    CALL(unlink, "p", "!", 5),
    CALL(unlinkat, "dpw", "!", 6),
    CALL(rename, "pq", "!", 6),
    CALL(renameat, "dpdq", "!", 5),
    CALL(renameat2, "dpdqw", "!", 7),
    CALL(link, "pq", "!", 5),
    CALL(linkat, "dpdqw", "!", 8),
    CALL(symlink, "pq", "!", 5),
    CALL(symlinkat, "pdq", "!", 5),
    CALL(mknod, "qmi", "!", 5),
    CALL(mknodat, "dqmi", "!", 5),
    CALL(chmod, "pm", "!", 5),
    CALL(fchmodat, "dpm", "!", 5),
    NUMBER(452, "fchmodat2", "dpmw", "!", 6),
    CALL(chown, "puu", "!", 4),
    CALL(lchown, "puu", "!", 4),
    CALL(fchownat, "dpuuw", "!", 6),
    CALL(utime, "pT", "", 4),
    CALL(utimes, "pt", "", 5),
    CALL(utimensat, "dptw", "", 7),
    CALL(futimesat, "dpt", "", 5),
    CALL(truncate, "po", "!", 7),
    CALL(chdir, "D", "#", 4),
    CALL(getcwd, "bn", "", 4),
    CALL(chroot, "D", "#", 2),
    CALL(umask, "m", "", 2),
    CALL(statfs, "ps", "", 3),
    CALL(ustat, "is", "", 2),
    CALL(setxattr, "pxbnw", "", 6),
    CALL(lsetxattr, "pxbnw", "", 5),
    CALL(getxattr, "pxbn", "", 5),
    CALL(lgetxattr, "pxbn", "", 5),
    CALL(listxattr, "pbn", "", 5),
    CALL(llistxattr, "pbn", "", 4),
    CALL(removexattr, "px", "", 4),
    CALL(lremovexattr, "px", "", 4),
    NUMBER(463, "setxattrat", "dpwxXn", "", 6),
    NUMBER(464, "getxattrat", "dpwxXn", "", 6),
    NUMBER(465, "listxattrat", "dpwbn", "", 5),
    NUMBER(466, "removexattrat", "dpwx", "", 5),
    CALL(inotify_init, "", "", 1),
    CALL(inotify_init1, "w", "", 2),
    // Served: by descriptor.
    CALL(fstat, "fs", "", 5),
    CALL(fstatfs, "fs", "", 3),
    CALL(fchmod, "fm", "", 5),
    CALL(fchown, "fuu", "", 5),
    CALL(fchdir, "f", "#", 4),
    CALL(getdents, "fbn", "", 6),
    CALL(getdents64, "fbn", "", 8),
    CALL(fsetxattr, "fxbnw", "", 6),
    CALL(fgetxattr, "fxbn", "", 5),
    CALL(flistxattr, "fbn", "", 5),
    CALL(fremovexattr, "fx", "", 4),
    CALL(inotify_add_watch, "fpw", "", 6),
    CALL(inotify_rm_watch, "fi", "", 4),
    CALL(lseek, "foi", "", 5),
    // Served: who one is.
    CALL(getuid, "", "", 1),
    CALL(geteuid, "", "", 1),
    CALL(getgid, "", "", 1),
    CALL(getegid, "", "", 1),
    CALL(getresuid, "sss", "", 3),
    CALL(getresgid, "sss", "", 3),
    CALL(setuid, "u", "#", 2),
    CALL(setgid, "u", "#", 2),
    CALL(setreuid, "uu", "#", 2),
    CALL(setregid, "uu", "#", 2),
    CALL(setresuid, "uuu", "#", 2),
    CALL(setresgid, "uuu", "#", 2),
    CALL(setfsuid, "u", "#", 2),
    CALL(setfsgid, "u", "#", 2),
    CALL(getgroups, "is", "", 3),
    CALL(setgroups, "is", "#", 3),
    CALL(capget, "ss", "", 3),
    CALL(capset, "ss", "#", 2),
    // Watched or checked.
    CALL(execve, "pee", "#", 3),
    CALL(execveat, "dpeew", "#", 4),
    CALL(bind, "faL", "!", 6),
    CALL(connect, "faL", "~", 6),
    CALL(getsockname, "fsA", "", 4),
    CALL(getpeername, "fsA", "", 4),
    CALL(mmap, "kKrRfo", "", 14),
    CALL(sendto, "fbnwaL", "~", 6),
    CALL(recvfrom, "fbnwsA", "~", 6),
    CALL(sendmsg, "fMw", "~", 8),
    CALL(sendmmsg, "fMnw", "~", 6),
    CALL(recvmsg, "fMw", "~", 6),
    CALL(recvmmsg, "fMnws", "~", 4),
    CALL(socket, "iii", "", 4),
    CALL(socketpair, "iiis", "", 4),
    CALL(accept, "fsA", "~", 3),
    CALL(accept4, "fsAw", "~", 3),
    CALL(listen, "fi", "", 3),
    CALL(unshare, "w", "#", 2),
    CALL(kill, "PS", "", 3),
    CALL(tkill, "PS", "", 2),
    CALL(tgkill, "PPS", "", 2),
    CALL(rt_sigqueueinfo, "PSs", "", 2),
    CALL(rt_tgsigqueueinfo, "PPSs", "", 2),
    CALL(pidfd_open, "Pw", "", 4),
    CALL(pidfd_send_signal, "fSsw", "", 3),
    CALL(setpgid, "PP", "", 2),
    CALL(getpgid, "P", "", 2),
    CALL(getsid, "P", "", 2),
    CALL(setsid, "", "", 1),
    CALL(prlimit64, "Piss", "#", 3),
    CALL(sched_setparam, "Ps", "", 2),
    CALL(sched_setscheduler, "Pis", "", 2),
    CALL(sched_setattr, "Psw", "", 2),
    CALL(sched_getaffinity, "Pns", "", 3),
    CALL(sched_setaffinity, "Pns", "", 3),
    CALL(setpriority, "iPi", "", 2),
    CALL(ioprio_set, "iPi", "", 2),
    CALL(prctl, "Ciiii", "#", 8),
    CALL(seccomp, "iws", "#", 3),
    CALL(fcntl, "fCi", "~", 12),
    CALL(ioctl, "fCb", "~", 12),
    CALL(fork, "", "", 1),
    CALL(vfork, "", "", 1),
    CALL(clone, "wkssi", "", 3),
    CALL(clone3, "cn", "", 3),
    // Native, and close to what is served.
    CALL(read, "fbn", "~", 5),
    CALL(write, "fbn", "~", 5),
    CALL(pread64, "fbno", "~", 4),
    CALL(pwrite64, "fbno", "~", 4),
    CALL(readv, "fvV", "~", 3),
    CALL(writev, "fvV", "~", 3),
    CALL(preadv, "fvVo", "~", 2),
    CALL(pwritev, "fvVo", "~", 2),
    CALL(preadv2, "fvVoiw", "~", 2),
    CALL(pwritev2, "fvVoiw", "~", 2),
    CALL(close, "f", "#", 3),
    CALL(close_range, "ffw", "#", 1),
    CALL(dup, "f", "", 4),
    CALL(dup2, "ff", "#", 4),
    CALL(dup3, "ffw", "#", 4),
    CALL(pipe, "s", "", 2),
    CALL(pipe2, "sw", "", 2),
    CALL(sendfile, "ffOn", "~", 3),
    CALL(splice, "fOfOnw", "~", 3),
    CALL(tee, "ffnw", "~", 2),
    CALL(vmsplice, "fvVw", "~", 2),
    CALL(copy_file_range, "fOfOnw", "~", 4),
    CALL(ftruncate, "fo", "", 5),
    CALL(fallocate, "fwoo", "", 4),
    CALL(fsync, "f", "", 1),
    CALL(fdatasync, "f", "", 1),
    CALL(syncfs, "f", "", 1),
    CALL(sync, "", "", 1),
    CALL(flock, "fi", "~", 3),
    CALL(fadvise64, "fooi", "", 1),
    CALL(readahead, "foi", "", 1),
    CALL(sync_file_range, "foow", "", 1),
    CALL(mprotect, "kKr", "#", 4),
    CALL(munmap, "kK", "#", 4),
    CALL(mremap, "kKKwk", "#", 6),
    CALL(msync, "kKw", "", 2),
    CALL(madvise, "kKi", "#", 4),
    CALL(mincore, "kKb", "", 1),
    CALL(mlock, "kK", "", 1),
    CALL(mlock2, "kKw", "", 1),
    CALL(munlock, "kK", "", 1),
    CALL(mlockall, "w", "", 1),
    CALL(remap_file_pages, "kKiow", "#", 3),
    CALL(pkey_mprotect, "kKri", "#", 1),
    CALL(brk, "k", "#", 1),
    NUMBER(462, "mseal", "kKw", "", 1),
    CALL(memfd_create, "pw", "", 3),
    CALL(eventfd2, "iw", "", 1),
    CALL(epoll_create1, "w", "", 1),
    CALL(epoll_ctl, "fifs", "", 3),
    CALL(epoll_wait, "fbii", "~", 2),
    CALL(epoll_pwait, "fbiisn", "~", 2),
    CALL(epoll_pwait2, "fbissn", "~", 2),
    CALL(signalfd4, "fsnw", "", 2),
    CALL(timerfd_create, "iw", "", 1),
    CALL(timerfd_settime, "fwss", "", 1),
    CALL(timerfd_gettime, "fs", "", 1),
    CALL(poll, "sii", "~", 3),
    CALL(ppoll, "sissn", "~", 3),
    CALL(select, "issss", "~", 3),
    CALL(pselect6, "isssss", "~", 3),
    CALL(nanosleep, "ss", "~", 2),
    CALL(clock_nanosleep, "iwss", "~", 2),
    CALL(futex, "swisss", "~", 3),
    CALL(futex_waitv, "siwsi", "~", 2),
    CALL(wait4, "Psws", "~", 2),
    CALL(waitid, "iPsws", "~", 2),
    CALL(rt_sigaction, "Sssn", "#", 3),
    CALL(rt_sigprocmask, "issn", "#", 3),
    CALL(rt_sigpending, "sn", "", 1),
    CALL(rt_sigtimedwait, "sssn", "~", 2),
    CALL(rt_sigsuspend, "sn", "~", 2),
    CALL(sigaltstack, "ss", "#", 1),
    CALL(pause, "", "~", 1),
    CALL(alarm, "i", "", 1),
    CALL(setitimer, "iss", "", 1),
    CALL(timer_create, "iss", "", 1),
    CALL(timer_settime, "iwss", "", 1),
    CALL(setsockopt, "fiibi", "", 4),
    CALL(getsockopt, "fiibA", "", 4),
    CALL(shutdown, "fi", "", 2),
    CALL(name_to_handle_at, "dpssw", "", 2),
    CALL(open_by_handle_at, "fsw", "", 1),
    CALL(mq_open, "pwms", "", 1),
    CALL(mq_unlink, "p", "", 1),
    CALL(shmget, "iiw", "", 1),
    CALL(shmat, "ikw", "", 1),
    CALL(shmctl, "iis", "", 1),
    CALL(shmdt, "k", "", 1),
    CALL(io_setup, "is", "", 2),
    CALL(io_submit, "iis", "~", 2),
    CALL(io_getevents, "iiibs", "~", 1),
    CALL(process_vm_readv, "PvVvVw", "", 1),
    CALL(process_vm_writev, "PvVvVw", "", 1),
    CALL(ptrace, "iPss", "", 1),
    CALL(kcmp, "PPiii", "", 1),
    CALL(pidfd_getfd, "ffw", "", 1),
    CALL(arch_prctl, "Ck", "#", 1),
    CALL(set_robust_list, "sn", "", 1),
    CALL(rseq, "snwi", "#", 1),
    CALL(personality, "w", "", 1),
    CALL(membarrier, "iwi", "", 1),
    CALL(getrandom, "bnw", "", 1),
    CALL(process_madvise, "fvViw", "", 1),
    CALL(mount, "pDpws", "", 1),
    CALL(umount2, "pw", "", 1),
    CALL(pivot_root, "DD", "", 1),
    CALL(setns, "fw", "", 1),
    CALL(userfaultfd, "w", "", 1),
    CALL(sched_yield, "", "", 1),
    CALL(restart_syscall, "", "", 1),
    CALL(rt_sigreturn, "", "#", 1),
    CALL(exit, "i", "", 1),
    CALL(exit_group, "i", "", 1),
    CALL(set_tid_address, "s", "", 1),
    CALL(getrlimit, "is", "", 1),
    CALL(setrlimit, "is", "#", 1),
};
#define CALLS (sizeof calls / sizeof calls[0])

static inline const struct Call *callOf(long number) {
    for (size_t i = 0; i < CALLS; i++)
        if (calls[i].number == number) return &calls[i];
    return NULL;
}

static inline const char *nameOf(long number) {
    static char text[32];
    const struct Call *call = callOf(number);
    if (call) return call->name;
    snprintf(text, sizeof text, "call-%ld", number);
    return text;
}

static inline bool has(const struct Call *call, char trait) { return strchr(call->traits, trait) != NULL; }

// MARK: - What is left out on request

// What is known to bring the sandbox down and has been reported is left out, so that what lies behind it can be found:
// `--without NAME,NUMBER,...`: calls that are not made; `--except CALL.ARGUMENT=VALUE,...`: one value of one argument, in 32
// bits if it fits there; `--avoid WHAT,...`: a kind of arguments.
static bool leftOut[512];
static bool avoidsTop, avoidsTimes, avoidsVDSO, avoidsEmptyPathExec, avoidsInit, avoidsTerminals;

// The process that keeps the watch: a worker that ends it, or starves it, ends the run.
static pid_t keeper;

static inline bool isListed(const char *list, const char *word) {
    size_t length = strlen(word);
    for (const char *at = list; (at = strstr(at, word)); at += length)
        if ((at == list || at[-1] == ',') && (at[length] == 0 || at[length] == ',')) return true;
    return false;
}

static inline void leaveOut(const char *list) {
    for (int number = 0; number < 512; number++) {
        char digits[16];
        snprintf(digits, sizeof digits, "%d", number);
        if (isListed(list, digits) || isListed(list, nameOf(number))) leftOut[number] = true;
    }
}

// `--only NAME,...`
static inline void keepOnly(const char *list) {
    for (int number = 0; number < 512; number++)
        if (!isListed(list, nameOf(number))) leftOut[number] = true;
}

struct Exception {
    const struct Call *call;
    unsigned argument;
    uint64_t value;
};
static struct Exception exceptions[64];
static size_t exceptionCount;

static inline void except(const char *list) {
    for (const char *at = list; *at && exceptionCount < 64; at += strcspn(at, ","), at += *at == ',') {
        char name[32];
        struct Exception *made = &exceptions[exceptionCount];
        long long unsigned value;
        if (sscanf(at, "%31[a-z0-9_].%1u=%lli", name, &made->argument, (long long *)&value) != 3 || made->argument > 5)
            refuse("--except wants CALL.ARGUMENT=VALUE");
        made->value = value;
        for (size_t i = 0; i < CALLS; i++)
            if (strcmp(calls[i].name, name) == 0) made->call = &calls[i], exceptionCount = (size_t)(made - exceptions) + 1;
    }
}

static inline bool isExcepted(long number, const uint64_t *a) {
    for (size_t i = 0; i < exceptionCount; i++) {
        const struct Exception *except = &exceptions[i];
        uint64_t value = a[except->argument];
        if (except->call->number == number && (value == except->value || (except->value <= UINT32_MAX && (uint32_t)value == except->value))) return true;
    }
    return false;
}

static inline void avoid(const char *list) {
    avoidsTop = isListed(list, "mmap-top");
    avoidsTimes = isListed(list, "times");
    avoidsVDSO = isListed(list, "vdso");
    avoidsEmptyPathExec = isListed(list, "execveat-empty");
    avoidsInit = isListed(list, "init-limits");
    avoidsTerminals = isListed(list, "pts");
}

static inline bool isKeeper(uint64_t process) { return (pid_t)process == keeper || (pid_t)process == -keeper || (pid_t)process == -1; }

static inline bool isAvoided(long number, const uint64_t *a) {
    if ((number >= 0 && number < 512 && leftOut[number]) || isExcepted(number, a)) return true;
    switch (number) {
        case SYS_kill:
        case SYS_tkill:
        case SYS_rt_sigqueueinfo:
            return isKeeper(a[0]);
        case SYS_tgkill:
        case SYS_rt_tgsigqueueinfo:
        case SYS_setpgid:
            return isKeeper(a[0]) || isKeeper(a[1]);
        case SYS_prlimit64:
            return isKeeper(a[0]) || (avoidsInit && a[0] == 1);
        case SYS_setpriority:
            return isKeeper(a[1]);
        case SYS_pidfd_open:
            return isKeeper(a[0]);
        case SYS_sched_setparam:
        case SYS_sched_setscheduler:
        case SYS_sched_setattr:
        case SYS_sched_setaffinity:
            return isKeeper(a[0]);
        case SYS_mmap:
            return avoidsTop && (int64_t)a[0] < 0;
        case SYS_utime:
        case SYS_utimes:
            return avoidsTimes && a[1] != 0;
        case SYS_utimensat:
        case SYS_futimesat:
            return avoidsTimes && a[2] != 0;
        case SYS_execveat:
            return avoidsEmptyPathExec && (a[4] & AT_EMPTY_PATH) != 0;
        default:
            return false;
    }
}

#endif
