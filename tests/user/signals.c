/* Signals: handlers and what they are told, masks, stacks, interrupted calls, faults of instructions. */
#include "check.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

static volatile sig_atomic_t count, order;
static siginfo_t seen;
static ucontext_t context_seen;
static void *stack_seen;

static void note(int signal, siginfo_t *info, void *context)
{
    char here;

    seen = *info;
    context_seen.uc_mcontext.pc = ((ucontext_t *)context)->uc_mcontext.pc;
    stack_seen = &here;
    count++;
}

static void skip(int signal, siginfo_t *info, void *context)
{
    note(signal, info, context);
    ((ucontext_t *)context)->uc_mcontext.pc += 4;
    ((ucontext_t *)context)->uc_mcontext.regs[5] = 55;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *), int flags)
{
    struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags };

    CHECK(sigaction(signal, &action, NULL) == 0);
}

static void test_simple(void)
{
    struct sigaction old;
    union sigval value = { .sival_int = 77 };

    handle(SIGUSR1, note, 0);
    count = 0;
    CHECK(raise(SIGUSR1) == 0 && count == 1);
    CHECK(seen.si_signo == SIGUSR1 && seen.si_pid == getpid() && seen.si_code == SI_TKILL);
    CHECK(kill(getpid(), SIGUSR1) == 0 && count == 2 && seen.si_code == SI_USER);
    CHECK(sigqueue(getpid(), SIGUSR1, value) == 0 && count == 3 && seen.si_value.sival_int == 77);
    CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_sigaction == note);
    CHECK((old.sa_flags & SA_SIGINFO) != 0);
    handle(SIGUSR1, note, SA_RESETHAND);
    CHECK(raise(SIGUSR1) == 0 && count == 4);
    CHECK(sigaction(SIGUSR1, NULL, &old) == 0 && old.sa_handler == SIG_DFL);
    CHECK(signal(SIGUSR1, SIG_IGN) != SIG_ERR && raise(SIGUSR1) == 0 && count == 4);
    REFUSED(sigaction(SIGKILL, &old, NULL), EINVAL);
}

static void test_masks(void)
{
    sigset_t set, old, pending;
    siginfo_t info;
    struct timespec none = { 0, 0 };

    handle(SIGUSR1, note, 0);
    handle(SIGRTMIN + 1, note, 0);
    count = 0;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGRTMIN + 1);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    raise(SIGUSR1);
    raise(SIGUSR1); /* is one with the first */
    raise(SIGRTMIN + 1);
    raise(SIGRTMIN + 1); /* is another */
    CHECK(count == 0);
    CHECK(sigpending(&pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(sigtimedwait(&set, &info, &none) == SIGUSR1 && info.si_signo == SIGUSR1);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
    CHECK(count == 2);
    CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
    raise(SIGUSR1);
    sigdelset(&set, SIGUSR1);
    REFUSED(sigsuspend(&set), EINTR);
    CHECK(count == 3);
    CHECK(sigprocmask(SIG_SETMASK, NULL, &pending) == 0 && sigismember(&pending, SIGUSR1) == 1);
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 3);
}

static void nested(int signal)
{
    order = order * 10 + (signal == SIGUSR1 ? 1 : 2);
    if (signal == SIGUSR1) {
        raise(SIGUSR1); /* blocked: comes after this one */
        raise(SIGUSR2); /* comes now */
        order = order * 10 + 3;
        signal = 0;
    }
}

static void once(int signal)
{
    struct sigaction action = { .sa_handler = SIG_IGN };

    nested(signal);
    sigaction(SIGUSR1, &action, NULL);
}

static void test_nested(void)
{
    struct sigaction action = { .sa_handler = once }, second = { .sa_handler = nested };

    order = 0;
    CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && sigaction(SIGUSR2, &second, NULL) == 0);
    raise(SIGUSR1);
    CHECK(order == 123);
}

static void test_stack(void)
{
    static char memory[65536];
    stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) }, old;

    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_flags == SS_DISABLE);
    CHECK(sigaltstack(&stack, NULL) == 0);
    handle(SIGUSR1, note, SA_ONSTACK);
    raise(SIGUSR1);
    CHECK((char *)stack_seen > memory && (char *)stack_seen < memory + sizeof(memory));
    handle(SIGUSR1, note, 0);
    raise(SIGUSR1);
    CHECK((char *)stack_seen < memory || (char *)stack_seen > memory + sizeof(memory));
    stack.ss_size = 100;
    REFUSED(sigaltstack(&stack, NULL), ENOMEM);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, &old) == 0 && old.ss_sp == memory);
}

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1u << 31)
#endif

/* There is no such stack in the handler; a new one is forgotten at its end, and the next signal comes to the same place. */
static void disarmed(int signal, siginfo_t *info, void *context)
{
    static char second[65536];
    stack_t stack = { .ss_sp = second, .ss_size = sizeof(second) }, now;

    note(signal, info, context);
    CHECK(sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_DISABLE && now.ss_size == 0);
    CHECK(((ucontext_t *)context)->uc_stack.ss_size == sizeof(second));
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static void test_disarmed_stack(void)
{
    static char memory[65536];
    stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) }, old;
    void *first;

    stack.ss_flags = (int)SS_AUTODISARM;
    CHECK(sigaltstack(&stack, NULL) == 0);
    handle(SIGUSR1, disarmed, SA_ONSTACK);
    raise(SIGUSR1);
    first = stack_seen;
    CHECK((char *)first > memory && (char *)first < memory + sizeof(memory));
    CHECK(sigaltstack(NULL, &old) == 0 && old.ss_sp == memory &&
          old.ss_flags == (int)SS_AUTODISARM);
    raise(SIGUSR1);
    CHECK(stack_seen == first);
    stack.ss_flags = SS_DISABLE | SS_ONSTACK;
    REFUSED(sigaltstack(&stack, NULL), EINVAL);
    stack.ss_flags = SS_DISABLE;
    CHECK(sigaltstack(&stack, NULL) == 0);
}

static sigjmp_buf back;

static void jump(int signal, siginfo_t *info, void *context)
{
    seen = *info;
    siglongjmp(back, 1);
}

/* The stack runs over: only a handler on another stack can be. */
static int recurse(volatile char *above)
{
    volatile char here[4096];

    here[0] = *above;
    return here[0] ? recurse(here) + here[0] : 0;
}

static void test_overflow(void)
{
    static char memory[65536];
    stack_t stack = { .ss_sp = memory, .ss_size = sizeof(memory) };

    CHECK(sigaltstack(&stack, NULL) == 0);
    handle(SIGSEGV, jump, SA_ONSTACK);
    if (!sigsetjmp(back, 1)) {
        volatile char c = 1;

        recurse(&c);
        CHECK(!"came by");
    }
    CHECK(seen.si_code == SEGV_MAPERR);
    stack.ss_flags = SS_DISABLE;
    sigaltstack(&stack, NULL);
}

static void test_instructions(void)
{
    register uint64_t changed __asm__("x5") = 1;
    double d[4] = { 1.5, 2.5, 3.5, 4.5 };
    register double kept __asm__("d9") = d[1];

    handle(SIGILL, skip, 0);
    handle(SIGTRAP, skip, 0);
    handle(SIGBUS, skip, 0);
    count = 0;
    __asm__ volatile("udf #0" : "+r"(changed), "+w"(kept) : : "memory");
    CHECK(count == 1 && seen.si_signo == SIGILL && seen.si_code == ILL_ILLOPC);
    CHECK((uintptr_t)seen.si_addr == context_seen.uc_mcontext.pc);
    CHECK(changed == 55 && kept == 2.5);
    __asm__ volatile("brk #7" : "+r"(changed) : : "memory");
    CHECK(count == 2 && seen.si_signo == SIGTRAP && seen.si_code == TRAP_BRKPT);
    CHECK((uintptr_t)seen.si_addr == context_seen.uc_mcontext.pc);
    __asm__ volatile("ldaxr x6, [%0]" : "+r"(changed) : : "x6", "memory"); /* at 55 */
    CHECK(count == 3 && seen.si_signo == SIGBUS && seen.si_code == BUS_ADRALN);
    CHECK(seen.si_addr == (void *)55);
    __asm__ volatile("msr daifset, #2" : "+r"(changed) : : "memory");
    CHECK(count == 4 && seen.si_signo == SIGILL);
}

/* ---- queued ones that look like faults ----------------------------------------------------------------------- */

static siginfo_t info_of(int signal, int code)
{
    return (siginfo_t){ .si_signo = signal, .si_code = code, .si_addr = (void *)0x1238 };
}

static long queue_to_process(int signal, siginfo_t *info)
{
    return syscall(SYS_rt_sigqueueinfo, getpid(), signal, info);
}

static long queue_to_thread(int signal, siginfo_t *info)
{
    return syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), signal, info);
}

static long queue_by_descriptor(int signal, siginfo_t *info)
{
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    long result = syscall(SYS_pidfd_send_signal, fd, signal, info, 0);

    close(fd);
    return result;
}

/* One that blocks nothing, and makes no system calls. */
static void *await_count(void *most)
{
    while (count < *(int *)most)
        ;
    return NULL;
}

/* Where more than one thread may get it. */
static void queue_to_others(int signal)
{
    siginfo_t info = info_of(signal, 2);
    sigset_t set;
    pthread_t other;
    int most = count + 1;

    CHECK(pthread_create(&other, NULL, await_count, &most) == 0);
    sigemptyset(&set);
    sigaddset(&set, signal);
    CHECK(pthread_sigmask(SIG_BLOCK, &set, NULL) == 0);
    CHECK(queue_to_process(signal, &info) == 0);
    CHECK(pthread_join(other, NULL) == 0);
    CHECK(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0 && count == most);
    CHECK(seen.si_signo == signal && seen.si_code == 2 && seen.si_addr == info.si_addr);
}

static void test_queued(void)
{
    static const int signals[] = { SIGILL, SIGTRAP, SIGFPE, SIGSEGV, SIGBUS };
    static long (*const queue[])(int, siginfo_t *) = { queue_to_process, queue_to_thread,
                                                       queue_by_descriptor };

    for (int i = 0; i < 5; i++) {
        int signal = signals[i];
        sigset_t set, old;

        handle(signal, note, 0);
        sigemptyset(&set);
        sigaddset(&set, signal);
        for (int k = 0; k < 3; k++) {
            siginfo_t info = info_of(signal, 1);

            count = 0;
            CHECK(queue[k](signal, &info) == 0 && count == 1);
            CHECK(seen.si_signo == signal && seen.si_code == 1 && seen.si_addr == info.si_addr);
            CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0 && queue[k](signal, &info) == 0);
            CHECK(count == 1 && sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 2);
            CHECK(seen.si_code == 1 && seen.si_addr == info.si_addr);
        }
        if (signal != SIGSEGV && signal != SIGBUS) /* those are held for who blocks them */
            queue_to_others(signal);
    }
    REFUSED(queue_to_process(SIGILL, (void *)8), EFAULT);
    REFUSED(queue_by_descriptor(SIGILL, (void *)8), EFAULT);
    CHECK(queue_by_descriptor(SIGBUS, NULL) == 0 && seen.si_code == SI_USER);
}

/* Blocked ones that emulators need for themselves, before the wait and in it. */
static void test_waited_for(void)
{
    static const int signals[] = { SIGILL, SIGTRAP, SIGFPE, SIGSEGV, SIGBUS };
    const struct timespec soon = { 0, 1000000 };

    for (int i = 0; i < 5; i++) {
        sigset_t set, old, pending;
        siginfo_t info;

        handle(signals[i], note, 0);
        count = 0;
        sigemptyset(&set);
        sigaddset(&set, signals[i]);
        CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
        CHECK(sigpending(&pending) == 0 && !sigismember(&pending, signals[i]));
        REFUSED(sigtimedwait(&set, &info, &soon), EAGAIN);
        CHECK(raise(signals[i]) == 0);
        CHECK(sigpending(&pending) == 0 && sigismember(&pending, signals[i]));
        CHECK(sigtimedwait(&set, &info, NULL) == signals[i] && info.si_signo == signals[i]);
        CHECK(info.si_code == SI_USER && info.si_pid == getpid());
        CHECK(sigpending(&pending) == 0 && !sigismember(&pending, signals[i]));
        REFUSED(sigtimedwait(&set, &info, &soon), EAGAIN);
        CHECK(kill(getpid(), signals[i]) == 0);
        CHECK(sigwaitinfo(&set, NULL) == signals[i]);
        CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 0);
    }
}

static const struct timespec never_soon = { 600, 0 }, at_once = { 0, 0 };

static int by_suspend(const sigset_t *mask)
{
    return sigsuspend(mask);
}

static int by_poll(const sigset_t *mask)
{
    return ppoll(NULL, 0, &never_soon, mask);
}

static int by_select(const sigset_t *mask)
{
    return pselect(0, NULL, NULL, NULL, &never_soon, mask);
}

static int by_epoll(const sigset_t *mask)
{
    int fd = epoll_create1(0), result;
    struct epoll_event event;

    result = epoll_pwait(fd, &event, 1, 600000, mask);
    close(fd);
    return result;
}

static volatile sig_atomic_t to_send;

static void *send_later(void *thread)
{
    pthread_kill(*(pthread_t *)thread, (int)to_send);
    return NULL;
}

/* A mask for a while lets through what came before, or comes; what it does not waits. */
static void test_let_through(void)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS };
    static int (*const waits[])(const sigset_t *) = { by_suspend, by_poll, by_select, by_epoll };
    pthread_t self = pthread_self(), sender;
    sigset_t all, others, old, pending;

    handle(SIGUSR2, note, 0);
    sigfillset(&all);
    CHECK(sigprocmask(SIG_SETMASK, &all, &old) == 0);
    for (int i = 0; i < 3; i++) {
        handle(signals[i], note, 0);
        others = all;
        sigdelset(&others, signals[i]);
        for (int k = 0; k < 4; k++) {
            count = 0;
            CHECK(raise(signals[i]) == 0 && count == 0);
            REFUSED(waits[k](&others), EINTR);
            CHECK(count == 1 && seen.si_signo == signals[i]);
            CHECK(sigpending(&pending) == 0 && !sigismember(&pending, signals[i]));
            to_send = signals[i];
            CHECK(pthread_create(&sender, NULL, send_later, &self) == 0);
            REFUSED(waits[k](&others), EINTR);
            CHECK(count == 2 && pthread_join(sender, NULL) == 0);
        }
        /* Not what stays blocked, nor where something else is there. */
        others = all;
        sigdelset(&others, SIGUSR2);
        CHECK(raise(signals[i]) == 0 && raise(SIGUSR2) == 0);
        count = 0;
        REFUSED(sigsuspend(&others), EINTR);
        CHECK(count == 1 && seen.si_signo == SIGUSR2);
        CHECK(ppoll(NULL, 0, &at_once, &all) == 0 && count == 1);
        CHECK(sigpending(&pending) == 0 && sigismember(&pending, signals[i]));
        CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == 2);
        CHECK(sigprocmask(SIG_SETMASK, &all, NULL) == 0);
    }
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

static int woken, last_signal;
static struct timespec first_sent;

static bool is_asleep(pid_t tid)
{
    char path[64], text[512] = "";
    const char *rest;
    int fd;

    snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
    fd = open(path, O_RDONLY);
    CHECK(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0);
    close(fd);
    rest = strrchr(text, ')');
    return rest && rest[2] == 'S';
}

/* While the first thread waits. */
static void *send_many(void *thread)
{
    for (int i = 0; i < 50; i++) {
        while (!is_asleep(getpid()))
            sched_yield();
        if (i == 0)
            clock_gettime(CLOCK_MONOTONIC, &first_sent);
        pthread_kill(*(pthread_t *)thread, (int)to_send);
    }
    if (last_signal)
        CHECK(pthread_kill(*(pthread_t *)thread, last_signal) == 0);
    else
        CHECK(write(woken, "x", 1) == 1);
    return NULL;
}

static int64_t from_to(const struct timespec *from, const struct timespec *to)
{
    return (int64_t)(to->tv_sec - from->tv_sec) * 1000000000 + to->tv_nsec - from->tv_nsec;
}

/* A sleep has its whole time. Again, if it was over before a signal came. */
static void sleep_through(pthread_t *self, int end)
{
    struct timespec before, after, some = { 0, 30000000 };
    pthread_t sender;
    char c;

    for (int i = 0; i < 5; i++, some.tv_nsec *= 2) {
        CHECK(pthread_create(&sender, NULL, send_many, self) == 0);
        clock_gettime(CLOCK_MONOTONIC, &before);
        CHECK(nanosleep(&some, NULL) == 0);
        clock_gettime(CLOCK_MONOTONIC, &after);
        CHECK(from_to(&before, &after) >= some.tv_nsec);
        CHECK(pthread_join(sender, NULL) == 0 && read(end, &c, 1) == 1);
        if (from_to(&first_sent, &after) > 0)
            return;
    }
}

static void wait_through(pthread_t *self, int end)
{
    struct pollfd ready = { .fd = end, .events = POLLIN };
    struct epoll_event event = { .events = EPOLLIN };
    int epoll = epoll_create1(0);
    pthread_t sender;
    char c;

    CHECK(epoll_ctl(epoll, EPOLL_CTL_ADD, end, &event) == 0);
    for (int i = 0; i < 3; i++) {
        CHECK(pthread_create(&sender, NULL, send_many, self) == 0);
        if (i == 1)
            CHECK(poll(&ready, 1, -1) == 1);
        if (i == 2)
            CHECK(epoll_wait(epoll, &event, 1, -1) == 1);
        CHECK(read(end, &c, 1) == 1 && pthread_join(sender, NULL) == 0);
    }
    close(epoll);
}

/* Only another one ends it. */
static void suspend_through(pthread_t *self)
{
    sigset_t set, old;
    pthread_t sender;

    handle(SIGUSR2, note, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
    last_signal = SIGUSR2;
    CHECK(pthread_create(&sender, NULL, send_many, self) == 0);
    REFUSED(sigsuspend(&old), EINTR);
    CHECK(count == 1 && seen.si_signo == SIGUSR2 && pthread_join(sender, NULL) == 0);
    last_signal = 0;
    count = 0;
    CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

/* What a thread blocks, or the program ignores, ends none of its calls. */
static void test_nothing_ends(bool ignored)
{
    static const int signals[] = { SIGTRAP, SIGSEGV, SIGBUS, SIGFPE };
    pthread_t self = pthread_self();
    sigset_t set, old;
    int ends[2];

    CHECK(pipe(ends) == 0);
    woken = ends[1];
    for (int i = 0; i < 4; i++) {
        handle(signals[i], note, 0);
        to_send = signals[i];
        count = 0;
        sigemptyset(&set);
        sigaddset(&set, signals[i]);
        if (ignored)
            signal(signals[i], SIG_IGN);
        CHECK(sigprocmask(ignored ? SIG_UNBLOCK : SIG_BLOCK, &set, &old) == 0);
        wait_through(&self, ends[0]);
        sleep_through(&self, ends[0]);
        suspend_through(&self);
        CHECK(count == 0);
        CHECK(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && count == !ignored);
        signal(signals[i], SIG_DFL);
    }
    close(ends[0]);
    close(ends[1]);
}

static void test_registers(void)
{
    uint64_t value, other;

    __asm__ volatile("mrs %0, ctr_el0" : "=r"(value));
    CHECK(value != 0);
    __asm__ volatile("mrs %0, dczid_el0" : "=r"(value));
    CHECK((value & 15) == 4);
    __asm__ volatile("mrs %0, cntvct_el0" : "=r"(value));
    __asm__ volatile("isb\n\tmrs %0, cntvct_el0" : "=r"(other));
    CHECK(other >= value);
    __asm__ volatile("mrs %0, cntfrq_el0" : "=r"(value));
    CHECK(value >= 1000000);
    __asm__ volatile("mrs %0, midr_el1" : "=r"(value)); /* the kernel's doing */
    CHECK(value != 0);
    __asm__ volatile("mrs %0, id_aa64pfr0_el1" : "=r"(value));
    CHECK((value & 0xff) == 0x11);
    __asm__ volatile("mrs %0, id_aa64isar0_el1" : "=r"(value));
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(other));
    CHECK(other != 0);
}

/* A timer interrupts what blocks. */
static void test_interrupted(void)
{
    struct itimerval soon = { .it_value.tv_usec = 20000 }, often = { { 0, 1000 }, { 0, 1000 } };
    struct timespec second = { 1, 0 }, left = { 0, 0 };
    int ends[2];
    char c;

    CHECK(pipe(ends) == 0);
    handle(SIGALRM, note, 0);
    count = 0;
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    REFUSED(read(ends[0], &c, 1), EINTR);
    CHECK(count == 1);
    CHECK(setitimer(ITIMER_REAL, &soon, NULL) == 0);
    REFUSED(nanosleep(&second, &left), EINTR);
    CHECK(count == 2 && left.tv_nsec > 0);
    /* Between them, wherever they come: none is lost, no call ends otherwise. */
    handle(SIGALRM, note, SA_RESTART);
    count = 0;
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    while (count < 50) {
        CHECK(write(ends[1], "x", 1) == 1);
        CHECK(read(ends[0], &c, 1) == 1);
    }
    for (volatile unsigned i = 0; count < 100; i++)
        ;
    memset(&often, 0, sizeof(often));
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    close(ends[0]);
    close(ends[1]);
}

static int to_wake;

static void wake_later(int signal, siginfo_t *info, void *context)
{
    if (++count == 5)
        CHECK(write(to_wake, "x", 1) == 1);
}

/* With SA_RESTART: those that wait no longer than their socket has them wait do not begin again. */
static void test_limits(void)
{
    struct itimerval often = { { 0, 2000 }, { 0, 2000 } }, never = { { 0, 0 }, { 0, 0 } };
    const struct timeval limit = { 600, 0 }, none = { 0, 0 };
    struct sockaddr_un name = { .sun_family = AF_UNIX, .sun_path = "socket" };
    int ends[2], waits = socket(AF_UNIX, SOCK_STREAM, 0);
    static char bytes[65536];
    char c;
    struct iovec part = { &c, 1 };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    CHECK(bind(waits, (struct sockaddr *)&name, sizeof(name)) == 0 && listen(waits, 1) == 0);
    handle(SIGALRM, wake_later, SA_RESTART);
    to_wake = ends[1];
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit)) == 0);
    count = 0;
    CHECK(setitimer(ITIMER_REAL, &often, NULL) == 0);
    CHECK(recv(ends[0], &c, 1, 0) == 1 && count >= 5);
    count = 6;
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    CHECK(setsockopt(waits, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)) == 0);
    REFUSED(recv(ends[0], &c, 1, 0), EINTR);
    REFUSED(read(ends[0], &c, 1), EINTR);
    REFUSED(recvmsg(ends[0], &message, 0), EINTR);
    REFUSED(accept(waits, NULL, NULL), EINTR);
    while (send(ends[0], bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
        ;
    REFUSED(send(ends[0], bytes, 1, 0), EINTR);
    REFUSED(write(ends[0], bytes, 1), EINTR);
    CHECK(setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &none, sizeof(none)) == 0);
    count = 0;
    CHECK(recv(ends[0], &c, 1, 0) == 1 && count >= 5);
    CHECK(setitimer(ITIMER_REAL, &never, NULL) == 0);
    close(ends[0]);
    close(ends[1]);
    close(waits);
    unlink("socket");
}

int main(void)
{
    test_simple();
    test_masks();
    test_nested();
    test_stack();
    test_disarmed_stack();
    test_overflow();
    test_instructions();
    test_queued();
    test_waited_for();
    test_let_through();
    test_nothing_ends(false);
    test_nothing_ends(true);
    test_registers();
    test_interrupted();
    test_limits();
    return done("signals");
}
