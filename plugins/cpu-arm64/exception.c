/*
 * Exceptions: entry, return, routing, and interrupts.
 *
 * Manual: DDI 0487, D1 "The AArch64 System Level Programmers' Model": D1.3 "Exceptions"; the
 * functions AArch64.TakeException, AArch64.ExceptionReturn of J1. Syndromes: D17 "ESR_EL1".
 *
 * Left out: physical SErrors (no bus reports late errors); AArch32 as a source or target.
 */
#include "cpu.h"
#include "sysregs.h"

static const uint16_t spsr_of[4] = { SPSR_EL1, SPSR_EL1, SPSR_EL2, SPSR_EL3 };
static const uint16_t elr_of[4] = { ELR_EL1, ELR_EL1, ELR_EL2, ELR_EL3 };
static const uint16_t esr_of[4] = { ESR_EL1, ESR_EL1, ESR_EL2, ESR_EL3 };
static const uint16_t far_of[4] = { FAR_EL1, FAR_EL1, FAR_EL2, FAR_EL3 };
static const uint16_t vbar_of[4] = { VBAR_EL1, VBAR_EL1, VBAR_EL2, VBAR_EL3 };

void arm64_unwind(pb_vcpu *vcpu, uint64_t pc)
{
    cpu_of(vcpu)->pc = pc;
    vcpu->unwind = 1;
}

/* HCR_EL2 as it acts on the current state: 0 where there is no EL2. */
static uint64_t effective_hcr(const arm64_cpu *cpu)
{
    return arm64_el2_enabled(cpu) ? __atomic_load_n(&cpu->sys[HCR_EL2], __ATOMIC_RELAXED) : 0;
}

/* ---- entry ----------------------------------------------------------------------------------- */

void arm64_take(pb_vcpu *vcpu, uint32_t target_el, uint32_t vector, uint64_t esr,
                uint64_t return_pc)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t el = current_el(cpu), old = cpu->pstate;
    uint32_t pstate = PSTATE_EL(target_el) | PSTATE_SP | PSTATE_DAIF;
    uint64_t offset = target_el > el ? 0x400 : old & PSTATE_SP ? 0x200 : 0;

    if (cpu->user) {
        arm64_user_take(vcpu, esr, return_pc);
        return;
    }
    pb_trace(vcpu->object, "arm64.exception",
             "cpu %u EL%u to EL%u vector 0x%x esr 0x%llx pc 0x%llx far 0x%llx", vcpu->index, el,
             target_el, (uint32_t)offset + vector, (unsigned long long)esr,
             (unsigned long long)return_pc, (unsigned long long)cpu->sys[far_of[target_el]]);

    if (has_feature(vcpu, FEAT_PAN)) {
        pstate |= old & PSTATE_PAN;
        if (target_el == 1 && !(cpu->sys[SCTLR_EL1] & SCTLR_SPAN))
            pstate |= PSTATE_PAN;
    }
    cpu->sys[spsr_of[target_el]] = arm64_spsr(cpu);
    cpu->sys[elr_of[target_el]] = return_pc;
    if (vector == VECTOR_SYNC || vector == VECTOR_SERROR)
        cpu->sys[esr_of[target_el]] = esr;
    arm64_set_pstate(cpu, pstate);
    cpu->stepped = STEPPED_NONE;
    arm64_unwind(vcpu, cpu->sys[vbar_of[target_el]] + offset + vector);
}

uint32_t arm64_sync_target(const arm64_cpu *cpu)
{
    uint32_t el = current_el(cpu);

    if (el == 0)
        return effective_hcr(cpu) & HCR_TGE ? 2 : 1;
    return el;
}

void arm64_take_sync(pb_vcpu *vcpu, uint32_t ec, uint32_t iss, uint64_t return_pc)
{
    arm64_take(vcpu, arm64_sync_target(cpu_of(vcpu)), VECTOR_SYNC, ESR_EC(ec) | ESR_IL | iss,
               return_pc);
}

void arm64_take_undefined(pb_vcpu *vcpu)
{
    arm64_take_sync(vcpu, EC_UNKNOWN, 0, cpu_of(vcpu)->pc);
}

void arm64_take_address(pb_vcpu *vcpu, uint32_t ec, uint64_t far)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    cpu->sys[far_of[arm64_sync_target(cpu)]] = far;
    arm64_take_sync(vcpu, ec, 0, cpu->pc);
}

/* ---- aborts ---------------------------------------------------------------------------------- */

static uint32_t fault_status(const pb_guest_fault *fault)
{
    switch (fault->kind) {
    case PB_FAULT_ALIGNMENT:
        return FSC_ALIGNMENT;
    case PB_FAULT_BUS:
        return FSC_EXTERNAL;
    case PB_FAULT_EXCLUSIVE:
        return FSC_EXCLUSIVE;
    default:
        return FAULT_FSC(fault->info[0]);
    }
}

/* Level that takes an abort: EL2 for stage 2; external aborts go to EL3 if SCR_EL3.EA says so. */
static uint32_t abort_target(const arm64_cpu *cpu, const pb_guest_fault *fault, bool stage2)
{
    uint32_t fsc = fault_status(fault);
    bool external = fsc == FSC_EXTERNAL || (fsc & 0x3c) == FSC_EXTERNAL_WALK;

    if (external && cpu->has_el3 && (cpu->sys[SCR_EL3] & SCR_EA))
        return 3;
    return stage2 ? 2 : arm64_sync_target(cpu);
}

/* Whether a fault of an access that reads and writes would be one of a read alone: then WnR is 0. */
static bool is_read_fault(pb_vcpu *vcpu, const pb_guest_fault *fault)
{
    pb_walk_request request = { .gva = fault->gva,
                                .type = PB_ACCESS_READ,
                                .mmu = PB_MEM_GET_MMU(fault->attr) };
    pb_guest_fault ignored = { 0 };
    pb_translation t;

    if (!(fault->aux & AUX_ATOMIC))
        return false;
    return fault->kind != PB_FAULT_WALK ||
           vcpu->ops->translate(vcpu, &request, &t, &ignored) != PB_MEM_OK;
}

void arm64_raise(pb_vcpu *vcpu, const pb_guest_fault *fault)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t info = fault->kind == PB_FAULT_WALK ? (uint32_t)fault->info[0] : 0;
    bool stage2 = (info & FAULT_STAGE2) != 0, fetch = fault->type == PB_ACCESS_FETCH;
    bool debug = FAULT_FSC(info) == FSC_DEBUG;
    uint32_t target = debug ? arm64_debug_target(cpu) : abort_target(cpu, fault, stage2);
    uint32_t iss = fault_status(fault), ec;

    if (fault->kind == PB_FAULT_DEBUG) {
        vcpu->leave_reason = PB_RUN_DEBUG;
        vcpu->unwind = 1;
        return;
    }
    if (fetch)
        ec = EC_IABT_LOWER;
    else
        ec = debug ? EC_WATCHPOINT_LOWER : EC_DABT_LOWER;
    if (target == current_el(cpu))
        ec++; /* the classes from the same level follow those from a lower one */
    if (info & FAULT_S1PTW)
        iss |= 1u << 7;
    if (info & FAULT_CACHE_MAINT)
        iss |= 1u << 8 | 1u << 6; /* CM; WnR is 1 with it */
    else if (fault->type == PB_ACCESS_WRITE && !is_read_fault(vcpu, fault))
        iss |= 1u << 6;
    /* ISV and the register transfer's description: only of stage 2 aborts of the access itself. */
    if (!fetch && stage2 && !(info & (FAULT_S1PTW | FAULT_CACHE_MAINT)))
        iss |= fault->aux & AUX_ISS;
    cpu->sys[far_of[target]] = fault->gva;
    if (stage2)
        cpu->sys[HPFAR_EL2] = (fault->info[1] >> 12) << 4;
    arm64_take(vcpu, target, VECTOR_SYNC, ESR_EC(ec) | ESR_IL | iss, cpu->pc);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

/* What could be taken, in order of priority. */
typedef struct pending {
    uint32_t line, vector;
    uint32_t target;
} pending;

/* Level that a physical interrupt goes to (D1.3.6 "Asynchronous exception routing"). */
static uint32_t physical_target(const arm64_cpu *cpu, uint64_t scr_bit, uint64_t hcr_bit)
{
    if (cpu->has_el3 && (cpu->sys[SCR_EL3] & scr_bit))
        return 3;
    return effective_hcr(cpu) & (hcr_bit | HCR_TGE) ? 2 : 1;
}

/* Masks act at the target's own level, and at EL0 for EL1; below EL2 and EL3 nothing masks what
 * goes there (D1.3.6 "Asynchronous exception masking"). */
static bool masked(const arm64_cpu *cpu, uint32_t target, uint32_t mask)
{
    uint32_t el = current_el(cpu);

    if (target < el)
        return true;
    if (target > el && target > 1)
        return false;
    return (cpu->pstate & mask) != 0;
}

/* The interrupt to take now. Physical before virtual, FIQ before IRQ. */
static bool find_interrupt(const arm64_cpu *cpu, pending *out)
{
    uint32_t lines = __atomic_load_n(&cpu->lines, __ATOMIC_RELAXED);
    uint64_t hcr = effective_hcr(cpu);
    bool virtuals = current_el(cpu) < 2 && !(hcr & HCR_TGE);

    if (lines & LINE_FIQ) {
        *out = (pending){ LINE_FIQ, VECTOR_FIQ, physical_target(cpu, SCR_FIQ, HCR_FMO) };
        if (!masked(cpu, out->target, PSTATE_F))
            return true;
    }
    if (lines & LINE_IRQ) {
        *out = (pending){ LINE_IRQ, VECTOR_IRQ, physical_target(cpu, SCR_IRQ, HCR_IMO) };
        if (!masked(cpu, out->target, PSTATE_I))
            return true;
    }
    if (!virtuals)
        return false;
    out->target = 1;
    if ((hcr & HCR_FMO) && ((hcr & HCR_VF) || (lines & LINE_VFIQ)) && !(cpu->pstate & PSTATE_F)) {
        out->vector = VECTOR_FIQ;
        return true;
    }
    if ((hcr & HCR_IMO) && ((hcr & HCR_VI) || (lines & LINE_VIRQ)) && !(cpu->pstate & PSTATE_I)) {
        out->vector = VECTOR_IRQ;
        return true;
    }
    out->vector = VECTOR_SERROR;
    return (hcr & HCR_AMO) && (hcr & HCR_VSE) && !(cpu->pstate & PSTATE_A);
}

bool arm64_interrupt_waits(const pb_vcpu *vcpu)
{
    pending p;

    return find_interrupt(cpu_of_const(vcpu), &p);
}

bool arm64_interrupt(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    pending p;

    if (!find_interrupt(cpu, &p))
        return false;
    if (p.vector == VECTOR_SERROR)
        cpu->sys[HCR_EL2] &= ~HCR_VSE; /* taking the virtual SError clears it */
    arm64_take(vcpu, p.target, p.vector, ESR_EC(EC_SERROR) | ESR_IL, cpu->pc);
    vcpu->unwind = 0; /* no unit is running */
    return true;
}

/* WFI ends at any pending interrupt, masked or not (D1.6.2 "Wait For Interrupt"). */
bool arm64_has_work(pb_vcpu *vcpu)
{
    const arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t lines = __atomic_load_n(&cpu->lines, __ATOMIC_RELAXED);
    uint64_t hcr = effective_hcr(cpu);

    if (lines & (LINE_IRQ | LINE_FIQ))
        return true;
    return ((hcr & HCR_IMO) && ((hcr & HCR_VI) || (lines & LINE_VIRQ))) ||
           ((hcr & HCR_FMO) && ((hcr & HCR_VF) || (lines & LINE_VFIQ))) ||
           ((hcr & HCR_AMO) && (hcr & HCR_VSE));
}

void arm64_check_interrupts(pb_vcpu *vcpu, uint64_t next_pc)
{
    if (!arm64_interrupt_waits(vcpu))
        return;
    arm64_unwind(vcpu, next_pc);
    vcpu->ops->kick(vcpu, PB_EXIT_INTERRUPT);
    vcpu->leave_reason = PB_RUN_REQUEST;
}

/* ---- return ---------------------------------------------------------------------------------- */

uint64_t arm64_without_tag(uint32_t tbi, uint32_t el, uint64_t address)
{
    bool upper = (address >> 55) & 1;

    if (!(tbi & (el < 2 && upper ? 2u : 1u)))
        return address;
    if (el < 2 && upper)
        return address | UINT64_C(0xff) << 56;
    return address & ~(UINT64_C(0xff) << 56);
}

/* Whether SPSR asks for a state that cannot be returned to (D1.4.3 "Illegal return events"). */
static bool illegal_return(const arm64_cpu *cpu, uint32_t spsr)
{
    uint32_t target = PSTATE_GET_EL(spsr);

    if (spsr & PSTATE_NRW)
        return true; /* AArch32 */
    if (target > current_el(cpu) || (spsr & 2) || (target == 0 && (spsr & PSTATE_SP)))
        return true;
    if (target == 2 && !arm64_el2_enabled(cpu))
        return true;
    if (target == 3 && !cpu->has_el3)
        return true;
    return target == 1 && (effective_hcr(cpu) & HCR_TGE);
}

void arm64_eret(pb_vcpu *vcpu)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t el = current_el(cpu);
    uint32_t spsr = (uint32_t)cpu->sys[spsr_of[el]];
    uint64_t pc = cpu->sys[elr_of[el]];
    uint32_t known = PSTATE_DAIF | (has_feature(vcpu, FEAT_PAN) ? PSTATE_PAN : 0) |
                     (has_feature(vcpu, FEAT_UAO) ? PSTATE_UAO : 0);
    uint32_t pstate = spsr & known;
    bool stepped = arm64_step_enabled(cpu, el);

    pb_trace(vcpu->object, "arm64.eret", "cpu %u EL%u spsr 0x%x elr 0x%llx", vcpu->index, el, spsr,
             (unsigned long long)pc);
    if (illegal_return(cpu, spsr))
        pstate |= (cpu->pstate & (PSTATE_EL(3) | PSTATE_SP)) | PSTATE_IL;
    else
        pstate |= spsr & (PSTATE_EL(3) | PSTATE_SP | PSTATE_IL);
    arm64_set_nzcv(cpu, spsr);
    arm64_set_pstate(cpu, pstate);
    /* Stepping starts with a return from where it is disabled to where it is enabled. */
    if (!stepped && (spsr & PSTATE_SS) && arm64_step_enabled(cpu, current_el(cpu)))
        cpu->pstate |= PSTATE_SS;
    cpu->stepped = STEPPED_NONE;
    vcpu->exclusive_bytes = 0;
    __atomic_store_n(&cpu->event, 1, __ATOMIC_RELAXED);
    pc = arm64_without_tag(arm64_tbi(cpu, current_el(cpu)), current_el(cpu), pc);
    arm64_unwind(vcpu, pc);
    arm64_check_interrupts(vcpu, pc);
}

/* ---- calls ----------------------------------------------------------------------------------- */

void arm64_svc(pb_vcpu *vcpu, uint32_t imm)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    cpu->pstate &= ~PSTATE_SS;
    arm64_take_sync(vcpu, EC_SVC, imm, cpu->pc + 4);
}

void arm64_hvc(pb_vcpu *vcpu, uint32_t imm)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t el = current_el(cpu);
    bool disabled =
        cpu->has_el3 ? !(cpu->sys[SCR_EL3] & SCR_HCE) : (cpu->sys[HCR_EL2] & HCR_HCD) != 0;

    if (el == 1 && cpu->psci == PSCI_HVC) {
        arm64_psci_call(vcpu);
        return;
    }
    if (el == 0 || !cpu->has_el2 || disabled || (el < 3 && !arm64_el2_enabled(cpu))) {
        arm64_take_undefined(vcpu);
        return;
    }
    cpu->pstate &= ~PSTATE_SS;
    arm64_take(vcpu, el == 3 ? 3 : 2, VECTOR_SYNC, ESR_EC(EC_HVC) | ESR_IL | imm, cpu->pc + 4);
}

void arm64_smc(pb_vcpu *vcpu, uint32_t imm)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t el = current_el(cpu);

    if (el == 0) {
        arm64_take_undefined(vcpu);
        return;
    }
    if (el == 1 && (effective_hcr(cpu) & HCR_TSC)) {
        arm64_take(vcpu, 2, VECTOR_SYNC, ESR_EC(EC_SMC) | ESR_IL | imm, cpu->pc);
        return;
    }
    if (cpu->psci == PSCI_SMC) {
        arm64_psci_call(vcpu);
        return;
    }
    if (!cpu->has_el3 || (cpu->sys[SCR_EL3] & SCR_SMD)) {
        arm64_take_undefined(vcpu);
        return;
    }
    cpu->pstate &= ~PSTATE_SS;
    arm64_take(vcpu, 3, VECTOR_SYNC, ESR_EC(EC_SMC) | ESR_IL | imm, cpu->pc + 4);
}

/* Wait instructions: traps come in order of level, and only if the instruction would wait. */
bool arm64_wait_trapped(pb_vcpu *vcpu, bool wfe)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t el = current_el(cpu);
    uint64_t hcr = effective_hcr(cpu);
    uint32_t target = 0;

    if (el == 0 && !(cpu->sys[SCTLR_EL1] & (wfe ? SCTLR_NTWE : SCTLR_NTWI)))
        target = hcr & HCR_TGE ? 2 : 1;
    else if (el < 2 && (hcr & (wfe ? HCR_TWE : HCR_TWI)))
        target = 2;
    else if (el < 3 && cpu->has_el3 && (cpu->sys[SCR_EL3] & (wfe ? SCR_TWE : SCR_TWI)))
        target = 3;
    if (!target)
        return false;
    /* CV, COND 0xe, TI */
    arm64_take(vcpu, target, VECTOR_SYNC,
               ESR_EC(EC_WFX) | ESR_IL | 1u << 24 | 0xeu << 20 | (wfe ? 1 : 0), cpu->pc);
    return true;
}
