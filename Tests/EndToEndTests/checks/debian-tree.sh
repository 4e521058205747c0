#!/usr/bin/env bash
# A Debian tree by mmdebstrap or debootstrap: dpkg -l, useradd, dpkg -i with maintainer scripts, all with --fake-root.
# The tree is made once, below .build/test-root, and needs the Debian mirror of apt's configuration. An ordinary user has one
# of his own: what the caller may not read, no fake root reads.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cache=$checks/../../../.build/test-root
tree=$cache/bookworm
if [ ! -e "$cache/complete" ]; then
    [ "$(id -u)" -eq 0 ] && { command -v mmdebstrap || command -v debootstrap; } >/dev/null || {
        echo "skipped: needs root and mmdebstrap or debootstrap"
        exit 77
    }
    mkdir -p "$cache" || exit 1
    mirror=$(sed -n 's/^URIs: *//p; s/^deb \(\[[^]]*\] \)\?\([^ ]*\) .*/\2/p' /etc/apt/sources.list /etc/apt/sources.list.d/* 2>/dev/null | head -1)
    mirror=${mirror:-http://deb.debian.org/debian}
    # build COMMAND... : a mirror may fail once.
    build() {
        command -v "$1" >/dev/null || return 1
        for _ in 1 2 3; do
            rm -rf "$tree"
            mkdir -p "$tree"
            timeout 100 "$@" --variant=minbase bookworm "$tree" "$mirror" >>"$work/log" 2>&1 && return
            sleep 3
        done
        return 1
    }
    if ! build mmdebstrap --mode=root && ! build debootstrap; then
        cp "$work/log" "$cache/log"
        echo "skipped: no tree could be made: $(grep -E '^(E|W|Err)' "$work/log" | sort -u | head -4 | cut -c1-150 | tr '\n' ' ')"
        exit 77
    fi
    (cd "$cache" && apt-get download hello netcat-openbsd >/dev/null 2>&1 && chmod 644 ./*.deb)
    chmod 755 "$cache" "$tree"
    touch "$cache/complete"
fi
if [ ${#as[@]} -gt 0 ]; then
    # The project may lie where nobody cannot reach it.
    cp -a "$tree" "$cache"/*.deb "$work/" && tree=$work/bookworm cache=$work || exit 1
    chown -R 65534:65534 "$tree"
    chmod 755 "$work"
fi
tree=$(realpath "$tree")
cache=$(realpath "$cache")
d() { v --clear-env --env PATH=/usr/sbin:/usr/bin:/sbin:/bin --env HOME=/root --env LC_ALL=C --env DEBIAN_FRONTEND=noninteractive --rootfs "$tree" --fake-root --bind "$cache:/mnt:ro" --workdir / "$@"; }
"$checks/../../../ctests/manifest.sh" "$tree" >"$work/before" 2>/dev/null
expect dpkg-l 0 "$(grep -c '^Status: install ok installed' "$tree/var/lib/dpkg/status")" d -- sh -c 'dpkg -l | grep -c ^ii'
expect useradd 0 'guest:x:1000:1000::/home/guest:/bin/sh' d -- sh -c 'useradd -m guest >/dev/null && tail -1 /etc/passwd && test -d /home/guest'
expect dpkg-i 0 'Hello, world!' d -- sh -c 'dpkg -i /mnt/hello_*.deb >/dev/null 2>/tmp/err && hello || { cat /tmp/err >&2; exit 1; }'
expect dpkg-i-maintainer-scripts 0 $'ii\nalternative' d -- sh -c 'dpkg -i --force-depends /mnt/netcat-openbsd_*.deb >/dev/null 2>/tmp/err || { cat /tmp/err >&2; exit 1; }; dpkg -l netcat-openbsd | tail -1 | cut -c1-2; test -h /etc/alternatives/nc && echo alternative'
expect dpkg-remove 0 'gone' d -- sh -c 'dpkg -i /mnt/hello_*.deb >/dev/null 2>&1; dpkg -r hello >/dev/null 2>&1; test -e /usr/bin/hello || echo gone'
expect apt-get-check 0 '' d -- sh -c 'apt-get check -qq'
"$checks/../../../ctests/manifest.sh" "$tree" >"$work/after" 2>/dev/null
diff "$work/before" "$work/after" >"$work/difference" && ok tree-unchanged || fail tree-unchanged "$(head -3 "$work/difference" | tr '\n' '|')"
finish
