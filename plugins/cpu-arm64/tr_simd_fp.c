/*
 * Vector floating-point instructions, and their Advanced SIMD scalar forms.
 *
 * Manual: DDI 0487, C4.1 "Advanced SIMD three same", "two-register miscellaneous", "across lanes",
 * "scalar pairwise", "vector x indexed element", "shift by immediate"; C7.2.
 *
 * Elements that a scalar form does not have must raise no exception: arithmetic of scalars is on
 * floats, comparisons on vectors whose other elements are zero.
 *
 * Left out: half precision but for conversions (FEAT_FP16).
 */
#include "simd.h"

/* ---- operations on floats or on vectors of them ---------------------------------------------- */

/* The lanes: a float of a scalar. */
static ir_val read_floats(a64_ctx *c, lanes l, uint32_t n)
{
    return l.scalar ? read_float(c, l.size, n) : read_lanes(c, l, n);
}

/* One element of register n for each lane. */
static ir_val read_float_dup(a64_ctx *c, lanes l, uint32_t n, uint32_t index)
{
    if (l.scalar)
        return ir_v_lane(c->ir, float_type(l.size), read_v(c, n), l.size, index);
    return read_lane_dup(c, l, n, index);
}

typedef ir_val operation(a64_ctx *c, lanes l, ir_val x, ir_val y);

static ir_val add(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fadd(c->ir, x, y, IR_ROUND_ENV, FP_ENV)
                    : ir_v_fadd(c->ir, x, y, l.size, IR_ROUND_ENV, FP_ENV);
}

static ir_val sub(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fsub(c->ir, x, y, IR_ROUND_ENV, FP_ENV)
                    : ir_v_fsub(c->ir, x, y, l.size, IR_ROUND_ENV, FP_ENV);
}

static ir_val mul(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fmul(c->ir, x, y, IR_ROUND_ENV, FP_ENV)
                    : ir_v_fmul(c->ir, x, y, l.size, IR_ROUND_ENV, FP_ENV);
}

static ir_val divide(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return ir_v_fdiv(c->ir, x, y, l.size, IR_ROUND_ENV, FP_ENV);
}

static ir_val max(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fmax(c->ir, x, y, FP_ENV) : ir_v_fmax(c->ir, x, y, l.size, FP_ENV);
}

static ir_val min(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fmin(c->ir, x, y, FP_ENV) : ir_v_fmin(c->ir, x, y, l.size, FP_ENV);
}

static ir_val maxnm(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fmaxnm(c->ir, x, y, FP_ENV) : ir_v_fmaxnm(c->ir, x, y, l.size, FP_ENV);
}

static ir_val minnm(a64_ctx *c, lanes l, ir_val x, ir_val y)
{
    return l.scalar ? ir_fminnm(c->ir, x, y, FP_ENV) : ir_v_fminnm(c->ir, x, y, l.size, FP_ENV);
}

/* ---- element by element ---------------------------------------------------------------------- */

static tr_status three_same(a64_ctx *c, lanes l, uint32_t rd, uint32_t rn, uint32_t rm,
                            operation *op)
{
    ir_val n = read_floats(c, l, rn), m = read_floats(c, l, rm);

    write_low(c, rd, op(c, l, n, m));
    return TR_NEXT;
}

/* FADD (vector) */
tr_status tr_v_fadd(a64_ctx *c, const a64_arg_v_fadd *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, add);
}

/* FSUB (vector) */
tr_status tr_v_fsub(a64_ctx *c, const a64_arg_v_fsub *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, sub);
}

/* FMUL (vector) */
tr_status tr_v_fmul(a64_ctx *c, const a64_arg_v_fmul *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, mul);
}

/* FDIV (vector) */
tr_status tr_v_fdiv(a64_ctx *c, const a64_arg_v_fdiv *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, divide);
}

/* FMAX (vector) */
tr_status tr_v_fmax(a64_ctx *c, const a64_arg_v_fmax *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, max);
}

/* FMIN (vector) */
tr_status tr_v_fmin(a64_ctx *c, const a64_arg_v_fmin *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, min);
}

/* FMAXNM (vector) */
tr_status tr_v_fmaxnm(a64_ctx *c, const a64_arg_v_fmaxnm *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, maxnm);
}

/* FMINNM (vector) */
tr_status tr_v_fminnm(a64_ctx *c, const a64_arg_v_fminnm *a)
{
    return three_same(c, vector(a->q, a->size), a->rd, a->rn, a->rm, minnm);
}

/* FMUL (by element) */
tr_status tr_v_fmul_lane(a64_ctx *c, const a64_arg_v_fmul_lane *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_floats(c, l, a->rn), m = read_float_dup(c, l, a->rm, a->index);

    write_low(c, a->rd, mul(c, l, n, m));
    return TR_NEXT;
}

/* FABD */
tr_status tr_v_fabd(a64_ctx *c, const a64_arg_v_fabd *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val difference = sub(c, l, read_floats(c, l, a->rn), read_floats(c, l, a->rm));

    write_low(c, a->rd,
              l.scalar ? ir_fabs(c->ir, difference) : ir_v_fabs(c->ir, difference, l.size));
    return TR_NEXT;
}

/* rd + n * m, or rd + -n * m: what is negated is the operand, NaN or not. */
static tr_status multiply_add(a64_ctx *c, lanes l, uint32_t rd, ir_val n, ir_val m,
                              uint32_t subtract)
{
    ir_builder *b = c->ir;
    ir_val d = read_floats(c, l, rd);

    if (subtract)
        n = l.scalar ? ir_fneg(b, n) : ir_v_fneg(b, n, l.size);
    write_low(c, rd,
              l.scalar ? ir_fma(b, n, m, d, IR_ROUND_ENV, FP_ENV, 0)
                       : ir_v_fma(b, n, m, d, l.size, IR_ROUND_ENV, FP_ENV, 0));
    return TR_NEXT;
}

/* FMLA, FMLS (vector) */
tr_status tr_v_fmla(a64_ctx *c, const a64_arg_v_fmla *a)
{
    lanes l = vector(a->q, a->size);

    return multiply_add(c, l, a->rd, read_lanes(c, l, a->rn), read_lanes(c, l, a->rm), a->sub);
}

/* FMLA, FMLS (by element) */
tr_status tr_v_fmla_lane(a64_ctx *c, const a64_arg_v_fmla_lane *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_floats(c, l, a->rn), m = read_float_dup(c, l, a->rm, a->index);

    return multiply_add(c, l, a->rd, n, m, a->sub);
}

/* FABS (vector) */
tr_status tr_v_fabs(a64_ctx *c, const a64_arg_v_fabs *a)
{
    write_low(c, a->rd, ir_v_fabs(c->ir, read_lanes(c, vector(a->q, a->size), a->rn), a->size));
    return TR_NEXT;
}

/* FNEG (vector) */
tr_status tr_v_fneg(a64_ctx *c, const a64_arg_v_fneg *a)
{
    write_low(c, a->rd, ir_v_fneg(c->ir, read_lanes(c, vector(a->q, a->size), a->rn), a->size));
    return TR_NEXT;
}

/* FSQRT (vector) */
tr_status tr_v_fsqrt(a64_ctx *c, const a64_arg_v_fsqrt *a)
{
    ir_val n = read_lanes(c, vector(a->q, a->size), a->rn);

    write_low(c, a->rd, ir_v_fsqrt(c->ir, n, a->size, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA, FRINTX, FRINTI (vector) */
tr_status tr_v_frint(a64_ctx *c, const a64_arg_v_frint *a)
{
    ir_val n = read_lanes(c, vector(a->q, a->size), a->rn);

    write_low(c, a->rd, ir_v_frint(c->ir, n, a->size, rounding(a->rmode), FP_ENV, a->exact));
    return TR_NEXT;
}

/* ---- comparisons ----------------------------------------------------------------------------- */

enum { GT = 0, GE, EQ, LE, LT };

static void compare(a64_ctx *c, lanes l, uint32_t rd, ir_val n, ir_val m, uint32_t op)
{
    ir_builder *b = c->ir;
    ir_val value;

    switch (op) {
    case GT:
        value = ir_v_fcmgt(b, n, m, l.size, FP_ENV);
        break;
    case GE:
        value = ir_v_fcmge(b, n, m, l.size, FP_ENV);
        break;
    case EQ:
        value = ir_v_fcmeq(b, n, m, l.size, FP_ENV);
        break;
    case LE:
        value = ir_v_fcmge(b, m, n, l.size, FP_ENV);
        break;
    default:
        value = ir_v_fcmgt(b, m, n, l.size, FP_ENV);
    }
    write_lanes(c, l, rd, value);
}

/* FCMEQ, FCMGE, FCMGT (register) */
tr_status tr_v_fcmp(a64_ctx *c, const a64_arg_v_fcmp *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    compare(c, l, a->rd, read_lanes(c, l, a->rn), read_lanes(c, l, a->rm), a->op);
    return TR_NEXT;
}

/* FCMEQ, FCMGE, FCMGT, FCMLE, FCMLT (zero) */
tr_status tr_v_fcmp_zero(a64_ctx *c, const a64_arg_v_fcmp_zero *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    compare(c, l, a->rd, read_lanes(c, l, a->rn), ir_v_zero(c->ir, vector_type(l)), a->op);
    return TR_NEXT;
}

/* FACGE, FACGT */
tr_status tr_v_facmp(a64_ctx *c, const a64_arg_v_facmp *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = ir_v_fabs(c->ir, read_lanes(c, l, a->rn), l.size);
    ir_val m = ir_v_fabs(c->ir, read_lanes(c, l, a->rm), l.size);

    compare(c, l, a->rd, n, m, a->op);
    return TR_NEXT;
}

/* ---- pairs and all lanes --------------------------------------------------------------------- */

/* Adjacent elements of m:n. */
static tr_status pairs(a64_ctx *c, lanes l, uint32_t rd, uint32_t rn, uint32_t rm, operation *op)
{
    ir_val n = read_lanes(c, l, rn), m = read_lanes(c, l, rm);
    ir_val even = ir_v_uzp(c->ir, n, m, l.size, 0), odd = ir_v_uzp(c->ir, n, m, l.size, 1);

    write_low(c, rd, op(c, l, even, odd));
    return TR_NEXT;
}

/* FADDP (vector) */
tr_status tr_v_faddp(a64_ctx *c, const a64_arg_v_faddp *a)
{
    return pairs(c, vector(a->q, a->size), a->rd, a->rn, a->rm, add);
}

/* FMAXP (vector) */
tr_status tr_v_fmaxp(a64_ctx *c, const a64_arg_v_fmaxp *a)
{
    return pairs(c, vector(a->q, a->size), a->rd, a->rn, a->rm, max);
}

/* FMINP (vector) */
tr_status tr_v_fminp(a64_ctx *c, const a64_arg_v_fminp *a)
{
    return pairs(c, vector(a->q, a->size), a->rd, a->rn, a->rm, min);
}

/* FMAXNMP (vector) */
tr_status tr_v_fmaxnmp(a64_ctx *c, const a64_arg_v_fmaxnmp *a)
{
    return pairs(c, vector(a->q, a->size), a->rd, a->rn, a->rm, maxnm);
}

/* FMINNMP (vector) */
tr_status tr_v_fminnmp(a64_ctx *c, const a64_arg_v_fminnmp *a)
{
    return pairs(c, vector(a->q, a->size), a->rd, a->rn, a->rm, minnm);
}

static ir_val float_lane(a64_ctx *c, uint32_t size, ir_val v, uint32_t index)
{
    return ir_v_lane(c->ir, float_type(size), v, size, index);
}

/* The lowest two elements. */
static tr_status scalar_pair(a64_ctx *c, uint32_t size, uint32_t rd, uint32_t rn, operation *op)
{
    ir_val v = read_v(c, rn);
    ir_val first = float_lane(c, size, v, 0), second = float_lane(c, size, v, 1);

    write_low(c, rd, op(c, lanes_of(1, 0, size), first, second));
    return TR_NEXT;
}

/* FADDP (scalar) */
tr_status tr_v_faddp_scalar(a64_ctx *c, const a64_arg_v_faddp_scalar *a)
{
    return scalar_pair(c, a->size, a->rd, a->rn, add);
}

/* FMAXP (scalar) */
tr_status tr_v_fmaxp_scalar(a64_ctx *c, const a64_arg_v_fmaxp_scalar *a)
{
    return scalar_pair(c, a->size, a->rd, a->rn, max);
}

/* FMINP (scalar) */
tr_status tr_v_fminp_scalar(a64_ctx *c, const a64_arg_v_fminp_scalar *a)
{
    return scalar_pair(c, a->size, a->rd, a->rn, min);
}

/* FMAXNMP (scalar) */
tr_status tr_v_fmaxnmp_scalar(a64_ctx *c, const a64_arg_v_fmaxnmp_scalar *a)
{
    return scalar_pair(c, a->size, a->rd, a->rn, maxnm);
}

/* FMINNMP (scalar) */
tr_status tr_v_fminnmp_scalar(a64_ctx *c, const a64_arg_v_fminnmp_scalar *a)
{
    return scalar_pair(c, a->size, a->rd, a->rn, minnm);
}

/* Four single-precision elements, as the manual's Reduce() pairs them. */
static tr_status across(a64_ctx *c, uint32_t rd, uint32_t rn, operation *op)
{
    lanes single = lanes_of(1, 0, 2);
    ir_val v = read_v(c, rn);
    ir_val low = op(c, single, float_lane(c, 2, v, 0), float_lane(c, 2, v, 1));
    ir_val high = op(c, single, float_lane(c, 2, v, 2), float_lane(c, 2, v, 3));

    write_low(c, rd, op(c, single, low, high));
    return TR_NEXT;
}

/* FMAXV */
tr_status tr_v_fmaxv(a64_ctx *c, const a64_arg_v_fmaxv *a)
{
    return across(c, a->rd, a->rn, max);
}

/* FMINV */
tr_status tr_v_fminv(a64_ctx *c, const a64_arg_v_fminv *a)
{
    return across(c, a->rd, a->rn, min);
}

/* FMAXNMV */
tr_status tr_v_fmaxnmv(a64_ctx *c, const a64_arg_v_fmaxnmv *a)
{
    return across(c, a->rd, a->rn, maxnm);
}

/* FMINNMV */
tr_status tr_v_fminnmv(a64_ctx *c, const a64_arg_v_fminnmv *a)
{
    return across(c, a->rd, a->rn, minnm);
}

/* ---- conversions ----------------------------------------------------------------------------- */

/* FCVTNS, FCVTNU, FCVTPS, FCVTPU, FCVTMS, FCVTMU, FCVTZS, FCVTZU, FCVTAS, FCVTAU */
tr_status tr_v_fp_to_int(a64_ctx *c, const a64_arg_v_fp_to_int *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val n = read_floats(c, l, a->rn), value;

    if (l.scalar)
        value = a->u ? ir_fcvt_u(b, int_type(l.size), n, a->rmode, FP_ENV, a->fbits)
                     : ir_fcvt_s(b, int_type(l.size), n, a->rmode, FP_ENV, a->fbits);
    else
        value = a->u ? ir_v_fcvt_u(b, n, l.size, a->rmode, FP_ENV, a->fbits)
                     : ir_v_fcvt_s(b, n, l.size, a->rmode, FP_ENV, a->fbits);
    write_low(c, a->rd, value);
    return TR_NEXT;
}

/* SCVTF, UCVTF */
tr_status tr_v_int_to_fp(a64_ctx *c, const a64_arg_v_int_to_fp *a)
{
    ir_builder *b = c->ir;
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_type type = float_type(l.size);
    ir_val n = l.scalar ? read_int(c, l.size, a->rn) : read_lanes(c, l, a->rn), value;

    if (l.scalar)
        value = a->u ? ir_ucvt_f(b, type, n, IR_ROUND_ENV, FP_ENV, a->fbits)
                     : ir_scvt_f(b, type, n, IR_ROUND_ENV, FP_ENV, a->fbits);
    else
        value = a->u ? ir_v_ucvt_f(b, n, l.size, IR_ROUND_ENV, FP_ENV, a->fbits)
                     : ir_v_scvt_f(b, n, l.size, IR_ROUND_ENV, FP_ENV, a->fbits);
    write_low(c, a->rd, value);
    return TR_NEXT;
}

/* FCVTL, FCVTL2 */
tr_status tr_v_fcvtl(a64_ctx *c, const a64_arg_v_fcvtl *a)
{
    write_v(c, a->rd, ir_v_fcvtl(c->ir, read_half(c, a->high, a->rn), a->size, FP_ENV));
    return TR_NEXT;
}

/* FCVTN, FCVTN2 */
tr_status tr_v_fcvtn(a64_ctx *c, const a64_arg_v_fcvtn *a)
{
    ir_val value = ir_v_fcvtn(c->ir, read_v(c, a->rn), a->size, IR_ROUND_ENV, FP_ENV);

    write_half(c, a->high, a->rd, value);
    return TR_NEXT;
}

/* FCVTXN, FCVTXN2 */
tr_status tr_v_fcvtxn(a64_ctx *c, const a64_arg_v_fcvtxn *a)
{
    if (a->scalar)
        write_low(c, a->rd, ir_fcvt(c->ir, IR_F32, read_float(c, 3, a->rn), PB_FP_TO_ODD, FP_ENV));
    else
        write_half(c, a->high, a->rd, ir_v_fcvtn(c->ir, read_v(c, a->rn), 2, PB_FP_TO_ODD, FP_ENV));
    return TR_NEXT;
}

/* ---- estimates and steps, by helpers --------------------------------------------------------- */

static tr_status unary(a64_ctx *c, lanes l, uint32_t rd, uint32_t rn, uint32_t helper)
{
    write_v(c, rd, call2(c, helper, IR_V128, read_v(c, rn), shape_of(c, l)));
    return TR_NEXT;
}

static tr_status binary(a64_ctx *c, lanes l, uint32_t rd, uint32_t rn, uint32_t rm, uint32_t helper)
{
    write_v(c, rd, call3(c, helper, IR_V128, read_v(c, rn), read_v(c, rm), shape_of(c, l)));
    return TR_NEXT;
}

/* FRECPE */
tr_status tr_v_frecpe(a64_ctx *c, const a64_arg_v_frecpe *a)
{
    return unary(c, lanes_of(a->scalar, a->q, a->size), a->rd, a->rn, H_FRECPE);
}

/* FRSQRTE */
tr_status tr_v_frsqrte(a64_ctx *c, const a64_arg_v_frsqrte *a)
{
    return unary(c, lanes_of(a->scalar, a->q, a->size), a->rd, a->rn, H_FRSQRTE);
}

/* FRECPX */
tr_status tr_v_frecpx(a64_ctx *c, const a64_arg_v_frecpx *a)
{
    return unary(c, lanes_of(1, 0, a->size), a->rd, a->rn, H_FRECPX);
}

/* URECPE */
tr_status tr_v_urecpe(a64_ctx *c, const a64_arg_v_urecpe *a)
{
    return unary(c, vector(a->q, 2), a->rd, a->rn, H_URECPE);
}

/* URSQRTE */
tr_status tr_v_ursqrte(a64_ctx *c, const a64_arg_v_ursqrte *a)
{
    return unary(c, vector(a->q, 2), a->rd, a->rn, H_URSQRTE);
}

/* FRECPS */
tr_status tr_v_frecps(a64_ctx *c, const a64_arg_v_frecps *a)
{
    return binary(c, lanes_of(a->scalar, a->q, a->size), a->rd, a->rn, a->rm, H_FRECPS);
}

/* FRSQRTS */
tr_status tr_v_frsqrts(a64_ctx *c, const a64_arg_v_frsqrts *a)
{
    return binary(c, lanes_of(a->scalar, a->q, a->size), a->rd, a->rn, a->rm, H_FRSQRTS);
}

/* FMULX */
tr_status tr_v_fmulx(a64_ctx *c, const a64_arg_v_fmulx *a)
{
    return binary(c, lanes_of(a->scalar, a->q, a->size), a->rd, a->rn, a->rm, H_FMULX);
}

/* FMULX (by element) */
tr_status tr_v_fmulx_lane(a64_ctx *c, const a64_arg_v_fmulx_lane *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);
    ir_val m = read_lane_dup(c, vector(1, l.size), a->rm, a->index);

    write_v(c, a->rd, call3(c, H_FMULX, IR_V128, read_v(c, a->rn), m, shape_of(c, l)));
    return TR_NEXT;
}
