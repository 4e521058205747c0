# coreutils' file tools: what they print, and what they leave behind.
set -u
# The size of a directory is the file system's own affair.
list() { find "$1" \( -type d -printf '%y %m %n %P\n' \) -o -printf '%y %m %n %s %P %l\n' | sort; }
mkdir -p src/deep/er
echo text >src/file
printf '\0\1\2' >src/deep/bin
ln -s ../file src/deep/link
ln src/file src/hard
mkfifo src/fifo
chmod 750 src/deep
chmod 4711 src/hard
touch -d '2001-02-03 04:05:06.789 UTC' src/file src/deep
cp -a src copy
list copy
stat -c '%Y %y' copy/file | TZ=UTC cut -c1-10
diff -r --no-dereference src copy 2>&1 | head
cp -rL src/deep flat
list flat
cp -u src/file copy/file
cp --parents src/deep/bin copy
list copy/src
cp --sparse=always /dev/null empty
cp -l src/deep/bin linked
stat -c %h linked
cp -s "$PWD/src/file" symbolic
readlink symbolic | sed 's|.*/||'
mv copy moved
mv moved/file moved/renamed
list moved
mv -n moved/renamed moved/hard
ls moved
mv -T moved again
ls
ln -f src/file hard2
ln -sfn src dirlink
ln -sfn src/deep dirlink
readlink dirlink
ln src/file src/file
echo "ln $?"
ls -lR --time-style=+ src | sed 's/^total.*//; s/  */ /g; s/^\(d[^ ]* [0-9]* [^ ]* [^ ]*\) [0-9]*/\1/'
ls -1aF src
ls -1 --sort=size src/deep/bin src/file
ls nope
echo "ls $?"
install -D -m 640 src/file into/a/b/file
install -d -m 700 newdir
list into
list newdir
t=$(mktemp -p .)
d=$(mktemp -d -p .)
[ -f "$t" ] && [ -d "$d" ] && stat -c %a "$t" "$d"
rm -r "$t" "$d"
stat -c '%n %F %h %a' src/*
stat -L -c %F src/deep/link
stat -f -c %l .
stat nope
echo "stat $?"
touch -t 203001020304.05 when
TZ=UTC stat -c %y when | cut -c1-4
touch -r src/file when
TZ=UTC stat -c %y when
touch -a when
touch -c none
ls none
echo "touch $?"
truncate -s 100000 big
stat -c %s big
truncate -s +5 big
truncate -s '<50' big
stat -c %s big
truncate -r src/file big
stat -c %s big
df . | wc -l
df -i . | wc -l
du -sb --apparent-size src/deep/bin
sync -f .
echo "sync $?"
dd if=/dev/zero of=dd.out bs=1k count=64 status=none
dd if=dd.out of=dd.two bs=4k skip=2 seek=1 count=3 conv=notrunc status=none
stat -c %s dd.two
dd if=dd.out iflag=direct of=/dev/null bs=4k status=none 2>/dev/null
cmp dd.out dd.two
echo "cmp $?"
seq 1 10000 >numbers
split -l 3000 numbers part.
wc -l part.*
cat part.* | cmp - numbers && echo joined
csplit -s numbers 5000
wc -l xx0*
sort -R numbers --random-source=numbers >shuffled
sort -n -S 64k -T . shuffled | cmp - numbers && echo sorted
sort -m part.a? -c
echo "sort $?"
head -c 5 numbers
tail -n 2 numbers
tac numbers | head -1
nl numbers | tail -1
shuf -n 3 numbers | wc -l
cut -c1 numbers | uniq -c | sort -rn | head -3
comm -12 part.aa part.ab | wc -l
paste -d, part.aa part.ab | head -2
join numbers numbers | wc -l
fold -w 10 <<<"a long line to be folded"
expand <<<"a	b"
md5sum numbers
sha256sum numbers
cksum numbers
base64 src/deep/bin
od -An -tx1 src/deep/bin
chmod -R u=rwX,g=rX,o= src/deep
list src/deep
chmod 000 src/file
stat -c %a src/file
chmod 644 src/file
chmod --reference=numbers src/hard
stat -c %a src/hard
rm src/fifo
rmdir src/deep 2>&1
rm -r src/deep
rmdir newdir
rm -rf again moved copy flat
rm nope
echo "rm $?"
ls src
unlink src/hard
link src/file src/linked
ls src
mkdir -m 1777 sticky
stat -c %a sticky
mkdir sticky
echo "mkdir $?"
mkdir -p a/b/c/d/e
rmdir -p a/b/c/d/e
ls -d a
echo "$?"
mknod pipe p
stat -c %F pipe
realpath --relative-to=. src/../src/file
readlink -f dirlink | sed 's|.*/||'
readlink src
echo "readlink $?"
basename /a/b/c
dirname /a/b/c
pathchk -p 'ok'
test src/file -nt nope
echo $?
tee a1 a2 <src/file
cat a1 a2
ls -1 --color=never | sort
