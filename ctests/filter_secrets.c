// A seccomp filter of one's own sees the arguments of every call that one's process makes, those of an execve's loading too.
// There is nothing in them that the program would not have put there: the halves of int arguments that the kernel does not
// look at are empty, so that no bisection by such filters finds anything out.
#include "harness.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>

static void prepare(void) {}

#define LOAD(field) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, field))
#define UPPER(argument) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[argument]) + 4)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)

// Kills for an mmap whose flags or descriptor have anything in the upper half; of a descriptor the sign may be there.
static void add(unsigned flags) {
    struct sock_filter program[] = {
        LOAD(nr),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 5),
        UPPER(3),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4),
        UPPER(4),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0xffffffff, 0, 1),
        RETURN(SECCOMP_RET_ALLOW),
        RETURN(SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
    CHECK_OK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
    if (flags == ~0u) CHECK_OK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0));
    else CHECK_OK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter));
}

static void execute(void) {
    execl("/bin/sh", "sh", "-c", "exec /bin/sh -c 'exit 0'", (char *)NULL);
    CHECK(!"execl came back");
}

static pthread_barrier_t barrier;
static void *adds(void *flags) {
    add((unsigned)(uintptr_t)flags);
    pthread_barrier_wait(&barrier);
    pause();
    return NULL;
}

static void scenario(void) {
    // The filter works: it kills for such a mapping.
    pid_t child = fork();
    if (child == 0) {
        add(0);
        syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | 1ul << 40, -1, 0);
        _exit(0);
    }
    int status = statusOf(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS);
    IN_CHILD(add(0); execute());
    IN_CHILD(add(~0u); execute());
    // Inherited.
    IN_CHILD({
        add(0);
        IN_CHILD(execute());
    });
    IN_CHILD({
        add(0);
        pid_t quick = vfork();
        if (quick == 0) execl("/bin/true", "true", (char *)NULL), _exit(9);
        CHECK_EXITS_OK(quick);
    });
    // Of another thread, which gives it to all.
    IN_CHILD({
        pthread_t thread;
        pthread_barrier_init(&barrier, NULL, 2);
        pthread_create(&thread, NULL, adds, (void *)(uintptr_t)SECCOMP_FILTER_FLAG_TSYNC);
        pthread_barrier_wait(&barrier);
        execute();
    });
    // What a filter could have found out is of no use: a mapping that carries halves of its own is one like any other.
    writeFile("f", "content");
    int fd = (int)CHECK_OK(open("f", O_RDONLY));
    for (int i = 0; i < 64; i++) {
        char *at = (char *)syscall(SYS_mmap, NULL, 4096, PROT_READ, MAP_SHARED | (1ul << 32 << (i & 31)), fd | 0xabcdul << 36, 0);
        if (CHECK(at != MAP_FAILED)) CHECK(memcmp(at, "content", 7) == 0), munmap(at, 4096);
    }
}

SCENARIO("filter_secrets", prepare, scenario)
