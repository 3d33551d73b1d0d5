/*
 * The dispatcher: from one stay in emitted code to the next.
 *
 * The unit key is computed again after everything that may have changed it: exceptions, helpers that left,
 * jumps that say so. A linked jump and a jump table never lead to a unit of another key.
 */
#include "jit.h"

/* What became of an attempt to go on. */
typedef enum step {
    STEP_GO,    /* the pc slot says where */
    STEP_LEAVE, /* *reason */
} step;

static uint32_t request(const jit_vcpu *x)
{
    return __atomic_load_n(&x->vcpu->exit_request, __ATOMIC_ACQUIRE);
}

/* Whether the sampler asked where the vCPU is. */
static bool take_sample(const jit_vcpu *x)
{
    if (!(request(x) & PB_EXIT_ACCEL))
        return false;
    __atomic_fetch_and(&x->vcpu->exit_request, ~(uint32_t)PB_EXIT_ACCEL, __ATOMIC_SEQ_CST);
    return !x->logging;
}

/* After an exception, or a helper that changed the flow. */
static step unwound(jit_vcpu *x, uint32_t *reason)
{
    pb_vcpu *vcpu = x->vcpu;

    vcpu->unwind = 0;
    *reason = vcpu->leave_reason;
    vcpu->leave_reason = 0;
    return *reason ? STEP_LEAVE : STEP_GO;
}

/* The fetch faults, which counts as an instruction; or there is no code. */
static step no_unit(jit_vcpu *x, pb_guest_fault *fault, uint32_t *reason)
{
    pb_vcpu *vcpu = x->vcpu;
    pb_object *self = x->jit->self;

    if (fault->kind == NO_ROOM_NOW) {
        *reason = PB_RUN_YIELD;
        return STEP_LEAVE;
    }
    if (fault->kind == NO_CODE) {
        pb_log(self, PB_LOG_WARNING, "no code can be made for 0x%llx",
               (unsigned long long)read_pc(x));
        self->ops->request(self, PB_MACHINE_POWER_OFF, 71); /* EX_OSERR */
        *reason = PB_RUN_REQUEST;
        return STEP_LEAVE;
    }
    if (vcpu->budget != INT64_MAX)
        vcpu->budget--;
    vcpu->retired++;
    fault->aux = 0;
    vcpu->type->raise(vcpu, fault);
    return unwound(x, reason);
}

/* The pc slot has what a jump said, or an exit that stands for one (a step of a debugger's). */
static void arrive(jit_vcpu *x)
{
    const pb_translator *translator = x->vcpu->type->translator;

    if (PB_HAS(translator, jump_target) && translator->jump_target)
        write_pc(x, translator->jump_target(x->key, read_pc(x)));
}

/* What to do after emitted code was left. */
static step handle_exit(jit_vcpu *x, const pb_code_exit *exit, jit_want *want, bool *same_key,
                        uint32_t *reason)
{
    uint64_t pc;

    *want = WANT_ORDINARY;
    *same_key = false;
    switch (exit->kind) {
    case PB_CODE_EXIT_LINK:
        *same_key = true;
        if (pc_of_site(x, exit->site, &pc)) {
            write_pc(x, pc);
            x->linking = x->unlisted ? NULL : exit->site;
        }
        return STEP_GO;
    case PB_CODE_EXIT_LOOKUP:
        __atomic_store_n(&x->looked_up, x->looked_up + 1, __ATOMIC_RELAXED);
        arrive(x);
        *same_key = true;
        return STEP_GO;
    case PB_CODE_EXIT_ALONE:
        *same_key = true;
        *want = WANT_ALONE;
        if (exit->site)
            refused(x, exit->site);
        return STEP_GO;
    case PB_CODE_EXIT_ENTRY:
        *same_key = true;
        if (!request(x) && x->vcpu->budget > 0 && x->vcpu->budget < UNIT_INSNS)
            *want = WANT_BUDGET;
        return STEP_GO;
    case PB_CODE_EXIT_CHANGED:
        *same_key = true;
        x->jit->tc_ops->changed(x->user, exit->site);
        return STEP_GO;
    case PB_CODE_EXIT_REASON:
        arrive(x);
        *reason = exit->reason;
        return STEP_LEAVE;
    case PB_CODE_EXIT_UNWOUND:
        return unwound(x, reason);
    default: /* PB_CODE_EXIT_NEW_KEY */
        arrive(x);
        return STEP_GO;
    }
}

/* An instruction that is not to be compiled. */
static step step_other(jit_vcpu *x, uint32_t *reason)
{
    *reason = only_step(x);
    return *reason == PB_RUN_BUDGET || *reason == PB_RUN_REQUEST ? STEP_GO : STEP_LEAVE;
}

static uint32_t run(jit_vcpu *x)
{
    pb_vcpu *vcpu = x->vcpu;
    const jit *j = x->jit;
    jit_want want = WANT_ORDINARY;
    bool same_key = false, at_entry = false;
    uint32_t reason;

    for (;;) {
        pb_guest_fault fault;
        pb_code_exit exit;
        const void *entry;
        bool sampled;
        step next;

        if (x->flush_wanted) {
            x->flush_wanted = false;
            drop_everything(x->jit);
        }
        if (j->tc_ops->quiescent(x->user)) {
            forget_jumps(x);
            x->linking = NULL;
        }
        sampled = take_sample(x);
        if (request(x))
            return PB_RUN_REQUEST;
        if (vcpu->budget <= 0)
            return PB_RUN_BUDGET;
        if (follow_traps(x)) {
            same_key = false;
            x->linking = NULL;
        }
        if (!same_key)
            x->key = key_of(x);
        if (j->n_ranges > 0 && !only_has(j, read_pc(x))) {
            same_key = at_entry = false;
            want = WANT_ORDINARY;
            x->linking = NULL;
            if (step_other(x, &reason) == STEP_LEAVE)
                return reason;
            continue;
        }
        use_jumps(x, x->key);
        if (sampled && at_entry && want == WANT_ORDINARY)
            met(x, read_pc(x));
        entry = same_key || x->logging ? NULL : recall_jump(x, read_pc(x));
        if (!entry)
            entry = find_entry(x, read_pc(x), want, &fault);
        x->linking = NULL;
        want = WANT_ORDINARY;
        if (entry) {
            j->codegen->run(j->codegen_self, vcpu, entry, &exit);
            next = handle_exit(x, &exit, &want, &same_key, &reason);
            at_entry = exit.kind == PB_CODE_EXIT_ENTRY;
        } else {
            same_key = at_entry = false;
            next = no_unit(x, &fault, &reason);
        }
        if (next == STEP_LEAVE)
            return reason;
    }
}

uint32_t execute(jit_vcpu *x)
{
    const jit *j = x->jit;
    uint32_t reason;

    x->logging = j->translate->log_exec_enabled(x->vcpu);
    /* Left by whoever took an exception outside, an interrupt for instance: the pc slot is right. */
    x->vcpu->unwind = 0;
    x->vcpu->leave_reason = 0;
    x->linking = NULL;
    if (__atomic_load_n(&j->stays_left, __ATOMIC_RELAXED) > 0)
        count_stay(x->jit);
    if (x->watched != x->vcpu->watched) { /* code that accesses memory directly is not watched */
        x->watched = x->vcpu->watched;
        if (j->info.direct)
            drop_everything(x->jit);
    }
    say_running(x, true);
    if (j->tc_ops->enter(x->user))
        forget_jumps(x);
    reason = run(x);
    j->tc_ops->leave(x->user);
    say_running(x, false);
    return reason;
}
