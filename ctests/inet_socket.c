// Internet sockets on the loopback interface: connect that waits, that is interrupted, that is bounded by a timeout, that
// does not wait; refusals and their errors; names. Without namespaces the sandbox makes these calls in the guest's stead.
#include "harness.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <sys/time.h>

static struct sockaddr_in loopback(int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

static int bound(int type, int *port) {
    int fd = (int)CHECK_OK(socket(AF_INET, type, 0));
    struct sockaddr_in address = loopback(0);
    socklen_t length = sizeof address;
    CHECK_OK(bind(fd, (struct sockaddr *)&address, sizeof address));
    CHECK_OK(getsockname(fd, (struct sockaddr *)&address, &length));
    CHECK_EQ(address.sin_addr.s_addr, htonl(INADDR_LOOPBACK));
    *port = ntohs(address.sin_port);
    CHECK(*port != 0);
    return fd;
}

static int connectTo(int fd, int port) {
    struct sockaddr_in address = loopback(port);
    return connect(fd, (struct sockaddr *)&address, sizeof address);
}

static void plain(void) {
    int port, unused;
    int listener = bound(SOCK_STREAM, &port);
    CHECK_OK(listen(listener, 8));
    int fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_OK(connectTo(fd, port));
    CHECK_ERRNO(connectTo(fd, port), EISCONN);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    struct sockaddr_in peer;
    socklen_t length = sizeof peer;
    int other = (int)CHECK_OK(accept(listener, (struct sockaddr *)&peer, &length));
    CHECK_EQ(peer.sin_family, AF_INET);
    CHECK_EQ(write(fd, "hello", 5), 5);
    char text[8];
    CHECK_EQ(read(other, text, 8), 5);
    close(other);
    close(fd);
    // Refused: no socket listens there.
    int silent = bound(SOCK_STREAM, &unused);
    fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(connectTo(fd, unused), ECONNREFUSED);
    // The socket can be used again.
    CHECK_OK(connectTo(fd, port));
    close(fd);
    close(silent);
    // Without waiting: in progress, then there.
    fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
    int result = connectTo(fd, port);
    CHECK(result == 0 || errno == EINPROGRESS);
    struct pollfd ready = {fd, POLLOUT, 0};
    CHECK_EQ(poll(&ready, 1, 5000), 1);
    CHECK_EQ(ready.revents, POLLOUT);
    CHECK(fcntl(fd, F_GETFL) & O_NONBLOCK);
    close(fd);
    close(listener);
    // Datagrams.
    int receiver = bound(SOCK_DGRAM, &port);
    fd = (int)CHECK_OK(socket(AF_INET, SOCK_DGRAM, 0));
    struct sockaddr_in address = loopback(port);
    CHECK_EQ(sendto(fd, "one", 3, 0, (struct sockaddr *)&address, sizeof address), 3);
    CHECK_OK(connectTo(fd, port));
    CHECK_EQ(send(fd, "two", 3, 0), 3);
    CHECK_EQ(recv(receiver, text, 8, 0), 3);
    CHECK_EQ(recv(receiver, text, 8, 0), 3);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    CHECK_OK(connect(fd, &none, sizeof none));
    CHECK_ERRNO(send(fd, "three", 5, 0), EDESTADDRREQ);
    close(fd);
    // Errors before anything is sent.
    fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&address, 4), EINVAL);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)&address, 200), EINVAL);
    CHECK_ERRNO(connect(fd, (struct sockaddr *)8, sizeof address), EFAULT);
    CHECK_ERRNO(connect(0, (struct sockaddr *)&address, sizeof address), ENOTSOCK);
    CHECK_ERRNO(connect(999, (struct sockaddr *)&address, sizeof address), EBADF);
    CHECK_ERRNO(bind(receiver, (struct sockaddr *)&address, sizeof address), EINVAL);
    CHECK_ERRNO(bind(fd, (struct sockaddr *)&address, 4), EINVAL);
    address.sin_addr.s_addr = htonl(0xc0000201);  // 192.0.2.1 is no host's (RFC 5737).
    CHECK_ERRNO(bind(fd, (struct sockaddr *)&address, sizeof address), EADDRNOTAVAIL);
    close(fd);
    close(receiver);
}

static atomic_int handled;
static void onAlarm(int signal) {
    (void)signal;
    handled++;
}

static void alarmIn(int flags, long milliseconds) {
    struct sigaction action = {.sa_handler = onAlarm, .sa_flags = flags};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval timer = {.it_value = {0, milliseconds * 1000}};
    setitimer(ITIMER_REAL, &timer, NULL);
}

static int full;  // a listener whose queue is full
static int fullPort, waiting[4];

static void *drain(void *unused) {
    (void)unused;
    sleepMilliseconds(700);
    // Room for the one that waits: it asks again after a second (TCP_TIMEOUT_INIT).
    for (int i = 0; i < 2; i++) close(accept(full, NULL, NULL));
    return NULL;
}

static void *count(void *stop) {
    atomic_long *counter = stop;
    while (*counter >= 0) {
        (*counter)++;
        getppid();
    }
    return NULL;
}

static void waits(void) {
    full = bound(SOCK_STREAM, &fullPort);
    CHECK_OK(listen(full, 0));
    // The queue of one takes two; then SYNs are not answered.
    int used = 0;
    for (; used < 4; used++) {
        waiting[used] = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
        connectTo(waiting[used], fullPort);
        struct pollfd ready = {waiting[used], POLLOUT, 0};
        if (poll(&ready, 1, 200) == 0) break;
    }
    CHECK(used > 0 && used < 4);
    CHECK_ERRNO(connectTo(waiting[used], fullPort), EALREADY);
    close(waiting[used]);

    // A handler without SA_RESTART ends the wait.
    int fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
    double begin = seconds();
    alarmIn(0, 200);
    CHECK_ERRNO(connectTo(fd, fullPort), EINTR);
    CHECK_EQ(handled, 1);
    CHECK(seconds() - begin < 5);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, 0);
    close(fd);

    // SO_SNDTIMEO bounds it.
    fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
    struct timeval time = {0, 300000};
    CHECK_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &time, sizeof time));
    begin = seconds();
    CHECK_ERRNO(connectTo(fd, fullPort), EINPROGRESS);
    CHECK(seconds() - begin > 0.25 && seconds() - begin < 5);
    close(fd);

    // With SA_RESTART it goes on, another thread all the while, and ends well when there is room.
    fd = (int)CHECK_OK(socket(AF_INET, SOCK_STREAM, 0));
    pthread_t drainer, counter;
    static atomic_long counted;
    pthread_create(&drainer, NULL, drain, NULL);
    pthread_create(&counter, NULL, count, &counted);
    sigset_t alarms, before;
    sigemptyset(&alarms);
    sigaddset(&alarms, SIGALRM);
    pthread_sigmask(SIG_UNBLOCK, &alarms, &before);
    alarmIn(SA_RESTART, 200);
    CHECK_OK(connectTo(fd, fullPort));
    CHECK_EQ(handled, 2);
    long seen = counted;
    CHECK(seen > 100);
    counted = -1000000000;
    pthread_join(counter, NULL);
    pthread_join(drainer, NULL);
    CHECK_ERRNO(connectTo(fd, fullPort), EISCONN);
    close(fd);
    for (int i = 0; i < used; i++) close(waiting[i]);
    close(full);

    // A child that is killed in the midst of it leaves nothing that waits.
    full = bound(SOCK_STREAM, &fullPort);
    CHECK_OK(listen(full, 0));
    pid_t child = fork();
    if (child == 0) {
        for (;;) {
            fd = socket(AF_INET, SOCK_STREAM, 0);
            connectTo(fd, fullPort);
        }
    }
    sleepMilliseconds(300);
    kill(child, SIGKILL);
    int status = statusOf(child);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    close(full);
}

static void scenario(void) {
    plain();
    waits();
}

SCENARIO("inet_socket", NULL, scenario)
