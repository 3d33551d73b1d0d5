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

/* What is known of a slot, or a value. */
enum { WIDE, BITS_64, BITS_32, NOT_SEEN };

struct cg_narrow {
    uint32_t n_slots;
    uint8_t *at;    /* by block and slot: where the block begins */
    uint8_t *now;   /* by slot: where code is emitted, of slots that have no name */
    uint8_t *value; /* by record: of its first result, as far as it was looked at */
    uint8_t *
        round; /* by slot: where a round ends of a loop that the region begins with; asked where it is entered */
};

/* So many slots are looked at where a region is entered, at most. */
enum { MOST_ASKED = 8 };

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

/* What a record does to the slots. */
static void follow(const cg *c, struct cg_narrow *n, uint32_t record, uint8_t *slots)
{
    const ir_op_record *r = &c->u->ops[record];

    n->value[record] = WIDE;
    switch (r->op) {
    case IR_OP_GET:
        n->value[record] = slots[r->attr & 0xffff];
        break;
    case IR_OP_PUT:
        slots[r->attr & 0xffff] = (uint8_t)of_value(c, n, r->arg[0]);
        break;
    case IR_OP_V_FROM:
        n->value[record] = (uint8_t)of_bits(ir_type_bits[cg_type(c, r->arg[0])]);
        break;
    case IR_OP_CALL:
        if (cg_is_precise(c, r))
            memset(slots, WIDE, n->n_slots);
        break;
    case IR_OP_PUT_IDX:
        memset(slots, WIDE, n->n_slots);
        break;
    default:
        break;
    }
}

static uint8_t *at(const struct cg_narrow *n, uint32_t block)
{
    return n->at + (size_t)block * n->n_slots;
}

/* From the start of a block to those behind it. */
static bool look_ahead(const cg *c, struct cg_narrow *n, uint32_t block, const uint8_t *start)
{
    const ir_block_info *info = &c->u->blocks[block];
    bool changed = false;
    cg_target t[2];
    uint32_t n_targets;

    memcpy(n->now, start, n->n_slots);
    for (uint32_t i = info->first; i < info->end; i++)
        follow(c, n, i, n->now);
    n_targets = cg_targets(c->u, &c->u->ops[info->end - 1], t);
    for (uint32_t k = 0; k < n_targets; k++) {
        uint8_t *to = at(n, t[k].block);

        for (uint32_t slot = 0; slot < n->n_slots; slot++) {
            if (n->now[slot] < to[slot]) {
                to[slot] = n->now[slot];
                changed = true;
            }
        }
    }
    return changed;
}

static struct cg_narrow *make(const cg *c)
{
    struct cg_narrow *n = calloc(1, sizeof(*n));

    if (!n)
        return NULL;
    n->n_slots = c->self->n_slots;
    n->at = malloc((size_t)c->u->n_blocks * n->n_slots);
    n->now = malloc(n->n_slots);
    n->value = malloc(c->u->n_ops);
    n->round = malloc(n->n_slots);
    return n;
}

/* With this where the region begins. */
static void look_at_all(const cg *c, struct cg_narrow *n, const uint8_t *first)
{
    bool changed = true;

    memset(n->at, NOT_SEEN, (size_t)c->u->n_blocks * n->n_slots);
    memcpy(at(n, c->order[0]), first, n->n_slots);
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < c->n_order; i++)
            changed |= look_ahead(c, n, c->order[i], at(n, c->order[i]));
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

/* Which slots are read before they are written, from the start of a block: n->at has 1 for those. */
static bool look_back(const cg *c, struct cg_narrow *n, uint32_t block)
{
    const ir_block_info *info = &c->u->blocks[block];
    uint8_t *from = at(n, block);
    bool changed = false;
    cg_target t[2];
    uint32_t n_targets = cg_targets(c->u, &c->u->ops[info->end - 1], t);

    memset(n->now, 0, n->n_slots);
    for (uint32_t k = 0; k < n_targets; k++)
        for (uint32_t slot = 0; slot < n->n_slots; slot++)
            n->now[slot] |= at(n, t[k].block)[slot];
    for (uint32_t i = info->end; i-- > info->first;) {
        const ir_op_record *r = &c->u->ops[i];

        if ((r->op == IR_OP_GET || r->op == IR_OP_PUT) && !(c->values[i << 1].flags & CG_IS_DEAD))
            n->now[r->attr & 0xffff] = r->op == IR_OP_GET;
    }
    for (uint32_t slot = 0; slot < n->n_slots; slot++) {
        changed |= n->now[slot] != from[slot];
        from[slot] = n->now[slot];
    }
    return changed;
}

/* Of slots that are not read before they are written nobody asks. */
static void leave_unread(const cg *c, struct cg_narrow *n, uint32_t first)
{
    bool changed = true;

    memset(n->at, 0, (size_t)c->u->n_blocks * n->n_slots);
    while (changed) {
        changed = false;
        for (uint32_t i = c->n_order; i-- > 0;)
            changed |= look_back(c, n, c->order[i]);
    }
    for (uint32_t slot = 0; slot < n->n_slots; slot++)
        if (!at(n, first)[slot])
            n->round[slot] = WIDE;
}

/* What each round makes of the slots, whatever they were: on all ways back to that block. */
static void find_round(const cg *c, struct cg_narrow *n)
{
    uint32_t first = first_of_all(c), asked = 0;
    uint8_t *back = at(n, first);

    look_at_all(c, n, n->round);
    memset(back, NOT_SEEN, n->n_slots); /* of what goes there once more */
    for (uint32_t i = c->blocks[first].place; i < c->n_order; i++)
        look_ahead(c, n, c->order[i], c->order[i] == first ? n->round : at(n, c->order[i]));
    for (uint32_t slot = 0; slot < n->n_slots; slot++)
        if (back[slot] != NOT_SEEN && c->self->cpu->slots[slot].type == IR_V128)
            n->round[slot] = back[slot];
    leave_unread(c, n, first);
    for (uint32_t slot = 0; slot < n->n_slots; slot++)
        if (n->round[slot] != WIDE && asked++ >= MOST_ASKED)
            n->round[slot] = WIDE;
}

bool cg_find_narrow(cg *c)
{
    struct cg_narrow *n;

    if (!(c->job->flags & PB_CODE_REGION) || !cg_does(c, CG_PASS_NARROW))
        return true;
    n = c->narrow = make(c);
    if (!n || !n->at || !n->now || !n->value || !n->round)
        return false;
    memset(n->round, WIDE, n->n_slots);
    if (!(c->job->flags & (PB_CODE_ENTERED | PB_CODE_ALONE)))
        find_round(c, n);
    look_at_all(c, n, n->round);
    return true;
}

void cg_free_narrow(cg *c)
{
    if (!c->narrow)
        return;
    free(c->narrow->at);
    free(c->narrow->now);
    free(c->narrow->value);
    free(c->narrow->round);
    free(c->narrow);
}

void cg_ask_narrow(cg *c)
{
    const struct cg_narrow *n = c->narrow;
    uint32_t test = PTEST | (c->features & CG_AVX ? ASM_VEX : 0);

    for (uint32_t slot = 0; n && slot < n->n_slots; slot++) {
        pb_u128 above = { n->round[slot] == BITS_32 ? ~(uint64_t)UINT32_MAX : 0, UINT64_MAX };
        cg_reg r = c->self->pin_of_slot[slot];

        if (n->round[slot] == WIDE)
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
    const struct cg_narrow *n = c->narrow;

    if (n)
        memcpy(n->now, at(n, block), n->n_slots);
}

void cg_forget_narrow(cg *c)
{
    if (c->narrow)
        memset(c->narrow->now, WIDE, c->narrow->n_slots);
}

void cg_put_narrow(cg *c, uint32_t slot)
{
    if (c->narrow)
        c->narrow->now[slot] = WIDE;
}

uint32_t cg_name_narrow(cg *c, uint32_t index, uint32_t slot)
{
    uint32_t known = c->narrow ? c->narrow->now[slot] : WIDE, name = index | 1;
    cg_value *v = &c->values[index];

    if (v->type != IR_V128 || (known != BITS_64 && known != BITS_32))
        return index;
    c->values[name] = *v;
    c->values[name].rep = name;
    c->values[name].type = known == BITS_64 ? IR_F64 : IR_F32;
    v->rep = name;
    return name;
}
