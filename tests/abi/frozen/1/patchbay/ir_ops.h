/* Builder functions of the IR's operations. Generated from core/ir/ops.def; included
 * by ir.h. */
#include <patchbay/ir.h> /* before the guard: it includes this file in its place */

#ifndef PATCHBAY_IR_OPS_H
#define PATCHBAY_IR_OPS_H

/* ---- Guest state ---- */

/* Value of a slot. */
static inline ir_val ir_get(ir_builder *b, ir_type type, uint32_t slot)
{
    return ir_emit(b, IR_OP_GET, type, (slot & 0xffffu), 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
}

/* Write a slot. */
static inline void ir_put(ir_builder *b, ir_val x, uint32_t slot)
{
    ir_emit(b, IR_OP_PUT, ir_type_of(b, x), (slot & 0xffffu), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Value of slot number slot + operand; zero if the operand is not below n. */
static inline ir_val ir_get_idx(ir_builder *b, ir_type type, ir_val x, uint32_t slot, uint32_t n)
{
    return ir_emit(b, IR_OP_GET_IDX, type, (slot & 0xffffu) | (n & 0xffu) << 16, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Write slot number slot + operand; nothing is written if the operand is not below n. */
static inline void ir_put_idx(ir_builder *b, ir_val x, ir_val y, uint32_t slot, uint32_t n)
{
    ir_emit(b, IR_OP_PUT_IDX, ir_type_of(b, y), (slot & 0xffffu) | (n & 0xffu) << 16, 0, 2, x, y, ir_none(), ir_none());
}

/* ---- Integer arithmetic ---- */

/* Sum, wrapping. */
static inline ir_val ir_add(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_ADD, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Difference, wrapping. */
static inline ir_val ir_sub(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_SUB, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Two's complement. */
static inline ir_val ir_neg(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_NEG, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Low half of the product. */
static inline ir_val ir_mul(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MUL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* High half of the unsigned product. */
static inline ir_val ir_mulh_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MULH_U, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* High half of the signed product. */
static inline ir_val ir_mulh_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MULH_S, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned quotient; by zero: 0. */
static inline ir_val ir_div_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_DIV_U, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed quotient toward zero; by zero: 0; smallest by -1: smallest. */
static inline ir_val ir_div_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_DIV_S, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned remainder; by zero: the dividend. */
static inline ir_val ir_rem_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_REM_U, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed remainder; by zero: the dividend; smallest by -1: 0. */
static inline ir_val ir_rem_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_REM_S, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Sum with carry in. */
static inline ir_val ir_adc(ir_builder *b, ir_val x, ir_val y, ir_val z)
{
    return ir_emit(b, IR_OP_ADC, ir_type_of(b, x), 0, 0, 3, x, y, z, ir_none());
}

/* Unsigned minimum. */
static inline ir_val ir_min_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MIN_U, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned maximum. */
static inline ir_val ir_max_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MAX_U, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed minimum. */
static inline ir_val ir_min_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MIN_S, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed maximum. */
static inline ir_val ir_max_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_MAX_S, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* ---- Logic, shifts, bits ---- */

/* Bitwise and. */
static inline ir_val ir_and(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_AND, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Bitwise or. */
static inline ir_val ir_or(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_OR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Bitwise exclusive or. */
static inline ir_val ir_xor(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_XOR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* a and not b. */
static inline ir_val ir_andn(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_ANDN, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* a or not b. */
static inline ir_val ir_orn(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_ORN, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Bitwise complement. */
static inline ir_val ir_not(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_NOT, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Shift left; the count is taken modulo the width. */
static inline ir_val ir_shl(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_SHL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Shift right, zeros in; count modulo the width. */
static inline ir_val ir_shr(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_SHR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Shift right, sign in; count modulo the width. */
static inline ir_val ir_sar(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_SAR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Rotate right; count modulo the width. */
static inline ir_val ir_ror(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_ROR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Low half of (a:b) >> lsb, a the high half. */
static inline ir_val ir_extr(ir_builder *b, ir_val x, ir_val y, uint32_t lsb)
{
    return ir_emit(b, IR_OP_EXTR, ir_type_of(b, x), (lsb & 0xffu), 0, 2, x, y, ir_none(), ir_none());
}

/* Bits lsb+len-1:lsb, zero-extended. */
static inline ir_val ir_extract(ir_builder *b, ir_val x, uint32_t lsb, uint32_t len)
{
    return ir_emit(b, IR_OP_EXTRACT, ir_type_of(b, x), (lsb & 0xffu) | (len & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* The same, sign-extended. */
static inline ir_val ir_sextract(ir_builder *b, ir_val x, uint32_t lsb, uint32_t len)
{
    return ir_emit(b, IR_OP_SEXTRACT, ir_type_of(b, x), (lsb & 0xffu) | (len & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* a with its bits lsb+len-1:lsb from the low bits of b. */
static inline ir_val ir_insert(ir_builder *b, ir_val x, ir_val y, uint32_t lsb, uint32_t len)
{
    return ir_emit(b, IR_OP_INSERT, ir_type_of(b, x), (lsb & 0xffu) | (len & 0xffu) << 8, 0, 2, x, y, ir_none(), ir_none());
}

/* Reverse the bytes. */
static inline ir_val ir_bswap(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_BSWAP, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Reverse the bits. */
static inline ir_val ir_bitrev(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_BITREV, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Leading zeros; of zero: the width. */
static inline ir_val ir_clz(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_CLZ, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Trailing zeros; of zero: the width. */
static inline ir_val ir_ctz(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_CTZ, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Ones. */
static inline ir_val ir_popcnt(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_POPCNT, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* ---- Conversions between types ---- */

/* Zero-extend; the result is at least as wide as the operand. */
static inline ir_val ir_zext(ir_builder *b, ir_type type, ir_val x)
{
    return ir_emit(b, IR_OP_ZEXT, type, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Sign-extend; the result is at least as wide as the operand. */
static inline ir_val ir_sext(ir_builder *b, ir_type type, ir_val x)
{
    return ir_emit(b, IR_OP_SEXT, type, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Keep the low bits; the result is at most as wide as the operand. */
static inline ir_val ir_trunc(ir_builder *b, ir_type type, ir_val x)
{
    return ir_emit(b, IR_OP_TRUNC, type, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* a is the low half, b the high half. */
static inline ir_val ir_pair(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_PAIR, IR_I128, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Low half. */
static inline ir_val ir_lo(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_LO, IR_I64, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* High half. */
static inline ir_val ir_hi(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_HI, IR_I64, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* The same bits as another type of the same width (i16/f16, i32/f32, i64/f64/v64, i128/v128). */
static inline ir_val ir_bitcast(ir_builder *b, ir_type type, ir_val x)
{
    return ir_emit(b, IR_OP_BITCAST, type, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* ---- Comparison and choice ---- */

/* Equal. */
static inline ir_val ir_eq(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_EQ, IR_I1, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Not equal. */
static inline ir_val ir_ne(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_NE, IR_I1, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned less. */
static inline ir_val ir_lt_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_LT_U, IR_I1, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned less or equal. */
static inline ir_val ir_le_u(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_LE_U, IR_I1, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed less. */
static inline ir_val ir_lt_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_LT_S, IR_I1, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed less or equal. */
static inline ir_val ir_le_s(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_LE_S, IR_I1, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* b if a, else c. Of any type, flags too. */
static inline ir_val ir_select(ir_builder *b, ir_val x, ir_val y, ir_val z)
{
    return ir_emit(b, IR_OP_SELECT, ir_type_of(b, y), 0, 0, 3, x, y, z, ir_none());
}

/* ---- Flags bundles ---- */

/* Sum and its flags. *second: fl. */
static inline ir_val ir_add_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_ADD_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Sum with carry in, and its flags. *second: fl. */
static inline ir_val ir_adc_fl(ir_builder *b, ir_val x, ir_val y, ir_val z, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_ADC_FL, ir_type_of(b, x), 0, 0, 3, x, y, z, ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* a + ~b + 1 and its flags. *second: fl. */
static inline ir_val ir_sub_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_SUB_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* a + ~b + c and its flags. *second: fl. */
static inline ir_val ir_sbc_fl(ir_builder *b, ir_val x, ir_val y, ir_val z, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_SBC_FL, ir_type_of(b, x), 0, 0, 3, x, y, z, ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* And; N Z P of the result, C V A zero. *second: fl. */
static inline ir_val ir_and_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_AND_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Or; the same. *second: fl. */
static inline ir_val ir_or_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_OR_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Exclusive or; the same. *second: fl. */
static inline ir_val ir_xor_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_XOR_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* a and not b; the same. *second: fl. */
static inline ir_val ir_andn_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_ANDN_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Shift left; C the last bit out, V: sign changed by the last step (x86's OF). Count modulo the width; 0: C V A zero. *second: fl. */
static inline ir_val ir_shl_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_SHL_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Shift right; C the last bit out, V the operand's sign. *second: fl. */
static inline ir_val ir_shr_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_SHR_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Arithmetic shift right; C the last bit out, V zero. *second: fl. */
static inline ir_val ir_sar_fl(ir_builder *b, ir_val x, ir_val y, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_SAR_FL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* A bundle of N Z C V, P and A zero. */
static inline ir_val ir_fl_set(ir_builder *b, ir_val x, ir_val y, ir_val z, ir_val w)
{
    return ir_emit(b, IR_OP_FL_SET, IR_FL, 0, 0, 4, x, y, z, w);
}

/* a, with the flags of mask n (IR_FLM_*) from b. */
static inline ir_val ir_fl_merge(ir_builder *b, ir_val x, ir_val y, uint32_t n)
{
    return ir_emit(b, IR_OP_FL_MERGE, IR_FL, (n & 0xffu), 0, 2, x, y, ir_none(), ir_none());
}

/* a, with the flags of mask n (IR_FLM_*) inverted: x86's borrow from the carry. */
static inline ir_val ir_fl_flip(ir_builder *b, ir_val x, uint32_t n)
{
    return ir_emit(b, IR_OP_FL_FLIP, IR_FL, (n & 0xffu), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* One flag: IR_FLAG_C, _P, _A, _Z, _N or _V. */
static inline ir_val ir_flbit(ir_builder *b, ir_val x, uint32_t n)
{
    return ir_emit(b, IR_OP_FLBIT, IR_I1, (n & 0xffu), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Whether a condition holds. */
static inline ir_val ir_set_cc(ir_builder *b, ir_val x, uint32_t cc)
{
    return ir_emit(b, IR_OP_SET_CC, IR_I1, (cc & 0xfu), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* b if the condition holds, else c. */
static inline ir_val ir_sel_cc(ir_builder *b, ir_val x, ir_val y, ir_val z, uint32_t cc)
{
    return ir_emit(b, IR_OP_SEL_CC, ir_type_of(b, y), (cc & 0xfu), 0, 3, x, y, z, ir_none());
}

/* Arm's form: N Z C V in bits 31:28. */
static inline ir_val ir_flpack_nzcv(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_FLPACK_NZCV, IR_I32, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Its inverse; P and A zero. */
static inline ir_val ir_flunpack_nzcv(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_FLUNPACK_NZCV, IR_FL, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* x86's form: the arithmetic flags of EFLAGS at their places, CF as C. */
static inline ir_val ir_flpack_eflags(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_FLPACK_EFLAGS, IR_I32, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Its inverse. */
static inline ir_val ir_flunpack_eflags(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_FLUNPACK_EFLAGS, IR_FL, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* PowerPC's form for a comparison made by sub.fl: LT GT EQ in bits 3:1, by signed order; n = 1: by unsigned order. */
static inline ir_val ir_flpack_cr(ir_builder *b, ir_val x, uint32_t n)
{
    return ir_emit(b, IR_OP_FLPACK_CR, IR_I32, (n & 0xffu), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* ---- Memory ---- */

/* Load; sign- or zero-extended to the result type. */
static inline ir_val ir_ld(ir_builder *b, ir_type type, ir_val x, uint32_t mem)
{
    return ir_emit(b, IR_OP_LD, type, mem, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Store the low bytes. */
static inline void ir_st(ir_builder *b, ir_val x, ir_val y, uint32_t mem)
{
    ir_emit(b, IR_OP_ST, ir_type_of(b, y), mem, 0, 2, x, y, ir_none(), ir_none());
}

/* Atomic: memory op= operand; the old value, extended as a load. */
static inline ir_val ir_rmw(ir_builder *b, ir_val x, ir_val y, uint32_t mem, uint32_t sub)
{
    return ir_emit(b, IR_OP_RMW, ir_type_of(b, y), mem, (sub & 0xfu), 2, x, y, ir_none(), ir_none());
}

/* Atomic: if memory equals the second operand (its low bytes), store the third; the old value, extended as a load. */
static inline ir_val ir_cas(ir_builder *b, ir_val x, ir_val y, ir_val z, uint32_t mem)
{
    return ir_emit(b, IR_OP_CAS, ir_type_of(b, y), mem, 0, 3, x, y, z, ir_none());
}

/* Load and reserve. */
static inline ir_val ir_ldx(ir_builder *b, ir_type type, ir_val x, uint32_t mem)
{
    return ir_emit(b, IR_OP_LDX, type, mem, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Store if the reservation holds: 1 if it was stored. Ends the reservation. */
static inline ir_val ir_stx(ir_builder *b, ir_val x, ir_val y, uint32_t mem)
{
    return ir_emit(b, IR_OP_STX, IR_I1, mem, 0, 2, x, y, ir_none(), ir_none());
}

/* Drop the reservation. */
static inline void ir_clrex(ir_builder *b)
{
    ir_emit(b, IR_OP_CLREX, IR_VOID, 0, 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
}

/* Order earlier accesses before later ones: bits of pb_fence. */
static inline void ir_fence(ir_builder *b, uint32_t n)
{
    ir_emit(b, IR_OP_FENCE, IR_VOID, (n & 0xffu), 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
}

/* ---- Floating point: scalars, or the lanes of a vector ---- */

/* Sum. */
static inline ir_val ir_fadd(ir_builder *b, ir_val x, ir_val y, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_FADD, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4, 0, 2, x, y, ir_none(), ir_none());
}

/* Difference. */
static inline ir_val ir_fsub(ir_builder *b, ir_val x, ir_val y, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_FSUB, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4, 0, 2, x, y, ir_none(), ir_none());
}

/* Product. */
static inline ir_val ir_fmul(ir_builder *b, ir_val x, ir_val y, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_FMUL, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4, 0, 2, x, y, ir_none(), ir_none());
}

/* Quotient. */
static inline ir_val ir_fdiv(ir_builder *b, ir_val x, ir_val y, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_FDIV, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4, 0, 2, x, y, ir_none(), ir_none());
}

/* Square root. */
static inline ir_val ir_fsqrt(ir_builder *b, ir_val x, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_FSQRT, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* a * b + c, rounded once; neg changes the sign of the product, the addend or the result, not of NaNs. */
static inline ir_val ir_fma(ir_builder *b, ir_val x, ir_val y, ir_val z, uint32_t rm, uint32_t env, uint32_t neg)
{
    return ir_emit(b, IR_OP_FMA, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4 | (neg & 0x7u) << 6, 0, 3, x, y, z, ir_none());
}

/* Minimum; NaN if one operand is. */
static inline ir_val ir_fmin(ir_builder *b, ir_val x, ir_val y, uint32_t env)
{
    return ir_emit(b, IR_OP_FMIN, ir_type_of(b, x), (env & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Maximum; NaN if one operand is. */
static inline ir_val ir_fmax(ir_builder *b, ir_val x, ir_val y, uint32_t env)
{
    return ir_emit(b, IR_OP_FMAX, ir_type_of(b, x), (env & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Minimum; the number if the other is a quiet NaN. */
static inline ir_val ir_fminnm(ir_builder *b, ir_val x, ir_val y, uint32_t env)
{
    return ir_emit(b, IR_OP_FMINNM, ir_type_of(b, x), (env & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Maximum; the number if the other is a quiet NaN. */
static inline ir_val ir_fmaxnm(ir_builder *b, ir_val x, ir_val y, uint32_t env)
{
    return ir_emit(b, IR_OP_FMAXNM, ir_type_of(b, x), (env & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Sign changed, NaNs too. */
static inline ir_val ir_fneg(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_FNEG, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Sign cleared, NaNs too. */
static inline ir_val ir_fabs(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_FABS, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Compare; less N, equal Z C, greater C, unordered C V P. n = 1: signals on quiet NaNs. */
static inline ir_val ir_fcmp(ir_builder *b, ir_val x, ir_val y, uint32_t n, uint32_t env)
{
    return ir_emit(b, IR_OP_FCMP, IR_FL, (n & 0xffu) | (env & 0x3u) << 8, 0, 2, x, y, ir_none(), ir_none());
}

/* To another format. */
static inline ir_val ir_fcvt(ir_builder *b, ir_type type, ir_val x, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_FCVT, type, (rm & 0xfu) | (env & 0x3u) << 4, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* To the x87 format; exact but for NaNs. */
static inline ir_val ir_fcvt_f80(ir_builder *b, ir_val x, uint32_t env)
{
    return ir_emit(b, IR_OP_FCVT_F80, IR_F80, (env & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* To a signed integer with n fraction bits; the environment says what overflow gives. */
static inline ir_val ir_fcvt_s(ir_builder *b, ir_type type, ir_val x, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_FCVT_S, type, (rm & 0xfu) | (env & 0x3u) << 4 | (n & 0xffu) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* To an unsigned integer. */
static inline ir_val ir_fcvt_u(ir_builder *b, ir_type type, ir_val x, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_FCVT_U, type, (rm & 0xfu) | (env & 0x3u) << 4 | (n & 0xffu) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* From a signed integer with n fraction bits. */
static inline ir_val ir_scvt_f(ir_builder *b, ir_type type, ir_val x, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_SCVT_F, type, (rm & 0xfu) | (env & 0x3u) << 4 | (n & 0xffu) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* From an unsigned integer. */
static inline ir_val ir_ucvt_f(ir_builder *b, ir_type type, ir_val x, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_UCVT_F, type, (rm & 0xfu) | (env & 0x3u) << 4 | (n & 0xffu) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* From a signed integer; exact. */
static inline ir_val ir_scvt_f80(ir_builder *b, ir_val x, uint32_t env)
{
    return ir_emit(b, IR_OP_SCVT_F80, IR_F80, (env & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* To an integral value; n = 1: inexact is raised. */
static inline ir_val ir_frint(ir_builder *b, ir_val x, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_FRINT, ir_type_of(b, x), (rm & 0xfu) | (env & 0x3u) << 4 | (n & 0xffu) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* From significand, and sign with exponent. */
static inline ir_val ir_f80_make(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_F80_MAKE, IR_F80, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* The significand. */
static inline ir_val ir_f80_mant(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_F80_MANT, IR_I64, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Sign and exponent. */
static inline ir_val ir_f80_se(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_F80_SE, IR_I16, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fadd(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FADD, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fsub(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FSUB, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fmul(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FMUL, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fdiv(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FDIV, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fsqrt(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FSQRT, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* a * b + c by lane; neg as fma. */
static inline ir_val ir_v_fma(ir_builder *b, ir_val x, ir_val y, ir_val z, uint32_t es, uint32_t rm, uint32_t env, uint32_t neg)
{
    return ir_emit(b, IR_OP_V_FMA, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6 | (neg & 0x7u) << 8, 0, 3, x, y, z, ir_none());
}

/* By lane. */
static inline ir_val ir_v_fmin(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FMIN, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fmax(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FMAX, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fminnm(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FMINNM, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fmaxnm(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FMAXNM, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fneg(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_FNEG, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* By lane. */
static inline ir_val ir_v_fabs(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_FABS, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* All ones where equal; quiet. */
static inline ir_val ir_v_fcmeq(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FCMEQ, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* All ones where a >= b; signalling. */
static inline ir_val ir_v_fcmge(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FCMGE, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* All ones where a > b; signalling. */
static inline ir_val ir_v_fcmgt(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FCMGT, ir_type_of(b, x), (es & 0x3u) | (env & 0x3u) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* To signed integers of the lane size, n fraction bits. */
static inline ir_val ir_v_fcvt_s(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_V_FCVT_S, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6 | (n & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* To unsigned integers. */
static inline ir_val ir_v_fcvt_u(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_V_FCVT_U, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6 | (n & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* From signed integers. */
static inline ir_val ir_v_scvt_f(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SCVT_F, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6 | (n & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* From unsigned integers. */
static inline ir_val ir_v_ucvt_f(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_V_UCVT_F, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6 | (n & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* By lane; n = 1: inexact is raised. */
static inline ir_val ir_v_frint(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env, uint32_t n)
{
    return ir_emit(b, IR_OP_V_FRINT, ir_type_of(b, x), (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6 | (n & 0xffu) << 8, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Lanes of size es to the next larger format. */
static inline ir_val ir_v_fcvtl(ir_builder *b, ir_val x, uint32_t es, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FCVTL, IR_V128, (es & 0x3u) | (env & 0x3u) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Lanes to the next smaller format, of size es. */
static inline ir_val ir_v_fcvtn(ir_builder *b, ir_val x, uint32_t es, uint32_t rm, uint32_t env)
{
    return ir_emit(b, IR_OP_V_FCVTN, IR_V64, (es & 0x3u) | (rm & 0xfu) << 2 | (env & 0x3u) << 6, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* ---- Vectors: making and taking apart ---- */

/* All zero. */
static inline ir_val ir_v_zero(ir_builder *b, ir_type type)
{
    return ir_emit(b, IR_OP_V_ZERO, type, 0, 0, 0, ir_none(), ir_none(), ir_none(), ir_none());
}

/* Every lane the scalar's low bits. */
static inline ir_val ir_v_dup(ir_builder *b, ir_type type, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_DUP, type, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Lane n, zero-extended. */
static inline ir_val ir_v_lane(ir_builder *b, ir_type type, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_LANE, type, (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Lane n, sign-extended. */
static inline ir_val ir_v_slane(ir_builder *b, ir_type type, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SLANE, type, (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* a with lane n from b's low bits. */
static inline ir_val ir_v_setlane(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SETLANE, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* The scalar in the low bits, zero above. */
static inline ir_val ir_v_from(ir_builder *b, ir_type type, ir_val x)
{
    return ir_emit(b, IR_OP_V_FROM, type, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Zero above. */
static inline ir_val ir_v_wide(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_WIDE, IR_V128, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Half n: 0 low, 1 high. */
static inline ir_val ir_v_half(ir_builder *b, ir_val x, uint32_t n)
{
    return ir_emit(b, IR_OP_V_HALF, IR_V64, (n & 0xffu), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* a low, b high. */
static inline ir_val ir_v_join(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_JOIN, IR_V128, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* ---- Vectors: integer lanes ---- */

/* Bitwise. */
static inline ir_val ir_v_and(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_AND, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Bitwise. */
static inline ir_val ir_v_or(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_OR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Bitwise. */
static inline ir_val ir_v_xor(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_XOR, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* a and not b. */
static inline ir_val ir_v_andn(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_ANDN, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* a or not b. */
static inline ir_val ir_v_orn(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_ORN, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Bitwise. */
static inline ir_val ir_v_not(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_NOT, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* (a and b) or (not a and c). */
static inline ir_val ir_v_bsl(ir_builder *b, ir_val x, ir_val y, ir_val z)
{
    return ir_emit(b, IR_OP_V_BSL, ir_type_of(b, x), 0, 0, 3, x, y, z, ir_none());
}

/* Wrapping. */
static inline ir_val ir_v_add(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ADD, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Wrapping. */
static inline ir_val ir_v_sub(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_SUB, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Low half. */
static inline ir_val ir_v_mul(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MUL, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Wrapping. */
static inline ir_val ir_v_neg(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_NEG, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Wrapping. */
static inline ir_val ir_v_abs(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ABS, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Unsigned. */
static inline ir_val ir_v_min_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MIN_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned. */
static inline ir_val ir_v_max_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MAX_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_min_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MIN_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_max_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MAX_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* All ones where equal. */
static inline ir_val ir_v_cmeq(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CMEQ, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* All ones where a > b, signed. */
static inline ir_val ir_v_cmgt_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CMGT_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_cmge_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CMGE_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned. */
static inline ir_val ir_v_cmgt_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CMGT_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Unsigned. */
static inline ir_val ir_v_cmge_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CMGE_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Left by n; n up to the lane's width, which gives 0. */
static inline ir_val ir_v_shl(ir_builder *b, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SHL, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Right by n, zeros in; n up to the lane's width. */
static inline ir_val ir_v_shr(ir_builder *b, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SHR, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Right by n, sign in; n up to the lane's width. */
static inline ir_val ir_v_sar(ir_builder *b, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SAR, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Right by n with rounding, unsigned. */
static inline ir_val ir_v_rshr_u(ir_builder *b, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_RSHR_U, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Right by n with rounding, signed. */
static inline ir_val ir_v_rshr_s(ir_builder *b, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_RSHR_S, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Left by the signed low byte of b's lane; negative: right, zeros in (Arm USHL). */
static inline ir_val ir_v_shlv_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_SHLV_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* The same, right shifts with sign (Arm SSHL). */
static inline ir_val ir_v_shlv_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_SHLV_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* The same with rounding (Arm URSHL). */
static inline ir_val ir_v_rshlv_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_RSHLV_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* The same with rounding (Arm SRSHL). */
static inline ir_val ir_v_rshlv_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_RSHLV_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Saturating; second result: whether a lane saturated. *second: i1. */
static inline ir_val ir_v_qadd_u(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QADD_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating. *second: i1. */
static inline ir_val ir_v_qadd_s(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QADD_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating. *second: i1. */
static inline ir_val ir_v_qsub_u(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QSUB_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating. *second: i1. */
static inline ir_val ir_v_qsub_s(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QSUB_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating shlv.u. *second: i1. */
static inline ir_val ir_v_qshlv_u(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QSHLV_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating shlv.s. *second: i1. */
static inline ir_val ir_v_qshlv_s(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QSHLV_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating, rounding. *second: i1. */
static inline ir_val ir_v_qrshlv_u(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QRSHLV_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Saturating, rounding. *second: i1. */
static inline ir_val ir_v_qrshlv_s(ir_builder *b, ir_val x, ir_val y, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QRSHLV_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* High half of twice the product, saturating; n = 1: rounded (Arm SQDMULH, SQRDMULH). *second: i1. */
static inline ir_val ir_v_qdmulh(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QDMULH, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* (a + b + n) >> 1 without overflow, unsigned. */
static inline ir_val ir_v_hadd_u(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_HADD_U, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_hadd_s(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_HADD_S, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* (a - b) >> 1, unsigned. */
static inline ir_val ir_v_hsub_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_HSUB_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_hsub_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_HSUB_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Absolute difference, unsigned. */
static inline ir_val ir_v_abd_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ABD_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_abd_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ABD_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Ones in each byte. */
static inline ir_val ir_v_popcnt(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_POPCNT, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Leading zeros by lane. */
static inline ir_val ir_v_clz(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CLZ, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Bits after the sign bit that are equal to it, by lane. */
static inline ir_val ir_v_cls(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_CLS, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Reverse the bits of each byte. */
static inline ir_val ir_v_bitrev(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_BITREV, ir_type_of(b, x), 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* ---- Vectors: widening and narrowing; es is the narrow lane's size ---- */

/* Lanes zero-extended to twice the size. */
static inline ir_val ir_v_widen_u(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_WIDEN_U, IR_V128, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Lanes sign-extended. */
static inline ir_val ir_v_widen_s(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_WIDEN_S, IR_V128, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Low halves of the wide lanes. */
static inline ir_val ir_v_narrow(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_NARROW, IR_V64, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Unsigned to unsigned, saturating. *second: i1. */
static inline ir_val ir_v_qnarrow_u(ir_builder *b, ir_val x, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QNARROW_U, IR_V64, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Signed to signed, saturating. *second: i1. */
static inline ir_val ir_v_qnarrow_s(ir_builder *b, ir_val x, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QNARROW_S, IR_V64, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Signed to unsigned, saturating. *second: i1. */
static inline ir_val ir_v_qnarrow_su(ir_builder *b, ir_val x, uint32_t es, ir_val *second)
{
    ir_val first = ir_emit(b, IR_OP_V_QNARROW_SU, IR_V64, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());

    *second = (ir_val){ first.id | 1 };
    return first;
}

/* Full products, unsigned. */
static inline ir_val ir_v_mull_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MULL_U, IR_V128, (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Full products, signed. */
static inline ir_val ir_v_mull_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MULL_S, IR_V128, (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Carry-less products of lanes of 1 or 8 bytes. */
static inline ir_val ir_v_pmull(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_PMULL, IR_V128, (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Carry-less products of bytes, low halves. */
static inline ir_val ir_v_pmul(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_PMUL, ir_type_of(b, x), 0, 0, 2, x, y, ir_none(), ir_none());
}

/* ---- Vectors: permutation and reduction ---- */

/* Interleave the low (n = 0) or high halves' lanes, a first. */
static inline ir_val ir_v_zip(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_ZIP, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* Even (n = 0) or odd lanes of b:a, a's low. */
static inline ir_val ir_v_uzp(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_UZP, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* Even (n = 0) or odd lanes of a and b, paired. */
static inline ir_val ir_v_trn(ir_builder *b, ir_val x, ir_val y, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_TRN, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 2, x, y, ir_none(), ir_none());
}

/* Bytes n and up of b:a, a's low. */
static inline ir_val ir_v_ext(ir_builder *b, ir_val x, ir_val y, uint32_t n)
{
    return ir_emit(b, IR_OP_V_EXT, ir_type_of(b, x), (n & 0xffu), 0, 2, x, y, ir_none(), ir_none());
}

/* Reverse the lanes within groups of 1 << n bytes. */
static inline ir_val ir_v_rev(ir_builder *b, ir_val x, uint32_t es, uint32_t n)
{
    return ir_emit(b, IR_OP_V_REV, ir_type_of(b, x), (es & 0x3u) | (n & 0xffu) << 2, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Bytes of table a by the indices in b; indices above 15 take c's byte. Longer tables are chained with v.sub on the indices. */
static inline ir_val ir_v_tbl(ir_builder *b, ir_val x, ir_val y, ir_val z)
{
    return ir_emit(b, IR_OP_V_TBL, ir_type_of(b, y), 0, 0, 3, x, y, z, ir_none());
}

/* Sums of adjacent pairs of b:a, a's low. */
static inline ir_val ir_v_addp(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ADDP, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Of adjacent pairs. */
static inline ir_val ir_v_maxp_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MAXP_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Of adjacent pairs. */
static inline ir_val ir_v_maxp_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MAXP_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Of adjacent pairs. */
static inline ir_val ir_v_minp_u(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MINP_U, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Of adjacent pairs. */
static inline ir_val ir_v_minp_s(ir_builder *b, ir_val x, ir_val y, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MINP_S, ir_type_of(b, x), (es & 0x3u), 0, 2, x, y, ir_none(), ir_none());
}

/* Adjacent lanes of size es added into lanes of twice the size. */
static inline ir_val ir_v_addlp_u(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ADDLP_U, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Signed. */
static inline ir_val ir_v_addlp_s(ir_builder *b, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ADDLP_S, ir_type_of(b, x), (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Sum of all lanes, wrapping at the lane size. */
static inline ir_val ir_v_addv(ir_builder *b, ir_type type, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_ADDV, type, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Largest lane. */
static inline ir_val ir_v_maxv_u(ir_builder *b, ir_type type, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MAXV_U, type, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Largest lane, signed; zero-extended. */
static inline ir_val ir_v_maxv_s(ir_builder *b, ir_type type, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MAXV_S, type, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Smallest lane. */
static inline ir_val ir_v_minv_u(ir_builder *b, ir_type type, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MINV_U, type, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Smallest lane, signed; zero-extended. */
static inline ir_val ir_v_minv_s(ir_builder *b, ir_type type, ir_val x, uint32_t es)
{
    return ir_emit(b, IR_OP_V_MINV_S, type, (es & 0x3u), 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* ---- Cryptography ---- */

/* AES ShiftRows and SubBytes (Arm AESE after its exclusive or). */
static inline ir_val ir_v_aesenc(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_AESENC, IR_V128, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* Their inverses. */
static inline ir_val ir_v_aesdec(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_AESDEC, IR_V128, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* MixColumns. */
static inline ir_val ir_v_aesmc(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_AESMC, IR_V128, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* InvMixColumns. */
static inline ir_val ir_v_aesimc(ir_builder *b, ir_val x)
{
    return ir_emit(b, IR_OP_V_AESIMC, IR_V128, 0, 0, 1, x, ir_none(), ir_none(), ir_none());
}

/* CRC-32 (polynomial 0x04c11db7) over the low n bytes of b. */
static inline ir_val ir_crc32(ir_builder *b, ir_val x, ir_val y, uint32_t n)
{
    return ir_emit(b, IR_OP_CRC32, IR_I32, (n & 0xffu), 0, 2, x, y, ir_none(), ir_none());
}

/* CRC-32C (polynomial 0x1edc6f41). */
static inline ir_val ir_crc32c(ir_builder *b, ir_val x, ir_val y, uint32_t n)
{
    return ir_emit(b, IR_OP_CRC32C, IR_I32, (n & 0xffu), 0, 2, x, y, ir_none(), ir_none());
}

/* ---- Hashes ---- */

/* Four rounds of SHA-1 on words a to d, word e (the lowest lane) and four of the schedule, with the constant added; n: choose, parity, majority. */
static inline ir_val ir_v_sha1(ir_builder *b, ir_val x, ir_val y, ir_val z, uint32_t n)
{
    return ir_emit(b, IR_OP_V_SHA1, IR_V128, (n & 0x3u), 0, 3, x, y, z, ir_none());
}

/* Four rounds of SHA-256 on words a to d, words e to h, and four of the schedule, with their constants added: the new a to d. */
static inline ir_val ir_v_sha256h(ir_builder *b, ir_val x, ir_val y, ir_val z)
{
    return ir_emit(b, IR_OP_V_SHA256H, IR_V128, 0, 0, 3, x, y, z, ir_none());
}

/* The new e to h, of words e to h, words a to d before, and the schedule. */
static inline ir_val ir_v_sha256h2(ir_builder *b, ir_val x, ir_val y, ir_val z)
{
    return ir_emit(b, IR_OP_V_SHA256H2, IR_V128, 0, 0, 3, x, y, z, ir_none());
}

/* Words 0 to 3 of the schedule with what words 1 to 4 add; b: words 4 to 7. */
static inline ir_val ir_v_sha256su0(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_SHA256SU0, IR_V128, 0, 0, 2, x, y, ir_none(), ir_none());
}

/* Four words of the schedule: a with what the two words before (the upper ones of b) and the new lower ones add. */
static inline ir_val ir_v_sha256su1(ir_builder *b, ir_val x, ir_val y)
{
    return ir_emit(b, IR_OP_V_SHA256SU1, IR_V128, 0, 0, 2, x, y, ir_none(), ir_none());
}

#endif
