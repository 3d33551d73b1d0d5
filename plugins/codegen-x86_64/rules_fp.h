/*
 * What rules of floating point share: whether the host's arithmetic can be used, and the tests of its results.
 */
#ifndef CODEGEN_X86_64_RULES_FP_H
#define CODEGEN_X86_64_RULES_FP_H

#include "rules.h"

/* The rounding mode of a record by its rm attribute: PB_FP_NEAREST_EVEN ... */
uint32_t fp_round(const cg *c, const ir_op_record *r);
/* Whether host instructions give results and flags by the rules of environment `env`, but for what the tests below find. */
bool fp_host_rules(const cg *c, uint32_t env);
/* The same for an operation that rounds as its rm attribute says: MXCSR has that mode. */
bool fp_host_rounds(const cg *c, const ir_op_record *r);
/* f32 or f64. */
bool fp_host_type(uint32_t type);
/* Whether the host converts f16 by the rules of environment 0: not if they have flushing or ranges of their own for it. */
bool fp_host_half(const cg *c);
/* VCVTPS2PH's immediate: round as MXCSR says. */
enum { FP_HALF_ROUND = 4, FP_HALF_TINY = 0x0400, FP_HALF_INFINITY = 0x7c00 };

/* Whether it is f64; the prefix of scalar instructions. */
static inline bool fp_double(uint32_t type)
{
    return type == IR_F64;
}
/* Its log2 of bytes. */
static inline uint32_t fp_es(uint32_t type)
{
    return fp_double(type) ? 3 : 2;
}
static inline uint32_t fp_scalar(uint32_t op, uint32_t type)
{
    return op | (fp_double(type) ? SSE_SD : SSE_SS);
}

/* d = a op b for a scalar instruction, whose result has what a has above the type; zeros if a is not clean. d is not b. */
void fp_op3(cg *c, uint32_t op, uint32_t type, cg_reg d, cg_reg a, bool clean, cg_reg b);
/* d = op b, zeros above. */
void fp_op2(cg *c, uint32_t op, cg_reg d, cg_reg b, int imm);
/* Whether environment 0 has denormal numbers as zeros (FPCR.FZ). */
bool fp_flushes(const cg *c);
/* In such an environment: the operands, n of them, to registers of their own, their denormal lanes (of 4 or 8 bytes, es; scalar: the
 * lowest one) as zeros, and what that raises raised. The host's flags are not the guest's behind it. */
void fp_flush_in(cg *c, uint32_t es, bool scalar, cg_reg *args, uint32_t n);

/* How results can be tiny. */
typedef enum fp_tiny {
    FP_NOT_TINY,
    FP_TINY_EXACT, /* only without being rounded: sums */
    FP_TINY,
} fp_tiny;
/* Before the instruction: if its result may have to be flushed, the flags are kept for fp_fix_nans() and the redo. */
bool fp_keep_flags(cg *c, fp_tiny tiny);
/* The flags that were kept are the host's again. */
void fp_back_to_kept(cg *c);
/* A NaN in `result` goes to the cold path, and a tiny number if Arm and the host see that otherwise: what may have been rounded
 * up to the smallest normal number, or anything that has to be flushed. swapped: the host's first operand is the second one. */
void fp_test(cg *c, const ir_op_record *r, const cg_reg *args, bool swapped, cg_reg result,
             fp_tiny tiny, bool kept);

/* Which NaNs come out of environment 0, as far as code on cold paths knows. */
typedef enum fp_nan_way {
    FP_NANS_OTHER,
    FP_NANS_ARM,
    FP_NANS_DEFAULT, /* always Arm's default NaN */
} fp_nan_way;
fp_nan_way fp_nans(const cg *c);
fp_nan_way fp_nans_by(const pb_fp_rules *rules);
/* Whether a NaN that is the only operand comes out quieted, as the host has it. */
bool fp_host_quiets(const cg *c);
/* Let a cold path (cg_cold_redo) first look for NaNs. t, u: registers that are free from there on, CG_NO_REG if there are none.
 * Lanes: in t are ones in the lanes with NaNs, and in u, if it is there, some bits in those that the function is wanted for.
 * swapped, kept: as above. */
typedef struct fp_fix {
    cg_reg result, t, u;
    bool swapped, kept;
} fp_fix;
void fp_fix_nans(cg *c, uint32_t cold, const ir_op_record *r, const cg_reg *args, fp_fix fix);

#endif
