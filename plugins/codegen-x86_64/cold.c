/*
 * What stands behind a unit's code: slow paths with their site records, exits that store first, stubs of jumps that are
 * not linked.
 */
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
    uint32_t record; /* that it is of */
    uint8_t result, result_2;
    uint8_t n_sync;
    uint8_t n_from;
    bool inside, alone;
    bool lazy;             /* cg.lazy where the path begins */
    uint8_t map;           /* the map in use there */
    uint32_t from[3];      /* displacements of the jumps that lead here */
    const uint8_t *refill; /* thunk to call before the slow path, or null */
    uint32_t again;        /* where the probe begins */
    uint32_t start;        /* offset of the path, when it was emitted */
    bool relied_on;
    uint32_t back;
    uint32_t credit;
    uint32_t data, bytes; /* in cold_data */
    uint64_t pc;
    const ir_op_record *jump;
    uint32_t evicted;   /* cg.n_evicted where the path begins */
    cg_fix fix;         /* COLD_REDO: without `emit` there is none */
    cg_cold_emit *code; /* COLD_CODE */
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

void site_bytes(cg *c, const void *bytes, uint32_t n)
{
    if (!n)
        return;
    if (!grow((void **)&c->cold_data, &c->cap_cold_data, c->n_cold_data + n, 1)) {
        c->failed = true;
        return;
    }
    memcpy(c->cold_data + c->n_cold_data, bytes, n);
    c->n_cold_data += n;
}

static void site_byte(cg *c, uint32_t byte)
{
    uint8_t b = (uint8_t)byte;

    site_bytes(c, &b, 1);
}

static void site_word(cg *c, uint32_t word)
{
    uint16_t w = (uint16_t)word;

    site_bytes(c, &w, 2);
}

static uint32_t condition_of(cg *c, uint32_t value)
{
    for (uint32_t i = 0; i < c->flags.n_conditions; i++)
        if (c->flags.condition[i] == value)
            return c->flags.cc[i];
    c->failed = true;
    return 0;
}

static void site_place(cg *c, const cg_value *v)
{
    if (v->reg >= 0) {
        site_byte(c, (uint32_t)v->reg);
    } else if (v->flags & CG_IS_CONST) {
        site_byte(c, PLACE_CONST);
        site_bytes(c, &c->u->consts[(uint32_t)(v - c->values) - 2 * c->u->n_ops].value, 16);
    } else if (v->spill >= 0) {
        site_byte(c, PLACE_SPILL);
        site_byte(c, (uint32_t)v->spill);
    } else if (v->home >= 0) {
        site_byte(c, PLACE_HOME);
        site_word(c, (uint32_t)v->home);
    } else if (c->made == (uint32_t)(v - c->values)) {
        site_byte(c, PLACE_MADE);
        site_byte(c, c->made_kind);
        for (uint32_t i = 0; i < 2; i++)
            site_place(c, cg_value_of(c, c->made_from[i]));
    } else if (v->flags & CG_IN_FLAGS && v->type != IR_FL) {
        site_byte(c, PLACE_CONDITION);
        site_byte(c, condition_of(c, (uint32_t)(v - c->values)));
    } else if (v->flags & CG_IN_FLAGS) {
        site_byte(c, PLACE_FLAGS);
        site_byte(c, (uint32_t)c->flags.inverted_c | (uint32_t)c->flags.inverted_a << 1 |
                         (uint32_t)c->flags.form << 2);
    } else {
        c->failed = true;
        site_byte(c, 0);
    }
}

uint32_t site_sync(cg *c)
{
    uint32_t n = 0;

    for (uint32_t i = cg_next_dirty(c, 0); i != CG_NONE; i = cg_next_dirty(c, i + 1)) {
        uint32_t slot = c->named[i];
        const cg_value *v = &c->values[c->slots[slot].value];

        site_word(c, slot);
        if (c->self->cpu->slots[slot].type == IR_FL)
            site_word(c, v->fl_valid);
        site_place(c, v);
        n++;
    }
    return n;
}

/* Slots whose registers are not those of the convention: as if they were dirty. */
static uint32_t site_pins(cg *c)
{
    if (!c->region)
        return 0;
    for (uint32_t i = 0; i < c->n_pins; i++) {
        site_word(c, c->pins[i].slot);
        site_byte(c, (uint32_t)c->pins[i].reg);
    }
    return c->n_pins;
}

static uint32_t check_count(cg *c, uint32_t n)
{
    if (n > UINT8_MAX)
        c->failed = true;
    return n;
}

/* An address, which is more than its register has. */
static void site_sum(cg *c, cg_reg reg, int32_t distance)
{
    site_byte(c, PLACE_SUM);
    site_byte(c, (uint32_t)reg);
    site_bytes(c, &distance, sizeof(distance));
}

uint32_t cg_cold_slow(cg *c, uint32_t from, const ir_op_record *r, const ir_op_record *second,
                      const cg_reg *args, int32_t distance)
{
    cg_cold *cold = new_cold(c, COLD_SLOW, from);
    uint32_t number = c->n_cold - 1, at = c->n_cold_data, n;
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
    site_bytes(c, &head, sizeof(head));
    for (uint32_t i = 0; i < r->n_args; i++) {
        site_byte(c, cg_type(c, r->arg[i]));
        if (i == 0 && distance)
            site_sum(c, args[i], distance);
        else if (args[i] != CG_NO_REG)
            site_byte(c, (uint32_t)args[i]);
        else
            site_place(c, cg_value_of(c, r->arg[i]));
    }
    if (second && r->op == IR_OP_ST) {
        site_byte(c, cg_type(c, second->arg[1]));
        site_byte(c, (uint32_t)args[2]);
    }
    n = check_count(c, site_sync(c) + site_pins(c));
    if (!c->failed)
        c->cold_data[at + offsetof(site_head, n_sync)] = (uint8_t)n;
    cold = c->failed ? cold : &c->cold[number];
    cold->bytes = c->n_cold_data - at;
    return number;
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
    site_bytes(c, &head, sizeof(head));
    return c->n_cold - 1;
}

void cg_cold_fix(cg *c, uint32_t cold, const cg_fix *fix)
{
    if (!c->failed)
        c->cold[cold].fix = *fix;
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
    site_bytes(c, data, bytes);
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
    n = check_count(c, site_sync(c));
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
    n = check_count(c, site_sync(c));
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
    cg_fix fix = cold->fix;
    redo_head head;

    if (fix.emit) {
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

enum {
    ROUND_REGISTERS,
    ROUND_MADE,
    ROUND_MEMORY,
    ROUND_CONDITIONS,
    ROUND_FLAGS,
    ROUND_MASKED,
    ROUNDS
};

void cg_skip_place(const uint8_t **p)
{
    uint32_t place = *(*p)++;

    if (place == PLACE_MADE) {
        ++*p;
        cg_skip_place(p);
        cg_skip_place(p);
    } else {
        *p += place == PLACE_SPILL || place == PLACE_FLAGS || place == PLACE_CONDITION ? 1
              : place == PLACE_CONST                                                   ? 16
              : place == PLACE_HOME                                                    ? 2
              : place == PLACE_SUM                                                     ? 5
                                                                                       : 0;
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

/* Store one dirty slot if it is this round's: first what is in registers, for the others need some; flags before what
 * changes them. flipped: CF was made the carry; another slot may have the bundle too. */
static void emit_store(cg *c, uint32_t round, uint32_t slot, uint32_t valid, uint32_t place,
                       const uint8_t *p, bool *flipped)
{
    uint32_t type = c->self->cpu->slots[slot].type, mine = ROUND_MEMORY;
    bool masked = type == IR_FL && pb_slot_flags(&c->self->cpu->slots[slot]) & ~valid;
    cg_reg r = (cg_reg)place;

    if (place == PLACE_MADE)
        mine = ROUND_MADE;
    else if (place == PLACE_FLAGS)
        mine = ROUND_FLAGS;
    else if (place == PLACE_CONDITION)
        mine = ROUND_CONDITIONS;
    else if (masked)
        mine = ROUND_MASKED;
    else if (place < CG_REGS)
        mine = ROUND_REGISTERS;
    if (mine == ROUND_MASKED && round == ROUND_REGISTERS && place < CG_REGS) {
        cg_store_slot(c, slot, r); /* out of the register's way; masked there */
        return;
    }
    if (round == ROUND_MASKED && masked && (place == PLACE_FLAGS || place == PLACE_MADE))
        mask_flags(c, slot, valid);
    if (mine != round)
        return;
    if (mine == ROUND_CONDITIONS) {
        asm_setcc(&c->a, p[0], RAX);
        asm_movzx(&c->a, W8, RAX, RAX); /* the slot may be wider: a condition that was extended */
        r = RAX;
    } else if (mine == ROUND_FLAGS) {
        if (p[0] & 1 && !*flipped)
            asm_cmc(&c->a);
        *flipped = true;
        if (p[0] >> 2)
            cg_pack_form(c, (cg_flags_form)(p[0] >> 2), RCX);
        else
            pack(c, slot, valid, p[0] & 2);
        r = RAX;
    } else if (mine == ROUND_MADE) {
        bool borrow = cg_remake_cold(c, p);

        if (borrow)
            asm_cmc(&c->a);
        pack(c, slot, valid, borrow);
        r = RAX;
    } else if (mine == ROUND_MASKED && place < CG_REGS) {
        r = CG_NO_REG;
    } else if (place >= CG_REGS) {
        r = fetch(c, place, p, type);
    }
    if (r != CG_NO_REG)
        cg_store_slot(c, slot, r);
    if (mine == ROUND_MASKED)
        mask_flags(c, slot, valid);
}

static void emit_stores(cg *c, const cg_cold *cold)
{
    bool flipped = false, made = false, in_flags = false;

    for (uint32_t round = 0; round < ROUNDS; round++) {
        const uint8_t *p = c->cold_data + cold->data;

        for (uint32_t i = 0; i < cold->n_sync; i++) {
            uint32_t slot = take_word(&p), valid = IR_FL_ALL, place;

            if (c->self->cpu->slots[slot].type == IR_FL)
                valid = take_word(&p);
            place = *p;
            emit_store(c, round, slot, valid, place, p + 1, &flipped);
            cg_skip_place(&p);
            made |= place == PLACE_MADE;
            in_flags |= place == PLACE_FLAGS || place == PLACE_CONDITION;
        }
    }
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
