#!/usr/bin/env bash
# One system call of the supervisor fails, in one run after the other: no call of a guest that should have been served runs
# natively, the supervisor neither dies of it nor hangs, nothing is left, and the host stays as it was. Both levels and both gates.
#
# VEDETTE_FAULTY is the build for it (`make faults`). A sample by default, of which every run has another one; with
# VEDETTE_FAULTS_PASSES=N every call fails, with one errno in each of N passes (six for all).
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
FAULTY=$(realpath -e "${VEDETTE_FAULTY:-$checks/../../../.build/faults/debug/vedette}") || {
    fail setup "no build with faults: make faults"
    finish
}
if [ ${#as[@]} -gt 0 ] && ! "${as[@]}" test -x "$FAULTY"; then
    cp "$FAULTY" "$work/faulty"
    FAULTY=$work/faulty
fi
gcc -O1 -static -o "$work/fault-guest" "$checks/fault-guest.c" || {
    fail setup 'the guest does not compile'
    finish
}
chmod 777 "$work"
isolation=full
case $MODE in *no-namespaces) isolation=no-namespaces ;; esac
passes=${VEDETTE_FAULTS_PASSES:-0}
stride=1
[ "$passes" -gt 0 ] || {
    passes=1
    stride=${VEDETTE_FAULTS_STRIDE:-211}
}
for pass in $(seq 0 $((passes - 1))); do
    for gate in trace notify; do
        # Behind one gate changes are kept in memory, behind the other in a directory; the next pass the other way round.
        upper=memory
        [ $(((pass + ${#gate}) % 2)) -eq 0 ] || upper=upper
        for scenario in canaries files processes mapping channels; do
            name=$scenario-$gate-$upper-$isolation-pass$pass
            mkdir -p "$work/$name"
            chmod 777 "$work/$name"
            SHIFT=$pass python3 "$checks/faults.py" "$FAULTY" "$work/fault-guest" "$work/$name" $scenario $gate $isolation $upper \
                $((stride == 1 ? 1 : RANDOM % stride + 1)) $stride ${as[@]+"${as[@]}"} >"$work/log" 2>"$work/threads"
            if [ $? -eq 0 ]; then ok "$name ($(tail -1 "$work/log"))"; else fail "$name" "$(tail -n 5 "$work/log" "$work/threads" | tr '\n' '|')"; fi
            rm -rf "${work:?}/$name"
        done
    done
done
finish
