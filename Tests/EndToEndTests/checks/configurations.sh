#!/usr/bin/env bash
# The shipped configurations, and `--config` itself.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
cp "$checks"/../../../Configs/*.toml "$work/"
chmod 644 "$work"/*.toml
c() {
    local file=$1
    shift
    v --config "$work/$file" "$@"
}
expect ci 0 $'true\n0' c ci.toml -- sh -c 'echo $CI; id -u; echo gone >/etc/hostname'
expect ci-command-line-wins 0 $'no\n1000' c ci.toml --env CI=no --user 1000:1000 -- sh -c 'echo $CI; id -u'
if [ ${#level[@]} -eq 0 ] && v --isolation full -- true 2>/dev/null; then
    SECRET=x expect untrusted 0 $'none\n65534\n0\n/tmp' c untrusted.toml -- sh -c 'echo ${SECRET-none}; id -u; ls -A ~ | wc -l; pwd'
fi
expect conformance 0 'C UTC' c conformance.toml -- sh -c 'echo $LC_ALL $TZ'
grep -q '^call ' "$work/stderr" && ok conformance-stats || fail conformance-stats "no table"
c conformance.toml --no-stats -- true 2>"$work/stderr"
[ ! -s "$work/stderr" ] && ok flag-turned-off || fail flag-turned-off "$(head -1 "$work/stderr")"
# What programs keep their secrets in is refused, and nothing else that a shell needs is.
mkdir -p home/{.ssh,.aws,.mozilla/x,.config/gh,src,.local/share/fish} && echo top >home/plain
for f in .ssh/id .aws/credentials .mozilla/x/cookies .config/gh/hosts.yml .bash_history .netrc .npmrc .psql_history src/a.kdbx; do echo secret >home/$f; done
chmod -R a+rX home
HOME=$work/here/home expect secrets 0 'plain src top none' c secrets.toml -- sh -c 'cd && grep -rsl secret . || echo $(ls) $(cat plain) $(cat .ssh/id 2>/dev/null || echo none)' 2>/dev/null
HOME=$work/here/home expect secrets-with-an-exception 0 secret c secrets.toml --allow "$work/here/home/.ssh/id" -- sh -c 'cat ~/.ssh/id'
# By name: in the caller's own directory, then beside the program, then here.
mkdir -p "$work/config/vedette"
printf 'env = ["A=found"]\n' >"$work/config/vedette/mine.toml"
printf 'env = ["A=here"]\n' >only-here.toml
chmod -R a+rX "$work/config" only-here.toml
XDG_CONFIG_HOME=$work/config expect by-name 0 found v --config mine -- sh -c 'echo $A'
expect by-name-here 0 here v --config only-here -- sh -c 'echo $A'
VEDETTE_CONFIG=only-here expect by-environment 0 here v -- sh -c 'echo $A'
refused unknown-name 125 "--config: there is no configuration 'nobodys'" v --config nobodys -- true
# What shows only at the start names the line all the same.
printf 'tmpfs = ["/scratch"]\nbind = ["/etc:/a", "/no/such:/b"]\n' >"$work/late.toml"
refused late-error 125 "late.toml:2: bind: '/no/such' does not exist" c late.toml -- true
printf '\nworkdir = "/no/such"\n' >"$work/late.toml"
refused later-error 125 "late.toml:2: workdir: '/no/such' does not exist inside" c late.toml -- true
bad() {
    printf '%b' "$3" >"$work/bad.toml"
    refused "$1" 125 "bad.toml:$2" c bad.toml -- true
}
bad unknown-key '3: bogus' '# one\nsize = "1G"\nbogus = 1\n'
bad wrong-type '2: stats' '\nstats = "yes"\n'
bad wrong-element '1: fd' 'fd = [3, "x"]\n'
bad wrong-value '1: net' 'net = "lan"\n'
bad not-toml '2: ' 'size = 1\nnet = = 1\n'
bad table '1: run' '[run]\nstats = true\n'
bad table-without-name '1' '[= 1]\n'
bad broken-time '1' 'a = 1979-05-27T:3\n'
bad twice '2: ' 'size = 1\nsize = 2\n'
refused missing-file 125 'cannot read' c nope.toml -- true
refused directory-as-file 125 'cannot read' v --config "$work" -- true
printf 'env = ["A=\377"]\n' >"$work/bad.toml"
refused not-utf-8 125 'bad.toml' c bad.toml -- true
finish
