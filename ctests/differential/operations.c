// One step of the random differential test, and the operations on processes.
#include "operations.h"
#include <grp.h>
#include <sys/wait.h>

void goHome(void) {
    // A chmod through `.` or `..` may have shut the root against its owner, who is not always root.
    if (fchdir(rootFd) != 0 && (fchmod(rootFd, 0755) != 0 || fchdir(rootFd) != 0)) _exit(4);
}
static void sayWorkingDirectory(void) {
    char path[4096];
    errno = 0;
    if (syscall(SYS_getcwd, path, sizeof path) < 0) {
        say(" [%s]", errorName(errno));
        return;
    }
    size_t prefix = strlen(rootPath);
    if (strncmp(path, rootPath, prefix) || (path[prefix] && path[prefix] != '/')) {
        // Symlinks and `..` led above the root of the test: what is there differs from place to place.
        say(" outside");
        goHome();
        return;
    }
    say(" ");
    sayName(path + prefix);
}
void op_chdir_(void) {
    char path[2048];
    makePath(path);
    say(" ");
    sayName(path);
    if (result(chdir(path)) == 0) sayWorkingDirectory();
}
void op_fchdir_(void) {
    if (result(fchdir(slots[slot()])) == 0) sayWorkingDirectory();
}
void op_home(void) { goHome(); }
void op_getcwd_(void) { sayWorkingDirectory(); }
void op_umask_(void) {
    mode_t mask = chance(85) ? 022 : (mode_t)below(01000);
    say(" %o = %o", mask, umask(mask));
}
// A few steps of a child, which ends with them. Each draws from its own part of the sequence.
static void steps(uint64_t from, unsigned most) {
    state = from;
    for (unsigned i = 1 + below(most); i; i--) {
        state = from + i * 104729;
        step(1);
    }
    _exit(0);
}
void op_child(void) {
    // Another process does something: with the same open descriptions, and its own working directory and umask after it.
    next();
    flushLine();
    pid_t child = fork();
    if (child == 0) {
        say("  child");
        steps(state ^ 0x5555, 3);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    say("  status %d", status);
}
void op_pass(void) {
    int i = slot(), peer = (int)below(2);
    say(" p%d", peer + 1);
    if (slots[i] < 0 || channel >= 0) {
        say(" none");
        return;
    }
    flushLine();
    say("  %s", sendDescriptor(peer, slots[i]) ? "passed" : "not passed");
}
// A child that is somebody else for a few steps; only root can be.
void op_asOther(void) {
    static const uid_t ids[] = {1000, 65534, 1000, 2000};
    uid_t user = ids[below(4)], group = ids[below(4)], other = ids[below(4)];
    say(" %u %u %u", user, group, other);
    if (!pinning) {
        say(" none");
        return;
    }
    flushLine();
    uint64_t continued = next();
    pid_t child = fork();
    if (child == 0) {
        say("  other");
        if (setgroups(1, &other) == 0 && setresgid(group, group, group) == 0 && setresuid(user, user, user) == 0) say(" became");
        steps(continued, 5);
    }
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {}
    say("  status %d", status);
}

#define ENTRY(name) {#name, op_##name},
static const struct {
    const char *name;
    void (*run)(void);
} operations[] = {OPERATIONS(ENTRY)};

void printOperations(void) {
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        size_t before = 0;
        while (operations[before].run != operations[i].run) before++;
        if (before == i) puts(operations[i].name);
    }
}

void step(int depth) {
    unsigned i;
    do i = below(sizeof operations / sizeof *operations);
    while (depth && (operations[i].run == op_child || operations[i].run == op_asOther || operations[i].run == op_pass));
    // The working directory may have been moved above the root of the test by somebody's rename.
    say(" %s", operations[i].name);
    errno = 0;
    operations[i].run();
    flushLine();
}
