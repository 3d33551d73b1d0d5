/*
 * Vector shifts: by a constant, with rounding, with saturation, and by another vector's lanes.
 *
 * SSE shifts no bytes, and no 64-bit lanes with the sign; AVX2 shifts lanes of 32 and 64 bits by lanes. Counts up to the
 * lane's width, and above it, need no care elsewhere: the host shifts everything out too.
 */
#include "rules_vec.h"

static const uint32_t left_forms[4] = { 0, PSLLW_I, PSLLD_I, PSLLQ_I };
static const uint32_t right_forms[4] = { 0, PSRLW_I, PSRLD_I, PSRLQ_I };

/* ---- by a constant ------------------------------------------------------------------------------------------------ */

/* Bytes as words, and what came from the neighbour is cut off. */
static void shift_bytes(cg *c, bool left, cg_reg d, cg_reg a, uint32_t n)
{
    if (n >= 8) {
        vec_zero(c, d);
    } else if (left && n == 1) {
        vec_op(c, PADDB, d, a, a);
    } else {
        vec_shift(c, left ? PSLLW_I : PSRLW_I, d, a, n);
        vec_op_const(c, PAND, d, d, vec_lanes(0, left ? 0xffu << n : 0xffu >> n));
    }
}

/* Bytes and 64 bits: without the sign, then the sign bit that has come down is extended. */
static void shift_with_sign(cg *c, uint32_t es, cg_reg d, cg_reg a, uint32_t n)
{
    pb_u128 sign = vec_lanes(es, ir_sem_sign(8u << es) >> n);

    vec_shift_lanes(c, IR_OP_V_SHR, es, d, a, n);
    vec_op_const(c, PXOR, d, d, sign);
    vec_op_const(c, vec_sub_forms[es], d, d, sign);
}

void vec_shift_lanes(cg *c, uint32_t op, uint32_t es, cg_reg d, cg_reg a, uint32_t n)
{
    uint32_t most = (8u << es) - 1;

    if (n == 0) {
        vec_move(c, d, a);
    } else if (op != IR_OP_V_SAR) {
        if (es == 0)
            shift_bytes(c, op == IR_OP_V_SHL, d, a, n);
        else
            vec_shift(c, op == IR_OP_V_SHL ? left_forms[es] : right_forms[es], d, a, n);
    } else if (es == 1 || es == 2) {
        vec_shift(c, es == 1 ? PSRAW_I : PSRAD_I, d, a, n);
    } else if (n >= most && d != a) {
        vec_sign(c, es, d, a);
    } else {
        shift_with_sign(c, es, d, a, n < most ? n : most);
    }
}

bool rule_v_shift(cg *c, const ir_op_record *r)
{
    uint32_t n = vec_n(r);
    cg_reg a, d;

    if (n == 0) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    d = cg_def(c, 0, r->op == IR_OP_V_SAR ? CG_SET(a) : 0);
    vec_shift_lanes(c, r->op, vec_es(r), d, a, n);
    vec_done_zero(c, r, d);
    return true;
}

/* The last bit that is shifted out is added. */
bool rule_v_rshr(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r);
    cg_reg a, t, d;

    if (n == 0) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a));
    if (es == 0)
        vec_shift(c, PSRLW_I, t, a, n - 1);
    else
        vec_shift_lanes(c, IR_OP_V_SHR, es, t, a, n - 1);
    vec_op_const(c, PAND, t, t, vec_lanes(es, 1));
    vec_shift_lanes(c, r->op == IR_OP_V_RSHR_U ? IR_OP_V_SHR : IR_OP_V_SAR, es, d, a, n);
    vec_op(c, vec_add_forms[es], d, d, t);
    vec_done_zero(c, r, d);
    return true;
}

/* ---- by lanes ------------------------------------------------------------------------------------------------------- */

/* The counts, which are the lanes' lowest bytes: n for the left, m for the right; the shifts that they do not mean are by
 * more than a lane's width. */
static void make_counts(cg *c, uint32_t es, cg_reg n, cg_reg m, cg_reg b)
{
    vec_op_const(c, PAND, n, b, vec_lanes(es, 0xff));
    vec_zero(c, m);
    vec_op(c, vec_sub_forms[es], m, m, b);
    vec_op_const(c, PAND, m, m, vec_lanes(es, 0xff));
}

static uint32_t wide(uint32_t form, uint32_t es)
{
    return es == 3 ? form | ASM_W : form;
}

/* t = a shifted right with sign by m, AVX2. s is the sign, for lanes of 8 bytes. */
static void shift_right_signed(cg *c, uint32_t es, cg_reg t, cg_reg a, cg_reg m, cg_reg s)
{
    if (es == 2) {
        vec_op(c, VPSRAVD, t, a, m);
    } else {
        vec_op(c, PXOR, t, a, s);
        vec_op(c, VPSRLVD | ASM_W, t, t, m);
        vec_op(c, PXOR, t, t, s);
    }
}

/* Unsigned: whichever of the two shifts is not meant gives zero, or both give a. The rounding bit is that of one place less;
 * a count of -1 is above all widths. */
static void shift_unsigned(cg *c, const ir_op_record *r, cg_reg d, cg_reg a, cg_reg n, cg_reg m)
{
    uint32_t es = vec_es(r);
    bool round = r->op == IR_OP_V_RSHLV_U;

    vec_op(c, wide(VPSLLVD, es), d, a, n);
    vec_op(c, wide(VPSRLVD, es), n, a, m);
    vec_op(c, POR, d, d, n);
    if (!round)
        return;
    vec_ones(c, n);
    vec_op(c, vec_add_forms[es], m, m, n);
    vec_op(c, wide(VPSRLVD, es), m, a, m);
    vec_op_const(c, PAND, m, m, vec_lanes(es, 1));
    vec_op(c, vec_add_forms[es], d, d, m);
}

/* Signed: a shift to the right that is not meant gives the sign, so it is chosen by the count's sign. */
static void shift_signed(cg *c, const ir_op_record *r, cg_reg d, cg_reg a, cg_reg b, cg_reg n,
                         cg_reg m)
{
    uint32_t es = vec_es(r);
    bool round = r->op == IR_OP_V_RSHLV_S;
    cg_reg t = cg_temp_vector(c), s = es == 3 || round ? cg_temp_vector(c) : CG_NO_REG;

    if (es == 3)
        vec_sign(c, 3, s, a);
    shift_right_signed(c, es, t, a, m, s);
    vec_op(c, wide(VPSLLVD, es), d, a, n);
    if (round) {
        vec_ones(c, n);
        vec_op(c, vec_add_forms[es], m, m, n);
        shift_right_signed(c, es, n, a, m, s);
        vec_op_const(c, PAND, n, n, vec_lanes(es, 1));
        vec_op(c, vec_add_forms[es], t, t, n);
    }
    vec_shift(c, es == 2 ? PSLLD_I : PSLLQ_I, n, b, es == 2 ? 24 : 56);
    vec_zero(c, m);
    vec_op(c, vec_cmgt_forms[es], m, m, n);
    asm_vrr(&c->a, VPBLENDVB | ASM_VEX, d - XMM0, d - XMM0, t - XMM0);
    asm_8(&c->a, (uint32_t)(m - XMM0) << 4);
}

static void shift_by_lanes(cg *c, const ir_op_record *r)
{
    bool sign = r->op == IR_OP_V_SHLV_S || r->op == IR_OP_V_RSHLV_S;
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg n = cg_temp_vector(c), m = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    make_counts(c, vec_es(r), n, m, b);
    if (sign)
        shift_signed(c, r, d, a, b, n, m);
    else
        shift_unsigned(c, r, d, a, n, m);
    vec_done_zero(c, r, d);
}

bool rule_v_shlv(cg *c, const ir_op_record *r)
{
    if (vec_es(r) < 2 || !rule_has(c, CG_AVX2))
        return false;
    shift_by_lanes(c, r);
    return true;
}

/* ---- by lanes of constants -------------------------------------------------------------------------------------------- */

/* Whether an operand is a constant with one value in all lanes of this type, the signed low byte of which is *count. */
static bool constant_count(const cg *c, const ir_op_record *r, int32_t *count)
{
    uint32_t es = vec_es(r);
    pb_u128 k, same;

    if (!(r->arg[1] & IR_CONST_BIT))
        return false;
    k = c->u->consts[r->arg[1] & ~IR_CONST_BIT].value;
    same = ir_sem_v_dup(k.lo, es, rule_bits(r));
    *count = (int8_t)k.lo;
    return same.lo == k.lo && same.hi == k.hi;
}

/* SQSHL, UQSHL by an immediate: shifted there and back; where that is not a, it saturates. */
static void saturating_left(cg *c, const ir_op_record *r, uint32_t n)
{
    bool u = r->op == IR_OP_V_QSHLV_U || r->op == IR_OP_V_QRSHLV_U;
    uint32_t es = vec_es(r);
    cg_reg a = cg_use(c, r->arg[0]), t = cg_temp_vector(c), m = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a));

    vec_shift_lanes(c, IR_OP_V_SHL, es, d, a, n);
    vec_shift_lanes(c, u ? IR_OP_V_SHR : IR_OP_V_SAR, es, t, d, n);
    vec_op(c, vec_cmeq_forms[es], t, t, a);
    if (u) { /* the others are all ones */
        vec_ones(c, m);
        vec_op(c, PXOR, m, m, t);
        vec_op(c, POR, d, d, m);
    } else { /* the end of a's side */
        cg_reg end = cg_temp_vector(c);

        vec_ones(c, m);
        vec_op(c, PXOR, m, m, t);
        vec_op(c, PAND, d, d, t);
        vec_sign(c, es, end, a);
        vec_op_const(c, PXOR, end, end, vec_lanes(es, ir_sem_mask((8u << es) - 1)));
        vec_op(c, PAND, end, end, m);
        vec_op(c, POR, d, d, end);
    }
    vec_def_any(c, m, rule_bits(r));
    vec_done_zero(c, r, d);
}

bool rule_v_qshlv(cg *c, const ir_op_record *r)
{
    int32_t n;

    if (!constant_count(c, r, &n) || n < 0 || n >= 8 << vec_es(r))
        return false;
    cg_clobber_flags(c);
    saturating_left(c, r, (uint32_t)n);
    return true;
}
