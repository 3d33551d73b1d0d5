/*
 * Values and registers: where each value is, and which register the next one gets. See codegen.h.
 *
 * A value may be in several places at once: a register, its spill slot, the home of a guest slot, the host's flags. A
 * register is taken from the value that is cheapest to lose: nothing, a value that nobody needs, one that
 * memory has too, then the one whose last use is farthest. A dirty slot's value that loses its register is stored to
 * the slot's home.
 */
#include "alloc.h"
#include "sites.h"

/* ---- constants ------------------------------------------------------------------------------------------ */

pb_u128 cg_constant(const cg *c, const cg_value *v)
{
    return site_cut(c->u->consts[index_of(c, v) - 2 * c->u->n_ops].value, v->type);
}

bool cg_const_bits(const cg *c, uint32_t id, uint64_t *value)
{
    uint32_t bits = ir_type_bits[cg_type(c, id)];

    if (bits > 64)
        return false;
    *value = cg_constant(c, cg_value_of(c, id)).lo & ir_sem_mask(bits);
    return true;
}

bool cg_const_imm_bits(const cg *c, uint32_t id, uint32_t bits, int32_t *value)
{
    uint64_t k;

    if (!cg_const_bits(c, id, &k))
        return false;
    if (bits < 64)
        k = (uint64_t)ir_sem_sx(k, bits);
    *value = (int32_t)k;
    return (int64_t)k == (int32_t)k;
}

/* ---- places --------------------------------------------------------------------------------------------- */

static asm_mem spill_at(const cg_value *v)
{
    return cg_frame_at(16 * v->spill);
}

void cg_move(cg *c, cg_reg to, cg_reg from)
{
    if (to == from)
        return;
    if (to < XMM0)
        asm_mov(&c->a, W64, to, from);
    else
        asm_sse2(&c->a, c->features & CG_AVX, SSE_MOVAPS_LOAD, to - XMM0, from - XMM0);
}

static void load_constant(cg *c, const cg_value *v, cg_reg r)
{
    bool avx = c->features & CG_AVX;
    pb_u128 k = cg_constant(c, v);

    if (r < XMM0) {
        asm_mov_imm(&c->a, r, k.lo);
    } else if (k.lo == 0 && k.hi == 0) {
        asm_sse3(&c->a, avx, SSE_PXOR, r - XMM0, r - XMM0, r - XMM0);
    } else {
        cg_pool_op(c, SSE_MOVAPS_LOAD | (avx ? ASM_VEX : 0), r - XMM0, 0, k, -1);
    }
}

void cg_load_value(cg *c, const cg_value *v, cg_reg r)
{
    if (v->reg >= 0) {
        cg_move(c, r, v->reg);
    } else if (v->flags & CG_IS_CONST) {
        load_constant(c, v, r);
    } else if (v->spill >= 0) {
        if (r < XMM0)
            asm_load(&c->a, W64, r, spill_at(v));
        else
            asm_sse_mem(&c->a, c->features & CG_AVX, SSE_MOVAPS_LOAD, r - XMM0, spill_at(v));
    } else if (v->home >= 0) {
        cg_load_slot(c, (uint32_t)v->home, r);
    } else {
        c->failed = true; /* a value that is nowhere: a bug, but the unit is only refused */
    }
}

static void spill(cg *c, cg_value *v)
{
    if (v->spill >= 0)
        return;
    for (uint32_t i = 0; i < (CG_SPILLS + 31) / 32; i++) {
        if (c->spill_free[i]) {
            uint32_t bit = (uint32_t)__builtin_ctz(c->spill_free[i]);

            c->spill_free[i] &= ~(1u << bit);
            v->spill = (int16_t)(32 * i + bit);
            break;
        }
    }
    if (v->spill < 0) {
        v->spill = 0;
        c->failed = true;
        return;
    }
    if (v->reg < 0)
        return; /* a parameter's: filled by the edges */
    if (v->reg < XMM0)
        asm_store(&c->a, W64, spill_at(v), v->reg);
    else
        asm_sse_mem(&c->a, c->features & CG_AVX, SSE_MOVAPS_STORE, v->reg - XMM0, spill_at(v));
}

static void free_spill(cg *c, cg_value *v)
{
    if (v->spill < 0 || c->has_loops)
        return;
    c->spill_free[v->spill / 32] |= 1u << v->spill % 32;
    v->spill = -1;
}

void cg_give_spill(cg *c, cg_value *v)
{
    spill(c, v);
}

/* ---- losing registers ----------------------------------------------------------------------------------- */

/* Another pinned register that has the value. */
int8_t cg_other_pin(const cg *c, uint32_t value, cg_reg but)
{
    if (c->values[value].copies <= (c->reg_value[but] == value))
        return CG_NO_REG;
    for (uint32_t i = 0; i < c->n_pins; i++) {
        const cg_pin *p = &c->pins[i];

        if (p->reg != but && c->slots[p->slot].value == value && c->reg_value[p->reg] == value)
            return p->reg;
    }
    return CG_NO_REG;
}

/* The register does not hold its value any more. */
void cg_drop(cg *c, cg_reg r)
{
    uint32_t value = c->reg_value[r];
    cg_value *v;

    if (value == CG_NONE)
        return;
    v = &c->values[value];
    cg_set_register(c, r, CG_NONE);
    if (v->reg == r)
        v->reg = v->copies ? cg_other_pin(c, value, r) : CG_NO_REG;
}

/* Store the value, which is in a register, to the homes of the dirty slots that have it. */
static void clean_slots_of(cg *c, cg_value *v)
{
    uint32_t value = index_of(c, v);

    for (uint32_t i = 0; v->dirty && (i = cg_next_dirty(c, i)) != CG_NONE; i++)
        if (c->slots[c->named[i]].value == value)
            cg_store_dirty(c, c->named[i]);
}

/* Empty a register, keeping what is needed of its value. */
static void evict(cg *c, cg_reg r)
{
    cg_value *v;

    if (r == c->span.reg)
        cg_end_span(c);
    if (c->reg_value[r] == CG_NONE)
        return;
    v = &c->values[c->reg_value[r]];
    if (v->reg == r && cg_other_pin(c, c->reg_value[r], r) == CG_NO_REG) {
        c->n_evicted += v->dirty || (v->uses && !in_memory(v));
        if (v->dirty && !(v->flags & CG_IS_CONST) && v->spill < 0)
            clean_slots_of(c, v);
        if (v->uses && !in_memory(v))
            spill(c, v);
    }
    cg_drop(c, r);
}

/* Registers without anything. */
static uint32_t vacant(const cg *c)
{
    return c->span.reg == CG_NO_REG ? c->empty : c->empty & ~CG_SET(c->span.reg);
}

/* Registers of a set that may be taken. */
static uint32_t free_of(const cg *c, uint32_t set)
{
    return set & c->free_set & ~c->locked;
}

/* From above: rax, rcx and rdx are wanted for their own sake. */
static cg_reg highest(uint32_t set)
{
    return (cg_reg)(31u ^ (uint32_t)__builtin_clz(set)); /* which is one instruction */
}

/* Which one to take of those, all of which have something: the first one that nobody needs, then one that memory has too, then
 * the one that is used last. */
static cg_reg cheapest(const cg *c, uint32_t set)
{
    uint32_t best_last = 0;
    bool best_in_memory = false;
    cg_reg best = CG_NO_REG;

    for (cg_reg r; set; set ^= CG_SET(r)) {
        const cg_value *v;
        bool memory;

        r = highest(set);
        if (c->reg_value[r] == CG_NONE) /* a span's */
            return r;
        v = &c->values[c->reg_value[r]];
        if (!(v->uses | v->dirty))
            return r;
        memory = in_memory(v);
        if (best == CG_NO_REG || memory > best_in_memory ||
            (memory == best_in_memory && v->last > best_last)) {
            best = r;
            best_in_memory = memory;
            best_last = v->last;
        }
    }
    return best;
}

static __attribute__((noinline)) cg_reg allocate_taken(cg *c, uint32_t set)
{
    cg_reg r = cheapest(c, free_of(c, set));

    if (r == CG_NO_REG) { /* a rule asks for too many: the unit is refused */
        c->failed = true;
        return set & 1 ? RAX : XMM8;
    }
    evict(c, r);
    c->locked |= CG_SET(r);
    return r;
}

cg_reg cg_allocate(cg *c, uint32_t set)
{
    uint32_t empty = free_of(c, set) & vacant(c);
    cg_reg r;

    if (!empty)
        return allocate_taken(c, set);
    r = highest(empty);
    c->locked |= CG_SET(r);
    return r;
}

/* ---- verbs of rules -------------------------------------------------------------------------------------- */

static __attribute__((noinline)) cg_reg fetch(cg *c, cg_value *v)
{
    cg_reg r;

    if (cg_is_in_flags(c, v)) {
        cg_save_flags_value(c, index_of(c, v));
        if (v->reg >= 0)
            return cg_use_value(c, v);
    }
    r = cg_allocate(c, class_of(v));
    cg_load_value(c, v, r);
    cg_own(c, r, v);
    return r;
}

cg_reg cg_use_value(cg *c, cg_value *v)
{
    if (v->reg < 0)
        return fetch(c, v);
    c->locked |= CG_SET(v->reg);
    return v->reg;
}

cg_reg cg_use(cg *c, uint32_t id)
{
    return cg_use_value(c, cg_value_of(c, id));
}

bool cg_is_clean(const cg *c, uint32_t id)
{
    const cg_value *v = cg_value_of(c, id);

    return ir_type_bits[v->type] <= ir_type_bits[cg_type(c, id)];
}

cg_reg cg_use_clean(cg *c, uint32_t id)
{
    uint32_t bits = ir_type_bits[cg_type(c, id)], locked;
    cg_reg from, r;

    if (cg_is_clean(c, id))
        return cg_use(c, id);
    locked = c->locked;
    from = cg_use(c, id);
    if (from >= XMM0) {
        bool avx = c->features & CG_AVX;

        r = cg_temp_vector(c);
        if (bits == 64) {
            asm_sse2(&c->a, avx, SSE_MOVQ_LOAD, r - XMM0, from - XMM0);
        } else {
            asm_lane_0(&c->a, avx, r - XMM0, from - XMM0);
        }
        return r;
    }
    r = cg_temp(c);
    asm_movzx(&c->a, bits == 8 ? W8 : bits == 16 ? W16 : W32, r, from);
    c->locked = locked | CG_SET(r); /* the whole value is not needed by the rule */
    return r;
}

uint32_t cg_occurrences(const cg *c, const cg_value *v)
{
    const ir_op_record *r = &c->u->ops[c->record];
    const uint32_t *args = r->n_args > 4 ? &c->u->extra[r->arg[0]] : r->arg;
    uint32_t n = 0;

    for (uint32_t i = 0; i < r->n_args; i++)
        n += cg_value_of(c, args[i]) == v;
    if (c->self->direct &&
        (r->op == IR_OP_LD || r->op == IR_OP_ST)) { /* of a sum, see rules_mem.c */
        uint32_t late = cg_late(c, r->arg[0]);

        n += late != CG_NONE && cg_value_of(c, c->u->ops[late].arg[0]) == v;
    }
    return n;
}

bool cg_dies(const cg *c, uint32_t id)
{
    const cg_value *v = cg_value_of(c, id);

    return !v->dirty && !(v->flags & CG_IS_CONST) && v->uses <= cg_occurrences(c, v);
}

cg_reg cg_temp(cg *c)
{
    return cg_allocate(c, CG_GENERAL_SET);
}

cg_reg cg_temp_vector(cg *c)
{
    return cg_allocate(c, CG_VECTOR_SET);
}

void cg_release(cg *c, cg_reg r)
{
    c->locked &= ~CG_SET(r);
}

/* A register that has nothing which anybody needs. */
static cg_reg idle_of(const cg *c, uint32_t set)
{
    uint32_t free = free_of(c, set);
    cg_reg r = free & vacant(c) ? highest(free & vacant(c)) : cheapest(c, free);
    const cg_value *v;

    if (r == CG_NO_REG || c->reg_value[r] == CG_NONE)
        return r;
    v = &c->values[c->reg_value[r]];
    return v->uses | v->dirty ? CG_NO_REG : r;
}

/* A value that this record still reads moves to another register. */
void cg_take(cg *c, cg_reg r)
{
    uint32_t value = c->reg_value[r];

    if (value != CG_NONE && cg_occurrences(c, &c->values[value])) {
        cg_value *v = &c->values[value];
        cg_reg to;

        c->locked |= CG_SET(r);
        to = idle_of(c, class_of(v));
        if (to == CG_NO_REG) {
            evict(c, r);
        } else {
            evict(c, to);
            cg_move(c, to, r);
            cg_set_register(c, r, CG_NONE);
            cg_own(c, to, v);
        }
    } else {
        evict(c, r);
    }
    c->locked |= CG_SET(r);
}

void cg_use_in(cg *c, uint32_t id, cg_reg r)
{
    cg_value *v = cg_value_of(c, id);

    if (cg_is_in_flags(c, v))
        cg_save_flags_value(c, index_of(c, v));
    if (v->reg == r) { /* what is moved away or stored is still in the register */
        if (v->uses > 1 || v->dirty)
            cg_take(c, r);
        cg_drop(c, r);
        c->locked |= CG_SET(r);
        return;
    }
    cg_take(c, r);
    cg_load_value(c, v, r);
}

/* Registers of operands that die here. */
static cg_reg dying_register(const cg *c, uint32_t set)
{
    const ir_op_record *r = &c->u->ops[c->record];

    set &= c->free_set & ~c->empty;
    if (!set || r->n_args > 4)
        return CG_NO_REG;
    for (uint32_t i = 0; i < r->n_args; i++) {
        const cg_value *v = cg_value_of(c, r->arg[i]);

        if (v->reg < 0 || !(set & CG_SET(v->reg)) || v->dirty || v->flags & CG_IS_CONST)
            continue;
        if (v->uses <= 1 || v->uses <= cg_occurrences(c, v))
            return v->reg;
    }
    return CG_NO_REG;
}

/* The pinned register that the result is put into soon, if it can be overwritten here. */
static cg_reg wanted_register(cg *c, const cg_value *v, uint32_t avoid)
{
    const cg_value *old;
    cg_reg r = c->pin_of_slot[v->want];

    if (avoid & CG_SET(r))
        return CG_NO_REG;
    if (c->reg_value[r] == CG_NONE)
        return r;
    old = &c->values[c->reg_value[r]];
    if (old->reg != r || in_memory(old) || cg_other_pin(c, c->reg_value[r], r) != CG_NO_REG)
        return r;
    return old->dirty || old->uses > cg_occurrences(c, old) ? CG_NO_REG : r;
}

static void take_wanted(cg *c, cg_value *v, cg_reg r)
{
    cg_drop(c, r);
    c->slots[v->want].value = CG_NONE;
    cg_own(c, r, v);
    c->locked |= CG_SET(r);
}

static cg_value *result_of(cg *c, uint32_t result)
{
    return &c->values[c->record << 1 | result];
}

static cg_reg def_anywhere(cg *c, cg_value *v, uint32_t set)
{
    cg_reg r = dying_register(c, set);

    if (r == CG_NO_REG) {
        r = cg_allocate(c, set);
    } else {
        cg_drop(c, r);
        c->locked |= CG_SET(r); /* a rule may have let go of the operand */
    }
    cg_own(c, r, v);
    return r;
}

cg_reg cg_def(cg *c, uint32_t result, uint32_t avoid)
{
    cg_value *v = result_of(c, result);
    cg_reg r;

    if (v->want < 0 || (r = wanted_register(c, v, avoid)) == CG_NO_REG)
        return def_anywhere(c, v, class_of(v) & ~avoid);
    take_wanted(c, v, r);
    return r;
}

cg_reg cg_def_from(cg *c, uint32_t result, uint32_t a, uint32_t b)
{
    cg_value *v = result_of(c, result), *x = cg_value_of(c, a);
    cg_value *y = b == CG_NONE ? NULL : cg_value_of(c, b);
    uint32_t avoid = y && y != x && y->reg >= 0 ? CG_SET(y->reg) : 0;
    cg_reg r;

    if (cg_is_in_flags(c, x))
        cg_save_flags_value(c, index_of(c, x));
    if (v->want >= 0 && (r = wanted_register(c, v, avoid)) != CG_NO_REG) {
        cg_load_value(c, x, r);
        take_wanted(c, v, r);
        return r;
    }
    if (x->reg >= 0 && c->free_set & CG_SET(x->reg) && cg_dies(c, a) && y != x) {
        r = x->reg;
        c->locked |= CG_SET(r);
        cg_drop(c, r);
    } else {
        if (x->reg >= 0)
            c->locked |= CG_SET(x->reg);
        r = cg_allocate(c, class_of(v) & ~avoid);
        cg_load_value(c, x, r);
    }
    cg_own(c, r, v);
    return r;
}

void cg_def_in(cg *c, uint32_t result, cg_reg r)
{
    if (c->reg_value[r] != CG_NONE)
        cg_drop(c, r);
    cg_own(c, r, result_of(c, result));
    c->locked |= CG_SET(r);
}

void cg_def_alias(cg *c, uint32_t result, uint32_t id)
{
    cg_value *v = result_of(c, result), *x = cg_value_of(c, id);

    v->rep = index_of(c, x);
    x->uses += v->uses;
    if (v->last > x->last)
        x->last = v->last;
}

/* ---- ends and edges ------------------------------------------------------------------------------------- */

/* Nobody needs the value any more: its places are free. What a clean slot's home has may stay in its register. */
void cg_release_value(cg *c, cg_value *v)
{
    if (v->uses || v->dirty || v->flags & CG_IS_CONST)
        return;
    if (c->made != CG_NONE)
        cg_end_made(c, v);
    if (v->reg >= 0 && c->free_set & CG_SET(v->reg) && v->home < 0)
        cg_drop(c, v->reg);
    free_spill(c, v);
}

void cg_end_fused(cg *c)
{
    uint32_t first = cg_fused(c);
    cg_value *v;

    if (first == CG_NONE)
        return;
    v = cg_value_of(c, c->u->ops[first].arg[0]);
    v->uses--;
    cg_release_value(c, v);
}

void cg_end_record(cg *c)
{
    cg_end_operation(c, &c->u->ops[c->record]);
}

void cg_save_value(cg *c, cg_value *v)
{
    if (v->flags & CG_IS_CONST || v->spill >= 0)
        return;
    if (cg_is_in_flags(c, v))
        cg_save_flags_value(c, index_of(c, v));
    if (v->reg < 0 && v->home >= 0)
        cg_use_value(c, v);
    spill(c, v);
}

static void save_if_live(cg *c, cg_value *v)
{
    uint32_t locked = c->locked;

    if (v->flags & CG_IN_FLAGS && v->uses > cg_occurrences(c, v))
        cg_save_value(c, v);
    c->locked = locked;
}

void cg_save_live(cg *c, uint32_t set)
{
    for (set &= ~c->empty; set; set &= set - 1) {
        uint32_t r = (uint32_t)__builtin_ctz(set);
        cg_value *v = c->reg_value[r] == CG_NONE ? NULL : &c->values[c->reg_value[r]];

        if (v && v->uses && v->uses > cg_occurrences(c, v))
            cg_save_value(c, v);
    }
    if (c->flags.bundle != CG_NONE)
        save_if_live(c, &c->values[c->flags.bundle]);
    for (uint32_t i = c->flags.n_conditions; i-- > 0;)
        save_if_live(c, &c->values[c->flags.condition[i]]);
    for (uint32_t i = 0; i < c->n_named; i++) {
        const cg_slot *s = &c->slots[c->named[i]];
        cg_value *v = s->value == CG_NONE ? NULL : &c->values[s->value];

        if (v && v->home >= 0 && v->uses && v->uses > cg_occurrences(c, v)) {
            uint32_t locked = c->locked;

            cg_save_value(c, v);
            c->locked = locked;
        }
    }
}

static bool lives(const cg *c, uint32_t value)
{
    const cg_value *v = value == CG_NONE ? NULL : &c->values[value];

    return v && v->uses && v->uses > cg_occurrences(c, v);
}

bool cg_none_live(const cg *c)
{
    bool any = lives(c, c->flags.bundle);

    for (uint32_t set = ~c->empty; set; set &= set - 1)
        any |= lives(c, c->reg_value[__builtin_ctz(set)]);
    for (uint32_t i = 0; i < c->flags.n_conditions; i++)
        any |= lives(c, c->flags.condition[i]);
    for (uint32_t i = 0; i < c->n_named; i++)
        any |= lives(c, c->slots[c->named[i]].value);
    return !any;
}

void cg_spill_all(cg *c, uint32_t set)
{
    for (set &= c->free_set & ~c->locked & ~vacant(c); set; set &= set - 1)
        evict(c, (cg_reg)__builtin_ctz(set));
}

void cg_forget(cg *c)
{
    for (uint32_t set = ~c->empty; set; set &= set - 1) {
        cg_reg r = (cg_reg)__builtin_ctz(set);

        c->values[c->reg_value[r]].reg = CG_NO_REG;
        cg_set_register(c, r, CG_NONE);
    }
    for (uint32_t i = 0; i < c->n_named; i++) {
        cg_slot *s = &c->slots[c->named[i]];

        if (s->value != CG_NONE)
            c->values[s->value].home = -1;
        s->value = CG_NONE;
    }
}
