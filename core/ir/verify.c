/*
 * The verifier: see verify.h for what it checks.
 *
 * Passes, each of which relies on the ones before it:
 *   1. layout: blocks and terminators; from here on every record lies in one block
 *   2. records, each alone: operands exist, types, attributes, slots, helpers, targets
 *   3. flow: reverse postorder, reachability, immediate dominators
 *   4. dominance of operands
 *   5. guest instructions: marks, and puts before faults, as a data-flow problem
 */
#include <core/ir/verify.h>

#include <core/ir/ops.h>
#include <core/ir/text.h>

#define NONE UINT32_MAX

typedef struct verifier {
    const ir_unit *u;
    GError **error;
    uint32_t n_slots, n_helpers;
    uint32_t *block_of; /* by record */
    uint32_t *place;    /* by block: its place in reverse postorder, NONE: not reached */
    uint32_t *order;    /* reverse postorder */
    uint32_t n_order;
    uint32_t *idom; /* by place: place of the immediate dominator */
} verifier;

/* Set the error about a record; false. */
static G_GNUC_PRINTF(3, 4) bool fail(verifier *v, uint32_t record, const char *format, ...)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    pb_ir_print_record(v->u, record, line);
    g_set_error(v->error, PB_IR_ERROR, PB_IR_ERROR_INVALID, "b%u: '%s': %s",
                v->block_of ? v->block_of[record] : 0, line->str, what);
    return false;
}

static G_GNUC_PRINTF(3, 4) bool fail_block(verifier *v, uint32_t block, const char *format, ...)
{
    g_autofree char *what = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(v->error, PB_IR_ERROR, PB_IR_ERROR_INVALID, "b%u: %s", block, what);
    return false;
}

static bool is_terminator(const ir_op_record *r)
{
    return ir_ops_table[r->op].properties & IR_PROP_EXIT;
}

/* ---- 1. layout --------------------------------------------------------------------------------------- */

static bool check_block(verifier *v, uint32_t block)
{
    const ir_block_info *b = &v->u->blocks[block];

    if (b->end == 0)
        return fail_block(v, block, "the block was made but not built");
    if (b->first >= b->end || b->end > v->u->n_ops || b->n_params >= b->end - b->first)
        return fail_block(v, block, "its records [%u, %u) make no sense", b->first, b->end);
    for (uint32_t i = b->first; i < b->end; i++) {
        const ir_op_record *r = &v->u->ops[i];

        if (r->op >= IR_OP_COUNT)
            return fail_block(v, block, "record %u has no operation", i);
        if (v->block_of[i] != NONE)
            return fail_block(v, block, "record %u belongs to b%u too", i, v->block_of[i]);
        v->block_of[i] = block;
        if ((r->op == IR_OP_PARAM) != (i < b->first + b->n_params))
            return fail(v, i, "parameters come first in a block, and nowhere else");
        if (is_terminator(r) != (i + 1 == b->end))
            return fail(v, i,
                        i + 1 == b->end ? "the block does not end with a terminator"
                                        : "a terminator in the middle of a block");
    }
    return true;
}

static bool check_constants(verifier *v)
{
    for (uint32_t i = 0; i < v->u->n_consts; i++) {
        const ir_const *c = &v->u->consts[i];
        pb_u128 cut;

        if (c->type == IR_VOID || c->type >= IR_TYPE_COUNT)
            return fail_block(v, 0, "constant %u has no type", i);
        cut = ir_ops_cut((ir_type)c->type, c->value);
        if (cut.lo != c->value.lo || cut.hi != c->value.hi)
            return fail_block(v, 0, "constant %u, 0x%" PRIx64 "_%016" PRIx64 ", does not fit %s", i,
                              c->value.hi, c->value.lo, ir_type_names[c->type]);
    }
    return true;
}

static bool check_layout(verifier *v)
{
    const ir_unit *u = v->u;

    if (u->overflow)
        return fail_block(v, 0, "the unit was given up: %s", u->misuse ? u->misuse : "too long");
    if (u->n_blocks == 0)
        return fail_block(v, 0, "the unit has no blocks");
    v->block_of = g_new(uint32_t, u->n_ops + 1);
    memset(v->block_of, 0xff, (u->n_ops + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < u->n_blocks; i++)
        if (!check_block(v, i))
            return false;
    for (uint32_t i = 0; i < u->n_ops; i++)
        if (v->block_of[i] == NONE)
            return fail_block(v, 0, "record %u stands outside of every block", i);
    return check_constants(v);
}

/* ---- 2. records -------------------------------------------------------------------------------------- */

static bool value_exists(const ir_unit *u, uint32_t id)
{
    if (id & IR_CONST_BIT)
        return (id & ~IR_CONST_BIT) < u->n_consts;
    if (id >> 1 >= u->n_ops || !pb_ir_has_result(&u->ops[id >> 1]))
        return false;
    return !(id & 1) || ir_second_type(u->ops[id >> 1].op) != IR_VOID;
}

static ir_type type_of(verifier *v, uint32_t id)
{
    return ir_value_type(v->u, (ir_val){ id });
}

static bool is_vector(ir_type type)
{
    return type == IR_V64 || type == IR_V128;
}

static bool is_float(ir_type type)
{
    return type >= IR_F16 && type <= IR_F80;
}

/* Whether a type suits a place of the row; variables are bound as they come. */
static bool suits(const ir_type_class *class, ir_type type, uint8_t bound[256])
{
    if (type >= IR_TYPE_COUNT || !(class->types >> type & 1))
        return false;
    if (!class->variable)
        return true;
    if (!bound[(uint8_t) class->variable])
        bound[(uint8_t) class->variable] = (uint8_t)type;
    return bound[(uint8_t) class->variable] == type;
}

static bool check_types(verifier *v, uint32_t record, const uint32_t *args)
{
    const ir_op_record *r = &v->u->ops[record];
    const ir_op_info *info = &ir_ops_table[r->op];
    uint8_t bound[256] = { 0 };

    if (r->op == IR_OP_CALL)
        return true; /* by the helper's declaration */
    if (r->n_args != info->n_operands)
        return fail(v, record, "it has %u operands, not %u", r->n_args, info->n_operands);
    if (info->n_results && !suits(&info->results[0], (ir_type)r->type, bound))
        return fail(v, record, "its result cannot have the type %s",
                    r->type < IR_TYPE_COUNT ? ir_type_names[r->type] : "?");
    for (uint32_t i = 0; i < r->n_args; i++)
        if (!suits(&info->operands[i], type_of(v, args[i]), bound))
            return fail(v, record, "operand %u cannot have the type %s", i + 1,
                        ir_type_names[type_of(v, args[i])]);
    return true;
}

/* The operation's W and the width that `lanes` counts in: see ops.def. */
static void widths(verifier *v, const ir_op_record *r, const uint32_t *args, uint32_t *W,
                   uint32_t *lanes_of)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    *W = *lanes_of = 0;
    if (info->n_results && info->results[0].variable)
        *W = ir_type_bits[r->type];
    for (uint32_t i = 0; i < info->n_operands; i++) {
        ir_type type = type_of(v, args[i]);

        if (!*W && info->operands[i].variable)
            *W = ir_type_bits[type];
        if (!*lanes_of && is_vector(type))
            *lanes_of = ir_type_bits[type];
    }
    if (!*lanes_of && info->n_results && is_vector((ir_type)r->type))
        *lanes_of = ir_type_bits[r->type];
}

/* A scalar that a lane is taken from or put into must have room for it. */
static bool check_lanes(verifier *v, uint32_t record, const uint32_t *args, uint32_t lanes_of)
{
    const ir_op_record *r = &v->u->ops[record];
    const ir_op_info *info = &ir_ops_table[r->op];
    uint32_t lane = 0;

    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (!strcmp(info->attrs[i].name, "es"))
            lane = 8u << ir_attr_get(r, &info->attrs[i]);
    if (!lane)
        return true;
    if (info->properties & IR_PROP_PAIRS && lanes_of < 2 * lane)
        return fail(v, record, "it needs two lanes or more");
    if (info->n_results && !is_vector((ir_type)r->type) && ir_type_bits[r->type] < lane)
        return fail(v, record, "the result is narrower than a lane");
    for (uint32_t i = 0; i < r->n_args; i++)
        if (!is_vector(type_of(v, args[i])) && ir_type_bits[type_of(v, args[i])] < lane)
            return fail(v, record, "operand %u is narrower than a lane", i + 1);
    return true;
}

static bool check_mem(verifier *v, uint32_t record, uint32_t mem, ir_type type)
{
    const ir_op_record *r = &v->u->ops[record];
    uint32_t bits = 8 * PB_MEM_GET_BYTES(mem), order = PB_MEM_GET_ORDER(mem);

    if (PB_MEM_GET_SIZE_LOG2(mem) > 4 || bits > ir_type_bits[type])
        return fail(v, record, "it accesses more bytes than its type has");
    if (is_float(type) && bits != ir_type_bits[type])
        return fail(v, record, "floats are loaded and stored whole");
    if (mem & PB_MEM_SIGNED && (is_float(type) || is_vector(type) || ir_type_bits[type] > 64))
        return fail(v, record, "only integers of up to 64 bits are sign-extended");
    if (r->op == IR_OP_RMW && bits > 64)
        return fail(v, record, "atomic operations have up to 64 bits");
    if (order > PB_ORDER_SEQ_CST || PB_MEM_GET_KIND(mem) > PB_MEM_DEVICE_EXACT || mem >> 31 ||
        mem >> 19 & 1)
        return fail(v, record, "the memory attribute 0x%x has undefined bits", mem);
    if (PB_MEM_GET_ELEMENT_BYTES(mem) > PB_MEM_GET_BYTES(mem))
        return fail(v, record, "elements of %u bytes do not fit the access's %u",
                    PB_MEM_GET_ELEMENT_BYTES(mem), PB_MEM_GET_BYTES(mem));
    if ((r->op == IR_OP_LD || r->op == IR_OP_LDX) &&
        (order == PB_ORDER_RELEASE || order == PB_ORDER_ACQ_REL))
        return fail(v, record, "a load cannot release");
    if ((r->op == IR_OP_ST || r->op == IR_OP_STX) &&
        (order == PB_ORDER_ACQUIRE || order == PB_ORDER_ACQUIRE_PC || order == PB_ORDER_ACQ_REL))
        return fail(v, record, "a store cannot acquire");
    return true;
}

static bool check_slots(verifier *v, uint32_t record, const uint32_t *args)
{
    const ir_op_record *r = &v->u->ops[record];
    const pb_cpu_type *cpu = v->u->cpu;
    bool indexed = r->op == IR_OP_GET_IDX || r->op == IR_OP_PUT_IDX;
    uint32_t slot = r->attr & 0xffff, n = indexed ? r->attr >> 16 & 0xff : 1;
    bool put = r->op == IR_OP_PUT || r->op == IR_OP_PUT_IDX;
    ir_type type = put ? type_of(v, args[r->n_args - 1]) : (ir_type)r->type;

    if (slot + n > v->n_slots)
        return fail(v, record, "there are %u slots", v->n_slots);
    for (uint32_t i = slot; i < slot + n; i++) {
        if (i == cpu->pc_slot)
            return fail(v, record, "the pc slot is not for IR: the pc is a constant");
        if (cpu->slots[i].type != type)
            return fail(v, record, "slot %s has the type %s", cpu->slots[i].name,
                        ir_type_names[cpu->slots[i].type]);
    }
    return true;
}

static bool check_call(verifier *v, uint32_t record, const uint32_t *args)
{
    const ir_op_record *r = &v->u->ops[record];
    const pb_helper *h;

    if (r->attr >= v->n_helpers)
        return fail(v, record, "there are %u helpers", v->n_helpers);
    h = &v->u->cpu->translator->helpers[r->attr];
    if (r->n_args != h->n_args)
        return fail(v, record, "%s has %u arguments, not %u", h->name, h->n_args, r->n_args);
    if (r->type != h->result)
        return fail(v, record, "%s gives %s", h->name, ir_type_names[h->result]);
    for (uint32_t i = 0; i < r->n_args; i++)
        if (type_of(v, args[i]) != h->args[i])
            return fail(v, record, "argument %u of %s is %s, not %s", i + 1, h->name,
                        ir_type_names[h->args[i]], ir_type_names[type_of(v, args[i])]);
    return true;
}

static bool check_leave(verifier *v, uint32_t record, const uint32_t *args)
{
    const ir_op_record *r = &v->u->ops[record];

    if (type_of(v, args[0]) != v->u->pc_type)
        return fail(v, record, "the pc slot has the type %s", ir_type_names[v->u->pc_type]);
    if (r->op == IR_OP_JUMP && !(args[0] & IR_CONST_BIT))
        return fail(v, record, "a jump goes to a constant; use jump.ind");
    if (r->op != IR_OP_EXIT && (r->attr & ~(uint32_t)IR_NEW_KEY) > IR_HINT_RETURN)
        return fail(v, record, "attribute n is out of range");
    return true;
}

static bool check_conversion(verifier *v, uint32_t record, const uint32_t *args)
{
    const ir_op_record *r = &v->u->ops[record];
    uint32_t to = ir_type_bits[r->type], from = ir_type_bits[type_of(v, args[0])];

    if (r->op == IR_OP_BITCAST && to != from)
        return fail(v, record, "the types have not the same width");
    if (r->op == IR_OP_BITCAST && (r->type == IR_FL || type_of(v, args[0]) == IR_FL))
        return fail(v, record, "a flags bundle has no bits; use flpack and flunpack");
    if ((r->op == IR_OP_ZEXT || r->op == IR_OP_SEXT) && to < from)
        return fail(v, record, "the result is narrower than the operand; use trunc");
    if (r->op == IR_OP_TRUNC && to > from)
        return fail(v, record, "the result is wider than the operand; use zext or sext");
    return true;
}

/* What a row cannot say of its operation. */
static bool check_special(verifier *v, uint32_t record, const uint32_t *args)
{
    const ir_op_record *r = &v->u->ops[record];

    switch (r->op) {
    case IR_OP_GET:
    case IR_OP_PUT:
    case IR_OP_GET_IDX:
    case IR_OP_PUT_IDX:
        return check_slots(v, record, args);
    case IR_OP_LD:
    case IR_OP_LDX:
        return check_mem(v, record, r->attr, (ir_type)r->type);
    case IR_OP_ST:
    case IR_OP_STX:
    case IR_OP_RMW:
    case IR_OP_CAS:
        return check_mem(v, record, r->attr, type_of(v, args[1]));
    case IR_OP_CALL:
        return check_call(v, record, args);
    case IR_OP_JUMP:
    case IR_OP_JUMP_IND:
    case IR_OP_EXIT:
        return check_leave(v, record, args);
    case IR_OP_BITCAST:
    case IR_OP_ZEXT:
    case IR_OP_SEXT:
    case IR_OP_TRUNC:
        return check_conversion(v, record, args);
    default:
        return true;
    }
}

static bool check_targets(verifier *v, uint32_t record)
{
    const ir_unit *u = v->u;
    pb_ir_target targets[PB_IR_MAX_TARGETS];
    int n = pb_ir_targets(u, &u->ops[record], targets);

    if (n < 0)
        return fail(v, record, "its targets lie outside of the unit's words");
    for (int i = 0; i < n; i++) {
        const ir_block_info *b;

        if (targets[i].block >= u->n_blocks)
            return fail(v, record, "there is no block b%u", targets[i].block);
        if (targets[i].block == 0)
            return fail(v, record, "nothing branches to the first block");
        b = &u->blocks[targets[i].block];
        if (targets[i].n_values != b->n_params)
            return fail(v, record, "b%u has %u parameters, not %u", targets[i].block, b->n_params,
                        targets[i].n_values);
        for (uint32_t p = 0; p < b->n_params; p++) {
            if (!value_exists(u, targets[i].values[p]))
                return fail(v, record, "value %u for b%u does not exist", p + 1, targets[i].block);
            if (type_of(v, targets[i].values[p]) != u->ops[b->first + p].type)
                return fail(v, record, "value %u for b%u has not the type %s", p + 1,
                            targets[i].block, ir_type_names[u->ops[b->first + p].type]);
        }
    }
    return true;
}

static bool check_record(verifier *v, uint32_t record)
{
    const ir_op_record *r = &v->u->ops[record];
    const uint32_t *args = pb_ir_operands(v->u, r);
    uint32_t W, lanes_of;
    const char *attr;

    if (!args || r->n_args > PB_HELPER_MAX_ARGS)
        return fail(v, record, "its operands lie outside of the unit's words");
    for (uint32_t i = 0; i < r->n_args; i++)
        if (!value_exists(v->u, args[i]))
            return fail(v, record, "operand %u does not exist", i + 1);
    if (!check_types(v, record, args))
        return false;
    widths(v, r, args, &W, &lanes_of);
    attr = ir_ops_bad_attr(r, W, lanes_of);
    if (attr)
        return fail(v, record, "attribute %s is out of range", attr);
    return check_lanes(v, record, args, lanes_of) && check_special(v, record, args) &&
           check_targets(v, record);
}

/* ---- 3. flow ------------------------------------------------------------------------------------------- */

static int successors(verifier *v, uint32_t block, pb_ir_target *targets)
{
    return pb_ir_targets(v->u, &v->u->ops[v->u->blocks[block].end - 1], targets);
}

/* Reverse postorder by depth-first search without recursion. */
static void number_blocks(verifier *v)
{
    uint32_t n = v->u->n_blocks, depth = 0, left = n;
    g_autofree uint32_t *stack = g_new(uint32_t, n + 1);
    g_autofree uint8_t *next = g_new0(uint8_t, n); /* successors visited */
    g_autofree bool *seen = g_new0(bool, n);

    v->place = g_new(uint32_t, n);
    v->order = g_new(uint32_t, n);
    memset(v->place, 0xff, n * sizeof(uint32_t));
    stack[depth++] = 0;
    seen[0] = true;
    while (depth) {
        uint32_t block = stack[depth - 1];
        pb_ir_target targets[PB_IR_MAX_TARGETS];
        int count = successors(v, block, targets);

        if (next[block] < count) {
            uint32_t to = targets[next[block]++].block;

            if (!seen[to]) {
                seen[to] = true;
                stack[depth++] = to;
            }
        } else {
            v->order[--left] = block;
            depth--;
        }
    }
    v->n_order = n - left;
    memmove(v->order, v->order + left, v->n_order * sizeof(uint32_t));
    for (uint32_t i = 0; i < v->n_order; i++)
        v->place[v->order[i]] = i;
}

static uint32_t common_dominator(const uint32_t *idom, uint32_t a, uint32_t b)
{
    while (a != b) {
        while (a > b)
            a = idom[a];
        while (b > a)
            b = idom[b];
    }
    return a;
}

/* Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm. Works on places in reverse postorder. */
static void find_dominators(verifier *v)
{
    bool changed = true;

    v->idom = g_new(uint32_t, v->n_order);
    memset(v->idom, 0xff, v->n_order * sizeof(uint32_t));
    v->idom[0] = 0;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < v->n_order; i++) {
            pb_ir_target targets[PB_IR_MAX_TARGETS];
            int count = successors(v, v->order[i], targets);

            if (v->idom[i] == NONE)
                continue;
            for (int s = 0; s < count; s++) {
                uint32_t to = v->place[targets[s].block];
                uint32_t new = v->idom[to] == NONE ? i : common_dominator(v->idom, v->idom[to], i);

                changed |= new != v->idom[to];
                v->idom[to] = new;
            }
        }
    }
}

static bool check_flow(verifier *v)
{
    number_blocks(v);
    for (uint32_t i = 0; i < v->u->n_blocks; i++)
        if (v->place[i] == NONE)
            return fail_block(v, i, "the block cannot be reached");
    find_dominators(v);
    return true;
}

/* ---- 4. dominance -------------------------------------------------------------------------------------- */

static bool dominates(verifier *v, uint32_t a, uint32_t b)
{
    uint32_t x = v->place[a], y = v->place[b];

    while (y > x)
        y = v->idom[y];
    return x == y;
}

static bool check_use(verifier *v, uint32_t record, uint32_t id)
{
    if (id & IR_CONST_BIT)
        return true;
    if (id >> 1 >= record)
        return fail(v, record, "it uses a value that is defined below");
    if (!dominates(v, v->block_of[id >> 1], v->block_of[record]))
        return fail(v, record, "it uses a value of b%u, which is not on every way here",
                    v->block_of[id >> 1]);
    return true;
}

static bool check_uses(verifier *v, uint32_t record)
{
    const ir_op_record *r = &v->u->ops[record];
    const uint32_t *args = pb_ir_operands(v->u, r);
    pb_ir_target targets[PB_IR_MAX_TARGETS];
    int n = pb_ir_targets(v->u, r, targets);

    for (uint32_t i = 0; i < r->n_args; i++)
        if (!check_use(v, record, args[i]))
            return false;
    for (int t = 0; t < n; t++)
        for (uint32_t i = 0; i < targets[t].n_values; i++)
            if (!check_use(v, record, targets[t].values[i]))
                return false;
    return true;
}

/* ---- 5. guest instructions ------------------------------------------------------------------------------- */

/* What holds at a place: the guest instruction that executes, and whether it has put a slot. */
typedef struct progress {
    enum { UNKNOWN, KNOWN, SEVERAL } kind;
    uint32_t guest;
    bool put;
} progress;

static const pb_helper *helper_of(verifier *v, const ir_op_record *r)
{
    return &v->u->cpu->translator->helpers[r->attr];
}

/* Whether an operation must find the state as it was before the instruction. */
static bool may_fault(verifier *v, const ir_op_record *r)
{
    if (r->op == IR_OP_CALL)
        return helper_of(v, r)->flags & PB_HELPER_MAY_FAULT;
    return ir_ops_table[r->op].properties & IR_PROP_FAULT;
}

/* Whether it must be known to which instruction it belongs. */
static bool is_precise(verifier *v, const ir_op_record *r)
{
    if (r->op == IR_OP_CALL)
        return !(helper_of(v, r)->flags & PB_HELPER_PURE);
    return ir_ops_table[r->op].properties & IR_PROP_FAULT;
}

static bool writes_slot(verifier *v, const ir_op_record *r)
{
    if (r->op == IR_OP_CALL) {
        const uint16_t *writes = helper_of(v, r)->writes;

        return writes && writes[0] != PB_SLOT_END;
    }
    return r->op == IR_OP_PUT || r->op == IR_OP_PUT_IDX;
}

/* Go over one record; with `report`, say what is wrong. */
static bool step(verifier *v, uint32_t record, progress *now, bool report)
{
    const ir_op_record *r = &v->u->ops[record];

    if (r->op == IR_OP_INSN) {
        *now = (progress){ .kind = KNOWN, .guest = r->guest };
        return true;
    }
    if (report && is_precise(v, r)) {
        if (now->kind != KNOWN)
            return fail(v, record, "it may fault, and belongs to no guest instruction");
        if (now->guest != r->guest)
            return fail(v, record, "it belongs to another guest instruction than what is executed");
    }
    if (report && now->put && may_fault(v, r))
        return fail(v, record, "it may fault after a slot was put by the same instruction");
    now->put |= writes_slot(v, r);
    return true;
}

static bool merge(progress *into, const progress *from)
{
    progress old = *into;

    if (into->kind == UNKNOWN)
        *into = *from;
    else if (into->kind == KNOWN && (from->kind != KNOWN || from->guest != into->guest))
        into->kind = SEVERAL;
    into->put |= from->put;
    return old.kind != into->kind || old.put != into->put;
}

static bool check_marks(verifier *v)
{
    const ir_unit *u = v->u;

    for (uint32_t i = 0; i < u->n_marks; i++) {
        uint32_t record = u->marks[i].record;

        if (record >= u->n_ops || u->ops[record].op != IR_OP_INSN || u->ops[record].guest != i ||
            (i && record <= u->marks[i - 1].record))
            return fail_block(v, 0, "instruction mark %u does not fit its record", i);
    }
    for (uint32_t i = 0; i < u->n_ops; i++)
        if (u->ops[i].op == IR_OP_INSN &&
            (u->ops[i].guest >= u->n_marks || u->marks[u->ops[i].guest].record != i))
            return fail(v, i, "it has no mark of its own");
    return true;
}

static bool check_guests(verifier *v)
{
    const ir_unit *u = v->u;
    g_autofree progress *in = g_new0(progress, u->n_blocks);
    bool changed = true;

    if (!check_marks(v))
        return false;
    in[0].kind = SEVERAL;
    while (changed) {
        changed = false;
        for (uint32_t i = 0; i < v->n_order; i++) {
            uint32_t block = v->order[i];
            pb_ir_target targets[PB_IR_MAX_TARGETS];
            int count = successors(v, block, targets);
            progress now = in[block];

            for (uint32_t record = u->blocks[block].first; record < u->blocks[block].end; record++)
                step(v, record, &now, false);
            for (int s = 0; s < count; s++)
                changed |= merge(&in[targets[s].block], &now);
        }
    }
    for (uint32_t block = 0; block < u->n_blocks; block++) {
        progress now = in[block];

        for (uint32_t record = u->blocks[block].first; record < u->blocks[block].end; record++)
            if (!step(v, record, &now, true))
                return false;
    }
    return true;
}

static bool verify(verifier *v)
{
    if (!check_layout(v))
        return false;
    for (uint32_t i = 0; i < v->u->n_ops; i++)
        if (!check_record(v, i))
            return false;
    if (!check_flow(v))
        return false;
    for (uint32_t i = 0; i < v->u->n_ops; i++)
        if (!check_uses(v, i))
            return false;
    return check_guests(v);
}

bool pb_ir_verify(const ir_unit *unit, GError **error)
{
    verifier v = { .u = unit,
                   .error = error,
                   .n_slots = pb_ir_slot_count(unit->cpu),
                   .n_helpers = pb_ir_helper_count(unit->cpu) };
    bool ok = verify(&v);

    g_free(v.block_of);
    g_free(v.place);
    g_free(v.order);
    g_free(v.idom);
    return ok;
}
