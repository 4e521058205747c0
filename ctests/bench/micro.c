// The micro-benchmark: nanoseconds per operation, one line each: `NAME NS`.
//
//   micro [DIRECTORY] [MILLISECONDS]     every operation, each for at least that long (default: . and 200)
//
// It works in a fresh directory below DIRECTORY, which it removes. `stat hit` and `open+close` look at a file that was
// there before (the program itself), so that inside a sandbox they show a lower file; the rest works on new files.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *existing;
static int file;
static char block[4096];

static void fail(const char *what) {
  fprintf(stderr, "micro: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static void statHit(unsigned i) {
  struct stat status;
  (void)i;
  if (stat(existing, &status) != 0) fail("stat");
}

static void statMissing(unsigned i) {
  struct stat status;
  (void)i;
  if (stat("no-such-name", &status) == 0) fail("stat of a missing name");
}

static void openClose(unsigned i) {
  (void)i;
  int descriptor = open(existing, O_RDONLY | O_CLOEXEC);
  if (descriptor < 0 || close(descriptor) != 0) fail("open");
}

static void name(char *buffer, const char *prefix, unsigned i) { sprintf(buffer, "%s%u", prefix, i); }

static void create(unsigned i) {
  char path[32];
  name(path, "c", i);
  int descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (descriptor < 0 || close(descriptor) != 0) fail("create");
}

static void renameOne(unsigned i) {
  char from[32], to[32];
  name(from, "c", i);
  name(to, "r", i);
  if (rename(from, to) != 0) fail("rename");
}

static void unlinkOne(unsigned i) {
  char path[32];
  name(path, "r", i);
  if (unlink(path) != 0) fail("unlink");
}

static void makeRemoveDirectory(unsigned i) {
  (void)i;
  if (mkdir("directory", 0755) != 0 || rmdir("directory") != 0) fail("mkdir+rmdir");
}

static void readOne(unsigned i) {
  if (pread(file, block, sizeof block, (off_t)(i % 16) * 4096) != sizeof block) fail("pread");
}

static void writeOne(unsigned i) {
  if (pwrite(file, block, sizeof block, (off_t)(i % 16) * 4096) != sizeof block) fail("write");
}

static void mapUnmap(unsigned i) {
  (void)i;
  void *address = mmap(NULL, 65536, PROT_READ, MAP_PRIVATE, file, 0);
  if (address == MAP_FAILED || munmap(address, 65536) != 0) fail("mmap+munmap");
}

static void forkExec(unsigned i) {
  (void)i;
  pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) {
    execl("/bin/true", "true", (char *)NULL);
    _exit(127);
  }
  int status;
  if (waitpid(child, &status, 0) != child || status != 0) fail("exec of /bin/true");
}

// At least `budget` nanoseconds of one operation, and the best of three such runs.
static double repeat(void (*operation)(unsigned), uint64_t budget) {
  double best = 1e18;
  for (int round = 0; round < 3; round++) {
    uint64_t begin = now(), end = begin, count = 0;
    while (end - begin < budget / 3) {
      for (int i = 0; i < 16; i++) operation((unsigned)count++);
      end = now();
    }
    double one = (double)(end - begin) / (double)count;
    if (one < best) best = one;
  }
  return best;
}

// Exactly `count` of one operation, once: what cannot be repeated without the next one.
static double once(void (*operation)(unsigned), unsigned count) {
  uint64_t begin = now();
  for (unsigned i = 0; i < count; i++) operation(i);
  return (double)(now() - begin) / count;
}

static void show(const char *label, double nanoseconds) {
  printf("%s %.1f\n", label, nanoseconds);
  fflush(stdout);
}

int main(int argc, char **argv) {
  uint64_t budget = (argc > 2 ? strtoull(argv[2], NULL, 10) : 200) * 1000000u;
  char directory[] = "micro.XXXXXX";
  char *self = realpath("/proc/self/exe", NULL);
  existing = self ? self : "/bin/true";
  if (argc > 1 && chdir(argv[1]) != 0) fail(argv[1]);
  if (mkdtemp(directory) == NULL || chdir(directory) != 0) fail("mkdtemp");
  file = open("file", O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) fail("file");
  for (unsigned i = 0; i < 16; i++) writeOne(i);

  show("stat-hit", repeat(statHit, budget));
  show("stat-ENOENT", repeat(statMissing, budget));
  show("open+close", repeat(openClose, budget));
  // As many files as the budget allows, all there at once.
  unsigned files = (unsigned)(budget / 100000u) + 200;
  show("create", once(create, files));
  show("rename", once(renameOne, files));
  show("unlink", once(unlinkOne, files));
  show("mkdir+rmdir", repeat(makeRemoveDirectory, budget));
  show("pread", repeat(readOne, budget));
  show("write", repeat(writeOne, budget));
  show("mmap+munmap", repeat(mapUnmap, budget));
  show("fork+exec", repeat(forkExec, budget));

  if (unlink("file") != 0 || chdir("..") != 0 || rmdir(directory) != 0) fail("cleaning up");
  return 0;
}
