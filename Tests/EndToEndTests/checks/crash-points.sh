#!/usr/bin/env bash
# shellcheck disable=SC2053
# Crash safety of --upper DIR: the supervisor is killed behind each step of each operation, and then at random moments of a
# busy guest. `vedette fsck` must find nothing wrong, and the next run must show the old tree or the new one, exactly, and be
# able to go on. CRASH_ROUNDS is the number of random rounds (default 25), CRASH_ONLY a pattern for names of operations.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
case $MODE in root | nobody) ;; *)
    echo "skipped: the steps on the host are the same in every isolation"
    exit 77
    ;;
esac
command -v gcc >/dev/null && command -v python3 >/dev/null || {
    echo "skipped: needs gcc and python3"
    exit 77
}
rounds=${CRASH_ROUNDS:-25} only=${CRASH_ONLY:-}
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }

# The lower: everything that an operation can meet, static program included.
mkdir -p low/{proc,dev,sys,tmp,e,d/sub/deep,d2/sub,whited,ov,links}
gcc -std=gnu11 -O1 -static "$checks/crash-guest.c" -o low/guest || {
    fail setup 'crash-guest.c does not compile'
    finish
}
long=$(printf 'n%.0s' {1..255})
(
    cd low && echo content >f && echo other >g && echo x >d/x && echo y >d/sub/y && echo z >d/sub/deep/z && chmod 4750 d/x
    echo linked >l1 && ln l1 l2 && ln l1 links/l3 && echo copied >m1 && ln m1 m2 && echo two >d2/sub/two
    echo a >whited/a && echo a >"ov/$long" && ln -s d s && ln -s f sl && ln sl links/sl2 && mkfifo p
    python3 -c 'import os; os.setxattr("f", "user.old", b"old"); os.setxattr("d", "user.mark", b"directory")'
    # More than a block and a hole.
    python3 -c 'f = open("big", "wb"); f.write(b"b" * 70000); f.seek(1000000); f.write(b"end")'
    [ "$MODE" != root ] || mknod n c 1 7
    find . -exec touch -h -d 2001-02-03T04:05:06 {} +
)
own low
inside() { v --rootfs "$PWD/low" --fake-root --clear-env --workdir / --upper "$PWD/up" -- /guest "$@"; }
list() { inside list >"$1" 2>"$work/stderr"; }
fresh() {
    chmod -R u+rwX up 2>/dev/null
    rm -rf up
    mkdir up
    own up
    [ $# -eq 0 ] || inside "$@" || {
        fail "$name" "cannot prepare: $*"
        return 1
    }
}
clean() { ${as[@]+"${as[@]}"} "$VEDETTE" fsck up >"$work/fsck" 2>&1 && [ "$(wc -l <"$work/fsck")" -eq 1 ]; }
points=0 operations=0
declare -A reached at
# crash NAME PREPARATION COMMAND... : kills at every step.
crash() {
    local name=$1 prepare=$2 k status step bad='' news=0
    shift 2
    [[ -z $only || $name == $only ]] || return
    # shellcheck disable=SC2206
    prepare=($prepare)
    fresh ${prepare[@]+"${prepare[@]}"} || return
    list "$work/old" || {
        fail "$name" "old: $(grep PROBLEM "$work/old" | head -3)"
        return
    }
    inside "$@" 2>"$work/stderr" || {
        fail "$name" "$(cat "$work/stderr")"
        return
    }
    list "$work/new" || {
        fail "$name" "new: $(grep PROBLEM "$work/new" | head -3)"
        return
    }
    for ((k = 1; k < 400; k++)); do
        fresh ${prepare[@]+"${prepare[@]}"} || return
        VEDETTE_CRASH_POINT=$k inside "$@" 2>"$work/killed"
        status=$?
        [ $status -ne 0 ] || break
        if [ $status -ne 137 ]; then
            bad="point $k: status $status: $(head -2 "$work/killed")"
            break
        fi
        points=$((points + 1))
        step=$(sed -n 's/^crash point: //p' "$work/killed")
        reached[$step]=1
        at["$name:$step"]=$k
        if ! clean; then
            bad="point $k ($(head -1 "$work/killed")): fsck: $(head -2 "$work/fsck" | tr '\n' '|')"
            break
        fi
        list "$work/seen" || {
            bad="point $k: $(grep PROBLEM "$work/seen" | head -2) $(head -2 "$work/stderr")"
            break
        }
        if cmp -s "$work/seen" "$work/old"; then
            # The old state is one that the operation can be done in; every third point will do.
            if [ $((k % 3)) -eq 1 ] && ! cmp -s "$work/old" "$work/new"; then
                inside "$@" 2>"$work/stderr" && list "$work/seen" && cmp -s "$work/seen" "$work/new" || {
                    bad="point $k, done again: $(head -2 "$work/stderr") $(diff "$work/seen" "$work/new" | head -4 | tr '\n' '|')"
                    break
                }
            fi
        elif cmp -s "$work/seen" "$work/new"; then
            news=$((news + 1))
        else
            bad="point $k ($(head -1 "$work/killed")) is neither old nor new: $(diff "$work/old" "$work/seen" | head -6 | tr '\n' '|') wanted $(diff "$work/old" "$work/new" | head -6 | tr '\n' '|')"
            break
        fi
        [ $((k % 3)) -ne 1 ] || clean || {
            bad="point $k, after the next run: fsck: $(head -2 "$work/fsck" | tr '\n' '|')"
            break
        }
    done
    operations=$((operations + 1))
    [ -z "$bad" ] && ok "$name" || fail "$name" "$bad"
    [ -z "${VERBOSE:-}" ] || echo "   $name: $((k - 1)) points, $news new"
}

crash chmod-of-lower '' chmod 600 f
crash chmod-sets-set-id '' chmod 4711 g
crash chmod-clears-set-id '' chmod 711 d/x
crash chmod-sets-set-id-again 'chmod 600 g' chmod 4711 g
crash chmod-clears-set-id-again 'chmod 4777 g' chmod 711 g
crash chown-of-lower '' chown 5 d/x
crash chown-of-upper 'chmod 4755 f' chown 5 f
crash chmod-of-directory '' chmod 700 d/sub/deep
crash times-of-lower '' utimes d/sub/y
crash times-of-symlink '' utimes s
crash times-of-linked-symlink '' utimes sl
crash chmod-of-fifo '' chmod 600 p
[ "$MODE" != root ] || crash chmod-of-device '' chmod 600 n
crash chmod-of-linked '' chmod 600 l1
crash chmod-of-linked-elsewhere 'unlink l1' chmod 600 links/l3
crash open-for-writing '' openwrite big
crash open-and-truncate '' opentrunc big
crash truncate-of-lower '' truncate 3 f
crash truncate-of-linked '' truncate 3 l2
crash setxattr '' setxattr f user.new
crash setxattr-trusted '' setxattr d trusted.new
crash removexattr '' removexattr f user.old
crash setacl '' setacl g
crash setacl-of-upper 'chmod 600 g' setacl g
crash chmod-under-acl 'setacl g' chmod 4711 g
crash create '' create d/sub/new
crash create-over-whiteout 'unlink f' create f
crash mkdir '' mkdir d/sub/new
crash mkdir-over-removed 'unlink whited/a , rmdir whited' mkdir whited
crash symlink '' symlink target new
crash mkfifo '' mkfifo new
crash mknod '' mknod new
crash tmpfile '' tmpfile d/new
crash unlink-lower '' unlink d/sub/y
crash unlink-copied 'chmod 600 f' unlink f
crash unlink-new 'create u' unlink u
crash unlink-linked '' unlink l1
crash unlink-linked-again 'unlink l2' unlink l1
crash unlink-last-linked 'unlink l2 , unlink links/l3' unlink l1
crash unlink-copied-linked 'append m1 more' unlink m1
crash unlink-other-name-of-copied 'append m1 more' unlink m2
crash unlink-last-copied-linked 'append m1 more , unlink m1' unlink m2
crash unlink-copied-symlink 'utimes s' unlink s
crash unlink-copied-linked-symlink 'utimes sl , unlink links/sl2' unlink sl
crash unlink-long-name '' unlink "ov/$long"
crash unlink-device 'mknod new' unlink new
crash rmdir-lower '' rmdir e
crash rmdir-new 'mkdir u' rmdir u
crash rmdir-with-whiteouts 'unlink whited/a' rmdir whited
crash rmdir-with-overflow "unlink ov/$long" rmdir ov
crash link-lower '' link f d/new
crash link-linked '' link l1 d/new
crash link-copied-linked 'append m1 more' link m2 new
crash link-new 'create u' link u d/sub/new
crash link-symlink '' link sl new
crash rename-lower '' rename f d/sub/new
crash rename-new 'create u' rename u d/new
crash rename-over-lower '' rename f g
crash rename-new-over-lower 'write u text' rename u f
crash rename-over-linked '' rename f l1
crash rename-over-copied-linked 'append m1 more' rename f m2
crash rename-linked '' rename l1 d/new
crash rename-other-name-of-copied 'append m1 more' rename m2 d/new
crash rename-over-symlink 'utimes s' rename f s
crash rename-directory '' rename d/sub e/new
crash rename-directory-again 'rename d/sub e/new' rename e/new moved
crash rename-directory-over-empty '' rename d e
crash rename-directory-over-whiteouts 'unlink whited/a' rename d whited
crash rename-directory-over-overflow "unlink ov/$long" rename d ov
crash rename-directory-with-overflow "unlink ov/$long" rename ov d/sub/new
crash rename-new-directory-over-lower 'mkdir u , create u/one' rename u e
crash exchange-files '' exchange f d/x
crash exchange-with-directory '' exchange f d/sub
crash exchange-directories '' exchange d/sub d2/sub
crash rename-whiteout '' renamewhiteout f d/new
crash rename-whiteout-over-linked '' renamewhiteout f l1
# Content that is copied by a thread of its own: two stretches of data, and three names.
python3 -c 'f = open("low/long", "wb"); f.write(b"l" * 5000000); f.seek(6000000); f.write(b"m" * 3000000)'
ln low/long low/long2
ln low/long low/d/long3
touch -d 2001-02-03T04:05:06 low/long low low/d
own low/long low low/d
crash open-of-long '' openwrite long
crash append-to-long '' append long2 more
crash chmod-of-long '' chmod 4711 d/long3
crash rename-of-long '' rename long d/new
rm low/long low/long2 low/d/long3
if [ -z "$only" ]; then
    [ "$points" -gt $((operations * 3)) ] && ok every-operation-has-points || fail every-operation-has-points "$points points of $operations operations"
    steps='make link unlink rename attribute times nameless intent'
    missing=
    [ "$MODE" = root ] && steps+=' mode owner' || steps+=' record'
    for step in $steps; do [ -n "${reached[$step]:-}" ] || missing+=" $step"; done
    [ -z "$missing" ] && ok every-kind-of-step-was-met || fail every-kind-of-step-was-met "not met:$missing"
fi

# The taking up of an upper itself, a new one and one that a killed run has left.
startingUp() { # startingUp NAME PREPARE-POINT
    local k status bad=
    [[ -z $only || $1 == $only ]] || return
    fresh
    [ -z "$2" ] || { VEDETTE_CRASH_POINT=$2 inside rename f l1 2>/dev/null; }
    list "$work/whole"
    fresh
    for ((k = 1; k < 400; k++)); do
        fresh
        [ -z "$2" ] || VEDETTE_CRASH_POINT=$2 inside rename f l1 2>/dev/null
        VEDETTE_CRASH_POINT=start:$k inside list >/dev/null 2>"$work/killed"
        status=$?
        [ $status -ne 0 ] || break
        if [ $status -ne 137 ]; then
            bad="point $k: status $status: $(head -2 "$work/killed")"
            break
        fi
        # Before its first run has taken it up, a directory is no upper directory.
        if [ -n "$(ls -A up/work 2>/dev/null)" ] && ! clean; then
            bad="point $k: fsck: $(head -2 "$work/fsck")"
            break
        fi
        list "$work/seen" && cmp -s "$work/seen" "$work/whole" || {
            bad="point $k: $(head -2 "$work/stderr") $(diff "$work/seen" "$work/whole" | head -4)"
            break
        }
        clean || {
            bad="point $k, after the next run: $(head -2 "$work/fsck")"
            break
        }
    done
    [ -n "$bad" ] || [ "$k" -gt 2 ] || bad="only $((k - 1)) points"
    [ -z "$bad" ] && ok "$1" || fail "$1" "$bad"
}
startingUp start-of-a-new-upper ''
# Behind the intent, behind its step, and in the midst of what follows.
point=${at["rename-over-linked:intent"]:-}
[ -z "$point" ] || for next in 0 1 2 3; do startingUp "start-with-an-intent-$next" $((point + next)); done

# Random moments.
if [[ -z $only || random == $only ]]; then
    bad=
    for ((round = 1; round <= rounds; round++)); do
        fresh
        for run in 1 2 3; do
            rm -f "$work/fifo"
            mkfifo "$work/fifo"
            exec 7<>"$work/fifo"
            ${as[@]+"${as[@]}"} "$VEDETTE" run ${level[@]+"${level[@]}"} --rootfs "$PWD/low" --fake-root --clear-env --workdir / --upper "$PWD/up" -- /guest busy $((round * 10 + run)) >&7 2>"$work/stderr" &
            pid=$!
            read -r -t 20 line <&7 || line=nothing
            exec 7<&-
            [ "$line" = busy ] || {
                bad="round $round: the guest said '$line': $(head -2 "$work/stderr")"
                break 2
            }
            sleep "0.$(printf %03d $((RANDOM % 150)))"
            kill -9 $pid
            wait $pid 2>/dev/null
            # The supervisor is gone; the lock goes with its last descriptor.
            clean || {
                bad="round $round, run $run: fsck: $(head -3 "$work/fsck" | tr '\n' '|')"
                break 2
            }
        done
        list "$work/seen" || {
            bad="round $round: $(grep PROBLEM "$work/seen" | head -3 | tr '\n' '|') $(head -2 "$work/stderr")"
            break
        }
        clean || {
            bad="round $round, after the next run: fsck: $(head -3 "$work/fsck" | tr '\n' '|')"
            break
        }
    done
    [ -z "$bad" ] && ok "random-moments" || {
        fail random-moments "$bad"
        [ -z "${KEEP:-}" ] || {
            rm -rf "$KEEP"
            cp -a up "$KEEP"
        }
    }
fi
finish
