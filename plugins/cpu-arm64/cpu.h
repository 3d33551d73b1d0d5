/*
 * Guest state of one Arm processor in AArch64 state, and what the files of this plugin share.
 *
 * Manual: Arm Architecture Reference Manual for A-profile architecture, DDI 0487. Sections are
 * cited by title, since their numbers move between issues.
 *
 * Exception levels 0 to 3, all of them AArch64. EL2 without the Virtualization Host Extensions.
 */
#ifndef CPU_ARM64_CPU_H
#define CPU_ARM64_CPU_H

#include <patchbay/arm/gic.h>
#include <patchbay/accel.h>
#include <patchbay/semihosting.h>
#include <patchbay/user.h>

/* ---- PSTATE, at the places of SPSR_ELx (C5.2 "SPSR_EL1") ------------------------------------- */

/* The pstate slot holds everything but NZCV, which is a slot of its own. */
#define PSTATE_SP        (1u << 0) /* PSTATE.SP: 1 selects SP_ELx */
#define PSTATE_EL(el)    ((uint32_t)(el) << 2)
#define PSTATE_GET_EL(p) (((p) >> 2) & 3u)
#define PSTATE_NRW       (1u << 4)
#define PSTATE_F         (1u << 6)
#define PSTATE_I         (1u << 7)
#define PSTATE_A         (1u << 8)
#define PSTATE_D         (1u << 9)
#define PSTATE_DAIF      (PSTATE_D | PSTATE_A | PSTATE_I | PSTATE_F)
#define PSTATE_IL        (1u << 20)
#define PSTATE_SS        (1u << 21)
#define PSTATE_PAN       (1u << 22)
#define PSTATE_UAO       (1u << 23)
#define SPSR_NZCV        0xf0000000u

/* ---- MMU indexes ----------------------------------------------------------------------------- */

/* One a translation regime and privilege. Secure and Non-secure EL1&0 share theirs, which are
 * flushed when SCR_EL3.NS changes. */
typedef enum arm64_mmu {
    MMU_E10_0 = 0, /* EL1&0 regime, unprivileged: EL0, and LDTR/STTR at EL1 */
    MMU_E10_1,     /* EL1&0 regime, privileged; instruction fetch at EL1 */
    MMU_E10_1_PAN, /* the same with PSTATE.PAN: no data access to what EL0 can access */
    MMU_E2,        /* EL2 regime */
    MMU_E3,        /* EL3 regime */
    MMU_COUNT
} arm64_mmu;

#define MMU_MASK_E10 (1u << MMU_E10_0 | 1u << MMU_E10_1 | 1u << MMU_E10_1_PAN)
#define MMU_MASK_E2  (1u << MMU_E2)
#define MMU_MASK_E3  (1u << MMU_E3)
#define MMU_MASK_ALL (MMU_MASK_E10 | MMU_MASK_E2 | MMU_MASK_E3)

/* ---- features that models have or not -------------------------------------------------------- */

/* Optional features (A2) that are modelled; a model has or has not each of them. */
typedef enum arm64_feature {
    FEAT_BASE = 0, /* Armv8.0 */
    FEAT_AES,
    FEAT_PMULL,
    FEAT_SHA1,
    FEAT_SHA256,
    FEAT_CRC32,
    FEAT_LSE,
    FEAT_LRCPC,
    FEAT_PAN,
    FEAT_PAN2,
    FEAT_UAO,
    FEAT_DPB,
    FEAT_HAFDBS,
    FEAT_HPDS,
    FEAT_RDM,
    FEAT_LOR,
    FEAT_IDST,
    FEAT_COUNT
} arm64_feature;

/* ---- system registers with storage ----------------------------------------------------------- */

/* One enumerator a stored row of sysregs.def, in its order: index in arm64_cpu.sys. */
#define STORED(name_, ...) name_,
#define COMPUTED(name_, ...)
typedef enum arm64_sys {
#include "sysregs.def"
    SYS_COUNT
} arm64_sys;
#undef STORED
#undef COMPUTED

/* ---- slots ----------------------------------------------------------------------------------- */

enum {
    SLOT_X0 = 0,
    SLOT_SP = 31, /* the current stack pointer; SP_ELx hold the others */
    SLOT_PC,
    SLOT_NZCV,
    SLOT_PSTATE,
    SLOT_FPCR,
    SLOT_QC, /* FPSR.QC; the other sticky flags are in vcpu->fp[0].flags */
    SLOT_STEPPED,
    SLOT_V0,
    SLOT_SYS0 = SLOT_V0 + 32,
    SLOT_COUNT = SLOT_SYS0 + SYS_COUNT
};

/* ---- models ---------------------------------------------------------------------------------- */

/* One cache of CCSIDR_EL1: level from 0, as CSSELR_EL1 selects it. */
typedef struct arm64_cache {
    uint32_t bytes, ways;
    bool present;
} arm64_cache;

/* Identification of a processor. What follows from the instance (has-el2, pmu, a GIC with system
 * registers) is added when the register is read. */
typedef struct arm64_model {
    uint64_t features; /* bit per arm64_feature */
    uint64_t midr, revidr, ctr, clidr, dczid;
    uint64_t aa64isar0, aa64isar1, aa64mmfr0, aa64mmfr1, aa64mmfr2;
    uint64_t pmceid0;
    uint8_t pmu_idcode; /* PMCR_EL0.IDCODE */
    uint8_t breakpoints, watchpoints, context_breakpoints;
    uint8_t pmu_counters;
    bool cortex_a5x; /* has the implementation defined registers of the Cortex-A5x and A72 */
    arm64_cache cache[3][2]; /* by level; [0] data or unified, [1] instruction */
} arm64_model;

typedef struct arm64_type {
    pb_cpu_type head;
    const arm64_model *model;
} arm64_type;

/* ---- the instance ---------------------------------------------------------------------------- */

/* Generic timers of one processor (D12). */
typedef enum arm64_timer {
    TIMER_PHYS = 0,
    TIMER_VIRT,
    TIMER_HYP,
    TIMER_SEC,
    TIMER_COUNT
} arm64_timer;

/* Interrupt inputs, bits of arm64_cpu.lines. */
enum { LINE_IRQ = 1, LINE_FIQ = 2, LINE_VIRQ = 4, LINE_VFIQ = 8 };

/* What a software step exception tells of the instruction before it: bits of ISS. */
typedef enum arm64_stepped {
    STEPPED_NONE = 0, /* no instruction was stepped */
    STEPPED_OTHER = 1 << 24,
    STEPPED_EXCLUSIVE = 1 << 24 | 1 << 6, /* a load-exclusive */
} arm64_stepped;

typedef enum arm64_power { POWER_OFF = 0, POWER_ON, POWER_ON_PENDING } arm64_power;

enum { PSCI_NONE = 0, PSCI_HVC, PSCI_SMC };

#define PMU_COUNTERS 6

typedef struct arm64_cpu {
    /* Slots. */
    uint64_t x[31], sp, pc;
    uint32_t nzcv; /* packed IR_FL */
    uint32_t pstate;
    uint32_t fpcr, qc;
    uint32_t stepped; /* arm64_stepped */
    pb_u128 v[32];
    uint64_t sys[SYS_COUNT];

    /* Other state. */
    uint32_t lines;                /* LINE_*: levels of the inputs; atomic */
    uint32_t event;                /* the event register of WFE; atomic */
    uint32_t power;                /* arm64_power; atomic */
    uint64_t on_entry, on_context; /* of the CPU_ON that is pending */
    /* What each counter's source read when its value was last brought up to date. */
    uint64_t pmu_base[PMU_COUNTERS + 1];

    /* Properties. */
    uint64_t mpidr; /* MPIDR_UNSET: made from the index */
    uint64_t reset_pc;
    uint64_t cntfrq_hz;
    uint32_t cluster_size; /* processors that differ in Aff0; 0: 8, or 16 with a GICv3 */
    uint8_t psci;          /* PSCI_* */
    bool has_el2, has_el3, start_powered_off, has_pmu;

    /* Ports and services. */
    pb_line *timer_line[TIMER_COUNT];
    pb_line *pmu_line;
    const pb_link *gic;
    pb_timer *timer[TIMER_COUNT];
    const pb_fp_ops *fp;
    const pb_semihosting_ops *semihosting; /* null: HLT is undefined */
    const pb_user_ops *user; /* who stands in for the kernel; null: this is a machine's */

    /* Transient. */
    uint32_t tlb_sync_needed; /* a broadcast TLBI was issued since the last DSB */
    uint32_t tagged;          /* a translation for an address with a tag byte was made; atomic */
} arm64_cpu;

#define MPIDR_UNSET UINT64_MAX

static inline arm64_cpu *cpu_of(pb_vcpu *vcpu)
{
    return pb_vcpu_state(vcpu);
}
static inline const arm64_cpu *cpu_of_const(const pb_vcpu *vcpu)
{
    return (const arm64_cpu *)((const char *)vcpu + PB_VCPU_STATE_OFFSET);
}
static inline const arm64_model *model_of(const pb_vcpu *vcpu)
{
    return ((const arm64_type *)vcpu->type)->model;
}
static inline bool has_feature(const pb_vcpu *vcpu, arm64_feature feature)
{
    return (model_of(vcpu)->features >> feature) & 1;
}
static inline uint32_t current_el(const arm64_cpu *cpu)
{
    return PSTATE_GET_EL(cpu->pstate);
}

/* Whether EL2 can be used in the current security state: there is none in Secure state. */
bool arm64_el2_enabled(const arm64_cpu *cpu);
/* Security state of an exception level: SCR_EL3.NS, or Secure at EL3. Without EL3: Non-secure. */
bool arm64_is_secure(const arm64_cpu *cpu, uint32_t el);
/* SCTLR_ELx of the regime that an exception level uses. */
uint64_t arm64_sctlr(const arm64_cpu *cpu, uint32_t el);
/* Value of MPIDR_EL1. */
uint64_t arm64_mpidr(const pb_vcpu *vcpu);
/* The highest exception level that there is. */
uint32_t arm64_highest_el(const arm64_cpu *cpu);

/* ---- state.c --------------------------------------------------------------------------------- */

extern const pb_slot arm64_slots[];
extern const pb_prop arm64_props[];
extern const pb_port arm64_ports[];
extern const pb_state arm64_state[];
extern const arm64_model arm64_cortex_a53, arm64_cortex_a57, arm64_cortex_a72, arm64_max;

bool arm64_init(void *self, pb_error *error);
void arm64_reset(void *self);
bool arm64_loaded(void *self, pb_error *error);
/* Processor state after a reset of this processor alone (D1 "Reset"), at the highest exception
 * level. */
void arm64_reset_state(pb_vcpu *vcpu);
/* Put it into the state in which an operating system is entered at an exception level, as if
 * firmware had set up the higher ones: MMU off, interrupts masked. */
void arm64_enter_el(pb_vcpu *vcpu, uint32_t el, uint64_t pc);
void arm64_boot(pb_vcpu *vcpu, uint64_t pc, const uint64_t arguments[4]);
/* gdb.c */
extern const pb_gdb_target arm64_gdb;

/* NZCV as in SPSR bits 31:28. */
uint32_t arm64_nzcv(const arm64_cpu *cpu);
void arm64_set_nzcv(arm64_cpu *cpu, uint32_t nzcv);
/* SPSR's view of the processor's state. */
uint32_t arm64_spsr(const arm64_cpu *cpu);
/* Replace PSTATE, with the stack pointer that belongs to it. */
void arm64_set_pstate(arm64_cpu *cpu, uint32_t pstate);
/* FPCR's modes go into vcpu->fp[0]. */
void arm64_set_fpcr(pb_vcpu *vcpu, uint32_t value);
uint32_t arm64_fpsr(const pb_vcpu *vcpu);
void arm64_set_fpsr(pb_vcpu *vcpu, uint32_t value);

/* ---- sysregs.c ------------------------------------------------------------------------------- */

typedef struct arm64_sysreg arm64_sysreg;

/* Why an access may be refused although the exception level is high enough: bits of
 * arm64_sysreg.check. */
typedef enum arm64_check {
    CHECK_UCT = 1 << 0,    /* EL0: SCTLR_EL1.UCT */
    CHECK_UCI = 1 << 1,    /* EL0: SCTLR_EL1.UCI */
    CHECK_DZE = 1 << 2,    /* EL0: SCTLR_EL1.DZE; EL1: HCR_EL2.TDZ */
    CHECK_UMA = 1 << 3,    /* EL0: SCTLR_EL1.UMA */
    CHECK_PTEN = 1 << 4,   /* EL0: CNTKCTL_EL1.EL0PTEN; EL1: CNTHCTL_EL2.EL1PCEN */
    CHECK_VTEN = 1 << 5,   /* EL0: CNTKCTL_EL1.EL0VTEN */
    CHECK_PCTEN = 1 << 6,  /* EL0: CNTKCTL_EL1.EL0PCTEN; EL1: CNTHCTL_EL2.EL1PCTEN */
    CHECK_VCTEN = 1 << 7,  /* EL0: CNTKCTL_EL1.EL0VCTEN */
    CHECK_CNTFRQ = 1 << 8, /* EL0: either of EL0PCTEN, EL0VCTEN */
    CHECK_PMU = 1 << 9,    /* EL0: PMUSERENR_EL0; MDCR_EL2.TPM, TPMCR, MDCR_EL3.TPM */
    CHECK_FP = 1 << 10,    /* CPACR_EL1, CPTR_EL2, CPTR_EL3 */
    CHECK_TVM = 1 << 11,   /* HCR_EL2.TVM for writes, TRVM for reads */
    CHECK_TID1 = 1 << 12,
    CHECK_TID2 = 1 << 13,
    CHECK_TID3 = 1 << 14,
    CHECK_TACR = 1 << 15,
    CHECK_TTLB = 1 << 16,
    CHECK_TPC = 1 << 17,
    CHECK_TPU = 1 << 18,
    CHECK_TSW = 1 << 19,
    CHECK_TDRA = 1 << 20, /* MDCR_EL2.TDRA, MDCR_EL3.TDA */
    CHECK_TIDCP = 1 << 21,
    CHECK_TDA = 1 << 22, /* MDCR_EL2.TDA, MDCR_EL3.TDA */
    CHECK_TDOSA = 1 << 23,
    CHECK_GIC = 1 << 24, /* ICC_SRE_ELx, ICH_HCR_EL2 are the controller's; SCR_EL3.FIQ, IRQ here */
    CHECK_CPACR = 1 << 25,      /* CPTR_EL2.TCPAC, CPTR_EL3.TCPAC */
    CHECK_SEL1_TIMER = 1 << 26, /* CNTPS_*: EL3, or Secure EL1 if SCR_EL3.ST */
    CHECK_SPSEL = 1 << 27,      /* SP_EL0 while it is the stack pointer */
    CHECK_TLOR = 1 << 28,       /* HCR_EL2.TLOR, SCR_EL3.TLOR */
    CHECK_NONSECURE = 1 << 29,  /* UNDEFINED in Secure state: SCR_EL3.NS is 0 */
    CHECK_TDCC = 1 << 30,       /* EL0: MDSCR_EL1.TDCC */
} arm64_check;

typedef enum arm64_row_flags {
    ROW_ENDS_UNIT = 1,  /* what follows may have another unit key */
    ROW_UNMODELLED = 2, /* storage without effect, or reads as zero */
    ROW_A5X = 4,        /* implementation defined, of the Cortex models only */
    ROW_NEEDS_EL2 = 16, /* there with EL2 only (or RES0 from EL3) */
    ROW_NEEDS_EL3 = 32,
    ROW_NEEDS_PMU = 64,
    ROW_NEEDS_GIC = 128,
    ROW_BREAKPOINT = 256, /* there if the model has that many, by number in .index */
    ROW_WATCHPOINT = 512,
    ROW_PMU_COUNTER = 1024,
    ROW_HIGHEST = 2048, /* there if the level of its name is the highest */
} arm64_row_flags;

#define EL_NEVER 4

/* One system register or system instruction. */
struct arm64_sysreg {
    const char *name;
    uint32_t encoding;         /* PB_ARM_SYSREG() */
    uint8_t read_el, write_el; /* lowest exception level that may; EL_NEVER */
    uint16_t flags;            /* arm64_row_flags */
    uint32_t check;            /* arm64_check */
    int16_t store;             /* arm64_sys, -1: none */
    uint8_t feature;           /* arm64_feature that it comes with, FEAT_BASE: always */
    uint16_t index;            /* for hooks: which timer, counter ... */
    uint64_t reset;
    uint64_t write_mask; /* bits that writes change; 0: all */
    uint64_t res1;       /* bits that are one whatever is written */
    /* What a read gives, and what a write does; the value was masked but not stored if there is
     * a hook. [vcpu] */
    uint64_t (*read)(pb_vcpu *vcpu, const arm64_sysreg *row);
    void (*write)(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
    const char *doc;
};

extern const arm64_sysreg arm64_sysregs[];
extern const uint32_t arm64_sysreg_count;

/* The row of an encoding, if this processor has it; null: UNDEFINED. */
const arm64_sysreg *arm64_sysreg_find(const pb_vcpu *vcpu, uint32_t encoding);
/* Rows by number, as helpers take them. */
uint32_t arm64_sysreg_index(const arm64_sysreg *row);
const arm64_sysreg *arm64_sysreg_at(uint32_t index);

/* The exception level that floating-point instructions of the current level are trapped to, 0 if
 * they are not, and the exception's class (D1 "Traps to EL1 of EL0 and EL1 accesses to SIMD and
 * floating-point"). */
uint32_t arm64_fp_trap(const arm64_cpu *cpu, uint32_t *ec);

/* Whether an access is allowed at an exception level. If not, *target is the level that the
 * exception is taken to and *ec its class (EC_UNKNOWN, EC_SYSREG, EC_FP). */
bool arm64_sysreg_allowed(const pb_vcpu *vcpu, const arm64_sysreg *row, bool write,
                          uint32_t *target, uint32_t *ec);
/* Whether a refused read is reported as such, though the register is UNDEFINED: FEAT_IDST, of the feature identification
 * space. */
bool arm64_sysreg_id_trap(const pb_vcpu *vcpu, uint32_t encoding);
/* ESR_ELx.ISS of a trapped MSR, MRS or system instruction. */
uint32_t arm64_sysreg_iss(uint32_t encoding, uint32_t rt, bool read);
/* Access without the check. */
uint64_t arm64_sysreg_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_sysreg_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
/* Reset values of all stored rows. */
void arm64_sysregs_reset(pb_vcpu *vcpu);
/* Whether some control bit of EL2 or EL3 may refuse accesses of the current level, so that none
 * may be made without the check. */
bool arm64_sysreg_traps(const arm64_cpu *cpu);

/* Hooks in files of their own, named in sysregs.def. */
uint64_t arm64_timer_count_read(pb_vcpu *vcpu, const arm64_sysreg *row);
uint64_t arm64_timer_ctl_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_timer_ctl_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
uint64_t arm64_timer_tval_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_timer_tval_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_timer_cval_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_timer_cntvoff_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_timer_expired_phys(void *self);
void arm64_timer_expired_virt(void *self);
void arm64_timer_expired_hyp(void *self);
void arm64_timer_expired_sec(void *self);
/* Recompute all outputs and deadlines. [device] */
void arm64_timers_update(pb_vcpu *vcpu);
/* Counter value at a machine time, and the time at which the counter reaches a value. */
uint64_t arm64_timer_ticks(const arm64_cpu *cpu, uint64_t ns);

uint64_t arm64_pmu_pmcr_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_pmu_pmcr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_pmu_set_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_pmu_clear_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
uint64_t arm64_pmu_clear_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_pmu_swinc_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
uint64_t arm64_pmu_ceid_read(pb_vcpu *vcpu, const arm64_sysreg *row);
uint64_t arm64_pmu_counter_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_pmu_counter_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
uint64_t arm64_pmu_selected_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_pmu_selected_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_pmu_typer_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
uint64_t arm64_pmu_xevtyper_read(pb_vcpu *vcpu, const arm64_sysreg *row);
void arm64_pmu_xevtyper_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_pmu_ovs_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);

void arm64_tlbi_all(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_tlbi_va(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_ic_all(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_ic_ivau(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_dc_va(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_dc_zva(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_dc_set_way(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_at(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);

/* .index of TLBI rows: what is flushed, and whether everywhere. */
enum {
    TLBI_E1 = 0,
    TLBI_E2 = 1,
    TLBI_E3 = 2,
    TLBI_REGIME = 3,
    TLBI_IS = 4,
    /* pb_tlb_whose << 3; otherwise all of the regime */
    TLBI_WHOSE = 3,
    TLBI_VM = PB_TLB_GUEST << TLBI_WHOSE,
    TLBI_ASID = PB_TLB_SPACE << TLBI_WHOSE,
    TLBI_ASID_AND_GLOBAL = PB_TLB_SPACE_AND_GLOBAL << TLBI_WHOSE,
};
/* .index of AT rows. */
enum {
    AT_S1E1 = 0,
    AT_S1E0,
    AT_S1E2,
    AT_S1E3,
    AT_S12E1,
    AT_S12E0,
    AT_S1E1P,
    AT_STAGE = 7,
    AT_WRITE = 8
};
/* .index of DC rows by address. */
enum { DC_CLEAN = 0, DC_INVALIDATE = 1 };

/* ---- instruction marks: pb_guest_fault.aux -------------------------------------------------- */

#define AUX_ISS    0x01ffc000u /* ESR_ELx.ISS[24:14] of a stage 2 data abort */
#define AUX_ATOMIC (1u << 31)  /* reads and writes memory as one access */

/* ---- mmu.c ----------------------------------------------------------------------------------- */

/* pb_guest_fault.info[0] as the walk writes it. */
#define FAULT_FSC(info)   ((uint32_t)(info)&63u) /* fault status code, DFSC/IFSC */
#define FAULT_STAGE2      (1u << 8)
#define FAULT_S1PTW       (1u << 9) /* stage 2 fault of a stage 1 walk */
#define FAULT_NS          (1u << 10)
#define FAULT_CACHE_MAINT (1u << 11) /* by a cache maintenance or address translation instruction */
/* info[1] holds the intermediate physical address of a stage 2 fault. */

/* Fault status codes (D17 "ESR_EL1", DFSC). */
enum {
    FSC_ADDRESS_SIZE = 0x00,
    FSC_TRANSLATION = 0x04,
    FSC_ACCESS_FLAG = 0x08,
    FSC_PERMISSION = 0x0c, /* + level */
    FSC_EXTERNAL = 0x10,
    FSC_EXTERNAL_WALK = 0x14, /* + level */
    FSC_ALIGNMENT = 0x21,
    FSC_DEBUG = 0x22,
    FSC_TLB_CONFLICT = 0x30,
    FSC_EXCLUSIVE = 0x35,
};

bool arm64_walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                pb_guest_fault *fault);
/* Translate by stage 1 alone (AT S1E*): the same, without stage 2 on the result. */
bool arm64_walk_stage1(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                       pb_guest_fault *fault);
/* Exception level at whose privilege an MMU index's accesses are made, and whose regime controls
 * them. */
uint32_t arm64_mmu_regime_el(uint32_t mmu);
/* MMU index of data accesses in the current state. */
uint32_t arm64_mmu_data(const arm64_cpu *cpu);
/* The ASID in bits 63:48 of TTBRn_EL1 or of a TLBI's operand; the VMID in force. */
uint32_t arm64_asid_of(const arm64_cpu *cpu, uint64_t value);
uint32_t arm64_vmid(const arm64_cpu *cpu);
/* Tell the core the address space of EL1&0, after a change of what it follows from. */
void arm64_update_space(pb_vcpu *vcpu);
/* Index of instruction fetches. */
uint32_t arm64_mmu_fetch(const arm64_cpu *cpu);
/* TBI bits that apply to an exception level: bit 0 for addresses with bit 55 clear, bit 1 for
 * set. */
uint32_t arm64_tbi(const arm64_cpu *cpu, uint32_t el);

/* ---- exception.c ----------------------------------------------------------------------------- */

/* Exception classes, ESR_ELx.EC. */
enum {
    EC_UNKNOWN = 0x00,
    EC_WFX = 0x01,
    EC_FP = 0x07,
    EC_ILLEGAL_STATE = 0x0e,
    EC_SVC = 0x15,
    EC_HVC = 0x16,
    EC_SMC = 0x17,
    EC_SYSREG = 0x18,
    EC_IABT_LOWER = 0x20,
    EC_IABT_SAME = 0x21,
    EC_PC_ALIGN = 0x22,
    EC_DABT_LOWER = 0x24,
    EC_DABT_SAME = 0x25,
    EC_SP_ALIGN = 0x26,
    EC_SERROR = 0x2f,
    EC_BREAKPOINT_LOWER = 0x30,
    EC_BREAKPOINT_SAME = 0x31,
    EC_STEP_LOWER = 0x32,
    EC_STEP_SAME = 0x33,
    EC_WATCHPOINT_LOWER = 0x34,
    EC_WATCHPOINT_SAME = 0x35,
    EC_BRK = 0x3c,
};
#define ESR_EC(ec) ((uint64_t)(ec) << 26)
#define ESR_IL     (UINT64_C(1) << 25)

/* Offsets in the vector table (D1 "Exception vectors"). */
enum { VECTOR_SYNC = 0x000, VECTOR_IRQ = 0x080, VECTOR_FIQ = 0x100, VECTOR_SERROR = 0x180 };

/* Take an exception to an exception level: SPSR, ELR, PSTATE, pc. `esr` is stored unless the
 * vector is that of an interrupt. Sets unwind. [vcpu] */
void arm64_take(pb_vcpu *vcpu, uint32_t target_el, uint32_t vector, uint64_t esr,
                uint64_t return_pc);
/* A synchronous exception of the instruction at pc that goes to EL1 unless a higher level asks
 * for all. */
void arm64_take_sync(pb_vcpu *vcpu, uint32_t ec, uint32_t iss, uint64_t return_pc);
void arm64_take_undefined(pb_vcpu *vcpu);
/* The same with an address in FAR_ELx. */
void arm64_take_address(pb_vcpu *vcpu, uint32_t ec, uint64_t far);
/* A branch target with its top byte replaced by the sign where TBI applies (AArch64.BranchAddr); tbi as of arm64_tbi(). */
uint64_t arm64_without_tag(uint32_t tbi, uint32_t el, uint64_t address);
/* WFI, WFE: true if the wait was trapped. */
bool arm64_wait_trapped(pb_vcpu *vcpu, bool wfe);
/* Lowest level that takes synchronous exceptions of the current one. */
uint32_t arm64_sync_target(const arm64_cpu *cpu);
void arm64_raise(pb_vcpu *vcpu, const pb_guest_fault *fault);
bool arm64_interrupt(pb_vcpu *vcpu);
bool arm64_has_work(pb_vcpu *vcpu);
/* Whether interrupt() would take one now. */
bool arm64_interrupt_waits(const pb_vcpu *vcpu);
/* Leave the unit at next_pc if an interrupt that was masked can now be taken. */
void arm64_check_interrupts(pb_vcpu *vcpu, uint64_t next_pc);
void arm64_eret(pb_vcpu *vcpu);
void arm64_svc(pb_vcpu *vcpu, uint32_t imm);
void arm64_hvc(pb_vcpu *vcpu, uint32_t imm);
void arm64_smc(pb_vcpu *vcpu, uint32_t imm);
/* Go on at an address instead of finishing the unit. */
void arm64_unwind(pb_vcpu *vcpu, uint64_t pc);

/* ---- debug.c --------------------------------------------------------------------------------- */

/* Level that takes debug exceptions of the current one. */
uint32_t arm64_debug_target(const arm64_cpu *cpu);
void arm64_take_brk(pb_vcpu *vcpu, uint32_t imm);
void arm64_take_step(pb_vcpu *vcpu);
/* Whether debug exceptions other than BRK can be taken at a level, by the debug controls and PSTATE.D (D2 "Routing
 * debug exceptions", "Enabling debug exceptions"). */
bool arm64_debug_enabled(const arm64_cpu *cpu, uint32_t el);
/* Whether software step is active or active-pending at a level. */
bool arm64_step_enabled(const arm64_cpu *cpu, uint32_t el);
/* Whether some breakpoint may match at the current level. */
bool arm64_breakpoints_enabled(const pb_vcpu *vcpu);
/* Take the exception of a breakpoint that matches the instruction at pc, if there is one. */
void arm64_check_breakpoints(pb_vcpu *vcpu);
/* Whether there are watchpoints in the page of an address, enabled or not at the current level. */
bool arm64_page_watched(const pb_vcpu *vcpu, uint64_t gva);
/* Whether an access is watched. Fills address (the first byte that is) and type of the fault: of an access that reads
 * and writes, whether its read is watched. */
bool arm64_access_watched(const pb_vcpu *vcpu, const pb_walk_request *request,
                          pb_guest_fault *fault);
void arm64_watchpoint_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);
void arm64_mdscr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value);

/* ---- psci.c ---------------------------------------------------------------------------------- */

/* A call through the conduit; pc is at the HVC or SMC. Writes x0 and goes on behind it. */
void arm64_psci_call(pb_vcpu *vcpu);

/* ---- user.c ---------------------------------------------------------------------------------- */

extern const pb_user_arch arm64_user;
/* Names of Linux's system calls by number. */
#define ARM64_SYSCALLS 451
extern const char *const arm64_syscalls[ARM64_SYSCALLS];
/* In user mode: what arm64_walk() and arm64_take() do elsewhere. */
bool arm64_user_walk(pb_vcpu *vcpu, const pb_walk_request *request, pb_translation *out,
                     pb_guest_fault *fault);
void arm64_user_take(pb_vcpu *vcpu, uint64_t esr, uint64_t return_pc);

/* ---- translate.c ----------------------------------------------------------------------------- */

extern const pb_translator arm64_translator;

#endif
