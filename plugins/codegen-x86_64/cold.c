/*
 * What stands behind a unit's code: slow paths with their site records, exits that store first, stubs of jumps that are
 * not linked.
 */
#include "alloc.h"
#include "emit.h"
#include "note.h"
#include "sites.h"

#include <stdlib.h>

enum {
    COLD_SLOW,
    COLD_REDO,
    COLD_CODE,
    COLD_UNORDERED,
    COLD_EXIT,
    COLD_BRANCH,
    COLD_ENTRY,
    COLD_FLAGS,
    COLD_LINK
};

typedef struct cg_cold {
    uint8_t kind;
    uint8_t result, result_2;
    uint8_t n_sync;
    uint8_t n_from;
    uint8_t map; /* the map in use where the path begins */
    bool lazy;   /* cg.lazy there */
    bool inside, alone;
    bool relied_on;
    uint32_t record;  /* that it is of */
    uint32_t from[3]; /* displacements of the jumps that lead here */
    uint32_t start;   /* offset of the path, when it was emitted */
    uint32_t back;
    uint32_t data, bytes; /* in cold_data */
    uint32_t again;       /* COLD_SLOW: where the probe begins */
    uint32_t credit;
    uint32_t evicted;          /* cg.n_evicted where the path begins */
    uint32_t fix;              /* COLD_REDO: of a cg_fix in cold_data, + 1; 0: there is none */
    union {                    /* by kind */
        const uint8_t *refill; /* COLD_SLOW: thunk to call before, or null */
        cg_cold_emit *code;    /* COLD_CODE */
        uint64_t pc;           /* COLD_ENTRY */
        const ir_op_record *jump;
    };
} cg_cold;

static bool grow(void **array, uint32_t *cap, uint32_t wanted, size_t each)
{
    uint32_t n = *cap ? *cap : 64;
    void *grown;

    if (wanted <= *cap)
        return true;
    while (n < wanted)
        n *= 2;
    grown = realloc(*array, n * each);
    if (!grown)
        return false;
    *array = grown;
    *cap = n;
    return true;
}

static cg_cold *new_cold(cg *c, uint32_t kind, uint32_t from)
{
    static _Thread_local cg_cold waste;

    if (!grow((void **)&c->cold, &c->cap_cold, c->n_cold + 1, sizeof(cg_cold))) {
        c->failed = true;
        return &waste;
    }
    c->cold[c->n_cold] = (cg_cold){ .kind = (uint8_t)kind,
                                    .record = c->record,
                                    .n_from = from != CG_NONE,
                                    .lazy = c->lazy,
                                    .map = (uint8_t)cg_map_now(c),
                                    .from = { from },
                                    .data = c->n_cold_data };
    return &c->cold[c->n_cold++];
}

/* ---- records ---------------------------------------------------------------------------------------------- */

/* The most that put_dirty() writes for a slot: number, flags, and a place made of two constants. */
enum { SLOT_MOST = 2 + 2 + 2 + 2 * (1 + 16) };

/* Where the next bytes of cold_data go, of which there are at most n; null: there is no memory. */
static uint8_t *reserve(cg *c, uint32_t n)
{
    if (grow((void **)&c->cold_data, &c->cap_cold_data, c->n_cold_data + n, 1))
        return c->cold_data + c->n_cold_data;
    c->failed = true;
    return NULL;
}

/* They were written up to p. */
static void written(cg *c, const uint8_t *p)
{
    c->n_cold_data = (uint32_t)(p - c->cold_data);
}

static void put_bytes(uint8_t **p, const void *bytes, uint32_t n)
{
    memcpy(*p, bytes, n);
    *p += n;
}

static void put_byte(uint8_t **p, uint32_t byte)
{
    *(*p)++ = (uint8_t)byte;
}

static void put_word(uint8_t **p, uint32_t word)
{
    uint16_t w = (uint16_t)word;

    put_bytes(p, &w, 2);
}

static void append(cg *c, const void *bytes, uint32_t n)
{
    uint8_t *p = n ? reserve(c, n) : NULL;

    if (!p)
        return;
    put_bytes(&p, bytes, n);
    written(c, p);
}

static uint32_t condition_of(cg *c, uint32_t value)
{
    for (uint32_t i = 0; i < c->flags.n_conditions; i++)
        if (c->flags.condition[i] == value)
            return c->flags.cc[i];
    c->failed = true;
    return 0;
}

static uint8_t *put_place(cg *c, uint8_t *p, const cg_value *v);

/* A subtraction with the result 0 has no borrow, whose opposite a bundle has, and an AND has no carry. */
static uint64_t bundle_of_equal(const cg *c, const cg_value *v)
{
    uint32_t carries = 1 << IR_FLAG_C | 1 << IR_FLAG_A;
    bool is_and = c->u->ops[index_of(c, v) >> 1].op == IR_OP_AND_FL;

    return v->fl_valid & (1 << IR_FLAG_Z | 1 << IR_FLAG_P | (is_and ? 0 : carries));
}

/* Of what is not in a register. */
static __attribute__((noinline)) uint8_t *put_other_place(cg *c, uint8_t *p, const cg_value *v)
{
    if (v->flags & CG_IS_CONST) {
        put_byte(&p, PLACE_CONST);
        put_bytes(&p, &c->u->consts[index_of(c, v) - 2 * c->u->n_ops].value, 16);
    } else if (v->spill >= 0) {
        put_byte(&p, PLACE_SPILL);
        put_byte(&p, (uint32_t)v->spill);
    } else if (v->home >= 0) {
        put_byte(&p, PLACE_HOME);
        put_word(&p, (uint32_t)v->home);
    } else if (c->made == index_of(c, v)) {
        put_byte(&p, PLACE_MADE);
        put_byte(&p, c->made_kind);
        for (uint32_t i = 0; i < 2; i++)
            p = put_place(c, p, cg_value_of(c, c->made_from[i]));
    } else if (c->equal == index_of(c, v)) {
        put_byte(&p, PLACE_CONST);
        put_bytes(&p, &(pb_u128){ bundle_of_equal(c, v), 0 }, 16);
    } else if (v->flags & CG_IN_FLAGS && v->type != IR_FL) {
        put_byte(&p, PLACE_CONDITION);
        put_byte(&p, condition_of(c, index_of(c, v)));
    } else if (v->flags & CG_IN_FLAGS) {
        put_byte(&p, PLACE_FLAGS);
        put_byte(&p, (uint32_t)c->flags.inverted_c | (uint32_t)c->flags.inverted_a << 1 |
                         (uint32_t)c->flags.form << 2);
    } else {
        c->failed = true;
        put_byte(&p, 0);
    }
    return p;
}

static uint8_t *put_place(cg *c, uint8_t *p, const cg_value *v)
{
    if (v->reg < 0)
        return put_other_place(c, p, v);
    put_byte(&p, (uint32_t)v->reg);
    return p;
}

/* The dirty slots; their number. */
static uint32_t append_dirty(cg *c)
{
    const pb_slot *slots = c->self->cpu->slots;
    uint32_t n = c->n_dirty;
    uint8_t *p = n ? reserve(c, n * SLOT_MOST) : NULL;

    if (!p)
        return 0;
    for (uint32_t first = 0; first < c->n_named; first += 64) {
        for (uint64_t set = c->dirty_set[first / 64]; set; set &= set - 1) {
            uint32_t slot = c->named[first + (uint32_t)__builtin_ctzll(set)];
            const cg_value *v = &c->values[c->slots[slot].value];

            put_word(&p, slot);
            if (slots[slot].type == IR_FL)
                put_word(&p, v->fl_valid);
            p = put_place(c, p, v);
        }
    }
    written(c, p);
    return n;
}

/* Slots whose registers are not those of the convention: as if they were dirty. */
static uint32_t append_pins(cg *c)
{
    uint8_t *p = c->region ? reserve(c, c->n_pins * SLOT_MOST) : NULL;

    if (!p)
        return 0;
    for (uint32_t i = 0; i < c->n_pins; i++) {
        put_word(&p, c->pins[i].slot);
        put_byte(&p, (uint32_t)c->pins[i].reg);
    }
    written(c, p);
    return c->n_pins;
}

static uint32_t check_count(cg *c, uint32_t n)
{
    if (n > UINT8_MAX)
        c->failed = true;
    return n;
}

/* An operand's type and place; of an address that is more than its register has, the distance. */
static uint8_t *put_operand(cg *c, uint8_t *p, uint32_t id, cg_reg reg, int32_t distance)
{
    put_byte(&p, cg_type(c, id));
    if (reg == CG_NO_REG)
        return put_place(c, p, cg_value_of(c, id));
    if (distance)
        put_byte(&p, PLACE_SUM);
    put_byte(&p, (uint32_t)reg);
    if (distance)
        put_bytes(&p, &distance, sizeof(distance));
    return p;
}

static void append_operands(cg *c, const ir_op_record *r, const ir_op_record *second,
                            const cg_reg *args, int32_t distance)
{
    uint8_t *p = reserve(c, 4 * (1 + SLOT_MOST));

    if (!p)
        return;
    for (uint32_t i = 0; i < r->n_args; i++)
        p = put_operand(c, p, r->arg[i], args[i], i ? 0 : distance);
    if (second && r->op == IR_OP_ST)
        p = put_operand(c, p, second->arg[1], args[2], 0);
    written(c, p);
}

uint32_t cg_cold_slow(cg *c, uint32_t from, const ir_op_record *r, const ir_op_record *second,
                      const cg_reg *args, int32_t distance)
{
    cg_cold *cold = new_cold(c, COLD_SLOW, from);
    uint32_t at = c->n_cold_data, n;
    const ir_mark *mark = &c->u->marks[c->mark];
    site_head head = { .pc = mark->pc,
                       .attr = r->attr,
                       .aux = mark->aux,
                       .after = (uint16_t)c->after,
                       .op = r->op,
                       .sub = (uint8_t)r->aux,
                       .result = 0xff,
                       .span = (uint8_t)c->span.reg,
                       .result_type = r->op == IR_OP_ST ? IR_VOID : r->type,
                       .n_args = r->n_args };

    if (c->after > UINT16_MAX)
        c->failed = true;
    head.flags = (uint8_t)((c->job->flags & PB_CODE_ALONE ? SITE_ALONE : 0) |
                           (c->effect_done ? SITE_EFFECT : 0) | (c->region ? SITE_OWN_PINS : 0));
    if (second) {
        head.flags |= SITE_PAIR;
        head.n_args += r->op == IR_OP_ST;
    }
    append(c, &head, sizeof(head));
    append_operands(c, r, second, args, distance);
    n = check_count(c, append_dirty(c) + append_pins(c));
    if (!c->failed)
        c->cold_data[at + offsetof(site_head, n_sync)] = (uint8_t)n;
    cold->bytes = c->n_cold_data - at;
    return c->n_cold - 1;
}

uint32_t cg_cold_redo(cg *c, uint32_t from, const ir_op_record *r, const cg_reg *args,
                      cg_reg result)
{
    redo_head head = {
        .attr = r->attr, .n_args = r->n_args, .result = (uint8_t)result, .result_type = r->type
    };
    uint32_t number = cg_reference_number(c, r);
    cg_cold *k;

    if (number == CG_NONE) /* all operations of which parts are inline have one */
        c->failed = true;
    head.reference = (uint16_t)number;
    for (uint32_t i = 0; i < r->n_args && i < 4; i++) {
        head.arg[i] = (uint8_t)args[i];
        head.type[i] = (uint8_t)cg_type(c, r->arg[i]);
    }
    k = new_cold(c, COLD_REDO, from);
    k->back = asm_offset(&c->a);
    k->evicted = c->n_evicted;
    k->result = (uint8_t)result;
    k->bytes = sizeof(head);
    append(c, &head, sizeof(head));
    return c->n_cold - 1;
}

void cg_cold_fix(cg *c, uint32_t cold, const cg_fix *fix)
{
    append(c, fix, sizeof(*fix));
    if (!c->failed)
        c->cold[cold].fix = c->n_cold_data - (uint32_t)sizeof(*fix) + 1;
}

void cg_cold_relied_on(cg *c, uint32_t cold)
{
    if (!c->failed)
        c->cold[cold].relied_on = true;
}

uint32_t cg_cold_start(const cg *c, uint32_t cold)
{
    return c->cold[cold].start;
}

void cg_cold_refill(cg *c, uint32_t cold, uint32_t again, cg_reg address, bool write)
{
    if (c->failed)
        return;
    c->cold[cold].refill = c->self->thunk_refill[write][address];
    c->cold[cold].again = again;
}

void cg_cold_again(cg *c, uint32_t cold, uint32_t again)
{
    if (!c->failed)
        c->cold[cold].again = again;
}

uint32_t cg_cold_code(cg *c, uint32_t from, cg_cold_emit *emit, const void *data, uint32_t bytes)
{
    uint32_t number;
    cg_cold *k = new_cold(c, COLD_CODE, from);

    number = c->n_cold - 1;
    if (bytes > CG_COLD_BYTES)
        c->failed = true;
    if (c->failed)
        return number;
    k->code = emit;
    k->bytes = bytes;
    append(c, data, bytes);
    return number;
}

void cg_cold_also(cg *c, uint32_t cold, uint32_t from)
{
    cg_cold *k = &c->cold[cold];

    if (c->failed)
        return;
    if (k->n_from == sizeof(k->from) / sizeof(k->from[0]))
        c->failed = true;
    else
        k->from[k->n_from++] = from;
}

void cg_cold_back(cg *c, uint32_t cold, cg_reg result, cg_reg result_2)
{
    if (c->failed)
        return;
    /* The store of what was evicted since is not on the cold path. A bug of the rule, but the unit is only refused. */
    if (c->cold[cold].evicted != c->n_evicted && c->cold[cold].kind == COLD_REDO)
        c->failed = true;
    c->cold[cold].result_2 = (uint8_t)result_2;
    c->cold[cold].back = asm_offset(&c->a);
    c->cold[cold].result = (uint8_t)result;
}

void cg_cold_unordered(cg *c, uint32_t from)
{
    new_cold(c, COLD_UNORDERED, from)->back = asm_offset(&c->a);
}

void cg_cold_exit(cg *c, uint32_t from, const ir_op_record *jump, uint32_t credit)
{
    uint32_t n, number;

    new_cold(c, COLD_EXIT, from);
    number = c->n_cold - 1;
    n = check_count(c, append_dirty(c));
    if (c->failed)
        return;
    c->cold[number].n_sync = (uint8_t)n;
    c->cold[number].jump = jump;
    c->cold[number].credit = credit;
}

void cg_cold_branch(cg *c, uint32_t from, uint32_t block, uint32_t credit)
{
    uint32_t n, number;

    new_cold(c, COLD_BRANCH, from);
    number = c->n_cold - 1;
    n = check_count(c, append_dirty(c));
    if (c->failed)
        return;
    c->cold[number].n_sync = (uint8_t)n;
    c->cold[number].back = block;
    c->cold[number].credit = credit;
}

void cg_cold_entry(cg *c, uint32_t from, uint64_t pc, uint32_t credit, bool inside)
{
    cg_cold *cold = new_cold(c, COLD_ENTRY, from);

    cold->inside = inside;
    cold->pc = pc;
    cold->credit = credit;
}

void cg_cold_alone(cg *c, uint32_t from, uint64_t pc, uint32_t credit)
{
    cg_cold *cold = new_cold(c, COLD_ENTRY, from);

    cold->alone = true;
    cold->pc = pc;
    cold->credit = credit;
}

void cg_cold_flags(cg *c, uint32_t from)
{
    new_cold(c, COLD_FLAGS, from)->back = asm_offset(&c->a);
}

void cg_cold_link(cg *c, uint32_t from, uint32_t link)
{
    new_cold(c, COLD_LINK, from)->credit = link;
}

/* ---- emission ----------------------------------------------------------------------------------------------- */

/* A record's bytes, the first of which are new. */
static void emit_record(cg *c, const cg_cold *cold, const void *head, uint32_t bytes)
{
    if ((size_t)(c->a.end - c->a.p) < cold->bytes + ASM_MOST) {
        c->a.full = true;
        return;
    }
    if (c->noting)
        cg_note_data(c);
    memcpy(c->a.p, head, bytes);
    memcpy(c->a.p + bytes, c->cold_data + cold->data + bytes, cold->bytes - bytes);
    c->a.p += cold->bytes;
    if (PB_HAS(c->job, records))
        c->job->records += cold->bytes;
}

static void emit_slow(cg *c, const cg_cold *cold)
{
    site_head head;

    cg_call_thunk(c, cold->refill ? cold->refill : c->self->thunk_slow);
    memcpy(&head, c->cold_data + cold->data, sizeof(head));
    if (cold->refill) {
        asm_patch(&c->a, asm_jmp(&c->a), cold->again);
        head.flags |= SITE_REFILL;
    }
    if (cold->relied_on)
        head.flags |= SITE_RELIED_ON;
    head.resume = (int32_t)(cold->back - asm_offset(&c->a));
    head.result = cold->result;
    head.result_2 = cold->result_2;
    emit_record(c, cold, &head, sizeof(head));
}

static void emit_redo(cg *c, const cg_cold *cold)
{
    redo_head head;

    if (cold->fix) {
        cg_fix fix;

        memcpy(&fix, c->cold_data + cold->fix - 1, sizeof(fix));
        fix.back = cold->back;
        fix.emit(c, &fix);
    }
    cg_call_thunk(c, c->self->thunk_redo);
    memcpy(&head, c->cold_data + cold->data, sizeof(head));
    head.resume = (int32_t)(cold->back - asm_offset(&c->a));
    emit_record(c, cold, &head, sizeof(head));
}

static uint32_t take_word(const uint8_t **p)
{
    uint16_t w;

    memcpy(&w, *p, 2);
    *p += 2;
    return w;
}

/* A constant or a spilled value to a scratch register. */
static cg_reg fetch(cg *c, uint32_t place, const uint8_t *p, uint32_t type)
{
    bool vector = cg_is_vector(type), avx = c->features & CG_AVX;
    cg_reg r = vector ? XMM15 : RAX;

    if (place == PLACE_SPILL) {
        if (vector)
            asm_sse_mem(&c->a, avx, SSE_MOVUPS_LOAD, r - XMM0, cg_frame_at(16 * p[0]));
        else
            asm_load(&c->a, W64, r, cg_frame_at(16 * p[0]));
    } else if (place == PLACE_CONST) {
        uint64_t k[2];

        memcpy(k, p, 16);
        asm_mov_imm(&c->a, RAX, k[0]);
        if (vector) {
            asm_store(&c->a, W64, cg_frame_at(CG_FRAME_SCRATCH), RAX);
            asm_mov_imm(&c->a, RAX, k[1]);
            asm_store(&c->a, W64, cg_frame_at(CG_FRAME_SCRATCH + 8), RAX);
            asm_sse_mem(&c->a, avx, SSE_MOVUPS_LOAD, r - XMM0, cg_frame_at(CG_FRAME_SCRATCH));
        }
    } else {
        cg_load_slot(c, p[0] | (uint32_t)p[1] << 8, r);
    }
    return r;
}

void cg_skip_place(const uint8_t **p)
{
    static const uint8_t bytes[] = {
        [PLACE_SPILL - PLACE_SPILL] = 1, [PLACE_CONST - PLACE_SPILL] = 16,
        [PLACE_HOME - PLACE_SPILL] = 2,  [PLACE_CONDITION - PLACE_SPILL] = 1,
        [PLACE_FLAGS - PLACE_SPILL] = 1, [PLACE_SUM - PLACE_SPILL] = 5,
    };
    uint32_t place = *(*p)++;

    if (place == PLACE_MADE) {
        ++*p;
        cg_skip_place(p);
        cg_skip_place(p);
    } else if (place >= PLACE_SPILL) {
        *p += bytes[place - PLACE_SPILL];
    }
}

/* rax = the host's flags as a bundle for the slot; auxiliary: AF is the other way round. */
static void pack(cg *c, uint32_t slot, uint32_t valid, bool auxiliary)
{
    asm_lahf(&c->a);
    asm_setcc(&c->a, CC_O, RAX);
    if (auxiliary && pb_slot_flags(&c->self->cpu->slots[slot]) & valid & 1 << IR_FLAG_A)
        asm_lea(&c->a, W32, RAX, asm_at(RAX, 1 << IR_FLAG_A));
}

/* Clear what a bundle in memory has no valid flags for. Changes the host's flags. */
static void mask_flags(cg *c, uint32_t slot, uint32_t valid)
{
    asm_alu_mem_imm(&c->a, ALU_AND, W32, cg_home(c, slot), (int32_t)valid);
}

/* Dirty slots are stored in rounds: at once what is in registers, for the others need some; flags before what changes
 * them. */
enum { ROUND_MADE, ROUND_MEMORY, ROUND_CONDITIONS, ROUND_FLAGS, ROUND_MASKED, ROUNDS };

/* What waits for one. */
typedef struct store {
    uint16_t slot, valid;
    uint8_t place, round;
    bool masked;      /* of a bundle in memory some flags are cleared, in ROUND_MASKED */
    const uint8_t *p; /* what follows the place */
} store;

static uint32_t round_of(const store *s)
{
    return s->place == PLACE_MADE        ? ROUND_MADE
           : s->place == PLACE_FLAGS     ? ROUND_FLAGS
           : s->place == PLACE_CONDITION ? ROUND_CONDITIONS
           : s->masked                   ? ROUND_MASKED
                                         : ROUND_MEMORY;
}

/* What is in a register is stored; false: the rest of it waits. */
static bool store_register(cg *c, store *s)
{
    bool bundle = c->self->cpu->slots[s->slot].type == IR_FL;

    s->masked = bundle && pb_slot_flags(&c->self->cpu->slots[s->slot]) & ~s->valid;
    if (s->place < CG_REGS)
        cg_store_slot(c, s->slot, (cg_reg)s->place); /* a bundle is masked there */
    s->round = (uint8_t)round_of(s);
    return s->place < CG_REGS && !s->masked;
}

/* The value in a register, to be stored. flipped: CF was made the carry; another slot may have the bundle too. */
static cg_reg fetch_for(cg *c, const store *s, bool *flipped)
{
    bool borrow;

    switch (s->round) {
    case ROUND_CONDITIONS:
        asm_setcc(&c->a, s->p[0], RAX);
        asm_movzx(&c->a, W8, RAX, RAX); /* the slot may be wider: a condition that was extended */
        return RAX;
    case ROUND_FLAGS:
        if (s->p[0] & 1 && !*flipped)
            asm_cmc(&c->a);
        *flipped = true;
        if (s->p[0] >> 2)
            cg_pack_form(c, (cg_flags_form)(s->p[0] >> 2), RCX);
        else
            pack(c, s->slot, s->valid, s->p[0] & 2);
        return RAX;
    case ROUND_MADE:
        borrow = cg_remake_cold(c, s->p);
        if (borrow)
            asm_cmc(&c->a);
        pack(c, s->slot, s->valid, borrow);
        return RAX;
    default:
        return fetch(c, s->place, s->p, c->self->cpu->slots[s->slot].type);
    }
}

static void emit_waiting(cg *c, const store *stores, uint32_t n)
{
    bool flipped = false;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (const store *s = stores; s < stores + n; s++) {
            if (s->round == round && s->place >= CG_REGS)
                cg_store_slot(c, s->slot, fetch_for(c, s, &flipped));
            if (s->masked && round == ROUND_MASKED)
                mask_flags(c, s->slot, s->valid);
        }
    }
}

static void emit_stores(cg *c, const cg_cold *cold)
{
    const uint8_t *p = c->cold_data + cold->data;
    store stores[UINT8_MAX];
    uint32_t n = 0;
    bool made = false, in_flags = false;

    for (uint32_t i = 0; i < cold->n_sync; i++) {
        store *s = &stores[n];

        s->slot = (uint16_t)take_word(&p);
        s->valid = IR_FL_ALL;
        if (c->self->cpu->slots[s->slot].type == IR_FL)
            s->valid = (uint16_t)take_word(&p);
        s->place = *p;
        s->p = p + 1;
        cg_skip_place(&p);
        made |= s->place == PLACE_MADE;
        in_flags |= s->place == PLACE_FLAGS || s->place == PLACE_CONDITION;
        n += !store_register(c, s);
    }
    if (n)
        emit_waiting(c, stores, n);
    c->failed |= made && in_flags; /* to make one loses the other: the unit has to be shorter */
}

static void emit_link_stub(cg *c, const cg_cold *cold)
{
    pb_code_link *link = &c->job->links[cold->credit];

    link->stub = asm_offset(&c->a);
    asm_room(&c->a);
    asm_lea(&c->a, W64, RAX, asm_at(ASM_RIP, (int32_t)(link->site - (link->stub + 7))));
    cg_jump_thunk(c, c->self->thunk_link);
}

static void note_cold(const cg *c, const cg_cold *cold)
{
    static const char *const what[] = {
        [COLD_SLOW] = "slow path",
        [COLD_REDO] = "done once more",
        [COLD_UNORDERED] = "flags of a NaN",
        [COLD_EXIT] = "way out",
        [COLD_BRANCH] = "branch",
        [COLD_ENTRY] = "asked to leave, or no budget",
        [COLD_FLAGS] = "flags that were left for later",
        [COLD_LINK] = "jump that is not linked",
        [COLD_CODE] = "a probe of its own",
    };

    cg_note_path(c, cold->record, what[cold->kind]);
    if (cold->kind == COLD_SLOW)
        cg_note_site(c, cold->record, c->cold_data + cold->data);
    else if (cold->kind == COLD_EXIT || cold->kind == COLD_BRANCH)
        cg_note_map(c, cold->record, c->cold_data + cold->data, cold->n_sync);
}

static void emit_code(cg *c, const cg_cold *cold, uint32_t number)
{
    _Alignas(16) uint8_t data[CG_COLD_BYTES];

    asm_room(&c->a);
    memcpy(data, c->cold_data + cold->data, cold->bytes);
    cold->code(c, data, number, cold->back);
}

void cg_emit_cold(cg *c)
{
    for (uint32_t i = 0; i < c->n_cold && !c->failed; i++) { /* exits add stubs */
        cg_cold cold = c->cold[i];

        c->cold[i].start = asm_offset(&c->a);
        c->lazy = cold.lazy;
        cg_use_map(c, cold.map);
        for (uint32_t k = 0; k < cold.n_from; k++)
            asm_patch(&c->a, cold.from[k], asm_offset(&c->a));
        if (c->noting)
            note_cold(c, &cold);
        switch (cold.kind) {
        case COLD_SLOW:
            emit_slow(c, &cold);
            break;
        case COLD_REDO:
            emit_redo(c, &cold);
            break;
        case COLD_CODE:
            emit_code(c, &cold, i);
            break;
        case COLD_UNORDERED:
            cg_shared_op(c, 0x80, ALU_CMP, 0, SHARED_UNORDERED, CG_UNORDERED);
            asm_patch(&c->a, asm_jmp(&c->a), cold.back);
            break;
        case COLD_EXIT:
            emit_stores(c, &cold);
            cg_credit(c, cold.credit);
            cg_link(c, CG_NO_REG, cold.jump);
            break;
        case COLD_BRANCH:
            emit_stores(c, &cold);
            cg_cross(c, cold.back);
            cg_credit(c, cold.credit);
            cg_branch_to(c, asm_jmp(&c->a), cold.back);
            break;
        case COLD_ENTRY:
            if (cold.inside)
                cg_leave(c);
            cg_credit(c, cold.credit);
            asm_mov_imm(&c->a, RAX, cold.pc);
            if (cold.alone)
                cg_load_site(c);
            cg_jump_thunk(c, cold.alone ? c->self->thunk_alone : c->self->thunk_entry);
            break;
        case COLD_FLAGS:
            cg_call_thunk(c, c->self->thunk_flags);
            asm_patch(&c->a, asm_jmp(&c->a), cold.back);
            break;
        default:
            emit_link_stub(c, &cold);
        }
    }
}
