/*
 * Self-hosted debug: where debug exceptions go, BRK, software step, breakpoints and watchpoints.
 *
 * Manual: DDI 0487, D2 "AArch64 Self-hosted Debug"; the functions of J1 "aarch64/debug".
 *
 * While a breakpoint may match, units ask before each instruction (KEY_BREAK). Pages with watchpoints are kept out of
 * the TLB, so that the walk sees every access to them (mmu.c).
 *
 * Left out: breakpoints on VMID.
 */
#include "cpu.h"
#include "sysregs.h"

/* DBGBCR<n>_EL1, DBGWCR<n>_EL1. */
#define CONTROL_E      BIT64(0)
#define CONTROL_PXC(c) ((uint32_t)((c) >> 1) & 3u)
#define CONTROL_HMC(c) ((uint32_t)((c) >> 13) & 1u)
#define CONTROL_SSC(c) ((uint32_t)((c) >> 14) & 3u)
#define CONTROL_LBN(c) ((uint32_t)((c) >> 16) & 15u)
#define DBGBCR_BT(c)   ((uint32_t)((c) >> 20) & 15u)
#define DBGWCR_LSC(c)  ((uint32_t)((c) >> 3) & 3u)
#define DBGWCR_BAS(c)  ((uint32_t)((c) >> 5) & 255u)
#define DBGWCR_WT      BIT64(20)
#define DBGWCR_MASK(c) ((uint32_t)((c) >> 24) & 31u)

enum { BT_ADDRESS = 0, BT_LINKED_ADDRESS = 1, BT_CONTEXT = 2, BT_LINKED_CONTEXT = 3 };

#define OSDLR_DLK         BIT64(0)
#define DBGPRCR_CORENPDRQ BIT64(0)

/* What is compared of an address: bits above 48 are copies of it, or a tag. */
#define ADDRESS_BITS (BIT64(49) - 1)

#define MOST_BREAKPOINTS 6
#define MOST_WATCHPOINTS 4

static const uint16_t bvr[MOST_BREAKPOINTS] = { DBGBVR0_EL1, DBGBVR1_EL1, DBGBVR2_EL1,
                                                DBGBVR3_EL1, DBGBVR4_EL1, DBGBVR5_EL1 };
static const uint16_t bcr[MOST_BREAKPOINTS] = { DBGBCR0_EL1, DBGBCR1_EL1, DBGBCR2_EL1,
                                                DBGBCR3_EL1, DBGBCR4_EL1, DBGBCR5_EL1 };
static const uint16_t wvr[MOST_WATCHPOINTS] = { DBGWVR0_EL1, DBGWVR1_EL1, DBGWVR2_EL1,
                                                DBGWVR3_EL1 };
static const uint16_t wcr[MOST_WATCHPOINTS] = { DBGWCR0_EL1, DBGWCR1_EL1, DBGWCR2_EL1,
                                                DBGWCR3_EL1 };

/* ---- routing --------------------------------------------------------------------------------- */

/* MDCR_EL2.TDE, which HCR_EL2.TGE implies. */
static bool to_el2(const arm64_cpu *cpu)
{
    return arm64_el2_enabled(cpu) &&
           ((cpu->sys[HCR_EL2] & HCR_TGE) || (cpu->sys[MDCR_EL2] & MDCR_TDE));
}

uint32_t arm64_debug_target(const arm64_cpu *cpu)
{
    uint32_t el = current_el(cpu);

    if (el < 2 && to_el2(cpu))
        return 2;
    return el == 0 ? 1 : el;
}

static bool locked(const arm64_cpu *cpu)
{
    bool doubly = (cpu->sys[OSDLR_EL1] & OSDLR_DLK) && !(cpu->sys[DBGPRCR_EL1] & DBGPRCR_CORENPDRQ);

    return doubly || (cpu->sys[OSLSR_EL1] & OSLSR_OSLK);
}

bool arm64_debug_enabled(const arm64_cpu *cpu, uint32_t el)
{
    uint32_t target = to_el2(cpu) ? 2 : 1;

    if (locked(cpu) || el > target)
        return false;
    if (arm64_is_secure(cpu, el) && (cpu->sys[MDCR_EL3] & MDCR_SDD))
        return false;
    if (el < target)
        return true;
    return (cpu->sys[MDSCR_EL1] & MDSCR_KDE) && !(cpu->pstate & PSTATE_D);
}

/* ---- BRK and software step ------------------------------------------------------------------- */

void arm64_take_brk(pb_vcpu *vcpu, uint32_t imm)
{
    arm64_cpu *cpu = cpu_of(vcpu);

    arm64_take(vcpu, arm64_debug_target(cpu), VECTOR_SYNC, ESR_EC(EC_BRK) | ESR_IL | imm, cpu->pc);
}

/* An exception of `lower` or the class that follows it, which is of the same level. */
static void take_debug(pb_vcpu *vcpu, uint32_t lower, uint32_t iss)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t target = arm64_debug_target(cpu);
    uint32_t ec = target == current_el(cpu) ? lower + 1 : lower;

    arm64_take(vcpu, target, VECTOR_SYNC, ESR_EC(ec) | ESR_IL | iss | FSC_DEBUG, cpu->pc);
}

bool arm64_step_enabled(const arm64_cpu *cpu, uint32_t el)
{
    return (cpu->sys[MDSCR_EL1] & MDSCR_SS) && arm64_debug_enabled(cpu, el);
}

void arm64_take_step(pb_vcpu *vcpu)
{
    take_debug(vcpu, EC_STEP_LOWER, cpu_of(vcpu)->stepped);
}

/* ---- matching -------------------------------------------------------------------------------- */

/* A context-aware breakpoint that others are linked to: the last of them are. */
static bool context_matches(const pb_vcpu *vcpu, uint32_t n, uint32_t type)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    const arm64_model *model = model_of(vcpu);

    if (n >= model->breakpoints || n + model->context_breakpoints < model->breakpoints)
        return false;
    if (!(cpu->sys[bcr[n]] & CONTROL_E) || DBGBCR_BT(cpu->sys[bcr[n]]) != type)
        return false;
    return current_el(cpu) < 2 && (uint32_t)cpu->sys[CONTEXTIDR_EL1] == (uint32_t)cpu->sys[bvr[n]];
}

/* Whether a control register is for a level, of the access, and the security state (AArch64.StateMatch). */
static bool state_matches(const arm64_cpu *cpu, uint64_t control, uint32_t el)
{
    uint32_t pxc = CONTROL_PXC(control), hmc = CONTROL_HMC(control), ssc = CONTROL_SSC(control);
    bool secure = arm64_is_secure(cpu, current_el(cpu));

    if ((ssc == 1 && secure) || (ssc == 2 && !secure) || (ssc == 3 && !hmc && !secure))
        return false;
    switch (el) {
    case 0:
        return pxc & 2;
    case 1:
        return pxc & 1;
    case 2:
        return hmc || ssc == 3;
    default:
        return hmc && !(ssc & 1);
    }
}

/* ---- breakpoints ----------------------------------------------------------------------------- */

bool arm64_breakpoints_enabled(const pb_vcpu *vcpu)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);

    if (!(cpu->sys[MDSCR_EL1] & MDSCR_MDE) || !arm64_debug_enabled(cpu, current_el(cpu)))
        return false;
    for (uint32_t n = 0; n < model_of(vcpu)->breakpoints; n++)
        if (cpu->sys[bcr[n]] & CONTROL_E)
            return true;
    return false;
}

static bool breakpoint_matches(const pb_vcpu *vcpu, uint32_t n)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    uint64_t control = cpu->sys[bcr[n]];
    bool here = !((cpu->sys[bvr[n]] ^ cpu->pc) & ADDRESS_BITS & ~UINT64_C(3));

    if (!(control & CONTROL_E) || !state_matches(cpu, control, current_el(cpu)))
        return false;
    switch (DBGBCR_BT(control)) {
    case BT_ADDRESS:
        return here;
    case BT_LINKED_ADDRESS:
        return here && context_matches(vcpu, CONTROL_LBN(control), BT_LINKED_CONTEXT);
    case BT_CONTEXT:
        return context_matches(vcpu, n, BT_CONTEXT);
    default:
        return false;
    }
}

void arm64_check_breakpoints(pb_vcpu *vcpu)
{
    for (uint32_t n = 0; n < model_of(vcpu)->breakpoints; n++) {
        if (breakpoint_matches(vcpu, n)) {
            take_debug(vcpu, EC_BREAKPOINT_LOWER, 0);
            return;
        }
    }
}

/* ---- watchpoints ----------------------------------------------------------------------------- */

/* log2 of the bytes around DBGWVR<n>_EL1 that a watchpoint may be of: BAS selects some of eight; 0: none, of reserved
 * settings. */
static uint32_t watched_bits(uint64_t control)
{
    uint32_t mask = DBGWCR_MASK(control);

    return mask == 0 ? 3 : mask < 3 ? 0 : mask;
}

static bool byte_watched(uint64_t value, uint64_t control, uint64_t gva)
{
    uint32_t bits = watched_bits(control);
    uint32_t first = (uint32_t)value & 4; /* BAS counts from the word, if that is the second one */

    if (bits == 0 || ((value ^ gva) & ADDRESS_BITS) >> bits)
        return false;
    if (DBGWCR_MASK(control))
        return true;
    return ((uint32_t)gva & 7) >= first &&
           (DBGWCR_BAS(control) >> (((uint32_t)gva & 7) - first) & 1);
}

bool arm64_page_watched(const pb_vcpu *vcpu, uint64_t gva)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);

    if (!(cpu->sys[MDSCR_EL1] & MDSCR_MDE))
        return false;
    for (uint32_t n = 0; n < model_of(vcpu)->watchpoints; n++) {
        uint64_t control = cpu->sys[wcr[n]];
        uint32_t bits = watched_bits(control);

        if ((control & CONTROL_E) && bits &&
            !(((cpu->sys[wvr[n]] ^ gva) & ADDRESS_BITS) >>
              (bits < PB_PAGE_BITS ? PB_PAGE_BITS : bits)))
            return true;
    }
    return false;
}

/* LSC: bit 0 loads, bit 1 stores. */
static bool access_matches(const pb_vcpu *vcpu, uint64_t control, const pb_walk_request *request)
{
    uint32_t kinds = request->type == PB_ACCESS_WRITE ? 2 : 1;

    if (vcpu->aux & AUX_ATOMIC)
        kinds = 3;
    return (DBGWCR_LSC(control) & kinds) != 0;
}

bool arm64_access_watched(const pb_vcpu *vcpu, const pb_walk_request *request,
                          pb_guest_fault *fault)
{
    const arm64_cpu *cpu = cpu_of_const(vcpu);
    uint32_t el = current_el(cpu);

    if (!(cpu->sys[MDSCR_EL1] & MDSCR_MDE) || !arm64_debug_enabled(cpu, el))
        return false;
    if (request->mmu == MMU_E10_0)
        el = 0; /* LDTR and STTR are EL0's */
    for (uint32_t i = 0; i < request->bytes; i++) {
        for (uint32_t n = 0; n < model_of(vcpu)->watchpoints; n++) {
            uint64_t control = cpu->sys[wcr[n]];

            if (!(control & CONTROL_E) ||
                !byte_watched(cpu->sys[wvr[n]], control, request->gva + i) ||
                !access_matches(vcpu, control, request) || !state_matches(cpu, control, el))
                continue;
            if ((control & DBGWCR_WT) &&
                !context_matches(vcpu, CONTROL_LBN(control), BT_LINKED_CONTEXT))
                continue;
            fault->gva = request->gva + i;
            if ((vcpu->aux & AUX_ATOMIC) && (DBGWCR_LSC(control) & 1))
                fault->type = PB_ACCESS_READ;
            return true;
        }
    }
    return false;
}

/* ---- registers ------------------------------------------------------------------------------- */

/* The TLB has pages without watchpoints alone. */
void arm64_watchpoint_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[row->store];

    if (*store == value)
        return;
    *store = value;
    vcpu->ops->tlb_flush(vcpu, MMU_MASK_ALL, PB_SCOPE_LOCAL);
}

void arm64_mdscr_write(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint64_t *store = &cpu_of(vcpu)->sys[MDSCR_EL1];
    uint64_t changed = *store ^ value;

    *store = value;
    cpu_of(vcpu)->stepped = STEPPED_NONE;
    if (changed & MDSCR_MDE)
        vcpu->ops->tlb_flush(vcpu, MMU_MASK_ALL, PB_SCOPE_LOCAL);
}
