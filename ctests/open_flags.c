// open(2): what each flag does to a file that exists below, to one that does not, and to a directory or symlink.
#include "harness.h"
#include <sys/xattr.h>

static void prepare(void) {
    writeFile("file", "0123456789");
    writeFile("truncated", "0123456789");
    writeFile("appended", "abc");
    MUST(mkdir("dir", 0755));
    MUST(symlink("file", "link"));
    MUST(symlink("dir", "dirlink"));
    MUST(mkfifo("fifo", 0644));
    writeFile("readonly", "r");
    MUST(chmod("readonly", 0444));
}

static void paths(void) {
    char buffer[4];
    int fd = (int)CHECK_OK(open("file", O_PATH));
    CHECK_ERRNO(read(fd, buffer, 1), EBADF);
    CHECK_ERRNO(fchmod(fd, 0600), EBADF);
    CHECK_ERRNO_LABEL("truncate-of-path-descriptor", ftruncate(fd, 0), EBADF);
    CHECK_ERRNO(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), EBADF);
    CHECK_ERRNO(fgetxattr(fd, "user.x", buffer, 4), EBADF);
    CHECK_ERRNO(fchdir(fd), ENOTDIR);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
    CHECK_EQ(fstatOf(fd).st_ino, statOf("file").st_ino);
    close(fd);
    fd = (int)CHECK_OK(open("link", O_PATH | O_NOFOLLOW));
    CHECK(S_ISLNK(fstatOf(fd).st_mode));
    CHECK_EQ(readlinkat(fd, "", buffer, 4), 4);
    CHECK(memcmp(buffer, "file", 4) == 0);
    close(fd);
    fd = (int)CHECK_OK(open("dir", O_PATH));
    CHECK_OK(fchdir(fd));
    CHECK_OK(chdir(".."));
    int inner = (int)CHECK_OK(openat(fd, "made", O_CREAT | O_WRONLY, 0600));
    CHECK(exists("dir/made"));
    close(inner);
    close(fd);
    // O_PATH opens nothing, so a FIFO does not block and needs no permission of its own.
    fd = (int)CHECK_OK(open("fifo", O_PATH));
    CHECK(S_ISFIFO(fstatOf(fd).st_mode));
    close(fd);
}

static void temporaryFiles(void) {
    int fd = open("dir", O_TMPFILE | O_RDWR, 0640);
    if (fd < 0 && errno == EOPNOTSUPP) {
        SKIP_PART("this file system has no O_TMPFILE");
        return;
    }
    CHECK(fd >= 0);
    CHECK_EQ(fstatOf(fd).st_nlink, 0);
    CHECK_EQ(fstatOf(fd).st_mode, S_IFREG | 0640);
    CHECK_EQ(write(fd, "temporary", 9), 9);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    CHECK_EQ(fstatOf(fd).st_nlink, 1);
    CHECK_EQ(statOf("named").st_ino, fstatOf(fd).st_ino);
    CHECK_STR(readFile("named"), "temporary");
    CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), EEXIST);
    // It may be named once; after its last name has gone it is a file like others.
    CHECK_OK(unlink("named"));
    CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), ENOENT);
    close(fd);
    fd = (int)CHECK_OK(open("dir", O_TMPFILE | O_WRONLY | O_EXCL, 0600));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    // O_EXCL forbids that the file ever gets a name.
    CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT);
    close(fd);
    CHECK_ERRNO(open("dir", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    CHECK_ERRNO(open("file", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
    CHECK_ERRNO(open("missing", O_TMPFILE | O_RDWR, 0600), ENOENT);
}

static void scenario(void) {
    CHECK_ERRNO(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_ERRNO(open("dirlink", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("missing", O_RDONLY | O_DIRECTORY), ENOENT);
    CHECK_ERRNO(open("dir", O_WRONLY), EISDIR);
    CHECK_ERRNO(open("dir", O_RDWR), EISDIR);
    CHECK_ERRNO(open("dir", O_RDONLY | O_CREAT, 0600), EISDIR);
    CHECK_ERRNO(open("dir", O_RDONLY | O_TRUNC), EISDIR);
    CHECK_ERRNO(open("file", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    CHECK_ERRNO(open("link", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    CHECK_ERRNO(open("dir", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
    CHECK_ERRNO(open("new", O_CREAT | O_DIRECTORY | O_RDWR, 0600), EINVAL);
    CHECK(!exists("new"));

    // O_CREAT takes the mode through the umask, only if it makes the file, and the mode does not bind this descriptor.
    int fd = (int)CHECK_OK(open("new", O_CREAT | O_RDWR, 0444));
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0444);
    close(fd);
    umask(077);
    fd = (int)CHECK_OK(open("new2", O_CREAT | O_WRONLY, 0666));
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0600);
    close(fd);
    umask(022);
    fd = (int)CHECK_OK(open("file", O_CREAT | O_WRONLY, 0600));
    CHECK_EQ(fstatOf(fd).st_mode & 07777, 0644);
    CHECK_ERRNO(read(fd, &fd, 1), EBADF);
    close(fd);

    struct stat before = statOf("truncated");
    fd = (int)CHECK_OK(open("truncated", O_WRONLY | O_TRUNC));
    CHECK_EQ(fstatOf(fd).st_size, 0);
    CHECK_EQ(fstatOf(fd).st_ino, before.st_ino);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    close(fd);
    CHECK_STR(readFile("truncated"), "");

    fd = (int)CHECK_OK(open("appended", O_RDWR | O_APPEND));
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK_EQ(write(fd, "def", 3), 3);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 6);
    CHECK_STR(readFile("appended"), "abcdef");
    // pwrite appends too: Linux departs from POSIX here (man 2 pwrite, BUGS).
    CHECK_EQ(pwrite(fd, "ghi", 3, 0), 3);
    CHECK_STR(readFile("appended"), "abcdefghi");
    CHECK_EQ(fcntl(fd, F_GETFL) & O_ACCMODE, O_RDWR);
    CHECK_OK(fcntl(fd, F_SETFL, 0));
    CHECK_EQ(pwrite(fd, "A", 1, 0), 1);
    CHECK_STR(readFile("appended"), "Abcdefghi");
    close(fd);

    CHECK_EQ(fcntl((int)CHECK_OK(open("file", O_RDONLY | O_CLOEXEC)), F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl((int)CHECK_OK(open("file", O_RDONLY)), F_GETFD), 0);
    fd = (int)CHECK_OK(open("file", O_RDONLY));
    CHECK_ERRNO(write(fd, "x", 1), EBADF);
    CHECK_ERRNO(ftruncate(fd, 0), EINVAL);
    close(fd);
    // The lowest free number is given: a descriptor installed by a supervisor must keep to it.
    int lowest = (int)CHECK_OK(open("file", O_RDONLY));
    close(lowest);
    CHECK_EQ(open("dir", O_RDONLY | O_DIRECTORY), lowest);
    close(lowest);
    if (isRoot()) SKIP_PART("root may write a file of mode 0444");
    else CHECK_ERRNO(open("readonly", O_WRONLY), EACCES);
    paths();
    temporaryFiles();
}

SCENARIO("open_flags", prepare, scenario)
