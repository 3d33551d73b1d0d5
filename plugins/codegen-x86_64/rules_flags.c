/*
 * Flags bundles: operations that make them leave them in the host's flags (flags.c).
 */
#include "rules.h"

enum { ALL_BUT_A = IR_FL_ALL & ~(1 << IR_FLAG_A) };

/* dst = a op b at the exact width, where the flags are right. */
static void compute(cg *c, uint32_t alu, uint32_t bits, uint32_t a, uint32_t b)
{
    uint32_t w = rule_exact(bits);
    cg_reg y, to;
    int32_t imm;

    if (cg_const_imm(c, b, bits, &imm)) {
        to = cg_def_from(c, 0, a, CG_NONE);
        asm_alu_imm(&c->a, alu, w, to, imm);
    } else {
        y = cg_use(c, b);
        to = cg_def_from(c, 0, a, b);
        asm_alu(&c->a, alu, w, to, y);
    }
    rule_cut(c, bits, to);
}

/* The same without the result: cmp, test. One operation with the jump, if nothing comes between them. */
static void compare(cg *c, bool test, uint32_t bits, uint32_t a, uint32_t b)
{
    uint32_t w = rule_exact(bits);
    cg_reg x = cg_use(c, a);
    int32_t imm;

    if (!cg_const_imm(c, b, bits, &imm)) {
        cg_reg y = cg_use(c, b);

        cg_mark_ahead(c);
        if (test)
            asm_test(&c->a, w, x, y);
        else
            asm_alu(&c->a, ALU_CMP, w, x, y);
        return;
    }
    cg_mark_ahead(c);
    if (test)
        asm_test_imm(&c->a, w, x, imm);
    else
        asm_alu_imm(&c->a, ALU_CMP, w, x, imm);
}

bool rule_add_fl(cg *c, const ir_op_record *r)
{
    cg_clobber_flags(c);
    compute(c, ALU_ADD, rule_bits(r), r->arg[0], r->arg[1]);
    cg_def_flags(c, 1, false, false, IR_FL_ALL);
    return true;
}

bool rule_sub_fl(cg *c, const ir_op_record *r)
{
    cg_clobber_flags(c);
    if (cg_result_uses(c, 0))
        compute(c, ALU_SUB, rule_bits(r), r->arg[0], r->arg[1]);
    else
        compare(c, false, rule_bits(r), r->arg[0], r->arg[1]);
    cg_def_flags(c, 1, true, true, IR_FL_ALL);
    return true;
}

bool rule_logic_fl(cg *c, const ir_op_record *r)
{
    uint32_t alu = r->op == IR_OP_AND_FL ? ALU_AND : r->op == IR_OP_OR_FL ? ALU_OR : ALU_XOR;

    cg_clobber_flags(c);
    if (alu == ALU_AND && !cg_result_uses(c, 0))
        compare(c, true, rule_bits(r), r->arg[0], r->arg[1]);
    else
        compute(c, alu, rule_bits(r), r->arg[0], r->arg[1]);
    cg_def_flags(c, 1, false, false, ALL_BUT_A);
    return true;
}

/* Not by ANDN: it leaves PF undefined. */
bool rule_andn_fl(cg *c, const ir_op_record *r)
{
    uint32_t w = rule_exact(rule_bits(r));
    cg_reg from, t, to;

    cg_clobber_flags(c);
    from = cg_use(c, r->arg[1]);
    t = cg_temp(c);
    asm_mov(&c->a, W64, t, from);
    asm_group3(&c->a, GROUP3_NOT, W64, t);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    asm_alu(&c->a, ALU_AND, w, to, t);
    rule_cut(c, rule_bits(r), to);
    cg_def_flags(c, 1, false, false, ALL_BUT_A);
    return true;
}

/* adc.fl, sbc.fl. A carry that is not in CF goes there by bt; sbb takes the borrow. */
bool rule_carry_fl(cg *c, const ir_op_record *r)
{
    bool subtract = r->op == IR_OP_SBC_FL, inverted = false;
    bool there = cg_take_carry(c, r->arg[2], &inverted);
    uint32_t bits = rule_bits(r);
    cg_reg carry = CG_NO_REG, y, to;

    if (!there) {
        cg_clobber_flags(c);
        carry = cg_use(c, r->arg[2]);
    }
    y = cg_use(c, r->arg[1]);
    to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
    if (!there) {
        asm_rr(&c->a, 0xba | ASM_0F, 4, carry);
        asm_8(&c->a, 0);
    }
    if (inverted != subtract)
        asm_cmc(&c->a);
    asm_alu(&c->a, subtract ? ALU_SBB : ALU_ADC, rule_exact(bits), to, y);
    rule_cut(c, bits, to);
    cg_def_flags(c, 1, subtract, subtract, IR_FL_ALL);
    return true;
}

/* ---- packed bundles ------------------------------------------------------------------------------------------ */

/* Places of a mask IR_FLM_*. */
static uint32_t places(uint32_t n)
{
    return (n & 0xd5) << 8 | (n & IR_FLM_V ? 1u << IR_FLAG_V : 0);
}

bool rule_fl_merge(cg *c, const ir_op_record *r)
{
    uint32_t mask = places(r->attr & 0xff);
    const cg_value *x = cg_value_of(c, r->arg[0]), *y = cg_value_of(c, r->arg[1]);
    uint32_t of_x = x->fl_valid & ~mask & IR_FL_ALL, of_y = y->fl_valid & mask;
    cg_reg from, t, to;

    cg_clobber_flags(c);
    from = cg_use(c, r->arg[1]);
    t = cg_temp(c);
    asm_mov(&c->a, W32, t, from);
    asm_alu_imm(&c->a, ALU_AND, W32, t, (int32_t)of_y);
    to = cg_def_from(c, 0, r->arg[0], r->arg[1]);
    asm_alu_imm(&c->a, ALU_AND, W32, to, (int32_t)of_x);
    asm_alu(&c->a, ALU_OR, W32, to, t);
    return true;
}

bool rule_fl_flip(cg *c, const ir_op_record *r)
{
    uint32_t valid = cg_value_of(c, r->arg[0])->fl_valid & IR_FL_ALL;
    cg_reg to;

    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    asm_alu_imm(&c->a, ALU_AND, W32, to, (int32_t)valid);
    asm_alu_imm(&c->a, ALU_XOR, W32, to, (int32_t)places(r->attr & 0xff));
    return true;
}

bool rule_set_cc(cg *c, const ir_op_record *r)
{
    cg_def_condition(c, 0, cg_need_cc(c, r->arg[0], r->attr & 15));
    return true;
}

bool rule_flbit(cg *c, const ir_op_record *r)
{
    uint32_t cc;

    switch (r->attr & 0xff) {
    case IR_FLAG_C:
        cc = IR_CS;
        break;
    case IR_FLAG_Z:
        cc = IR_EQ;
        break;
    case IR_FLAG_N:
        cc = IR_MI;
        break;
    case IR_FLAG_V:
        cc = IR_VS;
        break;
    case IR_FLAG_P:
        cc = IR_PS;
        break;
    default:
        return false;
    }
    cg_def_condition(c, 0, cg_need_cc(c, r->arg[0], cc));
    return true;
}

enum { NZCV = 1 << IR_FLAG_N | 1 << IR_FLAG_Z | 1 << IR_FLAG_C | 1 << IR_FLAG_V };

/* The four in ascending places, by pext; to the top. */
bool rule_flpack_nzcv(cg *c, const ir_op_record *r)
{
    uint32_t valid = cg_value_of(c, r->arg[0])->fl_valid;
    cg_reg from, mask, to;

    if (!rule_has(c, CG_BMI2) || NZCV & ~valid)
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    mask = cg_temp(c);
    asm_mov_imm(&c->a, mask, NZCV);
    to = cg_def(c, 0, CG_SET(mask));
    asm_vrr(&c->a, 0xf5 | ASM_38 | ASM_VEX | ASM_F3, to, from, mask); /* pext */
    asm_shift_imm(&c->a, SHIFT_SHL, W32, to, 28);
    return true;
}

bool rule_flunpack_nzcv(cg *c, const ir_op_record *r)
{
    cg_reg from, mask, to;

    if (!rule_has(c, CG_BMI2))
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    mask = cg_temp(c);
    asm_mov_imm(&c->a, mask, NZCV);
    to = cg_def(c, 0, CG_SET(mask));
    asm_rorx(&c->a, W32, to, from, 28);
    asm_vrr(&c->a, 0xf5 | ASM_38 | ASM_VEX | ASM_F2, to, to, mask); /* pdep */
    return true;
}
