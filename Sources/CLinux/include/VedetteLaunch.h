// What runs between clone(2) and the guest's first execve(2). A forked child of a threaded Swift process may run nothing
// but plain C on raw system calls, so the whole way is here; Platform's `Launcher` drives it over one socket.
#ifndef VEDETTE_LAUNCH_H
#define VEDETTE_LAUNCH_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>

/// Where a child failed; `Launcher` turns the pair (stage, errno) into one line.
enum vd_stage {
  VD_STAGE_READY = 0,
  VD_STAGE_CLONE,
  VD_STAGE_PRIVATE_MOUNTS,
  VD_STAGE_STORE,
  VD_STAGE_ROOT,
  VD_STAGE_TRAMPOLINE,
  VD_STAGE_PIVOT,
  VD_STAGE_LOOPBACK,
  VD_STAGE_FORK,
  VD_STAGE_PLAN,
  VD_STAGE_DIRECTORY,
  VD_STAGE_RLIMIT,
  VD_STAGE_NO_NEW_PRIVS,
  VD_STAGE_LANDLOCK,
  VD_STAGE_CAPABILITIES,
  VD_STAGE_DESCRIPTORS,
  VD_STAGE_FILTER,
  /// init: a layer's read-only tree follows, or why there is none.
  VD_STAGE_TREE,
  /// init: it has dropped what it will not need.
  VD_STAGE_CONFINED,
};

/// What a child reports to the supervisor: one datagram, descriptors beside it.
struct vd_report {
  int32_t stage;
  int32_t error;
  /// init: bit 0 the store's descriptor follows, bit 1 the devpts one; guest: bit 2 the listener.
  int32_t descriptors;
  /// init: device and inode of the two trampolines.
  uint64_t device;
  uint64_t inode[2];
  /// init: why the host name could not be set; 0 if it is.
  int32_t host_name_error;
};

struct vd_rlimit {
  int32_t resource;
  uint64_t soft, hard;
};

/// A directory of the host of which init makes a read-only tree: where it is (the second path may be NULL), and what is to
/// be found there.
struct vd_tree {
  const char *path[2];
  uint64_t device, inode;
};

/// The set-up of one sandbox, filled in before the first clone and never changed afterwards.
struct vd_plan {
  /// The child's end of the control socket (SOCK_SEQPACKET).
  int control;
  /// The supervisor's end, which a child closes first: otherwise it would never see the supervisor's death, and the
  /// parent-death signal does not come to who asks for it too late.
  int supervisor_control;
  /// CLONE_NEW... flags; 0 for no namespaces.
  uint64_t namespaces;
  /// What uname(2) calls the machine inside; not ended by a NUL that counts.
  const char *host_name;
  size_t host_name_length;
  uint64_t store_size, store_inodes;
  int wants_devpts;
  int wants_loopback;
  /// Ports below 1024 may be bound in the sandbox's own network: no guest has a capability that could.
  int opens_low_ports;
  int drops_groups;
  /// No namespaces: the directory of the trampolines; the guest's kernel working directory. Else -1.
  int trampoline_directory;
  /// The two trampolines: stack not executable, stack executable.
  const char *trampoline_name[2];
  const void *trampoline_image[2];
  size_t trampoline_size[2];
  /// The caller's signal mask and whether its SIGPIPE was the default.
  uint64_t signal_mask;
  int resets_sigpipe;
  /// Sorted numbers of the descriptors that the guest keeps.
  const int *keep;
  size_t keep_count;
  const struct vd_rlimit *rlimits;
  size_t rlimit_count;
  /// ABI version of Landlock that is used; 0 for none.
  int landlock;
  /// The guests' own domain forbids bind(2) and connect(2) of TCP, which the supervisor makes in their stead.
  int refuses_tcp;
  /// What init makes read-only trees of, in this order.
  const struct vd_tree *trees;
  size_t tree_count;
};

/// The second half, known only when the command is: a memory file which the child maps. Offsets from its start.
struct vd_command {
  uint64_t filter, filter_count;
  uint64_t path;
  /// Arrays of offsets, ending with 0; the child turns them into pointers.
  uint64_t arguments, argument_count;
  uint64_t environment, environment_count;
  uint64_t listener_flags;
  /// In the upper half of the flags with which the listener is sent: the filter knows it, and lets that call through.
  uint64_t send_flags;
};

/// Starts init in new namespaces. Returns its pid, or a negative errno. It waits for one byte on the control socket (the
/// id maps are written), reports, waits for a `vd_command` descriptor, forks the guest, and reaps orphans until killed.
pid_t vd_launch_init(const struct vd_plan *plan);

/// Starts the guest without namespaces. Returns its pid, or a negative errno. It waits for a `vd_command` descriptor.
pid_t vd_launch_guest(const struct vd_plan *plan);

/// Sends `bytes` and up to three descriptors as one datagram. Returns 0 or a negative errno.
int vd_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count);

/// The same with more bits in the register of the call's flags, of which the kernel looks at the lower half only.
int vd_send_flagged(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count, uint64_t flags);

/// Receives one datagram; `*sender` is the sender's pid in our namespace (0 if unknown). Returns the count, 0 at the
/// other side's end, or a negative errno.
long vd_receive(int socket, void *bytes, size_t count, int *descriptors, int *descriptor_count, pid_t *sender);

/// A detached copy of the mount tree at `path` (empty: at `directory` itself), which no process can write to: MOUNT_ATTR_RDONLY,
/// NODEV, NOSUID and NOSYMFOLLOW on every mount of it (`man 2 open_tree`, `man 2 mount_setattr`). It lives as long as the
/// descriptor that is returned; or a negative errno.
int vd_read_only_tree(int directory, const char *path);

/// The ABI version of the kernel's Landlock, 0 if there is none.
int vd_landlock_abi(void);

/// SOCK_DGRAM and its flags: what a pair of sockets is made with that a guest sends a descriptor by.
extern const int vd_pair_type;

/// The size of the message that `vd_rights_message` lays out, in bytes: whole words.
extern const int vd_rights_message_size;

/// Lays out a `struct msghdr` with descriptor `number` (SCM_RIGHTS), to be read at `address` in another process.
void vd_rights_message(void *buffer, uint64_t address, int number);

/// Receives what such a message has brought, without waiting. Returns how many descriptors, two at most, or a negative errno.
int vd_receive_rights(int socket, int descriptors[2]);

/// The trampoline's machine code (`Trampoline.S`), position independent.
const uint8_t *vd_trampoline_code(size_t *size);

/// The supervisor's own vdso, which every guest shares byte for byte at an address of its own; 0 if there is none.
uint64_t vd_vdso_base(size_t *size);

/// Starts a process that removes the directory when the returned socket is closed or shut for writing, by us or by our
/// death; reading from it then ends when that is done. A byte written to it before says that the directory is not to be
/// removed. The path must stay in memory until this returns. Returns a negative errno on failure.
int vd_launch_reaper(const char *path);

/// fork(3) of a process with one thread, whose child is killed when it ends. Returns a negative errno on failure.
pid_t vd_fork_bound(void);

/// Removes a directory and everything in it, never following a link.
void vd_remove_tree(const char *path);

/// Questions of `Doctor`, answered by a try: 0, or a negative errno.
int vd_probe_ptrace(void);
int vd_probe_listener(unsigned long flags);
int vd_probe_mapping_query(void);
int vd_probe_memory_map(void);
int vd_probe_file_system(void);

/// Installs a handler without SA_RESTART: the signal's only use is to end a blocking call of one thread.
int vd_install_interrupt(int signal);

/// Makes the system call unless `*flag` is not 0; then, and if the signal comes at any moment before the call has begun or
/// while it waits, it is -EINTR. Who sends the signal sets the flag first.
long vd_interruptible_syscall(const uint32_t *flag, long number, long a, long b, long c, long d);

/// A word that says one thing: 0, or raised.
void vd_flag_raise(uint32_t *flag);
/// Whether it was raised; it is not any more.
int vd_flag_take(uint32_t *flag);
int vd_flag_is_raised(const uint32_t *flag);
/// Raises it and wakes who waits in `vd_flag_wait`.
void vd_flag_raise_for_waiters(uint32_t *flag);
/// Sleeps until it is raised: 1; or 0 if that takes more than so many milliseconds (negative: as long as it takes).
int vd_flag_wait(const uint32_t *flag, long milliseconds);

/// Sets the disposition of SIGPIPE to ignored; returns 1 if it was the default before.
int vd_ignore_sigpipe(void);

#endif
