/*
 * System instructions: TLB and cache maintenance, address translation.
 *
 * Manual: DDI 0487, C5.3 to C5.5 "A64 system instructions for cache maintenance, address
 * translation, TLB maintenance".
 *
 * Caches are not modelled: data cache maintenance only checks that the address translates.
 * Instruction caches are what translated code makes visible, so invalidating one drops code.
 */
#include "cpu.h"
#include "sysregs.h"

/* ---- TLB ------------------------------------------------------------------------------------- */

static uint32_t tlbi_mask(const arm64_sysreg *row)
{
    static const uint8_t masks[3] = { MMU_MASK_E10, MMU_MASK_E2, MMU_MASK_E3 };

    return masks[row->index & TLBI_REGIME];
}

/* Inner shareable forms, and all of EL1's under HCR_EL2.FB, reach every processor. A DSB waits
 * for them. */
static uint32_t tlbi_scope(pb_vcpu *vcpu, const arm64_sysreg *row)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    bool force = current_el(cpu) == 1 && arm64_el2_enabled(cpu) && (cpu->sys[HCR_EL2] & HCR_FB);

    if (!(row->index & TLBI_IS) && !force)
        return PB_SCOPE_LOCAL;
    if (vcpu->ops->vcpu_count(vcpu) == 1)
        return PB_SCOPE_LOCAL;
    cpu->tlb_sync_needed = 1;
    return PB_SCOPE_ALL;
}

/* What an instruction is about, but for addresses. */
static pb_tlb_flush tlbi_flush(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    const arm64_cpu *cpu = cpu_of(vcpu);

    return (pb_tlb_flush){ .size = sizeof(pb_tlb_flush),
                           .mmu_mask = tlbi_mask(row),
                           .scope = tlbi_scope(vcpu, row),
                           .whose = row->index >> TLBI_WHOSE,
                           .guest = arm64_vmid(cpu),
                           .space = arm64_asid_of(cpu, value) };
}

void arm64_tlbi_all(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    const pb_tlb_flush flush = tlbi_flush(vcpu, row, value);

    vcpu->ops->tlb_flush_some(vcpu, &flush);
}

/* Whether a processor that the flush reaches may hold entries under addresses with tags. */
static bool tags_in_use(pb_vcpu *vcpu, uint32_t scope)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (scope == PB_SCOPE_LOCAL)
        return __atomic_load_n(&cpu_of(vcpu)->tagged, __ATOMIC_SEQ_CST);
    for (uint32_t i = 0; i < vcpu->ops->vcpu_count(vcpu); i++) {
        pb_vcpu *other = vcpu->ops->vcpu_at(vcpu, i);

        if (other->type->slots == arm64_slots &&
            __atomic_load_n(&cpu_of(other)->tagged, __ATOMIC_SEQ_CST))
            return true;
    }
    return false;
}

void arm64_tlbi_va(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    pb_tlb_flush flush = tlbi_flush(vcpu, row, value);
    uint64_t gva = value << 12 & UINT64_C(0x00fffffffffff000);

    if ((row->index & TLBI_REGIME) == TLBI_E1 && gva >> 55)
        gva |= UINT64_C(0xff) << 56;
    if (!tags_in_use(vcpu, flush.scope)) {
        flush.gva = gva;
        flush.bytes = PB_PAGE_SIZE;
    }
    vcpu->ops->tlb_flush_some(vcpu, &flush);
}

/* ---- caches ---------------------------------------------------------------------------------- */

/* Translation faults are taken; permissions count at EL0, and for invalidation (C5.3, D8.4). */
static bool probe(pb_vcpu *vcpu, uint64_t gva, uint32_t type)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    pb_walk_request request = { .gva = gva, .type = type, .mmu = arm64_mmu_data(cpu) };
    pb_guest_fault fault = { 0 };
    pb_translation translation;

    if (vcpu->ops->translate(vcpu, &request, &translation, &fault) == PB_MEM_OK)
        return true;
    if (fault.kind == PB_FAULT_WALK && current_el(cpu) > 0 && type == PB_ACCESS_READ &&
        (FAULT_FSC(fault.info[0]) & 0x3c) == FSC_PERMISSION && !(fault.info[0] & FAULT_STAGE2))
        return true;
    fault.info[0] |= FAULT_CACHE_MAINT;
    fault.gva = gva;
    arm64_raise(vcpu, &fault);
    return false;
}

void arm64_dc_va(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    probe(vcpu, value, row->index == DC_INVALIDATE ? PB_ACCESS_WRITE : PB_ACCESS_READ);
}

void arm64_dc_set_way(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value) {}

void arm64_ic_ivau(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    if (probe(vcpu, value, PB_ACCESS_READ))
        vcpu->ops->code_flush(vcpu, value & ~UINT64_C(63), 64);
}

void arm64_ic_all(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    vcpu->ops->code_flush(vcpu, 0, 0);
}

void arm64_dc_zva(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    uint32_t attr = PB_MEM_SIZE_LOG2(4) | PB_MEM_MMU(arm64_mmu_data(cpu_of(vcpu)));
    pb_guest_fault fault = { 0 };
    uint64_t gva = value & ~UINT64_C(63);

    for (uint32_t i = 0; i < 64; i += 16) {
        if (vcpu->ops->store(vcpu, gva + i, attr, (pb_u128){ 0 }, &fault) != PB_MEM_OK) {
            arm64_raise(vcpu, &fault);
            return;
        }
    }
}

/* ---- address translation --------------------------------------------------------------------- */

#define PAR_F BIT64(0)

static uint64_t par_of_fault(const pb_guest_fault *fault)
{
    uint64_t info = fault->info[0], par = PAR_F | BIT64(11) | (uint64_t)FAULT_FSC(info) << 1;

    if (info & FAULT_STAGE2)
        par |= BIT64(9);
    if (info & FAULT_S1PTW)
        par |= BIT64(8);
    return par;
}

static uint64_t par_of_translation(const arm64_cpu *cpu, const pb_translation *t)
{
    uint64_t par =
        (t->gpa & UINT64_C(0x0000fffffffff000)) | (uint64_t)t->memory_attr << 56 | BIT64(11);
    /* Device and Normal Non-cacheable memory are outer shareable. */
    uint64_t shareability = t->device || t->memory_attr == 0x44 ? 2 : t->shareability;

    par |= shareability << 7;
    if (!t->attrs.secure)
        par |= BIT64(9);
    return par;
}

void arm64_at(pb_vcpu *vcpu, const arm64_sysreg *row, uint64_t value)
{
    arm64_cpu *cpu = cpu_of(vcpu);
    uint32_t stage = row->index & AT_STAGE;
    uint32_t mmu = stage == AT_S1E0 || stage == AT_S12E0             ? MMU_E10_0
                   : stage == AT_S1E2                                ? MMU_E2
                   : stage == AT_S1E3                                ? MMU_E3
                   : stage == AT_S1E1P && (cpu->pstate & PSTATE_PAN) ? MMU_E10_1_PAN
                                                                     : MMU_E10_1;
    pb_walk_request request = { .gva = value,
                                .mmu = mmu,
                                .type = row->index & AT_WRITE ? PB_ACCESS_WRITE : PB_ACCESS_READ };
    bool both = stage == AT_S12E0 || stage == AT_S12E1;
    pb_guest_fault fault = { 0 };
    pb_translation t;
    bool found = both ? arm64_walk(vcpu, &request, &t, &fault)
                      : arm64_walk_stage1(vcpu, &request, &t, &fault);
    uint32_t fsc = FAULT_FSC(fault.info[0]);

    if (found) {
        cpu->sys[PAR_EL1] = par_of_translation(cpu, &t);
        return;
    }
    /* An external abort of the walk, and a stage 2 fault of it under stage 1 alone, are taken
     * (D8.2.9). */
    if ((fsc & 0x3c) == FSC_EXTERNAL_WALK || (!both && (fault.info[0] & FAULT_S1PTW))) {
        fault.info[0] |= FAULT_CACHE_MAINT;
        arm64_raise(vcpu, &fault);
        return;
    }
    cpu->sys[PAR_EL1] = par_of_fault(&fault);
}
