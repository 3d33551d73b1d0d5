/*
 * Loads and stores of general registers.
 *
 * Manual: DDI 0487, C4.1 "Loads and Stores"; C6.2; B2 "The AArch64 Application Level Memory
 * Model" for ordering, atomicity and alignment.
 *
 * Where the manual leaves a choice (writeback to a register that is loaded, or stored and
 * changed): the datum is what the base was before, and a loaded value wins over writeback.
 */
#include "translate.h"

/* ---- one register ---------------------------------------------------------------------------- */

/* Load 1 << size bytes; sign-extended to 64 bits if sf, else to 32; or zero-extended. The result
 * is 64 bits. */
static ir_val load(a64_ctx *c, ir_val address, uint32_t size, bool sign, uint32_t sf, uint32_t attr)
{
    if (!sign)
        return ir_ld(c->ir, IR_I64, address, attr);
    if (sf)
        return ir_ld(c->ir, IR_I64, address, attr | PB_MEM_SIGNED);
    return ir_zext(c->ir, IR_I64, ir_ld(c->ir, IR_I32, address, attr | PB_MEM_SIGNED));
}

/* mem_attr() for LDTR, STTR. */
static uint32_t user_attr(const a64_ctx *c, uint32_t size)
{
    return (mem_attr(c, size) & ~PB_MEM_MMU(15)) | PB_MEM_MMU(c->mmu_unpriv);
}

/* LDR*, LDUR*, LDTR* (immediate) */
tr_status tr_ldr_imm(a64_ctx *c, const a64_arg_ldr_imm *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm);
    uint32_t attr = a->user ? user_attr(c, a->size) : mem_attr(c, a->size);
    ir_val data = load(c, a->post ? base : moved, a->size, a->sign, a->sf, attr);

    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    write_x(c, 1, a->rt, ZR, data);
    return TR_NEXT;
}

/* STR*, STUR*, STTR* (immediate) */
tr_status tr_str_imm(a64_ctx *c, const a64_arg_str_imm *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm);
    uint32_t attr = a->user ? user_attr(c, a->size) : mem_attr(c, a->size);

    ir_st(c->ir, a->post ? base : moved, read_x(c, 1, a->rt, ZR), attr);
    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    return TR_NEXT;
}

static ir_val register_address(a64_ctx *c, uint32_t rn, uint32_t rm, uint32_t option,
                               uint32_t shift)
{
    ir_val base = base_x(c, rn);

    return ir_add(c->ir, base, extend_reg(c, 1, rm, option, shift));
}

/* LDR* (register) */
tr_status tr_ldr_reg(a64_ctx *c, const a64_arg_ldr_reg *a)
{
    ir_val address = register_address(c, a->rn, a->rm, a->option, a->shift);

    write_x(c, 1, a->rt, ZR, load(c, address, a->size, a->sign, a->sf, mem_attr(c, a->size)));
    return TR_NEXT;
}

/* STR* (register) */
tr_status tr_str_reg(a64_ctx *c, const a64_arg_str_reg *a)
{
    ir_val address = register_address(c, a->rn, a->rm, a->option, a->shift);

    ir_st(c->ir, address, read_x(c, 1, a->rt, ZR), mem_attr(c, a->size));
    return TR_NEXT;
}

/* LDR, LDRSW (literal) */
tr_status tr_ldr_lit(a64_ctx *c, const a64_arg_ldr_lit *a)
{
    ir_val address = ir_imm64(c->ir, c->pc + (uint64_t)a->imm);

    write_x(c, 1, a->rt, ZR, load(c, address, a->size, a->sign, a->sf, mem_attr(c, a->size)));
    return TR_NEXT;
}

/* PRFM, PRFUM: caches are not modelled. */
tr_status tr_prfm(a64_ctx *c, const a64_arg_prfm *a)
{
    return TR_NEXT;
}

/* ---- pairs ----------------------------------------------------------------------------------- */

/* LDP, LDPSW, LDNP */
tr_status tr_ldp(a64_ctx *c, const a64_arg_ldp *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm), address = a->post ? base : moved;
    uint32_t attr = mem_attr(c, a->size) | PB_MEM_SPAN(1);
    ir_val first = load(c, address, a->size, a->sign, 1, attr);
    ir_val second = load(c, add_imm(c, address, 1 << a->size), a->size, a->sign, 1, attr);

    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    write_x(c, 1, a->rt, ZR, first);
    write_x(c, 1, a->rt2, ZR, second);
    return TR_NEXT;
}

/* STP, STNP */
tr_status tr_stp(a64_ctx *c, const a64_arg_stp *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm), address = a->post ? base : moved;
    uint32_t attr = mem_attr(c, a->size) | PB_MEM_SPAN(1);

    ir_st(c->ir, address, read_x(c, 1, a->rt, ZR), attr);
    ir_st(c->ir, add_imm(c, address, 1 << a->size), read_x(c, 1, a->rt2, ZR), attr);
    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    return TR_NEXT;
}

/* ---- pairs as one datum: exclusives and compare-and-swap ------------------------------------- */

/* Registers rt and rt2 of 1 << size bytes each, as one datum of twice the size. The first in
 * memory is rt. */
static ir_val join_pair(a64_ctx *c, uint32_t size, uint32_t rt, uint32_t rt2)
{
    ir_val low = read_x(c, 1, c->big_endian ? rt2 : rt, ZR);
    ir_val high = read_x(c, 1, c->big_endian ? rt : rt2, ZR);

    return size == 3 ? ir_pair(c->ir, low, high) : ir_insert(c->ir, low, high, 32, 32);
}

static void write_pair(a64_ctx *c, uint32_t size, uint32_t rt, uint32_t rt2, ir_val data)
{
    ir_val low = size == 3 ? ir_lo(c->ir, data) : ir_extract(c->ir, data, 0, 32);
    ir_val high = size == 3 ? ir_hi(c->ir, data) : ir_extract(c->ir, data, 32, 32);

    write_x(c, 1, rt, ZR, c->big_endian ? high : low);
    write_x(c, 1, rt2, ZR, c->big_endian ? low : high);
}

static ir_type pair_type(uint32_t size)
{
    return size == 3 ? IR_I128 : IR_I64;
}

/* ---- exclusives ------------------------------------------------------------------------------ */

/* LDXR*, LDAXR* */
tr_status tr_ldxr(a64_ctx *c, const a64_arg_ldxr *a)
{
    uint32_t attr = mem_attr_aligned(c, a->size, a->acq ? PB_ORDER_ACQUIRE : PB_ORDER_NONE);

    c->load_exclusive = true;
    write_x(c, 1, a->rt, ZR, ir_ldx(c->ir, IR_I64, base_x(c, a->rn), attr));
    return TR_NEXT;
}

/* The status register gets 0 if the store was done. */
static void write_status(a64_ctx *c, uint32_t rs, ir_val stored)
{
    write_x(c, 1, rs, ZR, ir_zext(c->ir, IR_I64, ir_not(c->ir, stored)));
}

/* STXR*, STLXR* */
tr_status tr_stxr(a64_ctx *c, const a64_arg_stxr *a)
{
    uint32_t attr = mem_attr_aligned(c, a->size, a->rel ? PB_ORDER_RELEASE : PB_ORDER_NONE);
    ir_val base = base_x(c, a->rn);

    write_status(c, a->rs, ir_stx(c->ir, base, read_x(c, 1, a->rt, ZR), attr));
    return TR_NEXT;
}

/* LDXP, LDAXP */
tr_status tr_ldxp(a64_ctx *c, const a64_arg_ldxp *a)
{
    uint32_t attr = mem_attr_aligned(c, a->size + 1, a->acq ? PB_ORDER_ACQUIRE : PB_ORDER_NONE);
    ir_val data = ir_ldx(c->ir, pair_type(a->size), base_x(c, a->rn), attr);

    c->load_exclusive = true;
    write_pair(c, a->size, a->rt, a->rt2, data);
    return TR_NEXT;
}

/* STXP, STLXP */
tr_status tr_stxp(a64_ctx *c, const a64_arg_stxp *a)
{
    uint32_t attr = mem_attr_aligned(c, a->size + 1, a->rel ? PB_ORDER_RELEASE : PB_ORDER_NONE);
    ir_val base = base_x(c, a->rn);

    write_status(c, a->rs, ir_stx(c->ir, base, join_pair(c, a->size, a->rt, a->rt2), attr));
    return TR_NEXT;
}

/* ---- ordered --------------------------------------------------------------------------------- */

/* LDAR*, LDLAR* */
tr_status tr_ldar(a64_ctx *c, const a64_arg_ldar *a)
{
    ir_val base = base_x(c, a->rn);

    write_x(c, 1, a->rt, ZR,
            ir_ld(c->ir, IR_I64, base, mem_attr_aligned(c, a->size, PB_ORDER_ACQUIRE)));
    return TR_NEXT;
}

/* LDAPR* */
tr_status tr_ldapr(a64_ctx *c, const a64_arg_ldapr *a)
{
    ir_val base = base_x(c, a->rn);

    write_x(c, 1, a->rt, ZR,
            ir_ld(c->ir, IR_I64, base, mem_attr_aligned(c, a->size, PB_ORDER_ACQUIRE_PC)));
    return TR_NEXT;
}

/* STLR*, STLLR* */
tr_status tr_stlr(a64_ctx *c, const a64_arg_stlr *a)
{
    ir_val base = base_x(c, a->rn);

    ir_st(c->ir, base, read_x(c, 1, a->rt, ZR), mem_attr_aligned(c, a->size, PB_ORDER_RELEASE));
    return TR_NEXT;
}

/* ---- atomics (FEAT_LSE) ---------------------------------------------------------------------- */

static pb_mem_order atomic_order(uint32_t a, uint32_t r)
{
    if (a)
        return r ? PB_ORDER_ACQ_REL : PB_ORDER_ACQUIRE;
    return r ? PB_ORDER_RELEASE : PB_ORDER_NONE;
}

/* The low 1 << size bytes. */
static ir_val truncate(a64_ctx *c, uint32_t size, ir_val value)
{
    return size == 3 ? value : ir_extract(c->ir, value, 0, 8u << size);
}

/* LDADD*, LDCLR*, LDEOR*, LDSET*, LDSMAX*, LDSMIN*, LDUMAX*, LDUMIN* */
tr_status tr_ld_op(a64_ctx *c, const a64_arg_ld_op *a)
{
    static const uint8_t ops[8] = { PB_RMW_ADD,  PB_RMW_ANDN, PB_RMW_XOR,  PB_RMW_OR,
                                    PB_RMW_SMAX, PB_RMW_SMIN, PB_RMW_UMAX, PB_RMW_UMIN };
    uint32_t attr = mem_attr_aligned(c, a->size, atomic_order(a->a, a->r));
    ir_val base = base_x(c, a->rn);
    ir_val operand = truncate(c, a->size, read_x(c, 1, a->rs, ZR));

    write_x(c, 1, a->rt, ZR, ir_rmw(c->ir, base, operand, attr, ops[a->op]));
    return TR_NEXT;
}

/* SWP* */
tr_status tr_swp(a64_ctx *c, const a64_arg_swp *a)
{
    uint32_t attr = mem_attr_aligned(c, a->size, atomic_order(a->a, a->r));
    ir_val base = base_x(c, a->rn);
    ir_val operand = truncate(c, a->size, read_x(c, 1, a->rs, ZR));

    write_x(c, 1, a->rt, ZR, ir_rmw(c->ir, base, operand, attr, PB_RMW_XCHG));
    return TR_NEXT;
}

/* CAS* */
tr_status tr_cas(a64_ctx *c, const a64_arg_cas *a)
{
    uint32_t attr = mem_attr_aligned(c, a->size, atomic_order(a->a, a->r));
    ir_val base = base_x(c, a->rn);
    ir_val expected = truncate(c, a->size, read_x(c, 1, a->rs, ZR));
    ir_val desired = truncate(c, a->size, read_x(c, 1, a->rt, ZR));

    write_x(c, 1, a->rs, ZR, ir_cas(c->ir, base, expected, desired, attr));
    return TR_NEXT;
}

/* CASP* */
tr_status tr_casp(a64_ctx *c, const a64_arg_casp *a)
{
    uint32_t size = 2 + a->sz;
    uint32_t attr = mem_attr_aligned(c, size + 1, atomic_order(a->a, a->r));
    ir_val base = base_x(c, a->rn);
    ir_val expected = join_pair(c, size, a->rs, a->rs + 1);
    ir_val desired = join_pair(c, size, a->rt, a->rt + 1);

    write_pair(c, size, a->rs, a->rs + 1, ir_cas(c->ir, base, expected, desired, attr));
    return TR_NEXT;
}
