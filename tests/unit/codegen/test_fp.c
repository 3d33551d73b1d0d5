/*
 * Emitted floating point against the reference semantics: single operations and short programs of them, on operands near
 * every edge (NaNs, infinities, zeros, denormals, the smallest normal number, ends of integer ranges), in the
 * environments that guests have. Results, comparisons' flags and sticky flags must be the same to the bit.
 *
 * usage: test_fp codegen.so OPTIONS      jit.h says which options; random.h what multiplies the number of cases
 */
#include "jit.h"

#include <core/ir/text.h>
#include <core/ir/unit.h>
#include <core/ir/verify.h>
#include <math.h>
#include <xmmintrin.h>

#include "../ir/random.h"
#include "../runner.h"

enum { PROGRAMS = 40, CASES = 24, MOST_STEPS = 12, MOST_VALUES = 48 };

static uint32_t factor;
static toy_machine *machine;
static accel subject;
static bool nans; /* of a case: most operands are NaNs, or make some */

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

static double to_double(uint32_t bits, uint64_t v)
{
    uint32_t narrow = (uint32_t)v;
    float f;
    double x;

    memcpy(&f, &narrow, 4);
    memcpy(&x, &v, 8);
    return bits == 32 ? (double)f : x;
}

/* A few units in the last place away. */
static uint64_t near(uint32_t bits, uint64_t v)
{
    return (v + random_below(7) - 3) & ir_sem_mask(bits);
}

static uint64_t edge(uint32_t bits)
{
    uint32_t mantissa = bits == 32 ? 23 : 52;
    uint64_t infinity = ir_sem_mask(bits - 1 - mantissa) << mantissa, sign = ir_sem_sign(bits);
    uint64_t v = random_bits() & ir_sem_mask(bits);

    if (nans && random_below(3))
        return random_nan(bits);
    sign &= random_bits();
    switch (random_below(12)) {
    case 0:
        return sign;
    case 1:
        return sign | infinity;
    case 2: /* a quiet NaN */
        return sign | infinity | UINT64_C(1) << (mantissa - 1) | (v & ir_sem_mask(mantissa - 1));
    case 3: /* a signalling one, or infinity */
        return sign | infinity | (v & ir_sem_mask(mantissa - 1));
    case 4: /* denormal */
        return sign | (v & ir_sem_mask(mantissa));
    case 5: /* about the smallest normal number */
        return near(bits, sign | UINT64_C(1) << mantissa);
    case 6: /* about the largest */
        return near(bits, sign | (infinity - 2));
    case 7: /* about powers of two, and halves */
        return near(bits, sign | of_double(bits, ldexp(1, (int)random_below(70) - 2)));
    case 8: /* ends of integers */
        return near(bits,
                    sign | of_double(bits, ldexp(1, (int)(uint8_t[]){ 31, 32, 52, 53, 63, 64, 24,
                                                                      30 }[random_below(8)])));
    case 9: /* small numbers with halves */
        return sign | of_double(bits, (double)random_below(4096) / 8);
    default:
        return v;
    }
}

static pb_u128 operand(ir_type type)
{
    switch (type) {
    case IR_F32:
    case IR_F64:
        return (pb_u128){ edge(ir_type_bits[type]), 0 };
    case IR_V128:
        return random_below(2) ? (pb_u128){ edge(64), random_below(2) ? 0 : random_bits() }
                               : (pb_u128){ edge(32) | random_bits() << 32, random_bits() };
    default:
        return random_value(type);
    }
}

/* Makes the operation's result come out near the smallest normal number (of f32, if it is a conversion to that), or
 * exactly between two numbers. The host's arithmetic only makes it likely. */
static void bring_near(const ir_op_record *r, uint32_t bits, pb_u128 *args)
{
    double tiny = r->op == IR_OP_FCVT || bits == 32 ? 0x1p-126 : 0x1p-1022;
    double a = to_double(bits, edge(bits)), b;

    if (!isnormal(a) || fabs(a) > 0x1p100 || fabs(a) < 0x1p-100)
        a = 1 + (double)random_below(1000000) / 999983;
    b = tiny / a;
    switch (r->op) {
    case IR_OP_FMUL:
        args[0].lo = of_double(bits, a * 0x1p20);
        args[1].lo = near(bits, of_double(bits, b * 0x1p-20 * (random_below(2) ? 1 : -1)));
        break;
    case IR_OP_FDIV:
        args[0].lo = near(bits, of_double(bits, tiny * a));
        args[1].lo = near(bits, of_double(bits, a));
        break;
    case IR_OP_FMA:
        args[0].lo = of_double(bits, a);
        args[1].lo = near(bits, of_double(bits, random_below(2) ? b : b / 2));
        args[2].lo = near(bits, of_double(bits, random_below(2) ? 0 : tiny / 2));
        if (random_below(2)) /* the sum's last bits are far below */
            args[0].lo = of_double(bits, a * 0x1p-40);
        break;
    case IR_OP_FCVT:
        args[0].lo = (of_double(64, tiny) | (random_bits() & ir_sem_sign(64))) -
                     (random_bits() >> (34 + random_below(29)));
        break;
    case IR_OP_FADD:
    case IR_OP_FSUB:
        args[0].lo = near(bits, of_double(bits, tiny * a));
        args[1].lo = near(bits, of_double(bits, tiny * (a - 1)));
        break;
    default:
        break;
    }
}

/* ---- environments ------------------------------------------------------------------------------------------ */

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
}

/* ---- programs ---------------------------------------------------------------------------------------------- */

typedef struct value {
    ir_val id;
    ir_type type;
    uint32_t slot; /* inputs: where it comes from */
    int lane;      /* of a vector in that slot: log2 of its bytes; -1: all */
    pb_u128 now;   /* of the case */
} value;

typedef struct step {
    ir_op_record record;
    ir_type types[5];
    uint32_t args[4], result; /* values */
} step;

typedef struct program {
    value values[MOST_VALUES];
    step steps[2 * MOST_STEPS];
    uint32_t n_values, n_inputs, n_steps;
    struct {
        uint32_t slot, value;
    } outputs[16];
    uint32_t n_outputs;
} program;

static uint32_t add_value(program *p, ir_val id, ir_type type)
{
    p->values[p->n_values] = (value){ .id = id, .type = type };
    return p->n_values++;
}

static void add_input(program *p, ir_builder *b, ir_type type, uint32_t slot, int lane)
{
    ir_type slot_type = (ir_type)toy_type.slots[slot].type;
    ir_val v = ir_get(b, slot_type, slot);
    uint32_t n = add_value(p, lane < 0 ? v : ir_v_lane(b, type, v, (uint32_t)lane, 0), type);

    p->values[n].slot = slot;
    p->values[n].lane = lane;
    p->n_inputs = p->n_values;
}

static uint32_t pick(const program *p, ir_type type)
{
    uint32_t found = 0, n = 0;

    for (uint32_t i = 0; i < p->n_values; i++) /* late ones more often */
        if (p->values[i].type == type && random_below(++n) < 1 + (i >= p->n_inputs))
            found = i;
    return found;
}

static const struct {
    uint8_t op, n_args;
    int8_t result; /* type: -1 as the operands */
    int8_t operand;
} kinds[] = {
    { IR_OP_FADD, 2, -1, -1 },         { IR_OP_FSUB, 2, -1, -1 },
    { IR_OP_FMUL, 2, -1, -1 },         { IR_OP_FMUL, 2, -1, -1 },
    { IR_OP_FDIV, 2, -1, -1 },         { IR_OP_FSQRT, 1, -1, -1 },
    { IR_OP_FMA, 3, -1, -1 },          { IR_OP_FMA, 3, -1, -1 },
    { IR_OP_FMIN, 2, -1, -1 },         { IR_OP_FMAX, 2, -1, -1 },
    { IR_OP_FMINNM, 2, -1, -1 },       { IR_OP_FMAXNM, 2, -1, -1 },
    { IR_OP_FNEG, 1, -1, -1 },         { IR_OP_FABS, 1, -1, -1 },
    { IR_OP_FCMP, 2, IR_FL, -1 },      { IR_OP_FCMP, 2, IR_FL, -1 },
    { IR_OP_FCVT, 1, IR_F32, IR_F64 }, { IR_OP_FCVT, 1, IR_F64, IR_F32 },
    { IR_OP_FCVT_S, 1, IR_I32, -1 },   { IR_OP_FCVT_S, 1, IR_I64, -1 },
    { IR_OP_FCVT_U, 1, IR_I32, -1 },   { IR_OP_FCVT_U, 1, IR_I64, -1 },
    { IR_OP_SCVT_F, 1, -1, IR_I32 },   { IR_OP_SCVT_F, 1, -1, IR_I64 },
    { IR_OP_UCVT_F, 1, -1, IR_I32 },   { IR_OP_UCVT_F, 1, -1, IR_I64 },
    { IR_OP_FRINT, 1, -1, -1 },        { IR_OP_SEL_CC, 3, -1, -1 },
    { IR_OP_SET_CC, 1, IR_I1, IR_FL },
};

static void set_attr(ir_op_record *r, const char *name, uint32_t v)
{
    const ir_op_info *info = &ir_ops_table[r->op];

    for (uint32_t i = 0; i < info->n_attrs; i++)
        if (!strcmp(info->attrs[i].name, name))
            r->attr |= v << info->attrs[i].shift;
}

static void random_attrs(ir_op_record *r, uint32_t kind)
{
    bool one_rounding = kind < 7; /* translators name no other mode for arithmetic */

    set_attr(r, "rm",
             one_rounding || random_below(2) ? IR_ROUND_ENV
             : random_below(8)               ? random_below(4)
                                             : 4);
    if (random_below(16) == 0)
        set_attr(r, "env", 1 + random_below(3));
    if (r->op == IR_OP_FMA && random_below(3) == 0)
        set_attr(r, "neg", random_below(8));
    if (r->op == IR_OP_FCMP || r->op == IR_OP_FRINT)
        set_attr(r, "n", random_below(2));
    else if (random_below(8) == 0)
        set_attr(r, "n", random_below(33));
    set_attr(r, "cc", random_below(16));
}

/* The last value of a type. */
static uint32_t latest(const program *p, ir_type type)
{
    for (uint32_t i = p->n_values; i-- > 0;)
        if (p->values[i].type == type)
            return i;
    return 0;
}

static uint32_t kind_of(uint32_t op)
{
    for (uint32_t i = 0; i < G_N_ELEMENTS(kinds); i++)
        if (kinds[i].op == op)
            return i;
    return 0;
}

static void add_step(program *p, ir_builder *b, uint32_t kind)
{
    step *s = &p->steps[p->n_steps];
    ir_type type = random_below(3) ? IR_F64 : IR_F32;
    ir_type result = kinds[kind].result < 0 ? type : (ir_type)kinds[kind].result;
    ir_type of = kinds[kind].operand < 0 ? type : (ir_type)kinds[kind].operand;
    ir_val args[4] = { ir_none(), ir_none(), ir_none(), ir_none() };

    *s = (step){ .record = { .op = kinds[kind].op, .n_args = kinds[kind].n_args } };
    s->types[0] = result;
    for (uint32_t i = 0; i < kinds[kind].n_args; i++) {
        s->types[i + 1] = kinds[kind].op == IR_OP_SEL_CC && i == 0 ? IR_FL : of;
        s->args[i] = s->types[i + 1] == IR_FL && random_below(4) ? latest(p, IR_FL)
                                                                 : pick(p, s->types[i + 1]);
        args[i] = p->values[s->args[i]].id;
    }
    random_attrs(&s->record, kind);
    s->record.type = (uint8_t)result;
    s->result = add_value(p,
                          ir_emit(b, (ir_op)s->record.op, result, s->record.attr, 0,
                                  s->record.n_args, args[0], args[1], args[2], args[3]),
                          result);
    p->n_steps++;
}

static void add_output(program *p, ir_builder *b, uint32_t slot, uint32_t from)
{
    ir_val v = p->values[from].id;

    if (toy_type.slots[slot].type == IR_V128)
        v = ir_v_from(b, IR_V128, v);
    ir_put(b, v, slot);
    p->outputs[p->n_outputs].slot = slot;
    p->outputs[p->n_outputs++].value = from;
}

/* In the middle: an access to a device, where the state is complete. */
static void visit_device(ir_builder *b)
{
    ir_insn(b, 0x104, 4, 0);
    ir_st(b, ir_imm64(b, TOY_MMIO), ir_get(b, IR_I64, 6), PB_MEM_SIZE_LOG2(3));
}

static void build(program *p, ir_unit *u, uint32_t steps, uint32_t kind)
{
    uint32_t vector = toy_slot_of(IR_V128), device = random_below(3 * MOST_STEPS);
    ir_builder b = pb_ir_builder(u);

    memset(p, 0, sizeof(*p));
    pb_ir_unit_reset(u, &toy_type, 0x100, 0);
    ir_block_begin(&b, ir_block_new(&b));
    ir_insn(&b, 0x100, 4, 0);
    for (uint32_t i = 0; i < 2; i++) {
        add_input(p, &b, IR_F64, toy_slot_of(IR_F64) + i, -1);
        add_input(p, &b, IR_F32, toy_slot_of(IR_F32) + i, -1);
        add_input(p, &b, IR_F64, vector + i, 3);
        add_input(p, &b, IR_F32, vector + i, 2);
        add_input(p, &b, IR_I64, i, -1);
        add_input(p, &b, IR_I32, toy_slot_of(IR_I32) + i, -1);
        add_input(p, &b, IR_FL, toy_slot_of(IR_FL) + i, -1);
    }
    for (uint32_t i = 0; i < steps; i++) {
        if (i == device && steps > 1)
            visit_device(&b);
        add_step(p, &b, i == 0 ? kind : random_below(G_N_ELEMENTS(kinds)));
        if (p->steps[p->n_steps - 1].record.op == IR_OP_FCMP && steps > 1 && random_below(4))
            add_step(p, &b, kind_of(random_below(2) ? IR_OP_SET_CC : IR_OP_SEL_CC));
        if (random_below(4) == 0) { /* written early, as translators do */
            const value *v = &p->values[p->n_values - 1];

            if (v->type == IR_F64 || v->type == IR_F32)
                ir_put(&b, ir_v_from(&b, IR_V128, v->id), vector + random_below(2));
            else if (v->type == IR_FL)
                ir_put(&b, v->id, toy_slot_of(IR_FL));
        }
    }
    add_output(p, &b, vector, pick(p, random_below(2) ? IR_F64 : IR_F32));
    add_output(p, &b, vector + 1, pick(p, random_below(2) ? IR_F64 : IR_F32));
    for (uint32_t i = 0; i < steps && i < 8; i++) {
        uint32_t from = p->n_values - 1 - i, slot = toy_slot_of(p->values[from].type);

        add_output(p, &b, slot + (p->values[from].type == IR_I64 ? i : i & 1), from);
    }
    ir_exit(&b, PB_RUN_YIELD, 0x108);
}

/* ---- cases ------------------------------------------------------------------------------------------------- */

static void set_inputs(program *p)
{
    pb_u128 args[4];
    const step *first = &p->steps[0];

    nans = random_below(3) == 0;
    for (uint32_t i = 0; i < TOY_SLOTS; i++)
        machine->state->slot[i] = operand((ir_type)toy_type.slots[i].type);
    machine->state->slot[TOY_PC].lo = 0x100;
    if (random_below(2)) {
        for (uint32_t i = 0; i < first->record.n_args; i++)
            args[i] = operand(first->types[i + 1]);
        bring_near(&first->record, ir_type_bits[first->types[1]], args);
        for (uint32_t i = 0; i < first->record.n_args; i++) {
            const value *v = &p->values[first->args[i]];

            if (v->type == IR_F32 || v->type == IR_F64)
                memcpy(&machine->state->slot[v->slot], &args[i], v->type == IR_F32 ? 4 : 8);
        }
    }
    for (uint32_t i = 0; i < p->n_inputs; i++) {
        value *v = &p->values[i];

        v->now = machine->state->slot[v->slot];
        if (v->lane >= 0)
            v->now = (pb_u128){ v->now.lo & ir_sem_mask(8u << v->lane), 0 };
    }
}

static bool evaluate(program *p, pb_fp_env *envs)
{
    for (uint32_t i = 0; i < p->n_steps; i++) {
        step *s = &p->steps[i];
        const ir_op_info *info = &ir_ops_table[s->record.op];
        uint32_t env = 0, rm = IR_ROUND_ENV;
        ir_fp fp = { .ops = &pb_fp_ops_table };
        pb_u128 args[4], results[2];
        uint8_t round;

        for (uint32_t k = 0; k < info->n_attrs; k++) {
            if (!strcmp(info->attrs[k].name, "env"))
                env = ir_attr_get(&s->record, &info->attrs[k]);
            if (!strcmp(info->attrs[k].name, "rm"))
                rm = ir_attr_get(&s->record, &info->attrs[k]);
        }
        for (uint32_t k = 0; k < s->record.n_args; k++)
            args[k] = p->values[s->args[k]].now;
        fp.env = &envs[env];
        round = fp.env->round;
        if (rm != IR_ROUND_ENV)
            fp.env->round = (uint8_t)rm;
        if (!ir_ops_eval(&s->record, s->types, args, &fp, results))
            return false;
        fp.env->round = round;
        p->values[s->result].now = results[0];
    }
    return true;
}

static void complain(const program *p, const ir_unit *u, const pb_fp_env *before,
                     const pb_fp_env *after, const char *what)
{
    g_autoptr(GString) text = g_string_new(NULL);

    pb_ir_print(u, text);
    printf("\n%s%s\nround %u flush %u dn %u after %u flags 0x%x: expected 0x%x, are 0x%x\n",
           text->str, what, before[0].round, before[0].rules.flush_in, before[0].rules.default_nan,
           before[0].rules.tiny_after, before[0].flags, after[0].flags, machine->vcpu->fp[0].flags);
    for (uint32_t i = 0; i < p->n_values; i++)
        printf("%%%u = 0x%016" PRIx64 "_%016" PRIx64 "\n", p->values[i].id.id >> 1,
               p->values[i].now.hi, p->values[i].now.lo);
    for (uint32_t i = 0; i < p->n_outputs; i++)
        printf("slot %u is 0x%016" PRIx64 "_%016" PRIx64 "\n", p->outputs[i].slot,
               machine->state->slot[p->outputs[i].slot].hi,
               machine->state->slot[p->outputs[i].slot].lo);
    jit_show(&subject, u);
}

/* The last output of a slot is what it has. */
static bool slots_right(const program *p)
{
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        uint32_t slot = p->outputs[i].slot;
        pb_u128 want = p->values[p->outputs[i].value].now, is = machine->state->slot[slot];
        bool last = true;

        for (uint32_t k = i + 1; k < p->n_outputs; k++)
            last &= p->outputs[k].slot != slot;
        if (toy_type.slots[slot].type != IR_V128) /* what is above a slot's type is not its own */
            is = ir_ops_cut((ir_type)toy_type.slots[slot].type, is);
        if (last && (want.lo != is.lo || want.hi != is.hi))
            return false;
    }
    return true;
}

static bool run_case(program *p, const ir_unit *u)
{
    pb_fp_env before[4], envs[4];
    uint32_t host;
    const char *what = NULL;

    set_inputs(p);
    for (uint32_t i = 0; i < 4; i++)
        machine->vcpu->fp[i].flags = random_below(2) ? 0 : random_bits() & PB_FP_IEEE_FLAGS;
    memcpy(before, machine->vcpu->fp, sizeof(before));
    memcpy(envs, before, sizeof(envs));
    if (!evaluate(p, envs))
        return false;
    machine->vcpu->budget = 1000;
    host = _mm_getcsr();
    if (jit_again(&subject) != PB_CODE_EXIT_REASON)
        what = "another exit";
    for (uint32_t i = 0; i < 4 && !what; i++)
        if ((machine->vcpu->fp[i].flags ^ envs[i].flags) & PB_FP_IEEE_FLAGS ||
            machine->vcpu->fp[i].round != envs[i].round)
            what = "flags differ";
    if (!what && !slots_right(p))
        what = "results differ";
    if (!what && _mm_getcsr() != host)
        what = "the host's MXCSR is another one";
    if (what)
        complain(p, u, before, envs, what);
    return !what;
}

static bool run_program(uint32_t steps, uint32_t kind)
{
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    g_autoptr(GError) error = NULL;
    program p;

    build(&p, u, steps, kind);
    if (!pb_ir_verify(u, &error)) {
        printf("%s\n", error->message);
        return false;
    }
    for (uint32_t i = 0; i < 4; i++)
        random_env(&machine->vcpu->fp[i]);
    if (!jit_prepare(&subject, u)) {
        printf("refused\n");
        return false;
    }
    for (uint32_t i = 0; i < CASES; i++)
        if (!run_case(&p, u))
            return false;
    return true;
}

static void each_operation(void)
{
    for (uint32_t kind = 0; kind < G_N_ELEMENTS(kinds); kind++) {
        for (uint32_t i = 0; i < PROGRAMS * factor; i++) {
            if (!run_program(1, kind)) {
                CU_FAIL("an operation differs");
                return;
            }
        }
    }
}

static void programs(void)
{
    for (uint32_t i = 0; i < 8 * PROGRAMS * factor; i++) {
        if (!run_program(2 + random_below(MOST_STEPS - 1), random_below(G_N_ELEMENTS(kinds)))) {
            CU_FAIL("a program differs");
            return;
        }
    }
}

static void there_were_traps(void)
{
    CU_ASSERT_EQUAL(jit_trapped > 0, jit_how.traps);
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "each operation, on edges", each_operation },
        { "programs", programs },
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
    status = unit_run("floating point", cases);
    accel_free(&subject);
    toy_free(machine);
    return status;
}
