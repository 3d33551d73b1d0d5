/*
 * The operations that are functions, and which variant goes with which types. Generated from
 * core/ir/ops.def; this file is what stands around it.
 */
#include "interp.h"

/* Floating point: the environment that an operation names, with the operation's rounding mode. */
typedef struct fp_use {
    ir_fp fp;
    uint8_t round; /* to be put back */
} fp_use;

static fp_use fp_begin(interp_vcpu *x, uint32_t env, uint32_t rm)
{
    pb_fp_env *e = &x->vcpu->fp[env];
    fp_use use = { .fp = { .ops = x->interp->fp, .env = e }, .round = e->round };

    if (rm != IR_ROUND_ENV)
        e->round = (uint8_t)rm;
    return use;
}

static void fp_end(fp_use *use)
{
    use->fp.env->round = use->round;
}

#include "interp_tables.inc"

bool find_variant(uint32_t op, const uint8_t *types, uint32_t *label, step_function **function)
{
    uint32_t n = variant_of(op, types);

    if (n == VARIANT_NONE)
        return false;
    *function = n < VARIANT_LABELS ? NULL : variant_functions[n - VARIANT_LABELS];
    *label = n;
    return true;
}
