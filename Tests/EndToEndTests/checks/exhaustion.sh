#!/usr/bin/env bash
# Attacks that make as many of one thing as they can (ctests/exhaust): supervisor and store together stay under 128 MB with
# --size 64M, the supervisor neither ends by a signal nor hangs, and a deep tree can be listed, packed, checked and removed.
# EXHAUST_SECONDS, EXHAUST_MODES (`all`, or names) and EXHAUST_DEPTH choose how long, which, and how deep a tree. Without them
# the three modes of `make test` take two minutes together on two free processors; `make test-full` takes all of each.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v python3 >/dev/null && command -v gcc >/dev/null || {
    echo 'no python3 or gcc'
    exit 77
}
bin=$work/bin
mkdir "$bin"
gcc -std=gnu11 -O1 -Wall -Wextra -Werror -static "$checks/../../../ctests/exhaust/exhaust.c" -o "$bin/exhaust" -pthread ||
    {
        fail setup 'exhaust.c does not compile'
        finish
    }
[ "$("$bin/exhaust" files 1 2>&1 | grep -c 'inside only')" = 1 ] && ok refuses-natively || fail refuses-natively 'it ran outside'

# Without namespaces the store lies where TMPDIR says: a place of its own, for whoever measures looks at all that is there.
place=-
case $MODE in *no-namespaces)
    place=$(mktemp -d /dev/shm/vedette-exhaustion.XXXXXX) || exit 1
    trap 'rm -rf "$place"; cleanUp' EXIT
    [ ${#as[@]} -eq 0 ] || chown 65534:65534 "$place"
    ;;
esac
seconds=${EXHAUST_SECONDS:-0.5}
# Elsewhere than as root the same code decides: there those that differ by who may do what on the host, or by who bounds
# the store.
case $MODE in
root) modes=all levels=4000 ;;
nobody) modes="dirs-deep links xattrs-big negative sockets-loop watches unlinked whiteouts copyups writes generated" levels=2500 ;;
*) modes="files links xattrs-big negative fifos sockets-kept open-files unlinked tmpfiles maps maps-forked threads processes
    whiteouts copyups sparse writes writes-many allocates signals generated" levels=2500 ;;
esac
modes=${EXHAUST_MODES:-$modes} levels=${EXHAUST_DEPTH:-$levels}
[ "$modes" != all ] || modes=$("$bin/exhaust" list)

# attack MODE [OPTION...]
attack() {
    local mode=$1 result both status
    shift
    result=$(TMPDIR=${place#-} python3 "$checks/exhaustion.py" $place 60 ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} \
        --fake-root --size 64M --tmpfs /exhaust-inside --bind "$bin:/exhaust-bin:ro" "$@" -- /exhaust-bin/exhaust "$mode" "$seconds" 2>"$work/stderr" |
        tee "$work/stdout" | tail -1)
    read -r both _ _ status _ <<<"$result"
    case $status in
    137) ;; # It ends itself so when it has made what it could.
    125) [ $place != - ] && grep -q 'have outgrown --size' "$work/stderr" ||
        {
            fail "$mode$*" "status 125: $(head -2 "$work/stderr" | tr '\n' ' ')"
            return
        } ;;
    *)
        fail "$mode$*" "status $status: $(head -2 "$work/stderr" | tr '\n' ' ')"
        return
        ;;
    esac
    if awk "BEGIN { exit !($both < 128) }"; then ok "$mode$*"; else fail "$mode$*" "supervisor and store took $both MiB ($result)"; fi
    # What has gone leaves nothing behind.
    case $mode in sockets-loop | renames) grep -q 'no error' "$work/stdout" || fail "$mode-goes-on" "$(head -1 "$work/stdout")" ;; esac
}
for mode in $modes; do attack "$mode"; done
[ "$MODE" != root ] || for mode in dirs-deep negative writes; do attack $mode --gate notify; done

# One call that asks for more than there is takes nothing at all, with the descriptor table shared and not; what there is
# room for it gets, and what a file has already costs nothing again.
cat >"$work/allocate.py" <<'END'
import errno, os, resource, signal, threading
def outcome(file, offset, length):
    try:
        os.posix_fallocate(file, offset, length)
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]
def ask():
    file = os.open("f", os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    reading = os.open("f", os.O_RDONLY)
    results = [outcome(file, 0, 1 << 40), outcome(file, 1 << 30, 1 << 27), outcome(file, 0, 40 << 20), outcome(file, 0, 40 << 20),
        outcome(file, 40 << 20, 40 << 20), outcome(file, 30 << 20, 20 << 20), outcome(file, 0, 0), outcome(reading, 0, 1)]
    os.close(reading)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, old[1]))
    results.append(outcome(file, 50 << 20, 2 << 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, old)
    os.close(file)
    os.unlink("f")
    print(*results)
ask()
other = threading.Event()
thread = threading.Thread(target=other.wait)
thread.start()
ask()
other.set()
thread.join()
END
TMPDIR=${place#-} timeout 60 ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --size 64M --tmpfs /exhaust-inside --workdir /exhaust-inside \
    --bind "$work:/exhaust-bin:ro" -- python3 /exhaust-bin/allocate.py >"$work/out" 2>"$work/stderr"
status=$?
line="ENOSPC ENOSPC done done ENOSPC done EINVAL EBADF EFBIG"
[ $status -eq 0 ] && [ "$(cat "$work/out")" = "$line"$'\n'"$line" ] && ok allocation-in-one || fail allocation-in-one "status $status: $(tail -n 3 "$work/out" "$work/stderr" | tr '\n' ' ')"

# Depth. In memory the run ends, and lists what a path can name; over an upper directory every command does.
cat >"$work/deep.py" <<'END'
import os, sys
os.mkdir("deep")
os.chdir("deep")
for level in range(int(sys.argv[1])):
    os.mkdir("d")
    os.chdir("d")
print("made")
END
chmod 644 "$work/deep.py"
limited() { (
    ulimit -v 4000000
    "$@"
); }
seen=$(limited v --changes -- sh -c "mkdir /tmp/t && cd /tmp/t && python3 '$work/deep.py' $levels" 2>"$work/stderr")
status=$?
[ $status -eq 0 ] && [ "$seen" = made ] && grep -q 'more names have paths longer than PATH_MAX: not listed' "$work/stderr" &&
    ok deep-changes || fail deep-changes "status $status: $(grep -v '^A' "$work/stderr" | head -3)"
mkdir up target
[ ${#as[@]} -eq 0 ] || chown 65534:65534 up target
run() { timeout -k 5 120 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
expect deep-upper 0 made v --upper up -- sh -c "mkdir /tmp/t && cd /tmp/t && python3 '$work/deep.py' $levels"
limited run diff up >"$work/out" 2>"$work/stderr" && grep -q 'longer than PATH_MAX' "$work/stderr" && ok deep-diff || fail deep-diff "$(head -2 "$work/stderr")"
limited run fsck up >"$work/out" 2>"$work/stderr" && ok deep-fsck || fail deep-fsck "$(head -2 "$work/stderr")"
limited run export up -o deep.tar >"$work/out" 2>"$work/stderr" && [ -s deep.tar ] && ok deep-export || fail deep-export "$(head -2 "$work/stderr")"
mkdir target/tmp
[ ${#as[@]} -eq 0 ] || chown 65534:65534 target/tmp
limited run apply up --to target --yes >"$work/out" 2>"$work/stderr" && [ -d target/tmp/t/deep/d/d/d ] && ok deep-apply || fail deep-apply "$(head -2 "$work/stderr")"
limited run import deep.tar --to imported >"$work/out" 2>"$work/stderr" && [ -d imported/tmp/t/deep/d/d/d ] && ok deep-import || fail deep-import "$(head -2 "$work/stderr")"
expect deep-removal 0 '' v --upper up -- sh -c 'rm -rf /tmp/t'
# A tree that is wide: no directory that is gone keeps a descriptor for what was removed from it.
mkdir wide
[ ${#as[@]} -eq 0 ] || chown 65534:65534 wide
few() { (
    ulimit -n 1024
    v "$@"
); }
expect wide-removal 0 '' few --upper wide -- sh -c 'for i in $(seq 1500); do mkdir -p "/tmp/t/$i"; : >"/tmp/t/$i/f"; done; rm -rf /tmp/t'
rm -rf wide
rm -rf up target imported && ok deep-native-removal || fail deep-native-removal 'rm -rf'
finish
