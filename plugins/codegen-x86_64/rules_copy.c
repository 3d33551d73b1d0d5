/*
 * Guest slots, conversions between types, choices: what moves values and computes nothing.
 */
#include "rules.h"

/* ---- conversions --------------------------------------------------------------------------------------------- */

bool rule_zext(cg *c, const ir_op_record *r)
{
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])];
    cg_reg from, to;

    if (cg_is_clean(c, r->arg[0]) || r->type == cg_type(c, r->arg[0])) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    asm_movzx(&c->a, bits <= 8 ? W8 : bits == 16 ? W16 : W32, to, from);
    return true;
}

bool rule_sext(cg *c, const ir_op_record *r)
{
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])], to_bits = rule_bits(r);
    cg_reg from, to;

    if (bits == to_bits) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    if (bits == 1)
        cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (bits == 1) {
        asm_mov(&c->a, W32, to, from);
        asm_group3(&c->a, GROUP3_NEG, rule_width(to_bits), to);
    } else {
        asm_movsx(&c->a, rule_exact(bits), to_bits == 64, to, from);
    }
    rule_cut(c, to_bits, to);
    return true;
}

/* A name of the low part. Of an i1 all users look at one bit only if it is alone, so it is made so. */
bool rule_trunc(cg *c, const ir_op_record *r)
{
    cg_reg to;

    if (r->type != IR_I1 || cg_type(c, r->arg[0]) == IR_I1) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    cg_clobber_flags(c);
    to = cg_def_from(c, 0, r->arg[0], CG_NONE);
    asm_alu_imm(&c->a, ALU_AND, W32, to, 1);
    return true;
}

bool rule_pair(cg *c, const ir_op_record *r)
{
    bool avx = rule_has(c, CG_AVX);
    cg_reg low = cg_use(c, r->arg[0]), high = cg_use(c, r->arg[1]), to = cg_def(c, 0, 0);

    asm_sse2(&c->a, avx, SSE_MOVD_LOAD | ASM_W, to - XMM0, low);
    asm_vrr(&c->a, SSE_PINSRQ | (avx ? ASM_VEX : 0), to - XMM0, to - XMM0, high);
    asm_8(&c->a, 1);
    return true;
}

bool rule_lo(cg *c, const ir_op_record *r)
{
    cg_reg from = cg_use(c, r->arg[0]), to = cg_def(c, 0, 0);

    asm_sse2(&c->a, rule_has(c, CG_AVX), SSE_MOVD_STORE | ASM_W, from - XMM0, to);
    return true;
}

bool rule_hi(cg *c, const ir_op_record *r)
{
    cg_reg from = cg_use(c, r->arg[0]), to = cg_def(c, 0, 0);

    asm_sse2(&c->a, rule_has(c, CG_AVX), SSE_PEXTRQ, from - XMM0, to);
    asm_8(&c->a, 1);
    return true;
}

bool rule_bitcast(cg *c, const ir_op_record *r)
{
    bool avx = rule_has(c, CG_AVX), vector = cg_is_vector(r->type);
    uint32_t from_type = cg_type(c, r->arg[0]), wide = rule_bits(r) == 64 ? ASM_W : 0;
    cg_reg from, to;

    if (r->type == IR_FL || from_type == IR_FL)
        return false;
    if (vector == cg_is_vector(from_type)) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    from = cg_use_clean(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (vector)
        asm_sse2(&c->a, avx, SSE_MOVD_LOAD | wide, to - XMM0, from);
    else
        asm_sse2(&c->a, avx, SSE_MOVD_STORE | wide, from - XMM0, to);
    return true;
}

/* ---- choices ------------------------------------------------------------------------------------------------- */

/* Scalars of a vector register by way of general ones: a jump would often be mispredicted. */
static void choose_scalar(cg *c, uint32_t bits, uint32_t cc, cg_reg to, cg_reg yes, cg_reg no,
                          const cg_reg *t)
{
    bool avx = rule_has(c, CG_AVX);
    uint32_t wide = bits == 64 ? ASM_W : 0;

    asm_sse2(&c->a, avx, SSE_MOVD_STORE | wide, yes - XMM0, t[0]);
    asm_sse2(&c->a, avx, SSE_MOVD_STORE | wide, no - XMM0, t[1]);
    asm_cmov(&c->a, cc, bits == 64 ? W64 : W32, t[1], t[0]);
    asm_sse2(&c->a, avx, SSE_MOVD_LOAD | wide, to - XMM0, t[1]);
}

static void choose_vector(cg *c, uint32_t cc, cg_reg to, cg_reg yes, cg_reg no)
{
    bool avx = rule_has(c, CG_AVX);
    uint32_t over;

    if (to != no)
        asm_sse2(&c->a, avx, SSE_MOVAPS_LOAD, to - XMM0, no - XMM0);
    over = asm_jcc(&c->a, cc ^ 1);
    asm_sse2(&c->a, avx, SSE_MOVAPS_LOAD, to - XMM0, yes - XMM0);
    asm_patch(&c->a, over, asm_offset(&c->a));
}

/* Between two bundles, saved ones: ccmp. Flags that one of them has not are zero there. */
static bool choose_bundle(cg *c, const ir_op_record *r, bool bundle)
{
    const cg_value *yes = cg_value_of(c, r->arg[1]), *no = cg_value_of(c, r->arg[2]);
    uint32_t cc;
    cg_reg from, to;

    if (r->type != IR_FL || yes == no || yes == cg_value_of(c, r->arg[0]) ||
        no == cg_value_of(c, r->arg[0]) || no->fl_valid != IR_FL_ALL || yes->fl_valid != IR_FL_ALL)
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 1; i < 3; i++) /* to make it later would take registers, and the flags */
        if (c->made == (uint32_t)(cg_value_of(c, r->arg[i]) - c->values))
            cg_save_flags_value(c, c->made);
    c->locked = 0;
    if (bundle)
        cg_prepare_cc(c, r->arg[0], r->attr & 15);
    c->locked = 0;
    from = cg_use(c, r->arg[1]);
    to = cg_def_from(c, 0, r->arg[2], r->arg[1]);
    cc = bundle ? cg_need_cc(c, r->arg[0], r->attr & 15) : cg_need_condition(c, r->arg[0]);
    asm_cmov(&c->a, cc, W32, to, from);
    return true;
}

/* The condition is asked for before and behind the operands: getting those may change what the flags hold, or
 * need registers. If it waits where it can be tested, only the flags are saved before. */
static bool is_at_hand(const cg *c, const ir_op_record *r)
{
    const cg_value *v = cg_value_of(c, r->arg[0]);

    return !(v->flags & CG_IN_FLAGS) && v->reg >= 0 && cg_type(c, r->arg[0]) == IR_I1;
}

static bool choose(cg *c, const ir_op_record *r, bool bundle)
{
    uint32_t yes = r->arg[1], no = r->arg[2], cc;
    cg_value *v = cg_value_of(c, r->arg[0]);
    bool vector = cg_is_vector(r->type), scalar = vector && rule_bits(r) <= 64;
    cg_reg from, other = CG_NO_REG, to, t[2] = { CG_NO_REG, CG_NO_REG };

    if (r->type == IR_FL)
        return choose_bundle(c, r, bundle);
    if (v == cg_value_of(c, yes) || v == cg_value_of(c, no) || (vector && rule_bits(r) < 32))
        return false;
    if (bundle)
        cg_prepare_cc(c, r->arg[0], r->attr & 15);
    else if (!is_at_hand(c, r))
        cg_need_condition(c, r->arg[0]);
    else
        cg_clobber_flags(c);
    c->locked = 0;
    from = scalar ? cg_use(c, yes) : cg_use_clean(c, yes);
    if (vector) {
        other = scalar ? cg_use(c, no) : cg_use_clean(c, no);
        to = cg_def(c, 0, CG_SET(from));
    } else {
        to = cg_def_from(c, 0, no, yes);
        if (!cg_is_clean(c, no))
            rule_cut(c, rule_bits(r), to);
    }
    for (uint32_t i = 0; i < 2 && scalar; i++)
        t[i] = cg_temp(c);
    cc = bundle ? cg_need_cc(c, r->arg[0], r->attr & 15) : cg_need_condition(c, r->arg[0]);
    if (scalar)
        choose_scalar(c, rule_bits(r), cc, to, from, other, t);
    else if (vector)
        choose_vector(c, cc, to, from, other);
    else
        asm_cmov(&c->a, cc, rule_width(rule_bits(r)), to, from);
    return true;
}

bool rule_select(cg *c, const ir_op_record *r)
{
    return choose(c, r, false);
}

bool rule_sel_cc(cg *c, const ir_op_record *r)
{
    return choose(c, r, true);
}
