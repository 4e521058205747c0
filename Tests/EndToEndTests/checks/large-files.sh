#!/usr/bin/env bash
# Large files: their content is copied up once and whole, whoever comes at the same time, is interrupted or killed; and
# no other call is held up by it.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v python3 >/dev/null && command -v gcc >/dev/null || {
    echo 'no python3 or gcc'
    exit 77
}
head -c 50000000 /dev/urandom >large
chmod 666 large
cp -p large "$work/copy"

# Four at once write each their own byte; whoever comes later sees all of them.
cat >"$work/four.py" <<'END'
import os, sys
children = []
for place in range(4):
    child = os.fork()
    if child == 0:
        f = os.open("large", os.O_RDWR)
        os.pwrite(f, bytes([65 + place]), 1000 + place)
        os._exit(0)
    children.append(child)
for child in children: assert os.waitpid(child, 0)[1] == 0
data = open("large", "rb").read()
was = open(sys.argv[1], "rb").read()
assert data[1000:1004] == b"ABCD", data[1000:1004]
assert data[:1000] == was[:1000] and data[1004:] == was[1004:]
print("alike")
END
# A signal in the midst of it: the handler runs, and the open comes to its end.
cat >"$work/interrupted.py" <<'END'
import os, signal
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
f = os.open("large", os.O_WRONLY | os.O_APPEND)
signal.setitimer(signal.ITIMER_REAL, 0)
os.write(f, b"end")
assert os.stat("large").st_size == 50000003
print("appended")
END
for gate in trace notify; do
    expect "four-at-once-$gate" 0 alike v --gate $gate -- python3 "$work/four.py" "$work/copy"
    expect "signals-$gate" 0 appended v --gate $gate -- python3 "$work/interrupted.py"
done
cmp -s large "$work/copy" && ok host-unchanged || fail host-unchanged 'the host file was written'
# What the kernel never interrupts must not end with EINTR, whatever the handler's flags; the handler makes calls itself.
cat >"$work/uninterrupted.c" <<'END'
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
static volatile int handled;
static void handle(int signal) { (void)signal; struct stat status; stat("/", &status); handled++; }
int main(int count, char **arguments) {
  struct sigaction action = {.sa_handler = handle};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval often = {{0, 700}, {0, 700}};
  setitimer(ITIMER_REAL, &often, NULL);
  int result = count > 2 ? truncate(arguments[1], 7) : open(arguments[1], O_RDWR);
  int error = errno;
  setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
  if (result < 0) return printf("%d after %d\n", error, handled), 1;
  return puts(handled ? "after signals" : "too fast"), 0;
}
END
gcc -O1 -o "$work/uninterrupted" "$work/uninterrupted.c" 2>"$work/stderr" || {
    fail setup "$(cat "$work/stderr")"
    finish
}
for gate in trace notify; do
    expect "open-is-not-interrupted-$gate" 0 'after signals' v --gate $gate -- "$work/uninterrupted" large
    expect "truncate-is-not-interrupted-$gate" 0 'after signals' v --gate $gate -- "$work/uninterrupted" large truncate
done

# The copy does not hold up others: while one process opens or truncates the file, another one's calls are served. It sees
# the free space of the upper go down step by step, which under one lock would have happened at once. Nothing is timed: a
# machine that gives the second process no turn at all during a copy is asked again.
for _ in 1 2 3 4 5 6 7 8; do cat large; done >huge
chmod 666 huge
cat >"$work/meanwhile.py" <<'END'
import ctypes, mmap, os, signal, sys, time
what, was = sys.argv[1], os.stat("huge")
size = was.st_size
free = lambda: os.statvfs(".").f_bfree * os.statvfs(".").f_bsize
def opener(page):
    if what.startswith("truncate"): os.truncate("huge", size - 1)
    else: os.open("huge", os.O_RDWR)
    page[0] = 1
def watch(page, child, until):
    """The amounts of the copy that were there at a look, while the child was in its call."""
    before, seen = free(), set()
    page[1] = 1
    while len(seen) < until and os.waitpid(child, os.WNOHANG)[0] == 0:
        copied = before - free()
        if not page[0] and 1 << 20 < copied < size - (1 << 20): seen.add(copied >> 20)
    return before, seen
def start():
    page = mmap.mmap(-1, 4096)
    child = os.fork()
    if child == 0:
        while not page[1]: pass
        opener(page)
        os._exit(0)
    return page, child
page, child = start()
before, seen = watch(page, child, 3)
if what == "killed":
    if len(seen) < 3: sys.exit("again")
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    # Its room comes back, and the file is as it was.
    while before - free() > size // 10: time.sleep(0.01)
    now = os.stat("huge")
    assert (now.st_ino, now.st_mtime_ns, now.st_ctime_ns, now.st_size) == (was.st_ino, was.st_mtime_ns, was.st_ctime_ns, size)
    f = os.open("huge", os.O_RDWR)
    os.pwrite(f, b"again", size)
    assert os.pread(os.open("huge", os.O_RDONLY), 9, size) == b"again"
else:
    if len(seen) < 3: sys.exit("again")
    assert os.waitpid(child, 0)[1] == 0 and page[0] == 1
    assert os.stat("huge").st_size == size - (what == "truncate") and os.stat("huge").st_ino == was.st_ino
print("served")
END
for what in open truncate killed; do
    for gate in trace notify; do
        for _ in 1 2 3 4 5; do
            v --gate $gate -- python3 "$work/meanwhile.py" $what >"$work/seen" 2>"$work/stderr" && break
            grep -qx again "$work/stderr" || break
        done
        [ "$(cat "$work/seen")" = served ] && ok "others-are-served-$what-$gate" || fail "others-are-served-$what-$gate" "$(tail -1 "$work/stderr")"
    done
done
# Two who come at once get one copy, and one without room gets none: both calls fail with ENOSPC, and nothing of it stays.
cat >"$work/full.py" <<'END'
import errno, os, time
before = os.statvfs(".").f_bfree
children = []
for place in range(2):
    child = os.fork()
    if child == 0:
        try: os.open("huge", os.O_RDWR)
        except OSError as error: os._exit(error.errno)
        os._exit(0)
    children.append(child)
for child in children: assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == errno.ENOSPC
assert before - os.statvfs(".").f_bfree < 100, (before, os.statvfs(".").f_bfree)
assert open("huge", "rb").read(9) == open("large", "rb").read(9)
print("refused")
END
case $MODE in *no-namespaces) ;; *) expect no-space-for-two 0 refused v --size 100M -- python3 "$work/full.py" ;; esac

# Killed while it waits: nothing is left, and the next one gets its file.
expect killed-opener 0 X v -- bash -c '(exec 3<>large; sleep 9) & sleep 0.02; kill -9 $!; wait; printf X 1<>large; head -c1 large'
expect no-space 0 'refused 50000000' v --size 16M -- bash -c 'printf X 1<>large || true; printf "refused "; stat -c %s large'
mkdir "$work/upper"
[ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/upper"
expect kept 0 '' v --upper "$work/upper" -- bash -c 'printf Y 1<>large'
expect kept-for-the-next-run 0 "Y$(tail -c +2 large | sha256sum)" v --upper "$work/upper" -- bash -c 'head -c1 large; tail -c +2 large | sha256sum'
[ -z "$(find "$work/upper" -name 'prepared-*' 2>/dev/null)" ] && ok nothing-half-made || fail nothing-half-made "$(find "$work/upper" -name 'prepared-*')"
# A quota of the host (EDQUOT, which a filter stands for here: copy_file_range is 326) is the guest's errno, for a short and
# for a long copy, and nothing of the copy stays.
gcc -O1 -o "$work/under_filter" "$checks/../tools/under_filter.c" 2>"$work/stderr" || {
    fail setup "$(cat "$work/stderr")"
    finish
}
head -c 100000 large >short
chmod 666 short
mkdir "$work/quota"
[ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/quota"
printf 'import os\nfor name in ("short", "large"):\n    try: os.open(name, os.O_RDWR)\n    except OSError as error: print(error.errno, os.stat(name).st_size)\n' >"$work/quota.py"
for upper in memory "$work/quota"; do
    expect "quota-$(basename "$upper")" 0 $'122 100000\n122 50000000' timeout 60 ${as[@]+"${as[@]}"} "$work/under_filter" 326=122 -- \
        "$VEDETTE" run ${level[@]+"${level[@]}"} --upper "$upper" -- python3 "$work/quota.py"
done
[ -z "$(find "$work/quota" -name 'prepared-*')" ] && ok quota-leaves-nothing || fail quota-leaves-nothing "$(find "$work/quota" -name 'prepared-*')"
if ${as[@]+"${as[@]}"} "$VEDETTE" fsck "$work/quota" >"$work/fsck" 2>&1; then ok fsck-after-the-quota; else fail fsck-after-the-quota "$(head -3 "$work/fsck")"; fi
# Killed with the supervisor, in the midst of the copy: the old state, and the rest is swept away.
mkdir "$work/killed"
[ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/killed"
for _ in 1 2 3 4 5; do
    ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --upper "$work/killed" -- bash -c 'printf Z 1<>huge' 2>/dev/null &
    supervisor=$!
    begun=
    while [ -z "$begun" ] && kill -0 $supervisor 2>/dev/null; do begun=$(find "$work/killed/work" -name 'prepared-*' -size +1M 2>/dev/null); done
    kill -9 $supervisor 2>/dev/null
    wait $supervisor 2>/dev/null
    [ -z "$begun" ] || break
done
[ -n "$begun" ] && ok supervisor-killed || fail supervisor-killed 'no copy was met half made'
if ${as[@]+"${as[@]}"} "$VEDETTE" fsck "$work/killed" >"$work/fsck" 2>&1; then ok fsck-after-the-kill; else fail fsck-after-the-kill "$(head -3 "$work/fsck")"; fi
expect old-state-after-the-kill 0 "$(sha256sum <huge)" v --upper "$work/killed" -- bash -c 'sha256sum <huge'
[ -z "$(find "$work/killed" -name 'prepared-*')" ] && ok nothing-of-the-killed-copy || fail nothing-of-the-killed-copy "$(find "$work/killed" -name 'prepared-*')"
finish
