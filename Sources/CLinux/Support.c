// Small things that need the C library: auxiliary vector, signal handlers, descriptor passing.
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "LaunchInternal.h"

enum { VD_RIGHTS_MESSAGE_SIZE = 112 };

// A message with one descriptor, laid out for the address that it will have in another process.
struct rights_message {
  struct msghdr header;
  struct iovec part;
  _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
};
_Static_assert(sizeof(struct rights_message) <= VD_RIGHTS_MESSAGE_SIZE, "VD_RIGHTS_MESSAGE_SIZE");

pid_t vd_fork_bound(void) {
  pid_t parent = getpid(), child = fork();
  if (child != 0) return child < 0 ? -errno : child;
  vd_thread_number = 0;
  // A parent that has ended meanwhile would not be missed.
  if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0 || getppid() != parent) _exit(125);
  return 0;
}

const int vd_rights_message_size = VD_RIGHTS_MESSAGE_SIZE;
const int vd_pair_type = SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

void vd_rights_message(void *buffer, uint64_t address, int number) {
  struct rights_message message = {0};
  message.part.iov_base = (void *)(address + offsetof(struct rights_message, control));
  message.part.iov_len = 1;
  message.header.msg_iov = (struct iovec *)(address + offsetof(struct rights_message, part));
  message.header.msg_iovlen = 1;
  message.header.msg_control = (void *)(address + offsetof(struct rights_message, control));
  message.header.msg_controllen = sizeof message.control;
  struct cmsghdr *control = (struct cmsghdr *)message.control;
  control->cmsg_len = CMSG_LEN(sizeof(int));
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  memcpy(CMSG_DATA(control), &number, sizeof number);
  memset(buffer, 0, VD_RIGHTS_MESSAGE_SIZE);
  memcpy(buffer, &message, sizeof message);
}

int vd_receive_rights(int socket, int descriptors[2]) {
  char byte, space[CMSG_SPACE(sizeof(int))] = {0};
  struct iovec part = {&byte, 1};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  long received;
  do received = VD_CALL(SYS_recvmsg, socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT, 0, 0, 0);
  while (received == -EINTR);
  if (received < 0) return (int)received;
  struct cmsghdr *header = CMSG_FIRSTHDR(&message);
  if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) return 0;
  // The room of CMSG_SPACE is that of two, for alignment's sake; the kernel fills it.
  int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
  if (count > 2) count = 2;
  memcpy(descriptors, CMSG_DATA(header), (size_t)count * sizeof(int));
  return count;
}

uint64_t vd_vdso_base(size_t *size) {
  const Elf64_Ehdr *header = (const Elf64_Ehdr *)getauxval(AT_SYSINFO_EHDR);
  *size = 0;
  if (header == NULL) return 0;
  const Elf64_Phdr *segments = (const Elf64_Phdr *)((const char *)header + header->e_phoff);
  for (int i = 0; i < header->e_phnum; i++)
    if (segments[i].p_type == PT_LOAD && segments[i].p_offset + segments[i].p_filesz > *size)
      *size = segments[i].p_offset + segments[i].p_filesz;
  return (uint64_t)header;
}

extern const uint8_t vd_trampoline_start[];
extern const uint8_t vd_trampoline_end[];

const uint8_t *vd_trampoline_code(size_t *size) {
  *size = (size_t)(vd_trampoline_end - vd_trampoline_start);
  return vd_trampoline_start;
}

int vd_ignore_sigpipe(void) {
  // Asked again (another attempt, another sandbox of this process), what is found is our own doing.
  static int was_default;
  struct sigaction before;
  if (sigaction(SIGPIPE, NULL, &before) != 0) return 0;
  signal(SIGPIPE, SIG_IGN);
  if (before.sa_handler != SIG_IGN) was_default = before.sa_handler == SIG_DFL;
  return was_default;
}

int vd_send(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count) {
  return vd_send_flagged(socket, bytes, count, descriptors, descriptor_count, 0);
}

int vd_send_flagged(int socket, const void *bytes, size_t count, const int *descriptors, int descriptor_count, uint64_t flags) {
  char space[CMSG_SPACE(3 * sizeof(int))] = {0};
  struct iovec vector = {(void *)bytes, count};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1};
  if (descriptor_count > 0) {
    message.msg_control = space;
    message.msg_controllen = CMSG_SPACE((size_t)descriptor_count * sizeof(int));
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN((size_t)descriptor_count * sizeof(int));
    memcpy(CMSG_DATA(header), descriptors, (size_t)descriptor_count * sizeof(int));
  }
  // sendmmsg, not sendmsg: a child sends its listener under the filter already, where sendmsg waits for a tracer.
  struct mmsghdr batch = {.msg_hdr = message};
  for (;;) {
    long result = VD_CALL(SYS_sendmmsg, socket, &batch, 1, MSG_NOSIGNAL | flags, 0, 0);
    if (result >= 0) return 0;
    if (result != -EINTR) return (int)result;
  }
}

long vd_receive(int socket, void *bytes, size_t count, int *descriptors, int *descriptor_count, pid_t *sender) {
  char space[CMSG_SPACE(3 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
  struct iovec vector = {bytes, count};
  struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof space};
  long received;
  do received = VD_CALL(SYS_recvmsg, socket, &message, MSG_CMSG_CLOEXEC, 0, 0, 0);
  while (received == -EINTR);
  *descriptor_count = 0;
  *sender = 0;
  if (received < 0) return received;
  for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET) continue;
    if (header->cmsg_type == SCM_RIGHTS) {
      *descriptor_count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(descriptors, CMSG_DATA(header), (size_t)*descriptor_count * sizeof(int));
    } else if (header->cmsg_type == SCM_CREDENTIALS) {
      struct ucred credentials;
      memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
      *sender = credentials.pid;
    }
  }
  return received;
}
