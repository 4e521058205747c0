# shellcheck disable=SC2238
# tar: create, list, extract, compare, append, pipe; sparse files, links, times and modes survive.
set -u
mkdir -p src/sub
seq 1 2000 >src/numbers
ln src/numbers src/hard
ln -s numbers src/soft
mkfifo src/pipe
truncate -s 1M src/sparse
echo x >>src/sparse
chmod 4755 src/numbers
for i in $(seq 1 200); do echo "$i" >"src/sub/f$i"; done
touch -d '1999-12-31 23:59:59 UTC' src/sub
n=$(printf 'n%.0s' $(seq 1 200))
echo long >"src/$n"
list() { find "$1" -printf '%y %m %n %s %P %l\n' | sort | grep -v '^d'; }
tar -cf one.tar src
tar -tf one.tar | wc -l
mkdir out
tar -xpf one.tar -C out
diff <(list src) <(list out/src) && echo same
TZ=UTC stat -c %y out/src/sub
tar -df one.tar
echo "compare $?"
tar -czf two.tgz -C src --sort=name .
tar -xOzf two.tgz ./sub/f17
tar -cJf three.txz src/sub 2>/dev/null && tar -tJf three.txz | wc -l
echo more >more
tar -rf one.tar more
tar -tf one.tar | tail -1
tar --delete -f one.tar more
tar -tf one.tar | grep -c more
tar -cSf sparse.tar src/sparse
[ "$(stat -c %s sparse.tar)" -lt 100000 ] && echo sparse
tar -xSf sparse.tar -C out
cmp src/sparse out/src/sparse && echo equal
(cd src && tar -cf - .) | (
    mkdir pipe
    cd pipe && tar -xf -
)
diff <(list src) <(list pipe) && echo piped
echo changed >src/more
tar -cf inc.tar -g snapshot src
echo n >src/new
tar -cf inc2.tar -g snapshot src
tar -tf inc2.tar | grep new
tar -xf one.tar --overwrite -C out
tar -xkf one.tar -C out 2>/dev/null
echo "keep $?"
head -c 700 one.tar >broken.tar
tar -xf broken.tar -C out 2>/dev/null
echo "broken $?"
tar -xf nope 2>/dev/null
echo "missing $?"
tar -cf x.tar --remove-files pipe
ls -d pipe
tar --exclude='f1*' -cf - src | tar -t | wc -l
