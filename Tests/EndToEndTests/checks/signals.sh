#!/usr/bin/env bash
# Signals to the supervisor reach the guest; kill -9 of the supervisor leaves no guest; the terminal is the caller's.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
start() { # start SCRIPT : in the background, until it says that it is ready; `pid` is the supervisor.
    # A background command of a script ignores SIGINT, and so would the guest.
    rm -f "$work/out"
    env --default-signal=INT ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} -- bash -c "$1" >"$work/out" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        grep -q ready "$work/out" 2>/dev/null && return
        sleep 0.05
    done
}
# ended : the status of the supervisor, which has ten seconds to end.
ended() {
    (
        sleep 10
        kill -KILL $pid
    ) 2>/dev/null &
    local guard=$! status
    wait $pid 2>/dev/null
    status=$?
    kill $guard 2>/dev/null
    wait $guard 2>/dev/null
    return $status
}
for signal in HUP INT TERM; do
    start "trap 'echo got $signal; exit 9' $signal; echo ready; while :; do sleep 0.05; done"
    kill -$signal $pid
    ended
    status=$?
    [ $status -eq 9 ] && grep -q "got $signal" "$work/out" && ok "forward-$signal" || {
        fail "forward-$signal" "status $status"
        kill -9 $pid 2>/dev/null
    }
done
start 'echo ready; exec sleep 98762'
kill -TERM $pid
ended
status=$?
[ $status -eq 143 ] && ok default-action || {
    fail default-action "status $status"
    kill -9 $pid 2>/dev/null
}
start 'sleep 98763 & sleep 98763 & (setsid sleep 98763 &) ; echo ready; wait'
kill -KILL $pid
ended
waitGone 'sleep 98763' && ok kill-9-leaves-no-guest || fail kill-9-leaves-no-guest "$(leftovers 'sleep 98763' | tr '\n' ' ')"
# A signal to the whole process group reaches the guest by itself and the supervisor besides: the guest has it once.
# A signal to the supervisor alone reaches the guest as often as it is sent.
count='n=0; trap "n=\$((n + 1))" USR1; trap "echo had \$n; exit 3" TERM; echo ready; while :; do sleep 0.02; done'
started() {
    for _ in $(seq 200); do
        grep -q ready "$work/out" 2>/dev/null && return
        sleep 0.05
    done
    fail "$1" 'never ready'
}
rm -f "$work/out"
setsid ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} -- bash -c "$count" >"$work/out" 2>&1 &
pid=$!
started group-signal
for _ in 1 2 3; do
    kill -USR1 -- -$pid
    sleep 0.3
done
kill -TERM $pid
ended
grep -qx 'had 3' "$work/out" && ok group-signal || fail group-signal "$(cat "$work/out")"
start "$count"
for _ in 1 2 3; do
    kill -USR1 $pid
    sleep 0.3
done
kill -TERM $pid
ended
grep -qx 'had 3' "$work/out" && ok repeated-signal || fail repeated-signal "$(cat "$work/out")"
start 'trap "echo cont" CONT; echo ready; while :; do sleep 0.05; done'
kill -TSTP $pid
sleep 0.5
state=$(awk '/^State/ { print $2 }' /proc/$pid/status)
kill -CONT $pid
sleep 0.5
kill -KILL $pid
ended
grep -q cont "$work/out" && [ "$state" = T ] && ok stop-and-continue || fail stop-and-continue "state $state"
if command -v script >/dev/null; then
    expect terminal 0 $'24 80\r' script -qec "stty rows 24 cols 80; $(printf '%q ' ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} -- stty size)" /dev/null
    expect terminal-interrupt 0 $'130\r' script -qec "$(printf '%q ' ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} -- sh -c 'sleep 0.3; kill -INT 0; sleep 5'); echo \$?" /dev/null
fi
finish
