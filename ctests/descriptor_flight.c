// A descriptor of a lower file is in flight while thousands of other files are opened, and is the same file when it comes
// back: for every call that changes a file by its descriptor, and by the name /proc has for it.
#include "harness.h"
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/xattr.h>

static const char *const names[] = {"truncated", "moded", "owned", "timed", "marked", "linked", "opened", "mapped"};
enum { COUNT = sizeof names / sizeof names[0], OTHERS = 4500 };

static void prepare(void) {
    for (int i = 0; i < COUNT; i++) writeFile(names[i], "0123456789");
}

// By sendmmsg, which no sandbox need look at, where sendmsg is looked at.
static void send_(int socket, int fd) {
    char byte = 'd', control[CMSG_SPACE(sizeof(int))] = "";
    struct iovec part = {&byte, 1};
    struct mmsghdr message = {.msg_hdr = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control}};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message.msg_hdr);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof fd);
    CHECK_EQ(sendmmsg(socket, &message, 1, 0), 1);
}

static int receive(int socket) {
    int fd = -1;
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(socket, &message, 0), 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (CHECK(header != NULL)) memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void scenario(void) {
    int pair[2];
    ino_t inodes[COUNT];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    for (int i = 0; i < COUNT; i++) {
        int fd = (int)CHECK_OK(open(names[i], O_RDONLY));
        inodes[i] = fstatOf(fd).st_ino;
        send_(pair[0], fd);
        close(fd);
    }
    MUST(mkdir("others", 0755));
    for (int i = 0; i < OTHERS; i++) {
        char name[32];
        snprintf(name, sizeof name, "others/%d", i);
        int fd = (int)MUST(open(name, O_CREAT | O_RDWR, 0644));
        close(fd);
    }
    for (int i = 0; i < COUNT; i++) {
        int fd = receive(pair[1]);
        char link[32], wanted[PATH_MAX + 64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        snprintf(wanted, sizeof wanted, "%s/%s", scratch, names[i]);
        CHECK_EQ(fstatOf(fd).st_ino, inodes[i]);
        CHECK_EQ(fstatOf(fd).st_dev, statOf(names[i]).st_dev);
        CHECK_STR(linkTarget(link), wanted);
        if (!strcmp(names[i], "truncated")) {
            CHECK_OK(open(link, O_RDONLY | O_TRUNC));
            CHECK_EQ(statOf(names[i]).st_size, 0);
        } else if (!strcmp(names[i], "moded")) {
            CHECK_OK(fchmod(fd, 0640));
            CHECK_EQ(statOf(names[i]).st_mode & 07777, 0640);
        } else if (!strcmp(names[i], "owned")) {
            CHECK_OK(fchown(fd, getuid(), getgid()));
        } else if (!strcmp(names[i], "timed")) {
            struct timespec times[2] = {{1, 0}, {2, 0}};
            CHECK_OK(futimens(fd, times));
            CHECK_EQ(statOf(names[i]).st_mtim.tv_sec, 2);
        } else if (!strcmp(names[i], "marked")) {
            if (fsetxattr(fd, "user.x", "y", 1, 0) == -1 && errno == EOPNOTSUPP) SKIP_PART("no extended attributes here");
            else CHECK_EQ(getxattr(names[i], "user.x", NULL, 0), 1);
        } else if (!strcmp(names[i], "linked")) {
            CHECK_OK(linkat(AT_FDCWD, link, AT_FDCWD, "linked-too", AT_SYMLINK_FOLLOW));
            CHECK_EQ(statOf("linked-too").st_ino, inodes[i]);
        } else if (!strcmp(names[i], "opened")) {
            int writer = (int)CHECK_OK(open(link, O_RDWR));
            CHECK_EQ(write(writer, "abc", 3), 3);
            char byte;
            // What was received is the same file still.
            CHECK_EQ(pread(fd, &byte, 1, 0), 1);
            CHECK_EQ(byte, 'a');
            close(writer);
        } else {
            char *page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
            if (!CHECK(page != MAP_FAILED)) continue;
            writeFile(names[i], "changed");
            CHECK_EQ(page[0], 'c');
        }
        close(fd);
    }
}

SCENARIO("descriptor_flight", prepare, scenario)
