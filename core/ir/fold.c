/*
 * Constant folding: one sweep down that evaluates and replaces, one sweep up that finds what is used, one
 * that moves the rest together. Blocks and branches stay as they are.
 */
#include <core/ir/fold.h>

#include <core/ir/ops.h>

typedef struct folder {
    ir_unit *u;
    ir_builder b;      /* for constants */
    uint32_t *becomes; /* by value id: the id that stands for it */
    bool *used;        /* by record */
} folder;

static uint32_t resolve(const folder *f, uint32_t id)
{
    return id & IR_CONST_BIT ? id : f->becomes[id];
}

/* Apply fn to every operand of a record, branch values too. */
static void each_operand(folder *f, ir_op_record *r, void (*fn)(folder *f, uint32_t *id))
{
    pb_ir_target targets[PB_IR_MAX_TARGETS];
    int n = pb_ir_targets(f->u, r, targets);
    uint32_t *args = (uint32_t *)pb_ir_operands(f->u, r);

    for (uint32_t i = 0; i < r->n_args; i++)
        fn(f, &args[i]);
    for (int t = 0; t < n; t++)
        for (uint32_t i = 0; i < targets[t].n_values; i++)
            fn(f, (uint32_t *)&targets[t].values[i]);
}

static void replace_operand(folder *f, uint32_t *id)
{
    *id = resolve(f, *id);
}

static void use_operand(folder *f, uint32_t *id)
{
    if (!(*id & IR_CONST_BIT))
        f->used[*id >> 1] = true;
}

static bool all_constant(const ir_op_record *r)
{
    for (uint32_t i = 0; i < r->n_args; i++)
        if (!(r->arg[i] & IR_CONST_BIT))
            return false;
    return true;
}

/* Evaluate a pure record on constants; its results become constants. */
static void evaluate(folder *f, uint32_t record)
{
    const ir_op_record *r = &f->u->ops[record];
    ir_type second = ir_second_type(r->op);
    ir_type types[5] = { (ir_type)r->type };
    pb_u128 args[4], results[2];

    for (uint32_t i = 0; i < r->n_args; i++) {
        const ir_const *c = &f->u->consts[r->arg[i] & ~IR_CONST_BIT];

        types[i + 1] = (ir_type)c->type;
        args[i] = c->value;
    }
    if (!ir_ops_eval(r, types, args, NULL, results))
        return;
    f->becomes[record << 1] = ir_const128(&f->b, types[0], results[0]).id;
    if (second != IR_VOID)
        f->becomes[record << 1 | 1] = ir_const128(&f->b, second, results[1]).id;
}

static void fold_record(folder *f, uint32_t record)
{
    ir_op_record *r = &f->u->ops[record];

    each_operand(f, r, replace_operand);
    if (!(ir_ops_table[r->op].properties & IR_PROP_PURE))
        return;
    if (all_constant(r)) {
        evaluate(f, record);
    } else if ((r->op == IR_OP_SELECT || r->op == IR_OP_SEL_CC) && r->arg[0] & IR_CONST_BIT) {
        uint64_t a = f->u->consts[r->arg[0] & ~IR_CONST_BIT].value.lo;
        bool first = r->op == IR_OP_SELECT ? a : ir_sem_cc(a, r->attr & 15);

        f->becomes[record << 1] = r->arg[first ? 1 : 2];
    }
}

static bool removable(const folder *f, uint32_t record)
{
    return ir_ops_table[f->u->ops[record].op].properties & IR_PROP_PURE && !f->used[record];
}

/* Uses come after definitions, so going up sees every use of a record before the record. */
static void find_used(folder *f)
{
    for (uint32_t i = f->u->n_ops; i-- > 0;)
        if (!removable(f, i))
            each_operand(f, &f->u->ops[i], use_operand);
}

/* Move the records together; becomes[] is now from old to new ids. */
static void compact(folder *f)
{
    ir_unit *u = f->u;
    g_autofree uint32_t *moved = g_new(uint32_t, u->n_ops + 1); /* new index of old records */
    uint32_t n = 0;

    for (uint32_t i = 0; i < u->n_ops; i++) {
        moved[i] = n;
        f->becomes[i << 1] = n << 1;
        f->becomes[i << 1 | 1] = n << 1 | 1;
        if (!removable(f, i))
            n++;
    }
    moved[u->n_ops] = n;
    for (uint32_t i = 0; i < u->n_ops; i++) {
        if (removable(f, i))
            continue;
        each_operand(f, &u->ops[i], replace_operand);
        u->ops[moved[i]] = u->ops[i];
    }
    for (uint32_t i = 0; i < u->n_blocks; i++) {
        u->blocks[i].first = moved[u->blocks[i].first];
        u->blocks[i].end = moved[u->blocks[i].end];
    }
    for (uint32_t i = 0; i < u->n_marks; i++)
        u->marks[i].record = moved[u->marks[i].record];
    u->n_ops = n;
}

void pb_ir_fold(ir_unit *unit)
{
    folder f = { .u = unit, .b = pb_ir_builder(unit) };

    f.becomes = g_new(uint32_t, 2 * unit->n_ops + 2);
    f.used = g_new0(bool, unit->n_ops + 1);
    for (uint32_t i = 0; i < 2 * unit->n_ops; i++)
        f.becomes[i] = i;
    for (uint32_t i = 0; i < unit->n_ops; i++)
        fold_record(&f, i);
    find_used(&f);
    compact(&f);
    g_free(f.becomes);
    g_free(f.used);
}
