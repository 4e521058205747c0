// Unix sockets bound to paths: names given back as they were bound, errors, permissions, peers, rename and unlink.
#include "harness.h"
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static void prepare(void) {
    MUST(mkdir("dir", 0755));
    writeFile("file", "x");
}

static socklen_t address(struct sockaddr_un *a, const char *path) {
    memset(a, 0, sizeof *a);
    a->sun_family = AF_UNIX;
    strcpy(a->sun_path, path);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
}

static long bindTo(int fd, const char *path) {
    struct sockaddr_un a;
    return bind(fd, (struct sockaddr *)&a, address(&a, path));
}

static long connectTo(int fd, const char *path) {
    struct sockaddr_un a;
    return connect(fd, (struct sockaddr *)&a, address(&a, path));
}

static int stream(void) { return (int)CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); }

// There the sentry connects for the guest, and refuses what would name its target in memory that the guest can change.
static bool isWithoutNamespaces(void) {
    if (!getenv("VEDETTE_INSIDE")) return false;
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (fd >= 0) close(fd);
    return fd < 0;
}

static void names(int fd, const char *wanted, bool peer) {
    struct sockaddr_un a;
    socklen_t length = sizeof a;
    memset(&a, 'x', sizeof a);
    CHECK_OK(peer ? getpeername(fd, (struct sockaddr *)&a, &length) : getsockname(fd, (struct sockaddr *)&a, &length));
    CHECK_EQ(a.sun_family, AF_UNIX);
    if (!wanted) {
        CHECK_EQ(length, sizeof(sa_family_t));
        return;
    }
    CHECK_EQ(length, offsetof(struct sockaddr_un, sun_path) + strlen(wanted) + 1);
    CHECK_STR(a.sun_path, wanted);
}

static void scenario(void) {
    int server = stream();
    names(server, NULL, false);
    CHECK_OK(bindTo(server, "dir/s"));
    CHECK(S_ISSOCK(statOf("dir/s").st_mode));
    CHECK_EQ(statOf("dir/s").st_mode & 07777, 0755);
    names(server, "dir/s", false);
    CHECK_ERRNO(connectTo(stream(), "dir/s"), ECONNREFUSED);
    CHECK_OK(listen(server, 4));

    // The client, in another process and from another directory, names it as it likes.
    pid_t child = fork();
    if (child == 0) {
        char byte;
        CHECK_OK(chdir("dir"));
        int client = stream();
        CHECK_OK(connectTo(client, "s"));
        names(client, "dir/s", true);
        names(client, NULL, false);
        CHECK_EQ(write(client, "c", 1), 1);
        CHECK_EQ(read(client, &byte, 1), 1);
        _exit(0);
    }
    int accepted = (int)CHECK_OK(accept(server, NULL, NULL));
    names(accepted, "dir/s", false);
    names(accepted, NULL, true);
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    CHECK_OK(getsockopt(accepted, SOL_SOCKET, SO_PEERCRED, &credentials, &length));
    if (!isWithoutNamespaces()) CHECK_EQ(credentials.pid, child);
    CHECK_EQ(credentials.uid, geteuid());
    CHECK_EQ(credentials.gid, getegid());
    char byte;
    CHECK_EQ(read(accepted, &byte, 1), 1);
    CHECK_EQ(write(accepted, "s", 1), 1);
    CHECK_EXITS_OK(child);
    close(accepted);

    CHECK_ERRNO(bindTo(stream(), "dir/s"), EADDRINUSE);
    CHECK_ERRNO(bindTo(stream(), "file"), EADDRINUSE);
    CHECK_ERRNO(bindTo(server, "dir/again"), EINVAL);
    CHECK_ERRNO(bindTo(stream(), "missing/s"), ENOENT);
    CHECK_ERRNO(bindTo(stream(), "file/s"), ENOTDIR);
    CHECK_ERRNO(connectTo(stream(), "missing"), ENOENT);
    CHECK_ERRNO(connectTo(stream(), "file"), ECONNREFUSED);
    CHECK_ERRNO(connectTo(stream(), "dir"), ECONNREFUSED);
    CHECK_ERRNO(open("dir/s", O_RDWR), ENXIO);
    if (!isWithoutNamespaces()) CHECK_ERRNO(connectTo((int)CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0)), "dir/s"), EPROTOTYPE);

    // The name moves with its inode; a symlink is followed; without a name it is not found.
    CHECK_OK(rename("dir/s", "moved"));
    CHECK_OK(symlink("moved", "link"));
    CHECK_OK(connectTo(stream(), "link"));
    CHECK_OK(connectTo(stream(), "moved"));
    names(server, "dir/s", false);
    CHECK_OK(link("moved", "second"));
    CHECK_OK(connectTo(stream(), "second"));
    CHECK_OK(unlink("moved"));
    CHECK_ERRNO(connectTo(stream(), "moved"), ENOENT);
    // Four wait in the backlog; take them so that the next connect does not block.
    for (int i = 0; i < 3; i++) close((int)CHECK_OK(accept(server, NULL, NULL)));
    CHECK_OK(connectTo(stream(), "second"));
    close(server);
    CHECK_ERRNO(connectTo(stream(), "second"), ECONNREFUSED);

    // The absolute path, as long as an address can be, without a terminating zero.
    struct sockaddr_un a;
    memset(&a, 0, sizeof a);
    a.sun_family = AF_UNIX;
    memset(a.sun_path, 'p', sizeof a.sun_path);
    int longest = stream();
    CHECK_OK(bind(longest, (struct sockaddr *)&a, sizeof a));
    char name[sizeof a.sun_path + 1] = {0};
    memset(name, 'p', sizeof a.sun_path);
    CHECK(exists(name));
    CHECK_ERRNO(bind(stream(), (struct sockaddr *)&a, sizeof a + 1), EINVAL);

    if (isWithoutNamespaces()) {
        SKIP_PART("--isolation no-namespaces makes no datagram sockets: sendmsg names its target in guest memory");
        return;
    }
    // Datagrams by sendto and by sendmsg name their target at each call.
    int receiver = (int)CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0)), sender = (int)CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
    CHECK_OK(bindTo(receiver, "datagram"));
    CHECK_OK(bindTo(sender, "from"));
    length = address(&a, "datagram");
    CHECK_EQ(sendto(sender, "one", 3, 0, (struct sockaddr *)&a, length), 3);
    struct iovec part = {"two", 3};
    struct msghdr message = {.msg_name = &a, .msg_namelen = length, .msg_iov = &part, .msg_iovlen = 1};
    CHECK_EQ(sendmsg(sender, &message, 0), 3);
    struct sockaddr_un source;
    char text[8] = "";
    length = sizeof source;
    CHECK_EQ(recvfrom(receiver, text, 8, 0, (struct sockaddr *)&source, &length), 3);
    CHECK_STR(text, "one");
    CHECK_STR(source.sun_path, "from");
    CHECK_EQ(recv(receiver, text, 8, 0), 3);
    CHECK_STR(text, "two");
    if (!isRoot()) {
        SKIP_PART("refusing another user needs root");
        return;
    }
    IN_CHILD({
        CHECK_OK(chmod("datagram", 0700));
        become(NOBODY);
        CHECK_ERRNO(connectTo((int)socket(AF_UNIX, SOCK_DGRAM, 0), "datagram"), EACCES);
        CHECK_ERRNO(bindTo(stream(), "not-mine"), EACCES);
    });
}

SCENARIO("unix_socket", prepare, scenario)
