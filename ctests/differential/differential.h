// What the three parts of the random differential test share: the sequence and its arguments (generator.c), the operations
// (operations.c), and what is told of inodes and trees (tree.c).
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
#include <sys/xattr.h>
#include <unistd.h>

#define SLOTS 10
#define PAGE 4096
#define DEPTH 10 // directories above the root of the test, so that `..` and symlinks do not lead out of DIR

// MARK: - generator.c

extern uint64_t state;          // of the sequence
extern int slots[SLOTS];        // descriptors that the operations hold; -1 for none
extern int rootFd;              // the root of the test
extern char rootPath[4096];

uint64_t next(void);
unsigned below(unsigned n);
bool chance(unsigned percent);

__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
void sayName(const char *name);
void flushLine(void);
const char *errorName(int number);
long result(long value);        // says `ok` or the error's name, and returns value
long amount(long value);        // says the number or the error's name
uint64_t hash(const void *bytes, size_t size);

struct Place { int at; char path[2048]; };
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

// MARK: - operations.c

void prepareOperations(void);
void step(int depth);           // one operation; depth > 0 in a child
void goHome(void);

// MARK: - tree.c

extern bool pinning;
void sayStat(const struct stat *s);
void sayPath(int at, const char *path);
void sayDescriptor(int fd);
void sayEntries(int fd);
void sayAttributes(int fd, const char *path);
void dump(int parent, const char *name, int level);
void must(long value, const char *what);
void populate(int layer);       // makes one layer's population in the working directory

#endif
