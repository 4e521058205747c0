#!/usr/bin/env bash
# run.sh [COMBINATION...] [-- NAME...] : attacks on the host, natively (where each must do harm) and from inside (where none may).
#
# COMBINATION: native, or LEVEL-GATE-USER with LEVEL full|no-namespaces, GATE trace|notify, USER root|nobody; `root`, `nobody`,
# `full` and so on choose all that have the word (default: all nine; without root those of the caller, who stands for nobody).
# NAME: an attack or a class. Environment: OUT (the built programs), VEDETTE, JOBS (2), LOGS (a directory: what each attack
# printed), SCRATCH_ROOT, QUIET (only what failed, and the totals), SPAN (how long the
# attacks that exhaust something go on: 0.25; 1 is two or three seconds each).
#
# All of it runs in a cage, namespaces of its own, that is the host for the attacks; the machine is never aimed at. The last
# line is `N passed, N failed, N skipped`; a skip is an attack that cannot be shown or means nothing there, with its reason.
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export LC_ALL=C

if [ "${ESCAPE_CAGED:-}" != yes ]; then
    OUT=$(readlink -m "${OUT:-$here/../../.build/ctests/escape}")
    VEDETTE=$(readlink -f "${VEDETTE:-$here/../../.build/release/vedette}")
    for program in "$VEDETTE" "$OUT/attacker" "$OUT/referee"; do
        [ -x "$program" ] || {
            echo "run.sh: $program is not an executable (make -C ctests/escape; set VEDETTE)" >&2
            exit 2
        }
    done
    # Copies, where everybody can reach them and no build changes them.
    work=$(mktemp -d "${SCRATCH_ROOT:-${TMPDIR:-/tmp}}/vedette-escape.XXXXXX") || exit 2
    chmod 755 "$work"
    cp "$OUT/attacker" "$OUT/referee" "$work/"
    cp "$VEDETTE" "$work/vedette"
    chmod 755 "$work"/*
    loop='' group='' device=TKDV$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
    if [ "$(id -u)" -eq 0 ]; then
        {
            echo "$device"
            head -c 1M /dev/zero
        } >"$work/device"
        loop=$(losetup -f --show "$work/device" 2>/dev/null)
        group=/sys/fs/cgroup/memory/escape-$$
        # Bounds what an attack can take of this machine, and measures it.
        if mkdir "$group" 2>/dev/null; then echo 8G >"$group/memory.limit_in_bytes"; else group=; fi
    fi
    finish() {
        [ -z "$loop" ] || losetup -d "$loop"
        rm -rf "$work"
        [ -z "$group" ] || rmdir "$group" 2>/dev/null
    }
    trap finish EXIT
    trap 'exit 130' INT TERM
    as=()
    [ "$(id -u)" -eq 0 ] || as=(--map-current-user)
    export ESCAPE_CAGED=yes ESCAPE_WORK=$work ESCAPE_LOOP_DEVICE=$loop ESCAPE_MEMORY_GROUP=$group ESCAPE_DEVICE=$device ESCAPE_LOGS=${LOGS:-} ESCAPE_SPAN=${SPAN:-0.25}
    (
        [ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
        exec unshare ${as[@]+"${as[@]}"} --mount --pid --net --ipc --uts --fork --kill-child --mount-proc "${BASH_SOURCE[0]}" "$@"
    )
    exit
fi
unset ESCAPE_CAGED
work=$ESCAPE_WORK loop=$ESCAPE_LOOP_DEVICE
[ $$ -eq 1 ] || {
    echo "run.sh: this is no cage" >&2
    exit 2
}
hostname escape-cage || {
    echo "run.sh: no cage could be made" >&2
    exit 2
}
random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }
ESCAPE_MOUNT=TKMT$(random 6)
export ESCAPE_INTERFACE='' ESCAPE_MOUNT
ip link set lo up
interface=tk$(random 5)
if ip link add "$interface" type dummy 2>/dev/null || ip link add "$interface" type bridge 2>/dev/null || ip tuntap add "$interface" mode tun 2>/dev/null; then ESCAPE_INTERFACE=$(ip -o link | sed -n 's/.*: \(tk[0-9a-f]*\):.*/\1/p'); fi
mkdir "$work/mount" && mount -t tmpfs "$ESCAPE_MOUNT" "$work/mount"
mount -t tmpfs -o mode=1777 shm /dev/shm

combinations=() names=() words=() dashes=no
for word in "$@"; do
    if [ "$word" = -- ]; then dashes=yes; elif [ $dashes = yes ]; then names+=("$word"); else words+=("$word"); fi
done
all=(native)
for user in root nobody; do
    [ $user = nobody ] || [ "$(id -u)" -eq 0 ] || continue
    for level in full no-namespaces; do for gate in trace notify; do all+=("$level-$gate-$user"); done; done
done
for one in "${all[@]}"; do
    chosen=yes
    for word in ${words[@]+"${words[@]}"}; do
        [ "$word" = inside ] && [ "$one" != native ] && continue
        [[ $one == "$word" || -$one- == *-$word-* ]] || chosen=no
    done
    # Whole names are added up; words that stand for several narrow down.
    for word in ${words[@]+"${words[@]}"}; do [[ $word != *-*-* || $one != "$word" ]] || chosen=yes; done
    [ $chosen = no ] || combinations+=("$one")
done
[ ${#combinations[@]} -gt 0 ] || {
    echo "run.sh: no such combination: ${words[*]}" >&2
    exit 2
}
"$work/attacker" --list | sort -t "$(printf '\t')" -k1,1 -k2,2 >"$work/table"
if [ ${#names[@]} -gt 0 ]; then
    for name in "${names[@]}"; do
        awk -F '\t' -v name="$name" '$1 == name || $2 == name' "$work/table" >"$work/found"
        [ -s "$work/found" ] || {
            echo "run.sh: no attack or class '$name'" >&2
            exit 2
        }
        cat "$work/found"
    done | sort -u >"$work/chosen"
else
    cp "$work/table" "$work/chosen"
fi

# Jobs: those that are measured (EXHAUSTS, bit 5) one after another, the others beside them.
mkdir "$work/jobs" "$work/taken" "$work/results" "$work/arenas"
chmod 1777 "$work/arenas"
number=0
job() { # job KIND COMBINATION NAME...
    number=$((number + 1))
    printf '%s\n' "$2" "${@:3}" >"$work/jobs/$1-$(printf %03d $number)"
}
for combination in "${combinations[@]}"; do
    mapfile -t heavy < <(awk -F '\t' 'int($4 / 32) % 2' "$work/chosen" | cut -f2)
    mapfile -t light < <(awk -F '\t' '!(int($4 / 32) % 2)' "$work/chosen" | cut -f2)
    [ ${#heavy[@]} -eq 0 ] || job a "$combination" "${heavy[@]}"
    for ((i = 0; i < ${#light[@]}; i += 40)); do job b "$combination" "${light[@]:i:40}"; done
done
worker() { # worker KIND... : takes jobs of these kinds until there are none
    local kind path taken lines combination level gate user uid options
    for kind in "$@"; do
        for path in "$work/jobs/$kind"-*; do
            taken=$work/taken/$(basename "$path")
            mv "$path" "$taken" 2>/dev/null || continue
            mapfile -t lines <"$taken"
            combination=${lines[0]} uid=0 options=()
            if [ "$combination" != native ]; then
                user=${combination##*-} level=${combination%-*-*} gate=${combination%-*}
                gate=${gate##*-}
                [ "$user" = root ] || uid=65534
                [ "$(id -u)" -eq 0 ] || uid=$(id -u)
                options=("$work/vedette" --isolation "$level" --gate "$gate")
            fi
            "$work/referee" "$combination" "$uid" "$work/attacker" "$work/arenas" "${loop:-none}" ${options[@]+"${options[@]}"} -- "${lines[@]:1}" \
                >>"$work/results/$BASHPID" 2>"$work/errors.$BASHPID" </dev/null
            [ ! -s "$work/errors.$BASHPID" ] || printf '%s\treferee\treferee\t-\tNOT RUN\t0\t%s\n' "$combination" "$(tr '\n\t' '  ' <"$work/errors.$BASHPID" | head -c 300)" >>"$work/results/$BASHPID"
        done
    done
}
worker a b &
workers=($!)
for ((i = 1; i < ${JOBS:-2}; i++)); do
    worker b &
    workers+=($!)
done
wait "${workers[@]}"
cat "$work"/results/* >"$work/all"

# The table: a row per attack, a column per combination. + it held (natively: it was shown); ! it did not; - it means nothing there.
awk -F '\t' -v OFS='\t' -v combinations="${combinations[*]}" -v quiet="${QUIET:-}" '
FNR == NR { result[$3, $1] = $5; why[$3, $1] = $7; if ($3 == "referee") broken[++brokenCount] = $1 ": " $7; next }
{ order[++count] = $2; class[$2] = $1; kind[$2] = $3; about[$2] = $6 }
END {
    columns = split(combinations, column, " ")
    for (i = 1; i <= columns; i++) if (!quiet) print "column " i ": " column[i]
    for (n = 1; n <= count; n++) {
        name = order[n]; cells = ""; bad = 0
        for (i = 1; i <= columns; i++) {
            r = result[name, column[i]]
            if (r == "held" || r == "shown") { passed++; cell = "+" }
            else if (r == "-") { skipped++; cell = "-" }
            else { failed++; bad = 1; cell = "!" }
            cells = cells " " cell
        }
        native = ((name, "native") in why) && result[name, "native"] == "-" ? " (" why[name, "native"] ")" : ""
        if (!quiet || bad) printf "%-10s %-24s %-6s%s  %s%s\n", class[name], name, kind[name], cells, about[name], native
        for (i = 1; i <= columns; i++) {
            r = result[name, column[i]]
            if (r != "held" && r != "shown" && r != "-") printf "  %s %s: %s: %s\n", r == "" ? "NOT RUN" : r, name, column[i], why[name, column[i]]
        }
    }
    for (i = 1; i <= brokenCount; i++) { failed++; print "  the referee failed: " broken[i] }
    print count " attacks, " columns " columns"
    print passed + 0 " passed, " failed + 0 " failed, " skipped + 0 " skipped"
    exit failed > 0
}' "$work/all" "$work/chosen"
status=$?
umount "$work/mount"
exit $status
