#!/usr/bin/env bash
# demo-coherence.sh VEDETTE : one program has a file mapped, another one writes to it: what does the first one see? On a
# plain file system, on a kernel overlay (where this machine lets us mount one), and under Vedette, where the file is in a
# lower layer in both cases. Ends with 1 if Vedette is not as the plain file system.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vedette=$(realpath "${1:?usage: demo-coherence.sh VEDETTE}") || exit 2
work=$(mktemp -d "${TMPDIR:-/tmp}/vedette-coherence.XXXXXX") || exit 2
trap 'chmod -R u+rwX "$work" 2>/dev/null; rm -rf "$work"' EXIT
chmod 755 "$work"
gcc -O1 -o "$work/coherence" "$here/coherence.c" || exit 2

cat >"$work/pair.sh" <<'PAIR'
# pair.sh PROGRAM FILE : both programs, the writer once the reader has mapped the file.
"$1" reader "$2" & reader=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do [ -e "$2.mapped" ] && break; sleep 0.1; done
"$1" writer "$2" && : >"$2.written"
wait "$reader"
PAIR
fresh() { mkdir -p "$1" && printf 'old text\n' >"$1/file"; }
row() { printf '%-22s %-16s %-16s %-16s\n' "$@"; }

fresh "$work/plain"
plain=$(bash "$work/pair.sh" "$work/coherence" "$work/plain/file")
fresh "$work/lower"
cat >"$work/overlay.sh" <<'OVERLAY'
# In a mount namespace of its own; the upper layer is a tmpfs.
mount -t tmpfs tmpfs "$1/tmp" && mkdir "$1/tmp/upper" "$1/tmp/work" || exit 1
mount -t overlay overlay -o "lowerdir=$1/lower,upperdir=$1/tmp/upper,workdir=$1/tmp/work${2:-}" "$1/merged" || exit 1
bash "$1/pair.sh" "$1/coherence" "$1/merged/file"
OVERLAY
mkdir "$work/tmp" "$work/merged"
if [ "$(id -u)" -eq 0 ]; then
    overlay=$(unshare -m bash "$work/overlay.sh" "$work" 2>"$work/overlay.log")
else
    overlay=$(unshare -rm bash "$work/overlay.sh" "$work" ,userxattr 2>"$work/overlay.log")
fi
ours=$("$vedette" run -- bash "$work/pair.sh" "$work/coherence" "$work/lower/file")

echo 'A program maps a file MAP_SHARED and keeps a descriptor; another one writes "new" over "old".'
row '' 'mapping before' 'mapping after' 'descriptor after'
# shellcheck disable=SC2086
row 'plain file system' $plain
# shellcheck disable=SC2086
if [ -n "$overlay" ]; then
    row "kernel overlayfs" $overlay
else
    echo "kernel overlayfs: not shown: $(tail -1 "$work/overlay.log")"
fi
# shellcheck disable=SC2086
row 'Vedette' $ours
[ "$(cat "$work/lower/file")" = 'old text' ] && echo 'The lower file on the host: old text' || {
    echo 'The lower file was changed!'
    exit 1
}
[ "$plain" = 'old new new' ] && [ "$ours" = "$plain" ]
