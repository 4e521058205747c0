// The operations of the random differential test. One that stands several times is drawn as often; the order is part of
// what a seed means.
#ifndef OPERATIONS_H
#define OPERATIONS_H
#include "differential.h"

// A list, which the formatter would take for an expression.
// clang-format off
#define OPERATIONS(X) \
    X(open_) X(open_) X(open_) X(open_) X(creat_) X(opath) X(opendir_) X(opendir_) X(read_) X(write_) X(write_) \
    X(pread_) X(pwrite_) X(lseek_) X(ftruncate_) X(truncate_) X(mkdir_) X(mkdir_) X(mkdir_) X(rmdir_) X(unlink_) \
    X(unlink_) X(rename_) X(rename_) X(renameat2_) X(link_) X(link_) X(linkat_) X(symlink_) X(symlink_) X(readlink_) \
    X(chmod_) X(fchmod_) X(chown_) X(fchown_) X(lchown_) X(utimensat_) X(futimens_) X(access_) X(stat_) X(lstat_) \
    X(fstat_) X(statx_) X(getdents_) X(rewinddir_) X(rewinddir_) X(chdir_) X(fchdir_) X(home) X(getcwd_) X(umask_) \
    X(setxattr_) X(fsetxattr_) X(getxattr_) X(listxattr_) X(removexattr_) X(mkfifo_) X(mknod_) X(tmpfile_) \
    X(fallocate_) X(open_) X(open_) X(link_) X(map_) X(map_) X(map_) X(mapRead) X(mapRead) X(mapWrite) X(msync_) \
    X(dup_) X(munmap_) X(close_) X(child) X(sendfile_) X(copyRange) X(flock_) X(fsync_) X(setfl) X(reopen) \
    X(openat2_) X(openat2_) X(fchmodat2_) X(emptyPath) X(linkDescriptor) X(mkdirs) X(special) X(special) \
    X(bindSocket) X(setAcl) X(setAcl) X(getAcl) X(removeAcl) X(fsetAcl) X(seekdir_) X(seekdir_) X(tail) X(lock) \
    X(lock) X(procLink) X(readv_) X(writev_) X(age) X(age) X(pass) X(asOther) X(asOther) X(renameOpen) X(exclusive) \
    X(nowTimes) X(statxAll)
// clang-format on

#define DECLARE(name) void op_##name(void);
OPERATIONS(DECLARE)

#endif
