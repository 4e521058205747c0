#!/usr/bin/env bash
# manual.sh VEDETTE : the man page vedette(1) on standard output, made of what the binary's own --help says.
set -euo pipefail
vedette=$(realpath -e "${1:?usage: manual.sh VEDETTE}")
version=$("$vedette" --version)
# What roff would take for its own: backslashes, hyphens, and a dot or a quote at the beginning of a line.
escape() { sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^\([.']\)/\\\\\&\1/"; }
# One --help: its overview as prose, each option under its own name.
help() {
    "$vedette" "$@" --help | awk '
        /^OVERVIEW: / { sub(/^OVERVIEW: /, ""); part = "text"; print; next }
        /^USAGE: / { sub(/^USAGE: /, ""); print "@PP"; print "@B " $0; part = "usage"; next }
        /^(OPTIONS|ARGUMENTS|SUBCOMMANDS):/ { part = "list"; next }
        /^  See / { part = "end"; next }
        part == "text" && /^$/ { print "@PP"; next }
        part == "text" && /^  / { print "@BR"; print; next }
        part == "text" { print; next }
        part == "usage" && NF { print "@BR"; print; next }
        part == "list" && /^  [^ ]/ {
            name = $0; rest = ""
            # The name ends where two spaces begin, or with the line.
            if (match(substr(name, 3), /  +/)) { rest = substr(name, RSTART + RLENGTH + 2); name = substr(name, 1, RSTART + 1) }
            sub(/^  /, "", name); print "@TP"; print "@B " name; if (rest != "") print rest; next }
        part == "list" && /^   +[^ ]/ { sub(/^ +/, ""); print }' |
        escape | sed -e 's/^@PP$/.PP/' -e 's/^@BR$/.br/' -e 's/^@TP$/.TP/' -e 's/^@B \(.*\)$/.B "\1"/'
}
date=$(date -u -d "@${SOURCE_DATE_EPOCH:-$(date +%s)}" +%Y-%m-%d)
printf '.TH VEDETTE 1 "%s" "%s" "User commands"\n' "$date" "$version"
printf '.SH NAME\nvedette \\- run unmodified programs on a virtual root file system\n'
printf '.SH SYNOPSIS\n.B vedette run\n[\\fIOPTION\\fR...] [\\-\\-] \\fICOMMAND\\fR [\\fIARG\\fR...]\n'
commands=$("$vedette" --help | awk '/^SUBCOMMANDS:/ { on = 1; next } on && /^  [a-z]/ { print $1 }')
for command in $commands; do [ "$command" = run ] || printf '.br\n.B vedette %s\n\\&...\n' "$command"; done
printf '.SH DESCRIPTION\n'
help
for command in $commands; do
    printf '.SH "VEDETTE %s"\n' "${command^^}"
    help "$command"
done
printf '.SH FILES\n.TP\n.I PREFIX/share/vedette/*.toml\nConfigurations to start from, for \\fB\\-\\-config\\fR.\n'
printf '.SH "SEE ALSO"\n.BR bwrap (1),\n.BR seccomp (2),\n.BR ptrace (2),\n.BR user_namespaces (7),\n.BR landlock (7)\n'
