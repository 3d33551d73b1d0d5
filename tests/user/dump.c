/* Ends by SIGSEGV with what a core file shall have: a stack of calls, other threads, memory of all kinds. */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

const char *constant = "a text of the program";
int written = 4711;
char zeros[100000];
char *heap, *shared, *hidden, *sparse;
static pthread_barrier_t barrier;

__attribute__((noinline)) static int innermost(int a, volatile int *where)
{
    *where = a;
    return a + 1;
}

__attribute__((noinline)) static int middle(int a)
{
    return innermost(a * 2, (volatile int *)0x10) + 1;
}

static void *other(void *number)
{
    register double kept __asm__("d8") = 2.5;

    __asm__ volatile("" : "+w"(kept));
    pthread_barrier_wait(&barrier);
    for (;;)
        __asm__ volatile("" : "+w"(kept));
    return number;
}

int main(int argc, char **argv)
{
    const char *how = argc > 1 ? argv[1] : "";
    pthread_t thread;

    heap = malloc(1000);
    strcpy(heap, "a text of the heap");
    shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    strcpy(shared + 4096, "a text that is shared");
    hidden = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    sparse = mmap(NULL, 1 << 30, PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    strcpy(sparse + (1 << 29), "a text in the middle");
    written = 42;
    if (strcmp(how, "limit") == 0) {
        const struct rlimit limit = { 65536, 65536 };

        setrlimit(RLIMIT_CORE, &limit);
    }
    if (strcmp(how, "none") == 0) {
        const struct rlimit limit = { 0, 0 };

        setrlimit(RLIMIT_CORE, &limit);
    }
    if (strcmp(how, "quit") == 0)
        kill(getpid(), SIGQUIT);
    if (strcmp(how, "abort") == 0)
        abort();
    pthread_barrier_init(&barrier, NULL, 3);
    for (long i = 0; i < 2; i++)
        pthread_create(&thread, NULL, other, (void *)i);
    pthread_barrier_wait(&barrier);
    return middle(argc + 100);
}
