// What the parts of the random differential test share: the sequence and its arguments (generator.c), the operations
// (operations.h, operations.c), and what is logged of inodes and trees (tree.c).
#ifndef DIFFERENTIAL_H
#define DIFFERENTIAL_H
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <unistd.h>

#define SLOTS 10
#define PAGE 4096
#define DEPTH 10  // directories above the root of the test, so that `..` and symlinks do not lead out of DIR

// MARK: - generator.c

extern uint64_t state;    // of the sequence
extern int slots[SLOTS];  // descriptors that the operations hold; -1 for none
extern int rootFd;        // the root of the test
extern char rootPath[4096];

uint64_t next(void);
unsigned below(unsigned n);
bool chance(unsigned percent);

__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
void sayName(const char *name);
void flushLine(void);
extern uint64_t *aside;  // a digest that lines go to instead of the log
const char *errorName(int number);
long result(long value);  // says `ok` or the error's name, and returns value
long amount(long value);  // says the number or the error's name
uint64_t hash(const void *bytes, size_t size);

struct Place {
    int at;
    char path[2048];
};
const char *component(void);
void remember(const char *path);
void makePath(char *path);
struct Place place(void);
int slot(void);
int slotToOpen(void);
bool isPath(int i);
void keep(int i, int fd);
const char *fill(size_t size);
off_t offset(void);
size_t length(void);
extern int channel;  // of a peer, to the first process; -1 in that one
bool sendDescriptor(int peer, int fd);
void receiveDescriptor(void);

// MARK: - operations.c and mappings.c

void prepareOperations(void);  // in mappings.c
void printOperations(void);
void step(int depth);  // one operation; depth > 0 in a child
void goHome(void);

// MARK: - tree.c

extern bool pinning;
void sayTime(const char *name, const struct timespec *time);
void sayStat(const struct stat *s);
void sayPath(int at, const char *path);
void sayDescriptor(int fd);
void sayEntries(int fd);
void sayAttributes(int fd, const char *path);
void sayTail(int fd);  // reads a directory in parts, changes it between, and checks what the rest brings
void dump(int parent, const char *name, int level);
void dumpQuietly(long number);  // one line: the digest of what dump would say
void must(long value, const char *what);
void populate(int layer);  // makes one layer's population in the working directory

#endif
