// Mounts. The tree's are made before the first guest runs, and stay.

import CLinux
import Gate
import LinuxABI
import VFS

extension SystemCallTable {
  mutating func addMounts() {
    let fixed = "the tree's mounts are fixed at the start"
    refused(155, "pivot_root", EPERM, fixed, .string("new_root"), .string("put_old"))
    refused(165, "mount", EPERM, fixed, .string("source"), .string("target"), .string("filesystemtype"))
    refused(166, "umount2", EPERM, fixed, .string("target"), .int("flags"))
    refused(428, "open_tree", EPERM, fixed, .dirfd, .path, .int("flags"))
    refused(429, "move_mount", EPERM, fixed, .directory("from_dirfd"), .string("from_path"))
    refused(430, "fsopen", EPERM, fixed, .string("fsname"), .int("flags"))
    refused(431, "fsconfig", EPERM, fixed, .fd, .int("cmd"), .string("key"))
    refused(432, "fsmount", EPERM, fixed, .fd, .int("flags"), .int("attr_flags"))
    refused(433, "fspick", EPERM, fixed, .dirfd, .path, .int("flags"))
    refused(442, "mount_setattr", EPERM, fixed, .dirfd, .path, .int("flags"))
    refused(467, "open_tree_attr", EPERM, fixed, .dirfd, .path, .int("flags"))
    refused(457, "statmount", ENOSYS, "the tree's mounts are in /proc/self/mountinfo", .bytes("req"), .buffer, .size)
    refused(458, "listmount", ENOSYS, "the tree's mounts are in /proc/self/mountinfo", .bytes("req"), .bytes("mnt_ids"))
  }
}
