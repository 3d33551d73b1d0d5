/*
 * What a vCPU does on its thread: the accelerator's run(), its reasons, posted calls; and what others may do to
 * it: kicks, power.
 *
 * PB_EXIT_WORK in exit_request is cleared by do_work() alone, before it looks at what was posted, and never in
 * the middle of an instruction: so a poke is either seen by the accelerator, or its cause by do_work() and
 * the scheduler after it. PB_EXIT_INTERRUPT is cleared before type->interrupt() looks at the inputs.
 */
#include <core/vcpu/internal.h>

#include <sched.h>

pb_vcpu *pb_vcpu_current(void)
{
    pb_runner *runner = pb_runner_current();

    return runner ? pb_runner_self(runner) : NULL;
}

/* ---- from other threads ---------------------------------------------------------------------------------- */

void pb_vcpu_kick(pb_vcpu *vcpu, uint32_t bits)
{
    __atomic_fetch_or(&vcpu->exit_request, bits, __ATOMIC_SEQ_CST);
    pb_runner_wake(pb_vcpu_core_of(vcpu)->runner);
}

void pb_vcpu_run_on(pb_vcpu *target, void (*fn)(pb_vcpu *target, uint64_t argument),
                    uint64_t argument)
{
    pb_vcpu_core *core = pb_vcpu_core_of(target);
    pb_posted_call call = { fn, argument };

    pthread_mutex_lock(&core->lock);
    g_array_append_val(core->calls, call);
    pthread_mutex_unlock(&core->lock);
    pb_vcpu_kick(target, PB_EXIT_WORK);
    pb_sched_end_slice(core->cpus->sched);
}

void pb_vcpu_set_powered(pb_vcpu *vcpu, bool powered)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    if (!powered && vcpu == pb_vcpu_current())
        __atomic_store_n(&core->turned_off, 1, __ATOMIC_SEQ_CST);
    pb_runner_set_powered(core->runner, powered);
}

bool pb_vcpu_powered(pb_vcpu *vcpu)
{
    return pb_runner_powered(pb_vcpu_core_of(vcpu)->runner);
}

/* ---- on its thread --------------------------------------------------------------------------------------- */

static bool next_call(pb_vcpu_core *core, pb_posted_call *call)
{
    bool is_there;

    pthread_mutex_lock(&core->lock);
    is_there = core->calls->len > 0;
    if (is_there) {
        *call = g_array_index(core->calls, pb_posted_call, 0);
        g_array_remove_index(core->calls, 0);
    }
    pthread_mutex_unlock(&core->lock);
    return is_there;
}

static void do_work(void *self, bool nested)
{
    pb_vcpu *vcpu = self;
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_posted_call call;

    if (nested) {
        pb_tlb_do_posted(vcpu);
        return;
    }
    if (!(__atomic_load_n(&vcpu->exit_request, __ATOMIC_SEQ_CST) & PB_EXIT_WORK))
        return;
    __atomic_fetch_and(&vcpu->exit_request, ~(uint32_t)PB_EXIT_WORK, __ATOMIC_SEQ_CST);
    pb_tlb_do_posted(vcpu);
    pb_reader_enter(core->reader);
    pb_tlb_follow_map(vcpu);
    while (next_call(core, &call))
        call.fn(vcpu, call.argument);
    pb_reader_leave(core->reader);
}

static void turn_off(pb_vcpu *vcpu)
{
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);

    /* After its own set_powered(false) another vCPU may have turned it on again already. */
    if (!__atomic_exchange_n(&core->turned_off, 0, __ATOMIC_SEQ_CST))
        pb_runner_set_powered(core->runner, false);
}

static pb_runner_result after_run(pb_vcpu *vcpu, uint32_t reason)
{
    switch (reason) {
    case PB_RUN_IDLE:
        return PB_RUNNER_IDLE;
    case PB_RUN_YIELD:
        return PB_RUNNER_YIELD;
    case PB_RUN_POWER_OFF:
        turn_off(vcpu);
        return PB_RUNNER_AGAIN;
    case PB_RUN_USER:
        return PB_RUNNER_USER;
    default:
        g_assert(reason == PB_RUN_REQUEST || reason == PB_RUN_BUDGET || reason == PB_RUN_DEBUG);
        return PB_RUNNER_AGAIN;
    }
}

static uint32_t execute(pb_vcpu *vcpu)
{
    pb_cpus *cpus = pb_vcpu_core_of(vcpu)->cpus;
    uint32_t reason;

    if (G_UNLIKELY(pb_vcpu_core_of(vcpu)->pace != PB_DEBUG_FREE))
        return pb_debug_step(vcpu);
    do {
        __atomic_fetch_and(&vcpu->exit_request, ~(uint32_t)PB_EXIT_INTERRUPT, __ATOMIC_SEQ_CST);
        vcpu->type->interrupt(vcpu);
        reason = cpus->accel_type->run(cpus->accel, vcpu);
    } while (
        reason == PB_RUN_REQUEST && vcpu->budget > 0 &&
        !(__atomic_load_n(&vcpu->exit_request, __ATOMIC_SEQ_CST) & (PB_EXIT_WORK | PB_EXIT_USER)));
    return reason;
}

static pb_runner_result run(void *self, int64_t budget, int64_t *left)
{
    pb_vcpu *vcpu = self;
    pb_vcpu_core *core = pb_vcpu_core_of(vcpu);
    pb_runner_result result;
    uint32_t reason;

    vcpu->budget = budget;
    core->stop.kind = PB_DEBUG_NONE;
    pb_reader_enter(core->reader);
    pb_tlb_follow_map(vcpu);
    reason = execute(vcpu);
    pb_reader_leave(core->reader);
    pb_debug_uncount(vcpu);
    result = after_run(vcpu, reason);
    if (G_UNLIKELY(reason == PB_RUN_DEBUG || core->stop.kind != PB_DEBUG_NONE))
        pb_debug_stopped(vcpu);
    *left = vcpu->budget; /* as others have cut it */
    return result;
}

static void poke(void *self)
{
    pb_vcpu_kick(self, PB_EXIT_WORK);
}

static bool has_work(void *self)
{
    pb_vcpu *vcpu = self;

    return vcpu->type->has_work(vcpu);
}

static int64_t left(void *self)
{
    return ((pb_vcpu *)self)->budget;
}

static void cut(void *self, int64_t budget)
{
    ((pb_vcpu *)self)->budget = budget;
}

static void fresh(void *self)
{
    pb_tlb_start_anew(self);
}

bool pb_vcpu_go(pb_vcpu *vcpu)
{
    pb_runner_result result = pb_runner_go(pb_vcpu_core_of(vcpu)->runner);

    if (result == PB_RUNNER_YIELD || result == PB_RUNNER_IDLE)
        sched_yield();
    return result == PB_RUNNER_USER;
}

const void *pb_vcpu_host_fault(pb_vcpu *vcpu, const pb_host_fault *fault)
{
    const pb_cpus *cpus = pb_vcpu_core_of(vcpu)->cpus;
    const pb_accel_type *accel = cpus->accel_type;

    return accel && PB_ACCEL_HAS(accel, host_fault) && accel->host_fault
               ? accel->host_fault(cpus->accel, vcpu, fault)
               : NULL;
}

const pb_runner_ops pb_vcpu_runner_ops = {
    .run = run,
    .poke = poke,
    .has_work = has_work,
    .work = do_work,
    .left = left,
    .cut = cut,
    .fresh = fresh,
};
