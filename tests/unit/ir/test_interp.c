/*
 * The reference interpreter on the toy machine: programs, exact counting, faults, helpers, code that changes.
 *
 * usage: test_interp accel-interp.so
 */
#include <core/ir/text.h>
#include <core/ir/translate.h>
#include <core/ir/verify.h>

#include "accel.h"
#include "../runner.h"

#define X(m, n) ((m)->state->slot[n].lo)
#define PC(m)   ((m)->state->slot[TOY_PC].lo)

/* A machine with a program at pc 0x1000 and the driver of the core. */
static toy_machine *machine_with(const uint32_t *words, size_t n)
{
    toy_machine *m = toy_new();

    m->translate = &pb_translate_ops_table;
    toy_load(m, 0x1000, words, n);
    PC(m) = 0x1000;
    return m;
}

/* ---- programs ------------------------------------------------------------------------------------------- */

/* Sum of 1 to x1 in x0, with a store and a load on the way. */
static const uint32_t sum_program[] = {
    [0] = TOY_I_MOVI | 0 << 8 | 0 << 16,
    [1] = TOY_I_MOVI | 1 << 8 | 100 << 16,
    [2] = TOY_I_MOVI | 2 << 8 | 1 << 16,
    [3] = TOY_I_MOVI | 3 << 8 | 0x4000 << 16,
    [4] = TOY_I_ADD | 0 << 8 | 0 << 16 | 1 << 24,
    [5] = TOY_I_ST | 0 << 8 | 3 << 16 | 2 << 24,
    [6] = TOY_I_LD | 4 << 8 | 3 << 16 | 2 << 24,
    [7] = TOY_I_SUBS | 1 << 8 | 1 << 16 | 2 << 24,
    [8] = TOY_I_BNE | 0xfffcu << 16,
    [9] = TOY_I_IDLE,
};

static void program(void)
{
    g_autoptr(toy_machine) m = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    accel a = accel_new(m, 0);

    CU_ASSERT_EQUAL(accel_run(&a, INT64_MAX), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 0), 5050);
    CU_ASSERT_EQUAL(X(m, 4), 5050);
    CU_ASSERT_EQUAL(X(m, 1), 0);
    CU_ASSERT_EQUAL(PC(m), 0x1028);
    CU_ASSERT_EQUAL(m->vcpu->retired, 4 + 100 * 5 + 1);
    accel_free(&a);
}

/* With every budget the state is that after so many single steps. */
static void budgets(void)
{
    g_autoptr(toy_machine) stepped = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    accel steps = accel_new(stepped, 0);

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

/* ---- what devices and helpers see -------------------------------------------------------------------------- */

static const uint32_t device_program[] = {
    TOY_I_MOVI | 7 << 8 | 0x20u << 16, /* x7 = 0x20 << 16 by doubling */
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_ADD | 7 << 8 | 7 << 16 | 7u << 24,
    TOY_I_LD | 0 << 8 | 7 << 16 | 1u << 24, /* 17: the 18th instruction, pc 0x1044 */
    TOY_I_NOTE | 0 << 8,
    TOY_I_ST | 0 << 8 | 7 << 16 | 2u << 24,
    TOY_I_IDLE,
};

static void exact_counts(void)
{
    g_autoptr(toy_machine) m = machine_with(device_program, G_N_ELEMENTS(device_program));
    accel a = accel_new(m, 0);

    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL_FATAL(m->events->len, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const toy_event *e = toy_event_at(m, i);

        CU_ASSERT_EQUAL(e->pc, 0x1044 + 4 * i);
        CU_ASSERT_EQUAL(e->retired, 18 + i);
        CU_ASSERT_EQUAL(e->budget, 1000 - 18 - (int64_t)i);
        CU_ASSERT_EQUAL(e->aux, (0x1044 + 4 * i) ^ 0xa5);
    }
    CU_ASSERT_EQUAL(toy_event_at(m, 0)->value, TOY_MMIO + 8);
    CU_ASSERT_EQUAL(toy_event_at(m, 1)->value, TOY_MMIO + 8);
    CU_ASSERT_EQUAL(X(m, 0), TOY_MMIO + 8);
    accel_free(&a);
}

/* A device that lowers the budget stops the vCPU after the instruction; so does a request. */
static void cut(void)
{
    g_autoptr(toy_machine) m = machine_with(device_program, G_N_ELEMENTS(device_program));
    accel a = accel_new(m, 0);

    m->cut_budget = 1;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_BUDGET);
    CU_ASSERT_EQUAL(PC(m), 0x104c); /* one more, the note, was executed */
    CU_ASSERT_EQUAL(m->vcpu->retired, 19);
    m->cut_budget = -1;
    m->request_on_mmio = true;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_REQUEST);
    CU_ASSERT_EQUAL(PC(m), 0x1050);
    PC(m) = 0x1044;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_REQUEST);
    CU_ASSERT_EQUAL(PC(m), 0x1044);
    accel_free(&a);
}

static void request_in_loop(void)
{
    static const uint32_t loop[] = {
        TOY_I_ADD | 0 << 8 | 0 << 16 | 1u << 24,
        TOY_I_LD | 2 << 8 | 7 << 16,
        TOY_I_B | 0xfffeu << 16,
    };
    g_autoptr(toy_machine) m = machine_with(loop, G_N_ELEMENTS(loop));
    accel a = accel_new(m, 0);

    X(m, 1) = 1;
    X(m, 7) = TOY_MMIO;
    m->request_on_mmio = true;
    CU_ASSERT_EQUAL(accel_run(&a, INT64_MAX), PB_RUN_REQUEST);
    CU_ASSERT_EQUAL(X(m, 0), 1);
    CU_ASSERT_EQUAL(PC(m), 0x1008);
    accel_free(&a);
}

/* ---- faults ---------------------------------------------------------------------------------------------- */

static void data_faults(void)
{
    static const uint32_t words[] = {
        TOY_I_MOVI | 0 << 8 | 5 << 16,
        TOY_I_LD | 0 << 8 | 6 << 16,
        TOY_I_MOVI | 0 << 8 | 6 << 16,
        TOY_I_IDLE,
    };
    static const uint32_t vector[] = { TOY_I_IDLE };
    g_autoptr(toy_machine) m = machine_with(words, G_N_ELEMENTS(words));
    accel a = accel_new(m, 0);

    toy_load(m, TOY_VECTOR, vector, 1);
    X(m, 6) = 0x3000000;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(m->faults, 1);
    CU_ASSERT_EQUAL(m->fault.gva, 0x3000000);
    CU_ASSERT_EQUAL(m->fault.type, PB_ACCESS_READ);
    CU_ASSERT_EQUAL(m->fault.attr, PB_MEM_SIZE_LOG2(3));
    CU_ASSERT_EQUAL(m->fault.aux, 0x1004 ^ 0xa5);
    CU_ASSERT_EQUAL(toy_event_at(m, 0)->pc, 0x1004);
    CU_ASSERT_EQUAL(X(m, 0), 5);
    CU_ASSERT_EQUAL(m->vcpu->retired, 3);
    CU_ASSERT_EQUAL(PC(m), TOY_VECTOR + 4);
    accel_free(&a);
}

static void fetch_faults(void)
{
    static const uint32_t words[] = { TOY_I_JR | 5 << 8 };
    g_autoptr(toy_machine) m = machine_with(words, G_N_ELEMENTS(words));
    accel a = accel_new(m, 0);

    X(m, 5) = 0x5000000;
    /* The vector has word 0, which traps; the trap's vector has the same: endless, and counted. */
    CU_ASSERT_EQUAL(accel_run(&a, 50), PB_RUN_BUDGET);
    CU_ASSERT_EQUAL(m->vcpu->retired, 50);
    CU_ASSERT_EQUAL(m->faults, 1);
    CU_ASSERT_EQUAL(m->fault.type, PB_ACCESS_FETCH);
    CU_ASSERT_EQUAL(m->fault.gva, 0x5000000);
    CU_ASSERT_EQUAL(toy_event_at(m, 0)->pc, 0x5000000);
    accel_free(&a);
}

/* The last word of a page and the first of the next are one instruction; alone if the next page is not there. */
static void page_crossing(void)
{
    static const uint32_t words[] = {
        TOY_I_MOVI | 1 << 8 | 1 << 16,
        TOY_I_LONG | 0 << 8,
        0x12345678,
        TOY_I_IDLE,
    };
    g_autoptr(toy_machine) m = machine_with(words, 0);
    accel a = accel_new(m, 0);

    toy_load(m, 0x1ff8, words, G_N_ELEMENTS(words));
    PC(m) = 0x1ff8;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 0), 0x12345678);
    CU_ASSERT_EQUAL(X(m, 1), 1);
    CU_ASSERT_EQUAL(PC(m), 0x2008);
    /* A write to the second page makes the unit stale. */
    m->ram[0x2000] = 0x99;
    m->generation[2]++;
    PC(m) = 0x1ff8;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 0), 0x12345699);

    toy_load(m, TOY_RAM - 8, words, 2);
    X(m, 1) = 0;
    PC(m) = TOY_RAM - 8;
    CU_ASSERT_EQUAL(accel_run(&a, 2), PB_RUN_BUDGET);
    CU_ASSERT_EQUAL(X(m, 1), 1);
    CU_ASSERT_EQUAL(m->faults, 1);
    CU_ASSERT_EQUAL(m->fault.gva, TOY_RAM);
    CU_ASSERT_EQUAL(toy_event_at(m, 0)->pc, TOY_RAM - 4);
    accel_free(&a);
}

/* Code that is not in RAM is fetched anew every time. */
static void code_in_device(void)
{
    static const uint32_t idle[] = { TOY_I_IDLE };
    g_autoptr(toy_machine) m = machine_with(NULL, 0);
    accel a = accel_new(m, 0);

    toy_load(m, TOY_TRAP_VECTOR, idle, 1);
    for (uint32_t i = 1; i <= 3; i++) {
        PC(m) = TOY_MMIO;
        CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
        CU_ASSERT_EQUAL(PC(m), TOY_TRAP_VECTOR + 4);
        CU_ASSERT_EQUAL(m->events->len, 4 * i);
        CU_ASSERT_EQUAL(m->vcpu->retired, 2 * i);
    }
    accel_free(&a);
}

/* ---- code that changes -------------------------------------------------------------------------------------- */

/* An instruction writes over the one behind it: the new one is executed. */
static void own_code(void)
{
    static const uint32_t words[] = {
        TOY_I_WORD | 0 << 8 | 1 << 16 | 2u << 24, /* [x1 + 8] = x0 */
        TOY_I_MOVI | 2 << 8 | 1 << 16,
        TOY_I_MOVI | 3 << 8 | 1 << 16, /* becomes x3 = 0x77 */
        TOY_I_IDLE,
    };
    g_autoptr(toy_machine) m = machine_with(words, G_N_ELEMENTS(words));
    accel a = accel_new(m, 0);

    X(m, 0) = TOY_I_MOVI | 3 << 8 | 0x77 << 16;
    X(m, 1) = 0x1000;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 3), 0x77);
    CU_ASSERT_EQUAL(X(m, 2), 1);
    CU_ASSERT_EQUAL(m->vcpu->retired, 4);
    accel_free(&a);
}

/* Translations change: the same virtual address is found again only after the epoch moved; here the toy's pages
 * do not move, so it is the number of questions that is looked at. */
static void epochs(void)
{
    g_autoptr(toy_machine) m = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    accel a = accel_new(m, 0);
    uint32_t asked;

    accel_run(&a, INT64_MAX);
    PC(m) = 0x1000;
    asked = m->code_calls;
    accel_run(&a, INT64_MAX);
    CU_ASSERT_EQUAL(m->code_calls, asked);
    m->vcpu->tlb_epoch++;
    PC(m) = 0x1000;
    accel_run(&a, INT64_MAX);
    CU_ASSERT_TRUE(m->code_calls > asked);
    accel_free(&a);
}

/* Other memory at the same address, and back: what was there before keeps its generation. */
static void other_memory(void)
{
    static const uint32_t first[] = { TOY_I_MOVI | 0 << 8 | 1 << 16, TOY_I_IDLE };
    static const uint32_t second[] = { TOY_I_MOVI | 0 << 8 | 2 << 16, TOY_I_IDLE };
    static const uint32_t crossing[] = { TOY_I_LONG | 0 << 8 }, low[] = { 3, TOY_I_IDLE },
                          high[] = { 4, TOY_I_IDLE };
    g_autoptr(toy_machine) m = machine_with(first, G_N_ELEMENTS(first));
    accel a = accel_new(m, 0);

    toy_load(m, 0x3000, second, G_N_ELEMENTS(second));
    toy_load(m, 0x4ffc, crossing, 1);
    toy_load(m, 0x5000, low, G_N_ELEMENTS(low));
    toy_load(m, 0x6000, high, G_N_ELEMENTS(high));
    for (uint32_t i = 0; i < 4; i++) {
        m->instead_of = i & 1 ? 0x1000 : 0;
        m->instead = 0x3000;
        m->vcpu->tlb_epoch++;
        PC(m) = 0x1000;
        CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
        CU_ASSERT_EQUAL(X(m, 0), 1 + (i & 1));
        m->instead_of = i & 1 ? 0x5000 : 0;
        m->instead = 0x6000;
        m->vcpu->tlb_epoch++;
        PC(m) = 0x4ffc;
        CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
        CU_ASSERT_EQUAL(X(m, 0), 3 + (i & 1));
    }
    accel_free(&a);
}

static void unit_keys(void)
{
    static const uint32_t words[] = {
        TOY_I_MODE | 1 << 8,
        TOY_I_MOVI | 1 << 8 | 1 << 16,
        TOY_I_MODE | 2 << 8,
        TOY_I_IDLE,
    };
    g_autoptr(toy_machine) m = machine_with(words, G_N_ELEMENTS(words));
    accel a = accel_new(m, 0);

    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(m->state->slot[TOY_MODE].lo, 2);
    CU_ASSERT_EQUAL(accel_statistic(&a, "units translated"), 3);
    PC(m) = 0x1004;
    CU_ASSERT_EQUAL(accel_run(&a, 1000), PB_RUN_IDLE);
    /* 0x1004 again, for another key */
    CU_ASSERT_EQUAL(accel_statistic(&a, "units translated"), 4);
    accel_free(&a);
}

/* A cache of the smallest size: units come and go, nothing else changes. */
static void small_cache(void)
{
    g_autoptr(toy_machine) m = toy_new();
    accel a;

    m->translate = &pb_translate_ops_table;
    a = accel_new(m, 4096);
    for (uint32_t i = 0; i < 200; i++) {
        const uint32_t words[2] = { TOY_I_ADD | 0 << 8 | 0 << 16 | 1u << 24,
                                    toy_branch(TOY_I_B, i == 199 ? -1 - 199 * 16 : 15) };

        toy_load(m, 0x10000 + 64 * i, words, 2);
    }
    X(m, 1) = 1;
    PC(m) = 0x10000;
    CU_ASSERT_EQUAL(accel_run(&a, 4000), PB_RUN_BUDGET);
    CU_ASSERT_EQUAL(X(m, 0), 2000);
    CU_ASSERT_TRUE(accel_statistic(&a, "cache flushes") > 5);
    accel_flush(&a);
    CU_ASSERT_EQUAL(accel_run(&a, 4000), PB_RUN_BUDGET);
    CU_ASSERT_EQUAL(X(m, 0), 4000);
    accel_free(&a);
}

/* ---- logging --------------------------------------------------------------------------------------------------- */

static uint64_t logged[64];
static uint32_t n_logged;

static void log_exec(pb_vcpu *vcpu, const ir_unit *unit)
{
    CU_ASSERT_EQUAL(unit->n_marks, 1);
    if (n_logged < G_N_ELEMENTS(logged))
        logged[n_logged++] = unit->marks[0].pc;
}

static void logging(void)
{
    static const pb_translate_hooks hooks = { .exec = log_exec };
    g_autoptr(toy_machine) m = machine_with(sum_program, G_N_ELEMENTS(sum_program));
    accel a = accel_new(m, 0);

    pb_translate_set_hooks(&hooks);
    n_logged = 0;
    CU_ASSERT_EQUAL(accel_run(&a, 10), PB_RUN_BUDGET);
    pb_translate_set_hooks(NULL);
    for (uint32_t i = 0; i < 9; i++)
        CU_ASSERT_EQUAL(logged[i], 0x1000 + 4 * i);
    CU_ASSERT_EQUAL(logged[9], 0x1010);
    CU_ASSERT_EQUAL(accel_run(&a, INT64_MAX), PB_RUN_IDLE);
    CU_ASSERT_EQUAL(X(m, 0), 5050);
    accel_free(&a);
}

/* ---- units from text --------------------------------------------------------------------------------------------- */

/* Run the unit at pc 0x100 until it leaves; everything else leaves with PB_RUN_DEBUG. */
static uint32_t run_text(toy_machine *m, const char *body)
{
    g_autofree char *text = g_strconcat("unit toy pc=0x100 key=0\n", body, NULL);
    g_autoptr(ir_unit) u = pb_ir_unit_new(&toy_type);
    g_autoptr(GError) error = NULL;
    uint32_t reason;
    accel a;

    if (!pb_ir_parse(u, &toy_type, text, &error) || !pb_ir_verify(u, &error)) {
        printf("\n%s\n", error->message);
        CU_FAIL("the test's text is wrong");
        return 0;
    }
    accel_use_unit(m, u);
    a = accel_new(m, 0);
    PC(m) = 0x100;
    reason = accel_run(&a, 1000);
    accel_free(&a);
    return reason;
}

static void parameters(void)
{
    g_autoptr(toy_machine) m = toy_new();

    /* Two values change places three times; a third one, of 128 bits, goes along. */
    CU_ASSERT_EQUAL(run_text(m, "b0:\n"
                                "  br -> b1(1:i64, 2:i64, 0x3_0000000000000004:v128, 3:i64)\n"
                                "b1(%0:i64, %1:i64, %2:v128, %3:i64):\n"
                                "  %4:i64 = sub %3, 1:i64\n"
                                "  %5:i1 = eq %4, 0:i64\n"
                                "  %6:v128 = v.add %2, 0x1_0000000000000001:v128 {es=3}\n"
                                "  br.if %5 -> b2(%0, %2), b1(%1, %0, %6, %4)\n"
                                "b2(%7:i64, %8:v128):\n"
                                "  put %7 {slot=x0}\n"
                                "  put %0 {slot=x1}\n"
                                "  put %1 {slot=x2}\n"
                                "  put %8 {slot=v128a}\n"
                                "  exit 0x104:i64 {n=3}\n"),
                    3);
    CU_ASSERT_EQUAL(X(m, 0), 1);
    CU_ASSERT_EQUAL(X(m, 1), 1);
    CU_ASSERT_EQUAL(X(m, 2), 2);
    CU_ASSERT_EQUAL(m->state->slot[28].lo, 6);
    CU_ASSERT_EQUAL(m->state->slot[28].hi, 5);
    CU_ASSERT_EQUAL(PC(m), 0x104);
}

static void indexed_slots(void)
{
    g_autoptr(toy_machine) m = toy_new();

    X(m, 1) = 11;
    X(m, 2) = 12;
    CU_ASSERT_EQUAL(run_text(m, "b0:\n"
                                "  %0:i64 = get.idx 1:i8 {slot=x1 n=2}\n"
                                "  %1:i64 = get.idx 2:i8 {slot=x1 n=2}\n"
                                "  %2:i64 = get.idx 0xffffffffffffffff:i64 {slot=x1 n=2}\n"
                                "  put %0 {slot=x0}\n"
                                "  put %1 {slot=x6}\n"
                                "  put %2 {slot=x7}\n"
                                "  put.idx 1:i32, 21:i64 {slot=x2 n=2}\n"
                                "  put.idx 2:i32, 22:i64 {slot=x2 n=2}\n"
                                "  put.idx 0x80000000:i32, 23:i64 {slot=x2 n=2}\n"
                                "  exit 0:i64 {n=1}\n"),
                    1);
    CU_ASSERT_EQUAL(X(m, 0), 12);
    CU_ASSERT_EQUAL(X(m, 6), 0);
    CU_ASSERT_EQUAL(X(m, 7), 0);
    CU_ASSERT_EQUAL(X(m, 3), 21);
    CU_ASSERT_EQUAL(X(m, 4), 0);
    CU_ASSERT_EQUAL(X(m, 2), 12);
}

static void helper_calls(void)
{
    g_autoptr(toy_machine) m = toy_new();

    CU_ASSERT_EQUAL(run_text(m,
                             "b0:\n"
                             "  insn 0x100 4 aux=9\n"
                             "  %0:i64 = call 5:i64, 7:i64 {helper=sum}\n"
                             "  %1:i64 = call 1:i64, 2:i64, 3:i64, 4:i64, 5:i64, %0 {helper=six}\n"
                             "  %2:v128 = call 0x1_0000000000000002:v128, 10:i32 {helper=mix}\n"
                             "  %3:i8 = call 0:i64 {helper=check}\n"
                             "  put %0 {slot=x0}\n"
                             "  put %1 {slot=x1}\n"
                             "  put %2 {slot=v128a}\n"
                             "  put %3 {slot=i8a}\n"
                             "  insn 0x104 4\n"
                             "  call 4:i32, 0x2000:i64 {helper=leave}\n"
                             "  put 99:i64 {slot=x0}\n"
                             "  exit 0:i64 {n=1}\n"),
                    4);
    CU_ASSERT_EQUAL(PC(m), 0x2000);
    CU_ASSERT_EQUAL(X(m, 0), 26);
    CU_ASSERT_EQUAL(X(m, 1), 1 + 4 + 9 + 16 + 25 + 6 * 26);
    CU_ASSERT_EQUAL(m->state->slot[28].lo, 11);
    CU_ASSERT_EQUAL(m->state->slot[28].hi, 2);
    CU_ASSERT_EQUAL(m->state->slot[10].lo, 7);
    CU_ASSERT_EQUAL(m->vcpu->unwind, 0);
    CU_ASSERT_EQUAL(m->vcpu->leave_reason, 0);
    CU_ASSERT_EQUAL(m->vcpu->retired, 2);

    CU_ASSERT_EQUAL(run_text(m, "b0:\n"
                                "  insn 0x100 4\n"
                                "  %0:i8 = call 1:i64 {helper=check}\n"
                                "  put 1:i64 {slot=x0}\n"
                                "  exit 0:i64 {n=1}\n"),
                    PB_RUN_DEBUG);
    CU_ASSERT_EQUAL(PC(m), TOY_TRAP_VECTOR);
    CU_ASSERT_EQUAL(X(m, 0), 26);
}

static void memory(void)
{
    g_autoptr(toy_machine) m = toy_new();

    X(m, 5) = 0x2000;
    memcpy(m->ram + 0x2000, "\x80\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f", 16);
    CU_ASSERT_EQUAL(run_text(m, "b0:\n"
                                "  insn 0x100 4\n"
                                "  %0:i64 = get {slot=x5}\n"
                                "  %1:i64 = ld %0 {size=1 le signed}\n"
                                "  %2:i64 = ld %0 {size=4 be}\n"
                                "  %3:i16 = ld %0 {size=1 le signed}\n"
                                "  %4:v128 = ld %0 {size=16 le}\n"
                                "  %5:v128 = ld %0 {size=4 le}\n"
                                "  %6:v64 = ld %0 {size=8 be}\n"
                                "  %7:i64 = add %0, 0x100:i64\n"
                                "  st %7, %4 {size=16 be}\n"
                                "  %8:i32 = rmw %0, 0xff:i32 {size=1 le sub=add}\n"
                                "  %9:i1 = stx %7, 1:i32 {size=4 le}\n"
                                "  %10:i32 = ldx %7 {size=4 le}\n"
                                "  %11:i1 = stx %7, 0x55:i32 {size=4 le}\n"
                                "  %12:i128 = cas %0, 0x0_0000000000000000:i128, "
                                "0x0_0000000000000000:i128 {size=16 le}\n"
                                "  put %1 {slot=x0}\n"
                                "  put %2 {slot=x1}\n"
                                "  put %3 {slot=i16a}\n"
                                "  put %5 {slot=v128a}\n"
                                "  put %6 {slot=v64a}\n"
                                "  put %8 {slot=i32a}\n"
                                "  put %9 {slot=i1a}\n"
                                "  put %10 {slot=i32b}\n"
                                "  put %11 {slot=i1b}\n"
                                "  put %12 {slot=i128a}\n"
                                "  exit 0:i64 {n=1}\n"),
                    1);
    CU_ASSERT_EQUAL(X(m, 0), UINT64_C(0xffffffffffffff80));
    CU_ASSERT_EQUAL(X(m, 1), 0x80010203);
    CU_ASSERT_EQUAL(m->state->slot[12].lo, 0xff80);
    CU_ASSERT_EQUAL(m->state->slot[28].lo, 0x03020180);
    CU_ASSERT_EQUAL(m->state->slot[28].hi, 0);
    CU_ASSERT_EQUAL(m->state->slot[26].lo, UINT64_C(0x8001020304050607));
    CU_ASSERT_EQUAL(m->state->slot[14].lo, 0x80);
    CU_ASSERT_EQUAL(m->ram[0x2000], 0x7f);
    CU_ASSERT_EQUAL(m->state->slot[8].lo, 0);
    CU_ASSERT_EQUAL(m->state->slot[15].lo, 0x0c0d0e0f);
    CU_ASSERT_EQUAL(m->state->slot[9].lo, 1);
    CU_ASSERT_EQUAL(m->ram[0x2100], 0x55);
    CU_ASSERT_EQUAL(m->ram[0x210f], 0x80);
    CU_ASSERT_EQUAL(m->state->slot[16].lo, UINT64_C(0x070605040302017f));
    CU_ASSERT_EQUAL(m->state->slot[16].hi, UINT64_C(0x0f0e0d0c0b0a0908));
}

int main(int argc, char **argv)
{
    static const unit_case cases[] = {
        { "a program", program },
        { "every budget stops exactly", budgets },
        { "counts are exact for devices and helpers", exact_counts },
        { "a device cuts the budget", cut },
        { "a request ends a loop", request_in_loop },
        { "faults of data", data_faults },
        { "faults of fetching", fetch_faults },
        { "instructions on two pages", page_crossing },
        { "code that is not in RAM", code_in_device },
        { "code that writes over itself", own_code },
        { "translations that change", epochs },
        { "other memory at an address", other_memory },
        { "unit keys", unit_keys },
        { "a small cache", small_cache },
        { "the execution log", logging },
        { "parameters of blocks", parameters },
        { "indexed slots", indexed_slots },
        { "helpers", helper_calls },
        { "memory operations", memory },
        { 0 },
    };

    if (argc != 2)
        return 2;
    accel_open(argv[1]);
    return unit_run("reference interpreter", cases);
}
