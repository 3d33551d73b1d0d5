/*
 * Results that are NaNs, and minima and maxima of them: code on the cold path that makes them the guest's, so that programs
 * whose numbers overflow do not crawl. What is left falls through to the reference function.
 *
 * The host (Intel SDM volume 1, section 4.8.3.5 and table 4-7; volume 1, 14.5.2 for FMA) gives the first operand that is a
 * NaN, quieted, of a * b + c in the order a, b, c; if none is, a negative NaN without payload. Arm (DDI 0487,
 * shared/functions/float, FPProcessNaNs and FPProcessNaNs3) gives the first signalling one, else the first quiet one, of a * b + c
 * in the order c, a, b; if none is, a positive one. So
 *   - with one operand the host is right, but for the sign if it was no NaN (square roots of negative numbers);
 *   - with two it is right too, unless the first one is quiet and the second one signalling: then the function is called;
 *   - with three the addend is taken where it is a NaN; the function is called if another one signals, or is zero, for Arm
 *     raises invalid for 0 * inf + NaN and the host does not.
 * In environments with one NaN (FPCR.DN) that one is taken. Flags have been raised by the host; they are the same.
 *
 * Compares raise invalid for signalling NaNs, which was raised for them before.
 */
#include "rules_fp.h"
#include "rules_vec.h"

enum {
    CMPPS = 0xc2 | ASM_0F, /* an immediate follows, one of these */
    CMP_EQ = 0,
    CMP_UNORDERED = 3,
    CMP_ORDERED = 7,
};

fp_nan_way fp_nans_by(const pb_fp_rules *rules)
{
    if (rules->infzero != PB_FP_INFZERO_DEFAULT || rules->default_nan_negative)
        return FP_NANS_OTHER;
    if (rules->default_nan)
        return FP_NANS_DEFAULT;
    return rules->nan == PB_FP_NAN_ARM ? FP_NANS_ARM : FP_NANS_OTHER;
}

fp_nan_way fp_nans(const cg *c)
{
    return fp_nans_by(&c->job->vcpu->fp[0].rules);
}

bool fp_host_quiets(const cg *c)
{
    return !c->job->vcpu->fp[0].rules.default_nan;
}

/* ---- the code of one path ------------------------------------------------------------------------------------------ */

enum { MOST_EXITS = 8 };

/* Jumps to where the code goes on, and to the reference function, which stands behind; registers that are put back before. */
typedef struct path {
    cg *c;
    const cg_fix *f;
    uint32_t back[MOST_EXITS], redo[MOST_EXITS], n_back, n_redo;
    uint32_t borrowed; /* vector registers */
} path;

static void back_if(path *p, uint32_t cc)
{
    p->back[p->n_back++] = asm_jcc(&p->c->a, cc);
}

static void redo_if(path *p, uint32_t cc)
{
    p->redo[p->n_redo++] = asm_jcc(&p->c->a, cc);
}

static asm_mem saved(cg_reg r)
{
    return cg_frame_at(CG_FRAME_VECTOR + 16 * (r - XMM0));
}

/* A vector register that the record's operands and result, and what was borrowed before, are not in. */
static cg_reg borrow(path *p)
{
    uint32_t taken = p->borrowed | CG_SET(p->f->result);
    cg_reg r = XMM15;

    for (uint32_t i = 0; i < 3; i++)
        if (p->f->args[i] >= 0)
            taken |= CG_SET(p->f->args[i]);
    for (uint32_t i = 0; i < 2; i++)
        if (p->f->temp[i] >= 0)
            taken |= CG_SET(p->f->temp[i]);
    while (taken & CG_SET(r))
        r--;
    p->borrowed |= CG_SET(r);
    asm_sse_mem(&p->c->a, vec_avx(p->c), SSE_MOVAPS_STORE, r - XMM0, saved(r));
    return r;
}

static void put_back(path *p)
{
    for (cg_reg r = XMM0; r <= XMM15; r++)
        if (p->borrowed & CG_SET(r))
            asm_sse_mem(&p->c->a, vec_avx(p->c), SSE_MOVAPS_LOAD, r - XMM0, saved(r));
}

/* The result is right. Behind this the function is called, if anything jumps there. */
static void done(path *p)
{
    for (uint32_t i = 0; i < p->n_back; i++)
        asm_patch(&p->c->a, p->back[i], asm_offset(&p->c->a));
    put_back(p);
    asm_patch(&p->c->a, asm_jmp(&p->c->a), p->f->back);
    for (uint32_t i = 0; i < p->n_redo; i++)
        asm_patch(&p->c->a, p->redo[i], asm_offset(&p->c->a));
    put_back(p);
    if (p->f->kept)
        fp_back_to_kept(p->c);
}

/* ---- scalars -------------------------------------------------------------------------------------------------------- */

static uint64_t quiet_bit(bool wide)
{
    return wide ? UINT64_C(1) << 51 : UINT64_C(1) << 22;
}

static uint64_t default_nan(bool wide)
{
    return wide ? UINT64_C(0x7ff8000000000000) : UINT64_C(0x7fc00000);
}

/* The type that decides: the result's. */
static bool is_wide(const path *p)
{
    return fp_double(p->f->r->type);
}

static void compare(path *p, cg_reg a, cg_reg b)
{
    asm_sse2(&p->c->a, vec_avx(p->c), is_wide(p) ? SSE_UCOMISD : SSE_UCOMISS, a - XMM0, b - XMM0);
}

/* Zero flag: not the quiet bit of a, which is a NaN. */
static void test_quiet(path *p, cg_reg a)
{
    cg_pool_op(p->c, PTEST | (vec_avx(p->c) ? ASM_VEX : 0), a - XMM0, 0,
               (pb_u128){ quiet_bit(is_wide(p)), 0 }, -1);
}

/* result = result op constant */
static void with_constant(path *p, uint32_t op, uint64_t k)
{
    vec_op_const(p->c, op, p->f->result, p->f->result, (pb_u128){ k, 0 });
}

static void take_default(path *p)
{
    vec_const(p->c, p->f->result, (pb_u128){ default_nan(is_wide(p)), 0 });
}

/* An operand, quieted. */
static void take_quieted(path *p, cg_reg a)
{
    rule_low_lane(p->c, is_wide(p) ? 64 : 32, p->f->result, a);
    with_constant(p, POR, quiet_bit(is_wide(p)));
}

static void make_positive(path *p)
{
    with_constant(p, PAND, ir_sem_mask(is_wide(p) ? 63 : 31));
}

/* Go back if a number is zero. */
static void back_if_zero(path *p, uint32_t type, cg_reg a)
{
    cg_pool_op(p->c, (fp_double(type) ? SSE_UCOMISD : SSE_UCOMISS) | (vec_avx(p->c) ? ASM_VEX : 0),
               a - XMM0, 0, ir_sem_v_zero(), -1);
    back_if(p, CC_E);
}

/* Numbers, which came here because they may be tiny. Where denormals are flushed zeros did too: exact ones stay. */
static void redo_numbers(path *p)
{
    const cg_fix *f = p->f;
    uint32_t op = f->r->op, type = f->r->type, nan;

    compare(p, f->result, f->result);
    nan = asm_jcc(&p->c->a, CC_P);
    if (fp_flushes(p->c)) {
        if (op == IR_OP_FADD || op == IR_OP_FSUB)
            back_if_zero(p, type, f->result);
        else
            back_if_zero(p, cg_type(p->c, f->r->arg[0]), f->args[0]);
        if (op == IR_OP_FMUL || op == IR_OP_FMA)
            back_if_zero(p, type, f->args[1]);
    }
    p->redo[p->n_redo++] = asm_jmp(&p->c->a);
    asm_patch(&p->c->a, nan, asm_offset(&p->c->a));
}

/* Of the first two operands: go back if one is a NaN; if both are, only if the host took the first one and the second one does
 * not signal. */
static void first_of_two(path *p)
{
    cg_reg a = p->f->args[0], b = p->f->args[1];
    uint32_t none;

    compare(p, a, b);
    none = asm_jcc(&p->c->a, CC_NP);
    compare(p, a, a);
    back_if(p, CC_NP);
    compare(p, b, b);
    back_if(p, CC_NP);
    if (!p->f->swapped) {
        test_quiet(p, b);
        back_if(p, CC_NE);
    }
    p->redo[p->n_redo++] = asm_jmp(&p->c->a);
    asm_patch(&p->c->a, none, asm_offset(&p->c->a));
}

static void fix_scalar(cg *c, const cg_fix *f)
{
    path p = { .c = c, .f = f };
    uint32_t op = f->r->op;

    if (op == IR_OP_FMUL || op == IR_OP_FCVT || (fp_flushes(c) && op <= IR_OP_FDIV))
        redo_numbers(&p);
    if (fp_nans(c) == FP_NANS_DEFAULT) {
        take_default(&p);
    } else if (op == IR_OP_FSQRT) {
        compare(&p, f->args[0], f->args[0]);
        back_if(&p, CC_P);
        make_positive(&p);
    } else if (op != IR_OP_FCVT && op != IR_OP_FRINT) {
        first_of_two(&p);
        make_positive(&p);
    }
    done(&p);
}

static void fix_scalar_fma(cg *c, const cg_fix *f)
{
    path p = { .c = c, .f = f };
    cg_reg addend = f->args[2];
    uint32_t number;

    redo_numbers(&p);
    compare(&p, addend, addend);
    number = asm_jcc(&c->a, CC_NP);
    compare(&p, f->args[0], f->args[1]);
    redo_if(&p, CC_P);
    for (uint32_t i = 0; i < 2; i++) {
        cg_pool_op(c, (is_wide(&p) ? SSE_UCOMISD : SSE_UCOMISS) | ASM_VEX, f->args[i] - XMM0, 0,
                   ir_sem_v_zero(), -1);
        redo_if(&p, CC_E);
    }
    if (fp_nans(c) == FP_NANS_DEFAULT)
        take_default(&p);
    else
        take_quieted(&p, addend);
    p.back[p.n_back++] = asm_jmp(&c->a);
    asm_patch(&c->a, number, asm_offset(&c->a));
    if (fp_nans(c) == FP_NANS_DEFAULT) {
        take_default(&p);
    } else {
        first_of_two(&p);
        make_positive(&p);
    }
    done(&p);
}

/* The instruction was not executed. One NaN: it comes out, or if it is quiet and the operation asks for that, the other
 * operand. */
static void fix_scalar_minmax(cg *c, const cg_fix *f)
{
    path p = { .c = c, .f = f };
    bool number = f->r->op == IR_OP_FMINNM || f->r->op == IR_OP_FMAXNM;
    uint32_t first;

    compare(&p, f->args[0], f->args[0]);
    first = asm_jcc(&c->a, CC_P);
    for (uint32_t i = 2; i-- > 0;) { /* the one that is a NaN, which the other is not */
        if (i == 0) {
            asm_patch(&c->a, first, asm_offset(&c->a));
            compare(&p, f->args[1], f->args[1]);
            redo_if(&p, CC_P);
        }
        if (number) {
            test_quiet(&p, f->args[i]);
            redo_if(&p, CC_E);
            vec_move(c, f->result, f->args[!i]);
        } else if (fp_nans(c) == FP_NANS_DEFAULT) {
            take_default(&p);
        } else {
            take_quieted(&p, f->args[i]);
        }
        p.back[p.n_back++] = asm_jmp(&c->a);
    }
    done(&p);
}

/* ---- lanes ------------------------------------------------------------------------------------------------------------ */

/* In lanes of this size. */
typedef struct lanes {
    path path;
    uint32_t es;
    cg_reg t;       /* ones in the lanes that are NaNs */
    cg_reg v, w, y; /* to be used */
} lanes;

static void compare_lanes(lanes *l, cg_reg d, cg_reg a, cg_reg b, uint32_t how)
{
    vec_op_imm(l->path.c, CMPPS | (l->es == 3 ? ASM_66 : 0), d, a, b, how);
}

static void const_lanes(lanes *l, uint32_t op, cg_reg d, cg_reg a, uint64_t k)
{
    vec_op_const(l->path.c, op, d, a, vec_lanes(l->es, k));
}

static uint64_t sign_of(const lanes *l)
{
    return ir_sem_sign(8u << l->es);
}

/* Call the function if a lane of a signals: not ordered, and not quiet. */
static void redo_signalling(lanes *l, cg_reg a)
{
    cg *c = l->path.c;

    compare_lanes(l, l->v, a, a, CMP_ORDERED);
    vec_op(c, POR, l->v, l->v, a);
    cg_pool_op(c, PTEST | (vec_avx(c) ? ASM_VEX : 0), l->v - XMM0, 0,
               vec_lanes(l->es, quiet_bit(l->es == 3)), -1);
    redo_if(&l->path, CC_AE); /* CF: all of the constant's bits are set */
}

/* Result in lanes t = constant. */
static void default_lanes(lanes *l)
{
    cg *c = l->path.c;
    cg_reg d = l->path.f->result;

    const_lanes(l, PAND, l->v, l->t, default_nan(l->es == 3));
    vec_op(c, PANDN, l->t, l->t, d);
    vec_op(c, POR, d, l->v, l->t);
}

/* Change the signs of lanes t but not those in v. */
static void positive_lanes(lanes *l)
{
    cg *c = l->path.c;
    cg_reg d = l->path.f->result;

    vec_op(c, PANDN, l->v, l->v, l->t);
    const_lanes(l, PAND, l->v, l->v, sign_of(l));
    vec_op(c, PXOR, d, d, l->v);
}

/* Registers: what guards leave are temp[0], which is t, and temp[1], the lanes that come here for another reason, if there
 * may be any. `more` of w and y are wanted too. All before the first jump, for they are put back behind the last one. */
/* Exact zeros stay where results that are tiny are flushed: not in v any more, w is changed. */
static void allow_zeros(lanes *l)
{
    const cg_fix *f = l->path.f;
    cg *c = l->path.c;
    uint32_t op = f->r->op, es = l->es + (op == IR_OP_V_FCVTN);

    for (uint32_t i = 0; i < (op == IR_OP_V_FCVTN ? 1 : 2); i++) {
        bool infinity = i == 1 && op == IR_OP_V_FDIV;
        uint64_t k = es == 3 ? UINT64_C(0x7ff0000000000000) : UINT64_C(0x7f800000);

        vec_op_const(c, PAND, l->w, f->args[i], vec_lanes(es, ir_sem_mask((8u << es) - 1)));
        vec_op_const(c, vec_cmeq_forms[es], l->w, l->w, vec_lanes(es, infinity ? k : 0));
        if (op == IR_OP_V_FCVTN)
            vec_unary_imm(c, PSHUFD, l->w, l->w, 0x08);
        vec_op(c, PANDN, l->w, l->w, l->v);
        vec_move(c, l->v, l->w);
    }
}

static lanes begin_lanes(cg *c, const cg_fix *f, uint32_t es, uint32_t more)
{
    lanes l = { .path = { .c = c, .f = f }, .es = es, .t = f->temp[0], .v = f->temp[1] };

    if (l.v < 0)
        l.v = borrow(&l.path);
    if (more > 0 || f->kept)
        l.w = borrow(&l.path);
    if (more > 1)
        l.y = borrow(&l.path);
    if (f->temp[1] >= 0) {
        if (f->kept)
            allow_zeros(&l);
        vec_unary(c, PTEST, l.v, l.v);
        redo_if(&l.path, CC_NE);
    }
    return l;
}

/* fcvtl has wider lanes than its es says; those of fcvtn have its size. */
static void fix_lanes(cg *c, const cg_fix *f)
{
    uint32_t op = f->r->op;
    lanes l = begin_lanes(c, f, vec_es(f->r) + (op == IR_OP_V_FCVTL), 0);

    if (fp_nans(c) == FP_NANS_DEFAULT) {
        default_lanes(&l);
    } else if (op == IR_OP_V_FSQRT) {
        compare_lanes(&l, l.v, f->args[0], f->args[0], CMP_UNORDERED);
        positive_lanes(&l);
    } else if (op != IR_OP_V_FCVTL && op != IR_OP_V_FCVTN && op != IR_OP_V_FRINT) {
        redo_signalling(&l, f->args[1]);
        compare_lanes(&l, l.v, f->args[0], f->args[1], CMP_UNORDERED);
        positive_lanes(&l);
    }
    done(&l.path);
}

static void fix_lanes_fma(cg *c, const cg_fix *f)
{
    lanes l = begin_lanes(c, f, vec_es(f->r), 1);
    cg_reg w = l.w, d = f->result;

    /* w: where the addend is a NaN. No zero may be there. */
    compare_lanes(&l, w, f->args[2], f->args[2], CMP_UNORDERED);
    for (uint32_t i = 0; i < 2; i++) {
        cg_pool_op(c, CMPPS | (l.es == 3 ? ASM_66 : 0) | ASM_VEX, l.v - XMM0, f->args[i] - XMM0,
                   ir_sem_v_zero(), CMP_EQ);
        vec_unary(c, PTEST, l.v, w);
        redo_if(&l.path, CC_NE);
    }
    if (fp_nans(c) == FP_NANS_DEFAULT) {
        default_lanes(&l);
    } else {
        redo_signalling(&l, f->args[0]);
        redo_signalling(&l, f->args[1]);
        vec_op(c, PAND, l.v, f->args[2], w);
        vec_op(c, PANDN, d, w, d);
        vec_op(c, POR, d, d, l.v);
        const_lanes(&l, PAND, l.v, w, quiet_bit(l.es == 3));
        vec_op(c, POR, d, d, l.v);
        compare_lanes(&l, l.v, f->args[0], f->args[1], CMP_UNORDERED);
        vec_op(c, POR, l.v, l.v, w);
        positive_lanes(&l);
    }
    done(&l.path);
}

/* d = the minimum or maximum of two registers that have no NaNs; all are changed. */
static void minmax_lanes(lanes *l, cg_reg d, cg_reg x, cg_reg y, cg_reg t)
{
    cg *c = l->path.c;
    uint32_t op = l->path.f->r->op;
    bool min = op == IR_OP_V_FMIN || op == IR_OP_V_FMINNM;
    uint32_t form = (min ? SSE_MIN : SSE_MAX) | (l->es == 3 ? ASM_66 : 0);

    vec_op(c, form, t, x, y);
    vec_op(c, form, y, y, x);
    vec_op(c, min ? POR : PAND, d, t, y);
}

/* v.fmin, v.fmax: zeros instead of the lanes in t, then the NaNs, w. */
static void fix_lanes_minmax(cg *c, const cg_fix *f)
{
    lanes l = begin_lanes(c, f, vec_es(f->r), 2);
    cg_reg a = f->args[0], b = f->args[1], d = f->result, w = l.w;

    if (fp_nans(c) == FP_NANS_DEFAULT) {
        const_lanes(&l, PAND, w, l.t, default_nan(l.es == 3));
    } else {
        redo_signalling(&l, b);
        compare_lanes(&l, w, a, a, CMP_UNORDERED);
        vec_op(c, PAND, l.v, w, a);
        vec_op(c, PANDN, w, w, b);
        vec_op(c, POR, w, w, l.v);
        const_lanes(&l, POR, w, w, quiet_bit(l.es == 3));
        vec_op(c, PAND, w, w, l.t);
    }
    vec_op(c, PANDN, l.v, l.t, a);
    vec_op(c, PANDN, l.y, l.t, b);
    minmax_lanes(&l, d, l.v, l.y, l.t);
    vec_op(c, POR, d, d, w);
    done(&l.path);
}

/* v.fminnm, v.fmaxnm: a quiet NaN's lane gets the other operand's number. */
static void fix_lanes_minmaxnm(cg *c, const cg_fix *f)
{
    lanes l = begin_lanes(c, f, vec_es(f->r), 1);
    cg_reg a = f->args[0], b = f->args[1], d = f->result, w = l.w;

    redo_signalling(&l, a);
    redo_signalling(&l, b);
    compare_lanes(&l, l.v, a, a, CMP_UNORDERED);
    compare_lanes(&l, w, b, b, CMP_UNORDERED);
    vec_unary(c, PTEST, l.v, w);
    redo_if(&l.path, CC_NE);
    vec_op(c, PAND, l.t, l.v, b);
    vec_op(c, PANDN, l.v, l.v, a);
    vec_op(c, POR, l.v, l.v, l.t);
    vec_op(c, PAND, l.t, w, a);
    vec_op(c, PANDN, w, w, b);
    vec_op(c, POR, w, w, l.t);
    minmax_lanes(&l, d, l.v, w, l.t);
    done(&l.path);
}

/* ---- which ------------------------------------------------------------------------------------------------------------- */

static void (*fix_of(uint32_t op))(cg *c, const cg_fix *f)
{
    switch (op) {
    case IR_OP_FMA:
        return fix_scalar_fma;
    case IR_OP_FMIN:
    case IR_OP_FMAX:
    case IR_OP_FMINNM:
    case IR_OP_FMAXNM:
        return fix_scalar_minmax;
    case IR_OP_V_FMA:
        return fix_lanes_fma;
    case IR_OP_V_FMIN:
    case IR_OP_V_FMAX:
        return fix_lanes_minmax;
    case IR_OP_V_FMINNM:
    case IR_OP_V_FMAXNM:
        return fix_lanes_minmaxnm;
    default:
        return op < IR_OP_V_FADD ? fix_scalar : fix_lanes;
    }
}

void fp_fix_nans(cg *c, uint32_t cold, const ir_op_record *r, const cg_reg *args, fp_fix how)
{
    cg_fix fix = { .emit = fix_of(r->op),
                   .r = r,
                   .args = { CG_NO_REG, CG_NO_REG, CG_NO_REG },
                   .swapped = how.swapped,
                   .kept = how.kept,
                   .result = (int8_t)how.result,
                   .temp = { (int8_t)how.t, (int8_t)how.u } };

    if (fp_nans(c) == FP_NANS_OTHER)
        return;
    for (uint32_t i = 0; i < r->n_args; i++)
        fix.args[i] = (int8_t)args[i];
    cg_cold_fix(c, cold, &fix);
}
