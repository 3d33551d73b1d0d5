/*
 * Logical operations, moves, bit fields, shifts, bit counts and reversals, CRC.
 *
 * Manual: DDI 0487, C4.1 "Data Processing -- Immediate", "Data Processing -- Register"; C6.2.
 */
#include "translate.h"

/* opc: 0 AND, 1 ORR, 2 EOR, 3 ANDS; inv: with the complement of y. */
static ir_val logical(a64_ctx *c, uint32_t opc, bool inv, ir_val x, ir_val y)
{
    ir_builder *b = c->ir;
    ir_val result, flags;

    switch (opc) {
    case 0:
        return inv ? ir_andn(b, x, y) : ir_and(b, x, y);
    case 1:
        return inv ? ir_orn(b, x, y) : ir_or(b, x, y);
    case 2:
        return ir_xor(b, x, inv ? ir_not(b, y) : y);
    default:
        result = inv ? ir_andn_fl(b, x, y, &flags) : ir_and_fl(b, x, y, &flags);
        write_nzcv(c, flags);
        return result;
    }
}

/* AND, ORR, EOR, ANDS (immediate) */
tr_status tr_logical_imm(a64_ctx *c, const a64_arg_logical_imm *a)
{
    a64_r31 r31 = a->opc == 3 ? ZR : SP;
    uint64_t imm;

    if (!bitmask_imm(a->sf, a->n, a->imms, a->immr, &imm))
        return end_undefined(c);
    if (a->opc == 1 && a->rn == 31) /* MOV (bitmask immediate) */
        write_x(c, a->sf, a->rd, r31, imm_x(c, a->sf, imm));
    else
        write_x(c, a->sf, a->rd, r31,
                logical(c, a->opc, false, read_x(c, a->sf, a->rn, ZR), imm_x(c, a->sf, imm)));
    return TR_NEXT;
}

/* AND, BIC, ORR, ORN, EOR, EON, ANDS, BICS (shifted register) */
tr_status tr_logical_shift(a64_ctx *c, const a64_arg_logical_shift *a)
{
    ir_val m = shift_reg(c, read_x(c, a->sf, a->rm, ZR), a->sh, a->imm6);

    if (a->opc == 1 && a->rn == 31) /* MOV, MVN */
        write_x(c, a->sf, a->rd, ZR, a->inv ? ir_not(c->ir, m) : m);
    else
        write_x(c, a->sf, a->rd, ZR, logical(c, a->opc, a->inv, read_x(c, a->sf, a->rn, ZR), m));
    return TR_NEXT;
}

/* MOVN */
tr_status tr_movn(a64_ctx *c, const a64_arg_movn *a)
{
    write_x(c, a->sf, a->rd, ZR, imm_x(c, a->sf, ~((uint64_t)a->imm16 << (16 * a->hw))));
    return TR_NEXT;
}

/* MOVZ */
tr_status tr_movz(a64_ctx *c, const a64_arg_movz *a)
{
    write_x(c, a->sf, a->rd, ZR, imm_x(c, a->sf, (uint64_t)a->imm16 << (16 * a->hw)));
    return TR_NEXT;
}

/* MOVK */
tr_status tr_movk(a64_ctx *c, const a64_arg_movk *a)
{
    uint64_t field = UINT64_C(0xffff) << (16 * a->hw), known;
    ir_val old;

    if (is_known(c, a->rd, &known)) {
        known = (known & ~field) | (uint64_t)a->imm16 << (16 * a->hw);
        write_x(c, a->sf, a->rd, ZR, imm_x(c, a->sf, known));
        return TR_NEXT;
    }
    old = read_x(c, a->sf, a->rd, ZR);
    write_x(c, a->sf, a->rd, ZR, ir_insert(c->ir, old, imm_x(c, a->sf, a->imm16), 16 * a->hw, 16));
    return TR_NEXT;
}

/* ---- bit fields ------------------------------------------------------------------------------ */

/* SBFM, UBFM: a field of rn moved down to bit 0, or the low bits of rn moved up. */
static ir_val bitfield_move(a64_ctx *c, bool sign, uint32_t sf, uint32_t rn, uint32_t immr,
                            uint32_t imms)
{
    ir_val n = read_x(c, sf, rn, ZR);
    uint32_t lsb = imms >= immr ? immr : 0, length = imms - lsb + 1, width = sf ? 64 : 32;
    ir_val field = sign ? ir_sextract(c->ir, n, lsb, length) : ir_extract(c->ir, n, lsb, length);

    return imms >= immr ? field : shift_reg(c, field, 0, width - immr);
}

/* SBFM */
tr_status tr_sbfm(a64_ctx *c, const a64_arg_sbfm *a)
{
    write_x(c, a->sf, a->rd, ZR, bitfield_move(c, true, a->sf, a->rn, a->immr, a->imms));
    return TR_NEXT;
}

/* UBFM */
tr_status tr_ubfm(a64_ctx *c, const a64_arg_ubfm *a)
{
    write_x(c, a->sf, a->rd, ZR, bitfield_move(c, false, a->sf, a->rn, a->immr, a->imms));
    return TR_NEXT;
}

/* BFM */
tr_status tr_bfm(a64_ctx *c, const a64_arg_bfm *a)
{
    ir_val d = read_x(c, a->sf, a->rd, ZR), n = read_x(c, a->sf, a->rn, ZR);
    uint32_t width = a->sf ? 64 : 32;

    if (a->imms >= a->immr)
        d = ir_insert(c->ir, d, shift_reg(c, n, 1, a->immr), 0, a->imms - a->immr + 1);
    else
        d = ir_insert(c->ir, d, n, width - a->immr, a->imms + 1);
    write_x(c, a->sf, a->rd, ZR, d);
    return TR_NEXT;
}

/* EXTR */
tr_status tr_extr(a64_ctx *c, const a64_arg_extr *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR), m = read_x(c, a->sf, a->rm, ZR);

    write_x(c, a->sf, a->rd, ZR, ir_extr(c->ir, n, m, a->imms));
    return TR_NEXT;
}

/* LSLV, LSRV, ASRV, RORV */
tr_status tr_shift_reg(a64_ctx *c, const a64_arg_shift_reg *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR), m = read_x(c, a->sf, a->rm, ZR), result;

    switch (a->op) {
    case 0:
        result = ir_shl(c->ir, n, m);
        break;
    case 1:
        result = ir_shr(c->ir, n, m);
        break;
    case 2:
        result = ir_sar(c->ir, n, m);
        break;
    default:
        result = ir_ror(c->ir, n, m);
        break;
    }
    write_x(c, a->sf, a->rd, ZR, result);
    return TR_NEXT;
}

/* ---- bits and bytes -------------------------------------------------------------------------- */

/* RBIT */
tr_status tr_rbit(a64_ctx *c, const a64_arg_rbit *a)
{
    write_x(c, a->sf, a->rd, ZR, ir_bitrev(c->ir, read_x(c, a->sf, a->rn, ZR)));
    return TR_NEXT;
}

/* REV16, REV32, REV: the bytes of each container of 1 << size bytes. */
tr_status tr_rev(a64_ctx *c, const a64_arg_rev *a)
{
    ir_builder *b = c->ir;
    ir_val n = read_x(c, a->sf, a->rn, ZR);

    if (a->size == 1) {
        ir_val mask = imm_x(c, a->sf, UINT64_C(0x00ff00ff00ff00ff)), eight = imm_x(c, a->sf, 8);

        n = ir_or(b, ir_shl(b, ir_and(b, n, mask), eight), ir_and(b, ir_shr(b, n, eight), mask));
    } else {
        n = ir_bswap(b, n);
        if (a->sf && a->size == 2)
            n = ir_ror(b, n, imm_x(c, 1, 32));
    }
    write_x(c, a->sf, a->rd, ZR, n);
    return TR_NEXT;
}

/* CLZ */
tr_status tr_clz(a64_ctx *c, const a64_arg_clz *a)
{
    write_x(c, a->sf, a->rd, ZR, ir_clz(c->ir, read_x(c, a->sf, a->rn, ZR)));
    return TR_NEXT;
}

/* CLS: bits after the sign that equal it. */
tr_status tr_cls(a64_ctx *c, const a64_arg_cls *a)
{
    ir_val n = read_x(c, a->sf, a->rn, ZR), one = imm_x(c, a->sf, 1);
    ir_val changes = ir_xor(c->ir, n, ir_sar(c->ir, n, one));

    write_x(c, a->sf, a->rd, ZR, ir_sub(c->ir, ir_clz(c->ir, changes), one));
    return TR_NEXT;
}

/* CRC32B ... CRC32CX */
tr_status tr_crc32(a64_ctx *c, const a64_arg_crc32 *a)
{
    ir_val old = read_x(c, 0, a->rn, ZR), data = read_x(c, 1, a->rm, ZR);

    write_x(c, 0, a->rd, ZR,
            a->c ? ir_crc32c(c->ir, old, data, 1u << a->size)
                 : ir_crc32(c->ir, old, data, 1u << a->size));
    return TR_NEXT;
}
