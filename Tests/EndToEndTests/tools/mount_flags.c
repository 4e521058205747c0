// Prints the flags of the mount that standard input is open on, as fstatvfs(3) has them and in this order.
#include <stdio.h>
#include <sys/vfs.h>

int main(void) {
    struct statfs s;
    if (fstatfs(0, &s) != 0) return perror("fstatfs"), 1;
    // ST_RDONLY, ST_NOSUID, ST_NODEV, ST_NOSYMFOLLOW.
    printf("%s%s%s%s\n", s.f_flags & 1 ? "ro" : "rw", s.f_flags & 2 ? " nosuid" : "", s.f_flags & 4 ? " nodev" : "", s.f_flags & 0x2000 ? " nosymfollow" : "");
    return 0;
}
