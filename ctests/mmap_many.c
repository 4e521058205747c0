// Mappings by the thousand: of one file in many processes and in one, of huge sparse files beyond 4 GiB, of many files;
// fixed over each other, populated, synced; and what is in the way of a remap: dying and newborn processes.
#include "harness.h"
#include <pthread.h>
#include <sched.h>
#include <sys/resource.h>

#define PAGE 4096
#define CHILDREN 24
#define EACH 120
#define FILES 300

static void prepare(void) {
    char page[PAGE], name[32];
    int fd = (int)MUST(open("one", O_CREAT | O_WRONLY, 0644));
    for (int i = 0; i < 64; i++) {
        memset(page, i, PAGE);
        MUST(write(fd, page, PAGE) == PAGE ? 0 : -1);
    }
    close(fd);
    const char *huge[] = {"huge", "huge-too"};
    for (int f = 0; f < 2; f++) {
        fd = (int)MUST(open(huge[f], O_CREAT | O_WRONLY, 0644));
        for (int gib = 0; gib < 12; gib += 3) MUST(pwrite(fd, "old", 3, ((off_t)gib << 30) + PAGE));
        MUST(ftruncate(fd, (off_t)12 << 30));
        close(fd);
    }
    const char *small[] = {"fixed", "synced", "populated", "dying", "born", "writers", "churn"};
    for (size_t f = 0; f < sizeof small / sizeof *small; f++) {
        fd = (int)MUST(open(small[f], O_CREAT | O_WRONLY, 0644));
        memset(page, 'o', PAGE);
        for (int i = 0; i < 4; i++) MUST(write(fd, page, PAGE) == PAGE ? 0 : -1);
        close(fd);
    }
    MUST(mkdir("files", 0755));
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "files/%d", f);
        writeFile(name, "old");
    }
}

static void put(const char *name, const char *text, off_t at) {
    int fd = (int)CHECK_OK(open(name, O_WRONLY));
    CHECK_EQ(pwrite(fd, text, strlen(text), at), strlen(text));
    close(fd);
}

static void oneFileManyTimes(void) {
    int ready[2], go[2];
    MUST(pipe(ready));
    MUST(pipe(go));
    pid_t children[CHILDREN];
    for (int c = 0; c < CHILDREN; c++) {
        children[c] = fork();
        if (children[c] == 0) {
            volatile unsigned char *at[EACH];
            char byte;
            int fd = (int)CHECK_OK(open("one", O_RDONLY));
            close(go[1]);
            for (int i = 0; i < EACH; i++) {
                at[i] = mmap(NULL, 2 * PAGE, PROT_READ, i % 2 ? MAP_SHARED : MAP_PRIVATE, fd, (off_t)((i * 3 + c) % 62) * PAGE);
                if (at[i] == MAP_FAILED || at[i][0] != (i * 3 + c) % 62) _exit(1);
            }
            CHECK_EQ(write(ready[1], "r", 1), 1);
            CHECK_EQ(read(go[0], &byte, 1), 0);
            int wrong = 0;
            for (int i = 0; i < EACH; i++) wrong += at[i][0] != 'N' || at[i][PAGE] != 'N' || at[i][1] != (i * 3 + c) % 62;
            CHECK_EQ(wrong, 0);
            _exit(0);
        }
    }
    char byte;
    for (int c = 0; c < CHILDREN; c++) CHECK_EQ(read(ready[0], &byte, 1), 1);
    int fd = (int)CHECK_OK(open("one", O_RDWR));
    for (int i = 0; i < 64; i++) CHECK_EQ(pwrite(fd, "N", 1, (off_t)i * PAGE), 1);
    close(go[0]);
    close(go[1]);
    for (int c = 0; c < CHILDREN; c++) CHECK_EXITS_OK(children[c]);
    close(fd);
}

static void huge(void) {
    int fd = (int)CHECK_OK(open("huge", O_RDONLY)), other = (int)CHECK_OK(open("huge-too", O_RDONLY));
    volatile char *whole = mmap(NULL, (size_t)12 << 30, PROT_READ, MAP_SHARED | MAP_NORESERVE, fd, 0);
    CHECK(whole != MAP_FAILED);
    volatile char *own = mmap(NULL, (size_t)9 << 30, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, other, (off_t)3 << 30);
    CHECK(own != MAP_FAILED);
    CHECK_EQ(whole[((size_t)9 << 30) + PAGE], 'o');
    own[((size_t)6 << 30) + 3 * PAGE] = 'd';
    own[PAGE + 3] = 'd';
    IN_CHILD(put("huge", "new", ((off_t)9 << 30) + PAGE); put("huge-too", "new", ((off_t)9 << 30) + PAGE));
    CHECK_EQ(whole[((size_t)9 << 30) + PAGE], 'n');
    CHECK_EQ(whole[((size_t)3 << 30) + PAGE], 'o');
    CHECK_EQ(own[((size_t)6 << 30) + PAGE], 'n');
    CHECK_EQ(own[((size_t)6 << 30) + 3 * PAGE], 'd');
    CHECK_EQ(own[PAGE], 'o');
    CHECK_EQ(own[PAGE + 3], 'd');
    CHECK(fstatOf(fd).st_blocks < 4096);
    CHECK_OK(munmap((void *)whole, (size_t)12 << 30));
    CHECK_OK(munmap((void *)own, (size_t)9 << 30));
    close(fd);
    close(other);
}

static void manyFiles(void) {
    volatile char *at[FILES];
    char name[32];
    for (int f = 0; f < FILES; f++) {
        snprintf(name, sizeof name, "files/%d", f);
        int fd = (int)CHECK_OK(open(name, O_RDONLY));
        at[f] = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        CHECK(at[f] != MAP_FAILED);
        close(fd);
    }
    // The child inherits them all, and copies up what the parent maps; the parent what the child maps.
    struct Turns both = turns();
    pid_t child = fork();
    if (child == 0) {
        for (int f = 0; f < 10; f++) {
            snprintf(name, sizeof name, "files/%d", f * 7);
            put(name, "new", 0);
        }
        awaitTurn(both);
        for (int f = 0; f < 10; f++) CHECK_EQ(at[f * 7 + 1][0], 'N');
        _exit(0);
    }
    untilReady(both);
    for (int f = 0; f < 10; f++) CHECK_EQ(at[f * 7][0], 'n');
    for (int f = 0; f < 10; f++) {
        snprintf(name, sizeof name, "files/%d", f * 7 + 1);
        put(name, "New", 0);
    }
    letGo(both);
    CHECK_EXITS_OK(child);
    for (int f = 0; f < FILES; f++) CHECK_EQ(at[f][0], f % 7 == 0 && f < 70 ? 'n' : f % 7 == 1 && f < 70 ? 'N' : 'o');
}

static void fixedSyncedPopulated(void) {
    // MAP_FIXED over parts: of anonymous memory, of itself at another offset, of another file.
    int fd = (int)CHECK_OK(open("fixed", O_RDONLY)), one = (int)CHECK_OK(open("one", O_RDONLY));
    char *area = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(area, 'A', 8 * PAGE);
    CHECK(mmap(area + PAGE, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == area + PAGE);
    CHECK(mmap(area + 2 * PAGE, PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 3 * PAGE) == area + 2 * PAGE);
    CHECK(mmap(area + 3 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, one, 5 * PAGE) == area + 3 * PAGE);
    CHECK_ERRNO(mmap(area, PAGE, PROT_READ, MAP_SHARED | 0x100000 /* MAP_FIXED_NOREPLACE */, fd, 0), EEXIST);
    IN_CHILD(put("fixed", "0", 0); put("fixed", "1", PAGE); put("fixed", "3", 3 * PAGE));
    CHECK_EQ(area[0], 'A');
    CHECK_EQ(area[PAGE], '0');
    CHECK_EQ(area[2 * PAGE], '3');
    CHECK_EQ(area[3 * PAGE + 1], 5);
    CHECK_EQ(area[4 * PAGE], '3');
    CHECK_EQ(area[5 * PAGE], 'A');
    close(fd);
    close(one);

    // msync before and after, from both sides.
    fd = (int)CHECK_OK(open("synced", O_RDONLY));
    char *reader = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    CHECK_OK(msync(reader, 4 * PAGE, MS_SYNC));
    int writer = (int)CHECK_OK(open("synced", O_RDWR));
    char *both = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, writer, 0);
    both[2 * PAGE] = 's';
    CHECK_OK(msync(both, 4 * PAGE, MS_SYNC));
    CHECK_OK(msync(reader, 4 * PAGE, MS_SYNC | MS_INVALIDATE));
    CHECK_EQ(reader[2 * PAGE], 's');
    char byte = 0;
    CHECK_EQ(pread(fd, &byte, 1, 2 * PAGE), 1);
    CHECK_EQ(byte, 's');
    close(fd);
    close(writer);

    fd = (int)CHECK_OK(open("populated", O_RDONLY));
    reader = mmap(NULL, 4 * PAGE, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, 0);
    char *private = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    CHECK(reader != MAP_FAILED && private != MAP_FAILED);
    IN_CHILD(put("populated", "p", PAGE));
    CHECK_EQ(reader[PAGE], 'p');
    // Populating a writable private mapping writes its pages: they are the process's own.
    CHECK(private[PAGE] == 'o');
    CHECK_EQ(private[PAGE + 1], 'o');
    close(fd);
}

static volatile bool over;
static void *forks(void *argument) {
    (void)argument;
    while (!over) {
        pid_t child = fork();
        if (child == 0) _exit(0);
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    }
    return NULL;
}

// Processes that are being born and that die while a file that they map is copied up, again and again.
static void comingAndGoing(void) {
    pthread_t thread;
    char name[32];
    over = false;
    MUST(pthread_create(&thread, NULL, forks, NULL));
    for (int f = 100; f < 130; f++) {
        snprintf(name, sizeof name, "files/%d", f);
        int fd = (int)CHECK_OK(open(name, O_RDONLY));
        volatile char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
        pid_t dying = fork();
        if (dying == 0)
            for (;;) (void)at[0];
        pid_t writer = fork();
        if (writer == 0) {
            put(name, "new", 0);
            _exit(0);
        }
        // Another moment of the writer's each time.
        if (f % 3) usleep((unsigned)(f % 10) * 100);
        CHECK_OK(kill(dying, SIGKILL));
        CHECK_EXITS_OK(writer);
        CHECK_EQ(at[0], 'n');
        int status = statusOf(dying);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(fd);
        munmap((void *)at, PAGE);
    }
    over = true;
    pthread_join(thread, NULL);
}

// A thread that cannot be asked for anything: so what there is to do is done in the leader.
static void *sleepsInVfork(void *argument) {
    if (vfork() == 0)
        for (;;) pause();
    return argument;
}

// Processes with threads that are killed while a file that they map is being copied up, or right after it.
static void killed(void) {
    char name[32], byte;
    atomic_int *begun = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int f = 140; f < 240; f++) {
        int ready[2];
        MUST(pipe(ready));
        snprintf(name, sizeof name, "files/%d", f);
        pid_t dying = fork();
        if (dying == 0) {
            pthread_t thread;
            MUST(setpgid(0, 0));
            MUST(pthread_create(&thread, NULL, sleepsInVfork, NULL));
            int fd = (int)MUST(open(name, O_RDONLY));
            volatile char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 0);
            if (f % 3 == 0) close(fd);
            if (at[0] != 'o' || write(ready[1], "r", 1) != 1) _exit(1);
            for (;;) pause();
        }
        CHECK_EQ(read(ready[0], &byte, 1), 1);
        pid_t killer = fork();
        if (killer == 0) {
            while (*begun < f) sched_yield();
            struct timespec start, now;
            clock_gettime(CLOCK_MONOTONIC, &start);
            do clock_gettime(CLOCK_MONOTONIC, &now);
            while ((now.tv_sec - start.tv_sec) * 1000000000L + now.tv_nsec - start.tv_nsec < f % 50 * 15000);
            _exit(kill(-dying, SIGKILL) != 0);
        }
        *begun = f;
        int fd = (int)CHECK_OK(open(name, O_WRONLY));
        CHECK_EXITS_OK(killer);
        int status = statusOf(dying);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        close(fd);
        close(ready[0]);
        close(ready[1]);
    }
}

// Mapping and unmapping all the time in threads while the file is copied up.
static void *churn(void *argument) {
    int fd = *(int *)argument;
    while (!over) {
        volatile char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
        if (at == MAP_FAILED || (at[0] != 'o' && at[0] != 'n')) return (void *)1;
        bool wasNew = at[0] == 'n';
        munmap((void *)at, PAGE);
        if (wasNew) {
            at = mmap(NULL, 3 * PAGE, PROT_READ, MAP_PRIVATE, fd, 0);
            if (at == MAP_FAILED || at[2 * PAGE] != 'n') return (void *)1;
            munmap((void *)at, 3 * PAGE);
        }
    }
    return NULL;
}

static void churning(void) {
    pthread_t threads[3];
    int fd = (int)CHECK_OK(open("churn", O_RDONLY));
    over = false;
    for (int i = 0; i < 3; i++) MUST(pthread_create(&threads[i], NULL, churn, &fd));
    sleepMilliseconds(10);
    IN_CHILD(put("churn", "n", 2 * PAGE));
    sleepMilliseconds(20);
    over = true;
    for (int i = 0; i < 3; i++) {
        void *wrong;
        pthread_join(threads[i], &wrong);
        CHECK(wrong == NULL);
    }
    volatile char *at = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd, 2 * PAGE);
    CHECK_EQ(at[0], 'n');
}

static void scenario(void) {
    oneFileManyTimes();
    huge();
    manyFiles();
    fixedSyncedPopulated();
    comingAndGoing();
    killed();
    churning();
}

SCENARIO("mmap_many", prepare, scenario)
