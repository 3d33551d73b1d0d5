/*
 * Scalar floating point: the host's instruction, and a test of its result.
 *
 * MXCSR has the guest's rounding mode while emitted code runs, and collects the flags. What comes out is right to the bit
 * under these rules:
 *   1. Which NaN a result is depends on the architecture: rules_fp_nan.c makes it the guest's, or it is redone by the reference
 *      function. That raises all flags that the host raised, and perhaps more: invalid is raised for the same operands
 *      everywhere, but for inf * 0 + NaN, where x86 raises nothing. (Denormal-operand, which x86 raises too, is not collected.)
 *   2. Underflow: the host looks whether the result is tiny after rounding, Arm and PowerPC before. That differs only if
 *      the magnitude became the smallest normal number by rounding; such results are redone. Sums and differences that
 *      are tiny are exact (Hauser 1996, theorem 3.4.1). A quotient is never so close below a power of two that
 *      53 bits round up to it: of significands x < y in [1, 2), y - x is at least one unit, so x / y <= 1 - u / y is
 *      below the last number before 1. Roots are never tiny. So products, fma and conversions to f32 are tested.
 *   3. Environments that flush denormals, raise something for them, or round in ways that x86 has not, take the reference
 *      functions; so does everything but environment 0, whose flags MXCSR collects.
 *
 * The tests: `ucomisd r, r; jp` for NaNs. With the smallest normal number: `ucomisd |r|, tiny; je`, for ZF is set for
 * unordered operands too. The cold path takes the operands from their registers: the result gets another one.
 */
#include "rules_fp.h"

/* ---- environments ------------------------------------------------------------------------------------------ */

static const pb_fp_env *env_of(const cg *c, uint32_t env)
{
    return &c->job->vcpu->fp[env];
}

uint32_t fp_round(const cg *c, const ir_op_record *r)
{
    uint32_t rm = r->attr & 15;

    return rm == IR_ROUND_ENV ? env_of(c, r->attr >> 4 & 3)->round : rm;
}

bool fp_host_rules(const cg *c, uint32_t env)
{
    const pb_fp_rules *rules = &env_of(c, env)->rules;

    return env == 0 && env_of(c, 0)->round <= PB_FP_TO_ZERO && !rules->flush_in &&
           !rules->flush_out && !rules->denormal_flags;
}

bool fp_host_rounds(const cg *c, const ir_op_record *r)
{
    uint32_t env = r->attr >> 4 & 3;

    return fp_host_rules(c, env) && fp_round(c, r) == env_of(c, env)->round;
}

bool fp_host_type(uint32_t type)
{
    return type == IR_F32 || type == IR_F64;
}

/* ---- instructions ------------------------------------------------------------------------------------------ */

void fp_op3(cg *c, uint32_t op, uint32_t type, cg_reg d, cg_reg a, bool clean, cg_reg b)
{
    bool avx = rule_has(c, CG_AVX);

    if (!clean)
        rule_low_lane(c, fp_double(type) ? 64 : 32, d, a);
    else if (!avx && d != a)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, d - XMM0, a - XMM0);
    asm_vrr(&c->a, op | (avx ? ASM_VEX : 0), d - XMM0, clean ? a - XMM0 : d - XMM0, b - XMM0);
}

void fp_op2(cg *c, uint32_t op, cg_reg d, cg_reg b, int imm)
{
    bool avx = rule_has(c, CG_AVX);

    asm_sse3(&c->a, avx, SSE_PXOR, d - XMM0, d - XMM0, d - XMM0);
    asm_vrr(&c->a, op | (avx ? ASM_VEX : 0), d - XMM0, d - XMM0, b < XMM0 ? b : b - XMM0);
    if (imm >= 0)
        asm_8(&c->a, (uint32_t)imm);
}

void fp_test(cg *c, const ir_op_record *r, const cg_reg *args, bool swapped, cg_reg result,
             bool tiny)
{
    bool avx = rule_has(c, CG_AVX), wide = fp_double(r->type);
    uint32_t compare = (wide ? SSE_UCOMISD : SSE_UCOMISS) | (avx ? ASM_VEX : 0), cold;

    if (tiny && !env_of(c, 0)->rules.tiny_after) {
        uint32_t and = SSE_ANDPS | (avx ? ASM_VEX : 0);
        cg_reg t = cg_temp_vector(c);

        if (!avx)
            asm_rr(&c->a, SSE_MOVAPS_LOAD, t - XMM0, result - XMM0);
        cg_shared_op(c, and, t - XMM0, avx ? result - XMM0 : 0,
                     wide ? SHARED_ABS_64 : SHARED_ABS_32, -1);
        cg_shared_op(c, compare, t - XMM0, 0, wide ? SHARED_TINY_64 : SHARED_TINY_32, -1);
        cg_release(c, t);
        cold = cg_cold_redo(c, asm_jcc(&c->a, CC_E), r, args, result);
    } else {
        asm_rr(&c->a, compare, result - XMM0, result - XMM0);
        cold = cg_cold_redo(c, asm_jcc(&c->a, CC_P), r, args, result);
    }
    fp_fix_nans(c, cold, r, args, swapped, result, CG_NO_REG, CG_NO_REG);
}

/* ---- arithmetic -------------------------------------------------------------------------------------------- */

/* fadd, fsub, fmul, fdiv */
bool rule_farith(cg *c, const ir_op_record *r)
{
    bool commutes = r->op == IR_OP_FADD || r->op == IR_OP_FMUL, swap;
    uint32_t op = r->op == IR_OP_FADD   ? SSE_ADD
                  : r->op == IR_OP_FSUB ? SSE_SUB
                  : r->op == IR_OP_FMUL ? SSE_MUL
                                        : SSE_DIV;
    cg_reg args[2], to;

    if (!fp_host_type(r->type) || !fp_host_rounds(c, r))
        return false;
    cg_clobber_flags(c);
    args[0] = cg_use(c, r->arg[0]);
    args[1] = cg_use(c, r->arg[1]);
    to = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]));
    swap = commutes && !cg_is_clean(c, r->arg[0]) && cg_is_clean(c, r->arg[1]);
    fp_op3(c, fp_scalar(op, r->type), r->type, to, args[swap], cg_is_clean(c, r->arg[swap]),
           args[!swap]);
    fp_test(c, r, args, swap, to, r->op == IR_OP_FMUL);
    return true;
}

bool rule_fsqrt(cg *c, const ir_op_record *r)
{
    cg_reg from, to;

    if (!fp_host_type(r->type) || !fp_host_rounds(c, r))
        return false;
    cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, CG_SET(from));
    fp_op2(c, fp_scalar(SSE_SQRT, r->type), to, from, -1);
    fp_test(c, r, &from, false, to, false);
    return true;
}

/* The sum is computed in a copy of the addend. A changed sign of the result would round to the other side. */
bool rule_fma(cg *c, const ir_op_record *r)
{
    uint32_t neg = r->attr >> 6 & 7, op = FMA_231;
    cg_reg args[3], to;

    if (!fp_host_type(r->type) || !fp_host_rounds(c, r) || !rule_has(c, CG_FMA) ||
        neg & PB_FP_NEG_RESULT)
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < 3; i++)
        args[i] = cg_use(c, r->arg[i]);
    to = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]) | CG_SET(args[2]));
    if (cg_is_clean(c, r->arg[2]))
        asm_sse2(&c->a, true, SSE_MOVAPS_LOAD, to - XMM0, args[2] - XMM0);
    else
        rule_low_lane(c, rule_bits(r), to, args[2]);
    op += (neg & PB_FP_NEG_PRODUCT ? FMA_NEG_PRODUCT : 0) +
          (neg & PB_FP_NEG_ADDEND ? FMA_NEG_ADDEND : 0);
    asm_vrr(&c->a, op | (fp_double(r->type) ? ASM_W : 0), to - XMM0, args[0] - XMM0,
            args[1] - XMM0);
    fp_test(c, r, args, false, to, true);
    return true;
}

/* ---- signs ------------------------------------------------------------------------------------------------- */

bool rule_fneg(cg *c, const ir_op_record *r)
{
    bool avx = rule_has(c, CG_AVX);
    cg_reg from, to;

    if (!fp_host_type(r->type))
        return false;
    from = cg_use_clean(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (!avx && to != from)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, to - XMM0, from - XMM0);
    cg_shared_op(c, SSE_XORPS | (avx ? ASM_VEX : 0), to - XMM0, from - XMM0,
                 fp_double(r->type) ? SHARED_SIGN_64 : SHARED_SIGN_32, -1);
    return true;
}

/* What is above the operand is cleared too. */
bool rule_fabs(cg *c, const ir_op_record *r)
{
    bool avx = rule_has(c, CG_AVX);
    cg_reg from, to;

    if (!fp_host_type(r->type))
        return false;
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (!avx && to != from)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, to - XMM0, from - XMM0);
    cg_shared_op(c, SSE_ANDPS | (avx ? ASM_VEX : 0), to - XMM0, from - XMM0,
                 fp_double(r->type) ? SHARED_ABS_64 : SHARED_ABS_32, -1);
    return true;
}

/* ---- minimum, maximum ---------------------------------------------------------------------------------------- */

/* fmin, fmax, fminnm, fmaxnm: NaNs first, for the instruction raises invalid for all of them. Of equal operands it gives the
 * second one, which is wrong for zeros of different signs: bitwise or has the minimum's sign, and the maximum's. */
bool rule_fminmax(cg *c, const ir_op_record *r)
{
    bool avx = rule_has(c, CG_AVX), wide = fp_double(r->type);
    bool min = r->op == IR_OP_FMIN || r->op == IR_OP_FMINNM;
    uint32_t compare = wide ? SSE_UCOMISD : SSE_UCOMISS, cold, over;
    cg_reg args[2], to;

    if (!fp_host_type(r->type) || !fp_host_rules(c, r->attr & 3))
        return false;
    cg_clobber_flags(c);
    args[0] = cg_use_clean(c, r->arg[0]);
    args[1] = cg_use_clean(c, r->arg[1]);
    to = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]));
    asm_sse2(&c->a, avx, compare, args[0] - XMM0, args[1] - XMM0);
    cold = cg_cold_redo(c, asm_jcc(&c->a, CC_P), r, args, to);
    fp_fix_nans(c, cold, r, args, false, to, CG_NO_REG, CG_NO_REG);
    asm_sse3(&c->a, avx, fp_scalar(min ? SSE_MIN : SSE_MAX, r->type), to - XMM0, args[0] - XMM0,
             args[1] - XMM0);
    over = asm_jcc(&c->a, CC_NE);
    asm_sse3(&c->a, avx, min ? SSE_ORPS : SSE_ANDPS, to - XMM0, args[0] - XMM0, args[1] - XMM0);
    asm_patch(&c->a, over, asm_offset(&c->a));
    cg_cold_back(c, cold, to, CG_NO_REG);
    return true;
}
