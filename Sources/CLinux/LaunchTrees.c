// The layers as the supervisor reaches them: detached copies of the mount tree below each, read-only in the kernel's own
// eyes, so that no bug of ours and no descriptor of a guest's can change what a sandbox only shows.
#define _GNU_SOURCE
#include <linux/mount.h>
#include <string.h>
#include <sys/mount.h>

#include "LaunchInternal.h"

/// The tree is private too: what the host mounts below it later would otherwise come in, writable.
static long make_read_only(long tree) {
  struct mount_attr attributes = {.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSYMFOLLOW,
                                  .propagation = MS_PRIVATE};
  return VD_CALL(SYS_mount_setattr, tree, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes, 0);
}

int vd_read_only_tree(int directory, const char *path) {
  unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | (*path == 0 ? AT_EMPTY_PATH : 0);
  long tree = VD_CALL(SYS_open_tree, directory, path, flags, 0, 0, 0);
  if (tree < 0) return (int)tree;
  long result = make_read_only(tree);
  if (result == 0) return (int)tree;
  VD_CALL(SYS_close, tree, 0, 0, 0, 0, 0);
  return (int)result;
}

/// The tree at the first path that leads to the directory asked for. Descriptors of the supervisor's are of no use here:
/// they belong to its mount namespace, and the kernel copies mounts of the caller's own only.
static long tree_of(const struct vd_tree *wanted) {
  long error = -ENOENT;
  for (int i = 0; i < 2; i++) {
    if (wanted->path[i] == NULL) continue;
    long tree = vd_read_only_tree(AT_FDCWD, wanted->path[i]);
    if (tree < 0) {
      error = tree;
      continue;
    }
    struct stat status;
    long result = VD_CALL(SYS_fstat, tree, &status, 0, 0, 0, 0);
    if (result == 0 && status.st_dev == wanted->device && status.st_ino == wanted->inode) return tree;
    error = result < 0 ? result : -ESTALE;
    VD_CALL(SYS_close, tree, 0, 0, 0, 0, 0);
  }
  return error;
}

void vd_send_trees(const struct vd_plan *plan) {
  for (size_t i = 0; i < plan->tree_count; i++) {
    int tree = (int)tree_of(&plan->trees[i]);
    struct vd_report report = {.stage = VD_STAGE_TREE, .error = tree < 0 ? -tree : 0};
    if (vd_send(plan->control, &report, sizeof report, &tree, tree < 0 ? 0 : 1) < 0)
      for (;;) VD_CALL(SYS_exit_group, 125, 0, 0, 0, 0, 0);
    if (tree >= 0) VD_CALL(SYS_close, tree, 0, 0, 0, 0, 0);
  }
}
