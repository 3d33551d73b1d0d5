/* How processes with several threads end: by the argument. What the parent sees is the status. */
#include "check.h"

#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static _Atomic int ready;
static int ends[2];
static char own[PATH_MAX];
static pthread_mutex_t *shared;

static void begin(void *(*fn)(void *))
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, fn, NULL) || pthread_detach(thread))
        _exit(99);
}

/* Others while the process ends: one loops, one waits in the kernel, one waits for a lock, one makes threads. */
static void *loop(void *argument)
{
    atomic_fetch_add(&ready, 1);
    for (volatile long i = 0;; i++)
        ;
    return NULL;
}

static void *wait_in_kernel(void *argument)
{
    char byte;
    sigset_t all;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    atomic_fetch_add(&ready, 1);
    for (;;) {
        if (read(ends[0], &byte, 1) == 1)
            _exit(98);
    }
    return NULL;
}

static void *nothing(void *argument)
{
    return NULL;
}

static void *make_threads(void *argument)
{
    pthread_t thread;

    atomic_fetch_add(&ready, 1);
    for (;;) {
        if (pthread_create(&thread, NULL, nothing, NULL) == 0)
            pthread_join(thread, NULL);
    }
    return NULL;
}

static void *hold_lock(void *argument)
{
    pthread_mutex_lock(shared);
    atomic_fetch_add(&ready, 1);
    for (;;)
        pause();
    return NULL;
}

static void begin_others(void)
{
    if (pipe(ends))
        _exit(97);
    begin(loop);
    begin(wait_in_kernel);
    begin(make_threads);
    while (atomic_load(&ready) < 3)
        sched_yield();
}

/* ---- ends, by other threads than the first --------------------------------------------------------------- */

static void *exit_group(void *argument)
{
    syscall(SYS_exit_group, 7);
    return NULL;
}

static void *fault(void *argument)
{
    *(volatile int *)8 = 1;
    return NULL;
}

static void *abort_it(void *argument)
{
    abort();
}

static void *execute(void *argument)
{
    execl(own, "name", "executed", (char *)NULL);
    _exit(96);
}

static void *kill_it(void *argument)
{
    kill(getpid(), SIGKILL);
    return loop(NULL);
}

static void *race(void *argument)
{
    atomic_fetch_sub(&ready, 1);
    while (atomic_load(&ready) > 0)
        sched_yield();
    syscall(SYS_exit_group, 7);
    return NULL;
}

static _Atomic int first_is_there = 1; /* until it has ended */

static void *outlive(void *argument)
{
    while (atomic_load(&first_is_there))
        sched_yield();
    syscall(SYS_exit, 9);
    return NULL;
}

static void *outlive_and_fork(void *argument)
{
    pid_t child;
    int status;

    child = fork();
    if (child == 0) {
        pthread_t thread;

        if (pthread_create(&thread, NULL, nothing, NULL) || pthread_join(thread, NULL))
            _exit(92);
        syscall(SYS_exit, 21);
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status) != 21)
        _exit(95);
    exit(11);
}

static int run(const char *how)
{
    static const struct {
        const char *how;
        void *(*fn)(void *);
    } rows[] = {
        { "group", exit_group }, { "fault", fault },  { "abort", abort_it },
        { "execute", execute },  { "kill", kill_it },
    };

    if (strcmp(how, "executed") == 0)
        return getpid() == syscall(SYS_gettid) ? 13 : 1;
    if (strcmp(how, "first") ==
        0) { /* the last thread's status is the process's, from Linux 5.17 on */
        begin(outlive);
        syscall(SYS_set_tid_address, &first_is_there);
        syscall(SYS_exit, 5);
    }
    if (strcmp(how, "last") == 0) { /* the C library's last thread ends the process */
        begin(outlive_and_fork);
        pthread_exit(NULL);
    }
    if (strcmp(how, "return") == 0) {
        begin_others();
        return 6;
    }
    if (strcmp(how, "race") == 0) {
        begin_others();
        atomic_store(&ready, 4);
        for (int i = 0; i < 3; i++)
            begin(race);
        race(NULL);
    }
    for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(how, rows[i].how) == 0) {
            begin_others();
            begin(rows[i].fn);
            loop(NULL);
        }
    }
    return 94;
}

static void expect(const char *how, int status)
{
    int got = -1;
    pid_t child = fork();

    if (child == 0) {
        execl(own, "name", how, (char *)NULL);
        _exit(93);
    }
    CHECK(waitpid(child, &got, 0) == child);
    if (got != status)
        printf("%s: status %x\n", how, (unsigned)got);
    CHECK(got == status);
}

/* A lock of both processes, which one thread of the child holds when another ends it, or it ends by a fault. */
static void test_lock(void *(*fn)(void *))
{
    pthread_mutexattr_t attr;
    pid_t child;
    int status;

    shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    CHECK(pthread_mutex_init(shared, &attr) == 0);
    child = fork();
    if (child == 0) {
        begin(hold_lock);
        while (!atomic_load(&ready))
            sched_yield();
        fn(NULL);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK(pthread_mutex_lock(shared) == EOWNERDEAD);
    munmap(shared, 4096);
}

int main(int argc, char **argv)
{
    if (readlink("/proc/self/exe", own, sizeof(own) - 1) <= 0)
        return 2;
    if (argc > 1 && strcmp(argv[1], "linux") != 0)
        return run(argv[1]);
    expect("group", 7 << 8);
    expect("return", 6 << 8);
    if (argc == 1) /* for any Linux */
        expect("first", 9 << 8);
    expect("last", 11 << 8);
    expect("race", 7 << 8);
    expect("execute", 13 << 8);
    expect("fault", SIGSEGV);
    expect("abort", SIGABRT);
    expect("kill", SIGKILL);
    test_lock(exit_group);
    test_lock(fault);
    return done("ends");
}
