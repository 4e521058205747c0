#!/usr/bin/env bash
# What people get wrong, each with the one line that says what is wrong, where, and what to do about it, word for word.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
count=0
# mistake STATUS LINE WORD... : `vedette WORD...` prints nothing, says `vedette: LINE`, and ends with the status.
mistake() {
    local status=$1 line=$2 seen result name
    shift 2
    count=$((count + 1))
    name="mistake: $*"
    seen=$(${as[@]+"${as[@]}"} "$VEDETTE" "$@" 2>"$work/stderr" </dev/null)
    result=$?
    if [ $result -ne "$status" ]; then
        fail "$name" "status $result, not $status: $(head -3 "$work/stderr" | tr '\n' ' ')"
    elif [ -n "$seen" ]; then
        fail "$name" "printed '$seen'"
    elif [ "$(cat "$work/stderr")" != "vedette: $line" ]; then
        fail "$name" "said '$(cat "$work/stderr")', not 'vedette: $line'"
    else
        ok "$name"
    fi
}

v --upper up -- sh -c 'echo a >f' || fail setup 'no upper'
mkdir empty target
printf 'not a tar archive\n' >bad.tar
printf 'echo hello\n' >plain.txt
printf 'echo hello\n' >no-first-line
printf '#!/no/such/interpreter\n' >no-interpreter
chmod 755 no-first-line no-interpreter
printf 'export A=1\n' >bad.env
[ ${#as[@]} -eq 0 ] || chown -R 65534:65534 .

# The first word.
mistake 125 "command line: a command of vedette's is missing before '--' (to run a program: vedette run -- ls -l)" -- ls -l
mistake 125 "command line: there is no command 'ls' (to run a program: vedette run -- ls -l; vedette --help lists the commands)" ls -l
mistake 125 "command line: there is no command './install.sh' (to run a program: vedette run -- ./install.sh)" ./install.sh
mistake 125 "command line: there is no command 'exec' (to run a program: vedette run -- bash -l)" exec bash -l
mistake 125 "command line: there is no command 'rum' (vedette run?)" rum -- ls
mistake 125 "command line: there is no command 'version' (vedette --version)" version
mistake 125 "command line: there is no option '-v' here (vedette --version)" -v
mistake 125 "command line: there is no option '--net' here (options come behind run: vedette run --net host ls)" --net host ls
mistake 125 "command line: there is no option '--verson' here (see vedette --help)" --verson
mistake 125 "help: there is no command 'ruin' (vedette --help lists the commands)" help ruin

# What other tools have.
mistake 125 "run: there is no option '--rm' (leave it out: nothing is kept unless --upper DIR says so)" run --rm -- ls
mistake 125 "run: there is no option '-it' (leave it out: the command has the caller's standard input and terminal)" run -it -- bash
mistake 125 "run: there is no option '--network' (--net none, allow or host; none is the default)" run --network none -- ls
mistake 125 "--allow-net: 'a..b' names no host (a name, *.name, an address or a range; a name of another script as xn--)" run --allow-net a..b -- ls
mistake 125 "--allow-net: '10.0.0.0/33' has a length that no address has (write HOST[:PORT[-PORT]][/tcp|/udp], or dns)" run --allow-net 10.0.0.0/33 -- ls
mistake 125 "--allow-net: means nothing with --net none (with --net allow, which they imply)" run --net none --allow-net dns -- ls
mistake 125 "--publish: 'a' is no port (write PORT or PORT:GUESTPORT, numbers from 1 to 65535)" run --publish a -- ls
mistake 125 "run: there is no option '--privileged' (leave it out: the command never has privileges on the host; --fake-root for root inside)" run --privileged -- ls
mistake 125 "run: there is no option '--ro-bind' (--bind SRC[:DST][:ro])" run --ro-bind / / -- ls
mistake 125 "run: there is no option '--chdir' (--workdir DIR)" run --chdir /tmp -- ls
mistake 125 "run: there is no option '--setenv' (--env NAME=VALUE)" run --setenv A 1 -- ls
mistake 125 "run: there is no option '--unshare-all' (leave it out: it is always so)" run --unshare-all -- ls
mistake 125 "run: there is no option '--mount' (--bind SRC[:DST][:ro])" run --mount type=bind,src=/a,dst=/b -- ls

# Options.
mistake 125 "run: no command given (try: vedette run -- /bin/sh)" run
mistake 125 "run: no command given (try: vedette run -- /bin/sh)" run --fake-root --
mistake 125 "run: the command is an empty word" run ''
mistake 125 "run: there is no option '--fakeroot' (--fake-root)" run --fakeroot -- ls
mistake 125 "run: there is no option '--tempfs' (--tmpfs?)" run --tempfs /a -- ls
mistake 125 "run: there is no option '--xyz' (see vedette run --help)" run --xyz -- ls
mistake 125 "run: --rootfs lacks its value (write --rootfs DIR)" run --rootfs
mistake 125 "run: --bind lacks its value before '--' (write --bind SRC[:DST][:ro]; --bind=-- if that is the value)" run --bind -- ls
mistake 125 "run: --stats takes no value (write --stats, or --no-stats)" run --stats=yes -- ls
mistake 125 "--bind: '/no/such' does not exist on the host" run --bind /no/such:/x -- ls
mistake 125 "--bind: 'x' is not an absolute path inside (write SRC:/DST[:ro])" run -v /etc:x -- ls
mistake 125 "--bind: '/a:/b:rw:z' is not a bind (write SRC[:DST][:ro])" run -v /a:/b:rw:z -- ls
mistake 125 "--bind: cannot mount over / (use --rootfs for another root)" run --bind "$PWD:/" -- ls
mistake 126 "cannot execute '/etc' inside: it is a directory (the command begins with the first word that is neither an option nor its value)" run --bind /etc /etc -- ls
mistake 125 "--tmpfs: 'scratch' is not absolute (a path inside, from /)" run --tmpfs scratch -- ls
mistake 125 "--tmpfs: '/a/../b' holds '..' (write the path without it)" run --tmpfs /a/../b -- ls
mistake 125 "--size: '1.5G' is not a size (a number of bytes, or 64K, 512M, 2G, 1T)" run --size 1.5G -- ls
mistake 125 "--size: 1024 bytes is too small (at least 64K)" run --size 1K -- ls
mistake 125 "--size: bounds a memory upper only (leave it out with --upper DIR)" run --size 1G --upper up -- ls
mistake 125 "--upper: '/no/such' does not exist" run --upper /no/such/upper -- ls
mistake 125 "--upper: '/etc/passwd' is not a directory" run --upper /etc/passwd -- ls
mistake 125 "--upper: the value is empty (wanted: memory|DIR)" run --upper= -- ls
mistake 125 "--rootfs: '/no/such' does not exist" run --rootfs /no/such -- ls
mistake 125 "--rootfs: '/etc/passwd' is not a directory" run --rootfs /etc/passwd -- ls
mistake 125 "--lower: 'nope' does not exist" run --lower nope -- ls
mistake 125 "--isolation: 'none' is not a choice (one of: auto, full, no-namespaces)" run --isolation none -- ls
mistake 125 "--timeout: '5 min' is not a time (seconds, or 90s, 5m, 2h, 1d, 200ms)" run --timeout '5 min' -- ls
mistake 125 "--timeout: there is no time at all (leave it out for no limit)" run --timeout 0 -- ls
mistake 125 "--pids: 'many' is not a number" run --pids many -- ls
mistake 125 "--pids: the command itself is one (at least 1)" run --pids 0 -- ls
mistake 125 "--ulimit: 'nofile' is not a limit (write nofile=SOFT[:HARD]; 'unlimited' for none)" run --ulimit nofile -- ls
mistake 125 "--ulimit: nofile: the soft limit is above the hard one (write nofile=SOFT:HARD)" run --ulimit nofile=99:50 -- ls
mistake 125 "--fd: descriptor 77 is not open (open it in the shell: 77<FILE)" run --fd 77 -- ls
mistake 125 "--fd: 1 is always passed on (name descriptors from 3 on)" run --fd 1 -- ls
mistake 125 "--user: there is no user 'nobodys' in /etc/passwd inside (or say UID[:GID] in numbers)" run --user nobodys -- ls
mistake 125 "--user: '1:' is not a user (write UID[:GID] or NAME[:GROUP])" run --user 1: -- ls
mistake 125 "--env: '=1' is not a variable (write NAME=VALUE, or NAME for the caller's value)" run --env =1 -- ls
mistake 125 "--env: 'A ' is not a variable's name (write NAME=VALUE, without spaces around =)" run --env 'A = 1' -- ls
mistake 125 "bad.env:1: 'export A=1' is not a variable (write NAME=VALUE, without export)" run --env-file bad.env -- ls
mistake 125 "--env-file: cannot read 'nope': No such file or directory" run --env-file nope -- ls
mistake 125 "--hostname: 'my host' is not the name of a host (at most 64 letters, digits, '-' and '.')" run --hostname 'my host' -- ls
mistake 125 "--workdir: 'src' is not absolute (a path inside, from /)" run --workdir src -- ls
mistake 125 "--workdir: '/no/such' does not exist inside" run -w /no/such -- ls
mistake 125 "--trace: cannot write '/no/such/file': No such file or directory" run --trace /no/such/file -- ls
mistake 125 "--trace-begin: there is no trace (say --trace FILE too, or leave it out)" run --trace-begin -- ls
mistake 125 "--trace-filter: there is no call 'opnat' (trace=openat,%file or trace=!%memory, or refused)" run --trace - -e trace=opnat -- ls
mistake 125 "--trace-filter: there is no set '%files' of calls (one of: %file, %network, %process, %memory, %desc, %ipc, %signal)" run --trace - -e trace=%files -- ls
mistake 125 "--trace-filter: 'read' is run by the kernel itself and never seen (what vedette serves or refuses is)" run --trace - -e trace=read -- ls
mistake 125 "--trace-filter: there is no trace (say --trace FILE too, --trace - for standard error)" run -e trace=openat -- ls
mistake 125 "--trace-format: 'xml' is not a choice (one of: text, json)" run --trace - --trace-format xml -- ls
mistake 125 "--config: cannot read './nope.toml': No such file or directory" run --config ./nope.toml -- ls

# The command.
mistake 127 "'nosuch': command not found inside (looked in /usr/bin:/bin)" run --env PATH=/usr/bin:/bin nosuch
mistake 127 "'ls -l': command not found inside (looked in /usr/bin:/bin)" run --env PATH=/usr/bin:/bin 'ls -l'
mistake 127 "cannot execute './nope' inside: No such file or directory" run ./nope
mistake 126 "cannot execute '/etc' inside: it is a directory" run /etc
mistake 126 "cannot execute './plain.txt' inside: Permission denied (is it an executable file? chmod +x)" run ./plain.txt
mistake 126 "cannot execute './no-first-line' inside: Exec format error (a script needs a first line such as #!/bin/sh; a program must be one for x86-64)" run ./no-first-line
mistake 127 "cannot execute './no-interpreter' inside: No such file or directory (it is there, but not what its first line, or its ELF header, names to run it)" run ./no-interpreter

# Configurations and the environment.
configuration() { # configuration LINE TEXT : what a configuration file with the text is refused with, behind its name
    printf '%b' "$2" >bad.toml
    mistake 125 "./bad.toml:$1" run --config ./bad.toml -- ls
}
configuration '2: fakeroot: unknown key (fake-root?)' 'size = "1G"\nfakeroot = true\n'
configuration '1: fake_root: unknown key (write fake-root)' 'fake_root = true\n'
configuration "1: volume: unknown key (write bind)" 'volume = ["/a"]\n'
configuration '1: stats: wrong type: true or false is wanted, not a string' 'stats = "yes"\n'
configuration '1: bind: wrong type: an array of strings is wanted, not an integer' 'bind = 1\n'
configuration "2: net: 'lan' is not a choice (one of: none, allow, host)" '\nnet = "lan"\n'
configuration "3: bind: '/no/such' does not exist on the host" '\n\nbind = ["/etc:/a", "/no/such:/b"]\n'
configuration '1: size: bounds a memory upper only (leave it out with --upper DIR)' 'size = "1G"\nupper = "up"\n'
export VEDETTE_TIMOUT=5
mistake 125 "VEDETTE_TIMOUT: there is no such option (VEDETTE_TIMEOUT?)" run ls
unset VEDETTE_TIMOUT
export VEDETTE_STATS=si
mistake 125 "VEDETTE_STATS: 'si' is neither yes nor no (write 1 or 0)" run ls
unset VEDETTE_STATS

# Uppers and layers.
mistake 125 "diff: DIR is missing (see vedette diff --help)" diff
mistake 125 "diff: 'nope' does not exist (name what vedette run --upper was given)" diff nope
mistake 125 "diff: 'empty' is no upper directory of vedette (it needs 'upper' and 'work' in it)" diff empty
mistake 125 "diff: '/etc/passwd' is not a directory (name what vedette run --upper was given)" diff /etc/passwd
mistake 125 "diff: 'other' is one word too many (see vedette diff --help)" diff up other
mistake 125 "diff: there is no option '--jsom' (--json?)" diff up --jsom
mistake 125 "diff: --json, --patch, --stat and --renames exclude each other (say one of them)" diff up --json --patch
mistake 125 "diff: there is no option '-u' (--patch)" diff -u up
mistake 125 "diff: --include lacks its value (write --include PATTERN)" diff up --include
mistake 125 "export: 'nope' does not exist (name what vedette run --upper was given)" export nope -o layer.tar
mistake 125 "export: cannot write '/no/such/layer.tar': No such file or directory" export up -o /no/such/layer.tar
mistake 125 "import: --to DIR is missing (write --to DIR)" import bad.tar
mistake 125 "import: 'nope.tar': No such file or directory" import nope.tar --to new
mistake 125 "import: 'bad.tar': the archive ends in the middle of a header" import bad.tar --to new
mistake 125 "import: 'up' is not empty (name a new directory)" import bad.tar --to up
mistake 125 "apply: --to ROOT is missing (write --to ROOT)" apply up
mistake 125 "apply: 'nope': No such file or directory" apply up --to nope
mistake 125 "apply: there is no option '--force' (--ours for conflicts, --yes for the question)" apply up --to target --force
mistake 125 "apply: --ours, --theirs and --merge exclude each other (say one of them)" apply up --to target --ours --theirs
mistake 125 "undo: no apply of 'up' is on record" undo up
mistake 125 "review: 'nope': No such file or directory (--to names the host tree that changes would go to)" review up --to nope
mistake 125 "fsck: there is no option '--fix' (--repair)" fsck up --fix
mistake 125 "fsck: 'empty' is no upper directory of vedette (it needs 'upper' and 'work' in it)" fsck empty
mistake 125 "inspect: 'bash' is no PID (see vedette inspect --help)" inspect bash
mistake 1 "inspect: there is no process 99999999" inspect 99999999
mistake 125 "doctor: 'now' is one word too many (see vedette doctor --help)" doctor now

[ $count -ge 100 ] && ok "a-hundred-mistakes" || fail "a-hundred-mistakes" "$count"
finish
