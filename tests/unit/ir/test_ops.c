/*
 * Every operation with a meaning, with every combination of types that its row allows: the interpreter, whose code
 * is specialised by type, against the core's evaluator, which is not.
 *
 * usage: test_ops accel-interp.so
 *        test_ops codegen.so OPTIONS    the same for emitted code; jit.h says which options
 */
#include <core/ir/text.h>
#include <core/ir/verify.h>

#include "accel.h"
#include "random.h"
#include "../runner.h"

enum { CASES = 200, ATTR_TRIES = 1500 };

static uint32_t factor;
static toy_machine *machine;
static accel interp;

typedef struct trial {
    ir_op_record record;
    ir_type types[5]; /* the first result's, then the operands' */
    pb_u128 args[4];
} trial;

/* Instead of a value, the same type's part of something wider, with other bits above. */
static ir_val part(ir_builder *b, ir_type type, pb_u128 *value, ir_val otherwise)
{
    uint32_t slot = toy_slot_of(type == IR_V64 ? IR_V128 : IR_I64) + random_below(2);
    pb_u128 wide = machine->state->slot[slot];

    switch (type) {
    case IR_I8:
    case IR_I16:
    case IR_I32:
        *value = (pb_u128){ wide.lo & ir_sem_mask(ir_type_bits[type]), 0 };
        return ir_trunc(b, type, ir_get(b, IR_I64, slot));
    case IR_V64:
        *value = (pb_u128){ wide.lo, 0 };
        return ir_v_half(b, ir_get(b, IR_V128, slot), 0);
    case IR_F32:
    case IR_F64:
        slot = toy_slot_of(IR_V128);
        wide = machine->state->slot[slot];
        *value = (pb_u128){ wide.lo & ir_sem_mask(ir_type_bits[type]), 0 };
        return ir_v_lane(b, type, ir_get(b, IR_V128, slot), type == IR_F32 ? 2 : 3, 0);
    default:
        return otherwise;
    }
}

/* A unit that puts the operation's results into slots; false if the verifier refuses it. */
static bool build(ir_unit *u, trial *t)
{
    ir_val args[4] = { ir_none(), ir_none(), ir_none(), ir_none() }, r;
    ir_type second = ir_second_type(t->record.op);
    ir_builder b = pb_ir_builder(u);

    pb_ir_unit_reset(u, &toy_type, 0x100, 0);
    ir_block_begin(&b, ir_block_new(&b));
    for (uint32_t i = 0; i < t->record.n_args; i++) {
        uint32_t slot = toy_slot_of(t->types[i + 1]);

        /* From slots and from constants in turn: the second slot of a pair for the second of a type. */
        if (random_below(2)) {
            slot += i;
            if (t->types[i + 1] != IR_I64)
                slot = slot > toy_slot_of(t->types[i + 1]) + 1 ? slot - i : slot;
        }
        args[i] = random_below(3) ? ir_get(&b, t->types[i + 1], slot)
                                  : ir_const128(&b, t->types[i + 1], t->args[i]);
        if (!(args[i].id & IR_CONST_BIT))
            t->args[i] = machine->state->slot[slot];
        if (random_below(3) == 0)
            args[i] = part(&b, t->types[i + 1], &t->args[i], args[i]);
    }
    r = ir_emit(&b, (ir_op)t->record.op, t->types[0], t->record.attr, t->record.aux,
                t->record.n_args, args[0], args[1], args[2], args[3]);
    ir_put(&b, r, toy_slot_of(t->types[0]));
    if (second != IR_VOID)
        ir_put(&b, (ir_val){ r.id | 1 }, toy_slot_of(second) + (second == t->types[0]));
    ir_exit(&b, PB_RUN_YIELD, 0x104);
    return pb_ir_verify(u, NULL);
}

static void fill_slots(void)
{
    for (uint32_t i = 0; i < TOY_SLOTS; i++)
        machine->state->slot[i] = random_value((ir_type)toy_type.slots[i].type);
    machine->state->slot[TOY_PC].lo = 0x100;
    machine->state->slot[TOY_MODE].lo = 0;
}

static void random_env(pb_fp_env *env)
{
    const pb_fp_rules rules[] = { pb_fp_rules_arm(), pb_fp_rules_x86(), pb_fp_rules_x87(),
                                  pb_fp_rules_ppc() };

    env->rules = rules[random_below(4)];
    env->round = (uint8_t)random_below(6);
    env->precision = (uint8_t[]){ 24, 53, 64, 0 }[random_below(4)];
    env->flags = 0;
    env->rules.default_nan = random_below(4) == 0;
    env->rules.flush_in = env->rules.flush_out = random_below(4) == 0;
    env->rules.alt_half = random_below(8) == 0;
}

static bool is_fp(const ir_op_record *r)
{
    return ir_ops_table[r->op].properties & IR_PROP_FP;
}

static uint32_t attr_named(const ir_op_record *r, const char *name, uint32_t otherwise)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (!strcmp(info->attrs[i].name, name))
            return ir_attr_get(r, &info->attrs[i]);
    return otherwise;
}

static bool same(pb_u128 a, pb_u128 b)
{
    return a.lo == b.lo && a.hi == b.hi;
}

static void complain(const ir_unit *u, const trial *t, const pb_u128 *expected)
{
    g_autoptr(GString) text = g_string_new(NULL);

    pb_ir_print(u, text);
    printf("\n%s", text->str);
    for (uint32_t i = 0; i < t->record.n_args; i++)
        printf("operand %u: 0x%016" PRIx64 "_%016" PRIx64 "\n", i + 1, t->args[i].hi,
               t->args[i].lo);
    printf("expected 0x%016" PRIx64 "_%016" PRIx64 ", 0x%" PRIx64 "\n", expected[0].hi,
           expected[0].lo, expected[1].lo);
}

/* Run a unit that build() made and compare. */
static bool run_trial(const ir_unit *u, const trial *t)
{
    ir_type second = ir_second_type(t->record.op);
    uint32_t env = attr_named(&t->record, "env", 0), rm = attr_named(&t->record, "rm", 15);
    pb_fp_env copy;
    ir_fp fp = { .ops = &pb_fp_ops_table, .env = &copy };
    pb_u128 expected[2];
    bool ok;
#ifdef TEST_CODEGEN
    uint32_t kept = PB_FP_IEEE_FLAGS; /* patchbay/vcpu.h, fp */
#else
    uint32_t kept = UINT32_MAX;
#endif

    for (uint32_t i = 0; i < 4; i++)
        random_env(&machine->vcpu->fp[i]);
    copy = machine->vcpu->fp[env];
    if (rm != IR_ROUND_ENV)
        copy.round = (uint8_t)rm;
    if (!ir_ops_eval(&t->record, t->types, t->args, &fp, expected))
        return false;
    accel_use_unit(machine, u);
    ok = accel_run(&interp, 1000) == PB_RUN_YIELD;
    ok &= same(machine->state->slot[toy_slot_of(t->types[0])], expected[0]);
    if (second != IR_VOID)
        ok &=
            same(machine->state->slot[toy_slot_of(second) + (second == t->types[0])], expected[1]);
    if (is_fp(&t->record))
        ok &= !((machine->vcpu->fp[env].flags ^ copy.flags) & kept);
    if (rm == IR_ROUND_ENV)
        ok &= machine->vcpu->fp[env].round == copy.round;
    if (!ok)
        complain(u, t, expected);
    return ok;
}

static void random_attrs(ir_op_record *r)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    r->attr = r->aux = 0;
    for (uint32_t i = 0; i < info->n_attrs; i++) {
        const ir_attr_info *a = &info->attrs[i];
        /* Half of the time small: ranges are small mostly. */
        uint32_t value = random_below(2) ? random_below(8) : (uint32_t)random_bits();

        if (!strcmp(a->name, "rm") && random_below(2))
            value = IR_ROUND_ENV;
        *(a->aux ? &r->aux : &r->attr) |= (uint32_t)(value & ir_sem_mask(a->bits)) << a->shift;
    }
}

static bool shifts_by_lanes(uint32_t op)
{
    return op == IR_OP_V_SHLV_U || op == IR_OP_V_SHLV_S || op == IR_OP_V_RSHLV_U ||
           op == IR_OP_V_RSHLV_S || op == IR_OP_V_QSHLV_U || op == IR_OP_V_QSHLV_S ||
           op == IR_OP_V_QRSHLV_U || op == IR_OP_V_QRSHLV_S;
}

/* Counts about zero and the lanes' width, and short numbers to shift: the slots that build() takes them from. */
static void fill_shifts(trial *t)
{
    uint32_t slot = toy_slot_of(t->types[1]), es = attr_named(&t->record, "es", 0), bits = 8u << es;
    pb_u128 *a = &machine->state->slot[slot], *b = &machine->state->slot[slot + 1];

    for (uint32_t i = 0; i < ir_type_bits[t->types[1]] / bits; i++) {
        uint64_t x = random_word(bits), wide = random_bits() & ir_sem_mask(bits) & ~UINT64_C(0xff);
        uint32_t n = random_below(bits + 3);

        if (random_below(2))
            x = (random_below(2) ? x : ~x + 1) >> random_below(bits);
        if (random_below(4))
            *b = ir_sem_v_setlane(*b, wide | ((random_below(2) ? n : 0 - n) & 0xff), es, i);
        if (random_below(4))
            *a = ir_sem_v_setlane(*a, x & ir_sem_mask(bits), es, i);
    }
}

/* f32 about the smallest normal f16, and where they are rounded to it. */
static void fill_tiny_halves(void)
{
    uint32_t slot = toy_slot_of(IR_F32);

    for (uint32_t i = 0; i < 2; i++)
        if (random_below(2))
            machine->state->slot[slot + i].lo =
                (random_bits() & 0x80000000) | (0x38800800 - random_below(0x2000));
}

/* Cases of one combination of types; false if one of them fails. *any: the verifier accepted some. */
static bool run_types(trial *t, bool *any)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    uint32_t cases = 0;

    for (uint32_t tries = 0; tries < ATTR_TRIES * factor && cases < CASES * factor; tries++) {
        random_attrs(&t->record);
        fill_slots();
        if (shifts_by_lanes(t->record.op))
            fill_shifts(t);
        if (t->record.op == IR_OP_FCVT && t->types[0] == IR_F16 && t->types[1] == IR_F32)
            fill_tiny_halves();
        for (uint32_t i = 0; i < t->record.n_args; i++)
            t->args[i] = random_value(t->types[i + 1]);
        if (!build(u, t)) {
            if (tries > 100 && !cases && !ir_ops_table[t->record.op].n_attrs)
                break;
            continue;
        }
        *any = true;
        cases++;
        if (!run_trial(u, t))
            return false;
    }
    return true;
}

/* All combinations of types for the places from `place` on. */
static bool each_type(trial *t, uint32_t place, bool *any, uint32_t *combinations)
{
    const ir_op_info *info = &ir_ops_table[t->record.op];
    const ir_type_class *class;

    if (place > info->n_operands) {
        bool here = false, ok = run_types(t, &here);

        *combinations += here;
        *any |= here;
        return ok;
    }
    class = place ? &info->operands[place - 1] : &info->results[0];
    for (uint32_t type = IR_I1; type < IR_TYPE_COUNT; type++) {
        bool fits = class->types >> type & 1;

        for (uint32_t before = 0; before < place && class->variable; before++) {
            const ir_type_class *other = before ? &info->operands[before - 1] : &info->results[0];

            fits &= other->variable != class->variable || t->types[before] == type;
        }
        t->types[place] = (ir_type)type;
        if (fits && !each_type(t, place + 1, any, combinations))
            return false;
    }
    return true;
}

static void every_operation(void)
{
    uint32_t operations = 0, combinations = 0;

    for (uint32_t op = 0; op < IR_OP_COUNT; op++) {
        const ir_op_info *info = &ir_ops_table[op];
        trial t = { .record = { .op = (uint16_t)op, .n_args = info->n_operands } };
        bool any = false;

        if (!(info->properties & (IR_PROP_PURE | IR_PROP_FP)))
            continue;
        operations++;
        if (!each_type(&t, 0, &any, &combinations)) {
            printf("%s\n", info->name);
            CU_FAIL("the interpreter and the evaluator differ");
        }
        if (!any) {
            printf("%s\n", info->name);
            CU_FAIL("no case was accepted by the verifier");
        }
    }
    printf("%u operations, %u combinations of types ... ", operations, combinations);
    CU_ASSERT_TRUE(operations > 200);
    CU_ASSERT_TRUE(combinations > 600);
}

#ifdef TEST_CODEGEN
#include "jit.h"

static bool open_subject(int argc, char **argv)
{
    if (argc != 3)
        return false;
    jit_open(argv[1]);
    jit_set(argv[2]);
    accel_use_type(&jit_type);
    return true;
}
#else
static bool open_subject(int argc, char **argv)
{
    if (argc != 2)
        return false;
    accel_open(argv[1]);
    return true;
}
#endif

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "every operation on every type", every_operation },
        { 0 },
    };
    int status;

    factor = random_init();
    if (!open_subject(argc, argv))
        return 2;
    machine = toy_new();
    machine->translate = NULL;
    accel_use_unit(machine, NULL);
    interp = accel_new(machine, 0);
    status = unit_run("IR operations", cases);
    accel_free(&interp);
    toy_free(machine);
    return status;
}
