/*
 * Atomic operations and exclusives.
 */
#include "rules_mem.h"

bool rule_rmw(cg *c, const ir_op_record *r)
{
    mem_always_slow(c, r, true);
    c->effect_done = true;
    return true;
}

bool rule_cas(cg *c, const ir_op_record *r)
{
    mem_always_slow(c, r, true);
    c->effect_done = true;
    return true;
}

bool rule_ldx(cg *c, const ir_op_record *r)
{
    mem_always_slow(c, r, true);
    return true;
}

bool rule_stx(cg *c, const ir_op_record *r)
{
    mem_always_slow(c, r, true);
    c->effect_done = true;
    return true;
}

bool rule_clrex(cg *c, const ir_op_record *r)
{
    asm_store_imm(&c->a, W32, cg_vcpu(offsetof(pb_vcpu, exclusive_bytes)), 0);
    return true;
}
