// Inter-process communication that has names of its own, and keyrings.
#define CLASS "ipc"
#include "attack.h"
#include <linux/keyctl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>

ATTACK(shm_read, leak, 0, "shmat of the host's segment by its identifier, and by its key") {
    for (int i = 0; i < 2; i++) {
        char *p = shmat(i ? shmget(knowsNumber("KEY"), 0, 0) : knowsNumber("SHM"), NULL, SHM_RDONLY);
        say("shmat", p == (void *)-1 ? -1 : 0);
        if (p != (void *)-1) leak(p, 32);
    }
}
ATTACK(shm_written, change, 0, "a write to the segment, IPC_SET") {
    char *p = shmat(knowsNumber("SHM"), NULL, 0);
    if (p != (void *)-1) strcpy(p, "DEFACED");
    struct shmid_ds s;
    if (shmctl(knowsNumber("SHM"), IPC_STAT, &s) == 0) s.shm_perm.mode = 0600, say("IPC_SET", shmctl(knowsNumber("SHM"), IPC_SET, &s));
}
ATTACK(shm_removed, change, 0, "IPC_RMID of the segment, the semaphores and the queue") {
    say("shm", shmctl(knowsNumber("SHM"), IPC_RMID, NULL)), say("sem", semctl(knowsNumber("SEM"), 0, IPC_RMID)),
        say("msg", msgctl(knowsNumber("MSG"), IPC_RMID, NULL));
}
ATTACK(sem_changed, change, 0, "semop and SETVAL of the host's semaphore") {
    struct sembuf one = {0, 1, IPC_NOWAIT};
    say("semop", semop(knowsNumber("SEM"), &one, 1)), say("semctl", semctl(knowsNumber("SEM"), 0, SETVAL, 3));
}
ATTACK(msg_received, leak, 0, "msgrcv of the host's queue") {
    struct {
        long type;
        char text[64];
    } m = {0};
    say("msgrcv", msgrcv(knowsNumber("MSG"), &m, sizeof m.text, 0, IPC_NOWAIT)), leak(m.text, 64);
}
ATTACK(msg_sent, change, 0, "msgsnd to the host's queue") {
    struct {
        long type;
        char text[8];
    } m = {1, "x"};
    say("msgsnd", msgsnd(knowsNumber("MSG"), &m, 8, IPC_NOWAIT));
}
ATTACK(ipc_listed, leak, 0, "every segment and queue by index: SHM_STAT, MSG_STAT, SHM_STAT_ANY, /proc/sysvipc") {
    for (int i = 0; i < 512; i++) {
        struct shmid_ds s;
        struct msqid_ds q;
        for (int any = 0; any < 2; any++) {
            int id = shmctl(i, any ? 15 : 13, &s);
            char *p = id >= 0 ? shmat(id, NULL, SHM_RDONLY) : (void *)-1;
            if (p != (void *)-1) leak(p, 32);
            msgctl(i, any ? 13 : 11, &q);
        }
    }
    leakPath("/proc/sysvipc/shm"), leakPath("/proc/sysvipc/msg");
}
static mqd_t queue(int flags) {
    char name[64];
    snprintf(name, sizeof name, "/%s", knows("NAME"));
    mqd_t q = mq_open(name, flags);
    say("mq_open", q);
    return q;
}
ATTACK(mq_received, leak, 0, "mq_receive of the host's POSIX queue") {
    char text[64];
    mqd_t q = queue(O_RDWR | O_NONBLOCK);
    if (mq_receive(q, text, sizeof text, NULL) > 0) leak(text, 24);
}
ATTACK(mq_removed, change, 0, "mq_unlink, mq_send") {
    mqd_t q = queue(O_RDWR | O_NONBLOCK);
    say("mq_send", mq_send(q, "x", 1, 0));
    char name[64];
    snprintf(name, sizeof name, "/%s", knows("NAME")), say("mq_unlink", mq_unlink(name));
}
ATTACK(dev_shm, leak, 0, "/dev/shm of the host") {
    char name[96];
    snprintf(name, sizeof name, "/dev/shm/%s", knows("NAME")), leakPath(name);
}
ATTACK(dev_shm_host_root, leak, HOST_ROOT, "/dev/shm of the host where its root is shown") {
    char name[96];
    snprintf(name, sizeof name, "/dev/shm/%s", knows("NAME")), leakPath(name), snprintf(name, sizeof name, "/dev/../dev/shm/%s", knows("NAME")), leakPath(name);
}
ATTACK(dev_shm_written, change, 0, "a write to and unlink of a file in the host's /dev/shm") {
    char name[96];
    snprintf(name, sizeof name, "/dev/shm/%s", knows("NAME"));
    deface(open(name, O_RDWR)), say("unlink", unlink(name));
}
ATTACK(key_read, leak, 0, "the user's keyring: search and read a key") {
    long key = syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", knows("NAME"), 0);
    char text[64] = "";
    say("search", key), say("read", syscall(SYS_keyctl, KEYCTL_READ, key, text, 64)), leak(text, 64);
    key = syscall(SYS_request_key, "user", knows("NAME"), NULL, 0), say("request_key", key), say("read", syscall(SYS_keyctl, KEYCTL_READ, key, text, 64)),
    leak(text, 64);
}
ATTACK(key_of_session, leak, 0, "keys found through /proc/keys and the session keyring; natively as above") {
    char line[512];
    FILE *keys = fopen("/proc/keys", "r");
    while (keys && fgets(line, sizeof line, keys)) {
        char text[64] = "";
        long key = strtol(line, NULL, 16);
        if (syscall(SYS_keyctl, KEYCTL_READ, key, text, 64) > 0) leak(text, 64);
    }
    if (!inside) key_read();
}
