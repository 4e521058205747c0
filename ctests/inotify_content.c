// What is reported of a file's content: reads, writes, truncation and closes, by whatever process and descriptor, before and
// after the file's copy-up. The watch is on the inode (kubernetes/test-infra#5859).
#include "inotify_events.h"

static void prepare(void) {
    writeFile("lower", "lower\n");
    writeFile("early", "early\n");
    writeFile("cut", "0123456789");
    writeFile("cut2", "0123456789");
    writeFile("read", "0123456789");
    writeFile("opened", "opened\n");
    MUST(mkdir("dir", 0755));
    MUST(mkdir("both", 0755));
    writeFile("dir/a", "a\n");
    writeFile("dir/b", "b\n");
    writeFile("dir/busy", "busy\n");
    writeFile("dir/early", "early\n");
    writeFile("both/one", "one\n");
    MUST(link("both/one", "two"));
    MUST(system("cp /bin/true program") == 0 ? 0 : -1);
}

static void append(const char *path, const char *text) {
    int fd = (int)CHECK_OK(open(path, O_WRONLY | O_APPEND));
    CHECK_EQ(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

#define CONTENT (IN_OPEN | IN_ACCESS | IN_MODIFY | IN_CLOSE)

// Whether the modification comes before or after the open depends on the kernel's version: one queue for each.
static void truncatedByOpen(const char *path) {
    struct Queue modified = queueOf(path, IN_MODIFY), opened = queueOf(path, IN_OPEN | IN_CLOSE);
    close((int)CHECK_OK(open(path, O_WRONLY | O_TRUNC)));
    CHECK_EVENTS(&modified, "MODIFY\n");
    CHECK_EVENTS(&opened, "OPEN\nCLOSE_WRITE\n");
    close(modified.fd);
    close(opened.fd);
}

static void files(void) {
    char buffer[64];
    // Copy-up happens under the watch; another process writes.
    struct Queue queue = queueOf("lower", IN_MODIFY);
    IN_CHILD(append("lower", "one\n"));
    CHECK_EVENTS(&queue, "MODIFY\n");
    IN_CHILD(append("lower", "two\n"));
    CHECK_EVENTS(&queue, "MODIFY\n");
    append("lower", "three\n");
    CHECK_EVENTS(&queue, "MODIFY\n");
    close(queue.fd);

    // All that is done with an open file, of a lower file and of an upper one.
    for (int round = 0; round < 2; round++) {
        queue = queueOf("read", CONTENT);
        int fd = (int)CHECK_OK(open("read", O_RDONLY));
        CHECK_EVENTS(&queue, "OPEN\n");
        CHECK_EQ(read(fd, buffer, 4), 4);
        CHECK_EVENTS(&queue, "ACCESS\n");
        close(fd);
        CHECK_EVENTS(&queue, "CLOSE_NOWRITE\n");
        fd = (int)CHECK_OK(open("read", O_RDWR));
        CHECK_EQ(pwrite(fd, "x", 1, 0), 1);
        CHECK_OK(ftruncate(fd, 5 + round));
        close(fd);
        CHECK_EVENTS(&queue, "OPEN\nMODIFY\nCLOSE_WRITE\n");
        close(queue.fd);
    }

    // A descriptor that was opened for reading before the copy-up, by somebody who watches afterwards.
    int early = (int)CHECK_OK(open("early", O_RDONLY));
    queue = queueOf("early", IN_MODIFY | IN_CLOSE_NOWRITE | IN_ACCESS);
    IN_CHILD(append("early", "more\n"));
    CHECK_EVENTS(&queue, "MODIFY\n");
    CHECK_EQ(read(early, buffer, sizeof buffer), 11);
    CHECK_EVENTS(&queue, "ACCESS\n");
    close(early);
    CHECK_EVENTS(&queue, "CLOSE_NOWRITE\n");
    close(queue.fd);

    // Truncation, by name and by O_TRUNC; the first of a lower file, the second of an upper one.
    const char *const names[] = {"cut", "cut2"};
    for (int i = 0; i < 2; i++) {
        queue = queueOf(names[i], CONTENT);
        CHECK_OK(truncate(names[i], 4));
        CHECK_EVENTS(&queue, "MODIFY\n");
        CHECK_OK(truncate(names[i], 3));
        CHECK_EVENTS(&queue, "MODIFY\n");
        truncatedByOpen(names[i]);
        CHECK(strlen(eventsOf(&queue, 0, "OPEN\nMODIFY\nCLOSE_WRITE\n")) == strlen("OPEN\nMODIFY\nCLOSE_WRITE\n"));
        struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = 1000}};
        CHECK_OK(utimensat(AT_FDCWD, names[i], times, 0));
        CHECK_EVENTS(&queue, "MODIFY\n");
        times[0] = times[1];
        times[1].tv_nsec = UTIME_OMIT;
        CHECK_OK(utimensat(AT_FDCWD, names[i], times, 0));
        CHECK_EVENTS(&queue, "ACCESS\n");
        close(queue.fd);
    }
    truncatedByOpen("opened");
}

static void directories(void) {
    char buffer[64];
    // Opened before anybody watched.
    int busy = (int)CHECK_OK(open("dir/busy", O_WRONLY));
    int early = (int)CHECK_OK(open("dir/early", O_RDONLY));
    struct Queue queue = queueOf("dir", CONTENT);
    CHECK_EQ(write(busy, "BUSY", 4), 4);
    CHECK_EVENTS(&queue, "MODIFY busy\n");
    CHECK_EQ(read(early, buffer, 1), 1);
    CHECK_EVENTS(&queue, "ACCESS early\n");
    close(busy);
    close(early);
    CHECK_EVENTS(&queue, "CLOSE_WRITE busy\nCLOSE_NOWRITE early\n");

    IN_CHILD(append("dir/a", "more\n"));
    CHECK_EVENTS(&queue, "OPEN a\nMODIFY a\nCLOSE_WRITE a\n");
    // The name is the one it has at the time.
    int fd = (int)CHECK_OK(open("dir/b", O_RDWR));
    CHECK_OK(rename("dir/b", "dir/c"));
    CHECK_EQ(write(fd, "B", 1), 1);
    close(fd);
    CHECK_EVENTS(&queue, "OPEN b\nMODIFY c\nCLOSE_WRITE c\n");
    writeFile("dir/new", "new\n");
    CHECK_EVENTS(&queue, "OPEN new\nMODIFY new\nCLOSE_WRITE new\n");
    fd = (int)CHECK_OK(open("dir/new", O_RDWR));
    CHECK_OK(unlink("dir/new"));
    CHECK_EQ(write(fd, "B", 1), 1);
    close(fd);
    CHECK_EVENTS(&queue, "OPEN new\nMODIFY new\nCLOSE_WRITE new\n");
    close(queue.fd);

    // IN_EXCL_UNLINK: what has no name any more is of no interest.
    writeFile("dir/new", "new\n");
    queue = queueOf("dir", IN_MODIFY | IN_CLOSE | IN_EXCL_UNLINK);
    fd = (int)CHECK_OK(open("dir/new", O_RDWR));
    CHECK_OK(unlink("dir/new"));
    CHECK_EQ(write(fd, "B", 1), 1);
    close(fd);
    CHECK_EVENTS(&queue, "");
    close(queue.fd);

    // Reading the directory itself.
    queue = queueOf("dir", IN_OPEN | IN_CLOSE | IN_ACCESS);
    fd = (int)CHECK_OK(open("dir", O_RDONLY | O_DIRECTORY));
    CHECK(syscall(SYS_getdents64, fd, (char[4096]){0}, 4096) > 0);
    close(fd);
    CHECK_EVENTS(&queue, "OPEN|DIR\nACCESS|DIR\nCLOSE_NOWRITE|DIR\n");
    close(queue.fd);

    // A watch on a file and one on its directory, in one instance: both are notified, the directory first.
    queue = queueOf("both", IN_MODIFY);
    CHECK_EQ(inotify_add_watch(queue.fd, "both/one", IN_MODIFY), 2);
    IN_CHILD(append("both/one", "x"));
    CHECK_EVENTS(&queue, "MODIFY one\nMODIFY\n");
    // Written by its other name: the directory has nothing to do with that.
    IN_CHILD(append("two", "x"));
    CHECK_EVENTS(&queue, "MODIFY\n");
    close(queue.fd);
}

// A program that is run is opened, and closed when the last of its processes ends.
static void programs(void) {
    struct Queue queue = queueOf("program", IN_OPEN | IN_CLOSE);
    IN_CHILD(execl("./program", "program", NULL));
    CHECK_EVENTS(&queue, "OPEN\nCLOSE_NOWRITE\n");
    close(queue.fd);
}

static void scenario(void) {
    files();
    directories();
    programs();
}

SCENARIO("inotify_content", prepare, scenario)
