/*
 * Calls of pb_fp_ops with bit patterns of any format in 128 bits.
 */
#ifndef FP_TEST_CALL_H
#define FP_TEST_CALL_H

#include "ref.h"

/* An operation for each format; a null pointer where the format has none. */
typedef struct unary_call {
    const char *name;
    uint16_t (*f16)(uint16_t, pb_fp_env *);
    uint32_t (*f32)(uint32_t, pb_fp_env *);
    uint64_t (*f64)(uint64_t, pb_fp_env *);
    pb_f80 (*f80)(pb_f80, pb_fp_env *);
    pb_f128 (*f128)(pb_f128, pb_fp_env *);
} unary_call;

typedef struct binary_call {
    const char *name;
    uint16_t (*f16)(uint16_t, uint16_t, pb_fp_env *);
    uint32_t (*f32)(uint32_t, uint32_t, pb_fp_env *);
    uint64_t (*f64)(uint64_t, uint64_t, pb_fp_env *);
    pb_f80 (*f80)(pb_f80, pb_f80, pb_fp_env *);
    pb_f128 (*f128)(pb_f128, pb_f128, pb_fp_env *);
} binary_call;

typedef struct compare_call {
    const char *name;
    int (*f16)(uint16_t, uint16_t, pb_fp_env *);
    int (*f32)(uint32_t, uint32_t, pb_fp_env *);
    int (*f64)(uint64_t, uint64_t, pb_fp_env *);
    int (*f80)(pb_f80, pb_f80, pb_fp_env *);
    int (*f128)(pb_f128, pb_f128, pb_fp_env *);
} compare_call;

static inline pb_f80 as_f80(bits raw)
{
    return (pb_f80){ .mant = (uint64_t)raw, .se = (uint16_t)(raw >> 64) };
}

static inline bits of_f80(pb_f80 v)
{
    return ((bits)v.se << 64) | v.mant;
}

static inline pb_f128 as_f128(bits raw)
{
    return (pb_f128){ .lo = (uint64_t)raw, .hi = (uint64_t)(raw >> 64) };
}

static inline bits of_f128(pb_f128 v)
{
    return ((bits)v.hi << 64) | v.lo;
}

static inline bool binary_has(const binary_call *c, ref_fmt f)
{
    switch (f) {
    case F16:
        return c->f16;
    case F32:
        return c->f32;
    case F64:
        return c->f64;
    case F80:
        return c->f80;
    case F128:
        return c->f128;
    default:
        return false;
    }
}

static inline bits call_unary(const unary_call *c, ref_fmt f, bits a, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return c->f16((uint16_t)a, env);
    case F32:
        return c->f32((uint32_t)a, env);
    case F64:
        return c->f64((uint64_t)a, env);
    case F80:
        return of_f80(c->f80(as_f80(a), env));
    default:
        return of_f128(c->f128(as_f128(a), env));
    }
}

static inline bits call_binary(const binary_call *c, ref_fmt f, bits a, bits b, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return c->f16((uint16_t)a, (uint16_t)b, env);
    case F32:
        return c->f32((uint32_t)a, (uint32_t)b, env);
    case F64:
        return c->f64((uint64_t)a, (uint64_t)b, env);
    case F80:
        return of_f80(c->f80(as_f80(a), as_f80(b), env));
    default:
        return of_f128(c->f128(as_f128(a), as_f128(b), env));
    }
}

static inline int call_compare(const compare_call *c, ref_fmt f, bits a, bits b, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return c->f16((uint16_t)a, (uint16_t)b, env);
    case F32:
        return c->f32((uint32_t)a, (uint32_t)b, env);
    case F64:
        return c->f64((uint64_t)a, (uint64_t)b, env);
    case F80:
        return c->f80(as_f80(a), as_f80(b), env);
    default:
        return c->f128(as_f128(a), as_f128(b), env);
    }
}

static inline bits call_fma(ref_fmt f, bits a, bits b, bits c, unsigned neg, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return pb_f16_fma((uint16_t)a, (uint16_t)b, (uint16_t)c, neg, env);
    case F32:
        return pb_f32_fma((uint32_t)a, (uint32_t)b, (uint32_t)c, neg, env);
    case F64:
        return pb_f64_fma((uint64_t)a, (uint64_t)b, (uint64_t)c, neg, env);
    default:
        return of_f128(pb_f128_fma(as_f128(a), as_f128(b), as_f128(c), neg, env));
    }
}

static inline bits call_round_int(ref_fmt f, bits a, unsigned round, bool exact, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return pb_f16_round_int((uint16_t)a, round, exact, env);
    case F32:
        return pb_f32_round_int((uint32_t)a, round, exact, env);
    case F64:
        return pb_f64_round_int((uint64_t)a, round, exact, env);
    case F80:
        return of_f80(pb_f80_round_int(as_f80(a), round, exact, env));
    default:
        return of_f128(pb_f128_round_int(as_f128(a), round, exact, env));
    }
}

static inline bits call_scale(ref_fmt f, bits a, int32_t n, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return pb_f16_scale((uint16_t)a, n, env);
    case F32:
        return pb_f32_scale((uint32_t)a, n, env);
    case F64:
        return pb_f64_scale((uint64_t)a, n, env);
    case F80:
        return of_f80(pb_f80_scale(as_f80(a), n, env));
    default:
        return of_f128(pb_f128_scale(as_f128(a), n, env));
    }
}

/* Signed results come back as their two's complement. */
static inline uint64_t call_to_int(ref_fmt f, bits a, bool is_signed, unsigned width,
                                   unsigned fbits, unsigned round, pb_fp_env *env)
{
    switch (f) {
    case F16:
        return is_signed ? (uint64_t)pb_f16_to_int((uint16_t)a, width, fbits, round, env)
                         : pb_f16_to_uint((uint16_t)a, width, fbits, round, env);
    case F32:
        return is_signed ? (uint64_t)pb_f32_to_int((uint32_t)a, width, fbits, round, env)
                         : pb_f32_to_uint((uint32_t)a, width, fbits, round, env);
    case F64:
        return is_signed ? (uint64_t)pb_f64_to_int((uint64_t)a, width, fbits, round, env)
                         : pb_f64_to_uint((uint64_t)a, width, fbits, round, env);
    case F80:
        return is_signed ? (uint64_t)pb_f80_to_int(as_f80(a), width, fbits, round, env)
                         : pb_f80_to_uint(as_f80(a), width, fbits, round, env);
    default:
        return is_signed ? (uint64_t)pb_f128_to_int(as_f128(a), width, fbits, round, env)
                         : pb_f128_to_uint(as_f128(a), width, fbits, round, env);
    }
}

static inline bits call_from_int(ref_fmt f, uint64_t v, bool is_signed, unsigned fbits,
                                 pb_fp_env *env)
{
    switch (f) {
    case F16:
        return is_signed ? pb_f16_from_int((int64_t)v, fbits, env)
                         : pb_f16_from_uint(v, fbits, env);
    case F32:
        return is_signed ? pb_f32_from_int((int64_t)v, fbits, env)
                         : pb_f32_from_uint(v, fbits, env);
    case F64:
        return is_signed ? pb_f64_from_int((int64_t)v, fbits, env)
                         : pb_f64_from_uint(v, fbits, env);
    case F80:
        return of_f80(is_signed ? pb_f80_from_int((int64_t)v, fbits, env)
                                : pb_f80_from_uint(v, fbits, env));
    default:
        return of_f128(is_signed ? pb_f128_from_int((int64_t)v, fbits, env)
                                 : pb_f128_from_uint(v, fbits, env));
    }
}

#endif
