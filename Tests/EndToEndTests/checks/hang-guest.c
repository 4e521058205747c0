// The guests of hangs.sh: each tries to have the supervisor wait for something that is in the guest's power, or to have a call
// run that the supervisor means for itself. Prints `served` when another process of the sandbox is still answered.
//
// hang-guest vdso HOW DIRECTORY        a mapped file is copied up by another process when the vdso's `syscall` instructions are gone
// hang-guest shared PATH DIRECTORY     the one `syscall` instruction that is left is being rewritten by another process
// hang-guest stops DIRECTORY           the process whose mappings move is stopped and continued without end
// hang-guest exec                      execveat of a descriptor whose number is a FIFO the next moment; standard input is the FIFO
// hang-guest reopen                    open of /proc/self/fd/0, a FIFO without a writer
// hang-guest give-fifo PATH COMMAND... not in a sandbox: runs COMMAND with such a FIFO as standard input
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// The vdso may be gone.
static void pause_for(long milliseconds) {
    struct timespec time = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    syscall(SYS_nanosleep, &time, NULL);
}

static void say(const char *text) {
    if (write(1, text, strlen(text)) < 0) _exit(9);
}

/// Writes to the file, which has every mapping of it remapped, and then makes another served call.
static void write_to(const char *name) {
    int file = open(name, O_RDWR);
    if (file < 0 || pwrite(file, "changed", 7, 0) != 7) _exit(1);
    struct stat status;
    if (stat("/etc", &status) != 0) _exit(1);
    say("served\n");
    _exit(0);
}

static volatile char *map_lower(const char *name) {
    int file = open(name, O_RDONLY);
    if (file < 0) _exit(3);
    volatile char *map = mmap(NULL, 4096, PROT_READ, MAP_SHARED, file, 0);
    if (map == MAP_FAILED) _exit(3);
    return map;
}

static int vdso(const char *how, const char *directory) {
    if (chdir(directory) != 0) return 3;
    pid_t victim = fork();
    if (victim != 0) {
        // The victim may be killed; the sandbox goes on until the writer has been served.
        pid_t writer = fork();
        if (writer == 0) {
            pause_for(300);
            write_to("vdso-0");
        }
        int status;
        waitpid(writer, &status, 0);
        waitpid(victim, &status, 0);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }
    volatile char *map = map_lower("vdso-0");
    unsigned char *start = (unsigned char *)getauxval(AT_SYSINFO_EHDR);
    if (how[0] == 'm') {
        munmap(start, 8192);
    } else {
        if (mprotect(start, 8192, PROT_READ | PROT_WRITE | PROT_EXEC) != 0) return 3;
        for (int i = 0; i < 8191; i++)
            if (start[i] == 0x0f && start[i + 1] == 0x05) memcpy(start + i, how[0] == 'l' ? "\xeb\xfe" : "\x0f\x0b", 2);
    }
    // Busy, so that there is no other instruction either; or asleep in one.
    if (how[1] == 'b')
        for (;;) __asm__ volatile("" ::: "memory");
    pause_for(1500);
    if (memcmp((const void *)map, "changed", 7) == 0) say("coherent\n");
    return 0;
}

/// At 0x100 a `syscall` or a jump to 0x120, where a call of our own is made: if it succeeds, the kernel fills 0x500.
static void lay_stub(unsigned char *page, const char *path) {
    static const unsigned char call[] = {0xb8, 0x06, 0x01, 0x00, 0x00,        // mov $262, %eax: newfstatat
                                         0xbf, 0x9c, 0xff, 0xff, 0xff,        // mov $AT_FDCWD, %edi
                                         0x48, 0x8d, 0x35, 0,    0,    0, 0,  // lea 0x400(page), %rsi
                                         0x48, 0x8d, 0x15, 0,    0,    0, 0,  // lea 0x500(page), %rdx
                                         0x45, 0x31, 0xd2,                    // xor %r10d, %r10d
                                         0x0f, 0x05,                          // syscall
                                         0xeb, 0xfe};                         // for ever
    memcpy(page + 0x100, "\x0f\x05\xc3", 3);
    memcpy(page + 0x120, call, sizeof call);
    strcpy((char *)page + 0x400, path);
    // The displacements are relative to the end of each instruction.
    *(int32_t *)(page + 0x120 + 13) = 0x400 - (0x120 + 17);
    *(int32_t *)(page + 0x120 + 20) = 0x500 - (0x120 + 24);
}

static int shared(const char *path, const char *directory) {
    if (chdir(directory) != 0) return 3;
    unsigned char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED) return 3;
    lay_stub(page, path);
    pid_t flipper = fork();
    if (flipper == 0)
        for (;;) {
            *(volatile uint16_t *)(page + 0x100) = 0x1eeb;
            for (volatile int i = 0; i < 300; i++) {}
            *(volatile uint16_t *)(page + 0x100) = 0x050f;
            for (volatile int i = 0; i < 300; i++) {}
        }
    for (int round = 0; round < 12; round++) {
        char name[32];
        snprintf(name, sizeof name, "shared-%d", round);
        pid_t victim = fork();
        if (victim == 0) {
            map_lower(name);
            munmap((void *)getauxval(AT_SYSINFO_EHDR), 8192);
            // Comes back to it when it jumps: the stub loops, and only the parent ends it.
            for (;;) {
                long result = SYS_pause;
                __asm__ volatile("call *%1" : "+a"(result) : "r"(page + 0x100) : "rcx", "r11", "rdi", "rsi", "rdx", "r10", "memory");
            }
        }
        pause_for(30);
        pid_t writer = fork();
        if (writer == 0) write_to(name);
        int status;
        waitpid(writer, &status, 0);
        // Time for what was done to the victim to show.
        pause_for(10);
        kill(victim, SIGKILL);
        waitpid(victim, &status, 0);
    }
    kill(flipper, SIGKILL);
    // A victim makes the call in its own name too, and then it is served: the file is not there.
    for (int i = 0; i < (int)sizeof(struct stat); i++)
        if (page[0x500 + i] != 0) {
            say("NATIVE\n");
            break;
        }
    say("end\n");
    return 0;
}

static int stops(const char *directory) {
    if (chdir(directory) != 0) return 3;
    for (int round = 0; round < 8; round++) {
        char name[32];
        snprintf(name, sizeof name, "shared-%d", round);
        pid_t victim = fork();
        if (victim == 0) {
            map_lower(name);
            for (;;) __asm__ volatile("" ::: "memory");
        }
        pid_t stopper = fork();
        if (stopper == 0)
            for (;;) {
                kill(victim, SIGSTOP);
                kill(victim, SIGCONT);
            }
        pause_for(20);
        pid_t writer = fork();
        if (writer == 0) write_to(name);
        int status;
        waitpid(writer, &status, 0);
        kill(stopper, SIGKILL);
        kill(victim, SIGKILL);
        while (wait(NULL) > 0) {}
    }
    say("end\n");
    return 0;
}

static int memory, fifo = 0;
static char stack[65536];
static int flip(void *argument) {
    (void)argument;
    for (;;) {
        dup2(memory, 50);
        dup2(fifo, 50);
    }
    return 0;
}

static int race_exec(void) {
    memory = memfd_create("program", 0);
    int source = open("/bin/true", O_RDONLY);
    char buffer[65536];
    for (ssize_t count; (count = read(source, buffer, sizeof buffer)) > 0;)
        if (write(memory, buffer, (size_t)count) != count) return 3;
    fchmod(memory, 0755);
    pid_t flipper = clone(flip, stack + sizeof stack, CLONE_FILES | SIGCHLD, NULL);
    for (int i = 0; i < 300; i++) {
        pid_t child = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
        if (child == 0) {
            char *arguments[] = {"true", NULL}, *environment[] = {NULL};
            syscall(SYS_execveat, 50, "", arguments, environment, AT_EMPTY_PATH);
            _exit(1);
        }
        waitpid(child, NULL, 0);
    }
    kill(flipper, SIGKILL);
    say("end\n");
    return 0;
}

static int reopen(void) {
    pid_t other = fork();
    if (other == 0) {
        int file = open("/proc/self/fd/0", O_RDONLY);
        _exit(file < 0);
    }
    pause_for(200);
    struct stat status;
    if (stat("/etc", &status) == 0) say("served\n");
    kill(other, SIGKILL);
    return 0;
}

int main(int count, char **arguments) {
    const char *what = count > 1 ? arguments[1] : "";
    if (strcmp(what, "vdso") == 0 && count == 4) return vdso(arguments[2], arguments[3]);
    if (strcmp(what, "shared") == 0 && count == 4) return shared(arguments[2], arguments[3]);
    if (strcmp(what, "stops") == 0 && count == 3) return stops(arguments[2]);
    if (strcmp(what, "exec") == 0) return race_exec();
    if (strcmp(what, "reopen") == 0) return reopen();
    if (strcmp(what, "give-fifo") == 0 && count > 3) {
        int file = open(arguments[2], O_RDONLY | O_NONBLOCK);
        if (file < 0 || dup2(file, 0) != 0) return 3;
        fcntl(0, F_SETFL, 0);
        close(file);
        execvp(arguments[3], arguments + 3);
    }
    return 2;
}
