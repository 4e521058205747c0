#!/usr/bin/env bash
# shellcheck disable=SC2010,SC2054
# A persistent upper between runs: nothing is lost and no inode number changes; uppers that a run must not take are refused in
# one line; damage of any kind crashes nothing, gives the guest an errno, and is reported by `vedette fsck`; file systems that
# are full, read-only, or without extended attributes. FUZZ_ROUNDS is the number of damaged uppers (default 25).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v gcc >/dev/null && command -v python3 >/dev/null || {
    echo "skipped: needs gcc and python3"
    exit 77
}
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }
x() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
mkdir -p low/{proc,dev,sys,tmp,e,d/sub/deep,opq/old,whited,ov} other/{proc,dev,sys,tmp} top/d
gcc -std=gnu11 -O1 -static "$checks/crash-guest.c" -o low/guest || {
    fail setup 'crash-guest.c does not compile'
    finish
}
cp low/guest other/
long=$(printf 'n%.0s' {1..255})
(
    cd low && echo content >f && echo x >d/x && echo y >d/sub/y && echo z >d/sub/deep/z && echo linked >l1 && ln l1 l2 && ln l1 d/l3
    echo a >whited/a && echo k >"d/$long" && for i in 1 2 3; do echo a >"ov/$i${long:0:254}"; done && for i in $(seq 60); do echo >"ov/a-rather-long-name-of-a-file-$i"; done
    ln -s d s && ln s s2 && mkfifo p && chmod 640 f
)
echo t >top/d/t
own low other top
up=$PWD/up
run() { v "${lowers[@]}" --fake-root --clear-env --workdir / --upper "$up" -- /guest "$@"; }
lowers=(--rootfs "$PWD/low")
prefix=user.overlay
[ "$MODE" != root ] || prefix=trusted.overlay
fresh() {
    chmod -R u+rwX "$up" 2>/dev/null
    rm -rf "$up"
    mkdir "$up"
    own "$up"
}
# Something of everything. Without privileges on the host a symlink keeps its owner.
symlinkChange='utimes s'
[ "$MODE" != root ] || symlinkChange='chown 7 s'
change() {
    local i removals=()
    for i in $(seq 60); do removals+=(, unlink "ov/a-rather-long-name-of-a-file-$i"); done
    run append f more , unlink d/x , rename d/sub e/moved , append e/moved/deep/z more , unlink l2 , append d/l3 more , link l1 e/l4 , \
        unlink whited/a , rmdir whited , mkdir whited , create whited/new , rmdir opq/old , $symlinkChange , chmod 600 p , mknod e/null , chmod 4711 e/null , \
        create u , chmod 4755 u , setxattr u user.a , setxattr u trusted.b , setacl u , setacl d , link u e/u2 , symlink target e/link , mkdir born , rename d born/d , \
        unlink "ov/1${long:0:254}" , unlink "born/d/$long" , create "born/d/$long" , tmpfile born/nameless , utimes e/link , renamewhiteout e/moved/y e/y "${removals[@]}"
}

# Restarts.
fresh
lowers=(--rootfs "$PWD/low")
change 2>"$work/stderr" && ok changes || fail changes "$(cat "$work/stderr")"
same() { run list numbers >"$work/again" 2>"$work/stderr" && cmp -s "$work/first" "$work/again" && ok "$1" || fail "$1" "$(grep PROBLEM "$work/again" | head -2) $(diff "$work/first" "$work/again" | head -4 | tr '\n' '|') $(head -2 "$work/stderr")"; }
run list numbers >"$work/first" 2>"$work/stderr" && ok listing || fail listing "$(grep PROBLEM "$work/first" | head -3) $(head -2 "$work/stderr")"
same restart-keeps-everything
same another-restart
expect fsck-is-clean 0 clean eval 'x fsck up | cut -d, -f1'
# Moving what came from elsewhere, in a later run, takes its numbers along.
run mkdir b2 , rename f b2/f , rename e/l4 b2/l4 , rename e/moved b2/moved , exchange "born/d/$long" b2/f 2>"$work/stderr" || fail later-moves "$(cat "$work/stderr")"
run list numbers >"$work/first" 2>"$work/stderr" && ok listing-after-later-moves || fail listing-after-later-moves "$(grep PROBLEM "$work/first" | head -3)"
same restart-after-later-moves
python3 - low "$work/first" <<'END' && ok numbers-are-those-of-the-lower || fail numbers-are-those-of-the-lower "see above"
import os, sys
rows = {l.split(' ')[0]: l.split(' ') for l in open(sys.argv[2], errors='surrogateescape')}
for path, old in {'/s': 's', '/l1': 'l1', '/b2/l4': 'l1', '/b2/moved': 'd/sub', '/b2/moved/deep/z': 'd/sub/deep/z', '/born/d': 'd', '/p': 'p'}.items():
    assert int(rows[path][6]) == os.lstat(os.path.join(sys.argv[1], old)).st_ino, (path, rows[path])
END
mv up elsewhere
up=$PWD/elsewhere
same moved-upper
mv elsewhere up
up=$PWD/up
mv low moved-low
lowers=(--rootfs "$PWD/moved-low")
same moved-lower
mv moved-low low
lowers=(--rootfs "$PWD/low")
same moved-back

# Many deletes in one lower directory, every fifth name as long as names can be. DELETES says how many.
deletes=${DELETES:-1000}
mkdir low/many
touch low/many/kept
seq "$deletes" | awk '{ s = "a-rather-long-name-of-a-file-" $1; if ($1 % 5 == 0) while (length(s) < 255) s = s "n"; print "low/many/" s }' | xargs touch
own low/many
expect many-deletes-in-memory 0 '' v "${lowers[@]}" --fake-root --workdir / -- /guest deleteall many "$deletes" , unlink many/kept , rmdir many
expect many-deletes 0 '' run deleteall many "$deletes"
expect many-deletes-stay 0 '' run deleteall many 0
expect many-deletes-removed 0 '' run unlink many/kept , rmdir many , mkdir many , rmdir many
expect many-deletes-fsck 0 clean eval 'x fsck up | cut -d, -f1'
run list numbers >"$work/first"
same many-deletes-restart
[ "$(ls low/many | wc -l)" -eq $((deletes + 1)) ] && ok many-deletes-spare-the-lower || fail many-deletes-spare-the-lower "$(ls low/many | wc -l)"
rm -r low/many

# What must not be taken.
lowers=(--rootfs "$PWD/other")
refused other-rootfs 125 'lies over other layers' run list
lowers=(--rootfs "$PWD/low" --lower "$PWD/top")
refused one-more-lower 125 'lies over other layers' run list
lowers=(--rootfs "$PWD/low")
same refusals-change-nothing
if [ "$(id -u)" -eq 0 ]; then
    if [ "$MODE" = root ]; then
        chmod 777 up
        refused another-user 125 'was written by user 0\|Permission denied' setpriv --reuid 65534 --regid 65534 --clear-groups "$VEDETTE" run --rootfs "$PWD/low" --upper "$up" -- /guest list
    else refused another-user 125 'was written by user 65534' "$VEDETTE" run --rootfs "$PWD/low" --upper "$up" -- /guest list; fi
fi
cp -a up copy
up=$PWD/copy
refused a-copy 125 'is a copy' run list
up=$PWD/up
rm -rf copy
cp up/work/layers "$work/layers"
printf 'nonsense' >up/work/layers
own up/work/layers
refused damaged-record 125 'work/layers is damaged' run list
cp "$work/layers" up/work/layers
mkfifo "$work/fifo"
exec 8<>"$work/fifo"
# Not through v: what is killed must be the supervisor itself.
${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} "${lowers[@]}" --fake-root --upper "$up" -- /guest busy 1 >&8 2>/dev/null &
busy=$!
read -r -t 20 _ <&8
refused a-busy-upper 125 'another run is using' run list
refused fsck-of-a-busy-upper 125 'a run is using it' x fsck up
kill -9 $busy
wait $busy 2>/dev/null
exec 8<&-
waitGone "guest busy 1"
fresh
lowers=(--rootfs "$PWD/other")
run list >/dev/null && lowers=(--rootfs "$PWD/low") && run list >/dev/null 2>"$work/stderr" && ok an-unused-upper-takes-any-lower || fail an-unused-upper-takes-any-lower "$(cat "$work/stderr")"

# Damage. Each kind by itself: what the guest gets, what fsck says, what it can mend.
damaged() { # damaged NAME PATTERN GUEST-STATUS GUEST-ERROR PYTHON COMMAND... : fsck's line, then the guest's command
    local name=$1 pattern=$2 status=$3 error=$4 script=$5 seen
    shift 5
    fresh
    change 2>/dev/null
    python3 -c "
import os, sys
os.chdir('up'); p = '$prefix'
def mark(path, name, value): os.setxattr('upper/' + path, p + '.' + name, value, follow_symlinks=False)
$script" && own up || {
        fail "$name" "not damaged"
        return
    }
    x fsck up >"$work/found" 2>&1
    [ $? -eq 1 ] && grep -q "$pattern" "$work/found" || {
        fail "$name" "fsck: $(head -3 "$work/found" | tr '\n' '|')"
        return
    }
    run "$@" >/dev/null 2>"$work/stderr"
    seen=$?
    { [ $seen -eq "$status" ] && { [ -z "$error" ] || grep -q "$error" "$work/stderr"; }; } || {
        fail "$name" "guest: status $seen, $(head -2 "$work/stderr" | tr '\n' '|')"
        return
    }
    x fsck up --repair >"$work/found" 2>&1
    seen=$?
    if grep -q 'repaired' "$work/found"; then
        x fsck up >"$work/found" 2>&1 && run list >"$work/again" 2>"$work/stderr" || {
            fail "$name" "after repair: $(head -2 "$work/found" | tr '\n' '|') $(head -2 "$work/stderr")$(grep PROBLEM "$work/again" | head -2)"
            return
        }
    elif [ $seen -ne 1 ]; then
        fail "$name" "--repair: status $seen"
        return
    fi
    ok "$name"
}
damaged redirect 'e/moved: its redirect does not parse' 2 'cleaning' "mark('e/moved', 'redirect', b'0/../etc')" chmod 700 e/moved
damaged redirect-to-no-layer 'e/moved: its redirect leads to layer 7' 2 'cleaning' "mark('e/moved', 'redirect', b'7/d/sub')" chmod 700 e/moved
damaged redirect-to-nothing 'e/moved: its redirect leads to' 0 '' "mark('e/moved', 'redirect', b'0/no/such')" chmod 700 e/moved
damaged redirect-on-a-file 'f: a redirect on a file' 0 '' "mark('f', 'redirect', b'0/d')" list
damaged origin 'f: its origin is no number' 0 '' "mark('f', 'origin', b'many')" append f x
damaged origin-in-no-lower 'f: came from number 999999999, which no lower has' 0 '' "mark('f', 'origin', b'999999999')" append f x
damaged links 'its link count is no number' 0 '' "mark('e/l4', 'links', b'x')" chmod 600 e/l4
damaged whiteout-of-nothing 'impossible name' 0 '' "mark('e', 'whiteout.a/b', b'')" list
damaged unknown-mark "unknown mark, 'opaque'" 0 '' "mark('e', 'opaque', b'y')" list
damaged overflow 'does not parse from byte' 2 'cleaning' "
n = '%x' % os.lstat('upper/ov').st_ino; open('work/overflow/' + n, 'ab').write(b'\\xff' * 40)" create ov/new
damaged overflow-of-nothing 'marks of a file that is gone' 0 '' "open('work/overflow/fffffff', 'wb').write(b'')" list
damaged index-of-another 'is a file of unknown origin\|which no lower has' 0 '' "open('work/index/fffffff', 'w').write('x')" list
damaged index-of-ours 'is a file of unknown origin' 2 'cleaning' "
n = 'work/index/%x' % os.lstat('../low/l1').st_ino; os.remove(n); open(n, 'w').write('foreign')" append l1 x
damaged index-count 'its link count is no number' 2 'cleaning' "
n = 'work/index/%x' % os.lstat('../low/l1').st_ino; os.remove(n); os.symlink('links=many', n)" append l1 x
damaged foreign-in-work 'work/stray: does not belong there' 0 '' "os.mkdir('work/stray')" list
damaged foreign-prepared 'work/prepared-mine: is not empty' 0 '' "os.makedirs('work/prepared-mine/x')" list
[ "$MODE" = root ] || damaged record 'u2\?: its owner and mode are damaged' 2 'cleaning' "os.setxattr('upper/u', 'user.vedette.attributes', b'nonsense')" append u x
[ "$MODE" = root ] || damaged record-of-a-node 'u2\?: its owner and mode are damaged' 2 'cleaning' "os.setxattr('upper/u', 'user.vedette.attributes', b'040000 755 0 0 0')" append u x
fresh
change 2>/dev/null
rm -rf up/work/overflow
touch up/work/overflow
own up/work/overflow
refused overflow-is-a-file 125 'Not a directory\|damaged' run list

# At random: bytes in every mark, foreign files in the work area. Nothing crashes, and every line is one.
cat >"$work/damage.py" <<'END'
import os, random, sys
random.seed(int(sys.argv[1])); prefix = sys.argv[2]; os.chdir('up')
noise = lambda: random.choice([random.randbytes(random.randrange(40)), b'', b'0/', b'0/d\0001/d', b'18446744073709551615', b'-1', b'100644 644 0 0', b'120000 777 0 0 0', b'100644 99999999 0 0 0'])
for directory, names, files in os.walk('upper'):
    for path in [directory] + [os.path.join(directory, f) for f in files]:
        try: attributes = os.listxattr(path, follow_symlinks=False)
        except OSError: continue
        attributes += [prefix + w for w in ('.origin', '.redirect', '.links', '.impure', '.whiteout.x')] + ['user.vedette.attributes']
        for a in attributes:
            if random.random() < 0.08:
                try: os.setxattr(path, a, noise(), follow_symlinks=False)
                except OSError: pass
for place in ('work', 'work/overflow', 'work/index'):
    for name in os.listdir(place):
        path = os.path.join(place, name)
        if random.random() < 0.3 and os.path.isfile(path) and not os.path.islink(path) and name not in ('layers', 'lock'):
            with open(path, 'r+b') as f: f.seek(random.randrange(1 + os.path.getsize(path))); f.write(random.randbytes(random.randrange(50)))
    if random.random() < 0.5:
        path = os.path.join(place, random.choice(['0', 'ff', 'zz', 'prepared-1', 'intent', '%x' % os.lstat('upper').st_ino, '%x' % os.lstat('../low/l1').st_ino]))
        kind = random.randrange(5)
        try:
            if kind == 0: os.mkdir(path)
            elif kind == 1: os.mkfifo(path)
            elif kind == 2: os.symlink(random.choice(['links=3', 'links=x', '/etc/passwd', '..']), path)
            else: open(path, 'wb').write(random.randbytes(random.randrange(100)))
        except OSError: pass
END
chmod 644 "$work/damage.py"
bad=
for ((round = 1; round <= ${FUZZ_ROUNDS:-25}; round++)); do
    fresh
    change 2>/dev/null
    python3 "$work/damage.py" $round $prefix
    own up
    [ -z "${KEEP:-}" ] || {
        rm -rf "$KEEP"
        cp -a "$work/here" "$KEEP"
    }
    for command in 'fsck up' 'run' 'fsck up --repair' 'run' 'fsck up'; do
        # shellcheck disable=SC2086
        if [ "$command" = run ]; then
            run list >"$work/out" 2>"$work/stderr"
            status=$?
            allowed='0 3 125'
        else
            x $command >"$work/out" 2>"$work/stderr"
            status=$?
            allowed='0 1 125'
        fi
        [[ " $allowed " == *" $status "* ]] || {
            bad="round $round, $command: status $status: $(tail -2 "$work/stderr")"
            break 2
        }
        [ $status -ne 125 ] || [ "$(wc -l <"$work/stderr")" -eq 1 ] || {
            bad="round $round, $command: said $(head -3 "$work/stderr" | tr '\n' '|')"
            break 2
        }
        [ "$command" = run ] || ! grep -avq '^[ -~]*$' "$work/out" || {
            bad="round $round, $command: bytes in $(grep -av '^[ -~]*$' "$work/out" | head -1)"
            break 2
        }
    done
    # What is on the host elsewhere is never shown.
    if grep -q 'root:x' "$work/out"; then
        bad="round $round: shows the host"
        break
    fi
done
[ -z "$bad" ] && ok random-damage || fail random-damage "$bad"

# File systems that cannot. Making them takes root; without it these are left out, and said to be.
mounted() { mount "$@" 2>/dev/null; }
if [ "$(id -u)" -ne 0 ]; then
    echo "left out: mounting file systems needs root"
    finish
fi
mkdir fs
trap 'umount -l "$work/here/fs" 2>/dev/null; cleanUp' EXIT
if mounted -t ramfs ramfs fs; then
    mkdir -m 777 fs/up
    up=$PWD/fs/up
    refused no-extended-attributes 125 'without extended attributes' run list
    umount fs
else echo "left out: no ramfs"; fi
if mounted -t tmpfs -o size=2M,nr_inodes=600 tmpfs fs; then
    mkdir -m 777 fs/up
    up=$PWD/fs/up
    own fs/up
    change 2>"$work/stderr" || fail small-upper "$(cat "$work/stderr")"
    run list numbers >"$work/first"
    mount -o remount,ro fs
    refused read-only-upper 125 'Read-only file system' run list
    refused fsck-of-read-only 125 'ead-only file system' x fsck fs/up
    mount -o remount,rw fs
    same after-read-only
    umount fs
else fail tmpfs 'cannot mount'; fi
full() { # full NAME [MESSAGE BLOCKS] : the upper on fs, which is about to be full, or to hold 64 KiB more so many times
    local message=${2:-No space left} blocks=${3:-}
    up=$PWD/fs/up
    mkdir -m 777 fs/up
    own fs/up
    head -c 3000000 /dev/urandom >low/large
    own low/large
    lowers=(--rootfs "$PWD/low")
    change 2>"$work/stderr" || fail "$1-change" "$(cat "$work/stderr")"
    run list numbers >"$work/first"
    dd if=/dev/zero of=fs/ballast bs=64k ${blocks:+count="$blocks"} 2>/dev/null
    [ -n "$blocks" ] || dd if=/dev/zero of=fs/ballast2 bs=512 2>/dev/null
    run chmod 600 large >/dev/null 2>"$work/stderr"
    [ $? -eq 2 ] && grep -q "$message" "$work/stderr" && ok "$1-copy-up" || fail "$1-copy-up" "$(head -2 "$work/stderr")"
    same "$1-leaves-nothing"
    [ -z "$(ls fs/up/work | grep prepared)" ] && ok "$1-no-leftovers" || fail "$1-no-leftovers" "$(ls fs/up/work | head -3)"
    # What takes no room works: also deleting what the upper has.
    run unlink u , unlink e/u2 >/dev/null 2>"$work/stderr" && ok "$1-delete" || fail "$1-delete" "$(head -2 "$work/stderr")"
    rm -f fs/ballast fs/ballast2
    run chmod 600 large 2>"$work/stderr" && ok "$1-room-again" || fail "$1-room-again" "$(head -2 "$work/stderr")"
    expect "$1-fsck" 0 clean eval 'x fsck fs/up | cut -d, -f1'
    umount fs
    rm low/large
}
if mounted -t tmpfs -o size=5M tmpfs fs; then full full-tmpfs; fi
truncate -s 12M image
if mkfs.ext4 -q -F -m 0 image 2>/dev/null && mounted -o loop image fs; then full full-ext4; else echo "left out: no loop-mounted ext4"; fi
# A quota (EDQUOT): of a btrfs subvolume, which any kernel with btrfs has. A full one can neither make nor remove a name.
limited() {
    truncate -s 200M btrfs && mkfs.btrfs -q -f btrfs && mounted -o loop btrfs fs && btrfs quota enable fs && btrfs subvolume create fs/limited &&
        btrfs qgroup limit "$1" fs/limited && umount fs && mounted -o loop,subvol=limited btrfs fs
} >/dev/null 2>&1
if limited 5M; then
    full quota-btrfs 'Disk quota exceeded' 32
    # There is no room for the file twice: its copy shares the blocks (`man 2 ioctl_ficlone`).
    limited 5M
    up=$PWD/fs/up
    mkdir -m 777 fs/up
    own fs/up
    cp -a low fs/low
    lowers=(--rootfs "$PWD/fs/low")
    head -c 3000000 /dev/urandom >fs/low/large
    own fs/low/large
    run chmod 600 large 2>"$work/stderr" && cmp fs/low/large "$(find fs/up -name large)" 2>>"$work/stderr" && ok reflink || fail reflink "$(head -2 "$work/stderr")"
    umount fs
else
    umount fs 2>/dev/null
    echo "left out: no btrfs with quotas"
fi
finish
