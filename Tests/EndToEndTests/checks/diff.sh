#!/usr/bin/env bash
# `vedette diff` in its forms: patches that git and patch take, counts, renames, patterns, hashes; and `--upper` that is made.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }
x() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
for needed in git patch python3; do
    command -v $needed >/dev/null || {
        echo "skipped: needs $needed"
        exit 77
    }
done
mkdir -p low/{usr,proc,dev,sys,tmp,etc,src/deep}
ln -s usr/bin low/bin
ln -s usr/lib low/lib
[ ! -e /lib64 ] || ln -s usr/lib64 low/lib64
seq 100 >low/etc/hundred
printf 'no end' >low/etc/no-end
printf 'a b c\n' >'low/etc/with blank'
printf 'x\n' >low/etc/$'tab\tand\xe9'
printf 'same\n1\n2\n3\n' >low/src/moves
printf 'deep\n' >low/src/deep/file
printf 'also\n' >low/src/deep/goes
printf 'gone\n' >low/etc/gone
printf 'run\n' >low/etc/run
: >low/etc/empty
ln -s one low/etc/link
ln -s two low/etc/becomes
printf 'a\0b' >low/etc/binary
own low
change='cd /etc; sed -i "1d;50s/.*/fifty/;\$a last" hundred; printf more >>no-end; echo d >>"with blank"; echo y >>tab*; rm gone empty
    chmod +x run; ln -sf other link; rm becomes; echo file >becomes; printf c >>binary; echo new >new; : >fresh; mkfifo pipe
    mv /src/moves /moved; echo 4 >>/moved; mv /src/deep /went; rm /went/goes; echo in >/went/added'
upper=$PWD/made/up
refused upper-without-a-parent 125 "'.*made' does not exist" v --rootfs "$PWD/low" --upper "$upper" -- true
mkdir made
own made
expect upper-is-made 0 '' v --rootfs "$PWD/low" --bind /usr:/usr:ro --upper "$upper" --workdir / -- sh -ec "$change"
[ -d made/up/upper ] && [ "$(stat -c %a made/up)" = 700 ] && ok made-for-its-owner || fail made-for-its-owner "$(ls -ld made/up)"

# The patch makes of the lower what the run has made of it, but for what no patch can hold.
x diff made/up --patch --exclude pipe --exclude binary >"$work/patch" 2>"$work/stderr"
[ $? -eq 0 ] && [ ! -s "$work/stderr" ] && ok patch || fail patch "$(head -3 "$work/stderr")"
state() { (cd "$1" && find etc src moved went \( -name binary -o -name pipe \) -prune -o \( -type f -o -type l \) -printf '%p %y %l ' -exec sh -c 'test -x "$1" && echo x; test -L "$1" || md5sum <"$1"; echo' - {} \; 2>/dev/null | LC_ALL=C sort); }
cp -r low applied
x apply made/up --to applied --yes >/dev/null 2>"$work/stderr" || { own applied && x apply made/up --to applied --yes >/dev/null; }
state applied >"$work/wanted"
for tool in git patch; do
    cp -r low by-$tool
    if [ $tool = git ]; then (cd by-git && GIT_CEILING_DIRECTORIES=$PWD/.. git apply "$work/patch"); else patch -d by-patch -p1 -s <"$work/patch"; fi >"$work/out" 2>&1
    [ $? -eq 0 ] && state by-$tool | diff "$work/wanted" - >"$work/difference" && ok "patch-by-$tool" || fail "patch-by-$tool" "$(head -5 "$work/out" "$work/difference" | tr '\n' '|')"
done
x diff made/up --patch >/dev/null 2>"$work/stderr"
[ $? -eq 0 ] && grep -q '^vedette: diff: 2 changes are of no text file' "$work/stderr" && ok patch-says-what-it-lacks || fail patch-says-what-it-lacks "$(cat "$work/stderr")"
expect include 0 "M /etc/hundred
A /etc/new" x diff made/up --include hundred --include '/etc/n[e]w'
expect include-and-exclude 0 'M /etc/hundred' x diff made/up --include 'h*' --include '/**/new' --exclude /etc/new
expect stat 0 ' /etc/binary | binary, 3 -> 4 bytes
 /etc/hundred | 4 ++--
 2 files changed, 2 lines added, 2 lines deleted' x diff made/up --stat --include hundred --include binary
expect renames 0 'A /went/added
D /src/deep/goes
R /src/deep/ -> /went/
R /src/moves -> /moved' eval 'x diff made/up --renames --exclude /etc | LC_ALL=C sort'
expect json 0 "True True /src/moves renamed" python3 -c '
import hashlib, json, sys
rows = {r["path"]: r for r in json.load(open(sys.argv[1]))}; new = rows["/etc/new"]; moved = rows["/moved"]
print(new["sha256"] == hashlib.sha256(b"new\n").hexdigest(), new["size"] == 4, moved["from"], moved["change"])' <(x diff made/up --json)
refused one-form 125 'exclude each other' x diff made/up --json --patch
finish
