/*
 * Invalid operations of floating point: as long as there are few of them they trap, and code is faster without tests; a vCPU that meets
 * many goes on with units that test, for good, and so do the others. The two kinds have unit keys of their own.
 */
#include "jit.h"

#include <signal.h>

/* So many traps in such a time: they took some percent of it. */
enum { MANY = 512, SOON_NS = 100 * 1000 * 1000 };

void begin_traps(jit_vcpu *x)
{
    const jit *j = x->jit;

    /* A handler cannot tell who executes, of two accelerators. */
    x->may_trap = j->n_ranges == 0 && j->fp_traps != FP_TRAPS_OFF && PB_HAS(&j->info, traps) &&
                  j->info.traps && PB_CODEGEN_HAS(j->codegen, trap);
    x->traps = false;
}

bool follow_traps(jit_vcpu *x)
{
    const jit *j = x->jit;
    bool traps =
        x->may_trap && !x->vcpu->blocks_traps && !__atomic_load_n(&j->tests, __ATOMIC_RELAXED);

    if (traps == x->traps)
        return false;
    x->traps = traps;
    j->codegen->traps(j->codegen_self, x->vcpu, traps);
    return true;
}

uint64_t key_of(const jit_vcpu *x)
{
    return x->vcpu->type->translator->unit_key(x->vcpu) | (x->traps ? 0 : KEY_TESTS);
}

uint32_t flags_of_key(uint64_t key)
{
    return key & KEY_TESTS ? 0 : PB_CODE_TRAPS;
}

static bool is_often(jit_vcpu *x)
{
    uint32_t before = x->n_traps;
    uint64_t now;

    __atomic_store_n(&x->n_traps, before + 1, __ATOMIC_RELAXED);
    if (before % MANY)
        return false;
    now = now_ns();
    if (before && now - x->trapping_since < SOON_NS)
        return true;
    x->trapping_since = now;
    return false;
}

bool take_trap(jit_vcpu *x, pb_host_trap *trap)
{
    jit *j = x->jit;

    if (!x->running || !x->traps)
        return false;
    trap->in_unit =
        (x->unlisted && trap->pc >= x->unlisted && trap->pc < x->unlisted + x->job.bytes) ||
        j->tc_ops->unit_at(x->user, trap->pc);
    if (!j->codegen->trap(j->codegen_self, x->vcpu, trap))
        return false;
    if (trap->signal == SIGFPE && is_often(x) && j->fp_traps == FP_TRAPS_ADAPTIVE) {
        __atomic_store_n(&j->tests, true, __ATOMIC_RELAXED);
        __atomic_fetch_or(&x->vcpu->exit_request, PB_EXIT_ACCEL, __ATOMIC_SEQ_CST);
    }
    return true;
}
