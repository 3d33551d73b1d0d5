/*
 * The register file as the core sees it, what else is state, reset, and the processor's state at
 * entry of an operating system.
 *
 * Manual: DDI 0487, B1 "Registers in AArch64 state", D1 "Reset", C5.2 "Special-purpose
 * registers".
 */
#include "cpu.h"
#include "sysregs.h"

/* ---- slots ----------------------------------------------------------------------------------- */

#define X_SLOT(n_, name_) \
    [SLOT_X0 + (n_)] = { name_, IR_I64, offsetof(arm64_cpu, x) + 8 * (n_), "general", (n_) }
#define V_SLOT(n_, name_) \
    [SLOT_V0 + (n_)] = { name_, IR_V128, offsetof(arm64_cpu, v) + 16 * (n_), "vector", 34 + (n_) }

#define STORED(name_, ...) \
    [SLOT_SYS0 + name_] = { #name_, IR_I64, offsetof(arm64_cpu, sys) + 8 * (name_), "system", -1 },
#define COMPUTED(name_, ...)

/* Numbers for gdb are those of its AArch64 core and fpu descriptions. Its cpsr (33) is pstate
 * and nzcv together, and fpsr (66) is made of qc and the flags in vcpu->fp[0]: neither is one
 * slot. */
const pb_slot arm64_slots[SLOT_COUNT + 1] = {
    X_SLOT(0, "x0"),
    X_SLOT(1, "x1"),
    X_SLOT(2, "x2"),
    X_SLOT(3, "x3"),
    X_SLOT(4, "x4"),
    X_SLOT(5, "x5"),
    X_SLOT(6, "x6"),
    X_SLOT(7, "x7"),
    X_SLOT(8, "x8"),
    X_SLOT(9, "x9"),
    X_SLOT(10, "x10"),
    X_SLOT(11, "x11"),
    X_SLOT(12, "x12"),
    X_SLOT(13, "x13"),
    X_SLOT(14, "x14"),
    X_SLOT(15, "x15"),
    X_SLOT(16, "x16"),
    X_SLOT(17, "x17"),
    X_SLOT(18, "x18"),
    X_SLOT(19, "x19"),
    X_SLOT(20, "x20"),
    X_SLOT(21, "x21"),
    X_SLOT(22, "x22"),
    X_SLOT(23, "x23"),
    X_SLOT(24, "x24"),
    X_SLOT(25, "x25"),
    X_SLOT(26, "x26"),
    X_SLOT(27, "x27"),
    X_SLOT(28, "x28"),
    X_SLOT(29, "x29"),
    X_SLOT(30, "x30"),
    [SLOT_SP] = { "sp", IR_I64, offsetof(arm64_cpu, sp), "general", 31 },
    [SLOT_PC] = { "pc", IR_I64, offsetof(arm64_cpu, pc), "general", 32 },
    [SLOT_NZCV] = { "nzcv", IR_FL, offsetof(arm64_cpu, nzcv), "general", -1,
                    1 << IR_FLAG_N | 1 << IR_FLAG_Z | 1 << IR_FLAG_C | 1 << IR_FLAG_V },
    [SLOT_PSTATE] = { "pstate", IR_I32, offsetof(arm64_cpu, pstate), "general", -1 },
    [SLOT_FPCR] = { "fpcr", IR_I32, offsetof(arm64_cpu, fpcr), "vector", 67 },
    [SLOT_QC] = { "qc", IR_I32, offsetof(arm64_cpu, qc), "vector", -1 },
    [SLOT_STEPPED] = { "stepped", IR_I32, offsetof(arm64_cpu, stepped), "general", -1 },
    V_SLOT(0, "v0"),
    V_SLOT(1, "v1"),
    V_SLOT(2, "v2"),
    V_SLOT(3, "v3"),
    V_SLOT(4, "v4"),
    V_SLOT(5, "v5"),
    V_SLOT(6, "v6"),
    V_SLOT(7, "v7"),
    V_SLOT(8, "v8"),
    V_SLOT(9, "v9"),
    V_SLOT(10, "v10"),
    V_SLOT(11, "v11"),
    V_SLOT(12, "v12"),
    V_SLOT(13, "v13"),
    V_SLOT(14, "v14"),
    V_SLOT(15, "v15"),
    V_SLOT(16, "v16"),
    V_SLOT(17, "v17"),
    V_SLOT(18, "v18"),
    V_SLOT(19, "v19"),
    V_SLOT(20, "v20"),
    V_SLOT(21, "v21"),
    V_SLOT(22, "v22"),
    V_SLOT(23, "v23"),
    V_SLOT(24, "v24"),
    V_SLOT(25, "v25"),
    V_SLOT(26, "v26"),
    V_SLOT(27, "v27"),
    V_SLOT(28, "v28"),
    V_SLOT(29, "v29"),
    V_SLOT(30, "v30"),
    V_SLOT(31, "v31"),
#include "sysregs.def"
    [SLOT_COUNT] = { 0 },
};
#undef STORED
#undef COMPUTED

/* ---- properties ------------------------------------------------------------------------------ */

static const char *const psci_choices[] = { "none", "hvc", "smc", NULL };

const pb_prop arm64_props[] = {
    { "psci", PB_PROP_ENUM, PB_MEMBER(arm64_cpu, psci), "none", .choices = psci_choices,
      .doc = "Answer PSCI calls that come by this instruction, as firmware would" },
    { "mpidr", PB_PROP_UINT, PB_MEMBER(arm64_cpu, mpidr), "0xffffffffffffffff",
      .doc = "Affinity, as in MPIDR_EL1; all ones: from the number of the processor" },
    { "cluster-size", PB_PROP_UINT, PB_MEMBER(arm64_cpu, cluster_size), "0", .max = 256,
      .doc = "Processors that share Aff1, for computed affinities; 0: 16 with a GICv3, else 8" },
    { "has-el2", PB_PROP_BOOL, PB_MEMBER(arm64_cpu, has_el2), "false", .doc = "Has EL2" },
    { "has-el3", PB_PROP_BOOL, PB_MEMBER(arm64_cpu, has_el3), "false", .doc = "Has EL3" },
    { "start-powered-off", PB_PROP_BOOL, PB_MEMBER(arm64_cpu, start_powered_off), "false",
      .doc = "Executes nothing until PSCI CPU_ON" },
    { "reset-address", PB_PROP_UINT, PB_MEMBER(arm64_cpu, reset_pc), "0",
      .doc = "Where execution starts after reset: RVBAR" },
    { "cntfrq", PB_PROP_HZ, PB_MEMBER(arm64_cpu, cntfrq_hz), "62500000", .min = 1,
      .max = 1000000000, .doc = "Frequency of the generic timers' counter" },
    { "has-pmu", PB_PROP_BOOL, PB_MEMBER(arm64_cpu, has_pmu), "true",
      .doc = "Has performance monitors" },
    { 0 },
};

/* ---- ports ----------------------------------------------------------------------------------- */

static void set_line(void *self, uint32_t line, bool level)
{
    arm64_cpu *cpu = self;
    pb_vcpu *vcpu = pb_vcpu_of_state(cpu);

    if (level) {
        __atomic_fetch_or(&cpu->lines, line, __ATOMIC_SEQ_CST);
        vcpu->ops->kick(vcpu, PB_EXIT_INTERRUPT);
    } else {
        __atomic_fetch_and(&cpu->lines, ~line, __ATOMIC_SEQ_CST);
    }
}

static void irq_set(void *self, uint32_t index, bool level)
{
    set_line(self, LINE_IRQ, level);
}
static void fiq_set(void *self, uint32_t index, bool level)
{
    set_line(self, LINE_FIQ, level);
}
static void virq_set(void *self, uint32_t index, bool level)
{
    set_line(self, LINE_VIRQ, level);
}
static void vfiq_set(void *self, uint32_t index, bool level)
{
    set_line(self, LINE_VFIQ, level);
}

static const pb_line_iface irq_iface = { .size = sizeof(pb_line_iface), .set = irq_set };
static const pb_line_iface fiq_iface = { .size = sizeof(pb_line_iface), .set = fiq_set };
static const pb_line_iface virq_iface = { .size = sizeof(pb_line_iface), .set = virq_set };
static const pb_line_iface vfiq_iface = { .size = sizeof(pb_line_iface), .set = vfiq_set };

const pb_port arm64_ports[] = {
    { .name = "irq",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_PROVIDES,
      .iface = &irq_iface,
      .doc = "Interrupt input" },
    { .name = "fiq",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_PROVIDES,
      .iface = &fiq_iface,
      .doc = "Fast interrupt input" },
    { .name = "virq",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_PROVIDES,
      .iface = &virq_iface,
      .doc = "Virtual interrupt input" },
    { .name = "vfiq",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_PROVIDES,
      .iface = &vfiq_iface,
      .doc = "Virtual fast interrupt input" },
    { .name = "cntp",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_REQUIRES,
      .optional = true,
      PB_HANDLE(arm64_cpu, timer_line[TIMER_PHYS]),
      .doc = "Non-secure physical timer" },
    { .name = "cntv",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_REQUIRES,
      .optional = true,
      PB_HANDLE(arm64_cpu, timer_line[TIMER_VIRT]),
      .doc = "Virtual timer" },
    { .name = "cnthp",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_REQUIRES,
      .optional = true,
      PB_HANDLE(arm64_cpu, timer_line[TIMER_HYP]),
      .doc = "EL2's physical timer" },
    { .name = "cntps",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_REQUIRES,
      .optional = true,
      PB_HANDLE(arm64_cpu, timer_line[TIMER_SEC]),
      .doc = "Secure physical timer" },
    { .name = "pmu",
      .protocol = PB_PROTOCOL_IRQ,
      .role = PB_REQUIRES,
      .optional = true,
      PB_HANDLE(arm64_cpu, pmu_line),
      .doc = "Performance monitors' overflow" },
    { .name = "gic",
      .protocol = PB_PROTOCOL_ARM_GIC_CPU,
      .role = PB_REQUIRES,
      .optional = true,
      PB_HANDLE(arm64_cpu, gic),
      .doc = "CPU interface of a GICv3: ICC_* system registers" },
    { 0 },
};

/* ---- state that is no slot ------------------------------------------------------------------- */

const pb_state arm64_state[] = {
    PB_STATE(arm64_cpu, lines),
    PB_STATE(arm64_cpu, event),
    PB_STATE(arm64_cpu, power),
    PB_STATE(arm64_cpu, on_entry),
    PB_STATE(arm64_cpu, on_context),
    PB_STATE_ARRAY(arm64_cpu, pmu_base),
    PB_STATE_TIMER(arm64_cpu, timer[TIMER_PHYS], arm64_timer_expired_phys),
    PB_STATE_TIMER(arm64_cpu, timer[TIMER_VIRT], arm64_timer_expired_virt),
    PB_STATE_TIMER(arm64_cpu, timer[TIMER_HYP], arm64_timer_expired_hyp),
    PB_STATE_TIMER(arm64_cpu, timer[TIMER_SEC], arm64_timer_expired_sec),
    PB_TRANSIENT(arm64_cpu, tlb_sync_needed, "broadcasts are complete when a snapshot is made"),
    PB_TRANSIENT(arm64_cpu, fp, "a table of the host"),
    PB_TRANSIENT(arm64_cpu, user, "a table of the host"),
    PB_TRANSIENT(arm64_cpu, semihosting, "a table of the host"),
    PB_TRANSIENT(arm64_cpu, tagged, "the TLB is empty after a load"),
    { 0 },
};

/* ---- parts of the state ---------------------------------------------------------------------- */

bool arm64_el2_enabled(const arm64_cpu *cpu)
{
    return cpu->has_el2 && (!cpu->has_el3 || (cpu->sys[SCR_EL3] & SCR_NS));
}

bool arm64_is_secure(const arm64_cpu *cpu, uint32_t el)
{
    return cpu->has_el3 && (el == 3 || !(cpu->sys[SCR_EL3] & SCR_NS));
}

uint64_t arm64_sctlr(const arm64_cpu *cpu, uint32_t el)
{
    return cpu->sys[el == 3 ? SCTLR_EL3 : el == 2 ? SCTLR_EL2 : SCTLR_EL1];
}

uint32_t arm64_highest_el(const arm64_cpu *cpu)
{
    return cpu->has_el3 ? 3 : cpu->has_el2 ? 2 : 1;
}

uint64_t arm64_mpidr(const pb_vcpu *vcpu)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    uint32_t cluster = cpu->cluster_size ? cpu->cluster_size : cpu->gic ? 16 : 8;

    if (cpu->mpidr != MPIDR_UNSET)
        return cpu->mpidr | BIT64(31);
    /* Bit 31 is RES1; U, bit 30, is 0 for one of several processors. */
    return BIT64(31) | (uint64_t)(vcpu->index / cluster) << 8 | vcpu->index % cluster;
}

uint32_t arm64_nzcv(const arm64_cpu *cpu)
{
    uint32_t fl = cpu->nzcv;

    return (fl >> IR_FLAG_N & 1) << 31 | (fl >> IR_FLAG_Z & 1) << 30 | (fl >> IR_FLAG_C & 1) << 29 |
           (fl >> IR_FLAG_V & 1) << 28;
}

void arm64_set_nzcv(arm64_cpu *cpu, uint32_t nzcv)
{
    cpu->nzcv = (nzcv >> 31 & 1) << IR_FLAG_N | (nzcv >> 30 & 1) << IR_FLAG_Z |
                (nzcv >> 29 & 1) << IR_FLAG_C | (nzcv >> 28 & 1) << IR_FLAG_V;
}

uint32_t arm64_spsr(const arm64_cpu *cpu)
{
    return cpu->pstate | arm64_nzcv(cpu);
}

/* Where the stack pointer that a PSTATE selects rests while another is in use. */
static uint64_t *banked_sp(arm64_cpu *cpu, uint32_t pstate)
{
    static const uint16_t banks[4] = { SP_EL0, SP_EL1, SP_EL2, SP_EL3 };

    return &cpu->sys[banks[pstate & PSTATE_SP ? PSTATE_GET_EL(pstate) : 0]];
}

void arm64_set_pstate(arm64_cpu *cpu, uint32_t pstate)
{
    *banked_sp(cpu, cpu->pstate) = cpu->sp;
    cpu->pstate = pstate;
    cpu->sp = *banked_sp(cpu, pstate);
}

/* FPCR: AHP 26, DN 25, FZ 24, RMode 23:22. Trap enables and, without half-precision arithmetic,
 * FZ16 are RES0. */
#define FPCR_KNOWN 0x07c00000u

void arm64_set_fpcr(pb_vcpu *vcpu, uint32_t value)
{
    pb_fp_env *env = &vcpu->fp[0];

    value &= FPCR_KNOWN;
    cpu_of(vcpu)->fpcr = value;
    env->rules = pb_fp_rules_arm();
    env->rules.alt_half = value >> 26 & 1;
    env->rules.default_nan = value >> 25 & 1;
    env->rules.flush_in = env->rules.flush_out = value >> 24 & 1;
    env->round = value >> 22 & 3;
}

#define FPSR_QC (1u << 27)

uint32_t arm64_fpsr(const pb_vcpu *vcpu)
{
    return (vcpu->fp[0].flags & PB_FP_IEEE_FLAGS) | (cpu_of_const(vcpu)->qc ? FPSR_QC : 0);
}

void arm64_set_fpsr(pb_vcpu *vcpu, uint32_t value)
{
    vcpu->fp[0].flags = value & PB_FP_IEEE_FLAGS;
    cpu_of(vcpu)->qc = (value & FPSR_QC) != 0;
}

/* ---- life cycle ------------------------------------------------------------------------------ */

bool arm64_init(void *self, pb_error *error)
{
    arm64_cpu *cpu = self;

    cpu->fp = pb_extension(pb_vcpu_of_state(cpu)->object, PB_FP_EXTENSION);
    if (!cpu->fp)
        return pb_fail(error, "the host has no %s", PB_FP_EXTENSION);
    cpu->user = pb_extension(pb_vcpu_of_state(cpu)->object, PB_EXTENSION_USER);
    cpu->semihosting = pb_extension(pb_vcpu_of_state(cpu)->object, PB_EXTENSION_SEMIHOSTING);
    if (cpu->reset_pc & 3)
        return pb_fail(error, "reset-address 0x%llx is not a multiple of 4",
                       (unsigned long long)cpu->reset_pc);
    if (cpu->psci == PSCI_HVC && cpu->has_el2)
        return pb_fail(error, "psci: hvc is for processors without EL2; use psci: smc");
    if (cpu->psci == PSCI_SMC && cpu->has_el3)
        return pb_fail(error, "psci: smc is for processors without EL3, whose firmware answers");
    return true;
}

void arm64_reset_state(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    memset(cpu->x, 0, sizeof(cpu->x));
    memset(cpu->v, 0, sizeof(cpu->v));
    arm64_sysregs_reset(vcpu);
    cpu->sp = 0;
    cpu->nzcv = 0;
    arm64_set_fpcr(vcpu, 0);
    arm64_set_fpsr(vcpu, 0);
    cpu->pstate = PSTATE_EL(arm64_highest_el(cpu)) | PSTATE_SP | PSTATE_DAIF;
    cpu->pc = cpu->reset_pc;
    cpu->event = 0;
    cpu->stepped = STEPPED_NONE;
    memset(cpu->pmu_base, 0, sizeof(cpu->pmu_base));
    vcpu->exclusive_bytes = 0;

    cpu->sys[CNTFRQ_EL0] = cpu->cntfrq_hz;
    cpu->sys[HCR_EL2] = HCR_RW;
    cpu->sys[SCR_EL3] = SCR_RW | 0x30;
    cpu->sys[VPIDR_EL2] = model_of(vcpu)->midr;
    cpu->sys[VMPIDR_EL2] = arm64_mpidr(vcpu);
    cpu->sys[PMCR_EL0] = PMCR_LC;
    cpu->sys[MDCR_EL2] = model_of(vcpu)->pmu_counters; /* HPMN */
    vcpu->ops->tlb_flush(vcpu, MMU_MASK_ALL, PB_SCOPE_LOCAL);
    arm64_update_space(vcpu);
}

void arm64_reset(void *self)
{
    arm64_cpu *cpu = self;
    pb_vcpu *vcpu = pb_vcpu_of_state(cpu);

    arm64_reset_state(vcpu);
    cpu->power = cpu->start_powered_off ? POWER_OFF : POWER_ON;
    vcpu->ops->set_powered(vcpu, !cpu->start_powered_off);
    arm64_timers_update(vcpu);
    pb_line_set(cpu->pmu_line, false);
}

bool arm64_loaded(void *self, pb_error *error)
{
    arm64_cpu *cpu = self;
    pb_vcpu *vcpu = pb_vcpu_of_state(cpu);

    if (cpu->power > POWER_ON_PENDING || PSTATE_GET_EL(cpu->pstate) > arm64_highest_el(cpu))
        return pb_fail(error, "impossible processor state: pstate 0x%x, power %u", cpu->pstate,
                       cpu->power);
    arm64_set_fpcr(vcpu, cpu->fpcr);
    vcpu->ops->tlb_flush(vcpu, MMU_MASK_ALL, PB_SCOPE_LOCAL);
    arm64_update_space(vcpu);
    return true;
}

/* What firmware at a higher level leaves behind: Linux, Documentation/arm64/booting.rst, "Call
 * the kernel image". */
void arm64_enter_el(pb_vcpu *vcpu, uint32_t el, uint64_t pc)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    arm64_reset_state(vcpu);
    cpu->pstate = PSTATE_EL(el) | PSTATE_SP | PSTATE_DAIF;
    cpu->pc = pc;
    if (el < 3)
        cpu->sys[SCR_EL3] = SCR_NS | SCR_RW | SCR_HCE | 0x30;
}

void arm64_boot(pb_vcpu *vcpu, uint64_t pc, const uint64_t arguments[4])
{
    arm64_cpu *cpu = cpu_of(vcpu);

    arm64_enter_el(vcpu, cpu->has_el2 ? 2 : 1, pc);
    memcpy(cpu->x, arguments, 4 * sizeof(uint64_t));
}
