#!/usr/bin/env bash
# What a run hides with --tmpfs or --bind stays hidden, whatever its guests do and whatever an upper of an earlier run says:
# mount points and the directories above them stay where they are, redirects lead to nothing, symlinks move no mount.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
low=$work/low
mkdir -p "$low"/{usr,proc,dev,sys,tmp,home/u/deep/keys,home/other/keys,srv}
echo secret >"$low/home/u/deep/keys/id"
echo secret >"$low/home/u/deep/keys/second"
echo other >"$low/home/other/keys/id"
echo secret >"$low/home/u/file"
echo beside >"$low/home/u/deep/beside"
ln -s home/u "$low/link"
ln -s /home/u/deep "$low/deep"
for d in bin sbin lib lib64; do [ -e /$d ] && ln -s "usr/$d" "$low/$d"; done
chmod -R a+rX "$low"
[ ${#as[@]} -eq 0 ] || chown -R 65534:65534 "$low/home"
run() { v --rootfs "$low" --fake-root --bind /usr:/usr:ro --workdir / "$@"; }
# secrets NAME OPTION... : no file that the guest can open holds the word.
secrets() {
    local name=$1
    shift
    expect "$name" 0 none run "$@" -- sh -c 'grep -rsl secret / --exclude-dir=proc --exclude-dir=sys --exclude-dir=usr || echo none'
}
: >"$work/empty"
hide=(--tmpfs /home/u/deep/keys --bind "$work/empty:/home/u/file:ro")
secrets hidden "${hide[@]}"
secrets hidden-through-a-link-of-the-layer --tmpfs /link/deep/keys --bind "$work/empty:/link/file:ro"
secrets hidden-through-an-absolute-link --tmpfs /deep/keys "${hide[@]:2}"

# The mount point and each directory above it are busy.
busy='for p in home/u/deep/keys home/u/deep home/u home; do
    mv -T /$p /moved 2>/dev/null && echo moved $p; rmdir /$p 2>/dev/null && echo removed $p; mv --exchange -T /$p /srv 2>/dev/null && echo exchanged $p
    mkdir -p /empty; mv -T /empty /$p 2>/dev/null && echo replaced $p; done
    rm -f /home/u/file 2>/dev/null; mv /home/u/file /x 2>/dev/null; : >/y; mv -f /y /home/u/file 2>/dev/null
    python3 -c "
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
for p in (b\"/home/u/deep/keys\", b\"/home/u/deep\", b\"/home/u\", b\"/home\"):
    for flags in (0, 2):
        if libc.renameat2(-100, p, -100, b\"/srv\", flags) == 0 or ctypes.get_errno() != errno.EBUSY: print(p, flags, ctypes.get_errno())
    if libc.rmdir(p) == 0 or ctypes.get_errno() not in (errno.EBUSY, errno.ENOTEMPTY): print(\"rmdir\", p)
    if libc.renameat2(-100, b\"/empty\", -100, p, 0) == 0: print(\"replaced\", p)
"
    grep -rsl secret /home || echo none'
for gate in trace notify; do
    expect "busy-$gate" 0 none run --gate $gate "${hide[@]}" -- sh -c "$busy"
done

# An upper whose first run hid nothing and moved what it pleased.
upper() {
    rm -rf "$work/upper"
    mkdir "$work/upper"
    [ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/upper"
}
moved() {
    local name=$1 script=$2
    shift 2
    upper
    run --upper "$work/upper" -- sh -c "$script" || fail "$name" "the first run: $(head -2 "$work/stderr")"
    secrets "$name" --upper "$work/upper" "${hide[@]}"
}
moved parent-renamed 'mv /home/u /home/v'
moved parent-renamed-and-made-anew 'mv /home/u /home/v; mkdir -p /home/u/deep/keys; echo new >/home/u/file'
moved inner-parent-renamed 'mv /home/u/deep /srv/deep'
moved mount-point-renamed 'mv /home/u/deep/keys /srv/keys; mkdir /home/u/deep/keys'
moved renamed-twice 'mv /home/u /srv/w; mv /srv/w/deep /srv/d; mv /srv /srv2'
moved exchanged 'mv --exchange -T /home/u /home/other 2>/dev/null || { mv /home/u /t; mv /home/other /home/u; mv /t /home/other; }'
expect beside-it-all-shows 0 $'beside\nother' run --upper "$work/upper" "${hide[@]}" -- sh -c 'cat /home/other/deep/beside /home/u/keys/id'
expect the-layer-is-there-without-the-option 0 secret run --upper "$work/upper" -- cat /home/other/deep/keys/id

# A symlink of the first run where the second one mounts.
linked() {
    local name=$1 script=$2 option=$3
    upper
    run --upper "$work/upper" -- sh -c "$script"
    refused "$name" 125 "$option: cannot mount at '.*symlink" run --upper "$work/upper" "${hide[@]}" -- true
}
linked symlink-above 'mv /home/u /home/v; ln -s /srv /home/u' --bind
linked symlink-at 'mv /home/u/deep/keys /srv/keys; ln -s /srv/other /home/u/deep/keys' --tmpfs
upper
run --upper "$work/upper" -- sh -c 'mv /home/u/deep /deep2; : >/home/u/deep'
refused file-in-the-way 125 "cannot mount at '/home/u/deep/keys'" run --upper "$work/upper" "${hide[@]}" -- true
# Below a bind the host may change what it likes: the mount stays where it is.
mkdir -p "$work/shared/a/keys"
echo secret >"$work/shared/a/keys/id"
chmod -R a+rX "$work/shared"
mkfifo "$work/go"
v --bind "$work/shared:/mnt" --tmpfs /mnt/a/keys -- sh -c 'ls /mnt/a/keys; echo ready; read line; cat /mnt/a/keys/id 2>/dev/null; ls /mnt/a/keys; cd /mnt/a/keys && cat id 2>/dev/null; echo end' <"$work/go" >"$work/out" 2>&1 &
pid=$!
exec 9>"$work/go"
for _ in $(seq 100); do
    grep -q ready "$work/out" && break
    sleep 0.05
done
mv "$work/shared/a/keys" "$work/shared/a/old"
cp -a "$work/shared/a/old" "$work/shared/a/keys"
mv "$work/shared/a" "$work/shared/b"
cp -a "$work/shared/b" "$work/shared/a"
echo >&9
exec 9>&-
wait $pid
expect host-replaces-the-covered-directory 0 "ready end " tr '\n' ' ' <"$work/out"
finish
