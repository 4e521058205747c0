// readdir over a merged directory: each entry once, d_ino and d_type right, positions that survive changes and seeks.
#include "harness.h"
#include <dirent.h>

#define LOWER 400
#define LARGE 3000

static void prepare(void) {
    char name[64];
    MUST(mkdir("d", 0755));
    for (int i = 0; i < LOWER; i++) {
        snprintf(name, sizeof name, "d/lower-%d", i);
        writeFile(name, "");
    }
    MUST(mkdir("types", 0755));
    writeFile("types/file", "");
    MUST(mkdir("types/dir", 0755));
    MUST(symlink("file", "types/link"));
    MUST(mkfifo("types/fifo", 0600));
    MUST(mkdir("large", 0755));
    for (int i = 0; i < LARGE; i++) {
        snprintf(name, sizeof name, "large/%d", i);
        MUST(mknod(name, S_IFREG | 0600, 0));
    }
}

static char seen[LARGE * 2];

static int number(const char *name) {
    const char *digits = strrchr(name, '-');
    return atoi(digits ? digits + 1 : name) + (strncmp(name, "upper-", 6) == 0 ? LOWER : 0);
}

static void typesAndNumbers(void) {
    writeFile("types/upper", "");
    CHECK_OK(mkfifo("types/upper-fifo", 0600));
    CHECK_OK(chmod("types/file", 0600));
    DIR *directory = opendir("types");
    struct dirent *entry;
    int count = 0;
    CHECK_OK(chdir("types"));
    while ((entry = readdir(directory))) {
        struct stat s = statOf(entry->d_name);
        if (entry->d_type != DT_UNKNOWN) CHECK_EQ(entry->d_type, IFTODT(s.st_mode));
        CHECK_EQ(entry->d_ino, s.st_ino);
        count++;
    }
    CHECK_OK(chdir(".."));
    CHECK_EQ(count, 8);
    closedir(directory);
}

static void underChange(void) {
    char name[64];
    for (int i = 0; i < LOWER; i++) {
        snprintf(name, sizeof name, "d/upper-%d", i);
        writeFile(name, "");
    }
    DIR *directory = opendir("d");
    struct dirent *entry;
    memset(seen, 0, sizeof seen);
    // Enough calls that the C library must come back to the kernel, with removals in between.
    for (int i = 0; i < 20 && (entry = readdir(directory)); i++)
        if (entry->d_name[0] != '.') seen[number(entry->d_name)]++;
    char removed[LOWER * 2] = {0};
    for (int i = 0; i < LOWER * 2; i += 3) {
        snprintf(name, sizeof name, "d/%s-%d", i < LOWER ? "lower" : "upper", i % LOWER);
        CHECK_OK(unlink(name));
        removed[i] = 1 + seen[i];
    }
    // The C library may hold a buffer read before the removals: read it out by its own position first.
    int fd = dirfd(directory);
    CHECK_OK(fd);
    while ((entry = readdir(directory)))
        if (entry->d_name[0] != '.') seen[number(entry->d_name)]++;
    int twice = 0, lost = 0;
    for (int i = 0; i < LOWER * 2; i++) {
        twice += seen[i] > 1;
        lost += !removed[i] && seen[i] == 0;
    }
    CHECK_EQ(twice, 0);
    CHECK_EQ(lost, 0);
    // A rewind starts afresh: nothing removed is shown.
    rewinddir(directory);
    int stale = 0, live = 0;
    while ((entry = readdir(directory))) {
        if (entry->d_name[0] == '.') continue;
        live++;
        stale += removed[number(entry->d_name)] != 0;
    }
    CHECK_EQ(stale, 0);
    CHECK_EQ(live, LOWER * 2 - (LOWER * 2 + 2) / 3);
    closedir(directory);
}

// getdents64 by hand, with a buffer that holds few entries, so that every position is the kernel's.
static void positions(void) {
    struct Entry {
        uint64_t ino;
        int64_t offset;
        unsigned short length;
        unsigned char type;
        char name[];
    };
    static int64_t offsets[LARGE + 8];
    static char names[LARGE + 8][16];
    char buffer[256];
    int count = 0, fd = (int)CHECK_OK(open("large", O_RDONLY | O_DIRECTORY));
    long got;
    while ((got = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0 && count < LARGE + 4)
        for (char *at = buffer; at < buffer + got; at += ((struct Entry *)at)->length) {
            struct Entry *entry = (struct Entry *)at;
            offsets[count] = entry->offset;
            snprintf(names[count++], sizeof *names, "%s", entry->name);
        }
    CHECK_EQ(got, 0);
    CHECK_EQ(count, LARGE + 2);
    CHECK_EQ(syscall(SYS_getdents64, fd, buffer, sizeof buffer), 0);
    // d_off of entry i is where entry i + 1 is read from.
    for (int i = 0; i < count - 1; i += 97) {
        CHECK_EQ(lseek(fd, offsets[i], SEEK_SET), offsets[i]);
        CHECK(syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0);
        CHECK_STR(((struct Entry *)buffer)->name, names[i + 1]);
    }
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK(syscall(SYS_getdents64, fd, buffer, sizeof buffer) > 0);
    CHECK_STR(((struct Entry *)buffer)->name, names[0]);
    // The position belongs to the open description: dup shares it, a second open does not.
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    int copy = dup(fd), other = (int)CHECK_OK(open("large", O_RDONLY));
    CHECK(syscall(SYS_getdents64, copy, buffer, 64) > 0);
    CHECK(lseek(fd, 0, SEEK_CUR) != 0);
    CHECK_EQ(lseek(other, 0, SEEK_CUR), 0);
    CHECK_ERRNO(syscall(SYS_getdents64, fd, buffer, 16), EINVAL);
    CHECK_ERRNO(syscall(SYS_getdents64, fd, (void *)8, 256), EFAULT);
    CHECK_ERRNO(read(fd, buffer, 1), EISDIR);
    CHECK_ERRNO(write(fd, buffer, 1), EBADF);
    close(fd);
    close(copy);
    close(other);
    fd = (int)CHECK_OK(open("types/file", O_RDONLY));
    CHECK_ERRNO(syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOTDIR);
    close(fd);
}

static void telldirSeekdir(void) {
    DIR *directory = opendir("large");
    long at[50];
    char names[50][16];
    struct dirent *entry;
    for (int i = 0; i < 50; i++) {
        at[i] = telldir(directory);
        entry = readdir(directory);
        if (!CHECK(entry != NULL)) return;
        snprintf(names[i], sizeof names[i], "%.15s", entry->d_name);
    }
    for (int i = 49; i >= 0; i -= 7) {
        seekdir(directory, at[i]);
        entry = readdir(directory);
        CHECK(entry != NULL);
        if (entry) CHECK_STR(entry->d_name, names[i]);
    }
    closedir(directory);
    // A directory removed while open reads as one that is gone.
    CHECK_OK(mkdir("gone", 0755));
    int fd = (int)CHECK_OK(open("gone", O_RDONLY));
    CHECK_OK(rmdir("gone"));
    char buffer[128];
    CHECK_ERRNO(syscall(SYS_getdents64, fd, buffer, sizeof buffer), ENOENT);
    CHECK_ERRNO(openat(fd, "x", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK_EQ(fstatOf(fd).st_nlink, 0);
    close(fd);
}

static void scenario(void) {
    typesAndNumbers();
    underChange();
    positions();
    telldirSeekdir();
}

SCENARIO("readdir_order", prepare, scenario)
