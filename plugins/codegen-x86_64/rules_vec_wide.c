/*
 * Vector operations whose results have lanes of twice or half the operands' size. The size of a record is the narrow
 * lanes'.
 */
#include "rules_vec.h"

static const uint32_t zero_extend[3] = { PMOVZXBW, PMOVZXWD, PMOVZXDQ };
static const uint32_t sign_extend[3] = { PMOVSXBW, PMOVSXWD, PMOVSXDQ };

/* ---- widening ------------------------------------------------------------------------------------------------------- */

bool rule_v_widen(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    cg_reg a = cg_use(c, r->arg[0]), d = cg_def(c, 0, 0);

    vec_unary(c, r->op == IR_OP_V_WIDEN_U ? zero_extend[es] : sign_extend[es], d, a);
    return true;
}

/* Products of words are in two halves, of which pairs are made; of double words, every second one is multiplied. */
bool rule_v_mull(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), u = r->op == IR_OP_V_MULL_U;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    if (es == 0) {
        vec_unary(c, u ? PMOVZXBW : PMOVSXBW, t, a);
        vec_unary(c, u ? PMOVZXBW : PMOVSXBW, d, b);
        vec_op(c, PMULLW, d, d, t);
    } else if (es == 1) {
        vec_op(c, u ? PMULHUW : PMULHW, t, a, b);
        vec_op(c, PMULLW, d, a, b);
        vec_op(c, PUNPCKLWD, d, d, t);
    } else {
        vec_unary_imm(c, PSHUFD, t, a, 0x50);
        vec_unary_imm(c, PSHUFD, d, b, 0x50);
        vec_op(c, u ? PMULUDQ : PMULDQ, d, d, t);
    }
    return true;
}

/* ---- narrowing ------------------------------------------------------------------------------------------------------ */

/* Bytes of the low halves of lanes of 2 << es bytes, then zeros. */
static pb_u128 low_halves(uint32_t es)
{
    pb_u128 k = { UINT64_MAX, UINT64_MAX };

    for (uint32_t i = 0; i < 8; i++)
        k = ir_sem_v_setlane(k, (i >> es << (es + 1)) + (i & ((1u << es) - 1)), 0, i);
    return k;
}

bool rule_v_narrow(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), d = cg_def(c, 0, 0);

    vec_op_const(c, PSHUFB, d, a, low_halves(vec_es(r)));
    return true;
}

/* By packing, and widening again to see what was lost. */
static void saturate_small(cg *c, const ir_op_record *r, cg_reg d, cg_reg a, cg_reg t)
{
    static const uint32_t limit[2] = { PMINUW, PMINUD };
    uint32_t es = vec_es(r), s = r->op == IR_OP_V_QNARROW_S;

    if (r->op == IR_OP_V_QNARROW_U) {
        vec_op_const(c, limit[es], t, a, vec_lanes(es + 1, ir_sem_mask(8u << es)));
        vec_op(c, es ? PACKUSDW : PACKUSWB, d, t, t);
    } else {
        static const uint32_t pack[2][2] = { { PACKUSWB, PACKUSDW }, { PACKSSWB, PACKSSDW } };

        vec_op(c, pack[s][es], d, a, a);
        vec_unary(c, s ? sign_extend[es] : zero_extend[es], t, d);
    }
    vec_op(c, PXOR, t, t, a);
    vec_def_any(c, t, 128);
}

/* Double words: what is lost are the upper halves, which have to be zero, or signs of the lower ones. */
static void saturate_dwords(cg *c, const ir_op_record *r, cg_reg d, cg_reg a, cg_reg t)
{
    cg_reg low = cg_temp_vector(c), m = cg_temp_vector(c);

    vec_unary_imm(c, PSHUFD, low, a, 0x08);
    vec_unary_imm(c, PSHUFD, t, a, 0x0d);
    if (r->op == IR_OP_V_QNARROW_S) {
        vec_shift(c, PSRAD_I, m, low, 31);
        vec_op(c, PCMPEQD, m, m, t);
        vec_shift(c, PSRAD_I, t, t, 31);
        vec_op_const(c, PXOR, t, t, vec_lanes(2, INT32_MAX));
        vec_op(c, PAND, low, low, m);
        vec_op(c, PANDN, d, m, t);
        vec_op(c, POR, d, d, low);
    } else {
        vec_zero(c, m);
        vec_op(c, PCMPEQD, m, m, t);
        vec_ones(c, d);
        vec_op(c, PXOR, d, d, m);
        vec_op(c, POR, d, d, low);
        if (r->op == IR_OP_V_QNARROW_SU) { /* negative ones are zero */
            vec_shift(c, PSRAD_I, t, t, 31);
            vec_op(c, PANDN, low, t, d);
            vec_move(c, d, low);
        }
    }
    vec_ones(c, t);
    vec_op(c, PXOR, t, t, m);
    vec_def_any(c, t, 64);
}

bool rule_v_qnarrow(cg *c, const ir_op_record *r)
{
    cg_reg a, t, d;

    cg_clobber_flags(c);
    a = cg_use(c, r->arg[0]);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a));
    if (vec_es(r) < 2)
        saturate_small(c, r, d, a, t);
    else
        saturate_dwords(c, r, d, a, t);
    vec_done(c, r, d);
    return true;
}
