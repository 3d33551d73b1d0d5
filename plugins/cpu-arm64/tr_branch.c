/*
 * Branches, and instructions that generate exceptions.
 *
 * Manual: DDI 0487, C4.1 "Branches, Exception Generating and System instructions"; C6.2.
 */
#include "translate.h"

/* B.cond */
tr_status tr_b_cond(a64_ctx *c, const a64_arg_b_cond *a)
{
    uint64_t target = c->pc + (uint64_t)a->imm;

    if (a->cond >= 14) /* AL, and NV that acts as it */
        return end_jump(c, target, IR_HINT_JUMP);
    return end_branch_cc(c, (ir_cc)a->cond, target);
}

/* B */
tr_status tr_b(a64_ctx *c, const a64_arg_b *a)
{
    return end_jump(c, c->pc + (uint64_t)a->imm, IR_HINT_JUMP);
}

/* BL */
tr_status tr_bl(a64_ctx *c, const a64_arg_bl *a)
{
    write_x(c, 1, 30, ZR, ir_imm64(c->ir, c->pc + 4));
    return end_jump(c, c->pc + (uint64_t)a->imm, IR_HINT_CALL);
}

/* CBZ, CBNZ */
tr_status tr_cbz(a64_ctx *c, const a64_arg_cbz *a)
{
    ir_val t = read_x(c, a->sf, a->rt, ZR), zero = imm_x(c, a->sf, 0);

    return end_branch(c, a->nz ? ir_ne(c->ir, t, zero) : ir_eq(c->ir, t, zero),
                      c->pc + (uint64_t)a->imm);
}

/* TBZ, TBNZ */
tr_status tr_tbz(a64_ctx *c, const a64_arg_tbz *a)
{
    ir_val bit = ir_and(c->ir, read_x(c, 1, a->rt, ZR), ir_imm64(c->ir, UINT64_C(1) << a->bit));
    ir_val zero = ir_imm64(c->ir, 0);

    return end_branch(c, a->nz ? ir_ne(c->ir, bit, zero) : ir_eq(c->ir, bit, zero),
                      c->pc + (uint64_t)a->imm);
}

/* BR */
tr_status tr_br(a64_ctx *c, const a64_arg_br *a)
{
    return end_jump_ind(c, read_x(c, 1, a->rn, ZR), IR_HINT_JUMP);
}

/* BLR: the target is read before the link is written. */
tr_status tr_blr(a64_ctx *c, const a64_arg_blr *a)
{
    ir_val target = read_x(c, 1, a->rn, ZR);

    write_x(c, 1, 30, ZR, ir_imm64(c->ir, c->pc + 4));
    return end_jump_ind(c, target, IR_HINT_CALL);
}

/* RET */
tr_status tr_ret(a64_ctx *c, const a64_arg_ret *a)
{
    uint64_t known;

    if (is_known(c, a->rn, &known))
        return end_jump(c, known, IR_HINT_RETURN);
    return end_jump_ind(c, read_x(c, 1, a->rn, ZR), IR_HINT_RETURN);
}

/* ERET */
tr_status tr_eret(a64_ctx *c)
{
    return c->el == 0 ? end_undefined(c) : end_call(c, H_ERET, NULL, 0);
}

static tr_status end_call_imm(a64_ctx *c, uint32_t helper, uint32_t imm)
{
    ir_val arg = ir_imm32(c->ir, imm);

    return end_call(c, helper, &arg, 1);
}

/* SVC */
tr_status tr_svc(a64_ctx *c, const a64_arg_svc *a)
{
    return end_call_imm(c, H_SVC, a->imm16);
}

/* HVC */
tr_status tr_hvc(a64_ctx *c, const a64_arg_hvc *a)
{
    return end_call_imm(c, H_HVC, a->imm16);
}

/* SMC */
tr_status tr_smc(a64_ctx *c, const a64_arg_smc *a)
{
    return end_call_imm(c, H_SMC, a->imm16);
}

/* BRK */
tr_status tr_brk(a64_ctx *c, const a64_arg_brk *a)
{
    return end_call_imm(c, H_BRK, a->imm16);
}

#define SEMIHOSTING 0xf000

/* HLT: halting debug is never enabled. One number is set aside for semihosting, which the host may offer. */
tr_status tr_hlt(a64_ctx *c, const a64_arg_hlt *a)
{
    return a->imm16 == SEMIHOSTING ? end_call(c, H_SEMIHOSTING, NULL, 0) : end_undefined(c);
}
