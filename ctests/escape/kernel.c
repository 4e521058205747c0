// System calls that act on the whole machine or get at files behind everybody's back; and every number there is.
#define CLASS "kernel"
#include "attack.h"
#include <linux/io_uring.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/timex.h>

ATTACK(host_name, change, NATIVE_ROOT, "sethostname and setdomainname, also after unshare") {
    say("sethostname", sethostname("escaped", 7)), say("setdomainname", setdomainname("escaped", 7));
    say("unshare", unshare(CLONE_NEWUSER)), say("sethostname", sethostname("escaped", 7));
}
ATTACK(clock_set, change, TOO_DANGEROUS, "settimeofday, clock_settime, adjtimex, clock_adjtime: the time of the machine") {
    struct timespec t = {1000000000, 0};
    struct timex x = {.modes = ADJ_TICK, .tick = 9000};
    say("clock_settime", syscall(SYS_clock_settime, 0, &t)), say("settimeofday", syscall(SYS_settimeofday, &(long[2]){1000000000, 0}, NULL)),
        say("adjtimex", adjtimex(&x)), say("clock_adjtime", syscall(SYS_clock_adjtime, 0, &x));
}
ATTACK(rebooted, deny, TOO_DANGEROUS, "reboot, kexec_load, kexec_file_load") {
    if (!inside) return;
    say("reboot", syscall(SYS_reboot, 0xfee1dead, 672274793, 0x01234567, NULL)), say("kexec_load", syscall(SYS_kexec_load, 0, 0, NULL, 0)),
        say("kexec_file_load", syscall(SYS_kexec_file_load, 0, 0, 0, "", 0));
}
ATTACK(module_loaded, change, TOO_DANGEROUS, "init_module, finit_module, delete_module") {
    if (!inside) return;
    say("init_module", syscall(SYS_init_module, "x", 1, "")), say("finit_module", syscall(SYS_finit_module, open(in("/lower/victim"), O_RDONLY), "", 0)),
        say("delete_module", syscall(SYS_delete_module, "none", O_NONBLOCK));
}
ATTACK(ports, change, TOO_DANGEROUS, "iopl, ioperm and an outb") {
    if (!inside) return;
    say("iopl", syscall(SYS_iopl, 3)), say("ioperm", syscall(SYS_ioperm, 0, 100, 1));
    pid_t c = forked();
    if (c == 0) {
        __asm__ volatile("outb %%al, $0x80" ::"a"(0));
        _exit(0);
    }
    waitpid(c, NULL, 0);
}
ATTACK(swapped, change, NATIVE_ROOT, "swapon, acct and quotactl; natively a host name shows what counts") {
    say("acct", syscall(SYS_acct, in("/ro/victim"))), say("swapon", syscall(SYS_swapon, in("/ro/big"), 0)),
        say("quotactl", syscall(SYS_quotactl, 0x800002, "/dev/x", 0, NULL));
    if (!inside) syscall(SYS_acct, NULL), say("sethostname", sethostname("x", 1));
}
ATTACK(mounted, change, NATIVE_ROOT, "mount of a tmpfs, a bind, a remount and umount2; natively in a mount namespace of the referee") {
    say("mount", mount("none", in("/tmp"), "tmpfs", 0, NULL)), say("bind", mount(in("/"), in("/hide"), NULL, MS_BIND, NULL)),
        say("remount", mount(NULL, in("/"), NULL, MS_REMOUNT | MS_BIND, NULL)), say("propagation", mount(NULL, "/", NULL, MS_SHARED, NULL));
    deface(open(in("/ro/victim"), O_WRONLY));
}
ATTACK(mounted_anew, leak, NATIVE_ROOT, "open_tree, fsopen, fsmount, fspick, move_mount and mount_setattr of the host's tree; natively by open_tree") {
    int tree = (int)syscall(428, AT_FDCWD, out(""), 1 | O_CLOEXEC), file = openat(tree, "secret", O_RDONLY);
    say("open_tree", tree);
    if (file >= 0) leakFile(file);
    int fs = (int)syscall(430, "proc", 0);
    say("fsopen", fs), syscall(431, fs, 6, NULL, NULL, 0);
    int made = (int)syscall(432, fs, 0, 0);
    say("fsmount", made);
    file = openat(made, "self/environ", O_RDONLY);
    if (file >= 0) leakFile(file);
    say("fspick", syscall(433, AT_FDCWD, in("/"), 0)), say("move_mount", syscall(429, tree, "", AT_FDCWD, in("/tmp"), 4)),
        say("mount_setattr", syscall(442, AT_FDCWD, in("/ro"), 0, &(uint64_t[4]){0, 1, 0, 0}, 32)),
        say("open_tree_attr", syscall(467, AT_FDCWD, in("/"), 1, NULL, 0));
}
ATTACK(mounts_listed, leak, 0, "listmount and statmount, /proc/self/mounts and mountinfo: what the host has mounted") {
    uint64_t list[256];
    struct {
        uint32_t size, spare;
        uint64_t id, param, ns;
    } r = {24, 0, ~0ull /* LSMT_ROOT */, 0, 0};
    char text[8192];
    long count = syscall(458, &r, list, 256, 0);
    say("listmount", count);
    for (long i = 0; i < count; i++) {
        r.id = list[i], r.param = 0x3f | 0x200 | 0x400;
        memset(text, 0, sizeof text);
        if (syscall(457, &r, text, sizeof text, 0) == 0) leak(text, sizeof text);
    }
    leakPath("/proc/self/mountinfo"), leakPath("/proc/mounts"), leakPath("/proc/self/mountstats"), leakPath("/proc/thread-self/mounts");
}
static void join(int pid) {
    static const char *names[] = {"mnt", "user", "pid", "net", "ipc", "uts", "cgroup", "time"};
    char text[64];
    for (int i = 0; i < 8; i++) {
        snprintf(text, sizeof text, "/proc/%d/ns/%s", pid, names[i]);
        int fd = open(text, O_RDONLY);
        int joined = setns(fd, 0);
        say(text, fd), say("setns", joined);
        if (joined == 0) leakPath("/proc/net/dev");
    }
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    say("setns", setns(fd, CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS));
    leakPath(out("secret"));
}
ATTACK(namespaces_joined, leak, NATIVE_ROOT, "setns to the namespaces of the host's processes and to those of our own init and supervisor") { hostPids(join); }
ATTACK(namespaces_made, leak, 0, "unshare and clone of each kind of namespace, then mount, chroot and more; natively the secret is read in one") {
    static const int kinds[] = {CLONE_NEWUSER, CLONE_NEWUSER | CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWPID, CLONE_NEWNS, CLONE_NEWUSER | CLONE_NEWNET};
    for (int i = 0; i < 5; i++) {
        pid_t child = forked();
        if (child == 0) {
            say("unshare", unshare(kinds[i]));
            say("mount", mount("proc", in("/tmp"), "proc", 0, NULL));
            leakPath(in("/tmp/self/environ")), leakPath(out("secret"));
            _exit(0);
        }
        waitpid(child, NULL, 0);
        long other = syscall(SYS_clone, kinds[i] | SIGCHLD, 0, 0, 0, 0);
        if (other == 0) {
            alarm(2), leakPath(out("secret"));
            _exit(0);
        }
        say("clone", other);
        uint64_t arguments[11] = {(uint64_t)kinds[i], 0, 0, 0, SIGCHLD};
        other = syscall(435, arguments, 88);
        if (other == 0) {
            alarm(2), leakPath(out("secret"));
            _exit(0);
        }
        while (waitpid(-1, NULL, __WALL) > 0) {}
    }
}
ATTACK(io_uring, leak, 0, "files opened and read by io_uring, which no filter sees") {
    struct io_uring_params p;
    memset(&p, 0, sizeof p);
    int ring = (int)syscall(425, 4, &p);
    say("io_uring_setup", ring);
    if (ring < 0) return;
    char *sq = mmap(NULL, p.sq_off.array + 64, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0),
         *cq = mmap(NULL, p.cq_off.cqes + 256, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0x8000000);
    struct io_uring_sqe *entry = mmap(NULL, 4 * sizeof *entry, PROT_READ | PROT_WRITE, MAP_SHARED, ring, 0x10000000);
    memset(entry, 0, sizeof *entry);
    entry->opcode = 18 /* OPENAT */, entry->fd = AT_FDCWD, entry->addr = (uintptr_t)out("secret"), entry->open_flags = O_RDONLY;
    ((unsigned *)(sq + p.sq_off.array))[0] = 0, __atomic_store_n((unsigned *)(sq + p.sq_off.tail), 1, __ATOMIC_RELEASE);
    say("io_uring_enter", syscall(426, ring, 1, 1, 1, NULL, 0));
    int result = ((struct io_uring_cqe *)(cq + p.cq_off.cqes))->res;
    if (result >= 0) leakFile(result);
}
ATTACK(old_aio, change, 0, "io_setup and io_submit: a write to a shown file by the old asynchronous interface") {
    for (int mode = 0; mode < 3; mode++) {
        unsigned long context = 0;
        struct {
            uint64_t data;
            uint32_t key, rw;
            uint16_t op, prio;
            uint32_t fd;
            uint64_t buffer, bytes;
            int64_t offset;
            uint64_t reserved;
            uint32_t flags, event;
        } block, *list = &block;
        memset(&block, 0, sizeof block);
        block.op = 1, block.fd = (uint32_t)open(in("/ro/victim"), mode), block.buffer = (uintptr_t) "DEFACED", block.bytes = 7;
        say("io_setup", syscall(SYS_io_setup, 4, &context));
        long submitted = syscall(SYS_io_submit, context, 1, &list);
        say("io_submit", submitted);
        char events[64];
        if (submitted == 1) syscall(SYS_io_getevents, context, 1, 1, events, NULL);
    }
}
static void observe(int pid) {
    char attr[128] = {0};
    attr[0] = 1, attr[4] = 64;
    say("perf_event_open", syscall(SYS_perf_event_open, attr, pid, -1, -1, 0)), say("bpf", syscall(SYS_bpf, 5, attr, 64)),
        say("kcmp", syscall(SYS_kcmp, pid, getpid(), 2, 0, 0)), say("userfaultfd", syscall(SYS_userfaultfd, 0)),
        say("fanotify_init", syscall(SYS_fanotify_init, 0, 0)), say("lookup_dcookie", syscall(SYS_lookup_dcookie, 0, attr, 64)),
        say("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
    if (!inside) {
        struct iovec l = {attr, 64}, r = {(void *)VICTIM_ADDRESS, 64};
        process_vm_readv(victim(), &l, 1, &r, 1, 0), leak(attr, 64);
    }
}
ATTACK(observed, leak, 0, "perf_event_open, bpf, kcmp, userfaultfd, fanotify; natively process_vm_readv shows the same target") { hostPids(observe); }
ATTACK(kernel_log, leak, TOO_DANGEROUS, "syslog(2) of each kind, /dev/kmsg, /proc/kmsg, /proc/kallsyms, /proc/kcore") {
    static char log[65536];
    for (int i = 0; i < 11; i++)
        if (i != 5 && i != 4) say("syslog", syscall(SYS_syslog, i, log, sizeof log));
    const char *files[] = {"/dev/kmsg",        "/proc/kmsg",  "/proc/kallsyms", "/proc/kcore", "/proc/sched_debug", "/sys/kernel/debug/sched/debug",
                           "/proc/timer_list", "/proc/iomem", "/proc/modules"};
    for (int i = 0; i < 9; i++) say(files[i], open(files[i], O_RDONLY | O_NONBLOCK));
}
// Arguments that do harm only to what is the arena's: paths, descriptors of canaries, the victim's pid.
static void everyNumber(long mask) {
    const char *path = in("/ro/victim");
    for (int number = 0; number < 600; number++) {
        // exit, exit_group, the calls that wait, vhangup and sync-like ones that would stall the machine.
        switch (number) {
            case 15:
            case 34:
            case 60:
            case 231:
            case 61:
            case 247:
            case 23:
            case 270:
            case 7:
            case 271:
            case 35:
            case 230:
            case 130:
            case 128:
            case 162:
            case 449:
            case 202:
            case 58:
            case 219:
            case 57:
            case 56:
            case 435:
            case 37:
            case 59:
            case 322:
            case 11:
            case 10:
            case 25:
            case 12:
            case 444:
            case 446:
            case 62:
                continue;
            default:
                break;
        }
        pid_t child = fork();
        if (child == 0) {
            alarm(1);
            int fd = open(path, O_RDONLY);
            uint64_t zeros[64] = {0};
            syscall(mask | number, path, 1, zeros, 64, 0, 0), syscall(mask | number, fd, 0, 7, 0, 0, 0), syscall(mask | number, AT_FDCWD, path, 1, 0, 0, 0),
                syscall(mask | number, AT_FDCWD, path, 0, zeros, 64, 0);
            syscall(mask | number, victim(), zeros, 0, 0, 0, 0), syscall(mask | number, 0, victim(), SIGUSR1, 0, 0, 0),
                syscall(mask | number, victim(), victim(), SIGUSR1, zeros, 0, 0);
            _exit(0);
        }
        for (int i = 0; child > 0 && i < 400 && waitpid(child, NULL, WNOHANG) == 0; i++) {
            if (i == 60) kill(child, SIGKILL);
            usleep(i < 20 ? 100 : 5000);
        }
    }
    say("numbers", 600);
}
ATTACK(every_number, change, TOO_DANGEROUS, "every number from 0 to 600 with paths, descriptors and pids of canaries in each place") {
    if (inside) everyNumber(0);
}
ATTACK(every_number_x32, change, TOO_DANGEROUS, "the same with the x32 bit") {
    if (inside) everyNumber(0x40000000);
}
static long int80(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c) : "memory", "r8", "r9", "r10", "r11");
    return result;
}
ATTACK(entry_32, leak, 0, "open and read through int 0x80, the 32-bit table") {
    char *low = mmap((void *)0x10000000, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    strcpy(low, out("secret"));
    pid_t child = forked();
    if (child == 0) {
        long fd = int80(5, (long)low, 0, 0), got = int80(3, fd, (long)low + 4096, 64);
        if (got > 0) leak(low + 4096, (size_t)got);
        int80(37, victim(), SIGUSR1, 0);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
ATTACK(entry_x32, leak, 0, "open through x32 numbers; natively by its own number, for this kernel has no x32") {
    int fd = (int)syscall(0x40000000 | SYS_open, out("secret"), O_RDONLY);
    say("x32 open", fd);
    if (!inside) fd = open(out("secret"), O_RDONLY);
    if (fd >= 0) leakFile(fd);
    say("x32 execve", syscall(0x40000000 | 520, "/bin/true", NULL, NULL));
}
ATTACK(entry_upper_bits, leak, 0, "numbers and descriptors with bits above the 32nd set, which the kernel ignores") {
    int fd = (int)syscall(SYS_openat, (1ul << 32) | (unsigned)AT_FDCWD, out("secret"), O_RDONLY);
    if (fd >= 0) leakFile(fd);
    fd = (int)syscall(SYS_open, out("secret"), 1ul << 40);
    if (fd >= 0) leakFile(fd);
}
ATTACK(entry_segment, leak, 0, "a far return into the 32-bit code segment, then int 0x80 there") {
    // mov eax, 5; mov ebx, path; xor ecx, ecx; int 0x80; mov ebx, eax; mov eax, 3; mov ecx, buffer; mov edx, 64; int 0x80; mov edx, eax; mov eax, 4; mov ebx, 1; int 0x80; mov eax, 1; int 0x80
    unsigned char code[] = {0xb8, 5, 0, 0,    0,    0xbb, 0, 0,    1,    0x10, 0x31, 0xc9, 0xcd, 0x80, 0x89, 0xc3, 0xb8, 3,
                            0,    0, 0, 0xb9, 0,    0x10, 1, 0x10, 0xba, 64,   0,    0,    0,    0xcd, 0x80, 0x89, 0xc2, 0xb8,
                            4,    0, 0, 0,    0xbb, 1,    0, 0,    0,    0xcd, 0x80, 0xb8, 1,    0,    0,    0,    0xcd, 0x80};
    char *low = mmap((void *)0x10000000, 0x20000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    memcpy(low, code, sizeof code), strcpy(low + 0x10000, out("secret"));
    pid_t child = forked();
    if (child == 0) {
        __asm__ volatile("mov $0x10018000, %%rsp\n\tpushq $0x23\n\tpushq $0x10000000\n\tlretq" ::: "memory");
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
ATTACK(entry_vsyscall, deny, NO_SUPERVISOR, "calls of the vsyscall page and jumps into its middle") {
    for (int i = 0; i < 6; i++) {
        pid_t c = forked();
        if (c == 0) {
            long (*f)(void *, void *) = (long (*)(void *, void *))(0xffffffffff600000ul + (unsigned long)i * 0x400 / (i > 2 ? 2 : 1));
            long t[4];
            f(t, t + 2);
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
}
