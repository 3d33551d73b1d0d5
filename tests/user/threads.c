/* Threads: made and ended, their memory, locks, signals and ends; futexes; fork among threads. */
#include "check.h"

#include <limits.h>
#include <linux/futex.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORKERS 4

static pthread_t start(void *(*fn)(void *), void *argument)
{
    pthread_t thread;
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 65536);
    if (pthread_create(&thread, &attr, fn, argument)) {
        printf("no thread can be made\n");
        exit(1);
    }
    pthread_attr_destroy(&attr);
    return thread;
}

static void *result_of(pthread_t thread)
{
    void *result = NULL;

    CHECK(pthread_join(thread, &result) == 0);
    return result;
}

static long futex(void *word, int op, unsigned value, const void *time_or_value, void *second,
                  unsigned third)
{
    return syscall(SYS_futex, word, op, value, time_or_value, second, third);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

static _Thread_local int own = 5;
static _Thread_local char own_many[3000];

static void *use_own(void *argument)
{
    for (unsigned i = 0; i < sizeof(own_many); i++)
        CHECK(own_many[i] == 0);
    memset(own_many, 1, sizeof(own_many));
    own += (int)(intptr_t)argument;
    sched_yield();
    return (void *)(intptr_t)own;
}

static void test_own(void)
{
    pthread_t threads[WORKERS];

    memset(own_many, 2, sizeof(own_many));
    for (intptr_t i = 0; i < WORKERS; i++)
        threads[i] = start(use_own, (void *)i);
    for (intptr_t i = 0; i < WORKERS; i++)
        CHECK((intptr_t)result_of(threads[i]) == 5 + i);
    CHECK(own == 5 && own_many[2999] == 2);
}

static void *same(void *argument)
{
    return argument;
}

static void test_many(unsigned count)
{
    for (uintptr_t i = 0; i < count; i++)
        CHECK((uintptr_t)result_of(start(same, (void *)i)) == i);
}

static pthread_barrier_t all_there;

static void *meet(void *argument)
{
    int turn = pthread_barrier_wait(&all_there);

    return (void *)(intptr_t)(turn == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void test_at_once(unsigned count)
{
    pthread_t threads[1000];
    intptr_t serial = 0;

    CHECK(pthread_barrier_init(&all_there, NULL, count) == 0);
    for (unsigned i = 0; i < count; i++)
        threads[i] = start(meet, NULL);
    for (unsigned i = 0; i < count; i++)
        serial += (intptr_t)result_of(threads[i]);
    CHECK(serial == 1);
    CHECK(pthread_barrier_destroy(&all_there) == 0);
}

static pid_t numbers[WORKERS];

static void *say_number(void *argument)
{
    numbers[(intptr_t)argument] = (pid_t)syscall(SYS_gettid);
    CHECK(getpid() == (pid_t)syscall(SYS_getpid) && getpid() != syscall(SYS_gettid));
    CHECK(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == 0);
    return NULL;
}

static void test_numbers(void)
{
    CHECK(syscall(SYS_gettid) == getpid());
    for (intptr_t i = 0; i < WORKERS; i++) {
        result_of(start(say_number, (void *)i));
        CHECK(numbers[i] > 0 && numbers[i] != getpid());
    }
    REFUSED(syscall(SYS_tgkill, getpid(), INT_MAX, 0), ESRCH);
}

static sem_t detached_ended;

static void *end_detached(void *argument)
{
    pthread_detach(pthread_self());
    sem_post(&detached_ended);
    pthread_exit(NULL);
}

static void test_detached(void)
{
    sem_init(&detached_ended, 0, 0);
    for (int i = 0; i < 20; i++)
        start(end_detached, NULL);
    for (int i = 0; i < 20; i++)
        CHECK(sem_wait(&detached_ended) == 0);
}

static void test_refused(void)
{
    struct clone_args args = { .flags = CLONE_THREAD };
    struct {
        struct clone_args args;
        uint64_t more;
    } larger = { .args = { .exit_signal = SIGCHLD }, .more = 1 };

    REFUSED(syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0), EINVAL);
    REFUSED(syscall(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    REFUSED(syscall(SYS_clone, CLONE_THREAD | CLONE_SIGHAND, 0, 0, 0, 0), EINVAL);
    REFUSED(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
    REFUSED(syscall(SYS_clone3, &args, 63), EINVAL);
    REFUSED(syscall(SYS_clone3, &larger, 5000), E2BIG);
    REFUSED(syscall(SYS_clone3, &larger, sizeof(larger)), E2BIG);
    REFUSED(syscall(SYS_clone3, 8, sizeof(args)), EFAULT);
    args = (struct clone_args){ .exit_signal = 65 };
    REFUSED(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
    args = (struct clone_args){ .stack = 65536, .exit_signal = SIGCHLD };
    REFUSED(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
    args = (struct clone_args){ .set_tid_size = 1, .exit_signal = SIGCHLD };
    REFUSED(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
    REFUSED(syscall(SYS_set_robust_list, &args, 23), EINVAL);
}

/* ---- locks ----------------------------------------------------------------------------------------------- */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static long counter;
static _Atomic long atomic_counter;
static _Alignas(16) uint64_t wide[2];

static void *count(void *argument)
{
    for (int i = 0; i < 2000; i++) {
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        atomic_fetch_add(&atomic_counter, 1);
    }
    return NULL;
}

static void test_counting(void)
{
    pthread_t threads[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        threads[i] = start(count, NULL);
    for (int i = 0; i < WORKERS; i++)
        result_of(threads[i]);
    CHECK(counter == 2000 * WORKERS && atomic_counter == 2000 * WORKERS);
}

/* A queue of three places between producers and consumers. */
#define ITEMS 500
static int queue[3], queued;
static long taken;

static void *produce(void *argument)
{
    for (int i = 1; i <= ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 3)
            pthread_cond_wait(&changed, &lock);
        queue[queued++] = i;
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void *consume(void *argument)
{
    for (int i = 0; i < ITEMS; i++) {
        pthread_mutex_lock(&lock);
        while (queued == 0)
            pthread_cond_wait(&changed, &lock);
        taken += queue[--queued];
        pthread_cond_broadcast(&changed);
        pthread_mutex_unlock(&lock);
    }
    return NULL;
}

static void test_condition(void)
{
    pthread_t threads[4];

    for (int i = 0; i < 4; i++)
        threads[i] = start(i & 1 ? produce : consume, NULL);
    for (int i = 0; i < 4; i++)
        result_of(threads[i]);
    CHECK(taken == 2 * (ITEMS * (ITEMS + 1) / 2) && queued == 0);
}

static void test_timeout(void)
{
    struct timespec past = { 1, 0 };
    pthread_mutex_t held = PTHREAD_MUTEX_INITIALIZER;

    pthread_mutex_lock(&held);
    CHECK(pthread_cond_timedwait(&changed, &held, &past) == ETIMEDOUT);
    CHECK(pthread_mutex_timedlock(&held, &past) == ETIMEDOUT);
    pthread_mutex_unlock(&held);
}

/* What one writes before it sets a flag, the other sees after it saw the flag. */
static int message;
static _Atomic int flag;

static void *send_messages(void *argument)
{
    for (int i = 1; i <= 300; i++) {
        message = i;
        atomic_store_explicit(&flag, 1, memory_order_release);
        while (atomic_load_explicit(&flag, memory_order_acquire))
            sched_yield();
    }
    return NULL;
}

static void test_messages(void)
{
    pthread_t sender = start(send_messages, NULL);

    for (int i = 1; i <= 300; i++) {
        while (!atomic_load_explicit(&flag, memory_order_acquire))
            sched_yield();
        CHECK(message == i);
        atomic_store_explicit(&flag, 0, memory_order_release);
    }
    result_of(sender);
}

/* Exclusive loads and stores. Two halves change together. */
static bool count_both(void)
{
#ifdef __aarch64__
    uint64_t low, high;
    uint32_t failed;

    do {
        __asm__ volatile("ldaxp %0, %1, %3\n\tadd %0, %0, #1\n\tadd %1, %1, #1\n\t"
                         "stlxp %w2, %0, %1, %3"
                         : "=&r"(low), "=&r"(high), "=&r"(failed), "+Q"(*(__int128 *)wide));
    } while (failed);
    return low == high;
#else /* what Linux itself says of the program: it has another processor's instructions */
    pthread_mutex_lock(&lock);
    wide[0]++;
    wide[1]++;
    pthread_mutex_unlock(&lock);
    return true;
#endif
}

static void *count_wide(void *argument)
{
    for (int i = 0; i < 1000; i++) {
        if (!count_both())
            return (void *)1;
    }
    return NULL;
}

static void test_exclusives(void)
{
    pthread_t threads[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        threads[i] = start(count_wide, NULL);
    for (int i = 0; i < WORKERS; i++)
        CHECK(result_of(threads[i]) == NULL);
    CHECK(wide[0] == 1000 * WORKERS && wide[1] == 1000 * WORKERS);
}

/* ---- locks whose owner ends ------------------------------------------------------------------------------- */

static pthread_mutex_t *robust;

static void make_robust(pthread_mutex_t *mutex, int protocol)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setprotocol(&attr, protocol);
    CHECK(pthread_mutex_init(mutex, &attr) == 0);
    pthread_mutexattr_destroy(&attr);
}

static void *lock_and_end(void *argument)
{
    pthread_mutex_t *mutexes = argument;

    for (int i = 0; i < 3; i++)
        CHECK(pthread_mutex_lock(&mutexes[i]) == 0);
    return NULL;
}

static _Atomic int waiting;

static void *wait_for_owner(void *argument)
{
    int result;

    atomic_store(&waiting, (int)syscall(SYS_gettid));
    result = pthread_mutex_lock(argument);
    pthread_mutex_consistent(argument);
    pthread_mutex_unlock(argument);
    return (void *)(intptr_t)result;
}

static void *lock_until_waited(void *argument)
{
    CHECK(pthread_mutex_lock(argument) == 0);
    atomic_store(&flag, 1);
    /* Until the futex says that somebody waits. */
    while (!(*(_Atomic unsigned *)argument & FUTEX_WAITERS))
        sched_yield();
    return NULL;
}

static void test_robust(int protocol)
{
    pthread_t owner, waiter;
    pid_t child;
    int status;

    robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (int i = 0; i < 3; i++)
        make_robust(&robust[i], protocol);
    result_of(start(lock_and_end, robust));
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_mutex_lock(&robust[i]) == EOWNERDEAD);
        CHECK(pthread_mutex_consistent(&robust[i]) == 0);
        CHECK(pthread_mutex_unlock(&robust[i]) == 0);
        CHECK(pthread_mutex_lock(&robust[i]) == 0 && pthread_mutex_unlock(&robust[i]) == 0);
    }
    atomic_store(&flag, 0);
    owner = start(lock_until_waited, robust);
    while (!atomic_load(&flag))
        sched_yield();
    waiter = start(wait_for_owner, robust);
    CHECK((intptr_t)result_of(waiter) == EOWNERDEAD);
    result_of(owner);
    child = fork();
    if (child == 0) {
        pthread_mutex_lock(&robust[1]);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(pthread_mutex_lock(&robust[1]) == EOWNERDEAD);
    pthread_mutex_consistent(&robust[1]);
    pthread_mutex_unlock(&robust[1]);
    munmap(robust, 4096);
}

static void test_inheriting(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t mutex;
    pthread_t waiter;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setprotocol(&attr, PTHREAD_PRIO_INHERIT);
    CHECK(pthread_mutex_init(&mutex, &attr) == 0);
    CHECK(pthread_mutex_lock(&mutex) == 0);
    waiter = start(wait_for_owner, &mutex);
    while (!(*(_Atomic unsigned *)&mutex & FUTEX_WAITERS))
        sched_yield();
    CHECK(pthread_mutex_unlock(&mutex) == 0);
    CHECK(result_of(waiter) == NULL);
}

/* ---- futexes ---------------------------------------------------------------------------------------------- */

static _Atomic unsigned words[2];
static _Atomic int woken;

static void *wait_on_first(void *argument)
{
    while (futex(&words[0], FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) < 0 && errno == EINTR)
        ;
    atomic_fetch_add(&woken, 1);
    return NULL;
}

static void *wait_for_bits(void *argument)
{
    while (futex(&words[0], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 4) < 0 && errno == EINTR)
        ;
    return NULL;
}

static _Atomic int rung;
static _Atomic unsigned owned;

static void on_alarm(int signal)
{
    rung++;
}

/* Gives it up once the one who waits for it has been interrupted. */
static void *own_words(void *argument)
{
    pthread_barrier_t *met = argument;

    CHECK(futex((void *)&owned, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    pthread_barrier_wait(met);
    while (!rung)
        sched_yield();
    CHECK(futex((void *)&owned, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    return NULL;
}

/* With a time a wait ends by a handler, though it has SA_RESTART; the wait for an owner does not, though it has not. Time and again: the
 * signal may have come before the wait. */
static void test_interrupted(void)
{
    const struct itimerval often = { { 0, 20000 }, { 0, 20000 } }, never = { { 0, 0 }, { 0, 0 } };
    const struct timespec long_time = { 100, 0 };
    struct timespec end;
    struct sigaction action = { .sa_handler = on_alarm, .sa_flags = SA_RESTART };
    pthread_barrier_t met;
    pthread_t owner;
    sigset_t set;

    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 100;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    REFUSED(futex(&words[1], FUTEX_WAIT_PRIVATE, words[1], &long_time, NULL, 0), EINTR);
    REFUSED(futex(&words[1], FUTEX_WAIT_BITSET_PRIVATE, words[1], &end, NULL, 1), EINTR);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    action.sa_flags = 0;
    CHECK(sigaction(SIGALRM, &action, NULL) == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGALRM);
    pthread_barrier_init(&met, NULL, 2);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    rung = 0;
    owner = start(own_words, &met);
    pthread_barrier_wait(&met);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    CHECK(futex((void *)&owned, FUTEX_LOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    CHECK(rung > 0 && futex((void *)&owned, FUTEX_UNLOCK_PI_PRIVATE, 0, NULL, NULL, 0) == 0);
    CHECK(result_of(owner) == NULL);
    signal(SIGALRM, SIG_DFL);
}

static void test_futexes(void)
{
    const struct timespec soon = { 0, 1000 };
    pthread_t threads[3];
    long moved = 0;

    REFUSED(futex(&words[0], FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0), EAGAIN);
    REFUSED(futex(&words[0], FUTEX_WAIT_PRIVATE, 0, &soon, NULL, 0), ETIMEDOUT);
    REFUSED(futex((char *)words + 1, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0), EINVAL);
    REFUSED(futex((void *)8, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    REFUSED(futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)1, &words[1], 7), EAGAIN);
    for (int i = 0; i < 3; i++)
        threads[i] = start(wait_on_first, NULL);
    /* Nobody is woken; all three go to wait on the second. */
    while (moved < 3)
        moved += futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)3, &words[1], 0);
    CHECK(moved == 3 && atomic_load(&woken) == 0);
    CHECK(futex(&words[0], FUTEX_WAKE_PRIVATE, 3, NULL, NULL, 0) == 0);
    CHECK(futex(&words[1], FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0) == 1);
    CHECK(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 0, (void *)2, &words[1],
                FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0)) == 2);
    CHECK(words[1] == 5);
    for (int i = 0; i < 3; i++)
        result_of(threads[i]);
    threads[0] = start(wait_for_bits, NULL);
    while (futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 12) == 0)
        CHECK(futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 1, NULL, NULL, 3) == 0);
    result_of(threads[0]);
    CHECK(syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0) >= 0);
}

/* ---- cancellation ----------------------------------------------------------------------------------------- */

static int cleaned, ends[2];

static void clean(void *argument)
{
    cleaned++;
}

static void *read_for_ever(void *argument)
{
    char byte;

    pthread_cleanup_push(clean, NULL);
    sem_post(&detached_ended);
    for (;;)
        CHECK(read(ends[0], &byte, 1) == 1);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *loop_for_ever(void *argument)
{
    pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, NULL);
    pthread_cleanup_push(clean, NULL);
    sem_post(&detached_ended);
    for (volatile long i = 0;; i++)
        ;
    pthread_cleanup_pop(0);
    return NULL;
}

static void unlock(void *mutex)
{
    cleaned++;
    pthread_mutex_unlock(mutex);
}

static void *wait_for_ever(void *argument)
{
    pthread_mutex_lock(&lock);
    pthread_cleanup_push(unlock, &lock);
    sem_post(&detached_ended);
    for (;;)
        pthread_cond_wait(&changed, &lock);
    pthread_cleanup_pop(0);
    return NULL;
}

static void test_cancel(void)
{
    void *(*const functions[])(void *) = { read_for_ever, loop_for_ever, wait_for_ever };

    CHECK(pipe(ends) == 0);
    for (int i = 0; i < 3; i++) {
        pthread_t thread = start(functions[i], NULL);

        sem_wait(&detached_ended);
        CHECK(pthread_cancel(thread) == 0);
        CHECK(result_of(thread) == PTHREAD_CANCELED);
        CHECK(cleaned == i + 1);
    }
    close(ends[0]);
    close(ends[1]);
}

/* ---- signals ---------------------------------------------------------------------------------------------- */

static _Thread_local volatile sig_atomic_t own_signals;
static _Thread_local volatile sig_atomic_t was_on_stack;
static _Thread_local char *signal_stack;
static _Atomic int ready, go_on;

static void on_signal(int number, siginfo_t *info, void *context)
{
    char here;

    own_signals++;
    was_on_stack = signal_stack && &here >= signal_stack && &here < signal_stack + SIGSTKSZ;
}

static void *get_signals(void *argument)
{
    stack_t stack = { .ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ }, old;

    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
    signal_stack = stack.ss_sp;
    CHECK(sigaltstack(&stack, NULL) == 0);
    atomic_fetch_add(&ready, 1);
    while (!atomic_load(&go_on))
        sched_yield();
    free(stack.ss_sp);
    CHECK(own_signals == 0 || was_on_stack);
    return (void *)(intptr_t)own_signals;
}

/* Blocked in all threads but one. */
static void *get_process_signal(void *argument)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    atomic_fetch_add(&ready, 1);
    while (!own_signals)
        sched_yield();
    return (void *)(intptr_t)own_signals;
}

static void *wait_for_signal(void *argument)
{
    siginfo_t info;

    CHECK(sigwaitinfo(argument, &info) == SIGUSR2 && info.si_value.sival_int == 77);
    return NULL;
}

static void test_signals(void)
{
    struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK };
    pthread_t threads[3];
    sigset_t set, old;

    sigaction(SIGUSR1, &action, NULL);
    sigaction(SIGUSR2, &action, NULL);
    for (int i = 0; i < 3; i++)
        threads[i] = start(get_signals, NULL);
    while (atomic_load(&ready) < 3)
        sched_yield();
    CHECK(pthread_kill(threads[1], SIGUSR1) == 0);
    atomic_store(&go_on, 1);
    for (int i = 0; i < 3; i++)
        CHECK((intptr_t)result_of(threads[i]) == (i == 1));
    CHECK(own_signals == 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &set, &old);
    atomic_store(&ready, 0);
    threads[0] = start(get_process_signal, NULL);
    while (!atomic_load(&ready))
        sched_yield();
    CHECK(kill(getpid(), SIGUSR2) == 0);
    CHECK((intptr_t)result_of(threads[0]) == 1 && own_signals == 0);
    threads[0] = start(wait_for_signal, &set);
    CHECK(sigqueue(getpid(), SIGUSR2, (union sigval){ .sival_int = 77 }) == 0);
    result_of(threads[0]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    CHECK(own_signals == 0);
}

/* ---- memory that changes under others ---------------------------------------------------------------------- */

static _Atomic int arrived, ending;

static void arrive(int signal)
{
    arrived++;
}

/* It ends without the C library, which would block all before. */
static void *let_through(void *argument)
{
    pthread_sigmask(SIG_UNBLOCK, argument, NULL);
    for (int i = atomic_exchange(&ending, 1); i > 0; i--)
        __asm__ volatile("" ::: "memory");
    syscall(SYS_exit, 0);
    return NULL;
}

/* What comes to a thread that ends another one gets, and by kill() as by sigqueue(). */
static void test_signals_at_end(void)
{
    const struct sigaction action = { .sa_handler = arrive };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    for (int i = 1; i <= 600 && !failures; i++) {
        pthread_t thread;

        atomic_store(&ending, 1 + 8 * i);
        thread = start(let_through, &set);
        while (atomic_load(&ending) != 1)
            ;
        if (i % 2)
            CHECK(kill(getpid(), SIGUSR1) == 0);
        else
            CHECK(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = i }) == 0);
        result_of(thread);
        if (arrived < i) /* it came too late for that one */
            result_of(start(let_through, &set));
        CHECK(arrived == i);
    }
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    signal(SIGUSR1, SIG_DFL);
}

static void *map_and_unmap(void *argument)
{
    for (int i = 0; i < 100; i++) {
        size_t bytes = 4096u * (1 + (unsigned)i % 40);
        char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        for (size_t k = 0; k < bytes; k += 4096) {
            if (p[k])
                return (void *)1;
            p[k] = 1;
        }
        if (mprotect(p, bytes, PROT_READ) || munmap(p, bytes))
            return (void *)2;
    }
    return NULL;
}

static void test_mapping(void)
{
    pthread_t threads[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        threads[i] = start(map_and_unmap, NULL);
    for (int i = 0; i < WORKERS; i++)
        CHECK(result_of(threads[i]) == NULL);
}

/* ---- fork ---------------------------------------------------------------------------------------------------- */

static _Atomic int stop;

static void *work(void *argument)
{
    while (!atomic_load(&stop)) {
        free(malloc(1 + (size_t)(rand() % 5000)));
        pthread_mutex_lock(&lock);
        counter++;
        pthread_mutex_unlock(&lock);
        munmap(mmap(NULL, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), 8192);
    }
    return NULL;
}

static void *fork_and_wait(void *argument)
{
    for (int i = 0; i < 8; i++) {
        pid_t child = fork();
        int status = -1;

        if (child == 0) {
            /* Alone, with memory that can be used; and it can make threads. */
            free(malloc(100));
            CHECK(syscall(SYS_gettid) == getpid());
            CHECK(result_of(start(same, (void *)3)) == (void *)3);
            _exit(failures ? 1 : 20 + i);
        }
        CHECK(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 20 + i);
    }
    return NULL;
}

static void test_fork(void)
{
    pthread_t threads[WORKERS];

    for (int i = 0; i < WORKERS; i++)
        threads[i] = start(i < 2 ? fork_and_wait : work, NULL);
    fork_and_wait(NULL);
    for (int i = 0; i < 2; i++)
        result_of(threads[i]);
    atomic_store(&stop, 1);
    for (int i = 2; i < WORKERS; i++)
        result_of(threads[i]);
}

int main(int argc, char **argv)
{
    unsigned one_by_one = argc > 1 ? (unsigned)atoi(argv[1]) : 300;
    unsigned at_once = argc > 2 ? (unsigned)atoi(argv[2]) : 60;

    test_own();
    test_numbers();
    test_detached();
    test_refused();
    test_counting();
    test_condition();
    test_timeout();
    test_messages();
    test_exclusives();
    test_robust(PTHREAD_PRIO_NONE);
    test_robust(PTHREAD_PRIO_INHERIT);
    test_inheriting();
    test_futexes();
    test_interrupted();
    test_cancel();
    test_signals();
    test_signals_at_end();
    test_mapping();
    test_fork();
    test_many(one_by_one);
    test_at_once(at_once < 1000 ? at_once : 1000);
    return done("threads");
}
