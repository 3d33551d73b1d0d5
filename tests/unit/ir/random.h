/*
 * Random values for tests, with a liking for edges. The seed is fixed; PATCHBAY_IR_SEED changes it and
 * PATCHBAY_IR_FACTOR multiplies the number of cases.
 */
#ifndef IR_TEST_RANDOM_H
#define IR_TEST_RANDOM_H

#include <core/ir/ops.h>
#include <glib.h>
#include <inttypes.h>

static uint64_t random_state = 0x9e3779b97f4a7c15;

/* splitmix64 */
static inline uint64_t random_bits(void)
{
    uint64_t z = random_state += 0x9e3779b97f4a7c15;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static inline uint32_t random_below(uint32_t n)
{
    return (uint32_t)(random_bits() % n);
}

static inline uint64_t random_word(uint32_t bits)
{
    uint64_t top = ir_sem_sign(bits);

    switch (random_below(9)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return ir_sem_mask(bits);
    case 3:
        return top;
    case 4:
        return top - 1;
    case 5:
        return random_below(16) & ir_sem_mask(bits);
    case 6:
        return (0 - (uint64_t)random_below(16)) & ir_sem_mask(bits);
    default:
        return random_bits() & ir_sem_mask(bits);
    }
}

/* Zeros, denormals, ones, infinities, NaNs, and what lies near them. */
static inline uint64_t random_float(uint32_t bits)
{
    uint32_t mantissa = bits == 16 ? 10 : bits == 32 ? 23 : 52;
    uint64_t exponents = ir_sem_mask(bits - 1 - mantissa), sign = random_bits() & ir_sem_sign(bits);
    uint64_t fraction = random_word(mantissa), exponent = random_bits() & exponents;

    switch (random_below(8)) {
    case 0:
        return sign;
    case 1:
        exponent = 0;
        break;
    case 2:
        exponent = exponents;
        break;
    case 3:
        return sign | exponents << mantissa;
    case 4:
        exponent = (exponents >> 1) + random_below(64) - 32;
        break;
    default:
        break;
    }
    return sign | (exponent & exponents) << mantissa | fraction;
}

/* What NaNs are made of and what passes by them: quiet and signalling ones with all kinds of payloads, infinities, zeros, and
 * negative numbers. */
static inline uint64_t random_nan(uint32_t bits)
{
    uint32_t mantissa = bits == 16 ? 10 : bits == 32 ? 23 : 52;
    uint64_t infinity = ir_sem_mask(bits - 1 - mantissa) << mantissa, sign = random_bits();
    uint64_t payload = random_word(mantissa - 1), quiet = UINT64_C(1) << (mantissa - 1);

    sign &= ir_sem_sign(bits);
    switch (random_below(8)) {
    case 0:
        return sign;
    case 1:
        return sign | infinity;
    case 2: /* signalling, or infinity */
        return sign | infinity | payload;
    case 3: /* one */
        return sign | (infinity >> 1 & infinity);
    default:
        return sign | infinity | quiet | payload;
    }
}

static inline pb_u128 random_vector(void)
{
    pb_u128 v = { 0, 0 };
    uint32_t es = random_below(4);
    bool floats = es && random_below(2);

    for (uint32_t i = 0; i < 16u >> es; i++)
        v = ir_sem_v_setlane(v, floats ? random_float(8u << es) : random_word(8u << es), es, i);
    return v;
}

static inline pb_u128 random_value(ir_type type)
{
    switch (type) {
    case IR_F16:
    case IR_F32:
    case IR_F64:
        return (pb_u128){ random_float(ir_type_bits[type]), 0 };
    case IR_FL:
        return (pb_u128){ random_bits() & IR_FL_ALL, 0 };
    case IR_F80: {
        uint64_t exponent = random_below(3) ? random_below(0x8000) : random_below(2) ? 0x7fff : 0;
        uint64_t mant = random_word(64) | (random_below(8) ? UINT64_C(1) << 63 : 0);

        return (pb_u128){ mant, exponent | (uint64_t)random_below(2) << 15 };
    }
    case IR_I128:
    case IR_V64:
    case IR_V128:
        return ir_ops_cut(type, random_vector());
    default:
        return (pb_u128){ random_word(ir_type_bits[type]), 0 };
    }
}

/* Seed from the environment; the factor. */
static inline uint32_t random_init(void)
{
    const char *seed = g_getenv("PATCHBAY_IR_SEED"), *factor = g_getenv("PATCHBAY_IR_FACTOR");

    if (seed)
        random_state = g_ascii_strtoull(seed, NULL, 0);
    return factor ? (uint32_t)MAX(g_ascii_strtoull(factor, NULL, 0), 1) : 1;
}

#endif
