/*
 * What is found out about a unit before code is emitted: order of blocks, uses of values, which flags are read, and
 * which results can be computed in the register of the slot that they are put into.
 */
#include "emit.h"
#include "note.h"

/* Through blocks that are nothing but a branch. */
static uint32_t end_of_branches(const ir_unit *u, uint32_t block)
{
    for (uint32_t i = 0; i < 8; i++) {
        const ir_op_record *r = &u->ops[u->blocks[block].first];

        if (r->op != IR_OP_BR || u->extra[r->aux + 1])
            break;
        block = u->extra[r->aux];
    }
    return block;
}

/* Reading them is worth less than the call. */
static bool has_targets(const ir_op_record *r)
{
    return r->op == IR_OP_BR || r->op == IR_OP_BR_IF || r->op == IR_OP_BR_CC;
}

uint32_t cg_targets(const ir_unit *u, const ir_op_record *r, cg_target targets[2])
{
    uint32_t n = r->op == IR_OP_BR ? 1 : r->op == IR_OP_BR_IF || r->op == IR_OP_BR_CC ? 2 : 0;
    uint32_t at = r->aux;

    for (uint32_t i = 0; i < n; i++) {
        targets[i] =
            (cg_target){ u->extra[at + 1] ? u->extra[at] : end_of_branches(u, u->extra[at]),
                         u->extra[at + 1], &u->extra[at + 2] };
        at += 2 + targets[i].n;
    }
    return n;
}

static const ir_op_record *terminator(const cg *c, uint32_t block)
{
    return &c->u->ops[c->u->blocks[block].end - 1];
}

/* ---- blocks ----------------------------------------------------------------------------------------------- */

/* Blocks that can be reached count. Where each leads to is found out once. */
static void count_preds(cg *c)
{
    uint32_t n_found = 1;

    c->order[0] = 0;
    c->blocks[0].place = 0;
    for (uint32_t i = 0; i < n_found; i++) {
        cg_block *b = &c->blocks[c->order[i]];
        cg_target t[2];

        b->n_targets = cg_targets(c->u, terminator(c, c->order[i]), t);
        for (uint32_t k = 0; k < b->n_targets; k++) {
            cg_block *to = &c->blocks[t[k].block];

            b->target[k] = t[k].block;
            to->n_preds++;
            to->is_behind = b->n_targets == 1;
            if (to->place == CG_NONE) {
                to->place = 0;
                c->order[n_found++] = t[k].block;
            }
        }
    }
    for (uint32_t b = 0; b < c->u->n_blocks; b++) {
        const ir_block_info *info = &c->u->blocks[b];

        c->blocks[b].is_exit = c->blocks[b].n_preds == 1 && !c->blocks[b].is_behind &&
                               info->end - info->first == 1 &&
                               c->u->ops[info->first].op == IR_OP_JUMP;
    }
}

/* How many branches lead from a block to another one at least; UINT32_MAX: none do. */
static uint32_t distance_to(const cg *c, uint32_t from, uint32_t to)
{
    uint32_t *queue = c->room->stack, n = 1, steps = 0;
    uint8_t *visited = c->room->visited;

    memset(visited, 0, c->u->n_blocks);
    queue[0] = from;
    visited[from] = 1;
    for (uint32_t i = 0, end = 1; i < n; i++) {
        const cg_block *b = &c->blocks[queue[i]];

        if (queue[i] == to)
            return steps;
        for (uint32_t k = 0; k < b->n_targets; k++) {
            if (!visited[b->target[k]])
                queue[n++] = b->target[k];
            visited[b->target[k]] = 1;
        }
        if (i + 1 == end) {
            steps++;
            end = n;
        }
    }
    return UINT32_MAX;
}

/* Ways out of a loop stand behind the loop: they are the longer way back to the branch. */
static void find_ways_out(cg *c)
{
    for (uint32_t b = 0; b < c->u->n_blocks; b++) {
        const uint32_t *to = c->blocks[b].target;

        if (c->blocks[b].place != CG_NONE && c->blocks[b].n_targets == 2)
            c->blocks[b].swapped = distance_to(c, to[1], b) > distance_to(c, to[0], b);
    }
}

/* Reverse postorder, exits first among successors, so that what goes on stands behind its branch. */
static void order_blocks(cg *c)
{
    uint32_t n = c->u->n_blocks, depth = 1, at = n;
    uint32_t *stack = c->room->stack;
    uint8_t *visited = c->room->visited; /* successors that were looked at, + 1 */

    memset(visited, 0, n);
    stack[0] = 0;
    visited[0] = 1;
    while (depth) {
        uint32_t b = stack[depth - 1], n_targets = c->blocks[b].n_targets, next;
        const uint32_t *to = c->blocks[b].target;

        if (visited[b] > n_targets) {
            c->order[--at] = b;
            depth--;
            continue;
        }
        next = visited[b]++ - 1u;
        if (n_targets == 2 &&
            (c->blocks[b].swapped || (c->blocks[to[1]].is_exit && !c->blocks[to[0]].is_exit)))
            next ^= 1;
        if (!visited[to[next]]) {
            visited[to[next]] = 1;
            stack[depth++] = to[next];
        }
    }
    c->n_order = n - at;
    memmove(c->order, c->order + at, c->n_order * sizeof(*c->order));
    for (uint32_t i = 0; i < c->n_order; i++)
        c->blocks[c->order[i]].place = i;
}

static bool is_head(const cg *c, uint32_t block)
{
    return c->u->blocks[block].flags & IR_BLOCK_HEAD;
}

/* Loops, and the instructions that are left from each block on, up to where the budget is looked at again. A loop with a
 * mark in it, and nothing that looks, is not counted right: it is refused, translators make none. */
static bool find_lengths(cg *c)
{
    for (uint32_t i = c->n_order; i-- > 0;) {
        cg_block *b = &c->blocks[c->order[i]];
        uint32_t left = 0;

        for (uint32_t k = 0; k < b->n_targets; k++) {
            cg_block *to = &c->blocks[b->target[k]];

            if (to->place <= i) {
                to->in_loop = true;
                c->has_loops = true;
                for (uint32_t p = to->place;
                     p <= i && c->self->counted && !is_head(c, b->target[k]); p++)
                    if (c->blocks[c->order[p]].marks && p != to->place)
                        return false;
            } else if (to->left > left && !(c->self->counted && is_head(c, b->target[k]))) {
                left = to->left;
            }
        }
        b->left = left + b->marks;
    }
    for (uint32_t b = 0; b < c->u->n_blocks; b++)
        c->blocks[b].checked = is_head(c, b) && (c->self->counted || c->blocks[b].in_loop);
    return true;
}

/* ---- values ----------------------------------------------------------------------------------------------- */

static const uint32_t *operands(const ir_unit *u, const ir_op_record *r)
{
    return r->n_args > 4 ? &u->extra[r->arg[0]] : r->arg;
}

/* Flags of a bundle that a record's operand `arg` is read for. */
static uint32_t flags_read(const cg *c, const ir_op_record *r)
{
    static const uint16_t of_condition[8] = {
        1 << IR_FLAG_Z,
        1 << IR_FLAG_C,
        1 << IR_FLAG_N,
        1 << IR_FLAG_V,
        1 << IR_FLAG_C | 1 << IR_FLAG_Z,
        1 << IR_FLAG_N | 1 << IR_FLAG_V,
        1 << IR_FLAG_Z | 1 << IR_FLAG_N | 1 << IR_FLAG_V,
        1 << IR_FLAG_P,
    };

    if (!cg_does(c, CG_PASS_FLAGS))
        return r->op == IR_OP_PUT ? pb_slot_flags(&c->self->cpu->slots[r->attr & 0xffff])
                                  : IR_FL_ALL;
    switch (r->op) {
    case IR_OP_BR_CC:
    case IR_OP_SET_CC:
        return of_condition[(r->attr & 15) >> 1];
    case IR_OP_SEL_CC: /* what is chosen may be bundles too */
        return r->type == IR_FL ? IR_FL_ALL : of_condition[(r->attr & 15) >> 1];
    case IR_OP_FLBIT:
        return 1u << (r->attr & 15);
    case IR_OP_PUT:
        return pb_slot_flags(&c->self->cpu->slots[r->attr & 0xffff]);
    case IR_OP_FLPACK_NZCV:
        return 1 << IR_FLAG_N | 1 << IR_FLAG_Z | 1 << IR_FLAG_C | 1 << IR_FLAG_V;
    default:
        return IR_FL_ALL;
    }
}

/* What is asked of an operation beside its cg_op_kind, which is in the low byte. Marks, gets and puts are most of all
 * records, and are told from the others by their operation. */
enum {
    TRAIT_PURE = CG_OP_PURE,
    TRAIT_BUNDLE = CG_OP_BUNDLE,
    TRAIT_PRECISE = 0x100, /* somebody may look at the state */
    TRAIT_END = 0x200,     /* of a block */
    TRAIT_PATTERN = 0x400, /* may become one instruction with another one */
};

static const uint16_t traits[IR_OP_COUNT] = {
    [IR_OP_GET] = TRAIT_PURE,
    [IR_OP_LD] = TRAIT_PRECISE | TRAIT_PATTERN,
    [IR_OP_ST] = TRAIT_PRECISE | TRAIT_PATTERN,
    [IR_OP_RMW] = TRAIT_PRECISE,
    [IR_OP_CAS] = TRAIT_PRECISE,
    [IR_OP_LDX] = TRAIT_PRECISE,
    [IR_OP_STX] = TRAIT_PRECISE,
    [IR_OP_GET_IDX] = TRAIT_PRECISE,
    [IR_OP_PUT_IDX] = TRAIT_PRECISE,
    [IR_OP_CALL] = TRAIT_PRECISE, /* but for pure helpers */
    [IR_OP_BR] = TRAIT_END,
    [IR_OP_BR_IF] = TRAIT_END,
    [IR_OP_BR_CC] = TRAIT_END,
    [IR_OP_JUMP] = TRAIT_END,
    [IR_OP_JUMP_IND] = TRAIT_END,
    [IR_OP_EXIT] = TRAIT_END,
    [IR_OP_EQ] = TRAIT_PATTERN,
    [IR_OP_NE] = TRAIT_PATTERN,
    [IR_OP_ADD] = TRAIT_PATTERN,
    [IR_OP_V_DUP] = TRAIT_PATTERN,
    [IR_OP_V_FROM] = TRAIT_PATTERN,
    [IR_OP_V_SETLANE] = TRAIT_PATTERN,
    [IR_OP_CLZ] = TRAIT_PATTERN,
    [IR_OP_V_AESMC] = TRAIT_PATTERN,
    [IR_OP_V_AESIMC] = TRAIT_PATTERN,
};

static uint32_t traits_of(const ir_op_record *r)
{
    return traits[r->op] | cg_op_kinds[r->op];
}

static bool has_no_effect(const ir_op_record *r)
{
    return traits_of(r) & TRAIT_PURE;
}

bool cg_is_precise(const cg *c, const ir_op_record *r)
{
    return traits[r->op] & TRAIT_PRECISE &&
           !(r->op == IR_OP_CALL &&
             c->self->cpu->translator->helpers[r->attr].flags & PB_HELPER_PURE);
}

/* How it is used is there already: what uses it stands behind what makes it. */
static void make_value(cg_value *v, uint32_t id, uint32_t type, uint32_t flags)
{
    static const cg_value fresh = {
        .reg = CG_NO_REG, .spill = -1, .home = -1, .want = -1, .fl_valid = IR_FL_ALL
    };

    memcpy((char *)v + CG_VALUE_CLEARED, (const char *)&fresh + CG_VALUE_CLEARED,
           sizeof(*v) - CG_VALUE_CLEARED);
    v->rep = id;
    v->type = (uint8_t)type;
    v->flags = (uint8_t)flags;
}

/* From the last one to the first one. */
static void count_use(cg_value *v, uint32_t record)
{
    if (!v->uses++)
        v->last = record;
}

/* A branch's. */
static void count_uses_of_targets(cg *c, uint32_t record)
{
    const ir_op_record *r = &c->u->ops[record];
    const uint32_t *extra = &c->u->extra[r->aux];

    for (uint32_t k = r->op == IR_OP_BR ? 1 : 2; k > 0; k--) {
        uint32_t n = extra[1];

        for (uint32_t j = 0; j < n; j++) {
            cg_value *v = &c->values[cg_index(c, extra[2 + j])];

            count_use(v, record);
            v->fl_need = IR_FL_ALL;
        }
        c->crosses |= n > 0;
        extra += 2 + n;
    }
}

/* What the operands are asked for that are bundles. */
static __attribute__((noinline)) void note_flags_read(cg *c, const ir_op_record *r)
{
    const uint32_t *args = operands(c->u, r);
    uint16_t flags = (uint16_t)flags_read(c, r);

    for (uint32_t k = 0; k < r->n_args; k++)
        if (ir_value_type(c->u, (ir_val){ args[k] }) == IR_FL)
            c->values[cg_index(c, args[k])].fl_need |= flags;
}

static bool is_made_by(const cg *c, uint32_t id, uint32_t op)
{
    return !(id & IR_CONST_BIT) && c->u->ops[id >> 1].op == op;
}

/* Whether it is worth a second look, when uses are counted. */
static bool may_be_pattern(const cg *c, const ir_op_record *r)
{
    switch (r->op) {
    case IR_OP_LD:
    case IR_OP_ST:
        return PB_MEM_GET_SPAN(r->attr) || (c->self->direct && is_made_by(c, r->arg[0], IR_OP_ADD));
    case IR_OP_EQ:
    case IR_OP_NE:
        return is_made_by(c, r->arg[0], IR_OP_AND);
    case IR_OP_ADD:
        return is_made_by(c, r->arg[0], IR_OP_SHL) || is_made_by(c, r->arg[1], IR_OP_SHL);
    default:
        return true;
    }
}

static void clear_values(cg *c)
{
    uint32_t first = 2 * c->u->n_ops, n = c->n_values;
    cg_value *values = c->values, *end = values + first;

    memset(c->first_of, 0, c->u->n_ops * sizeof(*c->first_of));
    for (cg_value *v = values; v < end; v += 2) {
        memset(&v[0], 0, CG_VALUE_CLEARED);
        memset(&v[1], 0, CG_VALUE_CLEARED);
    }
    for (uint32_t i = first; i < n; i++) {
        memset(&values[i], 0, CG_VALUE_CLEARED);
        make_value(&values[i], i, c->u->consts[i - first].type, CG_IS_CONST);
    }
}

/* One sweep, from the last record to the first one: what is used is defined above.
 * - Values, and how often each is used. Of marks, puts, and second results that there are none of, only the number of uses and
 *   what is flagged below are set.
 * - Dead are records without effect that nobody needs, and puts into a slot that gets another value before anybody
 *   looks: in one block, with no precise point between. Counted, requests are looked at behind instructions that called (emit.c):
 *   there any mark is such a point. What dead ones read is not used by them.
 * - What is left of what has to do with slots with registers is listed, from c->first_event on, and so is, from c->first_pattern on, what is
 *   worth a second look when uses are counted.
 * (Bytes may alias anything, so what c points to is loaded again behind each store of one: hence names of our own.) */
typedef struct sweep {
    const ir_unit *u;
    cg_value *values;
    uint32_t n;                /* records */
    uint32_t end;              /* of the block */
    uint32_t *over, now;       /* by slot: if it has this number, it is overwritten */
    uint32_t *event, *pattern; /* the first ones of those lists */
    const int8_t *pin_of_slot; /* null: not chosen yet, any slot may get a register */
    bool drops, crosses;
} sweep;

static inline void sweep_use(const sweep *s, uint32_t id, uint32_t record)
{
    cg_value *v =
        &s->values[(id & ~IR_CONST_BIT) + (id & IR_CONST_BIT ? 2 * s->n : 0)]; /* cg_index() */

    count_use(v, record);
}

/* A record that has to do with a slot that has a register. Which ones have is hard to foresee: hence no branch. */
static inline void sweep_event(sweep *s, uint32_t slot, uint32_t record)
{
    s->event[-1] = record;
    s->event -= !s->pin_of_slot || s->pin_of_slot[slot] != CG_NO_REG;
}

static inline void sweep_get(sweep *s, const ir_op_record *r, cg_value *v, uint32_t i)
{
    uint32_t *over = &s->over[r->attr & 0xffff];
    bool last = s->drops && *over == s->now;

    if (s->drops && !v->uses) {
        make_value(v, i << 1, r->type, CG_IS_DEAD);
        return;
    }
    make_value(v, i << 1, r->type, last ? CG_IS_LAST : 0);
    if (v->last > s->end)
        s->crosses = true;
    *over = 0;
    sweep_event(s, r->attr & 0xffff, i);
}

static inline void sweep_put(sweep *s, cg *c, const ir_op_record *r, cg_value *v, uint32_t i)
{
    uint32_t *over = &s->over[r->attr & 0xffff];

    if (s->drops && *over == s->now) {
        v->flags = CG_IS_DEAD;
        return;
    }
    v->flags = 0;
    *over = s->now;
    sweep_event(s, r->attr & 0xffff, i);
    sweep_use(s, r->arg[0], i);
    if (r->type == IR_FL)
        note_flags_read(c, r);
}

/* Who looks at slots, or ends a block. */
static inline void sweep_edge(sweep *s, cg *c, const ir_op_record *r, uint32_t kind, uint32_t i)
{
    if (!(kind & TRAIT_END) && !cg_is_precise(c, r))
        return;
    s->now++;
    *--s->event = i;
    if (!(kind & TRAIT_END))
        return;
    s->end = i;
    if (has_targets(r))
        count_uses_of_targets(c, i);
}

static inline void sweep_operation(sweep *s, cg *c, const ir_op_record *r, cg_value *v, uint32_t i)
{
    const uint32_t kind = traits_of(r), *args = operands(s->u, r);

    make_value(v, i << 1, r->type, 0);
    if (cg_second_of(kind))
        make_value(&v[1], i << 1 | 1, cg_second_of(kind), 0);
    if (kind & TRAIT_PURE && s->drops && !(v[0].uses | v[1].uses)) {
        v->flags = CG_IS_DEAD;
        return;
    }
    if (v[0].last > s->end || v[1].last > s->end)
        s->crosses = true;
    if (kind & (TRAIT_END | TRAIT_PRECISE))
        sweep_edge(s, c, r, kind, i);
    for (uint32_t k = 0, n = r->n_args; k < n; k++)
        sweep_use(s, args[k], i);
    if (kind & TRAIT_BUNDLE || r->type == IR_FL)
        note_flags_read(c, r);
    if (kind & TRAIT_PATTERN && may_be_pattern(c, r))
        *--s->pattern = i;
}

static __attribute__((noinline)) void find_uses(cg *c)
{
    uint32_t n = c->u->n_ops, counted = c->self->counted;
    sweep s = { .u = c->u,
                .values = c->values,
                .n = n,
                .end = n,
                .over = c->room->noted,
                .now = cg_number_notes(c, n + 1) + 1,
                .event = c->room->events + n,
                .pattern = c->room->patterns + n,
                .pin_of_slot = c->job->flags & PB_CODE_REGION ? NULL : c->self->pin_of_slot,
                .drops = cg_does(c, CG_PASS_DEAD) };
    const ir_op_record *r = s.u->ops + n;
    cg_value *v = s.values + 2 * n;

    for (uint32_t i = n; i-- > 0;) {
        r--;
        v -= 2;
        if (r->op == IR_OP_INSN) {
            v->flags = 0;
            s.now += counted;
        } else if (r->op == IR_OP_GET) {
            sweep_get(&s, r, v, i);
        } else if (r->op == IR_OP_PUT) {
            sweep_put(&s, c, r, v, i);
        } else {
            sweep_operation(&s, c, r, v, i);
        }
    }
    c->crosses |= s.crosses;
    c->first_event = (uint32_t)(s.event - c->room->events);
    c->first_pattern = (uint32_t)(s.pattern - c->room->patterns);
}

static void make_dead(cg *c, uint32_t record)
{
    c->values[record << 1].flags |= CG_IS_DEAD;
}

/* Guest instructions that begin in each block: records know which one they belong to. */
static void count_marks(cg *c)
{
    for (uint32_t b = 0; b < c->u->n_blocks; b++) {
        const ir_block_info *info = &c->u->blocks[b];
        const ir_op_record *first = &c->u->ops[info->first], *last;

        if (info->end == 0) /* made, and not built: nobody may lead there */
            continue;
        last = &c->u->ops[info->end - 1];
        c->blocks[b].marks = last->guest - first->guest + (first->op == IR_OP_INSN);
    }
}

/* ---- comparisons of a masked value with zero ----------------------------------------------------------------- */

/* eq, ne of an and with a constant, of which nobody else asks: one instruction. */
static void find_tests(cg *c, uint32_t i)
{
    const ir_op_record *r = &c->u->ops[i];
    uint32_t id = r->arg[0], and;
    uint64_t zero, mask;

    if (!cg_does(c, CG_PASS_TESTS) || (r->op != IR_OP_EQ && r->op != IR_OP_NE) ||
        id & IR_CONST_BIT || !cg_const(c, r->arg[1], &zero) || zero)
        return;
    and = id >> 1;
    if (c->u->ops[and].op != IR_OP_AND || c->u->ops[and].guest != r->guest || and > i ||
        c->values[id].uses != 1 || ir_type_bits[c->values[id].type] < 32 ||
        !cg_const(c, c->u->ops[and].arg[1], &mask) || c->values[i << 1].flags & CG_IS_DEAD)
        return;
    for (uint32_t k = and; k < i; k++)
        if (!has_no_effect(&c->u->ops[k]))
            return;
    c->values[id].flags |= CG_IS_LATE;
}

/* ---- lanes that go to another vector --------------------------------------------------------------------------- */

/* Of a lane that is wanted in a vector only: the operation takes it from there. */
static void find_lanes(cg *c, uint32_t i)
{
    const ir_op_record *r = &c->u->ops[i], *lane;
    uint32_t id, bits;

    if (!cg_does(c, CG_PASS_LANES) ||
        (r->op != IR_OP_V_DUP && r->op != IR_OP_V_FROM && r->op != IR_OP_V_SETLANE) ||
        c->values[i << 1].flags & CG_IS_DEAD)
        return;
    id = r->arg[r->op == IR_OP_V_SETLANE];
    if (id & IR_CONST_BIT || c->values[id].uses != 1)
        return;
    lane = &c->u->ops[id >> 1];
    bits = 8u << (lane->attr & 3);
    if (lane->op != IR_OP_V_LANE || lane->guest != r->guest || id >> 1 > i ||
        (r->op != IR_OP_V_FROM && (r->attr & 3) != (lane->attr & 3)) || cg_is_vector(lane->type) ||
        ir_type_bits[lane->type] != bits)
        return;
    for (uint32_t k = id >> 1; k < i; k++)
        if (!has_no_effect(&c->u->ops[k]))
            return;
    c->values[id].flags |= CG_IS_LATE;
}

/* ---- two operations that are one instruction --------------------------------------------------------------------- */

/* Between them, and behind them up to where the first one's result is lost: nothing that looks at the state. */
static bool is_quiet(const ir_op_record *r)
{
    return has_no_effect(r) || r->op == IR_OP_PUT || r->op == IR_OP_INSN;
}

static bool is_of_slot(const ir_op_record *r, uint32_t op, uint32_t slot)
{
    return r->op == op && (r->attr & 0xffff) == slot;
}

/* The put whose value a get gives, if it is near; CG_NONE. */
static uint32_t put_before(const cg *c, uint32_t get)
{
    uint32_t slot = c->u->ops[get].attr & 0xffff;

    for (uint32_t k = get; k-- > 0 && is_quiet(&c->u->ops[k]);)
        if (is_of_slot(&c->u->ops[k], IR_OP_PUT, slot))
            return k;
    return CG_NONE;
}

/* Whether the slot gets another value before anything looks at it. */
static bool is_overwritten(const cg *c, uint32_t i, uint32_t slot)
{
    while (++i < c->u->n_ops && is_quiet(&c->u->ops[i]) &&
           !is_of_slot(&c->u->ops[i], IR_OP_GET, slot))
        if (is_of_slot(&c->u->ops[i], IR_OP_PUT, slot))
            return true;
    return false;
}

/* Whether the get is the only reader of what the put gives the slot, as far as `end`. */
static bool is_only_get(const cg *c, uint32_t put, uint32_t get, uint32_t end)
{
    for (uint32_t k = put + 1; k < end; k++)
        if (k != get && is_of_slot(&c->u->ops[k], IR_OP_GET, c->u->ops[put].attr & 0xffff))
            return false;
    return true;
}

/* The second one works on the first one's operand. The first one is not made at all if nobody else needs it. */
static void fuse(cg *c, uint32_t first, uint32_t put, uint32_t get, uint32_t second)
{
    uint32_t operand = c->u->ops[first].arg[0];

    c->values[cg_index(c, operand)].uses++;
    c->values[cg_index(c, operand)].last = second;
    c->first_of[second] = first + 1;
    if (c->values[first << 1].uses != 1)
        return;
    if (put != CG_NONE) {
        if (c->values[get << 1].uses != 1 || !is_only_get(c, put, get, second) ||
            !is_overwritten(c, second, c->u->ops[put].attr & 0xffff))
            return;
        make_dead(c, put);
        make_dead(c, get);
    }
    make_dead(c, first);
    c->values[cg_index(c, operand)].uses--;
}

/* The first result comes directly, or by way of a slot. */
static void find_fused(cg *c, uint32_t i)
{
    static const struct {
        uint16_t first, second;
        uint32_t feature;
    } pairs[] = {
        { IR_OP_BITREV, IR_OP_CLZ, CG_BMI1 },
        { IR_OP_V_AESENC, IR_OP_V_AESMC, CG_AES },
        { IR_OP_V_AESDEC, IR_OP_V_AESIMC, CG_AES },
    };
    const ir_op_record *r = &c->u->ops[i];
    uint32_t id = r->arg[0], put = CG_NONE, get = CG_NONE, which = 0;

    while (which < 3 && pairs[which].second != r->op)
        which++;
    if (!cg_does(c, CG_PASS_FUSED) || which == 3 || !(c->features & pairs[which].feature) ||
        id & IR_CONST_BIT || c->values[i << 1].flags & CG_IS_DEAD)
        return;
    if (c->u->ops[id >> 1].op == IR_OP_GET) {
        get = id >> 1;
        put = put_before(c, get);
        if (put == CG_NONE || c->u->ops[put].arg[0] & IR_CONST_BIT)
            return;
        id = c->u->ops[put].arg[0];
    }
    if (c->u->ops[id >> 1].op != pairs[which].first || c->u->ops[id >> 1].type != r->type ||
        ir_type_bits[r->type] < 32)
        return;
    for (uint32_t k = (id >> 1) + 1; k < i; k++)
        if (!is_quiet(&c->u->ops[k]))
            return;
    fuse(c, id >> 1, put, get, i);
}

/* ---- sums with a multiple ------------------------------------------------------------------------------------- */

/* x + (y << 1 to 3), of which nobody else has the product: one instruction. */
static void find_scaled(cg *c, uint32_t i)
{
    const ir_op_record *r = &c->u->ops[i];

    if (!cg_does(c, CG_PASS_SCALED) || r->op != IR_OP_ADD || ir_type_bits[r->type] < 32 ||
        c->values[i << 1].flags & CG_IS_DEAD)
        return;
    for (uint32_t k = 0; k < 2; k++) {
        uint32_t id = r->arg[k], shift = id >> 1, at = shift;
        uint64_t count;

        if (id & IR_CONST_BIT || shift > i || c->u->ops[shift].op != IR_OP_SHL ||
            c->u->ops[shift].guest != r->guest || c->values[id].uses != 1 ||
            !cg_const(c, c->u->ops[shift].arg[1], &count) || count < 1 || count > 3)
            continue;
        while (at < i && has_no_effect(&c->u->ops[at]))
            at++;
        if (at == i) {
            c->values[id].flags |= CG_IS_LATE;
            return;
        }
    }
}

/* ---- results that are put ---------------------------------------------------------------------------------- */

/* What a put stores, through names for the same bits. */
static uint32_t origin(const cg *c, uint32_t id)
{
    while (!(id & IR_CONST_BIT) && c->values[id].uses == 1) {
        const ir_op_record *r = &c->u->ops[id >> 1];
        uint32_t from = r->arg[0];

        if (r->op != IR_OP_ZEXT && r->op != IR_OP_V_FROM && r->op != IR_OP_V_WIDE)
            break;
        /* Of a part of something wider, or from a general register, it is a move. */
        if (from & IR_CONST_BIT || c->u->ops[from >> 1].op == IR_OP_TRUNC ||
            c->u->ops[from >> 1].op == IR_OP_V_LANE || c->u->ops[from >> 1].op == IR_OP_V_HALF ||
            cg_is_vector(r->type) != cg_is_vector(c->values[from].type))
            break;
        id = from;
    }
    return id;
}

/* Operations that may be emitted at the put of their result instead, behind an access that may fault: then they compute
 * in the slot's register (writeback of a base register). */
static bool can_be_late(const cg *c, uint32_t record)
{
    const ir_op_record *r = &c->u->ops[record];

    return (r->op == IR_OP_ADD || r->op == IR_OP_SUB) && c->values[record << 1].uses == 1;
}

/* The slot that a result is put into: it is computed there if nobody looks at the slot between, and nothing that may
 * fault stands there. */
static __attribute__((noinline)) void find_wanted(cg *c)
{
    const ir_op_record *ops = c->u->ops;
    const uint32_t *events = c->room->events;
    cg_value *values = c->values;
    uint32_t n = c->u->n_ops, notes = cg_number_notes(c, n) + 1;
    uint32_t *touched =
        c->room
            ->noted; /* by slot with a register: the last record that has to do with it, plus `notes` */
    uint32_t first = 0, precise = 0; /* of the block; the last precise record in it */

    cg_use_map_at(c, 0);
    for (uint32_t at = c->first_event; at < n; at++) {
        uint32_t i = events[at], id, op = ops[i].op, slot = ops[i].attr & 0xffff;

        if (op != IR_OP_GET && op != IR_OP_PUT) {
            if (traits[op] & TRAIT_END) {
                first = precise = i + 1;
                cg_use_map_at(c, i + 1);
            } else if (!c->first_of[i]) {
                precise = i; /* of a pair both results are there, or none */
            }
            continue;
        }
        if (c->pin_of_slot[slot] == CG_NO_REG || values[i << 1].flags & CG_IS_DEAD)
            continue;
        if (op == IR_OP_PUT && !((id = origin(c, ops[i].arg[0])) & IR_CONST_BIT)) {
            uint32_t def = id >> 1;
            cg_value *v = &values[id];

            if (id == ops[i].arg[0] && def >= first && def < precise && can_be_late(c, def)) {
                v->flags |= CG_IS_LATE;
                v->want = (int16_t)slot;
            } else if (def >= precise && touched[slot] < notes + def && v->want < 0 &&
                       ops[def].op != IR_OP_GET && ops[def].op != IR_OP_PARAM) {
                v->want = (int16_t)slot;
            }
        }
        touched[slot] = notes + i;
    }
}

/* ---- pairs of accesses ------------------------------------------------------------------------------------- */

/* The constant that an address is more than another one; 0: it is not. */
static uint64_t distance(const cg *c, uint32_t from, uint32_t to)
{
    const ir_op_record *r = &c->u->ops[to >> 1];
    uint64_t k;

    if (to & IR_CONST_BIT || r->op != IR_OP_ADD || r->arg[0] != from)
        return 0;
    return cg_const(c, r->arg[1], &k) ? k : 0;
}

/* Whether two accesses of one span may be done with one probe: alike, and next to each other. */
static bool is_pair(const cg *c, const ir_op_record *x, const ir_op_record *y)
{
    uint32_t bytes = PB_MEM_GET_BYTES(x->attr);

    return x->op == y->op && x->attr == y->attr && x->type == y->type && cg_can_pair(c, x) &&
           distance(c, x->arg[0], y->arg[0]) == bytes;
}

static bool reads(const ir_op_record *r, uint32_t record)
{
    for (uint32_t i = 0; i < r->n_args && r->n_args <= 4; i++)
        if (!(r->arg[i] & IR_CONST_BIT) && r->arg[i] >> 1 == record)
            return true;
    return false;
}

/* Both are emitted at the second one. */
static void make_pair(cg *c, uint32_t first, uint32_t second)
{
    uint32_t sum = c->u->ops[second].arg[0];

    c->first_of[second] = first + 1;
    c->values[first << 1].flags |= CG_IS_LATE;
    if (c->values[sum].uses == 1) {
        c->values[sum].flags |= CG_IS_DEAD;
        c->values[sum].uses = 0;
        c->values[cg_index(c, c->u->ops[sum >> 1].arg[0])].uses--;
        c->values[cg_index(c, c->u->ops[sum >> 1].arg[1])].uses--;
    }
}

/* The second one of a pair whose first one is this; otherwise this. */
static uint32_t find_pair(cg *c, uint32_t i)
{
    const ir_unit *u = c->u;
    const ir_op_record *x = &u->ops[i];

    if (!PB_MEM_GET_SPAN(x->attr) || !cg_does(c, CG_PASS_PAIRS))
        return i;
    for (uint32_t k = i + 1; k < u->n_ops; k++) {
        const ir_op_record *y = &u->ops[k];

        if (reads(y, i) || y->guest != x->guest)
            break;
        if (y->op == x->op && is_pair(c, x, y)) {
            make_pair(c, i, k);
            return k;
        }
        if (!has_no_effect(y))
            break;
    }
    return i;
}

/* Direct memory: an address that is a sum with a constant, of which nobody else asks, is part of the access. */
static void find_sum(cg *c, uint32_t i)
{
    const ir_op_record *r = &c->u->ops[i], *sum;
    uint32_t id = r->arg[0];
    uint64_t k;

    if (!c->self->direct || !cg_does(c, CG_PASS_SCALED) || id & IR_CONST_BIT || id & 1 ||
        c->values[i << 1].flags & CG_IS_DEAD)
        return;
    sum = &c->u->ops[id >> 1];
    if (sum->op != IR_OP_ADD || sum->type != IR_I64 || sum->guest != r->guest ||
        c->values[id].uses != 1 || sum->arg[0] & IR_CONST_BIT ||
        c->values[id].flags & (CG_IS_LATE | CG_IS_DEAD) || !cg_const(c, sum->arg[1], &k) ||
        k + (1 << 20) > 2 << 20 || !cg_sums(c, r))
        return;
    for (uint32_t at = id >> 1; at < i; at++)
        if (traits_of(&c->u->ops[at]) & TRAIT_END)
            return;
    c->values[id].flags |= CG_IS_LATE;
}

/* Records that become one instruction with others. */
static void find_patterns(cg *c)
{
    uint32_t paired = 0;

    for (uint32_t at = c->first_pattern; at < c->u->n_ops; at++) {
        uint32_t i = c->room->patterns[at];

        switch (c->u->ops[i].op) {
        case IR_OP_LD:
        case IR_OP_ST:
            if (i > paired || !paired) {
                paired = find_pair(c, i);
                find_sum(c, i);
            }
            break;
        case IR_OP_EQ:
        case IR_OP_NE:
            find_tests(c, i);
            break;
        case IR_OP_ADD:
            find_scaled(c, i);
            break;
        case IR_OP_V_DUP:
        case IR_OP_V_FROM:
        case IR_OP_V_SETLANE:
            find_lanes(c, i);
            break;
        default:
            find_fused(c, i);
            break;
        }
    }
}

bool cg_analyse(cg *c)
{
    for (uint32_t b = 0; b < c->u->n_blocks; b++)
        c->blocks[b] = (cg_block){ .place = CG_NONE, .offset = CG_NONE, .fixups = CG_NONE };
    count_preds(c);
    count_marks(c);
    clear_values(c);
    find_uses(c);
    if (c->noting) {
        cg_note_flags(c);
        cg_note_dead(c);
    }
    find_patterns(c);
    if (c->noting)
        cg_note_patterns(c);
    if (c->job->flags & PB_CODE_REGION && cg_does(c, CG_PASS_LOOPS))
        find_ways_out(c);
    order_blocks(c);
    if (!find_lengths(c) || !cg_choose_pins(c) || !cg_find_narrow(c))
        return false;
    if (c->noting)
        cg_note_registers(c);
    if (cg_does(c, CG_PASS_PLACES))
        find_wanted(c);
    if (c->noting)
        cg_note_places(c);
    return true;
}
