/*
 * The pass over a unit's records.
 */
#include "alloc.h"
#include "emit.h"
#include "inject.h"
#include "note.h"

/* Records and values of one unit, at most: what 240 spill slots and the place of records in 32 bits bear. */
enum { MOST_RECORDS = 16384, MOST_BLOCKS = 2048 };

/* ---- the entry ---------------------------------------------------------------------------------------------- */

/* Requests, and counted n instructions off the budget. */
static void emit_check(cg *c, uint64_t pc, uint32_t n, bool inside)
{
    if (c->self->counted && n) {
        asm_alu_mem_imm(&c->a, ALU_SUB, W64, cg_vcpu(offsetof(pb_vcpu, budget)), (int32_t)n);
        cg_cold_entry(c, asm_jcc(&c->a, CC_L), pc, n, inside);
    }
    cg_compare_request(&c->a);
    cg_cold_entry(c, asm_jcc(&c->a, CC_NE), pc, c->self->counted ? n : 0, inside);
}

/* The first instruction can be patched: five bytes in an aligned word (patchbay/codegen.h). */
static void emit_entry(cg *c)
{
    uint32_t at = (uint32_t)(uintptr_t)c->job->slice.rx & 15, n = cg_left_at(c, 0);

    asm_nop(&c->a, at & 7 ? 8 - (at & 7) : 0);
    c->entry = asm_offset(&c->a);
    emit_check(c, c->u->pc, n, false);
    c->job->entry = c->entry;
    c->job->direct = c->self->counted ? c->entry : asm_offset(&c->a);
    cg_emit_compare(c);
}

/* ---- records ------------------------------------------------------------------------------------------------- */

/* Counted, behind a helper that may have set something: requests and the budget are looked at. */
static __attribute__((noinline)) void check_after_helper(cg *c, const ir_op_record *r)
{
    uint64_t pc = c->u->marks[r->guest].pc;
    uint32_t left = c->after;

    cg_sync(c);
    cg_clobber_flags(c);
    cg_compare_request(&c->a);
    cg_cold_entry(c, asm_jcc(&c->a, CC_NE), pc, left, true);
    asm_alu_mem_imm(&c->a, ALU_CMP, W64, cg_vcpu(offsetof(pb_vcpu, budget)), 0);
    cg_cold_entry(c, asm_jcc(&c->a, CC_L), pc, left, true);
    c->locked = 0;
}

/* What follows belongs to the mark; CG_NONE: to none. */
static void note_line(cg *c, uint32_t mark)
{
    pb_code_job *job = c->job;

    if (job->n_lines < c->max_lines)
        job->lines[job->n_lines++] = (pb_code_line){ asm_offset(&c->a), mark };
}

static inline void emit_mark(cg *c, const ir_op_record *r)
{
    if (c->self->counted && c->helper_called)
        check_after_helper(c, r);
    c->helper_called = c->effect_done = false;
    c->mark = r->guest;
    c->after--;
    note_line(c, r->guest);
}

void cg_emit_late(cg *c, uint32_t record)
{
    const ir_op_record *r = &c->u->ops[record];
    uint32_t now = c->record;

    c->record = record;
    c->values[record << 1].flags &= ~CG_IS_LATE;
    if (!cg_rules[r->op](c, r) && !cg_reference(c, r))
        c->failed = true;
    cg_end_record(c);
    c->record = now;
}

static inline void emit_put(cg *c, const ir_op_record *r)
{
    if (cg_late(c, r->arg[0]) != CG_NONE)
        cg_emit_late(c, r->arg[0] >> 1);
    cg_end_use(c, cg_put(c, r->attr & 0xffff, r->arg[0]));
    c->locked = 0;
}

/* Marks, gets and puts are most of all records: they have no rules, and end what they use themselves. True: this one does
 * not. */
static inline bool emit_operation(cg *c, const ir_op_record *r)
{
    if (r->op == IR_OP_GET) {
        cg_get(c, r->attr & 0xffff);
        return false;
    }
    if (r->op == IR_OP_INSN) {
        emit_mark(c, r);
        return false;
    }
    if (r->op == IR_OP_PUT) {
        emit_put(c, r);
        return false;
    }
    if (c->span.reg != CG_NO_REG && !cg_keeps_span(r->op))
        cg_end_span(c);
    if (!(cg_rules[r->op] && cg_rules[r->op](c, r)) && !cg_reference(c, r))
        c->failed = true;
    return true;
}

/* The same, while somebody wants to know, or to have wrong code. */
static void emit_watched(cg *c, const ir_op_record *r)
{
    bool ends;

    if (c->noting)
        cg_note_record(c, c->record);
    ends = emit_operation(c, r);
    if (ends && c->self->inject_pc)
        inject(c, c->record);
    if (c->noting && r->op != IR_OP_INSN)
        cg_note_results(c, c->record);
    if (ends)
        cg_end_record(c);
}

static void emit_records(cg *c, uint32_t first, uint32_t end)
{
    const ir_op_record *r = &c->u->ops[first];
    const cg_value *v = &c->values[first << 1];
    bool watched = c->noting || c->self->inject_pc;

    for (uint32_t i = first; i < end; i++, r++, v += 2) {
        c->position = i;
        c->record = i;
        if (v->flags & (CG_IS_DEAD | CG_IS_LATE)) {
            if (c->noting)
                cg_note_skipped(c, i);
        } else if (__builtin_expect(watched, 0)) {
            emit_watched(c, r);
        } else if (emit_operation(c, r)) {
            cg_end_operation(c, r);
        }
    }
}

/* ---- blocks -------------------------------------------------------------------------------------------------- */

static void resolve(cg *c, uint32_t block)
{
    cg_block *b = &c->blocks[block];
    uint32_t at = b->fixups;

    b->offset = asm_offset(&c->a);
    while (at != CG_NONE && !c->a.full) {
        uint32_t next;

        memcpy(&next, c->a.start + at, 4);
        asm_patch(&c->a, at, b->offset);
        at = next;
    }
    b->fixups = CG_NONE;
}

/* A block that is reached from elsewhere too: all is in memory. */
static void begin_afresh(cg *c)
{
    for (uint32_t i = 0; i < c->flags.n_conditions; i++)
        c->values[c->flags.condition[i]].flags &= ~CG_IN_FLAGS;
    if (c->flags.bundle != CG_NONE)
        c->values[c->flags.bundle].flags &= ~CG_IN_FLAGS;
    c->flags.bundle = c->made = CG_NONE;
    c->flags.n_conditions = 0;
    cg_forget(c);
}

static void begin_block(cg *c, uint32_t block, bool inherits)
{
    if (!inherits) {
        c->lazy_of = CG_NONE;
        begin_afresh(c);
        cg_forget_known(c);
    }
    cg_end_span(c);
    resolve(c, block);
    c->block = block;
    cg_use_map_of(c, block);
    cg_begin_narrow(c, block);
    c->left_by = c->ahead = CG_NONE;
    c->after = c->blocks[block].left;
    if (!inherits || !c->blocks[block].place)
        cg_begin_lazy(c, block);
    if (!inherits)
        c->helper_called = c->blocks[block].helper_called;
    if (!inherits && c->u->ops[c->u->blocks[block].first].guest != CG_NONE)
        c->mark = c->u->ops[c->u->blocks[block].first].guest;
    if (c->blocks[block].checked)
        emit_check(c, c->u->marks[c->mark].pc, c->after, true);
}

static void emit_blocks(cg *c)
{
    bool inherits = true;

    for (uint32_t i = 0; i < c->n_order && !c->failed && !c->a.full; i++) {
        uint32_t block = c->order[i], next = i + 1 < c->n_order ? c->order[i + 1] : CG_NONE;
        const ir_block_info *info = &c->u->blocks[block];

        if (c->blocks[block].is_exit && i)
            continue; /* emitted with the branch to it */
        while (next != CG_NONE && c->blocks[next].is_exit)
            next = ++i + 1 < c->n_order ? c->order[i + 1] : CG_NONE;
        c->next = next;
        begin_block(c, block, inherits);
        emit_records(c, info->first + info->n_params, info->end - 1);
        c->record = c->position = info->end - 1;
        if (c->noting)
            cg_note_record(c, c->record);
        inherits = cg_terminate(c, &c->u->ops[info->end - 1]);
        cg_end_record(c);
    }
}

/* Branches to blocks that were not emitted would lead anywhere. */
static void check_fixups(cg *c)
{
    for (uint32_t b = 0; b < c->u->n_blocks && !c->a.full; b++)
        c->failed |= c->blocks[b].fixups != CG_NONE;
}

/* The stub of a retired entry. */
static void emit_stale(cg *c)
{
    if (c->noting)
        cg_note_path(c, CG_NONE, "where the entry leads if the unit is retired");
    c->job->stale = asm_offset(&c->a);
    asm_mov_imm(&c->a, RAX, c->u->pc);
    cg_jump_thunk(c, c->self->thunk_entry);
    cg_emit_changed(c);
}

/* ---- a unit --------------------------------------------------------------------------------------------------- */

_Static_assert(CG_SPILLS % 32 != 0, "the last word of spill_free is not full");

static bool begin(cg *c)
{
    c->n_values = 2 * c->u->n_ops + c->u->n_consts;
    if (!cg_take_room(c))
        return false;
    for (uint32_t i = 0; i < CG_REGS; i++)
        c->reg_value[i] = CG_NONE;
    memset(c->spill_free, 0xff, sizeof(c->spill_free));
    c->spill_free[CG_SPILLS / 32] = (1u << CG_SPILLS % 32) - 1;
    c->flags.bundle = c->made = c->lazy_of = c->ahead = c->equal = CG_NONE;
    return true;
}

static uint32_t emit_once(const x86_codegen *self, pb_code_job *job, bool more_pins)
{
    const ir_unit *u = job->unit;
    cg c = { .a = { .start = job->slice.rw,
                    .p = job->slice.rw,
                    .end = job->slice.rw + job->slice.bytes },
             .self = self,
             .u = u,
             .job = job,
             .features = self->features,
             .watched = self->direct && job->vcpu->watched,
             .more_pins = more_pins,
             .max_lines = job->flags & PB_CODE_LINES && job->lines ? job->max_lines : 0,
             .empty = UINT32_MAX,
             .mark = CG_NONE,
             .span.reg = CG_NO_REG };
    uint32_t status = PB_EMIT_TOO_LARGE;

    job->n_links = job->n_lines = job->references = 0;
    if (PB_HAS(job, records))
        job->records = 0;
    if (job->slice.bytes < 4 * ASM_MOST)
        return PB_EMIT_NO_ROOM;
    if (u->n_ops > MOST_RECORDS || u->n_consts > MOST_RECORDS || u->n_blocks > MOST_BLOCKS ||
        u->cpu != self->cpu)
        return PB_EMIT_TOO_LARGE;
    cg_note_begin(&c);
    if (begin(&c) && cg_analyse(&c)) {
        if (c.noting)
            cg_note_spans(&c);
        emit_entry(&c);
        cg_ask_narrow(&c);
        cg_arrive(&c);
        emit_blocks(&c);
        check_fixups(&c);
        note_line(&c, CG_NONE);
        if (!c.failed)
            cg_emit_cold(&c);
        if (!c.failed)
            emit_stale(&c);
        if (!c.failed)
            cg_emit_pool(&c);
        if (!c.failed)
            cg_emit_faults(&c);
        job->bytes = asm_offset(&c.a);
        status = c.failed ? PB_EMIT_TOO_LARGE : c.a.full ? PB_EMIT_NO_ROOM : PB_EMIT_OK;
    }
    cg_free_pins(&c);
    cg_free_narrow(&c);
    cg_give_room(&c);
    return status;
}

/* With one more register for slots some unit may have a rule that lacks it. */
uint32_t emit_unit(const x86_codegen *self, pb_code_job *job)
{
    bool region = job->flags & PB_CODE_REGION;
    uint32_t status = emit_once(self, job, region);

    return region && status == PB_EMIT_TOO_LARGE ? emit_once(self, job, false) : status;
}
