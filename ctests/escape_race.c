// A path string changed by another thread while the call runs: whichever string the call reads, the answer is that of one
// of the two names, and never of the host. The two names lie in the sandbox; the prize is a file that only the upper has.
#include "harness.h"
#include <netinet/in.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

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
    // On a busy machine the other thread may rest on a name that does not exist.
    for (int i = 0; i < 4000 || (served == 0 && i < 1000000); i++) {
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
    pthread_t thread = begin("d/../d/../../nobody-has-this", 5, 'd', '.');
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
        else if (!(WIFSIGNALED(status) && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV))) wrong++;
    }
    finish(thread);
    CHECK_EQ(wrong, 0);
    CHECK(ran > 0);
}

// A descriptor and an address that change together, between an internet socket and a Unix socket with the address of one
// of the host's: whatever was checked, the host's must not be reached.
static struct sockaddr_storage addresses[2], address;
static int sockets[2], swapped;

static void *swap(void *argument) {
    while (!stop)
        for (int i = 0; i < 2; i++) {
            dup2(sockets[i], swapped);
            memcpy(&address, &addresses[i], sizeof(struct sockaddr_un));
        }
    return argument;
}

static void connects(void) {
    // One with a path: abstract names are out of reach anyway where Landlock scopes them.
    const char *path = getenv("VEDETTE_HOST_PATH");
    if (!path) {
        SKIP_PART("no socket of the host to reach for");
        return;
    }
    sockets[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (sockets[0] < 0) {
        CHECK_EQ(errno, EACCES);
        SKIP_PART("no internet sockets here");
        return;
    }
    sockets[1] = (int)CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
    swapped = (int)CHECK_OK(dup(sockets[0]));
    struct sockaddr_in *inet = (struct sockaddr_in *)&addresses[0];
    struct sockaddr_un *host = (struct sockaddr_un *)&addresses[1];
    inet->sin_family = AF_INET;
    inet->sin_port = htons(9);
    inet->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    host->sun_family = AF_UNIX;
    strncpy(host->sun_path, path, sizeof host->sun_path - 1);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    stop = false;
    pthread_t thread;
    pthread_create(&thread, NULL, swap, NULL);
    int reached = 0, tried = 0;
    double begin = seconds();
    while (seconds() - begin < 3 && reached == 0) {
        struct sockaddr_un peer;
        socklen_t size = sizeof peer;
        // A full queue is as good as a connection: somebody listens there.
        if (connect(swapped, (struct sockaddr *)&address, length) < 0 && errno == EAGAIN) reached++;
        if (getpeername(sockets[1], (struct sockaddr *)&peer, &size) == 0) reached++;
        tried++;
    }
    finish(thread);
    CHECK_EQ(reached, 0);
    CHECK(tried > 100);
}

static void scenario(void) {
    connects();
    opens();
    escapes();
    executes();
}

// Natively it must hold as well (there is one tree only): the kernel shows that the test itself is sound.
SCENARIO("escape_race", prepare, scenario)
