/*
 * System registers: the table, who may access them, and the hooks of those that are not plain
 * storage. The hooks of timers, performance monitors, and maintenance instructions are in files
 * of their own.
 *
 * Manual: DDI 0487, D17 "AArch64 System Register Descriptions", C5 "A64 system instructions", D1
 * "Configurable instruction controls".
 *
 * Left out: the debug communications channel, AArch32 state.
 */
#include "cpu.h"
#include "sysregs.h"

#define ENC(op0, op1, crn, crm, op2) .encoding = PB_ARM_SYSREG(op0, op1, crn, crm, op2)
#define NO_ENCODING                  .encoding = UINT32_MAX
#define RW(el)                       .read_el = (el), .write_el = (el)
#define RO(el)                       .read_el = (el), .write_el = EL_NEVER
#define WO(el)                       .read_el = EL_NEVER, .write_el = (el)

/* ---- hooks: small ones ----------------------------------------------------------------------- */

static uint64_t read_zero(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return 0;
}

static void write_ignored(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value) {}

static uint64_t read_midr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);

    if (current_el(cpu) == 1 && arm64_el2_enabled(cpu))
        return cpu->sys[VPIDR_EL2];
    return model_of(vcpu)->midr;
}

static uint64_t read_mpidr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);

    if (current_el(cpu) == 1 && arm64_el2_enabled(cpu))
        return cpu->sys[VMPIDR_EL2];
    return arm64_mpidr(vcpu);
}

static uint64_t read_revidr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->revidr;
}

static uint64_t read_aa64pfr0(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint64_t value =
        1 << 4 | 1 << 0; /* EL1, EL0: AArch64 only. FP, AdvSIMD: 0, without half precision */

    if (cpu->has_el2)
        value |= 1 << 8;
    if (cpu->has_el3)
        value |= 1 << 12;
    if (cpu->gic)
        value |= 1 << 24;
    return value;
}

static uint64_t read_aa64dfr0(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_model *model = model_of(vcpu);

    return 6 | (uint64_t)(cpu_of(vcpu)->has_pmu ? 1 : 0) << 8 |
           (uint64_t)(model->breakpoints - 1) << 12 | (uint64_t)(model->watchpoints - 1) << 20 |
           (uint64_t)(model->context_breakpoints - 1) << 28;
}

static uint64_t read_aa64isar0(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->aa64isar0;
}

static uint64_t read_aa64isar1(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->aa64isar1;
}

static uint64_t read_aa64mmfr0(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->aa64mmfr0;
}

static uint64_t read_aa64mmfr1(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->aa64mmfr1;
}

static uint64_t read_aa64mmfr2(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->aa64mmfr2;
}

static uint64_t read_ctr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->ctr;
}

static uint64_t read_clidr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return model_of(vcpu)->clidr;
}

/* The cache that CSSELR_EL1 selects: line size 64 bytes everywhere. */
static uint64_t read_ccsidr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    uint64_t select = cpu_of(vcpu)->sys[CSSELR_EL1];
    uint32_t level = (select >> 1) & 7;
    const arm64_cache *cache;

    if (level >= PB_ARRAY_SIZE(model_of(vcpu)->cache))
        return 0;
    cache = &model_of(vcpu)->cache[level][select & 1];
    if (!cache->present)
        return 0;
    /* WT, WB, RA, WA: data is written back and allocated by both, instructions are read. */
    return UINT64_C(1) << (select & 1 ? 29 : 30) | (select & 1 ? 0 : UINT64_C(3) << 28) |
           (uint64_t)(cache->bytes / 64 / cache->ways - 1) << 13 |
           (uint64_t)(cache->ways - 1) << 3 | 2;
}

static uint64_t read_dczid(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    bool prohibited = false;

    if (current_el(cpu) == 0)
        prohibited = !(cpu->sys[SCTLR_EL1] & SCTLR_DZE);
    if (current_el(cpu) < 2 && arm64_el2_enabled(cpu))
        prohibited |= (cpu->sys[HCR_EL2] & HCR_TDZ) != 0;
    return model_of(vcpu)->dczid | (prohibited ? 1u << 4 : 0);
}

/* Cortex-A57 TRM, L2CTLR_EL1: bits 25:24, number of processors minus one. */
static uint64_t read_l2ctlr(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    uint32_t n = vcpu->ops->vcpu_count(vcpu);

    return (uint64_t)(n > 4 ? 3 : n - 1) << 24;
}

static uint64_t read_rvbar(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return cpu_of(vcpu)->reset_pc;
}

/* AA64 reads as one; a warm reset (RR) into the same state is not modelled. */
static uint64_t rmr_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return 1;
}

static void rmr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    if (value & 2)
        pb_log_unimp(vcpu->object, "%s.RR: warm reset is not modelled", row->name);
}

static uint64_t isr_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t lines = __atomic_load_n(&cpu->lines, __ATOMIC_RELAXED);
    uint64_t hcr = arm64_el2_enabled(cpu) && current_el(cpu) == 1 ? cpu->sys[HCR_EL2] : 0;
    bool irq = (lines & LINE_IRQ) != 0, fiq = (lines & LINE_FIQ) != 0, serror = false;

    if (hcr & HCR_IMO)
        irq = (lines & LINE_VIRQ) || (hcr & HCR_VI);
    if (hcr & HCR_FMO)
        fiq = (lines & LINE_VFIQ) || (hcr & HCR_VF);
    if (hcr & HCR_AMO)
        serror = (hcr & HCR_VSE) != 0;
    return (uint64_t)serror << 8 | (uint64_t)irq << 7 | (uint64_t)fiq << 6;
}

/* ---- debug ----------------------------------------------------------------------------------- */

static void oslar_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *oslsr = &cpu_of(vcpu)->sys[OSLSR_EL1];

    *oslsr = (*oslsr & ~UINT64_C(2)) | (value & 1) << 1;
}

/* Eight claim tags; DBGCLAIMCLR_EL1 stores them. */
static uint64_t read_claim_set(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return 0xff;
}

static void claim_set_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    cpu_of(vcpu)->sys[DBGCLAIMCLR_EL1] |= value & 0xff;
}

static void claim_clear_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    cpu_of(vcpu)->sys[DBGCLAIMCLR_EL1] &= ~value;
}

/* ---- process state --------------------------------------------------------------------------- */

static uint64_t spsel_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return cpu_of(vcpu)->pstate & PSTATE_SP;
}

static void spsel_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    arm64_set_pstate(cpu, (cpu->pstate & ~PSTATE_SP) | (value & 1 ? PSTATE_SP : 0));
}

static uint64_t currentel_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return current_el(cpu_of(vcpu)) << 2;
}

static uint64_t pan_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return cpu_of(vcpu)->pstate & PSTATE_PAN;
}

static void pan_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    cpu->pstate = (cpu->pstate & ~PSTATE_PAN) | ((uint32_t)value & PSTATE_PAN);
}

static uint64_t uao_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return cpu_of(vcpu)->pstate & PSTATE_UAO;
}

static void uao_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    cpu->pstate = (cpu->pstate & ~PSTATE_UAO) | ((uint32_t)value & PSTATE_UAO);
}

static uint64_t nzcv_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return arm64_nzcv(cpu_of(vcpu));
}

static void nzcv_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_set_nzcv(cpu_of(vcpu), (uint32_t)value);
}

static uint64_t daif_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return cpu_of(vcpu)->pstate & PSTATE_DAIF;
}

static void daif_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    cpu->pstate = (cpu->pstate & ~PSTATE_DAIF) | ((uint32_t)value & PSTATE_DAIF);
    arm64_check_interrupts(vcpu, cpu->pc + 4);
}

static uint64_t fpcr_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return cpu_of(vcpu)->fpcr;
}

static void fpcr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_set_fpcr(vcpu, (uint32_t)value);
}

static uint64_t fpsr_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    return arm64_fpsr(vcpu);
}

static void fpsr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_set_fpsr(vcpu, (uint32_t)value);
}

/* ---- translation regimes --------------------------------------------------------------------- */

/* MMU indexes of the regime that a row's register controls: .index 0 EL1&0, 2, 3. */
static uint32_t regime_mask(const arm64_sysreg *row)
{
    return row->index == 2 ? MMU_MASK_E2 : row->index == 3 ? MMU_MASK_E3 : MMU_MASK_E10;
}

/* Store, and forget translations that were made under another value. */
static void store_and_flush(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[row->store];

    if (*store == value)
        return;
    *store = value;
    vcpu->ops->tlb_flush(vcpu, regime_mask(row), PB_SCOPE_LOCAL);
}

static void sctlr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[row->store];
    uint64_t known = row->index ? SCTLR_EL23_KNOWN : SCTLR_EL1_KNOWN;
    uint64_t changed;

    if (!row->index && !has_feature(vcpu, FEAT_PAN))
        value |= SCTLR_SPAN; /* RES1 */
    changed = *store ^ (value & known);
    *store = value & known;
    if (changed & (SCTLR_M | SCTLR_WXN | SCTLR_EE))
        vcpu->ops->tlb_flush(vcpu, regime_mask(row), PB_SCOPE_LOCAL);
}

static void ttbr_el1_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    cpu_of(vcpu)->sys[row->store] = value;
    arm64_update_space(vcpu);
}

static void ttbr_el23_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    store_and_flush(vcpu, row, value);
}

static void mair_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    store_and_flush(vcpu, row, value);
}

static void tcr_el1_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t known = TCR_EL1_KNOWN;

    if (has_feature(vcpu, FEAT_HAFDBS))
        known |= TCR_EL1_HA | TCR_EL1_HD;
    if (has_feature(vcpu, FEAT_HPDS))
        known |= TCR_EL1_HPD0 | TCR_EL1_HPD1;
    store_and_flush(vcpu, row, value & known);
    arm64_update_space(vcpu);
}

static void tcr_el23_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t known = TCR_EL23_KNOWN;

    if (has_feature(vcpu, FEAT_HAFDBS))
        known |= TCR_EL23_HA | TCR_EL23_HD;
    if (has_feature(vcpu, FEAT_HPDS))
        known |= TCR_EL23_HPD;
    store_and_flush(vcpu, row, value & known);
}

static void hcr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[HCR_EL2];
    uint64_t known = HCR_KNOWN | (has_feature(vcpu, FEAT_LOR) ? HCR_TLOR : 0), changed;

    if (cpu_of(vcpu)->has_el3)
        known &= ~HCR_HCD; /* SCR_EL3.HCE is in its place */
    /* RW is fixed: EL1 is AArch64. */
    value = (value & known) | HCR_RW;
    changed = *store ^ value;
    *store = value;
    if (changed & (HCR_VM | HCR_DC | HCR_PTW | HCR_TGE | HCR_ID | HCR_CD))
        vcpu->ops->tlb_flush(vcpu, MMU_MASK_E10, PB_SCOPE_LOCAL);
    /* Virtual interrupts may have become pending (VI, VF, VSE) or others routed elsewhere. */
    vcpu->ops->kick(vcpu, PB_EXIT_INTERRUPT);
}

static void vttbr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    cpu_of(vcpu)->sys[VTTBR_EL2] = value;
    arm64_update_space(vcpu);
}

static void vtcr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[VTCR_EL2];

    if (*store == value)
        return;
    *store = value;
    if (cpu_of(vcpu)->sys[HCR_EL2] & HCR_VM)
        vcpu->ops->tlb_flush(vcpu, MMU_MASK_E10, PB_SCOPE_LOCAL);
}

static void scr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[SCR_EL3];
    uint64_t known = SCR_KNOWN | (has_feature(vcpu, FEAT_LOR) ? SCR_TLOR : 0), changed;

    /* RW is fixed; bits 5:4 are RES1. */
    value = (value & known) | SCR_RW | 0x30;
    changed = *store ^ value;
    *store = value;
    if (changed & SCR_NS)
        vcpu->ops->tlb_flush(vcpu, MMU_MASK_E10 | MMU_MASK_E2, PB_SCOPE_LOCAL);
    arm64_update_space(vcpu); /* EL2 may be enabled now, or not any more */
}

static void cntfrq_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    const arm64_cpu *cpu = cpu_of(vcpu);

    /* Only the highest level may write it (D17 "CNTFRQ_EL0"). */
    if (current_el(cpu) == arm64_highest_el(cpu))
        cpu_of(vcpu)->sys[CNTFRQ_EL0] = value;
    else
        arm64_take_undefined(vcpu);
}

/* ---- interrupt controller -------------------------------------------------------------------- */

static pb_arm_gic_context gic_context(const arm64_cpu *cpu)
{
    uint64_t hcr = arm64_el2_enabled(cpu) ? cpu->sys[HCR_EL2] : 0;

    return (pb_arm_gic_context){ .el = (uint8_t)current_el(cpu),
                                 .secure = arm64_is_secure(cpu, current_el(cpu)),
                                 .hcr_imo = (hcr & HCR_IMO) != 0,
                                 .hcr_fmo = (hcr & HCR_FMO) != 0 };
}

/* Ask the controller; false: it has no such register. */
static bool gic_access(pb_vcpu *vcpu, const arm64_sysreg *row, bool write, uint64_t *value)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    const pb_arm_gic_cpu_iface *gic = cpu->gic->iface;
    pb_arm_gic_context context = gic_context(cpu);
    bool known;

    vcpu->ops->lock_devices(vcpu);
    if (write)
        known = gic->write(cpu->gic->self, cpu->gic->index, &context, row->encoding, *value);
    else
        known = gic->read(cpu->gic->self, cpu->gic->index, &context, row->encoding, value);
    vcpu->ops->unlock_devices(vcpu);
    return known;
}

static uint64_t gic_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    uint64_t value = 0;

    if (!gic_access(vcpu, row, false, &value))
        arm64_take_undefined(vcpu);
    return value;
}

static void gic_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    if (!gic_access(vcpu, row, true, &value))
        arm64_take_undefined(vcpu);
}

/* ICH_*: with EL2 and a GICv3 they are always there. Of a controller without a virtual CPU interface they
 * read as zero and ignore writes. */
static uint64_t ich_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    uint64_t value = 0;

    if (!gic_access(vcpu, row, false, &value))
        pb_log_unimp(vcpu->object, "%s read: the interrupt controller has no virtual CPU interface",
                     row->name);
    return value;
}

static void ich_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    if (!gic_access(vcpu, row, true, &value) && value)
        pb_log_unimp(
            vcpu->object,
            "%s written with 0x%llx: the interrupt controller has no virtual CPU interface",
            row->name, (unsigned long long)value);
}

/* ---- the table ------------------------------------------------------------------------------- */

#define STORED(name_, ...)   { .name = #name_, .store = name_, __VA_ARGS__ },
#define COMPUTED(name_, ...) { .name = #name_, .store = -1, __VA_ARGS__ },
const arm64_sysreg arm64_sysregs[] = {
#include "sysregs.def"
};
#undef STORED
#undef COMPUTED

const uint32_t arm64_sysreg_count = PB_ARRAY_SIZE(arm64_sysregs);

static const arm64_sysreg *row_of_encoding(uint32_t encoding)
{
    uint32_t low = 0, high = arm64_sysreg_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (arm64_sysregs[middle].encoding == encoding)
            return &arm64_sysregs[middle];
        if (arm64_sysregs[middle].encoding < encoding)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

const arm64_sysreg *arm64_sysreg_find(const pb_vcpu *vcpu, uint32_t encoding)
{
    const arm64_sysreg *row = row_of_encoding(encoding);
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    const arm64_model *model = model_of(vcpu);

    if (!row || !has_feature(vcpu, (arm64_feature)row->feature))
        return NULL;
    if ((row->flags & ROW_A5X) && !model->cortex_a5x)
        return NULL;
    /* Registers of a level that is not there are UNDEFINED at EL1, and from EL3 RES0 or storage
     * for EL2's. */
    if ((row->flags & ROW_NEEDS_EL2) && !cpu->has_el2 && !cpu->has_el3)
        return NULL;
    if (((row->flags & ROW_NEEDS_EL3) || row->write_el == 3 || row->read_el == 3) && !cpu->has_el3)
        return NULL;
    if ((row->flags & ROW_HIGHEST) && row->read_el != arm64_highest_el(cpu))
        return NULL;
    if ((row->flags & ROW_NEEDS_PMU) && !cpu->has_pmu)
        return NULL;
    if ((row->flags & ROW_NEEDS_GIC) && !cpu->gic)
        return NULL;
    if ((row->flags & ROW_BREAKPOINT) && row->index >= model->breakpoints)
        return NULL;
    if ((row->flags & ROW_WATCHPOINT) && row->index >= model->watchpoints)
        return NULL;
    if ((row->flags & ROW_PMU_COUNTER) && row->index >= model->pmu_counters)
        return NULL;
    return row;
}

const arm64_sysreg *arm64_sysreg_at(uint32_t index)
{
    return &arm64_sysregs[index];
}

uint32_t arm64_sysreg_index(const arm64_sysreg *row)
{
    return (uint32_t)(row - arm64_sysregs);
}

/* ---- who may --------------------------------------------------------------------------------- */

uint32_t arm64_fp_trap(const arm64_cpu *cpu, uint32_t *ec)
{
    uint32_t el = current_el(cpu);
    bool el2 = arm64_el2_enabled(cpu);
    uint32_t fpen = (cpu->sys[CPACR_EL1] >> 20) & 3;

    *ec = EC_FP;
    if (el < 2 && (fpen == 0 || fpen == 2 || (fpen == 1 && el == 0))) {
        if (el2 && (cpu->sys[HCR_EL2] & HCR_TGE)) {
            *ec = EC_UNKNOWN;
            return 2;
        }
        return 1;
    }
    if (el < 3 && (el2 || el == 2) && (cpu->sys[CPTR_EL2] & CPTR_TFP))
        return 2;
    if (cpu->has_el3 && (cpu->sys[CPTR_EL3] & CPTR_TFP))
        return 3;
    return 0;
}

/* Checks at EL0 that SCTLR_EL1, CNTKCTL_EL1 and PMUSERENR_EL0 control. */
static bool allowed_at_el0(const arm64_cpu *cpu, const arm64_sysreg *row, bool write)
{
    uint64_t sctlr = cpu->sys[SCTLR_EL1], cntkctl = cpu->sys[CNTKCTL_EL1];
    uint64_t pmuserenr = cpu->sys[PMUSERENR_EL0];
    uint32_t check = row->check;

    if ((check & CHECK_UCT) && !(sctlr & SCTLR_UCT))
        return false;
    if ((check & CHECK_UCI) && !(sctlr & SCTLR_UCI))
        return false;
    if ((check & CHECK_DZE) && !(sctlr & SCTLR_DZE))
        return false;
    if ((check & CHECK_UMA) && !(sctlr & SCTLR_UMA))
        return false;
    if ((check & CHECK_PCTEN) && !(cntkctl & CNTKCTL_EL0PCTEN))
        return false;
    if ((check & CHECK_VCTEN) && !(cntkctl & CNTKCTL_EL0VCTEN))
        return false;
    if ((check & CHECK_CNTFRQ) && !(cntkctl & (CNTKCTL_EL0PCTEN | CNTKCTL_EL0VCTEN)))
        return false;
    if ((check & CHECK_PTEN) && !(cntkctl & CNTKCTL_EL0PTEN))
        return false;
    if ((check & CHECK_VTEN) && !(cntkctl & CNTKCTL_EL0VTEN))
        return false;
    if ((check & CHECK_TDCC) && (cpu->sys[MDSCR_EL1] & MDSCR_TDCC))
        return false;
    if ((check & CHECK_PMU) && row->store != PMUSERENR_EL0) {
        bool allowed = (pmuserenr & PMUSERENR_EN) != 0;

        if (row->encoding == PB_ARM_SYSREG(3, 3, 9, 12, 4))
            allowed |= (pmuserenr & PMUSERENR_SW) != 0;
        else if (row->store == PMCCNTR_EL0 && !write)
            allowed |= (pmuserenr & PMUSERENR_CR) != 0;
        else if (row->read == arm64_pmu_counter_read && !write)
            allowed |= (pmuserenr & PMUSERENR_ER) != 0;
        else if (row->store == PMSELR_EL0)
            allowed |= (pmuserenr & PMUSERENR_ER) != 0;
        else if (row->read == arm64_pmu_selected_read && !write)
            allowed |= (pmuserenr & PMUSERENR_ER) != 0;
        if (!allowed)
            return false;
    }
    return true;
}

/* Traps to EL2 of accesses at EL0 and EL1: one bit of a control register each. */
static bool trapped_to_el2(const arm64_cpu *cpu, const arm64_sysreg *row, bool write)
{
    uint64_t hcr = cpu->sys[HCR_EL2], mdcr = cpu->sys[MDCR_EL2];
    uint32_t check = row->check;
    uint64_t want = 0;

    if (check & CHECK_TVM)
        want |= write ? HCR_TVM : HCR_TRVM;
    if (check & CHECK_TID1)
        want |= HCR_TID1;
    if (check & CHECK_TID2)
        want |= HCR_TID2;
    if (check & CHECK_TID3)
        want |= HCR_TID3;
    if (check & CHECK_TACR)
        want |= HCR_TACR;
    if (check & CHECK_TTLB)
        want |= HCR_TTLB;
    if (check & CHECK_TPC)
        want |= HCR_TPC;
    if (check & CHECK_TPU)
        want |= HCR_TPU;
    if (check & CHECK_TSW)
        want |= HCR_TSW;
    if (check & CHECK_DZE)
        want |= HCR_TDZ;
    if (check & CHECK_TIDCP)
        want |= HCR_TIDCP;
    if (check & CHECK_TLOR)
        want |= HCR_TLOR;
    if (hcr & want)
        return true;
    if (hcr & HCR_TGE)
        mdcr |= MDCR_TDE;
    if ((check & CHECK_TDA) && (mdcr & (MDCR_TDA | MDCR_TDE)))
        return true;
    if ((check & CHECK_TDOSA) && (mdcr & (MDCR_TDOSA | MDCR_TDE)))
        return true;
    if ((check & CHECK_TDRA) && (mdcr & (MDCR_TDRA | MDCR_TDE)))
        return true;
    if ((check & CHECK_PMU) && (mdcr & MDCR_TPM))
        return true;
    if (row->store == PMCR_EL0 && (mdcr & MDCR_TPMCR))
        return true;
    if ((check & CHECK_CPACR) && (cpu->sys[CPTR_EL2] & CPTR_TCPAC))
        return true;
    if ((check & CHECK_PCTEN) && !(cpu->sys[CNTHCTL_EL2] & CNTHCTL_EL1PCTEN))
        return true;
    return (check & CHECK_PTEN) && !(cpu->sys[CNTHCTL_EL2] & CNTHCTL_EL1PCEN);
}

static bool trapped_to_el3(const arm64_cpu *cpu, const arm64_sysreg *row)
{
    uint64_t mdcr = cpu->sys[MDCR_EL3], scr = cpu->sys[SCR_EL3];
    uint32_t check = row->check;

    if ((check & (CHECK_TDA | CHECK_TDRA)) && (mdcr & MDCR_TDA))
        return true;
    if ((check & CHECK_TDOSA) && (mdcr & MDCR_TDOSA))
        return true;
    if ((check & CHECK_PMU) && (mdcr & MDCR_TPM))
        return true;
    if ((check & CHECK_CPACR) && (cpu->sys[CPTR_EL3] & CPTR_TCPAC))
        return true;
    if ((check & CHECK_TLOR) && (scr & SCR_TLOR))
        return true;
    return (check & CHECK_SEL1_TIMER) && !(scr & SCR_ST);
}

/* op0 3, op1 0, 1 or 3, CRn 0, CRm 0 to 7 (D17 "ID_AA64MMFR2_EL1", IDST). */
bool arm64_sysreg_id_trap(const pb_vcpu *vcpu, uint32_t encoding)
{
    uint32_t op1 = encoding >> 11 & 7;

    return has_feature(vcpu, FEAT_IDST) && (encoding & 0xc7c0) == 0xc000 && op1 <= 3 && op1 != 2;
}

uint32_t arm64_sysreg_iss(uint32_t encoding, uint32_t rt, bool read)
{
    /* Op0, Op2, Op1, CRn, Rt, CRm, Direction */
    return (encoding >> 14 & 3) << 20 | (encoding & 7) << 17 | (encoding >> 11 & 7) << 14 |
           (encoding >> 7 & 15) << 10 | rt << 5 | (encoding >> 3 & 15) << 1 | read;
}

bool arm64_sysreg_traps(const arm64_cpu *cpu)
{
    uint32_t el = current_el(cpu);

    if (el < 2 && arm64_el2_enabled(cpu) &&
        ((cpu->sys[HCR_EL2] & HCR_SYSREG_TRAPS) || (cpu->sys[CPTR_EL2] & CPTR_TCPAC) ||
         (cpu->sys[MDCR_EL2] &
          (MDCR_TDA | MDCR_TDOSA | MDCR_TDRA | MDCR_TDE | MDCR_TPM | MDCR_TPMCR))))
        return true;
    return cpu->has_el3 && el < 3 &&
           ((cpu->sys[CPTR_EL3] & CPTR_TCPAC) || (cpu->sys[SCR_EL3] & SCR_TLOR) ||
            (cpu->sys[MDCR_EL3] & (MDCR_TDA | MDCR_TDOSA | MDCR_TPM)));
}

bool arm64_sysreg_allowed(const pb_vcpu *vcpu, const arm64_sysreg *row, bool write,
                          uint32_t *target, uint32_t *ec)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    uint32_t el = current_el(cpu);
    bool el2 = arm64_el2_enabled(cpu);

    *target = arm64_sync_target(cpu);
    *ec = !write && arm64_sysreg_id_trap(vcpu, row->encoding) ? EC_SYSREG : EC_UNKNOWN;
    if (el < (write ? row->write_el : row->read_el))
        return false;
    if ((row->check & CHECK_SPSEL) && !(cpu->pstate & PSTATE_SP))
        return false;
    if ((row->check & CHECK_NONSECURE) && arm64_is_secure(cpu, 0))
        return false;
    /* The secure timer: at EL3, and at Secure EL1. */
    if ((row->check & CHECK_SEL1_TIMER) && el < 3 && !arm64_is_secure(cpu, el))
        return false;
    if (row->check & CHECK_FP) {
        *target = arm64_fp_trap(cpu, ec);
        if (*target)
            return false;
    }

    *ec = EC_SYSREG;
    *target = el2 && (cpu->sys[HCR_EL2] & HCR_TGE) ? 2 : 1;
    if (el == 0 && !allowed_at_el0(cpu, row, write))
        return false;
    *target = 2;
    if (el < 2 && el2 && trapped_to_el2(cpu, row, write))
        return false;
    *target = 3;
    return !(cpu->has_el3 && el < 3 && trapped_to_el3(cpu, row));
}

/* ---- access ---------------------------------------------------------------------------------- */

uint64_t arm64_sysreg_read(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    if (row->flags & ROW_UNMODELLED)
        pb_log_unimp(vcpu->object, "%s read: %s", row->name, row->doc ? row->doc : "not modelled");
    if (row->read)
        return row->read(vcpu, row);
    return row->store >= 0 ? cpu_of(vcpu)->sys[row->store] : 0;
}

void arm64_sysreg_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    /* Writing what is there already, zeros mostly, asks for nothing. */
    if ((row->flags & ROW_UNMODELLED) &&
        value != (row->store >= 0 ? cpu_of(vcpu)->sys[row->store] : 0))
        pb_log_unimp(vcpu->object, "%s written with 0x%llx: %s", row->name,
                     (unsigned long long)value, row->doc ? row->doc : "not modelled");
    if (row->write_mask)
        value &= row->write_mask;
    value |= row->res1;
    if (row->write)
        row->write(vcpu, row, value);
    else if (row->store >= 0)
        cpu_of(vcpu)->sys[row->store] = value;
}

void arm64_sysregs_reset(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    for (uint32_t i = 0; i < arm64_sysreg_count; i++) {
        if (arm64_sysregs[i].store >= 0)
            cpu->sys[arm64_sysregs[i].store] = arm64_sysregs[i].reset | arm64_sysregs[i].res1;
    }
}
