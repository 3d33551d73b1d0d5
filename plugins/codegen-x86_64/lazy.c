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
 */
#include "alloc.h"
#include "emit.h"
#include "slow.h"

/* The marker. LAZY is a bit that neither LAHF nor SETO sets; below are CG_MADE_*, of which _RESULT is for cell a; bits 31:16
 * have the constant. */
enum {
    LAZY = 1 << 11,
    LAZY_IMM = 1 << 4, /* b is the constant */
    LAZY_KIND = LAZY_IMM - 1,
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

/* What the bundle was made from to the cells. */
static bool store_lazily(cg *c, uint32_t bundle)
{
    const ir_op_record *r;
    uint32_t kind;
    source a, b;
    bool has_a, has_b, is_and;

    if (c->lazy_of == bundle)
        return true;
    if (!cg_made_kind(c, bundle, &kind))
        return false;
    r = &c->u->ops[bundle >> 1];
    is_and = (kind & CG_MADE_OP) == CG_MADE_AND;
    has_b = find_source(c, r->arg[1], &b);
    has_a = find_source(c, r->arg[0], &a);
    if (!has_a || (is_and && !has_b)) {
        if (!find_source(c, bundle & ~1u, &a))
            return false;
        kind |= CG_MADE_RESULT;
    }
    if (is_and && kind & CG_MADE_RESULT)
        b = (source){ .reg = CG_NO_REG };
    else if (!has_b)
        return false;
    if (b.reg >= 0 && is_full_of_stores(c))
        return false;
    store_cell(c, 0, &a);
    if (b.reg < 0 && b.imm == (int16_t)b.imm)
        kind |= LAZY_IMM | (uint32_t)b.imm << 16;
    else
        store_cell(c, 1, &b);
    asm_store_imm(&c->a, W32, cg_home(c, c->lazy_slot), LAZY | kind);
    c->lazy_of = bundle;
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

static bool leave(cg *c, uint32_t use)
{
    uint32_t value = c->slots[c->lazy_slot].value;

    if (use & (IS_READ | IS_LEFT))
        return false;
    if (use & IS_SEEN) {
        if ((value == c->flags.bundle && c->flags.form != CG_FLAGS_INTEGER) ||
            !store_lazily(c, value))
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
        !leave(c, ends ? use_behind(c, c->block) : use_after(c, c->block, c->position)))
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
    c->held = c->lazy_slot != CG_NONE && is_fresh(c) && leave(c, use_from(c, block));
    return c->held;
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
        uint64_t b = *home & LAZY_IMM ? (uint64_t)(int16_t)(*home >> 16) : f->lazy[1];

        *home = (uint32_t)cg_made_flags(*home & LAZY_KIND, f->lazy[0], b) & pb_slot_flags(slot);
    }
}

const uint8_t *pack_and_go_on(pb_vcpu *vcpu, cg_frame *f, const uint8_t *back)
{
    pack_lazy(vcpu, f);
    return back;
}
