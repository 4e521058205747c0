#!/usr/bin/env bash
# run.sh SCENARIO [MODE] : runs one scenario natively and inside and compares output and status.
#
# MODE is how the scenario runs inside (and, for the user, natively too):
#   root                       as the caller, who should be root
#   nobody                     as uid and gid 65534, without further groups
#   no-namespaces              as nobody, with --isolation no-namespaces
#   root-no-namespaces         as the caller, with --isolation no-namespaces
#   notify                     as the caller, with --gate notify
#   native                     natively twice: is the scenario itself stable?
# For a caller who is not root, nobody means the caller.
# A scenario may exit with 77: something it needs is not on this machine; it is then skipped.
# Environment: VEDETTE (the binary), TIMEOUT (seconds for each run, 180), KEEP (leave the scratch directory).
# Exit status: 0 equal, 1 different, 2 usage, 77 skipped.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
name=${1:?usage: run.sh SCENARIO [MODE]}
mode=${2:-root}
VEDETTE=${VEDETTE:-$here/../../.build/release/vedette}
TIMEOUT=${TIMEOUT:-180}
source=$here/scenarios/$name.sh
[ -f "$source" ] || {
    echo "run.sh: no scenario '$name'" >&2
    exit 2
}
[ "$mode" = native ] || VEDETTE=$(realpath -e "$VEDETTE") || {
    echo "run.sh: build first: make release" >&2
    exit 2
}

user=() options=()
case $mode in
root | native) ;;
nobody) user=(nobody) ;;
# Without a network namespace there is no loopback of one's own: the host's.
no-namespaces)
    user=(nobody)
    options=(--isolation no-namespaces --net host)
    ;;
root-no-namespaces) options=(--isolation no-namespaces --net host) ;;
notify) options=(--gate notify) ;;
*)
    echo "run.sh: no mode '$mode'" >&2
    exit 2
    ;;
esac
as=()
if [ ${#user[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ]; then as=(setpriv --reuid 65534 --regid 65534 --clear-groups); fi

work=$(mktemp -d "${TMPDIR:-/tmp}/vedette-e2e.XXXXXX") || exit 2
# What the scenario needs lies where nobody can read it too: the project may be cloned below /root.
chmod 755 "$work"
cp "$source" "$work/scenario.sh"
chmod 644 "$work/scenario.sh"
cleanUp() { if [ -z "${KEEP:-}" ]; then
    chmod -R u+rwX "$work" 2>/dev/null
    rm -rf "$work"
else echo "kept: $work" >&2; fi; }
trap cleanUp EXIT
trap 'exit 130' INT TERM
if [ "$mode" != native ] && [ ${#as[@]} -gt 0 ] && ! "${as[@]}" test -x "$VEDETTE"; then
    cp "$VEDETTE" "$work/vedette"
    VEDETTE=$work/vedette
fi
inside=("$VEDETTE" run ${options[@]+"${options[@]}"} --)
[ "$mode" != native ] || inside=()

# Two runs differ in process numbers; nothing else is smoothed.
normalise() { sed -E "s|$work/||g; s/(line [0-9]+): +[0-9]+ /\1: PID /"; }
# run OUTPUT PREFIX... : one run in a fresh, empty directory of always the same name.
run() {
    local output=$1
    shift
    rm -rf "$work/scratch"
    mkdir "$work/scratch"
    [ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/scratch"
    (
        cd "$work/scratch" || exit 2
        exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME="$work/scratch" LC_ALL=C.UTF-8 TZ=UTC TERM=dumb \
            timeout -k 5 "$TIMEOUT" ${as[@]+"${as[@]}"} "$@" bash "$work/scenario.sh"
    ) </dev/null >"$output.raw" 2>&1
    local status=$?
    {
        normalise <"$output.raw"
        echo "exit status $status"
    } >"$output"
    return $status
}
run "$work/native"
status=$?
if [ $status -eq 77 ]; then
    echo "skipped: $(tail -2 "$work/native" | head -1)"
    exit 77
fi
if [ $status -eq 124 ] || [ $status -eq 137 ]; then
    echo "the native run did not end in $TIMEOUT s"
    exit 1
fi
run "$work/inside" ${inside[@]+"${inside[@]}"}
if [ "$mode" != native ] && [ -n "$(ls -A "$work/scratch")" ]; then
    echo "the host's directory was changed: $(ls -A "$work/scratch" | head -5 | tr '\n' ' ')"
    exit 1
fi
if ! diff -a -U1 --label native --label inside "$work/native" "$work/inside" >"$work/difference"; then
    head -40 "$work/difference"
    exit 1
fi
