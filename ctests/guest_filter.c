// A process that has added seccomp filters of its own sees a file that others change like any other process does, as long as
// its filters let the calls through that this takes; if they do not, it goes on undisturbed.
#include "harness.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/utsname.h>

#define PAGE 4096
#define LIES 40

static const char *const names[] = {"harmless", "inherited", "threads", "map", "open", "mapless"};

static void prepare(void) {
    char page[2 * PAGE], name[32];
    memset(page, 'o', sizeof page);
    for (size_t f = 0; f < sizeof names / sizeof *names + LIES; f++) {
        if (f < LIES) snprintf(name, sizeof name, "lie%zu", f);
        int fd = (int)MUST(open(f < LIES ? name : names[f - LIES], O_CREAT | O_WRONLY, 0644));
        MUST(write(fd, page, sizeof page) == sizeof page ? 0 : -1);
        close(fd);
    }
}

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define FLAGS BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3]))
#define IF(value, then) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, 1), BPF_STMT(BPF_RET | BPF_K, then)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static void add(struct sock_filter *program, size_t size, bool byPrctl, int flags) {
    struct sock_fprog filter = {.len = (unsigned short)(size / sizeof *program), .filter = program};
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (byPrctl) CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
    else CHECK_OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter));
}
#define ADD(byPrctl, flags, ...)                        \
    do {                                                \
        struct sock_filter program_[] = {__VA_ARGS__};  \
        add(program_, sizeof program_, byPrctl, flags); \
    } while (0)

// A file, open and mapped, and how to wait until somebody else has changed it.
struct View {
    int fd;
    volatile char *shared, *own;
};

static struct View view(const char *name) {
    struct View view = {.fd = (int)CHECK_OK(open(name, O_RDONLY))};
    view.shared = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, view.fd, 0);
    view.own = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, view.fd, 0);
    CHECK(view.shared != MAP_FAILED && view.own != MAP_FAILED);
    view.own[PAGE] = 'p';
    return view;
}

static bool isNew(struct View view) {
    char byte = 0;
    CHECK_EQ(pread(view.fd, &byte, 1, 0), 1);
    // All of it, or nothing.
    CHECK((byte == 'n') == (view.shared[0] == 'n'));
    CHECK((byte == 'n') == (view.own[0] == 'n'));
    CHECK_EQ(view.own[PAGE], 'p');
    return byte == 'n';
}

static void change(const char *name) {
    int fd = (int)CHECK_OK(open(name, O_WRONLY));
    CHECK_EQ(pwrite(fd, "n", 1, 0), 1);
    close(fd);
}

static struct Turns both;
// Forks: the child goes on with `body`, in which it waits once; the parent changes the file then.
#define BESIDE(name, ...)       \
    do {                        \
        pid_t child_ = fork();  \
        if (child_ == 0) {      \
            __VA_ARGS__;        \
            _exit(0);           \
        }                       \
        untilReady(both);       \
        change(name);           \
        letGo(both);            \
        CHECK_EXITS_OK(child_); \
    } while (0)

static void inherited(void) {
    struct View seen = view("inherited");
    ADD(true, 0, NUMBER, IF(SYS_uname, SECCOMP_RET_ERRNO | EPERM), ALLOW);
    IN_CHILD({
        ADD(false, SECCOMP_FILTER_FLAG_LOG, NUMBER, IF(SYS_getpid, SECCOMP_RET_ERRNO | EPERM), ALLOW);
        awaitTurn(both);
        CHECK(isNew(seen));
    });
    CHECK(isNew(seen));
}

static pthread_barrier_t changed;
static void *waits(void *argument) {
    struct utsname name;
    pthread_barrier_wait(&changed);
    CHECK_ERRNO(uname(&name), EPERM);
    return argument;
}

static void threads(void) {
    pthread_t thread;
    MUST(pthread_barrier_init(&changed, NULL, 2));
    MUST(pthread_create(&thread, NULL, waits, NULL));
    struct View seen = view("threads");
    ADD(false, SECCOMP_FILTER_FLAG_TSYNC, NUMBER, IF(SYS_uname, SECCOMP_RET_ERRNO | EPERM), ALLOW);
    awaitTurn(both);
    CHECK(isNew(seen));
    pthread_barrier_wait(&changed);
    pthread_join(thread, NULL);
}

// The program says one thing to whoever looks early and another one to whoever looks late.
static struct sock_filter liar[] = {NUMBER, IF(SYS_openat, SECCOMP_RET_ALLOW), ALLOW};
static atomic_bool over;
static void *lie(void *argument) {
    while (!over) {
        liar[2].k = SECCOMP_RET_ALLOW;
        liar[2].k = SECCOMP_RET_KILL_PROCESS;
    }
    return argument;
}

static void lies(void) {
    char name[32], byte;
    for (int f = 0; f < LIES; f++) {
        snprintf(name, sizeof name, "lie%d", f);
        struct View honest = view(name);
        pid_t child = fork();
        if (child == 0) {
            pthread_t thread;
            over = false;
            view(name);
            MUST(pthread_create(&thread, NULL, lie, NULL));
            add(liar, sizeof liar, f % 2, 0);
            over = true;
            pthread_join(thread, NULL);
            awaitTurn(both);
            _exit(0);
        }
        untilReady(both);
        change(name);
        CHECK(isNew(honest));
        letGo(both);
        // Its own filter may have killed it: no other process is concerned.
        int status = statusOf(child);
        CHECK(status == 0 || (isInside() && WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS));
        if (status != 0) CHECK_EQ(read(both.go[0], &byte, 1), 1);
        close(honest.fd);
    }
}

static void scenario(void) {
    both = turns();
    BESIDE("harmless", {
        struct utsname name;
        ADD(false, 0, NUMBER, IF(SYS_uname, SECCOMP_RET_ERRNO | EPERM), ALLOW);
        struct View seen = view("harmless");
        awaitTurn(both);
        CHECK(isNew(seen));
        CHECK_ERRNO(uname(&name), EPERM);
    });
    BESIDE("inherited", inherited());
    BESIDE("threads", threads());
    // What is in the way: the kind of mapping, opening anything, mapping anything.
    BESIDE("map", {
        struct View seen = view("map");
        ADD(false, 0, NUMBER, BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3), FLAGS, BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_FIXED, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS), ALLOW);
        awaitTurn(both);
        CHECK_LABEL("refuses-fixed", isNew(seen));
    });
    BESIDE("open", {
        struct View seen = view("open");
        ADD(true, 0, NUMBER, IF(SYS_openat, SECCOMP_RET_KILL_PROCESS), ALLOW);
        awaitTurn(both);
        CHECK_LABEL("refuses-open", isNew(seen));
    });
    BESIDE("mapless", {
        struct View seen = view("mapless");
        ADD(true, 0, NUMBER, IF(SYS_mmap, SECCOMP_RET_ERRNO | ENOMEM), ALLOW);
        awaitTurn(both);
        CHECK_LABEL("refuses-mmap", isNew(seen));
    });
    lies();
}

SCENARIO("guest_filter", prepare, scenario)
