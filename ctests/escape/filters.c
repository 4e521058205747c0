// Games with what the supervisor stands on: a guest's own seccomp filters, the vdso that calls are injected through, clone
// flags, exec in the middle of a race, and the processes that watch. Natively there is no supervisor: what is shown natively
// is the target that a guest without one reaches.
#define CLASS "filter"
#include "attack.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/ucontext.h>

static int install(unsigned number, unsigned action, unsigned flags) {
    struct sock_filter code[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0), BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), BPF_STMT(BPF_RET | BPF_K, action),
                                 BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
    struct sock_fprog program = {4, code};
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    int result = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    say("seccomp", result);
    return result;
}
static void reach(void) { leakPath(out("secret")), leakPath(in("/hide/secret")), deface(open(in("/ro/victim"), O_WRONLY)), kill(victim(), SIGUSR1); }
ATTACK(own_allow, leak, 0, "a filter that allows everything, and ones that return each action for openat") {
    static const unsigned actions[] = {SECCOMP_RET_ALLOW,     SECCOMP_RET_LOG,           SECCOMP_RET_TRACE,
                                       SECCOMP_RET_TRACE | 1, SECCOMP_RET_TRACE | 0x101, SECCOMP_RET_TRACE | 0xffff};
    for (int i = 0; i < 6; i++) {
        pid_t c = forked();
        if (c == 0) {
            install(SYS_openat, actions[i], 0), reach();
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
    if (!inside) reach();
}
ATTACK(own_trace, leak, 0, "SECCOMP_RET_TRACE with each number that the supervisor could mistake for its own, for calls that run natively") {
    static const unsigned numbers[] = {SYS_read, SYS_mmap, SYS_getppid, SYS_write, SYS_dup, SYS_clone, SYS_execve, SYS_kill, SYS_ptrace, SYS_process_vm_readv};
    for (int i = 0; i < 10; i++)
        for (unsigned data = 0x100; data < 0x110; data += 3) {
            pid_t c = forked();
            if (c == 0) {
                install(numbers[i], SECCOMP_RET_TRACE | data, 0);
                syscall((long)numbers[i], 0, 0, 0, 0, 0, 0), getppid(), kill(victim(), 0), leakPath(out("secret"));
                _exit(0);
            }
            waitpid(c, NULL, 0);
        }
}
ATTACK(own_errno, leak, 0, "a filter that lies: EPERM, 0 and ENOSYS for calls that are injected (mmap, openat, dup3, close, munmap), then a copy-up") {
    static const unsigned numbers[] = {SYS_mmap, SYS_openat, SYS_dup3, SYS_dup2, SYS_close, SYS_munmap, SYS_prctl, SYS_sendmsg, SYS_pread64, SYS_fcntl};
    for (int i = 0; i < 10; i++)
        for (int e = 0; e < 2; e++) {
            pid_t c = forked();
            if (c == 0) {
                int fd = open(in("/lower/victim"), O_RDONLY);
                char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
                (void)p;
                install(numbers[i], SECCOMP_RET_ERRNO | (e ? EPERM : 0), 0);
                deface((int)syscall(SYS_open, in("/lower/victim"), O_RDWR));
                truncate(in("/lower/victim"), 3);
                reach();
                _exit(0);
            }
            waitpid(c, NULL, 0);
        }
}
ATTACK(own_kill, deny, NO_SUPERVISOR, "a filter that kills or traps the guest at injected calls, then a copy-up of a mapped file") {
    static const unsigned numbers[] = {SYS_mmap, SYS_openat, SYS_dup3, SYS_close, SYS_munmap, SYS_execve, SYS_pread64};
    for (int i = 0; i < 7; i++)
        for (int k = 0; k < 3; k++) {
            pid_t c = forked();
            if (c == 0) {
                int fd = open(in("/lower/victim"), O_RDONLY);
                char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
                (void)p;
                install(numbers[i], k == 0 ? SECCOMP_RET_KILL_PROCESS : k == 1 ? SECCOMP_RET_KILL_THREAD : SECCOMP_RET_TRAP, 0);
                truncate(in("/lower/victim"), 3);
                execl(in("/bin/attacker"), "x", NULL);
                _exit(0);
            }
            waitpid(c, NULL, 0);
        }
}
ATTACK(own_listener, leak, 0, "a listener of the guest's own that answers CONTINUE, in a child and in a thread; natively the target itself") {
    int listener = install(SYS_openat, SECCOMP_RET_USER_NOTIF, SECCOMP_FILTER_FLAG_NEW_LISTENER);
    if (listener >= 0) {
        pid_t c = forked();
        if (c == 0) {
            syscall(SYS_openat, AT_FDCWD, out("secret"), O_RDONLY);
            _exit(0);
        }
        struct seccomp_notif n;
        struct seccomp_notif_resp r;
        memset(&n, 0, sizeof n), memset(&r, 0, sizeof r);
        if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &n) == 0) {
            r.id = n.id, r.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
            say("continue", ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &r));
            struct seccomp_notif_addfd a = {.id = n.id, .srcfd = 0};
            say("addfd", ioctl(listener, SECCOMP_IOCTL_NOTIF_ADDFD, &a));
        }
        kill(c, SIGKILL), waitpid(c, NULL, 0);
        close(listener);
    }
    int fd = (int)syscall(SYS_open, out("secret"), O_RDONLY);
    if (fd >= 0) leakFile(fd);
}
ATTACK(own_many, deny, NO_SUPERVISOR, "filters until the kernel has enough, of thousands of instructions each") {
    for (int i = 0; i < 64; i++) {
        static struct sock_filter code[4096];
        for (int n = 0; n < 4095; n++) code[n] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0);
        code[4095] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
        struct sock_fprog p = {4096, code};
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) != 0) break;
    }
    struct stat s;
    say("stat", stat(in("/lower/victim"), &s));
}
ATTACK(strict_mode, deny, NO_SUPERVISOR, "PR_SET_SECCOMP strict, then a served call") {
    pid_t c = forked();
    if (c == 0) {
        prctl(PR_SET_SECCOMP, 1, 0, 0, 0);
        syscall(SYS_openat, AT_FDCWD, "/lower/victim", 0);
        syscall(SYS_exit, 0);
    }
    waitpid(c, NULL, 0);
}
static unsigned long vdsoBase(size_t *size) {
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    unsigned long a = 0, b = 0;
    while (maps && fgets(line, sizeof line, maps))
        if (strstr(line, "[vdso]")) sscanf(line, "%lx-%lx", &a, &b);
    if (maps) fclose(maps);
    *size = b - a;
    return a;
}
static void breakVdso(unsigned char with) {
    size_t size = 0;
    unsigned char *base = (unsigned char *)vdsoBase(&size);
    if (!base) base = (unsigned char *)getauxval(33), size = 8192;
    say("mprotect", mprotect(base, size, PROT_READ | PROT_WRITE | PROT_EXEC));
    int memory = open("/proc/self/mem", O_RDWR);
    for (size_t i = 0; i + 1 < size; i++)
        if (base[i] == 0x0f && base[i + 1] == 0x05) {
            unsigned char bytes[2] = {with, with == 0xeb ? 0xfe : with};
            if (pwrite(memory, bytes, 2, (off_t)(uintptr_t)(base + i)) != 2) memcpy(base + i, bytes, 2);
        }
}
static void mappedCopyUp(unsigned char with) {
    pid_t child = forked();
    if (child == 0) {
        int fd = open(in("/lower/victim"), O_RDONLY);
        volatile char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        breakVdso(with);
        pid_t other = forked();
        if (other == 0)
            for (;;) (void)p[0];
        truncate(in("/lower/victim"), 3);
        deface((int)syscall(SYS_open, in("/lower/victim"), O_RDWR));
        kill(other, SIGKILL);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}
ATTACK(vdso_nops, deny, NO_SUPERVISOR, "the vdso's syscall instructions replaced by nops, then a copy-up of a mapped file") { mappedCopyUp(0x90); }
ATTACK(vdso_loop, deny, NO_SUPERVISOR, "the same by an endless loop") { mappedCopyUp(0xeb); }
ATTACK(vdso_trap, deny, NO_SUPERVISOR, "the same by int3, and by ud2") { mappedCopyUp(0xcc); }
ATTACK(vdso_unmapped, deny, NO_SUPERVISOR, "the vdso unmapped, or something of the guest's mapped over it, then a copy-up") {
    for (int i = 0; i < 3; i++) {
        pid_t c = forked();
        if (c == 0) {
            size_t size = 0;
            void *base = (void *)vdsoBase(&size);
            int fd = open(in("/lower/victim"), O_RDONLY);
            void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
            (void)p;
            if (i == 0) munmap(base, size);
            else if (i == 1) mmap(base, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
            else mmap(base, size, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_FIXED, fd, 0);
            syscall(SYS_truncate, "/lower/victim", 3);
            syscall(SYS_open, "/lower/victim", O_RDWR);
            syscall(SYS_exit, 0);
        }
        waitpid(c, NULL, 0);
    }
}
ATTACK(clone_untraced, leak, 0, "clone and clone3 with CLONE_UNTRACED and CLONE_PTRACE: a child that is not traced; natively any child") {
    static const unsigned long flags[] = {0x800000, 0x2000, 0x802000, 0x8000, 0x808000, 0x4000 | 0x100 | 0x800000};
    for (int i = 0; i < 5; i++) {
        long c = syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0);
        if (c == 0) {
            alarm(2), reach();
            _exit(0);
        }
        say("clone", c);
        uint64_t a[11] = {flags[i], 0, 0, 0, SIGCHLD};
        c = syscall(435, a, 88);
        if (c == 0) {
            alarm(2), reach();
            _exit(0);
        }
        say("clone3", c);
        while (waitpid(-1, NULL, __WALL) > 0) {}
    }
    usleep(100000);
}
ATTACK(left_behind, change, NO_SUPERVISOR, "children made with CLONE_UNTRACED, CLONE_PARENT and setsid that go on when the command has ended") {
    static const unsigned long flags[] = {0, 0x800000, 0x8000, 0x808000};
    for (int i = 0; i < 4; i++) {
        uint64_t a[11] = {flags[i], 0, 0, 0, SIGCHLD};
        for (int way = 0; way < 2; way++)
            if ((way ? syscall(435, a, 88) : syscall(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0)) == 0) {
                setsid(), signal(SIGTERM, SIG_IGN), signal(SIGHUP, SIG_IGN), alarm(5);
                for (;;) usleep(10000);
            }
    }
}
ATTACK(clone3_raced, leak, 0, "clone3's flags changed by another thread between check and use") {
    static uint64_t a[11];
    a[4] = SIGCHLD;
    flipping((char *)a, 2, 0, (char)0x80, 0.2, ({
                 void race(void) {
                     long c = syscall(435, a, 88);
                     if (c == 0) {
                         leakPath(out("secret"));
                         _exit(0);
                     }
                     if (c > 0) waitpid((pid_t)c, NULL, __WALL);
                 }
                 race;
             }));
    if (!inside) leakPath(out("secret"));
}
ATTACK(vfork_games, leak, 0, "vfork and CLONE_VM children that change the parent's descriptors, directory and memory; natively the secret is read in one") {
    static char stack[65536];
    for (volatile int i = 0; i < 20; i++) {
        pid_t c = vfork();
        if (c == 0) {
            if (i == 0) leakPath(out("secret"));
            if (i % 2) execl(in("/lower/none"), "x", NULL);
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
    long c = syscall(SYS_clone, CLONE_VM | CLONE_FILES | CLONE_FS | SIGCHLD, stack + 60000, 0, 0, 0);
    if (c == 0) {
        for (int i = 0; i < 3; i++)
            if (chdir("..") != 0) break;
        _exit(0);
    }
    waitpid(-1, NULL, __WALL);
    leakPath("outside/secret"), leakPath("../outside/secret");
}
static int execFd;
static void *flipFd(void *unused) {
    // A FIFO and a pipe without a writer: who opens them for reading waits.
    int ends[2];
    if (pipe(ends) != 0) return unused;
    close(ends[1]);
    int fds[3] = {open(in("/bin/attacker"), O_RDONLY), open(in("/tmp/fifo"), O_RDONLY | O_NONBLOCK), ends[0]};
    for (double end = now() + 0.4; now() < end;)
        for (int i = 0; i < 3; i++) dup2(fds[i], execFd);
    return unused;
}
ATTACK(exec_fifo_race, deny, NO_SUPERVISOR, "execveat(fd, \"\", AT_EMPTY_PATH) while another thread puts a FIFO or a pipe under fd") {
    mkfifo(in("/tmp/fifo"), 0666);
    execFd = open(in("/bin/attacker"), O_RDONLY);
    for (double end = now() + 1; now() < end;) {
        pid_t c = forked();
        if (c == 0) {
            pthread_t t;
            pthread_create(&t, NULL, flipFd, NULL);
            setenv("ESCAPE_READER", "/none", 1);
            char *const a[] = {"x", NULL};
            for (int i = 0; i < 400; i++) syscall(SYS_execveat, execFd, "", a, environ, AT_EMPTY_PATH);
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
}
ATTACK(exec_fifo, deny, NO_SUPERVISOR, "exec, interpreter and script of FIFOs, directories, terminals and sockets") {
    mkfifo(in("/tmp/fifo"), 0777);
    int fd = open(in("/tmp/script"), O_WRONLY | O_CREAT, 0777);
    char line[256];
    ssize_t w = write(fd, line, (size_t)snprintf(line, sizeof line, "#!%s\n", in("/tmp/fifo")));
    (void)w;
    close(fd);
    const char *paths[] = {"/tmp/fifo", "/tmp/script", "/lower/fifo", "/lower/socket", "/tmp", "/lower/script"};
    char *const a[] = {"x", NULL};
    for (int i = 0; i < 6; i++) {
        pid_t c = forked();
        if (c == 0) {
            execv(in(paths[i]), a);
            syscall(SYS_execveat, open(in(paths[i]), O_PATH), "", a, environ, AT_EMPTY_PATH);
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
}
ATTACK(exec_memfd, leak, 0, "exec of a memfd and of an unlinked file: code that no path names; natively it reads the secret") {
    int m = memfd_create("x", 0), from = open(in("/bin/attacker"), O_RDONLY);
    char page[65536];
    for (ssize_t got; (got = read(from, page, sizeof page)) > 0;)
        if (write(m, page, (size_t)got) != got) break;
    pid_t c = forked();
    if (c == 0) {
        setenv("ESCAPE_READER", out("secret"), 1);
        char *const a[] = {"x", NULL};
        syscall(SYS_execveat, m, "", a, environ, AT_EMPTY_PATH);
        char text[64];
        snprintf(text, sizeof text, "/proc/self/fd/%d", m), execv(text, a);
        _exit(1);
    }
    waitpid(c, NULL, 0);
}
ATTACK(exec_scripts, deny, NO_SUPERVISOR, "scripts that name each other, themselves, and interpreters of 4 KiB") {
    for (int i = 0; i < 3; i++) {
        char line[9000] = "#!";
        int fd = open(in("/tmp/s"), O_WRONLY | O_CREAT | O_TRUNC, 0777);
        if (i == 0) strcat(line, in("/tmp/s"));
        else memset(line + 2, i == 1 ? '/' : 'a', 8000);
        ssize_t w = write(fd, line, strlen(line));
        (void)w;
        close(fd);
        pid_t c = forked();
        if (c == 0) {
            char *const a[] = {"x", NULL};
            execv(in("/tmp/s"), a);
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
}
ATTACK(exec_elf, deny, NO_SUPERVISOR, "ELF files with extreme headers: offsets, sizes and addresses at their ends, 65,535 segments") {
    unsigned char elf[4096];
    int from = open("/proc/self/exe", O_RDONLY);
    for (int i = 0; i < 40; i++) {
        if (pread(from, elf, sizeof elf, 0) != (ssize_t)sizeof elf) return;
        uint64_t extremes[] = {0, 1, ~0ull, 1ull << 63, (1ull << 63) - 1, 0x7ffffffff000, 0xfffffffffffff000, 1ull << 47};
        uint64_t value = extremes[i % 8];
        switch (i / 8) {
            case 0:
                memcpy(elf + 32, &value, 8);
                break;  // e_phoff
            case 1:
                memcpy(elf + 64 + 8, &value, 8);
                break;  // p_offset
            case 2:
                memcpy(elf + 64 + 16, &value, 8);
                break;  // p_vaddr
            case 3:
                memcpy(elf + 64 + 32, &value, 8), memcpy(elf + 64 + 40, &value, 8);
                break;  // p_filesz, p_memsz
            default:
                memcpy(elf + 56, &value, 2), memcpy(elf + 24, &value, 8);
                break;  // e_phnum, e_entry
        }
        if (i % 3 == 0) elf[64] = 3;  // PT_INTERP
        int fd = open(in("/tmp/elf"), O_WRONLY | O_CREAT | O_TRUNC, 0777);
        ssize_t w = write(fd, elf, sizeof elf);
        (void)w, close(fd);
        pid_t c = forked();
        if (c == 0) {
            char *const a[] = {"x", NULL};
            execv(in("/tmp/elf"), a);
            _exit(0);
        }
        for (int n = 0; n < 200 && waitpid(c, NULL, WNOHANG) == 0; n++) {
            if (n == 100) kill(c, SIGKILL);
            usleep(1000);
        }
    }
}
ATTACK(memory_of_trampoline, leak, 0, "PR_SET_MM, a break and mappings at the ends of the address space, then exec; natively the secret is read after it") {
    for (int i = 1; i < 14; i++) prctl(PR_SET_MM, i, 0x10000, 0, 0);
    leakPath(out("secret")), leakPath(in("/hide/secret")), leakPath("/proc/self/exe");
}
ATTACK(dispatched, leak, 0, "PR_SET_SYSCALL_USER_DISPATCH: calls that come back as signals; natively the target itself") {
    pid_t c = forked();
    if (c == 0) {
        static volatile char selector = 0;
        say("prctl", prctl(59, 1, 0, 0, &selector));
        selector = 1;
        getppid();
        _exit(0);
    }
    waitpid(c, NULL, 0);
    leakPath(out("secret"));
}
static void onSignal(int number, siginfo_t *info, void *context) {
    (void)number, (void)info;
    ((ucontext_t *)context)->uc_mcontext.gregs[16] += 2;
}
ATTACK(signals_at_calls, leak, 0, "signals, restarts and returns with made-up frames in the middle of served calls; natively the secret is read") {
    struct sigaction a;
    memset(&a, 0, sizeof a);
    a.sa_sigaction = onSignal, a.sa_flags = SA_SIGINFO | SA_RESTART;
    pid_t c = forked();
    if (c == 0) {
        sigaction(SIGUSR1, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
        pid_t me = getpid(), other = forked();
        if (other == 0)
            for (;;) kill(me, SIGUSR1);
        for (double end = now() + 0.2; now() < end;) {
            int fd = open(in("/lower/victim"), O_RDONLY);
            close(fd);
            fd = open(out("secret"), O_RDONLY);
            if (fd >= 0) leakFile(fd), close(fd);
        }
        kill(other, SIGKILL);
        _exit(0);
    }
    waitpid(c, NULL, 0);
}
ATTACK(restart_games, leak, 0, "restart_syscall and sigreturn with another number in rax; natively the target itself") {
    say("restart_syscall", syscall(SYS_restart_syscall));
    pid_t c = forked();
    if (c == 0) {
        static char frame[4096];
        __asm__ volatile("mov %0, %%rsp\n\tmov $15, %%eax\n\tsyscall" ::"r"(frame + 1024) : "memory");
        _exit(0);
    }
    waitpid(c, NULL, 0);
    leakPath(out("secret"));
}
ATTACK(traced_by_guest, leak, 0, "PTRACE_TRACEME, then exec and calls: a guest that wants to be another's; natively a tracer's child reads the secret") {
    pid_t c = forked();
    if (c == 0) {
        say("TRACEME", ptrace(PTRACE_TRACEME, 0, 0, 0));
        if (inside) raise(SIGCONT);
        leakPath(out("secret"));
        _exit(0);
    }
    for (int i = 0; i < 50; i++) {
        int status;
        if (waitpid(c, &status, WNOHANG) == c && !WIFSTOPPED(status)) break;
        ptrace(PTRACE_CONT, c, 0, 0), usleep(2000);
    }
    kill(c, SIGKILL), waitpid(c, NULL, 0);
}
ATTACK(threads_exec, leak, 0, "exec from a thread while others make calls and die; natively the last one reads the secret") {
    for (int i = 0; i < 10; i++) {
        pid_t c = forked();
        if (c == 0) {
            pthread_t t[4];
            for (int n = 0; n < 4; n++)
                pthread_create(&t[n], NULL, ({
                    void *f(void *x) {
                        for (;;) {
                            struct stat s;
                            stat(in("/lower/victim"), &s);
                            close(open(in("/lower/other"), O_RDONLY));
                        }
                        return x;
                    }
                    f;
                }),
                               NULL);
            usleep(500);
            setenv("ESCAPE_READER", out("secret"), 1);
            char *const a[] = {"x", NULL};
            syscall(SYS_execve, in("/bin/attacker"), a, environ);
            _exit(1);
        }
        waitpid(c, NULL, 0);
    }
}
ATTACK(dumpable, leak, 0, "PR_SET_DUMPABLE, PR_SET_PTRACER, PR_SET_CHILD_SUBREAPER, robust lists and rseq of others; natively the victim's memory") {
    prctl(PR_SET_DUMPABLE, 0), prctl(PR_SET_PTRACER, -1), prctl(PR_SET_CHILD_SUBREAPER, 1), prctl(PR_SET_TSC, 2), prctl(PR_SET_TIMERSLACK, 1),
        prctl(PR_SET_THP_DISABLE, 1);
    prctl(62 /* PR_SCHED_CORE */, 2, victim(), 0, 0);
    char m[64];
    struct iovec l = {m, 64}, r = {(void *)VICTIM_ADDRESS, 64};
    if (process_vm_readv(victim(), &l, 1, &r, 1, 0) > 0) leak(m, 64);
    leakPath(in("/lower/victim")), leakPath("/proc/self/environ");
}
ATTACK(map_secret, leak, 0, "every mmap flag's upper bits: what lets the loader's mappings through; natively the secret is mapped") {
    for (int bit = 32; bit < 64; bit++) { syscall(SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | (1ul << bit), open(in("/lower/victim"), O_RDONLY), 0); }
    int fd = open(out("secret"), O_RDONLY);
    char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    if (p != MAP_FAILED) leak(p, 32);
}
