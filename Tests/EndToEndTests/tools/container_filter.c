// container_filter docker|containerd [CAPABILITY...] -- COMMAND [ARG...]
// Runs a command under a seccomp filter that refuses what the default profile of that engine refuses to a container with
// these capabilities in its bounding set (`sys_chroot`, ...). containerd's is Kubernetes' RuntimeDefault too. Capabilities,
// mounts and namespaces are the caller's affair. The filter is loaded without no_new_privs where we may (CAP_SYS_ADMIN), as
// the engines do. Exit status: the command's; 127 or 126 if it cannot be executed; 124 for our own failures.
//
// The tables say what is refused, as of 2026: moby's default profile, and that of containerd 1.7, which is the narrower one
// of its versions. What a call is refused with is EPERM, ENOSYS for clone3 and for calls that are newer than the profiles.
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { DOCKER = 1, CONTAINERD = 2, BOTH = 3 };

// Refused for want of a capability; none helps where there is no name.
static const struct {
    const char *capability;
    int engines, numbers[32];
} refused[] = {
    {NULL, BOTH, {SYS_uselib,        SYS_ustat,           SYS_sysfs,        SYS_pivot_root,  SYS__sysctl,         SYS_swapon,         SYS_swapoff,
                  SYS_create_module, SYS_get_kernel_syms, SYS_query_module, SYS_nfsservctl,  SYS_getpmsg,         SYS_putpmsg,        SYS_afs_syscall,
                  SYS_tuxcall,       SYS_security,        SYS_vserver,      SYS_kexec_load,  SYS_kexec_file_load, SYS_add_key,        SYS_request_key,
                  SYS_keyctl,        SYS_migrate_pages,   SYS_move_pages,   SYS_userfaultfd, SYS_io_uring_setup,  SYS_io_uring_enter, SYS_io_uring_register}},
    {NULL, CONTAINERD, {SYS_pkey_mprotect, SYS_pkey_alloc, SYS_pkey_free, SYS_get_mempolicy, SYS_set_mempolicy, SYS_mbind, SYS_set_mempolicy_home_node}},
    {"sys_admin", BOTH, {SYS_fanotify_init, SYS_fsconfig,   SYS_fsmount,   SYS_fsopen,   SYS_fspick,      SYS_lookup_dcookie, SYS_mount,
                         SYS_mount_setattr, SYS_move_mount, SYS_open_tree, SYS_quotactl, SYS_quotactl_fd, SYS_setdomainname,  SYS_sethostname,
                         SYS_setns,         SYS_syslog,     SYS_umount2,   SYS_unshare,  SYS_bpf,         SYS_perf_event_open}},
    {"sys_admin", CONTAINERD, {SYS_name_to_handle_at}},
    {"sys_ptrace", BOTH, {SYS_kcmp, 438 /* pidfd_getfd */, SYS_process_madvise}},
    {"sys_ptrace", CONTAINERD, {SYS_process_vm_readv, SYS_process_vm_writev}},
    {"sys_nice", DOCKER, {SYS_get_mempolicy, SYS_set_mempolicy, SYS_mbind, SYS_set_mempolicy_home_node}},
    {"dac_read_search", BOTH, {SYS_open_by_handle_at}},
    {"sys_boot", BOTH, {SYS_reboot}},
    {"sys_chroot", BOTH, {SYS_chroot}},
    {"sys_module", BOTH, {SYS_init_module, SYS_finit_module, SYS_delete_module}},
    {"sys_pacct", BOTH, {SYS_acct}},
    {"sys_rawio", BOTH, {SYS_iopl, SYS_ioperm}},
    {"sys_time", BOTH, {SYS_settimeofday, SYS_clock_settime}},
    {"sys_tty_config", BOTH, {SYS_vhangup}},
};
// The newest call that a profile has a word about: mseal and the xattrs by descriptor, or futex_waitv.
static const unsigned newest[] = {[DOCKER] = 466, [CONTAINERD] = 449};

static struct sock_filter program[1024];
static unsigned short length;

static void add(unsigned short code, unsigned char yes, unsigned char no, unsigned k) {
    if (length == sizeof program / sizeof *program) exit(124);
    program[length++] = (struct sock_filter){code, yes, no, k};
}
static void answer(unsigned error) { add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | error); }
static void ifNumber(unsigned number, unsigned char others) { add(BPF_JMP | BPF_JEQ | BPF_K, 0, others, number); }
static void loadArgument(int index) { add(BPF_LD | BPF_W | BPF_ABS, 0, 0, (unsigned)(offsetof(struct seccomp_data, args) + 8 * (size_t)index)); }
static void allow(void) { add(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW); }

static char **capabilities;
static int has(const char *name) {
    if (!name) return 0;
    for (char **each = capabilities; strcmp(*each, "--") != 0; each++)
        if (strcmp(*each, name) == 0) return 1;
    return 0;
}

static void compile(int engine) {
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch));
    // 32-bit calls are judged by tables of their own, which no test needs.
    add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, AUDIT_ARCH_X86_64);
    answer(ENOSYS);
    add(BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr));
    add(BPF_JMP | BPF_JGT | BPF_K, 0, 1, newest[engine]);
    answer(ENOSYS);
    for (size_t row = 0; row < sizeof refused / sizeof *refused; row++) {
        if (!(refused[row].engines & engine) || has(refused[row].capability)) continue;
        for (const int *number = refused[row].numbers; *number; number++) {
            ifNumber((unsigned)*number, 1);
            answer(EPERM);
        }
    }
    if (!has("sys_admin")) {
        ifNumber(SYS_clone3, 1);
        answer(ENOSYS);
        // CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
        ifNumber(SYS_clone, 4);
        loadArgument(0);
        add(BPF_JMP | BPF_JSET | BPF_K, 0, 1, 0x7e020000);
        answer(EPERM);
        allow();
    }
    // PER_LINUX, PER_LINUX32, the same with UNAME26, and the question.
    ifNumber(SYS_personality, 8);
    loadArgument(0);
    add(BPF_JMP | BPF_JEQ | BPF_K, 5, 0, 0);
    add(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 8);
    add(BPF_JMP | BPF_JEQ | BPF_K, 3, 0, 0x20000);
    add(BPF_JMP | BPF_JEQ | BPF_K, 2, 0, 0x20008);
    add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 0xffffffff);
    answer(EPERM);
    allow();
    if (engine == DOCKER) {
        // AF_ALG, AF_VSOCK.
        ifNumber(SYS_socket, 5);
        loadArgument(0);
        add(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, 38);
        add(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, 40);
        answer(EPERM);
        allow();
    }
    allow();
}

int main(int argc, char **argv) {
    int engine = argc > 1 && strcmp(argv[1], "docker") == 0 ? DOCKER : argc > 1 && strcmp(argv[1], "containerd") == 0 ? CONTAINERD : 0;
    int at = 2;
    while (at < argc && strcmp(argv[at], "--") != 0) at++;
    if (!engine || at + 1 >= argc) return 124;
    capabilities = argv + 2;
    compile(engine);
    struct sock_fprog filter = {length, program};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0 &&
        (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) < 0)) {
        perror("container_filter: seccomp");
        return 124;
    }
    execvp(argv[at + 1], argv + at + 1);
    perror(argv[at + 1]);
    return errno == ENOENT ? 127 : 126;
}
