// Deleted lower names: gone from lookup and readdir, made again as new, at 255 bytes, named like other overlays' marks,
// ten thousand in one directory; and a directory that holds only deleted names is empty.
#include "harness.h"
#include <dirent.h>

#define MANY 10000

static void longName(char *path, const char *directory, int variant) {
    int length = sprintf(path, "%s/", directory);
    memset(path + length, 'a' + variant % 26, 255);
    path[length + 255] = 0;
    path[length] = (char)('A' + variant / 26);
}

static void prepare(void) {
    char path[512];
    MUST(mkdir("marks", 0755));
    writeFile("marks/.wh.name", "an ordinary file");
    writeFile("marks/.wh..wh..opq", "an ordinary file too");
    writeFile("marks/name", "name");
    MUST(mkdir("long", 0755));
    for (int i = 0; i < 100; i++) {
        longName(path, "long", i);
        writeFile(path, "x");
    }
    MUST(mkdir("many", 0755));
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "many/a-name-of-some-length-%d", i);
        MUST(mknod(path, S_IFREG | 0644, 0));
    }
    MUST(mkdir("only", 0755));
    MUST(mkdir("only/sub", 0755));
    writeFile("only/sub/f", "x");
    writeFile("only/g", "x");
    MUST(mkdir("odd", 0755));
    writeFile("odd/new\nline", "x");
    writeFile("odd/\xff\xfe", "x");
    writeFile("odd/ ", "x");
}

static int entries(const char *path) {
    DIR *directory = opendir(path);
    int count = -2;
    if (!CHECK(directory != NULL)) return -1;
    while (readdir(directory)) count++;
    closedir(directory);
    return count;
}

static void scenario(void) {
    char path[512];
    // Names that mean something to other overlays mean nothing here.
    CHECK_EQ(entries("marks"), 3);
    CHECK_STR(readFile("marks/.wh.name"), "an ordinary file");
    CHECK_STR(readFile("marks/name"), "name");
    CHECK_OK(unlink("marks/.wh..wh..opq"));
    CHECK_OK(unlink("marks/name"));
    CHECK(exists("marks/.wh.name"));
    CHECK_EQ(entries("marks"), 1);
    writeFile("marks/.wh.new", "x");
    writeFile("marks/new", "x");
    CHECK_EQ(entries("marks"), 3);
    CHECK_OK(unlink("marks/.wh.name"));
    CHECK_OK(unlink("marks/.wh.new"));
    CHECK(exists("marks/new"));

    // All attributes of an ext4 directory share one block: these do not fit into it.
    for (int i = 0; i < 100; i++) {
        longName(path, "long", i);
        CHECK_OK(unlink(path));
        CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
    }
    CHECK_EQ(entries("long"), 0);
    for (int i = 0; i < 100; i += 9) {
        longName(path, "long", i);
        writeFile(path, "again");
        CHECK_STR(readFile(path), "again");
    }
    CHECK_EQ(entries("long"), 12);
    for (int i = 0; i < 100; i += 9) {
        longName(path, "long", i);
        CHECK_OK(unlink(path));
    }
    CHECK_OK(rmdir("long"));
    CHECK_OK(mkdir("long", 0755));
    CHECK_EQ(entries("long"), 0);

    CHECK_ERRNO(rmdir("only"), ENOTEMPTY);
    CHECK_OK(unlink("only/sub/f"));
    CHECK_OK(rmdir("only/sub"));
    CHECK_OK(unlink("only/g"));
    CHECK_EQ(entries("only"), 0);
    CHECK_OK(rename("only", "was-only"));
    CHECK_OK(rmdir("was-only"));
    CHECK_ERRNO(rmdir("was-only"), ENOENT);
    CHECK_OK(mkdir("only", 0755));
    CHECK_EQ(entries("only"), 0);

    CHECK_EQ(entries("odd"), 3);
    CHECK_OK(unlink("odd/new\nline"));
    CHECK_OK(unlink("odd/\xff\xfe"));
    CHECK_OK(unlink("odd/ "));
    CHECK_OK(rmdir("odd"));

    int wrong = 0;
    for (int i = 0; i < MANY; i++) {
        snprintf(path, sizeof path, "many/a-name-of-some-length-%d", i);
        wrong += unlink(path) != 0;
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(entries("many"), 0);
    for (int i = 0; i < MANY; i += 100) {
        snprintf(path, sizeof path, "many/a-name-of-some-length-%d", i);
        wrong += access(path, F_OK) == 0;
        wrong += mkdir(path, 0700) != 0;
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(entries("many"), MANY / 100);
    CHECK_EQ(statOf("many").st_nlink, 2 + MANY / 100);
    CHECK_ERRNO(rmdir("many"), ENOTEMPTY);
    for (int i = 0; i < MANY; i += 100) {
        snprintf(path, sizeof path, "many/a-name-of-some-length-%d", i);
        wrong += rmdir(path) != 0;
    }
    CHECK_EQ(wrong, 0);
    CHECK_OK(rmdir("many"));
    CHECK(!exists("many"));
}

SCENARIO("whiteout_readdir", prepare, scenario)
