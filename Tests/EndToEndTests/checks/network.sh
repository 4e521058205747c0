#!/usr/bin/env bash
# --net allow, --allow-net and --publish, in a network namespace of the test's own: what the rules cover is reached, over TCP
# and UDP, and nothing else; names, the loopback of the sandbox, the report. No other network is touched.
if [ "${1:-}" != inside ]; then
    # A namespace in which we are root, whoever we are.
    unshare=(unshare --net --mount)
    [ "$(id -u)" -eq 0 ] || unshare+=(--user --map-root-user)
    if ! "${unshare[@]}" true 2>/dev/null; then
        echo 'skipped network: no network namespace can be made here'
        exit 77
    fi
    # There is no second user in a namespace of our own.
    [ "$(id -u)" -eq 0 ] || export MODE=root
    exec "${unshare[@]}" bash "${BASH_SOURCE[0]}" inside
fi
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
log=$work/log
: >"$log"
printf 'nameserver 10.77.0.53\n' >"$work/resolv.conf"
printf '127.0.0.1 localhost\n10.77.0.2 listed.test\n' >"$work/hosts"
chmod 644 "$work/resolv.conf" "$work/hosts"
mount --bind "$work/resolv.conf" "$(realpath /etc/resolv.conf)" && mount --bind "$work/hosts" /etc/hosts || {
    skip network 'the name servers cannot be set for the test'
    exit 77
}
python3 "$checks/network-servers.py" "$log" "$work/ready" 2>"$work/servers" &
servers=$!
trap 'kill $servers 2>/dev/null; cleanUp' EXIT
for _ in $(seq 100); do
    [ -e "$work/ready" ] && break
    sleep 0.05
done
[ -e "$work/ready" ] || {
    fail setup "no servers: $(tail -1 "$work/servers")"
    finish
}
gcc -O1 -static -pthread -o "$work/network-guest" "$checks/network-guest.c" || {
    fail setup 'the guest does not compile'
    finish
}
chmod 755 "$work/network-guest"
guest=$work/network-guest
# n RULE... -- COMMAND... : the sandbox with these rules.
n() {
    local rules=()
    while [ "$1" != -- ]; do
        rules+=(--allow-net "$1")
        shift
    done
    shift
    v --quiet --net allow ${rules[@]+"${rules[@]}"} ${gate[@]+"${gate[@]}"} -- "$@"
}
# reached PATTERN : how many lines of the log there are of that; the log is emptied.
reached() {
    sleep 0.05
    grep -c -- "$1" "$log"
}
# only NAME COUNT PATTERN : since the last time, the log has so many lines of the pattern, and no other.
only() {
    sleep 0.05
    local all seen
    all=$(grep -vc '^dns' "$log")
    seen=$(grep -v '^dns' "$log" | grep -c -- "$3")
    : >"$log"
    if [ "$all" = "$2" ] && [ "$seen" = "$2" ]; then ok "$1"; else fail "$1" "$seen of $3, $all in all"; fi
}

for way in trace notify; do
    gate=(--gate "$way")
    name=tcp-$way
    expect $name-allowed 0 '10.77.0.1:7001 says hi' n 10.77.0.1:7001/tcp -- "$guest" tcp 10.77.0.1 7001
    only $name-reached 1 'tcp 10.77.0.1:7001'
    expect $name-waiting 0 '10.77.0.1:7001 says hi' n 10.77.0.0/24 -- "$guest" tcp-nonblocking 10.77.0.1 7001
    expect $name-epoll 0 '10.77.0.1:7001 says hi' n 10.77.0.0/24 -- "$guest" tcp-epoll 10.77.0.1 7001
    : >"$log"
    expect $name-port 0 ENETUNREACH n 10.77.0.1:7001 -- "$guest" tcp 10.77.0.1 7002
    expect $name-address 0 ENETUNREACH n 10.77.0.1:7001 -- "$guest" tcp 10.77.0.2 7001
    expect $name-protocol 0 ENETUNREACH n 10.77.0.1:7001/udp -- "$guest" tcp 10.77.0.1 7001
    expect $name-none 0 ENETUNREACH n -- "$guest" tcp 10.77.0.1 7001
    expect $name-host-loopback 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" tcp 127.0.0.1 7001
    expect $name-host-wildcard 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" tcp 127.1.2.3 7003
    expect $name-host-zero 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" tcp 0.0.0.0 7003
    expect $name-host-mapped 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" tcp ::ffff:127.0.0.1 7001
    expect $name-host-loopback6 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" tcp ::1 7001
    expect $name-link-local 0 ENETUNREACH n 0.0.0.0/0 -- "$guest" tcp 169.254.77.1 7001
    expect $name-link-local-mapped 0 ENETUNREACH n 0.0.0.0/0 ::/0 -- "$guest" tcp ::ffff:169.254.77.1 7001
    only $name-nothing-else 0 .
    expect $name-named-loopback 0 '127.0.0.1:7001 says hi' n 127.0.0.1:7001 -- "$guest" tcp 127.0.0.1 7001
    expect $name-named-link-local 0 '169.254.77.1:7001 says hi' n 169.254.77.1 -- "$guest" tcp 169.254.77.1 7001
    expect $name-mapped 0 '10.77.0.1:7001 says hi' n 10.77.0.1 -- "$guest" tcp ::ffff:10.77.0.1 7001
    : >"$log"
    name=udp-$way
    expect $name-connected 0 '10.77.0.1:7001 says hi' n 10.77.0.1:7001/udp -- "$guest" udp 10.77.0.1 7001
    expect $name-sendto 0 '10.77.0.1:7001 says hi' n 10.77.0.1:7001 -- "$guest" udp-sendto 10.77.0.1 7001
    expect $name-sendmsg 0 '10.77.0.1:7001 says hi' n 10.77.0.1:7001 -- "$guest" udp-sendmsg 10.77.0.1 7001
    expect $name-sendmmsg 0 '1 ENETUNREACH' n 10.77.0.1:7001 -- "$guest" udp-sendmmsg 10.77.0.1 7001 10.77.0.2 7001
    only $name-reached 4 'udp 10.77.0.1:7001'
    expect $name-refused 0 ENETUNREACH n 10.77.0.1:7001 -- "$guest" udp 10.77.0.2 7001
    expect $name-sendto-refused 0 ENETUNREACH n 10.77.0.1:7001/tcp -- "$guest" udp-sendto 10.77.0.1 7001
    expect $name-sendmsg-refused 0 ENETUNREACH n 10.77.0.1:7001 -- "$guest" udp-sendmsg 10.77.0.2 7001
    expect $name-host-loopback 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" udp-sendto 127.0.0.1 7001
    expect $name-host-wildcard 0 ECONNREFUSED n 0.0.0.0/0 ::/0 -- "$guest" udp-sendto 127.9.9.9 7003
    only $name-nothing-else 0 .
    expect $name-answers 0 '10.77.0.1:7001 says spoof, then nothing' n 10.77.0.1:7001 -- "$guest" udp-answers 10.77.0.1 7001
    : >"$log"
done
gate=()

# Attacks. Each prints what it saw of servers that it must not reach: nothing.
for attack in swap-connect swap-sendto swap-sendmsg swap-descriptor swap-descriptor-unix unspec options ancillary fastopen bound-connect multicast device raw passed mapped-bind listen-unbound; do
    expect "attack-$attack" 0 'done' n 10.77.0.1:7001 -- "$guest" attack "$attack" 10.77.0.1 7001 10.77.0.2 7001
    if grep -v '^dns' "$log" | grep -qv ' 10.77.0.1:7001 '; then fail "attack-$attack-reached" "$(grep -v '^dns' "$log" | grep -v ' 10.77.0.1:7001 ' | sort | uniq -c | head -3)"; fi
    : >"$log"
done

# The loopback of the sandbox.
for test in loopback-tcp loopback-tcp6 loopback-dual loopback-udp loopback-udp6 loopback-names loopback-ports loopback-fork loopback-threads; do
    expect $test 0 'done' n -- "$guest" $test
    expect $test-notify 0 'done' v --quiet --net allow --gate notify -- "$guest" $test
done
only loopback-alone 0 .

# The host reaches a guest that listens, where that is published.
v --quiet --net allow --publish 7801:80 --fake-root -- "$guest" serve 80 &
served=$!
seen=
for _ in $(seq 100); do
    seen=$({ exec 3<>/dev/tcp/127.0.0.1/7801 && echo hi >&3 && head -1 <&3; } 2>/dev/null)
    [ -n "$seen" ] && break
    sleep 0.05
done
[ "$seen" = 'guest says hi' ] && ok publish || fail publish "saw '$seen'"
wait $served
refused publish-taken 125 '7001' v --net allow --publish 7001 -- true
refused publish-with-host 125 'publish' v --net host --publish 7801 -- true
refused rule-with-none 125 'allow-net' v --net none --allow-net 10.77.0.1 -- true
refused rule-is-none 125 "allow-net: 'a..b'" v --allow-net a..b -- true
expect rule-implies 0 '10.77.0.1:7001 says hi' v --quiet --allow-net 10.77.0.1 -- "$guest" tcp 10.77.0.1 7001
printf 'net = "allow"\nallow-net = ["10.77.0.1:7001", "dns"]\npublish = ["7802"]\n' >"$work/net.toml"
expect rule-by-file 0 '10.77.0.1:7001 says hi' v --quiet --config "$work/net.toml" -- "$guest" tcp 10.77.0.1 7001
: >"$log"

# Names.
ask='import socket, sys
try: print(*sorted({r[4][0] for r in socket.getaddrinfo(sys.argv[1], 7001, 0, socket.SOCK_STREAM)}))
except socket.gaierror as e: print(e.strerror if hasattr(e, "strerror") else e)'
get='import socket, sys
try: s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); s.sendall(b"hi"); print(s.recv(99)[-7:].decode())
except OSError as e: print(type(e).__name__, e.errno)'
expect name-address 0 '10.77.0.1 fd77::1' n web.test:7001 -- python3 -c "$ask" web.test
expect name-unknown 0 'Name or service not known' n web.test:7001 -- python3 -c "$ask" other.test
grep -q 'dns other.test' "$log" && fail name-unasked 'the host was asked for a name that no rule has' || ok name-unasked
expect name-every 0 '10.77.0.2' n dns -- python3 -c "$ask" other.test
expect name-rebinding 0 '10.77.0.1' n rebind.test -- python3 -c "$ask" rebind.test
expect name-below 0 '10.77.0.1' n '*.web.test' -- python3 -c "$ask" deep.sub.web.test
expect name-many 0 200 n many.test -- python3 -c 'import socket; print(len({r[4][0] for r in socket.getaddrinfo("many.test", 1, socket.AF_INET)}))'
expect name-listed 0 '10.77.0.2' n listed.test -- python3 -c "$ask" listed.test
: >"$log"
expect name-connected 0 'says hi' n web.test:7001 -- python3 -c "$get" web.test 7001
expect name-alias 0 'says hi' n www.test:7001 -- python3 -c "$get" www.test 7001
: >"$log"
expect name-port 0 'OSError 101' n web.test:7001 -- python3 -c "$get" web.test 7002
expect name-not-asked 0 'OSError 101' n web.test:7001 -- python3 -c "$get" 10.77.0.1 7001
expect name-planted 0 'OSError 101' n web.test:7001 -- python3 -c "import socket; socket.getaddrinfo('web.test', 1)
$get" 10.77.0.2 7001
only name-nothing-else 0 .

# The report, and the trace.
v --allow-net 10.77.0.1:7001 -- "$guest" tcp 10.77.0.2 7001 >/dev/null 2>"$work/stderr"
grep -qx 'vedette: net: refused tcp 10.77.0.2:7001 by network-guest' "$work/stderr" && ok report || fail report "$(cat "$work/stderr")"
v --net allow --trace "$work/here/trace" -- "$guest" tcp 10.77.0.2 7001 >/dev/null 2>&1
grep -qE 'connect\([0-9]+, "10.77.0.2:7001", 16\) = -1 ENETUNREACH' "$work/here/trace" && ok trace || fail trace "$(grep connect "$work/here/trace")"
finish
