#!/usr/bin/env bash
# Runs the random differential test and compares logs: the same seed natively in a fresh directory, and somewhere else.
#
#   differential.sh MODE [--seeds FIRST..LAST] [--count N] [--steps FILE] [-- OPTION...]
#
#   native      two real file systems: $SCRATCH_ROOT and $OTHER_ROOT (/dev/shm). Validates the generator itself.
#   empty       inside, over an empty lower directory
#   populated   inside, over a populated lower directory
#   lowers      inside, over three populated lower layers laid over one another
#   upper       inside, over a populated lower, with `--upper DIR` (UPPER_ROOT says where, default $SCRATCH_ROOT)
#   saved       inside, over what another run with another seed (of $SAVED steps, 1000) has left with `--upper`, as `--lower`; seeds
#               that are even change it in memory, odd ones in a new `--upper DIR`
#   inside      empty, populated, lowers and upper, one after the other
#
# Options after `--` go to `vedette run`. Environment: OUT, VEDETTE, SCRATCH_ROOT, OTHER_ROOT, UPPER_ROOT, TIMEOUT (120).
# A seed that differs is shrunk: to the shortest run that does, then to the steps that matter ($SHRINK runs at most, 60). Seed,
# step, both lines, the steps that are left and the command to repeat it are printed. Known and explained differences: expected-differences.txt, lines `differential/PATTERN: reason`
# (PATTERN is an extended regular expression; log lines that match it on both sides are left out of the comparison).
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
OUT=${OUT:-$here/../.build/ctests}
VEDETTE=${VEDETTE:-$here/../.build/release/vedette}
SCRATCH_ROOT=${SCRATCH_ROOT:-${TMPDIR:-/tmp}}
OTHER_ROOT=${OTHER_ROOT:-/dev/shm}
TIMEOUT=${TIMEOUT:-120}
SAVED=${SAVED:-1000}
SHRINK=${SHRINK:-60}
first=1 last=10 count=2000 options=() only=()

usage() {
    sed -n '2,20s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2
    exit 2
}
modes=${1:-}
shift || usage
case $modes in
native | empty | populated | lowers | upper | saved) ;;
inside) modes="empty populated lowers upper" ;;
*) usage ;;
esac
while [ $# -gt 0 ]; do
    case $1 in
    --seeds)
        [ $# -ge 2 ] || usage
        first=${2%%..*} last=${2##*..}
        shift 2
        ;;
    --count)
        [ $# -ge 2 ] || usage
        count=$2
        shift 2
        ;;
    --steps)
        [ $# -ge 2 ] || usage
        only=("$2")
        shift 2
        ;;
    --)
        shift
        options=("$@")
        break
        ;;
    *) usage ;;
    esac
done
program=$OUT/differential
[ -x "$program" ] || {
    echo "differential.sh: $program is not built: run make first" >&2
    exit 2
}
program=$(readlink -f "$program")
if [ "$modes" != native ] && [ ! -x "$VEDETTE" ]; then
    echo "differential.sh: $VEDETTE is not an executable (set VEDETTE)" >&2
    exit 2
fi

work=$(mktemp -d "$SCRATCH_ROOT/vedette-differential.XXXXXX") || exit 2
other=$(mktemp -d "$OTHER_ROOT/vedette-differential.XXXXXX") || exit 2
upperRoot=$(mktemp -d "${UPPER_ROOT:-$SCRATCH_ROOT}/vedette-upper.XXXXXX") || exit 2
chmod 755 "$work" "$other" "$upperRoot"
# Random modes may have shut directories against their own owner, several levels deep.
remove() {
    local try
    for try in "$@"; do
        [ -e "$try" ] || continue
        find "$try" -type d ! -perm -700 -exec chmod u+rwx {} \; 2>/dev/null
        chmod -R u+rwX "$try" 2>/dev/null
        rm -rf "$try" 2>/dev/null || {
            find "$try" -type d -exec chmod u+rwx {} + 2>/dev/null
            rm -rf "$try"
        }
    done
}
trap 'remove "$work" "$other" "$upperRoot"' EXIT
trap 'exit 130' INT TERM

patterns=$(sed -n 's/^differential\/\(.*\): .*/\1/p' "$here/expected-differences.txt" 2>/dev/null)
comparable() { if [ -n "$patterns" ]; then grep -vE "$patterns" "$1"; else cat "$1"; fi; }

# run MODE SEED COUNT [STEPFILE]: leaves $work/reference.log and $work/candidate.log; false if they differ or a run fails.
run() {
    local mode=$1 seed=$2 steps=$3 status layer chosen=()
    [ $# -lt 4 ] || chosen=(--steps "$4")
    remove "$work/reference" "$work/inside" "$work"/lower* "$other/inside" "$upperRoot/upper" "$upperRoot/saved"
    mkdir "$work/reference"
    local directory=$work/inside layers=()
    unset DIFFERENTIAL_NO_SETGID
    if [[ $mode == upper || $mode == saved ]] && [ "$(id -u)" -ne 0 ]; then export DIFFERENTIAL_NO_SETGID=1; fi
    case $mode in
    native)
        directory=$other/inside
        mkdir "$directory"
        ;;
    empty) mkdir "$directory" ;;
    populated | upper | saved)
        mkdir "$directory"
        "$program" prepare "$work/reference" 0 && "$program" prepare "$directory" 0 || return 2
        ;;
    lowers)
        mkdir "$directory"
        for layer in 1 2 3; do
            mkdir -p "$work/lower$layer$directory"
            "$program" prepare "$work/reference" $layer && "$program" prepare "$work/lower$layer$directory" $layer || return 2
            layers=(--lower "$work/lower$layer" ${layers[@]+"${layers[@]}"}) # topmost first
        done
        ;;
    esac
    [ "$mode" = upper ] && {
        mkdir "$upperRoot/upper"
        layers=(--upper "$upperRoot/upper")
    }
    if [ "$mode" = saved ]; then
        # Another sequence on both sides earlier, which must have gone alike.
        local earlier=$((seed + 1000000))
        timeout -k 5 "$TIMEOUT" "$program" $earlier "$SAVED" "$work/reference" --log >"$work/reference.saved" 2>&1 </dev/null || return 2
        timeout -k 5 "$TIMEOUT" "$VEDETTE" run --upper "$upperRoot/saved" ${options[@]+"${options[@]}"} -- \
            "$program" $earlier "$SAVED" "$directory" --log >"$work/candidate.saved" 2>&1 </dev/null || {
            echo "  the run that is saved ended with status $?: $(tail -1 "$work/candidate.saved")"
            return 2
        }
        layers=(--lower "$upperRoot/saved")
        if [ $((seed % 2)) -ne 0 ]; then
            mkdir "$upperRoot/upper"
            layers+=(--upper "$upperRoot/upper")
        fi
    fi
    timeout -k 5 "$TIMEOUT" "$program" "$seed" "$steps" "$work/reference" --log ${chosen[@]+"${chosen[@]}"} >"$work/reference.log" 2>&1 </dev/null
    status=$?
    [ $status -eq 0 ] || {
        echo "  the native run ended with status $status"
        return 2
    }
    if [ "$mode" = native ]; then
        timeout -k 5 "$TIMEOUT" "$program" "$seed" "$steps" "$directory" --log ${chosen[@]+"${chosen[@]}"} >"$work/candidate.log" 2>&1 </dev/null
    else
        local watched=("$directory")
        [ "$mode" = lowers ] && watched+=("$work"/lower?)
        "$here/manifest.sh" "${watched[@]}" >"$work/before"
        timeout -k 5 "$TIMEOUT" "$VEDETTE" run ${layers[@]+"${layers[@]}"} ${options[@]+"${options[@]}"} -- \
            "$program" "$seed" "$steps" "$directory" --log ${chosen[@]+"${chosen[@]}"} >"$work/candidate.log" 2>&1 </dev/null
    fi
    status=$?
    if [ "$mode" != native ]; then
        "$here/manifest.sh" "${watched[@]}" >"$work/after"
        cmp -s "$work/before" "$work/after" || {
            echo "  the host was changed:"
            diff "$work/before" "$work/after" | head -10
            return 1
        }
    fi
    [ $status -eq 0 ] || {
        echo "  the run ended with status $status"
        tail -3 "$work/candidate.log"
        return 1
    }
    comparable "$work/reference.log" >"$work/reference.cmp"
    comparable "$work/candidate.log" >"$work/candidate.cmp"
    # Digests stand on the last line; they say nothing that the lines before do not.
    cmp -s <(sed '$d' "$work/reference.cmp") <(sed '$d' "$work/candidate.cmp")
}

# The step of the first line that differs; nothing if it is not a step's (the digest of the tree, or the end).
firstDifference() {
    cmp -s "$work/reference.cmp" "$work/candidate.cmp" && return
    awk 'NR == FNR { other[FNR] = $0; next }
         /^[0-9]/ { step = $1; tree = $2 == "tree" }
         /^(process|tree)/ { exit }
         $0 != other[FNR] { if (!tree) print step; exit }' "$work/candidate.cmp" "$work/reference.cmp"
}

shrink() {
    local mode=$1 seed=$2 good=0 bad=$3 middle runs=0 steps=$work/steps trial=$work/trial size left from
    middle=$(firstDifference)
    if [ -n "$middle" ] && ! run "$mode" "$seed" $((middle + 1)) >/dev/null; then bad=$((middle + 1)) good=$middle; fi
    while [ $((bad - good)) -gt 1 ]; do
        middle=$(((good + bad) / 2))
        if run "$mode" "$seed" "$middle" >/dev/null; then good=$middle; else bad=$middle; fi
    done
    # Leave out parts of what is left, large ones first, for as long as it still differs.
    seq 0 $((bad - 1)) >"$steps"
    size=$(((bad + 1) / 2))
    while [ $size -ge 1 ] && [ $runs -lt "$SHRINK" ]; do
        left=$(wc -l <"$steps") from=1
        while [ $from -le "$left" ] && [ $runs -lt "$SHRINK" ]; do
            sed "${from},$((from + size - 1))d" "$steps" >"$trial"
            runs=$((runs + 1))
            run "$mode" "$seed" "$bad" "$trial" >/dev/null
            if [ $? -eq 1 ]; then
                cp "$trial" "$steps"
                left=$(wc -l <"$steps")
            else from=$((from + size)); fi
        done
        size=$((size / 2))
    done
    run "$mode" "$seed" "$bad" "$steps"
    cp "$steps" "${TMPDIR:-/tmp}/differential-$mode-$seed.steps"
    echo "  seed $seed, first difference at step $((bad - 1)) of $bad; $(wc -l <"$steps") steps are left:"
    sed '/^process/,$d; /^tree/,$d; s/^/    /' "$work/reference.cmp" | tail -15 | cut -c1-220
    diff <(sed '$d' "$work/reference.cmp") <(sed '$d' "$work/candidate.cmp") | grep '^[<>]' | head -6 | sed 's/^</  native: /; s/^>/  other:  /'
    echo "  again: $0 $mode --seeds $seed..$seed --count $bad --steps ${TMPDIR:-/tmp}/differential-$mode-$seed.steps"
}

same=0 different=0
for mode in $modes; do
    for ((seed = first; seed <= last; seed++)); do
        if run "$mode" "$seed" "$count" ${only[@]+"${only[@]}"}; then
            same=$((same + 1))
        else
            case $? in 2)
                echo "differential.sh: set-up failed in mode $mode" >&2
                exit 2
                ;;
            esac
            echo "DIFFERENT $mode seed $seed"
            if [ ${#only[@]} -gt 0 ]; then
                diff "$work/reference.cmp" "$work/candidate.cmp" | head -40
            else
                # What was seen first, in case that it does not come again.
                diff "$work/reference.cmp" "$work/candidate.cmp" | head -6 | cut -c1-300 | sed 's/^/  /'
                shrink "$mode" "$seed" "$count"
            fi
            different=$((different + 1))
        fi
    done
done
echo "$((same * count)) operations alike; $same passed, $different failed"
[ $different -eq 0 ]
