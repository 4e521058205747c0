#!/usr/bin/env bash
# Many more random operations than a test run has time for: chunks of new seeds over all kinds of layers, in turn as the caller
# and (for root) as nobody, until LOG counts TOTAL operations. It goes on where LOG ends.
#
#   campaign.sh TOTAL LOG [SECONDS]
#
# A line of LOG: time, user, mode, first and last seed, steps of each, operations alike, seeds that differ, version of the
# binary. Only operations that were compared and alike are counted. What a differing seed printed is kept in LOG.differences.
# Environment: OUT, VEDETTE as in differential.sh; COUNT (2500), CHUNK (4 seeds), LOCK (a file to hold shared for each chunk).
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
total=${1:?campaign.sh TOTAL LOG [SECONDS]} log=${2:?campaign.sh TOTAL LOG [SECONDS]} limit=${3:-0}
OUT=$(readlink -f "${OUT:-$here/../.build/ctests}")
VEDETTE=$(readlink -f "${VEDETTE:-$here/../.build/release/vedette}")
COUNT=${COUNT:-2500} CHUNK=${CHUNK:-4}
touch "$log" || exit 2
# Copies: a build in the meantime must not change what is tested, and uid 65534 must reach it.
copy=$(mktemp -d "${TMPDIR:-/tmp}/vedette-campaign.XXXXXX") || exit 2
cp -r "$here" "$copy/ctests"
cp "$OUT/differential" "$copy/"
cp "$VEDETTE" "$copy/vedette"
chmod -R a+rX "$copy"
trap 'rm -rf "$copy"' EXIT
trap 'exit 130' INT TERM
version=$(sha256sum "$copy/vedette" | cut -c1-12)
plans=("- empty" "- populated" "- lowers" "- upper")
[ "$(id -u)" -ne 0 ] || plans+=("nobody lowers" "nobody upper")
sum() { awk '{ alike += $7 } END { print alike + 0 }' "$log"; }
began=$SECONDS turn=$(wc -l <"$log") seed=$(awk '$5 > last { last = $5 } END { print (last ? last : 1000) + 1 }' "$log")
while [ "$(sum)" -lt "$total" ] && { [ "$limit" -eq 0 ] || [ $((SECONDS - began)) -lt "$limit" ]; }; do
    read -r user mode <<<"${plans[turn % ${#plans[@]}]}"
    as=()
    [ "$user" = - ] || as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    hold=()
    [ -z "${LOCK:-}" ] || hold=(flock -s "$LOCK")
    last=$((seed + CHUNK - 1))
    output=$(OUT=$copy VEDETTE=$copy/vedette ${hold[@]+"${hold[@]}"} ${as[@]+"${as[@]}"} \
        "$copy/ctests/differential.sh" "$mode" --seeds "$seed..$last" --count "$COUNT" 2>&1)
    line=$(tail -1 <<<"$output")
    alike=$(sed -n 's/^\([0-9]*\) operations alike.*/\1/p' <<<"$line") differ=$(sed -n 's/.* \([0-9]*\) failed$/\1/p' <<<"$line")
    echo "$(date +%FT%T) $user $mode $seed $last $COUNT ${alike:-0} ${differ:-set-up-failed} $version" >>"$log"
    if [ "${differ:-1}" != 0 ]; then {
        echo "== $user $mode $seed..$last $version"
        echo "$output"
    } >>"$log.differences"; fi
    [ -n "$differ" ] || {
        echo "campaign.sh: a run could not be set up: $line" >&2
        exit 1
    }
    seed=$((last + 1)) turn=$((turn + 1))
done
echo "$(sum) operations alike in $(wc -l <"$log") chunks, $(awk '{ if ($8 != 0) bad += $8 ~ /^[0-9]+$/ ? $8 : 1 } END { print bad + 0 }' "$log") seeds differ"
