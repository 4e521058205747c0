#!/usr/bin/env bash
# What the supervisor has dropped by the time that a guest runs, on each of its threads; and what init has.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: /proc/PID of the supervisor shows itself to root alone"
    exit 77
}
# init PID : what is wrong with process one of the supervisor's sandbox.
init() {
    local child status line found=
    for child in $(cat /proc/$1/task/*/children); do
        status=$(<"/proc/$child/status") && [[ $status =~ NSpid:[^$'\n']*$'\t'1$'\n' ]] || continue
        found=yes
        for line in $'NoNewPrivs:\t1' $'Seccomp:\t2' $'CapEff:\t0000000000000000' $'CapPrm:\t0000000000000000' $'CapInh:\t0000000000000000' $'CapBnd:\t0000000000000000'; do
            [[ $status == *"$line"* ]] || echo " init:${line/$'\t'/=}"
        done
        [ "$(ls "/proc/$child/fd" | wc -l)" -eq 1 ] || echo " init:descriptors:$(ls "/proc/$child/fd" | tr '\n' ,)"
        grep -qE '^Max core file size +1 +1 ' "/proc/$child/limits" || echo " init:core-limit"
    done
    [ -n "$found" ] || echo " no-init"
}
# look NAME CAPABILITIES OPTION... : while a guest runs, every thread has a filter, no new privileges, these capabilities.
look() {
    local name=$1 capabilities=$2 pid wrong= task threads=0 status
    shift 2
    rm -f "$work/ready"
    mkfifo "$work/hold"
    ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} "$@" -- sh -c 'echo ready; read line' <"$work/hold" >"$work/ready" 2>&1 &
    pid=$!
    exec 9>"$work/hold"
    rm "$work/hold"
    for _ in $(seq 100); do
        grep -q ready "$work/ready" && break
        sleep 0.05
    done
    for task in /proc/$pid/task/*; do
        status=$(<"$task/status")
        threads=$((threads + 1))
        for line in $'NoNewPrivs:\t1' $'Seccomp:\t2' $'CapEff:\t'"$capabilities" $'CapPrm:\t'"$capabilities" $'CapInh:\t0000000000000000'; do
            [[ $status == *"$line"* ]] || wrong+=" ${task##*/}:${line/$'\t'/=}"
        done
        [ "$capabilities" = 0000000000000000 ] || [[ $status == *$'CapBnd:\t0000000000000000'* ]] || wrong+=" ${task##*/}:bounding"
    done
    grep -qE '^Max core file size +1 +1 ' "/proc/$pid/limits" || wrong+=" core-limit"
    # What may not be dumped belongs to root in /proc.
    [ "$(stat -c %u "/proc/$pid/environ")" -eq 0 ] || wrong+=" dumpable"
    case $MODE in *no-namespaces) ;; *) wrong+=$(init $pid) ;; esac
    exec 9>&-
    wait $pid
    if [ $threads -lt 2 ]; then
        fail "$name" "$threads threads: $(head -1 "$work/ready")"
    elif [ -n "$wrong" ]; then
        fail "$name" "not so:$wrong"
    else
        ok "$name"
    fi
}
mkdir "$work/upper" "$work/bound"
chmod 777 "$work/bound"
[ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/upper"
none=0000000000000000
if [ "$(id -u)" -eq 0 ] && [ ${#as[@]} -eq 0 ]; then
    # What this caller has is the most that can be left: DAC_READ_SEARCH; those that writing takes; SYS_ADMIN.
    has=$((16#$(awk '/^CapPrm/ { print $2 }' /proc/self/status)))
    mask() { printf %016x $((has & $1)); }
    look memory "$(mask 0x4)"
    look bind-read-only "$(mask 0x4)" --bind "$work/bound:/mnt:ro"
    look bind "$(mask 0xf)" --bind "$work/bound:/mnt"
    look upper "$(mask 0x820001f)" --upper "$work/upper"
else
    look memory $none
    look bind $none --bind "$work/bound:/mnt"
    look upper $none --upper "$work/upper"
fi
look notify "$([ "$(id -u)" -eq 0 ] && [ ${#as[@]} -eq 0 ] && mask 0x4 || echo $none)" --gate notify
finish
