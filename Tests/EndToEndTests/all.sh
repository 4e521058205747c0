#!/usr/bin/env bash
# all.sh : what `make test` runs, part by part: unit tests, conformance guests natively and inside, real programs.
# Each part prints its totals; the last line is `N passed, N failed`, and .build/test-totals holds it too.
# `make release faults checked` comes first. Parts that mostly compute and parts that mostly wait run side by side, in two
# lanes; what a part prints is shown when it ends. PARTS chooses parts, one after another.
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 2
if [ -n "${PARTS:-}" ]; then
    lanes=("$PARTS")
else
    lanes=("units native inside nobody no-namespaces network-list notify walk differential fuzz" "e2e escape checked")
fi
SWIFT=${SWIFT:-swift}
export OUT=$root/.build/ctests
logs=$root/.build/test-logs
mkdir -p "$logs"
totals=$logs/totals
rm -f .build/test-totals "$logs/host-after"
: >"$totals"
total() { # total PART PASSED FAILED SKIPPED
    echo "$2 $3 $4" >>"$totals"
    echo "== $1: $2 passed, $3 failed, $4 skipped"
}
count() { grep -cE "$1" "$2"; }

# Tests are built once, without optimisation; real programs run on the release binary.
buildTests() {
    $SWIFT build --build-tests >"$logs/tests-build" 2>&1 && return
    tail -40 "$logs/tests-build"
    total 'build of the tests' 0 1 0
    return 1
}
buildGuests() {
    make -s -C ctests OUT="$OUT" all >"$logs/guests-build" 2>&1 && return
    tail -20 "$logs/guests-build"
    total 'build of the guests' 0 1 0
    return 1
}

units() {
    local log=$logs/units
    $SWIFT test --skip-build --skip EndToEndTests >"$log" 2>&1
    local status=$?
    local good bad
    good=$(count '^(✔|\[ PASS \]).*Test .* passed after' "$log")
    bad=$(count '^(✘|\[ FAIL \]).*Test .* failed after' "$log")
    # The last line counts the run itself.
    good=$((good - $(count '^(✔|\[ PASS \]).*Test run with .* passed after' "$log")))
    bad=$((bad - $(count '^(✘|\[ FAIL \]).*Test run with .* failed after' "$log")))
    [ $status -eq 0 ] || {
        grep -E '✘|error:|Fatal error' "$log" | head -60
        [ "$bad" -gt 0 ] || {
            bad=1
            tail -20 "$log"
        }
    }
    # Tests that belong to no target are never run.
    local room
    for room in Tests/*Tests; do
        room=$(basename "$room" Tests)
        grep -q "[( ]of: \"$room\"\|name: \"${room}Tests\"" Package.swift || {
            echo "FAIL ${room}Tests: no target"
            bad=$((bad + 1))
        }
    done
    total units "$good" "$bad" 0
}
conformance() { # conformance native|inside [NAME [OPTION...]] : as the caller, or as nobody where NAME says so
    local name=${2:-$1} log copy= as=() options=()
    log=$logs/conformance-$name
    if [[ $name == *nobody* ]]; then
        if [ "$(id -u)" -eq 0 ]; then
            as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
            # The project may be cloned where nobody cannot reach it.
            copy=$(mktemp -d "${TMPDIR:-/tmp}/vedette-nobody.XXXXXX") || return
            cp -r ctests "$copy/"
            cp -r "$OUT" "$copy/built"
            cp .build/release/vedette "$copy/"
            chmod -R a+rX "$copy"
        fi
    fi
    [ $# -le 2 ] || options=(-- "${@:3}")
    (
        if [ -n "$copy" ]; then
            cd "$copy" || exit 1
            export OUT=$copy/built VEDETTE=$copy/vedette
        fi
        ${as[@]+"${as[@]}"} ctests/run.sh "$1" ${options[@]+"${options[@]}"}
    ) 2>&1 | tee "$log" | grep -vE '^pass '
    [ -z "$copy" ] || rm -rf "$copy"
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
    if [ -n "$line" ]; then
        # shellcheck disable=SC2046
        total "conformance $name" $(echo "$line" | tr -dc '0-9 ') $([[ $line == *skipped* ]] || echo 0)
    else
        total "conformance $name" 0 1 0
    fi
}
# Attacks on the host: each must do harm natively, in a cage of its own, and none from inside, in all eight combinations.
# What each attack printed is in .build/test-logs/escape.d.
escape() {
    local log=$logs/escape counts
    make -s -C ctests/escape OUT="$OUT/escape" all >"$log" 2>&1 || {
        tail -20 "$log"
        total escape 0 1 0
        return
    }
    mkdir -p "$log.d"
    ctests/manifest.sh /etc ctests Tests Sources >"$log-before" 2>/dev/null
    OUT=$OUT/escape VEDETTE=$root/.build/release/vedette LOGS=$log.d SPAN=${SPAN:-0.25} ctests/escape/run.sh 2>&1 | tee "$log"
    read -r -a counts < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log" | tail -1)
    ctests/manifest.sh /etc ctests Tests Sources >"$log-after" 2>/dev/null
    if ! diff "$log-before" "$log-after" >"$log-difference"; then
        echo 'the host was changed:'
        head -10 "$log-difference"
        counts[1]=$((${counts[1]:-1} + 1))
    fi
    total escape "${counts[0]:-0}" "${counts[1]:-1}" "${counts[2]:-0}"
}
# The long random walk over mappings and descriptors, every step of it compared.
walk() {
    local log=$logs/walk counts
    MAPPING_RANDOM_STEPS=${WALK:-100000} MAPPING_RANDOM_SEED=2 TIMEOUT=600 ctests/run.sh inside mapping_random 2>&1 | tee "$log"
    read -r -a counts < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
    total 'mapping walk' "${counts[0]:-0}" "${counts[1]:-1}" "${counts[2]:-0}"
}
# The random test: the same seeded operations natively and inside, over five kinds of layers, and as nobody too:
# 200,000 operations. SEEDS and COUNT choose others.
differential() {
    local log=$logs/differential
    ctests/differential.sh inside --seeds "${SEEDS:-1..20}" --count "${COUNT:-2000}" 2>&1 | tee "$log"
    ctests/differential.sh saved --seeds "${SEEDS:-1..5}" --count "${COUNT:-2000}" 2>&1 | tee -a "$log"
    if [ "$(id -u)" -eq 0 ]; then
        # The project may be cloned where nobody cannot reach it.
        local copy mode
        copy=$(mktemp -d "${TMPDIR:-/tmp}/vedette-nobody.XXXXXX") || return
        cp -r ctests "$copy/"
        cp "$OUT/differential" .build/release/vedette "$copy/"
        chmod -R a+rX "$copy"
        for mode in lowers upper; do
            OUT=$copy VEDETTE=$copy/vedette setpriv --reuid 65534 --regid 65534 --clear-groups \
                "$copy/ctests/differential.sh" "$mode" --seeds "${SEEDS:-21..30}" --count "${COUNT:-2000}" 2>&1 | tee -a "$log"
        done
        rm -rf "$copy"
    fi
    # A total for each kind: `N operations alike; N passed, N failed`.
    total differential "$(sed -n 's/.*alike; \([0-9]*\) passed.*/\1/p' "$log" | paste -sd+ | bc)" "$(sed -n 's/.* \([0-9]*\) failed$/\1/p' "$log" | paste -sd+ | bc)" 0
}
# Random and directed system calls, in all combinations: 40 s here, FUZZ seconds where that is set (make test-full).
fuzz() {
    local log=$logs/fuzz counts
    ctests/fuzz/run.sh "${FUZZ:-40}" 2>&1 | tee "$log" | grep -vE '^pass '
    read -r -a counts < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log")
    total fuzz "${counts[0]:-0}" "${counts[1]:-1}" "${counts[2]:-0}"
}
# What a run inside could have changed, were it not for us. Builds write to .build, .git and the caches beside us.
hostManifest() {
    local places
    mapfile -d '' places < <(
        find "$root" -mindepth 1 -maxdepth 1 ! -name .build ! -name .git -print0
        printf '/etc\0/usr/local\0'
        [ "$(id -u)" -ne 0 ] || find /root -mindepth 1 -maxdepth 1 ! -name .cache ! -name .swiftpm -print0
    )
    ctests/manifest.sh "${places[@]}" 2>/dev/null
}
# judgeEndToEnd TITLE LOG
judgeEndToEnd() {
    local log=$logs/$2 status bad
    status=$(cat "$log-status")
    bad=$(count '^e2e .*: failed$' "$log")
    if [ "$status" -ne 0 ]; then
        # What a failing scenario printed, without Swift Testing's own frame.
        grep -vE '^(◇|✔|\[)' "$log" | grep -vE '^e2e .*: passed$' | cut -c1-300 | head -200
        [ "$bad" -gt 0 ] || bad=1
    fi
    grep -E '^e2e .*: skipped' "$log"
    total "$1" "$(count '^e2e .*: passed$' "$log")" "$bad" "$(count '^e2e .*: skipped' "$log")"
}
# endToEnd TITLE LOG BINARY : real programs and checks on one build.
endToEnd() {
    local log=$2 bundle
    bundle=$($SWIFT build --show-bin-path)/vedettePackageTests.xctest
    # What one part has left is what the next one finds.
    if [ -e "$logs/host-after" ]; then mv "$logs/host-after" "$logs/host-before"; else hostManifest >"$logs/host-before"; fi
    # A shell that is not interactive has SIGINT and SIGQUIT ignored in the background.
    NO_COLOR=1 VEDETTE=$3 env --default-signal=INT,QUIT "$bundle" --testing-library swift-testing --filter EndToEndTests >"$logs/$log" 2>&1
    echo $? >"$logs/$log-status"
    hostManifest >"$logs/host-after"
    if diff "$logs/host-before" "$logs/host-after" >"$logs/host-difference"; then
        echo 'e2e host manifest: passed' >>"$logs/$log"
    else
        echo 'e2e host manifest: failed' >>"$logs/$log"
        echo 1 >"$logs/$log-status"
        echo 'the host was changed:'
        head -10 "$logs/host-difference"
    fi
    judgeEndToEnd "$1" "$log"
}

runPart() {
    case $1 in
    units) units ;;
    native) conformance native ;;
    inside) conformance inside ;;
    nobody) conformance inside inside-nobody ;;
    network-list)
        conformance inside inside-network-list --net allow inet_socket unix_socket scm_rights descriptor_flight
        conformance inside inside-network-list-bare --net allow --isolation no-namespaces --gate notify inet_socket unix_socket scm_rights
        ;;
    no-namespaces)
        conformance inside inside-no-namespaces --isolation no-namespaces
        conformance inside inside-no-namespaces-host --isolation no-namespaces --net host inet_socket escape_race unix_socket
        ;;
    notify) conformance inside inside-notify --gate notify ;;
    walk) walk ;;
    escape) escape ;;
    differential) differential ;;
    fuzz) fuzz ;;
    e2e) endToEnd 'real programs' e2e "$root/.build/release/vedette" ;;
    # What the release does without, exclusive access, is checked: a violation is to be found by a test, not by a guest.
    checked) endToEnd 'real programs, exclusive access checked' e2e-checked "$root/.build/checked/release/vedette" ;;
    *)
        echo "no part '$1'"
        total "$1" 0 1 0
        ;;
    esac
}
# lane PART... : each part in a shell of its own; its lines and its time when it ends.
lane() {
    local part
    for part in "$@"; do
        (
            TIMEFORMAT="   $part: %0R s, of which %0U s and %0S s of CPU time"
            time runPart "$part"
        ) >"$logs/part-$part" 2>&1
        # A part that ended without a total has not run.
        grep -q '^== ' "$logs/part-$part" || total "$part" 0 1 0 >>"$logs/part-$part"
        flock "$totals" cat "$logs/part-$part"
    done
}

running=()
trap '[ ${#running[@]} -eq 0 ] || kill "${running[@]}" 2>/dev/null; exit 130' INT TERM
if buildTests && buildGuests; then
    for parts in "${lanes[@]}"; do
        # shellcheck disable=SC2086
        lane $parts &
        running+=($!)
    done
    wait
fi
read -r passed failed skipped < <(awk '{ p += $1; f += $2; s += $3 } END { print p + 0, f + 0, s + 0 }' "$totals")
echo "== all: $SECONDS s, $skipped skipped; logs are in .build/test-logs"
echo "$passed passed, $failed failed" | tee .build/test-totals
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
