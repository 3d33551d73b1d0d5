/*
 * Integer and cryptographic vector operations that have no IR (docs/ir-helpers-arm64.md).
 *
 * Manual: DDI 0487, C7.2 and shared/functions/crypto; FIPS 180-4.
 */
#include <patchbay/ir_sem.h>
#include "simd.h"

/* ---- SQRDMLAH, SQRDMLSH ---------------------------------------------------------------------- */

/* args: accumulator, operands, shape. acc +- 2 * n * m, rounded, high half, saturated once. */
static void rounding_doubling_accumulate(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args,
                                         bool sub)
{
    uint32_t size = SHAPE_SIZE(args[3].lo), count = SHAPE_COUNT(args[3].lo);
    uint32_t bits = lane_bits(size);
    uint64_t saturated = 0;
    pb_u128 value = { 0, 0 };

    for (uint32_t i = 0; i < count; i++) {
        int64_t product = ir_sem_v_slane(args[1], size, i) * ir_sem_v_slane(args[2], size, i);
        ir_int128 sum = (ir_int128)ir_sem_v_slane(args[0], size, i) * ((ir_int128)1 << bits);

        sum += (ir_int128)product * (sub ? -2 : 2) + ((ir_int128)1 << (bits - 1));
        value = ir_sem_v_setlane(value, ir_sem_sats(sum >> bits, bits, &saturated), size, i);
    }
    if (saturated)
        cpu_of(vcpu)->qc = 1;
    *result = value;
}

void helper_sqrdmlah(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    rounding_doubling_accumulate(vcpu, result, args, false);
}

void helper_sqrdmlsh(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    rounding_doubling_accumulate(vcpu, result, args, true);
}

/* ---- SHA ------------------------------------------------------------------------------------- */

typedef struct words {
    uint32_t w[4];
} words;

static words words_of(pb_u128 v)
{
    return (words){ { (uint32_t)v.lo, (uint32_t)(v.lo >> 32), (uint32_t)v.hi,
                      (uint32_t)(v.hi >> 32) } };
}

static pb_u128 of_words(words v)
{
    return (pb_u128){ v.w[0] | (uint64_t)v.w[1] << 32, v.w[2] | (uint64_t)v.w[3] << 32 };
}

static uint32_t rol(uint32_t x, uint32_t n)
{
    return x << n | x >> (32 - n);
}

static uint32_t ror(uint32_t x, uint32_t n)
{
    return x >> n | x << (32 - n);
}

static uint32_t choose(uint32_t x, uint32_t y, uint32_t z)
{
    return ((y ^ z) & x) ^ z;
}

static uint32_t parity(uint32_t x, uint32_t y, uint32_t z)
{
    return x ^ y ^ z;
}

static uint32_t majority(uint32_t x, uint32_t y, uint32_t z)
{
    return (x & y) | ((x | y) & z);
}

/* args: hash words a to d, e, four schedule words. Four rounds of SHA-1. */
static void sha1_rounds(pb_u128 *result, const pb_u128 *args,
                        uint32_t (*mix)(uint32_t x, uint32_t y, uint32_t z))
{
    words x = words_of(args[0]), schedule = words_of(args[2]);
    uint32_t y = (uint32_t)args[1].lo;

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t first = y + rol(x.w[0], 5) + mix(x.w[1], x.w[2], x.w[3]) + schedule.w[i];

        y = x.w[3];
        x = (words){ { first, x.w[0], rol(x.w[1], 30), x.w[2] } };
    }
    *result = of_words(x);
}

void helper_sha1c(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    sha1_rounds(result, args, choose);
}

void helper_sha1p(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    sha1_rounds(result, args, parity);
}

void helper_sha1m(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    sha1_rounds(result, args, majority);
}

/* Four rounds of SHA-256 on the hash words a to d (x), e to h (y). */
static void sha256_rounds(words *x, words *y, pb_u128 schedule_words)
{
    words schedule = words_of(schedule_words);

    for (uint32_t i = 0; i < 4; i++) {
        uint32_t a = x->w[0], e = y->w[0];
        uint32_t sigma1 = ror(e, 6) ^ ror(e, 11) ^ ror(e, 25);
        uint32_t sigma0 = ror(a, 2) ^ ror(a, 13) ^ ror(a, 22);
        uint32_t t = y->w[3] + sigma1 + choose(e, y->w[1], y->w[2]) + schedule.w[i];
        uint32_t new_a = t + sigma0 + majority(a, x->w[1], x->w[2]), new_e = t + x->w[3];

        *x = (words){ { new_a, a, x->w[1], x->w[2] } };
        *y = (words){ { new_e, e, y->w[1], y->w[2] } };
    }
}

/* args: words a to d, e to h, schedule; the result is the new a to d */
void helper_sha256h(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    words x = words_of(args[0]), y = words_of(args[1]);

    sha256_rounds(&x, &y, args[2]);
    *result = of_words(x);
}

/* args: words e to h, a to d, schedule; the result is the new e to h */
void helper_sha256h2(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    words x = words_of(args[1]), y = words_of(args[0]);

    sha256_rounds(&x, &y, args[2]);
    *result = of_words(y);
}
