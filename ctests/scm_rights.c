// Descriptors sent through a socket: of lower files, directories and pipes, used by a process that could not open them
// itself, coherent with changes made before they are received.
#include "harness.h"
#include <sys/socket.h>

static void prepare(void) {
    writeFile("lower", "0123456789");
    writeFile("in-flight", "0123456789");
    writeFile("in-flight-too", "0123456789");
    MUST(mkdir("dir", 0755));
    writeFile("dir/f", "in dir");
}

static void sendDescriptors(int socket, const int *fds, int count) {
    char byte = 'd', control[CMSG_SPACE(sizeof(int) * 8)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count);
    memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)count);
    CHECK_EQ(sendmsg(socket, &message, 0), 1);
}

static int receiveDescriptors(int socket, int *fds, int flags) {
    char byte, control[CMSG_SPACE(sizeof(int) * 8)];
    struct iovec part = {&byte, 1};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_EQ(recvmsg(socket, &message, flags), 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (!CHECK(header && header->cmsg_type == SCM_RIGHTS)) return 0;
    int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    memcpy(fds, CMSG_DATA(header), sizeof(int) * (size_t)count);
    return count;
}

static void scenario(void) {
    int pair[2], pipeEnds[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
    MUST(pipe(pipeEnds));
    pid_t child = fork();
    if (child == 0) {
        int fds[8];
        char buffer[16] = "";
        CHECK_EQ(receiveDescriptors(pair[1], fds, MSG_CMSG_CLOEXEC), 3);
        for (int i = 0; i < 3; i++) CHECK_EQ(fcntl(fds[i], F_GETFD), FD_CLOEXEC);
        CHECK_EQ(read(fds[0], buffer, 3), 3);
        CHECK(memcmp(buffer, "234", 3) == 0);
        CHECK_EQ(fstatOf(fds[0]).st_ino, statOf("lower").st_ino);
        // A directory received is a place to start from.
        int fd = (int)CHECK_OK(openat(fds[1], "f", O_RDONLY));
        CHECK_EQ(read(fd, buffer, 6), 6);
        CHECK_OK(mkdirat(fds[1], "made", 0700));
        CHECK_OK(fchdir(fds[1]));
        CHECK(exists("made"));
        CHECK_EQ(write(fds[2], "p", 1), 1);
        _exit(0);
    }
    int file = (int)CHECK_OK(open("lower", O_RDONLY)), directory = (int)CHECK_OK(open("dir", O_RDONLY | O_DIRECTORY));
    CHECK_EQ(lseek(file, 2, SEEK_SET), 2);
    sendDescriptors(pair[0], (int[]){file, directory, pipeEnds[1]}, 3);
    CHECK_EXITS_OK(child);
    CHECK_EQ(lseek(file, 0, SEEK_CUR), 5);
    CHECK(exists("dir/made"));
    char byte;
    CHECK_EQ(read(pipeEnds[0], &byte, 1), 1);

    // A descriptor that is in flight while its file is copied up: no process holds it at that moment.
    int flying = (int)CHECK_OK(open("in-flight", O_RDONLY));
    sendDescriptors(pair[0], &flying, 1);
    close(flying);
    int writer = (int)CHECK_OK(open("in-flight", O_RDWR));
    CHECK_EQ(pwrite(writer, "ABC", 3, 0), 3);
    int received[8];
    char buffer[16] = "";
    CHECK_EQ(receiveDescriptors(pair[1], received, 0), 1);
    CHECK_EQ(fstatOf(received[0]).st_ino, statOf("in-flight").st_ino);
    CHECK_EQ(pread(received[0], buffer, 3, 0), 3);
    CHECK(memcmp(buffer, "ABC", 3) == 0);
    // Offset and flags are those of the description that was sent, which its other holders still share.
    flying = (int)CHECK_OK(open("in-flight-too", O_RDONLY | O_NONBLOCK));
    int twin = dup(flying);
    CHECK_EQ(lseek(flying, 4, SEEK_SET), 4);
    char *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, flying, 0);
    sendDescriptors(pair[0], (int[]){flying, pipeEnds[0], twin}, 3);
    close(flying);
    IN_CHILD(int fd = (int)CHECK_OK(open("in-flight-too", O_WRONLY)); CHECK_EQ(pwrite(fd, "ABCDEFGHIJ", 10, 0), 10));
    CHECK_EQ(receiveDescriptors(pair[1], received, 0), 3);
    CHECK_EQ(read(received[0], buffer, 2), 2);
    CHECK(memcmp(buffer, "EF", 2) == 0);
    CHECK_EQ(lseek(twin, 0, SEEK_CUR), 6);
    CHECK_EQ(lseek(received[2], 0, SEEK_CUR), 6);
    CHECK_EQ(fcntl(received[2], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY | O_NONBLOCK);
    CHECK_EQ(mapped[0], 'A');

    // A socket in a socket, and one more reference through it.
    int inner[2];
    MUST(socketpair(AF_UNIX, SOCK_STREAM, 0, inner));
    sendDescriptors(inner[0], &writer, 1);
    sendDescriptors(pair[0], &inner[1], 1);
    CHECK_EQ(receiveDescriptors(pair[1], received, 0), 1);
    int nested[8];
    CHECK_EQ(receiveDescriptors(received[0], nested, 0), 1);
    CHECK_EQ(pwrite(nested[0], "z", 1, 0), 1);
    CHECK(readFile("in-flight")[0] == 'z');
}

SCENARIO("scm_rights", prepare, scenario)
