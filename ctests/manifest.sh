#!/usr/bin/env bash
# manifest.sh DIR... : prints one record per file below the directories, sorted, so that two runs can be compared with diff.
# A record is: type, mode, links, owner, size, mtime, ctime, name, symlink target; then a line of sha256 per regular file.
# ctime is what makes this a proof: no program can set it back, so an attribute changed and restored still shows.
# Access times are left out: reading a lower file may move them on the host, as reading any file may.
set -u
export LC_ALL=C
if [ $# -eq 0 ]; then
    echo "usage: manifest.sh DIR..." >&2
    exit 2
fi
# Records end in NUL until they are sorted: a name may hold a newline, and %p prints it raw when it is not a terminal.
find "$@" -xdev -printf '%y %m %n %U:%G %s %T@ %C@ %p -> %l\0' | sort -z | tr '\0\n' '\n\001'
# MANIFEST_NOATIME: one hash over all contents, without moving access times, for callers that go on to look at them. As an
# archive, because tar skips the holes of a huge sparse file.
if [ -n "${MANIFEST_NOATIME:-}" ]; then
    tar --create --sparse --sort=name --one-file-system --atime-preserve=system --absolute-names --numeric-owner --file=- -- "$@" 2>/dev/null | sha256sum
    exit
fi
find "$@" -xdev -type f -print0 | sort -z | xargs -0 -r sha256sum -b --zero -- 2>&1 | tr '\0\n' '\n\001'
