#!/usr/bin/env bash
# What `make install`, `deb`, `dist` and `image` make: the files are where they belong, the sums are right, the package installs
# and goes away (inside), the image is what an engine loads.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
[ "$MODE" = root ] || {
    echo 'skipped: one user is enough for this'
    exit 77
}
packaging=$(realpath "$checks/../../../.ci/packaging")
if readelf -l "$VEDETTE" | grep -q INTERP; then
    echo 'skipped: a release is packed, and this binary is not static'
    exit 77
fi
export MAINTAINER='Vedette <vedette@example.org>' SOURCE_DATE_EPOCH=1790000000
version=$("$VEDETTE" --version)
version=${version##* }
results=$work/results

# install and uninstall.
"$packaging/stage.sh" "$VEDETTE" "$work/staged" /usr/local 2>"$work/stderr" || fail install "$(head -3 "$work/stderr")"
wanted='usr/local/bin/vedette usr/local/share/bash-completion/completions/vedette usr/local/share/fish/vendor_completions.d/vedette.fish usr/local/share/man/man1/vedette.1.gz usr/local/share/vedette/ci.toml usr/local/share/vedette/conformance.toml usr/local/share/vedette/secrets.toml usr/local/share/vedette/untrusted.toml usr/local/share/zsh/site-functions/_vedette'
seen=$(cd "$work/staged" && find . -type f -printf '%P\n' | sort | tr '\n' ' ')
[ "$seen" = "$wanted " ] && ok install || fail install "$seen"
expect installed-runs 0 inside "$work/staged/usr/local/bin/vedette" run -- echo inside
bash -c '. "$1"; complete -p vedette' bash "$work/staged/usr/local/share/bash-completion/completions/vedette" >/dev/null 2>"$work/stderr" && ok bash-completion || fail bash-completion "$(head -2 "$work/stderr")"
grep -q '^#compdef vedette' "$work/staged/usr/local/share/zsh/site-functions/_vedette" && grep -q '^complete.* vedette\|^complete -c vedette' "$work/staged/usr/local/share/fish/vendor_completions.d/vedette.fish" && ok zsh-and-fish-completions || fail zsh-and-fish-completions "$(head -1 "$work/staged/usr/local/share/zsh/site-functions/_vedette")"
# Every option of every command is in the man page, and the page is good roff.
gunzip -c "$work/staged/usr/local/share/man/man1/vedette.1.gz" >"$work/vedette.1"
missing=
for command in run diff export import review apply undo fsck doctor; do
    for option in $("$VEDETTE" "$command" --help | grep -oE '^  --[a-z-]+'); do grep -qF -- "\"${option//-/\\-}" "$work/vedette.1" || missing+=" $command:$option"; done
done
[ -z "$missing" ] && ok manual-has-every-option || fail manual-has-every-option "missing:$missing"
if command -v man >/dev/null; then
    warnings=$(LC_ALL=C.UTF-8 MANWIDTH=80 man --warnings -l "$work/vedette.1" 2>&1 >/dev/null)
    [ -z "$warnings" ] && ok manual-is-good || fail manual-is-good "$warnings"
else skip manual-is-good 'no man'; fi
"$packaging/stage.sh" --remove "$work/staged" /usr/local
[ -z "$(find "$work/staged" -type f)" ] && ok uninstall || fail uninstall "$(find "$work/staged" -type f | head -3)"

# What `make run` installs: what building needs and no more; and apt's lock is waited for.
mkdir "$work/bin"
printf '#!/bin/sh\necho "$@" >>"%s"\n' "$work/apt" >"$work/bin/apt-get"
printf '#!/bin/sh\nexit 1\n' >"$work/bin/dpkg-query"
chmod 755 "$work/bin"/*
: >"$work/apt"
PATH=$work/bin:$PATH "$checks/../apt-install.sh" one two >"$work/stdout" 2>"$work/stderr"
[ "$(grep -cE '^-o DPkg::Lock::Timeout=[0-9]+ (update|install) ' "$work/apt")" -eq 2 ] && grep -q ' install .* one two$' "$work/apt" && [ "$(wc -l <"$work/stdout")" -eq 1 ] && ok apt-waits || fail apt-waits "$(tr '\n' '|' <"$work/apt")"
asked=$(make -C "$packaging/../.." -n run | grep -E 'apt-install.sh' | sed 's/.*apt-install.sh *//')
[ "$(wc -l <<<"$asked")" -eq 1 ] && [ "$(wc -w <<<"$asked")" -le 7 ] && [[ $asked == *libseccomp-dev* ]] && ok build-needs || fail build-needs "$asked"

# The Debian package.
if command -v dpkg-deb >/dev/null; then
    package=$("$packaging/deb.sh" "$VEDETTE" "$results" 2>"$work/stderr") || fail deb "$(head -3 "$work/stderr")"
    expect deb-control 0 "vedette $version amd64" dpkg-deb -W --showformat='${Package} ${Version} ${Architecture}' "$package"
    mkdir "$work/unpacked"
    dpkg-deb -R "$package" "$work/unpacked"
    (cd "$work/unpacked" && md5sum --quiet -c DEBIAN/md5sums) >"$work/stderr" 2>&1 && [ "$(wc -l <"$work/unpacked/DEBIAN/md5sums")" -eq "$(find "$work/unpacked/usr" -type f | wc -l)" ] && ok deb-sums || fail deb-sums "$(head -3 "$work/stderr")"
    wrong=$(dpkg-deb -c "$package" | grep -vE '^(drwxr-xr-x|-rwxr-xr-x|-rw-r--r--) root/root ')
    [ -z "$wrong" ] && ok deb-owners || fail deb-owners "$wrong"
    expect deb-installs 0 "vedette $version
gone" v --fake-root -- sh -c "dpkg -i '$package' >/dev/null && /usr/bin/vedette --version && dpkg -r vedette >/dev/null && [ ! -e /usr/bin/vedette ] && echo gone"
    if command -v lintian >/dev/null; then
        remarks=$(lintian --allow-root "$package" 2>&1 | grep -E '^[EW]:')
        [ -z "$remarks" ] && ok lintian || fail lintian "$remarks"
    else skip lintian 'no lintian'; fi
else skip deb 'no dpkg-deb'; fi

# The image: an OCI layout whose digests and sizes are right, and the manifest.json of older engines.
image=$("$packaging/image.sh" "$VEDETTE" "$results" 2>"$work/stderr") || fail image "$(head -3 "$work/stderr")"
mkdir "$work/layout"
tar -C "$work/layout" -xf "$image"
cat >"$work/image.py" <<'END'
import hashlib, json, os, sys
root, version = sys.argv[1:]
def read(name): return open(os.path.join(root, name), "rb").read()
def blob(described, kind):
    assert described["mediaType"] == kind, described
    algorithm, digest = described["digest"].split(":")
    data = read("blobs/sha256/" + digest)
    assert algorithm == "sha256" and hashlib.sha256(data).hexdigest() == digest and len(data) == described["size"], described
    return data
oci = "application/vnd.oci.image."
assert json.loads(read("oci-layout")) == {"imageLayoutVersion": "1.0.0"}
index = json.loads(read("index.json"))
assert index["schemaVersion"] == 2 and index["mediaType"] == oci + "index.v1+json" and len(index["manifests"]) == 1
manifest = json.loads(blob(index["manifests"][0], oci + "manifest.v1+json"))
config = json.loads(blob(manifest["config"], oci + "config.v1+json"))
layers = [blob(layer, oci + "layer.v1.tar") for layer in manifest["layers"]]
assert config["os"] == "linux" and config["architecture"] == "amd64" and config["config"]["Entrypoint"] == ["/usr/bin/vedette"]
assert config["rootfs"] == {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest() for layer in layers]}
old = json.loads(read("manifest.json"))
assert old == [{"Config": "blobs/sha256/" + manifest["config"]["digest"][7:], "RepoTags": ["vedette:" + version],
                "Layers": ["blobs/sha256/" + layer["digest"][7:] for layer in manifest["layers"]]}], old
named = {manifest["config"]["digest"][7:], index["manifests"][0]["digest"][7:], *(layer["digest"][7:] for layer in manifest["layers"])}
assert set(os.listdir(os.path.join(root, "blobs/sha256"))) == named
print("blobs/sha256/" + manifest["layers"][0]["digest"][7:])
END
layer=$(python3 "$work/image.py" "$work/layout" "$version" 2>"$work/stderr") && ok image-layout || fail image-layout "$(tail -1 "$work/stderr")"
expect image-as-layer 0 '' "$VEDETTE" import "$work/layout/$layer" --to "$work/image"
expect image-runs 0 "vedette $version" v --rootfs "$work/image" -- /usr/bin/vedette --version
"$packaging/image.sh" "$VEDETTE" "$work/again" >/dev/null 2>&1
cmp -s "$image" "$work/again/$(basename "$image")" && ok image-is-reproducible || fail image-is-reproducible differs
for engine in podman docker; do
    if command -v $engine >/dev/null && timeout 20 $engine info >/dev/null 2>&1; then
        if timeout 60 $engine load -q -i "$image" >"$work/stderr" 2>&1 && [ "$(timeout 60 $engine run --rm "vedette:$version" --version)" = "vedette $version" ]; then ok "image-$engine"; else fail "image-$engine" "$(tail -2 "$work/stderr")"; fi
        timeout 20 $engine rmi "vedette:$version" >/dev/null 2>&1
    else skip "image-$engine" "no $engine that works here"; fi
done

# The tarball, and the sums of all.
tarball=$("$packaging/dist.sh" "$VEDETTE" "$results" 2>"$work/stderr") || fail dist "$(head -3 "$work/stderr")"
(cd "$results" && sha256sum --quiet -c SHA256SUMS) >"$work/stderr" 2>&1 && [ "$(wc -l <"$results/SHA256SUMS")" -eq $(($(find "$results" -type f | wc -l) - 1)) ] && ok dist-sums || fail dist-sums "$(head -3 "$work/stderr")"
mkdir "$work/tarball"
tar -C "$work/tarball" -xf "$tarball"
(cd "$work/tarball"/vedette-*/ && sha256sum --quiet -c SHA256SUMS && [ "$(./bin/vedette --version)" = "vedette $version" ] && [ -s LICENSE ] && [ -s share/man/man1/vedette.1.gz ]) >"$work/stderr" 2>&1 && ok dist-content || fail dist-content "$(head -3 "$work/stderr")"
finish
