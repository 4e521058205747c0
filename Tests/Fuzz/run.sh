#!/usr/bin/env bash
# run.sh : libFuzzer on the readers of what others have written. No input may trap, run for long or use much memory.
#
#   run.sh TARGET SECONDS [FILE...]   runs one target, or gives it the FILEs (inputs that failed) and nothing else
#   run.sh all SECONDS                every target in turn, SECONDS each
#   run.sh list                       the targets, with what each is
#
# Builds the package once more with coverage, optimised and with assertions, in .build/libfuzzer (SCRATCH). The corpus of a
# target grows in .build/fuzz/corpus/TARGET from seeds in Tests/Fuzz/seeds.sh; inputs that fail are kept in
# .build/fuzz/failures. Ends with `N passed, N failed, N skipped`.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root" || exit 2
# libFuzzer keeps the input that failed only if the signal reaches it.
export SWIFT_BACKTRACE=enable=no
SWIFT=${SWIFT:-swift} SCRATCH=${SCRATCH:-.build/libfuzzer}
targets=()
for file in "$here"/targets/*.swift; do targets+=("$(basename "$file" .swift)"); done
usage() {
    sed -n '2,11s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}
case ${1:-} in
list)
    for target in "${targets[@]}"; do echo "$target: $(sed -n '1s|^// ||p' "$here/targets/$target.swift")"; done
    exit
    ;;
'') usage ;;
esac
chosen=("$1")
[ "$1" != all ] || chosen=("${targets[@]}")
seconds=${2:-}
[[ $seconds =~ ^[0-9]+$ ]] || usage
[ -f "$here/targets/${chosen[0]}.swift" ] || {
    echo "run.sh: no target '$1'" >&2
    exit 2
}
shift 2

compiler=$(dirname "$(command -v "$SWIFT")")/swiftc
flags=(-Xswiftc -enable-testing -Xswiftc -sanitize=fuzzer -Xswiftc -assert-config -Xswiftc Debug -Xcxx -fsanitize=fuzzer-no-link)
mkdir -p .build/fuzz/failures
for target in VedetteCLI TestSupport; do
    $SWIFT build -j "${JOBS:-2}" -c release --scratch-path "$SCRATCH" "${flags[@]}" --target "$target" >.build/fuzz/build.log 2>&1 ||
        {
            tail -30 .build/fuzz/build.log >&2
            exit 2
        }
done
# The targets are compiled as the tests of the command would be: they see what is internal, or of the package.
command=$(grep '"-module-name","VedetteCLI"' "$SCRATCH/release.yaml" | head -1)
package=$(sed -n 's/.*"-package-name","\([^"]*\)".*/\1/p' <<<"$command")
mapfile -t clang < <(grep -o '"-Xcc","[^"]*"' <<<"$command" | sed 's/^"-Xcc","\(.*\)"$/-Xcc\n\1/')
# What the plan of the build names, but for tests and what runs while building. Objects of sources that are gone stay on disk.
mapfile -t modules < <(grep -o '"[^"]*\.build/[^"]*\.o"' "$SCRATCH/release.yaml" | tr -d '"' | sort -u | grep -v -e 'Tests\.build/' -e '-tool\.build/' |
    while read -r object; do [ ! -e "$object" ] || echo "$object"; done)
passed=0 failed=0
for target in "${chosen[@]}"; do
    program=$SCRATCH/fuzz-$target corpus=.build/fuzz/corpus/$target
    "$compiler" -O -assert-config Debug -sanitize=fuzzer -parse-as-library -swift-version 6 -module-name "Fuzz_$target" -package-name "$package" \
        -I "$SCRATCH/release/Modules" "${clang[@]}" \
        "$here/Input.swift" "$here/targets/$target.swift" "${modules[@]}" -o "$program" -lseccomp -lcap -lstdc++ \
        >".build/fuzz/compile-$target.log" 2>&1 || {
        tail -30 ".build/fuzz/compile-$target.log"
        echo "FAIL $target: it does not compile"
        failed=$((failed + 1))
        continue
    }
    if [ $# -gt 0 ]; then
        if "$program" -timeout=10 -rss_limit_mb=1024 "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
        continue
    fi
    mkdir -p "$corpus"
    "$here/seeds.sh" "$target" "$corpus"
    log=.build/fuzz/$target.log
    : >"$log"
    # Each input of this one keeps a little memory: a process takes so many, and the next goes on.
    inputs=-1
    [ "$target" != overlay ] || inputs=10000
    # -rss_limit_mb: memory that an input of 16 KiB must not need. Output of the target itself is of no interest.
    began=$SECONDS status=0
    while [ $status -eq 0 ] && [ $((SECONDS - began)) -lt "$seconds" ]; do
        "$program" -max_total_time=$((seconds - SECONDS + began)) -runs=$inputs -timeout=10 -rss_limit_mb=1024 -max_len="${MAX_LEN:-16384}" \
            -print_final_stats=1 -artifact_prefix=".build/fuzz/failures/$target-" "$corpus" >>"$log" 2>&1
        status=$?
    done
    if [ $status -eq 0 ]; then
        passed=$((passed + 1))
        echo "pass $target: $(awk '/^stat::number_of_executed_units/ { sum += $2 } END { print sum }' "$log") inputs, $(ls "$corpus" | wc -l) in the corpus, $(grep -o 'cov: [0-9]*' "$log" | tail -1)"
    else
        failed=$((failed + 1))
        echo "FAIL $target (log: $log)"
        grep -aE 'Fatal error|ERROR|SUMMARY|Test unit written' "$log" | head -10
    fi
done
echo "$passed passed, $failed failed, 0 skipped"
[ $failed -eq 0 ] && [ $passed -gt 0 ]
