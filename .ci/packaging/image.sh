#!/usr/bin/env bash
# image.sh VEDETTE DIRECTORY : a container image with nothing but the static binary, as an archive that holds both an OCI image
# layout (oci-layout, index.json, blobs) and the manifest.json that `docker load` of older versions asks for.
# Use it in a Dockerfile: COPY --from=vedette:VERSION /usr/bin/vedette /usr/bin/vedette
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
isStatic
root=$work/root layout=$work/layout
mkdir -p "$root/usr/share/vedette" "$layout/blobs/sha256"
install -D -m 755 "$vedette" "$root/usr/bin/vedette"
strip "$root/usr/bin/vedette" 2>/dev/null || true
install -m 644 -t "$root/usr/share/vedette" "$here"/../../Configs/*.toml
mkdir "$root/proc" "$root/sys" "$root/dev"
mkdir -m 1777 "$root/tmp"
# blob FILE : keeps it by its digest, which is printed.
blob() {
    local sum
    sum=$(sha256sum <"$1")
    sum=${sum%% *}
    cp "$1" "$layout/blobs/sha256/$sum"
    echo "$sum"
}
size() { stat -c %s "$layout/blobs/sha256/$1"; }
pack "$root" >"$work/layer.tar"
layer=$(blob "$work/layer.tar")
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
printf '{"created":"%s","architecture":"amd64","os":"linux","config":{"Env":["PATH=/usr/local/bin:/usr/bin:/bin"],"Entrypoint":["/usr/bin/vedette"],"Cmd":["--help"]},"rootfs":{"type":"layers","diff_ids":["sha256:%s"]},"history":[{"created":"%s","created_by":"vedette: make image"}]}' \
    "$created" "$layer" "$created" >"$work/config"
config=$(blob "$work/config")
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"sha256:%s","size":%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "$config" "$(size "$config")" "$layer" "$(size "$layer")" >"$work/manifest"
manifest=$(blob "$work/manifest")
printf '{"imageLayoutVersion":"1.0.0"}' >"$layout/oci-layout"
printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:%s","size":%s,"platform":{"architecture":"amd64","os":"linux"},"annotations":{"io.containerd.image.name":"docker.io/library/vedette:%s","org.opencontainers.image.ref.name":"%s"}}]}' \
    "$manifest" "$(size "$manifest")" "$version" "$version" >"$layout/index.json"
printf '[{"Config":"blobs/sha256/%s","RepoTags":["vedette:%s"],"Layers":["blobs/sha256/%s"]}]' "$config" "$version" "$layer" >"$layout/manifest.json"
pack "$layout" >"$output/vedette-$version-image.tar"
echo "$output/vedette-$version-image.tar"
