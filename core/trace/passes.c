/*
 * Units behind each pass of a code generator, in the log: `--log passes`. The text is IR (core/ir/text.h), what passes say of it
 * stands in comments: with records that a pass dropped as comments, and left out behind later passes, it is the unit as it is
 * then, and can be parsed.
 */
#include <core/ir/text.h>
#include <core/trace/symbols.h>
#include <core/trace/trace.h>

/* One pass: notes from `first` on, up to `end`. */
typedef struct shown {
    const ir_unit *unit;
    const GArray *notes;
    guint first, end;
    uint8_t *dropped; /* by record: 1 by this pass, 2 by one before */
} shown;

static const pb_trace_note *note_at(const shown *s, guint i)
{
    return &g_array_index(s->notes, pb_trace_note, i);
}

static void add_remark(const shown *s, const pb_trace_note *n, GString *line)
{
    g_string_append_printf(line, "%s%s", strchr(line->str, '#') ? "; " : "  # ",
                           n->text ? n->text : "?");
    if (n->id < s->unit->n_ops) {
        g_string_append_c(line, ' ');
        pb_ir_print_record(s->unit, n->id, line);
    }
}

static void remark(void *opaque, uint32_t record, GString *line)
{
    const shown *s = opaque;

    if (s->dropped[record] == 2) {
        g_string_truncate(line, 0);
        return;
    }
    if (s->dropped[record])
        g_string_prepend(line, "# dropped: ");
    for (guint i = s->first; i < s->end; i++) {
        const pb_trace_note *n = note_at(s, i);

        if (n->record == record && n->kind != PB_NOTE_SLOT)
            add_remark(s, n, line);
    }
}

/* Above the unit, if it is shown: the pass, how much it did, and what concerns no record. */
static void show_head(const shown *s, const pb_trace_note *pass, GString *text)
{
    uint32_t dropped = 0, remarks = 0;

    for (guint i = s->first; i < s->end; i++) {
        const pb_trace_note *n = note_at(s, i);

        dropped += n->kind == PB_NOTE_DROPPED;
        remarks +=
            n->kind == PB_NOTE_REMARK && n->record < s->unit->n_ops && s->dropped[n->record] != 2;
    }
    g_string_append_printf(text, "# pass %s: ", pass->text ? pass->text : "?");
    if (!pass->id)
        g_string_append(text, "left out\n");
    else if (s->end == s->first + 1)
        g_string_append(text, "nothing\n");
    else
        g_string_append_printf(text, "%u dropped, %u remarks\n", dropped, remarks);
    for (guint i = s->first; i < s->end; i++) {
        const pb_trace_note *n = note_at(s, i);

        if (n->kind == PB_NOTE_SLOT && n->id < pb_ir_slot_count(s->unit->cpu))
            g_string_append_printf(text, "# %s is in %s\n", s->unit->cpu->slots[n->id].name,
                                   n->text ? n->text : "?");
    }
}

static void mark_dropped(shown *s)
{
    for (uint32_t i = 0; i < s->unit->n_ops; i++)
        if (s->dropped[i])
            s->dropped[i] = 2;
    for (guint i = s->first; i < s->end; i++) {
        const pb_trace_note *n = note_at(s, i);

        if (n->kind == PB_NOTE_DROPPED && n->record < s->unit->n_ops && !s->dropped[n->record])
            s->dropped[n->record] = 1;
    }
}

/* Whether a pass goes on: one that is told of again. */
static bool goes_on(const shown *s, const pb_trace_note *pass)
{
    const pb_trace_note *n = note_at(s, s->end);

    return n->kind != PB_NOTE_PASS || !g_strcmp0(n->text, pass->text);
}

void pb_trace_passes(const ir_unit *unit, const GArray *notes, GString *text)
{
    g_autofree uint8_t *dropped = g_new0(uint8_t, unit->n_ops + 1);
    shown s = { .unit = unit, .notes = notes, .dropped = dropped };

    g_string_append(text, "# pass translation\n");
    pb_ir_print(unit, text);
    for (guint i = 0; i < notes->len; i = s.end) {
        const pb_trace_note *pass = note_at(&s, i);

        s.first = s.end = i;
        while (s.end < notes->len && goes_on(&s, pass))
            s.end++;
        mark_dropped(&s);
        show_head(&s, pass, text);
        if (s.end > s.first + 1)
            pb_ir_print_remarked(unit, remark, &s, text);
    }
}
