#!/usr/bin/env bash
# shellcheck disable=SC2048
# run.sh [PEER...] : the micro-benchmark natively, under the peers and under Vedette, in turn, several rounds; then the
# median of each operation and its ratio to native. Start-up time, what the kernel's own stops cost, the differences that
# have a budget, and supervisor memory follow.
#
# Peers: native filter bwrap proot runsc vedette vedette-notify (default: all that work here). `filter` is native under a
# filter that allows everything: what the kernel takes for having one at all. With BEFORE there are before and before-notify too.
# Environment: VEDETTE (the binary), BEFORE (an older one, to compare with), ROUNDS (5), BUDGET (milliseconds for an
# operation, 100), STARTS (20), SCALE (no: without what grows with the number of files).
# The result is also left in .build/bench/RESULT.
set -u
export LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
VEDETTE=${VEDETTE:-$root/.build/release/vedette}
ROUNDS=${ROUNDS:-5} BUDGET=${BUDGET:-100} STARTS=${STARTS:-20}
out=$root/.build/bench
mkdir -p "$out" || exit 1
micro=$out/micro yardstick=$out/yardstick
gcc -O2 -Wall -Wextra -Werror -pthread -o "$micro" "$here/micro.c" || exit 1
gcc -O2 -Wall -Wextra -Werror -o "$yardstick" "$here/yardstick.c" || exit 1
# A directory of the disk's own file system: the lower files, and the place of those that write to the host.
scratch=$(mktemp -d "$out/scratch.XXXXXX") || exit 1
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
mkdir "$scratch/lower"
for i in $(seq 0 79); do head -c 65536 /dev/urandom >"$scratch/lower/$i"; done

# in_peer PEER COMMAND... : the command under the peer, with the whole host visible. A peer that can keep its changes in memory does.
in_peer() {
    local peer=$1
    shift
    case $peer in
    native) "$@" ;;
    filter) "$yardstick" filter "$@" ;;
    bwrap) bwrap --bind / / --dev-bind /dev /dev --proc /proc --unshare-all --die-with-parent "$@" ;;
    proot) proot "$@" ;;
    runsc) runsc --platform=ptrace --network=none --ignore-cgroups 'do' "$@" ;;
    runsc-rootless) runsc --rootless --platform=ptrace --network=none --ignore-cgroups 'do' "$@" ;;
    vedette) "$VEDETTE" run -- "$@" ;;
    vedette-notify) "$VEDETTE" run --gate notify -- "$@" ;;
    before) "$BEFORE" run -- "$@" ;;
    before-notify) "$BEFORE" run --gate notify -- "$@" ;;
    *)
        echo "run.sh: no peer '$peer'" >&2
        return 2
        ;;
    esac
}
# with_limit SECONDS PEER COMMAND... : a peer that hangs is ended, with what it started.
with_limit() {
    local seconds=$1
    shift
    timeout -k 2 "$seconds" bash -c "$(declare -f in_peer); VEDETTE='$VEDETTE' BEFORE='${BEFORE:-}' yardstick='$yardstick'; in_peer \"\$@\"" - "$@"
}
works() { with_limit 20 "$1" /bin/true >"$out/$1.log" 2>&1; }
reason() { tail -1 "$out/$1.log" | cut -c1-150; }

peers=()
for name in ${*:-native filter bwrap proot runsc vedette vedette-notify ${BEFORE:+before before-notify}}; do
    if works "$name"; then
        peers+=("$name")
    elif [ "$name" = runsc ] && works runsc-rootless; then
        peers+=(runsc-rootless)
    else
        echo "left out: $name: $(reason "$name")" >&2
    fi
done
[ ${#peers[@]} -gt 0 ] || exit 1

has() { case " ${peers[*]} " in *" $1 "*) return 0 ;; *) return 1 ;; esac }
progress() { [ -t 2 ] && printf '\r%-60s' "$*" >&2; }

: >"$out/samples"
started=$SECONDS
declare -A failures=()
for round in $(seq "$ROUNDS"); do
    for peer in "${peers[@]}"; do
        progress "round $round of $ROUNDS: $peer"
        # A peer that failed once is not asked again: its time belongs to the others.
        [ -n "${failures[$peer]:-}" ] && continue
        if ! with_limit 40 "$peer" "$micro" "$scratch" "$BUDGET" >"$out/one" 2>"$out/$peer.log"; then
            failures[$peer]=$(reason "$peer")
            [ -n "${failures[$peer]}" ] || failures[$peer]="took too long"
            echo "failed after $(wc -l <"$out/one") operations: $peer: ${failures[$peer]}" >&2
        fi
        sed "s/^/$peer /" "$out/one" >>"$out/samples"
    done
    "$yardstick" stops "$BUDGET" | sed 's/^/kernel /' >>"$out/samples"
done
for _ in $(seq "$STARTS"); do
    for peer in "${peers[@]}"; do
        progress "start-up: $peer"
        begin=${EPOCHREALTIME/./}
        in_peer "$peer" /bin/true >/dev/null 2>&1
        end=${EPOCHREALTIME/./}
        echo "$peer run-/bin/true $(((end - begin) * 1000))"
    done
done >>"$out/samples"
progress '' && printf '\r' >&2

table() {
    echo "$(uname -sr), $(nproc) CPUs, $(date -u +%F); nanoseconds per operation, median of $ROUNDS rounds, ratio to native"
    # Some awk implementations cannot sort: sort first, take the middle of each group.
    sort -k1,1 -k2,2 -k3,3n "$out/samples" | awk -v peers="${peers[*]}" '
        { key = $1 SUBSEP $2; value[key, ++n[key]] = $3 }
        function median(peer, name,    key) {
            key = peer SUBSEP name
            return n[key] ? (value[key, int((n[key] + 1) / 2)] + value[key, int(n[key] / 2) + 1]) / 2 : 0
        }
        function cell(name, peer,    m, native) {
            m = median(peer, name); native = median("native", name)
            if (!m) return "-"
            return native && peer != "native" ? sprintf("%d (%.2f)", m, m / native) : sprintf("%d", m)
        }
        # What `name` costs more than `plain`, and how much of that is not there natively.
        function extra(text, name, plain, peer) {
            if (!median(peer, name) || !median("native", name)) return
            printf "%-58s %9.1f us (native %.1f)\n", peer ": " text, (median(peer, name) - median(peer, plain)) / 1000, \
                (median("native", name) - median("native", plain)) / 1000
        }
        function times(text, peer, name, base, label) {
            if (!median(peer, name) || !median("kernel", base)) return
            printf "%-58s %9.2f times %s\n", peer ": " text, median(peer, name) / median("kernel", base), label
        }
        END {
            count = split(peers, p, " ")
            split("stat-hit stat-ENOENT open+close create rename unlink mkdir+rmdir pread write pread-64K write-64K malloc+free mmap-anonymous " \
                "mmap+munmap fork fork-300-maps fork+exec vfork+exec copy-up copy-up-mapped run-/bin/true", order, " ")
            printf "%-15s", "operation"; for (i = 1; i <= count; i++) printf " %18s", p[i]; print ""
            for (o = 1; o in order; o++) {
                printf "%-15s", order[o]; for (i = 1; i <= count; i++) printf " %18s", cell(order[o], p[i]); print ""
            }
            print ""
            printf "the kernel alone: a served stop %d ns on one CPU, %d across two; a descriptor %d and %d\n", \
                median("kernel", "stop-one-cpu"), median("kernel", "stop-two-cpus"), \
                median("kernel", "descriptor-one-cpu"), median("kernel", "descriptor-two-cpus")
            for (i = 1; i <= count; i++) if (p[i] ~ /^vedette/) {
                if (p[i] == "vedette") times("stat of a file", p[i], "stat-hit", "stop-one-cpu", "a bare stop")
                if (p[i] == "vedette") times("stat of a missing name", p[i], "stat-ENOENT", "stop-one-cpu", "a bare stop")
                times("open and close", p[i], "open+close", "descriptor-one-cpu", "a bare descriptor")
                extra("fork, for 300 file mappings more", "fork-300-maps", "fork", p[i])
                extra("copy-up, for a mapping in seven threads more", "copy-up-mapped", "copy-up", p[i])
            }
        }'
}
# memory COMMAND... : the largest resident set of the supervisor itself, in KiB. It is our child; a guest is not counted.
memory() {
    local pid kib=0 now
    "$VEDETTE" run -- "$@" >/dev/null 2>&1 &
    pid=$!
    while now=$(awk '/^VmHWM/ { print $2 }' "/proc/$pid/status" 2>/dev/null) && [ -n "$now" ]; do
        kib=$now
        sleep 0.02
    done
    wait $pid 2>/dev/null
    echo "$kib"
}
{
    table
    if has proot; then
        # Its own filter spares PRoot the stops of calls that it does not look at.
        case $(in_peer proot grep -s '^Seccomp:' /proc/self/status 2>/dev/null | tr -dc 0-9) in
        2) echo "PRoot ran with its seccomp acceleration" ;;
        *) echo "PRoot ran without its seccomp acceleration: on this kernel it stops at every call" ;;
        esac
    fi
    if has vedette; then
        echo "supervisor memory: $(memory /bin/sleep 0.3) KiB with sleep, $(memory sh -c 'find /usr; sleep 0.2') KiB after find /usr ($(find /usr -xdev 2>/dev/null | wc -l) names)"
    fi
    echo "took $((SECONDS - started)) s"
} | tee "$out/RESULT"
# What grows with the number of files, beside the project's limits.
if has vedette && [ "${SCALE:-yes}" = yes ]; then VEDETTE=$VEDETTE "$here/scale.sh"; fi
