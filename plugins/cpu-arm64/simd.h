/*
 * What the translators of floating-point and vector instructions share: operands as lanes, and
 * results that clear the rest of their register.
 *
 * Manual: DDI 0487, C1.3.3 "Process state" and C7.1 for registers and arrangements, A1.4 for
 * floating point. The pseudocode's V[n, width] reads the low bits of a register and writes them
 * with zeros above; so do the verbs here.
 *
 * Whether the instructions are trapped is looked at before they are translated (translate.c).
 */
#ifndef CPU_ARM64_SIMD_H
#define CPU_ARM64_SIMD_H

#include "translate.h"

/* FP operations use the first environment of the vCPU, which writes of FPCR set up, and its
 * rounding mode unless the instruction says another. */
#define FP_ENV 0

/* Bytes of the lower half of a register. */
#define HALF_BYTES 8u

/* ---- operands -------------------------------------------------------------------------------- */

/* How an instruction sees its registers: lanes of 1 << size bytes, in all of a register (q) or its
 * lower half, or the lowest lane alone (scalar). */
typedef struct lanes {
    uint32_t size;
    bool q, scalar;
} lanes;

static inline lanes lanes_of(uint32_t scalar, uint32_t q, uint32_t size)
{
    return (lanes){ .size = size, .q = q, .scalar = scalar };
}

static inline lanes vector(uint32_t q, uint32_t size)
{
    return lanes_of(0, q, size);
}

/* The same registers, with lanes of twice the size. */
static inline lanes wider(lanes l)
{
    return lanes_of(l.scalar, l.q, l.size + 1);
}

static inline uint32_t lane_bits(uint32_t size)
{
    return 8u << size;
}

/* Integer and float of a lane's width. */
ir_type int_type(uint32_t size);
ir_type float_type(uint32_t size);
static inline ir_type vector_type(lanes l)
{
    return l.q ? IR_V128 : IR_V64;
}

/* The lanes of register n as a vector of 128 or 64 bits; of a scalar, 64 bits whose other lanes
 * are zero. */
ir_val read_lanes(a64_ctx *c, lanes l, uint32_t n);
/* The lowest lane as a float or an integer. */
ir_val read_float(a64_ctx *c, uint32_t size, uint32_t n);
ir_val read_int(a64_ctx *c, uint32_t size, uint32_t n);
/* The lower or upper half of a register, 64 bits. */
ir_val read_half(a64_ctx *c, bool high, uint32_t n);
/* Lane number index of register n in every lane; a scalar's other lanes are not zero. */
ir_val read_lane_dup(a64_ctx *c, lanes l, uint32_t n, uint32_t index);

/* Register n becomes a value of any type, with zeros above. */
void write_low(a64_ctx *c, uint32_t n, ir_val value);
/* The same, of a scalar only the lowest lane. */
void write_lanes(a64_ctx *c, lanes l, uint32_t n, ir_val value);
/* A narrowed result of 64 bits: the upper half, the lower kept; or the lower, the upper zero. */
void write_half(a64_ctx *c, bool high, uint32_t n, ir_val value);

/* FPSR.QC is set if the condition holds. */
void set_qc(a64_ctx *c, ir_val saturated);

/* ---- constants ------------------------------------------------------------------------------- */

/* 64 bits, in both halves of a vector of 128. */
ir_val vector_const(a64_ctx *c, lanes l, uint64_t bits);
/* The value in every lane. */
ir_val lanes_const(a64_ctx *c, lanes l, uint64_t value);

/* VFPExpandImm: a float of 1 << size bytes. */
uint64_t fp_imm(uint32_t size, uint32_t imm8);
/* The rm attribute for the rmode of a64.decode, whose first five values are the same. */
uint32_t rounding(uint32_t rmode);

/* ---- helpers --------------------------------------------------------------------------------- */

/* Which lanes a helper works on, its last argument: SHAPE_SIZE, SHAPE_COUNT. The result has
 * zeros above. */
#define SHAPE(size_, count_) ((uint32_t)(count_) << 4 | (size_))
#define SHAPE_SIZE(shape_)   ((uint32_t)(shape_)&15u)
#define SHAPE_COUNT(shape_)  ((uint32_t)(shape_) >> 4)

ir_val shape_of(a64_ctx *c, lanes l);

#endif
