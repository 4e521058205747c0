#!/usr/bin/env bash
# `vedette run --review`: what a person says at the end becomes of the changes; the status and the signals are the run's.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
export TMPDIR=$work/here/tmp
r() { v --review --rootfs "$work/here/low" --bind /usr:/usr:ro --workdir / "$@"; }
fresh() {
    cd "$work/here" || exit 1
    chmod -R u+rwX . 2>/dev/null
    rm -rf ./* && mkdir -p tmp low/{usr,proc,dev/shm,sys,etc}
    for d in bin sbin lib lib64; do [ -e /$d ] && ln -s "usr/$d" "low/$d"; done
    echo a >low/etc/a
    echo b >low/etc/b
    [ ${#as[@]} -eq 0 ] || chown -R 65534:65534 .
}
change='echo more >>/etc/a; rm /etc/b; mkdir /made; echo new >/made/file; exit 3'
uppers() { find tmp -mindepth 1 -maxdepth 1 | wc -l; }

# Without a terminal.
fresh
refused no-terminal 3 "no terminal to ask: the changes are kept in '$TMPDIR/vedette-review" r -- sh -c "$change" </dev/null
[ "$(uppers)" = 1 ] && ls tmp/*/upper/made/file >/dev/null && [ "$(cat low/etc/a)" = a ] && ok kept || fail kept "$(ls tmp low/etc)"
fresh
refused nothing-changed 0 'review: nothing was changed' r -- true </dev/null
refused not-found 127 'nope' r -- nope </dev/null
[ "$(uppers)" -le 1 ] && ok nothing-left || fail nothing-left "$(ls tmp)"
fresh
refused wrong-option 125 'size: bounds' r --size 1M -- true </dev/null
refused no-place 125 "review: cannot make '/nope/" env TMPDIR=/nope "$VEDETTE" run --review -- true </dev/null
[ "$(uppers)" = 0 ] && ok no-directory-for-what-does-not-run || fail no-directory-for-what-does-not-run "$(ls tmp)"
refused upper-stays 3 "changes are kept in 'mine'" r --upper mine -- sh -c "$change" </dev/null
[ -e mine/upper/made/file ] && ok upper-is-the-given-one || fail upper-is-the-given-one "$(ls)"

# Signals and their end are the run's.
fresh
r -- sh -c 'trap "echo caught; exit 5" TERM; echo ready; while :; do sleep 0.05; done' >"$work/out" 2>&1 </dev/null &
for _ in $(seq 200); do grep -q ready "$work/out" && break || sleep 0.05; done
run=$(pgrep -f "^$VEDETTE run .*--review .*caught" | head -1)
kill -TSTP "$run"
for _ in $(seq 100); do [ "$(awk '/^State/ { print $2 }' "/proc/$run/status")" = T ] && break || sleep 0.05; done
[ "$(awk '/^State/ { print $2 }' "/proc/$run/status")" = T ] && ok stops || fail stops "$(grep State "/proc/$run/status")"
kill -CONT "$run"
kill -TERM "$run"
wait $!
status=$?
[ $status -eq 5 ] && grep -q caught "$work/out" && ok terminates || fail terminates "status $status: $(tail -2 "$work/out")"
fresh
r -- sh -c 'echo ready; exec sleep 4217' >"$work/out" 2>&1 </dev/null &
for _ in $(seq 200); do grep -q ready "$work/out" && break || sleep 0.05; done
kill -KILL "$(pgrep -f "^$VEDETTE run .*--review .*4217" | head -1)"
waitGone 'sleep 4217' && ok killed || fail killed "$(leftovers 'sleep 4217')"
wait

# On a terminal. The answers are typed on a terminal of its own.
python=$(PATH=/usr/bin:/bin command -v python3)
[ -n "$python" ] || {
    skip terminal 'needs python3'
    finish
}
typed() {
    local answers=$1
    shift
    timeout -k 5 60 ${as[@]+"${as[@]}"} "$python" "$checks/../tools/typed.py" "$answers" "$VEDETTE" run ${level[@]+"${level[@]}"} --review \
        --rootfs "$work/here/low" --bind /usr:/usr:ro --workdir / "$@" >"$work/out" 2>&1
}
fresh
typed p,a,y -- sh -c "$change"
grep -q '^+more' "$work/out" && grep -q 'status 3' "$work/out" && [ "$(cat low/etc/a)" = $'a\nmore' ] && [ ! -e low/etc/b ] && [ -e low/made/file ] && ok applies-all || fail applies-all "$(tail -3 "$work/out")"
undo=$(sed -n 's/.*is kept for vedette undo //p' "$work/out")
${as[@]+"${as[@]}"} "$VEDETTE" undo "$undo" --yes >/dev/null 2>&1 && [ "$(cat low/etc/a)" = a ] && [ -e low/etc/b ] && [ ! -e low/made ] && ok and-back || fail and-back "$(ls low low/etc)"
fresh
typed s,/etc/b,y -- sh -c "$change"
[ ! -e low/etc/b ] && [ "$(cat low/etc/a)" = a ] && ok applies-some || fail applies-some "$(tail -3 "$work/out")"
fresh
typed "w,$work/here/patch,k,$work/here/saved" -- sh -c "$change"
grep -q '^+more' patch && [ -e saved/upper/made/file ] && [ "$(uppers)" = 0 ] && ok keeps-under-a-name || fail keeps-under-a-name "$(tail -3 "$work/out")"
typed "k,$work/here/saved," -- sh -c "$change"
grep -q 'cannot move them' "$work/out" && [ "$(uppers)" = 1 ] && ok name-that-is-taken || fail name-that-is-taken "$(tail -3 "$work/out")"
fresh
typed t,n,t,y -- sh -c "stty raw -echo; kill -TERM \$\$"
grep -q 'status 143' "$work/out" && grep -q 'nothing was changed' "$work/out" && [ "$(uppers)" = 0 ] && ok signal || fail signal "$(tail -3 "$work/out")"
typed t,n,t,y -- sh -c "stty raw -echo; $change"
grep -q 'status 3' "$work/out" && [ "$(uppers)" = 0 ] && [ "$(cat low/etc/a)" = a ] && ok throws-away || fail throws-away "$(tail -3 "$work/out")"
finish
