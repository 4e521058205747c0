// The last steps of a process that becomes the guest: each takes something away, and the filter comes last. Nothing of
// the guest's has been read by then but its command line.
#define _GNU_SOURCE
#include <linux/capability.h>
#include <linux/landlock.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "LaunchInternal.h"

struct ruleset {
  uint64_t file_system, network, scoped;
};

int vd_landlock_abi(void) {
  long version = VD_CALL(SYS_landlock_create_ruleset, 0, 0, 1 /* LANDLOCK_CREATE_RULESET_VERSION */, 0, 0, 0);
  return version < 0 ? 0 : (int)version;
}

static long allow(long rules, long file, uint64_t access) {
  struct landlock_path_beneath_attr rule = {.allowed_access = access, .parent_fd = (int)file};
  return VD_CALL(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0, 0, 0);
}

/// Nothing may be opened by path but the trampolines, for execution, and the slaves of our own ptys.
static long restrict_paths(const struct vd_plan *plan, int devpts) {
  if (plan->landlock < 1) return 0;
  struct ruleset attributes = {.file_system = 0x1fff};
  if (plan->landlock >= 2) attributes.file_system |= 1 << 13;            // REFER
  if (plan->landlock >= 3) attributes.file_system |= 1 << 14;            // TRUNCATE
  if (plan->landlock >= 5) attributes.file_system |= 1 << 15;            // IOCTL_DEV
  if (plan->landlock >= 6) attributes.scoped = 3;                        // abstract sockets, signals
  if (plan->landlock >= 4 && plan->refuses_tcp) attributes.network = 3;  // BIND_TCP, CONNECT_TCP
  size_t size = plan->landlock >= 6 ? 24 : plan->landlock >= 4 ? 16 : 8;
  long rules = VD_CALL(SYS_landlock_create_ruleset, &attributes, size, 0, 0, 0, 0);
  if (rules < 0) return rules;
  long result = 0;
  for (int i = 0; i < 2 && result == 0; i++) {
    long file = VD_CALL(SYS_openat, AT_FDCWD, plan->trampoline_name[i], O_PATH | O_CLOEXEC, 0, 0, 0);
    if (file < 0) return file;
    result = allow(rules, file, LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE);
    VD_CALL(SYS_close, file, 0, 0, 0, 0, 0);
  }
  // TIOCGPTPEER opens the slave in the guest's own name.
  if (result == 0 && devpts >= 0)
    result =
        allow(rules, devpts, (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | 1 << 15) & attributes.file_system);
  if (result == 0) result = VD_CALL(SYS_landlock_restrict_self, rules, 0, 0, 0, 0, 0);
  VD_CALL(SYS_close, rules, 0, 0, 0, 0, 0);
  return result;
}

long vd_drop_capabilities(void) {
  for (long capability = 0; capability < 64; capability++)
    if (VD_CALL(SYS_prctl, PR_CAPBSET_DROP, capability, 0, 0, 0, 0) == -EINVAL) break;
  VD_CALL(SYS_prctl, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0);
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  struct __user_cap_data_struct data[2];
  memset(data, 0, sizeof data);
  return VD_CALL(SYS_capset, &header, data, 0, 0, 0, 0);
}

static long close_others(const struct vd_plan *plan) {
  unsigned from = 0;
  long result = 0;
  size_t next = 0;
  int control_done = 0;
  while (next < plan->keep_count || !control_done) {
    int keep;
    if (next < plan->keep_count && (control_done || plan->keep[next] < plan->control)) {
      keep = plan->keep[next++];
    } else {
      keep = plan->control;
      control_done = 1;
    }
    if (keep < 0 || (unsigned)keep < from) continue;
    if ((unsigned)keep > from) result = VD_CALL(SYS_close_range, from, keep - 1, 0, 0, 0, 0);
    if (result < 0) return result;
    from = (unsigned)keep + 1;
  }
  return VD_CALL(SYS_close_range, from, ~0u, 0, 0, 0, 0);
}

static struct vd_command *map_command(int control, int file) {
  struct stat status;
  long result = VD_CALL(SYS_fstat, file, &status, 0, 0, 0, 0);
  if (result < 0) vd_fail(control, VD_STAGE_PLAN, result);
  long address = VD_CALL(SYS_mmap, 0, status.st_size, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
  if (address < 0 && address > -4096) vd_fail(control, VD_STAGE_PLAN, address);
  VD_CALL(SYS_close, file, 0, 0, 0, 0, 0);
  return (struct vd_command *)address;
}

/// Turns an array of offsets into an array of pointers, in place.
static char **relocate(struct vd_command *command, uint64_t array, uint64_t count) {
  uint64_t *entries = (uint64_t *)((char *)command + array);
  for (uint64_t i = 0; i < count; i++) entries[i] += (uint64_t)command;
  return (char **)entries;
}

void vd_become_guest(const struct vd_plan *plan, int command_file, int devpts) {
  int control = plan->control;
  struct vd_command *command = map_command(control, command_file);
  char **arguments = relocate(command, command->arguments, command->argument_count);
  char **environment = relocate(command, command->environment, command->environment_count);
  const char *path = (const char *)command + command->path;
  long result;

  if (plan->resets_sigpipe) {
    struct {
      uint64_t handler, flags, restorer, mask;
    } action = {0};
    VD_CALL(SYS_rt_sigaction, SIGPIPE, &action, 0, 8, 0, 0);
  }
  if (plan->trampoline_directory >= 0 && (result = VD_CALL(SYS_fchdir, plan->trampoline_directory, 0, 0, 0, 0, 0)) < 0)
    vd_fail(control, VD_STAGE_DIRECTORY, result);
  for (size_t i = 0; i < plan->rlimit_count; i++) {
    uint64_t limit[2] = {plan->rlimits[i].soft, plan->rlimits[i].hard};
    result = VD_CALL(SYS_prlimit64, 0, plan->rlimits[i].resource, limit, 0, 0, 0);
    if (result < 0) vd_fail(control, VD_STAGE_RLIMIT, result);
  }
  if (plan->drops_groups) VD_CALL(SYS_setgroups, 0, 0, 0, 0, 0, 0);
  if ((result = VD_CALL(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0)) < 0) vd_fail(control, VD_STAGE_NO_NEW_PRIVS, result);
  if ((result = restrict_paths(plan, devpts)) < 0) vd_fail(control, VD_STAGE_LANDLOCK, result);
  if ((result = vd_drop_capabilities()) < 0) vd_fail(control, VD_STAGE_CAPABILITIES, result);
  if ((result = close_others(plan)) < 0) vd_fail(control, VD_STAGE_DESCRIPTORS, result);

  struct sock_fprog program = {.len = (unsigned short)command->filter_count,
                               .filter = (struct sock_filter *)((char *)command + command->filter)};
  long listener = VD_CALL(SYS_seccomp, SECCOMP_SET_MODE_FILTER, command->listener_flags, &program, 0, 0, 0);
  if (listener < 0) vd_fail(control, VD_STAGE_FILTER, listener);

  // From here on the filter decides; these calls are native in its table.
  struct vd_report report = {.stage = VD_STAGE_READY, .descriptors = 4};
  int descriptor = (int)listener;
  if (vd_send_flagged(control, &report, sizeof report, &descriptor, 1, command->send_flags) < 0)
    for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
  VD_CALL(SYS_close, listener, 0, 0, 0, 0, 0);
  vd_wait_go(control);
  VD_CALL(SYS_prctl, PR_SET_PDEATHSIG, 0, 0, 0, 0, 0);
  VD_CALL(SYS_close, control, 0, 0, 0, 0, 0);
  VD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &plan->signal_mask, 0, 8, 0, 0);
  VD_CALL(SYS_execve, path, arguments, environment, 0, 0, 0);
  for (;;) VD_CALL(SYS_exit_group, 127, 0, 0, 0, 0, 0);
}

pid_t vd_launch_guest(const struct vd_plan *plan) {
  long pid = VD_CALL(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0);
  if (pid != 0) return (pid_t)pid;
  uint64_t all = ~0ull;
  VD_CALL(SYS_close, plan->supervisor_control, 0, 0, 0, 0, 0);
  VD_CALL(SYS_rt_sigprocmask, SIG_SETMASK, &all, 0, 8, 0, 0);
  VD_CALL(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0, 0);
  char byte;
  int command = -1, count = 0;
  pid_t sender;
  if (vd_receive(plan->control, &byte, 1, &command, &count, &sender) != 1 || count != 1)
    for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
  vd_become_guest(plan, command, -1);
}
