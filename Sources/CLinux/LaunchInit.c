// Process one of a sandbox with namespaces: it makes the empty root, the store and the devpts, hands them to the
// supervisor, forks the guest, and reaps orphans until it is killed (which ends everything in its pid namespace).
#define _GNU_SOURCE
#include <linux/mount.h>
#include <linux/sched.h>
#include <net/if.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>

#include "LaunchInternal.h"

static const char *decimal(uint64_t value, char buffer[24]) {
  char *end = buffer + 23;
  *end = 0;
  do *--end = (char)('0' + value % 10);
  while ((value /= 10) != 0);
  return end;
}

/// A detached mount: a descriptor of its root, or a negative errno. `options` is a list of key, value, ..., NULL; a key
/// that starts with '?' may be unknown to the kernel.
static long detached(const char *type, const char *const *options, unsigned attributes) {
  long context = VD_CALL(SYS_fsopen, type, 1 /* FSOPEN_CLOEXEC */, 0, 0, 0, 0);
  if (context < 0) return context;
  long result = 0;
  for (; *options != NULL && result == 0; options += 2) {
    int optional = **options == '?';
    result = VD_CALL(SYS_fsconfig, context, 1 /* FSCONFIG_SET_STRING */, *options + optional, options[1], 0, 0);
    if (optional) result = 0;
  }
  if (result == 0) result = VD_CALL(SYS_fsconfig, context, 6 /* FSCONFIG_CMD_CREATE */, 0, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_fsmount, context, 1 /* FSMOUNT_CLOEXEC */, attributes, 0, 0, 0);
  VD_CALL(SYS_close, context, 0, 0, 0, 0, 0);
  return result;
}

static long write_file(const char *path, const char *text) {
  long file = VD_CALL(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CLOEXEC, 0, 0, 0);
  if (file < 0) return file;
  long result = VD_CALL(SYS_write, file, text, strlen(text), 0, 0, 0);
  VD_CALL(SYS_close, file, 0, 0, 0, 0, 0);
  return result < 0 ? result : 0;
}

/// The limits belong to the user namespace of the process that opens the files: to the new one, never to the host's.
static void close_namespaces(void) {
  static const char *const names[] = {"/proc/sys/user/max_user_namespaces",  "/proc/sys/user/max_mnt_namespaces",
                                      "/proc/sys/user/max_pid_namespaces",   "/proc/sys/user/max_net_namespaces",
                                      "/proc/sys/user/max_ipc_namespaces",   "/proc/sys/user/max_uts_namespaces",
                                      "/proc/sys/user/max_cgroup_namespaces"};
  if (write_file(names[0], "0") != 0) return;
  for (size_t i = 1; i < sizeof names / sizeof *names; i++) write_file(names[i], "0");
}

static long loopback_up(void) {
  struct ifreq request;
  memset(&request, 0, sizeof request);
  memcpy(request.ifr_name, "lo", 3);
  long socket = VD_CALL(SYS_socket, AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0, 0, 0, 0);
  if (socket < 0) return socket;
  long result = VD_CALL(SYS_ioctl, socket, 0x8913 /* SIOCGIFFLAGS */, &request, 0, 0, 0);
  if (result == 0) {
    request.ifr_flags |= IFF_UP | IFF_RUNNING;
    result = VD_CALL(SYS_ioctl, socket, 0x8914 /* SIOCSIFFLAGS */, &request, 0, 0, 0);
  }
  VD_CALL(SYS_close, socket, 0, 0, 0, 0, 0);
  return result;
}

static long write_trampolines(const struct vd_plan *plan, long directory, struct vd_report *report) {
  for (int i = 0; i < 2; i++) {
    long file = VD_CALL(SYS_openat, directory, plan->trampoline_name[i], O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0555, 0, 0);
    if (file < 0) return file;
    long written = VD_CALL(SYS_write, file, plan->trampoline_image[i], plan->trampoline_size[i], 0, 0, 0);
    if (written != (long)plan->trampoline_size[i]) return written < 0 ? written : -ENOSPC;
    struct stat status;
    long result = VD_CALL(SYS_fstat, file, &status, 0, 0, 0, 0);
    if (result == 0) result = VD_CALL(SYS_fchmod, file, 0555, 0, 0, 0, 0);
    if (result < 0) return result;
    report->device = status.st_dev;
    report->inode[i] = status.st_ino;
    VD_CALL(SYS_close, file, 0, 0, 0, 0, 0);
  }
  return 0;
}

/// Makes `root`, a detached mount, the root of this mount namespace.
static long enter_root(long root) {
  long result = VD_CALL(SYS_move_mount, root, "", AT_FDCWD, "/", 4 /* MOVE_MOUNT_F_EMPTY_PATH */, 0);
  if (result == 0) result = VD_CALL(SYS_fchdir, root, 0, 0, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_pivot_root, ".", ".", 0, 0, 0, 0);
  return result;
}

/// Makes it the only mount, and read-only.
static long leave_host(void) {
  long result = VD_CALL(SYS_umount2, ".", MNT_DETACH, 0, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_chdir, "/", 0, 0, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_mount, "none", "/", 0, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV, 0, 0);
  return result;
}

/// From here on init may wait for children, read from and write to its socket, and end. Its memory is a copy of the
/// supervisor's: it is neither dumped nor read.
static long confine(int control) {
  struct {
    uint64_t soft, hard;
  } core = {0, 0};
  // 1 rather than 0 (`man 5 core`), unless the caller's hard limit is 0 already.
  long result = VD_CALL(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, 0, &core, 0, 0);
  core.soft = core.hard = core.hard > 1 ? 1 : core.hard;
  if (result == 0) result = VD_CALL(SYS_prlimit64, 0, 4 /* RLIMIT_CORE */, &core, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_prctl, PR_SET_DUMPABLE, 0, 0, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0);
  if (result == 0) result = vd_drop_capabilities();
  if (result < 0) return result;
  struct sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, arch)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 8, AUDIT_ARCH_X86_64},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 5, 0, SYS_wait4},
      {BPF_JMP | BPF_JEQ | BPF_K, 4, 0, SYS_exit_group},
      {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_read},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 3, SYS_write},
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, args[0])},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, (uint32_t)control},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_PROCESS},
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  return VD_CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program, 0, 0, 0);
}

static _Noreturn void be_init(const struct vd_plan *plan) {
  int control = plan->control;
  uint64_t all = ~0ull;
  VD_CALL(SYS_close, plan->supervisor_control, 0, 0, 0, 0, 0);
  VD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8, 0, 0);
  VD_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
  vd_wait_go(control);

  struct vd_report report = {.stage = VD_STAGE_READY};
  long result = VD_CALL(SYS_mount, "none", "/", 0, MS_REC | MS_PRIVATE, 0, 0);
  if (result < 0) vd_fail(control, VD_STAGE_PRIVATE_MOUNTS, result);
  vd_send_trees(plan);
  if (plan->wants_loopback && (result = loopback_up()) < 0) vd_fail(control, VD_STAGE_LOOPBACK, result);

  // The sysctl is that of the network namespace of the process that opens the file: the new one. A kernel without it keeps 1024.
  if (plan->wants_loopback && plan->opens_low_ports) write_file("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0");

  // Of the UTS namespace, which is ours. A container's filter may refuse it: the supervisor then answers uname(2) itself.
  result = VD_CALL(SYS_sethostname, plan->host_name, plan->host_name_length, 0, 0, 0, 0);
  if (result == 0) result = VD_CALL(SYS_setdomainname, "(none)", 6, 0, 0, 0, 0);
  report.host_name_error = (int32_t)-result;

  char size[24], inodes[24];
  const char *store_options[] = {
      "size", decimal(plan->store_size, size), "nr_inodes", decimal(plan->store_inodes, inodes), "mode", "0700", "?inode64", "",
      NULL};
  long store = detached("tmpfs", store_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (store < 0) vd_fail(control, VD_STAGE_STORE, store);
  long devpts = -1;
  if (plan->wants_devpts) {
    const char *options[] = {"ptmxmode", "0666", "mode", "0620", NULL};
    devpts = detached("devpts", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
  }
  const char *root_options[] = {"size", "64k", "nr_inodes", "16", "mode", "0755", NULL};
  long root = detached("tmpfs", root_options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
  if (root < 0) vd_fail(control, VD_STAGE_ROOT, root);
  if ((result = write_trampolines(plan, root, &report)) < 0) vd_fail(control, VD_STAGE_TRAMPOLINE, result);
  // Not earlier: a detached mount counts as a mount namespace.
  if (plan->namespaces & CLONE_NEWUSER) close_namespaces();
  if ((result = enter_root(root)) < 0) vd_fail(control, VD_STAGE_PIVOT, result);
  if (plan->drops_groups) VD_CALL(SYS_setgroups, 0, 0, 0, 0, 0, 0);

  int descriptors[2] = {(int)store, (int)devpts};
  report.descriptors = devpts >= 0 ? 3 : 1;
  if (vd_send(control, &report, sizeof report, descriptors, devpts >= 0 ? 2 : 1) < 0)
    for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);

  // Half a millisecond of waiting for the kernel (RCU), in which the supervisor builds its side. A failure is its answer to
  // the command.
  if ((result = leave_host()) < 0) vd_fail(control, VD_STAGE_PIVOT, result);

  char byte;
  int command = -1, count = 0;
  pid_t sender;
  if (vd_receive(control, &byte, 1, &command, &count, &sender) != 1 || count != 1)
    for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
  long guest = VD_CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (guest < 0) vd_fail(control, VD_STAGE_FORK, guest);
  if (guest == 0) vd_become_guest(plan, command, (int)devpts);

  if (control > 0) VD_CALL(SYS_close_range, 0, control - 1, 0, 0, 0, 0);
  VD_CALL(SYS_close_range, control + 1, ~0u, 0, 0, 0, 0);
  if ((result = confine(control)) < 0) vd_fail(control, VD_STAGE_CONFINED, result);
  // write, not what vd_send takes: the filter lets it through.
  struct vd_report confined = {.stage = VD_STAGE_CONFINED};
  // The supervisor waits for this report, or for the end of the socket.
  if (VD_CALL(SYS_write, control, &confined, sizeof confined, 0, 0, 0) < 0)
    for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
  for (;;) {
    long reaped = VD_CALL(SYS_wait4, -1, 0, 0, 0, 0, 0);
    if (reaped != -ECHILD) continue;
    // No child is left. A guest that died before it could report is waited for by the supervisor, which would wait for ever:
    // this end of the socket is open still. Later the socket is closed, and the read ends.
    struct vd_report end = {.stage = VD_STAGE_PLAN, .error = ESRCH};
    if (VD_CALL(SYS_write, control, &end, sizeof end, 0, 0, 0) < 0)
      for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
    vd_wait_go(control);
  }
}

pid_t vd_launch_init(const struct vd_plan *plan) {
  struct clone_args arguments;
  memset(&arguments, 0, sizeof arguments);
  arguments.flags = plan->namespaces;
  arguments.exit_signal = SIGCHLD;
  long pid = VD_CALL(SYS_clone3, &arguments, sizeof arguments, 0, 0, 0, 0);
  if (pid == 0) be_init(plan);
  return (pid_t)pid;
}
