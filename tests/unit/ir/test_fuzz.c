/*
 * Random units of IR, made from the table of operations. For each:
 *   - the verifier accepts it,
 *   - its text is read back to the same text,
 *   - the interpreter does the same with it and with its folded form, to the last bit of state, memory, floating
 *     point flags, counts, faults and accesses to devices.
 *
 * usage: test_fuzz accel-interp.so
 *        test_fuzz accel-interp.so codegen.so OPTIONS    the folded form by emitted code; jit.h says which options
 */
#include <core/ir/fold.h>
#include <core/ir/text.h>
#include <core/ir/verify.h>

#include "accel.h"
#include "random.h"
#include "../runner.h"

enum { UNITS = 3000, DATA = 0x10000, DATA_BYTES = 0x2000 };

/* Those that have slots. */
#define ALL_TYPES (((2u << IR_V128) - 2) | 1u << IR_FL)

static uint32_t factor;
static bool emitted;         /* the second machine runs emitted code */
static bool counting = true; /* its counts are right */
static bool passing;         /* units go through the generator's passes and their text before */
static uint64_t n_passes[2], n_dropped; /* that did nothing, something; that dropped records */

typedef struct pair pair;
static void use_subject(void);
static uint32_t random_fault(void);
static void show(pair *p, const ir_unit *u);

/* ---- random operations ------------------------------------------------------------------------------------ */

typedef struct shape {
    ir_op_record record;
    ir_type types[5]; /* the first result's, then the operands' */
} shape;

/* Whether the verifier likes the operation, on constants. */
static bool acceptable(const shape *s)
{
    static ir_unit *u;
    ir_val args[4] = { ir_none(), ir_none(), ir_none(), ir_none() };
    ir_builder b;

    if (!u)
        u = pb_ir_unit_new(&toy_type);
    pb_ir_unit_reset(u, &toy_type, 0, 0);
    b = pb_ir_builder(u);
    ir_block_begin(&b, ir_block_new(&b));
    ir_insn(&b, 0, 4, 0);
    for (uint32_t i = 0; i < s->record.n_args; i++)
        args[i] = ir_const128(&b, s->types[i + 1], (pb_u128){ 0, 0 });
    ir_emit(&b, (ir_op)s->record.op, s->types[0], s->record.attr, s->record.aux, s->record.n_args,
            args[0], args[1], args[2], args[3]);
    ir_jump(&b, 0);
    return pb_ir_verify(u, NULL);
}

static ir_type random_type(uint32_t types)
{
    for (;;) {
        uint32_t type = random_below(IR_TYPE_COUNT);

        if (types >> type & 1)
            return (ir_type)type;
    }
}

static ir_type bind(const ir_type_class *class, uint8_t bound[256])
{
    uint8_t *variable = &bound[(uint8_t) class->variable];

    if (class->variable && *variable)
        return (ir_type)*variable;
    *variable = (uint8_t)random_type(class->types);
    return (ir_type)*variable;
}

static void random_types(shape *s)
{
    const ir_op_info *info = &ir_ops_table[s->record.op];
    uint8_t bound[256] = { 0 };

    s->types[0] = info->n_results ? bind(&info->results[0], bound) : IR_VOID;
    for (uint32_t i = 0; i < info->n_operands; i++)
        s->types[i + 1] = bind(&info->operands[i], bound);
    if (!info->n_results)
        s->types[0] = info->n_operands ? s->types[info->n_operands] : IR_VOID;
}

static uint32_t random_mem(void)
{
    uint32_t mem = PB_MEM_SIZE_LOG2(random_below(5)) | (random_below(2) ? PB_MEM_BIG_ENDIAN : 0);

    if (random_below(2))
        mem |= PB_MEM_SIGNED;
    if (random_below(8) == 0)
        mem |= PB_MEM_ALIGN_LOG2(random_below(4));
    if (random_below(4) == 0)
        mem |= PB_MEM_ORDER(random_below(6)) | PB_MEM_KIND(random_below(4)) |
               PB_MEM_SPAN(random_below(256)) | PB_MEM_MMU(random_below(16)) | PB_MEM_ATOMIC;
    return mem;
}

static void random_attrs(ir_op_record *r)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    r->attr = r->aux = 0;
    for (uint32_t i = 0; i < info->n_attrs; i++) {
        const ir_attr_info *a = &info->attrs[i];
        uint32_t value = random_below(2) ? random_below(16) : (uint32_t)random_bits();

        if (a->kind == IR_ATTR_MEM)
            value = random_mem();
        else if (!strcmp(a->name, "rm") && random_below(2))
            value = IR_ROUND_ENV;
        else if (!strcmp(a->name, "env") && random_below(2))
            value = 0;
        *(a->aux ? &r->aux : &r->attr) |= (uint32_t)(value & ir_sem_mask(a->bits)) << a->shift;
    }
}

/* An operation with one of the properties. */
static shape random_shape(uint32_t properties)
{
    shape s;

    do {
        memset(&s, 0, sizeof(s));
        s.record.op = (uint16_t)random_below(IR_OP_COUNT);
        s.record.n_args = ir_ops_table[s.record.op].n_operands;
        if (!(ir_ops_table[s.record.op].properties & properties))
            continue;
        random_types(&s);
        random_attrs(&s.record);
    } while (!(ir_ops_table[s.record.op].properties & properties) || !acceptable(&s));
    return s;
}

/* ---- random units ----------------------------------------------------------------------------------------- */

enum { MAX_BLOCKS = 5, MAX_PARAMS = 3, MAX_VALUES = 400 };

typedef struct generator {
    ir_builder b;
    bool constant; /* no value comes from a slot */
    uint32_t n_blocks;
    ir_block blocks[MAX_BLOCKS];
    ir_type params[MAX_BLOCKS][MAX_PARAMS];
    uint32_t n_params[MAX_BLOCKS];
    ir_val values[MAX_VALUES]; /* that may be used here */
    uint32_t n_values;
    uint32_t n_common; /* of the first block, which dominates all */
    uint64_t pc;
} generator;

static void remember(generator *g, ir_val v)
{
    if (g->n_values < MAX_VALUES)
        g->values[g->n_values++] = v;
}

/* A value of a type: one that is there, a constant, or a slot's. */
static ir_val operand(generator *g, ir_type type)
{
    ir_val v;

    for (uint32_t tries = 0; g->n_values && tries < 12 && random_below(5); tries++) {
        v = g->values[random_below(g->n_values)];
        if (ir_type_of(&g->b, v) == type)
            return v;
    }
    if (g->constant || random_below(2))
        return ir_const128(&g->b, type, random_value(type));
    v = ir_get(&g->b, type, toy_slot_of(type) + random_below(2));
    remember(g, v);
    return v;
}

/* Mostly in the data, sometimes in the device, sometimes nowhere. */
static ir_val address(generator *g, ir_type type)
{
    ir_val low;

    switch (random_below(16)) {
    case 0:
        return ir_imm(&g->b, type, TOY_MMIO + random_below(64));
    case 1:
        return random_below(8) ? ir_imm(&g->b, type, DATA) : ir_imm(&g->b, type, 0x7000000);
    case 2:
    case 3:
    case 4:
        low = ir_and(&g->b, operand(g, type), ir_imm(&g->b, type, DATA_BYTES / 2 - 1));
        return ir_or(&g->b, low, ir_imm(&g->b, type, DATA));
    default:
        return ir_imm(&g->b, type, DATA + random_below(DATA_BYTES - 16));
    }
}

static void operation(generator *g, uint32_t properties)
{
    shape s = random_shape(properties);
    const ir_op_info *info = &ir_ops_table[s.record.op];
    ir_val args[4] = { ir_none(), ir_none(), ir_none(), ir_none() }, r;

    for (uint32_t i = 0; i < info->n_operands; i++)
        args[i] = i == 0 && info->properties & IR_PROP_FAULT ? address(g, s.types[1])
                                                             : operand(g, s.types[i + 1]);
    r = ir_emit(&g->b, (ir_op)s.record.op, s.types[0], s.record.attr, s.record.aux, s.record.n_args,
                args[0], args[1], args[2], args[3]);
    if (info->n_results)
        remember(g, r);
    if (info->n_results > 1)
        remember(g, (ir_val){ r.id | 1 });
}

static void call(generator *g)
{
    static const uint8_t callable[] = { TOY_SUM, TOY_MIX, TOY_SIX, TOY_NOTE, TOY_CHECK };
    uint32_t number = callable[random_below(random_below(16) ? 4 : 5)];
    const pb_helper *h = &toy_type.translator->helpers[number];
    ir_val args[PB_HELPER_MAX_ARGS], r;

    for (uint32_t i = 0; i < h->n_args; i++)
        args[i] = operand(g, (ir_type)h->args[i]);
    r = ir_call(&g->b, number, (ir_type)h->result, args, h->n_args);
    if (h->result != IR_VOID)
        remember(g, r);
}

/* One guest instruction: operations, then puts. */
static void instruction(generator *g)
{
    ir_insn(&g->b, g->pc, 4, random_below(4));
    g->pc += 4;
    for (uint32_t n = random_below(8); n > 0; n--) {
        switch (random_below(8)) {
        case 0:
        case 1:
            operation(g, IR_PROP_FAULT);
            break;
        case 2:
            call(g);
            break;
        case 3:
            operation(g, IR_PROP_FP);
            break;
        default:
            operation(g, IR_PROP_PURE);
        }
    }
    for (uint32_t n = random_below(4); n > 0; n--) {
        ir_type type = random_type(ALL_TYPES);

        ir_put(&g->b, operand(g, type), toy_slot_of(type) + random_below(2));
    }
}

/* A lane that goes to another vector, or a part of something wider that is used as it is. */
static void lane_idiom(generator *g)
{
    ir_builder *b = &g->b;
    uint32_t es = random_below(4), n = random_below(16u >> es), slot = toy_slot_of(IR_V128);
    ir_val from = operand(g, IR_V128), lane = ir_v_lane(b, (ir_type)(IR_I8 + es), from, es, n);
    ir_type type = random_below(2) ? IR_V64 : IR_V128;
    ir_val value, whole;

    switch (random_below(4)) {
    case 0:
        value = ir_v_dup(b, type, lane, es);
        break;
    case 1:
        value = ir_v_from(b, type, lane);
        break;
    case 2:
        whole = operand(g, type);
        n = random_below(ir_type_bits[type] / 8 >> es);
        value = ir_v_setlane(b, whole, lane, es, n);
        break;
    default:
        type = IR_V64;
        value = ir_v_half(b, from, random_below(4) == 0);
    }
    remember(g, value);
    if (type == IR_V64) {
        value = ir_v_wide(b, value);
        remember(g, value);
    }
    ir_put(b, value, slot + random_below(2));
}

/* Two operations that are one on some hosts, the first one's result by way of a slot. */
static void fused_idiom(generator *g)
{
    static const uint16_t pairs[][2] = { { IR_OP_BITREV, IR_OP_CLZ },
                                         { IR_OP_V_AESENC, IR_OP_V_AESMC },
                                         { IR_OP_V_AESDEC, IR_OP_V_AESIMC } };
    ir_builder *b = &g->b;
    uint32_t which = random_below(3);
    ir_type type = which == 0 ? random_below(2) ? IR_I64 : IR_I32 : IR_V128;
    uint32_t slot = toy_slot_of(type) + random_below(2);
    ir_val x = ir_emit(b, (ir_op)pairs[which][0], type, 0, 0, 1, operand(g, type), ir_none(),
                       ir_none(), ir_none());

    ir_put(b, x, slot);
    if (random_below(2)) {
        ir_insn(b, g->pc, 4, random_below(4));
        g->pc += 4;
        if (random_below(4) == 0)
            operation(g, IR_PROP_FAULT);
    }
    if (random_below(4) == 0)
        operation(g, IR_PROP_PURE);
    if (random_below(4))
        x = ir_get(b, type, slot);
    x = ir_emit(b, (ir_op)pairs[which][1], type, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
    ir_put(b, x, random_below(4) ? slot : toy_slot_of(type));
    remember(g, x);
}

static void neighbours(generator *g);

static void vector_idiom(generator *g)
{
    if (random_below(3) == 0) {
        neighbours(g);
        return;
    }
    ir_insn(&g->b, g->pc, 4, random_below(4));
    g->pc += 4;
    if (random_below(2))
        lane_idiom(g);
    else
        fused_idiom(g);
}

/* Where an access of that type would be aligned, or mostly. */
static ir_val aligned(generator *g, ir_val base, ir_type type)
{
    if (random_below(4) == 0)
        return base;
    return ir_and(&g->b, base, ir_imm64(&g->b, ~(uint64_t)(ir_type_bits[type] / 8 - 1)));
}

/* Integers of any type to some slot. */
static void put_wide(ir_builder *b, ir_val x)
{
    if (ir_type_of(b, x) == IR_I128)
        ir_put(b, x, toy_slot_of(IR_I128) + random_below(2));
    else
        ir_put(b, ir_zext(b, IR_I64, x), random_below(8));
}

/* An instruction of a kind that code generators look for: pairs of accesses, a base register that moves, a masked value
 * compared with zero. */
static void idiom(generator *g)
{
    static const ir_type types[] = { IR_I64, IR_I64, IR_I32, IR_V128, IR_I16, IR_F64 };
    ir_builder *b = &g->b;
    uint32_t kind = random_below(6), slot = random_below(8);
    ir_type type = types[random_below(G_N_ELEMENTS(types))];
    uint32_t bytes = ir_type_bits[type] / 8;
    uint32_t attr = random_mem() & (PB_MEM_BIG_ENDIAN | PB_MEM_ALIGN_LOG2(1));
    ir_val low, base, second, x, y;

    attr |= PB_MEM_SIZE_LOG2(__builtin_ctz(bytes)) | PB_MEM_SPAN(1);
    ir_insn(b, g->pc, 4, random_below(4));
    g->pc += 4;
    low = ir_and(b, ir_get(b, IR_I64, slot), ir_imm64(b, DATA_BYTES / 2 - 1));
    base = ir_or(b, low, ir_imm64(b, DATA));
    second = ir_add(b, base, ir_imm64(b, bytes));
    switch (kind) {
    case 0:
        x = ir_ld(b, type, base, attr);
        y = ir_ld(b, type, second, attr);
        ir_put(b, x, toy_slot_of(type) + random_below(2));
        ir_put(b, y, toy_slot_of(type) + random_below(2));
        break;
    case 1:
        x = operand(g, type);
        ir_st(b, base, x, attr);
        ir_st(b, second, operand(g, type), attr);
        break;
    case 2:
        x = ir_add(b, base, ir_imm64(b, random_below(64)));
        y = ir_ld(b, IR_I64, base, PB_MEM_SIZE_LOG2(3));
        ir_put(b, y, random_below(8));
        ir_put(b, x, slot);
        break;
    case 3: /* an exclusive store behind its load */
        type = (ir_type)(IR_I8 + random_below(5));
        attr = PB_MEM_SIZE_LOG2(type - IR_I8);
        base = aligned(g, base, type);
        x = ir_ldx(b, type, base, attr | (type < IR_I128 && random_below(2) ? PB_MEM_SIGNED : 0));
        if (random_below(4) == 0)
            ir_st(b, base, operand(g, IR_I8), PB_MEM_SIZE_LOG2(0));
        y = ir_stx(b, base, operand(g, type), attr);
        put_wide(b, x);
        ir_put(b, y, toy_slot_of(IR_I1));
        break;
    case 4: /* what is there exchanged, or not */
        type = (ir_type)(IR_I8 + random_below(5));
        attr = PB_MEM_SIZE_LOG2(type - IR_I8);
        base = aligned(g, base, type);
        x = ir_ld(b, type, base, attr);
        if (random_below(4) == 0)
            ir_st(b, base, operand(g, IR_I8), PB_MEM_SIZE_LOG2(0));
        put_wide(b, ir_cas(b, base, x, operand(g, type), attr));
        break;
    default:
        x = ir_and(b, operand(g, IR_I64), ir_imm64(b, UINT64_C(1) << random_below(64)));
        y = random_below(2) ? ir_eq_zero(b, x) : ir_ne_zero(b, x);
        remember(g, y);
        ir_put(b, ir_select(b, y, base, low), slot);
    }
    if (kind < 2)
        ir_put(b, ir_add(b, base, ir_imm64(b, 2 * bytes)), slot);
}

/* Instructions that access memory around the address in one slot, as those of structures, stack frames and copying loops
 * do; some of them near the end of a page, and with other accesses in between. */
static void neighbours(generator *g)
{
    static const ir_type types[] = { IR_I64, IR_I32, IR_V128, IR_I8, IR_F64 };
    uint32_t slot = random_below(8), n = 2 + random_below(5), stores = random_below(3);
    ir_builder *b = &g->b;
    ir_val base, at;

    for (uint32_t i = 0; i <= n; i++) {
        ir_type type = types[random_below(G_N_ELEMENTS(types))];
        uint32_t attr = PB_MEM_SIZE_LOG2(__builtin_ctz(ir_type_bits[type] / 8));

        ir_insn(b, g->pc, 4, random_below(4));
        g->pc += 4;
        if (i == 0) {
            base = ir_and(b, ir_get(b, IR_I64, slot), ir_imm64(b, DATA_BYTES / 2 - 1));
            if (random_below(2)) /* at the end of a page */
                base = ir_or(b, base, ir_imm64(b, PB_PAGE_SIZE - 64));
            ir_put(b, ir_or(b, base, ir_imm64(b, DATA)), slot);
            continue;
        }
        at = ir_get(b, IR_I64, slot);
        if (random_below(6) == 0)
            at = address(g, IR_I64);
        else
            at = ir_add(b, at, ir_imm64(b, random_below(80)));
        if (random_below(8) == 0)
            attr |= random_mem() & (PB_MEM_BIG_ENDIAN | PB_MEM_ALIGN_LOG2(1));
        if (stores == 1 || (stores == 2 && random_below(2)))
            ir_st(b, at, operand(g, type), attr);
        else
            ir_put(b, ir_ld(b, type, at, attr), toy_slot_of(type) + random_below(2));
        if (random_below(4) == 0)
            ir_put(b, ir_add(b, at, ir_imm64(b, 8)), slot);
    }
}

/* A target: a later block, with values for its parameters. */
static uint32_t target(generator *g, uint32_t block)
{
    ir_val values[MAX_PARAMS];

    for (uint32_t i = 0; i < g->n_params[block]; i++)
        values[i] = operand(g, g->params[block][i]);
    return ir_target(&g->b, g->blocks[block], values, g->n_params[block]);
}

/* Leave the unit on a condition, else go on in a later block: what a conditional branch of the guest is. */
static void side_exit(generator *g, uint32_t next)
{
    ir_block out = ir_block_new(&g->b);
    bool on_flags = random_below(4), first = random_below(2);
    ir_val condition = operand(g, on_flags ? IR_FL : IR_I1);
    uint32_t at = 0;

    for (uint32_t i = 0; i < 2; i++) {
        uint32_t here = (i == 0) == first ? ir_target(&g->b, out, NULL, 0) : target(g, next);

        at = i ? at : here;
    }
    ir_emit(&g->b, on_flags ? IR_OP_BR_CC : IR_OP_BR_IF, on_flags ? IR_FL : IR_I1,
            on_flags ? random_below(16) : 0, at, 1, condition, ir_none(), ir_none(), ir_none());
    ir_end_block(&g->b);
    ir_block_begin(&g->b, out);
    ir_jump_flags(&g->b, 0x200, random_below(8) ? 0 : IR_NEW_KEY);
}

static void terminate(generator *g, uint32_t block)
{
    uint32_t next = block + 1, other, at;
    bool on_flags = random_below(2);
    ir_val condition;

    if (next == g->n_blocks) {
        switch (random_below(3)) {
        case 0:
            ir_jump(&g->b, g->pc);
            break;
        case 1:
            /* Not to the unit itself, for ever. */
            ir_jump_ind(&g->b, ir_or(&g->b, operand(g, IR_I64), ir_imm64(&g->b, 1)), IR_HINT_JUMP);
            break;
        default:
            ir_exit(&g->b, PB_RUN_YIELD, g->pc);
        }
        return;
    }
    if (random_below(3) == 0) {
        side_exit(g, next);
        return;
    }
    if (random_below(3) == 0) {
        at = target(g, next);
        ir_emit(&g->b, IR_OP_BR, IR_VOID, 0, at, 0, ir_none(), ir_none(), ir_none(), ir_none());
        ir_end_block(&g->b);
        return;
    }
    other = next + random_below(g->n_blocks - next);
    condition = operand(g, on_flags ? IR_FL : IR_I1);
    at = target(g, next);
    target(g, other);
    ir_emit(&g->b, on_flags ? IR_OP_BR_CC : IR_OP_BR_IF, on_flags ? IR_FL : IR_I1,
            on_flags ? random_below(16) : 0, at, 1, condition, ir_none(), ir_none(), ir_none());
    ir_end_block(&g->b);
}

static void random_unit(ir_unit *u)
{
    generator g = { .constant = random_below(3) == 0, .pc = 0x100 };

    pb_ir_unit_reset(u, &toy_type, 0x100, 0);
    g.b = pb_ir_builder(u);
    g.n_blocks = 1 + random_below(MAX_BLOCKS);
    for (uint32_t i = 0; i < g.n_blocks; i++) {
        g.blocks[i] = ir_block_new(&g.b);
        g.n_params[i] = i ? random_below(MAX_PARAMS + 1) : 0;
        for (uint32_t p = 0; p < g.n_params[i]; p++)
            g.params[i][p] = random_type(ALL_TYPES);
    }
    for (uint32_t i = 0; i < g.n_blocks; i++) {
        g.n_values = g.n_common;
        ir_block_begin(&g.b, g.blocks[i]);
        for (uint32_t p = 0; p < g.n_params[i]; p++)
            remember(&g, ir_block_param(&g.b, g.params[i][p]));
        for (uint32_t n = 1 + random_below(3); n > 0; n--) {
            uint32_t kind = random_below(6);

            if (kind < 4)
                instruction(&g);
            else if (kind == 4)
                idiom(&g);
            else
                vector_idiom(&g);
        }
        if (i == 0)
            g.n_common = g.n_values;
        terminate(&g, i);
    }
}

/* ---- checks --------------------------------------------------------------------------------------------------- */

static char *print(const ir_unit *u)
{
    GString *out = g_string_new(NULL);

    pb_ir_print(u, out);
    return g_string_free(out, false);
}

static bool verified(const ir_unit *u, const char *what)
{
    g_autoptr(GError) error = NULL;

    if (pb_ir_verify(u, &error))
        return true;
    g_autofree char *text = print(u);

    printf("\n%s\n%s: %s\n", text, what, error->message);
    return false;
}

/* Reads the unit's text into *copy and prints it again. */
static bool reads_back(const ir_unit *u, ir_unit *copy)
{
    g_autofree char *text = print(u), *again = NULL;
    g_autoptr(GError) error = NULL;

    if (!pb_ir_parse(copy, &toy_type, text, &error)) {
        printf("\n%s\n%s\n", text, error->message);
        return false;
    }
    again = print(copy);
    if (!strcmp(text, again))
        return verified(copy, "what was read");
    printf("\n%s\nbecame\n%s\n", text, again);
    return false;
}

/* Two machines that begin alike. */
struct pair {
    toy_machine *m[2];
    accel a[2];
};

static void begin_alike(pair *p)
{
    toy_machine *m = p->m[0], *other = p->m[1];

    for (uint32_t i = 0; i < TOY_SLOTS; i++)
        m->state->slot[i] = random_value((ir_type)toy_type.slots[i].type);
    m->state->slot[TOY_PC].lo = 0x100;
    m->state->slot[TOY_MODE].lo = 0;
    for (uint32_t i = 0; i < DATA_BYTES; i += 8) {
        uint64_t word = random_word(64);

        memcpy(m->ram + DATA + i, &word, 8);
    }
    for (uint32_t i = 0; i < 4; i++) {
        m->vcpu->fp[i].rules = random_below(2) ? pb_fp_rules_arm() : pb_fp_rules_x86();
        m->vcpu->fp[i].round = (uint8_t)random_below(5);
        m->vcpu->fp[i].flags = 0;
    }
    *other->state = *m->state;
    memcpy(other->ram + DATA, m->ram + DATA, DATA_BYTES);
    memcpy(other->vcpu->fp, m->vcpu->fp, sizeof(m->vcpu->fp));
    for (uint32_t i = 0; i < 2; i++) {
        p->m[i]->vcpu->retired = 0;
        p->m[i]->vcpu->exclusive_bytes = 0;
        p->m[i]->faults = 0;
        memset(&p->m[i]->fault, 0, sizeof(p->m[i]->fault));
        g_array_set_size(p->m[i]->events, 0);
    }
}

/* Emitted code keeps the flags that are state alone (patchbay/vcpu.h, fp). */
static bool same_fp(const pb_vcpu *x, const pb_vcpu *y)
{
    uint32_t kept = emitted ? PB_FP_IEEE_FLAGS : UINT32_MAX;

    for (uint32_t i = 0; i < 4; i++) {
        pb_fp_env a = x->fp[i], b = y->fp[i];

        a.flags &= kept;
        b.flags &= kept;
        if (memcmp(&a, &b, sizeof(a)))
            return false;
    }
    return true;
}

static const char *difference(const pair *p)
{
    const toy_machine *m = p->m[0], *n = p->m[1];

    if (memcmp(m->state, n->state, sizeof(toy)))
        return "slots";
    if (memcmp(m->ram + DATA, n->ram + DATA, DATA_BYTES))
        return "memory";
    if (!same_fp(m->vcpu, n->vcpu))
        return "floating point flags";
    if (counting && (m->vcpu->retired != n->vcpu->retired || m->vcpu->budget != n->vcpu->budget))
        return "counts";
    if (m->faults != n->faults || m->fault.gva != n->fault.gva || m->fault.attr != n->fault.attr ||
        m->fault.aux != n->fault.aux)
        return "faults";
    if (m->events->len != n->events->len)
        return "what devices and helpers saw";
    for (uint32_t i = 0; i < m->events->len; i++) {
        toy_event a = *toy_event_at(m, i), b = *toy_event_at(n, i);

        if (!counting)
            a.retired = b.retired = 0, a.budget = b.budget = 0;
        if (a.value == a.pc) /* a fetch that faults: of no instruction */
            a.aux = b.aux;
        if (memcmp(&a, &b, sizeof(a)))
            return "what devices and helpers saw";
    }
    return NULL;
}

static bool runs_alike(pair *p, const ir_unit *u, const ir_unit *folded)
{
    /* Emitted code of a unit that is given cannot be made shorter. */
    int64_t budget = emitted || random_below(4) ? 1000 : random_below(6);
    uint32_t reasons[2];
    const char *what;

    begin_alike(p);
    p->m[0]->fault_in = p->m[1]->fault_in = emitted ? random_fault() : 0;
    accel_use_unit(p->m[0], u);
    reasons[0] = accel_run(&p->a[0], budget);
    accel_use_unit(p->m[1], folded);
    reasons[1] = accel_run(&p->a[1], budget);
    what = reasons[0] != reasons[1] ? "reasons" : difference(p);
    if (!what)
        return true;
    g_autofree char *text = print(u), *folded_text = print(folded);

    printf("\n%s\nfolded\n%s\ndiffer in %s\n", text, folded_text, what);
    for (uint32_t i = 0; i < 4; i++)
        printf("fp %u: flags 0x%x, 0x%x, round %u, arm %u\n", i, p->m[0]->vcpu->fp[i].flags,
               p->m[1]->vcpu->fp[i].flags, p->m[0]->vcpu->fp[i].round,
               !p->m[0]->vcpu->fp[i].rules.tiny_after);
    show(p, folded);
    return false;
}

/* Emitted code, if that is asked for: the unit becomes what the generator's passes leave of it. */
static bool after_passes(pair *p, ir_unit *u);
/* What emitted code counted. */
static bool counts_are_right(pair *p);

static void random_units(void)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type), copy = pb_ir_unit_new(&toy_type);
    uint64_t records = 0, left = 0, faulted = 0;
    pair p;

    for (uint32_t i = 0; i < 2; i++) {
        p.m[i] = toy_new();
        accel_use_unit(p.m[i], NULL);
        if (i)
            use_subject();
        p.a[i] = accel_new(p.m[i], 0);
    }
    for (uint32_t n = 0; n < UNITS * factor; n++) {
        uint64_t seed = random_state;
        bool ok;

        random_unit(u);
        ok = verified(u, "the generator's") && reads_back(u, copy);
        records += u->n_ops;
        if (ok) {
            pb_ir_fold(copy);
            left += copy->n_ops;
            ok =
                verified(copy, "the folder's") && after_passes(&p, copy) && runs_alike(&p, u, copy);
            faulted += p.m[0]->faults;
        }
        if (!ok) {
            printf("PATCHBAY_IR_SEED=0x%" PRIx64 "\n", seed);
            CU_FAIL("a unit failed");
            break;
        }
    }
    printf("%" PRIu64 " records, %" PRIu64 " after folding, %" PRIu64 " faults ... ", records, left,
           faulted);
    CU_ASSERT_TRUE(left < records && faulted > UNITS / 100);
    if (passing) {
        printf("%" PRIu64 " passes that did something, %" PRIu64 " that did not, %" PRIu64
               " that dropped something ... ",
               n_passes[1], n_passes[0], n_dropped);
        CU_ASSERT_TRUE(n_passes[1] > 2 * UNITS && n_dropped > UNITS / 2);
    }
    CU_ASSERT_TRUE(counts_are_right(&p));
    for (uint32_t i = 0; i < 2; i++) {
        accel_free(&p.a[i]);
        toy_free(p.m[i]);
    }
}

#ifdef TEST_CODEGEN
#include "jit.h"

static bool open_subject(int argc, char **argv)
{
    if (argc != 4)
        return false;
    accel_open(argv[1]);
    jit_open(argv[2]);
    jit_set(argv[3]);
    emitted = true;
    counting = jit_how.counted;
    passing = jit_how.passes;
    return true;
}

static void use_subject(void)
{
    accel_use_type(&jit_type);
}

/* Accesses that come to the second level are there if it was filled, and none else. */
static bool counts_are_right(pair *p)
{
    uint64_t refills = jit_count(&p->a[1], PB_CODE_COUNT_REFILLS);

    return jit_count(&p->a[1], PB_CODE_COUNT_SLOW) > UNITS &&
           (jit_how.use_second ? refills > UNITS / 10 : refills == 0) &&
           jit_count(&p->a[1], PB_CODE_COUNTS) == 0;
}

/* Each pass's text is a unit; the last one's is taken. */
static bool after_passes(pair *p, ir_unit *u)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) sections = NULL;

    if (!passing)
        return true;
    if (!jit_passes(&p->a[1], u, text)) {
        printf("it is refused\n");
        return false;
    }
    sections = g_strsplit(text->str, "# pass ", -1);
    for (char **section = &sections[1]; *section; section++) {
        const char *unit = strstr(*section, "\nunit ");

        if (unit && (!pb_ir_parse(u, &toy_type, unit, &error) || !pb_ir_verify(u, &error))) {
            printf("\n%s\n%s\n", *section, error->message);
            return false;
        }
        n_passes[unit != NULL]++;
        n_dropped += unit && strstr(unit, "# dropped: ");
    }
    return true;
}

/* With the TLB filled the number of accesses that the core sees is another one. */
static uint32_t random_fault(void)
{
    return !jit_how.use_tlb && random_below(3) ? random_below(8) : 0;
}

/* Which slots differ, and the code. */
static void show(pair *p, const ir_unit *u)
{
    const toy *a = p->m[0]->state, *b = p->m[1]->state;

    for (uint32_t i = 0; i < TOY_SLOTS; i++)
        if (memcmp(&a->slot[i], &b->slot[i], 16))
            printf("%s: %016" PRIx64 "_%016" PRIx64 ", not %016" PRIx64 "_%016" PRIx64 "\n",
                   toy_type.slots[i].name, b->slot[i].hi, b->slot[i].lo, a->slot[i].hi,
                   a->slot[i].lo);
    if (g_getenv("SHOW"))
        jit_show(&p->a[1], u);
}
#else
static bool open_subject(int argc, char **argv)
{
    if (argc != 2)
        return false;
    accel_open(argv[1]);
    return true;
}
static void use_subject(void) {}
static bool counts_are_right(pair *p)
{
    return true;
}
static bool after_passes(pair *p, ir_unit *u)
{
    return true;
}
static uint32_t random_fault(void)
{
    return 0;
}
static void show(pair *p, const ir_unit *u) {}
#endif

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "random units", random_units },
        { 0 },
    };

    factor = random_init();
    if (!open_subject(argc, argv))
        return 2;
    return unit_run("IR fuzzer", cases);
}
