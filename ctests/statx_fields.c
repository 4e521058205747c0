// statx(2) and statfs(2): masks, birth time, mount id, flags, agreement with stat.
#include "harness.h"
#include <sys/statfs.h>
#include <sys/sysmacros.h>

static void prepare(void) {
    writeFile("file", "0123456789");
    MUST(link("file", "second"));
    MUST(symlink("file", "link"));
    MUST(mkdir("dir", 0755));
}

static void agree(const char *path) {
    struct statx x;
    struct stat s = statOf(path);
    CHECK_OK(statx(AT_FDCWD, path, AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME | STATX_MNT_ID, &x));
    CHECK_EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
    CHECK_EQ(x.stx_ino, s.st_ino);
    CHECK_EQ(x.stx_mode, s.st_mode);
    CHECK_EQ(x.stx_nlink, s.st_nlink);
    CHECK_EQ(x.stx_uid, s.st_uid);
    CHECK_EQ(x.stx_gid, s.st_gid);
    CHECK_EQ(x.stx_size, s.st_size);
    CHECK_EQ(x.stx_blocks, s.st_blocks);
    CHECK_EQ(x.stx_blksize, s.st_blksize);
    CHECK_EQ(makedev(x.stx_dev_major, x.stx_dev_minor), s.st_dev);
    CHECK_EQ(x.stx_mtime.tv_sec, s.st_mtim.tv_sec);
    CHECK_EQ(x.stx_mtime.tv_nsec, s.st_mtim.tv_nsec);
    CHECK_EQ(x.stx_ctime.tv_nsec, s.st_ctim.tv_nsec);
    CHECK(x.stx_mask & STATX_MNT_ID);
}

static void birthTime(void) {
    struct statx before, after;
    CHECK_OK(statx(AT_FDCWD, "file", 0, STATX_BTIME, &before));
    if (!(before.stx_mask & STATX_BTIME)) {
        SKIP_PART("this file system knows no birth time");
        return;
    }
    CHECK(before.stx_btime.tv_sec > 0);
    sleepMilliseconds(12);
    int fd = (int)CHECK_OK(open("file", O_WRONLY));
    CHECK_EQ(write(fd, "x", 1), 1);
    close(fd);
    CHECK_OK(rename("file", "renamed"));
    CHECK_OK(statx(AT_FDCWD, "renamed", 0, STATX_BTIME, &after));
    CHECK(after.stx_mask & STATX_BTIME);
    CHECK_EQ(after.stx_btime.tv_sec, before.stx_btime.tv_sec);
    CHECK_EQ(after.stx_btime.tv_nsec, before.stx_btime.tv_nsec);
    CHECK_OK(rename("renamed", "file"));
}

static void scenario(void) {
    struct statx x;
    agree("file");
    agree("link");
    agree("dir");
    int fd = (int)CHECK_OK(open("file", O_RDONLY));
    CHECK_OK(statx(fd, "", AT_EMPTY_PATH, STATX_INO, &x));
    CHECK_EQ(x.stx_ino, statOf("second").st_ino);
    CHECK_OK(statx(AT_FDCWD, "link", 0, STATX_TYPE, &x));
    CHECK(S_ISREG(x.stx_mode));
    CHECK_OK(statx(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC, STATX_TYPE, &x));
    CHECK(S_ISLNK(x.stx_mode));
    CHECK_ERRNO(statx(AT_FDCWD, "", 0, 0, &x), ENOENT);
    CHECK_ERRNO(statx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC | AT_STATX_DONT_SYNC, 0, &x), EINVAL);
    CHECK_ERRNO(statx(AT_FDCWD, "file", 0x40000000, 0, &x), EINVAL);
    CHECK_ERRNO(statx(AT_FDCWD, "file", 0, 0x80000000u, &x), EINVAL);
    CHECK_ERRNO(statx(99, "file", 0, 0, &x), EBADF);
    CHECK_ERRNO(syscall(SYS_statx, AT_FDCWD, "file", 0, 0, (void *)8), EFAULT);
    // One mount id for one mount; the root of another mount says so.
    struct statx y;
    CHECK_OK(statx(AT_FDCWD, "dir", 0, STATX_MNT_ID, &x));
    CHECK_OK(statx(AT_FDCWD, "file", 0, STATX_MNT_ID, &y));
    CHECK_EQ(x.stx_mnt_id, y.stx_mnt_id);
    CHECK_OK(statx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &y));
    CHECK(x.stx_mnt_id != y.stx_mnt_id);
    CHECK(y.stx_attributes & STATX_ATTR_MOUNT_ROOT);
    CHECK(!(x.stx_attributes & STATX_ATTR_MOUNT_ROOT));
    CHECK(x.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT);
    CHECK_OK(statx(AT_FDCWD, "/dev/null", 0, STATX_BASIC_STATS, &x));
    CHECK_EQ(x.stx_rdev_major, 1);
    CHECK_EQ(x.stx_rdev_minor, 3);
    birthTime();

    struct statfs f, g;
    CHECK_OK(statfs("dir", &f));
    CHECK_OK(fstatfs(fd, &g));
    CHECK_EQ(f.f_type, g.f_type);
    CHECK_EQ(memcmp(&f.f_fsid, &g.f_fsid, sizeof f.f_fsid), 0);
    CHECK(f.f_bsize >= 512);
    CHECK(f.f_blocks > 0);
    CHECK(f.f_bfree <= f.f_blocks);
    CHECK_EQ(f.f_namelen, 255);
    CHECK_OK(statfs("/proc", &f));
    CHECK_EQ(f.f_type, 0x9fa0);
    CHECK_ERRNO(statfs("missing", &f), ENOENT);
    // ustat(2): a file system by its device number. struct ustat is int, long, two names of six bytes.
    struct {
        int blocks;
        unsigned long files;
        char names[12];
    } u;
    memset(&u, 0x55, sizeof u);
    CHECK_OK(statfs("dir", &f));
    CHECK_OK(syscall(SYS_ustat, (unsigned)statOf("dir").st_dev, &u));
    CHECK(u.files <= f.f_files && u.names[0] == 0 && u.names[6] == 0);
    CHECK_ERRNO(syscall(SYS_ustat, 0xfff1234, &u), EINVAL);
    CHECK_ERRNO(syscall(SYS_ustat, (unsigned)statOf("dir").st_dev, (void *)8), EFAULT);
    CHECK_ERRNO(fstatfs(99, &f), EBADF);
    CHECK_ERRNO(syscall(SYS_statfs, "dir", (void *)8), EFAULT);
    close(fd);
}

SCENARIO("statx_fields", prepare, scenario)
