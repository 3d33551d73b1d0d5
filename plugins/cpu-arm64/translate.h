/*
 * What translators of instructions share: the context of a unit, and verbs that read like the
 * manual's pseudocode.
 *
 * A translator gets its instruction's fields, reads operands, computes, and writes results last:
 * nothing that may fault stands after a write (ir.h). It returns TR_NEXT, or ends the block with
 * one of the end_ verbs and returns their value.
 */
#ifndef CPU_ARM64_TRANSLATE_H
#define CPU_ARM64_TRANSLATE_H

#include "cpu.h"
#include "a64_decode.h"

typedef pb_tr_status tr_status;
#define TR_NEXT PB_TR_NEXT
#define TR_END  PB_TR_END

/* ---- the unit key ---------------------------------------------------------------------------- */

#define KEY_EL(el)      ((uint64_t)(el)) /* bits 1:0 */
#define KEY_GET_EL(k)   ((uint32_t)(k)&3u)
#define KEY_SPSEL       (UINT64_C(1) << 2)
#define KEY_PAN         (UINT64_C(1) << 3)
#define KEY_UAO         (UINT64_C(1) << 4)
#define KEY_IL          (UINT64_C(1) << 5)      /* PSTATE.IL: every instruction is an exception */
#define KEY_A           (UINT64_C(1) << 6)      /* SCTLR_ELx.A */
#define KEY_SA          (UINT64_C(1) << 7)      /* SCTLR_ELx.SA, SA0 at EL0 */
#define KEY_BE          (UINT64_C(1) << 8)      /* data is big-endian: SCTLR_ELx.EE, E0E at EL0 */
#define KEY_TBI(bits)   ((uint64_t)(bits) << 9) /* bits 10:9: arm64_tbi() */
#define KEY_GET_TBI(k)  ((uint32_t)((k) >> 9) & 3u)
#define KEY_FP_TRAP     (UINT64_C(1) << 11) /* floating-point instructions are trapped */
#define KEY_STEP        (UINT64_C(1) << 12) /* software step is active */
#define KEY_SS          (UINT64_C(1) << 13) /* and PSTATE.SS is set: one instruction may run */
#define KEY_CHECKED     (UINT64_C(1) << 14) /* system registers may be trapped: no direct access */
#define KEY_DC_ZVA      (UINT64_C(1) << 15) /* DC ZVA is allowed */
#define KEY_FPCR(fpcr)  ((uint64_t)((fpcr) >> 22 & 31u) << 16) /* AHP DN FZ RMode: bits 20:16 */
#define KEY_ARMED       (UINT64_C(1) << 21) /* debug exceptions are on: changes of PSTATE.D count */
#define KEY_BREAK       (UINT64_C(1) << 22) /* a breakpoint may match */
#define KEY_SP_ODD      (UINT64_C(1) << 23) /* KEY_SA, and sp is no multiple of 16 */
#define KEY_GET_FPCR(k) ((uint32_t)((k) >> 16 & 31u) << 22)

/* ---- the context ----------------------------------------------------------------------------- */

struct a64_ctx {
    ir_builder *ir;
    const pb_vcpu *vcpu;
    uint64_t key;
    uint64_t pc;
    uint32_t insn; /* the instruction word */
    uint32_t el;
    uint32_t mmu;        /* MMU index of data accesses */
    uint32_t mmu_unpriv; /* of LDTR, STTR */
    bool big_endian, strict_align, check_sp;
    bool load_exclusive; /* the instruction is one */
    bool sp_aligned;     /* sp is a multiple of 16, as the key and what followed say */
    bool sp_moved;       /* by this instruction: the key may not hold behind it */
    uint32_t known;      /* registers that were set to a constant in this unit, one bit each */
    uint64_t known_value[31];
};

/* Meaning of register number 31. */
typedef enum a64_r31 { ZR, SP } a64_r31;

/* ---- verbs: registers ------------------------------------------------------------------------ */

static inline ir_type width_type(uint32_t sf)
{
    return sf ? IR_I64 : IR_I32;
}

/* Register n: 64 bits, or the low 32 if sf is 0. */
ir_val read_x(a64_ctx *c, uint32_t sf, uint32_t n, a64_r31 r31);
/* A write of 32 bits clears the upper half. */
void write_x(a64_ctx *c, uint32_t sf, uint32_t n, a64_r31 r31, ir_val value);
/* Whether register n has a constant: what comes in several instructions (MOVZ and MOVK, ADRP and ADD) is one, and where a
 * function returns to that was called in this unit. */
bool is_known(const a64_ctx *c, uint32_t n, uint64_t *value);
ir_val read_nzcv(a64_ctx *c);
void write_nzcv(a64_ctx *c, ir_val flags);
/* V register n, all of it; or its low 64 bits. */
ir_val read_v(a64_ctx *c, uint32_t n);
void write_v(a64_ctx *c, uint32_t n, ir_val value);
ir_val imm_x(a64_ctx *c, uint32_t sf, uint64_t value);
ir_val read_sys(a64_ctx *c, arm64_sys sys);
void write_sys(a64_ctx *c, arm64_sys sys, ir_val value);

/* Shifted register (C6.1): LSL, LSR, ASR, ROR by a constant. */
ir_val shift_reg(a64_ctx *c, ir_val value, uint32_t type, uint32_t amount);
/* Extended register: UXTB ... SXTX, then shifted left; the result is 64 bits, or 32 if sf is 0. */
ir_val extend_reg(a64_ctx *c, uint32_t sf, uint32_t n, uint32_t option, uint32_t shift);
/* Bitmask immediate (DecodeBitMasks); false if it is reserved. */
bool bitmask_imm(uint32_t sf, uint32_t n, uint32_t imms, uint32_t immr, uint64_t *value);

/* ---- verbs: memory --------------------------------------------------------------------------- */

/* The base register of an address, with the stack pointer's alignment check. */
ir_val base_x(a64_ctx *c, uint32_t n);
ir_val add_imm(a64_ctx *c, ir_val base, int64_t offset);
/* Write a changed base register back. */
void write_base(a64_ctx *c, uint32_t n, ir_val value);
/* As write_base(), where the change is a known number of bytes: sp stays aligned if it is one of
 * 16s. */
void write_base_by(a64_ctx *c, uint32_t n, ir_val value, int64_t bytes);
/* Attribute word of a data access of 1 << size_log2 bytes. */
uint32_t mem_attr(const a64_ctx *c, uint32_t size_log2);
/* The same with the alignment that exclusives and ordered accesses always need. */
uint32_t mem_attr_aligned(const a64_ctx *c, uint32_t size_log2, pb_mem_order order);

/* ---- verbs: control -------------------------------------------------------------------------- */

tr_status end_jump(a64_ctx *c, uint64_t target, ir_jump_hint hint);
tr_status end_jump_ind(a64_ctx *c, ir_val target, ir_jump_hint hint);
tr_status end_branch(a64_ctx *c, ir_val condition, uint64_t taken);
tr_status end_branch_cc(a64_ctx *c, ir_cc cc, uint64_t taken);
/* The unit ends here because what follows has another key, or must not have been fetched yet. */
tr_status end_unit(a64_ctx *c);
/* Call a helper that always takes an exception or leaves, and end. */
tr_status end_call(a64_ctx *c, uint32_t helper, const ir_val *args, uint32_t n);
tr_status end_undefined(a64_ctx *c);

/* ---- helpers --------------------------------------------------------------------------------- */

/* One enumerator a row of helpers.def; SCALAR rows have integers, VECTOR rows 128-bit values. */
#define SCALAR(id_, ...) id_,
#define VECTOR(id_, ...) id_,
enum {
#include "helpers.def"
    HELPER_COUNT
};
#undef SCALAR
#undef VECTOR

#define SCALAR(id_, name_, function_, ...)                                                        \
    uint64_t function_(pb_vcpu *vcpu, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, \
                       uint64_t f);
#define VECTOR(id_, name_, function_, ...) \
    void function_(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args);
#include "helpers.def"
#undef SCALAR
#undef VECTOR

extern const pb_helper arm64_helpers[];

/* PSTATE fields of MSR (immediate): op1 << 3 | op2. */
enum {
    MSR_IMM_UAO = 0 << 3 | 3,
    MSR_IMM_PAN = 0 << 3 | 4,
    MSR_IMM_SPSEL = 0 << 3 | 5,
    MSR_IMM_DAIFSET = 3 << 3 | 6,
    MSR_IMM_DAIFCLR = 3 << 3 | 7,
};

/* Call a helper. */
ir_val call0(a64_ctx *c, uint32_t helper, ir_type result);
ir_val call1(a64_ctx *c, uint32_t helper, ir_type result, ir_val x);
ir_val call2(a64_ctx *c, uint32_t helper, ir_type result, ir_val x, ir_val y);
ir_val call3(a64_ctx *c, uint32_t helper, ir_type result, ir_val x, ir_val y, ir_val z);

#endif
