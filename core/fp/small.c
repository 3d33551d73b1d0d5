/*
 * patchbay/fp.h for half, single and double precision, and bfloat16: the generic functions of
 * arith.h and convert.h with significands of 64 bits.
 */
#include "sig64.h"

#include "arith.h"
#include "convert.h"

/* ---- f16 ---- */

uint16_t pb_f16_add(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_add(&fmt_f16, a, b, false, 0, env);
}

uint16_t pb_f16_sub(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_add(&fmt_f16, a, b, true, 0, env);
}

uint16_t pb_f16_mul(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_mul(&fmt_f16, a, b, 0, env);
}

uint16_t pb_f16_div(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_div(&fmt_f16, a, b, 0, env);
}

uint16_t pb_f16_sqrt(uint16_t a, pb_fp_env *env)
{
    return (uint16_t)fp_sqrt(&fmt_f16, a, 0, env);
}

uint16_t pb_f16_fma(uint16_t a, uint16_t b, uint16_t c, unsigned neg, pb_fp_env *env)
{
    return (uint16_t)fp_fma(&fmt_f16, a, b, c, neg, env);
}

uint16_t pb_f16_min(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_minmax(&fmt_f16, a, b, false, false, env);
}

uint16_t pb_f16_max(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_minmax(&fmt_f16, a, b, true, false, env);
}

uint16_t pb_f16_minnum(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_minmax(&fmt_f16, a, b, false, true, env);
}

uint16_t pb_f16_maxnum(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return (uint16_t)fp_minmax(&fmt_f16, a, b, true, true, env);
}

int pb_f16_compare(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return fp_compare(&fmt_f16, a, b, false, env);
}

int pb_f16_compare_signalling(uint16_t a, uint16_t b, pb_fp_env *env)
{
    return fp_compare(&fmt_f16, a, b, true, env);
}

uint16_t pb_f16_round_int(uint16_t a, unsigned round, bool exact, pb_fp_env *env)
{
    return (uint16_t)fp_round_int(&fmt_f16, a, round, exact, env);
}

uint16_t pb_f16_scale(uint16_t a, int32_t n, pb_fp_env *env)
{
    return (uint16_t)fp_scale(&fmt_f16, a, n, env);
}

int64_t pb_f16_to_int(uint16_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_int(&fmt_f16, a, width, fbits, round, env);
}

uint64_t pb_f16_to_uint(uint16_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_uint(&fmt_f16, a, width, fbits, round, env);
}

uint16_t pb_f16_from_int(int64_t v, unsigned fbits, pb_fp_env *env)
{
    return (uint16_t)fp_from_int(&fmt_f16, v, fbits, env);
}

uint16_t pb_f16_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return (uint16_t)fp_from_uint(&fmt_f16, v, fbits, env);
}

uint32_t pb_f16_to_f32(uint16_t a, pb_fp_env *env)
{
    return (uint32_t)fp_convert(&fmt_f16_cv, &fmt_f32, a, env);
}

uint64_t pb_f16_to_f64(uint16_t a, pb_fp_env *env)
{
    return (uint64_t)fp_convert(&fmt_f16_cv, &fmt_f64, a, env);
}

/* ---- f32 ---- */

uint32_t pb_f32_add(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_add(&fmt_f32, a, b, false, 0, env);
}

uint32_t pb_f32_sub(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_add(&fmt_f32, a, b, true, 0, env);
}

uint32_t pb_f32_mul(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_mul(&fmt_f32, a, b, 0, env);
}

uint32_t pb_f32_div(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_div(&fmt_f32, a, b, 0, env);
}

uint32_t pb_f32_sqrt(uint32_t a, pb_fp_env *env)
{
    return (uint32_t)fp_sqrt(&fmt_f32, a, 0, env);
}

uint32_t pb_f32_fma(uint32_t a, uint32_t b, uint32_t c, unsigned neg, pb_fp_env *env)
{
    return (uint32_t)fp_fma(&fmt_f32, a, b, c, neg, env);
}

uint32_t pb_f32_min(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_minmax(&fmt_f32, a, b, false, false, env);
}

uint32_t pb_f32_max(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_minmax(&fmt_f32, a, b, true, false, env);
}

uint32_t pb_f32_minnum(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_minmax(&fmt_f32, a, b, false, true, env);
}

uint32_t pb_f32_maxnum(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return (uint32_t)fp_minmax(&fmt_f32, a, b, true, true, env);
}

int pb_f32_compare(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return fp_compare(&fmt_f32, a, b, false, env);
}

int pb_f32_compare_signalling(uint32_t a, uint32_t b, pb_fp_env *env)
{
    return fp_compare(&fmt_f32, a, b, true, env);
}

uint32_t pb_f32_round_int(uint32_t a, unsigned round, bool exact, pb_fp_env *env)
{
    return (uint32_t)fp_round_int(&fmt_f32, a, round, exact, env);
}

uint32_t pb_f32_scale(uint32_t a, int32_t n, pb_fp_env *env)
{
    return (uint32_t)fp_scale(&fmt_f32, a, n, env);
}

int64_t pb_f32_to_int(uint32_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_int(&fmt_f32, a, width, fbits, round, env);
}

uint64_t pb_f32_to_uint(uint32_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_uint(&fmt_f32, a, width, fbits, round, env);
}

uint32_t pb_f32_from_int(int64_t v, unsigned fbits, pb_fp_env *env)
{
    return (uint32_t)fp_from_int(&fmt_f32, v, fbits, env);
}

uint32_t pb_f32_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return (uint32_t)fp_from_uint(&fmt_f32, v, fbits, env);
}

uint16_t pb_f32_to_f16(uint32_t a, pb_fp_env *env)
{
    return (uint16_t)fp_convert(&fmt_f32, &fmt_f16_cv, a, env);
}

uint64_t pb_f32_to_f64(uint32_t a, pb_fp_env *env)
{
    return (uint64_t)fp_convert(&fmt_f32, &fmt_f64, a, env);
}

uint16_t pb_f32_to_bf16(uint32_t a, pb_fp_env *env)
{
    return (uint16_t)fp_convert(&fmt_f32, &fmt_bf16, a, env);
}

/* ---- f64 ---- */

uint64_t pb_f64_add(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_add(&fmt_f64, a, b, false, 0, env);
}

uint64_t pb_f64_sub(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_add(&fmt_f64, a, b, true, 0, env);
}

uint64_t pb_f64_mul(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_mul(&fmt_f64, a, b, 0, env);
}

uint64_t pb_f64_div(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_div(&fmt_f64, a, b, 0, env);
}

uint64_t pb_f64_sqrt(uint64_t a, pb_fp_env *env)
{
    return (uint64_t)fp_sqrt(&fmt_f64, a, 0, env);
}

uint64_t pb_f64_fma(uint64_t a, uint64_t b, uint64_t c, unsigned neg, pb_fp_env *env)
{
    return (uint64_t)fp_fma(&fmt_f64, a, b, c, neg, env);
}

uint64_t pb_f64_min(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_minmax(&fmt_f64, a, b, false, false, env);
}

uint64_t pb_f64_max(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_minmax(&fmt_f64, a, b, true, false, env);
}

uint64_t pb_f64_minnum(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_minmax(&fmt_f64, a, b, false, true, env);
}

uint64_t pb_f64_maxnum(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return (uint64_t)fp_minmax(&fmt_f64, a, b, true, true, env);
}

int pb_f64_compare(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return fp_compare(&fmt_f64, a, b, false, env);
}

int pb_f64_compare_signalling(uint64_t a, uint64_t b, pb_fp_env *env)
{
    return fp_compare(&fmt_f64, a, b, true, env);
}

uint64_t pb_f64_round_int(uint64_t a, unsigned round, bool exact, pb_fp_env *env)
{
    return (uint64_t)fp_round_int(&fmt_f64, a, round, exact, env);
}

uint64_t pb_f64_scale(uint64_t a, int32_t n, pb_fp_env *env)
{
    return (uint64_t)fp_scale(&fmt_f64, a, n, env);
}

int64_t pb_f64_to_int(uint64_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_int(&fmt_f64, a, width, fbits, round, env);
}

uint64_t pb_f64_to_uint(uint64_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env)
{
    return fp_to_uint(&fmt_f64, a, width, fbits, round, env);
}

uint64_t pb_f64_from_int(int64_t v, unsigned fbits, pb_fp_env *env)
{
    return (uint64_t)fp_from_int(&fmt_f64, v, fbits, env);
}

uint64_t pb_f64_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env)
{
    return (uint64_t)fp_from_uint(&fmt_f64, v, fbits, env);
}

uint16_t pb_f64_to_f16(uint64_t a, pb_fp_env *env)
{
    return (uint16_t)fp_convert(&fmt_f64, &fmt_f16_cv, a, env);
}

uint32_t pb_f64_to_f32(uint64_t a, pb_fp_env *env)
{
    return (uint32_t)fp_convert(&fmt_f64, &fmt_f32, a, env);
}

/* ---- bf16 ---- */

uint32_t pb_bf16_to_f32(uint16_t a, pb_fp_env *env)
{
    return (uint32_t)fp_convert(&fmt_bf16, &fmt_f32, a, env);
}
