// What a program finds when it starts: arguments, environment, auxiliary vector, name, /proc/self/exe, signals, and what
// exec keeps and drops. The guest's stack is rebuilt by the loader, so every word of it is looked at.
#include "harness.h"
#include <elf.h>
#include <sys/auxv.h>
#include <sys/prctl.h>

extern char **environ;
extern char _start[];

static void copyProgram(const char *to) {
    char buffer[65536];
    int in = (int)MUST(open(selfPath, O_RDONLY)), out = (int)MUST(open(to, O_CREAT | O_WRONLY | O_TRUNC, 0755));
    ssize_t got;
    while ((got = read(in, buffer, sizeof buffer)) > 0) MUST(write(out, buffer, (size_t)got) == got ? 0 : -1);
    close(in);
    close(out);
}

static void prepare(void) {
    copyProgram("program");
    MUST(symlink("program", "a-link"));
    copyProgram("a-name-of-more-than-fifteen-characters");
}

// MARK: - The program that is started: prog --report EXECFN EXE COMM

static int report(char **argv) {
    harnessBegin("exec_vector");
    const char *execfn = argv[2], *exe = argv[3], *comm = argv[4];
    char name[17] = "";
    CHECK_STR((const char *)getauxval(AT_EXECFN), execfn);
    CHECK_STR(linkTarget("/proc/self/exe"), exe);
    CHECK_OK(prctl(PR_GET_NAME, name));
    CHECK_STR(name, comm);
    char line[32];
    snprintf(line, sizeof line, "%s\n", comm);
    CHECK_STR(readFile("/proc/self/comm"), line);
    CHECK_EQ(statOf("/proc/self/exe").st_mode & S_IFMT, S_IFLNK);

    CHECK_EQ(getauxval(AT_ENTRY), (unsigned long)_start);
    CHECK_EQ(getauxval(AT_PAGESZ), 4096);
    CHECK_EQ(getauxval(AT_SECURE), 0);
    CHECK_EQ(getauxval(AT_UID), getuid());
    CHECK_EQ(getauxval(AT_EUID), geteuid());
    CHECK_EQ(getauxval(AT_GID), getgid());
    CHECK_EQ(getauxval(AT_EGID), getegid());
    CHECK_EQ(getauxval(AT_CLKTCK), 100);
    CHECK_STR((const char *)getauxval(AT_PLATFORM), "x86_64");
    CHECK(getauxval(AT_HWCAP) != 0);
    CHECK_EQ(getauxval(AT_PHENT), sizeof(Elf64_Phdr));
    const Elf64_Phdr *headers = (const void *)getauxval(AT_PHDR);
    int loads = 0;
    bool interpreter = false, selfDescribed = false;
    for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) {
        loads += headers[i].p_type == PT_LOAD;
        interpreter |= headers[i].p_type == PT_INTERP;
        if (headers[i].p_type == PT_PHDR) {
            const Elf64_Ehdr *elf = (const void *)((const char *)headers - headers[i].p_vaddr);
            selfDescribed = memcmp(elf->e_ident, ELFMAG, SELFMAG) == 0 && elf->e_phnum == getauxval(AT_PHNUM) && (const char *)elf + elf->e_entry == _start;
        }
    }
    CHECK(loads >= 2);
    CHECK(selfDescribed);
    const Elf64_Ehdr *base = (const void *)getauxval(AT_BASE), *vdso = (const void *)getauxval(AT_SYSINFO_EHDR);
    CHECK(interpreter && base && memcmp(base->e_ident, ELFMAG, SELFMAG) == 0 && base->e_type == ET_DYN);
    CHECK(base != (const Elf64_Ehdr *)((const char *)headers - sizeof(Elf64_Ehdr)));
    CHECK(vdso && memcmp(vdso->e_ident, ELFMAG, SELFMAG) == 0);
    const unsigned char *random = (const void *)getauxval(AT_RANDOM);
    int zeros = 0;
    for (int i = 0; random && i < 16; i++) zeros += random[i] == 0;
    CHECK(random && zeros < 8);

    // Strings, pointers and vector stand in the order that the kernel gives them.
    CHECK((char *)environ > (char *)argv);
    CHECK(argv[0] > (char *)environ);
    CHECK_STR(getenv("EXEC_VECTOR_A"), "value with spaces");
    CHECK_STR(getenv("EXEC_VECTOR_EMPTY"), "");
    CHECK_EQ(strcmp(environ[0], "EXEC_VECTOR_A=value with spaces"), 0);
    CHECK(environ[2] == NULL);
    char expected[64] = "";
    int length = snprintf(expected, sizeof expected, "EXEC_VECTOR_A=value with spaces%cEXEC_VECTOR_EMPTY=", 0) + 1;
    char buffer[256];
    int fd = (int)CHECK_OK(open("/proc/self/environ", O_RDONLY));
    CHECK_EQ(read(fd, buffer, sizeof buffer), length);
    CHECK(memcmp(buffer, expected, (size_t)length) == 0);
    close(fd);
    fd = (int)CHECK_OK(open("/proc/self/cmdline", O_RDONLY));
    ssize_t got = read(fd, buffer, sizeof buffer);
    CHECK(got > 10 && memcmp(buffer, argv[0], strlen(argv[0]) + 1) == 0 && buffer[got - 1] == 0);
    close(fd);

    char *end = sbrk(0);
    CHECK(sbrk(1 << 20) == end);
    end[0] = end[(1 << 20) - 1] = 'b';
    CHECK(sbrk(-(1 << 20)) == end + (1 << 20));
    CHECK_EQ(((uintptr_t)argv - 8) % 16, 0);
    CHECK_EQ(*((long *)argv - 1), 6);
    // A deep stack grows as usual.
    volatile char deep[1 << 20];
    deep[0] = 1;
    CHECK_EQ(deep[0], 1);

    // Descriptors: 77 was kept, 78 was close-on-exec.
    CHECK_OK(fcntl(77, F_GETFD));
    CHECK_ERRNO(fcntl(78, F_GETFD), EBADF);
    struct sigaction action;
    sigset_t mask;
    CHECK_OK(sigaction(SIGUSR1, NULL, &action));
    CHECK(action.sa_handler == SIG_DFL);
    CHECK_OK(sigaction(SIGUSR2, NULL, &action));
    CHECK(action.sa_handler == SIG_IGN);
    CHECK_OK(sigprocmask(SIG_SETMASK, NULL, &mask));
    CHECK(sigismember(&mask, SIGHUP) == 1);
    CHECK(sigismember(&mask, SIGUSR1) == 0);
    CHECK_EQ(umask(0), 027);
    return tally->failures ? 1 : 0;
}

// MARK: - The scenario

static void onSignal(int number) { (void)number; }

static void start(const char *path, const char *exe, const char *comm) {
    IN_CHILD({
        int fd = (int)CHECK_OK(open("program", O_RDONLY));
        dup2(fd, 77);
        dup3(fd, 78, O_CLOEXEC);
        signal(SIGUSR1, onSignal);
        signal(SIGUSR2, SIG_IGN);
        sigset_t mask;
        sigemptyset(&mask);
        sigaddset(&mask, SIGHUP);
        sigprocmask(SIG_SETMASK, &mask, NULL);
        umask(027);
        char *argv[] = {"argv zero", "--report", (char *)path, (char *)exe, (char *)comm, "", NULL};
        char *envp[] = {"EXEC_VECTOR_A=value with spaces", "EXEC_VECTOR_EMPTY=", NULL};
        execve(path, argv, envp);
        CHECK(!"execve returned");
    });
}

static void scenario(void) {
    char exe[PATH_MAX + 32], longer[PATH_MAX + 64], absolute[PATH_MAX + 32];
    snprintf(exe, sizeof exe, "%s/program", scratch);
    snprintf(absolute, sizeof absolute, "%s/a-link", scratch);
    snprintf(longer, sizeof longer, "%s/a-name-of-more-than-fifteen-characters", scratch);
    start("./program", exe, "program");
    start("program", exe, "program");
    start(exe, exe, "program");
    start(absolute, exe, "a-link");
    start("./a-name-of-more-than-fifteen-characters", longer, "a-name-of-more-");
    // The same from the upper layer, and after the running name has gone.
    CHECK_OK(chmod("program", 0700));
    start(".//program", exe, "program");
    CHECK_OK(rename("program", "moved"));
    snprintf(exe, sizeof exe, "%s/moved", scratch);
    CHECK_OK(unlink("a-link"));
    CHECK_OK(symlink(exe, "program"));
    start("program", exe, "program");
}

int main(int argc, char **argv) {
    if (argc > 4 && strcmp(argv[1], "--report") == 0) return report(argv);
    return harnessMain(argc, argv, "exec_vector", prepare, scenario, false);
}
