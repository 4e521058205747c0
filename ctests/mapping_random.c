// A random walk over descriptors and mappings of lower files. Several processes open, map, unmap, move, write and fork, as
// one of them sends each its commands, keeps a model of what each must see, and compares. Beside them
// another process causes copy-ups all the time, with threads that look on. MAPPING_RANDOM_STEPS, _SEED and _FILES set the
// length, the start and how many lower files there are (the last at prepare too): a file is in use for 50 steps.
#include "harness.h"
#include <linux/futex.h>
#include <pthread.h>

#define PAGE 4096
#define PAGES 6
#define ACTORS 4
#define MAPS 12
#define FDS 10
#define WINDOW 5
#define NOISES 256

static int setting(const char *name, int otherwise) {
    const char *text = getenv(name);
    return text ? atoi(text) : otherwise;
}
static long steps(void) { return setting("MAPPING_RANDOM_STEPS", 10000); }
static int files(void) { return setting("MAPPING_RANDOM_FILES", (int)(steps() / 50)); }

static void makeFile(const char *name, uint32_t base) {
    int fd = (int)MUST(open(name, O_CREAT | O_WRONLY | O_TRUNC, 0644));
    char bytes[PAGES * PAGE] = "";
    for (uint32_t p = 0; p < PAGES; p++) {
        uint32_t value = base + p;
        memcpy(bytes + p * PAGE, &value, sizeof value);
    }
    MUST(write(fd, bytes, sizeof bytes) == sizeof bytes ? 0 : -1);
    close(fd);
}

static void prepare(void) {
    char name[32];
    for (int f = 0; f < files(); f++) {
        snprintf(name, sizeof name, "walk%d", f);
        makeFile(name, (uint32_t)f * PAGES);
    }
    for (int f = 0; f < NOISES; f++) {
        snprintf(name, sizeof name, "noise%d", f);
        makeFile(name, 7);
    }
}

// MARK: - The actors: they perform commands, and know nothing

enum Op { OPEN, MAP, UNMAP, MOVE, PEEK, POKE, READ, WRITE, SEEK, CLOSE, PROTECT, FORK, EMPTY, DISCARD, QUIT };
struct Command {
    enum Op op;
    int file, flags, fd, target;
    char *at, *to;
    long offset, length;
    uint32_t value;
};
// To PEEK the answer is the first word of each page that is not hidden.
struct Reply {
    long result;
    uint32_t words[PAGES];
};
static int commands[ACTORS][2], replies[ACTORS][2];

static long obey(const struct Command *c) {
    char name[32];
    uint32_t value;
    switch (c->op) {
        case OPEN:
            snprintf(name, sizeof name, "walk%d", c->file);
            return open(name, c->flags);
        case MAP:
            return (long)mmap(NULL, (size_t)c->length, c->value, c->flags, c->fd, c->offset);
        case UNMAP:
            return munmap(c->at, (size_t)c->length);
        case MOVE:
            return (long)mremap(c->at, (size_t)c->length, (size_t)c->length, MREMAP_MAYMOVE | MREMAP_FIXED,
                                mmap(NULL, (size_t)c->length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
        case POKE:
            *(volatile uint32_t *)c->at = c->value;
            return 0;
        case READ:
            return read(c->fd, &value, sizeof value) == sizeof value ? (long)value : -1;
        case WRITE:
            return pwrite(c->fd, &c->value, sizeof c->value, c->offset);
        case SEEK:
            return lseek(c->fd, c->offset, SEEK_SET);
        case CLOSE:
            return close(c->fd);
        case PROTECT:
            return mprotect(c->at, (size_t)c->length, (int)c->value);
        case DISCARD:
            return madvise(c->at, (size_t)c->length, MADV_DONTNEED);
        case EMPTY:
            snprintf(name, sizeof name, "walk%d", c->file);
            return truncate(name, c->length);
        default:
            return 0;
    }
}

static void act(int self) {
    struct Command c;
    // The end of the one that sends the commands is the end of all.
    for (int a = 0; a < ACTORS; a++) close(commands[a][1]);
    while (read(commands[self][0], &c, sizeof c) == sizeof c) {
        struct Reply reply = {0};
        if (c.op == QUIT) _exit(write(replies[self][1], &reply, sizeof reply) < 0);
        if (c.op == FORK) {
            // The middle one goes, so that the new actor is no actor's child to wait for.
            pid_t middle = fork();
            if (middle == 0) {
                if (fork() != 0) _exit(0);
                self = c.target;
                continue;
            }
            waitpid(middle, NULL, 0);
        } else if (c.op == PEEK) {
            for (int p = 0; p < c.length; p++)
                if (!(c.flags >> p & 1)) reply.words[p] = *(volatile uint32_t *)(c.at + p * PAGE);
        } else reply.result = obey(&c);
        if (reply.result == -1) reply.result = -errno;
        if (write(replies[self][1], &reply, sizeof reply) != sizeof reply) _exit(1);
    }
    _exit(0);
}

static struct Reply ask(int actor, struct Command c) {
    struct Reply reply;
    MUST(write(commands[actor][1], &c, sizeof c) == sizeof c ? 0 : -1);
    if (read(replies[actor][0], &reply, sizeof reply) != sizeof reply) {
        printf("  FAILED: mapping_random: actor %d is gone\n", actor);
        tally->failures++;
        exit(1);
    }
    return reply;
}
static long perform(int actor, struct Command c) { return ask(actor, c).result; }

// MARK: - The model

struct Description {
    int file, references;
    bool writes;
    long offset;
};
struct Mapping {
    bool used, shared, writes;
    int file, first, count, opaque;
    char *at;
    uint32_t own[PAGES];
    bool dirty[PAGES];
};
struct Actor {
    bool lives;
    int fd[FDS], description[FDS];
    struct Mapping map[MAPS];
};

static uint32_t (*content)[PAGES];
static struct Description descriptions[4096];
static struct Actor actors[ACTORS];
static uint64_t state;
static uint32_t fresh = 1u << 24;

static uint32_t pick(uint32_t bound) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % bound;
}

static int freeDescription(void) {
    for (int d = 0; d < 4096; d++)
        if (!descriptions[d].references) return d;
    return -1;
}

static void checkMapping(int a, struct Mapping *m, long step) {
    struct Reply reply = ask(a, (struct Command){.op = PEEK, .at = m->at, .length = m->count, .flags = m->opaque});
    for (int p = 0; p < m->count; p++) {
        if (m->opaque >> p & 1) continue;
        uint32_t expected = m->dirty[p] ? m->own[p] : content[m->file][m->first + p], seen = reply.words[p];
        if (!harnessCheck(__LINE__, NULL, seen == expected, "step %ld: actor %d sees %u in page %d of its %s mapping of walk%d, not %u", step, a, seen,
                          m->first + p, m->shared ? "shared" : "private", m->file, expected))
            exit(harnessEnd());
    }
}

static void checkAll(long step) {
    for (int a = 0; a < ACTORS; a++)
        for (int m = 0; actors[a].lives && m < MAPS; m++)
            if (actors[a].map[m].used) checkMapping(a, &actors[a].map[m], step);
}

static void closeFd(int a, int i) {
    struct Actor *actor = &actors[a];
    if (actor->fd[i] < 0) return;
    CHECK_EQ(perform(a, (struct Command){.op = CLOSE, .fd = actor->fd[i]}), 0);
    descriptions[actor->description[i]].references--;
    actor->fd[i] = -1;
}

static void unmap(int a, struct Mapping *m) {
    if (m->used) CHECK_EQ(perform(a, (struct Command){.op = UNMAP, .at = m->at, .length = m->count * PAGE}), 0);
    m->used = false;
}

static void forkActor(int a) {
    int b = (int)pick(ACTORS);
    if (b == a) return;
    if (actors[b].lives) {
        for (int i = 0; i < FDS; i++)
            if (actors[b].fd[i] >= 0) descriptions[actors[b].description[i]].references--;
        // Answered, so that its successor does not read this command.
        CHECK_EQ(perform(b, (struct Command){.op = QUIT}), 0);
    }
    CHECK_EQ(perform(a, (struct Command){.op = FORK, .target = b}), 0);
    actors[b] = actors[a];
    for (int i = 0; i < FDS; i++)
        if (actors[b].fd[i] >= 0) descriptions[actors[b].description[i]].references++;
}

static void step(long number) {
    int a = (int)pick(ACTORS);
    struct Actor *actor = &actors[a];
    if (!actor->lives) return;
    int file = (int)((number / 50 + pick(WINDOW)) % files()), i = (int)pick(FDS);
    struct Mapping *m = &actor->map[pick(MAPS)];
    struct Description *d = actor->fd[i] >= 0 ? &descriptions[actor->description[i]] : NULL;
    switch (pick(17)) {
        case 0:
        case 1:
        case 2: {
            closeFd(a, i);
            int slot = freeDescription();
            bool writes = pick(5) == 0;
            actor->fd[i] = (int)CHECK_OK(perform(a, (struct Command){.op = OPEN, .file = file, .flags = writes ? O_RDWR : O_RDONLY}));
            descriptions[slot] = (struct Description){.file = file, .references = 1, .writes = writes};
            actor->description[i] = slot;
            break;
        }
        case 3:
        case 4:
        case 5: {
            if (!d) break;
            unmap(a, m);
            *m = (struct Mapping){.used = true, .shared = pick(2), .file = d->file, .first = (int)pick(PAGES)};
            m->count = 1 + (int)pick((uint32_t)(PAGES - m->first));
            m->writes = !m->shared || d->writes;
            m->at = (char *)perform(a, (struct Command){.op = MAP,
                                                        .length = m->count * PAGE,
                                                        .value = PROT_READ | (m->writes ? PROT_WRITE : 0),
                                                        .fd = actor->fd[i],
                                                        .flags = m->shared ? MAP_SHARED : MAP_PRIVATE,
                                                        .offset = m->first * PAGE});
            CHECK((long)m->at > 0);
            break;
        }
        case 6:
            unmap(a, m);
            break;
        case 7:  // The tail goes.
            if (!m->used || m->count < 2) break;
            m->count--;
            CHECK_EQ(perform(a, (struct Command){.op = UNMAP, .at = m->at + m->count * PAGE, .length = PAGE}), 0);
            break;
        case 8:
            // mremap takes one kernel mapping at a time, and what is protected in part is several.
            if (!m->used || m->opaque) break;
            m->at = (char *)perform(a, (struct Command){.op = MOVE, .at = m->at, .length = m->count * PAGE});
            CHECK((long)m->at > 0);
            break;
        case 9:
        case 10: {
            if (!m->used || !m->writes) break;
            int p = (int)pick((uint32_t)m->count);
            if (m->opaque >> p & 1) break;
            uint32_t value = fresh++;
            perform(a, (struct Command){.op = POKE, .at = m->at + p * PAGE, .value = value});
            if (m->shared) content[m->file][m->first + p] = value;
            else m->dirty[p] = true, m->own[p] = value;
            break;
        }
        case 11:
        case 12: {
            if (!d || !d->writes) break;
            int p = (int)pick(PAGES);
            CHECK_EQ(perform(a, (struct Command){.op = WRITE, .fd = actor->fd[i], .value = fresh, .offset = p * PAGE}), 4);
            content[d->file][p] = fresh++;
            break;
        }
        case 13: {
            if (!d) break;
            // The position is shared by every copy of the description, wherever it has gone.
            if (pick(2) || d->offset % PAGE || d->offset / PAGE >= PAGES) {
                d->offset = (long)pick(PAGES) * PAGE;
                CHECK_EQ(perform(a, (struct Command){.op = SEEK, .fd = actor->fd[i], .offset = d->offset}), d->offset);
            }
            CHECK_EQ(perform(a, (struct Command){.op = READ, .fd = actor->fd[i]}), content[d->file][d->offset / PAGE]);
            d->offset += 4;
            break;
        }
        case 14: {
            if (!m->used || pick(3)) break;
            int p = (int)pick((uint32_t)m->count);
            bool hidden = m->opaque >> p & 1;
            int protection = hidden ? PROT_READ | (m->writes ? PROT_WRITE : 0) : PROT_NONE;
            CHECK_EQ(perform(a, (struct Command){.op = PROTECT, .at = m->at + p * PAGE, .length = PAGE, .value = (uint32_t)protection}), 0);
            m->opaque ^= 1 << p;
            break;
        }
        case 15:
            if (pick(4) == 0) forkActor(a);
            // truncate(2) to the size it has copies up and changes nothing.
            else if (pick(8) == 0) CHECK_EQ(perform(a, (struct Command){.op = EMPTY, .file = file, .length = PAGES * PAGE}), 0);
            break;
        case 16: {
            // A private page that is discarded is the file's again, as it is now.
            if (!m->used) break;
            int p = (int)pick((uint32_t)m->count);
            CHECK_EQ(perform(a, (struct Command){.op = DISCARD, .at = m->at + p * PAGE, .length = PAGE}), 0);
            m->dirty[p] = false;
            break;
        }
    }
    if (m->used) checkMapping(a, m, number);
}

// MARK: - The noise

// Each watcher takes the address once and looks at it for a while, then says so: nothing may be unmapped while one of them,
// which may be without a CPU for long, can still have its address.
#define WATCHERS 2
static volatile uint32_t *_Atomic watched;
static atomic_uint looks[WATCHERS];
static atomic_bool quiet, wrong;
static void *watch(void *argument) {
    atomic_uint *mine = argument;
    while (!quiet) {
        volatile uint32_t *at = watched;
        for (int i = 0; at && i < 200; i++)
            if (at[PAGE / 4] != 8) wrong = true;
        // It waits for nothing: the others need the CPU too.
        usleep(100);
        ++*mine;
        syscall(SYS_futex, mine, FUTEX_WAKE_PRIVATE, 1);
    }
    return NULL;
}

struct Former {
    void *at;
    unsigned looks[WATCHERS];
};
static void retire(struct Former *former, void *at) {
    for (int i = 0; former->at && i < WATCHERS; i++)
        while (looks[i] == former->looks[i]) syscall(SYS_futex, &looks[i], FUTEX_WAIT_PRIVATE, former->looks[i], NULL);
    if (former->at) munmap(former->at, PAGES * PAGE);
    former->at = at;
    for (int i = 0; i < WATCHERS; i++) former->looks[i] = looks[i];
}

static void noise(int end) {
    pthread_t threads[WATCHERS];
    for (int a = 0; a < ACTORS; a++) close(commands[a][1]);
    for (int i = 0; i < WATCHERS; i++) MUST(pthread_create(&threads[i], NULL, watch, &looks[i]));
    struct timespec soon = {0, 2000000};
    char byte;
    struct Former former[16] = {{NULL}};
    fcntl(end, F_SETFL, O_NONBLOCK);
    for (unsigned round = 0, f = 0; read(end, &byte, 1) < 0 && errno == EAGAIN; round++, f = round % NOISES) {
        char name[32];
        snprintf(name, sizeof name, "noise%u", f);
        int fd = (int)CHECK_OK(open(name, O_RDONLY));
        volatile uint32_t *at = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
        if (!CHECK(at != MAP_FAILED)) break;
        watched = at;
        uint32_t value = fresh++;
        // The writer is a vforked child: its parent is in the kernel and cannot be asked to remap anything until it ends.
        pid_t child = vfork();
        if (child == 0) {
            int writer = open(name, O_WRONLY);
            _exit(writer < 0 || pwrite(writer, &value, sizeof value, 0) != sizeof value);
        }
        CHECK_EXITS_OK(child);
        uint32_t seen = 0;
        CHECK_EQ(at[0], value);
        CHECK_EQ(pread(fd, &seen, sizeof seen, 0), 4);
        CHECK_EQ(seen, value);
        // A sleep of exactly this length, whatever happens to the thread meanwhile.
        CHECK_EQ(nanosleep(&soon, NULL), 0);
        watched = NULL;
        close(fd);
        retire(&former[round % 16], (void *)at);
    }
    quiet = true;
    for (int i = 0; i < WATCHERS; i++) pthread_join(threads[i], NULL);
    CHECK(!wrong);
    _exit(0);
}

static void scenario(void) {
    state = (uint64_t)setting("MAPPING_RANDOM_SEED", 1);
    content = calloc((size_t)files(), sizeof *content);
    for (int f = 0; f < files(); f++)
        for (int p = 0; p < PAGES; p++) content[f][p] = (uint32_t)(f * PAGES + p);
    for (int a = 0; a < ACTORS; a++) {
        MUST(pipe(commands[a]));
        MUST(pipe(replies[a]));
        for (int i = 0; i < FDS; i++) actors[a].fd[i] = -1;
    }
    int end[2];
    MUST(pipe(end));
    pid_t beside = fork();
    if (beside == 0) {
        close(end[1]);
        noise(end[0]);
    }
    for (int a = 0; a < ACTORS; a++) {
        actors[a].lives = true;
        if (fork() == 0) {
            close(end[1]);
            act(a);
        }
    }
    for (long number = 0; number < steps(); number++) {
        step(number);
        if (number % 100 == 99) checkAll(number);
    }
    checkAll(steps());
    for (int a = 0; a < ACTORS; a++) CHECK_EQ(perform(a, (struct Command){.op = QUIT}), 0);
    CHECK_EQ(write(end[1], "x", 1), 1);
    CHECK_EXITS_OK(beside);
}

SCENARIO("mapping_random", prepare, scenario)
