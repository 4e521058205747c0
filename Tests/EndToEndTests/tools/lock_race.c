// Tries to have the kernel lock a lower file: one thread puts it where a file of the guest's own has been, while another
// one locks what is at that descriptor number. No descriptor of the lower file is ever closed, so that a lock that was once
// got is not lost. Usage: lock_race LOWER OWN flock|description|process
// Prints "locked" at the end and keeps what it has until its standard input ends.
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

static int lower, own;
static atomic_int round_, target, done, delay;

static void *exchange(void *unused) {
    for (int seen = 0;;) {
        while (atomic_load(&round_) == seen) {}
        seen = atomic_load(&round_);
        if (seen < 0) return unused;
        for (volatile int i = 0; i < atomic_load(&delay); i++) {}
        dup2(lower, atomic_load(&target));
        atomic_store(&done, seen);
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    lower = open(argv[1], O_RDONLY);
    own = open(argv[2], O_RDWR | O_CREAT, 0600);
    if (lower < 0 || own < 0) return 1;
    pthread_t thread;
    if (pthread_create(&thread, NULL, exchange, NULL) != 0) return 1;
    for (int i = 1; i <= 3000; i++) {
        struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET};
        int number = dup(own);
        if (number < 0) break;
        atomic_store(&target, number);
        atomic_store(&delay, rand() % 30000);
        atomic_store(&round_, i);
        if (!strcmp(argv[3], "flock")) flock(number, LOCK_SH | LOCK_NB);
        else fcntl(number, strcmp(argv[3], "process") ? F_OFD_SETLK : F_SETLK, &lock);
        while (atomic_load(&done) != i) {}
    }
    printf("locked\n");
    fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0) {}
    return 0;
}
