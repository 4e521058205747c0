// create, unlink, rename, link, symlink, mkdir, rmdir, over names that come from the lower layer, from the upper, or both.
#include "harness.h"

static void prepare(void) {
    MUST(mkdir("d", 0755));
    writeFile("d/a", "lower a");
    writeFile("d/b", "lower b");
    writeFile("d/c", "lower c");
    MUST(mkdir("d/sub", 0750));
    writeFile("d/sub/x", "lower x");
    MUST(symlink("a", "d/s"));
    MUST(mkdir("empty", 0755));
    writeFile("replaced-by-dir", "lower");
    MUST(mkdir("replaced-by-file", 0755));
    writeFile("replaced-by-file/hidden", "must not come back");
    MUST(mkdir("deep", 0755));
    MUST(mkdir("deep/1", 0755));
    MUST(mkdir("deep/1/2", 0755));
    writeFile("deep/1/2/leaf", "leaf");
    MUST(mkfifo("pipe", 0640));
    int fd = (int)MUST(open("sparse", O_CREAT | O_WRONLY, 0644));
    MUST(pwrite(fd, "end", 3, 8 << 20));
    close(fd);
}

static void scenario(void) {
    // Change, then read back by name and by descriptor.
    int fd = (int)CHECK_OK(open("d/a", O_RDWR));
    CHECK_EQ(pwrite(fd, "UPPER", 5, 0), 5);
    CHECK_STR(readFile("d/a"), "UPPER a");
    CHECK_STR(readFile("d/s"), "UPPER a");
    close(fd);
    CHECK_STR(readFile("d/b"), "lower b");

    // A name deleted and made again is a new file.
    struct stat old = statOf("d/b");
    fd = (int)CHECK_OK(open("d/b", O_RDONLY));
    CHECK_OK(unlink("d/b"));
    CHECK_ERRNO(open("d/b", O_RDONLY), ENOENT);
    writeFile("d/b", "new b");
    CHECK(statOf("d/b").st_ino != old.st_ino);
    CHECK_STR(readFile("d/b"), "new b");
    char buffer[16] = "";
    CHECK_EQ(read(fd, buffer, 15), 7);
    CHECK_STR(buffer, "lower b");
    close(fd);

    // A directory that replaces a lower directory shows nothing of it.
    CHECK_OK(unlink("d/sub/x"));
    CHECK_OK(rmdir("d/sub"));
    CHECK_OK(mkdir("d/sub", 0700));
    CHECK(!exists("d/sub/x"));
    CHECK_EQ(statOf("d/sub").st_mode & 07777, 0700);
    CHECK_OK(rmdir("d/sub"));

    CHECK_OK(unlink("replaced-by-dir"));
    CHECK_OK(mkdir("replaced-by-dir", 0755));
    writeFile("replaced-by-dir/in", "in");
    CHECK_OK(unlink("replaced-by-file/hidden"));
    CHECK_OK(rmdir("replaced-by-file"));
    writeFile("replaced-by-file", "now a file");
    CHECK_STR(readFile("replaced-by-file"), "now a file");
    CHECK_OK(unlink("replaced-by-file"));
    CHECK_OK(mkdir("replaced-by-file", 0755));
    CHECK(!exists("replaced-by-file/hidden"));

    // A change deep below a chain of lower directories leaves the chain's attributes alone.
    struct stat chain = statOf("deep/1");
    CHECK_OK(chmod("deep/1/2/leaf", 0600));
    CHECK_EQ(statOf("deep/1").st_ino, chain.st_ino);
    CHECK_EQ(statOf("deep/1").st_mtim.tv_nsec, chain.st_mtim.tv_nsec);
    CHECK_EQ(statOf("deep/1").st_ctim.tv_nsec, chain.st_ctim.tv_nsec);
    CHECK_STR(readFile("deep/1/2/leaf"), "leaf");

    CHECK_OK(link("d/c", "d/c2"));
    CHECK_EQ(statOf("d/c").st_nlink, 2);
    CHECK_OK(unlink("d/c"));
    CHECK_EQ(statOf("d/c2").st_nlink, 1);
    CHECK_STR(readFile("d/c2"), "lower c");
    CHECK_OK(rename("d/c2", "d/s"));
    CHECK(S_ISREG(statOf("d/s").st_mode));
    CHECK_OK(unlink("d/s"));
    CHECK_OK(symlink("b", "d/s"));
    CHECK_STR(linkTarget("d/s"), "b");
    CHECK_OK(link("d/s", "d/s2"));
    CHECK_EQ(statOf("d/s").st_nlink, 2);

    // Types other than files are copied up as what they are.
    struct stat pipe = statOf("pipe");
    CHECK_OK(chmod("pipe", 0600));
    CHECK_EQ(statOf("pipe").st_mode, S_IFIFO | 0600);
    CHECK_EQ(statOf("pipe").st_ino, pipe.st_ino);
    CHECK_OK(rename("pipe", "d/pipe"));
    CHECK_EQ(statOf("d/pipe").st_mode, S_IFIFO | 0600);

    // Holes stay holes.
    struct stat sparse = statOf("sparse");
    fd = (int)CHECK_OK(open("sparse", O_RDWR));
    CHECK_EQ(pwrite(fd, "START", 5, 0), 5);
    CHECK_EQ(fstatOf(fd).st_size, (8 << 20) + 3);
    CHECK(fstatOf(fd).st_blocks <= sparse.st_blocks + 64);
    CHECK_EQ(pread(fd, buffer, 3, 8 << 20), 3);
    CHECK(memcmp(buffer, "end", 3) == 0);
    close(fd);
    // O_TRUNC needs none of the old bytes.
    fd = (int)CHECK_OK(open("sparse", O_WRONLY | O_TRUNC));
    CHECK_EQ(fstatOf(fd).st_size, 0);
    CHECK_EQ(fstatOf(fd).st_blocks, 0);
    close(fd);
    CHECK_OK(rmdir("empty"));
    CHECK(!exists("empty"));
}

SCENARIO("layers_change", prepare, scenario)
