/*
 * Telling people what is emitted (pb_code_job.note): where each record's code is, where values and slots are behind it,
 * what the recovery maps of paths say. Before that, what each pass did.
 */
#include "note.h"
#include "emit.h"
#include "passes.h"
#include "sites.h"

#include <stdio.h>

static const char *const registers[CG_REGS] = {
    "rax",  "rcx",  "rdx",  "rbx",  "rsp",   "rbp",   "rsi",   "rdi",   "r8",    "r9",    "r10",
    "r11",  "r12",  "r13",  "r14",  "r15",   "xmm0",  "xmm1",  "xmm2",  "xmm3",  "xmm4",  "xmm5",
    "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15",
};

enum { PLACE_TEXT = 64 };

static void tell(const cg *c, uint32_t kind, uint32_t record, uint32_t id, const char *text)
{
    const pb_code_note note = { .size = sizeof(note),
                                .kind = kind,
                                .offset = asm_offset(&c->a),
                                .record = record,
                                .id = id,
                                .text = text };

    c->job->note(c->job->note_opaque, &note);
}

/* Something that a pass found out; other: a record that it has to do with, or CG_NONE. */
static void remark(const cg *c, uint32_t record, uint32_t other, const char *text)
{
    tell(c, PB_NOTE_REMARK, record, other, text);
}

static void tell_pass(const cg *c, const char *name, bool is_done)
{
    tell(c, PB_NOTE_PASS, CG_NONE, is_done, name);
}

static const char *name_of_slot(const cg *c, uint32_t slot)
{
    return c->self->cpu->slots[slot].name;
}

static void place_of(const cg *c, const cg_value *v, char text[PLACE_TEXT])
{
    if (v->reg >= 0)
        snprintf(text, PLACE_TEXT, "%s%s", registers[v->reg], v->spill >= 0 ? ", spilled" : "");
    else if (v->flags & CG_IS_CONST)
        snprintf(text, PLACE_TEXT, "constant");
    else if (v->spill >= 0)
        snprintf(text, PLACE_TEXT, "spill %d", v->spill);
    else if (v->home >= 0)
        snprintf(text, PLACE_TEXT, "home of %s", name_of_slot(c, (uint32_t)v->home));
    else if (v->flags & CG_IN_FLAGS)
        snprintf(text, PLACE_TEXT, "flags");
    else if (c->made == (uint32_t)(v - c->values))
        snprintf(text, PLACE_TEXT, "what it is made from");
    else
        snprintf(text, PLACE_TEXT, "nowhere");
}

/* ---- passes ------------------------------------------------------------------------------------------------ */

/* Flags in the order of Arm's, then those that it has not. */
static void flags_text(uint32_t set, char text[PLACE_TEXT])
{
    static const struct {
        uint8_t flag;
        char name;
    } flags[] = { { IR_FLAG_N, 'N' }, { IR_FLAG_Z, 'Z' }, { IR_FLAG_C, 'C' },
                  { IR_FLAG_V, 'V' }, { IR_FLAG_P, 'P' }, { IR_FLAG_A, 'A' } };
    uint32_t n = 0;

    for (uint32_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
        if (set >> flags[i].flag & 1)
            n += (uint32_t)snprintf(text + n, PLACE_TEXT - n, " %c", flags[i].name);
    if (!n)
        snprintf(text, PLACE_TEXT, " none");
}

void cg_note_flags(const cg *c)
{
    tell_pass(c, passes_name(CG_PASS_FLAGS), cg_does(c, CG_PASS_FLAGS));
    for (uint32_t id = 0; id < 2 * c->u->n_ops; id++) {
        char set[PLACE_TEXT], text[PLACE_TEXT + 16];

        if (!c->values[id].uses || c->values[id].type != IR_FL)
            continue;
        flags_text(c->values[id].fl_need, set);
        snprintf(text, sizeof(text), "flags read:%s", set);
        remark(c, id >> 1, CG_NONE, text);
    }
}

void cg_note_dead(const cg *c)
{
    tell_pass(c, passes_name(CG_PASS_DEAD), cg_does(c, CG_PASS_DEAD));
    for (uint32_t i = 0; i < c->u->n_ops; i++)
        if (c->values[i << 1].flags & CG_IS_DEAD)
            tell(c, PB_NOTE_DROPPED, i, CG_NONE,
                 c->u->ops[i].op == IR_OP_PUT ? "overwritten" : "nobody reads it");
}

static bool is_access(const cg *c, uint32_t record)
{
    return c->u->ops[record].op == IR_OP_LD || c->u->ops[record].op == IR_OP_ST;
}

/* One sweep finds all of them. Operations without code of their own are still read by those that have it. */
void cg_note_patterns(const cg *c)
{
    const cg_pass all =
        CG_PASS_PAIRS | CG_PASS_TESTS | CG_PASS_LANES | CG_PASS_SCALED | CG_PASS_FUSED;

    tell_pass(c, "patterns", c->self->passes & all);
    for (uint32_t i = 0; i < c->u->n_ops; i++) {
        if (c->first_of[i])
            remark(c, i, c->first_of[i] - 1,
                   is_access(c, i) ? "pairs: one access with" : "fused: one instruction with");
        if (c->values[i << 1].flags & CG_IS_DEAD)
            remark(c, i, CG_NONE, "no code of its own");
        else if (c->values[i << 1].flags & CG_IS_LATE)
            remark(c, i, CG_NONE, "emitted with the operation that reads it");
    }
}

void cg_note_registers(const cg *c)
{
    tell_pass(c, passes_name(CG_PASS_REGISTERS), cg_does(c, CG_PASS_REGISTERS));
    for (uint32_t i = 0; i < c->n_pins; i++) {
        bool own = c->self->pin_of_slot[c->pins[i].slot] != c->pins[i].reg;
        char text[PLACE_TEXT];

        snprintf(text, sizeof(text), "%s%s", registers[c->pins[i].reg],
                 own ? ", in this unit" : "");
        tell(c, PB_NOTE_SLOT, CG_NONE, c->pins[i].slot, text);
    }
}

void cg_note_places(const cg *c)
{
    tell_pass(c, passes_name(CG_PASS_PLACES), cg_does(c, CG_PASS_PLACES));
    for (uint32_t i = 0; i < c->u->n_ops; i++) {
        const cg_value *v = &c->values[i << 1];
        char text[PLACE_TEXT];

        if (!v->uses || v->want < 0) /* what is put is used */
            continue;
        snprintf(text, sizeof(text), "computed in the register of %s%s",
                 name_of_slot(c, (uint32_t)v->want), v->flags & CG_IS_LATE ? ", at its put" : "");
        remark(c, i, CG_NONE, text);
    }
}

void cg_note_spans(const cg *c)
{
    tell_pass(c, passes_name(CG_PASS_SPANS), cg_does(c, CG_PASS_SPANS));
}

void cg_note_member(const cg *c, uint32_t record)
{
    cg_note_spans(c);
    remark(c, record, c->record, "the probe is that of");
}

/* ---- the main path ----------------------------------------------------------------------------------------- */

void cg_note_begin(cg *c)
{
    c->noting = PB_HAS(c->job, note) && c->job->note;
    if (c->noting)
        tell(c, PB_NOTE_BEGIN, CG_NONE, 0, NULL);
}

void cg_note_record(const cg *c, uint32_t record)
{
    tell(c, PB_NOTE_RECORD, record, 0, NULL);
}

void cg_note_skipped(const cg *c, uint32_t record)
{
    bool late = c->values[record << 1].flags & CG_IS_LATE;

    tell(c, PB_NOTE_SKIPPED, record, 0, late ? "emitted with a later operation" : "not needed");
}

static void tell_slot(const cg *c, uint32_t record, uint32_t slot)
{
    char text[PLACE_TEXT];

    if (c->slots[slot].dirty && c->slots[slot].value != CG_NONE)
        place_of(c, &c->values[c->slots[slot].value], text);
    else if (c->pin_of_slot[slot] != CG_NO_REG)
        snprintf(text, sizeof(text), "%s, its own", registers[c->pin_of_slot[slot]]);
    else
        return;
    tell(c, PB_NOTE_SLOT, record, slot, text);
}

void cg_note_results(const cg *c, uint32_t record)
{
    const ir_op_record *r = &c->u->ops[record];
    char text[PLACE_TEXT];

    for (uint32_t id = record << 1; id <= (record << 1 | 1); id++) {
        /* Behind a get there may be another name of the value (narrow.c). */
        if (c->values[id].uses == 0 || (id & 1 && ir_second_type(r->op) == IR_VOID))
            continue;
        place_of(c, &c->values[c->values[id].rep], text);
        tell(c, PB_NOTE_VALUE, record, id, text);
    }
    if (r->op == IR_OP_PUT)
        tell_slot(c, record, r->attr);
}

/* ---- paths ------------------------------------------------------------------------------------------------- */

static uint32_t word_at(const uint8_t **p)
{
    uint32_t word = (*p)[0] | (uint32_t)(*p)[1] << 8;

    *p += 2;
    return word;
}

/* A place of a site record. */
static void read_place(const cg *c, const uint8_t **p, char text[PLACE_TEXT])
{
    uint32_t place = *(*p)++;
    char first[PLACE_TEXT], second[PLACE_TEXT];
    uint64_t k[2];

    switch (place) {
    case PLACE_SPILL:
        snprintf(text, PLACE_TEXT, "spill %u", *(*p)++);
        return;
    case PLACE_CONST:
        memcpy(k, *p, sizeof(k));
        *p += sizeof(k);
        snprintf(text, PLACE_TEXT, k[1] ? "0x%llx_%016llx" : "%.0llx0x%llx",
                 (unsigned long long)k[1], (unsigned long long)k[0]);
        return;
    case PLACE_HOME:
        snprintf(text, PLACE_TEXT, "home of %s", name_of_slot(c, word_at(p)));
        return;
    case PLACE_SUM:
        snprintf(text, PLACE_TEXT, "%s, and a constant", registers[**p]);
        *p += 1 + sizeof(int32_t);
        return;
    case PLACE_MADE:
        ++*p;
        read_place(c, p, first);
        read_place(c, p, second);
        snprintf(text, PLACE_TEXT, "flags of %.20s and %.20s", first, second);
        return;
    case PLACE_CONDITION:
        snprintf(text, PLACE_TEXT, "condition %u", *(*p)++);
        return;
    case PLACE_FLAGS:
        snprintf(text, PLACE_TEXT, "flags%s", *(*p)++ & 1 ? ", borrow" : "");
        return;
    default:
        snprintf(text, PLACE_TEXT, "%s", place < CG_REGS ? registers[place] : "?");
    }
}

void cg_note_path(const cg *c, uint32_t record, const char *what)
{
    tell(c, PB_NOTE_PATH, record, 0, what);
}

void cg_note_map(const cg *c, uint32_t record, const uint8_t *map, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t slot = word_at(&map);
        char text[PLACE_TEXT];

        if (c->self->cpu->slots[slot].type == IR_FL)
            word_at(&map);
        read_place(c, &map, text);
        tell(c, PB_NOTE_SLOT, record, slot, text);
    }
}

void cg_note_site(const cg *c, uint32_t record, const uint8_t *site)
{
    const uint8_t *p = site + sizeof(site_head);
    site_head head;
    char text[PLACE_TEXT];

    memcpy(&head, site, sizeof(head));
    for (uint32_t i = 0; i < head.n_args; i++) {
        p++; /* its type */
        read_place(c, &p, text);
    }
    cg_note_map(c, record, p, head.n_sync);
}

void cg_note_data(const cg *c)
{
    tell(c, PB_NOTE_DATA, CG_NONE, 0, NULL);
}
