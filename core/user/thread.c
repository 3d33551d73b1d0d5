/*
 * Threads of a program: made, ended, and made to stand still.
 *
 * 1. A thread of the program is a thread of the host with a vCPU. It has the host thread's number, mask of signals, limits,
 *    priority and name: what the host's kernel does to a thread needs nothing here. Its vCPU is taken from those that ended
 *    threads gave back.
 * 2. Outside of the guest a thread *works*, or is in the host's kernel, or ends. While it works it may hold any lock of the
 *    emulator's; in the host's kernel (pb_user_host) it holds none.
 * 3. Who forks has all others stand still: they leave the guest (pb_sched_pause), and none works. So a lock that is held in the
 *    child is the caller's own, but for those that people wait with: the scheduler's and threads_lock, which who forks takes.
 *    A thread says that it works before it looks at `standstill`, who forks looks the other way round.
 * 4. A thread ends in the kernel's order: futexes of its robust list, then its number at clear_tid. Before that it has given
 *    its vCPU back, so that who waits for its end and makes another thread finds it.
 * 5. The process's first thread is the leader: when it ends it waits for the others, because its end is the process's. The process's
 *    status is that of the thread that begins to end last (Linux 5.17).
 * 6. exit_group() with others alive stops all at safe points, or in the host's kernel, and ends the process from there.
 *
 * Sources: Linux, kernel/fork.c, kernel/exit.c, kernel/futex/core.c; Documentation/locking/robust-futex-ABI.rst.
 *
 * Left out: robust lists when a signal ends the process that the emulator does not see, SIGKILL or one without a handler, and
 * when the process executes another program.
 */
#include <core/user/debug.h>
#include <core/user/strace.h>

#include <linux/futex.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

#define STACK_BYTES (UINT64_C(1) << 20) /* of the host's thread */

/* ---- working, and standing still --------------------------------------------------------------------------- */

void pb_user_work_end(pb_user_thread *t)
{
    pb_user *user = t->user;

    __atomic_store_n(&t->works, 0, __ATOMIC_SEQ_CST);
    pb_user_debug_leave(t);
    if (!__atomic_load_n(&user->standstill, __ATOMIC_SEQ_CST))
        return;
    pthread_mutex_lock(&user->threads_lock);
    pthread_cond_broadcast(&user->threads_cond);
    pthread_mutex_unlock(&user->threads_lock);
}

void pb_user_work_begin(pb_user_thread *t)
{
    pb_user *user = t->user;

    pb_user_debug_enter(t);
    __atomic_store_n(&t->works, 1, __ATOMIC_SEQ_CST);
    while (G_UNLIKELY(__atomic_load_n(&user->standstill, __ATOMIC_SEQ_CST))) {
        pb_user_work_end(t);
        pthread_mutex_lock(&user->threads_lock);
        while (user->standstill)
            pthread_cond_wait(&user->threads_cond, &user->threads_lock);
        pthread_mutex_unlock(&user->threads_lock);
        pb_user_debug_enter(t);
        __atomic_store_n(&t->works, 1, __ATOMIC_SEQ_CST);
    }
}

static bool others_work(const pb_user_thread *t)
{
    for (const pb_user_thread *other = t->user->threads; other; other = other->next) {
        if (other != t && __atomic_load_n(&other->works, __ATOMIC_SEQ_CST))
            return true;
    }
    return false;
}

void pb_user_standstill_begin(pb_user_thread *t)
{
    pb_user *user = t->user;

    /* One at a time; who waits for another's turn stands still for it. */
    for (;;) {
        pthread_mutex_lock(&user->threads_lock);
        if (!user->standstill)
            break;
        pthread_mutex_unlock(&user->threads_lock);
        pb_user_work_end(t);
        pb_user_work_begin(t);
    }
    __atomic_store_n(&user->standstill, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&user->threads_lock);
    pb_sched_pause(pb_machine_sched(user->machine));
    pthread_mutex_lock(&user->threads_lock);
    while (others_work(t))
        pthread_cond_wait(&user->threads_cond, &user->threads_lock);
    pb_sched_fork_begin(pb_machine_sched(user->machine));
}

/* In the child there is nobody else. */
static void forget_others(pb_user_thread *t)
{
    pb_user_thread *next;

    for (pb_user_thread *other = t->user->threads; other; other = next) {
        next = other->next;
        if (other == t)
            continue;
        if (!other->has_no_cpu)
            pb_machine_give_cpu(t->user->machine, other->vcpu);
        pb_user_thread_free(other);
    }
    t->user->threads = t;
    t->next = NULL;
    t->user->has_lost = true;
    t->user->n_threads = 1;
    t->user->n_sharing = t->user->n_executing = 0;
    t->is_leader = true;
    pb_user_share_leave(t);
}

void pb_user_standstill_end(pb_user_thread *t, bool child)
{
    pb_user *user = t->user;

    pb_sched_fork_end(pb_machine_sched(user->machine), child);
    if (child) { /* those who waited for it are not there */
        pthread_mutex_init(&user->threads_lock, NULL);
        pthread_cond_init(&user->threads_cond, NULL);
        pthread_mutex_lock(&user->threads_lock);
        forget_others(t);
    }
    __atomic_store_n(&user->standstill, 0, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&user->threads_cond);
    pthread_mutex_unlock(&user->threads_lock);
    pb_sched_resume(pb_machine_sched(user->machine));
}

/* ---- futexes of who ends ------------------------------------------------------------------------------------- */

#define MOST_FUTEXES 2048 /* ROBUST_LIST_LIMIT */

static void wake_one(const pb_user *user, uint64_t gva)
{
    syscall(SYS_futex, pb_user_pointer(user, gva), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* handle_futex_death() of the kernel: false if the futex cannot be accessed. */
static bool release_futex(const pb_user_thread *t, uint64_t gva, bool pi, bool pending)
{
    uint32_t value, was, next;

    if (gva % sizeof(value) || !pb_user_space_read(t->user->space, gva, &value, sizeof(value)))
        return false;
    if (pending && !pi && value == 0) {
        wake_one(t->user, gva);
        return true;
    }
    do {
        if ((value & FUTEX_TID_MASK) != (uint32_t)t->tid)
            return true;
        was = value;
        next = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
        if (!pb_user_space_compare_swap(t->user->space, gva, &value, next))
            return false;
    } while (value != was);
    if (!pi && (next & FUTEX_WAITERS))
        wake_one(t->user, gva);
    return true;
}

/* struct robust_list_head of an LP64 architecture. */
typedef struct robust_head {
    uint64_t first;
    int64_t offset; /* from an entry to its futex */
    uint64_t pending;
} robust_head;

#define IS_PI 1u

void pb_user_release_futexes(const pb_user_thread *t)
{
    uint64_t list = __atomic_load_n(&t->robust_list, __ATOMIC_SEQ_CST), entry, next;
    pb_user_space *space = t->user->space;
    robust_head head;

    if (!list || !pb_user_space_read(space, list, &head, sizeof(head)))
        return;
    entry = head.first;
    for (uint32_t i = 0; i < MOST_FUTEXES && (entry & ~(uint64_t)IS_PI) != list; i++) {
        uint64_t at = entry & ~(uint64_t)IS_PI;
        bool more = pb_user_space_read(space, at, &next, sizeof(next));

        /* What is pending is not done twice. */
        if (at != (head.pending & ~(uint64_t)IS_PI) &&
            !release_futex(t, at + (uint64_t)head.offset, entry & IS_PI, false))
            return;
        if (!more)
            return;
        entry = next;
    }
    if (head.pending)
        release_futex(t, (head.pending & ~(uint64_t)IS_PI) + (uint64_t)head.offset,
                      head.pending & IS_PI, true);
}

void pb_user_thread_clear_number(pb_user_thread *t)
{
    const uint32_t none = 0;

    if (!t->clear_tid)
        return;
    pb_user_space_write(t->user->space, t->clear_tid, &none, sizeof(none));
    wake_one(t->user, t->clear_tid);
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

pb_user_thread *pb_user_thread_new(pb_user *user, pb_vcpu *vcpu)
{
    pb_user_thread *t = g_new0(pb_user_thread, 1);

    t->user = user;
    t->vcpu = vcpu;
    t->actions = user->actions;
    return t;
}

void pb_user_thread_free(pb_user_thread *t)
{
    if (t->actions != t->user->actions)
        g_free(t->actions);
    pb_user_free_execution(&t->execution);
    g_free(t);
}

void pb_user_thread_enlist(pb_user_thread *t)
{
    pb_user *user = t->user;

    t->tid = gettid();
    if (user->strace)
        pb_strace_thread_begin(t);
    pthread_mutex_lock(&user->threads_lock);
    t->next = user->threads;
    user->threads = t;
    user->n_threads++;
    pthread_mutex_unlock(&user->threads_lock);
}

static bool is_alone(pb_user *user)
{
    bool alone;

    pthread_mutex_lock(&user->threads_lock);
    alone = user->n_threads == 1;
    pthread_mutex_unlock(&user->threads_lock);
    return alone;
}

static void delist_locked(pb_user_thread *t)
{
    pb_user_thread **at = &t->user->threads;

    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    t->user->n_threads--;
    pthread_cond_broadcast(&t->user->threads_cond);
}

void pb_user_thread_delist(pb_user_thread *t)
{
    pb_user *user = t->user;

    pthread_mutex_lock(&user->threads_lock);
    delist_locked(t);
    pthread_mutex_unlock(&user->threads_lock);
}

/* What made the processor stop. */
static void handle_event(pb_user_thread *t)
{
    uint32_t cause = t->event.cause;

    t->event.cause = 0;
    if (cause == PB_USER_SYSCALL) {
        pb_user_debug_call(t);
        pb_user_do_syscall(t);
        pb_user_debug_return(t);
    } else if (cause != 0) {
        pb_user_fault_signal(t, cause);
    }
}

static void execute(pb_user_thread *t)
{
    while (!t->ended) {
        bool event = pb_vcpu_go(t->vcpu);

        pb_user_work_begin(t);
        if (event)
            handle_event(t);
        if (t->queued && !t->ended)
            pb_user_deliver(t);
        pb_user_debug_stepped(t);
        pb_user_work_end(t);
    }
}

/* Rule 5: the last that comes here is the last that begins to end. */
static void set_status(const pb_user_thread *t)
{
    pb_user *user = t->user;

    pthread_mutex_lock(&user->threads_lock);
    if (!user->ended)
        user->status = t->status;
    pthread_mutex_unlock(&user->threads_lock);
}

/* Rules 4 and 5. */
static void end(pb_user_thread *t)
{
    pb_user *user = t->user;
    bool is_leader = t->is_leader;

    pb_user_signals_end(t);
    set_status(t);
    pb_user_work_begin(t);
    pb_machine_give_cpu(user->machine, t->vcpu);
    t->has_no_cpu = true;
    pb_user_release_futexes(t);
    if (!is_alone(user))
        pb_user_thread_clear_number(t);
    pb_user_work_end(t);
    pb_user_current = NULL;
    pthread_mutex_lock(&user->threads_lock);
    delist_locked(t);
    while (is_leader && user->n_threads > 0)
        pthread_cond_wait(&user->threads_cond, &user->threads_lock);
    pthread_mutex_unlock(&user->threads_lock);
    pb_user_thread_free(t);
}

void pb_user_release_all_futexes(pb_user_thread *t)
{
    if (t->shares) /* the others are another process's, and its own are its parent's matter */
        return;
    pb_sched_pause(pb_machine_sched(t->user->machine)); /* for ever */
    pthread_mutex_lock(&t->user->threads_lock);
    for (const pb_user_thread *other = t->user->threads; other; other = other->next)
        pb_user_release_futexes(other);
    pthread_mutex_unlock(&t->user->threads_lock);
}

void pb_user_end_process(pb_user *user, int status)
{
    pb_user_missing_save(user);
    if (user->options.at_end)
        user->options.at_end(user->options.opaque);
    fflush(NULL);
    _exit(status);
}

/* Rule 6. */
static G_NORETURN void end_with_others(pb_user_thread *t, int status)
{
    pb_user *user = t->user;

    if (__atomic_exchange_n(&user->ending, 1, __ATOMIC_SEQ_CST)) {
        for (;;) /* another thread does */
            pause();
    }
    /* Children that have this memory go on with it; until they have their own. */
    pthread_mutex_lock(&user->threads_lock);
    while (user->n_sharing > 0)
        pthread_cond_wait(&user->threads_cond, &user->threads_lock);
    pthread_mutex_unlock(&user->threads_lock);
    pb_user_release_all_futexes(t);
    pb_user_end_process(user, status);
}

/* share.c: what is left its parent does. */
static G_NORETURN void end_sharing(pb_user_thread *t)
{
    pb_user_signals_end(t);
    pb_user_share_open(t);
    _exit(t->status);
}

bool pb_user_thread_run(pb_user_thread *t)
{
    pb_user *user = t->user;
    bool is_leader;

    pb_user_current = t;
    pb_user_set_mask(t, t->mask);
    pb_user_debug_thread_begin(t);
    execute(t);
    if (t->shares)
        end_sharing(t);
    pb_user_debug_thread_end(t, t->ends_all || is_alone(user));
    if (t->ends_all) {
        pthread_mutex_lock(&user->threads_lock);
        user->ended = true;
        user->status = t->status;
        pthread_mutex_unlock(&user->threads_lock);
        if (!is_alone(user))
            end_with_others(t, t->status);
    }
    is_leader = t->is_leader; /* it may have become that */
    end(t);
    return is_leader;
}

/* ---- new ones -------------------------------------------------------------------------------------------------------- */

typedef struct birth {
    pb_user_thread *thread;
    const pb_user_clone *clone;
    pid_t tid; /* 0: not born yet; under threads_lock */
} birth;

/* What the new thread does before anybody sees it, on behalf of its maker, who waits. */
static void set_up(pb_user_thread *t, const pb_user_clone *clone)
{
    const uint32_t tid = (uint32_t)gettid();
    uint64_t own = ~clone->flags & (CLONE_FS | CLONE_FILES | CLONE_SYSVSEM);

    if (own)
        unshare((int)own);
    if (clone->flags & CLONE_PARENT_SETTID)
        pb_user_space_write(t->user->space, clone->parent_tid, &tid, sizeof(tid));
    if (clone->flags & CLONE_CHILD_SETTID)
        pb_user_space_write(t->user->space, clone->child_tid, &tid, sizeof(tid));
}

static void *begin(void *birth_of)
{
    birth *b = birth_of;
    pb_user_thread *t = b->thread;
    pb_user *user = t->user;

    set_up(t, b->clone);
    pb_user_thread_enlist(t);
    pthread_mutex_lock(&user->threads_lock);
    b->tid = t->tid;
    pthread_cond_broadcast(&user->threads_cond);
    pthread_mutex_unlock(&user->threads_lock); /* b is gone */
    if (pb_user_thread_run(t))
        pb_user_end_process(user, user->status); /* of a child that this thread made by fork() */
    return NULL;
}

/* Its registers are those of its maker, but for what the call says, and its result is 0. */
pb_user_thread *pb_user_thread_copy(const pb_user_thread *maker, const pb_user_clone *clone)
{
    const pb_user_arch *arch = maker->user->arch;
    g_autoptr(GError) error = NULL;
    pb_vcpu *vcpu = pb_machine_take_cpu(maker->user->machine, &error);
    pb_user_thread *t;

    if (!vcpu)
        return NULL;
    t = pb_user_thread_new(maker->user, vcpu);
    t->mask = maker->mask;
    t->clear_tid = clone->flags & CLONE_CHILD_CLEARTID ? clone->child_tid : 0;
    arch->copy(vcpu, maker->vcpu, clone->sp);
    arch->set_result(vcpu, 0);
    if (clone->flags & CLONE_SETTLS)
        arch->set_tls(vcpu, clone->tls);
    return t;
}

/* With all signals blocked: the new thread begins so. */
static bool start_thread(birth *b)
{
    pb_user *user = b->thread->user;
    pthread_attr_t attr;
    pthread_t thread;
    bool started;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    started = pthread_create(&thread, &attr, begin, b) == 0;
    pthread_attr_destroy(&attr);
    if (!started)
        return false;
    pthread_mutex_lock(&user->threads_lock);
    while (!b->tid)
        pthread_cond_wait(&user->threads_cond, &user->threads_lock);
    pthread_mutex_unlock(&user->threads_lock);
    return true;
}

int64_t pb_user_thread_clone(pb_user_thread *t, const pb_user_clone *clone)
{
    birth b = { .thread = pb_user_thread_copy(t, clone), .clone = clone };
    bool started;

    if (!b.thread)
        return -EAGAIN;
    pb_user_signals_hold();
    started = start_thread(&b);
    pb_user_set_mask(t, t->mask);
    if (started)
        return b.tid;
    pb_machine_give_cpu(t->user->machine, b.thread->vcpu);
    pb_user_thread_free(b.thread);
    return -EAGAIN;
}
