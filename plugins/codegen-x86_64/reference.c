/*
 * Operations without a rule: calls of functions made of their meanings (tools/irgen, core/ir/ops.def).
 */
#include "slow.h"

/* Values in memory: operands from v[0], results from v[8]. */
typedef void reference_function(pb_u128 *v, uint32_t attr, pb_vcpu *vcpu, const pb_fp_ops *ops);

/* Floating point: the environment that an operation names, with the operation's rounding mode. */
typedef struct fp_use {
    ir_fp fp;
    uint8_t round; /* to be put back */
} fp_use;

static fp_use fp_begin(pb_vcpu *vcpu, const pb_fp_ops *ops, uint32_t env, uint32_t rm)
{
    pb_fp_env *e = &vcpu->fp[env];
    fp_use use = { .fp = { .ops = ops, .env = e }, .round = e->round };

    if (rm != IR_ROUND_ENV)
        e->round = (uint8_t)rm;
    return use;
}

static void fp_end(fp_use *use)
{
    use->fp.env->round = use->round;
}

#include "reference.inc"

/* Registers that a call through a thunk does not keep: the others are saved by the thunk, or by C. */
enum { LOST = 1 << RAX | 1 << RCX | 1 << RDX };

void cg_store_argument(cg *c, uint32_t i, uint32_t id)
{
    asm_mem at = cg_frame_at(CG_FRAME_ARGS + 16 * (int32_t)i);
    uint32_t type = cg_type(c, id), locked = c->locked;
    cg_value *v = cg_value_of(c, id);
    cg_reg r = cg_use_clean(c, id);

    if (type == IR_FL) {
        cg_reg t = cg_temp(c);

        asm_mov(&c->a, W32, t, r);
        asm_alu_imm(&c->a, ALU_AND, W32, t, v->fl_valid & IR_FL_ALL);
        r = t;
    }
    if (r < XMM0)
        asm_store(&c->a, W64, at, r);
    else
        asm_sse_mem(&c->a, c->features & CG_AVX, SSE_MOVAPS_STORE, r - XMM0, at);
    /* Of 128-bit values too: the other half of a smaller argument is zero. */
    if (r < XMM0) {
        at.disp += 8;
        asm_store_imm(&c->a, W64, at, 0);
    }
    c->locked = locked;
}

void cg_load_result(cg *c, uint32_t result)
{
    asm_mem at = cg_frame_at(CG_FRAME_RESULTS + 16 * (int32_t)result);
    cg_reg r;

    if (!cg_result_uses(c, result))
        return;
    r = cg_def(c, result, 0);
    if (r < XMM0)
        asm_load(&c->a, W64, r, at);
    else
        asm_sse_mem(&c->a, c->features & CG_AVX, SSE_MOVAPS_LOAD, r - XMM0, at);
}

void cg_before_call(cg *c)
{
    uint32_t vectors = CG_VECTOR_SET & ~(CG_SET(XMM8) - 1);

    c->locked = 0;
    cg_spill_all(c, LOST | vectors);
}

uint32_t cg_reference_number(const cg *c, const ir_op_record *r)
{
    uint8_t types[5] = { r->type };
    uint32_t number;

    for (uint32_t i = 0; i < r->n_args && i < 4; i++)
        types[i + 1] = (uint8_t)cg_type(c, r->arg[i]);
    number = reference_of(r->op, types);
    return number == REFERENCE_NONE ? CG_NONE : number;
}

/* The host's floating point is not used: MXCSR stays as it is. */
const uint8_t *redo(pb_vcpu *vcpu, cg_frame *f, const uint8_t *record)
{
    pb_u128 v[10] = { { 0, 0 } };
    redo_head head;

    memcpy(&head, record, sizeof(head));
    for (uint32_t i = 0; i < head.n_args; i++) {
        uint32_t reg = head.arg[i];

        v[i] = site_cut(reg < XMM0 ? (pb_u128){ f->general[reg], 0 } : f->vector[reg - XMM0],
                        head.type[i]);
    }
    references[head.reference](v, head.attr, vcpu, f->self->fp);
    v[8] = site_cut(v[8], head.result_type);
    if (head.result < XMM0)
        f->general[head.result] = v[8].lo;
    else
        f->vector[head.result - XMM0] = v[8];
    return record + head.resume;
}

bool cg_reference(cg *c, const ir_op_record *r)
{
    uint32_t number = cg_reference_number(c, r);

    if (number == CG_NONE)
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < r->n_args; i++)
        cg_store_argument(c, i, r->arg[i]);
    cg_before_call(c);
    asm_mov_imm(&c->a, RDX, r->attr);
    asm_mov_imm(&c->a, RAX, (uintptr_t)references[number]);
    cg_call_thunk(c, c->self->thunk_reference);
    c->job->references++;
    cg_load_result(c, 0);
    if (ir_second_type(r->op) != IR_VOID)
        cg_load_result(c, 1);
    return true;
}
