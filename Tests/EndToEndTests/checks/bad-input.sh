#!/usr/bin/env bash
# Bad input: one clear line, the right status, nothing changed on the host, no guest left behind.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
"$checks/../../../ctests/manifest.sh" "$work/here" >"$work/before"

refused missing-rootfs 125 "'/no/such/dir' does not exist" v --rootfs /no/such/dir -- true
refused rootfs-is-a-file 125 'not a directory' v --rootfs /etc/passwd -- true
refused lower-is-a-file 125 'not a directory' v --lower /etc/passwd -- true
refused missing-upper 125 'does not exist' v --upper ./nope -- true
refused upper-is-lower 125 'own' v --rootfs "$work/here" --upper "$work/here" -- true
refused missing-bind 125 'does not exist' v --bind /no/such/file -- true
refused relative-bind 125 'absolute' v --bind /etc:etc -- true
refused bind-over-root 125 '/' v --bind /etc:/ -- true
refused unknown-option 125 "'--frobnicate'" v --frobnicate -- true
refused missing-value 125 "'--rootfs" v --rootfs
refused no-command 125 'no command' v
refused empty-command 125 'empty' v ''
for pair in --net=lan --isolation=some --gate=door --size=12q --size=1 --size=99999999999999999999 --user=root --user=1:2:3 --user=4294967295 --env=NAME --env==x --fd=x --fd=0 --fd=77 --workdir=relative --tmpfs=relative --upper= --trace=/no/such/dir/file; do
    refused "value${pair/=/ }" 125 "${pair%%=*}" v "${pair%%=*}" "${pair#*=}" -- true
done
refused unknown-subcommand 125 'frob' "$VEDETTE" frob
if [ "$(id -u)" -ne 0 ] || [ ${#as[@]} -gt 0 ]; then
    mkdir -m 700 "$work/secret"; [ "$(id -u)" -ne 0 ] && chmod 000 "$work/secret"
    refused unreadable-rootfs 125 'may not be read' v --rootfs "$work/secret" -- true
    chmod 700 "$work/secret"
fi

refused not-found 127 'nosuchcommand' v -- nosuchcommand
refused not-found-path 127 '/no/such/command' v -- /no/such/command
printf 'not a program\n' >"$work/data"; chmod 644 "$work/data"
refused not-executable 126 'data' v -- "$work/data"
refused directory-as-command 126 '/etc' v -- /etc
printf '#!/no/such/interpreter\n' >"$work/script"; chmod 755 "$work/script"
refused missing-script-interpreter 127 'script' v -- "$work/script"
head -c 100 /bin/true >"$work/truncated"; chmod 755 "$work/truncated"
refused truncated-elf 126 'truncated' v -- "$work/truncated"
# e_machine 3 (i386), class 32: a header is enough.
printf '\177ELF\1\1\1\0\0\0\0\0\0\0\0\0\2\0\3\0\1\0\0\0\0\0\0\0\64\0\0\0\0\0\0\0\0\0\0\0\64\0\40\0\1\0\0\0\0\0\0\0' >"$work/elf32"; chmod 755 "$work/elf32"
refused elf-32-bit 126 'elf32' v -- "$work/elf32"
if command -v gcc >/dev/null && echo 'int main(void) { return 0; }' | gcc -x c - -o "$work/nointerp" -Wl,--dynamic-linker=/no/such/ld.so 2>/dev/null; then
    refused missing-elf-interpreter 127 'nointerp' v -- "$work/nointerp"
fi
: >"$work/empty"; chmod 755 "$work/empty"
refused empty-program 126 'empty' v -- "$work/empty"
"$checks/../../../ctests/manifest.sh" "$work/here" >"$work/after"
if diff "$work/before" "$work/after" >/dev/null; then ok nothing-changed; else fail nothing-changed "$(diff "$work/before" "$work/after" | head -3)"; fi

# Closed standard streams: the guest sees what it would see without us.
v -- sh -c 'echo x 2>/dev/null; exit $?' >&- 2>/dev/null; [ $? -eq 1 ] && ok stdout-closed || fail stdout-closed "status"
v -- true >&- 2>"$work/stderr"; [ $? -eq 0 ] && [ ! -s "$work/stderr" ] && ok stdout-closed-unused || fail stdout-closed-unused "$(head -1 "$work/stderr")"
v -- cat <&- >/dev/null 2>&1; [ $? -eq 1 ] && ok stdin-closed || fail stdin-closed "status $?"
v -- sh -c 'exit 3' >&- 2>&- <&-; [ $? -eq 3 ] && ok all-closed || fail all-closed "status"
"$VEDETTE" --help >&- 2>"$work/stderr"; [ $? -eq 125 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && ok help-stdout-closed || fail help-stdout-closed "$(head -1 "$work/stderr")"
"$VEDETTE" --help >/dev/full 2>/dev/null; [ $? -eq 125 ] && ok help-stdout-full || fail help-stdout-full "status"
v -- sh -c 'yes | head -1; exit 5' | head -1 >/dev/null; [ "${PIPESTATUS[0]}" -eq 5 ] && ok pipe || fail pipe "status"
v -- yes 2>/dev/null | head -1 >/dev/null; [ "${PIPESTATUS[0]}" -eq 141 ] && ok reader-gone || fail reader-gone "status ${PIPESTATUS[0]}, not 141"
[ -z "$(leftovers "$work")" ] && ok no-guest-left || fail no-guest-left "$(leftovers "$work" | tr '\n' ' ')"
finish
