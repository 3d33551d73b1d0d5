/*
 * Between lanes, scalars and whole vectors. A scalar is the low part of its register, so most of these are names.
 */
#include "rules.h"

/* v.lane and v.setlane: the lane's number and bits. */
static uint32_t lane_of(const ir_op_record *r)
{
    return r->attr >> 2 & 0xff;
}

static uint32_t lane_bits(const ir_op_record *r)
{
    return 8u << (r->attr & 3);
}

/* PINSR and PEXTR by log2 of bytes. PEXTRW has two forms; this one stores to r/m as the others do. */
static const uint32_t insert_form[4] = { 0x20 | ASM_3A | ASM_66, 0xc4 | ASM_0F | ASM_66,
                                         0x22 | ASM_3A | ASM_66, SSE_PINSRQ };
static const uint32_t extract_form[4] = { 0x14 | ASM_3A | ASM_66, 0x15 | ASM_3A | ASM_66,
                                          0x16 | ASM_3A | ASM_66, SSE_PEXTRQ };

void rule_low_lane(cg *c, uint32_t bits, cg_reg to, cg_reg from)
{
    bool avx = rule_has(c, CG_AVX);

    if (bits == 64)
        asm_sse2(&c->a, avx, SSE_MOVQ_LOAD, to - XMM0, from - XMM0);
    else
        asm_lane_0(&c->a, avx, to - XMM0, from - XMM0);
}

/* to = from with its lanes from `bytes` on moved to the bottom, zeros above. */
static void move_down(cg *c, cg_reg to, cg_reg from, uint32_t bytes)
{
    bool avx = rule_has(c, CG_AVX);

    if (!avx && to != from)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, to - XMM0, from - XMM0);
    asm_vrr(&c->a, SSE_PSRLDQ | (avx ? ASM_VEX : 0), 3, to - XMM0,
            avx ? from - XMM0 : to - XMM0); /* the destination is in VEX.vvvv */
    asm_8(&c->a, bytes);
}

/* A lane that is a float: the lowest one is a name. */
static bool lane_to_float(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r), n = lane_of(r);
    cg_reg from, to;

    if (bits != lane_bits(r) || bits < 32)
        return false;
    if (n == 0) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (bits == 64) {
        move_down(c, to, from, 8);
    } else {
        bool avx = rule_has(c, CG_AVX);

        asm_vrr(&c->a, SSE_INSERTPS | (avx ? ASM_VEX : 0), to - XMM0, from - XMM0, from - XMM0);
        asm_8(&c->a, n << 6 | 0x0e);
    }
    return true;
}

bool rule_v_lane(cg *c, const ir_op_record *r)
{
    uint32_t es = r->attr & 3, n = lane_of(r);
    bool avx = rule_has(c, CG_AVX);
    cg_reg from, to;

    if (cg_is_vector(r->type))
        return lane_to_float(c, r);
    if (rule_bits(r) < lane_bits(r))
        return false;
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    if (n == 0 && es >= 2) {
        asm_sse2(&c->a, avx, SSE_MOVD_STORE | (es == 3 ? ASM_W : 0), from - XMM0, to);
    } else {
        asm_sse2(&c->a, avx, extract_form[es], from - XMM0, to);
        asm_8(&c->a, n);
    }
    return true;
}

/* The lowest lane of a scalar becomes lane n of a vector. */
static void set_float_lane(cg *c, uint32_t es, uint32_t n, cg_reg to, cg_reg from, cg_reg scalar)
{
    bool avx = rule_has(c, CG_AVX);

    if (!avx && to != from)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, to - XMM0, from - XMM0);
    if (es == 2) {
        asm_vrr(&c->a, SSE_INSERTPS | (avx ? ASM_VEX : 0), to - XMM0, from - XMM0, scalar - XMM0);
        asm_8(&c->a, n << 4);
    } else { /* movsd, movlhps */
        asm_vrr(&c->a, (n ? 0x16 | ASM_0F : 0x10 | ASM_0F | ASM_F2) | (avx ? ASM_VEX : 0),
                to - XMM0, from - XMM0, scalar - XMM0);
    }
}

bool rule_v_setlane(cg *c, const ir_op_record *r)
{
    uint32_t es = r->attr & 3, n = lane_of(r), scalar_type = cg_type(c, r->arg[1]);
    bool avx = rule_has(c, CG_AVX);
    cg_reg from, scalar, to;

    if (rule_bits(r) > 128 || ir_type_bits[scalar_type] < lane_bits(r) ||
        (cg_is_vector(scalar_type) && es < 2))
        return false;
    scalar = cg_use(c, r->arg[1]);
    from = cg_use_clean(c, r->arg[0]);
    to = cg_def(c, 0, scalar != from ? CG_SET(scalar) : 0);
    if (cg_is_vector(scalar_type)) {
        set_float_lane(c, es, n, to, from, scalar);
        return true;
    }
    if (!avx && to != from)
        asm_rr(&c->a, SSE_MOVAPS_LOAD, to - XMM0, from - XMM0);
    asm_vrr(&c->a, insert_form[es] | (avx ? ASM_VEX : 0), to - XMM0, from - XMM0, scalar);
    asm_8(&c->a, n);
    return true;
}

/* Zeros above an operand in a vector register. */
static bool widen(cg *c, const ir_op_record *r)
{
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])];
    cg_reg from, to;

    if (cg_is_clean(c, r->arg[0])) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    if (bits != 32 && bits != 64)
        return false;
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    rule_low_lane(c, bits, to, from);
    return true;
}

bool rule_v_from(cg *c, const ir_op_record *r)
{
    cg_reg from, to;

    if (rule_bits(r) > 128)
        return false;
    if (cg_is_vector(cg_type(c, r->arg[0])))
        return widen(c, r);
    from = cg_use_clean(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    asm_sse2(&c->a, rule_has(c, CG_AVX),
             SSE_MOVD_LOAD | (ir_type_bits[cg_type(c, r->arg[0])] == 64 ? ASM_W : 0), to - XMM0,
             from);
    return true;
}

bool rule_v_wide(cg *c, const ir_op_record *r)
{
    return widen(c, r);
}

bool rule_v_half(cg *c, const ir_op_record *r)
{
    cg_reg from, to;

    if (!(r->attr & 0xff)) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    from = cg_use(c, r->arg[0]);
    to = cg_def(c, 0, 0);
    move_down(c, to, from, 8);
    return true;
}
