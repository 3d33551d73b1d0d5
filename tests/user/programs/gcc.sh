# gcc, binutils, make: programs are compiled, linked and run
cat >main.c <<'X'
#include <stdio.h>
#include <stdlib.h>
#include <math.h>
#include <string.h>
int twice(int);
static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }
int main(int argc, char **argv)
{
    int list[1000]; unsigned seed = 1; double sum = 0;
    for (int i = 0; i < 1000; i++) list[i] = (seed = seed * 1103515245 + 12345) >> 16 & 32767;
    qsort(list, 1000, sizeof(int), compare);
    for (int i = 0; i < 1000; i++) sum += sqrt(list[i]) * (i % 2 ? 1 : -1);
    printf("%s %d %d %d %.12f %d\n", argv[1], list[0], list[500], list[999], sum, twice(argc));
    return twice(argc) == 4 ? 0 : 1;
}
X
echo 'int twice(int x) { return 2 * x; }' >twice.c
cat >Makefile <<'X'
OBJECTS = main.o libtwice.a
program-%: main-%.o twice-%.o
	$(CC) -O$* $^ -o $@ -lm
main-%.o: main.c
	$(CC) -O$* -c $< -o $@
twice-%.o: twice.c
	$(CC) -O$* -c $< -o $@
X
for o in 0 2 3 s; do make -s -j2 CC=gcc program-$o && ./program-$o "O$o"; done
gcc -O2 -flto main.c twice.c -o lto -lm && ./lto lto; gcc -static -O1 main.c twice.c -o static -lm && ./static static; gcc -shared -fPIC twice.c -o libtwice.so && gcc main.c -o shared -L. -ltwice -lm -Wl,-rpath,. && ./shared shared
ar rc libt.a twice-2.o; nm libt.a | grep -c ' T twice'; strip shared; ./shared stripped; objcopy -O binary -j .rodata static ro; test -s ro && echo objcopy
echo 'int main(void) { return undeclared; }' >bad.c; gcc bad.c 2>&1 | grep -c error; readelf -h static | grep -c 'EXEC'; size static | wc -l; file static | grep -c 'statically linked'
