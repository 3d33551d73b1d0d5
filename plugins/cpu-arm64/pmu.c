/*
 * Performance monitors: a cycle counter and event counters.
 *
 * Manual: DDI 0487, D13 "The Performance Monitors Extension", PMUv3.
 *
 * Events: SW_INCR, INST_RETIRED (exact; PMCEID0_EL0 does not have it where the accelerator does not count) and
 * CPU_CYCLES. A cycle is a nanosecond of machine time. Left out: filters by exception level, the division by 64
 * (PMCR_EL0.D), MDCR_EL2.HPMN. An overflow is noticed, and its interrupt raised, when software next touches the
 * monitors.
 */
#include "cpu.h"
#include "sysregs.h"

#define CYCLES PMU_COUNTERS /* number of the cycle counter among the counters here */

enum { EVENT_SW_INCR = 0x00, EVENT_INST_RETIRED = 0x08, EVENT_CPU_CYCLES = 0x11 };

/* Bit of a counter in PMCNTENSET_EL0 and its like. */
static uint64_t bit_of(uint32_t counter)
{
    return counter == CYCLES ? BIT64(31) : BIT64(counter);
}

static uint64_t counters_mask(pb_vcpu *vcpu)
{
    return BIT64(31) | (BIT64(model_of(vcpu)->pmu_counters) - 1);
}

static uint64_t *value_of(arm64_cpu *cpu, uint32_t counter)
{
    return &cpu->sys[counter == CYCLES ? (uint32_t)PMCCNTR_EL0 : PMEVCNTR0_EL0 + counter];
}

static uint64_t source(pb_vcpu *vcpu, uint32_t counter)
{
    uint64_t event =
        counter == CYCLES ? EVENT_CPU_CYCLES : cpu_of(vcpu)->sys[PMEVTYPER0_EL0 + counter] & 0x3ff;

    switch (event) {
    case EVENT_INST_RETIRED:
        return vcpu->uncounted ? 0 : vcpu->retired;
    case EVENT_CPU_CYCLES:
        return pb_clock_now_ns(vcpu->ops->clock(vcpu));
    default:
        return 0;
    }
}

/* Bits after which a counter overflows. */
static uint32_t width_of(const arm64_cpu *cpu, uint32_t counter)
{
    return counter == CYCLES && (cpu->sys[PMCR_EL0] & PMCR_LC) ? 64 : 32;
}

static void add(arm64_cpu *cpu, uint32_t counter, uint64_t delta)
{
    uint64_t *value = value_of(cpu, counter);
    uint64_t sum = *value + delta;
    bool overflow;

    if (width_of(cpu, counter) == 64)
        overflow = sum < *value;
    else
        overflow = (*value & UINT32_MAX) + delta > UINT32_MAX;
    *value = counter == CYCLES ? sum : (uint32_t)sum;
    if (overflow)
        cpu->sys[PMOVSSET_EL0] |= bit_of(counter);
}

static void update_line(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    bool level =
        (cpu->sys[PMCR_EL0] & PMCR_E) && (cpu->sys[PMOVSSET_EL0] & cpu->sys[PMINTENSET_EL1]) != 0;

    if (!cpu->pmu_line || cpu->pmu_line->level == level)
        return;
    vcpu->ops->lock_devices(vcpu);
    pb_line_set(cpu->pmu_line, level);
    vcpu->ops->unlock_devices(vcpu);
}

/* Bring the counters up to date. Called before anything that they depend on changes. */
static void settle(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    for (uint32_t i = 0; i <= CYCLES; i++) {
        uint64_t now = source(vcpu, i);

        if ((cpu->sys[PMCR_EL0] & PMCR_E) && (cpu->sys[PMCNTENSET_EL0] & bit_of(i)))
            add(cpu, i, now - cpu->pmu_base[i]);
        cpu->pmu_base[i] = now;
    }
    update_line(vcpu);
}

/* ---- control --------------------------------------------------------------------------------- */

uint64_t arm64_pmu_pmcr_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_model *model = model_of(vcpu);

    /* IMP is MIDR_EL1's implementer. */
    return (model->midr >> 24 & 0xff) << 24 | (uint64_t)model->pmu_idcode << 16 |
           (uint64_t)model->pmu_counters << 11 | cpu_of(vcpu)->sys[PMCR_EL0];
}

void arm64_pmu_pmcr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    settle(vcpu);
    if (value & PMCR_P)
        memset(&cpu->sys[PMEVCNTR0_EL0], 0, PMU_COUNTERS * sizeof(uint64_t));
    if (value & PMCR_C)
        cpu->sys[PMCCNTR_EL0] = 0;
    cpu->sys[PMCR_EL0] = value & (PMCR_E | PMCR_LC);
    update_line(vcpu);
}

void arm64_pmu_set_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    settle(vcpu);
    cpu_of(vcpu)->sys[row->store] |= value & counters_mask(vcpu);
    update_line(vcpu);
}

void arm64_pmu_clear_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    settle(vcpu);
    cpu_of(vcpu)->sys[row->index] &= ~value;
    update_line(vcpu);
}

uint64_t arm64_pmu_clear_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    settle(vcpu);
    return cpu_of(vcpu)->sys[row->index];
}

void arm64_pmu_ovs_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_pmu_set_write(vcpu, row, value);
}

void arm64_pmu_swinc_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    settle(vcpu);
    for (uint32_t i = 0; i < model_of(vcpu)->pmu_counters; i++) {
        if ((value & bit_of(i)) && (cpu->sys[PMCR_EL0] & PMCR_E) &&
            (cpu->sys[PMCNTENSET_EL0] & bit_of(i)) &&
            (cpu->sys[PMEVTYPER0_EL0 + i] & 0x3ff) == EVENT_SW_INCR)
            add(cpu, i, 1);
    }
    update_line(vcpu);
}

uint64_t arm64_pmu_ceid_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    uint64_t events = model_of(vcpu)->pmceid0;

    return vcpu->uncounted ? events & ~BIT64(EVENT_INST_RETIRED) : events;
}

/* ---- counters -------------------------------------------------------------------------------- */

uint64_t arm64_pmu_counter_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    settle(vcpu);
    return *value_of(cpu_of(vcpu), row->index);
}

void arm64_pmu_counter_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    settle(vcpu);
    *value_of(cpu_of(vcpu), row->index) = row->index == CYCLES ? value : (uint32_t)value;
}

void arm64_pmu_typer_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    settle(vcpu);
    cpu->sys[PMEVTYPER0_EL0 + row->index] = value & 0xfe0003ff;
    cpu->pmu_base[row->index] = source(vcpu, row->index);
}

/* The row of the counter or type that PMSELR_EL0.SEL names; null: none, RES0. */
static const arm64_sysreg *selected(pb_vcpu *vcpu, bool type)
{
    uint32_t select = (uint32_t)cpu_of(vcpu)->sys[PMSELR_EL0] & 0x1f;

    if (select == 31)
        return type ? arm64_sysreg_find(vcpu, PB_ARM_SYSREG(3, 3, 14, 15, 7)) : NULL;
    if (select >= model_of(vcpu)->pmu_counters)
        return NULL;
    return arm64_sysreg_find(vcpu, PB_ARM_SYSREG(3, 3, 14, type ? 12 : 8, select));
}

uint64_t arm64_pmu_selected_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_sysreg *counter = selected(vcpu, false);

    return counter ? arm64_sysreg_read(vcpu, counter) : 0;
}

void arm64_pmu_selected_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    const arm64_sysreg *counter = selected(vcpu, false);

    if (counter)
        arm64_sysreg_write(vcpu, counter, value);
}

uint64_t arm64_pmu_xevtyper_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_sysreg *type = selected(vcpu, true);

    return type ? arm64_sysreg_read(vcpu, type) : 0;
}

void arm64_pmu_xevtyper_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    const arm64_sysreg *type = selected(vcpu, true);

    if (type)
        arm64_sysreg_write(vcpu, type, value);
}
