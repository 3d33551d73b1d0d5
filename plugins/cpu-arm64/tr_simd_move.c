/*
 * Vector instructions that move elements and bits: copies, permutations, immediates, bitwise logic.
 *
 * Manual: DDI 0487, C4.1 "Advanced SIMD copy", "permute", "extract", "table lookup", "modified
 * immediate"; C7.2.
 */
#include "simd.h"

/* ---- copies ---------------------------------------------------------------------------------- */

/* DUP (element) */
tr_status tr_v_dup_lane(a64_ctx *c, const a64_arg_v_dup_lane *a)
{
    lanes l = lanes_of(a->scalar, a->q, a->size);

    if (l.scalar)
        write_low(c, a->rd, ir_v_lane(c->ir, int_type(l.size), read_v(c, a->rn), l.size, a->index));
    else
        write_low(c, a->rd, read_lane_dup(c, l, a->rn, a->index));
    return TR_NEXT;
}

/* DUP (general) */
tr_status tr_v_dup(a64_ctx *c, const a64_arg_v_dup *a)
{
    ir_val x = read_x(c, a->size == 3, a->rn, ZR);

    write_low(c, a->rd, ir_v_dup(c->ir, vector_type(vector(a->q, a->size)), x, a->size));
    return TR_NEXT;
}

/* SMOV */
tr_status tr_v_smov(a64_ctx *c, const a64_arg_v_smov *a)
{
    ir_val lane = ir_v_slane(c->ir, width_type(a->sf), read_v(c, a->rn), a->size, a->index);

    write_x(c, a->sf, a->rd, ZR, lane);
    return TR_NEXT;
}

/* UMOV */
tr_status tr_v_umov(a64_ctx *c, const a64_arg_v_umov *a)
{
    uint32_t sf = a->size == 3;

    write_x(c, sf, a->rd, ZR,
            ir_v_lane(c->ir, width_type(sf), read_v(c, a->rn), a->size, a->index));
    return TR_NEXT;
}

/* INS (general) */
tr_status tr_v_ins(a64_ctx *c, const a64_arg_v_ins *a)
{
    ir_val x = read_x(c, a->size == 3, a->rn, ZR);

    write_v(c, a->rd, ir_v_setlane(c->ir, read_v(c, a->rd), x, a->size, a->index));
    return TR_NEXT;
}

/* INS (element) */
tr_status tr_v_ins_lane(a64_ctx *c, const a64_arg_v_ins_lane *a)
{
    ir_val lane = ir_v_lane(c->ir, int_type(a->size), read_v(c, a->rn), a->size, a->from);

    write_v(c, a->rd, ir_v_setlane(c->ir, read_v(c, a->rd), lane, a->size, a->index));
    return TR_NEXT;
}

/* ---- permutations ---------------------------------------------------------------------------- */

/* TBL, TBX. The tables form a chain: each takes its sixteen indices and leaves the others to the
 * next one. */
tr_status tr_v_tbl(a64_ctx *c, const a64_arg_v_tbl *a)
{
    ir_builder *b = c->ir;
    lanes l = vector(a->q, 0);
    ir_val indices = read_lanes(c, l, a->rm);
    ir_val value = a->x ? read_lanes(c, l, a->rd) : ir_v_zero(b, vector_type(l));

    for (uint32_t i = a->len + 1; i-- > 0;) {
        ir_val own = i ? ir_v_sub(b, indices, lanes_const(c, l, 16 * i), 0) : indices;

        value = ir_v_tbl(b, read_v(c, (a->rn + i) % 32), own, value);
    }
    write_low(c, a->rd, value);
    return TR_NEXT;
}

/* UZP1, UZP2 */
tr_status tr_v_uzp(a64_ctx *c, const a64_arg_v_uzp *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_uzp(c->ir, n, m, l.size, a->part));
    return TR_NEXT;
}

/* TRN1, TRN2 */
tr_status tr_v_trn(a64_ctx *c, const a64_arg_v_trn *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_trn(c->ir, n, m, l.size, a->part));
    return TR_NEXT;
}

/* ZIP1, ZIP2 */
tr_status tr_v_zip(a64_ctx *c, const a64_arg_v_zip *a)
{
    lanes l = vector(a->q, a->size);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_zip(c->ir, n, m, l.size, a->part));
    return TR_NEXT;
}

/* EXT */
tr_status tr_v_ext(a64_ctx *c, const a64_arg_v_ext *a)
{
    lanes l = vector(a->q, 0);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm);

    write_low(c, a->rd, ir_v_ext(c->ir, n, m, a->imm4));
    return TR_NEXT;
}

/* REV16, REV32, REV64 */
tr_status tr_v_rev(a64_ctx *c, const a64_arg_v_rev *a)
{
    lanes l = vector(a->q, a->size);

    write_low(c, a->rd, ir_v_rev(c->ir, read_lanes(c, l, a->rn), l.size, a->csize));
    return TR_NEXT;
}

/* ---- bitwise --------------------------------------------------------------------------------- */

/* AND, BIC, ORR, ORN, EOR, BSL, BIT, BIF */
tr_status tr_v_logic(a64_ctx *c, const a64_arg_v_logic *a)
{
    ir_builder *b = c->ir;
    lanes l = vector(a->q, 3);
    ir_val n = read_lanes(c, l, a->rn), m = read_lanes(c, l, a->rm), d, value;

    switch (a->op) {
    case 0:
        value = ir_v_and(b, n, m);
        break;
    case 1:
        value = ir_v_andn(b, n, m);
        break;
    case 2:
        value = a->rn == a->rm ? n : ir_v_or(b, n, m);
        break;
    case 3:
        value = ir_v_orn(b, n, m);
        break;
    case 4:
        value = ir_v_xor(b, n, m);
        break;
    default:
        d = read_lanes(c, l, a->rd);
        value = a->op == 5   ? ir_v_bsl(b, d, n, m)
                : a->op == 6 ? ir_v_bsl(b, m, n, d)
                             : ir_v_bsl(b, m, d, n);
    }
    write_low(c, a->rd, value);
    return TR_NEXT;
}

/* NOT */
tr_status tr_v_not(a64_ctx *c, const a64_arg_v_not *a)
{
    write_low(c, a->rd, ir_v_not(c->ir, read_lanes(c, vector(a->q, 0), a->rn)));
    return TR_NEXT;
}

/* CNT */
tr_status tr_v_cnt(a64_ctx *c, const a64_arg_v_cnt *a)
{
    write_low(c, a->rd, ir_v_popcnt(c->ir, read_lanes(c, vector(a->q, 0), a->rn)));
    return TR_NEXT;
}

/* RBIT */
tr_status tr_v_rbit(a64_ctx *c, const a64_arg_v_rbit *a)
{
    write_low(c, a->rd, ir_v_bitrev(c->ir, read_lanes(c, vector(a->q, 0), a->rn)));
    return TR_NEXT;
}

/* ---- immediates ------------------------------------------------------------------------------ */

/* Every bit becomes a byte. */
static uint64_t bits_to_bytes(uint32_t imm8)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < 8; i++)
        if (imm8 >> i & 1)
            value |= UINT64_C(0xff) << 8 * i;
    return value;
}

/* AdvSIMDExpandImm: the value of 64 bits, before MVNI and BIC complement it. */
static uint64_t expand_imm(uint32_t op, uint32_t cmode, uint32_t imm8)
{
    const uint64_t words = UINT64_C(0x0000000100000001), halves = UINT64_C(0x0001000100010001);
    const uint64_t bytes = UINT64_C(0x0101010101010101);

    switch (cmode >> 1) {
    case 0:
    case 1:
    case 2:
    case 3:
        return words * ((uint64_t)imm8 << 8 * (cmode >> 1));
    case 4:
    case 5:
        return halves * ((uint64_t)imm8 << 8 * (cmode >> 1 & 1));
    case 6: /* ones are shifted in */
        return words * (cmode & 1 ? imm8 << 16 | 0xffff : imm8 << 8 | 0xff);
    default:
        if (!(cmode & 1))
            return op ? bits_to_bytes(imm8) : bytes * imm8;
        return op ? fp_imm(3, imm8) : words * fp_imm(2, imm8);
    }
}

/* MOVI, MVNI, FMOV (vector, immediate) */
tr_status tr_v_movi(a64_ctx *c, const a64_arg_v_movi *a)
{
    uint64_t value = expand_imm(a->op, a->cmode, a->imm8);

    if (a->op && a->cmode < 14)
        value = ~value;
    write_v(c, a->rd, ir_const128(c->ir, IR_V128, (pb_u128){ value, a->q ? value : 0 }));
    return TR_NEXT;
}

/* ORR, BIC (vector, immediate) */
tr_status tr_v_orr_imm(a64_ctx *c, const a64_arg_v_orr_imm *a)
{
    lanes l = vector(a->q, 3);
    ir_val d = read_lanes(c, l, a->rd);
    ir_val imm = vector_const(c, l, expand_imm(0, a->cmode, a->imm8));

    write_low(c, a->rd, a->bic ? ir_v_andn(c->ir, d, imm) : ir_v_or(c->ir, d, imm));
    return TR_NEXT;
}
