/*
 * patchbay/fp.h for x87 extended and quadruple precision, and conversions from and to them: the
 * generic functions of arith.h and convert.h with significands of 128 bits.
 */
#include "sig128.h"

#include "arith.h"
#include "convert.h"

static inline sig from_f80(pb_f80 a)
{
    return ((sig)a.se << 64) | a.mant;
}

static inline pb_f80 to_f80(sig raw)
{
    return (pb_f80){ .mant = (uint64_t)raw, .se = (uint16_t)(raw >> 64) };
}

static inline sig from_f128(pb_f128 a)
{
    return ((sig)a.hi << 64) | a.lo;
}

static inline pb_f128 to_f128(sig raw)
{
    return (pb_f128){ .lo = (uint64_t)raw, .hi = (uint64_t)(raw >> 64) };
}

/* Places that x87 precision control takes away from 64. */
static inline int precision_drop(const pb_fp_env *env)
{
    return env->precision == 24 || env->precision == 53 ? 64 - env->precision : 0;
}

/* ---- f16 ---- */

pb_f80 pb_f16_to_f80(uint16_t a, pb_fp_env *env)
{
    return to_f80(fp_convert(&fmt_f16_cv, &fmt_f80_cv, a, env));
}

pb_f128 pb_f16_to_f128(uint16_t a, pb_fp_env *env)
{
    return to_f128(fp_convert(&fmt_f16_cv, &fmt_f128, a, env));
}

/* ---- f32 ---- */

pb_f80 pb_f32_to_f80(uint32_t a, pb_fp_env *env)
{
    return to_f80(fp_convert(&fmt_f32, &fmt_f80_cv, a, env));
}

pb_f128 pb_f32_to_f128(uint32_t a, pb_fp_env *env)
{
    return to_f128(fp_convert(&fmt_f32, &fmt_f128, a, env));
}

/* ---- f64 ---- */

pb_f80 pb_f64_to_f80(uint64_t a, pb_fp_env *env)
{
    return to_f80(fp_convert(&fmt_f64, &fmt_f80_cv, a, env));
}

pb_f128 pb_f64_to_f128(uint64_t a, pb_fp_env *env)
{
    return to_f128(fp_convert(&fmt_f64, &fmt_f128, a, env));
}

/* ---- f80 ---- */

pb_f80 pb_f80_add(pb_f80 a, pb_f80 b, pb_fp_env *env)
{
    return to_f80(fp_add(&fmt_f80, from_f80(a), from_f80(b), false, precision_drop(env), env));
}

pb_f80 pb_f80_sub(pb_f80 a, pb_f80 b, pb_fp_env *env)
{
    return to_f80(fp_add(&fmt_f80, from_f80(a), from_f80(b), true, precision_drop(env), env));
}

pb_f80 pb_f80_mul(pb_f80 a, pb_f80 b, pb_fp_env *env)
{
    return to_f80(fp_mul(&fmt_f80, from_f80(a), from_f80(b), precision_drop(env), env));
}

pb_f80 pb_f80_div(pb_f80 a, pb_f80 b, pb_fp_env *env)
{
    return to_f80(fp_div(&fmt_f80, from_f80(a), from_f80(b), precision_drop(env), env));
}

pb_f80 pb_f80_sqrt(pb_f80 a, pb_fp_env *env)
{
    return to_f80(fp_sqrt(&fmt_f80, from_f80(a), precision_drop(env), env));
}

int pb_f80_compare(pb_f80 a, pb_f80 b, pb_fp_env *env)
{
    return fp_compare(&fmt_f80, from_f80(a), from_f80(b), false, env);
}

int pb_f80_compare_signalling(pb_f80 a, pb_f80 b, pb_fp_env *env)
{
    return fp_compare(&fmt_f80, from_f80(a), from_f80(b), true, env);
}

pb_f80 pb_f80_round_int(pb_f80 a, unsigned round, bool exact, pb_fp_env *env)
{
    return to_f80(fp_round_int(&fmt_f80, from_f80(a), round, exact, env));
}

pb_f80 pb_f80_scale(pb_f80 a, int32_t n, pb_fp_env *env)
{
    return to_f80(fp_scale(&fmt_f80, from_f80(a), n, env));
}

int64_t pb_f80_to_int(pb_f80 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_int(&fmt_f80, from_f80(a), width, fbits, round, env);
}

uint64_t pb_f80_to_uint(pb_f80 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_uint(&fmt_f80, from_f80(a), width, fbits, round, env);
}

pb_f80 pb_f80_from_int(int64_t v, unsigned fbits, pb_fp_env *env)
{
    return to_f80(fp_from_int(&fmt_f80, v, fbits, env));
}

pb_f80 pb_f80_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return to_f80(fp_from_uint(&fmt_f80, v, fbits, env));
}

uint16_t pb_f80_to_f16(pb_f80 a, pb_fp_env *env)
{
    return (uint16_t)fp_convert(&fmt_f80_cv, &fmt_f16_cv, from_f80(a), env);
}

uint32_t pb_f80_to_f32(pb_f80 a, pb_fp_env *env)
{
    return (uint32_t)fp_convert(&fmt_f80_cv, &fmt_f32, from_f80(a), env);
}

uint64_t pb_f80_to_f64(pb_f80 a, pb_fp_env *env)
{
    return (uint64_t)fp_convert(&fmt_f80_cv, &fmt_f64, from_f80(a), env);
}

pb_f128 pb_f80_to_f128(pb_f80 a, pb_fp_env *env)
{
    return to_f128(fp_convert(&fmt_f80_cv, &fmt_f128, from_f80(a), env));
}

/* ---- remainder ---- */

/* a modulo b, both normal and |a| >= |b| / 2, as a significand in b's scale. Their 64 bits are the
 * upper ones of frac; the division goes by digits of 63 bits, of which there are 521 at most. */
static sig long_remainder(fp_num a, fp_num b, uint64_t *quotient)
{
    uint64_t rest = (uint64_t)(a.frac >> 63), divisor = (uint64_t)(b.frac >> 63);
    int places = a.exp - b.exp;

    *quotient = 0;
    if (places < 0)
        return a.frac >> 1;
    if (rest >= divisor) {
        rest -= divisor;
        *quotient = 1;
    }
    while (places > 0) {
        int digit = places < 63 ? places : 63;
        sig dividend = (sig)rest << digit;

        *quotient = *quotient << digit | (uint64_t)(dividend / divisor);
        rest = (uint64_t)(dividend % divisor);
        places -= digit;
    }
    return (sig)rest << 63;
}

static fp_num rem_normal(fp_num a, fp_num b, bool nearest, uint64_t *quotient)
{
    sig rest;

    if (a.exp < b.exp - 1)
        return a;
    rest = long_remainder(a, b, quotient);
    if (nearest && (rest > b.frac - rest || (rest == b.frac - rest && (*quotient & 1)))) {
        rest = b.frac - rest;
        a.sign = !a.sign;
        ++*quotient;
    }
    a.frac = rest;
    a.exp = b.exp;
    if (rest == 0) {
        a.cls = CLS_ZERO;
        return a;
    }
    return normalise(a);
}

pb_f80 pb_f80_rem(pb_f80 ra, pb_f80 rb, bool nearest, uint64_t *quotient, pb_fp_env *env)
{
    fp_num a = unpack(&fmt_f80, from_f80(ra), env);
    fp_num b = unpack(&fmt_f80, from_f80(rb), env);

    *quotient = 0;
    if (is_nan(a) || is_nan(b)) {
        a = propagate2(a, b, env);
    } else if (a.cls == CLS_INF || b.cls == CLS_ZERO) {
        a = invalid(0, env);
    } else {
        note_denormals(a.denormal | b.denormal, env);
        if (a.cls == CLS_NORMAL && b.cls == CLS_NORMAL)
            a = rem_normal(a, b, nearest, quotient);
    }
    return to_f80(round_pack(&fmt_f80, a, 0, env->round, env));
}

/* ---- f128 ---- */

pb_f128 pb_f128_add(pb_f128 a, pb_f128 b, pb_fp_env *env)
{
    return to_f128(fp_add(&fmt_f128, from_f128(a), from_f128(b), false, 0, env));
}

pb_f128 pb_f128_sub(pb_f128 a, pb_f128 b, pb_fp_env *env)
{
    return to_f128(fp_add(&fmt_f128, from_f128(a), from_f128(b), true, 0, env));
}

pb_f128 pb_f128_mul(pb_f128 a, pb_f128 b, pb_fp_env *env)
{
    return to_f128(fp_mul(&fmt_f128, from_f128(a), from_f128(b), 0, env));
}

pb_f128 pb_f128_div(pb_f128 a, pb_f128 b, pb_fp_env *env)
{
    return to_f128(fp_div(&fmt_f128, from_f128(a), from_f128(b), 0, env));
}

pb_f128 pb_f128_sqrt(pb_f128 a, pb_fp_env *env)
{
    return to_f128(fp_sqrt(&fmt_f128, from_f128(a), 0, env));
}

pb_f128 pb_f128_fma(pb_f128 a, pb_f128 b, pb_f128 c, unsigned neg, pb_fp_env *env)
{
    return to_f128(fp_fma(&fmt_f128, from_f128(a), from_f128(b), from_f128(c), neg, env));
}

int pb_f128_compare(pb_f128 a, pb_f128 b, pb_fp_env *env)
{
    return fp_compare(&fmt_f128, from_f128(a), from_f128(b), false, env);
}

int pb_f128_compare_signalling(pb_f128 a, pb_f128 b, pb_fp_env *env)
{
    return fp_compare(&fmt_f128, from_f128(a), from_f128(b), true, env);
}

pb_f128 pb_f128_round_int(pb_f128 a, unsigned round, bool exact, pb_fp_env *env)
{
    return to_f128(fp_round_int(&fmt_f128, from_f128(a), round, exact, env));
}

pb_f128 pb_f128_scale(pb_f128 a, int32_t n, pb_fp_env *env)
{
    return to_f128(fp_scale(&fmt_f128, from_f128(a), n, env));
}

int64_t pb_f128_to_int(pb_f128 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_int(&fmt_f128, from_f128(a), width, fbits, round, env);
}

uint64_t pb_f128_to_uint(pb_f128 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_uint(&fmt_f128, from_f128(a), width, fbits, round, env);
}

pb_f128 pb_f128_from_int(int64_t v, unsigned fbits, pb_fp_env *env)
{
    return to_f128(fp_from_int(&fmt_f128, v, fbits, env));
}

pb_f128 pb_f128_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return to_f128(fp_from_uint(&fmt_f128, v, fbits, env));
}

uint16_t pb_f128_to_f16(pb_f128 a, pb_fp_env *env)
{
    return (uint16_t)fp_convert(&fmt_f128, &fmt_f16_cv, from_f128(a), env);
}

uint32_t pb_f128_to_f32(pb_f128 a, pb_fp_env *env)
{
    return (uint32_t)fp_convert(&fmt_f128, &fmt_f32, from_f128(a), env);
}

uint64_t pb_f128_to_f64(pb_f128 a, pb_fp_env *env)
{
    return (uint64_t)fp_convert(&fmt_f128, &fmt_f64, from_f128(a), env);
}

pb_f80 pb_f128_to_f80(pb_f128 a, pb_fp_env *env)
{
    return to_f80(fp_convert(&fmt_f128, &fmt_f80_cv, from_f128(a), env));
}
