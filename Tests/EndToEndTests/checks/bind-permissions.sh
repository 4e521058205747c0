#!/usr/bin/env bash
# Through a writable bind no set-id file and no device node comes to be on the host, whoever the guest is inside.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
bound=$work/bound
mkdir "$bound"
[ ${#as[@]} -eq 0 ] || chown 65534:65534 "$bound"
for who in "" --fake-root; do
    for gate in trace notify; do
        v $who --gate $gate --bind "$bound:/mnt" -- python3 -c '
import os
os.umask(0)
for i, make in enumerate((
    lambda p: os.close(os.open(p, os.O_CREAT | os.O_WRONLY, 0o6755)),
    lambda p: os.mknod(p, 0o106755),
    lambda p: (open(p, "w").close(), os.chmod(p, 0o6755)),
    lambda p: (open(p, "w").close(), os.fchmod(os.open(p, os.O_RDONLY), 0o4755)),
    lambda p: os.mknod(p, 0o020666, os.makedev(1, 3)),
    lambda p: os.mknod(p, 0o060666, os.makedev(254, 0)),
    lambda p: os.mknod(p, 0o020666, 0),
    lambda p: os.link("/proc/self/fd/%d" % (lambda f: (os.fchmod(f, 0o6755), f)[1])(os.open("/mnt", os.O_TMPFILE | os.O_RDWR, 0o6755)), p, follow_symlinks=True),
    lambda p: (open(p, "w").close(), os.setxattr(p, "security.capability", bytes.fromhex("0100000200040000000000000000000000000000"))),
)):
    try: make("/mnt/f%d" % i)
    except OSError: pass
' 2>"$work/stderr" || fail "guest-$gate$who" "$(head -2 "$work/stderr")"
        files=$(find "$bound" -type f | wc -l)
        [ "$files" -ge 5 ] && ok "files-made-$gate$who" || fail "files-made-$gate$who" "$files files"
        wrong=$(
            find "$bound" \( -perm /6000 -o -type b -o -type c \) | tr '\n' ' '
            getfattr -Rm security.capability "$bound" 2>/dev/null
        )
        [ -z "$wrong" ] && ok "none-on-the-host-$gate$who" || fail "none-on-the-host-$gate$who" "$wrong"
        rm -rf "${bound:?}"/*
    done
done
finish
