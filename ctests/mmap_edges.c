// The edges of file mappings: beyond the end, below a truncation, protections against open modes, execution, offsets.
#include "harness.h"
#include <setjmp.h>

#define PAGE 4096

static void prepare(void) {
    char page[PAGE];
    memset(page, 'a', PAGE);
    const char *names[] = {"three", "shrinks", "short", "code"};
    for (int f = 0; f < 4; f++) {
        int fd = (int)MUST(open(names[f], O_CREAT | O_WRONLY, 0755));
        for (int i = 0; i < 3 && f != 2; i++) MUST(write(fd, page, PAGE) == PAGE ? 0 : -1);
        if (f == 2) MUST(write(fd, "short", 5) == 5 ? 0 : -1);
        close(fd);
    }
    int fd = (int)MUST(open("code", O_WRONLY));
    // mov $42, %eax; ret
    MUST(pwrite(fd, "\xb8\x2a\x00\x00\x00\xc3", 6, 0));
    close(fd);
    fd = (int)MUST(open("huge", O_CREAT | O_WRONLY, 0644));
    MUST(pwrite(fd, "far", 3, (off_t)5 << 30));
    close(fd);
}

static sigjmp_buf back;
static volatile sig_atomic_t caught;
static void handler(int number) {
    caught = number;
    siglongjmp(back, 1);
}

// The signal that touching the address raises, or 0.
static int touch(volatile char *at, bool write) {
    caught = 0;
    if (sigsetjmp(back, 1) == 0) {
        if (write) *at = 'w';
        else (void)*at;
    }
    return caught;
}

static void scenario(void) {
    struct sigaction action = {.sa_handler = handler};
    sigaction(SIGBUS, &action, NULL);
    sigaction(SIGSEGV, &action, NULL);
    int readOnly = (int)CHECK_OK(open("three", O_RDONLY));
    char *at = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, readOnly, 0);
    CHECK(at != MAP_FAILED);
    CHECK_EQ(touch(at + 2 * PAGE, false), 0);
    CHECK_EQ(touch(at + 3 * PAGE, false), SIGBUS);
    CHECK_EQ(touch(at, true), SIGSEGV);
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, readOnly, 0), EACCES);
    CHECK_ERRNO(mmap(NULL, 0, PROT_READ, MAP_SHARED, readOnly, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, readOnly, 1), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, 0, readOnly, 0), EINVAL);
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, 99, 0), EBADF);
    int directory = (int)CHECK_OK(open(".", O_RDONLY));
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, directory, 0), ENODEV);
    close(directory);
    int writeOnly = (int)CHECK_OK(open("short", O_WRONLY));
    CHECK_ERRNO(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, writeOnly, 0), EACCES);
    close(writeOnly);

    // The rest of the last page is zeros; it belongs to no file.
    int fd = (int)CHECK_OK(open("short", O_RDWR));
    char *tail = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK_EQ(tail[4], 't');
    CHECK_EQ(tail[5], 0);
    CHECK_EQ(tail[PAGE - 1], 0);
    CHECK_EQ(fstatOf(fd).st_size, 5);
    close(fd);

    // ftruncate below a mapping: SIGBUS there, data again after growth, in a shared and a private mapping.
    fd = (int)CHECK_OK(open("shrinks", O_RDWR));
    int before = (int)CHECK_OK(open("shrinks", O_RDONLY));
    char *shared = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, before, 0);
    char *private = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, before, 0);
    private[PAGE] = 'd';
    CHECK_EQ(touch(shared + 2 * PAGE, false), 0);
    CHECK_OK(ftruncate(fd, 100));
    CHECK_EQ(touch(shared + 2 * PAGE, false), SIGBUS);
    CHECK_EQ(touch(shared + PAGE, false), SIGBUS);
    CHECK_EQ(touch(shared, false), 0);
    CHECK_EQ(shared[99], 'a');
    CHECK_EQ(shared[100], 0);
    CHECK_EQ(touch(private + 2 * PAGE, false), SIGBUS);
    CHECK_OK(ftruncate(fd, 3 * PAGE));
    CHECK_EQ(touch(shared + 2 * PAGE, false), 0);
    CHECK_EQ(shared[2 * PAGE], 0);
    CHECK_EQ(pwrite(fd, "n", 1, 2 * PAGE), 1);
    CHECK_EQ(shared[2 * PAGE], 'n');
    close(fd);
    close(before);

    fd = (int)CHECK_OK(open("code", O_RDONLY));
    int (*function)(void) = (int (*)(void))mmap(NULL, PAGE, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
    CHECK((void *)function != MAP_FAILED);
    CHECK_EQ(function(), 42);
    close(fd);

    // Beyond 4 GiB.
    fd = (int)CHECK_OK(open("huge", O_RDONLY));
    char *far = mmap(NULL, PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, (off_t)5 << 30);
    CHECK(far != MAP_FAILED);
    CHECK(memcmp(far, "far", 3) == 0);
    int writer = (int)CHECK_OK(open("huge", O_WRONLY));
    CHECK_EQ(pwrite(writer, "FAR", 3, (off_t)5 << 30), 3);
    CHECK(memcmp(far, "FAR", 3) == 0);
    close(writer);
    close(fd);

    // Growing in place or elsewhere, msync of what is not mapped, a mapping that outlives descriptor and name.
    char *grown = mremap(at, 2 * PAGE, 3 * PAGE, MREMAP_MAYMOVE);
    CHECK(grown != MAP_FAILED);
    CHECK_EQ(grown[2 * PAGE], 'a');
    CHECK_ERRNO(msync(grown, PAGE, MS_SYNC | MS_ASYNC), EINVAL);
    CHECK_ERRNO(msync(grown + 1, PAGE, MS_SYNC), EINVAL);
    CHECK_OK(msync(grown, PAGE, MS_SYNC));
    close(readOnly);
    CHECK_OK(unlink("three"));
    CHECK_EQ(grown[PAGE], 'a');
    CHECK_OK(munmap(grown, 3 * PAGE));
    CHECK_EQ(touch(grown, false), SIGSEGV);
}

SCENARIO("mmap_edges", prepare, scenario)
