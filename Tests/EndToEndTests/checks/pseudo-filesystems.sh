#!/usr/bin/env bash
# shellcheck disable=SC2128,SC2178
# File systems whose content is the kernel's, or depends on who reads, are never shown: below a layer, below a bind, nested,
# as a file, or mounted while a guest runs. A mount namespace of our own holds the mounts.
if [ -z "${VEDETTE_CHECK_NAMESPACE:-}" ]; then
    [ "$(id -u)" -eq 0 ] || {
        echo "needs root for mounts"
        exit 77
    }
    VEDETTE_CHECK_NAMESPACE=1 exec unshare --mount --propagation private -- bash "${BASH_SOURCE[0]}" "$@"
fi
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for pair in /proc:proc /proc/version:proc /proc/self/fd:proc /sys:sysfs; do
    path=${pair%:*} type=${pair#*:}
    refused "bind-of-$type-${path//\//-}" 125 "--bind: '$path' .* file system $type" v --bind "$path:/x:ro" -- true
done
refused rootfs-of-proc 125 "--rootfs: '/proc' .* file system proc" v --rootfs /proc -- true
refused lower-of-sysfs 125 "--lower: '/sys' .* file system sysfs" v --lower /sys -- true
if [ "$(stat -f -c %T /dev)" = tmpfs ] && grep -q ' /dev .* - devtmpfs ' /proc/self/mountinfo; then
    refused bind-of-devtmpfs 125 "file system devtmpfs" v --bind /dev:/x -- true
else skip bind-of-devtmpfs "/dev is no devtmpfs here"; fi

# A tree with a procfs, a sysfs and a devpts of its own, one procfs below a tmpfs, one over a file; the tmpfs itself shows.
tree=$work/tree
mkdir -p "$tree"/{proc,sys,pts,memory,plain}
mount -t proc proc "$tree/proc" && mount -t sysfs sysfs "$tree/sys" && mount -t tmpfs none "$tree/memory" ||
    {
        skip mounts "no mounts in this place"
        finish
    }
chmod 755 "$tree/memory"
mkdir "$tree/memory/proc"
echo shown >"$tree/memory/file"
mount --rbind /proc "$tree/memory/proc"
mount --bind /dev/pts "$tree/pts"
echo covered >"$tree/file"
mount --bind /proc/self/environ "$tree/file" 2>/dev/null || mount --bind /proc/version "$tree/file"
echo one >"$tree/one"
echo two >"$work/two"
mount --bind "$work/two" "$tree/one"
script='cd $0 && find proc sys pts memory/proc | sort | tr "\n" " "; cat memory/file one; cat file 2>&1; ls proc/self/environ proc/1 2>&1; stat -c "%A %h %s" proc file | tr "\n" " "'
seen="memory/proc proc pts sys shown
two
cat: file: Permission denied
ls: cannot access 'proc/self/environ': No such file or directory
ls: cannot access 'proc/1': No such file or directory
dr-xr-xr-x 2 0 ---------- 1 0 "
for gate in trace notify; do
    expect "below-a-layer-$gate" 0 "$seen" v --gate $gate -- sh -c "$script" "$tree"
    expect "below-a-lower-$gate" 0 "/memory/proc
/pts" v --gate $gate --lower "$tree" -- find /memory/proc /pts
    expect "below-a-bind-$gate" 0 "$seen" v --gate $gate --bind "$tree:/mnt" -- sh -c "$script" /mnt
    expect "below-a-read-only-bind-$gate" 0 "$seen" v --gate $gate --bind "$tree:/mnt:ro" -- sh -c "$script" /mnt
done
# The file alone, through a bind of its own.
refused bind-of-a-covered-file 125 "file system proc" v --bind "$tree/file:/x:ro" -- cat /x
# It can go, as any directory of a layer can; a bind keeps it, because the host says that it is busy.
if [ ${#as[@]} -eq 0 ]; then expect removed-from-a-layer 0 gone v -- sh -c 'rmdir $0/proc && [ ! -e $0/proc ] && echo gone' "$tree"; fi
expect kept-in-a-bind 0 kept v --bind "$tree:/mnt" -- sh -c 'rmdir /mnt/proc 2>/dev/null || mv /mnt/proc /mnt/q 2>/dev/null || echo kept'
# Nothing can be made below it on the host either, as root inside.
expect nothing-made 0 refused v --fake-root --bind "$tree:/mnt" -- sh -c 'mkdir /mnt/proc/x 2>/dev/null || touch /mnt/proc/y 2>/dev/null || echo refused'

# A procfs that is mounted while the guest runs: over a directory that the guest has entered, over one that it has listed.
later() {
    local name=$1 at=$2 options=("${@:3}") pid
    mkdir -p "$tree/later/in"
    echo before >"$tree/later/in/name"
    chmod -R a+rX "$tree/later"
    rm -f "$work/go" "$work/out"
    mkfifo "$work/go"
    v "${options[@]}" -- sh -c 'cd $0/later && ls in >/dev/null && cat in/name && echo ready && read line && cat in/name 2>/dev/null; ls in/self in/1 2>/dev/null; cat in/self/environ in/version in/meminfo 2>/dev/null | head -c 9; cd in 2>/dev/null && cat self/environ version | head -c 9; cat $0/later/in/self/environ $0/later/in/version | head -c 9; echo end' "$at" <"$work/go" >"$work/out" 2>/dev/null &
    pid=$!
    exec 9>"$work/go"
    for _ in $(seq 100); do
        grep -q ready "$work/out" && break
        sleep 0.05
    done
    mount -t proc proc "$tree/later/in"
    echo >&9
    exec 9>&-
    wait $pid
    umount "$tree/later/in"
    case $(tr '\n' ' ' <"$work/out") in
    "before ready end " | "before ready before end ") ok "$name" ;;
    *) fail "$name" "$(head -c 300 "$work/out" | tr '\0\n' '|')" ;;
    esac
}
later later-below-a-layer "$tree"
later later-below-a-bind /mnt --bind "$tree:/mnt:ro"
later later-below-a-writable-bind /mnt --bind "$tree:/mnt"

# A FUSE mount whose server never answers: no call on the directory above waits, below a layer or a bind.
mkdir "$tree/fuse"
python3 - "$tree/fuse" "$work/mounted" <<'END' &
import ctypes, os, sys, time
device = os.open("/dev/fuse", os.O_RDWR)
options = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
if ctypes.CDLL(None).mount(b"fuse", sys.argv[1].encode(), b"fuse", 0, options) == 0:
    open(sys.argv[2], "w").close()
    time.sleep(100)
END
server=$!
for _ in $(seq 50); do
    [ -e "$work/mounted" ] || ! kill -0 $server 2>/dev/null && break
    sleep 0.1
done
if [ -e "$work/mounted" ]; then
    # It waits for the server's first answer (FUSE_INIT), so that a look of the host's would hang.
    for place in "$tree:" "/mnt:--bind $tree:/mnt:ro" "/mnt:--bind $tree:/mnt"; do
        options=${place#*:}
        expect "hung-fuse-${options:+bind}-${options: -2}" 0 "dr-xr-xr-x 2" timeout -k 1 20 ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} $options -- \
            sh -c 'ls -l $0 >/dev/null && ls $0/fuse && stat -c "%A %h" $0/fuse' "${place%%:*}"
    done
    umount -l "$tree/fuse"
else skip hung-fuse "no FUSE here"; fi
{
    kill $server
    wait $server
} 2>/dev/null
umount -R "$tree"/* 2>/dev/null
finish
