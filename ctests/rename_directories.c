// Renaming directories that exist below, above or in both: never EXDEV, no entry lost, none brought back, `..` right.
#include "harness.h"
#include <dirent.h>

static void prepare(void) {
    MUST(mkdir("from", 0755));
    MUST(mkdir("from/tree", 0755));
    MUST(mkdir("from/tree/deep", 0755));
    writeFile("from/tree/lower", "lower");
    writeFile("from/tree/changed", "before");
    writeFile("from/tree/deleted", "gone");
    writeFile("from/tree/deep/leaf", "leaf");
    MUST(mkdir("to", 0755));
    MUST(mkdir("to/tree", 0755));
    MUST(mkdir("chain", 0755));
    MUST(mkdir("chain/x", 0755));
    writeFile("chain/x/f", "f");
}

static int entries(const char *path) {
    DIR *directory = opendir(path);
    int count = 0;
    if (!CHECK(directory != NULL)) return -1;
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static void scenario(void) {
    struct stat tree = statOf("from/tree"), deep = statOf("from/tree/deep");
    // Make it a merged directory first: an upper file, a changed lower one, a deleted one.
    writeFile("from/tree/upper", "upper");
    writeFile("from/tree/changed", "after");
    CHECK_OK(unlink("from/tree/deleted"));
    CHECK_EQ(entries("from/tree"), 6);

    int inside = (int)CHECK_OK(open("from/tree/deep", O_RDONLY | O_DIRECTORY));
    CHECK_OK(rename("from/tree", "to/tree"));
    CHECK(!exists("from/tree"));
    CHECK_EQ(statOf("to/tree").st_ino, tree.st_ino);
    CHECK_EQ(statOf("to/tree/deep").st_ino, deep.st_ino);
    CHECK_EQ(entries("to/tree"), 6);
    CHECK_STR(readFile("to/tree/lower"), "lower");
    CHECK_STR(readFile("to/tree/changed"), "after");
    CHECK_STR(readFile("to/tree/upper"), "upper");
    CHECK_STR(readFile("to/tree/deep/leaf"), "leaf");
    CHECK(!exists("to/tree/deleted"));
    CHECK_EQ(statOf("from").st_nlink, 2);
    CHECK_EQ(statOf("to").st_nlink, 3);
    // `..` of a directory that was moved with its parent.
    struct stat s;
    CHECK_OK(fstatat(inside, "../..", &s, 0));
    CHECK_EQ(s.st_ino, statOf("to").st_ino);
    close(inside);

    // What is made at the old name is new, and the moved tree is changed under its new name only.
    CHECK_OK(mkdir("from/tree", 0700));
    CHECK_EQ(entries("from/tree"), 2);
    CHECK(statOf("from/tree").st_ino != tree.st_ino);
    CHECK_OK(unlink("to/tree/lower"));
    CHECK(!exists("to/tree/lower"));
    CHECK_EQ(entries("from/tree"), 2);
    writeFile("to/tree/deep/leaf", "changed leaf");
    CHECK_STR(readFile("to/tree/deep/leaf"), "changed leaf");

    // A second move, then back to the first name, over the empty directory there.
    CHECK_OK(rename("to/tree", "third"));
    CHECK_OK(rename("third", "from/tree"));
    CHECK_EQ(entries("from/tree"), 5);
    CHECK_STR(readFile("from/tree/deep/leaf"), "changed leaf");
    CHECK_EQ(statOf("from/tree").st_ino, tree.st_ino);
    CHECK(!exists("to/tree"));
    CHECK_OK(mkdir("to/tree", 0755));
    CHECK_EQ(entries("to/tree"), 2);

    // A lower directory into another that is itself moved afterwards.
    CHECK_OK(rename("chain", "to/tree/chain"));
    CHECK_OK(rename("to", "elsewhere"));
    CHECK_STR(readFile("elsewhere/tree/chain/x/f"), "f");
    CHECK_OK(rename("elsewhere/tree/chain/x", "x"));
    CHECK_STR(readFile("x/f"), "f");
    CHECK_EQ(entries("elsewhere/tree/chain"), 2);

    CHECK_ERRNO(rename("elsewhere", "elsewhere/tree/inside"), EINVAL);
    CHECK_ERRNO(rename("elsewhere", "elsewhere/tree"), EINVAL);
    CHECK_ERRNO(rename("elsewhere/tree", "elsewhere"), ENOTEMPTY);
    CHECK_ERRNO(rename("elsewhere", "from/tree"), ENOTEMPTY);
    CHECK_OK(chdir("elsewhere"));
    CHECK_OK(rename("../elsewhere", "../final"));
    CHECK(exists("../final/tree/chain"));
    CHECK_OK(chdir(".."));

    // Emptying a merged directory by hand makes it removable.
    CHECK_OK(unlink("from/tree/deep/leaf"));
    CHECK_OK(rmdir("from/tree/deep"));
    CHECK_ERRNO(rmdir("from/tree"), ENOTEMPTY);
    CHECK_OK(unlink("from/tree/changed"));
    CHECK_OK(unlink("from/tree/upper"));
    CHECK_OK(rmdir("from/tree"));
    CHECK_EQ(entries("from"), 2);
}

SCENARIO("rename_directories", prepare, scenario)
