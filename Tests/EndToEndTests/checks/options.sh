#!/usr/bin/env bash
# What each option of `vedette run` does.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
own() { [ ${#as[@]} -eq 0 ] || chown -R 65534:65534 "$@"; }

expect arguments-untouched 0 $'--help\n-x\n--\ny' v printf '%s\n' --help -x -- y
expect status 37 '' v -- sh -c 'exit 37'
expect signal-status 137 '' v -- sh -c 'kill -KILL $$'
expect segv-status 139 '' v -- sh -c 'kill -SEGV $$'
expect bytes-in-arguments 0 ' 63 61 66 e9' v -- sh -c 'printf %s "$1" | od -An -tx1' sh $'caf\xe9'
mkdir -p one/etc two/etc
echo one >one/etc/which
echo two >two/etc/which
echo lower >two/etc/below
own one two
expect lower-topmost-first 0 $'one\nlower' v --lower "$PWD/one" --lower "$PWD/two" -- cat /etc/which /etc/below
expect lower-over-root 0 'yes' v --lower "$PWD/one" -- sh -c 'test -e /etc/passwd && echo yes'
expect lower-unchanged 0 '' v --lower "$PWD/one" -- rm /etc/which
[ -e one/etc/which ] && ok lower-still-there || fail lower-still-there "one/etc/which is gone"
mkdir data
echo bound >data/file
own data
expect bind 0 'bound' v --bind "$PWD/data:/mnt/data" -- cat /mnt/data/file
expect bind-writes-through 0 '' v --bind "$PWD/data:/mnt" -- sh -c 'echo new >/mnt/new'
[ "$(cat data/new 2>/dev/null)" = new ] && ok bind-seen-on-host || fail bind-seen-on-host "data/new is not there"
expect bind-read-only 0 'refused' v --bind "$PWD/data:/mnt:ro" -- sh -c 'echo x 2>/dev/null >/mnt/x || echo refused'
expect bind-file 0 'bound' v --bind "$PWD/data/file:/etc/motd" -- cat /etc/motd
expect tmpfs 0 '0' v --tmpfs /usr/share -- sh -c 'ls -A /usr/share | wc -l'
expect mount-table 0 "/ rw overlay
/dev rw devtmpfs
/etc/motd rw $PWD/data/file
/mnt ro $PWD/data
/opt rw tmpfs
/proc rw proc" v --tmpfs /opt --bind "$PWD/data:/mnt:ro" --bind "$PWD/data/file:/etc/motd" -- \
    sh -c 'findmnt --raw --noheadings --output TARGET,VFS-OPTIONS,SOURCE | sed "s/,relatime//; /^\/sys/d; /^\/dev\//d" | sort'
expect workdir 0 '/usr/bin' v --workdir /usr/bin -- pwd
expect workdir-of-caller 0 "$PWD" v -- pwd
expect env 0 'b c' v --env 'A=b c' -- sh -c 'echo "$A"'
expect env-last-counts 0 '2' v --env A=1 --env A=2 -- sh -c 'echo "$A"'
expect clear-env 0 'A=1' v --clear-env --env A=1 -- /usr/bin/env
X=caller expect env-of-caller 0 'caller' v -- sh -c 'echo "$X"'
X=caller expect env-by-name 0 $'caller\nnone' v --clear-env --env X --env PATH --env NEVER_SET -- sh -c 'echo "$X"; echo "${NEVER_SET-none}"'
printf '# a comment\n\nA=file\nB=b c\nX\n' >variables.env
own variables.env
X=caller expect env-file 0 $'line\nb c\ncaller' v --clear-env --env A=line --env PATH --env-file variables.env -- sh -c 'echo "$A"; echo "$B"; echo "$X"'
# A pipe of root's is not nobody's to open.
[ ${#as[@]} -gt 0 ] || expect env-file-from-pipe 0 'piped' v --env-file <(echo A=piped) -- sh -c 'echo "$A"'
expect short-options 0 $'/mnt\n1\n1234\nbound' v -v "$PWD/data:/mnt" -w /mnt -e A=1 -u 1234 -- sh -c 'pwd; echo $A; id -u; cat file'
expect workdir-from-environment 0 '/usr/bin' env VEDETTE_WORKDIR=/usr/bin VEDETTE_ENV=A=1 "$VEDETTE" run ${level[@]+"${level[@]}"} -- pwd
expect command-line-over-environment 0 '/usr' env VEDETTE_WORKDIR=/usr/bin "$VEDETTE" run ${level[@]+"${level[@]}"} --workdir /usr -- pwd
refused environment-names-itself 125 "VEDETTE_NET: 'lan'" env VEDETTE_NET=lan "$VEDETTE" run -- true
refused workdir-missing 125 "--workdir: '/no/such' does not exist inside" v --workdir /no/such -- true
refused workdir-is-a-file 125 "--workdir: '/etc/passwd' is not a directory inside" v --workdir /etc/passwd -- true
expect user 0 '1234 5678' v --user 1234:5678 -- sh -c 'echo $(id -u) $(id -g)'
mkdir -p people/etc
printf 'ann:x:4321:8765:Ann:/home/ann:/bin/sh\n' >people/etc/passwd
printf 'own:x:8765:\ncrew:x:77:bob,ann\n' >people/etc/group
own people
expect user-by-name 0 '4321 8765 8765 77' v --lower "$PWD/people" --user ann -- sh -c 'echo $(id -u) $(id -g) $(id -G)'
expect user-and-group-by-name 0 '4321 77 77' v --lower "$PWD/people" -u ann:crew -- sh -c 'echo $(id -u) $(id -g) $(id -G)'
expect user-of-a-bind 0 '4321 8765' v -v "$PWD/people/etc/passwd:/etc/passwd" -u ann -- sh -c 'echo $(id -u) $(id -g)'
refused user-unknown 125 "--user: there is no user 'nobodys' in /etc/passwd inside" v --user nobodys -- true
refused group-unknown 125 "--user: there is no group 'nobodys' in /etc/group inside" v --user 0:nobodys -- true
refused user-behind-tmpfs 125 "--user: there is no user 'root'" v --tmpfs /etc --user root -- true
name=$(uname -n)
expect hostname 0 $'localhost\nlocalhost' v -- sh -c 'uname -n; cat /proc/sys/kernel/hostname'
for gate in trace notify; do
    expect hostname-set-$gate 0 'build.example (none) build.example' v --gate $gate --hostname build.example -- sh -c 'echo $(uname -n) $(cat /proc/sys/kernel/domainname /proc/sys/kernel/hostname)'
done
expect hostname-of-the-host 0 "$name" uname -n
refused hostname-wrong 125 "--hostname: 'a b' is not the name of a host" v --hostname 'a b' -- true
expect read-only 1 '' v --read-only -- touch x
grep -q 'Read-only file system' "$work/stderr" && ok read-only-says-so || fail read-only-says-so "$(head -1 "$work/stderr")"
expect read-only-but-mounts 0 $'refused\ntmp\nbound\nshm\n/ ro' v --read-only --tmpfs /tmp --bind "$PWD/data:/mnt" -- \
    sh -c 'rm -f /etc/passwd 2>/dev/null || echo refused; echo tmp >/tmp/x && cat /tmp/x && echo bound >/mnt/file && cat /mnt/file
        echo shm >/dev/shm/x && cat /dev/shm/x; findmnt --raw --noheadings --output TARGET,VFS-OPTIONS / | sed "s/,relatime//"'
v --verbose --user 1:2 --tmpfs /opt -- sh -c 'exit 3' 2>"$work/stderr"
[ $? -eq 3 ] && [ "$(grep -c '^vedette: ' "$work/stderr")" -ge 5 ] && grep -q 'user 1, group 2' "$work/stderr" && grep -q 'exited with status 3 after' "$work/stderr" &&
    ok verbose || fail verbose "$(tr '\n' ' ' <"$work/stderr")"
expect fake-root 0 '0 0' v --fake-root -- sh -c 'echo $(id -u) $(id -g)'
expect fake-root-chown 0 '12:34' v --fake-root -- sh -c 'touch f; chown 12:34 f; stat -c %u:%g f'
expect fake-root-changes-system 0 'x' v --fake-root -- sh -c 'echo x >/etc/hostname; cat /etc/hostname'
if [ "$(id -u)" -ne 0 ] || [ ${#as[@]} -gt 0 ]; then
    expect no-reading-of-secrets 1 '' v --fake-root -- cat /etc/shadow
    expect caller-identity 0 "$(${as[@]+"${as[@]}"} id -u)" v -- id -u
fi
expect net-none 0 'lo' v -- sh -c "sed -n 's/^ *\([a-z0-9]*\):.*/\1/p' /proc/net/dev"
# Without namespaces there is no network of one's own (sockets are refused) and no bound on the store (README).
if [[ $MODE != *no-namespaces ]]; then
    expect fake-root-low-port 0 'bound' v --fake-root -- /usr/bin/python3 -c $'import socket\ns = socket.socket(); s.bind(("127.0.0.1", 80)); print("bound")'
    expect net-none-unreachable 0 'no' v -- /usr/bin/python3 -c $'import socket\ns = socket.socket(); s.settimeout(2)\ntry: s.connect(("192.0.2.1", 80)); print("yes")\nexcept OSError: print("no")'
    expect size-enospc 0 'full' v --size 1M -- sh -c 'head -c 4M /dev/zero >big 2>/dev/null || echo full'
fi
expect fd 0 'through three' v --fd 3 -- sh -c 'cat <&3' 3<<<'through three'
expect fd-not-passed 0 'closed' v -- sh -c '{ cat <&3; } 2>/dev/null || echo closed' 3<<<x
expect descriptors-at-start 0 $'0\n1\n2' v -- sh -c 'ls /proc/$$/fd'
expect stdin 0 'typed' v -- cat <<<typed
expect gate-notify 0 'x' v --gate notify -- sh -c 'echo x >f; cat f'
expect isolation-no-namespaces 0 'x' v --isolation no-namespaces -- sh -c 'echo x >f; cat f'
expect leftovers-are-ended 0 'started' v -- sh -c 'sleep 98761 >/dev/null 2>&1 & echo started'
waitGone 'sleep 98761' && ok leftovers-gone || fail leftovers-gone "sleep 98761 is still there"

mkdir up
own up
expect upper-directory 0 '' v --upper "$PWD/up" -- sh -c 'echo kept >kept; rm -f /etc/hostname 2>/dev/null; true'
v --upper "$PWD/up" --fake-root -- sh -c 'echo eve:x:55:56::/:/bin/sh >>/etc/passwd' 2>"$work/stderr" || fail setup "$(head -1 "$work/stderr")"
expect user-of-an-upper 0 '55 56' v --upper "$PWD/up" --user eve -- sh -c 'echo $(id -u) $(id -g)'
expect upper-again 0 $'kept' v --upper "$PWD/up" -- cat kept
[ ! -e kept ] && ok upper-not-on-host || fail upper-not-on-host "kept is on the host"

v --trace "$PWD/calls.jsonl" -- sh -c 'cat /etc/hostname; cat "$(printf "no\377\"such")"' >/dev/null 2>&1
own calls.jsonl 2>/dev/null
if [ ${#as[@]} -eq 0 ] || [ -s calls.jsonl ]; then
    expect trace-is-json 0 'True True' /usr/bin/python3 -c "
import json
first, *lines = [json.loads(l) for l in open('calls.jsonl')]
assert {'time', 'isolation', 'gate', 'walls', 'missing'} == first.keys()
print(all({'time', 'pid', 'call', 'arguments', 'result'} <= l.keys() for l in lines), any('hostname' in json.dumps(l) for l in lines))"
    expect trace-shows-descriptors 0 '3' /usr/bin/python3 -c "
import json
lines = [json.loads(l) for l in open('calls.jsonl')][1:]
print(*[l['result'] for l in lines if l['call'] == 'openat' and l['arguments'].get('path') == '/etc/hostname' and l['arguments'].get('answer') == 'descriptor'])"
fi
# tells NAME PATTERN... : standard error of the last run holds a line that matches each (extended expressions).
tells() {
    local name=$1
    shift
    for pattern in "$@"; do grep -qE "$pattern" "$work/stderr" || {
        fail "$name" "nothing like $pattern: $(grep -v 'locale\|/lib/' "$work/stderr" | tail -5 | tr '\n' '|')"
        return
    }; done
    ok "$name"
}
v --trace - -- sh -c 'cat /etc/hostname "no
such" >/dev/null 2>&1; exit 3' 2>"$work/stderr"
[ $? -eq 3 ] && ok trace-status || fail trace-status "not 3"
tells trace-as-strace '^--- isolation [a-z-]+, gate trace' '^ *[0-9]+ [0-9]+\.[0-9]{6} execve\("/[a-z/]*/sh", \["sh", "-c", "cat .*\\nsuch\\" .*; exit 3"\], 0x[0-9a-f]+ /\* [0-9]+ variables \*/\) = 0 <0\.[0-9]{6}>$' \
    'openat\(AT_FDCWD, "/etc/hostname", O_RDONLY\) = 3 <' 'openat\(AT_FDCWD, "no\\nsuch", O_RDONLY\) = -1 ENOENT \(No such file or directory\) <' \
    'mmap\(0, [0-9]+, PROT_READ.*\) = 0x7[0-9a-f]+ <' ' \+\+\+ exited with 3 \+\+\+$'
# Nothing of what the loader of programs does by itself.
grep -Ev '^( *[0-9]+ [0-9]+\.[0-9]{6} [a-z0-9_]+\(.*( = .* <[0-9]+\.[0-9]{6}>|<unfinished \.\.\.>)|.* \+\+\+|--- .* ---)$' "$work/stderr" >"$work/odd"
[ ! -s "$work/odd" ] && ok trace-lines || fail trace-lines "$(head -3 "$work/odd")"
[ "$(grep -c 'openat.*"/etc/hostname"' "$work/stderr")" -eq 1 ] && [ "$(grep -c execve "$work/stderr")" -le 8 ] && ok trace-no-inner-calls || fail trace-no-inner-calls "$(grep -c execve "$work/stderr") execve"
v -o - -e trace=mkdir,%network -- /usr/bin/python3 -c $'import os, socket\nos.mkdir("traced")\ntry: socket.socket().connect(("127.0.0.1", 9))\nexcept OSError: pass' 2>"$work/stderr"
if [[ $MODE != *no-namespaces ]]; then
    tells trace-set 'mkdir\("traced", 0777\) = 0' 'connect\(3, "127.0.0.1:9", 16\) = -1 ECONNREFUSED'
fi
[ "$(grep -cvE 'mkdir|connect|socket|^---|getsockname' "$work/stderr")" -eq 0 ] && ok trace-nothing-else || fail trace-nothing-else "$(grep -vE 'mkdir|connect|socket|^---' "$work/stderr" | head -2)"
v --trace - -e '!%file,%desc,%process,%memory' -- cat /etc/hostname >/dev/null 2>"$work/stderr"
grep -qE 'openat|execve|mmap' "$work/stderr" && fail trace-negated "$(head -3 "$work/stderr")" || ok trace-negated
v --trace - -e refused -- /usr/bin/python3 -c $'import ctypes\nl = ctypes.CDLL(None)\nl.ptrace(0, 0, 0, 0)\nl.sethostname(b"x", 1)\nl.syscall(400)\nopen("/etc/hostname").close()\ntry: open("/no/such")\nexcept OSError: pass' 2>"$work/stderr"
tells trace-refused 'ptrace\(.*\) = -1 EPERM' 'sethostname\(.*\) = -1 EPERM' 'unknown\(400\) = -1 ENOSYS'
grep -qE ' = [0-9]|ENOENT' "$work/stderr" && fail trace-refused-only "$(grep -E ' = [0-9]|ENOENT' "$work/stderr" | head -2)" || ok trace-refused-only
v --trace "$PWD/calls.text" --trace-format json --gate notify -- true 2>"$work/stderr"
own calls.text 2>/dev/null
expect trace-format 0 'True' /usr/bin/python3 -c "
import json
print(all('duration' in json.loads(l) for l in list(open('calls.text'))[1:]))"
v --stats --changes --json -- sh -c 'echo x >/tmp/added; ls /etc >/dev/null' 2>"$work/json"
expect json 0 'True True' /usr/bin/python3 -c "
import json
calls, changes = [json.loads(l) for l in open('$work/json')]
print(all({'call', 'count', 'p50', 'p99', 'max', 'total'} == c.keys() for c in calls['calls']), {'change': 'added', 'path': '/tmp/added', 'type': 'file'} in changes['changes'])"
expect doctor-json 0 'True' /usr/bin/python3 -c "
import json, subprocess
d = json.loads(subprocess.run(['$VEDETTE', 'doctor', '--json'], stdout=subprocess.PIPE).stdout)
print(d['isolation'] in ('full', 'no-namespaces') and all({'name', 'available', 'needed', 'detail'} == f.keys() for f in d['findings']))"
expect fsck-json 0 "{'clean': True, 'problems': []}" ${as[@]+"${as[@]}"} /usr/bin/python3 -c "
import json, subprocess
d = json.loads(subprocess.run(['$VEDETTE', 'fsck', '--json', '$PWD/up'], stdout=subprocess.PIPE).stdout)
del d['files']
print(d)"
if [ ${#as[@]} -gt 0 ]; then
    # What the caller may not read on the host is refused at open, root inside or not.
    mkdir -m 700 "$work/closed"
    seen=$(v --fake-root -- ls "$work/closed" 2>&1)
    [ $? -eq 2 ] && [[ $seen == *'cannot open directory'*'Permission denied' ]] && ok closed-directory || fail closed-directory "$seen"
fi
v --stats -- ls -lR /etc >/dev/null 2>"$work/stats"
grep -q '^call .*count .*p50 .*p99 .*max .*total' "$work/stats" && grep -Eq '^(newfstatat|statx|lstat|getdents64) ' "$work/stats" && ok stats || fail stats "$(head -2 "$work/stats")"
"$VEDETTE" doctor >"$work/doctor"
[ $? -eq 0 ] && [ "$(wc -l <"$work/doctor")" -ge 5 ] && ok doctor || fail doctor "$(head -3 "$work/doctor")"
finish
