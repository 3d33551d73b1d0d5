/*
 * Calls of helpers, and slots by a number of the guest.
 *
 * A helper that is not pure finds the state complete, and may change all of it: what is known of slots is
 * forgotten, values that are needed later wait in spill slots. One that changes the flow does not come back.
 */
#include "emit.h"
#include "rules.h"

/* Counted: budget and retired as they are at this instruction; and behind it what is still to come taken off. */
static void count_exactly(cg *c)
{
    asm_mem budget = cg_vcpu(offsetof(pb_vcpu, budget));

    if (!c->self->counted)
        return;
    asm_load(&c->a, W64, RAX, budget);
    asm_lea(&c->a, W64, RAX, asm_at(RAX, (int32_t)c->after));
    asm_store(&c->a, W64, budget, RAX);
    asm_load(&c->a, W64, RCX, cg_vcpu(offsetof(pb_vcpu, codegen) + 8 * CG_WORD_SUM));
    asm_alu(&c->a, ALU_SUB, W64, RCX, RAX);
    asm_store(&c->a, W64, cg_vcpu(offsetof(pb_vcpu, retired)), RCX);
}

/* rax is the helper's result. */
static void count_ahead(cg *c)
{
    asm_mem budget = cg_vcpu(offsetof(pb_vcpu, budget));

    if (!c->self->counted)
        return;
    asm_load(&c->a, W64, RCX, budget);
    asm_lea(&c->a, W64, RDX, asm_at(RCX, -(int32_t)c->after));
    asm_store(&c->a, W64, budget, RDX);
    asm_alu_load(&c->a, ALU_ADD, W64, RCX, cg_vcpu(offsetof(pb_vcpu, retired)));
    asm_store(&c->a, W64, cg_vcpu(offsetof(pb_vcpu, codegen) + 8 * CG_WORD_SUM), RCX);
}

/* The pc slot and aux. */
static void tell_where(cg *c)
{
    const pb_slot *pc = &c->self->cpu->slots[c->self->cpu->pc_slot];
    const ir_mark *mark;

    if (c->mark >= c->u->n_marks)
        return;
    mark = &c->u->marks[c->mark];
    asm_mov_imm(&c->a, RAX, mark->pc);
    asm_store(&c->a, pc->type == IR_I32 ? W32 : W64, cg_home(c, c->self->cpu->pc_slot), RAX);
    asm_store_imm(&c->a, W32, cg_vcpu(offsetof(pb_vcpu, aux)), mark->aux);
}

/* Everything to memory, before something that may look at it and change it. */
static void begin_impure(cg *c)
{
    c->locked = 0;
    cg_sync_packed(c);
    cg_save_live(c, UINT32_MAX);
    c->locked = 0;
    cg_forget(c);
    cg_leave(c);
    tell_where(c);
    count_exactly(c);
}

static void end_impure(cg *c)
{
    cg_come_back(c);
    cg_forget_narrow(c);
    count_ahead(c);
    c->helper_called = c->effect_done = true;
}

/* A scalar helper's result is in rax, cut to its type. */
static void take_scalar(cg *c, const ir_op_record *r)
{
    uint32_t bits = rule_bits(r);
    cg_reg to;

    if (r->type == IR_VOID || !cg_result_uses(c, 0))
        return;
    cg_take(c, RAX);
    if (cg_is_vector(r->type)) {
        to = cg_def(c, 0, 0);
        asm_sse2(&c->a, rule_has(c, CG_AVX), SSE_MOVD_LOAD | (bits == 64 ? ASM_W : 0), to - XMM0,
                 RAX);
        return;
    }
    if (bits == 1)
        asm_alu_imm(&c->a, ALU_AND, W32, RAX, 1);
    else if (r->type == IR_FL)
        asm_alu_imm(&c->a, ALU_AND, W32, RAX, IR_FL_ALL);
    else if (bits < 64)
        asm_movzx(&c->a, rule_exact(bits), RAX, RAX);
    cg_def_in(c, 0, RAX);
}

/* A vector helper's result, in the frame. */
static void take_vector(cg *c, const ir_op_record *r)
{
    asm_mem at = cg_frame_at(CG_FRAME_RESULTS);
    uint32_t bits = rule_bits(r);

    if (r->type == IR_VOID || !cg_result_uses(c, 0))
        return;
    if (bits == 80)
        asm_alu_mem_imm(&c->a, ALU_AND, W64, cg_frame_at(CG_FRAME_RESULTS + 8), 0xffff);
    else if (bits == 64 && cg_is_vector(r->type))
        asm_store_imm(&c->a, W64, cg_frame_at(CG_FRAME_RESULTS + 8), 0);
    if (bits < 64) {
        asm_load(&c->a, rule_exact(bits < 8 ? 8 : bits), RAX, at);
        if (bits == 1)
            asm_alu_imm(&c->a, ALU_AND, W32, RAX, 1);
        asm_store(&c->a, W64, at, RAX);
        asm_store_imm(&c->a, W64, cg_frame_at(CG_FRAME_RESULTS + 8), 0);
    }
    cg_load_result(c, 0);
}

bool rule_call(cg *c, const ir_op_record *r)
{
    const pb_helper *h = &c->self->cpu->translator->helpers[r->attr];
    const uint32_t *args = r->n_args > 4 ? &c->u->extra[r->arg[0]] : r->arg;
    bool pure = h->flags & PB_HELPER_PURE, vector = h->flags & PB_HELPER_VECTOR;

    if (vector && r->type != IR_VOID && rule_bits(r) > 128)
        return false;
    cg_clobber_flags(c);
    for (uint32_t i = 0; i < r->n_args; i++)
        cg_store_argument(c, i, args[i]);
    if (pure)
        cg_before_call(c);
    else
        begin_impure(c);
    asm_mov_imm(&c->a, RAX, vector ? (uintptr_t)h->vector : (uintptr_t)h->scalar);
    cg_call_thunk(c, vector ? (pure ? c->self->thunk_pure_vector : c->self->thunk_vector)
                            : (pure ? c->self->thunk_pure_scalar : c->self->thunk_scalar));
    if (!pure)
        end_impure(c);
    if (vector)
        take_vector(c, r);
    else
        take_scalar(c, r);
    return true;
}

/* ---- slots by number ------------------------------------------------------------------------------------------- */

/* attr is args[1]: the first slot, and how many. The number that comes from the guest is checked. */
static const pb_slot *indexed(const pb_vcpu *vcpu, const pb_u128 *args)
{
    uint32_t first = args[1].lo & 0xffff, n = args[1].lo >> 16 & 0xff;

    return args[0].lo < n ? &vcpu->type->slots[first + args[0].lo] : NULL;
}

static void get_indexed(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    const pb_slot *slot = indexed(vcpu, args), *first = &vcpu->type->slots[args[1].lo & 0xffff];

    *result = (pb_u128){ 0, 0 };
    if (slot)
        memcpy(result, (const char *)vcpu->state + slot->offset, pb_slot_bytes(first->type));
}

static void put_indexed(pb_vcpu *vcpu, pb_u128 *result, const pb_u128 *args)
{
    const pb_slot *slot = indexed(vcpu, args);

    if (slot)
        memcpy((char *)vcpu->state + slot->offset, &args[2], pb_slot_bytes(slot->type));
}

static void call_indexed(cg *c, const ir_op_record *r,
                         void (*function)(pb_vcpu *, pb_u128 *, const pb_u128 *))
{
    cg_clobber_flags(c);
    cg_store_argument(c, 0, r->arg[0]);
    if (r->n_args > 1)
        cg_store_argument(c, 2, r->arg[1]);
    c->locked = 0;
    cg_sync_packed(c);
    cg_save_live(c, UINT32_MAX);
    c->locked = 0;
    cg_forget(c);
    cg_leave(c);
    asm_store_imm(&c->a, W64, cg_frame_at(CG_FRAME_ARGS + 16), r->attr & 0xffffff);
    asm_mov_imm(&c->a, RAX, (uintptr_t)function);
    cg_call_thunk(c, c->self->thunk_vector);
    cg_come_back(c);
    cg_forget_narrow(c);
}

bool rule_get_idx(cg *c, const ir_op_record *r)
{
    call_indexed(c, r, get_indexed);
    cg_load_result(c, 0);
    return true;
}

bool rule_put_idx(cg *c, const ir_op_record *r)
{
    call_indexed(c, r, put_indexed);
    return true;
}
