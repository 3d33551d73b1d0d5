/*
 * Scalar floating-point instructions.
 *
 * Manual: DDI 0487, C4.1 "Data Processing -- Scalar Floating-Point and Advanced SIMD", from
 * "Conversion between floating-point and fixed-point" to "Floating-point data-processing (3
 * source)"; C7.2; A1.4 and shared/functions/float for results and exceptions.
 *
 * Left out: half precision but for conversions (FEAT_FP16).
 */
#include "simd.h"

/* ---- conversions ----------------------------------------------------------------------------- */

/* SCVTF, UCVTF (general register) */
tr_status tr_int_to_fp(a64_ctx *c, const a64_arg_int_to_fp *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR);
    ir_type type = float_type(a->size);

    write_low(c, a->rd,
              a->u ? ir_ucvt_f(c->ir, type, n, IR_ROUND_ENV, FP_ENV, a->fbits)
                   : ir_scvt_f(c->ir, type, n, IR_ROUND_ENV, FP_ENV, a->fbits));
    return TR_NEXT;
}

/* FCVTNS, FCVTNU, FCVTPS, FCVTPU, FCVTMS, FCVTMU, FCVTZS, FCVTZU, FCVTAS, FCVTAU (general
 * register) */
tr_status tr_fp_to_int(a64_ctx *c, const a64_arg_fp_to_int *a)
{
    ir_val n = read_float(c, a->size, a->rn);
    ir_type type = width_type(a->sf);

    write_x(c, a->sf, a->rd, ZR,
            a->u ? ir_fcvt_u(c->ir, type, n, a->rmode, FP_ENV, a->fbits)
                 : ir_fcvt_s(c->ir, type, n, a->rmode, FP_ENV, a->fbits));
    return TR_NEXT;
}

/* FCVT */
tr_status tr_fcvt(a64_ctx *c, const a64_arg_fcvt *a)
{
    ir_val n = read_float(c, a->from, a->rn);

    write_low(c, a->rd, ir_fcvt(c->ir, float_type(a->size), n, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FRINTN, FRINTP, FRINTM, FRINTZ, FRINTA, FRINTX, FRINTI (scalar) */
tr_status tr_frint(a64_ctx *c, const a64_arg_frint *a)
{
    ir_val n = read_float(c, a->size, a->rn);

    write_low(c, a->rd, ir_frint(c->ir, n, rounding(a->rmode), FP_ENV, a->exact));
    return TR_NEXT;
}

/* ---- moves ----------------------------------------------------------------------------------- */

/* FMOV (general), to a general register */
tr_status tr_fmov_to_gpr(a64_ctx *c, const a64_arg_fmov_to_gpr *a)
{
    uint32_t sf = a->size == 3;

    write_x(c, sf, a->rd, ZR, ir_v_lane(c->ir, width_type(sf), read_v(c, a->rn), a->size, a->top));
    return TR_NEXT;
}

/* FMOV (general), from a general register */
tr_status tr_fmov_from_gpr(a64_ctx *c, const a64_arg_fmov_from_gpr *a)
{
    ir_val n = read_x(c, a->size == 3, a->rn, ZR);

    if (a->top)
        write_v(c, a->rd, ir_v_setlane(c->ir, read_v(c, a->rd), n, 3, 1));
    else
        write_low(c, a->rd, n);
    return TR_NEXT;
}

/* FMOV (register) */
tr_status tr_fmov(a64_ctx *c, const a64_arg_fmov *a)
{
    write_low(c, a->rd, read_float(c, a->size, a->rn));
    return TR_NEXT;
}

/* FMOV (scalar, immediate) */
tr_status tr_fmov_imm(a64_ctx *c, const a64_arg_fmov_imm *a)
{
    pb_u128 value = { fp_imm(a->size, a->imm8), 0 };

    write_v(c, a->rd, ir_const128(c->ir, IR_V128, value));
    return TR_NEXT;
}

/* ---- comparisons ----------------------------------------------------------------------------- */

static ir_val float_zero(a64_ctx *c, uint32_t size)
{
    return ir_imm(c->ir, float_type(size), 0);
}

/* FCMP, FCMPE */
tr_status tr_fcmp(a64_ctx *c, const a64_arg_fcmp *a)
{
    ir_val n = read_float(c, a->size, a->rn);
    ir_val m = a->zero ? float_zero(c, a->size) : read_float(c, a->size, a->rm);

    write_nzcv(c, ir_fcmp(c->ir, n, m, a->e, FP_ENV));
    return TR_NEXT;
}

/* FCCMP, FCCMPE. Without the condition nothing is compared, and no exception raised: two zeros take
 * the operands' places, which raise none. */
tr_status tr_fccmp(a64_ctx *c, const a64_arg_fccmp *a)
{
    ir_builder *b = c->ir;
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm), old, flags;

    if (a->cond >= 14) { /* AL, and NV that acts as it */
        write_nzcv(c, ir_fcmp(b, n, m, a->e, FP_ENV));
        return TR_NEXT;
    }
    old = read_nzcv(c);
    n = ir_sel_cc(b, old, n, float_zero(c, a->size), a->cond);
    m = ir_sel_cc(b, old, m, float_zero(c, a->size), a->cond);
    flags = ir_fcmp(b, n, m, a->e, FP_ENV);
    write_nzcv(c,
               ir_sel_cc(b, old, flags, ir_flunpack_nzcv(b, ir_imm32(b, a->nzcv << 28)), a->cond));
    return TR_NEXT;
}

/* FCSEL */
tr_status tr_fcsel(a64_ctx *c, const a64_arg_fcsel *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, a->cond >= 14 ? n : ir_sel_cc(c->ir, read_nzcv(c), n, m, a->cond));
    return TR_NEXT;
}

/* ---- arithmetic ------------------------------------------------------------------------------ */

/* FABS (scalar) */
tr_status tr_fabs(a64_ctx *c, const a64_arg_fabs *a)
{
    write_low(c, a->rd, ir_fabs(c->ir, read_float(c, a->size, a->rn)));
    return TR_NEXT;
}

/* FNEG (scalar) */
tr_status tr_fneg(a64_ctx *c, const a64_arg_fneg *a)
{
    write_low(c, a->rd, ir_fneg(c->ir, read_float(c, a->size, a->rn)));
    return TR_NEXT;
}

/* FSQRT (scalar) */
tr_status tr_fsqrt(a64_ctx *c, const a64_arg_fsqrt *a)
{
    ir_val n = read_float(c, a->size, a->rn);

    write_low(c, a->rd, ir_fsqrt(c->ir, n, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FMUL (scalar) */
tr_status tr_fmul(a64_ctx *c, const a64_arg_fmul *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fmul(c->ir, n, m, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FNMUL (scalar) */
tr_status tr_fnmul(a64_ctx *c, const a64_arg_fnmul *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fneg(c->ir, ir_fmul(c->ir, n, m, IR_ROUND_ENV, FP_ENV)));
    return TR_NEXT;
}

/* FDIV (scalar) */
tr_status tr_fdiv(a64_ctx *c, const a64_arg_fdiv *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fdiv(c->ir, n, m, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FADD (scalar) */
tr_status tr_fadd(a64_ctx *c, const a64_arg_fadd *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fadd(c->ir, n, m, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FSUB (scalar) */
tr_status tr_fsub(a64_ctx *c, const a64_arg_fsub *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fsub(c->ir, n, m, IR_ROUND_ENV, FP_ENV));
    return TR_NEXT;
}

/* FMAX (scalar) */
tr_status tr_fmax(a64_ctx *c, const a64_arg_fmax *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fmax(c->ir, n, m, FP_ENV));
    return TR_NEXT;
}

/* FMIN (scalar) */
tr_status tr_fmin(a64_ctx *c, const a64_arg_fmin *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fmin(c->ir, n, m, FP_ENV));
    return TR_NEXT;
}

/* FMAXNM (scalar) */
tr_status tr_fmaxnm(a64_ctx *c, const a64_arg_fmaxnm *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fmaxnm(c->ir, n, m, FP_ENV));
    return TR_NEXT;
}

/* FMINNM (scalar) */
tr_status tr_fminnm(a64_ctx *c, const a64_arg_fminnm *a)
{
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);

    write_low(c, a->rd, ir_fminnm(c->ir, n, m, FP_ENV));
    return TR_NEXT;
}

/* FMADD, FMSUB, FNMADD, FNMSUB. What is negated is the operand, NaN or not. */
tr_status tr_fmadd(a64_ctx *c, const a64_arg_fmadd *a)
{
    ir_builder *b = c->ir;
    ir_val n = read_float(c, a->size, a->rn), m = read_float(c, a->size, a->rm);
    ir_val addend = read_float(c, a->size, a->ra);

    if (a->neg)
        addend = ir_fneg(b, addend);
    if (a->neg != a->sub)
        n = ir_fneg(b, n);
    write_low(c, a->rd, ir_fma(b, n, m, addend, IR_ROUND_ENV, FP_ENV, 0));
    return TR_NEXT;
}
