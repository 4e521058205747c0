#!/usr/bin/env bash
# An upper that a run has left, named as a layer of another run: what it deletes, renames, replaces and links is so there too;
# alone, stacked, between plain layers, below an upper. What cannot be read as a layer is refused in one line.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }
x() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
on() { v --rootfs "$PWD/low" --bind /usr:/usr:ro --fake-root --workdir / "$@"; }
mkdir -p low/{usr,proc,dev,sys,tmp,etc,gone/deep,moved/sub,opaque}
ln -s usr/bin low/bin
ln -s usr/lib low/lib
[ ! -e /lib64 ] || ln -s usr/lib64 low/lib64
(cd low && echo a >etc/a && echo b >etc/b && echo x >gone/deep/x && echo m >moved/sub/m && echo o >opaque/old && echo l >l1 && ln l1 l2 && ln l1 etc/l3)
mkdir plain plain/etc plain/moved
echo plain >plain/etc/plain
echo plain >plain/moved/plain
own low plain
# Names, kinds, modes, owners, links, inode numbers and contents of what the layers show.
look='cd / && find . \( -path ./usr -o -path ./proc -o -path ./dev -o -path ./sys \) -prune -o -printf "%P %y %m %U:%G %n %i %l\n" | LC_ALL=C sort
    find etc gone moved went opaque l1 l2 new -type f 2>/dev/null | LC_ALL=C sort | xargs -r md5sum'

on --upper "$PWD/saved" -- sh -ec 'rm /etc/b; rm -r /gone; mkdir /gone; mv /moved /went; mv /went/sub /etc/here; echo more >>/l1; rm /etc/l3
    chown 5:6 /etc/a; chmod 2750 /etc; rm -r /opaque; mkdir /opaque; echo o2 >/opaque/new; echo new >/new; ln -s new /link; mknod /node c 1 3' || fail saved "status $?"
on --upper "$PWD/saved" -- sh -c "$look" >"$work/want"
on --lower "$PWD/saved" -- sh -c "$look" >"$work/seen" 2>"$work/stderr"
cmp -s "$work/want" "$work/seen" && [ "$(wc -l <"$work/want")" -gt 15 ] && ok one || fail one "$(diff "$work/want" "$work/seen" | head -5 | tr '\n' '|') $(head -2 "$work/stderr")"
expect deleted-names 0 'no no no' on --lower "$PWD/saved" -- sh -c 'for f in /etc/b /gone/deep /moved; do [ -e $f ] || echo no; done | xargs'

# A second upper over it, and both as layers.
on --lower "$PWD/saved" --upper "$PWD/second" -- sh -ec 'mv /etc/here /back; rm /new /opaque/new; echo again >>/l2; echo two >/etc/two; rmdir /went; mv /etc/a /gone/a' || fail second "status $?"
on --lower "$PWD/saved" --upper "$PWD/second" -- sh -c "$look" >"$work/want"
on --lower "$PWD/second" --lower "$PWD/saved" -- sh -c "$look" >"$work/seen" 2>"$work/stderr"
cmp -s "$work/want" "$work/seen" && ok stacked || fail stacked "$(diff "$work/want" "$work/seen" | head -5 | tr '\n' '|') $(head -2 "$work/stderr")"
expect stacked-links 0 $'2 2 l\nmore\nagain' on --lower "$PWD/second" --lower "$PWD/saved" -- sh -c 'echo $(stat -c %h /l1 /l2) $(head -1 /l1); tail -n +2 /l1'
expect diff-over-a-saved-upper 0 $'D /etc/a\nD /etc/here/\nA /etc/two\nA /gone/a\nM /l1\nM /l2\nD /new\nD /opaque/new\nD /went/' eval 'x diff second | grep -v /back'
expect fsck-over-a-saved-upper 0 clean eval 'x fsck second | cut -d, -f1'
expect changed-on-top 0 $'m\nmore' on --lower "$PWD/second" --lower "$PWD/saved" -- sh -c 'echo more >>/back/m && cat /back/m && rm -r /back /etc && mkdir /etc && [ -z "$(ls /etc)" ]'
[ -z "$(find saved second -newer "$work/seen" -not -name lock -not -path '*/work' -print -quit)" ] && ok layers-stay || fail layers-stay "$(find saved second -newer "$work/seen" | head -3)"

# Two uppers that were made apart, and plain layers between: names and paths count.
on --upper "$PWD/apart" -- sh -ec 'mv /moved /elsewhere; echo apart >/etc/apart; rm /etc/a; echo l >>/l2' || fail apart "status $?"
expect apart 0 'apart here l more l l apart none' on --lower "$PWD/apart" --lower "$PWD/saved" -- sh -c '
    echo $(ls /etc) $(head -1 /l1) $(tail -1 /l1) $(cat /l2) $(cat /etc/apart) $([ -e /etc/b ] || echo none)'
expect over-a-plain-layer 0 'm plain plain none' on --lower "$PWD/apart" --lower "$PWD/plain" -- sh -c 'echo $(cat /elsewhere/sub/m /elsewhere/plain /etc/plain) $([ -e /moved ] || echo none)'
expect below-a-plain-layer 0 'plain m plain yes' on --lower "$PWD/plain" --lower "$PWD/apart" -- sh -c 'echo $(cat /moved/plain /elsewhere/sub/m /etc/plain) $([ -e /etc/a ] || echo yes)'

# Refused, in one line.
refused rootfs 125 "'.*saved' is an upper directory (name it with --lower" v --rootfs "$PWD/saved" -- true
refused inside-of-one 125 'is a part of an upper directory' on --lower "$PWD/saved/upper" -- true
refused its-own-lower 125 'is also a lower directory' on --upper "$PWD/saved" --lower "$PWD/saved" -- true
sleepers() { ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --rootfs "$PWD/low" --bind /usr:/usr:ro "$@" -- sh -c 'echo up; exec sleep 60' >"$work/fifo" 2>"$work/stderr" & }
mkfifo "$work/fifo"
chmod 666 "$work/fifo"
exec 7<>"$work/fifo"
sleepers --upper "$PWD/saved"
read -r -t 20 _ <&7
refused in-use 125 "'.*saved' is in use by another run" on --lower "$PWD/saved" -- true
kill -9 $!
wait $! 2>/dev/null
sleepers --lower "$PWD/saved"
read -r -t 20 _ <&7
expect shared 0 '' on --lower "$PWD/saved" -- true
refused used-as-a-layer 125 'another run is using the directory' on --upper "$PWD/saved" -- true
kill -9 $!
wait $! 2>/dev/null
exec 7<&-
cp -a saved newer
sed -i 's/^vedette layers 2/vedette layers 9/' newer/work/layers
refused newer 125 'written by a newer vedette' on --lower "$PWD/newer" -- true
refused newer-upper 125 'written by a newer vedette' on --upper "$PWD/newer" -- true
rm newer/work/layers
refused no-record 125 'no record of the run' on --lower "$PWD/newer" -- true
# Killed between a step and what must follow it.
for point in $(seq 1 40); do
    rm -rf killed
    on --upper "$PWD/killed" -- sh -c 'rm /etc/l3' || break
    VEDETTE_CRASH_POINT=$point on --upper "$PWD/killed" -- rm /l1 2>"$work/stderr"
    [ $? -eq 137 ] || {
        point=
        break
    }
    ! grep -q 'crash point: \(attribute\|overflow record\)' "$work/stderr" || { on --lower "$PWD/killed" -- true 2>"$work/out" || break; }
done
if [ -n "$point" ]; then
    refused unfinished 125 "'.*killed' was not closed cleanly" on --lower "$PWD/killed" -- true
    expect finished 0 '' on --upper "$PWD/killed" -- true
    expect finished-is-a-layer 0 'no 1' on --lower "$PWD/killed" -- sh -c 'echo $([ -e /l1 ] || echo no) $(stat -c %h /l2)'
else
    fail unfinished 'no step is followed by another'
fi
if [ "$MODE" = root ]; then
    # Another user sees none of root's marks: no half of it is shown.
    chmod 755 saved
    refused others 125 'seems to be an upper directory of another user' setpriv --reuid 65534 --regid 65534 --clear-groups "$VEDETTE" run --rootfs "$PWD/low" --lower "$PWD/saved" -- true
fi
finish
