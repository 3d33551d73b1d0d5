/*
 * Reference results for patchbay/fp.h from GNU MPFR, which knows nothing of our code: MPFR
 * computes, and MPFR rounds (mpfr_rint on the value scaled by its quantum).
 *
 * Bit patterns of every format travel in 128 bits. Nothing here is for more than one thread.
 */
#ifndef FP_TEST_REF_H
#define FP_TEST_REF_H

#include <gmp.h>
#include <stdio.h>
#include <mpfr.h>

#include <patchbay/fp.h>

typedef unsigned __int128 bits;

typedef enum ref_fmt { F16, F32, F64, F80, F128, BF16, REF_FMT_COUNT } ref_fmt;

typedef struct ref_format {
    const char *name;
    int prec;       /* with the integer bit */
    int emin, emax; /* of 1.f * 2^e */
    int width;
    bool explicit_int;
} ref_format;

extern const ref_format ref_formats[REF_FMT_COUNT];

typedef enum ref_kind { REF_NUMBER, REF_QNAN, REF_SNAN, REF_UNSUPPORTED } ref_kind;

/* An operand: a number (zero and infinity too) in v, or a NaN with its payload against the top. */
typedef struct ref_value {
    ref_kind kind;
    bool sign, denormal;
    bits payload; /* bit 127 is the quiet bit */
    mpfr_t v;
} ref_value;

typedef struct ref_result {
    bits bits;
    uint32_t flags;
} ref_result;

/* Flags that references predict: the IEEE ones and PB_FP_ROUNDED_UP. */
#define REF_FLAGS (PB_FP_IEEE_FLAGS | PB_FP_ROUNDED_UP)

void ref_init(ref_value *v);
void ref_finish(ref_value *v);

/* Read an operand. Flushing is that of the rules if flush, else none. Sets flags. */
void ref_decode(ref_value *v, ref_fmt f, bits raw, bool flush, const pb_fp_env *env,
                uint32_t *flags);

/* Make an operation's MPFR result, computed toward zero with `inexact` as its ternary value, one
 * that can be rounded again: its last bit is set if anything was lost (rounding to odd). */
void ref_sticky(mpfr_t v, int inexact);

/* Round a number (no NaN) to a format. prec is the precision, that of the format or less. */
ref_result ref_round(const mpfr_t v, ref_fmt f, int prec, unsigned round, bool flush,
                     const pb_fp_env *env);

/* Results that are NaNs. ref_nan: of n operands, one or more being NaNs, in the rule's order. */
ref_result ref_default_nan(ref_fmt f, const pb_fp_env *env);
ref_result ref_nan(ref_value *const *v, int n, ref_fmt f, const pb_fp_env *env);

/* Round a number to an integral one. */
void ref_rint(mpfr_t out, const mpfr_t v, unsigned round);

/* ---- operands, results ---- */

/* Random numbers: xorshift64*, the same in each run unless PATCHBAY_FP_SEED is set. */
uint64_t ref_random(void);

/* How many cases a loop runs: `usual`, times PATCHBAY_FP_FACTOR. */
long ref_cases(long usual);

/* An operand with a taste for edges; from `near`, if not null, now and then a related exponent, so
 * that sums cancel and products land at the ends of the range. */
bits ref_operand(ref_fmt f, const bits *near);

/* An environment of a guest that has the format, with random modes. */
pb_fp_env ref_env(ref_fmt f);

/* Compare and, if they differ, tell: op and its operands. True if they are the same. */
bool ref_same(const char *op, ref_fmt from, ref_fmt to, const bits *operand, int n,
              const pb_fp_env *before, ref_result want, bits got, uint32_t flags);

#endif
