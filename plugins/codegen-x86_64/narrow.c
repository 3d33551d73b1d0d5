/*
 * Vector slots that hold scalars: in regions, which of them are known to be zero above 32 or 64 bits where a block begins.
 *
 * A scalar's operation wants its operand without anything above it, or clears that first, since it leaves there what it finds. In the block
 * that computed the scalar that is known by its type; a loop begins with all slots unnamed, so each round would clear what the
 * round before had cleared. A slot is narrow where a block begins if it is on all ways to it.
 *
 * Of what is before the region nothing is known. If the region begins with a loop, slots that each round makes narrow, and that are
 * read before, are looked at where it is entered: if one is wide, an instruction is executed alone, and other units do the rest of
 * that round. Who executes the code sees that, and asks for code without questions (PB_CODE_ENTERED) if it is often.
 *
 * A value that a get gives in such a slot is another name of one of the scalar's type, as it is behind v.from of one.
 */
#include "alloc.h"
#include "emit.h"
#include "rules_vec.h"

#include <stdlib.h>

/* Slots of 128 bits have numbers here, as many as a set has. */
enum { MOST_SLOTS = 64, NO_NUMBER = 255 };

/* Sets of slots: zero above 64 bits, and above 32 bits too. Before a way to a block was followed all are. */
typedef struct known {
    uint64_t to_64, to_32;
} known;

static const known nothing, everything = { UINT64_MAX, UINT64_MAX };

/* So much is known of a value. */
enum { WIDE, BITS_64, BITS_32 };

struct cg_narrow {
    uint8_t *number; /* by slot */
    uint8_t *value;  /* by record: of its first result, as far as it was looked at */
    known *at;       /* by block: where it begins */
    uint64_t *read;  /* by block: slots that are read from there on before they are written */
    known now;       /* where code is emitted, of slots that have no name */
    known
        round; /* where a round ends of a loop that the region begins with; asked where it is entered */
};

/* So many slots are looked at where a region is entered, at most. */
enum { MOST_ASKED = 8 };

/* ---- what records do -------------------------------------------------------------------------------------------- */

static uint32_t of_bits(uint32_t bits)
{
    return bits <= 32 ? BITS_32 : bits <= 64 ? BITS_64 : WIDE;
}

static uint32_t of_value(const cg *c, const struct cg_narrow *n, uint32_t id)
{
    const ir_const *k;

    if (!(id & IR_CONST_BIT))
        return id & 1 ? WIDE : n->value[id >> 1];
    k = &c->u->consts[id & ~IR_CONST_BIT];
    return k->value.hi ? WIDE : of_bits(k->value.lo >> 32 ? 64 : 32);
}

/* The set of the slot alone that a get or a put names; of others it is empty. */
static uint64_t set_of(const struct cg_narrow *n, const ir_op_record *r)
{
    uint32_t number = n->number[r->attr & 0xffff];

    return number == NO_NUMBER ? 0 : UINT64_C(1) << number;
}

static uint32_t in_set(const known *k, uint64_t set)
{
    return k->to_32 & set ? BITS_32 : k->to_64 & set ? BITS_64 : WIDE;
}

static void follow(const cg *c, struct cg_narrow *n, uint32_t record, known *slots)
{
    const ir_op_record *r = &c->u->ops[record];
    uint32_t value = WIDE;
    uint64_t set;

    switch (r->op) {
    case IR_OP_GET:
        value = in_set(slots, set_of(n, r));
        break;
    case IR_OP_PUT:
        set = set_of(n, r);
        value = of_value(c, n, r->arg[0]);
        slots->to_64 = (slots->to_64 & ~set) | (value >= BITS_64 ? set : 0);
        slots->to_32 = (slots->to_32 & ~set) | (value >= BITS_32 ? set : 0);
        value = WIDE;
        break;
    case IR_OP_V_FROM:
        value = of_bits(ir_type_bits[cg_type(c, r->arg[0])]);
        break;
    case IR_OP_CALL:
        if (cg_is_precise(c, r))
            *slots = nothing;
        break;
    case IR_OP_PUT_IDX:
        *slots = nothing;
        break;
    default:
        break;
    }
    n->value[record] = (uint8_t)value;
}

/* ---- the region ------------------------------------------------------------------------------------------------- */

static bool meet(known *to, const known *from)
{
    known both = { to->to_64 & from->to_64, to->to_32 & from->to_32 };
    bool changed = both.to_64 != to->to_64 || both.to_32 != to->to_32;

    *to = both;
    return changed;
}

/* From the start of a block to those behind it. */
static bool look_ahead(const cg *c, struct cg_narrow *n, uint32_t block, known slots)
{
    const ir_block_info *info = &c->u->blocks[block];
    bool changed = false;
    cg_target t[2];
    uint32_t n_targets;

    for (uint32_t i = info->first; i < info->end; i++)
        follow(c, n, i, &slots);
    n_targets = cg_targets(c->u, &c->u->ops[info->end - 1], t);
    for (uint32_t k = 0; k < n_targets; k++)
        changed |= meet(&n->at[t[k].block], &slots);
    return changed;
}

/* With this where the region begins. */
static void look_at_all(const cg *c, struct cg_narrow *n, const known *first)
{
    bool changed = true;

    for (uint32_t b = 0; b < c->u->n_blocks; b++)
        n->at[b] = everything;
    n->at[c->order[0]] = *first;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < c->n_order; i++)
            changed |= look_ahead(c, n, c->order[i], n->at[c->order[i]]);
    }
}

static bool look_back(const cg *c, struct cg_narrow *n, uint32_t block)
{
    const ir_block_info *info = &c->u->blocks[block];
    uint64_t read = 0, before = n->read[block];
    cg_target t[2];
    uint32_t n_targets = cg_targets(c->u, &c->u->ops[info->end - 1], t);

    for (uint32_t k = 0; k < n_targets; k++)
        read |= n->read[t[k].block];
    for (uint32_t i = info->end; i-- > info->first;) {
        const ir_op_record *r = &c->u->ops[i];

        if (c->values[i << 1].flags & CG_IS_DEAD)
            continue;
        if (r->op == IR_OP_GET)
            read |= set_of(n, r);
        else if (r->op == IR_OP_PUT)
            read &= ~set_of(n, r);
    }
    n->read[block] = read;
    return read != before;
}

static void find_read(const cg *c, struct cg_narrow *n)
{
    bool changed = true;

    memset(n->read, 0, c->u->n_blocks * sizeof(*n->read));
    while (changed) {
        changed = false;
        for (uint32_t i = c->n_order; i-- > 0;)
            changed |= look_back(c, n, c->order[i]);
    }
}

/* The first block that does more than to lead to another one. */
static uint32_t first_of_all(const cg *c)
{
    uint32_t block = c->order[0], turns = c->n_order;
    cg_target t[2];

    while (turns-- > 0 && c->u->blocks[block].end - c->u->blocks[block].first == 1 &&
           cg_targets(c->u, &c->u->ops[c->u->blocks[block].first], t) == 1)
        block = t[0].block;
    return block;
}

static bool is_loop(const cg *c, uint32_t first)
{
    cg_target t[2];

    for (uint32_t i = c->blocks[first].place; i < c->n_order; i++) {
        uint32_t n = cg_targets(c->u, &c->u->ops[c->u->blocks[c->order[i]].end - 1], t);

        for (uint32_t k = 0; k < n; k++)
            if (t[k].block == first)
                return true;
    }
    return false;
}

/* The lowest ones of a set. */
static uint64_t lowest(uint64_t set, uint32_t most)
{
    uint64_t rest = set;

    while (most-- > 0)
        rest &= rest - 1;
    return set & ~rest;
}

/* What each round makes of the slots, whatever they were, on all ways back to the first block; of those that are read there. */
static void find_round(const cg *c, struct cg_narrow *n)
{
    uint32_t first = first_of_all(c);
    known *back = &n->at[first];
    uint64_t asked;

    if (!is_loop(c, first))
        return;
    look_at_all(c, n, &nothing);
    *back = everything; /* of what goes there once more */
    for (uint32_t i = c->blocks[first].place; i < c->n_order; i++)
        look_ahead(c, n, c->order[i], c->order[i] == first ? nothing : n->at[c->order[i]]);
    find_read(c, n);
    asked = lowest(back->to_64 & n->read[first], MOST_ASKED);
    n->round = (known){ asked, asked & back->to_32 };
}

/* Numbers for the slots that the region has values of. */
static uint32_t number_slots(const cg *c, struct cg_narrow *n)
{
    uint32_t numbers = 0;

    memset(n->number, NO_NUMBER, c->self->n_slots);
    for (uint32_t i = 0; i < c->u->n_ops && numbers < MOST_SLOTS; i++) {
        const ir_op_record *r = &c->u->ops[i];
        uint32_t slot = r->attr & 0xffff;

        if (r->op == IR_OP_GET && r->type == IR_V128 && n->number[slot] == NO_NUMBER)
            n->number[slot] = (uint8_t)numbers++;
    }
    return numbers;
}

static struct cg_narrow *make(const cg *c)
{
    struct cg_narrow *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->number = malloc(c->self->n_slots);
    n->value = malloc(c->u->n_ops);
    n->at = malloc(c->u->n_blocks * sizeof(*n->at));
    n->read = malloc(c->u->n_blocks * sizeof(*n->read));
    return n;
}

bool cg_find_narrow(cg *c)
{
    struct cg_narrow *n;

    if (!(c->job->flags & PB_CODE_REGION) || !cg_does(c, CG_PASS_NARROW))
        return true;
    n = c->narrow = make(c);
    if (!n || !n->number || !n->value || !n->at || !n->read)
        return false;
    if (number_slots(c, n) == 0) {
        cg_free_narrow(c);
        return true;
    }
    if (!(c->job->flags & (PB_CODE_ENTERED | PB_CODE_ALONE)))
        find_round(c, n);
    look_at_all(c, n, &n->round);
    return true;
}

void cg_free_narrow(cg *c)
{
    if (!c->narrow)
        return;
    free(c->narrow->number);
    free(c->narrow->value);
    free(c->narrow->at);
    free(c->narrow->read);
    free(c->narrow);
    c->narrow = NULL;
}

void cg_ask_narrow(cg *c)
{
    const struct cg_narrow *n = c->narrow;
    uint32_t test = PTEST | (c->features & CG_AVX ? ASM_VEX : 0);

    for (uint32_t slot = 0; n && n->round.to_64 && slot < c->self->n_slots; slot++) {
        uint64_t set = n->number[slot] == NO_NUMBER ? 0 : UINT64_C(1) << n->number[slot];
        pb_u128 above = { n->round.to_32 & set ? ~(uint64_t)UINT32_MAX : 0, UINT64_MAX };
        cg_reg r = c->self->pin_of_slot[slot];

        if (!(n->round.to_64 & set))
            continue;
        if (r == CG_NO_REG) {
            r = XMM15;
            cg_load_slot(c, slot, r);
        }
        cg_pool_op(c, test, r - XMM0, 0, above, -1);
        cg_cold_alone(c, asm_jcc(&c->a, CC_NE), c->u->pc, cg_left_at(c, 0));
    }
}

/* ---- while code is emitted -------------------------------------------------------------------------------------- */

void cg_begin_narrow(cg *c, uint32_t block)
{
    if (c->narrow)
        c->narrow->now = c->narrow->at[block];
}

void cg_forget_narrow(cg *c)
{
    if (c->narrow)
        c->narrow->now = nothing;
}

void cg_put_narrow(cg *c, uint32_t slot)
{
    struct cg_narrow *n = c->narrow;

    if (n && n->number[slot] != NO_NUMBER)
        n->now.to_64 &= ~(UINT64_C(1) << n->number[slot]);
}

uint32_t cg_name_narrow(cg *c, uint32_t index, uint32_t slot)
{
    const struct cg_narrow *n = c->narrow;
    uint32_t name = index | 1;
    cg_value *v = &c->values[index];
    uint64_t set;

    if (!n || v->type != IR_V128 || n->number[slot] == NO_NUMBER)
        return index;
    set = UINT64_C(1) << n->number[slot];
    if (!(n->now.to_64 & set))
        return index;
    c->values[name] = *v;
    c->values[name].rep = name;
    c->values[name].type = n->now.to_32 & set ? IR_F32 : IR_F64;
    v->rep = name;
    return name;
}
