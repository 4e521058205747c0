// Mappings that may not be replaced (mseal(2), Linux 6.10) and parts that fault (MADV_GUARD_INSTALL, Linux 6.13), while others
// change the file. What lies beside them is not their business.
#include "harness.h"

#define PAGE 4096
#define GUARD_INSTALL 102

static void prepare(void) {
    char pages[4 * PAGE];
    memset(pages, 'o', sizeof pages);
    const char *names[] = {"sealed", "guarded"};
    for (int f = 0; f < 2; f++) {
        int fd = (int)MUST(open(names[f], O_CREAT | O_WRONLY, 0644));
        MUST(write(fd, pages, sizeof pages) == sizeof pages ? 0 : -1);
        close(fd);
    }
}

static void change(const char *name) {
    int fd = (int)CHECK_OK(open(name, O_RDWR));
    for (int p = 0; p < 4; p++) CHECK_EQ(pwrite(fd, "n", 1, p * PAGE), 1);
    close(fd);
}

static void sealed(void) {
    int fd = (int)CHECK_OK(open("sealed", O_RDONLY));
    char *at = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0), *own = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *free = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    CHECK(at != MAP_FAILED && own != MAP_FAILED && free != MAP_FAILED);
    own[PAGE] = 'p';
    if (syscall(462 /* mseal */, at, 2 * PAGE, 0) != 0) {
        SKIP_PART("mseal gives %s here", errnoName(errno));
        return;
    }
    CHECK_OK(syscall(462, own, 2 * PAGE, 0));
    IN_CHILD(change("sealed"));
    char byte = 0;
    CHECK_EQ(pread(fd, &byte, 1, 0), 1);
    CHECK_EQ(byte, 'n');
    CHECK_EQ(free[0], 'n');
    CHECK_EQ(at[2 * PAGE], 'n');
    CHECK_EQ(at[3 * PAGE], 'n');
    CHECK_LABEL("sealed-shared", at[0] == 'n' && at[PAGE] == 'n');
    CHECK_LABEL("sealed-private", own[0] == 'n');
    CHECK_EQ(own[PAGE], 'p');
    CHECK_ERRNO(munmap(at, PAGE), EPERM);
    // A second copy-up, and a process that inherits it all.
    IN_CHILD(change("sealed"); CHECK_EQ(own[PAGE], 'p'); CHECK_EQ(at[2 * PAGE], 'n'));
    close(fd);
}

static void guarded(void) {
    int fd = (int)CHECK_OK(open("guarded", O_RDONLY));
    char *own = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    char *beside = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, PAGE);
    own[3 * PAGE] = 'p';
    if (madvise(own + PAGE, PAGE, GUARD_INSTALL) != 0) {
        SKIP_PART("MADV_GUARD_INSTALL gives %s here", errnoName(errno));
        return;
    }
    IN_CHILD(change("guarded"));
    CHECK_EQ(beside[0], 'n');
    CHECK_EQ(own[3 * PAGE], 'p');
    CHECK_LABEL("guarded", own[0] == 'n' && own[2 * PAGE] == 'n');
    // No access gets to what is guarded.
    pid_t child = fork();
    if (child == 0) _exit(*(volatile char *)(own + PAGE) == 0);
    int status = statusOf(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    close(fd);
}

static void scenario(void) {
    sealed();
    guarded();
}

SCENARIO("sealed_mapping", prepare, scenario)
