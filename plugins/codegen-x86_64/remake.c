/*
 * Bundles that are made again when somebody wants them.
 *
 * Most flags are read by the branch behind the comparison and never again, but the guest may look at them until the next
 * comparison, for instance where an access faults. When the host's flags are needed for something else, packing them costs
 * five instructions. While what they were made from is still somewhere nothing need be done: its values are kept alive, the
 * records of slow paths say how to make the flags of them, and who reads the flags compares once more.
 *
 * There is one such bundle at a time, cg.made. Its operands count one use more. Where blocks meet, and where the unit is
 * left, it is packed as any other. In regions lazy.c may leave the operands in memory then.
 */
#include "alloc.h"
#include "emit.h"
#include "slow.h"

bool cg_made_kind(const cg *c, uint32_t bundle, uint32_t *kind)
{
    const ir_op_record *r;
    uint32_t bits;

    if (bundle >= 2 * c->u->n_ops || !(bundle & 1)) /* a constant, or not a second result */
        return false;
    r = &c->u->ops[bundle >> 1];
    bits = ir_type_bits[r->type];
    *kind = r->op == IR_OP_SUB_FL ? CG_MADE_SUB : r->op == IR_OP_ADD_FL ? CG_MADE_ADD : CG_MADE_AND;
    if (bits == 32)
        *kind |= CG_MADE_32;
    return (bits == 32 || bits == 64) &&
           (r->op == IR_OP_SUB_FL || r->op == IR_OP_ADD_FL || r->op == IR_OP_AND_FL);
}

/* Whether the value is somewhere, and will be as long as it has a use. */
static bool is_somewhere(const cg *c, const cg_value *v)
{
    if (v->reg >= 0)
        return v->reg < XMM0 && c->reg_value[v->reg] == index_of(c, v);
    return in_memory(v);
}

static cg_value *operand(cg *c, uint32_t i)
{
    return cg_value_of(c, c->made_from[i]);
}

static void hold(cg *c, uint32_t value, uint32_t kind, uint32_t a, uint32_t b)
{
    c->made = value;
    c->made_kind = kind;
    c->made_from[0] = a;
    c->made_from[1] = b;
    for (uint32_t i = 0; i < 2; i++)
        operand(c, i)->uses++;
}

static void let_go(cg *c)
{
    c->made = CG_NONE;
    for (uint32_t i = 0; i < 2; i++) {
        operand(c, i)->uses--;
        cg_release_value(c, operand(c, i));
    }
}

void cg_end_made(cg *c, const cg_value *v)
{
    if (c->made == index_of(c, v) && !v->uses && !v->dirty)
        let_go(c);
}

bool cg_make_later(cg *c)
{
    uint32_t value = c->flags.bundle, kind, a, b;

    /* Who is going to read it may do so when the host's flags have something else that it needs too. */
    if (!cg_does(c, CG_PASS_REMADE) || c->values[value].uses || c->flags.form || c->crosses ||
        !cg_made_kind(c, value, &kind))
        return false;
    a = c->u->ops[value >> 1].arg[0];
    b = c->u->ops[value >> 1].arg[1];
    if (c->made != CG_NONE)
        cg_end_made(c, &c->values[c->made]);
    if (c->made != CG_NONE)
        return false;
    if (!is_somewhere(c, cg_value_of(c, a)) ||
        ((kind & CG_MADE_OP) == CG_MADE_AND && !is_somewhere(c, cg_value_of(c, b)))) {
        a = value & ~1u; /* the result */
        kind |= CG_MADE_RESULT;
        if ((kind & CG_MADE_OP) == CG_MADE_AND)
            b = a;
    }
    if (!is_somewhere(c, cg_value_of(c, a)) || !is_somewhere(c, cg_value_of(c, b)))
        return false;
    hold(c, value, kind, a, b);
    return true;
}

/* ---- emission --------------------------------------------------------------------------------------------------- */

/* x: the first operand, or the result; y: the second one, or CG_NO_REG: imm. t: a register for use, perhaps x. */
static void compare(cg *c, uint32_t kind, cg_reg x, cg_reg y, int32_t imm, cg_reg t)
{
    uint32_t w = kind & CG_MADE_32 ? W32 : W64, op = kind & CG_MADE_OP;
    bool result = kind & CG_MADE_RESULT;

    if (op == CG_MADE_AND) {
        if (result)
            asm_test(&c->a, w, x, x);
        else if (y >= 0)
            asm_test(&c->a, w, x, y);
        else
            asm_test_imm(&c->a, w, x, imm);
        return;
    }
    if (result || op == CG_MADE_ADD) {
        uint32_t undo = op == CG_MADE_SUB ? ALU_ADD : ALU_SUB;

        cg_move(c, t, x);
        x = t;
        if (result && y >= 0)
            asm_alu(&c->a, undo, w, t, y);
        else if (result)
            asm_alu_imm(&c->a, undo, w, t, imm);
    }
    if (y >= 0)
        asm_alu(&c->a, op == CG_MADE_SUB ? ALU_CMP : ALU_ADD, w, x, y);
    else
        asm_alu_imm(&c->a, op == CG_MADE_SUB ? ALU_CMP : ALU_ADD, w, x, imm);
}

static bool is_inverted(uint32_t kind)
{
    return (kind & CG_MADE_OP) == CG_MADE_SUB;
}

void cg_remake(cg *c)
{
    uint32_t value = c->made, kind = c->made_kind, locked = c->locked;
    uint32_t bits = kind & CG_MADE_32 ? 32 : 64;
    cg_reg x, y = CG_NO_REG, t = CG_NO_REG;
    int32_t imm = 0;

    cg_save_flags_now(c);
    x = cg_use_value(c, operand(c, 0));
    if (!cg_const_imm(c, c->made_from[1], bits, &imm))
        y = cg_use_value(c, operand(c, 1));
    if ((kind & CG_MADE_OP) != CG_MADE_AND &&
        (kind & CG_MADE_RESULT || (kind & CG_MADE_OP) == CG_MADE_ADD))
        t = cg_temp(c);
    compare(c, kind, x, y, imm, t);
    c->locked = locked;
    c->flags.bundle = value;
    c->flags.form = CG_FLAGS_INTEGER;
    c->flags.inverted_c = c->flags.inverted_a = is_inverted(kind);
    c->flags.n_conditions = 0;
    c->values[value].flags |= CG_IN_FLAGS;
    let_go(c);
}

/* On a cold path: a place's value in a register, `spare` if it is in none. */
static cg_reg fetch(cg *c, const uint8_t **p, uint32_t bits, int32_t *imm, cg_reg spare)
{
    uint32_t place = *(*p)++;
    uint64_t k;

    switch (place) {
    case PLACE_CONST:
        memcpy(&k, *p, sizeof(k));
        *p += 16;
        k = (uint64_t)ir_sem_sx(k & ir_sem_mask(bits), bits);
        *imm = (int32_t)k;
        if ((int64_t)k == *imm)
            return CG_NO_REG;
        asm_mov_imm(&c->a, spare, k);
        return spare;
    case PLACE_SPILL:
        asm_load(&c->a, W64, spare, cg_frame_at(16 * *(*p)++));
        return spare;
    case PLACE_HOME:
        cg_load_slot(c, (*p)[0] | (uint32_t)(*p)[1] << 8, spare);
        *p += 2;
        return spare;
    default:
        return (cg_reg)place;
    }
}

/* Cold paths may use rax and rcx: one that is not this one. */
static cg_reg spare_of(cg_reg other)
{
    return other != RAX ? RAX : RCX;
}

static cg_reg place_register(const uint8_t *p)
{
    return *p < CG_REGS ? (cg_reg)*p : CG_NO_REG;
}

bool cg_remake_cold(cg *c, const uint8_t *p)
{
    uint32_t kind = *p++, bits = kind & CG_MADE_32 ? 32 : 64;
    const uint8_t *second = p;
    cg_reg x, y;
    int32_t imm = 0;

    cg_skip_place(&second);
    x = fetch(c, &p, bits, &imm, spare_of(place_register(second)));
    if (x < 0) {
        x = spare_of(place_register(second));
        asm_mov_imm(&c->a, x, (uint64_t)(int64_t)imm);
    }
    y = fetch(c, &p, bits, &imm, spare_of(x));
    compare(c, kind, x, y, imm, x == RAX || x == RCX ? x : spare_of(y));
    return is_inverted(kind);
}

uint64_t cg_made_flags(uint32_t kind, uint64_t a, uint64_t b)
{
    uint32_t width = kind & CG_MADE_32 ? 32 : 64;
    uint64_t mask = ir_sem_mask(width), fl;
    bool result = kind & CG_MADE_RESULT;

    switch (kind & CG_MADE_OP) {
    case CG_MADE_SUB:
        ir_sem_sub_fl((result ? a + b : a) & mask, b & mask, 1, width, &fl);
        break;
    case CG_MADE_ADD:
        ir_sem_add_fl((result ? a - b : a) & mask, b & mask, 0, width, &fl);
        break;
    default:
        ir_sem_logic_fl((result ? a : a & b) & mask, width, &fl);
    }
    return fl;
}
