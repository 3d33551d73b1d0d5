/*
 * Units with registers of their own: PB_CODE_REGION.
 *
 * In a region, a unit with loops that is executed often, the slots that it uses most have the registers, not those of
 * the cpu type's rank. The convention holds at its edges: the entry moves from the convention's registers to
 * the unit's, every exit and every helper that looks at slots moves back. A slot that both give a register keeps
 * the convention's, so a move is a store and a load of two slots that share a register.
 *
 * Worth is counted: uses of a slot by records, eight times as much for each loop around them.
 */
#include "emit.h"

#include <stdlib.h>

/* A register that has another slot in the unit than by the convention. */
typedef struct cg_move {
    int8_t reg;
    bool written;  /* in the unit */
    uint16_t slot; /* its slot in the unit */
    uint32_t out;  /* its slot by the convention, CG_NONE: none */
} cg_move;

enum { MOST_PINS = 24, DEPTHS = 3, DEPTH_LOG2 = 3 };

/* Uses that a register must save more than it costs at the unit's edges. */
enum { COST = 3 };

struct cg_region {
    uint32_t n_moves;
    cg_move moves[MOST_PINS];
    cg_pin pins[MOST_PINS];
    uint32_t *worth; /* by slot */
    bool *written;
    int8_t pin_of_slot[];
};

bool cg_has_moves(const cg *c)
{
    return c->region && c->region->n_moves;
}

/* ---- the edges ------------------------------------------------------------------------------------------------ */

void cg_leave(cg *c)
{
    const struct cg_region *g = c->region;

    cg_pack_home(c);
    for (uint32_t i = 0; g && i < g->n_moves; i++)
        if (g->moves[i].written)
            cg_store_slot(c, g->moves[i].slot, g->moves[i].reg);
    for (uint32_t i = 0; g && i < g->n_moves; i++)
        if (g->moves[i].out != CG_NONE)
            cg_load_slot(c, g->moves[i].out, g->moves[i].reg);
}

void cg_come_back(cg *c)
{
    const struct cg_region *g = c->region;

    for (uint32_t i = 0; g && i < g->n_moves; i++)
        cg_load_slot(c, g->moves[i].slot, g->moves[i].reg);
}

void cg_arrive(cg *c)
{
    const struct cg_region *g = c->region;

    for (uint32_t i = 0; g && i < g->n_moves; i++)
        if (g->moves[i].out != CG_NONE)
            cg_store_slot(c, g->moves[i].out, g->moves[i].reg);
    cg_come_back(c);
}

/* ---- the choice ----------------------------------------------------------------------------------------------- */

/* Loops around each block, by its place in the order: what lies between a block and one that branches back to it. */
static uint8_t *find_depths(const cg *c)
{
    uint8_t *depth = calloc(c->n_order + 1, 1);

    for (uint32_t i = 0; depth && i < c->n_order; i++) {
        cg_target t[2];
        uint32_t n = cg_targets(c->u, &c->u->ops[c->u->blocks[c->order[i]].end - 1], t);

        for (uint32_t k = 0; k < n; k++)
            for (uint32_t p = c->blocks[t[k].block].place; p <= i; p++)
                depth[p] += depth[p] < DEPTHS;
    }
    return depth;
}

static void count_worth(cg *c, const uint8_t *depth)
{
    struct cg_region *g = c->region;

    for (uint32_t i = 0; i < c->n_order; i++) {
        const ir_block_info *info = &c->u->blocks[c->order[i]];

        for (uint32_t k = info->first; k < info->end; k++) {
            const ir_op_record *r = &c->u->ops[k];
            uint32_t slot = r->attr & 0xffff;

            if (r->op != IR_OP_GET && r->op != IR_OP_PUT)
                continue;
            g->written[slot] |= r->op == IR_OP_PUT;
            if (g->worth[slot] < 1u << 24)
                g->worth[slot] += 1u << depth[i] * DEPTH_LOG2;
        }
    }
}

/* The slot that is worth most of those that could have a general register, or a vector one, and have none. */
static uint32_t best_without(const cg *c, bool vector)
{
    const struct cg_region *g = c->region;
    uint32_t best = CG_NONE;

    for (uint32_t i = 0; i < c->self->n_slots; i++)
        if (g->pin_of_slot[i] == CG_NO_REG && g->worth[i] &&
            cg_is_pinnable(&c->self->cpu->slots[i], vector) &&
            (best == CG_NONE || g->worth[i] > g->worth[best]))
            best = i;
    return best;
}

/* The pin whose slot is worth least. */
static cg_pin *worst_pin(const cg *c, bool vector)
{
    struct cg_region *g = c->region;
    cg_pin *worst = NULL;

    for (uint32_t i = 0; i < c->n_pins; i++)
        if ((g->pins[i].reg >= XMM0) == vector &&
            (!worst || g->worth[g->pins[i].slot] < g->worth[worst->slot]))
            worst = &g->pins[i];
    return worst;
}

static void add_pin(cg *c, uint32_t slot, cg_reg r)
{
    struct cg_region *g = c->region;

    g->pins[c->n_pins++] = (cg_pin){ (uint16_t)slot, (int8_t)r };
    g->pin_of_slot[slot] = (int8_t)r;
    c->free_set &= ~CG_SET(r);
}

/* Registers without slots first, then those whose slots are worth less. */
static void assign(cg *c, bool vector, uint32_t extra)
{
    struct cg_region *g = c->region;
    uint32_t slot;
    cg_pin *pin;

    while ((slot = best_without(c, vector)) != CG_NONE && g->worth[slot] >= COST) {
        if (extra && c->n_pins < MOST_PINS) {
            cg_reg r = 31 - __builtin_clz(extra);

            extra &= ~CG_SET(r);
            add_pin(c, slot, r);
            continue;
        }
        pin = worst_pin(c, vector);
        if (!pin || g->worth[pin->slot] + COST >= g->worth[slot])
            return;
        g->pin_of_slot[pin->slot] = CG_NO_REG;
        pin->slot = (uint16_t)slot;
        g->pin_of_slot[slot] = pin->reg;
    }
}

static void note_moves(cg *c)
{
    struct cg_region *g = c->region;

    for (uint32_t i = 0; i < c->n_pins; i++) {
        uint32_t slot = g->pins[i].slot, out = CG_NONE;

        if (c->self->pin_of_slot[slot] == g->pins[i].reg)
            continue;
        for (uint32_t k = 0; k < c->self->n_pins; k++)
            if (c->self->pins[k].reg == g->pins[i].reg)
                out = c->self->pins[k].slot;
        g->moves[g->n_moves++] = (cg_move){
            .reg = g->pins[i].reg, .written = g->written[slot], .slot = (uint16_t)slot, .out = out
        };
    }
}

/* One of the general registers that are free by the convention; rules need the others. */
static uint32_t extra_general(const cg *c)
{
    uint32_t set = c->self->free_set & CG_GENERAL_SET & ~(CG_SET(RAX) | CG_SET(RCX) | CG_SET(RDX));

    return __builtin_popcount(set) > 1 ? set & -set : 0;
}

bool cg_choose_pins(cg *c)
{
    uint32_t n = c->self->n_slots;
    struct cg_region *g;
    uint8_t *depth;

    c->pins = c->self->pins;
    c->n_pins = c->self->n_pins;
    c->pin_of_slot = c->self->pin_of_slot;
    c->free_set = c->self->free_set;
    c->lazy_slot = CG_NONE;
    if (!(c->job->flags & PB_CODE_REGION) || !cg_does(c, CG_PASS_REGISTERS))
        return true;
    c->region = g = calloc(1, sizeof(*g) + n);
    if (!g)
        return false;
    g->worth = calloc(n, sizeof(*g->worth));
    g->written = calloc(n, sizeof(*g->written));
    depth = find_depths(c);
    if (!g->worth || !g->written || !depth) {
        free(depth);
        return false;
    }
    memcpy(g->pins, c->self->pins, c->n_pins * sizeof(cg_pin));
    memcpy(g->pin_of_slot, c->self->pin_of_slot, n);
    c->pins = g->pins;
    c->pin_of_slot = g->pin_of_slot;
    count_worth(c, depth);
    free(depth);
    assign(c, false, c->more_pins ? extra_general(c) : 0);
    assign(c, true, 0);
    note_moves(c);
    cg_find_flags(c);
    return true;
}

void cg_free_pins(cg *c)
{
    if (!c->region)
        return;
    free(c->region->worth);
    free(c->region->written);
    free(c->region);
}
