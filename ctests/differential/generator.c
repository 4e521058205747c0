// The random differential test: a seeded sequence of file operations, one log line per step, the whole tree at the end.
// The same seed is run on a real file system and inside a sandbox, and the logs are compared: `differential.sh`.
//
//   differential SEED COUNT DIR [--log]     without --log only a digest of the log is printed
//   differential prepare DIR LAYER          makes a population below DIR: LAYER 0 alone, or 1, 2, 3 over one another
//
// Nothing in the log may depend on where it runs: no descriptor or inode numbers, no sizes of directories, no order of
// readdir, no clock.
#include "differential.h"
#include <signal.h>
#include <stdarg.h>
#include <sys/resource.h>

uint64_t state;
static bool logging;
int slots[SLOTS], rootFd;
char rootPath[4096];
static uint64_t digest = 1469598103934665603ull;

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
        if (strlen(name) > 60) { say("%c*%zu", *name, strlen(name)); return; }
        if (*name > ' ' && *name < 127) say("%c", *name);
        else say("\\%02x", (unsigned char)*name);
    }
}

void flushLine(void) {
    line[used++] = '\n';
    for (size_t i = 0; i < used; i++) digest = (digest ^ (unsigned char)line[i]) * 1099511628211ull;
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
static char recent[24][2048];
static unsigned recentCount;
void remember(const char *path) {
    // Deep ones multiply by themselves and then exist nowhere.
    int slashes = 0;
    for (const char *at = path; *at; at++) slashes += *at == '/';
    if (*path && slashes < 3) snprintf(recent[recentCount++ % 24], sizeof *recent, "%s", path);
}

void makePath(char *path) {
    if (recentCount && chance(50)) {
        strcpy(path, recent[below(recentCount < 24 ? recentCount : 24)]);
        if (chance(20) && strlen(path) < 1000) {
            strcat(path, "/");
            strcat(path, component());
        }
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

static int lastOpened;
int slot(void) {
    int i = chance(40) ? lastOpened : (int)below(SLOTS);
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
    lastOpened = (int)below(SLOTS);
    say(" %d", lastOpened);
    return lastOpened;
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

int main(int argc, char **argv) {
    memset(longName, 'L', 255);
    umask(022);
    if (argc == 4 && strcmp(argv[1], "prepare") == 0) {
        enterRoot(argv[2]);
        populate(atoi(argv[3]));
        return 0;
    }
    if (argc < 4) {
        fprintf(stderr, "usage: differential SEED COUNT DIR [--log] | differential prepare DIR LAYER\n");
        return 2;
    }
    uint64_t seed = strtoull(argv[1], NULL, 10);
    long count = atol(argv[2]);
    logging = argc > 4 && strcmp(argv[4], "--log") == 0;
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
    for (long i = 0; i < count; i++) {
        // Each step draws from its own part of the sequence: a different outcome of one step cannot shift the next ones.
        state = seed * 1000003 + (uint64_t)i * 7919;
        say("%ld", i);
        step(0);
    }
    umask(022);
    goHome();
    for (int i = 0; i < SLOTS; i++) {
        say("slot %d", i);
        if (slots[i] >= 0) sayDescriptor(slots[i]);
        flushLine();
    }
    say("tree");
    flushLine();
    dump(AT_FDCWD, ".", 0);
    printf("%s %ld steps, digest %016llx\n", argv[1], count, (unsigned long long)digest);
    return 0;
}
