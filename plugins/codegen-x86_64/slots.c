/*
 * Guest slots: which value each one has, where it is stored and when. See codegen.h.
 *
 * A slot with a register has its value there always. The others are stored late: a dirty slot's value is in a register, a
 * spill slot or a constant, until something looks (cg_sync) or the value loses its register.
 */
#include "alloc.h"
#include "emit.h"

/* Of a slot that a general register may have, in memory. Most are the widest. */
static uint32_t slot_width(const cg *c, uint32_t slot)
{
    static const uint8_t widths[IR_TYPE_COUNT] = {
        [IR_I1] = W8, [IR_I8] = W8, [IR_I16] = W16, [IR_I32] = W32, [IR_I64] = W64, [IR_FL] = W16,
    };

    return widths[c->self->cpu->slots[slot].type];
}

/* ---- homes ---------------------------------------------------------------------------------------------- */

static __attribute__((noinline)) void store_vector(cg *c, uint32_t slot, cg_reg r)
{
    bool avx = c->features & CG_AVX;
    uint32_t bytes = pb_slot_bytes(c->self->cpu->slots[slot].type);
    asm_mem m = cg_home(c, slot);

    if (bytes == 2) { /* pextrw */
        asm_sse_mem(&c->a, avx, 0x15 | ASM_3A | ASM_66, r - XMM0, m);
        asm_8(&c->a, 0);
    } else {
        asm_sse_mem(&c->a, avx,
                    bytes == 4   ? SSE_MOVD_STORE
                    : bytes == 8 ? SSE_MOVQ_STORE
                                 : SSE_MOVUPS_STORE,
                    r - XMM0, m);
    }
}

void cg_store_slot(cg *c, uint32_t slot, cg_reg r)
{
    uint32_t w = slot_width(c, slot);

    if (r >= XMM0) {
        store_vector(c, slot, r);
    } else if (w == W64) {
        asm_store(&c->a, W64, cg_home(c, slot), r);
    } else {
        asm_store(&c->a, w, cg_home(c, slot), r);
        c->lazy &= slot != c->lazy_slot;
    }
}

static __attribute__((noinline)) void load_vector(cg *c, uint32_t slot, cg_reg r)
{
    bool avx = c->features & CG_AVX;
    uint32_t bytes = pb_slot_bytes(c->self->cpu->slots[slot].type);
    asm_mem m = cg_home(c, slot);

    if (bytes == 2) { /* pxor, pinsrw */
        asm_sse3(&c->a, avx, SSE_PXOR, r - XMM0, r - XMM0, r - XMM0);
        asm_vrm(&c->a, 0xc4 | ASM_0F | ASM_66 | (avx ? ASM_VEX : 0), r - XMM0, r - XMM0, m);
        asm_8(&c->a, 0);
    } else {
        asm_sse_mem(&c->a, avx,
                    bytes == 4   ? SSE_MOVD_LOAD
                    : bytes == 8 ? SSE_MOVQ_LOAD
                                 : SSE_MOVUPS_LOAD,
                    r - XMM0, m);
    }
}

void cg_load_slot(cg *c, uint32_t slot, cg_reg r)
{
    uint32_t w = slot_width(c, slot);

    if (r >= XMM0)
        load_vector(c, slot, r);
    else if (w == W64)
        asm_load(&c->a, W64, r, cg_home(c, slot));
    else
        asm_load(&c->a, w, r, cg_home(c, slot));
}

/* ---- slots ---------------------------------------------------------------------------------------------- */

_Static_assert(CG_IS_SHARED == CG_IS_NAMED << 1, "who is named twice is shared");

static cg_slot *name_slot(cg *c, uint32_t slot, cg_value *v)
{
    cg_slot *s = &c->slots[slot];

    if (!s->listed) {
        s->listed = true;
        s->place = (uint16_t)c->n_named;
        c->named[c->n_named++] = (uint16_t)slot;
    }
    s->value = index_of(c, v);
    v->flags |= (uint8_t)((v->flags & CG_IS_NAMED) << 1 | CG_IS_NAMED);
    return s;
}

/* The home does not have the value any more; another one may. */
static void lose_home(cg *c, cg_value *v, uint32_t slot)
{
    uint32_t value = index_of(c, v);

    v->home = -1;
    if (!(v->flags & CG_IS_SHARED))
        return;
    for (uint32_t i = 0; i < c->n_named && v->home < 0; i++) {
        uint32_t other = c->named[i];
        const cg_slot *s = &c->slots[other];

        if (other != slot && s->value == value && !s->dirty && c->pin_of_slot[other] == CG_NO_REG)
            v->home = (int16_t)other;
    }
}

static uint32_t flags_kept(const cg *c, uint32_t slot)
{
    return pb_slot_flags(&c->self->cpu->slots[slot]);
}

void cg_clean_slot(cg *c, uint32_t slot)
{
    cg_slot *s = &c->slots[slot];

    s->dirty = false;
    c->dirty_set[s->place / 64] &= ~(UINT64_C(1) << s->place % 64);
    c->n_dirty--;
    c->values[s->value].dirty--;
}

/* Store a dirty slot, whose value is in a register, a constant, or in its spill slot. */
void cg_store_dirty(cg *c, uint32_t slot)
{
    cg_slot *s = &c->slots[slot];
    cg_value *v = &c->values[s->value];
    uint32_t type = c->self->cpu->slots[slot].type, locked = c->locked;
    pb_u128 k;

    if (v->reg < 0 && c->made == s->value && cg_leave_flags(c, s->value))
        return;
    if (v->reg < 0 && (v->flags & CG_IN_FLAGS || c->made == s->value)) {
        cg_save_flags_value(c, s->value);
        if (!s->dirty)
            return;
    }
    if (v->reg < 0 && v->flags & CG_IS_CONST && !cg_is_vector(type) && type != IR_FL &&
        (k = cg_constant(c, v), (int64_t)k.lo == (int32_t)k.lo)) {
        asm_store_imm(&c->a, slot_width(c, slot), cg_home(c, slot), (uint32_t)k.lo);
    } else {
        cg_store_slot(c, slot, cg_use_value(c, v));
        if (type == IR_FL && flags_kept(c, slot) & ~v->fl_valid) {
            asm_byte(&c->a,
                     0x9c); /* pushfq: the flags may be in use. There may be no free register */
            asm_alu_mem_imm(&c->a, ALU_AND, W32, cg_home(c, slot), v->fl_valid);
            asm_byte(&c->a, 0x9d); /* popfq */
        }
    }
    c->locked = locked;
    cg_clean_slot(c, slot);
    cg_stored(c, slot, v);
}

/* The slot is clean: its home has the value, if it has all that is needed of it. */
void cg_stored(cg *c, uint32_t slot, cg_value *v)
{
    if (v->type == IR_FL && v->fl_need & ~flags_kept(c, slot))
        c->slots[slot].value = CG_NONE;
    else if (v->home < 0)
        v->home = (int16_t)slot;
}

void cg_sync(cg *c)
{
    for (uint32_t i = 0; c->n_dirty && (i = cg_next_dirty(c, i)) != CG_NONE; i++)
        if (!c->held || c->named[i] != c->lazy_slot)
            cg_store_dirty(c, c->named[i]);
}

void cg_sync_packed(cg *c)
{
    c->packing = true;
    cg_sync(c);
    c->packing = false;
}

/* A bundle in a slot that keeps other flags than are asked for: not just another name. */
static bool same_flags(const cg *c, const cg_value *asked, uint32_t slot)
{
    return asked->type != IR_FL || !(asked->fl_need & ~flags_kept(c, slot));
}

/* The value is made of the slot's home, though the slot has another one. */
static __attribute__((noinline)) void get_kept(cg *c, uint32_t slot, cg_value *v)
{
    cg_reg r;

    if (c->slots[slot].dirty)
        cg_store_dirty(c, slot);
    r = cg_allocate(c, CG_GENERAL_SET);
    cg_load_slot(c, slot, r);
    cg_own(c, r, v);
    c->locked = 0;
}

/* Nobody asks for what the slot has. */
static void end_slot(cg *c, uint32_t slot)
{
    if (!c->slots[slot].dirty)
        return;
    cg_clean_slot(c, slot);
    c->slots[slot].value = CG_NONE; /* its home has something older */
}

/* The slot has no name: it gets this one. */
static __attribute__((noinline)) void get_unnamed(cg *c, uint32_t slot, cg_value *v)
{
    int8_t pin = c->pin_of_slot[slot];

    c->failed |= c->lazy && slot == c->lazy_slot; /* a bug: see lazy.c */
    v = &c->values[cg_name_narrow(c, index_of(c, v), slot)];
    name_slot(c, slot, v);
    if (pin != CG_NO_REG)
        cg_own(c, pin, v);
    else
        v->home = (int16_t)slot;
}

/* All but the flags' ways are one of the calls at the end. */
void cg_get(cg *c, uint32_t slot)
{
    uint32_t now = c->slots[slot].value;
    cg_value *v = &c->values[c->record << 1], *same;

    if (v->type == IR_FL)
        v->fl_valid = (uint16_t)flags_kept(c, slot);
    if (now == CG_NONE) { /* and is not dirty */
        get_unnamed(c, slot, v);
        return;
    }
    if (!same_flags(c, v, slot)) {
        get_kept(c, slot, v);
    } else {
        same = &c->values[now];
        v->rep = now;
        same->uses += v->uses;
        if (v->last > same->last)
            same->last = v->last;
    }
    if (v->flags & CG_IS_LAST)
        end_slot(c, slot);
}

/* The slot gets another value: the old one keeps a place if it is needed. */
static __attribute__((noinline)) void forget_slot(cg *c, uint32_t slot, const cg_value *but)
{
    cg_slot *s = &c->slots[slot];
    cg_value *old = &c->values[s->value];
    bool needed;

    if (s->dirty)
        cg_clean_slot(c, slot);
    s->value = CG_NONE;
    needed = old->uses || old->dirty || old == but;
    if (old->home == (int32_t)slot && needed && old->reg < 0 && old->spill < 0)
        cg_use_value(c, old);
    if (old->home == (int32_t)slot)
        lose_home(c, old, slot);
    if (cg_is_idle(c, old))
        cg_release_value(c, old);
}

static __attribute__((noinline)) void put_pinned(cg *c, uint32_t slot, cg_value *v, cg_reg pin)
{
    uint32_t value = index_of(c, v), before = c->reg_value[pin];
    bool part = ir_type_bits[v->type] > ir_type_bits[c->self->cpu->slots[slot].type];

    c->slots[slot].value = CG_NONE;
    if (before == value && v->reg == pin && !part) { /* it was computed there */
        name_slot(c, slot, v);
        return;
    }
    if (before != CG_NONE && before != value) {
        cg_value *old = &c->values[before];

        if ((old->uses || old->dirty) && old->reg == pin && !in_memory(old) &&
            cg_other_pin(c, before, pin) == CG_NO_REG) {
            cg_reg t = cg_allocate(c, class_of(old));

            cg_move(c, t, pin);
            cg_set_register(c, pin, CG_NONE);
            cg_own(c, t, old);
        }
        cg_drop(c, pin);
    }
    if (cg_is_in_flags(c, v))
        cg_save_flags_value(c, value);
    if (part) { /* of a wider value: cut off, and without a name */
        if (v->reg < 0)
            cg_load_value(c, v, pin);
        if (pin < XMM0)
            asm_mov(&c->a, W32, pin, v->reg >= 0 ? v->reg : pin);
        else
            asm_sse2(&c->a, c->features & CG_AVX, SSE_MOVQ_LOAD, pin - XMM0,
                     (v->reg >= 0 ? v->reg : pin) - XMM0);
        if (c->reg_value[pin] != CG_NONE)
            cg_drop(c, pin);
        return;
    }
    if (v->reg != pin)
        cg_load_value(c, v, pin);
    if (v->reg >= 0 && v->reg != pin && c->free_set & CG_SET(v->reg)) {
        cg_set_register(c, v->reg, CG_NONE);
        v->reg = CG_NO_REG;
    }
    cg_set_register(c, pin, value);
    if (v->reg < 0)
        v->reg = (int8_t)pin;
    name_slot(c, slot, v);
}

/* A part of a wider value: at once. */
static __attribute__((noinline)) void put_part(cg *c, uint32_t slot, uint32_t id)
{
    bool clean = c->self->cpu->slots[slot].type == IR_I1;

    cg_store_slot(c, slot, clean ? cg_use_clean(c, id) : cg_use(c, id));
}

cg_value *cg_put(cg *c, uint32_t slot, uint32_t id)
{
    cg_value *v = cg_value_of(c, id);
    int8_t pin = c->pin_of_slot[slot];
    cg_slot *s = &c->slots[slot];

    if (s->value == index_of(c, v))
        return v;
    cg_put_narrow(c, slot);
    if (pin != CG_NO_REG) {
        put_pinned(c, slot, v, pin);
        return v;
    }
    if (s->value != CG_NONE)
        forget_slot(c, slot, v);
    if (ir_type_bits[v->type] > ir_type_bits[c->self->cpu->slots[slot].type]) {
        put_part(c, slot, id);
        return v;
    }
    name_slot(c, slot, v);
    s->dirty = true;
    c->dirty_set[s->place / 64] |= UINT64_C(1) << s->place % 64;
    c->n_dirty++;
    v->dirty++;
    return v;
}
