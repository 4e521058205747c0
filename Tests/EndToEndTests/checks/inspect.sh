#!/usr/bin/env bash
# What a run is doing can be seen from outside: `vedette inspect`, and SIGQUIT to the supervisor; also where the thread that serves
# guests is stuck (the build with faults: `make faults`).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
FAULTY=$(realpath -e "${VEDETTE_FAULTY:-$checks/../../../.build/faults/debug/vedette}") || {
    fail setup "no build with faults: make faults"
    finish
}
if [ ${#as[@]} -gt 0 ] && ! "${as[@]}" test -x "$FAULTY"; then
    cp "$FAULTY" "$work/faulty"
    FAULTY=$work/faulty
fi
: >"$work/fault-log"
chmod 666 "$work/fault-log"
# begin BINARY OPTION... -- COMMAND... : a run in the background, in a process group of its own; its supervisor in $pid. The command
# prints `ready`.
begin() {
    local binary=$1
    shift
    : >"$work/out"
    : >"$work/err"
    setsid env --default-signal=QUIT,INT ${as[@]+"${as[@]}"} "$binary" run ${level[@]+"${level[@]}"} "$@" >"$work/out" 2>"$work/err" &
    pid=$!
    for _ in $(seq 200); do
        grep -q ready "$work/out" && return
        sleep 0.05
    done
    fail setup "not ready: $(tr '\n' ' ' "$work/err" <"$work/out")"
}
end() {
    kill -KILL "$pid" 2>/dev/null
    wait "$pid" 2>/dev/null
}
# inspect PID : the report in $work/report, the status in $status.
inspect() {
    timeout -k 1 20 ${as[@]+"${as[@]}"} "$VEDETTE" inspect "$1" >"$work/report" 2>"$work/stderr"
    status=$?
}
# shows NAME PATTERN... : the last report was printed, and each pattern is in a line of it.
shows() {
    local name=$1 pattern
    shift
    [ $status -eq 0 ] || {
        fail "$name" "status $status: $(cat "$work/stderr")"
        return
    }
    for pattern; do grep -qE "$pattern" "$work/report" || {
        fail "$name" "no '$pattern' in: $(tr '\n' '|' <"$work/report")"
        return
    }; done
    ok "$name"
}
# outside COMMAND : the number outside of the guest with that name.
outside() { sed -nE "s|^  ([0-9]+)/[0-9]+ = [0-9]+/[0-9]+ $1: .*|\1|p" "$work/report" | head -1; }

for gate in trace notify; do
    # A guest in a FIFO's open, one in a long sleep, one that waits for both.
    begin "$VEDETTE" --gate $gate --tmpfs /inspected -- bash -c 'mkfifo /inspected/fifo; cat /inspected/fifo & sleep 1000 & sleep 1.3; echo ready; wait'
    inspect $pid
    shows "guests-$gate" "^supervisor $pid\$" 'cat: waits for a writer of FIFO /inspected/fifo for [1-9][0-9]*\.[0-9] s' \
        'sleep: sleeps in clock_nanosleep .*for ' 'bash: sleeps in wait4 .*for ' 'opens of FIFOs: 1 wait' 'remaps after copy-up: 0 pending' \
        'background copies: 0' 'calls injected into guests: 0' "^  $pid tracer: waits for guests" 'notify worker: ' '^  free: .*tree'
    # A process inside leads to its supervisor.
    guest=$(outside sleep)
    inspect "${guest:-0}"
    shows "guest-$gate" "^supervisor $pid\$"
    if [ ${#level[@]} -eq 0 ]; then
        guest=$(pgrep -P "$pid" | head -1)
        inspect "${guest:-0}"
        shows "init-$gate" "^supervisor $pid\$"
    fi
    # A name that a guest has chosen is no line of ours.
    end
    begin "$VEDETTE" --gate $gate -- /usr/bin/python3 -c 'open("/proc/self/comm", "w").write("a\nb\x1b[2J"); print("ready", flush=True); import time; time.sleep(1000)'
    inspect $pid
    shows "name-$gate" ' a\\x0ab\\x1b\[2J: sleeps in '
    # SIGQUIT to the supervisor alone is for us; what else does not change.
    kill -QUIT $pid
    for _ in $(seq 100); do
        grep -q 'calls injected' "$work/err" && break
        sleep 0.05
    done
    cp "$work/err" "$work/report"
    status=0
    shows "quit-$gate" "^supervisor $pid\$" ': sleeps in '
    kill -0 $pid 2>/dev/null && ok "quit-lives-$gate" || fail "quit-lives-$gate" 'the run has ended'
    end
    # To the group, the command's it is.
    begin "$VEDETTE" --gate $gate -- bash -c 'trap "echo caught; exit 7" QUIT; echo ready; while :; do sleep 0.05; done'
    kill -QUIT -- -$pid
    wait $pid
    status=$?
    if [ $status -eq 7 ] && grep -q caught "$work/out" && ! grep -q supervisor "$work/err"; then ok "quit-group-$gate"; else fail "quit-group-$gate" "status $status: $(cat "$work/out" "$work/err")"; fi
    # A reader that has stopped holds up nothing.
    begin "$VEDETTE" --gate $gate -- bash -c 'echo ready; while :; do [ -e /nothing ]; done'
    ${as[@]+"${as[@]}"} "$VEDETTE" inspect $pid >/dev/null 2>&1 &
    reader=$!
    kill -STOP $reader
    inspect $pid
    shows "stopped-reader-$gate" "^supervisor $pid\$"
    # Killed it would leave its socket behind, if it had made that before it was stopped.
    kill -CONT $reader
    wait $reader 2>/dev/null
    end

    # --trace has a line for a call that waits when it begins, and none of the kind for others; --trace-begin has one for each.
    trace=$work/here/calls.jsonl
    rm -f "$trace"
    begin "$VEDETTE" --gate $gate --trace "$trace" --tmpfs /traced -- bash -c 'mkfifo /traced/fifo; cat /traced/fifo & ls -lR /etc/ssl; sleep 1; echo ready; wait'
    for _ in $(seq 60); do
        grep -q '"begin"' "$trace" && break
        sleep 0.05
    done
    lines=$(grep -c '"begin":true}$' "$trace")
    if grep -qE '"call":"open(at)?","arguments":.*/traced/fifo.*"begin":true\}$' "$trace" && [ $((lines * 20)) -lt "$(grep -c . "$trace")" ]; then ok "trace-wait-$gate"; else fail "trace-wait-$gate" "$lines of $(grep -c . "$trace") lines are beginnings: $(grep '"begin"' "$trace" | head -3)"; fi
    end
    rm -f "$trace"
    v --gate $gate --trace "$trace" --trace-begin -- ls -l /etc/hostname >/dev/null
    lines=$(grep -c '"begin":true}$' "$trace")
    results=$(grep -c '"result":' "$trace")
    [ "$lines" -gt 20 ] && [ "$lines" -eq "$results" ] && ok "trace-begin-$gate" || fail "trace-begin-$gate" "$lines beginnings, $results results"
    rm -f "$trace"

    # The thread that serves is stuck in a call (process_vm_readv: it reads the guest's path), with the tree lock.
    VEDETTE_FAULT=n310/200:-1 VEDETTE_FAULT_LOG=$work/fault-log begin "$FAULTY" --gate $gate --trace "$trace" -- bash -c 'echo ready; while :; do [ -e /nothing ]; done'
    sleep 1.5
    inspect $pid
    thread=tracer
    [ $gate = trace ] || thread='notify worker'
    shows "stuck-$gate" "^  [0-9]+ $thread: serves newfstatat of [0-9]+ for [1-9][0-9]*\.[0-9] s" 'bash: its newfstatat is served for [1-9]' \
        'tree: held by [0-9]+ for [1-9]' 'not known: the lock of the tree'
    grep -q '"call":"newfstatat",.*"begin":true}$' "$trace" && ok "trace-stuck-$gate" || fail "trace-stuck-$gate" "$(tail -2 "$trace")"
    end
done
# Ctrl-\ at the terminal is the command's.
timeout 30 ${as[@]+"${as[@]}"} /usr/bin/python3 - "$VEDETTE" run ${level[@]+"${level[@]}"} -- bash -c 'trap "echo caught; exit 7" QUIT; echo ready; while :; do sleep 0.05; done' >"$work/out" 2>&1 <<'END'
import os, pty, sys
pid, fd = pty.fork()
if pid == 0: os.execv(sys.argv[1], sys.argv[1:])
text, sent = b"", False
while True:
    try: piece = os.read(fd, 4096)
    except OSError: break
    if not piece: break
    text += piece
    if b"ready" in text and not sent: sent = os.write(fd, b"\x1c") == 1
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
print(status, b"caught" in text, b"supervisor" in text)
END
[ "$(tail -1 "$work/out")" = '7 True False' ] && ok quit-terminal || fail quit-terminal "$(cat "$work/out")"

refused no-process 1 'there is no process' timeout 20 ${as[@]+"${as[@]}"} "$VEDETTE" inspect 4194304
refused no-run 1 'belongs to no run of vedette' timeout 20 ${as[@]+"${as[@]}"} "$VEDETTE" inspect $$
refused no-number 125 'is no PID' timeout 20 ${as[@]+"${as[@]}"} "$VEDETTE" inspect here
if [ "$(id -u)" -eq 0 ]; then
    # Another user's is refused, root may see all.
    other=(setpriv --reuid 65533 --regid 65533 --clear-groups)
    binary=$VEDETTE
    "${other[@]}" test -x "$binary" || {
        cp "$VEDETTE" "$work/other"
        binary=$work/other
    }
    begin "$VEDETTE" -- bash -c 'echo ready; sleep 1000'
    refused other-user 1 'only that user and root' timeout 20 "${other[@]}" "$binary" inspect $pid
    timeout 20 "$VEDETTE" inspect $pid >"$work/report" 2>"$work/stderr"
    status=$?
    shows by-root "^supervisor $pid\$"
    # One that is stopped does not answer.
    kill -STOP $pid
    refused no-answer 2 'did not answer' timeout 20 ${as[@]+"${as[@]}"} "$VEDETTE" inspect $pid
    end
fi
# Others may be asking at this moment: what is there for longer than they wait is left over.
left=$(compgen -G '/tmp/vedette-inspect-*')
[ -z "$left" ] || sleep 8
for socket in $left; do [ ! -e "$socket" ] || fail left-over "$socket"; done
ok left-over-looked
finish
