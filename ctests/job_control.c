// Stops and continues as a parent sees them, process groups, sessions, kill(0), orphans, and the status of children.
#include "harness.h"

static void stopAndContinue(void) {
    pid_t child = fork();
    if (child == 0)
        for (;;) pause();
    int status;
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED | WCONTINUED), child);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    CHECK_EQ(waitpid(child, &status, WNOHANG | WUNTRACED), 0);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_EQ(waitpid(child, &status, WCONTINUED), child);
    CHECK(WIFCONTINUED(status));
    // A child that stops itself, as a shell's job does.
    CHECK_OK(kill(child, SIGTSTP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK_EQ(WSTOPSIG(status), SIGTSTP);
    siginfo_t info;
    CHECK_OK(kill(child, SIGCONT));
    CHECK_OK(waitid(P_PID, (id_t)child, &info, WCONTINUED));
    CHECK_EQ(info.si_code, CLD_CONTINUED);
    // A signal sent to a stopped process waits for the continue; SIGKILL does not.
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK_OK(kill(child, SIGTERM));
    sleepMilliseconds(20);
    CHECK_EQ(waitpid(child, &status, WNOHANG), 0);
    CHECK_OK(kill(child, SIGCONT));
    CHECK_EQ(statusOf(child), SIGTERM);
    child = fork();
    if (child == 0)
        for (;;) pause();
    CHECK_OK(kill(child, SIGSTOP));
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(statusOf(child), SIGKILL);
}

static void busyChildStops(void) {
    // Stopped in the middle of served calls, again and again, it must neither be lost nor run on.
    pid_t child = fork();
    if (child == 0) {
        struct stat s;
        for (;;) stat("/", &s);
    }
    int status, wrong = 0;
    for (int i = 0; i < 50; i++) {
        kill(child, SIGSTOP);
        wrong += waitpid(child, &status, WUNTRACED) != child || !WIFSTOPPED(status);
        kill(child, SIGCONT);
        wrong += waitpid(child, &status, WCONTINUED) != child || !WIFCONTINUED(status);
    }
    CHECK_EQ(wrong, 0);
    kill(child, SIGKILL);
    CHECK_EQ(statusOf(child), SIGKILL);
}

static void groups(void) {
    IN_CHILD({
        CHECK_OK(setpgid(0, 0));
        CHECK_EQ(getpgrp(), getpid());
        pid_t children[3];
        for (int i = 0; i < 3; i++)
            if ((children[i] = fork()) == 0)
                for (;;) pause();
        for (int i = 0; i < 3; i++) CHECK_EQ(getpgid(children[i]), getpgrp());
        signal(SIGUSR1, SIG_IGN);
        CHECK_OK(kill(0, SIGUSR1));
        for (int i = 0; i < 3; i++) CHECK_EQ(statusOf(children[i]), SIGUSR1);
        CHECK_OK(killpg(getpgrp(), SIGUSR1));
        CHECK_OK(kill(-getpgrp(), 0));
    });
    IN_CHILD({
        pid_t parent = getpid();
        CHECK_EQ(setsid(), parent);
        CHECK_EQ(getsid(0), parent);
        CHECK_ERRNO(setsid(), EPERM);
        CHECK_ERRNO(setpgid(0, 0), EPERM);
        IN_CHILD(CHECK_EQ(getsid(0), parent); CHECK_EQ(getpgrp(), parent); CHECK_EQ(getppid(), parent));
    });
    int executed[2];
    char byte;
    MUST(pipe2(executed, O_CLOEXEC));
    pid_t child = fork();
    if (child == 0) {
        execl("/bin/sleep", "sleep", "5", (char *)NULL);
        _exit(1);
    }
    close(executed[1]);
    CHECK_EQ(read(executed[0], &byte, 1), 0);
    close(executed[0]);
    // After its exec a child's group is its own affair.
    CHECK_ERRNO(setpgid(child, child), EACCES);
    CHECK_OK(kill(child, SIGKILL));
    statusOf(child);
    CHECK_ERRNO(kill(child, 0), ESRCH);
    CHECK_ERRNO(kill(getpid(), 65), EINVAL);
    CHECK_ERRNO(waitpid(-1, NULL, 0), ECHILD);
}

static void statuses(void) {
    for (int i = 0; i < 256; i += 51) {
        pid_t child = fork();
        if (child == 0) _exit(i);
        CHECK_EQ(statusOf(child), i << 8);
    }
    pid_t child = fork();
    if (child == 0) _exit(3);
    siginfo_t info;
    CHECK_OK(waitid(P_PID, (id_t)child, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_status, 3);
    CHECK_EQ(info.si_pid, child);
    CHECK_OK(waitid(P_PID, (id_t)child, &info, WEXITED));
    CHECK_ERRNO(waitpid(child, NULL, 0), ECHILD);
    // Children are reported in any order, each once.
    pid_t children[10];
    for (int i = 0; i < 10; i++)
        if ((children[i] = fork()) == 0) _exit(i);
    int seen = 0, status;
    pid_t got;
    while ((got = waitpid(-1, &status, 0)) > 0)
        for (int i = 0; i < 10; i++)
            if (children[i] == got && WEXITSTATUS(status) == i) seen |= 1 << i;
    CHECK_EQ(seen, 0x3ff);
    signal(SIGCHLD, SIG_IGN);
    child = fork();
    if (child == 0) _exit(1);
    CHECK_ERRNO(waitpid(child, NULL, 0), ECHILD);
    signal(SIGCHLD, SIG_DFL);
}

static void scenario(void) {
    stopAndContinue();
    busyChildStops();
    groups();
    statuses();
}

SCENARIO("job_control", NULL, scenario)
