/*
 * Arm's estimates, Newton steps and conversions that no other architecture has. Arm ARM DDI 0487,
 * shared/functions/float; the functions are named in patchbay/fp.h. Not here: FPCR.AH == 1 and the
 * 12-bit estimates of FEAT_RPRES that go with it.
 */
#include "sig64.h"

#include "arith.h"
#include "convert.h"

/* ---- estimates ---- */

/* RecipEstimate: 256 <= a < 512 in steps of 1/512 of [1/2, 1), and so the result, doubled. */
static unsigned recip_estimate(unsigned a)
{
    unsigned b = (1u << 19) / (2 * a + 1);

    return (b + 1) / 2;
}

/* RecipSqrtEstimate: 128 <= a < 512 stands for [1/4, 1); the result as above. */
static unsigned rsqrt_estimate(unsigned a)
{
    unsigned b = 512;

    a = a < 256 ? 2 * a + 1 : (a | 1) * 2;
    while (a * (b + 1) * (b + 1) < 1u << 28)
        b++;
    return (b + 1) / 2;
}

/* The upper nine bits of a significand, 256 to 511 */
FP_INLINE unsigned upper9(fp_num a)
{
    return (unsigned)(a.frac >> (TOP - 8));
}

/* A number from such nine bits and a biased exponent, which is at least -1. Exact. */
FP_INLINE sig pack_estimate(const fp_format *f, bool sign, int biased, unsigned estimate)
{
    sig field = (sig)estimate << (f->frac_bits - 8);

    return biased > 0 ? pack(f, sign, biased, field) : pack(f, sign, 0, field >> (1 - biased));
}

FP_INLINE sig arm_recpe(const fp_format *f, sig ra, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);

    if (is_nan(a))
        return pack_nan(f, propagate1(a, env));
    if (a.cls == CLS_INF)
        return pack_zero(f, a.sign);
    if (a.cls == CLS_ZERO) {
        env->flags |= PB_FP_DIVZERO;
        return pack_inf(f, a.sign);
    }
    if (a.exp < -bias(f) - 1)
        return pack_overflow(f, a.sign, 0, env->round, env);
    if (a.exp >= bias(f) - 1 && flushes_out(f, env)) {
        env->flags |= env->rules.flush_out_flags;
        return pack_zero(f, a.sign);
    }
    return pack_estimate(f, a.sign, bias(f) - 1 - a.exp, recip_estimate(upper9(a)));
}

FP_INLINE sig arm_rsqrte(const fp_format *f, sig ra, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    int biased = a.exp + bias(f);
    unsigned upper;

    if (is_nan(a))
        return pack_nan(f, propagate1(a, env));
    if (a.cls == CLS_ZERO) {
        env->flags |= PB_FP_DIVZERO;
        return pack_inf(f, a.sign);
    }
    if (a.sign)
        return pack_nan(f, invalid(PB_FP_WHY_SQRT, env));
    if (a.cls == CLS_INF)
        return pack_zero(f, false);
    upper = biased & 1 ? upper9(a) >> 1 : upper9(a);
    return pack_estimate(f, false, (3 * bias(f) - 1 - biased) / 2, rsqrt_estimate(upper));
}

FP_INLINE sig arm_recpx(const fp_format *f, sig ra, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    int biased = (int)(ra >> f->frac_bits) & exp_max(f);

    if (is_nan(a))
        return pack_nan(f, propagate1(a, env));
    return pack(f, a.sign, biased ? exp_max(f) - biased : exp_max(f) - 1, 0);
}

uint32_t pb_arm_urecpe(uint32_t a)
{
    return a >> 31 ? recip_estimate(a >> 23) << 23 : UINT32_MAX;
}

uint32_t pb_arm_ursqrte(uint32_t a)
{
    return a >> 30 ? rsqrt_estimate(a >> 23) << 23 : UINT32_MAX;
}

/* ---- Newton steps ---- */

static const fp_num two = { .frac = SIG_ONE, .exp = 1 };
static const fp_num three = { .frac = SIG_ONE + SIG_ONE / 2, .exp = 1 };

/* (c - a * b) / 2^halvings; inf * 0 counts as 0. The sign of a NaN in a changes too: FPNeg. */
FP_INLINE sig arm_step(const fp_format *f, sig ra, sig rb, fp_num c, int halvings, pb_fp_env *env)
{
    fp_num a = unpack(f, ra ^ sign_bit(f), env);
    fp_num b = unpack(f, rb, env);
    fp_num r;

    if (unlikely(is_nan(a) || is_nan(b)))
        return pack_nan(f, propagate2(a, b, env));
    if (unlikely(inf_times_zero(a, b)))
        r = c;
    else
        r = fma_num(a, b, c, env);
    r.exp -= halvings;
    return round_pack(f, r, 0, env->round, env);
}

FP_INLINE sig arm_mulx(const fp_format *f, sig ra, sig rb, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);

    if (unlikely(is_nan(a) || is_nan(b)))
        return pack_nan(f, propagate2(a, b, env));
    if (inf_times_zero(a, b))
        return pack(f, a.sign ^ b.sign, bias(f) + 1, 0);
    return round_pack(f, mul_num(a, b, env), 0, env->round, env);
}

/* ---- conversions ---- */

/* FPRoundIntN */
FP_INLINE sig arm_round_int_n(const fp_format *f, sig ra, unsigned width, unsigned round,
                              pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    uint64_t magnitude;
    bool inexact;

    if (unlikely(!magnitude_of(a, round, &magnitude, &inexact) ||
                 !fits(magnitude, a.sign, width, true))) {
        env->flags |= PB_FP_INVALID;
        return pack(f, true, bias(f) + (int)width - 1, 0);
    }
    if (inexact)
        env->flags |= PB_FP_INEXACT;
    if (magnitude == 0)
        return pack_zero(f, a.sign);
    return from_magnitude(f, a.sign, magnitude, 0, env);
}

uint32_t pb_arm_f64_to_int32_js(uint64_t a, bool *exact, pb_fp_env *env)
{
    fp_num n = unpack(&fmt_f64, a, env);
    uint64_t magnitude;
    bool inexact, in_range;
    uint32_t result;

    *exact = false;
    if (is_nan(n) || n.cls == CLS_INF) {
        env->flags |= PB_FP_INVALID;
        return 0;
    }
    /* From 2^64 on it is an integer, whose places in reach may still be set. */
    if (!magnitude_of(n, PB_FP_TO_ZERO, &magnitude, &inexact)) {
        in_range = false;
        magnitude = n.exp - TOP < 32 ? n.frac << (n.exp - TOP) : 0;
    } else {
        in_range = fits(magnitude, n.sign, 32, true);
    }
    result = (uint32_t)magnitude;
    if (!in_range)
        env->flags |= PB_FP_INVALID;
    else if (inexact)
        env->flags |= PB_FP_INEXACT;
    else
        *exact = !(n.cls == CLS_ZERO && n.sign);
    return n.sign ? 0 - result : result;
}

/* ---- f16 ---- */

uint16_t pb_arm_f16_recpe(uint16_t a, pb_fp_env *env)
{
    return (uint16_t)arm_recpe(&fmt_f16, a, env);
}

uint16_t pb_arm_f16_rsqrte(uint16_t a, pb_fp_env *env)
{
    return (uint16_t)arm_rsqrte(&fmt_f16, a, env);
}

uint16_t pb_arm_f16_recpx(uint16_t a, pb_fp_env *env)
{
    return (uint16_t)arm_recpx(&fmt_f16, a, env);
}

uint16_t pb_arm_f16_recps(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)arm_step(&fmt_f16, a, b, two, 0, env);
}

uint16_t pb_arm_f16_rsqrts(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)arm_step(&fmt_f16, a, b, three, 1, env);
}

uint16_t pb_arm_f16_mulx(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)arm_mulx(&fmt_f16, a, b, env);
}

/* ---- f32 ---- */

uint32_t pb_arm_f32_recpe(uint32_t a, pb_fp_env *env)
{
    return (uint32_t)arm_recpe(&fmt_f32, a, env);
}

uint32_t pb_arm_f32_rsqrte(uint32_t a, pb_fp_env *env)
{
    return (uint32_t)arm_rsqrte(&fmt_f32, a, env);
}

uint32_t pb_arm_f32_recpx(uint32_t a, pb_fp_env *env)
{
    return (uint32_t)arm_recpx(&fmt_f32, a, env);
}

uint32_t pb_arm_f32_recps(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)arm_step(&fmt_f32, a, b, two, 0, env);
}

uint32_t pb_arm_f32_rsqrts(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)arm_step(&fmt_f32, a, b, three, 1, env);
}

uint32_t pb_arm_f32_mulx(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)arm_mulx(&fmt_f32, a, b, env);
}

uint32_t pb_arm_f32_round_int_n(uint32_t a, unsigned width, unsigned round, pb_fp_env *env)
{
    return (uint32_t)arm_round_int_n(&fmt_f32, a, width, round, env);
}

/* ---- f64 ---- */

uint64_t pb_arm_f64_recpe(uint64_t a, pb_fp_env *env)
{
    return arm_recpe(&fmt_f64, a, env);
}

uint64_t pb_arm_f64_rsqrte(uint64_t a, pb_fp_env *env)
{
    return arm_rsqrte(&fmt_f64, a, env);
}

uint64_t pb_arm_f64_recpx(uint64_t a, pb_fp_env *env)
{
    return arm_recpx(&fmt_f64, a, env);
}

uint64_t pb_arm_f64_recps(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return arm_step(&fmt_f64, a, b, two, 0, env);
}

uint64_t pb_arm_f64_rsqrts(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return arm_step(&fmt_f64, a, b, three, 1, env);
}

uint64_t pb_arm_f64_mulx(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return arm_mulx(&fmt_f64, a, b, env);
}

uint64_t pb_arm_f64_round_int_n(uint64_t a, unsigned width, unsigned round, pb_fp_env *env)
{
    return arm_round_int_n(&fmt_f64, a, width, round, env);
}
