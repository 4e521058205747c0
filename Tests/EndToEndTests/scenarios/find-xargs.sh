# find and xargs over a tree of many directories.
set -u
for d in a b c; do for e in 1 2 3 4 5; do
    mkdir -p "tree/$d/$e"
    for f in x y z; do echo "$d$e$f" >"tree/$d/$e/$f.txt"; done
done; done
touch 'tree/with space' $'tree/with\nnewline'
ln -s ../a tree/b/link
ln -s nowhere tree/broken
chmod 600 tree/a/1/x.txt
touch -d 2001-01-01 tree/a/2/y.txt
find tree -type f -name '*.txt' | wc -l
find tree -maxdepth 1 -mindepth 1 -print0 | sort -z | tr '\0\n' '\n?'
find tree -type l -printf '%p -> %l\n' | sort
find -L tree -type l | sort
find -L tree -name x.txt | wc -l
find tree -xtype l
find tree -perm 600
find tree -not -newermt 2002-01-01
find tree -empty | wc -l
find tree -size -1 | wc -l
find tree -samefile tree/a/1/x.txt
find tree -path '*/b/*' -prune -o -name 'x*' -print | sort
find tree -name 'z.txt' -delete
find tree -type f | wc -l
find tree -name x.txt -exec cat {} + | sort | head -3
find tree -name y.txt -execdir pwd \; | wc -l
find tree -depth -type d -empty -exec rmdir {} \;
find tree -regex '.*/[ab]/[12]/x\.txt' | sort
find tree/a -name 'x.txt' -print0 | xargs -0 -n 2 echo | wc -l
seq 1 5000 | xargs -P 2 -n 500 echo | wc -w
printf 'a b\n' | xargs -I{} echo '[{}]'
xargs -a /dev/null echo empty
echo x | xargs false
echo "xargs $?"
echo 1 | xargs sh -c 'exit 255' 2>/dev/null
echo "xargs $?"
echo x | xargs nosuchprogram 2>/dev/null
echo "xargs $?"
find nope
echo "find $?"
find /etc -maxdepth 1 -name 'host*' | sort
find / -maxdepth 1 -name 'usr'
find tree -type f -exec grep -l a1 {} + | sort
