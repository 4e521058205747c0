#!/usr/bin/env bash
# Other projects' own tests, natively and inside: what passes natively must pass inside. They find what was not thought of here,
# take long and need sources from apt, so they are no part of `make test`.
#
#   upstream.sh coreutils
#   upstream.sh git [SCRIPT-GLOB...]        default: t00* t10* t11* t30* t70*
#   upstream.sh python [TEST...]            default: what has to do with files, processes and signals
#
# Prints the tests that pass natively and fail inside, and those that are skipped inside only (no mount, no ptrace); its status is
# 1 if there is one of the first kind. Environment: VEDETTE; WORK, a directory to keep sources and logs in (default: a new one).
set -u
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
VEDETTE=$(realpath -e "${VEDETTE:-$here/../../../.build/release/vedette}") || {
    echo "upstream.sh: build first: make release" >&2
    exit 2
}
project=${1:-}
shift || true
WORK=${WORK:-$(mktemp -d /tmp/vedette-upstream.XXXXXX)}
mkdir -p "$WORK" && cd "$WORK" || exit 2
jobs=$(nproc)

# fetch PACKAGE : its source, by apt but without a change of apt's own settings; prints the directory.
fetch() {
    local options=(-qq -o Dir::Etc::sourcelist="$WORK/apt/none" -o Dir::Etc::sourceparts="$WORK/apt" -o Dir::State::lists="$WORK/lists")
    if [ -z "$(find . -maxdepth 1 -type d -name "$1-*" -print -quit)" ]; then
        mkdir -p apt lists/partial
        for file in /etc/apt/sources.list.d/*.sources; do
            [ -e "$file" ] && sed 's/^Types: .*/Types: deb-src/' "$file" >"apt/$(basename "$file")"
        done
        [ ! -e /etc/apt/sources.list ] || sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >apt/old.list
        { apt-get "${options[@]}" update && apt-get "${options[@]}" source --download-only "$1"; } >&2 || return
        mkdir "$1-source" && tar -xf "$1"_*.orig.tar.* -C "$1-source" --strip-components=1 || return
    fi
    find . -maxdepth 1 -type d -name "$1-*" -print -quit
}
# both COMMAND... : runs it natively and inside, in the directory that it names itself; leaves native.log and inside.log.
both() {
    echo "natively..."
    bash -c "$1" >native.log 2>&1
    echo 'inside...'
    "$VEDETTE" run -- bash -c "$1" >inside.log 2>&1
}

case $project in
coreutils)
    source=$(fetch coreutils) || {
        echo 'upstream.sh: no source of coreutils' >&2
        exit 2
    }
    if [ ! -x "$source/src/ls" ]; then
        (cd "$source" && FORCE_UNSAFE_CONFIGURE=1 ./configure -q && make -s -j"$jobs") >build.log 2>&1 || {
            tail build.log
            exit 2
        }
    fi
    both "rm -rf copy-\$\$ && cp -a '$source' copy-\$\$ && make -C copy-\$\$ -k check -j$jobs SUBDIRS=. VERBOSE=; rm -rf copy-\$\$"
    outcomes() { sed -nE 's/^(PASS|FAIL|ERROR|SKIP): (.*)/\2 \1/p' "$1"; }
    ;;
git)
    source=$(fetch git) || {
        echo 'upstream.sh: no source of git' >&2
        exit 2
    }
    if [ ! -x "$source/git" ]; then
        make -s -C "$source" -j"$jobs" NO_CURL=1 NO_EXPAT=1 NO_GETTEXT=1 NO_TCLTK=1 NO_PYTHON=1 NO_OPENSSL=1 >build.log 2>&1 ||
            {
                tail build.log
                exit 2
            }
    fi
    [ $# -gt 0 ] || set -- 't00*' 't10*' 't11*' 't30*' 't70*'
    both "cd '$source/t' && for script in $(printf '%s.sh ' "$@"); do echo \"= \$script\"; sh ./\$script; done"
    outcomes() {
        awk '/^= / { script = $2 } /^ok / { print script, $2, / # skip/ ? "SKIP" : "PASS" }
            /^not ok / && !/# TODO/ { print script, $3, "FAIL" }' "$1"
    }
    ;;
python)
    python=$(/usr/bin/python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])') || exit 2
    "$here/../apt-install.sh" "libpython$python-testsuite" >&2
    [ $# -gt 0 ] || set -- test_{os,posix,posixpath,shutil,tempfile,pathlib,glob,mmap,fcntl,subprocess,signal,zipfile,tarfile,io} \
        test_{fileio,stat,genericpath,pty,select,epoll,largefile,mailbox,shelve,threadsignals,wait3,wait4,fork1,poll,filecmp}
    both "mkdir -p python-\$\$ && cd python-\$\$ && /usr/bin/python3 -m test -v --timeout 300 $*"
    outcomes() {
        sed -nE 's/^([a-zA-Z0-9_]+ \([a-zA-Z0-9_.]+\)).* \.\.\. .*(ok|FAIL|ERROR|skipped.*)$/\1 \2/p' "$1" |
            sed -E 's/ ok$/ PASS/; s/ ERROR$/ FAIL/; s/ skipped.*$/ SKIP/'
    }
    ;;
*)
    sed -n '2,11s/^# \{0,1\}//p' "$here/upstream.sh" >&2
    exit 2
    ;;
esac
for run in native inside; do outcomes $run.log | LC_ALL=C sort -u >$run.outcomes; done
passed=$(grep -c ' PASS$' native.outcomes)
[ "$passed" -gt 0 ] || {
    echo "nothing passes natively: see $WORK/native.log"
    exit 2
}
# missing OUTCOME : the tests that pass natively and have this outcome inside.
missing() { LC_ALL=C join -t '|' <(sed -n 's/ PASS$//p' native.outcomes) <(sed -n "s/ $1\$//p" inside.outcomes); }
missing SKIP | sed 's/^/skipped inside: /'
missing FAIL | sed 's/^/FAILS inside: /'
alike=$(LC_ALL=C join -t '|' native.outcomes inside.outcomes | grep -c ' PASS$')
failing=$(missing FAIL | wc -l)
echo "$passed pass natively; inside $alike of them, $(missing SKIP | wc -l) are skipped, $failing fail; logs are in $WORK"
[ "$failing" -eq 0 ]
