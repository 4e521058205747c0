#!/usr/bin/env bash
# run.sh : the fuzzers of system calls, in turn, over every combination of isolation, gate and user, until the time is over.
#
#   run.sh SECONDS [OPTION...]
#     --seed N              of the first run (default: from the clock; printed)
#     --combinations LIST   e.g. full-trace-root,no-namespaces-notify-nobody (default: all eight; nobody only if not root)
#     --fuzzer random|extreme   one of the two (default: both)
#     --avoid LIST, --without LIST, --except LIST   passed on: what is known to bring the sandbox down (calls.h)
#     --only LIST           passed on: these calls and no others
#     --steps N, --rounds N, --first-round N, --threads N, --case N, --pair N   passed on, to repeat a part of a run
#     --known set-id        devices and set-id files in the writable bind are no failure
#     --input FILE          standard input of the sandbox (default: a file of the host's, opened for reading)
#     --slice N             seconds of one run (default: so that every combination has its turn, at most 60)
#     --keep-going          go on after a failure (default); --stop: end at the first
#
# A run is judged by what it leaves, never by its own word: the supervisor ended by itself with the status of the fuzzer; it
# answered all the time; it and its store stayed below MEMORY (128) MiB; no process, no mount and no directory is left; the host's files
# outside, those that were only shown, and a process of the same user are as before. What fails is kept in
# .build/fuzz/failures: the command, the output, the last calls, and whether the last round or case alone does it. Ends with `N passed, N failed, N skipped`.
# Environment: VEDETTE (the binary), MEMORY.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
VEDETTE=$(readlink -f "${VEDETTE:-$root/.build/release/vedette}")
MEMORY=${MEMORY:-128}
usage() {
    sed -n '2,/^[^#]/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" >&2
    exit 2
}
duration=${1:-}
shift || usage
[[ $duration =~ ^[1-9][0-9]*$ ]] || usage
seed=$(date +%s) fuzzers=(random extreme) slice= input= stop=no known= passOn=() combinations=()
while [ $# -gt 0 ]; do
    case $1 in
    --seed)
        seed=$2
        shift 2
        ;;
    --combinations)
        IFS=, read -r -a combinations <<<"$2"
        shift 2
        ;;
    --fuzzer)
        fuzzers=("$2")
        shift 2
        ;;
    --avoid | --without | --except | --only | --steps | --rounds | --first-round | --threads | --case | --pair)
        passOn+=("$1" "$2")
        shift 2
        ;;
    --known)
        known=$2
        shift 2
        ;;
    --input)
        input=$2
        shift 2
        ;;
    --slice)
        slice=$2
        shift 2
        ;;
    --stop)
        stop=yes
        shift
        ;;
    --keep-going)
        stop=no
        shift
        ;;
    *) usage ;;
    esac
done
[ -x "$VEDETTE" ] || {
    echo "run.sh: $VEDETTE is not an executable (set VEDETTE)" >&2
    exit 2
}
if [ ${#combinations[@]} -eq 0 ]; then
    users=(nobody)
    [ "$(id -u)" -ne 0 ] || users=(root nobody)
    for user in "${users[@]}"; do
        for isolation in full no-namespaces; do
            for gate in trace notify; do combinations+=("$isolation-$gate-$user"); done
        done
    done
fi
runs=$((${#combinations[@]} * ${#fuzzers[@]}))
# To prepare and to judge takes a second of each run.
[ -n "$slice" ] || {
    slice=$((duration / runs - 1))
    [ "$slice" -le 60 ] || slice=60
    [ "$slice" -ge 1 ] || slice=1
}
# Swift's allocator wants address space, not memory: this bounds a supervisor that runs away.
addressSpace=$((8 << 20))

failures=$root/.build/fuzz/failures
mkdir -p "$failures"
work=$(mktemp -d "${TMPDIR:-/tmp}/vedette-fuzz.XXXXXX") || exit 2
chmod 755 "$work"
runPID= witness=
cleanUp() {
    [ -z "$runPID" ] || kill -KILL "$runPID" 2>/dev/null
    [ -z "$witness" ] || kill -KILL "$witness" 2>/dev/null
    umount "$work/area/temporary" 2>/dev/null || umount -l "$work/area/temporary" 2>/dev/null
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
}
trap cleanUp EXIT
trap 'exit 130' INT TERM
for fuzzer in random extreme; do
    ${CC:-gcc} -std=gnu11 -O1 -g -Wall -Wextra -Werror -static "$here/${fuzzer}_calls.c" -o "$work/$fuzzer" -pthread || exit 2
done
cp "$VEDETTE" "$work/vedette"
chmod 755 "$work"/{vedette,random,extreme}

# The status as wait(2) gives it: a shell cannot distinguish `exit 139` from SIGSEGV.
cat >"$work/start.pl" <<'END'
my ($status, $pid, $space, @command) = @ARGV;
my $child = fork; die "fork: $!" unless defined $child;
if (!$child) { setpgrp; exec('bash', '-c', 'ulimit -v "$0" -c 0; exec "$@"', $space, @command); exit 125; }
open my $file, '>', "$pid.new" or die; print $file $child; close $file; rename "$pid.new", $pid;
waitpid $child, 0;
open $file, '>', "$status.new" or die; print $file $?; close $file; rename "$status.new", $status;
END

# prepare USER : fresh directories: what is the root inside, what is bound, and what nobody may reach.
prepare() {
    local area=$work/area
    umount "$area/temporary" 2>/dev/null
    chmod -R u+rwX "$area" 2>/dev/null
    rm -rf "$area"
    mkdir -p "$area"/root/{bin,etc,tmp,bind,shown,tmpfs} "$area"/root/work/lower/dir/deep "$area"/{shown,bound,outside}/dir "$area/temporary"
    cp "$work/random" "$area/root/bin/fuzz"
    cp "$work/extreme" "$area/root/bin/extreme"
    echo 'a user:x:0:0::/:/bin/sh' >"$area/root/etc/passwd"
    local lower=$area/root/work/lower
    for file in file gone pair; do echo "lower content of $file" >"$lower/$file"; done
    ln "$lower/pair" "$lower/dir/pair"
    ln -s file "$lower/link"
    ln -s / "$lower/dir/up"
    printf '#!/bin/fuzz --end\n' >"$lower/script"
    cp "$work/random" "$lower/elf"
    head -c 3000 "$work/random" >"$lower/dir/half"
    chmod 755 "$lower"/{script,elf} "$lower/dir/half"
    for place in shown bound outside; do
        echo "content in $place" >"$area/$place/file"
        echo deeper >"$area/$place/dir/file"
        ln -s ../outside "$area/$place/link"
    done
    echo 'what the fuzzer finds on its standard input' >"$area/outside/input"
    truncate -s 400000 "$area/ring"
    # What guests may take of the host's disk is bounded here too, and measured. Only root can.
    store=
    if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=512m,mode=755 vedette-fuzz "$area/temporary" 2>/dev/null; then store=$area/temporary; fi
    chmod -R a+rX "$area"
    if [ "$1" = nobody ] && [ "$(id -u)" -eq 0 ]; then chown -R 65534:65534 "$area"; fi
}
manifest() { MANIFEST_NOATIME=1 "$here/../manifest.sh" "$work/area/outside" "$work/area/shown" "$work/area/root"; }
processesOf() { # those that run our copy of the binary, or carry our mark
    local process
    for process in /proc/[0-9]*; do
        [ "${process#/proc/}" != $$ ] || continue
        if [ "$(readlink "$process/exe" 2>/dev/null)" = "$work/vedette" ] ||
            tr '\0' '\n' 2>/dev/null <"$process/environ" | grep -qxF "VEDETTE_FUZZ_CANARY=$work/area/outside/file"; then
            echo "${process#/proc/}"
        fi
    done 2>/dev/null
}
# What a guest could do to a process of its user: how it is scheduled, its limits, its group.
stateOf() {
    cut -d' ' -f4-6,18-20,41 "/proc/$1/stat"
    sed -n '/^Cpus_allowed:/p' "/proc/$1/status"
    cat "/proc/$1/limits" "/proc/$1/oom_score_adj"
}
# Resident memory of the supervisor's processes, in KiB: guests do not run our copy of the binary as their /proc/PID/exe.
memoryOf() {
    local sum=0 process kib
    for process in "$1" $(pgrep -P "$1" 2>/dev/null); do
        [ "$(readlink "/proc/$process/exe" 2>/dev/null)" = "$work/vedette" ] || continue
        kib=$(sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$process/status" 2>/dev/null)
        sum=$((sum + ${kib:-0}))
    done
    echo "$sum"
}

# A number at the head of the ring (struct Ring in inside.h).
ofRing() { od -An -tu8 -j "$1" -N 8 "$work/area/ring" | tr -d ' '; }

passed=0 failed=0 early=0 calls=0 most=0 shrinks=yes
# one FUZZER COMBINATION SEED SECONDS
one() {
    local fuzzer=$1 combination=$2 runSeed=$3 limit=$4 user gate isolation as=() program=/bin/fuzz reasons=()
    user=${combination##*-}
    gate=${combination%-*}
    gate=${gate##*-}
    isolation=${combination%-*-*}
    if [ "$user" = nobody ] && [ "$(id -u)" -eq 0 ]; then as=(setpriv --reuid 65534 --regid 65534 --clear-groups); fi
    [ "$fuzzer" = random ] || program=/bin/extreme
    prepare "$user"
    local area=$work/area command
    command=(${as[@]+"${as[@]}"} "$work/vedette" run --rootfs "$area/root" --size 64M --isolation "$isolation" --gate "$gate" --fd 9
        --workdir /work --tmpfs /tmpfs --bind "$area/bound:/bind" --bind "$area/shown:/shown:ro" --
        "$program" --seed "$runSeed" --seconds "$limit" ${passOn[@]+"${passOn[@]}"})
    manifest >"$work/before"
    grep -c . /proc/self/mountinfo >"$work/mounts"
    rm -f "$work/status" "$work/pid"
    ${as[@]+"${as[@]}"} sleep 3600 </dev/null >/dev/null 2>&1 &
    witness=$!
    until [ "$(cat "/proc/$witness/comm" 2>/dev/null)" = sleep ]; do sleep 0.02; done
    stateOf "$witness" >"$work/witness"
    VEDETTE_FUZZ_CANARY=$area/outside/file VEDETTE_FUZZ_HOST_PID=$$ VEDETTE_FUZZ_RING_FD=9 TMPDIR=$area/temporary \
        perl "$work/start.pl" "$work/status" "$work/pid" "$addressSpace" "${command[@]}" \
        <"${input:-$area/outside/input}" 9<>"$area/ring" 2>&1 | {
        head -c 16000000
        cat >/dev/null
    } >"$work/log" &
    while [ ! -e "$work/pid" ]; do sleep 0.05; done
    runPID=$(cat "$work/pid")
    local began=$SECONDS beats=0 moved=$SECONDS now peak=0 kib storePeak=0
    while [ ! -e "$work/status" ]; do
        sleep 0.2
        now=$(ofRing 40)
        if [ "$now" != "$beats" ]; then beats=$now moved=$SECONDS; fi
        kib=$(memoryOf "$runPID")
        [ "$kib" -le "$peak" ] || peak=$kib
        [ -z "$store" ] || {
            kib=$(df -k --output=used "$store" | tail -1)
            [ "$kib" -le "$storePeak" ] || storePeak=$kib
        }
        if [ $((SECONDS - moved)) -gt 25 ] || [ $((SECONDS - began)) -gt $((limit + 40)) ]; then
            reasons+=("hangs: no answer for $((SECONDS - moved)) s")
            for task in /proc/"$runPID"/task/*; do
                echo "task ${task##*/} $(cat "$task/comm"): $(cat "$task/wchan" 2>/dev/null) $(cat "$task/syscall" 2>/dev/null)"
            done >>"$work/log"
            kill -TERM "$runPID"
            sleep 3
            [ -e "$work/status" ] || reasons+=("SIGTERM does not end it")
            break
        fi
    done
    if [ ! -e "$work/status" ]; then
        kill -KILL "$runPID"
        for _ in {1..50}; do
            [ -e "$work/status" ] && break
            sleep 0.1
        done
    fi
    local status
    status=$(cat "$work/status" 2>/dev/null || echo 0)
    runPID=
    [ $((status & 127)) -eq 0 ] || [ ${#reasons[@]} -gt 0 ] || reasons+=("the supervisor was ended by signal $((status & 127))")
    case $((status >> 8)) in
    0) [ "$(ofRing 48)" = 1 ] || reasons+=('status 0, but the fuzzer did not end') ;;
    # Without namespaces guests that write on past --size are ended: documented, and said in this one line (README, Limitations).
    125)
        if [ $((status & 127)) -eq 0 ] && [ "$isolation" = no-namespaces ] &&
            grep -aqxF "vedette: the command's files have outgrown --size (64 MiB) without namespaces: ended" "$work/log"; then
            early=$((early + 1))
        elif [ $((status & 127)) -eq 0 ]; then
            reasons+=('status 125')
        fi
        ;;
    # A worker has ended the process that keeps the watch: no fault of the supervisor, but the run counts as a short one.
    129 | 1[3-8][0-9] | 19[0-2]) [ $((status & 127)) -ne 0 ] || early=$((early + 1)) ;;
    *) [ $((status & 127)) -ne 0 ] || reasons+=("status $((status >> 8))") ;;
    esac
    # What the Swift runtime prints of a trap. A guest prints what lies in its own memory, such as the C library's messages.
    ! grep -aqE '\.swift:[0-9]+: Fatal error|Program crashed: ' "$work/log" || reasons+=('a trap in the output')
    [ "$peak" -lt $((MEMORY << 10)) ] || reasons+=("the supervisor used $((peak >> 10)) MiB")
    [ $((peak + storePeak)) -lt $((MEMORY << 10)) ] || [ "$storePeak" -eq 0 ] || reasons+=("the supervisor used $((peak >> 10)) MiB, its store $((storePeak >> 10))")
    sleep 0.2
    local left
    left=$(processesOf)
    [ -z "$left" ] || {
        sleep 1
        left=$(processesOf)
    }
    if [ -n "$left" ]; then
        reasons+=("processes are left: $(echo $left)")
        kill -KILL $left 2>/dev/null
    fi
    ! grep -F "$work" /proc/self/mountinfo | grep -qvF " ${store:-/ } " || reasons+=('a mount is left')
    left=$(ls -A "$area/temporary")
    [ -z "$left" ] || reasons+=("left in TMPDIR: $left")
    stateOf "$witness" 2>&1 | diff "$work/witness" - >>"$work/log" || reasons+=('a process of the host was changed')
    kill -KILL "$witness" 2>/dev/null
    wait "$witness" 2>/dev/null
    witness=
    # With the rights of root: devices and set-id programs that work for anybody on the host.
    left=$(find "$area/bound" \( -type b -o -type c -o -type f -perm /6000 \) -user 0 -printf '%y %m; ' 2>/dev/null | cut -c1-200)
    [ -z "$left" ] || [ "$known" = set-id ] || reasons+=("made for real through the writable bind: $left")
    manifest >"$work/after"
    if ! diff "$work/before" "$work/after" >"$work/difference"; then
        reasons+=("the host was changed")
        cat "$work/difference" >>"$work/log"
    fi
    # By the ring: what a guest writes on its standard output may say anything.
    local made
    made=$("$work/random" --ring "$area/ring" | sed -n '1s/^\([1-9][0-9]\{0,8\}\) calls.*/\1/p')
    calls=$((calls + ${made:-0}))
    [ "$peak" -le "$most" ] || most=$peak
    if [ ${#reasons[@]} -eq 0 ]; then
        passed=$((passed + 1))
        echo "pass $fuzzer $combination seed $runSeed: ${made:-0} calls, $((peak >> 10)) MiB"
        return 0
    fi
    failed=$((failed + 1))
    local kept
    kept=$failures/$(date +%m%d-%H%M%S)-$fuzzer-$combination-$runSeed
    {
        printf '%s\n' "${reasons[@]}"
        echo "again: ctests/fuzz/run.sh $limit --slice $limit --seed $runSeed --combinations $combination --fuzzer $fuzzer ${passOn[*]-}"
        echo "binary: $(sha256sum <"$VEDETTE" | cut -c1-12) $VEDETTE"
        echo "--- output"
        tail -c 20000 "$work/log"
        echo "--- the last calls"
        "$work/random" --ring "$area/ring"
    } >"$kept" 2>&1
    if [ "$shrinks" = yes ]; then
        local part
        read -r -a part < <(sed -n "s/^$fuzzer: //p" "$kept")
        local before=("$passed" "$failed" "$calls" "$early" "${passOn[@]+"${passOn[@]}"}")
        shrinks=no
        passOn+=("${part[@]}")
        if one "$fuzzer" "$combination" "$runSeed" 10 >/dev/null; then
            echo "by itself '${part[*]}' passes" >>"$kept"
        else echo "by itself '${part[*]}' fails too" >>"$kept"; fi
        shrinks=yes passed=${before[0]} failed=${before[1]} calls=${before[2]} early=${before[3]} passOn=("${before[@]:4}")
    fi
    echo "FAIL $fuzzer $combination seed $runSeed: ${reasons[*]} (kept: $kept)"
    return 1
}

started=$SECONDS
echo "fuzz: $duration s from seed $seed, $slice s a run, ${#combinations[@]} combinations"
while [ $((SECONDS - started)) -lt "$duration" ]; do
    for combination in "${combinations[@]}"; do
        for fuzzer in "${fuzzers[@]}"; do
            # Every combination has its turn, however short.
            [ $((SECONDS - started)) -lt "$duration" ] || [ $((passed + failed)) -lt "$runs" ] || break 3
            one "$fuzzer" "$combination" "$seed" "$slice" || [ "$stop" = no ] || break 3
            seed=$((seed + 1))
        done
    done
done
echo "fuzz: $calls calls in $((passed + failed)) runs, $early of them ended early, at most $((most >> 10)) MiB"
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
