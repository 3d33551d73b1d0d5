/*
 * Conversions of floating point: to another precision, from and to integers, to integral values. See rules_fp.c for the
 * environment and for tests of results.
 */
#include "rules_fp.h"

/* ---- precisions -------------------------------------------------------------------------------------------- */

/* From f16: exact. The other lanes must raise nothing. */
static void widen_half(cg *c, const ir_op_record *r)
{
    cg_reg from, clean, to;

    cg_clobber_flags(c);
    from = clean = cg_use(c, r->arg[0]);
    if (!cg_is_clean(c, r->arg[0])) {
        clean = cg_temp_vector(c);
        rule_low_lane(c, 16, clean, from);
    }
    to = cg_def(c, 0, CG_SET(from) | CG_SET(clean));
    asm_vrr(&c->a, VCVTPH2PS, to - XMM0, 0, clean - XMM0);
    if (fp_double(r->type))
        asm_vrr(&c->a, SSE_CONVERT | SSE_SS | ASM_VEX, to - XMM0, to - XMM0, to - XMM0);
    if (!fp_host_quiets(c)) {
        asm_rr(&c->a, (fp_double(r->type) ? SSE_UCOMISD : SSE_UCOMISS) | ASM_VEX, to - XMM0,
               to - XMM0);
        cg_cold_redo(c, asm_jcc(&c->a, CC_P), r, &from, to);
    }
}

/* From f32. What became the smallest normal number may have been tiny before it was rounded. */
static void narrow_to_half(cg *c, const ir_op_record *r)
{
    cg_reg from, to, t;
    uint32_t cold;

    cg_clobber_flags(c);
    from = cg_use_clean(c, r->arg[0]);
    fp_flush_in(c, 2, true, &from, 1);
    t = cg_temp(c);
    to = cg_def(c, 0, CG_SET(from));
    asm_vrr(&c->a, VCVTPS2PH, from - XMM0, 0, to - XMM0);
    asm_8(&c->a, FP_HALF_ROUND);
    asm_sse2(&c->a, true, SSE_MOVD_STORE, to - XMM0, t);
    asm_alu_imm(&c->a, ALU_AND, W32, t, 0x7fff);
    asm_alu_imm(&c->a, ALU_CMP, W32, t, FP_HALF_TINY);
    cold = cg_cold_redo(c, asm_jcc(&c->a, CC_E), r, &from, to);
    if (!fp_host_quiets(c)) {
        asm_alu_imm(&c->a, ALU_CMP, W32, t, FP_HALF_INFINITY);
        cg_cold_also(c, cold, asm_jcc(&c->a, CC_A));
    }
    cg_cold_back(c, cold, to, CG_NO_REG);
}

static bool convert_half(cg *c, const ir_op_record *r, uint32_t type)
{
    if (!fp_host_half(c) || !fp_host_rules(c, r->attr >> 4 & 3))
        return false;
    if (type == IR_F16 && fp_host_type(r->type))
        widen_half(c, r);
    else if (type == IR_F32 && fp_host_rounds(c, r))
        narrow_to_half(c, r);
    else
        return false;
    return true;
}

bool rule_fcvt(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[0]);
    fp_tiny tiny = r->type == IR_F32 ? FP_TINY : FP_NOT_TINY;
    cg_reg from, to;
    bool kept;

    if (r->type == type) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    if (type == IR_F16 || r->type == IR_F16)
        return convert_half(c, r, type);
    if (!fp_host_type(r->type) || !fp_host_type(type) || !fp_host_rounds(c, r))
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    fp_flush_in(c, fp_es(type), true, &from, 1);
    to = cg_def(c, 0, CG_SET(from));
    kept = fp_keep_flags(c, tiny);
    fp_op2(c, fp_scalar(SSE_CONVERT, type), to, from, -1);
    if (tiny == FP_TINY || !fp_host_quiets(c))
        fp_test(c, r, &from, false, to, tiny, kept);
    return true;
}

/* ---- to integers ------------------------------------------------------------------------------------------- */

/* ROUNDSS, ROUNDSD's immediate for a mode of fp.h; -1: it has none. */
static int round_control(uint32_t round)
{
    static const uint8_t control[] = { 0, 2, 1, 3 };

    return round <= PB_FP_TO_ZERO ? control[round] : -1;
}

static bool can_round(uint32_t round)
{
    return round <= PB_FP_NEAREST_AWAY;
}

/* Bits of the power of two, as a float. */
static uint64_t power_of_two(uint32_t type, int32_t n)
{
    return fp_double(type) ? (uint64_t)(n + 1023) << 52 : (uint64_t)(n + 127) << 23;
}

/* d = s op a constant in the lowest lane. */
static void op_constant(cg *c, uint32_t op, cg_reg d, cg_reg s, uint64_t bits)
{
    bool avx = rule_has(c, CG_AVX);

    if (!avx && d != s)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, d - XMM0, s - XMM0);
    cg_pool_op(c, op | (avx ? ASM_VEX : 0), d - XMM0, s - XMM0, (pb_u128){ bits, 0 }, -1);
}

/* to = x, which is below 2^52 (2^23), rounded to the nearest integral value, ties away from zero: what cutting it off leaves
 * is exact, and so is one more if that is half or more. The sign is x's, also of zero. quiet: 8, or 0 to raise inexact.
 * rest, one: registers to use, which are got before any jump to a cold path: getting them may store what was in them. */
static void round_away(cg *c, uint32_t type, cg_reg to, cg_reg x, cg_reg rest, cg_reg one,
                       int quiet)
{
    bool avx = rule_has(c, CG_AVX), wide = fp_double(type);
    uint64_t sign = wide ? UINT64_C(1) << 63 : UINT64_C(1) << 31;

    fp_op2(c, wide ? SSE_ROUNDSD : SSE_ROUNDSS, to, x, 3 | quiet);
    asm_sse3(&c->a, avx, fp_scalar(SSE_SUB, type), rest - XMM0, x - XMM0, to - XMM0);
    op_constant(c, SSE_ANDPS, rest, rest, ~sign & (wide ? UINT64_MAX : UINT32_MAX));
    /* All ones where it is not less than a half. */
    asm_sse2(&c->a, avx, SSE_MOVAPS_LOAD, one - XMM0, rest - XMM0);
    cg_pool_op(c, fp_scalar(0xc2 | ASM_0F, type) | (avx ? ASM_VEX : 0), one - XMM0, one - XMM0,
               (pb_u128){ power_of_two(type, -1), 0 }, 5);
    op_constant(c, SSE_ANDPS, one, one, power_of_two(type, 0));
    op_constant(c, SSE_ANDPS, rest, x, sign);
    asm_sse3(&c->a, avx, SSE_ORPS, one - XMM0, one - XMM0, rest - XMM0);
    asm_sse3(&c->a, avx, fp_scalar(SSE_ADD, type), to - XMM0, to - XMM0, one - XMM0);
    asm_sse3(&c->a, avx, SSE_ORPS, to - XMM0, to - XMM0, rest - XMM0);
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
    fp_flush_in(c, fp_es(type), true, &from, 1);
    to = cg_def(c, 0, 0);
    asm_sse2(&c->a, rule_has(c, CG_AVX), fp_scalar(SSE_TRUNCATE, type) | (w == W64 ? ASM_W : 0), to,
             from - XMM0);
    asm_alu_imm(&c->a, ALU_CMP, w, to, 1); /* overflows for that number alone */
    cg_cold_redo(c, asm_jcc(&c->a, CC_O), r, &from, to);
}

/* What is surely in range with its fraction bits, as a power of two. Unsigned: up to 2^63; from 2^32 on, rounding may leave the
 * range. */
static int32_t safe_power(uint32_t bits, bool is_signed, uint32_t round, uint32_t n)
{
    int32_t power = (int32_t)bits - 2;

    if (!is_signed)
        power = bits == 64 ? 63 : round == PB_FP_TO_ZERO ? 32 : 31;
    return power - (int32_t)n;
}

/* Everything else: what may not fit goes to the cold path before anything is raised. Unsigned: also what is negative. */
bool rule_ftoi(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[0]), bits = rule_bits(r), round = fp_round(c, r), over, cold;
    uint32_t n = r->attr >> 6 & 0xff;
    bool is_signed = r->op == IR_OP_FCVT_S, wide = bits == 64 || !is_signed;
    cg_reg from, to, t, x, scaled, rest = CG_NO_REG, one = CG_NO_REG;

    if (!fp_host_type(type) || bits < 32 || !can_round(round) ||
        !fp_host_rules(c, r->attr >> 4 & 3))
        return false;
    if (is_signed && round == PB_FP_TO_ZERO && !n) {
        truncate_signed(c, r, type);
        return true;
    }
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    fp_flush_in(c, fp_es(type), true, &from, 1);
    x = scaled = from;
    t = cg_temp(c);
    to = cg_def(c, 0, CG_SET(t));
    if (round != PB_FP_TO_ZERO)
        x = cg_temp_vector(c);
    if (n)
        scaled = cg_temp_vector(c);
    if (round == PB_FP_NEAREST_AWAY) {
        rest = cg_temp_vector(c);
        one = cg_temp_vector(c);
    }
    over = test_range(c, type, from, t, is_signed,
                      power_of_two(type, safe_power(bits, is_signed, round, n)));
    cold = cg_cold_redo(c, over, r, &from, to);
    if (n)
        op_constant(c, fp_scalar(SSE_MUL, type), scaled, from, power_of_two(type, (int32_t)n));
    if (round == PB_FP_TO_ZERO)
        x = scaled;
    else if (round == PB_FP_NEAREST_AWAY)
        round_away(c, type, x, scaled, rest, one, 0);
    else
        fp_op2(c, fp_double(type) ? SSE_ROUNDSD : SSE_ROUNDSS, x, scaled, round_control(round));
    asm_sse2(&c->a, rule_has(c, CG_AVX), fp_scalar(SSE_TRUNCATE, type) | (wide ? ASM_W : 0), to,
             x - XMM0);
    cg_cold_back(c, cold, to, CG_NO_REG);
    return true;
}

/* ---- from integers ----------------------------------------------------------------------------------------- */

/* ucvt.f of i32: of the same number as i64. Of i64: from 2^63 on on the cold path. Fraction bits: the quotient by their power of two
 * is exact. */
bool rule_itof(cg *c, const ir_op_record *r)
{
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])];
    bool is_signed = r->op == IR_OP_SCVT_F, wide = bits == 64 || !is_signed;
    uint32_t op = fp_scalar(SSE_FROM_INT, r->type) | (wide ? ASM_W : 0), cold = CG_NONE;
    uint32_t n = r->attr >> 6 & 0xff;
    cg_reg from, to;

    if (!fp_host_type(r->type) || bits < 32 || !fp_host_rounds(c, r))
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
    if (n)
        op_constant(c, fp_scalar(SSE_MUL, r->type), to, to, power_of_two(r->type, -(int32_t)n));
    if (cold != CG_NONE)
        cg_cold_back(c, cold, to, CG_NO_REG);
    return true;
}

/* ---- integral values --------------------------------------------------------------------------------------- */

/* Ties away from zero: of numbers that may have a fraction. Others, infinities and NaNs go to the cold path. */
static void frint_away(cg *c, const ir_op_record *r, int quiet)
{
    cg_reg from = cg_use(c, r->arg[0]), t, rest, one, to;
    uint32_t over, cold;

    fp_flush_in(c, fp_es(r->type), true, &from, 1);
    t = cg_temp(c);
    rest = cg_temp_vector(c);
    one = cg_temp_vector(c);
    to = cg_def(c, 0, CG_SET(from));
    over =
        test_range(c, r->type, from, t, true, power_of_two(r->type, fp_double(r->type) ? 52 : 23));
    cold = cg_cold_redo(c, over, r, &from, to);
    round_away(c, r->type, to, from, rest, one, quiet);
    cg_cold_back(c, cold, to, CG_NO_REG);
}

bool rule_frint(cg *c, const ir_op_record *r)
{
    uint32_t round = fp_round(c, r);
    int quiet = r->attr >> 6 & 1 ? 0 : 8;
    cg_reg from, to;

    if (!fp_host_type(r->type) || !can_round(round) || !fp_host_rules(c, r->attr >> 4 & 3))
        return false;
    cg_clobber_flags(c);
    if (round == PB_FP_NEAREST_AWAY) {
        frint_away(c, r, quiet);
        return true;
    }
    from = cg_use(c, r->arg[0]);
    fp_flush_in(c, fp_es(r->type), true, &from, 1);
    to = cg_def(c, 0, CG_SET(from));
    fp_op2(c, fp_double(r->type) ? SSE_ROUNDSD : SSE_ROUNDSS, to, from,
           round_control(round) | quiet);
    if (!fp_host_quiets(c))
        fp_test(c, r, &from, false, to, FP_NOT_TINY, false);
    return true;
}
