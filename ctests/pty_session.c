// Pseudo terminals: opening both ends, names, a controlling terminal, /dev/tty, signals from the line discipline, hang-up.
#include "harness.h"
#include <sys/ioctl.h>
#include <termios.h>

static void scenario(void) {
    int master = (int)CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
    if (master < 0) return;
    CHECK_OK(grantpt(master));
    CHECK_OK(unlockpt(master));
    char name[64] = "";
    CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
    CHECK(strncmp(name, "/dev/pts/", 9) == 0);
    struct stat s = statOf(name);
    CHECK(S_ISCHR(s.st_mode));
    CHECK_EQ(s.st_uid, geteuid());
    int slave = (int)CHECK_OK(open(name, O_RDWR | O_NOCTTY));
    CHECK(isatty(slave));
    CHECK_EQ(fstatOf(slave).st_rdev, s.st_rdev);
    CHECK_EQ(fstatOf(slave).st_ino, s.st_ino);
    CHECK_STR(ttyname(slave), name);

    struct winsize size = {50, 132, 0, 0}, read_;
    CHECK_OK(ioctl(master, TIOCSWINSZ, &size));
    CHECK_OK(ioctl(slave, TIOCGWINSZ, &read_));
    CHECK_EQ(read_.ws_col, 132);
    struct termios modes;
    CHECK_OK(tcgetattr(slave, &modes));
    CHECK(modes.c_lflag & ICANON);
    CHECK(modes.c_lflag & ISIG);
    char buffer[64] = "";
    CHECK_EQ(write(master, "line\n", 5), 5);
    CHECK_EQ(read(slave, buffer, sizeof buffer), 5);
    CHECK(memcmp(buffer, "line\n", 5) == 0);
    CHECK_EQ(read(master, buffer, sizeof buffer), 6);  // the echo, with its carriage return
    CHECK(memcmp(buffer, "line\r\n", 6) == 0);
    CHECK_EQ(write(slave, "out\n", 4), 4);
    CHECK_EQ(read(master, buffer, sizeof buffer), 5);
    modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    CHECK_OK(tcsetattr(slave, TCSANOW, &modes));
    CHECK_EQ(write(master, "k", 1), 1);
    CHECK_EQ(read(slave, buffer, sizeof buffer), 1);

    int ready[2];
    MUST(pipe(ready));
    pid_t child = fork();
    if (child == 0) {
        close(master);
        CHECK(setsid() > 0);
        CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
        CHECK_OK(ioctl(slave, TIOCSCTTY, 0));
        int tty = (int)CHECK_OK(open("/dev/tty", O_RDWR));
        CHECK_EQ(tcgetsid(tty), getpid());
        CHECK_EQ(tcgetpgrp(tty), getpid());
        CHECK_EQ(write(tty, "T", 1), 1);
        // A job in the background that reads from the terminal is stopped; in the foreground it gets its key.
        int go[2];
        MUST(pipe(go));
        pid_t job = fork();
        if (job == 0) {
            char byte;
            setpgid(0, 0);
            CHECK_EQ(read(go[0], &byte, 1), 1);
            CHECK_EQ(read(tty, &byte, 1), 1);
            CHECK_EQ(byte, 'j');
            _exit(0);
        }
        setpgid(job, job);
        int status;
        CHECK_EQ(write(go[1], "g", 1), 1);
        CHECK_EQ(waitpid(job, &status, WUNTRACED), job);
        CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
        CHECK_OK(tcsetpgrp(tty, job));
        CHECK_EQ(tcgetpgrp(tty), job);
        CHECK_OK(kill(job, SIGCONT));
        CHECK_EQ(write(ready[1], "j", 1), 1);
        CHECK_EXITS_OK(job);
        // Taking the terminal back from the background needs SIGTTOU out of the way.
        signal(SIGTTOU, SIG_IGN);
        CHECK_OK(tcsetpgrp(tty, getpid()));
        signal(SIGINT, SIG_DFL);
        CHECK_EQ(write(ready[1], "i", 1), 1);
        for (;;) pause();
    }
    char byte;
    CHECK_EQ(read(master, &byte, 1), 1);
    CHECK_EQ(byte, 'T');
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(write(master, "j", 1), 1);
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    CHECK_EQ(byte, 'i');
    CHECK_EQ(write(master, "\003", 1), 1);  // Ctrl-C
    CHECK_EQ(statusOf(child), SIGINT);

    // Closing the master hangs up the session.
    child = fork();
    if (child == 0) {
        close(master);
        setsid();
        ioctl(slave, TIOCSCTTY, 0);
        close(slave);
        CHECK_EQ(write(ready[1], "h", 1), 1);
        for (;;) pause();
    }
    CHECK_EQ(read(ready[0], &byte, 1), 1);
    close(slave);
    close(master);
    CHECK_EQ(statusOf(child), SIGHUP);
    CHECK(!exists(name));
}

SCENARIO("pty_session", NULL, scenario)
