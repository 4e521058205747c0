#!/usr/bin/env bash
# --timeout, --memory, --cpus, --ulimit, --max-file and --pids: what is over a limit is refused or ended, reported in one line, and nothing is left.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
# reports NAME STATUS TEXT COMMAND... : status, and standard error holds the line.
reports() {
    local name=$1 status=$2 text=$3 result
    shift 3
    "$@" >"$work/stdout" 2>"$work/stderr"
    result=$?
    if [ $result -ne "$status" ]; then
        fail "$name" "status $result, not $status: $(head -3 "$work/stderr" | tr '\n' ' ')"
    elif ! grep -qxF -- "$text" "$work/stderr"; then
        fail "$name" "no line '$text' but '$(head -3 "$work/stderr" | tr '\n' ' ')'"
    else
        ok "$name"
    fi
}
over='vedette: --timeout: ended after 0.3 s'
reports timeout 124 "$over" v --timeout 0.3 -- sleep 1000.$$
reports timeout-gate 124 "$over" v --gate notify --timeout 300ms -- sleep 1000.$$
reports timeout-busy 124 "$over" v --timeout 0.3 -- sh -c 'while :; do stat /etc >/dev/null; done'
# The command's own handler runs; its status does not matter.
reports timeout-handler 124 "$over" v --timeout 0.3 -- bash -c 'trap "echo got TERM; exit 7" TERM; while :; do sleep 0.05; done'
grep -q 'got TERM' "$work/stdout" && ok timeout-handler-ran || fail timeout-handler-ran "no SIGTERM"
began=$SECONDS
reports timeout-deaf 124 "$over" v --timeout 0.3 -- bash -c 'trap "" TERM; (while :; do sleep 1; done) & while :; do sleep 1; done'
[ $((SECONDS - began)) -ge 4 ] && ok timeout-grace || fail timeout-grace "ended after $((SECONDS - began)) s"
began=$SECONDS
reports timeout-stopped 124 'vedette: --timeout: ended after 2 s' v --timeout 2 -- sh -c 'kill -STOP $$; sleep 1000'
# It stops us too, and a job that nobody continues must end all the same.
[ $((SECONDS - began)) -le 15 ] && ok timeout-stopped-soon || fail timeout-stopped-soon "ended after $((SECONDS - began)) s"
pgrep -f "sleep 1000.$$" >/dev/null && fail timeout-left 'a guest is left' || ok timeout-left
expect timeout-unused 3 'in time' v --timeout 1h -- sh -c 'echo in time; exit 3'
printf 'timeout = "300ms"\n' >"$work/limits.toml"
reports timeout-by-file 124 "vedette: $work/limits.toml:1: timeout: ended after 0.3 s" v --config "$work/limits.toml" -- sleep 1000

expect ulimit 0 '64 128' v --ulimit nofile=64:128 -- sh -c 'echo $(ulimit -Sn) $(ulimit -Hn)'
expect ulimit-last 0 60 v --ulimit cpu=50 --ulimit cpu=60 -- sh -c 'ulimit -St'
expect ulimit-unlimited 0 unlimited v --ulimit fsize=unlimited -- sh -c 'ulimit -Sf'
expect ulimit-descriptors 0 refused v --ulimit nofile=20 -- bash -c 'for i in $(seq 3 40); do eval "exec $i</etc/passwd" 2>/dev/null || { echo refused; exit; }; done'
expect ulimit-cpu 137 '' v --ulimit cpu=1 -- sh -c 'trap "" XCPU; while :; do :; done'

expect max-file-write 153 '' v --max-file 64K -- python3 -c 'import os, signal; signal.signal(signal.SIGXFSZ, signal.SIG_DFL); f = os.open("f", os.O_CREAT | os.O_WRONLY)
while True: os.write(f, b"x" * 4096)'
expect max-file-errno 0 'EFBIG EFBIG EFBIG 65536' v --max-file 64KB -- python3 -c 'import errno, os
f = os.open("f", os.O_CREAT | os.O_WRONLY)
def refused(call):
    try: call()
    except OSError as error: return errno.errorcode[error.errno]
    return "allowed"
print(refused(lambda: os.ftruncate(f, 65537)), refused(lambda: os.truncate("f", 65537)), refused(lambda: os.posix_fallocate(f, 0, 65537)), end=" ")
os.truncate("f", 65536)
print(os.stat("f").st_size)'
expect max-file-signal 0 XFSZ v --max-file 64K -- python3 -c 'import os, signal
open("f", "w").close()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGXFSZ])
try: os.truncate("f", 1 << 20)
except OSError: print(*(s.name[3:] for s in signal.sigpending()))'

# A bomb of at most 2000 processes, which refuses to run anywhere else.
bomb='import os, sys, time
if not os.path.exists("/inside-only"): sys.exit("this is not a sandbox")
made = 0
for i in range(2000):
    try: child = os.fork()
    except BlockingIOError: break
    if child == 0:
        time.sleep(1000)
        os._exit(0)
    made += 1
print(made)'
for gate in trace notify; do
    expect pids-$gate 0 19 v --gate $gate --quiet --tmpfs /inside-only --pids 20 -- python3 -c "$bomb"
done
reports pids-report 0 'vedette: --pids: one thread or process more than 20 was refused once' v --tmpfs /inside-only --pids 20 -- python3 -c "$bomb"
# What has ended and was not waited for has a number still; once it is waited for there is room again.
expect pids-zombies 0 '19 19' v --quiet --tmpfs /inside-only --pids 20 -- python3 -c 'import os, sys
if not os.path.exists("/inside-only"): sys.exit("this is not a sandbox")
def bear():
    made = 0
    for i in range(2000):
        try: child = os.fork()
        except BlockingIOError: break
        if child == 0: os._exit(0)
        made += 1
    return made
first = bear()
for i in range(first): os.wait()
print(first, bear())'
expect pids-threads 0 refused v --quiet --pids 10 -- python3 -c 'import threading
wait = threading.Event()
started = []
try:
    for i in range(50):
        thread = threading.Thread(target=wait.wait)
        thread.start()
        started.append(thread)
except RuntimeError: print("refused" if len(started) == 9 else len(started))
wait.set()'
expect pids-again 0 'done' v --pids 8 -- sh -c 'for i in $(seq 100); do /bin/true || exit 1; (exit 0) || exit 1; done; echo done'
# Everybody forks at once.
expect pids-storm 0 bounded v --quiet --tmpfs /inside-only --pids 40 -- python3 -c 'import os, sys, time
if not os.path.exists("/inside-only"): sys.exit("this is not a sandbox")
top = os.getpid()
for i in range(6):
    try: os.fork()
    except BlockingIOError: pass
most = 0
if os.getpid() == top:
    for i in range(20):
        most = max(most, sum(name.isdigit() for name in os.listdir("/proc")))
        time.sleep(0.01)
    print("bounded" if most <= 40 else most)
else: time.sleep(1)'

# Hogs, each of which refuses to run anywhere else and takes at most 300 MB. They are bounded by a control group where one may be made
# (root here), else by a limit of each process and the watch over the sum.
hog() { # hog NAME STATUS OUTPUT PYTHON [OPTION...]
    local name=$1 status=$2 output=$3 program=$4
    shift 4
    expect "$name" "$status" "$output" v --quiet --tmpfs /inside-only --memory 100M "$@" -- python3 -c "import mmap, os, sys, time
if not os.path.exists('/inside-only'): sys.exit('this is not a sandbox')
$program"
}
reported() { # reported NAME : the killing of the last hog was reported.
    if grep -qE '^vedette: --memory: (a process was|[0-9]+ processes were) killed: all together had used up 100 MiB$' "$work/stderr"; then
        ok "$1-reported"
    else
        fail "$1-reported" "$(head -3 "$work/stderr" | tr '\n' ' ')"
    fi
}
hog memory-enough 0 'enough' 'b = bytearray(30 << 20); print("enough")'
[ -s "$work/stderr" ] && fail memory-silent "$(cat "$work/stderr")" || ok memory-silent
shared='m = mmap.mmap(-1, 300 << 20)
for i in range(0, 300 << 20, 4096): m[i] = 1
time.sleep(5); print("all of it")'
for gate in trace notify; do
    hog memory-shared-$gate 137 '' "$shared" --gate $gate
    reported memory-shared-$gate
done
hog memory-file 137 '' 'f = os.memfd_create("hog")
for i in range(300): os.write(f, bytes(1 << 20))
time.sleep(5); print("all of it")'
reported memory-file
# Four that take 40 MB each: one of them is killed, and the others end as they would.
hog memory-sum 0 'one was killed' 'children = []
r, w = os.pipe()
for i in range(4):
    child = os.fork()
    if child == 0:
        os.close(w)
        b = bytearray(os.urandom(4096)) * (40 << 8)
        os.read(r, 1)
        os._exit(0)
    children.append(child)
time.sleep(2)
os.close(w)
ends = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
print("one was killed" if 1 <= ends.count(-9) <= 2 and ends.count(0) >= 2 else ends)'
reported memory-sum
# One that asks for it all is refused it, or killed.
seen=$(v --quiet --tmpfs /inside-only --memory 100M -- python3 -c 'import os, sys
if not os.path.exists("/inside-only"): sys.exit("this is not a sandbox")
try: b = bytearray(300 << 20)
except MemoryError: print("refused"); sys.exit(0)
print("all of it")' 2>"$work/stderr")
case $?:$seen in 0:refused | 137:) ok memory-alone ;; *) fail memory-alone "printed '$seen'" ;; esac
if [ ${#level[@]} -eq 0 ]; then
    hog memory-upper 137 '' 'f = open("/tmp/hog", "wb")
for i in range(300): f.write(bytes(1 << 20))
time.sleep(5); print("all of it")' --size 1G
    reported memory-upper
fi
left=$(find /sys/fs/cgroup -maxdepth 6 -type d -name "vedette-*" 2>/dev/null)
[ -z "$left" ] && ok memory-left || fail memory-left "a control group is left: $left"

# Half a CPU, where it can be had; where not, one line.
busy='import time
begin = time.monotonic()
while time.process_time() < 0.5: pass
took = time.monotonic() - begin
print("held" if took > 0.75 else took)'
if v --cpus 1 -- true 2>"$work/stderr"; then
    expect cpus 0 held v --quiet --cpus 0.5 -- python3 -c "$busy"
else
    grep -q '^vedette: --cpus: no control group for CPU time can be made here' "$work/stderr" && ok cpus-refused || fail cpus-refused "$(cat "$work/stderr")"
    skip cpus 'no control group can be made here'
fi

# wrong TEXT OPTION... : one line, status 125.
wrong() {
    local text=$1
    shift
    reports "wrong $*" 125 "vedette: $text" v "$@" -- true
    [ "$(grep -c . "$work/stderr")" -eq 1 ] || fail "one line for $*" "$(cat "$work/stderr")"
}
wrong "--timeout: 'soon' is not a time (seconds, or 90s, 5m, 2h, 1d, 200ms)" --timeout soon
wrong '--timeout: there is no time at all (leave it out for no limit)' --timeout 0
wrong "--timeout: '99999999999999999999' is too large (at most 9223372036)" --timeout 99999999999999999999
wrong "--ulimit: 'nofiles' is no resource (NAME=SOFT[:HARD]; NAME is one of cpu, fsize, data, stack, core, rss, nproc, nofile, memlock, as, locks, sigpending, msgqueue, nice, rtprio, rttime)" --ulimit nofiles=3
wrong "--ulimit: 'nofile' is not a limit (write nofile=SOFT[:HARD]; 'unlimited' for none)" --ulimit nofile
wrong '--ulimit: nofile: the soft limit is above the hard one (write nofile=SOFT:HARD)' --ulimit nofile=30:20
wrong '--ulimit: core: there are no core files inside (core=0, or leave it out)' --ulimit core=unlimited
wrong '--ulimit: nofile: 3 is too few for any program (at least 16)' --ulimit nofile=3
wrong "--max-file: 'big' is not a size (a number of bytes, or 64K, 512M, 2G, 1T)" --max-file big
wrong "--memory: 'much' is not a size (a number of bytes, or 64K, 512M, 2G, 1T)" --memory much
wrong '--memory: 1024 bytes are too little for any program (at least 4M)' --memory 1K
wrong "--cpus: 'two' is not a number" --cpus two
wrong "--cpus: '1.2345' is not a number of CPUs (2, or 0.5, with at most three decimals)" --cpus 1.2345
wrong '--cpus: that is no time at all (at least 0.01)' --cpus 0
wrong "--pids: 'many' is not a number" --pids many
wrong '--pids: the command itself is one (at least 1)' --pids 0
finish
