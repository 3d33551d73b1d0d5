/*
 * Units with registers of their own: PB_CODE_REGION.
 *
 * In a region, a unit with loops that is executed often, the slots that it uses most have the registers, not those of
 * the cpu type's rank; and in each loop those that the loop uses most. Which slots have which registers is a *map*.
 *
 * 1. The region's map is chosen for all of it, that of a loop for the loop, beginning with the map around it: a slot that the
 *    loop uses takes the register of one that it uses less, if that saves more than moving them where the
 *    loop is entered and left.
 * 2. A block has the map of the innermost loop around it. An edge between blocks with different maps moves: slots that
 *    lose their registers to their homes, then those that get one from theirs. A slot that is written nowhere in the region
 *    has its value at home too, unless the convention gives it a register.
 * 3. The convention holds at the region's edges: the entry moves from the convention's registers to the first block's,
 *    every exit and every helper that looks at slots moves back from those of its block. Records of precise points name all
 *    slots with registers.
 *
 * Worth is counted: uses of a slot by records, eight times as much for each loop around them.
 */
#include "emit.h"

#include <stdlib.h>

/* A register that has another slot in the unit than by the convention. */
typedef struct cg_move {
    int8_t reg;
    uint16_t slot; /* its slot in the unit */
    uint32_t out;  /* its slot by the convention, CG_NONE: none */
} cg_move;

enum { MOST_PINS = 24, MOST_MAPS = 16, DEPTHS = 3, DEPTH_LOG2 = 3 };

/* Uses that a register must save more than it costs at the edges: of the unit, and of a loop. */
enum { COST = 3, LOOP_COST = 16 };

typedef struct cg_map {
    uint32_t n_moves, n_pins;
    cg_move moves[MOST_PINS];
    cg_pin pins[MOST_PINS];
    int8_t *pin_of_slot;
} cg_map;

struct cg_region {
    uint32_t n_maps, now;
    cg_map maps[MOST_MAPS]; /* the first one: of blocks without a loop */
    uint8_t *map_of;        /* by block */
    uint8_t *depth;         /* loops around a block, by its place in the order */
    uint32_t *worth;        /* by slot */
    bool *homeless;         /* by slot: it is written, or the convention gives it a register */
    int8_t *tables;         /* the maps' pin_of_slot */
};

static void use_map(cg *c, uint32_t map)
{
    const cg_map *m = &c->region->maps[map];

    c->region->now = map;
    c->pins = m->pins;
    c->n_pins = m->n_pins;
    c->pin_of_slot = m->pin_of_slot;
}

void cg_use_map_of(cg *c, uint32_t block)
{
    if (c->region)
        use_map(c, c->region->map_of[block]);
}

void cg_use_map_at(cg *c, uint32_t record)
{
    if (!c->region || c->region->n_maps == 1)
        return;
    for (uint32_t b = 0; b < c->u->n_blocks; b++)
        if (record >= c->u->blocks[b].first && record < c->u->blocks[b].end)
            cg_use_map_of(c, b);
}

uint32_t cg_map_now(const cg *c)
{
    return c->region ? c->region->now : 0;
}

void cg_use_map(cg *c, uint32_t map)
{
    if (c->region)
        use_map(c, map);
}

static const cg_map *map_now(const cg *c)
{
    static const cg_map none;

    return c->region ? &c->region->maps[c->region->now] : &none;
}

bool cg_has_moves(const cg *c)
{
    return map_now(c)->n_moves;
}

/* ---- the edges ------------------------------------------------------------------------------------------------ */

void cg_leave(cg *c)
{
    const cg_map *m = map_now(c);

    cg_pack_home(c);
    for (uint32_t i = 0; i < m->n_moves; i++)
        if (c->region->homeless[m->moves[i].slot])
            cg_store_slot(c, m->moves[i].slot, m->moves[i].reg);
    for (uint32_t i = 0; i < m->n_moves; i++)
        if (m->moves[i].out != CG_NONE)
            cg_load_slot(c, m->moves[i].out, m->moves[i].reg);
}

void cg_come_back(cg *c)
{
    const cg_map *m = map_now(c);

    for (uint32_t i = 0; i < m->n_moves; i++)
        cg_load_slot(c, m->moves[i].slot, m->moves[i].reg);
}

void cg_arrive(cg *c)
{
    const cg_map *m;

    cg_use_map_of(c, c->order[0]);
    m = map_now(c);
    for (uint32_t i = 0; i < m->n_moves; i++)
        if (m->moves[i].out != CG_NONE)
            cg_store_slot(c, m->moves[i].out, m->moves[i].reg);
    cg_come_back(c);
}

bool cg_same_map(const cg *c, uint32_t block)
{
    return !c->region || c->region->map_of[block] == c->region->now;
}

void cg_cross(cg *c, uint32_t block)
{
    const cg_map *from = map_now(c), *to;

    if (cg_same_map(c, block))
        return;
    to = &c->region->maps[c->region->map_of[block]];
    for (uint32_t i = 0; i < from->n_pins; i++) {
        const cg_pin *p = &from->pins[i];

        if (to->pin_of_slot[p->slot] != p->reg && c->region->homeless[p->slot])
            cg_store_slot(c, p->slot, p->reg);
    }
    for (uint32_t i = 0; i < to->n_pins; i++) {
        const cg_pin *p = &to->pins[i];

        if (from->pin_of_slot[p->slot] != p->reg)
            cg_load_slot(c, p->slot, p->reg);
    }
}

/* ---- the choice ----------------------------------------------------------------------------------------------- */

/* What lies between a block and one that branches back to it, by places in the order. */
typedef struct cg_loop {
    uint32_t first, last;
} cg_loop;

/* Loops, as many as there is room for, the larger ones first; and how deep blocks are in them. */
static uint32_t find_loops(cg *c, cg_loop loops[MOST_MAPS])
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < c->n_order; i++) {
        cg_target t[2];
        uint32_t n_targets = cg_targets(c->u, &c->u->ops[c->u->blocks[c->order[i]].end - 1], t);

        for (uint32_t k = 0; k < n_targets; k++) {
            uint32_t first = c->blocks[t[k].block].place, at = 0;

            if (first > i)
                continue;
            for (uint32_t p = first; p <= i; p++)
                c->region->depth[p] += c->region->depth[p] < DEPTHS;
            while (at < n && loops[at].first != first)
                at++;
            if (at < n)
                loops[at].last = i;
            else if (n < MOST_MAPS)
                loops[n++] = (cg_loop){ first, i };
        }
    }
    for (uint32_t i = 1; i < n; i++) {
        cg_loop l = loops[i];
        uint32_t k = i;

        for (; k > 0 && loops[k - 1].last - loops[k - 1].first < l.last - l.first; k--)
            loops[k] = loops[k - 1];
        loops[k] = l;
    }
    return n;
}

/* Of the slots that blocks use, by places. */
static void count_worth(cg *c, const cg_loop *l)
{
    struct cg_region *g = c->region;

    memset(g->worth, 0, c->self->n_slots * sizeof(*g->worth));
    for (uint32_t i = l->first; i <= l->last; i++) {
        const ir_block_info *info = &c->u->blocks[c->order[i]];

        for (uint32_t k = info->first; k < info->end; k++) {
            const ir_op_record *r = &c->u->ops[k];
            uint32_t slot = r->attr & 0xffff;

            if (r->op != IR_OP_GET && r->op != IR_OP_PUT)
                continue;
            g->homeless[slot] |= r->op == IR_OP_PUT;
            if (g->worth[slot] < 1u << 24)
                g->worth[slot] += 1u << g->depth[i] * DEPTH_LOG2;
        }
    }
}

/* The slot that is worth most of those that could have a general register, or a vector one, and have none. */
static uint32_t best_without(const cg *c, const cg_map *m, bool vector)
{
    const struct cg_region *g = c->region;
    uint32_t best = CG_NONE;

    for (uint32_t i = 0; i < c->self->n_slots; i++)
        if (m->pin_of_slot[i] == CG_NO_REG && g->worth[i] &&
            cg_is_pinnable(&c->self->cpu->slots[i], vector) &&
            (best == CG_NONE || g->worth[i] > g->worth[best]))
            best = i;
    return best;
}

/* The pin whose slot is worth least. */
static cg_pin *worst_pin(const cg *c, cg_map *m, bool vector)
{
    const struct cg_region *g = c->region;
    cg_pin *worst = NULL;

    for (uint32_t i = 0; i < m->n_pins; i++)
        if ((m->pins[i].reg >= XMM0) == vector &&
            (!worst || g->worth[m->pins[i].slot] < g->worth[worst->slot]))
            worst = &m->pins[i];
    return worst;
}

/* Give registers without slots first (extra), then those whose slots are worth less. */
static bool assign(cg *c, cg_map *m, bool vector, uint32_t extra, uint32_t cost)
{
    const struct cg_region *g = c->region;
    bool changed = false;
    uint32_t slot;
    cg_pin *pin;

    while ((slot = best_without(c, m, vector)) != CG_NONE && g->worth[slot] >= cost) {
        if (extra && m->n_pins < MOST_PINS) {
            pin = &m->pins[m->n_pins++];
            pin->reg = (int8_t)(31 - __builtin_clz(extra));
            extra &= ~CG_SET(pin->reg);
            c->free_set &= ~CG_SET(pin->reg);
        } else {
            pin = worst_pin(c, m, vector);
            if (!pin || g->worth[pin->slot] + cost >= g->worth[slot])
                return changed;
            m->pin_of_slot[pin->slot] = CG_NO_REG;
        }
        pin->slot = (uint16_t)slot;
        m->pin_of_slot[slot] = pin->reg;
        changed = true;
    }
    return changed;
}

static void note_moves(const cg *c, cg_map *m)
{
    m->n_moves = 0;
    for (uint32_t i = 0; i < m->n_pins; i++) {
        uint32_t slot = m->pins[i].slot, out = CG_NONE;

        if (c->self->pin_of_slot[slot] == m->pins[i].reg)
            continue;
        for (uint32_t k = 0; k < c->self->n_pins; k++)
            if (c->self->pins[k].reg == m->pins[i].reg)
                out = c->self->pins[k].slot;
        m->moves[m->n_moves++] =
            (cg_move){ .reg = m->pins[i].reg, .slot = (uint16_t)slot, .out = out };
    }
}

/* One of the general registers that are free by the convention; rules need the others. */
static uint32_t extra_general(const cg *c)
{
    uint32_t set = c->self->free_set & CG_GENERAL_SET & ~(CG_SET(RAX) | CG_SET(RCX) | CG_SET(RDX));

    return __builtin_popcount(set) > 1 ? set & -set : 0;
}

static void choose_for_region(cg *c)
{
    struct cg_region *g = c->region;
    cg_map *m = &g->maps[0];

    memcpy(m->pins, c->self->pins, c->self->n_pins * sizeof(cg_pin));
    m->n_pins = c->self->n_pins;
    m->pin_of_slot = g->tables;
    memcpy(m->pin_of_slot, c->self->pin_of_slot, c->self->n_slots);
    count_worth(c, &(cg_loop){ 0, c->n_order - 1 });
    assign(c, m, false, c->more_pins ? extra_general(c) : 0, COST);
    assign(c, m, true, 0, COST);
    note_moves(c, m);
    g->n_maps = 1;
}

/* After the loops around it. */
static void choose_for_loop(cg *c, const cg_loop *l)
{
    struct cg_region *g = c->region;
    uint32_t n = c->self->n_slots, cost = LOOP_COST << (g->depth[l->first] - 1) * DEPTH_LOG2;
    cg_map *m = &g->maps[g->n_maps];
    bool changed;

    if (g->n_maps == MOST_MAPS)
        return;
    *m = g->maps[g->map_of[c->order[l->first]]];
    m->pin_of_slot = memcpy(g->tables + g->n_maps * n, m->pin_of_slot, n);
    count_worth(c, l);
    changed = assign(c, m, false, 0, cost);
    changed |= assign(c, m, true, 0, cost);
    if (!changed)
        return;
    note_moves(c, m);
    for (uint32_t i = l->first; i <= l->last; i++)
        g->map_of[c->order[i]] = (uint8_t)g->n_maps;
    g->n_maps++;
}

static bool make_region(cg *c)
{
    struct cg_region *g = c->region = calloc(1, sizeof(*g));
    uint32_t n = c->self->n_slots;

    if (!g)
        return false;
    g->map_of = calloc(c->u->n_blocks, 1);
    g->depth = calloc(c->n_order, 1);
    g->worth = calloc(n, sizeof(*g->worth));
    g->homeless = calloc(n, sizeof(*g->homeless));
    g->tables = malloc(MOST_MAPS * n);
    return g->map_of && g->depth && g->worth && g->homeless && g->tables;
}

bool cg_choose_pins(cg *c)
{
    cg_loop loops[MOST_MAPS];
    uint32_t n;

    c->pins = c->self->pins;
    c->n_pins = c->self->n_pins;
    c->pin_of_slot = c->self->pin_of_slot;
    c->free_set = c->self->free_set;
    c->lazy_slot = CG_NONE;
    if (!(c->job->flags & PB_CODE_REGION) || !cg_does(c, CG_PASS_REGISTERS))
        return true;
    if (!make_region(c))
        return false;
    for (uint32_t i = 0; i < c->self->n_pins; i++)
        c->region->homeless[c->self->pins[i].slot] = true;
    n = find_loops(c, loops);
    choose_for_region(c);
    for (uint32_t i = 0; i < n && cg_does(c, CG_PASS_LOOPS); i++)
        choose_for_loop(c, &loops[i]);
    use_map(c, 0);
    cg_find_flags(c);
    return true;
}

void cg_free_pins(cg *c)
{
    if (!c->region)
        return;
    free(c->region->map_of);
    free(c->region->depth);
    free(c->region->worth);
    free(c->region->homeless);
    free(c->region->tables);
    free(c->region);
}
