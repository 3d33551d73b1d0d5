/* What operations on the lanes of vectors mean. */
#include "sem.h"

/* ---- lanes, by exact arithmetic ------------------------------------------------------------------------------- */

/* floor(x / 2^n), or rounded to nearest with ties up, by division. */
static s128 scaled(s128 x, int32_t n, bool round)
{
    s128 d, twice;

    if (n >= 0)
        return x * ((s128)1 << n);
    if (n < -70)
        n = -70;
    d = (s128)1 << -n;
    twice = round ? 2 * x + d : 2 * x;
    /* floor(twice / 2d) */
    return twice / (2 * d) - (twice % (2 * d) < 0);
}

static s128 clamp(s128 x, s128 low, s128 high, bool *sat)
{
    if (x >= low && x <= high)
        return x;
    *sat = true;
    return x < low ? low : high;
}

typedef struct lane {
    s128 ua, ub, sa, sb; /* the lanes, unsigned and signed */
    int32_t by;          /* b's signed low byte */
    uint32_t bits, n;
    s128 umax, smin, smax;
} lane;

/* The exact result, and the range that it is saturated to (kind 'u', 's'; 0: it wraps). */
static s128 lane_result(ir_op op, const lane *x, char *kind)
{
    int32_t by = x->by > 64 ? 64 : x->by;
    bool right = by < 0;

    *kind = 0;
    switch (op) {
    case IR_OP_V_ADD:
        return x->ua + x->ub;
    case IR_OP_V_SUB:
        return x->ua - x->ub;
    case IR_OP_V_MUL:
        return (s128)product((uint64_t)x->ua, (uint64_t)x->ub);
    case IR_OP_V_NEG:
        return -x->sa;
    case IR_OP_V_ABS:
        return x->sa < 0 ? -x->sa : x->sa;
    case IR_OP_V_MIN_U:
        return x->ua < x->ub ? x->ua : x->ub;
    case IR_OP_V_MAX_U:
        return x->ua < x->ub ? x->ub : x->ua;
    case IR_OP_V_MIN_S:
        return x->sa < x->sb ? x->sa : x->sb;
    case IR_OP_V_MAX_S:
        return x->sa < x->sb ? x->sb : x->sa;
    case IR_OP_V_CMEQ:
        return -(s128)(x->ua == x->ub);
    case IR_OP_V_CMGT_S:
        return -(s128)(x->sa > x->sb);
    case IR_OP_V_CMGE_S:
        return -(s128)(x->sa >= x->sb);
    case IR_OP_V_CMGT_U:
        return -(s128)(x->ua > x->ub);
    case IR_OP_V_CMGE_U:
        return -(s128)(x->ua >= x->ub);
    case IR_OP_V_SHL:
        return x->ua * ((s128)1 << x->n);
    case IR_OP_V_SHR:
        return scaled(x->ua, -(int32_t)x->n, false);
    case IR_OP_V_SAR:
        return scaled(x->sa, -(int32_t)x->n, false);
    case IR_OP_V_RSHR_U:
        return scaled(x->ua, -(int32_t)x->n, true);
    case IR_OP_V_RSHR_S:
        return scaled(x->sa, -(int32_t)x->n, true);
    case IR_OP_V_SHLV_U:
        return right ? scaled(x->ua, by, false) : (s128)((u128)x->ua << by);
    case IR_OP_V_SHLV_S:
        return right ? scaled(x->sa, by, false) : (s128)((u128)x->ua << by);
    case IR_OP_V_RSHLV_U:
        return right ? scaled(x->ua, by, true) : (s128)((u128)x->ua << by);
    case IR_OP_V_RSHLV_S:
        return right ? scaled(x->sa, by, true) : (s128)((u128)x->ua << by);
    case IR_OP_V_QADD_U:
        *kind = 'u';
        return x->ua + x->ub;
    case IR_OP_V_QADD_S:
        *kind = 's';
        return x->sa + x->sb;
    case IR_OP_V_QSUB_U:
        *kind = 'u';
        return x->ua - x->ub;
    case IR_OP_V_QSUB_S:
        *kind = 's';
        return x->sa - x->sb;
    case IR_OP_V_HADD_U:
        return scaled(x->ua + x->ub + x->n, -1, false);
    case IR_OP_V_HADD_S:
        return scaled(x->sa + x->sb + x->n, -1, false);
    case IR_OP_V_HSUB_U:
        return scaled(x->ua - x->ub, -1, false);
    case IR_OP_V_HSUB_S:
        return scaled(x->sa - x->sb, -1, false);
    case IR_OP_V_ABD_U:
        return x->ua > x->ub ? x->ua - x->ub : x->ub - x->ua;
    case IR_OP_V_ABD_S:
        return x->sa > x->sb ? x->sa - x->sb : x->sb - x->sa;
    case IR_OP_V_QDMULH:
        *kind = 's';
        return scaled(2 * x->sa * x->sb, -(int32_t)x->bits, x->n);
    default:
        break;
    }
    /* Saturating shifts: a left shift of 63 or more saturates what is not zero, as one of 63 does; of
     * 64-bit lanes the product is kept within 128 bits by going in two steps. */
    *kind = op == IR_OP_V_QSHLV_U || op == IR_OP_V_QRSHLV_U ? 'u' : 's';
    {
        s128 from = *kind == 'u' ? x->ua : x->sa;
        bool round = op == IR_OP_V_QRSHLV_U || op == IR_OP_V_QRSHLV_S;

        if (right)
            return scaled(from, by, round);
        for (; by > 0 && from <= x->umax && from >= x->smin; by--)
            from *= 2;
        return from;
    }
}

static void one_vector(ir_op op)
{
    const ir_op_info *info = &ir_ops_table[op];
    ir_type t = random_below(2) ? IR_V64 : IR_V128, types[2] = { t, t };
    uint32_t es = random_below(4), bits = 8u << es, n = random_below(bits + 1);
    pb_u128 args[2] = { random_value(t), random_value(t) }, out[2], expected = { 0, 0 };
    bool sat = false;

    if (op == IR_OP_V_QDMULH)
        bits = 8u << (es = 1 + random_below(2));
    if (op == IR_OP_V_QDMULH || op == IR_OP_V_HADD_U || op == IR_OP_V_HADD_S)
        n = random_below(2);
    if (random_below(2)) /* shift counts of the size of lanes */
        for (uint32_t i = 0; i < ir_type_bits[t] / bits; i++)
            args[1] = ir_sem_v_setlane(args[1], random_below(140) - 70u, es, i);
    for (uint32_t i = 0; i < ir_type_bits[t] / bits; i++) {
        uint64_t a = ir_sem_v_lane(args[0], es, i), b = ir_sem_v_lane(args[1], es, i);
        s128 top = (s128)1 << bits;
        lane x = { .ua = a,
                   .ub = b,
                   .sa = bit(a, bits - 1) ? (s128)a - top : (s128)a,
                   .sb = bit(b, bits - 1) ? (s128)b - top : (s128)b,
                   .by = (int8_t)b,
                   .bits = bits,
                   .n = n,
                   .umax = top - 1,
                   .smin = -top / 2,
                   .smax = top / 2 - 1 };
        char kind;
        s128 r = lane_result(op, &x, &kind);

        if (kind == 'u')
            r = clamp(r, 0, x.umax, &sat);
        else if (kind == 's')
            r = clamp(r, x.smin, x.smax, &sat);
        expected = ir_sem_v_setlane(expected, (uint64_t)r, es, i);
    }
    eval(op, t, es | n << 2, info->n_operands, types, args, out);
    CHECK(op, out[0].lo, expected.lo, args[0].lo, args[1].lo);
    CHECK(op, out[0].hi, expected.hi, args[0].hi, args[1].hi);
    if (info->n_results > 1)
        CHECK(op, out[1].lo, sat, args[0].lo, args[1].lo);
}

static void lanes(void)
{
    static const uint16_t ops[] = {
        IR_OP_V_ADD,      IR_OP_V_SUB,     IR_OP_V_MUL,     IR_OP_V_NEG,     IR_OP_V_ABS,
        IR_OP_V_MIN_U,    IR_OP_V_MAX_U,   IR_OP_V_MIN_S,   IR_OP_V_MAX_S,   IR_OP_V_CMEQ,
        IR_OP_V_CMGT_S,   IR_OP_V_CMGE_S,  IR_OP_V_CMGT_U,  IR_OP_V_CMGE_U,  IR_OP_V_SHL,
        IR_OP_V_SHR,      IR_OP_V_SAR,     IR_OP_V_RSHR_U,  IR_OP_V_RSHR_S,  IR_OP_V_SHLV_U,
        IR_OP_V_SHLV_S,   IR_OP_V_RSHLV_U, IR_OP_V_RSHLV_S, IR_OP_V_QADD_U,  IR_OP_V_QADD_S,
        IR_OP_V_QSUB_U,   IR_OP_V_QSUB_S,  IR_OP_V_QSHLV_U, IR_OP_V_QSHLV_S, IR_OP_V_QRSHLV_U,
        IR_OP_V_QRSHLV_S, IR_OP_V_QDMULH,  IR_OP_V_HADD_U,  IR_OP_V_HADD_S,  IR_OP_V_HSUB_U,
        IR_OP_V_HSUB_S,   IR_OP_V_ABD_U,   IR_OP_V_ABD_S,
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(ops); i++)
        for (uint32_t n = 0; n < CASES * factor; n++)
            one_vector((ir_op)ops[i]);
}

/* Permutations of a vector whose byte n is n, and of one whose byte n is 16 + n: the result names its sources. */
static void permutations(void)
{
    static const struct {
        ir_op op;
        ir_type type;
        uint32_t attr, n;
        uint8_t bytes[16];
    } cases[] = {
        { IR_OP_V_ZIP,
          IR_V128,
          0 | 0 << 2,
          2,
          { 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23 } },
        { IR_OP_V_ZIP,
          IR_V128,
          2 | 1 << 2,
          2,
          { 8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31 } },
        { IR_OP_V_ZIP, IR_V64, 1 | 1 << 2, 2, { 4, 5, 20, 21, 6, 7, 22, 23 } },
        { IR_OP_V_UZP,
          IR_V128,
          0 | 1 << 2,
          2,
          { 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31 } },
        { IR_OP_V_UZP,
          IR_V128,
          3 | 0 << 2,
          2,
          { 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23 } },
        { IR_OP_V_UZP, IR_V64, 1 | 0 << 2, 2, { 0, 1, 4, 5, 16, 17, 20, 21 } },
        { IR_OP_V_TRN,
          IR_V128,
          2 | 0 << 2,
          2,
          { 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27 } },
        { IR_OP_V_TRN, IR_V64, 0 | 1 << 2, 2, { 1, 17, 3, 19, 5, 21, 7, 23 } },
        { IR_OP_V_EXT, IR_V128, 3, 2, { 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18 } },
        { IR_OP_V_EXT, IR_V64, 7, 2, { 7, 16, 17, 18, 19, 20, 21, 22 } },
        { IR_OP_V_REV,
          IR_V128,
          0 | 1 << 2,
          1,
          { 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14 } },
        { IR_OP_V_REV,
          IR_V128,
          1 | 3 << 2,
          1,
          { 6, 7, 4, 5, 2, 3, 0, 1, 14, 15, 12, 13, 10, 11, 8, 9 } },
        { IR_OP_V_REV, IR_V64, 0 | 2 << 2, 1, { 3, 2, 1, 0, 7, 6, 5, 4 } },
    };

    for (uint32_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        ir_type types[2] = { cases[i].type, cases[i].type };
        pb_u128 args[2], out[2], expected;
        uint8_t a[16], b[16];

        for (uint8_t k = 0; k < 16; k++) {
            a[k] = k;
            b[k] = 16 + k;
        }
        memcpy(&args[0], a, 16);
        memcpy(&args[1], b, 16);
        memcpy(&expected, cases[i].bytes, 16);
        args[0] = ir_ops_cut(types[0], args[0]);
        args[1] = ir_ops_cut(types[0], args[1]);
        eval(cases[i].op, cases[i].type, cases[i].attr, cases[i].n, types, args, out);
        CHECK(cases[i].op, out[0].lo, expected.lo, i, 0);
        CHECK(cases[i].op, out[0].hi, expected.hi, i, 0);
    }
}

int main(void)
{
    static const unit_case cases[] = {
        { "lanes, by exact arithmetic", lanes },
        { "permutations", permutations },
        { 0 },
    };

    factor = random_init();
    return unit_run("IR meanings: lanes", cases);
}
