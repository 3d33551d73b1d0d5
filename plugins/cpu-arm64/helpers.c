/*
 * Functions that translated code calls for what is rare, or not about data: exceptions, hints,
 * system registers.
 */
#include "translate.h"
#include "sysregs.h"
#include "a64_decode.h"

uint64_t helper_undefined(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                          uint64_t f)
{
    arm64_take_undefined(vcpu);
    return 0;
}

/* a: the instruction word */
uint64_t helper_unallocated(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                            uint64_t e, uint64_t f)
{
    pb_log_guest(vcpu->object, "cpu %u: unallocated instruction %08x at 0x%llx", vcpu->index,
                 (uint32_t)a, (unsigned long long)cpu_of(vcpu)->pc);
    arm64_take_undefined(vcpu);
    return 0;
}

/* a: the row of a64.decode; b: the instruction word */
uint64_t helper_missing(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    pb_log_unimp(vcpu->object, "cpu %u: %s is not modelled: %08x at 0x%llx", vcpu->index,
                 a < A64_ROW_COUNT ? a64_rows[a].title : "instruction", (uint32_t)b,
                 (unsigned long long)cpu_of(vcpu)->pc);
    arm64_take_undefined(vcpu);
    return 0;
}

/* a: encoding << 1, with bit 0 set for reads; b: Rt */
uint64_t helper_unknown_sysreg(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                               uint64_t e, uint64_t f)
{
    uint32_t encoding = (uint32_t)a >> 1;
    bool read = a & 1;

    pb_log_unimp(vcpu->object, "cpu %u: %s of unknown system register S%u_%u_C%u_C%u_%u at 0x%llx",
                 vcpu->index, read ? "read" : "write", encoding >> 14, encoding >> 11 & 7,
                 encoding >> 7 & 15, encoding >> 3 & 15, encoding & 7,
                 (unsigned long long)cpu_of(vcpu)->pc);
    if (read && arm64_sysreg_id_trap(vcpu, encoding))
        arm64_take_sync(vcpu, EC_SYSREG, arm64_sysreg_iss(encoding, (uint32_t)b, true),
                        cpu_of(vcpu)->pc);
    else
        arm64_take_undefined(vcpu);
    return 0;
}

uint64_t helper_svc(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    arm64_svc(vcpu, (uint32_t)a);
    return 0;
}

uint64_t helper_hvc(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    arm64_hvc(vcpu, (uint32_t)a);
    return 0;
}

uint64_t helper_smc(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    arm64_smc(vcpu, (uint32_t)a);
    return 0;
}

uint64_t helper_brk(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    arm64_take_brk(vcpu, (uint32_t)a);
    return 0;
}

/* Semihosting for AArch32 and AArch64, 2.0: the operation in W0, its argument in X1, the result in X0. A machine's
 * EL0 is not served: it would get around its kernel. */
uint64_t helper_semihosting(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                            uint64_t e, uint64_t f)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    const pb_semihosting_call call = { .size = sizeof(call),
                                       .operation = (uint32_t)cpu->x[0],
                                       .argument = cpu->x[1],
                                       .word_bytes = 8,
                                       .attr = PB_MEM_MMU(vcpu->type->data_mmu(vcpu)) };
    uint64_t result;

    if (!cpu->semihosting || (!cpu->user && current_el(cpu) == 0)) {
        arm64_take_undefined(vcpu);
        return 0;
    }
    switch (cpu->semihosting->call(cpu->semihosting->opaque, vcpu, &call, &result)) {
    case PB_SEMIHOSTING_AGAIN:
        arm64_unwind(vcpu, cpu->pc);
        break;
    case PB_SEMIHOSTING_ENDED:
        arm64_unwind(vcpu, cpu->pc + 4);
        if (cpu->user)
            break;
        vcpu->ops->set_powered(vcpu, false);
        vcpu->leave_reason = PB_RUN_POWER_OFF;
        break;
    default:
        cpu->x[0] = result;
        arm64_unwind(vcpu, cpu->pc + 4);
    }
    return 0;
}

uint64_t helper_fp_trap(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t ec, target = arm64_fp_trap(cpu, &ec);

    if (!target) /* the key said otherwise: cannot be */
        target = arm64_sync_target(cpu);
    /* CV, COND 0xe; nothing for EC_UNKNOWN */
    arm64_take(vcpu, target, VECTOR_SYNC,
               ESR_EC(ec) | ESR_IL | (ec == EC_FP ? 1u << 24 | 0xeu << 20 : 0), cpu->pc);
    return 0;
}

uint64_t helper_sp_alignment(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                             uint64_t e, uint64_t f)
{
    arm64_take_sync(vcpu, EC_SP_ALIGN, 0, cpu_of(vcpu)->pc);
    return 0;
}

uint64_t helper_pc_alignment(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                             uint64_t e, uint64_t f)
{
    arm64_take_address(vcpu, EC_PC_ALIGN, cpu_of(vcpu)->pc);
    return 0;
}

uint64_t helper_illegal_state(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                              uint64_t e, uint64_t f)
{
    arm64_take_sync(vcpu, EC_ILLEGAL_STATE, 0, cpu_of(vcpu)->pc);
    return 0;
}

uint64_t helper_step(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    arm64_take_step(vcpu);
    return 0;
}

uint64_t helper_breakpoint(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d,
                           uint64_t e, uint64_t f)
{
    arm64_check_breakpoints(vcpu);
    return 0;
}

uint64_t helper_eret(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    arm64_eret(vcpu);
    return 0;
}

/* ---- hints and barriers ---------------------------------------------------------------------- */

uint64_t helper_wfi(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    if (!arm64_has_work(vcpu)) {
        if (arm64_wait_trapped(vcpu, false))
            return 0;
        vcpu->leave_reason = PB_RUN_IDLE;
    }
    arm64_unwind(vcpu, cpu_of(vcpu)->pc + 4);
    return 0;
}

/* The event register may also be set by what we do not track (another processor clearing the
 * global monitor), so WFE only gives others a turn: it may end at any time (D1.6.1). */
uint64_t helper_wfe(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    if (!__atomic_exchange_n(&cpu->event, 0, __ATOMIC_ACQUIRE)) {
        if (arm64_wait_trapped(vcpu, true))
            return 0;
        vcpu->leave_reason = PB_RUN_YIELD;
    }
    arm64_unwind(vcpu, cpu->pc + 4);
    return 0;
}

uint64_t helper_sev(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    for (uint32_t i = 0; i < vcpu->ops->vcpu_count(vcpu); i++) {
        pb_vcpu *other = vcpu->ops->vcpu_at(vcpu, i);

        if (other->type->slots == arm64_slots)
            __atomic_store_n(&cpu_of(other)->event, 1, __ATOMIC_RELEASE);
    }
    return 0;
}

uint64_t helper_sevl(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                     uint64_t f)
{
    __atomic_store_n(&cpu_of(vcpu)->event, 1, __ATOMIC_RELEASE);
    return 0;
}

uint64_t helper_dsb(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    if (cpu->tlb_sync_needed) {
        cpu->tlb_sync_needed = 0;
        vcpu->ops->tlb_sync(vcpu);
    }
    return 0;
}

/* ---- system registers ------------------------------------------------------------------------ */

/* Whether the access is allowed; if not the exception was taken. */
static bool check_access(pb_vcpu *vcpu, const arm64_sysreg *row, uint32_t rt, bool write)
{
    uint32_t target, ec, iss = 0;

    if (arm64_sysreg_allowed(vcpu, row, write, &target, &ec))
        return true;
    if (ec == EC_SYSREG)
        iss = arm64_sysreg_iss(row->encoding, rt, !write);
    else if (ec == EC_FP)
        iss = 1u << 24 | 0xeu << 20;
    arm64_take(vcpu, target, VECTOR_SYNC, ESR_EC(ec) | ESR_IL | iss, cpu_of(vcpu)->pc);
    return false;
}

uint64_t helper_mrs(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    const arm64_sysreg *row = arm64_sysreg_at((uint32_t)a);

    return check_access(vcpu, row, (uint32_t)b, false) ? arm64_sysreg_read(vcpu, row) : 0;
}

uint64_t helper_msr(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                    uint64_t f)
{
    const arm64_sysreg *row = arm64_sysreg_at((uint32_t)a);

    if (check_access(vcpu, row, (uint32_t)b, true))
        arm64_sysreg_write(vcpu, row, c);
    return 0;
}

/* MSR (immediate), C6.2: the fields that need more than a write of the pstate slot. */
uint64_t helper_msr_imm(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e,
                        uint64_t f)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t mask = ((uint32_t)b & 15) << 6, field = 0;

    switch (a) {
    case MSR_IMM_DAIFSET:
    case MSR_IMM_DAIFCLR:
        if (current_el(cpu) == 0 && !(cpu->sys[SCTLR_EL1] & SCTLR_UMA)) {
            /* As MSR DAIF; CRm holds the immediate, Rt is 31. */
            uint32_t target = arm64_el2_enabled(cpu) && (cpu->sys[HCR_EL2] & HCR_TGE) ? 2 : 1;

            arm64_take(vcpu, target, VECTOR_SYNC,
                       ESR_EC(EC_SYSREG) | ESR_IL | ((uint32_t)a & 7) << 17 | 3u << 14 | 4u << 10 |
                           31u << 5 | ((uint32_t)b & 15) << 1,
                       cpu->pc);
            return 0;
        }
        if (a == MSR_IMM_DAIFSET) {
            cpu->pstate |= mask;
        } else {
            cpu->pstate &= ~mask;
            arm64_check_interrupts(vcpu, cpu->pc + 4);
        }
        return 0;
    case MSR_IMM_SPSEL:
        arm64_set_pstate(cpu, (cpu->pstate & ~PSTATE_SP) | (b & 1 ? PSTATE_SP : 0));
        return 0;
    case MSR_IMM_PAN:
        field = PSTATE_PAN;
        break;
    case MSR_IMM_UAO:
        field = PSTATE_UAO;
        break;
    }
    cpu->pstate = (cpu->pstate & ~field) | (b & 1 ? field : 0);
    return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Exceptions write the slots of PSTATE, the stack pointer and the target's registers. */
#define NO_RETURN \
    (PB_HELPER_ALL_SLOTS | PB_HELPER_NO_RETURN | PB_HELPER_MAY_FAULT | PB_HELPER_MAY_EXIT)
#define MAY_LEAVE                                                                              \
    (PB_HELPER_ALL_SLOTS | PB_HELPER_MAY_FAULT | PB_HELPER_MAY_EXIT | PB_HELPER_READS_MEMORY | \
     PB_HELPER_WRITES_MEMORY | PB_HELPER_USES_FP)

/* FPSR.QC, which saturation sets and nothing clears. */
static const uint16_t qc_slot[] = { SLOT_QC, PB_SLOT_END };

#define COUNT_ARGS(...) (sizeof((uint8_t[]){ __VA_ARGS__ }) / sizeof(uint8_t))
#define NO_ARGS         .n_args = 0
#define ARGS(...)       .n_args = COUNT_ARGS(__VA_ARGS__), .args = { __VA_ARGS__ }

#define SCALAR(id_, name_, function_, result_, args_, flags_, ...) \
    [id_] = { .name = name_,                                       \
              .scalar = function_,                                 \
              .result = result_,                                   \
              .flags = flags_,                                     \
              args_,                                               \
              ##__VA_ARGS__ },
#define VECTOR(id_, name_, function_, result_, args_, flags_, ...) \
    [id_] = { .name = name_,                                       \
              .vector = function_,                                 \
              .result = result_,                                   \
              .flags = (flags_) | PB_HELPER_VECTOR,                \
              args_,                                               \
              ##__VA_ARGS__ },

const pb_helper arm64_helpers[] = {
#include "helpers.def"
    [HELPER_COUNT] = { 0 },
};
