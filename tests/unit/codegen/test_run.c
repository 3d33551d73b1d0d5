/*
 * What emitted code keeps besides the operations' meanings: counts, requests, links, retired entries, the cache of
 * indirect jumps, and that it is refused, not broken, when there is no room.
 *
 * usage: test_run codegen.so
 */
#include "jit.h"

#include <core/ir/text.h>
#include <core/ir/translate.h>
#include <core/ir/unit.h>
#include <core/ir/verify.h>

#include "../runner.h"
#include "random.h"

#define X(m, n) ((m)->state->slot[n].lo)
#define PC(m)   ((m)->state->slot[TOY_PC].lo)

/* Sum of 1 to x1 in x0, with a store and a load on the way. */
static const uint32_t sum_program[] = {
    TOY_I_MOVI | 0 << 8 | 0 << 16,
    TOY_I_MOVI | 1 << 8 | 100 << 16,
    TOY_I_MOVI | 2 << 8 | 1 << 16,
    TOY_I_MOVI | 3 << 8 | 0x4000 << 16,
    TOY_I_ADD | 0 << 8 | 0 << 16 | 1 << 24,
    TOY_I_ST | 0 << 8 | 3 << 16 | 2 << 24,
    TOY_I_LD | 4 << 8 | 3 << 16 | 2 << 24,
    TOY_I_SUBS | 1 << 8 | 1 << 16 | 2 << 24,
    TOY_I_BNE | 0xfffcu << 16,
    TOY_I_IDLE,
};

static toy_machine *machine_with(const uint32_t *words, size_t n)
{
    toy_machine *m = toy_new();

    m->translate = &pb_translate_ops_table;
    toy_load(m, 0x1000, words, n);
    PC(m) = 0x1000;
    return m;
}

static void run_sum(const char *how)
{
    g_autoptr(toy_machine) m = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    accel a;

    jit_set(how);
    a = accel_new(m, 0);
    CU_ASSERT_EQUAL(accel_run(&a, 10000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 0), 5050);
    CU_ASSERT_EQUAL(X(m, 4), 5050);
    CU_ASSERT_EQUAL(X(m, 1), 0);
    CU_ASSERT_EQUAL(PC(m), 0x1028);
    if (jit_how.counted) {
        CU_ASSERT_EQUAL(m->vcpu->retired, 4 + 100 * 5 + 1);
        CU_ASSERT_EQUAL(m->vcpu->budget, 10000 - (4 + 100 * 5 + 1));
    }
    accel_free(&a);
}

static void program(void)
{
    run_sum("");
    run_sum("tlb");
    run_sum("counted");
    run_sum("counted,tlb");
    run_sum("counted,tlb,baseline,pinned=2");
    jit_regions = 0;
    run_sum("region,pinned=2,tlb");
    run_sum("region,pinned=2,tlb,counted");
    CU_ASSERT(jit_regions > 0);
}

/* With every budget the state is that after so many single steps. */
static void budgets_how(const char *how)
{
    g_autoptr(toy_machine) stepped = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    accel steps;

    jit_set(how);
    steps = accel_new(stepped, 0);
    for (int64_t n = 0; n < 60; n++) {
        g_autoptr(toy_machine) m = machine_with(sum_program, G_N_ELEMENTS(sum_program));
        accel a = accel_new(m, 0);

        CU_ASSERT_EQUAL(accel_run(&a, n), PB_RUN_BUDGET);
        CU_ASSERT_EQUAL(m->vcpu->budget, 0);
        CU_ASSERT_EQUAL(m->vcpu->retired, (uint64_t)n);
        CU_ASSERT_EQUAL(memcmp(m->state, stepped->state, sizeof(toy)), 0);
        CU_ASSERT_EQUAL(accel_run(&steps, 1), PB_RUN_BUDGET);
        accel_free(&a);
    }
    accel_free(&steps);
}

static void budgets(void)
{
    budgets_how("counted");
    budgets_how("counted,tlb");
    budgets_how("counted,tlb,region,pinned=3");
}

/* ---- regions ------------------------------------------------------------------------------------------------- */

enum { RANDOM_INSNS = 40, RANDOM_PROGRAMS = 120, RANDOM_STEPS = 600 };

/* Loops into each other, jumps into and out of them, by register to two of them; some stores to the device, whose page
 * x7 points to, and to the page of x6. */
static uint32_t random_insn(uint32_t at)
{
    uint32_t a = random_below(6), b = random_below(6), c = random_below(6);
    int32_t words = (int32_t)random_below(RANDOM_INSNS) - (int32_t)at;

    switch (random_below(12)) {
    case 0:
        return toy_insn(TOY_I_MOVI, a, random_below(4), 0);
    case 1:
    case 2:
        return toy_insn(TOY_I_ADD, a, b, c);
    case 3:
    case 4:
        return toy_insn(TOY_I_SUBS, a, b, c);
    case 5:
        return toy_insn(TOY_I_LD, a, 6, c);
    case 6:
        return toy_insn(TOY_I_ST, a, random_below(8) ? 6 : 7, c);
    case 7:
        return toy_insn(TOY_I_NOTE, a, 0, 0);
    case 8:
    case 9:
    case 10:
        return toy_branch(TOY_I_BNE, words);
    default:
        return toy_branch(TOY_I_B, words);
    }
}

static toy_machine *random_machine(const uint32_t *words, accel *a, const char *how)
{
    toy_machine *m = machine_with(words, RANDOM_INSNS);

    jit_set(how);
    *a = accel_new(m, 0);
    for (uint32_t i = 0; i < 6; i++)
        X(m, i) = i * 3;
    X(m, 6) = 0x4000;
    X(m, 7) = TOY_MMIO;
    return m;
}

/* After every number of instructions a region has left what units do. */
static void regions(void)
{
    jit_regions = 0;
    for (uint32_t i = 0; i < RANDOM_PROGRAMS; i++) {
        uint32_t words[RANDOM_INSNS];
        toy_machine *m[2];
        accel a[2];

        for (uint32_t k = 0; k < RANDOM_INSNS; k++)
            words[k] = random_insn(k);
        words[RANDOM_INSNS - 1] = toy_branch(TOY_I_B, 1 - RANDOM_INSNS);
        for (uint32_t steps = 0; steps < 8; steps++) {
            int64_t n = 1 + random_below(RANDOM_STEPS);
            bool same;

            m[0] = random_machine(words, &a[0], "counted,tlb");
            accel_run(&a[0], n);
            m[1] = random_machine(words, &a[1], "counted,tlb,region,pinned=3");
            accel_run(&a[1], n);
            same = !memcmp(m[0]->state, m[1]->state, sizeof(toy)) &&
                   m[0]->vcpu->retired == m[1]->vcpu->retired &&
                   m[0]->events->len == m[1]->events->len &&
                   (m[0]->events->len == 0 || /* then there is no memory */
                    !memcmp(m[0]->events->data, m[1]->events->data,
                            m[0]->events->len * sizeof(toy_event))) &&
                   !memcmp(m[0]->ram, m[1]->ram, TOY_RAM);
            CU_ASSERT(same);
            CU_ASSERT_EQUAL(m[1]->vcpu->retired, (uint64_t)n);
            for (uint32_t k = 0; k < 2; k++) {
                accel_free(&a[k]);
                toy_free(m[k]);
            }
            if (!same)
                return;
        }
    }
    CU_ASSERT(jit_regions > RANDOM_PROGRAMS);
}

/* ---- what devices and helpers see ---------------------------------------------------------------------------- */

/* x7 is the device's address. */
static const uint32_t device_program[] = {
    TOY_I_ADD | 1 << 8 | 1 << 16 | 1u << 24,
    TOY_I_LD | 0 << 8 | 7 << 16 | 1u << 24,
    TOY_I_NOTE | 0 << 8,
    TOY_I_ST | 0 << 8 | 7 << 16 | 2u << 24,
    TOY_I_ADD | 1 << 8 | 1 << 16 | 1u << 24,
    TOY_I_IDLE,
};

static void exact_counts(void)
{
    g_autoptr(toy_machine) m = machine_with(device_program, G_N_ELEMENTS(device_program));
    accel a;

    jit_set("counted,tlb");
    a = accel_new(m, 0);
    X(m, 7) = TOY_MMIO;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL_FATAL(m->events->len, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const toy_event *e = toy_event_at(m, i);

        CU_ASSERT_EQUAL(e->pc, 0x1004 + 4 * i);
        CU_ASSERT_EQUAL(e->retired, 2 + i);
        CU_ASSERT_EQUAL(e->budget, 1000 - 2 - (int64_t)i);
        CU_ASSERT_EQUAL(e->aux, (0x1004 + 4 * i) ^ 0xa5);
    }
    CU_ASSERT_EQUAL(m->vcpu->retired, 6);
    accel_free(&a);
}

/* A device that lowers the budget stops the vCPU after the instruction, and so does a request. */
static void cut(void)
{
    g_autoptr(toy_machine) m = machine_with(device_program, G_N_ELEMENTS(device_program));
    accel a;

    jit_set("counted,tlb");
    a = accel_new(m, 0);
    X(m, 7) = TOY_MMIO;
    m->cut_budget = 1;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_BUDGET);
    CU_ASSERT_EQUAL(PC(m), 0x100c); /* one more, the note, was executed */
    CU_ASSERT_EQUAL(m->vcpu->retired, 3);
    m->cut_budget = -1;
    m->request_on_mmio = true;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_REQUEST);
    CU_ASSERT_EQUAL(PC(m), 0x1010);
    CU_ASSERT_EQUAL(m->vcpu->retired, 4);
    accel_free(&a);
}

/* Devices, helpers and exceptions are C code, which may compute with the host's floating point: the guest's flags are the
 * guest's. */
static void flags_of_c_how(const char *how, uint32_t round)
{
    static const uint32_t trap[] = { TOY_I_TRAP }, idle[] = { TOY_I_IDLE };
    g_autoptr(toy_machine) m = machine_with(device_program, G_N_ELEMENTS(device_program));
    accel a;

    jit_set(how);
    a = accel_new(m, 0);
    toy_load(m, 0x2000, trap, 1);
    toy_load(m, TOY_VECTOR, trap, 1);
    toy_load(m, TOY_TRAP_VECTOR, idle, 1);
    X(m, 7) = TOY_MMIO;
    m->computes = true;
    m->vcpu->fp[0].round = (uint8_t)round;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(m->events->len, 3);
    CU_ASSERT_EQUAL(m->vcpu->fp[0].flags, 0);
    PC(m) = 0x2000;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(m->vcpu->fp[0].flags, 0);
    m->fault_in = 1;
    PC(m) = 0x1000;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(m->faults, 1);
    CU_ASSERT_EQUAL(m->vcpu->fp[0].flags, 0);
    accel_free(&a);
}

static void flags_of_c(void)
{
    flags_of_c_how("", PB_FP_NEAREST_EVEN);
    flags_of_c_how("counted,tlb", PB_FP_NEAREST_EVEN);
    flags_of_c_how("", PB_FP_UP);
    flags_of_c_how("counted,tlb", PB_FP_UP);
}

/* Two operations that become one, and somebody else reads the first one's result from its slot. */
static void fused(void)
{
    static const char text[] = "unit toy pc=0x100 key=0x0\n"
                               "b0:\n"
                               "  insn 0x100 4\n"
                               "  %0:v128 = get {slot=v128b}\n"
                               "  %1:v128 = v.aesdec %0\n"
                               "  put %1 {slot=v128a}\n"
                               "  %2:v128 = get {slot=v128a}\n"
                               "  put %2 {slot=v128b}\n"
                               "  %3:v128 = get {slot=v128a}\n"
                               "  %4:v128 = v.aesimc %3\n"
                               "  put %4 {slot=v128a}\n"
                               "  insn 0x104 4\n"
                               "  %5:i64 = get {slot=x0}\n"
                               "  %6:i64 = bitrev %5\n"
                               "  put %6 {slot=x1}\n"
                               "  %7:i64 = get {slot=x1}\n"
                               "  %8:i64 = clz %7\n"
                               "  %9:i64 = get {slot=x1}\n"
                               "  put %8 {slot=x1}\n"
                               "  put %9 {slot=x2}\n"
                               "  jump 0x200:i64\n";
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    pb_u128 *a_slot = &m->state->slot[toy_slot_of(IR_V128)], *b_slot = a_slot + 1;
    accel a;

    CU_ASSERT_TRUE_FATAL(pb_ir_parse(u, &toy_type, text, &error));
    CU_ASSERT_TRUE_FATAL(pb_ir_verify(u, &error));
    jit_set("");
    a = accel_new(m, 0);
    *a_slot = (pb_u128){ 1, 2 };
    *b_slot = (pb_u128){ 0x6363636363636363, 0x6363636363636363 };
    X(m, 0) = 0x50;
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    jit_again(&a);
    /* FIPS 197, figure 14: 0x63 is where the inverse substitution has zero. */
    CU_ASSERT_EQUAL(b_slot->lo, 0);
    CU_ASSERT_EQUAL(b_slot->hi, 0);
    CU_ASSERT_EQUAL(a_slot->lo, 0);
    CU_ASSERT_EQUAL(a_slot->hi, 0);
    CU_ASSERT_EQUAL(X(m, 1), 4);
    CU_ASSERT_EQUAL(X(m, 2), UINT64_C(0x0a) << 56);
    accel_free(&a);
}

/* A bundle that is not valid as a whole and lies in the host's flags when a side exit stores it to two slots. */
static void flags_of_two_slots(void)
{
    static const char text[] = "unit toy pc=0x100 key=0x0\n"
                               "b0:\n"
                               "  insn 0x100 4\n"
                               "  %0:i64 = get {slot=x0}\n"
                               "  %1:i8 = trunc %0\n"
                               "  %2:i8, %3:fl = andn.fl %1, 0xfd:i8\n"
                               "  put %3 {slot=flb}\n"
                               "  put %3 {slot=fla}\n"
                               "  br.pl %3 -> b1, b2\n"
                               "b1:\n"
                               "  jump 0x200:i64\n"
                               "b2:\n"
                               "  put 0:fl {slot=fla}\n"
                               "  put 0:fl {slot=flb}\n"
                               "  jump 0x300:i64\n";
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    pb_u128 *flags = &m->state->slot[toy_slot_of(IR_FL)];
    accel a;

    CU_ASSERT_TRUE_FATAL(pb_ir_parse(u, &toy_type, text, &error));
    CU_ASSERT_TRUE_FATAL(pb_ir_verify(u, &error));
    jit_set("");
    a = accel_new(m, 0);
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    for (uint32_t i = 0; i < 2; i++) {
        X(m, 0) = i ? 0xee : 0xfd; /* 0xee & ~0xfd is 2, and 0xfd & ~0xfd is 0 */
        flags[0].lo = flags[1].lo = i ? IR_FL_ALL : 0;
        jit_again(&a);
        CU_ASSERT_EQUAL(flags[0].lo, flags[1].lo);
        CU_ASSERT_EQUAL(flags[1].lo & 1u << IR_FLAG_Z, i ? 0 : 1u << IR_FLAG_Z);
    }
    accel_free(&a);
}

/* A choice by a condition that is tested, between values that have registers already, while the host's flags are needed
 * later: they are saved by way of RAX, where the constant is with some number of other values. */
static void check_choice(toy_machine *m, uint32_t others)
{
    g_autoptr(GString) text = g_string_new("unit toy pc=0x100 key=0x0\n"
                                           "b0:\n"
                                           "  insn 0x100 4\n"
                                           "  %0:i64 = get {slot=x0}\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    pb_u128 *bit = &m->state->slot[toy_slot_of(IR_I1)], *byte = &m->state->slot[toy_slot_of(IR_I8)];
    pb_u128 *half = &m->state->slot[toy_slot_of(IR_I16)];
    uint32_t n = others;
    accel a;

    for (uint32_t i = 1; i <= others; i++)
        g_string_append_printf(text, "  %%%u:i64 = xor %%%u, 0x%x:i64\n", i, i - 1, i);
    g_string_append_printf(text,
                           "  %%%u:i8 = get {slot=i8b}\n"
                           "  %%%u:i1 = get {slot=i1b}\n"
                           "  %%%u:i8, %%%u:fl = adc.fl %%%u, 0x8c:i8, %%%u\n"
                           "  %%%u:i16 = get {slot=i16b}\n"
                           "  %%%u:i16 = select %%%u, 0xc9f8:i16, %%%u\n"
                           "  put %%%u {slot=i16a}\n",
                           n + 1, n + 2, n + 3, n + 4, n + 1, n + 2, n + 5, n + 6, n + 2, n + 5,
                           n + 6);
    for (uint32_t i = 1; i <= others; i++)
        g_string_append_printf(text, "  put %%%u {slot=x%u}\n", i, i + 1);
    g_string_append_printf(text,
                           "  br.mi %%%u -> b1, b2\n"
                           "b1:\n"
                           "  put 1:i64 {slot=x1}\n"
                           "  jump 0x200:i64\n"
                           "b2:\n"
                           "  put 2:i64 {slot=x1}\n"
                           "  jump 0x300:i64\n",
                           n + 4);
    CU_ASSERT_TRUE_FATAL(pb_ir_parse(u, &toy_type, text->str, &error));
    CU_ASSERT_TRUE_FATAL(pb_ir_verify(u, &error));
    a = accel_new(m, 0);
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    for (uint32_t i = 0; i < 4; i++) {
        bit[1].lo = i & 1;
        byte[1].lo = i & 2 ? 0x7f : 1; /* and 0x8c: 0x10b, 0x8d */
        half[1].lo = 0x1234;
        jit_again(&a);
        CU_ASSERT_EQUAL(half[0].lo, i & 1 ? 0xc9f8 : 0x1234);
        CU_ASSERT_EQUAL(X(m, 1), i & 2 ? 2 : 1);
    }
    accel_free(&a);
}

static void flags_beside_choice(void)
{
    g_autoptr(toy_machine) m = toy_new();

    jit_set("");
    for (uint32_t others = 0; others < 6; others++)
        check_choice(m, others);
}

/* A loop in one unit is left when somebody asks. */
static void request_in_loop(void)
{
    static const uint32_t loop[] = {
        TOY_I_LD | 2 << 8 | 7 << 16,
        TOY_I_B | 0xffffu << 16,
    };
    g_autoptr(toy_machine) m = machine_with(loop, G_N_ELEMENTS(loop));
    accel a;

    jit_set("");
    a = accel_new(m, 0);
    X(m, 7) = TOY_MMIO;
    m->request_on_mmio = true;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_REQUEST);
    CU_ASSERT_EQUAL(PC(m), 0x1000);
    accel_free(&a);
}

/* ---- operations of 16 bytes ------------------------------------------------------------------------------------ */

/* At x0: reserve, and store i128b if it is still reserved; at x1: i128b for i128a. What was there comes into v128a and
 * i128a. */
static const char wide_text[] = "unit toy pc=0x100 key=0x0\n"
                                "b0:\n"
                                "  insn 0x100 4\n"
                                "  %0:i64 = get {slot=x0}\n"
                                "  %1:i128 = ldx %0 {size=16 align=16 le}\n"
                                "  %2:v128 = bitcast %1\n"
                                "  put %2 {slot=v128a}\n"
                                "  insn 0x104 4\n"
                                "  %3:i64 = get {slot=x0}\n"
                                "  %4:i128 = get {slot=i128b}\n"
                                "  %5:i1 = stx %3, %4 {size=16 align=16 le}\n"
                                "  %6:i64 = zext %5\n"
                                "  put %6 {slot=x2}\n"
                                "  insn 0x108 4\n"
                                "  %7:i64 = get {slot=x1}\n"
                                "  %8:i128 = get {slot=i128a}\n"
                                "  %9:i128 = get {slot=i128b}\n"
                                "  %10:i128 = cas %7, %8, %9 {size=16 align=16 le}\n"
                                "  put %10 {slot=i128a}\n"
                                "  jump 0x200:i64\n";

static bool same(const void *memory, pb_u128 value)
{
    return memcmp(memory, &value, sizeof(value)) == 0;
}

static void wide_at(toy_machine *m, accel *a, pb_u128 was, pb_u128 expected)
{
    const pb_u128 new = { 0x0123456789abcdef, 0xfedcba9876543210 };
    bool equal = was.lo == expected.lo && was.hi == expected.hi;
    pb_u128 *vector = &m->state->slot[toy_slot_of(IR_V128)];
    pb_u128 *wide = &m->state->slot[toy_slot_of(IR_I128)];

    X(m, 0) = 0x12340;
    X(m, 1) = 0x13ff0;
    memcpy(m->ram + X(m, 0), &was, sizeof(was));
    memcpy(m->ram + X(m, 1), &was, sizeof(was));
    wide[0] = expected;
    wide[1] = new;
    m->accesses = 0;
    jit_again(a);
    CU_ASSERT_EQUAL(X(m, 2), 1);
    CU_ASSERT_EQUAL(vector->lo, was.lo);
    CU_ASSERT_EQUAL(vector->hi, was.hi);
    CU_ASSERT(same(m->ram + 0x12340, new));
    CU_ASSERT_EQUAL(wide[0].lo, was.lo);
    CU_ASSERT_EQUAL(wide[0].hi, was.hi);
    CU_ASSERT(same(m->ram + 0x13ff0, equal ? new : was));
    CU_ASSERT_EQUAL(wide[1].lo, new.lo); /* whatever cmpxchg16b wants in registers */
}

/* Whether each half counts, in RAM without asking the core, and unaligned, which is a fault before anything happened. */
static void wide_how(const char *how, uint32_t asked)
{
    const pb_u128 was = { 0x1111111122222222, 0x3333333344444444 };
    g_autoptr(toy_machine) m = toy_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    accel a;

    CU_ASSERT_TRUE_FATAL(pb_ir_parse(u, &toy_type, wide_text, &error));
    CU_ASSERT_TRUE_FATAL(pb_ir_verify(u, &error));
    jit_set(how);
    a = accel_new(m, 0);
    CU_ASSERT_TRUE_FATAL(jit_prepare(&a, u));
    toy_fill_tlb(m, true);
    for (uint32_t i = 3; i < 8; i++)
        X(m, i) = 0x7000 + i;
    wide_at(m, &a, was, was);
    CU_ASSERT_EQUAL(m->accesses, asked);
    wide_at(m, &a, was, (pb_u128){ was.lo, ~was.hi });
    wide_at(m, &a, was, (pb_u128){ ~was.lo, was.hi });
    CU_ASSERT_EQUAL(m->accesses, asked);
    for (uint32_t i = 3; i < 8; i++)
        CU_ASSERT_EQUAL(X(m, i), 0x7000 + i);

    X(m, 0) = 0x12348;
    CU_ASSERT_EQUAL(jit_again(&a), PB_CODE_EXIT_UNWOUND);
    X(m, 0) = 0x12340;
    X(m, 1) = 0x13ff8;
    CU_ASSERT_EQUAL(jit_again(&a), PB_CODE_EXIT_UNWOUND);
    CU_ASSERT(same(m->ram + 0x13ff0, was));
    CU_ASSERT_EQUAL(m->accesses, 2 + 2 * asked);
    accel_free(&a);
}

static void wide(void)
{
    wide_how("", 0);
    wide_how("pinned=0", 0);
    wide_how("region,pinned=3", 0);
    wide_how("baseline", 1); /* without AVX a load of 16 bytes is not single-copy atomic */
}

/* ---- patching -------------------------------------------------------------------------------------------------- */

/* Two units, A with a branch to B, both ways. */
static void links(void)
{
    static const uint32_t code[] = {
        TOY_I_SUBS | 1 << 8 | 1 << 16 | 2 << 24,
        TOY_I_BNE | 4u << 16, /* 0x1014 */
        TOY_I_IDLE,
        TOY_I_IDLE,
        TOY_I_IDLE,
        TOY_I_ADD | 0 << 8 | 0 << 16 | 2 << 24,
        TOY_I_B | 0xfffau << 16, /* 0x1000 */
    };
    g_autoptr(toy_machine) m = machine_with(code, G_N_ELEMENTS(code));
    jit_linked l;
    accel a;

    jit_set("");
    a = accel_new(m, 0);
    jit_link_two(&a, 0x1000, 0x1014, &l);
    X(m, 1) = 5;
    X(m, 2) = 1;
    X(m, 0) = 0;
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LINK); /* nothing is linked: at the branch */
    CU_ASSERT_EQUAL(X(m, 1), 4);
    jit_join(&a, &l);
    X(m, 1) = 5;
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LINK); /* behind the branch */
    CU_ASSERT_EQUAL(X(m, 0), 4);
    CU_ASSERT_EQUAL(X(m, 1), 0);
    jit_retire(&a, &l); /* B's entry: its pc is in the pc slot */
    X(m, 1) = 5;
    X(m, 0) = 0;
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_ENTRY);
    CU_ASSERT_EQUAL(PC(m), 0x1014);
    CU_ASSERT_EQUAL(X(m, 0), 0);
    jit_part(&a, &l); /* back to the stub */
    X(m, 1) = 5;
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LINK);
    accel_free(&a);
}

/* A jump to another page is not a link: where the page leads may change. */
static void far_jump(void)
{
    uint32_t code[PB_PAGE_SIZE / 4 + 1] = { TOY_I_B | (PB_PAGE_SIZE / 4) << 16 };
    g_autoptr(toy_machine) m = NULL;
    pb_jump_entry *entry;
    jit_linked l;
    accel a;

    code[PB_PAGE_SIZE / 4] = TOY_I_IDLE;
    m = machine_with(code, G_N_ELEMENTS(code));
    jit_set("");
    a = accel_new(m, 0);
    jit_link_two(&a, 0x1000, 0x1000 + PB_PAGE_SIZE, &l);
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LOOKUP);
    CU_ASSERT_EQUAL(PC(m), 0x1000 + PB_PAGE_SIZE);
    entry = &m->vcpu->jumps[pb_jump_index(PC(m), 2)];
    *entry = (pb_jump_entry){ PC(m), l.entry_b };
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_REASON);
    accel_free(&a);
}

static void jump_cache(void)
{
    static const uint32_t code[] = {
        TOY_I_ADD | 0 << 8 | 0 << 16 | 2 << 24,
        TOY_I_JR | 5 << 8,
        TOY_I_IDLE,
        TOY_I_IDLE,
        TOY_I_IDLE,
        TOY_I_ADD | 0 << 8 | 0 << 16 | 2 << 24,
        TOY_I_IDLE,
    };
    g_autoptr(toy_machine) m = machine_with(code, G_N_ELEMENTS(code));
    pb_jump_entry *entry;
    jit_linked l;
    accel a;

    jit_set("");
    a = accel_new(m, 0);
    jit_link_two(&a, 0x1000, 0x1014, &l);
    X(m, 2) = 1;
    X(m, 5) = 0x1014;
    X(m, 0) = 0;
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LOOKUP);
    CU_ASSERT_EQUAL(PC(m), 0x1014);
    entry = &m->vcpu->jumps[pb_jump_index(0x1014, 2)];
    *entry = (pb_jump_entry){ 0x1014, l.entry_b };
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_REASON);
    CU_ASSERT_EQUAL(X(m, 0), 3);
    X(m, 5) = UINT64_MAX; /* what an empty entry has */
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LOOKUP);
    CU_ASSERT_EQUAL(PC(m), UINT64_MAX);
    X(m, 5) = 0; /* the same, of the far ones */
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_LOOKUP);
    CU_ASSERT_EQUAL(PC(m), 0);
    X(m, 5) = 0x1014; /* what is found far away is near then */
    m->vcpu->jumps[PB_JUMP_ENTRIES + pb_far_jump_index(0x1014, JIT_FAR_BITS)] = *entry;
    *entry = (pb_jump_entry){ 0x1014 + (4 << PB_JUMP_BITS), l.entry_b };
    CU_ASSERT_EQUAL(jit_enter(&a, &l), PB_CODE_EXIT_REASON);
    CU_ASSERT_EQUAL(entry->pc, 0x1014);
    CU_ASSERT_PTR_EQUAL(entry->entry, l.entry_b);
    accel_free(&a);
}

/* ---- room ------------------------------------------------------------------------------------------------------ */

/* ---- the second level of the TLB ------------------------------------------------------------------------------ */

static const uint32_t refill_program[] = {
    TOY_I_LD | 0 << 8 | 3 << 16,
    TOY_I_ST | 0 << 8 | 4 << 16,
    TOY_I_LD | 1 << 8 | 4 << 16,
    TOY_I_ST | 1 << 8 | 3 << 16,
    TOY_I_IDLE,
};

/* Load from x3, store to x4, load from there, store to x3; how many accesses the core was asked for. */
static uint32_t refill(toy_machine *m, uint64_t x3, uint64_t x4)
{
    accel a = accel_new(m, 0);

    memset(m->ram + TOY_RAM / 2, 0x5a, TOY_RAM / 2);
    memset(&m->refill.touched, 0, sizeof(m->refill.touched));
    X(m, 3) = x3;
    X(m, 4) = x4;
    PC(m) = 0x1000;
    m->accesses = 0;
    CU_ASSERT_EQUAL(accel_run(&a, 100), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 1), X(m, 0));
    accel_free(&a);
    return m->accesses;
}

static void check_refills(void)
{
    g_autoptr(toy_machine) m = machine_with(refill_program, G_N_ELEMENTS(refill_program));

    m->ram[0x12008] = 1;
    CU_ASSERT_EQUAL(refill(m, 0x12008, 0x13ff8), 0);
    CU_ASSERT_EQUAL(X(m, 0), 1);
    CU_ASSERT_EQUAL(m->ram[0x13ff8], 1);
    CU_ASSERT_EQUAL(m->tlb->tag_read[0x12], 0x12000);
    CU_ASSERT_EQUAL(m->tlb->tag_write[0x12], 0x12000);
    CU_ASSERT_EQUAL(m->tlb->tag_read[0x13], 0x13000);
    CU_ASSERT_EQUAL(m->tlb->addend[0x13], (uintptr_t)m->ram);
    CU_ASSERT_EQUAL(m->refill.touched[2], PB_TLB_TOUCHED_LOCAL | PB_TLB_TOUCHED_GLOBAL);
    CU_ASSERT_EQUAL(m->refill.touched[1], 0);
    /* Only read so far: a tag for writing is not there. */
    CU_ASSERT_EQUAL(refill(m, 0x13000, 0x4000), 0);
    CU_ASSERT_EQUAL(m->refill.touched[2], PB_TLB_TOUCHED_GLOBAL);
    /* Both of one page. */
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 0);
    /* Across pages, of which the first is refilled before it is seen: the core does it, each time. */
    CU_ASSERT_EQUAL(refill(m, 0x12ffc, 0x15000), 2);
    CU_ASSERT_EQUAL(m->tlb->tag_read[0x12], 0x12000);
    /* A page from that code was taken may be read. */
    m->code[0x16] = true;
    CU_ASSERT_EQUAL(refill(m, 0x16000, 0x17000), 1);
    CU_ASSERT_EQUAL(m->tlb->tag_write[0x16], pb_tlb_invalid(0x16));
    /* Nowhere, and no memory. */
    CU_ASSERT_EQUAL(refill(m, TOY_MMIO, TOY_MMIO), 4);
}

/* Entries without rights, of other spaces, and not of plain memory. */
static void check_no_refills(void)
{
    g_autoptr(toy_machine) m = machine_with(refill_program, G_N_ELEMENTS(refill_program));
    accel a = accel_new(m, 0);
    pb_tlb2_entry *entry;
    uint32_t set;

    X(m, 3) = X(m, 4) = 0x12000;
    CU_ASSERT_EQUAL(accel_run(&a, 100), PB_RUN_IDLE); /* which fills */
    set = (0x12 ^ m->refill.salt[0]) & (TOY_SECOND_SETS - 1);
    entry = &m->second->entry[set][0];
    CU_ASSERT_EQUAL_FATAL(m->second->tag[set][0], 0x12000 | m->refill.space[0]);
    jit_how.use_second = false; /* leave it as it is */
    entry->plain &= ~(uintptr_t)PB_TLB2_WRITE;
    jit_how.use_tlb = false;
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 2);
    entry->plain |= PB_TLB2_WRITE;
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 0);
    m->tagged[0x12] = PB_TLB2_TAGGED | 1;
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 2);
    m->tagged[0x12] = PB_TLB2_TAGGED;
    m->refill.space[0]++;
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 4);
    m->refill.space[0]--;
    entry->plain &= ~(uintptr_t)(PB_TLB2_READ);
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 2); /* writing only */
    entry->plain = 0;
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 4);
    m->vcpu->refill[0] = NULL;
    CU_ASSERT_EQUAL(refill(m, 0x12000, 0x12010), 4);
    accel_free(&a);
}

/* A page that only the second level leads to, at an address of which all bits count, in a space (0, 1); what leads there
 * to the same page of RAM. */
static pb_tlb2_entry *add_far(toy_machine *m, uint64_t gva, uint64_t page, uint32_t space,
                              bool block)
{
    uint64_t n = gva >> (block ? PB_BLOCK_BITS : PB_PAGE_BITS);
    uint32_t fold = block ? PB_TLB2_BLOCK_BITS : PB_TLB2_BITS;
    uint32_t set = (n ^ n >> fold ^ m->refill.salt[space]) &
                   (block ? PB_TLB2_BLOCK_SETS - 1 : m->refill.set_mask);
    uint32_t way = 2 * space + 1;
    pb_tlb2_entry *entry = block ? &m->second->block[set][way] : &m->second->entry[set][way];

    *(block ? &m->second->block_tag[set][way] : &m->second->tag[set][way]) =
        n << (block ? PB_BLOCK_BITS : PB_PAGE_BITS) | m->refill.space[space];
    *entry = (pb_tlb2_entry){ .plain = (uintptr_t)(m->ram + page * PB_PAGE_SIZE) | PB_TLB2_READ |
                                       PB_TLB2_WRITE,
                              .tagged = &m->tagged[page] };
    return entry;
}

/* How often the core is asked for a load and a store of each of two pages, and whether they went to pages of RAM. */
static uint32_t refill_far(toy_machine *m, uint64_t a, uint32_t page_a, uint64_t b, uint32_t page_b)
{
    uint32_t asked = refill(m, a + 8, b + 16);

    if (asked)
        return asked;
    CU_ASSERT_EQUAL(m->ram[page_a * PB_PAGE_SIZE + 8], 0x5a);
    CU_ASSERT_EQUAL(m->ram[page_b * PB_PAGE_SIZE + 16], 0x5a);
    CU_ASSERT_EQUAL(m->tlb->addend[a >> PB_PAGE_BITS & (PB_TLB_ENTRIES - 1)],
                    (uintptr_t)m->ram + page_a * PB_PAGE_SIZE - (a & ~PB_PAGE_MASK));
    CU_ASSERT_EQUAL(m->tlb->tag_write[b >> PB_PAGE_BITS & (PB_TLB_ENTRIES - 1)], b & ~PB_PAGE_MASK);
    return 0;
}

static void check_far(uint32_t set_mask)
{
    const uint64_t pages = UINT64_C(0xffff800012345000), blocks = UINT64_C(0xffff800087600000);
    g_autoptr(toy_machine) m = machine_with(refill_program, G_N_ELEMENTS(refill_program));
    pb_tlb2_entry *block;
    accel a = accel_new(m, 0);

    CU_ASSERT_EQUAL(accel_run(&a, 100), PB_RUN_IDLE); /* which fills */
    accel_free(&a);
    jit_how.use_second = jit_how.use_tlb = false;
    m->refill.set_mask = set_mask;
    m->refill.kinds = 0xf;
    memset(m->tagged, PB_TLB2_TAGGED, sizeof(m->tagged));
    add_far(m, pages, 0x81, 0, false);
    add_far(m, pages + 0x76543000, 0x82, 1, false);
    CU_ASSERT_EQUAL(refill_far(m, pages, 0x81, pages + 0x76543000, 0x82), 0);
    /* Pages 0x90 and 0xa5 of one block, for all spaces; 0xb0 of another one. */
    block = add_far(m, blocks, 0, 1, true);
    add_far(m, blocks + PB_BLOCK_SIZE, 0, 0, true);
    CU_ASSERT_EQUAL(refill_far(m, blocks + 0x90000, 0x90, blocks + 0xa5000, 0xa5), 0);
    CU_ASSERT_EQUAL(refill_far(m, blocks + 0xa5000, 0xa5, blocks + PB_BLOCK_SIZE + 0xb0000, 0xb0),
                    0);
    add_far(m, UINT64_MAX - PB_PAGE_MASK, 0x83, 0, false); /* the last page of all */
    CU_ASSERT_EQUAL(refill_far(m, UINT64_MAX - PB_PAGE_MASK, 0x83, pages, 0x81), 0);
    CU_ASSERT_EQUAL(refill_far(m, pages, 0x81, UINT64_MAX - PB_PAGE_MASK, 0x83), 0);
    /* A page's own entry comes first. */
    add_far(m, blocks + 0x90000, 0xc0, 0, false);
    CU_ASSERT_EQUAL(refill_far(m, blocks + 0x90000, 0xc0, blocks + 0x91000, 0x91), 0);
    /* Where the core can do it too. */
    m->refill.kinds = PB_TLB2_BLOCKS << PB_TLB2_KINDS_BITS;
    block = add_far(m, 0, 0, 1, true);
    CU_ASSERT_EQUAL(refill(m, 0x8c000, 0xa5000), 0);
    m->tagged[0xa5] = 0; /* somebody watches this one */
    CU_ASSERT_EQUAL(refill(m, 0x8c000, 0xa4000), 0);
    CU_ASSERT_EQUAL(refill(m, 0x8c000, 0xa5000), 1);
    block->plain &= ~(uintptr_t)PB_TLB2_WRITE;
    CU_ASSERT_EQUAL(refill(m, 0x8c000, 0xa4000), 2);
    block->plain |= PB_TLB2_WRITE;
    m->refill.kinds = PB_TLB2_BLOCKS; /* of the other space */
    CU_ASSERT_EQUAL(refill(m, 0x8c000, 0xa4000), 4);
    m->refill.kinds = PB_TLB2_PAGES | PB_TLB2_PAGES << PB_TLB2_KINDS_BITS;
    CU_ASSERT_EQUAL(refill(m, 0x8c000, 0xa4000), 4);
}

static void second_level(void)
{
    static const char *const how[] = { "tlb2", "tlb2,baseline,pinned=2" };

    for (uint32_t i = 0; i < G_N_ELEMENTS(how); i++) {
        jit_set(how[i]);
        check_refills();
        check_no_refills();
        for (uint32_t bits = PB_TLB2_BITS; bits <= PB_TLB2_MOST_BITS; bits++) {
            jit_set(how[i]);
            check_far((1u << bits) - 1);
        }
    }
}

static void no_room(void)
{
    g_autoptr(toy_machine) m = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    uint32_t refused = 0, taken = 0;
    accel a;

    jit_set("counted");
    a = accel_new(m, 0);
    for (uint32_t room = 0; room < 1200; room++) {
        uint32_t status = jit_emit_in(&a, 0x1000, room);

        refused += status == PB_EMIT_NO_ROOM;
        taken += status == PB_EMIT_OK;
        CU_ASSERT_TRUE(status == PB_EMIT_OK || status == PB_EMIT_NO_ROOM);
    }
    CU_ASSERT_TRUE(refused > 100);
    CU_ASSERT_TRUE(taken > 100);
    accel_free(&a);
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "a program", program },
        { "every budget", budgets },
        { "exact counts", exact_counts },
        { "a lowered budget, a request", cut },
        { "floating point of C code", flags_of_c },
        { "16 bytes", wide },
        { "fused operations", fused },
        { "flags of two slots", flags_of_two_slots },
        { "flags beside a choice", flags_beside_choice },
        { "a request in a loop", request_in_loop },
        { "links, retired entries", links },
        { "indirect jumps", jump_cache },
        { "jumps to other pages", far_jump },
        { "regions and units", regions },
        { "the second level of the TLB", second_level },
        { "no room", no_room },
        { 0 },
    };

    if (argc != 2)
        return 2;
    jit_open(argv[1]);
    accel_use_type(&jit_type);
    return unit_run("emitted code", cases);
}
