/*
 * Shifts, fields, bits.
 */
#include "rules.h"

static uint32_t shift_of(uint32_t op)
{
    return op == IR_OP_SHL   ? SHIFT_SHL
           : op == IR_OP_SHR ? SHIFT_SHR
           : op == IR_OP_SAR ? SHIFT_SAR
                             : SHIFT_ROR;
}

/* Of 8 and 16 bits: the operand as 32 bits that shift like it. */
static void widen(cg *c, uint32_t op, uint32_t bits, cg_reg to)
{
    if (bits >= 32 || op == IR_OP_SHL)
        return;
    if (op == IR_OP_SAR)
        asm_movsx(&c->a, rule_exact(bits), false, to, to);
    else
        asm_movzx(&c->a, rule_exact(bits), to, to);
}

/* While the flags hold something: by a count in a register, if the host has that. */
static bool shift_neutral(cg *c, const ir_op_record *r, uint32_t shift, uint32_t count)
{
    cg_reg from, t;

    if (!rule_has(c, CG_BMI2) || rule_bits(r) < 32 || !cg_flags_live(c))
        return false;
    from = cg_use(c, r->arg[0]);
    t = cg_temp(c);
    asm_mov_imm(&c->a, t, count);
    asm_shiftx(&c->a, shift, rule_width(rule_bits(r)), cg_def(c, 0, 0), from, t);
    return true;
}

static bool shift_constant(cg *c, const ir_op_record *r, uint32_t count)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg to, from;

    if (count == 0) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    if (r->op == IR_OP_ROR && rule_has(c, CG_BMI2)) {
        from = cg_use(c, r->arg[0]);
        asm_rorx(&c->a, w, cg_def(c, 0, 0), from, count);
        return true;
    }
    if (r->op == IR_OP_SHL && count <= 3 && bits >= 32) {
        from = cg_use(c, r->arg[0]);
        to = cg_def(c, 0, 0);
        if (to != from || cg_flags_live(c)) {
            asm_lea(&c->a, w, to, asm_index(ASM_NO_REG, from, count, 0));
        } else {
            cg_clobber_flags(c);
            asm_shift_imm(&c->a, SHIFT_SHL, w, to, count);
        }
        return true;
    }
    if (r->op != IR_OP_ROR && shift_neutral(c, r, shift_of(r->op), count))
        return true;
    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    widen(c, r->op, bits, to);
    asm_shift_imm(&c->a, shift_of(r->op), w, to, count);
    rule_cut(c, bits, to);
    return true;
}

bool rule_shift(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    uint64_t count;
    cg_reg from, by, to;

    if (bits < 32 && r->op == IR_OP_ROR)
        return false;
    if (cg_const(c, r->arg[1], &count))
        return shift_constant(c, r, (uint32_t)count & (bits - 1));
    if (bits < 32)
        return false;
    if (rule_has(c, CG_BMI2) && r->op != IR_OP_ROR) {
        from = cg_use(c, r->arg[0]);
        by = cg_use(c, r->arg[1]);
        to = cg_def(c, 0, 0);
        asm_shiftx(&c->a, shift_of(r->op), w, to, from, by);
        return true;
    }
    cg_clobber_flags(c);
    cg_use_in(c, r->arg[1], RCX);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    asm_shift_cl(&c->a, shift_of(r->op), w, to);
    return true;
}

bool rule_extr(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits), lsb = r->attr & 0xff;
    cg_reg high, to;

    if (bits < 32)
        return false;
    if (lsb == 0) {
        cg_def_alias(c, 0, r->arg[1]);
        return true;
    }
    if (cg_value_of(c, r->arg[0]) == cg_value_of(c, r->arg[1])) { /* shrd is slow */
        if (rule_has(c, CG_BMI2)) {
            high = cg_use(c, r->arg[0]);
            asm_rorx(&c->a, w, cg_def(c, 0, 0), high, lsb);
            return true;
        }
        cg_clobber_flags(c);
        asm_shift_imm(&c->a, SHIFT_ROR, w, cg_def_from(c, 0, r->arg[0], CG_NONE), lsb);
        return true;
    }
    cg_clobber_flags(c);
    high = cg_use(c, r->arg[0]);
    to = cg_def_from(c, 0, r->arg[1], r->arg[0]);
    asm_rr(&c->a, 0xac | ASM_0F | (w == W64 ? ASM_W : 0), high, to); /* shrd */
    asm_8(&c->a, lsb);
    return true;
}

bool rule_extract(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    uint32_t lsb = r->attr & 0xff, len = r->attr >> 8 & 0xff;
    cg_reg from, to;

    if (lsb == 0 && (len == 8 || len == 16 || len == 32)) {
        from = cg_use(c, r->arg[0]);
        to = cg_def(c, 0, 0);
        asm_movzx(&c->a, len == 8 ? W8 : len == 16 ? W16 : W32, to, from);
        return true;
    }
    if (lsb && lsb + len == bits && shift_neutral(c, r, SHIFT_SHR, lsb))
        return true;
    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    if (bits >= 32 && lsb + len == bits) {
        if (lsb)
            asm_shift_imm(&c->a, SHIFT_SHR, w, to, lsb);
        else
            asm_mov(&c->a, w, to, to);
    } else if (len < 32) {
        if (lsb)
            asm_shift_imm(&c->a, SHIFT_SHR, w, to, lsb);
        asm_alu_imm(&c->a, ALU_AND, W32, to, (int32_t)ir_sem_mask(len));
    } else {
        asm_shift_imm(&c->a, SHIFT_SHL, W64, to, 64 - lsb - len);
        asm_shift_imm(&c->a, SHIFT_SHR, W64, to, 64 - len);
    }
    return true;
}

bool rule_sextract(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits), width = bits == 64 ? 64 : 32;
    uint32_t lsb = r->attr & 0xff, len = r->attr >> 8 & 0xff;
    cg_reg from, to;

    if (lsb == 0 && (len == 8 || len == 16 || len == 32)) {
        from = cg_use(c, r->arg[0]);
        to = cg_def(c, 0, 0);
        asm_movsx(&c->a, len == 8 ? W8 : len == 16 ? W16 : W32, w == W64, to, from);
    } else {
        if (lsb && lsb + len == bits && shift_neutral(c, r, SHIFT_SAR, lsb))
            return true;
        cg_clobber_flags(c);
        to = cg_def_from(c, 0, r->arg[0], CG_NONE);
        if (lsb + len < width)
            asm_shift_imm(&c->a, SHIFT_SHL, w, to, width - lsb - len);
        if (len < width)
            asm_shift_imm(&c->a, SHIFT_SAR, w, to, width - len);
        else
            asm_mov(&c->a, w, to, to);
    }
    rule_cut(c, bits, to);
    return true;
}

/* A field of another value: its bits at their place, the others of the first one masked. */
bool rule_insert(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    uint32_t lsb = r->attr & 0xff, len = r->attr >> 8 & 0xff;
    uint64_t keep = ~(ir_sem_mask(len) << lsb) & ir_sem_mask(bits);
    cg_reg field, t, to;

    if (bits < 32)
        return false;
    cg_clobber_flags(c);
    field = cg_use(c, r->arg[1]);
    t = cg_temp(c);
    asm_mov(&c->a, W64, t, field);
    if (64 - len)
        asm_shift_imm(&c->a, SHIFT_SHL, W64, t, 64 - len);
    if (64 - len - lsb)
        asm_shift_imm(&c->a, SHIFT_SHR, W64, t, 64 - len - lsb);
    to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
    if ((int64_t)keep == (int32_t)keep || w == W32) {
        asm_alu_imm(&c->a, ALU_AND, w, to, (int32_t)keep);
    } else {
        cg_reg mask = cg_temp(c);

        asm_mov_imm(&c->a, mask, keep);
        asm_alu(&c->a, ALU_AND, w, to, mask);
    }
    asm_alu(&c->a, ALU_OR, w, to, t);
    return true;
}

bool rule_bswap(cg *c, const ir_op_record *r)
{
    cg_reg to;

    if (rule_bits(r) < 32)
        return false;
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    asm_bswap(&c->a, rule_width(rule_bits(r)), to);
    return true;
}

/* Bits of each byte: one step swaps groups of `count` bits. mask: those of the lower groups. */
static void swap_groups(cg *c, cg_reg x, cg_reg t, cg_reg mask, uint64_t groups, uint32_t count)
{
    asm_mov_imm(&c->a, mask, groups);
    asm_mov(&c->a, W64, t, x);
    asm_shift_imm(&c->a, SHIFT_SHR, W64, t, count);
    asm_alu(&c->a, ALU_AND, W64, x, mask);
    asm_alu(&c->a, ALU_AND, W64, t, mask);
    asm_shift_imm(&c->a, SHIFT_SHL, W64, x, count);
    asm_alu(&c->a, ALU_OR, W64, x, t);
}

bool rule_bitrev(cg *c, const ir_op_record *r)
{
    cg_reg to, t, mask;

    if (rule_bits(r) < 32)
        return false;
    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    t = cg_temp(c);
    mask = cg_temp(c);
    asm_bswap(&c->a, rule_width(rule_bits(r)), to);
    swap_groups(c, to, t, mask, 0x0f0f0f0f0f0f0f0f, 4);
    swap_groups(c, to, t, mask, 0x3333333333333333, 2);
    swap_groups(c, to, t, mask, 0x5555555555555555, 1);
    return true;
}

/* clz, ctz: lzcnt, tzcnt. Leading zeros of reversed bits are trailing ones (find_fused() in analyse.c). */
bool rule_count(cg *c, const ir_op_record *r)
{
    uint32_t fused = cg_fused(c), id = fused == CG_NONE ? r->arg[0] : c->u->ops[fused].arg[0];
    uint32_t leading = r->op == IR_OP_CLZ && fused == CG_NONE;
    cg_reg from, to;

    if (rule_bits(r) < 32 || !rule_has(c, leading ? CG_LZCNT : CG_BMI1))
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, id);
    to = cg_def(c, 0, 0);
    asm_rr(&c->a, (0xbcu + leading) | ASM_0F | ASM_F3 | (rule_bits(r) == 64 ? ASM_W : 0), to, from);
    cg_end_fused(c);
    return true;
}

bool rule_popcnt(cg *c, const ir_op_record *r)
{
    cg_reg from, to;

    cg_clobber_flags(c);
    from = rule_bits(r) < 32 ? cg_use_clean(c, r->arg[0]) : cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    asm_rr(&c->a, 0xb8 | ASM_0F | ASM_F3 | (rule_bits(r) == 64 ? ASM_W : 0), to, from);
    return true;
}

/* SSE4.2's instruction is this polynomial. */
bool rule_crc32c(cg *c, const ir_op_record *r)
{
    uint32_t bytes = r->attr & 0xff;
    uint32_t op = bytes == 1   ? 0xf0 | ASM_BYTE_RM
                  : bytes == 2 ? 0xf1
                  : bytes == 4 ? 0xf1
                               : 0xf1 | ASM_W;
    cg_reg data, to;

    data = cg_use(c, r->arg[1]);
    to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
    if (bytes != 8)
        asm_mov(&c->a, W32, to, to);
    if (bytes == 2)
        asm_byte(&c->a, 0x66);
    asm_rr(&c->a, op | ASM_38 | ASM_F2, to, data);
    return true;
}
