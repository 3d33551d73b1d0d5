/*
 * Host code in the log: `--log code`. Each unit's, behind the guest instructions and operations that it is of, with the
 * places of values and slots as the generator tells them (pb_code_job.note).
 */
#include <core/ir/text.h>
#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <core/vcpu/vcpu.h>

typedef pb_trace_note noted;

/* What is told of an emission. */
typedef struct told {
    GArray *passes, *code; /* noted */
    bool emitting;         /* what comes belongs to code */
} told;

static void clear_noted(gpointer p)
{
    g_free(((noted *)p)->text);
}

static bool is_of_pass(const told *t, uint32_t kind)
{
    return kind == PB_NOTE_PASS || kind == PB_NOTE_DROPPED || kind == PB_NOTE_REMARK ||
           (kind == PB_NOTE_SLOT && !t->emitting);
}

static void take_note(void *opaque, const pb_code_note *note)
{
    told *t = opaque;
    noted n = { note->kind, note->offset, note->record, note->id, g_strdup(note->text) };

    if (note->kind == PB_NOTE_BEGIN) {
        g_array_set_size(t->passes, 0);
        g_array_set_size(t->code, 0);
        t->emitting = false;
    } else if (!is_of_pass(t, note->kind)) {
        t->emitting = true;
    }
    g_array_append_vals(is_of_pass(t, note->kind) ? t->passes : t->code, &n, 1);
}

/* ---- text ---------------------------------------------------------------------------------------------------- */

typedef struct shower {
    pb_vcpu *vcpu;
    const pb_code_job *job;
    GString *text;
} shower;

static void show_instruction(const shower *s, const ir_mark *mark)
{
    uint8_t bytes[16];
    uint32_t length = MIN((uint32_t)mark->length, (uint32_t)sizeof(bytes));
    gsize start = s->text->len;

    if (pb_vcpu_peek(s->vcpu, mark->pc, bytes, length))
        pb_trace_disassemble(s->job->unit->cpu, mark->pc, bytes, length, s->text);
    else
        g_string_append_printf(s->text, "0x%016" PRIx64 ":  not readable\n", mark->pc);
    pb_symbols_annotate(s->text, start);
}

static void show_record(const shower *s, uint32_t record)
{
    const ir_unit *unit = s->job->unit;
    const ir_op_record *r;
    gsize start = s->text->len;

    if (record >= unit->n_ops)
        return;
    r = &unit->ops[record];
    if (r->op == IR_OP_INSN && r->guest < unit->n_marks) {
        show_instruction(s, &unit->marks[r->guest]);
        return;
    }
    g_string_append(s->text, "  ; ");
    pb_ir_print_record(unit, record, s->text);
    pb_symbols_annotate(s->text, start);
    g_string_append_c(s->text, '\n');
}

static void show_path(const shower *s, const noted *n)
{
    g_string_append_printf(s->text, "off the main path: %s", n->text ? n->text : "");
    if (n->record < s->job->unit->n_ops) {
        g_string_append(s->text, ", of ");
        pb_ir_print_record(s->job->unit, n->record, s->text);
    }
    g_string_append_c(s->text, '\n');
}

static void show_value(const shower *s, const noted *n)
{
    g_string_append(s->text, "  ;   ");
    if (n->kind == PB_NOTE_SLOT)
        g_string_append(s->text, s->job->unit->cpu->slots[n->id].name);
    else
        pb_ir_print_value(s->job->unit, n->id, s->text);
    g_string_append_printf(s->text, " is in %s\n", n->text ? n->text : "?");
}

static void show_note(const shower *s, const noted *n)
{
    switch (n->kind) {
    case PB_NOTE_RECORD:
        show_record(s, n->record);
        break;
    case PB_NOTE_SKIPPED:
        show_record(s, n->record);
        g_string_append_printf(s->text, "  ;   %s\n", n->text ? n->text : "");
        break;
    case PB_NOTE_PATH:
        show_path(s, n);
        break;
    case PB_NOTE_VALUE:
    case PB_NOTE_SLOT:
        show_value(s, n);
        break;
    case PB_NOTE_DATA:
        g_string_append(s->text, "data\n");
        break;
    default:
        break;
    }
}

static void show_bytes(const shower *s, uint32_t from, uint32_t to, bool is_data)
{
    const uint8_t *code = s->job->slice.rw;
    g_autoptr(GString) lines = NULL;
    g_auto(GStrv) each = NULL;

    if (is_data) {
        g_string_append_printf(s->text, "    %p: %u bytes\n",
                               (const void *)(s->job->slice.rx + from), to - from);
        return;
    }
    lines = g_string_new(NULL);
    pb_trace_disassemble_host((uintptr_t)(s->job->slice.rx + from), code + from, to - from, lines);
    each = g_strsplit(lines->str, "\n", -1);
    for (char **line = each; *line && **line; line++)
        g_string_append_printf(s->text, "    %s\n", *line);
}

/* Notes behind a record's code (places) are shown before it: they say what it makes. */
static void show_notes(const shower *s, const GArray *notes)
{
    uint32_t at = 0;
    bool is_data = false;

    for (guint i = 0; i < notes->len; i++) {
        const noted *n = &g_array_index(notes, noted, i);
        uint32_t offset = MIN(n->offset, s->job->bytes);

        if (offset > at) {
            show_bytes(s, at, offset, is_data);
            is_data = false;
            at = offset;
        }
        is_data = is_data || n->kind == PB_NOTE_DATA;
        show_note(s, n);
    }
    if (s->job->bytes > at)
        show_bytes(s, at, s->job->bytes, is_data);
}

static void show_code(const pb_code_job *job, const GArray *notes)
{
    const ir_unit *unit = job->unit;
    const pb_translator *translator = unit->cpu->translator;
    g_autoptr(GString) text = g_string_new(NULL);
    const shower s = { job->vcpu, job, text };
    char key[64] = "";

    if (translator && translator->key_text)
        translator->key_text(unit->key, key, sizeof(key));
    g_string_append_printf(text, "code cpu%u 0x%" PRIx64, job->vcpu->index, unit->pc);
    pb_symbols_annotate(text, 0);
    g_string_append_printf(text, " %s%s%s, %u instructions, %u bytes at %p\n", key,
                           job->flags & PB_CODE_REGION ? " region" : "",
                           job->flags & PB_CODE_ALONE ? " alone" : "", unit->n_marks, job->bytes,
                           (const void *)job->slice.rx);
    show_notes(&s, notes);
    g_string_truncate(text, text->len - 1);
    pb_trace_line("%s", text->str);
}

static GArray *new_notes(void)
{
    GArray *notes = g_array_new(FALSE, FALSE, sizeof(noted));

    g_array_set_clear_func(notes, clear_noted);
    return notes;
}

/* The type's emit(), with what it tells. */
static uint32_t emit_told(const pb_codegen_type *type, void *self, pb_code_job *job, told *t)
{
    uint32_t status;

    *t = (told){ .passes = new_notes(), .code = new_notes() };
    job->note = take_note;
    job->note_opaque = t;
    status = type->emit(self, job);
    job->note = NULL;
    job->note_opaque = NULL;
    return status;
}

static void forget(told *t)
{
    g_array_unref(t->passes);
    g_array_unref(t->code);
}

static void show_passes(const pb_code_job *job, const GArray *notes)
{
    g_autoptr(GString) text = g_string_new(NULL);

    g_string_append_printf(text, "passes cpu%u\n", job->vcpu->index);
    pb_trace_passes(job->unit, notes, text);
    g_string_truncate(text, text->len - 1);
    pb_symbols_annotate(text, 0);
    pb_trace_line("%s", text->str);
}

uint32_t pb_trace_emit_passes(const pb_codegen_type *type, void *self, pb_code_job *job,
                              GString *text)
{
    told t;
    uint32_t status = emit_told(type, self, job, &t);

    if (status == PB_EMIT_OK)
        pb_trace_passes(job->unit, t.passes, text);
    forget(&t);
    return status;
}

uint32_t pb_trace_emit(const pb_codegen_type *type, void *self, pb_code_job *job)
{
    uint32_t status;
    told t;

    if (!PB_HAS(job, note_opaque) || !pb_trace_has(job->unit))
        return type->emit(self, job);
    status = emit_told(type, self, job, &t);
    if (status == PB_EMIT_OK && pb_trace_wants(PB_LOG_ITEM_PASSES))
        show_passes(job, t.passes);
    if (status == PB_EMIT_OK && pb_trace_wants(PB_LOG_ITEM_CODE))
        show_code(job, t.code);
    forget(&t);
    return status;
}
