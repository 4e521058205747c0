// The machine as /proc shows it: formats that libraries parse, values that must agree with system calls.
#include "harness.h"
#include <dirent.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static long numberAfter(const char *text, const char *key) {
    const char *at = strstr(text, key);
    return at ? atol(at + strlen(key)) : -1;
}

static int countOf(const char *text, const char *word) {
    int count = 0;
    for (; (text = strstr(text, word)); text += strlen(word)) count++;
    return count;
}

static void sysctls(void) {
    struct utsname u;
    char line[256];
    CHECK_OK(uname(&u));
    snprintf(line, sizeof line, "%s\n", u.sysname);
    CHECK_STR(readFile("/proc/sys/kernel/ostype"), line);
    snprintf(line, sizeof line, "%s\n", u.release);
    CHECK_STR(readFile("/proc/sys/kernel/osrelease"), line);
    snprintf(line, sizeof line, "%s\n", u.nodename);
    CHECK_STR(readFile("/proc/sys/kernel/hostname"), line);
    CHECK(atol(readFile("/proc/sys/kernel/pid_max")) >= 32768);
    CHECK(atol(readFile("/proc/sys/fs/pipe-max-size")) >= 4096);
    CHECK(atol(readFile("/proc/sys/kernel/randomize_va_space")) <= 2 && readFile("/proc/sys/kernel/randomize_va_space")[0] != '(');
    CHECK(atol(readFile("/proc/sys/vm/overcommit_memory")) <= 2 && readFile("/proc/sys/vm/overcommit_memory")[0] != '(');
    CHECK(atol(readFile("/proc/sys/kernel/ngroups_max")) == 65536);
    CHECK(atol(readFile("/proc/sys/kernel/cap_last_cap")) >= 37);
    CHECK(strlen(readFile("/proc/sys/kernel/random/boot_id")) == 37);
    CHECK(strcmp(readFile("/proc/sys/kernel/random/uuid"), readFile("/proc/sys/kernel/random/uuid")) != 0);
    CHECK(!isRoot() || access("/proc/sys/kernel/ostype", R_OK) == 0);
    CHECK(open("/proc/sys/kernel/ostype", O_WRONLY) == -1);
    if (!isRoot()) CHECK(open("/proc/sys/kernel/hostname", O_WRONLY) == -1);
}

static void scenario(void) {
    sysctls();
    struct sysinfo info;
    CHECK_OK(sysinfo(&info));
    const char *text = readFile("/proc/meminfo");
    long total = numberAfter(text, "MemTotal:");
    CHECK(total > 0 && llabs((long long)total * 1024 - (long long)info.totalram * info.mem_unit) < 1 << 20);
    CHECK(numberAfter(text, "MemFree:") >= 0 && numberAfter(text, "MemFree:") <= total);
    CHECK(numberAfter(text, "MemAvailable:") > 0);
    CHECK(numberAfter(text, "SwapTotal:") >= 0);

    text = readFile("/proc/cpuinfo");
    CHECK_EQ(countOf(text, "processor\t:"), sysconf(_SC_NPROCESSORS_ONLN));
    CHECK(strstr(text, "model name\t:") && strstr(text, "flags\t\t:") && strstr(text, "cpu MHz\t\t:"));
    text = readFile("/proc/stat");
    CHECK(strncmp(text, "cpu  ", 5) == 0);
    CHECK(strstr(text, "\ncpu0 ") && numberAfter(text, "\nbtime ") > 1500000000 && numberAfter(text, "\nprocesses ") > 0);
    CHECK(strstr(text, "\nprocs_running ") && strstr(text, "\nctxt "));
    double up, idle;
    CHECK_EQ(sscanf(readFile("/proc/uptime"), "%lf %lf", &up, &idle), 2);
    CHECK(up > 0 && up - (double)info.uptime < 3 && (double)info.uptime - up < 3);
    double one, five, fifteen;
    int running, all, last;
    CHECK_EQ(sscanf(readFile("/proc/loadavg"), "%lf %lf %lf %d/%d %d", &one, &five, &fifteen, &running, &all, &last), 6);
    CHECK(all >= running && running >= 1 && last > 0);
    text = readFile("/proc/filesystems");
    CHECK(strstr(text, "nodev\tproc\n") && strstr(text, "nodev\ttmpfs\n"));
    CHECK(strncmp(readFile("/proc/version"), "Linux version ", 14) == 0);
    CHECK(readFile("/proc/cmdline")[0] != '(');
    CHECK_STR(linkTarget("/proc/mounts"), "self/mounts");

    // mountinfo: ten or more fields, the root, the places every program expects, and the mount we stand on.
    int id, parent, roots = 0, procs = 0, wrong = 0;
    char copy[65536], root[512], point[512], options[512], *save = NULL;
    snprintf(copy, sizeof copy, "%s", readFile("/proc/self/mountinfo"));
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        unsigned major, minor;
        int fields = sscanf(line, "%d %d %u:%u %511s %511s %511s", &id, &parent, &major, &minor, root, point, options);
        char *dash = strstr(line, " - ");
        wrong += fields != 7 || !dash;
        roots += strcmp(point, "/") == 0;
        procs += strcmp(point, "/proc") == 0 && dash && strncmp(dash + 3, "proc ", 5) == 0;
    }
    CHECK_EQ(wrong, 0);
    CHECK(roots >= 1);
    CHECK(procs >= 1);
    struct statx x;
    CHECK_OK(statx(AT_FDCWD, "/proc", 0, STATX_MNT_ID, &x));
    snprintf(root, sizeof root, "\n%llu ", (unsigned long long)x.stx_mnt_id);
    snprintf(copy, sizeof copy, "\n%s", readFile("/proc/self/mountinfo"));
    char *line = strstr(copy, root);
    CHECK(line && strstr(line, " /proc ") && strstr(line, " /proc ") < strchr(line + 1, '\n'));
    CHECK(strstr(readFile("/proc/self/mounts"), "proc /proc proc "));

    // Processes: exactly those that exist, each a directory.
    DIR *directory = opendir("/proc");
    bool own = false;
    int odd = 0;
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (atoi(entry->d_name) == getpid()) own = true;
        if (entry->d_name[0] >= '1' && entry->d_name[0] <= '9') odd += entry->d_type != DT_DIR && entry->d_type != DT_UNKNOWN;
    }
    CHECK(own);
    CHECK_EQ(odd, 0);
    if (directory) closedir(directory);
    CHECK_ERRNO(open("/proc/4194305", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/missing", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/missing", O_CREAT | O_WRONLY, 0600), ENOENT);
    CHECK_EQ(statOf("/proc").st_mode & S_IFMT, S_IFDIR);
    // A read in pieces gives the same text as a read at once.
    char pieces[256] = "", whole[256] = "";
    int fd = (int)CHECK_OK(open("/proc/version", O_RDONLY));
    for (int i = 0; i < 200 && read(fd, pieces + i, 1) == 1; i++) {}
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    CHECK(read(fd, whole, 200) > 20);
    CHECK(strncmp(pieces, whole, 200) == 0);
    CHECK_EQ(pread(fd, whole, 5, 6), 5);
    CHECK(strncmp(whole, "version", 5) == 0);
    close(fd);
}

SCENARIO("proc_system", NULL, scenario)
