/*
 * Time and timers: core/sched/clock.c.
 */
#include "fake.h"

typedef struct trace {
    pb_sched *sched;
    GString *text;
} trace;

typedef struct alarm_clock {
    trace *t;
    const char *name;
    pb_timer *timer;
    uint64_t period_ns;
    uint32_t repeats;
} alarm_clock;

static void ring(void *opaque)
{
    alarm_clock *a = opaque;

    CU_ASSERT(pb_sched_devices_locked(a->t->sched));
    CU_ASSERT_FALSE(pb_timer_is_set(a->timer));
    g_string_append_printf(a->t->text, "%s@%lu ", a->name,
                           (unsigned long)pb_sched_now_ns(a->t->sched));
    if (a->repeats > 0) {
        a->repeats--;
        pb_timer_set(a->timer, pb_sched_now_ns(a->t->sched) + a->period_ns);
    }
}

static trace trace_new(void)
{
    trace t = { new_sched(PB_THREADS_ROUND_ROBIN), g_string_new(NULL) };

    return t;
}

static void trace_free(trace *t, const char *expected)
{
    if (strcmp(t->text->str, expected) != 0)
        printf("\n    trace is    %s\n    expected is %s\n", t->text->str, expected);
    CU_ASSERT_STRING_EQUAL(t->text->str, expected);
    g_string_free(t->text, TRUE);
    pb_sched_free(t->sched);
}

static alarm_clock *add(trace *t, const char *name)
{
    alarm_clock *a = g_new0(alarm_clock, 1);

    a->t = t;
    a->name = name;
    a->timer = pb_sched_timer_new(t->sched, ring, a);
    return a;
}

static void drop(alarm_clock *a)
{
    pb_sched_timer_free(a->timer);
    g_free(a);
}

static void in_order_of_deadlines(void)
{
    trace t = trace_new();
    alarm_clock *a = add(&t, "a"), *b = add(&t, "b"), *c = add(&t, "c");

    pb_timer_set(a->timer, 300);
    pb_timer_set(b->timer, 100);
    pb_timer_set(c->timer, 200);
    pb_sched_advance(t.sched, 250);
    CU_ASSERT_EQUAL(pb_sched_now_ns(t.sched), 250);
    CU_ASSERT_EQUAL(a->timer->deadline_ns, 300);
    pb_sched_advance(t.sched, 50);
    drop(a);
    drop(b);
    drop(c);
    trace_free(&t, "b@100 c@200 a@300 ");
}

static void equal_deadlines_in_order_of_creation(void)
{
    trace t = trace_new();
    alarm_clock *a = add(&t, "a"), *b = add(&t, "b"), *c = add(&t, "c");

    pb_timer_set(c->timer, 10);
    pb_timer_set(a->timer, 10);
    pb_timer_set(b->timer, 10);
    pb_sched_advance(t.sched, 10);
    drop(a);
    drop(b);
    drop(c);
    trace_free(&t, "a@10 b@10 c@10 ");
}

static void cancelled_and_moved(void)
{
    trace t = trace_new();
    alarm_clock *a = add(&t, "a"), *b = add(&t, "b");

    pb_timer_set(a->timer, 10);
    pb_timer_set(b->timer, 20);
    pb_timer_cancel(a->timer);
    CU_ASSERT_FALSE(pb_timer_is_set(a->timer));
    pb_timer_cancel(a->timer);
    pb_timer_set(b->timer, 40);
    pb_sched_advance(t.sched, 30);
    pb_timer_set(b->timer, 35);
    pb_sched_advance(t.sched, 30);
    pb_timer_set(b->timer, 70);
    pb_timer_set(b->timer, PB_TIMER_OFF);
    pb_sched_advance(t.sched, 30);
    drop(a);
    drop(b);
    trace_free(&t, "b@35 ");
}

static void periodic(void)
{
    trace t = trace_new();
    alarm_clock *a = add(&t, "a"), *b = add(&t, "b");

    a->period_ns = 10;
    a->repeats = 3;
    pb_timer_set(a->timer, 10);
    pb_timer_set(b->timer, 25);
    pb_sched_advance(t.sched, 1000);
    drop(a);
    drop(b);
    trace_free(&t, "a@10 a@20 b@25 a@30 a@40 ");
}

static void in_the_past(void)
{
    trace t = trace_new();
    alarm_clock *a = add(&t, "a");

    pb_sched_advance(t.sched, 100);
    pb_timer_set(a->timer, 50);
    pb_sched_advance(t.sched, 0);
    drop(a);
    trace_free(&t, "a@100 ");
}

static void always_due_does_not_hang(void)
{
    trace t = trace_new();
    alarm_clock *a = add(&t, "a");

    a->repeats = UINT32_MAX; /* with a period of 0 */
    pb_timer_set(a->timer, 5);
    pb_sched_advance(t.sched, 10);
    CU_ASSERT_EQUAL(pb_sched_now_ns(t.sched), 10);
    CU_ASSERT(t.text->len > 100);
    g_string_truncate(t.text, 0);
    drop(a);
    trace_free(&t, "");
}

/* Random sets, moves and cancels against a plain array. */
#define TIMERS 50

static uint64_t expected_at[TIMERS], rang_at[TIMERS];

typedef struct numbered {
    pb_sched *sched;
    uint32_t number;
    uint64_t *last; /* deadlines never go back */
} numbered;

static void ring_numbered(void *opaque)
{
    numbered *n = opaque;

    rang_at[n->number] = pb_sched_now_ns(n->sched);
    CU_ASSERT(rang_at[n->number] >= *n->last);
    *n->last = rang_at[n->number];
}

static void random_against_a_model(void)
{
    pb_sched *sched = new_sched(PB_THREADS_ROUND_ROBIN);
    g_autoptr(GRand) random = g_rand_new_with_seed(4711);
    pb_timer *timers[TIMERS];
    numbered numbers[TIMERS];
    uint64_t last = 0;

    for (uint32_t i = 0; i < TIMERS; i++) {
        numbers[i] = (numbered){ sched, i, &last };
        timers[i] = pb_sched_timer_new(sched, ring_numbered, &numbers[i]);
        expected_at[i] = rang_at[i] = 0;
    }
    for (int round = 0; round < 2000; round++) {
        uint32_t i = (uint32_t)g_rand_int_range(random, 0, TIMERS);
        uint64_t now = pb_sched_now_ns(sched);

        if (g_rand_int_range(random, 0, 4) == 0) {
            pb_timer_cancel(timers[i]);
            expected_at[i] = 0;
        } else {
            expected_at[i] = now + 1 + (uint64_t)g_rand_int_range(random, 0, 1000);
            pb_timer_set(timers[i], expected_at[i]);
        }
        rang_at[i] = 0;
        pb_sched_advance(sched, (uint64_t)g_rand_int_range(random, 0, 60));
        now = pb_sched_now_ns(sched);
        for (uint32_t k = 0; k < TIMERS; k++) {
            uint64_t due = expected_at[k] != 0 && expected_at[k] <= now ? expected_at[k] : 0;

            CU_ASSERT_EQUAL(rang_at[k], due);
        }
    }
    for (uint32_t i = 0; i < TIMERS; i++)
        pb_sched_timer_free(timers[i]);
    pb_sched_free(sched);
}

static void wall_clock_counts_machine_time(void)
{
    pb_sched_config config = { .threads = PB_THREADS_ROUND_ROBIN, .wall_base_s = 1000 };
    pb_sched *sched = pb_sched_new(&config);
    pb_clock *clock = pb_sched_clock(sched);
    pb_sched_state state;

    CU_ASSERT_EQUAL(pb_clock_wall_s(clock), 1000);
    pb_sched_advance(sched, UINT64_C(2500000000));
    CU_ASSERT_EQUAL(pb_clock_wall_s(clock), 1002);
    CU_ASSERT_EQUAL(pb_clock_now_ns(clock), UINT64_C(2500000000));
    pb_sched_state_get(sched, &state);
    pb_sched_free(sched);

    sched = new_sched(PB_THREADS_ROUND_ROBIN);
    pb_sched_state_set(sched, &state);
    CU_ASSERT_EQUAL(pb_clock_wall_s(pb_sched_clock(sched)), 1002);
    CU_ASSERT_EQUAL(pb_sched_now_ns(sched), UINT64_C(2500000000));
    pb_sched_free(sched);
}

static void finish(void *opaque)
{
    pb_sched_request(opaque, PB_MACHINE_POWER_OFF, 3);
}

static void host_timers_end_a_run(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    pb_timer *timer = pb_sched_timer_new(sched, finish, sched);
    uint64_t before = pb_sched_now_ns(sched);

    CU_ASSERT_EQUAL(before, 0); /* time stands until the machine runs */
    pb_timer_set(timer, 1000000);
    CU_ASSERT_EQUAL(pb_sched_run(sched), 3);
    CU_ASSERT(pb_sched_now_ns(sched) >= 1000000);
    before = pb_sched_now_ns(sched);
    CU_ASSERT_EQUAL(pb_sched_now_ns(sched), before); /* and after it */
    pb_timer_set(timer, before + 1);
    CU_ASSERT_EQUAL(pb_sched_run(sched), 3); /* goes on where it stood */
    CU_ASSERT(pb_sched_now_ns(sched) > before);
    pb_sched_timer_free(timer);
    pb_sched_free(sched);
}

static void an_earlier_timer_wakes_earlier(void)
{
    pb_sched *sched = new_sched(PB_THREADS_PARALLEL);
    pb_timer *late = pb_sched_timer_new(sched, finish, NULL); /* would crash */
    pb_timer *early = pb_sched_timer_new(sched, finish, sched);

    pb_timer_set(late, UINT64_MAX - 1);
    pb_timer_set(early, 1);
    CU_ASSERT_EQUAL(pb_sched_run(sched), 3);
    CU_ASSERT(pb_timer_is_set(late));
    pb_sched_timer_free(late);
    pb_sched_timer_free(early);
    pb_sched_free(sched);
}

int main(void)
{
    static const unit_case cases[] = {
        { "in order of deadlines", in_order_of_deadlines },
        { "equal deadlines in order of creation", equal_deadlines_in_order_of_creation },
        { "cancelled and moved", cancelled_and_moved },
        { "periodic", periodic },
        { "in the past", in_the_past },
        { "a timer that is always due does not hang", always_due_does_not_hang },
        { "random, against a model", random_against_a_model },
        { "the wall clock counts machine time", wall_clock_counts_machine_time },
        { "host timers end a run", host_timers_end_a_run },
        { "an earlier timer wakes earlier", an_earlier_timer_wakes_earlier },
        { 0 },
    };

    return unit_run("scheduler: time", cases);
}
