#!/usr/bin/env bash
# deb.sh VEDETTE DIRECTORY : a Debian package of the static binary. MAINTAINER is `Name <address>`, by default git's user.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
isStatic
maintainer=${MAINTAINER:-$(git -C "$here" config user.name || echo "$(id -un)") <$(git -C "$here" config user.email || echo "$(id -un)@localhost")>}
root=$work/root
"$here/stage.sh" "$vedette" "$root" /usr
documents=$root/usr/share/doc/vedette
install -D -m 644 -t "$documents" "$here/../../README.md"
gzip -9n "$documents/README.md"
{
    printf 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: vedette\n\nFiles: *\n'
    printf 'Copyright: %s the authors of Vedette\nLicense: Apache-2.0\n On Debian systems the full text of the Apache License 2.0 is in\n /usr/share/common-licenses/Apache-2.0.\n' \
        "$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y)"
} >"$documents/copyright"
printf 'vedette (%s) unstable; urgency=medium\n\n  * Built from the sources as they are.\n\n -- %s  %s\n' \
    "$version" "$maintainer" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" | gzip -9n >"$documents/changelog.gz"
# It is to run in any root file system, so it brings its libraries along.
mkdir -p "$root/usr/share/lintian/overrides"
printf '%s\n' '# One static executable, on purpose: it needs nothing on the machine it is copied to.' \
    'vedette: statically-linked-binary' >"$root/usr/share/lintian/overrides/vedette"
mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: vedette
Version: $version
Architecture: amd64
Maintainer: $maintainer
Installed-Size: $(du -k --apparent-size -s "$root/usr" | cut -f1)
Section: utils
Priority: optional
Description: run unmodified programs on a virtual root file system
 Vedette shows a program a copy-on-write view of the machine. The program may
 change and delete what it likes and sees its own changes; the machine stays as
 it was. What a program has changed can be listed, kept, packed and applied.
 .
 It needs no root, no user namespaces, no image and no daemon.
END
(cd "$root" && find usr -type f -printf '%P\0' | sort -z | (cd usr && xargs -0 md5sum) | sed 's|  |  usr/|') >"$root/DEBIAN/md5sums"
find "$root" -newermt "@$SOURCE_DATE_EPOCH" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
dpkg-deb --root-owner-group -b "$root" "$output/vedette_${version}_amd64.deb" >/dev/null
echo "$output/vedette_${version}_amd64.deb"
