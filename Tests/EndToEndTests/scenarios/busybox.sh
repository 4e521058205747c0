# A static busybox: no interpreter, no shared library, its own shell that executes itself through /proc/self/exe.
set -u
b=$(command -v busybox) || exit 77
mkdir -p bin t
cp "$b" bin/busybox
for a in ls cat sh sed grep find tar awk wc sort; do ln -s busybox bin/$a; done
./bin/sh -c 'echo "shell $((1 + 1))"; for i in 1 2 3; do echo $i; done | ./bin/wc -l; ls bin | sort; echo abc | sed s/b/X/; cat </etc/hostname >/dev/null && echo read'
./bin/busybox sh <<'END'
mkdir -p t/a/b; echo x >t/a/b/c; find t | sort; tar -cf t.tar t; rm -r t; tar -xf t.tar; cat t/a/b/c; cp -a t u; mv u v; ls -R v; stat -c '%a %s' v/a/b/c; ln -s v w; readlink w; rm -rf v; test -e w; echo $?; awk 'BEGIN { print 2^10 }'; seq 5 | sort -r | head -2; (exit 7); echo $?; kill -9 $$
END
echo "status $?"
./bin/busybox nosuch 2>&1
echo "status $?"
./bin/busybox true
echo "status $?"
cp bin/busybox bin/ls2
./bin/busybox readlink /proc/self/exe | sed 's|.*/||'
./bin/busybox md5sum </dev/null
./bin/busybox dd if=/dev/zero bs=1k count=3 2>/dev/null | ./bin/wc -c
./bin/busybox ps >/dev/null
echo "ps $?"
