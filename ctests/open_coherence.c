// A descriptor opened before a file was copied up sees what is written after, keeps its offset and flags, and shares
// them with its duplicates, its forked copies and the copies that travelled through a socket.
#include "harness.h"
#include <sched.h>

#define RACES 400
#define STORMS 200
#define STOPPERS 3

static void prepare(void) {
    writeFile("file", "0123456789");
    writeFile("log", "first\n");
    writeFile("truncated", "0123456789");
    writeFile("shared", "abcdefghij");
    writeFile("stdin", "line one\nline two\n");
    writeFile("many", "0");
    writeFile("vforked", "old");
    writeFile("stopped", "old");
    char name[32];
    for (int f = 0; f < RACES; f++) {
        snprintf(name, sizeof name, "race%d", f);
        writeFile(name, "old content");
        snprintf(name, sizeof name, "storm%d", f);
        if (f < STORMS) writeFile(name, "old");
    }
}

static void readsAs(int fd, off_t at, const char *text) {
    char buffer[64] = "";
    CHECK_EQ(pread(fd, buffer, strlen(text), at), strlen(text));
    CHECK_STR(buffer, text);
}

// The holder cannot run anything while the file is copied up: it waits for its vfork child, or is stopped by a signal.
static void holderIsBusy(void) {
    int reader = (int)CHECK_OK(open("vforked", O_RDONLY));
    pid_t child = vfork();
    if (child == 0) {
        int fd = open("vforked", O_WRONLY);
        _exit(fd < 0 || write(fd, "new", 3) != 3);
    }
    CHECK_EXITS_OK(child);
    readsAs(reader, 0, "new");

    int held = (int)CHECK_OK(open("stopped", O_RDONLY));
    child = fork();
    if (child == 0) {
        raise(SIGSTOP);
        readsAs(held, 0, "new");
        _exit(0);
    }
    int status;
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    int writer = (int)CHECK_OK(open("stopped", O_WRONLY));
    CHECK_EQ(write(writer, "new", 3), 3);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_EXITS_OK(child);
    readsAs(held, 0, "new");
}

// A file is opened at the moment at which another process changes it for the first time: whoever comes first, the descriptor
// is of the file as it is when both are done.
static void openedMeanwhile(void) {
    atomic_int *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    atomic_int *begun = shared, *done = shared + 1;
    char name[32];
    pid_t child = fork();
    if (child == 0) {
        for (int f = 0; f < RACES; f++) {
            snprintf(name, sizeof name, "race%d", f);
            while (*begun <= f) sched_yield();
            CHECK_OK(truncate(name, 3));
            *done = f + 1;
        }
        _exit(0);
    }
    for (int f = 0; f < RACES; f++) {
        snprintf(name, sizeof name, "race%d", f);
        *begun = f + 1;
        for (volatile int i = 0; i < f % 40 * 100; i++) {}
        int fd = (int)CHECK_OK(open(name, O_RDONLY));
        while (*done <= f) sched_yield();
        CHECK_EQ(fstatOf(fd).st_size, 3);
        readsAs(fd, 0, "old");
        close(fd);
    }
    CHECK_EXITS_OK(child);
}

// The holder is stopped and continued all the time, more often than one call of it takes.
static void stopsAndGoes(void) {
    char name[32], byte;
    int ready[2], go[2], fds[STORMS];
    MUST(pipe(ready));
    MUST(pipe(go));
    pid_t holder = fork();
    if (holder == 0) {
        close(go[1]);
        for (int f = 0; f < STORMS; f++) {
            snprintf(name, sizeof name, "storm%d", f);
            fds[f] = (int)CHECK_OK(open(name, O_RDONLY));
        }
        CHECK_EQ(write(ready[1], "r", 1), 1);
        CHECK_EQ(read(go[0], &byte, 1), 0);
        for (int f = 0; f < STORMS; f++) readsAs(fds[f], 0, "new");
        _exit(0);
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    pid_t stoppers[STOPPERS];
    for (int s = 0; s < STOPPERS; s++) {
        stoppers[s] = fork();
        if (stoppers[s] == 0)
            for (;;) {
                kill(holder, SIGSTOP);
                kill(holder, SIGCONT);
            }
    }
    for (int f = 0; f < STORMS; f++) {
        snprintf(name, sizeof name, "storm%d", f);
        int fd = (int)CHECK_OK(open(name, O_WRONLY));
        CHECK_EQ(write(fd, "new", 3), 3);
        close(fd);
    }
    for (int s = 0; s < STOPPERS; s++) {
        CHECK_OK(kill(stoppers[s], SIGKILL));
        statusOf(stoppers[s]);
    }
    CHECK_OK(kill(holder, SIGCONT));
    close(go[0]);
    close(go[1]);
    CHECK_EXITS_OK(holder);
    close(ready[0]);
    close(ready[1]);
}

static void scenario(void) {
    holderIsBusy();
    openedMeanwhile();
    stopsAndGoes();
    char buffer[64] = "";
    int reader = (int)CHECK_OK(open("file", O_RDONLY));
    int cloexec = (int)CHECK_OK(open("file", O_RDONLY | O_CLOEXEC | O_NONBLOCK));
    CHECK_EQ(read(reader, buffer, 4), 4);
    int writer = (int)CHECK_OK(open("file", O_RDWR));
    CHECK_EQ(pwrite(writer, "ABCDEFGHIJKL", 12, 0), 12);
    CHECK_EQ(lseek(reader, 0, SEEK_CUR), 4);
    CHECK_EQ(read(reader, buffer, 4), 4);
    CHECK(memcmp(buffer, "EFGH", 4) == 0);
    CHECK_EQ(fstatOf(reader).st_size, 12);
    CHECK_EQ(lseek(reader, 0, SEEK_END), 12);
    CHECK_EQ(fcntl(cloexec, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(cloexec, F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
    CHECK_EQ(fcntl(reader, F_GETFD), 0);
    CHECK_ERRNO(write(reader, "x", 1), EBADF);
    readsAs(cloexec, 0, "ABCDEFGHIJKL");
    CHECK_EQ(fstatOf(reader).st_mtim.tv_nsec, fstatOf(writer).st_mtim.tv_nsec);
    close(cloexec);

    // The writer is another process, and the reader's own duplicates and children look on.
    int shared = (int)CHECK_OK(open("shared", O_RDONLY)), copy = dup(shared);
    CHECK_EQ(read(shared, buffer, 2), 2);
    IN_CHILD(int fd = (int)CHECK_OK(open("shared", O_WRONLY)); CHECK_EQ(write(fd, "ABCDEFGHIJ", 10), 10));
    CHECK_EQ(read(copy, buffer, 2), 2);
    CHECK(memcmp(buffer, "CD", 2) == 0);
    CHECK_EQ(lseek(shared, 0, SEEK_CUR), 4);
    IN_CHILD(CHECK_EQ(read(shared, buffer, 2), 2); CHECK(memcmp(buffer, "EF", 2) == 0));
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), 6);
    // A second open has its own position.
    int second = (int)CHECK_OK(open("shared", O_RDONLY));
    CHECK_EQ(lseek(second, 0, SEEK_CUR), 0);
    // Status flags belong to the description, close-on-exec to the descriptor.
    CHECK_OK(fcntl(shared, F_SETFL, O_NONBLOCK));
    CHECK_EQ(fcntl(copy, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    CHECK_EQ(fcntl(second, F_GETFL) & O_NONBLOCK, 0);
    close(shared);
    close(copy);

    // Sharing that began before the copy-up goes on after it, in both directions, across a fork.
    int before = (int)CHECK_OK(open("many", O_RDONLY)), twin = dup(before);
    int go[2];
    MUST(pipe(go));
    pid_t child = fork();
    if (child == 0) {
        char byte;
        close(go[1]);
        CHECK_EQ(read(go[0], &byte, 1), 0);
        CHECK_EQ(lseek(before, 0, SEEK_CUR), 3);
        CHECK_EQ(read(before, buffer, 3), 3);
        CHECK(memcmp(buffer, "345", 3) == 0);
        _exit(0);
    }
    int many = (int)CHECK_OK(open("many", O_WRONLY));
    CHECK_EQ(pwrite(many, "0123456789", 10, 0), 10);
    CHECK_EQ(lseek(twin, 3, SEEK_SET), 3);
    close(go[0]);
    close(go[1]);
    CHECK_EXITS_OK(child);
    CHECK_EQ(lseek(before, 0, SEEK_CUR), 6);
    CHECK_EQ(lseek(twin, 0, SEEK_CUR), 6);

    int tail = (int)CHECK_OK(open("log", O_RDONLY));
    CHECK_EQ(lseek(tail, 0, SEEK_END), 6);
    int append = (int)CHECK_OK(open("log", O_WRONLY | O_APPEND));
    CHECK_EQ(write(append, "second\n", 7), 7);
    IN_CHILD(int fd = (int)CHECK_OK(open("log", O_WRONLY | O_APPEND)); CHECK_EQ(write(fd, "third\n", 6), 6));
    CHECK_EQ(write(append, "fourth\n", 7), 7);
    memset(buffer, 0, sizeof buffer);
    CHECK_EQ(read(tail, buffer, sizeof buffer), 20);
    CHECK_STR(buffer, "second\nthird\nfourth\n");
    CHECK_EQ(statOf("log").st_size, 26);

    int truncated = (int)CHECK_OK(open("truncated", O_RDONLY));
    CHECK_EQ(lseek(truncated, 5, SEEK_SET), 5);
    CHECK_OK(truncate("truncated", 2));
    CHECK_EQ(fstatOf(truncated).st_size, 2);
    CHECK_EQ(read(truncated, buffer, 1), 0);
    int clear = (int)CHECK_OK(open("truncated", O_WRONLY | O_TRUNC));
    CHECK_EQ(fstatOf(truncated).st_size, 0);
    CHECK_EQ(write(clear, "new", 3), 3);
    readsAs(truncated, 0, "new");

    // A descriptor moved to another number is the same description still.
    int input = (int)CHECK_OK(open("stdin", O_RDONLY));
    CHECK_EQ(dup2(input, 50), 50);
    close(input);
    CHECK_EQ(read(50, buffer, 9), 9);
    int out = (int)CHECK_OK(open("stdin", O_WRONLY));
    CHECK_EQ(pwrite(out, "LINE TWO", 8, 9), 8);
    CHECK_EQ(read(50, buffer, 8), 8);
    CHECK(memcmp(buffer, "LINE TWO", 8) == 0);
}

SCENARIO("open_coherence", prepare, scenario)
