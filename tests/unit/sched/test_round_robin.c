/*
 * The round-robin mode: core/sched/round_robin.c. What is executed when is written into a text, which is
 * compared with what it must be, or with another run's.
 */
#include "fake.h"

#define MOST 4

typedef struct group {
    pb_sched *sched;
    fake fakes[MOST];
    uint32_t count;
    GString *text;
    uint64_t end_at; /* instructions of all */
    uint64_t total;
    pb_timer *timer;
} group;

static void note(group *g, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void note(group *g, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(g->text, format, args);
    va_end(args);
}

static unsigned long now(group *g)
{
    return (unsigned long)pb_sched_now_ns(g->sched);
}

static void group_init_with(group *g, uint32_t count, pb_runner_result (*insn)(fake *f),
                            const pb_sched_config *config)
{
    memset(g, 0, sizeof(*g));
    g->sched = pb_sched_new(config);
    g->text = g_string_new(NULL);
    g->count = count;
    for (uint32_t i = 0; i < count; i++) {
        g->fakes[i].index = i;
        g->fakes[i].opaque = g;
        fake_add(&g->fakes[i], g->sched, insn);
    }
}

static void group_init(group *g, uint32_t count, pb_runner_result (*insn)(fake *f))
{
    pb_sched_config config = { .threads = PB_THREADS_ROUND_ROBIN,
                               .ns_per_insn = 10,
                               .slice_insns = 3 };

    group_init_with(g, count, insn, &config);
}

static void group_finish(group *g)
{
    pb_sched_timer_free(g->timer);
    pb_sched_free(g->sched);
    g_string_free(g->text, TRUE);
}

static void run_and_expect(group *g, const char *expected)
{
    CU_ASSERT_EQUAL(pb_sched_run(g->sched), 0);
    if (strcmp(g->text->str, expected) != 0)
        printf("\n    trace is    %s\n    expected is %s\n", g->text->str, expected);
    CU_ASSERT_STRING_EQUAL(g->text->str, expected);
}

static void end_run(group *g)
{
    pb_sched_request(g->sched, PB_MACHINE_POWER_OFF, 0);
}

/* "1@50 ": runner 1 executes an instruction, and time is 50 with it counted. */
static pb_runner_result show(fake *f)
{
    group *g = f->opaque;

    note(g, "%u@%lu ", f->index, now(g));
    if (++g->total == g->end_at)
        end_run(g);
    return 0;
}

static void turns(void)
{
    group g;

    group_init(&g, 2, show);
    g.end_at = 8;
    run_and_expect(&g, "0@10 0@20 0@30 1@40 1@50 1@60 0@70 0@80 ");
    CU_ASSERT_EQUAL(pb_sched_now_ns(g.sched), 80); /* not one instruction after the request */
    g_string_truncate(g.text, 0);
    g.end_at = 12;
    run_and_expect(&g, "0@90 1@100 1@110 1@120 "); /* goes on in the middle of the turn */
    group_finish(&g);
}

static void ring(void *opaque)
{
    group *g = opaque;

    note(g, "ring@%lu ", now(g));
}

static pb_runner_result set_timer(fake *f)
{
    group *g = f->opaque;

    if (g->total == 0)
        pb_timer_set(g->timer, now(g) + 15); /* not a multiple of an instruction */
    if (g->total == 4)
        pb_timer_set(g->timer, now(g)); /* due: after this instruction */
    return show(f);
}

static void timers_between_instructions(void)
{
    pb_sched_config config = { .threads = PB_THREADS_ROUND_ROBIN,
                               .ns_per_insn = 10,
                               .slice_insns = 100 };
    group g;

    group_init_with(&g, 1, set_timer, &config);
    g.timer = pb_sched_timer_new(g.sched, ring, &g);
    g.end_at = 6;
    /* Set at 10 for 25, in the middle of a slice of 100: fires when 30 is reached, before the next. */
    run_and_expect(&g, "0@10 0@20 0@30 ring@30 0@40 0@50 ring@50 0@60 ");
    group_finish(&g);
}

static void timers_do_not_end_a_turn(void)
{
    group g;

    group_init(&g, 2, show);
    g.timer = pb_sched_timer_new(g.sched, ring, &g);
    pb_timer_set(g.timer, 20);
    g.end_at = 6;
    run_and_expect(&g, "0@10 0@20 ring@20 0@30 1@40 1@50 1@60 ");
    group_finish(&g);
}

static pb_runner_result yield_second(fake *f)
{
    show(f);
    return f->executed % 2 == 0 ? PB_RUNNER_YIELD : 0;
}

static void yielding_ends_a_turn(void)
{
    group g;

    group_init(&g, 2, yield_second);
    g.end_at = 7;
    run_and_expect(&g, "0@10 0@20 1@30 1@40 0@50 0@60 1@70 ");
    group_finish(&g);
}

/* Sleeps; the timer wakes it. */
static pb_runner_result sleep_always(fake *f)
{
    group *g = f->opaque;

    __atomic_store_n(&f->pending, 0, __ATOMIC_SEQ_CST);
    if (f->index == 0)
        pb_timer_set(g->timer, now(g) + 1000000);
    show(f);
    return PB_RUNNER_IDLE;
}

static void wake_all(void *opaque)
{
    group *g = opaque;

    ring(g);
    for (uint32_t i = 0; i < g->count; i++) {
        __atomic_store_n(&g->fakes[i].pending, 1, __ATOMIC_SEQ_CST);
        fake_poke(&g->fakes[i]);
    }
}

static void idle_time_is_skipped(void)
{
    group g;

    group_init(&g, 2, sleep_always);
    g.timer = pb_sched_timer_new(g.sched, wake_all, &g);
    g.end_at = 5;
    run_and_expect(&g, "0@10 1@20 ring@1000010 0@1000020 1@1000030 ring@2000020 0@2000030 ");
    group_finish(&g);
}

static void sleeping_ones_are_passed_over(void)
{
    group g;

    group_init(&g, 3, show);
    pb_runner_set_idle(g.fakes[1].runner, true);
    pb_runner_set_powered(g.fakes[0].runner, false);
    g.end_at = 4;
    run_and_expect(&g, "2@10 2@20 2@30 2@40 ");
    group_finish(&g);
}

static pb_runner_result turn_on(fake *f)
{
    group *g = f->opaque;

    if (f->executed == 1 && f->index == 0)
        pb_runner_set_powered(g->fakes[1].runner, true);
    if (f->index == 1)
        pb_runner_set_powered(f->runner, false);
    return show(f);
}

static void power(void)
{
    group g;

    group_init(&g, 2, turn_on);
    pb_runner_set_powered(g.fakes[1].runner, false);
    g.end_at = 6;
    run_and_expect(&g, "0@10 0@20 0@30 1@40 0@50 0@60 ");
    group_finish(&g);
}

static uint64_t counted(void *opaque, uint64_t total)
{
    group *g = opaque;

    CU_ASSERT(pb_sched_devices_locked(g->sched));
    note(g, "[%lu] ", (unsigned long)total);
    return total == 5 ? 10 : 0;
}

static void counting_hook(void)
{
    group g;
    pb_sched_hooks hooks = { .counted = counted, .count_at = 5, .opaque = &g };

    group_init(&g, 2, show);
    pb_sched_set_hooks(g.sched, &hooks);
    g.end_at = 11;
    run_and_expect(&g, "0@10 0@20 0@30 1@40 1@50 [5] 1@60 0@70 0@80 0@90 1@100 [10] 1@110 ");
    group_finish(&g);
}

/* ---- what an instruction asks for -------------------------------------------------------------------- */

static pb_runner_result interrupt_itself(fake *f)
{
    group *g = f->opaque;

    show(f);
    if (g->total == 2) {
        __atomic_store_n(&f->pending, 1, __ATOMIC_SEQ_CST);
        fake_poke(f);
    }
    return 0;
}

static void take_interrupt(fake *f)
{
    group *g = f->opaque;

    if (__atomic_exchange_n(&f->pending, 0, __ATOMIC_SEQ_CST))
        note(g, "irq@%lu ", now(g));
}

/* Units of 100 instructions: it is seen after the instruction all the same, and costs no turn. */
static void own_interrupts_are_exact(void)
{
    group g;

    group_init(&g, 2, interrupt_itself);
    for (uint32_t i = 0; i < g.count; i++) {
        g.fakes[i].unit = 100;
        g.fakes[i].enter = take_interrupt;
    }
    g.end_at = 4;
    run_and_expect(&g, "0@10 0@20 irq@20 0@30 1@40 ");
    group_finish(&g);
}

static pb_runner_result post_to_next(fake *f)
{
    group *g = f->opaque;

    show(f);
    if (g->total == 1) {
        fake_poke(&g->fakes[1]);
        pb_sched_end_slice(g->sched);
    }
    return 0;
}

static void show_work(fake *f, bool nested)
{
    group *g = f->opaque;

    note(g, "work%u@%lu ", f->index, now(g));
}

static void posted_work_is_done_at_once(void)
{
    group g;

    group_init(&g, 2, post_to_next);
    g.fakes[1].work = show_work;
    g.end_at = 4;
    run_and_expect(&g, "0@10 work1@10 0@20 0@30 1@40 work1@40 " /* the end pokes all */);
    group_finish(&g);
}

static void show_fresh(fake *f)
{
    group *g = f->opaque;

    note(g, "fresh%u@%lu ", f->index, now(g));
}

static void caches_are_dropped(void)
{
    pb_sched_config config = {
        .threads = PB_THREADS_ROUND_ROBIN, .ns_per_insn = 10, .slice_insns = 3, .fresh_insns = 4
    };
    group g;

    group_init_with(&g, 2, show, &config);
    g.fakes[0].fresh = g.fakes[1].fresh = show_fresh;
    g.end_at = 8;
    run_and_expect(&g, "0@10 0@20 0@30 1@40 fresh0@40 fresh1@40 1@50 1@60 0@70 0@80 "
                       "fresh0@80 fresh1@80 ");
    group_finish(&g);
}

static void rest(void *opaque)
{
    group *g = opaque;

    CU_ASSERT_FALSE(pb_sched_devices_locked(g->sched));
    note(g, "rest ");
    end_run(g);
}

static pb_runner_result rest_once(fake *f)
{
    group *g = f->opaque;

    if (g->total++ == 0)
        pb_sched_at_rest(g->sched, rest, g);
    return 0;
}

static void at_rest(void)
{
    group g;

    group_init(&g, 2, rest_once);
    run_and_expect(&g, "rest ");
    group_finish(&g);
}

static void on_reset(void *opaque)
{
    group *g = opaque;

    note(g, "reset@%lu ", now(g));
}

static pb_runner_result reset_once(fake *f)
{
    group *g = f->opaque;

    if (g->total == 1)
        pb_sched_request(g->sched, PB_MACHINE_RESET, 0);
    return show(f);
}

static void reset_after_the_instruction(void)
{
    group g;
    pb_sched_hooks hooks = { .reset = on_reset, .opaque = &g };

    group_init(&g, 1, reset_once);
    pb_sched_set_hooks(g.sched, &hooks);
    g.end_at = 4;
    run_and_expect(&g, "0@10 0@20 reset@20 0@30 0@40 ");
    group_finish(&g);
}

static void touch(void *opaque)
{
    ring(opaque);
}

static pb_runner_result exclusive_once(fake *f)
{
    group *g = f->opaque;

    if (g->total == 1)
        pb_sched_exclusive(g->sched, touch, g);
    pb_sched_barrier(g->sched);
    return show(f);
}

static void exclusive_and_barriers_cost_no_time(void)
{
    group g;

    group_init(&g, 2, exclusive_once);
    g.end_at = 4;
    run_and_expect(&g, "0@10 ring@20 0@20 0@30 1@40 ");
    group_finish(&g);
}

static pb_runner_result defer_once(fake *f)
{
    group *g = f->opaque;

    if (g->total == 0)
        pb_sched_defer(g->sched, ring, g);
    if (g->total == 2)
        pb_sched_call_after(g->sched, 0, ring, g);
    return show(f);
}

static void deferred_by_the_guest(void)
{
    group g;

    group_init(&g, 1, defer_once);
    g.end_at = 4;
    run_and_expect(&g, "0@10 ring@10 0@20 0@30 ring@30 0@40 ");
    group_finish(&g);
}

/* ---- the host's doings ----------------------------------------------------------------------------------- */

/* A long run with timers, yields, sleeps and posted work, hashed. */
typedef struct long_run {
    group g;
    uint64_t hash;
    uint32_t pokers_done; /* atomic */
} long_run;

static void mix(long_run *l, uint64_t value)
{
    l->hash = (l->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    l->hash ^= l->hash >> 29;
}

static pb_runner_result mixed(fake *f)
{
    group *g = f->opaque;
    long_run *l = (long_run *)g;
    uint64_t random;

    mix(l, f->index);
    mix(l, pb_sched_now_ns(g->sched));
    __atomic_store_n(&f->pending, 0, __ATOMIC_SEQ_CST);
    if (++g->total == g->end_at)
        end_run(g);
    random = l->hash >> 40;
    if (random % 5 == 0) { /* posts to a runner, perhaps itself */
        fake_poke(&g->fakes[random / 5 % g->count]);
        pb_sched_end_slice(g->sched);
    }
    if (random % 7 == 0)
        pb_timer_set(g->timer, now(g) + random % 300);
    if (random % 11 == 0)
        return PB_RUNNER_YIELD;
    if (random % 13 == 0)
        return PB_RUNNER_IDLE;
    return 0;
}

static void mixed_ring(void *opaque)
{
    group *g = opaque;

    mix(opaque, 77);
    mix(opaque, pb_sched_now_ns(g->sched));
    for (uint32_t i = 0; i < g->count; i++) {
        if (((long_run *)opaque)->hash >> (50 + i) & 1) {
            __atomic_store_n(&g->fakes[i].pending, 1, __ATOMIC_SEQ_CST);
            fake_poke(&g->fakes[i]);
        }
    }
    /* Never asleep for good. */
    pb_timer_set(g->timer, now(g) + 500);
}

static void *poke_all(void *opaque)
{
    long_run *l = opaque;

    while (!__atomic_load_n(&l->pokers_done, __ATOMIC_SEQ_CST)) {
        for (uint32_t i = 0; i < l->g.count; i++)
            fake_poke(&l->g.fakes[i]);
        pb_sched_lock_devices(l->g.sched);
        pb_sched_unlock_devices(l->g.sched);
        pb_sched_pause(l->g.sched);
        pb_sched_resume(l->g.sched);
    }
    return NULL;
}

static uint64_t look_often(void *opaque, uint64_t total)
{
    return total + 1 + total % 17;
}

static uint64_t long_hash(bool disturbed, bool looked_at)
{
    pb_sched_hooks hooks = { .counted = look_often, .count_at = 3 };
    long_run l = { .hash = 1 };
    GThread *thread = NULL;
    uint64_t hash;

    group_init(&l.g, MOST, mixed);
    for (uint32_t i = 0; i < MOST; i++)
        l.g.fakes[i].unit = 9;
    if (looked_at)
        pb_sched_set_hooks(l.g.sched, &hooks);
    l.g.timer = pb_sched_timer_new(l.g.sched, mixed_ring, &l);
    pb_timer_set(l.g.timer, 100);
    l.g.end_at = 60000;
    if (disturbed)
        thread = g_thread_new("poker", poke_all, &l);
    CU_ASSERT_EQUAL(pb_sched_run(l.g.sched), 0);
    __atomic_store_n(&l.pokers_done, 1, __ATOMIC_SEQ_CST);
    if (thread)
        g_thread_join(thread);
    CU_ASSERT_EQUAL(l.g.total, 60000);
    hash = l.hash;
    group_finish(&l.g);
    return hash;
}

static void two_runs_are_equal(void)
{
    uint64_t hash = long_hash(false, false);

    CU_ASSERT_EQUAL(long_hash(false, false), hash);
    CU_ASSERT_EQUAL(long_hash(true, false), hash); /* pokes, pauses and the lock leave no trace */
    CU_ASSERT_EQUAL(long_hash(false, true), hash); /* nor does a hook */
}

static pb_runner_result sleep_for_good(fake *f)
{
    group *g = f->opaque;

    if (++g->total == 2)
        end_run(g);
    __atomic_store_n(&f->pending, 0, __ATOMIC_SEQ_CST);
    return PB_RUNNER_IDLE;
}

static void host_input(void *opaque)
{
    group *g = opaque;

    __atomic_store_n(&g->fakes[0].pending, 1, __ATOMIC_SEQ_CST);
    fake_poke(&g->fakes[0]);
}

static void *give_input(void *opaque)
{
    group *g = opaque;

    while (fake_executed(&g->fakes[0]) == 0)
        g_thread_yield();
    pb_sched_defer(g->sched, host_input, g);
    return NULL;
}

static void the_host_wakes_an_idle_machine(void)
{
    for (int i = 0; i < 500; i++) {
        group g;
        GThread *thread;

        group_init(&g, 1, sleep_for_good);
        thread = g_thread_new("host", give_input, &g);
        CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
        CU_ASSERT_EQUAL(pb_sched_now_ns(g.sched), 20);
        g_thread_join(thread);
        group_finish(&g);
    }
}

static void *end_soon(void *opaque)
{
    group *g = opaque;

    while (fake_executed(&g->fakes[0]) < 1000)
        g_thread_yield();
    end_run(g);
    return NULL;
}

static void a_busy_guest_ends(void)
{
    group g;
    GThread *thread;

    group_init(&g, 2, NULL);
    thread = g_thread_new("host", end_soon, &g);
    CU_ASSERT_EQUAL(pb_sched_run(g.sched), 0);
    g_thread_join(thread);
    group_finish(&g);
}

static void state_goes_on(void)
{
    pb_sched_state state;
    group g;

    group_init(&g, 2, show);
    g.end_at = 4;
    run_and_expect(&g, "0@10 0@20 0@30 1@40 ");
    pb_sched_state_get(g.sched, &state);
    CU_ASSERT_EQUAL(state.insns, 4);
    CU_ASSERT_TRUE(state.end_requested);
    group_finish(&g);

    group_init(&g, 2, show); /* what was switched off stays so */
    pb_sched_state_set(g.sched, &state);
    run_and_expect(&g, "");
    group_finish(&g);

    state.end_requested = false;
    group_init(&g, 2, show);
    pb_sched_state_set(g.sched, &state);
    g.end_at = 3;
    run_and_expect(&g, "1@50 1@60 0@70 ");
    group_finish(&g);
}

int main(void)
{
    static const unit_case cases[] = {
        { "turns", turns },
        { "timers fire between instructions", timers_between_instructions },
        { "timers do not end a turn", timers_do_not_end_a_turn },
        { "yielding ends a turn", yielding_ends_a_turn },
        { "idle time is skipped", idle_time_is_skipped },
        { "sleeping ones are passed over", sleeping_ones_are_passed_over },
        { "power", power },
        { "the counting hook", counting_hook },
        { "own interrupts are exact", own_interrupts_are_exact },
        { "posted work is done at once", posted_work_is_done_at_once },
        { "caches are dropped at multiples", caches_are_dropped },
        { "at rest", at_rest },
        { "reset after the instruction", reset_after_the_instruction },
        { "exclusive sections and barriers cost no time", exclusive_and_barriers_cost_no_time },
        { "calls deferred by the guest", deferred_by_the_guest },
        { "two runs are equal, disturbed or not", two_runs_are_equal },
        { "the host wakes an idle machine", the_host_wakes_an_idle_machine },
        { "a busy guest ends", a_busy_guest_ends },
        { "a snapshot's state goes on", state_goes_on },
        { 0 },
    };

    return unit_run("scheduler: round-robin", cases);
}
