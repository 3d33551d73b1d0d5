/*
 * Hints, barriers, PSTATE fields, system registers and system instructions.
 *
 * Manual: DDI 0487, C4.1 "Branches, Exception Generating and System instructions"; C5; C6.2.
 */
#include "translate.h"
#include "sysregs.h"

/* ---- hints ----------------------------------------------------------------------------------- */

/* NOP, and hints without effect here */
tr_status tr_nop(a64_ctx *c, const a64_arg_nop *a)
{
    return TR_NEXT;
}

/* YIELD */
tr_status tr_yield(a64_ctx *c)
{
    if (c->key & KEY_STEP)
        return TR_NEXT;
    ir_exit(c->ir, PB_RUN_YIELD, c->pc + 4);
    return TR_END;
}

/* Waiting is optional (D1.6): a stepped instruction does not. */
static tr_status wait(a64_ctx *c, uint32_t helper)
{
    return c->key & KEY_STEP ? TR_NEXT : end_call(c, helper, NULL, 0);
}

/* WFE */
tr_status tr_wfe(a64_ctx *c)
{
    return wait(c, H_WFE);
}

/* WFI */
tr_status tr_wfi(a64_ctx *c)
{
    return wait(c, H_WFI);
}

/* SEV */
tr_status tr_sev(a64_ctx *c)
{
    call0(c, H_SEV, IR_VOID);
    return TR_NEXT;
}

/* SEVL */
tr_status tr_sevl(a64_ctx *c)
{
    call0(c, H_SEVL, IR_VOID);
    return TR_NEXT;
}

/* ---- barriers -------------------------------------------------------------------------------- */

/* CLREX */
tr_status tr_clrex(a64_ctx *c)
{
    ir_clrex(c->ir);
    return TR_NEXT;
}

/* Accesses that a DMB's or DSB's CRm<1:0> orders: loads before everything, stores before stores,
 * all. */
static uint32_t fence_of_crm(uint32_t crm)
{
    switch (crm & 3) {
    case 1:
        return PB_FENCE_LD_LD | PB_FENCE_LD_ST;
    case 2:
        return PB_FENCE_ST_ST;
    default:
        return PB_FENCE_ALL;
    }
}

/* DSB: also waits for the TLB maintenance that was broadcast. */
tr_status tr_dsb(a64_ctx *c, const a64_arg_dsb *a)
{
    ir_fence(c->ir, PB_FENCE_ALL);
    if (c->el > 0)
        call0(c, H_DSB, IR_VOID);
    return TR_NEXT;
}

/* DMB */
tr_status tr_dmb(a64_ctx *c, const a64_arg_dmb *a)
{
    ir_fence(c->ir, fence_of_crm(a->crm));
    return TR_NEXT;
}

/* ISB: what follows is fetched anew. */
tr_status tr_isb(a64_ctx *c)
{
    return end_unit(c);
}

/* ---- PSTATE fields --------------------------------------------------------------------------- */

static tr_status msr_imm(a64_ctx *c, uint32_t field, uint32_t imm)
{
    call2(c, H_MSR_IMM, IR_VOID, ir_imm32(c->ir, field), ir_imm32(c->ir, imm));
    return TR_NEXT;
}

/* The fields that are part of the unit key, for EL1 and up. */
static tr_status msr_key_imm(a64_ctx *c, uint32_t field, uint32_t imm)
{
    if (c->el == 0)
        return end_undefined(c);
    msr_imm(c, field, imm);
    return end_unit(c);
}

/* MSR UAO, #imm */
tr_status tr_msr_uao(a64_ctx *c, const a64_arg_msr_uao *a)
{
    return msr_key_imm(c, MSR_IMM_UAO, a->crm);
}

/* MSR PAN, #imm */
tr_status tr_msr_pan(a64_ctx *c, const a64_arg_msr_pan *a)
{
    return msr_key_imm(c, MSR_IMM_PAN, a->crm);
}

/* MSR SPSel, #imm */
tr_status tr_msr_spsel(a64_ctx *c, const a64_arg_msr_spsel *a)
{
    return msr_key_imm(c, MSR_IMM_SPSEL, a->crm);
}

/* PSTATE.D changed: while debug exceptions are on, that is part of the key. */
static tr_status debug_mask_changed(a64_ctx *c)
{
    return c->key & KEY_ARMED ? end_unit(c) : TR_NEXT;
}

/* MSR DAIFSet, #imm: masking needs no look at pending interrupts. */
tr_status tr_msr_daifset(a64_ctx *c, const a64_arg_msr_daifset *a)
{
    ir_val pstate;

    if (c->el == 0) {
        msr_imm(c, MSR_IMM_DAIFSET, a->crm);
        return debug_mask_changed(c);
    }
    pstate = ir_get(c->ir, IR_I32, SLOT_PSTATE);
    ir_put(c->ir, ir_or(c->ir, pstate, ir_imm32(c->ir, a->crm << 6)), SLOT_PSTATE);
    return debug_mask_changed(c);
}

/* MSR DAIFClr, #imm */
tr_status tr_msr_daifclr(a64_ctx *c, const a64_arg_msr_daifclr *a)
{
    msr_imm(c, MSR_IMM_DAIFCLR, a->crm);
    return debug_mask_changed(c);
}

/* ---- system registers ------------------------------------------------------------------------ */

/* Conditions on an access that other state than the key decides: always by helper. */
#define DYNAMIC_CHECKS                                                                 \
    (CHECK_FP | CHECK_GIC | CHECK_SEL1_TIMER | CHECK_PTEN | CHECK_VTEN | CHECK_PCTEN | \
     CHECK_VCTEN | CHECK_NONSECURE)

/* Whether an access may be made without asking whether it is allowed. */
static bool unchecked(const a64_ctx *c, const arm64_sysreg *row, bool write)
{
    if ((c->key & KEY_CHECKED) || c->el < (write ? row->write_el : row->read_el))
        return false;
    if (c->el == 0 && row->check)
        return false;
    if ((row->check & CHECK_SPSEL) && !(c->key & KEY_SPSEL))
        return false;
    return !(row->check & DYNAMIC_CHECKS) && !(row->flags & ROW_UNMODELLED);
}

static tr_status unknown_sysreg(a64_ctx *c, uint32_t encoding, uint32_t rt, bool read)
{
    ir_val args[2] = { ir_imm32(c->ir, encoding << 1 | read), ir_imm32(c->ir, rt) };

    return end_call(c, H_UNKNOWN_SYSREG, args, 2);
}

/* Registers that are computed from slots, directly; false: by helper. */
static bool read_computed(a64_ctx *c, uint32_t encoding, ir_val *value)
{
    ir_builder *b = c->ir;

    switch (encoding) {
    case PB_ARM_SYSREG(3, 3, 4, 2, 0): /* NZCV */
        *value = ir_zext(b, IR_I64, ir_flpack_nzcv(b, read_nzcv(c)));
        return true;
    case PB_ARM_SYSREG(3, 3, 4, 2, 1): /* DAIF */
        if (c->el == 0)
            return false;
        *value =
            ir_zext(b, IR_I64, ir_and(b, ir_get(b, IR_I32, SLOT_PSTATE), ir_imm32(b, PSTATE_DAIF)));
        return true;
    case PB_ARM_SYSREG(3, 0, 4, 2, 2): /* CurrentEL */
        if (c->el == 0)
            return false;
        *value = ir_imm64(b, c->el << 2);
        return true;
    case PB_ARM_SYSREG(3, 3, 4, 4, 0): /* FPCR */
        if (c->key & KEY_FP_TRAP)
            return false;
        *value = ir_zext(b, IR_I64, ir_get(b, IR_I32, SLOT_FPCR));
        return true;
    default:
        return false;
    }
}

/* MRS */
tr_status tr_mrs(a64_ctx *c, const a64_arg_mrs *a)
{
    uint32_t encoding = PB_ARM_SYSREG(a->op0, a->op1, a->crn, a->crm, a->op2);
    const arm64_sysreg *row = arm64_sysreg_find(c->vcpu, encoding);
    ir_val value;

    if (!row)
        return unknown_sysreg(c, encoding, a->rt, true);
    if (!read_computed(c, encoding, &value)) {
        if (!row->read && row->store >= 0 && unchecked(c, row, false))
            value = read_sys(c, (arm64_sys)row->store);
        else
            value = call2(c, H_MRS, IR_I64, ir_imm32(c->ir, arm64_sysreg_index(row)),
                          ir_imm32(c->ir, a->rt));
    }
    write_x(c, 1, a->rt, ZR, value);
    return TR_NEXT;
}

static tr_status write_sysreg(a64_ctx *c, const arm64_sysreg *row, uint32_t rt)
{
    ir_val value = read_x(c, 1, rt, ZR);

    if (!row->write && row->store >= 0 && unchecked(c, row, true)) {
        if (row->write_mask)
            value = ir_and(c->ir, value, ir_imm64(c->ir, row->write_mask));
        if (row->res1)
            value = ir_or(c->ir, value, ir_imm64(c->ir, row->res1));
        write_sys(c, (arm64_sys)row->store, value);
    } else {
        call3(c, H_MSR, IR_VOID, ir_imm32(c->ir, arm64_sysreg_index(row)), ir_imm32(c->ir, rt),
              value);
    }
    if (row->encoding == PB_ARM_SYSREG(3, 3, 4, 2, 1)) /* DAIF */
        return debug_mask_changed(c);
    return row->flags & ROW_ENDS_UNIT ? end_unit(c) : TR_NEXT;
}

/* MSR (register) */
tr_status tr_msr(a64_ctx *c, const a64_arg_msr *a)
{
    uint32_t encoding = PB_ARM_SYSREG(a->op0, a->op1, a->crn, a->crm, a->op2);
    const arm64_sysreg *row = arm64_sysreg_find(c->vcpu, encoding);

    if (!row)
        return unknown_sysreg(c, encoding, a->rt, false);
    if (encoding == PB_ARM_SYSREG(3, 3, 4, 2, 0)) { /* NZCV */
        ir_val value = read_x(c, 0, a->rt, ZR);

        write_nzcv(c, ir_flunpack_nzcv(c->ir, value));
        return TR_NEXT;
    }
    return write_sysreg(c, row, a->rt);
}

/* DC ZVA: a block of 64 bytes (DCZID_EL0.BS is 4). A fault comes before anything is written: all
 * of it is on one page. */
static tr_status dc_zva(a64_ctx *c, uint32_t rt)
{
    ir_builder *b = c->ir;
    ir_val block = ir_and(b, read_x(c, 1, rt, ZR), ir_imm64(b, ~UINT64_C(63)));
    ir_val zero = ir_v_zero(b, IR_V128);
    uint32_t attr = PB_MEM_SIZE_LOG2(4) | PB_MEM_MMU(c->mmu) | PB_MEM_SPAN(1);

    for (uint32_t i = 0; i < 64; i += 16)
        ir_st(b, add_imm(c, block, i), zero, attr);
    return TR_NEXT;
}

/* SYS: AT, DC, IC, TLBI */
tr_status tr_sys(a64_ctx *c, const a64_arg_sys *a)
{
    uint32_t encoding = PB_ARM_SYSREG(1, a->op1, a->crn, a->crm, a->op2);
    const arm64_sysreg *row = arm64_sysreg_find(c->vcpu, encoding);

    if (!row)
        return unknown_sysreg(c, encoding, a->rt, false);
    if (encoding == PB_ARM_SYSREG(1, 3, 7, 4, 1) && (c->key & KEY_DC_ZVA))
        return dc_zva(c, a->rt);
    return write_sysreg(c, row, a->rt);
}

/* SYSL: no register is there. */
tr_status tr_sysl(a64_ctx *c, const a64_arg_sysl *a)
{
    return unknown_sysreg(c, PB_ARM_SYSREG(1, a->op1, a->crn, a->crm, a->op2), a->rt, true);
}
