/*
 * Loads and stores of SIMD&FP registers.
 *
 * Manual: DDI 0487, C4.1 "Loads and Stores"; C7.2.
 *
 * All accesses of an instruction come before its first register write. Structures are loaded and
 * stored as whole registers, whose elements are sorted afterwards, or before: what faults, and
 * the address that is reported, are the same, since an access that crosses a page reports its
 * first byte that fails. It is the elements that have to be aligned.
 */
#include "simd.h"

#define ONE_SPAN PB_MEM_SPAN(1)

/* ---- one register ---------------------------------------------------------------------------- */

/* Type of 1 << size bytes in memory. */
static ir_type memory_type(uint32_t size)
{
    static const uint8_t types[] = { IR_I8, IR_I16, IR_F32, IR_F64, IR_V128 };

    return (ir_type)types[size];
}

static ir_val load(a64_ctx *c, ir_val address, uint32_t size, uint32_t span)
{
    return ir_ld(c->ir, memory_type(size), address, mem_attr(c, size) | span);
}

static void store(a64_ctx *c, ir_val address, uint32_t size, uint32_t n, uint32_t span)
{
    ir_val value = read_v(c, n);

    if (size < 4)
        value = ir_v_lane(c->ir, memory_type(size), value, size, 0);
    ir_st(c->ir, address, value, mem_attr(c, size) | span);
}

/* LDR, LDUR (immediate, SIMD&FP) */
tr_status tr_ldr_imm_v(a64_ctx *c, const a64_arg_ldr_imm_v *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm);
    ir_val data = load(c, a->post ? base : moved, a->size, 0);

    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    write_low(c, a->rt, data);
    return TR_NEXT;
}

/* STR, STUR (immediate, SIMD&FP) */
tr_status tr_str_imm_v(a64_ctx *c, const a64_arg_str_imm_v *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm);

    store(c, a->post ? base : moved, a->size, a->rt, 0);
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

/* LDR (register, SIMD&FP) */
tr_status tr_ldr_reg_v(a64_ctx *c, const a64_arg_ldr_reg_v *a)
{
    ir_val address = register_address(c, a->rn, a->rm, a->option, a->shift);

    write_low(c, a->rt, load(c, address, a->size, 0));
    return TR_NEXT;
}

/* STR (register, SIMD&FP) */
tr_status tr_str_reg_v(a64_ctx *c, const a64_arg_str_reg_v *a)
{
    store(c, register_address(c, a->rn, a->rm, a->option, a->shift), a->size, a->rt, 0);
    return TR_NEXT;
}

/* LDR (literal, SIMD&FP) */
tr_status tr_ldr_lit_v(a64_ctx *c, const a64_arg_ldr_lit_v *a)
{
    ir_val address = ir_imm64(c->ir, c->pc + (uint64_t)a->imm);

    write_low(c, a->rt, load(c, address, a->size, 0));
    return TR_NEXT;
}

/* LDP, LDNP (SIMD&FP) */
tr_status tr_ldp_v(a64_ctx *c, const a64_arg_ldp_v *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm), address = a->post ? base : moved;
    ir_val first = load(c, address, a->size, ONE_SPAN);
    ir_val second = load(c, add_imm(c, address, 1 << a->size), a->size, ONE_SPAN);

    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    write_low(c, a->rt, first);
    write_low(c, a->rt2, second);
    return TR_NEXT;
}

/* STP, STNP (SIMD&FP) */
tr_status tr_stp_v(a64_ctx *c, const a64_arg_stp_v *a)
{
    ir_val base = base_x(c, a->rn);
    ir_val moved = add_imm(c, base, a->imm), address = a->post ? base : moved;

    store(c, address, a->size, a->rt, ONE_SPAN);
    store(c, add_imm(c, address, 1 << a->size), a->size, a->rt2, ONE_SPAN);
    if (a->wback)
        write_base_by(c, a->rn, moved, a->imm);
    return TR_NEXT;
}

/* ---- structures ------------------------------------------------------------------------------ */

/* Writeback of structure accesses: by register rm, or by the bytes transferred if that is 31. */
static void write_back(a64_ctx *c, uint32_t rn, uint32_t rm, ir_val base, uint32_t bytes)
{
    if (rm == 31)
        write_base_by(c, rn, add_imm(c, base, bytes), bytes);
    else
        write_base(c, rn, ir_add(c->ir, base, read_x(c, 1, rm, ZR)));
}

/* Attributes of a whole register's access: aligned and ordered as accesses of its elements. The
 * bytes are in memory's order, so that every element's can be swapped by itself. */
static uint32_t register_attr(const a64_ctx *c, lanes l)
{
    return PB_MEM_SIZE_LOG2(l.q ? 4 : 3) | PB_MEM_MMU(c->mmu) |
           (c->strict_align ? PB_MEM_ALIGN_LOG2(l.size) : 0) | PB_MEM_ELEMENT_LOG2(l.size) |
           ONE_SPAN;
}

/* Between memory's order of bytes and the register's. */
static ir_val swap_elements(a64_ctx *c, lanes l, ir_val value)
{
    return c->big_endian && l.size > 0 ? ir_v_rev(c->ir, value, 0, l.size) : value;
}

/* out[i] gets the bytes whose numbers in all of in, one behind the other, are pick(i, byte). */
static void shuffle(a64_ctx *c, lanes l, const ir_val *in, ir_val *out, uint32_t n, uint32_t size,
                    uint32_t (*pick)(uint32_t byte, uint32_t n, uint32_t size,
                                     uint32_t register_bytes))
{
    uint32_t register_bytes = l.q ? 16 : 8;

    for (uint32_t i = 0; i < n; i++) {
        ir_val value = ir_v_zero(c->ir, vector_type(l));

        for (uint32_t table = 0; table < n; table++) {
            ir_val bytes = l.q ? in[table] : ir_v_wide(c->ir, in[table]);
            uint64_t half[2] = { 0, 0 };

            for (uint32_t k = 0; k < register_bytes; k++) {
                uint32_t from = pick(i * register_bytes + k, n, size, register_bytes);
                uint64_t index = from / register_bytes == table ? from % register_bytes : 0xff;

                half[k / HALF_BYTES] |= index << 8 * (k % HALF_BYTES);
            }
            value =
                ir_v_tbl(c->ir, bytes,
                         ir_const128(c->ir, vector_type(l), (pb_u128){ half[0], half[1] }), value);
        }
        out[i] = value;
    }
}

/* Where a byte of the registers is in memory: elements of n registers take turns. */
static uint32_t interleaved_at(uint32_t byte, uint32_t n, uint32_t size, uint32_t register_bytes)
{
    uint32_t reg = byte / register_bytes, in_register = byte % register_bytes;
    uint32_t element = in_register >> size, in_element = in_register & ((1u << size) - 1);

    return ((element * n + reg) << size) + in_element;
}

/* The inverse: where a byte of memory is in the registers. */
static uint32_t register_at(uint32_t byte, uint32_t n, uint32_t size, uint32_t register_bytes)
{
    uint32_t element = byte >> size, in_element = byte & ((1u << size) - 1);

    return element % n * register_bytes + ((element / n) << size) + in_element;
}

/* From memory's order to registers: v[i] becomes the elements i, i + n, i + 2n ... */
static void deinterleave(a64_ctx *c, lanes l, ir_val *v, uint32_t n)
{
    ir_builder *b = c->ir;
    ir_val in[4] = { v[0], v[1], v[2], v[3] }, even[2], odd[2];

    if (n == 2) {
        v[0] = ir_v_uzp(b, in[0], in[1], l.size, 0);
        v[1] = ir_v_uzp(b, in[0], in[1], l.size, 1);
    } else if (n == 3) {
        shuffle(c, l, in, v, n, l.size, interleaved_at);
    } else if (n == 4) {
        for (uint32_t i = 0; i < 2; i++) {
            even[i] = ir_v_uzp(b, in[2 * i], in[2 * i + 1], l.size, 0);
            odd[i] = ir_v_uzp(b, in[2 * i], in[2 * i + 1], l.size, 1);
        }
        for (uint32_t i = 0; i < 2; i++) {
            v[2 * i] = ir_v_uzp(b, even[0], even[1], l.size, i);
            v[2 * i + 1] = ir_v_uzp(b, odd[0], odd[1], l.size, i);
        }
    }
}

/* From registers to memory's order. */
static void interleave(a64_ctx *c, lanes l, ir_val *v, uint32_t n)
{
    ir_builder *b = c->ir;
    ir_val in[4] = { v[0], v[1], v[2], v[3] }, even, odd;

    if (n == 2) {
        v[0] = ir_v_zip(b, in[0], in[1], l.size, 0);
        v[1] = ir_v_zip(b, in[0], in[1], l.size, 1);
    } else if (n == 3) {
        shuffle(c, l, in, v, n, l.size, register_at);
    } else if (n == 4) {
        for (uint32_t i = 0; i < 2; i++) {
            even = ir_v_zip(b, in[0], in[2], l.size, i);
            odd = ir_v_zip(b, in[1], in[3], l.size, i);
            v[2 * i] = ir_v_zip(b, even, odd, l.size, 0);
            v[2 * i + 1] = ir_v_zip(b, even, odd, l.size, 1);
        }
    }
}

/* LD1, LD2, LD3, LD4 (multiple structures) */
tr_status tr_ld_multi(a64_ctx *c, const a64_arg_ld_multi *a)
{
    lanes l = vector(a->q, a->size);
    ir_val base = base_x(c, a->rn), v[4] = { base, base, base, base };
    uint32_t n = a->rpt * a->selem, bytes = l.q ? 16 : 8;

    for (uint32_t i = 0; i < n; i++) {
        ir_val address = add_imm(c, base, i * bytes);

        v[i] = ir_ld(c->ir, vector_type(l), address, register_attr(c, l));
        v[i] = swap_elements(c, l, v[i]);
    }
    deinterleave(c, l, v, a->selem);
    if (a->wback)
        write_back(c, a->rn, a->rm, base, n * bytes);
    for (uint32_t i = 0; i < n; i++)
        write_low(c, (a->rt + i) % 32, v[i]);
    return TR_NEXT;
}

/* ST1, ST2, ST3, ST4 (multiple structures) */
tr_status tr_st_multi(a64_ctx *c, const a64_arg_st_multi *a)
{
    lanes l = vector(a->q, a->size);
    ir_val base = base_x(c, a->rn), v[4] = { base, base, base, base };
    uint32_t n = a->rpt * a->selem, bytes = l.q ? 16 : 8;

    for (uint32_t i = 0; i < n; i++)
        v[i] = read_lanes(c, l, (a->rt + i) % 32);
    interleave(c, l, v, a->selem);
    for (uint32_t i = 0; i < n; i++)
        ir_st(c->ir, add_imm(c, base, i * bytes), swap_elements(c, l, v[i]), register_attr(c, l));
    if (a->wback)
        write_back(c, a->rn, a->rm, base, n * bytes);
    return TR_NEXT;
}

/* One element for each of n registers. */
static void load_elements(a64_ctx *c, ir_val base, uint32_t size, ir_val *elements, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        elements[i] = ir_ld(c->ir, int_type(size), add_imm(c, base, (int64_t)i << size),
                            mem_attr(c, size) | ONE_SPAN);
}

/* LD1, LD2, LD3, LD4 (single structure) */
tr_status tr_ld_lane(a64_ctx *c, const a64_arg_ld_lane *a)
{
    ir_val base = base_x(c, a->rn), elements[4];

    load_elements(c, base, a->size, elements, a->selem);
    if (a->wback)
        write_back(c, a->rn, a->rm, base, a->selem << a->size);
    for (uint32_t i = 0; i < a->selem; i++) {
        uint32_t n = (a->rt + i) % 32;

        write_v(c, n, ir_v_setlane(c->ir, read_v(c, n), elements[i], a->size, a->index));
    }
    return TR_NEXT;
}

/* LD1R, LD2R, LD3R, LD4R */
tr_status tr_ld_replicate(a64_ctx *c, const a64_arg_ld_replicate *a)
{
    lanes l = vector(a->q, a->size);
    ir_val base = base_x(c, a->rn), elements[4];

    load_elements(c, base, a->size, elements, a->selem);
    if (a->wback)
        write_back(c, a->rn, a->rm, base, a->selem << a->size);
    for (uint32_t i = 0; i < a->selem; i++)
        write_low(c, (a->rt + i) % 32, ir_v_dup(c->ir, vector_type(l), elements[i], a->size));
    return TR_NEXT;
}

/* ST1, ST2, ST3, ST4 (single structure) */
tr_status tr_st_lane(a64_ctx *c, const a64_arg_st_lane *a)
{
    ir_val base = base_x(c, a->rn);

    for (uint32_t i = 0; i < a->selem; i++) {
        ir_val element =
            ir_v_lane(c->ir, int_type(a->size), read_v(c, (a->rt + i) % 32), a->size, a->index);

        ir_st(c->ir, add_imm(c, base, (int64_t)i << a->size), element,
              mem_attr(c, a->size) | ONE_SPAN);
    }
    if (a->wback)
        write_back(c, a->rn, a->rm, base, a->selem << a->size);
    return TR_NEXT;
}
