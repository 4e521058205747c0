# sed -i and grep -r: the temporary file and rename of sed, links, recursion, binary files.
set -u
mkdir -p t/u
printf 'alpha\nbeta\ngamma\n' >t/one
cp t/one t/u/two
chmod 640 t/one
ln -s one t/link
ln t/u/two t/u/hard
printf 'alpha\0beta\n' >t/binary
sed -i 's/beta/BETA/' t/one
cat t/one
stat -c '%a %h' t/one
sed -i.bak 's/alpha/A/' t/u/two
ls t/u
stat -c %h t/u/hard
cat t/u/two.bak
sed -i --follow-symlinks 2d t/link
stat -c %F t/link
cat t/one
sed -i s/a/b/ t/link
stat -c %F t/link
sed -i s/x/y/ t 2>&1
echo "sed $?"
sed -i s/x/y/ nope 2>&1
echo "sed $?"
sed -n '/a/,/g/p;$=' t/u/two
sed 'w t/out' t/u/two >/dev/null
cat t/out
sed -s -n '1p' t/u/*
sed -i -e '1i\' -e 'first' t/u/two
head -1 t/u/two
grep -r alpha t | sort
grep -rl gamma t | sort
grep -rc a t | sort
grep -rn --include='two*' . t | sort
grep -q nothing -r t
echo "grep $?"
grep x nope
echo "grep $?"
grep -a alpha t/binary | od -c | head -1
grep -R alpha t | sort
grep -P '^\w+$' t/u/two | wc -l
grep -f t/out t/u/two.bak
seq 1 100000 >big
grep -c 7 big
awk '{ s += $1 } END { print s }' big
awk '{ print > ("awk" $1 % 3) }' big
wc -l awk?
