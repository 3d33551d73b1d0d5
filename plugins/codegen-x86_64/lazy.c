/*
 * Bundles of flags that nobody reads: in regions they are kept as what they were made from.
 *
 * A loop ends in a comparison and a branch. Its flags are read there and nowhere else, but whoever looks at the state
 * before the next comparison (a request, an access that faults) must see them. To pack them costs five
 * instructions; two or three stores that change no flag are enough to make them later:
 *
 *     mov [cell a], x
 *     mov [cell b], y              not if it is a constant of 16 bits
 *     mov dword [home], marker     LAZY, what to do with the cells, the constant
 *
 * What is a slot's, in the register that it has in the loop, is read from there, and needs no cell, if the slot is not written
 * before the last look: is_kept(). Then the marker has the register's number.
 *
 * 1. The flags' home may have a marker only where the flags are not read before they are overwritten, on any way:
 *    cg_find_flags() looks for that. Nothing else may read the home there, so a get never meets a marker.
 * 2. Who may look finds the flags packed: the slow path of an access and exits of the region ask for a marker first
 *    (pack_lazy(), cg_pack_home()). Helpers that may look are called behind cg_pack_home() too.
 * 3. Flags that nobody even looks at before they are overwritten are not stored at all.
 * 4. cg.lazy: there may be a marker here. Where blocks meet there may be if an edge to them leaves one.
 * 5. Packing later costs more than packing at once. So markers are left only where the flags are overwritten before an exit
 *    is reached, or a helper that looks: then who looks is a request, or a fault.
 *
 * The slot is the first one of type IR_FL; there are cells for one.
 * 6. Stores stand before the comparison if they can, so that the host makes one operation of it and the jump.
 */
#include "alloc.h"
#include "emit.h"
#include "slow.h"

/* The marker. LAZY is a bit that neither LAHF nor SETO sets; below are CG_MADE_*, of which _RESULT is for a; bits 31:16
 * have the constant. A register's number 0 is that of no slot's: the cell. */
enum {
    LAZY = 1 << 11,
    LAZY_IMM = 1 << 4, /* b is the constant */
    LAZY_KIND = LAZY_IMM - 1,
    LAZY_A = 12, /* a's register, 4 bits */
    LAZY_B = 16, /* b's, if it is no constant */
};

enum { MANY_STORES = 3 };

/* ---- where flags are read, and where somebody may look at them ------------------------------------------------ */

enum { NOTHING_YET = 1, IS_READ = 2, IS_SEEN = 4, IS_LEFT = 8 };

/* Operations before which the state is made complete. */
static bool calls_c(const cg *c, const ir_op_record *r)
{
    return (r->op == IR_OP_CALL && cg_is_precise(c, r)) || r->op == IR_OP_GET_IDX ||
           r->op == IR_OP_PUT_IDX;
}

/* What records from `i` to the end of a block do with the flags first. Beside that, before it: IS_SEEN, somebody may
 * have looked; IS_LEFT: looked, or the unit is left, so that they are packed. */
static uint32_t first_use(const cg *c, uint32_t slot, uint32_t i, uint32_t end)
{
    uint32_t seen = 0;

    for (; i < end; i++) {
        const ir_op_record *r = &c->u->ops[i];
        bool mine = (r->attr & 0xffff) == slot;

        if (r->op == IR_OP_INSN ? c->self->counted : cg_is_precise(c, r))
            seen |= IS_SEEN | (calls_c(c, r) ? IS_LEFT : 0);
        if (c->values[i << 1].flags & CG_IS_DEAD || !mine)
            continue;
        if (r->op == IR_OP_GET)
            return seen | IS_READ;
        if (r->op == IR_OP_PUT)
            return seen;
    }
    return seen | NOTHING_YET;
}

/* From the start of a block. */
static uint32_t use_from(const cg *c, uint32_t block)
{
    const cg_block *b = &c->blocks[block];

    return (b->flags_read ? IS_READ : 0) | (b->flags_seen ? IS_SEEN : 0) |
           (b->flags_left ? IS_LEFT : 0);
}

/* Behind a terminator. */
static uint32_t use_behind(const cg *c, uint32_t block)
{
    cg_target t[2];
    uint32_t n = cg_targets(c->u, &c->u->ops[c->u->blocks[block].end - 1], t);
    uint32_t use = n ? 0 : IS_SEEN | IS_LEFT;

    for (uint32_t i = 0; i < n; i++)
        use |= t[i].block == c->left_by ? 0 : use_from(c, t[i].block);
    return use;
}

static uint32_t use_after(const cg *c, uint32_t block, uint32_t record)
{
    uint32_t use = first_use(c, c->lazy_slot, record, c->u->blocks[block].end);

    return use & NOTHING_YET ? use | use_behind(c, block) : use;
}

/* By the uses behind it; loops take several turns. */
static bool look_back(cg *c, uint32_t block)
{
    cg_block *b = &c->blocks[block];
    uint32_t use = use_after(c, block, c->u->blocks[block].first);
    bool read = use & IS_READ, seen = use & IS_SEEN || b->checked, left = use & IS_LEFT;
    bool changed = read != b->flags_read || seen != b->flags_seen || left != b->flags_left;

    b->flags_read = read;
    b->flags_seen = seen;
    b->flags_left = left;
    return changed;
}

static bool may_leave(uint32_t use)
{
    return use & IS_SEEN && !(use & (IS_READ | IS_LEFT));
}

static bool has_put(const cg *c, uint32_t block)
{
    for (uint32_t i = c->u->blocks[block].first; i < c->u->blocks[block].end; i++) {
        const ir_op_record *r = &c->u->ops[i];

        if (r->op == IR_OP_PUT && (r->attr & 0xffff) == c->lazy_slot &&
            !(c->values[i << 1].flags & CG_IS_DEAD))
            return true;
    }
    return false;
}

/* Where there may be a marker: it was made at the edge, or before. */
static bool look_ahead(cg *c, uint32_t block)
{
    bool passes = c->blocks[block].flags_lazy && !has_put(c, block), changed = false;
    cg_target t[2];
    uint32_t n = cg_targets(c->u, &c->u->ops[c->u->blocks[block].end - 1], t);

    for (uint32_t i = 0; i < n; i++) {
        cg_block *to = &c->blocks[t[i].block];

        if (!to->flags_lazy && (passes || may_leave(use_from(c, t[i].block))))
            changed = to->flags_lazy = true;
    }
    return changed;
}

void cg_find_flags(cg *c)
{
    bool changed = true;

    c->left_by = CG_NONE;
    c->lazy_slot = c->region && c->self->n_flag_slots && cg_does(c, CG_PASS_LAZY)
                       ? c->self->flag_slots[0]
                       : CG_NONE;
    if (c->lazy_slot == CG_NONE)
        return;
    while (changed) {
        changed = false;
        for (uint32_t i = c->n_order; i-- > 0;)
            changed |= look_back(c, c->order[i]);
    }
    for (changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < c->n_order; i++)
            changed |= look_ahead(c, c->order[i]);
    }
}

void cg_begin_lazy(cg *c, uint32_t block)
{
    c->lazy = c->blocks[block].flags_lazy;
}

/* ---- storing ---------------------------------------------------------------------------------------------------- */

static asm_mem cell(uint32_t i)
{
    return cg_frame_at(CG_FRAME_LAZY + 8 * (int32_t)i);
}

/* Where a value of at most 64 bits is, for a store: a register, or a constant. */
typedef struct source {
    cg_reg reg; /* CG_NO_REG: the constant */
    int64_t imm;
} source;

static bool find_source(const cg *c, uint32_t id, source *s)
{
    const cg_value *v = cg_value_of(c, id);
    uint64_t k;

    *s = (source){ .reg = v->reg };
    if (v->reg >= 0)
        return v->reg < XMM0 && c->reg_value[v->reg] == index_of(c, v);
    if (!cg_const(c, id, &k))
        return false;
    s->imm = ir_sem_sx(k, ir_type_bits[cg_type(c, id)]);
    return s->imm == (int32_t)s->imm;
}

/* ---- what stays in registers -------------------------------------------------------------------------------------- */

/* What became of a slot behind some records: whether somebody may look at the flags after it was written. The flags are put, or
 * packed for a call: then nobody looks any more. */
typedef enum kept { IS_KEPT, IS_WRITTEN, IS_LOST, IS_OVER } kept;

static kept kept_by(const cg *c, uint32_t slot, uint32_t i, uint32_t end, bool written)
{
    for (; i < end; i++) {
        const ir_op_record *r = &c->u->ops[i];

        if (r->op == IR_OP_INSN ? c->self->counted : cg_is_precise(c, r)) {
            if (written)
                return IS_LOST;
            if (calls_c(c, r))
                return IS_OVER;
        }
        if (r->op != IR_OP_PUT || c->values[i << 1].flags & CG_IS_DEAD)
            continue;
        if ((r->attr & 0xffff) == c->lazy_slot)
            return IS_OVER;
        written |= (r->attr & 0xffff) == slot;
    }
    return written ? IS_WRITTEN : IS_KEPT;
}

/* In cg_block.flags_way: the block is reached, by a way without and with a write; and what is behind it was looked at. */
enum { REACHED = 1, REACHED_WRITTEN = 2, DONE_LOG2 = 2 };

static bool reach_block(cg *c, uint32_t block, bool written)
{
    cg_block *to = &c->blocks[block];

    if (!cg_same_map(c, block) || (written && to->checked))
        return false;
    to->flags_way |= written ? REACHED_WRITTEN : REACHED;
    return true;
}

/* The ways on from a block. */
static bool reach(cg *c, uint32_t block, kept how)
{
    cg_target t[2];
    uint32_t n = cg_targets(c->u, &c->u->ops[c->u->blocks[block].end - 1], t);
    bool so_far = how != IS_LOST && (how != IS_WRITTEN || n > 0);

    for (uint32_t i = 0; i < n && so_far && how != IS_OVER; i++)
        so_far = reach_block(c, t[i].block, how == IS_WRITTEN);
    return so_far;
}

/* The next block that is reached, in a way that was not followed yet. */
static bool follow_one(cg *c, uint32_t slot, bool *found)
{
    *found = false;
    for (uint32_t i = 0; i < c->n_order; i++) {
        const ir_block_info *info = &c->u->blocks[c->order[i]];
        cg_block *b = &c->blocks[c->order[i]];

        for (uint32_t way = REACHED; way <= REACHED_WRITTEN; way <<= 1) {
            if (!(b->flags_way & way) || b->flags_way & way << DONE_LOG2)
                continue;
            b->flags_way |= way << DONE_LOG2;
            *found = true;
            if (!reach(c, c->order[i],
                       kept_by(c, slot, info->first, info->end, way == REACHED_WRITTEN)))
                return false;
        }
    }
    return true;
}

/* Whether a slot has its value, in the register that it has now, whenever somebody looks at the flags as they are. way: from the end
 * of this block to that one; CG_NONE: on all ways from here. */
static bool is_kept(cg *c, uint32_t slot, uint32_t way)
{
    bool found = true, so_far;

    for (uint32_t b = 0; b < c->u->n_blocks; b++)
        c->blocks[b].flags_way = 0;
    if (way != CG_NONE)
        so_far = reach_block(c, way, false);
    else
        so_far =
            reach(c, c->block, kept_by(c, slot, c->position, c->u->blocks[c->block].end, false));
    while (so_far && found)
        so_far = follow_one(c, slot, &found);
    return so_far;
}

/* Its number if the source is a register that need not go to a cell, else 0. */
static uint32_t register_kept(cg *c, const source *s, uint32_t way)
{
    for (uint32_t i = 0; s->reg > 0 && i < c->n_pins; i++)
        if (c->pins[i].reg == s->reg)
            return is_kept(c, c->pins[i].slot, way) ? (uint32_t)s->reg : 0;
    return 0;
}

/* ---- markers ------------------------------------------------------------------------------------------------------- */

static void store_cell(cg *c, uint32_t i, const source *s)
{
    if (s->reg >= 0)
        asm_store(&c->a, W64, cell(i), s->reg);
    else
        asm_store_imm(&c->a, W64, cell(i), (uint32_t)s->imm);
}

/* Whether the block stores so much that stores are what it waits for: packing stores once. */
static bool is_full_of_stores(const cg *c)
{
    uint32_t n = 0;

    for (uint32_t i = c->u->blocks[c->block].first; i < c->u->blocks[c->block].end; i++)
        n += c->u->ops[i].op == IR_OP_ST;
    return n >= MANY_STORES;
}

/* What the bundle was made from: a, b, and the marker for them. */
static bool find_sources(const cg *c, uint32_t bundle, source *a, source *b, uint32_t *kind)
{
    const ir_op_record *r = &c->u->ops[bundle >> 1];
    bool has_a, has_b, is_and;

    if (!cg_made_kind(c, bundle, kind))
        return false;
    is_and = (*kind & CG_MADE_OP) == CG_MADE_AND;
    has_b = find_source(c, r->arg[1], b);
    has_a = find_source(c, r->arg[0], a);
    if (!has_a || (is_and && !has_b)) {
        if (!find_source(c, bundle & ~1u, a))
            return false;
        *kind |= CG_MADE_RESULT;
    }
    if (!is_and || !(*kind & CG_MADE_RESULT))
        return has_b;
    *b = (source){ .reg = CG_NO_REG };
    return true;
}

/* What the bundle was made from to where who looks finds it, on the way to a block, or on all (CG_NONE). */
static bool store_lazily(cg *c, uint32_t bundle, uint32_t way)
{
    uint32_t marker, kept_a, kept_b;
    source a, b;
    bool is_imm;

    if (c->lazy_of == bundle || (c->ahead == bundle && c->ahead_way == way))
        return true;
    if (!find_sources(c, bundle, &a, &b, &marker))
        return false;
    kept_a = register_kept(c, &a, way);
    kept_b = register_kept(c, &b, way);
    if (b.reg >= 0 && !(kept_a && kept_b) && is_full_of_stores(c))
        return false;
    is_imm = b.reg < 0 && b.imm == (int16_t)b.imm;
    if (!kept_a)
        store_cell(c, 0, &a);
    if (!kept_b && !is_imm)
        store_cell(c, 1, &b);
    marker |=
        LAZY | kept_a << LAZY_A | (is_imm ? LAZY_IMM | (uint32_t)b.imm << 16 : kept_b << LAZY_B);
    asm_store_imm(&c->a, W32, cg_home(c, c->lazy_slot), marker);
    /* On the other way registers may change. */
    c->lazy_of = way == CG_NONE || !(kept_a | kept_b) ? bundle : CG_NONE;
    return true;
}

/* Whether the slot's value is in the host's flags, or not even made, and nowhere else. */
static bool is_fresh(const cg *c)
{
    const cg_slot *s = &c->slots[c->lazy_slot];
    const cg_value *v = &c->values[s->value];

    return s->dirty && (s->value == c->flags.bundle || s->value == c->made) && v->dirty == 1 &&
           cg_is_in_flags(c, v);
}

static bool leave(cg *c, uint32_t use, uint32_t way)
{
    uint32_t value = c->slots[c->lazy_slot].value;

    if (use & (IS_READ | IS_LEFT))
        return false;
    if (use & IS_SEEN) {
        if ((value == c->flags.bundle && c->flags.form != CG_FLAGS_INTEGER) ||
            !store_lazily(c, value, way))
            return false;
        c->lazy = true;
    }
    return true;
}

static void abandon(cg *c, uint32_t slot)
{
    const cg_value *v = &c->values[c->slots[slot].value];

    cg_clean_slot(c, slot);
    c->slots[slot].value = CG_NONE;
    cg_end_made(c, v);
}

/* Whether the slot is put before anybody may look at it. */
static bool is_put_unseen(const cg *c, uint32_t slot, uint32_t i, uint32_t end)
{
    for (; i < end; i++) {
        const ir_op_record *r = &c->u->ops[i];

        if (r->op == IR_OP_GET || r->op == IR_OP_PUT) {
            if ((r->attr & 0xffff) == slot && !(c->values[i << 1].flags & CG_IS_DEAD))
                return r->op == IR_OP_PUT;
        } else if (r->op == IR_OP_INSN ? c->self->counted : cg_is_precise(c, r)) {
            return false;
        }
    }
    return false;
}

bool cg_forget_flags(cg *c, uint32_t bundle)
{
    uint32_t slot = c->self->n_flag_slots ? c->self->flag_slots[0] : CG_NONE;
    const cg_value *v = &c->values[bundle];

    if (slot == CG_NONE || !cg_does(c, CG_PASS_LAZY) || v->uses || v->dirty != 1 ||
        !c->slots[slot].dirty || c->slots[slot].value != bundle ||
        !is_put_unseen(c, slot, c->position, c->u->blocks[c->block].end))
        return false;
    abandon(c, slot);
    return true;
}

bool cg_leave_flags(cg *c, uint32_t bundle)
{
    bool ends = c->position + 1 == c->u->blocks[c->block].end;
    const cg_value *v = &c->values[bundle];

    if (c->lazy_slot == CG_NONE || c->packing || c->slots[c->lazy_slot].value != bundle ||
        !is_fresh(c) || v->uses > (ends ? cg_occurrences(c, v) : 0) ||
        !leave(c, ends ? use_behind(c, c->block) : use_after(c, c->block, c->position), CG_NONE))
        return false;
    abandon(c, c->lazy_slot);
    return true;
}

bool cg_can_hold_flags(const cg *c, uint32_t block)
{
    return c->lazy_slot != CG_NONE && is_fresh(c) && !(use_from(c, block) & (IS_READ | IS_LEFT));
}

bool cg_hold_flags(cg *c, uint32_t block)
{
    c->held = c->lazy_slot != CG_NONE && is_fresh(c) && leave(c, use_from(c, block), block);
    return c->held;
}

/* ---- ahead of the comparison --------------------------------------------------------------------------------------- */

/* Whether a branch is on this record's bundle, also by way of the slot. */
static bool is_read_by(const cg *c, uint32_t bundle, const ir_op_record *branch)
{
    uint32_t id = branch->arg[0];

    return branch->op == IR_OP_BR_CC &&
           (id == bundle || (!(id & IR_CONST_BIT) && id >> 1 > c->record));
}

/* Whether this record's bundle is for the slot and the branch at the end of the block, and nothing happens in between. */
static bool is_for_branch(const cg *c, uint32_t bundle)
{
    uint32_t last = c->u->blocks[c->block].end - 1;
    bool is_put = false;

    for (uint32_t i = c->record + 1; i < last; i++) {
        const ir_op_record *r = &c->u->ops[i];

        if (r->op == IR_OP_PUT && (r->attr & 0xffff) == c->lazy_slot && r->arg[0] == bundle)
            is_put = true;
        else if (r->op != IR_OP_INSN && (r->op != IR_OP_GET || (r->attr & 0xffff) != c->lazy_slot))
            return false;
    }
    return is_put && is_read_by(c, bundle, &c->u->ops[last]);
}

/* The block that the branch leads to if it is taken; CG_NONE: it leaves the region, or need not be told of flags. */
static uint32_t branch_target(const cg *c)
{
    cg_target t[2];
    uint32_t n = cg_targets(c->u, &c->u->ops[c->u->blocks[c->block].end - 1], t), other;

    if (n != 2 || t[0].n || t[1].n || c->blocks[t[0].block].is_exit ||
        c->blocks[t[1].block].is_exit)
        return CG_NONE;
    other = t[cg_falls(c, t) ^ 1].block;
    return may_leave(use_from(c, other)) ? other : CG_NONE;
}

void cg_mark_ahead(cg *c)
{
    uint32_t bundle = c->record << 1 | 1, way;

    if (c->lazy_slot == CG_NONE || c->self->counted || !is_for_branch(c, bundle))
        return;
    way = branch_target(c);
    if (way == CG_NONE || !store_lazily(c, bundle, way))
        return;
    c->ahead = bundle;
    c->ahead_way = way;
}

/* ---- packing ---------------------------------------------------------------------------------------------------- */

void cg_pack_home(cg *c)
{
    asm_mem high;

    if (!c->lazy)
        return;
    high = cg_home(c, c->lazy_slot);
    high.disp++;
    asm_test_mem_imm(&c->a, W8, high, LAZY >> 8);
    cg_cold_flags(c, asm_jcc(&c->a, CC_NE));
    c->lazy = false;
}

void pack_lazy(pb_vcpu *vcpu, const cg_frame *f)
{
    const x86_codegen *self = f->self;
    const pb_slot *slot;
    uint32_t *home;

    if (!self->n_flag_slots)
        return;
    slot = &vcpu->type->slots[self->flag_slots[0]];
    home = (uint32_t *)(void *)((char *)vcpu->state + slot->offset);
    if (*home & LAZY) {
        uint32_t reg_a = *home >> LAZY_A & 15, reg_b = *home >> LAZY_B & 15;
        uint64_t a = reg_a ? f->general[reg_a] : f->lazy[0];
        uint64_t b = *home & LAZY_IMM ? (uint64_t)(int16_t)(*home >> 16)
                     : reg_b          ? f->general[reg_b]
                                      : f->lazy[1];

        *home = (uint32_t)cg_made_flags(*home & LAZY_KIND, a, b) & pb_slot_flags(slot);
    }
}

const uint8_t *pack_and_go_on(pb_vcpu *vcpu, cg_frame *f, const uint8_t *back)
{
    pack_lazy(vcpu, f);
    return back;
}
