/*
 * Comparison, minimum and maximum, and conversions between formats, from and to integers, for any
 * format; see core.h.
 */
#ifndef FP_CONVERT_H
#define FP_CONVERT_H

#include "core.h"

/* ---- comparison, minimum, maximum ---- */

/* Both numbers: -1, 0, 1. Zeros are equal. */
FP_INLINE int order(fp_num a, fp_num b)
{
    int magnitude;

    if (a.cls == CLS_ZERO && b.cls == CLS_ZERO)
        return 0;
    if (a.cls == CLS_ZERO)
        return b.sign ? 1 : -1;
    if (b.cls == CLS_ZERO || a.sign != b.sign)
        return a.sign ? -1 : 1;
    if (a.cls == CLS_INF || b.cls == CLS_INF)
        magnitude = (a.cls == CLS_INF) - (b.cls == CLS_INF);
    else if (a.exp != b.exp)
        magnitude = a.exp < b.exp ? -1 : 1;
    else
        magnitude = (a.frac > b.frac) - (a.frac < b.frac);
    return a.sign ? -magnitude : magnitude;
}

FP_COLD int compare_nan(fp_num a, fp_num b, bool signalling, pb_fp_env *env)
{
    bool snan = a.cls == CLS_SNAN || b.cls == CLS_SNAN;

    if (snan)
        env->flags |= PB_FP_INVALID | PB_FP_WHY_SNAN;
    if (a.cls == CLS_UNSUPPORTED || b.cls == CLS_UNSUPPORTED)
        env->flags |= PB_FP_INVALID;
    if (signalling)
        env->flags |= PB_FP_INVALID | PB_FP_WHY_COMPARE;
    return PB_FP_UNORDERED;
}

FP_INLINE int fp_compare(const fp_format *f, sig ra, sig rb, bool signalling, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);

    if (unlikely(is_nan(a) || is_nan(b)))
        return compare_nan(a, b, signalling, env);
    note_denormals(a.denormal | b.denormal, env);
    return order(a, b);
}

/* number: a quiet NaN loses against a number (minNum, maxNum). */
FP_INLINE sig fp_minmax(const fp_format *f, sig ra, sig rb, bool max, bool number, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    fp_num b = unpack(f, rb, env);
    bool take_a;

    if (unlikely(is_nan(a) || is_nan(b))) {
        bool one_quiet = (a.cls == CLS_QNAN && !is_nan(b)) || (b.cls == CLS_QNAN && !is_nan(a));

        if (!number || !one_quiet)
            return pack_nan(f, propagate2(a, b, env));
        take_a = is_nan(b);
    } else if (a.cls == CLS_ZERO && b.cls == CLS_ZERO) {
        take_a = a.sign != max;
    } else {
        take_a = (order(a, b) < 0) != max;
    }
    note_denormals(a.denormal | b.denormal, env);
    return round_pack(f, take_a ? a : b, 0, env->round, env);
}

/* ---- integers ---- */

/* A number below 2^TOP rounded to an integral one: the significand to a multiple of 1, which may be
 * 0 or carry into 2^(TOP+1). *exp is changed so that it stays in reach of the significand. */
FP_INLINE sig round_integral(bool sign, sig frac, int *exp, unsigned round, bool *inexact)
{
    /* Below 1/2 only the sticky bit is left. */
    if (*exp < -1) {
        frac = 1;
        *exp = -1;
    }
    return round_at(sign, frac, TOP - *exp, round, inexact);
}

FP_INLINE sig fp_round_int(const fp_format *f, sig ra, unsigned round, bool exact, pb_fp_env *env)
{
    fp_num a = unpack(f, ra, env);
    bool inexact;

    if (unlikely(is_nan(a)))
        return pack_nan(f, propagate1(a, env));
    if (f->explicit_int)
        note_denormals(a.denormal, env);
    if (a.cls == CLS_NORMAL && a.exp < f->frac_bits) {
        int exp = a.exp;

        a.frac = round_integral(a.sign, a.frac, &exp, round, &inexact);
        a.exp = exp;
        if (inexact && exact)
            env->flags |= PB_FP_INEXACT;
        if (a.frac == 0)
            a.cls = CLS_ZERO;
        else
            a = normalise(a);
    }
    return round_pack(f, a, 0, PB_FP_TO_ZERO, env);
}

/* What an impossible conversion gives; sign is that of a number. */
FP_COLD uint64_t to_int_invalid(fp_num a, unsigned width, bool is_signed, pb_fp_env *env)
{
    uint64_t max = (UINT64_MAX >> (64 - width)) >> is_signed;
    uint64_t min = is_signed ? ~max : 0;

    env->flags |= PB_FP_INVALID | PB_FP_WHY_TO_INT | (a.cls == CLS_SNAN ? PB_FP_WHY_SNAN : 0);
    if (env->rules.to_int == PB_FP_INT_INDEFINITE)
        return is_signed ? min : max;
    if (is_nan(a))
        return env->rules.to_int == PB_FP_INT_PPC ? min : 0;
    return a.sign ? min : max;
}

FP_INLINE bool fits(uint64_t magnitude, bool sign, unsigned width, bool is_signed)
{
    uint64_t half = UINT64_C(1) << (width - 1);

    if (is_signed)
        return sign ? magnitude <= half : magnitude < half;
    return sign ? magnitude == 0 : magnitude <= UINT64_MAX >> (64 - width);
}

/* The magnitude of a number rounded to an integer; false if it is 2^64 or more. */
FP_INLINE bool magnitude_of(fp_num a, unsigned round, uint64_t *magnitude, bool *inexact)
{
    int exp = a.exp;
    sig frac;

    *magnitude = 0;
    *inexact = false;
    if (a.cls == CLS_ZERO)
        return true;
    if (a.cls != CLS_NORMAL || exp >= 64)
        return false;
    if (exp >= TOP) {
        *magnitude = (uint64_t)(a.frac << (exp - TOP));
        return true;
    }
    frac = round_integral(a.sign, a.frac, &exp, round, inexact);
    frac >>= TOP - exp; /* exp may have changed */
    *magnitude = (uint64_t)frac;
    return frac == *magnitude;
}

FP_INLINE uint64_t to_int(fp_num a, unsigned width, unsigned fbits, bool is_signed, unsigned round,
                          pb_fp_env *env)
{
    uint64_t magnitude;
    bool inexact;

    a.exp += (int)fbits;
    if (unlikely(!magnitude_of(a, round, &magnitude, &inexact) ||
                 !fits(magnitude, a.sign, width, is_signed)))
        return to_int_invalid(a, width, is_signed, env);
    if (inexact)
        env->flags |= PB_FP_INEXACT;
    return a.sign ? 0 - magnitude : magnitude;
}

FP_INLINE int64_t fp_to_int(const fp_format *f, sig ra, unsigned width, unsigned fbits,
                            unsigned round, pb_fp_env *env)
{
    return (int64_t)to_int(unpack(f, ra, env), width, fbits, true, round, env);
}

FP_INLINE uint64_t fp_to_uint(const fp_format *f, sig ra, unsigned width, unsigned fbits,
                              unsigned round, pb_fp_env *env)
{
    return to_int(unpack(f, ra, env), width, fbits, false, round, env);
}

FP_INLINE sig from_magnitude(const fp_format *f, bool sign, uint64_t magnitude, unsigned fbits,
                             pb_fp_env *env)
{
    fp_num n = { .cls = CLS_NORMAL, .sign = sign, .frac = magnitude, .exp = TOP - (int)fbits };

    if (magnitude == 0)
        return pack_zero(f, false);
    return round_pack(f, normalise(n), 0, env->round, env);
}

FP_INLINE sig fp_from_int(const fp_format *f, int64_t v, unsigned fbits, pb_fp_env *env)
{
    return from_magnitude(f, v < 0, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, fbits, env);
}

FP_INLINE sig fp_from_uint(const fp_format *f, uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return from_magnitude(f, false, v, fbits, env);
}

/* ---- conversion and scaling ---- */

/* The alternative half format has no place for NaNs and infinities: Arm FPConvert. */
FP_COLD fp_num alternative_special(fp_num a, pb_fp_env *env)
{
    env->flags |= PB_FP_INVALID;
    if (is_nan(a)) {
        a.cls = CLS_ZERO;
    } else {
        a.cls = CLS_NORMAL; /* overflows to the largest number, whatever the rounding */
        a.frac = SIG_ONE;
        a.exp = 64;
    }
    return a;
}

FP_INLINE sig fp_convert(const fp_format *from, const fp_format *to, sig ra, pb_fp_env *env)
{
    fp_num a = unpack(from, ra, env);

    if (unlikely(a.cls >= CLS_INF) && to->alternative && env->rules.alt_half)
        a = alternative_special(a, env);
    else if (unlikely(is_nan(a)))
        return pack_nan(to, propagate1(a, env));
    note_denormals(a.denormal, env);
    return round_pack(to, a, 0, env->round, env);
}

FP_INLINE sig fp_scale(const fp_format *f, sig ra, int32_t n, pb_fp_env *env)
{
    const int32_t enough = 1 << 17; /* more than any format's range of exponents, both ways */
    fp_num a = unpack(f, ra, env);

    if (unlikely(is_nan(a)))
        return pack_nan(f, propagate1(a, env));
    note_denormals(a.denormal, env);
    a.exp += n < -enough ? -enough : n > enough ? enough : n;
    return round_pack(f, a, 0, env->round, env);
}

#endif
