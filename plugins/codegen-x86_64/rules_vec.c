/*
 * Vector operations on integer lanes that keep their size: logic, arithmetic, comparison, counting, saturation.
 *
 * Most are one instruction for most lane sizes: rows of a table. What SSE lacks is a recipe.
 */
#include "rules_vec.h"

/* ---- rows ------------------------------------------------------------------------------------------------------- */

const uint32_t vec_add_forms[4] = { PADDB, PADDW, PADDD, PADDQ };
const uint32_t vec_sub_forms[4] = { PSUBB, PSUBW, PSUBD, PSUBQ };
const uint32_t vec_cmeq_forms[4] = { PCMPEQB, PCMPEQW, PCMPEQD, PCMPEQQ };
const uint32_t vec_cmgt_forms[4] = { PCMPGTB, PCMPGTW, PCMPGTD, PCMPGTQ };

enum {
    ZEROS = 1, /* zeros of zeros: the upper half stays clean */
    SWAP = 2,  /* the instruction's first operand is b */
};

/* One instruction for two operands, by lane size; 0: there is none. Of operations on bits the first one. */
typedef struct vec_row {
    uint32_t form[4];
    uint32_t how;
} vec_row;

static const vec_row rows[IR_OP_COUNT] = {
    [IR_OP_V_AND] = { { PAND }, ZEROS },
    [IR_OP_V_OR] = { { POR }, ZEROS },
    [IR_OP_V_XOR] = { { PXOR }, ZEROS },
    [IR_OP_V_ANDN] = { { PANDN }, ZEROS | SWAP },
    [IR_OP_V_ADD] = { { PADDB, PADDW, PADDD, PADDQ }, ZEROS },
    [IR_OP_V_SUB] = { { PSUBB, PSUBW, PSUBD, PSUBQ }, ZEROS },
    [IR_OP_V_MUL] = { { 0, PMULLW, PMULLD, 0 }, ZEROS },
    [IR_OP_V_MIN_U] = { { PMINUB, PMINUW, PMINUD, 0 }, ZEROS },
    [IR_OP_V_MAX_U] = { { PMAXUB, PMAXUW, PMAXUD, 0 }, ZEROS },
    [IR_OP_V_MIN_S] = { { PMINSB, PMINSW, PMINSD, 0 }, ZEROS },
    [IR_OP_V_MAX_S] = { { PMAXSB, PMAXSW, PMAXSD, 0 }, ZEROS },
    [IR_OP_V_CMEQ] = { { PCMPEQB, PCMPEQW, PCMPEQD, PCMPEQQ }, 0 },
    [IR_OP_V_CMGT_S] = { { PCMPGTB, PCMPGTW, PCMPGTD, PCMPGTQ }, ZEROS },
};

/* Lane size: operations on bits have no such attribute. */
static uint32_t lanes_of(const ir_op_record *r)
{
    return r->op >= IR_OP_V_ADD ? vec_es(r) : 0;
}

bool rule_v_row(cg *c, const ir_op_record *r)
{
    const vec_row *row = &rows[r->op];
    uint32_t form = row->form[lanes_of(r)];
    cg_reg a, b, d;

    if (!form)
        return false;
    a = cg_use(c, r->arg[row->how & SWAP ? 1 : 0]);
    b = cg_use(c, r->arg[row->how & SWAP ? 0 : 1]);
    d = vec_def(c, b);
    vec_op(c, form, d, a, b);
    if (row->how & ZEROS)
        vec_done_zero(c, r, d);
    else
        vec_done(c, r, d);
    return true;
}

/* ---- shared pieces ------------------------------------------------------------------------------------------------ */

/* d = m ? a : b by bytes of ones and zeros. d is neither a nor m; t is none of them. */
static void blend(cg *c, cg_reg d, cg_reg m, cg_reg a, cg_reg b, cg_reg t)
{
    if (vec_avx(c)) {
        asm_vrr(&c->a, VPBLENDVB | ASM_VEX, d - XMM0, b - XMM0, a - XMM0);
        asm_8(&c->a, (uint32_t)(m - XMM0) << 4);
        return;
    }
    vec_op(c, PANDN, t, m, b);
    vec_op(c, PAND, d, m, a);
    vec_op(c, POR, d, d, t);
}

/* d = ~d */
static void invert(cg *c, cg_reg d, cg_reg t)
{
    vec_ones(c, t);
    vec_op(c, PXOR, d, d, t);
}

bool vec_is_zero(const cg *c, uint32_t id)
{
    return !(id & IR_CONST_BIT) && c->u->ops[id >> 1].op == IR_OP_V_ZERO;
}

void vec_def_any(cg *c, cg_reg t, uint32_t bits)
{
    if (!cg_result_uses(c, 1))
        return;
    if (bits == 64)
        vec_unary(c, SSE_MOVQ_LOAD, t, t);
    vec_unary(c, PTEST, t, t);
    cg_def_condition(c, 1, CC_NE);
}

void vec_sign(cg *c, uint32_t es, cg_reg t, cg_reg a)
{
    if (es == 1 || es == 2) {
        vec_shift(c, es == 1 ? PSRAW_I : PSRAD_I, t, a, es == 1 ? 15 : 31);
    } else {
        vec_zero(c, t);
        vec_op(c, vec_cmgt_forms[es], t, t, a);
    }
}

void vec_above(cg *c, uint32_t es, cg_reg d, cg_reg a, cg_reg b, cg_reg t)
{
    if (es == 3) { /* signed, with the signs changed */
        vec_op_const(c, PXOR, t, b, vec_lanes(3, ir_sem_sign(64)));
        vec_op_const(c, PXOR, d, a, vec_lanes(3, ir_sem_sign(64)));
        vec_op(c, PCMPGTQ, d, d, t);
    } else { /* not min(a, b) == a */
        vec_op(c, rows[IR_OP_V_MIN_U].form[es], d, a, b);
        vec_op(c, vec_cmeq_forms[es], d, d, a);
        invert(c, d, t);
    }
}

void vec_minmax(cg *c, uint32_t op, uint32_t es, cg_reg d, cg_reg a, cg_reg b, cg_reg t)
{
    bool min = op == IR_OP_V_MIN_U || op == IR_OP_V_MIN_S;
    cg_reg m;

    if (rows[op].form[es]) {
        vec_op(c, rows[op].form[es], d, a, b);
        return;
    }
    m = cg_temp_vector(c);
    if (op == IR_OP_V_MIN_U || op == IR_OP_V_MAX_U)
        vec_above(c, es, m, a, b, t);
    else
        vec_op(c, PCMPGTQ, m, a, b);
    blend(c, d, m, min ? b : a, min ? a : b, t);
    cg_release(c, m);
}

bool rule_v_minmax(cg *c, const ir_op_record *r)
{
    cg_reg a, b, t, d;

    if (rule_v_row(c, r))
        return true;
    a = cg_use(c, r->arg[0]);
    b = cg_use(c, r->arg[1]);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    vec_minmax(c, r->op, vec_es(r), d, a, b, t);
    vec_done_zero(c, r, d);
    return true;
}

/* ---- logic -------------------------------------------------------------------------------------------------------- */

bool rule_v_not(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), d = cg_def(c, 0, CG_SET(a));

    vec_ones(c, d);
    vec_op(c, PXOR, d, d, a);
    vec_done(c, r, d);
    return true;
}

bool rule_v_orn(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    vec_ones(c, d);
    vec_op(c, PXOR, d, d, b);
    vec_op(c, POR, d, d, a);
    vec_done(c, r, d);
    return true;
}

bool rule_v_bsl(cg *c, const ir_op_record *r)
{
    cg_reg m = cg_use(c, r->arg[0]), a = cg_use(c, r->arg[1]), b = cg_use(c, r->arg[2]);
    cg_reg t = cg_temp_vector(c), d;

    vec_op(c, PANDN, t, m, b);
    d = vec_def(c, a);
    vec_op(c, PAND, d, m, a);
    vec_op(c, POR, d, d, t);
    vec_done_zero(c, r, d);
    return true;
}

/* ---- arithmetic ----------------------------------------------------------------------------------------------------- */

/* Bytes: even ones are the low halves of words' products, odd ones are multiplied as words of their own. */
static void multiply_bytes(cg *c, cg_reg d, cg_reg a, cg_reg b, cg_reg t)
{
    vec_shift(c, PSRLW_I, t, a, 8);
    vec_shift(c, PSRLW_I, d, b, 8);
    vec_op(c, PMULLW, t, t, d);
    vec_shift(c, PSLLW_I, t, t, 8);
    vec_op(c, PMULLW, d, a, b);
    vec_op_const(c, PAND, d, d, vec_lanes(1, 0x00ff));
    vec_op(c, POR, d, d, t);
}

/* 64 bits: the low halves' product, and the sums of both mixed ones above. */
static void multiply_quads(cg *c, cg_reg d, cg_reg a, cg_reg b, cg_reg t)
{
    vec_unary_imm(c, PSHUFD, t, b, 0xb1);
    vec_op(c, PMULLD, t, t, a);
    vec_unary_imm(c, PSHUFD, d, t, 0xb1);
    vec_op(c, PADDD, t, t, d);
    vec_shift(c, PSLLQ_I, t, t, 32);
    vec_op(c, PMULUDQ, d, a, b);
    vec_op(c, PADDQ, d, d, t);
}

bool rule_v_mul(cg *c, const ir_op_record *r)
{
    cg_reg a, b, t, d;

    if (rule_v_row(c, r))
        return true;
    a = cg_use(c, r->arg[0]);
    b = cg_use(c, r->arg[1]);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    if (vec_es(r) == 0)
        multiply_bytes(c, d, a, b, t);
    else
        multiply_quads(c, d, a, b, t);
    vec_done_zero(c, r, d);
    return true;
}

bool rule_v_neg(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), d = cg_def(c, 0, CG_SET(a));

    vec_zero(c, d);
    vec_op(c, vec_sub_forms[vec_es(r)], d, d, a);
    vec_done_zero(c, r, d);
    return true;
}

bool rule_v_abs(cg *c, const ir_op_record *r)
{
    static const uint32_t forms[3] = { PABSB, PABSW, PABSD };
    cg_reg a = cg_use(c, r->arg[0]), t, d;

    if (vec_es(r) < 3) {
        d = cg_def(c, 0, 0);
        vec_unary(c, forms[vec_es(r)], d, a);
    } else {
        t = cg_temp_vector(c);
        vec_sign(c, 3, t, a);
        d = cg_def(c, 0, 0);
        vec_op(c, PXOR, d, a, t);
        vec_op(c, PSUBQ, d, d, t);
    }
    vec_done_zero(c, r, d);
    return true;
}

/* a + b = 2 (a & b) + (a ^ b) = 2 (a | b) - (a ^ b) */
bool rule_v_hadd(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), round = vec_n(r);
    uint32_t shift = r->op == IR_OP_V_HADD_U ? IR_OP_V_SHR : IR_OP_V_SAR;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), t, d;

    if (round && r->op == IR_OP_V_HADD_U && es < 2) {
        d = vec_def(c, b);
        vec_op(c, es ? PAVGW : PAVGB, d, a, b);
        vec_done_zero(c, r, d);
        return true;
    }
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    vec_op(c, PXOR, t, a, b);
    vec_shift_lanes(c, shift, es, t, t, 1);
    vec_op(c, round ? POR : PAND, d, a, b);
    vec_op(c, round ? vec_sub_forms[es] : vec_add_forms[es], d, d, t);
    vec_done_zero(c, r, d);
    return true;
}

/* a - b = (a ^ b) - 2 (~a & b) */
bool rule_v_hsub(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), shift = r->op == IR_OP_V_HSUB_U ? IR_OP_V_SHR : IR_OP_V_SAR;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    vec_op(c, PANDN, t, a, b);
    vec_op(c, PXOR, d, a, b);
    vec_shift_lanes(c, shift, es, d, d, 1);
    vec_op(c, vec_sub_forms[es], d, d, t);
    vec_done_zero(c, r, d);
    return true;
}

/* Of one saturating difference or the other one is zero; else maximum less minimum. */
bool rule_v_abd(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), u = r->op == IR_OP_V_ABD_U;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    if (u && es < 2) {
        vec_op(c, es ? PSUBUSW : PSUBUSB, t, a, b);
        vec_op(c, es ? PSUBUSW : PSUBUSB, d, b, a);
        vec_op(c, POR, d, d, t);
    } else {
        cg_reg s = es == 3 ? cg_temp_vector(c) : CG_NO_REG;

        vec_minmax(c, u ? IR_OP_V_MIN_U : IR_OP_V_MIN_S, es, t, a, b, s);
        vec_minmax(c, u ? IR_OP_V_MAX_U : IR_OP_V_MAX_S, es, d, a, b, s);
        vec_op(c, vec_sub_forms[es], d, d, t);
    }
    vec_done_zero(c, r, d);
    return true;
}

/* ---- comparison ----------------------------------------------------------------------------------------------------- */

bool rule_v_cmge_s(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    if (es < 3) {
        vec_op(c, rows[IR_OP_V_MAX_S].form[es], d, a, b);
        vec_op(c, vec_cmeq_forms[es], d, d, a);
    } else {
        vec_op(c, PCMPGTQ, d, b, a);
        invert(c, d, cg_temp_vector(c));
    }
    vec_done(c, r, d);
    return true;
}

bool rule_v_cmgt_u(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), t = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    vec_above(c, vec_es(r), d, a, b, t);
    vec_done_zero(c, r, d);
    return true;
}

bool rule_v_cmge_u(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), t;
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    if (es < 3) {
        vec_op(c, rows[IR_OP_V_MAX_U].form[es], d, a, b);
        vec_op(c, vec_cmeq_forms[es], d, d, a);
    } else {
        t = cg_temp_vector(c);
        vec_above(c, es, d, b, a, t);
        invert(c, d, t);
    }
    vec_done(c, r, d);
    return true;
}

/* ---- counting bits --------------------------------------------------------------------------------------------------- */

/* A table of 16 bytes. */
static pb_u128 table(uint64_t low, uint64_t high)
{
    return (pb_u128){ low, high };
}

/* d = table[x & 15] where x is shifted down by n (0 or 4) first. t is a register for the index. */
static void look_up(cg *c, cg_reg d, cg_reg x, uint32_t n, pb_u128 k, cg_reg t)
{
    if (n) {
        vec_shift(c, PSRLW_I, t, x, n);
        vec_op_const(c, PAND, t, t, vec_lanes(0, 15));
    } else {
        vec_op_const(c, PAND, t, x, vec_lanes(0, 15));
    }
    vec_const(c, d, k);
    vec_op(c, PSHUFB, d, d, t);
}

bool rule_v_popcnt(cg *c, const ir_op_record *r)
{
    const pb_u128 ones = table(0x0302020102010100, 0x0403030203020201);
    cg_reg a = cg_use(c, r->arg[0]), t = cg_temp_vector(c), high = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a));

    look_up(c, high, a, 4, ones, t);
    look_up(c, d, a, 0, ones, t);
    vec_op(c, PADDB, d, d, high);
    vec_done_zero(c, r, d);
    return true;
}

/* d, not a, = leading zeros of the lanes of a. Bytes by their halves; then each lane is its upper half's count, and the
 * lower one's too if that is all zeros. */
static void count_leading(cg *c, uint32_t es, cg_reg d, cg_reg a)
{
    static const uint32_t right[3] = { PSRLW_I, PSRLD_I, PSRLQ_I };
    cg_reg t = cg_temp_vector(c), u = cg_temp_vector(c);

    look_up(c, u, a, 4, table(0x0101010102020308, 0), t);
    look_up(c, d, a, 0, table(0x0505050506060708, 0x0404040404040404), t);
    vec_op(c, PMINUB, d, d, u);
    for (uint32_t k = 0; k < es; k++) {
        vec_zero(c, t);
        vec_op(c, vec_cmeq_forms[k], t, t, a);
        vec_shift(c, right[k], t, t, 8u << k);
        vec_op(c, PAND, t, t, d);
        vec_shift(c, right[k], d, d, 8u << k);
        vec_op(c, vec_add_forms[k + 1], d, d, t);
    }
}

bool rule_v_clz(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), d = cg_def(c, 0, CG_SET(a));

    count_leading(c, vec_es(r), d, a);
    vec_done(c, r, d);
    return true;
}

/* Those of the value with its sign cleared by inverting, less one. */
bool rule_v_cls(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    cg_reg a = cg_use(c, r->arg[0]), t = cg_temp_vector(c), d = cg_def(c, 0, CG_SET(a));

    vec_sign(c, es, t, a);
    vec_op(c, PXOR, t, t, a);
    count_leading(c, es, d, t);
    vec_ones(c, t);
    vec_op(c, vec_add_forms[es], d, d, t);
    vec_done(c, r, d);
    return true;
}

bool rule_v_bitrev(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), t, high, d;

    if (rule_has(c, CG_GFNI |
                        CG_AVX)) { /* the matrix with ones from the top right to the bottom left */
        d = cg_def(c, 0, 0);
        cg_pool_op(c, GF2P8AFFINEQB | ASM_VEX | ASM_W, d - XMM0, a - XMM0,
                   vec_lanes(3, 0x8040201008040201), 0);
    } else {
        t = cg_temp_vector(c);
        high = cg_temp_vector(c);
        d = cg_def(c, 0, CG_SET(a));
        look_up(c, high, a, 4, table(0x0e060a020c040800, 0x0f070b030d050901), t);
        look_up(c, d, a, 0, table(0xe060a020c0408000, 0xf070b030d0509010), t);
        vec_op(c, POR, d, d, high);
    }
    vec_done_zero(c, r, d);
    return true;
}

/* ---- saturation ------------------------------------------------------------------------------------------------------- */

/* Bytes and words: the saturating and the wrapping result differ where it saturated. */
static bool saturate_small(cg *c, const ir_op_record *r, uint32_t form, uint32_t wrapping)
{
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), t = CG_NO_REG, d;

    if (cg_result_uses(c, 1)) {
        t = cg_temp_vector(c);
        vec_op(c, wrapping, t, a, b);
    }
    d = vec_def(c, b);
    vec_op(c, form, d, a, b);
    if (t != CG_NO_REG) {
        vec_op(c, PXOR, t, t, d);
        vec_def_any(c, t, rule_bits(r));
    }
    vec_done_zero(c, r, d);
    return true;
}

/* Unsigned: a + min(b, ~a); max(a, b) - b. */
static bool saturate_unsigned(cg *c, const ir_op_record *r, uint32_t es)
{
    bool add = r->op == IR_OP_V_QADD_U;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), u = cg_temp_vector(c), s = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    if (add) {
        vec_ones(c, u);
        vec_op(c, PXOR, u, u, a);
        vec_minmax(c, IR_OP_V_MIN_U, es, t, b, u, s);
        vec_op(c, vec_add_forms[es], d, t, a);
    } else {
        vec_minmax(c, IR_OP_V_MAX_U, es, t, a, b, s);
        vec_op(c, vec_sub_forms[es], d, t, b);
    }
    vec_op(c, PXOR, t, t, add ? b : a);
    vec_def_any(c, t, rule_bits(r));
    vec_done_zero(c, r, d);
    return true;
}

/* Signed: it overflows if the result's sign is neither operand's (of a sum), or not a's if b's is another one (of a
 * difference). Then the result is the end of a's side. */
static bool saturate_signed(cg *c, const ir_op_record *r, uint32_t es)
{
    bool add = r->op == IR_OP_V_QADD_S;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), m = cg_temp_vector(c), end = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    vec_op(c, add ? vec_add_forms[es] : vec_sub_forms[es], t, a, b);
    vec_op(c, PXOR, m, a, t);
    vec_op(c, PXOR, end, add ? t : a, b);
    vec_op(c, PAND, end, end, m);
    vec_sign(c, es, m, end);
    vec_sign(c, es, end, a);
    vec_op_const(c, PXOR, end, end, vec_lanes(es, ir_sem_mask((8u << es) - 1)));
    vec_op(c, PAND, end, end, m);
    vec_op(c, PANDN, d, m, t);
    vec_op(c, POR, d, d, end);
    vec_def_any(c, m, rule_bits(r));
    vec_done_zero(c, r, d);
    return true;
}

bool rule_v_qaddsub(cg *c, const ir_op_record *r)
{
    static const uint32_t forms[4][2] = {
        { PADDUSB, PADDUSW }, { PADDSB, PADDSW }, { PSUBUSB, PSUBUSW }, { PSUBSB, PSUBSW }
    };
    uint32_t es = vec_es(r), which = r->op - IR_OP_V_QADD_U;

    cg_clobber_flags(c);
    if (es < 2)
        return saturate_small(c, r, forms[which][es],
                              which < 2 ? vec_add_forms[es] : vec_sub_forms[es]);
    return which & 1 ? saturate_signed(c, r, es) : saturate_unsigned(c, r, es);
}

/* Twice the product of words, its upper half: 15 bits down. */
static void double_high_words(cg *c, cg_reg d, cg_reg a, cg_reg b, cg_reg t, bool round)
{
    if (round) {
        vec_op(c, PMULHRSW, d, a, b);
        return;
    }
    vec_op(c, PMULLW, t, a, b);
    vec_op(c, PMULHW, d, a, b);
    vec_op(c, PADDW, d, d, d);
    vec_shift(c, PSRLW_I, t, t, 15);
    vec_op(c, POR, d, d, t);
}

/* The same of double words, even and odd ones apart. */
static void double_high_dwords(cg *c, cg_reg d, cg_reg a, cg_reg b, cg_reg t, bool round)
{
    cg_reg odd = cg_temp_vector(c);

    vec_op(c, PMULDQ, d, a, b);
    vec_shift(c, PSRLQ_I, t, a, 32);
    vec_shift(c, PSRLQ_I, odd, b, 32);
    vec_op(c, PMULDQ, odd, odd, t);
    vec_op(c, PADDQ, d, d, d);
    vec_op(c, PADDQ, odd, odd, odd);
    if (round) {
        vec_op_const(c, PADDQ, d, d, vec_lanes(3, UINT64_C(1) << 31));
        vec_op_const(c, PADDQ, odd, odd, vec_lanes(3, UINT64_C(1) << 31));
    }
    vec_shift(c, PSRLQ_I, d, d, 32);
    vec_op_imm(c, PBLENDW, d, d, odd, 0xcc);
}

/* Only the square of the smallest number saturates: it would be that number again. */
bool rule_v_qdmulh(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    cg_reg a, b, t, d;

    cg_clobber_flags(c);
    a = cg_use(c, r->arg[0]);
    b = cg_use(c, r->arg[1]);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    if (es == 1)
        double_high_words(c, d, a, b, t, vec_n(r));
    else
        double_high_dwords(c, d, a, b, t, vec_n(r));
    vec_op_const(c, vec_cmeq_forms[es], t, d, vec_lanes(es, ir_sem_sign(8u << es)));
    vec_op(c, PXOR, d, d, t);
    vec_def_any(c, t, rule_bits(r));
    vec_done_zero(c, r, d);
    return true;
}
