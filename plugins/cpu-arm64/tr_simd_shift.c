/*
 * Vector shifts of elements that keep their size.
 *
 * Manual: DDI 0487, C4.1 "Advanced SIMD shift by immediate", "three same" and their scalar
 * forms; C7.2.
 */
#include "simd.h"

/* ---- to the right, by an immediate ----------------------------------------------------------- */

static ir_val shift_right(a64_ctx *c, lanes l, uint32_t n, uint32_t shift, uint32_t u)
{
    ir_val v = read_lanes(c, l, n);

    return u ? ir_v_shr(c->ir, v, l.size, shift) : ir_v_sar(c->ir, v, l.size, shift);
}

static ir_val rounding_shift_right(a64_ctx *c, lanes l, uint32_t n, uint32_t shift, uint32_t u)
{
    ir_val v = read_lanes(c, l, n);

    return u ? ir_v_rshr_u(c->ir, v, l.size, shift) : ir_v_rshr_s(c->ir, v, l.size, shift);
}

static void accumulate(a64_ctx *c, lanes l, uint32_t rd, ir_val value)
{
    write_lanes(c, l, rd, ir_v_add(c->ir, read_lanes(c, l, rd), value, l.size));
}

/* SSHR, USHR */
tr_status tr_v_shr(a64_ctx *c, const a64_arg_v_shr *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    write_lanes(c, l, a->rd, shift_right(c, l, a->rn, a->shift, a->u));
    return TR_NEXT;
}

/* SSRA, USRA */
tr_status tr_v_sra(a64_ctx *c, const a64_arg_v_sra *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    accumulate(c, l, a->rd, shift_right(c, l, a->rn, a->shift, a->u));
    return TR_NEXT;
}

/* SRSHR, URSHR */
tr_status tr_v_rshr(a64_ctx *c, const a64_arg_v_rshr *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    write_lanes(c, l, a->rd, rounding_shift_right(c, l, a->rn, a->shift, a->u));
    return TR_NEXT;
}

/* SRSRA, URSRA */
tr_status tr_v_rsra(a64_ctx *c, const a64_arg_v_rsra *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    accumulate(c, l, a->rd, rounding_shift_right(c, l, a->rn, a->shift, a->u));
    return TR_NEXT;
}

/* The bits of rd that the mask has, the others from the value. */
static void insert(a64_ctx *c, lanes l, uint32_t rd, uint64_t kept, ir_val value)
{
    ir_val mask = lanes_const(c, l, kept);

    write_lanes(c, l, rd, ir_v_bsl(c->ir, mask, read_lanes(c, l, rd), value));
}

/* The low n bits of an element, n up to 64. */
static uint64_t low_bits(uint32_t n)
{
    return n < 64 ? (UINT64_C(1) << n) - 1 : UINT64_MAX;
}

/* SRI */
tr_status tr_v_sri(a64_ctx *c, const a64_arg_v_sri *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    uint64_t kept = ~low_bits(lane_bits(l.size) - a->shift);

    insert(c, l, a->rd, kept, shift_right(c, l, a->rn, a->shift, 1));
    return TR_NEXT;
}

/* ---- to the left, by an immediate ------------------------------------------------------------ */

/* SHL */
tr_status tr_v_shl(a64_ctx *c, const a64_arg_v_shl *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    write_lanes(c, l, a->rd, ir_v_shl(c->ir, read_lanes(c, l, a->rn), l.size, a->shift));
    return TR_NEXT;
}

/* SLI */
tr_status tr_v_sli(a64_ctx *c, const a64_arg_v_sli *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val value = ir_v_shl(c->ir, read_lanes(c, l, a->rn), l.size, a->shift);

    insert(c, l, a->rd, low_bits(a->shift), value);
    return TR_NEXT;
}

/* SQSHL, UQSHL (immediate) */
tr_status tr_v_qshl(a64_ctx *c, const a64_arg_v_qshl *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), by = lanes_const(c, l, a->shift), value, saturated;

    value = a->u ? ir_v_qshlv_u(c->ir, n, by, l.size, &saturated)
                 : ir_v_qshlv_s(c->ir, n, by, l.size, &saturated);
    write_lanes(c, l, a->rd, value);
    set_qc(c, saturated);
    return TR_NEXT;
}

/* SQSHLU: a signed number shifted, saturated to the unsigned range. Negative ones become 0, and
 * have then changed, which says that they saturated. */
tr_status tr_v_sqshlu(a64_ctx *c, const a64_arg_v_sqshlu *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), by = lanes_const(c, l, a->shift), saturated;
    ir_val positive = ir_v_max_s(b, n, ir_v_zero(b, vector_type(l)), l.size);
    ir_val changed = ir_v_maxv_u(b, IR_I32, ir_v_xor(b, n, positive), 2);
    ir_val value = ir_v_qshlv_u(b, positive, by, l.size, &saturated);

    write_lanes(c, l, a->rd, value);
    set_qc(c, ir_or(b, saturated, ir_ne_zero(b, changed)));
    return TR_NEXT;
}

/* ---- by a register --------------------------------------------------------------------------- */

/* SSHL, USHL, SRSHL, URSHL */
tr_status tr_v_shl_reg(a64_ctx *c, const a64_arg_v_shl_reg *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value;

    if (a->round)
        value = a->u ? ir_v_rshlv_u(b, n, m, l.size) : ir_v_rshlv_s(b, n, m, l.size);
    else
        value = a->u ? ir_v_shlv_u(b, n, m, l.size) : ir_v_shlv_s(b, n, m, l.size);
    write_lanes(c, l, a->rd, value);
    return TR_NEXT;
}

/* SQSHL, UQSHL, SQRSHL, UQRSHL (register) */
tr_status tr_v_qshl_reg(a64_ctx *c, const a64_arg_v_qshl_reg *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), value, saturated;

    if (a->round)
        value = a->u ? ir_v_qrshlv_u(b, n, m, l.size, &saturated)
                     : ir_v_qrshlv_s(b, n, m, l.size, &saturated);
    else
        value = a->u ? ir_v_qshlv_u(b, n, m, l.size, &saturated)
                     : ir_v_qshlv_s(b, n, m, l.size, &saturated);
    write_lanes(c, l, a->rd, value);
    set_qc(c, saturated);
    return TR_NEXT;
}
