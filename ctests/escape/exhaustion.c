// Making many or deep: what a guest can make without end costs it its own budget. `--size 64M`, and supervisor and store
// together stay under 128 MB; the end of a run is linear in what was made. ESCAPE_SPAN stretches the time
// that each takes, two or three seconds by 1.
#define CLASS "exhaustion"
#include "attack.h"
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>

#define MANY NO_SUPERVISOR | EXHAUSTS
#define FOR_SECONDS(S) for (double end_ = now() + (S)*span(); now() < end_;)
static void deep(int levels) {
    if (chdir(in("/tmp")) != 0) return;
    int made = 0;
    double end = now() + 2.5 * span();
    while (made < levels && mkdir("d", 0777) == 0 && chdir("d") == 0)
        if (++made % 256 == 0 && now() > end) break;
    say("levels", made);
}
ATTACK(deep_directories, deny, MANY, "100,000 directories, one in another, then the end of the run") { deep(100000); }
ATTACK_WITH(deep_changes, deny, MANY, "--changes", "the same with --changes") { deep(60000); }
ATTACK(deep_upper, deny, MANY | UPPER | AFTERWARDS, "4,000 of them in an upper directory, then diff, export and apply") { deep(4000); }
ATTACK_WITH(deep_renamed, deny, MANY, "--changes", "deep directories renamed at the top, listed, removed, with --changes") {
    deep(20000);
    rename(in("/tmp/d"), in("/tmp/e"));
    char path[4096];
    if (getcwd(path, sizeof path)) say("cwd", 0);
    for (int i = 0; i < 1000 && chdir("..") == 0; i++) rmdir("d");
}
ATTACK(many_links, deny, MANY, "hard links of one file") {
    char name[64];
    close(open(in("/tmp/f"), O_WRONLY | O_CREAT, 0666));
    int n = 0;
    FOR_SECONDS(3) {
        snprintf(name, sizeof name, "/tmp/link-%d", n);
        if (link(in("/tmp/f"), in(name)) != 0) break;
        n++;
    }
    say("links", n);
}
ATTACK(many_long_links, deny, MANY, "hard links with names of 240 bytes, of a lower file") {
    char name[300];
    memset(name, 'n', 290);
    int n = 0;
    FOR_SECONDS(3) {
        snprintf(name, sizeof name, "/tmp/%0240d", n);
        if (link(in("/lower/victim"), in(name)) != 0) break;
        n++;
    }
    say("links", n);
}
ATTACK(many_xattrs, deny, MANY, "extended attributes of 64 KiB on many files") {
    static char value[65000];
    char name[64], file[64];
    int n = 0;
    FOR_SECONDS(3) {
        snprintf(file, sizeof file, "/tmp/f%d", n / 8), snprintf(name, sizeof name, "user.x%d", n);
        close(open(in(file), O_WRONLY | O_CREAT, 0666));
        if (setxattr(in(file), name, value, sizeof value, 0) != 0 && n % 8 == 7 && errno == ENOSPC) break;
        n++;
    }
    say("attributes", n);
}
ATTACK(many_absent, deny, MANY, "names that do not exist, asked for") {
    char name[300];
    struct stat s;
    int n = 0;
    FOR_SECONDS(3) { snprintf(name, sizeof name, "/lower/%0200d", n++), stat(in(name), &s); }
    say("names", n);
}
ATTACK(many_absent_paths, deny, MANY, "names that do not exist in many directories, on both layers and in the bind") {
    char name[300];
    struct stat s;
    int n = 0;
    for (; n < 500; n++) { snprintf(name, sizeof name, "/tmp/d%d", n), mkdir(in(name), 0777); }
    FOR_SECONDS(2) {
        snprintf(name, sizeof name, "/tmp/d%d/%0220d", n % 500, n), stat(in(name), &s), snprintf(name, sizeof name, "/ro/%0220d", n), stat(in(name), &s), n++;
    }
    say("names", n);
}
ATTACK(many_files, deny, MANY, "empty files, and then their removal and making again") {
    char name[300];
    int n = 0;
    FOR_SECONDS(3) {
        snprintf(name, sizeof name, "/tmp/%0200d", n);
        int fd = open(in(name), O_WRONLY | O_CREAT, 0666);
        if (fd < 0) break;
        close(fd), n++;
        if (n % 3 == 0) unlink(in(name));
    }
    say("files", n);
}
ATTACK(many_symlinks, deny, MANY, "symlinks of 4,000 bytes") {
    static char target[4096];
    memset(target, 't', 4000);
    char name[64];
    int n = 0;
    FOR_SECONDS(3) {
        snprintf(name, sizeof name, "/tmp/s%d", n);
        if (symlink(target, in(name)) != 0) break;
        n++;
    }
    say("symlinks", n);
}
ATTACK(many_whiteouts, deny, MANY, "names of long directories made and deleted, and renamed over each other") {
    char name[300], other[300];
    int n = 0;
    FOR_SECONDS(2.5) {
        snprintf(name, sizeof name, "/lower/%0230d", n), snprintf(other, sizeof other, "/lower/%0230d", n + 1);
        int fd = open(in(name), O_WRONLY | O_CREAT, 0666);
        if (fd < 0) break;
        close(fd), rename(in(name), in(other)), unlink(in(other)), n++;
    }
    say("names", n);
}
ATTACK(big_files, deny, MANY, "files written until ENOSPC, unlinked and kept open, fallocated, and O_TMPFILE") {
    static char page[1 << 20];
    memset(page, 'x', sizeof page);
    for (int i = 0; i < 40; i++) {
        char name[64];
        snprintf(name, sizeof name, "/tmp/big%d", i);
        int fd = i % 2 ? open(in("/tmp"), O_TMPFILE | O_RDWR, 0600) : open(in(name), O_RDWR | O_CREAT, 0666);
        unlink(in(name));
        for (int n = 0; n < 64; n++)
            if (write(fd, page, sizeof page) <= 0) break;
        say("fallocate", fallocate(fd, 0, 0, 1 << 28));
    }
}
ATTACK(copied_up, deny, MANY, "lower files copied up and truncated, over and over, through mappings and descriptors") {
    int n = 0;
    FOR_SECONDS(2) {
        int fd = open(in("/lower/big"), O_RDWR);
        char *p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
        (void)p;
        ftruncate(fd, 1 << 25), pwrite(fd, "x", 1, n % (1 << 25)), close(fd), munmap(p, 65536), n++;
        char name[64];
        snprintf(name, sizeof name, "/lower/c%d", n % 50), rename(in("/lower/big"), in(name)), rename(in(name), in("/lower/big"));
    }
}
ATTACK(memory_files, deny, MANY | GUESTS_MEMORY, "memfds of half a gigabyte in all, kept open: the guest's own memory, none of the supervisor's") {
    static char page[1 << 20];
    memset(page, 'x', sizeof page);
    int n = 0;
    for (int i = 0; i < 8; i++) {
        int fd = memfd_create("m", 0);
        if (fd < 0) break;
        for (int k = 0; k < 64; k++) {
            if (write(fd, page, sizeof page) != (ssize_t)sizeof page) break;
            n++;
        }
        usleep(10000);
    }
    say("megabytes", n);
    usleep(50000);
}
ATTACK(memory_segments, deny, MANY | GUESTS_MEMORY,
       "System V segments and shared anonymous mappings of more than half a gigabyte: the guest's own memory, none of the supervisor's") {
    for (int i = 0; i < 6; i++) {
        int id = shmget(0, 64 << 20, 01600);
        char *p = id < 0 ? (char *)-1 : shmat(id, NULL, 0);
        say("shmget", id);
        if (p != (char *)-1) memset(p, 'x', 64 << 20), shmctl(id, 0, NULL);
        char *q = mmap(NULL, 32 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (q != MAP_FAILED) memset(q, 'x', 32 << 20);
        usleep(10000);
    }
    usleep(50000);
}
ATTACK(dev_shm_files, deny, MANY, "files in /dev/shm, /tmp and on --tmpfs until all are full") {
    static char page[1 << 20];
    memset(page, 'x', sizeof page);
    const char *places[] = {"/dev/shm/f", "/tmp/f", "/hide/f", "/keep/in/hide/f"};
    for (int i = 0; i < 4; i++) {
        int fd = open(i == 0 && inside ? places[0] : in(places[i]), O_RDWR | O_CREAT, 0666), n = 0;
        while (n < 512 && write(fd, page, sizeof page) > 0) n++;
        say(places[i], n);
    }
    usleep(50000);
}
ATTACK(pipes_full, deny, MANY, "pipes, sockets and queues filled and kept") {
    static char page[1 << 16];
    int n = 0;
    FOR_SECONDS(1.5) {
        int e[2];
        if (n % 2 ? pipe(e) : socketpair(AF_UNIX, SOCK_STREAM, 0, e)) break;
        fcntl(e[1], F_SETFL, O_NONBLOCK);
        while (write(e[1], page, sizeof page) > 0) {}
        n++;
    }
    say("pipes", n);
}
ATTACK(unix_sockets, deny, MANY, "sockets bound, connected, closed and unlinked; backlogs full") {
    if (chdir(in("/tmp")) != 0) return;
    int n = 0;
    FOR_SECONDS(2) {
        char name[64];
        struct sockaddr_un a;
        socklen_t l;
        snprintf(name, sizeof name, "s%d", n++);
        int fd = unixSocket(name, false, SOCK_STREAM, &a, &l);
        if (fd < 0 || bind(fd, (struct sockaddr *)&a, l) != 0) {
            close(fd);
            break;
        }
        listen(fd, 100);
        int c = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(c, (struct sockaddr *)&a, l);
        close(c), close(fd);
        if (n % 2) unlink(name);
    }
    say("sockets", n);
}
ATTACK(in_flight, deny, MANY, "descriptors in flight in sockets that are in flight, in cycles") {
    int n = 0;
    FOR_SECONDS(1.5) {
        int p[2];
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, p)) break;
        fcntl(p[0], F_SETFL, O_NONBLOCK);
        int file = open(in("/lower/victim"), O_RDONLY);
        sendDescriptors(p[0], &p[0], 1), sendDescriptors(p[1], &p[1], 1), sendDescriptors(p[0], &file, 1);
        close(p[0]), close(p[1]), close(file), n++;
    }
    say("sent", n);
}
ATTACK(many_watches, deny, MANY, "inotify instances and watches, with events that no process reads") {
    int n = 0;
    FOR_SECONDS(2) {
        int fd = inotify_init1(IN_NONBLOCK);
        if (fd < 0) break;
        for (int i = 0; i < 200; i++) {
            char name[64];
            snprintf(name, sizeof name, "/tmp/w%d", i);
            mkdir(in(name), 0777);
            if (inotify_add_watch(fd, in(name), IN_ALL_EVENTS) < 0) break;
            chmod(in(name), 0700), n++;
        }
    }
    say("watches", n);
}
ATTACK(many_open, deny, MANY, "descriptors of directories and files until EMFILE, in many processes") {
    for (int p = 0; p < 20; p++)
        if (forked() == 0) {
            setrlimit(RLIMIT_NOFILE, &(struct rlimit){1 << 20, 1 << 20});
            int n = 0;
            FOR_SECONDS(1.5) if (open(in(n++ % 2 ? "/lower" : "/lower/victim"), O_RDONLY) < 0) break;
            usleep(300000);
            _exit(0);
        }
    while (wait(NULL) > 0) {}
}
ATTACK(many_processes, deny, MANY, "processes and threads made as fast as they can be") {
    int n = 0;
    FOR_SECONDS(1.5) {
        pid_t c = fork();
        if (c == 0) {
            struct stat s;
            stat(in("/lower/victim"), &s);
            _exit(0);
        }
        if (c < 0 || n - (n / 300) * 300 == 299)
            while (waitpid(-1, NULL, WNOHANG) > 0) {}
        n++;
    }
    while (wait(NULL) > 0) {}
    say("processes", n);
}
ATTACK(many_mappings, deny, MANY, "60,000 mappings of one lower file, then its copy-up") {
    int fd = open(in("/lower/big"), O_RDONLY), n = 0;
    FOR_SECONDS(2) {
        if (n >= 60000 || mmap(NULL, 4096, PROT_READ, n % 2 ? MAP_SHARED : MAP_PRIVATE, fd, 4096 * (n % 16)) == MAP_FAILED) break;
        n++;
    }
    say("mappings", n);
    deface(open(in("/lower/big"), O_RDWR));
}
ATTACK(many_locks, deny, MANY, "locks of single bytes on a lower file, then its copy-up") {
    int fd = open(in("/lower/big"), O_RDONLY), n = 0;
    FOR_SECONDS(1.5) {
        struct flock l = {.l_type = F_RDLCK, .l_start = n * 2, .l_len = 1};
        if (fcntl(fd, F_SETLK, &l)) break;
        n++;
    }
    say("locks", n);
    deface(open(in("/lower/big"), O_RDWR));
}
ATTACK(many_waiters, deny, MANY, "200 threads that wait at FIFOs, locks and sockets inside, then the end of the run") {
    mkfifo(in("/tmp/fifo"), 0666);
    for (int i = 0; i < 100; i++) {
        if (forked() == 0) {
            if (i % 3 == 0) close(open(in("/tmp/fifo"), O_RDONLY));
            else if (i % 3 == 1) {
                int fd = open(in("/tmp/l"), O_RDWR | O_CREAT, 0666);
                struct flock l = {.l_type = F_WRLCK};
                fcntl(fd, F_SETLKW, &l);
                pause();
            } else {
                struct sockaddr_un a;
                socklen_t l;
                int fd = unixSocket("none", true, SOCK_STREAM, &a, &l);
                fcntl(fd, F_SETFL, 0), connect(fd, (struct sockaddr *)&a, l), poll(NULL, 0, 3000);
            }
            _exit(0);
        }
    }
    struct stat s;
    usleep(300000);
    say("still served", stat(in("/lower/victim"), &s));
}
ATTACK(big_arguments, deny, MANY, "exec with arguments and an environment of two megabytes, many times") {
    static char big[100000];
    memset(big, 'a', sizeof big - 1);
    char *a[22] = {"x"};
    for (int i = 1; i < 20; i++) a[i] = big;
    a[20] = NULL;
    FOR_SECONDS(1.5) {
        pid_t c = forked();
        if (c == 0) {
            execv(in("/bin/attacker"), a);
            _exit(0);
        }
        waitpid(c, NULL, 0);
    }
}
ATTACK(big_directory, deny, MANY, "a directory of many names listed by many at once") {
    char name[64];
    for (int i = 0; i < 20000; i++) {
        snprintf(name, sizeof name, "/tmp/n%d", i);
        int fd = open(in(name), O_WRONLY | O_CREAT, 0666);
        if (fd < 0) break;
        close(fd);
    }
    for (int p = 0; p < 8; p++)
        if (forked() == 0) {
            char b[32768];
            FOR_SECONDS(1) {
                int fd = open(in("/tmp"), O_RDONLY);
                while (syscall(SYS_getdents64, fd, b, sizeof b) > 0) {}
                lseek(fd, 0, SEEK_SET);
            }
            _exit(0);
        }
    while (wait(NULL) > 0) {}
}
