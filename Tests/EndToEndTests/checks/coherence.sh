#!/usr/bin/env bash
# Mappings follow their file through copy-up: the demonstration, and the check that the record of mappings is the kernel's.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cp "$checks/../demo-coherence.sh" "$checks/../coherence.c" "$work"; chmod 755 "$work"/*
shown=$(TMPDIR=$PWD timeout -k 5 60 ${as[@]+"${as[@]}"} bash "$work/demo-coherence.sh" "$VEDETTE" 2>&1)
[ $? -eq 0 ] && ok demonstration || fail demonstration "$shown"
gcc -o "$work/coherence" "$work/coherence.c"; chmod 755 "$work/coherence"
export VEDETTE_CHECK=mappings
printf old >file; chmod 666 file
expect checked 0 'old new new' v -- sh -c "$work/coherence reader file & while [ ! -e file.mapped ]; do sleep 0.05; done; $work/coherence writer file; : >file.written; wait"
grep -qE '^vedette: mapping check: [1-9][0-9]* comparisons, 0 differences$' "$work/stderr" && ok counted || fail counted "$(cat "$work/stderr")"
finish
