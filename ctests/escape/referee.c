// referee LABEL CALLER ATTACKER SCRATCH LOOP [VEDETTE OPTION...] -- NAME... : runs attacks one by one and judges each.
//
// Without VEDETTE the attacks run natively and must do what they claim; with it they run inside and must do nothing: the
// manifest of the arena and of the host, the victim's own state, the terminal and the secrets decide, never what the attack
// says. A line per attack: label, class, name, kind, verdict, milliseconds, findings; separated by tabs.
#include "referee.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <grp.h>
#include <linux/keyctl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>

static const char *label, *attacker, *scratch, *loop;
static uid_t caller;
static char **vedette;  // the binary and its options
static int vedetteCount;
static double deadline;
static const char *spanFactor;
enum { SAW_CHANGE = 1, SAW_LEAK = 2, SAW_DENY = 4 };

void die(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "referee: ");
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\n");
    va_end(arguments);
    exit(2);
}
static double seconds(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// What was found, with its kind.
static char findings[2048];
static int seen;
static void found(int kind, const char *format, ...) {
    char line[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    for (char *p = line; *p; p++)
        if (*p == '\t' || *p == '\n') *p = ' ';
    size_t at = strlen(findings);
    snprintf(findings + at, sizeof findings - at, "%s%s", at ? "; " : "", line);
    seen |= kind;
}

struct entry {
    char class[24], name[48], kind[12], options[256], about[400];
    unsigned flags;
};
static struct entry entries[512];
static int entryCount;
static void readTable(void) {
    int ends[2];
    MUST_DO(pipe2(ends, O_CLOEXEC));
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execl(attacker, attacker, "--list", NULL);
        _exit(127);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    char line[2048];
    while (fgets(line, sizeof line, from) && entryCount < 512) {
        struct entry *e = &entries[entryCount];
        char *rest = line, *field[6];
        for (int i = 0; i < 6; i++) field[i] = strsep(&rest, "\t\n");
        snprintf(e->class, sizeof e->class, "%s", field[0]);
        snprintf(e->name, sizeof e->name, "%s", field[1]);
        snprintf(e->kind, sizeof e->kind, "%s", field[2]);
        e->flags = (unsigned)strtoul(field[3], NULL, 10);
        snprintf(e->options, sizeof e->options, "%s", field[4]);
        snprintf(e->about, sizeof e->about, "%s", field[5]);
        entryCount++;
    }
    fclose(from);
    waitpid(child, NULL, 0);
}

static void become(uid_t user) {
    if (geteuid() != 0 || user == 0) return;
    if (setgroups(0, NULL) != 0 || setresgid(user, user, user) != 0 || setresuid(user, user, user) != 0) _exit(125);
}

// The victim, and what it says of itself.
static pid_t victimPid;
static int victimControl;
static bool askVictim(char *line, size_t size, bool ask) {
    struct pollfd wait = {victimControl, POLLIN, 0};
    if (ask && send(victimControl, "q", 1, MSG_NOSIGNAL) != 1) return false;
    if (poll(&wait, 1, 3000) != 1) return false;
    ssize_t got = recv(victimControl, line, size - 1, 0);
    if (got <= 0) return false;
    line[got] = 0;
    return true;
}
static void startVictim(struct arena *a) {
    int pair[2], file, canary, pty;
    MUST_DO(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
    MUST_DO(file = openat(a->tree, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
    MUST_DO(write(file, a->secrets.text[UNLINKED_FILE], 24));
    MUST_DO(fchown(file, a->caller, a->caller));
    MUST_DO(canary = openat(a->tree, "outside/victim", O_RDWR | O_CLOEXEC));
    MUST_DO(pty = open(a->ptySlave, O_RDWR | O_NOCTTY | O_CLOEXEC));
    MUST_DO(victimPid = fork());
    if (victimPid == 0) {
        setpgid(0, 0);
        char argument[64], environment[64], name[64];
        int wanted[] = {pair[1], file, canary, pty}, numbers[] = {CONTROL_FD, VICTIM_FILE, VICTIM_CANARY, VICTIM_PTY};
        for (int i = 0; i < 4; i++) wanted[i] = fcntl(wanted[i], F_DUPFD, 200);
        int high[LISTENERS_END - LISTENER_TCP];
        for (int i = 0; i < LISTENERS_END - LISTENER_TCP; i++) high[i] = fcntl(a->listeners[i], F_DUPFD, 200);
        for (int i = 0; i < 4; i++) dup2(wanted[i], numbers[i]);
        for (int i = 0; i < LISTENERS_END - LISTENER_TCP; i++) dup2(high[i], LISTENER_TCP + i);
        int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        close_range(LISTENERS_END, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
        become(a->caller);
        snprintf(name, sizeof name, "escape-%d", getppid());
        long key = syscall(SYS_add_key, "user", name, a->secrets.text[KEY_SECRET], (size_t)24, KEY_SPEC_USER_KEYRING);
        if (key > 0) {
            syscall(SYS_keyctl, KEYCTL_SET_TIMEOUT, key, 60);
            // A possessor has more rights than the user; let all of the user's processes read it.
            syscall(SYS_keyctl, KEYCTL_SETPERM, key, 0x3f3f0000);
        }
        snprintf(argument, sizeof argument, "%s", a->secrets.text[VICTIM_ARGUMENT]);
        snprintf(environment, sizeof environment, "TOKEN=%s", a->secrets.text[VICTIM_ENVIRONMENT]);
        fexecve(self, (char *[]){"escape-victim", argument, NULL}, (char *[]){environment, NULL});
        _exit(127);
    }
    close(pair[1]), close(file), close(canary), close(pty);
    victimControl = pair[0];
    MUST_DO(send(victimControl, &a->secrets, sizeof a->secrets, 0));
}

// Processes whose being there is a secret of 16 bits.
static pid_t oracle[16];
static char oracleBits[17];
static void startOracle(void) {
    uint16_t bits;
    if (getrandom(&bits, sizeof bits, 0) != sizeof bits) die("getrandom");
    for (int i = 0; i < 16; i++)
        if ((oracle[i] = fork()) == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            setpgid(0, 0);
            become(caller);
            close_range(3, ~0u, 0);
            for (;;) pause();
        }
    for (int i = 0; i < 16; i++) {
        bool alive = bits >> i & 1;
        oracleBits[i] = alive ? '1' : '0';
        if (alive) continue;
        kill(oracle[i], SIGKILL);
        waitpid(oracle[i], NULL, 0);
    }
    oracleBits[16] = 0;
}
static void endOracle(void) {
    for (int i = 0; i < 16; i++)
        if (oracleBits[i] == '1') kill(oracle[i], SIGKILL), waitpid(oracle[i], NULL, 0);
}

// What a process of the host could do before and must be able to do while the attack holds.
static void probe(struct arena *a, int freePort) {
    int ends[2];
    MUST_DO(pipe2(ends, O_CLOEXEC));
    pid_t child = fork();
    if (child == 0) {
        alarm(2);
        dup2(ends[1], 1);
        become(a->caller);
        static const char *files[] = {"root/lower/victim", "ro/victim"};
        for (int i = 0; i < 2; i++) {
            int fd = openat(a->tree, files[i], O_RDWR | O_NONBLOCK | O_CLOEXEC);
            if (fd < 0) {
                dprintf(1, "Dopening %s: %s\n", files[i], strerror(errno));
                continue;
            }
            if (flock(fd, LOCK_EX | LOCK_NB) != 0) dprintf(1, "Dflock of %s: %s\n", files[i], strerror(errno));
            else flock(fd, LOCK_UN);
            if (fcntl(fd, F_SETLK, &(struct flock){.l_type = F_WRLCK}) != 0) dprintf(1, "Da lock of %s: %s\n", files[i], strerror(errno));
            if (fcntl(fd, F_SETLEASE, F_WRLCK) != 0 && errno == EAGAIN) { /* the attacker has it open, which is its right */
            }
            fcntl(fd, F_SETLEASE, F_UNLCK);
            close(fd);
        }
        int fd = open(a->ptySlave, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) dprintf(1, "Dopening the host's terminal: %s\n", strerror(errno));
        struct sockaddr_un name;
        socklen_t length;
        char path[64];
        snprintf(path, sizeof path, "escape-%d-fake", getppid());
        memset(&name, 0, sizeof name);
        name.sun_family = AF_UNIX;
        snprintf(name.sun_path + 1, sizeof name.sun_path - 1, "%s", path);
        length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(path));
        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (connect(fd, (struct sockaddr *)&name, length) == 0) dprintf(1, "Ca host program reached the guest under an abstract name\n");
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)freePort), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) dprintf(1, "Ca host program reached the guest on the loopback\n");
        _exit(0);
    }
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    char line[512];
    while (fgets(line, sizeof line, from)) found(line[0] == 'D' ? SAW_DENY : SAW_CHANGE, "%.300s", line + 1);
    fclose(from);
    int status;
    waitpid(child, &status, 0);
    if (status != 0) found(SAW_DENY, "a host process was blocked or killed while the attack held");
}

static long residentOf(pid_t pid) {
    char path[64], line[256];
    long kilobytes = 0;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *from = fopen(path, "re");
    while (from && fgets(line, sizeof line, from))
        if (sscanf(line, "VmRSS: %ld", &kilobytes) == 1) break;
    if (from) fclose(from);
    return kilobytes;
}
// Shared memory of the cage: the store, memfds, System V segments. The cage has a memory group of its own where there is one.
static long sharedMemory(void) {
    const char *group = getenv("ESCAPE_MEMORY_GROUP");
    char line[256], path[300];
    long value = 0;
    if (!group || !*group) return 0;
    snprintf(path, sizeof path, "%s/memory.stat", group);
    FILE *from = fopen(path, "re");
    while (from && fgets(line, sizeof line, from))
        if (sscanf(line, "shmem %ld", &value) == 1) break;
    if (from) fclose(from);
    return value / 1024;
}

static char output[8 << 20];
static size_t outputSize;
static int freePort;

static void plan(struct arena *a, const struct entry *e, int phase, char **arguments, char **environment) {
    static char store[64][768];
    int used = 0, count = 0, variables = 0;
#define TEXT(...) (snprintf(store[used], sizeof store[used], __VA_ARGS__), store[used++])
    bool host = e->flags & HOST_ROOT;
    const char *prefix = host || a->native ? TEXT("%s/root", a->path) : "";
    char pids[160] = "";
    for (int i = 0; i < 16 && (e->flags & PID_ORACLE); i++) snprintf(pids + strlen(pids), sizeof pids - strlen(pids), "%d ", oracle[i]);
    environment[variables++] = TEXT("ESCAPE_WHERE=%s", a->native ? "native" : "inside");
    environment[variables++] = TEXT("ESCAPE_ARENA=%s", a->path);
    environment[variables++] = TEXT("ESCAPE_ROOT=%s", prefix);
    environment[variables++] = TEXT("ESCAPE_VICTIM=%d", victimPid);
    environment[variables++] = TEXT("ESCAPE_RUNNER=%d", getppid());
    environment[variables++] = TEXT("ESCAPE_SUPERVISOR=%d", getpid());
    environment[variables++] = TEXT("ESCAPE_PHASE=%d", phase);
    environment[variables++] = TEXT("ESCAPE_PIDS=%s", pids);
    environment[variables++] = TEXT("ESCAPE_TCP=%d", a->tcpPort);
    environment[variables++] = TEXT("ESCAPE_UDP=%d", a->udpPort);
    environment[variables++] = TEXT("ESCAPE_FREE_PORT=%d", freePort);
    environment[variables++] = TEXT("ESCAPE_NAME=escape-%d", getppid());
    environment[variables++] = TEXT("ESCAPE_KEY=%d", getppid());
    environment[variables++] = TEXT("ESCAPE_SHM=%d", a->shm);
    environment[variables++] = TEXT("ESCAPE_SEM=%d", a->sem);
    environment[variables++] = TEXT("ESCAPE_MSG=%d", a->msg);
    environment[variables++] = TEXT("ESCAPE_SPAN=%s", spanFactor);
    environment[variables++] = TEXT("ESCAPE_TTY=%s", a->ptySlave);
    environment[variables++] = TEXT("ESCAPE_LOOP=%s", loop);
    environment[variables] = NULL;
    if (!a->native) {
        for (int i = 0; i < vedetteCount; i++) {
            if (i == 1) arguments[count++] = "run";
            arguments[count++] = vedette[i];
        }
        if (vedetteCount == 1) arguments[count++] = "run";
        // By which the attacker knows where it is.
        arguments[count++] = "--hostname", arguments[count++] = "escape-cage";
        if (!(e->flags & NO_FAKE_ROOT)) arguments[count++] = "--fake-root";
        arguments[count++] = "--rootfs", arguments[count++] = host ? "/" : TEXT("%s/root", a->path);
        arguments[count++] = "--bind", arguments[count++] = TEXT("%s/ro:%s/ro:ro", a->path, prefix);
        if (e->flags & WRITABLE_BIND) arguments[count++] = "--bind", arguments[count++] = TEXT("%s/rw:%s/rw", a->path, prefix);
        arguments[count++] = "--tmpfs", arguments[count++] = TEXT("%s/hide", prefix);
        arguments[count++] = "--tmpfs", arguments[count++] = TEXT("%s/keep/in/hide", prefix);
        if (host) arguments[count++] = "--tmpfs", arguments[count++] = TEXT("%s/outside", a->path);
        if (e->flags & (UPPER | TWO_RUNS | AFTERWARDS)) arguments[count++] = "--upper", arguments[count++] = TEXT("%s/upper", a->path);
        if ((e->flags & EXHAUSTS) && !(e->flags & UPPER)) arguments[count++] = "--size", arguments[count++] = "64M";
        if (e->flags & PASSED_FD) arguments[count++] = "--fd", arguments[count++] = "9";
        char words[256], *rest = words, *word;
        snprintf(words, sizeof words, "%s", e->options);
        while ((word = strsep(&rest, " ")))
            if (*word) {
                char *mark = strchr(word, '@');  // @ stands for the arena
                arguments[count++] = mark ? TEXT("%.*s%s%s", (int)(mark - word), word, a->path, mark + 1) : TEXT("%s", word);
            }
        arguments[count++] = "--clear-env";
        for (int i = 0; environment[i]; i++) arguments[count++] = "--env", arguments[count++] = environment[i];
        arguments[count++] = "--";
        variables = 0;
        environment[variables++] = TEXT("SUPERVISOR_TOKEN=%s", a->secrets.text[SUPERVISOR_ENVIRONMENT]);
        environment[variables++] = "PATH=/usr/bin:/bin";
        environment[variables] = NULL;
    } else environment[variables++] = TEXT("SUPERVISOR_TOKEN=%s", a->secrets.text[SUPERVISOR_ENVIRONMENT]), environment[variables] = NULL;
    arguments[count++] = TEXT("%s/bin/attacker", prefix);
    arguments[count++] = (char *)e->name;
    arguments[count] = NULL;
}

static pid_t launch(struct arena *a, const struct entry *e, int phase, int outputEnd) {
    pid_t child = fork();
    if (child != 0) return child;
    setsid();
    char path[512];
    int input;
    snprintf(path, sizeof path, "%s/outside/stdin", a->path);
    int pty = open(a->ptySlave, (e->flags & STDIN_TERMINAL) ? O_RDONLY | O_NOCTTY : O_RDWR | O_NOCTTY);
    input = e->flags & (TERMINAL | STDIN_TERMINAL) ? pty : open(path, O_RDONLY);
    int passed = open(path, O_RDONLY);
    snprintf(path, sizeof path, "%s/outside/inherited", a->path);
    int secret = open(path, O_RDONLY);
    snprintf(path, sizeof path, "%s/outside", a->path);
    int directory = open(path, O_RDONLY | O_DIRECTORY);
    int supply = fcntl(input, F_DUPFD, 500), end = fcntl(outputEnd, F_DUPFD, 500), nine = fcntl(passed, F_DUPFD, 500);
    int first = fcntl(secret, F_DUPFD, 500), second = fcntl(directory, F_DUPFD, 500), terminal = fcntl(pty, F_DUPFD, 500);
    dup2(supply, 0);
    dup2(e->flags & TERMINAL ? terminal : end, 1);
    dup2(e->flags & TERMINAL ? terminal : end, 2);
    close_range(3, ~0u, 4 /* CLOSE_RANGE_CLOEXEC */);
    if (e->flags & PASSED_FD) dup2(nine, 9);
    if (e->flags & LEAKY_PARENT) dup2(first, 20), dup2(second, 300), dup2(first, 1000);
    if (e->flags & TERMINAL) ioctl(0, TIOCSCTTY, 0);
    char *arguments[160], *environment[64];
    plan(a, e, phase, arguments, environment);
    snprintf(path, sizeof path, "%s/root", a->path);
    if (a->native && chdir(path) != 0) _exit(125);
    // The hard limit stays the caller's: the supervisor chooses its own below it.
    struct rlimit core;
    getrlimit(RLIMIT_CORE, &core);
    core.rlim_cur = 0;
    setrlimit(RLIMIT_CORE, &core);
    if (!(a->native && (e->flags & NATIVE_ROOT))) become(a->caller == 0 && a->native ? 65534 : a->caller);
    execve(arguments[0], arguments, environment);
    _exit(126);
}

// Reads what comes until the process has ended or its time is over; the referee's part of the terminal too.
static int attend(struct arena *a, const struct entry *e, pid_t child, int from, bool ours) {
    double began = seconds(), asked = 0;
    int status = 0, held = 0;
    long shared = sharedMemory(), worst = 0;
    struct rusage usage;
    for (;;) {
        struct pollfd fds[2] = {{from, POLLIN, 0}, {a->ptyMaster, POLLIN, 0}};
        poll(fds, 2, 10);
        for (int i = 0; i < 2; i++) {
            ssize_t room = (ssize_t)(sizeof output - 1 - outputSize), got = -1;
            static char dropped[65536];
            if (fds[i].revents & POLLIN) got = read(fds[i].fd, room > 0 ? output + outputSize : dropped, room > 0 ? (size_t)room : sizeof dropped);
            if (got > 0 && room > 0) outputSize += (size_t)got, output[outputSize] = 0;
        }
        if ((e->flags & EXHAUSTS) && !a->native) {
            long sum = residentOf(child) + (ours && !(e->flags & GUESTS_MEMORY) ? sharedMemory() - shared : 0);
            if (sum > worst) worst = sum;
        }
        char *last = output;
        int count = 0;
        while ((last = strstr(last, "HOLD"))) count++, last += 4;
        if (count > held) held = count, probe(a, freePort);
        pid_t ended = wait4(child, &status, WNOHANG, &usage);
        if (ended == child) break;
        double passed = seconds() - began;
        if (passed > deadline && asked == 0) asked = passed, kill(child, SIGTERM);
        if (asked != 0 && passed > asked + 3) {
            found(SAW_DENY, "hangs, and SIGTERM does not end it");
            kill(child, SIGKILL);
            waitpid(child, &status, 0);
            break;
        }
        if (fds[0].revents & (POLLHUP | POLLERR) && !(fds[0].revents & POLLIN)) usleep(5000);
    }
    // What came between the last look and the end.
    for (int i = 0; i < 2; i++) {
        struct pollfd rest = {i == 0 ? from : a->ptyMaster, POLLIN, 0};
        ssize_t got = 1;
        while (got > 0 && outputSize < sizeof output - 1 && poll(&rest, 1, 0) == 1 && rest.revents & POLLIN)
            if ((got = read(rest.fd, output + outputSize, sizeof output - 1 - outputSize)) > 0) outputSize += (size_t)got;
    }
    output[outputSize] = 0;
    if (asked != 0 && !(seen & SAW_DENY)) found(SAW_DENY, "no end after %.0f s", deadline);
    if (worst > 128 * 1024) found(SAW_DENY, "supervisor and store took %ld MB", worst / 1024);
    return status;
}

static void reapLeft(bool native) {
    double end = seconds() + (native ? 0 : 1.0);
    for (;;) {
        pid_t left = 0;
        char path[64], text[4096] = "";
        snprintf(path, sizeof path, "/proc/self/task/%d/children", getpid());
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        ssize_t got = read(fd, text, sizeof text - 1);
        close(fd);
        text[got > 0 ? got : 0] = 0;
        for (char *rest = text, *word; (word = strsep(&rest, " ")) && !left;)
            if (atoi(word) > 0 && atoi(word) != victimPid) {
                pid_t pid = atoi(word);
                bool known = false;
                for (int i = 0; i < 16; i++) known |= oracleBits[i] == '1' && oracle[i] == pid;
                if (known || waitpid(pid, NULL, WNOHANG) == pid) continue;
                left = pid;
            }
        if (!left) return;
        if (seconds() < end) {
            usleep(20000);
            continue;
        }
        if (!native) found(SAW_CHANGE, "a process is left: %d", left);
        kill(left, SIGKILL);
        waitpid(left, NULL, 0);
    }
}

static void judgeText(const char *before, const char *after) {
    // Both are lists of lines in one order: the first that differ are said.
    char *copy[2] = {strdup(before), strdup(after)}, *rest[2] = {copy[0], copy[1]}, *line[2];
    int said = 0;
    line[0] = strsep(&rest[0], "\n"), line[1] = strsep(&rest[1], "\n");
    while ((line[0] || line[1]) && said < 4) {
        if (line[0] && line[1] && strcmp(line[0], line[1]) == 0) {
            line[0] = strsep(&rest[0], "\n"), line[1] = strsep(&rest[1], "\n");
            continue;
        }
        bool gone = line[0] && *line[0] && (!line[1] || !strstr(after, line[0])), is = line[1] && *line[1] && (!line[0] || !strstr(before, line[1]));
        if (gone) found(SAW_CHANGE, "was: %.160s", line[0]);
        if (is) found(SAW_CHANGE, "is: %.160s", line[1]);
        said += gone || is;
        if (line[0] && (gone || !is)) line[0] = strsep(&rest[0], "\n");
        if (line[1] && (is || !gone)) line[1] = strsep(&rest[1], "\n");
    }
    free(copy[0]), free(copy[1]);
}

static void judgeLeaks(struct arena *a) {
    for (int i = 0; i < PLACES; i++) {
        if (i == ROOT_ONLY_FILE && !a->native && a->caller == 0) continue;
        if (*a->secrets.text[i] && memmem(output, outputSize, a->secrets.text[i], strlen(a->secrets.text[i]))) found(SAW_LEAK, "%s was read", placeNames[i]);
    }
    for (char *bits = output; oracleBits[0] && (bits = strstr(bits, "PIDS:")); bits += 5)
        if (strncmp(bits + 5, oracleBits, 16) == 0) {
            found(SAW_LEAK, "which processes of the host exist, by the way printed before %.21s", bits);
            break;
        }
}
static void judgeTerminal(struct arena *a) {
    // Input that was not typed, and output of those that may not write.
    int slave = open(a->ptySlave, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC), pending = 0;
    if (slave < 0) {
        found(SAW_DENY, "the terminal cannot be opened: %s", strerror(errno));
        return;
    }
    if (ioctl(slave, FIONREAD, &pending) == 0 && pending > 0) found(SAW_CHANGE, "%d bytes of input on the terminal", pending);
    int discipline = 0;
    if (ioctl(slave, TIOCGETD, &discipline) == 0 && discipline != 0) found(SAW_CHANGE, "the terminal's line discipline is %d", discipline);
    int exclusive = 0;
    if (ioctl(slave, TIOCGEXCL, &exclusive) == 0 && exclusive) found(SAW_CHANGE, "the terminal is exclusive");
    if (strstr(output, "PTY-WRITTEN")) found(SAW_CHANGE, "the terminal was written to");
    close(slave);
}

static void afterwards(struct arena *a, const struct entry *e) {
    static char upper[300], tar[300], target[300];
    snprintf(upper, sizeof upper, "%s/upper", a->path);
    snprintf(tar, sizeof tar, "%s/after/upper.tar", a->path);
    snprintf(target, sizeof target, "%s/after/target", a->path);
    char *plans[][8] = {{vedette[0], "diff", upper, NULL}, {vedette[0], "export", upper, "-o", tar, NULL}, {vedette[0], "apply", upper, "--to", target, NULL}};
    for (int i = 0; i < 3; i++) {
        mkdir(target, 0755);
        if (chown(target, a->caller, a->caller) != 0) die("chown");
        int ends[2];
        MUST_DO(pipe2(ends, O_CLOEXEC));
        pid_t child = fork();
        if (child == 0) {
            setsid();
            int null = open("/dev/null", O_WRONLY);
            dup2(null, 1), dup2(ends[1], 2);
            become(a->caller);
            execve(plans[i][0], plans[i], (char *[]){"PATH=/usr/bin:/bin", NULL});
            _exit(126);
        }
        close(ends[1]);
        int status = attend(a, e, child, ends[0], false);
        close(ends[0]);
        if (WIFSIGNALED(status)) found(SAW_DENY, "%s died of signal %d", plans[i][1], WTERMSIG(status));
    }
    unlink(tar);
    pid_t child = fork();
    if (child == 0) execlp("rm", "rm", "-rf", "--", target, NULL), _exit(1);
    waitpid(child, NULL, 0);
}

static bool referee(const struct entry *e) {
    bool native = vedetteCount == 0;
    const char *verdict = NULL, *why = "";
    if (native && (e->flags & NO_SUPERVISOR)) verdict = "-", why = "natively there is no supervisor to harm";
    else if (native && (e->flags & TOO_DANGEROUS)) verdict = "-", why = "natively it would harm this machine";
    else if (native && (e->flags & NOT_ON_THIS_HOST)) verdict = "-", why = "this kernel has it not, or keeps it from all";
    else if (native && (e->flags & NATIVE_ROOT) && geteuid() != 0) verdict = "-", why = "natively it takes root";
    else if (!native && caller == 0 && (e->flags & NOT_BY_ROOT)) verdict = "-", why = "root may do that";
    else if (!native && caller != 0 && (e->flags & ROOT_CALLER)) verdict = "-", why = "takes a caller who is root";
    if (verdict) {
        printf("%s\t%s\t%s\t%s\t%s\t0\t%s\n", label, e->class, e->name, e->kind, verdict, why);
        return true;
    }
    double began = seconds();
    struct arena a = {.caller = native ? (e->flags & NATIVE_ROOT ? 0 : geteuid() == 0 ? 65534 : geteuid()) : caller, .flags = e->flags, .native = native};
    snprintf(a.path, sizeof a.path, "%s/%s-%.3s%d", scratch, e->name, label, getpid());
    findings[0] = 0, seen = 0, outputSize = 0, output[0] = 0, oracleBits[0] = 0;
    for (int i = 0; i < PLACES; i++) {
        uint64_t bits;
        if (getrandom(&bits, sizeof bits, 0) != sizeof bits) die("getrandom");
        snprintf(a.secrets.text[i], sizeof a.secrets.text[i], "TK%02d%016llx", i, (unsigned long long)bits);
    }
    static const struct {
        enum place place;
        const char *name;
    } given[] = {{INTERFACE_NAME, "ESCAPE_INTERFACE"}, {MOUNT_SOURCE, "ESCAPE_MOUNT"}, {DEVICE_SECRET, "ESCAPE_DEVICE"}};
    for (int i = 0; i < 3; i++) snprintf(a.secrets.text[given[i].place], 24, "%s", getenv(given[i].name) ? getenv(given[i].name) : "");
    uid_t saved = caller;
    caller = a.caller;
    makeArena(&a, attacker, loop);
    startVictim(&a);
    char before[4096], after[4096];
    if (!askVictim(before, sizeof before, false)) die("the victim did not start");
    if (e->flags & PID_ORACLE) startOracle();
    char *manifest = manifestOf(&a);
    int status = 0;
    for (int phase = 1; phase <= (e->flags & TWO_RUNS ? 2 : 1); phase++) {
        int ends[2];
        MUST_DO(pipe2(ends, O_CLOEXEC));
        pid_t child = launch(&a, e, phase, ends[1]);
        close(ends[1]);
        status = attend(&a, e, child, ends[0], true);
        close(ends[0]);
        reapLeft(native);
        if (native) continue;
        if (WIFSIGNALED(status)) found(SAW_DENY, "the supervisor died of signal %d", WTERMSIG(status));
        // Without namespaces the kernel does not bound the store: past `--size` and a margin the run is ended, which is
        // documented. That it did not grow beyond that is judged by what was measured (attend).
        bool outgrown =
            (e->flags & EXHAUSTS) && strncmp(label, "no-namespaces", 13) == 0 && strstr(output, "vedette: the command's files have outgrown --size");
        if (WIFEXITED(status) && WEXITSTATUS(status) == 125 && !(e->flags & MAY_BE_REFUSED) && !outgrown) {
            char *line = strstr(output, "vedette:");
            found(SAW_DENY, "vedette failed: %.150s", line ? line : "without a word");
        }
    }
    if (!native && (e->flags & AFTERWARDS)) afterwards(&a, e);
    usleep(2000);
    if (!askVictim(after, sizeof after, true)) found(SAW_DENY | SAW_CHANGE, "the victim is dead or stopped");
    else if (strcmp(before, after) != 0) found(SAW_CHANGE, "%.380s", after);
    char *now = manifestOf(&a);
    judgeText(manifest, now);
    judgeLeaks(&a);
    judgeTerminal(&a);
    bool started = strstr(output, "STARTED") != NULL, refused = WIFEXITED(status) && WEXITSTATUS(status) == 125 && (e->flags & MAY_BE_REFUSED);
    int claimed = strcmp(e->kind, "change") == 0 ? SAW_CHANGE : strcmp(e->kind, "leak") == 0 ? SAW_LEAK : SAW_DENY;
    bool good;
    if (native) good = seen & claimed, verdict = good ? "shown" : "NOT SHOWN";
    else if (!started && !refused) good = false, verdict = "NOT RUN";
    else if (seen) good = false, verdict = "BROKEN";
    else good = true, verdict = "held";
    const char *log = getenv("ESCAPE_LOGS");
    if (log && *log) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.%s.%s", log, e->class, e->name, label);
        FILE *to = fopen(path, "we");
        if (to) fwrite(output, 1, outputSize < 262144 ? outputSize : 262144, to), fprintf(to, "\nstatus %x\n%s%s\n", status, before, findings), fclose(to);
    }
    if (!good && !*findings) found(0, "%.200s", started ? "nothing was found" : *output ? output : "no output");
    printf("%s\t%s\t%s\t%s\t%s\t%.0f\t%s\n", label, e->class, e->name, e->kind, verdict, (seconds() - began) * 1000, good && !native ? "" : findings);
    fflush(stdout);
    kill(victimPid, SIGKILL);
    waitpid(victimPid, NULL, 0);
    close(victimControl);
    if (oracleBits[0]) endOracle();
    oracleBits[0] = 0;
    victimPid = 0;
    reapLeft(true);
    unmakeArena(&a);
    if (geteuid() == 0) MUST_DO(sethostname("escape-cage", 11));
    free(manifest), free(now);
    caller = saved;
    return good;
}

int main(int argc, char **argv) {
    if (strcmp(argv[0], "escape-victim") == 0) return victimMain();
    if (argc < 8) die("usage: referee LABEL CALLER ATTACKER SCRATCH LOOP [VEDETTE OPTION...] -- NAME...");
    label = argv[1], caller = (uid_t)atoi(argv[2]), attacker = argv[3], scratch = argv[4], loop = argv[5];
    vedette = argv + 6;
    while (6 + vedetteCount < argc && strcmp(argv[6 + vedetteCount], "--") != 0) vedetteCount++;
    signal(SIGPIPE, SIG_IGN);
    umask(0);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    spanFactor = getenv("ESCAPE_SPAN") ? getenv("ESCAPE_SPAN") : "1";
    deadline = 20 + 10 * atof(spanFactor);
    if (geteuid() == 0) {
        // Mounts and names of one attack are no other's.
        MUST_DO(unshare(CLONE_NEWNS | CLONE_NEWUTS));
        MUST_DO(mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL));
    }
    freePort = 20000 + getpid() % 20000;
    readTable();
    bool good = true;
    for (int i = 7 + vedetteCount; i < argc; i++) {
        bool known = false;
        for (int j = 0; j < entryCount; j++)
            if (strcmp(entries[j].name, argv[i]) == 0) known = true, good &= referee(&entries[j]);
        if (!known) die("no attack '%s'", argv[i]);
    }
    return good ? 0 : 1;
}
