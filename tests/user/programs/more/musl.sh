# musl: its dynamic linker, its threads, its library; and a static busybox
cat >t.c <<'C'
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
static _Thread_local int own = 5;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int total, ready;
static sigjmp_buf back;
static volatile int caught;
static sem_t sem;
extern char **environ;
static void *work(void *p)
{
    own += (int)(long)p;
    for (int i = 0; i < 1000; i++) { pthread_mutex_lock(&lock); total++; pthread_mutex_unlock(&lock); }
    pthread_mutex_lock(&lock); ready++; pthread_cond_broadcast(&cond); while (ready < 8) pthread_cond_wait(&cond, &lock); pthread_mutex_unlock(&lock);
    sem_post(&sem);
    return (void *)(long)own;
}
static void *cancelled(void *p) { for (;;) pause(); return p; }
static void handler(int s) { caught = s; siglongjmp(back, 1); }
int main(int argc, char **argv)
{
    pthread_t t[8]; void *r; long sum = 0; struct timespec at; pid_t pid; int status; char *args[] = { "sh", "-c", "exit 9", 0 };
    if (argc > 1) { printf("executed %s\n", argv[1]); return 0; }
    setvbuf(stdout, 0, _IONBF, 0);
    sem_init(&sem, 0, 0);
    for (long i = 0; i < 8; i++) pthread_create(&t[i], 0, work, (void *)i);
    for (int i = 0; i < 8; i++) { pthread_join(t[i], &r); sum += (long)r; sem_wait(&sem); }
    printf("%d %ld %d\n", total, sum, own);
    pthread_create(&t[0], 0, cancelled, 0); pthread_cancel(t[0]); pthread_join(t[0], &r); printf("cancelled %d\n", r == PTHREAD_CANCELED);
    signal(SIGSEGV, handler); if (!sigsetjmp(back, 1)) *(volatile int *)8 = 1; printf("caught %d\n", caught);
    clock_gettime(CLOCK_REALTIME, &at); at.tv_nsec = 0; pthread_mutex_lock(&lock); printf("late %d\n", pthread_cond_timedwait(&cond, &lock, &at) == ETIMEDOUT);
    posix_spawnp(&pid, "sh", 0, 0, args, environ); waitpid(pid, &status, 0); printf("spawned %d\n", WEXITSTATUS(status));
    printf("missing %d\n", posix_spawnp(&pid, "nothing-like-this", 0, 0, args, environ) != 0);
    printf("%.17g %.17g %s\n", sin(1e10), pow(1.1, 1000), setlocale(LC_ALL, "C.UTF-8"));
    if (!fork()) { execl(argv[0], argv[0], "itself", (char *)0); _exit(1); }
    wait(&status); void *p = malloc(1 << 24); memset(p, 1, 1 << 24); p = realloc(p, 1 << 26); printf("%d %d\n", WEXITSTATUS(status), ((char *)p)[1 << 20]);
    return 3;
}
C
m=$(uname -m)-linux-musl; i=${MUSL:-}/usr/include/$m; l=${MUSL:-}/usr/lib/$m
build() { gcc -O2 -nostdinc -isystem $i -nostdlib -nostartfiles "$@" t.c -L$l -lc $(gcc -print-libgcc-file-name) $l/crtn.o -o t; }
build -no-pie -Wl,-dynamic-linker,/lib/ld-musl-$(uname -m).so.1 $l/crt1.o $l/crti.o; ./t; echo "status $?"
build -pie -fPIE -Wl,-dynamic-linker,/lib/ld-musl-$(uname -m).so.1 $l/Scrt1.o $l/crti.o; ./t; echo "status $?"
build -static -no-pie $l/crt1.o $l/crti.o; ./t; echo "status $?"
busybox sh -c 'for i in 1 2 3; do echo $i; done | busybox sort -r | busybox tr "\n" " "; echo; (exit 4); echo $?; busybox seq 1 1000 | busybox md5sum'
busybox tar cf a.tar t.c && busybox gzip a.tar && busybox tar tzf a.tar.gz; busybox awk 'BEGIN { for (i = 0; i < 5; i++) s += i * i; print s }'; busybox vi --help >/dev/null 2>&1; echo text | busybox sed s/x/X/
