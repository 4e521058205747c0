// Hard links of lower files stay links when one name causes the copy-up, through every order of change and removal.
#include "harness.h"

static void prepare(void) {
    MUST(mkdir("d", 0755));
    writeFile("one", "shared");
    MUST(link("one", "two"));
    MUST(link("one", "d/three"));
    writeFile("x", "pair");
    MUST(link("x", "y"));
    MUST(symlink("one", "s1"));
    MUST(linkat(AT_FDCWD, "s1", AT_FDCWD, "s2", 0));
    MUST(mkfifo("p1", 0600));
    MUST(link("p1", "p2"));
}

static void scenario(void) {
    ino_t inode = statOf("one").st_ino;
    CHECK_EQ(statOf("two").st_nlink, 3);
    CHECK_EQ(statOf("d/three").st_ino, inode);
    int reader = (int)CHECK_OK(open("d/three", O_RDONLY));

    int fd = (int)CHECK_OK(open("one", O_RDWR));
    CHECK_EQ(pwrite(fd, "SHARED", 6, 0), 6);
    CHECK_STR(readFile("two"), "SHARED");
    CHECK_STR(readFile("d/three"), "SHARED");
    char buffer[8] = "";
    CHECK_EQ(pread(reader, buffer, 7, 0), 6);
    CHECK_STR(buffer, "SHARED");
    CHECK_EQ(statOf("two").st_ino, inode);
    CHECK_EQ(statOf("d/three").st_ino, inode);
    CHECK_EQ(fstatOf(fd).st_nlink, 3);
    close(fd);

    CHECK_OK(chmod("two", 0600));
    CHECK_EQ(statOf("one").st_mode & 07777, 0600);
    CHECK_OK(link("d/three", "d/four"));
    CHECK_EQ(statOf("one").st_nlink, 4);
    CHECK_OK(unlink("one"));
    CHECK_EQ(statOf("two").st_nlink, 3);
    CHECK_OK(rename("two", "d/two"));
    CHECK_STR(readFile("d/two"), "SHARED");
    CHECK_EQ(statOf("d/two").st_ino, inode);
    writeFile("d/four", "through four");
    CHECK_STR(readFile("d/two"), "through four");
    // The name that was freed is a new file, not one more name.
    writeFile("one", "another");
    CHECK(statOf("one").st_ino != inode);
    CHECK_STR(readFile("d/three"), "through four");
    CHECK_OK(unlink("d/two"));
    CHECK_OK(unlink("d/three"));
    CHECK_OK(unlink("d/four"));
    CHECK_EQ(fstatOf(reader).st_nlink, 0);
    CHECK_EQ(fstatOf(reader).st_ino, inode);
    CHECK_EQ(pread(reader, buffer, 7, 0), 7);
    CHECK(memcmp(buffer, "through", 7) == 0);
    close(reader);

    // Unlink of one name before anything else is changed: the count must not be the lower layer's.
    CHECK_OK(unlink("x"));
    CHECK_EQ(statOf("y").st_nlink, 1);
    CHECK_OK(link("y", "z"));
    CHECK_EQ(statOf("z").st_nlink, 2);
    CHECK_STR(readFile("z"), "pair");

    CHECK_EQ(statOf("s1").st_ino, statOf("s2").st_ino);
    CHECK_OK(lchown("s1", geteuid(), getegid()));
    CHECK_EQ(statOf("s1").st_ino, statOf("s2").st_ino);
    CHECK_EQ(statOf("s2").st_nlink, 2);
    CHECK_OK(chmod("p1", 0640));
    CHECK_EQ(statOf("p2").st_mode & 07777, 0640);
    CHECK_EQ(statOf("p2").st_ino, statOf("p1").st_ino);
}

SCENARIO("hard_links", prepare, scenario)
