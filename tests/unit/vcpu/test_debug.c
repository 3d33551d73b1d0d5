/*
 * What a debugger asks of vCPUs: core/vcpu/debug.c. What goes into translations is tested with a debugger, in tests/gdb.
 */
#include <core/vcpu/debug.h>

#include "bench.h"

#define MOST_STOPS 16

/* What was told, in order. */
typedef struct stops {
    bench *b;
    uint32_t n;
    pb_debug_stop stop[MOST_STOPS];
    uint64_t executed[MOST_STOPS], retired[MOST_STOPS];
    uint32_t index[MOST_STOPS];
    pb_debug_pace pace; /* how it goes on then */
    uint32_t end_at;    /* the run ends with that stop */
} stops;

static void told(void *opaque, pb_vcpu *v)
{
    stops *s = opaque;

    if (s->n == MOST_STOPS) {
        expect(s->b, false);
        return;
    }
    expect(s->b, pb_vcpu_current() == v && pb_debug_pace_of(v) == PB_DEBUG_FREE);
    s->stop[s->n] = pb_debug_stop_of(v);
    s->executed[s->n] = state_of(v)->executed;
    s->retired[s->n] = v->retired;
    s->index[s->n] = v->index;
    pb_debug_set_pace(v, s->pace);
    if (++s->n == s->end_at)
        end_run(s->b);
}

static void begin(bench *b, stops *s, uint32_t count)
{
    bench_init(b, count);
    *s = (stops){ .b = b, .end_at = 1 };
    pb_cpus_set_debug(b->cpus, told, s);
}

/* ---- watchpoints ------------------------------------------------------------------------------------------- */

#define TAG (UINT64_C(0x5a) << 56)

/* One access after the other; those that are watched are made again when nothing watches any more. */
typedef struct
try {
    bool writes;
    uint64_t gva;
    uint32_t log2;
    uint64_t stops_at; /* 0: it does not */
}
try;

static const try accesses[] = {
    { true, 0x2000, 3, 0 },
    { true, 0x2008, 3, 0x2008 },
    { false, 0x2008, 3, 0 },
    { true, 0x200e, 1, 0x200e },
    { true, 0x2010, 3, 0 },
    { true, 0x200c, 3, 0x200c },
    { true, 0x2005, 2, 0x2008 },
    { false, 0x3ff8, 3, 0x3ffc },
    { false, 0x3ffe, 2, 0x3ffe },
    { true, 0x3ffe, 2, 0 },
    { true, 0x5000, 3, 0x5004 },
    { false, 0x5000, 3, 0x5004 },
    { false, TAG | 0x5000, 3, 0x5004 },
    { true, 0x6000, 3, 0 },
};

static uint32_t access_next(pb_vcpu *v, bench_state *s)
{
    const try *a = &accesses[s->called];
    pb_guest_fault fault = { 0 };
    pb_u128 value = { 0x1122334455667788, 0 };
    pb_mem_result result = a->writes ? v->ops->store(v, a->gva, LOG2(a->log2), value, &fault)
                                     : v->ops->load(v, a->gva, LOG2(a->log2), &value, &fault);

    if (result == PB_MEM_OK) {
        expect(s->b, !a->stops_at);
    } else {
        expect(s->b, a->stops_at && fault.kind == PB_FAULT_DEBUG && fault.gva == a->stops_at);
        s->executed--; /* it is not, and what stopped tells so */
    }
    if (++s->called == G_N_ELEMENTS(accesses))
        end_run(s->b);
    return result == PB_MEM_OK ? 0 : PB_RUN_DEBUG;
}

static bool ignore_tags(pb_vcpu *v, const pb_walk_request *request, pb_translation *out,
                        pb_guest_fault *fault)
{
    out->gpa = request->gva & ~(UINT64_C(0xff) << 56);
    return true;
}

static void watchpoints(void)
{
    const pb_debug_watch watches[] = { { 0x2008, 8, PB_DEBUG_WRITE },
                                       { 0x3ffc, 8, PB_DEBUG_READ },
                                       { 0x5004, 1, PB_DEBUG_ACCESS } };
    uint64_t expected = 0;
    uint32_t n = 0;
    uint8_t byte;
    stops s;
    bench b;

    begin(&b, &s, 1);
    s.end_at = 0;
    b.insn = access_next;
    b.walk = ignore_tags;
    pb_debug_set_watches(b.cpus, watches, G_N_ELEMENTS(watches));
    bench_run_to_end(&b);
    for (uint32_t i = 0; i < G_N_ELEMENTS(accesses); i++) {
        if (!accesses[i].stops_at) {
            expected++;
            continue;
        }
        CU_ASSERT_EQUAL(s.stop[n].gva, accesses[i].stops_at);
        CU_ASSERT_EQUAL(s.retired[n], expected); /* as if it had not been tried */
        n++;
    }
    CU_ASSERT_EQUAL(s.n, n);
    CU_ASSERT_EQUAL(s.stop[0].kind, PB_DEBUG_WRITE);
    CU_ASSERT_EQUAL(s.stop[n - 1].kind, PB_DEBUG_ACCESS);
    CU_ASSERT(pb_vcpu_peek(b.vcpu[0], 0x2008, &byte, 1) && byte == 0); /* nothing was stored */
    CU_ASSERT(pb_vcpu_peek(b.vcpu[0], 0x2000, &byte, 1) && byte == 0x88);
    CU_ASSERT(pb_vcpu_poke(b.vcpu[0], 0x2008, &byte, 1)); /* by debuggers: not watched */
    CU_ASSERT_EQUAL(s.n, n);
    bench_finish(&b);
}

static uint32_t store_and_end(pb_vcpu *v, bench_state *s)
{
    store(v, 0x2008, LOG2(3), 7);
    end_run(s->b);
    return 0;
}

static void watchpoints_go_away(void)
{
    const pb_debug_watch watch = { 0x2008, 8, PB_DEBUG_WRITE };
    stops s;
    bench b;

    begin(&b, &s, 1);
    b.insn = store_and_end;
    pb_debug_set_watches(b.cpus, &watch, 1);
    pb_debug_set_watches(b.cpus, NULL, 0);
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(s.n, 0);
    bench_finish(&b);
}

/* ---- steps and breakpoints ------------------------------------------------------------------------------------ */

/* As a unit of one instruction does. */
static uint32_t one(pb_vcpu *v, bench_state *s)
{
    return PB_RUN_DEBUG;
}

static void steps(void)
{
    stops s;
    bench b;

    begin(&b, &s, 1);
    s.end_at = 5;
    s.pace = PB_DEBUG_STEPS;
    b.insn = one;
    pb_debug_set_pace(b.vcpu[0], PB_DEBUG_STEPS);
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(s.n, 5);
    for (uint32_t i = 0; i < s.n; i++) {
        CU_ASSERT_EQUAL(s.stop[i].kind, PB_DEBUG_STEP);
        CU_ASSERT_EQUAL(s.executed[i], i + 1);
    }
    bench_finish(&b);
}

/* Into the interrupt, before the handler's first instruction; or past it, which stays. */
static void steps_and_interrupts(void)
{
    for (pb_debug_pace pace = PB_DEBUG_STEPS; pace <= PB_DEBUG_QUIETLY; pace++) {
        bool quiet = pace == PB_DEBUG_QUIETLY;
        stops s;
        bench b;

        begin(&b, &s, 1);
        b.insn = one;
        state_of(b.vcpu[0])->irq = 1;
        b.vcpu[0]->ops->kick(b.vcpu[0], PB_EXIT_INTERRUPT);
        pb_debug_set_pace(b.vcpu[0], pace);
        bench_run_to_end(&b);
        CU_ASSERT_EQUAL(s.stop[0].kind, PB_DEBUG_STEP);
        CU_ASSERT_EQUAL(s.executed[0], quiet ? 1 : 0);
        CU_ASSERT_EQUAL(state_of(b.vcpu[0])->taken, quiet ? 0 : 1);
        CU_ASSERT_EQUAL((b.vcpu[0]->exit_request & PB_EXIT_INTERRUPT) != 0, quiet);
        bench_finish(&b);
    }
}

/* What the kernel would do has to be done first: who does it tells of the step. */
static uint32_t call(pb_vcpu *v, bench_state *s)
{
    end_run(s->b);
    return PB_RUN_USER;
}

static void steps_into_calls_are_not_over(void)
{
    stops s;
    bench b;

    begin(&b, &s, 1);
    b.insn = call;
    pb_debug_set_pace(b.vcpu[0], PB_DEBUG_STEPS);
    pb_sched_begin(b.sched);
    CU_ASSERT(pb_vcpu_go(b.vcpu[0]));
    pb_sched_end(b.sched);
    CU_ASSERT_EQUAL(s.n, 0);
    CU_ASSERT_EQUAL(pb_debug_pace_of(b.vcpu[0]), PB_DEBUG_STEPS);
    bench_finish(&b);
}

static void a_breakpoint_stops_a_step(void)
{
    const pb_debug_break pcs[] = { { 0x40, 0 }, { 0, PB_DEBUG_ALL } };
    stops s;
    bench b;

    begin(&b, &s, 1);
    b.insn = one;
    pb_debug_set_breaks(b.cpus, pcs, 2, false);
    pb_debug_set_pace(b.vcpu[0], PB_DEBUG_STEPS);
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(s.stop[0].kind, PB_DEBUG_BREAK);
    CU_ASSERT_EQUAL(s.executed[0], 0);
    bench_finish(&b);
}

static uint32_t one_of_ten(pb_vcpu *v, bench_state *s)
{
    if (s->executed == 9)
        end_run(s->b);
    return PB_RUN_DEBUG;
}

/* They are stepped over, and nobody is told. */
static void breakpoints_of_other_clusters(void)
{
    const pb_debug_break at[] = { { 4, 3 }, { 12, 3 }, { 20, 3 }, { 28, 3 }, { 36, 3 } };

    for (uint32_t cluster = 2; cluster <= 3; cluster++) {
        stops s;
        bench b;

        begin(&b, &s, 1);
        s.end_at = 0;
        b.insn = one_of_ten;
        pb_vcpu_set_cluster(b.vcpu[0], cluster);
        pb_debug_set_breaks(b.cpus, at, G_N_ELEMENTS(at), false);
        bench_run_to_end(&b);
        CU_ASSERT_EQUAL(s.n > 0, cluster == 3);
        CU_ASSERT(s.n == 0 || s.stop[0].kind == PB_DEBUG_BREAK);
        bench_finish(&b);
    }
}

/* Only a place that is new drops translations, or one that is forgotten; one that is to come back is neither. */
static void places_drop_translations(void)
{
    const pb_debug_break at[] = { { 0x40, 0 }, { 0x80, 0 }, { 0x40, 1 }, { 0x3000, 0 } };
    stops s;
    bench b;

    begin(&b, &s, 2);
    pb_debug_set_breaks(b.cpus, NULL, 0, false);
    CU_ASSERT_EQUAL(b.drops, 0);
    pb_debug_set_breaks(b.cpus, at, 1, false);
    CU_ASSERT_EQUAL(b.drops, 2);                                  /* of both */
    CU_ASSERT(b.dropped_first == 0x3f && b.dropped_last == 0x40); /* and in front of it */
    pb_debug_set_breaks(b.cpus, at, 1, false);
    pb_debug_set_breaks(b.cpus, NULL, 0, true); /* a step is made */
    pb_debug_set_breaks(b.cpus, at, 1, false);
    CU_ASSERT_EQUAL(b.drops, 2);
    pb_debug_set_breaks(b.cpus, at, 3, false); /* one twice */
    CU_ASSERT_EQUAL(b.drops, 4);
    CU_ASSERT_EQUAL(b.dropped_last, 0x80);
    pb_debug_set_breaks(b.cpus, at + 1, 2, false);
    CU_ASSERT_EQUAL(b.drops, 4);
    pb_debug_set_breaks(b.cpus, NULL, 0, false);
    CU_ASSERT_EQUAL(b.drops, 8);
    pb_debug_set_breaks(b.cpus, at + 3, 1, false);
    CU_ASSERT_EQUAL(b.drops, 10);
    CU_ASSERT(b.dropped_first == 0x3000 &&
              b.dropped_last == 0x3000); /* units end with their page */
    CU_ASSERT_EQUAL(b.flushes, 0);
    bench_finish(&b);
}

/* Very many at once drop everything. */
static void many_places_drop_all(void)
{
    pb_debug_break at[100];
    stops s;
    bench b;

    for (uint32_t i = 0; i < G_N_ELEMENTS(at); i++)
        at[i] = (pb_debug_break){ 0x1000 + 4 * i, 0 };
    begin(&b, &s, 2);
    pb_debug_set_breaks(b.cpus, at, G_N_ELEMENTS(at), false);
    CU_ASSERT_EQUAL(b.drops, 0);
    CU_ASSERT_EQUAL(b.flushes, 2);
    pb_debug_set_breaks(b.cpus, at, G_N_ELEMENTS(at) - 1, false);
    CU_ASSERT_EQUAL(b.drops, 2);
    CU_ASSERT_EQUAL(b.flushes, 2);
    bench_finish(&b);
}

static uint32_t end_after_many(pb_vcpu *v, bench_state *s)
{
    if (s->executed == 1000)
        end_run(s->b);
    return 0;
}

static void who_is_held_stands(void)
{
    stops s;
    bench b;

    begin(&b, &s, 2);
    b.insn = end_after_many;
    pb_debug_hold(b.vcpu[0], true);
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(executed(&b, 0), 0);
    CU_ASSERT(executed(&b, 1) >= 1000);
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "watchpoints", watchpoints },
        { "watchpoints go away", watchpoints_go_away },
        { "steps", steps },
        { "steps and interrupts", steps_and_interrupts },
        { "steps into calls are not over", steps_into_calls_are_not_over },
        { "a breakpoint stops a step", a_breakpoint_stops_a_step },
        { "breakpoints of other clusters", breakpoints_of_other_clusters },
        { "places drop translations", places_drop_translations },
        { "many places drop all", many_places_drop_all },
        { "who is held stands", who_is_held_stands },
        { 0 },
    };

    return unit_run("vCPU: debuggers", cases);
}
