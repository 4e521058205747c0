// ETXTBSY: a running program cannot be opened for writing, a file open for writing cannot be executed; lower or copied up.
#include "harness.h"

static void copyProgram(const char *from, const char *to) {
    char buffer[65536];
    int in = (int)MUST(open(from, O_RDONLY)), out = (int)MUST(open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755));
    ssize_t got;
    while ((got = read(in, buffer, sizeof buffer)) > 0) MUST(write(out, buffer, (size_t)got) == got ? 0 : -1);
    close(in);
    close(out);
}

static void prepare(void) { copyProgram(selfPath, "program"); }

// Started with --wait: says that it runs, then waits for its standard input to end.
static pid_t start(const char *path, int *hold) {
    int in[2], out[2];
    MUST(pipe2(in, O_CLOEXEC));
    MUST(pipe2(out, O_CLOEXEC));
    pid_t child = fork();
    if (child == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        execl(path, path, "--wait", (char *)NULL);
        _exit(errno);
    }
    close(in[0]);
    close(out[1]);
    char ready;
    CHECK_EQ(read(out[0], &ready, 1), 1);
    close(out[0]);
    *hold = in[1];
    return child;
}

static int tryExecute(const char *path) {
    pid_t child = fork();
    if (child == 0) {
        close(0);
        MUST(open("/dev/null", O_RDWR));
        dup2(0, 1);
        execl(path, path, "--wait", (char *)NULL);
        _exit(errno);
    }
    int status = statusOf(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void runningIsBusy(const char *path) {
    int hold;
    pid_t child = start(path, &hold);
    CHECK_ERRNO(open(path, O_WRONLY), ETXTBSY);
    CHECK_ERRNO(open(path, O_RDWR), ETXTBSY);
    CHECK_ERRNO(open(path, O_WRONLY | O_TRUNC), ETXTBSY);
    CHECK_ERRNO(truncate(path, 0), ETXTBSY);
    CHECK(statOf(path).st_size > 1000);
    int fd = (int)CHECK_OK(open(path, O_RDONLY));
    close(fd);
    CHECK_OK(chmod(path, 0700));
    // After a copy-up by chmod the same program still runs: still busy.
    CHECK_ERRNO(open(path, O_WRONLY), ETXTBSY);
    CHECK_OK(rename(path, "moved"));
    CHECK_ERRNO(open("moved", O_WRONLY), ETXTBSY);
    CHECK_OK(rename("moved", path));
    close(hold);
    CHECK_EXITS_OK(child);
    fd = (int)CHECK_OK(open(path, O_RDWR));
    close(fd);
}

static void scenario(void) {
    runningIsBusy("program");
    copyProgram(selfPath, "upper");
    runningIsBusy("upper");

    int fd = (int)CHECK_OK(open("program", O_WRONLY));
    CHECK_EQ(tryExecute("program"), ETXTBSY);
    close(fd);
    CHECK_EQ(tryExecute("program"), 0);
    fd = (int)CHECK_OK(open("upper", O_RDWR));
    CHECK_EQ(tryExecute("upper"), ETXTBSY);
    // A writer elsewhere counts as well.
    int copy = dup(fd);
    close(fd);
    CHECK_EQ(tryExecute("upper"), ETXTBSY);
    close(copy);
    CHECK_EQ(tryExecute("upper"), 0);
    // Replacing by rename is how programs are updated while they run.
    int hold;
    pid_t child = start("program", &hold);
    copyProgram(selfPath, "next");
    CHECK_OK(rename("next", "program"));
    fd = (int)CHECK_OK(open("program", O_WRONLY));
    close(fd);
    close(hold);
    CHECK_EXITS_OK(child);
}

int main(int argc, char **argv) {
    if (argc > 1 && strcmp(argv[1], "--wait") == 0) {
        char byte;
        if (write(1, "r", 1) != 1) return 1;
        return read(0, &byte, 1) == 0 ? 0 : 1;
    }
    return harnessMain(argc, argv, "text_busy", prepare, scenario, false);
}
