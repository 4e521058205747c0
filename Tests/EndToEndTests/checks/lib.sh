# What every check shares. Sourced, never run: `. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"`.
# A check prints a line for each thing it holds, `ok NAME` or `FAIL NAME: why`; its status is 0 if all are ok, 77 if
# this machine lacks what it needs. VEDETTE names the binary; MODE is root, nobody or no-namespaces, as in run.sh.
set -u
export LC_ALL=C.UTF-8
checks=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VEDETTE=$(realpath -e "${VEDETTE:-$checks/../../../.build/release/vedette}") || {
    echo "FAIL setup: build first: make release"
    exit 1
}
MODE=${MODE:-root}
as=() level=()
[ "$MODE" = root ] || [ "$(id -u)" -ne 0 ] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
case $MODE in *no-namespaces) level=(--isolation no-namespaces) ;; esac

work=$(mktemp -d "${TMPDIR:-/tmp}/vedette-check.XXXXXX") || exit 1
chmod 755 "$work"
if [ ${#as[@]} -gt 0 ] && ! "${as[@]}" test -x "$VEDETTE"; then
    cp "$VEDETTE" "$work/vedette"
    VEDETTE=$work/vedette
fi
mkdir "$work/here"
[ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/here"
cd "$work/here" || exit 1
# A subshell that a signal meets before bash has reset its traps must not clean up for us.
cleanUp() {
    [ "$BASHPID" = "$$" ] || return
    cd /
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
}
trap cleanUp EXIT
trap 'exit 130' INT TERM

failures=0
ok() { echo "ok $1"; }
fail() {
    echo "FAIL $1: $2"
    failures=$((failures + 1))
}
# skip NAME WHY : this machine or this user cannot make the case; said, not left out.
skip() { echo "skipped $1: $2"; }
finish() {
    [ $failures -eq 0 ]
    exit
}
# v [OPTION...] -- COMMAND... : the sandbox, in the mode asked for.
v() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} "$@"; }
# expect NAME STATUS OUTPUT COMMAND... : standard output and status of a command are as given.
expect() {
    local name=$1 status=$2 output=$3 seen result
    shift 3
    seen=$("$@" 2>"$work/stderr")
    result=$?
    if [ $result -ne "$status" ]; then
        fail "$name" "status $result, not $status: $(head -3 "$work/stderr" | tr '\n' ' ')"
    elif [ "$seen" != "$output" ]; then
        fail "$name" "printed '$seen', not '$output'"
    else
        ok "$name"
    fi
}
# refused NAME STATUS PATTERN COMMAND... : the status is as given, nothing on standard output, and standard error is one
# line that begins with `vedette: ` and matches the pattern.
refused() {
    local name=$1 status=$2 pattern=$3 seen result lines
    shift 3
    seen=$("$@" 2>"$work/stderr")
    result=$?
    lines=$(wc -l <"$work/stderr")
    if [ $result -ne "$status" ]; then
        fail "$name" "status $result, not $status: $(head -3 "$work/stderr" | tr '\n' ' ')"
    elif [ -n "$seen" ]; then
        fail "$name" "printed '$seen'"
    elif [ "$lines" -ne 1 ] || ! grep -q "^vedette: .*$pattern" "$work/stderr"; then
        fail "$name" "said: $(tr '\n' '|' <"$work/stderr")"
    else
        ok "$name"
    fi
}
# Guests that are still there: processes whose command line holds the given word.
leftovers() {
    local p
    for p in /proc/[0-9]*; do if { tr "\0" " " <"$p/cmdline"; } 2>/dev/null | grep -q -- "$1"; then echo "${p#/proc/}"; fi; done
}
# waitGone WORD : until no process with the word is left, at most 5 s.
waitGone() {
    for _ in $(seq 50); do
        [ -z "$(leftovers "$1")" ] && return 0
        sleep 0.1
    done
    return 1
}
