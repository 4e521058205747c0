// The guests of network.sh. Each prints one line of what it saw. What attacks refuses to run outside of a sandbox.
//
// network-guest tcp|tcp-nonblocking|tcp-epoll|udp|udp-sendto|udp-sendmsg|udp-answers ADDRESS PORT
// network-guest udp-sendmmsg ADDRESS PORT ADDRESS PORT        two messages, the second to the second address
// network-guest attack NAME ADDRESS PORT FORBIDDEN PORT       tries to reach the second address by way of the first
// network-guest loopback-...                                  guests among themselves
// network-guest serve PORT                                    answers one connection
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    struct sockaddr_storage storage;
    socklen_t length;
} address;

static address of(const char *text, int port) {
    address result;
    memset(&result, 0, sizeof result);
    struct sockaddr_in *four = (void *)&result.storage;
    struct sockaddr_in6 *six = (void *)&result.storage;
    if (inet_pton(AF_INET, text, &four->sin_addr) == 1) {
        four->sin_family = AF_INET;
        four->sin_port = htons((uint16_t)port);
        result.length = sizeof *four;
    } else if (inet_pton(AF_INET6, text, &six->sin6_addr) == 1) {
        six->sin6_family = AF_INET6;
        six->sin6_port = htons((uint16_t)port);
        result.length = sizeof *six;
    } else {
        exit(2);
    }
    return result;
}

#define SA(a) ((struct sockaddr *)&(a).storage)

static int portOf(int fd) {
    address name = {.length = sizeof name.storage};
    if (getsockname(fd, SA(name), &name.length) < 0) return -1;
    return ntohs(((struct sockaddr_in *)&name.storage)->sin_port);
}

static int failed(void) {
    puts(strerrorname_np(errno));
    return 0;
}

static int exchange(int fd) {
    char text[256];
    if (send(fd, "hi", 2, 0) != 2) return failed();
    struct pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, 3000) != 1) {
        puts("no answer");
        return 0;
    }
    ssize_t count = recv(fd, text, sizeof text - 1, 0);
    if (count < 0) return failed();
    text[count] = 0;
    puts(text);
    return 0;
}

static int isDone(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
    errno = error;
    return error == 0;
}

// Registered before connect, a duplicate too; the registrations must be of what is connected.
static int throughEpoll(int fd, address to) {
    int epoll = epoll_create1(0), copy = dup(fd), on = 1;
    struct epoll_event event = {EPOLLOUT | EPOLLIN | EPOLLET, {.u32 = 7}}, other = {EPOLLIN, {.u32 = 8}};
    if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &other) < 0) return failed();
    if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) < 0 || setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on) < 0) return failed();
    // Unconnected, it is hung up.
    epoll_wait(epoll, &event, 1, 0);
    int result = connect(fd, SA(to), to.length);
    if (result < 0 && errno != EINPROGRESS) return failed();
    for (;;) {
        if (epoll_wait(epoll, &event, 1, 3000) != 1) {
            puts("no event");
            return 0;
        }
        if (event.data.u32 == 7 && event.events & EPOLLOUT && !(event.events & EPOLLHUP)) break;
    }
    if (!isDone(fd)) return failed();
    int noDelay = 0, alive = 0;
    socklen_t length = sizeof noDelay;
    getsockopt(copy, IPPROTO_TCP, TCP_NODELAY, &noDelay, &length);
    getsockopt(copy, SOL_SOCKET, SO_KEEPALIVE, &alive, &length);
    if (!noDelay || !alive) {
        puts("options are lost");
        return 0;
    }
    if (send(fd, "hi", 2, 0) != 2) return failed();
    // Through the duplicate's registration, level-triggered, after the first is gone.
    epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
    if (epoll_wait(epoll, &event, 1, 3000) != 1 || event.data.u32 != 8 || !(event.events & EPOLLIN)) {
        puts("no event of the duplicate");
        return 0;
    }
    char text[256];
    ssize_t count = recv(copy, text, sizeof text - 1, 0);
    if (count < 0) return failed();
    text[count] = 0;
    puts(text);
    return 0;
}

static int tcp(address to, int flags) {
    int fd = socket(to.storage.ss_family, SOCK_STREAM | flags, 0);
    if (fd < 0) return failed();
    int result = connect(fd, SA(to), to.length);
    if (flags && result < 0 && errno == EINPROGRESS) {
        struct pollfd ready = {fd, POLLOUT, 0};
        poll(&ready, 1, 3000);
        if (!isDone(fd)) return failed();
        result = 0;
    }
    if (result < 0) return failed();
    address peer = {.length = sizeof peer.storage};
    if (getpeername(fd, SA(peer), &peer.length) < 0 || peer.length != to.length || memcmp(&peer.storage, &to.storage, 8)) {
        puts("another peer");
        return 0;
    }
    return exchange(fd);
}

static struct msghdr messageTo(address *to, struct iovec *part, const char *text) {
    part->iov_base = (void *)text;
    part->iov_len = strlen(text);
    struct msghdr message = {.msg_name = &to->storage, .msg_namelen = to->length, .msg_iov = part, .msg_iovlen = 1};
    return message;
}

static int received(int fd, address from) {
    char text[256];
    struct pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, 3000) != 1) {
        puts("no answer");
        return 0;
    }
    address peer = {.length = sizeof peer.storage};
    ssize_t count = recvfrom(fd, text, sizeof text - 1, 0, SA(peer), &peer.length);
    if (count < 0) return failed();
    text[count] = 0;
    if (memcmp(&peer.storage, &from.storage, 8)) puts("from somebody else");
    puts(text);
    return 0;
}

static int udp(const char *how, address to) {
    int fd = socket(to.storage.ss_family, SOCK_DGRAM, 0);
    if (fd < 0) return failed();
    if (!strcmp(how, "udp")) {
        if (connect(fd, SA(to), to.length) < 0) return failed();
        return exchange(fd);
    }
    if (!strcmp(how, "udp-sendto")) {
        if (sendto(fd, "hi", 2, 0, SA(to), to.length) != 2) return failed();
        return received(fd, to);
    }
    struct iovec parts[2] = {{"h", 1}, {"i", 1}};
    struct msghdr message = {.msg_name = &to.storage, .msg_namelen = to.length, .msg_iov = parts, .msg_iovlen = 2};
    if (sendmsg(fd, &message, 0) != 2) return failed();
    return received(fd, to);
}

// The server answers, and has another address say something too, which no rule covers.
static int answers(address to) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (sendto(fd, "spoof", 5, 0, SA(to), to.length) != 5) return failed();
    char first[256] = "", second[256] = "nothing";
    struct pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, 3000) == 1 && recv(fd, first, sizeof first - 1, 0) < 0) return failed();
    if (poll(&ready, 1, 300) == 1 && recv(fd, second, sizeof second - 1, 0) < 0) return failed();
    printf("%s, then %s\n", first, second);
    return 0;
}

static int many(address to, address other) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct iovec parts[2];
    struct mmsghdr messages[2] = {{messageTo(&to, &parts[0], "hi"), 0}, {messageTo(&other, &parts[1], "hi"), 0}};
    int sent = sendmmsg(fd, messages, 2, 0);
    if (sent < 0) return failed();
    int rest = sendmmsg(fd, messages + 1, 1, 0);
    printf("%d %s\n", sent, rest < 0 ? strerrorname_np(errno) : "sent");
    return 0;
}

// MARK: - Attacks

static address allowed, forbidden;
static volatile int stop;
static volatile address shared;
static int numbers[2];

static void *swapAddress(void *unused) {
    (void)unused;
    while (!stop) {
        memcpy((void *)&shared, &forbidden, sizeof shared);
        memcpy((void *)&shared, &allowed, sizeof shared);
    }
    return NULL;
}

static int spare[2];

static void *swapDescriptor(void *unused) {
    (void)unused;
    while (!stop) {
        dup2(spare[0], numbers[0]);
        dup2(spare[1], numbers[0]);
    }
    return NULL;
}

static void refuseOutside(void) {
    // A sandbox has no_new_privs and a filter; and whoever runs this by hand has neither.
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || prctl(PR_GET_SECCOMP) != 2) {
        puts("not in a sandbox");
        exit(3);
    }
}

static void rounds(const char *name) {
    pthread_t thread;
    for (int round = 0; round < 3000; round++) {
        if (round == 0) pthread_create(&thread, NULL, swapAddress, NULL);
        int isStream = !strcmp(name, "swap-connect") && round % 2;
        int fd = socket(AF_INET, (isStream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0);
        struct sockaddr *to = (struct sockaddr *)&shared.storage;
        struct iovec parts[2] = {{"h", 1}, {"i", 1}};
        struct msghdr message = {.msg_name = to, .msg_namelen = allowed.length, .msg_iov = parts, .msg_iovlen = 2};
        if (!strcmp(name, "swap-connect")) {
            if (connect(fd, to, allowed.length) == 0) send(fd, "hi", 2, 0);
        } else if (!strcmp(name, "swap-sendto")) {
            sendto(fd, "hi", 2, 0, to, allowed.length);
        } else {
            struct mmsghdr messages[2] = {{message, 0}, {message, 0}};
            if (round % 2) sendmsg(fd, &message, 0);
            else sendmmsg(fd, messages, 2, 0);
        }
        close(fd);
    }
    stop = 1;
    pthread_join(thread, NULL);
}

// Another thread puts a UDP socket at the number of a Unix socket, or of a TCP socket, whose message names somebody.
static void descriptorRounds(int isUnix) {
    int pair[2];
    if (isUnix) socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    else pair[0] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    spare[0] = pair[0];
    spare[1] = socket(AF_INET, SOCK_DGRAM, 0);
    numbers[0] = dup(spare[0]);
    fcntl(pair[0], F_SETFL, O_NONBLOCK);
    pthread_t thread;
    pthread_create(&thread, NULL, swapDescriptor, NULL);
    for (int round = 0; round < 4000; round++) {
        struct iovec parts[2];
        struct msghdr message = messageTo(&forbidden, &parts[0], "hi");
        union {
            struct cmsghdr header;
            char space[CMSG_SPACE(sizeof(int))];
        } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct mmsghdr one = {message, 0};
        switch (round % 5) {
            case 0:
                sendmsg(numbers[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT);
                break;
            case 1:
                sendmmsg(numbers[0], &one, 1, MSG_NOSIGNAL | MSG_DONTWAIT);
                break;
            case 2:
                sendto(numbers[0], "hi", 2, MSG_NOSIGNAL | MSG_DONTWAIT, SA(forbidden), forbidden.length);
                break;
            case 3:
                connect(numbers[0], SA(forbidden), forbidden.length);
                break;
            default:
                message.msg_control = &control;
                message.msg_controllen = sizeof control;
                sendmsg(numbers[0], &message, MSG_NOSIGNAL | MSG_DONTWAIT);
        }
        send(numbers[0], "hi", 2, MSG_NOSIGNAL | MSG_DONTWAIT);
    }
    stop = 1;
    pthread_join(thread, NULL);
}

static void expectRefused(const char *what, int result) {
    if (result >= 0) printf("%s was allowed\n", what);
}

static int connected(int type, address to) {
    int fd = socket(AF_INET, type, 0);
    if (connect(fd, SA(to), to.length) < 0) printf("connect: %s\n", strerrorname_np(errno));
    return fd;
}

static void unspecified(void) {
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (int i = 0; i < 2; i++) {
        int fd = connected(types[i], allowed);
        if (connect(fd, &none, sizeof none) < 0) printf("dissolve: %s\n", strerrorname_np(errno));
        expectRefused("connecting again", connect(fd, SA(forbidden), forbidden.length));
        // AF_UNSPEC with an address in it is an address to sendto(2).
        address hidden = forbidden;
        hidden.storage.ss_family = AF_UNSPEC;
        if (types[i] == SOCK_DGRAM) expectRefused("sendto of AF_UNSPEC", (int)sendto(fd, "hi", 2, 0, SA(hidden), hidden.length));
        close(fd);
    }
}

static void options(void) {
    int fd = connected(SOCK_DGRAM, allowed), six = socket(AF_INET6, SOCK_DGRAM, 0), on = 1;
    struct sockaddr_in *to = (void *)&forbidden.storage;
    // Loose source route: the first hop is where the packet goes.
    unsigned char route[12] = {IPOPT_NOP, IPOPT_LSRR, 7, 4};
    memcpy(route + 4, &to->sin_addr, 4);
    expectRefused("IP_OPTIONS", setsockopt(fd, IPPROTO_IP, IP_OPTIONS, route, 8));
    expectRefused("IP_TRANSPARENT", setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof on));
    expectRefused("SO_ATTACH_FILTER", setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &on, sizeof on));
    expectRefused("SO_DETACH_FILTER", setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &on, sizeof on));
    expectRefused("SO_MARK", setsockopt(fd, SOL_SOCKET, SO_MARK, &on, sizeof on));
    unsigned char header[24] = {0, 2, 4, 1};
    expectRefused("IPV6_RTHDR", setsockopt(six, IPPROTO_IPV6, IPV6_RTHDR, header, sizeof header));
    expectRefused("IPV6_2292PKTOPTIONS", setsockopt(six, IPPROTO_IPV6, 6, header, sizeof header));
    expectRefused("IPV6_ADDRFORM", setsockopt(six, IPPROTO_IPV6, IPV6_ADDRFORM, &on, sizeof on));
    expectRefused("IPV6_PKTINFO", setsockopt(six, IPPROTO_IPV6, IPV6_PKTINFO, header, 20));
    int tcp = socket(AF_INET, SOCK_STREAM, 0);
    expectRefused("TCP_ULP", setsockopt(tcp, IPPROTO_TCP, TCP_ULP, "tls", 4));
    expectRefused("TCP_REPAIR", setsockopt(tcp, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on));
    struct ifconf list = {.ifc_len = 0};
    expectRefused("SIOCGIFCONF", ioctl(fd, SIOCGIFCONF, &list));
    send(fd, "hi", 2, 0);
}

static void ancillary(void) {
    int fd = connected(SOCK_DGRAM, allowed), six = socket(AF_INET6, SOCK_DGRAM, 0);
    struct sockaddr_in *to = (void *)&forbidden.storage;
    struct iovec part;
    struct msghdr message = messageTo(&allowed, &part, "hi");
    union {
        struct cmsghdr header;
        char space[64];
    } control;
    memset(&control, 0, sizeof control);
    control.header.cmsg_level = IPPROTO_IP;
    control.header.cmsg_type = IP_RETOPTS;
    control.header.cmsg_len = CMSG_LEN(8);
    unsigned char route[8] = {IPOPT_NOP, IPOPT_LSRR, 7, 4};
    memcpy(route + 4, &to->sin_addr, 4);
    memcpy(CMSG_DATA(&control.header), route, sizeof route);
    message.msg_control = &control;
    message.msg_controllen = control.header.cmsg_len;
    expectRefused("IP_RETOPTS", (int)sendmsg(fd, &message, 0));
    message.msg_name = NULL;
    expectRefused("IP_RETOPTS of a connected socket", (int)sendmsg(fd, &message, 0));
    struct mmsghdr one = {message, 0};
    expectRefused("IP_RETOPTS by sendmmsg", sendmmsg(fd, &one, 1, 0));
    // A routing header of type 2 to the forbidden address, mapped.
    control.header.cmsg_level = IPPROTO_IPV6;
    control.header.cmsg_type = IPV6_RTHDR;
    control.header.cmsg_len = CMSG_LEN(24);
    unsigned char header[24] = {0, 2, 2, 1};
    memcpy(CMSG_DATA(&control.header), header, sizeof header);
    message.msg_controllen = control.header.cmsg_len;
    expectRefused("IPV6_RTHDR", (int)sendmsg(six, &message, 0));
    // What says how, and not where, goes through.
    control.header.cmsg_level = IPPROTO_IP;
    control.header.cmsg_type = IP_TTL;
    control.header.cmsg_len = CMSG_LEN(sizeof(int));
    int ttl = 9;
    memcpy(CMSG_DATA(&control.header), &ttl, sizeof ttl);
    message.msg_controllen = control.header.cmsg_len;
    if (sendmsg(fd, &message, 0) != 2) printf("IP_TTL: %s\n", strerrorname_np(errno));
}

static void fastOpen(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    expectRefused("MSG_FASTOPEN", (int)sendto(fd, "hi", 2, MSG_FASTOPEN, SA(forbidden), forbidden.length));
    struct iovec part;
    struct msghdr message = messageTo(&forbidden, &part, "hi");
    expectRefused("MSG_FASTOPEN by sendmsg", (int)sendmsg(fd, &message, MSG_FASTOPEN));
    struct mmsghdr one = {message, 0};
    expectRefused("MSG_FASTOPEN by sendmmsg", sendmmsg(fd, &one, 1, MSG_FASTOPEN));
    expectRefused("MSG_FASTOPEN to nobody", (int)send(fd, "hi", 2, MSG_FASTOPEN));
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
    expectRefused("TCP_FASTOPEN_CONNECT", connect(fd, SA(forbidden), forbidden.length));
    if (write(fd, "hi", 2) == 2) puts("written without a connection");
    fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &on, sizeof on);
    if (connect(fd, SA(allowed), allowed.length) < 0) printf("allowed: %s\n", strerrorname_np(errno));
    if (write(fd, "hi", 2) != 2) printf("write: %s\n", strerrorname_np(errno));
}

static void boundConnect(void) {
    address any = of("0.0.0.0", 0);
    int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (int i = 0; i < 2; i++) {
        int fd = socket(AF_INET, types[i], 0);
        if (bind(fd, SA(any), any.length) < 0) printf("bind: %s\n", strerrorname_np(errno));
        if (portOf(fd) <= 0) puts("no port");
        expectRefused("connect of a bound socket", connect(fd, SA(forbidden), forbidden.length));
        if (connect(fd, SA(allowed), allowed.length) < 0) printf("connect of a bound socket: %s\n", strerrorname_np(errno));
        if (write(fd, "hi", 2) != 2) printf("write: %s\n", strerrorname_np(errno));
        close(fd);
    }
}

static void multicast(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct ip_mreq group = {.imr_multiaddr = {htonl(0xe00000fb)}};
    expectRefused("IP_ADD_MEMBERSHIP", setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof group));
    expectRefused("IP_MULTICAST_IF", setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group.imr_interface, 4));
    address to = of("224.0.0.251", 7001);
    expectRefused("multicast", (int)sendto(fd, "hi", 2, 0, SA(to), to.length));
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof on);
    to = of("255.255.255.255", 7001);
    expectRefused("broadcast", (int)sendto(fd, "hi", 2, 0, SA(to), to.length));
    int six = socket(AF_INET6, SOCK_DGRAM, 0);
    to = of("ff02::fb", 7001);
    expectRefused("multicast by IPv6", (int)sendto(six, "hi", 2, 0, SA(to), to.length));
}

static void device(void) {
    int fd = socket(AF_INET, SOCK_DGRAM, 0), index = 1;
    expectRefused("SO_BINDTODEVICE", setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
    expectRefused("SO_BINDTOIFINDEX", setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &index, sizeof index));
    expectRefused("IP_UNICAST_IF", setsockopt(fd, IPPROTO_IP, IP_UNICAST_IF, &index, sizeof index));
    struct ifreq request = {.ifr_name = "lo"};
    expectRefused("SIOCGIFFLAGS", ioctl(fd, SIOCGIFFLAGS, &request));
}

static void raw(void) {
    expectRefused("a raw socket", socket(AF_INET, SOCK_RAW, IPPROTO_UDP));
    expectRefused("a raw socket of IPv6", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
    expectRefused("a packet socket", socket(AF_PACKET, SOCK_DGRAM, 0));
    expectRefused("a packet socket, raw", socket(AF_PACKET, SOCK_RAW, 0));
    expectRefused("netlink", socket(AF_NETLINK, SOCK_RAW, 0));
    expectRefused("ping", socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
    expectRefused("SCTP", socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP));
    expectRefused("MPTCP", socket(AF_INET, SOCK_STREAM, 262));
    expectRefused("UDP-Lite", socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE));
    expectRefused("vsock", socket(40, SOCK_STREAM, 0));
    expectRefused("io_uring", (int)syscall(SYS_io_uring_setup, 8, NULL));
}

static int receiveDescriptor(int from) {
    char byte;
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(from, &message, 0) != 1 || message.msg_controllen < sizeof(int)) return -1;
    int fd;
    memcpy(&fd, CMSG_DATA(&control.header), sizeof fd);
    return fd;
}

static void sendDescriptor(int to, int fd) {
    char byte = 0;
    struct iovec part = {&byte, 1};
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (sendmsg(to, &message, 0) != 1) printf("passing a descriptor: %s\n", strerrorname_np(errno));
}

static void *idle(void *unused) {
    (void)unused;
    while (!stop) usleep(1000);
    return NULL;
}

// A socket that goes to another guest is judged there as here; also while the sender has threads.
static void passed(void) {
    int pair[2];
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    if (fork() == 0) {
        int status = 0;
        for (int i = 0; i < 2; i++) {
            int fd = receiveDescriptor(pair[1]);
            if (connect(fd, SA(forbidden), forbidden.length) == 0) status = 1;
            if (connect(fd, SA(allowed), allowed.length) < 0) status = 2;
            if (write(fd, "hi", 2) != 2) status = 3;
        }
        _exit(status);
    }
    sendDescriptor(pair[0], socket(AF_INET, SOCK_STREAM, 0));
    pthread_t thread;
    pthread_create(&thread, NULL, idle, NULL);
    sendDescriptor(pair[0], socket(AF_INET, SOCK_DGRAM, 0));
    stop = 1;
    pthread_join(thread, NULL);
    int status;
    wait(&status);
    if (status) printf("the other guest: %d\n", status);
}

static void mappedBind(void) {
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    address outside = of("::ffff:10.77.0.1", 0), four = of("10.77.0.1", 0);
    expectRefused("bind to an address of the host", bind(fd, SA(outside), outside.length));
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    expectRefused("bind to an address of the host by UDP", bind(fd, SA(four), four.length));
    address privileged = of("127.0.0.1", 80);
    if (getuid() != 0) expectRefused("bind to a low port", bind(fd, SA(privileged), privileged.length));
}

// A socket that listens without having been bound listens on the loopback of the sandbox, not on the host's addresses.
static void listenUnbound(void) {
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (listen(fd, 5) < 0) printf("listen: %s\n", strerrorname_np(errno));
    int port = portOf(fd);
    if (port <= 0) puts("no port");
    int client = socket(AF_INET, SOCK_STREAM, 0);
    address own = of("127.0.0.1", port);
    if (connect(client, SA(own), own.length) < 0) printf("connect: %s\n", strerrorname_np(errno));
    // One that was connected elsewhere before cannot listen there.
    int used = connected(SOCK_STREAM, allowed);
    write(used, "hi", 2);
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    connect(used, &none, sizeof none);
    if (listen(used, 5) == 0) {
        address name = {.length = sizeof name.storage};
        getsockname(used, SA(name), &name.length);
        uint32_t bits = ntohl(((struct sockaddr_in *)&name.storage)->sin_addr.s_addr);
        if (bits != 0 && bits >> 24 != 127) puts("listens on an address of the host");
    }
}

static int attack(char **words) {
    refuseOutside();
    allowed = of(words[1], atoi(words[2]));
    forbidden = of(words[3], atoi(words[4]));
    const char *name = words[0];
    if (!strcmp(name, "swap-connect") || !strcmp(name, "swap-sendto") || !strcmp(name, "swap-sendmsg")) rounds(name);
    else if (!strcmp(name, "swap-descriptor")) descriptorRounds(0);
    else if (!strcmp(name, "swap-descriptor-unix")) descriptorRounds(1);
    else if (!strcmp(name, "unspec")) unspecified();
    else if (!strcmp(name, "options")) options();
    else if (!strcmp(name, "ancillary")) ancillary();
    else if (!strcmp(name, "fastopen")) fastOpen();
    else if (!strcmp(name, "bound-connect")) boundConnect();
    else if (!strcmp(name, "multicast")) multicast();
    else if (!strcmp(name, "device")) device();
    else if (!strcmp(name, "raw")) raw();
    else if (!strcmp(name, "passed")) passed();
    else if (!strcmp(name, "mapped-bind")) mappedBind();
    else if (!strcmp(name, "listen-unbound")) listenUnbound();
    else return 2;
    puts("done");
    return 0;
}

// MARK: - The loopback of the sandbox

#define CHECK(condition)                                                     \
    do {                                                                     \
        if (!(condition)) {                                                  \
            printf("line %d: %s (errno %d)\n", __LINE__, #condition, errno); \
            return 1;                                                        \
        }                                                                    \
    } while (0)

static int sameName(int fd, int (*call)(int, struct sockaddr *, socklen_t *), address expected) {
    address name = {.length = sizeof name.storage};
    if (call(fd, SA(name), &name.length) < 0) return 0;
    return name.length == expected.length && memcmp(&name.storage, &expected.storage, 4) == 0 &&
           (expected.storage.ss_family == AF_INET
                ? memcmp(&((struct sockaddr_in *)&name.storage)->sin_addr, &((struct sockaddr_in *)&expected.storage)->sin_addr, 4) == 0
                : memcmp(&((struct sockaddr_in6 *)&name.storage)->sin6_addr, &((struct sockaddr_in6 *)&expected.storage)->sin6_addr, 16) == 0);
}

static int loopbackTCP(const char *bound, const char *target, const char *seen) {
    address at = of(bound, 7001), to = of(target, 7001);
    int listener = socket(at.storage.ss_family, SOCK_STREAM, 0), on = 1;
    CHECK(listener >= 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(bind(listener, SA(at), at.length) == 0);
    CHECK(sameName(listener, getsockname, at));
    int client = socket(to.storage.ss_family, SOCK_STREAM, 0);
    // Bound and not listening.
    CHECK(connect(client, SA(to), to.length) < 0 && errno == ECONNREFUSED);
    CHECK(bind(listener, SA(at), at.length) < 0 && errno == EINVAL);
    CHECK(listen(listener, 4) == 0);
    CHECK(sameName(listener, getsockname, at));
    CHECK(connect(client, SA(to), to.length) == 0);
    CHECK(sameName(client, getpeername, to));
    int accepted = accept(listener, NULL, NULL);
    CHECK(accepted >= 0);
    CHECK(seen == NULL || sameName(accepted, getsockname, of(seen, 7001)));
    CHECK(send(client, "hello", 5, 0) == 5);
    char text[8];
    CHECK(recv(accepted, text, 8, 0) == 5);
    // A second one cannot have the port; when both are closed it is free again.
    int second = socket(at.storage.ss_family, SOCK_STREAM, 0);
    setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    CHECK(bind(second, SA(at), at.length) < 0 && errno == EADDRINUSE);
    close(listener);
    int late = socket(to.storage.ss_family, SOCK_STREAM, 0);
    CHECK(connect(late, SA(to), to.length) < 0 && errno == ECONNREFUSED);
    CHECK(bind(second, SA(at), at.length) == 0);
    CHECK(listen(second, 4) == 0);
    CHECK(connect(late, SA(to), to.length) == 0);
    close(accepted);
    close(client);
    close(late);
    close(second);
    return 0;
}

static int loopbackUDP(const char *bound, const char *target) {
    address at = of(bound, 7001), to = of(target, 7001);
    int server = socket(at.storage.ss_family, SOCK_DGRAM, 0);
    CHECK(bind(server, SA(at), at.length) == 0);
    CHECK(sameName(server, getsockname, at));
    int client = socket(to.storage.ss_family, SOCK_DGRAM, 0);
    CHECK(sendto(client, "hello", 5, 0, SA(to), to.length) == 5);
    char text[16];
    address peer = {.length = sizeof peer.storage};
    CHECK(recvfrom(server, text, sizeof text, 0, SA(peer), &peer.length) == 5);
    CHECK(sendto(server, "answer", 6, 0, SA(peer), peer.length) == 6);
    // The client sees that it is from whom it has asked.
    struct iovec part = {text, sizeof text};
    address from;
    struct msghdr message = {.msg_name = &from.storage, .msg_namelen = sizeof from.storage, .msg_iov = &part, .msg_iovlen = 1};
    CHECK(recvmsg(client, &message, 0) == 6);
    CHECK(message.msg_namelen == to.length && memcmp(&from.storage, &to.storage, 8) == 0);
    // So many sockets that some must be forgotten, each of them with something to be known.
    for (int i = 0; i < 600; i++) {
        int fd = socket(to.storage.ss_family, SOCK_DGRAM, 0);
        CHECK(fd >= 0 && sendto(fd, "hello", 5, 0, SA(to), to.length) == 5);
        CHECK(recv(server, text, sizeof text, 0) == 5);
        close(fd);
    }
    // Connected, and a second one on the port.
    CHECK(connect(client, SA(to), to.length) == 0);
    CHECK(sameName(client, getpeername, to));
    CHECK(send(client, "again", 5, 0) == 5);
    CHECK(recv(server, text, sizeof text, 0) == 5);
    int second = socket(at.storage.ss_family, SOCK_DGRAM, 0);
    CHECK(bind(second, SA(at), at.length) < 0 && errno == EADDRINUSE);
    // To itself.
    CHECK(sendto(server, "self", 4, 0, SA(to), to.length) == 4);
    CHECK(recv(server, text, sizeof text, MSG_DONTWAIT) == 4);
    close(server);
    send(client, "nobody", 6, 0);
    CHECK(send(client, "nobody", 6, 0) < 0 && errno == ECONNREFUSED);
    CHECK(bind(second, SA(at), at.length) == 0);
    close(second);
    close(client);
    return 0;
}

static int onlyIPv6(void) {
    address any = of("::", 7005), four = of("127.0.0.1", 7005), six = of("::1", 7005);
    int listener = socket(AF_INET6, SOCK_STREAM, 0), on = 1;
    CHECK(setsockopt(listener, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0);
    CHECK(bind(listener, SA(any), any.length) == 0 && listen(listener, 4) == 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, SA(four), four.length) < 0 && errno == ECONNREFUSED);
    int other = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(other, SA(six), six.length) == 0);
    // Then IPv4's port is another one's.
    address anyFour = of("0.0.0.0", 7005);
    int second = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(second, SA(anyFour), anyFour.length) == 0 && listen(second, 4) == 0);
    CHECK(connect(client, SA(four), four.length) == 0);
    return 0;
}

// Ports that the kernel chooses, many of them, and sockets that are closed without a word.
static int ports(void) {
    address any = of("127.0.0.1", 0);
    for (int round = 0; round < 1200; round++) {
        int fd = socket(AF_INET, round % 2 ? SOCK_STREAM : SOCK_DGRAM, 0);
        CHECK(bind(fd, SA(any), any.length) == 0);
        CHECK(portOf(fd) > 0);
        close(fd);
    }
    int fds[200];
    for (int i = 0; i < 200; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(bind(fds[i], SA(any), any.length) == 0 && listen(fds[i], 1) == 0);
    }
    for (int i = 0; i < 200; i++) {
        address to = of("127.0.0.1", portOf(fds[i]));
        int client = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(client, SA(to), to.length) == 0);
        close(client);
    }
    return 0;
}

// A server that forks, and a client that waits in a thread.
static int forks(void) {
    address any = of("0.0.0.0", 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, SA(any), any.length) == 0 && listen(listener, 8) == 0);
    int port = portOf(listener);
    pid_t child = fork();
    if (child == 0) {
        for (int i = 0; i < 20; i++) {
            int fd = accept(listener, NULL, NULL);
            char text[64];
            ssize_t count = recv(fd, text, sizeof text, 0);
            if (count <= 0 || send(fd, text, (size_t)count, 0) != count) _exit(1);
            close(fd);
        }
        _exit(0);
    }
    close(listener);
    address to = of("127.0.0.1", port);
    for (int i = 0; i < 20; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(connect(fd, SA(to), to.length) == 0);
        char text[64];
        CHECK(send(fd, "hello", 5, 0) == 5 && recv(fd, text, sizeof text, MSG_WAITALL) == 5);
        close(fd);
    }
    int status;
    waitpid(child, &status, 0);
    CHECK(status == 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, SA(to), to.length) < 0 && errno == ECONNREFUSED);
    return 0;
}

static int names(void) {
    // Every address of the loopback is the guest's own.
    address at = of("127.0.0.1", 7007), elsewhere = of("127.5.5.5", 7007), zero = of("0.0.0.0", 7007);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, SA(at), at.length) == 0 && listen(listener, 8) == 0);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    // On a kernel's own loopback these would be two.
    CHECK(connect(fd, SA(elsewhere), elsewhere.length) == 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, SA(zero), zero.length) == 0);
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    address mapped = of("::ffff:127.0.0.1", 7007);
    CHECK(connect(fd, SA(mapped), mapped.length) == 0);
    CHECK(connect(fd, SA(mapped), mapped.length) < 0 && errno == EISCONN);
    // A pair of bytes too short, families that do not fit.
    fd = socket(AF_INET6, SOCK_STREAM, 0);
    CHECK(connect(fd, SA(at), at.length) < 0 && errno == EINVAL);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, SA(mapped), mapped.length) < 0 && errno == EAFNOSUPPORT);
    CHECK(connect(fd, SA(at), 1) < 0 && errno == EINVAL);
    CHECK(listen(socket(AF_INET, SOCK_DGRAM, 0), 1) < 0 && errno == EOPNOTSUPP);
    return 0;
}

static volatile int pipes;
static void onPipe(int signal) {
    (void)signal;
    pipes++;
}

enum { total = 1 << 20 };
static unsigned char pattern[total];
static int readingEnd, isRight;

static void *readAll(void *unused) {
    (void)unused;
    static unsigned char seen[total];
    size_t done = 0;
    while (done < total) {
        ssize_t count = recv(readingEnd, seen + done, total - done, 0);
        if (count <= 0) return NULL;
        done += (size_t)count;
    }
    isRight = memcmp(seen, pattern, total) == 0;
    return NULL;
}

// A megabyte in messages of several parts, while other threads share the descriptors.
static int stream(int from, int to) {
    pthread_t reader;
    readingEnd = to;
    isRight = 0;
    pthread_create(&reader, NULL, readAll, NULL);
    for (size_t done = 0; done < total;) {
        struct iovec parts[4];
        size_t start = done;
        int count = 0;
        for (; count < 4 && start < total; count++) {
            size_t length = total - start < 60000 ? total - start : 60000;
            parts[count] = (struct iovec){pattern + start, length};
            start += length;
        }
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = (size_t)count};
        ssize_t sent = sendmsg(from, &message, MSG_NOSIGNAL);
        CHECK(sent > 0);
        done += (size_t)sent;
    }
    pthread_join(reader, NULL);
    CHECK(isRight);
    return 0;
}

static int threads(void) {
    pthread_t thread;
    pthread_create(&thread, NULL, idle, NULL);
    for (size_t i = 0; i < total; i++) pattern[i] = (unsigned char)(i * 2654435761u >> 13);
    int pair[2];
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    if (stream(pair[0], pair[1])) return 1;
    // The signal comes where it is not held back.
    signal(SIGPIPE, onPipe);
    close(pair[1]);
    struct iovec two[2] = {{"a", 1}, {"b", 1}};
    struct msghdr message = {.msg_iov = two, .msg_iovlen = 2};
    CHECK(sendmsg(pair[0], &message, MSG_NOSIGNAL) < 0 && errno == EPIPE && pipes == 0);
    CHECK(sendmsg(pair[0], &message, 0) < 0 && errno == EPIPE && pipes == 1);
    signal(SIGPIPE, SIG_IGN);

    address any = of("127.0.0.1", 0);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, SA(any), any.length) == 0 && listen(listener, 4) == 0);
    address to = of("127.0.0.1", portOf(listener));
    int client = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(client, SA(to), to.length) == 0);
    int accepted = accept(listener, NULL, NULL);
    if (stream(client, accepted) || stream(accepted, client)) return 1;
    CHECK(fcntl(client, F_SETFL, O_NONBLOCK) == 0);
    struct iovec large[2] = {{pattern, total / 2}, {pattern + total / 2, total / 2}};
    message = (struct msghdr){.msg_iov = large, .msg_iovlen = 2};
    ssize_t sent;
    while ((sent = sendmsg(client, &message, MSG_NOSIGNAL)) > 0) continue;
    CHECK(errno == EAGAIN);

    // Datagrams, more than go at a time; each with its length.
    int server = socket(AF_INET, SOCK_DGRAM, 0), sender = socket(AF_INET, SOCK_DGRAM, 0), room = 1 << 20;
    setsockopt(server, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    CHECK(bind(server, SA(any), any.length) == 0);
    to = of("127.0.0.1", portOf(server));
    struct mmsghdr messages[40];
    struct iovec parts[40];
    for (int i = 0; i < 40; i++) {
        parts[i] = (struct iovec){pattern, (size_t)i + 1};
        messages[i] = (struct mmsghdr){{.msg_name = &to.storage, .msg_namelen = to.length, .msg_iov = &parts[i], .msg_iovlen = 1}, 0};
    }
    for (int done = 0; done < 40;) {
        int count = sendmmsg(sender, messages + done, (unsigned)(40 - done), 0);
        CHECK(count > 0);
        for (int i = done; i < done + count; i++) CHECK(messages[i].msg_len == (unsigned)i + 1);
        done += count;
    }
    static char texts[40][64];
    address from[40];
    for (int i = 0; i < 40; i++) {
        parts[i] = (struct iovec){texts[i], sizeof texts[i]};
        messages[i] = (struct mmsghdr){{.msg_name = &from[i].storage, .msg_namelen = sizeof from[i].storage, .msg_iov = &parts[i], .msg_iovlen = 1}, 0};
    }
    CHECK(recvmmsg(server, messages, 40, 0, NULL) == 40);
    for (int i = 0; i < 40; i++) CHECK(messages[i].msg_len == (unsigned)i + 1 && memcmp(texts[i], pattern, (size_t)i + 1) == 0);
    address own = {.length = sizeof own.storage};
    CHECK(getsockname(sender, SA(own), &own.length) == 0);
    CHECK(((struct sockaddr_in *)&from[0].storage)->sin_port == ((struct sockaddr_in *)&own.storage)->sin_port);
    // Too long for one.
    struct iovec much[2] = {{pattern, 40000}, {pattern, 40000}};
    message = (struct msghdr){.msg_name = &to.storage, .msg_namelen = to.length, .msg_iov = much, .msg_iovlen = 2};
    CHECK(sendmsg(sender, &message, 0) < 0 && errno == EMSGSIZE);

    // A Unix socket with a path, and one that is passed.
    struct sockaddr_un place = {.sun_family = AF_UNIX, .sun_path = "threads.socket"};
    unlink(place.sun_path);
    int here = socket(AF_UNIX, SOCK_STREAM, 0), there = socket(AF_UNIX, SOCK_STREAM, 0);
    CHECK(bind(here, (struct sockaddr *)&place, sizeof place) == 0 && listen(here, 4) == 0);
    CHECK(connect(there, (struct sockaddr *)&place, sizeof place) == 0);
    int peer = accept(here, NULL, NULL);
    CHECK(peer >= 0);
    struct ucred credentials;
    socklen_t length = sizeof credentials;
    CHECK(getsockopt(there, SOL_SOCKET, SO_PEERCRED, &credentials, &length) == 0);
    sendDescriptor(there, client);
    int copy = receiveDescriptor(peer);
    CHECK(copy >= 0 && portOf(copy) == portOf(client));
    unlink(place.sun_path);
    stop = 1;
    pthread_join(thread, NULL);
    return 0;
}

static int serve(int port) {
    address any = of("0.0.0.0", port);
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(bind(listener, SA(any), any.length) == 0 && listen(listener, 8) == 0);
    struct pollfd ready = {listener, POLLIN, 0};
    CHECK(poll(&ready, 1, 20000) == 1);
    int fd = accept(listener, NULL, NULL);
    char text[64];
    ssize_t count = recv(fd, text, sizeof text - 1, 0);
    CHECK(count > 0);
    text[count] = 0;
    dprintf(fd, "guest says %s", text);
    return 0;
}

int main(int count, char **words) {
    if (count < 2) return 2;
    setvbuf(stdout, NULL, _IOLBF, 0);
    signal(SIGPIPE, SIG_IGN);
    const char *name = words[1];
    if (!strcmp(name, "attack") && count == 7) return attack(words + 2);
    if (!strcmp(name, "serve") && count == 3) return serve(atoi(words[2]));
    if (!strcmp(name, "udp-sendmmsg") && count == 6) return many(of(words[2], atoi(words[3])), of(words[4], atoi(words[5])));
    if (count == 4) {
        address to = of(words[2], atoi(words[3]));
        if (!strcmp(name, "tcp")) return tcp(to, 0);
        if (!strcmp(name, "tcp-nonblocking")) return tcp(to, SOCK_NONBLOCK);
        if (!strcmp(name, "tcp-epoll")) return throughEpoll(socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0), to);
        if (!strcmp(name, "udp-answers")) return answers(to);
        return udp(name, to);
    }
    int result = 2;
    if (!strcmp(name, "loopback-tcp")) result = loopbackTCP("127.0.0.1", "127.0.0.1", "127.0.0.1") || loopbackTCP("0.0.0.0", "127.0.0.1", "127.0.0.1");
    if (!strcmp(name, "loopback-tcp6")) result = loopbackTCP("::1", "::1", "::1") || onlyIPv6();
    if (!strcmp(name, "loopback-dual")) result = loopbackTCP("::", "127.0.0.1", "::ffff:127.0.0.1") || loopbackTCP("::", "::1", NULL);
    if (!strcmp(name, "loopback-udp")) result = loopbackUDP("127.0.0.1", "127.0.0.1") || loopbackUDP("0.0.0.0", "127.0.0.1");
    if (!strcmp(name, "loopback-udp6")) result = loopbackUDP("::1", "::1") || loopbackUDP("::", "::1") || loopbackUDP("::", "127.0.0.1");
    if (!strcmp(name, "loopback-names")) result = names();
    if (!strcmp(name, "loopback-ports")) result = ports();
    if (!strcmp(name, "loopback-fork")) result = forks();
    if (!strcmp(name, "loopback-threads")) result = threads();
    if (result == 0) puts("done");
    return result;
}
