// /proc/self and /proc/PID: that every file a program reads is there, in the kernel's format, and shows the truth.
#include "harness.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/mman.h>

static void prepare(void) {
    writeFile("mapped", "mapped");
    MUST(mkdir("dir", 0755));
}

static bool lineIs(const char *path, const char *key, const char *value) {
    const char *text = readFile(path), *at = text;
    size_t length = strlen(key);
    while (at && strncmp(at, key, length)) at = (at = strchr(at, '\n')) ? at + 1 : NULL;
    if (!at) return false;
    at += length + strspn(at + length, " \t");
    return strncmp(at, value, strlen(value)) == 0 && strchr(" \t\n", at[strlen(value)]);
}

static void links(void) {
    char wanted[PATH_MAX + 64], path[64];
    CHECK_EQ(atoi(linkTarget("/proc/self")), getpid());
    CHECK_STR(linkTarget("/proc/self/cwd"), scratch);
    CHECK_STR(linkTarget("/proc/self/root"), "/");
    CHECK_STR(linkTarget("/proc/self/exe"), selfPath);
    snprintf(wanted, sizeof wanted, "%d/task/%d", getpid(), getpid());
    CHECK_STR(linkTarget("/proc/thread-self"), wanted);

    int fd = (int)CHECK_OK(open("mapped", O_RDWR | O_APPEND));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    snprintf(wanted, sizeof wanted, "%s/mapped", scratch);
    CHECK_STR(linkTarget(path), wanted);
    struct stat a, b = fstatOf(fd);
    CHECK_OK(stat(path, &a));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_OK(lstat(path, &a));
    CHECK(S_ISLNK(a.st_mode));
    CHECK_EQ(a.st_mode & 0777, 0700);
    CHECK_OK(rename("mapped", "dir/renamed"));
    snprintf(wanted, sizeof wanted, "%s/dir/renamed", scratch);
    CHECK_STR(linkTarget(path), wanted);
    CHECK_OK(rename("dir/renamed", "mapped"));
    int ends[2];
    MUST(pipe(ends));
    snprintf(path, sizeof path, "/proc/self/fd/%d", ends[0]);
    const char *pipeName = linkTarget(path);
    CHECK(pipeName && strncmp(pipeName, "pipe:[", 6) == 0);
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    CHECK_EQ(lseek(fd, 3, SEEK_SET), 3);
    CHECK(lineIs(path, "pos:", "3"));
    CHECK(lineIs(path, "flags:", "0102002"));
    CHECK(strstr(readFile(path), "mnt_id:") != NULL);
    snprintf(path, sizeof path, "/proc/self/fd/%d", 999);
    CHECK_ERRNO(readlink(path, wanted, 10), ENOENT);

    // The directory lists what is open, its own descriptor with it.
    DIR *directory = opendir("/proc/self/fd");
    int seen = 0;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) seen += atoi(entry->d_name) == fd || atoi(entry->d_name) == ends[1];
    CHECK_EQ(seen, 2);
    if (directory) closedir(directory);
    // Opening through the link is a new description of the same file.
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = (int)CHECK_OK(open(path, O_RDONLY));
    CHECK_EQ(lseek(again, 0, SEEK_CUR), 0);
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    CHECK_OK(stat(path, &a));
    CHECK_EQ(a.st_ino, b.st_ino);
    close(again);
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void statusAndStat(void) {
    char value[64];
    CHECK(lineIs("/proc/self/status", "Name:", "proc_self"));
    snprintf(value, sizeof value, "%d", getpid());
    CHECK(lineIs("/proc/self/status", "Pid:", value));
    CHECK(lineIs("/proc/self/status", "Tgid:", value));
    snprintf(value, sizeof value, "%d", getppid());
    CHECK(lineIs("/proc/self/status", "PPid:", value));
    CHECK(lineIs("/proc/self/status", "Umask:", "0022"));
    CHECK(lineIs("/proc/self/status", "Threads:", "1"));
    CHECK(lineIs("/proc/self/status", "State:", "R (running)"));
    // Programs look at this line to see whether a debugger is there.
    CHECK(lineIs("/proc/self/status", "TracerPid:", "0"));
    static const char *const keys[] = {
        "\nVmSize:", "\nVmRSS:",  "\nSigBlk:", "\nSigIgn:", "\nSigCgt:", "\nCapEff:", "\nCpus_allowed_list:", "\nvoluntary_ctxt_switches:",
        "\nFDSize:", "\nSeccomp:"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) CHECK(strstr(readFile("/proc/self/status"), keys[i]) != NULL);

    const char *text = readFile("/proc/self/stat");
    snprintf(value, sizeof value, "%d (proc_self) R %d %d %d ", getpid(), getppid(), getpgrp(), getsid(0));
    CHECK(strncmp(text, value, strlen(value)) == 0);
    int fields = 2;
    for (const char *at = strrchr(text, ')') + 1; *at; at++) fields += *at == ' ';
    CHECK_EQ(fields, 52);
    int pages, resident, shared;
    CHECK_EQ(sscanf(readFile("/proc/self/statm"), "%d %d %d", &pages, &resident, &shared), 3);
    CHECK(pages > resident && resident >= shared && resident > 0);
    text = readFile("/proc/self/cmdline");
    CHECK(strstr(text, "proc_self") != NULL);
    CHECK_STR(readFile("/proc/self/comm"), "proc_self\n");
    int fd = open("/proc/self/comm", O_WRONLY);
    if (fd < 0 && errno == EACCES && geteuid() == 0) {
        SKIP_PART("--isolation no-namespaces: a caller who may write to the host's /proc/sys is kept from all of /proc");
    } else {
        CHECK_OK(fd);
        CHECK_EQ(write(fd, "renamed", 7), 7);
        close(fd);
        CHECK(lineIs("/proc/self/status", "Name:", "renamed"));
    }
    CHECK(strstr(readFile("/proc/self/limits"), "Max open files") != NULL);
    CHECK(strstr(readFile("/proc/self/io"), "rchar: ") != NULL);
    CHECK_EQ(atoi(readFile("/proc/self/oom_score_adj")), atoi(readFile("/proc/self/oom_score_adj")));
    CHECK(readFile("/proc/self/oom_score_adj")[0] != '(');
    CHECK(strstr(readFile("/proc/self/cgroup"), ":/") != NULL);
}

static void maps(void) {
    char wanted[PATH_MAX + 8];
    int fd = (int)CHECK_OK(open("mapped", O_RDONLY));
    char *at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    struct stat s = fstatOf(fd);
    const char *text = readFile("/proc/self/maps");
    CHECK(strstr(text, selfPath) != NULL);
    CHECK(strstr(text, "[stack]") != NULL);
    CHECK(strstr(text, "[heap]") != NULL || sbrk(0) != NULL);
    CHECK(strstr(text, "[vdso]") != NULL);
    CHECK(strstr(text, "/libc") != NULL);
    char start[64];
    snprintf(start, sizeof start, "%lx-%lx r--s 00000000 ", (unsigned long)at, (unsigned long)at + 4096);
    const char *line = strstr(text, start);
    CHECK(line != NULL);
    if (line) {
        unsigned major, minor;
        unsigned long inode;
        CHECK_EQ(sscanf(line + strlen(start), "%x:%x %lu", &major, &minor, &inode), 3);
        CHECK_EQ(inode, s.st_ino);
        snprintf(wanted, sizeof wanted, "%s/mapped\n", scratch);
        const char *name = strchr(line, '/');
        CHECK(name && strncmp(name, wanted, strlen(wanted)) == 0);
    }
    CHECK_OK(unlink("mapped"));
    CHECK(strstr(readFile("/proc/self/maps"), "/mapped (deleted)\n") != NULL);
    // The program itself is mapped with execution, from the file that /proc/self/exe names.
    struct stat exe;
    char inode[32];
    CHECK_OK(stat("/proc/self/exe", &exe));
    snprintf(inode, sizeof inode, " %lu ", (unsigned long)exe.st_ino);
    text = readFile("/proc/self/maps");
    const char *own = strstr(text, selfPath);
    while (own > text && own[-1] != '\n') own--;
    CHECK(own && strstr(own, inode) && strstr(own, inode) < strchr(own, '\n'));
    close(fd);
}

static void *waits(void *argument) {
    char byte;
    (void)!read(*(int *)argument, &byte, 1);
    return NULL;
}

static void tasksAndOthers(void) {
    int ends[2];
    MUST(pipe(ends));
    pthread_t thread;
    pthread_create(&thread, NULL, waits, &ends[0]);
    DIR *directory = opendir("/proc/self/task");
    int tasks = 0;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) tasks += entry->d_name[0] != '.';
    CHECK_EQ(tasks, 2);
    if (directory) closedir(directory);
    CHECK(lineIs("/proc/self/status", "Threads:", "2"));
    CHECK_EQ(write(ends[1], "x", 1), 1);
    pthread_join(thread, NULL);

    pid_t child = fork();
    char path[64], value[32];
    if (child == 0) {
        CHECK_OK(chdir("dir"));
        CHECK_EQ(write(ends[1], "r", 1), 1);
        for (;;) pause();
    }
    char byte;
    CHECK_EQ(read(ends[0], &byte, 1), 1);
    snprintf(path, sizeof path, "/proc/%d/status", child);
    snprintf(value, sizeof value, "%d", getpid());
    CHECK(lineIs(path, "PPid:", value));
    snprintf(path, sizeof path, "/proc/%d/cwd", child);
    char wanted[PATH_MAX + 8];
    snprintf(wanted, sizeof wanted, "%s/dir", scratch);
    CHECK_STR(linkTarget(path), wanted);
    int held = (int)CHECK_OK(open(path, O_PATH | O_DIRECTORY));
    CHECK_EQ(fstatOf(held).st_ino, statOf("dir").st_ino);
    snprintf(path, sizeof path, "/proc/%d", child);
    int own = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
    CHECK_OK(kill(child, SIGKILL));
    statusOf(child);
    CHECK(!exists(path));
    // A descriptor of a dead process's directory finds nothing, whoever gets the number next.
    CHECK(openat(own, "status", O_RDONLY) == -1 && (errno == ENOENT || errno == ESRCH));
    CHECK_ERRNO(open("/proc/self/missing", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/self/status/x", O_RDONLY), ENOTDIR);
    CHECK(mkdir("/proc/self/new", 0700) == -1);
    CHECK(unlink("/proc/self/status") == -1);
    struct stat s;
    CHECK_OK(stat("/proc/self/status", &s));
    CHECK_EQ(s.st_size, 0);
    CHECK(S_ISREG(s.st_mode));
}

// The directory of a process is a pidfd to pidfd_send_signal(2), and nothing else is.
static void pidfds(void) {
    pid_t child = fork();
    if (child == 0)
        for (;;) pause();
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", child);
    int process = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
    snprintf(path, sizeof path, "/proc/%d/task/%d", child, child);
    int task = (int)CHECK_OK(open(path, O_RDONLY | O_DIRECTORY));
    int other = (int)CHECK_OK(open("dir", O_RDONLY | O_DIRECTORY));
    int handle = (int)CHECK_OK(open("/proc/self", O_PATH | O_DIRECTORY));
    CHECK_OK(syscall(SYS_pidfd_send_signal, process, 0, NULL, 0));
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, process, 0, NULL, 256), EINVAL);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, process, 65, NULL, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, task, 0, NULL, 0), EBADF);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, other, 0, NULL, 0), EBADF);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, handle, 0, NULL, 0), EBADF);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, 99, 0, NULL, 0), EBADF);
    CHECK_OK(syscall(SYS_pidfd_send_signal, process, SIGTERM, NULL, 0));
    int status = statusOf(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    CHECK_ERRNO(syscall(SYS_pidfd_send_signal, process, 0, NULL, 0), ESRCH);
    close(process);
    close(task);
    close(other);
    close(handle);
}

static void scenario(void) {
    links();
    pidfds();
    maps();
    statusAndStat();
    tasksAndOthers();
}

SCENARIO("proc_self", prepare, scenario)
