#!/usr/bin/env bash
# all.sh : what `make test` runs, part by part: unit tests, conformance guests natively and inside, real programs.
# Each part prints its totals; the last line is `N passed, N failed`, and .build/test-totals holds it too.
# `make release` comes first. PARTS chooses parts (default: units native inside e2e).
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 2
PARTS=${PARTS:-units native inside e2e}
SWIFT=${SWIFT:-swift}
export OUT=$root/.build/ctests
logs=$root/.build/test-logs
mkdir -p "$logs"; rm -f .build/test-totals
passed=0 failed=0 skipped=0 began=$SECONDS
total() { # total PART PASSED FAILED SKIPPED
    passed=$((passed + $2)); failed=$((failed + $3)); skipped=$((skipped + $4))
    echo "== $1: $2 passed, $3 failed, $4 skipped"
}
count() { grep -cE "$1" "$2"; }

units() {
    local log=$logs/units
    # Tests are built once, without optimisation; real programs run on the release binary.
    $SWIFT build --build-tests >"$log-build" 2>&1 || { tail -40 "$log-build"; total units 0 1 0; return; }
    $SWIFT test --skip-build --skip EndToEndTests >"$log" 2>&1; local status=$?
    local good bad; good=$(count '^(✔|\[ PASS \]).*Test .* passed after' "$log"); bad=$(count '^(✘|\[ FAIL \]).*Test .* failed after' "$log")
    # The last line counts the run itself.
    good=$((good - $(count '^(✔|\[ PASS \]).*Test run with .* passed after' "$log"))); bad=$((bad - $(count '^(✘|\[ FAIL \]).*Test run with .* failed after' "$log")))
    [ $status -eq 0 ] || { grep -E '✘|error:|Fatal error' "$log" | head -60; [ "$bad" -gt 0 ] || { bad=1; tail -20 "$log"; }; }
    total units "$good" "$bad" 0
}
conformance() { # conformance native|inside
    local log=$logs/conformance-$1
    make -s -C ctests OUT="$OUT" all >"$log" 2>&1 || { tail -20 "$log"; total "conformance $1" 0 1 0; return; }
    ctests/run.sh "$1" 2>&1 | tee "$log" | grep -vE '^pass '
    local line; line=$(grep -E '^[0-9]+ passed, [0-9]+ failed' "$log" | tail -1)
    if [ -n "$line" ]; then
        # shellcheck disable=SC2046
        total "conformance $1" $(echo "$line" | tr -dc '0-9 ' ) $([[ $line == *skipped* ]] || echo 0)
    else total "conformance $1" 0 1 0
    fi
}
# What a run inside could have changed, were it not for us. Builds write to .build, .git and the caches beside us.
hostManifest() {
    local places
    mapfile -d '' places < <(find "$root" -mindepth 1 -maxdepth 1 ! -name .build ! -name .git -print0; printf '/etc\0/usr/local\0'
        [ "$(id -u)" -ne 0 ] || find /root -mindepth 1 -maxdepth 1 ! -name .cache ! -name .swiftpm -print0)
    ctests/manifest.sh "${places[@]}" 2>/dev/null
}
endToEnd() {
    local log=$logs/e2e
    $SWIFT build --build-tests >"$log-build" 2>&1 || { tail -40 "$log-build"; total 'real programs' 0 1 0; return; }
    hostManifest >"$logs/host-before"
    $SWIFT test --skip-build --filter EndToEndTests >"$log" 2>&1; local status=$?
    hostManifest >"$logs/host-after"
    if diff "$logs/host-before" "$logs/host-after" >"$logs/host-difference"; then echo 'e2e host manifest: passed' >>"$log"
    else
        echo 'e2e host manifest: failed' >>"$log"; [ $status -ne 0 ] || status=1
        echo 'the host was changed:'; head -10 "$logs/host-difference"
    fi
    local bad; bad=$(count '^e2e .*: failed$' "$log")
    if [ $status -ne 0 ]; then
        # What a failing scenario printed, without Swift Testing's own frame.
        grep -vE '^(◇|✔|\[)' "$log" | grep -vE '^e2e .*: passed$' | cut -c1-300 | head -200
        [ "$bad" -gt 0 ] || bad=1
    fi
    grep -E '^e2e .*: skipped' "$log"
    total 'real programs' "$(count '^e2e .*: passed$' "$log")" "$bad" "$(count '^e2e .*: skipped' "$log")"
}

for part in $PARTS; do
    case $part in
    units) units ;;
    native) conformance native ;;
    inside) conformance inside ;;
    e2e) endToEnd ;;
    *) echo "all.sh: no part '$part'" >&2; exit 2 ;;
    esac
done
echo "== all: $((SECONDS - began)) s, $skipped skipped; logs are in .build/test-logs"
echo "$passed passed, $failed failed" | tee .build/test-totals
[ $failed -eq 0 ] && [ $passed -gt 0 ]
