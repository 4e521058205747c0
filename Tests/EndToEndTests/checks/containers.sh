#!/usr/bin/env bash
# In a container as engines make it by default: their seccomp profile, root with fourteen capabilities (root) or nobody with
# none and no_new_privs (nobody), /proc/sys read-only, parts of /proc masked; and where user namespaces are made but nothing
# may be mounted in them, as on Ubuntu 24.04 (no-namespaces). Everything starts without an option, and says what it takes.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compiler=$(command -v cc || command -v gcc || command -v clang) || fail setup 'no C compiler'
for tool in container_filter under_filter; do "$compiler" -O -o "$work/$tool" "$checks/../tools/$tool.c" || fail setup "$tool"; done
"$compiler" -o "$work/coherence" "$checks/../coherence.c" || fail setup coherence
"$compiler" -O -pthread -o "$work/message_race" "$checks/../tools/message_race.c" || fail setup message_race
cp "$checks/containers.py" "$work/battery.py"
chmod 755 "$work"/*
if [ "$(id -u)" -ne 0 ]; then
    echo 'skipped: a container is made by root'
    exit 77
fi

# The capabilities that Docker and containerd leave to root.
fourteen=(chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap)
cat >"$work/enter" <<'END'
#!/usr/bin/env bash
# enter ENGINE CAPABILITY... -- COMMAND... : mounts as an engine makes them, its filter, and then the command.
bindReadOnly() { if [ -e "$1" ]; then mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" || exit 124; fi; }
for place in /proc/sys /proc/irq /proc/bus /proc/fs /proc/sysrq-trigger /sys; do bindReadOnly $place; done
for file in /proc/kcore /proc/keys /proc/timer_list /proc/latency_stats; do [ ! -e $file ] || mount --bind /dev/null $file || exit 124; done
for place in /proc/acpi /proc/scsi /sys/firmware; do [ ! -d $place ] || mount -t tmpfs -o ro,size=4k none $place || exit 124; done
exec "$(dirname "$0")/container_filter" "$@"
END
chmod 755 "$work/enter"
inside() { # inside ENGINE COMMAND... : in a container of that engine, as its first process
    local engine=$1
    shift
    local user=(setpriv --inh-caps=-all --bounding-set="-all$(printf ',+%s' "${fourteen[@]}")") have=("${fourteen[@]}")
    if [ "$MODE" = nobody ]; then
        user=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all --bounding-set=-all --no-new-privs)
        have=()
    fi
    timeout -k 5 100 unshare --mount --pid --fork --mount-proc --propagation private "$work/enter" "$engine" ${have[@]+"${have[@]}"} -- "${user[@]}" "$@"
}
# Mount and its kin are EACCES (13): mount, umount2, pivot_root, move_mount, fsopen, fsconfig, fsmount, open_tree, sethostname, setns, chroot.
ubuntu() { timeout -k 5 100 ${as[@]+"${as[@]}"} "$work/under_filter" 165=13 166=13 155=13 429=13 430=13 431=13 432=13 428=13 170=13 308=13 161=13 -- "$@"; }

# descriptors NAME PLACE... : what programs do with descriptors, behind both gates; the present directory is the stage.
descriptors() {
    local name=$1 gate seen
    shift
    for gate in trace notify; do
        rm -rf s sent lock many
        printf 'lower layer' >lower
        chmod 666 lower
        seen=$("$@" "$VEDETTE" run --quiet --gate $gate -- python3 "$work/battery.py" 2>&1)
        if [ $? -eq 0 ] && [ "$(wc -l <<<"$seen")" -ge 18 ] && ! grep -q WRONG <<<"$seen"; then
            ok "$name-$gate-descriptors"
        else fail "$name-$gate-descriptors" "$(grep -v '^[a-z-]*$' <<<"$seen" | tail -5 | tr '\n' '|')"; fi
    done
}
# battery PLACE... : the same programs, in a place that a function makes.
battery() {
    local name="$*"
    name=${name// /-}
    local stage=$work/stage
    rm -rf "$stage"
    mkdir "$stage"
    printf 'lower layer' >"$stage/lower"
    chmod 777 "$stage"
    chmod 666 "$stage/lower"
    cd "$stage" || return
    # What it takes is one line; nothing is asked for.
    local seen
    seen=$("$@" "$VEDETTE" run -- sh -c 'echo inside; exit 4' 2>"$work/stderr")
    if [ $? -eq 4 ] && [ "$seen" = inside ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -q '^vedette: warning: isolation is no-namespaces, which is weaker than full: ' "$work/stderr"; then
        ok "$name-starts"
    else fail "$name-starts" "printed '$seen', said $(head -3 "$work/stderr" | tr '\n' '|')"; fi
    # It has tried another level first: the command has its caller's signals all the same.
    expect "$name-signals" 0 "$("$@" grep -E 'Sig(Blk|Ign)' /proc/self/status)" "$@" "$VEDETTE" run --quiet -- grep -E 'Sig(Blk|Ign)' /proc/self/status
    expect "$name-broken-pipe" 0 y "$@" "$VEDETTE" run --quiet -- bash -c 'yes | head -1; [ "${PIPESTATUS[0]}" -eq 141 ]'
    descriptors "$name" "$@"
    expect "$name-git" 0 'one commit' "$@" "$VEDETTE" run --quiet -- sh -c 'git init -q r && cd r && git config user.name n && git config user.email e && echo x >f && git add f && git commit -qm "one commit" && git log --format=%s && git gc -q'
    expect "$name-gcc" 0 42 "$@" "$VEDETTE" run --quiet -- sh -c 'printf "#include <stdio.h>\nint main(void){printf(\"%%d\\\\n\",42);}" >a.c && gcc a.c -o a && ./a'
    expect "$name-dpkg" 0 'install ok installed' "$@" "$VEDETTE" run --quiet --fake-root -- sh -c 'mkdir -p p/DEBIAN p/opt && printf "Package: vedette-probe\nVersion: 1\nArchitecture: all\nMaintainer: n <n@example.org>\nDescription: probe\n" >p/DEBIAN/control && echo x >p/opt/probe && dpkg-deb --root-owner-group -b p >/dev/null && dpkg -i p.deb >/dev/null && test -e /opt/probe && dpkg-query -Wf "\${Status}" vedette-probe'
    mkdir "$stage/upper"
    chmod 777 "$stage/upper"
    expect "$name-upper" 0 '' "$@" "$VEDETTE" run --quiet --upper "$stage/upper" -- sh -c 'mkdir -p kept/a && echo x >kept/a/b && rm lower'
    expect "$name-upper-again" 0 'x no' "$@" "$VEDETTE" run --quiet --upper "$stage/upper" -- sh -c 'echo "$(cat kept/a/b) $([ -e lower ] || echo no)"'
    seen=$("$@" "$VEDETTE" diff "$stage/upper" 2>&1)
    grep -q 'kept/a/b$' <<<"$seen" && grep -q 'lower$' <<<"$seen" && ok "$name-diff" || fail "$name-diff" "$seen"
    printf old >file
    chmod 666 file
    expect "$name-coherence" 0 'old new new' "$@" env VEDETTE_CHECK=mappings "$VEDETTE" run --quiet -- sh -c "$work/coherence reader file & while [ ! -e file.mapped ]; do sleep 0.05; done; $work/coherence writer file; : >file.written; wait"
    grep -qE '^vedette: mapping check: [1-9][0-9]* comparisons, 0 differences$' "$work/stderr" && ok "$name-record" || fail "$name-record" "$(cat "$work/stderr")"
    [ "$(cat lower file)" = 'lower layerold' ] && [ ! -e s ] && [ ! -e /opt/probe ] && ok "$name-host-unchanged" || fail "$name-host-unchanged" "$(ls)"
    cd "$work/here" || exit 1
}
# One refusal at a time: kcmp (312, Podman's profile), pidfd_getfd (438), both; at the level that there is otherwise.
refusing() { timeout -k 5 100 ${as[@]+"${as[@]}"} "$work/under_filter" "${rules[@]}" -- "$@"; }
mkdir "$work/each"
chmod 777 "$work/each"
cd "$work/each" || exit 1
for rules in 312=1 438=1 '438=1 312=38'; do
    read -r -a rules <<<"$rules"
    numbers=${rules[*]%%=*}
    descriptors "refused-${numbers// /-}" refusing
done
# What a guest's other threads make of the message that a descriptor comes by; and nothing is left open by us.
rules=("438=1" "312=1")
for gate in trace notify; do
    rm -f raced own
    expect "message-race-$gate" 0 right bash -c 'ulimit -n 256; "$@"' bash timeout -k 5 100 ${as[@]+"${as[@]}"} "$work/under_filter" "${rules[@]}" -- "$VEDETTE" run --quiet --gate $gate -- "$work/message_race" 300
done
cd "$work/here" || exit 1
# reports NAME PATTERN COMMAND... : doctor's line is there, and its status is 0.
reports() {
    local name=$1 pattern=$2
    shift 2
    "$@" "$VEDETTE" doctor >"$work/doctor" 2>&1 && grep -qE "$pattern" "$work/doctor" && ok "$name" || fail "$name" "$(tr '\n' '|' <"$work/doctor" | cut -c1-600)"
}
case $MODE in
no-namespaces)
    battery ubuntu
    reports ubuntu-doctor '^isolation: no-namespaces$' ubuntu
    reports ubuntu-doctor-descriptors '^yes +pidfd_getfd +.*duplicated by it' ubuntu
    reports ubuntu-doctor-store '^no +store in memory \(fsopen\) +it is a directory' ubuntu
    as=(setpriv --reuid 65534 --regid 65534 --clear-groups)
    chmod 755 "$work"
    [ -x "$work/vedette" ] || "${as[@]}" test -x "$VEDETTE" || {
        cp "$VEDETTE" "$work/vedette"
        VEDETTE=$work/vedette
    }
    expect ubuntu-nobody 0 65534 ubuntu "$VEDETTE" run --quiet -- id -u
    # kernel.yama.ptrace_scope 1: guests are our own children, or tracees already.
    scope=/proc/sys/kernel/yama/ptrace_scope
    if [ ! -e $scope ]; then
        skip yama 'no Yama in this kernel'
    elif [ "$(cat $scope)" = 1 ] || { [ "$(cat $scope)" = 0 ] && echo 1 >$scope 2>/dev/null && trap 'echo 0 >$scope; cleanUp' EXIT; }; then
        expect yama 0 'a b' "${as[@]}" "$VEDETTE" run --quiet -- sh -c '(setsid sh -c "sleep 0.1; echo b >late" &) ; echo a >f; while [ ! -e late ]; do sleep 0.05; done; echo $(cat f late)'
    else
        skip yama "ptrace_scope is $(cat $scope)"
    fi
    ;;
*)
    for engine in docker containerd; do
        battery inside $engine
        reports "$engine-doctor" '^isolation: no-namespaces$' inside $engine
        reports "$engine-doctor-descriptors" '^no +pidfd_getfd +refused here: .* injected sendmsg' inside $engine
        reports "$engine-doctor-store" '^no +store in memory \(fsopen\) +it is a directory' inside $engine
    done
    reports docker-doctor-memory '^yes +process_vm_readv, process_vm_writev ' inside docker
    reports containerd-doctor-memory '^no +process_vm_readv, process_vm_writev +refused here: .*/proc/PID/mem' inside containerd
    # The level that promises more is refused, in one line.
    refused full 125 'user namespaces are refused' inside docker "$VEDETTE" run --isolation full -- true
    ;;
esac
finish
