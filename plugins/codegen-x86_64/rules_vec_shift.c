/*
 * Vector shifts: by a constant, with rounding, with saturation, and by another vector's lanes.
 *
 * SSE shifts no bytes, and no 64-bit lanes with the sign; AVX2 shifts lanes of 32 and 64 bits by lanes, those of 16 as parts
 * of these, and bytes are multiplied. Counts up to the lane's width, and above it, need no care elsewhere: the host shifts
 * everything out too.
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

/* ---- by lanes of 32 and 64 bits ----------------------------------------------------------------------------------- */

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

/* t = a shifted right with sign by m. s is a's sign, for lanes of 8 bytes. */
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

/* m = ones in the lanes whose count is negative; t is changed. */
static void negative_counts(cg *c, uint32_t es, cg_reg m, cg_reg b, cg_reg t)
{
    vec_shift(c, es == 2 ? PSLLD_I : PSLLQ_I, t, b, es == 2 ? 24 : 56);
    vec_zero(c, m);
    vec_op(c, vec_cmgt_forms[es], m, m, t);
}

/* Unsigned: whichever of the two shifts is not meant gives zero, or both give a. The rounding bit is that of one place less;
 * a count of -1 is above all widths. */
static void shift_unsigned(cg *c, uint32_t es, bool round, cg_reg d, cg_reg a, cg_reg n, cg_reg m)
{
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

/* Signed: a shift to the right that is not meant gives the sign, so it is chosen by the count's sign. t, s: scratch, s for
 * lanes of 8 bytes. */
static void shift_signed(cg *c, uint32_t es, bool round, cg_reg d, cg_reg a, cg_reg b, cg_reg n,
                         cg_reg m, cg_reg t, cg_reg s)
{
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
    negative_counts(c, es, m, b, n);
    asm_vrr(&c->a, VPBLENDVB | ASM_VEX, d - XMM0, d - XMM0, t - XMM0);
    asm_8(&c->a, (uint32_t)(m - XMM0) << 4);
}

/* How an operation shifts. */
typedef struct shift_kind {
    bool is_signed, rounds, saturates;
} shift_kind;

static shift_kind kind_of(const ir_op_record *r)
{
    uint32_t op = r->op;

    return (shift_kind){
        .is_signed = op == IR_OP_V_SHLV_S || op == IR_OP_V_RSHLV_S || op == IR_OP_V_QSHLV_S ||
                     op == IR_OP_V_QRSHLV_S,
        .rounds = op == IR_OP_V_RSHLV_U || op == IR_OP_V_RSHLV_S || op == IR_OP_V_QRSHLV_U ||
                  op == IR_OP_V_QRSHLV_S,
        .saturates = op == IR_OP_V_QSHLV_U || op == IR_OP_V_QSHLV_S || op == IR_OP_V_QRSHLV_U ||
                     op == IR_OP_V_QRSHLV_S,
    };
}

/* d = shifted lanes, saturated where a count is not negative and shifting back does not give a. The others are scratch. */
static void saturate(cg *c, const ir_op_record *r, bool is_signed, cg_reg d, cg_reg a, cg_reg b,
                     cg_reg n, cg_reg m, cg_reg t, cg_reg s)
{
    uint32_t es = vec_es(r);

    vec_op_const(c, PAND, n, b, vec_lanes(es, 0xff));
    vec_op(c, wide(VPSLLVD, es), m, a, n);
    if (!is_signed) {
        vec_op(c, wide(VPSRLVD, es), m, m, n);
    } else {
        if (es == 3)
            vec_sign(c, 3, s, m);
        shift_right_signed(c, es, m, m, n, s);
    }
    vec_op(c, vec_cmeq_forms[es], m, m, a);
    negative_counts(c, es, t, b, n);
    vec_op(c, POR, m, m, t);
    vec_ones(c, n);
    vec_op(c, PXOR, n, n, m); /* that saturate */
    if (!is_signed) {
        vec_op(c, POR, d, d, n);
    } else {
        vec_sign(c, es, t, a);
        vec_op_const(c, PXOR, t, t, vec_lanes(es, ir_sem_mask((8u << es) - 1)));
        vec_op(c, PAND, d, d, m);
        vec_op(c, PAND, t, t, n);
        vec_op(c, POR, d, d, t);
    }
    vec_def_any(c, n, rule_bits(r));
}

static void shift_by_lanes(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    shift_kind kind = kind_of(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg n = cg_temp_vector(c), m = cg_temp_vector(c), t = CG_NO_REG, s = CG_NO_REG, d;

    if (kind.is_signed || kind.saturates)
        t = cg_temp_vector(c);
    if (kind.is_signed && es == 3)
        s = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    make_counts(c, es, n, m, b);
    if (kind.is_signed)
        shift_signed(c, es, kind.rounds, d, a, b, n, m, t, s);
    else
        shift_unsigned(c, es, kind.rounds, d, a, n, m);
    if (kind.saturates)
        saturate(c, r, kind.is_signed, d, a, b, n, m, t, s);
    vec_done_zero(c, r, d);
}

/* ---- by lanes of 16 bits -------------------------------------------------------------------------------------------- */

/* v = a's lower (upper) four lanes shifted, as numbers of 32 bits; n, x: scratch. To the right a lane is in the upper half of
 * its 32 bits, so what is shifted out is there for rounding: half of a unit is added, which never carries too far. Not meant
 * to the left gives zero, for the count is above the width; not meant to the right is cut off by the count's sign. */
static void shift_half(cg *c, shift_kind kind, bool upper, cg_reg v, cg_reg a, cg_reg b, cg_reg n,
                       cg_reg x)
{
    uint32_t unpack = upper ? PUNPCKHWD : PUNPCKLWD;

    vec_op(c, unpack, n, b, b);
    vec_shift(c, PSLLD_I, n, n, 24);
    vec_shift(c, PSRAD_I, n, n, 24);
    vec_zero(c, v);
    vec_op(c, PSUBD, v, v, n);
    vec_op(c, unpack, x, a, a);
    vec_shift(c, PSRLD_I, x, x, 16);
    vec_shift(c, PSLLD_I, x, x, 16);
    vec_op(c, kind.is_signed ? VPSRAVD : VPSRLVD, v, x, v);
    if (kind.rounds)
        vec_op_const(c, PADDD, v, v, vec_lanes(2, 0x8000));
    vec_shift(c, kind.is_signed ? PSRAD_I : PSRLD_I, v, v, 16);
    vec_shift(c, kind.is_signed ? PSRAD_I : PSRLD_I, x, x, 16);
    if (kind.saturates) /* 16 places are enough for that */
        vec_op_const(c, PMINSD, n, n, vec_lanes(2, 16));
    vec_op(c, VPSLLVD, x, x, n);
    vec_shift(c, PSRAD_I, n, n, 31);
    vec_op(c, PAND, v, v, n);
    vec_op(c, POR, v, v, x);
}

/* Numbers of 32 bits in d (the lower four lanes) and v to lanes; t: scratch. Then v has bits where something was cut
 * off. */
static void pack_words(cg *c, const ir_op_record *r, shift_kind kind, cg_reg d, cg_reg v, cg_reg t,
                       cg_reg x)
{
    if (!kind.saturates) {
        vec_op_const(c, PAND, d, d, vec_lanes(2, 0xffff));
        vec_op_const(c, PAND, v, v, vec_lanes(2, 0xffff));
        vec_op(c, PACKUSDW, d, d, v);
        return;
    }
    if (kind.is_signed) {
        vec_op(c, PACKSSDW, t, d, v);
        vec_unary(c, PMOVSXWD, x, t);
        vec_op(c, PXOR, x, x, d);
        vec_move(c, d, t);
        vec_op(c, PUNPCKHWD, t, t, t);
        vec_shift(c, PSRAD_I, t, t, 16);
        vec_op(c, PXOR, v, v, t);
        vec_op(c, POR, v, v, x);
    } else { /* as signed numbers they may be negative */
        vec_op_const(c, PMINUD, x, d, vec_lanes(2, 0xffff));
        vec_op_const(c, PMINUD, t, v, vec_lanes(2, 0xffff));
        vec_op(c, PXOR, v, v, t);
        vec_op(c, PXOR, d, d, x);
        vec_op(c, POR, v, v, d);
        vec_op(c, PACKUSDW, d, x, t);
    }
    vec_def_any(c, v, 128);
}

static void shift_words(cg *c, const ir_op_record *r)
{
    shift_kind kind = kind_of(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg n = cg_temp_vector(c), x = cg_temp_vector(c), v = cg_temp_vector(c);
    cg_reg d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    shift_half(c, kind, false, d, a, b, n, x);
    if (rule_bits(r) == 128)
        shift_half(c, kind, true, v, a, b, n, x);
    else
        vec_zero(c, v);
    pack_words(c, r, kind, d, v, n, x);
}

/* ---- by lanes of 8 bits --------------------------------------------------------------------------------------------- */

/*
 * Products of 16 bits, with powers of two from a table by the count:
 *   - To the right by up to 8 places: x << (8 - m) has the result in its upper byte, and what is shifted out in the lower
 *     one, for rounding.
 *   - To the left, cut: x << (8 + n) has it there too. So it is one product with 1 << (8 + n), n from -8 to 7; for others
 *     that is zero, which is right but for signs that come down, where n is -8 at least.
 *   - To the left, saturated: x << n fits for n up to 8, and more places saturate no more. A product of its own, of
 *     which the other one is zero.
 */

/* f = the table's byte for each lane of `index`, zero where bit 7 is set. */
static void look_up(cg *c, cg_reg f, cg_reg index, uint64_t low, uint64_t high)
{
    vec_const(c, f, (pb_u128){ low, high });
    vec_op(c, PSHUFB, f, f, index);
}

static const uint64_t powers = UINT64_C(0x8040201008040201);

/* v = the upper bytes of x times the factors, in words. */
static void scale_bytes(cg *c, shift_kind kind, cg_reg v, cg_reg x, cg_reg f)
{
    vec_op(c, PMULLW, v, x, f);
    if (kind.rounds)
        vec_op_const(c, PADDW, v, v, vec_lanes(1, 0x80));
    vec_shift(c, kind.is_signed ? PSRAW_I : PSRLW_I, v, v, 8);
}

/* x = a's lower (upper) eight lanes as words. */
static void widen_bytes(cg *c, bool is_signed, bool upper, cg_reg x, cg_reg a)
{
    if (!upper) {
        vec_unary(c, is_signed ? PMOVSXBW : PMOVZXBW, x, a);
        return;
    }
    vec_move(c, x, a);
    vec_op(c, PUNPCKHBW, x, x, x);
    vec_shift(c, is_signed ? PSRAW_I : PSRLW_I, x, x, 8);
}

/* f = words of low and high bytes. */
static void join_bytes(cg *c, bool upper, cg_reg f, cg_reg low, cg_reg high)
{
    vec_move(c, f, low);
    vec_op(c, upper ? PUNPCKHBW : PUNPCKLBW, f, f, high);
}

static void shift_bytes_cut(cg *c, const ir_op_record *r)
{
    shift_kind kind = kind_of(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    cg_reg i = cg_temp_vector(c), low = cg_temp_vector(c), f = cg_temp_vector(c);
    cg_reg x = cg_temp_vector(c), d = cg_def(c, 0, CG_SET(a) | CG_SET(b));

    if (kind.is_signed && !kind.rounds)
        vec_op_const(c, PMAXSB, i, b, vec_lanes(0, 0xf8));
    else
        vec_move(c, i, b);
    /* The counts from -8 to 7 become 0x70 to 0x7f, all others are 0x80 at least. */
    vec_op_const(c, PADDB, i, i, vec_lanes(0, 8));
    vec_op_const(c, PADDUSB, i, i, vec_lanes(0, 0x70));
    look_up(c, low, i, powers, 0);
    look_up(c, f, i, 0, powers);
    vec_move(c, i, f);
    widen_bytes(c, kind.is_signed, false, x, a);
    join_bytes(c, false, f, low, i);
    kind.is_signed = false; /* the upper bytes */
    scale_bytes(c, kind, d, x, f);
    if (rule_bits(r) == 128) {
        widen_bytes(c, kind_of(r).is_signed, true, x, a);
        join_bytes(c, true, f, low, i);
        scale_bytes(c, kind, x, x, f);
    } else {
        vec_zero(c, x);
    }
    vec_op(c, PACKUSWB, d, d, x);
}

/* Bytes by which lanes are multiplied. */
typedef struct byte_factors {
    cg_reg right;     /* 1 << (8 + n), of n from -8 to -1 */
    cg_reg low, high; /* 1 << n, of n from 0 to 8 */
} byte_factors;

/* v = a's lower (upper) eight lanes shifted, as words; x, f: scratch. */
static void shift_byte_half(cg *c, shift_kind kind, bool upper, const byte_factors *by, cg_reg v,
                            cg_reg a, cg_reg x, cg_reg f)
{
    widen_bytes(c, kind.is_signed, upper, x, a);
    widen_bytes(c, false, upper, f, by->right);
    scale_bytes(c, kind, v, x, f);
    join_bytes(c, upper, f, by->low, by->high);
    vec_op(c, PMULLW, x, x, f);
    vec_op(c, POR, v, v, x);
}

/* Words in d (the lower eight lanes) and v to bytes; t, x: scratch. The second result. */
static void pack_bytes(cg *c, bool is_signed, cg_reg d, cg_reg v, cg_reg t, cg_reg x)
{
    if (is_signed) {
        vec_move(c, t, d);
        vec_op(c, PACKSSWB, t, t, v);
        vec_unary(c, PMOVSXBW, x, t);
        vec_op(c, PXOR, x, x, d);
        vec_move(c, d, t);
        vec_op(c, PUNPCKHBW, t, t, t);
        vec_shift(c, PSRAW_I, t, t, 8);
        vec_op(c, PXOR, v, v, t);
        vec_op(c, POR, v, v, x);
    } else {
        vec_op_const(c, PMINUW, x, d, vec_lanes(1, 0xff));
        vec_op_const(c, PMINUW, t, v, vec_lanes(1, 0xff));
        vec_op(c, PXOR, v, v, t);
        vec_op(c, PXOR, d, d, x);
        vec_op(c, POR, v, v, d);
        vec_move(c, d, x);
        vec_op(c, PACKUSWB, d, d, t);
    }
    vec_def_any(c, v, 128);
}

static void shift_bytes_saturated(cg *c, const ir_op_record *r)
{
    shift_kind kind = kind_of(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);
    byte_factors by = { cg_temp_vector(c), cg_temp_vector(c), cg_temp_vector(c) };
    cg_reg x = cg_temp_vector(c), f, v, d;

    if (kind.is_signed && !kind.rounds)
        vec_op_const(c, PMAXSB, x, b, vec_lanes(0, 0xf8));
    else
        vec_move(c, x, b);
    vec_op_const(c, PADDB, x, x, vec_lanes(0, 8));
    vec_op_const(c, PADDUSB, x, x, vec_lanes(0, 0x70));
    look_up(c, by.right, x, powers, 0);
    vec_op_const(c, PMINSB, x, b, vec_lanes(0, 8));
    look_up(c, by.low, x, powers, 0);
    look_up(c, by.high, x, 0, 1);
    if (b != a) /* there are no more than the registers that are left */
        cg_release(c, b);
    f = cg_temp_vector(c);
    v = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a));
    shift_byte_half(c, kind, false, &by, d, a, x, f);
    if (rule_bits(r) == 128)
        shift_byte_half(c, kind, true, &by, v, a, x, f);
    else
        vec_zero(c, v);
    pack_bytes(c, kind.is_signed, d, v, f, x);
}

/* ---- by lanes ------------------------------------------------------------------------------------------------------- */

bool rule_v_shlv(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);

    if (es > 0 && !rule_has(c, CG_AVX2))
        return false;
    if (es == 0)
        shift_bytes_cut(c, r);
    else if (es == 1)
        shift_words(c, r);
    else
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
    uint32_t es = vec_es(r);
    int32_t n;
    bool left = constant_count(c, r, &n) && n >= 0 && n < 8 << es;

    if (!left && es > 0 && !rule_has(c, CG_AVX2))
        return false;
    cg_clobber_flags(c);
    if (left)
        saturating_left(c, r, (uint32_t)n);
    else if (es == 0)
        shift_bytes_saturated(c, r);
    else if (es == 1)
        shift_words(c, r);
    else
        shift_by_lanes(c, r);
    return true;
}
