// What the attacks share: a table entry per attack, and what the referee lets an attacker know (the strongest attacker: it
// knows each pid, address, port and name that it goes for). The same function runs natively, where it must do harm, and
// inside, where it must not; the referee judges both by the state of the host. A secret counts as leaked when it is printed.
#ifndef ESCAPE_ATTACK_H
#define ESCAPE_ATTACK_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

// How an attack is set up, and where it is shown. Referee and attacks both read this list.
enum {
    TERMINAL = 1 << 0,        // a terminal of its own on 0, 1 and 2, controlling
    WRITABLE_BIND = 1 << 1,   // --bind ARENA/rw:/rw
    TWO_RUNS = 1 << 2,        // --upper DIR, and the attack is run twice over it; ESCAPE_PHASE is 1, then 2
    UPPER = 1 << 3,           // --upper DIR, one run
    HOST_ROOT = 1 << 4,       // --rootfs / instead of ARENA/root
    EXHAUSTS = 1 << 5,        // --size 64M; supervisor and store together stay under 128 MB
    NOT_BY_ROOT = 1 << 6,     // means nothing where the caller is root
    NATIVE_ROOT = 1 << 7,     // natively it takes root (in the cage)
    MAY_BE_REFUSED = 1 << 8,  // vedette may refuse the configuration with status 125
    STDIN_TERMINAL = 1 << 9,  // standard input is a read-only descriptor of a terminal, the rest is a pipe
    AFTERWARDS = 1 << 10,     // diff, export and apply of the upper directory are part of the run
    LEAKY_PARENT = 1 << 11,   // the caller of vedette has descriptors open that are not close-on-exec
    PASSED_FD = 1 << 12,      // --fd 9: a read-only descriptor of ARENA/outside/stdin
    ROOT_CALLER = 1 << 13,    // means nothing where the caller is not root
    NO_FAKE_ROOT = 1 << 14,   // as the caller is, not as root inside
    MOUNT_PROC = 1 << 16,     // the host has such a file system mounted at ARENA/root/pseudo
    MOUNT_SYSFS = 1 << 17,
    MOUNT_MQUEUE = 1 << 18,
    MOUNT_CGROUP = 1 << 19,
    MOUNT_DEVPTS = 1 << 20,
    MOUNT_DEBUGFS = 1 << 21,
    MOUNT_BINFMT = 1 << 22,
    PID_ORACLE = 1 << 23,        // ESCAPE_PIDS are 16 pids, about half of them alive; the attack prints PIDS: and 16 bits
    NO_SUPERVISOR = 1 << 24,     // natively there is no supervisor to harm: said in the table
    TOO_DANGEROUS = 1 << 25,     // natively it would harm this machine: said in the table
    GUESTS_MEMORY = 1 << 27,     // what it takes is the guest's own memory, which `--size` does not bound: the supervisor's is judged alone
    NOT_ON_THIS_HOST = 1 << 26,  // this kernel or set-up cannot show it: the description says why
};

struct attack {
    const char *class, *name, *kind, *about, *options;
    unsigned flags;
    void (*run)(void);
    struct attack *next;
};
void enlist(struct attack *);

// Each file defines CLASS. KIND is what would be seen of a success: change, leak or deny.
#define ATTACK_WITH(NAME, KIND, FLAGS, OPTIONS, ABOUT)                                         \
    static void NAME(void);                                                                    \
    __attribute__((constructor)) static void enlist_##NAME(void) {                             \
        static struct attack entry = {CLASS, #NAME, #KIND, ABOUT, OPTIONS, FLAGS, NAME, NULL}; \
        enlist(&entry);                                                                        \
    }                                                                                          \
    static void NAME(void)
#define ATTACK(NAME, KIND, FLAGS, ABOUT) ATTACK_WITH(NAME, KIND, FLAGS, "", ABOUT)

// Fixed places in the victim (victim.c).
#define VICTIM_ADDRESS 0x200000000ul
enum { VICTIM_PIPE = 50, VICTIM_MEMFD = 51, VICTIM_FILE = 52, VICTIM_CANARY = 53, VICTIM_PTY = 54 };

extern bool inside;
const char *knows(const char *name);  // ESCAPE_NAME of the environment, "" if absent
int knowsNumber(const char *name);
const char *in(const char *path);            // a path of the guest's tree: below ARENA/root natively
const char *out(const char *path);           // the absolute host path of ARENA/outside/PATH
int victim(void);                            // the pid of a process of the host, of the caller's user
void leak(const void *bytes, size_t count);  // prints what was found
void leakText(const char *text);
void leakFile(int fd);  // prints what the descriptor gives (64 KiB at most)
void leakPath(const char *path);
void deface(int fd);                      // writes to it, by position 0
void say(const char *what, long result);  // the log: what came of a step, with errno
void hold(void);                          // the referee looks at the host now; returns after a while
void hostPids(void (*each)(int pid));     // the victim, the runner, our ancestors, the supervisor
pid_t forked(void);                       // fork, with the child bounded by an alarm
double now(void);
double span(void);  // how much longer than usual the attacks that make many of something take
// Flips one byte of a shared string between two values while `race` is called for `seconds`.
void flipping(char *text, size_t at, char first, char second, double seconds, void (*race)(void));
// Two strings that take turns in one buffer.
void swapping(char *buffer, const char *first, const char *second, double seconds, void (*race)(void));
int sendDescriptors(int socket, const int *fds, int count);
int receiveDescriptor(int socket);
int unixSocket(const char *path, bool abstract, int type, struct sockaddr_un *address, socklen_t *length);
#endif
