#!/usr/bin/env bash
# What changed: `--changes`, `diff`, `export`, `import`, `apply` and `fsck` of a persistent upper directory, round trips
# against the run's own view, and archives that mean harm.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
own() { [ ${#as[@]} -eq 0 ] || chown -hR 65534:65534 "$@"; }
# x SUBCOMMAND...: our other commands, as the user that the mode asks for.
x() { timeout -k 5 60 ${as[@]+"${as[@]}"} "$VEDETTE" "$@"; }
command -v python3 >/dev/null || {
    echo "skipped: needs python3"
    exit 77
}

# A tree with the host's programs bound into it: small, and with everything that a layer can hold.
mkdir -p low/{bin,usr,proc,dev,sys,tmp,etc,d/sub,opq,keep,mnt} up
ln -s usr/lib low/lib
[ ! -e /lib64 ] || ln -s usr/lib64 low/lib64
rmdir low/bin
ln -s usr/bin low/bin
echo one >low/etc/one
echo two >low/etc/two
ln low/etc/two low/keep/two-link
echo deep >low/d/sub/deep
echo o >low/opq/old
echo k >low/d/keep
echo untouched >low/keep/file
printf x >low/etc/rw
ln low/keep/file low/keep/hard
touch -d '2001-02-03 04:05:06.789' low/etc/one low/etc/rw low/keep low/keep/file
cat >"$work/manifest.py" <<'END'
# Everything of a tree that a program can see, but change times and inode numbers.
import hashlib, os, stat, sys
root, skipped, first = os.fsencode(sys.argv[1]).rstrip(b'/'), {b'/usr', b'/proc', b'/dev', b'/sys', b'/mnt', b'/tmp'}, {}
for directory, names, files in os.walk(root or b'/'):
    names[:] = sorted(n for n in names if os.path.join(directory, n)[len(root):] not in skipped)
    for name in sorted(names + files):
        path = os.path.join(directory, name); s = os.lstat(path); shown = path[len(root):]
        row = [shown, oct(s.st_mode), s.st_uid, s.st_gid, s.st_mtime_ns]
        if not stat.S_ISDIR(s.st_mode): row += [s.st_nlink, s.st_size, s.st_rdev, first.setdefault(s.st_ino, shown)]
        if stat.S_ISREG(s.st_mode): row.append(hashlib.sha256(open(path, 'rb').read()).hexdigest())
        if stat.S_ISLNK(s.st_mode): row.append(os.readlink(path))
        try: row += [(n, os.getxattr(path, n, follow_symlinks=False)) for n in sorted(os.listxattr(path, follow_symlinks=False))]
        except OSError: pass
        print(repr(row))
END
chmod 644 "$work/manifest.py"
cat >"$work/change.py" <<'END'
import os
os.chdir('/')
open('etc/one', 'a').write('more\n'); open('etc/two', 'a').write('more\n'); os.remove('d/keep'); os.rename('d/sub', 'moved')
os.remove('opq/old'); os.rmdir('opq'); os.mkdir('opq'); open('opq/new', 'w').write('n')
open('new', 'w').write('hi\n'); os.link('new', 'new2'); os.close(os.open('etc/rw', os.O_RDWR)); os.mkfifo('pipe')
with open('sparse', 'wb') as f: f.truncate(10000000); f.seek(5000000); f.write(b'mid')
open(b'caf\xe9', 'w').write('x'); open('two\nlines', 'w').write('y'); os.symlink('/etc/one', 'sym')
name = 'n' * 250; os.mkdir(name); os.mkdir(name + '/' + name); open(name + '/' + name + '/' + name, 'w').write('l')
os.setxattr('new', 'user.colour', b'blue\0green'); os.setxattr(name, 'user.a=b', b'=')
os.utime('opq/new', ns=(1, -1_500_000_000)); os.truncate('new', 2); os.chmod('new', 0o6755)
END
chmod 644 "$work/change.py"
own low up
inside() { v --rootfs "$PWD/low" --fake-root --bind /usr:/usr:ro --bind "$work:/mnt:ro" --workdir / "$@"; }
expected='A /caf\351
D /d/keep
D /d/sub/
M /etc/one
M /etc/two
M /keep/two-link
A /moved/
A /moved/deep
A /new
A /new2
A /nnn/
A /nnn/nnn/
A /nnn/nnn/nnn
A /opq/new
D /opq/old
A /pipe
A /sparse
A /sym
A /two\012lines'
short() { sed 's/n\{250\}/nnn/g'; }
inside --changes -- python3 /mnt/change.py 2>"$work/changes"
[ "$(short <"$work/changes")" = "$expected" ] && ok changes-of-memory || fail changes-of-memory "$(short <"$work/changes" | diff - <(echo "$expected") | head -5 | tr '\n' '|')"
inside --changes -- true 2>"$work/changes"
[ ! -s "$work/changes" ] && ok no-changes || fail no-changes "$(head -3 "$work/changes")"
inside --changes -- sh -c 'exit 9' 2>/dev/null
[ $? -eq 9 ] && ok changes-keep-status || fail changes-keep-status "another status"
inside --upper "$PWD/up" --changes -- python3 /mnt/change.py 2>"$work/changes"
[ "$(short <"$work/changes")" = "$expected" ] && ok changes-of-directory || fail changes-of-directory "$(short <"$work/changes" | diff - <(echo "$expected") | head -5 | tr '\n' '|')"
expect diff 0 "$expected" eval 'x diff up | short; exit ${PIPESTATUS[0]}'
x diff up >"$work/first"
expect diff-again-is-equal 0 '' eval 'x diff up | diff "$work/first" -'
# A renamed directory is one object there.
expect diff-json 0 "$(($(echo "$expected" | wc -l) - 1)) /caf\\xe9 added file" python3 -c "
import json, subprocess, sys
rows = json.loads(open(sys.argv[1]).read()); print(len(rows), rows[0]['path'], rows[0]['change'], rows[0]['type'])" <(x diff up --json)
expect fsck-clean 0 clean eval 'x fsck up | cut -d, -f1'

# Round trip: base and layer together are what the run sees.
inside --upper "$PWD/up" -- python3 /mnt/manifest.py / >"$work/view" 2>"$work/stderr" || fail view "$(head -3 "$work/stderr")"
tar -C low --format=pax -cf base.tar . && gzip -k base.tar
own base.tar base.tar.gz
expect export 0 '' x export up -o "$PWD/layer.tar"
expect export-is-deterministic 0 '' eval 'x export up | cmp - layer.tar'
tar tvf layer.tar >"$work/list" 2>"$work/stderr" && [ ! -s "$work/stderr" ] && ok tar-reads-the-layer || fail tar-reads-the-layer "$(head -3 "$work/stderr")"
for entry in d/.wh.keep d/.wh.sub opq/.wh..wh..opq 'keep/two-link' 'sparse' 'caf\\351'; do
    grep -q -- "$entry" "$work/list" && ok "layer-holds-${entry//[^a-z]/}" || fail "layer-holds-${entry//[^a-z]/}" "no $entry"
done
python3 - layer.tar <<'END' && ok python-reads-the-layer || fail python-reads-the-layer "see above"
import sys, tarfile
t = {m.name: m for m in tarfile.open(sys.argv[1], encoding='utf-8', errors='surrogateescape')}
assert t['sparse'].size == 10000000 and t['new'].pax_headers['SCHILY.xattr.user.colour'] == 'blue\0green' and t['new'].mode == 0o6755, t['new'].pax_headers
assert t['new2'].islnk() and t['new2'].linkname == 'new' and t['opq/new'].mtime == -1.5 and t['pipe'].isfifo()
END
[ "$(stat -c %s layer.tar)" -lt 200000 ] && ok holes-are-not-stored || fail holes-are-not-stored "$(stat -c %s layer.tar) bytes"
expect import 0 '' x import base.tar.gz layer.tar --to root
python3 "$work/manifest.py" root >"$work/imported"
if [ ${#as[@]} -gt 0 ] || [ "$(id -u)" -ne 0 ]; then sed -i "s/, 65534, 65534, /, 0, 0, /; s/, $(id -u), $(id -g), /, 0, 0, /" "$work/imported"; fi
diff "$work/view" "$work/imported" >"$work/difference" && ok import-is-the-view || fail import-is-the-view "$(head -4 "$work/difference" | cut -c1-300 | tr '\n' '|')"
[ "$(du -k root/sparse | cut -f1)" -lt 100 ] && ok import-keeps-holes || fail import-keeps-holes "$(du -k root/sparse)"
expect run-over-the-import 0 $'one\nmore' v --rootfs "$PWD/root" --fake-root --bind /usr:/usr:ro -- cat /etc/one

# Apply: the base becomes what the run sees; a failure leaves it as it was.
cp -a low target
own target
expect apply-dry-run 0 "$expected" eval 'x apply up --to target --dry-run | short; exit ${PIPESTATUS[0]}'
refused apply-asks 125 'no terminal' x apply up --to target </dev/null
diff -r --no-dereference low target >/dev/null && ok dry-run-changes-nothing || fail dry-run-changes-nothing different
mv target/opq target/away
cp -a target "$work/asWas"
refused apply-to-another-tree 125 'nothing was changed' x apply up --to target --yes --ours
diff -r --no-dereference "$work/asWas" target >/dev/null && ok failed-apply-changes-nothing || fail failed-apply-changes-nothing different
mv target/away target/opq
expect apply 0 '' x apply up --to target --yes
python3 "$work/manifest.py" target | sed "s/, 65534, 65534, /, 0, 0, /; s/, $(id -u), $(id -g), /, 0, 0, /" >"$work/applied"
# Directories that only lost or gained names keep no times of ours; a file the layer links anew counts its links.
python3 - "$work/view" "$work/applied" <<'END' && ok applied-is-the-view || fail applied-is-the-view "see above"
import ast, sys
def rows(path): return {r[0]: r for r in map(ast.literal_eval, open(path))}
a, b = rows(sys.argv[1]), rows(sys.argv[2])
assert a.keys() == b.keys(), a.keys() ^ b.keys()
for k in a:
    x, y = list(a[k]), list(b[k])
    if x[1].startswith('0o4'): x[4] = y[4] = 0
    else: x[8] = y[8] = ''
    assert x == y, (x, y)
END
[ -z "$(find target -name '.vedette*')" ] && ok apply-leaves-nothing-behind || fail apply-leaves-nothing-behind "$(find target -name '.vedette*' | head -1)"
x apply up --to target --yes >/dev/null 2>&1
[ -z "$(find target -name '.vedette*')" ] && ok apply-again || fail apply-again leftovers

# A file that cannot be renamed fails in the middle: what was done before it is undone.
cp -a low target2
own target2
if [ "$(id -u)" -eq 0 ] && chattr +i target2/opq/old 2>/dev/null; then
    python3 "$work/manifest.py" target2 >"$work/before"
    refused apply-fails-in-the-middle 125 "'/opq/old'.*has been undone" x apply up --to target2 --yes
    python3 "$work/manifest.py" target2 >"$work/after"
    chattr -i target2/opq/old
    # The times of directories in which names came and went have moved.
    diff <(sed 's/^\(.*0o40[0-9]*., [0-9]*, [0-9]*\), [0-9]*/\1/' "$work/before") <(sed 's/^\(.*0o40[0-9]*., [0-9]*, [0-9]*\), [0-9]*/\1/' "$work/after") >"$work/difference" && ok apply-is-undone || fail apply-is-undone "$(head -3 "$work/difference" | tr '\n' '|')"
    [ -z "$(find target2 -name '.vedette*')" ] && ok undo-leaves-nothing-behind || fail undo-leaves-nothing-behind "$(find target2 -name '.vedette*' | head -1)"
fi
if [ ${#as[@]} -gt 0 ] && [ "$(id -u)" -eq 0 ]; then refused written-by-another-user 125 'written by user 65534' "$VEDETTE" diff up; fi

# What fsck finds.
cp -a up broken
own broken
prefix=user.overlay
[ "$(id -u)" -ne 0 ] || [ ${#as[@]} -gt 0 ] || prefix=trusted.overlay
python3 - broken "$prefix" <<'END'
import os, sys
os.chdir(sys.argv[1]); p = sys.argv[2].encode()
os.setxattr('upper/etc/one', p + b'.origin', b'many'); os.setxattr('upper/etc', p + b'.nonsense', b'')
os.setxattr('upper/moved', p + b'.redirect', b'0/no/such'); os.setxattr('upper/etc', p + b'.whiteout...', b'')
open('work/overflow/ffffff1', 'wb').write(b''); open('work/index/zz', 'wb').write(b''); open('work/stray', 'w').write('')
END
x fsck broken >"$work/found"
[ $? -eq 1 ] && ok fsck-status || fail fsck-status "$(tail -1 "$work/found")"
for word in 'etc/one: its origin' "etc: an unknown mark" 'moved: its redirect' 'impossible name' 'overflow/ffffff1: marks of a file' 'index/zz' 'work/stray'; do
    grep -q "$word" "$work/found" && ok "fsck-finds-${word//[^a-z]/}" || fail "fsck-finds-${word//[^a-z]/}" "$(tr '\n' '|' <"$work/found")"
done
x fsck broken --repair >/dev/null
x fsck broken >"$work/found"
[ "$(tail -1 "$work/found" | cut -d' ' -f1)" = 1 ] && grep -q work/stray "$work/found" && ok fsck-repairs || fail fsck-repairs "$(tr '\n' '|' <"$work/found")"

# Bad input.
mkdir plain
own plain
for command in 'diff plain' 'export plain' 'fsck plain' 'apply plain --to low --yes'; do refused "no-upper ${command%% *}" 125 'no upper directory' eval "x $command </dev/null"; done
[ -z "$(ls -A plain)" ] && ok nothing-made-by-mistake || fail nothing-made-by-mistake "$(ls plain)"
refused missing-upper 125 'nope' x diff nope
refused missing-lower 125 "'/no/such'" x diff up --rootfs /no/such
refused export-to-nowhere 125 '/no/such' x export up -o /no/such/layer.tar
refused import-missing 125 'nope.tar' x import nope.tar --to fresh
refused import-over-something 125 'not empty' x import layer.tar --to low
refused import-no-directory 125 '--to DIR is missing' x import layer.tar
refused apply-to-nowhere 125 '/no/such' x apply up --to /no/such --yes
x export up >/dev/full 2>"$work/stderr"
[ $? -eq 125 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && ok export-disk-full || fail export-disk-full "$(head -2 "$work/stderr")"
inside --upper "$PWD/up" -- sh -c 'echo x; sleep 5' >"$work/started" &
runner=$!
for _ in $(seq 50); do
    [ -s "$work/started" ] && break
    sleep 0.1
done
refused diff-of-a-busy-upper 125 'a run is using it' x diff up
refused fsck-of-a-busy-upper 125 'a run is using it' x fsck up
wait "$runner"

# Hostile archives: one line, nothing left, nothing written outside.
hostile() {
    python3 - "$1" <<END || fail "hostile-$1" "not made"
import io, tarfile, sys
t = tarfile.open('bad.tar', 'w', format=tarfile.PAX_FORMAT)
def add(name, type=tarfile.REGTYPE, link='', data=b'', **pax):
    i = tarfile.TarInfo(name); i.type, i.linkname, i.size, i.pax_headers = type, link, len(data), pax; t.addfile(i, io.BytesIO(data))
$2
t.close()
END
    own bad.tar
    refused "hostile-$1" 125 "$3" x import bad.tar --to fresh
    [ ! -e fresh ] && [ -z "$(find . -maxdepth 1 -name '.vedette*')" ] && [ ! -e "$work/escaped" ] && [ ! -e escaped ] || fail "hostile-$1" "something is left"
}
hostile dot-dot "add('a/../../escaped', data=b'x')" "'\.\.'"
hostile dot-dot-at-the-end "add('a/..', tarfile.DIRTYPE)" "'\.\.'"
hostile absolute "add('$work/escaped', data=b'x')" absolute
hostile through-a-symlink "add('s', tarfile.SYMTYPE, '/'); add('s$work/escaped', data=b'x')" 'no directory'
hostile symlink-out "add('a/s', tarfile.SYMTYPE, '../../escaped')" 'points out'
hostile link-out "add('h', tarfile.LNKTYPE, '../escaped')" 'points out'
hostile link-absolute "add('h', tarfile.LNKTYPE, '/etc/passwd')" 'points out'
hostile link-to-nothing "add('h', tarfile.LNKTYPE, 'later'); add('later')" 'No such file'
hostile link-through-a-symlink "add('s', tarfile.SYMTYPE, '/etc'); add('h', tarfile.LNKTYPE, 's/passwd')" 'no directory'
hostile whiteout-of-dots "add('.wh...')" 'deletes no name'
hostile long-name "add('n' * 256)" 'longer than 255'
hostile nul-in-a-name "add('x', path='a\0b')" 'NUL'
hostile pax-size "add('x', size='-5')" 'not a number'
hostile sparse-map "add('x', data=b'1\n0\n99999999\n'.ljust(512, b'\0'), **{'GNU.sparse.major': '1', 'GNU.sparse.minor': '0', 'GNU.sparse.realsize': '5'})" 'sparse map'
hostile owner "add('x', uid='4294967295')" owner
head -c 700 layer.tar >cut.tar
refused hostile-cut-short 125 'ends in the middle' x import cut.tar --to fresh
head -c 3000 /dev/urandom >noise.tar
refused hostile-noise 125 'not a tar archive' x import noise.tar --to fresh
head -c 300 base.tar.gz >cut.tar.gz
refused hostile-cut-gzip 125 'cut.tar.gz' x import cut.tar.gz --to fresh
[ ! -e fresh ] && ok nothing-imported || fail nothing-imported 'fresh is there'

# Archives as others make them.
made() {
    python3 - <<END || fail made "not made"
import io, tarfile
t = tarfile.open('made.tar', 'w', format=tarfile.PAX_FORMAT)
def add(name, data=None, type=None, link=''):
    i = tarfile.TarInfo(name); i.type, i.linkname = type or (tarfile.REGTYPE if data is not None else tarfile.DIRTYPE), link
    i.size, i.mode = len(data or b''), 0o755; t.addfile(i, io.BytesIO(data or b''))
$1
t.close()
END
    own made.tar
    rm -rf fresh
    x import base.tar made.tar --to fresh 2>"$work/stderr" || fail made "$(cat "$work/stderr")"
}
made "add('etc/one', b'first'); add('etc/one', b'last'); add('d', b'', tarfile.SYMTYPE, 'etc'); add('./keep//new', b'k'); add('abs', b'', tarfile.SYMTYPE, '/etc/one')"
[ "$(cat fresh/etc/one)" = last ] && ok last-duplicate-wins || fail last-duplicate-wins "$(cat fresh/etc/one)"
[ -L fresh/d ] && [ -e fresh/keep/new ] && [ -e fresh/keep/file ] && [ "$(readlink fresh/abs)" = /etc/one ] && ok directory-becomes-symlink || fail directory-becomes-symlink "$(ls -l fresh | head -3)"
made "add('opq/mine', b'm'); add('opq/.wh..wh..opq', b''); add('d/.wh.sub', b''); add('.wh.keep', b''); add('.wh.nosuch', b''); add('.wh..wh.plnk', b''); add('etc/.wh.one', b''); add('etc/one', b'new')"
[ "$(ls -A fresh/opq)" = mine ] && [ ! -e fresh/d/sub ] && [ -e fresh/d/keep ] && [ ! -e fresh/keep ] && [ "$(cat fresh/etc/one)" = new ] && [ -z "$(find fresh -name '.wh.*')" ] && ok whiteouts-as-docker-has-them || fail whiteouts-as-docker-has-them "$(find fresh | head -20 | tr '\n' ' ')"
for format in gnu pax ustar oldgnu; do
    sparse=()
    [ $format = ustar ] || sparse=(-S)
    rm -rf fresh source
    mkdir source
    truncate -s 3000000 source/sparse
    echo end >>source/sparse
    for i in 1 2 3 4 5 6; do printf x | dd of=source/sparse bs=1 seek=$((i * 400000)) conv=notrunc status=none; done
    mkdir -p source/"$(printf 'l%.0s' {1..60})"/"$(printf 'm%.0s' {1..90})"
    echo y >source/"$(printf 'l%.0s' {1..60})"/"$(printf 'm%.0s' {1..90})"/file
    ln source/sparse source/z-link
    tar -C source --format=$format "${sparse[@]}" -cf made.tar . 2>/dev/null
    own made.tar
    x import made.tar --to fresh 2>"$work/stderr"
    diff -r source fresh >/dev/null && [ fresh/sparse -ef fresh/z-link ] && ok "import-$format" || fail "import-$format" "$(cat "$work/stderr")"
done
if [ ${#as[@]} -gt 0 ] || [ "$(id -u)" -ne 0 ]; then
    python3 -c "
import tarfile
t = tarfile.open('made.tar', 'w'); i = tarfile.TarInfo('null'); i.type, i.devmajor, i.devminor = tarfile.CHRTYPE, 1, 3; t.addfile(i)
i = tarfile.TarInfo('file'); i.uid = i.gid = 12; t.addfile(i); i = tarfile.TarInfo('locked'); i.type, i.mode = tarfile.DIRTYPE, 0o555; t.addfile(i); t.addfile(tarfile.TarInfo('locked/file'))"
    own made.tar
    rm -rf fresh
    x import made.tar --to fresh 2>"$work/stderr"
    [ $? -eq 0 ] && [ "$(wc -l <"$work/stderr")" -eq 1 ] && grep -q '1 device node' "$work/stderr" && [ -e fresh/locked/file ] && ok import-as-ordinary-user || fail import-as-ordinary-user "$(cat "$work/stderr")"
fi
finish
