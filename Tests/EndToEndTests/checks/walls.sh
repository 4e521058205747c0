#!/usr/bin/env bash
# Which walls stand is said: by doctor, by the first record of a trace, and in one line where --isolation auto takes less than
# `full` (--quiet silences it). Where a wall is refused, an explicit level that promises it is refused too.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compiler=$(command -v cc || command -v gcc || command -v clang) && "$compiler" -O -o "$work/under_filter" "$checks/../tools/under_filter.c" || fail setup 'no C compiler'
own() { [ ${#as[@]} -eq 0 ] || chown "$(id -u)" "$@"; }
# under RULE... -- OPTION... : vedette where calls are refused, as a container runtime would.
under() {
    local rules=()
    while [ "$1" != -- ]; do
        rules+=("$1")
        shift
    done
    shift
    timeout -k 5 60 ${as[@]+"${as[@]}"} "$work/under_filter" "${rules[@]}" -- "$VEDETTE" "$@"
}
# says NAME STANDARD-ERROR COMMAND... : status 0, nothing on standard output, and this pattern as the only line ('' for none).
says() {
    local name=$1 pattern=$2 seen
    shift 2
    seen=$("$@" 2>"$work/stderr") || {
        fail "$name" "status $?: $(head -2 "$work/stderr")"
        return
    }
    if [ -n "$seen" ]; then
        fail "$name" "printed '$seen'"
    elif [ -z "$pattern" ] && [ -s "$work/stderr" ]; then
        fail "$name" "said: $(head -2 "$work/stderr")"
    elif [ -n "$pattern" ] && { [ "$(wc -l <"$work/stderr")" -ne 1 ] || ! grep -q "^vedette: warning: .*$pattern" "$work/stderr"; }; then
        fail "$name" "said: $(tr '\n' '|' <"$work/stderr")"
    else
        ok "$name"
    fi
}
# record NAME PATTERN RULE... -- OPTION... : the first line of the trace.
record() {
    local name=$1 pattern=$2 line
    shift 2
    local rules=()
    while [ "$1" != -- ]; do
        rules+=("$1")
        shift
    done
    shift
    rm -f "$work/here/calls"
    : >"$work/here/calls"
    chmod 666 "$work/here/calls"
    under "${rules[@]}" -- run --quiet --trace "$work/here/calls" --trace-format json "$@" -- true 2>"$work/stderr"
    line=$(head -1 "$work/here/calls")
    if [[ $line =~ ^\{\"time\":[0-9.]+,\"isolation\":$pattern\}$ ]]; then ok "$name"; else fail "$name" "$line $(head -1 "$work/stderr")"; fi
}
# doctor NAME PATTERN RULE...
doctor() {
    local name=$1 pattern=$2
    shift 2
    if under "$@" -- doctor 2>&1 | grep -q "$pattern"; then ok "$name"; else fail "$name" "$(under "$@" -- doctor 2>&1 | grep -i layers)"; fi
}
# A caller's hard limit of core files that is 0 cannot be raised to the 1 that we would choose.
withoutCore() { (
    ulimit -c 0
    v -- sh -c 'ulimit -c; ulimit -Hc'
); }
expect hard-core-limit-0 0 $'0\n0' withoutCore
# open_tree 428, mount_setattr 442, clone3 435, landlock_create_ruleset 444.
case $MODE in
*no-namespaces)
    record trace-no-namespaces '"no-namespaces","gate":"trace","walls":\["no-new-privileges","landlock","seccomp","supervisor-landlock","supervisor-seccomp"\],"missing":\[\]' -- --isolation no-namespaces
    record trace-no-landlock '"no-namespaces","gate":"notify","walls":\["no-new-privileges","seccomp","supervisor-seccomp"\],"missing":\["landlock","supervisor-landlock"\]' 444=38 -- --isolation no-namespaces --gate notify
    says no-namespaces-asked-for '' under -- run --isolation no-namespaces -- true
    says no-landlock 'only wall' under 444=38 -- run --isolation no-namespaces -- true
    doctor doctor-no-landlock '^no .*Landlock around vedette' 444=38
    ;;
*)
    if ! v --isolation full -- true 2>/dev/null; then
        echo "skipped: no namespaces here"
        exit 77
    fi
    record trace-full '"full","gate":"trace","walls":\["no-new-privileges","namespaces","landlock","seccomp","read-only-layers","supervisor-seccomp"\],"missing":\[\]' --
    says full '' under -- run -- true
    says auto-no-namespaces 'no-namespaces, which is weaker than full' under 435=38 -- run -- true
    says auto-no-namespaces-quiet '' under 435=38 -- run --quiet -- true
    printf 'quiet = true\n' >"$work/quiet.toml"
    says auto-no-namespaces-quiet-by-file '' under 435=38 -- run --config "$work/quiet.toml" -- true
    record trace-auto-no-namespaces '"no-namespaces",.*' 435=38 --
    for rule in 428=1 428=38 442=1 442=38; do
        says "auto-$rule" 'layers are not read-only' under $rule -- run -- true
        says "auto-$rule-quiet" '' under $rule -- run --quiet -- true
        refused "full-$rule" 125 'layers cannot be made read-only' under $rule -- run --isolation full -- true
        record "trace-$rule" '"full","gate":"trace","walls":.*,"missing":\["read-only-layers"\]' $rule --
        doctor "doctor-$rule" '^no .*read-only layers' $rule
    done
    doctor doctor '^yes .*read-only layers'
    ;;
esac
finish
