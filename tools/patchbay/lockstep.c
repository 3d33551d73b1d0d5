/*
 * `patchbay run --lockstep A,B`: one machine on two accelerators (core/machine/lockstep.h).
 *
 * What comes from outside would not come to both at the same instruction, and what goes out would go twice: so serial
 * ports lead nowhere, but for the first machine's into files; disks keep nothing; other backends are refused.
 */
#include "command.h"
#include "lockstep.h"

#include <core/machine/lockstep.h>
#include <stdio.h>
#include <string.h>

static bool wrong(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);

static bool wrong(GError **error, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error_literal(error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, text);
    return false;
}

/* ---- options --------------------------------------------------------------------------------- */

/* "interp,jit,cache-size=1MiB" to "interp" and "jit,cache-size=1MiB": words without '=' are types. */
static bool split_pair(const char *pair, char *specs[2], GError **error)
{
    g_auto(GStrv) words = g_strsplit(pair, ",", -1);
    GString *texts[2] = { g_string_new(NULL), g_string_new(NULL) };
    unsigned types = 0;

    for (char **word = words; *word; word++) {
        bool is_type = !strchr(*word, '=');

        types += is_type;
        if (types == 0 || types > 2)
            break;
        if (!is_type)
            g_string_append_c(texts[types - 1], ',');
        g_string_append(texts[types - 1], *word);
    }
    for (unsigned i = 0; i < 2; i++)
        specs[i] = g_string_free(texts[i], FALSE);
    return (types == 2 && *specs[0] && *specs[1]) ||
           wrong(error, "--lockstep %s: two accelerators are expected: interp,jit", pair);
}

static bool parse_count(const char *option, const char *text, uint64_t *count, GError **error)
{
    guint64 number;

    if (!text)
        return true;
    if (!g_ascii_string_to_unsigned(text, 10, 1, G_MAXINT64, &number, NULL))
        return wrong(error, "%s %s: with --lockstep, a number of instructions is expected", option,
                     text);
    *count = number;
    return true;
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void drop_wires(pb_plan *plan, const pb_plan_part *part, const pb_class *class)
{
    for (unsigned i = plan->wires->len; i-- > 0;) {
        const pb_plan_wire *wire = &g_array_index(plan->wires, pb_plan_wire, i);
        const pb_port *port = wire->from == part ? wire->from_port : wire->to_port;
        bool is_its = wire->from == part || wire->to == part, kept = false;

        for (const pb_port *p = class->ports; p && p->name; p++)
            kept = kept || strcmp(p->name, port->name) == 0;
        if (is_its && !kept)
            g_array_remove_index(plan->wires, i);
    }
}

/* A serial port that leads nowhere. */
static bool silence(loaded_machine *m, pb_plan_part *part, GError **error)
{
    const pb_class *class = pb_plugin_host_type(m->host, PB_KIND_BACKEND, "chardev/null", error);

    if (!class)
        return false;
    g_free(part->type);
    part->type = g_strdup("chardev/null");
    part->class = class;
    g_array_set_size(part->props, 0);
    drop_wires(m->plan, part, class);
    return true;
}

/* What the disk is told to keep is thrown away. False: the type cannot do that. */
static bool throw_away(const pb_plan_part *part)
{
    for (const pb_prop *row = part->class->props; row && row->name; row++) {
        const char *const yes[] = { "true", NULL };
        pb_plan_prop set = { .row = row, .mark = part->mark };

        if (strcmp(row->name, "snapshot") != 0)
            continue;
        for (unsigned i = part->props->len; i-- > 0;)
            if (strcmp(g_array_index(part->props, pb_plan_prop, i).row->name, row->name) == 0)
                g_array_remove_index(part->props, i);
        set.texts = g_strdupv((char **)(uintptr_t)yes);
        g_array_append_val(part->props, set);
        return true;
    }
    return false;
}

static bool seclude(loaded_machine *m, bool first, GError **error)
{
    for (unsigned i = 0; i < m->plan->parts->len; i++) {
        pb_plan_part *part = g_ptr_array_index(m->plan->parts, i);

        if (part->kind != PB_KIND_BACKEND || (first && strcmp(part->type, "chardev/file") == 0))
            continue;
        if (g_str_has_prefix(part->type, "chardev/")) {
            if (!silence(m, part, error))
                return false;
        } else if (!throw_away(part)) {
            return wrong(error,
                         "%s: what comes from outside does not come to two machines at the same "
                         "instruction: --lockstep cannot have it",
                         part->path);
        }
    }
    return true;
}

/* ---- running --------------------------------------------------------------------------------- */

static void say(void *opaque, const char *text)
{
    fputs(text, stderr);
}

static int run(const pb_lockstep *lockstep)
{
    g_autoptr(GError) error = NULL;
    pb_lockstep_result result;

    if (!pb_lockstep_run(lockstep, &result, &error))
        return complain(STATUS_USAGE, "%s", error->message);
    if (result.differ)
        return complain(STATUS_FAILED, "the accelerators differ at instruction %" G_GUINT64_FORMAT,
                        result.insns);
    fprintf(stderr, "equal after %" G_GUINT64_FORMAT " instructions\n", result.insns);
    return result.status;
}

static int load_and_run(const char *name, const lockstep_options *o, char *specs[2],
                        pb_lockstep *lockstep)
{
    loaded_machine m[2];
    g_autoptr(GError) error = NULL;
    int status = STATUS_USAGE;
    unsigned n = 0;
    bool ok = true;

    o->machine->deterministic = TRUE;
    for (; n < 2 && ok; n++) {
        g_free(o->machine->accel);
        o->machine->accel = g_strdup(specs[n]);
        ok = load_machine(&m[n], name, o->machine, true);
        if (ok && !seclude(&m[n], n == 0, &error)) {
            complain(STATUS_USAGE, "%s", error->message);
            ok = false;
        }
        lockstep->plans[n] = m[n].plan;
        lockstep->hosts[n] = m[n].host;
    }
    if (ok)
        status = run(lockstep);
    while (n-- > 0)
        loaded_machine_finish(&m[n]);
    return status;
}

int run_lockstep(const char *name, const lockstep_options *o)
{
    g_autoptr(GError) error = NULL;
    pb_lockstep lockstep = { .load = o->load, .every = 1000000, .say = say };
    char *specs[2] = { NULL, NULL };
    int status = STATUS_USAGE;

    if (split_pair(o->pair, specs, &error) &&
        parse_count("--lockstep-every", o->every, &lockstep.every, &error) &&
        parse_count("--stop-at", o->stop, &lockstep.until, &error))
        status = load_and_run(name, o, specs, &lockstep);
    else
        complain(STATUS_USAGE, "%s", error->message);
    g_free(specs[0]);
    g_free(specs[1]);
    return status;
}
