# Programs that install seccomp filters of their own.
set -u
command -v file >/dev/null && command -v man >/dev/null || exit 77
file /bin/ls | sed 's/BuildID.*//'
file -b --mime-type /etc/passwd /bin/sh -L
file nope
echo text >t
file t
file .
man -w ls
echo "man $?"
man -w nosuchpage 2>&1
echo "man $?"
man -w 1 ls
man -P cat 1 true 2>/dev/null | head -3 | wc -l
