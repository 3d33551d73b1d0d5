/*
 * Cryptographic instructions: AES, SHA-1, SHA-256.
 *
 * Manual: DDI 0487, C4.1 "Cryptographic AES", "two-register SHA", "three-register SHA"; C7.2;
 * FIPS 197 and FIPS 180-4.
 */
#include "simd.h"

/* ---- AES ------------------------------------------------------------------------------------- */

/* AESE */
tr_status tr_aese(a64_ctx *c, const a64_arg_aese *a)
{
    ir_val mixed = ir_v_xor(c->ir, read_v(c, a->rd), read_v(c, a->rn));

    write_v(c, a->rd, ir_v_aesenc(c->ir, mixed));
    return TR_NEXT;
}

/* AESD */
tr_status tr_aesd(a64_ctx *c, const a64_arg_aesd *a)
{
    ir_val mixed = ir_v_xor(c->ir, read_v(c, a->rd), read_v(c, a->rn));

    write_v(c, a->rd, ir_v_aesdec(c->ir, mixed));
    return TR_NEXT;
}

/* AESMC */
tr_status tr_aesmc(a64_ctx *c, const a64_arg_aesmc *a)
{
    write_v(c, a->rd, ir_v_aesmc(c->ir, read_v(c, a->rn)));
    return TR_NEXT;
}

/* AESIMC */
tr_status tr_aesimc(a64_ctx *c, const a64_arg_aesimc *a)
{
    write_v(c, a->rd, ir_v_aesimc(c->ir, read_v(c, a->rn)));
    return TR_NEXT;
}

/* ---- SHA-1 ----------------------------------------------------------------------------------- */

/* Every word rotated left. */
static ir_val rotate_words(a64_ctx *c, ir_val v, uint32_t left)
{
    return ir_v_or(c->ir, ir_v_shl(c->ir, v, 2, left), ir_v_shr(c->ir, v, 2, 32 - left));
}

/* n: of v.sha1 */
static tr_status sha1(a64_ctx *c, uint32_t rd, uint32_t rn, uint32_t rm, uint32_t n)
{
    write_v(c, rd, ir_v_sha1(c->ir, read_v(c, rd), read_v(c, rn), read_v(c, rm), n));
    return TR_NEXT;
}

/* SHA1C */
tr_status tr_sha1c(a64_ctx *c, const a64_arg_sha1c *a)
{
    return sha1(c, a->rd, a->rn, a->rm, 0);
}

/* SHA1P */
tr_status tr_sha1p(a64_ctx *c, const a64_arg_sha1p *a)
{
    return sha1(c, a->rd, a->rn, a->rm, 1);
}

/* SHA1M */
tr_status tr_sha1m(a64_ctx *c, const a64_arg_sha1m *a)
{
    return sha1(c, a->rd, a->rn, a->rm, 2);
}

/* SHA1H */
tr_status tr_sha1h(a64_ctx *c, const a64_arg_sha1h *a)
{
    write_low(c, a->rd, ir_ror(c->ir, read_int(c, 2, a->rn), ir_imm32(c->ir, 32 - 30)));
    return TR_NEXT;
}

/* SHA1SU0 */
tr_status tr_sha1su0(a64_ctx *c, const a64_arg_sha1su0 *a)
{
    ir_builder *b = c->ir;
    ir_val d = read_v(c, a->rd), n = read_v(c, a->rn);

    write_v(c, a->rd, ir_v_xor(b, ir_v_xor(b, ir_v_ext(b, d, n, HALF_BYTES), d), read_v(c, a->rm)));
    return TR_NEXT;
}

/* SHA1SU1. The last word also depends on the new first one. */
tr_status tr_sha1su1(a64_ctx *c, const a64_arg_sha1su1 *a)
{
    ir_builder *b = c->ir;
    ir_val zero = ir_v_zero(b, IR_V128);
    ir_val t = ir_v_xor(b, read_v(c, a->rd), ir_v_ext(b, read_v(c, a->rn), zero, 4));
    ir_val first_to_last = ir_v_ext(b, zero, rotate_words(c, t, 2), 4);

    write_v(c, a->rd, ir_v_xor(b, rotate_words(c, t, 1), first_to_last));
    return TR_NEXT;
}

/* ---- SHA-256 --------------------------------------------------------------------------------- */

/* SHA256H */
tr_status tr_sha256h(a64_ctx *c, const a64_arg_sha256h *a)
{
    write_v(c, a->rd, ir_v_sha256h(c->ir, read_v(c, a->rd), read_v(c, a->rn), read_v(c, a->rm)));
    return TR_NEXT;
}

/* SHA256H2 */
tr_status tr_sha256h2(a64_ctx *c, const a64_arg_sha256h2 *a)
{
    write_v(c, a->rd, ir_v_sha256h2(c->ir, read_v(c, a->rd), read_v(c, a->rn), read_v(c, a->rm)));
    return TR_NEXT;
}

/* SHA256SU0 */
tr_status tr_sha256su0(a64_ctx *c, const a64_arg_sha256su0 *a)
{
    write_v(c, a->rd, ir_v_sha256su0(c->ir, read_v(c, a->rd), read_v(c, a->rn)));
    return TR_NEXT;
}

/* SHA256SU1 */
tr_status tr_sha256su1(a64_ctx *c, const a64_arg_sha256su1 *a)
{
    ir_builder *b = c->ir;
    ir_val m = read_v(c, a->rm), between = ir_v_ext(b, read_v(c, a->rn), m, 4);

    write_v(c, a->rd, ir_v_sha256su1(b, ir_v_add(b, read_v(c, a->rd), between, 2), m));
    return TR_NEXT;
}
