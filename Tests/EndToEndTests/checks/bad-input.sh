#!/usr/bin/env bash
# Bad input: one clear line, the right status, nothing changed on the host, no guest left behind.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$checks/../../../ctests/manifest.sh" "$work/here" >"$work/before"

refused missing-rootfs 125 "'/no/such/dir' does not exist" v --rootfs /no/such/dir -- true
refused rootfs-is-a-file 125 'not a directory' v --rootfs /etc/passwd -- true
refused lower-is-a-file 125 'not a directory' v --lower /etc/passwd -- true
refused missing-upper 125 "'./nope' does not exist" v --upper ./nope/deeper -- true
refused upper-is-lower 125 'own' v --rootfs "$work/here" --upper "$work/here" -- true
refused missing-bind 125 'does not exist' v --bind /no/such/file -- true
refused relative-bind 125 'absolute' v --bind /etc:etc -- true
refused bind-over-root 125 '/' v --bind /etc:/ -- true
refused unknown-option 125 "'--frobnicate'" v --frobnicate -- true
refused missing-value 125 "--rootfs lacks its value" v --rootfs
refused no-command 125 'no command' v
refused empty-command 125 'empty' v ''
for pair in --net=lan --isolation=some --gate=door --size=12q --size=1 --size=99999999999999999999 --user=no-such-user --user=1:2:3 --user=4294967295 --env==x --fd=x --fd=0 --fd=77 --workdir=relative --tmpfs=relative --upper= --trace=/no/such/dir/file; do
    refused "value${pair/=/ }" 125 "${pair%%=*}" v "${pair%%=*}" "${pair#*=}" -- true
done
refused unknown-subcommand 125 'frob' "$VEDETTE" frob
if [ "$(id -u)" -ne 0 ] || [ ${#as[@]} -gt 0 ]; then
    mkdir -m 700 "$work/secret"
    [ "$(id -u)" -ne 0 ] && chmod 000 "$work/secret"
    refused unreadable-rootfs 125 'may not be read' v --rootfs "$work/secret" -- true
    chmod 700 "$work/secret"
fi

refused not-found 127 'nosuchcommand' v -- nosuchcommand
refused not-found-path 127 '/no/such/command' v -- /no/such/command
printf 'not a program\n' >"$work/data"
chmod 644 "$work/data"
refused not-executable 126 'data' v -- "$work/data"
refused directory-as-command 126 '/etc' v -- /etc
printf '#!/no/such/interpreter\n' >"$work/script"
chmod 755 "$work/script"
refused missing-script-interpreter 127 'script' v -- "$work/script"
head -c 100 /bin/true >"$work/truncated"
chmod 755 "$work/truncated"
refused truncated-elf 126 'truncated' v -- "$work/truncated"
# e_machine 3 (i386), class 32: a header is enough.
printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0\0\0\0\0\64\0\0\0\0\0\0\0\0\0\0\0\64\0\40\0\1\0\0\0\0\0\0\0' >"$work/elf32"
chmod 755 "$work/elf32"
refused elf-32-bit 126 'elf32.*Exec format error' v -- "$work/elf32"
if command -v gcc >/dev/null && echo 'int main(void) { return 0; }' | gcc -x c - -o "$work/nointerp" -Wl,--dynamic-linker=/no/such/ld.so 2>/dev/null; then
    refused missing-elf-interpreter 127 'nointerp' v -- "$work/nointerp"
fi
: >"$work/empty"
chmod 755 "$work/empty"
refused empty-program 126 'empty' v -- "$work/empty"
"$checks/../../../ctests/manifest.sh" "$work/here" >"$work/after"
if diff "$work/before" "$work/after" >/dev/null; then ok nothing-changed; else fail nothing-changed "$(diff "$work/before" "$work/after" | head -3)"; fi

# Runs a command under a filter, or just runs it.
compiler=$(command -v cc || command -v gcc || command -v clang) && "$compiler" -O -o "$work/under_filter" "$checks/../tools/under_filter.c" || fail setup 'no C compiler'

# Cut off anywhere, a program ends as it would natively: refused, or by the fault that a missing page is.
size=$(stat -Lc %s /bin/true)
for length in 1 4 63 64 119 120 500 $((size / 4)) $((size / 2)) $((size - 1)); do
    head -c "$length" /bin/true >"$work/cut"
    chmod 755 "$work/cut"
    (
        ulimit -c 0
        "$work/under_filter" -- "$work/cut"
        exit $?
    ) >/dev/null 2>&1
    native=$?
    v -- "$work/cut" >/dev/null 2>"$work/stderr"
    inside=$?
    if [ $inside -ne $native ]; then
        fail "truncated-elf-$length" "status $inside, natively $native: $(head -1 "$work/stderr")"
    elif [ $inside -eq 126 ] && { [ "$(wc -l <"$work/stderr")" -ne 1 ] || ! grep -q "^vedette: cannot execute '$work/cut'" "$work/stderr"; }; then
        fail "truncated-elf-$length" "said: $(tr '\n' '|' <"$work/stderr")"
    else
        ok "truncated-elf-$length"
    fi
done

# Every exit status and every signal that ends a process.
wrong=
for status in $(seq 0 255); do
    v -- sh -c "exit $status"
    [ $? -eq "$status" ] || wrong+=" $status"
done
[ -z "$wrong" ] && ok every-exit-status || fail every-exit-status "wrong:$wrong"
wrong=
for signal in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 24 25 26 27 29 30 31 34 63 64; do
    v -- sh -c "ulimit -c 0; kill -$signal \$\$"
    [ $? -eq $((128 + signal)) ] || wrong+=" $signal"
done
[ -z "$wrong" ] && ok every-signal || fail every-signal "wrong:$wrong"

# Under a filter like that of a container runtime: a listener above ours, calls that an old kernel or a profile refuses.
under() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$work/under_filter" "${rules[@]}" -- "$VEDETTE" run ${level[@]+"${level[@]}"} "$@"; }
lacking() { # lacking NAME PATTERN RULE... : refused with 125
    local name=$1 pattern=$2
    rules=("${@:3}")
    refused "$name" 125 "$pattern" under -- true
}
without() { # without NAME RULE... : does without
    local name=$1
    rules=("${@:2}")
    expect "$name" 4 inside under -- sh -c 'echo inside; exit 4'
}
lacking listener-taken 'a filter above us has one.*busy' listener
lacking no-seccomp 'seccomp' 317=38
lacking no-listener 'seccomp filter was refused' '317:1&8=22'
lacking no-openat2 'openat2' 437=38
lacking openat2-forbidden 'openat2.*not permitted' 437=1
lacking no-statx 'statx' 332=38
lacking ptrace-forbidden 'ptrace' 101=1
without no-pidfd-getfd 438=38
without pidfd-getfd-forbidden 438=1
# Guests' memory is in /proc/PID/mem too.
without no-memory-access 310=1
without no-memory-writing 311=38
lacking no-pidfd 'pidfd_open' 434=38
lacking no-close-range 'close_range' 436=38
lacking no-memory-file 'memfd_create' 319=38
lacking no-killable-wait 'seccomp filter was refused' '317:1&32=22'
without no-kcmp 312=1
# clone3, fsopen: auto falls back to no namespaces, full says what is missing.
without no-clone3 435=38
without no-fsopen 430=38
if [ ${#level[@]} -eq 0 ]; then
    level=(--isolation full)
    lacking full-without-clone3 'user namespaces are refused' 435=38
    lacking full-without-fsopen 'no-namespaces works without' 430=38
    level=()
    without no-landlock 444=38
    lacking no-walls 'neither namespaces nor Landlock' 435=38 444=38
fi
level=(--isolation no-namespaces) rules=('444=38')
seen=$(under -- sh -c 'echo inside; exit 4' 2>"$work/stderr")
[ $? -eq 4 ] && [ "$seen" = inside ] && [ "$(cat "$work/stderr")" = 'vedette: warning: no namespaces and no Landlock: the filter is the only wall around the command' ] &&
    ok filter-alone || fail filter-alone "$(head -3 "$work/stderr" | tr '\n' ' ')"
# At no-namespaces a wall keeps /proc read-only to who may write to /proc/sys, guests' memory with it.
if [ "$MODE" = root ] && [ -w /proc/sys/kernel/core_pattern ]; then
    lacking no-memory-writing-as-root 'process_vm_writev is not allowed here, and /proc/sys can be written' 311=1
fi
level=()
case $MODE in *no-namespaces) level=(--isolation no-namespaces) ;; esac
refused no-thread 125 'no thread' ${as[@]+"${as[@]}"} "$work/under_filter" '56:0&0x10000=11' '435=38' -- "$VEDETTE" run --isolation no-namespaces -- true

# A full disk below --upper: the guest gets ENOSPC, we do not mind, the upper stays whole.
full_disk() { # full_disk NAME DIRECTORY : the directory is a small file system's
    local name=$1 directory=$2 seen status
    mkdir "$directory/upper"
    [ ${#as[@]} -eq 0 ] || chown 65534:65534 "$directory/upper"
    head -c 2000000 /dev/urandom >"$work/here/large"
    chmod 666 "$work/here/large"
    sum=$(sha1sum <"$work/here/large")
    seen=$(v --upper "$directory/upper" -- bash -c '
        mkdir d; echo early >d/early
        head -c 100000000 /dev/zero >d/big 2>/dev/null; echo "write $?"
        echo more >>large; echo "copy-up $?"; sha1sum <large
        for i in $(seq 300); do : >"d/some-rather-long-name-that-takes-its-space-$i" || break; done 2>message
        rm -f large; echo "delete $?"
        rm -f d/big d/some*; echo late >d/late && cat d/early d/late; exit 7' 2>"$work/stderr")
    status=$?
    case $seen in
    "write 1
copy-up 1
$sum
delete "[01]"
early
late") [ $status -eq 7 ] && ok "full-disk-$name" || fail "full-disk-$name" "status $status" ;;
    *) fail "full-disk-$name" "status $status, printed '$seen': $(head -3 "$work/stderr" | tr '\n' ' ')" ;;
    esac
    [ "$(sha1sum <"$work/here/large")" = "$sum" ] && ok "full-disk-$name-lower" || fail "full-disk-$name-lower" 'the lower file was changed'
    expect "full-disk-$name-fsck" 0 "$(${as[@]+"${as[@]}"} "$VEDETTE" fsck "$directory/upper" | grep '^clean')" ${as[@]+"${as[@]}"} "$VEDETTE" fsck "$directory/upper"
    rm -f "$work/here/large"
}
if [ "$(id -u)" -eq 0 ]; then
    mkdir "$work/disk"
    chmod 755 "$work/disk"
    if mount -t tmpfs -o size=1m,mode=755 none "$work/disk" 2>/dev/null; then
        full_disk tmpfs "$work/disk"
        umount "$work/disk"
    else skip full-disk-tmpfs 'no tmpfs can be mounted here'; fi
    if command -v mkfs.ext4 >/dev/null && truncate -s 4M "$work/image" && mkfs.ext4 -q -N 100 "$work/image" && mount -o loop "$work/image" "$work/disk" 2>/dev/null; then
        full_disk ext4 "$work/disk"
        umount "$work/disk"
    else skip full-disk-ext4 'no ext4 image can be mounted here'; fi
else
    skip full-disk 'needs root to mount a small file system'
fi

# kill -9 of the supervisor at any moment, the start included, leaves no guest and no file.
mark=98$$
mkdir -m 777 "$work/temporary"
for _ in $(seq 60); do
    TMPDIR=$work/temporary ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} -- bash -c "sleep $mark & (setsid sleep $mark &); cat /etc/passwd >/dev/null; exec sleep $mark" >/dev/null 2>&1 &
    sleep "0.0$((RANDOM % 60 + 10))$RANDOM"
    kill -KILL $!
    wait $! 2>/dev/null
done 2>/dev/null
if waitGone "sleep $mark"; then ok kill-9-at-any-moment; else fail kill-9-at-any-moment "$(leftovers "sleep $mark" | tr '\n' ' ')"; fi
for _ in $(seq 50); do
    left=$(ls "$work/temporary")
    [ -z "$left" ] && break
    sleep 0.1
done
[ -z "$left" ] && ok kill-9-leaves-no-file || fail kill-9-leaves-no-file "$left"

# Closed standard streams: the guest sees what it would see without us.
v -- sh -c 'echo x 2>/dev/null; exit $?' >&- 2>/dev/null
[ $? -eq 1 ] && ok stdout-closed || fail stdout-closed "status"
v -- true >&- 2>"$work/stderr"
[ $? -eq 0 ] && [ ! -s "$work/stderr" ] && ok stdout-closed-unused || fail stdout-closed-unused "$(head -1 "$work/stderr")"
v -- cat <&- >/dev/null 2>&1
[ $? -eq 1 ] && ok stdin-closed || fail stdin-closed "status $?"
v -- sh -c 'exit 3' >&- 2>&- <&-
[ $? -eq 3 ] && ok all-closed || fail all-closed "status"
"$VEDETTE" --help >&- 2>"$work/stderr"
[ $? -eq 125 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && ok help-stdout-closed || fail help-stdout-closed "$(head -1 "$work/stderr")"
"$VEDETTE" --help >/dev/full 2>/dev/null
[ $? -eq 125 ] && ok help-stdout-full || fail help-stdout-full "status"
v -- sh -c 'yes | head -1; exit 5' | head -1 >/dev/null
[ "${PIPESTATUS[0]}" -eq 5 ] && ok pipe || fail pipe "status"
v -- yes 2>/dev/null | head -1 >/dev/null
[ "${PIPESTATUS[0]}" -eq 141 ] && ok reader-gone || fail reader-gone "status ${PIPESTATUS[0]}, not 141"
[ -z "$(leftovers "$work")" ] && ok no-guest-left || fail no-guest-left "$(leftovers "$work" | tr '\n' ' ')"
finish
