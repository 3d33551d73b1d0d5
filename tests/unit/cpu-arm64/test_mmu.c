/*
 * Walks of translation tables that are built in memory: granules, levels, block sizes,
 * permissions, faults. Expectations are from DDI 0487, D8.
 */
#include "fake.h"
#include "../runner.h"
#include "sysregs.h"

#define TABLES  0x100000 /* the first table; others follow at multiples of 64 KiB */
#define TABLE_N 0x10000

#define AF      BIT64(10)
#define PAGE    (AF | 3)
#define BLOCK   (AF | 1)
#define AP1     BIT64(6)
#define AP2     BIT64(7)
#define NG      BIT64(11)
#define DBM     BIT64(51)
#define PXN     BIT64(53)
#define UXN     BIT64(54)
#define ATTR(n) ((uint64_t)(n) << 2)

static pb_translation found;
static pb_guest_fault fault;

/* TCR_EL1 for TTBR0 with a granule (TG0) and an input size, 48-bit outputs, TTBR1 off. */
static void set_stage1(uint64_t tg0, uint32_t input_bits)
{
    arm64_cpu *cpu = fake_state(0);

    fake_start("max", true, true, PSCI_NONE);
    fake_set_el(1);
    cpu->sys[SCTLR_EL1] = SCTLR_EL1_RES1 | SCTLR_M;
    cpu->sys[TCR_EL1] = (uint64_t)5 << 32 | tg0 << 14 | (64 - input_bits) | TCR_EL1_EPD1;
    cpu->sys[TTBR0_EL1] = TABLES;
    cpu->sys[MAIR_EL1] = 0x00000000004400ff; /* 0: write-back, 1: nGnRnE, 2: non-cacheable */
    cpu->sys[SCR_EL3] |= SCR_NS;
}

static bool walk(uint64_t gva, uint32_t type, uint32_t mmu)
{
    pb_walk_request request = { .gva = gva, .type = type, .mmu = mmu };

    memset(&fault, 0, sizeof(fault));
    return arm64_walk(fake_vcpu(0), &request, &found, &fault);
}

static bool reads(uint64_t gva)
{
    return walk(gva, PB_ACCESS_READ, MMU_E10_1);
}

/* The fault status code of a walk that must fail. */
static uint32_t fsc_of(uint64_t gva, uint32_t type, uint32_t mmu)
{
    CU_ASSERT_FALSE_FATAL(walk(gva, type, mmu));
    CU_ASSERT_EQUAL(fault.kind, PB_FAULT_WALK);
    return FAULT_FSC(fault.info[0]);
}

/* Chain of table descriptors from the first table down to table n, at index 0 each. */
static void chain(uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        fake_write64(TABLES + i * TABLE_N, (TABLES + (i + 1) * TABLE_N) | 3);
}

/* ---- granules and levels --------------------------------------------------------------------- */

static void test_4k_levels(void)
{
    set_stage1(0, 48); /* levels 0 to 3 */
    chain(3);
    fake_write64(TABLES + 3 * TABLE_N + 5 * 8, 0x42000 | PAGE);
    CU_ASSERT_TRUE(reads(0x5123));
    CU_ASSERT_EQUAL(found.gpa, 0x42123);
    CU_ASSERT_EQUAL(found.page_bytes, 4096);
    CU_ASSERT_TRUE(found.global);
    CU_ASSERT_FALSE(found.device);
    /* a 2 MiB block at level 2, a 1 GiB block at level 1 */
    fake_write64(TABLES + 2 * TABLE_N + 7 * 8, 0x600000 | BLOCK | NG);
    CU_ASSERT_TRUE(reads((UINT64_C(7) << 21) + 0x12345));
    CU_ASSERT_EQUAL(found.gpa, 0x612345);
    CU_ASSERT_EQUAL(found.page_bytes, 1 << 21);
    CU_ASSERT_FALSE(found.global);
    fake_write64(TABLES + 1 * TABLE_N + 3 * 8, 0x40000000 | BLOCK);
    CU_ASSERT_TRUE(reads((UINT64_C(3) << 30) + 0x1234567));
    CU_ASSERT_EQUAL(found.gpa, 0x41234567);
    CU_ASSERT_EQUAL(found.page_bytes, 1 << 30);
    /* no block at level 0 */
    fake_write64(TABLES + 1 * 8, 0x40000000 | BLOCK);
    CU_ASSERT_EQUAL(fsc_of(UINT64_C(1) << 39, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 0);
    fake_stop();
}

static void test_start_levels(void)
{
    /* granule as TG0, input bits, level at which an empty first table faults */
    static const struct {
        uint64_t tg0;
        uint32_t bits, level;
    } rows[] = {
        { 0, 48, 0 }, { 0, 40, 0 }, { 0, 39, 1 }, { 0, 31, 1 }, { 0, 30, 2 }, { 0, 25, 2 },
        { 2, 48, 0 }, { 2, 47, 1 }, { 2, 36, 2 }, { 1, 48, 1 }, { 1, 42, 2 }, { 1, 29, 3 },
    };

    for (uint32_t i = 0; i < PB_ARRAY_SIZE(rows); i++) {
        set_stage1(rows[i].tg0, rows[i].bits);
        CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | rows[i].level);
        fake_stop();
    }
}

static void test_16k_64k(void)
{
    set_stage1(2, 36); /* 16 KiB, levels 2 and 3 */
    chain(1);
    fake_write64(TABLES + TABLE_N + 9 * 8, 0x48000 | PAGE);
    CU_ASSERT_TRUE(reads(9 * 0x4000 + 0x3abc));
    CU_ASSERT_EQUAL(found.gpa, 0x4babc);
    CU_ASSERT_EQUAL(found.page_bytes, 0x4000);
    fake_write64(TABLES + 2 * 8, 0x2000000 | BLOCK); /* 32 MiB */
    CU_ASSERT_TRUE(reads(2 * UINT64_C(0x2000000) + 0x1fffffe));
    CU_ASSERT_EQUAL(found.gpa, 0x3fffffe);
    fake_stop();

    set_stage1(1, 42); /* 64 KiB, levels 2 and 3 */
    chain(1);
    fake_write64(TABLES + TABLE_N + 3 * 8, 0x70000 | PAGE);
    CU_ASSERT_TRUE(reads(3 * 0x10000 + 0xfedc));
    CU_ASSERT_EQUAL(found.gpa, 0x7fedc);
    CU_ASSERT_EQUAL(found.page_bytes, 0x10000);
    fake_write64(TABLES + 2 * 8, 0x20000000 | BLOCK); /* 512 MiB */
    CU_ASSERT_TRUE(reads(2 * UINT64_C(0x20000000) + 5));
    CU_ASSERT_EQUAL(found.gpa, 0x20000005);
    fake_stop();
}

static void test_ttbr1(void)
{
    arm64_cpu *cpu;

    set_stage1(0, 39);
    cpu = fake_state(0);
    /* T1SZ 25, TG1 4 KiB */
    cpu->sys[TCR_EL1] = (uint64_t)5 << 32 | UINT64_C(2) << 30 | 25 << 16 | 25 | TCR_EL1_EPD0;
    cpu->sys[TTBR1_EL1] = TABLES | (UINT64_C(77) << 48); /* with an ASID */
    fake_write64(TABLES, 0x40000000 | BLOCK);
    CU_ASSERT_TRUE(reads(0xffffff8000001000));
    CU_ASSERT_EQUAL(found.gpa, 0x40001000);
    CU_ASSERT_EQUAL(fsc_of(0xffffff7fffffffff, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 0);
    /* EPD0 */
    CU_ASSERT_EQUAL(fsc_of(0x1000, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 0);
    /* a tag without TBI, and with it */
    CU_ASSERT_EQUAL(fsc_of(0x12ffff8000001000, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 0);
    CU_ASSERT_EQUAL(cpu->tagged, 0);
    cpu->sys[TCR_EL1] |= TCR_EL1_TBI1;
    CU_ASSERT_TRUE(reads(0x12ffff8000001000));
    CU_ASSERT_EQUAL(found.gpa, 0x40001000);
    CU_ASSERT_EQUAL(cpu->tagged, 1);
    fake_stop();
}

/* ---- attributes ------------------------------------------------------------------------------ */

static void test_permissions(void)
{
    /* Descriptor bits; then what EL0, EL1 and EL1 with PAN may, as letters. */
    static const struct {
        uint64_t bits;
        bool wxn;
        const char *el0, *el1, *pan;
    } rows[] = {
        { 0, false, "x", "rwx", "rwx" },      { AP1, false, "rwx", "rw", "" },
        { AP2, false, "x", "rx", "rx" },      { AP1 | AP2, false, "rx", "rx", "x" },
        { AP1 | UXN, false, "rw", "rw", "" }, { AP1 | AP2 | PXN, false, "rx", "r", "" },
        { UXN | PXN, false, "", "rw", "rw" }, { 0, true, "x", "rw", "rw" },
        { AP1, true, "rw", "rw", "" },        { AP1 | AP2, true, "rx", "rx", "x" },
    };
    static const uint32_t indexes[3] = { MMU_E10_0, MMU_E10_1, MMU_E10_1_PAN };

    set_stage1(0, 30);
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(rows); i++) {
        const char *expected[3] = { rows[i].el0, rows[i].el1, rows[i].pan };

        fake_state(0)->sys[SCTLR_EL1] = SCTLR_M | (rows[i].wxn ? SCTLR_WXN : 0);
        fake_write64(TABLES, 0x200000 | BLOCK | rows[i].bits);
        for (uint32_t mmu = 0; mmu < 3; mmu++) {
            for (uint32_t type = 0; type < 3; type++) {
                bool allowed = strchr(expected[mmu], "rwx"[type]) != NULL;

                if (walk(0x1000, type, indexes[mmu]) != allowed) {
                    fprintf(stderr, "row %u, mmu %u, type %u\n", i, mmu, type);
                    CU_FAIL("permission");
                } else if (!allowed) {
                    CU_ASSERT_EQUAL(FAULT_FSC(fault.info[0]), FSC_PERMISSION | 2);
                }
            }
        }
    }
    fake_stop();
}

static void test_hierarchical(void)
{
    set_stage1(0, 39);
    chain(1);
    fake_write64(TABLES + TABLE_N, 0x200000 | BLOCK | AP1);
    CU_ASSERT_TRUE(walk(0, PB_ACCESS_WRITE, MMU_E10_0));
    fake_write64(TABLES, (TABLES + TABLE_N) | 3 | BIT64(61)); /* APTable: no EL0 */
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_0), FSC_PERMISSION | 2);
    CU_ASSERT_TRUE(walk(0, PB_ACCESS_WRITE, MMU_E10_1));
    fake_write64(TABLES, (TABLES + TABLE_N) | 3 | BIT64(62)); /* read-only */
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_WRITE, MMU_E10_0), FSC_PERMISSION | 2);
    CU_ASSERT_TRUE(walk(0, PB_ACCESS_READ, MMU_E10_0));
    fake_write64(TABLES, (TABLES + TABLE_N) | 3 | BIT64(60)); /* UXNTable */
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_FETCH, MMU_E10_0), FSC_PERMISSION | 2);
    fake_write64(TABLES + TABLE_N, 0x200000 | BLOCK);
    fake_write64(TABLES, (TABLES + TABLE_N) | 3 | BIT64(59)); /* PXNTable */
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_FETCH, MMU_E10_1), FSC_PERMISSION | 2);
    fake_state(0)->sys[TCR_EL1] |= TCR_EL1_HPD0;
    CU_ASSERT_TRUE(walk(0, PB_ACCESS_FETCH, MMU_E10_1));
    fake_stop();
}

static void test_memory_types(void)
{
    set_stage1(0, 30);
    fake_write64(TABLES, 0x200000 | BLOCK | ATTR(1));
    CU_ASSERT_TRUE(reads(0));
    CU_ASSERT_TRUE(found.device);
    fake_write64(TABLES, 0x200000 | BLOCK | ATTR(2) | UINT64_C(3) << 8);
    CU_ASSERT_TRUE(reads(0));
    CU_ASSERT_FALSE(found.device);
    CU_ASSERT_EQUAL(found.memory_attr, 0x44);
    CU_ASSERT_EQUAL(found.shareability, 3);
    fake_stop();
}

static void test_access_flag(void)
{
    set_stage1(0, 30);
    fake_write64(TABLES, 0x200000 | 1);
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_1), FSC_ACCESS_FLAG | 2);
    fake_state(0)->sys[TCR_EL1] |= TCR_EL1_HA;
    CU_ASSERT_TRUE(reads(0));
    CU_ASSERT_EQUAL(fake_read64(TABLES), 0x200000 | BLOCK);
    fake_stop();
}

static void test_dirty_state(void)
{
    uint64_t clean = 0x200000 | BLOCK | AP2 | DBM;

    set_stage1(0, 30);
    fake_state(0)->sys[TCR_EL1] |= TCR_EL1_HA | TCR_EL1_HD;
    fake_write64(TABLES, clean);
    CU_ASSERT_TRUE(reads(0));
    CU_ASSERT_EQUAL(found.prot & PB_PROT_WRITE, 0); /* so that the write is seen */
    CU_ASSERT_EQUAL(fake_read64(TABLES), clean);
    CU_ASSERT_TRUE(walk(0, PB_ACCESS_WRITE, MMU_E10_1));
    CU_ASSERT_TRUE(found.prot & PB_PROT_WRITE);
    CU_ASSERT_EQUAL(fake_read64(TABLES), clean & ~AP2);
    fake_stop();
}

static void test_big_endian_tables(void)
{
    set_stage1(0, 30);
    fake_state(0)->sys[SCTLR_EL1] |= SCTLR_EE;
    fake_write64(TABLES, __builtin_bswap64(0x200000 | BLOCK));
    CU_ASSERT_TRUE(reads(0x123));
    CU_ASSERT_EQUAL(found.gpa, 0x200123);
    fake_stop();
}

/* ---- other faults ---------------------------------------------------------------------------- */

static void test_address_size(void)
{
    set_stage1(0, 39);
    fake_state(0)->sys[TCR_EL1] &= ~(UINT64_C(7) << 32); /* IPS: 32 bits */
    fake_write64(TABLES, (UINT64_C(1) << 32) | BLOCK);
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_1), FSC_ADDRESS_SIZE | 1);
    fake_state(0)->sys[TTBR0_EL1] = UINT64_C(1) << 40;
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_1), FSC_ADDRESS_SIZE | 0);
    fake_stop();
}

static void test_external_abort(void)
{
    set_stage1(0, 39);
    fake_write64(TABLES, (FAKE_RAM_BYTES * 4) | 3);
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_1), FSC_EXTERNAL_WALK | 2);
    fake_stop();
}

static void test_mmu_off(void)
{
    set_stage1(0, 39);
    fake_state(0)->sys[SCTLR_EL1] = SCTLR_EL1_RES1;
    CU_ASSERT_TRUE(reads(0x123456));
    CU_ASSERT_EQUAL(found.gpa, 0x123456);
    CU_ASSERT_TRUE(found.device);
    CU_ASSERT_TRUE(walk(0x1000, PB_ACCESS_FETCH, MMU_E10_1));
    CU_ASSERT_EQUAL(fsc_of(UINT64_C(1) << 48, PB_ACCESS_READ, MMU_E10_1), FSC_ADDRESS_SIZE | 0);
    fake_stop();
}

static void test_other_regimes(void)
{
    arm64_cpu *cpu;

    set_stage1(0, 39);
    cpu = fake_state(0);
    cpu->sys[SCTLR_EL2] = SCTLR_M;
    cpu->sys[TCR_EL2] = 5 << 16 | 25;
    cpu->sys[TTBR0_EL2] = TABLES;
    fake_write64(TABLES, 0x40000000 | BLOCK | AP1 | AP2);
    CU_ASSERT_TRUE(walk(0x1000, PB_ACCESS_READ, MMU_E2));
    CU_ASSERT_EQUAL(found.gpa, 0x40001000);
    CU_ASSERT_FALSE(found.attrs.secure);
    CU_ASSERT_EQUAL(fsc_of(0x1000, PB_ACCESS_WRITE, MMU_E2), FSC_PERMISSION | 1);
    CU_ASSERT_EQUAL(fsc_of(0xffffff8000000000, PB_ACCESS_READ, MMU_E2), FSC_TRANSLATION | 0);
    cpu->sys[SCTLR_EL3] = SCTLR_M;
    cpu->sys[TCR_EL3] = 5 << 16 | 25;
    cpu->sys[TTBR0_EL3] = TABLES;
    CU_ASSERT_TRUE(walk(0x1000, PB_ACCESS_FETCH, MMU_E3));
    CU_ASSERT_TRUE(found.attrs.secure);
    fake_write64(TABLES, 0x40000000 | BLOCK | BIT64(5)); /* NS */
    CU_ASSERT_TRUE(walk(0x1000, PB_ACCESS_READ, MMU_E3));
    CU_ASSERT_FALSE(found.attrs.secure);
    cpu->sys[SCR_EL3] |= SCR_SIF;
    CU_ASSERT_EQUAL(fsc_of(0x1000, PB_ACCESS_FETCH, MMU_E3), FSC_PERMISSION | 1);
    fake_stop();
}

/* ---- stage 2 --------------------------------------------------------------------------------- */

#define S2_TABLES 0x200000
#define S2_R      BIT64(6)
#define S2_W      BIT64(7)
#define S2_NORMAL (UINT64_C(15) << 2)

/* Stage 2 with 4 KiB granule, 40-bit input from level 1: two concatenated tables. */
static void set_stage2(void)
{
    arm64_cpu *cpu = fake_state(0);

    cpu->sys[HCR_EL2] = HCR_RW | HCR_VM;
    cpu->sys[VTCR_EL2] = 2 << 16 | 1 << 6 | 24;
    cpu->sys[VTTBR_EL2] = S2_TABLES;
    fake_write64(S2_TABLES, BLOCK | S2_R | S2_W | S2_NORMAL); /* 1 GiB, identity */
}

static void test_stage2(void)
{
    set_stage1(0, 39);
    set_stage2();
    fake_write64(TABLES, 0x40000000 | BLOCK);
    /* stage 1 gives IPA 0x40001234; nothing is there */
    CU_ASSERT_EQUAL(fsc_of(0x1234, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 1);
    CU_ASSERT_TRUE(fault.info[0] & FAULT_STAGE2);
    CU_ASSERT_FALSE(fault.info[0] & FAULT_S1PTW);
    CU_ASSERT_EQUAL(fault.info[1], 0x40001234);
    fake_write64(S2_TABLES + 8, UINT64_C(0x80000000) | BLOCK | S2_R | S2_NORMAL);
    CU_ASSERT_TRUE(reads(0x1234));
    CU_ASSERT_EQUAL(found.gpa, 0x80001234);
    CU_ASSERT_EQUAL(found.prot & PB_PROT_WRITE, 0);
    CU_ASSERT_EQUAL(fsc_of(0x1234, PB_ACCESS_WRITE, MMU_E10_1), FSC_PERMISSION | 1);
    CU_ASSERT_TRUE(fault.info[0] & FAULT_STAGE2);
    /* the second concatenated table: IPA 512 GiB and up */
    fake_write64(TABLES, (UINT64_C(512) << 30) | BLOCK);
    fake_write64(S2_TABLES + 512 * 8, UINT64_C(0x40000000) | BLOCK | S2_R | S2_NORMAL);
    CU_ASSERT_TRUE(reads(0x42));
    CU_ASSERT_EQUAL(found.gpa, 0x40000042);
    /* beyond the input size */
    fake_write64(TABLES, (UINT64_C(1) << 40) | BLOCK);
    CU_ASSERT_EQUAL(fsc_of(0, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 0);
    /* EL2's own regime has none */
    CU_ASSERT_TRUE(walk(0x777, PB_ACCESS_READ, MMU_E2));
    CU_ASSERT_EQUAL(found.gpa, 0x777);
    fake_stop();
}

static void test_stage2_of_walk(void)
{
    set_stage1(0, 39);
    set_stage2();
    fake_write64(S2_TABLES, 0); /* the stage 1 table itself is not mapped */
    CU_ASSERT_EQUAL(fsc_of(0x1234, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 1);
    CU_ASSERT_EQUAL(fault.info[0] & (FAULT_STAGE2 | FAULT_S1PTW), FAULT_STAGE2 | FAULT_S1PTW);
    CU_ASSERT_EQUAL(fault.info[1], TABLES);
    CU_ASSERT_EQUAL(fault.gva, 0x1234);
    /* PTW: tables in Device memory are refused */
    fake_write64(S2_TABLES, BLOCK | S2_R | S2_W);
    CU_ASSERT_EQUAL(fsc_of(0x1234, PB_ACCESS_READ, MMU_E10_1), FSC_TRANSLATION | 1);
    fake_state(0)->sys[HCR_EL2] |= HCR_PTW;
    CU_ASSERT_EQUAL(fsc_of(0x1234, PB_ACCESS_READ, MMU_E10_1), FSC_PERMISSION | 1);
    fake_stop();
}

/* ---- instructions ---------------------------------------------------------------------------- */

static void run_sysreg(uint32_t encoding, uint64_t value)
{
    const arm64_sysreg *row = arm64_sysreg_find(fake_vcpu(0), encoding);

    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    arm64_sysreg_write(fake_vcpu(0), row, value);
}

static void test_at(void)
{
    uint64_t *par;

    set_stage1(0, 39);
    par = &fake_state(0)->sys[PAR_EL1];
    fake_write64(TABLES, 0x40000000 | BLOCK | AP2 | UINT64_C(3) << 8);
    run_sysreg(PB_ARM_SYSREG(1, 0, 7, 8, 0), 0x5678); /* AT S1E1R */
    CU_ASSERT_EQUAL(*par, UINT64_C(0xff00000040005000) | BIT64(11) | 3 << 7 | BIT64(9));
    run_sysreg(PB_ARM_SYSREG(1, 0, 7, 8, 1), 0x5678); /* AT S1E1W */
    CU_ASSERT_EQUAL(*par, 1 | (FSC_PERMISSION | 1) << 1 | BIT64(11));
    run_sysreg(PB_ARM_SYSREG(1, 0, 7, 8, 2), UINT64_C(1) << 38); /* AT S1E0R */
    CU_ASSERT_EQUAL(*par, 1 | (FSC_TRANSLATION | 1) << 1 | BIT64(11));
    CU_ASSERT_EQUAL(fake_vcpu(0)->unwind, 0);
    fake_stop();
}

static void test_tlbi(void)
{
    set_stage1(0, 39);
    run_sysreg(PB_ARM_SYSREG(1, 0, 8, 3, 1), UINT64_C(9) << 48 | 0x7ff12345678); /* VAE1IS */
    CU_ASSERT_EQUAL(host.cpus[0].flushed_gva, 0x007ff12345678000);
    CU_ASSERT_EQUAL(host.cpus[0].flushed_mask, MMU_MASK_E10);
    CU_ASSERT_EQUAL(host.cpus[0].flushed_scope, PB_SCOPE_ALL);
    CU_ASSERT_EQUAL(fake_state(0)->tlb_sync_needed, 1);
    CU_ASSERT_EQUAL(host.cpus[0].page_flushes, 1);
    run_sysreg(PB_ARM_SYSREG(1, 0, 8, 7, 1), 0xfffffffffff); /* VAE1: a kernel address */
    CU_ASSERT_EQUAL(host.cpus[0].flushed_gva, 0xfffffffffffff000);
    CU_ASSERT_EQUAL(host.cpus[0].flushed_scope, PB_SCOPE_LOCAL);
    CU_ASSERT_EQUAL(host.cpus[0].flushed.whose, PB_TLB_SPACE_AND_GLOBAL);
    /* with tags about, by address means all */
    fake_state(1)->tagged = 1;
    host.cpus[0].flushes = 0;
    run_sysreg(PB_ARM_SYSREG(1, 0, 8, 3, 1), 1);
    CU_ASSERT_EQUAL(host.cpus[0].flushes, 1);
    CU_ASSERT_EQUAL(host.cpus[0].page_flushes, 2);
    fake_stop();
}

/* ASIDs and VMIDs: D8.13 and D8.14. */
static void test_asid(void)
{
    static const struct {
        uint32_t op2;
        uint32_t whose;
        bool by_address;
    } rows[] = {
        { 0, PB_TLB_GUEST, false },           { 1, PB_TLB_SPACE_AND_GLOBAL, true },
        { 2, PB_TLB_SPACE, false },           { 3, PB_TLB_GUEST, true },
        { 5, PB_TLB_SPACE_AND_GLOBAL, true }, { 7, PB_TLB_GUEST, true },
    };
    const fake_cpu *f = &host.cpus[0];
    uint64_t tcr;

    set_stage1(0, 39);
    tcr = fake_state(0)->sys[TCR_EL1];
    host.cpus[0].flushes = 0;
    run_sysreg(PB_ARM_SYSREG(3, 0, 2, 0, 0), UINT64_C(0x1234) << 48 | TABLES); /* TTBR0_EL1 */
    CU_ASSERT_EQUAL(f->switched_mask, MMU_MASK_E10);
    CU_ASSERT_EQUAL(f->space, 0x34); /* TCR_EL1.AS is 0: 8 bits */
    run_sysreg(PB_ARM_SYSREG(3, 0, 2, 0, 1), UINT64_C(0x5678) << 48 | TABLES); /* TTBR1_EL1 */
    CU_ASSERT_EQUAL(f->space, 0x34);
    CU_ASSERT_EQUAL(f->flushes, 0);
    run_sysreg(PB_ARM_SYSREG(3, 0, 2, 0, 2), tcr | TCR_EL1_A1 | TCR_EL1_AS); /* TCR_EL1 */
    CU_ASSERT_EQUAL(f->space, 0x5678);
    CU_ASSERT_EQUAL(f->guest, 0);
    for (uint32_t i = 0; i < PB_ARRAY_SIZE(rows); i++) { /* TLBI ...E1IS and ...E1 */
        uint32_t flushes = f->flushes, pages = f->page_flushes;

        run_sysreg(PB_ARM_SYSREG(1, 0, 8, i & 1 ? 3 : 7, rows[i].op2), UINT64_C(0x9abc) << 48 | 7);
        CU_ASSERT_EQUAL(f->flushed.whose, rows[i].whose);
        CU_ASSERT_EQUAL(f->flushed.scope, i & 1 ? PB_SCOPE_ALL : PB_SCOPE_LOCAL);
        CU_ASSERT_EQUAL(f->flushed.space, 0x9abc);
        CU_ASSERT_EQUAL(f->flushed.guest, 0);
        CU_ASSERT_EQUAL(f->flushes - flushes, !rows[i].by_address);
        CU_ASSERT_EQUAL(f->page_flushes - pages, rows[i].by_address);
    }
    fake_stop();
}

static void test_vmid(void)
{
    const fake_cpu *f = &host.cpus[0];

    set_stage1(0, 39);
    set_stage2();
    fake_state(0)->sys[SCR_EL3] |= SCR_NS; /* EL2 is of the non-secure state */
    run_sysreg(PB_ARM_SYSREG(3, 4, 2, 1, 0), UINT64_C(0x21) << 48 | S2_TABLES); /* VTTBR_EL2 */
    CU_ASSERT_EQUAL(f->guest, 0x21);
    CU_ASSERT_EQUAL(f->space, 0);
    run_sysreg(PB_ARM_SYSREG(1, 4, 8, 7, 6), 0); /* VMALLS12E1 */
    CU_ASSERT_EQUAL(f->flushed.whose, PB_TLB_GUEST);
    CU_ASSERT_EQUAL(f->flushed.guest, 0x21);
    run_sysreg(PB_ARM_SYSREG(1, 4, 8, 7, 4), 0); /* ALLE1 */
    CU_ASSERT_EQUAL(f->flushed.whose, PB_TLB_ALL);
    CU_ASSERT_EQUAL(f->flushed.mmu_mask, MMU_MASK_E10);
    run_sysreg(PB_ARM_SYSREG(1, 4, 8, 7, 0), 0); /* ALLE2 */
    CU_ASSERT_EQUAL(f->flushed.whose, PB_TLB_ALL);
    CU_ASSERT_EQUAL(f->flushed.mmu_mask, MMU_MASK_E2);
    fake_stop();
}

int main(void)
{
    static const unit_case cases[] = {
        { "4 KiB granule, all levels", test_4k_levels },
        { "start levels", test_start_levels },
        { "16 and 64 KiB granules", test_16k_64k },
        { "TTBR1, EPD, TBI", test_ttbr1 },
        { "permissions, PAN, WXN", test_permissions },
        { "hierarchical permissions", test_hierarchical },
        { "memory types", test_memory_types },
        { "access flag", test_access_flag },
        { "dirty state", test_dirty_state },
        { "big-endian tables", test_big_endian_tables },
        { "address size faults", test_address_size },
        { "external abort of a walk", test_external_abort },
        { "MMU off", test_mmu_off },
        { "EL2 and EL3", test_other_regimes },
        { "stage 2", test_stage2 },
        { "stage 2 of a stage 1 walk", test_stage2_of_walk },
        { "AT", test_at },
        { "TLBI", test_tlbi },
        { "ASID of TTBRn_EL1, TLBI", test_asid },
        { "VMID", test_vmid },
        { 0 },
    };

    return unit_run("cpu-arm64 mmu", cases);
}
