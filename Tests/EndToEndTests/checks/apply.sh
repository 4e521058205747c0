#!/usr/bin/env bash
# Three-way apply and undo of a persistent upper directory: what the host has changed since is seen, and an apply is undone.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }
x() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
inside() { v --rootfs "$PWD/low" --bind /usr:/usr:ro --upper "$PWD/up" --workdir / -- sh -ec "$1"; }
# What the host does, as the user whose files they are.
host() { ${as[@]+"${as[@]}"} sh -ec "cd low; $1"; }
fresh() {
    rm -rf low up
    mkdir -p low/{usr,proc,dev,sys,tmp,etc,gone/deep,moved/sub} up
    ln -s usr/bin low/bin
    ln -s usr/lib low/lib
    [ ! -e /lib64 ] || ln -s usr/lib64 low/lib64
    for f in a b c d e; do printf '%s\n' "$f 1" 2 3 4 5 6 7 "$f 8" >"low/etc/$f"; done
    echo x >low/gone/x
    echo y >low/gone/deep/y
    echo m >low/moved/sub/m
    own low up
}
change='echo ours >/etc/a; rm /etc/b; echo new >/tmp/new; mv /tmp/new /etc/c; sed -i "s/d 1/D 1/" /etc/d; rm -r /gone; mv /moved /went
    mkdir -p /made/here; echo in >/made/here/file; chmod 600 /etc/e; ln -s a /etc/link'
tree() { (cd low && find . \( -path ./usr -o -name proc \) -prune -o -printf '%p %y %m %U %s %l\n' -type f -exec md5sum {} + | LC_ALL=C sort); }

# With no other change, an apply goes through, and an undo is its reverse.
fresh
tree >"$work/before"
inside "$change" || fail change "status $?"
expect fsck-knows-the-record 0 clean eval 'x fsck up | cut -d, -f1'
expect apply 0 '' x apply up --to low --yes
[ "$(cat low/etc/a)" = ours ] && [ ! -e low/etc/b ] && [ "$(cat low/etc/c)" = new ] && [ ! -e low/gone ] && [ ! -e low/moved ] &&
    [ "$(cat low/went/sub/m)" = m ] && [ "$(cat low/made/here/file)" = in ] && [ "$(stat -c %a low/etc/e)" = 600 ] &&
    ok applied || fail applied "$(tree | diff "$work/before" - | head -5 | tr '\n' '|')"
x fsck up | grep -q '^work/' && fail fsck-knows-the-journal "$(x fsck up | head -3)" || ok fsck-knows-the-journal
refused undo-asks 125 'no terminal' x undo up </dev/null
expect undo 0 '' x undo up --yes
tree | diff "$work/before" - >"$work/difference" && ok undone || fail undone "$(head -5 "$work/difference" | tr '\n' '|')"
[ -z "$(find low up -name '.vedette*')" ] && ok undo-leaves-nothing || fail undo-leaves-nothing "$(find low up -name '.vedette*' | head -1)"
refused undo-twice 125 'no apply' x undo up --yes
expect apply-after-undo 0 '' x apply up --to low --yes
[ "$(cat low/etc/a)" = ours ] && ok applied-again || fail applied-again "$(cat low/etc/a)"

# What the host changed after the apply stops the undo, and stays.
host 'echo later >>etc/a'
x undo up --yes >"$work/out" 2>"$work/stderr"
[ $? -eq 2 ] && [ "$(grep '^C' "$work/stderr")" = 'C /etc/a (changed since the apply)' ] && [ ! -e low/etc/b ] && ok undo-refused || fail undo-refused "$(tr '\n' '|' <"$work/stderr")"

# An apply goes on from the last one.
fresh
inside 'echo one >/etc/a; mkdir /made; echo 1 >/made/file'
expect first-apply 0 '' x apply up --to low --yes
inside 'echo two >>/etc/a; echo 2 >>/made/file; rm /etc/b'
expect second-apply 0 '' x apply up --to low --yes
[ "$(cat low/etc/a low/made/file)" = $'one\ntwo\n1\n2' ] && ok second-is-there || fail second-is-there "$(cat low/etc/a low/made/file)"
expect undo-of-the-second 0 '' x undo up --yes
[ "$(cat low/etc/a low/made/file)" = $'one\n1' ] && [ -e low/etc/b ] && ok second-is-undone || fail second-is-undone "$(cat low/etc/a low/made/file)"

# Each kind of conflict, by itself: NAME, what the host does, the line that names it.
conflict() {
    local name=$1 line=$3
    fresh
    inside "$change"
    host "$2"
    tree >"$work/before"
    x apply up --to low --yes >"$work/out" 2>"$work/stderr"
    local status=$?
    if [ $status -ne 2 ]; then
        fail "conflict-$name" "status $status: $(head -3 "$work/stderr" | tr '\n' '|')"
    elif [ "$(grep '^C' "$work/stderr")" != "$line" ]; then
        fail "conflict-$name" "$(tr '\n' '|' <"$work/stderr")"
    elif [ "$(grep -c '^vedette: apply: .*nothing was changed' "$work/stderr")" -ne 1 ] || [ -s "$work/out" ]; then
        fail "conflict-$name" "said: $(tr '\n' '|' <"$work/stderr")"
    else
        tree | diff "$work/before" - >"$work/difference" && [ -z "$(find low -name '.vedette*')" ] && ok "conflict-$name" || fail "conflict-$name" "$(head -3 "$work/difference")"
    fi
}
conflict changed 'echo host >>etc/a' 'C /etc/a (changed there since)'
conflict same-size-and-time 'cp -p etc/a /tmp/hands-$$; printf A >x; dd if=x of=etc/a conv=notrunc status=none; touch -r /tmp/hands-$$ etc/a; rm x /tmp/hands-$$' 'C /etc/a (changed there since)'
conflict changed-and-deleted-here 'echo host >>etc/b' 'C /etc/b (changed there since)'
conflict changed-and-replaced-here 'echo host >>etc/c' 'C /etc/c (changed there since)'
conflict replaced-there 'echo host >etc/n; mv etc/n etc/d' 'C /etc/d (changed there since)'
conflict removed 'rm etc/a' 'C /etc/a (removed there since)'
conflict made 'ln -s b etc/link' 'C /etc/link (made there too)'
conflict made-below-a-deleted-directory 'echo z >gone/deep/z' 'C /gone/deep/z (made there too)'
conflict changed-below-a-deleted-directory 'echo z >gone/deep/y' 'C /gone/deep/y (changed there since)'
conflict made-in-a-directory 'mkdir -p made/here; echo other >made/here/file' 'C /made/here/file (made there too)'
conflict mode 'chmod 640 etc/e' 'C /etc/e (changed there since)'

# No conflict: the host has done the same, or something else.
fresh
inside "$change"
host 'echo ours >etc/a; rm etc/b; echo unrelated >etc/f; ln -s a etc/link; mkdir made; echo other >made/other; echo kept >moved/sub/too'
expect same-on-both-sides 0 '' x apply up --to low --yes
[ "$(cat low/etc/f low/went/sub/too low/made/other low/made/here/file)" = $'unrelated\nkept\nother\nin' ] && [ ! -e low/moved ] && ok others-stay || fail others-stay "$(ls low/etc low/went/sub)"

# The ways out.
fresh
inside "$change"
host 'echo host >>etc/a; rm etc/d'
x apply up --to low --dry-run >"$work/out" 2>"$work/stderr"
[ $? -eq 2 ] && grep -q '^M /etc/a' "$work/out" && grep -q '^C /etc/d' "$work/stderr" && ok dry-run-lists-conflicts || fail dry-run-lists-conflicts "$(cat "$work/stderr")"
x apply up --to low --merge --yes >"$work/out" 2>"$work/stderr"
[ $? -eq 2 ] && ok no-merge-without-the-base || fail no-merge-without-the-base "$(cat "$work/stderr")"
refused one-policy 125 'exclude each other' x apply up --to low --ours --theirs --yes
expect theirs 0 '' x apply up --to low --theirs --yes
grep -q host low/etc/a && [ ! -e low/etc/d ] && [ ! -e low/etc/b ] && [ -e low/made/here/file ] && ok theirs-stay || fail theirs-stay "$(ls low/etc)"
expect theirs-undone 0 '' x undo up --yes
grep -q host low/etc/a && [ -e low/etc/b ] && ok theirs-undo || fail theirs-undo "$(ls low/etc)"
expect ours 0 '' x apply up --to low --ours --yes
[ "$(cat low/etc/a)" = ours ] && grep -q 'D 1' low/etc/d && ok ours-win || fail ours-win "$(cat low/etc/a)"
expect ours-undone 0 '' x undo up --yes
grep -q host low/etc/a && [ ! -e low/etc/d ] && ok ours-undo || fail ours-undo "$(ls low/etc)"

# Another tree than the lower: what is like the lower was not changed, and text can be merged.
fresh
inside "$change; sed -i 's/e 8/E 8/' /etc/e"
rm -rf copy
cp -r low copy
chmod --reference=low/etc/e copy/etc/e
sed -i 's/d 8/host 8/' copy/etc/d
own copy
x apply up --to copy --yes >"$work/out" 2>"$work/stderr"
[ $? -eq 2 ] && [ "$(grep '^C' "$work/stderr")" = 'C /etc/d (changed there since)' ] && ok other-tree || fail other-tree "$(cat "$work/stderr")"
expect merge 0 '' x apply up --to copy --merge --yes
[ "$(sed -n '1p;8p' copy/etc/d)" = $'D 1\nhost 8' ] && grep -q 'E 8' copy/etc/e && [ ! -e copy/gone ] && ok merged || fail merged "$(cat copy/etc/d)"
expect merge-undone 0 '' x undo up --yes
[ "$(sed -n '1p;8p' copy/etc/d)" = $'d 1\nhost 8' ] && [ -e copy/gone/deep/y ] && ok merge-undo || fail merge-undo "$(cat copy/etc/d)"
sed -i 's/^d 1/there/' copy/etc/d
x apply up --to copy --merge --yes >"$work/out" 2>"$work/stderr"
[ $? -eq 2 ] && grep -q '^C /etc/d' "$work/stderr" && [ "$(head -1 copy/etc/d)" = there ] && ok unclear-merge || fail unclear-merge "$(cat "$work/stderr")"

# Killed behind each step of an apply: undo gives back what was there.
kills=0
for point in $(seq 1 2 100); do
    fresh
    tree >"$work/before"
    inside 'echo ours >/etc/a; rm /etc/b; rm -r /gone; mkdir /made; chmod 700 /etc'
    VEDETTE_CRASH_POINT=$point x apply up --to low --yes >"$work/out" 2>"$work/stderr"
    status=$?
    [ $status -ne 0 ] || break
    kills=$((kills + 1))
    # Killed while it was building: what it has built the next apply removes.
    if tree | grep -v vedette-apply | diff -q "$work/before" - >/dev/null && [ ! -e up/work/applied-new/record ]; then continue; fi
    x undo up --yes >"$work/out" 2>"$work/stderr" || fail "killed-$point" "undo: $(cat "$work/stderr")"
    tree | diff "$work/before" - >"$work/difference" || fail "killed-$point" "$(head -4 "$work/difference" | tr '\n' '|')"
done
[ $status -eq 0 ] && [ $kills -ge 5 ] && ok "killed at each of $kills steps" || fail killed "status $status after $kills: $(cat "$work/stderr")"

# The same for an undo: the next one finishes it, and nothing of it is left.
kills=0
for point in $(seq 2 3 100); do
    fresh
    tree >"$work/before"
    inside 'echo ours >/etc/a; rm /etc/b; rm -r /gone; mkdir /made; chmod 700 /etc'
    x apply up --to low --yes || fail "undo-killed-$point" "no apply"
    VEDETTE_CRASH_POINT=$point x undo up --yes >"$work/out" 2>"$work/stderr"
    status=$?
    [ $status -ne 0 ] || break
    kills=$((kills + 1))
    [ ! -e up/work/applied/record ] || x undo up --yes >"$work/out" 2>"$work/stderr" || fail "undo-killed-$point" "$(cat "$work/stderr")"
    tree | diff "$work/before" - >"$work/difference" || fail "undo-killed-$point" "$(head -4 "$work/difference" | tr '\n' '|')"
done
[ $status -eq 0 ] && [ $kills -ge 5 ] && ok "undo killed at $kills steps" || fail undo-killed "status $status after $kills: $(cat "$work/stderr")"

# Some of the changes, by pattern.
fresh
inside "$change"
expect apply-some 0 '' x apply up --to low --yes --include '/etc' --exclude 'c'
[ "$(cat low/etc/a)" = ours ] && [ ! -e low/etc/b ] && [ "$(head -1 low/etc/c)" = 'c 1' ] && [ -e low/gone ] && [ ! -e low/made ] && ok some-are-applied || fail some-are-applied "$(ls low low/etc | tr '\n' ' ')"
refused part-of-a-new-directory 125 'comes or stays with the new directory' x apply up --to low --yes --include file

# Review: the answers are typed on a terminal of its own.
python=$(PATH=/usr/bin:/bin command -v python3)
if [ -n "$python" ]; then
    typed() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$python" "$checks/../tools/typed.py" "$1" "$VEDETTE" review up --to low >"$work/out" 2>&1; }
    fresh
    inside "$change; printf 'new\033[2Jline\n' >/etc/f\$(printf '\033')x"
    x review up --to low >"$work/out" 2>"$work/stderr" </dev/null
    [ $? -eq 0 ] && grep -q "kept in 'up'" "$work/stderr" && [ ! -s "$work/out" ] && ok review-without-a-terminal || fail review-without-a-terminal "$(tail -2 "$work/stderr")"
    typed p,k
    grep -q '/moved -> /went/' "$work/out" && grep -q '^  /etc/a  5 bytes' "$work/out" && grep -q '^+ours' "$work/out" && grep -q 'status 0' "$work/out" && [ -e low/etc/b ] && ok review-keeps || fail review-keeps "$(tail -5 "$work/out")"
    grep -q $'\033' "$work/out" && fail review-escapes "a raw escape" || ok review-escapes
    typed s,/etc/b,y
    [ ! -e low/etc/b ] && [ "$(head -1 low/etc/a)" = 'a 1' ] && ok review-applies-some || fail review-applies-some "$(tail -3 "$work/out")"
    host 'echo host >>etc/a'
    typed a
    grep -q '^C /etc/a (changed there since)' "$work/out" && grep -q 'status 2' "$work/out" && ok review-shows-conflicts || fail review-shows-conflicts "$(tail -3 "$work/out")"
    typed w,patch-of-it,t,n,t,y
    grep -q '^+ours' patch-of-it && [ ! -e up/upper ] && [ -d up ] && [ -e low/moved/sub/m ] && ok review-throws-away || fail review-throws-away "$(tail -3 "$work/out")"
    expect thrown-away-is-new 0 'a 1' v --rootfs "$PWD/low" --bind /usr:/usr:ro --upper "$PWD/up" -- head -1 /etc/a
else
    skip review 'needs python3'
fi

# Mistakes.
fresh
refused undo-of-no-upper 125 'no upper directory' x undo up --yes
refused undo-of-nothing 125 nope x undo nope --yes
inside "$change"
refused undo-without-an-apply 125 'no apply' x undo up --yes
x apply up --to low --yes
mv low away
cp -a away low
refused undo-of-another-directory 125 'another directory' x undo up --yes
rm -rf low
mv away low
printf damaged >up/work/applied/record
refused undo-of-a-damaged-record 125 damaged x undo up --yes
finish
