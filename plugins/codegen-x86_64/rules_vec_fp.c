/*
 * Floating point by lanes of 32 and 64 bits: the host's instruction, and a test of all lanes of its result. What is exact
 * and why is told in rules_fp.c; the same holds of each lane, and one lane that the reference function is needed for has all of
 * them redone: flags that other lanes have raised are raised again.
 *
 * The lanes above a 64-bit vector are made zero first, a divisor's one, so that they raise nothing.
 */
#include "rules_fp.h"
#include "rules_vec.h"

enum {
    CMPPS = 0xc2 | ASM_0F, /* an immediate follows, one of these */
    CMP_EQ = 0,
    CMP_LT = 1, /* LT, LE, NLT: raise invalid for quiet NaNs too */
    CMP_LE = 2,
    CMP_UNORDERED = 3,
    CMP_NLT = 5,
    CVTDQ2PS = 0x5b | ASM_0F,
    CVTPS2DQ = 0x5b | ASM_0F | ASM_66,
    CVTTPS2DQ = 0x5b | ASM_0F | ASM_F3,
    CVTPS2PD = 0x5a | ASM_0F,
    CVTPD2PS = 0x5a | ASM_0F | ASM_66,
    ROUNDPS = P_3A(0x08),
    ROUNDPD = P_3A(0x09),
};

/* ---- records ------------------------------------------------------------------------------------------------------ */

/* es:2 rm:4 env:2, then neg or n. */
static uint32_t env_of(const ir_op_record *r)
{
    return r->attr >> 6 & 3;
}

static uint32_t behind_env(const ir_op_record *r)
{
    return r->attr >> 8 & 0xff;
}

static uint32_t round_of(const cg *c, const ir_op_record *r)
{
    uint32_t rm = r->attr >> 2 & 15;

    return rm == IR_ROUND_ENV ? c->job->vcpu->fp[env_of(r)].round : rm;
}

static bool host_size(const ir_op_record *r)
{
    return vec_es(r) >= 2;
}

/* Whether the host rounds as the record wants. */
static bool host_rounds(const cg *c, const ir_op_record *r)
{
    return host_size(r) && fp_host_rules(c, env_of(r)) &&
           round_of(c, r) == c->job->vcpu->fp[env_of(r)].round;
}

/* Immediate of ROUNDPS, or -1. */
static int round_control(uint32_t round)
{
    static const int8_t controls[] = {
        [PB_FP_NEAREST_EVEN] = 0, [PB_FP_UP] = 2, [PB_FP_DOWN] = 1, [PB_FP_TO_ZERO] = 3
    };

    return round < sizeof(controls) ? controls[round] : -1;
}

/* ---- pieces --------------------------------------------------------------------------------------------------------- */

/* The form for a lane size: 66 is double. */
static uint32_t packed(uint32_t op, uint32_t es)
{
    return es == 3 ? op | ASM_66 : op;
}

static pb_u128 sign_lanes(uint32_t es)
{
    return vec_lanes(es, ir_sem_sign(8u << es));
}

/* The operand with zeros above. */
static cg_reg use_clean(cg *c, uint32_t id)
{
    cg_reg r = cg_use(c, id), t;

    if (cg_is_clean(c, id))
        return r;
    t = cg_temp_vector(c);
    vec_unary(c, SSE_MOVQ_LOAD, t, r);
    cg_release(c, r);
    return t;
}

/* Go to the cold path if t has a bit set. */
static uint32_t redo_if_any(cg *c, const ir_op_record *r, const cg_reg *args, cg_reg d, cg_reg t)
{
    vec_unary(c, PTEST, t, t);
    return cg_cold_redo(c, asm_jcc(&c->a, CC_NE), r, args, d);
}

/* The same if a & constant has. */
static uint32_t redo_if_masked(cg *c, const ir_op_record *r, const cg_reg *args, cg_reg d, cg_reg a,
                               pb_u128 mask)
{
    cg_pool_op(c, PTEST | (vec_avx(c) ? ASM_VEX : 0), a - XMM0, 0, mask, -1);
    return cg_cold_redo(c, asm_jcc(&c->a, CC_NE), r, args, d);
}

/* u = bits in lanes of d that are tiny or may be; w is changed. With `flushes`: zeros too, unless the result is exact. */
static void tiny_lanes(cg *c, const ir_op_record *r, uint32_t es, cg_reg d, fp_tiny tiny, cg_reg u,
                       cg_reg w)
{
    uint64_t magnitude = ir_sem_mask((8u << es) - 1);
    uint64_t smallest = es == 3 ? UINT64_C(1) << 52 : UINT64_C(1) << 23;

    if (fp_flushes(c)) {
        vec_op_const(c, PAND, w, d, vec_lanes(es, magnitude - (smallest - 1)));
        vec_op_const(c, vec_cmeq_forms[es], w, w, ir_sem_v_zero());
    }
    vec_op_const(c, PAND, u, d, vec_lanes(es, magnitude));
    if (tiny == FP_TINY_EXACT) {
        vec_op(c, PAND, u, u, w);
        return;
    }
    vec_op_const(c, vec_cmeq_forms[es], u, u, vec_lanes(es, smallest));
    if (fp_flushes(c)) {
        vec_op(c, POR, u, u, w);
        if (rule_bits(r) == 64)
            vec_unary(c, SSE_MOVQ_LOAD, u, u);
    }
}

/* What comes to the cold path, of lanes of this size: NaNs in the result, unless it may have them, and what may be tiny. */
static void guard(cg *c, const ir_op_record *r, uint32_t es, const cg_reg *args, cg_reg d,
                  bool nans, fp_tiny tiny, bool kept)
{
    cg_reg t, u = CG_NO_REG;
    uint32_t cold;

    if (tiny == FP_TINY_EXACT ? !fp_flushes(c) : c->job->vcpu->fp[0].rules.tiny_after)
        tiny = FP_NOT_TINY;
    if (!nans && !tiny)
        return;
    t = cg_temp_vector(c);
    if (tiny) {
        u = cg_temp_vector(c);
        tiny_lanes(c, r, es, d, tiny, u, t);
    }
    if (!nans && !fp_flushes(c)) {
        redo_if_any(c, r, args, d, u);
        return;
    }
    vec_op_imm(c, packed(CMPPS, es), t, d, d, CMP_UNORDERED);
    if (tiny) {
        cg_reg any = cg_temp_vector(c);

        vec_op(c, POR, any, t, u);
        cold = redo_if_any(c, r, args, d, any);
        cg_release(c, any);
    } else {
        cold = redo_if_any(c, r, args, d, t);
    }
    fp_fix_nans(c, cold, r, args, (fp_fix){ d, t, u, .kept = kept });
    cg_release(c, t);
    if (tiny)
        cg_release(c, u);
}

/* ---- arithmetic ------------------------------------------------------------------------------------------------------ */

/* v.fadd, v.fsub, v.fmul, v.fdiv */
bool rule_v_farith(cg *c, const ir_op_record *r)
{
    static const uint32_t forms[4] = { SSE_ADD, SSE_SUB, SSE_MUL, SSE_DIV };
    uint32_t es = vec_es(r);
    fp_tiny tiny = r->op == IR_OP_V_FMUL || (r->op == IR_OP_V_FDIV && fp_flushes(c)) ? FP_TINY
                   : r->op == IR_OP_V_FDIV                                           ? FP_NOT_TINY
                                           : FP_TINY_EXACT;
    cg_reg args[2], d;
    bool kept;

    if (!host_rounds(c, r))
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < 2; i++)
        args[i] = use_clean(c, r->arg[i]);
    fp_flush_in(c, es, false, args, 2);
    if (r->op == IR_OP_V_FDIV && rule_bits(r) == 64) {
        uint64_t one = es == 3 ? 0x3ff0000000000000 : 0x3f8000003f800000;
        cg_reg t = cg_temp_vector(c);

        vec_op_const(c, POR, t, args[1], (pb_u128){ 0, one });
        args[1] = t;
    }
    d = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]));
    kept = fp_keep_flags(c, tiny);
    vec_op(c, packed(forms[r->op - IR_OP_V_FADD], es), d, args[0], args[1]);
    guard(c, r, es, args, d, true, tiny, kept);
    if (r->op == IR_OP_V_FSUB) /* rounding down, 0 - 0 is -0 */
        vec_done(c, r, d);
    return true;
}

bool rule_v_fsqrt(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    cg_reg a, d;

    if (!host_rounds(c, r))
        return false;
    cg_clobber_flags(c);
    a = use_clean(c, r->arg[0]);
    fp_flush_in(c, es, false, &a, 1);
    d = cg_def(c, 0, CG_SET(a));
    vec_unary(c, packed(SSE_SQRT, es), d, a);
    guard(c, r, es, &a, d, true, FP_NOT_TINY, false);
    return true;
}

bool rule_v_fma(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), neg = behind_env(r) & 7, op = FMA_231 - 1; /* packed */
    cg_reg args[3], d;
    bool kept;

    if (!host_rounds(c, r) || !rule_has(c, CG_FMA) || neg & PB_FP_NEG_RESULT)
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < 3; i++)
        args[i] = use_clean(c, r->arg[i]);
    fp_flush_in(c, es, false, args, 3);
    d = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]) | CG_SET(args[2]));
    kept = fp_keep_flags(c, FP_TINY);
    vec_move(c, d, args[2]);
    op += (neg & PB_FP_NEG_PRODUCT ? FMA_NEG_PRODUCT : 0) +
          (neg & PB_FP_NEG_ADDEND ? FMA_NEG_ADDEND : 0);
    asm_vrr(&c->a, op | (es == 3 ? ASM_W : 0), d - XMM0, args[0] - XMM0, args[1] - XMM0);
    guard(c, r, es, args, d, true, FP_TINY, kept);
    /* A product with a changed sign, or less a zero, is -0 above. */
    if (neg)
        vec_done(c, r, d);
    return true;
}

bool rule_v_fsign(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    bool neg = r->op == IR_OP_V_FNEG;
    cg_reg a = cg_use(c, r->arg[0]), d = cg_def(c, 0, 0);

    vec_op_const(c, neg ? PXOR : PAND, d, a,
                 vec_lanes(es, neg ? ir_sem_sign(8u << es) : ir_sem_mask((8u << es) - 1)));
    if (neg)
        vec_done(c, r, d);
    else
        vec_done_zero(c, r, d);
    return true;
}

/* NaNs first: the instruction raises invalid for all of them. Of equal operands it gives the second one: both ways, and the
 * zeros' signs are put together. */
bool rule_v_fminmax(cg *c, const ir_op_record *r)
{
    bool min = r->op == IR_OP_V_FMIN || r->op == IR_OP_V_FMINNM;
    uint32_t es = vec_es(r), form = packed(min ? SSE_MIN : SSE_MAX, es), cold;
    cg_reg args[2], t, d;

    if (!host_size(r) || !fp_host_rules(c, r->attr >> 2 & 3))
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < 2; i++)
        args[i] = use_clean(c, r->arg[i]);
    fp_flush_in(c, es, false, args, 2);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(args[0]) | CG_SET(args[1]));
    vec_op_imm(c, packed(CMPPS, es), t, args[0], args[1], CMP_UNORDERED);
    cold = redo_if_any(c, r, args, d, t);
    fp_fix_nans(c, cold, r, args, (fp_fix){ d, t, CG_NO_REG });
    vec_op(c, form, t, args[0], args[1]);
    vec_op(c, form, d, args[1], args[0]);
    vec_op(c, min ? POR : PAND, d, d, t);
    cg_cold_back(c, cold, d, CG_NO_REG);
    return true;
}

/* ---- comparison -------------------------------------------------------------------------------------------------------- */

/* Exact with NaNs too, and their flags. */
bool rule_v_fcompare(cg *c, const ir_op_record *r)
{
    bool eq = r->op == IR_OP_V_FCMEQ;
    cg_reg args[2], d;

    if (!host_size(r) || !fp_host_rules(c, r->attr >> 2 & 3))
        return false;
    if (fp_flushes(c))
        cg_clobber_flags(c);
    args[0] = use_clean(c, r->arg[!eq]); /* a >= b as b <= a */
    args[1] = use_clean(c, r->arg[eq]);
    fp_flush_in(c, vec_es(r), false, args, 2);
    d = vec_def(c, args[1]);
    vec_op_imm(c, packed(CMPPS, vec_es(r)), d, args[0], args[1],
               eq                       ? CMP_EQ
               : r->op == IR_OP_V_FCMGE ? CMP_LE
                                        : CMP_LT);
    if (r->op != IR_OP_V_FCMGT)
        vec_done(c, r, d);
    return true;
}

/* ---- conversions --------------------------------------------------------------------------------------------------------- */

/* d = integers of a's lanes, toward zero; x is for lanes of 64 bits. */
static void truncate_lanes(cg *c, uint32_t es, cg_reg d, cg_reg a, cg_reg t, cg_reg x)
{
    bool avx = vec_avx(c);

    if (es == 2) {
        vec_unary(c, CVTTPS2DQ, d, a);
        return;
    }
    vec_unary_imm(c, PSHUFD, t, a, 0xee);
    asm_sse2(&c->a, avx, SSE_TRUNCATE | SSE_SD | ASM_W, x, a - XMM0);
    asm_sse2(&c->a, avx, SSE_MOVD_LOAD | ASM_W, d - XMM0, x);
    asm_sse2(&c->a, avx, SSE_TRUNCATE | SSE_SD | ASM_W, x, t - XMM0);
    asm_sse2(&c->a, avx, SSE_MOVD_LOAD | ASM_W, t - XMM0, x);
    vec_op(c, PUNPCKLQDQ, d, d, t);
}

/* Bits of two to the power n in a lane. */
static uint64_t power_of_two(uint32_t es, int32_t n)
{
    return es == 3 ? (uint64_t)(n + 1023) << 52 : (uint64_t)(n + 127) << 23;
}

/* d = x's lanes rounded to integral values, ties away from zero: what cutting them off leaves is exact, and so is one more if that
 * is half or more. Lanes from 2^52 (2^23) on, infinities and NaNs have no fraction, and are left out of the differences,
 * which would raise something. The sign is x's, also of zero. quiet: 8, or 0 to raise inexact. rest, one: scratch. */
static void round_away(cg *c, uint32_t es, cg_reg d, cg_reg x, cg_reg rest, cg_reg one, int quiet)
{
    uint64_t magnitude = ir_sem_mask((8u << es) - 1);

    vec_op_const(c, PAND, rest, x, vec_lanes(es, magnitude));
    vec_const(c, one, vec_lanes(es, power_of_two(es, es == 3 ? 52 : 23)));
    vec_op(c, vec_cmgt_forms[es], one, one, rest);
    vec_unary_imm(c, es == 3 ? ROUNDPD : ROUNDPS, d, x, (uint32_t)(3 | quiet));
    vec_move(c, rest, x);
    vec_op(c, PAND, rest, rest, one);
    vec_op(c, PAND, one, one, d);
    vec_op(c, packed(SSE_SUB, es), rest, rest, one);
    vec_op_const(c, PAND, rest, rest, vec_lanes(es, magnitude));
    vec_const(c, one, vec_lanes(es, power_of_two(es, -1)));
    vec_op_imm(c, packed(CMPPS, es), one, one, rest, CMP_LE);
    vec_op_const(c, PAND, one, one, vec_lanes(es, power_of_two(es, 0)));
    vec_op_const(c, PAND, rest, x, sign_lanes(es));
    vec_op(c, POR, one, one, rest);
    vec_op(c, packed(SSE_ADD, es), d, d, one);
}

/* The cold path for what is not surely in range with n fraction bits, before anything is raised for it: below -2^(bits - 1 - n),
 * or there or above; of unsigned integers what is negative too. t: scratch. */
static uint32_t redo_out_of_range(cg *c, const ir_op_record *r, const cg_reg *a, cg_reg d, cg_reg t,
                                  uint32_t n)
{
    uint32_t es = vec_es(r), bits = 8u << es;
    uint64_t limit = power_of_two(es, (int32_t)(bits - 1 - n));

    vec_op_const(c, PAND, t, *a, vec_lanes(es, ir_sem_mask(bits - 1)));
    vec_op_const(c, vec_cmgt_forms[es], t, t, vec_lanes(es, limit - 1));
    if (r->op == IR_OP_V_FCVT_S)
        return redo_if_any(c, r, a, d, t);
    vec_op(c, POR, t, t, *a);
    return redo_if_masked(c, r, a, d, t, sign_lanes(es));
}

/* v.fcvt.s, v.fcvt.u. Of signed integers the smallest is what the host gives if one is out of range. Unsigned ones are those
 * that are positive as signed ones; the others are redone before the host raises anything for them. So are all if they are
 * scaled or rounded in steps. */
bool rule_v_ftoi(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = behind_env(r), round = round_of(c, r), cold = CG_NONE;
    bool away = round == PB_FP_NEAREST_AWAY, steps = away || n || r->op == IR_OP_V_FCVT_U;
    int control = round_control(round);
    cg_reg a, t, from, scaled, d, x, rest = CG_NO_REG, one = CG_NO_REG;

    if (!host_size(r) || (control < 0 && !away) || !fp_host_rules(c, env_of(r)))
        return false;
    cg_clobber_flags(c);
    a = use_clean(c, r->arg[0]);
    fp_flush_in(c, es, false, &a, 1);
    from = scaled = a;
    t = cg_temp_vector(c);
    x = es == 3 ? cg_temp(c) : CG_NO_REG;
    if (n)
        from = scaled = cg_temp_vector(c);
    if (control != 3)
        from = cg_temp_vector(c);
    if (away) {
        rest = cg_temp_vector(c);
        one = cg_temp_vector(c);
    }
    d = cg_def(c, 0, CG_SET(a));
    if (steps)
        cold = redo_out_of_range(c, r, &a, d, t, n);
    if (n)
        vec_op_const(c, packed(SSE_MUL, es), scaled, a,
                     vec_lanes(es, power_of_two(es, (int32_t)n)));
    if (away)
        round_away(c, es, from, scaled, rest, one, 0);
    else if (control != 3)
        vec_unary_imm(c, es == 3 ? ROUNDPD : ROUNDPS, from, scaled, (uint32_t)control);
    truncate_lanes(c, es, d, from, t, x);
    if (steps) {
        cg_cold_back(c, cold, d, CG_NO_REG);
    } else {
        vec_op_const(c, vec_cmeq_forms[es], t, d, sign_lanes(es));
        redo_if_any(c, r, &a, d, t);
    }
    return true;
}

/* d = a's lanes, signed integers, as numbers; x is for lanes of 64 bits. */
static void convert_lanes(cg *c, uint32_t es, cg_reg d, cg_reg a, cg_reg t, cg_reg x)
{
    bool avx = vec_avx(c);

    if (es == 2) {
        vec_unary(c, CVTDQ2PS, d, a);
        return;
    }
    asm_sse2(&c->a, avx, SSE_MOVD_STORE | ASM_W, a - XMM0, x);
    fp_op2(c, SSE_FROM_INT | SSE_SD | ASM_W, d, x, -1);
    asm_sse2(&c->a, avx, SSE_PEXTRQ, a - XMM0, x);
    asm_8(&c->a, 1);
    fp_op2(c, SSE_FROM_INT | SSE_SD | ASM_W, t, x, -1);
    vec_op(c, PUNPCKLQDQ, d, d, t);
}

/* v.scvt.f, v.ucvt.f. Fraction bits: the product with a power of two is exact. */
bool rule_v_itof(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), u = r->op == IR_OP_V_UCVT_F, n = behind_env(r), cold = 0;
    cg_reg a, t, d, x;

    if (!host_rounds(c, r))
        return false;
    if (u)
        cg_clobber_flags(c);
    a = use_clean(c, r->arg[0]);
    t = cg_temp_vector(c);
    x = es == 3 ? cg_temp(c) : CG_NO_REG;
    d = cg_def(c, 0, CG_SET(a));
    if (u)
        cold = redo_if_masked(c, r, &a, d, a, sign_lanes(es));
    convert_lanes(c, es, d, a, t, x);
    if (n)
        vec_op_const(c, packed(SSE_MUL, es), d, d, vec_lanes(es, power_of_two(es, -(int32_t)n)));
    if (u)
        cg_cold_back(c, cold, d, CG_NO_REG);
    return true;
}

bool rule_v_frint(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), round = round_of(c, r);
    int control = round_control(round), quiet = behind_env(r) & 1 ? 0 : 8;
    bool away = round == PB_FP_NEAREST_AWAY;
    cg_reg a, d, rest = CG_NO_REG, one = CG_NO_REG;

    if (!host_size(r) || (control < 0 && !away) || !fp_host_rules(c, env_of(r)))
        return false;
    cg_clobber_flags(c);
    a = use_clean(c, r->arg[0]);
    fp_flush_in(c, es, false, &a, 1);
    if (away) {
        rest = cg_temp_vector(c);
        one = cg_temp_vector(c);
    }
    d = cg_def(c, 0, CG_SET(a));
    if (away) {
        round_away(c, es, d, a, rest, one, quiet);
        cg_release(c, rest);
        cg_release(c, one);
    } else {
        vec_unary_imm(c, es == 3 ? ROUNDPD : ROUNDPS, d, a, (uint32_t)(control | quiet));
    }
    guard(c, r, es, &a, d, !fp_host_quiets(c), FP_NOT_TINY, false);
    return true;
}

/* v.fcvtl, v.fcvtn of f16 and f32. Widening is exact; what narrowing makes the smallest normal number may have been tiny before it
 * was rounded. */
static bool resize_halves(cg *c, const ir_op_record *r, bool wider)
{
    bool nans = !fp_host_quiets(c);
    cg_reg a, t, u = CG_NO_REG, d;

    if (!fp_host_half(c) || !(wider ? fp_host_rules(c, r->attr >> 2 & 3)
                                    : fp_host_rules(c, env_of(r)) &&
                                          round_of(c, r) == c->job->vcpu->fp[env_of(r)].round))
        return false;
    cg_clobber_flags(c);
    a = cg_use(c, r->arg[0]);
    if (!wider)
        fp_flush_in(c, 2, false, &a, 1);
    t = cg_temp_vector(c);
    if (!wider && nans)
        u = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a));
    if (wider) {
        vec_unary(c, VCVTPH2PS, d, a);
        if (!nans)
            return true;
        vec_op_imm(c, CMPPS, t, d, d, CMP_UNORDERED);
    } else {
        vec_unary_imm(c, VCVTPS2PH, a, d, FP_HALF_ROUND);
        vec_op_const(c, PAND, t, d, vec_lanes(1, 0x7fff));
        if (nans)
            vec_op_const(c, PCMPGTW, u, t, vec_lanes(1, FP_HALF_INFINITY));
        vec_op_const(c, PCMPEQW, t, t, vec_lanes(1, FP_HALF_TINY));
        if (nans)
            vec_op(c, POR, t, t, u);
    }
    redo_if_any(c, r, &a, d, t);
    return true;
}

/* v.fcvtl, v.fcvtn between f32 and f64; es is the smaller one. */
bool rule_v_fresize(cg *c, const ir_op_record *r)
{
    bool wider = r->op == IR_OP_V_FCVTL, kept;
    fp_tiny tiny = wider ? FP_NOT_TINY : FP_TINY;
    cg_reg a, d;

    if (vec_es(r) == 1)
        return resize_halves(c, r, wider);
    if (vec_es(r) != 2 || !(wider ? fp_host_rules(c, r->attr >> 2 & 3) : host_rounds(c, r)))
        return false;
    cg_clobber_flags(c);
    a = use_clean(c, r->arg[0]);
    fp_flush_in(c, wider ? 2 : 3, false, &a, 1);
    d = cg_def(c, 0, CG_SET(a));
    kept = fp_keep_flags(c, tiny);
    vec_unary(c, wider ? CVTPS2PD : CVTPD2PS, d, a);
    guard(c, r, wider ? 3 : 2, &a, d, !fp_host_quiets(c), tiny, kept);
    return true;
}
