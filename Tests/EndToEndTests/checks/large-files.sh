#!/usr/bin/env bash
# Large files: their content is copied up once and whole, whoever comes at the same time, is interrupted or killed.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v python3 >/dev/null || { echo 'no python3'; exit 77; }
head -c 50000000 /dev/urandom >large
chmod 666 large
cp -p large "$work/copy"

# Four at once write each their own byte; whoever comes later sees all of them.
cat >"$work/four.py" <<'END'
import os, sys
children = []
for place in range(4):
    child = os.fork()
    if child == 0:
        f = os.open("large", os.O_RDWR)
        os.pwrite(f, bytes([65 + place]), 1000 + place)
        os._exit(0)
    children.append(child)
for child in children: assert os.waitpid(child, 0)[1] == 0
data = open("large", "rb").read()
was = open(sys.argv[1], "rb").read()
assert data[1000:1004] == b"ABCD", data[1000:1004]
assert data[:1000] == was[:1000] and data[1004:] == was[1004:]
print("alike")
END
# A signal in the midst of it: the handler runs, and the open comes to its end.
cat >"$work/interrupted.py" <<'END'
import os, signal
seen = []
signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
signal.siginterrupt(signal.SIGALRM, False)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
f = os.open("large", os.O_WRONLY | os.O_APPEND)
signal.setitimer(signal.ITIMER_REAL, 0)
os.write(f, b"end")
assert os.stat("large").st_size == 50000003
print("appended")
END
for gate in trace notify; do
    expect "four-at-once-$gate" 0 alike v --gate $gate -- python3 "$work/four.py" "$work/copy"
    expect "signals-$gate" 0 appended v --gate $gate -- python3 "$work/interrupted.py"
done
cmp -s large "$work/copy" && ok host-unchanged || fail host-unchanged 'the host file was written'
# Killed while it waits: nothing is left, and the next one gets its file.
expect killed-opener 0 X v -- bash -c '(exec 3<>large; sleep 9) & sleep 0.02; kill -9 $!; wait; printf X 1<>large; head -c1 large'
expect no-space 0 'refused 50000000' v --size 16M -- bash -c 'printf X 1<>large || true; printf "refused "; stat -c %s large' 
mkdir "$work/upper"; [ ${#as[@]} -eq 0 ] || chown 65534:65534 "$work/upper"
expect kept 0 '' v --upper "$work/upper" -- bash -c 'printf Y 1<>large'
expect kept-for-the-next-run 0 "Y$(tail -c +2 large | sha256sum)" v --upper "$work/upper" -- bash -c 'head -c1 large; tail -c +2 large | sha256sum'
[ -z "$(find "$work/upper" -name 'prepared-*' 2>/dev/null)" ] && ok nothing-half-made || fail nothing-half-made "$(find "$work/upper" -name 'prepared-*')"
finish
