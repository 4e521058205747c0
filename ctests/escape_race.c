// A path string changed by another thread while the call runs: whichever string the call reads, the answer is that of one
// of the two names, and never of the host. The two names lie in the sandbox; the prize is a file that only the upper has.
#include "harness.h"
#include <pthread.h>
#include <stddef.h>

static void prepare(void) {
    writeFile("aaaa", "lower a\n");
    writeFile("bbbb", "lower b\n");
    writeFile("prog-a", "#!/bin/sh\nexit 11\n");
    writeFile("prog-b", "#!/bin/sh\nexit 12\n");
    MUST(chmod("prog-a", 0755));
    MUST(chmod("prog-b", 0755));
}

static char shared[64];
static size_t place;
static char values[2];
static atomic_bool stop;

static void *flip(void *argument) {
    volatile char *at = shared + place;
    while (!stop) {
        *at = values[0];
        *at = values[1];
    }
    return argument;
}

static pthread_t begin(const char *path, size_t at, char first, char second) {
    pthread_t thread;
    strcpy(shared, path);
    place = at;
    values[0] = first;
    values[1] = second;
    stop = false;
    pthread_create(&thread, NULL, flip, NULL);
    return thread;
}

static void finish(pthread_t thread) {
    stop = true;
    pthread_join(thread, NULL);
}

// Open gives one of the two, and the contents always those of the virtual tree.
static void opens(void) {
    writeFile("aaaa", "upper a\n");
    writeFile("bbbb", "upper b\n");
    pthread_t thread = begin("aaaa", 0, 'a', 'b');
    int host = 0, half = 0, served = 0;
    for (int i = 0; i < 4000; i++) {
        char text[16] = "";
        int fd = open(shared, O_RDONLY);
        // "baaa" and "abbb" do not exist: only the first letter changes, so ENOENT is one of the two right answers.
        if (fd < 0) {
            half += errno != ENOENT;
            continue;
        }
        served++;
        if (read(fd, text, 15) > 0) host += strncmp(text, "upper", 5) != 0;
        close(fd);
    }
    finish(thread);
    CHECK_EQ(host, 0);
    CHECK_EQ(half, 0);
    CHECK(served > 0);
}

// A name that is harmless in the sandbox against one that would be a path of the host, in stat, open and unlink.
static void escapes(void) {
    CHECK_OK(mkdir("d", 0755));
    pthread_t thread = begin("d/../d/../../x", 5, 'd', '.');
    struct stat s;
    int odd = 0;
    for (int i = 0; i < 2000; i++) {
        if (stat(shared, &s) == 0) odd++;
        else odd += errno != ENOENT;
    }
    finish(thread);
    CHECK_EQ(odd, 0);
}

// exec: the program that runs is the one that was checked, whatever the string is afterwards.
static void executes(void) {
    pthread_t thread = begin("prog-a", 5, 'a', 'b');
    int wrong = 0, ran = 0;
    for (int i = 0; i < 60; i++) {
        pid_t child = fork();
        if (child == 0) {
            // The flipping thread lives in the parent; the race needs one here.
            pthread_t own = begin("prog-a", 5, 'a', 'b');
            (void)own;
            char *argv[] = {"prog", NULL};
            char *envp[] = {NULL};
            execve(shared, argv, envp);
            _exit(errno);
        }
        int status = statusOf(child);
        if (WIFEXITED(status) && (WEXITSTATUS(status) == 11 || WEXITSTATUS(status) == 12)) ran++;
        // Killing the guest is an answer too: what ran was not what had been checked.
        else if (!(WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV)))
            wrong++;
    }
    finish(thread);
    CHECK_EQ(wrong, 0);
    CHECK(ran > 0);
}

static void scenario(void) {
    opens();
    escapes();
    executes();
}

// Natively it must hold as well (there is one tree only): the kernel shows that the test itself is sound.
SCENARIO("escape_race", prepare, scenario)
