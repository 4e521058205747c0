// Reading an inotify queue as text, one line an event: `CREATE|DIR name`. The cookies of renames are numbered in the order
// they come: `MOVED_FROM#1 a`, `MOVED_TO#1 b`.
#ifndef INOTIFY_EVENTS_H
#define INOTIFY_EVENTS_H

#include "harness.h"
#include <poll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>

struct Queue {
    int fd;
    uint32_t cookies[64];
    int cookieCount;
};

static inline struct Queue newQueue(void) {
    struct Queue queue = {.fd = (int)CHECK_OK(inotify_init1(IN_NONBLOCK | IN_CLOEXEC))};
    return queue;
}

// A queue with one watch.
static inline struct Queue queueOf(const char *path, uint32_t mask) {
    struct Queue queue = newQueue();
    CHECK_EQ(inotify_add_watch(queue.fd, path, mask), 1);
    return queue;
}

static inline void describeEvent(struct Queue *queue, const struct inotify_event *event, char *text, size_t size) {
    static const struct {
        uint32_t bit;
        const char *name;
    } names[] = {
        {IN_ACCESS, "ACCESS"},
        {IN_MODIFY, "MODIFY"},
        {IN_ATTRIB, "ATTRIB"},
        {IN_CLOSE_WRITE, "CLOSE_WRITE"},
        {IN_CLOSE_NOWRITE, "CLOSE_NOWRITE"},
        {IN_OPEN, "OPEN"},
        {IN_MOVED_FROM, "MOVED_FROM"},
        {IN_MOVED_TO, "MOVED_TO"},
        {IN_CREATE, "CREATE"},
        {IN_DELETE, "DELETE"},
        {IN_DELETE_SELF, "DELETE_SELF"},
        {IN_MOVE_SELF, "MOVE_SELF"},
        {IN_Q_OVERFLOW, "Q_OVERFLOW"},
        {IN_IGNORED, "IGNORED"},
        {IN_ISDIR, "DIR"},
    };
    size_t length = 0;
    uint32_t left = event->mask;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (left & names[i].bit) {
            length += (size_t)snprintf(text + length, size - length, "%s%s", length ? "|" : "", names[i].name);
            left &= ~names[i].bit;
        }
    if (left) length += (size_t)snprintf(text + length, size - length, "|0x%x", left);
    if (event->cookie) {
        int index = 0;
        while (index < queue->cookieCount && queue->cookies[index] != event->cookie) index++;
        if (index == queue->cookieCount && index < 64) queue->cookies[queue->cookieCount++] = event->cookie;
        length += (size_t)snprintf(text + length, size - length, "#%d", index + 1);
    }
    if (event->len) length += (size_t)snprintf(text + length, size - length, " %s", event->name);
    snprintf(text + length, size - length, "\n");
}

// What is in the queue until it equals `wanted` (or does not in three seconds) and nothing follows. `wd` chooses one watch.
static inline const char *eventsOf(struct Queue *queue, int wd, const char *wanted) {
    static char text[65536];
    char last[512] = "";
    size_t length = 0;
    text[0] = 0;
    double end = seconds() + 3;
    for (;;) {
        bool isComplete = strcmp(text, wanted) == 0;
        struct pollfd ready = {.fd = queue->fd, .events = POLLIN};
        int timeout = isComplete ? 40 : (int)((end - seconds()) * 1000);
        if (timeout < 0) timeout = 0;
        if (poll(&ready, 1, timeout) <= 0) return text;
        char buffer[8192] __attribute__((aligned(8)));
        ssize_t got = read(queue->fd, buffer, sizeof buffer);
        if (got <= 0) return text;
        for (char *at = buffer; at < buffer + got;) {
            struct inotify_event *event = (struct inotify_event *)at;
            at += sizeof *event + event->len;
            if (wd && event->wd != wd) continue;
            char line[512];
            describeEvent(queue, event, line, sizeof line);
            // Two reads or writes in a row may be reported once or twice: it depends on when the first is read.
            bool mayRepeat = (event->mask & (IN_ACCESS | IN_MODIFY)) != 0;
            if (mayRepeat && strcmp(line, last) == 0) continue;
            strcpy(last, line);
            length += (size_t)snprintf(text + length, sizeof text - length, "%s", line);
        }
    }
}

static inline bool harnessEvents(int line, struct Queue *queue, int wd, const char *wanted) {
    const char *actual = eventsOf(queue, wd, wanted);
    return harnessCheck(line, NULL, strcmp(actual, wanted) == 0, "events are\n%sexpected\n%s", actual, wanted);
}

#define CHECK_EVENTS(queue, wanted) harnessEvents(__LINE__, queue, 0, wanted)

#endif
