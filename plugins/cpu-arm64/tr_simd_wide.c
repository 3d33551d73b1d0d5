/*
 * Vector instructions whose results have elements of twice or half the operands' size.
 *
 * Manual: DDI 0487, C4.1 "Advanced SIMD three different", "two-register miscellaneous", "vector
 * x indexed element" and their scalar forms; C7.2.
 *
 * The size of a row is the narrow elements'; `high` selects the upper half of the narrow
 * operands (SMULL2), or of the narrow result (XTN2).
 */
#include "simd.h"

/* ---- operands -------------------------------------------------------------------------------- */

/* 64 bits of narrow elements: half a register, or a scalar. */
static ir_val read_narrow(a64_ctx *c, lanes l, bool high, uint32_t n)
{
    return l.scalar ? read_lanes(c, l, n) : read_half(c, high, n);
}

/* 128 bits of wide elements; of a scalar, one. */
static ir_val read_wide(a64_ctx *c, lanes l, uint32_t n)
{
    if (!l.scalar)
        return read_v(c, n);
    return ir_v_from(c->ir, IR_V128, read_int(c, l.size + 1, n));
}

/* A narrow element in each of 64 bits' lanes. */
static ir_val narrow_lane_dup(a64_ctx *c, uint32_t size, uint32_t n, uint32_t index)
{
    return read_lane_dup(c, vector(0, size), n, index);
}

static ir_val widen(a64_ctx *c, ir_val v, uint32_t size, uint32_t u)
{
    return u ? ir_v_widen_u(c->ir, v, size) : ir_v_widen_s(c->ir, v, size);
}

/* ---- sums ------------------------------------------------------------------------------------ */

static ir_val add_or_sub(a64_ctx *c, ir_val x, ir_val y, uint32_t size, uint32_t sub)
{
    return sub ? ir_v_sub(c->ir, x, y, size) : ir_v_add(c->ir, x, y, size);
}

/* SADDL, UADDL, SSUBL, USUBL and their second forms */
tr_status tr_v_addl(a64_ctx *c, const a64_arg_v_addl *a)
{
    ir_val n = widen(c, read_half(c, a->high, a->rn), a->size, a->u);
    ir_val m = widen(c, read_half(c, a->high, a->rm), a->size, a->u);

    write_v(c, a->rd, add_or_sub(c, n, m, a->size + 1, a->sub));
    return TR_NEXT;
}

/* SADDW, UADDW, SSUBW, USUBW and their second forms */
tr_status tr_v_addw(a64_ctx *c, const a64_arg_v_addw *a)
{
    ir_val m = widen(c, read_half(c, a->high, a->rm), a->size, a->u);

    write_v(c, a->rd, add_or_sub(c, read_v(c, a->rn), m, a->size + 1, a->sub));
    return TR_NEXT;
}

/* ADDHN, RADDHN, SUBHN, RSUBHN and their second forms */
tr_status tr_v_addhn(a64_ctx *c, const a64_arg_v_addhn *a)
{
    lanes wide = vector(1, a->size + 1);
    uint32_t bits = lane_bits(a->size);
    ir_val sum = add_or_sub(c, read_v(c, a->rn), read_v(c, a->rm), wide.size, a->sub);

    if (a->round)
        sum = ir_v_add(c->ir, sum, lanes_const(c, wide, UINT64_C(1) << (bits - 1)), wide.size);
    sum = ir_v_shr(c->ir, sum, wide.size, bits);
    write_half(c, a->high, a->rd, ir_v_narrow(c->ir, sum, a->size));
    return TR_NEXT;
}

/* SABDL, UABDL, SABAL, UABAL and their second forms */
tr_status tr_v_abdl(a64_ctx *c, const a64_arg_v_abdl *a)
{
    ir_builder *b = c->ir;
    ir_val n = read_half(c, a->high, a->rn), m = read_half(c, a->high, a->rm), value;

    value = a->u ? ir_v_abd_u(b, n, m, a->size) : ir_v_abd_s(b, n, m, a->size);
    value = ir_v_widen_u(b, value, a->size); /* as an unsigned number the difference fits */
    if (a->acc)
        value = ir_v_add(b, read_v(c, a->rd), value, a->size + 1);
    write_v(c, a->rd, value);
    return TR_NEXT;
}

/* ---- products -------------------------------------------------------------------------------- */

static ir_val multiply_long(a64_ctx *c, ir_val n, ir_val m, uint32_t size, uint32_t u)
{
    return u ? ir_v_mull_u(c->ir, n, m, size) : ir_v_mull_s(c->ir, n, m, size);
}

/* SMULL, UMULL and their second forms (vector) */
tr_status tr_v_mull(a64_ctx *c, const a64_arg_v_mull *a)
{
    ir_val n = read_half(c, a->high, a->rn), m = read_half(c, a->high, a->rm);

    write_v(c, a->rd, multiply_long(c, n, m, a->size, a->u));
    return TR_NEXT;
}

/* The same (by element) */
tr_status tr_v_mull_lane(a64_ctx *c, const a64_arg_v_mull_lane *a)
{
    ir_val n = read_half(c, a->high, a->rn), m = narrow_lane_dup(c, a->size, a->rm, a->index);

    write_v(c, a->rd, multiply_long(c, n, m, a->size, a->u));
    return TR_NEXT;
}

/* SMLAL, UMLAL, SMLSL, UMLSL and their second forms (vector) */
tr_status tr_v_mlal(a64_ctx *c, const a64_arg_v_mlal *a)
{
    ir_val n = read_half(c, a->high, a->rn), m = read_half(c, a->high, a->rm);
    ir_val product = multiply_long(c, n, m, a->size, a->u);

    write_v(c, a->rd, add_or_sub(c, read_v(c, a->rd), product, a->size + 1, a->sub));
    return TR_NEXT;
}

/* The same (by element) */
tr_status tr_v_mlal_lane(a64_ctx *c, const a64_arg_v_mlal_lane *a)
{
    ir_val n = read_half(c, a->high, a->rn), m = narrow_lane_dup(c, a->size, a->rm, a->index);
    ir_val product = multiply_long(c, n, m, a->size, a->u);

    write_v(c, a->rd, add_or_sub(c, read_v(c, a->rd), product, a->size + 1, a->sub));
    return TR_NEXT;
}

/* PMULL, PMULL2 */
tr_status tr_v_pmull(a64_ctx *c, const a64_arg_v_pmull *a)
{
    ir_val n = read_half(c, a->high, a->rn), m = read_half(c, a->high, a->rm);

    write_v(c, a->rd, ir_v_pmull(c->ir, n, m, a->size));
    return TR_NEXT;
}

/* Twice the product, saturating. */
static ir_val double_product(a64_ctx *c, lanes l, ir_val n, ir_val m)
{
    ir_val product = ir_v_mull_s(c->ir, n, m, l.size), saturated, value;

    value = ir_v_qadd_s(c->ir, product, product, l.size + 1, &saturated);
    set_qc(c, saturated);
    return value;
}

/* Register rd plus or minus it, saturating again. */
static void accumulate_double_product(a64_ctx *c, lanes l, uint32_t rd, ir_val n, ir_val m,
                                      bool sub)
{
    lanes wide = wider(l);
    ir_val product = double_product(c, l, n, m), d = read_wide(c, l, rd), saturated, value;

    value = sub ? ir_v_qsub_s(c->ir, d, product, wide.size, &saturated)
                : ir_v_qadd_s(c->ir, d, product, wide.size, &saturated);
    write_lanes(c, wide, rd, value);
    set_qc(c, saturated);
}

/* SQDMULL, SQDMULL2 (vector) */
tr_status tr_v_sqdmull(a64_ctx *c, const a64_arg_v_sqdmull *a)
{
    lanes l = lanes_of(a->scalar, 0, a->size);
    ir_val n = read_narrow(c, l, a->high, a->rn), m = read_narrow(c, l, a->high, a->rm);

    write_lanes(c, wider(l), a->rd, double_product(c, l, n, m));
    return TR_NEXT;
}

/* SQDMULL, SQDMULL2 (by element) */
tr_status tr_v_sqdmull_lane(a64_ctx *c, const a64_arg_v_sqdmull_lane *a)
{
    lanes l = lanes_of(a->scalar, 0, a->size);
    ir_val n = read_narrow(c, l, a->high, a->rn);
    ir_val m = narrow_lane_dup(c, l.size, a->rm, a->index);

    write_lanes(c, wider(l), a->rd, double_product(c, l, n, m));
    return TR_NEXT;
}

/* SQDMLAL, SQDMLAL2 (vector) */
tr_status tr_v_sqdmlal(a64_ctx *c, const a64_arg_v_sqdmlal *a)
{
    lanes l = lanes_of(a->scalar, 0, a->size);
    ir_val n = read_narrow(c, l, a->high, a->rn), m = read_narrow(c, l, a->high, a->rm);

    accumulate_double_product(c, l, a->rd, n, m, false);
    return TR_NEXT;
}

/* SQDMLAL, SQDMLAL2 (by element) */
tr_status tr_v_sqdmlal_lane(a64_ctx *c, const a64_arg_v_sqdmlal_lane *a)
{
    lanes l = lanes_of(a->scalar, 0, a->size);
    ir_val n = read_narrow(c, l, a->high, a->rn);

    accumulate_double_product(c, l, a->rd, n, narrow_lane_dup(c, l.size, a->rm, a->index), false);
    return TR_NEXT;
}

/* SQDMLSL, SQDMLSL2 (vector) */
tr_status tr_v_sqdmlsl(a64_ctx *c, const a64_arg_v_sqdmlsl *a)
{
    lanes l = lanes_of(a->scalar, 0, a->size);
    ir_val n = read_narrow(c, l, a->high, a->rn), m = read_narrow(c, l, a->high, a->rm);

    accumulate_double_product(c, l, a->rd, n, m, true);
    return TR_NEXT;
}

/* SQDMLSL, SQDMLSL2 (by element) */
tr_status tr_v_sqdmlsl_lane(a64_ctx *c, const a64_arg_v_sqdmlsl_lane *a)
{
    lanes l = lanes_of(a->scalar, 0, a->size);
    ir_val n = read_narrow(c, l, a->high, a->rn);

    accumulate_double_product(c, l, a->rd, n, narrow_lane_dup(c, l.size, a->rm, a->index), true);
    return TR_NEXT;
}

/* ---- narrowing ------------------------------------------------------------------------------- */

/* XTN, XTN2 */
tr_status tr_v_xtn(a64_ctx *c, const a64_arg_v_xtn *a)
{
    write_half(c, a->high, a->rd, ir_v_narrow(c->ir, read_v(c, a->rn), a->size));
    return TR_NEXT;
}

typedef enum narrowing { SIGNED, UNSIGNED, SIGNED_TO_UNSIGNED } narrowing;

static void saturating_narrow(a64_ctx *c, uint32_t size, bool high, uint32_t rd, ir_val wide,
                              narrowing how)
{
    ir_val saturated, value;

    switch (how) {
    case SIGNED:
        value = ir_v_qnarrow_s(c->ir, wide, size, &saturated);
        break;
    case UNSIGNED:
        value = ir_v_qnarrow_u(c->ir, wide, size, &saturated);
        break;
    default:
        value = ir_v_qnarrow_su(c->ir, wide, size, &saturated);
    }
    write_half(c, high, rd, value);
    set_qc(c, saturated);
}

/* SQXTN, SQXTN2 */
tr_status tr_v_sqxtn(a64_ctx *c, const a64_arg_v_sqxtn *a)
{
    ir_val wide = read_wide(c, lanes_of(a->scalar, 0, a->size), a->rn);

    saturating_narrow(c, a->size, a->high, a->rd, wide, SIGNED);
    return TR_NEXT;
}

/* UQXTN, UQXTN2 */
tr_status tr_v_uqxtn(a64_ctx *c, const a64_arg_v_uqxtn *a)
{
    ir_val wide = read_wide(c, lanes_of(a->scalar, 0, a->size), a->rn);

    saturating_narrow(c, a->size, a->high, a->rd, wide, UNSIGNED);
    return TR_NEXT;
}

/* SQXTUN, SQXTUN2 */
tr_status tr_v_sqxtun(a64_ctx *c, const a64_arg_v_sqxtun *a)
{
    ir_val wide = read_wide(c, lanes_of(a->scalar, 0, a->size), a->rn);

    saturating_narrow(c, a->size, a->high, a->rd, wide, SIGNED_TO_UNSIGNED);
    return TR_NEXT;
}

/* SHRN, RSHRN and their second forms */
tr_status tr_v_shrn(a64_ctx *c, const a64_arg_v_shrn *a)
{
    ir_val n = read_v(c, a->rn);

    n = a->round ? ir_v_rshr_u(c->ir, n, a->size + 1, a->shift)
                 : ir_v_shr(c->ir, n, a->size + 1, a->shift);
    write_half(c, a->high, a->rd, ir_v_narrow(c->ir, n, a->size));
    return TR_NEXT;
}

static ir_val shift_right(a64_ctx *c, ir_val v, uint32_t size, uint32_t shift, uint32_t u,
                          uint32_t round)
{
    ir_builder *b = c->ir;

    if (round)
        return u ? ir_v_rshr_u(b, v, size, shift) : ir_v_rshr_s(b, v, size, shift);
    return u ? ir_v_shr(b, v, size, shift) : ir_v_sar(b, v, size, shift);
}

/* SQSHRN, UQSHRN, SQRSHRN, UQRSHRN and their second forms */
tr_status tr_v_qshrn(a64_ctx *c, const a64_arg_v_qshrn *a)
{
    ir_val wide = read_wide(c, lanes_of(a->scalar, 0, a->size), a->rn);

    wide = shift_right(c, wide, a->size + 1, a->shift, a->u, a->round);
    saturating_narrow(c, a->size, a->high, a->rd, wide, a->u ? UNSIGNED : SIGNED);
    return TR_NEXT;
}

/* SQSHRUN, SQRSHRUN and their second forms */
tr_status tr_v_sqshrun(a64_ctx *c, const a64_arg_v_sqshrun *a)
{
    ir_val wide = read_wide(c, lanes_of(a->scalar, 0, a->size), a->rn);

    wide = shift_right(c, wide, a->size + 1, a->shift, 0, a->round);
    saturating_narrow(c, a->size, a->high, a->rd, wide, SIGNED_TO_UNSIGNED);
    return TR_NEXT;
}

/* ---- widening shifts ------------------------------------------------------------------------- */

/* SSHLL, USHLL and their second forms */
tr_status tr_v_shll_imm(a64_ctx *c, const a64_arg_v_shll_imm *a)
{
    ir_val wide = widen(c, read_half(c, a->high, a->rn), a->size, a->u);

    write_v(c, a->rd, a->shift ? ir_v_shl(c->ir, wide, a->size + 1, a->shift) : wide);
    return TR_NEXT;
}

/* SHLL, SHLL2 */
tr_status tr_v_shll(a64_ctx *c, const a64_arg_v_shll *a)
{
    ir_val wide = widen(c, read_half(c, a->high, a->rn), a->size, 1);

    write_v(c, a->rd, ir_v_shl(c->ir, wide, a->size + 1, lane_bits(a->size)));
    return TR_NEXT;
}
