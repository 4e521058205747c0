// A shared mapping of a lower file sees what is written after copy-up by anybody, clean private pages too, dirty ones keep
// their own; mappings that were split, moved, protected or copied by fork stay right.
#include "harness.h"
#include <pthread.h>

#define PAGE 4096
#define PAGES 8

static void pattern(const char *name, char base) {
    char page[PAGE];
    int fd = (int)MUST(open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644));
    for (int i = 0; i < PAGES; i++) {
        memset(page, base + i, PAGE);
        MUST(write(fd, page, PAGE) == PAGE ? 0 : -1);
    }
    close(fd);
}

static const char *const names[] = {"shared", "private", "split", "moved", "forked", "threads", "both", "truncated", "twice", "timed", "held"};

static void prepare(void) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) pattern(names[i], 'a');
}

static char *map(const char *name, int protection, int flags) {
    int fd = (int)CHECK_OK(open(name, O_RDONLY));
    char *at = mmap(NULL, PAGES * PAGE, protection, flags, fd, 0);
    CHECK(at != MAP_FAILED);
    close(fd);
    return at;
}

// Another process writes one byte at the start of each page named.
static void otherWrites(const char *name, char byte, int firstPage, int lastPage) {
    IN_CHILD({
        int fd = (int)CHECK_OK(open(name, O_RDWR));
        for (int i = firstPage; i <= lastPage; i++) CHECK_EQ(pwrite(fd, &byte, 1, (off_t)i * PAGE), 1);
    });
}

static void sharedAndPrivate(void) {
    char *shared = map("shared", PROT_READ, MAP_SHARED);
    CHECK_EQ(shared[0], 'a');
    otherWrites("shared", 'X', 0, PAGES - 1);
    for (int i = 0; i < PAGES; i++) {
        CHECK_EQ(shared[i * PAGE], 'X');
        CHECK_EQ(shared[i * PAGE + 1], 'a' + i);
    }
    // A shared mapping of a read-only descriptor may never become writable.
    CHECK_ERRNO(mprotect(shared, PAGE, PROT_READ | PROT_WRITE), EACCES);
    CHECK_OK(munmap(shared, PAGES * PAGE));

    char *private = map("private", PROT_READ | PROT_WRITE, MAP_PRIVATE);
    CHECK_EQ(private[PAGE], 'b');
    private[2 * PAGE + 1] = 'd';
    otherWrites("private", 'Y', 0, PAGES - 1);
    CHECK_EQ(private[0], 'Y');         // never touched before
    CHECK_EQ(private[PAGE], 'Y');      // touched, clean
    CHECK_EQ(private[2 * PAGE], 'c');  // dirty: the page is our own
    CHECK_EQ(private[2 * PAGE + 1], 'd');
    private[3 * PAGE] = 'p';
    CHECK_EQ(readFile("private")[3 * PAGE], 'Y');  // nothing of a private page reaches the file
}

static void splitAndMoved(void) {
    char *split = map("split", PROT_READ, MAP_SHARED);
    // A hole in the middle, and a foreign page put into it: neither may be touched when the mapping is remapped to the new file.
    CHECK_OK(munmap(split + 2 * PAGE, 2 * PAGE));
    char *foreign = mmap(split + 2 * PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK(foreign == split + 2 * PAGE);
    memset(foreign, 'F', PAGE);
    CHECK_OK(mprotect(split + 5 * PAGE, PAGE, PROT_NONE));
    otherWrites("split", 'Z', 0, PAGES - 1);
    CHECK_EQ(split[PAGE], 'Z');
    CHECK_EQ(foreign[0], 'F');
    CHECK_EQ(foreign[PAGE - 1], 'F');
    CHECK_EQ(split[4 * PAGE], 'Z');
    CHECK_EQ(split[7 * PAGE], 'Z');
    CHECK_ERRNO(msync(split + 3 * PAGE, PAGE, MS_ASYNC), ENOMEM);
    // What was PROT_NONE is still so, and becomes the new file's page when it is opened again.
    int ends[2];
    MUST(pipe(ends));
    CHECK_ERRNO(write(ends[1], split + 5 * PAGE, 1), EFAULT);
    CHECK_OK(mprotect(split + 5 * PAGE, PAGE, PROT_READ));
    CHECK_EQ(split[5 * PAGE], 'Z');

    char *moved = map("moved", PROT_READ, MAP_SHARED);
    char *target = mmap(NULL, 16 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mremap(moved + 4 * PAGE, 4 * PAGE, 4 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    otherWrites("moved", 'M', 0, PAGES - 1);
    CHECK_EQ(moved[0], 'M');
    CHECK_EQ(target[0], 'M');
    CHECK_EQ(target[1], 'e');
    char *again = mmap(moved + 4 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    CHECK_EQ(again[0], 0);
}

static void forked(void) {
    char *shared = map("forked", PROT_READ, MAP_SHARED);
    char *private = map("forked", PROT_READ | PROT_WRITE, MAP_PRIVATE);
    private[0] = 'p';
    struct Turns both = turns();
    pid_t child = fork();
    if (child == 0) {
        private[PAGE] = 'q';
        awaitTurn(both);
        CHECK_EQ(shared[3 * PAGE], 'W');
        CHECK_EQ(private[0], 'p');
        CHECK_EQ(private[PAGE], 'q');
        CHECK_EQ(private[2 * PAGE], 'W');
        _exit(0);
    }
    untilReady(both);
    otherWrites("forked", 'W', 0, PAGES - 1);
    letGo(both);
    CHECK_EXITS_OK(child);
    CHECK_EQ(private[PAGE], 'W');
    CHECK_EQ(private[0], 'p');
}

static atomic_bool stop;
static volatile char *watched;
static void *spin(void *argument) {
    (void)argument;
    // Native faults and reads all the time while the pages below are exchanged.
    while (!stop)
        for (int i = 0; i < PAGES; i++)
            if (watched[i * PAGE + 1] != 'a' + i) return (void *)1;
    return NULL;
}

static void underThreads(void) {
    pthread_t threads[3];
    watched = map("threads", PROT_READ, MAP_SHARED);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, spin, NULL);
    otherWrites("threads", 'T', 0, PAGES - 1);
    CHECK_EQ(watched[0], 'T');
    sleepMilliseconds(20);
    stop = true;
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL);
    }
}

static void writersMap(void) {
    char *old = map("both", PROT_READ, MAP_SHARED);
    int fd = (int)CHECK_OK(open("both", O_RDWR));
    char *new = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(new != MAP_FAILED);
    new[PAGE] = '1';
    CHECK_EQ(old[PAGE], '1');
    IN_CHILD(new[PAGE + 1] = '2');
    CHECK_EQ(old[PAGE + 1], '2');
    CHECK_EQ(pwrite(fd, "3", 1, PAGE + 2), 1);
    CHECK_EQ(old[PAGE + 2], '3');
    CHECK_EQ(new[PAGE + 2], '3');
    CHECK_OK(msync(new, PAGES * PAGE, MS_SYNC));
    CHECK_OK(unlink("both"));
    new[0] = '4';
    CHECK_EQ(old[0], '4');

    // Mapped twice, with an offset, by one inode's two names.
    CHECK_OK(link("twice", "twice-too"));
    int a = (int)CHECK_OK(open("twice", O_RDONLY));
    char *first = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, a, 3 * PAGE);
    otherWrites("twice-too", 'L', 3, 3);
    char *second = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, a, 3 * PAGE);
    CHECK_EQ(first[0], 'L');
    CHECK_EQ(second[0], 'L');
    CHECK_OK(truncate("truncated", PAGE));
}

// No process has read the file since its times were set, whichever has it mapped (`man 2 mmap`: st_atime).
static void timesStay(const char *name, int isOpen) {
    int fd = isOpen ? (int)CHECK_OK(open(name, O_RDONLY)) : -1;
    char *at = map(name, PROT_READ, MAP_SHARED);
    CHECK_EQ(at[0], 'a');
    struct timespec times[2] = {{.tv_sec = 1000000000}, {.tv_sec = 900000000}};
    struct stat status;
    CHECK_OK(utimensat(AT_FDCWD, name, times, 0));
    CHECK_OK(stat(name, &status));
    CHECK_EQ(status.st_atim.tv_sec, 1000000000);
    CHECK_EQ(status.st_mtim.tv_sec, 900000000);
    otherWrites(name, 'T', 0, 0);
    CHECK_EQ(at[0], 'T');
    if (isOpen) CHECK_OK(close(fd));
}

static void scenario(void) {
    sharedAndPrivate();
    splitAndMoved();
    forked();
    underThreads();
    writersMap();
    timesStay("timed", 0);
    timesStay("held", 1);
}

SCENARIO("mmap_shared_lower", prepare, scenario)
