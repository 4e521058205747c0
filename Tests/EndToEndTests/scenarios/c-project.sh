# gcc and make -j2 of a project of 40 files, the program it makes, an incremental build, a static and a shared library, an error.
set -u
mkdir -p p/src p/include
cd p || exit 1
for i in $(seq 1 40); do
    printf '#ifndef F%d_H\n#define F%d_H\nint f%d(int);\n#endif\n' "$i" "$i" "$i" >"include/f$i.h"
    printf '#include <stdio.h>\n#include <string.h>\n#include "f%d.h"\n#include "f%d.h"\nint f%d(int x) { return x <= 0 ? %d : f%d(x - 1) + 1; }\n' "$i" $((i % 40 + 1)) "$i" "$i" $((i % 40 + 1)) >"src/f$i.c"
done
printf '#include <stdio.h>\n#include "f1.h"\nint main(int c, char **v) { printf("%%d %%d\\n", f1(100), c); return f1(0) + 2; }\n' >src/main.c
printf 'O := $(patsubst src/%%.c,obj/%%.o,$(wildcard src/*.c))\nprogram: $(O)\n\t$(CC) -o $@ $^\nobj/%%.o: src/%%.c | obj\n\t@$(CC) -O1 -Wall -Iinclude -MMD -c -o $@ $<\nobj:\n\t@mkdir -p obj\n-include $(O:.o=.d)\nclean:\n\trm -rf obj program\n' >Makefile
make -j2 CC=gcc | sed 's/obj[^ ]*\.o/O/g' | tr -s 'O ' | head -c 200
echo
ls obj | wc -l
./program a b
echo "status $?"
make CC=gcc -j2
sleep 0.01
touch include/f7.h
make CC=gcc -n | wc -l
make CC=gcc -j2 >/dev/null
./program
echo "status $?"
ar rcs libf.a obj/f*.o
gcc -Iinclude -o archived src/main.c -L. -lf && ./archived
gcc -shared -fPIC -Iinclude -o libf.so src/f*.c && gcc -Iinclude -o shared src/main.c -L. -lf -Wl,-rpath,'$ORIGIN' && ./shared
ldd shared | grep -c 'libf.so'
gcc -static -Iinclude -o static src/main.c src/f*.c && ./static
gcc -g -O2 -flto -Iinclude src/*.c -o lto && ./lto
strip lto
./lto
nm -C libf.a | grep -c ' T '
objdump -d program | grep -c '<f1>:'
readelf -h program | grep Class
gcc -no-pie -Iinclude src/*.c -o nopie && ./nopie
gcc -z execstack -Iinclude src/*.c -o execstack 2>/dev/null && ./execstack
echo 'int main(void) { return x; }' >bad.c
gcc -c bad.c 2>&1 | grep -c error
gcc -c nope.c 2>&1 | tail -2
make nope 2>&1
echo "make $?"
make clean
ls
