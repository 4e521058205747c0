// What the two halves of the launch share: the raw calls and the way an error is reported.
#ifndef VEDETTE_LAUNCH_INTERNAL_H
#define VEDETTE_LAUNCH_INTERNAL_H

#include "include/CLinux.h"

#define VD_CALL(number, a, b, c, d, e, f) vd_syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f))

/// Reports to the supervisor where and why this child failed, and ends it.
static inline _Noreturn void vd_fail(int socket, int stage, long error) {
  struct vd_report report = {.stage = stage, .error = (int32_t)-error};
  vd_send(socket, &report, sizeof report, NULL, 0);
  for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
}

/// Waits for one byte from the supervisor; ends this child if there is no supervisor any more.
static inline void vd_wait_go(int socket) {
  char byte;
  long received;
  do received = VD_CALL(SYS_read, socket, &byte, 1, 0, 0, 0);
  while (received == -EINTR);
  if (received != 1)
    for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
}

/// Sends the trees of the plan, a message each.
void vd_send_trees(const struct vd_plan *plan);

/// Drops every capability, for good.
long vd_drop_capabilities(void);

/// Maps the command, drops every privilege, loads the filter, executes the guest's command. `devpts` may be -1.
_Noreturn void vd_become_guest(const struct vd_plan *plan, int command, int devpts);

#endif
