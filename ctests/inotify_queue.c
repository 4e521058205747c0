// The descriptor and the calls themselves: flags, errors, masks, reading, waiting, merging, overflow, the end of a watch.
#include "inotify_events.h"
#include <sys/epoll.h>

static void prepare(void) {
    MUST(mkdir("dir", 0755));
    writeFile("file", "x");
    writeFile("secret", "x");
    MUST(symlink("file", "link"));
}

static void calls(void) {
    CHECK_ERRNO(inotify_init1(1), EINVAL);
    int plain = (int)CHECK_OK(inotify_init1(0));
    CHECK_EQ(fcntl(plain, F_GETFD), 0);
    CHECK_EQ(fcntl(plain, F_GETFL) & (O_NONBLOCK | O_DIRECT | O_ACCMODE), 0);
    close(plain);
    int fd = (int)CHECK_OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_DIRECT | O_ACCMODE), O_NONBLOCK);
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    CHECK_STR(linkTarget(path), "anon_inode:inotify");
    CHECK_ERRNO(write(fd, "x", 1), EBADF);
    char buffer[512];
    CHECK_ERRNO(read(fd, buffer, sizeof buffer), EAGAIN);

    CHECK_ERRNO(inotify_add_watch(fd, "file", 0), EINVAL);
    CHECK_ERRNO(inotify_add_watch(fd, "file", 0x00800000), EINVAL);
    CHECK_ERRNO(inotify_add_watch(-1, "file", IN_MODIFY), EBADF);
    CHECK_ERRNO(inotify_add_watch(900, "file", IN_MODIFY), EBADF);
    CHECK_ERRNO(inotify_add_watch(fd, "file", IN_MODIFY | IN_MASK_ADD | IN_MASK_CREATE), EINVAL);
    int pipe[2], other = (int)CHECK_OK(open("file", O_RDONLY));
    CHECK_OK(pipe2(pipe, O_DIRECT));
    CHECK_ERRNO(inotify_add_watch(other, "file", IN_MODIFY), EINVAL);
    CHECK_ERRNO(inotify_add_watch(pipe[0], "file", IN_MODIFY), EINVAL);
    CHECK_ERRNO(inotify_rm_watch(pipe[0], 1), EINVAL);
    CHECK_ERRNO(inotify_rm_watch(900, 1), EBADF);
    CHECK_ERRNO(inotify_rm_watch(fd, 1), EINVAL);
    CHECK_ERRNO(inotify_add_watch(fd, "", IN_MODIFY), ENOENT);
    CHECK_ERRNO(inotify_add_watch(fd, "absent", IN_MODIFY), ENOENT);
    CHECK_ERRNO(inotify_add_watch(fd, "file/x", IN_MODIFY), ENOTDIR);
    CHECK_ERRNO(inotify_add_watch(fd, "file", IN_MODIFY | IN_ONLYDIR), ENOTDIR);
    CHECK_ERRNO(inotify_add_watch(fd, (char *)1, IN_MODIFY), EFAULT);
    int placeholder = (int)CHECK_OK(open("dir", O_PATH));
    CHECK_ERRNO(inotify_add_watch(placeholder, "file", IN_MODIFY), EBADF);
    close(placeholder);
    close(other);
    close(pipe[0]);
    close(pipe[1]);

    CHECK_EQ(inotify_add_watch(fd, "dir", IN_CREATE | IN_ONLYDIR), 1);
    CHECK_EQ(inotify_add_watch(fd, "./dir/.", IN_CREATE), 1);
    CHECK_EQ(inotify_add_watch(fd, "file", IN_MODIFY), 2);
    CHECK_EQ(inotify_add_watch(fd, "link", IN_MODIFY), 2);
    CHECK_EQ(inotify_add_watch(fd, "link", IN_ATTRIB | IN_DONT_FOLLOW), 3);
    CHECK_ERRNO(inotify_add_watch(fd, "file", IN_MODIFY | IN_MASK_CREATE), EEXIST);
    CHECK_OK(inotify_rm_watch(fd, 2));
    CHECK_EQ(inotify_add_watch(fd, "file", IN_MODIFY | IN_MASK_CREATE), 4);
    close(fd);
    if (isRoot()) {
        CHECK_OK(chmod("secret", 0200));
        IN_CHILD(become(NOBODY); int mine = (int)CHECK_OK(inotify_init()); CHECK_ERRNO(inotify_add_watch(mine, "secret", IN_ATTRIB), EACCES));
    }
}

static void masks(void) {
    // Replaced, and added to.
    struct Queue queue = queueOf("dir", IN_CREATE);
    writeFile("dir/a", "");
    CHECK_EVENTS(&queue, "CREATE a\n");
    CHECK_EQ(inotify_add_watch(queue.fd, "dir", IN_DELETE), 1);
    writeFile("dir/b", "");
    CHECK_EVENTS(&queue, "");
    CHECK_EQ(inotify_add_watch(queue.fd, "dir", IN_CREATE | IN_MASK_ADD), 1);
    writeFile("dir/c", "");
    CHECK_OK(unlink("dir/a"));
    CHECK_EVENTS(&queue, "CREATE c\nDELETE a\n");
    CHECK_EQ(inotify_add_watch(queue.fd, "dir", IN_MODIFY | IN_MASK_ADD), 1);
    writeFile("dir/c", "text");
    CHECK_EVENTS(&queue, "MODIFY c\n");
    CHECK_OK(inotify_rm_watch(queue.fd, 1));
    writeFile("dir/d", "");
    CHECK_EVENTS(&queue, "IGNORED\n");
    CHECK_EQ(inotify_add_watch(queue.fd, "dir", IN_DELETE), 2);
    CHECK_OK(unlink("dir/d"));
    CHECK_EVENTS(&queue, "DELETE d\n");
    close(queue.fd);

    queue = queueOf("dir", IN_DELETE | IN_ONESHOT);
    CHECK_OK(unlink("dir/c"));
    CHECK_OK(unlink("dir/b"));
    CHECK_EVENTS(&queue, "DELETE c\nIGNORED\n");
    queue.cookieCount = 0;
    CHECK_EQ(inotify_add_watch(queue.fd, "file", IN_MODIFY | IN_ONESHOT), 2);
    int fd = (int)CHECK_OK(open("file", O_WRONLY));
    CHECK_EQ(write(fd, "y", 1), 1);
    CHECK_EVENTS(&queue, "MODIFY\nIGNORED\n");
    CHECK_EQ(write(fd, "y", 1), 1);
    CHECK_EVENTS(&queue, "");
    close(fd);
    close(queue.fd);
}

static void reading(void) {
    struct Queue queue = queueOf("dir", IN_CREATE | IN_DELETE);
    int available = -1;
    CHECK_OK(ioctl(queue.fd, FIONREAD, &available));
    CHECK_EQ(available, 0);
    writeFile("dir/a-name-of-17-byte", "");
    CHECK_OK(ioctl(queue.fd, FIONREAD, &available));
    CHECK_EQ(available, 16 + 32);
    CHECK_OK(unlink("dir/a-name-of-17-byte"));
    CHECK_OK(ioctl(queue.fd, FIONREAD, &available));
    CHECK_EQ(available, 2 * (16 + 32));
    char buffer[4096] __attribute__((aligned(8)));
    // One event at least, and never a part of one.
    CHECK_EQ(read(queue.fd, buffer, 16 + 32 + 15), 16 + 32);
    struct inotify_event *event = (struct inotify_event *)buffer;
    CHECK_EQ(event->wd, 1);
    CHECK_EQ(event->mask, IN_CREATE);
    CHECK_EQ(event->len, 32);
    CHECK_STR(event->name, "a-name-of-17-byte");
    for (int i = 17; i < 32; i++) CHECK_EQ(event->name[i], 0);
    CHECK_EQ(read(queue.fd, buffer, sizeof buffer), 16 + 32);
    CHECK_EQ(event->mask, IN_DELETE);
    CHECK_ERRNO(read(queue.fd, buffer, sizeof buffer), EAGAIN);
    writeFile("dir/fifteen-letters", "");
    CHECK_OK(unlink("dir/fifteen-letters"));
    CHECK_LABEL("one-event-a-read", read(queue.fd, buffer, sizeof buffer) == 2 * (16 + 16));
    while (read(queue.fd, buffer, sizeof buffer) > 0) {}
    writeFile("dir/fifteen-letters", "");
    CHECK_ERRNO_LABEL("small-read", read(queue.fd, buffer, 16 + 15), EINVAL);
    while (read(queue.fd, buffer, sizeof buffer) > 0) {}
    CHECK_OK(unlink("dir/fifteen-letters"));
    while (read(queue.fd, buffer, sizeof buffer) > 0) {}
    writeFile("dir/fifteen-letters", "");
    CHECK_EQ(read(queue.fd, buffer, sizeof buffer), 16 + 16);
    writeFile("dir/sixteen--letters", "");
    CHECK_EQ(read(queue.fd, buffer, sizeof buffer), 16 + 32);
    char name[NAME_MAX + 8] = "dir/";
    memset(name + 4, 'n', NAME_MAX);
    writeFile(name, "");
    CHECK_EQ(read(queue.fd, buffer, sizeof buffer), 16 + 256);
    CHECK_STR(event->name, name + 4);
    CHECK_OK(unlink(name));
    CHECK_OK(unlink("dir/fifteen-letters"));
    CHECK_OK(unlink("dir/sixteen--letters"));
    CHECK_EVENTS(&queue, ({
        static char text[400];
        snprintf(text, sizeof text, "DELETE %s\nDELETE fifteen-letters\nDELETE sixteen--letters\n", name + 4);
        text;
    }));

    // The same again is reported once, as long as it is the last that waits.
    CHECK_EQ(inotify_add_watch(queue.fd, "file", IN_ATTRIB), 2);
    for (int i = 0; i < 5; i++) CHECK_OK(chmod("file", 0644));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_OK(chmod("file", 0644));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    close(queue.fd);
}

static void waiting(void) {
    // A blocking read, poll and epoll end when another process acts.
    int fd = (int)CHECK_OK(inotify_init());
    CHECK_OK(inotify_add_watch(fd, "dir", IN_CREATE | IN_MODIFY));
    pid_t child = fork();
    if (child == 0) {
        sleepMilliseconds(50);
        writeFile("dir/late", "");
        _exit(0);
    }
    char buffer[4096] __attribute__((aligned(8)));
    CHECK_EQ(read(fd, buffer, sizeof buffer), 32);
    CHECK_EXITS_OK(child);
    int epoll = (int)CHECK_OK(epoll_create1(0));
    struct epoll_event event = {.events = EPOLLIN};
    CHECK_OK(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event));
    CHECK_EQ(epoll_wait(epoll, &event, 1, 0), 0);
    child = fork();
    if (child == 0) {
        int writer = open("dir/late", O_WRONLY);
        sleepMilliseconds(50);
        _exit(write(writer, "text", 4) != 4);
    }
    CHECK_EQ(epoll_wait(epoll, &event, 1, 3000), 1);
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    CHECK_EQ(poll(&ready, 1, 0), 1);
    CHECK_EQ(read(fd, buffer, sizeof buffer), 32);
    CHECK_EQ(((struct inotify_event *)buffer)->mask, IN_MODIFY);
    CHECK_EXITS_OK(child);
    // A copy of the descriptor in another process reads the same queue.
    IN_CHILD(CHECK_OK(unlink("dir/late")); writeFile("dir/late", ""); CHECK_EQ(read(fd, buffer, sizeof buffer), 32));
    CHECK_OK(fcntl(fd, F_SETFL, O_NONBLOCK));
    CHECK_ERRNO(read(fd, buffer, sizeof buffer), EAGAIN);
    CHECK_OK(unlink("dir/late"));
    close(epoll);
    close(fd);
}

// More than the kernel keeps: the queue ends with an overflow, in order, and goes on when there is room.
static void overflow(void) {
    const char *text = readFile("/proc/sys/fs/inotify/max_queued_events");
    int bound = atoi(text);
    CHECK(bound > 0);
    if (bound > 32768) {
        SKIP_PART("%d events are too many to make", bound);
        return;
    }
    struct Queue queue = queueOf("file", IN_ATTRIB);
    CHECK_OK(inotify_add_watch(queue.fd, "dir", IN_ATTRIB));
    // Two inodes in turn, so that nothing is merged.
    for (int i = 0; i < bound / 2 + 300; i++) {
        if (chmod("file", 0644) != 0 || chmod("dir", 0755) != 0) {
            CHECK(!"chmod");
            return;
        }
    }
    char buffer[4096] __attribute__((aligned(8)));
    int count = 0, wrong = 0;
    struct inotify_event last = {0};
    struct pollfd ready = {.fd = queue.fd, .events = POLLIN};
    while (poll(&ready, 1, 200) == 1) {
        ssize_t got = read(queue.fd, buffer, sizeof buffer);
        if (got <= 0) break;
        for (char *at = buffer; at < buffer + got;) {
            struct inotify_event *event = (struct inotify_event *)at;
            at += sizeof *event + event->len;
            if (event->wd >= 0 && event->wd != count % 2 + 1) wrong++;
            last = *event;
            count++;
        }
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(last.mask, IN_Q_OVERFLOW);
    CHECK_EQ(last.wd, -1);
    CHECK(count >= bound && count < bound + 200);
    CHECK_OK(chmod("file", 0644));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    close(queue.fd);
}

// Instances that have been closed leave nothing behind: far more than the limit of instances one after another.
static void closing(void) {
    int made = 0;
    for (int i = 0; i < 400; i++) {
        int fd = inotify_init1(IN_CLOEXEC);
        // The supervisor may need a moment to hear of a close.
        for (int retry = 0; fd < 0 && errno == EMFILE && retry < 50; retry++) {
            sleepMilliseconds(10);
            fd = inotify_init1(IN_CLOEXEC);
        }
        if (fd < 0) break;
        made++;
        if (inotify_add_watch(fd, "dir", IN_ALL_EVENTS) != 1) break;
        close(fd);
    }
    CHECK_EQ(made, 400);
    writeFile("dir/last", "");
}

static void scenario(void) {
    calls();
    masks();
    reading();
    waiting();
    overflow();
    closing();
}

SCENARIO("inotify_queue", prepare, scenario)
