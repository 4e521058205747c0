// under_filter [NUMBER[:ARG&MASK]=ERRNO]... [listener] -- COMMAND [ARG...]
// Runs a command under a seccomp filter, as a container runtime would: `437=38` answers call 437 with error 38, whatever
// its arguments; `317:1&8=22` only if bit 3 of its second argument is set. `listener` gives the filter a user notification
// listener, which stays open in this process until the command has ended. Exit status: the command's, 127 or 126 if it
// cannot be executed; 124 for our own failures.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static struct sock_filter program[256];
static unsigned short length;

static void add(unsigned short code, unsigned char yes, unsigned char no, unsigned k) {
    if (length == sizeof program / sizeof *program) exit(124);
    program[length++] = (struct sock_filter){code, yes, no, k};
}

static void rule(const char *text) {
    char *end;
    unsigned number = (unsigned)strtoul(text, &end, 10), argument = 0, mask = 0;
    if (*end == ':') {
        argument = (unsigned)strtoul(end + 1, &end, 10);
        if (*end != '&') exit(124);
        mask = (unsigned)strtoul(end + 1, &end, 0);
    }
    if (*end != '=') exit(124);
    unsigned error = (unsigned)strtoul(end + 1, &end, 10);
    if (*end) exit(124);
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    add(BPF_JMP | BPF_JEQ | BPF_K, 0, mask ? 3 : 1, number);
    if (mask) {
        add(BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)offsetof(struct seccomp_data, args) + 8 * argument);
        add(BPF_JMP | BPF_JSET | BPF_K, 0, 1, mask);
    }
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error);
}

int main(int argc, char **argv) {
    unsigned long flags = 0;
    int at = 1;
    for (; at < argc && strcmp(argv[at], "--") != 0; at++) {
        if (strcmp(argv[at], "listener") == 0) flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
        else rule(argv[at]);
    }
    if (at + 1 >= argc) return 124;
    add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW);
    struct sock_fprog filter = {length, program};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter) < 0) {
        perror("under_filter: seccomp");
        return 124;
    }
    pid_t child = fork();
    if (child == 0) {
        // A path is executed as it is: execvp would give what is no program to a shell.
        if (strchr(argv[at + 1], '/')) execv(argv[at + 1], argv + at + 1);
        else execvp(argv[at + 1], argv + at + 1);
        _exit(errno == ENOENT ? 127 : 126);
    }
    int status;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR) return 124;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
