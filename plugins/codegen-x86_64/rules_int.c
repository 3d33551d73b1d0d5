/*
 * Integer arithmetic and comparison.
 */
#include "rules.h"

/* Flag-neutral code is used while the flags hold something; else the flags are free. True: they are. */
static bool flags_are_free(cg *c)
{
    if (cg_flags_live(c))
        return false;
    cg_clobber_flags(c);
    return true;
}

static void add_imm(cg *c, uint32_t w, uint32_t a, int32_t imm)
{
    bool neutral = !flags_are_free(c);
    cg_reg from = cg_use(c, a), to = cg_def(c, 0, 0);

    if (to == from && !neutral)
        asm_alu_imm(&c->a, ALU_ADD, w, to, imm);
    else
        asm_lea(&c->a, w, to, asm_at(from, imm));
}

/* a + the shifted value, whose record was left for here. */
static bool add_scaled(cg *c, const ir_op_record *r, uint32_t a, uint32_t shift)
{
    const ir_op_record *m = &c->u->ops[shift];
    uint32_t now = c->record;
    uint64_t count = 0;
    cg_reg x, y;

    c->record = shift;
    c->values[shift << 1].flags &= ~CG_IS_LATE;
    cg_const(c, m->arg[1], &count);
    y = cg_use(c, m->arg[0]);
    c->record = now;
    x = cg_use(c, a);
    asm_lea(&c->a, rule_width(rule_bits(r)), cg_def(c, 0, 0), asm_index(x, y, (uint32_t)count, 0));
    c->record = shift;
    cg_end_record(c);
    c->record = now;
    return true;
}

bool rule_add(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits), a = r->arg[0], b = r->arg[1];
    cg_reg x, y, to;
    bool neutral;
    int32_t imm;

    if (cg_late(c, a) != CG_NONE)
        return add_scaled(c, r, b, cg_late(c, a));
    if (cg_late(c, b) != CG_NONE)
        return add_scaled(c, r, a, cg_late(c, b));
    if (cg_const_imm(c, a, bits, &imm)) {
        a = b;
        b = r->arg[0];
    }
    if (cg_const_imm(c, b, bits, &imm)) {
        add_imm(c, w, a, imm);
    } else {
        neutral = !flags_are_free(c);
        x = cg_use(c, a);
        y = cg_use(c, b);
        to = cg_def(c, 0, 0);
        if (to == x && !neutral)
            asm_alu(&c->a, ALU_ADD, w, to, y);
        else if (to == y && !neutral)
            asm_alu(&c->a, ALU_ADD, w, to, x);
        else if ((x & 7) == RBP) /* r13 as a base takes a displacement */
            asm_lea(&c->a, w, to, asm_index(y, x, 0, 0));
        else
            asm_lea(&c->a, w, to, asm_index(x, y, 0, 0));
    }
    rule_cut(c, bits, c->values[c->record << 1].reg);
    return true;
}

bool rule_sub(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg y, to;
    int32_t imm;

    if (cg_const_imm(c, r->arg[1], bits, &imm) && imm != INT32_MIN) {
        add_imm(c, w, r->arg[0], -imm);
    } else {
        cg_clobber_flags(c);
        y = cg_use(c, r->arg[1]);
        to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
        asm_alu(&c->a, ALU_SUB, w, to, y);
    }
    rule_cut(c, bits, c->values[c->record << 1].reg);
    return true;
}

bool rule_neg(cg *c, const ir_op_record *r)
{
    cg_reg to;

    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    asm_group3(&c->a, GROUP3_NEG, rule_width(rule_bits(r)), to);
    rule_cut(c, rule_bits(r), to);
    return true;
}

bool rule_not(cg *c, const ir_op_record *r)
{
    cg_reg to;

    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    if (r->type == IR_I1)
        asm_alu_imm(&c->a, ALU_XOR, W32, to, 1);
    else
        asm_group3(&c->a, GROUP3_NOT, rule_width(rule_bits(r)), to);
    rule_cut(c, rule_bits(r), to);
    return true;
}

/* MULX: the flags stay. */
static bool multiply_neutral(cg *c, const ir_op_record *r, bool high)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg y, to;

    if (!cg_flags_live(c) || !(c->features & CG_BMI2) || bits < 32)
        return false;
    cg_take(c, RDX);
    cg_use_in(c, r->arg[0], RDX);
    y = cg_use(c, r->arg[1]);
    to = cg_def(c, 0, CG_SET(RDX) | CG_SET(y));
    asm_mulx(&c->a, w, high ? to : cg_temp(c), to, y);
    rule_cut(c, bits, to);
    return true;
}

bool rule_mul(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg x, to;
    int32_t imm;

    if (multiply_neutral(c, r, false))
        return true;
    cg_clobber_flags(c);
    if (cg_const_imm(c, r->arg[1], bits, &imm)) {
        x = cg_use(c, r->arg[0]);
        to = cg_def(c, 0, 0);
        asm_imul_imm(&c->a, w, to, x, imm);
    } else {
        x = cg_use(c, r->arg[1]);
        to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
        asm_imul(&c->a, w, to, x);
    }
    rule_cut(c, bits, to);
    return true;
}

bool rule_mulh(cg *c, const ir_op_record *r)
{
    bool is_signed = r->op == IR_OP_MULH_S;
    uint32_t bits = rule_bits(r);
    cg_reg y;

    if (bits < 32)
        return false;
    if (!is_signed && multiply_neutral(c, r, true))
        return true;
    cg_clobber_flags(c);
    cg_take(c, RDX);
    cg_use_in(c, r->arg[0], RAX);
    y = cg_use(c, r->arg[1]);
    asm_group3(&c->a, is_signed ? GROUP3_IMUL : GROUP3_MUL, rule_width(bits), y);
    cg_def_in(c, 0, RDX);
    return true;
}

/* By zero, and the smallest by -1: the host would trap. */
bool rule_div(cg *c, const ir_op_record *r)
{
    bool is_signed = r->op == IR_OP_DIV_S || r->op == IR_OP_REM_S;
    bool remainder = r->op == IR_OP_REM_U || r->op == IR_OP_REM_S;
    uint32_t w = rule_width(rule_bits(r)), zero, minus = 0, end[2];
    cg_reg y;

    if (rule_bits(r) < 32)
        return false;
    cg_clobber_flags(c);
    cg_take(c, RDX);
    cg_use_in(c, r->arg[0], RAX);
    y = cg_use(c, r->arg[1]);
    asm_test(&c->a, w, y, y);
    zero = asm_jcc(&c->a, CC_E);
    if (is_signed) {
        asm_alu_imm(&c->a, ALU_CMP, w, y, -1);
        minus = asm_jcc(&c->a, CC_E);
        asm_opcode(&c->a, w == W64 ? 0x99 | ASM_W : 0x99, 0, 0, 0, 0); /* cdq, cqo */
    } else {
        asm_alu(&c->a, ALU_XOR, W32, RDX, RDX);
    }
    asm_group3(&c->a, is_signed ? GROUP3_IDIV : GROUP3_DIV, w, y);
    end[0] = end[1] = asm_jmp(&c->a);
    asm_patch(&c->a, zero, asm_offset(&c->a));
    if (remainder)
        asm_mov(&c->a, w, RDX, RAX);
    else
        asm_alu(&c->a, ALU_XOR, W32, RAX, RAX);
    if (is_signed) {
        end[1] = asm_jmp(&c->a);
        asm_patch(&c->a, minus, asm_offset(&c->a));
        if (remainder)
            asm_alu(&c->a, ALU_XOR, W32, RDX, RDX);
        else
            asm_group3(&c->a, GROUP3_NEG, w, RAX);
    }
    asm_patch(&c->a, end[0], asm_offset(&c->a));
    asm_patch(&c->a, end[1], asm_offset(&c->a));
    cg_def_in(c, 0, remainder ? RDX : RAX);
    return true;
}

bool rule_adc(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg x, y, carry, to;
    bool inverted;
    int32_t imm;

    if (cg_take_carry(c, r->arg[2], &inverted)) {
        y = cg_use(c, r->arg[1]);
        to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
        if (inverted)
            asm_cmc(&c->a);
        asm_alu(&c->a, ALU_ADC, w, to, y);
    } else if (cg_const_imm(c, r->arg[1], bits, &imm)) {
        x = cg_use(c, r->arg[0]);
        carry = cg_use(c, r->arg[2]);
        to = cg_def(c, 0, 0);
        asm_lea(&c->a, w, to, asm_index(x, carry, 0, imm));
    } else {
        x = cg_use(c, r->arg[0]);
        y = cg_use(c, r->arg[1]);
        carry = cg_use(c, r->arg[2]);
        to = cg_def(c, 0, CG_SET(carry));
        asm_lea(&c->a, w, to, asm_index(x, y, 0, 0));
        asm_lea(&c->a, w, to, asm_index(to, carry, 0, 0));
    }
    rule_cut(c, bits, to);
    return true;
}

bool rule_minmax(cg *c, const ir_op_record *r)
{
    uint32_t w = rule_width(rule_bits(r)), cc;
    cg_reg y, to;

    if (rule_bits(r) < 32)
        return false;
    cc = r->op == IR_OP_MIN_U   ? CC_A
         : r->op == IR_OP_MAX_U ? CC_B
         : r->op == IR_OP_MIN_S ? CC_G
                                : CC_L;
    cg_clobber_flags(c);
    y = cg_use(c, r->arg[1]);
    to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
    asm_alu(&c->a, ALU_CMP, w, to, y);
    asm_cmov(&c->a, cc, w, to, y);
    return true;
}

/* and, or, xor: of i1 too, which are 0 or 1 */
static bool and_mask(cg *c, const ir_op_record *r, uint32_t a, uint64_t mask)
{
    uint32_t w = mask == 0xff ? W8 : mask == 0xffff ? W16 : mask == 0xffffffff ? W32 : W64;
    cg_reg from, to;

    if (w == W64)
        return false;
    from = cg_use(c, a);
    to = cg_def(c, 0, 0);
    asm_movzx(&c->a, w, to, from);
    return true;
}

bool rule_logic(cg *c, const ir_op_record *r)
{
    uint32_t alu = r->op == IR_OP_AND ? ALU_AND : r->op == IR_OP_OR ? ALU_OR : ALU_XOR;
    uint32_t bits = rule_bits(r), w = rule_width(bits), a = r->arg[0], b = r->arg[1];
    uint64_t mask;
    int32_t imm;
    cg_reg y, to;

    if (cg_const(c, a, &mask)) {
        a = b;
        b = r->arg[0];
    }
    if (alu == ALU_AND && cg_const(c, b, &mask) && bits >= 32 && and_mask(c, r, a, mask))
        return true;
    cg_clobber_flags(c);
    if (bits > 1 && cg_const_imm(c, b, bits, &imm)) {
        to = cg_def_from(c, 0, a, CG_NONE);
        asm_alu_imm(&c->a, alu, alu == ALU_AND && imm >= 0 ? W32 : w, to, imm);
    } else {
        y = cg_use(c, b);
        to = cg_def_from(c, 0, a, b);
        asm_alu(&c->a, alu, w, to, y);
    }
    rule_cut(c, bits, to);
    return true;
}

bool rule_andn(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg x, y, to;

    cg_clobber_flags(c);
    x = cg_use(c, r->arg[0]);
    y = cg_use(c, r->arg[1]);
    if (rule_has(c, CG_BMI1)) {
        to = cg_def(c, 0, 0);
        asm_andn(&c->a, w, to, y, x);
    } else {
        cg_reg t = cg_temp(c);

        asm_mov(&c->a, w, t, y);
        asm_group3(&c->a, GROUP3_NOT, w, t);
        asm_alu(&c->a, ALU_AND, w, t, x);
        to = cg_def(c, 0, 0);
        asm_mov(&c->a, w, to, t);
    }
    rule_cut(c, bits, to);
    return true;
}

bool rule_orn(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), w = rule_width(bits);
    cg_reg x, to;

    cg_clobber_flags(c);
    x = cg_use(c, r->arg[0]);
    to = cg_def_from(c, 0, r->arg[1], r->arg[0]);
    if (to == x) { /* a or not a */
        asm_mov_imm(&c->a, to, ir_sem_mask(bits));
        return true;
    }
    if (bits == 1)
        asm_alu_imm(&c->a, ALU_XOR, W32, to, 1);
    else
        asm_group3(&c->a, GROUP3_NOT, w, to);
    asm_alu(&c->a, ALU_OR, w, to, x);
    rule_cut(c, bits, to);
    return true;
}

/* eq, ne of a masked value, whose `and` was left for here. */
static bool test_mask(cg *c, const ir_op_record *r, uint32_t and)
{
    const ir_op_record *m = &c->u->ops[and];
    uint32_t bits = rule_bits(m), now = c->record, cc = CC_E;
    uint64_t mask = 0;
    int32_t imm;
    cg_reg x;

    cg_clobber_flags(c);
    c->record = and;
    c->values[and << 1].flags &= ~CG_IS_LATE;
    cg_const(c, m->arg[1], &mask);
    x = cg_use(c, m->arg[0]);
    if (mask <= INT32_MAX) {
        asm_test_imm(&c->a, mask < 128 ? W8 : W32, x, (int32_t)mask);
    } else if (!(mask & (mask - 1))) { /* one bit: bt, to CF */
        asm_rr(&c->a, 0xba | ASM_0F | ASM_W, 4, x);
        asm_8(&c->a, (uint32_t)__builtin_ctzll(mask));
        cc = CC_AE;
    } else if (cg_const_imm(c, m->arg[1], bits, &imm)) {
        asm_test_imm(&c->a, rule_width(bits), x, imm);
    } else {
        asm_test(&c->a, rule_width(bits), x, cg_use(c, m->arg[1]));
    }
    cg_end_record(c);
    c->record = now;
    cg_def_condition(c, 0, cc ^ (r->op == IR_OP_NE));
    return true;
}

bool rule_compare(cg *c, const ir_op_record *r)
{
    static const uint8_t conditions[] = { CC_E, CC_NE, CC_B, CC_BE, CC_L, CC_LE };
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])], w = rule_exact(bits == 1 ? 8 : bits);
    int32_t imm;
    cg_reg x;

    if (cg_late(c, r->arg[0]) != CG_NONE)
        return test_mask(c, r, r->arg[0] >> 1);
    cg_clobber_flags(c);
    x = cg_use(c, r->arg[0]);
    if (bits == 1 || !cg_const_imm(c, r->arg[1], bits, &imm))
        asm_alu(&c->a, ALU_CMP, w, x, cg_use(c, r->arg[1]));
    else if (imm == 0)
        asm_test(&c->a, w, x, x);
    else
        asm_alu_imm(&c->a, ALU_CMP, w, x, imm);
    cg_def_condition(c, 0, conditions[r->op - IR_OP_EQ]);
    return true;
}
