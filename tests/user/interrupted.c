/* Signals as --strace tells of them: that nobody handles, that interrupt calls, that end processes and their threads. */
#include <errno.h>
#include <linux/futex.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint32_t word, other, begun;
static int ends[2];

static void ignored(void)
{
    static const int none[] = { SIGCHLD, SIGURG, SIGWINCH, SIGCONT };

    signal(SIGUSR1, SIG_IGN);
    raise(SIGUSR1);
    for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++)
        raise(none[i]);
}

/* ---- calls ----------------------------------------------------------------------------------------------- */

static int next_ms;

/* If it came before the call, there is another one; later, so that there is time for the call to begin. */
static void on_alarm(int number)
{
    const struct itimerval once = { .it_value = { next_ms / 1000, next_ms % 1000 * 1000 } };

    next_ms *= 2;
    setitimer(ITIMER_REAL, &once, NULL);
}

static struct timespec in(int64_t ms)
{
    return (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
}

static long sleeps(const struct timespec *t)
{
    struct timespec left;

    return syscall(SYS_nanosleep, t, &left);
}

static long clock_sleeps(const struct timespec *t)
{
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, t, NULL);
}

/* Until a time that comes when it would be over anyway. */
static long sleeps_until(const struct timespec *t)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    now.tv_sec += t->tv_sec + (now.tv_nsec + t->tv_nsec) / 1000000000;
    now.tv_nsec = (now.tv_nsec + t->tv_nsec) % 1000000000;
    return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &now, NULL);
}

static long polls(const struct timespec *t)
{
    struct timespec left = *t;

    return syscall(SYS_ppoll, NULL, 0, &left, NULL, 8);
}

static long waits(const struct timespec *t)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, t);
}

static long waits_on(const struct timespec *t)
{
    return syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0, NULL);
}

static long suspends(const struct timespec *t)
{
    const uint64_t none = 0;

    return syscall(SYS_rt_sigsuspend, &none, 8);
}

static long reads(const struct timespec *t)
{
    char byte;

    return syscall(SYS_read, ends[0], &byte, 1);
}

static long (*const calls[])(const struct timespec *) = {
    sleeps, clock_sleeps, sleeps_until, polls, waits, waits_on, suspends, reads
};
enum { WITH_AN_END = 5 };

/* Each is interrupted at once, or before, and then by the next alarm. */
static void handled(int flags)
{
    const struct timespec long_time = in(100000);
    struct sigaction action = { .sa_flags = flags };

    action.sa_handler = on_alarm;
    sigaction(SIGALRM, &action, NULL);
    for (unsigned i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
        if (flags & SA_RESTART && (calls[i] == reads || calls[i] == waits_on))
            continue; /* they have no end */
        next_ms = 10;
        raise(SIGALRM);
        if (calls[i](&long_time) != -1 || errno != EINTR)
            _exit(20 + (int)i);
    }
}

/* Each goes on to its end, though there are more alarms than it would take if it began anew. */
static void unhandled(void)
{
    const struct itimerval every = { { 0, 20000 }, { 0, 20000 } };
    const struct timespec t = in(200);
    struct timespec before, after;

    signal(SIGALRM, SIG_IGN);
    setitimer(ITIMER_REAL, &every, NULL);
    for (unsigned i = 0; i < WITH_AN_END; i++) {
        long result;

        clock_gettime(CLOCK_MONOTONIC, &before);
        result = calls[i](&t);
        clock_gettime(CLOCK_MONOTONIC, &after);
        if (result != (calls[i] == waits ? -1 : 0) || (result == -1 && errno != ETIMEDOUT))
            _exit(20 + (int)i);
        if ((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec <
            199000000)
            _exit(30 + (int)i);
    }
}

/* ---- ends ------------------------------------------------------------------------------------------------ */

static void killed(void)
{
    const int numbers[] = { SIGTERM, SIGKILL, SIGABRT, SIGRTMIN };
    int status;

    for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        if (fork() == 0) {
            syscall(SYS_tgkill, getpid(), getpid(), numbers[i]);
            _exit(1);
        }
        if (wait(&status) < 0 || !WIFSIGNALED(status) || WTERMSIG(status) != numbers[i])
            _exit(1);
    }
}

static void *wait_for_ever(void *how)
{
    __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);
    waits_on(NULL);
    return NULL;
}

static void *read_for_ever(void *how)
{
    __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);
    reads(NULL);
    return NULL;
}

static void *run_for_ever(void *how)
{
    __atomic_fetch_add(&begun, 1, __ATOMIC_SEQ_CST);
    while (!how)
        __asm__ volatile("");
    return NULL;
}

/* One waits, one reads, or is about to, and one executes while the process ends. */
static void threads(const char *how)
{
    void *(*const all[])(void *) = { wait_for_ever, read_for_ever, run_for_ever };
    pthread_t thread;

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (pthread_create(&thread, NULL, all[i], NULL) != 0)
            _exit(1);
    while (__atomic_load_n(&begun, __ATOMIC_SEQ_CST) < sizeof(all) / sizeof(all[0]))
        sched_yield();
    while (syscall(SYS_futex, &word, FUTEX_CMP_REQUEUE_PRIVATE, 0, 1, &other, 0) != 1)
        ;
    if (strcmp(how, "threads killed") == 0)
        raise(SIGTERM);
    _exit(5);
}

/* Whether what is ignored stays so. */
static void executes(const char *path)
{
    signal(SIGUSR1, SIG_IGN);
    signal(SIGUSR2, on_alarm);
    execl("nowhere", "nowhere", NULL);
    raise(SIGUSR1);
    execl(path, path, "executed", NULL);
    _exit(1);
}

static void executed(void)
{
    struct sigaction first, second;

    sigaction(SIGUSR1, NULL, &first);
    sigaction(SIGUSR2, NULL, &second);
    _exit(first.sa_handler == SIG_IGN && second.sa_handler == SIG_DFL ? 0 : 1);
}

int main(int argc, char **argv)
{
    const struct rlimit none = { 0, 0 };

    if (argc != 2 || pipe(ends) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return 1;
    getppid();
    if (strcmp(argv[1], "ignored") == 0)
        ignored();
    else if (strcmp(argv[1], "handled") == 0)
        handled(0);
    else if (strcmp(argv[1], "restarted") == 0)
        handled(SA_RESTART);
    else if (strcmp(argv[1], "unhandled") == 0)
        unhandled();
    else if (strcmp(argv[1], "killed") == 0)
        killed();
    else if (strcmp(argv[1], "executes") == 0)
        executes(argv[0]);
    else if (strcmp(argv[1], "executed") == 0)
        executed();
    else
        threads(argv[1]);
    return 0;
}
