/*
 * Every row of a64.decode, and words that have none, translated under many unit keys: the
 * verifier accepts the IR, and units end as they should. What the IR means is tested by
 * executing it (tests/insn).
 */
#include <core/ir/text.h>
#include <core/ir/translate.h>
#include <core/ir/verify.h>

#include "fake.h"
#include "../runner.h"
#include "sysregs.h"
#include "translate.h"

#define CODE 0x8000

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t next_random(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static bool translates(const uint32_t *words, uint32_t n, uint64_t key)
{
    static const pb_translate_limits limits = { .max_insns = 32, .follow = true };
    g_autoptr(GError) error = NULL;
    pb_guest_fault fault;
    ir_unit *unit;
    bool good;

    memcpy(host.ram + CODE, words, n * sizeof(uint32_t));
    unit = pb_translate_ops_table.translate(fake_vcpu(0), CODE, key, &limits, NULL, &fault);
    CU_ASSERT_PTR_NOT_NULL_FATAL(unit);
    /* The driver verifies too, and asks for the end of the machine if a unit is bad. */
    good = !unit->overflow && pb_ir_verify(unit, &error) && host.requests == 0;
    host.requests = 0;
    if (!good) {
        g_autoptr(GString) text = g_string_new(NULL);

        pb_ir_print(unit, text);
        fprintf(stderr, "%08x key 0x%llx: %s\n%s", words[0], (unsigned long long)key,
                error          ? error->message
                : unit->misuse ? unit->misuse
                               : "overflow",
                text->str);
    }
    pb_translate_ops_table.unit_free(unit);
    return good;
}

static uint64_t random_key(void)
{
    return next_random() & 0x1fffff;
}

/* Words of each row: its fixed bits, the others at random. */
static void test_rows(void)
{
    unsigned bad = 0;

    fake_start("max", true, true, PSCI_NONE);
    for (uint32_t i = 0; i < A64_ROW_COUNT; i++) {
        for (uint32_t n = 0; n < 24 && bad < 5; n++) {
            uint32_t word = a64_rows[i].value | ((uint32_t)next_random() & ~a64_rows[i].mask);

            if (!translates(&word, 1, random_key()))
                bad++;
        }
    }
    CU_ASSERT_EQUAL(bad, 0);
    fake_stop();
}

static void test_random_words(void)
{
    unsigned bad = 0;

    fake_start("max", true, true, PSCI_NONE);
    for (uint32_t n = 0; n < 3000 && bad < 5; n++) {
        uint32_t words[8];

        for (uint32_t i = 0; i < 8; i++)
            words[i] = (uint32_t)next_random();
        if (!translates(words, 8, random_key()))
            bad++;
    }
    CU_ASSERT_EQUAL(bad, 0);
    fake_stop();
}

/* Every system register, read and written at every level. */
static void test_system_registers(void)
{
    unsigned bad = 0;

    fake_start("max", true, true, PSCI_NONE);
    for (uint32_t encoding = PB_ARM_SYSREG(1, 0, 0, 0, 0);
         encoding <= PB_ARM_SYSREG(3, 7, 15, 15, 7) && bad < 5; encoding += 1) {
        uint32_t word = 0xd5000000 | encoding << 5 | (next_random() & 31);
        uint64_t key = (random_key() & ~UINT64_C(3)) | (encoding >> 3 & 3);

        /* Rare ones sparsely. */
        if (!arm64_sysreg_find(fake_vcpu(0), encoding) && encoding % 61)
            continue;
        if (!translates(&word, 1, key))
            bad++;
        word |= 1u << 21; /* MRS, SYSL */
        if (!translates(&word, 1, key))
            bad++;
    }
    CU_ASSERT_EQUAL(bad, 0);
    fake_stop();
}

/* The text of one instruction at EL0 with strict alignment off. */
static char *text_of(uint32_t word, uint64_t key)
{
    static const pb_translate_limits limits = { .max_insns = 1 };
    GString *text = g_string_new(NULL);
    pb_guest_fault fault;
    ir_unit *unit;

    memcpy(host.ram + CODE, &word, 4);
    unit = pb_translate_ops_table.translate(fake_vcpu(0), CODE, key, &limits, NULL, &fault);
    pb_ir_print(unit, text);
    pb_translate_ops_table.unit_free(unit);
    return g_string_free(text, FALSE);
}

static bool mentions(uint32_t word, uint64_t key, const char *what)
{
    g_autofree char *text = text_of(word, key);

    return strstr(text, what) != NULL;
}

static void test_keys(void)
{
    fake_start("max", true, true, PSCI_NONE);
    /* ldr x0, [sp]: the stack pointer is checked where the key says that it is odd; mov sp, x9: which is found out here, where
     * SCTLR_ELx.SA says so; add sp, sp, #16 */
    CU_ASSERT_TRUE(mentions(0xf94003e0, KEY_EL(1) | KEY_SA | KEY_SP_ODD, "sp_alignment"));
    CU_ASSERT_FALSE(mentions(0xf94003e0, KEY_EL(1) | KEY_SA, "sp_alignment"));
    CU_ASSERT_TRUE(mentions(0x9100013f, KEY_EL(1) | KEY_SA, "n=0x80"));
    CU_ASSERT_FALSE(mentions(0x9100013f, KEY_EL(1), "n=0x80"));
    CU_ASSERT_FALSE(mentions(0x910043ff, KEY_EL(1) | KEY_SA, "n=0x80"));
    CU_ASSERT_TRUE(mentions(0x910043ff, KEY_EL(1) | KEY_SA | KEY_SP_ODD, "n=0x80"));
    /* big-endian, alignment, MMU indexes */
    CU_ASSERT_TRUE(mentions(0xf9400020, KEY_EL(0) | KEY_BE, " be"));
    CU_ASSERT_TRUE(mentions(0xf9400020, KEY_EL(0) | KEY_A, "align=8"));
    CU_ASSERT_TRUE(mentions(0xf9400020, KEY_EL(1) | KEY_PAN, "mmu=2"));
    /* ldtr x0, [x1]: as EL0 at EL1, but not under UAO */
    CU_ASSERT_FALSE(mentions(0xf8400820, KEY_EL(1), "mmu="));
    CU_ASSERT_TRUE(mentions(0xf8400820, KEY_EL(1) | KEY_UAO, "mmu=1"));
    /* step, illegal state */
    CU_ASSERT_TRUE(mentions(0xd503201f, KEY_EL(0) | KEY_STEP, "{helper=step}"));
    CU_ASSERT_TRUE(mentions(0xd503201f, KEY_EL(0) | KEY_STEP | KEY_SS, "slot=pstate"));
    CU_ASSERT_TRUE(mentions(0xd503201f, KEY_EL(0) | KEY_IL, "illegal_state"));
    /* msr ttbr0_el1, x0 may be trapped; mrs x0, tpidr_el1 is a slot unless EL2 may trap */
    CU_ASSERT_TRUE(mentions(0xd538d080, KEY_EL(1), "slot=TPIDR_EL1"));
    CU_ASSERT_TRUE(mentions(0xd538d080, KEY_EL(1) | KEY_CHECKED, "helper=mrs"));
    CU_ASSERT_TRUE(mentions(0xd538d080, KEY_EL(0), "helper=mrs"));
    fake_stop();
}

/* Floating-point and vector instructions are trapped by the key; what is none is UNDEFINED first. */
static void test_fp_trap(void)
{
    static const uint32_t trapped[] = {
        0x1e604020, /* fmov d0, d1 */
        0x4e228420, /* add v0.16b, v1.16b, v2.16b */
        0x9e660020, /* fmov x0, d1 */
        0x3dc00020, /* ldr q0, [x1] */
        0x0c407020, /* ld1 {v0.8b}, [x1] */
        0x5c000040, /* ldr d0, . + 8 */
        0x4e284820, /* aese v0.16b, v1.16b */
    };
    static const uint32_t others[] = {
        0xf9400020, /* ldr x0, [x1] */
        0xf9800020, /* prfm pldl1keep, [x1] */
        0x8b020020, /* add x0, x1, x2 */
        0x1ee04020, /* fmov h0, h1: not modelled */
        0x4ee21420, /* unallocated: srhadd of 64-bit elements */
    };

    fake_start("max", true, true, PSCI_NONE);
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(trapped); i++) {
        CU_ASSERT_TRUE(mentions(trapped[i], KEY_EL(0) | KEY_FP_TRAP, "helper=fp_trap"));
        CU_ASSERT_FALSE(mentions(trapped[i], KEY_EL(0), "helper=fp_trap"));
    }
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(others); i++)
        CU_ASSERT_FALSE(mentions(others[i], KEY_EL(0) | KEY_FP_TRAP, "helper=fp_trap"));
    fake_stop();
}

/* Accesses of one instruction share a span; elements are aligned as such, and have their bytes in
 * order even if memory is big-endian. */
static void test_vector_accesses(void)
{
    fake_start("max", true, true, PSCI_NONE);
    CU_ASSERT_TRUE(mentions(0xad400420, KEY_EL(0), "span=1"));           /* ldp q0, q1, [x1] */
    CU_ASSERT_TRUE(mentions(0x3dc00020, KEY_EL(0) | KEY_A, "align=16")); /* ldr q0, [x1] */
    CU_ASSERT_TRUE(mentions(0x3dc00020, KEY_EL(0) | KEY_BE, " be"));
    CU_ASSERT_TRUE(mentions(0x4c407820, KEY_EL(0) | KEY_A, "align=4")); /* ld1 {v0.4s}, [x1] */
    CU_ASSERT_TRUE(mentions(0x4c407820, KEY_EL(0), "element=4"));
    CU_ASSERT_FALSE(mentions(0x4c407820, KEY_EL(0) | KEY_BE, " be"));
    CU_ASSERT_TRUE(mentions(0x4c407820, KEY_EL(0) | KEY_BE, "v.rev"));
    fake_stop();
}

/* The key says what the state says. */
static void test_unit_key(void)
{
    const pb_translator *t = fake_vcpu(0)->type ? fake_vcpu(0)->type->translator : NULL;
    arm64_cpu *cpu;

    fake_start("max", true, false, PSCI_NONE);
    t = fake_vcpu(0)->type->translator;
    cpu = fake_state(0);
    fake_set_el(1);
    CU_ASSERT_TRUE(t->unit_key(fake_vcpu(0)) & KEY_FP_TRAP);
    cpu->sys[CPACR_EL1] = 3 << 20;
    cpu->sys[CPTR_EL2] = 0x33ff;
    CU_ASSERT_FALSE(t->unit_key(fake_vcpu(0)) & KEY_FP_TRAP);
    CU_ASSERT_EQUAL(KEY_GET_EL(t->unit_key(fake_vcpu(0))), 1);
    cpu->sys[TCR_EL1] = TCR_EL1_TBI0;
    CU_ASSERT_EQUAL(KEY_GET_TBI(t->unit_key(fake_vcpu(0))), 1);
    arm64_set_fpcr(fake_vcpu(0), 0x00c00000);
    CU_ASSERT_EQUAL(KEY_GET_FPCR(t->unit_key(fake_vcpu(0))), 0x00c00000);
    CU_ASSERT_EQUAL(t->fetch_mmu(KEY_EL(1) | KEY_PAN), MMU_E10_1);
    fake_stop();
}

static void test_bitmask(void)
{
    uint64_t value;

    CU_ASSERT_TRUE(bitmask_imm(1, 1, 0, 0, &value));
    CU_ASSERT_EQUAL(value, 1);
    CU_ASSERT_TRUE(bitmask_imm(1, 0, 0x3c, 0, &value)); /* 2-bit elements of one 1 */
    CU_ASSERT_EQUAL(value, 0x5555555555555555);
    CU_ASSERT_TRUE(bitmask_imm(0, 0, 7, 8, &value)); /* 0xff rotated right by 8 in 32 bits */
    CU_ASSERT_EQUAL(value, 0xff000000);
    CU_ASSERT_TRUE(bitmask_imm(1, 1, 62, 1, &value));
    CU_ASSERT_EQUAL(value, 0xbfffffffffffffff);
    CU_ASSERT_FALSE(bitmask_imm(1, 1, 63, 0, &value));
    CU_ASSERT_FALSE(bitmask_imm(1, 0, 63, 0, &value));
}

int main(void)
{
    static const unit_case cases[] = {
        { "every row", test_rows },
        { "random words", test_random_words },
        { "system registers", test_system_registers },
        { "what keys change", test_keys },
        { "trapped floating point", test_fp_trap },
        { "accesses of vectors", test_vector_accesses },
        { "the unit key", test_unit_key },
        { "bitmask immediates", test_bitmask },
        { 0 },
    };

    return unit_run("cpu-arm64 translation", cases);
}
