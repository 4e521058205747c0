// The micro-benchmark: nanoseconds per operation, one line each: `NAME NS`.
//
//   micro DIRECTORY [MILLISECONDS [NAME...]]   each operation (or those named) for at least that long (default: 200)
//
// DIRECTORY is one that `run.sh` has made: `lower/0` ... are files of 64 KiB that were there before, so that inside a sandbox
// they are lower files. New files go to a fresh directory in it, which is removed. `pread`, `write` and `mmap+munmap` work
// on a file in /dev/shm, which is a tmpfs everywhere: what is compared is the gate, not two file systems.
#include "bench.h"
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LOWER_FILES = 80, LOWER_SIZE = 65536, MAPPINGS = 300 };

static const char *existing;
static int file, lower;
static char block[4096], whole[16 * sizeof block];

static void statHit(unsigned i) {
    struct stat status;
    (void)i;
    if (stat(existing, &status) != 0) fail("stat");
}

static void statMissing(unsigned i) {
    struct stat status;
    (void)i;
    if (stat("no-such-name", &status) == 0) fail("stat of a missing name");
}

static void openClose(unsigned i) {
    (void)i;
    int descriptor = open(existing, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || close(descriptor) != 0) fail("open");
}

static void name(char *buffer, const char *prefix, unsigned i) { sprintf(buffer, "%s%u", prefix, i); }

static void create(unsigned i) {
    char path[32];
    name(path, "c", i);
    int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (descriptor < 0 || close(descriptor) != 0) fail("create");
}

static void renameOne(unsigned i) {
    char from[32], to[32];
    name(from, "c", i);
    name(to, "r", i);
    if (rename(from, to) != 0) fail("rename");
}

static void unlinkOne(unsigned i) {
    char path[32];
    name(path, "r", i);
    if (unlink(path) != 0) fail("unlink");
}

static void makeRemoveDirectory(unsigned i) {
    (void)i;
    if (mkdir("directory", 0755) != 0 || rmdir("directory") != 0) fail("mkdir+rmdir");
}

static void readOne(unsigned i) {
    if (pread(file, block, sizeof block, (off_t)(i % 16) * 4096) != sizeof block) fail("pread");
}

static void writeOne(unsigned i) {
    if (pwrite(file, block, sizeof block, (off_t)(i % 16) * 4096) != sizeof block) fail("write");
}

// The whole file at once, as cp and cat do: what a call costs beside what it is made for.
static void readMuch(unsigned i) {
    (void)i;
    if (pread(file, whole, sizeof whole, 0) != sizeof whole) fail("pread-64K");
}

static void writeMuch(unsigned i) {
    (void)i;
    if (pwrite(file, whole, sizeof whole, 0) != sizeof whole) fail("write-64K");
}

static void mapUnmap(unsigned i) {
    (void)i;
    void *address = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, file, 0);
    if (address == MAP_FAILED || munmap(address, 65536) != 0) fail("mmap+munmap");
}

static void mapUnmapMemory(unsigned i) {
    (void)i;
    void *address = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (address == MAP_FAILED || munmap(address, 65536) != 0) fail("anonymous mmap+munmap");
}

// Blocks of 16 bytes to 512 KiB; the large ones are mappings of their own.
static void allocate(unsigned i) {
    static void *blocks[64];
    static uint32_t state = 1;
    state = state * 1664525u + 1013904223u;
    void **slot = &blocks[i % 64];
    size_t size = (size_t)16 << (state >> 28);
    free(*slot);
    *slot = malloc(size);
    if (*slot == NULL) fail("malloc");
    memset(*slot, 1, size < 256 ? size : 256);
}

static void awaitChild(pid_t child, const char *what) {
    int status;
    if (waitpid(child, &status, 0) != child || status != 0) fail(what);
}

static void forkOne(unsigned i) {
    (void)i;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) _exit(0);
    awaitChild(child, "fork");
}

static void forkExec(unsigned i) {
    (void)i;
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        execl("/bin/true", "true", (char *)NULL);
        _exit(127);
    }
    awaitChild(child, "exec of /bin/true");
}

static void spawnExec(unsigned i) {
    (void)i;
    extern char **environ;
    char *arguments[] = {"true", NULL};
    pid_t child;
    errno = posix_spawn(&child, "/bin/true", NULL, NULL, arguments, environ);
    if (errno != 0) fail("posix_spawn");
    awaitChild(child, "spawn of /bin/true");
}

// A file that was there before is opened for writing: inside, that copies it up.
static void openForWriting(unsigned i) {
    char path[32];
    name(path, "", i);
    int descriptor = openat(lower, path, O_WRONLY | O_CLOEXEC);
    if (descriptor < 0 || close(descriptor) != 0) fail("open for writing");
}

static void *waitForEver(void *unused) {
    while (pause() != 0) {}
    return unused;
}

// A process of seven threads that maps the files `from` and on. Returns when they are mapped.
static pid_t startMapper(unsigned from, unsigned count) {
    int ready[2];
    if (pipe2(ready, O_CLOEXEC) != 0) fail("pipe");
    pid_t child = fork();
    if (child < 0) fail("fork");
    if (child == 0) {
        for (int i = 0; i < 6; i++) {
            pthread_t thread;
            if (pthread_create(&thread, NULL, waitForEver, NULL) != 0) _exit(1);
        }
        for (unsigned i = from; i < from + count; i++) {
            char path[32];
            name(path, "", i);
            int descriptor = openat(lower, path, O_RDONLY);
            volatile char *address = mmap(NULL, LOWER_SIZE, PROT_READ, MAP_SHARED, descriptor, 0);
            if (address == MAP_FAILED) _exit(1);
            (void)*address;
            close(descriptor);
        }
        if (write(ready[1], "x", 1) != 1) _exit(1);
        waitForEver(NULL);
    }
    close(ready[1]);
    if (read(ready[0], block, 1) != 1) fail("the process that maps");
    close(ready[0]);
    return child;
}

// At least `budget` nanoseconds of one operation, and the best of three such runs.
static double repeat(void (*operation)(unsigned), uint64_t budget) {
    double best = 1e18;
    for (int round = 0; round < 3; round++) {
        uint64_t begin = now(), end = begin, count = 0;
        while (end - begin < budget / 3) {
            for (int i = 0; i < 16; i++) operation((unsigned)count++);
            end = now();
        }
        double one = (double)(end - begin) / (double)count;
        if (one < best) best = one;
    }
    return best;
}

// Exactly `count` of one operation, once: what cannot be repeated without the next one.
static double once(void (*operation)(unsigned), unsigned from, unsigned count) {
    uint64_t begin = now();
    for (unsigned i = from; i < from + count; i++) operation(i);
    return (double)(now() - begin) / count;
}

static char **wanted;

static int isWanted(const char *label) {
    if (*wanted == NULL) return 1;
    for (char **one = wanted; *one != NULL; one++)
        if (strcmp(*one, label) == 0) return 1;
    return 0;
}

static void show(const char *label, double nanoseconds) {
    if (!isWanted(label)) return;
    printf("%s %.1f\n", label, nanoseconds);
    fflush(stdout);
}

static void run(const char *label, void (*operation)(unsigned), uint64_t budget) {
    if (isWanted(label)) show(label, repeat(operation, budget));
}

int main(int argc, char **argv) {
    uint64_t budget = (argc > 2 ? strtoull(argv[2], NULL, 10) : 200) * 1000000u;
    wanted = argc > 3 ? argv + 3 : argv + argc;
    char directory[] = "micro.XXXXXX", memory[] = "/dev/shm/micro.XXXXXX";
    char *self = realpath("/proc/self/exe", NULL);
    existing = self ? self : "/bin/true";
    if (argc < 2 || chdir(argv[1]) != 0) fail("DIRECTORY");
    lower = open("lower", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (lower < 0) fail("lower");
    if (mkdtemp(directory) == NULL || chdir(directory) != 0) fail("mkdtemp");
    file = mkostemp(memory, O_CLOEXEC);
    if (file < 0 || unlink(memory) != 0) fail("file");
    for (unsigned i = 0; i < 16; i++) writeOne(i);
    // Not adjusted by what is freed: large blocks stay mappings.
    mallopt(M_MMAP_THRESHOLD, 131072);

    run("stat-hit", statHit, budget);
    run("stat-ENOENT", statMissing, budget);
    run("open+close", openClose, budget);
    // As many files as the budget allows, all there at once.
    unsigned files = (unsigned)(budget / 100000u) + 200;
    if (isWanted("create")) {
        show("create", once(create, 0, files));
        show("rename", once(renameOne, 0, files));
        show("unlink", once(unlinkOne, 0, files));
    }
    run("mkdir+rmdir", makeRemoveDirectory, budget);
    run("pread", readOne, budget);
    run("write", writeOne, budget);
    run("pread-64K", readMuch, budget);
    run("write-64K", writeMuch, budget);
    run("malloc+free", allocate, budget);
    run("mmap-anonymous", mapUnmapMemory, budget);
    run("mmap+munmap", mapUnmap, budget);
    run("fork", forkOne, budget);
    if (isWanted("fork-300-maps")) {
        void *addresses[MAPPINGS];
        for (int i = 0; i < MAPPINGS; i++) {
            // Pages that do not follow each other in the file, so that no two mappings become one.
            addresses[i] = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, (off_t)(i % 2) * 2 * 4096);
            if (addresses[i] == MAP_FAILED) fail("mmap");
        }
        run("fork-300-maps", forkOne, budget);
        for (int i = 0; i < MAPPINGS; i++) munmap(addresses[i], 4096);
    }
    run("fork+exec", forkExec, budget);
    run("vfork+exec", spawnExec, budget);
    if (isWanted("copy-up")) {
        unsigned half = LOWER_FILES / 2;
        show("copy-up", once(openForWriting, 0, half));
        pid_t mapper = startMapper(half, half);
        show("copy-up-mapped", once(openForWriting, half, half));
        kill(mapper, SIGKILL);
        waitpid(mapper, NULL, 0);
    }

    if (chdir("..") != 0 || rmdir(directory) != 0) fail("cleaning up");
    return 0;
}
