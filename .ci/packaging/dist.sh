#!/usr/bin/env bash
# dist.sh VEDETTE DIRECTORY : a tarball of the static binary and what belongs to it, and SHA256SUMS of the directory's results.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
isStatic
name=vedette-$version-x86_64-linux
"$here/stage.sh" "$vedette" "$work/$name" /
install -m 644 -t "$work/$name" "$here/../../README.md" "$here/../../LICENSE"
(cd "$work/$name" && find . -type f ! -name SHA256SUMS -printf '%P\0' | sort -z | xargs -0 sha256sum >SHA256SUMS)
mkdir "$work/packed"
mv "$work/$name" "$work/packed/"
pack "$work/packed" | gzip -9n >"$output/$name.tar.gz"
# shellcheck disable=SC2046
(cd "$output" && sha256sum ./*.tar.gz $(ls ./*.deb ./*.tar 2>/dev/null) | sed 's| \./| |' >SHA256SUMS)
echo "$output/$name.tar.gz"
