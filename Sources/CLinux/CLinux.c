// The launcher and the trampoline are in files of their own; the header is all inline.
#include "CLinux.h"

struct vd_lock_holder vd_lock_holders[VD_LOCK_KINDS];
_Thread_local int32_t vd_thread_number;
