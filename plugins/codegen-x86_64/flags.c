/*
 * The host's flags. They hold at most one bundle, and conditions (i1 values) that were taken from it or that a
 * comparison made; what else needs them saves those that are live.
 *
 * A bundle is saved as `lahf; seto al` make it (patchbay/ir.h), after `cmc` if its carry is a borrow: none of these
 * changes another flag, so a conditional jump may follow.
 */
#include "codegen.h"

/* Conditions over C as Arm has it, for CF = C and for CF = borrow; 0xff: needs the other form. */
static const uint8_t map_carry[16] = { CC_E, CC_NE, CC_B,  CC_AE, CC_S, CC_NS, CC_O, CC_NO,
                                       0xff, 0xff,  CC_GE, CC_L,  CC_G, CC_LE, CC_P, CC_NP };
static const uint8_t map_borrow[16] = { CC_E, CC_NE, CC_AE, CC_B, CC_S, CC_NS, CC_O, CC_NO,
                                        CC_A, CC_BE, CC_GE, CC_L, CC_G, CC_LE, CC_P, CC_NP };

/* Conditions of comparisons of floats, whose outcomes (less, equal, greater, unordered) Arm gives as N, Z C, C, C V: see
 * fcmp in core/ir/ops.def. ucomis has CF, ZF, nothing, and CF ZF PF. */
static const uint8_t map_form[][16] = {
    [CG_FLAGS_COMPARED] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, CC_P, CC_NP, 0xff, 0xff, CC_AE,
                            CC_B, CC_A, CC_BE, CC_P, CC_NP },
    [CG_FLAGS_SWAPPED] = { 0xff, 0xff, CC_BE, CC_A, CC_A, CC_BE, CC_P, CC_NP, CC_B, CC_AE, 0xff,
                           0xff, 0xff, 0xff, CC_P, CC_NP },
    [CG_FLAGS_EQUAL] = { CC_E, CC_NE, 0xff, 0xff, 0xff, 0xff, CC_P, CC_NP, 0xff, 0xff, CC_AE, CC_B,
                         CC_A, CC_BE, CC_P, CC_NP },
};

static bool is_needed(const cg_value *v)
{
    return v->flags & CG_IN_FLAGS && (v->uses || v->dirty) && v->reg < 0 && v->spill < 0 &&
           v->home < 0;
}

bool cg_flags_live(const cg *c)
{
    if (c->flags.bundle != CG_NONE && is_needed(&c->values[c->flags.bundle]))
        return true;
    for (uint32_t i = 0; i < c->flags.n_conditions; i++)
        if (is_needed(&c->values[c->flags.condition[i]]))
            return true;
    return false;
}

/* ---- saving ----------------------------------------------------------------------------------------------- */

static bool depends_on_carry(uint32_t cc)
{
    return cc == CC_B || cc == CC_AE || cc == CC_BE || cc == CC_A;
}

static void save_condition(cg *c, uint32_t i)
{
    cg_value *v = &c->values[c->flags.condition[i]];
    uint32_t locked = c->locked;
    cg_reg r = cg_temp(c);

    asm_setcc(&c->a, c->flags.cc[i], r);
    asm_movzx(&c->a, W8, r, r);
    cg_set_register(c, r, c->flags.condition[i]);
    v->reg = (int8_t)r;
    c->locked = locked | CG_SET(r);
}

void cg_flip_carry(cg *c)
{
    for (uint32_t i = 0; i < c->flags.n_conditions; i++) {
        uint8_t *cc = &c->flags.cc[i];

        if (!depends_on_carry(*cc))
            continue;
        if (*cc == CC_B || *cc == CC_AE) {
            *cc ^= 1;
            continue;
        }
        if (is_needed(&c->values[c->flags.condition[i]]))
            save_condition(c, i);
        c->values[c->flags.condition[i]].flags &= ~CG_IN_FLAGS;
        c->flags.condition[i] = c->flags.condition[--c->flags.n_conditions];
        c->flags.cc[i] = c->flags.cc[c->flags.n_conditions];
        i--;
    }
    asm_cmc(&c->a);
    c->flags.inverted_c = !c->flags.inverted_c;
}

/* A slot that has the bundle and keeps all that is needed of it; CG_NONE: none. */
static uint32_t slot_of(const cg *c, const cg_value *v, uint32_t value)
{
    for (uint32_t i = 0; v->dirty && i < c->n_named; i++) {
        const cg_slot *s = &c->slots[c->named[i]];

        if (s->dirty && s->value == value &&
            !(v->fl_need & ~pb_slot_flags(&c->self->cpu->slots[c->named[i]])))
            return c->named[i];
    }
    return CG_NONE;
}

static void save_bundle(cg *c)
{
    cg_value *v = &c->values[c->flags.bundle];
    uint32_t slot = slot_of(c, v, c->flags.bundle), locked = c->locked;
    uint32_t kept = slot == CG_NONE ? IR_FL_ALL : pb_slot_flags(&c->self->cpu->slots[slot]);
    cg_reg to = RAX;

    if (cg_leave_flags(c, c->flags.bundle))
        return;
    if (c->flags.inverted_c && (v->fl_need & 1 << IR_FLAG_C))
        cg_flip_carry(c);
    if (locked & CG_SET(RAX)) { /* the rule has a value there, and goes on with it */
        to = cg_temp(c);
        asm_mov(&c->a, W64, to, RAX);
    } else {
        cg_take(c, RAX);
    }
    if (c->flags.form) {
        cg_pack_form(c, (cg_flags_form)c->flags.form, cg_temp(c));
    } else {
        asm_lahf(&c->a);
        asm_setcc(&c->a, CC_O, RAX);
    }
    if (c->flags.inverted_a && (v->fl_need & v->fl_valid & kept & 1 << IR_FLAG_A))
        asm_lea(&c->a, W32, RAX, asm_at(RAX, 1 << IR_FLAG_A)); /* a carry into bit 13 is junk */
    if (to != RAX)
        asm_rr(&c->a, asm_wide(0x87, W64), RAX, to); /* xchg */
    if (slot != CG_NONE && !(kept & ~v->fl_valid)) {
        cg_store_slot(c, slot, to);
        cg_clean_slot(c, slot);
        cg_stored(c, slot, v);
        c->locked = locked;
        if (v->home >= 0 && !v->dirty && !v->uses)
            return; /* else it stays in the register too: who reads it soon would wait for the store */
    }
    cg_set_register(c, to, c->flags.bundle);
    v->reg = (int8_t)to;
    c->locked = locked | CG_SET(to);
}

void cg_save_flags_value(cg *c, uint32_t value)
{
    bool made = c->made == value;

    if (made)
        cg_remake(c);
    if (c->flags.bundle == value) {
        save_bundle(c);
        if (made) { /* in the middle of a rule, which takes them for free */
            c->values[value].flags &= ~CG_IN_FLAGS;
            c->flags.bundle = CG_NONE;
        }
        return;
    }
    for (uint32_t i = 0; i < c->flags.n_conditions; i++) {
        if (c->flags.condition[i] == value) {
            save_condition(c, i);
            return;
        }
    }
    c->failed = true;
}

void cg_save_flags_now(cg *c)
{
    for (uint32_t i = 0; i < c->flags.n_conditions; i++) {
        cg_value *v = &c->values[c->flags.condition[i]];

        if (is_needed(v)) {
            save_condition(c, i);
            cg_release(c, v->reg);
        }
        v->flags &= ~CG_IN_FLAGS;
    }
    c->flags.n_conditions = 0;
    if (c->flags.bundle != CG_NONE) {
        cg_value *v = &c->values[c->flags.bundle];

        if (is_needed(v) && !cg_forget_flags(c, c->flags.bundle) && !cg_make_later(c)) {
            save_bundle(c);
            if (v->reg >= 0)
                cg_release(c, v->reg);
        }
        v->flags &= ~CG_IN_FLAGS;
    }
    c->flags.bundle = CG_NONE;
}

void cg_clobber_flags(cg *c)
{
    cg_save_flags_now(c);
}

bool cg_take_carry(cg *c, uint32_t id, bool *inverted)
{
    cg_value *v = cg_value_of(c, id);
    uint32_t index = (uint32_t)(v - c->values), n = c->flags.n_conditions, at = n;

    for (uint32_t i = 0; i < n; i++) {
        if (c->flags.condition[i] == index)
            at = i;
        else if (is_needed(&c->values[c->flags.condition[i]]))
            return false;
    }
    if (at == n || !cg_dies(c, id) || cg_occurrences(c, v) != 1 ||
        (c->flags.cc[at] != CC_B && c->flags.cc[at] != CC_AE) ||
        (c->flags.bundle != CG_NONE && is_needed(&c->values[c->flags.bundle])))
        return false;
    *inverted = c->flags.cc[at] == CC_AE;
    v->flags &= ~CG_IN_FLAGS;
    c->flags.condition[at] = c->flags.condition[--c->flags.n_conditions];
    c->flags.cc[at] = c->flags.cc[c->flags.n_conditions];
    cg_save_flags_now(c); /* which none of the others needs */
    return true;
}

/* ---- making ----------------------------------------------------------------------------------------------- */

void cg_def_flags(cg *c, uint32_t result, bool inverted_c, bool inverted_a, uint32_t valid)
{
    uint32_t value = c->record << 1 | result;

    c->flags.bundle = value;
    c->flags.form = CG_FLAGS_INTEGER;
    c->flags.inverted_c = inverted_c;
    c->flags.inverted_a = inverted_a;
    c->flags.n_conditions = 0;
    c->values[value].flags |= CG_IN_FLAGS;
    c->values[value].fl_valid = (uint16_t)valid;
}

void cg_def_flags_form(cg *c, uint32_t result, cg_flags_form form)
{
    cg_def_flags(c, result, false, false, IR_FL_ALL);
    c->flags.form = (uint8_t)form;
}

void cg_pack_form(cg *c, cg_flags_form form, cg_reg t)
{
    cg_shared table = form == CG_FLAGS_SWAPPED ? SHARED_COMPARED_SWAPPED : SHARED_COMPARED;

    asm_lahf(&c->a);
    asm_rr(&c->a, 0xb6 | ASM_0F, RAX, 4);           /* movzx eax, ah */
    cg_shared_op(c, 0x8d | ASM_W, t, 0, table, -1); /* lea */
    asm_load(&c->a, W16, RAX, asm_index(t, RAX, 1, 0));
}

void cg_def_condition(cg *c, uint32_t result, uint32_t cc)
{
    uint32_t value = c->record << 1 | result;

    if (c->flags.n_conditions == CG_CONDITIONS) {
        cg_reg r = cg_def(c, result, 0);

        asm_setcc(&c->a, cc, r);
        asm_movzx(&c->a, W8, r, r);
        return;
    }
    c->flags.condition[c->flags.n_conditions] = value;
    c->flags.cc[c->flags.n_conditions++] = (uint8_t)cc;
    c->values[value].flags |= CG_IN_FLAGS;
}

/* ---- using ------------------------------------------------------------------------------------------------ */

bool cg_form_has(cg_flags_form form, uint32_t cc)
{
    return map_form[form][cc] != 0xff;
}

uint32_t cg_map_cc(const cg *c, uint32_t cc)
{
    if (c->flags.form)
        return map_form[c->flags.form][cc];
    return c->flags.inverted_c ? map_borrow[cc] : map_carry[cc];
}

/* The flag that a condition is about, if it is one alone; else 0xff. */
static uint32_t single_flag(uint32_t cc)
{
    switch (cc >> 1) {
    case IR_EQ >> 1:
        return IR_FLAG_Z;
    case IR_CS >> 1:
        return IR_FLAG_C;
    case IR_MI >> 1:
        return IR_FLAG_N;
    case IR_VS >> 1:
        return IR_FLAG_V;
    case IR_PS >> 1:
        return IR_FLAG_P;
    default:
        return 0xff;
    }
}

uint32_t cg_need_cc(cg *c, uint32_t bundle, uint32_t cc)
{
    cg_value *v = cg_value_of(c, bundle);
    uint32_t index = (uint32_t)(v - c->values), flag = single_flag(cc), locked = c->locked;
    cg_reg r;

    if (c->made == index)
        cg_remake(c);
    if (c->flags.bundle == index) {
        if (cg_map_cc(c, cc) == 0xff && !c->flags.form)
            cg_flip_carry(c);
        if (cg_map_cc(c, cc) != 0xff)
            return cg_map_cc(c, cc);
    }
    cg_clobber_flags(c);
    if (flag != 0xff) {
        uint32_t bit = v->fl_valid >> flag & 1 ? 1u << flag : 0;

        /* From memory with the width that it was stored with: of a part of it the host would wait for the store. */
        asm_test_imm(&c->a, W32, cg_use(c, bundle), (int32_t)bit);
        c->locked = locked;
        return CC_NE ^ (cc & 1);
    }
    r = cg_use(c, bundle);
    cg_take(c, RAX);
    asm_mov(&c->a, W32, RAX, v->reg >= 0 ? v->reg : r);
    if (~v->fl_valid & (1 << IR_FLAG_N | 1 << IR_FLAG_Z | 1 << IR_FLAG_C | 1 << IR_FLAG_V))
        asm_alu_imm(&c->a, ALU_AND, W32, RAX, v->fl_valid);
    asm_alu_imm(&c->a, ALU_ADD, W8, RAX, 0x7f); /* V to OF */
    asm_sahf(&c->a);
    c->locked = locked;
    if (cc == IR_HI || cc == IR_LS)
        asm_cmc(&c->a);
    c->flags.bundle = index;
    c->flags.form = CG_FLAGS_INTEGER;
    c->flags.inverted_c = cc == IR_HI || cc == IR_LS;
    c->flags.inverted_a = false;
    v->flags |= CG_IN_FLAGS;
    return cg_map_cc(c, cc);
}

void cg_prepare_cc(cg *c, uint32_t bundle, uint32_t cc)
{
    uint32_t index = (uint32_t)(cg_value_of(c, bundle) - c->values);

    if (c->flags.bundle == index || c->made == index || single_flag(cc) == 0xff) {
        cg_need_cc(c, bundle, cc);
    } else {
        cg_clobber_flags(c);
        cg_use(c, bundle);
    }
}

uint32_t cg_need_condition(cg *c, uint32_t id)
{
    cg_value *v = cg_value_of(c, id);
    uint32_t index = (uint32_t)(v - c->values), locked = c->locked;

    if (v->flags & CG_IN_FLAGS) {
        for (uint32_t i = 0; i < c->flags.n_conditions; i++)
            if (c->flags.condition[i] == index)
                return c->flags.cc[i];
    }
    cg_clobber_flags(c);
    asm_test_imm(&c->a, W8, cg_use(c, id), 1);
    c->locked = locked;
    return CC_NE;
}
