/*
 * What a region keeps in loops, seen by a fault at each access and at exits: flags that nobody reads, slots whose registers
 * change from loop to loop, and what is known of scalars in vectors.
 *
 * usage: test_region codegen.so
 */
#include "jit.h"

#include <core/ir/text.h>
#include <core/ir/translate.h>
#include <core/ir/unit.h>
#include <core/ir/verify.h>
#include <patchbay/ir_sem.h>

#include "../runner.h"

#define X(m, n) ((m)->state->slot[n].lo)

enum { TABLE = 0x4000 };

/* A loop begins with block 1. */
static ir_unit *region_of(const char *text)
{
    g_autoptr(GError) error = NULL;
    ir_unit *u = pb_ir_unit_new(&toy_type);

    if (!pb_ir_parse(u, &toy_type, text, &error)) {
        printf("%s\n%s", error->message, text);
        CU_FAIL_FATAL("the text is not IR");
    }
    u->blocks[1].flags |= IR_BLOCK_HEAD;
    if (!pb_ir_verify(u, &error)) {
        printf("%s\n%s", error->message, text);
        CU_FAIL_FATAL("the text is not valid IR");
    }
    return u;
}

/* ---- flags of a comparison at the end of a loop, looked at in its next round ----------------------------------- */

typedef struct comparison {
    const char *op;
    uint32_t bits;
    const char *b; /* a constant, or null: slot x4 */
    const char *result_to;
    int changed; /* slot that is another one's when somebody looks, 3 or 4; 0: none */
    uint64_t a_value, b_value;
} comparison;

static uint64_t flags_of(const comparison *c)
{
    uint64_t mask = ir_sem_mask(c->bits), fl;
    uint64_t a = (c->a_value ^ (c->changed == 3)) & mask;
    uint64_t b = (c->b_value ^ (c->changed == 4 && !c->b)) & mask;

    if (c->op[0] == 's')
        ir_sem_sub_fl(a, b, 1, c->bits, &fl);
    else if (!strcmp(c->op, "add.fl"))
        ir_sem_add_fl(a, b, 0, c->bits, &fl);
    else
        ir_sem_logic_fl(a & b, c->bits, &fl);
    return fl;
}

/* Who looks at the flags in the second round: an access that faults, whoever the unit is left for when the load finds 1, or who
 * made a request. */
typedef enum looker { FAULT, EXIT, REQUEST } looker;

/* Round and round as long as the flags say, which is what is given. */
static char *text_of(const comparison *c, looker who)
{
    uint64_t fl = flags_of(c);
    GString *s = g_string_new("unit toy pc=0x1000 key=0x0\n"
                              "b0:\n"
                              "  insn 0x1000 4\n"
                              "  br -> b1\n"
                              "b1:\n");
    const char *type = c->bits == 32 ? "i32" : "i64";

    if (c->changed)
        g_string_append_printf(s,
                               "  insn 0x1001 1\n"
                               "  %%12:i64 = get {slot=x%d}\n"
                               "  %%13:i64 = xor %%12, 1:i64\n"
                               "  put %%13 {slot=x%d}\n",
                               c->changed, c->changed);
    g_string_append(s, "  insn 0x1004 4\n"
                       "  %0:i64 = get {slot=x1}\n"
                       "  %1:i64 = ld %0 {size=8 le}\n"
                       "  %2:i64 = add %0, 8:i64\n"
                       "  put %2 {slot=x1}\n"
                       "  insn 0x1008 4\n"
                       "  %3:i1 = eq %1, 1:i64\n");

    g_string_append_printf(s,
                           "  %s\n"
                           "b2:\n"
                           "  insn 0x100c 4\n"
                           "  %%4:i64 = get {slot=x3}\n"
                           "  %%5:i64 = get {slot=x4}\n"
                           "  %%6:i64 = add %%5, 0:i64\n",
                           who == EXIT ? "br.if %3 -> b4, b2" : "br -> b2");
    if (c->bits == 32)
        g_string_append(s, "  %7:i32 = trunc %4\n  %8:i32 = trunc %5\n");
    else
        g_string_append(s, "  %7:i64 = add %4, 0:i64\n  %8:i64 = add %5, 0:i64\n");
    g_string_append_printf(s, "  %%9:%s, %%10:fl = %s %%7, %s\n", type, c->op, c->b ? c->b : "%8");
    if (c->result_to && c->bits == 32)
        g_string_append_printf(s, "  %%11:i64 = zext %%9\n  put %%11 {slot=%s}\n", c->result_to);
    else if (c->result_to)
        g_string_append_printf(s, "  put %%9 {slot=%s}\n", c->result_to);
    g_string_append_printf(s,
                           "  put %%10 {slot=fla}\n"
                           "  br.%s %%10 -> b1, b3\n"
                           "b3:\n"
                           "  jump 0x200:i64\n"
                           "%s",
                           fl >> IR_FLAG_Z & 1 ? "eq" : "ne",
                           who == EXIT ? "b4:\n  jump 0x300:i64\n" : "");
    return g_string_free(s, FALSE);
}

static void run_comparison(const comparison *c, const char *how, looker who)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autofree char *text = text_of(c, who);
    g_autoptr(ir_unit) u = region_of(text);
    pb_u128 *flags = &m->state->slot[toy_slot_of(IR_FL)];
    accel a;

    jit_set(how);
    a = accel_new(m, 0);
    X(m, 1) = who == REQUEST ? TOY_MMIO : TABLE;
    m->request_on_mmio = who == REQUEST;
    m->ram[TABLE + 8] = 1;
    X(m, 3) = c->a_value;
    X(m, 4) = c->b_value;
    flags->lo = IR_FL_ALL & ~flags_of(c);
    if (who == FAULT)
        m->fault_in = 2;
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    jit_again(&a);
    CU_ASSERT_EQUAL(m->faults, who == FAULT);
    CU_ASSERT_EQUAL(X(m, 1), who == REQUEST ? TOY_MMIO + 8 : who == FAULT ? TABLE + 8 : TABLE + 16);
    CU_ASSERT_EQUAL(flags->lo, flags_of(c));
    if (flags->lo != flags_of(c))
        printf("%s: 0x%" PRIx64 "\n%s", how, flags->lo, text);
    accel_free(&a);
}

static void flags_in_loops(void)
{
    static const char *const ops[] = { "sub.fl", "add.fl", "and.fl" }, *const results[] = { NULL,
                                                                                            "x2",
                                                                                            "x3" };
    static const uint64_t values[] = { 0, 1, 0x7fffffff, 0x8000000080000000, UINT64_MAX };
    static const struct {
        const char *text;
        uint64_t value;
    } constants[] = { { "1", 1 }, { "0xfffffffb", 0xfffffffb }, { "0x12345", 0x12345 } };

    for (uint32_t i = 0; i < 3 * 2 * 3 * 3 * 5 * 8; i++) {
        static const int changes[] = { 0, 3, 4 };
        uint32_t which = i / 90 % 8;
        comparison c = { .op = ops[i % 3],
                         .result_to = results[i / 3 % 3],
                         .changed = changes[i / 720],
                         .bits = i / 9 & 1 ? 64 : 32,
                         .a_value = values[i / 18 % 5],
                         .b_value = values[which % 5] };
        char constant[32];

        if (which >= 5) {
            snprintf(constant, sizeof(constant), "%s:i%u", constants[which - 5].text, c.bits);
            c.b = constant;
            c.b_value = constants[which - 5].value;
        }
        run_comparison(&c, i % 5 ? "region" : "region,counted,alone", FAULT);
        run_comparison(&c, i % 4 ? "region" : "region,pinned=2", REQUEST);
        run_comparison(&c, i % 4 ? "region,tlb" : "region,pinned=2,tlb", EXIT);
    }
}

/* ---- registers of loops ------------------------------------------------------------------------------------------ */

enum { ROUNDS = 3, ROUNDS_A = 4, ROUNDS_B = 5, ACCESSES = ROUNDS * (ROUNDS_A + 2 * ROUNDS_B) };

/* Two loops in one, each with slots of its own. x6: memory, x7: 1. */
static toy_machine *loops_machine(void)
{
    static const uint32_t idle[] = { TOY_I_IDLE };
    const uint32_t words[] = {
        toy_insn(TOY_I_MOVI, 5, ROUNDS, 0),
        toy_insn(TOY_I_MOVI, 0, ROUNDS_A, 0),
        toy_insn(TOY_I_ADD, 1, 1, 0),
        toy_insn(TOY_I_ST, 1, 6, 1),
        toy_insn(TOY_I_SUBS, 0, 0, 7),
        toy_branch(TOY_I_BNE, -3),
        toy_insn(TOY_I_MOVI, 2, ROUNDS_B, 0),
        toy_insn(TOY_I_ADD, 3, 3, 2),
        toy_insn(TOY_I_LD, 4, 6, 1),
        toy_insn(TOY_I_ADD, 3, 3, 4),
        toy_insn(TOY_I_ST, 3, 6, 2),
        toy_insn(TOY_I_SUBS, 2, 2, 7),
        toy_branch(TOY_I_BNE, -5),
        toy_insn(TOY_I_SUBS, 5, 5, 7),
        toy_branch(TOY_I_BNE, -13),
        TOY_I_IDLE,
    };
    toy_machine *m = toy_new();

    m->translate = &pb_translate_ops_table;
    toy_load(m, 0x1000, words, G_N_ELEMENTS(words));
    toy_load(m, TOY_VECTOR, idle, 1);
    m->state->slot[TOY_PC].lo = 0x1000;
    for (uint32_t i = 0; i < 6; i++)
        X(m, i) = 100 + i;
    X(m, 6) = TABLE;
    X(m, 7) = 1;
    return m;
}

/* The state behind a fault at each access, and at the end, is what units leave. */
static void registers_of_loops_how(const char *how)
{
    jit_regions = 0;
    for (uint32_t fault = 1; fault <= ACCESSES + 1; fault++) {
        toy_machine *m[2];

        for (uint32_t i = 0; i < 2; i++) {
            accel a;

            m[i] = loops_machine();
            m[i]->fault_in = fault;
            jit_set(i ? how : "");
            a = accel_new(m[i], 0);
            CU_ASSERT_EQUAL(accel_run(&a, 10000), PB_RUN_IDLE);
            CU_ASSERT_EQUAL(m[i]->faults, fault <= ACCESSES);
            accel_free(&a);
        }
        CU_ASSERT_EQUAL(memcmp(m[0]->state, m[1]->state, sizeof(toy)), 0);
        CU_ASSERT_EQUAL(memcmp(m[0]->ram, m[1]->ram, TOY_RAM), 0);
        toy_free(m[0]);
        toy_free(m[1]);
    }
    CU_ASSERT(jit_regions > 0);
}

static void registers_of_loops(void)
{
    registers_of_loops_how("region,pinned=1");
    registers_of_loops_how("region,pinned=2");
    registers_of_loops_how("region,pinned=3,baseline");
    registers_of_loops_how("region");
}

/* ---- scalars in vectors ------------------------------------------------------------------------------------------ */

typedef struct sum_case {
    uint32_t bits;
    bool way_around; /* every other round makes no sum */
    pb_u128 start;   /* of the slot */
    bool alone;      /* the region is not entered */
} sum_case;

/* v128a += 1 in its lowest lane, x1 times; if there is a way around only while x1 is even. */
static char *sum_text(const sum_case *s)
{
    uint32_t es = s->bits == 64 ? 3 : 2;

    return g_strdup_printf("unit toy pc=0x1000 key=0x0\n"
                           "b0:\n"
                           "  br -> b1\n"
                           "b1:\n"
                           "  insn 0x1000 4\n"
                           "  %%0:i64 = get {slot=x1}\n"
                           "  %%1:i64 = sub %%0, 1:i64\n"
                           "  put %%1 {slot=x1}\n"
                           "  %%2:i64 = and %%1, 1:i64\n"
                           "  %%3:i1 = ne %%2, 0:i64\n"
                           "  %s\n"
                           "b2:\n"
                           "  insn 0x1004 4\n"
                           "  %%4:v128 = get {slot=v128a}\n"
                           "  %%5:f%u = v.lane %%4 {es=%u n=0}\n"
                           "  %%6:v128 = get {slot=v128b}\n"
                           "  %%7:f%u = v.lane %%6 {es=%u n=0}\n"
                           "  %%8:f%u = fadd %%5, %%7 {rm=0xf env=0}\n"
                           "  %%9:v128 = v.from %%8\n"
                           "  put %%9 {slot=v128a}\n"
                           "  br -> b3\n"
                           "b3:\n"
                           "  insn 0x1008 4\n"
                           "  %%10:i64 = get {slot=x2}\n"
                           "  %%11:i64 = add %%10, 1:i64\n"
                           "  put %%11 {slot=x2}\n"
                           "  %%12:i64 = get {slot=x1}\n"
                           "  %%13:i1 = ne %%12, 0:i64\n"
                           "  br.if %%13 -> b1, b4\n"
                           "b4:\n"
                           "  jump 0x200:i64\n",
                           s->way_around ? "br.if %3 -> b3, b2" : "br -> b2", s->bits, es, s->bits,
                           es, s->bits);
}

static void run_sum(const sum_case *s, const char *how)
{
    g_autoptr(toy_machine) m = toy_new();
    g_autofree char *text = sum_text(s);
    g_autoptr(ir_unit) u = region_of(text);
    pb_u128 *sum = &m->state->slot[toy_slot_of(IR_V128)], *one = sum + 1;
    double wide = s->way_around ? 5 : 9;
    float narrow = (float)wide;
    accel a;

    jit_set(how);
    a = accel_new(m, 0);
    X(m, 1) = 9;
    *sum = s->start;
    *one = (pb_u128){ s->bits == 64 ? 0x3ff0000000000000 : 0xabcd00003f800000, 0x1234 };
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    if (s->alone && !jit_how.entered) { /* nothing was done */
        CU_ASSERT_EQUAL(jit_again(&a), PB_CODE_EXIT_ALONE);
        CU_ASSERT_EQUAL(m->state->slot[TOY_PC].lo, 0x1000);
        CU_ASSERT(sum->lo == s->start.lo && sum->hi == s->start.hi && X(m, 1) == 9);
    } else {
        pb_u128 end = { 0, 0 };

        memcpy(&end.lo, s->bits == 64 ? (void *)&wide : &narrow, s->bits / 8);
        jit_again(&a);
        CU_ASSERT_EQUAL(m->state->slot[TOY_PC].lo, 0x200);
        CU_ASSERT(sum->lo == end.lo && sum->hi == 0 && X(m, 2) == 9);
    }
    accel_free(&a);
}

static void scalars_in_loops(void)
{
    static const sum_case cases[] = {
        { 64, false, { 0, 0 }, false },
        { 64, false, { 0, 7 }, true },
        { 64, true, { 0, 0 }, false },
        { 64, true, { 0, 7 }, false },
        { 32, false, { 0, 0 }, false },
        { 32, false, { UINT64_C(1) << 40, 0 }, true },
        { 32, false, { 0, UINT64_C(1) << 40 }, true },
        { 32, true, { UINT64_C(1) << 40, 1 }, false },
    };
    static const char *const hows[] = { "region", "region,traps", "region,baseline,traps",
                                        "region,pinned=1,traps", "region,entered,traps" };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
        for (size_t k = 0; k < G_N_ELEMENTS(hows); k++)
            run_sum(&cases[i], hows[k]);
}

/* ---- ways out --------------------------------------------------------------------------------------------------- */

/* Behind the loop a block whose only way on is one with nothing but a jump: what a region has at a breakpoint. */
static void way_out_alone(void)
{
    static const char text[] = "unit toy pc=0x1000 key=0x0\n"
                               "b0:\n"
                               "  insn 0x1000 4\n"
                               "  br -> b1\n"
                               "b1:\n"
                               "  insn 0x1004 4\n"
                               "  %0:i64 = get {slot=x1}\n"
                               "  %1:i64 = sub %0, 1:i64\n"
                               "  put %1 {slot=x1}\n"
                               "  insn 0x1008 4\n"
                               "  %2:i1 = eq %1, 0:i64\n"
                               "  br.if %2 -> b2, b1\n"
                               "b2:\n"
                               "  insn 0x100c 4\n"
                               "  br -> b3\n"
                               "b3:\n"
                               "  jump 0x200:i64\n";
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(ir_unit) u = region_of(text);
    accel a;

    jit_set("region");
    a = accel_new(m, 0);
    X(m, 1) = 5;
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    jit_again(&a);
    CU_ASSERT_EQUAL(X(m, 1), 0);
    CU_ASSERT_EQUAL(m->state->slot[TOY_PC].lo, 0x200);
    accel_free(&a);
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "flags that are looked at a round later", flags_in_loops },
        { "registers of loops", registers_of_loops },
        { "scalars in vectors", scalars_in_loops },
        { "a way out alone", way_out_alone },
        { 0 },
    };

    if (argc != 2)
        return 2;
    jit_open(argv[1]);
    accel_use_type(&jit_type);
    return unit_run("regions", cases);
}
