// What the parts of the referee share: the secrets, the victim's protocol, the arena.
#ifndef ESCAPE_REFEREE_H
#define ESCAPE_REFEREE_H
#include "attack.h"

// Each hiding place has a secret of its own, random for each run, so that a leak says where it came from.
enum place {
    OUTSIDE_FILE,
    HIDDEN_FILE,
    SUPERVISOR_ENVIRONMENT,
    VICTIM_MEMORY_SECRET,
    VICTIM_ENVIRONMENT,
    VICTIM_ARGUMENT,
    PIPE_SECRET,
    MEMFD_SECRET,
    UNLINKED_FILE,
    TCP_BANNER,
    UDP_BANNER,
    ABSTRACT_BANNER,
    DATAGRAM_BANNER,
    OUTSIDE_SOCKET,
    LOWER_SOCKET,
    BIND_SOCKET,
    SHARED_MEMORY,
    MESSAGE_QUEUE,
    POSIX_QUEUE,
    DEV_SHM_FILE,
    KEY_SECRET,
    ROOT_ONLY_FILE,
    HOST_FIFO,
    DEVICE_SECRET,
    INHERITED_FD,
    INTERFACE_NAME,
    MOUNT_SOURCE,
    TERMINAL_SECRET,
    PLACES
};
extern const char *const placeNames[PLACES];
struct secrets {
    char text[PLACES][24];
};

// What the victim inherits, from descriptor 70 on.
enum { CONTROL_FD = 60, LISTENER_TCP = 70, LISTENER_UDP, LISTENER_ABSTRACT, LISTENER_DATAGRAM, LISTENER_OUTSIDE, LISTENER_LOWER, LISTENER_BIND, LISTENERS_END };
int victimMain(void);

struct arena {
    char path[256];  // ARENA
    uid_t caller;
    unsigned flags;  // the attack's
    bool native;
    struct secrets secrets;
    int listeners[LISTENERS_END - LISTENER_TCP];
    int tcpPort, udpPort;
    int shm, sem, msg;
    int tree;  // a descriptor of ARENA
    int ptyMaster;
    char ptySlave[64];
};
void makeArena(struct arena *, const char *attacker, const char *loop);
void unmakeArena(struct arena *);
char *manifestOf(struct arena *);  // the state of everything in the arena and of the host, as lines
char *hostState(struct arena *);
void die(const char *format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define MUST_DO(call)                                                                     \
    do {                                                                                  \
        if ((call) < 0) die("%s:%d: %s: %s", __FILE__, __LINE__, #call, strerror(errno)); \
    } while (0)
#endif
