/*
 * Floating point in software: IEEE 754 to the bit, by the rules of the guest.
 *
 * IEEE 754-2008 leaves choices to the architecture: which NaN comes out, when a result is tiny,
 * what an impossible conversion gives. pb_fp_rules holds them; the pb_fp_rules_* functions below
 * fill it in for the guests that we know, with the manual's name.
 *
 * Values are bit patterns. A function reads env->rules and env->round, and ors into env->flags;
 * it takes no lock, allocates nothing, and never uses the host's floating point. An env belongs to
 * one thread at a time. The layout of pb_fp_env goes with the extension's id: it does not grow.
 *
 * Plugins reach the functions through the table pb_fp_ops, extension PB_FP_EXTENSION; its members
 * have the functions' names without pb_.
 *
 * Left out: traps (a guest that unmasks an exception has to look at the flags and, where its manual
 * asks for a wrapped exponent, work it out), decimal formats, and transcendental functions.
 */
#ifndef PATCHBAY_FP_H
#define PATCHBAY_FP_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PB_FP_EXTENSION "pb.fp/1"

/* ---- environment ---- */

/* Rounding modes; the first four are Arm's FPCR.RMode. */
enum {
    PB_FP_NEAREST_EVEN = 0,
    PB_FP_UP = 1,   /* toward +infinity */
    PB_FP_DOWN = 2, /* toward -infinity */
    PB_FP_TO_ZERO = 3,
    PB_FP_NEAREST_AWAY = 4, /* ties away from zero */
    PB_FP_TO_ODD = 5,       /* truncate; an inexact result gets a 1 in its last bit */
};

/* Exception flags. The low byte holds the IEEE ones where Arm's FPSR has them. */
enum {
    PB_FP_INVALID = 1u << 0,
    PB_FP_DIVZERO = 1u << 1,
    PB_FP_OVERFLOW = 1u << 2,
    PB_FP_UNDERFLOW = 1u << 3,
    PB_FP_INEXACT = 1u << 4,
    PB_FP_INPUT_DENORMAL = 1u << 7, /* Arm IDC, x86 DE */
    PB_FP_IEEE_FLAGS = 0x9f,

    /* Why PB_FP_INVALID was raised, as PowerPC's FPSCR tells it (VXSNAN ...). */
    PB_FP_WHY_SNAN = 1u << 8,      /* signalling NaN operand */
    PB_FP_WHY_INF_SUB = 1u << 9,   /* inf - inf */
    PB_FP_WHY_INF_DIV = 1u << 10,  /* inf / inf */
    PB_FP_WHY_ZERO_DIV = 1u << 11, /* 0 / 0 */
    PB_FP_WHY_INF_MUL = 1u << 12,  /* inf * 0 */
    PB_FP_WHY_COMPARE = 1u << 13,  /* ordered comparison of a NaN */
    PB_FP_WHY_SQRT = 1u << 14,     /* square root of a negative number */
    PB_FP_WHY_TO_INT = 1u << 15,   /* integer conversion of a NaN or out of range */

    /* The magnitude of a result was rounded up (PowerPC FPSCR.FR, x87 C1). Clear it before the
     * operation it is wanted for. */
    PB_FP_ROUNDED_UP = 1u << 16,
};

/* Which NaN operand becomes the result (quieted). For fma(a, b, c) = a * b + c. */
enum {
    PB_FP_NAN_ARM = 0, /* first signalling, else first quiet; fma in the order c, a, b */
    PB_FP_NAN_X86 = 1, /* first, signalling or not; fma in the order a, b, c (SSE, AVX, Arm AH) with
                        * a * b as the manual writes it: VFMADD213 has the second operand first */
    PB_FP_NAN_X87 = 2, /* larger significand; of equal ones the positive NaN */
    PB_FP_NAN_PPC = 3, /* first, signalling or not; fma in the order a, c, b: FRA, FRB, FRC */
};

/* fma of inf * 0 and a quiet NaN */
enum {
    PB_FP_INFZERO_DEFAULT = 0, /* invalid, default NaN (Arm) */
    PB_FP_INFZERO_INVALID = 1, /* invalid, the NaN operand (PowerPC) */
    PB_FP_INFZERO_QUIET = 2,   /* no exception, the NaN operand (x86) */
};

/* Integer conversions of what does not fit */
enum {
    PB_FP_INT_SATURATE = 0,   /* nearest end of the range; NaN gives 0 (Arm) */
    PB_FP_INT_INDEFINITE = 1, /* signed: the most negative; unsigned: all ones (x86) */
    PB_FP_INT_PPC = 2,        /* nearest end of the range; NaN gives the lowest (PowerPC) */
};

/* The choices of an architecture and the mode bits that change them. All zeros is Arm with
 * FPCR == 0. */
typedef struct pb_fp_rules {
    uint8_t nan;                  /* PB_FP_NAN_* */
    uint8_t default_nan;          /* 1: every NaN result is the default NaN (Arm FPCR.DN) */
    uint8_t default_nan_negative; /* 1: the default NaN has its sign set (x86, Arm AH) */
    uint8_t infzero;              /* PB_FP_INFZERO_* */
    uint8_t tiny_after;           /* 1: tininess is detected after rounding (x86), 0: before */

    /* 1: tiny results become zero, with flush_out_flags and no others: f32, f64, bf16 (flush_out)
     * and f16 (flush_out16). */
    uint8_t flush_out, flush_out16;
    uint8_t flush_out_flags; /* Arm: PB_FP_UNDERFLOW; x86: that and PB_FP_INEXACT */

    /* 1: denormal operands are zeros: f32, f64, bf16 (flush_in) and f16 (flush_in16). flush_in
     * raises flush_in_flags; flush_in16 raises nothing (DDI 0487, FPUnpackBase). */
    uint8_t flush_in, flush_in16;
    uint8_t flush_in_flags; /* Arm: PB_FP_INPUT_DENORMAL; x86: 0 */

    /* Raised by a denormal operand that is used as it is, unless the operation is invalid, divides
     * by zero or has a NaN operand: PB_FP_INPUT_DENORMAL on x86 (DE), else 0. Conversions to
     * integer, conversions of f16 and f80 to other formats, and rounding to integral do not raise
     * it, except pb_f80_round_int. */
    uint8_t denormal_flags;

    uint8_t alt_half; /* 1: in conversions f16 has no infinities and NaNs (Arm FPCR.AHP) */
    uint8_t to_int;   /* PB_FP_INT_* */
} pb_fp_rules;

/* What an operation reads and changes. Plain data: copy it freely. */
typedef struct pb_fp_env {
    pb_fp_rules rules;
    uint8_t round;     /* PB_FP_NEAREST_EVEN ... */
    uint8_t precision; /* f80 arithmetic: 24, 53 or 64 bits (x87 control word PC); 0 means 64 */
    uint32_t flags;    /* sticky: functions only set bits */
} pb_fp_env;

/* Arm, FPCR == 0. The frontend sets default_nan from DN, flush_in and flush_out from FZ, the 16
 * forms from FZ16, alt_half from AHP. DDI 0487, shared/functions/float. */
static inline pb_fp_rules pb_fp_rules_arm(void)
{
    return (pb_fp_rules){ .nan = PB_FP_NAN_ARM,
                          .infzero = PB_FP_INFZERO_DEFAULT,
                          .flush_out_flags = PB_FP_UNDERFLOW,
                          .flush_in_flags = PB_FP_INPUT_DENORMAL,
                          .to_int = PB_FP_INT_SATURATE };
}

/* SSE and AVX, MXCSR with DAZ and FTZ clear: flush_in is DAZ, flush_out is FTZ (which works only
 * while underflow is masked). Intel SDM volume 1, sections 4.8.3, 4.9 and 10.2.3. */
static inline pb_fp_rules pb_fp_rules_x86(void)
{
    return (pb_fp_rules){ .nan = PB_FP_NAN_X86,
                          .default_nan_negative = 1,
                          .infzero = PB_FP_INFZERO_QUIET,
                          .tiny_after = 1,
                          .flush_out_flags = PB_FP_UNDERFLOW | PB_FP_INEXACT,
                          .denormal_flags = PB_FP_INPUT_DENORMAL,
                          .to_int = PB_FP_INT_INDEFINITE };
}

/* x87. Intel SDM volume 1, section 4.8.3.5, table 4-7. */
static inline pb_fp_rules pb_fp_rules_x87(void)
{
    pb_fp_rules rules = pb_fp_rules_x86();

    rules.nan = PB_FP_NAN_X87;
    return rules;
}

/* PowerPC, FPSCR[NI] clear. Power ISA book I, chapter 4. */
static inline pb_fp_rules pb_fp_rules_ppc(void)
{
    return (pb_fp_rules){ .nan = PB_FP_NAN_PPC,
                          .infzero = PB_FP_INFZERO_INVALID,
                          .flush_out_flags = PB_FP_UNDERFLOW | PB_FP_INEXACT,
                          .to_int = PB_FP_INT_PPC };
}

/* ---- formats wider than a register ---- */

/* x87 double extended: the significand with its explicit integer bit; sign and exponent. Operands
 * that the 80387 and later do not know (unnormal, pseudo-NaN, pseudo-infinity) are invalid. */
typedef struct pb_f80 {
    uint64_t mant;
    uint16_t se;
} pb_f80;

/* binary128 */
typedef struct pb_f128 {
    uint64_t lo, hi;
} pb_f128;

/* Signs that fma changes */
enum {
    PB_FP_NEG_PRODUCT = 1,
    PB_FP_NEG_ADDEND = 2,
    PB_FP_NEG_RESULT = 4,
};

/* Outcomes of a comparison */
enum {
    PB_FP_LESS = -1,
    PB_FP_EQUAL = 0,
    PB_FP_GREATER = 1,
    PB_FP_UNORDERED = 2,
};

/* ---- arithmetic, comparison and conversion ---- */

/* a + b, a - b, a * b, a / b, correctly rounded. f80 rounds to env->precision bits. [any] [hot] */
uint16_t pb_f16_add(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_f16_sub(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_f16_mul(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_f16_div(uint16_t a, uint16_t b, pb_fp_env *env);
uint32_t pb_f32_add(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_f32_sub(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_f32_mul(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_f32_div(uint32_t a, uint32_t b, pb_fp_env *env);
uint64_t pb_f64_add(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_f64_sub(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_f64_mul(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_f64_div(uint64_t a, uint64_t b, pb_fp_env *env);
pb_f80 pb_f80_add(pb_f80 a, pb_f80 b, pb_fp_env *env);
pb_f80 pb_f80_sub(pb_f80 a, pb_f80 b, pb_fp_env *env);
pb_f80 pb_f80_mul(pb_f80 a, pb_f80 b, pb_fp_env *env);
pb_f80 pb_f80_div(pb_f80 a, pb_f80 b, pb_fp_env *env);
pb_f128 pb_f128_add(pb_f128 a, pb_f128 b, pb_fp_env *env);
pb_f128 pb_f128_sub(pb_f128 a, pb_f128 b, pb_fp_env *env);
pb_f128 pb_f128_mul(pb_f128 a, pb_f128 b, pb_fp_env *env);
pb_f128 pb_f128_div(pb_f128 a, pb_f128 b, pb_fp_env *env);

/* Square root, correctly rounded. f80 rounds to env->precision bits. [any] [hot] */
uint16_t pb_f16_sqrt(uint16_t a, pb_fp_env *env);
uint32_t pb_f32_sqrt(uint32_t a, pb_fp_env *env);
uint64_t pb_f64_sqrt(uint64_t a, pb_fp_env *env);
pb_f80 pb_f80_sqrt(pb_f80 a, pb_fp_env *env);
pb_f128 pb_f128_sqrt(pb_f128 a, pb_fp_env *env);

/* a * b + c with one rounding. neg is a set of PB_FP_NEG_*: they change the sign of the product, of
 * the addend or of the rounded result, and leave NaN operands as they are. (Arm's FMLS and FNMADD
 * flip the sign of the operand itself, NaN or not: there the caller flips the bit and passes 0.)
 * f80 has none. [any] [hot] */
uint16_t pb_f16_fma(uint16_t a, uint16_t b, uint16_t c, unsigned neg, pb_fp_env *env);
uint32_t pb_f32_fma(uint32_t a, uint32_t b, uint32_t c, unsigned neg, pb_fp_env *env);
uint64_t pb_f64_fma(uint64_t a, uint64_t b, uint64_t c, unsigned neg, pb_fp_env *env);
pb_f128 pb_f128_fma(pb_f128 a, pb_f128 b, pb_f128 c, unsigned neg, pb_fp_env *env);

/* Smaller and larger of two numbers, -0 being less than +0. A NaN operand gives a NaN as in
 * arithmetic (Arm FMIN, FMAX). [any] [hot] */
uint16_t pb_f16_min(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_f16_max(uint16_t a, uint16_t b, pb_fp_env *env);
uint32_t pb_f32_min(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_f32_max(uint32_t a, uint32_t b, pb_fp_env *env);
uint64_t pb_f64_min(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_f64_max(uint64_t a, uint64_t b, pb_fp_env *env);

/* IEEE 754-2008 minNum and maxNum: a quiet NaN loses against a number, a signalling NaN gives a NaN
 * (Arm FMINNM, FMAXNM). [any] [hot] */
uint16_t pb_f16_minnum(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_f16_maxnum(uint16_t a, uint16_t b, pb_fp_env *env);
uint32_t pb_f32_minnum(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_f32_maxnum(uint32_t a, uint32_t b, pb_fp_env *env);
uint64_t pb_f64_minnum(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_f64_maxnum(uint64_t a, uint64_t b, pb_fp_env *env);

/* Compare: a PB_FP_LESS ... PB_FP_UNORDERED. compare raises invalid for signalling NaNs only,
 * compare_signalling for every NaN. [any] [hot] */
int pb_f16_compare(uint16_t a, uint16_t b, pb_fp_env *env);
int pb_f16_compare_signalling(uint16_t a, uint16_t b, pb_fp_env *env);
int pb_f32_compare(uint32_t a, uint32_t b, pb_fp_env *env);
int pb_f32_compare_signalling(uint32_t a, uint32_t b, pb_fp_env *env);
int pb_f64_compare(uint64_t a, uint64_t b, pb_fp_env *env);
int pb_f64_compare_signalling(uint64_t a, uint64_t b, pb_fp_env *env);
int pb_f80_compare(pb_f80 a, pb_f80 b, pb_fp_env *env);
int pb_f80_compare_signalling(pb_f80 a, pb_f80 b, pb_fp_env *env);
int pb_f128_compare(pb_f128 a, pb_f128 b, pb_fp_env *env);
int pb_f128_compare_signalling(pb_f128 a, pb_f128 b, pb_fp_env *env);

/* Round to an integral value in the same format, by the rounding mode given. Inexact is raised only
 * if exact is true (Arm FRINTX, x86 ROUNDSS without bit 3). [any] [hot] */
uint16_t pb_f16_round_int(uint16_t a, unsigned round, bool exact, pb_fp_env *env);
uint32_t pb_f32_round_int(uint32_t a, unsigned round, bool exact, pb_fp_env *env);
uint64_t pb_f64_round_int(uint64_t a, unsigned round, bool exact, pb_fp_env *env);
pb_f80 pb_f80_round_int(pb_f80 a, unsigned round, bool exact, pb_fp_env *env);
pb_f128 pb_f128_round_int(pb_f128 a, unsigned round, bool exact, pb_fp_env *env);

/* a * 2^n, correctly rounded. [any] [hot] */
uint16_t pb_f16_scale(uint16_t a, int32_t n, pb_fp_env *env);
uint32_t pb_f32_scale(uint32_t a, int32_t n, pb_fp_env *env);
uint64_t pb_f64_scale(uint64_t a, int32_t n, pb_fp_env *env);
pb_f80 pb_f80_scale(pb_f80 a, int32_t n, pb_fp_env *env);
pb_f128 pb_f128_scale(pb_f128 a, int32_t n, pb_fp_env *env);

/* a * 2^fbits as an integer of width bits (1 to 64), by the rounding mode given; fbits is at most
 * 64. The signed result is sign extended to 64 bits. Out of range and NaN raise invalid, alone, and
 * give what rules.to_int says. [any] [hot] */
int64_t pb_f16_to_int(uint16_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
uint64_t pb_f16_to_uint(uint16_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
int64_t pb_f32_to_int(uint32_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
uint64_t pb_f32_to_uint(uint32_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
int64_t pb_f64_to_int(uint64_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
uint64_t pb_f64_to_uint(uint64_t a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
int64_t pb_f80_to_int(pb_f80 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
uint64_t pb_f80_to_uint(pb_f80 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
int64_t pb_f128_to_int(pb_f128 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
uint64_t pb_f128_to_uint(pb_f128 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);

/* v / 2^fbits, rounded by env->round; fbits is at most 64. A narrower integer is extended by the
 * caller. f80 ignores env->precision. [any] [hot] */
uint16_t pb_f16_from_int(int64_t v, unsigned fbits, pb_fp_env *env);
uint16_t pb_f16_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env);
uint32_t pb_f32_from_int(int64_t v, unsigned fbits, pb_fp_env *env);
uint32_t pb_f32_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env);
uint64_t pb_f64_from_int(int64_t v, unsigned fbits, pb_fp_env *env);
uint64_t pb_f64_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env);
pb_f80 pb_f80_from_int(int64_t v, unsigned fbits, pb_fp_env *env);
pb_f80 pb_f80_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env);
pb_f128 pb_f128_from_int(int64_t v, unsigned fbits, pb_fp_env *env);
pb_f128 pb_f128_from_uint(uint64_t v, unsigned fbits, pb_fp_env *env);

/* The remainder a - q * b, exact: q is a / b cut off (FPREM) or, if nearest, rounded to the nearest
 * even integer (FPREM1). *quotient gets the magnitude of q modulo 2^64. Always complete: what FPREM
 * leaves to a loop (C2) is done at once, in a bounded number of steps. [any] [hot] */
pb_f80 pb_f80_rem(pb_f80 a, pb_f80 b, bool nearest, uint64_t *quotient, pb_fp_env *env);

/* From one format to another, rounded by env->round. A NaN keeps the top of its payload and becomes
 * quiet. Half precision obeys rules.alt_half and neither flush_in16 nor flush_out16 (Arm FPConvert,
 * F16C). f80 ignores env->precision. [any] [hot] */
uint32_t pb_f16_to_f32(uint16_t a, pb_fp_env *env);
uint64_t pb_f16_to_f64(uint16_t a, pb_fp_env *env);
pb_f80 pb_f16_to_f80(uint16_t a, pb_fp_env *env);
pb_f128 pb_f16_to_f128(uint16_t a, pb_fp_env *env);
uint16_t pb_f32_to_f16(uint32_t a, pb_fp_env *env);
uint64_t pb_f32_to_f64(uint32_t a, pb_fp_env *env);
pb_f80 pb_f32_to_f80(uint32_t a, pb_fp_env *env);
pb_f128 pb_f32_to_f128(uint32_t a, pb_fp_env *env);
uint16_t pb_f64_to_f16(uint64_t a, pb_fp_env *env);
uint32_t pb_f64_to_f32(uint64_t a, pb_fp_env *env);
pb_f80 pb_f64_to_f80(uint64_t a, pb_fp_env *env);
pb_f128 pb_f64_to_f128(uint64_t a, pb_fp_env *env);
uint16_t pb_f80_to_f16(pb_f80 a, pb_fp_env *env);
uint32_t pb_f80_to_f32(pb_f80 a, pb_fp_env *env);
uint64_t pb_f80_to_f64(pb_f80 a, pb_fp_env *env);
pb_f128 pb_f80_to_f128(pb_f80 a, pb_fp_env *env);
uint16_t pb_f128_to_f16(pb_f128 a, pb_fp_env *env);
uint32_t pb_f128_to_f32(pb_f128 a, pb_fp_env *env);
uint64_t pb_f128_to_f64(pb_f128 a, pb_fp_env *env);
pb_f80 pb_f128_to_f80(pb_f128 a, pb_fp_env *env);
uint16_t pb_f32_to_bf16(uint32_t a, pb_fp_env *env);
uint32_t pb_bf16_to_f32(uint16_t a, pb_fp_env *env);

/* ---- Arm: DDI 0487, shared/functions/float, with FPCR.AH == 0 ---- */

/* Estimates of 1/a (FRECPE, FPRecipEstimate) and 1/sqrt(a) (FRSQRTE, FPRSqrtEstimate) to 8 bits,
 * and the exponent reciprocal (FRECPX, FPRecpX). [any] [hot] */
uint16_t pb_arm_f16_recpe(uint16_t a, pb_fp_env *env);
uint16_t pb_arm_f16_rsqrte(uint16_t a, pb_fp_env *env);
uint16_t pb_arm_f16_recpx(uint16_t a, pb_fp_env *env);
uint32_t pb_arm_f32_recpe(uint32_t a, pb_fp_env *env);
uint32_t pb_arm_f32_rsqrte(uint32_t a, pb_fp_env *env);
uint32_t pb_arm_f32_recpx(uint32_t a, pb_fp_env *env);
uint64_t pb_arm_f64_recpe(uint64_t a, pb_fp_env *env);
uint64_t pb_arm_f64_rsqrte(uint64_t a, pb_fp_env *env);
uint64_t pb_arm_f64_recpx(uint64_t a, pb_fp_env *env);

/* Newton steps 2 - a*b (FRECPS, FPRecipStepFused) and (3 - a*b) / 2 (FRSQRTS, FPRSqrtStepFused)
 * with one rounding, and the multiplication that makes 2 of inf * 0 (FMULX, FPMulX). [any] [hot] */
uint16_t pb_arm_f16_recps(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_arm_f16_rsqrts(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_arm_f16_mulx(uint16_t a, uint16_t b, pb_fp_env *env);
uint32_t pb_arm_f32_recps(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_arm_f32_rsqrts(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_arm_f32_mulx(uint32_t a, uint32_t b, pb_fp_env *env);
uint64_t pb_arm_f64_recps(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_arm_f64_rsqrts(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_arm_f64_mulx(uint64_t a, uint64_t b, pb_fp_env *env);

/* URECPE, URSQRTE: the same estimates on fixed-point numbers. [any] [hot] */
uint32_t pb_arm_urecpe(uint32_t a);
uint32_t pb_arm_ursqrte(uint32_t a);

/* FRINT32X/Z, FRINT64X/Z (FPRoundIntN): round to an integral value that fits a signed integer of
 * width (32 or 64) bits; what does not fit, and NaN, is -2^(width-1) with invalid. [any] [hot] */
uint32_t pb_arm_f32_round_int_n(uint32_t a, unsigned width, unsigned round, pb_fp_env *env);
uint64_t pb_arm_f64_round_int_n(uint64_t a, unsigned width, unsigned round, pb_fp_env *env);

/* FJCVTZS (FPToFixedJS): toward zero, modulo 2^32. *exact is the Z flag: the result is the
 * operand's value, and the operand is not -0. [any] [hot] */
uint32_t pb_arm_f64_to_int32_js(uint64_t a, bool *exact, pb_fp_env *env);

/* ---- x86: Intel SDM volume 2, MINSS and MAXSS ---- */

/* a < b ? a : b and a > b ? a : b, a being the first source: with a NaN, or two zeros, the result
 * is b as it is. Any NaN raises invalid. (Arm FMIN with FPCR.AH == 1 is the same.) [any] [hot] */
uint16_t pb_x86_f16_min(uint16_t a, uint16_t b, pb_fp_env *env);
uint16_t pb_x86_f16_max(uint16_t a, uint16_t b, pb_fp_env *env);
uint32_t pb_x86_f32_min(uint32_t a, uint32_t b, pb_fp_env *env);
uint32_t pb_x86_f32_max(uint32_t a, uint32_t b, pb_fp_env *env);
uint64_t pb_x86_f64_min(uint64_t a, uint64_t b, pb_fp_env *env);
uint64_t pb_x86_f64_max(uint64_t a, uint64_t b, pb_fp_env *env);

/* ---- the same functions for plugins ---- */
typedef struct pb_fp_ops {
    uint32_t size;
    uint16_t (*f16_add)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*f16_sub)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*f16_mul)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*f16_div)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint32_t (*f32_add)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*f32_sub)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*f32_mul)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*f32_div)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint64_t (*f64_add)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*f64_sub)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*f64_mul)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*f64_div)(uint64_t a, uint64_t b, pb_fp_env *env);
    pb_f80 (*f80_add)(pb_f80 a, pb_f80 b, pb_fp_env *env);
    pb_f80 (*f80_sub)(pb_f80 a, pb_f80 b, pb_fp_env *env);
    pb_f80 (*f80_mul)(pb_f80 a, pb_f80 b, pb_fp_env *env);
    pb_f80 (*f80_div)(pb_f80 a, pb_f80 b, pb_fp_env *env);
    pb_f128 (*f128_add)(pb_f128 a, pb_f128 b, pb_fp_env *env);
    pb_f128 (*f128_sub)(pb_f128 a, pb_f128 b, pb_fp_env *env);
    pb_f128 (*f128_mul)(pb_f128 a, pb_f128 b, pb_fp_env *env);
    pb_f128 (*f128_div)(pb_f128 a, pb_f128 b, pb_fp_env *env);
    uint16_t (*f16_sqrt)(uint16_t a, pb_fp_env *env);
    uint32_t (*f32_sqrt)(uint32_t a, pb_fp_env *env);
    uint64_t (*f64_sqrt)(uint64_t a, pb_fp_env *env);
    pb_f80 (*f80_sqrt)(pb_f80 a, pb_fp_env *env);
    pb_f128 (*f128_sqrt)(pb_f128 a, pb_fp_env *env);
    uint16_t (*f16_fma)(uint16_t a, uint16_t b, uint16_t c, unsigned neg, pb_fp_env *env);
    uint32_t (*f32_fma)(uint32_t a, uint32_t b, uint32_t c, unsigned neg, pb_fp_env *env);
    uint64_t (*f64_fma)(uint64_t a, uint64_t b, uint64_t c, unsigned neg, pb_fp_env *env);
    pb_f128 (*f128_fma)(pb_f128 a, pb_f128 b, pb_f128 c, unsigned neg, pb_fp_env *env);
    uint16_t (*f16_min)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*f16_max)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint32_t (*f32_min)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*f32_max)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint64_t (*f64_min)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*f64_max)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint16_t (*f16_minnum)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*f16_maxnum)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint32_t (*f32_minnum)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*f32_maxnum)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint64_t (*f64_minnum)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*f64_maxnum)(uint64_t a, uint64_t b, pb_fp_env *env);
    int (*f16_compare)(uint16_t a, uint16_t b, pb_fp_env *env);
    int (*f16_compare_signalling)(uint16_t a, uint16_t b, pb_fp_env *env);
    int (*f32_compare)(uint32_t a, uint32_t b, pb_fp_env *env);
    int (*f32_compare_signalling)(uint32_t a, uint32_t b, pb_fp_env *env);
    int (*f64_compare)(uint64_t a, uint64_t b, pb_fp_env *env);
    int (*f64_compare_signalling)(uint64_t a, uint64_t b, pb_fp_env *env);
    int (*f80_compare)(pb_f80 a, pb_f80 b, pb_fp_env *env);
    int (*f80_compare_signalling)(pb_f80 a, pb_f80 b, pb_fp_env *env);
    int (*f128_compare)(pb_f128 a, pb_f128 b, pb_fp_env *env);
    int (*f128_compare_signalling)(pb_f128 a, pb_f128 b, pb_fp_env *env);
    uint16_t (*f16_round_int)(uint16_t a, unsigned round, bool exact, pb_fp_env *env);
    uint32_t (*f32_round_int)(uint32_t a, unsigned round, bool exact, pb_fp_env *env);
    uint64_t (*f64_round_int)(uint64_t a, unsigned round, bool exact, pb_fp_env *env);
    pb_f80 (*f80_round_int)(pb_f80 a, unsigned round, bool exact, pb_fp_env *env);
    pb_f128 (*f128_round_int)(pb_f128 a, unsigned round, bool exact, pb_fp_env *env);
    uint16_t (*f16_scale)(uint16_t a, int32_t n, pb_fp_env *env);
    uint32_t (*f32_scale)(uint32_t a, int32_t n, pb_fp_env *env);
    uint64_t (*f64_scale)(uint64_t a, int32_t n, pb_fp_env *env);
    pb_f80 (*f80_scale)(pb_f80 a, int32_t n, pb_fp_env *env);
    pb_f128 (*f128_scale)(pb_f128 a, int32_t n, pb_fp_env *env);
    int64_t (*f16_to_int)(uint16_t a, unsigned width, unsigned fbits, unsigned round,
                          pb_fp_env *env);
    uint64_t (*f16_to_uint)(uint16_t a, unsigned width, unsigned fbits, unsigned round,
                            pb_fp_env *env);
    int64_t (*f32_to_int)(uint32_t a, unsigned width, unsigned fbits, unsigned round,
                          pb_fp_env *env);
    uint64_t (*f32_to_uint)(uint32_t a, unsigned width, unsigned fbits, unsigned round,
                            pb_fp_env *env);
    int64_t (*f64_to_int)(uint64_t a, unsigned width, unsigned fbits, unsigned round,
                          pb_fp_env *env);
    uint64_t (*f64_to_uint)(uint64_t a, unsigned width, unsigned fbits, unsigned round,
                            pb_fp_env *env);
    int64_t (*f80_to_int)(pb_f80 a, unsigned width, unsigned fbits, unsigned round, pb_fp_env *env);
    uint64_t (*f80_to_uint)(pb_f80 a, unsigned width, unsigned fbits, unsigned round,
                            pb_fp_env *env);
    int64_t (*f128_to_int)(pb_f128 a, unsigned width, unsigned fbits, unsigned round,
                           pb_fp_env *env);
    uint64_t (*f128_to_uint)(pb_f128 a, unsigned width, unsigned fbits, unsigned round,
                             pb_fp_env *env);
    uint16_t (*f16_from_int)(int64_t v, unsigned fbits, pb_fp_env *env);
    uint16_t (*f16_from_uint)(uint64_t v, unsigned fbits, pb_fp_env *env);
    uint32_t (*f32_from_int)(int64_t v, unsigned fbits, pb_fp_env *env);
    uint32_t (*f32_from_uint)(uint64_t v, unsigned fbits, pb_fp_env *env);
    uint64_t (*f64_from_int)(int64_t v, unsigned fbits, pb_fp_env *env);
    uint64_t (*f64_from_uint)(uint64_t v, unsigned fbits, pb_fp_env *env);
    pb_f80 (*f80_from_int)(int64_t v, unsigned fbits, pb_fp_env *env);
    pb_f80 (*f80_from_uint)(uint64_t v, unsigned fbits, pb_fp_env *env);
    pb_f128 (*f128_from_int)(int64_t v, unsigned fbits, pb_fp_env *env);
    pb_f128 (*f128_from_uint)(uint64_t v, unsigned fbits, pb_fp_env *env);
    uint32_t (*f16_to_f32)(uint16_t a, pb_fp_env *env);
    uint64_t (*f16_to_f64)(uint16_t a, pb_fp_env *env);
    pb_f80 (*f16_to_f80)(uint16_t a, pb_fp_env *env);
    pb_f128 (*f16_to_f128)(uint16_t a, pb_fp_env *env);
    uint16_t (*f32_to_f16)(uint32_t a, pb_fp_env *env);
    uint64_t (*f32_to_f64)(uint32_t a, pb_fp_env *env);
    pb_f80 (*f32_to_f80)(uint32_t a, pb_fp_env *env);
    pb_f128 (*f32_to_f128)(uint32_t a, pb_fp_env *env);
    uint16_t (*f64_to_f16)(uint64_t a, pb_fp_env *env);
    uint32_t (*f64_to_f32)(uint64_t a, pb_fp_env *env);
    pb_f80 (*f64_to_f80)(uint64_t a, pb_fp_env *env);
    pb_f128 (*f64_to_f128)(uint64_t a, pb_fp_env *env);
    uint16_t (*f80_to_f16)(pb_f80 a, pb_fp_env *env);
    uint32_t (*f80_to_f32)(pb_f80 a, pb_fp_env *env);
    uint64_t (*f80_to_f64)(pb_f80 a, pb_fp_env *env);
    pb_f128 (*f80_to_f128)(pb_f80 a, pb_fp_env *env);
    uint16_t (*f128_to_f16)(pb_f128 a, pb_fp_env *env);
    uint32_t (*f128_to_f32)(pb_f128 a, pb_fp_env *env);
    uint64_t (*f128_to_f64)(pb_f128 a, pb_fp_env *env);
    pb_f80 (*f128_to_f80)(pb_f128 a, pb_fp_env *env);
    uint16_t (*f32_to_bf16)(uint32_t a, pb_fp_env *env);
    uint32_t (*bf16_to_f32)(uint16_t a, pb_fp_env *env);
    uint16_t (*arm_f16_recpe)(uint16_t a, pb_fp_env *env);
    uint16_t (*arm_f16_rsqrte)(uint16_t a, pb_fp_env *env);
    uint16_t (*arm_f16_recpx)(uint16_t a, pb_fp_env *env);
    uint32_t (*arm_f32_recpe)(uint32_t a, pb_fp_env *env);
    uint32_t (*arm_f32_rsqrte)(uint32_t a, pb_fp_env *env);
    uint32_t (*arm_f32_recpx)(uint32_t a, pb_fp_env *env);
    uint64_t (*arm_f64_recpe)(uint64_t a, pb_fp_env *env);
    uint64_t (*arm_f64_rsqrte)(uint64_t a, pb_fp_env *env);
    uint64_t (*arm_f64_recpx)(uint64_t a, pb_fp_env *env);
    uint16_t (*arm_f16_recps)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*arm_f16_rsqrts)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*arm_f16_mulx)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint32_t (*arm_f32_recps)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*arm_f32_rsqrts)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*arm_f32_mulx)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint64_t (*arm_f64_recps)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*arm_f64_rsqrts)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*arm_f64_mulx)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint32_t (*arm_urecpe)(uint32_t a);
    uint32_t (*arm_ursqrte)(uint32_t a);
    uint32_t (*arm_f32_round_int_n)(uint32_t a, unsigned width, unsigned round, pb_fp_env *env);
    uint64_t (*arm_f64_round_int_n)(uint64_t a, unsigned width, unsigned round, pb_fp_env *env);
    uint32_t (*arm_f64_to_int32_js)(uint64_t a, bool *exact, pb_fp_env *env);
    uint16_t (*x86_f16_min)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint16_t (*x86_f16_max)(uint16_t a, uint16_t b, pb_fp_env *env);
    uint32_t (*x86_f32_min)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint32_t (*x86_f32_max)(uint32_t a, uint32_t b, pb_fp_env *env);
    uint64_t (*x86_f64_min)(uint64_t a, uint64_t b, pb_fp_env *env);
    uint64_t (*x86_f64_max)(uint64_t a, uint64_t b, pb_fp_env *env);
    pb_f80 (*f80_rem)(pb_f80 a, pb_f80 b, bool nearest, uint64_t *quotient, pb_fp_env *env);
} pb_fp_ops;

/* The one table; it is what the host answers to PB_FP_EXTENSION. */
extern const pb_fp_ops pb_fp_ops_table;

#ifdef __cplusplus
}
#endif

#endif
