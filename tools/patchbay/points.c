/*
 * What `patchbay run` does at points of the run: --state-hash, --save-at, --stop-at.
 *
 * A point is a number of instructions (deterministic runs), a machine time, or the end. Instructions come as calls of
 * pb_machine_count(), between two instructions. Times are timers; in a parallel run all processors are brought to rest
 * first. A snapshot that cannot be written does not end the run: the machine is all there is left of it.
 */
#include "command.h"
#include "points.h"

#include <core/machine/snapshot.h>
#include <core/util/file.h>
#include <stdio.h>
#include <string.h>

typedef enum point_kind { AT_COUNT, AT_TIME, AT_END } point_kind;

typedef struct run_point {
    run_points *owner;
    point_kind kind;
    uint64_t at;      /* instructions or nanoseconds */
    const char *file; /* null: stop */
    pb_timer *timer;
} run_point;

struct run_points {
    pb_machine *machine;
    uint64_t hash_every; /* 0: never */
    GArray *points;      /* run_point */
    bool failed;
};

static bool is_deterministic(const run_points *p)
{
    return pb_sched_threads(pb_machine_sched(p->machine)) == PB_THREADS_ROUND_ROBIN;
}

/* ---- what is done ---------------------------------------------------------------------------- */

static void save(run_point *point)
{
    g_autoptr(GError) error = NULL;

    if (pb_machine_save(point->owner->machine, point->file, &error))
        return;
    complain(STATUS_USAGE, "%s", error->message);
    point->owner->failed = true;
}

static void act(void *opaque)
{
    run_point *point = opaque;

    if (point->file)
        save(point);
    else
        pb_machine_stop(point->owner->machine, STATUS_OK);
}

static void time_came(void *opaque)
{
    run_point *point = opaque;

    if (is_deterministic(point->owner))
        act(point);
    else
        pb_sched_at_rest(pb_machine_sched(point->owner->machine), act, point);
}

/* The first count after `total` at which there is something to do; 0: none. */
static uint64_t next_count(const run_points *p, uint64_t total)
{
    uint64_t next = p->hash_every ? total - total % p->hash_every + p->hash_every : UINT64_MAX;

    for (unsigned i = 0; i < p->points->len; i++) {
        const run_point *point = &g_array_index(p->points, run_point, i);

        if (point->kind == AT_COUNT && point->at > total)
            next = MIN(next, point->at);
    }
    return next == UINT64_MAX ? 0 : next;
}

static uint64_t at_count(void *opaque, uint64_t total)
{
    run_points *p = opaque;

    if (p->hash_every && total % p->hash_every == 0) {
        g_autofree char *hash = pb_machine_hash(p->machine);

        fprintf(stderr, "%" G_GUINT64_FORMAT " %s\n", total, hash);
    }
    for (unsigned i = 0; i < p->points->len; i++) {
        run_point *point = &g_array_index(p->points, run_point, i);

        if (point->kind == AT_COUNT && point->at == total)
            act(point);
    }
    return next_count(p, total);
}

/* ---- what is asked for ----------------------------------------------------------------------- */

/* "5000000", "1500ms" or "end"; *end is behind it. */
static bool parse_when(const char *text, run_point *point, const char **end)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = { { "ns", 1 }, { "us", 1000 }, { "ms", 1000000 }, { "s", 1000000000 } };
    uint64_t number;
    char *behind;

    if (g_str_has_prefix(text, "end")) {
        point->kind = AT_END;
        *end = text + strlen("end");
        return true;
    }
    if (!g_ascii_isdigit(*text))
        return false;
    number = g_ascii_strtoull(text, &behind, 10);
    point->kind = AT_COUNT;
    point->at = number;
    *end = behind;
    for (unsigned i = 0; i < G_N_ELEMENTS(units); i++) {
        if (!g_str_has_prefix(behind, units[i].name))
            continue;
        point->kind = AT_TIME;
        *end = behind + strlen(units[i].name);
        return number > 0 && !__builtin_mul_overflow(number, units[i].ns, &point->at);
    }
    return number > 0 && number < UINT64_MAX;
}

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

/* A file that cannot be made is better known now than when there is something to save. */
static bool can_write(const char *file, GError **error)
{
    pb_file_writer *writer = pb_file_writer_new(file, error);

    if (writer)
        pb_file_abandon(writer);
    return writer != NULL;
}

static bool add_point(run_points *p, run_point point, GError **error)
{
    point.owner = p;
    g_array_append_val(p->points, point);
    return !point.file || can_write(point.file, error);
}

static bool parse_save(run_points *p, const char *text, GError **error)
{
    run_point point = { 0 };
    const char *end = text;

    if (!parse_when(text, &point, &end) || *end != '=' || !end[1])
        return wrong(
            error,
            "--save-at %s: WHEN=FILE is expected, and WHEN is a number of instructions, a time "
            "(1500ms, 20s), or 'end'",
            text);
    point.file = end + 1;
    return add_point(p, point, error);
}

static bool parse_stop(run_points *p, const char *text, GError **error)
{
    run_point point = { 0 };
    const char *end = text;

    if (!parse_when(text, &point, &end) || *end || point.kind == AT_END)
        return wrong(error,
                     "--stop-at %s: a number of instructions or a time (1500ms, 20s) is expected",
                     text);
    return add_point(p, point, error);
}

static bool parse(run_points *p, const point_options *o, GError **error)
{
    if (o->hash_every < 0)
        return wrong(error, "--state-hash: a number of instructions is expected");
    for (char **text = o->saves; text && *text; text++) {
        if (!parse_save(p, *text, error))
            return false;
    }
    /* Behind the saves: those at the same time come before the stop. */
    return !o->stop || parse_stop(p, o->stop, error);
}

static bool counts(const run_points *p)
{
    for (unsigned i = 0; i < p->points->len; i++) {
        if (g_array_index(p->points, run_point, i).kind == AT_COUNT)
            return true;
    }
    return p->hash_every > 0;
}

run_points *points_new(pb_machine *machine, const point_options *o, GError **error)
{
    run_points *p = g_new0(run_points, 1);

    p->machine = machine;
    p->hash_every = (uint64_t)MAX(o->hash_every, 0);
    p->points = g_array_new(FALSE, FALSE, sizeof(run_point));
    if (parse(p, o, error) && (!counts(p) || is_deterministic(p)))
        return p;
    if (error && !*error)
        wrong(error,
              "--state-hash, and --save-at and --stop-at after a number of instructions, need "
              "--deterministic; a time has a unit (1500ms, 20s)");
    points_free(p);
    return NULL;
}

void points_free(run_points *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->points->len; i++)
        pb_sched_timer_free(g_array_index(p->points, run_point, i).timer);
    g_array_unref(p->points);
    g_free(p);
}

bool points_set(run_points *p, GError **error)
{
    pb_sched *sched = pb_machine_sched(p->machine);
    pb_sched_state state;

    pb_sched_state_get(sched, &state);
    for (unsigned i = 0; i < p->points->len; i++) {
        run_point *point = &g_array_index(p->points, run_point, i);
        uint64_t now = point->kind == AT_TIME ? state.now_ns : state.insns;

        if (point->kind != AT_END && point->at <= now)
            return wrong(error,
                         "%s %" G_GUINT64_FORMAT " %s%s%s: the machine is at %" G_GUINT64_FORMAT
                         " already",
                         point->file ? "--save-at" : "--stop-at", point->at,
                         point->kind == AT_TIME ? "ns" : "instructions", point->file ? "=" : "",
                         point->file ? point->file : "", now);
        if (point->kind != AT_TIME)
            continue;
        point->timer = pb_sched_timer_new(sched, time_came, point);
        pb_timer_set(point->timer, point->at);
    }
    if (counts(p))
        pb_machine_count(p->machine, next_count(p, state.insns), at_count, p);
    return true;
}

bool points_end(run_points *p)
{
    for (unsigned i = 0; i < p->points->len; i++) {
        run_point *point = &g_array_index(p->points, run_point, i);

        if (point->kind == AT_END)
            act(point);
    }
    return !p->failed;
}
