/*
 * Units of IR to steps.
 *
 * Every value gets its cells, every operation one step. A branch with values copies them into the cells of
 * the block's parameters, in two rounds through other cells, because a value may be a parameter itself.
 */
#include "interp.h"

#include <stdlib.h>

/* Cells are named by 16 bits. */
enum { MAX_CELLS = 65536, MAX_STEPS = 1 << 20 };

/* Room for `wanted` elements of `each` bytes; contents are kept. */
static bool make_room(workspace *w, void **array, uint32_t *cap, uint32_t wanted, size_t each)
{
    uint32_t n = *cap ? *cap : 64;
    void *grown;

    if (wanted <= *cap)
        return true;
    while (n < wanted)
        n *= 2;
    grown = realloc(*array, n * each);
    if (!grown) {
        w->failed = true;
        return false;
    }
    *array = grown;
    *cap = n;
    return true;
}

static uint16_t new_cell(workspace *w, uint32_t type)
{
    uint32_t n = two_cells(type) ? 2 : 1, at = w->n_cells;

    if (at + n > MAX_CELLS ||
        !make_room(w, (void **)&w->cells, &w->cap_cells, at + n, sizeof(*w->cells))) {
        w->failed = true;
        return 0;
    }
    memset(&w->cells[at], 0, n * sizeof(*w->cells));
    w->n_cells += n;
    return (uint16_t)at;
}

/* A new step; a place to write to without harm if there is no memory. */
static step *new_step(workspace *w, const void *go)
{
    static _Thread_local step waste;

    if (w->n_steps == MAX_STEPS ||
        !make_room(w, (void **)&w->steps, &w->cap_steps, w->n_steps + 1, sizeof(step))) {
        w->failed = true;
        return &waste;
    }
    w->steps[w->n_steps] = (step){ .go = go };
    return &w->steps[w->n_steps++];
}

static uint16_t cell_of(const workspace *w, uint32_t id)
{
    return id & IR_CONST_BIT ? w->const_cell[id & ~IR_CONST_BIT] : w->value_cell[id];
}

static uint32_t type_of(const ir_unit *u, uint32_t id)
{
    return ir_value_type(u, (ir_val){ id });
}

/* Operands' ids: in the record, or of long calls in the unit's extra words. */
static const uint32_t *operands(const ir_unit *u, const ir_op_record *r)
{
    return r->n_args > 4 ? &u->extra[r->arg[0]] : r->arg;
}

/* ---- values ------------------------------------------------------------------------------------------ */

static void place_constants(workspace *w, const ir_unit *u)
{
    for (uint32_t i = 0; i < u->n_consts; i++) {
        uint16_t cell = new_cell(w, u->consts[i].type);

        w->const_cell[i] = cell;
        if (w->failed)
            return;
        w->cells[cell] = u->consts[i].value.lo;
        if (two_cells(u->consts[i].type))
            w->cells[cell + 1] = u->consts[i].value.hi;
    }
}

static bool has_result(const ir_op_record *r)
{
    switch (r->op) {
    case IR_OP_PUT:
    case IR_OP_PUT_IDX:
    case IR_OP_INSN:
    case IR_OP_ST:
    case IR_OP_CLREX:
    case IR_OP_FENCE:
    case IR_OP_BR:
    case IR_OP_BR_IF:
    case IR_OP_BR_CC:
    case IR_OP_JUMP:
    case IR_OP_JUMP_IND:
    case IR_OP_EXIT:
        return false;
    default:
        return r->type != IR_VOID;
    }
}

static void place_values(workspace *w, const ir_unit *u)
{
    for (uint32_t i = 0; i < u->n_ops && !w->failed; i++) {
        if (!has_result(&u->ops[i]))
            continue;
        w->value_cell[i << 1] = new_cell(w, u->ops[i].type);
        if (ir_second_type(u->ops[i].op) != IR_VOID)
            w->value_cell[i << 1 | 1] = new_cell(w, ir_second_type(u->ops[i].op));
    }
}

/* ---- branches ------------------------------------------------------------------------------------------ */

typedef struct target {
    uint32_t block, n;
    const uint32_t *values;
} target;

static target take_target(const ir_unit *u, uint32_t *at)
{
    target t = { u->extra[*at], u->extra[*at + 1], &u->extra[*at + 2] };

    *at += 2 + t.n;
    return t;
}

static void emit_move(workspace *w, const label_set *l, uint32_t type, uint16_t to, uint16_t from)
{
    step *s = new_step(w, two_cells(type) ? l->move_16 : l->move);

    s->a = from;
    s->d = to;
}

/* Copy the values of a branch and go to the block. Steps of blocks are known only at the end: until then imm
 * is the block. */
static void emit_edge(workspace *w, const label_set *l, const ir_unit *u, const target *t)
{
    uint32_t param = u->blocks[t->block].first, between = w->n_cells;

    for (uint32_t i = 0; i < t->n && t->n > 1; i++) {
        uint32_t type = type_of(u, t->values[i]);

        emit_move(w, l, type, new_cell(w, type), cell_of(w, t->values[i]));
    }
    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t type = type_of(u, t->values[i]);
        uint16_t from = t->n > 1 ? (uint16_t)between : cell_of(w, t->values[i]);

        emit_move(w, l, type, cell_of(w, (param + i) << 1), from);
        between += two_cells(type) ? 2 : 1;
    }
    new_step(w, l->go_to)->imm = t->block;
}

/* A branch whose targets have no values, or edges behind it that copy them. imm: block or step of the first
 * and, in the upper half, of the second; attr bit 4 and 5: it is a step already. */
enum { FIRST_IS_STEP = 16, SECOND_IS_STEP = 32 };

static void emit_branch(workspace *w, const label_set *l, const ir_unit *u, const ir_op_record *r)
{
    uint32_t at = r->aux, index = w->n_steps;
    target first = take_target(u, &at), second = take_target(u, &at);
    uint64_t to[2] = { first.block, second.block };
    uint32_t marks = 0;
    step *s = new_step(w, r->op == IR_OP_BR_IF ? l->branch_if : l->branch_cc);

    s->a = cell_of(w, r->arg[0]);
    if (first.n) {
        to[0] = w->n_steps;
        marks |= FIRST_IS_STEP;
        emit_edge(w, l, u, &first);
    }
    if (second.n) {
        to[1] = w->n_steps;
        marks |= SECOND_IS_STEP;
        emit_edge(w, l, u, &second);
    }
    if (w->failed)
        return;
    w->steps[index].attr = r->attr | marks;
    w->steps[index].imm = to[0] | to[1] << 32;
}

static void resolve_branches(workspace *w, const label_set *l)
{
    for (uint32_t i = 0; i < w->n_steps; i++) {
        step *s = &w->steps[i];

        if (s->go == l->go_to) {
            s->imm = w->block_step[s->imm];
        } else if (s->go == l->branch_if || s->go == l->branch_cc) {
            uint64_t first = (uint32_t)s->imm, second = s->imm >> 32;

            if (!(s->attr & FIRST_IS_STEP))
                first = w->block_step[first];
            if (!(s->attr & SECOND_IS_STEP))
                second = w->block_step[second];
            s->imm = first | second << 32;
            s->attr &= 15;
        }
    }
}

/* ---- operations ----------------------------------------------------------------------------------------- */

static const void *by_size(const void *one, const void *two, const void *four, const void *eight,
                           const void *sixteen, uint32_t bytes)
{
    switch (bytes) {
    case 1:
        return one;
    case 2:
        return two;
    case 4:
        return four;
    case 8:
        return eight;
    default:
        return sixteen;
    }
}

static void emit_slot(workspace *w, const label_set *l, const ir_unit *u, const ir_op_record *r,
                      uint32_t result)
{
    const pb_slot *slot = &u->cpu->slots[r->attr & 0xffff];
    uint32_t bytes = pb_slot_bytes(slot->type);
    step *s;

    if (r->op == IR_OP_GET) {
        s = new_step(w, by_size(l->get_1, l->get_2, l->get_4, l->get_8, l->get_16, bytes));
        s->d = cell_of(w, result);
    } else {
        s = new_step(w, slot->type == IR_FL
                            ? l->put_flags
                            : by_size(l->put_1, l->put_2, l->put_4, l->put_8, l->put_16, bytes));
        s->a = cell_of(w, r->arg[0]);
        s->attr = pb_slot_flags(slot);
    }
    s->imm = slot->offset;
}

/* Run-time-indexed slots: attr is the first slot and the number of slots, as in the record. */
static void emit_indexed_slot(workspace *w, const label_set *l, const ir_op_record *r,
                              uint32_t result)
{
    step *s = new_step(w, r->op == IR_OP_GET_IDX ? l->get_idx : l->put_idx);

    s->attr = r->attr;
    s->a = cell_of(w, r->arg[0]);
    if (r->op == IR_OP_GET_IDX)
        s->d = cell_of(w, result);
    else
        s->b = cell_of(w, r->arg[1]);
}

/* imm: the mask of the result's bits; of rmw the operation. */
static void emit_memory(workspace *w, const label_set *l, const ir_unit *u, const ir_op_record *r,
                        uint32_t result)
{
    const void *go = NULL;
    step *s;

    switch (r->op) {
    case IR_OP_LD:
        go = two_cells(r->type) ? l->load_16 : l->load;
        break;
    case IR_OP_ST:
        go = l->store;
        break;
    case IR_OP_RMW:
        go = l->rmw;
        break;
    case IR_OP_CAS:
        go = l->cas;
        break;
    case IR_OP_LDX:
        go = l->ldx;
        break;
    default:
        go = l->stx;
    }
    s = new_step(w, go);
    s->attr = r->attr;
    s->a = cell_of(w, r->arg[0]);
    if (r->n_args > 1)
        s->b = cell_of(w, r->arg[1]);
    if (r->n_args > 2)
        s->c = cell_of(w, r->arg[2]);
    if (r->op != IR_OP_ST)
        s->d = cell_of(w, result);
    s->imm = ir_sem_mask(ir_type_bits[r->type]);
    s->e = two_cells(r->n_args > 1 ? type_of(u, r->arg[1]) : r->type);
    if (r->op == IR_OP_RMW)
        s->c = (uint16_t)r->aux;
}

/* imm: index of the call record; attr: the result's type. */
static void emit_call(workspace *w, const label_set *l, const ir_unit *u, const ir_op_record *r,
                      uint32_t result)
{
    const pb_helper *h = &u->cpu->translator->helpers[r->attr];
    const uint32_t *args = operands(u, r);
    step *s = new_step(w, h->flags & PB_HELPER_VECTOR ? l->call_vector : l->call_scalar);

    s->imm = w->n_calls;
    s->attr = r->type;
    if (r->type != IR_VOID)
        s->d = cell_of(w, result);
    if (!make_room(w, (void **)&w->calls, &w->cap_calls, w->n_calls + 1, sizeof(call_record)))
        return;
    w->calls[w->n_calls] = (call_record){ .helper = h };
    for (uint32_t i = 0; i < r->n_args; i++)
        w->calls[w->n_calls].args[i] = cell_of(w, args[i]);
    w->n_calls++;
}

static void emit_leave(workspace *w, const label_set *l, const ir_op_record *r)
{
    step *s = new_step(w, r->op == IR_OP_EXIT       ? l->leave
                          : r->op == IR_OP_JUMP_IND ? l->jump_ind
                                                    : l->jump);

    s->a = cell_of(w, r->arg[0]);
    s->attr = r->attr;
}

static void emit_insn(workspace *w, const label_set *l, const ir_unit *u, const ir_op_record *r)
{
    step *s = new_step(w, u->pc_type == IR_I32 ? l->insn_32 : l->insn_64);

    s->imm = u->marks[r->guest].pc;
    s->attr = u->marks[r->guest].aux;
}

/* An operation with a meaning: a label, or a function whose address is imm. */
static void emit_variant(workspace *w, const label_set *l, const ir_unit *u, const ir_op_record *r,
                         uint32_t result)
{
    uint8_t types[5] = { r->type };
    step_function *function;
    uint32_t label;
    step *s;

    for (uint32_t i = 0; i < r->n_args; i++)
        types[i + 1] = (uint8_t)type_of(u, r->arg[i]);
    if (!find_variant(r->op, types, &label, &function)) {
        w->failed = true;
        return;
    }
    s = new_step(w, function ? l->call_function : l->variants[label]);
    s->imm = (uintptr_t)function;
    s->attr = r->attr;
    s->a = r->n_args > 0 ? cell_of(w, r->arg[0]) : 0;
    s->b = r->n_args > 1 ? cell_of(w, r->arg[1]) : 0;
    s->c = r->n_args > 2 ? cell_of(w, r->arg[2]) : 0;
    s->e = r->n_args > 3 ? cell_of(w, r->arg[3]) : 0;
    s->d = cell_of(w, result);
    if (ir_second_type(r->op) != IR_VOID)
        s->e = cell_of(w, result | 1);
}

static void emit_record(workspace *w, const label_set *l, const ir_unit *u, uint32_t record)
{
    const ir_op_record *r = &u->ops[record];
    uint32_t at;
    target t;

    switch (r->op) {
    case IR_OP_PARAM:
        break;
    case IR_OP_GET:
    case IR_OP_PUT:
        emit_slot(w, l, u, r, record << 1);
        break;
    case IR_OP_GET_IDX:
    case IR_OP_PUT_IDX:
        emit_indexed_slot(w, l, r, record << 1);
        break;
    case IR_OP_INSN:
        emit_insn(w, l, u, r);
        break;
    case IR_OP_LD:
    case IR_OP_ST:
    case IR_OP_RMW:
    case IR_OP_CAS:
    case IR_OP_LDX:
    case IR_OP_STX:
        emit_memory(w, l, u, r, record << 1);
        break;
    case IR_OP_CLREX:
        new_step(w, l->clrex);
        break;
    case IR_OP_FENCE:
        new_step(w, l->fence);
        break;
    case IR_OP_BR:
        at = r->aux;
        t = take_target(u, &at);
        emit_edge(w, l, u, &t);
        break;
    case IR_OP_BR_IF:
    case IR_OP_BR_CC:
        emit_branch(w, l, u, r);
        break;
    case IR_OP_JUMP:
    case IR_OP_JUMP_IND:
    case IR_OP_EXIT:
        emit_leave(w, l, r);
        break;
    case IR_OP_CALL:
        emit_call(w, l, u, r, record << 1);
        break;
    default:
        emit_variant(w, l, u, r, record << 1);
    }
}

/* ---- units -------------------------------------------------------------------------------------------- */

static bool prepare(workspace *w, const ir_unit *u)
{
    w->n_steps = w->n_cells = w->n_calls = 0;
    w->failed = false;
    return make_room(w, (void **)&w->value_cell, &w->cap_values, 2 * u->n_ops,
                     sizeof(*w->value_cell)) &&
           make_room(w, (void **)&w->const_cell, &w->cap_consts, u->n_consts,
                     sizeof(*w->const_cell)) &&
           make_room(w, (void **)&w->block_step, &w->cap_blocks, u->n_blocks,
                     sizeof(*w->block_step));
}

/* One block of memory: the unit, its steps, cells and calls. */
static iunit *finish(const workspace *w, const ir_unit *u)
{
    size_t steps = w->n_steps * sizeof(step), cells = w->n_cells * sizeof(uint64_t);
    size_t calls = w->n_calls * sizeof(call_record);
    size_t bytes = sizeof(iunit) + steps + cells + calls;
    iunit *out = malloc(bytes);

    if (!out)
        return NULL;
    *out = (iunit){ .pc = u->pc, .key = u->key, .n_pages = u->n_pages, .bytes = (uint32_t)bytes };
    for (uint32_t i = 0; i < u->n_pages; i++) {
        out->generation[i] = u->pages[i].generation;
        out->stamp[i] = u->pages[i].stamp;
    }
    out->cells = (uint64_t *)(void *)((char *)out->steps + steps);
    out->calls = (call_record *)(void *)((char *)out->cells + cells);
    memcpy(out->steps, w->steps, steps);
    memcpy(out->cells, w->cells, cells);
    if (calls)
        memcpy(out->calls, w->calls, calls);
    return out;
}

/* Blocks in the order of their records; the first one must come first. */
iunit *compile(interp_vcpu *x, const ir_unit *u)
{
    const label_set *l = exec_labels();
    workspace *w = &x->work;

    if (!prepare(w, u))
        return NULL;
    place_constants(w, u);
    if (!w->failed)
        place_values(w, u);
    for (uint32_t i = 0; i < u->n_blocks && !w->failed; i++) {
        w->block_step[i] = w->n_steps;
        for (uint32_t r = u->blocks[i].first; r < u->blocks[i].end && !w->failed; r++)
            emit_record(w, l, u, r);
    }
    if (w->failed)
        return NULL;
    resolve_branches(w, l);
    return finish(w, u);
}

void workspace_free(workspace *w)
{
    free(w->steps);
    free(w->cells);
    free(w->calls);
    free(w->value_cell);
    free(w->const_cell);
    free(w->block_step);
}
