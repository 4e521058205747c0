// The arena of one attack: a directory with a root file system, files outside of it, binds, secrets and sockets, all made
// anew; and the manifest of it, which is compared before and after.
#include "referee.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <linux/fs.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/mount.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/xattr.h>
#include <termios.h>
#include <time.h>

const char *const placeNames[PLACES] = {
    "a file outside the root",
    "a file under --tmpfs",
    "the supervisor's environment",
    "a host process's memory",
    "a host process's environment",
    "a host process's arguments",
    "a host pipe",
    "a host memfd",
    "a host's unlinked file",
    "a host TCP service",
    "a host UDP service",
    "a host abstract socket",
    "a host abstract datagram socket",
    "a host socket outside the root",
    "a host socket in the lower",
    "a host socket in a bind",
    "System V shared memory",
    "a System V queue",
    "a POSIX queue",
    "the host's /dev/shm",
    "the user's keyring",
    "a file of root's",
    "a host FIFO",
    "a device",
    "an inherited descriptor",
    "the host's interfaces",
    "the host's mounts",
    "the host's terminal",
};

static void putFile(struct arena *a, const char *path, const char *text, mode_t mode) {
    int fd = openat(a->tree, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) die("%s: %s", path, strerror(errno));
    ssize_t written = write(fd, text, strlen(text));
    (void)written;
    MUST_DO(fchown(fd, a->caller, a->caller));
    MUST_DO(fchmod(fd, mode));
    close(fd);
}
static void putDirectory(struct arena *a, const char *path, mode_t mode) {
    MUST_DO(mkdirat(a->tree, path, 0700));
    MUST_DO(fchownat(a->tree, path, a->caller, a->caller, 0));
    MUST_DO(fchmodat(a->tree, path, mode, 0));
}
static void putProgram(struct arena *a, const char *from, const char *path, uid_t owner, mode_t mode) {
    int source = open(from, O_RDONLY | O_CLOEXEC), target = openat(a->tree, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0700);
    if (source < 0 || target < 0) die("%s: %s", path, strerror(errno));
    while (copy_file_range(source, NULL, target, NULL, 1 << 24, 0) > 0) {}
    MUST_DO(fchown(target, owner, owner));
    MUST_DO(fchmod(target, mode));
    close(source);
    close(target);
}

static int listenAt(struct arena *a, const char *path, bool abstract, int type) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char full[512];
    int fd = socket(AF_UNIX, type, 0);
    socklen_t length;
    if (abstract) {
        snprintf(full, sizeof full, "%s", path);
        length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(full));
    } else {
        // A short way to a long path.
        snprintf(full, sizeof full, "/proc/self/fd/%d/%s", a->tree, path);
        length = sizeof address;
    }
    snprintf(address.sun_path + abstract, sizeof address.sun_path - abstract, "%.90s", full);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) != 0) die("bind %s: %s", path, strerror(errno));
    if (type == SOCK_STREAM) MUST_DO(listen(fd, 16));
    if (!abstract) {
        MUST_DO(fchownat(a->tree, path, a->caller, a->caller, 0));
        MUST_DO(fchmodat(a->tree, path, 0777, 0));
    }
    return fd;
}
static int internetListener(int type, int *port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, type, 0);
    MUST_DO(bind(fd, (struct sockaddr *)&address, length));
    if (type == SOCK_STREAM) MUST_DO(listen(fd, 16));
    MUST_DO(getsockname(fd, (struct sockaddr *)&address, &length));
    *port = ntohs(address.sin_port);
    return fd;
}

static void mountPseudo(struct arena *a) {
    static const struct {
        unsigned flag;
        const char *type;
    } kinds[] = {{MOUNT_PROC, "proc"},     {MOUNT_SYSFS, "sysfs"},     {MOUNT_MQUEUE, "mqueue"},     {MOUNT_CGROUP, "cgroup2"},
                 {MOUNT_DEVPTS, "devpts"}, {MOUNT_DEBUGFS, "debugfs"}, {MOUNT_BINFMT, "binfmt_misc"}};
    char path[512];
    snprintf(path, sizeof path, "%s/root/pseudo", a->path);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (a->flags & kinds[i].flag)
            if (mount(kinds[i].type, path, kinds[i].type, 0, NULL) != 0) die("mount %s: %s", kinds[i].type, strerror(errno));
}

void makeArena(struct arena *a, const char *attacker, const char *loop) {
    MUST_DO(mkdir(a->path, 0700));
    MUST_DO(chown(a->path, a->caller, a->caller));
    MUST_DO(chmod(a->path, 0755));
    MUST_DO(a->tree = open(a->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct secrets *s = &a->secrets;
    static const char *directories[] = {"outside",
                                        "outside/dir",
                                        "root",
                                        "root/bin",
                                        "root/lower",
                                        "root/lower/dir",
                                        "root/lower/empty",
                                        "root/hide",
                                        "root/keep",
                                        "root/keep/in",
                                        "root/keep/in/hide",
                                        "root/tmp",
                                        "root/dev",
                                        "root/proc",
                                        "root/sys",
                                        "root/pseudo",
                                        "ro",
                                        "ro/dir",
                                        "ro/empty",
                                        "rw",
                                        "rw/dir",
                                        "upper",
                                        "after"};
    for (size_t i = 0; i < sizeof directories / sizeof *directories; i++) putDirectory(a, directories[i], strstr(directories[i], "tmp") ? 01777 : 0755);
    putFile(a, "outside/secret", s->text[OUTSIDE_FILE], 0666);
    putFile(a, "outside/victim", "canary\n", 0666);
    putFile(a, "outside/stdin", "canary of stdin\n", 0666);
    putFile(a, "outside/inherited", s->text[INHERITED_FD], 0666);
    putFile(a, "root/hide/secret", s->text[HIDDEN_FILE], 0666);
    putFile(a, "root/keep/in/hide/secret", s->text[HIDDEN_FILE], 0666);
    putFile(a, "root/lower/victim", "canary of a lower file\n", 0666);
    putFile(a, "root/lower/dir/file", "canary\n", 0666);
    putFile(a, "root/lower/other", "another\n", 0666);
    putFile(a, "root/lower/script", "#!/bin/attacker\n", 0777);
    putFile(a, "ro/victim", "canary of a bind\n", 0666);
    putFile(a, "ro/other", "another\n", 0666);
    putFile(a, "ro/dir/file", "canary\n", 0666);
    putFile(a, "rw/victim", "writable\n", 0666);
    // Enough for splices and holes.
    for (int i = 0; i < 2; i++) {
        int fd = openat(a->tree, i ? "ro/big" : "root/lower/big", O_RDWR | O_CREAT | O_CLOEXEC, 0666);
        char page[4096];
        memset(page, 'c', sizeof page);
        for (int block = 0; block < 16; block++) MUST_DO(pwrite(fd, page, sizeof page, block * 4096));
        MUST_DO(fchown(fd, a->caller, a->caller));
        MUST_DO(fchmod(fd, 0666));
        close(fd);
    }
    int xattred = openat(a->tree, "ro/victim", O_RDWR | O_CLOEXEC);
    fsetxattr(xattred, "user.canary", "1", 1, 0);
    close(xattred);
    putFile(a, "root/lower/root-only", s->text[ROOT_ONLY_FILE], 0600);
    if (geteuid() == 0) MUST_DO(fchownat(a->tree, "root/lower/root-only", 0, 0, 0));
    putProgram(a, attacker, "root/bin/attacker", a->caller, 0755);
    putProgram(a, attacker, "root/bin/set-id", geteuid(), 04755);
    MUST_DO(symlinkat("../../outside", a->tree, "root/lower/out"));
    MUST_DO(symlinkat("../../outside", a->tree, "ro/out"));
    char absolute[512];
    snprintf(absolute, sizeof absolute, "%s/outside", a->path);
    MUST_DO(symlinkat(absolute, a->tree, "root/lower/absolute"));
    MUST_DO(mkfifoat(a->tree, "root/lower/fifo", 0666));
    MUST_DO(fchmodat(a->tree, "root/lower/fifo", 0666, 0));
    MUST_DO(fchownat(a->tree, "root/lower/fifo", a->caller, a->caller, 0));
    struct stat device;
    if (geteuid() == 0 && loop && stat(loop, &device) == 0) {
        MUST_DO(mknodat(a->tree, "root/lower/device", S_IFBLK | 0666, device.st_rdev));
        MUST_DO(fchmodat(a->tree, "root/lower/device", 0666, 0));
        MUST_DO(mknodat(a->tree, "ro/device", S_IFBLK | 0666, device.st_rdev));
        MUST_DO(fchmodat(a->tree, "ro/device", 0666, 0));
    }
    if (a->native) {
        MUST_DO(symlinkat("../ro", a->tree, "root/ro"));
        MUST_DO(symlinkat("../rw", a->tree, "root/rw"));
    } else {
        putDirectory(a, "root/ro", 0755);
        putDirectory(a, "root/rw", 0755);
    }
    char name[64];
    snprintf(name, sizeof name, "escape-%d", getpid());
    char stream[80], datagram[80], queue[80];
    snprintf(stream, sizeof stream, "%s-s", name);
    snprintf(datagram, sizeof datagram, "%s-d", name);
    a->listeners[LISTENER_TCP - LISTENER_TCP] = internetListener(SOCK_STREAM, &a->tcpPort);
    a->listeners[LISTENER_UDP - LISTENER_TCP] = internetListener(SOCK_DGRAM, &a->udpPort);
    a->listeners[LISTENER_ABSTRACT - LISTENER_TCP] = listenAt(a, stream, true, SOCK_STREAM);
    a->listeners[LISTENER_DATAGRAM - LISTENER_TCP] = listenAt(a, datagram, true, SOCK_DGRAM);
    a->listeners[LISTENER_OUTSIDE - LISTENER_TCP] = listenAt(a, "outside/socket", false, SOCK_STREAM);
    a->listeners[LISTENER_LOWER - LISTENER_TCP] = listenAt(a, "root/lower/socket", false, SOCK_STREAM);
    a->listeners[LISTENER_BIND - LISTENER_TCP] = listenAt(a, "ro/socket", false, SOCK_STREAM);
    // Inter-process communication, owned by the caller.
    key_t key = getpid();
    MUST_DO(a->shm = shmget(key, 4096, IPC_CREAT | 0666));
    char *memory = shmat(a->shm, NULL, 0);
    if (memory == (void *)-1) die("shmat");
    strcpy(memory, s->text[SHARED_MEMORY]);
    shmdt(memory);
    MUST_DO(a->sem = semget(key, 1, IPC_CREAT | 0666));
    MUST_DO(semctl(a->sem, 0, SETVAL, 7));
    MUST_DO(a->msg = msgget(key, IPC_CREAT | 0666));
    struct {
        long type;
        char text[24];
    } message = {1, ""};
    strcpy(message.text, s->text[MESSAGE_QUEUE]);
    MUST_DO(msgsnd(a->msg, &message, sizeof message.text, 0));
    struct shmid_ds shm;
    struct semid_ds sem;
    struct msqid_ds msg;
    shmctl(a->shm, IPC_STAT, &shm), shm.shm_perm.uid = a->caller, shmctl(a->shm, IPC_SET, &shm);
    semctl(a->sem, 0, IPC_STAT, &sem), sem.sem_perm.uid = a->caller, semctl(a->sem, 0, IPC_SET, &sem);
    msgctl(a->msg, IPC_STAT, &msg), msg.msg_perm.uid = a->caller, msgctl(a->msg, IPC_SET, &msg);
    snprintf(queue, sizeof queue, "/%s", name);
    mqd_t posix = mq_open(queue, O_CREAT | O_RDWR, 0666, &(struct mq_attr){.mq_maxmsg = 4, .mq_msgsize = 64});
    MUST_DO((int)posix);
    MUST_DO(fchown((int)posix, a->caller, a->caller));
    MUST_DO(fchmod((int)posix, 0666));
    MUST_DO(mq_send(posix, s->text[POSIX_QUEUE], 24, 0));
    mq_close(posix);
    char shared[96];
    snprintf(shared, sizeof shared, "/dev/shm/%s", name);
    int fd = open(shared, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    MUST_DO(write(fd, s->text[DEV_SHM_FILE], 24));
    MUST_DO(fchown(fd, a->caller, a->caller));
    MUST_DO(fchmod(fd, 0666));
    close(fd);
    a->ptyMaster = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
    if (a->ptyMaster < 0 || grantpt(a->ptyMaster) != 0 || unlockpt(a->ptyMaster) != 0) die("pty: %s", strerror(errno));
    MUST_DO(ptsname_r(a->ptyMaster, a->ptySlave, sizeof a->ptySlave));
    MUST_DO(chown(a->ptySlave, a->caller, a->caller));
    MUST_DO(chmod(a->ptySlave, 0666));
    // Bytes that are pushed count one by one.
    struct termios settings;
    int slave = open(a->ptySlave, O_RDWR | O_NOCTTY | O_CLOEXEC);
    MUST_DO(tcgetattr(slave, &settings));
    settings.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    MUST_DO(tcsetattr(slave, TCSANOW, &settings));
    close(slave);
    mountPseudo(a);
}

void unmakeArena(struct arena *a) {
    char path[512], name[80];
    snprintf(path, sizeof path, "%s/root/pseudo", a->path);
    umount2(path, MNT_DETACH);
    snprintf(path, sizeof path, "/dev/shm/escape-%d", getpid());
    unlink(path);
    snprintf(name, sizeof name, "/escape-%d", getpid());
    mq_unlink(name);
    shmctl(a->shm, IPC_RMID, NULL);
    semctl(a->sem, 0, IPC_RMID);
    msgctl(a->msg, IPC_RMID, NULL);
    close(a->ptyMaster);
    for (size_t i = 0; i < sizeof a->listeners / sizeof *a->listeners; i++) close(a->listeners[i]);
    int flags = 0, fd;
    static const char *marked[] = {"ro/victim", "root/lower/victim", "ro", "root/lower"};
    for (size_t i = 0; i < sizeof marked / sizeof *marked; i++)
        if ((fd = openat(a->tree, marked[i], O_RDONLY | O_CLOEXEC | O_NONBLOCK)) >= 0) ioctl(fd, FS_IOC_SETFLAGS, &flags), close(fd);
    // Trees may be deeper than we may recurse: rm knows how.
    pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", a->path, NULL);
        _exit(1);
    }
    waitpid(child, NULL, 0);
    close(a->tree);
}

static void printEntry(FILE *to, int at, const char *name, const char *path) {
    struct stat s;
    if (fstatat(at, name, &s, AT_SYMLINK_NOFOLLOW) != 0) return;
    fprintf(to, "%s: mode %o owner %d:%d links %lu size %lld device %lx mtime %lld.%09ld ctime %lld.%09ld", path, s.st_mode, s.st_uid, s.st_gid,
            (unsigned long)s.st_nlink, (long long)(S_ISDIR(s.st_mode) ? 0 : s.st_size), (unsigned long)s.st_rdev, (long long)s.st_mtim.tv_sec,
            s.st_mtim.tv_nsec, (long long)s.st_ctim.tv_sec, s.st_ctim.tv_nsec);
    if (S_ISLNK(s.st_mode)) {
        char target[512];
        ssize_t length = readlinkat(at, name, target, sizeof target - 1);
        if (length > 0) fprintf(to, " -> %.*s", (int)length, target);
    }
    if (S_ISREG(s.st_mode) || S_ISDIR(s.st_mode)) {
        int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC | O_NOATIME), flags = 0;
        if (fd < 0) fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            char list[4096], value[256];
            ssize_t count = flistxattr(fd, list, sizeof list);
            for (char *x = list; count > 0 && x < list + count; x += strlen(x) + 1) {
                ssize_t length = fgetxattr(fd, x, value, sizeof value);
                fprintf(to, " %s=", x);
                for (ssize_t i = 0; i < length; i++) fprintf(to, "%02x", (unsigned char)value[i]);
            }
            if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) fprintf(to, " flags %x", flags);
            if (S_ISREG(s.st_mode)) {
                uint64_t hash = 14695981039346656037ull;
                char buffer[65536];
                off_t at = 0;
                ssize_t got;
                while (at < 4 << 20 && (got = pread(fd, buffer, sizeof buffer, at)) > 0) {
                    for (ssize_t i = 0; i < got; i++) hash = (hash ^ (unsigned char)buffer[i]) * 1099511628211ull;
                    at += got;
                }
                fprintf(to, " content %016llx", (unsigned long long)hash);
            }
            close(fd);
        }
    }
    fprintf(to, "\n");
}
static void walk(FILE *to, int at, const char *name, const char *path, struct arena *a) {
    // What the attack may change: the upper directory. In a writable bind only what has power on the host is judged.
    if (strcmp(path, "upper") == 0 || strcmp(path, "after") == 0 || strcmp(path, "root/pseudo") == 0) return;
    bool writable = (a->flags & WRITABLE_BIND) && strncmp(path, "rw", 2) == 0 && (path[2] == '/' || path[2] == 0);
    struct stat s;
    if (!writable) printEntry(to, at, name, path);
    else if (fstatat(at, name, &s, AT_SYMLINK_NOFOLLOW) == 0) {
        bool device = S_ISBLK(s.st_mode) || S_ISCHR(s.st_mode), powerful = (s.st_mode & (S_ISUID | S_ISGID)) && !S_ISDIR(s.st_mode);
        int fd = S_ISREG(s.st_mode) ? openat(at, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC) : -1;
        bool caps = fd >= 0 && fgetxattr(fd, "security.capability", NULL, 0) > 0;
        if (fd >= 0) close(fd);
        if (device || (powerful && s.st_uid == 0) || caps)
            fprintf(to, "%s: made on the host: mode %o owner %d%s\n", path, s.st_mode, s.st_uid, caps ? " with capabilities" : "");
    }
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *directory = fd < 0 ? NULL : fdopendir(fd);
    struct dirent **entries;
    if (!directory) return;
    int count = scandirat(fd, ".", &entries, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        const char *child = entries[i]->d_name;
        if (strcmp(child, ".") != 0 && strcmp(child, "..") != 0 && strlen(path) < 200) {
            char childPath[512];
            snprintf(childPath, sizeof childPath, "%.200s%s%s", strcmp(path, ".") == 0 ? "" : path, strcmp(path, ".") == 0 ? "" : "/", child);
            walk(to, fd, child, childPath, a);
        }
        free(entries[i]);
    }
    if (count >= 0) free(entries);
    closedir(directory);
}

static void copyText(FILE *to, const char *label, const char *path) {
    char line[1024];
    FILE *from = fopen(path, "re");
    if (!from) return;
    while (fgets(line, sizeof line, from)) fprintf(to, "%s: %s", label, line);
    fclose(from);
}
char *manifestOf(struct arena *a) {
    char *text = NULL;
    size_t size = 0;
    FILE *to = open_memstream(&text, &size);
    walk(to, a->tree, ".", ".", a);
    struct utsname name;
    uname(&name);
    struct timespec real, boot;
    clock_gettime(CLOCK_REALTIME, &real);
    clock_gettime(CLOCK_MONOTONIC, &boot);
    static double offset;
    double difference = (double)real.tv_sec - (double)boot.tv_sec + (double)(real.tv_nsec - boot.tv_nsec) / 1e9;
    if (offset == 0) offset = difference;
    fprintf(to, "host: name %s domain %s clock %s\n", name.nodename, name.domainname,
            difference - offset > 1 || offset - difference > 1 ? "was set" : "as it was");
    copyText(to, "host mounts", "/proc/self/mountinfo");
    copyText(to, "host swaps", "/proc/swaps");
    char *memory = shmat(a->shm, NULL, SHM_RDONLY);
    struct msqid_ds msg;
    struct shmid_ds shm;
    fprintf(to, "host ipc: shm %.24s mode %o; sem %d; messages %ld\n", memory == (void *)-1 ? "gone" : memory,
            shmctl(a->shm, IPC_STAT, &shm) == 0 ? shm.shm_perm.mode & 0777 : 0, semctl(a->sem, 0, GETVAL),
            msgctl(a->msg, IPC_STAT, &msg) == 0 ? (long)msg.msg_qnum : -1);
    if (memory != (void *)-1) shmdt(memory);
    char path[96];
    snprintf(path, sizeof path, "/escape-%d", getpid());
    mqd_t queue = mq_open(path, O_RDONLY);
    struct mq_attr attributes = {0};
    if (queue >= 0) mq_getattr(queue, &attributes), mq_close(queue);
    fprintf(to, "host queue: %s %ld\n", queue >= 0 ? "there" : "gone", attributes.mq_curmsgs);
    snprintf(path, sizeof path, "/dev/shm/escape-%d", getpid());
    printEntry(to, AT_FDCWD, path, path);
    struct stat tty;
    if (stat(a->ptySlave, &tty) == 0) fprintf(to, "host terminal: mode %o owner %d\n", tty.st_mode, tty.st_uid);
    fclose(to);
    return text;
}
