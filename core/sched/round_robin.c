/*
 * The round-robin mode: all runners on one thread, time from instructions.
 *
 * 1. The thread holds the device lock while it executes and fires timers. It gives it away at
 *    boundaries between turns, while it has nothing to do, and while somebody wants it to stand. So what other
 *    threads do to the machine, they do there.
 * 2. A turn has slice_insns instructions. It is executed in slices that end where a timer is due, where the
 *    counting hook is, and where the turn ends; a turn that is cut by a timer goes on after it. So what
 *    is executed between two timers does not depend on who else has timers.
 * 3. A timer set during a slice to a time inside of it cuts the budget of the runner, which is exact in every
 *    MMIO access and helper call.
 * 4. rr_now_ns is the time at the last boundary. The running thread adds what the runner executed since.
 * 5. A runner that comes back early because it was poked (by another thread, at any time) goes on with
 *    what is left: pokes change nothing that a guest can see.
 * 6. Nor does it show where a slice ends, or a unit of code begins: an instruction that wakes its own runner (a register
 *    of a device raises an interrupt) or posts work to others ends its slice, and all posted work is done between
 *    slices. So one may stop at any instruction to look, to hash, to save, and the run is the same.
 * 7. At multiples of fresh_insns runners drop their translations. A guest may change its page tables and not say so;
 *    it then sees the old ones for a time that depends on caches, and these do not survive a snapshot. A run that goes on
 *    from such a multiple has the caches that the saved run had, none.
 */
#include <core/sched/internal.h>

#define MOST_ROUNDS 1000

bool pb_rr_is_runner_thread(const pb_sched *sched)
{
    return sched->config.threads == PB_THREADS_ROUND_ROBIN &&
           __atomic_load_n(&sched->rr_thread, __ATOMIC_SEQ_CST) == g_thread_self();
}

/* The runner that executes now on this thread, or null. */
static pb_runner *executing(const pb_sched *sched)
{
    pb_runner *runner = pb_runner_current();

    return runner && runner->sched == sched && runner->guest ? runner : NULL;
}

static uint64_t boundary_ns(const pb_sched *sched)
{
    return __atomic_load_n(&sched->rr_now_ns, __ATOMIC_SEQ_CST);
}

static void set_boundary_ns(pb_sched *sched, uint64_t now_ns)
{
    __atomic_store_n(&sched->rr_now_ns, now_ns, __ATOMIC_SEQ_CST);
}

/* Machine time of some instructions, at most what is left of time. */
static uint64_t ns_of(const pb_sched *sched, uint64_t insns)
{
    return insns * sched->config.ns_per_insn;
}

uint64_t pb_rr_now_ns(pb_sched *sched)
{
    const pb_runner *runner = executing(sched);
    int64_t done;

    if (!runner)
        return boundary_ns(sched);
    done = sched->rr_budget - runner->ops->left(runner->self);
    return boundary_ns(sched) + ns_of(sched, (uint64_t)MAX(done, 0));
}

/* ---- cutting ----------------------------------------------------------------------------------------- */

static void cut_to(pb_sched *sched, const pb_runner *runner, int64_t left)
{
    int64_t now_left = runner->ops->left(runner->self);

    if (left >= now_left)
        return;
    runner->ops->cut(runner->self, left);
    sched->rr_budget -= now_left - left;
}

void pb_rr_cut(pb_sched *sched)
{
    const pb_runner *runner = executing(sched);

    if (runner)
        cut_to(sched, runner, 0);
}

void pb_sched_end_slice(pb_sched *sched)
{
    if (pb_rr_is_runner_thread(sched))
        pb_rr_cut(sched);
}

/* Instructions until a time, rounded up. */
static int64_t insns_until(const pb_sched *sched, uint64_t now_ns, uint64_t deadline_ns)
{
    uint64_t ns_per_insn = sched->config.ns_per_insn;
    uint64_t ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;

    return (int64_t)MIN(ns / ns_per_insn + (ns % ns_per_insn != 0), INT64_MAX);
}

void pb_rr_deadline(pb_sched *sched, uint64_t deadline_ns)
{
    const pb_runner *runner = executing(sched);

    if (runner)
        cut_to(sched, runner, insns_until(sched, pb_rr_now_ns(sched), deadline_ns));
    else
        pb_rr_wake(sched);
}

/* ---- standing and waiting ------------------------------------------------------------------------------ */

void pb_rr_wake(pb_sched *sched)
{
    __atomic_store_n(&sched->rr_awake, 1, __ATOMIC_SEQ_CST);
    if (pb_rr_is_runner_thread(sched))
        return;
    pthread_mutex_lock(&sched->lock);
    pthread_cond_signal(&sched->rr_cond);
    pthread_mutex_unlock(&sched->lock);
}

/* Takes the device lock and starts to execute, as soon as nobody wants the thread to stand. False: it
 * shall end, without the lock. */
static bool begin(pb_sched *sched)
{
    for (;;) {
        bool may;

        pb_sched_lock_devices(sched);
        pthread_mutex_lock(&sched->lock);
        may = !pb_sched_stops(sched) && !pb_sched_quits(sched);
        if (may)
            sched->rr_standing = PB_EXECUTING;
        pthread_mutex_unlock(&sched->lock);
        if (may)
            return true;
        pb_sched_unlock_devices(sched);
        pthread_mutex_lock(&sched->lock);
        while (pb_sched_stops(sched) && !pb_sched_quits(sched))
            pthread_cond_wait(&sched->cond, &sched->lock);
        pthread_mutex_unlock(&sched->lock);
        if (pb_sched_quits(sched))
            return false;
    }
}

/* The opposite. */
static void end(pb_sched *sched)
{
    pthread_mutex_lock(&sched->lock);
    sched->rr_standing = PB_SAFE;
    pthread_cond_broadcast(&sched->cond);
    pthread_mutex_unlock(&sched->lock);
    pb_sched_unlock_devices(sched);
}

/* Lets other threads at the machine. */
static bool give_way(pb_sched *sched)
{
    end(sched);
    pb_lock_give_way(sched);
    return begin(sched);
}

/* Nothing to execute and no timer: sleeps until a thread changes that. */
static bool wait_for_host(pb_sched *sched)
{
    end(sched);
    pthread_mutex_lock(&sched->lock);
    while (!__atomic_load_n(&sched->rr_awake, __ATOMIC_SEQ_CST) && !pb_sched_stops(sched) &&
           !pb_sched_quits(sched))
        pthread_cond_wait(&sched->rr_cond, &sched->lock);
    pthread_mutex_unlock(&sched->lock);
    return begin(sched);
}

/* ---- turns --------------------------------------------------------------------------------------------- */

/* What was posted to runners since they last looked. */
static void do_work(pb_sched *sched)
{
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        pb_runner *runner = sched->runners[i];

        if (!__atomic_exchange_n(&runner->awake, 0, __ATOMIC_SEQ_CST))
            continue;
        pb_runner_set_current(runner);
        sched->rr_budget = runner->ops->left(runner->self); /* no time passes in work() */
        pb_runner_enter(runner);
        pb_runner_leave(runner);
        pb_runner_set_current(NULL);
    }
}

static bool may_execute(pb_runner *runner)
{
    if (runner->held || !pb_runner_powered(runner))
        return false;
    if (runner->idle && runner->ops->has_work(runner->self))
        runner->idle = false;
    return !runner->idle;
}

/* Length of the next slice: to the end of the turn, the next timer, the hook, or when caches are dropped. At least 1,
 * so that a timer that is always due cannot stop the guest. */
static int64_t slice_length(pb_sched *sched)
{
    uint64_t insns = sched->rr_insns, fresh_insns = sched->config.fresh_insns;
    int64_t length = sched->rr_turn_left;
    uint64_t deadline = pb_clock_next_deadline(sched);

    if (deadline != PB_TIMER_OFF)
        length = MIN(length, insns_until(sched, boundary_ns(sched), deadline));
    length = (int64_t)MIN((uint64_t)length, fresh_insns - insns % fresh_insns);
    if (sched->hooks.count_at > insns)
        length = (int64_t)MIN((uint64_t)length, sched->hooks.count_at - insns);
    return MAX(length, 1);
}

static void make_fresh(pb_sched *sched)
{
    for (uint32_t i = 0; i < pb_runners_count(sched); i++) {
        pb_runner *runner = sched->runners[i];

        if (runner->ops->fresh)
            runner->ops->fresh(runner->self);
    }
}

/* What comes at counts of instructions, after some were executed. */
static void at_count(pb_sched *sched)
{
    if (sched->rr_insns % sched->config.fresh_insns == 0)
        make_fresh(sched);
    if (sched->hooks.counted && sched->rr_insns == sched->hooks.count_at)
        sched->hooks.count_at = sched->hooks.counted(sched->hooks.opaque, sched->rr_insns);
}

static void run_slice(pb_sched *sched, pb_runner *runner)
{
    pb_runner_result result = PB_RUNNER_AGAIN;
    int64_t length = slice_length(sched), left = length;
    uint64_t done;

    pb_runner_set_current(runner);
    __atomic_store_n(&runner->guest, 1, __ATOMIC_SEQ_CST);
    sched->rr_budget = length;
    result = runner->ops->run(runner->self, length, &left);
    pb_runner_leave(runner);
    pb_runner_set_current(NULL);

    done = (uint64_t)MAX(sched->rr_budget - left, 0);
    set_boundary_ns(sched, boundary_ns(sched) + ns_of(sched, done));
    sched->rr_insns += done;
    sched->rr_turn_left -= (uint32_t)MIN(done, sched->rr_turn_left);
    runner->idle = result == PB_RUNNER_IDLE;
    if (result != PB_RUNNER_AGAIN)
        sched->rr_turn_left = 0;
    do_work(sched);
    if (done > 0)
        at_count(sched);
}

/* No runner executes: go to the next timer, or wait. False: the thread shall end. */
static bool idle(pb_sched *sched)
{
    uint64_t deadline = pb_clock_next_deadline(sched);

    if (deadline == PB_TIMER_OFF)
        return wait_for_host(sched);
    set_boundary_ns(sched, MAX(deadline, boundary_ns(sched)));
    return give_way(sched);
}

static void next_turn(pb_sched *sched)
{
    sched->rr_turn = (sched->rr_turn + 1) % pb_runners_count(sched);
    sched->rr_turn_left = sched->config.slice_insns;
}

/* The runner that goes on: the one whose turn it is, or the next that has something to execute. If none
 * has, the turn stays where it is: how often the host looks must not show. */
static pb_runner *choose(pb_sched *sched)
{
    uint32_t count = pb_runners_count(sched);
    uint32_t turn = sched->rr_turn, turn_left = sched->rr_turn_left;

    if (count > 0 && turn_left == 0)
        next_turn(sched);
    for (uint32_t i = 0; i < count; i++) {
        pb_runner *runner = sched->runners[sched->rr_turn];

        if (may_execute(runner))
            return runner;
        next_turn(sched);
    }
    sched->rr_turn = turn;
    sched->rr_turn_left = turn_left;
    return NULL;
}

void *pb_rr_thread(void *opaque)
{
    pb_sched *sched = opaque;
    bool goes_on;

    __atomic_store_n(&sched->rr_thread, g_thread_self(), __ATOMIC_SEQ_CST);
    goes_on = begin(sched);
    while (goes_on) {
        pb_runner *runner;

        __atomic_store_n(&sched->rr_awake, 0, __ATOMIC_SEQ_CST);
        pb_clock_fire(sched);
        do_work(sched);
        if (pb_sched_stops(sched) || pb_sched_quits(sched)) {
            goes_on = give_way(sched);
            continue;
        }
        runner = choose(sched);
        if (!runner) {
            goes_on = idle(sched);
            continue;
        }
        run_slice(sched, runner);
        if (sched->rr_turn_left == 0)
            goes_on = give_way(sched);
    }
    __atomic_store_n(&sched->rr_thread, NULL, __ATOMIC_SEQ_CST);
    return NULL;
}

void pb_sched_advance(pb_sched *sched, uint64_t ns)
{
    uint64_t end_ns = boundary_ns(sched) + ns;
    uint32_t rounds = 0; /* that did not move time: a timer set to the past by its own expiry */

    g_assert(sched->config.threads == PB_THREADS_ROUND_ROBIN && !sched->running);
    pb_sched_lock_devices(sched);
    while (rounds < MOST_ROUNDS) {
        uint64_t deadline = pb_clock_next_deadline(sched);

        if (deadline > end_ns || deadline == PB_TIMER_OFF)
            break;
        rounds = deadline > boundary_ns(sched) ? 0 : rounds + 1;
        set_boundary_ns(sched, MAX(deadline, boundary_ns(sched)));
        pb_clock_fire(sched);
    }
    set_boundary_ns(sched, end_ns);
    pb_sched_unlock_devices(sched);
}
