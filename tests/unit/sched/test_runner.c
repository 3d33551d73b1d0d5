/*
 * Parallel runners, the device lock, standing and barriers: core/sched/runner.c, lock.c.
 *
 * Busy runners of these tests never end by themselves: that a test ends shows that pokes arrive.
 */
#include "fake.h"

#define RUNNERS 4

typedef struct group {
    pb_sched *sched;
    fake fakes[RUNNERS];
    uint64_t shared;   /* not atomic: only to be touched while all stand */
    uint32_t failures; /* atomic */
    uint32_t rounds;   /* atomic */
} group;

static void group_init(group *g, pb_runner_result (*insn)(fake *f))
{
    memset(g, 0, sizeof(*g));
    g->sched = new_sched(PB_THREADS_PARALLEL);
    for (uint32_t i = 0; i < RUNNERS; i++) {
        g->fakes[i].index = i;
        g->fakes[i].opaque = g;
        fake_add(&g->fakes[i], g->sched, insn);
    }
}

/* CUnit counts on one thread alone. */
#define expect(g, good) expect_at(g, good, #good, __LINE__)

static void expect_at(group *g, bool good, const char *what, int line)
{
    if (good)
        return;
    __atomic_fetch_add(&g->failures, 1, __ATOMIC_SEQ_CST);
    printf("line %d: not so: %s\n", line, what);
}

static void end_run(group *g)
{
    pb_sched_request(g->sched, PB_MACHINE_POWER_OFF, 0);
}

/* A thread beside the main loop that does something to the machine and then ends the run. */
typedef struct driver {
    group *g;
    void (*drive)(group *g);
} driver;

static void *drive(void *opaque)
{
    driver *d = opaque;

    d->drive(d->g);
    end_run(d->g);
    return NULL;
}

static void run_with(group *g, void (*fn)(group *g))
{
    driver d = { g, fn };
    GThread *thread = g_thread_new("driver", drive, &d);

    CU_ASSERT_EQUAL(pb_sched_run(g->sched), 0);
    g_thread_join(thread);
    CU_ASSERT_EQUAL(g->failures, 0);
    pb_sched_free(g->sched);
}

/* Waits, executing nothing itself, until all runners executed something since the call. */
static void await_progress(group *g)
{
    for (uint32_t i = 0; i < RUNNERS; i++) {
        uint64_t before = fake_executed(&g->fakes[i]);

        while (fake_executed(&g->fakes[i]) == before)
            g_thread_yield();
    }
}

static bool any_inside(const group *g)
{
    for (uint32_t i = 0; i < RUNNERS; i++) {
        if (__atomic_load_n(&g->fakes[i].inside, __ATOMIC_SEQ_CST))
            return true;
    }
    return false;
}

/* ---- shutdown -------------------------------------------------------------------------------------------- */

static void busy_runners_end(void)
{
    group g;

    group_init(&g, NULL);
    run_with(&g, await_progress);
}

static void nothing(group *g) {}

static void an_end_at_once(void)
{
    for (int i = 0; i < 200; i++) {
        group g;

        group_init(&g, NULL);
        run_with(&g, nothing);
    }
}

static pb_runner_result sleep_at_once(fake *f)
{
    return PB_RUNNER_IDLE;
}

static void await_sleep(group *g)
{
    for (uint32_t i = 0; i < RUNNERS; i++) {
        while (fake_executed(&g->fakes[i]) == 0)
            g_thread_yield();
    }
}

static void sleeping_runners_end(void)
{
    group g;

    group_init(&g, sleep_at_once);
    for (uint32_t i = 0; i < RUNNERS; i += 2)
        pb_runner_set_powered(g.fakes[i].runner, false);
    CU_ASSERT_EQUAL(pb_sched_is_running(g.sched), false);
    for (uint32_t i = 0; i < RUNNERS; i += 2)
        g.fakes[i].executed = 1; /* these never will */
    run_with(&g, await_sleep);
}

static pb_runner_result end_itself(fake *f)
{
    end_run(f->opaque);
    return 0;
}

static void a_runner_ends_the_run(void)
{
    group g;

    group_init(&g, end_itself);
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    /* And it can go on afterwards. */
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    pb_sched_free(g.sched);
}

/* ---- pause, exclusive ------------------------------------------------------------------------------------ */

static void pause_and_resume(group *g)
{
    for (int i = 0; i < 100; i++) {
        uint64_t executed[RUNNERS], now;

        pb_sched_pause(g->sched);
        expect(g, !any_inside(g));
        now = pb_sched_now_ns(g->sched);
        for (uint32_t k = 0; k < RUNNERS; k++)
            executed[k] = fake_executed(&g->fakes[k]);
        if (i % 10 == 0) { /* nested */
            pb_sched_pause(g->sched);
            pb_sched_resume(g->sched);
        }
        for (int spin = 0; spin < 10; spin++)
            g_thread_yield();
        for (uint32_t k = 0; k < RUNNERS; k++)
            expect(g, fake_executed(&g->fakes[k]) == executed[k]);
        expect(g, pb_sched_now_ns(g->sched) == now);
        pb_sched_resume(g->sched);
        await_progress(g);
        expect(g, pb_sched_now_ns(g->sched) > now);
    }
}

static void pausing(void)
{
    group g;

    group_init(&g, NULL);
    run_with(&g, pause_and_resume);
}

static void touch_shared(void *opaque)
{
    group *g = opaque;

    expect(g, !any_inside(g));
    g->shared++;
}

static void exclusive_from_outside(group *g)
{
    for (int i = 0; i < 500; i++)
        pb_sched_exclusive(g->sched, touch_shared, g);
    expect(g, g->shared == 500);
    await_progress(g);
}

static void exclusive_over_busy_runners(void)
{
    group g;

    group_init(&g, NULL);
    run_with(&g, exclusive_from_outside);
}

/* Called by runners in the middle of an instruction: the caller's `inside` is set, the others' too if they wait to be
 * the next. None of them executes: the counter needs no atomics. */
static void touch_from_runner(void *opaque)
{
    group *g = opaque;
    uint64_t before = g->shared;

    for (int i = 0; i < 20; i++)
        g_thread_yield();
    expect(g, g->shared == before);
    g->shared = before + 1;
}

static pb_runner_result be_exclusive(fake *f)
{
    group *g = f->opaque;

    if (f->executed % 3 == 0) {
        pb_sched_exclusive(g->sched, touch_from_runner, g);
        if (__atomic_add_fetch(&g->rounds, 1, __ATOMIC_SEQ_CST) == 1000)
            end_run(g);
    }
    return 0;
}

static void runners_exclude_each_other(void)
{
    group g;

    group_init(&g, be_exclusive);
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    CU_ASSERT_EQUAL(g.failures, 0);
    CU_ASSERT_EQUAL(g.shared, g.rounds);
    CU_ASSERT(g.rounds >= 1000);
    pb_sched_free(g.sched);
}

static void pause_against_exclusive(group *g)
{
    while (__atomic_load_n(&g->rounds, __ATOMIC_SEQ_CST) < 500) {
        pb_sched_pause(g->sched);
        expect(g, !any_inside(g)); /* not even in an exclusive section */
        pb_sched_resume(g->sched);
        pb_sched_exclusive(g->sched, touch_from_runner, g);
    }
}

static void pausing_exclusive_runners(void)
{
    group g;

    group_init(&g, be_exclusive);
    run_with(&g, pause_against_exclusive);
}

/* ---- barriers -------------------------------------------------------------------------------------------- */

/* Values that runners cache: they copy them in work() only, and look at the copies in each instruction. Writer w (a
 * runner, or the thread beside them) changes its value, pokes all, waits for the barrier, and then no longer allows
 * older copies. */
#define WRITERS (RUNNERS + 1)

static uint32_t master[WRITERS], allowed[WRITERS], cached[RUNNERS][WRITERS]; /* atomic */

static void refresh(fake *f, bool nested)
{
    for (uint32_t w = 0; w < WRITERS; w++)
        __atomic_store_n(&cached[f->index][w], __atomic_load_n(&master[w], __ATOMIC_SEQ_CST),
                         __ATOMIC_SEQ_CST);
}

static pb_runner_result use_cached(fake *f)
{
    for (uint32_t w = 0; w < WRITERS; w++) {
        uint32_t oldest = __atomic_load_n(&allowed[w], __ATOMIC_SEQ_CST);

        expect(f->opaque, __atomic_load_n(&cached[f->index][w], __ATOMIC_SEQ_CST) >= oldest);
    }
    return 0;
}

static void change_and_wait(group *g, uint32_t w)
{
    uint32_t value = __atomic_add_fetch(&master[w], 1, __ATOMIC_SEQ_CST);

    for (uint32_t i = 0; i < RUNNERS; i++) {
        if (i != w)
            fake_poke(&g->fakes[i]);
    }
    if (w < RUNNERS)
        refresh(&g->fakes[w], true);
    pb_sched_barrier(g->sched);
    __atomic_store_n(&allowed[w], value, __ATOMIC_SEQ_CST);
}

static void group_init_cached(group *g, pb_runner_result (*insn)(fake *f))
{
    memset(master, 0, sizeof(master));
    memset(allowed, 0, sizeof(allowed));
    memset(cached, 0, sizeof(cached));
    group_init(g, insn);
    for (uint32_t i = 0; i < RUNNERS; i++)
        g->fakes[i].work = refresh;
}

static void change_from_outside(group *g)
{
    for (uint32_t i = 0; i < 500; i++) {
        change_and_wait(g, RUNNERS);
        if (i % 50 == 0)
            await_progress(g);
    }
}

static void what_was_posted_is_done(void)
{
    group g;

    group_init_cached(&g, use_cached);
    run_with(&g, change_from_outside);
}

static pb_runner_result use_and_change(fake *f)
{
    group *g = f->opaque;

    use_cached(f);
    if (f->executed % 4 == 0)
        change_and_wait(g, f->index);
    for (uint32_t w = 0; w < RUNNERS; w++) {
        if (__atomic_load_n(&allowed[w], __ATOMIC_SEQ_CST) < 300)
            return 0;
    }
    end_run(g);
    return 0;
}

/* All wait for each other all the time. */
static void barrier_storm(void)
{
    group g;

    group_init_cached(&g, use_and_change);
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    CU_ASSERT_EQUAL(g.failures, 0);
    for (uint32_t i = 0; i < RUNNERS; i++)
        CU_ASSERT(allowed[i] >= 300);
    pb_sched_free(g.sched);
}

static void barriers_over_sleepers(group *g)
{
    await_sleep(g);
    for (int i = 0; i < 100; i++)
        pb_sched_barrier(g->sched); /* they are outside: this returns */
}

static void barriers_do_not_wait_for_sleepers(void)
{
    group g;

    group_init(&g, sleep_at_once);
    run_with(&g, barriers_over_sleepers);
}

static pb_runner_result lock_devices_often(fake *f)
{
    pb_sched_lock_devices(f->sched);
    pb_sched_lock_devices(f->sched);
    ((group *)f->opaque)->shared++;
    pb_sched_unlock_devices(f->sched);
    pb_sched_unlock_devices(f->sched);
    return 0;
}

static void barrier_with_the_lock_held(group *g)
{
    await_progress(g);
    for (int i = 0; i < 300; i++) {
        uint64_t before;

        pb_sched_lock_devices(g->sched);
        before = g->shared;
        for (uint32_t k = 0; k < RUNNERS; k++)
            fake_poke(&g->fakes[k]);
        pb_sched_barrier(g->sched); /* they may all wait for the lock that we hold */
        expect(g, g->shared == before);
        pb_sched_unlock_devices(g->sched);
    }
}

static void waiting_for_the_lock_is_outside(void)
{
    group g;

    group_init(&g, lock_devices_often);
    run_with(&g, barrier_with_the_lock_held);
}

/* ---- the lock -------------------------------------------------------------------------------------------- */

static void lock_is_recursive(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);

    CU_ASSERT_FALSE(pb_sched_devices_locked(sched));
    pb_sched_lock_devices(sched);
    pb_sched_lock_devices(sched);
    pb_sched_unlock_devices(sched);
    CU_ASSERT(pb_sched_devices_locked(sched));
    pb_sched_unlock_devices(sched);
    CU_ASSERT_FALSE(pb_sched_devices_locked(sched));
    pb_sched_free(sched);
}

static void count_under_lock(group *g)
{
    for (int i = 0; i < 20000; i++) {
        pb_sched_lock_devices(g->sched);
        g->shared++;
        g->rounds++;
        pb_sched_unlock_devices(g->sched);
    }
    await_progress(g);
}

static void lock_excludes(void)
{
    group g;
    uint64_t total = 0, shared;

    group_init(&g, lock_devices_often);
    {
        driver d = { &g, count_under_lock };
        GThread *thread = g_thread_new("driver", drive, &d);

        CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
        g_thread_join(thread);
    }
    for (uint32_t i = 0; i < RUNNERS; i++)
        total += fake_executed(&g.fakes[i]);
    shared = g.shared;
    CU_ASSERT_EQUAL(shared, total + 20000);
    pb_sched_free(g.sched);
}

/* ---- idle, power ----------------------------------------------------------------------------------------- */

/* Two runners hand an input to each other and sleep: a lost wake-up would end the test by its time limit. */
static pb_runner_result ping_pong(fake *f)
{
    group *g = f->opaque;
    fake *other = &g->fakes[f->index ^ 1];

    if (!__atomic_exchange_n(&f->pending, 0, __ATOMIC_SEQ_CST))
        return PB_RUNNER_IDLE;
    if (__atomic_add_fetch(&g->rounds, 1, __ATOMIC_SEQ_CST) == 20000)
        end_run(g);
    __atomic_store_n(&other->pending, 1, __ATOMIC_SEQ_CST);
    pb_runner_wake(other->runner);
    return PB_RUNNER_IDLE;
}

static void wake_ups_are_not_lost(void)
{
    group g;

    group_init(&g, ping_pong);
    g.fakes[0].pending = 1;
    g.fakes[2].pending = 1;
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    CU_ASSERT(g.rounds >= 20000);
    pb_sched_free(g.sched);
}

static void poke_sleepers(group *g)
{
    await_sleep(g);
    for (int i = 0; i < 2000; i++)
        fake_poke(&g->fakes[i % RUNNERS]);
    pb_sched_pause(g->sched);
    for (uint32_t i = 0; i < RUNNERS; i++) {
        expect(g, fake_executed(&g->fakes[i]) == 1); /* pokes alone do not end the sleep */
        expect(g, pb_runner_idle(g->fakes[i].runner));
    }
    pb_sched_resume(g->sched);
}

static void pokes_do_not_end_a_sleep(void)
{
    group g;

    group_init(&g, sleep_at_once);
    run_with(&g, poke_sleepers);
}

static pb_runner_result turn_off_itself(fake *f)
{
    pb_runner_set_powered(f->runner, false);
    return 0;
}

static void turn_on_again(group *g)
{
    for (uint64_t i = 1; i <= 2000; i++) {
        fake *f = &g->fakes[i % RUNNERS];
        uint64_t before;

        while (pb_runner_powered(f->runner))
            g_thread_yield();
        before = fake_executed(f);
        pb_runner_set_powered(f->runner, true);
        while (fake_executed(f) == before)
            g_thread_yield();
    }
}

static void power(void)
{
    group g;

    group_init(&g, turn_off_itself);
    run_with(&g, turn_on_again);
}

static void work_reaches_who_is_off(group *g)
{
    for (uint32_t i = 1; i <= 200; i++) {
        __atomic_store_n(&master[RUNNERS], i, __ATOMIC_SEQ_CST);
        fake_poke(&g->fakes[0]);
        while (__atomic_load_n(&cached[0][RUNNERS], __ATOMIC_SEQ_CST) < i)
            g_thread_yield();
    }
    expect(g, fake_executed(&g->fakes[0]) == 0);
}

static void posted_work_while_off(void)
{
    group g;

    group_init_cached(&g, NULL);
    pb_runner_set_powered(g.fakes[0].runner, false);
    run_with(&g, work_reaches_who_is_off);
}

/* ---- reset ----------------------------------------------------------------------------------------------- */

static void on_reset(void *opaque)
{
    group *g = opaque;

    expect(g, !any_inside(g) && pb_sched_devices_locked(g->sched));
    g->shared++;
    if (g->shared == 100)
        end_run(g);
}

static pb_runner_result ask_for_reset(fake *f)
{
    pb_sched_request(f->sched, PB_MACHINE_RESET, 0);
    return 0;
}

static void resets(void)
{
    group g;
    pb_sched_hooks hooks = { .reset = on_reset, .opaque = &g };

    group_init(&g, ask_for_reset);
    pb_sched_set_hooks(g.sched, &hooks);
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    CU_ASSERT_EQUAL(g.failures, 0);
    CU_ASSERT(g.shared >= 100);
    pb_sched_free(g.sched);
}

int main(void)
{
    static const unit_case cases[] = {
        { "the lock is recursive", lock_is_recursive },
        { "the lock excludes", lock_excludes },
        { "busy runners end", busy_runners_end },
        { "an end at once", an_end_at_once },
        { "sleeping and unpowered runners end", sleeping_runners_end },
        { "a runner ends the run", a_runner_ends_the_run },
        { "pausing", pausing },
        { "exclusive over busy runners", exclusive_over_busy_runners },
        { "runners exclude each other", runners_exclude_each_other },
        { "pausing exclusive runners", pausing_exclusive_runners },
        { "barrier storm", barrier_storm },
        { "what was posted is done after a barrier", what_was_posted_is_done },
        { "barriers do not wait for sleepers", barriers_do_not_wait_for_sleepers },
        { "waiting for the lock is outside", waiting_for_the_lock_is_outside },
        { "wake-ups are not lost", wake_ups_are_not_lost },
        { "pokes do not end a sleep", pokes_do_not_end_a_sleep },
        { "power off and on", power },
        { "posted work while off", posted_work_while_off },
        { "resets", resets },
        { 0 },
    };

    return unit_run("scheduler: parallel", cases);
}
