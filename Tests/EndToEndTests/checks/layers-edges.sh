#!/usr/bin/env bash
# Layers at their edges: trees 2,000 deep, paths of 4,095 bytes, strange names, symlink loops, special files and changing
# lowers, through a run and through import, export, diff, apply and fsck; and what apply and import do besides content.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }
x() { timeout -k 5 120 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
command -v python3 >/dev/null || {
    echo "skipped: needs python3"
    exit 77
}
mkdir -p low/{proc,dev,sys,tmp,usr,etc,mnt} up
ln -s usr/lib low/lib
[ ! -e /lib64 ] || ln -s usr/lib64 low/lib64
ln -s usr/bin low/bin
inside() { v --rootfs "$PWD/low" --fake-root --bind /usr:/usr:ro --bind "$work:/mnt:ro" --workdir / --upper "$PWD/up" "$@"; }

# MARK: depth
cat >"$work/deep.py" <<'END'
# deep.py make ROOT DEPTH | check ROOT DEPTH | change ROOT DEPTH: a chain of directories with a file at the bottom.
import os, sys
what, root, depth = sys.argv[1], sys.argv[2], int(sys.argv[3])
at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
for i in range(depth):
    name = 'd%d' % (i % 7)
    if what == 'make': os.mkdir(name, dir_fd=at)
    next = os.open(name, os.O_RDONLY | os.O_DIRECTORY, dir_fd=at); os.close(at); at = next
if what == 'make':
    with open(os.open('bottom', os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=at), 'w') as f: f.write('low')
if what == 'change':
    with open(os.open('bottom', os.O_RDWR | os.O_APPEND, dir_fd=at), 'a') as f: f.write('+up')
    os.mkdir('new', dir_fd=at)
print(open(os.open('bottom', os.O_RDONLY, dir_fd=at)).read(), len(os.listdir(at)))
END
chmod 644 "$work/deep.py"
mkdir low/deep
python3 "$work/deep.py" make low/deep 2000 >/dev/null
own low up
expect deep-lower 0 'low 1' inside -- python3 /mnt/deep.py check /deep 2000
expect deep-change 0 'low+up 2' inside -- python3 /mnt/deep.py change /deep 2000
expect deep-again 0 'low+up 2' inside -- python3 /mnt/deep.py check /deep 2000
expect deep-rename 0 '' inside -- mv /deep /moved
expect deep-made-inside 0 'low 1' inside -- sh -c 'mkdir /born; python3 /mnt/deep.py make /born 2000'
expect deep-diff 0 3 eval 'x diff up | cut -c1-6 | sort -u | wc -l'
expect deep-fsck 0 clean eval 'x fsck up | cut -d, -f1'
expect deep-export 0 '' x export up -o "$PWD/deep.tar"
tar -C low --format=pax -cf base.tar .
own base.tar
expect deep-import 0 '' x import base.tar deep.tar --to fresh
expect deep-imported 0 'low+up 2' python3 "$work/deep.py" check fresh/moved 2000
expect deep-imported-new 0 'low 1' python3 "$work/deep.py" check fresh/born 2000
x import base.tar --to target
expect deep-apply 0 '' x apply up --to target --yes
expect deep-applied 0 'low+up 2' python3 "$work/deep.py" check target/moved 2000
[ ! -e target/deep ] && ok deep-applied-removal || fail deep-applied-removal 'target/deep is there'
expect deep-removed 0 '' inside -- rm -r /moved /born
rm -rf fresh target low/deep up/* deep.tar

# MARK: paths and names
cat >"$work/names.py" <<'END'
import os
long = b'/' + b'/'.join([b'p' * 200] * 20); rest = 4095 - len(long) - 1; limit = long + b'/' + b'q' * rest
os.makedirs(long)
assert len(limit) == 4095, len(limit)
open(limit, 'w').write('limit'); assert open(limit).read() == 'limit' and os.stat(limit).st_size == 5
try: open(limit + b'q'); raise SystemExit('4096 bytes were taken')
except OSError as e: assert e.errno == 36, e
os.chmod(limit, 0o600); os.rename(limit, limit[:-1]); os.remove(limit[:-1])
for name in (b'\n', b'a\nb', b'\xff\xfe', b'\x80', b' ', b'\\', b'"', b'-rf', b'\x7f\x01', b'x' * 255, b'\xf0' * 255, b'.wh.x', b'...'):
    path = b'/etc/' + name
    if os.path.exists(path): os.remove(path)
    open(path, 'wb').write(name); assert open(path, 'rb').read() == name and name in os.listdir(b'/etc')
    os.rename(path, path[:-1] + b'~'); os.rename(path[:-1] + b'~', path)
try: open(b'/etc/' + b'x' * 256, 'w'); raise SystemExit('256 bytes were taken')
except OSError as e: assert e.errno == 36, e
os.symlink('loop', '/etc/loop'); os.symlink('two', '/etc/one'); os.symlink('one', '/etc/two')
for path in ('/etc/loop', '/etc/one', '/etc/loop/x'):
    try: open(path); raise SystemExit('a loop was followed')
    except OSError as e: assert e.errno == 40, e
for i in range(40): os.symlink('link%d' % (i + 1) if i < 39 else 'x' * 255, '/etc/link%d' % i)
open('/etc/link0').close()
os.symlink('link0', '/etc/link-1')
try: open('/etc/link-1'); raise SystemExit('41 links were followed')
except OSError as e: assert e.errno == 40, e
print('held')
END
chmod 644 "$work/names.py"
python3 - <<'END'
for name in (b'\n', b'\xff\xfe', b'x' * 255): open(b'low/etc/' + name, 'w').write('lower')
END
own low
expect names 0 held inside -- python3 /mnt/names.py
expect names-diff 0 '' eval 'x diff up | grep -av "^[AMD] /[ -~]*$"; true'
expect names-diff-json 0 yes python3 -c 'import json, sys; json.load(open(sys.argv[1])); print("yes")' <(x diff up --json)
expect names-fsck 0 clean eval 'x fsck up | cut -d, -f1'
tar -C low --format=pax -cf base.tar .
own base.tar
expect names-export 0 '' x export up -o "$PWD/names.tar"
expect names-import 0 '' x import base.tar names.tar --to fresh
cp -a low target
own target
expect names-apply 0 '' x apply up --to target --yes
# A layer cannot hold a name that begins with .wh. : export names it.
diff -r --no-dereference -x .wh.x fresh/etc target/etc >"$work/difference" 2>&1 && ok names-are-equal || fail names-are-equal "$(head -2 "$work/difference")"
rm -rf fresh target up/*

# MARK: special files of a lower
mkfifo low/etc/fifo
python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("low/etc/socket")'
devices=0
[ "$(id -u)" -ne 0 ] || { mknod low/etc/device c 1 3 && mknod low/etc/disk b 7 0 && devices=2; }
own low
cat >"$work/special.py" <<'END'
import os, stat, sys
kinds = {'fifo': stat.S_ISFIFO, 'socket': stat.S_ISSOCK}
if int(sys.argv[1]): kinds.update(device=stat.S_ISCHR, disk=stat.S_ISBLK)
for name, check in kinds.items():
    path = '/etc/' + name; before = os.lstat(path); assert check(before.st_mode), name
    os.chmod(path, 0o640); os.utime(path, (5, 6)); os.link(path, path + '2'); os.rename(path, path + '3')
    for p in (path + '2', path + '3'):
        s = os.lstat(p)
        assert check(s.st_mode) and s.st_mode & 0o777 == 0o640 and s.st_ino == before.st_ino and s.st_nlink == 2, p
        assert s.st_rdev == before.st_rdev and s.st_mtime == 6, p
for name in ('device3', 'disk3') if int(sys.argv[1]) else ():
    # A device node of a lower is never opened.
    try: os.open('/etc/' + name, os.O_RDONLY); raise SystemExit(name + ' was opened')
    except OSError as e: assert e.errno in (13, 6, 1), e
if os.fork() == 0:
    open('/etc/fifo2', 'w').write('through'); os._exit(0)
print(open('/etc/fifo3').read())
END
chmod 644 "$work/special.py"
expect special-files 0 through inside -- python3 /mnt/special.py $devices
rm -rf up/*
rm -f low/etc/{fifo,socket,device,disk}

# MARK: a lower that changes under us
mkdir -p low/change
echo one >low/change/goes
echo two >low/change/becomes
mkdir low/change/dir
echo x >low/change/dir/f
own low
cat >"$work/change.py" <<'END'
import os, sys, time
def errno(call):
    try: return 'ok' if call() is not None or True else ''
    except OSError as e: return e.errno
os.stat('/change/goes'); os.stat('/change/becomes'); os.listdir('/change/dir')
print('ready', flush=True); sys.stdin.readline()
for call in (lambda: open('/change/goes').read(), lambda: open('/change/becomes', 'a'), lambda: os.chmod('/change/goes', 0o600),
             lambda: os.listdir('/change/dir'), lambda: open('/change/dir/f'), lambda: os.rename('/change/becomes', '/x'),
             lambda: os.listdir('/change'), lambda: os.stat('/change/goes')):
    errno(call)
open('/etc/after', 'w').write('alive'); print(open('/etc/after').read(), flush=True)
END
chmod 644 "$work/change.py"
mkfifo "$work/go"
chmod 666 "$work/go"
inside -- python3 /mnt/change.py <"$work/go" >"$work/seen" 2>"$work/stderr" &
runner=$!
exec 9>"$work/go"
for _ in $(seq 100); do
    grep -q ready "$work/seen" && break
    sleep 0.1
done
rm low/change/goes low/change/becomes
mkdir low/change/becomes
rm -r low/change/dir
echo file >low/change/dir
echo go >&9
exec 9>&-
wait "$runner"
status=$?
[ $status -eq 0 ] && [ "$(tail -1 "$work/seen")" = alive ] && ok lower-changes-under-us || fail lower-changes-under-us "status $status: $(tail -2 "$work/stderr")"
rm -rf up/* low/change

# MARK: times and attributes of apply
mkdir -p low/kept/sub
echo a >low/kept/a
echo b >low/kept/b
touch -d '2001-01-01' low/kept low/kept/*
own low
python3 -c 'import os; os.setxattr("low/kept", "user.gone", b"x"); os.setxattr("low/kept", "user.stays", b"x")' 2>/dev/null && attributes=yes || attributes=
cp -a low target
own target
expect apply-changes 0 '' inside -- python3 -c '
import os
os.remove("/kept/a"); open("/kept/new", "w").close()
if os.listxattr("/kept"): os.removexattr("/kept", "user.gone"); os.setxattr("/kept", "user.new", b"y")
os.utime("/kept", (1500000000, 1500000000))'
expect apply 0 '' x apply up --to target --yes
[ "$(stat -c %Y target/kept)" = 1500000000 ] && ok apply-carries-directory-times || fail apply-carries-directory-times "$(stat -c %y target/kept)"
if [ -n "$attributes" ]; then expect apply-removes-attributes 0 "['user.new', 'user.stays']" python3 -c 'import os; print(sorted(os.listxattr("target/kept")))'; fi

# MARK: the bar of import
head -c 30000000 /dev/zero >large
tar -cf large.tar large
gzip -kf large.tar
own large.tar large.tar.gz
for archive in large.tar large.tar.gz; do
    rm -rf fresh
    timeout 60 script -qec "${as[*]} $VEDETTE import $archive --to fresh" "$work/typescript" >/dev/null 2>&1 </dev/null
    grep -q 'import \[#*\.*\] [1-9][0-9]*%' "$work/typescript" && cmp -s large fresh/large && ok "bar-$archive" || fail "bar-$archive" "$(head -c 300 "$work/typescript" | tr '\r\n' '||')"
done
rm -rf fresh
finish
