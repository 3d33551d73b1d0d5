/*
 * Vector instructions on integer elements of one size: arithmetic, comparisons, reductions.
 *
 * Manual: DDI 0487, C4.1 "Advanced SIMD three same", "two-register miscellaneous", "across lanes",
 * "vector x indexed element" and their scalar forms; C7.2.
 */
#include "simd.h"

/* ---- sums and products ----------------------------------------------------------------------- */

/* ADD (vector) */
tr_status tr_v_add(a64_ctx *c, const a64_arg_v_add *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_lanes(c, l, a->rd, ir_v_add(c->ir, n, m, l.size));
    return TR_NEXT;
}

/* SUB (vector) */
tr_status tr_v_sub(a64_ctx *c, const a64_arg_v_sub *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_lanes(c, l, a->rd, ir_v_sub(c->ir, n, m, l.size));
    return TR_NEXT;
}

/* NEG (vector) */
tr_status tr_v_neg(a64_ctx *c, const a64_arg_v_neg *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    write_lanes(c, l, a->rd, ir_v_neg(c->ir, read_lanes(c, l, a->rn), l.size));
    return TR_NEXT;
}

/* ABS */
tr_status tr_v_abs(a64_ctx *c, const a64_arg_v_abs *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    write_lanes(c, l, a->rd, ir_v_abs(c->ir, read_lanes(c, l, a->rn), l.size));
    return TR_NEXT;
}

/* MUL (vector) */
tr_status tr_v_mul(a64_ctx *c, const a64_arg_v_mul *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_mul(c->ir, n, m, l.size));
    return TR_NEXT;
}

/* MUL (by element) */
tr_status tr_v_mul_lane(a64_ctx *c, const a64_arg_v_mul_lane *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lane_dup(c, l, a->rm, a->index);

    write_low(c, a->rd, ir_v_mul(c->ir, n, m, l.size));
    return TR_NEXT;
}

static void multiply_add(a64_ctx *c, lanes l, uint32_t rd, ir_val n, ir_val m, uint32_t sub)
{
    ir_val d = read_lanes(c, l, rd), product = ir_v_mul(c->ir, n, m, l.size);

    write_low(c, rd,
              sub ? ir_v_sub(c->ir, d, product, l.size) : ir_v_add(c->ir, d, product, l.size));
}

/* MLA, MLS (vector) */
tr_status tr_v_mla(a64_ctx *c, const a64_arg_v_mla *a)
{
    lanes l = vector(a->q, a->size);

    multiply_add(c, l, a->rd, read_lanes(c, l, a->rn), read_lanes(c, l, a->rm), a->sub);
    return TR_NEXT;
}

/* MLA, MLS (by element) */
tr_status tr_v_mla_lane(a64_ctx *c, const a64_arg_v_mla_lane *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lane_dup(c, l, a->rm, a->index);

    multiply_add(c, l, a->rd, n, m, a->sub);
    return TR_NEXT;
}

/* PMUL */
tr_status tr_v_pmul(a64_ctx *c, const a64_arg_v_pmul *a)
{
    lanes l = vector(a->q, 0);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_pmul(c->ir, n, m));
    return TR_NEXT;
}

/* SHADD, UHADD, SRHADD, URHADD */
tr_status tr_v_hadd(a64_ctx *c, const a64_arg_v_hadd *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd,
              a->u ? ir_v_hadd_u(c->ir, n, m, l.size, a->round)
                   : ir_v_hadd_s(c->ir, n, m, l.size, a->round));
    return TR_NEXT;
}

/* SHSUB, UHSUB */
tr_status tr_v_hsub(a64_ctx *c, const a64_arg_v_hsub *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, a->u ? ir_v_hsub_u(c->ir, n, m, l.size) : ir_v_hsub_s(c->ir, n, m, l.size));
    return TR_NEXT;
}

/* SABD, UABD, SABA, UABA */
tr_status tr_v_abd(a64_ctx *c, const a64_arg_v_abd *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);
    ir_val value = a->u ? ir_v_abd_u(c->ir, n, m, l.size) : ir_v_abd_s(c->ir, n, m, l.size);

    if (a->acc)
        value = ir_v_add(c->ir, read_lanes(c, l, a->rd), value, l.size);
    write_low(c, a->rd, value);
    return TR_NEXT;
}

/* ---- minimum, maximum, comparison ------------------------------------------------------------ */

/* SMAX, UMAX, SMIN, UMIN */
tr_status tr_v_minmax(a64_ctx *c, const a64_arg_v_minmax *a)
{
    ir_builder *b = c->ir;
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value;

    if (a->min)
        value = a->u ? ir_v_min_u(b, n, m, l.size) : ir_v_min_s(b, n, m, l.size);
    else
        value = a->u ? ir_v_max_u(b, n, m, l.size) : ir_v_max_s(b, n, m, l.size);
    write_low(c, a->rd, value);
    return TR_NEXT;
}

/* CMGT, CMGE, CMEQ, CMHI, CMHS (register) */
tr_status tr_v_cmp(a64_ctx *c, const a64_arg_v_cmp *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value;

    switch (a->op) {
    case 0:
        value = ir_v_cmgt_s(b, n, m, l.size);
        break;
    case 1:
        value = ir_v_cmge_s(b, n, m, l.size);
        break;
    case 2:
        value = ir_v_cmeq(b, n, m, l.size);
        break;
    case 3:
        value = ir_v_cmgt_u(b, n, m, l.size);
        break;
    default:
        value = ir_v_cmge_u(b, n, m, l.size);
    }
    write_lanes(c, l, a->rd, value);
    return TR_NEXT;
}

/* CMGT, CMGE, CMEQ, CMLE, CMLT (zero) */
tr_status tr_v_cmp_zero(a64_ctx *c, const a64_arg_v_cmp_zero *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), zero = ir_v_zero(b, vector_type(l)), value;

    switch (a->op) {
    case 0:
        value = ir_v_cmgt_s(b, n, zero, l.size);
        break;
    case 1:
        value = ir_v_cmge_s(b, n, zero, l.size);
        break;
    case 2:
        value = ir_v_cmeq(b, n, zero, l.size);
        break;
    case 3:
        value = ir_v_cmge_s(b, zero, n, l.size);
        break;
    default:
        value = ir_v_cmgt_s(b, zero, n, l.size);
    }
    write_lanes(c, l, a->rd, value);
    return TR_NEXT;
}

/* CMTST */
tr_status tr_v_cmtst(a64_ctx *c, const a64_arg_v_cmtst *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val common = ir_v_and(b, read_lanes(c, l, a->rn), read_lanes(c, l, a->rm));
    ir_val none = ir_v_cmeq(b, common, ir_v_zero(b, vector_type(l)), l.size);

    write_lanes(c, l, a->rd, ir_v_not(b, none));
    return TR_NEXT;
}

/* ---- counting -------------------------------------------------------------------------------- */

/* CLS (vector) */
tr_status tr_v_cls(a64_ctx *c, const a64_arg_v_cls *a)
{
    lanes l = vector(a->q, a->size);

    write_low(c, a->rd, ir_v_cls(c->ir, read_lanes(c, l, a->rn), l.size));
    return TR_NEXT;
}

/* CLZ (vector) */
tr_status tr_v_clz(a64_ctx *c, const a64_arg_v_clz *a)
{
    lanes l = vector(a->q, a->size);

    write_low(c, a->rd, ir_v_clz(c->ir, read_lanes(c, l, a->rn), l.size));
    return TR_NEXT;
}

/* ---- saturating ------------------------------------------------------------------------------ */

/* SQADD, UQADD */
tr_status tr_v_qadd(a64_ctx *c, const a64_arg_v_qadd *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value, saturated;

    value = a->u ? ir_v_qadd_u(c->ir, n, m, l.size, &saturated)
                 : ir_v_qadd_s(c->ir, n, m, l.size, &saturated);
    write_lanes(c, l, a->rd, value);
    set_qc(c, saturated);
    return TR_NEXT;
}

/* SQSUB, UQSUB */
tr_status tr_v_qsub(a64_ctx *c, const a64_arg_v_qsub *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value, saturated;

    value = a->u ? ir_v_qsub_u(c->ir, n, m, l.size, &saturated)
                 : ir_v_qsub_s(c->ir, n, m, l.size, &saturated);
    write_lanes(c, l, a->rd, value);
    set_qc(c, saturated);
    return TR_NEXT;
}

/* SUQADD, USQADD: the sum of a signed and an unsigned number. Flipping the sign bit of the
 * accumulator moves it to the other kind's range, in which the sum saturates where it should,
 * and flipping it again moves the sum back. A scalar's other lanes flip with it, and stay 0 +
 * the flip: they do not saturate. */
tr_status tr_v_suqadd(a64_ctx *c, const a64_arg_v_suqadd *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn);
    ir_val sign = lanes_const(c, l, UINT64_C(1) << (lane_bits(l.size) - 1));
    ir_val d = ir_v_xor(b, read_lanes(c, l, a->rd), sign), value, saturated;

    value =
        a->u ? ir_v_qadd_s(b, d, n, l.size, &saturated) : ir_v_qadd_u(b, d, n, l.size, &saturated);
    write_lanes(c, l, a->rd, ir_v_xor(b, value, sign));
    set_qc(c, saturated);
    return TR_NEXT;
}

/* 0 - n, saturating. */
static ir_val saturating_neg(a64_ctx *c, lanes l, ir_val n)
{
    ir_val saturated, value;

    value = ir_v_qsub_s(c->ir, ir_v_zero(c->ir, vector_type(l)), n, l.size, &saturated);
    set_qc(c, saturated);
    return value;
}

/* SQABS */
tr_status tr_v_sqabs(a64_ctx *c, const a64_arg_v_sqabs *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn);

    write_lanes(c, l, a->rd, ir_v_max_s(c->ir, n, saturating_neg(c, l, n), l.size));
    return TR_NEXT;
}

/* SQNEG */
tr_status tr_v_sqneg(a64_ctx *c, const a64_arg_v_sqneg *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    write_lanes(c, l, a->rd, saturating_neg(c, l, read_lanes(c, l, a->rn)));
    return TR_NEXT;
}

static void doubling_multiply_high(a64_ctx *c, lanes l, uint32_t rd, ir_val n, ir_val m,
                                   uint32_t round)
{
    ir_val saturated, value = ir_v_qdmulh(c->ir, n, m, l.size, round, &saturated);

    write_lanes(c, l, rd, value);
    set_qc(c, saturated);
}

/* SQDMULH, SQRDMULH (vector) */
tr_status tr_v_sqdmulh(a64_ctx *c, const a64_arg_v_sqdmulh *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    doubling_multiply_high(c, l, a->rd, read_lanes(c, l, a->rn), read_lanes(c, l, a->rm), a->round);
    return TR_NEXT;
}

/* SQDMULH, SQRDMULH (by element) */
tr_status tr_v_sqdmulh_lane(a64_ctx *c, const a64_arg_v_sqdmulh_lane *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lane_dup(c, l, a->rm, a->index);

    doubling_multiply_high(c, l, a->rd, n, m, a->round);
    return TR_NEXT;
}

static void doubling_multiply_accumulate(a64_ctx *c, lanes l, uint32_t rd, ir_val n, ir_val m,
                                         uint32_t sub)
{
    ir_val args[4] = { read_v(c, rd), n, m, shape_of(c, l) };

    write_v(c, rd, ir_call(c->ir, sub ? H_SQRDMLSH : H_SQRDMLAH, IR_V128, args, 4));
}

/* SQRDMLAH, SQRDMLSH (vector) */
tr_status tr_v_sqrdmla(a64_ctx *c, const a64_arg_v_sqrdmla *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    doubling_multiply_accumulate(c, l, a->rd, read_v(c, a->rn), read_v(c, a->rm), a->sub);
    return TR_NEXT;
}

/* SQRDMLAH, SQRDMLSH (by element) */
tr_status tr_v_sqrdmla_lane(a64_ctx *c, const a64_arg_v_sqrdmla_lane *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val m = read_lane_dup(c, vector(1, l.size), a->rm, a->index);

    doubling_multiply_accumulate(c, l, a->rd, read_v(c, a->rn), m, a->sub);
    return TR_NEXT;
}

/* ---- pairs and all lanes --------------------------------------------------------------------- */

/* ADDP (vector) */
tr_status tr_v_addp(a64_ctx *c, const a64_arg_v_addp *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_addp(c->ir, n, m, l.size));
    return TR_NEXT;
}

/* ADDP (scalar) */
tr_status tr_v_addp_scalar(a64_ctx *c, const a64_arg_v_addp_scalar *a)
{
    write_low(c, a->rd, ir_v_addv(c->ir, IR_I64, read_v(c, a->rn), 3));
    return TR_NEXT;
}

/* SMAXP, UMAXP, SMINP, UMINP */
tr_status tr_v_minmaxp(a64_ctx *c, const a64_arg_v_minmaxp *a)
{
    ir_builder *b = c->ir;
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value;

    if (a->min)
        value = a->u ? ir_v_minp_u(b, n, m, l.size) : ir_v_minp_s(b, n, m, l.size);
    else
        value = a->u ? ir_v_maxp_u(b, n, m, l.size) : ir_v_maxp_s(b, n, m, l.size);
    write_low(c, a->rd, value);
    return TR_NEXT;
}

static ir_val add_long_pairs(a64_ctx *c, lanes l, uint32_t n, uint32_t u)
{
    ir_val v = read_lanes(c, l, n);

    return u ? ir_v_addlp_u(c->ir, v, l.size) : ir_v_addlp_s(c->ir, v, l.size);
}

/* SADDLP, UADDLP, SADALP, UADALP */
tr_status tr_v_addlp(a64_ctx *c, const a64_arg_v_addlp *a)
{
    lanes l = vector(a->q, a->size);
    ir_val sums = add_long_pairs(c, l, a->rn, a->u);

    if (a->acc)
        sums = ir_v_add(c->ir, read_lanes(c, l, a->rd), sums, l.size + 1);
    write_low(c, a->rd, sums);
    return TR_NEXT;
}

/* SADDLV, UADDLV. Pairs first: their sums fit, and so does the sum of all. */
tr_status tr_v_addlv(a64_ctx *c, const a64_arg_v_addlv *a)
{
    ir_val sums = add_long_pairs(c, vector(a->q, a->size), a->rn, a->u);

    write_low(c, a->rd, ir_v_addv(c->ir, int_type(a->size + 1), sums, a->size + 1));
    return TR_NEXT;
}

/* ADDV */
tr_status tr_v_addv(a64_ctx *c, const a64_arg_v_addv *a)
{
    ir_val n = read_lanes(c, vector(a->q, a->size), a->rn);

    write_low(c, a->rd, ir_v_addv(c->ir, int_type(a->size), n, a->size));
    return TR_NEXT;
}

/* SMAXV, UMAXV */
tr_status tr_v_maxv(a64_ctx *c, const a64_arg_v_maxv *a)
{
    ir_val n = read_lanes(c, vector(a->q, a->size), a->rn);
    ir_type type = int_type(a->size);

    write_low(c, a->rd,
              a->u ? ir_v_maxv_u(c->ir, type, n, a->size) : ir_v_maxv_s(c->ir, type, n, a->size));
    return TR_NEXT;
}

/* SMINV, UMINV */
tr_status tr_v_minv(a64_ctx *c, const a64_arg_v_minv *a)
{
    ir_val n = read_lanes(c, vector(a->q, a->size), a->rn);
    ir_type type = int_type(a->size);

    write_low(c, a->rd,
              a->u ? ir_v_minv_u(c->ir, type, n, a->size) : ir_v_minv_s(c->ir, type, n, a->size));
    return TR_NEXT;
}
