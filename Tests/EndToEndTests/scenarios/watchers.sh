# shellcheck disable=SC2010
# Programs that wait for changes: tail -f and -F, inotifywait once, for ever and recursively, a watcher in Python.
set -u
command -v inotifywait >/dev/null && command -v python3 >/dev/null || exit 77
# Of a file that the other process may not have made yet.
untilLines() {
    for _ in $(seq 500); do
        [ "$(cat "$1" 2>/dev/null | wc -l)" -ge "$2" ] && return
        sleep 0.02
    done
    echo "$1 does not come to $2 lines"
}
untilText() {
    for _ in $(seq 500); do
        grep -qs "$2" "$1" && return
        sleep 0.02
    done
    echo "$1 does not say $2"
}
end() { {
    kill "$1"
    wait "$1"
} 2>/dev/null; }

echo "-- tail -f"
echo one >log
tail -f log >followed &
tail=$!
untilLines followed 1
echo two >>log
untilLines followed 2
sh -c 'echo three >>log'
untilLines followed 3
python3 -c 'open("log", "a").write("four\n")'
untilLines followed 4
end $tail
cat followed

echo "-- tail -F over a rotation"
tail -n +1 -F log >rotated 2>messages &
tail=$!
untilLines rotated 4
echo five >new
mv new log
untilLines rotated 5
echo six >>log
untilLines rotated 6
end $tail
cat rotated
rm -f absent
tail -F absent >late 2>>messages &
tail=$!
untilText messages "cannot open 'absent'"
echo seven >absent
untilLines late 1
echo eight >>absent
untilLines late 2
end $tail
cat late

echo "-- inotifywait once"
mkdir dir
inotifywait -qq -e close_write dir/ &
wait=$!
for _ in $(seq 500); do
    [ -n "$(ls -l /proc/$wait/fd 2>/dev/null | grep inotify)" ] && break
    sleep 0.02
done
sleep 0.3
echo x >dir/file
wait $wait
echo "status $?"
inotifywait -qq -t 1 -e create dir
echo "status $?"
inotifywait -qq nosuchfile 2>/dev/null
echo "status $?"

echo "-- inotifywait -m -r"
mkdir -p tree/a/b
echo x >tree/a/b/old
inotifywait -m -r -e create,delete,moved_from,moved_to,close_write,attrib,delete_self --format '%e %w%f' tree >seen 2>established &
wait=$!
untilText established 'Watches established'
echo 1 >tree/a/one
untilLines seen 2
mkdir tree/a/c
untilLines seen 3
sleep 0.2
echo 2 >tree/a/c/two
untilLines seen 5
mv tree/a/one tree/a/b/two
untilLines seen 7
chmod 600 tree/a/b/old
untilLines seen 8
ln tree/a/b/old tree/link
untilLines seen 9
rm tree/a/b/old
untilLines seen 10
rm -r tree/a/c
untilText seen DELETE_SELF
untilText seen 'DELETE,ISDIR'
sleep 0.1
end $wait
grep -v DELETE seen
grep DELETE seen | sort

echo "-- python"
python3 - <<'END'
import ctypes, os, select, struct, subprocess
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(os.O_CLOEXEC | os.O_NONBLOCK)
wd = libc.inotify_add_watch(fd, b"dir", 0x100 | 0x200 | 0xc0 | 0x8)
subprocess.run("echo y >dir/made; mv dir/made dir/kept; rm dir/file", shell=True, check=True)
poll, seen = select.poll(), []
poll.register(fd, select.POLLIN)
while len(seen) < 5 and poll.poll(3000):
    data = os.read(fd, 65536)
    while data:
        number, mask, cookie, length = struct.unpack_from("iIII", data)
        seen.append((number == wd, hex(mask), cookie != 0, data[16:16 + length].rstrip(b"\0")))
        data = data[16 + length:]
print(*seen, sep="\n")
print(libc.inotify_rm_watch(fd, wd), libc.inotify_rm_watch(fd, wd), os.strerror(ctypes.get_errno()))
END
