/*
 * Control flow: branches between blocks, jumps to other units, exits.
 *
 * Between blocks: the next block in the code, if it is reached from here alone, inherits what registers, slots and
 * flags hold. Every other one begins with everything in memory: dirty slots stored, values and parameters in spill
 * slots. A block that is nothing but a jump is made part of the branch to it.
 */
#include "alloc.h"
#include "emit.h"

/* ---- thunks ------------------------------------------------------------------------------------------------- */

static void to_thunk(cg *c, uint32_t at, const uint8_t *thunk)
{
    int32_t distance = (int32_t)(thunk - (c->job->slice.rx + at + 4));

    memcpy(c->a.start + at, &distance, 4);
}

void cg_load_site(cg *c)
{
    uint32_t here;

    asm_room(&c->a);
    here = asm_offset(&c->a);
    asm_lea(&c->a, W64, RDX, asm_at(ASM_RIP, -(int32_t)(here + 7)));
}

void cg_jump_thunk(cg *c, const uint8_t *thunk)
{
    to_thunk(c, asm_jmp(&c->a), thunk);
}

void cg_call_thunk(cg *c, const uint8_t *thunk)
{
    to_thunk(c, asm_call(&c->a), thunk);
}

void cg_jcc_thunk(cg *c, uint32_t cc, const uint8_t *thunk)
{
    to_thunk(c, asm_jcc(&c->a, cc), thunk);
}

/* ---- leaving ------------------------------------------------------------------------------------------------- */

uint64_t cg_jump_pc(const cg *c, const ir_op_record *jump)
{
    uint64_t pc = 0;

    if (!cg_const(c, jump->arg[0], &pc))
        ((cg *)(uintptr_t)c)->failed = true;
    return pc;
}

void cg_credit(cg *c, uint32_t n)
{
    asm_mem budget = cg_vcpu(offsetof(pb_vcpu, budget));

    if (!n || !c->self->counted)
        return;
    asm_load(&c->a, W64, RAX, budget);
    asm_lea(&c->a, W64, RAX, asm_at(RAX, (int32_t)n));
    asm_store(&c->a, W64, budget, RAX);
}

/* Heads rise along jumps that nothing checks, so that every loop of units looks at exit_request. To compare with the
 * jump instead would not do: a unit goes on behind a jump backwards, and may end before it comes to where it began. */
static uint32_t link_flags(const cg *c, uint64_t pc)
{
    return (pc <= c->u->pc ? PB_LINK_CHECKED : 0) |
           (((pc ^ c->u->pc) & ~PB_PAGE_MASK) != 0 ? PB_LINK_FAR : 0);
}

/* To another page, whose mapping may change while this unit stays: by way of the table of indirect jumps, which is
 * dropped then. In a window the units of a page go when its mapping changes, and jumps to them with them. */
static bool is_far(const cg *c, uint64_t pc)
{
    return !c->self->direct && ((pc ^ c->u->pc) & ~PB_PAGE_MASK) != 0;
}

static void jump_far(cg *c, uint64_t pc)
{
    uint32_t align_log2 = (uint32_t)__builtin_ctz(c->self->cpu->insn_align | 1u << 31);
    int32_t at = (int32_t)(pb_jump_index(pc, align_log2) * sizeof(pb_jump_entry));

    asm_load(&c->a, W64, RCX, cg_vcpu(offsetof(pb_vcpu, jumps)));
    asm_mov_imm(&c->a, RAX, pc);
    asm_alu_load(&c->a, ALU_CMP, W64, RAX, asm_at(RCX, at + (int32_t)offsetof(pb_jump_entry, pc)));
    cg_jcc_thunk(c, CC_NE, c->self->thunk_jump_miss);
    asm_jmp_mem(&c->a, asm_at(RCX, at + (int32_t)offsetof(pb_jump_entry, entry)));
}

void cg_link(cg *c, int cc, const ir_op_record *jump)
{
    pb_code_job *job = c->job;
    uint64_t pc = cg_jump_pc(c, jump);
    uint32_t opcode = cc < 0 ? 1 : 2, at, over = CG_NONE;

    if (cc >= 0 && (c->lazy || cg_has_moves(c))) {
        cg_cold_exit(c, asm_jcc(&c->a, (uint32_t)cc), jump, 0);
        return;
    }
    cg_leave(c);
    if (jump->attr & IR_NEW_KEY || job->n_links == PB_CODE_LINKS) {
        if (cc >= 0)
            over = asm_jcc(&c->a, (uint32_t)cc ^ 1);
        asm_mov_imm(&c->a, RAX, pc);
        cg_jump_thunk(c,
                      jump->attr & IR_NEW_KEY ? c->self->thunk_new_key : c->self->thunk_jump_miss);
        if (over != CG_NONE)
            asm_patch(&c->a, over, asm_offset(&c->a));
        return;
    }
    if (is_far(c, pc)) {
        if (cc < 0)
            jump_far(c, pc);
        else
            cg_cold_exit(c, asm_jcc(&c->a, (uint32_t)cc), jump, 0);
        return;
    }
    if (pc == c->u->pc && !(job->flags & PB_CODE_ALONE)) { /* a loop: to this unit's own entry */
        at = cc < 0 ? asm_jmp(&c->a) : asm_jcc(&c->a, (uint32_t)cc);
        asm_patch(&c->a, at, c->entry);
        return;
    }
    asm_room(&c->a);
    at = ((uint32_t)(uintptr_t)job->slice.rx + asm_offset(&c->a) + opcode) & 7;
    asm_nop(&c->a, at > 4 ? 8 - at : 0); /* the displacement lies in an aligned word */
    at = cc < 0 ? asm_jmp(&c->a) : asm_jcc(&c->a, (uint32_t)cc);
    job->links[job->n_links] =
        (pb_code_link){ .pc = pc, .site = at - opcode, .flags = link_flags(c, pc) };
    cg_cold_link(c, at, job->n_links++);
}

/* The pc is computed where a debugger steps along an indirect jump. */
static void emit_exit(cg *c, const ir_op_record *r)
{
    uint64_t pc;
    bool is_const = cg_const(c, r->arg[0], &pc);

    cg_sync_packed(c);
    if (!is_const)
        cg_use_in(c, r->arg[0], RAX);
    if (!is_const && cg_type(c, r->arg[0]) == IR_I32)
        asm_mov(&c->a, W32, RAX, RAX);
    cg_leave(c);
    asm_mov_imm(&c->a, RDX, r->attr & 0xff);
    if (is_const)
        asm_mov_imm(&c->a, RAX, pc);
    cg_jump_thunk(c, c->self->thunk_reason);
}

/* The pc is in rax: what jump_miss counts on. */
static void emit_indirect(cg *c, const ir_op_record *r)
{
    cg_sync_packed(c);
    cg_use_in(c, r->arg[0], RAX);
    if (cg_type(c, r->arg[0]) == IR_I32)
        asm_mov(&c->a, W32, RAX, RAX);
    cg_leave(c);
    if (r->attr & IR_NEW_KEY) {
        cg_jump_thunk(c, c->self->thunk_new_key);
        return;
    }
    asm_load(&c->a, W64, RCX, cg_vcpu(offsetof(pb_vcpu, jumps)));
    emit_jump_index(&c->a, c->self->cpu);
    asm_alu_load(&c->a, ALU_CMP, W64, RAX, asm_index(RCX, RDX, 0, offsetof(pb_jump_entry, pc)));
    cg_jcc_thunk(c, CC_NE, c->self->thunk_jump_miss);
    asm_jmp_mem(&c->a, asm_index(RCX, RDX, 0, offsetof(pb_jump_entry, entry)));
}

/* ---- edges --------------------------------------------------------------------------------------------------- */

static uint32_t param_of(const cg *c, uint32_t block, uint32_t i)
{
    return (c->u->blocks[block].first + i) << 1;
}

static void done_with(cg *c, const cg_target *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        cg_value *v = cg_value_of(c, t->values[i]);

        if (v->uses)
            v->uses--;
    }
}

/* The block is reached from here alone and follows: its parameters are names of the values. */
static void alias_params(cg *c, const cg_target *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        cg_value *p = &c->values[param_of(c, t->block, i)], *v = cg_value_of(c, t->values[i]);

        p->rep = (uint32_t)(v - c->values);
        v->uses += p->uses;
        if (p->last > v->last)
            v->last = p->last;
    }
}

/* A value that is in the flags alone to somewhere else: edges have none. */
static void settle(cg *c, const cg_target *t)
{
    for (uint32_t i = 0; i < t->n; i++) {
        cg_value *v = cg_value_of(c, t->values[i]);

        if (cg_is_in_flags(c, v))
            cg_save_flags_value(c, (uint32_t)(v - c->values));
    }
    c->locked = 0;
}

/* A value, cut to its type, to rax or xmm15, which are empty; the flags may change. */
static cg_reg fetch(cg *c, uint32_t id)
{
    const cg_value *v = cg_value_of(c, id);
    uint32_t type = cg_type(c, id), bits = ir_type_bits[type];
    bool avx = c->features & CG_AVX;
    cg_reg r = cg_is_vector(type) ? XMM15 : RAX;

    cg_load_value(c, v, r);
    if (type == IR_FL && v->fl_valid != IR_FL_ALL)
        asm_alu_imm(&c->a, ALU_AND, W32, RAX, v->fl_valid);
    if (ir_type_bits[v->type] <= bits)
        return r;
    if (r == RAX)
        asm_movzx(&c->a, bits <= 8 ? W8 : bits == 16 ? W16 : W32, RAX, RAX);
    else if (bits == 64)
        asm_sse2(&c->a, avx, SSE_MOVQ_LOAD, 15, 15);
    else if (bits == 32)
        asm_lane_0(&c->a, avx, 15, 15);
    else
        c->failed = true; /* names of smaller parts of vectors are not made */
    return r;
}

static void store_at(cg *c, cg_reg r, int32_t offset)
{
    if (r < XMM0)
        asm_store(&c->a, W64, cg_frame_at(offset), r);
    else
        asm_sse_mem(&c->a, c->features & CG_AVX, SSE_MOVAPS_STORE, r - XMM0, cg_frame_at(offset));
}

static bool reads_own_params(const cg *c, const cg_target *t)
{
    uint32_t first = c->u->blocks[t->block].first;

    for (uint32_t i = 0; i < t->n; i++) {
        uint32_t record = (uint32_t)(cg_value_of(c, t->values[i]) - c->values) >> 1;

        if (record >= first && record < first + t->n)
            return true;
    }
    return false;
}

/* The values to the parameters' spill slots; by way of the frame if a parameter is among them. rax, xmm15 are empty. */
static void move_params(cg *c, const cg_target *t)
{
    bool between = reads_own_params(c, t);

    if (between && t->n > 8) {
        c->failed = true;
        return;
    }
    for (uint32_t i = 0; i < t->n; i++) {
        cg_value *p = &c->values[param_of(c, t->block, i)];

        if (!p->uses && !c->has_loops)
            continue;
        if (p->spill < 0)
            cg_give_spill(c, p);
        store_at(c, fetch(c, t->values[i]),
                 between ? CG_FRAME_ARGS + 16 * (int32_t)i : 16 * p->spill);
    }
    for (uint32_t i = 0; i < t->n && between; i++) {
        const cg_value *p = &c->values[param_of(c, t->block, i)];
        cg_reg r = cg_is_vector(p->type) ? XMM15 : RAX;

        if (p->spill < 0)
            continue;
        if (r == RAX)
            asm_load(&c->a, W64, RAX, cg_frame_at(CG_FRAME_ARGS + 16 * (int32_t)i));
        else
            asm_sse_mem(&c->a, c->features & CG_AVX, SSE_MOVAPS_LOAD, 15,
                        cg_frame_at(CG_FRAME_ARGS + 16 * (int32_t)i));
        store_at(c, r, 16 * p->spill);
    }
}

void cg_branch_to(cg *c, uint32_t at, uint32_t block)
{
    cg_block *b = &c->blocks[block];

    if (b->offset != CG_NONE) {
        asm_patch(&c->a, at, b->offset);
        return;
    }
    memcpy(c->a.start + at, &b->fixups, 4);
    b->fixups = at;
}

/* The block follows in the code and is reached from here alone, and nobody looks where it begins. */
static bool goes_on(const cg *c, const cg_target *t)
{
    return t->block == c->next && c->blocks[c->next].n_preds == 1 && !c->blocks[c->next].checked &&
           cg_same_map(c, c->next);
}

/* Everything is in memory, rax and xmm15 are empty. */
static void emit_edge(cg *c, const cg_target *t, uint32_t next)
{
    move_params(c, t);
    cg_cross(c, t->block);
    cg_credit(c, c->after - cg_left_at(c, t->block));
    if (t->block != next)
        cg_branch_to(c, asm_jmp(&c->a), t->block);
}

static void to_memory(cg *c)
{
    cg_sync(c);
    if (c->crosses)
        cg_save_live(c, UINT32_MAX);
    c->locked = 0;
}

static void empty_scratch(cg *c)
{
    cg_take(c, RAX);
    cg_take(c, XMM15);
    c->locked = 0;
}

/* ---- terminators --------------------------------------------------------------------------------------------- */

static bool emit_br(cg *c, const ir_op_record *r)
{
    cg_target t[2];
    bool alone;

    cg_targets(c->u, r, t);
    alone = goes_on(c, &t[0]);
    settle(c, &t[0]);
    if (alone) {
        alias_params(c, &t[0]);
    } else {
        to_memory(c);
        empty_scratch(c);
        emit_edge(c, &t[0], c->next);
    }
    done_with(c, &t[0]);
    return alone;
}

static uint32_t condition(cg *c, const ir_op_record *r)
{
    return r->op == IR_OP_BR_IF ? cg_need_condition(c, r->arg[0])
                                : cg_need_cc(c, r->arg[0], r->attr & 15);
}

static const ir_op_record *jump_of(const cg *c, const cg_target *t)
{
    return &c->u->ops[c->u->blocks[t->block].first];
}

/* Both ways leave the unit. */
static void branch_out(cg *c, const ir_op_record *r, const cg_target *t)
{
    uint32_t cc;

    cg_sync_packed(c);
    cc = condition(c, r);
    cg_link(c, (int)cc, jump_of(c, &t[0]));
    cg_link(c, CG_NO_REG, jump_of(c, &t[1]));
}

/* The bundle in the flags if it is known where CC_E is taken: all of it follows from the result. */
static uint32_t equal_bundle(const cg *c, const ir_op_record *r, uint32_t cc)
{
    uint32_t bundle = c->flags.bundle, op;

    if (r->op != IR_OP_BR_CC || cc != CC_E || bundle == CG_NONE ||
        c->flags.form != CG_FLAGS_INTEGER || bundle >= 2 * c->u->n_ops ||
        bundle != (uint32_t)(cg_value_of(c, r->arg[0]) - c->values))
        return CG_NONE;
    op = c->u->ops[bundle >> 1].op;
    return op == IR_OP_SUB_FL || op == IR_OP_AND_FL ? bundle : CG_NONE;
}

/* One way leaves the unit, the other one goes on. */
static bool branch_side(cg *c, const ir_op_record *r, const cg_target *t, uint32_t out)
{
    const cg_target *on = &t[out ^ 1];
    const ir_op_record *jump = jump_of(c, &t[out]);
    bool alone = goes_on(c, on);
    uint32_t cc, credit = c->self->counted ? c->after : 0;

    settle(c, on);
    if (!alone && !c->region)
        to_memory(c);
    cc = condition(c, r) ^ out;
    if (c->n_dirty || credit || jump->attr & IR_NEW_KEY || c->lazy || cg_has_moves(c)) {
        c->equal = equal_bundle(c, r, cc);
        cg_cold_exit(c, asm_jcc(&c->a, cc), jump, credit);
        c->equal = CG_NONE;
    } else {
        cg_link(c, (int)cc, jump);
    }
    c->left_by = t[out].block;
    if (alone) {
        alias_params(c, on);
    } else {
        if (c->region)
            to_memory(c);
        empty_scratch(c);
        emit_edge(c, on, c->next);
    }
    done_with(c, on);
    return alone;
}

/* To a block further on: what goes on behind the branch stores nothing for it. */
static void branch_over(cg *c, const ir_op_record *r, const cg_target *other, uint32_t negate)
{
    uint32_t cc = condition(c, r) ^ negate, credit = c->after - cg_left_at(c, other->block);

    if (c->n_dirty || (credit && c->self->counted) || !cg_same_map(c, other->block))
        cg_cold_branch(c, asm_jcc(&c->a, cc), other->block, credit);
    else
        cg_branch_to(c, asm_jcc(&c->a, cc), other->block);
}

/* Whether that is possible, and flags cannot be left as what they were made from, which is shorter if both ways are
 * taken as often. */
static bool can_branch_over(const cg *c, const cg_target *on, const cg_target *other)
{
    return !on->n && !other->n && !cg_can_hold_flags(c, other->block) &&
           (!c->crosses || cg_none_live(c)) &&
           (!c->self->counted || c->after == cg_left_at(c, on->block)) &&
           c->blocks[other->block].place > c->blocks[c->block].place;
}

static bool branch_in(cg *c, const ir_op_record *r, const cg_target *t)
{
    uint32_t fall = cg_falls(c, t), cc, over;
    const cg_target *on = &t[fall], *other = &t[fall ^ 1];
    bool alone = goes_on(c, on);

    if (can_branch_over(c, on, other)) {
        branch_over(c, r, other, fall ^ 1);
        c->left_by = on->block == other->block ? CG_NONE : other->block;
        if (!alone) {
            to_memory(c);
            empty_scratch(c);
            emit_edge(c, on, c->next);
        }
        return alone;
    }
    settle(c, on);
    settle(c, other);
    cg_hold_flags(c, other->block);
    to_memory(c);
    empty_scratch(c);
    cc = condition(c, r) ^ (fall ^ 1); /* of going to `other` */
    cg_save_live(c, UINT32_MAX);
    empty_scratch(c);
    if (!other->n && cg_same_map(c, other->block) &&
        (!c->self->counted || c->after == cg_left_at(c, other->block))) {
        cg_branch_to(c, asm_jcc(&c->a, cc), other->block);
    } else {
        over = asm_jcc(&c->a, cc ^ 1);
        emit_edge(c, other, CG_NONE);
        asm_patch(&c->a, over, asm_offset(&c->a));
    }
    c->held = false;
    c->left_by = other->block;
    if (alone) {
        cg_credit(c, c->after - cg_left_at(c, on->block));
        alias_params(c, on);
    } else {
        cg_sync(c); /* flags that were held */
        empty_scratch(c);
        emit_edge(c, on, c->next);
    }
    done_with(c, on);
    done_with(c, other);
    return alone;
}

bool cg_terminate(cg *c, const ir_op_record *r)
{
    cg_target t[2];
    uint32_t n = cg_targets(c->u, r, t);

    if (r->op == IR_OP_BR_CC && c->made == (uint32_t)(cg_value_of(c, r->arg[0]) - c->values))
        cg_remake(c); /* to be packed, if it has to be, while it is there */
    for (uint32_t i = 0; i < n; i++)
        c->blocks[t[i].block].helper_called |= c->helper_called;
    switch (r->op) {
    case IR_OP_JUMP:
        cg_sync_packed(c);
        cg_link(c, CG_NO_REG, r);
        return false;
    case IR_OP_JUMP_IND:
        emit_indirect(c, r);
        return false;
    case IR_OP_EXIT:
        emit_exit(c, r);
        return false;
    case IR_OP_BR:
        return emit_br(c, r);
    case IR_OP_BR_IF:
    case IR_OP_BR_CC:
        if (c->blocks[t[0].block].is_exit && c->blocks[t[1].block].is_exit)
            branch_out(c, r, t);
        else if (c->blocks[t[0].block].is_exit || c->blocks[t[1].block].is_exit)
            return branch_side(c, r, t, c->blocks[t[1].block].is_exit);
        else
            return branch_in(c, r, t);
        return false;
    default:
        c->failed = true;
        return false;
    }
}
