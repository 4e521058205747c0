// rename and renameat2: over everything that exists, NOREPLACE, EXCHANGE, WHITEOUT, names of one inode, descriptors kept.
#include "harness.h"

static void prepare(void) {
    writeFile("a", "file a");
    writeFile("b", "file b");
    MUST(link("a", "a-again"));
    MUST(mkdir("d1", 0755));
    writeFile("d1/in1", "in 1");
    MUST(mkdir("d2", 0755));
    writeFile("d2/in2", "in 2");
    MUST(mkdir("empty", 0755));
    MUST(mkdir("empty2", 0700));
    MUST(symlink("a", "link"));
    MUST(mkfifo("pipe", 0600));
}

static long exchange(const char *a, const char *b) { return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE); }

static void scenario(void) {
    // Two names of one inode: rename does nothing and leaves both.
    CHECK_OK(rename("a", "a-again"));
    CHECK(exists("a"));
    CHECK_EQ(statOf("a").st_nlink, 2);

    CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "b", RENAME_NOREPLACE), EEXIST);
    CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "d1", RENAME_NOREPLACE), EEXIST);
    CHECK_OK(renameat2(AT_FDCWD, "b", AT_FDCWD, "b-moved", RENAME_NOREPLACE));
    CHECK(!exists("b"));
    CHECK_OK(renameat2(AT_FDCWD, "b-moved", AT_FDCWD, "b", RENAME_NOREPLACE));
    CHECK_ERRNO(renameat2(AT_FDCWD, "a", AT_FDCWD, "link", RENAME_NOREPLACE), EEXIST);

    struct stat a = statOf("a"), b = statOf("b"), d1 = statOf("d1"), d2 = statOf("d2");
    CHECK_OK(exchange("a", "b"));
    CHECK_STR(readFile("a"), "file b");
    CHECK_STR(readFile("b"), "file a");
    CHECK_EQ(statOf("a").st_ino, b.st_ino);
    CHECK_EQ(statOf("b").st_ino, a.st_ino);
    CHECK_EQ(statOf("b").st_nlink, 2);
    CHECK_OK(exchange("d1", "d2"));
    CHECK_STR(readFile("d1/in2"), "in 2");
    CHECK_STR(readFile("d2/in1"), "in 1");
    CHECK(!exists("d1/in1"));
    CHECK_EQ(statOf("d1").st_ino, d2.st_ino);
    CHECK_EQ(statOf("d2").st_ino, d1.st_ino);
    // A file and a directory change places; link counts of the parents follow the directory.
    CHECK_OK(mkdir("p", 0755));
    CHECK_OK(mkdir("q", 0755));
    CHECK_OK(rename("d1", "p/d"));
    CHECK_OK(rename("a", "q/f"));
    CHECK_OK(exchange("p/d", "q/f"));
    CHECK_STR(readFile("p/d"), "file b");
    CHECK_STR(readFile("q/f/in2"), "in 2");
    CHECK_EQ(statOf("p").st_nlink, 2);
    CHECK_EQ(statOf("q").st_nlink, 3);
    CHECK_OK(exchange("link", "pipe"));
    CHECK(S_ISLNK(statOf("pipe").st_mode));
    CHECK(S_ISFIFO(statOf("link").st_mode));
    CHECK_ERRNO(exchange("q", "q/f"), EINVAL);
    CHECK_ERRNO(exchange("b", "missing"), ENOENT);
    struct stat same = statOf("b");
    CHECK_OK(exchange("b", "b"));
    CHECK_EQ(statOf("b").st_ino, same.st_ino);

    // Over what exists.
    CHECK_OK(rename("p/d", "b"));
    CHECK_STR(readFile("b"), "file b");
    CHECK_EQ(statOf("a-again").st_nlink, 1);
    CHECK_OK(rename("b", "pipe"));
    CHECK_STR(readFile("pipe"), "file b");
    CHECK_STR(readFile("a-again"), "file a");
    CHECK_OK(rename("empty", "empty2"));
    CHECK(!exists("empty"));
    CHECK_EQ(statOf("empty2").st_mode & 07777, 0755);
    CHECK_ERRNO(rename("empty2", "q"), ENOTEMPTY);
    CHECK_ERRNO(rename("empty2", "pipe"), ENOTDIR);
    CHECK_ERRNO(rename("pipe", "empty2"), EISDIR);
    CHECK_OK(rename("d2", "empty2"));
    CHECK_STR(readFile("empty2/in1"), "in 1");
    CHECK_EQ(statOf("empty2").st_ino, d1.st_ino);

    // An open descriptor follows its inode, and the one that was replaced stays readable.
    int moved = (int)CHECK_OK(open("a-again", O_RDWR)), replaced = (int)CHECK_OK(open("pipe", O_RDONLY));
    CHECK_OK(rename("a-again", "pipe"));
    CHECK_EQ(pwrite(moved, "FILE", 4, 0), 4);
    CHECK_STR(readFile("pipe"), "FILE a");
    CHECK_EQ(fstatOf(replaced).st_nlink, 0);
    char buffer[8] = "";
    CHECK_EQ(pread(replaced, buffer, 7, 0), 6);
    CHECK_STR(buffer, "file b");
    close(moved);
    close(replaced);

    if (renameat2(AT_FDCWD, "pipe", AT_FDCWD, "white", RENAME_WHITEOUT) == 0) {
        struct stat w = statOf("pipe");
        CHECK(S_ISCHR(w.st_mode) && w.st_rdev == 0);
        CHECK_STR(readFile("white"), "FILE a");
        CHECK_OK(unlink("pipe"));
    } else {
        SKIP_PART("RENAME_WHITEOUT: %s", errnoName(errno));
    }
    CHECK_ERRNO(renameat2(AT_FDCWD, "q", AT_FDCWD, "r", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
}

SCENARIO("rename_exchange", prepare, scenario)
