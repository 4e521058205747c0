// Makes as many of one thing as it can: `exhaust MODE SECONDS`. Judged from outside by the memory of the supervisor and the
// size of the store (checks/exhaustion.sh); what it prints is for people: how many, and which errno ended it.
//
// It runs inside a sandbox only: /exhaust-inside must be there, which no host has (`--tmpfs /exhaust-inside`).
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

static double deadline;
static long made;
static int last_error;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}
static int in_time(void) { return (made & 15) || now() < deadline; }
// Counts a success; ends a loop at the first failure.
static int did(long result) {
    if (result < 0) {
        last_error = errno;
        return 0;
    }
    made++;
    return 1;
}
static char name[4200];
static const char *numbered(const char *format, ...) {
    va_list list;
    va_start(list, format);
    vsnprintf(name, sizeof name, format, list);
    va_end(list);
    return name;
}
static const char *longname(long n) {
    memset(name, 'n', 240);
    sprintf(name + 240, "%010ld", n);
    return name;
}
static int file(const char *path) {
    int f = open(path, O_CREAT | O_RDWR, 0644);
    if (f >= 0) close(f);
    return f;
}
static void many_descriptors(void) {
    struct rlimit l;
    getrlimit(RLIMIT_NOFILE, &l);
    l.rlim_cur = l.rlim_max;
    setrlimit(RLIMIT_NOFILE, &l);
}

static void dirs_deep(void) {
    while (in_time() && did(mkdir("d", 0755)) && !chdir("d")) {}
}
static void dirs_wide(void) {
    while (in_time() && did(mkdir(numbered("d%ld", made), 0755))) {}
}
static void files(void) {
    while (in_time() && did(file(numbered("f%ld", made)))) {}
}
static void names_long(void) {
    while (in_time() && did(file(longname(made)))) {}
}
static void links(void) {
    file("f");
    while (in_time() && did(link("f", numbered("l%ld", made)))) {}
}
static void links_long(void) {
    file("f");
    while (in_time() && did(link("f", longname(made)))) {}
}
static void xattrs_big(void) {
    static char value[60000];
    while (in_time()) {
        numbered("f%ld", made);
        if (file(name) < 0 || !did(setxattr(name, "user.x", value, sizeof value, 0))) break;
    }
    if (!last_error) last_error = errno;
}
static void xattrs_many(void) {
    file("f");
    char key[64];
    while (in_time()) {
        sprintf(key, "user.k%ld", made);
        if (!did(setxattr("f", key, "", 0, 0))) break;
    }
}
static void negative(void) {
    struct stat s;
    while (in_time()) {
        stat(numbered("no%ld-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", made), &s);
        if (errno != ENOENT) {
            last_error = errno;
            break;
        }
        made++;
    }
}
static void symlinks(void) {
    static char target[4000];
    memset(target, 't', sizeof target - 1);
    while (in_time() && did(symlink(target, numbered("s%ld", made)))) {}
}
static void fifos(void) {
    while (in_time() && did(mkfifo(numbered("p%ld", made), 0644))) {}
}
static int bound(const char *path) {
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    if (bind(s, (struct sockaddr *)&a, sizeof a)) {
        int e = errno;
        close(s);
        errno = e;
        return -1;
    }
    return s;
}
// More than any budget holds at once: what has gone must have been forgotten.
static void sockets_loop(void) {
    while (in_time()) {
        int s = bound("sock");
        if (!did(s)) break;
        close(s);
        unlink("sock");
    }
}
static void sockets_kept(void) {
    many_descriptors();
    while (in_time() && did(bound(numbered("s%ld", made)))) {}
}
static int inotify;
static int watch_one(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)s;
    (void)type;
    (void)f;
    return !in_time() || !did(inotify_add_watch(inotify, path, IN_ALL_EVENTS));
}
static void watches(void) {
    inotify = inotify_init1(0);
    nftw("/usr", watch_one, 64, FTW_PHYS);
    if (!last_error)
        while (in_time() && file(numbered("f%ld", made)) >= 0 && did(inotify_add_watch(inotify, name, IN_ALL_EVENTS))) {}
}
static void queues(void) {
    int i;
    many_descriptors();
    for (i = 0; i < 500; i++) {
        int f = inotify_init1(0);
        if (f < 0 || inotify_add_watch(f, ".", IN_ALL_EVENTS) < 0) break;
    }
    while (in_time()) {
        longname(made % 50);
        if (!did(file(name)) || unlink(name)) break;
    }
}
static void open_dirs(void) {
    many_descriptors();
    while (in_time()) {
        numbered("d%ld", made);
        if (mkdir(name, 0755)) {
            last_error = errno;
            break;
        }
        if (!did(open(name, O_RDONLY | O_DIRECTORY))) break;
    }
}
static void open_files(void) {
    many_descriptors();
    while (in_time() && did(open(numbered("f%ld", made), O_RDWR | O_CREAT, 0644))) {}
}
static void open_paths(void) {
    many_descriptors();
    file("f");
    while (in_time() && link("f", numbered("l%ld", made)) == 0 && did(open(name, O_PATH))) {}
    if (!last_error) last_error = errno;
}
static void unlinked(void) {
    many_descriptors();
    while (in_time()) {
        if (!did(open("f", O_RDWR | O_CREAT, 0644))) break;
        if (unlink("f")) {
            last_error = errno;
            break;
        }
    }
}
static void tmpfiles(void) {
    many_descriptors();
    while (in_time() && did(open(".", O_TMPFILE | O_RDWR, 0644))) {}
}
static void maps(void) {
    int f = open("f", O_RDWR | O_CREAT, 0644);
    if (ftruncate(f, 1 << 30)) {}
    char *base = mmap(0, 1l << 36, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    while (in_time()) {
        void *p = mmap(base + made * 8192, 4096, PROT_READ, MAP_SHARED | MAP_FIXED, f, (made * 7919 % 100000) * 4096);
        if (!did(p == MAP_FAILED ? -1 : 0)) break;
    }
}
// Several spaces that all have it.
static void maps_forked(void) {
    maps();
    for (int i = 0; i < 40; i++)
        if (fork() == 0) {
            pause();
            _exit(0);
        }
}
static void *sleeper(void *x) {
    pause();
    return x;
}
static void threads(void) {
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 16384);
    pthread_t t;
    while (in_time() && made < 4000) {
        errno = pthread_create(&t, &a, sleeper, 0);
        if (!did(errno ? -1 : 0)) break;
    }
}
static void processes(void) {
    while (in_time() && made < 1500) {
        pid_t p = fork();
        if (p == 0) {
            struct stat s;
            stat("x", &s);
            chdir("/");
            pause();
            _exit(0);
        }
        if (!did(p)) break;
    }
}
static int unlink_one(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)s;
    (void)f;
    if (!in_time()) return 1;
    if ((type == FTW_DP ? rmdir(path) : unlink(path)) == 0) made++;
    else last_error = errno;
    return 0;
}
// Whiteouts of a large lower, and its directories' listings.
static void whiteouts(void) { nftw("/usr", unlink_one, 64, FTW_PHYS | FTW_DEPTH); }
static int copy_one(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)f;
    if (!in_time()) return 1;
    if (type != FTW_F || !S_ISREG(s->st_mode) || s->st_size > 8192) return 0;
    int d = open(path, O_WRONLY | O_APPEND);
    if (d >= 0) close(d);
    return !did(d);
}
static void copyups(void) { nftw("/usr", copy_one, 64, FTW_PHYS); }
static int chmod_one(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)f;
    (void)type;
    if (!in_time()) return 1;
    return S_ISLNK(s->st_mode) ? 0 : !did(chmod(path, 0755));
}
static void chmods(void) { nftw("/usr", chmod_one, 64, FTW_PHYS); }
static int list_one(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)s;
    (void)f;
    if (!in_time()) return 1;
    if (type != FTW_D) return 0;
    char inside[4200];
    snprintf(inside, sizeof inside, "%s/.made", path);
    if (file(inside) < 0) {
        last_error = errno;
        return 1;
    }
    made++;
    return 0;
}
static int stat_one(const char *path, const struct stat *s, int type, struct FTW *f) {
    (void)path;
    (void)s;
    (void)type;
    (void)f;
    made++;
    return !in_time();
}
static void listings(void) {
    nftw("/usr", list_one, 64, FTW_PHYS);
    nftw("/usr", stat_one, 64, FTW_PHYS);
}
static void walk(void) { nftw("/", stat_one, 64, FTW_PHYS); }
static void renames(void) {
    file("a");
    while (in_time() && did(rename("a", numbered("b%ld", made))) && rename(name, "a") == 0) {}
}
static void renames_dirs(void) {
    mkdir("x", 0755);
    mkdir("y", 0755);
    while (in_time()) {
        numbered("x/d%ld", made);
        if (mkdir(name, 0755)) {
            last_error = errno;
            break;
        }
        char to[64];
        sprintf(to, "y/e%ld", made);
        if (!did(rename(name, to))) break;
    }
}
static void sparse(void) {
    int f = open("f", O_RDWR | O_CREAT, 0644);
    if (ftruncate(f, 1l << 30)) {
        last_error = errno;
        return;
    }
    pid_t child = fork();
    if (child == 0) {
        char *p = mmap(0, 1l << 30, PROT_READ | PROT_WRITE, MAP_SHARED, f, 0);
        for (long at = 0; at < 1l << 30; at += 4096) p[at] = 1;
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    made = status;
}
static void writes(void) {
    static char block[65536];
    int f = open("f", O_WRONLY | O_CREAT, 0644);
    while (in_time() && did(write(f, block, sizeof block))) {}
}
static void writes_many(void) {
    static char block[65536];
    int f[8], i;
    for (i = 0; i < 8; i++) f[i] = open(numbered("f%d", i), O_WRONLY | O_CREAT, 0644);
    for (i = 0; i < 4; i++)
        if (fork() == 0) {
            signal(SIGXFSZ, SIG_IGN);
            for (;;)
                for (int k = 0; k < 8; k++)
                    if (write(f[k], block, sizeof block) < 0 && now() > deadline) _exit(0);
        }
    signal(SIGXFSZ, SIG_IGN);
    while (now() < deadline)
        if (write(f[made++ % 8], block, sizeof block) < 0) last_error = errno;
    while (wait(0) > 0) {}
}
static void allocates(void) {
    int f = open("f", O_WRONLY | O_CREAT, 0644);
    while (in_time() && did(fallocate(f, 0, made * 1000000, 1000000))) {}
}
static void locks(void) {
    int f = open("f", O_RDWR | O_CREAT, 0644);
    while (in_time() && made < 200000) {
        struct flock l = {.l_type = F_WRLCK, .l_start = made * 2, .l_len = 1};
        if (!did(fcntl(f, F_SETLK, &l))) break;
    }
}
static void *filtered(void *x) {
    static struct sock_filter code[4001];
    for (int i = 0; i < 4000; i++) code[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, i);
    code[4000] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog p = {4001, code};
    while (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p) == 0) made++;
    pause();
    return x;
}
static void filters(void) {
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    pthread_attr_t a;
    pthread_attr_init(&a);
    pthread_attr_setstacksize(&a, 65536);
    for (int i = 0; i < 1000 && now() < deadline; i++) {
        pthread_t t;
        if (pthread_create(&t, &a, filtered, 0)) break;
    }
}
static void epolls(void) {
    many_descriptors();
    int f = open(".", O_RDONLY);
    (void)f;
    while (in_time() && did(epoll_create1(0))) {}
}
static void timers(void) {
    struct sigevent e = {.sigev_notify = SIGEV_NONE};
    timer_t t;
    while (in_time() && made < 100000 && did(timer_create(CLOCK_MONOTONIC, &e, &t))) {}
}
static void signals(void) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, 0);
    union sigval v = {0};
    while (in_time() && made < 200000 && did(sigqueue(getpid(), SIGRTMIN, v))) {}
}
static void generated(void) {
    many_descriptors();
    maps();
    made = 0;
    char block[65536];
    while (in_time()) {
        int f = open("/proc/self/maps", O_RDONLY);
        if (!did(f)) break;
        while (read(f, block, sizeof block) > 0) {}
    }
}
static void cursors(void) {
    many_descriptors();
    for (int i = 0; i < 5000; i++)
        if (file(numbered("f%d", i)) < 0) break;
    char block[2048];
    while (in_time()) {
        int f = open(".", O_RDONLY | O_DIRECTORY);
        if (!did(f)) break;
        for (long k = 0; k < made % 20; k++)
            if (syscall(SYS_getdents64, f, block, sizeof block) <= 0) break;
    }
}

static const struct {
    const char *name;
    void (*run)(void);
} modes[] = {
    {"dirs-deep", dirs_deep},
    {"dirs-wide", dirs_wide},
    {"files", files},
    {"names-long", names_long},
    {"links", links},
    {"links-long", links_long},
    {"xattrs-big", xattrs_big},
    {"xattrs-many", xattrs_many},
    {"negative", negative},
    {"symlinks", symlinks},
    {"fifos", fifos},
    {"sockets-loop", sockets_loop},
    {"sockets-kept", sockets_kept},
    {"watches", watches},
    {"queues", queues},
    {"open-dirs", open_dirs},
    {"open-files", open_files},
    {"open-paths", open_paths},
    {"unlinked", unlinked},
    {"tmpfiles", tmpfiles},
    {"maps", maps},
    {"maps-forked", maps_forked},
    {"threads", threads},
    {"processes", processes},
    {"whiteouts", whiteouts},
    {"copyups", copyups},
    {"chmods", chmods},
    {"listings", listings},
    {"walk", walk},
    {"renames", renames},
    {"renames-dirs", renames_dirs},
    {"sparse", sparse},
    {"writes", writes},
    {"writes-many", writes_many},
    {"allocates", allocates},
    {"locks", locks},
    {"filters", filters},
    {"epolls", epolls},
    {"timers", timers},
    {"signals", signals},
    {"generated", generated},
    {"cursors", cursors},
};

int main(int count, char **arguments) {
    if (count == 2 && !strcmp(arguments[1], "list")) {
        for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) puts(modes[i].name);
        return 0;
    }
    struct stat inside;
    if (count != 3 || stat("/exhaust-inside", &inside)) {
        fprintf(stderr, "exhaust: runs inside only, as `exhaust MODE SECONDS` with --tmpfs /exhaust-inside\n");
        return 2;
    }
    deadline = now() + atof(arguments[2]);
    for (unsigned i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcmp(modes[i].name, arguments[1])) continue;
        mkdir("/exhaust", 0777);
        if (chdir("/exhaust")) {
            perror("chdir");
            return 2;
        }
        modes[i].run();
        printf("%s: %ld made, %s\n", modes[i].name, made, last_error ? strerrorname_np(last_error) : "no error");
        fflush(stdout);
        // The measure is taken from outside.
        usleep(400000);
        kill(0, SIGKILL);
    }
    fprintf(stderr, "exhaust: no mode '%s'\n", arguments[1]);
    return 2;
}
