/* Two accelerators against each other: see lockstep.h. */
#include <core/ir/text.h>
#include <core/machine/internal.h>
#include <core/machine/lockstep.h>
#include <core/machine/snapshot.h>
#include <core/trace/symbols.h>
#include <core/trace/trace.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#define MOST_LAST 128u /* bytes shown of a unit's last instruction */

/* One of both machines. */
typedef struct side {
    pb_machine *machine;
    bool stopped; /* by us, at a count */
    int status;   /* else why it ended */
} side;

/* What is known of a difference. */
typedef struct search {
    const pb_lockstep *l;
    pb_lockstep_result *result;
    uint64_t start;       /* instructions before the first attempt: of the snapshot to go on from */
    uint64_t equal;       /* the last count of the run at which both were equal */
    uint64_t differ;      /* the first at which they were not */
    char *snapshot;       /* of the judge at `equal`; null: none can be loaded */
    bool remembered;      /* the tested one shows nothing when it begins there */
    const char *names[2]; /* of the accelerators */
} search;

static void say(const pb_lockstep *l, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void say(const pb_lockstep *l, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    l->say(l->opaque, text);
}

/* ---- running --------------------------------------------------------------------------------- */

static uint64_t insns_of(const side *s)
{
    pb_sched_state state;

    pb_sched_state_get(pb_machine_sched(s->machine), &state);
    return state.insns;
}

/* Where the guest asked for an end itself, that is the end; a reset comes first. */
static uint64_t stop_there(void *opaque, uint64_t total)
{
    side *s = opaque;
    pb_sched_state state;

    pb_sched_state_get(pb_machine_sched(s->machine), &state);
    if (state.end_requested)
        return 0;
    if (state.reset_requested)
        return total + 1;
    s->stopped = true;
    pb_machine_stop(s->machine, 0);
    return 0;
}

/* Up to a count, or to the guest's own end. */
static bool run_to(side *s, uint64_t count, GError **error)
{
    if (insns_of(s) >= count)
        return true;
    s->stopped = false;
    pb_machine_count(s->machine, count, stop_there, s);
    s->status = pb_machine_run(s->machine, error);
    return s->status >= 0;
}

/* A new machine, with nothing remembered. */
static bool begin(side *s, const pb_lockstep *l, unsigned which, const char *load, GError **error)
{
    *s = (side){ .machine = pb_machine_new(l->plans[which], l->hosts[which], error),
                 .stopped = true };
    if (!s->machine)
        return false;
    return load ? pb_machine_load(s->machine, load, error) : pb_machine_reset(s->machine, error);
}

static void end(side *s)
{
    pb_machine_free(s->machine);
    s->machine = NULL;
}

/* Stopped by a signal, which is no difference. */
static bool is_interrupted(const side *s)
{
    return !s->stopped && s->status > 128;
}

static uint64_t next_look(const pb_lockstep *l, uint64_t insns)
{
    uint64_t next = insns - insns % l->every;

    if (__builtin_add_overflow(next, l->every, &next))
        next = UINT64_MAX;
    return l->until ? MIN(next, l->until) : next;
}

/* ---- attempts -------------------------------------------------------------------------------- */

/* As it went up to `equal`, with all its stops. */
static bool repeat(const search *s, unsigned which, side *at, GError **error)
{
    if (!begin(at, s->l, which, s->l->load, error))
        return false;
    for (uint64_t count = s->start; count < s->equal;) {
        count = next_look(s->l, count);
        if (!run_to(at, count, error))
            return false;
    }
    return true;
}

/* One of both at a count behind `equal`. */
static bool bring(const search *s, unsigned which, uint64_t count, side *at, GError **error)
{
    bool again = !s->snapshot || (which == 1 && s->remembered);

    return (again ? repeat(s, which, at, error) : begin(at, s->l, which, s->snapshot, error)) &&
           run_to(at, count, error);
}

/* The same end, or none yet, and the same state. */
static bool are_equal(const side *a, const side *b)
{
    return a->stopped == b->stopped && (a->stopped || a->status == b->status) &&
           machine_compare(a->machine, b->machine, NULL);
}

static bool attempt(const search *s, uint64_t count, bool *differ, GError **error)
{
    side judge = { 0 }, tested = { 0 };
    bool ok = bring(s, 0, count, &judge, error) && bring(s, 1, count, &tested, error);

    if (ok)
        *differ = !are_equal(&judge, &tested);
    end(&judge);
    end(&tested);
    return ok;
}

/* Save the judge at `equal`. */
static bool save_equal(search *s, GError **error)
{
    side judge = { 0 };
    int fd = g_file_open_tmp("patchbay-lockstep-XXXXXX", &s->snapshot, error);
    bool ok = fd >= 0;

    if (!ok)
        return false;
    close(fd);
    ok = repeat(s, 0, &judge, error) && pb_machine_save(judge.machine, s->snapshot, error);
    end(&judge);
    return ok;
}

static void forget_snapshot(search *s)
{
    if (s->snapshot)
        g_unlink(s->snapshot);
    g_clear_pointer(&s->snapshot, g_free);
}

/* A machine that wrote to its disks cannot go on from a snapshot: then each attempt begins at the start. */
static void try_snapshot(search *s)
{
    side judge = { 0 };

    if (!begin(&judge, s->l, 0, s->snapshot, NULL))
        forget_snapshot(s);
    end(&judge);
}

/* Where the tested one has to begin. *found: it can be told. */
static bool choose_beginning(search *s, bool *found, GError **error)
{
    s->remembered = false;
    if (!attempt(s, s->differ, found, error))
        return false;
    if (*found || !s->snapshot)
        return true;
    s->remembered = true;
    return attempt(s, s->differ, found, error);
}

/* Move `differ` down to the first difference behind `equal`. */
static bool narrow(search *s, GError **error)
{
    uint64_t low = s->equal;

    while (s->differ - low > 1) {
        uint64_t middle = low + (s->differ - low) / 2;
        bool differ;

        if (!attempt(s, middle, &differ, error))
            return false;
        if (differ)
            s->differ = middle;
        else
            low = middle;
    }
    return true;
}

/* ---- the report ------------------------------------------------------------------------------ */

static uint64_t pc_of(const pb_vcpu *vcpu)
{
    const pb_slot *slot = &vcpu->type->slots[vcpu->type->pc_slot];
    uint64_t pc = 0;

    memcpy(&pc, (const char *)vcpu->state + slot->offset, pb_slot_bytes(slot->type));
    return pc;
}

/* Which processor executed what is between two states. */
static uint32_t who_ran(const side *before, const side *after)
{
    pb_cpus *earlier = pb_machine_cpus(before->machine), *later = pb_machine_cpus(after->machine);

    for (uint32_t i = 0; i < pb_cpus_count(later); i++)
        if (pb_cpus_at(earlier, i)->retired != pb_cpus_at(later, i)->retired)
            return i;
    return 0;
}

/* The line of one guest instruction. */
static void append_instruction(GString *text, pb_vcpu *vcpu, uint64_t pc)
{
    uint8_t bytes[16];
    uint32_t length = sizeof(bytes);
    gsize start = text->len;
    const char *behind;

    while (length > 0 && !pb_vcpu_peek(vcpu, pc, bytes, length))
        length--;
    if (length == 0)
        g_string_append_printf(text, "0x%016" PRIx64 ":  not readable\n", pc);
    else
        pb_trace_disassemble(vcpu->type, pc, bytes, length, text);
    behind = strchr(text->str + start, '\n');
    g_string_truncate(text, (gsize)(behind + 1 - text->str));
    pb_symbols_annotate(text, start);
}

typedef struct show {
    const search *search;
    pb_vcpu *vcpu;
    uint32_t n;
} show;

/* Where the code of a mark ends: where the next one's begins; the last one's is cut, cold code and records follow. */
static uint32_t end_of(const pb_accel_unit *unit, uint32_t mark)
{
    uint32_t first = unit->offsets[mark], last = MIN(unit->bytes, first + MOST_LAST);

    for (uint32_t i = 0; i < unit->ir->n_marks; i++)
        if (unit->offsets[i] > first || (unit->offsets[i] == first && i > mark))
            last = MIN(last, unit->offsets[i]);
    return last;
}

static void append_code(GString *text, const pb_accel_unit *unit, uint32_t first, uint32_t last)
{
    if (first < last && last <= unit->bytes)
        pb_trace_disassemble_host((uintptr_t)(unit->code + first), unit->code + first, last - first,
                                  text);
}

static void append_unit(GString *text, const show *s, const pb_accel_unit *unit)
{
    const ir_unit *ir = unit->ir;
    gsize start = text->len;

    pb_ir_print(ir, text);
    pb_symbols_annotate(text, start);
    if (!unit->offsets || ir->n_marks == 0 || unit->offsets[0] == UINT32_MAX) {
        append_code(text, unit, 0, unit->bytes);
        return;
    }
    append_code(text, unit, 0, unit->offsets[0]);
    for (uint32_t i = 0; i < ir->n_marks; i++) {
        if (unit->offsets[i] == UINT32_MAX)
            continue;
        g_string_append(text, "; ");
        append_instruction(text, s->vcpu, ir->marks[i].pc);
        append_code(text, unit, unit->offsets[i], end_of(unit, i));
    }
}

static void show_unit(void *opaque, const pb_accel_unit *unit)
{
    show *s = opaque;
    g_autoptr(GString) text = g_string_new(NULL);
    char key[64] = "";

    if (unit->ir->cpu->translator->key_text)
        unit->ir->cpu->translator->key_text(unit->ir->key, key, sizeof(key));
    g_string_append_printf(text, "%s of %s: 0x%" PRIx64 " %s, %u instructions, %u bytes\n",
                           s->n == 0 ? "unit" : "another unit", s->search->names[1], unit->ir->pc,
                           key, unit->ir->n_marks, unit->bytes);
    if (s->n++ == 0)
        append_unit(text, s, unit);
    s->search->l->say(s->search->l->opaque, text->str);
}

static void show_units(const search *s, const side *tested, uint32_t cpu, uint64_t pc)
{
    const machine_part *accel = tested->machine->accel;
    const pb_accel_type *type = (const pb_accel_type *)accel->class;
    show shown = { .search = s, .vcpu = pb_cpus_at(pb_machine_cpus(tested->machine), cpu) };

    if (!PB_ACCEL_HAS(type, show) || !type->show)
        return;
    type->show(pb_instance_self(accel->instance), shown.vcpu, pc, show_unit, &shown);
    if (shown.n == 0)
        say(s->l, "%s has no unit with this instruction any more\n", s->names[1]);
}

static void say_differences(const search *s, const side *judge, const side *tested)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (judge->stopped != tested->stopped)
        g_string_append_printf(text, "  only %s ended\n", s->names[tested->stopped ? 0 : 1]);
    else if (!judge->stopped && judge->status != tested->status)
        g_string_append_printf(text, "  status at the end: %d / %d\n", judge->status,
                               tested->status);
    machine_compare(judge->machine, tested->machine, text);
    say(s->l, "%s / %s:\n%s", s->names[0], s->names[1], text->str);
}

static void report(const search *s, const side *before, const side *judge, const side *tested)
{
    uint32_t cpu = who_ran(before, judge);
    pb_vcpu *vcpu = pb_cpus_at(pb_machine_cpus(before->machine), cpu);
    g_autoptr(GString) text = g_string_new(NULL);

    s->result->pc = pc_of(vcpu);
    append_instruction(text, vcpu, s->result->pc);
    say(s->l, "the first difference is at instruction %" G_GUINT64_FORMAT ", of cpu %u:\n  %s",
        s->differ, cpu, text->str);
    if (s->remembered)
        say(s->l,
            "it does not show from a snapshot at %" G_GUINT64_FORMAT
            ": %s remembers something from before\n",
            s->equal, s->names[1]);
    say_differences(s, judge, tested);
    show_units(s, tested, cpu, s->result->pc);
}

static bool report_first(const search *s, GError **error)
{
    side before = { 0 }, judge = { 0 }, tested = { 0 };
    bool ok = bring(s, 0, s->differ - 1, &before, error) && bring(s, 0, s->differ, &judge, error) &&
              bring(s, 1, s->differ, &tested, error);

    if (ok)
        report(s, &before, &judge, &tested);
    end(&before);
    end(&judge);
    end(&tested);
    return ok;
}

/* ---- the run --------------------------------------------------------------------------------- */

/* Run both to the next looks until they differ, or end. Both are left where they are. */
static bool run_both(search *s, side sides[2], GError **error)
{
    const pb_lockstep *l = s->l;

    for (;;) {
        s->differ = next_look(l, s->equal);
        for (unsigned i = 0; i < 2; i++) {
            if (!run_to(&sides[i], s->differ, error))
                return false;
            if (is_interrupted(&sides[i])) {
                s->result->status = sides[i].status;
                return true;
            }
        }
        s->result->differ = !are_equal(&sides[0], &sides[1]);
        if (s->result->differ)
            return true;
        if (!sides[0].stopped) {
            s->result->status = sides[0].status;
            return true;
        }
        s->equal = s->differ;
        if (s->equal == l->until || s->equal == UINT64_MAX)
            return true;
    }
}

static bool find_first(search *s, GError **error)
{
    bool found;

    if (!save_equal(s, error))
        return false;
    try_snapshot(s);
    if (!choose_beginning(s, &found, error))
        return false;
    if (found)
        return narrow(s, error) && report_first(s, error);
    say(s->l, "that did not happen again: the machines get something from outside\n");
    return true;
}

static bool run_and_search(search *s, GError **error)
{
    side sides[2] = { { 0 }, { 0 } };
    bool ok = true;

    for (unsigned i = 0; i < 2 && ok; i++)
        ok = begin(&sides[i], s->l, i, s->l->load, error);
    s->start = s->equal = ok ? insns_of(&sides[0]) : 0;
    if (ok && s->l->until && s->l->until <= s->start) {
        g_set_error(error, PB_MACHINE_ERROR, PB_MACHINE_ERROR_RUN,
                    "the machine is at %" G_GUINT64_FORMAT " instructions already", s->start);
        ok = false;
    }
    if (ok) {
        ok = run_both(s, sides, error);
        s->result->insns = insns_of(&sides[0]);
    }
    if (ok && s->result->differ) {
        say(s->l,
            "%s and %s are equal after %" G_GUINT64_FORMAT
            " instructions and differ after %" G_GUINT64_FORMAT "\n",
            s->names[0], s->names[1], s->equal, s->differ);
        say_differences(s, &sides[0], &sides[1]);
    }
    end(&sides[0]);
    end(&sides[1]);
    if (!ok || !s->result->differ)
        return ok;
    ok = find_first(s, error);
    s->result->insns = s->differ;
    return ok;
}

bool pb_lockstep_run(const pb_lockstep *lockstep, pb_lockstep_result *result, GError **error)
{
    search s = { .l = lockstep, .result = result };
    bool ok;

    *result = (pb_lockstep_result){ 0 };
    for (unsigned i = 0; i < 2; i++)
        s.names[i] = lockstep->plans[i]->accel->type;
    ok = run_and_search(&s, error);
    forget_snapshot(&s);
    return ok;
}
