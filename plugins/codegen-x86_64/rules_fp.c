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
 *   3. Arm's flushing (FPCR.FZ) raises flags of its own, so it is not the host's: denormal operands are made zeros first, in
 *      copies; results that are tiny are redone. Products, quotients, fma and conversions to f32 may have raised inexact for
 *      them, which Arm does not: for those MXCSR is stored before and put back, unless the environment has inexact already (it gets
 *      it wherever emitted code is left). Zeros that are the product or the quotient of one stay.
 *   4. Where invalid operations trap (trap.c) what comes out without one is the guest's already: of two quiet NaNs the first one, as
 *      on Arm. Then sums, differences, quotients and roots are one instruction, of the operands in their order.
 *   5. Environments that raise something else for denormals, or round in ways that x86 has not, take the reference functions; so
 *      does everything but environment 0, whose flags MXCSR collects.
 *
 * The tests: `ucomisd r, r; jp` for NaNs. With the smallest normal number: `ucomisd |r|, tiny; je`, or `jbe` if less is
 * flushed, for ZF is set for unordered operands too. The cold path takes the operands from their registers: the result gets
 * another one.
 */
#include "rules_fp.h"
#include "rules_vec.h"
#include "slow.h"

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

    if (rules->flush_in != rules->flush_out ||
        (rules->flush_in && (rules->tiny_after || fp_nans(c) == FP_NANS_OTHER)))
        return false;
    return env == 0 && env_of(c, 0)->round <= PB_FP_TO_ZERO && !rules->denormal_flags;
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

bool fp_host_half(const cg *c)
{
    const pb_fp_rules *rules = &env_of(c, 0)->rules;

    return rule_has(c, CG_AVX | CG_F16C) && !rules->alt_half && !rules->flush_in16 &&
           !rules->flush_out16;
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

/* ---- invalid operations ------------------------------------------------------------------------------------ */

/* Whether they trap, so that what cannot be tiny needs no test: rule 4. */
static bool traps(const cg *c)
{
    return (c->job->flags & PB_CODE_TRAPS) && cg_can_trap(env_of(c, 0));
}

/* ---- denormal numbers -------------------------------------------------------------------------------------- */

bool fp_flushes(const cg *c)
{
    return env_of(c, 0)->rules.flush_in;
}

static asm_mem flags_of_env(void)
{
    return cg_vcpu(offsetof(pb_vcpu, fp) + offsetof(pb_fp_env, flags));
}

/* t = x where a lane's exponent is zero */
static void denormal_lanes(cg *c, uint32_t es, cg_reg t, cg_reg x)
{
    uint64_t exponent = es == 3 ? UINT64_C(0x7ff0000000000000) : UINT64_C(0x7f800000);

    vec_op_const(c, PAND, t, x, vec_lanes(es, exponent));
    vec_op_const(c, vec_cmeq_forms[es], t, t, ir_sem_v_zero());
    vec_op(c, PAND, t, t, x);
}

void fp_flush_in(cg *c, uint32_t es, bool scalar, cg_reg *args, uint32_t n)
{
    uint64_t magnitude = ir_sem_mask((8u << es) - 1);
    pb_u128 lanes = vec_lanes(es, magnitude);
    cg_reg x[3] = { CG_NO_REG }, t, u = CG_NO_REG;
    uint32_t over;

    if (!fp_flushes(c))
        return;
    for (uint32_t i = 0; i < n; i++) {
        x[i] = cg_temp_vector(c);
        vec_move(c, x[i], args[i]);
    }
    for (uint32_t i = 0; i < n; i++)
        cg_release(c, args[i]);
    t = cg_temp_vector(c);
    denormal_lanes(c, es, t, x[0]);
    if (n > 1)
        u = cg_temp_vector(c);
    for (uint32_t i = 1; i < n; i++) {
        denormal_lanes(c, es, u, x[i]);
        vec_op(c, POR, t, t, u);
    }
    cg_pool_op(c, PTEST | (vec_avx(c) ? ASM_VEX : 0), t - XMM0, 0,
               scalar ? (pb_u128){ magnitude, 0 } : lanes, -1);
    over = asm_jcc(&c->a, CC_E);
    for (uint32_t i = 0; i < n; i++) {
        denormal_lanes(c, es, t, x[i]);
        vec_op_const(c, PAND, t, t, lanes); /* the sign stays */
        vec_op(c, PXOR, x[i], x[i], t);
        args[i] = x[i];
    }
    asm_alu_mem_imm(&c->a, ALU_OR, W32, cg_vcpu(offsetof(pb_vcpu, fp) + offsetof(pb_fp_env, flags)),
                    env_of(c, 0)->rules.flush_in_flags);
    asm_patch(&c->a, over, asm_offset(&c->a));
    cg_release(c, t);
    if (u != CG_NO_REG)
        cg_release(c, u);
}

/* Store or load MXCSR. */
static void move_mxcsr(cg *c, uint32_t op)
{
    uint32_t over;

    asm_rm(&c->a, 0xf6, 0, flags_of_env()); /* test byte, immediate */
    asm_8(&c->a, PB_FP_INEXACT);
    over = asm_jcc(&c->a, CC_NE);
    asm_rm(&c->a, 0xae | ASM_0F, (int)op, cg_frame_at(CG_FRAME_SCRATCH));
    asm_patch(&c->a, over, asm_offset(&c->a));
}

bool fp_keep_flags(cg *c, fp_tiny tiny)
{
    if (tiny != FP_TINY || !fp_flushes(c))
        return false;
    move_mxcsr(c, 3);
    return true;
}

void fp_back_to_kept(cg *c)
{
    move_mxcsr(c, 2);
}

void fp_test(cg *c, const ir_op_record *r, const cg_reg *args, bool swapped, cg_reg result,
             fp_tiny tiny, bool kept)
{
    bool avx = rule_has(c, CG_AVX), wide = fp_double(r->type), flushes = fp_flushes(c);
    uint32_t compare = (wide ? SSE_UCOMISD : SSE_UCOMISS) | (avx ? ASM_VEX : 0), cold;

    if ((tiny == FP_TINY && !env_of(c, 0)->rules.tiny_after) ||
        (tiny == FP_TINY_EXACT && flushes)) {
        uint32_t and = SSE_ANDPS | (avx ? ASM_VEX : 0);
        cg_reg t = cg_temp_vector(c);

        if (!avx)
            asm_rr(&c->a, SSE_MOVAPS_LOAD, t - XMM0, result - XMM0);
        cg_shared_op(c, and, t - XMM0, avx ? result - XMM0 : 0,
                     wide ? SHARED_ABS_64 : SHARED_ABS_32, -1);
        cg_shared_op(c, compare, t - XMM0, 0, wide ? SHARED_TINY_64 : SHARED_TINY_32, -1);
        cg_release(c, t);
        cold = cg_cold_redo(c, asm_jcc(&c->a, flushes ? CC_BE : CC_E), r, args, result);
    } else {
        asm_rr(&c->a, compare, result - XMM0, result - XMM0);
        cold = cg_cold_redo(c, asm_jcc(&c->a, CC_P), r, args, result);
    }
    fp_fix_nans(c, cold, r, args,
                (fp_fix){ result, CG_NO_REG, CG_NO_REG, .swapped = swapped, .kept = kept });
}

/* ---- arithmetic -------------------------------------------------------------------------------------------- */

/* The instruction alone: what is not right traps. */
static void bare_arith(cg *c, const ir_op_record *r, uint32_t op)
{
    bool clean = cg_is_clean(c, r->arg[0]);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg to = cg_def(c, 0, clean && rule_has(c, CG_AVX) ? 0 : CG_SET(b));

    fp_op3(c, op, r->type, to, a, clean, b);
}

/* fadd, fsub, fmul, fdiv */
bool rule_farith(cg *c, const ir_op_record *r)
{
    bool commutes = r->op == IR_OP_FADD || r->op == IR_OP_FMUL, swap;
    uint32_t op = r->op == IR_OP_FADD   ? SSE_ADD
                  : r->op == IR_OP_FSUB ? SSE_SUB
                  : r->op == IR_OP_FMUL ? SSE_MUL
                                        : SSE_DIV;
    fp_tiny tiny = r->op == IR_OP_FMUL || (r->op == IR_OP_FDIV && fp_flushes(c)) ? FP_TINY
                   : r->op == IR_OP_FDIV                                         ? FP_NOT_TINY
                                                                                 : FP_TINY_EXACT;
    cg_reg args[2], to;
    bool kept;

    if (!fp_host_type(r->type) || !fp_host_rounds(c, r))
        return false;
    if (traps(c) && r->op != IR_OP_FMUL) {
        bare_arith(c, r, fp_scalar(op, r->type));
        return true;
    }
    cg_clobber_flags(c);
    args[0] = cg_use(c, r->arg[0]);
    args[1] = cg_use(c, r->arg[1]);
    fp_flush_in(c, fp_es(r->type), true, args, 2);
    to = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]));
    kept = fp_keep_flags(c, tiny);
    swap = commutes && !cg_is_clean(c, r->arg[0]) && cg_is_clean(c, r->arg[1]);
    fp_op3(c, fp_scalar(op, r->type), r->type, to, args[swap], cg_is_clean(c, r->arg[swap]),
           args[!swap]);
    fp_test(c, r, args, swap, to, tiny, kept);
    return true;
}

bool rule_fsqrt(cg *c, const ir_op_record *r)
{
    cg_reg from, to;

    if (!fp_host_type(r->type) || !fp_host_rounds(c, r))
        return false;
    if (!traps(c))
        cg_clobber_flags(c);
    from = cg_use(c, r->arg[0]);
    fp_flush_in(c, fp_es(r->type), true, &from, 1);
    to = cg_def(c, 0, CG_SET(from));
    fp_op2(c, fp_scalar(SSE_SQRT, r->type), to, from, -1);
    if (!traps(c))
        fp_test(c, r, &from, false, to, FP_NOT_TINY, false);
    return true;
}

/* The sum is computed in a copy of the addend. A changed sign of the result would round to the other side. */
bool rule_fma(cg *c, const ir_op_record *r)
{
    uint32_t neg = r->attr >> 6 & 7, op = FMA_231;
    cg_reg args[3], to;
    bool kept;

    if (!fp_host_type(r->type) || !fp_host_rounds(c, r) || !rule_has(c, CG_FMA) ||
        neg & PB_FP_NEG_RESULT)
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < 3; i++)
        args[i] = cg_use(c, r->arg[i]);
    fp_flush_in(c, fp_es(r->type), true, args, 3);
    to = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]) | CG_SET(args[2]));
    kept = fp_keep_flags(c, FP_TINY);
    if (cg_is_clean(c, r->arg[2]))
        asm_sse2(&c->a, true, SSE_MOVAPS_LOAD, to - XMM0, args[2] - XMM0);
    else
        rule_low_lane(c, rule_bits(r), to, args[2]);
    op += (neg & PB_FP_NEG_PRODUCT ? FMA_NEG_PRODUCT : 0) +
          (neg & PB_FP_NEG_ADDEND ? FMA_NEG_ADDEND : 0);
    asm_vrr(&c->a, op | (fp_double(r->type) ? ASM_W : 0), to - XMM0, args[0] - XMM0,
            args[1] - XMM0);
    fp_test(c, r, args, false, to, FP_TINY, kept);
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
    fp_flush_in(c, fp_es(r->type), true, args, 2);
    to = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]));
    asm_sse2(&c->a, avx, compare, args[0] - XMM0, args[1] - XMM0);
    cold = cg_cold_redo(c, asm_jcc(&c->a, CC_P), r, args, to);
    fp_fix_nans(c, cold, r, args, (fp_fix){ to, CG_NO_REG, CG_NO_REG });
    asm_sse3(&c->a, avx, fp_scalar(min ? SSE_MIN : SSE_MAX, r->type), to - XMM0, args[0] - XMM0,
             args[1] - XMM0);
    over = asm_jcc(&c->a, CC_NE);
    asm_sse3(&c->a, avx, min ? SSE_ORPS : SSE_ANDPS, to - XMM0, args[0] - XMM0, args[1] - XMM0);
    asm_patch(&c->a, over, asm_offset(&c->a));
    cg_cold_back(c, cold, to, CG_NO_REG);
    return true;
}
