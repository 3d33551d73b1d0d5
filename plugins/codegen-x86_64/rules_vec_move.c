/*
 * Vector operations that move lanes: between vectors and scalars, permutations, tables.
 */
#include "rules_vec.h"

static const uint32_t insert_forms[4] = { PINSRB, PINSRW, PINSRD, PINSRD | ASM_W };
static const uint32_t extract_forms[4] = { PEXTRB, PEXTRW, PEXTRD, PEXTRD | ASM_W };
static const uint32_t low_forms[4] = { PUNPCKLBW, PUNPCKLWD, PUNPCKLDQ, PUNPCKLQDQ };
static const uint32_t high_forms[4] = { PUNPCKHBW, PUNPCKHWD, PUNPCKHDQ, PUNPCKHQDQ };

static bool is_float(uint32_t type)
{
    return type == IR_F16 || type == IR_F32 || type == IR_F64;
}

/* ---- making ------------------------------------------------------------------------------------------------------- */

bool rule_v_zero(cg *c, const ir_op_record *r)
{
    vec_zero(c, cg_def(c, 0, 0));
    return true;
}

/* d = bytes at..at+n-1 of a, zeros above. */
static void cut_bytes(cg *c, cg_reg d, cg_reg a, uint32_t at, uint32_t n)
{
    if (at == 0 && n == 8) {
        vec_unary(c, SSE_MOVQ_LOAD, d, a);
    } else if (n == 4 && at % 4 == 0) { /* insertps: one lane, zeros for the others */
        vec_op_imm(c, INSERTPS, d, a, a, at / 4 << 6 | 0x0e);
    } else {
        vec_shift(c, PSLLDQ_I, d, a, 16 - at - n);
        vec_shift(c, PSRLDQ_I, d, d, 16 - n);
    }
}

void rule_low_lane(cg *c, uint32_t bits, cg_reg to, cg_reg from)
{
    cut_bytes(c, to, from, 0, bits / 8);
}

/* The record of a lane that was left for this one, so that it stays in vector registers (find_lanes() in analyse.c); or
 * null. */
static const ir_op_record *late_lane(const cg *c, uint32_t id)
{
    uint32_t late = cg_late(c, id);

    return late != CG_NONE && c->u->ops[late].op == IR_OP_V_LANE ? &c->u->ops[late] : NULL;
}

/* The record that was left for this one is done. */
static void end_late(cg *c, uint32_t id)
{
    uint32_t now = c->record;

    c->record = id >> 1;
    c->values[id].flags &= (uint8_t)~CG_IS_LATE;
    cg_end_record(c);
    c->record = now;
}

static void move_general(cg *c, cg_reg d, cg_reg x, uint32_t bits)
{
    asm_sse2(&c->a, vec_avx(c), SSE_MOVD_LOAD | (bits == 64 ? ASM_W : 0), d - XMM0, x);
}

bool rule_v_from(cg *c, const ir_op_record *r)
{
    uint32_t type = cg_type(c, r->arg[0]), bits = ir_type_bits[type];
    const ir_op_record *lane = late_lane(c, r->arg[0]);
    cg_reg x, d;

    if (lane) {
        x = cg_use(c, lane->arg[0]);
        d = cg_def(c, 0, CG_SET(x));
        cut_bytes(c, d, x, vec_n(lane) << vec_es(lane), 1u << vec_es(lane));
        end_late(c, r->arg[0]);
    } else if (is_float(type)) {
        if (cg_is_clean(c, r->arg[0])) {
            cg_def_alias(c, 0, r->arg[0]);
            return true;
        }
        x = cg_use(c, r->arg[0]);
        d = cg_def(c, 0, 0);
        cut_bytes(c, d, x, 0, bits / 8);
    } else {
        x = cg_use_clean(c, r->arg[0]);
        move_general(c, cg_def(c, 0, 0), x, bits);
    }
    return true;
}

/* Every lane of d is the lowest of x. */
static void broadcast(cg *c, uint32_t es, cg_reg d, cg_reg x, uint32_t bits)
{
    static const uint32_t forms[4] = { VPBROADCASTB, VPBROADCASTW, VPBROADCASTD, VPBROADCASTQ };

    if (rule_has(c, CG_AVX2)) {
        vec_unary(c, forms[es], d, x);
    } else if (es == 0) {
        vec_op_const(c, PSHUFB, d, x, (pb_u128){ 0, 0 });
    } else if (es == 1) {
        vec_unary_imm(c, PSHUFLW, d, x, 0);
        if (bits == 128)
            vec_op(c, PUNPCKLQDQ, d, d, d);
    } else {
        vec_unary_imm(c, PSHUFD, d, x, es == 2 ? 0 : 0x44);
    }
}

/* The same of lane n of x. */
static void broadcast_lane(cg *c, uint32_t es, uint32_t n, cg_reg d, cg_reg x, uint32_t bits)
{
    if (n == 0) {
        broadcast(c, es, d, x, bits);
    } else if (es >= 2) {
        vec_unary_imm(c, PSHUFD, d, x, es == 2 ? 0x55 * n : 0xee);
    } else {
        pb_u128 index = es ? vec_lanes(1, 0x0100 + 0x0202 * n) : vec_lanes(0, n);

        vec_op_const(c, PSHUFB, d, x, index);
    }
}

bool rule_v_dup(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), type = cg_type(c, r->arg[0]);
    const ir_op_record *lane = late_lane(c, r->arg[0]);
    cg_reg x, t, d;

    if (lane) {
        x = cg_use(c, lane->arg[0]);
        d = cg_def(c, 0, 0);
        broadcast_lane(c, es, vec_n(lane), d, x, rule_bits(r));
        end_late(c, r->arg[0]);
    } else {
        if (ir_type_bits[type] < 8u << es)
            x = cg_use_clean(c, r->arg[0]);
        else
            x = cg_use(c, r->arg[0]);
        t = x;
        if (!is_float(type)) {
            t = cg_temp_vector(c);
            move_general(c, t, x, es == 3 ? 64 : 32);
        }
        d = cg_def(c, 0, 0);
        broadcast(c, es, d, t, rule_bits(r));
    }
    vec_done(c, r, d);
    return true;
}

bool rule_v_wide(cg *c, const ir_op_record *r)
{
    cg_reg a;

    if (cg_is_clean(c, r->arg[0])) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    vec_unary(c, SSE_MOVQ_LOAD, cg_def(c, 0, 0), a);
    return true;
}

bool rule_v_half(cg *c, const ir_op_record *r)
{
    cg_reg a;

    if ((r->attr & 0xff) == 0) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    vec_shift(c, PSRLDQ_I, cg_def(c, 0, 0), a, 8);
    return true;
}

bool rule_v_join(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]);

    vec_op(c, PUNPCKLQDQ, vec_def(c, b), a, b);
    return true;
}

/* ---- lanes ---------------------------------------------------------------------------------------------------------- */

/* to = lane n of a as a general register, zero-extended. */
static void extract(cg *c, uint32_t es, uint32_t n, cg_reg to, cg_reg a)
{
    if (n == 0 && es >= 2) {
        asm_sse2(&c->a, vec_avx(c), SSE_MOVD_STORE | (es == 3 ? ASM_W : 0), a - XMM0, to);
    } else {
        asm_sse2(&c->a, vec_avx(c), extract_forms[es], a - XMM0, to);
        asm_8(&c->a, n);
    }
}

bool rule_v_lane(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r), bytes = rule_bits(r) / 8;
    cg_reg a, to;

    if (n == 0 && bytes == 1u << es && (r->type == IR_F32 || r->type == IR_F64)) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    if (is_float(r->type)) {
        to = cg_def(c, 0, 0);
        cut_bytes(c, to, a, n << es, bytes < 1u << es ? bytes : 1u << es);
    } else {
        to = cg_def(c, 0, 0);
        extract(c, es, n, to, a);
        if (bytes < 1u << es)
            rule_cut(c, rule_bits(r), to);
        if (bytes == 4 && es == 3)
            asm_mov(&c->a, W32, to, to);
    }
    return true;
}

bool rule_v_slane(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), bits = rule_bits(r);
    cg_reg a = cg_use(c, r->arg[0]), to = cg_def(c, 0, 0);

    extract(c, es, vec_n(r), to, a);
    if (8u << es < bits)
        asm_movsx(&c->a, es, bits == 64, to, to);
    else if (bits == 32)
        asm_mov(&c->a, W32, to, to);
    rule_cut(c, bits, to);
    return true;
}

/* d = a with lane n from lane m of x: INS (element). */
static void insert_lane(cg *c, const ir_op_record *r, const ir_op_record *lane)
{
    uint32_t es = vec_es(r), n = vec_n(r), m = vec_n(lane);
    cg_reg a = cg_use(c, r->arg[0]), x = cg_use(c, lane->arg[0]), t = x, d;

    if (es == 2) {
        d = vec_def(c, x);
        vec_op_imm(c, INSERTPS, d, a, x, m << 6 | n << 4);
    } else if (es == 3) {
        if (m) {
            t = cg_temp_vector(c);
            vec_unary_imm(c, PSHUFD, t, x, 0xee);
        }
        d = vec_def(c, t);
        vec_op(c, n ? PUNPCKLQDQ : MOVSD, d, a, t);
    } else if (es == 1) { /* bring it to its place, and take that word */
        t = cg_temp_vector(c);
        broadcast_lane(c, 1, m, t, x, 128);
        d = vec_def(c, t);
        vec_op_imm(c, PBLENDW, d, a, t, 1u << n);
    } else {
        cg_reg general = cg_temp(c);

        extract(c, 0, m, general, x);
        d = cg_def(c, 0, 0);
        if (!vec_avx(c))
            vec_move(c, d, a);
        asm_vrr(&c->a, PINSRB | (vec_avx(c) ? ASM_VEX : 0), d - XMM0, a - XMM0, general);
        asm_8(&c->a, n);
    }
    vec_done_zero(c, r, d);
}

/* From a float in a vector register. */
static void insert_float(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r);
    cg_reg a = cg_use(c, r->arg[0]), x = cg_use_clean(c, r->arg[1]), d;

    if (es == 2) {
        d = vec_def(c, x);
        vec_op_imm(c, INSERTPS, d, a, x, n << 4);
    } else if (es == 3) {
        d = vec_def(c, x);
        vec_op(c, n ? PUNPCKLQDQ : MOVSD, d, a, x);
    } else {
        cg_reg general = cg_temp(c);

        extract(c, 2, 0, general, x);
        d = cg_def(c, 0, 0);
        if (!vec_avx(c))
            vec_move(c, d, a);
        asm_vrr(&c->a, insert_forms[es] | (vec_avx(c) ? ASM_VEX : 0), d - XMM0, a - XMM0, general);
        asm_8(&c->a, n);
    }
    vec_done(c, r, d);
}

bool rule_v_setlane(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r), type = cg_type(c, r->arg[1]);
    const ir_op_record *lane = late_lane(c, r->arg[1]);
    cg_reg a, x, d;

    if (lane) {
        insert_lane(c, r, lane);
        end_late(c, r->arg[1]);
        return true;
    }
    if (is_float(type)) {
        insert_float(c, r);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    x = ir_type_bits[type] < 8u << es ? cg_use_clean(c, r->arg[1]) : cg_use(c, r->arg[1]);
    d = cg_def(c, 0, 0);
    if (!vec_avx(c))
        vec_move(c, d, a);
    asm_vrr(&c->a, insert_forms[es] | (vec_avx(c) ? ASM_VEX : 0), d - XMM0, a - XMM0, x);
    asm_8(&c->a, n);
    if (!cg_is_clean(c, r->arg[0]))
        vec_done(c, r, d);
    return true;
}

/* ---- permutations ------------------------------------------------------------------------------------------------------ */

/* Both 64-bit operands in one register, a low. */
static cg_reg both(cg *c, const ir_op_record *r)
{
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), t = cg_temp_vector(c);

    vec_op(c, PUNPCKLQDQ, t, a, b);
    return t;
}

bool rule_v_zip(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), d = vec_def(c, b);

    if (rule_bits(r) == 128) {
        vec_op(c, n ? high_forms[es] : low_forms[es], d, a, b);
    } else {
        vec_op(c, low_forms[es], d, a, b);
        if (n)
            vec_shift(c, PSRLDQ_I, d, d, 8);
        else
            vec_done(c, r, d);
    }
    return true;
}

/* The bytes of a vector's even lanes (n = 0) or odd ones, then zeros. */
static pb_u128 every_second(uint32_t es, uint32_t n)
{
    pb_u128 k = { UINT64_MAX, UINT64_MAX };

    for (uint32_t i = 0; i < 8; i++) {
        uint32_t lane = i >> es, byte = i & ((1u << es) - 1);

        k = ir_sem_v_setlane(k, ((2 * lane + n) << es) + byte, 0, i);
    }
    return k;
}

/* d = even or odd lanes of a, then b. d is neither; t is none of them. a may be b. */
static void unzip(cg *c, uint32_t es, uint32_t n, cg_reg d, cg_reg a, cg_reg b, cg_reg t)
{
    if (es == 3) {
        vec_op(c, n ? PUNPCKHQDQ : PUNPCKLQDQ, d, a, b);
    } else if (es == 2) {
        vec_op_imm(c, SHUFPS, d, a, b, n ? 0xdd : 0x88);
    } else if (a == b) {
        vec_op_const(c, PSHUFB, d, a, every_second(es, n));
        vec_op(c, PUNPCKLQDQ, d, d, d);
    } else {
        if (n) {
            vec_shift(c, es ? PSRLD_I : PSRLW_I, d, a, 8u << es);
            vec_shift(c, es ? PSRLD_I : PSRLW_I, t, b, 8u << es);
        } else {
            vec_op_const(c, PAND, d, a, vec_lanes(es + 1, ir_sem_mask(8u << es)));
            vec_op_const(c, PAND, t, b, vec_lanes(es + 1, ir_sem_mask(8u << es)));
        }
        vec_op(c, es ? PACKUSDW : PACKUSWB, d, d, t);
    }
}

bool rule_v_uzp(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r);
    cg_reg a, b, t, d;

    if (rule_bits(r) == 64) {
        t = both(c, r);
        d = cg_def(c, 0, CG_SET(t));
        vec_op_const(c, PSHUFB, d, t, every_second(es, n));
        return true;
    }
    a = cg_use(c, r->arg[0]);
    b = cg_use(c, r->arg[1]);
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    unzip(c, es, n, d, a, b, t);
    return true;
}

/* Every second lane of one operand moves by a lane between those of the other one. */
bool rule_v_trn(cg *c, const ir_op_record *r)
{
    static const uint32_t left[3] = { PSLLW_I, PSLLD_I, PSLLQ_I };
    static const uint32_t right[3] = { PSRLW_I, PSRLD_I, PSRLQ_I };
    uint32_t es = vec_es(r), n = vec_n(r);
    cg_reg a = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), t, d;

    if (es == 3) {
        d = vec_def(c, b);
        vec_op(c, n ? PUNPCKHQDQ : PUNPCKLQDQ, d, a, b);
        return true;
    }
    t = cg_temp_vector(c);
    d = cg_def(c, 0, CG_SET(a) | CG_SET(b));
    vec_shift(c, n ? right[es] : left[es], t, n ? a : b, 8u << es);
    if (es == 0) {
        vec_op_const(c, PAND, d, n ? b : a, vec_lanes(1, n ? 0xff00 : 0x00ff));
        vec_op(c, POR, d, d, t);
    } else {
        vec_op_imm(c, PBLENDW, d, n ? t : a, n ? b : t, es == 1 ? 0xaa : 0xcc);
    }
    vec_done_zero(c, r, d);
    return true;
}

bool rule_v_ext(cg *c, const ir_op_record *r)
{
    uint32_t n = r->attr & 0xff;
    cg_reg a, b, d;

    if (n == 0) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    if (rule_bits(r) == 64) {
        a = both(c, r);
        d = cg_def(c, 0, CG_SET(a));
        cut_bytes(c, d, a, n, 8);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    b = cg_use(c, r->arg[1]);
    if (vec_is_zero(c, r->arg[1])) {
        d = cg_def(c, 0, 0);
        vec_shift(c, PSRLDQ_I, d, a, n);
    } else if (vec_is_zero(c, r->arg[0])) {
        d = cg_def(c, 0, 0);
        vec_shift(c, PSLLDQ_I, d, b, 16 - n);
    } else {
        d = vec_def(c, a);
        vec_op_imm(c, PALIGNR, d, b, a, n);
    }
    return true;
}

bool rule_v_rev(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r), n = vec_n(r);
    pb_u128 index = ir_sem_v_zero();
    cg_reg a, d;

    if (n == es) {
        cg_def_alias(c, 0, r->arg[0]);
        return true;
    }
    a = cg_use(c, r->arg[0]);
    d = cg_def(c, 0, 0);
    if (es == 2) {
        vec_unary_imm(c, PSHUFD, d, a, 0xb1);
    } else {
        for (uint32_t i = 0; i < 16; i++)
            index = ir_sem_v_setlane(index, i, 0, i);
        vec_op_const(c, PSHUFB, d, a, ir_sem_v_rev(index, n, es));
    }
    vec_done_zero(c, r, d);
    return true;
}

/* Indices above 15 get their bit 7 set, which is how PSHUFB makes zeros. */
bool rule_v_tbl(cg *c, const ir_op_record *r)
{
    bool zeros = vec_is_zero(c, r->arg[2]);
    cg_reg table = cg_use(c, r->arg[0]), b = cg_use(c, r->arg[1]), other, t, d;

    t = cg_temp_vector(c);
    other = zeros ? CG_NO_REG : cg_use(c, r->arg[2]);
    vec_op_const(c, PADDUSB, t, b, vec_lanes(0, 0x70));
    if (zeros) {
        d = vec_def(c, t);
        vec_op(c, PSHUFB, d, table, t);
    } else if (vec_avx(c)) {
        d = cg_def(c, 0, CG_SET(other));
        vec_op(c, PSHUFB, d, table, t);
        asm_vrr(&c->a, VPBLENDVB | ASM_VEX, d - XMM0, d - XMM0, other - XMM0);
        asm_8(&c->a, (uint32_t)(t - XMM0) << 4);
    } else {
        cg_reg m = cg_temp_vector(c);

        d = cg_def(c, 0, CG_SET(other) | CG_SET(table));
        vec_op(c, PSHUFB, d, table, t);
        vec_zero(c, m);
        vec_op(c, PCMPGTB, m, m, t);
        vec_op(c, PAND, m, m, other);
        vec_op(c, POR, d, d, m);
    }
    vec_done(c, r, d);
    return true;
}

/* ---- pairs ------------------------------------------------------------------------------------------------------------- */

/* d = op of the pairs of neighbours in a, in the even lanes; what is in the odd ones is of no use. t is not a. */
static void pair_up(cg *c, const ir_op_record *r, cg_reg d, cg_reg a, cg_reg t, cg_reg scratch)
{
    static const uint32_t right[3] = { PSRLW_I, PSRLD_I, PSRLQ_I };
    uint32_t es = vec_es(r);

    if (es == 3)
        vec_shift(c, PSRLDQ_I, t, a, 8);
    else
        vec_shift(c, right[es], t, a, 8u << es);
    if (r->op == IR_OP_V_ADDP)
        vec_op(c, vec_add_forms[es], d, a, t);
    else
        vec_minmax(c,
                   r->op == IR_OP_V_MAXP_U   ? IR_OP_V_MAX_U
                   : r->op == IR_OP_V_MAXP_S ? IR_OP_V_MAX_S
                   : r->op == IR_OP_V_MINP_U ? IR_OP_V_MIN_U
                                             : IR_OP_V_MIN_S,
                   es, d, a, t, scratch);
}

bool rule_v_pairs(cg *c, const ir_op_record *r)
{
    bool same = cg_value_of(c, r->arg[0]) == cg_value_of(c, r->arg[1]);
    uint32_t es = vec_es(r), narrow = rule_bits(r) == 64;
    cg_reg a = narrow ? both(c, r) : cg_use(c, r->arg[0]);
    cg_reg b = narrow || same ? a : cg_use(c, r->arg[1]);
    cg_reg t = cg_temp_vector(c), x = cg_temp_vector(c), y = x;
    cg_reg scratch = es == 3 ? cg_temp_vector(c) : CG_NO_REG, d;

    pair_up(c, r, x, a, t, scratch);
    if (b != a) {
        y = cg_temp_vector(c);
        pair_up(c, r, y, b, t, scratch);
    }
    d = cg_def(c, 0, CG_SET(x) | CG_SET(y));
    unzip(c, es, 0, d, x, y, t);
    if (narrow)
        vec_done(c, r, d);
    return true;
}

bool rule_v_addlp(cg *c, const ir_op_record *r)
{
    uint32_t es = vec_es(r);
    bool u = r->op == IR_OP_V_ADDLP_U;
    cg_reg a = cg_use(c, r->arg[0]), t, d;

    if (es == 0 && u) { /* the first operand's bytes are unsigned, the second's signed */
        d = cg_def(c, 0, 0);
        vec_op_const(c, PMADDUBSW, d, a, vec_lanes(0, 1));
    } else if (es == 0) {
        t = cg_temp_vector(c);
        vec_const(c, t, vec_lanes(0, 1));
        d = vec_def(c, a);
        vec_op(c, PMADDUBSW, d, t, a);
    } else if (es == 1 && !u) {
        d = cg_def(c, 0, 0);
        vec_op_const(c, PMADDWD, d, a, vec_lanes(1, 1));
    } else {
        t = cg_temp_vector(c);
        d = cg_def(c, 0, CG_SET(a));
        vec_shift(c, es == 1 ? PSRLD_I : PSRLQ_I, t, a, 8u << es);
        if (u) {
            vec_op_const(c, PAND, d, a, vec_lanes(es + 1, ir_sem_mask(8u << es)));
        } else {
            vec_op_const(c, PMULDQ, t, t, vec_lanes(3, 1));
            vec_op_const(c, PMULDQ, d, a, vec_lanes(3, 1));
        }
        vec_op(c, vec_add_forms[es + 1], d, d, t);
    }
    vec_done_zero(c, r, d);
    return true;
}

/* ---- all lanes ---------------------------------------------------------------------------------------------------------- */

/* A lane of x, the lowest, as the result, of which bits above the lane are junk. */
static void reduced(cg *c, const ir_op_record *r, cg_reg x)
{
    uint32_t es = vec_es(r), bits = rule_bits(r) < 8u << es ? rule_bits(r) : 8u << es;
    cg_reg to = cg_def(c, 0, 0);

    asm_sse2(&c->a, vec_avx(c), SSE_MOVD_STORE | (bits == 64 ? ASM_W : 0), x - XMM0, to);
    rule_cut(c, bits, to);
}

/* Sums of bytes by PSADBW, others by halving. */
bool rule_v_addv(cg *c, const ir_op_record *r)
{
    static const uint32_t right[3] = { 0, PSRLD_I, PSRLQ_I };
    uint32_t es = vec_es(r), bits = ir_type_bits[cg_type(c, r->arg[0])];
    cg_reg a = cg_use(c, r->arg[0]), x = cg_temp_vector(c), t = cg_temp_vector(c);

    if (es == 0) {
        vec_zero(c, t);
        vec_op(c, PSADBW, x, a, t);
        a = x;
    }
    if (bits == 128) {
        vec_unary_imm(c, PSHUFD, t, a, 0xee);
        vec_op(c, es ? vec_add_forms[es] : PADDQ, x, a, t);
        a = x;
    }
    for (uint32_t k = 2; es && k >= es; k--) {
        vec_shift(c, right[k], t, a, 8u << k);
        vec_op(c, vec_add_forms[es], x, a, t);
        a = x;
    }
    reduced(c, r, a);
    return true;
}

/* Lanes of 1 and 2 bytes by PHMINPOSUW, which finds the smallest unsigned word: the others' order is made that by
 * changing bits, which are changed back. */
static void smallest_word(cg *c, const ir_op_record *r, cg_reg a, cg_reg x, cg_reg t)
{
    uint32_t es = vec_es(r), bits = 8u << es;
    uint64_t change = r->op == IR_OP_V_MINV_U   ? 0
                      : r->op == IR_OP_V_MAXV_U ? ir_sem_mask(bits)
                      : r->op == IR_OP_V_MINV_S ? ir_sem_sign(bits)
                                                : ir_sem_mask(bits - 1);
    cg_reg to;

    if (ir_type_bits[cg_type(c, r->arg[0])] == 64) {
        vec_op(c, PUNPCKLQDQ, x, a, a);
        a = x;
    }
    if (change) {
        vec_op_const(c, PXOR, x, a, vec_lanes(es, change));
        a = x;
    }
    if (es == 0) { /* zeros come from above, so the upper bytes are zero */
        vec_shift(c, PSRLW_I, t, a, 8);
        vec_op(c, PMINUB, x, a, t);
        a = x;
    }
    vec_unary(c, PHMINPOSUW, x, a);
    to = cg_def(c, 0, 0);
    asm_sse2(&c->a, vec_avx(c), SSE_MOVD_STORE, x - XMM0, to);
    rule_cut(c, 16, to); /* the word's number is above */
    if (change)
        asm_alu_imm(&c->a, ALU_XOR, W32, to, (int32_t)change);
    if (rule_bits(r) < bits)
        rule_cut(c, rule_bits(r), to);
}

bool rule_v_minmaxv(cg *c, const ir_op_record *r)
{
    static const uint16_t ops[4] = { IR_OP_V_MAX_U, IR_OP_V_MAX_S, IR_OP_V_MIN_U, IR_OP_V_MIN_S };
    uint32_t es = vec_es(r), op = ops[r->op - IR_OP_V_MAXV_U];
    uint32_t bits = ir_type_bits[cg_type(c, r->arg[0])];
    cg_reg a, x, t, scratch;

    cg_clobber_flags(c);
    a = cg_use(c, r->arg[0]);
    x = cg_temp_vector(c);
    t = cg_temp_vector(c);
    if (es < 2) {
        smallest_word(c, r, a, x, t);
        return true;
    }
    scratch = cg_temp_vector(c);
    for (uint32_t k = bits == 128 ? 3 : 2; k >= es; k--) {
        cg_reg y = k == 3 ? x : scratch;

        vec_unary_imm(c, PSHUFD, t, a, k == 3 ? 0xee : 0x55);
        if (es == 3) {
            vec_minmax(c, op, es, x, a, t, scratch);
            a = x;
        } else {
            vec_minmax(c, op, es, y, a, t, CG_NO_REG);
            a = y;
        }
    }
    reduced(c, r, a);
    return true;
}
