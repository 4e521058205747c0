// What execve refuses and with which errno; scripts with arguments and nested; limits of arguments.
#include "harness.h"
#include <elf.h>
#include <stddef.h>

static void copyProgram(const char *to, mode_t mode) {
    char buffer[65536];
    int in = (int)MUST(open(selfPath, O_RDONLY)), out = (int)MUST(open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755));
    ssize_t got;
    while ((got = read(in, buffer, sizeof buffer)) > 0) MUST(write(out, buffer, (size_t)got) == got ? 0 : -1);
    MUST(fchmod(out, mode));
    close(in);
    close(out);
}

static void script(const char *name, const char *text) {
    writeFile(name, text);
    MUST(chmod(name, 0755));
}

static void patch(const char *name, off_t at, const void *bytes, size_t size) {
    copyProgram(name, 0755);
    int fd = (int)MUST(open(name, O_WRONLY));
    MUST(pwrite(fd, bytes, size, at));
    close(fd);
}

static void prepare(void) {
    char text[PATH_MAX + 64];
    copyProgram("program", 0755);
    copyProgram("not-executable", 0644);
    script("empty", "");
    script("plain-text", "echo hello\n");
    script("binary-junk", "\x01\x02\x03\x04 nothing known");
    script("missing-interpreter", "#!/no/such/interpreter\n");
    script("bare-bang", "#!\n");
    script("blank-bang", "#!   \n");
    snprintf(text, sizeof text, "#!%s/program --script-report\n", scratch);
    script("script", text);
    snprintf(text, sizeof text, "#! \t %s/program   two words \t \n", scratch);
    script("spaces", text);
    snprintf(text, sizeof text, "#!%s/script\n", scratch);
    script("nested1", text);
    for (int i = 2; i <= 6; i++) {
        char name[16];
        snprintf(name, sizeof name, "nested%d", i);
        snprintf(text, sizeof text, "#!%s/nested%d\n", scratch, i - 1);
        script(name, text);
    }
    script("directory-interpreter", "#!/\n");
    snprintf(text, sizeof text, "#!%s/not-executable\n", scratch);
    script("unexecutable-interpreter", text);
    memset(text, 'x', 400);
    memcpy(text, "#!/", 3);
    strcpy(text + 400, "\n");
    script("long-bang", text);
    // Foreign machine, truncated headers, an ELF whose own interpreter is missing. (A wrong EI_CLASS alone is no error:
    // Linux looks at e_machine and at the size of a program header only.)
    Elf64_Half machine = EM_AARCH64;
    patch("foreign", offsetof(Elf64_Ehdr, e_machine), &machine, sizeof machine);
    copyProgram("truncated", 0755);
    MUST(truncate("truncated", 40));
    copyProgram("no-headers", 0755);
    MUST(truncate("no-headers", 64));
    copyProgram("bad-interpreter", 0755);
    int fd = (int)MUST(open("bad-interpreter", O_RDWR));
    Elf64_Ehdr elf;
    Elf64_Phdr header;
    MUST(pread(fd, &elf, sizeof elf, 0));
    for (int i = 0; i < elf.e_phnum; i++) {
        MUST(pread(fd, &header, sizeof header, (off_t)(elf.e_phoff + (size_t)i * sizeof header)));
        if (header.p_type == PT_INTERP) MUST(pwrite(fd, "/no", 3, (off_t)header.p_offset));
    }
    close(fd);
    MUST(mkdir("directory", 0755));
    MUST(mkfifo("fifo", 0755));
    MUST(mkdir("closed", 0755));
    copyProgram("closed/program", 0755);
    MUST(chmod("closed", 0600));
    MUST(symlink("loop", "loop"));
}

static int execute(const char *path, char *const argv[]) {
    static char *none[] = {NULL};
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, 1);
        execve(path, argv, none);
        // Still ourselves: an exec that fails must leave everything as it was.
        char name[8];
        _exit(errno ? errno : readlink("/proc/self/exe", name, 8) ? 126 : 127);
    }
    int status = statusOf(child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

#define EXECUTE(path, ...) execute(path, (char *[]){__VA_ARGS__, NULL})

static void arguments(void) {
    CHECK_EQ(EXECUTE("program", "p", "--count", "3"), 3);
    // One string may have 128 KiB with its zero, not a byte more.
    char *large = malloc(131073);
    memset(large, 'x', 131072);
    large[131071] = 0;
    CHECK_EQ(EXECUTE("program", "p", "--count", "4", large), 4);
    large[131071] = 'x';
    large[131072] = 0;
    CHECK_EQ(EXECUTE("program", "p", "--count", "4", large), E2BIG);
    large[131071] = 0;
    // All together may have a quarter of the stack limit: 2 MiB of 8.
    char *many[64] = {"p", "--count", "many"};
    for (int i = 3; i < 30; i++) many[i] = large;
    CHECK_EQ(execute("program", many), E2BIG);
    free(large);
    char *none[] = {NULL};
    // No argument at all: the kernel puts an empty argv[0] (Linux 5.18).
    CHECK_EQ(execute("program", none), 44);
    CHECK_ERRNO(syscall(SYS_execve, "program", (void *)8, NULL), EFAULT);
    CHECK_ERRNO(syscall(SYS_execve, (void *)8, none, none), EFAULT);
}

static void scenario(void) {
    CHECK_EQ(EXECUTE("program", "p", "--ok"), 0);
    CHECK_EQ(EXECUTE("missing", "p"), ENOENT);
    CHECK_EQ(EXECUTE("", "p"), ENOENT);
    CHECK_EQ(EXECUTE("program/", "p"), ENOTDIR);
    CHECK_EQ(EXECUTE("program/x", "p"), ENOTDIR);
    CHECK_EQ(EXECUTE("loop", "p"), ELOOP);
    CHECK_EQ(EXECUTE("directory", "p"), EACCES);
    CHECK_EQ(EXECUTE("fifo", "p"), EACCES);
    CHECK_EQ(EXECUTE("/dev/null", "p"), EACCES);
    CHECK_EQ(EXECUTE("not-executable", "p"), EACCES);
    if (isRoot()) IN_CHILD(become(NOBODY); CHECK_EQ(EXECUTE("closed/program", "p", "--ok"), EACCES));
    else CHECK_EQ(EXECUTE("closed/program", "p", "--ok"), EACCES);
    CHECK_EQ(EXECUTE("empty", "p"), ENOEXEC);
    CHECK_EQ(EXECUTE("plain-text", "p"), ENOEXEC);
    CHECK_EQ(EXECUTE("binary-junk", "p"), ENOEXEC);
    CHECK_EQ(EXECUTE("foreign", "p"), ENOEXEC);
    CHECK_EQ(EXECUTE("truncated", "p"), ENOEXEC);
    int noHeaders = EXECUTE("no-headers", "p");
    CHECK(noHeaders == EIO || noHeaders == ENOEXEC);
    CHECK_EQ(EXECUTE("bad-interpreter", "p"), ENOENT);
    CHECK_EQ(EXECUTE("missing-interpreter", "p"), ENOENT);
    CHECK_EQ(EXECUTE("bare-bang", "p"), ENOEXEC);
    CHECK_EQ(EXECUTE("blank-bang", "p"), ENOEXEC);
    CHECK_EQ(EXECUTE("directory-interpreter", "p"), EACCES);
    CHECK_EQ(EXECUTE("unexecutable-interpreter", "p"), EACCES);
    CHECK_EQ(EXECUTE("long-bang", "p"), ENOEXEC);

    // argv of a script: interpreter, the one argument whole, the script's path as it was given, then the rest.
    CHECK_EQ(EXECUTE("./script", "lost", "a", "b c"), 5);
    CHECK_EQ(EXECUTE("./spaces", "lost", "a"), 4);
    CHECK_EQ(EXECUTE("nested1", "lost"), 4);
    CHECK_EQ(EXECUTE("nested3", "lost"), 6);
    CHECK_EQ(EXECUTE("nested4", "lost"), 7);
    CHECK_EQ(EXECUTE("nested5", "lost"), ELOOP);
    CHECK_EQ(EXECUTE("nested6", "lost"), ELOOP);

    int fd = (int)CHECK_OK(open("script", O_WRONLY));
    CHECK_EQ(EXECUTE("./script", "p"), ETXTBSY);
    close(fd);
    CHECK_OK(chmod("script", 0644));
    CHECK_EQ(EXECUTE("./script", "p"), EACCES);
    CHECK_OK(chmod("script", 0711));
    CHECK_EQ(EXECUTE("./script", "lost", "a", "b c"), 5);
    // A changed script is what runs, from the upper layer.
    fd = (int)CHECK_OK(open("script", O_WRONLY | O_TRUNC));
    close(fd);
    CHECK_EQ(EXECUTE("./script", "p"), ENOEXEC);
    arguments();
}

int main(int argc, char **argv) {
    // Started where an error was expected: never run the scenario inside itself.
    if (argc == 1 && strcmp(argv[0], "p") == 0) return 200;
    if (argc == 1 && argv[0][0] == 0) return 44;
    if (argc > 1 && strcmp(argv[1], "--ok") == 0) return 0;
    if (argc > 1 && strcmp(argv[1], "--count") == 0) return argc;
    if (argc > 2 && strcmp(argv[1], "--script-report") == 0) {
        // Everything that stands in argv must be there; the status is how many words there were.
        if (strstr(argv[2], "script") && argc == 5) return strcmp(argv[3], "a") == 0 && strcmp(argv[4], "b c") == 0 ? 5 : 100;
        return strstr(argv[2], "script") && strcmp(argv[3], "nested1") && strncmp(argv[argc - 1], "nested", 6) ? 101 : argc;
    }
    if (argc > 2 && strcmp(argv[1], "two words") == 0) return strcmp(argv[2], "./spaces") == 0 ? argc : 102;
    return harnessMain(argc, argv, "exec_errors", prepare, scenario, false);
}
