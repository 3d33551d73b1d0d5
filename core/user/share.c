/*
 * vfork(), and posix_spawn(): a child that has its parent's memory until it executes another program or ends, while the thread that
 * made it waits. So the parent sees what the child wrote, an error of execve() above all, and nothing is copied.
 *
 * 1. The child is the host's, made the same way (CLONE_VM | CLONE_VFORK). It executes on a vCPU of its own, on a stack of its own, with
 *    the thread-local memory of the thread that waits: of the emulator it is a thread like others, and finds all locks at work.
 * 2. What is a process's and in memory it has for itself: what to do at signals. Descriptors, limits, masks are the host's.
 * 3. Nothing may end it while it holds a lock. So a signal that would has a handler, as if the program had one, and it ends where signals
 *    are delivered. Where it calls the host for the program it holds nothing, and says so (holds_nothing).
 * 4. What it leaves its parent clears up: its robust futexes, its number at clear_tid, what it had allocated or opened for execve(), its vCPU.
 * 5. SIGKILL comes at any time. If the child held something then, nobody can go on, and the parent ends by SIGKILL too.
 * 6. If the parent ends, others of its threads may have held locks: the child, which shares them, ends with it. exit_group() waits for
 *    children, before it stops the other threads, and another thread's execve() does: so this concerns signals only. The
 *    kernel, which sees to it, forgets it when credentials change, and is told again. What the program asks for by PR_SET_PDEATHSIG
 *    counts from execve() on.
 * 7. It makes no threads, nor does the accelerator in it. A child that it makes by fork() has memory of its own, one that it makes by
 *    vfork() too.
 *
 * Sources: vfork(2), clone(2), prctl(2); Linux, kernel/fork.c.
 *
 * Left out: a core file of such a child. With --strace and a debugger children do not share memory (sys_fork.c), and flags that ask for
 * more to be shared are EINVAL. SIGSTOP, and SIGTSTP and the like without a handler, stop it at any time: while it then holds
 * a lock, other threads that want it wait until it goes on.
 */
#include <core/user/internal.h>

#include <sched.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#define GUARD_BYTES PB_PAGE_SIZE
#define STACK_BYTES (UINT64_C(1) << 20) /* with the guard */

typedef struct sharing {
    pb_user_thread *child;
    const pb_user_clone *clone;
    uint8_t *stack; /* of the host's */
    /* For the address sanitizer: the stack of the thread that waits. */
    const void *outer;
    size_t outer_bytes;
    void *fake;
} sharing;

/* ---- stacks -------------------------------------------------------------------------------------------------- */

/* The address sanitizer has to know which stack a thread is on. */
#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>

static void stack_leave(sharing *s)
{
    __sanitizer_start_switch_fiber(&s->fake, s->stack, STACK_BYTES);
}

static void stack_enter(sharing *s)
{
    __sanitizer_finish_switch_fiber(NULL, &s->outer, &s->outer_bytes);
}

static void stack_return(sharing *s)
{
    if (!s->outer) /* there was no child */
        stack_enter(s);
    __sanitizer_start_switch_fiber(NULL, s->outer, s->outer_bytes);
    __sanitizer_finish_switch_fiber(s->fake, NULL, NULL);
    __asan_unpoison_memory_region(s->stack, STACK_BYTES);
}
#else
static void stack_leave(sharing *s) {}

static void stack_enter(sharing *s) {}

static void stack_return(sharing *s) {}
#endif

static uint8_t *stack_new(void)
{
    uint8_t *stack = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK | MAP_NORESERVE, -1, 0);

    if (stack == MAP_FAILED)
        return NULL;
    mprotect(stack, GUARD_BYTES, PROT_NONE);
    return stack;
}

/* ---- the child ------------------------------------------------------------------------------------------------ */

/* Rule 6. Whoever waits for the child has a robust mutex: the kernel says there that it ended, before it looks for children that are to
 * end. (Parents have no numbers in other namespaces.) */
void pb_user_share_stay(pb_user_thread *t)
{
    if (!t->shares)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (pthread_mutex_trylock(t->waits) != EOWNERDEAD)
        return;
    pb_user_share_open(t); /* nobody is there to ask */
    _exit(1);
}

void pb_user_share_open(pb_user_thread *t)
{
    if (G_UNLIKELY(t->shares))
        __atomic_store_n(&t->holds_nothing, 1, __ATOMIC_SEQ_CST);
}

void pb_user_share_close(pb_user_thread *t)
{
    if (G_UNLIKELY(t->shares))
        __atomic_store_n(&t->holds_nothing, 0, __ATOMIC_SEQ_CST);
}

/* The children that there are get memory of their own first; no others are made before execve() fails. */
static void await_others(pb_user_thread *t)
{
    pb_user *user = t->user;
    bool any;

    pthread_mutex_lock(&user->threads_lock);
    user->n_executing++;
    any = user->n_sharing > 0;
    pthread_mutex_unlock(&user->threads_lock);
    if (!any)
        return;
    pb_user_work_end(t);
    pthread_mutex_lock(&user->threads_lock);
    while (user->n_sharing > 0)
        pthread_cond_wait(&user->threads_cond, &user->threads_lock);
    pthread_mutex_unlock(&user->threads_lock);
    pb_user_work_begin(t);
}

static void release_others(pb_user *user)
{
    pthread_mutex_lock(&user->threads_lock);
    user->n_executing--;
    pthread_cond_broadcast(&user->threads_cond);
    pthread_mutex_unlock(&user->threads_lock);
}

void pb_user_share_execute(pb_user_thread *t)
{
    if (!t->shares) {
        await_others(t);
        return;
    }
    prctl(PR_SET_PDEATHSIG, t->death_signal);
    pb_user_work_end(t);
    pb_user_share_open(t);
}

void pb_user_share_execute_failed(pb_user_thread *t)
{
    if (!t->shares) {
        release_others(t->user);
        return;
    }
    pb_user_share_stay(t);
    pb_user_share_close(t);
    pb_user_work_begin(t);
}

void pb_user_share_leave(pb_user_thread *t)
{
    pb_user_action *actions = t->actions;

    if (!t->shares)
        return;
    t->shares = false;
    t->actions = t->user->actions;
    memcpy(t->actions, actions, sizeof(t->user->actions));
    g_free(actions);
    pb_user_signals_renew_own(t);
}

/* What the program sees of its birth. */
static void set_up(pb_user_thread *t, const pb_user_clone *clone)
{
    const uint32_t tid = (uint32_t)t->tid;

    if (clone->flags & CLONE_PARENT_SETTID)
        pb_user_space_write(t->user->space, clone->parent_tid, &tid, sizeof(tid));
    if (clone->flags & CLONE_CHILD_SETTID)
        pb_user_space_write(t->user->space, clone->child_tid, &tid, sizeof(tid));
    if (clone->flags & CLONE_CLEAR_SIGHAND)
        pb_user_clear_handlers(t);
    pb_user_signals_renew_own(t); /* rule 3 */
}

/* On its stack. It holds nothing yet. */
static int begin(void *sharing_of)
{
    sharing *s = sharing_of;
    pb_user_thread *t = s->child;
    pb_user *user = t->user;

    stack_enter(s);
    pb_user_current = t;
    pb_user_share_stay(t);
    pb_user_share_close(t);
    pb_user_thread_enlist(t);
    pb_user_work_begin(t);
    set_up(t, s->clone);
    pb_user_work_end(t);
    if (pb_user_thread_run(t)) /* of a child that it made by fork() */
        pb_user_end_process(user, user->status);
    return 0;
}

/* ---- its parent ------------------------------------------------------------------------------------------------ */

/* Rules 4 and 5: the child is gone, or has memory of its own. */
static void clear_up(pb_user_thread *child)
{
    if (!__atomic_load_n(&child->holds_nothing, __ATOMIC_SEQ_CST)) {
        fprintf(stderr, "patchbay: a child that shares the program's memory was killed while it "
                        "executed: the program cannot go on\n");
        kill(getpid(), SIGKILL);
        pause();
    }
    pb_user_release_futexes(child);
    pb_user_thread_clear_number(child);
    if (child->tid) /* else it did not come that far */
        pb_user_thread_delist(child);
}

/* What it handed to the program that it executed it opened for its parent too, if they had the same descriptors. */
static void close_handed(const pb_user_thread *child, const pb_user_clone *clone)
{
    int file = child->execution.file;

    if (file && (clone->flags & CLONE_FILES) && !pb_user_owns_fd(child->user, (uint32_t)file))
        close(file);
}

static void count_sharing(pb_user *user, int change)
{
    pthread_mutex_lock(&user->threads_lock);
    user->n_sharing += (uint32_t)change;
    pthread_cond_broadcast(&user->threads_cond);
    pthread_mutex_unlock(&user->threads_lock);
}

/* A thread that executes another program ends this one: then there is no child. */
static void await_execution(pb_user_thread *t)
{
    pb_user *user = t->user;

    pb_user_work_end(t);
    pthread_mutex_lock(&user->threads_lock);
    while (user->n_executing > 0)
        pthread_cond_wait(&user->threads_cond, &user->threads_lock);
    user->n_sharing++;
    pthread_mutex_unlock(&user->threads_lock);
    pb_user_work_begin(t);
}

static void take_robust(pthread_mutex_t *mutex)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    pthread_mutex_init(mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    pthread_mutex_lock(mutex);
}

static void give_robust(pthread_mutex_t *mutex)
{
    pthread_mutex_unlock(mutex);
    pthread_mutex_destroy(mutex);
}

static void free_child(pb_user_thread *child)
{
    pb_machine_give_cpu(child->user->machine, child->vcpu);
    pb_user_thread_free(child);
}

static pid_t run_child(sharing *s)
{
    const pb_user_clone *clone_of = s->clone;
    pb_user_thread *t = pb_user_current;
    const uint64_t passed = CLONE_FILES | CLONE_FS | CLONE_SYSVSEM | CLONE_PIDFD;
    uint64_t flags =
        CLONE_VM | CLONE_VFORK | (clone_of->flags & passed) | (clone_of->exit_signal & CSIGNAL);
    pid_t pid;
    int error;

    pb_user_work_end(t);
    stack_leave(s);
    pid = clone(begin, s->stack + STACK_BYTES, (int)flags, s,
                pb_user_pointer(t->user, clone_of->pidfd));
    error = errno;
    stack_return(s);
    pb_user_current = t;
    pb_user_work_begin(t);
    return pid < 0 ? -error : pid;
}

int64_t pb_user_share_process(pb_user_thread *t, const pb_user_clone *clone)
{
    pb_user *user = t->user;
    sharing s = { .child = pb_user_thread_copy(t, clone), .clone = clone, .stack = stack_new() };
    pthread_mutex_t waits;
    int64_t pid = -EAGAIN;

    if (s.child && s.stack) {
        s.child->shares = true;
        s.child->holds_nothing = 1;
        s.child->waits = &waits;
        s.child->actions = g_memdup2(t->actions, sizeof(user->actions));
        s.child->stack_base = t->stack_base;
        s.child->stack_bytes = t->stack_bytes;
        s.child->stack_disarms = t->stack_disarms;
        pb_user_signals_expect_end(user, clone->exit_signal);
        pb_user_signals_hold();
        await_execution(t);
        take_robust(&waits);
        pid = run_child(&s);
        give_robust(&waits);
        if (pid > 0) {
            clear_up(s.child);
            close_handed(s.child, clone);
        }
        count_sharing(user, -1);
        pb_user_set_mask(t, t->mask);
        if (pid > 0 && (clone->flags & CLONE_PIDFD))
            pb_user_space_written(user->space, clone->pidfd, sizeof(int));
        free_child(s.child);
    } else if (s.child) {
        free_child(s.child);
    }
    if (s.stack)
        munmap(s.stack, STACK_BYTES);
    return pid;
}
