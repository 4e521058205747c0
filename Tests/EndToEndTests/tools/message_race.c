// message_race ROUNDS: a thread has its descriptors sent to the supervisor (flock with a shared table, getsockname), while another one
// overwrites the memory below its stack pointer, where the message is laid, and a third one exchanges the descriptors.
// Whatever comes of a call, the run goes on, and without the others every call is right again. Prints "right".
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

static atomic_uintptr_t place;
static atomic_int done, stopped;
static int file, other, listener, pair[2];

static void *scribble(void *unused) {
    unsigned seed = 1;
    while (!atomic_load(&place)) {}
    while (!atomic_load(&done)) {
        seed = seed * 1103515245 + 12345;
        // Words of the red zone's far side, of the message and of what lies behind it: numbers that are descriptors, lengths, junk.
        int *word = (int *)(atomic_load(&place) - 128) - 1 - (seed >> 8) % 64;
        *(volatile int *)word = seed % 3 == 0 ? (int)(seed >> 16) % 12 : seed % 3 == 1 ? (int)seed : 20;
    }
    atomic_store(&stopped, 1);
    return unused;
}
static void *exchange(void *unused) {
    while (!atomic_load(&done)) {
        dup2(other, file + 100);
        dup2(pair[0], file + 100);
        dup2(file, file + 100);
    }
    return unused;
}
// No function is called: the stack below is the message's alone.
static inline __attribute__((always_inline)) long call(long number, long a, long b, long c) {
    long result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return result;
}
static __attribute__((noinline)) int work(int rounds) {
    struct sockaddr_un address;
    socklen_t length;
    int good = 0;
    uintptr_t pointer;
    __asm__ volatile("mov %%rsp, %0" : "=r"(pointer));
    atomic_store(&place, pointer);
    for (int i = 0; i < rounds; i++) {
        length = sizeof address;
        good += call(SYS_getsockname, listener, (long)&address, (long)&length) == 0;
        good += call(SYS_flock, file + 100, LOCK_EX | LOCK_NB, 0) == 0;
        call(SYS_flock, file + 100, LOCK_UN, 0);
    }
    // Functions are called again: not before the last word has been written.
    atomic_store(&done, 1);
    while (!atomic_load(&stopped)) {}
    return good;
}
int main(int argc, char **argv) {
    int rounds = argc > 1 ? atoi(argv[1]) : 100;
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "raced"};
    file = open("own", O_RDWR | O_CREAT, 0600);
    other = open("own", O_RDONLY);
    listener = socket(AF_UNIX, SOCK_STREAM, 0);
    if (file < 0 || other < 0 || socketpair(AF_UNIX, SOCK_STREAM, 0, pair) || bind(listener, (struct sockaddr *)&address, sizeof address)) return 1;
    dup2(file, file + 100);
    pthread_t threads[2];
    if (pthread_create(&threads[0], NULL, scribble, NULL) || pthread_create(&threads[1], NULL, exchange, NULL)) return 1;
    fprintf(stderr, "message_race: %d calls of %d succeeded\n", work(rounds), 2 * rounds);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    // With one more thread, so that the table is shared still.
    atomic_store(&done, 0);
    if (pthread_create(&threads[0], NULL, exchange, NULL)) return 1;
    // An unlock may have met the other description.
    if (flock(file, LOCK_UN)) {
        perror("flock");
        return 1;
    }
    for (int i = 0; i < 20; i++) {
        socklen_t length = sizeof address;
        if (getsockname(listener, (struct sockaddr *)&address, &length) || length != sizeof(sa_family_t) + sizeof "raced") {
            perror("getsockname");
            return 1;
        }
        if (flock(other, LOCK_SH) || flock(other, LOCK_UN)) {
            perror("flock");
            return 1;
        }
    }
    puts("right");
    return 0;
}
