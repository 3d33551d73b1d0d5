/*
 * Runners: parallel threads, standing and barriers.
 *
 * A runner's thread goes round: safe point, enter the guest, do posted work, run, leave the guest, and
 * perhaps rest.
 *
 * Standing:
 * 1. sched->stop counts the reasons why runners shall stand. It is raised before the runners are
 *    poked; a runner looks at it at its safe point, and again after its work() has consumed pokes: a poke
 *    that came for a stop is never lost.
 * 2. A runner goes from PB_SAFE to PB_EXECUTING under the lock and while stop is 0. So who has raised stop
 *    and seen all stand under the lock knows that they stay. On threads of others, which come and go at each system call, it
 *    does so without the lock, and looks at stop afterwards: if there is one it stands again, and says so, as if it had never
 *    been. Either it sees the stop, or who raised it sees the runner execute.
 * 3. Who waits inside pb_sched_exclusive() is PB_WITHIN: good enough for another's exclusive section (two
 *    of them never wait for each other), not for a pause, which promises complete states.
 *
 * Resting (asleep, powered off):
 * 4. Who wakes a runner first makes the cause visible, then sets awake, then looks at resting. The
 *    runner first sets resting, then looks at awake and has_work(). All are sequentially consistent: one of the
 *    two sees the other.
 *
 * The guest flag and barriers:
 * 5. guest is set before posted work is done and cleared when nothing is cached in registers any more, so
 *    that a runner which is seen outside will do what was posted before it executes again.
 * 6. pb_sched_barrier() draws a ticket, pokes who is inside, and waits until each is seen outside or
 *    acknowledges the ticket. A runner acknowledges the ticket that it read before its work(), and works
 *    again if there is a newer one afterwards: the poke for that one may have been consumed meanwhile.
 * 7. Waiting in a barrier, for the device lock or for an exclusive section is outside: so no two ever wait
 *    for each other.
 */
#include <core/sched/internal.h>

static _Thread_local pb_runner *current;

pb_runner *pb_runner_current(void)
{
    return current;
}

void pb_runner_set_current(pb_runner *runner)
{
    current = runner;
}

void *pb_runner_self(const pb_runner *runner)
{
    return runner->self;
}

pb_runner *pb_sched_add_runner(pb_sched *sched, const char *name, const pb_runner_ops *ops,
                               void *self)
{
    pb_runner *runner = g_new0(pb_runner, 1);

    g_assert(!__atomic_load_n(&sched->running, __ATOMIC_SEQ_CST) || sched->lent);
    g_assert(pb_runners_count(sched) < PB_MOST_RUNNERS);
    runner->sched = sched;
    runner->name = g_strdup(name);
    runner->ops = ops;
    runner->self = self;
    runner->standing = PB_SAFE;
    runner->powered = 1;
    pthread_cond_init(&runner->cond, NULL);
    pthread_mutex_lock(&sched->lock);
    sched->runners[sched->n_runners] = runner;
    __atomic_store_n(&sched->n_runners, sched->n_runners + 1, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&sched->lock);
    return runner;
}

void pb_runner_wake(pb_runner *runner)
{
    pb_sched *sched = runner->sched;

    __atomic_store_n(&runner->awake, 1, __ATOMIC_SEQ_CST);
    if (sched->config.threads == PB_THREADS_ROUND_ROBIN) {
        pb_rr_wake(sched);
        if (runner == current)
            pb_rr_cut(sched);
    } else if (__atomic_load_n(&runner->resting, __ATOMIC_SEQ_CST)) {
        pthread_mutex_lock(&sched->lock);
        pthread_cond_signal(&runner->cond);
        pthread_mutex_unlock(&sched->lock);
    }
}

void pb_runner_note(pb_runner *runner)
{
    __atomic_store_n(&runner->awake, 1, __ATOMIC_SEQ_CST);
}

void pb_runner_set_powered(pb_runner *runner, bool powered)
{
    __atomic_store_n(&runner->powered, powered, __ATOMIC_SEQ_CST);
    runner->ops->poke(runner->self);
    pb_runner_wake(runner);
}

bool pb_runner_powered(const pb_runner *runner)
{
    return __atomic_load_n(&runner->powered, __ATOMIC_SEQ_CST) != 0;
}

void pb_runner_set_held(pb_runner *runner, bool held)
{
    bool was_held = runner->held;

    runner->held = held;
    if (was_held && !held)
        pb_runner_wake(runner);
}

void pb_runner_set_idle(pb_runner *runner, bool idle)
{
    runner->idle = idle;
}

bool pb_runner_idle(const pb_runner *runner)
{
    return runner->idle;
}

/* ---- in and out of the guest ------------------------------------------------------------------------- */

static void tell_barriers(pb_sched *sched)
{
    if (__atomic_load_n(&sched->barrier_waiters, __ATOMIC_SEQ_CST) == 0)
        return;
    pthread_mutex_lock(&sched->barrier_lock);
    pthread_cond_broadcast(&sched->barrier_cond);
    pthread_mutex_unlock(&sched->barrier_lock);
}

static uint64_t last_ticket(const pb_sched *sched)
{
    return __atomic_load_n(&sched->barrier_ticket, __ATOMIC_SEQ_CST);
}

static void go_inside(pb_runner *runner, bool nested)
{
    uint64_t ticket;

    __atomic_store_n(&runner->guest, 1, __ATOMIC_SEQ_CST);
    do {
        ticket = last_ticket(runner->sched);
        runner->ops->work(runner->self, nested);
        __atomic_store_n(&runner->acknowledged, ticket, __ATOMIC_SEQ_CST);
        tell_barriers(runner->sched);
    } while (last_ticket(runner->sched) != ticket);
}

static void go_outside(pb_runner *runner)
{
    __atomic_store_n(&runner->guest, 0, __ATOMIC_SEQ_CST);
    tell_barriers(runner->sched);
}

void pb_runner_enter(pb_runner *runner)
{
    go_inside(runner, false);
}

void pb_runner_leave(pb_runner *runner)
{
    go_outside(runner);
}

void pb_runner_outside_begin(pb_runner *runner)
{
    go_outside(runner);
}

void pb_runner_outside_end(pb_runner *runner)
{
    go_inside(runner, true);
}

static pb_runner *current_inside(const pb_sched *sched)
{
    return current && current->sched == sched && current->guest ? current : NULL;
}

static bool has_passed(const pb_runner *runner, uint64_t ticket)
{
    return !__atomic_load_n(&runner->guest, __ATOMIC_SEQ_CST) ||
           __atomic_load_n(&runner->acknowledged, __ATOMIC_SEQ_CST) >= ticket;
}

static void await_pass(pb_sched *sched, const pb_runner *runner, uint64_t ticket)
{
    if (has_passed(runner, ticket))
        return;
    __atomic_fetch_add(&sched->barrier_waiters, 1, __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&sched->barrier_lock);
    while (!has_passed(runner, ticket))
        pthread_cond_wait(&sched->barrier_cond, &sched->barrier_lock);
    pthread_mutex_unlock(&sched->barrier_lock);
    __atomic_fetch_sub(&sched->barrier_waiters, 1, __ATOMIC_SEQ_CST);
}

void pb_sched_barrier(pb_sched *sched)
{
    pb_runner *me = current_inside(sched);
    uint64_t ticket = __atomic_add_fetch(&sched->barrier_ticket, 1, __ATOMIC_SEQ_CST);
    uint32_t count = pb_runners_count(sched); /* who is added now begins with this ticket */

    if (me)
        pb_runner_outside_begin(me);
    for (uint32_t i = 0; i < count; i++) {
        pb_runner *runner = sched->runners[i];

        if (runner != me && !has_passed(runner, ticket))
            runner->ops->poke(runner->self);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (sched->runners[i] != me)
            await_pass(sched, sched->runners[i], ticket);
    }
    if (me)
        pb_runner_outside_end(me);
}

/* ---- standing ---------------------------------------------------------------------------------------- */

void pb_runners_poke(pb_sched *sched)
{
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        pb_runner *runner = sched->runners[i];

        runner->ops->poke(runner->self);
    }
}

static pb_standing standing_of(const pb_runner *runner)
{
    return __atomic_load_n(&runner->standing, __ATOMIC_SEQ_CST);
}

/* Whether all but `me` stand at least as well as `standing`. Under the lock. */
static bool all_stand(const pb_sched *sched, const pb_runner *me, pb_standing standing)
{
    if (sched->config.threads == PB_THREADS_ROUND_ROBIN)
        return sched->rr_standing >= standing;
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        const pb_runner *runner = sched->runners[i];

        if (runner != me && standing_of(runner) < standing)
            return false;
    }
    return true;
}

void pb_runners_await(pb_sched *sched)
{
    pthread_mutex_lock(&sched->lock);
    while (!all_stand(sched, NULL, PB_SAFE))
        pthread_cond_wait(&sched->cond, &sched->lock);
    pthread_mutex_unlock(&sched->lock);
}

static void set_stop(pb_sched *sched)
{
    __atomic_store_n(&sched->stop, sched->pauses + sched->exclusive_busy, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&sched->cond);
}

void pb_sched_pause_begin(pb_sched *sched)
{
    pthread_mutex_lock(&sched->lock);
    sched->pauses++;
    set_stop(sched);
    pthread_mutex_unlock(&sched->lock);
    if (pb_rr_is_runner_thread(sched))
        pb_rr_cut(sched);
    pb_runners_poke(sched);
}

void pb_sched_pause_await(pb_sched *sched)
{
    g_assert(!pb_sched_devices_locked(sched) && !current_inside(sched));
    pb_runners_await(sched);
    pb_clock_hold(sched);
}

void pb_sched_pause(pb_sched *sched)
{
    g_assert(!pb_sched_devices_locked(sched) && !current_inside(sched));
    pb_sched_pause_begin(sched);
    pb_sched_pause_await(sched);
}

void pb_sched_resume(pb_sched *sched)
{
    pb_clock_release(sched);
    pthread_mutex_lock(&sched->lock);
    g_assert(sched->pauses > 0);
    sched->pauses--;
    set_stop(sched);
    pthread_mutex_unlock(&sched->lock);
}

/* A pause that is not waited for: the requester may be a runner. */
void pb_sched_request(pb_sched *sched, pb_machine_request request, int32_t status)
{
    pthread_mutex_lock(&sched->lock);
    if (!sched->request_pending) {
        sched->request_pending = true;
        sched->pauses++;
        set_stop(sched);
    }
    if (request == PB_MACHINE_POWER_OFF && !sched->request_end) {
        sched->request_end = true;
        sched->guest_end = current_inside(sched) != NULL;
        sched->status = status;
    }
    if (request == PB_MACHINE_RESET) {
        sched->request_reset = true;
        sched->guest_reset |= current_inside(sched) != NULL;
    }
    pthread_mutex_unlock(&sched->lock);
    if (pb_rr_is_runner_thread(sched))
        pb_rr_cut(sched);
    pb_runners_poke(sched);
    pb_loop_wake(sched);
}

void pb_sched_serve_requests(pb_sched *sched)
{
    bool reset, end;

    pthread_mutex_lock(&sched->lock);
    if (!sched->request_pending || sched->ended) {
        pthread_mutex_unlock(&sched->lock);
        return;
    }
    while (!all_stand(sched, NULL, PB_SAFE))
        pthread_cond_wait(&sched->cond, &sched->lock);
    reset = sched->request_reset;
    end = sched->request_end;
    sched->request_reset = sched->request_end = sched->request_pending = false;
    sched->guest_reset = false;
    sched->guest_end &= end; /* stays, so that a machine that is switched off is saved as such */
    pthread_mutex_unlock(&sched->lock);

    if (end) {
        sched->ended = true; /* and the pause stays until pb_sched_run() has joined the threads */
        return;
    }
    if (reset && sched->hooks.reset) {
        /* what a disk still reads must not land in memory that was loaded anew */
        pb_sched_quiesce(sched);
        pb_clock_hold(sched);
        pb_sched_lock_devices(sched);
        sched->hooks.reset(sched->hooks.opaque);
        pb_sched_unlock_devices(sched);
        pb_clock_release(sched);
    }
    pthread_mutex_lock(&sched->lock);
    sched->pauses--;
    set_stop(sched);
    pthread_mutex_unlock(&sched->lock);
}

static void set_standing(pb_sched *sched, pb_runner *me, pb_standing standing)
{
    __atomic_store_n(&me->standing, standing, __ATOMIC_SEQ_CST);
    pthread_cond_broadcast(&sched->cond);
}

void pb_sched_exclusive(pb_sched *sched, void (*fn)(void *opaque), void *opaque)
{
    pb_runner *me = current_inside(sched);

    if (pb_rr_is_runner_thread(sched)) { /* nobody else executes */
        fn(opaque);
        return;
    }
    g_assert(!pb_sched_devices_locked(sched) || !sched->running);
    if (me)
        pb_runner_outside_begin(me);
    pthread_mutex_lock(&sched->lock);
    if (me)
        set_standing(sched, me, PB_WITHIN);
    while (sched->exclusive_busy)
        pthread_cond_wait(&sched->cond, &sched->lock);
    sched->exclusive_busy = true;
    set_stop(sched);
    pthread_mutex_unlock(&sched->lock);
    pb_runners_poke(sched);
    pthread_mutex_lock(&sched->lock);
    while (!all_stand(sched, me, PB_WITHIN))
        pthread_cond_wait(&sched->cond, &sched->lock);
    pthread_mutex_unlock(&sched->lock);

    fn(opaque);

    pthread_mutex_lock(&sched->lock);
    sched->exclusive_busy = false;
    set_stop(sched);
    if (me) {
        while (sched->exclusive_busy) /* the next one counts on us to stand */
            pthread_cond_wait(&sched->cond, &sched->lock);
        set_standing(sched, me, PB_EXECUTING);
    }
    pthread_mutex_unlock(&sched->lock);
    if (me)
        pb_runner_outside_end(me);
}

/* ---- a thread of the parallel mode --------------------------------------------------------------------- */

/* Stands while there is a reason to. False: the thread shall end. */
static bool safe_point(pb_runner *runner)
{
    pb_sched *sched = runner->sched;
    bool quits;

    if (runner->standing == PB_EXECUTING && !pb_sched_stops(sched) && !pb_sched_quits(sched))
        return true;
    pthread_mutex_lock(&sched->lock);
    set_standing(sched, runner, PB_SAFE);
    while (pb_sched_stops(sched) && !pb_sched_quits(sched))
        pthread_cond_wait(&sched->cond, &sched->lock);
    quits = pb_sched_quits(sched);
    if (!quits)
        __atomic_store_n(&runner->standing, PB_EXECUTING, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&sched->lock);
    return !quits;
}

static bool may_execute(pb_runner *runner)
{
    if (runner->held || !pb_runner_powered(runner))
        return false;
    if (runner->idle && runner->ops->has_work(runner->self))
        runner->idle = false;
    return !runner->idle;
}

static bool take_awake(pb_runner *runner)
{
    return __atomic_exchange_n(&runner->awake, 0, __ATOMIC_SEQ_CST) != 0;
}

/* Sleeps until somebody wakes the runner. */
static void rest(pb_runner *runner)
{
    pb_sched *sched = runner->sched;

    __atomic_store_n(&runner->resting, 1, __ATOMIC_SEQ_CST);
    if (!may_execute(runner)) { /* rule 4 */
        pthread_mutex_lock(&sched->lock);
        set_standing(sched, runner, PB_SAFE);
        while (!take_awake(runner) && !pb_sched_quits(sched))
            pthread_cond_wait(&runner->cond, &sched->lock);
        pthread_mutex_unlock(&sched->lock);
    }
    __atomic_store_n(&runner->resting, 0, __ATOMIC_SEQ_CST);
}

/* Inside of the guest once. Returns whether the runner wants to rest. */
static bool go(pb_runner *runner)
{
    pb_runner_result result = PB_RUNNER_AGAIN;
    bool rests;

    pb_runner_enter(runner);
    rests = !may_execute(runner);
    if (!rests && !pb_sched_stops(runner->sched)) { /* rule 1 */
        int64_t left;

        result = runner->ops->run(runner->self, INT64_MAX, &left);
    }
    pb_runner_leave(runner);
    if (result == PB_RUNNER_IDLE)
        runner->idle = true;
    if (result == PB_RUNNER_YIELD)
        g_thread_yield();
    return rests || result == PB_RUNNER_IDLE;
}

void *pb_runner_thread(void *opaque)
{
    pb_runner *runner = opaque;

    current = runner;
    while (safe_point(runner)) {
        if (go(runner))
            rest(runner);
    }
    current = NULL;
    return NULL;
}

/* ---- on threads of others ------------------------------------------------------------------------------ */

/* Rule 2. */
static bool begin_on_callers(pb_runner *runner)
{
    __atomic_store_n(&runner->standing, PB_EXECUTING, __ATOMIC_SEQ_CST);
    return safe_point(runner);
}

static void end_on_callers(pb_runner *runner)
{
    pb_sched *sched = runner->sched;

    __atomic_store_n(&runner->standing, PB_SAFE, __ATOMIC_SEQ_CST);
    if (!pb_sched_stops(sched))
        return;
    pthread_mutex_lock(&sched->lock);
    pthread_cond_broadcast(&sched->cond);
    pthread_mutex_unlock(&sched->lock);
}

pb_runner_result pb_runner_go(pb_runner *runner)
{
    pb_runner_result result = PB_RUNNER_AGAIN;
    int64_t left;

    current = runner;
    if (begin_on_callers(runner)) {
        pb_runner_enter(runner);
        if (!pb_sched_stops(runner->sched) && !runner->held) /* rule 1 */
            result = runner->ops->run(runner->self, INT64_MAX, &left);
        pb_runner_leave(runner);
        end_on_callers(runner);
    }
    current = NULL;
    return result;
}

/* Threads that begin and see the stop hold the lock, and count as executing, for a moment. */
void pb_sched_fork_begin(pb_sched *sched)
{
    pthread_mutex_lock(&sched->lock);
}

void pb_sched_fork_end(pb_sched *sched, bool child)
{
    if (!child) {
        pthread_mutex_unlock(&sched->lock);
        return;
    }
    pthread_mutex_init(&sched->lock, NULL);
    pthread_cond_init(&sched->cond, NULL);
    for (uint32_t i = 0; i < pb_runners_count(sched); i++)
        __atomic_store_n(&sched->runners[i]->standing, PB_SAFE, __ATOMIC_SEQ_CST);
}
