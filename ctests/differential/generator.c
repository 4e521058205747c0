// The random differential test: a seeded sequence of file operations, one log line per step, the whole tree at the end.
// The same seed is run on a real file system and inside a sandbox, and the logs are compared: `differential.sh`.
//
//   differential SEED COUNT DIR [--log] [--steps FILE]
//       without --log only a digest of the log is printed; with --steps only the steps whose numbers stand in FILE are done
//   differential prepare DIR LAYER          makes a population below DIR: LAYER 0 alone, or 1, 2, 3 over one another
//   differential operations                 prints the names of the operations
//
// Three processes take part: the first does most steps, the two others, which live as long, the rest; each has descriptors,
// a working directory and a umask of its own. One step runs at a time.
//
// Nothing in the log may depend on where it runs: no descriptor or inode numbers, no sizes of directories, no order of
// readdir, no clock.
#include "differential.h"
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

uint64_t state;
static bool logging;
int slots[SLOTS], rootFd;
char rootPath[4096];

// What all processes of the test go on from.
static struct Shared {
    uint64_t digest;
    char recent[24][2048];
    unsigned recentCount;
    int lastOpened;
} * shared;

uint64_t next(void) {
    uint64_t z = (state += 0x9e3779b97f4a7c15ull);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
    return z ^ (z >> 31);
}
unsigned below(unsigned n) { return (unsigned)(next() % n); }
bool chance(unsigned percent) { return below(100) < percent; }
// MARK: - The log

static char line[16384];
static size_t used;

__attribute__((format(printf, 1, 2))) void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    int added = vsnprintf(line + used, sizeof line - used - 2, format, arguments);
    va_end(arguments);
    used += (size_t)added;
    if (used > sizeof line - 2) used = sizeof line - 2;
}

void sayName(const char *name) {
    for (; *name; name++) {
        // The long name is one letter repeated: its length and letter are enough.
        if (strlen(name) > 60) {
            say("%c*%zu", *name, strlen(name));
            return;
        }
        if (*name > ' ' && *name < 127) say("%c", *name);
        else say("\\%02x", (unsigned char)*name);
    }
}

uint64_t *aside;

void flushLine(void) {
    line[used++] = '\n';
    if (aside) {
        for (size_t i = 0; i < used; i++) *aside = (*aside ^ (unsigned char)line[i]) * 1099511628211ull;
        used = 0;
        return;
    }
    for (size_t i = 0; i < used; i++) shared->digest = (shared->digest ^ (unsigned char)line[i]) * 1099511628211ull;
    if (logging && write(1, line, used) != (ssize_t)used) _exit(3);
    used = 0;
}

const char *errorName(int number) {
    const char *name = strerrorname_np(number);
    return name ? name : "?";
}

long result(long value) {
    int number = errno;
    if (value == -1) say(" = -%s", errorName(number));
    else say(" = ok");
    return value;
}

long amount(long value) {
    if (value == -1) return result(value);
    say(" = %ld", value);
    return value;
}

uint64_t hash(const void *bytes, size_t size) {
    uint64_t h = 1469598103934665603ull;
    for (size_t i = 0; i < size; i++) h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211ull;
    return h & 0xffffffff;
}
// MARK: - Arguments

static char longName[256];

const char *component(void) {
    static const char *const pool[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", ".wh.a", "n\n", "a", "b", "c"};
    return chance(3) ? longName : pool[below(sizeof pool / sizeof *pool)];
}

// Paths that some step has tried to create, whether or not it could: later steps go back to them, so that most operations
// find something, and what they find does not depend on how earlier steps ended.
void remember(const char *path) {
    // Deep ones multiply by themselves and then exist nowhere.
    int slashes = 0;
    for (const char *at = path; *at; at++) slashes += *at == '/';
    if (*path && slashes < 3) snprintf(shared->recent[shared->recentCount++ % 24], sizeof *shared->recent, "%s", path);
}

void makePath(char *path) {
    if (shared->recentCount && chance(50)) {
        strcpy(path, shared->recent[below(shared->recentCount < 24 ? shared->recentCount : 24)]);
        if (chance(20) && strlen(path) < 1000) {
            strcat(path, "/");
            strcat(path, component());
        }
        return;
    }
    if (chance(3)) {
        // Below the chain that op_mkdirs makes.
        path[0] = 0;
        for (unsigned i = 1 + below(40); i; i--) strcat(path, "z/");
        if (chance(70)) strcat(path, component());
        return;
    }
    int parts = 1 + (int)(chance(25) ? below(3) : 0);
    bool up = chance(4);
    path[0] = 0;
    if (chance(3)) strcat(path, "./");
    for (int i = 0; i < parts; i++) {
        if (i) strcat(path, "/");
        strcat(path, up && i == parts - 1 ? ".." : component());
    }
    if (chance(4)) strcat(path, "/");
    if (chance(1)) path[0] = 0;
}

// The directory a path starts from: mostly the working directory, sometimes whatever a slot holds.
static int makePlace(void) {
    if (!chance(12)) return AT_FDCWD;
    int slot = (int)below(SLOTS);
    say(" @%d", slot);
    return slots[slot];
}

struct Place place(void) {
    struct Place p;
    p.at = makePlace();
    makePath(p.path);
    say(" ");
    sayName(p.path);
    return p;
}

int slot(void) {
    int i = chance(40) ? shared->lastOpened : (int)below(SLOTS);
    say(" %d", i);
    return i;
}

// The native calls on an O_PATH descriptor: Vedette's stands for one and answers some of them otherwise
// (expected-differences.txt, open_flags/truncate-of-path-descriptor).
bool isPath(int i) {
    int flags = fcntl(slots[i], F_GETFL);
    if (flags < 0 || !(flags & O_PATH)) return false;
    say(" path");
    return true;
}

// Chosen by the sequence, not by the outcome, like the recent paths.
int slotToOpen(void) {
    shared->lastOpened = (int)below(SLOTS);
    say(" %d", shared->lastOpened);
    return shared->lastOpened;
}

void keep(int i, int fd) {
    if (slots[i] >= 0) close(slots[i]);
    slots[i] = fd;
}

const char *fill(size_t size) {
    static char bytes[65536];
    unsigned char first = (unsigned char)next();
    for (size_t i = 0; i < size; i++) bytes[i] = (char)(first + i * 7 + (i >> 8));
    return bytes;
}

off_t offset(void) {
    static const off_t often[] = {0, 0, 1, 5, 4095, 4096, 4097, 8192, 12000};
    return often[below(sizeof often / sizeof *often)];
}
size_t length(void) {
    static const size_t often[] = {0, 1, 7, 100, 4096, 5000, 9000};
    return often[below(sizeof often / sizeof *often)];
}
static void enterRoot(const char *directory) {
    must(chdir(directory), directory);
    for (int i = 0; i < DEPTH; i++) {
        if (mkdir("s", 0755) == -1 && errno != EEXIST) must(-1, "s");
        must(chdir("s"), "s");
    }
}

// MARK: - The processes

#define PEERS 2
static struct {
    int fd;
    pid_t pid;
} peers[PEERS];
int channel = -1;  // to the other side: the first process's to the peer that a step is for, a peer's to the first

enum { DO_STEP, RECEIVE, FINISH };
struct Order {
    int what;
    long number;
    uint64_t state;
};

static void sayOrder(const struct Order *order, int who) {
    say("%ld", order->number);
    if (who) say(" p%d", who);
}

static void finish(int who) {
    for (int i = 0; i < SLOTS; i++) {
        if (slots[i] < 0) continue;
        say("process %d slot %d", who, i);
        sayDescriptor(slots[i]);
        flushLine();
    }
}

static void bePeer(int who) {
    struct Order order;
    char done = 0;
    while (read(channel, &order, sizeof order) == sizeof order) {
        state = order.state;
        if (order.what == FINISH) {
            finish(who);
            _exit(0);
        }
        if (order.what == RECEIVE) receiveDescriptor();
        else {
            sayOrder(&order, who);
            step(0);
        }
        if (write(channel, &done, 1) != 1) break;
    }
    _exit(0);
}

static void startPeers(void) {
    for (int i = 0; i < PEERS; i++) {
        int pair[2];
        must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), "socketpair");
        must(peers[i].pid = fork(), "fork");
        if (peers[i].pid == 0) {
            close(pair[0]);
            channel = pair[1];
            bePeer(i + 1);
        }
        close(pair[1]);
        peers[i].fd = pair[0];
    }
}

// True if the peer has done it.
static bool ask(int peer, struct Order order) {
    char done;
    return write(peers[peer].fd, &order, sizeof order) == sizeof order && read(peers[peer].fd, &done, 1) == 1;
}

// Hands a descriptor to a peer, which keeps it in a slot that its own sequence names.
bool sendDescriptor(int peer, int fd) {
    char byte = 0, room[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    struct Order order = {.what = RECEIVE, .state = state};
    if (write(peers[peer].fd, &order, sizeof order) != sizeof order) return false;
    return sendmsg(peers[peer].fd, &message, 0) == 1 && read(peers[peer].fd, &byte, 1) == 1;
}

void receiveDescriptor(void) {
    char byte, room[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof room};
    int fd = -1;
    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) == 1 && CMSG_FIRSTHDR(&message)) memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof fd);
    int i = (int)below(SLOTS);
    say("  received %d", i);
    if (fd >= 0) keep(i, fd);
    sayDescriptor(fd);
    flushLine();
}

// MARK: - The run

static bool *chosenSteps(const char *file, long count) {
    if (!file) return NULL;
    bool *chosen = calloc((size_t)count, sizeof *chosen);
    FILE *input = fopen(file, "r");
    long number;
    if (!chosen || !input) {
        perror(file);
        exit(2);
    }
    while (fscanf(input, "%ld", &number) == 1)
        if (number >= 0 && number < count) chosen[number] = true;
    fclose(input);
    return chosen;
}

static void run(uint64_t seed, long count, const bool *chosen) {
    for (long i = 0; i < count; i++) {
        if (chosen && !chosen[i]) continue;
        // Each step draws from its own part of the sequence: a different outcome of one step cannot shift the next ones.
        state = seed * 1000003 + (uint64_t)i * 7919;
        struct Order order = {.what = DO_STEP, .number = i};
        unsigned who = below(8);
        order.state = state;
        if (who < PEERS) {
            if (!ask((int)who, order)) {
                say("process %u has ended", who + 1);
                flushLine();
                exit(5);
            }
        } else {
            sayOrder(&order, 0);
            step(0);
        }
        if (i % 500 == 499 && i + 1 < count) dumpQuietly(i);
    }
}

int main(int argc, char **argv) {
    const char *steps = NULL;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) return 2;
    shared->digest = 1469598103934665603ull;
    memset(longName, 'L', 255);
    umask(022);
    if (argc == 4 && strcmp(argv[1], "prepare") == 0) {
        enterRoot(argv[2]);
        populate(atoi(argv[3]));
        return 0;
    }
    if (argc == 2 && strcmp(argv[1], "operations") == 0) {
        printOperations();
        return 0;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: differential SEED COUNT DIR [--log] [--steps FILE] | differential prepare DIR LAYER | differential operations\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[1], NULL, 10);
    long count = atol(argv[2]);
    for (int i = 4; i < argc; i++) {
        if (strcmp(argv[i], "--log") == 0) logging = true;
        if (strcmp(argv[i], "--steps") == 0 && i + 1 < argc) steps = argv[++i];
    }
    const bool *chosen = chosenSteps(steps, count);
    pinning = seed % 2 == 0;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    enterRoot(argv[3]);
    if (!getcwd(rootPath, sizeof rootPath)) return 2;
    must(rootFd = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "root");
    prepareOperations();
    signal(SIGPIPE, SIG_IGN);
    for (int i = 0; i < SLOTS; i++) slots[i] = -1;
    startPeers();
    run(seed, count, chosen);
    umask(022);
    goHome();
    for (int i = 0; i < PEERS; i++) {
        ask(i, (struct Order){.what = FINISH});
        waitpid(peers[i].pid, NULL, 0);
    }
    finish(0);
    say("tree");
    flushLine();
    dump(AT_FDCWD, ".", 0);
    printf("%s %ld steps, digest %016llx\n", argv[1], count, (unsigned long long)shared->digest);
    return 0;
}
