# diff and patch, with backups, rejects, new and deleted files.
set -u
mkdir -p old/sub
seq 1 100 >old/a
echo gone >old/sub/gone
echo same >old/same
cp -a old new
sed -i '50s/.*/fifty/' new/a
rm new/sub/gone
echo fresh >new/sub/fresh
ln -s a new/link
diff -ruN old new | sed 's/^\(---\|+++\) \([^\t]*\).*/\1 \2/' >clean.patch
cat clean.patch
diff -rq old new | sort
echo
diff -y -W 40 --suppress-common-lines old/a new/a
diff3 -m old/a old/a new/a | cmp - new/a && echo merged
cp -a old work
(
    cd work && patch -p1 -b <../clean.patch
    echo "patch $?"
    ls -R
)
(
    cd work && patch -p1 -R -s <../clean.patch
    echo "reverse $?"
    ls -R
    cat sub/gone
)
(
    cd work && sed -i '48,52d' a && patch -p1 -s <../clean.patch
    echo "reject $?"
    ls
    grep -c fifty a.rej
)
(cd old && patch --dry-run -p1 <../clean.patch)
ls old/sub
cmp old/a new/a
cmp -l <(printf abc) <(printf abd)
sdiff -s old/a new/a
echo "$?"
