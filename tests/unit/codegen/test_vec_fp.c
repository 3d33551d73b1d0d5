/*
 * Floating point by lanes against the reference semantics: single operations whose lanes are near edges or come out there
 * (NaNs, zeros, denormals, the smallest normal number, ends of integers), in the environments that guests have. Results
 * and sticky flags must be the same to the bit. Lanes are independent: one that is redone must not change the others', and
 * what is above a 64-bit vector must raise nothing. Values that are needed later stay, whichever way the code took: of some
 * cases there are more of them than registers.
 *
 * usage: test_vec_fp codegen.so OPTIONS      jit.h says which options; random.h what multiplies the number of cases
 */
#include "jit.h"

#include <core/ir/text.h>
#include <core/ir/unit.h>
#include <core/ir/verify.h>
#include <math.h>

#include "../ir/random.h"
#include "../runner.h"

enum { CASES = 600, MOST_HELD = 14 };

static uint32_t factor;
static toy_machine *machine;
static accel subject;

/* ---- operands ---------------------------------------------------------------------------------------------- */

static uint64_t of_double(uint32_t bits, double x)
{
    float f = (float)x;
    uint32_t narrow;
    uint64_t wide;

    memcpy(&narrow, &f, 4);
    memcpy(&wide, &x, 8);
    return bits == 32 ? narrow : wide;
}

static uint64_t near(uint32_t bits, uint64_t v)
{
    return (v + random_below(5) - 2) & ir_sem_mask(bits);
}

static uint64_t edge(uint32_t bits)
{
    static const int8_t powers[] = { -126, -1, 0, 1, 24, 30, 31, 32, 52, 53, 62, 63, 64, 127 };
    uint64_t sign = random_bits() & ir_sem_sign(bits);
    double x;

    if (bits == 16)
        return random_float(bits);

    switch (random_below(4)) {
    case 0:
        return random_float(bits);
    case 1: /* about powers of two */
        x = ldexp(1, powers[random_below(sizeof(powers))]);
        return near(bits, sign | of_double(bits, x));
    case 2: /* small numbers with halves */
        return sign | of_double(bits, (double)random_below(4096) / 8);
    default:
        return sign | of_double(bits, 1 + (double)random_below(1000000) / 999983);
    }
}

/* Lanes of which the product, the quotient or the narrower number is about the smallest normal one. */
static void tiny_lane(uint32_t op, uint32_t bits, uint64_t lane[3])
{
    double tiny = bits == 32 || op == IR_OP_V_FCVTN ? 0x1p-126 : 0x1p-1022;
    double a = 1 + (double)random_below(1000000) / 999983;
    uint64_t sign = random_bits() & ir_sem_sign(bits);

    if (op == IR_OP_V_FCVTN && bits == 32) { /* of f16 */
        lane[0] = sign | (of_double(32, 0x1p-14) + 0x800 - random_below(0x2000));
        return;
    }
    if (op == IR_OP_V_FCVTN) {
        lane[0] = of_double(64, tiny) - (random_bits() >> (34 + random_below(29)));
        return;
    }
    lane[0] = of_double(bits, op == IR_OP_V_FDIV ? tiny * a : a * 0x1p-60);
    lane[1] = sign | near(bits, of_double(bits, op == IR_OP_V_FDIV ? a : tiny / a * 0x1p60));
    lane[2] = random_below(2) ? sign : near(bits, of_double(bits, tiny / 2));
}

static void random_operands(uint32_t op, uint32_t es, pb_u128 args[3])
{
    bool integers = op == IR_OP_V_SCVT_F || op == IR_OP_V_UCVT_F, dull = random_below(2);
    uint32_t bits = 8u << es, special = random_below(16 >> es), nans = random_below(3);

    for (uint32_t i = 0; i < 16u >> es; i++) {
        uint64_t lane[3];

        for (uint32_t k = 0; k < 3; k++)
            lane[k] = integers                       ? random_word(bits)
                      : dull && i != special         ? of_double(bits, 1 + random_below(100))
                      : nans == 0 && random_below(3) ? random_nan(bits)
                                                     : edge(bits);
        if (!integers && bits > 16 && random_below(3) == 0)
            tiny_lane(op, bits, lane);
        for (uint32_t k = 0; k < 3; k++)
            args[k] = ir_sem_v_setlane(args[k], lane[k], es, i);
    }
}

/* Mostly Arm, as FPCR has it: AHP, DN, FZ, RMode. */
static void random_env(pb_fp_env *env)
{
    *env = (pb_fp_env){ .rules = pb_fp_rules_arm(), .round = (uint8_t)random_below(4) };
    if (random_below(8) == 0)
        env->rules = random_below(2) ? pb_fp_rules_ppc() : pb_fp_rules_x86();
    if (random_below(4) == 0)
        env->rules.default_nan = 1;
    if (random_below(3) == 0)
        env->rules.flush_in = env->rules.flush_out = 1;
    if (random_below(16) == 0)
        env->rules.tiny_after ^= 1;
    if (random_below(16) == 0)
        env->rules.alt_half = 1;
}

/* ---- cases ------------------------------------------------------------------------------------------------- */

static void set_attr(ir_op_record *r, const char *name, uint32_t v)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (!strcmp(info->attrs[i].name, name))
            r->attr |= v << info->attrs[i].shift;
}

/* Values that wait in registers, or where those are not enough, elsewhere: sums of a slot and a number. */
typedef struct held {
    uint32_t n;
    ir_val general[MOST_HELD], vectors[MOST_HELD];
} held;

static void hold(ir_builder *b, held *h, uint32_t n)
{
    h->n = n;
    for (uint32_t i = 0; i < n; i++) {
        pb_u128 k = ir_sem_v_dup(i + 1, 3, 128);

        h->general[i] = ir_add(b, ir_get(b, IR_I64, 0), ir_imm64(b, i + 1));
        h->vectors[i] =
            ir_v_add(b, ir_get(b, IR_V128, toy_slot_of(IR_V128)), ir_const128(b, IR_V128, k), 3);
    }
}

/* Each one is looked at: x1 and the second vector's slot get what held_stayed() expects. */
static void let_go(ir_builder *b, const held *h)
{
    ir_val x = ir_imm64(b, 0), v = ir_v_zero(b, IR_V128);

    for (uint32_t i = 0; i < h->n; i++) {
        x = ir_xor(b, ir_ror(b, x, ir_imm64(b, 7)), h->general[i]);
        v = ir_v_xor(b, ir_v_ext(b, v, v, 3), h->vectors[i]);
    }
    ir_put(b, x, 1);
    ir_put(b, v, toy_slot_of(IR_V128) + 1);
}

static bool held_stayed(uint32_t n, uint64_t general, pb_u128 vector)
{
    pb_u128 v = ir_sem_v_zero(), got = machine->state->slot[toy_slot_of(IR_V128) + 1];
    uint64_t x = 0;

    for (uint32_t i = 0; i < n; i++) {
        x = ir_sem_ror(x, 7, 64) ^ (general + i + 1);
        v = ir_sem_v_xor(ir_sem_v_ext(v, v, 3, 128),
                         ir_sem_v_add(vector, ir_sem_v_dup(i + 1, 3, 128), 3, 128));
    }
    return machine->state->slot[1].lo == x && got.lo == v.lo && got.hi == v.hi;
}

/* The operation on the two 128-bit slots and a constant; 64-bit operands are their halves, with the others above. */
static void build(ir_unit *u, const ir_op_record *r, const ir_type *types, pb_u128 third,
                  uint32_t n_held)
{
    uint32_t slot = toy_slot_of(IR_V128);
    ir_val args[4] = { ir_none(), ir_none(), ir_none(), ir_none() }, result;
    ir_builder b = pb_ir_builder(u);
    held h;

    pb_ir_unit_reset(u, &toy_type, 0x100, 0);
    ir_block_begin(&b, ir_block_new(&b));
    hold(&b, &h, n_held);
    for (uint32_t i = 0; i < r->n_args; i++) {
        args[i] = i < 2 ? ir_get(&b, IR_V128, slot + i) : ir_const128(&b, IR_V128, third);
        if (types[i + 1] == IR_V64)
            args[i] = ir_v_half(&b, args[i], 0);
    }
    result = ir_emit(&b, (ir_op)r->op, types[0], r->attr, r->aux, r->n_args, args[0], args[1],
                     args[2], args[3]);
    ir_put(&b, types[0] == IR_V64 ? ir_v_wide(&b, result) : result, slot);
    let_go(&b, &h);
    ir_exit(&b, PB_RUN_YIELD, 0x104);
}

static void complain(const ir_unit *u, const pb_u128 *args, pb_u128 expected, const pb_fp_env *env)
{
    uint32_t slot = toy_slot_of(IR_V128);
    g_autoptr(GString) text = g_string_new(NULL);

    pb_ir_print(u, text);
    printf("\n%s", text->str);
    for (uint32_t i = 0; i < 3; i++)
        printf("operand %u: 0x%016" PRIx64 "_%016" PRIx64 "\n", i, args[i].hi, args[i].lo);
    printf("rounding %u: 0x%016" PRIx64 "_%016" PRIx64 ", flags 0x%x, not 0x%016" PRIx64
           "_%016" PRIx64 ", 0x%x\n",
           env->round, machine->state->slot[slot].hi, machine->state->slot[slot].lo,
           machine->vcpu->fp[0].flags, expected.hi, expected.lo, env->flags);
}

static bool one_case(ir_unit *u, const ir_op_record *r, const ir_type *types)
{
    uint32_t slot = toy_slot_of(IR_V128);
    pb_u128 args[3] = { 0 }, cut[4], expected[2], got;
    pb_fp_env env;
    ir_fp fp = { .ops = &pb_fp_ops_table, .env = &env };
    uint32_t es = (r->attr & 3) + (r->op == IR_OP_V_FCVTN), rm = r->attr >> 2 & 15;
    uint32_t n_held = random_below(2) ? random_below(MOST_HELD + 1) : 0;
    uint64_t general = random_bits();
    bool has_rm = ir_ops_table[r->op].n_attrs > 2;

    random_operands(r->op, es, args);
    random_env(&env);
    machine->vcpu->fp[0] = env;
    if (has_rm && rm != IR_ROUND_ENV)
        env.round = (uint8_t)rm;
    for (uint32_t i = 0; i < 3; i++)
        cut[i] = ir_ops_cut(types[1], args[i]);
    build(u, r, types, args[2], n_held);
    if (!pb_ir_verify(u, NULL) || !ir_ops_eval(r, types, cut, &fp, expected))
        return false;
    machine->state->slot[0].lo = general;
    machine->state->slot[slot] = args[0];
    machine->state->slot[slot + 1] = args[1];
    machine->state->slot[TOY_PC].lo = 0x100;
    accel_use_unit(machine, u);
    if (accel_run(&subject, 1000) != PB_RUN_YIELD)
        return false;
    got = machine->state->slot[slot];
    if (got.lo == expected[0].lo && got.hi == expected[0].hi &&
        held_stayed(n_held, general, args[0]) &&
        !((machine->vcpu->fp[0].flags ^ env.flags) & PB_FP_IEEE_FLAGS))
        return true;
    complain(u, args, expected[0], &env);
    return false;
}

static const struct {
    uint16_t op;
    uint8_t n_args;
} kinds[] = {
    { IR_OP_V_FADD, 2 },   { IR_OP_V_FSUB, 2 },   { IR_OP_V_FMUL, 2 },   { IR_OP_V_FDIV, 2 },
    { IR_OP_V_FSQRT, 1 },  { IR_OP_V_FMA, 3 },    { IR_OP_V_FMIN, 2 },   { IR_OP_V_FMAX, 2 },
    { IR_OP_V_FMINNM, 2 }, { IR_OP_V_FMAXNM, 2 }, { IR_OP_V_FNEG, 1 },   { IR_OP_V_FABS, 1 },
    { IR_OP_V_FCMEQ, 2 },  { IR_OP_V_FCMGE, 2 },  { IR_OP_V_FCMGT, 2 },  { IR_OP_V_FCVT_S, 1 },
    { IR_OP_V_FCVT_U, 1 }, { IR_OP_V_SCVT_F, 1 }, { IR_OP_V_UCVT_F, 1 }, { IR_OP_V_FRINT, 1 },
    { IR_OP_V_FCVTL, 1 },  { IR_OP_V_FCVTN, 1 },
};

static void random_record(ir_op_record *r, ir_type *types)
{
    uint32_t kind = random_below(G_N_ELEMENTS(kinds)), es = 2 + random_below(2);
    ir_type type = random_below(3) ? IR_V128 : IR_V64;

    *r = (ir_op_record){ .op = kinds[kind].op, .n_args = kinds[kind].n_args };
    if (r->op == IR_OP_V_FCVTL || r->op == IR_OP_V_FCVTN)
        es = 1 + random_below(2);
    for (uint32_t i = 0; i < 5; i++)
        types[i] = type;
    if (r->op == IR_OP_V_FCVTL || r->op == IR_OP_V_FCVTN) {
        types[0] = r->op == IR_OP_V_FCVTL ? IR_V128 : IR_V64;
        types[1] = r->op == IR_OP_V_FCVTL ? IR_V64 : IR_V128;
    }
    r->type = (uint8_t)types[0];
    set_attr(r, "es", es);
    set_attr(r, "rm", random_below(2) ? IR_ROUND_ENV : random_below(5));
    if (r->op == IR_OP_V_FMA && random_below(2))
        set_attr(r, "neg", random_below(8));
    else if (r->op == IR_OP_V_FRINT)
        set_attr(r, "n", random_below(2));
    else if (r->op != IR_OP_V_FMA && random_below(4) == 0)
        set_attr(r, "n", random_below(33));
}

static void operations(void)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);

    for (uint32_t i = 0; i < CASES * G_N_ELEMENTS(kinds) * factor; i++) {
        ir_op_record r;
        ir_type types[5];

        random_record(&r, types);
        if (!one_case(u, &r, types)) {
            CU_FAIL_FATAL("a result differs");
        }
    }
    CU_ASSERT_EQUAL(jit_refused, 0);
}

static void there_were_traps(void)
{
    CU_ASSERT_EQUAL(jit_trapped > 0, jit_how.traps);
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "operations on lanes near edges", operations },
        { "traps, if there are to be any", there_were_traps },
        { 0 },
    };
    int status;

    factor = random_init();
    if (argc != 3)
        return 2;
    jit_open(argv[1]);
    jit_set(argv[2]);
    accel_use_type(&jit_type);
    machine = toy_new();
    machine->translate = NULL;
    accel_use_unit(machine, NULL);
    subject = accel_new(machine, 0);
    status = unit_run("emitted floating point by lanes", cases);
    accel_free(&subject);
    toy_free(machine);
    return status;
}
