#!/usr/bin/env bash
# shellcheck disable=SC2254
# At `full` every root, lower and `:ro` bind is reached by the supervisor through a read-only tree, whatever its path looks
# like; seen from outside, on the supervisor's own descriptors. The host's file stays writable for the host.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
case $MODE in *no-namespaces)
    echo "skipped: no trees without namespaces (SupervisorDomainTests has what stands there)"
    exit 77
    ;;
esac

# Each descriptor of a running supervisor that is on the device of a layer must be on a read-only mount. The upper directory
# and a writable bind lie on a device of their own kind of use: they are named by their path.
# wall NAME WRITABLE-PATTERN OPTION... : looks at the supervisor of `vedette run OPTION... -- read`.
wall() {
    local name=$1 writable=$2 pid fd path wrong= seen=0
    shift 2
    rm -f "$work/ready" "$work/hold"
    mkfifo "$work/hold"
    : >"$work/ready"
    ${as[@]+"${as[@]}"} "$VEDETTE" run "$@" -- /bin/sh -c 'echo ready; read line; cat file sub/file 2>/dev/null' <"$work/hold" >"$work/ready" 2>&1 3>&- &
    pid=$!
    exec 9>"$work/hold"
    for _ in $(seq 200); do
        [ -s "$work/ready" ] && break
        sleep 0.05
    done
    if ! grep -q ready "$work/ready"; then
        fail "$name" "$(head -1 "$work/ready")"
        exec 9>&-
        wait $pid
        return
    fi
    for fd in /proc/$pid/fd/*; do
        [ "${fd##*/}" -gt 2 ] || continue
        path=$(readlink "$fd") || continue
        case $(stat -L -c %F "$fd") in directory | "regular file" | "regular empty file") ;; *) continue ;; esac
        # Device numbers as the layers have them, not those of tmpfs of our own and /proc.
        [ "$(stat -L -c %d "$fd")" = "$layerDevice" ] || continue
        [ -z "$writable" ] || case $path in $writable) continue ;; esac
        seen=$((seen + 1))
        "$work/mount_flags" <"$fd" | grep -q '^ro nosuid nodev nosymfollow$' || wrong+=" ${fd##*/}:$path:$("$work/mount_flags" <"$fd")"
    done
    exec 9>&-
    wait $pid
    if [ $seen -eq 0 ]; then
        fail "$name" 'no descriptor of a layer was seen'
    elif [ -n "$wrong" ]; then
        fail "$name" "writable:$wrong"
    else
        ok "$name"
    fi
}
compiler=$(command -v cc || command -v gcc || command -v clang) && "$compiler" -O -o "$work/mount_flags" "$checks/../tools/mount_flags.c" || fail setup 'no C compiler'

rootfs=$work/rootfs
mkdir -p "$rootfs"/{bin,lib,lib64,usr,sub,mnt,up}
cp -L "$(command -v busybox)" "$rootfs/bin/busybox"
for name in sh cat ls rm touch; do ln -s busybox "$rootfs/bin/$name"; done
echo content >"$rootfs/file"
echo below >"$rootfs/sub/file"
mkdir "$work/lower" "$work/bound" "$work/here/upper"
echo bound >"$work/bound/one"
chmod -R a+rwX "$work/bound" "$work/here/upper" "$rootfs"
layerDevice=$(stat -c %d "$rootfs")
[ ${#as[@]} -eq 0 ] || chown -R 65534:65534 "$work/here/upper" "$rootfs"

wall root '' --rootfs / --workdir /
wall rootfs '' --rootfs "$rootfs"
wall upper "$work/here/upper*" --rootfs "$rootfs" --upper "$work/here/upper"
wall bind-read-only '' --rootfs "$rootfs" --bind "$work/bound:/mnt:ro"
wall bind-file-read-only '' --rootfs "$rootfs" --bind "$work/bound/one:/mnt/one:ro"
wall bind-writable "$work/bound*" --rootfs "$rootfs" --bind "$work/bound:/mnt"
# The upper below the root that it lies over.
wall upper-below-root "$rootfs/up*" --rootfs "$rootfs" --upper "$rootfs/up"

# Paths of every kind lead to the same place.
reads() { expect "path-$1" 0 content v --rootfs "$2" -- cat /file; }
strange=$work/$'a \n\\\'"\xff:*'
ln -s rootfs "$work/link"
mv "$rootfs" "$strange"
ln -sfn "$strange" "$work/link"
reads bytes "$strange"
reads symlink "$work/link"
reads symlink-slash "$work/link/"
reads dots "$work/./here/../link/."
reads relative ../link
(
    cd "$strange" && expect path-dot 0 content v --rootfs . -- cat /file
    exit $failures
) || failures=$((failures + 1))
(
    cd "$strange/sub" && expect path-up 0 content v --rootfs .. -- cat /file
    exit $failures
) || failures=$((failures + 1))
# A descriptor of the caller's belongs to the host's mount namespace; init finds the place by its name.
exec 7<"$strange"
reads descriptor /proc/self/fd/7
exec 7<&-
(
    rm -rf "$work/moved"
    mkdir "$work/moved"
    cd "$work/moved" && cp -a "$strange/." . && mv "$work/moved" "$work/gone" && expect path-renamed-directory 0 content v --rootfs . -- cat /file
    exit $failures
) || failures=$((failures + 1))
many=()
for i in $(seq 60); do
    mkdir "$work/lower/$i"
    echo "$i" >"$work/lower/$i/name$i"
    many+=(--lower "$work/lower/$i")
done
expect many-lowers 0 "1
60
content" v --rootfs "$strange" "${many[@]}" -- cat /name1 /name60 /file
if [ "$(id -u)" -eq 0 ] && [ ${#as[@]} -eq 0 ]; then
    # A directory of another user's that root alone can pass.
    mkdir -m 700 "$work/private"
    cp -a "$strange" "$work/private/rootfs"
    chown -R 65534:65534 "$work/private"
    reads private "$work/private/rootfs"
fi
if [ ${#as[@]} -gt 0 ]; then
    # The caller has its current directory, but no way to it from the root: init has it too.
    mkdir -m 755 "$work/closed"
    cp -a "$strange" "$work/closed/rootfs"
    chown -R 65534:65534 "$work/closed"
    expect path-current-directory 0 content bash -c 'cd "$0" && chmod 0 .. && shift 0 && exec "$@"' "$work/closed/rootfs" timeout 60 setpriv --reuid 65534 --regid 65534 --clear-groups "$VEDETTE" run --rootfs . -- cat /file
    chmod 755 "$work/closed"
fi
finish
