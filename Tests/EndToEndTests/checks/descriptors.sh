#!/usr/bin/env bash
# What a guest can do with the descriptors that its caller hands in, by every name they have: as much as the descriptor
# allows. And locks of guests: no process of the host meets one, and they meet none of the host's.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

echo 'of the host' >given
echo '#!/bin/true' >program
chmod 755 program
echo lower >lower
mkdir bound
echo bound >bound/file
mkfifo named
: >written
[ ${#as[@]} -eq 0 ] || chown -R 65534:65534 .
state() {
    stat -c '%n %a %u:%g %s %Y %Z %i %h' "$@"
    cat "$@"
    getfattr -d -m - "$@" 2>/dev/null
}

# Each attempt prints a line if it succeeds.
cat >"$work/attempts.py" <<'END'
import os, sys, errno
fd = int(sys.argv[1])
def attempt(what, call):
    try:
        call()
        print(what)
    except OSError as e:
        if e.errno in (errno.ENOSYS, errno.EFAULT): print(what, e)
links = ['/proc/self/fd/%d' % fd, '/proc/%d/fd/%d' % (os.getpid(), fd), '/proc/thread-self/fd/%d' % fd, '/dev/fd/%d' % fd,
         '/proc/self/task/%d/fd/%d' % (os.getpid(), fd)] + (['/dev/stdin'] if fd == 0 else [])
for link in links:
    # Of a device or a FIFO, which has no size, O_TRUNC asks for nothing.
    for name in ['O_RDWR', 'O_WRONLY', 'O_WRONLY|O_CREAT', 'O_RDWR|O_CREAT|O_TRUNC', 'O_WRONLY|O_APPEND'] + \
                (['O_RDONLY|O_TRUNC', 'O_RDONLY|O_CREAT|O_TRUNC'] if sys.argv[2] == 'file' else []):
        flags = 0
        for flag in name.split('|'): flags |= getattr(os, flag)
        attempt(link + ' ' + name, lambda: os.open(link, flags | os.O_NONBLOCK, 0o666))
    attempt(link + ' truncate', lambda: os.truncate(link, 0))
    attempt(link + ' chmod', lambda: os.chmod(link, 0o777))
    attempt(link + ' chown', lambda: os.chown(link, os.getuid(), os.getgid()))
    attempt(link + ' utime', lambda: os.utime(link, (1, 1)))
    attempt(link + ' setxattr', lambda: os.setxattr(link, 'user.x', b'y'))
    attempt(link + ' removexattr', lambda: os.removexattr(link, 'user.x'))
    attempt(link + ' link', lambda: os.link(link, 'linked', follow_symlinks=True))
    attempt(link + ' rename', lambda: os.rename(link, 'renamed'))
    # By way of a descriptor that was opened with O_PATH.
    path = os.open(link, os.O_PATH)
    for flags in [os.O_RDWR, os.O_WRONLY] + ([os.O_TRUNC] if sys.argv[2] == 'file' else []):
        attempt(link + ' O_PATH, %o' % flags, lambda: os.open('/proc/self/fd/%d' % path, flags | os.O_NONBLOCK))
    os.close(path)
attempt('ftruncate', lambda: os.ftruncate(fd, 0))
attempt('write', lambda: os.write(fd, b'x'))
attempt('fallocate', lambda: os.posix_fallocate(fd, 0, 4096))
if sys.argv[2] == 'file':
    attempt('fchmod', lambda: os.fchmod(fd, 0o777))
    attempt('fchown', lambda: os.fchown(fd, os.getuid(), os.getgid()))
    attempt('futimens', lambda: os.utime(fd, (1, 1)))
    attempt('fsetxattr', lambda: os.setxattr(fd, 'user.x', b'y'))
print('end')
END
chmod 644 "$work/attempts.py"

state given >"$work/before"
attempts() {
    local name=$1
    shift
    expect "$name" 0 end "$@"
}
attemptsOn() { v --fake-root -- python3 "$work/attempts.py" 0 "$1" <"$2"; }
attempts read-only-file attemptsOn file given
if state given | diff "$work/before" - >"$work/difference"; then ok read-only-file-unchanged; else fail read-only-file-unchanged "$(tr '\n' '|' <"$work/difference")"; fi
attempts read-only-device attemptsOn device /dev/zero
onDirectory() { v -- sh -c 'exec python3 "$1" 3 file 3<&0 </dev/null' - "$work/attempts.py" <bound; }
attempts read-only-directory onDirectory
# Both ends of a FIFO that has a name on the host: the guest holds one.
exec 7<>named
attemptsOnFIFO() { v -- python3 "$work/attempts.py" 0 fifo 7>&- <named; }
attempts named-fifo attemptsOnFIFO
exec 7>&-
expect reads-what-it-may 0 'of the host' sh -c 'timeout 60 "$@" <given' - ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} -- cat /dev/stdin
executes() { v -- python3 -c 'import os; os.execve(0, ["program"], {})' <program; }
expect executes-what-it-may 0 '' executes

# Written to through its name, and cut off, as the descriptor allows; not read.
v -- bash -c 'echo one; echo two >/dev/stdout; echo three >&1; cat /dev/stdout' >written 2>"$work/stderr"
if [ "$(cat written)" = $'two\nthree' ] && grep -q 'ermission denied' "$work/stderr"; then ok write-only-file; else fail write-only-file "$(cat written "$work/stderr")"; fi
v -- bash -c 'echo one; truncate -s 2 /dev/stdout' >written 2>"$work/stderr"
expect truncated-by-name 0 on cat written
# The same file is opened by its own name as well, where it is a lower file: the descriptor stays the caller's.
v -- bash -c "echo one; cat written >/dev/null; echo two; echo changed >written; echo three; [ \"\$(cat written)\" = changed ] || echo not changed" >written
expect output-stays-the-callers 0 $'one\ntwo\nthree' cat written

# The guest locks, says so, and holds the lock while the host tries.
cat >"$work/lock.py" <<'END'
import fcntl, os, struct, sys
how, name = sys.argv[1:]
fd = 0 if name == '-' else os.open(name, os.O_RDONLY)
range_ = struct.pack('hhqqi', fcntl.F_RDLCK, 0, 0, 0, 0)
try:
    if how == 'exclusive': fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    elif how == 'shared': fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    elif how == 'process': fcntl.fcntl(fd, fcntl.F_SETLK, range_)
    else: fcntl.fcntl(fd, fcntl.F_OFD_SETLK, range_)
    print('locked', flush=True)
except OSError as e:
    print(os.strerror(e.errno), flush=True)
os.read(int(sys.stdin.fileno()) if name != '-' else 3, 1)
END
cat >"$work/host.py" <<'END'
import fcntl, sys
file = open(sys.argv[1], 'r+')
fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
END
chmod 644 "$work"/*.py
# lock NAME SAYS HOW FILE HOSTFILE [OPTION...]
lock() {
    local name=$1 says=$2 how=$3 file=$4 hostFile=$5 seen
    shift 5
    coproc guest { v "$@" -- python3 "$work/lock.py" "$how" "$file" 2>&1; }
    local pid=$guest_PID in=${guest[1]}
    read -r -t 50 seen <&"${guest[0]}"
    if ! python3 "$work/host.py" "$hostFile" 2>"$work/stderr"; then
        fail "$name" "the host meets the guest's lock: $(tail -1 "$work/stderr")"
    elif [ "$seen" != "$says" ]; then
        fail "$name" "said '$seen', not '$says'"
    else
        ok "$name"
    fi
    echo >&"$in"
    wait "$pid" 2>/dev/null
}
for how in exclusive shared process description; do
    lock "lower-$how" locked $how lower lower
    refusal=locked
    [ $how != exclusive ] || refusal='No locks available'
    lock "read-only-bind-$how" "$refusal" $how /bound/file bound/file --bind "$PWD/bound:/bound:ro"
done
# And the host's lock does not stand in the guest's way.
exec 8<>lower
flock -x 8
lock lower-locked-by-host locked exclusive lower given
exec 8>&-
handedIn() { v -- sh -c 'exec 3</dev/null; exec python3 "$1" exclusive -' - "$work/lock.py" <given; }
expect handed-in-exclusive 0 'No locks available' handedIn
# A thread that exchanges the descriptor while another one locks it. Killed, or not locked.
compiler=$(command -v cc || command -v gcc || command -v clang) && "$compiler" -O -pthread -o "$work/lock_race" "$checks/../tools/lock_race.c" || fail setup 'no C compiler'
chmod 755 "$work/lock_race"
for how in flock description process; do
    coproc guest { v --bind "$PWD/bound:/bound:ro" -- "$work/lock_race" /bound/file own $how 2>/dev/null; }
    pid=$guest_PID in=${guest[1]} seen=killed
    read -r -t 50 seen <&"${guest[0]}"
    if python3 "$work/host.py" bound/file 2>"$work/stderr"; then ok "race-$how (${seen:-killed})"; else fail "race-$how" "the host meets the guest's lock"; fi
    { echo >&"$in"; } 2>/dev/null
    { exec {in}>&-; } 2>/dev/null
    wait "$pid" 2>/dev/null
done
finish
