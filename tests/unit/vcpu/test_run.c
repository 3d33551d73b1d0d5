/*
 * Running vCPUs: core/vcpu/run.c, vcpu.c.
 */
#include "bench.h"

static void end_at(pb_vcpu *v, bench_state *s, uint64_t count)
{
    if (s->executed + 1 == count)
        end_run(s->b);
}

static uint32_t nothing(pb_vcpu *v, bench_state *s)
{
    return 0;
}

static void *end_from_outside(void *opaque)
{
    bench *b = opaque;

    for (uint32_t i = 0; i < b->count; i++) {
        while (executed(b, i) < 1000)
            g_thread_yield();
    }
    end_run(b);
    return NULL;
}

static void spinning_guests_end(void)
{
    GThread *thread;
    bench b;

    bench_init(&b, 4);
    b.insn = nothing;
    thread = g_thread_new("host", end_from_outside, &b);
    bench_run_to_end(&b);
    g_thread_join(thread);
    CU_ASSERT(b.vcpu[0]->retired >= 1000);
    bench_finish(&b);
}

/* ---- interrupts ------------------------------------------------------------------------------------------ */

static uint32_t interrupt_itself(pb_vcpu *v, bench_state *s)
{
    if (s->executed % 10 == 0) {
        expect(s->b, s->taken == s->executed / 10);
        __atomic_store_n(&s->irq, 1, __ATOMIC_SEQ_CST);
        v->ops->kick(v, PB_EXIT_INTERRUPT);
    } else if (s->executed % 10 == 1) {
        expect(s->b, s->taken == s->executed / 10 + 1); /* taken before this instruction */
        __atomic_store_n(&s->irq, 0, __ATOMIC_SEQ_CST);
    }
    end_at(v, s, 1000);
    return 0;
}

static void interrupts_come_before_the_next_instruction(void)
{
    bench b;

    bench_init(&b, 1);
    b.insn = interrupt_itself;
    bench_run_to_end(&b);
    bench_finish(&b);
}

/* Two vCPUs wake each other from WFI. */
static uint32_t hand_over(pb_vcpu *v, bench_state *s)
{
    pb_vcpu *peer = v->ops->vcpu_at(v, v->index ^ 1);

    if (!__atomic_exchange_n(&s->irq, 0, __ATOMIC_SEQ_CST))
        return PB_RUN_IDLE;
    if (__atomic_add_fetch(&s->b->rounds, 1, __ATOMIC_SEQ_CST) == 10000)
        end_run(s->b);
    __atomic_store_n(&state_of(peer)->irq, 1, __ATOMIC_SEQ_CST);
    v->ops->kick(peer, PB_EXIT_INTERRUPT);
    return PB_RUN_IDLE;
}

static void waking_from_wfi(void)
{
    bench b;

    bench_init(&b, 2);
    state_of(b.vcpu[0])->irq = 1;
    b.insn = hand_over;
    bench_run_to_end(&b);
    CU_ASSERT(b.rounds >= 10000);
    CU_ASSERT(executed(&b, 0) + executed(&b, 1) < 21000); /* they slept in between */
    bench_finish(&b);
}

/* ---- calls and power ------------------------------------------------------------------------------------- */

static void note_call(pb_vcpu *target, uint64_t argument)
{
    bench_state *s = state_of(target);

    expect(s->b, pb_vcpu_current() == target);
    s->called = argument;
    __atomic_fetch_add(&s->b->rounds, 1, __ATOMIC_SEQ_CST);
}

static uint32_t call_others(pb_vcpu *v, bench_state *s)
{
    if (v->index == 0 && s->executed < 300)
        v->ops->run_on(v->ops->vcpu_at(v, 1 + s->executed % 3), note_call, s->executed);
    if (v->index == 0 && __atomic_load_n(&s->b->rounds, __ATOMIC_SEQ_CST) == 300)
        end_run(s->b);
    return v->index == 1 ? PB_RUN_IDLE : 0;
}

static void calls_reach_busy_sleeping_and_unpowered_ones(void)
{
    bench b;

    bench_init(&b, 4);
    pb_vcpu_reset(b.vcpu[2], false);
    b.insn = call_others;
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(b.rounds, 300);
    CU_ASSERT_EQUAL(state_of(b.vcpu[1])->called, 297);
    CU_ASSERT_EQUAL(state_of(b.vcpu[2])->called, 298);
    CU_ASSERT_EQUAL(executed(&b, 2), 0);
    bench_finish(&b);
}

static void start_at(pb_vcpu *target, uint64_t argument)
{
    state_of(target)->pc = argument;
}

/* As PSCI does: CPU_ON of others that are off, CPU_OFF of oneself. */
static uint32_t psci(pb_vcpu *v, bench_state *s)
{
    pb_vcpu *peer = v->ops->vcpu_at(v, 1);

    if (v->index == 1) {
        expect(s->b, s->pc == 0x1004); /* the first instruction after the start */
        v->ops->set_powered(v, false);
        v->leave_reason = PB_RUN_POWER_OFF;
        v->unwind = 1;
        return 0;
    }
    if (!v->ops->powered(peer)) {
        v->ops->run_on(peer, start_at, 0x1000);
        v->ops->set_powered(peer, true);
        if (++s->b->rounds == 3000)
            end_run(s->b);
    }
    return 0;
}

static void power(void)
{
    bench b;

    bench_init(&b, 2);
    pb_vcpu_reset(b.vcpu[1], false);
    b.insn = psci;
    bench_run_to_end(&b);
    bench_finish(&b);
}

static uint32_t power_off_by_reason(pb_vcpu *v, bench_state *s)
{
    if (v->index == 1)
        return PB_RUN_POWER_OFF;
    if (!v->ops->powered(v->ops->vcpu_at(v, 1)))
        end_run(s->b);
    return 0;
}

static void power_off_by_the_reason_alone(void)
{
    bench b;

    bench_init(&b, 2);
    b.insn = power_off_by_reason;
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(executed(&b, 1), 1);
    bench_finish(&b);
}

static void stopped(void *opaque, pb_vcpu *vcpu)
{
    bench *b = opaque;

    if (++b->rounds == 5)
        end_run(b);
}

static uint32_t breakpoint(pb_vcpu *v, bench_state *s)
{
    return PB_RUN_DEBUG;
}

static void debugger(void)
{
    bench b;

    bench_init(&b, 1);
    pb_cpus_set_debug(b.cpus, stopped, &b);
    b.insn = breakpoint;
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(b.rounds, 5);
    bench_finish(&b);
}

/* ---- counted --------------------------------------------------------------------------------------------- */

static void bench_init_counted(bench *b, uint32_t count)
{
    pb_sched_config config = {
        .threads = PB_THREADS_ROUND_ROBIN, .wall_base_s = 0, .ns_per_insn = 10, .slice_insns = 1000
    };

    bench_init_with(b, count, &config);
}

static pb_timer *timer;

static void raise_irq(void *opaque)
{
    bench *b = opaque;

    __atomic_store_n(&state_of(b->vcpu[0])->irq, 1, __ATOMIC_SEQ_CST);
    b->vcpu[0]->ops->kick(b->vcpu[0], PB_EXIT_INTERRUPT);
}

static void set_by_device(bench *b, uint64_t value)
{
    pb_timer_set(timer, pb_sched_now_ns(b->sched) + value);
}

/* Instruction 5 programs a timer for 70 ns later through a device: the interrupt is taken after instruction 12. */
static uint32_t program_timer(pb_vcpu *v, bench_state *s)
{
    uint64_t number = s->executed + 1;
    pb_clock *clock = v->ops->clock(v);

    expect(s->b, pb_clock_now_ns(clock) == number * 10);
    if (number == 5)
        store(v, DEVICE, LOG2(3), 70);
    expect(s->b, s->taken == (number > 12));
    if (number == 13)
        s->irq = 0;
    end_at(v, s, 20);
    return 0;
}

static void timers_are_exact(void)
{
    bench b;

    bench_init_counted(&b, 1);
    timer = pb_sched_timer_new(b.sched, raise_irq, &b);
    b.on_device_write = set_by_device;
    b.insn = program_timer;
    bench_run_to_end(&b);
    CU_ASSERT_EQUAL(b.vcpu[0]->retired, 20);
    CU_ASSERT_EQUAL(pb_sched_now_ns(b.sched), 200);
    CU_ASSERT_EQUAL(state_of(b.vcpu[0])->taken, 1);
    pb_sched_timer_free(timer);
    bench_finish(&b);
}

/* The same storm of calls, flushes and interrupts, twice. */
static uint32_t mixed(pb_vcpu *v, bench_state *s)
{
    uint64_t *hash = s->b->cpus ? s->opaque : NULL;
    pb_vcpu *peer = v->ops->vcpu_at(v, (v->index + 1) % 3);

    *hash =
        (*hash ^ (v->index + 3 * pb_clock_now_ns(v->ops->clock(v)))) * UINT64_C(0x9e3779b97f4a7c15);
    *hash ^= *hash >> 31;
    s->irq = 0;
    store(v, 0x2000 + (*hash >> 45) % 0x8000, LOG2(3), *hash);
    if (*hash % 5 == 0) {
        __atomic_store_n(&state_of(peer)->irq, 1, __ATOMIC_SEQ_CST);
        v->ops->kick(peer, PB_EXIT_INTERRUPT);
    }
    if (*hash % 7 == 0) {
        v->ops->tlb_flush(v, 1, PB_SCOPE_ALL);
        v->ops->tlb_sync(v);
    }
    if (*hash % 11 == 0)
        store(v, DEVICE, LOG2(3), *hash % 5000);
    end_at(v, s, 20000);
    if (*hash % 13 == 0 && v->index != 0)
        return PB_RUN_IDLE;
    return *hash % 17 == 0 ? PB_RUN_YIELD : 0;
}

static uint64_t run_mixed(void)
{
    uint64_t hash = 1;
    bench b;

    bench_init_counted(&b, 3);
    timer = pb_sched_timer_new(b.sched, raise_irq, &b);
    b.on_device_write = set_by_device;
    for (uint32_t i = 0; i < 3; i++)
        state_of(b.vcpu[i])->opaque = &hash;
    b.insn = mixed;
    bench_run_to_end(&b);
    for (uint32_t i = 0; i < RAM_BYTES; i += 8)
        hash = hash * 31 + load(b.vcpu[0], i, LOG2(3));
    for (uint32_t i = 0; i < 3; i++)
        hash = hash * 31 + b.vcpu[i]->retired + state_of(b.vcpu[i])->taken;
    pb_sched_timer_free(timer);
    bench_finish(&b);
    return hash;
}

static void counted_runs_are_equal(void)
{
    uint64_t hash = run_mixed();

    CU_ASSERT_EQUAL(run_mixed(), hash);
    CU_ASSERT_EQUAL(run_mixed(), hash);
}

static uint32_t load_and_count(pb_vcpu *vcpu, bench_state *s)
{
    pb_guest_fault fault;
    pb_u128 value;

    vcpu->ops->load(vcpu, 0x5000, LOG2(3), &value, &fault);
    if (s->executed == 2500)
        end_run(s->b);
    return 0;
}

/* Now and then translations are asked for anew, as after a snapshot was loaded. */
static void translations_are_dropped(void)
{
    pb_sched_config config = { .threads = PB_THREADS_ROUND_ROBIN, .fresh_insns = 1000 };
    bench b;

    bench_init_with(&b, 1, &config);
    b.insn = load_and_count;
    pb_sched_run(b.sched);
    CU_ASSERT_EQUAL(state_of(b.vcpu[0])->walks, 3);
    bench_finish(&b);
}

/* ---- reset, snapshots ------------------------------------------------------------------------------------ */

static void saving_and_loading(void)
{
    bench b;
    pb_vcpu_saved saved;
    pb_u128 value;
    pb_guest_fault fault;
    pb_vcpu *v, *other;

    bench_init(&b, 2);
    v = b.vcpu[0];
    other = b.vcpu[1];
    store(v, 0x2000, LOG2(3), 5);
    v->ops->ldx(v, 0x2000, LOG2(3), &value, &fault);
    v->retired = 77;
    v->ops->kick(v, PB_EXIT_INTERRUPT);
    pb_vcpu_save(v, &saved);
    CU_ASSERT(saved.powered && !saved.idle && saved.interrupt);
    saved.idle = true;
    pb_vcpu_load(other, &saved);
    CU_ASSERT_EQUAL(other->retired, 77);
    CU_ASSERT(other->exit_request & PB_EXIT_INTERRUPT);
    CU_ASSERT_EQUAL(other->ops->stx(other, 0x2000, LOG2(3), (pb_u128){ 6, 0 }, &fault), PB_MEM_OK);
    pb_vcpu_save(other, &saved);
    CU_ASSERT(saved.idle);
    pb_vcpu_reset(v, false);
    CU_ASSERT_FALSE(v->ops->powered(v));
    CU_ASSERT_EQUAL(v->ops->stx(v, 0x2000, LOG2(3), (pb_u128){ 6, 0 }, &fault), PB_MEM_FAIL);
    pb_cpus_invalidate(b.cpus);
    bench_finish(&b);
}

static bool refuse(void *self, pb_vcpu *vcpu, pb_error *error)
{
    return vcpu->index == 0 ? true : pb_fail(error, "no room for translations");
}

static void an_accelerator_that_refuses(void)
{
    static const pb_accel_type refusing = {
        .head = { .size = sizeof(pb_accel_type), .name = "refusing" }, .vcpu_init = refuse
    };
    g_autoptr(GError) error = NULL;
    bench b;

    bench_init(&b, 2);
    pb_cpus_stop(b.cpus);
    CU_ASSERT_FALSE(pb_cpus_start(b.cpus, &refusing, NULL, &error));
    CU_ASSERT_STRING_EQUAL(error->message,
                           "accelerator refusing, processor 1: no room for translations");
    bench_finish(&b);
}

int main(void)
{
    static const unit_case cases[] = {
        { "spinning guests end", spinning_guests_end },
        { "interrupts come before the next instruction",
          interrupts_come_before_the_next_instruction },
        { "waking from WFI", waking_from_wfi },
        { "calls reach busy, sleeping and unpowered ones",
          calls_reach_busy_sleeping_and_unpowered_ones },
        { "power off and on, as PSCI does", power },
        { "power off by the reason alone", power_off_by_the_reason_alone },
        { "debugger", debugger },
        { "counted: timers are exact", timers_are_exact },
        { "counted: runs are equal", counted_runs_are_equal },
        { "counted: translations are dropped at multiples", translations_are_dropped },
        { "saving and loading", saving_and_loading },
        { "an accelerator that refuses", an_accelerator_that_refuses },
        { 0 },
    };

    return unit_run("vCPU: running", cases);
}
