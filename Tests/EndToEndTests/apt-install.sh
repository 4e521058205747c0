#!/usr/bin/env bash
# apt-install.sh [--available] PACKAGE... : installs the Debian packages that are missing; says nothing when all are there.
# Another apt at work is waited for. --available: a package that apt does not know is left out with one line, not an error.
set -u
available=no
if [ "${1:-}" = --available ]; then
    available=yes
    shift
fi

if ! command -v dpkg-query >/dev/null; then
    echo "apt-install: this is no Debian: install what gives you: $*" >&2
    [ $available = yes ]
    exit
fi
missing=()
for package in "$@"; do
    # pkg-config may be provided by pkgconf, git by git-core: `dpkg-query` knows only the name asked for.
    dpkg-query -W -f '${Status}\n' "$package" 2>/dev/null | grep -q 'install ok installed' || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
        as_root=(sudo -n)
    elif command -v sudo >/dev/null && [ -t 0 ]; then
        as_root=(sudo)
    else
        echo "missing packages: ${missing[*]}; ask an administrator for: apt-get install ${missing[*]}" >&2
        [ $available = yes ]
        exit
    fi
fi
export DEBIAN_FRONTEND=noninteractive
echo "installing: ${missing[*]} (another apt at work is waited for, ten minutes at most)"
wait=(-o DPkg::Lock::Timeout=600)
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
if ! ${as_root[@]+"${as_root[@]}"} apt-get "${wait[@]}" update -q >"$log" 2>&1; then tail -5 "$log" >&2; fi
if [ $available = yes ]; then
    known=()
    for package in "${missing[@]}"; do
        if apt-cache show "$package" >/dev/null 2>&1; then
            known+=("$package")
        else
            echo "not in apt's sources, left out: $package"
        fi
    done
    [ ${#known[@]} -gt 0 ] || exit 0
    missing=("${known[@]}")
fi
if ! ${as_root[@]+"${as_root[@]}"} apt-get "${wait[@]}" install -q -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
    tail -15 "$log" >&2
    echo "apt-install: could not install: ${missing[*]}" >&2
    exit 1
fi
