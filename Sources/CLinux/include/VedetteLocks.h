// Who holds which of the supervisor's locks, and since when: written by the holder, read by an inspection (LinuxABI/Lock.swift),
// with no lock and no system call. One entry per kind of lock.
#ifndef VEDETTE_LOCKS_H
#define VEDETTE_LOCKS_H

#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define VD_LOCK_KINDS 32

struct vd_lock_holder {
  int32_t thread;  // 0: free
  uint64_t since;  // nanoseconds of CLOCK_MONOTONIC_COARSE
};

extern struct vd_lock_holder vd_lock_holders[VD_LOCK_KINDS];
extern _Thread_local int32_t vd_thread_number;

// Nanoseconds of CLOCK_MONOTONIC_COARSE (`man 2 clock_gettime`): as old as one tick of the kernel's, and a few instructions.
static inline uint64_t vd_coarse_time(void) {
  struct timespec now;
  clock_gettime(6 /* CLOCK_MONOTONIC_COARSE */, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

// gettid(2), asked for once in each thread.
static inline int32_t vd_own_thread(void) {
  if (vd_thread_number == 0) vd_thread_number = (int32_t)syscall(SYS_gettid);
  return vd_thread_number;
}

static inline void vd_lock_taken(uint32_t kind) {
  struct vd_lock_holder *holder = &vd_lock_holders[kind % VD_LOCK_KINDS];
  __atomic_store_n(&holder->since, vd_coarse_time(), __ATOMIC_RELAXED);
  __atomic_store_n(&holder->thread, vd_own_thread(), __ATOMIC_RELEASE);
}

// Of several locks of one kind the entry is the last taker's.
static inline void vd_lock_released(uint32_t kind) {
  struct vd_lock_holder *holder = &vd_lock_holders[kind % VD_LOCK_KINDS];
  if (__atomic_load_n(&holder->thread, __ATOMIC_RELAXED) == vd_own_thread())
    __atomic_store_n(&holder->thread, 0, __ATOMIC_RELEASE);
}

static inline struct vd_lock_holder vd_lock_holder_of(uint32_t kind) {
  struct vd_lock_holder *entry = &vd_lock_holders[kind % VD_LOCK_KINDS];
  struct vd_lock_holder holder;
  holder.thread = __atomic_load_n(&entry->thread, __ATOMIC_ACQUIRE);
  holder.since = __atomic_load_n(&entry->since, __ATOMIC_RELAXED);
  return holder;
}

#endif
