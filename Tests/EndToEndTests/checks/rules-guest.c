// The guest of rules.sh: tries every way that it knows to what rules refuse, from within the directory that holds it all, and
// prints a line for each that was not answered as it must be; then `held N`. What it is to find there:
//
//   home/.ssh/id          denied with all of .ssh; home/other is another name of the same file (a hard link)
//   home/.aws/credentials hidden with all of .aws
//   home/.bashrc          protected; home/rc is another name of it
//   home/kept/            protected, with a directory, a file and a symlink in it
//   home/proj/.env        denied, as a name at any depth
//   home/tool, home/sock  a program and a socket that are denied
//   home/link             a symlink to .ssh/id
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

static int tried;

/// A call has answered `result`; it must have failed with `wanted` (anything if -1), or with `other` unless that is 0.
static void refused(const char *what, const char *path, long result, int wanted, int other) {
    int error = errno;
    tried++;
    if (result < 0 && (wanted == -1 || error == wanted || (other != 0 && error == other))) return;
    printf("%s %s: %s, not %s\n", what, path, result < 0 ? strerror(error) : "done", strerror(wanted));
    if (result > 2 && strncmp(what, "open", 4) == 0) close((int)result);
}

static struct sockaddr_un address_of(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    return address;
}

struct how {
    unsigned long flags, mode, resolve;
};

/// Every way to look at `path` or into it; all must be `error`.
static void look(const char *path, int error) {
    struct stat status;
    struct statx wide;
    struct statfs system;
    char buffer[4096];
    refused("open", path, open(path, O_RDONLY), error, 0);
    refused("open O_PATH", path, open(path, O_PATH), error, 0);
    refused("open O_PATH O_NOFOLLOW", path, open(path, O_PATH | O_NOFOLLOW), error, 0);
    refused("open O_DIRECTORY", path, open(path, O_DIRECTORY), error, 0);
    refused("open O_CREAT", path, open(path, O_RDONLY | O_CREAT, 0600), error, EACCES);
    for (unsigned long resolve = 0; resolve <= 0x10; resolve = resolve ? resolve << 1 : 1) {
        struct how how = {O_RDONLY, 0, resolve};
        // On the way from /proc some of them refuse the link there.
        refused("openat2", path, syscall(SYS_openat2, AT_FDCWD, path, &how, sizeof how), path[0] == '/' ? -1 : error, 0);
    }
    refused("stat", path, stat(path, &status), error, 0);
    refused("lstat", path, lstat(path, &status), error, 0);
    refused("statx", path, statx(AT_FDCWD, path, 0, STATX_ALL, &wide), error, 0);
    refused("access F_OK", path, access(path, F_OK), error, 0);
    refused("access R_OK", path, access(path, R_OK), error, 0);
    refused("readlink", path, readlink(path, buffer, sizeof buffer), error, 0);
    refused("statfs", path, statfs(path, &system), error, 0);
    refused("chdir", path, chdir(path), error, 0);
    refused("chroot", path, chroot(path), error, 0);
    refused("getxattr", path, getxattr(path, "user.x", buffer, sizeof buffer), error, 0);
    refused("listxattr", path, listxattr(path, buffer, sizeof buffer), error, 0);
    refused("execve", path, execl(path, path, (char *)0), error, 0);
    refused("connect", path, ({
                int s = socket(AF_UNIX, SOCK_STREAM, 0);
                struct sockaddr_un address = address_of(path);
                int result = connect(s, (struct sockaddr *)&address, sizeof address), saved = errno;
                close(s);
                errno = saved;
                result;
            }),
            error, 0);
    int events = inotify_init();
    refused("inotify_add_watch", path, inotify_add_watch(events, path, IN_ALL_EVENTS), error, 0);
    close(events);
}

/// Every way to change what is at `path`; all must be `error`.
static void change(const char *path, int error, int other) {
    struct timespec times[2] = {{1, 0}, {1, 0}};
    refused("open O_WRONLY", path, open(path, O_WRONLY), error, other);
    refused("open O_RDWR", path, open(path, O_RDWR), error, other);
    refused("open O_TRUNC", path, open(path, O_RDONLY | O_TRUNC), error, other);
    refused("open O_APPEND", path, open(path, O_WRONLY | O_APPEND), error, other);
    refused("open O_CREAT O_WRONLY", path, open(path, O_WRONLY | O_CREAT, 0600), error, EACCES);
    refused("truncate", path, truncate(path, 0), error, other);
    refused("chmod", path, chmod(path, 0777), error, 0);
    refused("chown", path, lchown(path, getuid(), getgid()), error, 0);
    refused("utimensat", path, utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), error, 0);
    refused("setxattr", path, setxattr(path, "user.x", "1", 1, 0), error, 0);
    refused("removexattr", path, removexattr(path, "user.x"), error, 0);
    refused("unlink", path, unlink(path), error, other);
    refused("rmdir", path, rmdir(path), error, other == EISDIR ? ENOTDIR : 0);
    refused("rename away", path, rename(path, "away"), error, 0);
    refused("rename exchange", path, syscall(SYS_renameat2, AT_FDCWD, path, AT_FDCWD, "plain", 2), error, 0);
    refused("rename exchange to", path, syscall(SYS_renameat2, AT_FDCWD, "plain", AT_FDCWD, path, 2), error, 0);
    refused("link away", path, link(path, "away"), error, 0);
    refused("access W_OK", path, access(path, W_OK), error, 0);
}

/// Every way to make something called `path`; all must be `error`, or `EEXIST` where there is something.
static void make(const char *path, int error, int other) {
    struct sockaddr_un address = address_of(path);
    int s = socket(AF_UNIX, SOCK_STREAM, 0);
    refused("mkdir", path, mkdir(path, 0700), error, other);
    refused("mknod", path, mknod(path, S_IFREG | 0600, 0), error, other);
    refused("mkfifo", path, mkfifo(path, 0600), error, other);
    refused("symlink", path, symlink("/etc", path), error, other);
    refused("link to", path, link("plain", path), error, other);
    refused("rename to", path, rename("plain", path), error, other == EEXIST ? EISDIR : other);
    refused("rename directory to", path, rename("empty", path), error, other == EEXIST ? ENOTDIR : other);
    refused("bind", path, bind(s, (struct sockaddr *)&address, sizeof address), error, other == EEXIST ? EADDRINUSE : other);
    refused("open O_EXCL", path, open(path, O_WRONLY | O_CREAT | O_EXCL, 0600), error, other);
    close(s);
}

static bool lists(const char *directory, const char *name) {
    DIR *stream = opendir(directory);
    bool found = false;
    for (struct dirent *entry; stream != NULL && (entry = readdir(stream)) != NULL;) found |= strcmp(entry->d_name, name) == 0;
    if (stream != NULL) closedir(stream);
    return found;
}

static void must(const char *what, bool held) {
    tried++;
    if (!held) printf("%s: no (%s)\n", what, strerror(errno));
}

static void denied_and_hidden(void) {
    char self[64], path[4096], here[2048];
    if (getcwd(here, sizeof here) == NULL) return;
    const char *denied[] = {"home/.ssh", "home/.ssh/id", "home/.ssh/none", "home/other", "home/proj/.env", "home/tool", "home/sock"};
    for (size_t i = 0; i < sizeof denied / sizeof *denied; i++) {
        look(denied[i], EACCES);
        change(denied[i], EACCES, 0);
        make(denied[i], EACCES, 0);
    }
    const char *hidden[] = {"home/.aws", "home/.aws/credentials"};
    for (size_t i = 0; i < 2; i++) {
        look(hidden[i], ENOENT);
        change(hidden[i], ENOENT, 0);
        make(hidden[i], i == 0 ? EACCES : ENOENT, 0);
    }
    must("the parent lists what is denied", lists("home", ".ssh"));
    must("the parent does not list what is hidden", !lists("home", ".aws"));
    must("nor when it was changed", close(creat("home/new", 0600)) == 0 && !lists("home", ".aws"));

    // Other names of the way there.
    refused("open", "home/link", open("home/link", O_RDONLY), EACCES, 0);
    must("symlink", symlink("home/.ssh", "way") == 0);
    refused("open", "way/id", open("way/id", O_RDONLY), EACCES, 0);
    snprintf(path, sizeof path, "/proc/self/cwd/home/.ssh/id");
    look(path, EACCES);
    snprintf(path, sizeof path, "/proc/self/root%s/home/.ssh/id", here);
    refused("open", path, open(path, O_RDONLY), EACCES, 0);
    int home = open("home", O_PATH);
    refused("openat", ".ssh/id", openat(home, ".ssh/id", O_RDONLY), EACCES, 0);
    snprintf(path, sizeof path, "/proc/self/fd/%d/.ssh/id", home);
    refused("open", path, open(path, O_RDONLY), EACCES, 0);
    snprintf(path, sizeof path, "/dev/fd/%d/.aws/credentials", home);
    refused("open", path, open(path, O_RDONLY), ENOENT, 0);
    must("fchdir", fchdir(home) == 0);
    refused("open", ".ssh/id", open(".ssh/id", O_RDONLY), EACCES, 0);
    refused("open", "proj/../.ssh/id", open("proj/../.ssh/id", O_RDONLY), EACCES, 0);
    must("chdir", chdir(here) == 0);
    pid_t child = fork();
    if (child == 0) {
        if (chroot("home") == 0) refused("open", "/.ssh/id", open("/.ssh/id", O_RDONLY), EACCES, 0);
        exit(0);
    }
    waitpid(child, NULL, 0);
    refused("mount --bind", "home", mount("home", "empty", NULL, MS_BIND, NULL), EPERM, 0);
    snprintf(self, sizeof self, "home/.ssh/id");
    refused("name_to_handle_at", self, syscall(SYS_name_to_handle_at, AT_FDCWD, self, path, path, 0), EOPNOTSUPP, 0);

    // The directories above stay where they are; one that stands above nothing may go.
    char up[2048], beside[2100];
    snprintf(up, sizeof up, "%s", here);
    snprintf(beside, sizeof beside, "%s-moved", here);
    refused("rename", "home", rename("home", "moved"), EXDEV, 0);
    refused("rename exchange", "home", syscall(SYS_renameat2, AT_FDCWD, "home", AT_FDCWD, "empty", 2), EXDEV, 0);
    refused("rename", up, rename(up, beside), EXDEV, EACCES);
    refused("rename over", "home", rename("empty", "home"), EXDEV, ENOTEMPTY);
    refused("rmdir", "home", rmdir("home"), ENOTEMPTY, 0);
    must("rename of a directory with a name at any depth", rename("home/proj", "proj") == 0);
    refused("open", "proj/.env", open("proj/.env", O_RDONLY), EACCES, 0);
    must("and back", rename("proj", "home/proj") == 0);
    must("a directory is made and moved", mkdir("aside", 0700) == 0 && rename("aside", "aside2") == 0);
    // A name that a rule needs for what is below can be made a directory and nothing that leads elsewhere.
    refused("symlink", "home/.config", symlink("/tmp", "home/.config"), EACCES, 0);
    refused("rename of a symlink to", "home/.config", rename("way", "home/.config"), EACCES, 0);
    refused("link of a symlink to", "home/.config", link("way", "home/.config"), EACCES, 0);
    must("a directory of that name", mkdir("home/.config", 0700) == 0);
    make("home/.config/gh", EACCES, 0);
    must("goes and comes", rmdir("home/.config") == 0 && mkdir("home/.config", 0700) == 0);
    must("and what is moved there keeps its own", mkdir("c", 0700) == 0 && mkdir("c/gh", 0700) == 0);
    refused("rename", "c", rename("c", "home/.config"), EXDEV, 0);
    must("nor from below", rmdir("c/gh") == 0 && rmdir("c") == 0 && rmdir("home/.config") == 0);
    must("unlink", unlink("way") == 0);
}

static void protected(void) {
    char buffer[64], path[64];
    const char *names[] = {"home/.bashrc", "home/rc", "home/kept/file"};
    for (size_t i = 0; i < 3; i++) {
        const char *name = names[i];
        change(name, EROFS, 0);
        make(name, EROFS, EEXIST);
        must("it can be read", close(open(name, O_RDONLY)) == 0);
        // By a descriptor.
        int file = open(name, O_RDONLY);
        struct timespec times[2] = {{1, 0}, {1, 0}};
        snprintf(path, sizeof path, "/proc/self/fd/%d", file);
        must("read", read(file, buffer, sizeof buffer) > 0);
        refused("open O_WRONLY", path, open(path, O_WRONLY), EROFS, 0);
        refused("open O_RDWR O_TRUNC", path, open(path, O_RDWR | O_TRUNC), EROFS, 0);
        refused("truncate", path, truncate(path, 0), EROFS, 0);
        refused("fchmod", name, fchmod(file, 0777), EROFS, 0);
        refused("fchown", name, fchown(file, getuid(), getgid()), EROFS, 0);
        refused("futimens", name, futimens(file, times), EROFS, 0);
        refused("fsetxattr", name, fsetxattr(file, "user.x", "1", 1, 0), EROFS, 0);
        refused("fremovexattr", name, fremovexattr(file, "user.x"), EROFS, 0);
        refused("linkat AT_EMPTY_PATH", name, linkat(file, "", AT_FDCWD, "away", AT_EMPTY_PATH), EROFS, ENOENT);
        refused("linkat", path, linkat(AT_FDCWD, path, AT_FDCWD, "away", AT_SYMLINK_FOLLOW), EROFS, 0);
        refused("ftruncate", name, ftruncate(file, 0), EINVAL, EBADF);
        refused("write", name, write(file, "x", 1), EBADF, 0);
        refused("fallocate", name, fallocate(file, 0, 0, 10), EBADF, 0);
        void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
        refused("mmap", name, at == MAP_FAILED ? -1 : 0, EACCES, 0);
        at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
        must("mmap to read", at != MAP_FAILED);
        refused("mprotect", name, mprotect(at, 4096, PROT_READ | PROT_WRITE), EACCES, 0);
        close(file);
    }
    const char *directories[] = {"home/kept", "home/kept/sub"};
    for (size_t i = 0; i < 2; i++) {
        struct timespec times[2] = {{1, 0}, {1, 0}};
        refused("chmod", directories[i], chmod(directories[i], 0777), EROFS, 0);
        refused("utimensat", directories[i], utimensat(AT_FDCWD, directories[i], times, 0), EROFS, 0);
        refused("setxattr", directories[i], setxattr(directories[i], "user.x", "1", 1, 0), EROFS, 0);
        refused("O_TMPFILE", directories[i], open(directories[i], O_TMPFILE | O_RDWR, 0600), EROFS, 0);
        refused("rename", directories[i], rename(directories[i], "away"), EROFS, 0);
        refused("rmdir", directories[i], rmdir(directories[i]), EROFS, 0);
        refused("rename over", directories[i], rename("empty", directories[i]), EROFS, 0);
        snprintf(path, sizeof path, "%s/new", directories[i]);
        make(path, EROFS, 0);
    }
    refused("unlink", "home/kept/link", unlink("home/kept/link"), EROFS, 0);
    refused("rename", "home/kept/link", rename("home/kept/link", "away"), EROFS, 0);
    must("through a protected symlink", close(open("home/kept/link", O_WRONLY)) == 0);
    int nameless = open("home", O_TMPFILE | O_RDWR, 0600);
    snprintf(path, sizeof path, "/proc/self/fd/%d", nameless);
    refused("linkat to", "home/kept/new", linkat(AT_FDCWD, path, AT_FDCWD, "home/kept/new", AT_SYMLINK_FOLLOW), EROFS, 0);
    must("a temporary file beside", nameless >= 0);
    close(nameless);
    must("beside it all goes on", close(open("home/beside", O_WRONLY | O_TRUNC)) == 0 && rename("home/beside", "home/beside2") == 0);
}

int main(void) {
    // Natively this would do what it attempts.
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || getenv("VEDETTE_INSIDE") == NULL) {
        puts("this is no sandbox");
        return 1;
    }
    umask(022);
    must("setup", close(creat("plain", 0600)) == 0 && mkdir("empty", 0700) == 0);
    denied_and_hidden();
    protected();
    must("what was never moved", access("plain", F_OK) == 0 && access("empty", F_OK) == 0 && access("away", F_OK) != 0);
    printf("held %d\n", tried);
    return 0;
}
