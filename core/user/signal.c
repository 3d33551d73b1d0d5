/*
 * Signals of a program.
 *
 * 1. The host's kernel keeps what is pending and blocked: a thread's mask in the host is its mask in the program, ignored and
 *    defaulted signals are so in the host. So waiting, queueing, process groups and terminals need nothing here.
 * 2. A signal with a handler has one in the host (on_signal), which notes it in its thread, blocks all others there, and
 *    asks the processor to come out. There is never more than one noted.
 * 3. Outside of the guest, where all registers are right, it is delivered: a frame by the architecture's layout, the
 *    handler's mask, and the host's mask is the program's again.
 * 4. A call that would block does not begin while one is noted; the test and the beginning cannot be separated
 *    by a signal (host.c). What had begun ends with EINTR.
 * 5. Faults of the program come as events, not as the host's signals. SIGSEGV and SIGBUS are the host's for emitted code
 *    that accesses the program's memory by itself: it goes on where the access is done with care, and what that finds is an event.
 *    Another access, of the emulator, to a page of a mapped file that somebody cut off gets memory, so that it can end,
 *    and the program SIGBUS, a few instructions late. Threads that translate in the background give up (guard.h). SIGFPE and SIGTRAP
 *    are emitted code's too (core/vcpu/trap.c).
 * 6. So SIGSEGV and SIGBUS are never blocked in the host. If somebody sends them to a thread that blocks them, or
 *    that has noted another one already, they are held until they can be noted. Of a thread that blocks SIGFPE or SIGTRAP no operation
 *    traps (pb_vcpu.blocks_traps), so those are blocked in the host too; but not where only another signal was noted, for emitted code
 *    goes on until it comes out: one that is sent then is held, and given back if the thread blocks it behind the delivery.
 *    A call that waits with another mask executes no emitted code: meanwhile the host blocks them, and its kernel lets through what
 *    that mask does (pb_user_host_masked).
 * 7. A program may queue signals to itself that look like faults. Those are marked on their way into the host's kernel. The ends of
 *    its children may look so too (is_end_of_child).
 */
#include <core/user/core.h>
#include <core/user/debug.h>
#include <core/user/handlers.h>
#include <core/user/strace.h>
#include <core/util/guard.h>

#include <linux/futex.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define DEFAULT_HANDLER 0
#define IGNORE_HANDLER  1

/* Linux's generic values. */
enum {
    FLAG_NOCLDSTOP = 1,
    FLAG_NOCLDWAIT = 2,
    FLAG_SIGINFO = 4,
    FLAG_ONSTACK = 0x08000000,
    FLAG_RESTART = 0x10000000,
    FLAG_NODEFER = 0x40000000,
    FLAG_RESETHAND = (int)0x80000000,
    FLAG_RESTORER = 0x04000000,
};
enum { STACK_ONSTACK = 1, STACK_DISABLE = 2, STACK_AUTODISARM = (int)0x80000000 };

#define BIT(signal) (UINT64_C(1) << ((signal)-1))
#define UNBLOCKABLE (BIT(SIGKILL) | BIT(SIGSTOP))
#define OF_MEMORY   (BIT(SIGSEGV) | BIT(SIGBUS))
#define OF_TRAPS    (BIT(SIGFPE) | BIT(SIGTRAP))
#define OF_CODE     (OF_MEMORY | OF_TRAPS)
#define MASK_BYTES  8
#define LEAST_STACK 2048

/* ---- the host's mask ------------------------------------------------------------------------------------ */

static void host_mask(int how, uint64_t mask, uint64_t *old)
{
    syscall(SYS_rt_sigprocmask, how, &mask, old, MASK_BYTES);
}

/* Note a signal: all others stay blocked until it is delivered. */
static void note(pb_user_thread *t, const siginfo_t *info)
{
    t->info = *info;
    t->queued = 1;
    __atomic_fetch_or(&t->vcpu->exit_request, PB_EXIT_USER, __ATOMIC_SEQ_CST);
}

static const int of_code[PB_USER_HELD] = { SIGBUS, SIGSEGV, SIGFPE, SIGTRAP };

static siginfo_t *held_info(pb_user_thread *t, int signal)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(of_code); i++)
        if (of_code[i] == signal)
            return &t->held_info[i];
    g_assert_not_reached();
}

/* Rule 6, while nothing is noted. */
static void note_held(pb_user_thread *t)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(of_code) && !t->queued; i++) {
        if (!(t->held & BIT(of_code[i]) & ~t->mask))
            continue;
        note(t, &t->held_info[i]);
        __atomic_fetch_and(&t->held, ~BIT(of_code[i]), __ATOMIC_SEQ_CST);
    }
}

void pb_user_return_held(pb_user_thread *t, uint64_t set)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(of_code); i++) {
        if (!(t->held & BIT(of_code[i]) & set))
            continue;
        __atomic_fetch_and(&t->held, ~BIT(of_code[i]), __ATOMIC_SEQ_CST);
        syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), of_code[i], &t->held_info[i]);
    }
}

bool pb_user_may_end_in_vain(const pb_user_thread *t)
{
    if (pb_user_is_watched(t->user) || (t->mask & OF_MEMORY))
        return true;
    for (unsigned i = 0; i < G_N_ELEMENTS(of_code); i++) {
        if (t->actions[of_code[i]].handler == IGNORE_HANDLER)
            return true;
    }
    return false;
}

void pb_user_set_mask(pb_user_thread *t, uint64_t mask)
{
    host_mask(SIG_SETMASK, ~OF_MEMORY, NULL);
    t->mask = mask & ~UNBLOCKABLE;
    t->vcpu->blocks_traps = (t->mask & OF_TRAPS) != 0;
    pb_user_return_held(t, t->mask & OF_TRAPS);
    note_held(t);
    if (!t->queued) /* else all stay blocked until it is delivered */
        host_mask(SIG_SETMASK, t->mask & ~OF_MEMORY, NULL);
}

/* ---- the host's handler ---------------------------------------------------------------------------------- */

/* The address in the program, if the host's is of its space. */
static bool is_of_program(const pb_user *user, const void *host, uint64_t *gva)
{
    *gva = (uint64_t)((const uint8_t *)host - pb_user_space_base(user->space));
    return *gva < pb_user_space_bytes(user->space);
}

/* The end of a file that became shorter; true: the access can go on. */
static bool mend(const pb_user *user, siginfo_t *info)
{
    uint64_t gva;
    void *page = (void *)((uintptr_t)info->si_addr & ~(uintptr_t)PB_PAGE_MASK);

    if (info->si_signo != SIGBUS || !is_of_program(user, info->si_addr, &gva))
        return false;
    info->si_addr = (void *)(uintptr_t)gva;
    return mmap(page, PB_PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                -1, 0) != MAP_FAILED;
}

static bool is_of_processor(int signal)
{
    return signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE ||
           signal == SIGTRAP;
}

/* Rule 7. The word is between two members, where the kernel has nothing, and carries along what there is; of faults it is 0. */
#define BY_PROGRAM 0x71756575

/* Such a signal may tell of a child's end, by the program's wish. Its codes are those of faults, and the child's number and user are where a
 * fault has its address; which is one of two that the processor knows. */
static bool is_end_of_child(const siginfo_t *info, const void *context)
{
    uintptr_t address = (uintptr_t)info->si_addr;

    return __atomic_load_n(&pb_user_process->ends_as_faults, __ATOMIC_SEQ_CST) &&
           info->si_code >= CLD_EXITED && info->si_code <= CLD_DUMPED &&
           address != pb_user_host_pc(context) && address != pb_user_host_fault_address(context);
}

static bool is_fault(const siginfo_t *info, const void *context)
{
    return is_of_processor(info->si_signo) && info->si_code > 0 && info->__pad0 != BY_PROGRAM &&
           !is_end_of_child(info, context);
}

void pb_user_signals_expect_end(pb_user *user, uint64_t signal)
{
    if (is_of_processor((int)signal))
        __atomic_store_n(&user->ends_as_faults, true, __ATOMIC_SEQ_CST);
}

/* What the host's kernel is to read of a signal that the program queues: `copy`, or what cannot be read. */
static uintptr_t mark_queued(const pb_user_thread *t, uint64_t signal, uint64_t gva,
                             siginfo_t *copy)
{
    if (!pb_user_space_read(t->user->space, gva, copy, sizeof(*copy)))
        return (uintptr_t)pb_user_pointer(t->user, gva);
    if (is_of_processor((int)signal) && copy->si_code > 0)
        copy->__pad0 = BY_PROGRAM;
    return (uintptr_t)copy;
}

/* An access of emitted code that the host refused. True: it goes on elsewhere. */
static bool divert(const pb_user_thread *t, const siginfo_t *info, void *context)
{
    pb_host_fault fault = { .size = sizeof(fault),
                            .absent = info->si_signo == SIGBUS,
                            .pc = (const uint8_t *)pb_user_host_pc(context) };
    const void *next;

    if (fault.absent && !is_of_program(t->user, info->si_addr, &fault.gva))
        return false;
    next = pb_vcpu_host_fault(t->vcpu, &fault);
    if (next)
        pb_user_host_go_on(context, next);
    return next != NULL;
}

/* To any thread of the process that does not block it. By this thread's number: with the process's the kernel lets only its first thread
 * say that a signal comes from kill(). */
static void queue_to_process(const siginfo_t *info)
{
    syscall(SYS_rt_sigqueueinfo, gettid(), info->si_signo, info);
}

/* One that is never blocked, which somebody sent, and the kernel gave to a thread of the emulator, which let it through for a moment: it
 * goes to another one. */
static void pass_on(int signal, const siginfo_t *info, void *context)
{
    sigaddset(&((ucontext_t *)context)->uc_sigmask, signal);
    host_mask(SIG_BLOCK, BIT(signal), NULL);
    queue_to_process(info);
}

/* Nothing may end who shares memory while it holds a lock (share.c). */
static bool is_sharing(void)
{
    return pb_user_current && pb_user_current->shares;
}

/* Whether there is something to do at a signal without a handler: a core file, a line. */
static bool is_told(int signal, uint64_t handler)
{
    const uint64_t stops = BIT(SIGTSTP) | BIT(SIGTTIN) | BIT(SIGTTOU) | UNBLOCKABLE;
    const uint64_t no_end = BIT(SIGCHLD) | BIT(SIGCONT) | BIT(SIGURG) | BIT(SIGWINCH) | stops;

    /* The host's kernel does more than to send these if it finds a handler, or less: it stops the process, lets it use its
     * terminal, forgets its children. */
    if ((stops & BIT(signal)) || (signal == SIGCHLD && handler == IGNORE_HANDLER))
        return false;
    if (pb_user_process->strace)
        return true;
    return handler == DEFAULT_HANDLER &&
           (pb_user_core_signal(signal) || (is_sharing() && !(no_end & BIT(signal))));
}

/* Ignored: the host cannot do that with what emitted code needs. */
static bool is_dropped(int signal, const pb_user_action *action)
{
    return BIT(signal) & OF_CODE && action->handler == IGNORE_HANDLER && !pb_user_process->debug &&
           !is_told(signal, action->handler);
}

static void on_signal(int signal, siginfo_t *info, void *context)
{
    pb_user_thread *t = pb_user_current;
    bool fault = is_fault(info, context);
    int error = errno;
    uint64_t all;

    if (fault && (BIT(signal) & OF_TRAPS) && pb_vcpu_host_trap(signal, info, context))
        return;
    if (fault && (BIT(signal) & OF_MEMORY) && t && divert(t, info, context))
        return;
    if (fault && (BIT(signal) & OF_MEMORY) && !t && pb_guard_recover(context))
        return;
    if (fault && (!t || !mend(t->user, info))) {
        /* The emulator's own: it comes again, and ends it. Who has cores written wants the program's. */
        setrlimit(RLIMIT_CORE, &(const struct rlimit){ 0, 0 });
        pb_user_host_sigaction(signal, NULL, 0);
        syscall(SYS_tgkill, getpid(), gettid(), signal);
        return;
    }
    if (!t) {
        pass_on(signal, info, context);
        errno = error;
        return;
    }
    if (is_dropped(signal, &t->actions[signal])) {
        t->held_in_call = 1;
        return;
    }
    if (BIT(signal) & (t->queued ? OF_CODE : OF_MEMORY & t->mask & ~t->lets_through)) { /* rule 6 */
        *held_info(t, signal) = *info;
        __atomic_fetch_or(&t->held, BIT(signal), __ATOMIC_SEQ_CST);
        t->held_in_call = 1;
        return;
    }
    note(t, info);
    all = ~(t->vcpu->blocks_traps ? OF_MEMORY : OF_CODE);
    memcpy(&((ucontext_t *)context)->uc_sigmask, &all, MASK_BYTES);
    pb_user_host_stop(context);
    errno = error;
}

/* Have the host do what the program asked for. */
static int set_host_action(int signal, const pb_user_action *action)
{
    uint64_t flags = SA_SIGINFO | (action->flags & (FLAG_NOCLDSTOP | FLAG_NOCLDWAIT));

    if (BIT(signal) & OF_CODE)
        return pb_user_host_sigaction(signal, (const void *)(uintptr_t)on_signal,
                                      flags | (is_dropped(signal, action) ? FLAG_RESTART : 0));
    if (pb_user_process->debug) /* which is told of all */
        return pb_user_host_sigaction(
            signal, (const void *)(uintptr_t)on_signal,
            flags | (signal == SIGCHLD && action->handler == IGNORE_HANDLER ? FLAG_NOCLDWAIT : 0));
    if (action->handler <= IGNORE_HANDLER && !is_told(signal, action->handler))
        return pb_user_host_sigaction(signal, (const void *)(uintptr_t)action->handler,
                                      flags & ~(uint64_t)SA_SIGINFO);
    return pb_user_host_sigaction(signal, (const void *)(uintptr_t)on_signal, flags);
}

/* ---- ends ------------------------------------------------------------------------------------------------- */

void pb_user_die(int signal)
{
    pb_user_debug_over(pb_user_current, signal, 0);
    if (pb_user_current)
        pb_user_release_all_futexes(pb_user_current);
    fflush(NULL);
    if (!is_sharing())
        pb_user_missing_save(pb_user_process);
    if (pb_user_process->strace)
        pb_strace_killed(pb_user_process, signal, pb_user_process->dumped);
    pb_user_core_leave(!is_sharing() && pb_user_process->dumped);
    pb_user_host_sigaction(signal, NULL, 0);
    if (is_sharing())
        pb_user_share_open(pb_user_current);
    host_mask(SIG_UNBLOCK, BIT(signal), NULL);
    syscall(SYS_tgkill, getpid(), gettid(), signal);
    _exit(128 + signal);
}

static void show(pb_user_thread *t, const siginfo_t *info)
{
    if (t->user->strace)
        pb_strace_signal(t, info);
}

/* A signal of the thread ends the process. */
static G_NORETURN void die_of(pb_user_thread *t, const siginfo_t *info)
{
    pb_user *user = t->user;

    host_mask(SIG_SETMASK, UINT64_MAX, NULL);
    /* A child that shares memory is alone in its process, and the memory goes on. */
    if (!t->shares && __atomic_exchange_n(&user->dying, 1, __ATOMIC_SEQ_CST)) {
        pb_user_work_end(t);
        for (;;) /* another thread does */
            pause();
    }
    show(t, info);
    if (!t->shares && pb_user_core_signal(info->si_signo))
        user->dumped = pb_user_core_write(t, info);
    pb_user_die(info->si_signo);
}

/* What the kernel does where there is no handler. */
static void do_default(pb_user_thread *t, const siginfo_t *info)
{
    switch (info->si_signo) {
    case SIGCHLD:
    case SIGCONT:
    case SIGURG:
    case SIGWINCH:
        show(t, info);
        break;
    case SIGSTOP:
    case SIGTSTP:
    case SIGTTIN:
    case SIGTTOU:
        show(t, info);
        kill(getpid(), SIGSTOP);
        break;
    default:
        die_of(t, info);
    }
}

/* ---- delivery --------------------------------------------------------------------------------------------- */

static bool is_on_stack(const pb_user_thread *t, uint64_t sp)
{
    return t->stack_bytes && !t->stack_disarms && sp > t->stack_base &&
           sp - t->stack_base <= t->stack_bytes;
}

/* As sigaltstack() tells it. */
static int32_t stack_flags(const pb_user_thread *t)
{
    bool on = is_on_stack(t, t->user->arch->get_sp(t->vcpu));

    return (!t->stack_bytes ? STACK_DISABLE
            : on            ? STACK_ONSTACK
                            : 0) |
           (t->stack_disarms ? STACK_AUTODISARM : 0);
}

/* 0 or an error. */
static int set_stack(pb_user_thread *t, uint64_t base, uint64_t bytes, int32_t flags,
                     uint64_t least)
{
    int32_t mode = flags & ~STACK_AUTODISARM;

    if (is_on_stack(t, t->user->arch->get_sp(t->vcpu)))
        return -EPERM;
    if (mode != 0 && mode != STACK_ONSTACK && mode != STACK_DISABLE)
        return -EINVAL;
    if (mode != STACK_DISABLE && bytes < least)
        return -ENOMEM;
    t->stack_base = mode == STACK_DISABLE ? 0 : base;
    t->stack_bytes = mode == STACK_DISABLE ? 0 : bytes;
    t->stack_disarms = (flags & STACK_AUTODISARM) != 0;
    return 0;
}

/* Where the frame goes. */
static uint64_t frame_place(const pb_user_thread *t, const pb_user_action *action)
{
    const pb_user_arch *arch = t->user->arch;
    uint64_t sp = arch->get_sp(t->vcpu);

    if ((action->flags & FLAG_ONSTACK) && t->stack_bytes && !is_on_stack(t, sp))
        sp = t->stack_base + t->stack_bytes;
    else
        sp -= arch->red_zone;
    return (sp - arch->frame_bytes) & ~UINT64_C(15);
}

/* The action, and what SA_RESETHAND makes of it. */
static pb_user_action take_action(const pb_user_thread *t, int signal)
{
    pb_user *user = t->user;
    pb_user_action action;

    pthread_mutex_lock(&user->signal_lock);
    action = t->actions[signal];
    if ((action.flags & (uint32_t)FLAG_RESETHAND) && action.handler > IGNORE_HANDLER) {
        t->actions[signal].handler = DEFAULT_HANDLER;
        set_host_action(signal, &t->actions[signal]);
    }
    pthread_mutex_unlock(&user->signal_lock);
    return action;
}

/* Go to the handler. `event` is null for what did not come from the processor. */
static void push_frame(pb_user_thread *t, const pb_user_action *action, const siginfo_t *info,
                       const pb_user_event *event)
{
    pb_user *user = t->user;
    uint32_t bytes = user->arch->frame_bytes;
    uint64_t place = frame_place(t, action);
    g_autofree uint8_t *frame = g_malloc0(bytes);
    uint8_t siginfo[PB_USER_SIGINFO] = { 0 };
    const siginfo_t no_stack = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };
    pb_user_delivery d = {
        .size = sizeof(d),
        .signal = info->si_signo,
        .handler = action->handler,
        .restorer = action->flags & FLAG_RESTORER ? action->restorer : user->restorer,
        .flags = action->flags,
        .frame = place,
        .mask = t->mask,
        .stack_base = t->stack_base,
        .stack_bytes = t->stack_bytes,
        .stack_flags = stack_flags(t),
        .is_fault = event != NULL,
        .address = event ? event->address : 0,
        .syndrome = event ? event->syndrome : 0,
        .siginfo = siginfo,
    };

    show(t, info);
    if (pb_user_space_reach(user->space, place, bytes, PB_PROT_WRITE) < bytes)
        die_of(t, &no_stack);
    /* The host's layout is that of all little-endian LP64 architectures. */
    memcpy(siginfo, info, MIN(sizeof(*info), sizeof(siginfo)));
    user->arch->deliver(t->vcpu, &d, frame);
    if (!pb_user_space_write(user->space, place, frame, bytes))
        die_of(t, &no_stack);
    if (t->stack_disarms) {
        t->stack_base = t->stack_bytes = 0;
        t->stack_disarms = false;
    }
    pb_user_set_mask(t, t->mask | action->mask |
                            (action->flags & FLAG_NODEFER ? 0 : BIT(info->si_signo)));
    pb_user_debug_moved(t);
}

void pb_user_deliver(pb_user_thread *t)
{
    siginfo_t info = t->info;
    pb_user_action action;

    info.__pad0 = 0;
    if (info.si_signo == SIGCHLD && info.si_code == CLD_KILLED &&
        pb_user_core_left(info.si_pid, info.si_status))
        info.si_code = CLD_DUMPED;
    __atomic_fetch_and(&t->vcpu->exit_request, ~(uint32_t)PB_EXIT_USER, __ATOMIC_SEQ_CST);
    t->queued = 0; /* all are blocked still */
    if (!pb_user_debug_signal(t, &info)) {
        pb_user_set_mask(t, t->mask);
        return;
    }
    action = take_action(t, info.si_signo);
    if (action.handler > IGNORE_HANDLER) {
        push_frame(t, &action, &info, NULL);
        return;
    }
    if (action.handler == DEFAULT_HANDLER)
        do_default(t, &info);
    else
        show(t, &info);
    pb_user_set_mask(t, t->mask);
}

/* A signal that cannot be put off: blocked or ignored, it is the end. */
static void force(pb_user_thread *t, siginfo_t *info, const pb_user_event *event)
{
    pb_user_action action;

    if (!pb_user_debug_signal(t, info))
        return;
    action = take_action(t, info->si_signo);
    if (action.handler <= IGNORE_HANDLER || (t->mask & BIT(info->si_signo)))
        die_of(t, info);
    push_frame(t, &action, info, event);
    if (!t->queued || !(t->mask & BIT(t->info.si_signo)))
        return;
    /* The handler blocks what is noted: later. It goes back to the host, which blocks all still. */
    syscall(SYS_rt_tgsigqueueinfo, getpid(), gettid(), t->info.si_signo, &t->info);
    t->queued = 0;
    pb_user_set_mask(t, t->mask);
}

void pb_user_fault_signal(pb_user_thread *t, uint32_t cause)
{
    static const uint8_t needed[] = {
        [PB_ACCESS_READ] = PB_PROT_READ,
        [PB_ACCESS_WRITE] = PB_PROT_WRITE,
        [PB_ACCESS_FETCH] = PB_PROT_EXEC,
    };
    pb_user_event event = t->event;
    siginfo_t info = { .si_signo = event.signal, .si_code = event.code };
    uint32_t prot, word;
    bool mapped;

    if (cause == PB_USER_FAULT) {
        mapped = pb_user_space_permits(t->user->space, event.address, &prot);
        if (mapped && (prot & needed[event.access]))
            return; /* it was being changed: the access is made again */
        info.si_signo = SIGSEGV;
        info.si_code = mapped ? SEGV_ACCERR : SEGV_MAPERR;
    }
    if (info.si_signo == SIGILL &&
        pb_user_space_read(t->user->space, event.address, &word, sizeof(word)))
        pb_user_missed(t->user, "instruction", "0x%08x", word);
    info.si_addr = (void *)(uintptr_t)event.address;
    force(t, &info, &event);
}

/* Of a program that is watched also signals that nobody handles end calls. As Linux has it, they begin again then, or go on. A
 * debugger is asked now: it may have no signal come, or another one. */
static bool is_without_handler(pb_user_thread *t)
{
    uint64_t pc = t->user->arch->get_pc(t->vcpu);

    if (!pb_user_debug_signal(t, &t->info)) {
        t->queued = 0;
        __atomic_fetch_and(&t->vcpu->exit_request, ~(uint32_t)PB_EXIT_USER, __ATOMIC_SEQ_CST);
        pb_user_set_mask(t, t->mask);
    } else if (t->user->debug) {
        pb_user_debug_asked(t);
    }
    if (t->user->arch->get_pc(t->vcpu) != pc)
        return false; /* it was sent somewhere else */
    return !t->queued || t->actions[t->info.si_signo].handler <= IGNORE_HANDLER;
}

uint32_t pb_user_restarts(const pb_user_row *row, const uint64_t a[6])
{
    int op = (int)a[1] & FUTEX_CMD_MASK;

    if (!row)
        return 0;
    if (row->handler == sys_futex)
        return (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET) && a[3] ? PB_USER_GOES_ON
                                                                     : PB_USER_RESTARTS;
    if (row->host == SYS_clock_nanosleep && (a[1] & TIMER_ABSTIME))
        return PB_USER_NO_HANDLER;
    if ((row->flags & PB_USER_RESTARTS) && pb_user_has_limit(row, a))
        return 0;
    return row->flags & (PB_USER_RESTARTS | PB_USER_NO_HANDLER | PB_USER_GOES_ON);
}

/* As the kernel's restart_syscall(): for what is left of the time. */
static void go_on(pb_user_thread *t)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    /* If nobody knew when it began that it would: all of it once more. */
    t->waited =
        t->call_began ? MAX((int64_t)now.tv_sec * 1000000000 + now.tv_nsec - t->call_began, 1) : 1;
}

void pb_user_finish_call(pb_user_thread *t, const pb_user_row *row, const uint64_t a[6],
                         int64_t result)
{
    const pb_user_arch *arch = t->user->arch;
    bool interrupted = result == -EINTR && t->queued, without = false;
    bool again = result == -RESTART_AT_ONCE;

    if (interrupted && pb_user_is_watched(t->user))
        without = is_without_handler(t);
    if (result == -EINTR && !t->queued && t->held_in_call)
        without = true; /* the thread blocks what came, or it is ignored */
    if (interrupted && t->queued && pb_user_restarts(row, a) == PB_USER_RESTARTS)
        again |= (t->actions[t->info.si_signo].flags & FLAG_RESTART) != 0;
    t->goes_on_at = arch->get_pc(t->vcpu);
    if (again || without)
        arch->restart(t->vcpu, a[0]);
    else
        arch->set_result(t->vcpu, result);
    if (without && pb_user_restarts(row, a) == PB_USER_GOES_ON)
        go_on(t);
    else
        t->waited = 0;
}

/* Who asked to be traced, in vain, and stops, waits for what never comes; and who would trace it waits for a stop that is not told
 * to those who are no tracers. An end is. So gdbserver finds that it cannot trace. */
static void refuse_stop(pb_user_thread *t, uint64_t signal)
{
    if (!t->awaits_tracer || signal != SIGSTOP)
        return;
    fprintf(stderr,
            "patchbay: process %d asked to be traced (ptrace), which programs in user mode cannot "
            "be, and "
            "stops for its tracer: it is ended\n",
            (int)getpid());
    pb_user_die(SIGKILL);
}

HANDLER(sys_kill)
{
    if ((pid_t)a[0] == getpid())
        refuse_stop(t, a[1]);
    return pb_user_host(t, SYS_kill, a[0], a[1], 0, 0, 0, 0);
}

HANDLER(sys_tkill)
{
    if ((pid_t)a[0] == gettid())
        refuse_stop(t, a[1]);
    return pb_user_host(t, SYS_tkill, a[0], a[1], 0, 0, 0, 0);
}

HANDLER(sys_tgkill)
{
    if ((pid_t)a[0] == getpid() && (pid_t)a[1] == gettid())
        refuse_stop(t, a[2]);
    return pb_user_host(t, SYS_tgkill, a[0], a[1], a[2], 0, 0, 0);
}

HANDLER(sys_rt_sigqueueinfo)
{
    siginfo_t info;

    return pb_user_host(t, SYS_rt_sigqueueinfo, a[0], a[1], mark_queued(t, a[1], a[2], &info), 0, 0,
                        0);
}

HANDLER(sys_rt_tgsigqueueinfo)
{
    siginfo_t info;

    return pb_user_host(t, SYS_rt_tgsigqueueinfo, a[0], a[1], a[2],
                        mark_queued(t, a[2], a[3], &info), 0, 0);
}

HANDLER(sys_pidfd_send_signal)
{
    siginfo_t info;

    return pb_user_host(t, SYS_pidfd_send_signal, a[0], a[1], mark_queued(t, a[1], a[2], &info),
                        a[3], 0, 0);
}

/* ---- system calls ----------------------------------------------------------------------------------------- */

HANDLER(sys_rt_sigaction)
{
    pb_user *user = t->user;
    pb_user_action new = { 0 }, old;
    uint64_t signal = a[0];
    int result = 0;

    if (a[3] != MASK_BYTES || signal < 1 || signal > PB_USER_SIGNALS)
        return -EINVAL;
    if (a[1] && (BIT(signal) & UNBLOCKABLE))
        return -EINVAL;
    if (a[1] && pb_user_get(user, a[1], PB_USER_SIGACTION, &new) < 0)
        return -EFAULT;
    new.mask &= ~UNBLOCKABLE;
    pthread_mutex_lock(&user->signal_lock);
    old = t->actions[signal];
    if (a[1]) {
        result = set_host_action((int)signal, &new);
        if (result == 0)
            t->actions[signal] = new;
    }
    pthread_mutex_unlock(&user->signal_lock);
    if (result == 0 && a[2])
        result = pb_user_put(user, a[2], PB_USER_SIGACTION, &old);
    return result;
}

HANDLER(sys_rt_sigprocmask)
{
    uint64_t old = t->mask, set, mask;

    if (a[3] != MASK_BYTES)
        return -EINVAL;
    if (a[1]) {
        if (!pb_user_space_read(t->user->space, a[1], &set, sizeof(set)))
            return -EFAULT;
        switch ((int)a[0]) {
        case SIG_BLOCK:
            mask = old | set;
            break;
        case SIG_UNBLOCK:
            mask = old & ~set;
            break;
        case SIG_SETMASK:
            mask = set;
            break;
        default:
            return -EINVAL;
        }
        pb_user_set_mask(t, mask);
    }
    return a[2] && !pb_user_space_write(t->user->space, a[2], &old, sizeof(old)) ? -EFAULT : 0;
}

HANDLER(sys_rt_sigreturn)
{
    const pb_user_arch *arch = t->user->arch;
    g_autofree uint8_t *frame = g_malloc(arch->frame_bytes);
    uint64_t place = arch->frame_address(t->vcpu);
    pb_user_delivery d = { .size = sizeof(d) };
    siginfo_t info = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };

    if ((place & 15) || !pb_user_space_read(t->user->space, place, frame, arch->frame_bytes) ||
        !arch->sigreturn(t->vcpu, frame, &d)) {
        force(t, &info, NULL);
        return -NO_RESULT;
    }
    set_stack(t, d.stack_base, d.stack_bytes, d.stack_flags, LEAST_STACK); /* or it stays */
    pb_user_set_mask(t, d.mask);
    return -NO_RESULT;
}

/* stack_t of a little-endian LP64 architecture. */
typedef struct stack {
    uint64_t base;
    int32_t flags;
    uint32_t pad;
    uint64_t bytes;
} stack;

HANDLER(sys_sigaltstack)
{
    const stack old = { .base = t->stack_base, .flags = stack_flags(t), .bytes = t->stack_bytes };
    stack new;
    int result;

    if (a[0]) {
        if (!pb_user_space_read(t->user->space, a[0], &new, sizeof(new)))
            return -EFAULT;
        result = set_stack(t, new.base, new.bytes, new.flags,
                           MAX(LEAST_STACK, t->user->arch->frame_bytes));
        if (result < 0)
            return result;
    }
    return a[1] && !pb_user_space_write(t->user->space, a[1], &old, sizeof(old)) ? -EFAULT : 0;
}

HANDLER(sys_rt_sigpending)
{
    uint64_t held = __atomic_load_n(&t->held, __ATOMIC_SEQ_CST), pending = 0;

    if (a[1] > MASK_BYTES)
        return -EINVAL;
    syscall(SYS_rt_sigpending, &pending, MASK_BYTES);
    pending = (pending & t->mask) | held;
    return pb_user_space_write(t->user->space, a[0], &pending, a[1]) ? 0 : -EFAULT;
}

/* Rule 6: one of `set` that waits to be noted. */
static int64_t take_held(pb_user_thread *t, uint64_t set, uint64_t info)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(of_code); i++) {
        if (!(t->held & set & BIT(of_code[i])))
            continue;
        if (info &&
            !pb_user_space_write(t->user->space, info, &t->held_info[i], sizeof(t->held_info[i])))
            return -EFAULT;
        __atomic_fetch_and(&t->held, ~BIT(of_code[i]), __ATOMIC_SEQ_CST);
        return of_code[i];
    }
    return 0;
}

/* No emitted code is executed meanwhile, so what it needs can be blocked, and is not noted. */
HANDLER(sys_rt_sigtimedwait)
{
    const pb_user *user = t->user;
    uint64_t set = 0;
    int64_t result;

    pb_user_space_read(user->space, a[0], &set, sizeof(set));
    set &= OF_MEMORY;
    host_mask(SIG_BLOCK, set, NULL);
    result = take_held(t, set, a[1]);
    if (!result)
        result = pb_user_host(t, SYS_rt_sigtimedwait, (uintptr_t)pb_user_pointer(user, a[0]),
                              (uintptr_t)pb_user_pointer(user, a[1]),
                              (uintptr_t)pb_user_pointer(user, a[2]), a[3], 0, 0);
    host_mask(SIG_UNBLOCK, set, NULL);
    return result;
}

int64_t pb_user_host_masked(pb_user_thread *t, bool has_mask, long number, uint64_t a, uint64_t b,
                            uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    uint64_t set = has_mask ? t->mask & OF_MEMORY : 0;
    int64_t result;

    if (!set)
        return pb_user_host(t, number, a, b, c, d, e, f);
    host_mask(SIG_BLOCK, set, NULL);
    pb_user_return_held(t, set);
    t->lets_through = set;
    result = pb_user_host(t, number, a, b, c, d, e, f);
    t->lets_through = 0;
    host_mask(SIG_UNBLOCK, set, NULL); /* what came, and was not let through, is held */
    return result;
}

HANDLER(sys_rt_sigsuspend)
{
    return pb_user_host_masked(t, true, SYS_rt_sigsuspend, host(t, a[0]), a[1], 0, 0, 0, 0);
}

void pb_user_clear_handlers(pb_user_thread *t)
{
    for (int signal = 1; signal <= PB_USER_SIGNALS; signal++) {
        if (t->actions[signal].handler <= IGNORE_HANDLER)
            continue;
        t->actions[signal] = (pb_user_action){ 0 };
        set_host_action(signal, &t->actions[signal]);
    }
}

void pb_user_signals_hold(void)
{
    host_mask(SIG_SETMASK, UINT64_MAX, NULL);
}

bool pb_user_signals_begin_fork(const pb_user_thread *t)
{
    host_mask(SIG_BLOCK, ~OF_MEMORY, NULL);
    return !t->queued; /* else all are blocked until it is delivered */
}

void pb_user_signals_end_fork(pb_user_thread *t, bool child)
{
    if (child)
        t->held = t->queued = 0;
    pb_user_set_mask(t, t->mask);
}

void pb_user_signals_end(pb_user_thread *t)
{
    pb_user_signals_hold();
    for (unsigned i = 0; i < G_N_ELEMENTS(of_code); i++)
        if (t->held & BIT(of_code[i]) && t->held_info[i].si_code != SI_TKILL)
            queue_to_process(&t->held_info[i]);
    t->held = 0;
    if (t->queued && t->info.si_code != SI_TKILL)
        queue_to_process(&t->info);
    t->queued = 0;
}

/* ---- life -------------------------------------------------------------------------------------------------- */

void pb_user_block_signals(pb_user *user)
{
    host_mask(SIG_SETMASK, UINT64_MAX, &user->first_mask);
}

static void renew(const pb_user_action *actions)
{
    for (int signal = 1; signal <= PB_USER_SIGNALS; signal++)
        if (!(BIT(signal) & UNBLOCKABLE))
            set_host_action(signal, &actions[signal]);
}

void pb_user_signals_renew(pb_user *user)
{
    renew(user->actions);
}

void pb_user_signals_renew_own(pb_user_thread *t)
{
    renew(t->actions);
}

void pb_user_signals_init(pb_user *user, pb_user_thread *t)
{
    for (int signal = 1; signal <= PB_USER_SIGNALS; signal++) {
        struct {
            uint64_t handler, flags, restorer, mask;
        } now = { 0 };

        if (syscall(SYS_rt_sigaction, signal, NULL, &now, MASK_BYTES) == 0 &&
            now.handler == IGNORE_HANDLER)
            user->actions[signal].handler = IGNORE_HANDLER;
        if (BIT(signal) & OF_CODE ||
            (now.handler <= IGNORE_HANDLER && is_told(signal, now.handler)))
            set_host_action(signal, &user->actions[signal]);
    }
    if (user->debug)
        pb_user_signals_renew(user);
    pb_user_set_mask(t, user->first_mask);
}
