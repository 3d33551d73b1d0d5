/*
 * Memory of units of IR: see unit.h.
 */
#include <core/ir/unit.h>

#include <core/ir/ops.h>

enum { FIRST_RECORDS = 256, FIRST_BLOCKS = 16, FIRST_MARKS = 64 };

static void *grow(ir_unit *unit, void *old, size_t bytes, size_t new_bytes)
{
    return g_try_realloc(old, new_bytes);
}

ir_unit *pb_ir_unit_new(const pb_cpu_type *cpu)
{
    ir_unit *u = g_new0(ir_unit, 1);

    u->size = sizeof(*u);
    u->max_records = PB_IR_MAX_RECORDS;
    u->grow = grow;
    u->ops = g_new(ir_op_record, FIRST_RECORDS);
    u->cap_ops = FIRST_RECORDS;
    u->consts = g_new(ir_const, FIRST_RECORDS);
    u->cap_consts = FIRST_RECORDS;
    u->extra = g_new(uint32_t, FIRST_RECORDS);
    u->cap_extra = FIRST_RECORDS;
    u->blocks = g_new(ir_block_info, FIRST_BLOCKS);
    u->cap_blocks = FIRST_BLOCKS;
    u->marks = g_new(ir_mark, FIRST_MARKS);
    u->cap_marks = FIRST_MARKS;
    pb_ir_unit_reset(u, cpu, 0, 0);
    return u;
}

void pb_ir_unit_free(ir_unit *unit)
{
    if (!unit)
        return;
    g_free(unit->ops);
    g_free(unit->consts);
    g_free(unit->extra);
    g_free(unit->blocks);
    g_free(unit->marks);
    g_free(unit->bytes[0]);
    g_free(unit->bytes[1]);
    g_free(unit);
}

void pb_ir_unit_reset(ir_unit *unit, const pb_cpu_type *cpu, uint64_t pc, uint64_t key)
{
    unit->overflow = false;
    unit->misuse = NULL;
    unit->pc = pc;
    unit->key = key;
    unit->cpu = cpu;
    unit->pc_type = cpu->slots[cpu->pc_slot].type;
    unit->n_ops = unit->n_consts = unit->n_extra = unit->n_blocks = unit->n_marks = 0;
    unit->n_pages = 0;
    unit->compares = 0;
}

ir_builder pb_ir_builder(ir_unit *unit)
{
    return (ir_builder){ .size = sizeof(ir_builder), .block = IR_NO_VAL, .unit = unit };
}

uint32_t pb_ir_slot_count(const pb_cpu_type *cpu)
{
    uint32_t n = 0;

    while (cpu->slots[n].name)
        n++;
    return n;
}

uint32_t pb_ir_helper_count(const pb_cpu_type *cpu)
{
    uint32_t n = 0;

    while (cpu->translator && cpu->translator->helpers && cpu->translator->helpers[n].name)
        n++;
    return n;
}

int pb_ir_targets(const ir_unit *unit, const ir_op_record *r, pb_ir_target *targets)
{
    uint64_t at = r->aux;
    int n;

    switch (r->op) {
    case IR_OP_BR:
        n = 1;
        break;
    case IR_OP_BR_IF:
    case IR_OP_BR_CC:
        n = 2;
        break;
    default:
        return 0;
    }
    for (int i = 0; i < n; i++) {
        if (at + 2 > unit->n_extra || at + 2 + unit->extra[at + 1] > unit->n_extra)
            return -1;
        targets[i] = (pb_ir_target){ .block = unit->extra[at],
                                     .n_values = unit->extra[at + 1],
                                     .values = &unit->extra[at + 2] };
        at += 2 + targets[i].n_values;
    }
    return n;
}

const uint32_t *pb_ir_operands(const ir_unit *unit, const ir_op_record *r)
{
    if (r->n_args <= G_N_ELEMENTS(r->arg))
        return r->arg;
    if ((uint64_t)r->arg[0] + r->n_args > unit->n_extra)
        return NULL;
    return &unit->extra[r->arg[0]];
}

bool pb_ir_has_result(const ir_op_record *r)
{
    if (r->op == IR_OP_CALL)
        return r->type != IR_VOID;
    return ir_ops_table[r->op].n_results > 0;
}
