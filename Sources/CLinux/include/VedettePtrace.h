// The kernel's headers for ptrace(2) and seccomp user notifications. <sys/ptrace.h> cannot be included beside <linux/ptrace.h>.
#ifndef VEDETTE_PTRACE_H
#define VEDETTE_PTRACE_H

#include <linux/ptrace.h>
#include <linux/seccomp.h>
#include <stdint.h>
#include <sys/user.h>

/// The ioctl numbers of the listener, which Swift cannot import as macros with `sizeof`.
static const uint64_t vd_ioctl_notify_receive = SECCOMP_IOCTL_NOTIF_RECV;
static const uint64_t vd_ioctl_notify_send = SECCOMP_IOCTL_NOTIF_SEND;
static const uint64_t vd_ioctl_notify_is_valid = SECCOMP_IOCTL_NOTIF_ID_VALID;
static const uint64_t vd_ioctl_notify_add = SECCOMP_IOCTL_NOTIF_ADDFD;
static const uint64_t vd_ioctl_notify_set_flags = 0x40082104;  // SECCOMP_IOW(4, __u64), Linux 6.6

#endif
