#!/usr/bin/env bash
# run.sh [PEER...] : the micro-benchmark natively, under the peers and under Vedette, in turn, several rounds; then the
# median of each operation and its ratio to native. Start-up time and supervisor memory follow.
#
# Peers: native bwrap proot runsc vedette vedette-notify (default: all that work here).
# Environment: VEDETTE (the binary), ROUNDS (5), BUDGET (milliseconds for an operation, 150), STARTS (20).
# The result is also left in .build/bench/RESULT.
set -u
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
VEDETTE=${VEDETTE:-$root/.build/release/vedette}
ROUNDS=${ROUNDS:-5} BUDGET=${BUDGET:-150} STARTS=${STARTS:-20}
out=$root/.build/bench
mkdir -p "$out" || exit 1
micro=$out/micro
gcc -O2 -Wall -Wextra -Werror -o "$micro" "$here/micro.c" || exit 1
# A directory of the disk's own file system for those that write to the host.
scratch=$(mktemp -d "$out/scratch.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

# in_peer PEER COMMAND... : the command under the peer, with the whole host visible. A peer that can keep its changes in memory does.
in_peer() {
    local peer=$1; shift
    case $peer in
    native) "$@" ;;
    bwrap) bwrap --bind / / --dev-bind /dev /dev --proc /proc --unshare-all --die-with-parent "$@" ;;
    proot) proot "$@" ;;
    runsc) runsc --platform=ptrace --network=none --ignore-cgroups do "$@" ;;
    runsc-rootless) runsc --rootless --platform=ptrace --network=none --ignore-cgroups do "$@" ;;
    vedette) "$VEDETTE" run -- "$@" ;;
    vedette-notify) "$VEDETTE" run --gate notify -- "$@" ;;
    *) echo "run.sh: no peer '$peer'" >&2; return 2 ;;
    esac
}
works() { timeout 30 bash -c "$(declare -f in_peer); VEDETTE='$VEDETTE'; in_peer $1 /bin/true" >"$out/$1.log" 2>&1; }

peers=()
for peer in "${@:-native bwrap proot runsc vedette vedette-notify}"; do
    for name in $peer; do
        if works "$name"; then peers+=("$name")
        elif [ "$name" = runsc ] && works runsc-rootless; then peers+=(runsc-rootless)
        else echo "left out: $name: $(tail -1 "$out/$name.log" | cut -c1-150)" >&2
        fi
    done
done
[ ${#peers[@]} -gt 0 ] || exit 1

: >"$out/samples"
for round in $(seq "$ROUNDS"); do
    for peer in "${peers[@]}"; do
        [ -t 2 ] && printf '\rround %s of %s: %-20s' "$round" "$ROUNDS" "$peer" >&2
        if ! in_peer "$peer" "$micro" "$scratch" "$BUDGET" >"$out/one" 2>"$out/$peer.log"; then
            echo "failed: $peer: $(tail -1 "$out/$peer.log")" >&2
        fi
        sed "s/^/$peer /" "$out/one" >>"$out/samples"
    done
done
[ -t 2 ] && printf '\r%40s\r' '' >&2
for peer in "${peers[@]}"; do
    for _ in $(seq "$STARTS"); do
        begin=$(date +%s%N); in_peer "$peer" /bin/true >/dev/null 2>&1; end=$(date +%s%N)
        echo "$peer run-/bin/true $((end - begin))"
    done
done >>"$out/samples"

table() {
    echo "$(uname -sr), $(nproc) CPUs, $(date -u +%F); nanoseconds per operation, median of $ROUNDS rounds, ratio to native"
    # Some awk implementations cannot sort: sort first, take the middle of each group.
    sort -k1,1 -k2,2 -k3,3n "$out/samples" | awk -v peers="${peers[*]}" '
        { key = $1 SUBSEP $2; value[key, ++n[key]] = $3; if (!($2 in seen)) seen[$2] = 1 }
        function median(key) { return n[key] ? (value[key, int((n[key] + 1) / 2)] + value[key, int(n[key] / 2) + 1]) / 2 : 0 }
        END {
            count = split(peers, p, " ")
            split("stat-hit stat-ENOENT open+close create rename unlink mkdir+rmdir pread write mmap+munmap fork+exec run-/bin/true", order, " ")
            printf "%-14s", "operation"; for (i = 1; i <= count; i++) printf " %22s", p[i]; print ""
            for (o = 1; o in order; o++) {
                printf "%-14s", order[o]; native = median("native" SUBSEP order[o])
                for (i = 1; i <= count; i++) {
                    m = median(p[i] SUBSEP order[o])
                    if (!m) cell = "-"; else if (native && p[i] != "native") cell = sprintf("%d (%.2f)", m, m / native); else cell = sprintf("%d", m)
                    printf " %22s", cell
                }
                print ""
            }
        }'
}
# Supervisor memory: the largest resident set of the supervisor itself while /bin/true runs, then after a large tree.
# The supervisor is the process named vedette whose parent we are; a guest is not counted.
memory() { # memory COMMAND... : KiB at the end of the command
    local pid kib=0 now
    "$VEDETTE" run -- "$@" >/dev/null 2>&1 & pid=$!
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do kib=$now; sleep 0.02; done
    wait $pid 2>/dev/null
    echo "$kib"
}
{
    table
    case " ${peers[*]} " in *' vedette '*)
        echo "supervisor memory: $(memory /bin/sleep 0.3) KiB with sleep, $(memory sh -c 'find /usr; sleep 0.2') KiB after find /usr ($(find /usr -xdev 2>/dev/null | wc -l) names)"
    esac
} | tee "$out/RESULT"
