# What the packaging scripts share. Sourced: `. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"`; $1 is the binary, $2 where results go.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vedette=$(realpath -e "${1:?usage: $(basename "$0") VEDETTE DIRECTORY}")
mkdir -p "${2:?usage: $(basename "$0") VEDETTE DIRECTORY}"
# shellcheck disable=SC2034
output=$(cd "$2" && pwd)
version=$("$vedette" --version)
version=${version##* }
# The same sources make the same bytes: the time of everything is the last commit's.
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$here" log -1 --format=%ct 2>/dev/null || date +%s)}
export SOURCE_DATE_EPOCH LC_ALL=C.UTF-8
umask 022
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# pack DIRECTORY : a tar archive of it on standard output, owned by root, in the order of names.
pack() { tar -C "$1" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" --format=gnu -cf - .; }
isStatic() { if LC_ALL=C readelf -l "$vedette" 2>/dev/null | grep -q INTERP; then
    echo "$(basename "$0"): $vedette is not static (make release)" >&2
    return 1
fi; }
