// Two programs for demo-coherence.sh: `reader FILE` maps a file shared and keeps a descriptor of it, says what both show,
// waits until somebody has written, and says it again; `writer FILE` changes the file in place.
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static int reader(const char *path) {
    char text[4] = "", done[4096];
    int fd = open(path, O_RDONLY);
    if (fd < 0) return perror(path), 1;
    const volatile char *mapping = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    if (mapping == MAP_FAILED) return perror("mmap"), 1;
    printf("%.3s", (const char *)mapping);
    snprintf(done, sizeof done, "%s.mapped", path);
    close(open(done, O_CREAT | O_WRONLY, 0644));
    snprintf(done, sizeof done, "%s.written", path);
    for (int i = 0; access(done, F_OK) != 0; i++) {
        if (i == 3000) return fprintf(stderr, "nobody wrote\n"), 1;
        usleep(10000);
    }
    if (pread(fd, text, 3, 0) != 3) return perror("pread"), 1;
    printf(" %.3s %s\n", (const char *)mapping, text);
    return 0;
}

static int writer(const char *path) {
    int fd = open(path, O_WRONLY);
    if (fd < 0 || pwrite(fd, "new", 3, 0) != 3) return perror(path), 1;
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "reader") == 0) return reader(argv[2]);
    if (argc == 3 && strcmp(argv[1], "writer") == 0) return writer(argv[2]);
    fprintf(stderr, "usage: coherence reader|writer FILE\n");
    return 2;
}
