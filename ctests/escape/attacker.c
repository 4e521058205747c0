// The program that a guest is: `attacker NAME` runs one attack, `attacker --list` prints the table. It refuses to run
// anywhere but in the cage that run.sh makes, or in a sandbox inside of it: the cage has a host name of its own in a UTS
// namespace of its own, which no machine has by accident.
#include "attack.h"
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>

static struct attack *attacks;
bool inside;

void enlist(struct attack *entry) {
    entry->next = attacks;
    attacks = entry;
}

const char *knows(const char *name) {
    char full[64];
    snprintf(full, sizeof full, "ESCAPE_%s", name);
    const char *value = getenv(full);
    return value ? value : "";
}
int knowsNumber(const char *name) { return atoi(knows(name)); }
int victim(void) { return knowsNumber("VICTIM"); }

static const char *joined(const char *first, const char *second) {
    static __thread char ring[16][4096];
    static __thread unsigned turn;
    char *buffer = ring[turn++ % 16];
    snprintf(buffer, 4096, "%s%s", first, second);
    return buffer;
}
const char *in(const char *path) { return joined(knows("ROOT"), path); }
const char *out(const char *path) { return joined(joined(knows("ARENA"), "/outside/"), path); }

void leak(const void *bytes, size_t count) {
    while (count > 0) {
        ssize_t written = write(1, bytes, count);
        if (written <= 0) return;
        bytes = (const char *)bytes + written;
        count -= (size_t)written;
    }
}
void leakText(const char *text) {
    leak(text, strlen(text));
    leak("\n", 1);
}
void leakFile(int fd) {
    char buffer[4096];
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0) return;
    if (!(flags & O_NONBLOCK)) fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    for (int i = 0; i < 16; i++) {
        ssize_t count = read(fd, buffer, sizeof buffer);
        if (count <= 0 && i == 0) count = pread(fd, buffer, sizeof buffer, 0);
        if (count <= 0) break;
        leak(buffer, (size_t)count);
    }
}
void leakPath(const char *path) {
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    say(path, fd);
    if (fd < 0) return;
    leakFile(fd);
    close(fd);
}
void deface(int fd) {
    if (fd < 0) return;
    say("deface", pwrite(fd, "DEFACED", 7, 0));
}
void say(const char *what, long result) {
    char line[512];
    int error = errno;
    int count = snprintf(line, sizeof line, "# %s: %ld%s%s\n", what, result, result < 0 ? " " : "", result < 0 ? strerror(error) : "");
    leak(line, count < (int)sizeof line ? (size_t)count : sizeof line - 1);
    errno = error;
}
void hold(void) {
    // The referee looks at each line of our output, and has a third of a second for it.
    leakText("HOLD");
    nanosleep(&(struct timespec){0, 350000000}, NULL);
}
void hostPids(void (*each)(int)) {
    each(victim());
    each(knowsNumber("SUPERVISOR"));
    each(knowsNumber("RUNNER"));
    if (getppid() > 0) each(getppid());
    if (inside && getpid() != 1) each(1);
}
pid_t forked(void) {
    pid_t child = fork();
    if (child == 0) alarm(4);
    return child;
}
double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

double span(void) {
    double factor = atof(knows("SPAN"));
    return factor > 0 ? factor : 1;
}

static volatile bool stopRace;
static char *raceText;
static const char *raceValues[2];
static size_t raceLengths[2];
static void *swapText(void *unused) {
    while (!stopRace)
        for (int i = 0; i < 2; i++) memcpy(raceText, raceValues[i], raceLengths[i]);
    return unused;
}
static void runRace(double seconds, void (*race)(void)) {
    pthread_t thread;
    stopRace = false;
    if (pthread_create(&thread, NULL, swapText, NULL) != 0) return;
    for (double end = now() + seconds; now() < end;) race();
    stopRace = true;
    pthread_join(thread, NULL);
}
void swapping(char *buffer, const char *first, const char *second, double seconds, void (*race)(void)) {
    raceText = buffer;
    raceValues[0] = first, raceValues[1] = second;
    raceLengths[0] = strlen(first) + 1, raceLengths[1] = strlen(second) + 1;
    strcpy(buffer, first);
    runRace(seconds, race);
}
void flipping(char *text, size_t at, char first, char second, double seconds, void (*race)(void)) {
    static char bytes[2];
    bytes[0] = first, bytes[1] = second;
    raceText = text + at;
    raceValues[0] = &bytes[0], raceValues[1] = &bytes[1];
    raceLengths[0] = raceLengths[1] = 1;
    runRace(seconds, race);
}

int sendDescriptors(int socket, const int *fds, int count) {
    char control[CMSG_SPACE(sizeof(int) * 8)] = {0}, byte = 'x';
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET, header->cmsg_type = SCM_RIGHTS, header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
    return (int)sendmsg(socket, &message, MSG_NOSIGNAL);
}
int receiveDescriptor(int socket) {
    char control[CMSG_SPACE(sizeof(int) * 8)] = {0}, byte;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    if (recvmsg(socket, &message, 0) < 0) return -1;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int fd = -1;
    if (header && header->cmsg_type == SCM_RIGHTS) memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}
int unixSocket(const char *path, bool abstract, int type, struct sockaddr_un *address, socklen_t *length) {
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    snprintf(address->sun_path + abstract, sizeof address->sun_path - abstract, "%s", path);
    *length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
    return socket(AF_UNIX, type | SOCK_NONBLOCK, 0);
}

// What attacks execute: a sleeper, a reader that prints a file, a writer that waits for the file to be no running program.
static void helper(void) {
    const char *path;
    if (getenv("ESCAPE_SLEEPER")) {
        alarm(3);
        for (;;) pause();
    }
    if ((path = getenv("ESCAPE_READER"))) leakPath(path), exit(0);
    if ((path = getenv("ESCAPE_WRITER")))
        for (int i = 0; i < 300; i++) {
            int fd = open(path, O_WRONLY);
            if (fd >= 0) deface(fd), exit(0);
            usleep(2000);
        }
}

int main(int argc, char **argv) {
    helper();
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (struct attack *a = attacks; a; a = a->next) printf("%s\t%s\t%s\t%u\t%s\t%s\n", a->class, a->name, a->kind, a->flags, a->options, a->about);
        return 0;
    }
    struct utsname name;
    const char *where = knows("WHERE");
    if (argc < 2 || uname(&name) != 0 || strcmp(name.nodename, "escape-cage") != 0 || !*where) {
        fprintf(stderr, "attacker: runs in the cage of run.sh only\n");
        return 2;
    }
    inside = strcmp(where, "inside") == 0;
    signal(SIGPIPE, SIG_IGN);
    alarm(12 + (unsigned)(6 * span()));
    // Bounds for what goes wrong natively too.
    setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
    for (struct attack *a = attacks; a; a = a->next)
        if (strcmp(a->name, argv[1]) == 0) {
            leakText("STARTED");
            a->run();
            leakText("ENDED");
            return 0;
        }
    fprintf(stderr, "attacker: no attack '%s'\n", argv[1]);
    return 2;
}
