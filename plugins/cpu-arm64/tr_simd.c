/*
 * Operands and results of floating-point and vector instructions: the verbs of simd.h.
 */
#include "simd.h"

ir_type int_type(uint32_t size)
{
    static const uint8_t types[] = { IR_I8, IR_I16, IR_I32, IR_I64 };

    return (ir_type)types[size];
}

ir_type float_type(uint32_t size)
{
    static const uint8_t types[] = { IR_VOID, IR_F16, IR_F32, IR_F64 };

    return (ir_type)types[size];
}

ir_val read_lanes(a64_ctx *c, lanes l, uint32_t n)
{
    ir_val v = read_v(c, n);

    if (l.q)
        return v;
    if (!l.scalar || l.size == 3)
        return ir_v_half(c->ir, v, 0);
    return ir_v_from(c->ir, IR_V64, ir_v_lane(c->ir, int_type(l.size), v, l.size, 0));
}

ir_val read_float(a64_ctx *c, uint32_t size, uint32_t n)
{
    return ir_v_lane(c->ir, float_type(size), read_v(c, n), size, 0);
}

ir_val read_int(a64_ctx *c, uint32_t size, uint32_t n)
{
    return ir_v_lane(c->ir, int_type(size), read_v(c, n), size, 0);
}

ir_val read_half(a64_ctx *c, bool high, uint32_t n)
{
    return ir_v_half(c->ir, read_v(c, n), high);
}

ir_val read_lane_dup(a64_ctx *c, lanes l, uint32_t n, uint32_t index)
{
    ir_val lane = ir_v_lane(c->ir, int_type(l.size), read_v(c, n), l.size, index);

    return ir_v_dup(c->ir, vector_type(l), lane, l.size);
}

void write_low(a64_ctx *c, uint32_t n, ir_val value)
{
    switch (ir_type_of(c->ir, value)) {
    case IR_V128:
        write_v(c, n, value);
        break;
    case IR_V64:
        write_v(c, n, ir_v_wide(c->ir, value));
        break;
    default:
        write_v(c, n, ir_v_from(c->ir, IR_V128, value));
    }
}

void write_lanes(a64_ctx *c, lanes l, uint32_t n, ir_val value)
{
    if (l.scalar)
        value = ir_v_lane(c->ir, int_type(l.size), value, l.size, 0);
    write_low(c, n, value);
}

void write_half(a64_ctx *c, bool high, uint32_t n, ir_val value)
{
    if (high)
        write_v(c, n, ir_v_join(c->ir, read_half(c, 0, n), value));
    else
        write_low(c, n, value);
}

void set_qc(a64_ctx *c, ir_val saturated)
{
    ir_val old = ir_get(c->ir, IR_I32, SLOT_QC);

    ir_put(c->ir, ir_or(c->ir, old, ir_zext(c->ir, IR_I32, saturated)), SLOT_QC);
}

ir_val vector_const(a64_ctx *c, lanes l, uint64_t bits)
{
    return ir_const128(c->ir, vector_type(l), (pb_u128){ bits, l.q ? bits : 0 });
}

ir_val lanes_const(a64_ctx *c, lanes l, uint64_t value)
{
    for (uint32_t bits = lane_bits(l.size); bits < 64; bits *= 2)
        value = (value & ((UINT64_C(1) << bits) - 1)) * ((UINT64_C(1) << bits) + 1);
    return vector_const(c, l, value);
}

ir_val shape_of(a64_ctx *c, lanes l)
{
    uint32_t bytes = l.q ? 16 : 8;

    return ir_imm32(c->ir, SHAPE(l.size, l.scalar ? 1 : bytes >> l.size));
}

uint64_t fp_imm(uint32_t size, uint32_t imm8)
{
    static const uint8_t fraction_bits[] = { 0, 10, 23, 52 };
    uint32_t fraction = fraction_bits[size], exponent = lane_bits(size) - 1 - fraction;
    bool b6 = imm8 >> 6 & 1;
    uint64_t high = b6 ? (UINT64_C(1) << (exponent - 3)) - 1 : UINT64_C(1) << (exponent - 3);

    return (uint64_t)(imm8 >> 7) << (lane_bits(size) - 1) |
           (high << 2 | (imm8 >> 4 & 3)) << fraction | (uint64_t)(imm8 & 15) << (fraction - 4);
}

uint32_t rounding(uint32_t rmode)
{
    return rmode == 5 ? IR_ROUND_ENV : rmode;
}
