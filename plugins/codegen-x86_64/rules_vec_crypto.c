/*
 * Carry-less products, AES, SHA, CRC-32.
 *
 * Manuals: Intel SDM volume 1, 12.13 "AESNI", volume 2 for SHA1RNDS4 and its like; FIPS 197 for the steps of a round,
 * FIPS 180-4. V. Gopal and others, "Fast CRC
 * Computation for Generic Polynomials Using PCLMULQDQ Instruction", Intel 2009, for the reduction.
 */
#include "rules_vec.h"

/* ---- carry-less products ------------------------------------------------------------------------------------------------ */

/* Bits of b's lanes in turn, the lowest first, as a mask over the lane, and a shifted by as much. */
static void multiply_carry_less(cg *c, uint32_t es, cg_reg d, cg_reg a, cg_reg b, cg_reg t)
{
    cg_reg m = cg_temp_vector(c);

    vec_zero(c, d);
    for (uint32_t i = 0; i < 8; i++) {
        vec_shift(c, PSLLW_I, t, b, es ? 15 - i : 7 - i); /* the bit to the lane's sign */
        vec_sign(c, es, m, t);
        vec_op(c, PAND, m, m, a);
        vec_op(c, PXOR, d, d, m);
        if (i < 7)
            vec_shift_lanes(c, IR_OP_V_SHL, es, a, a, 1);
    }
}

bool rule_v_pmul(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), x = cg_temp_vector(c), d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    vec_move(c, x, a);
    multiply_carry_less(c, 0, d, x, b, t);
    vec_done_zero(c, r, d);
    return true;
}

bool rule_v_pmull(cg *c, const ir_op_record *r)
{
    cg_reg a, b, x, y, t, d;

    if (vec_es(r) == 3 && !rule_has(c, CG_PCLMUL))
        return false;
    a = cg_use(c, r->arg[0]);
    b = cg_use(c, r->arg[1]);
    if (vec_es(r) == 3) {
        d = vec_def(c, b);
        vec_op_imm(c, PCLMULQDQ, d, a, b, 0);
        return true;
    }
    x = cg_temp_vector(c);
    y = cg_temp_vector(c);
    t = cg_temp_vector(c);
    vec_unary(c, PMOVZXBW, x, a);
    vec_unary(c, PMOVZXBW, y, b);
    d = cg_def(c, 0, 0);
    multiply_carry_less(c, 1, d, x, y, t);
    return true;
}

/* ---- AES ----------------------------------------------------------------------------------------------------------------- */

/* The host's last rounds are these steps, and the exclusive or with a key, here zero. */
bool rule_v_aes(cg *c, const ir_op_record *r)
{
    cg_reg a, zero, d;

    if (!rule_has(c, CG_AES))
        return false;
    a = cg_use(c, r->arg[0]);
    zero = cg_temp_vector(c);
    d = cg_def(c, 0, 0);
    vec_zero(c, zero);
    vec_op(c, r->op == IR_OP_V_AESENC ? AESENCLAST : AESDECLAST, d, a, zero);
    return true;
}

/* All steps at once, of the operand of the operation before. */
static void whole_round(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, c->u->ops[cg_fused(c)].arg[0]), zero = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, 0);

    vec_zero(c, zero);
    vec_op(c, r->op == IR_OP_V_AESMC ? AESENC : AESDEC, d, a, zero);
    cg_end_fused(c);
}

/* A round has MixColumns behind the other two steps: if they are not known, they are undone first. */
bool rule_v_aesmc(cg *c, const ir_op_record *r)
{
    cg_reg a, zero, d;

    if (!rule_has(c, CG_AES))
        return false;
    if (cg_fused(c) != CG_NONE) {
        whole_round(c, r);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    if (r->op == IR_OP_V_AESIMC) {
        vec_unary(c, AESIMC, cg_def(c, 0, 0), a);
        return true;
    }
    zero = cg_temp_vector(c);
    d = cg_def(c, 0, 0);
    vec_zero(c, zero);
    vec_op(c, AESDECLAST, d, a, zero);
    vec_op(c, AESENC, d, d, zero);
    return true;
}

/* ---- SHA ----------------------------------------------------------------------------------------------------------------- */

enum {
    REVERSED = 0x1b,
    SWAPPED = 0xb1,
    UPPER = 0xee
}; /* of PSHUFD: words, words of each half, the upper half twice */

/* The host has words the other way round, and adds the constant itself, which the operand has in it already. */
bool rule_v_sha1(cg *c, const ir_op_record *r)
{
    static const uint32_t constants[] = { 0x5a827999, 0x6ed9eba1, 0x8f1bbcdc };
    uint32_t n = r->attr & 3;
    cg_reg hash, e, schedule, t, x, d;

    if (!rule_has(c, CG_SHA))
        return false;
    hash = cg_use(c, r->arg[0]);
    e = cg_use(c, r->arg[1]);
    schedule = cg_use(c, r->arg[2]);
    t = cg_temp_vector(c);
    x = cg_temp_vector(c);
    rule_low_lane(c, 32, t, e);
    vec_op(c, PADDD, t, t, schedule);
    vec_op_const(c, PSUBD, t, t, vec_lanes(2, constants[n]));
    vec_unary_imm(c, PSHUFD, t, t, REVERSED);
    vec_unary_imm(c, PSHUFD, x, hash, REVERSED);
    asm_rr(&c->a, SHA1RNDS4, x - XMM0, t - XMM0);
    asm_8(&c->a, n);
    d = cg_def(c, 0, 0);
    vec_unary_imm(c, PSHUFD, d, x, REVERSED);
    return true;
}

/* A scratch register other than XMM0, which is left to the rule if the allocator offers it. */
static cg_reg temp_but_0(cg *c, bool *is_free)
{
    cg_reg t = cg_temp_vector(c);

    if (t != XMM0)
        return t;
    *is_free = true;
    return cg_temp_vector(c);
}

/* The host has words a b e f (x) and c d g h (y), the first one on top. Two rounds make new a b e f of them, and the old ones are
 * the new c d g h then. */
bool rule_v_sha256h(cg *c, const ir_op_record *r)
{
    bool first = r->op == IR_OP_V_SHA256H, xmm0_free = false;
    cg_reg abcd, efgh, schedule, x, y, t, d;

    if (!rule_has(c, CG_SHA))
        return false;
    abcd = cg_use(c, r->arg[!first]);
    efgh = cg_use(c, r->arg[first]);
    schedule = cg_use(c, r->arg[2]);
    x = temp_but_0(c, &xmm0_free);
    y = temp_but_0(c, &xmm0_free);
    t = temp_but_0(c, &xmm0_free);
    d = cg_def(c, 0, 0); /* which is XMM0 only if nobody needs what is there but this operation */
    vec_unary_imm(c, PSHUFD, x, efgh, SWAPPED);
    vec_unary_imm(c, PSHUFD, t, abcd, SWAPPED);
    vec_op(c, PUNPCKHQDQ, y, x, t);
    vec_op(c, PUNPCKLQDQ, x, x, t);
    if (d != XMM0 && !xmm0_free)
        vec_move(c, t, XMM0);
    vec_move(c, XMM0, schedule);
    asm_rr(&c->a, SHA256RNDS2, y - XMM0, x - XMM0);
    vec_unary_imm(c, PSHUFD, XMM0, XMM0, UPPER);
    asm_rr(&c->a, SHA256RNDS2, x - XMM0, y - XMM0);
    if (d != XMM0 && !xmm0_free)
        vec_move(c, XMM0, t);
    vec_op(c, first ? PUNPCKHQDQ : PUNPCKLQDQ, d, x, y);
    vec_unary_imm(c, PSHUFD, d, d, SWAPPED);
    return true;
}

/* d += words of x, rotated right by two counts and shifted by a third, and combined; x is changed. */
static void add_sigma(cg *c, cg_reg d, cg_reg x, const uint8_t counts[3])
{
    cg_reg t = cg_temp_vector(c), sum = cg_temp_vector(c);

    vec_shift(c, PSRLD_I, sum, x, counts[2]);
    for (uint32_t i = 0; i < 2; i++) {
        vec_shift(c, PSRLD_I, t, x, counts[i]);
        vec_op(c, PXOR, sum, sum, t);
        vec_shift(c, PSLLD_I, t, x, 32u - counts[i]);
        vec_op(c, PXOR, sum, sum, t);
    }
    vec_op(c, PADDD, d, d, sum);
    cg_release(c, t);
    cg_release(c, sum);
}

/* v.sha256su0, v.sha256su1; without the host's instructions by shifts, of su1 first the lower words. */
bool rule_v_sha256su(cg *c, const ir_op_record *r)
{
    static const uint8_t sigma_0[3] = { 7, 18, 3 }, sigma_1[3] = { 17, 19, 10 };
    bool first = r->op == IR_OP_V_SHA256SU0;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), x, sum;

    if (rule_has(c, CG_SHA)) {
        cg_reg d = cg_def(c, 0, CG_SET(b));

        vec_move(c, d, a);
        asm_rr(&c->a, first ? SHA256MSG1 : SHA256MSG2, d - XMM0, b - XMM0);
        return true;
    }
    x = cg_temp_vector(c);
    sum = cg_temp_vector(c);
    vec_move(c, sum, a);
    if (first) {
        vec_move(c, x, b);
        vec_op_imm(c, PALIGNR, x, x, a, 4);
        add_sigma(c, sum, x, sigma_0);
    } else {
        vec_shift(c, PSRLDQ_I, x, b, 8);
        add_sigma(c, sum, x, sigma_1);
        vec_shift(c, PSLLDQ_I, x, sum, 8);
        add_sigma(c, sum, x, sigma_1);
    }
    vec_move(c, cg_def(c, 0, 0), sum);
    return true;
}

/* ---- CRC-32 ------------------------------------------------------------------------------------------------------------------ */

/* Barrett's reduction of up to 64 bits, bits reversed: the quotient is the low half of the product with x^96 / P, the remainder
 * stands above the low half of the quotient's product with P. */
bool rule_crc32(cg *c, const ir_op_record *r)
{
    const pb_u128 constants = { 0xb4e5b025f7011641, 0x1db710641 };
    uint32_t bytes = r->attr & 0xff, avx = vec_avx(c) ? ASM_VEX : 0;
    cg_reg crc, data, t, x, to;

    if (!rule_has(c, CG_PCLMUL))
        return false;
    cg_clobber_flags(c);
    crc = cg_use_clean(c, r->arg[0]);
    data = cg_use(c, r->arg[1]);
    t = cg_temp(c);
    x = cg_temp_vector(c);
    asm_mov(&c->a, W64, t, crc);
    asm_alu(&c->a, ALU_XOR, W64, t, data);
    if (bytes < 8)
        asm_shift_imm(&c->a, SHIFT_SHL, W64, t, 64 - 8 * bytes);
    asm_sse2(&c->a, vec_avx(c), SSE_MOVD_LOAD | ASM_W, x - XMM0, t);
    cg_pool_op(c, PCLMULQDQ | avx, x - XMM0, x - XMM0, constants, 0x00);
    cg_pool_op(c, PCLMULQDQ | avx, x - XMM0, x - XMM0, constants, 0x10);
    if (bytes < 4) {
        to = cg_def_from(c, 0, r->arg[0], CG_NONE);
        asm_shift_imm(&c->a, SHIFT_SHR, W32, to, 8 * bytes);
        asm_sse2(&c->a, vec_avx(c), PEXTRD, x - XMM0, t);
        asm_8(&c->a, 2);
        asm_alu(&c->a, ALU_XOR, W32, to, t);
    } else {
        to = cg_def(c, 0, 0);
        asm_sse2(&c->a, vec_avx(c), PEXTRD, x - XMM0, to);
        asm_8(&c->a, 2);
    }
    return true;
}
