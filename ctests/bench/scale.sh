#!/usr/bin/env bash
# scale.sh : what grows with the number of files, names and bytes, beside the limits that the project sets itself.
#
# Native is tmpfs (/dev/shm) unless said otherwise; `overlayfs` is the kernel's own, in a user namespace, where it may be
# mounted. Environment: VEDETTE (the binary), SCALE_DENTRIES (1000000), SCALE_BLOB (bytes, 1 GiB), SCALE_ROUNDS (of copy-up, 7).
# The result is also left in .build/bench/SCALE.
set -u
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
VEDETTE=${VEDETTE:-$root/.build/release/vedette}
dentries=${SCALE_DENTRIES:-1000000} blob=${SCALE_BLOB:-$((1 << 30))} rounds=${SCALE_ROUNDS:-7}
out=$root/.build/bench
mkdir -p "$out" || exit 1
scale=$out/scale
gcc -O2 -Wall -Wextra -Werror -o "$scale" "$here/scale.c" || exit 1
disk=$(mktemp -d "$out/scale.XXXXXX") || exit 1
memory=$(mktemp -d /dev/shm/vedette-scale.XXXXXX) || exit 1
clean() {
    mountpoint -q "$disk/ext4" 2>/dev/null && umount "$disk/ext4"
    rm -rf "$disk" "$memory"
}
trap clean EXIT
trap 'exit 130' INT TERM
say() { [ -t 2 ] && printf '\r%-60s' "$1" >&2; }

# Three files of the largest size stand in memory at once.
available=$(awk '/^MemAvailable/ { printf "%.0f", $2 * 1024 }' /proc/meminfo)
while [ $((blob * 5)) -gt "$available" ] && [ "$blob" -gt $((1 << 24)) ]; do blob=$((blob / 2)); done

inside() { "$VEDETTE" run --lower "$memory/lower" --workdir / "$@"; }
# In the kernel's overlayfs over the same lower, its upper in a fresh tmpfs.
overlayfs() {
    unshare -Urm bash -c '
        mount -t tmpfs none /mnt && mkdir /mnt/upper /mnt/work /mnt/tree &&
        mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work,userxattr" /mnt/tree &&
        cd /mnt/tree && shift && exec "$@"' overlayfs "$memory/lower" "$@"
}

declare -A value
# take PREFIX COMMAND... : keeps the lines that the command prints
take() {
    local prefix=$1 name number
    shift
    while read -r name number; do value["$prefix:$name"]=$number; done < <("$@" 2>>"$out/scale.log")
}
# turns NAME PREFIX... : the commands copied_PREFIX one after the other, again and again, and the median of each: what else
# the machine does meets all of them alike.
turns() {
    local name=$1 prefix
    shift
    rm -f "$out"/turn.*
    for _ in $(seq "$rounds"); do
        for prefix in "$@"; do "copied_$prefix" 2>>"$out/scale.log" | awk -v name="$name" '$1 == name { print $2 }' >>"$out/turn.$prefix"; done
    done
    for prefix in "$@"; do value["$prefix:$name"]=$(sort -n "$out/turn.$prefix" | sed -n "$(((rounds + 1) / 2))p"); done
    rm -f "$out"/turn.*
}
: >"$out/scale.log"
: >"$out/SCALE"
# row NAME VEDETTE LIMIT UNIT [NATIVE] [OVERLAYFS] : a line of the table; a limit of 0 is none
row() {
    awk -v name="$1" -v vedette="${2:-0}" -v limit="${3:-0}" -v unit="$4" -v native="${5:-0}" -v overlay="${6:-0}" 'BEGIN {
        cell = native ? sprintf("%.4g", native) : "-"
        other = overlay ? sprintf("%.4g", overlay) : "-"
        ratio = native && vedette ? sprintf("%.2f", vedette / native) : "-"
        goal = limit ? sprintf("%.4g", limit) : "-"
        verdict = !vedette ? "failed" : !limit ? "" : vedette <= limit ? "holds" : "MISSED"
        printf "%-42s %10s %10s %10s %7s %10s %s %s\n", name, cell, other, vedette ? sprintf("%.4g", vedette) : "-", ratio, goal, unit, verdict
    }' | tee -a "$out/SCALE"
}
scaled() { awk -v a="${1:-0}" -v b="$2" 'BEGIN { printf "%.6g", a / b }'; }

say 'preparing files'
mkdir "$memory/lower" && "$scale" fill "$memory/lower/many" "$dentries" && "$scale" fill "$memory/lower/flat" 100000 &&
    "$scale" tree "$memory/lower/tree" 100000 && "$scale" fill "$memory/lower/delete" 10000 || exit 1
{
    echo
    echo "Cost growth; limits are the project's own. $(date -u +%F)"
    printf '%-42s %10s %10s %10s %7s %10s\n' item native overlayfs vedette ratio limit
} | tee -a "$out/SCALE"

say 'lookup'
steps=''
for step in 1000 10000 100000; do [ $step -lt "$dentries" ] && steps="$steps $step"; done
steps="$steps $dentries"
coproc INSIDE { exec "$VEDETTE" run --lower "$memory/lower" --workdir / "$scale" lookup /many $steps 2>>"$out/scale.log"; }
supervisor=$INSIDE_PID
declare -A resident
while read -r name number <&"${INSIDE[0]}"; do
    value["vedette:$name"]=$number
    case $name in stat-*)
        resident[${name#stat-}]=$(awk '/^VmRSS/ { printf "%.0f", $2 * 1024 }' "/proc/$supervisor/status")
        echo >&"${INSIDE[1]}"
        ;;
    esac
done 2>/dev/null
wait "$supervisor" 2>/dev/null
take native "$scale" lookup "$memory/lower/many" $steps < <(yes)
take overlayfs overlayfs "$scale" lookup many $steps < <(yes)
take vedette inside "$scale" stop
for step in $steps; do
    limit=0
    [ "$step" != 1000 ] && limit=$(scaled "$((${value["vedette:stat-1000"]} * 5))" 4)
    row "stat among $step names" "${value["vedette:stat-$step"]:-}" "$limit" ns "${value["native:stat-$step"]:-}" "${value["overlayfs:stat-$step"]:-}"
done
row 'first stat of a name' "${value["vedette:first-$dentries"]:-}" 0 ns "${value["native:first-$dentries"]:-}" "${value["overlayfs:first-$dentries"]:-}"
row 'supervisor memory per cached dentry' \
    "$(scaled $((${resident[$dentries]:-0} - ${resident[1000]:-0})) $((dentries - 1000)))" 600 bytes
rm -rf "$memory/lower/many"

say 'readdir'
take native "$scale" readdir "$memory/lower/flat"
take native "$scale" readdir "$memory/lower/delete"
take overlayfs overlayfs "$scale" readdir flat
take vedette inside "$scale" readdir /flat
take small inside "$scale" readdir /delete
take merged inside bash -c "rm /flat/f7 && $scale readdir /flat"
take mergednative overlayfs bash -c "rm flat/f7 && $scale readdir flat"
native=${value["native:readdir-100000"]:-0}
row 'readdir of 100000 entries' "$(scaled "${value["vedette:readdir-100000"]:-0}" 1000000)" "$(scaled $((native * 3)) 1000000)" ms \
    "$(scaled "$native" 1000000)" "$(scaled "${value["overlayfs:readdir-100000"]:-0}" 1000000)"
row '  merged with an upper directory' "$(scaled "${value["merged:readdir-99999"]:-0}" 1000000)" "$(scaled $((native * 3)) 1000000)" ms \
    "$(scaled "$native" 1000000)" "$(scaled "${value["mergednative:readdir-99999"]:-0}" 1000000)"
# Linear, as far as the directory that is read is: the kernel's own readdir of a tmpfs is not.
row '  per entry, beside one of 10000 entries' "$(scaled "${value["vedette:readdir-100000"]:-0}" 100000)" \
    "$(awk -v a="$native" -v b="${value["native:readdir-10000"]:-0}" -v c="${value["small:readdir-10000"]:-0}" \
        'BEGIN { growth = b ? a / b / 10 : 1; if (growth < 1) growth = 1; print 1.5 * growth * c / 10000 }')" ns \
    "$(scaled "$native" 100000)"

say 'rename'
take native "$scale" rename "$memory/lower/tree"
take vedette inside bash -c "ls -lR /tree >/dev/null; touch /tree/d7/new; rm /tree/d8/f8000; ls -lR /tree >/dev/null; $scale rename /tree"
row 'rename of 100000 descendants, first' "$(scaled "${value["vedette:rename-first"]:-}" 1000)" 1000 us "$(scaled "${value["native:rename-first"]:-}" 1000)"
row '  merged directory, then' "$(scaled "${value["vedette:rename"]:-}" 1000)" 1000 us "$(scaled "${value["native:rename"]:-}" 1000)"

say 'create and remove'
take native "$scale" churn "$memory/churn" 100000
take overlayfs overlayfs "$scale" churn churn 100000
take vedette inside "$scale" churn /churn 100000
row '  directory of the upper' "$(scaled "${value["vedette:rename"]:-}" 1000)" 1000 us "$(scaled "${value["native:rename"]:-}" 1000)"
row '  readdir of it' "$(scaled "${value["vedette:readdir-100000"]:-0}" 1000000)" "$(scaled $((${value["native:readdir-100000"]:-0} * 3)) 1000000)" ms \
    "$(scaled "${value["native:readdir-100000"]:-0}" 1000000)" "$(scaled "${value["overlayfs:readdir-100000"]:-0}" 1000000)"
stop=${value["vedette:stop"]:-0}
for item in create unlink; do
    native=${value["native:$item"]:-0}
    row "$item of 100000 files (3 native + a stop)" "$(scaled "${value["vedette:$item"]:-0}" 1000000)" \
        "$(scaled $((native * 3 + stop * 100000)) 1000000)" ms "$(scaled "$native" 1000000)" "$(scaled "${value["overlayfs:$item"]:-0}" 1000000)"
done
row '  a stop' "$stop" 0 ns

say 'deletes'
row '10000 deletes, memory upper' "$(inside "$scale" delete /delete 10000 2>>"$out/scale.log" | awk '{ print $2 / 1e6 }')" 10000 ms 0 \
    "$(overlayfs "$scale" delete delete 10000 2>>"$out/scale.log" | awk '{ print $2 / 1e6 }')"
place=$disk kind=$(stat -f -c %T "$disk")
if truncate -s 256M "$disk/image" && mkfs.ext4 -q "$disk/image" 2>>"$out/scale.log" && mkdir "$disk/ext4" &&
    mount -o loop "$disk/image" "$disk/ext4" 2>>"$out/scale.log"; then
    place=$disk/ext4 kind='ext4 loop image'
fi
mkdir "$place/upper"
row "10000 deletes, upper on $kind" \
    "$("$VEDETTE" run --lower "$memory/lower" --upper "$place/upper" --workdir / "$scale" delete /delete 10000 2>>"$out/scale.log" | awk '{ print $2 / 1e6 }')" \
    10000 ms

# Copies of the same file, which is in the page cache, to a fresh place on the same kind of file system. The first write
# of one byte is to take no longer than 1.2 of `cp`.
cat >"$out/timed-cp" <<'END'
begin=$(date +%s%N); cp --reflink=auto "$1" "$2"; echo "copy-up $(($(date +%s%N) - begin))"
END
copied_memory_native() {
    unshare -Urm bash -c 'mount -t tmpfs none /mnt && exec bash "$1" "$2" /mnt/copy' - "$out/timed-cp" "$memory/lower/blob" && return
    bash "$out/timed-cp" "$memory/lower/blob" "$memory/copy"
    rm -f "$memory/copy"
}
copied_memory() { inside "$scale" touch /blob; }
copied_memory_overlayfs() { overlayfs "$scale" touch blob; }
copied_disk_native() {
    sync -f "$disk"
    bash "$out/timed-cp" "$disk/blobs/blob" "$disk/copy"
    rm -f "$disk/copy"
}
copied_disk() {
    mkdir "$disk/upper" && sync -f "$disk"
    "$VEDETTE" run --upper "$disk/upper" --bind "$scale:/run/scale:ro" --lower "$disk/blobs" --workdir / /run/scale touch /blob
    rm -rf "$disk/upper"
}
# copy_row PREFIX TEXT
copy_row() {
    local native=${value["$1_native:copy-up"]:-0}
    row "copy-up of $((blob >> 20)) MiB, $2" "$(scaled "${value["$1:copy-up"]:-0}" 1000000)" "$(scaled $((native * 6)) 5000000)" ms \
        "$(scaled "$native" 1000000)" "$(scaled "${value["$1_overlayfs:copy-up"]:-0}" 1000000)"
}
say 'copy-up in memory'
"$scale" blob "$memory/lower/blob" "$blob"
turns copy-up memory_native memory memory_overlayfs
copy_row memory memory
say 'copy-up on disk'
mkdir "$disk/blobs" && mv "$memory/lower/blob" "$disk/blobs/blob" && sync -f "$disk"
turns copy-up disk_native disk
copy_row disk "upper on $(stat -f -c %T "$disk")"
say 'another guest'
mv "$disk/blobs/blob" "$memory/lower/blob"
# It waits for none of the copy: a tenth of it is already too long.
take vedette inside "$scale" beside /blob /etc/hostname
row "  longest stat of another guest meanwhile" "$(scaled "${value["vedette:longest-stat"]:-0}" 1000000)" \
    "$(scaled "${value["memory:copy-up"]:-0}" 10000000)" ms
say ''
grep -v '^$' "$out/scale.log" | grep -E '^(scale|vedette|bash|mount|unshare):' >&2
exit 0
