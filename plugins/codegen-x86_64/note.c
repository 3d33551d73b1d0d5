/*
 * Telling people what is emitted (pb_code_job.note): where each record's code is, where values and slots are behind it,
 * what the recovery maps of paths say.
 */
#include "note.h"
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
    else
        snprintf(text, PLACE_TEXT, "nowhere");
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
        const cg_value *v = &c->values[c->values[id].rep];

        if (c->values[id].uses == 0)
            continue;
        place_of(c, v, text);
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
