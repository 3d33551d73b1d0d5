/*
 * Which operations are calls of their reference functions, and that the page that says why names them all and no other.
 *
 * usage: test_references codegen.so PAGE
 *
 * Every operation that has a meaning is emitted with all types and many attributes, for a guest with Arm's FP rules as
 * they are at reset. The page's table has the operations' names in its first column; the second one begins with
 * "always" if there is no inline code for any of them. Skipped, for the page says it in a sentence: scalars of 8 and 16 bits,
 * f16, f80 and lanes of f16. What the host lacks (AVX2, FMA, AES ...) would change the list: then nothing is compared.
 */
#include "jit.h"

#include <core/ir/unit.h>
#include <core/ir/verify.h>
#include <cpuid.h>

#include "../ir/random.h"
#include "../runner.h"

enum { TRIES = 400, CASES = 60 };

typedef struct found {
    uint32_t emitted, called;
} found;

static const char *page;
static toy_machine *machine;
static accel subject;
static found all[IR_OP_COUNT];

/* ---- emitting ---------------------------------------------------------------------------------------------- */

static bool is_skipped(const ir_op_record *r, const ir_type *types)
{
    const ir_op_info *info = &ir_ops_table[r->op];
    bool vector = false;

    for (uint32_t i = 0; i <= info->n_operands; i++)
        vector |= types[i] == IR_V64 || types[i] == IR_V128;
    for (uint32_t i = 0; i <= info->n_operands; i++)
        if (types[i] == IR_F16 || types[i] == IR_F80 ||
            (!vector && (types[i] == IR_I8 || types[i] == IR_I16)))
            return true;
    for (uint32_t i = 0; i < info->n_attrs && info->properties & IR_PROP_FP; i++)
        if (!strcmp(info->attrs[i].name, "es") && ir_attr_get(r, &info->attrs[i]) == 1)
            return true;
    return false;
}

/* Conversions to integers and integral values: instructions say which rounding. */
static bool has_own_rounding(uint32_t op)
{
    return op == IR_OP_FCVT_S || op == IR_OP_FCVT_U || op == IR_OP_FRINT || op == IR_OP_V_FCVT_S ||
           op == IR_OP_V_FCVT_U || op == IR_OP_V_FRINT;
}

static void random_attrs(ir_op_record *r)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    r->attr = r->aux = 0;
    for (uint32_t i = 0; i < info->n_attrs; i++) {
        const ir_attr_info *a = &info->attrs[i];
        uint32_t value = random_below(2) ? random_below(8) : (uint32_t)random_bits();

        if (!strcmp(a->name, "rm")) /* what translators make: the environment's for arithmetic */
            value = has_own_rounding(r->op) && random_below(2) ? random_below(5) : IR_ROUND_ENV;
        else if (!strcmp(a->name, "env"))
            value = 0;
        else if (!strcmp(a->name, "neg"))
            value = random_below(4);
        *(a->aux ? &r->aux : &r->attr) |= (uint32_t)(value & ir_sem_mask(a->bits)) << a->shift;
    }
}

/* Operands from slots, the result to one. */
static bool build(ir_unit *u, const ir_op_record *r, const ir_type *types)
{
    ir_val args[4] = { ir_none(), ir_none(), ir_none(), ir_none() }, v;
    ir_builder b = pb_ir_builder(u);

    pb_ir_unit_reset(u, &toy_type, 0x100, 0);
    ir_block_begin(&b, ir_block_new(&b));
    for (uint32_t i = 0; i < r->n_args; i++)
        args[i] = ir_get(&b, types[i + 1], toy_slot_of(types[i + 1]) + (i & 1));
    v = ir_emit(&b, (ir_op)r->op, types[0], r->attr, r->aux, r->n_args, args[0], args[1], args[2],
                args[3]);
    ir_put(&b, v, toy_slot_of(types[0]));
    if (ir_second_type(r->op) != IR_VOID)
        ir_put(&b, (ir_val){ v.id | 1 }, toy_slot_of(ir_second_type(r->op)) + 1);
    ir_exit(&b, PB_RUN_YIELD, 0x104);
    return pb_ir_verify(u, NULL);
}

static void try_types(ir_op_record *r, const ir_type *types)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);

    for (uint32_t tries = 0, cases = 0; tries < TRIES && cases < CASES; tries++) {
        random_attrs(r);
        if (is_skipped(r, types) || !build(u, r, types))
            continue;
        cases++;
        if (!jit_prepare(&subject, u)) {
            printf("%s is refused\n", ir_ops_table[r->op].name);
            CU_FAIL("refused");
            return;
        }
        all[r->op].emitted++;
        all[r->op].called += jit_references(&subject) != 0;
    }
}

static void each_type(ir_op_record *r, ir_type *types, uint32_t place)
{
    const ir_op_info *info = &ir_ops_table[r->op];
    const ir_type_class *class = place ? &info->operands[place - 1] : &info->results[0];

    if (place > info->n_operands) {
        try_types(r, types);
        return;
    }
    for (uint32_t type = IR_I1; type < IR_TYPE_COUNT; type++) {
        bool fits = class->types >> type & 1;

        for (uint32_t before = 0; before < place && class->variable; before++) {
            const ir_type_class *other = before ? &info->operands[before - 1] : &info->results[0];

            fits &= other->variable != class->variable || types[before] == type;
        }
        types[place] = (ir_type)type;
        if (fits)
            each_type(r, types, place + 1);
    }
}

static void emit_all(void)
{
    uint32_t inlined = 0, sometimes = 0, never = 0;

    for (uint32_t op = 0; op < IR_OP_COUNT; op++) {
        const ir_op_info *info = &ir_ops_table[op];
        ir_op_record r = { .op = (uint16_t)op, .n_args = info->n_operands };
        ir_type types[5] = { IR_VOID };

        if (!(info->properties & (IR_PROP_PURE | IR_PROP_FP)) || info->n_operands > 4)
            continue;
        each_type(&r, types, 0);
        if (!all[op].emitted)
            continue;
        inlined += !all[op].called;
        sometimes += all[op].called && all[op].called < all[op].emitted;
        never += all[op].called == all[op].emitted;
    }
    printf("%u operations inline, %u partly, %u by reference ... ", inlined, sometimes, never);
    CU_ASSERT_TRUE(inlined > 50);
}

/* ---- the page ---------------------------------------------------------------------------------------------- */

static uint32_t op_named(const char *name)
{
    for (uint32_t op = 0; op < IR_OP_COUNT; op++)
        if (!strcmp(ir_ops_table[op].name, name))
            return op;
    return IR_OP_COUNT;
}

/* Features that the list was made with. */
static bool is_usual_host(void)
{
    unsigned a, b = 0, c = 0, d, b7 = 0, c7;

    __get_cpuid(1, &a, &b, &c, &d);
    __get_cpuid_count(7, 0, &a, &b7, &c7, &d);
    return c & bit_AVX && c & bit_FMA && c & bit_AES && c & bit_PCLMUL && b7 & bit_AVX2 &&
           b7 & bit_BMI2 && b7 & bit_SHA;
}

/* A row: | `op`, `op` | when | why |. */
static void read_row(const char *row, bool *named, bool *ok)
{
    g_auto(GStrv) cells = g_strsplit(row, "|", 4), words = NULL;
    bool always;

    if (g_strv_length(cells) < 4)
        return;
    always = g_str_has_prefix(g_strchug(cells[2]), "always");
    words = g_strsplit(cells[1], "`", 0);
    for (uint32_t i = 1; words[i] && words[i + 1]; i += 2) {
        uint32_t op = op_named(words[i]);

        if (op == IR_OP_COUNT || !all[op].called) {
            printf("\nthe page names %s, which is %s", words[i],
                   op == IR_OP_COUNT ? "no operation" : "always inline");
            *ok = false;
        } else if (always != (all[op].called == all[op].emitted)) {
            printf("\n%s is %s by reference", words[i], always ? "not always" : "always");
            *ok = false;
        }
        if (op < IR_OP_COUNT)
            named[op] = true;
    }
}

static void page_is_right(void)
{
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    bool named[IR_OP_COUNT] = { false }, ok = true;

    CU_ASSERT_TRUE_FATAL(g_file_get_contents(page, &text, NULL, NULL));
    lines = g_strsplit(text, "\n", 0);
    if (!is_usual_host()) {
        printf("another host than the page is about ... ");
        return;
    }
    for (char **line = lines; *line; line++)
        if (g_str_has_prefix(*line, "| `"))
            read_row(*line, named, &ok);
    for (uint32_t op = 0; op < IR_OP_COUNT; op++) {
        if (all[op].called && !named[op]) {
            printf("\n`%s`: %u of %u by reference, and not on the page", ir_ops_table[op].name,
                   all[op].called, all[op].emitted);
            ok = false;
        }
    }
    CU_ASSERT_TRUE(ok);
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "operations that are calls", emit_all },
        { "the page names them", page_is_right },
        { 0 },
    };
    int status;

    if (argc != 3)
        return 2;
    page = argv[2];
    jit_open(argv[1]);
    jit_set("");
    accel_use_type(&jit_type);
    machine = toy_new();
    machine->translate = NULL;
    machine->vcpu->fp[0].rules = pb_fp_rules_arm();
    accel_use_unit(machine, NULL);
    subject = accel_new(machine, 0);
    status = unit_run("operations by reference", cases);
    accel_free(&subject);
    toy_free(machine);
    return status;
}
