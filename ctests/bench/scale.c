// Cost growth: what grows with the number of files, names and bytes. Lines of `NAME NANOSECONDS`.
//
//   scale fill DIR N            make the files f0 … f(N-1)
//   scale tree DIR N            make N files in N/1000 directories
//   scale blob FILE BYTES       write a file whose blocks are all different
//   scale stop                  a served call with next to nothing to do: umask
//   scale lookup DIR N...       stat of random names among the first N, all looked up before; waits for a line on
//                               standard input after each N, so that the caller may look at the supervisor's memory
//   scale readdir DIR           one pass over the directory
//   scale rename DIR            DIR to DIR.moved and back: the first time, then the median
//   scale churn DIR N           create, list, rename the directory, and remove N files
//   scale delete DIR N          remove f0 … f(N-1)
//   scale touch FILE            the first write to the file, one byte
//   scale beside FILE OTHER     the same, and the longest stat of OTHER by another process meanwhile
#include "bench.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void report(const char *name, uint64_t nanoseconds) {
    printf("%s %llu\n", name, (unsigned long long)nanoseconds);
    fflush(stdout);
}

static int compare(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static uint64_t median(uint64_t *values, int count) {
    qsort(values, (size_t)count, sizeof *values, compare);
    return values[count / 2];
}

static void nameOf(char *buffer, unsigned i) { sprintf(buffer, "f%u", i); }

static void create(const char *name) {
    int descriptor = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0 || close(descriptor) != 0) fail(name);
}

static void enter(const char *directory) {
    if (mkdir(directory, 0755) != 0 && errno != EEXIST) fail(directory);
    if (chdir(directory) != 0) fail(directory);
}

static void fill(unsigned count) {
    char name[32];
    for (unsigned i = 0; i < count; i++) {
        nameOf(name, i);
        create(name);
    }
}

static void tree(unsigned count) {
    char name[64];
    for (unsigned i = 0; i < count; i++) {
        if (i % 1000 == 0) {
            sprintf(name, "d%u", i / 1000);
            if (mkdir(name, 0755) != 0) fail(name);
        }
        sprintf(name, "d%u/f%u", i / 1000, i);
        create(name);
    }
}

static void blob(const char *path, uint64_t size) {
    static uint64_t block[1 << 15];
    int descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (descriptor < 0) fail(path);
    uint64_t state = 88172645463325252u;
    for (uint64_t done = 0; done < size; done += sizeof block) {
        for (unsigned i = 0; i < sizeof block / sizeof *block; i++) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block[i] = state;
        }
        if (write(descriptor, block, sizeof block) != (ssize_t)sizeof block) fail(path);
    }
    if (fsync(descriptor) != 0 || close(descriptor) != 0) fail(path);
}

static void stop(void) {
    enum { count = 20000 };
    for (int i = 0; i < 2000; i++) umask(022);
    uint64_t begin = now();
    for (int i = 0; i < count; i++) umask(022);
    report("stop", (now() - begin) / count);
}

static void lookup(unsigned count) {
    static unsigned looked;
    struct stat status;
    char name[32], label[48];
    uint64_t begin = now();
    unsigned new = count - looked;
    for (; looked < count; looked++) {
        nameOf(name, looked);
        if (stat(name, &status) != 0) fail(name);
    }
    sprintf(label, "first-%u", count);
    if (new) report(label, (now() - begin) / new);
    uint64_t samples[7];
    unsigned seed = 12345, each = 10000;
    for (int round = 0; round < 7; round++) {
        begin = now();
        for (unsigned i = 0; i < each; i++) {
            seed = seed * 1664525u + 1013904223u;
            nameOf(name, (unsigned)((uint64_t)seed * count >> 32));
            if (stat(name, &status) != 0) fail(name);
        }
        samples[round] = (now() - begin) / each;
    }
    sprintf(label, "stat-%u", count);
    report(label, median(samples, 7));
    char line[16];
    if (!fgets(line, sizeof line, stdin)) exit(0);
}

// A pass as readdir(3) of glibc makes it: 32 KiB at a time.
static uint64_t pass(const char *directory, unsigned *count) {
    static char buffer[32768];
    uint64_t begin = now();
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) fail(directory);
    *count = 0;
    long got;
    while ((got = syscall(SYS_getdents64, descriptor, buffer, sizeof buffer)) > 0)
        for (long at = 0; at < got; at += *(unsigned short *)(buffer + at + 16)) ++*count;
    if (got < 0 || close(descriptor) != 0) fail(directory);
    return now() - begin;
}

static void readDirectory(const char *directory) {
    uint64_t samples[9];
    unsigned count;
    for (int round = 0; round < 9; round++) samples[round] = pass(directory, &count);
    char label[32];
    sprintf(label, "readdir-%u", count - 2);
    report(label, median(samples, 9));
}

static void renameDirectory(const char *directory, const char *first, const char *again) {
    char other[4096];
    snprintf(other, sizeof other, "%s.moved", directory);
    uint64_t samples[101];
    for (int round = 0; round < 102; round++) {
        uint64_t begin = now();
        if (rename(round % 2 ? other : directory, round % 2 ? directory : other) != 0) {
            // Kernel overlayfs answers so without redirect_dir.
            if (round == 0 && errno == EXDEV) return;
            fail("rename");
        }
        uint64_t took = now() - begin;
        if (round == 0) report(first, took);
        else samples[round - 1] = took;
    }
    report(again, median(samples, 101));
}

static void delete (unsigned count, const char *label) {
    char name[32];
    uint64_t begin = now();
    for (unsigned i = 0; i < count; i++) {
        nameOf(name, i);
        if (unlink(name) != 0) fail(name);
    }
    report(label, now() - begin);
}

static void churn(const char *directory, unsigned count) {
    enter(directory);
    uint64_t begin = now();
    fill(count);
    report("create", now() - begin);
    readDirectory(".");
    if (chdir("..") != 0) fail("..");
    const char *name = strrchr(directory, '/') ? strrchr(directory, '/') + 1 : directory;
    renameDirectory(name, "rename-first", "rename");
    enter(name);
    delete (count, "unlink");
}

static void touch(const char *path) {
    uint64_t begin = now();
    int descriptor = open(path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0 || pwrite(descriptor, "x", 1, 0) != 1 || close(descriptor) != 0) fail(path);
    report("copy-up", now() - begin);
}

// A stat every millisecond, until the other end of the pipe `over` is closed; one byte to `ready` after the first.
static void watch(const char *path, int ready, int over) {
    uint64_t longest = 0;
    struct stat status;
    struct pollfd end = {.fd = over};
    do {
        uint64_t begin = now();
        if (stat(path, &status) != 0) fail(path);
        uint64_t took = now() - begin;
        if (took > longest) longest = took;
        if (ready >= 0 && (write(ready, "r", 1) != 1 || close(ready) != 0)) fail("ready");
        ready = -1;
    } while (poll(&end, 1, 1) == 0);
    report("longest-stat", longest);
}

static void beside(const char *path, const char *other) {
    int ready[2], over[2];
    char byte;
    if (pipe(ready) != 0 || pipe(over) != 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        close(over[1]);
        watch(other, ready[1], over[0]);
        exit(0);
    }
    close(ready[1]);
    if (read(ready[0], &byte, 1) != 1) fail(other);
    touch(path);
    close(over[1]);
    if (waitpid(child, NULL, 0) < 0) fail("waitpid");
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    const char *path = count > 2 ? arguments[2] : ".";
    unsigned number = count > 3 ? (unsigned)strtoul(arguments[3], NULL, 10) : 0;
    if (!strcmp(what, "fill") || !strcmp(what, "tree")) {
        enter(path);
        what[0] == 'f' ? fill(number) : tree(number);
    } else if (!strcmp(what, "blob")) {
        blob(path, strtoull(arguments[3], NULL, 10));
    } else if (!strcmp(what, "stop")) {
        stop();
    } else if (!strcmp(what, "lookup")) {
        if (chdir(path) != 0) fail(path);
        for (int i = 3; i < count; i++) lookup((unsigned)strtoul(arguments[i], NULL, 10));
    } else if (!strcmp(what, "readdir")) {
        readDirectory(path);
    } else if (!strcmp(what, "rename")) {
        renameDirectory(path, "rename-first", "rename");
    } else if (!strcmp(what, "churn")) {
        churn(path, number);
    } else if (!strcmp(what, "delete")) {
        if (chdir(path) != 0) fail(path);
        delete (number, "delete");
    } else if (!strcmp(what, "touch")) {
        touch(path);
    } else if (!strcmp(what, "beside") && count > 3) {
        beside(path, arguments[3]);
    } else {
        fprintf(stderr, "scale: what?\n");
        return 2;
    }
    return 0;
}
