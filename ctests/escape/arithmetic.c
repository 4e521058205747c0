// Numbers at their ends, where they are added, shifted, subscripted or made a range: the supervisor must answer, not die.
// Natively there is no supervisor that could die; each attack ends with a call that must still be served.
#define CLASS "arithmetic"
#include "attack.h"
#include <dirent.h>
#include <linux/falloc.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/xattr.h>

#define NUMBERS NO_SUPERVISOR
static const uint64_t ends[] = {0,
                                1,
                                7,
                                4095,
                                4096,
                                4097,
                                0x7fffffff,
                                0x80000000,
                                0xffffffff,
                                0x100000000,
                                0x7fffffffffff,
                                0x800000000000,
                                0x7ffffffffffff000,
                                0x7fffffffffffffff,
                                0x8000000000000000,
                                0xfffffffffffff000,
                                0xfffffffffffffffe,
                                0xffffffffffffffff};
#define ENDS (sizeof ends / sizeof *ends)
#define EACH_END(I) for (size_t I = 0; I < ENDS; I++)
static void served(void) {
    struct stat s;
    say("still served", stat(in("/lower/victim"), &s));
}
// A step that may end the guest itself.
#define ASIDE(...)                \
    do {                          \
        pid_t child_ = forked();  \
        if (child_ == 0) {        \
            __VA_ARGS__;          \
            _exit(0);             \
        }                         \
        waitpid(child_, NULL, 0); \
    } while (0)

ATTACK(map_at_top, deny, NUMBERS, "mmap of a lower file at 0xfffffffffffff000 with MAP_FIXED, and at each end") {
    int fd = open(in("/lower/victim"), O_RDONLY);
    EACH_END(i)
    ASIDE(syscall(SYS_mmap, ends[i] & ~4095ul, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0);
          syscall(SYS_mmap, ends[i], 8192, PROT_READ, MAP_PRIVATE | MAP_FIXED_NOREPLACE, fd, 0); served());
}
ATTACK(map_sizes, deny, NUMBERS, "mmap of a lower file with each length and offset") {
    int fd = open(in("/lower/big"), O_RDONLY);
    EACH_END(i)
    EACH_END(n)
    if (ends[i] != ends[n] || i < 3)
        syscall(SYS_mmap, 0, ends[i], PROT_READ, MAP_PRIVATE, fd, ends[n] & ~4095ul), syscall(SYS_mmap, 0, 4096, PROT_READ, MAP_SHARED, fd, ends[n]);
    deface(open(in("/lower/big"), O_RDWR));
    served();
}
ATTACK(remap_sizes, deny, NUMBERS, "mremap, munmap, mprotect and msync with each length, then a copy-up of the file") {
    int fd = open(in("/lower/big"), O_RDONLY);
    EACH_END(i)
    ASIDE(char *p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0); syscall(SYS_mremap, p, 65536, ends[i], 1, 0);
          syscall(SYS_mremap, p, ends[i], 4096, 3, ends[i] & ~4095ul); syscall(SYS_mprotect, p, ends[i], 1); syscall(SYS_msync, p, ends[i], 4);
          if (i % 4 == 0) truncate(in("/lower/big"), 3); served(); syscall(SYS_munmap, p, ends[i]));
}
ATTACK(times_at_ends, deny, NUMBERS, "utimensat, utimes, utime with times at their ends, then stat, statx and a listing") {
    close(open(in("/tmp/t"), O_WRONLY | O_CREAT, 0666));
    const char *files[] = {"/tmp/t", "/lower/victim", "/tmp"};
    for (int f = 0; f < 3; f++) EACH_END(i) EACH_END(n) {
            if (n % 3) continue;
            int64_t t[4] = {(int64_t)ends[i], (int64_t)ends[n], (int64_t)ends[n], (int64_t)ends[i]};
            syscall(SYS_utimensat, AT_FDCWD, in(files[f]), t, 0), syscall(SYS_utimes, in(files[f]), t), syscall(SYS_utime, in(files[f]), t);
            int64_t u[4] = {(int64_t)ends[i], 0, (int64_t)ends[i], 999999999};
            syscall(SYS_utimensat, AT_FDCWD, in(files[f]), u, 0);
            char x[256];
            struct stat s;
            stat(in(files[f]), &s), syscall(SYS_statx, AT_FDCWD, in(files[f]), 0, 0xfff, x);
            DIR *d = opendir(in("/tmp"));
            while (d && readdir(d)) {}
            if (d) closedir(d);
            int fd = open(in(files[f]), O_RDONLY);
            char b[64];
            ssize_t r = read(fd, b, 64);
            (void)r, close(fd);
        }
    served();
}
ATTACK_WITH(times_changes, deny, NUMBERS | UPPER | AFTERWARDS, "--changes", "times at their ends kept in an upper, then --changes, diff, export and apply") {
    for (int i = 0; i < (int)ENDS; i++) {
        char name[64];
        snprintf(name, sizeof name, "/tmp/t%d", i);
        close(open(in(name), O_WRONLY | O_CREAT, 0666));
        int64_t u[4] = {(int64_t)ends[i], 0, (int64_t)ends[i], 999999999};
        syscall(SYS_utimensat, AT_FDCWD, in(name), u, 0);
    }
    served();
}
ATTACK(sizes_of_files, deny, NUMBERS, "truncate, fallocate, lseek, pread and pwrite at each end, on a file and a directory, then stat and a copy") {
    int fd = open(in("/tmp/f"), O_RDWR | O_CREAT, 0666), dir = open(in("/lower"), O_RDONLY);
    char b[16] = {0};
    signal(SIGXFSZ, SIG_IGN);
    EACH_END(i) {
        syscall(SYS_ftruncate, fd, ends[i]), syscall(SYS_truncate, in("/tmp/f"), ends[i]);
        struct stat s;
        fstat(fd, &s);
        syscall(SYS_ftruncate, fd, 0);
        for (int m = 0; m < 4; m++)
            syscall(SYS_fallocate, fd, m, ends[i], 4096), syscall(SYS_fallocate, fd, m, 4096, ends[i] > 1u << 20 ? ends[i] | 1ull << 46 : ends[i]);
        for (int w = 0; w < 6; w++) syscall(SYS_lseek, fd, ends[i], w), syscall(SYS_lseek, dir, ends[i], w), syscall(SYS_getdents64, dir, b, ends[i]);
        syscall(SYS_pread64, fd, b, 16, ends[i]), syscall(SYS_pwrite64, fd, b, 16, ends[i]);
        syscall(SYS_copy_file_range, fd, &ends[i], open(in("/lower/big"), O_RDONLY), NULL, ends[i], 0), syscall(SYS_sendfile, fd, dir, NULL, ends[i]);
        syscall(SYS_ftruncate, fd, 0);
    }
    served();
}
ATTACK(lengths_of_buffers, deny, NUMBERS, "readlink, getcwd, getdents64, getxattr, listxattr, setxattr, iovecs and msghdrs with each length") {
    char *b = malloc(1 << 16);
    int fd = open(in("/lower"), O_RDONLY), pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0) return;
    EACH_END(i) {
        syscall(SYS_readlink, in("/lower/out"), b, ends[i]), syscall(SYS_getcwd, b, ends[i] > 65536 ? 65536 : ends[i]), syscall(SYS_getdents64, fd, b, ends[i]),
            syscall(SYS_getdents, fd, b, ends[i]);
        syscall(SYS_getxattr, in("/lower/victim"), "user.x", b, ends[i]), syscall(SYS_listxattr, in("/lower/victim"), b, ends[i]),
            syscall(SYS_setxattr, in("/lower/other"), "user.x", b, ends[i], 0), syscall(437, AT_FDCWD, in("/lower/victim"), b, ends[i]);
        struct {
            uint64_t value;
            uint32_t size, flags;
        } x = {(uintptr_t)b, (uint32_t)ends[i], 0};
        syscall(463, AT_FDCWD, in("/lower/other"), 0, "user.y", &x, ends[i]), syscall(464, AT_FDCWD, in("/lower/other"), 0, "user.y", &x, ends[i]);
        struct msghdr m = {
            .msg_name = b, .msg_namelen = (socklen_t)ends[i], .msg_iov = (void *)b, .msg_iovlen = ends[i], .msg_control = b, .msg_controllen = ends[i]};
        memset(b, 0, 4096), sendmsg(pair[0], &m, MSG_DONTWAIT), recvmsg(pair[0], &m, MSG_DONTWAIT), syscall(SYS_sendmmsg, pair[0], &m, ends[i], MSG_DONTWAIT),
            syscall(SYS_recvmmsg, pair[0], &m, ends[i], MSG_DONTWAIT, NULL);
        syscall(SYS_connect, pair[0], b, ends[i]), syscall(SYS_bind, pair[0], b, ends[i]), syscall(SYS_getsockname, pair[0], b, &ends[i]),
            syscall(435, b, ends[i]), syscall(SYS_statfs, in("/lower"), b), syscall(SYS_sched_getaffinity, 0, ends[i], b),
            syscall(SYS_sched_setaffinity, 0, ends[i], b);
    }
    served();
}
ATTACK(numbers_of_descriptors, deny, NUMBERS, "each number as a descriptor in every call that takes one") {
    char b[512];
    EACH_END(i) {
        long fd = (long)ends[i];
        syscall(SYS_fstat, fd, b), syscall(SYS_openat, fd, "x", 0), syscall(SYS_fchdir, fd), syscall(SYS_fchmod, fd, 0), syscall(SYS_fchown, fd, 0, 0),
            syscall(SYS_getdents64, fd, b, 512), syscall(SYS_fstatfs, fd, b), syscall(SYS_fsetxattr, fd, "user.x", b, 1, 0),
            syscall(SYS_mmap, 0, 4096, 1, 2, fd, 0), syscall(SYS_inotify_add_watch, fd, "/", 1), syscall(SYS_inotify_rm_watch, fd, ends[i]);
        syscall(SYS_execveat, fd, "", NULL, NULL, AT_EMPTY_PATH), syscall(SYS_dup3, 0, fd, 0x80000), syscall(SYS_close_range, fd, fd, 0),
            syscall(SYS_linkat, fd, "", fd, "x", AT_EMPTY_PATH), syscall(SYS_fcntl, fd, 1024 + 7, 1), syscall(SYS_fcntl, 0, 0, fd),
            syscall(SYS_ioctl, fd, ends[i], b), syscall(SYS_flock, fd, 6), syscall(SYS_epoll_ctl, fd, 1, 0, b), syscall(SYS_unlinkat, fd, "x", ends[i]),
            syscall(SYS_statx, fd, "", ends[i], ends[i], b);
        char path[96];
        snprintf(path, sizeof path, "/proc/self/fd/%llu", (unsigned long long)ends[i]), close(open(path, O_PATH));
        snprintf(path, sizeof path, "/proc/%llu/status", (unsigned long long)ends[i]), close(open(path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/self/fdinfo/%lld", (long long)ends[i]), close(open(path, O_RDONLY));
        snprintf(path, sizeof path, "/proc/self/map_files/%llx-%llx", (unsigned long long)ends[i], (unsigned long long)ends[i]), close(open(path, O_RDONLY));
    }
    served();
}
ATTACK(pointers_at_ends, deny, NUMBERS, "each number as a pointer, in every argument of every served call") {
    static const int calls[] = {2,   4,   6,   21,  76,  80,  82,  83,  84,  85,  86,  87,  88,  89,  90,  92,  94,  132, 133, 137, 188,
                                189, 190, 191, 192, 193, 194, 195, 196, 197, 198, 199, 235, 254, 257, 258, 259, 260, 261, 262, 263, 264,
                                265, 266, 267, 268, 269, 280, 316, 332, 437, 439, 452, 59,  322, 42,  49,  46,  47,  302, 97,  160, 203,
                                204, 13,  14,  56,  435, 273, 334, 157, 16,  72,  78,  217, 217, 79,  45,  44,  281, 232, 7,   271, 202};
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        ASIDE(alarm(1); EACH_END(i) {
            if (calls[c] == 7 || calls[c] == 271 || calls[c] == 202 || calls[c] == 232 || calls[c] == 281) {
                if (i) break;
            }
            syscall(calls[c], ends[i], ends[ENDS - 1 - i], ends[(i + 3) % ENDS], ends[(i + 5) % ENDS], 0, 0),
                syscall(calls[c], AT_FDCWD, ends[i], ends[(i + 1) % ENDS], ends[i], ends[i], ends[i]),
                syscall(calls[c], in("/lower/victim"), ends[i], ends[i], ends[i], ends[i], ends[i]),
                syscall(calls[c], AT_FDCWD, in("/lower/victim"), ends[i], ends[i], ends[i], ends[i]);
        });
    served();
}
ATTACK(limits_at_ends, deny, NUMBERS, "setrlimit and prlimit with each pair, then opens and an exec") {
    EACH_END(i)
    ASIDE(struct rlimit r = {ends[i], ends[i]}; for (int n = 0; n < 16; n++) if (n != 0) setrlimit(n, &r); close(open(in("/lower/victim"), O_RDONLY)); served();
          execl(in("/bin/attacker"), "x", "--list", NULL));
    served();
}
ATTACK(locks_at_ends, deny, NUMBERS, "fcntl locks with each start and length, then a copy-up") {
    int fd = open(in("/lower/victim"), O_RDONLY);
    EACH_END(i) EACH_END(n) {
        struct flock l = {.l_type = F_RDLCK, .l_whence = (short)(n % 3), .l_start = (off_t)ends[i], .l_len = (off_t)ends[n]};
        fcntl(fd, F_SETLK, &l), fcntl(fd, F_GETLK, &l), fcntl(fd, F_OFD_SETLK, &l);
    }
    deface(open(in("/lower/victim"), O_RDWR));
    served();
}
ATTACK(waits_at_ends, deny, NUMBERS, "timers, polls and sleeps with times at their ends, interrupted by a copy-up") {
    EACH_END(i) {
        pid_t c = forked();
        if (c == 0) {
            int64_t t[4] = {(int64_t)ends[i], (int64_t)ends[i] % 1000000000, 0, 0};
            alarm(1);
            int fd = open(in("/lower/victim"), O_RDONLY);
            void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
            (void)p;
            if (i % 2) syscall(SYS_ppoll, NULL, 0, t, NULL, 0);
            else syscall(SYS_nanosleep, t, NULL);
            syscall(SYS_epoll_wait, epoll_create1(0), t, ends[i], 1);
            _exit(0);
        }
        usleep(3000);
        if (i % 4 == 1) truncate(in("/lower/victim"), (off_t)i);
        kill(c, SIGKILL), waitpid(c, NULL, 0);
    }
    served();
}
ATTACK(names_at_ends, deny, NUMBERS, "names of 255 and 256 bytes, paths of 4095 and 4096, every byte value in names, of files, xattrs and links") {
    char text[8192];
    for (int n = 250; n < 260; n++) {
        int at = snprintf(text, sizeof text, "%s", in("/tmp/"));
        memset(text + at, 'n', (size_t)n), text[at + n] = 0;
        close(open(text, O_WRONLY | O_CREAT, 0666)), mkdir(text, 0777), setxattr(in("/tmp"), text + at, "1", 1, 0);
        memcpy(text + at, "user.", 5), setxattr(in("/tmp"), text + at, "1", 1, 0);
    }
    for (int n = 4085; n < 4110; n++) {
        memset(text, '/', (size_t)n), text[n] = 0;
        close(open(text, O_RDONLY));
        symlink(text, in("/tmp/l")), close(open(in("/tmp/l"), O_RDONLY)), unlink(in("/tmp/l"));
    }
    for (int b = 1; b < 256; b++) {
        snprintf(text, sizeof text, "%s%c%c", in("/tmp/"), b, b);
        close(open(text, O_WRONLY | O_CREAT, 0666));
        struct stat s;
        stat(text, &s);
        rename(text, in("/tmp/r"));
    }
    DIR *d = opendir(in("/tmp"));
    while (d && readdir(d)) {}
    served();
}
ATTACK(ids_at_ends, deny, NUMBERS, "users, groups, modes and device numbers at their ends") {
    EACH_END(i) {
        close(open(in("/tmp/f"), O_WRONLY | O_CREAT, ends[i])), syscall(SYS_chown, in("/tmp/f"), ends[i], ends[i]), syscall(SYS_chmod, in("/tmp/f"), ends[i]),
            syscall(SYS_mknod, in("/tmp/n"), ends[i], ends[i]), syscall(SYS_mknod, in("/tmp/c"), S_IFCHR | 0666, ends[i]), unlink(in("/tmp/n")),
            unlink(in("/tmp/c")), syscall(SYS_umask, ends[i]);
        ASIDE(syscall(SYS_setresuid, ends[i], ends[i], -1); served());
        ASIDE(syscall(SYS_setgroups, ends[i], in("/")); served());
        syscall(SYS_getgroups, ends[i], NULL), syscall(SYS_getpriority, ends[i], ends[i]),
            syscall(SYS_kill, ends[i] > 1 && ends[i] < 0x7fffffff ? ends[i] + 1000000 : 1000000, 0);
    }
    served();
}
ATTACK(seeks_of_proc, deny, NUMBERS, "reads of our own /proc and of directories at each offset") {
    const char *files[] = {"/proc/self/maps",    "/proc/self/status",  "/proc/mounts",  "/proc/stat", "/proc/self/mem",
                           "/proc/self/pagemap", "/proc/self/environ", "/proc/cpuinfo", "/proc"};
    char b[64];
    for (int f = 0; f < 9; f++) {
        int fd = open(files[f], O_RDONLY);
        EACH_END(i)
        syscall(SYS_lseek, fd, ends[i], 0), syscall(SYS_read, fd, b, 64), syscall(SYS_pread64, fd, b, 64, ends[i]), syscall(SYS_getdents64, fd, b, 64);
        close(fd);
    }
    served();
}
