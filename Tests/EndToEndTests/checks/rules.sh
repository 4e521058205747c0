#!/usr/bin/env bash
# Rules of paths: what --deny, --hide, --protect and --allow refuse holds by every name and every call (rules-guest.c), whatever
# an earlier run has moved, and in a configuration file as on the command line.
# shellcheck disable=SC2088 # the tilde of a pattern is vedette's to expand
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
compiler=$(command -v cc || command -v gcc || command -v clang) && "$compiler" -O1 -Wall -static -o "$work/guest" "$checks/rules-guest.c" || fail setup 'no C compiler'
export VEDETTE_INSIDE=1

# What rules-guest.c is to find.
arena() {
    cd "$work/here" || exit 1
    chmod -R u+rwX . && rm -rf ./* && mkdir -p home/{.ssh,.aws,kept/sub,proj} data/config/gh
    echo secret >home/.ssh/id
    echo known >home/.ssh/known_hosts
    echo secret >home/.aws/credentials
    echo secret >home/proj/.env
    echo secret >data/config/gh/hosts
    echo kept | tee home/.bashrc home/kept/file home/kept/sub/file >/dev/null
    echo beside | tee home/beside >home/target
    ln -s ../target home/kept/link
    ln -s .ssh/id home/link
    ln home/.ssh/id home/other
    ln home/.bashrc home/rc
    cp /bin/true home/tool
    python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind("home/sock")'
    [ ${#as[@]} -eq 0 ] || chown -R 65534:65534 .
}
arena
export HOME=$work/here/home
rules=(--deny '~/.ssh' --hide '~/.aws' --protect '~/.bashrc' --protect "$work/here/home/kept" --deny .env --deny '~/tool' --deny '~/sock' --deny '~/.config/gh')
for gate in trace notify; do
    for who in "" --fake-root; do
        seen=$(v --gate $gate ${who:+$who} "${rules[@]}" --workdir "$work/here" -- "$work/guest" 2>&1)
        case $seen in
        'held '[1-9][0-9][0-9]*) ok "attacks-$gate$who" ;;
        *) fail "attacks-$gate$who" "$(head -5 <<<"$seen")" ;;
        esac
    done
done
seen=$(v --upper "$work/here/upper" "${rules[@]}" --workdir "$work/here" -- "$work/guest" 2>&1)
case $seen in 'held '[1-9][0-9][0-9]*) ok attacks-upper ;; *) fail attacks-upper "$(head -5 <<<"$seen")" ;; esac
rm -rf "$work/here/upper"
# Through a bind the host's own files stand behind it, under another name.
expect bind-elsewhere 0 'secret' v --bind "$work/here:/mnt" -- cat /mnt/home/.ssh/id
expect bind-elsewhere-denied 0 none v --deny '~/.ssh' --hide '~/.aws' --deny .env --bind "$work/here:/mnt" -- sh -c 'grep -rsl secret /mnt/home || echo none'
expect bind-elsewhere-protected 0 'kept' v --protect '~/.bashrc' --bind "$work/here:/mnt" -- sh -c 'echo x 2>/dev/null >>/mnt/home/.bashrc || cat /mnt/home/.bashrc'
expect bind-of-the-object 0 known v --deny '~/.ssh' --bind "$work/here/home/.ssh/known_hosts:/mnt/known:ro" -- cat /mnt/known
seen=$(v "${rules[@]}" --bind "$work/here:$work/here" --workdir "$work/here" -- "$work/guest" 2>&1)
case $seen in 'held '[1-9][0-9][0-9]*) ok attacks-bind ;; *) fail attacks-bind "$(head -5 <<<"$seen")" ;; esac
expect untouched 0 $'secret\nkept\nsecret' cat home/.ssh/id home/.bashrc home/proj/.env
arena

# Which rule holds.
expect allow 0 $'known\nDenied' v --deny '~/.ssh' --allow '~/.ssh/known_hosts' -- sh -c 'cat ~/.ssh/known_hosts; ls ~/.ssh 2>/dev/null || cat ~/.ssh/id 2>/dev/null || echo Denied'
expect allow-in-hidden 0 $'known_hosts\nknown' v --hide '~/.ssh' --allow '~/.ssh/known_hosts' -- sh -c 'ls ~/.ssh; cat ~/.ssh/known_hosts'
expect strictest 0 0 v --allow '~/.ssh' --deny '~/.ssh' --hide '~/.ssh' -- sh -c 'ls -A ~ | grep -c ssh; true'
expect exception-of-both 0 secret v --protect '~' --deny '~/.ssh' --allow '~/.ssh/id' -- cat "$HOME/.ssh/id"
expect tightened 0 $'no\nno' v --deny '~/.ssh' --protect '**/id' --protect '~/.ssh/known_hosts' -- sh -c 'for f in id known_hosts; do cat ~/.ssh/$f 2>/dev/null || echo no; done'
expect read-only-exception 0 $'kept\nno' v --deny '~' --allow '~/kept' --protect '~/kept' -- sh -c 'cat ~/kept/file; echo 2>/dev/null >~/kept/file || echo no'
expect write-in-protected 0 $'no\nyes' v --protect '~' --allow '~/proj' -- sh -c 'echo 2>/dev/null >~/new || echo no; echo >~/proj/new && echo yes'
expect only-this 0 $'kept\nno' v --deny / --allow /usr --allow /bin --allow /lib --allow /lib64 --allow '~/.bashrc' --workdir / -- sh -c 'cat ~/.bashrc; cat ~/.ssh/id 2>/dev/null || cat /etc/passwd 2>/dev/null || echo no'
expect stars 0 $'2\n0' v --hide "$work/*/home/.s*" --hide "$work/**/.a?s" -- sh -c 'ls -A ~ | grep -c rc$; ls -A ~ | grep -c "[.][as]"; true'
expect brackets 0 'beside' v --hide '~/[!b]*' -- sh -c 'ls ~'
expect escaped 0 $'beside\nhome' v --hide '\[x' --hide '~/\*' -- sh -c "ls ~ | head -1; ls $work/here | tail -1"
# Where symbolic links lead a pattern.
rm -rf home/.config && ln -s ../data/config home/.config
expect link-above 0 none v --deny '~/.config/gh' -- sh -c "cat ~/.config/gh/hosts 2>/dev/null || cat $work/here/data/config/gh/hosts 2>/dev/null || echo none"
expect link-with-star 0 none v --deny "$work/here/*/.config/gh" -- sh -c "cat $work/here/data/config/gh/hosts 2>/dev/null || echo none"
expect link-at 0 none v --deny '~/.config' -- sh -c "cat ~/.config/gh/hosts 2>/dev/null || cat $work/here/data/config/gh/hosts 2>/dev/null || echo none"

# An upper whose first run had no rules and moved what it pleased.
rm -f home/.config && mkdir -p upper home/.config/gh && echo secret >home/.config/gh/hosts
[ ${#as[@]} -eq 0 ] || chown -R 65534:65534 .
v --upper upper -- sh -c 'mv ~/.config ~/moved; mv ~/.ssh ~/s; mv ~/s ~/t' || fail moved-before 'the first run'
expect moved-before 0 none v --upper upper --deny '~/.config/gh' --hide '~/.ssh' --deny '~/other' -- sh -c 'grep -rsl secret ~/moved ~/s ~/t || echo none'
expect moved-before-and-again 0 none v --upper upper --deny '~/.config/gh' --hide '~/.ssh' --deny '~/other' -- sh -c 'mv ~/moved ~/again 2>/dev/null; mv ~/t ~/again2 2>/dev/null; grep -rsl secret ~/moved ~/t ~/again* || echo none'

# In a file, with a reason; what is wrong names its line.
cat >rules.toml <<'END'
[[rules]]
pattern = "~/.ssh"
action = "deny"
reason = "keys"

[[rules]]
action = "protect"
pattern = ["~/.bashrc", "~/.profile"]
END
expect file 0 $'Denied\nkept' v --config rules.toml -- sh -c 'cat ~/.ssh/known_hosts 2>/dev/null || echo Denied; echo 2>/dev/null >>~/.bashrc; cat ~/.bashrc'
expect file-and-command-line 0 $'known' v --config rules.toml --allow '~/.ssh/known_hosts' -- sh -c 'cat ~/.ssh/known_hosts'
bad() {
    printf '%b' "$3" >bad.toml
    refused "$1" 125 "bad.toml:$2" v --config bad.toml -- true
}
bad rule-key '2: path: unknown key' '[[rules]]\npath = "x"\n'
bad rule-action '3: action: .*one of: deny, hide, protect, allow' '[[rules]]\npattern = "x"\naction = "no"\n'
bad rule-pattern '2: pattern: .*begin it with' '[[rules]]\npattern = "a/b"\naction = "deny"\n'
bad rule-without-pattern '1: rules .number 1.: has no pattern' '[[rules]]\naction = "deny"\n'
bad rule-type '2: pattern: wrong type' '[[rules]]\npattern = 1\naction = "deny"\n'
bad rule-list '2: pattern: wrong type: a string or' '[[rules]]\npattern = ["x", 1]\naction = "deny"\n'
bad rules-table '1: rules: wrong type' '[rules]\npattern = "x"\n'
refused relative-pattern 125 "deny: 'a/b' says not where it begins" v --deny a/b -- true
refused dots 125 "hide: '/a/../b' holds" v --hide /a/../b -- true
refused other-home 125 "deny: '~x/a' begins with ~ and a name" v --deny '~x/a' -- true
refused root 125 "deny: '/' leaves nothing" v --deny / -- true
refused denied-command 126 'cannot execute' v --deny /usr -- /usr/bin/env true
refused hidden-command 127 'cannot execute' v --hide /usr -- /usr/bin/env true
finish
