#!/usr/bin/env bash
# demo.sh VEDETTE : the main job. A script runs inside and changes files all over; then the host is proved unchanged.
set -u
vedette=$(realpath "${1:?usage: demo.sh VEDETTE}") || exit 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/vedette-demo.XXXXXX") || exit 2
cleanUp() { rm -rf "$work"; }
trap cleanUp EXIT
trap 'exit 130' INT TERM

mkdir "$work/project"
cd "$work/project" || exit 2
printf 'int main(void) { return 42; }\n' >answer.c
[ -t 1 ] && bold=$'\e[1m' plain=$'\e[0m' || bold='' plain=''
say() { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }

# What is watched is small, so that this is quick; `make test` proves the same of all of /etc, /usr/local and /root.
watched=(/etc /usr/bin "$work/project")
[ "$(id -u)" -ne 0 ] || mapfile -d '' -O 3 watched < <(find /root -maxdepth 1 -type f -print0)
"$here/../../ctests/manifest.sh" "${watched[@]}" >"$work/before" 2>/dev/null

cat >"$work/change-everything.sh" <<'SCRIPT'
echo "\$ echo guest.example > /etc/hostname; cat /etc/hostname"
echo guest.example > /etc/hostname; cat /etc/hostname
echo "\$ rm /usr/bin/perl; perl -v"
rm /usr/bin/perl; perl -v
echo "\$ mkdir -p /opt/tool/bin; echo 'echo I am new' > /opt/tool/bin/hello; chmod +x /opt/tool/bin/hello; /opt/tool/bin/hello"
mkdir -p /opt/tool/bin; echo 'echo I am new' > /opt/tool/bin/hello; chmod +x /opt/tool/bin/hello; /opt/tool/bin/hello
echo "\$ sed -i s/root/ROOT/ /etc/passwd; head -1 /etc/passwd"
sed -i s/root/ROOT/ /etc/passwd; head -1 /etc/passwd
echo "\$ mv /etc/apt /etc/apt.gone; ls -d /etc/apt*"
mv /etc/apt /etc/apt.gone; ls -d /etc/apt*
echo "\$ cd $PWD; gcc answer.c -o answer; ./answer; echo \$?; rm answer.c; ls"
gcc answer.c -o answer; ./answer; echo $?; rm answer.c; ls
SCRIPT

say "Inside: vedette run --fake-root -- bash change-everything.sh"
"$vedette" run --fake-root --bind "$work/change-everything.sh:/tmp/change-everything.sh:ro" -- \
    bash /tmp/change-everything.sh 2>&1
status=$?
say "On the host, afterwards:"
for command in 'cat /etc/hostname' 'head -1 /etc/passwd' 'ls -d /usr/bin/perl /opt/tool /etc/apt' 'ls'; do
    echo "\$ $command"
    bash -c "$command" 2>&1
done
"$here/../../ctests/manifest.sh" "${watched[@]}" >"$work/after" 2>/dev/null
if [ $status -ne 0 ]; then
    say "the script inside ended with status $status"
    exit 1
elif ! diff "$work/before" "$work/after" >"$work/difference"; then
    say "THE HOST WAS CHANGED:"
    head -20 "$work/difference"
    exit 1
fi
say "The host is as it was: $(wc -l <"$work/before") manifest records of /etc, /usr/bin and this directory are equal before and after."
