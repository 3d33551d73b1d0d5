/*
 * The table of system registers: its order, who may access what, identification, performance
 * monitors.
 */
#include "fake.h"
#include "../runner.h"
#include "sysregs.h"

#define REG(op0, op1, crn, crm, op2) PB_ARM_SYSREG(op0, op1, crn, crm, op2)

static arm64_cpu *cpu;
static pb_vcpu *vcpu;

static void start(const char *type, uint32_t el, bool el2, bool el3)
{
    fake_start(type, el2, el3, PSCI_NONE);
    vcpu = fake_vcpu(0);
    cpu = fake_state(0);
    if (el3)
        cpu->sys[SCR_EL3] |= SCR_NS;
    fake_set_el(el);
}

static void test_table(void)
{
    for (uint32_t i = 0; i < arm64_sysreg_count; i++) {
        const arm64_sysreg *row = &arm64_sysregs[i];

        if (i > 0 && row->encoding <= row[-1].encoding) {
            fprintf(stderr, "%s stands behind %s\n", row->name, row[-1].name);
            CU_FAIL("rows are in order of encoding");
        }
        /* Stored, or every access that is allowed has a hook. */
        if (row->store < 0 && ((row->read_el < EL_NEVER && !row->read) ||
                               (row->write_el < EL_NEVER && !row->write))) {
            fprintf(stderr, "%s lacks a hook\n", row->name);
            CU_FAIL("hooks");
        }
        CU_ASSERT_TRUE(row->feature < FEAT_COUNT);
    }
}

/* Reads and writes of everything, at every level, with extreme values: nothing breaks, and what
 * is stored is what its mask allows. */
static void test_every_access(void)
{
    static const char *const types[] = { "cortex-a53", "cortex-a57", "cortex-a72", "max" };

    for (uint32_t t = 0; t < PB_ARRAY_SIZE(types); t++) {
        start(types[t], 3, true, true);
        for (uint32_t i = 0; i < arm64_sysreg_count; i++) {
            const arm64_sysreg *row = arm64_sysreg_find(vcpu, arm64_sysregs[i].encoding);

            if (!row || row->encoding == UINT32_MAX)
                continue;
            for (uint32_t n = 0; n < 3; n++) {
                fake_set_el(3);
                cpu->sys[SCTLR_EL1] = cpu->sys[SCTLR_EL2] = cpu->sys[SCTLR_EL3] = 0;
                if (row->write_el < EL_NEVER)
                    arm64_sysreg_write(vcpu, row,
                                       n == 0   ? 0
                                       : n == 1 ? UINT64_MAX
                                                : 0x5a5a5a5a5a5a5a5a);
                if (row->read_el < EL_NEVER)
                    arm64_sysreg_read(vcpu, row);
                CU_ASSERT_EQUAL(host.device_lock, 0);
            }
        }
        fake_stop();
    }
}

static bool allowed(uint32_t encoding, bool write, uint32_t *target, uint32_t *ec)
{
    const arm64_sysreg *row = arm64_sysreg_find(vcpu, encoding);

    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    return arm64_sysreg_allowed(vcpu, row, write, target, ec);
}

static void test_el0(void)
{
    uint32_t target, ec;

    start("max", 0, false, false);
    CU_ASSERT_FALSE(allowed(REG(3, 0, 1, 0, 0), false, &target, &ec)); /* SCTLR_EL1 */
    CU_ASSERT_EQUAL(ec, EC_UNKNOWN);
    CU_ASSERT_EQUAL(target, 1);
    CU_ASSERT_TRUE(allowed(REG(3, 3, 13, 0, 2), true, &target, &ec));  /* TPIDR_EL0 */
    CU_ASSERT_TRUE(allowed(REG(3, 3, 13, 0, 3), false, &target, &ec)); /* TPIDRRO_EL0 */
    CU_ASSERT_FALSE(allowed(REG(3, 3, 13, 0, 3), true, &target, &ec));
    CU_ASSERT_EQUAL(ec, EC_UNKNOWN);
    /* CTR_EL0 by SCTLR_EL1.UCT, CNTVCT_EL0 by CNTKCTL_EL1.EL0VCTEN: trapped, not UNDEFINED */
    CU_ASSERT_FALSE(allowed(REG(3, 3, 0, 0, 1), false, &target, &ec));
    CU_ASSERT_EQUAL(ec, EC_SYSREG);
    cpu->sys[SCTLR_EL1] |= SCTLR_UCT;
    CU_ASSERT_TRUE(allowed(REG(3, 3, 0, 0, 1), false, &target, &ec));
    CU_ASSERT_FALSE(allowed(REG(3, 3, 14, 0, 2), false, &target, &ec));
    CU_ASSERT_EQUAL(ec, EC_SYSREG);
    cpu->sys[CNTKCTL_EL1] |= CNTKCTL_EL0VCTEN;
    CU_ASSERT_TRUE(allowed(REG(3, 3, 14, 0, 2), false, &target, &ec));
    /* FPCR by CPACR_EL1.FPEN */
    CU_ASSERT_FALSE(allowed(REG(3, 3, 4, 4, 0), false, &target, &ec));
    CU_ASSERT_EQUAL(ec, EC_FP);
    cpu->sys[CPACR_EL1] = 3 << 20;
    CU_ASSERT_TRUE(allowed(REG(3, 3, 4, 4, 0), false, &target, &ec));
    /* the monitors by PMUSERENR_EL0 */
    CU_ASSERT_FALSE(allowed(REG(3, 3, 9, 13, 0), false, &target, &ec));
    cpu->sys[PMUSERENR_EL0] = PMUSERENR_CR;
    CU_ASSERT_TRUE(allowed(REG(3, 3, 9, 13, 0), false, &target, &ec));
    CU_ASSERT_FALSE(allowed(REG(3, 3, 9, 13, 0), true, &target, &ec));
    fake_stop();
}

static void test_el2_traps(void)
{
    uint32_t target, ec;

    start("max", 1, true, false);
    CU_ASSERT_TRUE(allowed(REG(3, 0, 1, 0, 0), true, &target, &ec));
    CU_ASSERT_FALSE(arm64_sysreg_traps(cpu));
    cpu->sys[HCR_EL2] |= HCR_TVM;
    CU_ASSERT_TRUE(arm64_sysreg_traps(cpu));
    CU_ASSERT_FALSE(allowed(REG(3, 0, 1, 0, 0), true, &target, &ec));
    CU_ASSERT_EQUAL(ec, EC_SYSREG);
    CU_ASSERT_EQUAL(target, 2);
    CU_ASSERT_TRUE(allowed(REG(3, 0, 1, 0, 0), false, &target, &ec));
    /* the physical counter by CNTHCTL_EL2 */
    CU_ASSERT_TRUE(allowed(REG(3, 3, 14, 0, 1), false, &target, &ec));
    cpu->sys[CNTHCTL_EL2] = 0;
    CU_ASSERT_FALSE(allowed(REG(3, 3, 14, 0, 1), false, &target, &ec));
    CU_ASSERT_EQUAL(target, 2);
    /* what EL1 sees of the identification */
    cpu->sys[VPIDR_EL2] = 0x1234;
    CU_ASSERT_EQUAL(arm64_sysreg_read(vcpu, arm64_sysreg_find(vcpu, REG(3, 0, 0, 0, 0))), 0x1234);
    fake_stop();
}

static void test_presence(void)
{
    start("cortex-a57", 1, false, false);
    CU_ASSERT_PTR_NULL(arm64_sysreg_find(vcpu, REG(3, 4, 1, 1, 0)));      /* HCR_EL2 */
    CU_ASSERT_PTR_NULL(arm64_sysreg_find(vcpu, REG(3, 6, 1, 1, 0)));      /* SCR_EL3 */
    CU_ASSERT_PTR_NULL(arm64_sysreg_find(vcpu, REG(3, 0, 4, 2, 3)));      /* PAN */
    CU_ASSERT_PTR_NULL(arm64_sysreg_find(vcpu, REG(3, 0, 12, 12, 0)));    /* ICC_IAR1_EL1 */
    CU_ASSERT_PTR_NOT_NULL(arm64_sysreg_find(vcpu, REG(3, 1, 15, 2, 1))); /* CPUECTLR_EL1 */
    CU_ASSERT_PTR_NOT_NULL(arm64_sysreg_find(vcpu, REG(3, 0, 0, 7, 7)));  /* reserved, reads 0 */
    fake_stop();
    start("max", 1, false, false);
    CU_ASSERT_PTR_NULL(arm64_sysreg_find(vcpu, REG(3, 1, 15, 2, 1)));
    CU_ASSERT_PTR_NOT_NULL(arm64_sysreg_find(vcpu, REG(3, 0, 4, 2, 3)));
    fake_stop();
}

static uint64_t mrs(uint32_t encoding)
{
    const arm64_sysreg *row = arm64_sysreg_find(vcpu, encoding);

    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    return arm64_sysreg_read(vcpu, row);
}

static void msr(uint32_t encoding, uint64_t value)
{
    const arm64_sysreg *row = arm64_sysreg_find(vcpu, encoding);

    CU_ASSERT_PTR_NOT_NULL_FATAL(row);
    arm64_sysreg_write(vcpu, row, value);
}

static void test_identification(void)
{
    start("cortex-a57", 1, false, false);
    CU_ASSERT_EQUAL(mrs(REG(3, 0, 0, 0, 0)), 0x411fd070);
    CU_ASSERT_EQUAL(mrs(REG(3, 0, 0, 0, 5)), 0x80000000);
    CU_ASSERT_EQUAL(mrs(REG(3, 0, 0, 4, 0)), 0x11);
    CU_ASSERT_EQUAL(mrs(REG(3, 0, 0, 5, 0)), 0x10305106);
    CU_ASSERT_EQUAL(arm64_mpidr(fake_vcpu(1)), 0x80000001);
    /* cache geometry, as the TRM gives CCSIDR_EL1 but for its allocation bits */
    msr(REG(3, 2, 0, 0, 0), 0);
    CU_ASSERT_EQUAL(mrs(REG(3, 1, 0, 0, 0)), 0x701fe00a);
    msr(REG(3, 2, 0, 0, 0), 1);
    CU_ASSERT_EQUAL(mrs(REG(3, 1, 0, 0, 0)), 0x201fe012);
    msr(REG(3, 2, 0, 0, 0), 2);
    CU_ASSERT_EQUAL(mrs(REG(3, 1, 0, 0, 0)), 0x70ffe07a);
    msr(REG(3, 2, 0, 0, 0), 0xf);
    CU_ASSERT_EQUAL(mrs(REG(3, 1, 0, 0, 0)), 0);
    fake_stop();
    start("max", 1, true, true);
    CU_ASSERT_EQUAL(mrs(REG(3, 0, 0, 4, 0)), 0x1111);
    fake_stop();
}

/* Changing a regime's registers drops its translations, writing the same again does not. The base of EL1's tables is not
 * one of them: translations belong to an ASID. */
static void test_flushes(void)
{
    start("max", 1, false, false);
    host.cpus[0].flushes = 0;
    msr(REG(3, 0, 2, 0, 0), 0x1000); /* TTBR0_EL1 */
    CU_ASSERT_EQUAL(host.cpus[0].flushes, 0);
    msr(REG(3, 0, 10, 2, 0), 0xff); /* MAIR_EL1 */
    CU_ASSERT_EQUAL(host.cpus[0].flushes, 1);
    CU_ASSERT_EQUAL(host.cpus[0].flushed_mask, MMU_MASK_E10);
    msr(REG(3, 0, 10, 2, 0), 0xff);
    CU_ASSERT_EQUAL(host.cpus[0].flushes, 1);
    msr(REG(3, 0, 1, 0, 0), SCTLR_EL1_RES1 | SCTLR_M);
    CU_ASSERT_EQUAL(host.cpus[0].flushes, 2);
    fake_stop();
}

static void test_pmu(void)
{
    start("cortex-a57", 1, false, false);
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 12, 0)), 0x41013040);
    msr(REG(3, 3, 14, 12, 2), 0x08);         /* PMEVTYPER2: INST_RETIRED */
    msr(REG(3, 3, 9, 12, 1), BIT64(31) | 4); /* enable the cycle counter and counter 2 */
    host.now_ns = 100;
    vcpu->retired = 10;
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 13, 0)), 0); /* PMCR.E is off */
    msr(REG(3, 3, 9, 12, 0), PMCR_E | PMCR_LC);
    host.now_ns = 150;
    vcpu->retired = 17;
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 13, 0)), 50);
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 14, 8, 2)), 7);
    msr(REG(3, 3, 9, 12, 5), 2); /* PMSELR */
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 13, 2)), 7);
    msr(REG(3, 3, 9, 13, 2), 0xffffffff);
    vcpu->retired = 18;
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 14, 8, 2)), 0);
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 12, 3)), 4); /* PMOVSCLR */
    msr(REG(3, 3, 9, 12, 3), 4);
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 12, 3)), 0);
    fake_stop();
}

/* Without counting there is no such event, and what the vCPU has instead of a count is not shown. */
static void test_pmu_uncounted(void)
{
    start("cortex-a57", 1, false, false);
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 12, 6)), 0x20101); /* PMCEID0 */
    vcpu->uncounted = 1;
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 9, 12, 6)), 0x20001);
    msr(REG(3, 3, 14, 12, 2), 0x08);
    msr(REG(3, 3, 9, 12, 1), 4);
    msr(REG(3, 3, 9, 12, 0), PMCR_E | PMCR_LC);
    vcpu->retired = 7;
    CU_ASSERT_EQUAL(mrs(REG(3, 3, 14, 8, 2)), 0);
    fake_stop();
}

int main(void)
{
    static const unit_case cases[] = {
        { "the table", test_table },
        { "every access", test_every_access },
        { "EL0", test_el0 },
        { "traps to EL2", test_el2_traps },
        { "what is there", test_presence },
        { "identification", test_identification },
        { "flushes", test_flushes },
        { "performance monitors", test_pmu },
        { "performance monitors that count no instructions", test_pmu_uncounted },
        { 0 },
    };

    return unit_run("cpu-arm64 system registers", cases);
}
