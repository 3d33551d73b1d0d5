/*
 * Addition, subtraction, comparison, conditional selection, multiplication and division.
 *
 * Manual: DDI 0487, C4.1 "Data Processing -- Immediate", "Data Processing -- Register"; C6.2.
 */
#include "translate.h"

/* ADR */
tr_status tr_adr(a64_ctx *c, const a64_arg_adr *a)
{
    write_x(c, 1, a->rd, ZR, ir_imm64(c->ir, c->pc + (uint64_t)a->imm));
    return TR_NEXT;
}

/* ADRP */
tr_status tr_adrp(a64_ctx *c, const a64_arg_adrp *a)
{
    write_x(c, 1, a->rd, ZR, ir_imm64(c->ir, (c->pc & ~UINT64_C(0xfff)) + (uint64_t)a->imm));
    return TR_NEXT;
}

/* x + y or x - y, with flags or without. */
static ir_val sum(a64_ctx *c, bool sub, bool s, ir_val x, ir_val y)
{
    ir_val result, flags;

    if (!s)
        return sub ? ir_sub(c->ir, x, y) : ir_add(c->ir, x, y);
    result = sub ? ir_sub_fl(c->ir, x, y, &flags) : ir_add_fl(c->ir, x, y, &flags);
    write_nzcv(c, flags);
    return result;
}

/* ADD, ADDS, SUB, SUBS (immediate) */
tr_status tr_add_sub_imm(a64_ctx *c, const a64_arg_add_sub_imm *a)
{
    uint64_t imm = (uint64_t)a->imm12 << (a->sh ? 12 : 0), known;
    ir_val n, result;

    if (!a->s && a->rd == a->rn && is_known(c, a->rn, &known)) {
        write_x(c, a->sf, a->rd, SP, imm_x(c, a->sf, a->sub ? known - imm : known + imm));
        return TR_NEXT;
    }
    n = read_x(c, a->sf, a->rn, SP);
    result = imm || a->s ? sum(c, a->sub, a->s, n, imm_x(c, a->sf, imm)) : n;
    if (a->s)
        write_x(c, a->sf, a->rd, ZR, result);
    else if (a->rn == 31 && a->sf)
        write_base_by(c, a->rd, result, (int64_t)imm);
    else
        write_x(c, a->sf, a->rd, SP, result);
    return TR_NEXT;
}

/* ADD, ADDS, SUB, SUBS (shifted register) */
tr_status tr_add_sub_shift(a64_ctx *c, const a64_arg_add_sub_shift *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR);
    ir_val m = shift_reg(c, read_x(c, a->sf, a->rm, ZR), a->sh, a->imm6);

    write_x(c, a->sf, a->rd, ZR, sum(c, a->sub, a->s, n, m));
    return TR_NEXT;
}

/* ADD, ADDS, SUB, SUBS (extended register) */
tr_status tr_add_sub_ext(a64_ctx *c, const a64_arg_add_sub_ext *a)
{
    ir_val n = read_x(c, a->sf, a->rn, SP);
    ir_val m = extend_reg(c, a->sf, a->rm, a->option, a->imm3);

    write_x(c, a->sf, a->rd, a->s ? ZR : SP, sum(c, a->sub, a->s, n, m));
    return TR_NEXT;
}

/* ADC, ADCS, SBC, SBCS */
tr_status tr_adc_sbc(a64_ctx *c, const a64_arg_adc_sbc *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR), m = read_x(c, a->sf, a->rm, ZR);
    ir_val carry = ir_flbit(c->ir, read_nzcv(c), IR_FLAG_C);
    ir_val result, flags;

    if (a->s) {
        result =
            a->sub ? ir_sbc_fl(c->ir, n, m, carry, &flags) : ir_adc_fl(c->ir, n, m, carry, &flags);
        write_nzcv(c, flags);
    } else {
        result = ir_adc(c->ir, n, a->sub ? ir_not(c->ir, m) : m, carry);
    }
    write_x(c, a->sf, a->rd, ZR, result);
    return TR_NEXT;
}

/* ---- conditional ----------------------------------------------------------------------------- */

/* N, Z, C and V in bits 3 to 0 as a bundle. */
static ir_val constant_flags(a64_ctx *c, uint32_t nzcv)
{
    return ir_imm(c->ir, IR_FL,
                  (nzcv >> 3 & 1) << IR_FLAG_N | (nzcv >> 2 & 1) << IR_FLAG_Z |
                      (nzcv >> 1 & 1) << IR_FLAG_C | (nzcv & 1) << IR_FLAG_V);
}

/* CCMN, CCMP: flags of the comparison if the condition holds, else the immediate's. */
static void conditional_compare(a64_ctx *c, bool sub, ir_val x, ir_val y, uint32_t cond,
                                uint32_t nzcv)
{
    ir_val old = read_nzcv(c), flags;

    if (sub)
        ir_sub_fl(c->ir, x, y, &flags);
    else
        ir_add_fl(c->ir, x, y, &flags);
    if (cond < 14) {
        ir_val other = constant_flags(c, nzcv);

        flags = ir_sel_cc(c->ir, old, flags, other, cond);
    }
    write_nzcv(c, flags);
}

/* CCMN, CCMP (register) */
tr_status tr_ccmp_reg(a64_ctx *c, const a64_arg_ccmp_reg *a)
{
    conditional_compare(c, a->sub, read_x(c, a->sf, a->rn, ZR), read_x(c, a->sf, a->rm, ZR),
                        a->cond, a->nzcv);
    return TR_NEXT;
}

/* CCMN, CCMP (immediate) */
tr_status tr_ccmp_imm(a64_ctx *c, const a64_arg_ccmp_imm *a)
{
    conditional_compare(c, a->sub, read_x(c, a->sf, a->rn, ZR), imm_x(c, a->sf, a->imm5), a->cond,
                        a->nzcv);
    return TR_NEXT;
}

/* What is chosen if the condition does not hold; of the zero register it is a constant. */
static ir_val second_choice(a64_ctx *c, const a64_arg_csel *a)
{
    ir_val m;

    if (a->rm == 31)
        return imm_x(c, a->sf, (a->inv ? UINT64_MAX : 0) + (a->inc ? 1 : 0));
    m = read_x(c, a->sf, a->rm, ZR);
    if (a->inv)
        m = ir_not(c->ir, m);
    return a->inc ? ir_add(c->ir, m, imm_x(c, a->sf, 1)) : m;
}

/* CSEL, CSINC, CSINV, CSNEG */
tr_status tr_csel(a64_ctx *c, const a64_arg_csel *a)
{
    ir_val chosen;

    if (a->cond >= 14)
        chosen = read_x(c, a->sf, a->rn, ZR);
    else if (a->rn == 31 && a->rm == 31 && a->inc && !a->inv) /* CSET */
        chosen = ir_zext(c->ir, width_type(a->sf), ir_set_cc(c->ir, read_nzcv(c), a->cond ^ 1));
    else
        chosen = ir_sel_cc(c->ir, read_nzcv(c), read_x(c, a->sf, a->rn, ZR), second_choice(c, a),
                           a->cond);
    write_x(c, a->sf, a->rd, ZR, chosen);
    return TR_NEXT;
}

/* ---- multiply, divide ------------------------------------------------------------------------ */

/* ra + product or ra - product */
static ir_val accumulate(a64_ctx *c, bool sub, ir_val ra, ir_val product)
{
    return sub ? ir_sub(c->ir, ra, product) : ir_add(c->ir, ra, product);
}

/* MADD, MSUB */
tr_status tr_madd(a64_ctx *c, const a64_arg_madd *a)
{
    ir_val product = ir_mul(c->ir, read_x(c, a->sf, a->rn, ZR), read_x(c, a->sf, a->rm, ZR));

    if (a->ra != 31 || a->sub)
        product = accumulate(c, a->sub, read_x(c, a->sf, a->ra, ZR), product);
    write_x(c, a->sf, a->rd, ZR, product);
    return TR_NEXT;
}

/* SMADDL, SMSUBL, UMADDL, UMSUBL */
tr_status tr_maddl(a64_ctx *c, const a64_arg_maddl *a)
{
    ir_val n = read_x(c, 1, a->rn, ZR), m = read_x(c, 1, a->rm, ZR);

    n = a->u ? ir_extract(c->ir, n, 0, 32) : ir_sextract(c->ir, n, 0, 32);
    m = a->u ? ir_extract(c->ir, m, 0, 32) : ir_sextract(c->ir, m, 0, 32);
    write_x(c, 1, a->rd, ZR, accumulate(c, a->sub, read_x(c, 1, a->ra, ZR), ir_mul(c->ir, n, m)));
    return TR_NEXT;
}

/* SMULH, UMULH */
tr_status tr_mulh(a64_ctx *c, const a64_arg_mulh *a)
{
    ir_val n = read_x(c, 1, a->rn, ZR), m = read_x(c, 1, a->rm, ZR);

    write_x(c, 1, a->rd, ZR, a->u ? ir_mulh_u(c->ir, n, m) : ir_mulh_s(c->ir, n, m));
    return TR_NEXT;
}

/* UDIV, SDIV: division by zero gives zero, and the smallest by -1 itself. */
tr_status tr_div(a64_ctx *c, const a64_arg_div *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR), m = read_x(c, a->sf, a->rm, ZR);

    write_x(c, a->sf, a->rd, ZR, a->u ? ir_div_u(c->ir, n, m) : ir_div_s(c->ir, n, m));
    return TR_NEXT;
}
