/*
 * Units of IR to text. The form is described in text.h.
 */
#include <core/ir/text.h>

#include <core/ir/names.h>

const char *const ir_cc_names[16] = {
    "eq", "ne", "cs", "cc", "mi", "pl", "vs", "vc", "hi", "ls", "ge", "lt", "gt", "le", "ps", "pc",
};
const char *const ir_order_names[8] = {
    "none", "acquire-pc", "acquire", "release", "acq-rel", "seq-cst",
};
const char *const ir_kind_names[8] = { "data", "stack", "walk", "exact" };
const char *const ir_rmw_names[16] = {
    "add", "and", "andn", "or", "xor", "smax", "smin", "umax", "umin", "xchg",
};

typedef struct printer {
    const ir_unit *unit;
    GString *out;
    uint32_t *numbers; /* by value id: number in the text + 1; null: the id itself */
    uint32_t n_slots, n_helpers;
    pb_ir_remark *remark; /* null: none are made */
    void *opaque;
} printer;

static void put_number(printer *p, uint64_t n)
{
    g_string_append_printf(p->out, n < 10 ? "%" PRIu64 : "0x%" PRIx64, n);
}

static void put_value(printer *p, uint32_t id)
{
    const ir_unit *u = p->unit;

    if (id == IR_NO_VAL) {
        g_string_append(p->out, "nothing");
    } else if (id & IR_CONST_BIT) {
        const ir_const *c = &u->consts[id & ~IR_CONST_BIT];

        if ((id & ~IR_CONST_BIT) >= u->n_consts || c->type >= IR_TYPE_COUNT) {
            g_string_append(p->out, "constant?");
            return;
        }
        if (ir_type_bits[c->type] > 64)
            g_string_append_printf(p->out, "0x%" PRIx64 "_%016" PRIx64, c->value.hi, c->value.lo);
        else
            put_number(p, c->value.lo);
        g_string_append_printf(p->out, ":%s", ir_type_names[c->type]);
    } else if (!p->numbers) {
        g_string_append_printf(p->out, "%%%u.%u", id >> 1, id & 1);
    } else if (id >> 1 >= u->n_ops || !p->numbers[id]) {
        g_string_append(p->out, "%?");
    } else {
        g_string_append_printf(p->out, "%%%u", p->numbers[id] - 1);
    }
}

static void put_result(printer *p, uint32_t id)
{
    ir_type type = ir_value_type(p->unit, (ir_val){ id });

    put_value(p, id);
    g_string_append_printf(p->out, ":%s", type < IR_TYPE_COUNT ? ir_type_names[type] : "?");
}

static void put_mem(printer *p, uint32_t mem)
{
    uint32_t order = PB_MEM_GET_ORDER(mem), kind = PB_MEM_GET_KIND(mem);

    g_string_append_printf(p->out, "size=%u %s", PB_MEM_GET_BYTES(mem),
                           mem & PB_MEM_BIG_ENDIAN ? "be" : "le");
    if (mem & PB_MEM_SIGNED)
        g_string_append(p->out, " signed");
    g_string_append_printf(p->out, " align=%u", 1u << PB_MEM_GET_ALIGN_LOG2(mem));
    if (mem & PB_MEM_ATOMIC)
        g_string_append(p->out, " atomic");
    if (order)
        g_string_append_printf(p->out, " order=%s",
                               ir_order_names[order] ? ir_order_names[order] : "?");
    if (PB_MEM_GET_MMU(mem))
        g_string_append_printf(p->out, " mmu=%u", PB_MEM_GET_MMU(mem));
    if (kind)
        g_string_append_printf(p->out, " kind=%s", ir_kind_names[kind] ? ir_kind_names[kind] : "?");
    if (PB_MEM_GET_SPAN(mem))
        g_string_append_printf(p->out, " span=%u", PB_MEM_GET_SPAN(mem));
    if (PB_MEM_HAS_ELEMENTS(mem))
        g_string_append_printf(p->out, " element=%u", PB_MEM_GET_ELEMENT_BYTES(mem));
}

static void put_attr(printer *p, const ir_attr_info *a, uint32_t value)
{
    const pb_cpu_type *cpu = p->unit->cpu;

    if (a->kind == IR_ATTR_MEM) {
        put_mem(p, value);
        return;
    }
    g_string_append_printf(p->out, "%s=", a->name);
    if (a->kind == IR_ATTR_SLOT && value < p->n_slots)
        g_string_append(p->out, cpu->slots[value].name);
    else if (a->kind == IR_ATTR_HELPER && value < p->n_helpers)
        g_string_append(p->out, cpu->translator->helpers[value].name);
    else if (a->kind == IR_ATTR_RMW && ir_rmw_names[value])
        g_string_append(p->out, ir_rmw_names[value]);
    else
        put_number(p, value);
}

static void put_attrs(printer *p, const ir_op_record *r, const ir_op_info *info)
{
    bool open = false, wanted = false;

    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (info->attrs[i].kind != IR_ATTR_CC)
            wanted |= info->attrs[i].kind != IR_ATTR_NUMBER || ir_attr_get(r, &info->attrs[i]);
    for (uint32_t i = 0; i < info->n_attrs && wanted; i++) {
        if (info->attrs[i].kind == IR_ATTR_CC)
            continue;
        g_string_append(p->out, open ? " " : " {");
        open = true;
        put_attr(p, &info->attrs[i], ir_attr_get(r, &info->attrs[i]));
    }
    if (open)
        g_string_append_c(p->out, '}');
}

/* The operation's name; ".cc" at its end becomes the condition. */
static void put_name(printer *p, const ir_op_record *r, const ir_op_info *info)
{
    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (info->attrs[i].kind == IR_ATTR_CC) {
            g_string_append_printf(p->out, "%.*s.%s", (int)strlen(info->name) - 3, info->name,
                                   ir_cc_names[ir_attr_get(r, &info->attrs[i])]);
            return;
        }
    g_string_append(p->out, info->name);
}

static void put_targets(printer *p, const ir_op_record *r)
{
    pb_ir_target targets[PB_IR_MAX_TARGETS];
    int n = pb_ir_targets(p->unit, r, targets);

    if (n < 0)
        g_string_append(p->out, " -> ?");
    for (int i = 0; i < n; i++) {
        g_string_append_printf(p->out, "%s b%u", i ? "," : " ->", targets[i].block);
        for (uint32_t v = 0; v < targets[i].n_values; v++) {
            g_string_append(p->out, v ? ", " : "(");
            put_value(p, targets[i].values[v]);
        }
        if (targets[i].n_values)
            g_string_append_c(p->out, ')');
    }
}

static void put_insn(printer *p, uint32_t record)
{
    const ir_unit *u = p->unit;
    uint32_t guest = u->ops[record].guest;

    if (guest >= u->n_marks) {
        g_string_append(p->out, "insn ?");
        return;
    }
    g_string_append_printf(p->out, "insn 0x%" PRIx64 " %u", u->marks[guest].pc,
                           u->marks[guest].length);
    if (u->marks[guest].aux)
        g_string_append_printf(p->out, " aux=0x%x", u->marks[guest].aux);
}

static void put_record(printer *p, uint32_t record)
{
    const ir_unit *u = p->unit;
    const ir_op_record *r = &u->ops[record];
    const ir_op_info *info;
    const uint32_t *args;

    if (r->op >= IR_OP_COUNT) {
        g_string_append_printf(p->out, "operation %u?", r->op);
        return;
    }
    if (r->op == IR_OP_INSN) {
        put_insn(p, record);
        return;
    }
    info = &ir_ops_table[r->op];
    if (pb_ir_has_result(r)) {
        put_result(p, record << 1);
        if (info->n_results > 1) {
            g_string_append(p->out, ", ");
            put_result(p, record << 1 | 1);
        }
        g_string_append(p->out, " = ");
    }
    put_name(p, r, info);
    args = pb_ir_operands(u, r);
    for (uint32_t i = 0; i < r->n_args; i++) {
        g_string_append(p->out, i ? ", " : " ");
        put_value(p, args ? args[i] : IR_NO_VAL);
    }
    put_attrs(p, r, info);
    put_targets(p, r);
}

/* Its line, and what is remarked of it. */
static void put_line(printer *p, uint32_t record)
{
    GString *out = p->out;
    g_autoptr(GString) line = NULL;

    if (!p->remark) {
        g_string_append(out, "  ");
        put_record(p, record);
        g_string_append_c(out, '\n');
        return;
    }
    p->out = line = g_string_new(NULL);
    put_record(p, record);
    p->remark(p->opaque, record, line);
    p->out = out;
    if (line->len)
        g_string_append_printf(out, "  %s\n", line->str);
}

static void put_block(printer *p, uint32_t block)
{
    const ir_block_info *b = &p->unit->blocks[block];
    uint32_t end = MIN(b->end, p->unit->n_ops), first = b->first;

    g_string_append_printf(p->out, "b%u", block);
    for (uint32_t i = 0; i < b->n_params && first < end; i++, first++) {
        g_string_append(p->out, i ? ", " : "(");
        put_result(p, first << 1);
    }
    g_string_append(p->out, b->n_params ? "):\n" : ":\n");
    for (uint32_t record = first; record < end; record++)
        put_line(p, record);
}

static int by_place(const void *a, const void *b, void *opaque)
{
    const ir_unit *u = opaque;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    if (u->blocks[x].first != u->blocks[y].first)
        return u->blocks[x].first < u->blocks[y].first ? -1 : 1;
    return x < y ? -1 : x > y;
}

static printer printer_init(const ir_unit *unit, GString *out)
{
    return (printer){ .unit = unit,
                      .out = out,
                      .n_slots = pb_ir_slot_count(unit->cpu),
                      .n_helpers = pb_ir_helper_count(unit->cpu) };
}

/* Values get their numbers in the order of their records. */
static uint32_t *number_values(const ir_unit *unit)
{
    uint32_t *numbers = g_new0(uint32_t, 2 * unit->n_ops + 1), next = 0;

    for (uint32_t i = 0; i < unit->n_ops; i++) {
        if (unit->ops[i].op >= IR_OP_COUNT || !pb_ir_has_result(&unit->ops[i]))
            continue;
        numbers[i << 1] = ++next;
        if (ir_second_type(unit->ops[i].op) != IR_VOID)
            numbers[i << 1 | 1] = ++next;
    }
    return numbers;
}

void pb_ir_print(const ir_unit *unit, GString *out)
{
    pb_ir_print_remarked(unit, NULL, NULL, out);
}

void pb_ir_print_remarked(const ir_unit *unit, pb_ir_remark *remark, void *opaque, GString *out)
{
    printer p = printer_init(unit, out);
    g_autofree uint32_t *numbers = number_values(unit);
    g_autofree uint32_t *order = g_new(uint32_t, unit->n_blocks + 1);

    p.numbers = numbers;
    p.remark = remark;
    p.opaque = opaque;
    g_string_append_printf(out, "unit %s pc=0x%" PRIx64 " key=0x%" PRIx64 "\n",
                           unit->cpu->head.name, unit->pc, unit->key);
    for (uint32_t i = 0; i < unit->n_blocks; i++)
        order[i] = i;
    g_qsort_with_data(order, (gint)unit->n_blocks, sizeof(order[0]), by_place, (void *)unit);
    for (uint32_t i = 0; i < unit->n_blocks; i++)
        put_block(&p, order[i]);
}

void pb_ir_print_record(const ir_unit *unit, uint32_t record, GString *out)
{
    printer p = printer_init(unit, out);
    g_autofree uint32_t *numbers = number_values(unit);

    p.numbers = numbers;
    put_record(&p, record);
}

void pb_ir_print_value(const ir_unit *unit, uint32_t id, GString *out)
{
    printer p = printer_init(unit, out);
    g_autofree uint32_t *numbers = number_values(unit);

    p.numbers = numbers;
    put_value(&p, id);
}
