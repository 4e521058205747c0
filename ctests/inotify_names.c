// What is reported of the names of a watched directory, and an inode of its own: creation, deletion, renames, links, attributes.
#include "inotify_events.h"
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/xattr.h>

static void prepare(void) {
    MUST(mkdir("dir", 0755));
    MUST(mkdir("dir/sub", 0755));
    MUST(mkdir("other", 0755));
    writeFile("dir/lower", "lower\n");
    writeFile("dir/gone", "gone\n");
    writeFile("dir/replaced", "replaced\n");
    writeFile("dir/moved", "moved\n");
    writeFile("self", "self\n");
    writeFile("linked", "linked\n");
    MUST(link("linked", "other/second"));
    writeFile("held", "held\n");
}

#define NAMES (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)

static void creation(void) {
    struct Queue queue = queueOf("dir", NAMES);
    close((int)CHECK_OK(open("dir/a", O_WRONLY | O_CREAT | O_EXCL, 0644)));
    close((int)CHECK_OK(open("dir/a", O_WRONLY | O_CREAT, 0644)));
    CHECK_OK(mkdir("dir/d", 0755));
    CHECK_OK(symlink("a", "dir/s"));
    CHECK_OK(link("dir/a", "dir/h"));
    CHECK_OK(mkfifo("dir/f", 0600));
    CHECK_ERRNO(mkdir("dir/d", 0755), EEXIST);
    CHECK_EVENTS(&queue, "CREATE a\nCREATE|DIR d\nCREATE s\nCREATE h\nCREATE f\n");
    int listener = (int)CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "dir/socket"};
    CHECK_OK(bind(listener, (struct sockaddr *)&address, sizeof address));
    CHECK_EVENTS(&queue, "CREATE socket\n");
    close(listener);
    CHECK_OK(unlink("dir/socket"));
    CHECK_OK(unlink("dir/f"));
    CHECK_OK(unlink("dir/s"));
    CHECK_OK(rmdir("dir/d"));
    CHECK_OK(unlink("dir/h"));
    CHECK_OK(unlink("dir/gone"));
    CHECK_ERRNO(unlink("dir/gone"), ENOENT);
    CHECK_EVENTS(&queue, "DELETE socket\nDELETE f\nDELETE s\nDELETE|DIR d\nDELETE h\nDELETE gone\n");
    // Nothing of what happens one level further down, or outside.
    writeFile("dir/sub/x", "");
    writeFile("y", "");
    CHECK_EVENTS(&queue, "");
    close(queue.fd);
}

static void renames(void) {
    struct Queue dir = queueOf("dir", NAMES | IN_MOVE_SELF);
    struct Queue other = queueOf("other", NAMES);
    CHECK_OK(rename("dir/a", "dir/b"));
    CHECK_EVENTS(&dir, "MOVED_FROM#1 a\nMOVED_TO#1 b\n");
    CHECK_OK(rename("dir/moved", "dir/replaced"));
    CHECK_EVENTS(&dir, "MOVED_FROM#2 moved\nMOVED_TO#2 replaced\n");
    CHECK_OK(rename("dir/lower", "other/lower"));
    CHECK_EVENTS(&dir, "MOVED_FROM#3 lower\n");
    CHECK_EVENTS(&other, "MOVED_TO#1 lower\n");
    CHECK_OK(rename("other/lower", "dir/lower"));
    CHECK_EVENTS(&dir, "MOVED_TO#4 lower\n");
    CHECK_EVENTS(&other, "MOVED_FROM#2 lower\n");
    CHECK_OK(syscall(SYS_renameat2, AT_FDCWD, "dir/lower", AT_FDCWD, "dir/b", 2 /* RENAME_EXCHANGE */));
    CHECK_EVENTS(&dir, "MOVED_FROM#5 lower\nMOVED_TO#5 b\nMOVED_FROM#6 b\nMOVED_TO#6 lower\n");

    // The directory itself is moved: the watch goes along.
    CHECK_OK(rename("dir", "elsewhere"));
    CHECK_EVENTS(&dir, "MOVE_SELF\n");
    writeFile("elsewhere/new", "");
    CHECK_EVENTS(&dir, "CREATE new\n");
    CHECK_OK(mkdir("dir", 0755));
    writeFile("dir/not-reported", "");
    CHECK_EVENTS(&dir, "");
    struct Queue sub = queueOf("elsewhere/sub", IN_MOVE_SELF | IN_CREATE);
    CHECK_OK(rename("elsewhere/sub", "other/sub"));
    CHECK_EVENTS(&sub, "MOVE_SELF\n");
    CHECK_EVENTS(&dir, "MOVED_FROM|DIR#7 sub\n");
    CHECK_EVENTS(&other, "MOVED_TO|DIR#3 sub\n");
    writeFile("other/sub/x2", "");
    CHECK_EVENTS(&sub, "CREATE x2\n");
    close(sub.fd);
    close(dir.fd);
    close(other.fd);
}

static void oneself(void) {
    struct Queue queue = queueOf("self", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF);
    struct Queue parent = queueOf(".", IN_ATTRIB);
    CHECK_OK(chmod("self", 0600));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_EVENTS(&parent, "ATTRIB self\n");
    CHECK_OK(utimensat(AT_FDCWD, "self", NULL, 0));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_OK(chown("self", geteuid(), getegid()));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    if (setxattr("self", "user.x", "1", 1, 0) == 0) CHECK_EVENTS(&queue, "ATTRIB\n");
    else SKIP_PART("setxattr: %s", errnoName(errno));
    CHECK_OK(link("self", "name"));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_OK(rename("name", "other/name"));
    CHECK_EVENTS(&queue, "MOVE_SELF\n");
    CHECK_OK(unlink("self"));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_OK(unlink("other/name"));
    CHECK_EVENTS(&queue, "ATTRIB\nDELETE_SELF\nIGNORED\n");
    CHECK_ERRNO(inotify_rm_watch(queue.fd, 1), EINVAL);
    close(queue.fd);
    close(parent.fd);

    // A lower file with two names: the inode is watched, whichever name it is changed by.
    queue = queueOf("linked", IN_ATTRIB | IN_DELETE_SELF);
    CHECK_OK(chmod("other/second", 0640));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_OK(unlink("linked"));
    CHECK_EVENTS(&queue, "ATTRIB\n");
    CHECK_OK(unlink("other/second"));
    CHECK_EVENTS(&queue, "ATTRIB\nDELETE_SELF\nIGNORED\n");
    close(queue.fd);

    // As long as somebody has it open it is not deleted.
    queue = queueOf("held", IN_DELETE_SELF);
    int held = (int)CHECK_OK(open("held", O_RDONLY));
    CHECK_OK(unlink("held"));
    CHECK_EVENTS(&queue, "");
    close(held);
    CHECK_EVENTS(&queue, "DELETE_SELF\nIGNORED\n");
    close(queue.fd);

    // Replaced by a rename.
    writeFile("old", "old");
    writeFile("new", "new");
    queue = queueOf("old", IN_DELETE_SELF | IN_ATTRIB | IN_MOVE_SELF);
    CHECK_OK(rename("new", "old"));
    CHECK_EVENTS(&queue, "ATTRIB\nDELETE_SELF\nIGNORED\n");
    close(queue.fd);

    CHECK_OK(mkdir("removed", 0755));
    queue = queueOf("removed", IN_DELETE_SELF | IN_DELETE);
    writeFile("removed/x", "");
    CHECK_OK(unlink("removed/x"));
    CHECK_OK(rmdir("removed"));
    CHECK_EVENTS(&queue, "DELETE x\nDELETE_SELF\nIGNORED\n");
    close(queue.fd);

    // A working directory is in use.
    CHECK_OK(mkdir("removed", 0755));
    queue = queueOf("removed", IN_DELETE_SELF);
    CHECK_OK(chdir("removed"));
    CHECK_OK(rmdir("../removed"));
    CHECK_EVENTS(&queue, "");
    CHECK_OK(chdir(scratch));
    CHECK_EVENTS(&queue, "DELETE_SELF\nIGNORED\n");
    close(queue.fd);
}

static void scenario(void) {
    creation();
    renames();
    oneself();
}

SCENARIO("inotify_names", prepare, scenario)
