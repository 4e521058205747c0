#!/usr/bin/env bash
# Runs the conformance guests.
#
#   run.sh native [NAME...]                    on this machine's own file system: the oracle
#   run.sh inside [-- OPTION...] [NAME...]     each through `vedette run OPTION... -- PROGRAM DIRECTORY`
#
# Environment: OUT (the built programs), VEDETTE (the binary), SCRATCH_ROOT (where scratch directories are made; choose a
# directory on the file system that should be tested), TIMEOUT (seconds for one program, 60).
# After `--`, a word that names a test is a test; everything else is an option of vedette.
# Inside, the scratch directory is lower: its manifest must be the same before and after, whatever the guest did.
# Ends with a line `N passed, N failed, N skipped`; the status is 0 only if nothing failed.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUT=${OUT:-$here/../.build/ctests}
VEDETTE=${VEDETTE:-$here/../.build/release/vedette}
SCRATCH_ROOT=${SCRATCH_ROOT:-${TMPDIR:-/tmp}}
TIMEOUT=${TIMEOUT:-60}
expected=$here/expected-differences.txt

usage() {
    sed -n '2,12s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}
mode=${1:-}
shift || usage
case $mode in native | inside) ;; *) usage ;; esac

names=() options=() afterDashes=no
for word in "$@"; do
    if [ "$word" = -- ]; then
        afterDashes=yes
    elif [ -f "$here/$word.c" ]; then
        names+=("$word")
    elif [ "$afterDashes" = yes ] && [ "$mode" = inside ]; then
        options+=("$word")
    else
        echo "run.sh: no test named '$word'" >&2
        exit 2
    fi
done
if [ ${#names[@]} -eq 0 ]; then
    for source in "$here"/*.c; do
        names+=("$(basename "$source" .c)")
    done
fi
if [ ! -d "$OUT" ]; then
    echo "run.sh: $OUT does not exist: run make first" >&2
    exit 2
fi
OUT=$(cd "$OUT" && pwd)
if [ "$mode" = inside ] && [ ! -x "$VEDETTE" ]; then
    echo "run.sh: $VEDETTE is not an executable (set VEDETTE)" >&2
    exit 2
fi

reasonFor() { sed -n "s/^$1: //p" "$expected" 2>/dev/null | head -1; }
# Labels of single checks go to the guest; a name without a slash stands for the whole program and is ours to judge.
labels=$(sed -n 's/^\([a-z0-9_]*\/[A-Za-z0-9_-]*\): .*/\1/p' "$expected" 2>/dev/null)$'\n'

work=$(mktemp -d "$SCRATCH_ROOT/vedette-ctests.XXXXXX") || exit 2
chmod 755 "$work"
cleanUp() {
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
}
trap cleanUp EXIT
trap 'exit 130' INT TERM

# A listener on the host that no guest may reach (escape_calls).
hostSocket=vedette-ctests-$$ listener=
if [ "$mode" = inside ] && [ -x "$OUT/escape_calls" ]; then
    "$OUT/escape_calls" --listen "$hostSocket" "$work/host-socket" >"$work/listener.log" 2>&1 </dev/null &
    listener=$!
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        grep -q listening "$work/listener.log" 2>/dev/null && break
        sleep 0.05
    done
    trap 'kill "$listener" 2>/dev/null; cleanUp' EXIT
fi

passed=0 failed=0 skipped=0
for name in "${names[@]}"; do
    program=$OUT/$name
    directory=$work/$name
    log=$work/$name.log
    if [ ! -x "$program" ]; then
        echo "FAIL $name: $program is not built"
        failed=$((failed + 1))
        continue
    fi
    mkdir "$directory"
    chmod 755 "$directory"
    if ! timeout -k 5 "$TIMEOUT" "$program" prepare "$directory" >"$log" 2>&1 </dev/null; then
        echo "FAIL $name: prepare failed"
        sed 's/^/    /' "$log"
        failed=$((failed + 1))
        continue
    fi
    changed=
    if [ "$mode" = native ]; then
        env -u VEDETTE_INSIDE -u VEDETTE_EXPECTED timeout -k 5 "$TIMEOUT" "$program" "$directory" >"$log" 2>&1 </dev/null
        status=$?
    else
        MANIFEST_NOATIME=1 "$here/manifest.sh" "$directory" >"$work/before"
        # The record of mappings is compared with the kernel's list; a difference is status 125 (Vedette/Sandbox.swift).
        check=
        case $name in mmap_* | mapping_* | open_coherence) check=mappings ;; esac
        VEDETTE_CHECK=$check VEDETTE_INSIDE=1 VEDETTE_EXPECTED=$labels VEDETTE_HOST_PID=$$ VEDETTE_HOST_SOCKET=$hostSocket VEDETTE_HOST_PATH=$work/host-socket \
            timeout -k 5 "$TIMEOUT" "$VEDETTE" run ${options[@]+"${options[@]}"} -- "$program" "$directory" >"$log" 2>&1 </dev/null
        status=$?
        MANIFEST_NOATIME=1 "$here/manifest.sh" "$directory" >"$work/after"
        changed=$(diff "$work/before" "$work/after")
    fi
    summary=$(grep -v '^vedette: mapping check: ' "$log" | tail -1)
    [ "$mode" = native ] || [ -z "$check" ] || grep -q '^vedette: mapping check: [1-9]' "$log" ||
        { [ $status -eq 0 ] && {
            echo "nothing was compared with VEDETTE_CHECK=mappings" >>"$log"
            status=1
        }; }
    reason=$(reasonFor "$name")
    [ "$mode" = inside ] || reason=
    if [ -n "$changed" ]; then
        echo "FAIL $name: the host's scratch directory was changed"
        printf '%s\n' "$changed" | sed 's/^/    /' | head -20
        failed=$((failed + 1))
    elif [ $status -eq 77 ]; then
        echo "skip $summary"
        skipped=$((skipped + 1))
    elif [ $status -eq 0 ] && [ -n "$reason" ]; then
        echo "FAIL $name: passes, though expected-differences.txt lists it: take the line out"
        failed=$((failed + 1))
    elif [ $status -eq 0 ]; then
        echo "pass $summary"
        grep -E '^  (part skipped|expected difference|.*listed as a difference)' "$log"
        passed=$((passed + 1))
    elif [ -n "$reason" ]; then
        echo "skip $name: differs on purpose: $reason"
        skipped=$((skipped + 1))
    else
        case $status in
        124 | 137) echo "FAIL $name: no end after $TIMEOUT s" ;;
        *) echo "FAIL $name: status $status" ;;
        esac
        tail -40 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
    fi
    chmod -R u+rwX "$directory" 2>/dev/null
    rm -rf "$directory"
done
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
