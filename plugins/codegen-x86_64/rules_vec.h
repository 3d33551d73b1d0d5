/*
 * What the rules of vector operations share: encodings, and verbs that emit SSE or AVX forms.
 *
 * Manual: Intel SDM volume 2. Names of encodings are the mnemonics.
 *
 * A 64-bit vector is in the low half of its register. Rules compute on all 128 bits and clear the upper half of
 * the result (vec_done), unless it is zero anyway: an operand may be the low half of something wider.
 *
 * The verbs take registers as cg_reg and three operands, d = a op b. Without AVX d is overwritten by a first: d may be
 * b only if it is a too. That is looked at: a rule that gets it wrong makes the unit be refused.
 */
#ifndef CODEGEN_X86_64_RULES_VEC_H
#define CODEGEN_X86_64_RULES_VEC_H

#include "rules.h"

/* ---- encodings ------------------------------------------------------------------------------------------------ */

#define P_0F(op) ((op) | ASM_0F | ASM_66)
#define P_38(op) ((op) | ASM_38 | ASM_66)
#define P_3A(op) ((op) | ASM_3A | ASM_66) /* an immediate byte follows */

enum {
    PADDB = P_0F(0xfc),
    PADDW = P_0F(0xfd),
    PADDD = P_0F(0xfe),
    PADDQ = P_0F(0xd4),
    PSUBB = P_0F(0xf8),
    PSUBW = P_0F(0xf9),
    PSUBD = P_0F(0xfa),
    PSUBQ = P_0F(0xfb),
    PADDUSB = P_0F(0xdc),
    PADDUSW = P_0F(0xdd),
    PADDSB = P_0F(0xec),
    PADDSW = P_0F(0xed),
    PSUBUSB = P_0F(0xd8),
    PSUBUSW = P_0F(0xd9),
    PSUBSB = P_0F(0xe8),
    PSUBSW = P_0F(0xe9),
    PAVGB = P_0F(0xe0),
    PAVGW = P_0F(0xe3),
    PMULLW = P_0F(0xd5),
    PMULLD = P_38(0x40),
    PMULHW = P_0F(0xe5),
    PMULHUW = P_0F(0xe4),
    PMULHRSW = P_38(0x0b),
    PMULUDQ = P_0F(0xf4),
    PMULDQ = P_38(0x28),
    PMADDWD = P_0F(0xf5),
    PMADDUBSW = P_38(0x04),
    PSADBW = P_0F(0xf6),
    PAND = P_0F(0xdb),
    PANDN = P_0F(0xdf), /* d = ~a & b */
    POR = P_0F(0xeb),
    PXOR = P_0F(0xef),
    PCMPEQB = P_0F(0x74),
    PCMPEQW = P_0F(0x75),
    PCMPEQD = P_0F(0x76),
    PCMPEQQ = P_38(0x29),
    PCMPGTB = P_0F(0x64),
    PCMPGTW = P_0F(0x65),
    PCMPGTD = P_0F(0x66),
    PCMPGTQ = P_38(0x37),
    PMINUB = P_0F(0xda),
    PMINUW = P_38(0x3a),
    PMINUD = P_38(0x3b),
    PMAXUB = P_0F(0xde),
    PMAXUW = P_38(0x3e),
    PMAXUD = P_38(0x3f),
    PMINSB = P_38(0x38),
    PMINSW = P_0F(0xea),
    PMINSD = P_38(0x39),
    PMAXSB = P_38(0x3c),
    PMAXSW = P_0F(0xee),
    PMAXSD = P_38(0x3d),
    PABSB = P_38(0x1c),
    PABSW = P_38(0x1d),
    PABSD = P_38(0x1e),
    PACKSSWB = P_0F(0x63),
    PACKSSDW = P_0F(0x6b),
    PACKUSWB = P_0F(0x67),
    PACKUSDW = P_38(0x2b),
    PUNPCKLBW = P_0F(0x60),
    PUNPCKLWD = P_0F(0x61),
    PUNPCKLDQ = P_0F(0x62),
    PUNPCKLQDQ = P_0F(0x6c),
    PUNPCKHBW = P_0F(0x68),
    PUNPCKHWD = P_0F(0x69),
    PUNPCKHDQ = P_0F(0x6a),
    PUNPCKHQDQ = P_0F(0x6d),
    PMOVSXBW = P_38(0x20),
    PMOVSXWD = P_38(0x23),
    PMOVSXDQ = P_38(0x25),
    PMOVZXBW = P_38(0x30),
    PMOVZXWD = P_38(0x33),
    PMOVZXDQ = P_38(0x35),
    PSHUFB = P_38(0x00),
    PSHUFD = P_0F(0x70),
    PSHUFLW = 0x70 | ASM_0F | ASM_F2,
    SHUFPS = 0xc6 | ASM_0F,
    PALIGNR = P_3A(0x0f),
    PBLENDW = P_3A(0x0e),
    INSERTPS = P_3A(0x21),
    MOVSD = 0x10 | ASM_0F | ASM_F2, /* registers: the low half from b */
    PSRLW = P_0F(0xd1),             /* by the low 64 bits of b */
    PSRLD = P_0F(0xd2),
    PSRLQ = P_0F(0xd3),
    PHMINPOSUW = P_38(0x41),
    PTEST = P_38(0x17),
    PMOVMSKB = P_0F(0xd7),
    VPBROADCASTB = P_38(0x78),
    VPBROADCASTW = P_38(0x79),
    VPBROADCASTD = P_38(0x58),
    VPBROADCASTQ = P_38(0x59),
    VPSLLVD = P_38(0x47),
    VPSRLVD = P_38(0x45),
    VPSRAVD = P_38(0x46),
    VPBLENDVB = P_3A(0x4c),
    AESENC = P_38(0xdc),
    AESENCLAST = P_38(0xdd),
    AESDEC = P_38(0xde),
    AESDECLAST = P_38(0xdf),
    AESIMC = P_38(0xdb),
    PCLMULQDQ = P_3A(0x44),
    GF2P8AFFINEQB = P_3A(0xce),
    PINSRB = P_3A(0x20),
    PINSRW = P_0F(0xc4),
    PINSRD = P_3A(0x22), /* with ASM_W 64 bits */
    PEXTRB = P_3A(0x14),
    PEXTRW = P_3A(0x15),
    PEXTRD = P_3A(0x16),
    SHA1RNDS4 = 0xcc | ASM_3A,
    SHA256RNDS2 = 0xcb | ASM_38, /* the schedule's words are in XMM0 */
    SHA256MSG1 = 0xcc | ASM_38,
    SHA256MSG2 = 0xcd | ASM_38,
};

/* Shifts by an immediate: group 12, 13, 14; their number in it stands above the form. */
#define VEC_SHIFT(op, number) ((op) | ASM_0F | ASM_66 | (uint32_t)(number) << 24)
enum {
    PSRLW_I = VEC_SHIFT(0x71, 2),
    PSRAW_I = VEC_SHIFT(0x71, 4),
    PSLLW_I = VEC_SHIFT(0x71, 6),
    PSRLD_I = VEC_SHIFT(0x72, 2),
    PSRAD_I = VEC_SHIFT(0x72, 4),
    PSLLD_I = VEC_SHIFT(0x72, 6),
    PSRLQ_I = VEC_SHIFT(0x73, 2),
    PSLLQ_I = VEC_SHIFT(0x73, 6),
    PSRLDQ_I = VEC_SHIFT(0x73, 3), /* all 128 bits, by bytes */
    PSLLDQ_I = VEC_SHIFT(0x73, 7),
};

/* Forms by lane size. */
extern const uint32_t vec_add_forms[4], vec_sub_forms[4], vec_cmeq_forms[4], vec_cmgt_forms[4];

/* ---- verbs ---------------------------------------------------------------------------------------------------- */

static inline bool vec_avx(const cg *c)
{
    return c->features & CG_AVX;
}

/* d = a */
static inline void vec_move(cg *c, cg_reg d, cg_reg a)
{
    if (d != a)
        asm_sse2(&c->a, vec_avx(c), SSE_MOVAPS_LOAD, d - XMM0, a - XMM0);
}

/* d = a op b */
static inline void vec_op(cg *c, uint32_t op, cg_reg d, cg_reg a, cg_reg b)
{
    if (!vec_avx(c) && d == b && d != a)
        c->failed = true;
    asm_sse3(&c->a, vec_avx(c), op, d - XMM0, a - XMM0, b - XMM0);
}

static inline void vec_op_imm(cg *c, uint32_t op, cg_reg d, cg_reg a, cg_reg b, uint32_t imm)
{
    vec_op(c, op, d, a, b);
    asm_8(&c->a, imm);
}

/* d = op a */
static inline void vec_unary(cg *c, uint32_t op, cg_reg d, cg_reg a)
{
    asm_sse2(&c->a, vec_avx(c), op, d - XMM0, a - XMM0);
}

static inline void vec_unary_imm(cg *c, uint32_t op, cg_reg d, cg_reg a, uint32_t imm)
{
    vec_unary(c, op, d, a);
    asm_8(&c->a, imm);
}

/* d = a shifted by n */
static inline void vec_shift(cg *c, uint32_t op, cg_reg d, cg_reg a, uint32_t n)
{
    uint32_t form = op & 0xffffff;

    if (vec_avx(c)) {
        asm_vrr(&c->a, form | ASM_VEX, (int)(op >> 24), d - XMM0, a - XMM0);
    } else {
        vec_move(c, d, a);
        asm_rr(&c->a, form, (int)(op >> 24), d - XMM0);
    }
    asm_8(&c->a, n);
}

/* d = a op constant */
static inline void vec_op_const(cg *c, uint32_t op, cg_reg d, cg_reg a, pb_u128 k)
{
    if (!vec_avx(c))
        vec_move(c, d, a);
    cg_pool_op(c, vec_avx(c) ? op | ASM_VEX : op, d - XMM0, a - XMM0, k, -1);
}

static inline void vec_const(cg *c, cg_reg d, pb_u128 k)
{
    cg_pool_op(c, SSE_MOVAPS_LOAD | (vec_avx(c) ? ASM_VEX : 0), d - XMM0, 0, k, -1);
}

static inline void vec_zero(cg *c, cg_reg d)
{
    vec_op(c, PXOR, d, d, d);
}

static inline void vec_ones(cg *c, cg_reg d)
{
    vec_op(c, PCMPEQD, d, d, d);
}

/* A value in every lane of 1 << es bytes, cut to the lane. */
static inline pb_u128 vec_lanes(uint32_t es, uint64_t value)
{
    return ir_sem_v_dup(value, es, 128);
}

/* ---- operands and results --------------------------------------------------------------------------------------- */

static inline uint32_t vec_es(const ir_op_record *r)
{
    return r->attr & 3;
}

/* The attribute behind the lane size. */
static inline uint32_t vec_n(const ir_op_record *r)
{
    return r->attr >> 2 & 0xff;
}

/* The result's register, which without AVX is not b: for d = a op b. */
static inline cg_reg vec_def(cg *c, cg_reg b)
{
    return cg_def(c, 0, vec_avx(c) ? 0 : CG_SET(b));
}

/* Clear what is above a 64-bit result. */
static inline void vec_done(cg *c, const ir_op_record *r, cg_reg d)
{
    if (rule_bits(r) == 64)
        vec_unary(c, SSE_MOVQ_LOAD, d, d);
}

/* The same, unless it is zero: of an operation that makes zeros of zeros. */
static inline void vec_done_zero(cg *c, const ir_op_record *r, cg_reg d)
{
    bool clean = true;

    for (uint32_t i = 0; i < r->n_args; i++)
        clean &= cg_is_clean(c, r->arg[i]);
    if (!clean)
        vec_done(c, r, d);
}

/* Whether an operand is a vector of zeros. */
bool vec_is_zero(const cg *c, uint32_t id);

/* The second result: whether any bit of the low `bits` of t is set, which is changed. Its flags are the condition; nothing that
 * is live may be in them. */
void vec_def_any(cg *c, cg_reg t, uint32_t bits);
/* t = a shifted right with sign by its width less one: all ones where negative. */
void vec_sign(cg *c, uint32_t es, cg_reg t, cg_reg a);
/* d = a >u b by lane; t is changed. d, t are neither operand. */
void vec_above(cg *c, uint32_t es, cg_reg d, cg_reg a, cg_reg b, cg_reg t);
/* d = the lanes of a or b by op: IR_OP_V_MIN_U to _MAX_S. d is neither a nor b. t is changed, for lanes of 8 bytes (CG_NO_REG: of
 * smaller ones). */
void vec_minmax(cg *c, uint32_t op, uint32_t es, cg_reg d, cg_reg a, cg_reg b, cg_reg t);
/* Shifts of lanes by a constant up to their width: op IR_OP_V_SHL, _SHR, _SAR. t is a scratch register or d; d may be a. */
void vec_shift_lanes(cg *c, uint32_t op, uint32_t es, cg_reg d, cg_reg a, uint32_t n);

#endif
