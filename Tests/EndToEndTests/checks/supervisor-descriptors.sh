#!/usr/bin/env bash
# Every descriptor of the supervisor has a known purpose, exactly as many as are wanted, and is closed by an exec: what the
# caller left open, and what only the start needed, is gone by the time that a guest runs.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ "$(id -u)" -eq 0 ] || {
    echo "skipped: /proc/PID/fd of the supervisor shows itself to root alone"
    exit 77
}

# A purpose is a count and a pattern of a descriptor's link, or of `FLAGS LINK`, where FLAGS are those of fdinfo. Directories that a walk has opened are
# kept (DirectoryDescriptors): any number of them, O_PATH, under the layers.
look() { # look NAME PURPOSES OPTION... : purposes are lines `NAME COUNT REGEX`
    local name=$1 purposes=$2 pid fd line wrong= count purpose wanted regex descriptors rest
    shift 2
    rm -f "$work/ready" "$work/hold"
    mkfifo "$work/hold"
    : >"$work/ready"
    # 19 and 23 are the caller's, and not the supervisor's.
    ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} "$@" -- /bin/sh -c 'echo ready; read line' <"$work/hold" >"$work/ready" 2>&1 19</etc/hostname 23</ &
    pid=$!
    exec 9>"$work/hold"
    for _ in $(seq 200); do
        [ -s "$work/ready" ] && break
        sleep 0.05
    done
    if ! grep -q ready "$work/ready"; then
        fail "$name" "$(head -1 "$work/ready")"
        exec 9>&-
        wait $pid
        return
    fi
    descriptors=
    for fd in /proc/$pid/fd/*; do
        [ "${fd##*/}" -gt 2 ] || continue
        line="$(awk '/^flags:/ { print $2 }' "/proc/$pid/fdinfo/${fd##*/}") $(readlink "$fd")" || continue
        # What a guest is given stays open for it; the supervisor itself can execute nothing.
        [ "${fd##*/}" -eq "${passed:--1}" ] || [ $((0${line%% *} & 02000000)) -ne 0 ] || wrong+=" ${fd##*/}:stays open at exec:${line#* };"
        descriptors+="$line"$'\n'
    done
    exec 9>&-
    wait $pid
    while read -r purpose wanted regex; do
        [ -n "$purpose" ] || continue
        [[ $regex == 0* ]] || regex="[0-7]+ $regex"
        count=$(grep -cE "^$regex\$" <<<"${descriptors%$'\n'}")
        case $wanted in
        +) [ "$count" -ge 1 ] || wrong+=" no $purpose;" ;;
        *) [ "$count" -eq "$wanted" ] || wrong+=" $count of $purpose, not $wanted;" ;;
        esac
        rest=$(grep -vE "^$regex\$" <<<"${descriptors%$'\n'}") || rest=
        descriptors=$rest$'\n'
    done <<<"$purposes"
    descriptors=$(tr -s '\n' <<<"$descriptors" | grep .) && wrong+=" unknown: $(tr '\n' ';' <<<"$descriptors")"
    if [ -n "$wrong" ]; then fail "$name" "$wrong"; else ok "$name"; fi
}
# What any sandbox has. Roots of detached mounts (the store twice, a devpts twice, the layer) all read `/`.
common='listener 1 anon_inode:seccomp.notify
own-descriptors 1 /proc/[0-9]+/fd
null 1 /dev/null
zero 1 /dev/zero
full 1 /dev/full
random 1 /dev/random
urandom 1 /dev/urandom'
case $MODE in
*no-namespaces)
    walls='inspection-and-directory-remover 2 socket:.*
store 2 .*/vedette-[0-9a-z]+/store
trampolines 1 .*/vedette-[0-9a-z]+/trampoline
terminals 1 /dev/pts'
    roots='root 1 /'
    ;;
*)
    walls='inspection 1 socket:.*'
    roots='roots 5 /'
    ;;
esac
# Own and guest's descriptors look alike: two in all.
both=${common/own-descriptors 1/own-and-guest-descriptors 2}
directories='directories + 012[26]00000 /.*'
look default "$both
proc + /proc
$walls
$roots
$directories"
look trace "$both
proc + /proc
$walls
$roots
trace 1 $work/here/calls.jsonl
$directories" --trace "$work/here/calls.jsonl"
exec 8</etc/passwd
passed=8
look passed "$both
proc + /proc
$walls
$roots
passed 1 /etc/passwd
$directories" --fd 8
exec 8<&-
finish
