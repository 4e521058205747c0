#!/usr/bin/env bash
# stage.sh VEDETTE ROOT PREFIX : puts the binary, its man page, completions for bash, zsh and fish, and the configurations where
# they belong below ROOT. `stage.sh --remove ROOT PREFIX` takes away what it put there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
if [ "${1:-}" = --remove ]; then
    prefix=${2-}${3:?}
    rm -f "$prefix/bin/vedette" "$prefix/share/man/man1/vedette.1.gz" "$prefix/share/bash-completion/completions/vedette" \
        "$prefix/share/zsh/site-functions/_vedette" "$prefix/share/zsh/vendor-completions/_vedette" "$prefix/share/fish/vendor_completions.d/vedette.fish"
    rm -rf "$prefix/share/vedette"
    exit
fi
vedette=$(realpath -e "${1:?usage: stage.sh VEDETTE ROOT PREFIX}") prefix=${2-}${3:?}
# A debug build holds what strip would take; a binary that cannot be stripped goes as it is.
install -D -m 755 "$vedette" "$prefix/bin/vedette"
strip "$prefix/bin/vedette" 2>/dev/null || true
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/manual.sh" "$vedette" | gzip -9n >"$work/vedette.1.gz"
install -D -m 644 "$work/vedette.1.gz" "$prefix/share/man/man1/vedette.1.gz"
for shell in bash zsh fish; do "$vedette" --generate-completion-script $shell >"$work/$shell"; done
# It is sourced, not run.
sed -i '1{/^#!/d}' "$work/bash"
install -D -m 644 "$work/bash" "$prefix/share/bash-completion/completions/vedette"
case $3 in /usr) vendor='vendor-completions' ;; *) vendor='site-functions' ;; esac
install -D -m 644 "$work/zsh" "$prefix/share/zsh/$vendor/_vedette"
install -D -m 644 "$work/fish" "$prefix/share/fish/vendor_completions.d/vedette.fish"
install -D -m 644 -t "$prefix/share/vedette" "$here"/../../Configs/*.toml
