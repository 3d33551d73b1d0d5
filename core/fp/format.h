/*
 * Formats of floating point numbers, as data for core.h. All functions there are inlined with one
 * of these constants, so the compiler makes a version for each.
 */
#ifndef FP_FORMAT_H
#define FP_FORMAT_H

#include <stdbool.h>
#include <stdint.h>

/* Which of the guest's flush-to-zero modes a format obeys */
enum { FLUSH_NEVER, FLUSH_STANDARD, FLUSH_HALF };

typedef struct fp_format {
    uint8_t exp_bits;
    uint8_t frac_bits;     /* without the integer bit */
    bool explicit_int;     /* the integer bit is stored (f80) */
    uint8_t flush;         /* FLUSH_* */
    bool alternative;      /* obeys rules.alt_half */
    bool silent_denormals; /* denormal operands raise no rules.denormal_flags */
} fp_format;

static const fp_format fmt_f16 = { .exp_bits = 5, .frac_bits = 10, .flush = FLUSH_HALF };
static const fp_format fmt_f32 = { .exp_bits = 8, .frac_bits = 23, .flush = FLUSH_STANDARD };
static const fp_format fmt_f64 = { .exp_bits = 11, .frac_bits = 52, .flush = FLUSH_STANDARD };
static const fp_format fmt_bf16 = { .exp_bits = 8, .frac_bits = 7, .flush = FLUSH_STANDARD };
static const fp_format fmt_f80 = { .exp_bits = 15, .frac_bits = 63, .explicit_int = true };
static const fp_format fmt_f128 = { .exp_bits = 15, .frac_bits = 112 };

/* f16 and f80 in conversions. Neither Arm's FPConvert nor F16C flushes halves, VCVTPH2PS does not
 * raise DE, and neither does FST. */
static const fp_format fmt_f16_cv = {
    .exp_bits = 5, .frac_bits = 10, .alternative = true, .silent_denormals = true
};
static const fp_format fmt_f80_cv = {
    .exp_bits = 15, .frac_bits = 63, .explicit_int = true, .silent_denormals = true
};

#endif
