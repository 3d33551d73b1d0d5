/*
 * Conversions of floating point: to another precision, from and to integers, to integral values. See rules_fp.c for the
 * environment and for tests of results.
 */
#include "rules_fp.h"

/* ---- precisions -------------------------------------------------------------------------------------------- */

bool rule_fcvt(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[0]);
    cg_reg from, to;

    if (r->type == type) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    if (!fp_host_type(r->type) || !fp_host_type(type) || !fp_host_rounds(c, r))
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, CG_SET(from));
    fp_op2(c, fp_scalar(SSE_CONVERT, type), to, from, -1);
    fp_test(c, r, &from, to, r->type == IR_F32);
    return true;
}

/* ---- to integers ------------------------------------------------------------------------------------------- */

/* ROUNDSS, ROUNDSD's immediate for a mode of fp.h; -1: it has none. */
static int round_control(uint32_t round)
{
    static const uint8_t control[] = { 0, 2, 1, 3 };

    return round <= PB_FP_TO_ZERO ? control[round] : -1;
}

/* Bits of the power of two, as a float. */
static uint64_t power_of_two(uint32_t type, uint32_t n)
{
    return fp_double(type) ? (uint64_t)(n + 1023) << 52 : (uint64_t)(n + 127) << 23;
}

/* Compare the operand's bits, as an unsigned number, with those of a positive float: negative operands, infinities and NaNs
 * are above. t: a register to use. With `magnitude` the sign does not count. The jump. */
static uint32_t test_range(cg *c, uint32_t type, cg_reg from, cg_reg t, bool magnitude,
                           uint64_t limit)
{
    bool avx = rule_has(c, CG_AVX), wide = fp_double(type);
    cg_reg k;

    asm_sse2(&c->a, avx, SSE_MOVD_STORE | (wide ? ASM_W : 0), from - XMM0, t);
    if (magnitude) { /* twice the bits: the sign is gone */
        asm_alu(&c->a, ALU_ADD, wide ? W64 : W32, t, t);
        limit *= 2;
    }
    if (!wide) {
        asm_alu_imm(&c->a, ALU_CMP, W32, t, (int32_t)(uint32_t)limit);
        return asm_jcc(&c->a, CC_AE);
    }
    k = cg_temp(c);
    asm_mov_imm(&c->a, k, limit);
    asm_alu(&c->a, ALU_CMP, W64, t, k);
    cg_release(c, k);
    return asm_jcc(&c->a, CC_AE);
}

/* fcvt.s toward zero: the instruction gives the most negative number for what does not fit, and raises invalid alone. */
static void truncate_signed(cg *c, const ir_op_record *r, uint32_t type)
{
    uint32_t w = rule_exact(rule_bits(r));
    cg_reg from, to;

    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    asm_sse2(&c->a, rule_has(c, CG_AVX), fp_scalar(SSE_TRUNCATE, type) | (w == W64 ? ASM_W : 0), to,
             from - XMM0);
    asm_alu_imm(&c->a, ALU_CMP, w, to, 1); /* overflows for that number alone */
    cg_cold_redo(c, asm_jcc(&c->a, CC_O), r, &from, to);
}

/* Everything else: what may not fit goes to the cold path before anything is raised. Unsigned: also what is negative,
 * and from 2^63 on. */
bool rule_ftoi(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[0]), bits = rule_bits(r), round = fp_round(c, r), over, cold;
    bool is_signed = r->op == IR_OP_FCVT_S, wide;
    int control = round_control(round);
    cg_reg from, to, t, x;

    if (!fp_host_type(type) || bits < 32 || r->attr >> 6 & 0xff || control < 0 ||
        !fp_host_rules(c, r->attr >> 4 & 3))
        return false;
    if (is_signed && round == PB_FP_TO_ZERO) {
        truncate_signed(c, r, type);
        return true;
    }
    cg_clobber_flags(c);
    from = x = cg_use(c, r->arg[0]);
    t = cg_temp(c);
    to = cg_def(c, 0, CG_SET(t));
    if (round != PB_FP_TO_ZERO)
        x = cg_temp_vector(c);
    over = test_range(c, type, from, t, is_signed,
                      power_of_two(type, is_signed                ? bits - 2
                                         : bits == 64             ? 63
                                         : round == PB_FP_TO_ZERO ? 32
                                                                  : 31));
    cold = cg_cold_redo(c, over, r, &from, to);
    if (x != from)
        fp_op2(c, fp_double(type) ? SSE_ROUNDSD : SSE_ROUNDSS, x, from, control);
    wide = bits == 64 || !is_signed;
    asm_sse2(&c->a, rule_has(c, CG_AVX), fp_scalar(SSE_TRUNCATE, type) | (wide ? ASM_W : 0), to,
             x - XMM0);
    cg_cold_back(c, cold, to, CG_NO_REG);
    return true;
}

/* ---- from integers ----------------------------------------------------------------------------------------- */

/* ucvt.f of i32: of the same number as i64. Of i64: from 2^63 on on the cold path. */
bool rule_itof(cg *c, const ir_op_record *r)
{
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])];
    bool is_signed = r->op == IR_OP_SCVT_F, wide = bits == 64 || !is_signed;
    uint32_t op = fp_scalar(SSE_FROM_INT, r->type) | (wide ? ASM_W : 0), cold = CG_NONE;
    cg_reg from, to;

    if (!fp_host_type(r->type) || bits < 32 || r->attr >> 6 & 0xff || !fp_host_rounds(c, r))
        return false;
    if (bits == 64 && !is_signed)
        cg_clobber_flags(c);
    from = is_signed ? cg_use(c, r->arg[0]) : cg_use_clean(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (bits == 64 && !is_signed) {
        asm_test(&c->a, W64, from, from);
        cold = cg_cold_redo(c, asm_jcc(&c->a, CC_S), r, &from, to);
    }
    fp_op2(c, op, to, from, -1);
    if (cold != CG_NONE)
        cg_cold_back(c, cold, to, CG_NO_REG);
    return true;
}

/* ---- integral values --------------------------------------------------------------------------------------- */

bool rule_frint(cg *c, const ir_op_record *r)
{
    int control = round_control(fp_round(c, r)), quiet = r->attr >> 6 & 1 ? 0 : 8;
    cg_reg from, to;

    if (!fp_host_type(r->type) || control < 0 || !fp_host_rules(c, r->attr >> 4 & 3))
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, CG_SET(from));
    fp_op2(c, fp_double(r->type) ? SSE_ROUNDSD : SSE_ROUNDSS, to, from, control | quiet);
    fp_test(c, r, &from, to, false);
    return true;
}
