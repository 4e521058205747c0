#!/usr/bin/env bash
# Nothing that the supervisor waits for is in a guest's power, and SIGTERM, SIGINT and SIGHUP end a run that is stuck. Behind both
# gates. VEDETTE_FAULTY is the build in which a call of the supervisor can be made never to return (`make faults`).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
FAULTY=$(realpath -e "${VEDETTE_FAULTY:-$checks/../../../.build/faults/debug/vedette}") || {
    fail setup "no build with faults: make faults"
    finish
}
if [ ${#as[@]} -gt 0 ] && ! "${as[@]}" test -x "$FAULTY"; then
    cp "$FAULTY" "$work/faulty"
    FAULTY=$work/faulty
fi
gcc -O1 -static -o "$work/hang-guest" "$checks/hang-guest.c" || {
    fail setup 'the guest does not compile'
    finish
}
gcc -O1 -static -o "$work/wait-guest" "$checks/wait-guest.c" || {
    fail setup 'the guest that waits does not compile'
    finish
}
guest=$work/hang-guest
mkdir -p "$work/lower" "$work/hidden"
chmod 755 "$work/hang-guest"
echo secret >"$work/hidden/secret"
fill() {
    for name in vdso-0 shared-{0..11}; do head -c 5000 /dev/zero | tr '\0' x >"$work/lower/$name"; done
    chmod 666 "$work"/lower/*
}
fill
[ ${#as[@]} -eq 0 ] || chown -R 65534:65534 "$work/lower"
mkfifo "$work/fifo"
chmod 666 "$work/fifo"
# run SECONDS OPTION... -- COMMAND... : the sandbox; output in $work/out, the status in $status; 124 or 137 of `timeout` is a hang.
run() {
    local patience=$1
    shift
    timeout -k 1 "$patience" ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --gate "$gate" "$@" >"$work/out" 2>"$work/stderr"
    status=$?
}
holds() { # holds NAME TIMES WORD : the run has ended, and the word was printed so often
    local seen
    seen=$(grep -c "$3" "$work/out")
    if [ $status -eq 124 ] || grep -q NATIVE "$work/out" || [ "$seen" -ne "$2" ]; then fail "$1" "status $status, '$3' $seen times of $2: $(tail -n 3 "$work/out" "$work/stderr" | tr '\n' ' ')"; else ok "$1"; fi
}
for gate in trace notify; do
    for how in ls us ms; do
        run 20 -- "$guest" vdso $how "$work/lower"
        holds "vdso-$how-$gate" 1 coherent
    done
    # No instruction is left: the process that cannot be remapped ends, the writer is served.
    for how in lb ub mb; do
        run 20 -- "$guest" vdso $how "$work/lower"
        holds "vdso-$how-$gate" 1 served
        [ $status -eq 137 ] || fail "vdso-$how-$gate-status" "$status"
    done
    canary=/LINUX_2.6
    case $MODE in *no-namespaces) canary=$work/hidden/secret ;; esac
    run 60 --tmpfs "$work/hidden" -- "$guest" shared "$canary" "$work/lower"
    holds "shared-instruction-$gate" 12 served
    run 60 -- "$guest" stops "$work/lower"
    holds "stops-$gate" 8 served
    run 60 -- true
    "$guest" give-fifo "$work/fifo" timeout -k 1 60 ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --gate $gate -- "$guest" exec >"$work/out" 2>&1
    status=$?
    holds "exec-fifo-$gate" 1 end
    "$guest" give-fifo "$work/fifo" timeout -k 1 20 ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --gate $gate -- "$guest" reopen >"$work/out" 2>&1
    status=$?
    holds "reopen-fifo-$gate" 1 served

    # The supervisor itself waits in a close(2) or, without namespaces, in a connect(2): for a second.
    waits=(linger)
    case $MODE in *no-namespaces) waits+=("connect $work/lower") ;; esac
    for wait in "${waits[@]}"; do
        # Internet sockets are there with the host's network only, where there is no namespace of it.
        # The guest must win a race for the supervisor to wait: one that it has not won is run again.
        for _ in 1 2 3 4 5 6; do
            run 40 --net host -- "$work/wait-guest" $wait
            grep -q 'no call has waited' "$work/out" || break
        done
        if grep -q 'no call has waited' "$work/out"; then
            skip "wait-${wait%% *}-$gate" "the race was not won on this machine: $(tr '\n' ' ' <"$work/out")"
            continue
        fi
        holds "wait-${wait%% *}-$gate" 1 interrupted
        grep -q served "$work/out" || fail "wait-${wait%% *}-$gate-others" "$(tail -n 3 "$work/out" | tr '\n' ' ')"
    done

    # A call of the tracer, or of the notify worker, that never returns (process_vm_readv: both read the guest's path).
    for signal in TERM INT HUP; do
        rm -f "$work/out"
        env --default-signal=INT VEDETTE_FAULT=n310/60:-1 VEDETTE_FAULT_LOG="$work/fault-log" ${as[@]+"${as[@]}"} "$FAULTY" run ${level[@]+"${level[@]}"} --gate $gate -- \
            bash -c 'trap "" TERM INT HUP; while :; do [ -e /nothing ]; : </dev/null; done' >"$work/out" 2>&1 &
        pid=$!
        sleep 1.5
        began=$SECONDS
        kill -$signal $pid
        (
            sleep 15
            kill -KILL $pid
        ) 2>/dev/null &
        guard=$!
        wait $pid 2>/dev/null
        status=$?
        kill $guard 2>/dev/null
        wait $guard 2>/dev/null
        [ $status -eq $((128 + $(kill -l $signal))) ] && ok "stuck-$signal-$gate" || fail "stuck-$signal-$gate" "status $status after $((SECONDS - began)) s: $(cat "$work/out")"
    done
    # One SIGTERM is the command's to ignore, three are not.
    ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --gate $gate -- bash -c 'trap "" TERM INT HUP; echo ready; while :; do sleep 0.05; done; : hang-three' >"$work/out" 2>&1 &
    pid=$!
    for _ in $(seq 100); do
        grep -q ready "$work/out" && break
        sleep 0.05
    done
    kill -TERM $pid
    sleep 1
    kill -0 $pid 2>/dev/null && ok "one-signal-$gate" || fail "one-signal-$gate" 'the run has ended'
    kill -TERM $pid
    sleep 0.3
    kill -TERM $pid
    (
        sleep 10
        kill -KILL $pid
    ) 2>/dev/null &
    guard=$!
    wait $pid 2>/dev/null
    status=$?
    kill $guard 2>/dev/null
    wait $guard 2>/dev/null
    [ $status -eq 143 ] && ok "three-signals-$gate" || fail "three-signals-$gate" "status $status: $(cat "$work/out")"
    waitGone hang-three || fail "three-signals-$gate" 'guests are left'
done
finish
