// Private mappings of a lower file through copy-up: dirty pages stay the process's own, everything else is the file's as it
// is now; and the mapping stays one, so that whatever is done to the whole of it afterwards works as it does natively.
#include "harness.h"
#include <setjmp.h>

#define PAGE 4096
#define PAGES 8

static const char *const names[] = {"discarded", "moved", "protected", "locked", "truncated", "emptied", "many", "code", "forked", "regrown", "denied"};

static void prepare(void) {
    char page[PAGE];
    for (size_t f = 0; f < sizeof names / sizeof *names; f++) {
        int fd = (int)MUST(open(names[f], O_CREAT | O_WRONLY | O_TRUNC, 0755));
        for (int i = 0; i < PAGES; i++) {
            memset(page, 'a' + i, PAGE);
            MUST(write(fd, page, PAGE) == PAGE ? 0 : -1);
        }
        close(fd);
    }
    int fd = (int)MUST(open("code", O_WRONLY));
    // mov $1, %eax; ret
    MUST(pwrite(fd, "\xb8\x01\x00\x00\x00\xc3", 6, 0));
    close(fd);
    fd = (int)MUST(open("large", O_CREAT | O_WRONLY | O_TRUNC, 0644));
    MUST(ftruncate(fd, 4096 * PAGE));
    close(fd);
}

static char *map(const char *name, int protection) {
    int fd = (int)CHECK_OK(open(name, O_RDONLY));
    char *at = mmap(NULL, PAGES * PAGE, protection, MAP_PRIVATE, fd, 0);
    CHECK(at != MAP_FAILED);
    close(fd);
    return at;
}

static void otherWrites(const char *name, char byte) {
    IN_CHILD({
        int fd = (int)CHECK_OK(open(name, O_RDWR));
        for (int i = 0; i < PAGES; i++) CHECK_EQ(pwrite(fd, &byte, 1, (off_t)i * PAGE), 1);
    });
}

static sigjmp_buf back;
static void handler(int number) { siglongjmp(back, number); }
static int touch(volatile char *at) {
    int caught = sigsetjmp(back, 1);
    if (caught == 0) (void)*at;
    return caught;
}

static void scenario(void) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);

    // A dirty page that is discarded (MADV_DONTNEED) shows the file as it is now.
    char *at = map("discarded", PROT_READ | PROT_WRITE);
    at[PAGE] = 'p';
    at[2 * PAGE + 1] = 'q';
    otherWrites("discarded", 'X');
    CHECK_EQ(at[PAGE], 'p');
    CHECK_EQ(at[PAGE + 1], 'b');
    CHECK_EQ(at[2 * PAGE], 'c');
    CHECK_OK(madvise(at + PAGE, PAGE, MADV_DONTNEED));
    CHECK_EQ(at[PAGE], 'X');
    CHECK_EQ(at[2 * PAGE + 1], 'q');
    CHECK_OK(madvise(at, PAGES * PAGE, MADV_DONTNEED));
    CHECK_EQ(at[2 * PAGE], 'X');
    CHECK_EQ(at[2 * PAGE + 1], 'c');

    // mremap takes one mapping at a time: a mapping written in part is still one.
    at = map("moved", PROT_READ | PROT_WRITE);
    at[3 * PAGE] = 'p';
    otherWrites("moved", 'Y');
    char *target = mmap(NULL, PAGES * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(mremap(at, PAGES * PAGE, PAGES * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target) == target);
    CHECK_EQ(target[2 * PAGE], 'Y');
    CHECK_EQ(target[3 * PAGE], 'p');
    CHECK_EQ(touch(at), SIGSEGV);
    // Shrunk and grown again: what comes back is the file's.
    CHECK(mremap(target, PAGES * PAGE, 3 * PAGE, 0) == target);
    char *grown = mremap(target, 3 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
    CHECK(grown != MAP_FAILED);
    CHECK_EQ(grown[3 * PAGE], 'Y');

    // Growing first, then copy-up: the mapping reaches further into the file than was ever asked for.
    int fd = (int)CHECK_OK(open("regrown", O_RDONLY));
    char *small = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    grown = mremap(small, PAGE, 4 * PAGE, MREMAP_MAYMOVE);
    CHECK(grown != MAP_FAILED);
    CHECK_OK(munmap(grown, PAGE));
    otherWrites("regrown", 'G');
    CHECK_EQ(grown[PAGE], 'G');
    CHECK_EQ(grown[3 * PAGE], 'G');
    close(fd);

    // Copied pages that cannot be read or written at the moment.
    at = map("protected", PROT_READ | PROT_WRITE);
    for (int i = 0; i < 4; i++) at[i * PAGE + 1] = 'p';
    CHECK_OK(mprotect(at, PAGE, PROT_NONE));
    CHECK_OK(mprotect(at + PAGE, PAGE, PROT_READ));
    CHECK_OK(mprotect(at + 2 * PAGE, PAGE, PROT_READ | PROT_EXEC));
    otherWrites("protected", 'Z');
    CHECK_EQ(touch(at), SIGSEGV);
    CHECK_EQ(at[PAGE + 1], 'p');
    CHECK_EQ(at[PAGE], 'b');
    CHECK_OK(mprotect(at, 4 * PAGE, PROT_READ | PROT_WRITE));
    CHECK_EQ(at[0], 'a');
    CHECK_EQ(at[1], 'p');
    CHECK_EQ(at[2 * PAGE + 1], 'p');
    at[2 * PAGE] = 'w';
    CHECK_EQ(at[4 * PAGE], 'Z');

    // A process that may make no writable page executable, nor the other way.
    IN_CHILD({
        char *denied = map("denied", PROT_READ | PROT_WRITE);
        denied[1] = 'p';
        CHECK_OK(mprotect(denied, 2 * PAGE, PROT_READ | PROT_EXEC));
        if (prctl(65 /* PR_SET_MDWE */, 1UL, 0, 0, 0) == 0) CHECK_ERRNO(mprotect(denied, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC), EACCES);
        otherWrites("denied", 'D');
        CHECK_EQ(denied[0], 'a');
        CHECK_EQ(denied[1], 'p');
        CHECK_EQ(denied[PAGE], 'D');
        CHECK_EQ(denied[2 * PAGE], 'D');
    });

    // Locked memory stays locked and right.
    at = map("locked", PROT_READ | PROT_WRITE);
    CHECK_OK(mlock(at, 4 * PAGE));
    at[PAGE] = 'p';
    otherWrites("locked", 'L');
    // Locking a writable private page makes it the process's own.
    CHECK_EQ(at[0], 'a');
    CHECK_EQ(at[PAGE], 'p');
    CHECK_EQ(at[5 * PAGE], 'L');
    unsigned char resident[4];
    CHECK_OK(mincore(at, 4 * PAGE, resident));
    for (int i = 0; i < 4; i++) CHECK_EQ(resident[i] & 1, 1);
    // DONTNEED of a locked page is EINVAL: so it is locked still.
    CHECK_ERRNO(madvise(at, PAGE, MADV_DONTNEED), EINVAL);
    CHECK_OK(munlock(at, 4 * PAGE));
    CHECK_OK(madvise(at, PAGE, MADV_DONTNEED));

    // Truncation takes copied pages behind the new end too, and what comes back is zeros.
    at = map("truncated", PROT_READ | PROT_WRITE);
    at[PAGE] = 'p';
    at[5 * PAGE] = 'p';
    IN_CHILD(CHECK_OK(truncate("truncated", 2 * PAGE)));
    CHECK_EQ(at[PAGE], 'p');
    CHECK_EQ(touch(at + 5 * PAGE), SIGBUS);
    CHECK_EQ(touch(at + 2 * PAGE), SIGBUS);
    CHECK_OK(truncate("truncated", PAGES * PAGE));
    CHECK_EQ(at[5 * PAGE], 0);
    CHECK_EQ(at[0], 'a');
    at = map("emptied", PROT_READ | PROT_WRITE);
    at[PAGE] = 'p';
    IN_CHILD(int emptied = (int)CHECK_OK(open("emptied", O_WRONLY | O_TRUNC)); CHECK_EQ(write(emptied, "new", 3), 3));
    CHECK_EQ(at[0], 'n');
    CHECK_EQ(at[3], 0);
    CHECK_EQ(touch(at + PAGE), SIGBUS);

    // Code that another process replaces in place: a library under a running program.
    fd = (int)CHECK_OK(open("code", O_RDONLY));
    int (*function)(void) = (int (*)(void))mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    close(fd);
    CHECK_EQ(function(), 1);
    IN_CHILD(int code = (int)CHECK_OK(open("code", O_WRONLY)); CHECK_EQ(pwrite(code, "\xb8\x02", 2, 0), 2));
    CHECK_EQ(function(), 2);
    IN_CHILD(int code = (int)CHECK_OK(open("code", O_RDWR)); char *text = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, code, 0); text[1] = 3);
    CHECK_EQ(function(), 3);

    // A forked child has copied pages of its own, and both have theirs after the copy-up.
    at = map("forked", PROT_READ | PROT_WRITE);
    at[0] = 'p';
    struct Turns both = turns();
    pid_t child = fork();
    if (child == 0) {
        at[0] = 'c';
        at[PAGE] = 'c';
        awaitTurn(both);
        CHECK_EQ(at[0], 'c');
        CHECK_EQ(at[PAGE], 'c');
        CHECK_EQ(at[2 * PAGE], 'F');
        CHECK_OK(madvise(at, PAGES * PAGE, MADV_DONTNEED));
        CHECK_EQ(at[0], 'F');
        _exit(0);
    }
    untilReady(both);
    otherWrites("forked", 'F');
    letGo(both);
    CHECK_EXITS_OK(child);
    CHECK_EQ(at[0], 'p');
    CHECK_EQ(at[PAGE], 'F');

    // Copied pages by the thousand, more than are written back at a time, beside clean ones.
    fd = (int)CHECK_OK(open("large", O_RDONLY));
    at = mmap(NULL, 4096 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(at != MAP_FAILED);
    for (int i = 0; i < 2500; i++) *(int *)(at + i * PAGE) = i;
    for (int i = 2501; i < 4096; i += 7) *(int *)(at + i * PAGE) = i;
    IN_CHILD({
        int writer = (int)CHECK_OK(open("large", O_RDWR));
        for (int i = 0; i < 4096; i++) CHECK_EQ(pwrite(writer, "W", 1, (off_t)i * PAGE + 8), 1);
    });
    int wrong = 0;
    for (int i = 0; i < 4096; i++) {
        bool own = i < 2500 || (i - 2501) % 7 == 0;
        if (i == 2500) own = false;
        if (own ? *(int *)(at + i * PAGE) != i || at[i * PAGE + 8] != 0 : at[i * PAGE + 8] != 'W') wrong++;
    }
    CHECK_EQ(wrong, 0);
    CHECK_OK(munmap(at, 4096 * PAGE));
    close(fd);
}

SCENARIO("mmap_private", prepare, scenario)
