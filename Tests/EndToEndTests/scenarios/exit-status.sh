# shellcheck disable=SC2010,SC2069,SC2260,SC2320
# exec and exit: scripts, interpreters, argument lists, environment, fd inheritance, identity, resource limits.
set -u
printf '#!/bin/sh\necho "script $0 $*"\n' >s
chmod +x s
./s a "b c"
PATH=.:$PATH s x | sed 's|^script .*/s|script s|'
printf '#!./s one two\n' >t
chmod +x t
./t three
printf '#!/no/such/interpreter\n' >u
chmod +x u
./u 2>&1 | sed 's/.*: //'
echo "status ${PIPESTATUS[0]}"
echo 'echo no shebang' >v
chmod +x v
./v
chmod -x v
./v 2>&1 | sed 's/.*: //'
echo "status ${PIPESTATUS[0]}"
./nope 2>&1 | sed 's/.*: //'
echo "status ${PIPESTATUS[0]}"
nosuchcommand 2>/dev/null
echo "status $?"
. 2>/dev/null
mkdir d
./d 2>&1 | sed 's/.*: //'
echo "status ${PIPESTATUS[0]}"
head -c 100 /bin/true >w
chmod +x w
./w 2>/dev/null
echo "status $?"
: >empty
chmod +x empty
./empty
echo "status $?"
cp /bin/true x
chmod 711 x
./x
echo "status $?"
cp /bin/sleep y
./y 1 &
sleep 0.2
echo z 2>&1 >y
echo "busy $?"
wait
rm y
ln -s /bin/echo link
./link through
env -i A=1 /usr/bin/env
env -i /bin/sh -c 'echo "${A-unset}"'
A=$(printf '\377') sh -c 'printf %s "$A" | od -An -tx1'
/bin/echo $(seq 1 20000) | wc -c
printf 'x%.0s' $(seq 1 140000) >long
/bin/echo "$(cat long)" 2>&1 | sed 's/.*: //' | head -c 100
echo
(exec -a othername sh -c 'echo $0')
sh -c 'exec 3<s; exec cat /proc/self/fd/3'
(
    ulimit -v 500000
    true
)
echo "$?"
id -u >/dev/null
echo "id $?"
nice -n 5 nice
setsid -w sh -c 'echo session'
nohup echo nohup 2>/dev/null
ls -l /proc/self/fd | grep -c ' [0-3] ->'
ls /dev/fd/ | head -2
echo piped | cat /dev/stdin
echo out >/dev/stdout | cat
cat /dev/null
head -c 4 /dev/zero | od -An -tx1
head -c 10 /dev/urandom | wc -c
echo full 2>&1 >/dev/full | cat
uname -s
cat /proc/self/comm
tr '\0' ' ' </proc/self/cmdline
echo
grep -c . /proc/self/maps | grep -q . && echo maps
hostname >/dev/null
echo "hostname $?"
sleep 0.01
times >/dev/null
(
    trap '' TERM
    kill $BASHPID
    echo survived
)
for s in HUP INT QUIT ABRT KILL SEGV PIPE ALRM TERM USR1; do
    sh -c "kill -$s \$\$" 2>/dev/null
    echo "$s $?"
done
ulimit -c
getconf PAGESIZE
date -u -d @0
true </dev/tty
exit 37
