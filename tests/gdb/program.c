/* The program that is debugged: its first argument says what it does. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUNDS 1000

volatile long table[512], count, caught, counts[4];
const long constant = 12345;
__thread long own;
volatile int *volatile nowhere = (int *)8;
pthread_barrier_t barrier;

__attribute__((noinline)) long add(long a, long b)
{
    return a + b;
}

__attribute__((noinline)) void fill(long round)
{
    for (long i = 0; i < 512; i++)
        table[i] = add(round, i);
}

__attribute__((noinline)) long sum(void)
{
    long result = 0;

    for (long i = 0; i < 512; i++)
        result += table[i];
    return result;
}

static int loops(void)
{
    for (long round = 1; round <= ROUNDS; round++) {
        fill(round);
        count = sum();
    }
    return count == 512L * ROUNDS + 511 * 256 ? 42 : 1;
}

__attribute__((noinline)) void handler(int signal)
{
    caught = caught * 100 + signal;
}

static int signals(void)
{
    signal(SIGUSR1, handler);
    signal(SIGUSR2, handler);
    raise(SIGUSR1);
    raise(SIGUSR2);
    raise(SIGUSR1);
    printf("caught %ld\n", caught);
    return 0;
}

__attribute__((noinline)) void after_fault(int signal)
{
    printf("caught %d\n", signal);
    exit(7);
}

static int fault(void)
{
    signal(SIGSEGV, after_fault);
    return *nowhere;
}

static int calls(void)
{
    long result = write(1, "one\n", 4);

    count = result;
    count += write(1, "three\n", 6);
    return close(99) == -1 && count == 10 ? 0 : 1;
}

/* Waits for a byte that does not come before somebody sends it. */
static int reads(void)
{
    char byte = 0;

    count = read(0, &byte, 1);
    return count == 1 ? byte : 99;
}

__attribute__((noinline)) void tick(long i)
{
    own++;
    counts[i]++;
}

static void *work(void *index)
{
    pthread_barrier_wait(&barrier);
    for (long i = 0; i < 20000; i++)
        tick((long)index);
    return NULL;
}

static int threads(void)
{
    pthread_t thread[3];

    pthread_barrier_init(&barrier, NULL, 4);
    for (long i = 0; i < 3; i++)
        pthread_create(&thread[i], NULL, work, (void *)(i + 1));
    pthread_setname_np(thread[1], "second");
    pthread_barrier_wait(&barrier);
    for (int i = 0; i < 3; i++)
        pthread_join(thread[i], NULL);
    printf("%ld %ld %ld\n", counts[1], counts[2], counts[3]);
    return 0;
}

/* Two threads wait in calls, one for a byte, one for another thread, while a third one is busy. */
int ends[2];
volatile int stays = 1;
pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t cond = PTHREAD_COND_INITIALIZER;

static void *wait_for_byte(void *where)
{
    char byte = 0;

    count += read(ends[0], &byte, 1);
    caught += byte;
    return NULL;
}

static void *wait_for_thread(void *where)
{
    pthread_mutex_lock(&mutex);
    while (stays)
        pthread_cond_wait(&cond, &mutex);
    count += 10;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

__attribute__((noinline)) void busy(long round)
{
    table[0] = round;
}

static int waits(void)
{
    pthread_t thread[2];

    if (pipe(ends) != 0)
        return 1;
    signal(SIGUSR1, handler);
    pthread_create(&thread[0], NULL, wait_for_byte, NULL);
    pthread_create(&thread[1], NULL, wait_for_thread, NULL);
    for (long round = 0; stays; round++)
        busy(round);
    pthread_mutex_lock(&mutex);
    pthread_cond_broadcast(&cond);
    pthread_mutex_unlock(&mutex);
    if (write(ends[1], "!", 1) != 1)
        return 1;
    pthread_join(thread[0], NULL);
    pthread_join(thread[1], NULL);
    printf("%ld %ld\n", count, caught);
    return 0;
}

static void with_info(int signal, siginfo_t *info, void *context)
{
    printf("signal %d, code %d, value %d\n", signal, info->si_code, info->si_value.sival_int);
}

static int queues(void)
{
    const struct sigaction action = { .sa_sigaction = with_info, .sa_flags = SA_SIGINFO };

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    for (int i = 1; i <= 3; i++)
        sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = i });
    return 0;
}

__attribute__((noinline)) void in_child(void)
{
    count++;
}

__attribute__((noinline)) void in_parent(int status)
{
    count = WEXITSTATUS(status);
}

static int forks(void)
{
    int status;

    if (fork() == 0) {
        in_child();
        _exit(23);
    }
    wait(&status);
    in_parent(status);
    return (int)count;
}

static int executes(char *self)
{
    char *const argv[] = { self, "calls", NULL };

    execv(self, argv);
    return 1;
}

/* By a pointer with a tag, which the processor ignores. */
static int tags(void)
{
    volatile long *tagged = (volatile long *)((unsigned long)&count | 0x5aUL << 56);

    for (long i = 1; i <= 1000; i++)
        *tagged = i;
    return count == 1000 ? 0 : 1;
}

static int traces(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == -1 && errno == ENOSYS ? 0 : 1;
}

static int aborts(void)
{
    abort();
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";

    setvbuf(stdout, NULL, _IONBF, 0);
    return !strcmp(what, "loops")      ? loops()
           : !strcmp(what, "signals")  ? signals()
           : !strcmp(what, "fault")    ? fault()
           : !strcmp(what, "calls")    ? calls()
           : !strcmp(what, "reads")    ? reads()
           : !strcmp(what, "threads")  ? threads()
           : !strcmp(what, "forks")    ? forks()
           : !strcmp(what, "executes") ? executes(argv[0])
           : !strcmp(what, "aborts")   ? aborts()
           : !strcmp(what, "tags")     ? tags()
           : !strcmp(what, "traces")   ? traces()
           : !strcmp(what, "waits")    ? waits()
           : !strcmp(what, "queues")   ? queues()
                                       : argc + 100;
}
