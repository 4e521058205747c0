#!/usr/bin/env bash
# Mappings follow their file through copy-up: the demonstration, and the check that the record of mappings is the kernel's.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cp "$checks/../demo-coherence.sh" "$checks/../coherence.c" "$work"
chmod 755 "$work"/*
shown=$(TMPDIR=$PWD timeout -k 5 60 ${as[@]+"${as[@]}"} bash "$work/demo-coherence.sh" "$VEDETTE" 2>&1)
[ $? -eq 0 ] && ok demonstration || fail demonstration "$shown"
gcc -o "$work/coherence" "$work/coherence.c"
chmod 755 "$work/coherence"
# The remap maps the upper file, which is not a read of the guest's: the access time that it set stays.
printf old >timed
mkdir upper
chmod 666 timed
[ ${#as[@]} -eq 0 ] || chown 65534:65534 upper timed
expect access-time 0 1000000000 v --upper "$PWD/upper" -- python3 -c 'import mmap, os
file = open("timed", "rb"); m = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
os.utime("timed", (1000000000, 900000000)); print(int(os.stat("timed").st_atime))'
export VEDETTE_CHECK=mappings
printf old >file
chmod 666 file
expect checked 0 'old new new' v -- sh -c "$work/coherence reader file & while [ ! -e file.mapped ]; do sleep 0.05; done; $work/coherence writer file; : >file.written; wait"
grep -qE '^vedette: mapping check: [1-9][0-9]* comparisons, 0 differences$' "$work/stderr" && ok counted || fail counted "$(cat "$work/stderr")"
finish
